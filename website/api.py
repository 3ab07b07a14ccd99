"""The reference of the package: for every public name an import, its signature, what its arguments are, what it may raise,
a cell of a chapter that ran it, the equations that it is, and its source.

Read from the sources, not from the running package: an annotation stands as it was written.
"""

import ast
import copy
import json
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from website.assemble import ROOT, number, write
from website.letters import inline, lines_of

PACKAGE = ROOT / "diffusion_math"
ROOMS = {  # its title, and the modules whose names it has, where the room itself lists none
    "chapters": ("The chapters", ""),
    "laws": ("Laws that are known exactly", "mixture levels linear grid"),
    "networks": ("Networks and denoisers", "unet dit denoiser"),
    "data": ("Data", "digits pictures"),
    "training": ("Training, saving, evaluating", "fit checkpoint evaluation merit"),
    "convert": ("Models of other packages", ""),
    "plot": ("Pictures", ""),
    "explore": ("Explorables", ""),
    "referee": ("The referee: code that judges code", ""),
    "teach": ("For the lesson", "agree exercises notation pages"),
}
_ENGINEERS = """# For engineers: the names of the package

```python
from diffusion_math import load_pretrained, referee

p = load_pretrained("ddpm_mnist")            # a DDPM: a network, and the forward process that it was trained for
x = p.respace(50).sample(8)                  # (8, 1, 28, 28), in 50 steps
referee.schedule(p.q.schedule.alpha_bar[1:]) # a verdict in words; so for your noising, loss, posterior, sampler
```

| what you know from elsewhere | here |
| --- | --- |
| `scheduler.add_noise(x0, noise, t)`, `q_sample` | `q.marginal(x0, t).sample()`: the law of x_t, from which one draws |
| `prediction_type`: `epsilon`, `v_prediction`, `sample` | `DDPM(..., predicts="eps")`, `"v"`, `"x0"` |
| `variance_type` | `DDPM(..., variance="posterior")`, `"beta"`, or a function |
| `alphas_cumprod[t]`, which counts from 0 | `q.schedule.alpha_bar[t]`, where t = 0 is the data and t = 1 the first step |
| `set_timesteps(50)` | `p.respace(50)`, or `draw(p, n, steps=50)` |
| `sigma`, log(α/σ) | `log_snr`, which is log(α²/σ²): twice that |

The objects and verbs of the chapters come from `diffusion_math` itself, the rest from its room, as in
`from diffusion_math import plot`. Each entry has the import, the arguments with their shapes, what is raised, and a cell of the
course that ran it.

"""
SPLIT = ("chapters", "plot", "explore")  # rooms of many names: a page for each of their modules
_TREE = "```{{toctree}}\n:hidden:\n:maxdepth: 1\n\n{}\n```"
_EXAMPLE = 14  # lines of a cell that may stand as an example
_KINDS: dict[str, tuple[ast.expr, str]] = {}  # what the aliases of annotations stand for, read once
_WORDS_OF_KINDS = set(
    "Annotated Float Int Bool Sequence Iterable Callable float int str None".split()
)
_VIEW = "application/vnd.jupyter.widget-view+json"
_NUMBER = re.compile(r"\((\d+b?\.\d+[a-z]?)\)")


@dataclass
class Entry:
    "A public name: where it is defined, and what is known of it."

    name: str
    node: ast.FunctionDef | ast.ClassDef
    path: Path  # of its module
    notebook: str  # that exports it, or ""
    said: str  # what one imports it from
    uri: str = ""
    example: tuple[str, str, str] | None = None  # page, source, output
    parts: list[str] = field(default_factory=list)

    @cached_property
    def doc(self) -> str:
        return ast.get_docstring(self.node) or ""

    @cached_property
    def source(self) -> str:
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return "\n".join(lines[self.node.lineno - 1 : self.node.end_lineno])


def _listed(body: list[ast.stmt]) -> list[str]:
    "The names that a module lists as its own: its last __all__."
    for node in reversed(body):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            try:
                return list(ast.literal_eval(node.value))
            except ValueError:  # worked out from something else
                return []
    return []


