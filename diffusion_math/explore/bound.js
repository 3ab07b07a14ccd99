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
  keyOf,
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
import { bellsUnder, clean, logMixture, posteriorAt, schedule, sentMixture, signal } from "./laws.js";

const MOST = 100; // steps of the chain
const REACH = 8; // standard deviations that a sum covers on either side
const FAINT = -30 * Math.LN10; // log q below which the data counts for nothing
const EDGE = 9; // standard deviations of p that its grids cover on either side
const SEEN = 11; // standard deviations that are added of a bell: the data may lie far out in p
const LEAST = 1e-60; // mass that is not carried on
const ROOT = Math.sqrt(2 * Math.PI);

// ----------------------------------------------------------------------------------------------- the chain's numbers

// q(x_t) at one t: the posterior's numbers, what is left of the data, the noise beside it, and what an x_t says of x_0.
function lawAt(data, table, t) {
  const now = table.logAlphaBar[t];
  const [scale, noise] = [signal(now), -Math.expm1(now)];
  const bells = bellsUnder(data, scale, noise);
  return { ...posteriorAt(table, t), scale, noise, bells, clean: clean(bells), kept: null };
}

// p(x_{t-1} | x_t) on a grid of x_t, before it is spoilt: its mean, and its standard deviation.
function exact(law, grid) {
  const { a, b, v } = law;
  const [mean, sd, here] = [new Float64Array(grid.count), new Float64Array(grid.count), { q: 0, mean: 0, variance: 0 }];
  for (let i = 0; i < grid.count; i++) {
    const x = at(grid, i);
    law.clean(x, here);
    mean[i] = a * here.mean + b * x;
    sd[i] = Math.sqrt(v + a * a * here.variance);
  }
  return { ...grid, mean, sd };
}

// Evenly spaced places that cover a mixture, `fine` of them to its narrowest standard deviation.
function cover(mixture, fine) {
  const sd = mixture.map(({ variance }) => Math.sqrt(variance));
  const low = Math.min(...mixture.map(({ mean }, k) => mean - REACH * sd[k]));
  const high = Math.max(...mixture.map(({ mean }, k) => mean + REACH * sd[k]));
  const count = Math.ceil(((high - low) * fine) / Math.min(...sd)) + 1;
  return { low, width: (high - low) / (count - 1), count };
}

const at = ({ low, width }, i) => low + i * width;

// Everything that a change of p leaves as it is: for each t the law, what its term is made of and the probes of its
// step; for the data a grid, log q on it, and the entropy.
export function chain(data, table, T) {
  const out = Math.max(...data.map((c) => Math.abs(c.mean) + REACH * Math.sqrt(c.variance)));
  const reach = Math.ceil(Math.max(9, out + 2));
  const probe = { low: -reach, width: reach / 150, count: 301 };
  const laws = Array.from({ length: T }, (_, i) => lawAt(data, table, i + 1));
  for (const law of laws) Object.assign(law, { probes: exact(law, probe), parts: parts(data, law) });
  const [left, noise] = [Math.exp(table.logAlphaBar[T]), -Math.expm1(table.logAlphaBar[T])];
  const square = data.reduce((s, c) => s + c.weight * (c.mean ** 2 + c.variance), 0);
  const prior = 0.5 * (noise - 1 - Math.log(noise) + left * square);
  const grid = cover(data, 6);
  const logQ = Float64Array.from({ length: grid.count }, (_, i) => logMixture(data, at(grid, i)));
  const entropy = logQ.reduce((sum, l) => (l < FAINT ? sum : sum - Math.exp(l) * l * grid.width), 0);
  return { T, laws, reach, prior, grid, logQ, entropy };
}

// ---------------------------------------------------------------------------------------------------- the four terms

