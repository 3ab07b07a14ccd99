"""The network in a page: how long a step takes in Chromium, beside torch on one thread; a digit; and a drag.

"A step": one call of the network of the course for one digit, in a Web Worker, in turns with torch; the ratio turn by
turn. "Without WebAssembly" is the same in plain JavaScript. "A digit": 20 calls of DDIM from noise, in milliseconds.
"A drag": fifty moves of t over a noised digit, from each move to the end of the draw, and from the last move to the
network's answer.
"""

import sys
import tempfile
import time
from pathlib import Path

import torch
from common import arguments, figure, ratios, say, spread
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from diffusion_math import digits, explore, load_pretrained
from diffusion_math.explore.weights import DIGITS  # noqa: E402
from tests.browser.static_page import static_page  # noqa: E402
from tests.lab import FLAGS, find_chromium  # noqa: E402

PAGE, PLAIN, TORCH = "in the page", "in the page, without WebAssembly", "torch, one thread"
READY = "Promise.all(Array.from(document.querySelectorAll('[data-widget]'), el => el.ready))"
CLIENT = """async () => {
    const el = document.querySelector('[data-widget]');
    window.net = el.module.live({ root: el, signal: new AbortController().signal, redraw() {} }, el.model);
    await net.wake();
}"""
CALLS = """n => new Promise(done => {
    const start = performance.now(), x = new Float32Array(784).fill(0.1);
    let left = n;
    const then = () => --left ? next() : done((performance.now() - start) / n);
    const next = () => net.ask({ x, logSnr: left / 10, label: null }, then);
    next();
})"""
DIGIT = """seed => new Promise(done => {
    const start = performance.now();
    net.walk({ starts: [{ seed, label: seed % 10 }], steps: 20, eta: 0 }, f => f.done && done(performance.now() - start));
})"""
DRAG = """async () => {
    const { timings, state } = document.querySelector('.dm-explorable').explorable;
    const input = [...document.querySelectorAll('.dm-range')][1], explorable = document.querySelector('.dm-explorable').explorable;
    timings.length = 0;
    for (let k = 0; k < 50; k++) {
        input.value = Math.round((k * input.max) / 50);
        input.dispatchEvent(new Event('input', { bubbles: true }));
        await new Promise(requestAnimationFrame);
    }
    explorable.guess = null;
    input.value = input.max - 1;
    const last = performance.now();
    input.dispatchEvent(new Event('input', { bubbles: true }));
    while (!explorable.guess) await new Promise(done => setTimeout(done, 1));
    return [timings.filter(({ type }) => type === 'input').map(({ from, to }) => to - from), performance.now() - last];
}"""


def a_page(browser, file: Path, before: str = ""):
    page = browser.new_page()
    if before:
        page.add_init_script(before)
    page.goto(file.as_uri())
    page.evaluate(READY)
    page.evaluate(CLIENT)
    return page


def torch_step(network, calls: int) -> float:
    "Seconds a call for one digit, on one thread."
    x, level = torch.randn(1, 1, 28, 28), torch.zeros(1)
    began = time.perf_counter()
    with torch.inference_mode():
        for _ in range(calls):
            network(x, level)
    return (time.perf_counter() - began) / calls


def main() -> None:
    args = arguments(__doc__)
    repeats, calls = (5, 10) if args.quick else (15, 30)
    torch.set_num_threads(1)
    network = load_pretrained(DIGITS).network
    widget = explore.NoisingExplorer(digits("test")[:2], "linear", T=1000, t=300)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as p:
        file = Path(home, "page.html")
        file.write_text(static_page(widget, networks=(DIGITS,)), encoding="utf-8")
        browser = p.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        fast = a_page(browser, file)
        # in the page itself and not in a worker, whose globals no script of ours can take away
        plain = a_page(browser, file, "delete window.Worker; delete window.WebAssembly")
        took: dict[str, list[float]] = {TORCH: [], PAGE: [], PLAIN: []}
        for i in range(repeats + 1):
            one = {
                TORCH: torch_step(network, calls),
                PAGE: fast.evaluate(CALLS, calls) / 1000,
                PLAIN: plain.evaluate(CALLS, max(1, calls // 10)) / 1000,
            }
            for who, seconds in one.items():
                if i:
                    took[who].append(seconds)
        each = [fast.evaluate(DIGIT, seed) for seed in range(repeats)]
        moves, answers = zip(*(fast.evaluate(DRAG) for _ in range(3)), strict=True)
        browser.close()
    figures = ratios(took, TORCH, "a step")
    figures += [
        figure(PAGE, "a digit in 20 calls, ms", **spread(each)),
        figure(
            PAGE, "a drag, ms from a move to its picture", **spread([t for m in moves for t in m])
        ),
        figure(PAGE, "a drag, ms from the last move to the answer", **spread(list(answers))),
    ]
    say(
        title="The network in a page",
        figures=figures,
        base=TORCH,
        better="less",
        unit="ratio to torch on one thread",
        target="a step within 2 of torch's on one thread, a digit in 20 calls within 250 ms",
    )


if __name__ == "__main__":
    main()
