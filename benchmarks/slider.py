"""A slider over a noised digit, in a real JupyterLab: ours beside `ipywidgets.interact` with matplotlib, and ipympl.

    pip install ipympl                   # for the third row; without it there are two
    python benchmarks/slider.py

All are dragged by the same mouse. "A move": the mouse moves once, and the time is from that event to the end of the
draw (for a picture that the kernel sends: until the browser has decoded it). "A drag": 50 moves as fast as the page
takes them; how long they took, how many pictures were shown, and how long after the last move the last one came.
A second table has the time from a slider's input event to the end of the draw for every explorable of the course.
"""

import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.lab import FLAGS, Lab, OpenNotebook, find_chromium, new_page, notebook  # noqa: E402

MOVES = 50
CELLS = [
    """%matplotlib inline
import matplotlib.pyplot as plt, torch
from ipywidgets import IntSlider, Layout, interact
from diffusion_math import ForwardProcess, NoisingExplorer, digits, linear_schedule

x0 = digits("test")[:1]
q, eps = ForwardProcess(linear_schedule()), torch.randn(1, 1, 28, 28)""",
    "NoisingExplorer(x0, 'linear', T=1000, t=500)",
    """def draw(t):
    law = q.marginal(x0, t)
    plt.figure(figsize=(3, 3))
    plt.imshow((law.mean + law.std * eps)[0, 0], cmap="gray", vmin=-1, vmax=1)
    plt.axis("off")
    plt.show()

interact(draw, t=IntSlider(500, 0, 1000, layout=Layout(width="600px")));""",
]
IPYMPL = """%matplotlib widget
from IPython.display import display
with plt.ioff():
    figure, axes = plt.subplots(figsize=(3, 3))
picture = axes.imshow(x0[0, 0], cmap="gray", vmin=-1, vmax=1)
axes.axis("off")
slider = IntSlider(500, 0, 1000, layout=Layout(width="600px"))

def redraw(change):
    law = q.marginal(x0, change.new)
    picture.set_data((law.mean + law.std * eps)[0, 0])
    figure.canvas.draw_idle()

slider.observe(redraw, "value")
display(slider, figure.canvas)"""
EVERY = """import ipywidgets
from tests.browser.widgets import EVERY
ipywidgets.VBox([sample.make() for sample in EVERY.values()])"""

WATCH = """() => {
    window.shown = [];                                       // when each picture was there
    window.moved = 0;
    const note = () => shown.push(performance.now());
    addEventListener('pointermove', event => { window.moved = event.timeStamp; }, true);
    const ours = document.querySelector('.dm-explorable')?.explorable.timings;
    if (ours) ours.push = timing => { note(); return Array.prototype.push.call(ours, timing); };
    const look = node => {
        for (const image of node.querySelectorAll?.('img') ?? []) image.decode().then(note, () => {});
    };
    const interact = document.querySelector('.widget-interact');
    if (interact) {
        new MutationObserver(records => records.forEach(record => record.addedNodes.forEach(look)))
            .observe(interact, { childList: true, subtree: true });
    }
    if (document.querySelector('.jupyter-matplotlib')) {     // ipympl draws what the kernel sent onto a canvas
        const { drawImage } = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype.drawImage = function (...a) { drawImage.apply(this, a); note(); };
    }
}"""
TIMINGS = """async i => {
    const root = document.querySelectorAll('.dm-explorable')[i], { timings } = root.explorable;
    root.scrollIntoView();
    timings.length = 0;
    for (const slider of root.querySelectorAll('.dm-range')) {
        for (let k = 0; k < 50; k++) {
            slider.value = Math.round((k * slider.max) / 49);
            slider.dispatchEvent(new Event('input', { bubbles: true }));
            await new Promise(requestAnimationFrame);
        }
    }
    return timings.filter(({ type }) => type === 'input').map(({ from, to }) => to - from);
}"""


def measure(page, slider):
    "Milliseconds of single moves; pictures and lag of a drag."
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2

    def x(share):
        return box["x"] + share * box["width"]

    page.mouse.move(x(0.5), y)
    page.mouse.down()
    took = []
    for i in range(MOVES):
        page.evaluate("shown.length = 0")
        page.mouse.move(x(0.3 + 0.008 * i), y)
        page.wait_for_function("shown.length > 0", polling=10)
        took.append(page.evaluate("shown[0] - moved"))
        page.wait_for_timeout(60)                                # whatever was still on its way has come
    page.evaluate("shown.length = 0")
    start = page.evaluate("performance.now()")
    page.mouse.move(x(0.3), y, steps=MOVES)
    page.wait_for_timeout(2000)
    page.mouse.up()
    drag, pictures, lag = page.evaluate(f"[moved - {start}, shown.length, shown.at(-1) - moved]")
    return np.median(took), np.percentile(took, 95), drag, pictures, lag


def markdown(head, rows):
    table = [head, ["---"] * len(head), *rows]
    print(*(f"| {' | '.join(row)} |" for row in table), sep="\n")


def open_page(lab, page, name, cells, wait_for):
    nb = OpenNotebook(lab, page, notebook(cells, lab.root / name).name)
    assert nb.run_all(), nb.errors()
    page.locator(wait_for).first.wait_for()
    page.wait_for_timeout(1000)
    page.evaluate(WATCH)


def beside_the_peers(lab, browser):
    "The same digit and the same mouse, three ways."
    rows = {}
    with new_page(browser) as page:
        open_page(lab, page, "slider.ipynb", CELLS, ".widget-interact img")
        rows["`NoisingExplorer`"] = measure(page, page.get_by_label("t steps taken"))
        rows["`interact` + one `imshow`"] = measure(page, page.locator(".widget-interact .noUi-target"))
    if importlib.util.find_spec("ipympl"):
        with new_page(browser) as page:                          # a backend of its own: a notebook of its own
            open_page(lab, page, "ipympl.ipynb", [CELLS[0], IPYMPL], ".jupyter-matplotlib canvas")
            rows["ipympl, `set_data`"] = measure(page, page.locator(".noUi-target"))
    head = ["", "a move, median ms", "95 %", f"a drag of {MOVES}, ms", "pictures", "lag, ms"]
    digits = (".1f", ".1f", ".0f", ".0f", ".0f")
    markdown(head, [[name, *map(format, row, digits)] for name, row in rows.items()])


def every_explorable(lab, browser):
    "From a slider's input event to the end of the draw, over the whole range of each slider."
    from tests.browser.widgets import EVERY as SAMPLES

    with new_page(browser) as page:
        nb = OpenNotebook(lab, page, notebook([EVERY], lab.root / "every.ipynb").name)
        assert nb.run_all(), nb.errors()
        page.wait_for_function(f"document.querySelectorAll('.dm-explorable').length === {len(SAMPLES)}")
        took = {name: page.evaluate(TIMINGS, i) for i, name in enumerate(SAMPLES)}
    rows = [[name, str(len(t)), f"{np.median(t):.1f}", f"{np.percentile(t, 95):.1f}"] for name, t in took.items()]
    markdown(["explorable", "moves", "median ms", "95 %"], rows)


def main():
    with tempfile.TemporaryDirectory() as home, sync_playwright() as p:
        lab = Lab(Path(home))
        try:
            browser = p.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            beside_the_peers(lab, browser)
            print()
            every_explorable(lab, browser)
            browser.close()
        finally:
            lab.close()


if __name__ == "__main__":
    main()
