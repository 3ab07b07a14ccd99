// One of the digits that were handed in.
import { pick, picture, slider } from "./common.js";

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
