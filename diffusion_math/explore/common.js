// What every explorable shares: the frame it lives in, its controls and its canvases. The mathematics is in laws.js.
//
// anywidget loads a front end from a Blob, where a relative import has nothing to be relative to. So Python joins this
// file, what else an explorable imports and its own into one module, and drops the lines that import. There is no build
// step: what you read here is what the browser runs.

// ---------------------------------------------------------------------------------------------------------- elements

// h("p", { class: "note" }, "text", child): an element with its attributes and children.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity));
  return element;
}

// Mathematics in running text: {x} is a variable, _2_ a subscript, |3| the root of 3.
export function maths(text) {
  const kinds = { "{": "i", _: "sub", "|": "span" };
  return text
    .split(/(\{[^}]*\}|_[^_]*_|\|[^|]*\|)/)
    .filter(Boolean)
    .flatMap((part) => {
      const tag = part.length > 1 && kinds[part[0]];
      if (!tag) return [part];
      const element = h(tag, { class: "dm-maths" }, ...maths(part.slice(1, -1)));
      return tag === "span" ? ["\u221a", element] : [element];
    });
}

const unique = () => `dm-${Math.random().toString(36).slice(2)}`;

// JupyterLab's shortcuts would take the arrow keys from a control, unless the control itself says this.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

const write = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

// ---------------------------------------------------------------------------------------------------------- the frame

