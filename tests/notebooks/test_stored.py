"The notebooks as they are stored: what a reader sees on the web, before anything runs."

import ast
import configparser
import html.parser
import re
import textwrap
from collections import Counter

import pytest

from tests.lab import ROOT, cell_errors

from .conftest import NAMES, NBS, Notebook

ALLOWED_TAGS = {"exercise", "hide-input"}
SPEAKS = re.compile(
    r"print|show\w*|agree\w*|display|check|hint|progress"
)  # functions that always say something
MACHINE = re.compile(
    r"/root\b|/home/|/work/|/tmp\b|/Users/|/var/folders|site-packages|[A-Z]:\\\\?Users|\.venv\b"
)
FILES = [NBS.parent / "README.md", *(NBS / name for name in NAMES)]


def directives(source: str) -> list[str]:
    return re.findall(r"^#\| *(\w+)", source, re.M)


def should_speak(source: str) -> bool:
    "Does a cell end in an expression, or call something that prints or draws? (Exported cells only define.)"
    if directives(source) or source.lstrip().startswith("%"):
        return False
    body = ast.parse(source).body
    calls = [
        node.value.func
        for node in body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ]
    names = [func.id if isinstance(func, ast.Name) else getattr(func, "attr", "") for func in calls]
    ends = bool(body) and isinstance(body[-1], ast.Expr) and not source.rstrip().endswith(";")
    return ends or any(SPEAKS.fullmatch(name) for name in names)


def test_the_chapters_are_there():
    assert {
        "index.ipynb",
        "01_data_distribution.ipynb",
        "02_gaussians.ipynb",
        "03_forward_process.ipynb",
    } <= set(NAMES)


