"""The widgets that the notebooks store: what a page without a kernel shows.

A stored widget carries the front end that it was made with. When a file in diffusion_math/explore changes, the stored
ones are out of date; `python -m tests.notebooks.test_widgets` writes today's front ends into the notebooks, which is
what running them again would do.
"""

import json
import re

import diffusion_math
from diffusion_math.explore.noising import Explorable

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


def test_stored_widgets_have_today_s_front_end(stored):
    for state, kind in widgets(stored.json):
        assert state["_esm"] == kind._esm and state["_css"] == kind._css, (
            f"{kind.__name__}: see this file's docstring"
        )


def main():
    for name in NAMES:
        path = NBS / name
        notebook = json.loads(path.read_text(encoding="utf-8"))
        old = [
            state
            for state, kind in widgets(notebook)
            if (state["_esm"], state["_css"]) != (kind._esm, kind._css)
        ]
        for state, kind in widgets(notebook):
            state["_esm"], state["_css"] = kind._esm, kind._css
        if old:
            path.write_text(
                json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
            )
            print(name, len(old))


if __name__ == "__main__":
    main()
