"""Samplers as people write them, each with its usual slips: one loop a style, bent by what is handed to it.

RIGHT: (style, f, how the referee is asked). WRONG: (style, the slip's name, f, how it is asked). f(network, shape).
"""

import math
from functools import partial

import torch

F64 = torch.float64
T = 60
BETA = torch.linspace(1e-4, 0.02, T, dtype=F64) * 1000 / T
BAR = (1 - BETA).cumprod(0)
TIMES = torch.linspace(1, 0, 41, dtype=F64)[:-1]


def karras(n, rho=7.0, low=0.01, high=80.0):
    ramp = torch.linspace(0, 1, n, dtype=F64)
    levels = (high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    return torch.cat([levels, levels.new_zeros(1)])


SIGMAS = karras(24)

# ---- DDPM, by the noise


def ddpm(network, shape, mean=None, std=None, end=False, told=lambda t: t, start=torch.randn, first=T - 1,
         clamp=False, dtype=torch.float32, noise=None):  # fmt: skip
    x = start(shape).to(dtype)
    for t in range(first, -1, -1):
        eps = network(x, told(t))
        beta, bar = BETA[t].to(dtype), BAR[t].to(dtype)
        x = mean(x, eps, t) if mean else (x - beta / (1 - bar).sqrt() * eps) / (1 - beta).sqrt()
        if t > 0 or end:
            dice = torch.randn(shape).to(dtype) if noise is None else eps
            x = x + (beta.sqrt() if std is None else std(t)) * dice
            x = x.clamp(-1, 1) if clamp else x
    return x


def tilde(t):
    before = BAR[t - 1] if t else torch.ones((), dtype=F64)
    return (BETA[t] * (1 - before) / (1 - BAR[t])).sqrt()


def by_posterior(network, shape, clip=False, said="x0", stride=1, std=None, bar_too_many=False):
    "The posterior's coefficients, of what the network says of x0; every stride-th level."
    x = torch.randn(shape)
    times = list(range(T - 1, -1, -stride))
    for t, s in zip(times, [*times[1:], None], strict=True):
        bar, before = BAR[t], BAR[s] if s is not None else torch.ones((), dtype=F64)
        x0 = network(x, t)
        if said == "v":
            x0 = bar.sqrt() * x - (1 - bar).sqrt() * x0
        x0 = x0.clamp(-1, 1) if clip else x0
        alpha = bar / before
        one = before.sqrt() * (1 - alpha) / (1 - bar)
        two = (bar if bar_too_many else alpha).sqrt() * (1 - before) / (1 - bar)
        x = one * x0 + two * x
        if s is not None:
            spread = ((1 - alpha) * (1 - before) / (1 - bar)).sqrt() if std is None else std(t, s)
            x = x + spread * torch.randn(shape)
    return x.float()


# ---- DDIM, on every third level


def ddim(network, shape, times=tuple(range(T - 1, -1, -3)), before=None, x0=None, noise=None, clip=None, eta=0.0,
         dtype=torch.float32, told=None):  # fmt: skip
    x = torch.randn(shape).to(dtype)
    last = None
    for i, t in enumerate(times):
        s = times[i + 1] if i + 1 < len(times) else -1
        s = before(i, t, s) if before else s
        eps = network(x, torch.tensor(told(t, last) if told else t))
        last = t
        a, b = BAR[t], BAR[s] if s >= 0 else torch.ones((), dtype=F64)
        guess = x0(x, eps, a) if x0 else (x - (1 - a).sqrt() * eps) / a.sqrt()
        if clip:
            guess = guess.clamp(-1, 1)
            eps = (x - a.sqrt() * guess) / (1 - a).sqrt() if clip == "fresh" else eps
        spread = eta * ((1 - b) / (1 - a) * (1 - a / b)).clamp(min=0).sqrt()
        kept = (1 - b - spread**2).clamp(min=0).sqrt()
        x = noise(guess, eps, b) if noise else b.sqrt() * guess + kept * eps
        x = (x + spread * torch.randn(shape)).to(dtype) if eta and s >= 0 else x.to(dtype)
    return x


# ---- in sigma, as k-diffusion has it


def euler(model, shape, sigmas=SIGMAS, slope=None, start=None):
    x = torch.randn(shape) * (sigmas[0] if start is None else start)
    for s, r in zip(sigmas, sigmas[1:], strict=False):
        d = slope(x, model(x, s), s, r) if slope else (x - model(x, s)) / s
        x = (x + d * (r - s)).float()
    return x


def ancestral(model, shape, sigmas=SIGMAS, levels=None, dtype=torch.float32):
    x = (torch.randn(shape) * sigmas[0]).to(dtype)
    for s, r in zip(sigmas, sigmas[1:], strict=False):
        up = r * (s**2 - r**2).sqrt() / s
        down = (r**2 - up**2).sqrt()
        down, up = levels(s, r, down, up) if levels else (down, up)
        x = x + (x - model(x, s)) / s * (down - s)
        x = (x + torch.randn(shape) * up).to(dtype) if r > 0 else x.to(dtype)
    return x


# ---- Heun, as EDM has it


def heun(
    net, shape, sigmas=SIGMAS, mix=(0.5, 0.5), second=None, churn=0.0, dtype=F64, corrects_all=False
):
    x = torch.randn(shape).to(dtype) * sigmas[0]
    for t, r in zip(sigmas, sigmas[1:], strict=False):
        that = t * (1 + churn)
        if churn:
            x = x + (that**2 - t**2).sqrt() * torch.randn(shape).to(dtype)
        d = (x - net(x, that)) / that
        y = x + (r - that) * d
        if r > 0 or corrects_all:
            told = net(y, r)
            prime = second(y, told, that, r) if second else (y - told) / r
            y = x + (r - that) * (mix[0] * d + mix[1] * prime)
        x = y
    return x


# ---- DPM-Solver++(2M), as k-diffusion has it; and with dice


def dpmpp_2m(
    model,
    shape,
    sigmas=SIGMAS,
    weights=None,
    h_of=None,
    old=1,
    dtype=torch.float32,
    dice=None,
    sde=False,
):
    x, past, lengths = (torch.randn(shape) * sigmas[0]).to(dtype), [], []
    for s, r in zip(sigmas, sigmas[1:], strict=False):
        guess = model(x, s)
        if r == 0:
            return guess
        h = (s / r).log()
        mixed = guess
        if past:
            ratio = lengths[-1] / h
            one, two = weights(ratio) if weights else (1 + 1 / (2 * ratio), -1 / (2 * ratio))
            mixed = one * guess + two * past[-min(old, len(past))]
        used = h_of(h, lengths) if h_of else h
        kept = 2 * h if sde else h
        x = (r / s) * (-h if sde else 0 * h).exp() * x - (
            -(2 * used if sde else used)
        ).expm1() * mixed
        if sde or dice:
            spread = dice(h) if dice else -torch.expm1(-kept)
            x = x + r * spread.sqrt() * torch.randn(shape)
        x, past, lengths = x.to(dtype), [*past, guess], [*lengths, h]
    return x


# ---- DPM-Solver++(2M), as diffusers and its authors have it: on ᾱ, by log(α/σ)


def dpmpp_2m_vp(
    network,
    shape,
    times=tuple(range(T - 1, -1, -4)),
    sign=-1,
    ratio=lambda h0, h: h0 / h,
    half=1.0,
    bend=0.5,
):
    x, old, before = torch.randn(shape), None, None
    lam = lambda bar: half * (bar.log() - (1 - bar).log()) / 2
    for i, t in enumerate(times):
        a, s = BAR[t].sqrt(), (1 - BAR[t]).sqrt()
        m = (x - s * network(x, t)) / a
        if i + 1 == len(times):
            return m
        b, r = BAR[times[i + 1]].sqrt(), (1 - BAR[times[i + 1]]).sqrt()
        h = lam(BAR[times[i + 1]]) - lam(BAR[t])
        x = r / s * x - b * torch.expm1(-h) * m
        if old is not None:
            x = x + sign * bend * b * torch.expm1(-h) * (m - old) / ratio(before, h)
        x, old, before = x.float(), m, h
    return x


# ---- Adams and Bashforth, with fixed weights (iPNDM) or fitted to the levels (LMS)

FIXED = [(1,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24)]


def ipndm(model, shape, sigmas=SIGMAS, rows=FIXED):
    x, slopes = torch.randn(shape) * sigmas[0], []
    for s, r in zip(sigmas, sigmas[1:], strict=False):
        slopes = [(x - model(x, s)) / s, *slopes[:3]]
        row = rows[min(len(slopes), len(rows)) - 1]
        x = (x + (r - s) * sum(w * d for w, d in zip(row, slopes, strict=False))).float()
    return x


def lms(model, shape, sigmas=SIGMAS, order=2, sign=1):
    "Two answers: the integral of the line through them."
    x, old = torch.randn(shape) * sigmas[0], None
    for i, (s, r) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        d = (x - model(x, s)) / s
        if old is None or order == 1:
            step = d
        else:
            step = d + sign * (d - old) * (r - s) / (2 * (s - sigmas[i - 1]))
        x, old = (x + (r - s) * step).float(), d
    return x


# ---- UniPC of order 2 in sigma, by its own names: D1 of the predictor, D1_t of the corrector


def unipc(model, shape, sigmas=SIGMAS, corrects=0.5):
    lam = -sigmas.log()
    x, start, past = (
        (torch.randn(shape) * sigmas[0]).double(),
        None,
        [],
    )  # (index, answer), the newest last
    for i, (s, r) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        told = model(x, s)
        if past:
            j, m0 = past[-1]
            h = lam[i] - lam[j]
            grow, at = -torch.expm1(-h), start * s / sigmas[j]
            if len(past) == 1 or corrects != 0.5:
                x = at + grow * (m0 + corrects * (told - m0))
            else:
                k, m1 = past[-2]
                rk = (lam[k] - lam[j]) / h
                first, second = (m1 - m0) / rk, told - m0
                b1, b2 = moments(h)
                one, two = torch.linalg.solve(
                    torch.tensor([[1.0, 1.0], [rk, 1.0]], dtype=F64), torch.stack([b1, b2])
                )
                x = at + grow * (m0 + one * first + two * second)
        if r == 0:
            return told.float()
        start, past = x, [*past[-1:], (i, told)]
        h = lam[i + 1] - lam[i]
        mixed = told
        if len(past) == 2:
            j, m1 = past[0]
            mixed = told + 0.5 * (m1 - told) / ((lam[j] - lam[i]) / h)
        x = r / s * x - torch.expm1(-h) * mixed
    return x


def moments(h):
    "What u and u^2 count, of the integral of exp(-h (1 - u)) over u in [0, 1], which is cut into fine strips."
    u = (torch.arange(20_000, dtype=F64) + 0.5) / 20_000
    weight = torch.exp(-h * (1 - u))
    weight = weight / weight.sum()
    return (weight * u).sum(), (weight * u**2).sum()


# ---- straight lines


def flow(network, shape, times=TIMES, sign=1, kind="euler"):
    x = torch.randn(shape).double()
    for t, s in zip(times, [*times[1:], torch.zeros((), dtype=F64)], strict=True):
        v = network(x, t)
        if kind == "midpoint":
            v = network(x + (s - t) / 2 * v, (s + t) / 2)
        if kind == "heun" and s > 0:
            v = (v + network(x + (s - t) * v, s)) / 2
        x = x + sign * (s - t) * v
    return x


table, by_sigma, line = (
    {"betas": BETA},
    {"sigmas": SIGMAS, "predicts": "x0"},
    {"flow_times": TIMES.flip(0), "predicts": "velocity"},
)
guess = {**table, "predicts": "x0"}
own = partial
RIGHT = [
    ("DDPM, by the noise", ddpm, table),
    ("DDPM, by the noise", own(ddpm, std=tilde), table),
    ("DDPM, by the noise", own(ddpm, dtype=F64), table),
    ("DDPM, by the noise", own(ddpm, start=lambda shape: torch.randn(shape[0], *shape[1:])), table),
    ("DDPM, by the posterior", by_posterior, guess),
    ("DDPM, by the posterior", own(by_posterior, clip=True), guess),
    ("DDPM, by the posterior", own(by_posterior, said="v", stride=4), {**table, "predicts": "v"}),
    ("DDIM", ddim, table),
    ("DDIM", own(ddim, dtype=F64, times=tuple(range(T - 1, -1, -7))), table),
    ("DDIM", own(ddim, clip="fresh"), table),
    ("DDIM", own(ddim, eta=1.0), table),
    ("DDIM", own(ddim, times=(59, 50, 38, 25, 10, 1)), table),
    ("Euler in sigma", euler, by_sigma),
    ("Euler in sigma", own(euler, sigmas=karras(8)), {**by_sigma, "sigmas": karras(8)}),
    ("Euler in sigma", own(euler, slope=lambda x, guess, s, r: (x - guess) / s), by_sigma),
    ("Euler, ancestral", ancestral, by_sigma),
    ("Euler, ancestral", own(ancestral, dtype=F64), by_sigma),
    ("Euler, ancestral", own(ancestral, sigmas=karras(60, 3.0)), {**by_sigma, "sigmas": karras(60, 3.0)}),
    ("Heun, EDM", heun, by_sigma),
    ("Heun, EDM",
     own(heun, sigmas=karras(18, low=0.002), dtype=torch.float32), {**by_sigma, "sigmas": karras(18, low=0.002)}),
    ("Heun, EDM", own(heun, sigmas=karras(5)), {**by_sigma, "sigmas": karras(5)}),
    ("Heun, EDM", own(heun, churn=0.1), by_sigma),
    ("DPM-Solver++(2M), k-diffusion", dpmpp_2m, by_sigma),
    ("DPM-Solver++(2M), k-diffusion", own(dpmpp_2m, dtype=F64), by_sigma),
    ("DPM-Solver++(2M), k-diffusion", own(dpmpp_2m, sigmas=karras(6)), {**by_sigma, "sigmas": karras(6)}),
    ("DPM-Solver++(2M), its authors'", dpmpp_2m_vp, table),
    ("DPM-Solver++(2M), its authors'", own(dpmpp_2m_vp, times=tuple(range(T - 1, -1, -9))), table),
    ("DPM-Solver++(2M), its authors'", own(dpmpp_2m_vp, times=(59, 45, 35, 20, 5, 0)), table),
    ("SDE-DPM-Solver++(2M)", own(dpmpp_2m, sde=True), by_sigma),
    ("SDE-DPM-Solver++(2M)", own(dpmpp_2m, sde=True, dtype=F64), by_sigma),
    ("SDE-DPM-Solver++(2M)", own(dpmpp_2m, sde=True, sigmas=karras(9)), {**by_sigma, "sigmas": karras(9)}),
    ("Adams and Bashforth", ipndm, by_sigma),
    ("Adams and Bashforth", own(ipndm, rows=FIXED[:2]), by_sigma),
    ("Adams and Bashforth", lms, by_sigma),
    ("UniPC", unipc, by_sigma),
    ("UniPC", own(unipc, sigmas=karras(10)), {**by_sigma, "sigmas": karras(10)}),
    ("UniPC", own(unipc, sigmas=karras(16, 3.0)), {**by_sigma, "sigmas": karras(16, 3.0)}),
    ("a straight line", flow, line),
    ("a straight line", own(flow, kind="midpoint", times=TIMES[::4]), line),
    ("a straight line", own(flow, kind="heun", times=TIMES[::2]), line),
]  # fmt: skip


def shared(change):
    "DDPM's mean with another share of the noise, or another factor over all."

    def mean(x, eps, t):
        share, over = BETA[t] / (1 - BAR[t]).sqrt(), (1 - BETA[t]).rsqrt()
        share, over = change(share, over, t)
        return (over * (x - share * eps)).float()

    return mean


def old_index(i, t, s):
    return max(s - 1, 0) if s >= 0 else s


def bare(s, r, down, up):
    up = torch.minimum(r, (s**2 - r**2).sqrt())
    return (r**2 - up**2).sqrt(), up


WRONG = [
    ("DDPM, by the noise", "noise at the last step", own(ddpm, end=True), table),
    ("DDPM, by the noise", "a variance for its root", own(ddpm, std=lambda t: BETA[t]), table),
    ("DDPM, by the noise", "the root twice", own(ddpm, std=lambda t: BETA[t] ** 0.25), table),
    ("DDPM, by the noise", "no noise between the steps", own(ddpm, std=lambda t: 0.0), table),
    ("DDPM, by the noise", "unit noise", own(ddpm, std=lambda t: 1.0), table),
    ("DDPM, by the noise", "noise of the whole jump", own(ddpm, std=lambda t: (1 - BAR[t]).sqrt()), table),
    ("DDPM, by the noise", "the variance not divided",
     own(ddpm, std=lambda t: (BETA[t] * (1 - BAR[t - 1])).sqrt()), table),
    ("DDPM, by the noise", "the guessed noise for fresh noise", own(ddpm, noise="eps"), table),
    ("DDPM, by the noise", "a root missing beside beta",
     own(ddpm, mean=shared(lambda c, d, t: (BETA[t] / (1 - BAR[t]), d))), table),
    ("DDPM, by the noise", "the root of beta in the mean",
     own(ddpm, mean=shared(lambda c, d, t: (BETA[t].sqrt() / (1 - BAR[t]).sqrt(), d))), table),
    ("DDPM, by the noise", "beta not divided", own(ddpm, mean=shared(lambda c, d, t: (BETA[t], d))), table),
    ("DDPM, by the noise", "not divided by sqrt(alpha)", own(ddpm, mean=shared(lambda c, d, t: (c, 1.0))), table),
    ("DDPM, by the noise", "divided by alpha", own(ddpm, mean=shared(lambda c, d, t: (c, d**2))), table),
    ("DDPM, by the noise", "multiplied by sqrt(alpha)", own(ddpm, mean=shared(lambda c, d, t: (c, 1 / d))), table),
    ("DDPM, by the noise", "eps with its sign turned", own(ddpm, mean=shared(lambda c, d, t: (-c, d))), table),
    ("DDPM, by the noise", "a bar too many", own(ddpm, mean=shared(lambda c, d, t: (c, BAR[t].rsqrt()))), table),
    ("DDPM, by the noise", "the noise of the jump in the mean",
     own(ddpm, mean=shared(lambda c, d, t: ((1 - BAR[t]).sqrt(), d)), std=tilde), table),
    ("DDPM, by the noise", "the network is told t - 1", own(ddpm, told=lambda t: max(t - 1, 0)), table),
    ("DDPM, by the noise", "the network is told t + 1", own(ddpm, told=lambda t: min(t + 1, T - 1)), table),
    ("DDPM, by the noise", "the network is told one level all along", own(ddpm, told=lambda t: T - 1), table),
    ("DDPM, by the noise", "rand for randn", own(ddpm, start=torch.rand), table),
    ("DDPM, by the noise", "another start", own(ddpm, start=lambda s: 2 * torch.randn(s)), table),
    ("DDPM, by the noise", "it starts too late", own(ddpm, first=T // 2), table),
    ("DDPM, by the noise", "x_t is clipped", own(ddpm, clamp=True), table),
    ("DDPM, by the posterior", "a bar too many in the step back", own(by_posterior, bar_too_many=True), guess),
    ("DDPM, by the posterior", "a variance for its root",
     own(by_posterior, std=lambda t, s: 1 - BAR[t] / BAR[s]), guess),
    ("DDPM, by the posterior", "beta of one entry in a longer step",
     own(by_posterior, stride=4, std=lambda t, s: BETA[t].sqrt()), guess),
    ("DDIM", "a clipped x0 with the old eps", own(ddim, clip="old"), table),
    ("DDIM", "the previous index is t - 1", own(ddim, before=lambda i, t, s: t - 1), table),
    ("DDIM", "the previous index by a fixed stride",
     own(ddim, times=tuple(round(T - 1 - i * (T - 1) / 24) for i in range(25)), before=lambda i, t, s: t - T // 25), table),
    ("DDIM", "the previous index is one too low", own(ddim, before=old_index), table),
    ("DDIM", "the previous index is one too high", own(ddim, before=lambda i, t, s: s + 1 if s >= 0 else s), table),
    ("DDIM", "the step goes the other way",
     own(ddim, times=tuple(range(T - 2, -1, -3)), before=lambda i, t, s: t + 1), table),
    ("DDIM", "a root missing in DDIM's noise", own(ddim, noise=lambda g, e, b: b.sqrt() * g + (1 - b) * e), table),
    ("DDIM", "a root missing in DDIM's picture", own(ddim, noise=lambda g, e, b: b * g + (1 - b).sqrt() * e), table),
    ("DDIM", "a root missing in x0", own(ddim, x0=lambda x, e, a: (x - (1 - a) * e) / a.sqrt()), table),
    ("DDIM", "x0 with its sign turned", own(ddim, x0=lambda x, e, a: (x + (1 - a).sqrt() * e) / a.sqrt()), table),
    ("DDIM", "DDIM without its noise", own(ddim, noise=lambda g, e, b: b.sqrt() * g), table),
    ("DDIM", "x0 handed on as it is", own(ddim, noise=lambda g, e, b: g), table),
    ("DDIM", "all of the noise kept, and fresh noise added",
     own(ddim, eta=1.0, noise=lambda g, e, b: b.sqrt() * g + (1 - b).sqrt() * e), table),
    ("DDIM", "the same level twice", own(ddim, before=lambda i, t, s: t), table),
    ("DDIM", "the network is told the level before",
     own(ddim, told=lambda t, last: t if last is None else last), table),
    ("Euler in sigma", "the slope not divided",
     own(euler, slope=lambda x, g, s, r: x - g, sigmas=karras(24, high=1.5)), {**by_sigma, "sigmas": karras(24, high=1.5)}),
    ("Euler in sigma", "the slope with its sign turned", own(euler, slope=lambda x, g, s, r: (g - x) / s), by_sigma),
    ("Euler in sigma", "the slope divided by the next sigma",
     own(euler, slope=lambda x, g, s, r: (x - g) / (r if r > 0 else s)), by_sigma),
    ("Euler in sigma", "another start", own(euler, start=1.0), by_sigma),
    ("Euler, ancestral", "down without its root", own(ancestral, levels=lambda s, r, d, u: (d**2, u)), by_sigma),
    ("Euler, ancestral", "down and up swapped", own(ancestral, levels=lambda s, r, d, u: (u, d)), by_sigma),
    ("Euler, ancestral", "up without the ratio of sigmas", own(ancestral, levels=bare), by_sigma),
    ("Euler, ancestral", "noise of all of sigma'", own(ancestral, levels=lambda s, r, d, u: (r, r)), by_sigma),
    ("Euler, ancestral", "noise of the whole jump", own(ancestral, levels=lambda s, r, d, u: (d, r)), by_sigma),
    ("Euler, ancestral", "all of the noise kept, and fresh noise added",
     own(ancestral, levels=lambda s, r, d, u: (r, u)), by_sigma),
    ("Heun, EDM", "the end's slope alone", own(heun, mix=(0.0, 1.0)), by_sigma),
    ("Heun, EDM", "the two slopes not halved", own(heun, mix=(1.0, 1.0)), by_sigma),
    ("Heun, EDM", "the slopes subtracted", own(heun, mix=(1.5, -0.5)), by_sigma),
    ("Heun, EDM", "the second slope over the old sigma",
     own(heun, second=lambda y, told, s, r: (y - told) / s), by_sigma),
    ("Heun, EDM", "the network is asked where no noise is left", own(heun, corrects_all=True), by_sigma),
    ("DPM-Solver++(2M), k-diffusion", "the correction with its sign turned",
     own(dpmpp_2m, weights=lambda r: (1 - 0.5 / r, 0.5 / r)), by_sigma),
    ("DPM-Solver++(2M), k-diffusion", "the ratio of steps upside down",
     own(dpmpp_2m, weights=lambda r: (1 + r / 2, -r / 2)), by_sigma),
    ("DPM-Solver++(2M), k-diffusion", "the line read at the end of the step",
     own(dpmpp_2m, weights=lambda r: (1 + 1 / r, -1 / r)), by_sigma),
    ("DPM-Solver++(2M), k-diffusion", "weights that do not add to 1",
     own(dpmpp_2m, weights=lambda r: (1 + 0.5 / r, 0.5 / r)), by_sigma),
    ("DPM-Solver++(2M), k-diffusion", "the answer before the last", own(dpmpp_2m, old=2), by_sigma),
    ("DPM-Solver++(2M), k-diffusion", "h of the step before",
     own(dpmpp_2m, h_of=lambda h, past: past[-1] if past else h), by_sigma),
    ("DPM-Solver++(2M), k-diffusion", "h of log SNR for half of it",
     own(dpmpp_2m, h_of=lambda h, past: 2 * h), by_sigma),
    ("DPM-Solver++(2M), k-diffusion", "half of h", own(dpmpp_2m, h_of=lambda h, past: h / 2), by_sigma),
    ("DPM-Solver++(2M), k-diffusion", "noise added to the flow's step",
     own(dpmpp_2m, dice=lambda h: -torch.expm1(-2 * h)), by_sigma),
    ("DPM-Solver++(2M), its authors'", "the correction with its sign turned", own(dpmpp_2m_vp, sign=1), table),
    ("DPM-Solver++(2M), its authors'", "the ratio of steps upside down",
     own(dpmpp_2m_vp, ratio=lambda h0, h: h / h0), table),
    ("DPM-Solver++(2M), its authors'", "h of log SNR for half of it", own(dpmpp_2m_vp, half=2.0), table),
    ("DPM-Solver++(2M), its authors'", "the line read a quarter on", own(dpmpp_2m_vp, bend=0.25), table),
    ("SDE-DPM-Solver++(2M)", "the correction with its sign turned",
     own(dpmpp_2m, sde=True, weights=lambda r: (1 - 0.5 / r, 0.5 / r)), by_sigma),
    ("SDE-DPM-Solver++(2M)", "noise of half a step", own(dpmpp_2m, sde=True, dice=lambda h: -torch.expm1(-h)), by_sigma),
    ("SDE-DPM-Solver++(2M)", "noise of a step twice as long",
     own(dpmpp_2m, sde=True, dice=lambda h: -torch.expm1(-4 * h)), by_sigma),
    ("SDE-DPM-Solver++(2M)", "no noise in the SDE", own(dpmpp_2m, sde=True, dice=lambda h: 0 * h), by_sigma),
    ("SDE-DPM-Solver++(2M)", "half of h", own(dpmpp_2m, sde=True, h_of=lambda h, past: h / 2), by_sigma),
    ("Adams and Bashforth", "fixed weights with a sign turned",
     own(ipndm, rows=[(2 - first, *[-w for w in rest]) for first, *rest in FIXED]), by_sigma),
    ("Adams and Bashforth", "the corrector's weights for the predictor",
     own(ipndm, rows=[(1,), (1 / 2, 1 / 2)]), by_sigma),
    ("Adams and Bashforth", "weights that do not add to 1",
     own(ipndm, rows=[tuple(map(abs, row)) for row in FIXED]), by_sigma),
    ("Adams and Bashforth", "fixed weights with a sign turned", own(lms, sign=-1), by_sigma),
    ("UniPC", "the corrector counts the end alone", own(unipc, corrects=1.0), by_sigma),
    ("UniPC", "the corrector with its sign turned", own(unipc, corrects=-0.5), by_sigma),
    ("a straight line", "the wrong way along the line", own(flow, sign=-1), line),
]  # fmt: skip
assert math.isclose(BAR[-1].item(), 0, abs_tol=1e-3)
