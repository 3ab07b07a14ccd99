// The road, walked: x_0, x_{t-1}, x_t and x_T of one number, and the distributions that lead from one to another. A symbol
// can be picked once all behind its bar is known; then its bell is shown, and a draw from it is known, too. All is exact.
// arrow: its number on the map of chapter 8; q(x_{t-1} | x_0) is the jump, too.
import { button, dial, dot, explorable, h, keyOf, arrow, maths, memory, number, plot, readout } from "./common.js";
import { behind, byRank, logMixture, moments, noise, posteriorAt, schedule, sentMixture, signal } from "./laws.js";

const [EDGE, T, MOST] = [4, 1000, 24]; // the picture shows x from -4 to 4; steps; symbols picked
const UNIT = [{ weight: 1, mean: 0, variance: 1 }];
const LINEAR = schedule({ kind: "linear", T });
const COLUMNS = { x0: 0, guess: 0, x_prev: 1, x_t: 2, x_T: 3 };
const NAMES = { x0: "{x}_0_", guess: "the guess", x_prev: "{x}_t\u22121_", x_t: "{x}_t_", x_T: "{x}_T_" };
export const SYMBOLS = {
  data: { arrow: 1, needs: [], makes: "x0", text: "{q}({x}_0_)", colour: "data", says: "A draw from the data. It needs nothing." },
  before: { arrow: 3, needs: ["x0"], makes: "x_prev", text: "{q}({x}_t\u22121_ | {x}_0_)", colour: "q", says: "The jump, one step short of {t}. It needs the datum alone." },
  step: { arrow: 2, needs: ["x_prev"], makes: "x_t", text: "{q}({x}_t_ | {x}_t\u22121_)", colour: "q", says: "A step: a little smaller, and a little noise. It needs nothing but what was there before." },
  jump: { arrow: 3, needs: ["x0"], makes: "x_t", text: "{q}({x}_t_ | {x}_0_)", colour: "q", says: "The jump: {t} steps at once. It needs the datum alone." },
  end: { arrow: 4, needs: ["x0"], makes: "x_T", text: "{q}({x}_T_ | {x}_0_)", colour: "q", says: "The end: nearly N(0, 1), whatever the datum was." },
  posterior: { arrow: 5, needs: ["x_t", "x0"], makes: "x_prev", text: "{q}({x}_t\u22121_ | {x}_t_, {x}_0_)", colour: "q", says: "Back, if told: Bayes\u2019 rule needs {x}_t_ and the datum." },
  guess: { arrow: 10, needs: ["x_t"], makes: "guess", text: "E[{x}_0_ | {x}_t_]", colour: "p", says: "What {x}_t_ says of the datum, on average: what a network learns. The mixture around it is {q}({x}_0_ | {x}_t_)." },
  p: { arrow: 8, needs: ["x_t", "guess"], makes: "x_prev", text: "{p}({x}_t\u22121_ | {x}_t_)", colour: "p", says: "Our step back: the posterior, with the guess in the datum\u2019s place. It needs {x}_t_ alone, since the guess comes from it." },
};
const ORDER = Object.keys(SYMBOLS);
// around the number of a symbol's arrow on the map
const RING = "display: inline-block; min-width: 16px; margin-right: 7px; border: 1.5px solid; border-radius: 9px; font-size: 11px; line-height: 15px; text-align: center;";

// The law of a symbol as bells, given what is known; its draw at the rank of z.
export function lawOf(name, known, mixture, t) {
  const at = (i) => [signal, noise].map((f) => f(LINEAR.logAlphaBar[i]));
  const one = (mean, variance) => [{ weight: 1, mean, variance }];
  const jumped = (i) => one(at(i)[0] * known.x0, at(i)[1] ** 2);
  const back = (x0) => {
    const { a, b, v } = posteriorAt(LINEAR, t);
    return one(a * x0 + b * known.x_t, v);
  };
  if (name === "data") return mixture;
  if (name === "before") return jumped(t - 1);
  if (name === "jump") return jumped(t);
  if (name === "end") return jumped(T);
  if (name === "step") return one(Math.sqrt(1 - LINEAR.beta[t]) * known.x_prev, LINEAR.beta[t]);
  if (name === "guess") return behind(mixture, at(t)[0], at(t)[1] ** 2, known.x_t);
  return back(name === "p" ? known.guess : known.x0);
}

