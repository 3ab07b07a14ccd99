// What every explorable shares: the frame it lives in, its controls, its canvases, and the mathematics of a schedule.
//
// anywidget loads a front end from a Blob, where a relative import has nothing to be relative to. So Python joins this
// file and the explorable's own into one module, and drops the line that imports this one. There is no build step: what
// you read here is what the browser runs.

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

// An explorable's frame in `el`. Its state is a copy of the model's traits named in `traits`.
//
//   ui.state                     what is shown now
//   ui.set(changes, event)       the reader moved something: draw at once, tell the kernel at the next animation frame
//   ui.start(draw, words)        draw(state, colours) draws everything; words(state) says it in one or two sentences
//   ui.resized(element, f)       call f(width) when the element's width changes, then draw
//   ui.listen(target, event, f)  a listener that goes when the explorable goes
//   ui.close()                   what `render` returns
//
// Only the newest state is sent, and only what changed: a drag of two hundred moves leaves nothing in a queue.
export function explorable(model, el, { title, traits }) {
  const stop = new AbortController();
  const live = h("p", { class: "dm-hidden", "aria-live": "polite" });
  const root = h("div", { class: "dm-explorable", role: "group", "aria-label": title });
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
    root.append(live);
    el.append(root);
    watchTheme(root, stop.signal, () => {
      palette = colours(root);
      show();
    });
    write(live, words(state));
  }

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
  root.explorable = { state, timings }; // for tests and timings
  return { root, state, set, start, resized, listen, close };
}

// ----------------------------------------------------------------------------------------------------- light and dark

function isDark() {
  const { jpThemeLight } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "false"; // JupyterLab and Notebook say so
  if (document.body.classList.contains("vscode-light")) return false;
  if (document.body.classList.contains("vscode-dark")) return true;
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
  const names = ["data", "noise", "q", "p", "accent", "ink", "soft", "rule", "paper"];
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
  const value = h("output", { for: id, class: "dm-value" });
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

// The pointer on an element as a share of its width: move(share, event), 0 at its left edge and 1 at its right, less
// the pixels inset() = [left, right]. Whatever can be done so must be possible by keyboard elsewhere.
export function scrub(ui, element, inset, move) {
  const at = (event) => {
    const box = element.getBoundingClientRect();
    const [left, right] = inset();
    move(Math.min(1, Math.max(0, (event.clientX - box.left - left) / (box.width - left - right))), event);
  };
  element.classList.add("dm-scrub");
  ui.listen(element, "pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    at(event);
  });
  ui.listen(element, "pointermove", (event) => element.hasPointerCapture(event.pointerId) && at(event));
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
  return String(Number(value.toPrecision(digits))).replace("-", "\u2212");
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
// paint(context, X, Y) draws inside the axes; X and Y take data to pixels.
export function plot(ui, { alt, height = 190, left = 34, right = 16, top = 8, bottom = 34 }) {
  const canvas = h("canvas", { role: "img", "aria-label": alt, class: "dm-plot", style: `height: ${height}px` });
  let width = 0;
  ui.resized(canvas, (w) => (width = w));

  function area({ x, y, xTicks, yTicks, xLabel }, colours, paint) {
    if (!width) return;
    const dense = window.devicePixelRatio || 1;
    const context = canvas.getContext("2d");
    const size = [Math.round(width * dense), Math.round(height * dense)];
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, width, height);
    const X = (v) => left + ((v - x[0]) / (x[1] - x[0])) * (width - left - right);
    const Y = (v) => height - bottom - ((v - y[0]) / (y[1] - y[0])) * (height - top - bottom);
    axes(context, { X, Y, x, y, xTicks, yTicks, xLabel, bottom: height - bottom }, colours);
    context.save();
    context.beginPath();
    context.rect(left - 6, top - 6, width - left - right + 12, height - top - bottom + 6);
    context.clip();
    paint(context, X, Y);
    context.restore();
  }
  return { canvas, area, inset: () => [left, right] };
}

function axes(context, { X, Y, x, y, xTicks, yTicks, xLabel, bottom }, colours) {
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

// Round numbers from 0 to `to`, about n of them.
export function ticks(to, n = 4) {
  const rough = to / n;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * size >= rough * 0.999) * size;
  return Array.from({ length: Math.floor(to / step + 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
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

// Random numbers from a seed: the same seed, the same numbers. sfc32 by Chris Doty-Humphrey.
export function random(seed) {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let d = 1;
  const bits = () => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 15; i++) bits();
  const uniform = () => (bits() + 0.5) / 2 ** 32; // in (0, 1): neither end
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()); // Box and Muller
  return { uniform, normal };
}

// ----------------------------------------------------------------------------------------------------------- schedules

// { logAlphaBar, beta } for t = 0..T in float64, as diffusion_math.forward computes them. "given" is such a table, sent
// by Python; like "linear" it is a curve, and for another T log alpha_bar is read off it at T_given t/T.
export function schedule({ kind, T, beta, given }) {
  if (kind === "constant") return constant(T, beta);
  if (kind === "cosine") return cosine(T);
  return reread(kind === "linear" ? linear() : given, T);
}

const table = (T, f) => Float64Array.from({ length: T + 1 }, (_, t) => (t ? f(t) : 0));

function constant(T, beta) {
  const step = Math.log1p(-beta);
  return { logAlphaBar: table(T, (t) => t * step), beta: table(T, () => beta) };
}

function linear() {
  // [DDPM] section 4: beta from 1e-4 to 0.02 in 1000 steps
  const beta = table(1000, (t) => 1e-4 + ((0.02 - 1e-4) * (t - 1)) / 999);
  return { logAlphaBar: runningSum(beta.map((b) => Math.log1p(-b))), beta };
}

function cosine(T) {
  // [Nichol & Dhariwal 2021] eq. 17, no beta above 0.999
  const angle = (t) => (((t / T + 0.008) / 1.008) * Math.PI) / 2;
  const rest = (t) => ((((T - t) / T / 1.008) * Math.PI) / 2); // pi/2 - angle, without the subtraction
  const logCos2 = (t) => (angle(t) < 1 ? Math.log1p(-(Math.sin(angle(t)) ** 2)) : 2 * Math.log(Math.sin(rest(t))));
  const logAlpha = table(T, (t) => Math.max(Math.log1p(-0.999), logCos2(t) - logCos2(t - 1)));
  return { logAlphaBar: runningSum(logAlpha), beta: logAlpha.map((l) => -Math.expm1(l)) };
}

function runningSum(values) {
  let total = 0;
  return values.map((value) => (total += value));
}

function reread({ logAlphaBar: curve, beta }, T) {
  const last = curve.length - 1;
  if (T === last) return { logAlphaBar: curve, beta };
  const logAlphaBar = table(T, (t) => {
    const place = (last * t) / T;
    const left = Math.floor(place);
    const share = place - left;
    const flat = share === 0 || curve[left] === -Infinity; // nothing to add, or nothing left
    return flat ? curve[left] : curve[left] + share * (curve[left + 1] - curve[left]);
  });
  const fell = (t) => (logAlphaBar[t] === -Infinity ? 1 : -Math.expm1(logAlphaBar[t] - logAlphaBar[t - 1]));
  return { logAlphaBar, beta: table(T, fell) };
}

// sqrt(alpha_bar) and sqrt(1 - alpha_bar), exact at both ends.
export const signal = (logAlphaBar) => Math.exp(0.5 * logAlphaBar);
export const noise = (logAlphaBar) => Math.sqrt(-Math.expm1(logAlphaBar));
