// Watch it learn: a small network is trained in the page to tell the noise in x_t, for points in the plane that the reader
// paints. Its guesses stand as arrows beside the exact ones. Everything is computed here; Python sent the points.
import {
  aim,
  button,
  choice,
  curve,
  dial,
  dot,
  explorable,
  h,
  heat,
  key,
  maths,
  memory,
  number,
  plane,
  player,
  plot,
  readout,
  ticks,
} from "./common.js";
import { askPoints, logSigmoid, posterior, random, scales } from "./laws.js";
import { BELL, EDGE, FRAME, LAWS, grid, lawOf, paper } from "./paper.js";

const FAR = 5; // the network practises on log SNR from -5 to 5
const LONGEST = 20000; // the training ends here
const GRID = 15; // arrows along each side
const CELLS = 30; // cells of the shades along each side
const [BATCH, RATE, SLOWER] = [128, 0.01, 1000]; // the rate is RATE / (1 + step / SLOWER)
const [DRAWS, EVERY, MEASURE] = [600, 20, 12345]; // draws that measure the loss, every so many steps; their seed
const [SAMPLES, LEVELS] = [100, 40]; // drawn by the network, in so many steps back
const BUDGET = 8; // milliseconds of a frame that training may take
const SPEEDS = { fast: "as fast as it goes", slow: "one step a frame" };

// ------------------------------------------------------------------------------------------------------- the network

// It is told x_t, log SNR / 5 and the two scales a and s, and says v: its guess of the noise is s x_t + a v.
export const LAYERS = [[5, 32], [32, 32], [32, 32], [32, 2]];
const TOLD = LAYERS[0][0];
const STARTS = LAYERS.reduce((starts, [from, to]) => [...starts, starts.at(-1) + to * (from + 1)], [0]);
export const COUNT = STARTS.at(-1); // its parameters: of each layer the weights, row by row, and then the biases

// Each weight even in +-1 / root of how many it is one of; the last layer 0, so that the first guess of v is 0.
export function untrained(seed) {
  const { uniform } = random(seed);
  const weights = new Float64Array(COUNT);
  for (let l = 0; l + 1 < LAYERS.length; l++) {
    const reach = 1 / Math.sqrt(LAYERS[l][0]);
    for (let i = STARTS[l]; i < STARTS[l + 1]; i++) weights[i] = reach * (2 * uniform() - 1);
  }
  return weights;
}

// Room for what happens in the network on its way from `count` inputs to as many answers, and back.
export function roomFor(count) {
  const tables = () => LAYERS.map(([, to]) => new Float64Array(count * to));
  const room = { count, told: new Float64Array(count * TOLD), sums: tables(), gates: tables(), values: tables(), slopes: tables() };
  room.gradient = new Float64Array(COUNT);
  room.said = room.sums.at(-1);
  return room;
}

// Write what the network is told of the i-th x_t.
export function tell({ told }, i, x, y, logSnr, [a, s]) {
  const at = TOLD * i;
  [told[at], told[at + 1], told[at + 2], told[at + 3], told[at + 4]] = [x, y, logSnr / FAR, a, s];
}

// From room.told to room.said. Between two layers stands SiLU, z sigmoid(z).
export function forward(weights, room) {
  let x = room.told;
  LAYERS.forEach(([from, to], l) => {
    const [start, sums, gates, values] = [STARTS[l], room.sums[l], room.gates[l], room.values[l]];
    const biases = start + from * to;
    for (let b = 0; b < room.count; b++) {
      const row = b * from;
      for (let o = 0; o < to; o++) {
        const line = start + o * from;
        let sum = weights[biases + o];
        for (let i = 0; i < from; i++) sum += weights[line + i] * x[row + i];
        sums[b * to + o] = sum;
      }
    }
    if (l + 1 === LAYERS.length) return;
    for (let i = 0; i < room.count * to; i++) {
      gates[i] = 1 / (1 + Math.exp(-sums[i]));
      values[i] = sums[i] * gates[i];
    }
    x = values;
  });
  return room.said;
}

