// The package's own networks in a page: UNet and GreyLevels forward, from a safetensors file, with no library.
//
//   const network = open(bytes);                           // a model that save_model wrote, as an ArrayBuffer
//   network.forward(x, height, width, logSnr, label);      // x: channels x height x width numbers; label: or null
//
// A convolution is a sum of products, and most of the time goes there: `sums`, a kernel in WebAssembly that
// tests/kernel.py writes, as it writes `silu`, or the same in plain JavaScript where WebAssembly cannot be had. Around
// them stands the network as networks/unet.py has it, one function a layer. Pictures lie pixel by pixel, a pixel's
// channels side by side; what a 3 x 3 convolution reads has a border of zeros.
import { scales, sigmoid } from "./laws.js";

const FUSED = "AGFzbQEAAAABGQJgCn9/f39/f39/f38AYAh/f39/f39/fwACCAEBbQFtAgABAwMCAAEHDwIEc3VtcwAABHNpbHUAAQraCgKBBwIMfwt7A0AgACEQIAIhDSADIQoDQCAHIQ8gBCEOIAUhCyAJ/QACACEWIAn9AAIQIRcgCf0AAgAhGCAJ/QACECEZIAn9AAIAIRogCf0AAhAhGyAJ/QACACEcIAn9AAIQIR0DQCAOKAIAIREgBiEMIA0oAgAgEWohEiANKAIEIBFqIRMgDSgCCCARaiEUIA0oAgwgEWohFQNAIA/9AAIAIR4gD/0AAhAhHyAS/QkCACEgICAgHiAW/YUCIRYgICAfIBf9hQIhFyAT/QkCACEgICAgHiAY/YUCIRggICAfIBn9hQIhGSAU/QkCACEgICAgHiAa/YUCIRogICAfIBv9hQIhGyAV/QkCACEgICAgHiAc/YUCIRwgICAfIB39hQIhHSAP/QACICEeIA/9AAIwIR8gEv0JAgQhICAgIB4gFv2FAiEWICAgHyAX/YUCIRcgE/0JAgQhICAgIB4gGP2FAiEYICAgHyAZ/YUCIRkgFP0JAgQhICAgIB4gGv2FAiEaICAgHyAb/YUCIRsgFf0JAgQhICAgIB4gHP2FAiEcICAgHyAd/YUCIR0gD/0AAkAhHiAP/QACUCEfIBL9CQIIISAgICAeIBb9hQIhFiAgIB8gF/2FAiEXIBP9CQIIISAgICAeIBj9hQIhGCAgIB8gGf2FAiEZIBT9CQIIISAgICAeIBr9hQIhGiAgIB8gG/2FAiEbIBX9CQIIISAgICAeIBz9hQIhHCAgIB8gHf2FAiEdIA/9AAJgIR4gD/0AAnAhHyAS/QkCDCEgICAgHiAW/YUCIRYgICAfIBf9hQIhFyAT/QkCDCEgICAgHiAY/YUCIRggICAfIBn9hQIhGSAU/QkCDCEgICAgHiAa/YUCIRogICAfIBv9hQIhGyAV/QkCDCEgICAgHiAc/YUCIRwgICAfIB39hQIhHSASQRBqIRIgE0EQaiETIBRBEGohFCAVQRBqIRUgD0GAAWohDyAMQQRrIgwNAAsgDkEEaiEOIAtBAWsiCw0ACyAQIBb9CwIAIBAgF/0LAhAgECABaiEQIBAgGP0LAgAgECAZ/QsCECAQIAFqIRAgECAa/QsCACAQIBv9CwIQIBAgAWohECAQIBz9CwIAIBAgHf0LAhAgECABaiEQIA1BEGohDSAKQQRrIgoNAAsgDyEHIABBIGohACAJQSBqIQkgCEEBayIIDQALC9QDAgV/A3sDQCAAIQggAiEJIAUhCiAGIQsgByEMA0AgCf0AAgAgCv0AAgD95gEgC/0AAgD95AEhDSAN/Qw7qri/O6q4vzuquL87qri//eYB/QwAAPxCAAD8QgAA/EIAAPxC/egB/QwAAPzCAAD8wgAA/MIAAPzC/ekBIQ4gDiAO/Wr95QEhD/0M/uV/N/7lfzf+5X83/uV/NyAP/eYB/QyJhCE5iYQhOYmEITmJhCE5/eQBIA/95gH9DP/Drjr/w646/8OuOv/Drjr95AEgD/3mAf0MW5UdPFuVHTxblR08W5UdPP3kASAP/eYB/QxHWGM9R1hjPUdYYz1HWGM9/eQBIA/95gH9DPD9dT7w/XU+8P11PvD9dT795AEgD/3mAf0MGHIxPxhyMT8YcjE/GHIxP/3kASAP/eYB/QwAAIA/AACAPwAAgD8AAIA//eQBIA79av34Af0MfwAAAH8AAAB/AAAAfwAAAP2uAUEX/asB/eYBIQ8gCCAN/QwAAIA/AACAPwAAgD8AAIA/IA/95AH95wH9CwIAIAhBEGohCCAJQRBqIQkgCkEQaiEKIAtBEGohCyAMQQFrIgwNAAsgACABaiEAIAIgA2ohAiAEQQFrIgQNAAsL";
const SIMD = "AGFzbQEAAAABGQJgCn9/f39/f39/f38AYAh/f39/f39/fwACCAEBbQFtAgABAwMCAAEHDwIEc3VtcwAABHNpbHUAAQq6CwLhBwIMfwt7A0AgACEQIAIhDSADIQoDQCAHIQ8gBCEOIAUhCyAJ/QACACEWIAn9AAIQIRcgCf0AAgAhGCAJ/QACECEZIAn9AAIAIRogCf0AAhAhGyAJ/QACACEcIAn9AAIQIR0DQCAOKAIAIREgBiEMIA0oAgAgEWohEiANKAIEIBFqIRMgDSgCCCARaiEUIA0oAgwgEWohFQNAIA/9AAIAIR4gD/0AAhAhHyAS/QkCACEgIBYgICAe/eYB/eQBIRYgFyAgIB/95gH95AEhFyAT/QkCACEgIBggICAe/eYB/eQBIRggGSAgIB/95gH95AEhGSAU/QkCACEgIBogICAe/eYB/eQBIRogGyAgIB/95gH95AEhGyAV/QkCACEgIBwgICAe/eYB/eQBIRwgHSAgIB/95gH95AEhHSAP/QACICEeIA/9AAIwIR8gEv0JAgQhICAWICAgHv3mAf3kASEWIBcgICAf/eYB/eQBIRcgE/0JAgQhICAYICAgHv3mAf3kASEYIBkgICAf/eYB/eQBIRkgFP0JAgQhICAaICAgHv3mAf3kASEaIBsgICAf/eYB/eQBIRsgFf0JAgQhICAcICAgHv3mAf3kASEcIB0gICAf/eYB/eQBIR0gD/0AAkAhHiAP/QACUCEfIBL9CQIIISAgFiAgIB795gH95AEhFiAXICAgH/3mAf3kASEXIBP9CQIIISAgGCAgIB795gH95AEhGCAZICAgH/3mAf3kASEZIBT9CQIIISAgGiAgIB795gH95AEhGiAbICAgH/3mAf3kASEbIBX9CQIIISAgHCAgIB795gH95AEhHCAdICAgH/3mAf3kASEdIA/9AAJgIR4gD/0AAnAhHyAS/QkCDCEgIBYgICAe/eYB/eQBIRYgFyAgIB/95gH95AEhFyAT/QkCDCEgIBggICAe/eYB/eQBIRggGSAgIB/95gH95AEhGSAU/QkCDCEgIBogICAe/eYB/eQBIRogGyAgIB/95gH95AEhGyAV/QkCDCEgIBwgICAe/eYB/eQBIRwgHSAgIB/95gH95AEhHSASQRBqIRIgE0EQaiETIBRBEGohFCAVQRBqIRUgD0GAAWohDyAMQQRrIgwNAAsgDkEEaiEOIAtBAWsiCw0ACyAQIBb9CwIAIBAgF/0LAhAgECABaiEQIBAgGP0LAgAgECAZ/QsCECAQIAFqIRAgECAa/QsCACAQIBv9CwIQIBAgAWohECAQIBz9CwIAIBAgHf0LAhAgECABaiEQIA1BEGohDSAKQQRrIgoNAAsgDyEHIABBIGohACAJQSBqIQkgCEEBayIIDQALC9QDAgV/A3sDQCAAIQggAiEJIAUhCiAGIQsgByEMA0AgCf0AAgAgCv0AAgD95gEgC/0AAgD95AEhDSAN/Qw7qri/O6q4vzuquL87qri//eYB/QwAAPxCAAD8QgAA/EIAAPxC/egB/QwAAPzCAAD8wgAA/MIAAPzC/ekBIQ4gDiAO/Wr95QEhD/0M/uV/N/7lfzf+5X83/uV/NyAP/eYB/QyJhCE5iYQhOYmEITmJhCE5/eQBIA/95gH9DP/Drjr/w646/8OuOv/Drjr95AEgD/3mAf0MW5UdPFuVHTxblR08W5UdPP3kASAP/eYB/QxHWGM9R1hjPUdYYz1HWGM9/eQBIA/95gH9DPD9dT7w/XU+8P11PvD9dT795AEgD/3mAf0MGHIxPxhyMT8YcjE/GHIxP/3kASAP/eYB/QwAAIA/AACAPwAAgD8AAIA//eQBIA79av34Af0MfwAAAH8AAAB/AAAAfwAAAP2uAUEX/asB/eYBIQ8gCCAN/QwAAIA/AACAPwAAgD8AAIA/IA/95AH95wH9CwIAIAhBEGohCCAJQRBqIQkgCkEQaiEKIAtBEGohCyAMQQFrIgwNAAsgACABaiEAIAIgA2ohAiAEQQFrIgQNAAsL";

