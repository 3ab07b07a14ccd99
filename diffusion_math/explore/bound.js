// The bound: its terms as bars, and the ruler on which entropy, the model's error and the gap make the same length.
// The data is a mixture over one number and p its exact steps, spoilt on purpose; all the arithmetic is here, on grids.
import {
  SCHEDULES,
  STEPS,
  button,
  choice,
  curve,
  dial,
  explorable,
  h,
  key,
  logMixture,
  maths,
  memory,
  nearest,
  number,
  plot,
  readout,
  schedule,
  signal,
  slider,
  ticks,
  ticksBetween,
} from "./common.js";

const MOST = 100; // steps of the chain
const REACH = 8; // standard deviations that a sum covers on either side

// ----------------------------------------------------------------------------------------------- the chain's numbers

// a, b and v of q(x_{t-1} | x_t, x_0) = N(a x_0 + b x_t, v), the scale and the variance of the noise at t.
export function step({ logAlphaBar }, t) {
  const [before, now] = [logAlphaBar[t - 1], logAlphaBar[t]];
  const [left, all] = [-Math.expm1(before), -Math.expm1(now)];
  const beta = -Math.expm1(now - before);
  return {
    a: (signal(before) * beta) / all,
    b: (signal(now - before) * left) / all,
    v: (beta * left) / all,
    scale: signal(now),
    noise: all,
  };
}

// q(x_t) at x, and the mean and the variance of x_0 there.
function clean(data, { scale, noise }, x) {
  let [q, first, second] = [0, 0, 0];
  for (const { weight, mean, variance } of data) {
    const both = scale * scale * variance + noise;
    const off = x - scale * mean;
    const w = (weight * Math.exp((-0.5 * off * off) / both)) / Math.sqrt(2 * Math.PI * both);
    const own = mean + (scale * variance * off) / both;
    q += w;
    first += w * own;
    second += w * (own * own + (variance * noise) / both);
  }
  if (q < 1e-280) return { q: 0, ...far(data, { scale, noise }, x) };
  const mean = first / q;
  return { q, mean, variance: Math.max(0, second / q - mean * mean) };
}

// So far out that only the bell with the longest reach counts.
function far(data, { scale, noise }, x) {
  const cost = ({ mean, variance }) => (x - scale * mean) ** 2 / (scale * scale * variance + noise);
  const { mean, variance } = data.reduce((best, c) => (cost(c) < cost(best) ? c : best));
  const both = scale * scale * variance + noise;
  return { mean: mean + (scale * variance * (x - scale * mean)) / both, variance: (variance * noise) / both };
}

// p(x_{t-1} | x_t = x): the exact mean and variance, pushed aside by `shift` widths and made `factor` times as large.
const spoilt = ({ a, b, v }, { mean, variance }, x, { shift, factor }) => {
  const right = v + a * a * variance;
  return { mean: a * mean + b * x + shift * Math.sqrt(right), variance: factor * right };
};

// Evenly spaced places that cover a mixture, `fine` of them to its narrowest standard deviation.
function cover(mixture, fine) {
  const sd = mixture.map(({ variance }) => Math.sqrt(variance));
  const low = Math.min(...mixture.map(({ mean }, k) => mean - REACH * sd[k]));
  const high = Math.max(...mixture.map(({ mean }, k) => mean + REACH * sd[k]));
  const count = Math.ceil(((high - low) * fine) / Math.min(...sd)) + 1;
  return { low, width: (high - low) / (count - 1), count };
}

const at = ({ low, width }, i) => low + i * width;

// ---------------------------------------------------------------------------------------------------- the four terms

// L_0, L_1, ..., L_T in nats, averaged over the data: sums over x_t of what each x_t costs on average over its x_0.
export function terms(data, table, T, wrong) {
  const out = new Float64Array(T + 1);
  for (let t = 1; t <= T; t++) {
    const law = step(table, t);
    const { scale, noise, a, b, v } = law;
    const grid = cover(data.map((c) => ({ mean: scale * c.mean, variance: scale * scale * c.variance + noise })), 6);
    let sum = 0;
    for (let i = 0; i < grid.count; i++) {
      const x = at(grid, i);
      const guess = clean(data, law, x);
      const p = spoilt(law, guess, x, wrong);
      const square = a * a * guess.variance + (a * guess.mean + b * x - p.mean) ** 2;
      const ratio = v / p.variance;
      const fixed = t === 1 ? Math.log(2 * Math.PI * p.variance) : ratio - 1 - Math.log(ratio);
      sum += 0.5 * guess.q * (fixed + square / p.variance);
    }
    out[t - 1] = sum * grid.width;
  }
  const [left, noise] = [Math.exp(table.logAlphaBar[T]), -Math.expm1(table.logAlphaBar[T])];
  const square = data.reduce((s, c) => s + c.weight * (c.mean ** 2 + c.variance), 0);
  out[T] = 0.5 * (noise - 1 - Math.log(noise) + left * square);
  return out;
}

// -------------------------------------------------------------------------------------------------- p(x_0), on grids

