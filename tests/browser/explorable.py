"What the tests of every explorable share, in JupyterLab and on a page with no kernel."

import base64

import numpy as np
import torch
from axe_playwright_python.sync_playwright import Axe

ROOT = ".dm-explorable"


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def call(page, code, *arguments):
    "Run code with the front end's module as m."
    script = "([code, a]) => Function('m', 'a', `return ${code}`)(document.querySelector('[data-widget]').module, a)"
    return page.evaluate(script, [code, arguments])


def many(page, code):
    "A long Float64Array of the front end's module m, as numpy: many numbers travel best as text."
    script = """code => {
        const array = Function('m', `return ${code}`)(document.querySelector('[data-widget]').module);
        const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
        let text = '';
        for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
        return btoa(text);
    }"""
    return np.frombuffer(base64.b64decode(page.evaluate(script, code)), np.float64)


def as_js(law):
    "A mixture over one number as the front end has it."
    rows = zip(
        law.weights.tolist(),
        law.means.flatten().tolist(),
        law.components.var[:, 0].tolist(),
        strict=True,
    )
    return [{"weight": w, "mean": m, "variance": v} for w, m, v in rows]


def greys(page, canvas=".dm-big"):
    "The grey levels on a canvas, which must be grey and opaque."
    script = "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    pixels = np.array(page.locator(canvas).first.evaluate(script)).reshape(-1, 4)
    assert (
        (pixels[:, 0] == pixels[:, 1]).all()
        and (pixels[:, 0] == pixels[:, 2]).all()
        and (pixels[:, 3] == 255).all()
    )
    return pixels[:, 0]


def as_grey(x):
    "The grey level that stands for x: -1 is 0, 1 is 255, beyond them the nearest; a half is rounded up."
    return np.floor(255 * (np.clip(np.asarray(x, np.float64).ravel(), -1, 1) + 1) / 2 + 0.5)


def colours(page, canvas):
    "The colours on a canvas, as 'rrggbb'."
    script = "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    pixels = np.array(page.locator(canvas).first.evaluate(script), np.uint8).reshape(-1, 4)
    return {bytes(pixel[:3]).hex() for pixel in pixels[pixels[:, 3] == 255]}


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


def settled(page):
    "Two animation frames later: what the front end had to say has been said."
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def serious(page):
    "What axe-core finds serious or critical within the explorables."
    found = Axe().run(page, context=".dm-explorable").response["violations"]
    return [f"{v['id']}: {v['help']}" for v in found if v["impact"] in ("serious", "critical")]


def place(canvas, x, y):
    "Where a point of a plot lies, in pixels of the canvas's box and of the page."
    box = canvas.bounding_box()
    inside = canvas.evaluate("(c, p) => c.place(...p)", [float(x), float(y)])
    return inside, (box["x"] + inside[0], box["y"] + inside[1])


def colour_at(canvas, x, y):
    "The colour that a plot shows at a point of its axes, as 'rrggbb'."
    script = """(c, p) => {
        const at = c.place(...p).map(v => Math.round(v * devicePixelRatio));
        return Array.from(c.getContext('2d').getImageData(...at, 1, 1).data);
    }"""
    return bytes(canvas.evaluate(script, [float(x), float(y)])[:3]).hex()


def levels(colour):
    "Red, green and blue of 'rrggbb', from 0 to 255."
    return np.array(list(bytes.fromhex(colour)), float)


def mixed(share, colour, paper="ffffff"):
    "The levels of a colour that is a share of the way from the paper's."
    return levels(paper) + share * (levels(colour) - levels(paper))


def near(canvas, x, y, reach=2):
    "The colours that a plot shows within a few pixels of a point of its axes, as 'rrggbb': a thin line is blurred."
    script = """(c, [x, y, reach]) => {
        const [i, j] = c.place(x, y).map(v => Math.round(v * devicePixelRatio) - reach);
        return Array.from(c.getContext('2d').getImageData(i, j, 2 * reach + 1, 2 * reach + 1).data);
    }"""
    pixels = np.array(canvas.evaluate(script, [float(x), float(y), reach]), np.uint8).reshape(-1, 4)
    return {bytes(pixel[:3]).hex() for pixel in pixels}


def inked(canvas, x, y, reach=2):
    "Is there anything dark within a few pixels of a point of a plot? A thin line is blurred, and lies on nothing."
    script = """(c, [x, y, reach]) => {
        const [i, j] = c.place(x, y).map(v => Math.round(v * devicePixelRatio) - reach);
        return Array.from(c.getContext('2d').getImageData(i, j, 2 * reach + 1, 2 * reach + 1).data);
    }"""
    pixels = np.array(canvas.evaluate(script, [float(x), float(y), reach])).reshape(-1, 4)
    return bool(((pixels[:, 3] >= 60) & (pixels[:, :3].max(1) < 80)).any())


def drag_on(page, canvas, start, end, steps=6):
    "Drag from one point of a plot to another."
    page.mouse.move(*place(canvas, *start)[1])
    page.mouse.down()
    page.mouse.move(*place(canvas, *end)[1], steps=steps)
    page.mouse.up()