const up = (n, to) => Math.ceil(n / to) * to;
const gcd = (a, b) => (b ? gcd(b, a % b) : a);
const single = Math.fround; // where a wave is short, the rounding of its argument is seen: as torch rounds it
const silu = (v) => v / (1 + Math.exp(-v));

// ------------------------------------------------------------------------------------------------------ the file

// A half-precision number from its bits.
export function half(bits) {
  const [sign, power, rest] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (power === 0) return sign * rest * 2 ** -24;
  return power === 31 ? (rest ? NaN : sign * Infinity) : sign * (1 + rest / 1024) * 2 ** (power - 15);
}

// The tensors of a safetensors file, { name: { shape, data } }, and what the package wrote beside them.
export function read(buffer) {
  const size = Number(new DataView(buffer).getBigUint64(0, true));
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const kinds = {
    F64: (bytes) => new Float64Array(bytes),
    F32: (bytes) => new Float32Array(bytes),
    F16: (bytes) => Float32Array.from(new Uint16Array(bytes), half),
    BF16: (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (v) => v << 16).buffer),
  };
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(head)) {
    if (name === "__metadata__") continue;
    if (!kinds[dtype]) throw new Error(`${name} is ${dtype}; this page reads F64, F32, F16 and BF16`);
    tensors[name] = { shape, data: kinds[dtype](buffer.slice(...data_offsets.map((at) => 8 + size + at))) };
  }
  return { tensors, made: JSON.parse(head.__metadata__.diffusion_math) };
}

