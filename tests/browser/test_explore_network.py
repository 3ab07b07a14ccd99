"The explorables that ask a network, in a real JupyterLab: through the kernel, quiet while a cell runs, or with its weights."

import json
import time

import numpy as np
import pytest

from tests.lab import OpenNotebook, notebook

CELL = """import json, torch
from diffusion_math import DDPM, ForwardProcess, UNet, digits, explore, linear_schedule
p = DDPM(UNet(width=8), ForwardProcess(linear_schedule(1000)))
explorer = explore.NetworkExplorer(p, digits("test")[:4], t=300)
explorer"""
STATE = "document.querySelector('.dm-explorable').explorable"


SHOW = """async cells => {
    const { content, context } = window.jupyterapp.shell.currentWidget, { commands } = window.jupyterapp;
    for (const source of cells) {
        await commands.execute('notebook:insert-cell-below');
        content.activeCell.model.sharedModel.setSource(source);
        await commands.execute('notebook:run-cell');
    }
}"""


@pytest.fixture(scope="module")
def nb(lab, lab_page):
    with lab_page() as page:
        nb = OpenNotebook(lab, page, notebook([CELL], lab.root / "network.ipynb").name)
        assert nb.run_all(), nb.errors()
        page.wait_for_function("document.querySelector('.dm-explorable')?.explorable?.said")
        yield nb
        assert page.problems == []


def answered(nb, t, before=None):
    """Wait until the browser shows what Python was told for this t: the noise that an untrained network leaves is no x_t.

    Python learns of the new t before it has asked the network: until then both still hold the answer from `before`.
    """
    nb.page.wait_for_function(f"{STATE}.state.t === {t}")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        said = json.loads(
            nb.run("print(json.dumps([explorer.t, explorer.said[0].flatten().tolist()]))")
        )
        ours = nb.page.evaluate(f"Array.from({STATE}.said)")
        new = before is None or (np.array(ours) != before).any()
        if new and said[0] == t and np.abs(np.array(ours) - said[1]).max() < 1e-6:
            return np.array(ours)
        time.sleep(0.05)
    raise AssertionError("the browser shows another answer than Python's newest")


def test_a_key_on_a_slider_asks_the_kernel(nb):
    before = answered(nb, 300)
    nb.page.get_by_role("slider").first.press("ArrowRight")
    now = answered(nb, 301, before)
    nb.run("explorer.t = 700")
    far = answered(nb, 700, now)
    nb.page.get_by_role("button", name="New noise").click()
    nb.page.wait_for_function(f"before => {STATE}.said[0] !== before", arg=far[0])
    assert "through Python" in nb.page.locator(".dm-note").first.inner_text()


def test_two_hundred_moves_while_a_cell_runs(nb):
    "The network is asked for far fewer, and the last one is answered."
    nb.run("explorer.t = 500")
    answered(nb, 500)
    asked = int(nb.run("print(explorer.asked)"))
    nb.page.evaluate("""() => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        kernel.requestExecute({code: 'import time; time.sleep(2)'});
    }""")
    nb.page.get_by_role("slider").first.evaluate("""slider => {
        for (let i = 0; i < 200; i++) {
            slider.value = +slider.value + 1;
            slider.dispatchEvent(new Event('input', { bubbles: true }));
        }
    }""")
    answered(nb, 700)
    assert int(nb.run("print(explorer.asked)")) - asked <= 100


def test_the_kernel_sends_the_weights_once_a_page(nb):
    "Two that ask the same network: one message, one client, and both are answered."
    sent = """from diffusion_math import load_pretrained
from diffusion_math.explore import NetworkExplorer, NoisingExplorer
from diffusion_math.explore import weights
first, second = NoisingExplorer(digits("test")[:2], t=5), NetworkExplorer(load_pretrained("ddpm_mnist"), digits("test")[:2])
sent = []
for one in (first, second):
    one.send = lambda content, buffers=None, one=one: (sent.append(content), type(one).send(one, content, buffers))
second.asked = 0"""
    nb.page.evaluate(SHOW, [sent, "import ipywidgets; ipywidgets.VBox([first, second])"])
    every = "[...document.querySelectorAll('.dm-explorable')]"
    nb.page.wait_for_function(f"{every}.length === 3")
    nb.page.locator(".dm-explorable").nth(1).scroll_into_view_if_needed()
    nb.page.wait_for_function(f"{every}[1].explorable.guess")
    nb.page.locator(".dm-explorable").nth(2).scroll_into_view_if_needed()
    nb.page.wait_for_function(f"{every}[2].explorable.said")
    nb.page.get_by_role("slider").last.press("ArrowRight")
    assert json.loads(nb.run("import json; print(json.dumps([sent, second.asked]))")) == [
        [{"network": "ddpm_mnist"}],
        0,
    ]
    assert nb.page.evaluate("[...diffusionMathNetworks.values()].length") == 1
