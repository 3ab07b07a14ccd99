"""The widgets that the notebooks store: what a page without a kernel shows.

A stored widget has its state, a picture and the name of its class; its front end is the package's, and is put there by a page.
After a notebook was run, and after a file in diffusion_math/explore changed, `python -m tests.stills` makes it so.
"""

import base64
import io
import json
import re

from PIL import Image

from diffusion_math import explore
from diffusion_math.explore.explorable import Explorable
from diffusion_math.teach.pages import LATER, front_end_of
from tests import stills


def widgets(notebook: dict):
    "The state of each of our widgets in a notebook, with the class that it is of."
    kinds = notebook["metadata"].get("widgets", {})
    saved = kinds.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    for model in saved.values():
        module, _, kind = model.get("state", {}).get("_anywidget_id", "").rpartition(".")
        if module == "__main__" or module.startswith(
            "diffusion_math"
        ):  # __main__ on the page that defines it
            yield model["state"], getattr(explore, kind)


def makes(source: str) -> list[str]:
    "The names of our explorables that a cell makes."
    names = re.findall(r"^[^#\n]*?\b(\w+Explorer)(?:\.of)?\(", source, re.M)
    return [name for name in names if issubclass(getattr(explore, name, object), Explorable)]


def test_each_explorable_that_a_cell_makes_is_shown_and_stored(stored):
    cells = [
        (makes(cell["source"]), cell["outputs"])
        for cell in stored.code
        if "#| export" not in cell["source"]
    ]
    for made, outputs in cells:
        assert not made or [
            1 for o in outputs if "application/vnd.jupyter.widget-view+json" in o.get("data", {})
        ]
    assert sorted(name for made, _ in cells for name in made) == sorted(
        k.__name__ for _, k in widgets(stored.json)
    )


def test_each_stored_widget_has_its_still(stored):
    saved = stills.states(stored.json)
    for name, out in stills.outputs(stored.json):
        assert stills.drawn_from(out) == stills.fingerprint(name, saved), "make stills"


def picture(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_each_still_has_its_twin_in_dark_colours(stored):
    "As large, to a pixel, on a dark ground; the line of words below it is the notebook's alone."
    for _, out in stills.outputs(stored.json):
        light = picture(base64.b64decode(out["data"]["image/png"]))
        if line := int(light.info.get(stills.LINE, 0)):  # else Python has drawn it
            dark = picture((stills.DARK / f"{stills.drawn_from(out)}.webp").read_bytes())
            assert dark.width == light.width, "make stills"
            assert abs(dark.height - (light.height - line)) <= 1, "make stills"
            corners = [one.convert("L").getpixel((20, 20)) for one in (light, dark)]
            assert corners[0] > 240 and corners[1] < 40


def test_no_dark_picture_is_of_nothing():
    paths = [p for p in stills.NBS.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    every = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    assert stills.orphans(every) == [], "make stills"
    assert stills.orphans(every[:1]) != []


def test_a_still_of_another_state_is_noticed():
    state = {"model": {"state": {"t": 3, "layout": "IPY_MODEL_look"}}, "look": {"state": {}}}
    mark = stills.fingerprint("model", state)
    again = {"a": {"state": {"t": 3, "layout": "IPY_MODEL_b"}}, "b": {"state": {}}}
    assert stills.fingerprint("a", again) == mark  # a widget's id is another in each run
    again["a"]["state"]["t"] = 4
    assert stills.fingerprint("a", again) != mark
    picture = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(picture, "PNG")
    png = base64.b64encode(stills.marked(picture.getvalue(), mark)).decode()
    assert stills.drawn_from({"data": {"image/png": png}}) == mark
    assert stills.drawn_from({"data": {}}) is None


def test_a_still_does_not_tell_what_its_task_asks():
    "Where a state wants its still to show the answer, the same is drawn as where it does not."
    marks = [
        stills.fingerprint("model", {"model": {"state": {"t": 3, "_still": still}}})
        for still in ({"t": 9}, {"t": 9, "revealed": True}, {"t": 9, "guess": "heun"}, {"t": 8})
    ]
    assert len(set(marks)) == 2 and marks[0] == marks[1] == marks[2]


def test_a_still_of_other_weights_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(stills, "ASSETS", tmp_path)
    asks = {"model": {"state": {"t": 3, "_network": "small"}}}
    marks = []
    for weights in (b"one", b"two"):
        (tmp_path / "small.safetensors").write_bytes(weights)
        marks.append(stills.fingerprint("model", asks))
    assert marks[0] != marks[1]
    asks["model"]["state"]["_network"] = ""  # it asks none
    assert stills.fingerprint("model", asks) not in marks


def test_a_stored_widget_leaves_its_front_end_to_the_package(stored):
    for state, kind in widgets(stored.json):
        assert state["_esm"] == LATER and "_css" not in state, "make stills"
        assert front_end_of(state) == {"_esm": kind._esm, "_css": kind._css}


def test_a_front_end_of_somebody_s_own_is_kept():
    own = {"_esm": "export default {}", "_anywidget_id": "__main__.Mine"}
    assert (
        front_end_of(own) == {} == front_end_of({"_esm": LATER, "_anywidget_id": "__main__.Mine"})
    )