// ------------------------------------------------------------------------------------------------- sums of products

// Memory that grows, and the kernel that works in it. plain: without WebAssembly.
function workshop(plain) {
  const wasm = !plain && typeof WebAssembly === "object" && kernel();
  const memory = wasm ? new WebAssembly.Memory({ initial: 64 }) : null;
  let buffer = memory ? memory.buffer : new ArrayBuffer(1 << 22);
  let end = 64;
  const shop = { fast: Boolean(wasm) };

  function views() {
    shop.f32 = new Float32Array(buffer);
    shop.i32 = new Int32Array(buffer);
  }
  // Room for n floats, all 0: its address in floats.
  shop.room = (n) => {
    const at = end;
    end = up(end + 4 * n + 64, 16);
    if (end > buffer.byteLength) {
      const more = up(Math.max(end - buffer.byteLength, buffer.byteLength / 2), 65536);
      if (memory) {
        memory.grow(more / 65536);
        buffer = memory.buffer;
      } else {
        const larger = new Uint8Array(buffer.byteLength + more);
        larger.set(new Uint8Array(buffer));
        buffer = larger.buffer;
      }
      views();
    }
    return at / 4;
  };
  views();
  const plainly = { sums: (...a) => sums(shop, ...a), silu: (...a) => siluOf(shop, ...a) };
  return Object.assign(shop, wasm ? new WebAssembly.Instance(wasm, { m: { m: memory } }).exports : plainly);
}

let compiled; // once a page
function kernel() {
  for (const bytes of compiled ? [] : [FUSED, SIMD]) {
    try {
      return (compiled = new WebAssembly.Module(Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))));
    } catch {
      continue; // a browser without these instructions
    }
  }
  return compiled;
}