// The mean squared error of the noise, over both numbers of all of room.told; its slopes go into room.gradient.
export function learnFrom(weights, room, eps) {
  forward(weights, room);
  const [{ count, told, said, gradient, slopes }, last] = [room, LAYERS.length - 1];
  let loss = 0;
  for (let i = 0; i < 2 * count; i++) {
    const at = TOLD * (i >> 1);
    const a = told[at + 3];
    const off = told[at + 4] * told[at + (i & 1)] + a * said[i] - eps[i];
    loss += off * off;
    slopes[last][i] = (off * a) / count; // 2 off a / (2 count)
  }
  gradient.fill(0);
  for (let l = last; l >= 0; l--) back(weights, room, l);
  return loss / (2 * count);
}

// One layer on the way back: from the slopes of its sums to those of its weights, and to those of the sums before it.
function back(weights, { count, told, sums, gates, values, slopes, gradient }, l) {
  const [[from, to], start, x, mine] = [LAYERS[l], STARTS[l], l ? values[l - 1] : told, slopes[l]];
  const [biases, before] = [start + from * to, l ? slopes[l - 1] : null];
  if (before) before.fill(0);
  for (let b = 0; b < count; b++) {
    const row = b * from;
    for (let o = 0; o < to; o++) {
      const slope = mine[b * to + o];
      const line = start + o * from;
      gradient[biases + o] += slope;
      for (let i = 0; i < from; i++) gradient[line + i] += slope * x[row + i];
      if (before) for (let i = 0; i < from; i++) before[row + i] += slope * weights[line + i];
    }
  }
  if (!before) return;
  const [z, gate] = [sums[l - 1], gates[l - 1]];
  for (let i = 0; i < count * from; i++) before[i] *= gate[i] * (1 + z[i] * (1 - gate[i])); // SiLU's slope
}

// Adam [Kingma & Ba 2015, algorithm 1]: move the weights by the gradient; step counts from 1.
export function adam(weights, gradient, { first, second }, step, rate) {
  const [b1, b2] = [0.9, 0.999];
  const [size, root] = [rate / (1 - b1 ** step), Math.sqrt(1 - b2 ** step)];
  for (let i = 0; i < weights.length; i++) {
    first[i] = b1 * first[i] + (1 - b1) * gradient[i];
    second[i] = b2 * second[i] + (1 - b2) * gradient[i] ** 2;
    weights[i] -= (size * first[i]) / (Math.sqrt(second[i]) / root + 1e-8);
  }
}

// x_t for room.count noise levels, one from each of as many equal parts of -5..5, told to the network; the noise in them.
export function practice(points, room, { uniform, normal }, eps) {
  for (let i = 0; i < room.count; i++) {
    const logSnr = FAR * ((2 * (i + uniform())) / room.count - 1);
    const [known, p] = [scales(logSnr), points[Math.floor(uniform() * points.length)]];
    for (let c = 0; c < 2; c++) eps[2 * i + c] = normal();
    const [x, y] = [0, 1].map((c) => known[0] * (p[c] + BELL * normal()) + known[1] * eps[2 * i + c]);
    tell(room, i, x, y, logSnr, known);
  }
}

// ------------------------------------------------------------------------------------------------- the exact answer

// E[eps | x_t] and, as the mean of both numbers, Var[eps | x_t], where each point is the middle of a bell; also log q(x_t).
export function exact(points, logSnr, x, y) {
  const [a, s] = scales(logSnr);
  const { guess, unsure, log } = askPoints(points, BELL, [a, s], x, y);
  const noise = [(x - a * guess[0]) / s, (y - a * guess[1]) / s];
  return { noise, variance: (a * a * (unsure[0] + unsure[1])) / (2 * s * s), log };
}

