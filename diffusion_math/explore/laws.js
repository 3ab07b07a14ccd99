// The physics of the laws, written once: noise levels, the chain's posterior, and mixtures of Gaussians, whose every answer
// is exact. Nothing here knows of the screen, so a Web Worker may hold it too.

// ------------------------------------------------------------------------------------------------------ random numbers

// Random numbers from a seed: the same seed, the same numbers. sfc32 by Chris Doty-Humphrey.
export function random(seed) {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let d = 1;
  const bits = () => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 15; i++) bits();
  const uniform = () => (bits() + 0.5) / 2 ** 32; // in (0, 1): neither end
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()); // Box and Muller
  return { uniform, normal };
}

// -------------------------------------------------------------------------------------------------------- noise levels

// A level is log alpha_bar (of a chain) or log SNR = log(alpha_bar / (1 - alpha_bar)). Of log alpha_bar: sqrt(alpha_bar) and
// sqrt(1 - alpha_bar), exact at both ends, and the log SNR, infinite where there is no noise, or nothing else.
export const signal = (logAlphaBar) => Math.exp(0.5 * logAlphaBar);
export const noise = (logAlphaBar) => Math.sqrt(-Math.expm1(logAlphaBar));
export const logSnr = (logAlphaBar) => logAlphaBar - Math.log(-Math.expm1(logAlphaBar));

// Of a log SNR: alpha_bar, its log, and the two scales.
export const sigmoid = (level) => 1 / (1 + Math.exp(-level));
export const logSigmoid = (level) => (level > 0 ? -Math.log1p(Math.exp(-level)) : level - Math.log1p(Math.exp(level)));
export const scales = (level) => [Math.sqrt(sigmoid(level)), Math.sqrt(sigmoid(-level))];

// q(x_{t-1} | x_t, x_0) = N(a x_0 + b x_t, v)  [DDPM eqs. 6, 7], from log alpha_bar at t - 1 and at t. Where nothing was left
// at t - 1, log alpha of the step itself must say how much it keeps.
export function posterior(before, now, logAlpha = now - before) {
  const [left, all, beta] = [before, now, logAlpha].map((l) => -Math.expm1(l)); // of noise, at t - 1, at t, and of the step
  return { a: (signal(before) * beta) / all, b: (signal(logAlpha) * left) / all, v: (beta * left) / all };
}
export const posteriorAt = ({ logAlphaBar, beta }, t) => posterior(logAlphaBar[t - 1], logAlphaBar[t], Math.log1p(-beta[t]));

// A step of DDIM [Song, Meng & Ermon 2021 eq. 12] from one log SNR to a higher one: the shares of x_0 and of x_t, and the
// standard deviation of the fresh noise. eta 0: none; 1: the posterior's.
export function ddim(here, there, eta) {
  const [all, left] = [sigmoid(-here), sigmoid(-there)];
  const share = -Math.expm1(logSigmoid(here) - logSigmoid(there)) / all; // of the noise at t, what this step added
  const ofX = Math.sqrt((left * Math.max(0, 1 - eta * eta * share)) / all);
  return [Math.sqrt(sigmoid(there)) - ofX * Math.sqrt(sigmoid(here)), ofX, eta * Math.sqrt(share * left)];
}

// { logAlphaBar, beta } for t = 0..T in float64, as diffusion_math.forward computes them. "given" is such a table, sent
// by Python; like "linear" it is a curve, and for another T log alpha_bar is read off it at T_given t/T.
export function schedule({ kind, T, beta, given }) {
  if (kind === "constant") return constantTable(T, beta);
  if (kind === "cosine") return cosineTable(T);
  return reread(kind === "linear" ? linearTable() : given, T);
}

const table = (T, f) => Float64Array.from({ length: T + 1 }, (_, t) => (t ? f(t) : 0));

function constantTable(T, beta) {
  const step = Math.log1p(-beta);
  return { logAlphaBar: table(T, (t) => t * step), beta: table(T, () => beta) };
}

