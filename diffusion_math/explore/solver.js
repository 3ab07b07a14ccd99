// Few calls: a solver's walk from noise to data beside the exact flow, over one number, and its error against its calls.
// A solver is data that Python sends, and this file walks it as diffusion_math.solvers.solve does. The exact flow is
// walked by rk4 in steps so fine that its own error is below 1e-8.
import {
  button,
  choice,
  curve,
  dial,
  dot,
  explorable,
  grab,
  h,
  heat,
  key,
  maths,
  memory,
  number,
  plot,
  readout,
} from "./common.js";
import { guess, logMixture, logSigmoid, noisedMixture, scales, sentMixture } from "./laws.js";

const EDGE = 4; // the densities are shown for x from -4 to 4
const WIDEST = 32; // and a walk that leaves them up to here
const [FROM, TO, FINE] = [-8, 6, 600]; // log SNR, and the steps of the exact flow
const [COLUMNS, ROWS] = [160, 160]; // of the heat map
const FARTHEST = 3; // where a walker may start
const [FEWEST, MOST] = [4, 40]; // calls
const SOME = [4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40]; // those of the faint lines
const PARTS = 12; // straight pieces that a step is drawn in

// ------------------------------------------------------------------------------------------------------------ the rules

// Gauss' places in [0, 1] and their weights: the roots of Legendre's polynomial of degree n, by Newton's method.
export function gauss(n = 24) {
  return Array.from({ length: n }, (_, i) => {
    let [x, slope] = [Math.cos((Math.PI * (i + 0.75)) / (n + 0.5)), 0];
    for (let turn = 0; turn < 20; turn++) {
      let [before, now] = [1, x];
      for (let k = 2; k <= n; k++) [before, now] = [now, ((2 * k - 1) * x * now - (k - 1) * before) / k];
      slope = (n * (x * now - before)) / (x * x - 1);
      x -= now / slope;
    }
    return [(1 + x) / 2, 1 / ((1 - x * x) * slope * slope)];
  });
}
const GAUSS = gauss();

// The weights of answers at nodes: a polynomial through all of them, counted as the exact step counts it, (13.5).
function fitted(nodes, h) {
  if (nodes.length === 1) return [1];
  const counts = GAUSS.map(([u, w]) => [u, w * Math.exp(-h * (1 - u))]);
  const whole = counts.reduce((sum, [, w]) => sum + w, 0);
  return nodes.map((a, i) => {
    const at = (u) => nodes.reduce((product, b, j) => (j === i ? product : (product * (u - b)) / (a - b)), 1);
    return counts.reduce((sum, [u, w]) => sum + at(u) * w, 0) / whole;
  });
}

function midpoint(nodes) {
  if (nodes.length === 1) return [1];
  const back = 0.5 / (nodes[0] - nodes[1]);
  return [1 + back, -back];
}

function halfBent(nodes, h) {
  const full = fitted(nodes, h);
  if (nodes.length !== 3) return full;
  const square = nodes.reduce((sum, u, i) => sum + full[i] * u * u, 0);
  return nodes.map((a, i) => full[i] - square / 2 / nodes.reduce((product, b, j) => (j === i ? product : product * (a - b)), 1));
}

const RULES = {
  fitted,
  midpoint,
  half_bent: halfBent,
  midpoint_first: (nodes, h) => (nodes.length === 2 ? midpoint(nodes) : fitted(nodes, h)),
  trapezoid_first: (nodes, h) => (nodes.length === 2 ? [0.5, 0.5] : fitted(nodes, h)),
};
// A rule by its name, or the same weights in every step: rows[k] for k + 1 answers.
const ruleOf = (rule) => RULES[rule] ?? ((nodes) => rule[Math.min(nodes.length, rule.length) - 1]);

// -------------------------------------------------------------------------------------------------------------- the walk

// What a solver holds still, as a function of x at a level: the guess, its noise, or the velocity.
function answerer(holds, mixture, level) {
  const [[a, s], clean] = [scales(level), guess(mixture, level)];
  if (holds === "x0") return clean;
  return holds === "eps" ? (x) => (x - a * clean(x)) / s : (x) => (a / 2) * (clean(x) - a * x);
}

