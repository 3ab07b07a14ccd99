"""Every notebook runs once, from a fresh kernel: the chapters and the index in a real JupyterLab where a Chromium is found,
the workshop by nbclient. What a page of the workshop shows, a picture or a text, these show too; and its explorables are all
opened in JupyterLab by tests/browser/test_explorables_in_lab.py.

Copies run, of some chapters a brief one (brief.py); the repository's notebooks are left as they are. Negative controls show
that a notebook that raises, and a widget that does not come up, are noticed.
"""

import os
import re
import shutil
from unittest import mock

import pytest

from tests import stills
from tests.conftest import CHROMIUM
from tests.lab import cell_errors, environment, notebook

from .brief import BRIEF, TRAINED, places, shortened, to_run
from .conftest import NAMES, NBS, read

BROKEN_WIDGET = """\
import anywidget
class Broken(anywidget.AnyWidget):
    _esm = "export default { render({ model, el }) { throw new Error('this widget is broken'); } }"
Broken()"""


def kinds(cells: list[dict]) -> list[list[str]]:
    "For each code cell, the kinds of output that lie under it, without repetition."

    def kind(output):
        if "name" in output:
            return output["name"]
        kinds = sorted(
            output["data"]
        )  # a widget's still is drawn when it is stored, by make stills
        return [k for k in kinds if k != stills.PNG or stills.VIEW not in kinds]

    outputs = [[kind(o) for o in cell["outputs"]] for cell in cells if cell["cell_type"] == "code"]
    return [[k for i, k in enumerate(row) if k not in row[:i]] for row in outputs]


def not_run(cells: list[dict]) -> list[str]:
    return [
        "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "code"
        and "".join(cell["source"]).strip()
        and not cell["execution_count"]
    ]


def run_by_nbclient(path, home, more=None) -> list[dict]:
    "more: of the environment, such as the fixture `warm` has."
    import nbclient  # takes seconds, which a worker that collects the tests need not spend
    import nbformat

    nb = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": path.parent}}
    client = nbclient.NotebookClient(
        nb, timeout=600, kernel_name="python3", resources=place, allow_errors=True
    )
    with mock.patch.dict(os.environ, more or {}):  # the kernel is looked up here
        client.execute(env=environment(home) | (more or {}))
    return nb.cells


def shown(cells: list[dict]) -> set[str]:
    "The kinds of what lies under some cell: a printed text, a picture, an explorable."
    return {
        k for row in kinds(cells) for kind in row for k in ([kind] if type(kind) is str else kind)
    }


def wait_for_pictures(nb, stored, seconds: float = 60) -> None:
    "JupyterLab cleans the HTML of a notebook that it does not trust yet; our pictures and their alternatives stay."
    alts = [alt for text in stored.html() for alt in re.findall(r'<img [^>]*alt="([^"]+)"', text)]
    nb.page.wait_for_function(
        """n => {
            const images = [...document.querySelectorAll('.jp-OutputArea img[alt]')];
            return images.length === n && images.every(image => image.complete && image.naturalWidth > 0);
        }""",
        arg=len(alts),
        timeout=1000 * seconds,
    )


