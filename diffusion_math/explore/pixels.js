// Two pixels: where they are on the mean digit, their cloud over all digits, and their cell in the covariance matrix.
// The digits came from Python once, a byte a pixel; all the arithmetic is here.
import {
  blend,
  button,
  dial,
  explorable,
  grab,
  grey,
  h,
  inner,
  key,
  maths,
  memory,
  number,
  plane,
  random,
  readout,
} from "./common.js";

const SHADES = 64; // of each of the two colours of the matrix
const FULL = 0.5; // the covariance that has the full colour

// The mean of each pixel and the covariance of each pair, from n digits of d bytes, 0 and 255 standing for -1 and 1.
export function covariances(bytes, n, d) {
  const mean = new Float64Array(d);
  for (let k = 0; k < n; k++) for (let i = 0; i < d; i++) mean[i] += (bytes[k * d + i] / 127.5 - 1) / n;
  const columns = Array.from({ length: d }, (_, i) => {
    const column = new Float64Array(n);
    for (let k = 0; k < n; k++) column[k] = bytes[k * d + i] / 127.5 - 1 - mean[i];
    return column;
  });
  const still = columns.map((column) => column.every((v) => Math.abs(v) < 1e-12));
  const table = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    if (still[i]) continue; // a pixel that never changes: no covariance with anything
    for (let j = 0; j <= i; j++) {
      if (!still[j]) table[i * d + j] = table[j * d + i] = inner(columns[i], columns[j]) / n;
    }
  }
  return { mean, table };
}

function computation(model) {
  const [n, height, width] = model.get("_size");
  const view = model.get("_pixels");
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const d = height * width;
  const { mean, table } = covariances(bytes, n, d);
  const { uniform } = random(1);
  const jitter = Float64Array.from({ length: 2 * n }, () => 0.12 * (uniform() - 0.5));
  const now = { n, height, width, d, mean, table };
  now.update = ({ first, second }) => {
    now.covariance = table[first * d + second];
    const both = table[first * d + first] * table[second * d + second];
    now.correlation = both > 0 ? now.covariance / Math.sqrt(both) : NaN;
    now.cloud = Array.from({ length: n }, (_, k) =>
      [first, second].map((pixel, i) => bytes[k * d + pixel] / 127.5 - 1 + jitter[2 * k + i]),
    );
  };
  return now;
}

// A picture made of cells, drawn without smoothing into the axes of a plot.
function cells(width, height, paint) {
  const canvas = h("canvas", { width, height });
  const context = canvas.getContext("2d");
  const data = context.createImageData(width, height);
  paint(data.data);
  context.putImageData(data, 0, 0);
  return canvas;
}

// The mean digit, with a frame around each of the two pixels.
function digit(ui, now) {
  const view = plane(ui, "the mean digit with the two pixels marked", 46, 8);
  const mean = cells(now.width, now.height, (data) => {
    for (let i = 0; i < now.d; i++) data.set([grey(now.mean[i]), grey(now.mean[i]), grey(now.mean[i]), 255], 4 * i);
  });
  const split = (pixel) => [pixel % now.width, Math.floor(pixel / now.width)];
  grab(ui, view, {
    take(x, y) {
      const far = [ui.state.first, ui.state.second].map((p) => Math.hypot(split(p)[0] + 0.5 - x, split(p)[1] + 0.5 - y));
      return far[0] < far[1] ? "first" : "second"; // whichever is nearer comes along
    },
    move(which, x, y, event) {
      const fit = (v, most) => Math.min(most - 1, Math.max(0, Math.floor(v)));
      const pixel = fit(y, now.height) * now.width + fit(x, now.width);
      if (pixel !== ui.state[which]) ui.set({ [which]: pixel }, event);
    },
  });

  function draw({ first, second }, colours) {
    const marks = (most) => Array.from({ length: Math.ceil(most / 7) }, (_, i) => 7 * i);
    const frame = { x: [0, now.width], y: [now.height, 0], xTicks: marks(now.width), yTicks: marks(now.height), xLabel: "column", yLabel: "row" };
    view.area(frame, colours, (context, X, Y) => {
      context.imageSmoothingEnabled = false;
      context.drawImage(mean, X(0), Y(0), X(now.width) - X(0), Y(now.height) - Y(0));
      for (const [pixel, colour] of [
        [second, colours.accent],
        [first, colours.q],
      ]) {
        const [x, y] = split(pixel);
        context.lineWidth = 3;
        context.strokeStyle = colour;
        context.strokeRect(X(x) - 1, Y(y) - 1, X(1) - X(0) + 2, Y(1) - Y(0) + 2);
      }
    });
  }
  return { canvas: view.canvas, draw };
}

function cloud(ui, now) {
  const view = plane(ui, "the values of the two pixels over all digits", 46, 8);
  function draw(state, colours) {
    const ends = [-1, 0, 1];
    const frame = { x: [-1.15, 1.15], y: [-1.15, 1.15], xTicks: ends, yTicks: ends, xLabel: "first pixel", yLabel: "second pixel" };
    view.area(frame, colours, (context, X, Y) => {
      context.fillStyle = colours.data;
      context.globalAlpha = 0.6;
      for (const [x, y] of now.cloud) context.fillRect(X(x) - 1.5, Y(y) - 1.5, 3, 3);
      context.globalAlpha = 1;
    });
  }
  return { canvas: view.canvas, draw };
}

