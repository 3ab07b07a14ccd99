"What both kinds of page, in JupyterLab and with no kernel, ask of a noising explorer."
import numpy as np
import torch
from axe_playwright_python.sync_playwright import Axe

BETA, TIME, STEPS = "β variance of a step's noise", "t steps taken", "T steps in all"


def images(n=3):
    "n small blurs on black, in [-1, 1]: pixels at both ends and between, like a digit's."
    x = torch.nn.functional.avg_pool2d(torch.rand(n, 1, 28, 28, generator=seeded(5)), 7, 1, 3)
    return ((x - 0.4) * 12).clamp(-1, 1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def x_t(page):
    "The numbers behind the large picture, as float32."
    return np.array(page.evaluate("Array.from(document.querySelector('.dm-explorable').explorable.x_t)"), np.float32)


def greys(page, canvas=".dm-big"):
    "The grey levels on a canvas, which must be grey and opaque."
    script = "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    pixels = np.array(page.locator(canvas).first.evaluate(script)).reshape(-1, 4)
    assert (pixels[:, 0] == pixels[:, 1]).all() and (pixels[:, 0] == pixels[:, 2]).all() and (pixels[:, 3] == 255).all()
    return pixels[:, 0]


def as_grey(x):
    "The grey level that stands for x: -1 is 0, 1 is 255, beyond them the nearest; a half is rounded up."
    return np.floor(255 * (np.clip(np.asarray(x, np.float64).ravel(), -1, 1) + 1) / 2 + 0.5)


def shows(page, x, tol=1e-6):
    "Assert that x is what the explorer holds, to tol, and what its large canvas shows, to one grey level."
    x = np.asarray(x, np.float32).ravel()
    np.testing.assert_allclose(x_t(page), x, rtol=0, atol=tol)
    assert np.abs(greys(page) - as_grey(x)).max() <= 1


def drag(page, slider, share):
    "Drag the thumb of a slider by mouse to a share of its track."
    box = slider.bounding_box()
    at = float(slider.evaluate("s => (s.value - s.min) / (s.max - s.min || 1)"))
    def place(share):
        return box["x"] + 8 + share * (box["width"] - 16)
    y = box["y"] + box["height"] / 2
    page.mouse.move(place(at), y)
    page.mouse.down()
    page.mouse.move(place(share), y, steps=8)
    page.mouse.up()


def answers(page, slider):
    "Assert that an arrow key moves the slider and changes the picture."
    before = slider.input_value(), x_t(page), greys(page)
    slider.press("ArrowRight" if before[0] != slider.get_attribute("max") else "ArrowLeft")
    assert slider.input_value() != before[0], "the key did not move the slider"
    assert (x_t(page) != before[1]).any() and (greys(page) != before[2]).any(), "the picture did not change"


def settled(page):
    "Two animation frames later: what the front end had to say has been said."
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def colours(page, canvas):
    "The colours on a canvas, as 'rrggbb'."
    script = "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    pixels = np.array(page.locator(canvas).first.evaluate(script), np.uint8).reshape(-1, 4)
    return {bytes(pixel[:3]).hex() for pixel in pixels[pixels[:, 3] == 255]}


def serious(page):
    "What axe-core finds serious or critical within the explorers."
    found = Axe().run(page, context=".dm-explorable").response["violations"]
    return [f"{v['id']}: {v['help']}" for v in found if v["impact"] in ("serious", "critical")]
