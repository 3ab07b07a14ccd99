// Guidance under the finger. Two humps over one number and the class of the right one: the law that guidance is said to
// draw from, and the one that the flow draws, both exact. Below, digits of a class from the same statics, at the same w,
// by the network in the page.
import {
  button,
  choice,
  curve,
  dial,
  explorable,
  floats,
  h,
  hash,
  key,
  maths,
  memory,
  number,
  picture,
  plot,
  readout,
} from "./common.js";
import { ddim, guess, logMixture, random, scales } from "./laws.js";
import { live } from "./live.js";

const BOTH = [-1, 1].map((mean) => ({ weight: 0.5, mean, variance: 0.5 })); // the data
const RIGHT = [{ weight: 1, mean: 1, variance: 0.5 }]; // and its class
const [FROM, TO, PARTS] = [-14, 10, 100]; // log SNR of the flow of numbers, and its steps
const STARTS = Array.from({ length: 161 }, (_, i) => (i - 80) * 0.05);
const GRID = Array.from({ length: 1401 }, (_, i) => -6 + i * 0.01);
const [NOISY, CLEAR, STRIDES] = [-10, 6, 12]; // and of the walks of digits
const [SIDE, PAUSE] = [28, 350]; // pixels; milliseconds of rest before the walks begin

// uncond + w (cond - uncond): for numbers, or for pictures.
export const beyond = (cond, uncond, w) => uncond + w * (cond - uncond);

// The flow's levels, even in log SNR, and there the guesses of x_0 with the class and without.
const LEVELS = Array.from({ length: PARTS + 1 }, (_, i) => FROM + ((TO - FROM) * i) / PARTS);
const KNOWN = LEVELS.map((level) => ({ a: scales(level)[0], cond: guess(RIGHT, level), uncond: guess(BOTH, level) }));
const speed = (x, { a, cond, uncond }, w) => (a / 2) * (beyond(cond(x), uncond(x), w) - a * x);

// Where the guided flow carries the starts: Heun's steps, as `flow` takes them.
export function carried(w) {
  const step = (TO - FROM) / PARTS;
  return STARTS.map((x) => {
    for (let i = 0; i < PARTS; i++) {
      const now = speed(x, KNOWN[i], w);
      x += (step / 2) * (now + speed(x + step * now, KNOWN[i + 1], w));
    }
    return x;
  });
}

// The log of the tilted law, q(x | y)^w q(x)^(1 - w), on the grid and as a function; its constant by a sum over the grid.
const LOGS = GRID.map((x) => [logMixture(RIGHT, x), logMixture(BOTH, x)]);
export function claim(w) {
  const raw = LOGS.map(([cond, uncond]) => beyond(cond, uncond, w));
  const top = Math.max(...raw);
  const area = top + Math.log(0.01 * raw.reduce((sum, v) => sum + Math.exp(v - top), 0));
  return { grid: raw.map((v) => v - area), at: (x) => beyond(logMixture(RIGHT, x), logMixture(BOTH, x), w) - area };
}

// The log density of what is drawn, at each place: a start's share by how far its neighbours have moved apart.
export function heights(places) {
  return places.map((_, i) => {
    const [l, r] = [Math.max(0, i - 1), Math.min(places.length - 1, i + 1)];
    const slope = (places[r] - places[l]) / (0.05 * (r - l));
    return -0.5 * STARTS[i] ** 2 - 0.5 * Math.log(2 * Math.PI) - Math.log(slope);
  });
}

function computation() {
  const changed = memory();
  const now = {};
  now.update = ({ w }) => {
    if (!changed("w", w)) return;
    now.claimed = claim(w);
    now.places = carried(w);
    now.logs = heights(now.places);
    const share = (i) => (0.05 * Math.exp(-0.5 * STARTS[i] ** 2)) / Math.sqrt(2 * Math.PI);
    now.kl = now.places.reduce((sum, x, i) => sum + share(i) * (now.logs[i] - now.claimed.at(x)), 0);
  };
  return now;
}

function laws(ui, now) {
  const view = plot(ui, { alt: "the data, the class, what guidance is said to draw and what it draws", height: 250, left: 38 });
  const seen = GRID.map((x, i) => [x, i]).filter(([x]) => x >= -3 && x <= 5);
  const line = (log) => seen.map(([x, i]) => [x, Math.exp(log(i))]);
  const [cond, data] = [0, 1].map((k) => line((i) => LOGS[i][k]));

  function draw(colours) {
    const frame = { x: [-3, 5], y: [0, 1.3], xTicks: [-3, -2, -1, 0, 1, 2, 3, 4, 5], yTicks: [0, 0.5, 1], xLabel: "value of x\u2080" };
    view.area(frame, colours, (context, X, Y) => {
      curve(context, X, Y, data, { colour: colours.noise, width: 2 });
      curve(context, X, Y, cond, { colour: colours.data, width: 2 });
      curve(context, X, Y, line((i) => now.claimed.grid[i]), { colour: colours.ink, width: 2, dash: [6, 4] });
      curve(context, X, Y, now.places.map((x, i) => [x, Math.exp(now.logs[i])]), { colour: colours.p, width: 3 });
    });
  }
  return { canvas: view.canvas, draw };
}