// How much x and a mean answer count in a step, and the h of the rules.
function shares(holds, here, there) {
  const [[a, s], [a2, s2], d] = [scales(here), scales(there), (there - here) / 2];
  if (holds === "x0") return [s2 / s, -a2 * Math.expm1(-d), d];
  return holds === "eps" ? [a2 / a, ((a2 * s) / a) * Math.expm1(-d), 0] : [1, 2 * d, 0];
}

// Where a level stands in a step, and the level at a place.
function placeOf(holds, here, there, level) {
  if (holds === "eps") return Math.expm1((here - level) / 2) / Math.expm1((here - there) / 2);
  return (level - here) / (there - here);
}
function levelAt(holds, here, there, place) {
  if (place >= 1) return there;
  if (holds === "eps") return here - 2 * Math.log1p(place * Math.expm1((here - there) / 2));
  return here + place * (there - here);
}

// Each of xs moved from here to there, and the mean answer that moved it: told holds [level, answers] for each answer.
function moved(holds, xs, here, there, told, rule) {
  const [ofX, ofAnswer, h] = shares(holds, here, there);
  const weights = rule(told.map(([level]) => placeOf(holds, here, there, level)), h);
  const mean = xs.map((_, i) => told.reduce((sum, [, answers], k) => sum + weights[k] * answers[i], 0));
  return [xs.map((x, i) => ofX * x + ofAnswer * mean[i]), mean];
}

// The solver's walk of all xs over the levels. path: xs at each level; asked: [level, xs, is it within a step] of each
// call; means: the mean answer of each step, so that the step can be drawn.
export function walk(mixture, solver, levels, xs) {
  const { holds, past, stages, corrects } = solver;
  const [rule, mends] = [ruleOf(solver.rule), corrects && ruleOf(corrects)];
  const [path, asked, means] = [[xs], [], []];
  let [before, known] = [null, []];
  for (let i = 0; i + 1 < levels.length; i++) {
    const [here, there] = [levels[i], levels[i + 1]];
    asked.push([here, path[i], false]);
    let told = [[here, path[i].map(answerer(holds, mixture, here))]];
    if (mends && known.length) {
      [path[i], means[i - 1]] = moved(holds, before, known[0][0], here, [...told, ...known.slice(0, past + 1)], mends);
    }
    for (const [place, row] of stages) {
      const level = levelAt(holds, here, there, place);
      const [ys] = moved(holds, path[i], here, level, told, () => row);
      asked.push([level, ys, true]);
      told.push([level, ys.map(answerer(holds, mixture, level))]);
    }
    [known, told] = [[told[0], ...known.slice(0, past)], [...told, ...known.slice(0, past)]];
    before = path[i];
    [path[i + 1], means[i]] = moved(holds, path[i], here, there, told, rule);
  }
  return { path, asked, means };
}

// ------------------------------------------------------------------------------------------------------------- the grids

export function evenGrid(steps) {
  return Array.from({ length: steps + 1 }, (_, i) => (i === steps ? TO : FROM + ((TO - FROM) * i) / steps));
}

// Even in the seventh root of s/a, (13.6).
export function rootGrid(steps) {
  const [first, last] = [FROM, TO].map((level) => Math.exp(-level / 14));
  return evenGrid(steps).map((end, i) => (i % steps ? -14 * Math.log(first + (i / steps) * (last - first)) : end));
}

// The levels of a solver's walk with so many calls at most. Of plans that were given the longest that fits, if any does.
function stops(now, solver, grid, calls) {
  const steps = Math.floor(calls / (1 + solver.stages.length));
  if (grid === "even") return evenGrid(steps);
  if (grid === "rho7") return rootGrid(steps);
  return now.plans.findLast((plan) => plan.length <= steps + 1) ?? null;
}

