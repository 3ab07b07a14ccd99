// The score field: arrows of grad log q(x_t) for a mixture of bells in the plane, and a few hundred particles that walk
// by it. The score is exact, and so is every step; the bells and where the particles start came from Python once.
import {
  aim,
  button,
  choice,
  dot,
  explorable,
  floats,
  h,
  heat,
  keyOf,
  maths,
  memory,
  number,
  plane,
  player,
  readout,
  slider,
} from "./common.js";
import { noise, posteriorAt, random, schedule, signal } from "./laws.js";

const EDGE = 3;
const GRID = 17; // arrows along each side
const CELLS = 64;
const SHARE = 0.2; // eta of (7.11): the annealed walk's step, in shares of the noise's variance
const STEADY = 0.1; // the step at a fixed level, in shares of the narrowest variance there
const SAME = 0.02; // tops that are no further apart are one
const WALKS = 4; // steps of the annealed walk at each level
const NAMES = { ascent: "ascent: uphill only", langevin: "Langevin: uphill with noise", annealed: "annealed Langevin", reverse: "reverse process" };
const MOVING = ["annealed", "reverse"]; // those that lower the noise level as they go

// ---------------------------------------------------------------------------------------------- the exact mathematics

// q(x_t): each bell with its scale, its covariance C = [xx, xy, yy], the inverse of C, and the log of its height.
export function lawAt(bells, logAlphaBar) {
  const [s, v] = [signal(logAlphaBar), noise(logAlphaBar) ** 2];
  return bells.map(({ weight, mean, cov }) => {
    const C = [s * s * cov[0] + v, s * s * cov[1], s * s * cov[2] + v];
    const det = C[0] * C[2] - C[1] * C[1];
    const inverse = [C[2] / det, -C[1] / det, C[0] / det];
    return { scale: s, mean, cov, C, inverse, logHeight: Math.log(weight) - 0.5 * Math.log(4 * Math.PI * Math.PI * det) };
  });
}

// C^-1 (x - scale mean) for one bell.
function pull({ scale, mean, inverse: [a, b, d] }, x, y) {
  const [u, v] = [x - scale * mean[0], y - scale * mean[1]];
  return [a * u + b * v, b * u + d * v, u, v];
}

// log q(x), the share of each bell, and each bell's pull.
export function ask(law, [x, y]) {
  const pulls = law.map((bell) => pull(bell, x, y));
  const logs = law.map(({ logHeight }, k) => logHeight - 0.5 * (pulls[k][0] * pulls[k][2] + pulls[k][1] * pulls[k][3]));
  const top = Math.max(...logs);
  const sum = logs.reduce((total, l) => total + Math.exp(l - top), 0);
  return { log: top + Math.log(sum), shares: logs.map((l) => Math.exp(l - top) / sum), pulls };
}

// log q over a square grid of n x n cells from -EDGE to EDGE, row by row into `out`; the highest of them.
export function logDensities(law, n, out) {
  let most = -Infinity;
  const each = new Float64Array(law.length);
  for (let i = 0; i < n * n; i++) {
    const [x, y] = [EDGE * ((2 * (i % n) + 1) / n - 1), EDGE * ((2 * Math.floor(i / n) + 1) / n - 1)];
    let [top, sum] = [-Infinity, 0];
    for (let k = 0; k < law.length; k++) {
      const { scale, mean, inverse, logHeight } = law[k];
      const [u, v] = [x - scale * mean[0], y - scale * mean[1]];
      each[k] = logHeight - 0.5 * (inverse[0] * u * u + 2 * inverse[1] * u * v + inverse[2] * v * v);
      if (each[k] > top) top = each[k];
    }
    for (let k = 0; k < law.length; k++) sum += Math.exp(each[k] - top);
    out[i] = top + Math.log(sum);
    most = Math.max(most, out[i]);
  }
  return most;
}

// The score: minus each bell's pull, by its share.
export function score(law, point) {
  const { shares, pulls } = ask(law, point);
  return [0, 1].map((i) => -shares.reduce((sum, share, k) => sum + share * pulls[k][i], 0));
}

