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

  // Explorables: the still stands until the widget that takes its place is drawn, and again on paper.
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
        const widget = make("div", { className: "due" });
        widget.dataset.widget = place.dataset.place;
        place.append(widget);
        return widget;
      });
      await load("explorables.js");
      await Promise.all(
        widgets.map(async (widget) => {
          await widget.ready;
          all(":scope > img", widget.parentNode).forEach((img) => img.classList.add("still"));
          widget.classList.remove("due"); // until then it is drawn where the still stands, and moves nothing
          if (widget.closest("section.on-path")) brief(widget.querySelector(".dm-explorable"));
        }),
      );
      await load("near.js");
    })();
    return alive;
  }
  course.live = live;
  // On the path of pictures an explorable is its picture and, beside it, what moves it, until one asks for the rest; on a phone
  // it folds by itself. The picture: the figures of the first row, or those that say more together.
  const TOGETHER = { Threads: ".dm-row > figure:first-of-type", "The bound": "figure" };
  const beside = matchMedia("(min-width: 46.01em)");
  const briefs = [];
  function brief(explorable) {
    const undo = [];
    let asked = false;
    function take(el, to) {
      const place = document.createComment("");
      el.replaceWith(place);
      to.append(el);
      undo.push(() => place.replaceWith(el));
    }
    function whole() {
      while (undo.length) undo.pop()();
      explorable.classList.remove("brief");
    }
    function follow() {
      whole();
      if (asked || root.dataset.read !== "pictures" || !beside.matches) return;
      const first = [...explorable.children].find((el) => el.querySelector("canvas"));
      const together = TOGETHER[explorable.getAttribute("aria-label")];
      const figures = together ? all(together, explorable) : first?.matches("figure") ? [first] : all("figure", first ?? make("p"));
      if (!figures.length) return;
      const sliders = all(".dm-slider", explorable).slice(0, 2);
      const buttons = all(".dm-buttons", explorable).slice(0, 1);
      const more = make("button", { type: "button", className: "dm-button", textContent: "All of it" });
      const [seen, moved] = [make("div", { className: "brief-seen" }), make("div", { className: "brief-moved" })];
      more.addEventListener("click", () => {
        asked = true;
        follow();
        explorable.querySelector(".dm-range").focus({ preventScroll: true });
      });
      for (const el of figures.slice(0, figures[2]?.matches(".dm-picture") ? 3 : 2)) take(el, seen);
      for (const el of [explorable.querySelector(".dm-head"), ...sliders, ...buttons]) take(el, moved);
      (buttons[0] ?? moved).append(more);
      explorable.prepend(seen, moved);
      undo.push(() => [seen, moved, more].forEach((el) => el.remove()));
      explorable.classList.add("brief");
    }
    briefs.push({ follow, whole });
    follow();
  }
  // whole before it folds as on a phone, brief after it has unfolded
  beside.addEventListener("change", () => {
    for (const { whole } of briefs) whole();
    setTimeout(() => briefs.forEach(({ follow }) => follow()));
  });
  if (at && places.length) {
    const near = new IntersectionObserver(
      (seen) => {
        if (!seen.some((entry) => entry.isIntersecting)) return;
        near.disconnect();
        live();
      },
      { rootMargin: "2400px" }, // as far as a flick goes while they load
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

  // A figure that is much smaller here than it was drawn gets a button that shows it as large as that.
  const figures = all("article .cell_output img, article section > p > img:only-child").filter((img) => !img.closest("[data-place], a"));
  const framed = (img) => img.closest(".figure");
  function fit(images) {
    const sizes = images.map((img) => ({
      img,
      wide: Number(img.getAttribute("width")) || Math.min(img.naturalWidth, 800),
      room: (framed(img) ?? img.parentElement).clientWidth,
    }));
    for (const { img, wide, room } of sizes) {
      const small = room > 0 && room < 0.75 * wide;
      if (!small && !framed(img)) continue;
      const figure = framed(img) ?? frame(img);
      figure.style.setProperty("--wide", `${wide}px`);
      figure.lastChild.hidden = !small;
      if (!small) enlarge(figure, false);
    }
  }
  function frame(img) {
    const figure = make("span", { className: "figure" });
    const roll = make("span", { className: "roll" });
    const button = make("button", { type: "button", textContent: "Larger" });
    roll.dataset.roll = "";
    img.replaceWith(figure);
    roll.append(img);
    figure.append(roll, button);
    button.addEventListener("click", () => {
      enlarge(figure, !figure.classList.contains("large"));
      reach();
    });
    return figure;
  }
  function enlarge(figure, large) {
    figure.classList.toggle("large", large);
    figure.lastChild.textContent = large ? "Smaller" : "Larger";
  }
  addEventListener("load", ({ target }) => figures.includes(target) && fit([target]), { capture: true });

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
  const phone = matchMedia("(max-width: 46em)"); // where a line of code is wider than the screen it is folded
  // On the path of pictures stand pictures, each with what is to be seen on it, or else with what leads to it: beside it, where
  // there is room, the picture no wider than its place, and nothing to move or to guess. All else is wordy.
  const SHOWS = ".cell_output img, [data-place]";
  const pictured = (el) => el?.matches("div.cell") && el.querySelector(SHOWS);
  const looks = (el) => el?.matches("p") && /^(What to see|Look)/.test(el.textContent);
  const flat = ({ style }) => (([wide, high]) => wide > 6 * high)(style.aspectRatio.split("/"));
  const stands = (cell) => cell.querySelector("[data-place], details.reveal") ?? all("img", cell).find((img) => img.getAttribute("width") > 760 || flat(img));
  function leadsTo(told, i) {
    if (told[i - 1]?.matches(".guess")) return told[i - 2]?.matches("p") ? [told[i - 2], told[i - 1]] : [told[i - 1]];
    return told[i - 1]?.matches("p") && !looks(told[i - 1]) ? [told[i - 1]] : [];
  }
  for (const section of all("section.on-path, section.on-path section")) {
    const parts = [...section.children].filter((el) => !el.matches("h1, h2, h3, h4, section"));
    const told = parts.filter((el) => pictured(el) || !el.matches("span, .tag_proof, .tag_folded"));
    const kept = new Set();
    let row = 2; // below the title
    told.forEach((cell, i) => {
      if (!pictured(cell)) return;
      const after = looks(told[i + 1]) ? [told[i + 1]] : [];
      const before = after.length && !cell.querySelector("[data-place], details.reveal") ? [] : leadsTo(told, i);
      const words = [...before, ...after];
      for (const one of [cell, ...words]) kept.add(one);
      if (stands(cell)) cell.classList.add("stands");
      if (stands(cell) || !words.length) for (const one of [...before, cell, ...after]) one.style.gridRow = row++;
      else {
        cell.style.gridRow = `${row} / span ${words.length}`;
        for (const one of words) one.style.gridRow = row++;
        for (const one of [cell, ...words]) one.classList.add("beside");
      }
      // what a cell printed besides, and the bar of a training above its curve
      for (const out of all(".cell_output > *, .cell_output div:has(+ img)", cell)) {
        if (!out.matches(SHOWS) && !out.querySelector(SHOWS)) out.classList.add("wordy");
      }
    });
    for (const part of parts) if (!kept.has(part)) part.classList.add("wordy");
    for (const inner of all(":scope > section", section)) inner.style.gridRow = row++;
  }
  // Of what stands above all sections: the promise, which is in bold, and where the path leads.
  if (aside.length) {
    for (const el of all("article > section > :not(h1, section, .ways-to-read)")) {
      const promise = el.matches("p") && el.querySelector("strong")?.textContent === el.textContent.trim();
      if (!pictured(el) && !promise && !/^Pictures only/.test(el.textContent)) el.classList.add("wordy");
    }
  }
  for (const pre of all(".cell_output pre")) if (pre.textContent.trim().split("\n").length < 4) pre.classList.add("short");
  function read(way) {
    root.dataset.read = way;
    for (const code of codes) code.open = way === "everything" && code.dataset.open === "1" && !phone.matches;
    for (const section of aside) section.classList.remove("shown");
    for (const button of all(".ways-to-read button")) button.setAttribute("aria-pressed", String(button.value === way));
    for (const { follow } of briefs) follow();
    reveal();
    reach();
  }
  const bar = document.querySelector(".ways-to-read"); // its place is kept in the page
  if (bar) {
    const words = { everything: "Everything", pictures: aside.length ? "The path of pictures" : "Without code" };
    for (const [value, textContent] of Object.entries(words)) {
      const button = make("button", { type: "button", value, textContent });
      button.addEventListener("click", () => {
        read(value);
        keep("read", value);
      });
      bar.append(button);
    }
  }
  for (const section of aside) {
    const button = make("button", { type: "button", className: "off-note", textContent: "Show it" });
    button.addEventListener("click", () => {
      section.classList.add("shown");
      reach();
    });
    section.querySelector("h2")?.after(button);
  }
  // A guess, clicked or typed, and then what came out.
  for (const guess of all(".guess")) {
    const waits = all("details.reveal").find((el) => guess.compareDocumentPosition(el) & Node.DOCUMENT_POSITION_FOLLOWING);
    for (const button of all("button", guess)) {
      button.addEventListener("click", () => {
        for (const one of all("button", guess)) one.setAttribute("aria-pressed", String(one === button));
        if (waits) waits.open = true;
      });
    }
    guess.querySelector("input")?.addEventListener("keydown", (event) => event.key === "Enter" && waits && (waits.open = true));
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

  // On paper no answer can be unfolded.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("article details:not(.code, [open])").filter((fold) => !fold.closest(".explorable"));
    for (const fold of closed) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of closed) fold.open = false;
  });

  // A name of the package that has moved to a page of its own leads there.
  const forward = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.matches?.(".moved")) location.replace(target.parentElement.querySelector("a").href);
  };
  addEventListener("hashchange", forward);
  forward();

  // And stays in place while what stands above it comes alive and grows, until the reader moves on.
  let led = null;
  const lead = () => (led = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null);
  for (const event of ["wheel", "touchmove", "keydown", "pointerdown"]) addEventListener(event, () => (led = null), { passive: true });
  addEventListener("hashchange", lead);
  addEventListener("click", ({ target }) => target.closest?.("a[href]")?.hash && setTimeout(lead));
  new ResizeObserver(() => led?.scrollIntoView({ behavior: "instant" })).observe(article ?? document.body);
  lead();

  // What scrolls sideways can be reached by key, and shows at which edge it goes on; a table that must scroll gets room.
  const ROLLS = "pre, [data-roll]";
  const rolls = (el) => el.scrollWidth > el.clientWidth;
  function edges(elements) {
    const more = elements.map((el) => {
      const left = el.scrollLeft > 1 ? "left" : "";
      const right = el.scrollLeft + el.clientWidth < el.scrollWidth - 1 ? "right" : "";
      return `${left} ${right}`.trim();
    });
    elements.forEach((el, i) => (more[i] ? (el.dataset.more = more[i]) : delete el.dataset.more));
  }
  for (const cell of all(".wide td")) if (cell.textContent.length > 14) cell.classList.add("words");
  function reach() {
    fit(figures);
    const tables = all(".wide");
    const at = tables.map((el) => el.scrollLeft);
    for (const el of tables) el.classList.remove("roomy");
    for (const el of tables.filter(rolls)) el.classList.add("roomy");
    tables.forEach((el, i) => at[i] && (el.scrollLeft = at[i]));
    const may = all(ROLLS);
    const do_ = may.map(rolls);
    may.forEach((el, i) => (do_[i] ? (el.tabIndex = 0) : el.removeAttribute("tabindex")));
    edges(may);
  }
  addEventListener("scroll", ({ target }) => target.matches?.(ROLLS) && edges([target]), { capture: true, passive: true });
  let width = innerWidth; // a phone resizes its window as its bars come and go
  addEventListener("resize", () => {
    if (width === innerWidth) return;
    width = innerWidth;
    reach();
  });
  for (const fold of all("details")) fold.addEventListener("toggle", reach);
  read(root.dataset.read ?? "everything");
  if (new URLSearchParams(location.search).has("read")) keep("read", root.dataset.read);
  root.classList.add("ready");

  // Search: in the sections of all pages, one file, read here. What is in a title counts most, then the equation of that
  // number, then how often the words stand in the text, and whether a letter's name is said there ("beta"); chapters come
  // before the reference.
  const results = document.querySelector("ol.found");
  const WEIGHTS = { api: 0.8, workshop: 0.6, genindex: 0.6, changes: 0.2 };
  const GREEK = { alpha: "α", beta: "β", epsilon: "ε", eps: "ε", lambda: "λ", sigma: "σ", mu: "μ", theta: "θ", eta: "η", rho: "ρ" };
  const fold = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  function marked(text, words) {
    const plain = fold(text);
    if (plain.length !== text.length) return [text];
    const out = [];
    let at = 0;
    for (;;) {
      const next = words.map((w) => [plain.indexOf(w, at), w.length]).filter(([i]) => i >= 0).sort(([a], [b]) => a - b)[0];
      if (!next) return [...out, text.slice(at)];
      out.push(text.slice(at, next[0]), make("mark", { textContent: text.slice(next[0], next[0] + next[1]) }));
      at = next[0] + next[1];
    }
  }
  function score([page, title, uri, text, numbers], words, number) {
    if (numbers.includes(number)) return 1000;
    const [inTitle, inText] = [fold(`${page} ${title}`), fold(text)];
    let sum = 0;
    for (const word of words) {
      const times = inText.split(word).length - 1 + (GREEK[word] ? inText.split(GREEK[word]).length - 1 : 0);
      const named = fold(title).includes(word) ? 12 : inTitle.includes(word) ? 4 : 0;
      if (!times && !named) return 0;
      const said = GREEK[word] && [`"${word}`, `“${word}`].some((name) => inText.includes(name)) ? 2 : 0;
      sum += named + said + Math.min(4, Math.log2(1 + times));
    }
    return sum * (title === "The source" ? 0.5 : WEIGHTS[uri.split(/[/.]/)[0]] ?? 1);
  }
  function find(all, asked) {
    const number = asked.trim().replace(/^[(]|[)]$/g, "");
    const words = fold(asked).split(/[\s,;()]+/).filter(Boolean);
    const shown = [...words, ...words.map((w) => GREEK[w]).filter(Boolean)];
    const found = all
      .map((section) => [score(section, words, number), section])
      .filter(([s]) => s > 0)
      .sort(([a], [b]) => b - a)
      .slice(0, 40);
    document.querySelector(".found-many").textContent = found.length ? `${found.length === 40 ? "The first 40" : found.length} places` : "No section says this.";
    results.replaceChildren(
      ...found.map(([s, [page, title, uri, text, numbers]]) => {
        const folded = fold(text);
        const first = Math.max(0, Math.min(...shown.map((w) => (folded.includes(w) ? folded.indexOf(w) : Infinity))));
        const from = Number.isFinite(first) ? Math.max(0, text.lastIndexOf(" ", Math.max(0, first - 70)) + 1) : 0;
        const [path, hash] = uri.split("#");
        const at = s === 1000 ? `${path}#e${number.replace(".", "-")}` : `${path}?find=${encodeURIComponent(words.join(" "))}${hash ? `#${hash}` : ""}`;
        const link = make("a", { href: at });
        link.append(...marked(title, shown));
        const where = make("span", { className: "found-page", textContent: page === title ? "" : page });
        const says = make("p");
        says.append(from ? "… " : "", ...marked(text.slice(from, from + 240), shown), from + 240 < text.length ? " …" : "");
        const equations = make("span", { className: "found-page", textContent: numbers.length ? `equations ${numbers.map((n) => `(${n})`).join(" ")}` : "" });
        const item = make("li");
        item.append(link, where, says, numbers.length ? equations : "");
        return item;
      }),
    );
  }
  if (results) {
    const field = document.querySelector(".search-here input");
    field.value = new URLSearchParams(location.search).get("q") ?? "";
    let all = [];
    course.sections = (told) => (all = told);
    const now = () => field.value.trim() && find(all, field.value);
    load("sections.js").then(now);
    field.addEventListener("input", now);
    field.form.addEventListener("submit", (event) => {
      event.preventDefault();
      history.replaceState(null, "", `?q=${encodeURIComponent(field.value)}`);
      now();
    });
    if (!field.value) field.focus();
  }
  // Whoever comes from there sees the words marked, in the section that was found.
  const sought = new URLSearchParams(location.search).get("find");
  const searched = sought && ((location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)))) || article);
  if (searched) {
    const words = sought.split(" ").filter((w) => w.length > 1);
    const texts = [];
    const walker = document.createTreeWalker(searched, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("script, style, svg, math, .dm-explorable, summary")) texts.push(walker.currentNode);
    for (const node of texts.slice(0, 4000)) {
      const parts = marked(node.data, words);
      if (parts.length > 1) node.replaceWith(...parts);
    }
  }

  // The front page begins with a digit of one's own; its code comes as a text, since a page may be a file.
  course.hero = async (code, { digits, levels, network }) => {
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const { begin } = await import(url);
    URL.revokeObjectURL(url);
    const picture = (text) => Float32Array.from(atob(text), (c) => c.charCodeAt(0) / 127.5 - 1);
    begin(document.querySelector(".there-and-back"), { digits: digits.map(picture), levels, network });
  };
  if (document.querySelector(".there-and-back")) load("hero.js");
})();
