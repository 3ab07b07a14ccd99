// A measurement under the finger. Two humps over one number and y = x_0 + r eps: their posterior, which is exact, and what a
// walk draws whose guesses are steered towards y under an assumption on Cov[x_0 | x_t].
import { curve, dial, explorable, choice, button, grab, h, key, keyOf, dot, maths, memory, number, plot, readout } from "./common.js";
import { behind, bellsUnder, clean, ddim, logMixture, logNormal, random, scales, sentMixture } from "./laws.js";

const [FROM, TO, PARTS] = [-12, 10, 176]; // log SNR of the walk, and its steps
const STARTS = Array.from({ length: 641 }, (_, i) => (i - 320) / 80); // and where it starts
const HEIGHTS = STARTS.map((z) => Math.exp(-0.5 * z * z));
const SHARES = HEIGHTS.map((v) => v / HEIGHTS.reduce((a, b) => a + b));
const WALKERS = 1000; // with dice
const EVENLY = Array(WALKERS).fill(1 / WALKERS);
const [EDGE, FAR, BINS] = [2.5, 4, 80]; // of y, of the picture, and of its histogram
const LEVELS = Array.from({ length: PARTS + 1 }, (_, i) => FROM + ((TO - FROM) * i) / PARTS);
const SEEN = Array.from({ length: 801 }, (_, i) => -FAR + i * 0.01);

// What stands for V = Cov[x_0 | x_t] in p(y | x_t), at the noise's variance there and at the true one.
const ASSUMED = { point: () => 0, unit: (noise) => noise, moments: (_, true_) => true_ };
const NAMES = { point: "V = 0", unit: "\u03a0GDM: V = s\u00b2", moments: "MMPS: V by Tweedie\u2019s formula", exact: "the exact posterior" };

// E[x_0 | x_t, y] as a method has it, as a function of x_t: E[x_0 | x_t] and s^2/a times the slope of log p(y | x_t).
export function conditional(mixture, { y, std, method }, level) {
  const [[a, s], out] = [scales(level), { q: 0, mean: 0, variance: 0 }];
  const exact = method === "exact";
  const ask = clean(bellsUnder(exact ? behind(mixture, 1, std * std, y) : mixture, a, s * s));
  if (exact) return (x) => ask(x, out).mean;
  return (x) => {
    ask(x, out); // its slope in x is a/s^2 times the variance
    return out.mean + (out.variance * (y - out.mean)) / (std * std + ASSUMED[method](s * s, out.variance));
  };
}

// Starts and throws of a seed, level by level: made once, so that a drag of y asks for the same ones again.
const thrown = memory();
let dice = null;
function throws(seed) {
  if (thrown("dice", seed)) dice = Float64Array.from({ length: (PARTS + 1) * WALKERS }, random(seed).normal);
  return dice;
}

// Where the walk carries the starts: those of a grid without dice, or walkers that throw, each a number of its own.
export function drawn(mixture, state) {
  const own = state.throw ? throws(state.throw) : null;
  const xs = own ? own.slice(0, WALKERS) : Float64Array.from(STARTS);
  for (let i = 0; i < PARTS; i++) {
    const guess = conditional(mixture, state, LEVELS[i]);
    const [ofX0, ofX, ofNoise] = ddim(LEVELS[i], LEVELS[i + 1], own ? 1 : 0);
    for (let k = 0; k < xs.length; k++) {
      xs[k] = ofX0 * guess(xs[k]) + ofX * xs[k] + (own ? ofNoise * own[(i + 1) * WALKERS + k] : 0);
    }
  }
  return xs;
}

// The probability of the left hump, averaged over what was drawn; and the standard deviation of that.
export function summary(mixture, places) {
  const shares = places.length === WALKERS ? EVENLY : SHARES;
  const [{ weight, mean, variance }] = mixture;
  const left = (x) => Math.exp(Math.log(weight) + logNormal(x, mean, variance) - logMixture(mixture, x));
  const average = (f) => places.reduce((sum, x, i) => sum + shares[i] * f(x), 0);
  const middle = average((x) => x);
  return { left: average(left), sd: Math.sqrt(average((x) => (x - middle) ** 2)) };
}

