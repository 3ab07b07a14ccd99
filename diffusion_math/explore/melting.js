// The melting density: a mixture of bells over one number, and what noise makes of it, q(x_t), for every t at once.
// The weights, the variances and the noise of a few sample paths came from Python once; all the arithmetic is here.
import {
  SCHEDULES,
  button,
  choice,
  curve,
  dial,
  dot,
  explorable,
  floats,
  grab,
  h,
  heat,
  key,
  maths,
  memory,
  number,
  plot,
  readout,
  slider,
  ticks,
} from "./common.js";
import { fromNormal, logNormal, noise, noisedMixture, schedule, sentMixture, signal } from "./laws.js";

const EDGE = 4; // the pictures show x from -4 to 4
const [COLUMNS, ROWS] = [200, 160];
const FULL = 1; // the density that has the full colour

// The paths of x_t at evenly spaced times of the schedule: starts (count), then one noise a path and time.
// eps: count rows of the number of the component, its noise, and the noise of each stretch.
export function walks(mixture, eps, count, table, times) {
  const stride = eps.length / count;
  const steps = times.map((t, j) => (j ? stretch(table[times[j - 1]], table[t]) : 0));
  const [kept, added] = [steps.map(signal), steps.map(noise)];
  return Array.from({ length: count }, (_, i) => {
    const row = eps.subarray(i * stride, (i + 1) * stride);
    const { mean, variance } = mixture[row[0]];
    let x = mean + Math.sqrt(variance) * row[1];
    return times.map((_, j) => {
      if (j) x = kept[j] * x + added[j] * row[1 + j];
      return x;
    });
  });
}

// log of alpha_bar_t / alpha_bar_s; where nothing was left at s, nothing is kept.
const stretch = (from, to) => (from === -Infinity ? -Infinity : to - from);

function computation(model) {
  const rows = floats(model.get("_given"), Float64Array);
  const given = rows.length && { logAlphaBar: rows.subarray(0, rows.length / 2), beta: rows.subarray(rows.length / 2) };
  const eps = floats(model.get("_eps"));
  const [T, count] = model.get("_size");
  const stretches = eps.length / count - 2;
  const changed = memory();
  const now = { T, given };
  now.times = Array.from({ length: stretches + 1 }, (_, i) => Math.round((i * T) / stretches));
  now.columns = Array.from({ length: COLUMNS }, (_, i) => Math.round((i * T) / (COLUMNS - 1)));

  now.update = ({ means, schedule: kind, t }) => {
    if (changed("table", kind)) now.table = schedule({ kind, T, beta: 0, given }).logAlphaBar;
    if (changed("start", ...means)) now.start = sentMixture(model, means);
    if (changed("paths", now.table, now.start)) now.paths = walks(now.start, eps, count, now.table, now.times);
    if (changed("law", now.table, now.start, t)) {
      now.law = noisedMixture(now.start, now.table[t]);
      now.kl = fromNormal(now.law);
    }
  };
  return now;
}

// What does not change with x of a mixture's density, worked out once.
const heights = (mixture) =>
  mixture.map(({ weight, mean, variance }) => ({ mean, top: weight / Math.sqrt(2 * Math.PI * variance), half: -0.5 / variance }));

function density(law, x) {
  let sum = 0;
  for (const { mean, top, half } of law) sum += top * Math.exp(half * (x - mean) * (x - mean));
  return sum;
}

// Add a bell's density to one column of the map: outwards from its middle, by products alone.
function addBell(shares, column, { mean, top, half }) {
  const [low, width] = [EDGE * (1 / ROWS - 1), (2 * EDGE) / ROWS];
  const middle = Math.min(ROWS - 1, Math.max(0, Math.round((mean - low) / width)));
  const off = low + middle * width - mean;
  const [height, fall] = [top * Math.exp(half * off * off), Math.exp(2 * half * width * width)];
  const up = Math.exp(half * (2 * off + width) * width);
  const down = Math.exp(half * (width - 2 * off) * width);
  for (let j = middle, value = height, ratio = up; j < ROWS; j++, value *= ratio, ratio *= fall) {
    shares[j * COLUMNS + column] += value;
  }
  for (let j = middle - 1, value = height * down, ratio = down * fall; j >= 0; j--, value *= ratio, ratio *= fall) {
    shares[j * COLUMNS + column] += value;
  }
}

