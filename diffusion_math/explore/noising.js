// The noising explorer: a digit dissolves into noise, x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps.
// The digits and one noise image came from Python once; all the arithmetic is here.
import {
  BETAS,
  BETA_MARKS,
  SCHEDULES,
  STEPS,
  blend,
  button,
  choice,
  curve,
  dot,
  explorable,
  floats,
  grab,
  h,
  hash,
  keyOf,
  maths,
  memory,
  nearest,
  number,
  picture,
  plot,
  scrub,
  slider,
  ticks,
} from "./common.js";
import { logSnr, noise, random, schedule, signal } from "./laws.js";
import { chooseDigit, handedIn } from "./choose.js";
import { heading, live } from "./live.js";

const BIN = 0.2;
const EDGE = 3.5; // the histogram's bins, centred on multiples of 0.2

// x_t in float64, rounded once.
export function noised(x0, eps, logAlphaBar) {
  const a = signal(logAlphaBar);
  const b = noise(logAlphaBar);
  return Float32Array.from(x0, (x, i) => a * x + b * eps[i]);
}

// New noise, seeded by the noise that it replaces: the same start gives the same row of noises.
export function freshNoise(view) {
  const { normal } = random(hash(view));
  return new DataView(Float32Array.from({ length: view.byteLength / 4 }, normal).buffer);
}

const amount = (share) => (share === 0 || share === 1 ? String(share) : share.toFixed(3)); // "0" means exactly 0

// ---------------------------------------------------------------------------------------------- what is computed

// What the traits hold and what follows from them. update(state) computes only what has changed.
function computation(model) {
  const rows = floats(model.get("_given"), Float64Array);
  const half = rows.length / 2;
  const given = half ? { logAlphaBar: rows.subarray(0, half), beta: rows.subarray(half) } : null;
  const changed = memory();
  const now = { ...handedIn(model), given };

  now.update = ({ schedule: kind, T, beta, t, digit, noise: view }) => {
    if (changed("table", kind, T, kind === "constant" && beta)) now.table = schedule({ kind, T, beta, given });
    if (changed("eps", view)) now.eps = floats(view);
    if (changed("x0", digit)) now.x0 = now.images[digit];
    now.at = now.table.logAlphaBar[t]; // log alpha_bar_t
    if (changed("x_t", now.table, now.eps, now.x0, t)) now.x_t = noised(now.x0, now.eps, now.at);
  };
  return now;
}

// -------------------------------------------------------------------------------------------------- the controls

function controls(ui, model, now) {
  const { state, set } = ui;
  const start = model.get("_start");
  const plain = model.get("_plain");
  const steps = [...new Set([...STEPS, start.T])].sort((a, b) => a - b);
  let share; // t/T as the reader left it, so that moving T there and back loses nothing

  function moveTo(t, event) {
    share = t / state.T;
    if (t !== state.t) set({ t }, event);
  }

  const beta = slider(ui, {
    symbol: "\u03b2",
    name: "variance of a step's noise",
    max: BETAS.length - 1,
    marks: BETA_MARKS,
    change: (i, event) => set({ beta: BETAS[i], schedule: "constant" }, event),
  });
  const time = slider(ui, { symbol: "t", name: "steps taken", change: moveTo });
  const length = slider(ui, {
    symbol: "T",
    name: "steps in all",
    max: steps.length - 1,
    marks: [1, 10, 100, 1000].map((T) => [steps.indexOf(T), String(T)]),
    change: (i, event) => set({ T: steps[i], t: Math.round(share * steps[i]) }, event), // as far along as before
  });
  const kind = choice(ui, {
    name: "Schedule",
    options: Object.entries(SCHEDULES).filter(([name]) => name !== "given" || now.given),
    change: (value, event) => set({ schedule: value }, event),
  });
  const digit = chooseDigit(ui, now);
  const fresh = button(ui, "New noise", (event) => set({ noise: freshNoise(state.noise) }, event));
  const reset = button(ui, "Reset", (event) => set({ ...start, noise: model.get("_noise") }, event));
  const el = h(
    "div",
    { class: "dm-controls" },
    h("div", { class: "dm-top" }, digit.el, plain ? "" : kind.el),
    beta.el,
    time.el,
    plain ? "" : length.el,
    h("div", { class: "dm-buttons" }, fresh, reset),
  );

  function put({ t, T, schedule: chosen, ...state }) {
    if (t !== Math.round(share * T)) share = t / T;
    const constant = chosen === "constant";
    const step = constant ? state.beta : now.table.beta[t]; // of the others, this step's beta
    beta.put({ position: nearest(BETAS, step), text: constant ? number(step) : `${number(step)} at t = ${t}` });
    time.put({ position: t, max: T, text: String(t), marks: [0, T].map((end) => [end, String(end)]) });
    length.put({ position: nearest(steps, T), text: String(T) });
    kind.put(chosen);
    digit.put(state.digit);
  }
  return { el, put, moveTo };
}

