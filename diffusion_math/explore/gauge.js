// The magic API as a gauge: a digit to draw on, and the needle of log q(x_0) over the histogram of held-out digits'.
// The mixture, the digits and the held-out numbers came from Python once; all the arithmetic is here.
import {
  button,
  choice,
  curve,
  dial,
  explorable,
  floats,
  h,
  hash,
  inner,
  key,
  maths,
  memory,
  number,
  pick,
  picture,
  plot,
  ticks,
  ticksBetween,
} from "./common.js";
import { logSumExp, random } from "./laws.js";
import { pad } from "./pad.js";

const BINS = 70;

// The columns of U made orthonormal one after the other: directions (r) of length d, from bytes.
export function directions(bytes, d, r) {
  const columns = [];
  for (let j = 0; j < r; j++) {
    const column = Float64Array.from(bytes.subarray(j * d, (j + 1) * d));
    for (let twice = 0; twice < 2; twice++) {
      for (const other of columns) {
        const along = inner(column, other);
        for (let i = 0; i < d; i++) column[i] -= along * other[i];
      }
    }
    const length = Math.sqrt(inner(column, column));
    columns.push(column.map((v) => v / length));
  }
  return columns;
}

// log q(x) of a mixture whose bells have a variance of their own along a few directions, and one floor for the others.
export function logGauge(bells, x) {
  const d = x.length;
  const off = new Float64Array(d);
  const logs = bells.map(({ logWeight, mean, columns, variances, floor, constant }) => {
    for (let i = 0; i < d; i++) off[i] = x[i] - mean[i];
    let rest = inner(off, off);
    let sum = 0;
    columns.forEach((column, j) => {
      const z = inner(column, off);
      rest -= z * z;
      sum += (z * z) / variances[j];
    });
    return logWeight - 0.5 * (sum + Math.max(0, rest) / floor + constant);
  });
  return logSumExp(logs);
}

export function bellsOf({ logWeights, means, bytes, variances, floors, d, r }) {
  const log2pi = (v) => Math.log(2 * Math.PI * v);
  return Array.from(logWeights, (logWeight, k) => {
    const own = variances.subarray(k * r, (k + 1) * r);
    return {
      logWeight,
      mean: means.subarray(k * d, (k + 1) * d),
      columns: directions(bytes.subarray(k * d * r, (k + 1) * d * r), d, r),
      variances: own,
      floor: floors[k],
      constant: own.reduce((sum, v) => sum + log2pi(v), 0) + (d - r) * log2pi(floors[k]),
    };
  });
}

// ------------------------------------------------------------------------------------------------ what can be drawn

// Each pixel becomes the mean of its 3 x 3 neighbours; beyond the rim there is black.
export function blurred(values, width) {
  const height = values.length / width;
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? -1 : values[y * width + x]);
  return Float32Array.from(values, (_, i) => {
    let sum = 0;
    for (let v = -1; v <= 1; v++) for (let u = -1; u <= 1; u++) sum += at((i % width) + u, Math.floor(i / width) + v);
    return sum / 9;
  });
}

const CHANGES = {
  Blur: (x, width) => blurred(x, width),
  Dim: (x) => x.map((v) => 0.8 * (v + 1) - 1),
  Invert: (x) => x.map((v) => -v),
  "Blank page": (x) => x.map(() => -1),
};

// ---------------------------------------------------------------------------------------------- what is computed

