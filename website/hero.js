// The first thing that a visitor sees: a digit, the same under noise, and what a small network brings back from there. The
// digit is drawn for them until they draw; the noise is there at once, the network as soon as its weights have come. Where
// motion or data are to be saved, nothing moves and nothing is fetched before somebody asks.
import { picture } from "./common.js";
import { noise, random, signal } from "./laws.js";
import { live } from "./live.js";
import { centred, pad } from "./pad.js";

const SIDE = 28;
const [STRIDES, REST] = [20, 220]; // of a walk back; milliseconds of rest before it begins
const [FIRST, FAR] = [380, 820]; // steps of noise from which a digit comes back as itself, and from which any comes back
const ROUNDS = 6; // shown unasked; then the stage rests
const [SEE, GLIDE] = [2200, 1400]; // milliseconds to look at what came back, and for the slider to go to the next place

export function begin(root, { digits, levels, network }) {
  const part = (name) => root.querySelector(`.tb-${name}`);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches || navigator.connection?.saveData;
  const signals = new AbortController();
  const slider = part("t");
  const state = { x0: digits[0], t: FIRST, seed: 1, which: 0, mine: false };
  const ui = {
    root,
    signal: signals.signal,
    redraw: () => net.trouble && say(net.trouble),
    listen: (target, type, f, options = {}) => target.addEventListener(type, f, { ...options, signal: signals.signal }),
  };
  const net = live(ui, { get: () => network });
  const canvases = ["noisy", "back"].map((name) => {
    const canvas = picture({ height: SIDE, width: SIDE, alt: part(name).dataset.alt });
    part(name).querySelector("canvas").replaceWith(canvas);
    return canvas;
  });
  const [noisy, back] = canvases;
  const say = (text) => part("said").textContent === text || (part("said").textContent = text);
  const paper = pad(ui, {
    height: SIDE,
    width: SIDE,
    room: 1000,
    values: () => state.x0,
    put(drawn) {
      takeOver();
      state.x0 = drawn;
      draw();
    },
  });
  part("yours").querySelector("canvas").replaceWith(paper.el);

  function mixed() {
    const [a, b] = [signal(levels[state.t]), noise(levels[state.t])];
    const { normal } = random(state.seed);
    return Float32Array.from(state.mine ? centred(state.x0, SIDE) : state.x0, (v) => a * v + b * normal());
  }

  // All but the answer at once; the answer when the hand has rested.
  let timer = 0;
  function draw({ walk = true } = {}) {
    paper.canvas.paint(state.x0);
    const x = mixed();
    noisy.paint(x);
    slider.value = state.t;
    part("steps").textContent = `${state.t} of 1000`;
    slider.setAttribute("aria-valuetext", `${state.t} of 1000 steps of noise`);
    clearTimeout(timer);
    net?.stop();
    if (!walk) return;
    part("back").classList.add("waiting");
    back.paint(x);
    say(net?.client || !net ? "" : "The network is on its way …");
    timer = setTimeout(() => walkBack(x), REST);
  }

  function walkBack(x) {
    const { t, x0 } = state;
    if (t === 0 || !net) return arrived(x, x0);
    const starts = [{ x, seed: state.seed + 1 }];
    net.walk({ starts, from: t, steps: Math.min(t, STRIDES), eta: 1 }, ({ x: [now], done }) => {
      part("back").classList.remove("waiting");
      root.dataset.live = net.client.threaded ? "in a worker" : "in the page";
      if (!still || done) back.paint(now);
      if (done) arrived(now, x0);
    });
  }

  let next = () => {};
  function arrived(now, x0) {
    part("back").classList.remove("waiting");
    const off = Math.sqrt(now.reduce((sum, v, i) => sum + (v - x0[i]) ** 2, 0) / now.length);
    say(`Back again, and ${off.toFixed(2)} a pixel from yours.`);
    next();
  }

  // The tour: each digit there and back from little noise, and then from much. It ends when somebody takes over.
  let [shown, seen, turn] = [0, true, 0];
  const later = (f, ms) => {
    const mine = ++turn;
    setTimeout(() => mine === turn && f(), ms);
  };
  function takeOver() {
    if (!state.mine) state.which = digits.indexOf(state.x0);
    state.mine = true;
    turn++;
    next = () => {};
  }
  function glide(to, then) {
    const [from, start, mine] = [state.t, performance.now(), ++turn];
    const frame = (now) => {
      if (mine !== turn) return;
      const share = Math.min(1, Math.max(0, (now - start) / GLIDE));
      state.t = Math.round(from + (to - from) * share * share * (3 - 2 * share));
      draw({ walk: share === 1 });
      if (share < 1) requestAnimationFrame(frame);
      else then?.();
    };
    requestAnimationFrame(frame);
  }
  function tour() {
    if (++shown >= 2 * ROUNDS) return;
    later(() => {
      if (!seen) return (shown = 2 * ROUNDS);
      if (state.t < FAR) return glide(FAR);
      state.which = (state.which + 1) % digits.length;
      [state.x0, state.seed] = [digits[state.which], state.seed + 2];
      glide(FIRST);
    }, SEE);
  }
  new IntersectionObserver(([entry]) => (seen = entry.isIntersecting)).observe(root);

  ui.listen(slider, "input", () => {
    turn++;
    next = () => {};
    state.t = Number(slider.value);
    draw();
  });
  ui.listen(part("clear"), "click", () => {
    takeOver();
    state.x0 = new Float32Array(SIDE * SIDE).fill(-1);
    draw();
  });
  ui.listen(part("other"), "click", () => {
    turn++;
    next = () => {};
    [state.mine, state.which, state.seed] = [false, (state.which + 1) % digits.length, state.seed + 2];
    state.x0 = digits[state.which];
    draw();
  });
  for (const el of root.querySelectorAll("button, input")) el.disabled = false;
  if (!still) next = tour;
  draw({ walk: !still || !navigator.connection?.saveData });
  return state;
}
