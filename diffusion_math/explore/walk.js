// A network at work: asked what x_0 it sees in an x_t, or for whole walks from noise to x_0. Beside network.js, in a Web
// Worker, or in the page where none can be had. Nothing here knows of the screen; `serve` is spoken to by messages.
import { ddim, random, scales } from "./laws.js";
import { open } from "./network.js";

// Of the times 0..from, those at which `steps` even steps end, falling; a half goes to the even neighbour, as in torch.
export function stops(from, steps) {
  return Array.from({ length: steps + 1 }, (_, i) => {
    const place = ((steps - i) * from) / steps;
    const low = Math.floor(place);
    return place - low === 0.5 ? low + (low % 2) : Math.round(place);
  });
}

// What the file says of a diffusion: its noise levels, what the network takes x_0 to be, and walks back.
export function diffusion(net) {
  const { predicts, images, event_shape: shape } = net.made;
  const [channels, height, width] = shape;
  const table = net.tensors["schedule.log_snr"].data;
  const levels = Float64Array.from({ length: table.length + 1 }, (_, t) => (t ? table[t - 1] : Infinity));
  const size = channels * height * width;

  // What the network takes x_0 to be, at a log SNR; label: or null. To guide it, ask twice and mix here.
  function x0(x, logSnr, label = null) {
    if (logSnr === Infinity) return Float32Array.from(x); // no noise: it is x itself
    const said = net.forward(x, height, width, logSnr, label);
    const [a, s] = scales(logSnr);
    if (predicts === "x0") return said;
    return said.map(predicts === "v" ? (v, i) => a * x[i] - s * v : (e, i) => (x[i] - s * e) / a);
  }

  // One frame a step, { t, x, x0 }, from x (or noise of the seed) at t = from down to t = 0.
  function* walk({ x = null, from = table.length, steps, eta = 0, label = null, seed = 0 }) {
    const { normal } = random(seed);
    const times = stops(from, Math.min(steps, from));
    x = x ? Float32Array.from(x) : Float32Array.from({ length: size }, normal);
    for (let k = 0; k + 1 < times.length; k++) {
      const [here, there] = [levels[times[k]], levels[times[k + 1]]];
      let guess = x0(x, here, label);
      if (images) guess = guess.map((v) => Math.min(1, Math.max(-1, v)));
      yield { t: times[k], x, x0: guess };
      const [a, b, std] = ddim(here, there, eta);
      const before = x;
      x = guess.map((g, i) => a * g + b * before[i] + (std ? std * normal() : 0));
    }
    yield { t: 0, x, x0: x };
  }
  return { levels, x0, walk, shape, classes: net.config.classes ?? 0, fast: net.fast };
}

// Answers messages, by post(message):
//   { id, open: bytes, plain }                 -> { id, levels, shape, classes, fast }
//   { id, ask: { x, logSnr, label } }          -> { id, x0 }
//   { id, walk: { starts: [{ seed, label, x }, ...], from, steps, eta } } -> { id, t, x: [...], x0: [...] } for each step; the last has done
//   { cancel: id }                             no more of it
// One call of the network at a time, then whoever spoke meanwhile is heard: a question comes before a walk's next step.
export function serve(post) {
  const [asks, walks] = [[], []];
  const { port1: bell, port2: rope } = new MessageChannel();
  let [model, working, calls] = [null, false, 0];

  function turn() {
    const job = asks.shift() ?? walks.shift();
    if (!job) return;
    try {
      calls++;
      if (job.ask) post({ id: job.id, x0: model.x0(job.ask.x, job.ask.logSnr, job.ask.label), calls });
      else if (step(job)) walks.push(job); // the others first
    } catch (error) {
      post({ id: job.id, error: error.message });
    }
  }

  // One of a job's walks goes one step; when all have, they are told. Is there more?
  function step(job) {
    const { starts, ...same } = job.walk;
    job.ways ??= starts.map((start) => model.walk({ ...same, ...start }));
    job.frames ??= [];
    job.frames.push(job.ways[job.frames.length].next().value);
    if (job.frames.length < job.ways.length) return true;
    const [{ t }] = job.frames;
    post({ id: job.id, t, x: job.frames.map((f) => f.x), x0: job.frames.map((f) => f.x0), done: t === 0, calls });
    job.frames = [];
    return t > 0;
  }

  bell.onmessage = () => {
    turn();
    working = asks.length + walks.length > 0;
    if (working) rope.postMessage(0);
  };

  return (message) => {
    if (message.open) {
      try {
        model = diffusion(open(message.open, { plain: message.plain }));
        post({ id: message.id, levels: model.levels, shape: model.shape, classes: model.classes, fast: model.fast });
      } catch (error) {
        post({ id: message.id, error: error.message });
      }
      return;
    }
    if (message.cancel) {
      for (const jobs of [asks, walks]) jobs.splice(0, jobs.length, ...jobs.filter(({ id }) => id !== message.cancel));
      return;
    }
    (message.ask ? asks : walks).push(message);
    if (!working) rope.postMessage(0);
    working = true;
  };
}
