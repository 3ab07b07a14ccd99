"""A page that shows a widget with no kernel and no network, the way an exported notebook does.

The page holds the widget's saved state, as a notebook's metadata does, and the script of `diffusion-math html`, which
gives the front end a model with `get`, `set`, `on`, `off` and `save_changes`. What works here asks Python for nothing.
"""

import json
from base64 import b64encode
from importlib.resources import files

from ipywidgets.embed import dependency_state, embed_data

from diffusion_math.explore.weights import network_bytes

SCRIPT = (files("diffusion_math") / "explore" / "static.js").read_text(encoding="utf-8")


def static_page(*widgets, style: str = "", networks: tuple[str, ...] = (), first: str = "") -> str:
    "The HTML of a page that shows these widgets; networks: those whose weights it holds; first: a script that runs before all."
    state = dependency_state(widgets, drop_defaults=False)  # not of all that live in this process
    saved = embed_data(views=widgets, state=state)["manager_state"]
    places = "".join(f'<main data-widget="{widget.model_id}"></main>' for widget in widgets)
    text = json.dumps(saved).replace("</", "<\\/")
    head = f'<meta charset="utf-8"><title>An explorable</title><style>{style}</style>'
    head += f"<script>{first}</script>" if first else ""
    data = f'<script id="widget-state" type="application/json">{text}</script>'
    weights = "".join(
        f'<script id="dm-network-{name}" type="text/plain">{b64encode(network_bytes(name)).decode()}</script>'
        for name in networks
    )
    return f'<!doctype html><html lang="en">{head}<body>{places}{data}{weights}<script>{SCRIPT}</script></body></html>'