function computation(model) {
  const [shown, height, width, r] = model.get("_size");
  const d = height * width;
  const view = model.get("_directions");
  const bytes = new Int8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const [means, numbers] = [floats(model.get("_means")), floats(model.get("_numbers"), Float64Array)];
  const count = means.length / d;
  const [logWeights, floors, variances] = [0, count, 2 * count].map((from, i) =>
    numbers.subarray(from, i < 2 ? from + count : from + count * r),
  );
  const pixels = floats(model.get("_digits"));
  const digits = Array.from({ length: shown }, (_, i) => pixels.subarray(i * d, (i + 1) * d));
  const [scores, classes] = [floats(model.get("_scores")), model.get("_classes")];
  const kinds = new Uint8Array(classes.buffer, classes.byteOffset, classes.byteLength);
  const changed = memory();
  const now = { height, width, d, digits, scores, kinds, labels: model.get("_labels") };
  now.bells = bellsOf({ logWeights, means, bytes, variances, floors, d, r });

  now.update = ({ pixels: drawn, noise, digit, eps }) => {
    if (changed("x", drawn, noise, eps)) {
      const [base, grain] = [floats(drawn), floats(eps)];
      now.x = Float32Array.from(base, (v, i) => v + noise * grain[i]);
      now.logQ = logGauge(now.bells, now.x);
    }
    if (changed("class", digit)) {
      now.kind = now.labels[digit];
      const own = scores.filter((_, i) => kinds[i] === now.kind).sort();
      now.typical = [0.01, 0.99].map((share) => quantile(own, share));
      now.own = own;
    }
    now.verdict = now.logQ < now.typical[0] ? "too low" : now.logQ > now.typical[1] ? "too high" : "among them";
  };
  return now;
}

// The value below which that share of sorted values lies, with straight lines between them.
export function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const left = Math.floor(place);
  const right = Math.min(left + 1, sorted.length - 1);
  return sorted[left] + (place - left) * (sorted[right] - sorted[left]);
}

// -------------------------------------------------------------------------------------------------------- the views