def _module(path: Path) -> tuple[str, list[ast.stmt]]:
    "The notebook that a module comes from, and what is defined in it."
    text = path.read_text(encoding="utf-8")
    made = re.search(r"File to edit: (?:\.\./)*nbs/(.+)\.ipynb", text)
    body = ast.parse(text).body
    for node in list(body):  # a name may be defined where a library is there, and not otherwise
        body += [n for n in ast.walk(node) if n is not node and isinstance(node, ast.If | ast.Try)]
    return made.group(1) if made else "", body


def entries(room: str, course: dict) -> list[Entry]:
    "The public names of a room, in the order in which its files have them; of the chapters, in the course's order."
    modules = ROOMS[room][1].split()
    folder = PACKAGE if room == "chapters" else PACKAGE / room
    public: set[str] | None = None
    if room == "chapters":
        order = {doc: i for i, doc in enumerate(course["chapters"].values())}
        made = [(order.get(_module(path)[0], -1), path) for path in folder.glob("*.py")]
        paths = [path for i, path in sorted(made) if i >= 0]
    elif (own := folder.with_suffix(".py")).is_file():
        paths = [own]
    elif folder.is_dir():
        body = _module(folder / "__init__.py")[1]
        names = _listed(body)
        if room == "explore":  # its names are loaded when they are asked for
            names = [f"{p.stem.title()}Explorer" for p in folder.glob("*.py")]
        public = set(names) or None
        found = sorted(folder.glob("*.py")) if public else [folder / f"{m}.py" for m in modules]
        paths = [path for path in found if path.is_file()]
    else:
        paths = []
    import diffusion_math

    top, out = set(diffusion_math.__all__), []
    for path in paths:
        notebook, body = _module(path)
        named = {n.name: n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        mine = _listed(body) if public is None or room == "explore" else sorted(public)
        for name in dict.fromkeys(mine):
            if name not in named or (public is not None and name not in public):
                continue
            home = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            said = "diffusion_math" if name in top else home
            if public is not None:
                said = f"diffusion_math.{room}"
            out.append(Entry(name, named[name], path, notebook, said))
    return out


# ------------------------------------------------------------------------------------------------------- what stands there


def _one_kind(text: str) -> str:
    "One annotation, as it is written, in words: a tensor's kind and shape."
    shaped = re.fullmatch(r"(Float|Int|Bool)\[Tensor, ['\"] ?([^'\"]*)['\"]\]", text)
    if not shaped:
        return {"Tensor": "tensor", "Generator": "`torch.Generator`", "SupportsIndex": "`int`"}.get(
            text, f"`{text}`"
        )
    shape = shaped.group(2).split()
    if shape == ["..."]:
        return f"{shaped.group(1).lower()} tensor of any shape"
    comma = "," if len(shape) == 1 else ""
    return f"{shaped.group(1).lower()} tensor `({', '.join(shape)}{comma})`"


class _Bare(ast.NodeTransformer):
    "An annotation without what only checks it: of Annotated[X, ...] the X."

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if ast.unparse(node.value) == "Annotated" and isinstance(node.slice, ast.Tuple):
            return self.visit(node.slice.elts[0])
        return self.generic_visit(node)


def _either(node: ast.expr) -> list[ast.expr]:
    "The members of a union, however it is written."
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_either(node.left), *_either(node.right)]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):  # a name that comes later
        with suppress(SyntaxError):
            return _either(ast.parse(node.value, mode="eval").body)
    return [node]


def _aliases() -> dict[str, tuple[ast.expr, str]]:
    "What the names of annotations stand for in a signature (of checks.py first), each with the words beside it."
    found: dict[str, tuple[ast.expr, str]] = {}
    for path in (PACKAGE / "checks.py", *sorted(PACKAGE.rglob("*.py"))):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                continue
            kinds = [ast.unparse(one).partition("[")[0] for one in _either(node.value)]
            if not set(kinds) <= _WORDS_OF_KINDS or "[" not in ast.unparse(node.value):
                continue
            words = re.search(r"  # (.{1,59})$", text.splitlines()[node.end_lineno - 1])
            told = (_Bare().visit(node.value), words.group(1) if words else "")
            found.setdefault(node.targets[0].id, told)
    return found