// E[x_0 | x_t] and, coordinate by coordinate, Var[x_0 | x_t].
export function denoise(law, point) {
  const { shares, pulls } = ask(law, point);
  const own = law.map(({ scale: s, mean, cov: [a, b, d], inverse: [p, q, r] }, k) => {
    const [u, v] = pulls[k];
    const guess = [mean[0] + s * (a * u + b * v), mean[1] + s * (b * u + d * v)];
    const left = [a - s * s * (a * (a * p + b * q) + b * (a * q + b * r)), d - s * s * (b * (b * p + d * q) + d * (b * q + d * r))];
    return { guess, left };
  });
  const average = (f) => shares.reduce((sum, share, k) => sum + share * f(own[k]), 0);
  const mean = [0, 1].map((i) => average(({ guess }) => guess[i]));
  const variance = [0, 1].map((i) => average(({ guess, left }) => Math.max(0, left[i]) + (guess[i] - mean[i]) ** 2));
  return { mean, variance };
}

// The hills of q: the numbers of the bells, in groups that share a top. Where noise has made one hill of several bells,
// their middles climb to the same top (by mean shift, which never goes down).
export function hills(law) {
  const groups = [];
  for (const [k, bell] of law.entries()) {
    const top = climb(law, bell.mean.map((m) => bell.scale * m));
    const same = groups.find((group) => Math.hypot(top[0] - group.top[0], top[1] - group.top[1]) < SAME);
    if (same) same.bells.push(k);
    else groups.push({ top, bells: [k] });
  }
  return groups;
}

function climb(law, start) {
  let [x, y] = start;
  for (let i = 0; i < 1000; i++) {
    const { shares } = ask(law, [x, y]);
    let [a, b, d, u, v] = [0, 0, 0, 0, 0]; // where the bells' pulls, each by its share, add to 0
    law.forEach(({ scale, mean, inverse: [p, q, r] }, k) => {
      const [m, n, w] = [scale * mean[0], scale * mean[1], shares[k]];
      [a, b, d] = [a + w * p, b + w * q, d + w * r];
      [u, v] = [u + w * (p * m + q * n), v + w * (q * m + r * n)];
    });
    const det = a * d - b * b;
    const next = [(d * u - b * v) / det, (a * v - b * u) / det];
    const moved = Math.hypot(next[0] - x, next[1] - y);
    [x, y] = next;
    if (moved < 1e-7) break;
  }
  return [x, y];
}

// The smallest variance of any bell of q(x_t), along any direction.
const narrowest = (law) =>
  Math.min(...law.map(({ C: [a, b, d] }) => (a * d - b * b) / ((a + d) / 2 + Math.hypot((a - d) / 2, b))));

// The step h that a sampler takes at t.
export const stepOf = (sampler, law, logAlphaBar) =>
  sampler === "annealed" ? SHARE * noise(logAlphaBar) ** 2 : STEADY * narrowest(law);

// One step of a walk from a point, with noise xi: uphill, and for Langevin a kick of sqrt(2 h).
export function walk(sampler, law, logAlphaBar, point, xi) {
  const size = stepOf(sampler, law, logAlphaBar);
  const kick = sampler === "ascent" ? 0 : Math.sqrt(2 * size);
  const slope = score(law, point);
  return point.map((x, i) => x + size * slope[i] + kick * xi[i]);
}

// One step back, from x_t to x_{t-1}: the Gaussian with the mean and the variances of q(x_{t-1} | x_t).
export function stepBack(law, table, t, point, xi) {
  const { a, b, v } = posteriorAt(table, t);
  const { mean, variance } = denoise(law, point);
  return point.map((x, i) => a * mean[i] + b * x + Math.sqrt(v + a * a * variance[i]) * xi[i]);
}

// ------------------------------------------------------------------------------------------------- what is computed

