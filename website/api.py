"""The reference of the package: every public name, its signature and its docstring, and the section that derives it.

Read from the sources, not from the running package: an annotation stands as it was written.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import diffusion_math
from diffusion_math.teach.notation import NOTATION
from website.assemble import ROOT, write

PACKAGE = ROOT / "diffusion_math"
ROOMS = {
    "": "The chapters",
    "laws": "Laws that are known exactly",
    "networks": "Networks",
    "data": "Data",
    "training": "Training",
    "teach": "For the lesson",
    "explore": "Explorables",
}


def _module(path: Path) -> tuple[str, list[ast.stmt]]:
    "The notebook that a module comes from, and what is defined in it."
    text = path.read_text(encoding="utf-8")
    made = re.search(r"File to edit: (?:\.\./)*nbs/(.+)\.ipynb", text)
    body = ast.parse(text).body
    for node in list(body):  # a name may be defined where a library is there, and not otherwise
        body += [n for n in ast.walk(node) if n is not node and isinstance(node, ast.If | ast.Try)]
    return made.group(1) if made else "", body


def _text(doc: str) -> str:
    "A docstring as Markdown: what is indented is code, and no letter of the rest has another meaning."
    blocks = re.split(r"\n\s*\n", doc)
    made = []
    for block in blocks:
        lines = block.splitlines()
        if all(line.startswith("    ") for line in lines):
            code = "\n".join(line[4:] for line in lines)
            made.append(f"```text\n{code}\n```" if "=" in code else f"```python\n{code}\n```")
        else:
            made.append(re.sub(r"([\\*_\[\]<>$|{}#~])", r"\\\1", " ".join(map(str.strip, lines))))
    return "\n\n".join(made)


def _signature(name: str, node: ast.FunctionDef, method: bool) -> str:
    args = node.args
    if method and args.args:
        args = ast.arguments(**{**vars(args), "args": args.args[1:]})
    back = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    told = f"{name}({ast.unparse(args)}){back}"
    if len(told) <= 92:
        return told
    parts = [ast.unparse(ast.arguments(**{**vars(args)}))]
    inner = re.split(r", (?=\w+(?:: |=|,|$)|\*)", parts[0])
    return f"{name}(\n    " + ",\n    ".join(inner) + f",\n){back}"


def _class(node: ast.ClassDef) -> str:
    "A class: how it is made, what it says, and its methods."
    functions = [n for n in node.body if isinstance(n, ast.FunctionDef)]
    start = next((f for f in functions if f.name == "__init__"), None)
    told = _signature(node.name, start, True) if start else node.name
    parts = [f"```python\nclass {told}\n```", _text(ast.get_docstring(node) or "")]
    for one in functions:
        doc = ast.get_docstring(one)
        if not one.name.startswith("_") and doc:
            marks = {ast.unparse(d) for d in one.decorator_list}
            fixed = "staticmethod" in marks
            signature = one.name if "property" in marks else _signature(one.name, one, not fixed)
            parts.append(f"```python\n.{signature}\n```\n\n{_text(doc)}")
    return "\n\n".join(parts)


def _first(name: str, notebook: str, course: dict) -> str:
    "Where the notation card says that a name is met first, in its own chapter if it stands there."
    rows = [row.first for row in NOTATION if re.search(rf"\b{name}\b", row.code)]
    places = {first: course["sections"].get(first) for first in rows}
    own = [first for first, doc in places.items() if doc == notebook]
    for first in own + [first for first, doc in places.items() if doc]:
        return f"Derived in section [{first}](../{places[first]}.ipynb)"
    return ""


def reference(course: dict, source: Path) -> None:
    "Write the pages of the reference, with a list of all names."
    public, listed = set(diffusion_math.__all__), []
    for room, title in ROOMS.items():
        parts, slugs = [f"# {title}"], Counter()
        for path in sorted((PACKAGE / room).glob("**/*.py" if room else "*.py")):
            notebook, body = _module(path)
            named = {n.name: n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
            names = [name for name in named if name in public]
            if not names:
                continue
            place = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            parts.append(f"## `{place}`")
            for name in names:
                node = named[name]
                code = (
                    _class(node)
                    if isinstance(node, ast.ClassDef)
                    else f"```python\n{_signature(name, node, False)}\n```\n\n"
                    + _text(ast.get_docstring(node) or "")
                )
                made = f"Made in [{course['pages'][notebook]['title']}](../{notebook}.ipynb)"
                where = ". ".join(filter(None, (_first(name, notebook, course), made)))
                parts.append(f"### {name}\n\n{code}\n\n{where}.")
                page = room or "chapters"
                short = _text((ast.get_docstring(node) or "").split("\n\n")[0])
                slug = name.lower()  # Elbo and elbo: the second one's place is elbo-1
                at = f"{slug}-{slugs[slug]}" if slugs[slug] else slug
                slugs[slug] += 1
                listed.append(f"| [{name}]({page}.md#{at}) | {short} |")
        write(source / "api" / f"{room or 'chapters'}.md", "\n\n".join(parts) + "\n")
    pages = "\n".join(room or "chapters" for room in ROOMS)
    text = (
        "# The names of the package\n\nEverything below can be imported from `diffusion_math`. The docstrings say what "
        "goes in, what comes out, and what is raised; the link below each leads to the section that derives it.\n\n"
        f"```{{toctree}}\n:hidden:\n:maxdepth: 1\n\n{pages}\n```\n\n| name | what it is |\n| --- | --- |\n"
    )
    write(source / "api" / "index.md", text + "\n".join(sorted(listed, key=str.lower)) + "\n")