def _kind(annotation: ast.expr | None, known: dict[str, str]) -> str:
    "An annotation in words: the kind of a tensor and its shape; names of the package as links."
    if annotation is None:
        return ""
    if not _KINDS:
        _KINDS.update(_aliases())
    told = []
    for node in _either(_Bare().visit(copy.deepcopy(annotation))):
        one = ast.unparse(node)
        if one in _KINDS:
            stands, words = _KINDS[one]
            if words and ast.unparse(stands).startswith("Callable"):
                told.append(words if words.startswith("a ") else f"a function: {words}")
            else:
                told.append(_kind(stands, known) + (words and f": {words}"))
        elif one in known:
            told.append(f"[{one}]({known[one]})")
        else:
            one = re.sub(r"(?:Float|Int)\[Tensor, '[^']*'\](?=.)", "Tensor", one)
            told.append(_one_kind(one if len(one) <= 60 else f"{one[:57]}..."))
    return " or ".join(dict.fromkeys(told))


def _arguments(node: ast.FunctionDef, method: bool) -> list[tuple[str, ast.expr | None, str]]:
    "Name, annotation and default of each argument."
    args = node.args
    plain = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(plain) - len(args.defaults)) + list(args.defaults)
    rows = list(zip(plain, defaults, strict=True))[1 if method else 0 :]
    rows += list(zip(args.kwonlyargs, args.kw_defaults, strict=True))
    told = [(a.arg, a.annotation, ast.unparse(d) if d is not None else "") for a, d in rows]
    stars = [(f"*{a.arg}", a.annotation, "") for a in (args.vararg,) if a]
    return told + stars + [(f"**{a.arg}", a.annotation, "") for a in (args.kwarg,) if a]


def _meanings(doc: str, names: list[str]) -> tuple[dict[str, str], str]:
    "What a docstring says of each argument (`name: ...` at the start of a sentence), and the rest of it."
    told, rest = {}, []
    for sentence in re.split(r"(?<=[.;])\s+(?=[\w, *]+?: )|(?<=[.])\s+", " ".join(doc.split())):
        found = re.match(r"((?:\*{0,2}\w+)(?:(?:, | and )\*{0,2}\w+)*): (.+)", sentence)
        heads = re.split(r", | and ", found.group(1)) if found else []
        if heads and all(h in names or h.lstrip("*") in names for h in heads):
            told |= dict.fromkeys(heads, found.group(2).rstrip(".;"))
        else:
            rest.append(sentence)
    return told, " ".join(rest)


def _errors(text: str) -> tuple[str, list[str]]:
    "The sentences that say what is raised, apart from the rest."
    sentences = re.split(r"(?<=[.])\s+(?=[A-Z\[(]|[a-z]+_\w+)", text)
    raised = [s for s in sentences if re.search(r"\b(?:[A-Z]\w*Error|[Rr]aises)\b", s)]
    return " ".join(s for s in sentences if s not in raised), raised


def _signature(name: str, node: ast.FunctionDef, method: bool) -> str:
    rows = _arguments(node, method)
    star = node.args.kwonlyargs and not node.args.vararg
    told = [f"{n}={d}" if d else n for n, _, d in rows]
    if star:
        told.insert(len(rows) - len(node.args.kwonlyargs), "*")
    line = f"{name}({', '.join(told)})"
    return line if len(line) <= 88 else f"{name}(\n    " + ",\n    ".join(told) + ",\n)"


def _said(doc: str, names: list[str]) -> tuple[str, dict[str, str]]:
    "A docstring as Markdown, less what it says of the arguments, which goes to their table; errors in a line of their own."
    parts, told, raised = [], {}, []
    for block in re.split(r"\n\s*\n", doc):
        lines = block.splitlines()
        if all(line.startswith("    ") for line in lines):
            parts.append(lines_of("\n".join(line[4:] for line in lines)))
            continue
        mine, rest = _meanings(block, names)
        told |= mine
        rest, errors = _errors(rest)
        raised += errors
        if rest.strip():
            parts.append(inline(rest))
    if raised:
        parts.append("*Errors.* " + inline(" ".join(raised)))
    return "\n\n".join(parts), told


