"""A page that shows a widget with no kernel and no network, the way an exported notebook does.

The page holds the widget's saved state, as a notebook's metadata does, and the script of `diffusion-math html`, which
gives the front end a model with `get`, `set`, `on`, `off` and `save_changes`. What works here asks Python for nothing.
"""

import json
from importlib.resources import files

from ipywidgets.embed import embed_data

SCRIPT = (files("diffusion_math") / "explore" / "static.js").read_text(encoding="utf-8")


def static_page(*widgets, style: str = "") -> str:
    "The HTML of a page that shows these widgets."
    saved = embed_data(views=widgets, drop_defaults=False)["manager_state"]
    places = "".join(f'<main data-widget="{widget.model_id}"></main>' for widget in widgets)
    state = json.dumps(saved).replace("</", "<\\/")
    head = f'<meta charset="utf-8"><title>An explorable</title><style>{style}</style>'
    data = f'<script id="widget-state" type="application/json">{state}</script>'
    return f'<!doctype html><html lang="en">{head}<body>{places}{data}<script>{SCRIPT}</script></body></html>'
