// One step back: pairs (x_{t-1}, x_t) of a chain over one number, the slice at one x_t, and how far it is from a bell.
// The bells of the data and the noise of the pairs came from Python once; all the arithmetic is here.
import {
  BETAS,
  BETA_MARKS,
  button,
  curve,
  dial,
  explorable,
  floats,
  grab,
  h,
  key,
  maths,
  memory,
  nearest,
  number,
  plot,
  readout,
  slider,
  ticks,
  ticksBetween,
} from "./common.js";
import { behind, fromBell, logMixture, logNormal, moments, noisedMixture, sentMixture } from "./laws.js";

const EDGE = 3.5; // x_t can be moved from -3.5 to 3.5, and the cloud shows a little more
const PLACES = BETAS.slice(1); // at beta = 0 there is no step

// How many tops the density has, seen on a grid.
export function humps(values) {
  return values.filter((v, i) => i > 0 && i < values.length - 1 && v > values[i - 1] && v >= values[i + 1]).length;
}

function computation(model) {
  const before = noisedMixture(sentMixture(model), Math.log(model.get("_signal")));
  const eps = floats(model.get("_eps"));
  const first = Array.from({ length: eps.length / 3 }, (_, i) => {
    const { mean, variance } = before[eps[3 * i]];
    return mean + Math.sqrt(variance) * eps[3 * i + 1];
  });
  const changed = memory();
  const now = { before };

  now.update = ({ beta, x }) => {
    if (changed("pairs", beta)) {
      const [a, b] = [Math.sqrt(1 - beta), Math.sqrt(beta)];
      now.pairs = first.map((y, i) => [y, a * y + b * eps[3 * i + 2]]);
    }
    if (!changed("law", beta, x)) return;
    now.law = behind(before, Math.sqrt(1 - beta), beta, x);
    now.best = moments(now.law);
    now.kl = fromBell(now.law);
    const sd = Math.sqrt(now.best.variance);
    now.places = Array.from({ length: 401 }, (_, i) => now.best.mean + 4 * sd * (i / 200 - 1));
    now.density = now.places.map((y) => Math.exp(logMixture(now.law, y)));
    now.humps = humps(now.density);
  };
  return now;
}

// Under the slice, the part of it that the other picture shows. An end that lies beyond the plot is not drawn.
function bracket(context, X, Y, places, x, colour) {
  const [low, high] = [places[0], places.at(-1)];
  const [from, to] = [Math.max(-4, low), Math.min(4, high)];
  const below = Y(x) + 10;
  const line = (x0, y0, x1, y1) => curve(context, Number, Number, [[x0, y0], [x1, y1]], { colour, width: 2 });
  line(X(from), below, X(to), below);
  for (const end of [low, high].filter((v) => Math.abs(v) <= 4)) line(X(end), below - 5, X(end), below + 5);
}

// The cloud of pairs, and the slice at x_t.
function cloud(ui, now, moveTo) {
  const view = plot(ui, {
    alt: "scatter of pairs, x before the step across and x after it upwards, with a slice at the chosen x after it",
    ratio: 1.15,
    left: 44,
  });
  const near = (y) => Math.abs(view.canvas.place(0, y)[1] - view.canvas.place(0, ui.state.x)[1]) <= 22;
  grab(ui, view, {
    take: (x, y) => (near(y) ? "the slice" : "the plane"),
    move: (_, x, y, event) => moveTo(y, event),
    firm: (held) => held === "the slice",
  });

  function draw({ x }, colours) {
    const frame = {
      x: [-4, 4],
      y: [-4, 4],
      xTicks: [-4, -2, 0, 2, 4],
      yTicks: [-4, -2, 0, 2, 4],
      xLabel: "value before the step",
      yLabel: "value after the step",
    };
    view.area(frame, colours, (context, X, Y) => {
      const thin = 0.1;
      for (const [near, colour, size] of [
        [false, colours.data, 2],
        [true, colours.q, 3],
      ]) {
        context.fillStyle = colour;
        for (const [y, after] of now.pairs) {
          if (Math.abs(after - x) < thin === near) context.fillRect(X(y) - size / 2, Y(after) - size / 2, size, size);
        }
      }
      curve(context, X, Y, [[-4, x], [4, x]], { colour: colours.q, width: 2 });
      bracket(context, X, Y, now.places, x, colours.ink);
    });
  }
  return { canvas: view.canvas, draw };
}

