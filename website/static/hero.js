// The stage of the front page: three digits out of noise. A recorded film first; then, once the network's weights have come
// (asked for when the page has settled, or by the first key that is pressed), new digits, drawn here by that network.
// Where motion or data are to be saved, nothing moves and nothing is fetched before somebody asks.
(() => {
  const hero = document.querySelector(".hero");
  const canvas = hero.querySelector("canvas");
  const context = canvas.getContext("2d");
  const sheet = hero.querySelector(".hero-sheet");
  const label = hero.querySelector(".hero-t");
  const pause = hero.querySelector(".hero-pause");
  const keys = [...hero.querySelectorAll(".hero-keys button")];
  const said = hero.querySelector(".hero-said");
  const { seeds, frames, times, network } = hero.dataset;
  const t = times.split(" ");
  const side = canvas.height;
  const many = Number(seeds);
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  // forward in five seconds, a rest with the digits, and (the film) back into noise faster than it came
  const PLAY = 5200;
  const REST = 2600;
  const BACK = 900;
  const STEPS = 40;
  const ROUNDS = 12; // drawn unasked; then the stage rests
  const SETTLED = 1200; // milliseconds after all else has loaded

  // The film: a sheet of pictures, a row for each digit, a column for each frame.
  const last = frames - 1;
  function film(frame) {
    for (let i = 0; i < many; i++) context.drawImage(sheet, frame * side, i * side, side, side, i * side, 0, side, side);
    label.textContent = frame === last ? "digits, out of noise" : `${t[frame]} steps to go`;
  }
  function frameAt(ms) {
    const now = ms % (PLAY + REST + BACK);
    if (now < PLAY) return Math.round((last * now) / PLAY);
    return now < PLAY + REST ? last : Math.round(last * (1 - (now - PLAY - REST) / BACK));
  }

  // The network: what it draws is put up frame by frame, as it comes, and no faster than the eye can follow.
  let net = null;
  let waking = null;
  let round = null; // { labels, got: frames, shown, from: when it began, asked: the digit, still: only its end is shown }
  let rounds = 0;
  function put({ x }) {
    x.forEach((values, i) => {
      const picture = context.createImageData(side, side);
      values.forEach((v, at) => {
        const grey = 127.5 * (Math.min(1, Math.max(-1, v)) + 1);
        picture.data.set([grey, grey, grey, 255], 4 * at);
      });
      context.putImageData(picture, i * side, 0);
    });
  }
  function wake() {
    waking ??= (async () => {
      let code;
      window.course.network = (text) => (code = text);
      await window.course.load("network.js");
      await window.course.load(`networks/${network}.js`); // the weights, for whoever asks on this page
      const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
      const { live } = await import(url);
      URL.revokeObjectURL(url);
      const ui = { root: hero, signal: new AbortController().signal, redraw() {} };
      const found = live(ui, { get: () => network });
      if (!(await found.wake())) throw new Error(found.trouble);
      net = found;
      hero.dataset.live = net.client.threaded ? "in a worker" : "in the page";
    })().catch((error) => {
      hero.querySelector(".hero-keys").hidden = true; // the film goes on
      console.info(`No network in this page: ${error.message}`);
    });
    return waking;
  }
  const listed = (labels) => `${labels.slice(0, -1).join(", ")} and ${labels.at(-1)}`;
  async function draw(asked = null) {
    round = { labels: [], got: [], shown: -1, from: 0, asked, still: still.matches && !playing };
    const mine = round;
    const first = Math.floor(10 * Math.random());
    mine.labels = Array.from({ length: many }, (_, i) => asked ?? (first + 3 * i) % 10);
    for (const key of keys) key.setAttribute("aria-pressed", String(Number(key.value) === asked));
    const starts = mine.labels.map((label) => ({ label, seed: Math.floor(2 ** 31 * Math.random()) }));
    if (!net) label.textContent = "The network is on its way …";
    await wake();
    if (round !== mine) return;
    if (!net) {
      round = null;
      return film(last); // no word of a network that will not come
    }
    net.walk({ starts, steps: STEPS, eta: 0 }, (frame) => {
      if (round === mine) mine.got.push(frame);
      if (mine.still) show(performance.now());
    });
  }
  // Puts up what is due of the round. Is it over, its rest with the digits included?
  function show(now) {
    const { got, labels } = round;
    if (!got.length) return false;
    round.from ||= now;
    const due = !round.still ? Math.floor(((now - round.from) / PLAY) * STEPS) : got.at(-1).done ? STEPS : -1;
    const shown = Math.min(due, got.length - 1);
    if (shown > round.shown) {
      round.shown = shown;
      put(got[shown]);
      label.textContent = `Drawn here, now: step ${shown} of ${STEPS}`;
      if (got[shown].done) {
        label.textContent = `Drawn here, just now: ${listed(labels)}`;
        if (round.asked !== null) said.textContent = `Drawn: ${listed(labels)}.`;
      }
    }
    return got[shown]?.done && now - round.from > PLAY + REST;
  }

  // What plays: the film, until the network is there and the film has come to its end; then a round after another.
  let playing = false;
  let start = null;
  let spent = 0;
  let frame = 0;
  let seen = true;
  function tick(now) {
    if (!playing) return;
    if (round) {
      if (show(now) && ++rounds < ROUNDS) draw(round.asked);
      else if (rounds >= ROUNDS) return play(false);
    } else {
      start ??= now - spent;
      spent = now - start;
      const before = frame;
      frame = frameAt(spent);
      film(frame);
      if (net && frame < before && before === last) draw();
    }
    requestAnimationFrame(tick);
  }
  function play(on) {
    const now = performance.now();
    if (on && round?.got.at(-1)?.done && round.shown === STEPS) draw(round.asked);
    else if (on && round && round.left) round.from += now - round.left; // it goes on where it was
    if (!on && round) round.left = now;
    if (on && rounds >= ROUNDS) rounds = 0;
    playing = on;
    start = null;
    pause.textContent = on ? "Pause" : "Play";
    if (on && seen) requestAnimationFrame(tick);
  }
  for (const key of keys) {
    key.addEventListener("click", () => {
      rounds = 0;
      draw(round?.asked === Number(key.value) ? null : Number(key.value));
      if (!playing && !still.matches) play(true);
    });
  }

  // Nobody computes for a stage that is out of sight.
  let paused = false;
  let due = false; // may the network come unasked?
  new IntersectionObserver(([entry]) => {
    seen = entry.isIntersecting;
    if (seen && due) wake();
    if (!seen && playing) {
      play(false);
      paused = true;
    } else if (seen && paused) {
      paused = false;
      play(true);
    }
  }).observe(canvas);

  function begin() {
    pause.hidden = false;
    hero.querySelector(".hero-keys").hidden = false;
    pause.addEventListener("click", () => play(!playing));
    film(last);
    if (still.matches) return play(false);
    play(true);
    if (navigator.connection?.saveData) return;
    const settled = () =>
      setTimeout(() => {
        due = true;
        if (seen) wake();
      }, SETTLED);
    if (document.readyState === "complete") settled();
    else addEventListener("load", settled);
  }
  if (sheet.complete) begin();
  else sheet.addEventListener("load", begin);
})();
