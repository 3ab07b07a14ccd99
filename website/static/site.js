// What a page of the site does by itself: explorables come alive when one scrolls near, an equation shows where one points at
// its number, code and side roads fold away for those who came for the pictures. A classic script, so that it runs from a
// file too; what a page may need later (`course.load`) is fetched by script tags, never by fetch.
(() => {
  const root = document.documentElement;
  const base = document.currentScript.src.replace(/site\.js.*$/, "");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (tag, values = {}) => Object.assign(document.createElement(tag), values);
  const loading = new Map();

  // Run a script of the site, once: its path below _static.
  function load(path) {
    if (!loading.has(path)) {
      loading.set(
        path,
        new Promise((done, fail) => {
          document.head.append(make("script", { src: base + path, onload: done, onerror: () => fail(new Error(path)) }));
        }),
      );
    }
    return loading.get(path);
  }
  const course = { base, load };
  window.course = course;

  // Light and dark: the theme's switch, told to the explorables in the way in which JupyterLab tells them.
  const night = matchMedia("(prefers-color-scheme: dark)");
  function theme() {
    const chosen = document.body.dataset.theme;
    const light = chosen === "light" || (chosen !== "dark" && !night.matches);
    if (document.body.dataset.jpThemeLight !== String(light)) document.body.dataset.jpThemeLight = String(light);
  }
  new MutationObserver(theme).observe(document.body, { attributes: true, attributeFilter: ["data-theme"] });
  night.addEventListener("change", theme);
  theme();

  // Explorables: the still stands until the widget that takes its place is drawn.
  const at = document.getElementById("widgets-at");
  const places = all("[data-place]");
  course.widgets = (saved) => {
    document.body.append(make("script", { id: "widget-state", type: "application/json", textContent: saved }));
  };
  let alive;
  function live() {
    alive ??= (async () => {
      await load(JSON.parse(at.textContent).replace(/^(\.\.\/)*_static\//, ""));
      const widgets = places.map((place) => {
        const widget = make("div");
        widget.dataset.widget = place.dataset.place;
        place.append(widget);
        return widget;
      });
      await load("explorables.js");
      await Promise.all(
        widgets.map(async (widget) => {
          await widget.ready;
          widget.parentNode.querySelector(":scope > img")?.remove();
        }),
      );
      await load("near.js");
    })();
    return alive;
  }
  course.live = live;
  if (at && places.length) {
    const near = new IntersectionObserver(
      (seen) => {
        if (!seen.some((entry) => entry.isIntersecting)) return;
        near.disconnect();
        live();
      },
      { rootMargin: "900px" },
    );
    places.forEach((place) => near.observe(place));
  }

  // Equations: where one points at a number, the equation.
  const known = new Map();
  course.equations = ({ equations, glyphs }) => {
    for (const [id, html] of Object.entries(equations)) known.set(id, html);
    const shelf = make("template", { innerHTML: `<svg><defs>${glyphs}</defs></svg>` }).content;
    let defs = document.querySelector("svg.glyphs defs");
    if (!defs) {
      document.body.append(make("template", { innerHTML: '<svg class="glyphs" aria-hidden="true"><defs></defs></svg>' }).content);
      defs = document.querySelector("svg.glyphs defs");
    }
    for (const glyph of all("path", shelf)) if (!document.getElementById(glyph.id)) defs.append(glyph);
  };
  const card = make("div", { className: "equation-card", id: "equation-card", hidden: true });
  card.setAttribute("role", "tooltip");
  document.body.append(card);
  let wanted = null;
  async function show(link) {
    wanted = link;
    const [page, id] = link.href.split("#");
    await new Promise((done) => setTimeout(done, 120));
    if (wanted !== link) return;
    const doc = page.split("/").pop().replace(/\.html.*$/, "");
    if (!known.has(id)) await load(`equations/${doc}.js`).catch(() => {});
    if (wanted !== link || !known.has(id)) return;
    card.innerHTML = known.get(id);
    card.hidden = false;
    link.setAttribute("aria-describedby", card.id);
    const box = link.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = card;
    const above = box.top > height + 12;
    card.style.left = `${Math.max(8, Math.min(box.left - width / 2, root.clientWidth - width - 8)) + scrollX}px`;
    card.style.top = `${(above ? box.top - height - 8 : box.bottom + 8) + scrollY}px`;
  }
  function hide() {
    wanted?.removeAttribute("aria-describedby");
    wanted = null;
    card.hidden = true;
  }
  for (const link of all("a.eqref")) {
    for (const event of ["mouseenter", "focus"]) link.addEventListener(event, () => show(link));
    for (const event of ["mouseleave", "blur"]) link.addEventListener(event, hide);
  }
  addEventListener("keydown", (event) => event.key === "Escape" && hide());

  // Two ways to read, remembered. The page's head has set data-read before anything was drawn.
  const article = document.querySelector("article");
  const codes = all("details.code");
  const aside = all("section.off-path");
  const keep = (name, value) => {
    try {
      localStorage.setItem(name, value);
    } catch {
      // a browser may forbid it; then the choice holds for this page
    }
  };
  function read(way) {
    root.dataset.read = way;
    for (const code of codes) code.open = way === "everything" && code.dataset.open === "1";
    for (const section of aside) section.classList.remove("shown");
    for (const button of all(".ways-to-read button")) button.setAttribute("aria-pressed", String(button.value === way));
    reveal();
    reach();
  }
  if (article && codes.length && !document.querySelector(".stage")) {
    const bar = make("div", { className: "ways-to-read" });
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "How to read");
    const words = { everything: "Everything", pictures: aside.length ? "The path of pictures" : "Without code" };
    for (const [value, textContent] of Object.entries(words)) {
      const button = make("button", { type: "button", value, textContent });
      button.addEventListener("click", () => {
        read(value);
        keep("read", value);
      });
      bar.append(button);
    }
    article.querySelector("h1")?.after(bar);
  }
  for (const section of aside) {
    const button = make("button", { type: "button", className: "off-note", textContent: "Not on the path of pictures. Show it" });
    button.addEventListener("click", () => {
      section.classList.add("shown");
      reach();
    });
    section.querySelector("h2")?.after(button);
  }
  // Whatever one is led to is shown.
  function reveal() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    let hidden = false;
    for (let el = target; el; el = el.parentElement) {
      if (el.matches("section.off-path:not(.shown)")) hidden = Boolean(el.classList.add("shown")) || true;
      if (el.localName === "details" && !el.open) hidden = el.open = true;
    }
    if (hidden) target.scrollIntoView();
  }
  addEventListener("hashchange", reveal);

  // And stays in place while what stands above it comes alive and grows, until the reader moves on.
  let led = null;
  const lead = () => (led = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null);
  for (const event of ["wheel", "touchmove", "keydown", "pointerdown"]) addEventListener(event, () => (led = null), { passive: true });
  addEventListener("hashchange", lead);
  addEventListener("click", ({ target }) => target.closest?.("a[href]")?.hash && setTimeout(lead));
  new ResizeObserver(() => led?.scrollIntoView({ behavior: "instant" })).observe(article ?? document.body);
  lead();

  // What scrolls sideways can be reached by key.
  function reach() {
    for (const el of all("pre, [data-roll]")) {
      if (el.scrollWidth > el.clientWidth + 1) el.tabIndex = 0;
      else el.removeAttribute("tabindex");
    }
  }
  addEventListener("resize", reach);
  for (const fold of all("details")) fold.addEventListener("toggle", reach);
  read(root.dataset.read ?? "everything");
  if (new URLSearchParams(location.search).has("read")) keep("read", root.dataset.read);
  root.classList.add("ready");

  // The front page has a film of its own, and a network.
  if (document.querySelector(".hero")) load("hero.js");
})();
