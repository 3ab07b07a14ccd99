"The notebooks as they are stored: what a reader sees on the web, before anything runs."

import ast
import configparser
import html.parser
import io
import json
import math
import re
import subprocess
import sys
import textwrap
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stills
from tests.lab import ROOT, cell_errors

from .conftest import NAMES, NBS, Notebook, read

ALLOWED_TAGS = {"exercise"}
ALLOWED_KEYS = {"tags", "jupyter", "jp-MarkdownHeadingCollapsed"}
SPEAKS = re.compile(
    r"print|show\w*|agree\w*|display|check|hint|progress"
)  # functions that always say something
MACHINE = re.compile(
    r"/root\b|/home/|/work/|/tmp\b|/Users/|/var/folders|site-packages|[A-Z]:\\\\?Users|\.venv\b"
)
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(NBS / name for name in NAMES)]


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
    assert {key for cell in stored.cells for key in cell["metadata"]} <= ALLOWED_KEYS


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


SCREEN = 30  # lines of code in the body of a function
CELL, LIST = 45, 60  # lines of a cell that holds several definitions; of one that lists things


def code_lines(source: str) -> int:
    "The lines of code in some source: without comments and blank lines."
    return sum(bool(re.match(r"\s*[^#\s]", line)) for line in source.splitlines())


def bodies(source: str) -> Iterator[tuple[str, str]]:
    "The body of each function and method in a cell, under its name; docstring and signature are read apart."
    tree, lines = ast.parse(source), source.splitlines()
    methods = [n for kind in tree.body if isinstance(kind, ast.ClassDef) for n in kind.body]
    for node in [*tree.body, *methods]:
        if isinstance(node, ast.FunctionDef):
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            first = node.body[1 if documented else 0].lineno
            yield node.name, "\n".join(lines[first - 1 : node.end_lineno])


def too_long(source: str) -> list[str]:
    "What does not fit a screen in an exported cell. A class is whole where it is defined: its methods must fit."
    found = [f"{name}: {n}" for name, body in bodies(source) if (n := code_lines(body)) > SCREEN]
    body = ast.parse(source).body
    defined = sum(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body)
    most = CELL if defined > 1 else LIST if len(body) > 1 else math.inf
    n = code_lines(source)
    return found + [f"cell: {n}"] * (n > most)


def test_cells_fit_a_screen(stored):
    for source in [cell["source"] for cell in stored.code]:
        if any(name.startswith("export") for name in directives(source)):
            assert too_long(source) == []
        else:
            assert len(source.splitlines()) <= 40


def test_a_function_that_needs_scrolling_is_noticed():
    head, line = (
        'def f(\n    x,\n    y,\n):\n    """Two\n    lines."""\n',
        "    x = 1  # one\n\n    # a remark\n",
    )
    assert too_long(head + SCREEN * line) == []
    assert too_long(head + (SCREEN + 1) * line) == [f"f: {SCREEN + 1}"]
    method = "class A:\n" + textwrap.indent(head + (SCREEN + 1) * line, "    ")
    assert too_long(method) == [f"f: {SCREEN + 1}"]
    assert too_long("x = 1\n" * (LIST + 1)) == [f"cell: {LIST + 1}"]
    two = "def f():\n    pass\nclass A:\n    pass\n"
    assert too_long(two + "x = 1\n" * (CELL - 4)) == []
    assert too_long(two + "x = 1\n" * (CELL - 3)) == [f"cell: {CELL + 1}"]


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
        for cell in read(name).markdown:
            known |= set(re.findall(r"\\tag\{([^}]*)\}", cell["source"]))
    assert set(re.findall(r"(?<=[(,\s])\((\d+\.\d+[a-z]?)\)", " " + text)) <= known


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
        if stills.VIEW in data:  # a still of a widget, which says in words what it shows
            assert len("".join(data["text/plain"])) > 40
            continue
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
        text = "\n".join(cell["source"] for cell in read(file.relative_to(NBS).as_posix()).markdown)
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


