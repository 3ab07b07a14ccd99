"The front page: one's own digit there and back before all words, three doors, what is special, the road, the two commands."

import base64
import io
import json
import re
from html import escape
from pathlib import Path

import torch
from PIL import Image

from diffusion_math import digits, load_pretrained
from diffusion_math.explore.explorable import needed, script, worker

NETWORK = "ddpm_mnist"
_SEEDS = (3, 5, 8)  # digits that are drawn until somebody draws: the first test digit of each class


def _own(name: str) -> str:
    "A script of the site, less its imports."
    text = (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8")
    return re.sub(r'^import \{[^}]*\} from "\./\w+\.js";\n', "", text, flags=re.MULTILINE)


def hero_script() -> str:
    "The stage's code and what it shows, as a script for a page that may be a file."
    parts = list(dict.fromkeys([*needed("live"), *needed("laws"), *needed("pad")]))
    network = f"const NETWORK = {json.dumps(worker(), ensure_ascii=False)};"
    module = "\n".join([network, *map(script, parts), _own("hero")])
    images, labels = digits("test", labels=True)
    chosen = torch.stack([images[labels == k][0] for k in _SEEDS])
    levels = ((chosen + 1) * 127.5).round().to(torch.uint8)
    shown = [base64.b64encode(bytes(x.flatten().tolist())).decode() for x in levels]
    log_alpha_bar = load_pretrained(NETWORK).q.schedule.log_alpha_bar
    told = {"digits": shown, "levels": [float(f"{v:.6g}") for v in log_alpha_bar.tolist()]}
    return f"course.hero({json.dumps(module, ensure_ascii=False)}, {json.dumps(told | {'network': NETWORK})})\n"


def brand() -> bytes:
    "A digit that comes out of noise, from left to right, as one small picture."
    q, frames = load_pretrained(NETWORK).q, (820, 640, 480, 340, 200, 0)
    images, labels = digits("test", labels=True)
    x0, dice = images[labels == 3][:1], torch.Generator().manual_seed(2)
    row = [q.marginal(x0, t).sample(dice) if t else x0 for t in frames]
    levels = ((torch.cat(row, -1)[0, 0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    png = io.BytesIO()
    Image.fromarray(levels.numpy()).save(png, "PNG", optimize=True)
    return png.getvalue()


_STAGE = """<div class="stage">
<p class="promise">{promise}</p>
<div class="there-and-back">
<figure class="tb-yours"><canvas width="28" height="28"></canvas><figcaption><b>Your digit.</b> Draw over it.
<span class="tb-buttons"><button type="button" class="tb-clear" disabled>Clear</button>
<button type="button" class="tb-other" disabled>Another</button></span></figcaption></figure>
<figure class="tb-noisy" data-alt="your digit under noise"><canvas width="28" height="28"></canvas>
<figcaption>under noise <i>q</i></figcaption></figure>
<figure class="tb-back" data-alt="what the network brings back"><canvas width="28" height="28"></canvas>
<figcaption>and back <i>p</i></figcaption></figure>
<div class="tb-slider"><label for="tb-t">steps of noise</label> <span class="tb-steps">380 of 1000</span>
<input id="tb-t" class="tb-t" type="range" min="0" max="999" value="380" disabled></div>
<p class="tb-said" role="status"></p>
</div>
<nav class="doors" aria-label="Where to begin">{doors}</nav>
<p class="stage-note">What brings it back is a small network at work in this page, and nothing leaves the page.
How much noise can it undo?</p>
</div>"""


def _door(href: str, title: str, says: str, first: bool = False) -> str:
    return f'<a class="door{" first" if first else ""}" href="{href}"><b>{title}</b><span>{says}</span></a>'


def _doors(course: dict) -> str:
    "The three ways in: an hour, everything, the engineer's."
    pages, chapters = course["pages"], course["chapters"]
    hour = next((doc for doc in pages if doc.startswith("00_the_hour")), None)
    first = chapters["1"]
    short = (
        _door(f"{hour}.html", "The hour", "the whole story in one evening", True)
        if hour
        else _door(
            f"{first}.html?read=pictures", "The pictures", "the whole story without code", True
        )
    )
    return "".join(
        [
            short,
            _door(f"{first}.html", "The chapters", "every equation derived, run and checked"),
            _door(
                "api/index.html",
                "For engineers",
                "the package, its names, and a referee for your code",
            ),
        ]
    )


def _questions(notebook: dict) -> dict[str, str]:
    "What the front notebook's road asks of each chapter, by its page; nothing where it has no such table."
    text = "\n".join(
        "".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"
    )
    row = r"^\|(?: *<img[^|]*\|)? *\[[^\]]+\]\((\w+)\.ipynb\)[^|]*\|([^|\n]+)\|"
    rows = re.findall(row, text, re.MULTILINE)
    # below it stand the field's words
    return {doc: question.partition("<br>")[0].strip() for doc, question in rows}


# What of a chapter's picture can be seen at the size of a stamp: its ink without titles, ticks and legends, in pixels; from
# two boxes, side by side.
_STAMPS = {
    "00": [(0, 80, 480, 240)],
    "01": [(4, 52, 352, 166)],
    "02": [(300, 66, 465, 142)],
    "03": [(240, 20, 480, 96)],
    "04": [(228, 6, 430, 188)],
    "04b": [(274, 14, 478, 154)],
    "05": [(52, 26, 430, 128)],
    "05b": [(350, 10, 470, 118)],
    "06": [(0, 0, 240, 96)],
    "06b": [(122, 60, 480, 177)],
    "07": [(0, 0, 358, 118)],
    "07b": [(46, 17, 474, 234)],
    "08": [(10, 98, 470, 192)],
    "08b": [(0, 0, 240, 153)],
    "09": [(36, 14, 226, 194), (268, 14, 458, 194)],
    "10": [(318, 10, 478, 112)],
    "11": [(60, 5, 325, 152)],
    "12": [(120, 3, 400, 160)],
    "13": [(92, 4, 368, 160)],
    "14": [(26, 20, 240, 150), (260, 20, 476, 150)],
    "15": [(113, 30, 236, 146)],
    "15b": [(51, 14, 303, 98)],
    "16": [(0, 0, 320, 160)],
    "17": [(0, 0, 240, 154)],
    "19": [(68, 24, 400, 134)],
    "19b": [(68, 2, 470, 270)],
}


def stamp(picture: Path) -> bytes:
    "A chapter's picture, small: what of it can be seen beside the chapter's title."
    chapter = picture.stem.removeprefix("chapter_")
    with Image.open(picture) as whole:
        parts = [whole.convert("RGB").crop(box) for box in _STAMPS.get(chapter, [whole.getbbox()])]
    gap = 10
    size = sum(one.width + gap for one in parts) - gap, max(one.height for one in parts)
    joined, at = Image.new("RGB", size, "white"), 0
    for one in parts:
        joined.paste(one, (at, 0))
        at += one.width + gap
    png = io.BytesIO()
    joined.save(png, "PNG", optimize=True)
    return png.getvalue()


def _road(course: dict, notebook: dict, pictures: Path) -> str:
    "Each chapter with its picture and its question, part by part."
    from website.assemble import part

    questions, told, before = _questions(notebook), [], ""
    for doc in course["chapters"].values():
        page = course["pages"][doc]
        if part(doc) != before:
            told.append(
                ("</div>\n" if before else "") + f'<h3>{part(doc)}</h3>\n<div class="road">'
            )
            before = part(doc)
        card = f"chapter_{doc.split('_')[0]}.png"
        image = (
            f'<img src="stamps/{card}" alt="" loading="lazy">'
            if (pictures / card).is_file()
            else ""
        )
        says = questions.get(doc) or re.split(r"(?<=[.?!]) ", page["description"])[0]
        side = " side" if page["optional"] else ""
        minutes = (
            f"<small>{page['minutes']} minutes{', optional' if side else ''}</small>"
            if page["minutes"]
            else ""
        )
        told.append(
            f'<a class="stop{side}" href="{doc}.html"><span class="stop-card">{image}</span><b>{escape(page["title"])}</b>'
            f"<span>{escape(says)}</span>{minutes}</a>"
        )
    return "\n".join([*told, "</div>"])


def front_page(course: dict, notebook: dict, pictures: Path, contents: str) -> str:
    "The front page as Markdown."
    many, git = len(course["equations"]), course["git_url"]
    slips = course["chapters"].get("8b", course["chapters"]["1"])
    promise = "From high-school maths to the equations of diffusion models, and each of them runs."
    stage = _STAGE.format(promise=promise, doors=_doors(course))
    return f"""---
hide-toc: true
---

# The Math of Diffusion

{stage}

## Why this one

<div class="cards">
<div class="card">

**Every equation runs.** There are {many} numbered ones. What they compute stands beside them as code, and what they claim
is checked by something that finds the answer in another way. Point at a number
such as (3.4), wherever you meet it, and you see the equation.

</div><div class="card">

**You can drag it.** The sliders on these pages compute in your browser, and ask nobody for anything. From a folder on your
disk the whole site works as well, even in a train.

</div><div class="card">

**It says where it is unsure.** Averages come with their error bars, and [one chapter]({slips}.ipynb) is about formulas that
are wrong in print, each run beside the right one.

</div></div>

<div class="cards">
<div class="card">

**Take it home.** Two commands, and you can change the code as well:

```sh
git clone {git} && cd {git.rpartition("/")[2]}
make course     # opens the course in JupyterLab
```

</div><div class="card">

**Look things up.** [The notation on one card](notation.md), [the workshop](workshop/index.md), where what the chapters use is
made, [the package's names](api/index.md), and [what is new](changes.md), which can be
<a class="reference" href="feed.xml">subscribed to</a>.

</div></div>

## The road

{_road(course, notebook, pictures)}

{contents}
"""


def notation_page() -> str:
    "The notation card, a page of its own."
    from diffusion_math.teach.notation import notation_tables

    text = "\n\n".join(f"## {name}\n\n{table}" for name, table in notation_tables().items())
    says = "Each symbol, how to say it or what it means, code in which it stands, and the section that explains it first."
    return f"# The notation on one card\n\n{says}\n\n{text}\n"
