// Two pixels: where they are on the mean digit, their cloud over all digits, and their cell in the covariance matrix.
// The digits came from Python once, a byte a pixel; all the arithmetic is here.
import {
  blend,
  button,
  curve,
  dial,
  dot,
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
  readout,
} from "./common.js";
import { random } from "./laws.js";

const SHADES = 64; // of each of the two colours of the matrix
const DOTS = 200; // the matrix's picture has at most so many rows and columns
const [REACH, RADIUS, WAYS] = [22, 9, 40]; // from a handle's middle to its pixel's, and to its own rim, in screen pixels
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

// The table in blocks of k x k cells, each as its cell with the largest size: what a smaller picture can show without
// stripes of its own, and without paling.
export function strongest(table, d, k) {
  const side = Math.ceil(d / k);
  const out = new Float64Array(side * side);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      const at = Math.floor(i / k) * side + Math.floor(j / k);
      if (Math.abs(table[i * d + j]) > Math.abs(out[at])) out[at] = table[i * d + j];
    }
  }
  return { side, values: out };
}

// Where the handles of two pixels stand, whose middles are given, in a box [left, top, right, bottom]: beside them, inside
// the box, and as far as can be from each other and from each other's pixel.
export function handles(first, second, [left, top, right, bottom]) {
  const inside = ([x, y]) => x >= left + RADIUS && x <= right - RADIUS && y >= top + RADIUS && y <= bottom - RADIUS;
  const around = ([x, y]) =>
    Array.from({ length: WAYS }, (_, i) => (2 * Math.PI * i) / WAYS)
      .map((angle) => [x - REACH * Math.cos(angle), y - REACH * Math.sin(angle)])
      .filter(inside);
  const far = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
  let [best, most] = [[first, second], -1];
  for (const a of around(first)) {
    for (const b of around(second)) {
      const room = Math.min(far(a, b), far(a, second), far(b, first), 2 * REACH + 4); // more is no better
      const score = room + 0.001 * far(a, b);
      if (score > most) [best, most] = [[a, b], score];
    }
  }
  return best;
}