function computation(model) {
  const [table, crowd, plans] = ["_table", "_crowd", "_plans"].map((name) => model.get(name));
  const start = sentMixture(model);
  const [rk4, dense] = [table.find(({ name }) => name === "rk4"), evenGrid(FINE)];
  const now = { start, table, plans, thread: dense };
  const truth = walk(start, rk4, dense, crowd).path[FINE];
  const [changed, known] = [memory(), new Map()];

  // The mean distance of all walkers from their exact ends, and the calls that it cost; null where no plan fits.
  now.off = (solver, grid, calls) => {
    const levels = stops(now, solver, grid, calls);
    if (!levels) return null;
    const used = (levels.length - 1) * (1 + solver.stages.length);
    const name = [solver.name, grid, used].join();
    if (!known.has(name)) {
      const ends = walk(start, solver, levels, crowd).path.at(-1);
      known.set(name, ends.reduce((sum, x, i) => sum + Math.abs(x - truth[i]), 0) / truth.length);
    }
    return [used, known.get(name)];
  };
  // A solver's errors against calls: each number of calls once, the fewest first.
  now.line = (solver, grid, counts) => {
    const found = new Map(counts.map((calls) => now.off(solver, grid, calls)).filter(Boolean));
    return [...found].sort(([a], [b]) => a - b);
  };

  now.update = ({ solver: name, grid, calls, start: place, guess }) => {
    const solver = (now.solver = table.find((one) => one.name === name));
    if (changed("thread", place)) now.exact = walk(start, rk4, dense, [place]).path.map(([x]) => x);
    if (changed("walk", name, grid, calls, place)) {
      now.levels = stops(now, solver, grid, calls) ?? now.plans[0];
      Object.assign(now, walk(start, solver, now.levels, [place]));
      now.calls = now.asked.length;
      now.drawn = drawn(solver.holds, now);
      now.end = now.path.at(-1)[0];
    }
    if (guess === "none") return;
    if (changed("lines", grid)) now.others = table.map((one) => now.line(one, grid, SOME));
    if (changed("own line", name, grid)) {
      now.own = now.line(solver, grid, Array.from({ length: MOST - FEWEST + 1 }, (_, i) => FEWEST + i));
    }
    now.here = now.off(solver, grid, calls);
  };
  return now;
}

// A walk as points [level, x]: within a step the mean answer is held still, as the solver does.
function drawn(holds, { levels, path, means }) {
  const points = [[levels[0], path[0][0]]];
  means.forEach(([mean], i) => {
    for (let part = 1; part <= PARTS; part++) {
      const level = levels[i] + ((levels[i + 1] - levels[i]) * part) / PARTS;
      const [ofX, ofAnswer] = shares(holds, levels[i], level);
      points.push([level, ofX * path[i][0] + ofAnswer * mean]);
    }
  });
  return points;
}

// ---------------------------------------------------------------------------------------------------------- the pictures