// What the kernels do, in plain JavaScript; see tests/kernel.py for their arguments.
function siluOf({ f32 }, out, to, from, step, pixels, scale, move, quads) {
  [out, to, from, step, scale, move] = [out, to, from, step, scale, move].map((address) => address >> 2);
  for (; pixels--; out += to, from += step) {
    for (let c = 0; c < 4 * quads; c++) f32[out + c] = silu(f32[from + c] * f32[scale + c] + f32[move + c]);
  }
}

function sums({ f32, i32 }, out, row, places, m, taps, n, k, weights, panels, bias) {
  [out, row, places, taps, weights, bias] = [out, row, places, taps, weights, bias].map((address) => address >> 2);
  for (let panel = 0; panel < panels; panel++, weights += 8 * n * k, bias += 8) {
    for (let i = 0; i < m; i++) {
      let [a, b, c, d] = [f32[bias], f32[bias + 1], f32[bias + 2], f32[bias + 3]];
      let [e, f, g, h] = [f32[bias + 4], f32[bias + 5], f32[bias + 6], f32[bias + 7]];
      for (let tap = 0, w = weights; tap < n; tap++) {
        let at = (i32[places + i] + i32[taps + tap]) >> 2;
        for (const end = at + k; at < end; at++, w += 8) {
          const v = f32[at];
          a += v * f32[w];
          b += v * f32[w + 1];
          c += v * f32[w + 2];
          d += v * f32[w + 3];
          e += v * f32[w + 4];
          f += v * f32[w + 5];
          g += v * f32[w + 6];
          h += v * f32[w + 7];
        }
      }
      f32.set([a, b, c, d, e, f, g, h], out + i * row + 8 * panel);
    }
  }
}

// ------------------------------------------------------------------------------------------------------- the layers

// Pictures of a size: pixels of `step` floats, the channels first; with a border of one pixel of zeros, or without.
function plane(shop, h, w, channels, border = 0) {
  const step = up(channels, 8);
  const at = shop.room((h + 2 * border) * (w + 2 * border) * step + 4 * step);
  return { at, h, w, channels, step, border };
}

// The weights of a layer as the kernel wants them: panels of eight outputs. weight: (out, in, taps...) or (out, in).
function layer(shop, { shape: [out, into, ...sides], data }, bias) {
  const [n, k, panels] = [sides.reduce((a, b) => a * b, 1), up(into, 4), up(out, 8) / 8];
  const at = shop.room(panels * n * k * 8);
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < into; i++) {
      for (let tap = 0; tap < n; tap++) {
        shop.f32[at + (((o >> 3) * n + tap) * k + i) * 8 + (o & 7)] = data[(o * into + i) * n + tap];
      }
    }
  }
  const beside = shop.room(8 * panels);
  shop.f32.set(bias.data, beside);
  return { n, k, panels, out, at, beside };
}

// A convolution from one plane to another, ready to be called: of 3 x 3 with a stride, or of 1 x 1.
function convolution(shop, { n, k, panels, at, beside }, from, to, stride = 1) {
  const side = n === 9 ? 3 : 1;
  const wide = from.w + 2 * from.border;
  const skip = side === 1 ? from.border : from.border - 1; // where a window begins
  const m = up(to.h * to.w, 4);
  const [places, taps] = [shop.room(m), shop.room(n)];
  for (let i = 0; i < m; i++) {
    const p = Math.min(i, to.h * to.w - 1);
    const [y, x] = [Math.floor(p / to.w) * stride + skip, (p % to.w) * stride + skip];
    shop.i32[places + i] = 4 * (from.at + (y * wide + x) * from.step);
  }
  for (let tap = 0; tap < n; tap++) shop.i32[taps + tap] = 4 * (Math.floor(tap / side) * wide + (tap % side)) * from.step;
  const addresses = [to.at, to.step, places].map((v) => 4 * v);
  return () => shop.sums(...addresses, m, 4 * taps, n, k, 4 * at, panels, 4 * beside);
}

