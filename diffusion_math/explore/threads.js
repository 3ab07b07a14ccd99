// Threads from noise to data, without dice and with them: a mixture of bells over one number, walked from log SNR -8 to 8.
// The thick thread's flow is exact, by ranks; the thin ones' are looked up, closer than a pixel. The walk with dice
// takes the steps of diffusion_math.sde, with noise that is made here.
import {
  button,
  curve,
  dial,
  dot,
  explorable,
  grab,
  h,
  heat,
  key,
  keyOf,
  maths,
  memory,
  number,
  plot,
  readout,
  ticks,
} from "./common.js";
import {
  bellsUnder,
  byRank,
  clean,
  densityGrid,
  guess,
  logMixture,
  logNormal,
  logSigmoid,
  massBeside,
  noise,
  noisedMixture,
  random,
  sentMixture,
  signal,
} from "./laws.js";

const EDGE = 4; // the pictures show x from -4 to 4
const [FROM, TO, STRETCHES] = [-8, 8, 160];
const [COLUMNS, ROWS] = [STRETCHES + 1, 160]; // of the heat map
const [SHOWN, WALKERS, BARS] = [16, 400, 48];
const FARTHEST = 3; // where a thread may start
const [FAR, CELLS] = [2 * EDGE, 800]; // of the table of ranks: from -FAR to FAR, in so many cells
const CELL = (2 * FAR) / CELLS;

const LEVELS = Array.from({ length: STRETCHES + 1 }, (_, i) => FROM + ((TO - FROM) * i) / STRETCHES);
const LOGS = LEVELS.map(logSigmoid); // log alpha_bar
const [A, S] = [LOGS.map(signal), LOGS.map(noise)];

// Each walker in x one step on, from level i, into `to`: the guessed noise keeps a share, and the rest is fresh.
export function step(guesses, i, x, dial, fresh, to) {
  const kept = Math.exp((-dial * (LEVELS[i + 1] - LEVELS[i])) / 2);
  const ofX = (S[i + 1] * kept) / S[i];
  const [ofX0, added] = [A[i + 1] - ofX * A[i], S[i + 1] * Math.sqrt(1 - kept * kept)];
  for (let k = 0; k < x.length; k++) to[k] = ofX0 * guesses[i](x[k]) + ofX * x[k] + added * fresh[k];
  return to;
}

// The share of a law that lies to the left of each cell's right end.
function ranks(law) {
  const [density, out] = [clean(bellsUnder(law, 1, 0)), {}];
  let share = massBeside(law, -FAR, -1);
  return Float64Array.from({ length: CELLS }, (_, j) => (share += CELL * density((j + 0.5) * CELL - FAR, out).q));
}

// Where in a table of ranks a rank stands: between two ends of cells, in proportion.
function lookUp(table, rank) {
  let [low, high] = [0, CELLS - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (table[middle] < rank) low = middle;
    else high = middle;
  }
  return (low + 1 + (rank - table[low]) / (table[high] - table[low])) * CELL - FAR;
}

// A walk of so many: its places at each level, and the throws of its last seed, are kept from one drag to the next.
function walker(guesses, many) {
  const path = LEVELS.map(() => new Float64Array(many));
  let [known, fresh] = [null, null];
  return (starts, dial, seed) => {
    if (seed !== known) {
      const { normal } = random((known = seed));
      fresh = Array.from({ length: STRETCHES }, () => Float64Array.from({ length: many }, normal));
    }
    path[0].set(starts);
    for (let i = 0; i < STRETCHES; i++) step(guesses, i, path[i], dial, fresh[i], path[i + 1]);
    return path;
  };
}

const spreadOf = (values) => {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
};

