"""A still of each explorable, for readers where nothing can be dragged.   make stills   or   python -m tests.stills NB...

A stored explorable is an output of two kinds: the live widget, and a picture of it. JupyterLab and our pages show the
first; GitHub, nbviewer and an e-mail show the second. The picture is what Chromium shows of the stored state, in light
colours, with a line below that says what it is; of sliders that need Python, it is the picture that they show. Drawn anew
only where the state or the front end changed: a picture remembers, by a fingerprint, what it was drawn from. And the front
end, which the package has, leaves the notebook: its place is held by a line of words.

The same in dark colours is a file of website/stills, named by that fingerprint: the site shows it in its dark theme, and no
notebook or wheel is the heavier for it.
"""

import argparse
import base64
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diffusion_math.teach.pages import LATER, front_end_of

ROOT = Path(__file__).resolve().parents[1]
NBS = ROOT / "nbs"
ASSETS = ROOT / "diffusion_math" / "assets"
DARK = ROOT / "website" / "stills"
VIEW, STATE = (f"application/vnd.jupyter.widget-{kind}+json" for kind in ("view", "state"))
PNG = "image/png"
WIDTH = 840  # CSS pixels of the page; the picture has as many
MARK, LINE = "drawn from", "line below"
WORDED = """h => document.querySelectorAll('[data-widget]').forEach(e => {
    const words = document.createElement('p');
    words.textContent = 'A picture. It can be dragged once this cell has run.';
    words.style = `height: ${h}px; margin: 0 2px; font: 13px/${h}px system-ui, sans-serif; color: #5b6169`;
    e.append(words);
})"""
TALL = 28  # pixels of that line
UNSEEN = 12  # of 255 levels, in a few dots at an edge
INSIDE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
# What an explorable wants to be shown as, if that is not how it begins: values of its traits, in `_still`, less those that
# would show what its task asks first. One that trains a network says how many steps were taken.
TELLS = ("revealed", "guess")
MOVED = f"""for (const {{ model }} of document.querySelectorAll('[data-widget]')) {{
    const wanted = Object.entries(model.get('_still') ?? {{}}).filter(([name]) => !{json.dumps(TELLS)}.includes(name));
    for (const [name, value] of wanted) model.set(name, value);
}}"""
ARRIVED = """[...document.querySelectorAll('[data-widget]')].every(e => {
    if (!e.model.get('_still')) return true;
    const { step, state } = e.querySelector('.dm-explorable').explorable;
    return step === undefined || step === state.steps;
})"""
QUIET = """Array.from(document.querySelectorAll('.dm-explorable')).every(e => {
    const { top, bottom } = e.getBoundingClientRect(), { quiet } = e.explorable;
    return !quiet || bottom < 0 || top > innerHeight || quiet();
})"""
WORDS = re.compile(r" Run this cell in JupyterLab to drag it\.")


def states(notebook: dict) -> dict[str, dict]:
    "The stored widgets of a notebook: model id -> model."
    return notebook["metadata"].get("widgets", {}).get(STATE, {}).get("state", {})


def outputs(notebook: dict) -> Iterator[tuple[str, dict]]:
    "Each output that shows a widget, with the widget's model id."
    for cell in notebook["cells"]:
        for out in cell.get("outputs", []):
            if VIEW in out.get("data", {}):
                yield out["data"][VIEW]["model_id"], out


def family(name: str, saved: dict[str, dict]) -> dict[str, dict]:
    "A widget's model and those that it refers to, by id."
    found, due = {}, [name]
    while due:
        name = due.pop()
        if name in saved and name not in found:
            found[name] = saved[name]
            due += re.findall(r"IPY_MODEL_(\w+)", json.dumps(saved[name]["state"]))
    return found


def shown(state: dict) -> dict:
    "A widget's state, less what its still does not tell."
    told = {k: v for k, v in (state.get("_still") or {}).items() if k not in TELLS}
    return state | ({"_still": told} if "_still" in state else {})


def fingerprint(name: str, saved: dict[str, dict]) -> str:
    "Of all that a widget is drawn from, whatever ids it has today: its front end, and the weights of a network that it asks."
    models = {
        k: m | {"state": shown(m["state"] | front_end_of(m["state"]))}
        for k, m in family(name, saved).items()
    }
    text = json.dumps([models[key] for key in models], sort_keys=True)
    for i, key in enumerate(models):
        text = text.replace(f"IPY_MODEL_{key}", f"IPY_MODEL_{i}")
    for network in sorted({model["state"].get("_network", "") for model in models.values()} - {""}):
        text += hashlib.sha256((ASSETS / f"{network}.safetensors").read_bytes()).hexdigest()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def words(out: dict) -> str:
    "What the picture shows, in words."
    return WORDS.sub("", "".join(out["data"].get("text/plain", "")))


def marked(png: bytes, mark: str, line: int = 0) -> bytes:
    """The PNG, with the mark of what it was drawn from in its own text, and how many pixels below it are words.

    In 256 colours where no pixel is then off by more than an eye sees; else in all of its own.
    """
    import numpy as np
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    image = Image.open(io.BytesIO(png)).convert("RGB")
    few = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE, kmeans=3)
    off = np.abs(np.asarray(few.convert("RGB"), int) - np.asarray(image, int)).max()
    file, text = io.BytesIO(), PngInfo()
    text.add_text(MARK, mark)
    if line:
        text.add_text(LINE, str(line))
    (few if off <= UNSEEN else image).save(file, "PNG", optimize=True, pnginfo=text)
    return file.getvalue()