// The whole covariance matrix, with cross-hairs at the cell of the pair.
function matrix(ui, now) {
  const view = plane(ui, "the covariance matrix of all pixels, with the cell of the pair marked", 46, 8);
  const changed = memory();
  let whole;
  grab(ui, view, {
    take: () => 0,
    move(_, x, y, event) {
      const fit = (v) => Math.min(now.d - 1, Math.max(0, Math.floor(v)));
      ui.set({ first: fit(y), second: fit(x) }, event);
    },
  });

  function shades(colours) {
    const parts = (share) => blend(colours.paper, share < 0 ? colours.data : colours.q, Math.abs(share)).match(/\d+/g).map(Number);
    return Array.from({ length: 2 * SHADES + 1 }, (_, i) => parts(i / SHADES - 1));
  }

  function draw({ first, second }, colours) {
    if (!colours.ink) return; // not on a page yet
    if (changed("whole", colours.paper, colours.q)) {
      const list = shades(colours);
      whole = cells(now.d, now.d, (data) => {
        for (let i = 0; i < now.d * now.d; i++) {
          const share = Math.min(1, Math.max(-1, now.table[i] / FULL));
          const [r, g, b] = list[Math.round(SHADES * (share + 1))];
          data[4 * i] = r;
          data[4 * i + 1] = g;
          data[4 * i + 2] = b;
          data[4 * i + 3] = 255;
        }
      });
    }
    const marks = [0, 0.25, 0.5, 0.75].map((share) => Math.round((share * now.d) / now.width) * now.width);
    const frame = { x: [0, now.d], y: [now.d, 0], xTicks: marks, yTicks: marks, xLabel: "number of the second pixel", yLabel: "number of the first" };
    view.area(frame, colours, (context, X, Y) => {
      context.drawImage(whole, X(0), Y(0), X(now.d) - X(0), Y(now.d) - Y(0));
      const [x, y] = [X(second + 0.5), Y(first + 0.5)];
      context.strokeStyle = colours.ink;
      context.lineWidth = 1;
      context.strokeRect(X(0), y - 3, X(now.d) - X(0), 6);
      context.strokeRect(x - 3, Y(0), 6, Y(now.d) - Y(0));
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, { title: "Two pixels", traits: ["first", "second"] });
  const now = computation(model);
  const row = (pixel) => Math.floor(pixel / now.width);
  const column = (pixel) => pixel % now.width;
  const dials = ["first", "second"].flatMap((which) => [
    dial(ui, {
      name: `${which} pixel, row`,
      low: 0,
      high: now.height - 1,
      step: 1,
      change: (r, event) => ui.set({ [which]: r * now.width + column(ui.state[which]) }, event),
    }),
    dial(ui, {
      name: `${which} pixel, column`,
      low: 0,
      high: now.width - 1,
      step: 1,
      change: (c, event) => ui.set({ [which]: row(ui.state[which]) * now.width + c }, event),
    }),
  ]);
  const facts = readout(["covariance", "correlation", "variance of the first", "variance of the second"]);
  const views = [digit(ui, now), cloud(ui, now), matrix(ui, now)];
  const unrelated = "none: one of them never changes";

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, { covariance: now.covariance, correlation: now.correlation });
    const { first, second } = state;
    [row(first), column(first), row(second), column(second)].forEach((v, i) => dials[i].put(v));
    const variances = [first, second].map((pixel) => number(now.table[pixel * now.d + pixel]));
    const correlation = Number.isNaN(now.correlation) ? unrelated : number(now.correlation);
    facts.put([number(now.covariance), correlation, ...variances]);
    for (const view of views) view.draw(state, colours);
  }

  function words({ first, second }) {
    const place = (pixel) => `row ${row(pixel)}, column ${column(pixel)}`;
    const correlation = Number.isNaN(now.correlation) ? unrelated : number(now.correlation);
    const pair = `First pixel: ${place(first)}. Second pixel: ${place(second)}.`;
    return `${pair} Covariance ${number(now.covariance)}, correlation ${correlation}, over ${now.n} digits.`;
  }

  const keys = (...parts) => h("figcaption", { class: "dm-keys" }, ...parts);
  const third = (caption, { canvas }) => h("figure", { class: "dm-third" }, caption, canvas);
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      third(keys(key("first", "first"), key("second", "second: drag them")), views[0]),
      third(keys(key("dots", `${now.n} digits, with some jitter`)), views[1]),
      third(keys(key("positive", "covariance above 0"), key("negative", "below 0")), views[2]),
    ),
    facts.el,
    h("div", { class: "dm-grid" }, h("div", { class: "dm-controls" }, dials[0].el, dials[1].el), h("div", { class: "dm-controls" }, dials[2].el, dials[3].el)),
    h("div", { class: "dm-buttons" }, button(ui, "Reset", ui.reset)),
    h("p", { class: "dm-note" }, maths("A pixel in row {r} and column {c} has the number "), `${now.width}\u00a0\u00d7\u00a0`, maths("{r} + {c} in the matrix."), ` Covariances beyond \u00b1${FULL} share the full colour.`),
  );
  ui.start(draw, words);
  return ui.close;
}

export default { render };