// The density at every level, the exact thread of one walker, and the solver's walk from the same start.
function threadView(ui, now) {
  const alt = "from noise at the left to data at the right: the exact flow of one walker, and where the solver's steps bring him";
  const view = plot(ui, { alt, height: 356, left: 40 });
  const hot = heat(COLUMNS, ROWS);
  const changed = memory();
  let [filled, edge, held] = [0, EDGE, false];
  const tones = new Float64Array(COLUMNS * ROWS);
  for (let i = 0; i < COLUMNS; i++) {
    const level = FROM + ((TO - FROM) * i) / (COLUMNS - 1);
    const law = noisedMixture(now.start, logSigmoid(level));
    for (let j = 0; j < ROWS; j++) tones[j * COLUMNS + i] = Math.min(1, 0.7 * Math.exp(logMixture(law, EDGE * ((2 * j + 1) / ROWS - 1))));
  }
  grab(ui, view, {
    take: (level, x, event) => ((held = near(view.canvas, event, ui.state.start) <= 24) ? 0 : null),
    move: (_, level, x, event) => moveStart(ui, x, event),
    drop: () => {
      held = false;
      ui.redraw();
    },
    firm: () => true,
  });

  function draw(state, colours) {
    if (!colours.ink) return; // not on a page yet
    if (changed("heat", colours.q, colours.paper)) {
      hot.fill(tones, [colours.paper, colours.q]);
      filled++;
    }
    if (!held) edge = room(now); // the scale keeps still under the hand
    const frame = { x: [FROM, TO], y: [-edge, edge], xTicks: [-8, -6, -4, -2, 0, 2, 4, 6], yTicks: [-1, -0.5, 0, 0.5, 1].map((share) => share * edge) };
    const still = { needs: [filled, edge], paint: (context, X, Y) => hot.draw(context, X(FROM), Y(EDGE), X(TO) - X(FROM), Y(-EDGE) - Y(EDGE)) };
    const paint = (context, X, Y) => {
      const exact = now.exact.at(-1);
      curve(context, X, Y, [[TO, exact], [TO, now.end]], { colour: colours.accent, width: 7 });
      curve(context, X, Y, now.exact.map((x, i) => [now.thread[i], x]), { colour: colours.ink, width: 2, dash: [5, 4] });
      curve(context, X, Y, now.drawn, { colour: colours.p, width: 2.5 });
      for (const [level, [x], within] of now.asked) {
        if (within) dot(context, X(level), Y(x), { colour: colours.paper, ring: colours.ink, radius: 4 });
        else dot(context, X(level), Y(x), { colour: colours.p, ring: colours.ink, radius: 4 });
      }
      dot(context, X(FROM), Y(state.start), { colour: colours.p, ring: colours.paper, radius: 7 });
      dot(context, X(TO), Y(now.end), { colour: colours.p, ring: colours.paper, radius: 5 });
      dot(context, X(TO), Y(exact), { colour: colours.ink, ring: colours.paper, radius: 5 });
      if (Math.abs(now.end) > edge) away(context, X, Y, now.end, edge, colours);
    };
    view.area({ ...frame, xLabel: "\u03bb, log SNR", yLabel: "value of x" }, colours, paint, still);
  }
  return { canvas: view.canvas, draw };
}

// How far up and down the picture goes: 4, or twice that as often as the walk needs it.
function room({ drawn, asked }) {
  const far = Math.max(...drawn.map(([, x]) => Math.abs(x)), ...asked.map(([, [x]]) => Math.abs(x)));
  return Math.min(WIDEST, EDGE * 2 ** Math.ceil(Math.log2(Math.max(1, far / EDGE))));
}

// How far, in pixels, the pointer is from the walker's start.
function near(canvas, event, start) {
  const [box, [x, y]] = [canvas.getBoundingClientRect(), canvas.place(FROM, start)];
  return Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y);
}

// A walk that ends outside the picture: where it does, in words, at the edge that it has left by.
function away(context, X, Y, end, edge, colours) {
  context.font = `600 12px ${colours.font}`;
  context.fillStyle = colours.ink;
  context.textAlign = "right";
  context.textBaseline = end > 0 ? "top" : "bottom";
  context.fillText(`ends at ${number(end)} ${end > 0 ? "\u2191" : "\u2193"}`, X(TO) - 10, Y(end > 0 ? edge : -edge) + (end > 0 ? 4 : -4));
}

function moveStart(ui, x, event) {
  const rounded = Math.round(50 * Math.min(FARTHEST, Math.max(-FARTHEST, x))) / 50;
  if (rounded !== ui.state.start) ui.set({ start: rounded }, event);
}