// An explorable's frame in `el`, with its title above it, and a task: something to do, and what to look at meanwhile; the
// answer, what there is to find, stands folded below. Its state is a copy of the model's traits named in `traits`. marks:
// what stands for a symbol, or for a word, of the text beside it, as { symbol: the name of a mark }.
//
//   ui.state                     what is shown now
//   ui.set(changes, event)       the reader moved something: draw at once, tell the kernel at the next animation frame
//   ui.reset(event)              everything back to where it started, the model's `_start`
//   ui.start(draw, words)        draw(state, colours) draws everything; words(state) says it in one or two sentences
//   ui.redraw(event)             draw again: something moved that is no trait
//   ui.mark(context, name, f)    f paints what a mark stands for; a halo lies below it while the reader points at its symbol
//   ui.lit()                     the name of the mark that is lit, or null
//   ui.resized(element, f)       call f(width) when the element's width changes, then draw
//   ui.listen(target, event, f)  a listener that goes when the explorable goes
//   ui.phone                     { first, show, move }, set before start: on a phone the elements of `show` and, right below
//                                them, those of `move` (or sliders, by the start of their label) stay together on the screen;
//                                `first` stands above them, and all else is folded. Without it: the first figure and slider.
//   ui.close()                   what `render` returns; ui.signal is aborted then
//
// Only the newest state is sent, and only what changed: a drag of two hundred moves leaves nothing in a queue.
export function explorable(model, el, { title, task, answer, traits, marks = {} }) {
  const stop = new AbortController();
  const live = h("p", { class: "dm-hidden", "aria-live": "polite" });
  const head = h("div", { class: "dm-head" }, h("p", { class: "dm-title" }, title), task ? h("p", { class: "dm-task" }, maths(task)) : []);
  const root = h("div", { class: "dm-explorable", role: "group", "aria-label": title }, head);
  const state = {};
  const timings = [];
  const sizes = new Map();
  let draw = () => {};
  let words = () => "";
  let palette = {};
  let frame = 0;
  let later = 0;
  let talk = 0;
  let unsent = false;
  let stale = false;
  let lit = null;

  const read = () => traits.forEach((name) => (state[name] = model.get(name)));

  function show(event) {
    if (stop.signal.aborted) return;
    if (!palette.ink) palette = colours(root); // outside the document, where JupyterLab starts us, there are none
    draw(state, palette);
    if (event) {
      timings.push({ type: event.type, from: event.timeStamp, to: performance.now() });
      if (timings.length > 1000) timings.shift();
    }
    clearTimeout(talk);
    talk = setTimeout(() => write(live, words(state)), 400); // a drag should not be read aloud move by move
  }

  function save() {
    cancelAnimationFrame(frame);
    frame = 0;
    if (unsent) model.save_changes();
    unsent = false;
  }

  function set(changes, event) {
    Object.assign(state, changes);
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    unsent = true;
    frame ||= requestAnimationFrame(save);
    show(event);
  }

  // Several traits may change in one message: draw once, after the last.
  function heard() {
    if (stale || traits.every((name) => model.get(name) === state[name])) return;
    stale = true;
    queueMicrotask(() => {
      stale = false;
      if (traits.every((name) => model.get(name) === state[name])) return; // our own move, already drawn
      read();
      show();
    });
  }

  function listen(target, type, f, options = {}) {
    target.addEventListener(type, f, { ...options, signal: stop.signal });
  }

  const observer = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) sizes.get(target)(contentRect.width);
    later ||= requestAnimationFrame(() => {
      later = 0;
      show();
    });
  });

  function resized(element, f) {
    sizes.set(element, f);
    observer.observe(element);
  }

  function start(drawing, saying) {
    [draw, words] = [drawing, saying];
    read();
    if (answer) root.append(h("details", { class: "dm-found" }, h("summary", OWN_KEYS, "Show what there is to find"), h("p", {}, maths(answer))));
    root.append(live);
    foldOnPhone(root, ui.phone, stop.signal);
    el.append(root);
    watchTheme(root, stop.signal, () => {
      palette = colours(root);
      show();
    });
    write(live, words(state));
  }

  // Light what a mark stands for and nothing else: what is painted under its name, and the elements that carry it.
  function light(name) {
    if (name === lit) return;
    lit = name;
    for (const one of root.querySelectorAll("[data-mark]")) one.classList.toggle("dm-lit", one.dataset.mark === name);
    if (palette.ink) draw(state, palette);
  }

  function mark(context, name, paint) {
    if (name === lit) {
      context.save();
      [context.shadowColor, context.shadowBlur] = [palette.lit, 9 * (window.devicePixelRatio || 1)];
      for (let i = 0; i < 4; i++) paint(); // one shadow is faint
      context.restore();
    }
    paint();
  }

  // A key points at what it names, as a symbol of the text does.
  const named = (event) => event.target.closest("[data-mark]");
  listen(root, "pointerover", (event) => named(event) && light(named(event).dataset.mark));
  listen(root, "pointerout", (event) => named(event) && light(null));

  function close() {
    save();
    stop.abort();
    observer.disconnect();
    cancelAnimationFrame(later);
    clearTimeout(talk);
    traits.forEach((name) => model.off(`change:${name}`, heard));
    root.remove();
  }

  traits.forEach((name) => model.on(`change:${name}`, heard));
  read();
  root.explorable = { state, timings, marks, light }; // for the text beside it, for tests and timings
  const reset = (event) => set({ ...model.get("_start") }, event);
  const ui = { root, state, set, reset, start, redraw: show, mark, lit: () => lit, resized, listen, close, signal: stop.signal, phone: {} };
  return ui;
}

// A phone's screen holds one picture and what moves it: they are put together, and go back where it grows wide.
function foldOnPhone(root, { first = [], show, move }, signal) {
  const narrow = matchMedia("(max-width: 520px)");
  const labelled = (words) => [...root.querySelectorAll(".dm-slider")].find((el) => el.textContent.trim().startsWith(words));
  const firstFigure = [...root.querySelectorAll("figure")].find((el) => el.querySelector("canvas"));
  const shown = (show ?? [firstFigure]).filter(Boolean);
  const moved = (move ?? [root.querySelector(".dm-slider")]).map((one) => (typeof one === "string" ? labelled(one) : one)).filter(Boolean);
  const undo = [];
  function take(el, to) {
    const mark = document.createComment("");
    el.replaceWith(mark);
    to.append(el);
    undo.push(() => mark.replaceWith(el));
  }
  function follow() {
    while (undo.length) undo.pop()();
    if (!narrow.matches || !shown.length) return;
    const head = root.querySelector(".dm-head");
    const stage = h("div", { class: "dm-stage" });
    const rest = h("details", { class: "dm-rest" }, h("summary", OWN_KEYS, "More to move and to see"));
    const others = [...root.children].filter((el) => el !== head && !el.matches(".dm-found, .dm-hidden"));
    const parts = [...first.map((el) => h("div", { class: "dm-row" })), stage, rest];
    undo.push(() => parts.forEach((el) => el.remove()));
    first.forEach((el, i) => take(el, parts[i]));
    for (const el of [...shown, ...moved]) take(el, stage);
    for (const el of others) if (!first.includes(el) && !shown.includes(el) && !moved.includes(el)) take(el, rest);
    head.after(...parts);
  }
  narrow.addEventListener("change", follow, { signal });
  follow();

  // While something of the rest is dragged, the picture comes along, if it leaves the finger free.
  const hold = ({ target, clientY }) => {
    const stage = root.querySelector(".dm-stage");
    if (stage && target.closest(".dm-rest .dm-range") && clientY > stage.offsetHeight + 70) stage.classList.add("dm-held");
  };
  const leave = () => root.querySelector(".dm-held")?.classList.remove("dm-held");
  root.addEventListener("pointerdown", hold, { signal });
  for (const type of ["pointerup", "pointercancel"]) root.addEventListener(type, leave, { signal });
}