function linearTable() {
  // [DDPM] section 4: beta from 1e-4 to 0.02 in 1000 steps
  const beta = table(1000, (t) => 1e-4 + ((0.02 - 1e-4) * (t - 1)) / 999);
  return { logAlphaBar: runningSum(beta.map((b) => Math.log1p(-b))), beta };
}

function cosineTable(T) {
  // [Nichol & Dhariwal 2021] eq. 17, no beta above 0.999
  const angle = (t) => (((t / T + 0.008) / 1.008) * Math.PI) / 2;
  const rest = (t) => ((((T - t) / T / 1.008) * Math.PI) / 2); // pi/2 - angle, without the subtraction
  const logCos2 = (t) => (angle(t) < 1 ? Math.log1p(-(Math.sin(angle(t)) ** 2)) : 2 * Math.log(Math.sin(rest(t))));
  const logAlpha = table(T, (t) => Math.max(Math.log1p(-0.999), logCos2(t) - logCos2(t - 1)));
  return { logAlphaBar: runningSum(logAlpha), beta: logAlpha.map((l) => -Math.expm1(l)) };
}

function runningSum(values) {
  let total = 0;
  return values.map((value) => (total += value));
}

function reread({ logAlphaBar: curve, beta }, T) {
  const last = curve.length - 1;
  if (T === last) return { logAlphaBar: curve, beta };
  const logAlphaBar = table(T, (t) => {
    const place = (last * t) / T;
    const left = Math.floor(place);
    const share = place - left;
    const flat = share === 0 || curve[left] === -Infinity; // nothing to add, or nothing left
    return flat ? curve[left] : curve[left] + share * (curve[left + 1] - curve[left]);
  });
  const fell = (t) => (logAlphaBar[t] === -Infinity ? 1 : -Math.expm1(logAlphaBar[t] - logAlphaBar[t - 1]));
  return { logAlphaBar, beta: table(T, fell) };
}

// ------------------------------------------------------------------------------------------- Gaussians over one number

// log N(x; mean, var), var above 0.
export const logNormal = (x, mean, variance) =>
  -0.5 * ((x - mean) ** 2 / variance + Math.log(2 * Math.PI * variance));

export function logSumExp(values) {
  const top = Math.max(...values);
  if (top === -Infinity || top === Infinity) return top;
  return top + Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0));
}

// The area of the unit bell to the right of z, with its digits far out, too.
export function right(z) {
  if (z < 0) return 1 - right(-z);
  const height = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
  if (z < 3) {
    let [term, sum] = [z, z];
    for (let n = 1; term > 1e-17 * sum; n++) sum += term *= (z * z) / (2 * n + 1);
    return 0.5 - sum * height;
  }
  let rest = 0; // Laplace's continued fraction, from its far end
  for (let n = 60; n > 0; n--) rest = n / (z + rest);
  return height / (z + rest);
}

// -------------------------------------------------------------------------------------------- mixtures over one number

// A mixture of Gaussians over one number: [{ weight, mean, variance }, ...]. Its log-density, mean and variance; and the
// law of sqrt(alpha_bar) x + sqrt(1 - alpha_bar) eps.
export const logMixture = (mixture, x) =>
  logSumExp(mixture.map((c) => Math.log(c.weight) + logNormal(x, c.mean, c.variance)));

export function moments(mixture) {
  const mean = mixture.reduce((sum, c) => sum + c.weight * c.mean, 0);
  const variance = mixture.reduce((sum, c) => sum + c.weight * (c.variance + (c.mean - mean) ** 2), 0);
  return { mean, variance };
}

export function noisedMixture(mixture, logAlphaBar) {
  const [a, b] = [signal(logAlphaBar), noise(logAlphaBar)];
  return mixture.map(({ weight, mean, variance }) => ({ weight, mean: a * mean, variance: a * a * variance + b * b }));
}

// The share of a law that lies to the right of x, or to its left where side is -1.
export function massBeside(law, x, side) {
  let sum = 0;
  for (const { weight, mean, variance } of law) sum += weight * right((side * (x - mean)) / Math.sqrt(variance));
  return sum;
}

