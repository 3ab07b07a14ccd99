// A Gaussian in two dimensions: its mean, its two widths and its correlation to drag, or the ellipse itself.
// The noise of the samples came from Python once; all the arithmetic is here.
import {
  arrow,
  button,
  curve,
  dial,
  dot,
  explorable,
  floats,
  grab,
  h,
  keyOf,
  maths,
  memory,
  number,
  plane,
  ticksBetween,
} from "./common.js";

const EDGES = [5, 6, 8, 10, 12]; // how far the frame reaches from 0: no further than the widest ring needs
const RINGS = [1, 2, 3];
const LIMITS = { mu1: [-3, 3, 0.05], mu2: [-3, 3, 0.05], sigma1: [0.1, 3, 0.01], sigma2: [0.1, 3, 0.01], rho: [-0.99, 0.99, 0.01] };

export const covariance = ({ sigma1, sigma2, rho }) => [
  [sigma1 * sigma1, rho * sigma1 * sigma2],
  [rho * sigma1 * sigma2, sigma2 * sigma2],
];

// The eigenvalues of a symmetric table, the larger first, and their directions.
export function eigen([[a, b], [, d]]) {
  const large = (a + d) / 2 + Math.hypot((a - d) / 2, b);
  const angle = 0.5 * Math.atan2(2 * b, a - d);
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return {
    values: [large, (a * d - b * b) / large],
    vectors: [
      [c, s],
      [-s, c],
    ],
  };
}

// The L of (2.8) for a table: L L^T = Sigma, with zeros above the diagonal.
export function cholesky([[a, b], [, d]]) {
  const l = Math.sqrt(a);
  return [
    [l, 0],
    [b / l, Math.sqrt(d - (b * b) / a)],
  ];
}

// mu + L eps for each pair of eps.
export function draws(eps, mean, [[a], [b, c]]) {
  return Array.from({ length: eps.length / 2 }, (_, i) => [
    mean[0] + a * eps[2 * i],
    mean[1] + b * eps[2 * i] + c * eps[2 * i + 1],
  ]);
}

// log N(x; mu, Sigma).
export function logDensity(x, mean, [[a, b], [, d]]) {
  const det = a * d - b * b;
  const [u, v] = [x[0] - mean[0], x[1] - mean[1]];
  return -0.5 * ((d * u * u - 2 * b * u * v + a * v * v) / det + Math.log(4 * Math.PI * Math.PI * det));
}

// The widths and the correlation of an ellipse with an arm (x, y) of that length and an arm of width `other` across it.
export function fromArm(x, y, other) {
  const long = Math.hypot(x, y);
  const [c, s] = [x / long, y / long];
  const [u, v] = [long * long, other * other];
  const parts = [u * c * c + v * s * s, (u - v) * c * s, u * s * s + v * c * c];
  const [sigma1, sigma2] = [Math.sqrt(parts[0]), Math.sqrt(parts[2])];
  return { sigma1, sigma2, rho: parts[1] / (sigma1 * sigma2) };
}

// The smallest frame that holds the whole of the widest ring, which reaches 3 sigma to each side of the mean.
export function edgeOf({ mu1, mu2, sigma1, sigma2 }) {
  const most = Math.max(...RINGS);
  const reach = Math.max(Math.abs(mu1) + most * sigma1, Math.abs(mu2) + most * sigma2);
  return EDGES.find((edge) => reach <= edge);
}

function rounded(values) {
  const fit = ([name, value]) => {
    const [low, high, step] = LIMITS[name];
    return [name, Number((Math.round(Math.min(high, Math.max(low, value)) / step) * step).toFixed(2))];
  };
  return Object.fromEntries(Object.entries(values).map(fit));
}