// The sums over x_t of which a term is made, whatever p is: of q, of q times the log of what p's variance is to be
// compared with, and of q times the share of that variance which x_0 leaves open.
function parts(data, law) {
  const { scale, noise, a, v } = law;
  const grid = cover(data.map((c) => ({ mean: scale * c.mean, variance: scale * scale * c.variance + noise })), 6);
  let [all, logs, open] = [0, 0, 0];
  const here = { q: 0, mean: 0, variance: 0 };
  for (let i = 0; i < grid.count; i++) {
    law.clean(at(grid, i), here);
    if (here.q === 0) continue;
    const own = a * a * here.variance;
    const right = v + own;
    all += here.q;
    logs += here.q * Math.log(v > 0 ? right / v : 2 * Math.PI * right); // at t = 1 nothing is left of v
    open += here.q * (own / right);
  }
  return { all: all * grid.width, logs: logs * grid.width, open: open * grid.width };
}

// L_0, L_1, ..., L_T in nats, averaged over the data. With p's mean off by `shift` right widths and its variance
// `factor` times the right one, the average over x_t is a sum of three parts that do not depend on either.
export function terms({ T, laws, prior }, { shift, factor }) {
  const out = new Float64Array(T + 1);
  laws.forEach(({ v, parts: { all, logs, open } }, i) => {
    const still = v > 0 ? (all - open) / factor - all : 0; // v / p's variance - 1
    out[i] = 0.5 * (logs + all * Math.log(factor) + still + (open + all * shift * shift) / factor);
  });
  out[T] = prior;
  return out;
}

// -------------------------------------------------------------------------------------------------- p(x_0), on grids

// How fine the grid of x_t must be for the step that leaves from it, and how narrow p is there.
function sharpness({ mean, sd, count }, width, { shift, factor }) {
  let [sharp, narrow] = [Infinity, Infinity];
  for (let i = 0; i < count; i++) {
    const rise = i < count - 1 ? Math.abs(mean[i + 1] - mean[i] + shift * (sd[i + 1] - sd[i])) / width : 1;
    sharp = Math.min(sharp, sd[i] / Math.max(1, rise));
    narrow = Math.min(narrow, sd[i]);
  }
  return { sharp: Math.sqrt(factor) * sharp, narrow: Math.sqrt(factor) * narrow };
}

// Where p is at any t, in whole numbers: as far as it would be pushed if the data were one of its bells alone, each of
// which stays a bell all the way.
function edges({ T, laws, reach }, { shift, factor }) {
  let [low, high] = [-reach, reach];
  laws[0].bells.forEach((_, k) => {
    let [mean, variance] = [0, 1];
    for (let t = T; t >= 1; t--) {
      const { a, b, v, bells } = laws[t - 1];
      const { mean: own, middle, gain, left } = bells[k];
      const right = v + a * a * left;
      mean = a * (own + gain * (mean - middle)) + b * mean + shift * Math.sqrt(right);
      variance = (a * gain + b) ** 2 * variance + factor * right;
      low = Math.min(low, Math.floor(mean - EDGE * Math.sqrt(variance)));
      high = Math.max(high, Math.ceil(mean + EDGE * Math.sqrt(variance)));
    }
  });
  return { low, high };
}

// Add to `out`, on a grid, the bell N(mean, sd^2) times a mass: outwards from its middle, by products alone.
function addBell(out, { low, width, count }, mean, sd, mass) {
  const first = Math.max(0, Math.ceil((mean - SEEN * sd - low) / width));
  const last = Math.min(count - 1, Math.floor((mean + SEEN * sd - low) / width));
  if (first > last) return;
  const top = Math.min(last, Math.max(first, Math.round((mean - low) / width)));
  const [off, step] = [(low + top * width - mean) / sd, width / sd];
  const height = (mass / (sd * ROOT)) * Math.exp(-0.5 * off * off);
  const up = Math.exp(-(off + 0.5 * step) * step);
  const fall = Math.exp(-step * step);
  for (let j = top, value = height, ratio = up; j <= last; j++, value *= ratio, ratio *= fall) out[j] += value;
  const down = fall / up;
  for (let j = top - 1, value = height * down, ratio = down * fall; j >= first; j--, value *= ratio, ratio *= fall) {
    out[j] += value;
  }
}

