"A notebook as one HTML page: explorables live, formulas set, and no kernel or network needed."

import json
import re
from base64 import b64encode
from collections.abc import Callable
from html import escape
from importlib.resources import files
from itertools import count
from os.path import commonprefix
from pathlib import Path
from typing import Any

from .. import checks
from ..files import write_file
from ..training.checkpoint import pretrained_names
from .typeset import Typesetter

__all__ = ["write_page"]

_FOLDER = files("diffusion_math") / "explore"
_MATHS = re.compile(r"(```.*?```|`[^`\n]+`)|\$\$(.+?)\$\$|(?<![\\$])\$([^$\n]+?)\$", re.DOTALL)
_NUMBER = re.compile(r"\\tag\{([^}]*)\}")


def _free_word(text: str) -> str:
    "A word that the text does not hold."
    return next(word for word in (f"tex{i}n" for i in count()) if word not in text)


def _take_out(text: str, kept: list[tuple[str, bool]], mark: str) -> str:
    "The text with a mark in the place of each formula; kept gets its TeX, and whether it has a line of its own."

    def out(found: re.Match) -> str:
        code, block, inline = found.groups()
        if code is not None:
            return code
        kept.append((block or inline, block is not None))
        return f"{mark}{len(kept) - 1}x"

    return _MATHS.sub(out, text)


def _words(tex: str) -> str:
    "What is left of a formula in a name: its letters, digits and _."
    return re.sub(r"\W+", "-", tex).strip("-")


def _set(tex: str, block: bool, typesetter: Typesetter) -> str:
    "A formula, with its number if it has one; the source of one that TeX does not know."
    number, tex = _NUMBER.search(tex), _NUMBER.sub("", tex).strip()
    try:
        formula = typesetter.formula(tex, block)
    except ValueError:
        formula = f"<code>{escape(tex)}</code>"
    label = f'<span class="number">({escape(number.group(1))})</span>' if number else ""
    return f'<span class="equation">{formula}{label}</span>' if block else formula


def _put_back(html: str, kept: list[tuple[str, bool]], mark: str, typesetter: Typesetter) -> str:
    "The HTML with its formulas: set where they are read, in letters within a tag."
    html = re.sub(rf"<p>\s*({mark}\d+x)\s*</p>", r"\1", html)

    def back(found: re.Match) -> str:
        tag, bracket, i = found.groups()
        if tag:
            return re.sub(rf"{mark}(\d+)x", lambda m: _words(kept[int(m.group(1))][0]), tag)
        formula = _set(*kept[int(i)], typesetter)
        return f'<span class="together">{bracket}{formula}</span>' if bracket else formula

    return re.sub(rf"(<[^<>]*>)|([(\[]*){mark}(\d+)x", back, html)


_VIEW = re.compile(
    r'(?:<script type="text/javascript">\s*var element = [^<]*</script>\s*)?'
    r'<script type="application/vnd\.jupyter\.widget-view\+json">\s*(\{.*?\})\s*</script>',
    re.DOTALL,
)


# What a stored explorable holds in the place of its front end, which the package has: seen where a notebook is trusted and
# its cell has not run.
LATER = "export default { render({ el }) { el.textContent = 'Run this cell to drag it.'; } };"


def front_end_of(state: dict) -> dict:
    "The front end of a stored widget: the package's own where it is one of its explorables, else what was stored."
    from .. import explore

    module, _, kind = state.get("_anywidget_id", "").rpartition(".")
    ours = module.startswith("diffusion_math.explore") or state.get("_esm") == LATER
    if not (ours and kind in explore.__all__):
        return {}
    made = getattr(explore, kind)
    return {"_esm": made._esm, "_css": made._css}


def _state(notebook: dict) -> dict:
    "The stored widgets that can live without Python, each with its front end: model id -> state."
    kinds = notebook["metadata"].get("widgets", {})
    saved = kinds.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    return {
        name: model | {"state": model["state"] | front_end_of(model["state"])}
        for name, model in saved.items()
        if "_esm" in model.get("state", {})
    }