// Draws that measure the loss of any network: told to it, with the exact answers and the least loss that they allow.
export function measure(points, seed) {
  const room = roomFor(DRAWS);
  practice(points, room, random(seed), new Float64Array(2 * DRAWS));
  const answers = Array.from({ length: DRAWS }, (_, i) => {
    const [x, y, level] = room.told.subarray(TOLD * i, TOLD * i + 3);
    return exact(points, FAR * level, x, y);
  });
  return { room, noise: answers.flatMap(({ noise }) => noise), least: answers.reduce((sum, { variance }) => sum + variance, 0) / DRAWS };
}

// How far a network is from the exact answers there: its loss is `least` and this. (The square of eps - guess has no other
// part: what nobody can know of eps is not in the guess.)
export function beyond(weights, { room, noise }) {
  const { told, count } = room;
  const said = forward(weights, room);
  let sum = 0;
  for (let i = 0; i < 2 * count; i++) {
    const at = TOLD * (i >> 1);
    sum += (told[at + 4] * told[at + (i & 1)] + told[at + 3] * said[i] - noise[i]) ** 2;
  }
  return sum / (2 * count);
}

// --------------------------------------------------------------------------------------------------------- a walk back

// Walks from noise, by the network's guess of x_0, one level at each call of step; `done` holds where the last ones ended.
export function walks(seed) {
  const room = roomFor(SAMPLES);
  const levels = Array.from({ length: LEVELS }, (_, j) => FAR * ((2 * j) / (LEVELS - 1) - 1));
  const now = { done: [] };
  let [x, at, dice] = [[], 0, null];

  function start() {
    dice = random(seed); // the same noise each time: what changes is the network
    x = Array.from({ length: SAMPLES }, () => [dice.normal(), dice.normal()]);
    at = 0;
  }
  now.step = (weights) => {
    const [a, s] = scales(levels[at]);
    x.forEach(([u, v], i) => tell(room, i, u, v, levels[at], [a, s]));
    const said = forward(weights, room);
    const guess = (i, c) => a * x[i][c] - s * said[2 * i + c];
    if (at === LEVELS - 1) {
      now.done = x.map((_, i) => [guess(i, 0), guess(i, 1)]);
      return start();
    }
    const law = posterior(logSigmoid(levels[at + 1]), logSigmoid(levels[at]));
    x = x.map((place, i) => place.map((value, c) => law.a * guess(i, c) + law.b * value + Math.sqrt(law.v) * dice.normal()));
    at++;
  };
  now.all = (weights) => {
    start();
    for (let j = 0; j < LEVELS; j++) now.step(weights);
  };
  return now;
}

// ------------------------------------------------------------------------------------------------- what is computed

// A network from its seed, and how it learns. The same seed and the same points are the same run.
export function training(seed) {
  const room = roomFor(BATCH);
  const eps = new Float64Array(2 * BATCH);
  const run = { step: 0, weights: untrained(3 * seed), walk: walks(3 * seed + 2), losses: [] };
  const moments = { first: new Float64Array(COUNT), second: new Float64Array(COUNT) };
  const dice = random(3 * seed + 1);
  run.walk.all(run.weights);

  run.note = (measured) => run.losses.push([run.step, measured.least + beyond(run.weights, measured)]);
  run.learn = (points, measured) => {
    practice(points, room, dice, eps);
    learnFrom(run.weights, room, eps);
    adam(run.weights, room.gradient, moments, run.step + 1, RATE / (1 + run.step / SLOWER));
    run.step++;
    run.walk.step(run.weights);
    if (run.step % EVERY === 0) run.note(measured);
  };
  return run;
}

const [PLACES, SQUARES] = [grid(GRID), grid(CELLS)];

// What the network takes the noise to be at some places, at one noise level.
function guesses(weights, room, places, logSnr) {
  const [a, s] = scales(logSnr);
  places.forEach(([x, y], i) => tell(room, i, x, y, logSnr, [a, s]));
  const said = forward(weights, room);
  return places.map(([x, y], i) => [s * x + a * said[2 * i], s * y + a * said[2 * i + 1]]);
}