// ------------------------------------------------------------------------------------------------------- the views

// The times of n frames from 0 to T: equal turns of the quarter circle on which (signal, noise) goes, so that each frame
// shows as much change as the next. All are different, and they rise.
export function frameTimes(logAlphaBar, n) {
  const T = logAlphaBar.length - 1;
  const angles = Array.from(logAlphaBar, (l) => Math.atan2(noise(l), signal(l)));
  const even = angles[T] === 0; // beta = 0: nothing ever turns
  const times = [0];
  for (let k = 1; k < n; k++) {
    const best = even ? Math.round((k * T) / (n - 1)) : nearest(angles, (k * angles[T]) / (n - 1));
    times.push(Math.min(T - (n - 1 - k), Math.max(times[k - 1] + 1, best)));
  }
  times[n - 1] = T;
  return times;
}

// Where t stands among the frames' times, as a share of the way from the first to the last; and back.
export function shareOf(times, t) {
  const k = Math.max(1, times.findIndex((time) => time >= t));
  return (k - 1 + (t - times[k - 1]) / (times[k] - times[k - 1])) / (times.length - 1);
}
export function timeAt(times, share) {
  const place = share * (times.length - 1);
  const k = Math.min(times.length - 2, Math.floor(place));
  return Math.round(times[k] + (place - k) * (times[k + 1] - times[k]));
}

// A row of frames from t = 0 to T and a marker at t, on a road whose ends lie under the middles of the end frames.
function filmStrip(ui, now, moveTo) {
  const frames = h("div", { class: "dm-frames" });
  const marker = h("div", { class: "dm-marker" });
  const road = h("div", { class: "dm-road", "aria-hidden": "true" }, marker);
  const box = h("div", { class: "dm-strip" }, frames, road);
  const el = h("div", {}, box);
  const changed = memory();
  let room = 0;
  let side = 0;
  let [times, shown] = [[], []];
  ui.resized(el, (width) => (room = width));
  const inset = () => [side / 2, side / 2];
  scrub(ui, box, inset, (share, event) => moveTo(timeAt(times, share), event));

  function build(n) {
    side = Math.min(88, Math.floor((room - 8 * (n - 1)) / n));
    shown = Array.from({ length: n }, () => {
      const canvas = picture({ height: now.height, width: now.width, alt: "" });
      canvas.style.width = `${side}px`;
      return { canvas, label: h("span") };
    });
    frames.replaceChildren(...shown.map(({ canvas, label }) => h("div", { class: "dm-frame" }, canvas, label)));
    box.style.maxWidth = `${n * side + (n - 1) * 40}px`;
    road.style.margin = `0 ${side / 2}px`;
  }

  function paint() {
    times = frameTimes(now.table.logAlphaBar, shown.length);
    shown.forEach(({ canvas, label }, k) => {
      const t = times[k];
      label.textContent = t ? String(t) : "t = 0";
      canvas.setAttribute("aria-label", `the digit at t = ${t}`);
      canvas.paint(noised(now.x0, now.eps, now.table.logAlphaBar[t]));
    });
  }

  function draw({ T, t }) {
    if (!room) return;
    const n = Math.min(T + 1, room < 420 ? 5 : room < 640 ? 7 : 9);
    const rebuilt = changed("frames", n, room);
    if (rebuilt) build(n);
    if (changed("film", now.table, now.eps, now.x0) || rebuilt) paint();
    marker.style.left = `${100 * shareOf(times, t)}%`;
  }
  return { el, draw };
}

// sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t) over t.
function amountsPlot(ui, now, moveTo) {
  const { canvas, area, inset } = plot(ui, {
    alt: "two curves over t: the amount of the digit falls from 1, the amount of noise rises from 0",
    left: 44,
  });
  scrub(ui, canvas, inset, (share, event) => moveTo(Math.round(share * ui.state.T), event));

  function draw({ t, T }, colours) {
    const table = now.table.logAlphaBar;
    const lines = [signal, noise].map((f, i) => ({ f, colour: [colours.data, colours.noise][i], name: ["digit", "noise"][i] }));
    const stride = Math.ceil(T / 1000);
    const times = [...Array.from({ length: Math.ceil(T / stride) }, (_, i) => i * stride), T];
    const upright = [0, 1].map((y) => [t, y]);
    const xTicks = [...ticks(T).filter((tick) => Number.isInteger(tick) && tick < 0.93 * T), T];
    area({ x: [0, T], y: [0, 1], xTicks, yTicks: [0, 0.5, 1], xLabel: "t", yLabel: "amount" }, colours, (context, X, Y) => {
      ui.mark(context, "time", () => curve(context, X, Y, upright, { colour: colours.q, width: 2 }));
      for (const { f, colour, name } of lines) {
        const points = times.map((i) => [i, f(table[i])]);
        ui.mark(context, name, () => curve(context, X, Y, points, { colour, width: 2.5 }));
        if (T <= 25) times.forEach((i) => dot(context, X(i), Y(f(table[i])), { colour, radius: 2.5 }));
      }
      for (const { f, colour } of lines) {
        dot(context, X(t), Y(f(table[t])), { colour, ring: colours.paper, radius: 5.5 });
      }
    });
  }
  return { canvas, draw };
}

// The point (sqrt(alpha_bar_t), sqrt(1 - alpha_bar_t)) on its quarter circle. Small dots: every tenth of the T steps.
function circlePlot(ui, now, moveTo) {
  const view = plot(ui, {
    alt: "quarter circle from all digit, at the right, to all noise, at the top, with the point for step t",
    ratio: 1,
    left: 44,
    right: 12,
    top: 10,
    bottom: 34,
  });
  const angle = (t) => Math.atan2(noise(now.table.logAlphaBar[t]), signal(now.table.logAlphaBar[t]));
  const times = (T) => Array.from({ length: T + 1 }, (_, t) => t);
  const point = (a) => [Math.cos(a), Math.sin(a)];
  grab(ui, view, {
    take(x, y) {
      const [from, to] = [[x, y], point(angle(ui.state.t))].map((p) => view.canvas.place(...p));
      return Math.hypot(from[0] - to[0], from[1] - to[1]) <= 22 ? "the point" : "the plane";
    },
    move: (_, x, y, event) => moveTo(nearest(times(ui.state.T).map(angle), Math.atan2(y, Math.max(0, x))), event),
    firm: (held) => held === "the point",
  });

  function draw({ t, T }, colours) {
    const arc = Array.from({ length: 61 }, (_, i) => point((i * Math.PI) / 120));
    const frame = { x: [0, 1.05], y: [0, 1.05], xTicks: [0, 0.5, 1], yTicks: [0, 0.5, 1], xLabel: "amount of digit", yLabel: "amount of noise" };
    view.area(frame, colours, (context, X, Y) => {
      curve(context, X, Y, arc, { colour: colours.rule, width: 2.5 });
      const every = Array.from({ length: Math.min(T, 10) + 1 }, (_, i) => Math.round((i * T) / Math.min(T, 10)));
      for (const [x, y] of every.map(angle).map(point)) dot(context, X(x), Y(y), { colour: colours.soft, radius: 2.5 });
      const [x, y] = point(angle(t));
      ui.mark(context, "noise", () => curve(context, X, Y, [[x, 0], [x, y]], { colour: colours.noise, width: 2.5 }));
      ui.mark(context, "digit", () => curve(context, X, Y, [[0, y], [x, y]], { colour: colours.data, width: 2.5 }));
      dot(context, X(x), Y(y), { colour: colours.q, ring: colours.paper, radius: 6 });
    });
  }
  return { canvas: view.canvas, draw };
}

