// A sheet to paint a law on: each point is the middle of a small bell. There is one law, and every sheet shows it.
import { dot, grab, h, plane } from "./common.js";

export const EDGE = 3; // the planes show both numbers from -3 to 3
export const BELL = 0.1; // standard deviation of the bell around each point
export const FRAME = { x: [-EDGE, EDGE], y: [-EDGE, EDGE], xTicks: [-2, 0, 2], yTicks: [-2, 0, 2], xLabel: "first number", yLabel: "second number" };
export const LAWS = { smile: "a smile", ring: "a ring", humps: "two modes", spiral: "a spiral", painted: "your own" };
const REACH = 2.5; // a point may lie this far out
const MOST = 300; // points
const APART = 0.12; // of two points of one stroke
const [KEPT, SAID] = ["diffusion-math-law", "dm-law"]; // where the browser keeps the law; the event that tells of it

export const middles = (n) => Array.from({ length: n }, (_, i) => EDGE * ((2 * i + 1) / n - 1));
export const grid = (n) => middles(n).flatMap((y) => middles(n).map((x) => [x, y]));

// A number that a point may have, to two digits.
export const inside = (v) => Math.round(100 * Math.min(REACH, Math.max(-REACH, v))) / 100;

// ----------------------------------------------------------------------------------------------------------- one law

const same = (a, b) => a.length === b.length && a.every(([x, y], i) => x === b[i][0] && y === b[i][1]);
const isPoint = (p) => Array.isArray(p) && p.length === 2 && p.every((v) => Number.isFinite(v) && Math.abs(v) <= REACH);
const isLaw = (points) => Array.isArray(points) && points.length <= MOST && points.every(isPoint);

// What the browser keeps may be anybody's, and a page in a sandbox has nothing to keep it in.
function read() {
  try {
    const { points, own } = JSON.parse(localStorage.getItem(KEPT)) ?? {};
    return { points: isLaw(points) ? points : null, own: isLaw(own) ? own : [] };
  } catch {
    return { points: null, own: [] };
  }
}

function keep(said) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(said));
  } catch {
    // then it lives as long as the page
  }
}

// The law of an explorable that shows the one that all show, or its own where it was given one.
//
//   law.begin()               before ui.start: what was painted before
//   law.paint(points, event)  the reader paints; law.tell() once the brush is lifted
//   law.pick(name, event)     one of LAWS
//   law.reset(event)          ui.reset, and everybody back to where they started; what was painted can still be picked
//   law.name(points)          which of LAWS it is
export function lawOf(ui, model) {
  const [presets, shared] = [model.get("_presets"), model.get("_shared")];
  let own = [];

  function name(points) {
    const found = Object.keys(presets).find((other) => same(presets[other], points)) ?? "painted";
    if (found === "painted" && points.length) own = points;
    return found;
  }
  function tell(points = ui.state.points) {
    name(ui.state.points);
    if (!shared) return;
    const said = { points, own };
    keep(said);
    window.dispatchEvent(new CustomEvent(SAID, { detail: { ...said, from: ui } }));
  }
  function hear(said) {
    own = said.own;
    const points = said.points ?? model.get("_start").points;
    if (!same(points, ui.state.points)) ui.set({ points });
  }
  const paint = (points, event) => ui.set({ points }, event);
  const now = { name, tell, paint };
  now.begin = () => {
    if (!shared) return;
    const said = read();
    own = said.own;
    if (said.points && same(ui.state.points, model.get("_start").points)) hear(said); // and not what Python has set since
    ui.listen(window, SAID, ({ detail }) => detail.from !== ui && hear(detail));
    ui.listen(window, "storage", ({ key }) => key === KEPT && hear(read())); // another window
  };
  now.pick = (name, event) => {
    paint(name === "painted" ? own : presets[name], event);
    tell();
  };
  now.reset = (event) => {
    ui.reset(event);
    tell(null);
  };
  return now;
}

// --------------------------------------------------------------------------------------------------------- the sheet

// The plane that is painted on, by a pointer or by keys. more(context, X, Y) draws over the points.
export function paper(ui, law) {
  const view = plane(ui, "");
  const { canvas } = view;
  const cursor = h("div", { class: "dm-cursor", "aria-hidden": "true" });
  const el = h("div", { class: "dm-canvas" }, canvas, cursor);
  const says = "the data, to paint on: arrow keys move the brush, Space puts a point, Backspace takes the last one away";
  let [brush, last, known] = [[0, 0], null, false];

  function put(x, y, event) {
    const { points } = ui.state;
    if (points.length < MOST) law.paint([...points, [inside(x), inside(y)]], event);
  }
  grab(ui, view, {
    take: () => ((last = null), 0),
    firm: () => true, // it is painted on in any direction
    move(_, x, y, event) {
      if (last && Math.hypot(x - last[0], y - last[1]) < APART) return;
      last = [x, y];
      put(x, y, event);
    },
    drop: () => law.tell(),
  });
  canvas.classList.replace("dm-grab", "dm-draw");
  for (const [name, value] of Object.entries({ role: "application", tabindex: 0, "aria-label": says, "data-lm-suppress-shortcuts": "true" })) {
    canvas.setAttribute(name, value);
  }
  ui.listen(canvas, "keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way && ![" ", "Backspace"].includes(event.key)) return;
    event.preventDefault();
    if (way) brush = brush.map((v, i) => inside(v + 0.1 * way[i]));
    if (event.key === " ") put(...brush, event);
    if (event.key === "Backspace") law.paint(ui.state.points.slice(0, -1), event);
    if (!way) law.tell();
    show();
  });

  function show() {
    if (!known) return; // how wide it is
    [cursor.style.left, cursor.style.top] = canvas.place(...brush).map((v) => `${v}px`);
  }

  function draw({ points }, colours, more = () => {}) {
    if (!colours.ink) return; // not on a page yet
    view.area(FRAME, colours, (context, X, Y) => {
      known = true;
      for (const [x, y] of points) dot(context, X(x), Y(y), { colour: colours.data, radius: 3 });
      more(context, X, Y);
    });
    show();
  }
  return { el, draw };
}