# ------------------------------------------------------------------------------------------------ the learner's part

SOURCE = "## The source, for the curious"
CHAPTERS = [name for name in NAMES if name[0].isdigit()]
WIDEST, LONGEST = 100, 18  # of a learner's cell: columns, lines
LARGEST = 1_500_000  # bytes of a notebook


def stored_as(tmp_path: Path, *cells: tuple[str, str]) -> Notebook:
    "A small notebook in a file, for the controls; its cells are ('code', source) or ('markdown', source)."
    code = {"outputs": [], "execution_count": None}
    made = [
        {"cell_type": kind, "id": f"cell-{i}", "metadata": {}, "source": source}
        | (code if kind == "code" else {})
        for i, (kind, source) in enumerate(cells)
    ]
    path = tmp_path / "09_bent.ipynb"
    nb = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(nb), encoding="utf-8")
    return Notebook(path)


def source_begins(notebook: Notebook) -> int:
    "The place of the heading below which the exported cells stand; past the end where there is none."
    places = [i for i, c in enumerate(notebook.cells) if re.search(rf"(?m)^{SOURCE}$", c["source"])]
    return places[0] if places else len(notebook.cells)


def learners(notebook: Notebook) -> list[str]:
    "What the learner's cells of code say: all that stand before the source."
    cells = notebook.cells[: source_begins(notebook)]
    return [cell["source"] for cell in cells if cell["cell_type"] == "code"]


def too_large(source: str) -> list[str]:
    "What is wrong with a learner's cell: a line that is too wide, or too many lines."
    lines = source.splitlines()
    wide = [f"{len(line)} columns: {line}" for line in lines if len(line) > WIDEST]
    return wide + [f"{len(lines)} lines: {lines[0]} ..."] * (len(lines) > LONGEST)


def trailing_comments(source: str) -> list[str]:
    "The comments that stand behind code on its line, but for a word to the formatter."
    if source.lstrip().startswith("%"):
        return []
    tokens = tokenize.generate_tokens(io.StringIO(source + "\n").readline)
    comments = [t for t in tokens if t.type == tokenize.COMMENT and t.string != "# fmt: skip"]
    return [c.string for c in comments if c.line[: c.start[1]].strip()]


def test_a_learners_cell_is_small(stored_chapter):
    assert [fault for source in learners(stored_chapter) for fault in too_large(source)] == []


def test_a_comment_stands_above_its_line(stored_chapter):
    assert [c for source in learners(stored_chapter) for c in trailing_comments(source)] == []