// All that is known after these symbols, their laws, and one term of the bound where both steps back can be had.
export function walkRoad(walked, mixture, t, eps) {
  const [known, laws, given] = [{}, {}, {}];
  for (const name of walked) {
    given[name] = { ...known };
    laws[name] = lawOf(name, known, mixture, t);
    known[SYMBOLS[name].makes] = name === "guess" ? moments(laws[name]).mean : byRank(UNIT, laws[name], eps[ORDER.indexOf(name)]);
  }
  let kl = null;
  if ("x0" in known && "x_t" in known) {
    const { mean } = moments(lawOf("guess", known, mixture, t));
    const { a, v } = posteriorAt(LINEAR, t);
    kl = (a * (known.x0 - mean)) ** 2 / (2 * v);
  }
  return { known, laws, given, kl };
}

function lacking(name, walked) {
  const known = new Set(walked.map((one) => SYMBOLS[one].makes));
  return SYMBOLS[name].needs.filter((one) => !known.has(one));
}

// The four columns, an arrow from what was given to what came of it, and the bells.
function board(ui, now) {
  const view = plot(ui, { alt: "four columns for the datum, one step before, x at t and the end, with the densities that were picked and a dot for each draw", height: 236, left: 30, bottom: 12 });
  const label = { 0: "x\u2080", 1: "x\u209c\u208b\u2081", 2: "x\u209c", 3: "x\u1d1b" };

  function bell(context, X, Y, law, column, colour, strong) {
    const ys = Array.from({ length: 321 }, (_, i) => EDGE * (i / 160 - 1));
    for (const c of law) for (let k = -20; k <= 20; k++) ys.push(c.mean + (k / 5) * Math.sqrt(c.variance)); // a narrow one, too
    ys.sort((a, b) => a - b);
    const logs = ys.map((y) => logMixture(law, y));
    const top = Math.max(...logs);
    context.beginPath();
    ys.forEach((y, i) => logs[i] > top - 6 && context.lineTo(X(column + 0.55 * Math.exp(logs[i] - top)), Y(y)));
    context.strokeStyle = context.fillStyle = colour;
    context.globalAlpha = strong ? 0.3 : 0.07;
    context.fill();
    context.globalAlpha = strong ? 1 : 0.35;
    context.lineWidth = strong ? 2 : 1;
    context.stroke();
    context.globalAlpha = 1;
  }

  function draw({ walked }, colours) {
    const last = walked.at(-1);
    const frame = { x: [-0.1, 3.65], y: [-EDGE, EDGE], yTicks: [-4, -2, 0, 2, 4] };
    view.area(frame, colours, (context, X, Y) => {
      context.font = `13px ${colours.font}`;
      [context.textAlign, context.textBaseline] = ["left", "top"];
      for (const [column, text] of Object.entries(label)) {
        context.strokeStyle = colours.rule;
        context.strokeRect(X(Number(column)), Y(EDGE), 0, Y(-EDGE) - Y(EDGE));
        context.fillStyle = colours.ink;
        context.fillText(text, X(Number(column)) + 5, Y(EDGE) + 2);
      }
      for (const name of new Set(walked)) {
        const { makes, colour } = SYMBOLS[name];
        ui.mark(context, name, () => bell(context, X, Y, now.laws[name], COLUMNS[makes], colours[colour], name === last));
      }
      if (last) {
        const { needs, makes, colour } = SYMBOLS[last];
        for (const one of needs) {
          const [from, to] = [[one, now.given[last][one]], [makes, now.known[makes]]].map(([k, v]) => [X(COLUMNS[k]), Y(v)]);
          const share = 1 - 9 / Math.max(9, Math.hypot(to[0] - from[0], to[1] - from[1])); // up to the dot
          arrow(context, ...from, from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1]), { colour: colours[colour], width: 2, head: 8 });
        }
      }
      for (const [name, x] of Object.entries(now.known)) {
        const colour = name === "x0" ? colours.data : name === "guess" ? colours.p : colours.ink;
        dot(context, X(COLUMNS[name]), Y(x), { colour, ring: colours.paper, radius: last && SYMBOLS[last].makes === name ? 7 : 5 });
      }
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const ui = explorable(model, el, {
    title: "The road, walked",
    task: "Come to {x}_t\u22121_ in three ways. What must each of them be told? Which one is left when nobody tells the datum?",
    answer: "From {x}_0_ by a jump; from {x}_t_ and {x}_0_ by Bayes\u2019 rule; from {x}_t_ alone by {p}, which puts the guess in the datum\u2019s place. Only {p} is left on the way back, where there is no datum yet. So training asks that {p} be near the second, and the KL between the two is the term of the bound.",
    traits: ["walked", "t"],
    marks: Object.fromEntries(ORDER.map((name) => [name, name])),
  });
  const [mixture, eps] = [sentMixture(model), model.get("_eps")];
  const [now, changed] = [{}, memory()];
  let refused = null;
  const pick = (name, event) => {
    const { walked } = ui.state;
    refused = lacking(name, walked).length ? name : null;
    if (refused || walked.length >= MOST) return ui.redraw(event);
    ui.set({ walked: [...walked, name] }, event);
  };
  const symbols = ORDER.map((name) => {
    const one = button(ui, "", (event) => pick(name, event));
    const { arrow: nth, text, colour } = SYMBOLS[name];
    one.append(h("span", { style: `${RING} border-color: var(--dm-${colour})` }, nth), ...maths(text));
    one.dataset.mark = name;
    return one;
  });
  const change = (t, event) => {
    refused = null;
    ui.set({ t }, event);
  };
  const reset = (event) => {
    refused = null;
    ui.reset(event);
  };
  const time = dial(ui, { symbol: "t", name: "step on the way to noise", low: 2, high: T, step: 1, change });
  const facts = readout(["mean of what was picked", "its variance", "drawn", maths("KL({q} \u2225 {p}), nats")]);
  const note = h("p", { class: "dm-note" });
  const view = board(ui, now);

  function draw(state, colours) {
    const { walked, t } = state;
    if (changed("road", walked, t)) Object.assign(now, walkRoad(walked, mixture, t, eps));
    const bells = Object.fromEntries(Object.entries(now.laws).map(([name, law]) => [name, moments(law)]));
    Object.assign(ui.root.explorable, { known: now.known, bells, kl: now.kl });
    time.put(t);
    view.draw(state, colours);
    symbols.forEach((one, i) => {
      const closed = lacking(ORDER[i], walked).length > 0;
      one.setAttribute("aria-disabled", String(closed));
      one.classList.toggle("dm-closed", closed);
    });
    const last = walked.at(-1);
    const { mean, variance } = bells[last] ?? {};
    const drawn = last && now.known[SYMBOLS[last].makes];
    facts.put([mean, variance, drawn, now.kl].map((v) => (v == null ? "\u2013" : number(v))));
    const missing = refused && lacking(refused, walked).map((one) => NAMES[one]);
    const text = missing ? `${SYMBOLS[refused].text} must be told ${missing.join(" and ")}, which nobody has drawn yet.` : last ? SYMBOLS[last].says : "Pick a symbol that needs nothing.";
    if (changed("note", text)) note.replaceChildren(...maths(text));
  }

  const words = ({ walked, t }) => {
    const told = Object.entries(now.known).map(([name, x]) => `${NAMES[name].replaceAll(/[{}_]/g, "")} is ${number(x)}`);
    const lack = refused ? `${SYMBOLS[refused].text} cannot be picked yet. `.replaceAll(/[{}_]/g, "") : "";
    return `${lack}At t = ${t}, after ${walked.length} symbols: ${told.join(", ") || "nothing is known"}.`;
  };

  const keys = h("figcaption", { class: "dm-keys" }, keyOf("data", "data", "the data"), keyOf("jump", "q", maths("{q}: what is so")), keyOf("p", "p", maths("{p}: what we fit")));
  const figure = h("figure", { class: "dm-wide" }, keys, view.canvas);
  const row = h("div", { class: "dm-buttons", role: "group", "aria-label": "distributions to pick" }, symbols);
  ui.root.append(
    figure,
    row,
    note,
    h("div", { class: "dm-grid" }, h("div", { class: "dm-controls" }, time.el), h("div", { class: "dm-controls" }, facts.el)),
    h("div", { class: "dm-buttons" }, button(ui, "Reset", reset)),
  );
  ui.phone = { show: [figure], move: [time.el, row, note] };
  ui.start(draw, words);
  return ui.close;
}

export default { render };
