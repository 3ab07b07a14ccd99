"""A page that shows a widget with no kernel and no network, the way an exported notebook will.

The page holds the widget's saved state, as a notebook's metadata does, and a classic script that gives the front end a
model with `get`, `set`, `on`, `off` and `save_changes`. What works here asks Python for nothing.
"""

import json

from ipywidgets.embed import embed_data

SCRIPT = """
(() => {
  const saved = JSON.parse(document.getElementById("state").textContent);
  for (const el of document.querySelectorAll("[data-widget]")) {
    const { state, buffers = [] } = saved.state[el.dataset.widget], listeners = new Map();
    for (const { path, data } of buffers) {
      state[path[0]] = new DataView(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer);
    }
    const model = {
      saves: 0,
      get: (name) => state[name],
      set(name, value) {
        if (state[name] === value) return;
        state[name] = value;
        for (const f of [...(listeners.get(`change:${name}`) ?? [])]) f();
      },
      on: (type, f) => listeners.set(type, [...(listeners.get(type) ?? []), f]),
      off: (type, f) => listeners.set(type, (listeners.get(type) ?? []).filter((other) => other !== f)),
      save_changes() { model.saves++; },
    };
    const style = document.head.appendChild(document.createElement("style"));
    style.textContent = state._css;
    const url = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
    el.ready = import(url).then((module) => {
      el.model = model;
      el.listeners = listeners;
      el.module = module;
      el.close = module.default.render({ model, el });
    });
  }
})();
"""


def static_page(*widgets, style: str = "") -> str:
    "The HTML of a page that shows these widgets."
    saved = embed_data(views=widgets, drop_defaults=False)["manager_state"]
    places = "".join(f'<main data-widget="{widget.model_id}"></main>' for widget in widgets)
    state = json.dumps(saved).replace("</", "<\\/")
    head = f'<meta charset="utf-8"><title>An explorable</title><style>{style}</style>'
    data = f'<script id="state" type="application/json">{state}</script>'
    return f'<!doctype html><html lang="en">{head}<body>{places}{data}<script>{SCRIPT}</script></body></html>'