def _stills(notebook: dict) -> dict[str, str]:
    "The stored picture of each widget that has one, as HTML: model id -> img."
    stills = {}
    for out in (out for cell in notebook["cells"] for out in cell.get("outputs", ())):
        data = out.get("data", {})
        if (view := data.get("application/vnd.jupyter.widget-view+json")) and "image/png" in data:
            png, says = ("".join(data.get(kind, "")) for kind in ("image/png", "text/plain"))
            image = f'<img alt="{escape(says)}" src="data:image/png;base64,{png.strip()}">'
            stills[view["model_id"]] = image
    return stills


def _place(body: str, state: dict, stills: dict[str, str]) -> str:
    "The page's body with a place for each widget; where it needs Python, its picture, and words that say so."

    def place(found: re.Match) -> str:
        name = json.loads(found.group(1)).get("model_id", "")
        if name in state:
            return f'<div data-widget="{escape(name)}"></div>'
        words = "These sliders need Python: open the notebook in JupyterLab to move them."
        return f'{stills.get(name, "")}<p class="no-widget">{words}</p>'

    return _VIEW.sub(place, body)


def _pieces(state: dict) -> tuple[dict, list[str]]:
    "The state with the pieces' numbers in the place of the widgets' code and style, and the pieces."
    code = sorted({model["state"]["_esm"] for model in state.values()})
    start = commonprefix(code) if len(code) > 1 else ""
    pieces: list[str] = []

    def numbers(*texts: str) -> list[int]:
        pieces.extend(dict.fromkeys(t for t in texts if t and t not in pieces))
        return [pieces.index(t) for t in texts if t]

    def slim(model: dict) -> dict:
        values = dict(model["state"])
        values["_esm"] = numbers(start, values["_esm"].removeprefix(start))
        if "_css" in values:
            values["_css"] = numbers(values["_css"])
        return model | {"state": values}

    return {name: slim(model) for name, model in state.items()}, pieces


def _styles() -> str:
    "The page's own style, and the colours of code in light and in dark: each can be read on its ground."
    from pygments.formatters import HtmlFormatter

    light, dark = (
        HtmlFormatter(style=name).get_style_defs(".highlight") for name in ("xcode", "github-dark")
    )
    clear = ".highlight { background: none !important }"
    page = "".join(
        (_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "near.css")
    )
    return (
        f"{page}\n{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n{clear}"
    )


def _texts(notebook: dict) -> list[tuple[dict, str]]:
    "Where the notebook has text in which JupyterLab sets formulas: a dictionary, and the key."
    cells = [(cell, "source") for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    shown = (o.get("data", {}) for c in notebook["cells"] for o in c.get("outputs", ()))
    kinds = ("text/markdown", "text/latex")
    return cells + [(data, kind) for data in shown for kind in kinds if kind in data]


def proof_marks(cell: dict) -> list[str]:
    "What a proof cell printed, line by line: the marks of `agree`, under which a page folds its code. Of others, nothing."
    if "proof" not in cell["metadata"].get("tags", ()):
        return []
    said = ("".join(out["text"]) for out in cell["outputs"] if out["output_type"] == "stream")
    return [line for text in said for line in text.splitlines() if line.strip()]


def _unsaid(cell: dict) -> dict:
    "The cell without what it printed."
    return cell | {"outputs": [out for out in cell["outputs"] if out["output_type"] != "stream"]}


def proof_summary(marks: list[str]) -> str:
    "The line to click on, as HTML: a mark a line, or the word for code that is no proof."
    lines = (re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(mark)) for mark in marks)
    marked = "".join(f'<span class="mark">{line}</span>' for line in lines)
    return f"<summary>{marked or 'code'}</summary>"


