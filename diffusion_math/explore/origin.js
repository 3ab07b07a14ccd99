// Where did x_t come from? The weights over every x_0 that may lie behind it, their mean, and the step back they make.
// The bells of the data and the schedule's table came from Python once; all the arithmetic is here.
import {
  arrow,
  button,
  curve,
  dial,
  dot,
  explorable,
  floats,
  grab,
  h,
  key,
  maths,
  memory,
  number,
  plot,
  readout,
  ticks,
} from "./common.js";
import { behind, fromBell, logMixture, logNormal, moments, noise, posteriorAt, right, sentMixture, signal } from "./laws.js";

const EDGE = 3.5; // x_t can be moved from -3.5 to 3.5, and the pictures show a little more
const STARTS = 24; // that are shown, each with its bell

// n places that share a mixture out evenly: a part 1/n of it lies around each.
export function evenly(mixture, n) {
  const sd = mixture.map((c) => Math.sqrt(c.variance));
  const share = (x) => mixture.reduce((all, c, k) => all + c.weight * right((c.mean - x) / sd[k]), 0);
  const least = Math.min(...mixture.map((c, k) => c.mean - 9 * sd[k]));
  const most = Math.max(...mixture.map((c, k) => c.mean + 9 * sd[k]));
  let from = least;
  return Array.from({ length: n }, (_, i) => {
    let [low, high] = [from, most];
    for (let turn = 0; turn < 50; turn++) {
      const middle = (low + high) / 2;
      if (share(middle) < (i + 0.5) / n) low = middle;
      else high = middle;
    }
    return (from = low);
  });
}

function computation(model) {
  const data = sentMixture(model);
  const rows = floats(model.get("_table"), Float64Array);
  const table = { logAlphaBar: rows.subarray(0, rows.length / 2), beta: rows.subarray(rows.length / 2) };
  const changed = memory();
  const now = { data, T: rows.length / 2 - 1 };

  now.update = ({ x, t }) => {
    if (!changed("all", x, t)) return;
    const at = table.logAlphaBar[t];
    now.step = { ...posteriorAt(table, t), root: signal(at), noise: noise(at) ** 2 };
    const { a, b, v, root } = now.step;
    now.origins = behind(data, root, now.step.noise, x);
    now.guess = moments(now.origins);
    now.law = now.origins.map((c) => ({ ...c, mean: a * c.mean + b * x, variance: a * a * c.variance + v }));
    now.box = { mean: a * now.guess.mean + b * x, variance: v + a * a * now.guess.variance };
    now.kl = fromBell(now.law, now.box);
    now.starts = evenly(now.origins, STARTS);
  };
  return now;
}

const WIDE = Array.from({ length: 401 }, (_, i) => i / 50 - 4);

// Places where a mixture is worth drawing: all along the axis, and close together at each of its bells.
function places(mixture) {
  const near = mixture.flatMap(({ mean, variance }) =>
    Array.from({ length: 161 }, (_, i) => mean + 6 * Math.sqrt(variance) * (i / 80 - 1)),
  );
  return [...WIDE, ...near.filter((x) => Math.abs(x) < 4)].sort((a, b) => a - b);
}

// A number that stands behind a sign: one below 0 is put in brackets.
const factor = (value) => (value < 0 ? `(${number(value)})` : number(value));

const along = (at, f) => at.map((x) => [x, f(x)]);
const density = (mixture) => (x) => Math.exp(logMixture(mixture, x));
const highest = (points) => Math.max(...points.map(([, y]) => y));

function area(context, X, Y, points, colour, alpha) {
  context.globalAlpha = alpha;
  context.fillStyle = colour;
  context.beginPath();
  points.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](X(x), Y(y)));
  context.fill();
  context.globalAlpha = 1;
}

const under = (points) => [...points, [points.at(-1)[0], 0], [points[0][0], 0]];

// x_t, where it is held: a dotted line through the picture, with a knob.
function hand(context, X, Y, x, [low, high], colours) {
  curve(context, X, Y, [[x, low], [x, high]], { colour: colours.soft, width: 1.25, dash: [2, 3] });
  dot(context, X(x), Y(high), { colour: colours.q, ring: colours.paper, radius: 7 });
}