def from_python(name: str, saved: dict[str, dict]) -> bytes | None:
    "The picture that a widget of plain sliders shows; None where it shows none."
    for model in family(name, saved).values():
        if found := INSIDE.search(json.dumps(model["state"])):
            return base64.b64decode(found.group(1))
    return None


def in_the_dark(png: bytes, line: int) -> bytes:
    "The picture in dark colours as WebP, without the line of words."
    from PIL import Image

    image, file = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    image.crop((0, 0, image.width, image.height - line)).save(file, "WEBP", quality=88, method=6)
    return file.getvalue()


def photograph(page: Any, place: Any, scheme: str) -> bytes:
    "What most readers see: where motion is welcome a player's button says Play."
    page.emulate_media(color_scheme=scheme, reduced_motion="no-preference")
    return place.screenshot(animations="disabled")


def from_chromium(notebook: dict, names: list[str]) -> dict[str, tuple[bytes, bytes]]:
    "What Chromium shows of explorables, in light colours and in dark ones, as PNGs."
    from playwright.sync_api import sync_playwright

    from diffusion_math.teach.pages import write_page
    from tests.lab import FLAGS, find_chromium

    shown = [out for name, out in outputs(notebook) if name in names]
    cell = {"cell_type": "code", "execution_count": None, "id": "stills", "metadata": {}}
    cell |= {"outputs": shown, "source": []}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        alone, page_at = Path(folder, "stills.ipynb"), Path(folder, "stills.html")
        alone.write_text(json.dumps(notebook | {"cells": [cell]}), encoding="utf-8")
        write_page(alone, page_at)
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = chromium.new_page(viewport={"width": WIDTH, "height": 1000})
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.goto(page_at.as_uri())
        page.evaluate(
            "Promise.all([...document.querySelectorAll('[data-widget]')].map(e => e.ready))"
        )
        page.wait_for_timeout(500)  # a plot is drawn once its width is known
        page.evaluate(f"() => {{ {MOVED} }}")
        page.wait_for_function(ARRIVED, timeout=600_000)
        page.evaluate(WORDED, TALL)
        pictures = {}
        for place in page.locator("[data-widget]").all():
            page.emulate_media(color_scheme="light", reduced_motion="reduce")
            place.scroll_into_view_if_needed()
            # what asks a network is seen, then asks, and may ask again after a rest
            for _ in range(2):
                page.wait_for_timeout(600)
                page.wait_for_function(QUIET, timeout=120_000)
            light = photograph(page, place, "light")
            page.emulate_media(color_scheme="dark", reduced_motion="reduce")
            page.wait_for_timeout(100)
            page.wait_for_function(QUIET, timeout=120_000)
            dark = photograph(page, place, "dark")
            pictures[place.get_attribute("data-widget")] = light, dark
        chromium.close()
    return pictures


def drawn_from(out: dict) -> str | None:
    "The mark of what an output's still was drawn from; None: it has no still."
    from PIL import Image

    png = out["data"].get(PNG)
    return png and Image.open(io.BytesIO(base64.b64decode(png))).text.get(MARK)


def bare(notebook: dict[str, Any]) -> int:
    "Take the package's front ends out of a notebook; how many there were."
    full = [m["state"] for m in states(notebook).values() if front_end_of(m.get("state", {}))]
    full = [state for state in full if state.get("_esm") != LATER]
    for state in full:
        state["_esm"] = LATER
        state.pop("_css", None)
    return len(full)


def draw(notebook: dict[str, Any]) -> list[str]:
    "Put the stills that are missing or out of date into a notebook; what was drawn, in words."
    saved = states(notebook)
    marks = {name: fingerprint(name, saved) for name, _ in outputs(notebook)}
    due = [(name, out) for name, out in outputs(notebook) if drawn_from(out) != marks[name]]
    lives = {name for name in marks if "_esm" in saved.get(name, {}).get("state", {})}
    asked = lives & {name for name, _ in due}
    asked |= {name for name in lives if not (DARK / f"{marks[name]}.webp").exists()}
    pictures = from_chromium(notebook, sorted(asked)) if asked else {}
    for name, (_, dark) in pictures.items():
        DARK.mkdir(exist_ok=True)
        (DARK / f"{marks[name]}.webp").write_bytes(in_the_dark(dark, TALL))
    for name, out in due:
        png = pictures[name][0] if name in pictures else from_python(name, saved)
        if png is None:
            print(f"no picture in {words(out)!r}")
            continue
        text = base64.b64encode(marked(png, marks[name], TALL if name in pictures else 0)).decode()
        out["data"] = dict(sorted((out["data"] | {PNG: text}).items()))
    return [words(out) for _, out in due]


def orphans(notebooks: list[dict]) -> list[Path]:
    "The dark pictures of what no notebook stores any more."
    stored = {drawn_from(out) for notebook in notebooks for _, out in outputs(notebook)}
    return sorted(path for path in DARK.glob("*.webp") if path.stem not in stored)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="these only (default: all)")
    every = sorted(NBS.rglob("[!.]*.ipynb"))
    for path in (named := parser.parse_args().notebooks) or every:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        drawn = draw(notebook)
        if bare(notebook) or drawn:
            text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
            path.write_text(text, encoding="utf-8")
            print(f"{path.name}: {len(drawn)} drawn, {len(text) / 1e6:.2f} MB", *drawn, sep="\n  ")
    if not named:
        for path in orphans([json.loads(p.read_text(encoding="utf-8")) for p in every]):
            path.unlink()


if __name__ == "__main__":
    main()
