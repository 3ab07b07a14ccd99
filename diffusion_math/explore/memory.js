// Memory or novelty: a walk from noise whose every pixel sees the dataset through a window. The dataset came from Python once;
// the windows' shares, the walk and the quilt are made here.
import {
  button,
  curve,
  dial,
  explorable,
  floats,
  grab,
  h,
  hash,
  key,
  maths,
  memory,
  number,
  picture,
  plane,
  plot,
  readout,
} from "./common.js";
import { random } from "./laws.js";

const [FROM, TO, PARTS] = [-8, 8, 32];
const levelAt = (k) => FROM + ((TO - FROM) * k) / PARTS;
const logistic = (v) => 1 / (1 + Math.exp(-v));

// The sums of an h x w table over a window around each place, cut off at the borders: along rows, then down columns.
export function windowSums(table, height, width, window) {
  const far = (window - 1) / 2;
  const [rows, sums] = [new Float64Array(height * width), new Float64Array(height * width)];
  slide(table, rows, height, width, width, 1, far);
  slide(rows, sums, width, height, 1, width, far);
  return sums;
}

// Of each of so many lines of `length` places: the sum of what is at most `far` away. A line begins `line` after the last.
function slide(from, to, lines, length, line, step, far) {
  for (let l = 0; l < lines; l++) {
    let sum = 0;
    for (let j = -far; j < length; j++) {
      if (j + far < length) sum += from[l * line + (j + far) * step];
      if (j > far) sum -= from[l * line + (j - far - 1) * step];
      if (j >= 0) to[l * line + j * step] = sum;
    }
  }
}

// What the windows say of x: each pixel's guess, the picture that it follows most, and that one's share.
export function look(x, dataset, height, width, window, level) {
  const [a, s2] = [Math.sqrt(logistic(level)), logistic(-level)];
  const off = new Float64Array(x.length);
  const logs = dataset.map((one) => {
    for (let i = 0; i < x.length; i++) off[i] = -((x[i] - a * one[i]) ** 2) / (2 * s2);
    return windowSums(off, height, width, window);
  });
  const [guess, source, share] = [new Float64Array(x.length), new Int32Array(x.length), new Float64Array(x.length)];
  for (let i = 0; i < x.length; i++) {
    for (let k = 1; k < dataset.length; k++) if (logs[k][i] > logs[source[i]][i]) source[i] = k;
    let sum = 0;
    for (let k = 0; k < dataset.length; k++) {
      const less = logs[k][i] - logs[source[i]][i];
      if (less < -40) continue; // not a digit's worth
      const w = Math.exp(less);
      sum += w;
      guess[i] += w * dataset[k][i];
    }
    guess[i] /= sum;
    share[i] = 1 / sum;
  }
  return { guess, source, share };
}

// The walk without dice, and what the windows say at each of its levels.
export function walked(start, dataset, height, width, window) {
  const path = [];
  let x = Float64Array.from(start);
  for (let k = 0; k <= PARTS; k++) {
    const said = look(x, dataset, height, width, window, levelAt(k));
    path.push({ x, ...said });
    const [a, s, b, r] = [levelAt(k), -levelAt(k), levelAt(k + 1), -levelAt(k + 1)].map((v) => Math.sqrt(logistic(v)));
    x = x.map((v, i) => b * said.guess[i] + (r / s) * (v - a * said.guess[i]));
  }
  return path;
}

function computation(model) {
  const [n, height, width] = model.get("_size");
  const all = Float64Array.from(floats(model.get("_dataset")));
  const d = height * width;
  const dataset = Array.from({ length: n }, (_, k) => all.slice(k * d, (k + 1) * d));
  const changed = memory();
  const now = { n, height, width, dataset };
  now.update = ({ window, level, eps }) => {
    if (changed("path", window, eps)) now.path = walked(floats(eps), dataset, height, width, window);
    now.at = Math.round(((level - FROM) * PARTS) / (TO - FROM));
    now.here = now.path[now.at];
    now.used = new Set(now.here.source).size;
    const far = (one) => Math.sqrt(one.reduce((sum, v, i) => sum + (v - now.here.guess[i]) ** 2, 0) / d);
    now.distance = Math.min(...dataset.map(far));
  };
  return now;
}

// The guess, with each pixel in the colour of the picture that it follows; a frame around the one that is asked about.
function quilt(ui, now) {
  const view = plane(ui, "the quilt: each pixel in the colour of the picture of the dataset that it follows", 30, 8);
  const colour = (k) => `hsl(${(k * 137.5) % 360} 62% ${[46, 60, 72][k % 3]}%)`; // neighbours far apart
  const fit = (v, most) => Math.min(most - 1, Math.max(0, Math.floor(v)));
  grab(ui, view, {
    take: () => 0,
    move: (_, x, y, event) => ui.set({ pixel: fit(y, now.height) * now.width + fit(x, now.width) }, event),
  });

  function draw({ pixel }, colours) {
    const ends = (most) => [0, Math.round(most / 2), most];
    const frame = { x: [0, now.width], y: [now.height, 0], xTicks: ends(now.width), yTicks: ends(now.height) };
    view.area(frame, colours, (context, X, Y) => {
      const cell = (i) => {
        const [r, c] = [Math.floor(i / now.width), i % now.width];
        return [X(c), Y(r), X(c + 1) - X(c), Y(r + 1) - Y(r)];
      };
      now.here.source.forEach((k, i) => {
        context.fillStyle = colour(k);
        context.fillRect(...cell(i));
        const ink = Math.min(1, Math.max(0, (now.here.guess[i] + 1) / 2));
        context.fillStyle = `rgb(0 0 0 / ${0.6 * (1 - ink)})`; // dark where the digit is dark
        context.fillRect(...cell(i));
      });
      for (const [shade, wide] of [[colours.paper, 4], [colours.ink, 2]]) {
        context.strokeStyle = shade;
        context.lineWidth = wide;
        context.strokeRect(...cell(pixel));
      }
    });
  }
  return { canvas: view.canvas, draw };
}

