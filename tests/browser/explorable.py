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


# Many numbers travel best as text: one by one, each is written down and read again four times.
TEXT = """array => {
        const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
        let text = '';
        for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
        return btoa(text);
    }"""


def many(page, code, *arguments, dtype=np.float64):
    "What call returns, where that is a long typed array of this kind, as numpy."
    return np.frombuffer(base64.b64decode(call(page, f"({TEXT})({code})", *arguments)), dtype)


def rgba(canvas):
    "Red, green, blue and opacity of each pixel of a canvas."
    script = f"c => ({TEXT})(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    return np.frombuffer(base64.b64decode(canvas.evaluate(script)), np.uint8).reshape(-1, 4)


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
    pixels = rgba(page.locator(canvas).first).astype(int)
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
    pixels = rgba(page.locator(canvas).first)
    found = np.unique(pixels[pixels[:, 3] == 255].astype(int) @ [65536, 256, 1, 0])
    return {f"{colour:06x}" for colour in found}


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
    page.evaluate(Axe().axe_script)
    found = page.evaluate(f"""() => axe.run('{ROOT}', {{ resultTypes: ['violations'] }}).then(({{ violations }}) =>
        violations.map(({{ id, help, impact }}) => [id, help, impact]))""")
    return [
        f"{name}: {about}" for name, about, impact in found if impact in ("serious", "critical")
    ]


def place(canvas, x, y):
    "Where a point of a plot lies, in pixels of the canvas's box and of the page."
    box = canvas.bounding_box()
    inside = canvas.evaluate("(c, p) => c.place(...p)", [float(x), float(y)])
    return inside, (box["x"] + inside[0], box["y"] + inside[1])


def colours_at(canvas, places):
    "The colours that a plot shows at points of its axes, as 'rrggbb'."
    script = """(c, places) => {
        const g = c.getContext('2d');
        return places.map(p => Array.from(
            g.getImageData(...c.place(...p).map(v => Math.round(v * devicePixelRatio)), 1, 1).data));
    }"""
    pixels = canvas.evaluate(script, [[float(x), float(y)] for x, y in places])
    return [bytes(pixel[:3]).hex() for pixel in pixels]


def colour_at(canvas, x, y):
    "The colour that a plot shows at a point of its axes, as 'rrggbb'."
    return colours_at(canvas, [(x, y)])[0]


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


def inks(canvas, places, reach=2):
    "At which points of a plot is there anything dark within a few pixels? A thin line is blurred, and lies on nothing."
    script = """(c, [places, reach]) => {
        const g = c.getContext('2d'), side = 2 * reach + 1;
        return places.map(p => {
            const [i, j] = c.place(...p).map(v => Math.round(v * devicePixelRatio) - reach);
            const { data } = g.getImageData(i, j, side, side);
            return data.some((v, k) => k % 4 === 3 && v >= 60 && Math.max(...data.subarray(k - 3, k)) < 80);
        });
    }"""
    return canvas.evaluate(script, [[[float(x), float(y)] for x, y in places], reach])


def inked(canvas, x, y, reach=2):
    "Is there anything dark within a few pixels of a point of a plot?"
    return inks(canvas, [(x, y)], reach)[0]


def drag_on(page, canvas, start, end, steps=6):
    "Drag from one point of a plot to another."
    page.mouse.move(*place(canvas, *start)[1])
    page.mouse.down()
    page.mouse.move(*place(canvas, *end)[1], steps=steps)
    page.mouse.up()