function computation(model) {
  const [n, height, width] = model.get("_size");
  const view = model.get("_pixels");
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const d = height * width;
  const { mean, table } = covariances(bytes, n, d);
  const { uniform } = random(1);
  const jitter = Float64Array.from({ length: 2 * n }, () => 0.12 * (uniform() - 0.5));
  const block = Math.ceil(d / DOTS);
  const now = { n, height, width, d, mean, table, strongest: { block, ...strongest(table, d, block) } };
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

// A number on a disc: a handle, or the name of a line.
function numbered(context, [x, y], text, colours, radius = RADIUS) {
  dot(context, x, y, { colour: colours.ink, ring: colours.paper, radius });
  context.fillStyle = colours.paper;
  context.font = `bold ${radius + 3}px ${colours.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, x, y + 0.5);
}

// The mean digit, with a frame around each of the two pixels and a handle beside it.
function digit(ui, now) {
  const view = plane(ui, "the mean digit with the two pixels marked", 46, 8);
  const mean = cells(now.width, now.height, (data) => {
    for (let i = 0; i < now.d; i++) data.set([grey(now.mean[i]), grey(now.mean[i]), grey(now.mean[i]), 255], 4 * i);
  });
  const split = (pixel) => [pixel % now.width, Math.floor(pixel / now.width)];
  const middle = (pixel) => split(pixel).map((v) => v + 0.5);
  const placed = () => {
    const corner = view.canvas.place(0, 0);
    const across = view.canvas.place(now.width, now.height);
    const pixels = [ui.state.first, ui.state.second].map((pixel) => view.canvas.place(...middle(pixel)));
    return { pixels, knobs: handles(...pixels, [...corner, ...across]) };
  };
  grab(ui, view, {
    // A handle is moved together with its pixel; elsewhere, whichever pixel is nearer comes to the pointer.
    take(x, y) {
      const here = view.canvas.place(x, y);
      const far = (points) => points.map((p) => Math.hypot(p[0] - here[0], p[1] - here[1]));
      const { pixels, knobs } = placed();
      const [onKnob, onPixel] = [far(knobs), far(pixels)];
      const which = (distances) => (distances[0] < distances[1] ? "first" : "second");
      if (Math.min(...onKnob) > RADIUS + 3) return { which: which(onPixel), off: [0, 0], firm: Math.min(...onPixel) <= 12 };
      const name = which(onKnob);
      const own = middle(ui.state[name]);
      return { which: name, off: [own[0] - x, own[1] - y], firm: true };
    },
    move({ which, off }, x, y, event) {
      const fit = (v, most) => Math.min(most - 1, Math.max(0, Math.floor(v)));
      const pixel = fit(y + off[1], now.height) * now.width + fit(x + off[0], now.width);
      if (pixel !== ui.state[which]) ui.set({ [which]: pixel }, event);
    },
    firm: (held) => held.firm,
  });
  view.canvas.handles = () => placed().knobs; // for tests

  function draw({ first, second }, colours) {
    const marks = (most) => Array.from({ length: Math.ceil(most / 7) }, (_, i) => 7 * i);
    const frame = { x: [0, now.width], y: [now.height, 0], xTicks: marks(now.width), yTicks: marks(now.height), xLabel: "column", yLabel: "row" };
    view.area(frame, colours, (context, X, Y) => {
      context.imageSmoothingEnabled = false;
      context.drawImage(mean, X(0), Y(0), X(now.width) - X(0), Y(now.height) - Y(0));
      const { pixels, knobs } = placed();
      for (const [i, pixel] of [second, first].entries()) {
        const [which, [x, y]] = [1 - i, split(pixel)];
        for (const [colour, width] of [[colours.paper, 4], [colours.ink, 2]]) {
          curve(context, Number, Number, [pixels[which], knobs[which]], { colour, width });
          context.strokeStyle = colour;
          context.lineWidth = width;
          context.strokeRect(X(x), Y(y), X(1) - X(0), Y(1) - Y(0));
        }
        numbered(context, knobs[which], String(which + 1), colours);
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
    take(x, y) {
      const [from, to] = [[x, y], [ui.state.second + 0.5, ui.state.first + 0.5]].map((p) => view.canvas.place(...p));
      return Math.hypot(from[0] - to[0], from[1] - to[1]) <= 16 ? "the crossing" : "the table";
    },
    move(_, x, y, event) {
      const fit = (v) => Math.min(now.d - 1, Math.max(0, Math.floor(v)));
      ui.set({ first: fit(y), second: fit(x) }, event);
    },
    firm: (held) => held === "the crossing",
  });

  function shades(colours) {
    const parts = (share) => blend(colours.paper, share < 0 ? colours.data : colours.q, Math.abs(share)).match(/\d+/g).map(Number);
    return Array.from({ length: 2 * SHADES + 1 }, (_, i) => parts(i / SHADES - 1));
  }

  function draw({ first, second }, colours) {
    if (!colours.ink) return; // not on a page yet
    if (changed("whole", colours.paper, colours.q)) {
      const list = shades(colours);
      const { side, values } = now.strongest;
      whole = cells(side, side, (data) => {
        for (let i = 0; i < side * side; i++) {
          const share = Math.min(1, Math.max(-1, values[i] / FULL));
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
      const { side, block } = now.strongest; // the last block may reach beyond the table
      context.drawImage(whole, X(0), Y(0), X(side * block) - X(0), Y(side * block) - Y(0));
      const [x, y] = [X(second + 0.5), Y(first + 0.5)];
      context.strokeStyle = colours.ink;
      context.lineWidth = 1;
      context.strokeRect(X(0), y - 3, X(now.d) - X(0), 6);
      context.strokeRect(x - 3, Y(0), 6, Y(now.d) - Y(0));
      numbered(context, [X(now.d) - 8, y], "1", colours, 7);
      numbered(context, [x, Y(now.d) - 8], "2", colours, 7);
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Two pixels",
    task: "Find two pixels with a correlation above 0.8, and two of which one is bright where the other is dark.",
    answer: "Above 0.8 are neighbours (at the rim, where hardly anything varies, a single digit decides), most of all one above the other on a steep stroke. Pairs that exclude each other lie a stroke apart, since a line that passes through one of them misses the other; no pair goes much below −0.5.",
    traits: ["first", "second"],
  });
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
  const { block: size } = now.strongest;
  const block = size > 1 ? `Each dot of the matrix shows the strongest of ${size} \u00d7 ${size} covariances. ` : "";
  const third = (caption, { canvas }) => h("figure", { class: "dm-third" }, caption, canvas);
  ui.root.classList.add("dm-plain");
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      third(keys(key("numbered", "the two pixels, 1 and 2: drag them")), views[0]),
      third(keys(key("dots", `${now.n} digits, with some jitter`)), views[1]),
      third(keys(key("positive", "covariance above 0"), key("negative", "below 0")), views[2]),
    ),
    facts.el,
    h("div", { class: "dm-grid" }, h("div", { class: "dm-controls" }, dials[0].el, dials[1].el), h("div", { class: "dm-controls" }, dials[2].el, dials[3].el)),
    h("div", { class: "dm-buttons" }, button(ui, "Reset", ui.reset)),
    h("p", { class: "dm-note" }, block, maths("A pixel in row {r} and column {c} has the number "), `${now.width}\u00a0\u00d7\u00a0`, maths("{r} + {c} in the matrix."), ` Covariances beyond \u00b1${FULL} share the full colour.`),
  );
  ui.phone = { show: [...ui.root.querySelectorAll(".dm-row > figure")].slice(0, 2), move: [dials[0].el, dials[1].el] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