function computation(model) {
  const eps = floats(model.get("_eps"));
  const changed = memory();
  const now = {};
  now.update = ({ mu1, mu2, sigma1, sigma2, rho }) => {
    if (!changed("law", mu1, mu2, sigma1, sigma2, rho)) return;
    now.mean = [mu1, mu2];
    now.cov = covariance({ sigma1, sigma2, rho });
    now.eigen = eigen(now.cov);
    now.samples = draws(eps, now.mean, cholesky(now.cov));
    now.arms = now.eigen.values.map((value, k) => now.eigen.vectors[k].map((v) => v * Math.sqrt(value)));
    const squares = now.samples.map((x) => -2 * (logDensity(x, now.mean, now.cov) - logDensity(now.mean, now.mean, now.cov)));
    now.inside = [1, 2, 3].map((r) => squares.filter((square) => square < r * r).length / squares.length);
  };
  return now;
}

function planePlot(ui, now) {
  const view = plane(ui, "samples in the plane with three ellipses around them, and arrows along the two axes of the ellipses");
  const ends = () => [now.mean, ...now.arms.map((arm) => arm.map((v, i) => v + now.mean[i]))];
  let [edge, held] = [EDGES[0], false]; // the frame stands still while something is dragged in it
  grab(ui, view, {
    take(x, y) {
      const [px, py] = view.canvas.place(x, y);
      const far = ends().map((end) => Math.hypot(...view.canvas.place(...end).map((v, i) => v - [px, py][i])));
      const order = [1, 2, 0].sort((a, b) => far[a] - far[b]); // an arm's tip before the middle that it may touch
      if (far[order[0]] > 24) return null;
      held = true;
      return { arm: order[0] - 1, other: Math.sqrt(now.eigen.values[order[0] === 1 ? 1 : 0]) };
    },
    move({ arm, other }, x, y, event) {
      if (arm < 0) ui.set(rounded({ mu1: x, mu2: y }), event);
      else if (x !== now.mean[0] || y !== now.mean[1]) {
        ui.set(rounded(fromArm(x - now.mean[0], y - now.mean[1], other)), event);
      }
    },
    firm: () => true,
    drop() {
      held = false;
      ui.redraw();
    },
  });

  function draw(state, colours) {
    if (!held) edge = edgeOf(state);
    const marks = ticksBetween(-edge, edge, 6);
    const frame = { x: [-edge, edge], y: [-edge, edge], xTicks: marks, yTicks: marks, xLabel: "first number", yLabel: "second number" };
    view.area(frame, colours, (context, X, Y) => {
      context.fillStyle = colours.data;
      context.globalAlpha = 0.55;
      ui.mark(context, "samples", () => {
        for (const [x, y] of now.samples) context.fillRect(X(x) - 1.25, Y(y) - 1.25, 2.5, 2.5);
      });
      context.globalAlpha = 1;
      const turn = Array.from({ length: 97 }, (_, i) => [Math.cos((i * Math.PI) / 48), Math.sin((i * Math.PI) / 48)]);
      ui.mark(context, "rings", () => {
        for (const r of RINGS) {
          const ring = turn.map(([c, s]) => now.mean.map((m, i) => m + r * (c * now.arms[0][i] + s * now.arms[1][i])));
          curve(context, X, Y, ring, { colour: colours.ink, width: r === 1 ? 2 : 1 });
        }
      });
      ui.mark(context, "axes", () => {
        for (const end of ends().slice(1)) {
          arrow(context, X(now.mean[0]), Y(now.mean[1]), X(end[0]), Y(end[1]), { colour: colours.q, width: 2.5, head: 9 });
        }
      });
      ui.mark(context, "middle", () => dot(context, X(now.mean[0]), Y(now.mean[1]), { colour: colours.q, ring: colours.paper, radius: 6 }));
    });
  }
  return { canvas: view.canvas, draw };
}

