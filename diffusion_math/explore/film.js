// The denoising film: a sample on its way from noise to a digit, x_t and the guess of x_0 beside each other.
// The frames came from Python once, a byte a pixel: of them nothing is computed here but which is shown. Where the network
// is at hand, in the page, it draws new films.
import {
  button,
  choice,
  curve,
  dial,
  dot,
  explorable,
  floats,
  h,
  key,
  maths,
  memory,
  nearest,
  picture,
  pick,
  player,
  plot,
  scrub,
  slider,
  ticks,
} from "./common.js";
import { heading, live } from "./live.js";

const [LASTS, LONGEST] = [10_000, 500]; // milliseconds: of a film from its first frame to its last, of one frame at most
const DRAWN = 3_000; // of a film that was drawn here
const CALLS = [1, 2, 3, 5, 10, 20, 50, 100, 200]; // of the network, for one digit

// The values behind the bytes of one picture: 0 is `low`, 255 is `high`.
export const unpack = (bytes, low, high) => Float32Array.from(bytes, (v) => low + ((high - low) * v) / 255);

// The film that came from Python: frames, the times of each, and how far each guess is from the end.
function storedFilm(model) {
  const [seeds, frames, height, width, both] = model.get("_size");
  const view = model.get("_frames");
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const d = height * width;
  const [low, high] = model.get("_range");
  const moves = floats(model.get("_moves"));
  const times = model.get("_times"); // falling: T first, 0 last
  const pictureAt = (seed, frame, which) => {
    const at = ((seed * frames + frame) * (both ? 2 : 1) + which) * d;
    return unpack(bytes.subarray(at, at + d), low, high);
  };
  return {
    seeds,
    frames,
    height,
    width,
    both,
    times,
    taken: times.map((t) => times[0] - t),
    x: (seed, frame) => pictureAt(seed, frame, 0),
    guess: (seed, frame) => (both ? pictureAt(seed, frame, 1) : null),
    moves: (seed) => moves.subarray(seed * frames, (seed + 1) * frames),
    come: () => frames,
  };
}

// A film that the network draws here, one frame after the other: add({ t, x, x0 }).
export function drawnFilm(seeds, steps) {
  const got = [];
  const off = (a, b) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length);
  const all = Array.from({ length: steps + 1 }, (_, i) => i);
  return {
    seeds,
    frames: steps + 1,
    times: [],
    taken: all,
    add({ t, x, x0 }) {
      got.push({ x, x0 });
      this.times.push(t);
    },
    x: (seed, frame) => got[frame].x[seed],
    guess: (seed, frame) => got[frame].x0[seed],
    moves: (seed) => (got.length > steps ? got.map(({ x0 }) => off(x0[seed], got[steps].x[seed])) : []),
    come: () => got.length,
  };
}

function computation(model) {
  const stored = storedFilm(model);
  const { height, width, both } = stored;
  const changed = memory();
  const now = { height, width, both, stored, film: stored };
  now.update = ({ frame, seed }) => {
    const { film } = now;
    if (changed("moves", film, seed, film.come())) now.moves = film.moves(seed);
    if (!changed("frame", film, frame, seed)) return;
    now.x = film.x(seed, frame);
    now.guess = film.guess(seed, frame);
  };
  return now;
}

// A picture with its name under it.
function screen(now, room, alt, ...caption) {
  const canvas = picture({ height: now.height, width: now.width, alt, className: "dm-big" });
  canvas.style.width = `${Math.min(room, Math.floor(room / now.width) * now.width) || room}px`;
  return { canvas, el: h("figure", { class: "dm-picture" }, canvas, h("figcaption", { class: "dm-below" }, caption)) };
}

// How far the picture moved in each step, and where the film stands.
function distance(ui, now, moveTo) {
  const { canvas, area, inset } = plot(ui, { alt: "how far the guess is from the digit that comes out, over the film", height: 130, left: 44 });
  scrub(ui, canvas, inset, (share, event) => moveTo(Math.round(share * (now.film.frames - 1)), event));

  function draw({ frame }, colours) {
    const { taken } = now.film;
    const last = taken.at(-1);
    const known = now.moves.length > 0; // how far from the end is known at the end
    const top = known ? Math.max(0.01, 1.1 * Math.max(...now.moves)) : 1;
    const xTicks = ticks(last).filter((tick) => Number.isInteger(tick));
    const frameOf = { x: [0, last], y: [0, top], xTicks, yTicks: known ? ticks(top, 3) : [], xLabel: "steps taken", yLabel: "distance" };
    area(frameOf, colours, (context, X, Y) => {
      curve(context, X, Y, [[taken[frame], 0], [taken[frame], top]], { colour: colours.q, width: 1.5 });
      if (!known) return;
      curve(context, X, Y, taken.map((x, i) => [x, now.moves[i]]), { colour: colours.p, width: 2.5 });
      dot(context, X(taken[frame]), Y(now.moves[frame]), { colour: colours.p, ring: colours.paper, radius: 5.5 });
    });
  }
  return { canvas, draw };
}

