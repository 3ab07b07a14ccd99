// Rub out part of a digit, and see it filled in, six times over: the network walks from noise, and at each level what is
// still known of the digit is pasted in, under noise of its own [RePaint]. The network works in the page.
import { button, choice, dial, explorable, h, maths, memory, picture } from "./common.js";
import { ddim, random, scales } from "./laws.js";
import { chooseDigit, handedIn } from "./choose.js";
import { heading, live } from "./live.js";
import { pad } from "./pad.js";

const [NOISY, CLEAR, PARTS] = [-8, 6, 10]; // log SNR of the walk, and its levels
const [COUNT, PAUSE] = [6, 350]; // fillings; milliseconds of rest before they begin
const ROOM = matchMedia("(pointer: coarse)").matches ? 280 : 196; // screen pixels of the picture; a finger needs more
const levelAt = (k) => NOISY + ((CLEAR - NOISY) * k) / (PARTS - 1);
const calls = (times) => (PARTS - 1) * times + 1;

// A stroke on the mask of what is rubbed out (1) and what is known (0): what changed on the pad, and a pixel around it.
export function swept(mask, drawn, width) {
  const out = Uint8Array.from(mask);
  drawn.forEach((v, i) => {
    const now = v > 0 ? 1 : 0;
    if (now === mask[i]) return;
    for (const [across, down] of [[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]]) {
      const [x, y] = [(i % width) + across, Math.floor(i / width) + down];
      if (x >= 0 && x < width && y >= 0 && y * width < mask.length) out[y * width + x] = now;
    }
  });
  return out;
}

// What the network says, with what is known in its place. known: NaN where it is rubbed out.
export const completed = (x0, known) => x0.map((v, i) => (Number.isNaN(known[i]) ? v : known[i]));

// A filling, question by question: yields { x, logSnr }, is told the x_0 that is seen there, and returns the picture. At each
// level a step of DDPM, then the pasting; times - 1 times noise leads back to the level before, and the step is taken anew.
export function* filling(known, times, normal) {
  const thrown = () => Float64Array.from(known, normal);
  let x = thrown();
  for (let k = 0; k + 1 < PARTS; k++) {
    const [here, there] = [levelAt(k), levelAt(k + 1)];
    const [[a], [b, s], [ofX0, ofX, std]] = [scales(here), scales(there), ddim(here, there, 1)];
    const keep = a / b;
    for (let left = times - 1; left >= 0; left--) {
      const [x0, before] = [yield { x, logSnr: here }, x];
      const [eps, paste] = [thrown(), thrown()];
      x = before.map((v, i) => (Number.isNaN(known[i]) ? ofX0 * x0[i] + ofX * v + std * eps[i] : b * known[i] + s * paste[i]));
      if (left) {
        const fresh = thrown();
        x = x.map((v, i) => keep * v + Math.sqrt(1 - keep * keep) * fresh[i]);
      }
    }
  }
  return completed(yield { x, logSnr: CLEAR }, known);
}

// Grey squares where nothing is known, as pictures show what is transparent.
const chequered = (known, width) => known.map((v, i) => (Number.isNaN(v) ? (((i % width) + Math.floor(i / width)) % 2 ? 0.1 : -0.25) : v));

function computation(model) {
  const now = handedIn(model);
  const changed = memory();
  now.update = ({ digit, rubbed }) => {
    if (!changed("known", digit, rubbed)) return;
    now.rubbed = Uint8Array.from(rubbed, Number);
    now.known = Float32Array.from(now.images[digit], (v, i) => (now.rubbed[i] ? NaN : v));
    now.gone = now.rubbed.reduce((sum, v) => sum + v, 0);
    now.seen = chequered(now.known, now.width);
  };
  // Whole rows that are rubbed out, from below.
  now.rows = () => {
    let rows = 0;
    while (rows < now.height && now.rubbed.subarray(now.d - (rows + 1) * now.width, now.d - rows * now.width).every(Boolean)) rows++;
    return rows;
  };
  return now;
}

// How much the fillings differ from one another, a pixel of those that were rubbed out.
export function apart(fillings, known) {
  let [sum, terms] = [0, 0];
  fillings.forEach((a, i) => fillings.slice(0, i).forEach((b) => a.forEach((v, k) => Number.isNaN(known[k]) && ([sum, terms] = [sum + (v - b[k]) ** 2, terms + 1]))));
  return terms ? Math.sqrt(sum / terms) : 0;
}