// Errors against calls, both on log axes, which are drawn here: the picture's own go by equal steps.
function errorView(ui, now) {
  const view = plot(ui, { alt: "the error of all walkers against calls on log axes: the chosen solver's line, ddim's, and those of the others", height: 262, left: 8, right: 8, bottom: 8 });
  const [LEFT, BOTTOM] = [48, 30]; // pixels for the numbers

  function draw(state, colours) {
    if (!colours.ink) return;
    const all = now.others.flat().map(([, error]) => Math.log10(Math.max(error, 1e-7)));
    const [low, high] = [Math.floor(Math.min(...all)), Math.ceil(Math.max(...all))];
    const span = Math.log10(MOST / FEWEST);
    view.area({ x: [0, 1], y: [0, 1] }, colours, (context, X, Y) => {
      const across = (calls) => X(0) + LEFT + (X(1) - X(0) - LEFT - 6) * (Math.log10(calls / FEWEST) / span);
      const up = (error) => Y(0) - BOTTOM - (Y(0) - BOTTOM - Y(1)) * ((Math.log10(Math.max(error, 1e-7)) - low) / (high - low));
      logAxes(context, across, up, [low, high], Y(0), colours);
      context.save();
      context.beginPath();
      context.rect(across(FEWEST) - 5, up(10 ** high) - 5, across(MOST) - across(FEWEST) + 10, up(10 ** low) - up(10 ** high) + 10);
      context.clip();
      const line = (points, look) => curve(context, across, up, points, look);
      context.globalAlpha = 0.55;
      for (const points of now.others) line(points, { colour: colours.noise, width: 1 });
      context.globalAlpha = 1;
      line(now.others[now.table.findIndex(({ name }) => name === "ddim")], { colour: colours.data, width: 2 });
      const [most, least] = now.own.at(-1) ?? [MOST, 1];
      const promise = (calls) => [calls, least * (most / calls) ** now.solver.order];
      line([promise(FEWEST), promise(most)], { colour: colours.ink, width: 1.5, dash: [5, 4] });
      line(now.own, { colour: colours.p, width: 2.5 });
      for (const [calls, error] of now.own) dot(context, across(calls), up(error), { colour: colours.p, radius: 2 });
      context.restore();
      if (now.here) dot(context, across(now.here[0]), up(now.here[1]), { colour: colours.p, ring: colours.ink, radius: 6 });
    });
  }
  return { canvas: view.canvas, draw };
}

const SMALL = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"; // digits of an exponent

function logAxes(context, across, up, [low, high], bottom, colours) {
  context.font = `11px ${colours.font}`;
  context.strokeStyle = colours.rule;
  context.fillStyle = colours.soft;
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  const tick = (x0, y0, x1, y1) => {
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
  };
  for (let power = low; power <= high; power++) {
    const y = Math.round(up(10 ** power)) + 0.5;
    tick(across(FEWEST), y, across(MOST), y);
    context.fillText(power < -3 ? `10\u207b${SMALL[-power]}` : String(Number((10 ** power).toPrecision(1))), across(FEWEST) - 8, y);
  }
  context.textAlign = "center";
  for (const calls of [4, 6, 10, 20, 40]) {
    tick(across(calls), up(10 ** low), across(calls), up(10 ** low) + 4);
    context.fillText(String(calls), across(calls), up(10 ** low) + 12);
  }
  context.textBaseline = "bottom";
  context.fillText("calls", (across(FEWEST) + across(MOST)) / 2, bottom);
}

// ---------------------------------------------------------------------------------------------------------- the controls

const GRIDS = [["even", "even in log SNR"], ["rho7", "even in the 7th root of \u03c3"]];