def _folded(cells: list[dict], mark: str) -> tuple[list[dict], list[tuple[str, list[str]]]]:
    "The cells, with a mark for code that JupyterLab folds away; that code, and a proof's marks."
    found, codes = [], []
    for cell in cells:
        if cell["metadata"].get("jupyter", {}).get("source_hidden"):
            own = {"id": f"{cell['id']}-code"} if "id" in cell else {}
            told = {"cell_type": "markdown", "metadata": {}, "source": f"{mark}{len(codes)}code"}
            found.append(told | own)
            codes.append(("".join(cell["source"]), proof_marks(cell)))
            cell = _unsaid(cell) if codes[-1][1] else cell
            cell = cell | {"metadata": cell["metadata"] | {"transient": {"remove_source": True}}}
        found.append(cell)
    return found, codes


def _unfold(body: str, codes: list[tuple[str, list[str]]], mark: str) -> str:
    "The page's body with each folded code under a line to click on."
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    def back(found: re.Match) -> str:
        source, marks = codes[int(found.group(1))]
        code = highlight(source, PythonLexer(), HtmlFormatter())
        start = '<details class="proof">' if marks else "<details>"
        return f"{start}{proof_summary(marks)}\n{code}</details>"

    return re.sub(rf"<p>{mark}(\d+)code</p>", back, body)


_STORED = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-state\+json">.*?</script>', re.DOTALL
)


TAGS = set(
    "a abbr b blockquote br caption center code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 "
    "hr i img input kbd li mark ol p picture pre q s small span strong sub summary sup table tbody td tfoot th thead tr u ul "
    "var".split()
)
ATTRIBUTES = set(
    "align alt checked class colspan disabled height href id lang open rowspan src start style target title type width".split()
)


def _harmless(html: str) -> str:
    "What markdown may say, by bleach, which nbconvert brings: no script, no handler, no address but of pages and pictures."
    import bleach
    from bleach.css_sanitizer import CSSSanitizer

    def fits(tag: str, name: str, value: str) -> bool:
        word = value.strip().lower()
        picture = (tag, name) == ("img", "src") and word.startswith("data:image/")
        return name in ATTRIBUTES and (picture or not word.startswith("data:"))

    addresses = {"http", "https", "mailto", "data"}
    kept = dict(tags=TAGS, attributes=fits, protocols=addresses, css_sanitizer=CSSSanitizer())
    return bleach.clean(html, **kept)


# nbconvert closes at once each tag that a block of HTML leaves open: a fold's two ends pass as tags that are whole
_ENDS = {
    "<details><summary>": '<summary class="fold">',
    "<details open><summary>": '<summary class="fold open">',
    "</details>": '<hr class="fold"/>',
}


def _with_folds(render: Callable[[str], str], source: str) -> str:
    "What render makes of markdown, where what stands in a fold stays in it."
    for end, whole in _ENDS.items():
        source = source.replace(end, whole)
    html = render(source)
    for end, whole in _ENDS.items():
        html = html.replace(whole, end)
    return html


def _exporter() -> Any:
    "nbconvert's barest template, with harmless markdown; what outputs hold is live."
    from jinja2 import pass_context
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic", embed_images=True)
    render = exporter.environment.filters["markdown2html"]
    clean = pass_context(
        lambda context, source: _harmless(_with_folds(lambda text: render(context, text), source))
    )
    exporter.register_filter("markdown2html", clean)
    return exporter


def _body(path: Path, notebook: dict) -> str:
    "The cells as HTML, and the formulas' glyphs."
    from nbformat import from_dict

    kept: list[tuple[str, bool]] = []
    mark = _free_word(json.dumps(notebook))
    cells, codes = _folded(notebook["cells"], mark)
    notebook = from_dict(notebook | {"cells": cells})
    for where, key in _texts(notebook):
        where[key] = _take_out("".join(where[key]), kept, mark)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "raw":
            cell["source"] = _harmless(cell["source"])
    body, _ = _exporter().from_notebook_node(notebook, {"metadata": {"path": str(path.parent)}})
    body = _STORED.sub("", body)  # the widgets' state, which the page holds in pieces
    body = re.sub(r"<table\b.*?</table>", r'<div class="wide">\g<0></div>', body, flags=re.DOTALL)
    typesetter = Typesetter()
    body = _unfold(_put_back(body, kept, mark, typesetter), codes, mark)
    return body + typesetter.glyphs()


