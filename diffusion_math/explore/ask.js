// Noise a digit and ask a network what is in it: x_t, the noise that it says, and the x_0 that follows. A network that
// ships works in the page. The reader's own is asked through the kernel; where there is none, the course's stands in.
import { button, explorable, floats, h, hash, maths, memory, number, picture, slider } from "./common.js";
import { logSnr, noise, random, signal } from "./laws.js";
import { chooseDigit, handedIn } from "./choose.js";
import { heading, live } from "./live.js";

const ROOM = 224; // screen pixels of a picture

function computation(model) {
  const table = floats(model.get("_levels"), Float64Array); // log alpha_bar
  const changed = memory();
  const now = { ...handedIn(model), T: table.length - 1 };

  now.update = ({ eps, t, digit }) => {
    now.at = table[t];
    now.x0 = now.images[digit];
    if (!changed("x", now.x0, eps, t)) return;
    const [a, b, grain] = [signal(now.at), noise(now.at), floats(eps)];
    now.x = now.x0.map((v, i) => a * v + b * grain[i]);
  };
  return now;
}

// The noise that is left when a digit is taken out of x_t.
export function noiseOf(x, x0, logAlphaBar) {
  const [a, b] = [signal(logAlphaBar), noise(logAlphaBar)];
  return x.map((v, i) => (v - a * x0[i]) / b);
}

// A picture put into the middle of a larger one of nothing but black under noise, for a network that takes no other size; and
// the middle taken out again.
export function framed(x, [h, w], [height, width], logAlphaBar, { normal }) {
  const [a, b] = [signal(logAlphaBar), noise(logAlphaBar)];
  const out = Float32Array.from({ length: height * width }, () => b * normal() - a);
  const [top, left] = [(height - h) >> 1, (width - w) >> 1];
  for (let i = 0; i < h; i++) out.set(x.subarray(i * w, (i + 1) * w), (top + i) * width + left);
  return out;
}
export function middle(x, [h, w], [height, width]) {
  const [top, left] = [(height - h) >> 1, (width - w) >> 1];
  return Float32Array.from({ length: h * w }, (_, i) => x[(top + Math.floor(i / w)) * width + left + (i % w)]);
}

function screen(now, alt, caption, className = "") {
  const canvas = picture({ height: now.height, width: now.width, alt, className: "dm-big" });
  canvas.style.width = `${Math.min(ROOM, Math.floor(ROOM / now.width) * now.width) || ROOM}px`;
  return { canvas, el: h("figure", { class: `dm-picture ${className}` }, canvas, h("figcaption", { class: "dm-below" }, caption)) };
}

const ANSWER =
  "About as long as you could read the digit yourself. Where nobody can know, it draws something vague: the average of all digits that would fit, and not one of them.";