// The density of x_0 under p on the data's grid: N(0, 1) carried through T steps, each a sum over a grid of x_t.
export function model(given, wrong) {
  const { T, laws, reach, grid } = given;
  const { low, high } = edges(given, wrong); // a wrong mean pushes p to the right, step after step
  const seen = laws.map(({ probes }) => sharpness(probes, reach / 150, wrong));
  const grids = seen.map(({ sharp }, i) => {
    const above = seen[i + 1]; // the law of x_t comes from there, and must be seen on this grid
    const count = Math.ceil((high - low) / Math.min(sharp / 2.5, (above ? above.narrow : 1) / 2)) + 1;
    return { low, width: (high - low) / (count - 1), count };
  });
  let density = Float64Array.from({ length: grids[T - 1].count }, (_, i) => {
    const x = at(grids[T - 1], i);
    return Math.exp(-0.5 * x * x) / ROOT;
  });
  for (let t = T; t >= 1; t--) {
    const [here, below, law] = [grids[t - 1], t > 1 ? grids[t - 2] : grid, laws[t - 1]];
    const same = law.kept && law.kept.count === here.count && law.kept.low === low && law.kept.width === here.width;
    if (!same) law.kept = exact(law, here); // a shift alone often leaves the grid as it is
    density = carried(density, here, below, law.kept, wrong);
  }
  return density;
}

// One step of p: the density on the grid below.
function carried(density, here, below, { mean, sd }, { shift, factor }) {
  const [next, wider] = [new Float64Array(below.count), Math.sqrt(factor)];
  for (let i = 0; i < here.count; i++) {
    const mass = density[i] * here.width;
    if (mass >= LEAST) addBell(next, below, mean[i] + shift * sd[i], wider * sd[i], mass);
  }
  return next;
}

// The account (5.13): entropy + model's error + gap = bound, in nats. The gap is what is left of the bound.
export function account(given, wrong) {
  const each = terms(given, wrong);
  const bound = each.reduce((sum, v) => sum + v, 0);
  const { grid, logQ, entropy } = given;
  let error = 0;
  model(given, wrong).forEach((value, i) => {
    if (logQ[i] >= FAINT) error += Math.exp(logQ[i]) * (logQ[i] - Math.log(Math.max(value, 1e-300))) * grid.width;
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
        context.fillStyle = i === 0 || i === T ? colours.q : colours.p;
        const bar = () => context.fillRect(X(i - 0.4), Y(Math.max(0, value)), X(0.4) - X(-0.4), Math.abs(Y(0) - Y(value)));
        ui.mark(context, i === 0 ? "reconstruction" : i === T ? "prior" : "steps", bar);
      });
      curve(context, X, Y, [[-0.6, 0], [T + 0.6, 0]], { colour: colours.soft, width: 1 });
    });
  }
  return { canvas: view.canvas, draw };
}