function computation() {
  const changed = memory();
  const [at_arrows, at_cells] = [roomFor(GRID ** 2), roomFor(CELLS ** 2)];
  const now = { run: null };

  now.begin = (seed) => (now.run = training(seed));

  now.update = ({ points, log_snr: level, seed, steps, revealed }) => {
    if (changed("run", seed) || steps < now.run.step) now.begin(seed);
    if (changed("points", points, seed)) {
      now.measured = points.length ? measure(points, MEASURE) : { least: NaN };
      now.run.losses.length = 0;
    }
    if (points.length && !now.run.losses.length) now.run.note(now.measured);
    if (changed("exact", points, level)) {
      const s = scales(level)[1];
      now.field = points.length ? PLACES.map(([x, y]) => exact(points, level, x, y).noise.map((v) => -s * v)) : [];
      now.cells = points.length ? SQUARES.map(([x, y]) => exact(points, level, x, y)) : [];
      const top = now.cells.reduce((most, { log }) => Math.max(most, log), -Infinity);
      now.shades = now.cells.map(({ log }) => Math.exp(log - top));
    }
    if (changed("guess", now.run, now.run.step, level)) {
      const s = scales(level)[1];
      now.guess = guesses(now.run.weights, at_arrows, PLACES, level).map((eps) => eps.map((v) => -s * v));
    }
    if (changed("wrong", now.run, now.run.step, now.cells, revealed)) now.wrong = revealed && points.length ? wrong(level) : null;
  };

  // The squared error of the noise in each cell, its mean over the square, and its mean by where x_t comes.
  function wrong(level) {
    const said = guesses(now.run.weights, at_cells, SQUARES, level);
    const cells = said.map(([u, v], i) => ((u - now.cells[i].noise[0]) ** 2 + (v - now.cells[i].noise[1]) ** 2) / 2);
    const sum = (f) => cells.reduce((total, value, i) => total + f(i) * value, 0);
    return { cells, even: sum(() => 1) / cells.length, visited: sum((i) => now.shades[i]) / now.shades.reduce((a, b) => a + b) };
  }
  return now;
}

// --------------------------------------------------------------------------------------------------------- the views

// A field of arrows over shades: all arrows in one line, all heads in one shape.
function field(ui, alt) {
  const view = plane(ui, alt);
  const hot = heat(CELLS, CELLS);

  function draw(arrows, shades, shade, colour, colours) {
    if (!colours.ink) return;
    view.area(FRAME, colours, (context, X, Y) => {
      if (shades) {
        hot.fill(shades, [colours.paper, shade]);
        hot.draw(context, X(-EDGE), Y(EDGE), X(EDGE) - X(-EDGE), Y(-EDGE) - Y(EDGE));
      }
      const heads = new Path2D();
      context.strokeStyle = context.fillStyle = colour;
      context.lineWidth = 1.2;
      context.beginPath();
      arrows.forEach(([u, v], i) => {
        const [[x, y], long] = [PLACES[i], Math.hypot(u, v)];
        const scale = (0.2 * Math.min(1.7, Math.sqrt(long))) / (long || 1); // the root: the longest would hide the others
        aim(context, heads, X(x), Y(y), X(x + scale * u), Y(y + scale * v), 4.5);
      });
      context.stroke();
      context.fill(heads);
    });
  }
  return { canvas: view.canvas, draw };
}