// The grid of x_t, fine enough for the step that leaves from it, and what p does there.
function level(data, table, t, wrong, reach) {
  const law = step(table, t);
  const moves = (x) => spoilt(law, clean(data, law, x), x, wrong);
  const probe = Array.from({ length: 301 }, (_, i) => -reach + (i * reach) / 150);
  const seen = probe.map(moves);
  const sharp = seen.map(({ mean, variance }, i) => {
    const next = seen[Math.min(i + 1, 300)];
    const slope = i < 300 ? Math.abs(next.mean - mean) / (reach / 150) : 1;
    return Math.sqrt(variance) / Math.max(1, slope);
  });
  const narrow = Math.min(...seen.map(({ variance }) => Math.sqrt(variance)));
  return { reach, moves, sharp: Math.min(...sharp), narrow };
}

// Add to `out`, on a grid, the bell N(mean, variance) times a mass: outwards from its middle, by products alone.
function addBell(out, { low, width, count }, mean, variance, mass) {
  const top = Math.round((mean - low) / width);
  const height = mass / Math.sqrt(2 * Math.PI * variance);
  const fall = Math.exp((-width * width) / variance);
  const reach = Math.ceil((8.5 * Math.sqrt(variance)) / width);
  for (const way of [1, -1]) {
    const off = way * (low + top * width - mean);
    let value = height * Math.exp((-0.5 * off * off) / variance);
    let ratio = Math.exp(-(off * width + 0.5 * width * width) / variance);
    for (let k = 0, j = top; k <= reach; k++, j += way) {
      if (j >= 0 && j < count && (k > 0 || way > 0)) out[j] += value;
      value *= ratio;
      ratio *= fall;
    }
  }
}

// The density of x_0 under p on the grid: N(0, 1) carried through T steps, each a sum over a grid of x_t.
export function model(data, table, T, wrong, grid) {
  const far = Math.max(...data.map((c) => Math.abs(c.mean) + REACH * Math.sqrt(c.variance)));
  const reach = Math.max(9, far + 2);
  const levels = Array.from({ length: T }, (_, i) => level(data, table, i + 1, wrong, reach));
  const grids = levels.map((one, i) => {
    const above = levels[i + 1]; // the law of x_t comes from there, and must be seen on this grid
    const width = Math.min(one.sharp / 2.5, (above ? above.narrow : 1) / 2);
    const count = Math.ceil((2 * reach) / width) + 1;
    return { low: -reach, width: (2 * reach) / (count - 1), count };
  });
  let density = Float64Array.from({ length: grids[T - 1].count }, (_, i) => {
    const x = at(grids[T - 1], i);
    return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
  });
  for (let t = T; t >= 1; t--) {
    const [here, below] = [grids[t - 1], t > 1 ? grids[t - 2] : grid];
    const next = new Float64Array(below.count);
    for (let i = 0; i < here.count; i++) {
      const mass = density[i] * here.width;
      if (mass < 1e-25) continue;
      const { mean, variance } = levels[t - 1].moves(at(here, i));
      addBell(next, below, mean, variance, mass);
    }
    density = next;
  }
  return density;
}

// The account (5.15): entropy + model's error + gap = bound, in nats. The gap is what is left of the bound.
export function account(data, table, T, wrong) {
  const each = terms(data, table, T, wrong);
  const bound = each.reduce((sum, v) => sum + v, 0);
  const grid = cover(data, 6);
  const p = model(data, table, T, wrong, grid);
  let [entropy, error] = [0, 0];
  p.forEach((value, i) => {
    const logQ = logMixture(data, at(grid, i));
    const q = Math.exp(logQ);
    if (q < 1e-30) return;
    entropy -= q * logQ * grid.width;
    error += q * (logQ - Math.log(Math.max(value, 1e-300))) * grid.width;
  });
  return { terms: each, bound, entropy, error, gap: bound - entropy - error };
}

// --------------------------------------------------------------------------------------------------------- the views

function bars(ui, now) {
  const view = plot(ui, { alt: "the terms of the bound as bars, from L 0 at the left to L T at the right", height: 220, left: 46 });

  function draw({ T }, colours) {
    const values = now.account.terms;
    const high = 1.08 * Math.max(0.05, ...values);
    const low = 1.08 * Math.min(0, ...values);
    const xTicks = [...ticks(T).filter((tick) => Number.isInteger(tick) && tick < 0.93 * T), T];
    const frame = { x: [-0.6, T + 0.6], y: [low, high], xTicks, yTicks: ticksBetween(low, high, 4), xLabel: "index of the term", yLabel: "nats" };
    view.area(frame, colours, (context, X, Y) => {
      values.forEach((value, i) => {
        context.fillStyle = i === 0 ? colours.data : i === T ? colours.noise : colours.p;
        context.fillRect(X(i - 0.4), Y(Math.max(0, value)), X(0.4) - X(-0.4), Math.abs(Y(0) - Y(value)));
      });
      curve(context, X, Y, [[-0.6, 0], [T + 0.6, 0]], { colour: colours.soft, width: 1 });
    });
  }
  return { canvas: view.canvas, draw };
}

