"""From the notebooks, as they are stored, to the folder that Sphinx reads.

Code that only tools read is dropped (`#|` lines), pictures become files, and an explorable becomes its
still, with the name of the widget that shall take its place. What the pages must know of each other (where an
equation, a section, a chapter stands) goes to course.json.
"""

import ast
import base64
import configparser
import hashlib
import io
import json
import re
import shutil
from html import escape
from pathlib import Path

from PIL import Image

from diffusion_math.teach.pages import stored_widgets
from website.exercises import exercise, guesses, unsaid, without_kernels

ROOT = Path(__file__).parents[1]
DARK = ROOT / "website" / "stills"  # of explorables, as tests/stills.py draws them
_CODE = r"(```.*?```|`[^`\n]+`)"
_EQUATION = re.compile(_CODE + r"|\$\$(.+?)\$\$", re.DOTALL)
_TAG = re.compile(r"\\tag\{([^}]*)\}")
_EXERCISE = re.compile(r"^\*\*Your turn, (\d+b?\.[a-z])\b", re.MULTILINE)
_SECTION = re.compile(r"^#{2,3} (\d+b?\.\d+)\b *(.*)", re.MULTILINE)
_DATA = re.compile(r'src="data:image/([a-z]+);base64,([^"]*)"')
_SEARCH = """---
orphan: true
hide-toc: true
---

# Search

<form class="search-here" role="search"><input type="search" name="q" required aria-label="Search the course"
placeholder="a word, a name, or an equation's number such as 3.4"><button>Search</button></form>
<p class="found-many" role="status"></p>
<ol class="found"></ol>
"""
_NEEDS = "These sliders need Python: open the notebook in JupyterLab to move them."


def settings() -> dict[str, str]:
    "What settings.ini says of the project."
    config = configparser.ConfigParser(delimiters=["="], interpolation=None)
    config.read(ROOT / "settings.ini", encoding="utf-8")
    return dict(config["DEFAULT"])


def write(path: Path, content: str | bytes) -> None:
    "Write a file, unless it holds just that already: Sphinx reads again what is new."
    content = content.encode() if isinstance(content, str) else content
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def section_id(number: str) -> str:
    "The name of a section's place on its page."
    return "s" + number.replace(".", "-")


def number(doc: str) -> str:
    "The number of a chapter, as one says it: 4b for 04b_small_steps."
    return doc.split("_")[0].lstrip("0") or "0"


def part(doc: str) -> str:
    "The part of the course to which a chapter belongs, by its number."
    n = int(re.match(r"\d+", doc).group())
    return "One evening" if n == 0 else f"Part {'I' * (1 + (n > 8) + (n > 15))}"


def prepares(source: str) -> bool:
    "Whether a cell that shows nothing only fetches what the others use: imports first, and a few settings."
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a magic command
        return False
    imports = [isinstance(node, ast.Import | ast.ImportFrom) for node in body]
    rest = body[sum(imports) :]
    plain = len(rest) <= 4 and all(isinstance(node, ast.Assign | ast.Expr) for node in rest)
    return len(body) > 1 and imports[0] and all(imports[: sum(imports)]) and plain