def stored_widgets(notebook: dict) -> tuple[dict, list[str], dict[str, str]]:
    "What static.js makes live: the widgets' state, the texts that they share; and each widget's still, as HTML, by name."
    return *_pieces(_state(notebook)), _stills(notebook)


_STATE = '<script id="widget-state" type="application/json">'  # by which a page of ours is known


def _target(path: Path, out: Path | None) -> Path:
    "The file to write: no notebook, and nothing of somebody else's unless it was named."
    named = out is not None and bool(out.suffix) and not out.is_dir()
    file = path.with_suffix(".html") if out is None else out if named else out / f"{path.stem}.html"
    if file.exists() and file.samefile(path):
        raise ValueError(f"out must not be the notebook itself, got {file}")
    if file.suffix == ".ipynb":
        raise ValueError(f"out must not be a notebook, got {file}")
    if not named and file.exists() and _STATE.encode() not in file.read_bytes():
        raise ValueError(f"{file} is no page of write_page's; give it as out to write over it")
    return file


def _networks(state: dict) -> list[str]:
    "The networks that the widgets of a page ask, by name."
    return sorted({model["state"].get("_network", "") for model in state.values()} - {""})


def _weights(name: str) -> str:
    "The element in which explore/live.js looks for a network's weights; nothing where that network does not ship."
    if name not in pretrained_names():
        return ""
    from diffusion_math.explore.weights import network_bytes

    text = b64encode(network_bytes(name)).decode()
    return f'<script id="dm-network-{name}" type="text/plain">{text}</script>\n'


# near.js reads what the explorables say of themselves
_WHEN_ALIVE = "Promise.all(Array.from(document.querySelectorAll('[data-widget]'), e => e.ready)).then(() => {{\n{}}});\n"


def _page(path: Path, notebook: dict, text: str) -> str:
    "The whole page; text is what the markdown cells say."
    heading, state = re.search(r"^# (.+)", text, re.MULTILINE), _state(notebook)
    title = escape(heading.group(1).replace("$", "") if heading else path.stem)
    body = _place(_body(path, notebook), state, _stills(notebook))
    body = re.sub(r'(href="(?!https?:)[^"]+)\.ipynb', r"\1.html", body)
    slim, pieces = _pieces(state)
    saved = json.dumps({"state": slim, "pieces": pieces}, ensure_ascii=False).replace("</", "<\\/")
    script, near = (
        (_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in ("static", "near")
    )
    script_of_weights = "".join(map(_weights, _networks(state)))
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}<title>{title}</title><style>\n{_styles()}\n</style></head>\n'
        f"<body><main>\n{body}\n</main>\n{_STATE}{saved}</script>\n{script_of_weights}<script>\n{script}</script>\n<script>\n{_WHEN_ALIVE.format(near)}</script></body></html>\n"
    )


def write_page(notebook: str | Path, out: str | Path | None = None) -> Path:
    """Write a notebook, as it is stored, as one HTML page that needs no kernel and no network; returns its path.

    out: the file to write, or a folder; without it the page lies beside the notebook. Links to other notebooks lead to
    their pages. The scripts that a stored output holds run in the page, as in nbconvert's. FileNotFoundError, ValueError:
    a file that is not there, or is no notebook; ValueError: out is a notebook, or holds something else than a page under a
    name that was not given. OSError: out is as it was.
    """
    import nbformat

    path, out = checks.path("notebook", notebook), None if out is None else checks.path("out", out)
    try:
        content = nbformat.read(path, as_version=4)
        text = "\n".join(
            cell["source"] for cell in content["cells"] if cell["cell_type"] == "markdown"
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no notebook") from error
    out = _target(path, out)
    write_file(out.resolve(), _page(path, content, text).encode())
    return out