function controls(ui, now) {
  const solver = choice(ui, {
    name: "Solver",
    options: now.table.map(({ name }) => [name, name]),
    change: (name, event) => ui.set({ solver: name }, event),
  });
  const grid = choice(ui, {
    name: "Steps",
    options: now.plans.length ? [...GRIDS, ["given", "the ones given"]] : GRIDS,
    change: (name, event) => ui.set({ grid: name }, event),
  });
  const calls = dial(ui, { name: "calls", low: FEWEST, high: MOST, step: 1, ends: [4, 10, 20, 30, 40], change: (n, event) => ui.set({ calls: n }, event) });
  const place = dial(ui, { name: "where the walker starts", low: -FARTHEST, high: FARTHEST, step: 0.02, ends: [-3, 0, 3], change: (x, event) => moveStart(ui, x, event) });
  const put = (state) => {
    solver.put(state.solver);
    grid.put(state.grid);
    calls.put(state.calls);
    place.put(state.start);
  };
  const choices = h("div", { class: "dm-buttons dm-still" }, solver.el, grid.el, button(ui, "Reset", ui.reset));
  return { el: h("div", { class: "dm-grid" }, calls.el, place.el), choices, put };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Few calls",
    task: "Guess which of the four ends nearest with 6 calls, and look. Then drag the start.",
    traits: ["solver", "grid", "calls", "start", "guess"],
  });
  const now = computation(model);
  const panel = controls(ui, now);
  const names = model.get("_guesses");
  const guess = choice(ui, {
    name: "Your guess: nearest with 6 calls",
    options: [["none", "guess first"], ...names.map((name) => [name, name])],
    change: (name, event) => ui.set({ guess: name }, event),
  });
  const facts = readout(["steps and calls", "the walker ends at", "the exact end", "off by", "all walkers off by, on average"]);
  const [thread, errors] = [threadView(ui, now), errorView(ui, now)];
  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  const [own, other, slope] = [key("p"), key("data", "ddim"), key("bell")];
  const says = h("p", { class: "dm-note" });
  const shown = [says, h("figure", {}, keys(own, other, key("noise", "the others"), slope), errors.canvas)];
  const waits = [h("p", { class: "dm-note" }, "Then the errors of all solvers appear here, against their calls.")];
  const told = h("div", { class: "dm-reveal" });
  const size = (error, digits = 3) => (error < 1e-6 ? "0" : number(error, digits)); // no truth here is better known
  const put = (element, text) => element.textContent === text || (element.textContent = text);

  // With 6 calls, on the grid that is chosen: the four, the nearest first.
  function verdict({ guess: guessed, grid }) {
    const four = names.map((name) => [name, now.off(now.table.find((one) => one.name === name), grid, 6)?.[1] ?? NaN]);
    if (four.some(([, error]) => Number.isNaN(error))) return "With 6 calls not all of the four have a plan to walk by.";
    four.sort(([, a], [, b]) => a - b);
    const row = four.map(([name, error]) => `${name} ${size(error, 2)}`).join(", ");
    return `With 6 calls, all walkers are off on average by: ${row}. You guessed ${guessed}${guessed === four[0][0] ? ", and it is" : ""}.`;
  }

  function draw(state, colours) {
    now.update(state);
    const [exact, { end, calls, levels, path, here }] = [now.exact.at(-1), now];
    Object.assign(ui.root.explorable, { path: path.map(([x]) => x), levels, calls, exact, end, off: here?.[1], line: now.own });
    panel.put(state);
    guess.put(state.guess);
    const [steps, guessed] = [levels.length - 1, state.guess !== "none"];
    const whole = guessed ? (here ? size(here[1]) : "\u2013") : "guess first";
    facts.put([`${steps} ${steps === 1 ? "step" : "steps"}, ${calls} calls`, number(end), number(exact), size(Math.abs(end - exact)), whole]);
    thread.draw(state, colours);
    const due = guessed ? shown : waits;
    if (told.firstChild !== due[0]) told.replaceChildren(...due);
    if (!guessed) return;
    put(says, verdict(state));
    put(own, state.solver);
    other.hidden = state.solver === "ddim";
    put(slope, `its order, ${now.solver.order}, as a slope`);
    errors.draw(state, colours);
  }

  function words(state) {
    const exact = now.exact.at(-1);
    const one = `${state.solver} with ${now.calls} calls: the walker from ${number(state.start)} ends at ${number(now.end)}, ${size(Math.abs(now.end - exact))} from the exact end ${number(exact)}.`;
    return state.guess !== "none" && now.here ? `${one} All walkers are off by ${size(now.here[1])} on average. ${says.textContent}` : one;
  }

  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      h(
        "figure",
        { class: "dm-wide dm-top-aligned" },
        keys(key("q", maths("{q}({x}_\u03bb_)")), key("bell", "exact flow"), key("p", "the solver: drag its start"), key("particle", "its calls"), key("ring", "calls within a step"), key("accent", "error")),
        thread.canvas,
      ),
      h("div", { class: "dm-narrow dm-top-aligned" }, guess.el, told),
    ),
    panel.choices,
    panel.el,
    facts.el,
  );
  ui.start(draw, words);
  return ui.close;
}

export default { render };