// Group norm, times `gain` plus `shift` (functions of the channel's number), through silu or not, into a plane.
function norm(shop, from, to, gain, shift, act) {
  const { h, w, channels, step } = from;
  const [groups, pixels, quads] = [gcd(8, channels), h * w, up(channels, 4) / 4];
  const each = channels / groups;
  const [scale, move] = [shop.room(4 * quads), shop.room(4 * quads)];
  const line = (w + 2 * to.border) * to.step; // of pixels in `to`
  const first = to.at + to.border * (line + to.step);

  // What to multiply each channel by and add to it, for a group's mean to be 0 and its variance 1.
  function standardize({ f32 }) {
    for (let g = 0; g < groups; g++) {
      let [sum, square] = [0, 0];
      for (let p = 0, at = from.at + g * each; p < pixels; p++, at += step) {
        for (let i = at; i < at + each; i++) {
          const v = f32[i];
          sum += v;
          square += v * v;
        }
      }
      const mean = sum / (each * pixels);
      const inverse = 1 / Math.sqrt(Math.max(0, square / (each * pixels) - mean * mean) + 1e-5);
      for (let c = g * each; c < (g + 1) * each; c++) {
        f32[scale + c] = inverse * gain(c);
        f32[move + c] = shift(c) - mean * inverse * gain(c);
      }
    }
  }
  return () => {
    const { f32 } = shop;
    standardize(shop);
    for (let y = 0; y < h; y++) {
      let [at, into] = [from.at + y * w * step, first + y * line];
      if (act) shop.silu(4 * into, 4 * to.step, 4 * at, 4 * step, w, 4 * scale, 4 * move, quads);
      else {
        for (let x = 0; x < w; x++, at += step, into += to.step) {
          for (let c = 0; c < channels; c++) f32[into + c] = f32[at + c] * f32[scale + c] + f32[move + c];
        }
      }
    }
  };
}

// Copy a plane's channels into another plane, from its channel `first` on.
function copy(shop, from, to, first = 0) {
  const line = (from.w + 2 * to.border) * to.step;
  return () => {
    const { f32 } = shop;
    for (let y = 0, at = from.at; y < from.h; y++) {
      let into = to.at + (y + to.border) * line + to.border * to.step + first;
      for (let x = 0; x < from.w; x++, at += from.step, into += to.step) f32.copyWithin(into, at, at + from.channels);
    }
  };
}

// Blocks of side x side pixels from channels (as torch's pixel_shuffle) into a plane.
function shuffle(shop, from, to, side) {
  return () => {
    const { f32 } = shop;
    for (let y = 0; y < to.h; y++) {
      for (let x = 0; x < to.w; x++) {
        const at = from.at + (Math.floor(y / side) * from.w + Math.floor(x / side)) * from.step + (y % side) * side + (x % side);
        const into = to.at + (y * to.w + x) * to.step;
        for (let c = 0; c < to.channels; c++) f32[into + c] = f32[at + c * side * side];
      }
    }
  };
}

const add = (shop, from, to) => () => {
  const { f32 } = shop;
  for (let i = 0, n = to.h * to.w * to.step; i < n; i++) f32[to.at + i] += f32[from.at + i];
};

// A vector times a matrix, plus a bias: a linear layer of torch's.
function linear({ shape: [out, into], data }, { data: bias }, x) {
  return Float64Array.from({ length: out }, (_, o) => {
    let sum = bias[o];
    for (let i = 0, at = o * into; i < into; i++) sum += data[at + i] * x[i];
    return sum;
  });
}

// ------------------------------------------------------------------------------------------------------- the network

// A residual block, on from plane x; says: [name, (level) => {}] are told the noise level before it runs.
function block(net, name, x) {
  const { shop, weight, said } = net;
  const first = net.layer(`${name}.first.2`);
  const second = net.layer(`${name}.second`);
  const [b, { h, w }] = [first.out, x];
  const [padded, between, again, out] = [plane(shop, h, w, x.channels, 1), plane(shop, h, w, b), plane(shop, h, w, b, 1), plane(shop, h, w, b)];
  const [gain, shift] = ["weight", "bias"].map((part) => weight(`${name}.first.0.${part}`).data);
  let told = null;
  said.push((level) => (told = linear(weight(`${name}.level.weight`), weight(`${name}.level.bias`), level)));
  const steps = [
    norm(shop, x, padded, (c) => gain[c], (c) => shift[c], true),
    convolution(shop, first, padded, between),
    norm(shop, between, again, (c) => 1 + told[c], (c) => told[b + c], true),
    convolution(shop, second, again, out),
  ];
  if (x.channels === b) steps.push(add(shop, x, out));
  else {
    const side = plane(shop, h, w, b);
    steps.push(convolution(shop, net.layer(`${name}.skip`), x, side), add(shop, side, out));
  }
  net.steps.push(...steps);
  return out;
}