class Assembly:
    "The folder that Sphinx reads, in the making."

    def __init__(self, notebooks: Path, out: Path):
        self.notebooks, self.out, self.cfg = notebooks, out, settings()
        found = sorted(notebooks.glob("[0-9]*.ipynb"))
        self.chapters = [path.stem for path in found]
        self.workshop = sorted(
            path.relative_to(notebooks).with_suffix("").as_posix()
            for path in (notebooks / "workshop").rglob("*.ipynb")
            if ".ipynb_checkpoints" not in path.parts
        )
        self.course = {
            "title": "The Math of Diffusion",
            "author": self.cfg["author"],
            "version": self.cfg["version"],
            "site_url": self.cfg["site_url"].rstrip("/") + "/",
            "git_url": self.cfg["git_url"],
            "chapters": {number(doc): doc for doc in self.chapters},
            "equations": {},
            "sections": {},
            "exercises": {},
            "pages": {},
        }

    def make(self) -> dict:
        "Everything; returns what course.json holds."
        for doc in [*self.chapters, *self.workshop]:
            self._notebook(doc)
        self._rooms()
        self._front()
        changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        blob = f"]({self.cfg['git_url']}/blob/main/"
        write(self.out / "changes.md", re.sub(r"\]\((?=[A-Z]+\.md\))", blob, changes))
        explore, static = ROOT / "diffusion_math" / "explore", self.out / "static"
        for name, ours in (("static.js", "explorables.js"), ("near.js",) * 2, ("near.css",) * 2):
            write(static / ours, (explore / name).read_bytes())
        shutil.copytree(self.notebooks / "images", self.out / "images", dirs_exist_ok=True)
        cards = self.out / "extra" / "cards"  # what a link to a page shows
        cards.mkdir(parents=True, exist_ok=True)
        for path in self.notebooks.glob("images/*.png"):
            write(cards / path.name, path.read_bytes())
        return self.course

    # a notebook

    def _notebook(self, doc: str) -> None:
        path = self.notebooks / f"{doc}.ipynb"
        notebook = json.loads(path.read_text(encoding="utf-8"))
        texts = [c for c in notebook["cells"] if c["cell_type"] == "markdown"]
        self._learn(doc, "\n\n".join("".join(cell["source"]) for cell in texts))
        state, pieces, stills = stored_widgets(notebook)
        cells, asked = [], guesses(notebook["cells"])
        for i, cell in enumerate(notebook["cells"]):
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                text = source if doc == "00_toolbox" else without_kernels(source)
                cells.append(cell | {"source": self._markdown(doc, text)})
            elif cell["cell_type"] == "code" and (told := exercise(source)):
                cells += self._exercise(doc, cell, *told)
            elif cell["cell_type"] == "code":
                if i in asked:
                    cells.append(_text_cell(f"guess-{i}", asked[i]))
                cells += self._code(doc, cell, state, stills, waits=i in asked)
        metadata = {k: v for k, v in notebook["metadata"].items() if k != "widgets"}
        stored = {
            "cells": _in_runs(cells),
            "metadata": metadata,
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        write(self.out / f"{doc}.ipynb", json.dumps(stored, ensure_ascii=False))
        if state:
            saved = json.dumps({"state": state, "pieces": pieces}, ensure_ascii=False)
            call = f"course.widgets({json.dumps(saved, ensure_ascii=False)})\n"
            write(self.out / "static" / "widgets" / f"{doc}.js", call)
            asked = {model["state"].get("_network", "") for model in state.values()}
            self.course["pages"][doc]["networks"] = [n for n in sorted(asked) if self._weights(n)]

    def _weights(self, name: str) -> bool:
        "A network's weights, once a site, as a script that an explorable asks for: a page that is a file cannot fetch."
        path = ROOT / "diffusion_math" / "assets" / f"{name}.safetensors"
        if not name or not path.is_file():
            return False
        text = base64.b64encode(path.read_bytes()).decode()
        call = f'document.getElementById("dm-network-{name}").textContent = "{text}";\n'
        write(self.out / "static" / "networks" / f"{name}.js", call)
        return True

    def _learn(self, doc: str, text: str) -> None:
        "What other pages must know of this one."
        title = re.search(r"^# (.+)", text, re.MULTILINE).group(1)
        bold = re.search(r"^\*\*(.+?)\*\*$", text, re.MULTILINE | re.DOTALL)
        plain = re.search(r"^(?![#*\[>|$!<-])(.{40,}?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
        says = bold or plain
        says = re.sub(r"\[([^]]*)\]\([^)]*\)|[*`$\\]", r"\1", says.group(1)) if says else title
        minutes = re.search(r"\bAbout (\d+) minutes\b", text)
        path = re.search(r"^\*Pictures only:\* ([\d.b, ]+\d)", text, re.MULTILINE)
        self.course["pages"][doc] = {
            "title": title,
            "description": " ".join(says.split()),
            "pictures": path.group(1).split(", ") if path else [],
            "minutes": int(minutes.group(1)) if minutes else 0,
            "optional": bool(re.match(r"\d+b_|00_toolbox", doc)),
        }
        if "/" in doc:
            return
        for found in _EQUATION.finditer(text):
            tagged = _TAG.search(found.group(2) or "")
            if tagged:
                # a formula that is shown twice is known by its first place
                tex = re.sub(r"\n> ?", "\n", _TAG.sub("", found.group(2))).strip()
                self.course["equations"].setdefault(tagged.group(1), {"doc": doc, "tex": tex})
        for found in _EXERCISE.finditer(text):
            self.course["exercises"].setdefault(found.group(1), doc)
        for found in _SECTION.finditer(text):
            self.course["sections"].setdefault(found.group(1), doc)

    def _markdown(self, doc: str, source: str) -> str:
        "A cell's text; a formula within HTML, where MyST does not look, is named for the extension."
        set_ = lambda m: re.sub(  # noqa: E731
            r"\$([^$\n]+)\$", lambda f: f'<span class="tex">{escape(f.group(1))}</span>', m.group()
        )
        return self._links(doc, re.sub(r"<summary>.*?</summary>", set_, source))

    def _links(self, doc: str, text: str) -> str:
        "The text with its links as they hold on the site: what lies outside of the notebooks is seen where the code is."

        def link(found: re.Match) -> str:
            path, hash_, anchor = found.group(1).partition("#")
            if anchor[:1].isalpha():  # MyST names a heading without a number as GitHub does
                anchor = re.sub(r"[^\w-]", "", anchor.lower())
            if re.fullmatch(
                r"(?:\.\./)*index\.ipynb", path
            ):  # the site's front page is no notebook
                return (
                    f"]({path.removesuffix('.ipynb')}.md{hash_}{anchor})"
                    if not anchor
                    else f"]({path[:-6]}.md)"
                )
            up = "../" * doc.count("/")
            if not path or (self.notebooks / doc).parent.joinpath(path).is_file():
                outside = path.startswith("../" * (doc.count("/") + 1))
                if not outside:
                    return f"]({path}{hash_}{anchor})"
            if (self.notebooks / path).is_file() and not path.startswith("../"):
                return f"]({up}{path}{hash_}{anchor})"  # of a card that names pages from the top
            place = (self.notebooks / doc).parent.joinpath(path).resolve()
            if place.exists() and place.is_relative_to(ROOT):
                return f"]({self.cfg['git_url']}/blob/main/{place.relative_to(ROOT).as_posix()})"
            return found.group()

        return re.sub(r"\]\((?![a-z]+:)([^)\s]+)\)", link, text)

    def _exercise(self, doc: str, cell: dict, source: str, folded: str) -> list[dict]:
        "The function to fill in, and what helps, folded."
        code = {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {"tags": ["exercise"]},
            "outputs": [],
        }
        name = cell.get("id") or "exercise"
        told = _text_cell(f"{name}-help", self._markdown(doc, folded))
        return [code | {"id": name, "source": source}, told]

    def _code(
        self, doc: str, cell: dict, state: dict, stills: dict, waits: bool = False
    ) -> list[dict]:
        "The cell, or nothing where a reader has no use for it."
        source = "".join(cell["source"])
        shown = re.sub(r"^#\|.*\n?", "", source, flags=re.MULTILINE).strip("\n")
        if not (shown or cell["outputs"]):
            return []
        tags = list(cell["metadata"].get("tags", ()))
        if cell["metadata"].get("jupyter", {}).get("source_hidden"):
            tags.append("folded")
        if source.startswith("#| export"):
            tags.append("exported")
        elif not cell["outputs"] and prepares(shown):
            tags.append("imports")
        outputs = [self._output(doc, out, state, stills) for out in _joined(cell["outputs"])]
        if waits:
            tags.append("waits")
            for out in outputs:
                if "text" in out:
                    out["text"] = unsaid("".join(out["text"]))
        cell = {
            "id": cell.get("id"),
            "cell_type": "code",
            "execution_count": None,
            "metadata": {"tags": tags},
            "source": shown,
            "outputs": outputs,
        }
        return [cell]

    def _output(self, doc: str, out: dict, state: dict, stills: dict) -> dict:
        data = out.get("data", {})
        view = data.get("application/vnd.jupyter.widget-view+json")
        if view is not None:
            name = view["model_id"]
            still = self._still(doc, stills.get(name, ""))
            if name in state:
                html = f'<div class="explorable" data-place="{escape(name)}">{still}</div>'
            else:
                html = f'<div class="stopped">{still}<p class="no-widget">{_NEEDS}</p></div>'
        elif "text/markdown" in data:
            text = self._links(doc, "".join(data["text/markdown"]))
            return {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": text}}
        elif "text/html" in data:
            html = self._files(doc, "".join(data["text/html"]))
        else:
            return out
        return {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}

    def _still(self, doc: str, html: str) -> str:
        "An explorable's picture, and the same in dark colours where that was drawn: the theme shows one of them."
        found = _DATA.search(html)
        if not found:
            return html
        with Image.open(io.BytesIO(base64.b64decode(found.group(2)))) as picture:
            dark = DARK / f"{picture.info.get('drawn from')}.webp"
        light = self._files(doc, html)
        if not dark.is_file():
            return light
        says = re.search(r'alt="[^"]*"', html).group()
        by_night = self._file(doc, dark.read_bytes(), "webp")
        return f'{light}<img class="by-night" {says} {by_night}>'

    def _files(self, doc: str, html: str) -> str:
        "The HTML with its pictures as files."

        def file(found: re.Match) -> str:
            content = _without_words(base64.b64decode(found.group(2)))
            return self._file(doc, content, found.group(1), sized)

        html = _plain(html)
        sized = bool(re.search(r"<img\b[^>]*\bwidth=", html))
        return _DATA.sub(file, html)

    def _file(self, doc: str, content: bytes, kind: str, sized: bool = False) -> str:
        """The attributes of a picture that is a file, and loads as one scrolls to it; its place is kept until then.

        sized: the HTML says how wide it is.
        """
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.{kind}"
        write(self.out / "extra" / "figures" / name, content)
        with Image.open(io.BytesIO(content)) as picture:
            width, height = picture.size
        box = "" if sized else f'width="{width}" height="{height}" '
        shape = f'{box}style="aspect-ratio: {width} / {height}" loading="lazy" decoding="async"'
        return f'{shape} src="{"../" * doc.count("/")}figures/{name}"'

    # the pages that are no notebooks

    def _rooms(self) -> None:
        "The workshop, as one page that says what stands in each of its own."
        rows = []
        for doc in self.workshop:
            page = self.course["pages"][doc]
            title = page["title"].removeprefix("Workshop: ")
            rows.append(f"- [{title[:1].upper()}{title[1:]}](/{doc}.ipynb). {page['description']}")
        listed, told = "\n".join(f"/{doc}" for doc in self.workshop), "\n".join(rows)
        says = "What the chapters use and do not teach: each page makes one thing, runs it and tests it."
        text = f"# The workshop\n\n{says}\n\n```{{toctree}}\n:hidden:\n:maxdepth: 1\n\n{listed}\n```\n\n{told}\n"
        write(self.out / "workshop" / "index.md", text)

    def _front(self) -> None:
        "The front page, and those of the notation and of the workshop."
        from website.front import brand, front_page, hero_script, notation_page, stamp

        notebook = json.loads((self.notebooks / "index.ipynb").read_text(encoding="utf-8"))
        told = front_page(self.course, notebook, self.notebooks / "images", self._contents())
        write(self.out / "index.md", told)
        write(self.out / "notation.md", self._links("index", notation_page()))
        write(self.out / "search.md", _SEARCH)
        write(self.out / "static" / "hero.js", hero_script())
        write(self.out / "static" / "brand.png", brand())
        for path in self.notebooks.glob("images/chapter_*.png"):
            write(self.out / "extra" / "stamps" / path.name, stamp(path))
        says = "From high-school maths to the equations of diffusion models, and each of them runs."
        self.course["pages"]["index"] = {
            "title": self.course["title"],
            "description": says,
            "pictures": [],
            "networks": [n for n in ("ddpm_mnist",) if self._weights(n)],
        }

    def _contents(self) -> str:
        "The tables of contents, which the theme shows at the side."
        parts: dict[str, list[str]] = {}
        for doc in self.chapters:
            parts.setdefault(part(doc), []).append(doc)
        parts["Workshop"] = ["workshop/index"]
        parts["Package"] = ["api/index", "notation", "changes"]
        trees = (
            f"```{{toctree}}\n:hidden:\n:caption: {caption}\n:maxdepth: 1\n\n" + "\n".join(docs)
            for caption, docs in parts.items()
        )
        return "\n```\n\n".join(trees) + "\n```\n"


def _text_cell(name: str, source: str) -> dict:
    return {"id": name[:64], "cell_type": "markdown", "metadata": {}, "source": source}


def _in_runs(cells: list[dict]) -> list[dict]:
    "The cells; of folded ones in a row, those that show nothing join the next: a line to click on, and not seven."
    kept: list[dict] = []
    for cell in cells:
        tags, before = cell["metadata"].get("tags", ()), kept[-1] if kept else {}
        alike = "folded" in tags and tags == before.get("metadata", {}).get("tags")
        if alike and not before["outputs"]:
            kept[-1] = cell | {"source": f"{before['source']}\n\n\n{cell['source']}"}
        else:
            kept.append(cell)
    return kept


def _joined(outputs: list[dict]) -> list[dict]:
    "The outputs, with what was printed in pieces in one: a kernel may send a line and its end apart."
    joined: list[dict] = []
    for out in outputs:
        if out["output_type"] == "stream" and joined and joined[-1].get("name") == out["name"]:
            text = "".join(joined[-1]["text"]) + "".join(out["text"])
            joined[-1] = joined[-1] | {"text": text}
        else:
            joined.append(out)
    return joined


def _without_words(content: bytes) -> bytes:
    "A picture without the line below it that speaks of running a cell (tests/stills.py)."
    with Image.open(io.BytesIO(content)) as picture:
        tall = int(picture.info.get("line below", 0))
        if not tall:
            return content
        file = io.BytesIO()
        picture.crop((0, 0, picture.width, picture.height - tall)).save(file, "PNG", optimize=True)
        return file.getvalue()


def _plain(html: str) -> str:
    "The stored HTML without the look that a notebook gives a picture: the site has its own."
    return re.sub(r'(<img\b[^>]*?) style="[^"]*"', r"\1", html)


def assemble(notebooks: Path, out: Path) -> dict:
    "Write the folder that Sphinx reads; returns what its pages know of each other."
    return Assembly(notebooks, out).make()
