"The noising explorer in a real JupyterLab: dragged by mouse and by keys, in step with Python."

import base64
import json
import time

import numpy as np
import pytest

from tests.browser.explorable import ROOT, colours, drag, greys, serious
from tests.browser.noising import BETA, STEPS, TIME, answers, shows, x_t
from tests.lab import OpenNotebook, notebook

CELLS = [
    """import torch
from diffusion_math.data.digits import digits
from diffusion_math.explore.noising import NoisingExplorer

x0 = digits("test")[:4]
explorer = NoisingExplorer(x0, beta=0.1, T=20, t=5, generator=torch.Generator().manual_seed(0))""",
    "explorer",
    "print(explorer.t)",
]


def explorers(nb):
    assert nb.run_all(), nb.errors()
    nb.page.locator(".dm-frame canvas").first.wait_for()
    return nb


@pytest.fixture(scope="module")
def shown(lab, lab_page):
    "A notebook that shows an explorer, run once from a fresh kernel for all the tests below."
    with lab_page() as page:
        yield explorers(OpenNotebook(lab, page, notebook(CELLS, lab.root / "noising.ipynb").name))
        assert page.problems == []


@pytest.fixture
def nb(shown):
    "The same, put back to where it started."
    shown.page.get_by_role("button", name="Reset").click()
    until(lambda: traits(shown), [0.1, 5, 20, "constant"])
    return shown


def python(nb, expression):
    "A tensor of the kernel's, as numpy."
    text = nb.run(
        f"import base64; print(base64.b64encode(({expression}).numpy().tobytes()).decode())"
    )
    return np.frombuffer(base64.b64decode(text), np.float32)


def traits(nb):
    values = "[explorer.beta, explorer.t, explorer.T, explorer.schedule]"
    return json.loads(nb.run(f"import json; print(json.dumps({values}))"))


def until(f, value, seconds=10):
    "Wait until f() is value: a message may still be on its way."
    end = time.monotonic() + seconds
    while (got := f()) != value and time.monotonic() < end:
        time.sleep(0.05)
    assert got == value


def test_dragged_by_mouse_and_read_in_python(nb):
    page = nb.page
    answers(page, page.get_by_label(BETA))
    drag(page, page.get_by_label(BETA), 0)
    shows(page, python(nb, "x0[0]"), tol=0)  # beta = 0: the digit itself
    until(lambda: traits(nb), [0, 5, 20, "constant"])
    drag(page, page.get_by_label(BETA), 1)
    shows(page, python(nb, "explorer.eps"), tol=0)  # beta = 1: the noise itself
    until(lambda: traits(nb), [1, 5, 20, "constant"])
    z, levels = x_t(page), greys(page)
    assert abs(z.mean()) < 5 / 28 and abs(z.var() - 1) < 5 * np.sqrt(2) / 28
    assert abs((levels == 0).mean() - 0.1587) < 5 * np.sqrt(0.1587 * 0.8413) / 28  # below -1: black
    assert (
        abs((levels == 255).mean() - 0.1587) < 5 * np.sqrt(0.1587 * 0.8413) / 28
    )  # above 1: white
    drag(page, page.get_by_label(TIME), 0)
    shows(page, python(nb, "x0[0]"), tol=0)
    until(lambda: traits(nb), [1, 0, 20, "constant"])


def test_keys_move_the_slider_and_not_the_cell(nb):
    page, slider = nb.page, nb.page.get_by_label(TIME)
    slider.click()
    active = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    slider.focus()
    cell, scroll = (
        page.evaluate(active),
        page.evaluate("document.querySelector('.jp-WindowedPanel-outer')?.scrollTop"),
    )
    slider.press("Home")
    for key, t in {
        "ArrowRight": 1,
        "ArrowUp": 2,
        "ArrowDown": 1,
        "ArrowLeft": 0,
        "PageUp": 2,
        "End": 20,
    }.items():
        slider.press(key)
        assert slider.input_value() == str(t), key
    assert page.evaluate(active) == cell and page.evaluate("document.activeElement.type") == "range"
    assert page.evaluate("document.querySelector('.jp-WindowedPanel-outer')?.scrollTop") == scroll
    assert page.locator(
        ".jp-OutputArea-output .dm-explorable"
    ).is_visible()  # no arrow folded the cell
    until(lambda: traits(nb), [0.1, 20, 20, "constant"])
    shows(page, python(nb, "explorer.x_t"))
    choice = page.get_by_label("Schedule")
    choice.focus()
    choice.press("ArrowDown")
    assert choice.input_value() == "linear" and page.evaluate(active) == cell
    until(lambda: traits(nb), [0.1, 20, 20, "linear"])