def private_names(source: str) -> list[str]:
    "The private names that a learner's cell asks of an object or imports; its own `self._x` is its own business."
    if source.lstrip().startswith("%"):
        return []
    nodes = list(ast.walk(ast.parse(source)))
    own = {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    names = {n.attr for n in nodes if isinstance(n, ast.Attribute)} - own
    names |= {a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}
    return sorted(name for name in names if name[0] == "_" and not name.endswith("_"))


def test_a_learner_meets_nothing_private(stored_chapter):
    assert [name for source in learners(stored_chapter) for name in private_names(source)] == []


def test_a_private_name_is_noticed():
    assert private_names("from diffusion_math.elbo import _law\nq._at(3)") == ["_at", "_law"]
    assert private_names("self._x = 1\nself._x + q.__dict__\n_y = q.step") == []


def test_a_large_cell_and_a_trailing_comment_are_noticed(tmp_path):
    wide, long, small = "x = " + "1" * 97, "\n".join(["x = 1"] * 19), "# why\nx = '#'\n"
    assert len(too_large(wide)) == len(too_large(long)) == 1
    assert too_large("x = " + "1" * 96) == too_large("\n".join(["x = 1"] * 18)) == []
    assert trailing_comments("x = 1  # one\n# two\ny = f(  # three\n    2\n)") == [
        "# one",
        "# three",
    ]
    assert trailing_comments(small) == trailing_comments("%pip list # all") == []
    assert trailing_comments("from a import (\n    b, c,\n)  # fmt: skip") == []
    bent = stored_as(tmp_path, ("code", wide), ("markdown", SOURCE), ("code", long))
    assert learners(bent) == [wide]


# ------------------------------------------------------------------------------------------------ one formatter


def unformatted(*paths: Path) -> list[str]:
    "The notebooks that `ruff format` would change."
    ruff = Path(sys.executable).with_name("ruff")
    run = [ruff, "format", "--check", "--config", ROOT / "pyproject.toml", *paths]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    named = re.findall(r"[^\s:]+\.ipynb", done.stdout)
    assert bool(named) == (done.returncode == 1), done.stdout
    return sorted(set(named))


def test_every_notebook_is_as_the_formatter_leaves_it():
    assert unformatted(*(NBS / name for name in NAMES)) == [], "run make export"


def test_an_unformatted_notebook_is_noticed(tmp_path):
    assert unformatted(stored_as(tmp_path, ("code", "x = f(1, 'a')")).path) != []
    assert unformatted(stored_as(tmp_path, ("code", 'x = f(1, "a")')).path) == []


# ------------------------------------------------------------------------------------------------ from first to last


def exported(notebook: Notebook) -> list[tuple[int, str]]:
    "The cells that go into the package, with their places."
    return [
        (i, cell["source"])
        for i, cell in enumerate(notebook.cells)
        if cell["cell_type"] == "code"
        and any(name.startswith("export") for name in directives(cell["source"]))
    ]


def faults_at_the_end(notebook: Notebook) -> list[str]:
    "What is out of order from the summary on."
    text = "\n".join(cell["source"] for cell in notebook.markdown)
    headings = re.findall(r"(?m)^## .*$", text)
    order = ["## Three things to keep", "## Three questions", "## What comes next"]
    if exported(notebook):
        order.append(SOURCE)
    faults = [] if headings[-len(order) :] == order else [f"ends with {headings[-len(order) :]}"]
    begins = source_begins(notebook)
    return faults + [f"cell {i} exports too early" for i, _ in exported(notebook) if i < begins]


def test_a_chapter_ends_in_order(stored_chapter):
    assert faults_at_the_end(stored_chapter) == []


def test_a_chapter_out_of_order_is_noticed(tmp_path):
    end = "## Three things to keep\n\n## Three questions\n\n## What comes next\n\n### References"
    source, cell = ("markdown", SOURCE), ("code", "#| export\nx = 1")
    good = [[("markdown", end)], [("markdown", end), source, ("code", "#| default_exp x"), cell]]
    swapped = end.replace("questions", "answers")
    bent = [
        [("markdown", swapped)],
        [("markdown", end), cell],
        [cell, ("markdown", end), source, cell],
        [source, cell, ("markdown", end)],
        [("markdown", end), source, cell, ("markdown", "## And more")],
    ]
    assert [faults_at_the_end(stored_as(tmp_path, *cells)) for cells in good] == [[], []]
    assert all(faults_at_the_end(stored_as(tmp_path, *cells)) for cells in bent)


STOPS = {
    "00_toolbox.ipynb": "toolbox",
    "01_data_distribution.ipynb": "data distribution",
    "02_gaussians.ipynb": "Gaussians",
    "03_forward_process.ipynb": "forward process",
    "04_reverse_process.ipynb": "reverse process",
    "05_elbo.ipynb": "ELBO",
    "06_ddpm.ipynb": "DDPM",
    "07_score_matching.ipynb": "score matching",
    "08_recap.ipynb": "recap",
}
PART_II = {
    "09_noise_free_walk.ipynb": "noise-free walk",
    "10_noisy_walk.ipynb": "noisy walk",
    "11_likelihood_by_flow.ipynb": "likelihood by the flow",
    "12_area_under_the_error.ipynb": "area under the error",
    "13_solvers.ipynb": "solvers",
    "14_flow_matching.ipynb": "flow matching",
    "15_guidance.ipynb": "guidance",
}


def road(name: str) -> str:
    "The road as chapter `name` shows it: where one is in bold, all else a link (a pattern)."
    stops = []
    further = name[:2] > "08"
    part = {"08_recap.ipynb": "recap"} | PART_II if further else STOPS
    for file, stop in part.items():
        here = re.escape(f"**{stop}**" if file == name else f"[{stop}]({file})")
        side = rf" \(\*\*{name[:3].lstrip('0')} · [^*\n]+\*\*\)" if name[2] == "b" else ""
        stops.append(here + side * (file[:2] == name[:2]))
    start = r"\[Part I\]\(index\.ipynb\) → " if further else ""
    return f"(?m)^The road: {start}" + " → ".join(stops) + "$"


def test_the_road_leads_everywhere(chapter, stored_chapter):
    assert set(STOPS) | set(PART_II) == {name for name in CHAPTERS if name[2] == "_"}
    assert re.search(road(chapter), stored_chapter.cells[0]["source"])


def test_a_road_with_a_gap_is_noticed():
    text = read("08_recap.ipynb").cells[0]["source"]
    assert re.search(road("08_recap.ipynb"), text)
    for bent in (text.replace("[ELBO](05_elbo.ipynb)", "ELBO"), text.replace("**recap**", "recap")):
        assert not re.search(road("08_recap.ipynb"), bent)
    assert not re.search(road("08b_famous_slips.ipynb"), text)


def first_is_folded(notebook: Notebook) -> bool:
    "JupyterLab shows the first cell of code, which is Colab's business, as one line."
    return notebook.code[0]["metadata"].get("jupyter", {}).get("source_hidden") is True


def test_the_first_screen_belongs_to_the_reader(stored_chapter):
    assert first_is_folded(stored_chapter)


def test_an_open_first_cell_is_noticed(tmp_path):
    assert not first_is_folded(stored_as(tmp_path, ("code", "import sys")))


def test_a_notebook_is_light(stored):
    assert stored.path.stat().st_size <= LARGEST


def test_a_heavy_notebook_is_noticed(tmp_path):
    heavy = stored_as(tmp_path, ("markdown", "x" * LARGEST))
    assert heavy.path.stat().st_size > LARGEST


# ------------------------------------------------------------------------------------------------ what chapters export

TEACHING = [name for name in CHAPTERS if "01" <= name[:2] <= "07" and exported(read(name))]
CARE = re.compile(r"\b(dtype|device|isinstance|raise)\b")


def what_is_exported(sources: list[str]) -> dict[str, int]:
    "Of exported cells: the lines, those about dtypes, devices, kinds or errors, and the private definitions."
    lines = [
        line
        for source in sources
        for line in source.splitlines()
        if line.strip() and not line.startswith("#|")
    ]
    definitions = [
        node.name
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    private = [name for name in definitions if name.startswith("_") and not name.endswith("__")]
    return {
        "lines": len(lines),
        "careful": sum(bool(CARE.search(line)) for line in lines),
        "private": len(private),
    }


def test_chapters_export_what_they_teach():
    "At most 900 lines, one in twenty about dtypes, devices, kinds or errors; at most 35 private definitions."
    counts = what_is_exported([source for name in TEACHING for _, source in exported(read(name))])
    assert len(TEACHING) == 8
    assert counts["lines"] <= 900
    assert counts["careful"] <= counts["lines"] / 20
    assert counts["private"] <= 35


def test_how_exported_lines_are_counted():
    source = """#| export
#| eval: false
class _A:

    def __init__(self, x):
        "Two lines."
        self._x = x.to(x.device)

    def _f(self):
        def _g():
            raise TypeError("a dtype")
        return _g
"""
    assert what_is_exported([source]) == {"lines": 8, "careful": 2, "private": 3}
    assert what_is_exported([source] * 2)["lines"] == 16