// ----------------------------------------------------------------------------------------------------- light and dark

function isDark() {
  const { jpThemeLight } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "false"; // JupyterLab and Notebook say so
  const { classList } = document.body;
  if (classList.contains("vscode-light") || classList.contains("vscode-high-contrast-light")) return false;
  if (classList.contains("vscode-dark") || classList.contains("vscode-high-contrast")) return true;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

// Set root's data-theme, now and whenever the page's theme changes, and call f.
function watchTheme(root, signal, f) {
  const follow = () => {
    root.dataset.theme = isDark() ? "dark" : "light";
    f();
  };
  const observer = new MutationObserver(follow);
  observer.observe(document.body, { attributes: true, attributeFilter: ["class", "data-jp-theme-light"] });
  signal.addEventListener("abort", () => observer.disconnect());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", follow, { signal });
  follow();
}

// The colours of explore.css as a canvas needs them, and the font.
function colours(root) {
  const style = getComputedStyle(root);
  const names = ["data", "noise", "q", "p", "accent", "ink", "soft", "rule", "paper", "lit"];
  const palette = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--dm-${name}`).trim()]));
  return { ...palette, font: style.fontFamily };
}

// The colour a share of the way from the hex colour a to b.
export function blend(a, b, share) {
  const part = (colour, i) => parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  return `rgb(${[0, 1, 2].map((i) => Math.round(part(a, i) + share * (part(b, i) - part(a, i)))).join(" ")})`;
}

// ----------------------------------------------------------------------------------------------------------- controls

// A native range input with its label, its value in words, and marks under it. change(position, event).
// marks: [[position, text], ...]. put({ position, text, max, marks }) moves it without calling change.
export function slider(ui, { symbol = "", name, max = 1, marks = [], change }) {
  const id = unique();
  const input = h("input", { id, type: "range", min: 0, max, step: 1, class: "dm-range", ...OWN_KEYS });
  const value = h("span", { class: "dm-value", "aria-hidden": "true" }); // aria-valuetext has it for those who listen
  const under = h("div", { class: "dm-marks", "aria-hidden": "true" });
  let marked = "";

  function put({ position, text, max = Number(input.max), marks }) {
    if (Number(input.max) !== max) input.max = max;
    if (Number(input.value) !== position) input.value = position;
    input.style.setProperty("--dm-at", max ? position / max : 0);
    if (input.getAttribute("aria-valuetext") !== text) input.setAttribute("aria-valuetext", text);
    write(value, text);
    if (marks) mark(marks, max);
  }

  function mark(marks, max) {
    if (marked === (marked = JSON.stringify([marks, max]))) return;
    under.replaceChildren(...marks.map(([at, text]) => h("span", { style: `--dm-at: ${max ? at / max : 0}` }, text)));
  }

  mark(marks, max);
  ui.listen(input, "input", (event) => change(Number(input.value), event));
  const title = h("label", { for: id }, symbol ? h("i", { class: "dm-symbol" }, symbol) : "", ` ${name}`);
  const el = h("div", { class: "dm-slider" }, h("div", { class: "dm-line" }, title, value), input, under);
  return { el, input, put };
}

// A slider over the numbers low, low + step, ..., high. text(value) says one; change(value, event); put(value, options).
export function dial(ui, { low, high, step, text = number, ends = [low, high], change, ...rest }) {
  const count = Math.round((high - low) / step);
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)); // 0.05 has two
  const value = (i) => Number((low + i * step).toFixed(digits));
  const place = (v) => Math.round((v - low) / step);
  const marks = ends.map((end) => [place(end), text(end)]);
  const inner = slider(ui, { max: count, marks, change: (i, event) => change(value(i), event), ...rest });
  const put = (v, options = {}) => inner.put({ position: place(v), text: text(v), ...options });
  return { ...inner, put };
}

// A drop-down list. options: [[value, text], ...]; change(value, event).
export function choice(ui, { name, options, change }) {
  const id = unique();
  const list = options.map(([value, text]) => h("option", { value }, text));
  const select = h("select", { id, class: "dm-select", ...OWN_KEYS }, list);
  ui.listen(select, "change", (event) => change(select.value, event));
  const put = (value) => {
    if (select.value !== value) select.value = value;
  };
  return { el: h("div", { class: "dm-choice" }, h("label", { for: id }, name), select), select, put };
}

// One of a row of small pictures: a radio group. pictures: canvases with an aria-label; change(index, event).
export function pick(ui, { name, pictures, change }) {
  const group = unique();
  const inputs = pictures.map((picture, value) =>
    h("input", { type: "radio", name: group, value, class: "dm-hidden", ...OWN_KEYS }),
  );
  inputs.forEach((input, i) => ui.listen(input, "change", (event) => change(i, event)));
  const row = inputs.map((input, i) => h("label", { class: "dm-pick" }, input, pictures[i]));
  const put = (index) => {
    if (!inputs[index].checked) inputs[index].checked = true;
  };
  return { el: h("fieldset", { class: "dm-picks" }, h("legend", {}, name), row), inputs, put };
}

export function button(ui, text, press) {
  const el = h("button", { type: "button", class: "dm-button", ...OWN_KEYS }, text);
  ui.listen(el, "click", press);
  return el;
}

const SLOP = 6; // pixels that a finger may wander before it is on its way

// What a pointer does on an element: take(event) says what is held there, or null; move(held, event) moves it; drop() is
// called when it is let go. A finger that swipes up or down scrolls the page, as it does everywhere else: nothing moves
// until it goes sideways, or is lifted where it came down. Where firm(held) the finger has taken hold of something that
// can go any way, and the page stays.
function pointer(ui, element, { take, move, drop = () => {}, firm = () => false }) {
  let [held, from] = [null, null]; // `from`: where a finger came down that may yet be on its way to scroll
  const let_go = () => {
    const was = held;
    held = from = null;
    if (was !== null) drop();
  };
  ui.listen(element, "pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    held = take(event);
    if (held === null) return;
    element.setPointerCapture(event.pointerId);
    from = event.pointerType === "touch" && !firm(held) ? [event.clientX, event.clientY] : null;
    if (!from) move(held, event);
  });
  ui.listen(element, "pointermove", (event) => {
    if (held === null || !element.hasPointerCapture(event.pointerId)) return;
    if (from) {
      const [across, down] = [event.clientX - from[0], event.clientY - from[1]].map(Math.abs);
      if (Math.max(across, down) < SLOP) return;
      if (down >= across) return let_go();
      from = null;
    }
    move(held, event);
  });
  ui.listen(element, "pointerup", (event) => {
    if (held !== null && from) move(held, event); // a tap
    let_go();
  });
  ui.listen(element, "pointercancel", let_go); // the page scrolls
  ui.listen(element, "lostpointercapture", let_go);
  const stay = (event) => held !== null && firm(held) && event.cancelable && event.preventDefault();
  ui.listen(element, "touchstart", stay, { passive: false });
}

// The pointer on an element as a share of its width: move(share, event), 0 at its left edge and 1 at its right, less
// the pixels inset() = [left, right]. Whatever can be done so must be possible by keyboard elsewhere.
export function scrub(ui, element, inset, move) {
  const at = (event) => {
    const box = element.getBoundingClientRect();
    const [left, right] = inset();
    move(Math.min(1, Math.max(0, (event.clientX - box.left - left) / (box.width - left - right))), event);
  };
  element.classList.add("dm-scrub");
  pointer(ui, element, { take: () => 0, move: (_, event) => at(event) });
}

// The pointer on a plot, in the plot's own numbers. take(x, y, event) says what is there to hold, or null;
// move(held, x, y, event) moves it; drop() lets it go; where firm(held), a finger that holds it does not scroll the page.
// Whatever can be done so must be possible by keyboard elsewhere.
export function grab(ui, { canvas, at }, { take, move, drop, firm }) {
  canvas.classList.add("dm-grab");
  pointer(ui, canvas, {
    take: (event) => take(...at(event), event),
    move: (held, event) => move(held, ...at(event), event),
    drop,
    firm,
  });
}

// A button that plays. step(event) is called at every frame while it plays (event.first at the first), and returns false
// to end. Where less motion is asked for, nothing moves by itself: a press calls leap(event) once, which goes a good way
// at a time.
export function player(ui, { play = "Play", pause = "Pause", leap: [word, leap], step }) {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const el = button(ui, play, (event) => (still.matches ? leap(event) : running ? stop() : start()));
  let [running, first] = [0, true];

  const label = () => write(el, still.matches ? word : running ? pause : play);
  function stop() {
    cancelAnimationFrame(running);
    running = 0;
    label();
  }
  function start() {
    first = true;
    running = requestAnimationFrame(turn);
    label();
  }
  function turn(now) {
    running = requestAnimationFrame(turn);
    const event = { type: "frame", timeStamp: performance.now(), now, first };
    first = false;
    if (!el.isConnected || step(event) === false) stop();
  }
  still.addEventListener("change", stop, { signal: ui.signal });
  ui.signal.addEventListener("abort", stop);
  label();
  return { el, stop, playing: () => running !== 0 };
}

// A list of names and numbers: put([text, ...]).
export function readout(names) {
  const places = names.map(() => h("dd"));
  const el = h("dl", { class: "dm-readout" }, names.map((name, i) => h("div", {}, h("dt", {}, name), places[i])));
  return { el, put: (texts) => texts.forEach((text, i) => write(places[i], text)) };
}

// What a colour stands for, in words.
export const key = (kind, ...parts) => h("span", { class: `dm-key dm-key-${kind}` }, ...parts);

// The same of something that is painted under a mark's name.
export function keyOf(mark, kind, ...parts) {
  const el = key(kind, ...parts);
  el.dataset.mark = mark;
  return el;
}

// changed("name", ...needs) is true when the needs under that name are not what they were the last time.
export function memory() {
  const known = new Map();
  return (name, ...needs) => {
    const before = known.get(name);
    known.set(name, needs);
    return !before || before.some((value, i) => value !== needs[i]);
  };
}

// A number in about three digits.
export function number(value, digits = 3) {
  return String(Number(value.toPrecision(digits))).replaceAll("-", "\u2212");
}

// ----------------------------------------------------------------------------------------------------------- pictures

// Grey for a value: low is black, high is white, beyond them the nearest of the two.
export const grey = (value, low = -1, high = 1) =>
  Math.round((255 * (Math.min(high, Math.max(low, value)) - low)) / (high - low));

// A canvas of exactly the image's pixels, which CSS enlarges. paint(values) fills it.
export function picture({ height, width, alt, className = "" }) {
  const canvas = h("canvas", { height, width, role: "img", "aria-label": alt, class: `dm-pixels ${className}` });
  const context = canvas.getContext("2d");
  const data = context.createImageData(width, height);
  data.data.fill(255);
  canvas.paint = (values) => {
    for (let i = 0; i < width * height; i++) data.data.fill(grey(values[i]), 4 * i, 4 * i + 3);
    context.putImageData(data, 0, 0);
  };
  return canvas;
}

// A canvas as wide as its place, sharp at any density of screen, with axes.
//   const p = plot(ui, { alt, height });   p.area({ x: [0, 20], y: [0, 1], xTicks, yTicks, xLabel }, colours, paint)
// paint(context, X, Y) draws inside the axes; X and Y take data to pixels. ratio, width over height, instead of height.
// area(..., still): still.paint draws below paint, axes and all, and again only when something in still.needs changed.
// p.at(event) is where the pointer is, in the axes' numbers; canvas.place(x, y) is where such a point is on the canvas.
export function plot(ui, { alt, height = 190, ratio, left = 34, right = 16, top = 8, bottom = 34 }) {
  const shape = ratio ? `aspect-ratio: ${ratio}` : `height: ${height}px`;
  const canvas = h("canvas", { role: "img", "aria-label": alt, class: "dm-plot", style: shape });
  let [width, tall, frame] = [0, height, null];
  ui.resized(canvas, (w) => ([width, tall] = [w, ratio ? w / ratio : canvas.clientHeight || height]));
  const X = (v) => left + ((v - frame.x[0]) / (frame.x[1] - frame.x[0])) * (width - left - right);
  const Y = (v) => tall - bottom - ((v - frame.y[0]) / (frame.y[1] - frame.y[0])) * (tall - top - bottom);
  const changed = memory();
  let below = null;

  function area(given, colours, paint, still) {
    if (!width) return;
    frame = given;
    const dense = window.devicePixelRatio || 1;
    const size = [Math.round(width * dense), Math.round(tall * dense)];
    if (still && changed("still", ...size, dense, colours, ...still.needs)) {
      below ||= h("canvas");
      onto(below, size, dense, colours, still.paint);
    }
    onto(canvas, size, dense, colours, paint, still && below);
  }

  function onto(canvas, size, dense, colours, paint, behind) {
    const context = canvas.getContext("2d");
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, tall);
    if (behind) context.drawImage(behind, 0, 0, size[0] / dense, size[1] / dense);
    else axes(context, { X, Y, bottom: tall - bottom, ...frame }, colours);
    context.save();
    context.beginPath();
    context.rect(left - 6, top - 6, width - left - right + 12, tall - top - bottom + 12);
    context.clip();
    paint(context, X, Y);
    context.restore();
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    const across = (event.clientX - box.left - left) / (width - left - right);
    const up = (tall - bottom - (event.clientY - box.top)) / (tall - top - bottom);
    const between = ([low, high], share) => low + share * (high - low);
    return [between(frame.x, across), between(frame.y, up)];
  }
  canvas.place = (x, y) => [X(x), Y(y)];
  return { canvas, area, at, inset: () => [left, right] };
}

// A square plot: axis pixels where the numbers of an axis stand, edge pixels where none do.
export const plane = (ui, alt, axis = 36, edge = 10) =>
  plot(ui, { alt, ratio: 1, left: axis, bottom: axis, right: edge, top: edge });

function axes(context, { X, Y, x, y, xTicks = [], yTicks = [], xLabel = "", yLabel = "", bottom }, colours) {
  const line = (x0, y0, x1, y1) => {
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
  };
  context.font = `11px ${colours.font}`;
  context.lineWidth = 1;
  context.strokeStyle = colours.rule;
  context.fillStyle = colours.soft;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of yTicks) {
    line(X(x[0]), Math.round(Y(tick)) + 0.5, X(x[1]), Math.round(Y(tick)) + 0.5);
    context.fillText(number(tick), X(x[0]) - 6, Y(tick));
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const tick of xTicks) {
    line(X(tick), bottom, X(tick), bottom + 4);
    context.fillText(number(tick, 6), X(tick), bottom + 6);
  }
  context.fillText(xLabel, (X(x[0]) + X(x[1])) / 2, bottom + 20);
  if (!yLabel) return;
  context.save();
  context.translate(3, (Y(y[0]) + Y(y[1])) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(yLabel, 0, 0);
  context.restore();
}

// A picture of columns x rows shares in 0..1 that fills the plot, row 0 at the bottom. fill(shares, [from, to]) paints it
// from one colour to the other; draw(context, left, top, width, height) shows it, so that a drag over it costs nothing.
export function heat(columns, rows) {
  const canvas = h("canvas", { width: columns, height: rows });
  const data = new ImageData(columns, rows);
  const [pixels, levels] = [new Uint32Array(data.data.buffer), new Uint32Array(256)];
  const bytes = new Uint8ClampedArray(levels.buffer); // four bytes of a level are a pixel, on any machine

  function fill(shares, ends) {
    const [from, to] = ends.map((colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)));
    for (let level = 0; level < 256; level++) {
      for (let c = 0; c < 3; c++) bytes[4 * level + c] = from[c] + (level / 255) * (to[c] - from[c]);
      bytes[4 * level + 3] = 255;
    }
    for (let j = 0; j < rows; j++) {
      const [row, at] = [j * columns, (rows - 1 - j) * columns];
      for (let i = 0; i < columns; i++) pixels[at + i] = levels[Math.floor(255 * shares[row + i] + 0.5)];
    }
    canvas.getContext("2d").putImageData(data, 0, 0);
  }
  return { fill, draw: (context, left, top, width, height) => context.drawImage(canvas, left, top, width, height) };
}

// A line through points [[x, y], ...] of the plot.
export function curve(context, X, Y, points, { colour, width = 2, dash = [] }) {
  context.beginPath();
  points.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](X(x), Y(y)));
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.setLineDash(dash);
  context.stroke();
  context.setLineDash([]);
}

export function dot(context, x, y, { colour, ring, radius = 4.5 }) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  if (ring) {
    context.strokeStyle = ring;
    context.lineWidth = 1.5;
    context.stroke();
  }
}

// Add an arrow's shaft to the context's path, and its head to `heads`, a Path2D: many are then drawn at once.
export function aim(context, heads, x0, y0, x1, y1, head) {
  const angle = Math.atan2(y1 - y0, x1 - x0);
  const tip = Math.min(head, Math.hypot(x1 - x0, y1 - y0));
  context.moveTo(x0, y0);
  context.lineTo(x1 - 0.7 * tip * Math.cos(angle), y1 - 0.7 * tip * Math.sin(angle));
  heads.moveTo(x1, y1);
  for (const side of [-0.5, 0.5]) heads.lineTo(x1 - tip * Math.cos(angle + side), y1 - tip * Math.sin(angle + side));
  heads.closePath();
}

export function arrow(context, x0, y0, x1, y1, { colour, width = 1.5, head = 5 }) {
  const heads = new Path2D();
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  aim(context, heads, x0, y0, x1, y1, head);
  context.stroke();
  context.fill(heads);
}

// Round numbers from 0 to `to`, about n of them.
export function ticks(to, n = 4) {
  const rough = to / n;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * size >= rough * 0.999) * size;
  return Array.from({ length: Math.floor(to / step + 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

// Round numbers between low and high, about n of them.
export function ticksBetween(low, high, n = 4) {
  const rough = (high - low) / n;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * size >= rough * 0.999) * size;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)) + 0);
}

// ------------------------------------------------------------------------------------------------------------ numbers

// The bytes of a trait (a DataView) as an array of numbers. Copied: a view may start anywhere, a typed array may not.
export function floats(view, Kind = Float32Array) {
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

// A number from bytes (FNV-1a), to seed with.
export function hash(view) {
  let value = 0x811c9dc5;
  for (let i = 0; i < view.byteLength; i++) value = Math.imul(value ^ view.getUint8(i), 0x01000193);
  return value >>> 0;
}

// The place in a rising list that is nearest to the value.
export function nearest(list, value) {
  return list.reduce((best, v, i) => (Math.abs(v - value) < Math.abs(list[best] - value) ? i : best), 0);
}

export function inner(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

// ----------------------------------------------------------------------------------------------------------- schedules

// Where the sliders of beta and of T can stand. beta: 0, then two digits of every size from 0.0001 to 0.99, then 1.
const digitsOf = (size) => Array.from({ length: 90 }, (_, i) => Number(`${i + 10}e${size}`));
export const BETAS = [0, ...[-5, -4, -3, -2].flatMap(digitsOf), 1];
export const BETA_MARKS = [0, 0.001, 0.01, 0.1, 1].map((beta) => [BETAS.indexOf(beta), String(beta)]);
export const STEPS = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600, 800,
  1000,
];
export const SCHEDULES = { constant: "constant \u03b2", linear: "linear", cosine: "cosine", given: "the one given" };
