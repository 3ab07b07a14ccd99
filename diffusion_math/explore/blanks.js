// Letters that are hidden: a word of sixteen blanks, and the chances of every letter at every place given those that are
// set. The law is known, each letter given the two before it, so two passes say them exactly; no network is asked.
import { button, choice, dial, explorable, floats, grab, h, key, memory, plot, readout } from "./common.js";
import { random } from "./laws.js";

const ALPHABET = " abcdefghijklmnopqrstuvwxyz";
const [L, V] = [16, ALPHABET.length];
const SQUARE = V * V;
const BLANK = "_";
const LINE = 14; // pixels between letters that can be read
const codes = (word) => Array.from(word, (letter) => ALPHABET.indexOf(letter)); // -1 for a blank

function divided(values) {
  const sum = values.reduce((total, v) => total + v, 0);
  return sum > 0 ? values.map((v) => v / sum) : values;
}

// The two passes. ahead[i] and behind[i] are for the letters at i and i + 1 together; null where those that are set never
// come together.
function passes({ begin, step }, at, more) {
  const fits = (i, v) => at[i] < 0 || at[i] === v;
  const ahead = [begin.map((p, s) => (fits(0, Math.floor(s / V)) && fits(1, s % V) ? p + more : 0))];
  for (let i = 2; i < L; i++) {
    const [before, now] = [divided(ahead[i - 2]), new Float64Array(SQUARE)];
    for (let s = 0; s < SQUARE; s++) {
      if (before[s] === 0) continue;
      for (let v = 0; v < V; v++) if (fits(i, v)) now[(s % V) * V + v] += before[s] * (step[s * V + v] + more);
    }
    ahead.push(now);
  }
  if (!ahead.every((values) => values.some((v) => v > 0))) return null;
  const behind = Array(L - 1);
  behind[L - 2] = new Float64Array(SQUARE).fill(1);
  for (let i = L - 3; i >= 0; i--) {
    const values = new Float64Array(SQUARE);
    for (let s = 0; s < SQUARE; s++) {
      if (ahead[i][s] === 0) continue;
      for (let v = 0; v < V; v++) if (fits(i + 2, v)) values[s] += (step[s * V + v] + more) * behind[i + 1][(s % V) * V + v];
    }
    behind[i] = divided(values);
  }
  return Array.from({ length: L }, (_, i) => {
    const [pair, row] = [Math.min(i, L - 2), new Float64Array(V)];
    for (let s = 0; s < SQUARE; s++) row[i < L - 1 ? Math.floor(s / V) : s % V] += ahead[pair][s] * behind[pair][s];
    return divided(row);
  });
}

// The chances of each letter at each place, and whether the law ever writes what is set.
export function chances(law, word) {
  const at = codes(word);
  if (law.sentences) {
    const fit = law.sentences.map(codes).filter((sentence) => at.every((v, i) => v < 0 || v === sentence[i]));
    const of = (i, v) => (fit.length ? fit.filter((sentence) => sentence[i] === v).length / fit.length : 1 / V);
    return { rows: Array.from({ length: L }, (_, i) => Array.from({ length: V }, (_, v) => of(i, v))), comes: fit.length > 0 };
  }
  const rows = passes(law, at, 0);
  return { rows: rows || passes(law, at, 1e-9), comes: rows !== null };
}

// A letter by its chances, and some of a list.
const draw = (row, dice) => {
  let left = dice.uniform() * row.reduce((sum, p) => sum + p, 0);
  return Math.max(0, row.findIndex((p) => (left -= p) < 0));
};
function some(list, n, dice) {
  const rest = [...list];
  return Array.from({ length: Math.min(n, list.length) }, () => rest.splice(Math.floor(dice.uniform() * rest.length), 1)[0]);
}

// A letter of the alphabet in the middle of a place. A space is its name, or its sign where there is no room; the sign
// would hang below its own line.
function letter(context, v, x, y, room) {
  const text = v ? ALPHABET[v] : context.measureText("space").width < room ? "space" : "\u2423";
  const { actualBoundingBoxAscent: above, actualBoundingBoxDescent: below } = context.measureText(text);
  context.fillText(text, x, text === "\u2423" ? y + (above - below) / 2 : y);
}

