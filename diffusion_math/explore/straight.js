// Straight and bent: over one number, the lines from data to noise that go by a walker, and the way along their average.
// Lines and flow are exact, the one by Bayes' rule and the other by ranks; Euler's steps follow the average.
import { button, curve, dial, dot, explorable, grab, h, keyOf, maths, memory, number, plot, readout } from "./common.js";
import { behind, bellsUnder, byRank, clean, moments, sentMixture } from "./laws.js";

const EDGE = 3.6; // the pictures show x from -3.6 to 3.6
const [FARTHEST, FIRST, MOST] = [3, 0.02, 20]; // of the starts; the least t of the lines; Euler's steps
const TIMES = Array.from({ length: 101 }, (_, i) => 1 - i / 100);
const UNIT = [{ weight: 1, mean: 0, variance: 1 }];

// The law of (1 - t) x_0 + t eps.
export const onTheWay = (mixture, t) =>
  mixture.map(({ weight, mean, variance }) => ({ weight, mean: (1 - t) * mean, variance: (1 - t) ** 2 * variance + t * t }));

// Euler's walk along the average velocity (x - E[x_0 | x]) / t, from t = 1 to t = 0.
export function euler(mixture, start, steps) {
  const [path, out] = [[start], { q: 0, mean: 0, variance: 0 }];
  for (let i = 0; i < steps; i++) {
    const t = 1 - i / steps;
    const { mean } = clean(bellsUnder(mixture, 1 - t, t * t))(path[i], out);
    path.push(path[i] - (path[i] - mean) / (steps * t));
  }
  return path;
}

// The data at which lines through x at t end, one for each z of the unit bell; and the mean of all of them.
export function through(mixture, x, t, crowd) {
  const seen = behind(mixture, 1 - t, t * t, x);
  return { lines: crowd.map((z) => byRank(UNIT, seen, z)), guess: moments(seen).mean };
}

function computation(model) {
  const [mixture, crowd] = [sentMixture(model), model.get("_crowd")];
  const laws = TIMES.map((t) => onTheWay(mixture, t));
  const changed = memory();
  const flowed = (x) => {
    let near = x;
    return laws.map((law) => (near = byRank(UNIT, law, x, near)));
  };
  const now = { crowd, flows: crowd.map(flowed) };
  now.update = ({ start, t, steps }) => {
    if (changed("curve", start)) now.curve = flowed(start);
    if (changed("lines", start, t)) {
      now.x = byRank(UNIT, onTheWay(mixture, t), start);
      Object.assign(now, through(mixture, now.x, t, crowd));
    }
    if (changed("path", start, steps)) now.path = euler(mixture, start, steps);
    if (changed("ends", steps)) {
      now.ends = crowd.map((x) => euler(mixture, x, steps).at(-1));
      now.off = now.ends.reduce((sum, x, k) => sum + Math.abs(x - now.flows[k].at(-1)), 0) / crowd.length;
    }
  };
  return now;
}

// What both pictures share: time across, a start to drag up and down at its right edge, and the moment t to drag along.
function overTime(ui, alt, paint) {
  const view = plot(ui, { alt, height: 210, left: 30 });
  const round = (value, low, high) => Math.round(50 * Math.min(high, Math.max(low, value))) / 50;
  grab(ui, view, {
    take(x, y) {
      const [[px, py], [sx, sy]] = [view.canvas.place(x, y), view.canvas.place(1, ui.state.start)];
      return Math.hypot(px - sx, py - sy) <= 24 ? "start" : "t";
    },
    move: (held, x, y, event) =>
      ui.set(held === "t" ? { t: round(x, FIRST, 1) } : { start: round(y, -FARTHEST, FARTHEST) }, event),
    firm: (held) => held === "start",
  });
  function draw(state, colours) {
    const frame = { x: [0, 1], y: [-EDGE, EDGE], xTicks: [0, 0.25, 0.5, 0.75, 1], yTicks: [-2, 0, 2], xLabel: "t (left: data, right: noise)" };
    view.area(frame, colours, (context, X, Y) => {
      paint(context, X, Y, state, colours);
      ui.mark(context, "start", () => dot(context, X(1), Y(state.start), { colour: colours.p, ring: colours.paper, radius: 7 }));
    });
  }
  return { canvas: view.canvas, draw };
}