// The heights of a histogram: walkers are counted; without dice, what lies between two starts lies evenly between their ends.
export function bars(places) {
  const [heights, wide] = [new Float64Array(BINS), (2 * FAR) / BINS];
  const bin = (x) => Math.min(BINS - 1, Math.max(0, Math.floor((x + FAR) / wide)));
  if (places.length === WALKERS) {
    for (const x of places) heights[bin(x)] += 1 / WALKERS / wide;
    return heights;
  }
  for (let i = 0; i + 1 < places.length; i++) {
    const mass = (SHARES[i] + SHARES[i + 1]) / 2;
    const [low, high] = [Math.min(places[i], places[i + 1]), Math.max(places[i], places[i + 1], places[i] + 1e-9)];
    for (let b = bin(low); b <= bin(high); b++) {
      const shared = Math.min(high, -FAR + (b + 1) * wide) - Math.max(low, -FAR + b * wide);
      heights[b] += ((mass * Math.max(0, shared)) / (high - low)) / wide;
    }
  }
  return heights;
}

function computation(model) {
  const [mixture, changed] = [sentMixture(model), memory()];
  const now = { mixture };
  now.update = (state) => {
    const { y, std, method, throw: turn } = state;
    if (!changed("all", y, std, method, turn)) return;
    now.exact = behind(mixture, 1, std * std, y);
    now.places = drawn(mixture, state);
    now.drawn = summary(mixture, now.places);
    now.bars = bars(now.places);
    const mean = now.exact.reduce((sum, c) => sum + c.weight * c.mean, 0);
    now.sd = Math.sqrt(now.exact.reduce((sum, c) => sum + c.weight * (c.variance + (c.mean - mean) ** 2), 0));
  };
  return now;
}

const density = (mixture) => SEEN.map((x) => [x, Math.exp(logMixture(mixture, x))]);

function picture_of_all(ui, now, moveTo) {
  const view = plot(ui, { alt: "two modes, their exact posterior given y, and a histogram of what the method draws", height: 270, left: 38 });
  const prior = density(now.mixture);
  grab(ui, view, { take: () => 0, move: (_, x, y, event) => moveTo(x, event) });

  function draw({ y, std }, colours) {
    const exact = density(now.exact);
    const top = Math.max(1, 1.25 * Math.max(...exact.map(([, v]) => v)));
    const frame = { x: [-FAR, FAR], y: [0, top], xTicks: [-4, -3, -2, -1, 0, 1, 2, 3, 4], yTicks: [0, 0.5, 1, 1.5, 2, 2.5].filter((v) => v <= top), xLabel: "value of x\u2080" };
    const [says, wide] = [SEEN.map((x) => [x, 0.25 * top * Math.exp(-0.5 * ((x - y) / std) ** 2)]), (2 * FAR) / BINS];
    view.area(frame, colours, (context, X, Y) => {
      ui.mark(context, "drawn", () => {
        context.fillStyle = colours.p;
        context.globalAlpha = 0.5;
        now.bars.forEach((v, b) => {
          const [l, r, up] = [X(-FAR + b * wide), X(-FAR + (b + 1) * wide), Y(Math.min(v, 1.1 * top))];
          context.fillRect(l + 0.5, up, r - l - 1, Y(0) - up);
        });
        context.globalAlpha = 1;
      });
      ui.mark(context, "prior", () => curve(context, X, Y, prior, { colour: colours.data, width: 2 }));
      ui.mark(context, "says", () => curve(context, X, Y, says, { colour: colours.ink, width: 1.5, dash: [6, 4] }));
      ui.mark(context, "exact", () => curve(context, X, Y, exact, { colour: colours.q, width: 3 }));
      curve(context, X, Y, [[y, 0], [y, 0.94 * top]], { colour: colours.soft, width: 1.25, dash: [2, 3] });
      dot(context, X(y), Y(0.94 * top), { colour: colours.ink, ring: colours.paper, radius: 8 });
    });
  }
  return { canvas: view.canvas, draw };
}