// Entropy, the model's error and the gap laid end to end, and the bound as a mark that was computed without them;
// below, what was kept.
function ruler(ui, now) {
  const view = plot(ui, { alt: "a ruler in nats: entropy, then the model's error, then the gap, up to the mark of the bound", height: 96, left: 46, top: 14 });

  function draw(state, colours) {
    const rows = now.kept ? [[now.account, 0.4, 0.9], [now.kept, 0.08, 0.28]] : [[now.account, 0.15, 0.85]];
    const { entropy } = now.account;
    const [low, high] = [Math.min(0, 1.1 * entropy), Math.max(entropy + 0.4, 0.1, ...rows.map(([{ bound }]) => bound + 0.05))];
    const frame = { x: [low, high], y: [0, 1], xTicks: ticksBetween(low, high, 8), xLabel: "nats" };
    view.area(frame, colours, (context, X, Y) => {
      for (const [account, foot, top] of rows) {
        let from = 0;
        for (const [part, colour] of [["entropy", "data"], ["error", "accent"], ["gap", "noise"]]) {
          const long = account[part];
          context.fillStyle = colours[colour];
          const left = Math.min(X(from), X(from + long));
          ui.mark(context, part, () => context.fillRect(left, Y(top), Math.abs(X(long) - X(0)), Y(foot) - Y(top)));
          from += long;
        }
        const [x, over] = [account.bound, (top - foot) / 5];
        ui.mark(context, "bound", () => curve(context, X, Y, [[x, foot - over], [x, top + over]], { colour: colours.ink, width: 2.5 }));
      }
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model: traits, el }) {
  const ui = explorable(traits, el, {
    title: "The bound",
    task: "Make the bound fall while the model\u2019s error grows: press Keep this, then change two things at once.",
    answer: "One way: spoil the variances and keep that; then set them right and spoil the means a little. The bound is a sum of three pieces, so it can fall while one of them grows.",
    marks: { L_0: "reconstruction", L_T: "prior", L: "steps", entropy: "entropy", "pink": "error", "error": "error", gap: "gap", bound: "bound", "blue piece": "entropy" },
    traits: ["T", "schedule", "shift", "factor"],
  });
  const data = sentMixture(traits);
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
  const since = h("p", { class: "dm-note" });
  const views = [bars(ui, now), ruler(ui, now)];

  function keep(event) {
    now.kept = now.account;
    ui.redraw(event);
  }

  function draw(state, colours) {
    const { T, schedule: chosen, shift: off, factor: times } = state;
    if (changed("chain", T, chosen)) now.chain = chain(data, schedule({ kind: chosen, T, beta: 0 }), T);
    if (changed("account", now.chain, off, times)) now.account = account(now.chain, { shift: off, factor: times });
    ui.root.explorable.account = now.account;
    length.put({ position: nearest(places, T), text: String(T) });
    shift.put(off);
    factor.put(times);
    kind.put(chosen);
    const { entropy, error, gap, bound } = now.account;
    facts.put([entropy, error, gap, bound].map(nats));
    since.textContent = now.kept ? change(now.kept, now.account) : SUM;
    for (const view of views) view.draw(state, colours);
  }

  function words({ T, schedule: chosen, shift: off, factor: times }) {
    const { entropy, error, gap, bound } = now.account;
    const p = off === 0 && times === 1 ? "exact steps" : `means off by ${number(off)} widths, variances times ${number(times)}`;
    return `${T} steps, ${chosen} schedule, ${p}. Bound ${nats(bound)} nats: entropy ${nats(entropy)}, model's error ${nats(error)}, gap ${nats(gap)}.${now.kept ? ` ${change(now.kept, now.account)}` : ""}`;
  }

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  const wide = (...parts) => h("figure", { class: "dm-half" }, ...parts);
  ui.root.append(
    wide(keys(keyOf("reconstruction", "q", maths("{L}_0_, the reconstruction")), keyOf("steps", "p", maths("{L}_1_ \u2026 {L}_{T}\u22121_, the steps")), keyOf("prior", "q", maths("{L}_{T}_, the prior"))), views[0].canvas),
    wide(keys(keyOf("entropy", "data", "entropy"), keyOf("error", "accent", "model's error"), keyOf("gap", "noise", "gap"), keyOf("bound", "mark", "the bound, the sum of all bars")), views[1].canvas),
    facts.el,
    h("div", { class: "dm-grid" }, length.el, shift.el, factor.el),
    h("div", { class: "dm-buttons" }, kind.el, button(ui, "Keep this", keep), button(ui, "Reset", ui.reset)),
    since,
  );
  ui.phone = { show: views.map(({ canvas }) => canvas.closest("figure")), move: [shift.el, factor.el] };
  ui.start(draw, words);
  return ui.close;
}

// Nats to four places; what rounding leaves of a zero is a zero.
const nats = (v) => (Math.abs(v) < 5e-7 ? "0" : Math.abs(v) < 1e-3 ? number(v, 2) : v.toFixed(4).replace("-", "\u2212"));

const SUM = "The bound is the sum of the bars. Entropy and error are computed apart from it; the gap is what they leave.";

function change(kept, account) {
  const [bound, error, gap] = ["bound", "error", "gap"].map((part) => account[part] - kept[part]);
  const signed = (v) => `${v > 5e-7 ? "+" : ""}${nats(v)}`;
  const lesson = bound < -5e-7 && error > 5e-7 ? " The bound fell, and the model's error grew." : "";
  return `Since then: bound ${signed(bound)}, model's error ${signed(error)}, gap ${signed(gap)} nats.${lesson}`;
}

export default { render };
