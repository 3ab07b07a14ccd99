// A picture to draw on, with a finger, a mouse or keys.
import { h, picture } from "./common.js";

// One touch of the pen at (x, y), in pixels: ink makes white, the eraser black, softly at the rim.
export function touch(values, width, x, y, erase) {
  const out = Float32Array.from(values);
  for (let i = 0; i < out.length; i++) {
    const far = Math.hypot((i % width) + 0.5 - x, Math.floor(i / width) + 0.5 - y);
    const level = 2 * Math.min(1, Math.max(0, 1.6 - far)) - 1;
    out[i] = erase ? Math.min(out[i], -level) : Math.max(out[i], level);
  }
  return out;
}

// The picture moved by whole pixels so that its ink balances in the middle, as MNIST's digits do.
export function centred(values, width) {
  const height = values.length / width;
  let [ink, x, y] = [0, 0, 0];
  values.forEach((v, i) => {
    const m = (v + 1) / 2;
    [ink, x, y] = [ink + m, x + m * (i % width), y + m * Math.floor(i / width)];
  });
  if (ink < 1e-6) return Float32Array.from(values);
  const [right, down] = [(width - 1) / 2 - x / ink, (height - 1) / 2 - y / ink].map((v) => Math.floor(v + 0.5));
  return Float32Array.from(values, (_, i) => {
    const [u, v] = [(i % width) - right, Math.floor(i / width) - down];
    return u < 0 || v < 0 || u >= width || v >= height ? -1 : values[v * width + u];
  });
}

// A picture that can be drawn on, by the pointer or by keys. values() is what is drawn now, height x width numbers from -1
// to 1; put(values, event) takes what a touch makes of it; done(event) is called when the pen is lifted.
export function pad(ui, { height, width, values, put, erasing = () => false, done = () => {}, room = 280 }) {
  const canvas = picture({ height, width, alt: "", className: "dm-big dm-draw" });
  const side = Math.floor(room / width) * width || room;
  const says = "the picture: arrow keys move the pen, Space draws, Shift and an arrow draw on the way";
  for (const [name, value] of Object.entries({ role: "application", tabindex: 0, "aria-label": says, "data-lm-suppress-shortcuts": "true" })) {
    canvas.setAttribute(name, value);
  }
  const cursor = h("div", { class: "dm-cursor", "aria-hidden": "true" });
  const el = h("div", { class: "dm-canvas", style: `max-width: ${side}px` }, canvas, cursor);
  let [at, last] = [[width / 2, height / 2].map((v) => Math.floor(v) + 0.5), null];

  const here = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };

  // From the last point to this one, so that a fast stroke leaves no gaps.
  function stroke([x, y], event) {
    const [u, v] = last ?? [x, y];
    const steps = Math.max(1, Math.ceil(Math.hypot(x - u, y - v)));
    let drawn = values();
    for (let i = 1; i <= steps; i++) {
      const share = i / steps;
      drawn = touch(drawn, width, u + share * (x - u), v + share * (y - v), erasing());
    }
    last = [x, y];
    put(drawn, event);
  }

  ui.listen(canvas, "pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    last = null;
    stroke(here(event), event);
  });
  ui.listen(canvas, "pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && stroke(here(event), event));
  ui.listen(canvas, "pointerup", done);
  ui.listen(canvas, "keyup", (event) => event.key !== "Tab" && done(event));
  ui.listen(canvas, "keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way && event.key !== " ") return;
    event.preventDefault();
    const before = at;
    if (way) at = at.map((v, i) => Math.min([width, height][i] - 0.5, Math.max(0.5, v + way[i])));
    show();
    if (way && !event.shiftKey) return;
    last = way ? before : null;
    stroke(at, event);
  });

  function show() {
    cursor.style.left = `${(100 * at[0]) / width}%`;
    cursor.style.top = `${(100 * at[1]) / height}%`;
  }
  show();
  return { el, canvas };
}

