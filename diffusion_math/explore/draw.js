// Draw a digit, noise it to t, and let the network walk back, again and again: several answers from one noisy picture.
// The examples, one noise image and the network's schedule came from Python; the network itself works in the page.
import { button, explorable, floats, h, hash, maths, memory, number, picture, slider } from "./common.js";
import { noise, random, signal } from "./laws.js";
import { chooseDigit, handedIn } from "./choose.js";
import { heading, live } from "./live.js";
import { centred, pad } from "./pad.js";

const [WALKS, MOST, PAUSE] = [8, 40, 350]; // walks at once; steps of one from t = T; milliseconds of rest before they begin
const ROOM = matchMedia("(pointer: coarse)").matches ? 280 : 196; // screen pixels of a picture; a finger needs more

// The root of the mean square between two pictures, and between all pairs of several.
export const apart = (a, b) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length);
export function spread(pictures) {
  let [sum, pairs] = [0, 0];
  pictures.forEach((a, i) => pictures.slice(0, i).forEach((b) => ([sum, pairs] = [sum + apart(a, b) ** 2, pairs + 1])));
  return Math.sqrt(sum / pairs);
}

function computation(model) {
  const table = floats(model.get("_levels"), Float64Array); // log alpha_bar
  const changed = memory();
  const now = { ...handedIn(model), T: table.length - 1 };

  now.update = ({ pixels, eps, t }) => {
    now.at = table[t];
    if (changed("x0", pixels)) now.x0 = centred(floats(pixels), now.width);
    if (changed("x", now.x0, eps, t)) {
      const [a, b, grain] = [signal(now.at), noise(now.at), floats(eps)];
      now.x = now.x0.map((v, i) => a * v + b * grain[i]);
    }
  };
  return now;
}

// The walks back, side by side: begun anew when what they start from has rested for a moment.
function answers(ui, now, net) {
  const pictures = Array.from({ length: WALKS }, (_, i) =>
    picture({ height: now.height, width: now.width, alt: `walk ${i + 1} of ${WALKS}`, className: "dm-answer" }),
  );
  const says = h("figcaption", { class: "dm-below" });
  const el = h("figure", {}, h("figcaption", {}, `${WALKS} walks back from this one picture, each with noise of its own`), h("div", { class: "dm-answers" }, pictures), says);
  const changed = memory();
  let timer = 0;
  ui.signal.addEventListener("abort", () => clearTimeout(timer));

  function put(text) {
    if (says.textContent !== text) says.textContent = text;
  }
  function begin(state) {
    const starts = Array.from(pictures, (_, i) => ({ x: now.x, label: null, seed: hash(state.eps) + 1000 * state.again + i }));
    const steps = Math.max(1, Math.min(state.t, Math.round((MOST * state.t) / now.T) + 4));
    net.walk({ starts, from: state.t, steps, eta: 1 }, ({ t, x, done }) => {
      x.forEach((values, i) => pictures[i].paint(values));
      if (!done) return put(`on their way: t = ${t}`);
      now.ends = ui.root.explorable.ends = x;
      now.spread = spread(x);
      now.off = Math.sqrt(x.reduce((sum, values) => sum + apart(values, now.x0) ** 2, 0) / WALKS);
      put(`They differ from one another by ${now.spread.toFixed(2)} a pixel, and from your digit by ${now.off.toFixed(2)}.`);
      ui.redraw(); // and say it
    });
  }
  function draw(state) {
    if (net?.trouble) put(net.trouble);
    if (!net || !changed("start", now.x, state.again)) return;
    now.ends = ui.root.explorable.ends = null;
    net.stop();
    pictures.forEach((canvas) => canvas.paint(now.x));
    put(state.t ? "in a moment \u2026" : "At t = 0 there is no noise, and no way to go.");
    clearTimeout(timer);
    if (state.t) timer = setTimeout(() => begin(state), PAUSE);
  }
  return { el, draw };
}

