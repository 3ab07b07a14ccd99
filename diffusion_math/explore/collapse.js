// When a memory's shares decide: points of the plane, lines as thick as their shares of a noisy one, and how much such a
// noisy point says about which of them it was. All of it is exact: Bayes' rule, and sums over strips of noise.
import { button, curve, dial, dot, explorable, grab, h, key, keyOf, maths, memory, number, plane, plot, readout } from "./common.js";
import { scales } from "./laws.js";

const REACH = 2.5;
const EDGE = 2.7; // the picture shows a little more
const [LEAST, MOST] = [2, 12]; // points
const [LOW, HIGH, PARTS] = [-6, 8, 56];
const LEVELS = Array.from({ length: PARTS + 1 }, (_, i) => LOW + ((HIGH - LOW) * i) / PARTS);
const NODES = Array.from({ length: 16 }, (_, i) => -3.75 + i / 2); // strips of noise, of half its standard deviation
const HEAVY = NODES.map((z) => Math.exp(-z * z / 2));

// The shares of points in the noisy one at (x, y), which is shown where the dataset is, divided by a.
export function sharesOf(points, x, y, level) {
  const snr = Math.exp(level);
  const logs = points.map(([u, v]) => (-snr * ((x - u) ** 2 + (y - v) ** 2)) / 2);
  const top = Math.max(...logs);
  const each = logs.map((l) => Math.exp(l - top));
  const sum = each.reduce((total, w) => total + w, 0);
  return each.map((w) => w / sum);
}

export const entropy = (shares) => shares.reduce((sum, w) => (w > 0 ? sum - w * Math.log(w) : sum), 0);

// log n less the mean entropy of the shares, at each of LEVELS.
export function informationOf(points) {
  const total = HEAVY.reduce((sum, w) => sum + w, 0) ** 2 * points.length;
  return LEVELS.map((level) => {
    const wide = Math.exp(-level / 2); // of the noise, s / a
    let left = 0;
    for (const [u, v] of points)
      NODES.forEach((z, i) => NODES.forEach((r, j) => (left += HEAVY[i] * HEAVY[j] * entropy(sharesOf(points, u + wide * z, v + wide * r, level)))));
    return Math.log(points.length) - left / total;
  });
}

// The sum and the product of the two variances of a bell that has the points' covariance.
export function spread(points) {
  const mean = (f) => points.reduce((sum, p) => sum + f(p), 0) / points.length;
  const [mx, my] = [mean(([u]) => u), mean(([, v]) => v)];
  const [xx, yy, xy] = [mean(([u]) => (u - mx) ** 2), mean(([, v]) => (v - my) ** 2), mean(([u, v]) => (u - mx) * (v - my))];
  return { sum: xx + yy, product: Math.max(0, xx * yy - xy * xy) };
}

// What such a bell's noisy point says about its clean one: half the log of (1 + v snr) for each variance v.
export const ofBell = ({ sum, product }, level) => Math.log1p(sum * Math.exp(level) + product * Math.exp(2 * level)) / 2;

// Where that is log n: a quadratic equation in the snr. Infinity where all points are one.
export function collapseOf({ sum, product }, n) {
  const much = n * n - 1;
  return Math.log((2 * much) / (sum + Math.sqrt(sum * sum + 4 * product * much)));
}

function computation() {
  const changed = memory();
  const now = {};
  now.update = ({ points, x, y, level }) => {
    if (changed("points", points)) {
      now.information = informationOf(points);
      now.wide = spread(points);
      now.ceiling = LEVELS.map((v) => ofBell(now.wide, v));
      now.mark = collapseOf(now.wide, points.length);
    }
    now.share = sharesOf(points, x, y, level);
    now.undecided = Math.exp(entropy(now.share));
    now.guess = [0, 1].map((k) => points.reduce((sum, p, i) => sum + now.share[i] * p[k], 0));
  };
  return now;
}

// The points, the noisy one with its noise as a ring, a line to each as thick as its share, and the guess.
function field(ui, now) {
  const view = plane(ui, "points of the plane, a noisy one, and lines to each as thick as its share", 30, 8);
  const fit = (v) => Math.round(20 * Math.min(REACH, Math.max(-REACH, v))) / 20;
  grab(ui, view, {
    take(x, y) {
      const [[px, py], [nx, ny]] = [view.canvas.place(x, y), view.canvas.place(ui.state.x, ui.state.y)];
      return Math.hypot(px - nx, py - ny) <= 24 ? "the point" : "the plane";
    },
    move: (_, x, y, event) => ui.set({ x: fit(x), y: fit(y) }, event),
    firm: (held) => held === "the point", // elsewhere a swipe up or down is the page's
  });
  function draw({ points, x, y, level }, colours) {
    const marks = [-2, 0, 2];
    view.area({ x: [-EDGE, EDGE], y: [-EDGE, EDGE], xTicks: marks, yTicks: marks }, colours, (context, X, Y) => {
      ui.mark(context, "noise", () => {
        context.beginPath();
        context.arc(X(x), Y(y), X(Math.exp(-level / 2)) - X(0), 0, 2 * Math.PI);
        [context.strokeStyle, context.lineWidth] = [colours.noise, 1.5];
        context.stroke();
      });
      ui.mark(context, "shares", () =>
        points.forEach((p, i) => {
          if (now.share[i] > 0.002) curve(context, X, Y, [[x, y], p], { colour: colours.p, width: 14 * now.share[i] });
        }),
      );
      for (const [u, v] of points) dot(context, X(u), Y(v), { colour: colours.data, ring: colours.paper, radius: 6 });
      ui.mark(context, "guess", () => dot(context, X(now.guess[0]), Y(now.guess[1]), { colour: colours.p, ring: colours.paper, radius: 5 }));
      dot(context, X(x), Y(y), { colour: colours.ink, ring: colours.paper, radius: 7 });
    });
  }
  return { canvas: view.canvas, draw };
}