function computation(model) {
  const [weights, means, covs] = ["_weights", "_means", "_covs"].map((name) => model.get(name));
  const bells = weights.map((weight, k) => ({ weight, mean: means[k], cov: covs[k] }));
  const rows = floats(model.get("_given"), Float64Array);
  const given = rows.length && { logAlphaBar: rows.subarray(0, rows.length / 2), beta: rows.subarray(rows.length / 2) };
  const flat = floats(model.get("_points"));
  const start = Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
  const { T, schedule: kind } = model.get("_chain");
  const now = { bells, T, table: schedule({ kind, T, beta: 0, given }), points: start, start, weights };
  const changed = memory();
  let { normal } = random(7);

  now.update = ({ t }) => {
    if (!changed("law", t)) return;
    now.law = lawAt(bells, now.table.logAlphaBar[t]);
    now.hills = hills(now.law);
  };
  now.restart = () => {
    [now.points, now.walked] = [start, 0];
    ({ normal } = random(7)); // the same walk again
  };
  now.scatter = () => {
    [now.points, now.walked] = [start.map(() => [normal(), normal()]), 0];
  };

  // Every particle takes one step at t. Where it is then: the new t.
  now.walked = 0;
  now.advance = (sampler, t) => {
    const law = lawAt(bells, now.table.logAlphaBar[t]);
    const xi = () => [normal(), normal()];
    if (sampler === "reverse") {
      now.points = now.points.map((x) => stepBack(law, now.table, t, x, xi()));
      return t - 1;
    }
    now.points = now.points.map((x) => walk(sampler, law, now.table.logAlphaBar[t], x, xi()));
    now.walked = sampler === "annealed" ? (now.walked + 1) % WALKS : 0;
    return sampler === "annealed" && now.walked === 0 ? t - 1 : t;
  };
  return now;
}

// ---------------------------------------------------------------------------------------------------------- the view

