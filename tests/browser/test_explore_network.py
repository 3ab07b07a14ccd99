"The control that asks a network through the kernel, in a real JupyterLab: moved by keys, and quiet while a cell runs."

import re

import pytest

from tests.lab import OpenNotebook, notebook

CELL = """import torch
from diffusion_math import DDPM, ForwardProcess, NetworkExplorer, UNet, digits, linear_schedule
p = DDPM(UNet(width=8), ForwardProcess(linear_schedule(1000)))
explorer = NetworkExplorer(p, digits("test")[:4], t=300)
explorer"""


@pytest.fixture(scope="module")
def nb(lab, lab_page):
    with lab_page() as page:
        nb = OpenNotebook(lab, page, notebook([CELL], lab.root / "network.ipynb").name)
        assert nb.run_all(), nb.errors()
        page.get_by_text("x at t = 300;").wait_for()
        yield nb
        assert page.problems == []


def test_a_key_on_a_slider_asks_the_kernel(nb):
    before = nb.page.locator("figure img").get_attribute("src")
    nb.page.get_by_role("slider").first.press("ArrowRight")
    nb.page.get_by_text("x at t = 301;").wait_for()
    assert nb.page.locator("figure img").get_attribute("src") != before
    assert nb.run("print(explorer.t.value)").strip() == "301"
    nb.run("explorer.t.value = 700")
    nb.page.get_by_text("x at t = 700;").wait_for()
    before = nb.page.locator("figure img").get_attribute("src")
    nb.page.get_by_role("button", name="Other noise").click()
    nb.page.wait_for_function(
        "before => document.querySelector('figure img').src !== before", arg=before
    )


def test_two_hundred_moves_while_a_cell_runs(nb):
    "The network is asked for far fewer, and the last one is answered."
    nb.run("explorer.t.value = 500")
    nb.page.get_by_text("x at t = 500;").wait_for()
    asked = int(nb.run("print(explorer.asked)"))
    nb.page.evaluate("""() => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        kernel.requestExecute({code: 'import time; time.sleep(2)'});
    }""")
    nb.page.get_by_role("slider").first.evaluate("""slider => {
        const key = { key: 'ArrowRight', bubbles: true, cancelable: true };
        for (let i = 0; i < 200; i++) slider.dispatchEvent(new KeyboardEvent('keydown', key));
    }""")
    nb.page.get_by_text("x at t = 700;").wait_for()
    assert re.search(r"off by \d+\.\d\d a pixel", nb.page.locator("figcaption").inner_text())
    assert int(nb.run("print(explorer.asked)")) - asked <= 100