// Where in the law `to` the rank is that x has in the law `from`: the smaller of both shares stays as it is. By Newton's
// steps from `near`, and by halves where one would leave what is known to hold the place.
export function byRank(from, to, x, near = x) {
  const [before, after] = [massBeside(from, x, -1), massBeside(from, x, 1)];
  const [side, rank] = before < after ? [-1, before] : [1, after];
  const off = from.map((c) => (x - c.mean) / Math.sqrt(c.variance));
  let low = Math.min(...to.map((c) => c.mean + Math.sqrt(c.variance) * Math.min(...off)));
  let high = Math.max(...to.map((c) => c.mean + Math.sqrt(c.variance) * Math.max(...off)));
  let place = Math.min(high, Math.max(low, near));
  for (let i = 0; i < 100 && low < high; i++) {
    const off = massBeside(to, place, side) - rank;
    if (off < 0 === side < 0) low = place;
    else high = place;
    const step = (side * off) / Math.exp(logMixture(to, place));
    const next = place + step > low && place + step < high ? place + step : (low + high) / 2;
    if (off === 0 || Math.abs(next - place) <= 2e-16 * Math.abs(place)) break;
    place = next;
  }
  return place;
}

// The densities of laws over one number, at most 1: a column for each law, rows from -edge to edge; for a heat map.
export function densityGrid(laws, edge, rows) {
  const shares = new Float64Array(laws.length * rows);
  laws.forEach((law, i) => {
    for (let j = 0; j < rows; j++) {
      const x = edge * ((2 * j + 1) / rows - 1);
      shares[j * laws.length + i] = Math.min(1, Math.exp(logMixture(law, x)));
    }
  });
  return shares;
}

// KL(q || N(0, 1)) in nats, as a sum over strips of r log r - r + 1, never negative: r is the ratio of the densities.
// The strips cover both, 9 standard deviations of every bell, and are fine enough for the narrowest.
export function fromNormal(mixture) {
  const bells = mixture.map((c) => ({ ...c, log: Math.log(c.weight) - 0.5 * Math.log(2 * Math.PI * c.variance) }));
  const sd = mixture.map((c) => Math.sqrt(c.variance));
  const low = Math.min(-9, ...mixture.map((c, k) => c.mean - 9 * sd[k]));
  const high = Math.max(9, ...mixture.map((c, k) => c.mean + 9 * sd[k]));
  const strips = Math.ceil((8 * (high - low)) / Math.min(1, ...sd));
  const [width, logs, none] = [(high - low) / strips, new Float64Array(bells.length), -0.5 * Math.log(2 * Math.PI)];
  let total = 0;
  for (let i = 0; i <= strips; i++) {
    const x = low + i * width;
    let [top, sum] = [-Infinity, 0];
    for (let k = 0; k < bells.length; k++) {
      const { mean, variance, log } = bells[k];
      logs[k] = log - (0.5 * (x - mean) * (x - mean)) / variance;
      if (logs[k] > top) top = logs[k];
    }
    for (let k = 0; k < logs.length; k++) sum += Math.exp(logs[k] - top);
    const [logN, logQ] = [none - 0.5 * x * x, top + Math.log(sum)];
    const [n, q, logR] = [Math.exp(logN), Math.exp(logQ), logQ - logN];
    total += logR > 30 ? q * (logR - 1) + n : q * logR - n * Math.expm1(logR); // n may be 0 where r is huge
  }
  return total * width;
}

// KL in nats from a mixture to the Gaussian with its mean and variance.
export function fromBell(mixture, { mean, variance } = moments(mixture)) {
  const sd = Math.sqrt(variance);
  return fromNormal(mixture.map((c) => ({ ...c, mean: (c.mean - mean) / sd, variance: c.variance / variance })));
}

// q(x_0 | x) where x = a x_0 + sqrt(v) eps: each bell meets what x says, and its share is how likely it made x.
export function behind(mixture, a, v, x) {
  const total = mixture.map(({ variance }) => a * a * variance + v);
  const logs = mixture.map(({ weight, mean }, k) => Math.log(weight) + logNormal(x, a * mean, total[k]));
  const sum = logSumExp(logs);
  return mixture.map(({ mean, variance }, k) => ({
    weight: Math.exp(logs[k] - sum),
    mean: (v * mean + a * variance * x) / total[k],
    variance: (variance * v) / total[k],
  }));
}