// The loss by steps, above the least that any network can reach.
function losses(ui, now) {
  const view = plot(ui, { alt: "the squared error of the network by training steps, and the least that any network can reach", height: 170, left: 40 });
  const nice = (v) => [1, 2, 5, 10].map((m) => m * 10 ** Math.floor(Math.log10(v))).find((m) => m >= v);

  function draw(colours) {
    const { losses, step } = now.run;
    const { least } = now.measured;
    const last = nice(Math.max(step, 500));
    const top = 1.1 * losses.reduce((most, [, loss]) => Math.max(most, loss), 0.5);
    const frame = { x: [0, last], y: [0, top], xTicks: ticks(last, 5), yTicks: ticks(top, 4), xLabel: "steps of training", yLabel: "squared error of \u03b5" };
    view.area(frame, colours, (context, X, Y) => {
      if (!losses.length) return;
      curve(context, X, Y, [[0, least], [last, least]], { colour: colours.ink, width: 1.75, dash: [5, 4] });
      curve(context, X, Y, losses, { colour: colours.p, width: 2.5 });
      dot(context, X(losses.at(-1)[0]), Y(losses.at(-1)[1]), { colour: colours.p, radius: 3.5 });
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Watch it learn",
    task: "Press Train, and watch the arrows on the right turn like the exact ones. Where does the network stay wrong, and why there? Say what you think, then press Show where it is wrong. At last paint data of your own.",
    traits: ["points", "log_snr", "steps", "seed", "speed", "revealed"],
  });
  const now = computation();
  const law = lawOf(ui, model);
  const sheet = paper(ui, law);
  const truth = field(ui, "the exact answer: arrows from each place of x at step t towards the best guess, over the density");
  const learned = field(ui, "the network's answer: arrows in the same places");
  const fallen = losses(ui, now);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let chase = 0;

  // Learn for a while, or one step; then show how many were taken.
  function learn(most, last = LONGEST) {
    const end = performance.now() + BUDGET;
    const { points } = ui.state;
    for (let i = 0; i < most && now.run.step < last && (i === 0 || performance.now() < end); i++) now.run.learn(points, now.measured);
  }
  const play = player(ui, {
    play: "Train",
    leap: ["Train 100 steps", (event) => ui.state.points.length && ui.set({ steps: Math.min(LONGEST, ui.state.steps + 100) }, event)],
    step(event) {
      if (!ui.state.points.length || now.run.step >= LONGEST) return false;
      learn(ui.state.speed === "slow" ? 1 : Infinity);
      ui.set({ steps: now.run.step }, event);
      return true;
    },
  });

  // Somebody asked for more steps than were taken: go there, a little in every frame.
  function follow() {
    chase = 0;
    if (ui.signal.aborted || play.playing() || !ui.state.points.length || now.run.step >= ui.state.steps) return;
    learn(Infinity, ui.state.steps);
    const there = now.run.step === ui.state.steps;
    if (there || !still.matches) ui.redraw();
    if (!there) chase ||= requestAnimationFrame(follow);
  }

  const kind = choice(ui, {
    name: "Data",
    options: Object.entries(LAWS),
    change: (value, event) => law.pick(value, event),
  });
  const pace = choice(ui, { name: "Speed", options: Object.entries(SPEEDS), change: (value, event) => ui.set({ speed: value }, event) });
  const level = dial(ui, {
    symbol: "\u03bb",
    name: "log SNR: noise at the left, data at the right",
    low: -4,
    high: 4,
    step: 0.1,
    change: (value, event) => ui.set({ log_snr: value }, event),
  });
  const clear = button(ui, "Clear", (event) => {
    law.paint([], event);
    law.tell();
  });
  const another = button(ui, "New network", (event) => {
    play.stop();
    ui.set({ steps: 0, seed: (ui.state.seed + 1) % 1000 }, event);
  });
  const reveal = button(ui, "Show where it is wrong", (event) => ui.set({ revealed: !ui.state.revealed }, event));
  const reset = button(ui, "Reset", (event) => {
    play.stop();
    law.reset(event);
  });
  const facts = readout(["steps", "its squared error of \u03b5", "the least possible"]);
  const off = readout([maths("beyond the least, where {x}_t_ comes"), "on the whole square"]);
  const told = h("div", { class: "dm-reveal" });
  const because = h("p", { class: "dm-note" }, maths("Pink is where its arrows are wrong, at this \u03bb. The loss is an average over the {x}_t_ that training draws: where hardly any {x}_t_ comes, a wrong answer costs nothing, and nothing corrects it. And where the right answer turns round within a short way, as between two clusters, a network needs longest to follow."));

  function draw(state, colours) {
    now.update(state);
    if (state.steps !== now.run.step) chase ||= requestAnimationFrame(follow);
    kind.put(law.name(state.points));
    pace.put(state.speed);
    level.put(state.log_snr);
    const loss = now.run.losses.at(-1)?.[1] ?? NaN;
    now.loss = loss;
    Object.assign(ui.root.explorable, { run: now.run, step: now.run.step, field: now.field, guess: now.guess, loss, least: now.measured.least, wrong: now.wrong });
    const shown = (v) => (Number.isNaN(v) ? "\u2013" : v.toFixed(3));
    facts.put([String(now.run.step), shown(loss), shown(now.measured.least)]);
    reveal.textContent = state.revealed ? "Hide it again" : "Show where it is wrong";
    if (told.children.length !== (state.revealed ? 2 : 0)) told.replaceChildren(...(state.revealed ? [off.el, because] : []));
    off.put([shown(now.wrong?.visited ?? NaN), shown(now.wrong?.even ?? NaN)]);
    sheet.draw(state, colours, (context, X, Y) => {
      if (state.points.length) for (const [x, y] of now.run.walk.done) dot(context, X(x), Y(y), { colour: colours.p, radius: 2.5, ring: colours.paper });
    });
    truth.draw(now.field, now.shades.map((share) => 0.6 * Math.sqrt(share)), colours.data, colours.ink, colours);
    learned.draw(state.points.length ? now.guess : [], now.wrong && now.wrong.cells.map((v) => 0.8 * Math.min(1, Math.sqrt(v))), colours.accent, colours.p, colours);
    fallen.draw(colours);
  }

  function words({ points, log_snr: at, revealed }) {
    if (!points.length) return "No data. Choose some, or paint points.";
    const seen = revealed && now.wrong ? ` Beyond the least its error is ${number(now.wrong.visited)} where x comes and ${number(now.wrong.even)} on the whole square.` : "";
    return `${points.length} points of data. The network has taken ${now.run.step} steps; its squared error of the noise is ${now.loss.toFixed(3)}, the least possible ${now.measured.least.toFixed(3)}. Arrows at log SNR ${number(at)}.${seen}`;
  }

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      h("figure", { class: "dm-third" }, keys(key("dot", "data: paint here"), key("particle", "the network's samples")), sheet.el),
      h("figure", { class: "dm-third" }, keys(key("bars", maths("{q}({x}_t_)")), key("arrow", "the exact answer")), truth.canvas),
      h("figure", { class: "dm-third" }, keys(key("p", "the network's answer")), learned.canvas),
    ),
    h("div", { class: "dm-buttons dm-still" }, play.el, another, reveal, clear, reset),
    h(
      "div",
      { class: "dm-row" },
      h("div", { class: "dm-half dm-top-aligned" }, level.el, h("div", { class: "dm-buttons dm-still" }, kind.el, pace.el), facts.el),
      h("figure", { class: "dm-half" }, keys(key("p", "the network"), key("bell", "the least that any network can reach")), fallen.canvas),
    ),
    told,
    h(
      "p",
      { class: "dm-note" },
      maths("Each point of data is the middle of a small Gaussian of width 0.1, so the exact answer is known. An arrow goes from {x}_t_ towards the best guess of {x}_0_, and is drawn with the root of its length. Both errors are means over "),
      String(DRAWS),
      maths(` draws of {x}_t_ with log SNR from \u2212${FAR} to ${FAR}. The samples start from the same noise each time.`),
    ),
  );
  const sheets = [...ui.root.querySelectorAll(".dm-row > figure")];
  ui.phone = { first: [sheets[0]], show: [sheets[2]], move: [play.el.parentElement, level.el] };
  law.begin();
  ui.start(draw, words);
  return ui.close;
}

export default { render };