// A table of numbers with its name: put([[...], ...]).
function numbers(name, head) {
  const cells = [];
  const row = (title) => {
    const places = [h("td"), h("td")];
    cells.push(places);
    return h("tr", {}, h("th", { scope: "row" }, title), places);
  };
  const columns = head.columns.map((title) => h("th", { scope: "col" }, title));
  const el = h(
    "table",
    { class: "dm-table" },
    h("caption", {}, name),
    h("thead", {}, h("tr", {}, h("td"), columns)),
    h("tbody", {}, head.rows.map(row)),
  );
  const put = (values) => cells.forEach((places, i) => places.forEach((cell, j) => (cell.textContent = values[i][j])));
  return { el, put };
}

function render({ model, el }) {
  const traits = Object.keys(LIMITS);
  const ui = explorable(model, el, {
    title: "Gaussian",
    task: "Say first: does the cloud get wider or narrower along the first number when you turn {\u03c1} up to 0.99? Then turn it.",
    answer: "Neither. Along the first number its width is {σ₁}, whatever {ρ} is. What grows is how much the first number tells about the second, until at 0.99 the ellipse is almost a line.",
    traits,
    marks: { "μ": "middle", "μ₁": "middle", "μ₂": "middle", "Σ": "rings", ellipse: "rings", arrows: "axes", arrow: "axes", eigenvectors: "axes" },
  });
  const now = computation(model);
  const names = {
    mu1: ["\u03bc\u2081", "mean, first number"],
    mu2: ["\u03bc\u2082", "mean, second number"],
    sigma1: ["\u03c3\u2081", "width, first number"],
    sigma2: ["\u03c3\u2082", "width, second number"],
    rho: ["\u03c1", "correlation"],
  };
  const dials = traits.map((name) => {
    const [low, high, step] = LIMITS[name];
    const [symbol, title] = names[name];
    return dial(ui, { symbol, name: title, low, high, step, change: (value, event) => ui.set({ [name]: value }, event) });
  });
  const plane = planePlot(ui, now);
  const matrix = numbers(maths("covariance matrix {\u03a3}"), { columns: ["first", "second"], rows: ["first", "second"] });
  const axes = numbers("along its axes", { columns: ["variance", "direction"], rows: ["longest", "shortest"] });

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, { cov: now.cov, eigen: now.eigen, samples: now.samples });
    dials.forEach((one, i) => one.put(state[traits[i]]));
    plane.draw(state, colours);
    matrix.put(now.cov.map((row) => row.map((v) => number(v))));
    const { values, vectors } = now.eigen;
    axes.put(values.map((value, k) => [number(value), `(${vectors[k].map((v) => number(v, 2)).join(", ")})`]));
    inside.textContent = now.inside.map((share) => `${Math.round(100 * share)} %`).join(", ");
  }

  function words({ mu1, mu2, sigma1, sigma2, rho }) {
    const law = `Mean ${number(mu1)} and ${number(mu2)}, widths ${number(sigma1)} and ${number(sigma2)}`;
    const [large, small] = now.eigen.values.map((v) => number(v));
    return `${law}, correlation ${number(rho)}, covariance ${number(now.cov[0][1])}. Variances along the axes: ${large} and ${small}.`;
  }

  const inside = h("b");
  const keys = h(
    "figcaption",
    { class: "dm-keys" },
    keyOf("samples", "dots", `${model.get("_eps").byteLength / 8} samples`),
    keyOf("rings", "ring", "1, 2 and 3 widths out"),
    keyOf("axes", "q", "the axes: drag a tip or the middle"),
  );
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      h("figure", { class: "dm-half dm-top-aligned" }, keys, plane.canvas),
      h(
        "div",
        { class: "dm-controls" },
        h("div", { class: "dm-pairs" }, dials.map((one) => one.el)),
        h("div", { class: "dm-tables" }, matrix.el, axes.el),
        h("p", { class: "dm-note" }, "Samples inside the three rings: ", inside, ". For many samples: 39 %, 86 %, 99 %."),
        h("div", { class: "dm-buttons" }, button(ui, "Reset", ui.reset)),
      ),
    ),
  );
  ui.phone = { move: ["\u03c1"] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
