// The denoising film: a sample on its way from noise to a digit, x_t and the guess of x_0 beside each other.
// The frames came from Python once, a byte a pixel. Nothing is computed here but which frame is shown.
import { button, curve, dot, explorable, floats, h, key, maths, memory, picture, player, plot, scrub, slider, ticks } from "./common.js";

const [LASTS, LONGEST] = [10_000, 500]; // milliseconds: of a film from its first frame to its last, of one frame at most

// The values behind the bytes of one picture: 0 is `low`, 255 is `high`.
export const unpack = (bytes, low, high) => Float32Array.from(bytes, (v) => low + ((high - low) * v) / 255);

function computation(model) {
  const [seeds, frames, height, width, both] = model.get("_size");
  const view = model.get("_frames");
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const d = height * width;
  const times = model.get("_times"); // falling: T first, 0 last
  const [low, high] = model.get("_range");
  const moves = floats(model.get("_moves"));
  const now = { seeds, frames, height, width, both, times, T: times[0] };
  const pictureAt = (seed, frame, which) => {
    const at = ((seed * frames + frame) * (both ? 2 : 1) + which) * d;
    return bytes.subarray(at, at + d);
  };
  const changed = memory();
  now.update = ({ frame, seed }) => {
    if (!changed("frame", frame, seed)) return;
    now.x = unpack(pictureAt(seed, frame, 0), low, high);
    now.guess = both ? unpack(pictureAt(seed, frame, 1), low, high) : null;
    now.moves = moves.subarray(seed * frames, (seed + 1) * frames);
  };
  now.last = (seed) => unpack(pictureAt(seed, frames - 1, 0), low, high);
  return now;
}

// A picture with its name under it.
function screen(now, alt, ...caption) {
  const canvas = picture({ height: now.height, width: now.width, alt, className: "dm-big" });
  canvas.style.width = `${Math.min(252, Math.floor(252 / now.width) * now.width) || 252}px`;
  return { canvas, el: h("figure", { class: "dm-picture" }, canvas, h("figcaption", { class: "dm-below" }, caption)) };
}

// How far the picture moved in each step, and where the film stands.
function distance(ui, now, moveTo) {
  const { canvas, area, inset } = plot(ui, { alt: "how far the guess is from the digit that comes out, over the film", height: 130, left: 44 });
  scrub(ui, canvas, inset, (share, event) => moveTo(Math.round(share * (now.frames - 1)), event));

  function draw({ frame }, colours) {
    const top = Math.max(1e-6, 1.1 * Math.max(...now.moves));
    const xs = now.times.map((t) => now.T - t);
    const xTicks = ticks(now.T).filter((tick) => Number.isInteger(tick));
    const frameOf = { x: [0, now.T], y: [0, top], xTicks, yTicks: ticks(top, 3), xLabel: "steps taken", yLabel: "distance" };
    area(frameOf, colours, (context, X, Y) => {
      curve(context, X, Y, [[xs[frame], 0], [xs[frame], top]], { colour: colours.q, width: 1.5 });
      curve(context, X, Y, xs.map((x, i) => [x, now.moves[i]]), { colour: colours.p, width: 2.5 });
      dot(context, X(xs[frame]), Y(now.moves[frame]), { colour: colours.p, ring: colours.paper, radius: 5.5 });
    });
  }
  return { canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, { title: "Denoising film", traits: ["frame", "seed"] });
  const now = computation(model);
  const noisy = screen(now, "x at step t, on its way from noise to a digit", maths("{x}_t_"), h("span"));
  const clean = now.both ? screen(now, "the guess of the clean digit, made from x at step t", maths("the guess of {x}_0_ made from it")) : null;
  const moveTo = (frame, event) => frame !== ui.state.frame && ui.set({ frame }, event);
  const steps = slider(ui, {
    name: "steps taken",
    max: now.frames - 1,
    marks: [0, now.frames - 1].map((i) => [i, String(now.T - now.times[i])]),
    change: moveTo,
  });
  const seed = slider(ui, {
    name: "sample",
    max: now.seeds - 1,
    marks: [0, now.seeds - 1].filter((v, i, all) => all.indexOf(v) === i).map((i) => [i, String(i + 1)]),
    change: (value, event) => ui.set({ seed: value }, event),
  });
  const on = (by, event) => {
    const from = ui.state.frame === now.frames - 1 ? 0 : ui.state.frame; // at its end a film starts again
    ui.set({ frame: Math.min(now.frames - 1, from + by) }, event);
  };
  const pause = Math.min(LONGEST, LASTS / (now.frames - 1));
  let last = 0;
  const play = player(ui, {
    leap: ["A tenth on", (event) => on(Math.max(1, Math.round(now.frames / 10)), event)],
    step(event) {
      if (event.first) last = event.timeStamp - pause; // the first press shows at once that it plays
      const due = Math.floor((event.timeStamp - last) / pause); // more than one where a frame is shorter than the screen's
      if (due < 1) return true;
      last += due * pause;
      on(due, event);
      return ui.state.frame < now.frames - 1;
    },
  });
  const reset = button(ui, "Reset", (event) => {
    play.stop();
    ui.reset(event);
  });
  const graph = now.both ? distance(ui, now, moveTo) : null;
  const at = noisy.el.querySelector("span");

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, { x: now.x, guess: now.guess, moves: now.moves });
    const t = now.times[state.frame];
    noisy.canvas.paint(now.x);
    if (clean) clean.canvas.paint(now.guess);
    const text = `, t = ${t}`;
    if (at.textContent !== text) at.textContent = text;
    steps.put({ position: state.frame, text: `${now.T - t} of ${now.T}` });
    seed.put({ position: state.seed, text: `${state.seed + 1} of ${now.seeds}` });
    if (graph) graph.draw(state, colours);
  }

  function words({ frame, seed: which }) {
    const t = now.times[frame];
    const far = now.both ? ` The guess is ${now.moves[frame].toFixed(2)} from the digit that comes out.` : "";
    return `Sample ${which + 1} of ${now.seeds}: ${now.T - t} of ${now.T} steps taken, t = ${t}.${far}`;
  }

  const keys = h("figcaption", { class: "dm-keys" }, key("p", maths("distance of the guess from the result")));
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      noisy.el,
      clean ? clean.el : "",
      h("div", { class: "dm-controls" }, steps.el, seed.el, h("div", { class: "dm-buttons dm-still" }, play.el, reset)),
    ),
    graph ? h("figure", { class: "dm-half" }, keys, graph.canvas) : "",
    h("p", { class: "dm-note" }, "The film was made beforehand, and runs here without the network. Grey runs from \u22121 (black) to 1 (white)."),
  );
  ui.start(draw, words);
  return ui.close;
}

export default { render };