const ANSWER =
  "Your own hand goes first: the walks bring back a digit of the same kind, written by nobody. Nearer to the last {t} the kind goes too, and any digit may come.";

function render({ model, el }) {
  const ui = explorable(model, el, { title: "Draw a digit", answer: ANSWER, traits: ["pixels", "eps", "t", "digit", "again"] });
  const now = computation(model);
  const net = live(ui, model);
  const bytes = (values) => new DataView(Float32Array.from(values).buffer);
  const paper = pad(ui, {
    height: now.height,
    width: now.width,
    room: ROOM,
    values: () => floats(ui.state.pixels),
    put: (values, event) => ui.set({ pixels: bytes(values) }, event),
  });
  const noisy = picture({ height: now.height, width: now.width, alt: "x at step t: your digit under its noise", className: "dm-big" });
  noisy.style.width = `${ROOM}px`;
  const time = slider(ui, {
    symbol: "t",
    name: "steps of noise",
    max: now.T,
    marks: [0, now.T].map((end) => [end, String(end)]),
    change: (t, event) => ui.set({ t }, event),
  });
  const digit = chooseDigit(ui, now, (i, event) => ui.set({ digit: i, pixels: bytes(now.images[i]) }, event));
  const clear = button(ui, "Clear", (event) => ui.set({ pixels: bytes(new Float32Array(now.d).fill(-1)) }, event));
  const again = button(ui, "Walk again", (event) => ui.set({ again: ui.state.again + 1 }, event));
  const fresh = button(ui, "New noise", (event) => {
    const { normal } = random(hash(ui.state.eps));
    ui.set({ eps: bytes(Array.from({ length: now.d }, normal)) }, event);
  });
  const reset = button(ui, "Reset", (event) => {
    const start = model.get("_start");
    ui.set({ ...start, pixels: bytes(now.images[start.digit]), eps: model.get("_eps") }, event);
  });
  const walks = net ? answers(ui, now, net) : null;

  function draw(state) {
    now.update(state);
    Object.assign(ui.root.explorable, { x: now.x, x0: now.x0 });
    paper.canvas.paint(floats(state.pixels));
    noisy.paint(now.x);
    time.put({ position: state.t, text: `${state.t} of ${now.T}` });
    digit.put(state.digit);
    if (walks) walks.draw(state);
  }

  function words({ t }) {
    const [a, b] = [signal(now.at), noise(now.at)].map((v) => number(v, 2));
    const mixture = `Step ${t} of ${now.T}: ${a} times your digit plus ${b} times the noise.`;
    const ends = now.ends ? ` ${WALKS} walks back differ from one another by ${now.spread.toFixed(2)} a pixel, and from your digit by ${now.off.toFixed(2)}.` : "";
    return mixture + ends;
  }

  heading(ui, "Your digit, there and back", "Draw a digit with a finger, the mouse or keys. At which t does it stop coming back as yours? As any digit of its kind?");
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      h("figure", { class: "dm-picture", style: `width: ${ROOM}px` }, paper.el, h("figcaption", { class: "dm-below" }, "Draw here. ", "The network gets it with its ink in the middle.")),
      h("figure", { class: "dm-picture dm-beside" }, noisy, h("figcaption", { class: "dm-below" }, maths("{x}_t_, your digit under noise"))),
      h("div", { class: "dm-controls" }, digit.el, time.el, h("div", { class: "dm-buttons" }, net ? again : "", fresh, clear, reset)),
    ),
    walks ? walks.el : h("p", { class: "dm-note" }, "This page does not hold the network, so nothing walks back here."),
    h("p", { class: "dm-note" }, "Grey runs from \u22121 (black) to 1 (white)."),
  );
  const figures = [...ui.root.querySelectorAll(".dm-row > figure")];
  ui.phone = { show: [...figures, walks ? walks.el : ""].filter(Boolean), move: [time.el] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