// Each head's softmax(q k / sqrt(d)) v, from the plane of q, k and v into one of values: two products of matrices.
function attend(shop, qkv, to, heads) {
  const [width, places] = [to.channels, to.h * to.w];
  const d = width / heads;
  const [k, deep, panels, across] = [up(d, 4), up(places, 4), up(places, 8) / 8, up(d, 8) / 8];
  const [queries, keys, scores] = [shop.room(deep * k), shop.room(8 * panels * k), shop.room(8 * panels * deep)];
  const [values, heard] = [shop.room(8 * across * deep), shop.room(8 * across * deep)];
  const [rows, lines, tap, nothing] = [shop.room(deep), shop.room(deep), shop.room(4), shop.room(8 * Math.max(panels, across))];
  for (let i = 0; i < deep; i++) {
    shop.i32[rows + i] = 4 * (queries + i * k);
    shop.i32[lines + i] = 4 * (scores + i * 8 * panels);
  }
  // weights for the kernel: panels of eight outputs
  const laid = (at, output, input, deep) => at + ((output >> 3) * deep + input) * 8 + (output & 7);
  function softmax(f32, at) {
    let [top, total] = [-Infinity, 0];
    for (let j = at; j < at + places; j++) top = Math.max(top, f32[j]);
    for (let j = at; j < at + places; j++) total += f32[j] = Math.exp(f32[j] - top);
    for (let j = at; j < at + places; j++) f32[j] /= total;
    f32.fill(0, at + places, at + 8 * panels);
  }
  return () => {
    const { f32, sums } = shop;
    for (let head = 0; head < heads; head++) {
      for (let i = 0; i < places; i++) {
        const at = qkv.at + i * qkv.step + head * d;
        for (let c = 0; c < d; c++) {
          f32[queries + i * k + c] = f32[at + c] / Math.sqrt(d);
          f32[laid(keys, i, c, k)] = f32[at + width + c];
          f32[laid(values, c, i, deep)] = f32[at + 2 * width + c];
        }
      }
      sums(4 * scores, 32 * panels, 4 * rows, deep, 4 * tap, 1, k, 4 * keys, panels, 4 * nothing);
      for (let i = 0; i < places; i++) softmax(f32, scores + i * 8 * panels);
      sums(4 * heard, 32 * across, 4 * lines, deep, 4 * tap, 1, deep, 4 * values, across, 4 * nothing);
      for (let i = 0; i < places; i++) {
        const [from, into] = [heard + i * 8 * across, to.at + i * to.step + head * d];
        f32.copyWithin(into, from, from + d);
      }
    }
  };
}

function attention(net, name, x, heads) {
  const { shop, weight } = net;
  const [z, qkv, values, out] = [1, 3, 1, 1].map((times) => plane(shop, x.h, x.w, times * x.channels));
  const [gain, shift] = ["weight", "bias"].map((part) => weight(`${name}.norm.${part}`).data);
  net.steps.push(
    norm(shop, x, z, (c) => gain[c], (c) => shift[c], false),
    convolution(shop, net.layer(`${name}.qkv`), z, qkv),
    attend(shop, qkv, values, heads),
    convolution(shop, net.layer(`${name}.out`), values, out),
    add(shop, x, out),
  );
  return out;
}

// The noise level, and the label if there are labels, as a vector.
function levelOf({ weight }, classes, logSnr, label) {
  const place = (Math.atan(logSnr / 8) * 2) / Math.PI;
  const waves = [Math.sin, Math.cos].flatMap((f) => Array.from({ length: 16 }, (_, i) => f((place * (i + 1) * Math.PI) / 2)));
  if (classes) {
    const row = label ?? classes; // the last: none given
    if (!(Number.isInteger(row) && row >= 0 && row <= classes)) throw new RangeError(`label must lie in 0..${classes - 1}, got ${label}`);
    const rows = weight("level.label.weight").data;
    for (let i = 0; i < 32; i++) waves[i] += rows[32 * row + i];
  }
  const hidden = linear(weight("level.mlp.0.weight"), weight("level.mlp.0.bias"), waves).map(silu);
  return linear(weight("level.mlp.2.weight"), weight("level.mlp.2.bias"), hidden).map(silu);
}