// The density of every column, in shares of the full colour.
export function melt(start, table, columns, shares) {
  shares.fill(0);
  columns.forEach((t, i) => {
    for (const bell of heights(noisedMixture(start, table[t]))) addBell(shares, i, bell);
  });
  for (let k = 0; k < shares.length; k++) shares[k] = Math.min(1, shares[k] / FULL);
  return shares;
}

// The heat map over t, with the sample paths, the modes to drag at its left edge, and the line of t.
function map(ui, now, moveMode) {
  const view = plot(ui, {
    alt: "heat map of the density of x at step t over all t, with sample paths: ridges that merge into one",
    height: 300,
    left: 40,
  });
  const changed = memory();
  const [hot, shares] = [heat(COLUMNS, ROWS), new Float64Array(COLUMNS * ROWS)];
  let filled = 0;
  grab(ui, view, {
    take: (x, y, event) => nearMode(x, y, event),
    move: (held, x, y, event) => {
      if (held < 0) ui.set({ t: Math.round(Math.min(now.T, Math.max(0, x))) }, event);
      else moveMode(held, y, event);
    },
    firm: (held) => held >= 0, // a bell goes up and down; elsewhere a swipe up or down is the page's
  });

  function nearMode(x, y) {
    const [px, py] = view.canvas.place(x, y);
    const far = ui.state.means.map((mean) => {
      const [mx, my] = view.canvas.place(0, mean);
      return Math.hypot(px - mx, py - my);
    });
    const best = far.indexOf(Math.min(...far));
    return far[best] <= 22 ? best : -1;
  }

  // All paths in one line.
  function drawPaths(context, X, Y, colour) {
    const across = now.times.map(X);
    context.beginPath();
    for (const path of now.paths) {
      context.moveTo(across[0], Y(path[0]));
      for (let j = 1; j < path.length; j++) context.lineTo(across[j], Y(path[j]));
    }
    context.strokeStyle = colour;
    context.lineWidth = 0.9;
    context.lineJoin = "round";
    context.stroke();
  }

  function draw({ t, means }, colours) {
    if (!colours.ink) return; // not on a page yet
    if (changed("heat", now.table, now.start, colours.data, colours.paper)) {
      hot.fill(melt(now.start, now.table, now.columns, shares), [colours.paper, colours.data]);
      filled++;
    }
    const xTicks = [...ticks(now.T).filter((tick) => Number.isInteger(tick) && tick < 0.93 * now.T), now.T];
    const frame = { x: [0, now.T], y: [-EDGE, EDGE], xTicks, yTicks: [-4, -2, 0, 2, 4], xLabel: "t", yLabel: "value of x" };
    const still = {
      needs: [filled, now.paths],
      paint(context, X, Y) {
        hot.draw(context, X(0), Y(EDGE), X(now.T) - X(0), Y(-EDGE) - Y(EDGE));
        drawPaths(context, X, Y, colours.noise);
      },
    };
    const paint = (context, X, Y) => {
      curve(context, X, Y, [[t, -EDGE], [t, EDGE]], { colour: colours.q, width: 2 });
      for (const mean of means) dot(context, X(0), Y(mean), { colour: colours.data, ring: colours.paper, radius: 7 });
    };
    view.area(frame, colours, paint, still);
  }
  return { canvas: view.canvas, draw };
}