// The lines through the walker at t, and the average of all.
const straightView = (ui, now) =>
  overTime(ui, "the straight lines from data to noise that go through the walker at time t, and their average", (context, X, Y, { t }, colours) => {
    const line = (x0) => [[0, x0], [1, (now.x - (1 - t) * x0) / t]];
    curve(context, X, Y, now.curve.map((x, i) => [TIMES[i], x]), { colour: colours.p, width: 1.5 });
    context.globalAlpha = 0.6;
    ui.mark(context, "lines", () => now.lines.forEach((x0) => curve(context, X, Y, line(x0), { colour: colours.data, width: 1 })));
    context.globalAlpha = 1;
    ui.mark(context, "average", () => curve(context, X, Y, line(now.guess), { colour: colours.ink, width: 2.5, dash: [7, 4] }));
    ui.mark(context, "guess", () => dot(context, X(0), Y(now.guess), { colour: colours.ink, ring: colours.paper, radius: 6 }));
    dot(context, X(t), Y(now.x), { colour: colours.p, ring: colours.paper, radius: 5 });
  });

// The way along the average, that of the crowd, and Euler's steps.
const bentView = (ui, now) =>
  overTime(ui, "the bent ways along the average velocity, and the walk in Euler's steps", (context, X, Y, { t }, colours) => {
    const way = (path) => path.map((x, i) => [TIMES[i], x]);
    context.globalAlpha = 0.6;
    ui.mark(context, "crowd", () => now.flows.forEach((path) => curve(context, X, Y, way(path), { colour: colours.noise, width: 1 })));
    context.globalAlpha = 1;
    ui.mark(context, "way", () => curve(context, X, Y, way(now.curve), { colour: colours.p, width: 2.5 }));
    dot(context, X(t), Y(now.x), { colour: colours.p, ring: colours.paper, radius: 5 });
    const stops = now.path.map((x, i) => [1 - i / (now.path.length - 1), x]);
    ui.mark(context, "steps", () => {
      curve(context, X, Y, stops, { colour: colours.q, width: 2 });
      for (const [at, x] of stops.slice(1)) dot(context, X(at), Y(x), { colour: colours.q, ring: colours.paper, radius: 4 });
    });
    const end = (x) => curve(context, X, Y, [[0, x], [0.04, x]], { colour: colours.q, width: 1 });
    ui.mark(context, "ends", () => now.ends.forEach(end));
  });

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Straight and bent",
    task: "Walk in a single step. Where do all starts end, and which line leads there? Then add steps: when do the ends part?",
    answer: "In one step all end in one place, the mean of the data. At {t} = 1 nothing of the data is seen, so the average of all lines through a start leads to that mean. Further on some lines are ruled out, the average turns, and the way bends with it. Two steps part the ends; many follow the bent way.",
    traits: ["start", "t", "steps"],
    marks: { lines: "lines", line: "lines", average: "average", start: "start", steps: "steps", ends: "ends", D: "guess", way: "way", ways: "crowd" },
  });
  const now = computation(model);
  const change = (name) => (value, event) => ui.set({ [name]: value }, event);
  const place = dial(ui, { name: "where the walker starts", low: -FARTHEST, high: FARTHEST, step: 0.02, change: change("start") });
  const time = dial(ui, { symbol: "t", name: "time of the lines", low: FIRST, high: 1, step: 0.02, change: change("t") });
  const count = dial(ui, { name: "Euler\u2019s steps", low: 1, high: MOST, step: 1, change: change("steps") });
  const facts = readout(["the walker\u2019s way ends at", "in Euler\u2019s steps at", maths("the average of the lines leads to {D} ="), "all ends are off by, on average"]);
  const [straight, bent] = [straightView(ui, now), bentView(ui, now)];

  function draw(state, colours) {
    now.update(state);
    const { curve: way, path, lines, guess, ends, off } = now;
    Object.assign(ui.root.explorable, { curve: way, path, lines, guess, ends, off });
    place.put(state.start);
    time.put(state.t);
    count.put(state.steps);
    facts.put([way.at(-1), path.at(-1), guess, off].map((v) => number(v)));
    for (const view of [straight, bent]) view.draw(state, colours);
  }

  const words = ({ start, t, steps }) =>
    `From ${number(start)} the way along the average ends at ${number(now.curve.at(-1))}, in ${steps} of Euler's steps at ${number(now.path.at(-1))}. At time ${number(t)} the average of the lines through the walker leads to ${number(now.guess)}.`;

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  const figures = [
    h("figure", { class: "dm-half" }, keys(keyOf("lines", "data", "lines through the walker"), keyOf("average", "bell", "their average")), straight.canvas),
    h("figure", { class: "dm-half" }, keys(keyOf("way", "p", "along the average: drag its start"), keyOf("steps", "q", "Euler\u2019s steps")), bent.canvas),
  ];
  ui.root.append(
    h("div", { class: "dm-row" }, figures),
    h("div", { class: "dm-grid" }, h("div", { class: "dm-controls" }, count.el, place.el), h("div", { class: "dm-controls" }, time.el, facts.el)),
    h("div", { class: "dm-buttons" }, button(ui, "Reset", ui.reset)),
  );
  ui.phone = { show: figures, move: [count.el] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