function held(ui, view, moveTo) {
  grab(ui, view, { take: () => 0, move: (_, x, y, event) => moveTo(x, event) });
}

// The data, what x_t says about each start, and the weights that come of both.
function starts(ui, now, moveTo) {
  const alt = "over the possible starts: the density of the data, the Gaussian of what x at t says, and the weights, with their mean";
  const view = plot(ui, { alt, height: 200, left: 44 });
  held(ui, view, moveTo);

  function draw({ x }, colours) {
    const { root, noise } = now.step;
    const data = along(WIDE, density(now.data));
    const says = along(WIDE, (x0) => Math.exp(logNormal(x, root * x0, noise)));
    const weights = along(places(now.origins), density(now.origins));
    const top = 1.16 * Math.max(...[data, says, weights].map(highest));
    const frame = {
      x: [-4, 4],
      y: [0, top],
      xTicks: [-4, -2, 0, 2, 4],
      yTicks: ticks(top, 4),
      xLabel: "value of the start",
      yLabel: "density",
    };
    view.area(frame, colours, (context, X, Y) => {
      area(context, X, Y, under(weights), colours.q, 0.18);
      curve(context, X, Y, data, { colour: colours.data, width: 2 });
      curve(context, X, Y, says, { colour: colours.noise, width: 2 });
      curve(context, X, Y, weights, { colour: colours.q, width: 2.5 });
      curve(context, X, Y, [[now.guess.mean, 0], [now.guess.mean, 0.86 * top]], { colour: colours.ink, width: 2.5 });
      hand(context, X, Y, x, [0, 0.95 * top], colours);
    });
  }
  return { canvas: view.canvas, draw };
}