// The mean distance between two of several pictures, a pixel.
export function variety(pictures) {
  let [sum, pairs] = [0, 0];
  pictures.forEach((a, i) =>
    pictures.slice(0, i).forEach((b) => {
      sum += Math.sqrt(a.reduce((all, v, k) => all + (v - b[k]) ** 2, 0) / a.length);
      pairs++;
    }),
  );
  return sum / pairs;
}

// The digits, drawn anew when what they start from has rested for a moment. One question to the network at a time.
function digits(ui, net, count) {
  const pictures = Array.from({ length: count }, (_, i) => picture({ height: SIDE, width: SIDE, alt: `digit ${i + 1} of ${count}`, className: "dm-answer" }));
  const says = h("figcaption", { class: "dm-below" });
  const el = h("figure", {}, h("figcaption", {}, maths(`${count} digits, each from the same noise at every {w}`)), h("div", { class: "dm-answers" }, pictures), says);
  const changed = memory();
  const all = { el, ends: null };
  let [timer, turn] = [0, 0];
  ui.signal.addEventListener("abort", () => clearTimeout(timer));

  function put(text) {
    if (says.textContent !== text) says.textContent = text;
  }

  async function walk({ w, digit }, starts, mine) {
    const never = new Promise(() => {});
    const say = (x, logSnr, label) => (mine === turn ? new Promise((then) => net.ask({ x, logSnr, label }, then)) : never);
    let xs = starts;
    for (let k = 0; k < STRIDES; k++) {
      const [here, there] = [k, k + 1].map((i) => NOISY + ((CLEAR - NOISY) * i) / STRIDES);
      const [ofX0, ofX] = ddim(here, there, 0);
      const moved = [];
      for (const x of xs) {
        const cond = await say(x, here, digit);
        const uncond = w === 1 ? cond : await say(x, here, null);
        if (mine !== turn) return;
        moved.push(x.map((v, i) => ofX0 * beyond(cond[i], uncond[i], w) + ofX * v));
      }
      xs = moved;
      xs.forEach((values, i) => pictures[i].paint(values));
      put(`on their way: step ${k + 1} of ${STRIDES}`);
    }
    all.ends = ui.root.explorable.ends = xs;
    put(`They differ from one another by ${variety(xs).toFixed(2)} a pixel.`);
    ui.redraw(); // and say it
  }

  all.draw = (state) => {
    const size = SIDE * SIDE;
    if (net?.trouble) put(net.trouble);
    if (!changed("start", state.w, state.digit, state.eps)) return;
    const numbers = floats(state.eps);
    const starts = pictures.map((_, i) => numbers.slice(i * size, (i + 1) * size));
    all.ends = ui.root.explorable.ends = null;
    const mine = ++turn;
    starts.forEach((values, i) => pictures[i].paint(values));
    clearTimeout(timer);
    if (!net) return;
    put("in a moment \u2026");
    timer = setTimeout(() => walk({ ...state }, starts, mine), PAUSE);
  };
  return all;
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "Guidance",
    task: "Turn {w} up, and find what happens to the green law and to the digits alike.",
    answer: "At {w} = 1 the green law is the dashed one. Beyond, it comes out narrower and is pushed further off. The digits go the same way: clearer, and more and more alike.",
    traits: ["w", "digit", "eps"],
  });
  const [now, net] = [computation(), live(ui, model)];
  const view = laws(ui, now);
  const drawn = digits(ui, net, model.get("_count"));
  const loud = dial(ui, { symbol: "w", name: "guidance scale", low: 0, high: 8, step: 0.25, ends: [0, 1, 8], change: (w, event) => ui.set({ w }, event) });
  const which = choice(ui, {
    name: "Digit",
    options: Array.from({ length: 10 }, (_, i) => [String(i), String(i)]),
    change: (value, event) => ui.set({ digit: Number(value) }, event),
  });
  const facts = readout(["KL of what is drawn to the tilted law"]);
  const nats = () => Math.max(0, now.kl).toFixed(2);
  const fresh = button(ui, "New noise", (event) => {
    const { normal } = random(hash(ui.state.eps));
    const values = Float32Array.from({ length: model.get("_count") * SIDE * SIDE }, normal);
    ui.set({ eps: new DataView(values.buffer) }, event);
  });
  const reset = button(ui, "Reset", (event) => ui.set({ ...model.get("_start"), eps: model.get("_eps") }, event));

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, { places: now.places, kl: now.kl });
    loud.put(state.w);
    which.put(String(state.digit));
    facts.put([`${nats()} nats`]);
    view.draw(colours);
    drawn.draw(state);
  }

  function words({ w, digit }) {
    const ends = drawn.ends ? ` The digits, asked to be a ${digit}, differ from one another by ${variety(drawn.ends).toFixed(2)} a pixel.` : "";
    return `The guidance scale is ${number(w)}. What is drawn is ${nats()} nats from the tilted law.${ends}`;
  }

  const keys = [key("noise", "the data"), key("data", "the class"), key("bell", "tilted"), key("p", "drawn")];
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      h("figure", { class: "dm-wide" }, h("figcaption", { class: "dm-keys" }, keys), view.canvas),
      h("div", { class: "dm-controls" }, loud.el, which.el, facts.el, h("div", { class: "dm-buttons" }, fresh, reset)),
    ),
    drawn.el,
    net ? "" : h("p", { class: "dm-note" }, "This page does not hold the network, so the noise above stays noise."),
  );
  ui.start(draw, words);
  return ui.close;
}

export default { render };
