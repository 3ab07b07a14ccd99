"The front page: a film before all words, what is special, and the two commands."

import base64
import io
from html import escape

import numpy as np
from PIL import Image


def _film(notebook: dict) -> tuple[bytes, dict]:
    "The stored film as one picture: a row for each digit, a column for each frame; and its numbers."
    kind = "application/vnd.jupyter.widget-state+json"
    models = notebook["metadata"]["widgets"][kind]["state"].values()
    model = next(m for m in models if "_moves" in {b["path"][0] for b in m.get("buffers", ())})
    seeds, frames, height, width, guesses = model["state"]["_size"]
    packed = next(b["data"] for b in model["buffers"] if b["path"] == ["_frames"])
    levels = np.frombuffer(base64.b64decode(packed), np.uint8)
    shown = levels.reshape(seeds, frames, 1 + guesses, height, width)[:, :, 0]
    sheet = shown.transpose(0, 2, 1, 3).reshape(seeds * height, frames * width)
    png = io.BytesIO()
    Image.fromarray(sheet).save(png, "PNG", optimize=True)
    size = {"seeds": seeds, "frames": frames, "height": height, "width": width}
    return png.getvalue(), size | {"times": model["state"]["_times"]}


def stage(notebook: dict, course: dict) -> tuple[bytes, str]:
    "The film's picture, and the HTML that stands below the title."
    png, film = _film(notebook)
    first = course["chapters"]["1"]
    times = " ".join(map(str, film["times"]))
    says = (
        "Squares of static, in which handwritten digits form, and dissolve again into new static."
    )
    html = f"""<div class="stage">
<figure class="hero" data-seeds="{film["seeds"]}" data-frames="{film["frames"]}" data-times="{times}">
<canvas width="{film["seeds"] * film["width"]}" height="{film["height"]}" role="img" aria-label="{escape(says)}"></canvas>
<figcaption><span class="hero-t">out of noise, one step at a time</span>
<button type="button" class="hero-pause" hidden>Pause</button></figcaption>
<img class="hero-sheet" src="figures/hero.png" alt="" hidden>
</figure>
<p class="ways"><a class="way first" href="{first}.html">Begin with chapter 1</a>
<a class="way" href="{first}.html?read=pictures">Only the pictures</a>
<a class="way" href="#the-road">See the road</a></p>
</div>
"""
    return png, html


def special(course: dict) -> str:
    "What is special, and the two commands."
    many, git = len(course["equations"]), course["git_url"]
    return f"""## Why this one

<div class="cards">
<div class="card"><p><strong>Every equation runs.</strong> There are {many} numbered ones. Beside each stands the code
that is the formula, and a check that finds the answer in another way. Point at a number such as (3.4), wherever you meet
it, and you see the equation.</p></div>
<div class="card"><p><strong>You can drag it.</strong> The sliders on these pages compute in your browser, and ask nobody
for anything. From a folder on your disk the whole site works as well, even in a train.</p></div>
<div class="card"><p><strong>It says where it is unsure.</strong> Averages come with their error bars, and one chapter is
about formulas that are wrong in print, each run beside the right one.</p></div>
</div>

To change the code as well, take it home. Two commands do it:

```sh
git clone {git} && cd {git.rpartition("/")[2]}
make course     # installs the course and opens it in JupyterLab
```
"""
