"""The film at the top of README.md: one drag of the noising explorer, as Chromium shows it.   python -m tests.drag

The explorable is the one that the front page stores, on the linear schedule and with no kernel behind it: a mouse takes the
handle of t from the digit into noise and back, and the network in the page says what it still sees. Writes nbs/images/drag.webp.
"""

import io
import json
import tempfile
from pathlib import Path

from tests.stills import NBS, QUIET, outputs, states

FILM = NBS / "images" / "drag.webp"
WIDTH, MOST = 860, 1_000_000  # pixels, bytes
STOPS = [
    0,
    20,
    50,
    90,
    130,
    170,
    210,
    250,
    290,
    330,
    370,
    410,
    460,
    520,
    600,
]  # of t, there; and back faster
WAY = {"schedule": "linear", "T": 1000, "t": 200}  # where the film begins
MOVE, REST = 170, 1200  # milliseconds


def shown(name: str = "beta") -> dict:
    "The front page's notebook with no cell but that of the explorable that has a trait of this name, on its way."
    notebook = json.loads((NBS / "index.ipynb").read_text(encoding="utf-8"))
    saved = states(notebook)
    outs = [out for model, out in outputs(notebook) if name in saved[model]["state"]]
    for state in (model["state"] for model in saved.values()):
        if name in state:
            state |= WAY | {"_start": state["_start"] | WAY}
    cell = {"cell_type": "code", "execution_count": None, "id": "drag", "metadata": {}}
    return notebook | {"cells": [cell | {"outputs": outs[:1], "source": []}]}


def frames(notebook: dict, stops: list[int]) -> list[bytes]:
    "What is seen when the handle of t is dragged from stop to stop, as PNGs."
    from playwright.sync_api import sync_playwright

    from diffusion_math.teach.pages import write_page
    from tests.lab import FLAGS, find_chromium

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        alone, page_at = Path(folder, "drag.ipynb"), Path(folder, "drag.html")
        alone.write_text(json.dumps(notebook), encoding="utf-8")
        write_page(alone, page_at)
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = chromium.new_page(viewport={"width": WIDTH, "height": 1200})
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.goto(page_at.as_uri())
        page.evaluate(
            "Promise.all([...document.querySelectorAll('[data-widget]')].map(e => e.ready))"
        )
        slider = page.get_by_label("steps taken")
        box = page.locator("[data-widget]").bounding_box()
        end = page.locator("[data-widget] .dm-strip").bounding_box()
        clip = box | {"height": end["y"] + end["height"] + 8 - box["y"]}
        track = slider.bounding_box()
        most, middle = int(slider.get_attribute("max")), track["y"] + track["height"] / 2
        thumb = track["height"]

        def at(t: int) -> float:
            return track["x"] + thumb / 2 + (track["width"] - thumb) * t / most

        page.mouse.move(at(int(slider.input_value())), middle)
        page.mouse.down()
        seen = []
        for t in stops:
            page.mouse.move(at(t), middle)
            page.wait_for_timeout(60)
            page.wait_for_function(QUIET, timeout=60_000)
            page.wait_for_timeout(60)
            seen.append(page.screenshot(clip=clip))
        page.mouse.up()
        chromium.close()
    return seen


def main() -> None:
    from PIL import Image

    back = STOPS[-2:0:-2]
    seen = [Image.open(io.BytesIO(png)).convert("RGB") for png in frames(shown(), STOPS + back)]
    last = len(STOPS) - 1
    lasts = [REST if i in (0, last) else MOVE for i in range(len(seen))]
    seen[0].save(
        FILM, save_all=True, append_images=seen[1:], duration=lasts, loop=0, quality=70, method=6
    )
    size = FILM.stat().st_size
    print(f"{FILM.relative_to(NBS.parent)}: {len(seen)} frames of {seen[0].size}, {size:,} bytes")
    if size > MOST:
        raise SystemExit(f"more than {MOST:,} bytes")


if __name__ == "__main__":
    main()
