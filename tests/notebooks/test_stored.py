"The notebooks as they are stored: what a reader sees on the web, before anything runs."

import ast
import html.parser
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import stills
from tests.lab import ROOT, cell_errors

from .conftest import NAMES, NBS, Notebook, read

ALLOWED_TAGS = {"exercise", "proof"}
ALLOWED_KEYS = {"tags", "jupyter", "jp-MarkdownHeadingCollapsed"}
SPEAKS = re.compile(
    r"print|show\w*|agree\w*|display|check|hint|progress"
)  # which always say something
MACHINE = re.compile(
    r"/root\b|/home/|/work/|/tmp\b|/Users/|/var/folders|site-packages|[A-Z]:\\\\?Users|\.venv\b"
)
FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(NBS / name for name in NAMES)]
CHAPTERS = [name for name in NAMES if name[0].isdigit()]
SOURCE = "## The source"  # the heading below which a chapter's longer exports stand
SCREEN = 30  # lines of code in the body of an exported function
WIDEST, LONGEST = 100, 25  # of a learner's cell: columns, lines
LARGEST = 1_500_000  # bytes of a notebook
# pictures that may open a section, and do not replace the field's word: Gaussian, mode, dataset, unconditional, noise
PICTURES = re.compile(r"\b(bells?|humps?|piles?|untold|dice)\b", re.I)
MEANT = ["bell curve", "digits pile up", "three dice", "dice that were loaded"]
A_CURVE = "19b_coins.ipynb"  # where a hump is one of a curve that is no density


def is_exported(source: str) -> bool:
    return re.search(r"^#\| *export", source, re.M) is not None


def should_speak(source: str) -> bool:
    "Does a cell end in an expression, or call something that prints or draws? (Exported cells only define.)"
    if source.startswith("#|") or source.lstrip().startswith("%"):
        return False
    body = ast.parse(source).body
    calls = [
        n.value.func for n in body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)
    ]
    names = [func.id if isinstance(func, ast.Name) else getattr(func, "attr", "") for func in calls]
    ends = bool(body) and isinstance(body[-1], ast.Expr) and not source.rstrip().endswith(";")
    return ends or any(SPEAKS.fullmatch(name) for name in names)


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
        data = ["".join(v) for v in output.get("data", {}).values() if v and v != {}]
        texts += [
            "".join(output.get("text", "")),
            *(re.sub(r"base64,[^\"']*", "", v) for v in data),
        ]
    assert [found.group() for text in texts for found in MACHINE.finditer(text)] == []


def test_every_cell_that_should_has_output(stored):
    silent = [c["source"] for c in stored.code if should_speak(c["source"]) and not c["outputs"]]
    assert silent == []


def bodies(source: str) -> dict[str, int]:
    "How many lines of code the body of each function and method in a cell has, without docstring and comments."
    tree, lines = ast.parse(source), source.splitlines()
    methods = [n for kind in tree.body if isinstance(kind, ast.ClassDef) for n in kind.body]
    found = {}
    for node in [*tree.body, *methods]:
        if isinstance(node, ast.FunctionDef):
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            body = lines[node.body[documented].lineno - 1 : node.end_lineno]
            found[node.name] = sum(bool(re.match(r"\s*[^#\s]", line)) for line in body)
    return found


def test_no_function_needs_scrolling(stored):
    long = {}
    for source in [cell["source"] for cell in stored.code if is_exported(cell["source"])]:
        long |= {name: n for name, n in bodies(source).items() if n > SCREEN}
    assert long == {}


def test_words_are_those_of_the_field(stored):
    found = []
    for cell in stored.cells:
        text = cell["source"]
        for meant in MEANT:
            text = text.replace(meant, "")
        found += [(cell["id"], word) for word in PICTURES.findall(text)]
    assert [f for f in found if not (stored.name == A_CURVE and f[1] == "hump")] == []


def test_no_star_imports(stored):
    assert not [c for c in stored.code if re.search(r"^\s*from .* import \*", c["source"], re.M)]


def test_every_displayed_equation_has_its_number(stored_chapter):
    number = int(stored_chapter.name[:2])
    text = "\n".join(cell["source"] for cell in stored_chapter.markdown)
    tags = []
    for equation in re.findall(r"\$\$(.*?)\$\$", text, re.S):
        found = re.search(r"\\tag\{([^}]*)\}", equation)
        # the hour shows equations of later chapters, under the chapters' own numbers
        own = r"\d+" if number == 0 else number
        assert found and re.fullmatch(rf"{own}\.\d+[a-z]?", found.group(1)), equation
        tags.append(found.group(1))
    assert [tag for tag, n in Counter(tags).items() if n > 1] == []


def test_every_equation_that_is_pointed_at_exists(stored_chapter):
    "(3.4) in a chapter's prose is an equation of that chapter, or of one that comes before; the hour looks ahead."
    text, known = "\n".join(cell["source"] for cell in stored_chapter.markdown), set()
    before = (
        CHAPTERS
        if stored_chapter.name[:2] == "00"
        else CHAPTERS[: CHAPTERS.index(stored_chapter.name) + 1]
    )
    for name in before:
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
            "a figure without words: use plot.show"
        )
        for _, alt in Images("".join(data.get("text/html", ""))).found:
            assert alt and alt.strip()
            said = "".join(data["text/plain"]).strip()
            assert said not in ("", "<IPython.core.display.HTML object>")


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_links_and_pictures_lead_somewhere(file):
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        text = "\n".join(cell["source"] for cell in read(file.relative_to(NBS).as_posix()).markdown)
    images = re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", text) + [
        (a, s) for s, a in Images(text).found
    ]
    assert all(alt and alt.strip() for alt, _ in images)
    links = re.findall(r"\]\(([^)\s]+)\)", text) + [src for _, src in images]
    local = [re.sub(r"#.*", "", link) for link in links if not re.match(r"https?:|mailto:|#", link)]
    assert [link for link in local if not (file.parent / link).exists()] == []


def learners(notebook: Notebook) -> list[str]:
    "What the learner's cells of code say: all that stand before the source, and are not exported themselves."
    places = [i for i, c in enumerate(notebook.cells) if re.search(rf"(?m)^{SOURCE}", c["source"])]
    cells = notebook.cells[: places[0]] if places else notebook.cells
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    return [source for source in code if not source.startswith("#|")]


def test_a_learners_cell_is_small(stored_chapter):
    cells = learners(stored_chapter)
    assert [line for source in cells for line in source.splitlines() if len(line) > WIDEST] == []
    assert [source for source in cells if len(source.splitlines()) > LONGEST] == []


def test_every_notebook_is_as_the_formatter_leaves_it():
    ruff = Path(sys.executable).with_name("ruff")
    files = [NBS / name for name in NAMES]
    done = subprocess.run(
        [ruff, "format", "--check", *files], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, "run make export\n" + done.stdout + done.stderr


def test_a_chapter_ends_in_order(stored_chapter):
    text = "\n".join(cell["source"] for cell in stored_chapter.markdown)
    ends = ["Three things to keep", "Three questions", "What comes next"]
    places = [text.find(f"\n## {name}") for name in ends]
    assert -1 < places[0] < places[1] < places[2]
    long = [cell for cell in stored_chapter.code if cell["source"].startswith("#| export")]
    after = text.find(f"\n{SOURCE}")
    assert after == -1 or after > places[2]
    assert long or after == -1


def test_a_notebook_is_light(stored):
    assert stored.path.stat().st_size <= LARGEST
