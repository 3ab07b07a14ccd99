// The text beside an explorable, tied to it. A number that a slider can take ("at β = 0.7") takes it there when it is
// pressed, and can be dragged from there; the text keeps its number, for what it says holds at that one. A symbol that one
// points at lights up in the explorable: its slider, and its name beside a curve. Loaded once the explorables are alive.
(() => {
  const TRAITS = { β: "beta", T: "T", t: "t", ρ: "rho", μ: "mu", σ: "sigma", "σ₁": "sigma1", "σ₂": "sigma2", λ: "log_snr", η: "dial" };
  const SYMBOL = "σ₁|σ₂|σ(?!²)|μ|β|ρ|λ|η|T|t";
  // sliders without a letter: the start of their name, and how the text speaks of them
  const NAMED = { factor: "variances of p", shift: "means of p off", spread: "spread of all", start: "where the thick" };
  const PHRASE = /(variances (?:to|at) |off by |spread of all starts from |start, near |dial (?:down to|at) )([−-]?\d+(?:\.\d+)?)/g;
  const spoken = (words) => ({ variances: "factor", off: "shift", spread: "spread", "start,": "start", dial: "η" })[words.split(" ")[0]];
  const SAID = new RegExp(`(?<![\\p{L}\\d])(${SYMBOL})(?:( = | to | from )([−-]?\\d[\\d,]*(?:\\.\\d+)?)(?![\\d%]))?(?![\\p{L}\\d₀-₉])`, "gu");
  const REACH = 3; // pixels before a press is a drag
  const WIDE = 320; // pixels from one end of a slider to the other

  const make = (tag, values = {}, ...inside) => {
    const element = Object.assign(document.createElement(tag), values);
    element.append(...inside);
    return element;
  };
  const bubble = make("span", { className: "near-bubble", hidden: true });
  bubble.setAttribute("aria-hidden", "true");
  document.body.append(bubble);

  // The paragraphs on both sides of an explorable's cell, up to a heading or to other code.
  function beside(cell) {
    const found = [];
    for (const way of ["previousElementSibling", "nextElementSibling"]) {
      for (let el = cell[way]; el && el.matches("p, ul, ol"); el = el[way]) found.push(el);
    }
    return found;
  }

  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const plain = (text) => Number(text.replace("−", "-").replace(/,/g, ""));

  // A symbol of one explorable: { trait, input: its slider, names: where it is written }.
  function symbols(widget) {
    const all = new Map();
    for (const label of widget.querySelectorAll(".dm-slider label")) {
      const named = Object.keys(NAMED).find((name) => label.textContent.trim().startsWith(NAMED[name]));
      const symbol = label.querySelector(".dm-symbol")?.textContent.trim() ?? named;
      const trait = TRAITS[symbol] ?? named;
      if (!trait || all.has(symbol) || typeof widget.model.get(trait) !== "number") continue;
      const input = document.getElementById(label.htmlFor);
      const keys = [...widget.querySelectorAll(".dm-key")].filter((key) => !named && key.textContent.includes(symbol));
      all.set(symbol, { trait, input, model: widget.model, names: [input.closest(".dm-slider"), ...keys] });
    }
    return all;
  }

  async function put({ trait, input, model }, number) {
    if (trait === "T" && model.get("t") > number) model.set("t", number);
    model.set(trait, number);
    await frame();
    // another mode was on, in which this slider said something else: it is as if one had touched it
    if (plain(input.getAttribute("aria-valuetext").split(" ")[0]) !== number) input.dispatchEvent(new Event("input"));
  }

  function say(chip, { input }) {
    bubble.textContent = input.getAttribute("aria-valuetext");
    bubble.hidden = false;
    const box = chip.getBoundingClientRect();
    bubble.style.left = `${box.left + box.width / 2 + scrollX}px`;
    bubble.style.top = `${box.top + scrollY - 6}px`;
  }

  function chipFor(text, number, one) {
    const chip = make("button", { type: "button", className: "near-number", textContent: text, title: "Press to go there, drag to go on from there" });
    let from = null;
    chip.addEventListener("click", () => {
      if (from?.moved) return;
      put(one, number);
    });
    chip.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      move(Number(one.input.value) + by);
    });
    chip.addEventListener("blur", () => (bubble.hidden = true));
    async function move(position) {
      one.input.value = position; // the slider keeps to its ends
      one.input.dispatchEvent(new Event("input"));
      await frame();
      say(chip, one);
    }
    chip.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      from = { x: event.clientX, at: null, moved: false };
      chip.setPointerCapture(event.pointerId);
    });
    chip.addEventListener("pointermove", async (event) => {
      if (!from || !chip.hasPointerCapture(event.pointerId)) return;
      const by = event.clientX - from.x;
      if (!from.moved && Math.abs(by) < REACH) return;
      if (!from.moved) {
        from.moved = true;
        await put(one, number);
        await frame();
        from.at = Number(one.input.value);
      }
      if (from.at !== null) move(Math.round(from.at + (by / WIDE) * Number(one.input.max)));
    });
    for (const end of ["pointerup", "pointercancel"]) chip.addEventListener(end, () => (bubble.hidden = true));
    return chip;
  }

  function light(on, names) {
    for (const name of names) name.classList.toggle("near-lit", on);
  }
  function lights(el, names) {
    el.addEventListener("pointerenter", () => light(true, names));
    el.addEventListener("pointerleave", () => light(false, names));
    el.addEventListener("focus", () => light(true, names));
    el.addEventListener("blur", () => light(false, names));
    return el;
  }

  function tie(paragraph, known) {
    const walker = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT, (node) =>
      node.parentElement.closest("a, code, svg, button, .formula, .together") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
    );
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts) {
      const parts = [];
      let at = 0;
      const phrases = [...text.data.matchAll(PHRASE)].map(({ index, 0: all, 1: words, 2: number }) => ({ index, all, words, number }));
      const said = [...text.data.matchAll(SAID)].map(({ index, 0: all, 1: symbol, 2: between, 3: number }) => ({ index, all, symbol, between, number }));
      for (const found of [...phrases, ...said].sort((a, b) => a.index - b.index)) {
        const { all, words, symbol, between, number } = found;
        const one = known.get(symbol ?? spoken(words));
        if (!one || found.index < at) continue;
        parts.push(text.data.slice(at, found.index));
        const name = words ?? lights(make("span", { className: "near-symbol", textContent: symbol }), one.names);
        if (number === undefined) parts.push(name);
        else if (between === " = ") parts.push(lights(chipFor(all, plain(number), one), one.names));
        else parts.push(name, between ?? "", lights(chipFor(number, plain(number), one), one.names));
        at = found.index + all.length;
      }
      if (at) text.replaceWith(...parts, text.data.slice(at));
    }
  }

  for (const widget of document.querySelectorAll("[data-widget]")) {
    const cell = widget.closest("div.cell");
    const known = symbols(widget);
    if (cell && known.size) for (const paragraph of beside(cell)) tie(paragraph, known);
  }
})();