// The law of x_{t-1} in the slice, four of its standard deviations to each side, and the Gaussian.
function law(ui, now) {
  const view = plot(ui, {
    alt: "the exact density of the value before the step, in the slice, and the Gaussian nearest to it",
    ratio: 1.15,
    left: 44,
  });

  function draw({ x }, colours) {
    const { mean, variance } = now.best;
    const bell = now.places.map((y) => [y, Math.exp(logNormal(y, mean, variance))]);
    const points = now.places.map((y, i) => [y, now.density[i]]);
    const top = 1.08 * Math.max(...now.density, bell[200][1]);
    const [low, high] = [now.places[0], now.places.at(-1)];
    const ends = [
      [high, 0],
      [low, 0],
    ];
    const frame = {
      x: [low, high],
      y: [0, top],
      xTicks: ticksBetween(low, high, 5),
      yTicks: ticks(top, 4),
      xLabel: "value before the step",
      yLabel: "density",
    };
    view.area(frame, colours, (context, X, Y) => {
      context.globalAlpha = 0.18;
      context.fillStyle = colours.q;
      context.beginPath();
      [...points, ...ends].forEach(([y, p], i) => context[i ? "lineTo" : "moveTo"](X(y), Y(p)));
      context.fill();
      context.globalAlpha = 1;
      curve(context, X, Y, points, { colour: colours.q, width: 2.5 });
      curve(context, X, Y, bell, { colour: colours.ink, width: 1.75, dash: [5, 4] });
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Reverse step",
    task: "How small can {\u03b2} be while the step back still has two modes? Say first, then move {\u03b2} and the slice.",
    answer: "Not small. As {β} falls, the slice gets so narrow that the cloud hardly changes across it, and the second mode drowns. Below 0.01 each tenth of {β} takes the KL down about a thousandfold.",
    traits: ["beta", "x"],
  });
  const now = computation(model);
  const moveTo = (x, event) => {
    const rounded = Math.round(20 * Math.min(EDGE, Math.max(-EDGE, x))) / 20;
    if (rounded !== ui.state.x) ui.set({ x: rounded }, event);
  };
  const beta = slider(ui, {
    symbol: "\u03b2",
    name: "variance of the step's noise",
    max: PLACES.length - 1,
    marks: [[0, "0.0001"], ...BETA_MARKS.slice(1).map(([at, text]) => [at - 1, text])],
    change: (i, event) => ui.set({ beta: PLACES[i] }, event),
  });
  const x = dial(ui, {
    symbol: "x",
    name: "value after the step",
    low: -EDGE,
    high: EDGE,
    step: 0.05,
    change: moveTo,
  });
  const facts = readout([
    maths("KL from {q} to the nearest Gaussian, nats"),
    "its mean",
    "its variance",
    maths("its variance / {\u03b2}"),
  ]);
  const [pairs, one] = [cloud(ui, now, moveTo), law(ui, now)];

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, { law: now.law, best: now.best, kl: now.kl, pairs: now.pairs });
    beta.put({ position: nearest(PLACES, state.beta), text: number(state.beta) });
    x.put(state.x);
    facts.put([now.kl, now.best.mean, now.best.variance, now.best.variance / state.beta].map((v) => number(v)));
    for (const view of [pairs, one]) view.draw(state, colours);
  }

  function words({ beta, x }) {
    const shape = now.humps === 1 ? "has one mode" : `has ${now.humps} modes`;
    const far = `It is ${number(now.kl)} nats from the Gaussian with its mean ${number(now.best.mean)} and variance`;
    return `Beta ${number(beta)}, slice at ${number(x)}. The step back ${shape}. ${far} ${number(now.best.variance)}.`;
  }

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  const half = (...parts) => h("figure", { class: "dm-half" }, ...parts);
  const upper = [keys(key("dots", maths("pairs ({x}_t\u22121_, {x}_t_)")), key("q", maths("the slice at {x}_t_: drag it")), key("bracket", "what the right picture shows")), pairs.canvas];
  const lower = [keys(key("q", maths("{q}({x}_t\u22121_ | {x}_t_), exactly")), key("bell", "the nearest Gaussian")), one.canvas];
  ui.root.append(
    h("div", { class: "dm-row" }, half(...upper), half(...lower)),
    facts.el,
    h("div", { class: "dm-grid" }, beta.el, x.el),
    h("div", { class: "dm-buttons" }, button(ui, "Reset", ui.reset)),
    h("p", { class: "dm-note" }, "The right picture zooms in on the slice: four standard deviations to each side of its mean, as marked under it on the left."),
  );
  ui.start(draw, words);
  return ui.close;
}

export default { render };