// Entropy, the model's error and the gap laid end to end, and the bound as a mark that was computed without them.
function ruler(ui, now) {
  const view = plot(ui, { alt: "a ruler in nats: entropy, then the model's error, then the gap, up to the mark of the bound", height: 96, left: 46, top: 14 });

  function draw(state, colours) {
    const { entropy, error, gap, bound } = now.account;
    const [low, high] = [Math.min(0, 1.1 * entropy), Math.max(entropy + 0.4, bound + 0.05, 0.1)];
    const frame = { x: [low, high], y: [0, 1], xTicks: ticksBetween(low, high, 8), xLabel: "nats" };
    view.area(frame, colours, (context, X, Y) => {
      let from = 0;
      for (const [part, colour] of [
        [entropy, colours.data],
        [error, colours.accent],
        [gap, colours.noise],
      ]) {
        context.fillStyle = colour;
        context.fillRect(Math.min(X(from), X(from + part)), Y(0.85), Math.abs(X(part) - X(0)), Y(0.15) - Y(0.85));
        from += part;
      }
      curve(context, X, Y, [[bound, 0], [bound, 1.1]], { colour: colours.ink, width: 2.5 });
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model: traits, el }) {
  const ui = explorable(traits, el, { title: "The bound", traits: ["T", "schedule", "shift", "factor"] });
  const [weights, means, variances] = ["_weights", "_means", "_variances"].map((name) => traits.get(name));
  const data = weights.map((weight, k) => ({ weight, mean: means[k], variance: variances[k] }));
  const places = [...new Set([...STEPS.filter((T) => T <= MOST), traits.get("_start").T])].sort((a, b) => a - b);
  const changed = memory();
  const now = {};

  const length = slider(ui, {
    symbol: "T",
    name: "steps in all",
    max: places.length - 1,
    marks: [1, 10, 100].map((T) => [places.indexOf(T), String(T)]),
    change: (i, event) => ui.set({ T: places[i] }, event),
  });
  const shift = dial(ui, { name: "means of p off by, in widths", low: 0, high: 0.5, step: 0.01, change: (v, event) => ui.set({ shift: v }, event) });
  const factor = dial(ui, { name: "variances of p, times", low: 0.5, high: 2, step: 0.05, ends: [0.5, 1, 2], change: (v, event) => ui.set({ factor: v }, event) });
  const kind = choice(ui, {
    name: "Schedule",
    options: Object.entries(SCHEDULES).filter(([name]) => name === "linear" || name === "cosine"),
    change: (value, event) => ui.set({ schedule: value }, event),
  });
  const facts = readout(["entropy of the data", "model's error", "gap", "their sum: the bound"]);
  const views = [bars(ui, now), ruler(ui, now)];

  function draw(state, colours) {
    const { T, schedule: chosen, shift: off, factor: times } = state;
    if (changed("account", T, chosen, off, times)) {
      now.account = account(data, schedule({ kind: chosen, T, beta: 0 }), T, { shift: off, factor: times });
    }
    ui.root.explorable.account = now.account;
    length.put({ position: nearest(places, T), text: String(T) });
    shift.put(off);
    factor.put(times);
    kind.put(chosen);
    const { entropy, error, gap, bound } = now.account;
    facts.put([entropy, error, gap, bound].map(nats));
    for (const view of views) view.draw(state, colours);
  }

  function words({ T, schedule: chosen, shift: off, factor: times }) {
    const { entropy, error, gap, bound } = now.account;
    const p = off === 0 && times === 1 ? "exact steps" : `means off by ${number(off)} widths, variances times ${number(times)}`;
    return `${T} steps, ${chosen} schedule, ${p}. Bound ${nats(bound)} nats: entropy ${nats(entropy)}, model's error ${nats(error)}, gap ${nats(gap)}.`;
  }

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  const wide = (...parts) => h("figure", { class: "dm-half" }, ...parts);
  ui.root.append(
    wide(keys(key("data", maths("{L}_0_, the reconstruction")), key("p", maths("{L}_1_ \u2026 {L}_{T}\u22121_, the steps")), key("noise", maths("{L}_{T}_, the prior"))), views[0].canvas),
    wide(keys(key("data", "entropy"), key("accent", "model's error"), key("noise", "gap"), key("mark", "the bound, the sum of all bars")), views[1].canvas),
    facts.el,
    h("div", { class: "dm-grid" }, length.el, shift.el, factor.el),
    h("div", { class: "dm-buttons" }, kind.el, button(ui, "Reset", ui.reset)),
    h("p", { class: "dm-note" }, "The bound is the sum of the bars. Entropy and model's error are computed apart from it; the gap is what they leave."),
  );
  ui.start(draw, words);
  return ui.close;
}

// Nats to four places; what rounding leaves of a zero is a zero.
const nats = (v) => (Math.abs(v) < 5e-7 ? "0" : Math.abs(v) < 1e-3 ? number(v, 2) : v.toFixed(4).replace("-", "\u2212"));

export default { render };
