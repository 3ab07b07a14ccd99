// The text beside an explorable, tied to it. A number that a slider can take ("at β = 0.7") takes it there when it is
// pressed, and can be dragged from there; the text keeps its number, for what it says holds at that one. A symbol that one
// points at, in the text or in a formula, lights up in the explorable: its slider, its name beside a curve, and what stands
// for it in the picture (its mark). Loaded once the explorables are alive.
(() => {
  const TRAITS = { β: "beta", T: "T", t: "t", ρ: "rho", μ: "mu", σ: "sigma", "σ₁": "sigma1", "σ₂": "sigma2", λ: "log_snr", η: "dial" };
  const SYMBOL = "σ₁|σ₂|σ(?!²)|μ|β|ρ|λ|η|Σ|T|t";
  // sliders without a letter: the start of their name, and how the text speaks of them
  const NAMED = { factor: "variances of p", shift: "means of p off", spread: "spread of all", start: "where the thick" };
  const PHRASE = /(variances (?:to|at) |off by |spread of all starts from |start, near |dial (?:down to|at) )([−-]?\d+(?:\.\d+)?)/g;
  const spoken = (words) => ({ variances: "factor", off: "shift", spread: "spread", "start,": "start", dial: "η" })[words.split(" ")[0]];
  const SAID = new RegExp(`(?<![\\p{L}\\d'’])(${SYMBOL})(?:( = | to | from )([−-]?\\d[\\d,]*(?:\\.\\d+)?)(?![\\d%]))?(?![\\p{L}\\d₀-₉])`, "gu");
  const REACH = 3; // pixels before a press is a drag
  const WIDE = 320; // pixels from one end of a slider to the other
  const CLOSE = 3; // pixels beside a symbol of a formula that are still the symbol

  const make = (tag, values = {}, ...inside) => {
    const element = Object.assign(document.createElement(tag), values);
    element.append(...inside);
    return element;
  };
  const bubble = make("span", { className: "near-bubble", hidden: true });
  bubble.setAttribute("aria-hidden", "true");
  document.body.append(bubble);

  // The paragraphs and formulas on both sides of an explorable's cell, up to a heading or to other code.
  const BLOCKS = "p, ul, ol, .equation"; // which one reads as the text beside it; the others end it
  const ENDS = "h1, h2, h3, div.cell, table, details, blockquote, pre";
  const WITHIN = "p, li, details, table, blockquote, pre, .dm-explorable, .cell_output, .output";
  function beside(widget) {
    const cell = widget.closest("div.cell") ?? widget;
    const outside = (el) => !el.parentElement.closest(WITHIN) && !el.contains(widget) && !cell.contains(el);
    const blocks = [...document.querySelectorAll(`${BLOCKS}, ${ENDS}, [data-widget]`)].filter((el) => el === widget || outside(el));
    const at = blocks.indexOf(widget);
    const found = [];
    for (const way of [-1, 1]) {
      for (let i = at + way; blocks[i]?.matches(BLOCKS); i += way) found.push(blocks[i]);
    }
    return found;
  }

  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const plain = (text) => Number(text.replace("−", "-").replace(/,/g, ""));
  const letters = (symbol) => symbol.normalize("NFKC").replace(/_/g, ""); // x_t and σ₁ as xt and σ1

  // A symbol of one explorable: { trait, input: its slider, names: where it is written, mark: what stands for it }. One
  // that has no slider has only a mark.
  function symbols(widget) {
    const all = new Map();
    const { marks = {}, light } = widget.querySelector(".dm-explorable")?.explorable ?? {};
    for (const label of widget.querySelectorAll(".dm-slider label")) {
      const named = Object.keys(NAMED).find((name) => label.textContent.trim().startsWith(NAMED[name]));
      const symbol = label.querySelector(".dm-symbol")?.textContent.trim() ?? named;
      const trait = TRAITS[symbol] ?? named;
      if (!trait || all.has(symbol) || typeof widget.model.get(trait) !== "number") continue;
      const input = document.getElementById(label.htmlFor);
      const keys = [...widget.querySelectorAll(".dm-key")].filter((key) => !named && key.textContent.includes(symbol));
      all.set(symbol, { trait, input, model: widget.model, names: [input.closest(".dm-slider"), ...keys] });
    }
    for (const [symbol, mark] of Object.entries(marks)) {
      all.set(symbol, { names: [], ...all.get(symbol), mark, light });
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

  // One symbol is lit at a time. What a finger has lit stays lit until it taps elsewhere.
  let lit = null;
  function light(one) {
    if (one === lit) return;
    for (const name of lit?.names ?? []) name.classList.remove("near-lit");
    lit?.light?.(null);
    lit = one;
    for (const name of lit?.names ?? []) name.classList.add("near-lit");
    if (lit?.mark) lit.light(lit.mark);
  }
  addEventListener("pointerdown", ({ target }) => target.closest?.(".near-symbol, .near-formula, .near-number") || light(null));
  addEventListener("keydown", ({ key }) => key === "Escape" && light(null));
  const leaves = ({ pointerType }) => pointerType !== "touch" && light(null);
  function lights(el, one) {
    el.addEventListener("pointerenter", () => light(one));
    el.addEventListener("pointerleave", leaves);
    el.addEventListener("focus", () => light(one));
    el.addEventListener("blur", () => light(null));
    return el;
  }

  // What a glyph of a formula says, with its index: "x", or "xt" where a t hangs below it. MathJax puts both into a group.
  const glyph = (use) => String.fromCodePoint(parseInt(use.getAttribute("href").split("-").pop(), 16) || 32).normalize("NFKC");
  const spell = (el) => [...el.querySelectorAll("use")].map(glyph).join("");
  function spelt(use) {
    const below = /translate\([^,]+,-/;
    let [base, index] = [use.parentElement, null];
    for (let up = use.parentElement; up && up.localName === "g" && !index; up = up.parentElement) {
      const [next, last] = [up.nextElementSibling, up.previousElementSibling];
      if (below.test(up.getAttribute("transform") ?? "") && /scale/.test(up.getAttribute("transform")) && last) [base, index] = [last, up];
      else if (next && spell(up) === glyph(use) && below.test(next.getAttribute("transform") ?? "") && /scale/.test(next.getAttribute("transform"))) index = next;
    }
    return index ? [spell(base) + spell(index), spell(base)] : [glyph(use)];
  }

  // A formula whose symbols light up: by pointer each of them, by key one after another with the arrows.
  function formula(el, known, met) {
    const parts = [];
    for (const use of el.querySelectorAll("svg use")) {
      const one = spelt(use).map((word) => known.get(word)).find(Boolean);
      if (one) parts.push({ use, one });
    }
    if (!parts.length) return;
    el.classList.add("near-formula");
    let at = 0;
    const show = (part) => {
      for (const { use } of parts) use.classList.toggle("near-glyph", Boolean(part) && use === part.use);
      light(part?.one ?? null);
    };
    el.addEventListener("pointermove", ({ clientX: x, clientY: y }) => {
      const holds = ({ left, right, top, bottom }) => x > left - CLOSE && x < right + CLOSE && y > top - CLOSE && y < bottom + CLOSE;
      show(parts.find(({ use }) => holds(use.getBoundingClientRect())));
    });
    el.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && show(null));
    if (parts.every(({ one }) => met.has(one))) return; // one stop of the Tab key for each symbol is enough
    for (const { one } of parts) met.add(one);
    el.tabIndex = 0;
    el.addEventListener("focus", () => show(parts[(at = 0)]));
    el.addEventListener("blur", () => show(null));
    el.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      show(parts[(at = (at + by + parts.length) % parts.length)]);
    });
  }

  const spaced = /^[a-z ]{3,}$/; // a mark that is a word
  function tie(paragraph, known, met) {
    const words = [...known.keys()].filter((name) => spaced.test(name) && known.get(name).mark);
    const WORD = words.length && new RegExp(`(?<![\\p{L}\\d])(${words.sort((a, b) => b.length - a.length).join("|")})(?![\\p{L}\\d])`, "gu");
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
      const spoke = WORD ? [...text.data.matchAll(WORD)].map(({ index, 0: all }) => ({ index, all, symbol: all })) : [];
      for (const found of [...phrases, ...said, ...spoke].sort((a, b) => a.index - b.index)) {
        const { words, symbol, between } = found;
        const one = known.get(symbol ?? spoken(words));
        if (!one || found.index < at) continue;
        const number = one.input ? found.number : undefined;
        const all = number === undefined && !words ? symbol : found.all;
        if (words && number === undefined) continue;
        parts.push(text.data.slice(at, found.index));
        const name = words ?? lights(make("span", { className: "near-symbol", textContent: symbol }), one);
        if (number === undefined) {
          parts.push(name);
          if (!met.has(one)) name.tabIndex = 0;
          met.add(one);
        } else if (between === " = ") parts.push(lights(chipFor(all, plain(number), one), one));
        else parts.push(name, between ?? "", lights(chipFor(number, plain(number), one), one));
        at = found.index + all.length;
      }
      if (at) text.replaceWith(...parts, text.data.slice(at));
    }
  }

  for (const widget of document.querySelectorAll("[data-widget]")) {
    const known = symbols(widget);
    if (!known.size) continue;
    const [spelled, met] = [new Map([...known].map(([symbol, one]) => [letters(symbol), one])), new Set()];
    for (const block of beside(widget)) {
      if (block.matches(":not(.equation)")) tie(block, known, met);
      for (const el of block.querySelectorAll(".formula")) formula(el, spelled, met);
    }
  }
})();