// What is drawn on demand: a class, the number of the network's calls, how much fresh noise; one digit, or ten at once.
function easel(ui, now, net, begin, come) {
  const first = { label: "", steps: 20, eta: 0, drawn: 0 };
  const own = { ...first };
  const turn = (changes, event) => {
    Object.assign(own, changes);
    ui.redraw(event);
  };
  const kind = choice(ui, { name: "Which digit", options: [["", "any"]], change: (label, event) => turn({ label }, event) });
  const calls = slider(ui, {
    name: "calls of the network",
    max: CALLS.length - 1,
    marks: [0, CALLS.length - 1].map((i) => [i, String(CALLS[i])]),
    change: (i, event) => turn({ steps: CALLS[i] }, event),
  });
  const fresh = dial(ui, { symbol: "\u03b7", name: "fresh noise in a step", low: 0, high: 1, step: 0.1, change: (eta, event) => turn({ eta }, event) });
  const one = button(ui, "Draw a digit", () => go(1));
  const ten = button(ui, "Ten at once", () => go(10));
  const says = h("p", { class: "dm-note" });
  const strip = h("div");
  const changed = memory();
  let [row, pictures] = [null, []];

  // The classes that the network knows, once it is there.
  function offer() {
    if (!net.client || !changed("client", net.client)) return;
    const classes = Array.from({ length: net.client.classes }, (_, c) => [String(c), String(c)]);
    const each = classes.length ? [["each", `one of each, ${classes[0][0]} to ${classes.at(-1)[0]}`]] : [];
    kind.select.replaceChildren(...[["", "any"], ...classes, ...each].map(([value, text]) => h("option", { value }, text)));
    kind.el.hidden = !classes.length;
  }

  async function go(n) {
    const client = await net.wake();
    if (!client) return;
    const labelOf = (i) => (own.label === "each" ? (n > 1 ? i : own.drawn) % client.classes : own.label === "" ? null : Number(own.label));
    const starts = Array.from({ length: n }, (_, i) => ({ seed: 7919 * (own.drawn + i) + 17, label: labelOf(i) }));
    own.drawn += n;
    const film = drawnFilm(n, Math.min(own.steps, client.levels.length - 1));
    film.labels = starts.map(({ label }) => label);
    begin(film);
    net.walk({ starts, steps: own.steps, eta: own.eta }, (frame) => {
      film.add(frame);
      come(film, frame.done);
    });
  }

  // Ten at once stand in a row, from which one is chosen.
  function draw({ frame, seed }) {
    offer();
    kind.put(own.label);
    calls.put({ position: nearest(CALLS, own.steps), text: String(own.steps) });
    fresh.put(own.eta);
    const text = net.trouble || (net.client ? "The network works in this page: nothing leaves it, and nothing is looked up." : "The network comes when it is first asked.");
    if (says.textContent !== text) says.textContent = text;
    const { film } = now;
    if (changed("film", film)) {
      row = null;
      strip.replaceChildren();
      if (film !== now.stored && film.seeds > 1) {
        pictures = Array.from({ length: film.seeds }, (_, i) => picture({ height: now.height, width: now.width, alt: `digit ${i + 1} of ${film.seeds}` }));
        row = pick(ui, { name: "Look at one of them", pictures, change: (i, event) => ui.choose(i, event) });
        row.el.classList.add("dm-ten");
        strip.append(row.el);
      }
    }
    if (!row) return;
    if (changed("row", film, frame)) pictures.forEach((canvas, i) => canvas.paint(film.x(i, frame)));
    row.put(seed);
  }
  const reset = () => Object.assign(own, first);
  const el = h(
    "div",
    { class: "dm-easel" },
    strip,
    h("div", { class: "dm-row" }, h("div", { class: "dm-buttons dm-still" }, kind.el, one, ten), h("div", { class: "dm-pairs dm-grow" }, calls.el, fresh.el)),
    says,
  );
  return { el, draw, reset };
}

const ANSWER =
  "In the guess long before the noise: which digit it shall be is settled while most of {x}_t_ is still static. What comes after is detail.";