function computation(model) {
  const start = sentMixture(model);
  const guesses = LEVELS.map((level) => guess(start, level));
  const laws = LOGS.map((log) => noisedMixture(start, log));
  const [first, last] = [laws[0], laws[STRETCHES]];
  const changed = memory();
  const unit = random(1);
  const seeds = Array.from({ length: SHOWN + WALKERS }, unit.normal); // the first are shown
  const shown = seeds.slice(0, SHOWN);
  const [ownWalk, allWalks, tables] = [walker(guesses, 1), walker(guesses, seeds.length), laws.map(ranks)];
  const now = { start, laws };
  now.thread = (x) => {
    let near = x;
    return laws.map((law) => (near = byRank(first, law, x, near)));
  };
  // where each place of the data came from, and by how much the flow has squeezed what came there
  const places = Array.from({ length: 401 }, (_, i) => {
    const y = EDGE * (i / 200 - 1);
    const x = byRank(last, first, y);
    return { x, y, ratio: Math.exp(logMixture(last, y) - logMixture(first, x)) };
  });

  now.update = ({ start: place, spread, dial: dice, throw: turn }) => {
    if (changed("own flow", place)) now.own = now.thread(place);
    if (changed("own walk", place, dice, turn)) now.walk = ownWalk([place], dice, 2 * turn + 3).map(([x]) => x);
    if (changed("flows", spread)) {
      now.flows = shown.map((z) => {
        const rank = massBeside(first, spread * z, -1);
        return tables.map((table) => lookUp(table, rank));
      });
      now.density = places.map(({ x, y, ratio }) => [ratio * Math.exp(logNormal(x, 0, spread ** 2)), y]);
    }
    if (changed("walks", spread, dice, turn)) {
      const path = allWalks(seeds.map((z) => spread * z), dice, 2 * turn + 2);
      now.walks = shown.map((_, k) => path.map((row) => row[k]));
      now.ends = Array.from(path[STRETCHES].subarray(SHOWN));
    }
  };
  return now;
}

// One way to walk: the density at every level with threads over it, and the density of all ends beside it.
function view(ui, now, { alt, threads, own, paintEnds }) {
  const whole = plot(ui, { alt: `threads from noise at the left to data at the right, ${alt}`, height: 230, left: 40 });
  const side = plot(ui, { alt: `the density where the walkers end, ${alt}, beside the data's`, height: 230, left: 30 });
  const hot = heat(COLUMNS, ROWS);
  const changed = memory();
  let filled = 0;
  const truth = Array.from({ length: 401 }, (_, i) => {
    const x = EDGE * (i / 200 - 1);
    return [Math.exp(logMixture(now.laws[STRETCHES], x)), x];
  });
  const top = Math.max(0.5, 1.3 * Math.max(...truth.map(([p]) => p)));
  grab(ui, whole, {
    take: (x, y) => (Math.hypot(...gap(whole, x, y)) <= 24 ? 0 : null),
    move: (_, x, y, event) => moveStart(ui, y, event),
    firm: () => true,
  });
  const gap = ({ canvas }, x, y) => {
    const [[px, py], [sx, sy]] = [canvas.place(x, y), canvas.place(FROM, ui.state.start)];
    return [px - sx, py - sy];
  };

  function draw(state, colours) {
    if (!colours.ink) return; // not on a page yet
    if (changed("heat", colours.data, colours.paper)) {
      hot.fill(densityGrid(now.laws, EDGE, ROWS), [colours.paper, colours.q]);
      filled++;
    }
    const ticksX = [-8, -4, 0, 4, 8];
    const frame = { x: [FROM, TO], y: [-EDGE, EDGE], xTicks: ticksX, yTicks: [-4, -2, 0, 2, 4] };
    const still = {
      needs: [filled, threads(), ui.lit() === "threads"],
      paint(context, X, Y) {
        hot.draw(context, X(FROM), Y(EDGE), X(TO) - X(FROM), Y(-EDGE) - Y(EDGE));
        const across = LEVELS.map(X);
        context.beginPath();
        for (const path of threads()) path.forEach((x, j) => context[j ? "lineTo" : "moveTo"](across[j], Y(x)));
        context.strokeStyle = colours.ink;
        context.lineWidth = 0.8;
        context.lineJoin = "round";
        ui.mark(context, "threads", () => context.stroke());
      },
    };
    const paint = (context, X, Y) => {
      ui.mark(context, "own", () => curve(context, X, Y, own().map((x, j) => [LEVELS[j], x]), { colour: colours.p, width: 2.5 }));
      ui.mark(context, "start", () => dot(context, X(FROM), Y(state.start), { colour: colours.p, ring: colours.paper, radius: 7 }));
      dot(context, X(TO), Y(own()[STRETCHES]), { colour: colours.p, ring: colours.paper, radius: 5 });
    };
    whole.area({ ...frame, xLabel: "\u03bb, log SNR", yLabel: "value of x" }, colours, paint, still);
    const beside = { x: [0, top], y: [-EDGE, EDGE], xTicks: ticks(top, 3), yTicks: [-4, -2, 0, 2, 4] };
    side.area({ ...beside, xLabel: "density of the ends" }, colours, (context, X, Y) => {
      ui.mark(context, "ends", () => paintEnds(context, X, Y, colours));
      ui.mark(context, "data", () => curve(context, X, Y, truth, { colour: colours.ink, width: 1.75, dash: [5, 4] }));
    });
  }
  return { canvas: whole.canvas, beside: side.canvas, draw };
}