function render({ model, el }) {
  const ui = explorable(model, el, { title: "What a network says", answer: ANSWER, traits: ["t", "digit", "eps", "_said", "_trouble"] });
  const now = computation(model);
  const own = model.get("_own"); // the reader's network: only Python has it
  const kernel = own && typeof model.send === "function";
  const net = kernel ? null : live(ui, model);
  const noisy = screen(now, "x at step t: the digit under noise", [maths("{x}_t_"), h("span")]);
  const grain = screen(now, "the noise that the network says is in it", maths("the noise {\u03b5} that the network says, halved"), "dm-beside");
  const clean = screen(now, "the clean digit that the network says", [maths("the {x}_0_ that follows"), h("span", { class: "dm-number" })], "dm-beside");
  const [time, off] = [noisy, clean].map((one) => one.el.querySelector("span"));
  const t = slider(ui, {
    symbol: "t",
    name: "steps of noise",
    max: now.T - 1,
    marks: [0, now.T - 1].map((i) => [i, String(i + 1)]),
    change: (i, event) => ui.set({ t: i + 1 }, event),
  });
  const digit = chooseDigit(ui, now);
  const fresh = button(ui, "New noise", (event) => {
    const { normal } = random(hash(ui.state.eps));
    ui.set({ eps: new DataView(Float32Array.from({ length: now.d }, normal).buffer) }, event);
  });
  const reset = button(ui, "Reset", (event) => ui.set({ ...model.get("_start"), eps: model.get("_eps") }, event));
  const note = h("p", { class: "dm-note" });
  const changed = memory();
  const put = (element, text) => element.textContent === text || (element.textContent = text);

  // An answer to something else than what is asked is dimmed, until the new one is here.
  function old(is) {
    for (const { el } of [grain, clean]) el.classList.toggle("dm-old", is);
    if (is) put(off, "");
  }

  function show(x0, eps) {
    old(false);
    [now.said, now.grain] = [x0, eps];
    Object.assign(ui.root.explorable, { said: x0, grain: eps });
    clean.canvas.paint(x0);
    grain.canvas.paint(eps.map((v) => v / 2));
    now.off = Math.sqrt(x0.reduce((sum, v, i) => sum + (v - now.x0[i]) ** 2, 0) / now.d);
    put(off, `, off by ${now.off.toFixed(2)} a pixel`);
  }

  // Where nobody can answer, the one answer that was kept is shown to its own question only.
  const first = hash(model.get("_eps"));
  const kept = ({ t, digit, eps }) => t === model.get("_start").t && digit === model.get("_start").digit && hash(eps) === first;

  function ask(state) {
    const asked = changed("asked", now.x, net?.client);
    if (asked) old(true);
    if (net) {
      if (asked && net.client) askHere(now.x, now.at, state.eps);
      return asked && net.wake();
    }
    const answered = changed("said", state._said);
    if (!kernel && !kept(state)) {
      now.said = null;
      for (const { canvas } of [clean, grain]) canvas.paint(new Float32Array(now.d));
    } else if (answered || (asked && !kernel)) {
      const both = floats(state._said);
      show(both.subarray(0, now.d), both.subarray(now.d));
    }
  }

  function askHere(x, at, eps) {
    const [told, own, [, ...its]] = [model.get("_label"), [now.height, now.width], net.client.shape];
    const same = own.every((side, i) => side === its[i]);
    const seen = same ? x : framed(x, own, its, at, random(hash(eps)));
    net.ask({ x: seen, logSnr: logSnr(at), label: told < 0 ? null : told }, (x0) => {
      const mine = same ? x0 : middle(x0, own, its);
      show(mine, noiseOf(x, mine, at));
    });
  }

  function draw(state) {
    now.update(state);
    ui.root.explorable.x = now.x;
    noisy.canvas.paint(now.x);
    put(time, `, t = ${state.t}`);
    t.put({ position: state.t - 1, text: `${state.t} of ${now.T}` });
    digit.put(state.digit);
    ask(state);
    put(note, state._trouble || net?.trouble || about());
  }

  function about() {
    if (kernel) return "Your own network answers, through Python: the newest question, and none that came before it.";
    if (!net) return now.said ? "The answer that was kept. Any other is for the network to give, and it is not in this page." : "The network is not in this page, so nothing answers here. Reset shows the answer that was kept.";
    return own ? "The network that the chapter trained is not in this page. The one that comes with the course, ddpm_mnist, answers in its place." : "The network works in this page.";
  }

  function words({ t }) {
    const [a, b] = [signal(now.at), noise(now.at)].map((v) => number(v, 2));
    const said = now.said ? ` The network's digit is off by ${now.off.toFixed(2)} a pixel.` : "";
    return `Step ${t} of ${now.T}: ${a} times the digit plus ${b} times the noise.${said}`;
  }

  heading(ui, "What does the network say?", "Move t up. The network is asked for the noise, and whatever it leaves is its digit. How long is it right? What does it draw when it cannot know?");
  ui.root.append(
    h("div", { class: "dm-row" }, noisy.el, grain.el, clean.el),
    h("div", { class: "dm-controls dm-flat" }, digit.el, t.el, h("div", { class: "dm-buttons dm-still" }, fresh, reset)),
    note,
    h("p", { class: "dm-note" }, "Grey runs from \u22121 (black) to 1 (white). The network's noise is halved, to fit."),
  );
  ui.phone = { show: [noisy, grain, clean].map(({ el }) => el), move: [t.el] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
