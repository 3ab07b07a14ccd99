// Squeeze and density: a piece of the line that the flow carries from noise to data. The flow is exact, by ranks; the
// divergence is what x leaves open of x_0; its sum along the way is set beside the log of the density itself.
import { button, curve, dial, dot, explorable, grab, h, heat, keyOf, maths, memory, number, plot, readout, ticks, ticksBetween } from "./common.js";
import { bellsUnder, byRank, clean, densityGrid, logMixture, logSigmoid, massBeside, noisedMixture, scales, sentMixture } from "./laws.js";

const EDGE = 4; // the pictures show x from -4 to 4
const [FROM, TO, STRETCHES, ROWS] = [-8, 8, 160, 160]; // log SNR, its stretches; rows of the heat map
const [FARTHEST, LIMITS] = [3, [0.02, 1]]; // of the starts; of the piece's length
const FINE = Array.from({ length: 2 * STRETCHES + 1 }, (_, i) => FROM + ((TO - FROM) * i) / (2 * STRETCHES));
const LEVELS = FINE.filter((_, i) => i % 2 === 0);
const index = (level) => Math.round(((level - FROM) * STRETCHES) / (TO - FROM));

// How fast the flow pulls neighbours apart at x: the slope of its velocity, from the variance that x leaves of x_0.
export function pull(mixture, level) {
  const [[a, s], out] = [scales(level), { q: 0, mean: 0, variance: 0 }];
  const ask = clean(bellsUnder(mixture, a, s * s));
  return (x) => ((a * a) / 2) * (ask(x, out).variance / (s * s) - 1);
}

// The sum of what stands at the fine levels up to each level, by Simpson's rule.
export function summed(rates) {
  let sum = 0;
  return LEVELS.map((_, i) => (i ? (sum += ((TO - FROM) / STRETCHES / 6) * (rates[2 * i - 2] + 4 * rates[2 * i - 1] + rates[2 * i])) : 0));
}

function computation(model) {
  const mixture = sentMixture(model);
  const laws = FINE.map((level) => noisedMixture(mixture, logSigmoid(level)));
  const pulls = FINE.map((level) => pull(mixture, level));
  const changed = memory();
  const carried = (x, along) => {
    let near = x;
    return along.map((law) => (near = byRank(laws[0], law, x, near)));
  };
  const now = { laws: laws.filter((_, i) => i % 2 === 0) };
  now.update = ({ start, width, log_snr: level }) => {
    if (changed("path", start)) {
      const fine = carried(start, laws);
      now.rates = fine.map((x, i) => pulls[i](x));
      now.path = fine.filter((_, i) => i % 2 === 0);
      now.summed = summed(now.rates);
      now.logs = now.path.map((x, i) => logMixture(now.laws[i], x));
    }
    if (changed("piece", start, width)) {
      now.sides = [-1, 1].map((side) => carried(start + (side * width) / 2, now.laws));
      now.lengths = now.sides[0].map((low, i) => now.sides[1][i] - low);
      now.mass = massBeside(now.laws[0], start + width / 2, -1) - massBeside(now.laws[0], start - width / 2, -1);
    }
    now.at = index(level);
  };
  return now;
}