function field(ui, now) {
  const view = plane(ui, "the density of x at step t as shades, its score as arrows that point uphill, and particles");
  const changed = memory();
  const places = Array.from({ length: GRID }, (_, i) => EDGE * ((2 * i + 1) / GRID - 1));
  const [hot, shades] = [heat(CELLS, CELLS), new Float64Array(CELLS * CELLS)];
  let arrows = [];
  let filled = 0;

  // All arrows in one line, all heads in one shape.
  function drawArrows(context, X, Y, colour) {
    const heads = new Path2D();
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 1;
    context.globalAlpha = 0.65;
    context.beginPath();
    for (const [x, y, u, v] of arrows) {
      const long = Math.hypot(u, v);
      const scale = (0.13 * Math.min(2.4, Math.sqrt(long))) / (long || 1); // the root: the longest would hide the others
      aim(context, heads, X(x), Y(y), X(x + scale * u), Y(y + scale * v), 4);
    }
    context.stroke();
    context.fill(heads);
    context.globalAlpha = 1;
  }

  function draw(state, colours) {
    if (!colours.ink) return; // not on a page yet
    const shade = ui.lit() === "density" ? colours.lit : colours.data;
    if (changed("field", now.law, colours.paper, shade)) {
      const top = logDensities(now.law, CELLS, shades);
      for (let i = 0; i < shades.length; i++) shades[i] = 0.75 * Math.exp(0.5 * (shades[i] - top));
      hot.fill(shades, [colours.paper, shade]);
      filled++;
      arrows = places.flatMap((y) => places.map((x) => [x, y, ...score(now.law, [x, y])]));
    }
    const marks = [-2, 0, 2];
    const frame = { x: [-EDGE, EDGE], y: [-EDGE, EDGE], xTicks: marks, yTicks: marks, xLabel: "first number", yLabel: "second number" };
    const still = {
      needs: [filled, ui.lit() === "score"],
      paint(context, X, Y) {
        hot.draw(context, X(-EDGE), Y(EDGE), X(EDGE) - X(-EDGE), Y(-EDGE) - Y(EDGE));
        ui.mark(context, "score", () => drawArrows(context, X, Y, colours.ink));
      },
    };
    const paint = (context, X, Y) => {
      ui.mark(context, "particles", () => {
        for (const [x, y] of now.points) dot(context, X(x), Y(y), { colour: colours.p, radius: 2.5, ring: colours.paper });
      });
    };
    view.area(frame, colours, paint, still);
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Score field",
    task: "Under which of the four samplers do the particles end up spread as the hills are? Say first, then press Play for each.",
    answer: "Under annealed Langevin and the reverse process, which start from noise. Ascent drops every particle onto a top. Langevin spreads them out again, but no deep valley is crossed, so each hill keeps whom it had. (Over shallow valleys the particles pass, in time.)",
    marks: { q: "density", hills: "density", arrows: "score", s: "score", particles: "particles" },
    traits: ["t", "sampler"],
  });
  const now = computation(model);
  const view = field(ui, now);
  const least = () => (ui.state.sampler === "annealed" ? 1 : 0); // annealed Langevin needs some noise to step by
  const over = () => MOVING.includes(ui.state.sampler) && ui.state.t <= least();

  // Some steps at once, then draw. A sampler that lowers the noise starts again from N(0, I) when it was at its end.
  function go(steps, event) {
    let { t } = ui.state;
    if (over()) {
      now.scatter();
      t = now.T;
    }
    for (let i = 0; i < steps && !(MOVING.includes(ui.state.sampler) && t <= least()); i++) t = now.advance(ui.state.sampler, t);
    if (t !== ui.state.t) ui.set({ t }, event);
    else ui.redraw(event);
  }

  let last = 0;
  const play = player(ui, {
    leap: ["Ten steps", (event) => go(10, event)],
    step(event) {
      if (event.timeStamp - last < 33) return true;
      last = event.timeStamp;
      go(1, event);
      return !over();
    },
  });
  const time = slider(ui, {
    symbol: "t",
    name: "noise level",
    max: now.T,
    marks: [0, now.T].map((end) => [end, String(end)]),
    change: (t, event) => ui.set({ t }, event),
  });
  const sampler = choice(ui, {
    name: "Sampler",
    options: Object.entries(NAMES),
    change: (value, event) => ui.set({ sampler: value }, event),
  });
  const one = button(ui, "One step", (event) => go(1, event));
  const fresh = button(ui, "Scatter", (event) => {
    now.scatter();
    ui.redraw(event);
  });
  const reset = button(ui, "Reset", (event) => {
    play.stop();
    now.restart();
    ui.reset(event);
  });
  const facts = readout([maths("{\u1fb1}_t_, what is left of the data"), "mean log q of the particles, nats", "hills that stand apart"]);
  const counts = readout(["share of the particles on each hill", "it should be"]);

  function draw(state, colours) {
    now.update(state);
    time.put({ position: state.t, text: String(state.t) });
    sampler.put(state.sampler);
    const asked = now.points.map((x) => ask(now.law, x));
    now.mean = asked.reduce((sum, { log }) => sum + log, 0) / asked.length;
    const own = now.weights.map((_, k) => asked.reduce((sum, { shares }) => sum + shares[k], 0) / asked.length);
    const [shares, right] = [own, now.weights].map((of) => now.hills.map(({ bells }) => bells.reduce((sum, k) => sum + of[k], 0)));
    now.shares = shares;
    Object.assign(ui.root.explorable, { law: now.law, points: now.points, mean: now.mean, hills: now.hills, shares });
    const percent = (values) => values.map((v) => `${Math.round(100 * v)} %`).join(", ");
    facts.put([number(Math.exp(now.table.logAlphaBar[state.t])), now.mean.toFixed(2).replace("-", "\u2212"), `${now.hills.length} of ${now.weights.length}`]);
    counts.put([percent(shares), percent(right)]);
    view.draw(state, colours);
  }

  function words({ t, sampler: chosen }) {
    const shares = now.shares.map((v) => `${Math.round(100 * v)} %`).join(", ");
    return `${NAMES[chosen]}. Noise level t = ${t} of ${now.T}. ${now.points.length} particles; hills that stand apart: ${now.hills.length} of ${now.weights.length}, with ${shares} of the particles. Mean log q ${number(now.mean)}.`;
  }

  const keys = h("figcaption", { class: "dm-keys" }, keyOf("density", "bars", maths("density {q}({x}_t_)")), keyOf("score", "arrow", "its score"), keyOf("particles", "particle", `${now.points.length} particles`));
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      h("figure", { class: "dm-half dm-top-aligned" }, keys, view.canvas),
      h(
        "div",
        { class: "dm-controls" },
        sampler.el,
        time.el,
        h("div", { class: "dm-buttons dm-still" }, play.el, one, fresh, reset),
        facts.el,
        counts.el,
        h("p", { class: "dm-note" }, maths("Ascent and Langevin stay at the {t} of the slider. Annealed Langevin and the reverse process start from N(0, {I}) at {t} = "), `${now.T} and lower it as they go. Arrows show the root of the score's length.`),
      ),
    ),
  );
  ui.phone = { show: [view.canvas.closest("figure")], move: [time.el, play.el.parentElement] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