def run_in_jupyterlab(name, stored, lab, open_notebook) -> list[dict]:
    "Open it, see the stored pictures before anything runs, run it."
    nb = open_notebook(to_run(lab.root / name, name).relative_to(lab.root).as_posix())
    if name[0].isdigit():
        wait_for_pictures(nb, stored)
    ran = nb.run_all()
    cells = nb.cells()
    assert ran, cell_errors(cells)
    assert (
        nb.page.get_by_text(
            re.compile("Error displaying widget|Failed to load model class")
        ).count()
        == 0
    )
    assert nb.page.problems == []
    return cells


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    "A folder with a copy of the notebooks."
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(NBS, folder / "nbs", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    return folder


def test_runs_from_a_fresh_kernel(name, stored, request, home, warm):
    if CHROMIUM and not name.startswith("workshop"):
        lab, open_notebook = map(request.getfixturevalue, ("lab", "open_notebook"))
        cells = run_in_jupyterlab(name, stored, lab, open_notebook)
    else:
        cells = run_by_nbclient(to_run(home / "nbs" / name, name), home, warm)
    assert cell_errors(cells) == []
    assert not_run(cells) == []
    assert kinds(cells) == kinds(stored.cells), (
        "the stored outputs are stale: run the notebook and store it again"
    )


@pytest.mark.parametrize("shorter", BRIEF)
def test_a_brief_run_does_less_at_the_places_that_are_listed_and_nowhere_else(shorter):
    stored = read(shorter)
    for old, new in BRIEF[shorter].items():
        assert re.sub(r"\d+", "0", old) == re.sub(r"\d+", "0", new)
        numbers = zip(*(re.findall(r"\d+", text) for text in (old, new)), strict=True)
        assert all(int(a) >= int(b) for a, b in numbers) and old != new
    brief = shortened(stored.cells, BRIEF[shorter])
    assert shortened(brief, {new: old for old, new in BRIEF[shorter].items()}) == stored.cells


def test_what_is_true_of_a_trained_network_alone():
    assert TRAINED["06_ddpm.ipynb"] == [
        'assert sure["additions 1 to 6, g = 1.0"] - sure["plain, clipped"] > by_chance'
    ]
    cells = read("06_ddpm.ipynb").cells
    gone = [
        set(old["source"].splitlines()) - set(new["source"].splitlines())
        for old, new in zip(cells, shortened(cells, places("06_ddpm.ipynb")), strict=True)
    ]
    lines = [line for some in gone for line in some if "assert" in line or "agree" in line]
    assert sorted(lines) == sorted(TRAINED["06_ddpm.ipynb"])


def test_a_place_that_a_chapter_no_longer_has_is_noticed():
    cells = [{"cell_type": "code", "source": "steps=600\nsteps=600"}]
    for old in ("steps=500", "steps=600"):
        with pytest.raises(AssertionError, match=f"{old}.* stands at [02] places"):
            shortened(cells, {old: "steps=6"})
    with pytest.raises(AssertionError, match="in code"):
        shortened([{"cell_type": "markdown", "source": "steps=600"}], {"steps=600": "steps=6"})


def test_the_stored_training_is_the_whole_one():
    "What chapter 6 shows of its last step is of as many steps as its source asks for."
    stored = read("06_ddpm.ipynb")
    (steps,) = {
        n for cell in stored.code for n in re.findall(r"^steps = (\d+)$", cell["source"], re.M)
    }
    assert [html for html in stored.html() if f"step {steps} of {steps}<" in html]


def test_what_a_page_of_the_workshop_shows_is_shown_in_jupyterlab_too():
    "Each kind of output that JupyterLab is asked to draw."
    kinds = {name: shown(read(name).cells) for name in NAMES}
    workshop = [k for name, k in kinds.items() if name.startswith("workshop")]
    rest = [k for name, k in kinds.items() if not name.startswith("workshop")]
    assert set().union(*workshop) <= set().union(*rest)


def test_a_chapter_has_pictures_to_show(stored_chapter):
    assert any("<img " in text for text in stored_chapter.html())


def test_a_notebook_that_raises_is_noticed(open_notebook):
    nb = open_notebook("raises.ipynb", ["x = 1", "x / 0", "print('not reached')"])
    assert not nb.run_all()
    assert nb.errors() == ["cell 1: ZeroDivisionError: division by zero"]
    assert not_run(nb.cells()) == ["print('not reached')"]


def test_a_widget_that_does_not_come_up_is_noticed(open_notebook):
    nb = open_notebook("broken.ipynb", [BROKEN_WIDGET])
    assert nb.run_all()
    nb.page.wait_for_function(
        "document.body.innerText.includes('this widget is broken')", timeout=20_000
    )
    assert any("this widget is broken" in problem for problem in nb.page.problems)


def test_a_notebook_that_raises_is_noticed_without_a_browser(tmp_path):
    cells = run_by_nbclient(notebook(["x = 1", "x / 0"], tmp_path / "raises.ipynb"), tmp_path)
    assert cell_errors(cells) == ["cell 1: ZeroDivisionError: division by zero"]


def test_a_stored_picture_that_does_not_show_is_noticed(page):
    class Stored:
        html = staticmethod(lambda: ['<img alt="one" src="x">', '<img alt="two" src="y">'])

    page.set_content('<div class="jp-OutputArea"><img alt="one" src="data:,"></div>')
    nb = type("Opened", (), {"page": page})
    with pytest.raises(Exception, match="Timeout"):
        wait_for_pictures(nb, Stored, seconds=1)