function render({ model, el }) {
  const ui = explorable(model, el, { title: "Denoising film", answer: ANSWER, traits: ["frame", "seed"] });
  const now = computation(model);
  const net = live(ui, model);
  const at = { frame: 0, seed: 0 }; // of a film that was drawn here; of the stored one the traits say it
  const place = () => (now.film === now.stored ? ui.state : at);
  const go = (changes, event) => {
    if (now.film === now.stored) return ui.set(changes, event);
    Object.assign(at, changes);
    ui.redraw(event);
  };
  ui.choose = (seed, event) => go({ seed }, event);
  const room = net ? 224 : 252;
  const noisy = screen(now, room, "x at step t, on its way from noise to a digit", maths("{x}_t_"), h("span"));
  const clean = now.both ? screen(now, room, "the guess of the clean digit, made from x at step t", maths("the guess of {x}_0_ made from it")) : null;
  const moveTo = (frame, event) => {
    const to = Math.min(frame, now.film.come() - 1); // what is not drawn yet cannot be shown
    if (to !== place().frame) go({ frame: to }, event);
    else ui.redraw(event);
  };
  const steps = slider(ui, { name: "steps taken", max: now.film.frames - 1, change: moveTo });
  const seed = slider(ui, { name: "sample", max: now.film.seeds - 1, change: (value, event) => go({ seed: value }, event) });
  const on = (by, event) => {
    const { frame } = place();
    const from = frame === now.film.frames - 1 ? 0 : frame; // at its end a film starts again
    moveTo(Math.min(now.film.frames - 1, from + by), event);
  };
  const pause = () => Math.min(LONGEST, (now.film === now.stored ? LASTS : DRAWN) / (now.film.frames - 1));
  let last = 0;
  const play = player(ui, {
    leap: ["A tenth on", (event) => on(Math.max(1, Math.round(now.film.frames / 10)), event)],
    step(event) {
      if (event.first) last = event.timeStamp - pause(); // the first press shows at once that it plays
      const due = Math.floor((event.timeStamp - last) / pause()); // more than one where a frame is shorter than the screen's
      if (due < 1) return true;
      last += due * pause();
      on(due, event);
      return place().frame < now.film.frames - 1;
    },
  });

  // A film is drawn: with its first frame it is shown, and plays; where less motion is asked for, its end is shown.
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  function begin(film) {
    play.stop();
    now.next = film;
  }
  function come(film, done) {
    if (film !== now.next) return; // another was begun since
    if (film !== now.film) {
      now.film = film;
      Object.assign(at, { frame: 0, seed: 0 });
      if (!still.matches) play.el.click();
    }
    if (done && still.matches) at.frame = film.frames - 1;
    ui.redraw();
  }
  const panel = net ? easel(ui, now, net, begin, come) : null;
  const reset = button(ui, "Reset", (event) => {
    play.stop();
    if (net) net.stop();
    if (panel) panel.reset();
    [now.film, now.next] = [now.stored, null];
    ui.reset(event);
  });
  const graph = now.both ? distance(ui, now, moveTo) : null;
  const told = noisy.el.querySelector("span");

  function draw(_, colours) {
    const { film } = now;
    const { frame, seed: which } = place();
    now.update(place());
    Object.assign(ui.root.explorable, { x: now.x, guess: now.guess, moves: now.moves, film, at: place() });
    noisy.canvas.paint(now.x);
    if (clean) clean.canvas.paint(now.guess);
    const text = `, t = ${film.times[frame]}`;
    if (told.textContent !== text) told.textContent = text;
    const ends = (list) => [...new Set(list)];
    const end = film.frames - 1;
    steps.put({ position: frame, max: end, text: `${film.taken[frame]} of ${film.taken[end]}`, marks: [0, end].map((i) => [i, String(film.taken[i])]) });
    seed.put({ position: which, max: film.seeds - 1, text: `${which + 1} of ${film.seeds}`, marks: ends([0, film.seeds - 1]).map((i) => [i, String(i + 1)]) });
    if (graph) graph.draw(place(), colours);
    if (panel) panel.draw(place());
  }

  function words() {
    const { film } = now;
    const { frame, seed: which } = place();
    const far = now.both && now.moves.length ? ` The guess is ${now.moves[frame].toFixed(2)} from the digit that comes out.` : "";
    const name = film === now.stored ? "Sample" : "New digit";
    const label = film.labels?.[which] ?? null;
    const asked = label === null ? "" : `, asked to be a ${label}`;
    return `${name} ${which + 1} of ${film.seeds}${asked}: ${film.taken[frame]} of ${film.taken.at(-1)} steps taken, t = ${film.times[frame]}.${far}`;
  }

  const keys = h("figcaption", { class: "dm-keys" }, key("p", maths("distance of the guess from the result")));
  const note = net ? "The film above was made beforehand; your own are drawn here." : "The film was made beforehand, and runs here without the network.";
  const task = `Play it, or drag. From which step on can you tell the digit${clean ? ": in the guess, and in the noise" : ""}?`;
  heading(ui, "From noise to a digit", net ? `${task} Then draw your own: how few calls of the network still make one?` : task);
  ui.root.append(
    h(
      "div",
      { class: net ? "dm-row dm-slim" : "dm-row" },
      noisy.el,
      clean ? clean.el : "",
      h("div", { class: "dm-controls" }, steps.el, seed.el, h("div", { class: "dm-buttons dm-still" }, play.el, reset)),
    ),
    graph ? h("figure", { class: "dm-half" }, keys, graph.canvas) : "",
    panel ? panel.el : "",
    h("p", { class: "dm-note" }, `${note} Grey runs from \u22121 (black) to 1 (white).`),
  );
  ui.phone = { show: [noisy.el, clean?.el].filter(Boolean), move: [steps.el, play.el] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