// What a noisy point says, over the noise level: of the points, and of a bell as wide; log n, and where the bell's is that.
function nats(ui, now) {
  const view = plot(ui, { alt: "nats that a noisy point says, over log SNR: of the points, and of a Gaussian as wide as they are", height: 400 });
  grab(ui, view, { take: () => 0, move: (_, x, y, event) => ui.set({ level: Math.round(4 * Math.min(HIGH, Math.max(LOW, x))) / 4 }, event) });
  function draw({ points, level }, colours) {
    const most = Math.log(points.length);
    const top = 1.25 * most;
    const frame = { x: [LOW, HIGH], y: [0, top], xTicks: [-6, -4, -2, 0, 2, 4, 6, 8], yTicks: [0, 1, 2, 3].filter((v) => v <= top), xLabel: "\u03bb, log SNR", yLabel: "nats" };
    view.area(frame, colours, (context, X, Y) => {
      const over = (values) => values.map((v, i) => [LEVELS[i], v]);
      curve(context, X, Y, [[level, 0], [level, top]], { colour: colours.rule, width: 2 });
      curve(context, X, Y, [[LOW, most], [HIGH, most]], { colour: colours.soft, width: 1, dash: [2, 3] });
      ui.mark(context, "bell", () => curve(context, X, Y, over(now.ceiling).filter(([, v]) => v < 2 * top), { colour: colours.q, width: 2 }));
      ui.mark(context, "said", () => curve(context, X, Y, over(now.information), { colour: colours.p, width: 2.5 }));
      if (Number.isFinite(now.mark)) curve(context, X, Y, [[now.mark, 0], [now.mark, top]], { colour: colours.ink, width: 1.5, dash: [5, 4] });
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "When the shares decide",
    task: "Raise \u03bb from the left: when does one line take all? Then drop more points, close together or far apart: where does the mark go?",
    answer: "Around the mark, where a Gaussian as wide as the points would say as much as it takes to name one of them, log {n}. More points push it to the right, and so do closer ones. Two points in one place never part, so the curve ends below log {n}.",
    traits: ["points", "x", "y", "level"],
  });
  const now = computation();
  const change = (name) => (value, event) => ui.set({ [name]: value }, event);
  const level = dial(ui, { symbol: "\u03bb", name: "log SNR", low: LOW, high: HIGH, step: 0.25, ends: [LOW, 0, HIGH], change: change("level") });
  const [across, up] = [["x", "noisy point, across"], ["y", "noisy point, up"]].map(([name, words]) =>
    dial(ui, { name: words, low: -REACH, high: REACH, step: 0.05, change: change(name) }),
  );
  const drop = button(ui, "Drop a point here", (event) => {
    const { points, x, y } = ui.state;
    if (points.length < MOST) ui.set({ points: [...points, [x, y]] }, event);
  });
  const away = button(ui, "Take the last away", (event) => {
    const { points } = ui.state;
    if (points.length > LEAST) ui.set({ points: points.slice(0, -1) }, event);
  });
  const facts = readout(["points still undecided here, e to the entropy", maths("log {n}, nats"), "the largest share here"]);
  const [places, said] = [field(ui, now), nats(ui, now)];

  function draw(state, colours) {
    now.update(state);
    const { share, information, ceiling, mark, undecided } = now;
    Object.assign(ui.root.explorable, { share, information, ceiling, mark });
    facts.put([undecided, Math.log(state.points.length), Math.max(...share)].map((v) => number(v)));
    level.put(state.level);
    across.put(state.x);
    up.put(state.y);
    places.draw(state, colours);
    said.draw(state, colours);
  }

  const words = ({ points, level: v }) =>
    `${points.length} points at log SNR ${number(v)}: ${number(now.undecided)} are undecided here, and the largest share is ${number(Math.max(...now.share))}. They decide around ${number(now.mark)}.`;

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  const figures = [
    h("figure", { class: "dm-half dm-top-aligned" }, keys(keyOf("shares", "p", "shares"), keyOf("guess", "particle", "the guess"), keyOf("noise", "noise", maths("{s}/{a}"))), places.canvas),
    h("figure", { class: "dm-half dm-top-aligned" }, keys(keyOf("said", "p", "the points"), keyOf("bell", "q", "a Gaussian as wide"), key("bell", maths("where that is log {n}"))), said.canvas),
  ];
  ui.root.append(
    h("div", { class: "dm-row" }, figures),
    h("div", { class: "dm-grid" }, h("div", { class: "dm-controls" }, level.el, facts.el), h("div", { class: "dm-controls" }, across.el, up.el)),
    h("div", { class: "dm-buttons" }, drop, away, button(ui, "Reset", ui.reset)),
  );
  ui.phone = { show: [figures[0]], move: [level.el] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
