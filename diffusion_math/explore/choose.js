// The digits that were handed in, and one of them to choose.
import { floats, pick, picture, slider } from "./common.js";

// How many, their size, and each as a row of d numbers.
export function handedIn(model) {
  const [count, height, width] = model.get("_size");
  const [pixels, d] = [floats(model.get("_x0")), height * width];
  return { count, height, width, d, images: Array.from({ length: count }, (_, i) => pixels.subarray(i * d, (i + 1) * d)) };
}

// A few digits as pictures, many as a slider, one as nothing to choose.
export function chooseDigit(ui, { count, height, width, images }, change = (i, event) => ui.set({ digit: i }, event)) {
  if (count === 1) return { el: "", put() {} };
  if (count > 12) {
    const { el, put } = slider(ui, { name: "Digit", max: count - 1, change });
    return { el, put: (i) => put({ position: i, text: `${i + 1} of ${count}` }) };
  }
  const pictures = images.map((values, i) => {
    const canvas = picture({ height, width, alt: `digit ${i + 1} of ${count}` });
    canvas.paint(values);
    return canvas;
  });
  return pick(ui, { name: "Digit", pictures, change });
}
