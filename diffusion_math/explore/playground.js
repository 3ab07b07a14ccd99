// One law in the plane, which the reader paints, and what the chapters do with it: it melts, it is walked back, it is
// bounded, and it has a score. It is a mixture of bells, so everything is known exactly, and everything is computed here.
import {
  aim,
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
  plane,
  player,
  plot,
  readout,
  scrub,
  ticksBetween,
} from "./common.js";
import { askPoints, ddim, logSnr, noise, posteriorAt, random, schedule, signal } from "./laws.js";
import { BELL, EDGE, FRAME, LAWS, grid, inside, middles, lawOf, paper } from "./paper.js";

const T = 50;
const [GRID, CELLS] = [15, 48]; // arrows and shades along each side
const [NODES, WALKERS, THREADS, DRAWS] = [96, 100, 40, 200]; // what is averaged over, and what is drawn
const GONE = 0.05; // nats from the unit normal at which a law may be called static
const TABLE = schedule({ kind: "linear", T });
const [SIDE, PLACES] = [middles(CELLS), grid(GRID)];

// ----------------------------------------------------------------------------------------------- what is known exactly

// What is left of the data at t, and the noise beside it.
export const scalesAt = (t) => [signal(TABLE.logAlphaBar[t]), noise(TABLE.logAlphaBar[t])];

// The best Gaussian step back: means and variances.
export function stepBack(points, t, [x, y]) {
  const { a, b, v } = posteriorAt(TABLE, t);
  const { guess, unsure } = askPoints(points, BELL, scalesAt(t), x, y);
  return { guess, mean: [a * guess[0] + b * x, a * guess[1] + b * y], variance: unsure.map((c) => v + a * a * c) };
}

