"""The widgets that the notebooks store: what a page without a kernel shows.

A stored widget carries the front end that it was made with, and the name of its class. When a file in
diffusion_math/explore changes or moves, the stored ones are out of date; `python -m tests.notebooks.test_widgets`
writes today's front ends and names into the notebooks, which is what running them again would do.
"""

import base64
import io
import json
import re

from PIL import Image

import diffusion_math
from diffusion_math.explore.explorable import Explorable
from tests import stills

from .conftest import NAMES, NBS


def widgets(notebook: dict):
    "The state of each of our widgets in a notebook, with the class that it is of."
    kinds = notebook["metadata"].get("widgets", {})
    saved = kinds.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    for model in saved.values():
        module, _, kind = model.get("state", {}).get("_anywidget_id", "").rpartition(".")
        if module == "__main__" or module.startswith(
            "diffusion_math"
        ):  # __main__ on the page that defines it
            yield model["state"], getattr(diffusion_math, kind)


def makes(source: str) -> list[str]:
    "The names of our explorables that a cell makes."
    names = re.findall(r"^[^#\n]*?\b(\w+Explorer)(?:\.of)?\(", source, re.M)
    return [name for name in names if issubclass(getattr(diffusion_math, name, object), Explorable)]


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


def today(state: dict, kind: type) -> dict[str, str]:
    "What a widget of this kind would be stored with now; on the page that defines the class its module is __main__."
    own = state["_anywidget_id"].startswith("__main__.")
    name = f"{'__main__' if own else kind.__module__}.{kind.__qualname__}"
    return {"_esm": kind._esm, "_css": kind._css, "_anywidget_id": name}


def outdated(state: dict, kind: type) -> list[str]:
    return [key for key, value in today(state, kind).items() if state[key] != value]


def test_stored_widgets_have_today_s_front_end(stored):
    for state, kind in widgets(stored.json):
        assert outdated(state, kind) == [], f"{kind.__name__}: see this file's docstring"


def main():
    for name in NAMES:
        path = NBS / name
        notebook, old = json.loads(path.read_text(encoding="utf-8")), []
        for state, kind in widgets(notebook):
            if outdated(state, kind):
                old.append(kind.__name__)
                state.update(today(state, kind))
        if old:
            text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
            path.write_text(text, encoding="utf-8")
            print(name, *old)


if __name__ == "__main__":
    main()
