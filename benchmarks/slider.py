"""A slider over a noised digit, in a real JupyterLab: ours beside `ipywidgets.interact` with matplotlib, and ipympl.

All are dragged by the same kind of mouse, each in a page of its own, and take turns. "A move": the mouse moves once,
and the time is from that event to the end of the draw (for a picture that the kernel sends: until the browser has
decoded it). "A drag": 50 moves as fast as the page takes them; how long after the last move the last picture came, and
how many moves went by for each picture. "Any explorable": from a slider's input event to the end of the draw, over the
whole range of each slider of each explorable of the course.
"""

import importlib.util
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles

from common import arguments, figure, ratios, say, spread
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.lab import FLAGS, Lab, OpenNotebook, find_chromium, new_lab_page, notebook  # noqa: E402

MOVES, OURS = 50, "diffusion_math (NoisingExplorer)"
BEGIN = """%matplotlib inline
import matplotlib.pyplot as plt, torch
from ipywidgets import IntSlider, Layout, interact
from diffusion_math import ForwardProcess, digits, explore, linear_schedule

x0 = digits("test")[:1]
q, eps = ForwardProcess(linear_schedule()), torch.randn(1, 1, 28, 28)"""
EXPLORER = "explore.NoisingExplorer(x0, 'linear', T=1000, t=500)"
INTERACT = """def draw(t):
    law = q.marginal(x0, t)
    plt.figure(figsize=(3, 3))
    plt.imshow((law.mean + law.std * eps)[0, 0], cmap="gray", vmin=-1, vmax=1)
    plt.axis("off")
    plt.show()

interact(draw, t=IntSlider(500, 0, 1000, layout=Layout(width="600px")));"""
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


class Contender:
    "A slider in a notebook of its own, with the mouse held down on it."

    def __init__(
        self, lab: Lab, page, name: str, cell: str, wait_for: str, label: str | None = None
    ):
        self.page = page
        nb = OpenNotebook(lab, self.page, notebook([BEGIN, cell], lab.root / f"{name}.ipynb").name)
        assert nb.run_all(), nb.errors()
        self.page.locator(wait_for).first.wait_for()
        self.page.wait_for_timeout(1000)
        self.page.evaluate(WATCH)
        handle = self.page.get_by_label(label) if label else self.page.locator(".noUi-target").first
        handle.scroll_into_view_if_needed()
        self.box = handle.bounding_box()
        self._to(0.5)
        self.page.mouse.down()

    def _to(self, share: float, steps: int = 1) -> None:
        box = self.box
        self.page.mouse.move(
            box["x"] + share * box["width"], box["y"] + box["height"] / 2, steps=steps
        )

    def move(self, i: int) -> float:
        "Seconds from one move to its picture."
        self.page.bring_to_front()
        self.page.evaluate("shown.length = 0")
        self._to(0.3 + 0.008 * (i % MOVES))
        self.page.wait_for_function("shown.length > 0", polling=10)
        took = self.page.evaluate("shown[0] - moved")
        self.page.wait_for_timeout(60)  # whatever was still on its way has come
        return took / 1000

    def drag(self, i: int) -> tuple[float, float]:
        "Of many moves at once: the moves for each picture, and seconds from the last move to the last picture."
        self.page.bring_to_front()
        self._to(0.3 + 0.4 * (i % 2))
        self.page.wait_for_timeout(300)
        self.page.evaluate("shown.length = 0")
        self._to(0.7 - 0.4 * (i % 2), steps=MOVES)
        self.page.wait_for_timeout(2000)
        pictures, lag = self.page.evaluate("[shown.length, shown.at(-1) - moved]")
        return MOVES / pictures, lag / 1000


def contenders(lab: Lab, browser, pages: ExitStack) -> dict[str, Contender]:
    "The same digit three ways; two where ipympl is not installed."
    at = {
        OURS: ("ours", EXPLORER, ".dm-explorable canvas", "t steps taken"),
        "interact + one imshow": ("interact", INTERACT, ".widget-interact img"),
    }
    if importlib.util.find_spec("ipympl"):
        at["ipympl, set_data"] = ("ipympl", IPYMPL, ".jupyter-matplotlib canvas")
    return {
        who: Contender(lab, pages.enter_context(new_lab_page(lab, browser)), *where)
        for who, where in at.items()
    }


def beside_the_peers(lab: Lab, browser, drags: int) -> list[dict]:
    "Ratios to ours, turn by turn."
    with ExitStack() as pages:
        who = contenders(lab, browser, pages)
        moves, lags, each = ({name: [] for name in who} for _ in range(3))
        for i in range(MOVES + 1):
            for name, one in who.items():
                moves[name].append(one.move(i))
        for i in range(drags):
            for name, one in who.items():
                for kept, value in zip((each[name], lags[name]), one.drag(i), strict=True):
                    kept.append(value)
    shown = [
        figure(name, "a drag, moves to a picture", **spread(values))
        for name, values in each.items()
    ]
    first_left_out = {name: values[1:] for name, values in moves.items()}
    return (
        ratios(first_left_out, OURS, "a move")
        + ratios(lags, OURS, "a drag, to the last picture")
        + shown
    )


def every_explorable(lab: Lab, browser) -> list[dict]:
    "Milliseconds from a slider's input event to the end of the draw."
    from tests.browser.widgets import EVERY as SAMPLES

    with new_lab_page(lab, browser) as page:
        nb = OpenNotebook(lab, page, notebook([EVERY], lab.root / "every.ipynb").name)
        assert nb.run_all(), nb.errors()
        page.wait_for_function(
            f"document.querySelectorAll('.dm-explorable').length === {len(SAMPLES)}"
        )
        took = {name: page.evaluate(TIMINGS, i) for i, name in enumerate(SAMPLES)}
    whole = {f"diffusion_math ({name})": values for name, values in took.items()}
    late = {who: quantiles(t, n=20)[-1] for who, t in whole.items()}
    return [
        figure(who, "any explorable, ms", **spread(t), moves=len(t)) for who, t in whole.items()
    ] + [figure(who, "any explorable, 95 % of the moves, ms", t) for who, t in late.items()]


def main() -> None:
    args = arguments(__doc__)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as p:
        lab = Lab(Path(home))
        try:
            browser = p.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            figures = beside_the_peers(lab, browser, 3 if args.quick else 9) + every_explorable(
                lab, browser
            )
            browser.close()
        finally:
            lab.close()
    say(
        title="A slider, from the input event to the end of the draw",
        figures=figures,
        base=OURS,
        better="less",
        picture=["a move", "a drag, to the last picture", "a drag, moves to a picture"],
        unit="ratio to ours",
        target="ours ahead of interact and ipympl",
    )


if __name__ == "__main__":
    main()