def test_python_moves_the_widget_and_new_noise_reaches_python(nb):
    page = nb.page
    nb.run("explorer.T = 1000; explorer.t = 300; explorer.schedule = 'linear'; explorer.digit = 2")
    page.locator(".dm-marks", has_text="1000").nth(1).wait_for()
    shows(page, python(nb, "explorer.x_t"))
    assert page.get_by_label(BETA).get_attribute("aria-valuetext") == "0.00606 at t = 300"
    assert page.get_by_role("radio", name="digit 3 of 4").is_checked()
    before = python(nb, "explorer.eps")
    page.get_by_role("button", name="New noise").click()
    until(lambda: bool((python(nb, "explorer.eps") != before).any()), True)
    shows(page, python(nb, "explorer.x_t"))
    page.get_by_role("button", name="Reset").click()
    until(lambda: traits(nb), [0.1, 5, 20, "constant"])
    assert (python(nb, "explorer.eps") == before).all()
    nb.page.get_by_label(STEPS).press("Home")
    until(lambda: traits(nb), [0.1, 0, 1, "constant"])


def two_hundred_moves(nb, over):
    "Move t two hundred times in a hundred frames while a cell runs, which waits for the file over; what Python saw of it."
    nb.run("seen = []; explorer.observe(lambda change: seen.append(change.new), 't')")
    wait = f"import os, time\nwhile not os.path.exists({str(over)!r}): time.sleep(0.05)"
    script = """async (code) => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        kernel.requestExecute({code});
        const input = document.querySelectorAll('.dm-range')[1];
        for (let i = 0; i < 200; i++) {
            input.value = i < 199 ? i % 17 : 20;
            input.dispatchEvent(new Event('input', {bubbles: true}));
            if (i % 2) await new Promise(requestAnimationFrame);
        }
    }"""
    try:
        nb.page.evaluate(script, wait)
    finally:
        over.touch()
    assert nb.page.get_by_label(TIME).input_value() == "20"
    until(lambda: traits(nb)[1], 20)
    seen = json.loads(nb.run("print(seen)"))
    assert seen.index(20) == len(seen) - 1  # the last state, and no old one after it
    shows(nb.page, python(nb, "explorer.x_t"))
    assert json.loads(nb.run("print(seen)")) == seen
    return seen


def test_two_hundred_moves_while_a_cell_runs(nb, tmp_path):
    "Nothing is lost and nothing is queued. Subshells let the kernel answer during a cell: once a frame at most."
    assert len(two_hundred_moves(nb, tmp_path / "over")) <= 100


def test_accessible_in_jupyterlab_in_both_themes(nb):
    "In the light one all explorables are, says test_explorables_in_lab.py."
    page = nb.page
    assert {"0072b2", "8c8c8c", "d55e00"} <= colours(
        page, ".dm-plot"
    )  # data, noise and q, as in every chapter
    # while a theme comes JupyterLab turns a moon before all, picture by picture
    page.add_style_tag(content="#jupyterlab-splash { display: none }")
    for theme in ("dark", "light"):
        change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
        page.evaluate(change, f"JupyterLab {theme.title()}")
        page.wait_for_selector(f".dm-explorable[data-theme={theme}]")
        page.wait_for_selector(
            "#jupyterlab-splash", state="detached"
        )  # two changes at once trip JupyterLab itself
        assert theme == "light" or serious(page) == []
        assert ("0072b2" in colours(page, ".dm-plot")) == (theme == "light")


def test_two_hundred_moves_where_the_kernel_answers_only_between_cells(nb, tmp_path):
    "In the same notebook, run once more."
    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    nb.page.evaluate(f"{kernel}.commsOverSubshells = 'disabled'")
    nb.page.evaluate(f"document.querySelector('{ROOT}').dataset.old = ''")
    explorers(nb)
    nb.page.wait_for_selector(f"{ROOT}[data-old]", state="detached")
    assert len(two_hundred_moves(nb, tmp_path / "over")) <= 3
