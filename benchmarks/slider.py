"""A slider over a noised digit, in a real JupyterLab: ours beside `ipywidgets.interact` with one matplotlib picture.

    python benchmarks/slider.py

Both are dragged by the same mouse. "A move": the mouse moves once, and the time is from that event to the end of the
draw (for a picture that the kernel sends: until the browser has decoded it). "A drag": 50 moves as fast as the page
takes them; how long they took, how many pictures were shown, and how long after the last move the last one came.
"""

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

WATCH = """() => {
    window.shown = [];                                       // when each picture was there
    window.moved = 0;
    const note = () => shown.push(performance.now());
    addEventListener('pointermove', event => { window.moved = event.timeStamp; }, true);
    const ours = document.querySelector('.dm-explorable').explorable.timings;
    ours.push = timing => { note(); return Array.prototype.push.call(ours, timing); };
    const look = node => {
        for (const image of node.querySelectorAll?.('img') ?? []) image.decode().then(note, () => {});
    };
    new MutationObserver(records => records.forEach(record => record.addedNodes.forEach(look)))
        .observe(document.querySelector('.widget-interact'), { childList: true, subtree: true });
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


def main():
    with tempfile.TemporaryDirectory() as home, sync_playwright() as p:
        lab = Lab(Path(home))
        try:
            browser = p.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            with new_page(browser) as page:
                nb = OpenNotebook(lab, page, notebook(CELLS, lab.root / "slider.ipynb").name)
                assert nb.run_all(), nb.errors()
                page.locator(".widget-interact img").wait_for()
                page.evaluate(WATCH)
                ours = measure(page, page.get_by_label("t steps taken"))
                theirs = measure(page, page.locator(".widget-interact .noUi-target"))
            browser.close()
        finally:
            lab.close()
    head = ["", "a move, median ms", "95 %", f"a drag of {MOVES}, ms", "pictures", "lag, ms"]
    rows = {"`NoisingExplorer`": ours, "`interact` + one `imshow`": theirs}
    table = [head, ["---"] * len(head)]
    table += [[name, *(f"{v:.1f}" for v in row[:2]), *(f"{v:.0f}" for v in row[2:])] for name, row in rows.items()]
    print(*(f"| {' | '.join(row)} |" for row in table), sep="\n")


if __name__ == "__main__":
    main()