def _table(rows: list, told: dict[str, str], known: dict[str, str]) -> str:
    "The arguments: name, kind, default and meaning, less the columns in which nothing stands."
    heads = ["argument", "what it is", "default", "meaning"]
    table = []
    for name, annotation, default in rows:
        means = inline(told.get(name, told.get(name.lstrip("*"), "")))
        row = [f"`{name}`", _kind(annotation, known), f"`{default}`" if default else "", means]
        table.append([cell.replace("|", "\\|") for cell in row])
    full = [k for k in range(4) if any(row[k] for row in table)]
    lines = [
        [heads[k] for k in full],
        ["---"] * len(full),
        *([row[k] for k in full] for row in table),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if table else ""


def _callable(
    name: str, node: ast.FunctionDef, method: bool, doc: str, known: dict, head: str
) -> str:
    rows = _arguments(node, method)
    text, told = _said(doc, [n.lstrip("*") for n, *_ in rows])
    back = _kind(node.returns, known)
    parts = [f"```python\n{head}{_signature(name, node, method)}\n```", text]
    parts.append(_table(rows, told, known))
    if back and back not in ("`None`", "`str`") and head != "class ":
        parts.append(f"*Returns* {back}.")
    return "\n\n".join(filter(None, parts))


def _body(entry: Entry, known: dict[str, str]) -> str:
    node = entry.node
    if isinstance(node, ast.FunctionDef):
        return _callable(entry.name, node, False, entry.doc, known, "")
    functions = [n for n in node.body if isinstance(n, ast.FunctionDef)]
    start = next((f for f in functions if f.name == "__init__"), None)
    fields = [
        n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    ]
    fields = [n for n in fields if not n.target.id.startswith("_")]
    if start:
        parts = [_callable(entry.name, start, True, entry.doc, known, "class ")]
    else:
        rows = [
            (n.target.id, n.annotation, ast.unparse(n.value) if n.value else "") for n in fields
        ]
        text, told = _said(entry.doc, [r[0] for r in rows])
        parts = [f"```python\nclass {entry.name}\n```", text, _table(rows, told, known)]
    for one in functions:
        doc = ast.get_docstring(one)
        if one.name.startswith("_") or not doc:
            continue
        marks = {ast.unparse(d) for d in one.decorator_list}
        if "property" in marks:
            text, _ = _said(doc, [])
            parts.append(f"```python\n.{one.name}\n```\n\n{text}")
        else:
            fixed = "staticmethod" in marks
            parts.append(_callable(f"{entry.name}.{one.name}" if "classmethod" in marks else f".{one.name}",
                                   one, not fixed, doc, known, ""))  # fmt: skip
    return "\n\n".join(filter(None, parts))


def _equations(entry: Entry, course: dict) -> str:
    "The numbered equations that its source names, as formulas; its own chapter's first."
    numbers = [n for n in dict.fromkeys(_NUMBER.findall(entry.source)) if n in course["equations"]]
    shown = []
    for one in numbers[:3]:
        tex = course["equations"][one]["tex"]
        shown.append(f"$$\n{tex}\n$$\n\nThat is equation ({one}).")
    return "\n\n".join(shown)


# ----------------------------------------------------------------------------------------------------- examples that ran


def _ran(notebooks: Path, course: dict) -> list[tuple[str, str, str, str]]:
    "Page, section, source and printed output of the short cells of all chapters that are stored with what they printed."
    cells = []
    for doc in course["chapters"].values():
        section = ""
        notebook = json.loads((notebooks / f"{doc}.ipynb").read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                if found := re.findall(r"^#{2,3} (\d+b?\.\d+)\b", source, re.MULTILINE):
                    section = found[-1]
                continue
            lines = source.strip().splitlines()
            if (
                cell["cell_type"] != "code"
                or not lines
                or len(lines) > _EXAMPLE
                or lines[0].startswith(("#|", "%"))
            ):
                continue
            if "proof" in cell["metadata"].get("tags", ()) or re.search(
                r"\bcheck\(|\bhint\(", source
            ):
                continue
            texts = [o for o in cell["outputs"] if o["output_type"] == "stream"]
            texts += [o for o in cell["outputs"] if o["output_type"] == "execute_result"]
            texts = [
                o for o in texts if _VIEW not in o.get("data", {})
            ]  # an explorable's own words
            said = "".join("".join(o.get("text") or o["data"].get("text/plain", "")) for o in texts)
            shown = ["".join(o.get("data", {}).get("text/html", "")) for o in cell["outputs"]]
            pictured = any("<img" in html for html in shown)
            if said.strip() or pictured:
                cells.append(
                    (doc, section, source.strip(), "\n".join(said.strip().splitlines()[:8]))
                )
    return cells


def _example(entry: Entry, cells: list) -> str:
    "The shortest cell that calls it, of its own chapter if one does, with what it printed."
    calls = re.compile(
        rf"(?<![\w.]){entry.name}\(|(?:plot|explore|referee|teach|laws|training|convert)\.{entry.name}\("
    )
    found = [c for c in cells if calls.search(c[2])]
    own = [c for c in found if c[0] == entry.notebook]
    if not (own or found):
        return ""
    doc, section, source, said = min(own or found[:6], key=lambda c: (not c[3], len(c[2])))
    place = f"section {section}" if section else f"chapter {number(doc)}"
    parts = [f"*As {place} ran it*", f"```python\n{source}\n```"]
    if said:
        parts.append(f"```text\n{said}\n```")
    return "\n\n".join(parts)


def _pages(rooms: dict[str, list[Entry]]) -> dict[str, list[Entry]]:
    "The pages of the reference by their name: one of each room, or of each of its modules; where an entry is, it is told."
    pages: dict[str, list[Entry]] = {}
    for room, found in rooms.items():
        for entry in found:
            own = entry.path.stem if room == "chapters" else f"{room}-{entry.path.stem}"
            pages.setdefault(own if room in SPLIT else room, []).append(entry)
    for page, found in pages.items():
        slugs: Counter = Counter()
        for entry in found:
            slug = entry.name.lower()  # Elbo and elbo: the second one's place is elbo-1
            entry.uri = f"{page}.md#{slug}-{slugs[slug]}" if slugs[slug] else f"{page}.md#{slug}"
            slugs[slug] += 1
    return pages


def _title(room: str, found: list[Entry], course: dict) -> str:
    "What a page is called: a module by its name and its chapter, an explorable by its class, a room by its own title."
    if room not in SPLIT:
        return ROOMS[room][0]
    if room == "explore":
        return found[0].name
    page = course["pages"].get(found[0].notebook, {}).get("title", "")
    told = page.split(" · ")[-1] if page else ROOMS[room][0].lower()
    return f"`{found[0].path.stem}`: {told}"


def _whole(entry: Entry, course: dict, known: dict[str, str], cells: list) -> list[str]:
    "All that is told of a name, below its heading."
    place = entry.path.relative_to(ROOT).as_posix()
    lines = f"#L{entry.node.lineno}-L{entry.node.end_lineno}"
    code = f"[source]({course['git_url']}/blob/main/{place}{lines})"
    head = f"`from {entry.said} import {entry.name}` · {code}"
    told = [head, _body(entry, known), _equations(entry, course), _example(entry, cells)]
    return list(filter(None, told))


def _page(title: str, found: list[Entry], course: dict, known: dict[str, str], cells: list) -> str:
    "A page: its modules and, below them, its names; of one module its names alone; of one name that alone."
    parts, home = [f"# {title}"], None
    one = len({entry.path for entry in found}) == 1
    for entry in found:
        if entry.path != home:
            home = entry.path
            if not one:
                parts.append(f"## `{'.'.join(home.relative_to(ROOT).with_suffix('').parts)}`")
            if entry.notebook in course["pages"]:
                page = course["pages"][entry.notebook]["title"]
                parts.append(f"Derived and made in [{page}](../{entry.notebook}.ipynb).")
        if title != entry.name:
            parts.append(f"{'##' if one else '###'} {entry.name}")
        parts += _whole(entry, course, known, cells)
    return "\n\n".join(parts) + "\n"


def _moved(found: list[Entry]) -> dict[int, str]:
    "For each entry of a room that was one page: the places that it, and its module, had there, as marks that lead on."
    slugs, ids, again, marks, home = Counter(), set(), 0, {}, None
    for entry in found:
        slug = entry.name.lower()
        place = re.sub(r"[^a-z0-9]+", "-", slug).strip("-")
        if place in ids:  # docutils numbers what it has had
            again += 1
            place = f"id{again}"
        ids.add(place)
        old = [place, f"{slug}-{slugs[slug]}" if slugs[slug] else slug]
        slugs[slug] += 1
        if entry.path != home:
            home = entry.path
            module = home.relative_to(ROOT).with_suffix("").parts
            old += ["-".join(module).replace("_", "-"), "".join(module)]
        marks[id(entry)] = "".join(
            f'<i id="{one}" class="moved"></i>' for one in dict.fromkeys(old)
        )
    return marks


def _names(found: list[Entry], marks: dict[int, str]) -> str:
    "A table of names, each with its first sentence."
    lines = ["| name | what it is |", "| --- | --- |"]
    for entry in found:
        first = inline(re.sub(r"\s+", " ", re.split(r"\n\s*\n", entry.doc)[0]))
        first = first.replace("|", "\\|")
        lines.append(f"| {marks[id(entry)]}[{entry.name}]({entry.uri}) | {first} |")
    return "\n".join(lines)


def _index_of(room: str, mine: dict[str, list[Entry]], titles: dict[str, str]) -> str:
    "The page of a room that has a page for each of its modules."
    found = [entry for own in mine.values() for entry in own]
    marks, parts = _moved(found), [f"# {ROOMS[room][0]}"]
    if room == "explore":
        parts.append(_names(found, marks))
    else:
        parts += [f"## [{titles[p]}]({p}.md)\n\n{_names(own, marks)}" for p, own in mine.items()]
    return "\n\n".join([*parts, _TREE.format("\n".join(mine))]) + "\n"


def reference(course: dict, source: Path, notebooks: Path = ROOT / "nbs") -> None:
    "Write the pages of the reference, with a list of all names."
    rooms = {room: entries(room, course) for room in ROOMS}
    rooms = {room: found for room, found in rooms.items() if found}
    pages, known, cells = _pages(rooms), {}, _ran(notebooks, course)
    for found in rooms.values():
        for entry in found:
            known.setdefault(entry.name, entry.uri)
    listed = []
    for room, found in rooms.items():
        mine = {page: own for page, own in pages.items() if own[0] in found}
        titles = {page: _title(room, own, course) for page, own in mine.items()}
        for page, own in mine.items():
            text = _page(titles[page], own, course, known, cells)
            if page != room:  # the way up
                up = f"[The package](index.md) \u203a [{ROOMS[room][0]}]({room}.md)"
                text = text.replace("\n\n", f"\n\n{up}\n\n", 1)
            write(source / "api" / f"{page}.md", text)
        if room in SPLIT:
            write(source / "api" / f"{room}.md", _index_of(room, mine, titles))
        listed.append(f"## [{ROOMS[room][0]}]({room}.md)")
        for page, own in (mine if room == "chapters" else {room: found}).items():
            links = ", ".join(f"[{entry.name}]({entry.uri})" for entry in own)
            listed.append(f"[{titles[page]}]({page}.md): {links}." if page != room else f"{links}.")
    text = _ENGINEERS + _TREE.format("\n".join(rooms)) + "\n\n"
    write(source / "api" / "index.md", text + "\n\n".join(listed) + "\n")