const percent = (share) => `${(100 * share).toFixed(0)} %`;

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "A measurement, and what is drawn from it",
    task: "Drag {y} between the modes. Which method gives them the right odds at every {y}? Then make {r} larger: which one becomes right, and why not sooner?",
    answer: "None but the exact posterior has them at every {y}. V = 0 leaves the covariance out and pulls too hard: it exaggerates the odds of the nearer mode, and without noise in its steps heaps up at {y}, in the gap if need be. The others pull about as hard as is due, yet one Gaussian stands for two modes, and they flatten the odds. With a large {r} little is said by {y}, and all come near the truth. (The code published as DPS is another: its step is \u03b6 over the norm of {y} \u2212 D.)",
    traits: ["y", "std", "method", "throw"],
    marks: { prior: "prior", exact: "exact", drawn: "drawn" },
  });
  const now = computation(model);
  const moveTo = (x, event) => {
    const y = Math.round(20 * Math.min(EDGE, Math.max(-EDGE, x))) / 20;
    if (y !== ui.state.y) ui.set({ y }, event);
  };
  const y = dial(ui, { symbol: "y", name: "what was measured", low: -EDGE, high: EDGE, step: 0.05, ends: [-EDGE, 0, EDGE], change: moveTo });
  const std = dial(ui, { symbol: "r", name: "standard deviation of its noise", low: 0.3, high: 2, step: 0.05, change: (value, event) => ui.set({ std: value }, event) });
  const method = choice(ui, { name: "Drawn by", options: Object.entries(NAMES), change: (value, event) => ui.set({ method: value }, event) });
  const odds = readout(["left mode, exactly", "left mode, drawn"]);
  const widths = readout(["deviation, exactly", "deviation, drawn"]);
  const view = picture_of_all(ui, now, moveTo);

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, { places: now.places, exact: now.exact, left: now.drawn.left, bars: now.bars });
    y.put(state.y);
    std.put(state.std);
    method.put(state.method);
    odds.put([now.exact[0].weight, now.drawn.left].map(percent));
    widths.put([now.sd, now.drawn.sd].map((v) => v.toFixed(2)));
    view.draw(state, colours);
  }

  function words({ y, std, method }) {
    const told = `y is ${number(y)}, with noise of ${number(std)}. The left mode has ${percent(now.exact[0].weight)} of the posterior.`;
    return `${told} Of what is drawn by ${NAMES[method].split(":")[0]}, ${percent(now.drawn.left)} lies there.`;
  }

  const keys = [
    keyOf("prior", "data", "the prior"),
    keyOf("says", "bell", maths("what {y} says of {x}_0_")),
    keyOf("exact", "q", "the exact posterior"),
    keyOf("drawn", "p", "what the method draws"),
    key("ring", maths("{y}: drag it")),
  ];
  const figure = h("figure", { class: "dm-wide" }, h("figcaption", { class: "dm-keys" }, keys), view.canvas);
  const again = button(ui, "New noise", (event) => ui.set({ throw: (ui.state.throw % 999) + 1 }, event));
  const still = button(ui, "No noise in the steps", (event) => ui.set({ throw: 0 }, event));
  const buttons = h("div", { class: "dm-buttons" }, again, still, button(ui, "Reset", ui.reset));
  ui.root.append(h("div", { class: "dm-row" }, figure, h("div", { class: "dm-controls" }, y.el, std.el, method.el, odds.el, widths.el, buttons)));
  ui.phone = { show: [figure], move: [y.el, method.el, odds.el] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