def test_is_a_clean_notebook_for_python_3(stored):
    assert (stored.json["nbformat"], stored.json["nbformat_minor"]) == (4, 5)
    assert stored.json["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in stored.cells]
    assert len(ids) == len(set(ids))
    tags = {tag for cell in stored.cells for tag in cell["metadata"].get("tags", ())}
    assert tags <= ALLOWED_TAGS


def test_holds_no_error(stored):
    assert not cell_errors(stored.cells)
    assert not [output for output in stored.outputs if output.get("name") == "stderr"]


def test_holds_no_path_of_the_machine_that_made_it(stored):
    texts = ["".join(cell["source"]) for cell in stored.cells] + [str(stored.json["metadata"])]
    for output in stored.outputs:
        texts += ["".join(output.get("text", ""))]
        texts += [
            re.sub(r"base64,[^\"']*", "", "".join(v))
            for v in output.get("data", {}).values()
            if v and v != {}
        ]
    assert [found.group() for text in texts for found in MACHINE.finditer(text)] == []


def test_every_cell_that_should_has_output(stored):
    silent = [
        cell["source"]
        for cell in stored.code
        if should_speak(cell["source"]) and not cell["outputs"]
    ]
    assert silent == []


@pytest.mark.parametrize(
    "source, speaks",
    [
        ("x = 1\nx", True),
        ("print(3)\nx = 1", True),
        ("show_images(x, alt='')\ny = 2", True),
        ("agree(a, b)", True),
        ("x = 1", False),
        ("assert f(x)", False),
        ("#| export\nx", False),
        ("x;", False),
        ("import torch", False),
    ],
)
def test_which_cells_should(source, speaks):
    assert should_speak(source) == speaks


def code_lines(source: str) -> int:
    "The lines of code in a cell: without docstrings, comments and blank lines."
    docs = set()
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.FunctionDef | ast.ClassDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            docs |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(source.splitlines(), 1)
    return sum(bool(re.match(r"\s*[^#\s]", line)) and number not in docs for number, line in lines)


def test_cells_fit_a_screen(stored):
    "At most 40 lines, and 25 of code if exported. A class is whole where it is defined: its methods must fit instead."
    too_long = []
    for source in [cell["source"] for cell in stored.code]:
        if any(name.startswith("export") for name in directives(source)):
            body = ast.parse(source).body
            whole_class = len(body) == 1 and isinstance(body[0], ast.ClassDef)
            parts = (
                [ast.get_source_segment(source, node) for node in body[0].body]
                if whole_class
                else [source]
            )
            lengths = [(code_lines(textwrap.dedent("    " + part)), part) for part in parts]
            too_long += [(n, part[:200]) for n, part in lengths if n > 25]
        elif len(source.splitlines()) > 40:
            too_long.append((len(source.splitlines()), source[:200]))
    assert too_long == []


def test_how_lines_are_counted():
    assert (
        code_lines('def f():\n    """Two\n    lines."""\n\n    # a remark\n    return 1  # another')
        == 2
    )


def test_no_star_imports(stored):
    assert [
        cell["source"]
        for cell in stored.code
        if re.search(r"^\s*from .* import \*", cell["source"], re.M)
    ] == []


def test_every_displayed_equation_has_its_number(stored_chapter):
    number = int(stored_chapter.name[:2])
    text = "\n".join(cell["source"] for cell in stored_chapter.markdown)
    equations = re.findall(r"\$\$(.*?)\$\$", text, re.S)
    untagged = [
        equation for equation in equations if not re.search(r"\\tag\{\d+\.\d+[a-z]?\}", equation)
    ]
    assert untagged == []
    tags = re.findall(r"\\tag\{([^}]*)\}", text)
    assert [tag for tag in tags if not re.fullmatch(rf"{number}\.\d+[a-z]?", tag)] == []
    assert [tag for tag, n in Counter(tags).items() if n > 1] == []


def test_every_equation_that_is_pointed_at_exists(stored_chapter):
    "(3.4) in a chapter's prose is an equation of that chapter, or of one that comes before."
    text = "\n".join(cell["source"] for cell in stored_chapter.markdown)
    known = set()
    for name in [name for name in NAMES if name[0].isdigit() and name <= stored_chapter.name]:
        for cell in Notebook(NBS / name).markdown:
            known |= set(re.findall(r"\\tag\{([^}]*)\}", cell["source"]))
    assert set(re.findall(r"(?<=[(,\s])\((\d\.\d+[a-z]?)\)", " " + text)) <= known


class Images(html.parser.HTMLParser):
    "The images in some HTML, as (src, alt)."

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.found.append((dict(attrs).get("src", ""), dict(attrs).get("alt")))


def test_every_stored_figure_has_a_text_alternative(stored):
    for output in stored.outputs:
        data = output.get("data", {})
        assert not [kind for kind in data if kind.startswith("image/")], (
            "a figure without a text alternative: use show"
        )
        for _, alt in Images("".join(data.get("text/html", ""))).found:
            assert alt and alt.strip()
            assert "".join(data["text/plain"]).strip() not in (
                "",
                "<IPython.core.display.HTML object>",
            )


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_links_and_pictures_lead_somewhere(file):
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        text = "\n".join(cell["source"] for cell in Notebook(file).markdown)
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", text)
    images = Images(text).found
    assert all(alt and alt.strip() for alt, _ in pictures) and all(
        alt and alt.strip() for _, alt in images
    )
    links = re.findall(r"\]\(([^)\s]+)\)", text) + [src for src, _ in images]
    local = [re.sub(r"#.*", "", link) for link in links if not re.match(r"https?:|mailto:|#", link)]
    assert [link for link in local if not (file.parent / link).exists()] == []


def test_opens_in_colab(stored_chapter):
    "A badge that leads to this notebook, and a first cell that installs the package there and does nothing here."
    settings = configparser.ConfigParser(delimiters=["="], interpolation=None)
    settings.read(ROOT / "settings.ini", encoding="utf-8")
    url = settings["DEFAULT"]["git_url"]
    repository = url.removeprefix("https://github.com/")
    badge = (
        "[![Open in Colab](images/colab.svg)](https://colab.research.google.com/github/"
        f"{repository}/blob/main/nbs/{stored_chapter.name})"
    )
    assert badge in stored_chapter.cells[0]["source"]
    first = stored_chapter.code[0]["source"]
    assert first.startswith("import sys\n\n") and 'if "google.colab" in sys.modules:\n' in first
    assert f"diffusion_math[course] @ git+{url}" in first