// The density at every level, the piece on its way, and how far it has come.
function flowView(ui, now, move) {
  const view = plot(ui, { alt: "a piece of the line on its way from noise at the left to data at the right, over the density at each level", height: 210, left: 34 });
  const [hot, changed] = [heat(LEVELS.length, ROWS), memory()];
  let filled = 0;
  grab(ui, view, {
    take(x, y) {
      const [[px, py], [sx, sy]] = [view.canvas.place(x, y), view.canvas.place(FROM, ui.state.start)];
      return Math.hypot(px - sx, py - sy) <= 24 ? "start" : "level";
    },
    move: (held, x, y, event) => move(held, held === "start" ? y : x, event),
    firm: (held) => held === "start",
  });

  function draw({ start }, colours) {
    if (!colours.ink) return; // not on a page yet
    if (changed("heat", colours.q, colours.paper)) {
      hot.fill(densityGrid(now.laws, EDGE, ROWS), [colours.paper, colours.q]);
      filled++;
    }
    const frame = { x: [FROM, TO], y: [-EDGE, EDGE], xTicks: [-8, -4, 0, 4, 8], yTicks: [-4, -2, 0, 2, 4], xLabel: "\u03bb, log SNR (left: noise, right: data)" };
    const still = { needs: [filled], paint: (context, X, Y) => hot.draw(context, X(FROM), Y(EDGE), X(TO) - X(FROM), Y(-EDGE) - Y(EDGE)) };
    const paint = (context, X, Y) => {
      const [low, high] = now.sides.map((side) => side.map((x, i) => [LEVELS[i], x]));
      ui.mark(context, "piece", () => fill(context, X, Y, [...low.slice(0, now.at + 1), ...high.slice(0, now.at + 1).reverse()], colours.p, 0.45));
      for (const side of [low, high]) curve(context, X, Y, side, { colour: colours.p, width: 1 });
      ui.mark(context, "way", () => curve(context, X, Y, now.path.map((x, i) => [LEVELS[i], x]), { colour: colours.p, width: 2 }));
      curve(context, X, Y, [[LEVELS[now.at], -EDGE], [LEVELS[now.at], EDGE]], { colour: colours.ink, width: 1.5, dash: [5, 4] });
      dot(context, X(LEVELS[now.at]), Y(now.path[now.at]), { colour: colours.p, ring: colours.paper, radius: 5 });
      ui.mark(context, "start", () => dot(context, X(FROM), Y(start), { colour: colours.p, ring: colours.paper, radius: 7 }));
    };
    view.area(frame, colours, paint, still);
  }
  return { canvas: view.canvas, draw };
}

function fill(context, X, Y, points, colour, alpha) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(X(x), Y(y));
  context.save();
  context.globalAlpha = alpha;
  context.fillStyle = colour;
  context.fill();
  context.restore();
}

// The density at the level, with the piece under it: as much area as at the start, on another length.
function densityView(ui, now) {
  const view = plot(ui, { alt: "the density at this log SNR, the piece filled, beside the density of the noise", height: 210, left: 34 });
  const xs = Array.from({ length: 401 }, (_, i) => EDGE * (i / 200 - 1));
  const line = (law, places = xs) => places.map((x) => [x, Math.exp(logMixture(law, x))]);
  const begin = line(now.laws[0]);
  const changed = memory();
  let [here, top] = [[], 1];

  function draw(state, colours) {
    const law = now.laws[now.at];
    if (changed("law", now.at)) {
      here = line(law);
      top = 1.1 * Math.max(0.5, ...here.map(([, v]) => v));
    }
    const [low, high] = now.sides.map((side) => side[now.at]);
    const within = line(law, Array.from({ length: 101 }, (_, i) => low + ((high - low) * i) / 100));
    const frame = { x: [-EDGE, EDGE], y: [0, top], xTicks: [-4, -2, 0, 2, 4], yTicks: ticks(top, 3), xLabel: "value of x" };
    view.area(frame, colours, (context, X, Y) => {
      ui.mark(context, "noise", () => curve(context, X, Y, begin, { colour: colours.noise, width: 1.5 }));
      ui.mark(context, "piece", () => fill(context, X, Y, [[low, 0], ...within, [high, 0]], colours.p, 0.6));
      ui.mark(context, "density", () => curve(context, X, Y, here, { colour: colours.q, width: 2.5 }));
      dot(context, X(now.path[now.at]), Y(Math.exp(now.logs[now.at])), { colour: colours.p, ring: colours.paper, radius: 5 });
    });
  }
  return { canvas: view.canvas, draw };
}

