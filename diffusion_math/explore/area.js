// The area under the error: a datum x of a mixture of bells over one number, the error of the best denoiser when x is
// hidden under noise, for every log SNR, and the area between that curve and the one of N(0, 1), which is -log q(x).
import { button, curve, dial, dot, explorable, grab, h, keyOf, maths, memory, number, plot, readout, ticks } from "./common.js";
import { bellsUnder, clean, logMixture, scales, sentMixture, sigmoid } from "./laws.js";

const [LOW, HIGH, STEP] = [-16, 20, 0.25]; // log SNR of the sum
const [LEFT, RIGHT] = [-12, 16]; // and of the picture
const EDGE = 4; // x from -4 to 4
const NODES = 193; // strips of the noise, from -8.5 to 8.5

const levels = Array.from({ length: Math.round((HIGH - LOW) / STEP) + 1 }, (_, i) => LOW + i * STEP);
const places = Array.from({ length: NODES }, (_, k) => 8.5 * ((2 * k) / (NODES - 1) - 1));
const all = places.reduce((sum, z) => sum + Math.exp(-0.5 * z * z), 0);
const shares = places.map((z) => Math.exp(-0.5 * z * z) / all);

// E[(eps - the best guess of eps)^2] at x, for each of the levels: a sum over strips of eps.
export function errors(mixture, x) {
  const out = { q: 0, mean: 0, variance: 0 };
  return levels.map((level) => {
    const [a, s] = scales(level);
    const guess = clean(bellsUnder(mixture, a, s * s));
    let sum = 0;
    for (let k = 0; k < NODES; k++) sum += shares[k] * (x - guess(a * x + s * places[k], out).mean) ** 2;
    return Math.exp(level) * sum;
  });
}

// For each of the levels the entropy of N(0, 1) less half the area up to there, in nats; the last is -log q(x). What
// lies beyond an end falls off as exp(-|log SNR|), so it is as large as what stands there.
export function grown(each) {
  const between = levels.map((level, i) => sigmoid(level) - each[i]);
  let sum = 0.5 * Math.log(2 * Math.PI * Math.E) - 0.5 * between[0];
  const out = between.map((v, i) => (i ? (sum -= 0.25 * STEP * (between[i - 1] + v)) : sum));
  out[out.length - 1] -= 0.5 * between[between.length - 1];
  return out;
}

const index = (level) => Math.round((level - LOW) / STEP);

// The density, with the datum to drag.
function law(ui, now, move) {
  const view = plot(ui, { alt: "the density q, with the datum x on it", height: 270, left: 34 });
  const xs = Array.from({ length: 401 }, (_, i) => EDGE * (i / 200 - 1));
  const heights = xs.map((x) => [x, Math.exp(logMixture(now.mixture, x))]);
  const top = 1.12 * heights.reduce((most, [, v]) => Math.max(most, v), 0);
  grab(ui, view, { take: () => 0, move: (held, x, y, event) => move(x, event) });

  function draw({ x }, colours) {
    const frame = { x: [-EDGE, EDGE], y: [0, top], xTicks: [-4, -2, 0, 2, 4], yTicks: ticks(top, 3), xLabel: "value of x" };
    view.area(frame, colours, (context, X, Y) => {
      ui.mark(context, "density", () => curve(context, X, Y, heights, { colour: colours.data, width: 2.5 }));
      curve(context, X, Y, [[x, 0], [x, top]], { colour: colours.soft, width: 1, dash: [4, 4] });
      const height = Y(Math.exp(logMixture(now.mixture, x)));
      ui.mark(context, "datum", () => dot(context, X(x), height, { colour: colours.data, ring: colours.paper, radius: 7 }));
    });
  }
  return { canvas: view.canvas, draw };
}

