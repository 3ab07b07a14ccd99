// The network of an explorable, at work in the page. Its weights come once a page: from the page itself, where they stand
// beside the stored widgets, or from the kernel, which is asked for them. It works in a Web Worker, so that no drag
// stutters; where none can be had, in the page, one call at a time. Python puts NETWORK, the worker's code, above this.
import { h } from "./common.js";

const PATIENCE = 4_000; // milliseconds for Python to send the weights, before a word about it
const LATE = "The network is on its way from Python. If it does not come, run this cell.";

// ui and model as render has them. null where the explorable has no network, or none can be had here.
//   net.wake()                    fetch and start it, now; without that, when the explorable is first seen
//   net.client                    { levels, shape, classes, fast, threaded } once it is there, else null
//   net.trouble                   why there is none, in words; "" while all is well
//   net.ask({ x, logSnr, label }, then)   then(x0), unless something newer was asked meanwhile: the newest wins
//   net.walk({ starts, from, steps, eta }, frame)   frame({ t, x, x0, done }) for each step; ends the walk before it
//   net.stop()                    no more of the walk
//   net.quiet()                   is it there, or in trouble, and has nothing left to do?
export function live(ui, model) {
  const name = model.get("_network");
  if (!name || !(networkOnPage(name) || typeof model.send === "function")) return null;
  const net = { client: null, trouble: "" };
  let [waking, busy, next, turn, walking] = [null, false, null, 0, 0];

  // Python may be busy, or gone: then the reader hears of it.
  function late() {
    if (net.client || net.trouble || ui.signal.aborted) return;
    net.trouble = LATE;
    ui.redraw();
  }
  net.wake = () => {
    if (waking) return waking;
    setTimeout(late, PATIENCE);
    waking = networkFor(name, model, ui.signal).then(
      (client) => {
        [net.client, net.trouble] = [client, ""];
        ui.redraw();
        put();
        return client;
      },
      (error) => {
        net.trouble = error.message;
        ui.redraw();
        return null;
      },
    );
    return waking;
  };
  const fail = (error) => {
    net.trouble = error.message;
    ui.redraw();
  };

  function put() {
    if (busy || !next || !net.client) return;
    const [{ request, then }] = [next];
    [busy, next] = [true, null];
    net.client.send({ ask: request }, ({ x0, error }) => {
      busy = false;
      if (ui.signal.aborted) return;
      if (error) fail(new Error(error));
      else then(x0);
      put();
    });
  }
  net.ask = (request, then) => {
    next = { request, then };
    net.wake();
    put();
  };

  net.walk = async (request, frame) => {
    net.stop();
    const mine = turn;
    const client = await net.wake();
    if (!client || turn !== mine || ui.signal.aborted) return;
    walking = client.send({ walk: request }, (answer) => {
      if (ui.signal.aborted) return;
      if (answer.error || answer.done) walking = 0;
      if (answer.error) return fail(new Error(answer.error));
      frame(answer);
      return !answer.done;
    });
  };
  net.stop = () => {
    if (walking) net.client.cancel(walking);
    [turn, walking] = [turn + 1, 0];
  };
  ui.signal.addEventListener("abort", net.stop);
  net.quiet = () => Boolean(net.client || net.trouble) && !busy && !next && !walking;
  Object.assign(ui.root.explorable ?? {}, { quiet: net.quiet });

  const eyes = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && net.wake());
  eyes.observe(ui.root);
  ui.signal.addEventListener("abort", () => eyes.disconnect());
  return net;
}

// What an explorable is about, and what to try in it, where that depends on whether there is a network to ask.
export const heading = (ui, title, task) => ui.root.querySelector(".dm-head").replaceChildren(h("p", { class: "dm-title" }, title), h("p", { class: "dm-task" }, task));

// Where a page holds a network's weights: an element with the bytes in base64, or one that names a script that fills it.
const networkOnPage = (name) => document.getElementById(`dm-network-${name}`);

// The page's client of that network: made once, for whoever asks.
function networkFor(name, model, signal) {
  const all = (globalThis.diffusionMathNetworks ??= new Map());
  if (!all.has(name)) {
    const one = { asker: null, asked: 0 };
    const bytes = new Promise((done) => (one.give = done));
    one.client = bytes.then(networkClient);
    all.set(name, one);
    const place = networkOnPage(name);
    if (place) networkBytes(place).then(one.give);
  }
  const one = all.get(name);
  if (!networkOnPage(name)) askKernel(one, name, model, signal);
  return one.client;
}

function networkBytes(place) {
  const read = () => Uint8Array.from(atob(place.textContent.trim()), (c) => c.charCodeAt(0)).buffer;
  if (!place.dataset.src || place.textContent.trim()) return Promise.resolve().then(read);
  return new Promise((done) => {
    const script = document.createElement("script"); // it sets the element's text; a fetch would fail from a file
    script.src = place.dataset.src;
    script.onload = () => done(read());
    document.head.append(script);
  });
}

// One explorable of a page asks its kernel; another only where that one is gone, or has waited long (its kernel may be).
function askKernel(one, name, model, signal) {
  const heard = ({ network }, [view] = []) => {
    if (network === name && view) one.give(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  };
  model.on("msg:custom", heard);
  const off = () => model.off("msg:custom", heard);
  one.client.then(off, off);
  signal.addEventListener("abort", off);
  if (one.asker && !one.asker.aborted && performance.now() - one.asked < 3000) return;
  [one.asker, one.asked] = [signal, performance.now()];
  model.send({ network: name });
}

// A client of `serve`, in a worker or in the page: send(message, heard) -> its id; heard(answer) while it returns true.
async function networkClient(bytes) {
  const waiting = new Map();
  let [server, last] = [null, 0];
  const heard = (answer) => {
    const one = waiting.get(answer.id);
    if (one && one(answer) !== true) waiting.delete(answer.id);
  };
  const client = {
    calls: 0,
    send(message, then) {
      waiting.set(++last, then);
      server({ id: last, ...message });
      return last;
    },
    cancel(id) {
      waiting.delete(id);
      server({ cancel: id });
    },
  };
  const opened = () =>
    new Promise((done, fail) => client.send({ open: bytes }, (a) => (a.error ? fail(new Error(a.error)) : done(a))));
  const count = (answer) => {
    if (answer.calls) client.calls = answer.calls;
    heard(answer);
  };
  try {
    const url = URL.createObjectURL(new Blob([`${NETWORK.replace(/^export /gm, "")}\nconst work = serve(postMessage);onmessage = ({ data }) => work(data);`], { type: "text/javascript" }));
    const worker = new Worker(url);
    server = (message) => worker.postMessage(message);
    worker.onmessage = ({ data }) => count(data);
    const refused = new Promise((_, fail) => (worker.onerror = (event) => fail(new Error(event.message || "no worker"))));
    Object.assign(client, await Promise.race([opened(), refused]), { threaded: true });
    URL.revokeObjectURL(url);
  } catch {
    const url = URL.createObjectURL(new Blob([NETWORK], { type: "text/javascript" }));
    const { serve } = await import(url);
    URL.revokeObjectURL(url);
    server = serve(count);
    Object.assign(client, await opened(), { threaded: false });
  }
  return client;
}