// Everything for pictures of h x w, in the order in which it runs: the plane to fill, the steps, and the plane to read.
function program(net, { patch, mults, blocks, heads, channels, waves, out_channels }, h, w) {
  const { shop, steps } = net;
  let x = plane(shop, h / patch, w / patch, channels * (1 + 2 * waves.length) * patch ** 2, 1);
  const input = x;
  const through = (name, from, h, w, stride = 1) => {
    const kernel = net.layer(name);
    const to = plane(shop, h, w, kernel.out);
    steps.push(convolution(shop, kernel, from, to, stride));
    return to;
  };
  const series = (name) => {
    for (let i = 0; i < blocks; i++) x = block(net, `${name}.${i}`, x);
  };
  const kept = [];
  x = through("stem", x, x.h, x.w);
  for (let i = 0; i < mults.length - 1; i++) {
    series(`down.${i}`);
    kept.push(x);
    const padded = plane(shop, x.h, x.w, x.channels, 1);
    steps.push(copy(shop, x, padded));
    x = through(`shrink.${i}`, padded, x.h / 2, x.w / 2, 2);
  }
  x = block(net, "middle.0", x);
  x = attention(net, "middle.1", x, heads);
  x = block(net, "middle.2", x);
  for (let i = mults.length - 2; i >= 0; i--) {
    const four = through(`grow.${i}`, x, x.h, x.w);
    const [large, side] = [plane(shop, 2 * x.h, 2 * x.w, four.channels / 4), kept.pop()];
    x = plane(shop, large.h, large.w, large.channels + side.channels);
    steps.push(shuffle(shop, four, large, 2), copy(shop, large, x), copy(shop, side, x, large.channels));
    series(`up.${i}`);
  }
  const padded = plane(shop, x.h, x.w, x.channels, 1);
  const [gain, shift] = ["weight", "bias"].map((part) => net.weight(`head.0.${part}`).data);
  steps.push(norm(shop, x, padded, (c) => gain[c], (c) => shift[c], true));
  const blocksOut = through("head.2", padded, x.h, x.w);
  const output = plane(shop, h, w, out_channels);
  steps.push(shuffle(shop, blocksOut, output, patch));
  return { input, output };
}

// A U-Net by its tensors and what it was made with. forward(x, h, w, logSnr, label) -> out_channels x h x w numbers.
export function unet(tensors, config, { plain = false } = {}) {
  const shop = workshop(plain);
  const weight = (name) => {
    if (!tensors[name]) throw new Error(`the file holds no ${name}`);
    return tensors[name];
  };
  const layers = {};
  const ready = new Map(); // a program for each size
  const { channels, out_channels, patch, mults, waves, classes } = config;
  const whole = patch * 2 ** (mults.length - 1);

  function prepare(h, w) {
    const made = (name) => (layers[name] ||= layer(shop, weight(`${name}.weight`), weight(`${name}.bias`)));
    const net = { shop, weight, layer: made, steps: [], said: [] };
    return { ...program(net, config, h, w), ...net };
  }

  // Pixels into blocks, each with its waves; beyond the picture its edge goes on.
  function fill({ input: { at, w, step } }, x, h, wide, H, W) {
    const { f32 } = shop;
    const kinds = [(v) => v, ...waves.flatMap((n) => [Math.sin, Math.cos].map((f) => (v) => f(single(single(2 ** n * Math.PI) * v))))];
    for (let y = 0; y < H; y++) {
      for (let u = 0; u < W; u++) {
        const place = at + ((Math.floor(y / patch) + 1) * (w + 2) + Math.floor(u / patch) + 1) * step + (y % patch) * patch + (u % patch);
        const from = Math.min(y, h - 1) * wide + Math.min(u, wide - 1);
        for (let kind = 0; kind < kinds.length; kind++) {
          for (let c = 0; c < channels; c++) f32[place + (kind * channels + c) * patch * patch] = kinds[kind](x[c * h * wide + from]);
        }
      }
    }
  }

  function forward(x, h, w, logSnr, label = null) {
    if (x.length !== channels * h * w) throw new RangeError(`x must hold ${channels} x ${h} x ${w} numbers, got ${x.length}`);
    const [H, W] = [up(h, whole), up(w, whole)];
    const size = `${H} ${W}`;
    if (!ready.has(size)) ready.set(size, prepare(H, W));
    const net = ready.get(size);
    const level = levelOf(net, classes, logSnr, label);
    net.said.forEach((tell) => tell(level));
    fill(net, x, h, w, H, W);
    net.steps.forEach((step) => step());
    const [said, { at, step }] = [new Float32Array(out_channels * h * w), net.output];
    for (let c = 0; c < out_channels; c++) {
      for (let y = 0; y < h; y++) for (let u = 0; u < w; u++) said[(c * h + y) * w + u] = shop.f32[at + (y * W + u) * step + c];
    }
    return said;
  }
  return { forward, config, fast: shop.fast };
}