// The two error curves, and what lies between them up to the line of the log SNR.
function area(ui, now, move) {
  const view = plot(ui, { alt: "the error at x against log SNR, the error of N(0, 1), and the area between them", height: 270, left: 34 });
  grab(ui, view, { take: () => 0, move: (held, level, y, event) => move(level, event) });
  const unit = levels.map((level) => [level, sigmoid(level)]);

  // Each strip up to the line in the colour of its side.
  function shade(context, X, Y, level, colours) {
    context.globalAlpha = 0.3;
    for (let i = 1; i <= index(level); i++) {
      const [l, r] = [levels[i - 1], levels[i]];
      context.fillStyle = now.errors[i - 1] + now.errors[i] > unit[i - 1][1] + unit[i][1] ? colours.q : colours.data;
      context.beginPath();
      context.moveTo(X(l), Y(unit[i - 1][1]));
      context.lineTo(X(r), Y(unit[i][1]));
      context.lineTo(X(r), Y(now.errors[i]));
      context.lineTo(X(l), Y(now.errors[i - 1]));
      context.fill();
    }
    context.globalAlpha = 1;
  }

  function draw({ log_snr: level }, colours) {
    const top = Math.max(1.3, 1.06 * Math.max(...now.errors));
    const frame = { x: [LEFT, RIGHT], y: [0, top], xTicks: [-12, -8, -4, 0, 4, 8, 12, 16], yTicks: ticks(top, 4), xLabel: "log SNR" };
    view.area(frame, colours, (context, X, Y) => {
      ui.mark(context, "area", () => shade(context, X, Y, level, colours));
      ui.mark(context, "unit", () => curve(context, X, Y, unit, { colour: colours.noise, width: 2 }));
      ui.mark(context, "error", () => curve(context, X, Y, now.errors.map((v, i) => [levels[i], v]), { colour: colours.q, width: 2.5 }));
      ui.mark(context, "level", () => curve(context, X, Y, [[level, 0], [level, top]], { colour: colours.ink, width: 1.5, dash: [5, 4] }));
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "The area under the error",
    task: "Say where the error will come early, and put the datum there. Then move {λ} from left to right, and watch the area become its surprise.",
    answer: "A datum far outside errs early, while the noise is as wide as the whole law; one between two modes errs later; on a mode most of the area lies below the grey curve. Wherever it stands, the whole area makes −log {q}({x}).",
    marks: { x: "datum", q: "density", "λ": "level", "grey curve": "unit", "error curve": "error", "the error": "error", area: "area" },
    traits: ["x", "log_snr"],
  });
  const now = { mixture: sentMixture(model) };
  const changed = memory();
  const held = (v, low, high, step) => Math.min(high, Math.max(low, Math.round(v / step) * step));
  const moveX = (x, event) => ui.set({ x: Number(held(x, -EDGE, EDGE, 0.05).toFixed(2)) }, event);
  const moveLevel = (level, event) => ui.set({ log_snr: held(level, LEFT, RIGHT, STEP) }, event);
  const datum = dial(ui, { symbol: "x", name: "the datum", low: -EDGE, high: EDGE, step: 0.05, ends: [-4, 0, 4], change: moveX });
  const line = dial(ui, { symbol: "\u03bb", name: "area up to log SNR", low: LEFT, high: RIGHT, step: STEP, ends: [-12, 0, 16], change: moveLevel });
  const facts = readout([maths("½ log(2\u03c0e) less half the area so far"), maths("all of it"), maths("\u2212log {q}({x}), from the density")]);
  const views = [law(ui, now, moveX), area(ui, now, moveLevel)];

  function draw(state, colours) {
    const { x, log_snr: level } = state;
    if (changed("x", x)) {
      now.errors = errors(now.mixture, x);
      now.grown = grown(now.errors);
      now.truth = -logMixture(now.mixture, x);
    }
    now.sofar = now.grown[index(level)];
    Object.assign(ui.root.explorable, { errors: now.errors, sofar: now.sofar, nats: now.grown.at(-1), truth: now.truth });
    datum.put(x);
    line.put(level);
    facts.put([now.sofar, now.grown.at(-1), now.truth].map((v) => `${number(v, 4)} nats`));
    for (const view of views) view.draw(state, colours);
  }

  const words = ({ x, log_snr: level }) =>
    `Datum at ${number(x)}. Up to log SNR ${number(level)} the area makes ${number(now.sofar, 4)} nats of it, all of the area ${number(now.grown.at(-1), 4)}; minus log q of x is ${number(now.truth, 4)}.`;

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      h("figure", { class: "dm-narrow" }, keys(keyOf("density", "bars", maths("density {q}({x})")), keyOf("datum", "dot", "drag the datum")), views[0].canvas),
      h("figure", { class: "dm-wide" }, keys(keyOf("error", "q", maths("error at {x}")), keyOf("unit", "noise", "error of N(0, 1)")), views[1].canvas),
    ),
    facts.el,
    h("div", { class: "dm-grid" }, datum.el, line.el),
    h("div", { class: "dm-buttons" }, button(ui, "Reset", ui.reset)),
  );
  ui.phone = { show: [views[1].canvas.closest("figure")], move: [line.el] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
