"""Every notebook runs once, from a fresh kernel: in a real JupyterLab where it has a picture or a widget to show there
and a Chromium is found, else by nbclient. A page whose cells print, or say nothing, looks alike in both.

Copies run; the repository's notebooks are left as they are. Negative controls show that a notebook that raises, and a
widget that does not come up, are noticed.
"""

import os
import re
import shutil
from unittest import mock

import nbclient
import nbformat
import pytest

from tests import stills
from tests.conftest import CHROMIUM
from tests.lab import cell_errors, environment, notebook

from .conftest import NBS

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
    nb = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": path.parent}}
    client = nbclient.NotebookClient(
        nb, timeout=600, kernel_name="python3", resources=place, allow_errors=True
    )
    with mock.patch.dict(os.environ, more or {}):  # the kernel is looked up here
        client.execute(env=environment(home) | (more or {}))
    return nb.cells


def has_to_show(cells: list[dict]) -> bool:
    "Whether some output is more than text: a picture, a widget, Markdown."
    shown = {
        k for row in kinds(cells) for kind in row for k in ([kind] if type(kind) is str else kind)
    }
    return not shown <= {"stdout", "stderr", "text/plain"}


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


def run_in_jupyterlab(name, stored, open_notebook) -> list[dict]:
    "Open it, see the stored pictures before anything runs, run it."
    nb = open_notebook(name)
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
    if CHROMIUM and has_to_show(stored.cells):
        cells = run_in_jupyterlab(name, stored, request.getfixturevalue("open_notebook"))
    else:
        cells = run_by_nbclient(home / "nbs" / name, home, warm)
    assert cell_errors(cells) == []
    assert not_run(cells) == []
    assert kinds(cells) == kinds(stored.cells), (
        "the stored outputs are stale: run the notebook and store it again"
    )


def test_what_shows_more_than_text_runs_in_jupyterlab(stored_chapter):
    "Every chapter does, with pictures that are stored."
    assert has_to_show(stored_chapter.cells)
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
