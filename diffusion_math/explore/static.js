// Makes the stored widgets of a page live, with no kernel and no network. A classic script: as a module it would not run
// from a file. The page holds the widgets' saved state in #widget-state, as a notebook does in its metadata, and an
// element with data-widget="model id" for each place. A text that several widgets share stands once, among the pieces.
// What works here asks Python for nothing.
(() => {
  const { state: saved, pieces = [] } = JSON.parse(document.getElementById("widget-state").textContent);
  const models = new Map();

  function modelOf(id) {
    if (models.has(id)) return models.get(id);
    const { state, buffers = [] } = saved[id];
    const listeners = new Map();
    for (const name of ["_esm", "_css"]) {
      if (Array.isArray(state[name])) state[name] = state[name].map((i) => pieces[i]).join("");
    }
    for (const { path, data } of buffers) {
      state[path[0]] = new DataView(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer);
    }
    const model = {
      saves: 0,
      listeners,
      get: (name) => state[name],
      set(name, value) {
        if (state[name] === value) return;
        state[name] = value;
        for (const f of [...(listeners.get(`change:${name}`) ?? [])]) f();
      },
      on: (type, f) => listeners.set(type, [...(listeners.get(type) ?? []), f]),
      off: (type, f) => listeners.set(type, (listeners.get(type) ?? []).filter((other) => other !== f)),
      save_changes() {
        model.saves++; // nobody to tell
      },
    };
    models.set(id, model);
    return model;
  }

  const styles = new Set();
  for (const el of document.querySelectorAll("[data-widget]")) {
    const model = modelOf(el.dataset.widget);
    const css = model.get("_css");
    if (!styles.has(css)) document.head.appendChild(document.createElement("style")).textContent = css;
    styles.add(css);
    const url = URL.createObjectURL(new Blob([model.get("_esm")], { type: "text/javascript" }));
    el.ready = import(url).then((module) => {
      URL.revokeObjectURL(url);
      Object.assign(el, { model, module, listeners: model.listeners, close: module.default.render({ model, el }) });
    });
  }

  // What scrolls sideways can be reached by key, and so be scrolled.
  function reach() {
    for (const el of document.querySelectorAll("pre, .equation, .wide")) {
      if (el.scrollWidth > el.clientWidth) el.tabIndex = 0;
      else el.removeAttribute("tabindex");
    }
  }
  reach();
  addEventListener("resize", reach);
})();