// ------------------------------------------------------------------------------------------------- a law of grey levels

const [SURE, REACH, NARROW] = [1e-12, 4, 0.7]; // as in laws/levels.py
const PRIOR = [2, 0, 0, 0, -0.9, 0, 0.95, -2.9, -1.4, -3.7, 3, 3, 3];

// The mean of N(c, v) read at the levels, and the log of its mass there.
function atLevels(c, v, low, width) {
  if (!(v < NARROW * width ** 2)) return [c, 0];
  const spread = Math.max(v, SURE);
  const nearest = Math.round((c - low) / width);
  const logs = [];
  for (let i = -REACH; i <= REACH; i++) logs.push(-0.5 * ((low + width * (nearest + i) - c) ** 2 / spread));
  const top = Math.max(...logs);
  const shares = logs.map((l) => Math.exp(l - top));
  const total = shares.reduce((a, b) => a + b);
  const mean = shares.reduce((sum, share, i) => sum + share * (low + width * (nearest + i - REACH)), 0) / total;
  return [mean, top + Math.log(total) + Math.log(width) - 0.5 * Math.log(2 * Math.PI * spread)];
}

// E[x_0 | x_t] of one pixel by Bayes' rule, from the numbers that a network says; get(i) is the i-th. finest: how
// narrow a bell may be, in distances of levels; then there are thirteen numbers, and ten without it.
export function denoised(x, logSnr, get, { low, high, width, finest }) {
  const [[signal], noise] = [scales(logSnr), sigmoid(-logSnr)];
  const fine = finest !== undefined || logSnr > -Math.log(4 * NARROW * width ** 2);
  const sure = Math.max(noise, SURE);
  const centres = [low];
  const logs = [get(0) + PRIOR[0] - 0.5 * ((x - signal * low) ** 2 / sure + Math.log(sure))];
  for (let i = 1; i < 4; i++) {
    const mean = get(3 + i) + PRIOR[3 + i];
    const least = finest === undefined ? 1 : finest + (1 - finest) * sigmoid(get(9 + i) + PRIOR[9 + i]);
    const std = least * width + (high - low) * sigmoid(get(6 + i) + PRIOR[6 + i]);
    const total = signal ** 2 * std ** 2 + noise;
    const evidence = -0.5 * ((x - signal * mean) ** 2 / total + Math.log(total));
    const c = (mean * noise + signal * std ** 2 * x) / total;
    const [near, mass] = fine ? atLevels(c, (std ** 2 * noise) / total, low, width) : [c, 0];
    centres.push(near);
    logs.push(get(i) + PRIOR[i] + evidence + mass);
  }
  const top = Math.max(...logs);
  const shares = logs.map((l) => Math.exp(l - top));
  return shares.reduce((sum, s, i) => sum + s * centres[i], 0) / shares.reduce((a, b) => a + b);
}

// A model of the package's, from the bytes of its file: forward, and what it was made with.
export function open(buffer, options) {
  const { tensors, made } = read(buffer);
  const inner = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name.replace(/^(network\.)+/, ""), tensor]));
  const config = made.network.UNet ?? made.network.of.UNet;
  const net = unet(inner, config, options);
  if (made.network.UNet) return { ...net, made, tensors };
  const { levels, low, high, finest } = made.network.GreyLevels;
  const scale = { low, high, width: (high - low) / (levels - 1), finest };
  const numbers = finest === undefined ? 10 : 13;
  const forward = (x, h, w, logSnr, label = null) => {
    const said = net.forward(x, h, w, logSnr, label);
    const [channels, size] = [config.channels, h * w];
    return Float32Array.from({ length: channels * size }, (_, i) => {
      const first = numbers * Math.floor(i / size) * size + (i % size);
      return denoised(x[i], logSnr, (k) => said[first + k * size], scale);
    });
  };
  return { ...net, forward, made, tensors };
}