// The share of the picture that the pixel follows, all along the walk.
function certainty(ui, now, mark) {
  const view = plot(ui, { alt: "the largest share at the pixel over log SNR, from noise to data", height: 150, left: 38 });
  function draw({ pixel, level }, colours) {
    const frame = { x: [FROM, TO], y: [0, 1.05], xTicks: [-8, -4, 0, 4, 8], yTicks: [0, 0.5, 1], xLabel: "\u03bb, log SNR", yLabel: "largest share" };
    view.area(frame, colours, (context, X, Y) => {
      for (const at of mark) curve(context, X, Y, [[at, 0], [at, 1.05]], { colour: colours.ink, width: 1.5, dash: [5, 4] });
      curve(context, X, Y, [[level, 0], [level, 1.05]], { colour: colours.rule, width: 2 });
      curve(context, X, Y, now.path.map(({ share }, k) => [levelAt(k), share[pixel]]), { colour: colours.p, width: 2.5 });
    });
  }
  return { canvas: view.canvas, draw };
}

function controls(ui, now) {
  const most = 2 * Math.max(now.height, now.width) - 1;
  const row = (pixel) => Math.floor(pixel / now.width);
  const column = (pixel) => pixel % now.width;
  const window = dial(ui, { name: "side of the window", low: 1, high: most, step: 2, change: (value, event) => ui.set({ window: value }, event) });
  const level = dial(ui, { symbol: "\u03bb", name: "log SNR", low: FROM, high: TO, step: 0.5, ends: [FROM, 0, TO], change: (value, event) => ui.set({ level: value }, event) });
  const rows = dial(ui, { name: "pixel, row", low: 0, high: now.height - 1, step: 1, change: (r, event) => ui.set({ pixel: r * now.width + column(ui.state.pixel) }, event) });
  const columns = dial(ui, { name: "pixel, column", low: 0, high: now.width - 1, step: 1, change: (c, event) => ui.set({ pixel: row(ui.state.pixel) * now.width + c }, event) });
  const fresh = (event) => {
    const { normal } = random(hash(ui.state.eps));
    const values = Float32Array.from({ length: now.height * now.width }, normal);
    ui.set({ eps: new DataView(values.buffer) }, event);
  };
  const buttons = (reset) => h("div", { class: "dm-buttons" }, button(ui, "New noise", fresh), button(ui, "Reset", reset));
  function put(state) {
    window.put(state.window);
    level.put(state.level);
    rows.put(row(state.pixel));
    columns.put(column(state.pixel));
  }
  return { window, level, rows, columns, buttons, put };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Windows",
    task: "Make the window wider until one picture has sewn the whole quilt. Then make it narrower: where do the digits stop being digits?",
    answer: "Wide windows agree with one another, and what is drawn is a picture of the dataset. Narrow ones follow a picture each, so the strokes no longer fit. In between they draw digits that are not in the dataset.",
    traits: ["window", "level", "pixel", "eps"],
  });
  const now = computation(model);
  const mark = model.get("_mark");
  const [noisy, guess, source] = ["the noisy picture", "what the windows say", "the picture that the pixel follows"].map((alt) =>
    picture({ height: now.height, width: now.width, alt, className: "dm-answer" }),
  );
  const [patches, sure, panel] = [quilt(ui, now), certainty(ui, now, mark), controls(ui, now)];
  const facts = readout(["pictures in the quilt", "distance to the nearest of the dataset, a pixel", "share at the pixel"]);
  const reset = (event) => ui.set({ ...model.get("_start"), eps: model.get("_eps") }, event);

  function draw(state, colours) {
    now.update(state);
    const { x, guess: said, source: which, share } = now.here;
    Object.assign(ui.root.explorable, { path: now.path, quilt: which, share: share[state.pixel], used: now.used, distance: now.distance });
    noisy.paint(x);
    guess.paint(said);
    source.paint(now.dataset[which[state.pixel]]);
    patches.draw(state, colours);
    sure.draw(state, colours);
    facts.put([String(now.used), number(now.distance), number(share[state.pixel])]);
    panel.put(state);
  }

  function words({ window, level, pixel }) {
    const seen = `With windows of ${window}, at log SNR ${number(level)}, the quilt is sewn from ${now.used} of ${now.n} pictures.`;
    return `${seen} The pixel in row ${Math.floor(pixel / now.width)}, column ${pixel % now.width} follows picture ${now.here.source[pixel] + 1}.`;
  }

  const small = (text, canvas) => h("figure", {}, h("figcaption", {}, text), canvas);
  const shown = h("div", { class: "dm-answers" }, small("under noise", noisy), small("the guess", guess), small("the pixel's source", source));
  const keys = [key("p", "the largest share at the pixel"), mark.length ? key("bell", maths("the collapse of the whole dataset")) : ""];
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      h("figure", { class: "dm-third" }, h("figcaption", { class: "dm-keys" }, "the quilt: touch a pixel"), patches.canvas),
      h("div", { class: "dm-controls" }, shown, panel.window.el, panel.level.el, facts.el, panel.buttons(reset)),
    ),
    h("figure", { class: "dm-wide" }, h("figcaption", { class: "dm-keys" }, keys), sure.canvas),
    h("div", { class: "dm-grid" }, h("div", { class: "dm-controls" }, panel.rows.el), h("div", { class: "dm-controls" }, panel.columns.el)),
  );
  ui.start(draw, words);
  return ui.close;
}

export default { render };