// n places that share out the unit normal evenly, turned by the golden angle from one to the next.
export const sunflower = (n) =>
  Array.from({ length: n }, (_, i) => {
    const [radius, angle] = [Math.sqrt(-2 * Math.log1p(-(i + 0.5) / n)), Math.PI * (3 - Math.sqrt(5)) * i];
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
const SPREAD = sunflower(NODES);

// x_t that come of x_0: as many as there are nodes.
export const under = (t, [x, y]) => {
  const [a, s] = scalesAt(t);
  return SPREAD.map(([u, v]) => [a * x + s * u, a * y + s * v]);
};

// The terms of the bound of x_0 in nats: of t = 1..T, and the prior's. Each is an average over x_t.
export function terms(points, x0) {
  const mean = (t, cost) => under(t, x0).reduce((sum, x) => sum + cost(stepBack(points, t, x)), 0) / NODES;
  const both = (f) => f(0) + f(1);
  const last = ({ mean, variance }) => both((c) => 0.5 * ((x0[c] - mean[c]) ** 2 / variance[c] + Math.log(2 * Math.PI * variance[c])));
  const costs = [mean(1, last)];
  for (let t = 2; t <= T; t++) {
    const { a, v } = posteriorAt(TABLE, t);
    const kl = ({ guess, variance }) => both((c) => 0.5 * ((v + (a * (x0[c] - guess[c])) ** 2) / variance[c] - 1 + Math.log(variance[c] / v)));
    costs.push(mean(t, kl));
  }
  const [a, s] = scalesAt(T);
  return [...costs, both((c) => 0.5 * (s * s + (a * x0[c]) ** 2 - 1 - 2 * Math.log(s)))];
}

// From x at t to t = 0 without dice: the guess of x_0 and the noise that it leaves, on one level less each time.
export function thread(points, t, x) {
  const way = [x];
  for (; t > 0; t--) {
    const [here, there] = [t, t - 1].map((s) => logSnr(TABLE.logAlphaBar[s]));
    const { guess } = askPoints(points, BELL, scalesAt(t), ...x);
    const [ofX0, ofX] = ddim(here, there, 0);
    x = x.map((value, c) => ofX0 * guess[c] + ofX * value);
    way.push(x);
  }
  return way;
}

// Walks with dice from N(0, I) at T by the best Gaussian steps: where they are at each t, and what they guess x_0 to be.
export function walks(points, seed) {
  const { normal } = random(seed);
  const at = Array.from({ length: T + 1 });
  const guesses = Array.from({ length: T + 1 });
  at[T] = Array.from({ length: WALKERS }, () => [normal(), normal()]);
  for (let t = T; t > 0; t--) {
    const steps = at[t].map((x) => stepBack(points, t, x));
    guesses[t] = steps.map(({ guess }) => guess);
    at[t - 1] = steps.map(({ mean, variance }) => mean.map((m, c) => m + Math.sqrt(variance[c]) * normal()));
  }
  guesses[0] = at[0];
  return { at, guesses };
}

// q(x_t) on the squares, as shares of the highest: a bell is a product, so its values on a row and on a column are enough.
export function shadesOf(points, [a, s], shades) {
  const variance = (a * BELL) ** 2 + s * s;
  const sides = [0, 1].map((c) => points.map((p) => SIDE.map((v) => Math.exp(-((v - a * p[c]) ** 2) / (2 * variance)))));
  shades.fill(0);
  points.forEach((_, k) => {
    const [across, up] = [sides[0][k], sides[1][k]];
    for (let j = 0; j < CELLS; j++) for (let i = 0; i < CELLS; i++) shades[j * CELLS + i] += up[j] * across[i];
  });
  const top = shades.reduce((most, v) => Math.max(most, v), 0);
  for (let i = 0; i < shades.length; i++) shades[i] /= top || 1;
}

// n draws of the law and their noise, from its points in turn.
export function draws(points, seed, n = points.length) {
  const { normal } = random(seed);
  return Array.from({ length: n }, (_, i) => {
    const p = points[Math.floor((i * points.length) / n)];
    return { x0: [p[0] + BELL * normal(), p[1] + BELL * normal()], eps: [normal(), normal()] };
  });
}
export const noised = (list, t) => {
  const [a, s] = scalesAt(t);
  return list.map(({ x0, eps }) => [a * x0[0] + s * eps[0], a * x0[1] + s * eps[1]]);
};

// KL(q(x_t) || N(0, I)) in nats for t = 0..T, by the same draws at each even t, and halfway between its neighbours at an odd.
export function melted(points, seed) {
  const list = draws(points, seed, DRAWS);
  const even = Array.from({ length: T / 2 + 1 }, (_, i) => {
    const level = scalesAt(2 * i);
    const log = ([x, y]) => askPoints(points, BELL, level, x, y).log + 0.5 * (x * x + y * y) + Math.log(2 * Math.PI);
    return noised(list, 2 * i).reduce((sum, x) => sum + log(x), 0) / list.length;
  });
  return Array.from({ length: T + 1 }, (_, t) => (even[Math.floor(t / 2)] + even[Math.ceil(t / 2)]) / 2);
}

// How far a cloud of points is spread: the root of the mean square from its middle.
export function spread(cloud) {
  const middle = [0, 1].map((c) => cloud.reduce((sum, x) => sum + x[c], 0) / cloud.length);
  return Math.sqrt(cloud.reduce((sum, x) => sum + (x[0] - middle[0]) ** 2 + (x[1] - middle[1]) ** 2, 0) / cloud.length);
}

// ---------------------------------------------------------------------------------------------------------- the views

// What a view asks, shows and tells. `tells` computes it once it is revealed, `lines` are its curves over t.
const VIEWS = {
  melt: {
    title: "Your own law, melting",
    task: "Paint anything with a gap in it. At which {t} is the gap gone, and at which {t} all of your picture? Say two numbers, then press Show.",
    alt: "the density of x at step t as shades, and a speck for each point that was painted",
    keys: () => [key("positive", maths("{q}({x}_t_)")), key("dot", "noised data")],
    why: `The narrowest goes first: a gap is gone once the noise is as wide as what is left of it. Last of all goes where the whole lies and how wide it is. The curve is the KL divergence from {q}({x}_t_) to N(0, {I}), an average over ${DRAWS} draws.`,
    facts: ["nats from static, now", `below ${GONE} from t =`],
    play: 1,
  },
  reverse: {
    title: "Your own law, walked back",
    task: `${WALKERS} walks start as static. Where does the best guess of {x}_0_ lie for them at {t} = ${T}, and when do they part? Say so, then press Show, and Play.`,
    alt: "the density of x at step t as shades, and the walks that have come to t",
    keys: () => [key("positive", maths("{q}({x}_t_)")), key("particle", maths("walks by {p}"))],
    why: "A line leads from each walk to E[{x}_0_ | {x}_t_]. At first all guesses lie in the middle of your picture, whether anything is painted there or not, since static tells nothing. They part as the walks do, and end where the walks end. The curve is how far the guesses are spread, as a share of the data's own spread.",
    facts: ["spread of the guesses, of the data's", "half of it from t ="],
    play: -1,
  },
  bound: {
    title: "Your own law, and a bound on it",
    task: "Drag the ring, {x}_0_, onto your picture, between two of its parts, and beside it. Which steps pay most? And do all of them together cost more than \u2212log {q}({x}_0_)? Say so, then press Show.",
    alt: "the density of x at step t as shades, the datum that is scored, and what noise makes of it by step t",
    keys: () => [key("positive", maths("{q}({x}_t_)")), key("ring", maths("{x}_0_")), key("dot", maths("its {x}_t_"))],
    why: `A bar is a term of the bound on \u2212log {p}({x}_0_), for the walk back by the best Gaussian steps, an average over ${NODES} places of {x}_t_; the one of {t} = 1 tells where exactly {x}_0_ lies, and may be below 0. Averaged over data from your law, the sum can never be less than \u2212log {q}({x}_0_). For a single {x}_0_ it can, where {p} puts more than {q} does.`,
    facts: ["all terms together, nats", maths("\u2212log {q}({x}_0_)"), "this bar"],
    first: 1,
    place: true,
  },
  score: {
    title: "Your own law, and its score",
    task: "Drag the ring to a place from which the arrows lead two ways. Where does a thread from there end, with no noise on its way? Say so, then press Show.",
    alt: "the density of x at step t as shades, its score as arrows that point uphill, and the place where a thread begins",
    keys: () => [key("positive", maths("{q}({x}_t_)")), key("arrow", "its score"), key("ring", maths("{x}_t_"))],
    why: `The thick thread takes the guess of {x}_0_ and the noise that it leaves, on one level less each time, down to {t} = 0; thin ones do so from ${THREADS} other {x}_t_ of your law. All directions come from the score, which is all that a network has to know. Where the arrows part, two neighbours end far from each other.`,
    facts: [maths("the score at the ring"), "the thread ends at"],
    place: true,
  },
};

const signed = (v, digits = 2) => (Math.abs(v) < 0.5 * 10 ** -digits ? 0 : v).toFixed(digits).replace("-", "\u2212");
const pair = ([x, y]) => `(${signed(x)}, ${signed(y)})`;

function computation(view) {
  const changed = memory();
  const now = { filled: 0, shades: new Float64Array(CELLS * CELLS), field: [] };

  now.update = ({ points, t, x, y, seed, revealed }) => {
    now.any = points.length > 0;
    const level = scalesAt(t);
    if (changed("shades", points, t)) {
      shadesOf(points, level, now.shades);
      for (let i = 0; i < now.shades.length; i++) now.shades[i] = 0.75 * Math.sqrt(now.shades[i]);
      now.filled++;
      if (view === "score") now.field = now.any ? PLACES.map((at) => askPoints(points, BELL, level, ...at).slopes) : [];
    }
    if (view === "melt" && changed("specks", points, t, seed)) now.cloud = now.any ? noised(draws(points, seed), t) : [];
    if (view === "melt" && changed("melted", points, seed, revealed)) now.line = revealed && now.any ? melted(points, seed) : [];
    if (view === "reverse" && changed("walks", points, seed)) {
      now.walks = now.any ? walks(points, seed) : null;
      const whole = now.any ? Math.hypot(spread(points), Math.SQRT2 * BELL) : 1;
      now.line = now.any ? now.walks.guesses.map((cloud) => spread(cloud) / whole) : [];
    }
    if (view === "reverse") now.cloud = now.any ? now.walks.at[t] : [];
    if (view === "bound" && changed("under", t, x, y)) now.cloud = under(t, [x, y]);
    if (view === "bound" && changed("terms", points, x, y, revealed)) {
      now.terms = revealed && now.any ? terms(points, [x, y]) : [];
      now.sum = now.terms.reduce((sum, v) => sum + v, 0);
      now.nats = now.any ? -askPoints(points, BELL, scalesAt(0), x, y).log : NaN;
    }
    if (view === "score" && changed("thread", points, t, x, y, seed, revealed)) {
      now.score = now.any ? askPoints(points, BELL, level, x, y).slopes : [NaN, NaN];
      now.thread = revealed && now.any ? thread(points, t, [x, y]) : [];
      now.threads = revealed && now.any ? noised(draws(points, seed, THREADS), t).map((at) => thread(points, t, at)) : [];
    }
  };
  return now;
}

// The plane beside the sheet: the density at t, and what a view has on it. moveTo(x, y, event) where there is a ring.
function scene(ui, now, view, moveTo) {
  const board = plane(ui, VIEWS[view].alt);
  const hot = heat(CELLS, CELLS);
  const near = (x, y) => Math.hypot(x - ui.state.x, y - ui.state.y) < 0.35;
  if (moveTo) {
    grab(ui, board, {
      take: (x, y) => (near(x, y) ? "ring" : "plane"),
      move: (_, x, y, event) => moveTo(x, y, event),
      firm: (held) => held === "ring", // it goes in any direction
    });
  }

  // All arrows in one line, all heads in one shape.
  function arrows(context, X, Y, colours) {
    const heads = new Path2D();
    context.strokeStyle = context.fillStyle = colours.ink;
    context.lineWidth = 1;
    context.beginPath();
    now.field.forEach(([u, v], i) => {
      const [[x, y], long] = [PLACES[i], Math.hypot(u, v)];
      const scale = (0.13 * Math.min(2.4, Math.sqrt(long))) / (long || 1); // the root: the longest would hide the others
      aim(context, heads, X(x), Y(y), X(x + scale * u), Y(y + scale * v), 4);
    });
    context.stroke();
    context.fill(heads);
  }

  const below = (colours) => ({
    needs: [now.filled],
    paint(context, X, Y) {
      hot.fill(now.shades, [colours.paper, colours.q]);
      hot.draw(context, X(-EDGE), Y(EDGE), X(EDGE) - X(-EDGE), Y(-EDGE) - Y(EDGE));
      if (view === "score") arrows(context, X, Y, colours);
    },
  });
  const thin = (context, X, Y, ways, colour) => {
    context.globalAlpha = 0.7;
    for (const way of ways) curve(context, X, Y, way, { colour, width: 1.25 });
    context.globalAlpha = 1;
  };

  function draw(state, colours) {
    if (!colours.ink) return; // not on a page yet
    const { t, x, y, revealed } = state;
    const paint = {
      melt(context, X, Y) {
        for (const [u, v] of now.cloud) dot(context, X(u), Y(v), { colour: colours.data, radius: 2.5 });
      },
      reverse(context, X, Y) {
        if (revealed && now.any) thin(context, X, Y, now.cloud.map((at, i) => [at, now.walks.guesses[t][i]]), colours.ink);
        for (const [u, v] of now.cloud) dot(context, X(u), Y(v), { colour: colours.p, radius: 2.5, ring: colours.paper });
      },
      bound(context, X, Y) {
        for (const [u, v] of now.cloud) dot(context, X(u), Y(v), { colour: colours.data, radius: 2 });
        ring(context, X(x), Y(y), colours);
      },
      score(context, X, Y) {
        thin(context, X, Y, now.threads, colours.p);
        if (now.thread.length) {
          curve(context, X, Y, now.thread, { colour: colours.p, width: 3 });
          dot(context, X(now.thread.at(-1)[0]), Y(now.thread.at(-1)[1]), { colour: colours.p, radius: 5, ring: colours.paper });
        }
        ring(context, X(x), Y(y), colours);
      },
    };
    board.area(FRAME, colours, paint[view], below(colours));
  }
  return { canvas: board.canvas, draw };
}

function ring(context, x, y, colours) {
  for (const [colour, width] of [[colours.paper, 6], [colours.ink, 2.5]]) {
    context.beginPath();
    context.arc(x, y, 7, 0, 2 * Math.PI);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}

// What is told over t: a curve, or the bars of the bound.
function chart(ui, now, view) {
  const alt = { melt: "nats from static by t", reverse: "how far the guesses are spread by t", bound: "the terms of the bound by t" }[view];
  const yLabel = { melt: "nats", reverse: "share", bound: "nats" }[view];
  const { canvas, area, inset } = plot(ui, { alt, height: 170, left: 44 });
  const from = view === "bound" ? 1 : 0;
  scrub(ui, canvas, inset, (share, event) => {
    const t = Math.min(T, Math.max(from, Math.round(share * T)));
    if (t !== ui.state.t) ui.set({ t }, event);
  });

  function draw({ t }, colours) {
    const values = view === "bound" ? now.terms.slice(0, T) : now.line;
    const [low, high] = [Math.min(0, ...values), Math.max(0.1, ...values)];
    const room = 0.08 * (high - low);
    const y = [low < 0 ? low - room : 0, high + room];
    const frame = { x: [0, T], y, xTicks: [0, 10, 20, 30, 40, 50], yTicks: ticksBetween(...y), xLabel: "t", yLabel };
    area(frame, colours, (context, X, Y) => {
      if (!values.length) return;
      if (view === "bound") {
        values.forEach((v, i) => {
          context.fillStyle = i + 1 === t ? colours.ink : colours.p;
          context.fillRect(X(i + 0.65), Math.min(Y(0), Y(v)), X(0.7) - X(0), Math.abs(Y(v) - Y(0)));
        });
        return;
      }
      const colour = view === "melt" ? colours.q : colours.p;
      curve(context, X, Y, values.map((v, i) => [i, v]), { colour, width: 2.5 });
      dot(context, X(t), Y(values[t]), { colour: colours.ink, radius: 4.5 });
    });
  }
  return { canvas, draw };
}

// The numbers of a view, in words, where there is a law.
function facts(view, now, { t }) {
  const values = now.line;
  return {
    melt: () => [signed(values[t]), String(values.findIndex((v) => v < GONE)).replace("-1", "\u2013")],
    reverse: () => [`${Math.round(100 * values[t])} %`, String(values.findLastIndex((v) => v >= 0.5))],
    bound: () => [signed(now.sum), signed(now.nats), signed(now.terms[t - 1], 3)],
    score: () => [pair(now.score), pair(now.thread.at(-1))],
  }[view]();
}

function render({ model, el }) {
  const view = model.get("_view");
  const { title, task, keys, why, facts: names, play: way, first = 0, place } = VIEWS[view];
  const ui = explorable(model, el, { title, task, traits: ["points", "t", "x", "y", "seed", "revealed"] });
  const now = computation(view);
  const law = lawOf(ui, model);
  const moveTo = (x, y, event) => {
    if (inside(x) !== ui.state.x || inside(y) !== ui.state.y) ui.set({ x: inside(x), y: inside(y) }, event);
  };
  const sheet = paper(ui, law);
  const shown = scene(ui, now, view, place && moveTo);
  const line = view === "score" ? null : chart(ui, now, view);

  const kind = choice(ui, { name: "Law", options: Object.entries(LAWS), change: (value, event) => law.pick(value, event) });
  const time = dial(ui, { symbol: "t", name: "steps of noise", low: first, high: T, step: 1, change: (t, event) => ui.set({ t }, event) });
  const ringed = (trait, name) => dial(ui, { symbol: trait, name, low: -2.5, high: 2.5, step: 0.05, change: (value, event) => ui.set({ [trait]: value }, event) });
  const rings = place ? [ringed("x", "first number of the ring"), ringed("y", "second number of the ring")] : [];

  // Where a view plays, it goes from one end to the other, and begins again when it was there.
  const end = way > 0 ? T : 0;
  const go = (steps, event) => ui.set({ t: ui.state.t === end ? T - end : Math.min(T, Math.max(0, ui.state.t + way * steps)) }, event);
  let last = 0;
  const play = way && player(ui, {
    leap: ["Ten steps", (event) => go(10, event)],
    step(event) {
      if (event.timeStamp - last < 60) return true;
      last = event.timeStamp;
      go(1, event);
      return ui.state.t !== end;
    },
  });
  const fresh = way && button(ui, "New noise", (event) => ui.set({ seed: (ui.state.seed + 1) % 1000 }, event));
  const reveal = button(ui, "Show", (event) => ui.set({ revealed: !ui.state.revealed }, event));
  const clear = button(ui, "Clear", (event) => {
    law.paint([], event);
    law.tell();
  });
  const reset = button(ui, "Reset", (event) => {
    play?.stop();
    law.reset(event);
  });
  const told = h("div", { class: "dm-reveal" });
  const list = readout(names);
  const because = h("p", { class: "dm-note" }, maths(why));

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, now);
    kind.put(law.name(state.points));
    time.put(state.t);
    rings.forEach((dial, i) => dial.put([state.x, state.y][i]));
    reveal.textContent = state.revealed ? "Hide" : "Show";
    const parts = state.revealed ? [list.el, line ? line.canvas : [], because].flat() : [];
    if (told.children.length !== parts.length) told.replaceChildren(...parts);
    if (state.revealed) list.put(now.any ? facts(view, now, state) : names.map(() => "\u2013"));
    sheet.draw(state, colours);
    shown.draw(state, colours);
    if (line && state.revealed) line.draw(state, colours);
  }

  function words(state) {
    if (!now.any) return "No data. Choose some, or paint points.";
    const where = place ? ` The ring is at ${number(state.x)}, ${number(state.y)}.` : "";
    const told = [...list.el.children].map(({ children: [name, value] }) => `${name.textContent}: ${value.textContent}`);
    const said = state.revealed ? ` ${told.join("; ")}.` : "";
    return `${title}: ${state.points.length} points. t is ${state.t} of ${T}.${where}${said}`;
  }

  const figure = (caption, picture) => h("figure", { class: "dm-third dm-top-aligned" }, h("figcaption", { class: "dm-keys" }, caption), picture);
  const buttons = [play && play.el, fresh, reveal, clear, reset].filter(Boolean);
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      figure(key("dot", "the law: paint here"), sheet.el),
      figure(keys(), shown.canvas),
      h("div", { class: "dm-third dm-top-aligned" }, h("div", { class: "dm-controls" }, time.el, rings.map((dial) => dial.el), kind.el, h("div", { class: "dm-buttons dm-still" }, buttons))),
    ),
    told,
    h("p", { class: "dm-note" }, maths(`Each point is the middle of a small Gaussian of width ${BELL}.${model.get("_shared") ? " What you paint is kept in this browser, and the other chapters show it too." : ""} {T} is ${T}.`)),
  );
  const sheets = [...ui.root.querySelectorAll(".dm-row > figure")];
  ui.phone = { first: [sheets[0]], show: [sheets[1]], move: [time.el] };
  law.begin();
  ui.start(draw, words);
  return ui.close;
}

export default { render };