// q(x_t) at the line of t, lying on its side beside the heat map, and the bell N(0, 1).
function slice(ui, now) {
  const view = plot(ui, {
    alt: "the density of x at step t, beside the standard normal",
    height: 300,
    left: 30,
  });
  const places = Array.from({ length: 401 }, (_, i) => EDGE * (i / 200 - 1));
  const bell = places.map((x) => [Math.exp(logNormal(x, 0, 1)), x]);

  function draw(state, colours) {
    const law = heights(now.law);
    const points = places.map((x) => [density(law, x), x]);
    const top = Math.max(0.5, 1.05 * points.reduce((most, [p]) => Math.max(most, p), 0));
    const frame = { x: [0, top], y: [-EDGE, EDGE], xTicks: ticks(top, 3), yTicks: [-4, -2, 0, 2, 4], xLabel: "density" };
    view.area(frame, colours, (context, X, Y) => {
      curve(context, X, Y, bell, { colour: colours.ink, width: 1.75, dash: [5, 4] });
      curve(context, X, Y, points, { colour: colours.q, width: 2.5 });
    });
  }
  return { canvas: view.canvas, draw };
}

function controls(ui, now) {
  const moveMode = (k, mean, event) => {
    const [low, high] = [-3.5, 3.5];
    const rounded = Math.round(20 * Math.min(high, Math.max(low, mean))) / 20;
    if (rounded !== ui.state.means[k]) ui.set({ means: ui.state.means.map((m, i) => (i === k ? rounded : m)) }, event);
  };
  const time = slider(ui, {
    symbol: "t",
    name: "steps taken",
    max: now.T,
    marks: [0, now.T].map((end) => [end, String(end)]),
    change: (t, event) => ui.set({ t }, event),
  });
  const modes = ui.state.means.map((_, k) =>
    dial(ui, {
      name: `middle of Gaussian ${k + 1}`,
      low: -3.5,
      high: 3.5,
      step: 0.05,
      change: (mean, event) => moveMode(k, mean, event),
    }),
  );
  const kind = choice(ui, {
    name: "Schedule",
    options: Object.entries(SCHEDULES).filter(([name]) => name !== "constant" && (name !== "given" || now.given)),
    change: (value, event) => ui.set({ schedule: value }, event),
  });
  const facts = readout([maths("KL({q}({x}_t_) \u2016 N(0, 1)), nats"), maths("|{\u1fb1}_t_|, the factor of the middles")]);
  const el = h(
    "div",
    { class: "dm-grid" },
    h("div", { class: "dm-controls" }, time.el, facts.el, h("div", { class: "dm-buttons" }, kind.el, button(ui, "Reset", ui.reset))),
    h("div", { class: "dm-controls" }, modes.map((mode) => mode.el)),
  );

  function put({ t, means, schedule: chosen }) {
    time.put({ position: t, text: String(t) });
    modes.forEach((mode, k) => mode.put(means[k]));
    kind.put(chosen);
    facts.put([number(now.kl), number(signal(now.table[t]))]);
  }
  return { el, put, moveMode };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Melting density",
    task: "Say first at which {t} the ridges have become one. Then slide {t} there, and pull the Gaussians apart.",
    answer: "The further apart the Gaussians, the later their ridges become one. What never changes is the right end, where every map is the unit normal: the noise keeps no memory of where it came from.",
    traits: ["t", "means", "schedule"],
  });
  const now = computation(model);
  const panel = controls(ui, now);
  const whole = map(ui, now, panel.moveMode);
  const one = slice(ui, now);

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, { law: now.law, kl: now.kl, paths: now.paths });
    panel.put(state);
    whole.draw(state, colours);
    one.draw(state, colours);
  }

  function words({ t, means, schedule: chosen }) {
    const places = means.map((mean) => number(mean)).join(" and ");
    const far = `The density at t is ${number(now.kl)} nats from the standard normal.`;
    return `Step ${t} of ${now.T}, ${SCHEDULES[chosen]} schedule. Bells at ${places} in the data. ${far}`;
  }

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      h(
        "figure",
        { class: "dm-wide" },
        keys(key("bars", maths("density {q}({x}_t_)")), key("noise", "sample paths"), key("dot", "drag a Gaussian of the data")),
        whole.canvas,
      ),
      h("figure", { class: "dm-narrow" }, keys(key("q", maths("{q}({x}_t_)")), key("bell", "N(0, 1)")), one.canvas),
    ),
    panel.el,
    h("p", { class: "dm-note" }, "Densities above 1 share the full colour."),
  );
  ui.start(draw, words);
  return ui.close;
}

export default { render };