// The bells of a few starts, stacked; the exact law; the one bell; and the two arrows that add up to its middle.
function back(ui, now, moveTo) {
  const alt = "over the value one step back: the stacked Gaussians of 24 starts, the exact density, and the Gaussian of our step back";
  const view = plot(ui, { alt, height: 230, left: 44 });
  held(ui, view, moveTo);

  function stack(context, X, Y, at, top, colours, { a, b, v }, x) {
    const middles = now.starts.map((x0) => a * x0 + b * x);
    if (v === 0) {
      for (const y of middles) curve(context, X, Y, [[y, 0], [y, 0.12 * top]], { colour: colours.data, width: 1.5 });
      return;
    }
    let sum = at.map(() => 0);
    middles.forEach((mean, i) => {
      const next = at.map((y, j) => sum[j] + Math.exp(logNormal(y, mean, v)) / STARTS);
      const ring = [...at.map((y, j) => [y, next[j]]), ...at.map((y, j) => [y, sum[j]]).reverse()];
      area(context, X, Y, ring, colours.data, i % 2 ? 0.22 : 0.42);
      sum = next;
    });
  }

  function draw({ x }, colours) {
    const { mean, variance } = now.box;
    const at = places(now.law);
    const exact = along(at, density(now.law));
    const bell = along(at, (y) => Math.exp(logNormal(y, mean, variance)));
    const top = 1.16 * Math.max(highest(exact), highest(bell));
    const frame = {
      x: [-4, 4],
      y: [-0.2 * top, top],
      xTicks: [-4, -2, 0, 2, 4],
      yTicks: ticks(top, 4),
      xLabel: "value one step back",
      yLabel: "density",
    };
    view.area(frame, colours, (context, X, Y) => {
      stack(context, X, Y, at, top, colours, now.step, x);
      curve(context, X, Y, exact, { colour: colours.q, width: 2.5 });
      curve(context, X, Y, bell, { colour: colours.p, width: 2.5 });
      curve(context, X, Y, [[mean, -0.2 * top], [mean, 0.86 * top]], { colour: colours.ink, width: 2.5 });
      const [zero, part, all] = [0, now.step.a * now.guess.mean, mean].map(X);
      arrow(context, zero, Y(-0.07 * top), part, Y(-0.07 * top), { colour: colours.data, width: 3, head: 9 });
      arrow(context, part, Y(-0.14 * top), all, Y(-0.14 * top), { colour: colours.soft, width: 3, head: 9 });
      hand(context, X, Y, x, [0, 0.95 * top], colours);
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Where from, and one step back",
    task: "Put the mean of the weights where no start ever was. Which Gaussian comes of it, and at which {t} does it fit?",
    answer: "The mean is an average, and an average need not be a likely value: there the green Gaussian lies across others on both of its sides. At small {t} the weights have one narrow mode nearly everywhere, so all Gaussians stand almost in one place, and the green one fits them.",
    traits: ["x", "t"],
  });
  const now = computation(model);
  const moveTo = (x, event) => {
    const rounded = Math.round(20 * Math.min(EDGE, Math.max(-EDGE, x))) / 20;
    if (rounded !== ui.state.x) ui.set({ x: rounded }, event);
  };
  const x = dial(ui, { symbol: "x", name: "value at step t", low: -EDGE, high: EDGE, step: 0.05, change: moveTo });
  const t = dial(ui, { symbol: "t", name: "steps of noise", low: 1, high: now.T, step: 1, change: (t, event) => ui.set({ t }, event) });
  const facts = readout([
    maths("E[{x}_0_ | {x}_t_], the mean of the weights"),
    maths("Var[{x}_0_ | {x}_t_]"),
    maths("KL from {q}({x}_t\u22121_ | {x}_t_) to the Gaussian, nats"),
  ]);
  const [square, triangle] = [h("span"), h("span")];
  const [upper, lower] = [starts(ui, now, moveTo), back(ui, now, moveTo)];

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, now);
    const { a, b, v } = now.step;
    x.put(state.x);
    t.put(state.t);
    const { guess, box, kl } = now;
    facts.put([number(guess.mean), number(guess.variance), kl < 1e-9 ? "below 1e\u22129" : number(kl)]);
    square.textContent = `${number(a)} \u00d7 ${factor(guess.mean)} + ${number(b)} \u00d7 ${factor(state.x)} = ${number(box.mean)}`;
    triangle.textContent = `${number(v)} + ${number(a)}\u00b2 \u00d7 ${number(guess.variance)} = ${number(box.variance)}`;
    for (const view of [upper, lower]) view.draw(state, colours);
  }

  function words({ x, t }) {
    const [guess, wide] = [now.guess.mean, Math.sqrt(now.guess.variance)].map((value) => number(value));
    const [middle, width] = [now.box.mean, Math.sqrt(now.box.variance)].map((value) => number(value));
    const judged = `After ${t} of ${now.T} steps x is ${number(x)}. Judging by it, the start was ${guess} on average, give or take ${wide}.`;
    return `${judged} One step back the Gaussian has its middle at ${middle} and standard deviation ${width}.`;
  }

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  const equation = (text, numbers) => h("figcaption", { class: "dm-equation" }, ...maths(text), numbers);
  ui.root.append(
    h(
      "figure",
      {},
      keys(
        key("data", maths("{q}({x}_0_), the data")),
        key("noise", maths("{q}({x}_t_ | {x}_0_): how well each start explains {x}_t_")),
        key("q", maths("{q}({x}_0_ | {x}_t_), the weights: their product, made to area 1")),
        key("mark", "their mean"),
      ),
      upper.canvas,
    ),
    h(
      "figure",
      {},
      keys(
        key("bars", maths(`a Gaussian for each of ${STARTS} starts, stacked`)),
        key("q", maths("{q}({x}_t\u22121_ | {x}_t_), exactly")),
        key("p", "the Gaussian with mean \u25a1 and variance \u25b3"),
        key("mark", "\u25a1"),
        key("data", maths("{a} E[{x}_0_ | {x}_t_]")),
        key("noise", maths("{b} {x}_t_")),
      ),
      lower.canvas,
      equation("\u25a1 = {a} E[{x}_0_ | {x}_t_] + {b} {x}_t_ = ", square),
      equation("\u25b3 = {v} + {a}\u00b2 Var[{x}_0_ | {x}_t_] = ", triangle),
    ),
    facts.el,
    h("div", { class: "dm-grid" }, x.el, t.el),
    h("div", { class: "dm-buttons" }, button(ui, "Reset", ui.reset)),
    h("p", { class: "dm-note" }, ...maths("The round knob is {x}_t_: drag it sideways, in either picture.")),
  );
  ui.start(draw, words);
  return ui.close;
}

export default { render };
