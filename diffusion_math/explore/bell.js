// A Gaussian over one number: its mean and its width to drag, by slider or on the curve itself.
// The noise of the draws came from Python once; all the arithmetic is here.
import {
  button,
  curve,
  dial,
  dot,
  explorable,
  floats,
  grab,
  h,
  keyOf,
  maths,
  memory,
  number,
  plot,
  readout,
  ticks,
} from "./common.js";
import { logNormal } from "./laws.js";

const EDGE = 6; // the axis of x runs from -6 to 6
const LIMITS = { mu: [-3, 3, 0.05], sigma: [0.05, 3, 0.01] };
const HEIGHTS = [0.5, 1, 2, 4, 8]; // how tall the frame is: no taller than the top of the bell needs
const POINTS = 600;

export const density = (x, mu, sigma) => Math.exp(logNormal(x, mu, sigma * sigma));

// The bell as a line of points, closer to each other where it bends: within 6 widths of its middle.
export function bell(mu, sigma) {
  const places = Array.from({ length: POINTS + 1 }, (_, i) => mu + sigma * (-6 + (12 * i) / POINTS));
  return [-EDGE, ...places, EDGE].sort((a, b) => a - b).map((x) => [x, density(x, mu, sigma)]);
}

function rounded(name, value) {
  const [low, high, step] = LIMITS[name];
  return Number((Math.round(Math.min(high, Math.max(low, value)) / step) * step).toFixed(2));
}

function computation(model) {
  const eps = Array.from(floats(model.get("_eps")));
  const changed = memory();
  const now = {};
  now.update = ({ mu, sigma }) => {
    if (!changed("law", mu, sigma)) return;
    now.points = bell(mu, sigma);
    now.top = density(mu, mu, sigma);
    now.draws = eps.map((e) => mu + sigma * e);
  };
  now.within = eps.filter((e) => Math.abs(e) < 1).length / eps.length; // scaled and shifted, no draw changes sides
  return now;
}

function bellPlot(ui, now) {
  const view = plot(ui, { alt: "a Gaussian over the numbers from -6 to 6, the part within one width of its middle filled", height: 260, left: 46 });
  let [tall, held] = [HEIGHTS[0], false]; // the frame stands still while the bell is dragged
  grab(ui, view, {
    take(x, y) {
      const { mu, sigma } = ui.state;
      const [px] = view.canvas.place(x, y);
      const [left, middle, right] = [mu - sigma, mu, mu + sigma].map((v) => Math.abs(view.canvas.place(v, 0)[0] - px));
      const side = Math.min(left, right);
      if (Math.min(side, middle) > 24) return null;
      held = true;
      return side < middle ? (left < right ? -1 : 1) : 0;
    },
    move(side, x, y, event) {
      if (side === 0) ui.set({ mu: rounded("mu", x) }, event);
      else ui.set({ sigma: rounded("sigma", side * (x - ui.state.mu)) }, event);
    },
    drop() {
      held = false;
      ui.redraw();
    },
  });

  function draw({ mu, sigma }, colours) {
    if (!held) tall = HEIGHTS.find((height) => now.top <= 0.999 * height);
    const frame = { x: [-EDGE, EDGE], y: [0, tall], xTicks: [-6, -4, -2, 0, 2, 4, 6], yTicks: ticks(tall), xLabel: "x", yLabel: "density" };
    view.area(frame, colours, (context, X, Y) => {
      context.beginPath();
      context.moveTo(X(mu - sigma), Y(0));
      for (const [x, y] of now.points) if (Math.abs(x - mu) <= 1.0001 * sigma) context.lineTo(X(x), Y(y));
      context.lineTo(X(mu + sigma), Y(0));
      context.globalAlpha = 0.22;
      context.fillStyle = colours.q;
      context.fill();
      context.globalAlpha = 0.35;
      context.fillStyle = colours.data;
      ui.mark(context, "draws", () => {
        for (const x of now.draws) context.fillRect(X(x) - 0.5, Y(0) - 12, 1, 12);
      });
      context.globalAlpha = 1;
      ui.mark(context, "density", () => curve(context, X, Y, now.points, { colour: colours.q, width: 2.5 }));
      const arm = density(mu + sigma, mu, sigma);
      ui.mark(context, "width", () => {
        curve(context, X, Y, [[mu - sigma, arm], [mu + sigma, arm]], { colour: colours.soft, width: 1.5, dash: [4, 3] });
        for (const side of [-1, 1]) dot(context, X(mu + side * sigma), Y(arm), { colour: colours.q, ring: colours.paper, radius: 6 });
      });
      ui.mark(context, "middle", () => dot(context, X(mu), Y(now.top), { colour: colours.q, ring: colours.paper, radius: 6 }));
    });
  }
  return { canvas: view.canvas, draw };
}

function render({ model, el }) {
  const traits = Object.keys(LIMITS);
  const ui = explorable(model, el, {
    title: "Bell",
    task: "Make the top higher than 1. Is that allowed?",
    answer: "It is. From {σ} = 0.39 down the top lies above 1, and the area is still 1. A density is no probability: it becomes one when it is multiplied by a width.",
    traits,
    marks: { "μ": "middle", "σ": "width", draws: "draws", density: "density", N: "density" },
  });
  const now = computation(model);
  const names = { mu: ["\u03bc", "mean: where the middle is"], sigma: ["\u03c3", "standard deviation: how wide"] };
  const dials = traits.map((name) => {
    const [low, high, step] = LIMITS[name];
    const [symbol, title] = names[name];
    return dial(ui, { symbol, name: title, low, high, step, change: (value, event) => ui.set({ [name]: value }, event) });
  });
  const view = bellPlot(ui, now);
  const numbers = readout([maths("variance {\u03c3}\u00b2"), "height at the top", "draws within one width", "area within one width"]);

  function draw(state, colours) {
    now.update(state);
    Object.assign(ui.root.explorable, { draws: now.draws, top: now.top });
    dials.forEach((one, i) => one.put(state[traits[i]]));
    view.draw(state, colours);
    numbers.put([number(state.sigma ** 2), number(now.top), `${(100 * now.within).toFixed(1)} %`, "68.3 %"]);
  }

  const words = ({ mu, sigma }) =>
    `Mean ${number(mu)}, standard deviation ${number(sigma)}, variance ${number(sigma ** 2)}. The top is ${number(now.top)} high.`;

  const keys = h(
    "figcaption",
    { class: "dm-keys" },
    keyOf("density", "q", maths("the density N({x}; {\u03bc}, {\u03c3}\u00b2): drag a dot")),
    keyOf("draws", "data", `${model.get("_eps").byteLength / 4} draws`),
  );
  ui.root.append(
    h(
      "div",
      { class: "dm-row" },
      h("figure", { class: "dm-half dm-top-aligned" }, keys, view.canvas),
      h(
        "div",
        { class: "dm-controls" },
        dials.map((one) => one.el),
        numbers.el,
        h("p", { class: "dm-note" }, "The area under the curve stays 1."),
        h("div", { class: "dm-buttons" }, button(ui, "Reset", ui.reset)),
      ),
    ),
  );
  ui.start(draw, words);
  return ui.close;
}

export default { render };
