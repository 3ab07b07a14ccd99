"The front page: a film before all words, what is special, and the two commands."

import base64
import io
import json
import re
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from diffusion_math.explore.explorable import front_end

NETWORK = "ddpm_mnist"  # which draws on the stage, once the film has been seen


def page_network() -> str:
    "The code by which the stage asks the network, as a script for a page that may be a file: what an explorable has of it."
    module = front_end("live")
    return f"course.network({json.dumps(module, ensure_ascii=False)})\n"


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
    hour, first = (course["chapters"][number] for number in ("0", "1"))
    times = " ".join(map(str, film["times"]))
    says = (
        "Squares of static, in which handwritten digits form, and dissolve again into new static."
    )
    keys = "".join(
        f'<button type="button" value="{n}" aria-pressed="false">{n}</button>' for n in range(10)
    )
    html = f"""<div class="stage">
<figure class="hero" data-network="{NETWORK}" data-seeds="{film["seeds"]}" data-frames="{film["frames"]}" data-times="{times}">
<canvas width="{film["seeds"] * film["width"]}" height="{film["height"]}" role="img" aria-label="{escape(says)}"></canvas>
<figcaption><span class="hero-t">out of noise, one step at a time</span>
<button type="button" class="hero-pause" hidden>Pause</button></figcaption>
<div class="hero-keys" role="group" aria-label="Draw new digits" hidden><span>Draw me a</span>{keys}</div>
<p class="hero-said" role="status"></p>
<p class="hero-note">What draws is a small network, here in your browser, and nothing leaves the page. How it comes to know where
the strokes of a 7 belong is what the course derives.</p>
<img class="hero-sheet" src="figures/hero.png" alt="" hidden>
</figure>
<p class="ways"><a class="way first" href="{hour}.html">One evening: the hour</a>
<a class="way" href="{first}.html">Begin with chapter 1</a>
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
<div class="card">

**Every equation runs.** There are {many} numbered ones. Beside each stands the code that is the formula, and a check that
finds the answer in another way. Point at a number such as (3.4), wherever you meet it, and you see the equation.

</div><div class="card">

**You can drag it.** The sliders on these pages compute in your browser, and ask nobody for anything. From a folder on your
disk the whole site works as well, even in a train.

</div><div class="card">

**It says where it is unsure.** Averages come with their error bars, and [one chapter]({course["chapters"]["8b"]}.ipynb) is
about formulas that are wrong in print, each run beside the right one.

</div></div>

To change the code as well, take it home. Two commands do it:

```sh
git clone {git} && cd {git.rpartition("/")[2]}
make course     # installs the course and opens it in JupyterLab
```

[What is new](changes.md) can be <a href="feed.xml">subscribed to</a>.
"""


def road(source: str, pictures: Path) -> str:
    "The road's table as stops, each with the picture of its chapter: a table of five columns is too wide for a phone."
    lines = source.splitlines()
    rows = [i for i, line in enumerate(lines) if line.startswith("|")]
    told = []
    for i in rows[2:]:
        chapter, question, path, minutes, module = map(str.strip, lines[i].strip("|").split("|"))
        name = f"chapter_{re.search(r'](?:.*/)?[(]([^_]+)_', chapter).group(1)}.png"
        card = f'<img src="cards/{name}" alt="" loading="lazy">'
        card = card if (pictures / name).is_file() else ""
        sections, _, few = path.partition(": ")
        ways = [f"*Pictures only:* {sections} ({few} minutes)"] if path else []
        ways.append(f"*Everything:* {minutes} minutes" + (f" · module {module}" if module else ""))
        side = " side" if "(optional)" in chapter else ""
        told.append(
            f'<div class="stop{side}"><div class="stop-card">{card}</div><div>\n\n'
            + "\n\n".join([chapter, question, *ways])
            + "\n\n</div></div>\n"
        )
    stops = '<div class="road">\n\n' + "\n".join(told) + "\n</div>"
    return "\n".join([*lines[: rows[0]], stops, *lines[rows[-1] + 1 :]])