// The two histograms, the range of the class, and the needle.
function gauge(ui, now, range) {
  const view = plot(ui, { alt: "histograms of log q of all held-out digits and of this digit's class, with a needle for the picture", height: 210, left: 40 });
  const [low, high] = range;
  const bin = (high - low) / BINS;

  function bars(values) {
    const out = new Float64Array(BINS);
    for (const value of values) {
      const i = Math.floor((value - low) / bin);
      if (i >= 0 && i < BINS) out[i] += 1;
    }
    return out;
  }
  const all = bars(now.scores);
  const top = 1.12 * Math.max(...all);

  function draw(state, colours) {
    const frame = { x: [low, high], y: [0, top], xTicks: ticksBetween(low, high, 6), yTicks: ticks(top, 3), xLabel: "log q(x\u2080), nats", yLabel: "held-out digits" };
    view.area(frame, colours, (context, X, Y) => {
      context.fillStyle = colours.accent;
      context.globalAlpha = 0.22;
      context.fillRect(X(low), Y(top), X(now.typical[0]) - X(low), Y(0) - Y(top));
      context.fillRect(X(now.typical[1]), Y(top), X(high) - X(now.typical[1]), Y(0) - Y(top));
      context.globalAlpha = 1;
      for (const [values, colour] of [
        [all, colours.rule],
        [bars(now.own), colours.data],
      ]) {
        context.fillStyle = colour;
        values.forEach((v, i) => v && context.fillRect(X(low + i * bin) + 0.5, Y(v), X(bin) - X(0) - 1, Y(0) - Y(v)));
      }
      const needle = Math.min(high, Math.max(low, now.logQ));
      curve(context, X, Y, [[needle, 0], [needle, top]], { colour: colours.ink, width: 2.5 });
      const [x, y] = [X(needle), Y(0) + 1];
      context.fillStyle = colours.ink;
      context.beginPath();
      context.moveTo(x, y - 9);
      context.lineTo(x - 6, y);
      context.lineTo(x + 6, y);
      context.fill();
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "The box as a gauge",
    task: "Which sends the needle further, a line across the digit or a little noise all over it? Say first, then try both.",
    answer: "At {σ} = 0.1 the line does. At 0.5 it is the noise, though you still read the digit through it: what an eye overlooks in every pixel adds up over 784 of them.",
    traits: ["pixels", "eps", "noise", "digit", "pen"],
  });
  const now = computation(model);
  const bytes = (values) => new DataView(Float32Array.from(values).buffer);
  const put = (values, event) => ui.set({ pixels: bytes(values) }, event);
  const paper = pad(ui, {
    height: now.height,
    width: now.width,
    values: () => floats(ui.state.pixels),
    erasing: () => ui.state.pen === "eraser",
    put,
  });
  const dialled = gauge(ui, now, model.get("_range"));
  const pictures = now.digits.map((values, i) => {
    const canvas = picture({ height: now.height, width: now.width, alt: `a ${now.labels[i]}` });
    canvas.paint(values);
    return canvas;
  });
  const digit = pick(ui, {
    name: "Digit",
    pictures,
    change: (i, event) => ui.set({ digit: i, pixels: bytes(now.digits[i]) }, event),
  });
  const pen = choice(ui, {
    name: "Pen",
    options: [
      ["ink", "ink"],
      ["eraser", "eraser"],
    ],
    change: (value, event) => ui.set({ pen: value }, event),
  });
  const noise = dial(ui, { symbol: "\u03c3", name: "noise added", low: 0, high: 0.5, step: 0.01, change: (v, event) => ui.set({ noise: v }, event) });
  const changes = Object.entries(CHANGES).map(([name, change]) =>
    button(ui, name, (event) => put(change(floats(ui.state.pixels), now.width), event)),
  );
  const fresh = button(ui, "New noise", (event) => {
    const { normal } = random(hash(ui.state.eps));
    ui.set({ eps: bytes(Array.from({ length: now.d }, normal)) }, event);
  });
  const reset = button(ui, "Reset", (event) => {
    ui.set({ ...model.get("_start"), pixels: bytes(now.digits[model.get("_start").digit]), eps: model.get("_eps") }, event);
  });
  const says = h("p", { class: "dm-says" });
  const range = h("p", { class: "dm-note" });

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, { x: now.x, logQ: now.logQ, typical: now.typical });
    paper.canvas.paint(now.x);
    digit.put(state.digit);
    pen.put(state.pen);
    noise.put(state.noise);
    dialled.draw(state, colours);
    const text = `log q = ${whole(now.logQ)}: ${now.verdict}`;
    if (says.textContent !== text) says.textContent = text;
    if (range.textContent !== between()) range.textContent = between();
  }

  const between = () => `Of 100 held-out digits of class ${now.kind}, 98 lie between ${whole(now.typical[0])} and ${whole(now.typical[1])}.`;

  function words({ noise, pen }) {
    return `log q of the picture is ${whole(now.logQ)} nats: ${now.verdict}. ${between()} Noise ${number(noise)}, pen: ${pen}.`;
  }

  const keys = h(
    "figcaption",
    { class: "dm-keys" },
    key("bars", "this digit's class"),
    key("rest", "all held-out digits"),
    key("ends", "where only 2 in 100 of its class lie"),
  );
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      h(
        "div",
        { class: "dm-controls dm-drawn" },
        h("figure", { class: "dm-picture" }, paper.el, h("figcaption", { class: "dm-below" }, "Draw on it.")),
        h("div", { class: "dm-buttons dm-still" }, changes, fresh, reset),
      ),
      h(
        "div",
        { class: "dm-controls" },
        h("div", { class: "dm-top" }, digit.el, pen.el),
        noise.el,
        h("div", {}, says, range),
        h("figure", {}, keys, dialled.canvas),
      ),
    ),
    h("p", { class: "dm-note" }, maths("So that all of {q} fits into this page, its Gaussians here keep the "), String(model.get("_size")[3]), " directions in which their digits vary most, and share one width in all others. So its numbers differ from those of the full Gaussians, and noise costs less here."),
  );
  ui.phone = { show: [paper.el.closest("figure"), dialled.canvas.closest("figure")], move: [says, noise.el] };
  ui.start(draw, words);
  return ui.close;
}

const whole = (v) => Math.round(v).toLocaleString("en-US").replace("-", "\u2212");

export default { render };