// The divergence along the way, what is summed so far in the colour of its side.
function rateView(ui, now, move) {
  const view = plot(ui, { alt: "the divergence along the way of the middle, and the area that is summed so far", height: 150, left: 40 });
  grab(ui, view, { take: () => "level", move: (held, x, y, event) => move(held, x, event) });
  function draw(state, colours) {
    const [low, high] = [Math.min(-0.5, ...now.rates), Math.max(0.5, ...now.rates)].map((v) => 1.1 * v);
    const frame = { x: [FROM, TO], y: [low, high], xTicks: [-8, -4, 0, 4, 8], yTicks: ticksBetween(low, high), xLabel: "\u03bb, log SNR", yLabel: "divergence" };
    view.area(frame, colours, (context, X, Y) => {
      const sofar = now.rates.slice(0, 2 * now.at + 1).map((v, i) => [FINE[i], v]);
      for (const [keep, colour] of [[(v) => Math.max(0, v), colours.q], [(v) => Math.min(0, v), colours.data]]) {
        const side = [[FROM, 0], ...sofar.map(([at, v]) => [at, keep(v)]), [FINE[2 * now.at], 0]];
        ui.mark(context, "sum", () => fill(context, X, Y, side, colour, 0.35));
      }
      ui.mark(context, "rate", () => curve(context, X, Y, now.rates.map((v, i) => [FINE[i], v]), { colour: colours.ink, width: 2 }));
      curve(context, X, Y, [[LEVELS[now.at], low], [LEVELS[now.at], high]], { colour: colours.ink, width: 1.5, dash: [5, 4] });
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Squeeze and density",
    task: "Carry the piece from noise to data. Where is it stretched, where squeezed, and what becomes of the density? Then find a start whose piece ends longer than it began.",
    answer: "A stretch lowers the density by as much as it makes the piece longer, and a squeeze raises it, since the probability in the piece stays what it was. A start near −0.5 leads between the two modes: there neighbours part, some to the one and some to the other, so the density at the end is low. On the way to a mode the divergence is negative, and the density rises.",
    traits: ["start", "width", "log_snr"],
    marks: { start: "start", piece: "piece", way: "way", density: "density", divergence: "rate", sum: "sum" },
  });
  const now = computation(model);
  const held = (value, low, high, step) => Number((Math.round(Math.min(high, Math.max(low, value)) / step) * step).toFixed(2));
  const move = (name, value, event) =>
    ui.set(name === "start" ? { start: held(value, -FARTHEST, FARTHEST, 0.02) } : { log_snr: held(value, FROM, TO, 0.1) }, event);
  const level = dial(ui, { symbol: "\u03bb", name: "how far the flow has come", low: FROM, high: TO, step: 0.1, ends: [FROM, 0, TO], change: (v, event) => move("level", v, event) });
  const place = dial(ui, { name: "where the piece starts", low: -FARTHEST, high: FARTHEST, step: 0.02, change: (v, event) => move("start", v, event) });
  const width = dial(ui, { name: "its length in the noise", low: LIMITS[0], high: LIMITS[1], step: 0.02, change: (v, event) => ui.set({ width: v }, event) });
  const facts = readout(["length of the piece", "probability in it", "log-density in the noise", "minus the summed divergence", "together", maths("log {q}({x}_\u03bb_), from the density")]);
  const [flow, density, rate] = [flowView(ui, now, move), densityView(ui, now), rateView(ui, now, move)];

  function draw(state, colours) {
    now.update(state);
    const { at, path, lengths, summed: sums, logs, mass } = now;
    Object.assign(ui.root.explorable, { path, lengths, summed: sums, logs, mass, at });
    level.put(state.log_snr);
    place.put(state.start);
    width.put(state.width);
    facts.put([number(lengths[at]), `${(100 * mass).toFixed(1)} %`, ...[logs[0], -sums[at], logs[0] - sums[at], logs[at]].map((v) => number(v, 4))]);
    for (const view of [flow, density, rate]) view.draw(state, colours);
  }

  const words = ({ start, log_snr: level }) =>
    `The piece around ${number(start)} was ${number(now.lengths[0])} long in the noise and is ${number(now.lengths[now.at])} long at log SNR ${number(level)}. The log-density went from ${number(now.logs[0])} to ${number(now.logs[now.at])}; the divergence summed to ${number(now.summed[now.at])}.`;

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  const figures = [
    h("figure", { class: "dm-half" }, keys(keyOf("way", "p", "the piece and its middle: drag the start")), flow.canvas),
    h("figure", { class: "dm-half" }, keys(keyOf("density", "q", "density here"), keyOf("noise", "noise", "in the noise"), keyOf("piece", "p", "the piece")), density.canvas),
  ];
  ui.root.append(
    h("div", { class: "dm-row" }, figures),
    h("figure", { class: "dm-wide" }, keys(keyOf("rate", "mark", "divergence"), keyOf("sum", "positive", "stretched so far"), keyOf("sum", "negative", "squeezed so far")), rate.canvas),
    h("div", { class: "dm-grid" }, h("div", { class: "dm-controls" }, level.el, place.el), h("div", { class: "dm-controls" }, width.el, facts.el)),
    h("div", { class: "dm-buttons" }, button(ui, "Reset", ui.reset)),
  );
  ui.phone = { show: figures, move: [level.el] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