export const set = (word, i, letter) => word.slice(0, i) + letter + word.slice(i + 1);

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "A text of blanks",
    task: "Touch a square to set that letter at that place, and watch the others move. Then clear the text and let one letter be drawn a step, sixteen times; and then all sixteen in one.",
    answer: "Neighbours move most, and far letters hardly. Drawn one at a time, no text is impossible; drawn together, each letter knows only what was set before, and nearly every text is. Of two sentences one letter says all the rest.",
    marks: { place: "place" },
    traits: ["law", "word", "place", "each", "written", "never"],
  });
  const language = { begin: Float64Array.from(floats(model.get("_begin"))), step: Float64Array.from(floats(model.get("_step"))) };
  const sentences = { sentences: model.get("sentences") };
  const [changed, dice, now] = [memory(), random(19), {}];
  const lawOf = (name) => (name === "language" ? language : sentences);
  const table = plot(ui, { alt: "the chance of every letter at every place, dark where it is large; set letters are framed", height: 470, left: 8, bottom: 8 });
  const upTo = (letter) => V - 1 - letter + 0.5; // the blank on top

  // A word is counted when its last blank goes.
  function put(word, event, rest = {}, before = ui.state.word) {
    const done = !word.includes(BLANK) && before.includes(BLANK);
    const never = done && !chances(lawOf(ui.state.law), word).comes;
    ui.set({ word, ...rest, ...(done ? { written: ui.state.written + 1, never: ui.state.never + never } : {}) }, event);
  }

  function touch(x, y, event) {
    const [i, v] = [Math.floor(x), V - 1 - Math.floor(y)];
    if (i < 0 || i >= L || v < 0 || v >= V) return;
    const letter = ui.state.word[i] === ALPHABET[v] ? BLANK : ALPHABET[v];
    put(set(ui.state.word, i, letter), event, { place: i });
  }
  let held = "";
  grab(ui, table, {
    take: () => ((held = ""), 0),
    move: (_, x, y, event) => {
      const here = `${Math.floor(x)},${Math.floor(y)}`;
      if (here !== held) touch(x, y, event);
      held = here;
    },
  });

  function step(event) {
    const before = ui.state.word.includes(BLANK) ? ui.state.word : BLANK.repeat(L);
    const blanks = Array.from(before, (letter, i) => (letter === BLANK ? i : -1)).filter((i) => i >= 0);
    const { rows } = chances(lawOf(ui.state.law), before);
    let word = before;
    for (const i of some(blanks, ui.state.each, dice)) word = set(word, i, ALPHABET[draw(rows[i], dice)]);
    put(word, event, {}, before);
  }

  const which = choice(ui, {
    name: "The language",
    options: [["language", "letters of this course"], ["two sentences", "two sentences"]],
    change: (law, event) => ui.set({ law, word: BLANK.repeat(L), written: 0, never: 0 }, event),
  });
  const place = dial(ui, { name: "place", low: 0, high: L - 1, step: 1, text: (i) => String(i + 1), change: (i, event) => ui.set({ place: i }, event) });
  const each = dial(ui, { name: "letters a step", low: 1, high: L, step: 1, change: (n, event) => ui.set({ each: n }, event) });
  const facts = readout(["the text", "likeliest at the place", "texts filled", "of them impossible"]);

  function likeliest({ place: i }) {
    const order = Array.from(now.rows[i], (p, v) => [p, v]).sort((a, b) => b[0] - a[0]);
    return order.slice(0, 3).filter(([p]) => p > 0).map(([p, v]) => `${v ? ALPHABET[v] : "space"} ${Math.round(100 * p)} %`).join(", ");
  }

  function paint(state, colours) {
    const frame = { x: [-1, L], y: [-1.2, V], xTicks: [], yTicks: [] }; // the rows' letters on the left, the places below
    table.area(frame, colours, (context, X, Y) => {
      const [width, height] = [X(1) - X(0), Y(0) - Y(1)];
      for (let i = 0; i < L; i++) {
        for (let v = 0; v < V; v++) {
          context.globalAlpha = Math.sqrt(now.rows[i][v]);
          context.fillStyle = state.word[i] === BLANK ? colours.data : colours.q;
          context.fillRect(X(i) + 1, Y(V - v) + 0.5, width - 2, height - 1);
        }
      }
      context.globalAlpha = 1;
      ui.mark(context, "place", () => {
        context.strokeStyle = colours.accent;
        context.lineWidth = 2;
        context.strokeRect(X(state.place), Y(V), width, Y(0) - Y(V));
      });
      context.font = `12px ${colours.font}`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillStyle = colours.soft;
      const apart = Math.ceil(LINE / height); // where rows are low, every second letter stands beside them
      for (let v = 0; v < V; v += apart) letter(context, v, X(-0.5), Y(upTo(v)), width);
      const every = Math.ceil(LINE / width); // and below narrow columns every second number
      for (let i = 0; i < L; i += every) context.fillText(i + 1, X(i + 0.5), Y(-0.7));
      for (let i = 0; i < L; i++) {
        const likely = Array.from(now.rows[i], (p, v) => [p, v]).filter(([p]) => p >= 0.1);
        const written = []; // the likelier letter where two would touch
        for (const [p, v] of likely.sort((a, b) => b[0] - a[0])) {
          if (written.some((u) => Math.abs(u - v) < apart)) continue;
          written.push(v);
          context.fillStyle = p > 0.35 ? colours.paper : colours.ink;
          letter(context, v, X(i + 0.5), Y(upTo(v)), width);
        }
      }
    });
  }

  function drawAll(state, colours) {
    if (changed("chances", state.law, state.word)) Object.assign(now, chances(lawOf(state.law), state.word));
    Object.assign(ui.root.explorable, { rows: now.rows, comes: now.comes });
    which.put(state.law);
    place.put(state.place);
    each.put(state.each);
    facts.put([Array.from(state.word.replaceAll(" ", "\u2423")).join("\u2009"), likeliest(state), String(state.written), String(state.never)]);
    paint(state, colours);
  }

  const words = (state) =>
    `The text is ${state.word.replaceAll(BLANK, "blank ")}. At place ${state.place + 1} likeliest: ${likeliest(state)}. ${state.each} letters a step; ${state.written} texts filled, ${state.never} impossible.`;

  ui.root.append(
    h("figcaption", { class: "dm-keys" }, key("bars", "chance of a letter (rows: space, a to z)"), key("q", "a letter that is set")),
    table.canvas,
    facts.el,
    h("div", { class: "dm-grid" }, place.el, each.el),
    h(
      "div",
      { class: "dm-buttons" },
      which.el,
      button(ui, "Draw a step", step),
      button(ui, "Clear", (event) => ui.set({ word: BLANK.repeat(L) }, event)),
      button(ui, "Reset", ui.reset),
    ),
  );
  ui.phone = { show: [table.canvas], move: [place.el] };
  ui.start(drawAll, words);
  return ui.close;
}

export default { render };