// Each bell under that noise, with what does not change with x: its middle and its height, how x moves its mean of x_0, and
// the variance that x leaves.
export const bellsUnder = (mixture, a, v) =>
  mixture.map(({ weight, mean, variance }) => {
    const both = a * a * variance + v;
    const [half, top] = [-0.5 / both, weight / Math.sqrt(2 * Math.PI * both)];
    return { mean, middle: a * mean, half, top, gain: (a * variance) / both, left: (variance * v) / both };
  });

// The same as `behind` for many x: a function that puts the density q of x, and the mean and the variance of x_0, into `out`.
export function clean(bells) {
  // So far out that only the bell with the longest reach counts.
  function far(x, out) {
    const cost = ({ middle, half }) => -half * (x - middle) ** 2;
    const { mean, middle, gain, left } = bells.reduce((best, bell) => (cost(bell) < cost(best) ? bell : best));
    [out.q, out.mean, out.variance] = [0, mean + gain * (x - middle), left];
    return out;
  }
  return (x, out = {}) => {
    let [q, first, second] = [0, 0, 0];
    for (let k = 0; k < bells.length; k++) {
      const { mean, middle, half, top, gain, left } = bells[k];
      const off = x - middle;
      const w = top * Math.exp(half * off * off);
      const own = mean + gain * off;
      q += w;
      first += w * own;
      second += w * (own * own + left);
    }
    if (q < 1e-280) return far(x, out);
    out.q = q;
    out.mean = first / q;
    out.variance = Math.max(0, second / q - out.mean * out.mean);
    return out;
  };
}

// E[x_0 | x] at a log SNR, as a function of x.
export function guess(mixture, level) {
  const [[a, s], out] = [scales(level), { q: 0, mean: 0, variance: 0 }];
  const ask = clean(bellsUnder(mixture, a, s * s));
  return (x) => ask(x, out).mean;
}

// The bells that Python sent, under the names that all explorables give them.
export function sentMixture(model, means = model.get("_means")) {
  const [weights, variances] = ["_weights", "_variances"].map((name) => model.get(name));
  return means.map((mean, k) => ({ weight: weights[k], mean, variance: variances[k] }));
}

// -------------------------------------------------------------------------------------------- equal bells in the plane

// Of a law whose bells stand at `points` and are `width` wide, under noise at the scales a and s: log q(x_t), its slopes, and
// E[x_0 | x_t] and Var[x_0 | x_t], coordinate by coordinate. Each point's bell has a share by Bayes' rule.
export function askPoints(points, width, [a, s], x, y) {
  const variance = (a * width) ** 2 + s * s;
  let nearest = Infinity;
  for (const p of points) nearest = Math.min(nearest, (x - a * p[0]) ** 2 + (y - a * p[1]) ** 2);
  let [sum, u, v, uu, vv] = [0, 0, 0, 0, 0];
  for (const p of points) {
    const less = (nearest - (x - a * p[0]) ** 2 - (y - a * p[1]) ** 2) / (2 * variance);
    if (less < -40) continue; // not a digit's worth
    const share = Math.exp(less);
    sum += share;
    u += share * p[0];
    v += share * p[1];
    uu += share * p[0] * p[0];
    vv += share * p[1] * p[1];
  }
  [u, v] = [u / sum, v / sum];
  const [pull, rest] = [(a * width * width) / variance, (s * s) / variance]; // one bell alone: towards x_t, and of its own middle
  const unsure = (square, mean) => width * width * rest + rest * rest * Math.max(0, square / sum - mean * mean);
  return {
    log: Math.log(sum / points.length) - nearest / (2 * variance) - Math.log(2 * Math.PI * variance),
    slopes: [(a * u - x) / variance, (a * v - y) / variance],
    guess: [rest * u + pull * x, rest * v + pull * y],
    unsure: [unsure(uu, u), unsure(vv, v)],
  };
}