function moveStart(ui, x, event) {
  const rounded = Math.round(50 * Math.min(FARTHEST, Math.max(-FARTHEST, x))) / 50;
  if (rounded !== ui.state.start) ui.set({ start: rounded }, event);
}

// Bars of the walkers' ends.
function bars(context, X, Y, ends, colour) {
  const [counts, width] = [new Array(BARS).fill(0), (2 * EDGE) / BARS];
  for (const x of ends) {
    const bar = Math.floor((x + EDGE) / width);
    if (bar >= 0 && bar < BARS) counts[bar]++;
  }
  context.fillStyle = colour;
  counts.forEach((n, j) => {
    const low = j * width - EDGE;
    context.fillRect(X(0), Y(low + width), X(n / ends.length / width) - X(0), Y(low) - Y(low + width) - 0.5);
  });
}

function controls(ui, now) {
  const place = dial(ui, {
    name: "where the thick thread starts",
    low: -FARTHEST,
    high: FARTHEST,
    step: 0.02,
    change: (x, event) => moveStart(ui, x, event),
  });
  const spread = dial(ui, {
    name: "spread of all starts",
    low: 0.5,
    high: 1.5,
    step: 0.01,
    change: (value, event) => ui.set({ spread: value }, event),
  });
  const dice = dial(ui, {
    symbol: "\u03b7",
    name: "how much noise",
    low: 0,
    high: 2,
    step: 0.05,
    change: (value, event) => ui.set({ dial: value }, event),
  });
  const facts = readout(["thread ends without noise", "and with it", "spread of all ends, with noise"]);
  const again = button(ui, "New noise", (event) => ui.set({ throw: (ui.state.throw + 1) % 1000 }, event));
  const el = h(
    "div",
    { class: "dm-grid" },
    h("div", { class: "dm-controls" }, place.el, facts.el, h("div", { class: "dm-buttons" }, again, button(ui, "Reset", ui.reset))),
    h("div", { class: "dm-controls" }, spread.el, dice.el),
  );

  function put(state) {
    place.put(state.start);
    spread.put(state.spread);
    dice.put(state.dial);
    facts.put([now.own[STRETCHES], now.walk[STRETCHES], spreadOf(now.ends)].map((v) => number(v)));
  }
  return { el, put };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Threads",
    task: "Narrow the spread of all starts. Whose ends become narrow with it: those without noise, or those with it?",
    answer: "Those without noise: their ends are as close together as their starts were. Noise mends it, until η is nearly 0, since the noise added on the way outweighs where one began.",
    marks: { "thick thread": "own", "thin ones": "threads", start: "start", ends: "ends", end: "ends", "the data": "data" },
    traits: ["start", "spread", "dial", "throw"],
  });
  const now = computation(model);
  const panel = controls(ui, now);
  const still = view(ui, now, {
    alt: "without noise",
    threads: () => now.flows,
    own: () => now.own,
    paintEnds: (context, X, Y, colours) => curve(context, X, Y, now.density, { colour: colours.p, width: 2.5 }),
  });
  const dice = view(ui, now, {
    alt: "with noise",
    threads: () => now.walks,
    own: () => now.walk,
    paintEnds: (context, X, Y, colours) => bars(context, X, Y, now.ends, colours.p),
  });

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, { thread: now.own, threads: now.flows, walk: now.walk, ends: now.ends, density: now.density });
    panel.put(state);
    still.draw(state, colours);
    dice.draw(state, colours);
  }

  function words({ start, spread, dial: by }) {
    const [flowed, walked] = [now.own[STRETCHES], now.walk[STRETCHES]].map((x) => number(x));
    const began = `The thread that starts at ${number(start)} ends at ${flowed} without noise, at ${walked} with it.`;
    return `${began} All starts have the spread ${number(spread)}, and η is ${number(by)}.`;
  }

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  const row = (part, title) =>
    h(
      "div",
      { class: "dm-row" },
      h("figure", { class: "dm-wide" }, keys(h("b", {}, title), key("q", maths("{q}({x}_\u03bb_)")), keyOf("own", "p", "drag its start")), part.canvas),
      h("figure", { class: "dm-narrow" }, keys(keyOf("ends", "p", "ends"), keyOf("data", "bell", "the data")), part.beside),
    );
  ui.root.append(row(still, "Without noise"), row(dice, "With noise"), panel.el);
  ui.phone = { show: [still, dice].map(({ canvas }) => canvas.closest("figure")), move: ["spread"] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