// The density of the pixel values of x_t, from the digit's blue to the noise's grey, and the standard normal.
function valuesPlot(ui, now) {
  const { canvas, area } = plot(ui, {
    alt: "histogram of the pixel values at step t, with the density of the standard normal",
    left: 44,
  });
  const keys = h(
    "figcaption",
    { class: "dm-keys" },
    keyOf("now", "bars", `density of the ${now.height * now.width} pixel values`),
    keyOf("bell", "bell", "the Gaussian N(0, 1)"),
  );
  const places = Array.from({ length: 141 }, (_, i) => EDGE * (i / 70 - 1));
  const bell = places.map((x) => [x, Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI)]);

  function histogram() {
    const bars = new Float64Array(Math.round((2 * EDGE) / BIN));
    const one = 1 / (now.x_t.length * BIN);
    for (const value of now.x_t) bars[Math.floor((value + EDGE) / BIN)] += one; // beyond the edges there is no bar
    return bars;
  }

  function draw(state, colours) {
    const bars = histogram();
    const top = Math.max(0.5, 1.06 * Math.max(...bars));
    const frame = {
      x: [-EDGE, EDGE],
      y: [0, top],
      xTicks: [-3, -2, -1, 0, 1, 2, 3],
      yTicks: ticks(top, 3),
      xLabel: "value of a pixel",
      yLabel: "density",
    };
    area(frame, colours, (context, X, Y) => {
      context.fillStyle = blend(colours.noise, colours.data, Math.exp(now.at));
      const wide = X(BIN) - X(0) - 1;
      ui.mark(context, "now", () => {
        bars.forEach((bar, i) => context.fillRect(X(-EDGE + i * BIN) + 0.5, Y(bar), wide, Y(0) - Y(bar)));
      });
      ui.mark(context, "bell", () => curve(context, X, Y, bell, { colour: colours.ink, width: 1.75, dash: [5, 4] }));
    });
  }
  return { canvas, keys, draw };
}

// What the network takes x_0 to be: asked at every move, answered for the newest.
function guessed(ui, now, net) {
  if (!net) return { el: "", draw() {}, words: () => "" };
  const canvas = picture({ height: now.height, width: now.width, alt: "what the network takes the clean digit to be", className: "dm-big" });
  canvas.style.width = "196px";
  const says = h("span", { class: "dm-number" });
  const el = h("figure", { class: "dm-picture dm-beside" }, canvas, h("figcaption", { class: "dm-below" }, maths("what a network takes {x}_0_ to be"), says));
  const changed = memory();

  function put(text) {
    if (says.textContent !== text) says.textContent = text;
  }
  function draw() {
    if (net.trouble) put(`: ${net.trouble}`);
    if (!changed("asked", now.x_t, net.client)) return;
    const asked = now.x_t;
    net.ask({ x: asked, logSnr: logSnr(now.at), label: null }, (x0) => {
      now.guess = ui.root.explorable.guess = x0;
      canvas.paint(x0);
      now.off = Math.sqrt(x0.reduce((sum, v, i) => sum + (v - now.x0[i]) ** 2, 0) / x0.length);
      put(`, off by ${now.off.toFixed(2)} a pixel`);
    });
  }
  return { el, draw, words: () => (now.guess ? ` The network's guess is off by ${now.off.toFixed(2)} a pixel.` : "") };
}