// Six fillings, side by side: begun anew when what they start from has rested for a moment. One question at a time.
function fillings(ui, now, net) {
  const pictures = Array.from({ length: COUNT }, (_, i) => picture({ height: now.height, width: now.width, alt: `filling ${i + 1} of ${COUNT}`, className: "dm-answer" }));
  const says = h("figcaption", { class: "dm-below" });
  const el = h("figure", {}, h("figcaption", {}, "Six fillings, each with noise of its own"), h("div", { class: "dm-answers" }, pictures), says);
  const changed = memory();
  const all = { el, ends: null };
  let [timer, turn] = [0, 0];
  ui.signal.addEventListener("abort", () => {
    turn++;
    clearTimeout(timer);
  });

  function put(text) {
    if (says.textContent !== text) says.textContent = text;
  }
  async function fill(known, { times, again }, mine) {
    const say = (question) => new Promise((then) => net.ask({ ...question, label: null }, then));
    const ways = pictures.map((_, i) => filling(known, times, random(1000 * again + i).normal));
    const asked = ways.map((way) => way.next());
    for (let call = 1; !asked[0].done; call++) {
      put(`on their way: call ${call} of ${calls(times)}`);
      for (let i = 0; i < COUNT; i++) {
        const x0 = await say(asked[i].value);
        if (mine !== turn) return;
        pictures[i].paint(completed(x0, known));
        asked[i] = ways[i].next(x0);
      }
    }
    all.ends = ui.root.explorable.ends = asked.map(({ value }) => value);
    all.apart = apart(all.ends, known);
    put(`They differ from one another by ${all.apart.toFixed(2)} a pixel where it was rubbed out.`);
    ui.redraw(); // and say it
  }

  all.draw = (state) => {
    if (net.trouble) put(net.trouble);
    if (!changed("start", now.known, state.times, state.again)) return;
    all.ends = ui.root.explorable.ends = null;
    const mine = ++turn;
    clearTimeout(timer);
    pictures.forEach((canvas) => canvas.paint(now.seen));
    put(now.gone ? "in a moment \u2026" : "Nothing is rubbed out, and nothing is to be filled in.");
    if (now.gone) timer = setTimeout(() => fill(now.known, { ...state }, mine), PAUSE);
  };
  return all;
}

const ANSWER =
  "The more is gone, the more digits fit what is left, and what is known stays as it is. Once through each level, some strokes do not meet at the edge: early the network hears of what is known through much noise, and when it hears it well, the rest is settled. Each time back lets the rest give way.";

function controls(ui, now, change) {
  const lower = (rows) => Uint8Array.from({ length: now.d }, (_, i) => Number(i >= now.d - rows * now.width));
  const rows = dial(ui, { name: "rows rubbed out from below", low: 0, high: now.height, step: 1, change: (value, event) => change(lower(value), event) });
  const times = dial(ui, { name: "times through each level", low: 1, high: 4, step: 1, change: (value, event) => ui.set({ times: value }, event) });
  const hand = { back: false };
  const finger = choice(ui, { name: "The finger", options: [["rub", "rubs out"], ["back", "puts back"]], change: (value) => (hand.back = value === "back") });
  return { rows, times, finger, hand };
}

function render({ model, el }) {
  const ui = explorable(model, el, { title: "Rub it out", answer: ANSWER, traits: ["digit", "rubbed", "times", "again"] });
  const [now, net] = [computation(model), live(ui, model)];
  const change = (mask, event) => ui.set({ rubbed: mask.join("") }, event);
  const panel = controls(ui, now, change);
  const paper = pad(ui, {
    height: now.height,
    width: now.width,
    room: ROOM,
    values: () => Float32Array.from(now.rubbed, (v) => 2 * v - 1),
    put: (drawn, event) => change(swept(now.rubbed, drawn, now.width), event),
    erasing: () => panel.hand.back,
  });
  paper.canvas.setAttribute("aria-label", "the digit: arrow keys move the finger, Space rubs out, Shift and an arrow rub on the way");
  const digit = chooseDigit(ui, now);
  const filled = net ? fillings(ui, now, net) : null;
  const again = button(ui, "Fill again", (event) => ui.set({ again: ui.state.again + 1 }, event));
  const whole = button(ui, "Put all back", (event) => change(new Uint8Array(now.d), event));
  const reset = button(ui, "Reset", (event) => {
    panel.hand.back = false;
    panel.finger.put("rub");
    ui.reset(event);
  });

  function draw(state) {
    now.update(state);
    ui.root.explorable.known = now.known;
    paper.canvas.paint(now.seen);
    panel.rows.put(now.rows());
    panel.times.put(state.times);
    digit.put(state.digit);
    if (filled) filled.draw(state);
  }

  function words({ times }) {
    const gone = `${now.gone} of ${now.d} pixels are rubbed out. A filling takes ${calls(times)} calls of the network.`;
    return filled?.ends ? `${gone} Six of them differ from one another by ${filled.apart.toFixed(2)} a pixel.` : gone;
  }

  heading(ui, "Rub it out", "Rub out part of the digit, with a finger, the mouse or keys. How much must go until the fillings no longer agree on what it was? Then go through each level once only, and look at the edges.");
  const shown = h("figure", { class: "dm-picture", style: `width: ${ROOM}px` }, paper.el, h("figcaption", { class: "dm-below" }, "Rub here. What is rubbed out is chequered."));
  ui.root.append(
    h("div", { class: "dm-row" }, shown, h("div", { class: "dm-controls" }, digit.el, panel.rows.el, panel.times.el, panel.finger.el, h("div", { class: "dm-buttons" }, net ? again : "", whole, reset))),
    filled ? filled.el : h("p", { class: "dm-note" }, "This page does not hold the network, so nothing is filled in here."),
  );
  ui.phone = { show: [shown, filled ? filled.el : ""].filter(Boolean), move: [panel.rows.el] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