// The picture of x_t with its equation, and the same two numbers as keys to the curves.
function present(now, side) {
  const { height, width } = now;
  const canvas = picture({ height, width, alt: "x at step t: the digit with its noise", className: "dm-big" });
  canvas.dataset.mark = "now";
  canvas.style.width = `${Math.min(side, Math.floor(side / width) * width) || side}px`;
  const index = h("sub", { class: "dm-maths" });
  const a = [h("b", { class: "dm-data" }), h("span")];
  const b = [h("b", { class: "dm-noise" }), h("span")];
  const equation = [maths("{x}"), index, " = ", a[0], maths(" {x}_0_ + "), b[0], maths(" {\u03b5}")];
  const el = h(
    "figure",
    { class: "dm-picture" },
    canvas,
    h("figcaption", { class: "dm-equation", "aria-hidden": "true" }, equation),
  );
  const keys = h(
    "figcaption",
    { class: "dm-keys" },
    keyOf("digit", "data", maths("|{\u1fb1}_{t}_| = "), a[1], maths(" of {x}_0_")),
    keyOf("noise", "noise", maths("|1 \u2212 {\u1fb1}_{t}_| = "), b[1], maths(" of {\u03b5}")),
  );

  function draw({ t }) {
    canvas.paint(now.x_t);
    index.textContent = t;
    for (const place of a) place.textContent = amount(signal(now.at));
    for (const place of b) place.textContent = amount(noise(now.at));
  }
  return { el, keys, draw };
}

const ANSWER =
  "The eye loses it while some of it is left: |{ᾱ}_{t}_| of its contrast, which never jumps to 0. There is no last step with a digit and no first without one.";

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Noising explorer",
    answer: ANSWER,
    marks: { "x_t": "now", "x_0": "digit", "ε": "noise", t: "time", "ᾱ": "digit", "ᾱ_t": "digit", histogram: "now", N: "bell", Gaussian: "bell" },
    traits: ["beta", "t", "T", "schedule", "digit", "noise"],
  });
  const now = computation(model);
  const panel = controls(ui, model, now);
  const net = live(ui, model);
  const large = present(now, net ? 196 : 280);
  const guess = guessed(ui, now, net);
  const strip = filmStrip(ui, now, panel.moveTo);
  const plain = model.get("_plain");
  const more = plain ? null : { amounts: amountsPlot(ui, now, panel.moveTo), circle: circlePlot(ui, now, panel.moveTo), values: valuesPlot(ui, now) };

  function draw(state, colours) {
    now.update(state);
    ui.root.explorable.x_t = now.x_t;
    panel.put(state);
    for (const view of [large, guess, strip, ...Object.values(more ?? {})]) view.draw(state, colours);
  }

  function words({ t, T, schedule: chosen, digit }) {
    const which = now.count > 1 ? `Digit ${digit + 1} of ${now.count}. ` : "";
    const name = SCHEDULES[chosen].replace("\u03b2", "beta");
    const mixture = `${amount(signal(now.at))} times the digit plus ${amount(noise(now.at))} times the noise.`;
    return `${which}Step ${t} of ${T}, ${name}, beta ${number(now.table.beta[t])}. ${mixture}${guess.words()}`;
  }

  const film = h("figcaption", {}, "From the digit to noise. From frame to frame the point on the circle turns equally far, and the noise image is the same.");
  const range =
    "Grey runs from \u22121 (black) to 1 (white). Values beyond are drawn black or white; the numbers keep them.";
  const half = (...parts) => h("figure", { class: "dm-half" }, ...parts);
  const curves = ({ amounts, circle, values }) =>
    h(
      "div",
      { class: "dm-row" },
      half(large.keys, amounts.canvas),
      h("figure", { class: "dm-square" }, h("figcaption", {}, "the two amounts as one point"), circle.canvas),
      half(values.keys, values.canvas),
    );
  const halve = plain && model.get("_start").schedule === "constant" ? " Then halve β: how far does t have to go now?" : "";
  const lost = `Drag t: where do you lose the digit${net ? ", and where does the network" : ""}?`;
  heading(ui, "A digit into noise", lost + halve);
  ui.root.append(
    h("div", { class: net ? "dm-row dm-slim" : "dm-row" }, large.el, guess.el, panel.el),
    h("figure", {}, plain ? "" : film, strip.el),
    more ? curves(more) : "",
    plain ? "" : h("p", { class: "dm-note" }, range),
  );
  ui.phone = { show: [large.el, guess.el].filter((el) => el instanceof Element), move: ["t"] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
