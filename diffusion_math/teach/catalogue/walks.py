"The exercises of chapters 9 to 12: the walk without noise and the walk with it, and what a likelihood needs."

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .exercise import Draws, Exercise, add, number

__all__ = []


def velocity_from_noise(x, eps, alpha_bar):
    s2 = 1 - alpha_bar
    return s2 / 2 * x - s2**0.5 / 2 * eps


def _by_noise(f):
    "A wrong velocity, f(x, eps, a, s)."
    return lambda x, eps, alpha_bar: f(x, eps, alpha_bar**0.5, (1 - alpha_bar) ** 0.5)


add(Exercise("9.a", "the velocity, from the noise", velocity_from_noise, lambda d: {"x": d.normal(*d.shape), "eps":
    d.normal(*d.shape), "alpha_bar": d.between(0.55, 0.85)},
    hints=("(9.6) has the score in it, and the score is −ε/s.",
           "s²/2 · (x − ε/s), with s² = 1 − ᾱ; the s cancels once, so nothing is divided."),
    edges=(("Where there is hardly any noise left (ᾱ near 1), the velocity goes to 0, and yours does not.", lambda a: a
           | {"alpha_bar": number(a, 1 - 0.001)}),)),
    ("Your walk goes uphill with the whole score. Without noise it takes half of it, like the pull away from 0.",
     _by_noise(lambda x, eps, a, s: s**2 / 2 * x - s * eps)),
    ("Twice too fast: both parts of (9.6) go at half strength.", _by_noise(lambda x, eps, a, s: s**2 * x - s * eps)),
    ("Your walk goes along the noise. The score is −ε/s: away from the noise.",
     _by_noise(lambda x, eps, a, s: s**2 / 2 * x + s / 2 * eps)),
    ("Your walk goes backwards: λ grows as the noise goes away.",
     _by_noise(lambda x, eps, a, s: s / 2 * eps - s**2 / 2 * x)),
    ("The score is −ε/s, not −ε: the less noise there is, the steeper the hills.",
     _by_noise(lambda x, eps, a, s: s**2 / 2 * (x - eps))),
    ("The score is −ε/s, not −ε/s²: ε is the noise before it was scaled.",
     _by_noise(lambda x, eps, a, s: s**2 / 2 * x - eps / 2)),
    ("That is the speed in the clock of chapter 7b, in which noise comes in at rate 1. In λ it is s² times that.",
     _by_noise(lambda x, eps, a, s: (x - eps / s) / 2)),
    ("You have exchanged signal and noise: s² is 1 − ᾱ.", _by_noise(lambda x, eps, a, s: a**2 / 2 * x - a / 2 * eps)),
    ("By (9.5) the guess is compared with a·x, and the difference counts a/2: one of the two a is missing.",
     _by_noise(lambda x, eps, a, s: a / 2 * ((x - s * eps) / a - x)),
     _by_noise(lambda x, eps, a, s: ((x - s * eps) / a - a * x) / 2),
     _by_noise(lambda x, eps, a, s: ((x - s * eps) / a - x) / 2)),
)  # fmt: skip


def bell_flow(x, var, alpha_bar, alpha_bar_to):
    return x * ((alpha_bar_to * var + 1 - alpha_bar_to) / (alpha_bar * var + 1 - alpha_bar)) ** 0.5


def _by_spread(f):
    "A wrong flow, from the two variances of x_λ: f(before, after)."
    return lambda x, var, alpha_bar, alpha_bar_to: (
        x * f(alpha_bar * var + 1 - alpha_bar, alpha_bar_to * var + 1 - alpha_bar_to)
    )


add(Exercise("9.b", "the flow of a Gaussian", bell_flow, lambda d: {"x": d.normal(*d.shape), "var": d.between(1.6, 4.0),
    "alpha_bar": d.between(0.15, 0.45), "alpha_bar_to": d.between(0.6, 0.9)},
    hints=("What is the standard deviation of x_λ if the data is N(0, var)? Which walkers keep their rank?",
           "x · √(ᾱ' var + 1 − ᾱ') / √(ᾱ var + 1 − ᾱ)."),
    edges=(("Where a² stays as it is, so does the walker, and yours does not.", lambda a: a | {"alpha_bar_to":
           a["alpha_bar"]}),
           ("If the data is N(0, 1) nothing moves, and yours does.", lambda a: a | {"var": number(a, 1.0)}))),
    ("You stretched by the ratio of the variances. A walker keeps its number of standard deviations: take the root.",
     _by_spread(lambda before, after: after / before)),
    ("Your ratio is upside down: where the law is wider, the walker is further out.",
     _by_spread(lambda before, after: (before / after) ** 0.5), _by_spread(lambda before, after: before / after)),
    ("You stretched the signal and forgot the noise: the variance of x_λ is ᾱ var + 1 − ᾱ.",
     lambda x, var, a2, b2: x * (b2 / a2) ** 0.5, lambda x, var, a2, b2: x * (b2 / a2)),
    ("You shrank the noise and forgot the signal: the variance of x_λ is ᾱ var + 1 − ᾱ.",
     lambda x, var, a2, b2: x * ((1 - b2) / (1 - a2)) ** 0.5, lambda x, var, a2, b2: x * ((1 - b2) / (1 - a2))),
    ("Your walker stays where it is. That is so for data with a variance of 1, and for no other.",
     lambda x, var, a2, b2: x),
    ("That is one long step of DDIM, with the guess held still. The flow asks for a new guess all along the way.",
     lambda x, var, a2, b2: x * ((a2 * b2) ** 0.5 * var + ((1 - a2) * (1 - b2)) ** 0.5) / (a2 * var + 1 - a2)),
    ("var is the variance of the data already: don't square it, and take no root of it.",
     lambda x, var, a2, b2: x * ((b2 * var ** 2 + 1 - b2) / (a2 * var ** 2 + 1 - a2)) ** 0.5,
     lambda x, var, a2, b2: x * ((b2 * var ** 0.5 + 1 - b2) / (a2 * var ** 0.5 + 1 - a2)) ** 0.5),
    ("Standard deviations do not add up, variances do: a² var + s², and the root at the end.",
     lambda x, var, a2, b2: x * ((b2 * var) ** 0.5 + (1 - b2) ** 0.5) / ((a2 * var) ** 0.5 + (1 - a2) ** 0.5)),
    ("alpha_bar is a² itself: no root of it and no square.",
     lambda x, var, a2, b2: x * ((b2 ** 0.5 * var + (1 - b2) ** 0.5) / (a2 ** 0.5 * var + (1 - a2) ** 0.5)) ** 0.5,
     lambda x, var, a2, b2: x * ((b2 ** 2 * var + 1 - b2 ** 2) / (a2 ** 2 * var + 1 - a2 ** 2)) ** 0.5),
)  # fmt: skip


def noisy_step(x, x0, alpha_bar, alpha_bar_to, kept, xi):
    eps = (x - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5
    noise = kept * eps + (1 - kept**2) ** 0.5 * xi
    return alpha_bar_to**0.5 * x0 + (1 - alpha_bar_to) ** 0.5 * noise


def _with_noise(f):
    "A wrong step, f(x, x0, a, s, a', s', kept, xi)."
    return lambda x, x0, a2, b2, kept, xi: f(
        x, x0, a2**0.5, (1 - a2) ** 0.5, b2**0.5, (1 - b2) ** 0.5, kept, xi
    )


add(Exercise("10.a", "a step with noise", noisy_step, lambda d: {"x": d.normal(*d.shape), "x0": d.normal(*d.shape),
    "alpha_bar": d.between(0.15, 0.35), "alpha_bar_to": d.between(0.55, 0.85), "kept": d.between(0.3, 0.6), "xi":
    d.normal(*d.shape)},
    hints=("Which noise goes with the guess? And which share of fresh noise leaves the variance at 1?",
           "a'·x0 + s'·(ρ·ε + √(1 − ρ²)·ξ), with ε = (x − a·x0)/s."),
    edges=(("Where everything is kept (ρ = 1), no noise is added, and yours is.", lambda a: a | {"kept": number(a,
           1.0)}),
           ("Where nothing is kept (ρ = 0), x counts no more beside the guess, and in yours it does.", lambda a: a |
           {"kept": number(a, 0.0)}))),
    ("What is kept and what is thrown must have the variance 1 together: √(1 − ρ²), not 1 − ρ.",
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * (k * (x - a * x0) / s + (1 - k) * xi)),
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * (k * (x - a * x0) / s + (1 - k) ** 0.5 * xi)),
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * (k * (x - a * x0) / s + (1 - k ** 2) * xi))),
    ("You keep √ρ. The share ρ itself is kept, and √(1 − ρ²) comes from fresh noise.",
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * (k ** 0.5 * (x - a * x0) / s + (1 - k) ** 0.5 * xi))),
    ("There is no noise in your step. Without fresh noise the spread falls short.",
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * k * (x - a * x0) / s),
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * (x - a * x0) / s)),
    ("All of your noise is fresh. The share ρ of the guessed noise is kept.",
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * xi),
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * (1 - k**2) ** 0.5 * xi)),
    ("You have exchanged the two: ρ is the share of the old noise, √(1 − ρ²) that of the fresh.",
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * ((1 - k ** 2) ** 0.5 * (x - a * x0) / s + k * xi))),
    ("The noise that goes with the guess is (x − a·x0)/s: the picture in x is shrunk by a, the noise by s.",
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * (k * (x - x0) / s + (1 - k ** 2) ** 0.5 * xi)),
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * (k * (x - a * x0) + (1 - k ** 2) ** 0.5 * xi)),
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * (k * (x - a * x0) / s ** 2 + (1 - k ** 2) ** 0.5 * xi))),
    ("You arrived at a new level: mix the guess and the noise in its shares, a' and s', not in the old ones.",
     _with_noise(lambda x, x0, a, s, b, r, k, xi: a * x0 + s * (k * (x - a * x0) / s + (1 - k ** 2) ** 0.5 * xi)),
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + s * (k * (x - a * x0) / s + (1 - k ** 2) ** 0.5 * xi))),
    ("The guess is clean, and x' is not: shrink it by a'.",
     _with_noise(lambda x, x0, a, s, b, r, k, xi: x0 + r * (k * (x - a * x0) / s + (1 - k ** 2) ** 0.5 * xi))),
    ("Your fresh noise is not scaled: at the new level all noise has the size s'.",
     _with_noise(lambda x, x0, a, s, b, r, k, xi: b * x0 + r * k * (x - a * x0) / s + (1 - k ** 2) ** 0.5 * xi)),
)  # fmt: skip


def dial_for(left, var, alpha_bar, alpha_bar_to):
    before = var + (1 - alpha_bar) / alpha_bar
    after = var + (1 - alpha_bar_to) / alpha_bar_to
    return left.log() / (after / before).log()


def _by_levels(f):
    "A wrong η, f(left, var, σ² before, σ² after)."
    return lambda left, var, a2, b2: f(left, var, (1 - a2) / a2, (1 - b2) / b2)


add(Exercise("10.b", "how high an η", dial_for, lambda d: {"left": d.between(0.05, 0.4), "var": d.between(0.3, 0.8),
    "alpha_bar": d.between(0.03, 0.08), "alpha_bar_to": d.between(0.6, 0.9)},
    hints=("The last factor of (10.13) must be `left`. What undoes a power? And what is σ² in terms of ᾱ?",
           "log(left) / log((v + σ'²)/(v + σ²)), with σ² = (1 − ᾱ)/ᾱ."),
    edges=(("Where all of the excess may stay, no noise is needed: η = 0.", lambda a: a | {"left": number(a, 1.0)}),)),
    ("Your η is negative: the ratio in (10.13) is what is smaller over what is larger, so both logarithms are below "
     "0.", _by_levels(lambda left, var, s2, r2: left.log() / ((var + s2) / (var + r2)).log())),
    ("A power is undone by a logarithm, not by a division.",
     _by_levels(lambda left, var, s2, r2: left / ((var + r2) / (var + s2))),
     _by_levels(lambda left, var, s2, r2: left.log() / ((var + r2) / (var + s2)))),
    ("You left out the variance of the data. It keeps walkers apart who would forget otherwise.",
     _by_levels(lambda left, var, s2, r2: left.log() / (r2 / s2).log())),
    ("That is right where the data has the variance 1, and only there.",
     _by_levels(lambda left, var, s2, r2: left.log() / ((1 + r2) / (1 + s2)).log())),
    ("(10.13) has σ², the noise over the signal: (1 − ᾱ)/ᾱ. You put something else there.",
     lambda left, var, a2, b2: left.log() / ((var + 1 - b2) / (var + 1 - a2)).log(),
     lambda left, var, a2, b2: left.log() / ((var + b2 / (1 - b2)) / (var + a2 / (1 - a2))).log(),
     _by_levels(lambda left, var, s2, r2: left.log() / ((var + r2**0.5) / (var + s2**0.5)).log()),
     _by_levels(lambda left, var, s2, r2: left.log() / ((var + r2**2) / (var + s2**2)).log())),
    ("That is the η for the mean, which is forgotten half as fast as the variance.",
     _by_levels(lambda left, var, s2, r2: 2 * left.log() / ((var + r2) / (var + s2)).log())),
    ("The share `left` is what remains, not what is lost.",
     _by_levels(lambda left, var, s2, r2: (1 - left).log() / ((var + r2) / (var + s2)).log())),
    ("That is the excess which an η leaves, (10.13). The η is asked for that leaves this share.",
     _by_levels(lambda left, var, s2, r2: ((var + r2) / (var + s2)) ** left),
     _by_levels(lambda left, var, s2, r2: left * (var + r2) / (var + s2))),
)  # fmt: skip


def log_prob_of_stretch(y, M, b):
    x = torch.linalg.solve(M, (y - b).T).T
    unit = -0.5 * x.square().sum(1) - M.shape[0] / 2 * math.log(2 * math.pi)
    return unit - torch.linalg.slogdet(M).logabsdet


def _stretch(d: Draws) -> dict:
    "A matrix far from singular, often one that mirrors; a shift; and places."
    dims = 2 if d.small else d.whole(2, 4)
    M = 2 * torch.eye(dims, dtype=d.dtype) + 0.4 * d.normal(dims, dims)
    M[0] = M[0] * (-1) ** d.index
    M = M.round(decimals=1) if d.small else M
    return {"y": d.normal(1 if d.small else d.whole(2, 4), dims), "M": M, "b": d.normal(dims) + 1}


def _stretched(back: Callable, squeeze: Callable) -> Callable:
    "The log-density with another way back(y, M, b), or with squeeze(M) for the log-determinant."

    def wrong(y, M, b):
        unit = -0.5 * back(y, M, b).square().sum(1) - M.shape[0] / 2 * math.log(2 * math.pi)
        return unit - squeeze(M)

    return wrong


def _back(y: Tensor, M: Tensor, b: Tensor) -> Tensor:
    return torch.linalg.solve(M, (y - b).T).T


def _log_det(M: Tensor) -> Tensor:
    return torch.linalg.slogdet(M).logabsdet


add(Exercise("11.a", "the density after a stretch", log_prob_of_stretch, _stretch,
    hints=("Which x became this y? How dense was it there, and how much has space been stretched since?",
           "x = M⁻¹(y − b), by torch.linalg.solve; log N(x; 0, I), less log |det M|, (11.2): "
           "torch.linalg.slogdet(M).logabsdet."),
    edges=(("Where M is the identity, y is x moved by b, and nothing has been stretched.", lambda a: a | {"M":
           torch.eye(len(a["M"]), dtype=a["M"].dtype)}),)),
    ("Your sign is the other way round. Where space is stretched the density falls, so log |det M| is subtracted.",
     _stretched(_back, lambda M: -_log_det(M))),
    ("That is how dense x was, before the stretch. The stretch itself is missing: log |det M|, (11.2).",
     _stretched(_back, lambda M: 0.0)),
    ("You looked y up in the unit Gaussian. y is M x + b: first go back to x.", _stretched(lambda y, M, b: y, _log_det),
     _stretched(lambda y, M, b: y, lambda M: 0.0), _stretched(lambda y, M, b: y - b, _log_det)),
    ("You went forward once more: M is to be undone, not done again.",
     _stretched(lambda y, M, b: y @ M.T + b, _log_det), _stretched(lambda y, M, b: (y - b) @ M.T, _log_det)),
    ("The shift was not undone rightly: take b away from y, and then go back through M.",
     _stretched(lambda y, M, b: torch.linalg.solve(M, y.T).T, _log_det),
     _stretched(lambda y, M, b: torch.linalg.solve(M, y.T).T - b, _log_det),
     _stretched(lambda y, M, b: torch.linalg.solve(M, (y + b).T).T, _log_det)),
    ("You solved with M transposed: each row of y is one place, so solve for columns, (y − b).T, and turn the result.",
     _stretched(lambda y, M, b: (y - b) @ torch.linalg.inv(M), _log_det)),
    ("The trace belongs to a small step, (11.3). This stretch is not small: it takes the log of the determinant.",
     _stretched(_back, lambda M: M.trace()), _stretched(_back, lambda M: (M - torch.eye(len(M)).to(M)).trace())),
    ("You subtracted the determinant itself. The density is divided by it, so its log is taken away from the log.",
     _stretched(_back, lambda M: torch.linalg.det(M).abs()), _stretched(_back, lambda M: torch.linalg.det(M))),
    ("Some of these M mirror space, so det M is below 0 and has no log. It is the log of its size that counts, |det M|.",
     _stretched(_back, lambda M: torch.linalg.det(M).log())),
    ("The constant of the unit Gaussian is missing, or it is that of one dimension: d/2 log 2π.",
     lambda y, M, b: -0.5 * _back(y, M, b).square().sum(1) - _log_det(M),
     lambda y, M, b: -0.5 * _back(y, M, b).square().sum(1) - 0.5 * math.log(2 * math.pi) - _log_det(M)),
)  # fmt: skip


def trace_from_signs(f, x, v, h):
    return (v * (f(x + h * v) - f(x))).sum(1) / h


class _Linear:
    "x -> x Jᵀ + c, for a J that is not symmetric."

    def __init__(self, J: Tensor, c: Tensor):
        self.J, self.c = J, c

    def __call__(self, x: Tensor) -> Tensor:
        return x.to(self.J.dtype) @ self.J.T + self.c

    def __repr__(self) -> str:
        return f"x -> x @ {self.J.T.tolist()} + {self.c.tolist()}"


def _probing(d: Draws) -> dict:
    "A linear function, so that no step is too long for it; places, and signs of which one is −1 and one is +1."
    dims, n = (2, 1) if d.small else (d.whole(3, 5), d.whole(2, 4))
    signs = (d.normal(n, dims) > 0).to(d.dtype) * 2 - 1
    signs[:, 0], signs[:, 1] = 1.0, -1.0
    J, c = d.normal(dims, dims) + 0.1, d.normal(dims) + 0.3
    return {"f": _Linear(J, c), "x": d.normal(n, dims), "v": signs, "h": 0.25}


add(Exercise("11.b", "a trace from two calls", trace_from_signs, _probing,
    hints=("f(x + h v) − f(x), divided by h, is nearly J v. What does (11.6) do with J v?",
           "(v * (f(x + h v) − f(x))).sum(1) / h, one number for each x.")),
    ("You added up J v. In v · J v each entry is multiplied by its own sign first, and then they are added.",
     lambda f, x, v, h: (f(x + h * v) - f(x)).sum(1) / h),
    ("The rise is divided by the run: h is missing.", lambda f, x, v, h: (v * (f(x + h * v) - f(x))).sum(1),
     lambda f, x, v, h: (v * (f(x + h * v) - f(x))).sum(1) * h),
    ("From x to x + h v is one h, not two.", lambda f, x, v, h: (v * (f(x + h * v) - f(x))).sum(1) / (2 * h)),
    ("From x − h v to x + h v the way is 2h.", lambda f, x, v, h: (v * (f(x + h * v) - f(x - h * v))).sum(1) / h),
    ("A trace is a sum over coordinates, not a mean.", lambda f, x, v, h: (v * (f(x + h * v) - f(x))).mean(1) / h),
    ("You have one number for the whole batch. Add up over the coordinates of each x alone.",
     lambda f, x, v, h: (v * (f(x + h * v) - f(x))).sum() / h,
     lambda f, x, v, h: (v * (f(x + h * v) - f(x))).sum(1).mean() / h),
    ("You moved all coordinates the same way. Move along the signs: x + h v.",
     lambda f, x, v, h: (v * (f(x + h) - f(x))).sum(1) / h, lambda f, x, v, h: (f(x + h) - f(x)).sum(1) / h),
    ("That is v · f at one place: f must be compared with its value at x.",
     lambda f, x, v, h: (v * f(x + h * v)).sum(1) / h, lambda f, x, v, h: (v * f(x)).sum(1),
     lambda f, x, v, h: (v * f(v)).sum(1)),
)  # fmt: skip


def entropy_from_error(error, log_snr, d):
    between = d * torch.sigmoid(log_snr) - error
    area = (between[1:] + between[:-1]).sum() / 2 * (log_snr[1] - log_snr[0])
    return d / 2 * math.log(2 * math.pi * math.e) - area / 2


def _error_table(d: Draws) -> dict:
    "An error curve that meets the unit Gaussian's at both ends, and how many numbers a datum has."
    numbers, m = d.whole(2, 4), 4 if d.small else d.whole(5, 8)
    log_snr = torch.linspace(-1.5, 2.0, m, dtype=d.dtype).round(decimals=2 if d.small else 6)
    log_snr = log_snr[0] + torch.arange(m, dtype=d.dtype) * (0.5 if d.small else 0.75)
    error = d.between(0.1, 0.9, m) * numbers
    error[[0, -1]] = numbers * torch.sigmoid(log_snr[[0, -1]])
    return {"error": error, "log_snr": log_snr, "d": numbers}


def _unit_bell(a: dict) -> dict:
    "The curve of N(0, I)."
    return a | {"error": a["d"] * torch.sigmoid(a["log_snr"])}


def _sum(y: Tensor, log_snr: Tensor) -> Tensor:
    return torch.trapezoid(y, log_snr)


def _unit(d: int) -> float:
    return d / 2 * math.log(2 * math.pi * math.e)


def _below(e: Tensor, s: Tensor, d: float) -> Tensor:
    return d * torch.sigmoid(s) - e


add(Exercise("12.a", "an entropy from an error curve", entropy_from_error, _error_table,
    hints=("The area under the curve itself is infinite. With which law's curve do you compare it, and what is that "
           "law's entropy?",
           "d/2 log(2πe), less half of the area between d σ(λ) and the error, (12.4). The area is a sum of trapezoids: "
           "torch.trapezoid(y, log_snr)."),
    edges=(("The curve of N(0, I) itself must give the entropy of N(0, I).", _unit_bell),)),
    ("You took all of the area. The bound is half a squared error (12.7), and so is the entropy.",
     lambda e, s, d: _unit(d) - _sum(_below(e, s, d), s)),
    ("You added the area. Where the error lies below the unit Gaussian's, more of the noise is seen, so the data has less "
     "entropy than N(0, I).", lambda e, s, d: _unit(d) + _sum(_below(e, s, d), s) / 2),
    ("That is half the area under the error alone, which grows without end as log_snr goes to the right. For a density "
     "it must be compared with the unit Gaussian's curve, d σ(λ).", lambda e, s, d: _sum(e, s) / 2,
     lambda e, s, d: _unit(d) - _sum(e, s) / 2, lambda e, s, d: _unit(d) + _sum(e, s) / 2),
    ("You have the area, and the unit Gaussian's own entropy d/2 log(2πe) is missing.",
     lambda e, s, d: -_sum(_below(e, s, d), s) / 2, lambda e, s, d: _sum(_below(e, s, d), s) / 2),
    ("The unit Gaussian of d numbers errs by d σ(λ), and its entropy is d/2 log(2πe). One of the two d is missing.",
     lambda e, s, d: _unit(d) - _sum(_below(e, s, 1), s) / 2, lambda e, s, d: _unit(1) - _sum(_below(e, s, d), s) / 2,
     lambda e, s, d: _unit(1) - _sum(_below(e, s, 1), s) / 2),
    ("The sum must run over log SNR. You have integrated over the SNR itself, or forgot how wide a strip is.",
     lambda e, s, d: _unit(d) - _sum(_below(e, s, d), s.exp()) / 2,
     lambda e, s, d: _unit(d) - _below(e, s, d).sum() / 2, lambda e, s, d: _unit(d) - _below(e, s, d).mean() / 2),
    ("The entropy of N(0, I) is d/2 log(2πe); d/2 log(2π) is the log of its highest density, with the other sign.",
     lambda e, s, d: d / 2 * math.log(2 * math.pi) - _sum(_below(e, s, d), s) / 2),
)  # fmt: skip


def best_shares(square, width):
    size = width * square.sqrt()
    return size / size.sum()


def _stretches(d: Draws) -> dict:
    k = 2 if d.small else d.whole(3, 5)
    return {"square": d.between(0.3, 3.0, k), "width": d.between(0.5, 2.0, k)}


def _shared(size: Callable) -> Callable:
    "Shares in proportion to size(square, width)."
    return lambda m, w: size(m, w) / size(m, w).sum()


add(Exercise("12.b", "the shares of a schedule", best_shares, _stretches,
    hints=("Move a little share from one stretch to another. What does (12.9) lose at the one and gain at the other?",
           "m Δ²/w falls by m Δ²/w² for each bit of share, and that must be the same on all stretches. So w is in "
           "proportion to Δ √m; divide by the sum."),
    edges=(("Where all stretches cost the same, each gets its share of the width.", lambda a: a | {"square":
           torch.ones_like(a["square"])}),)),
    ("You took the mean square itself. With such shares the two stretches of the text gain nothing over even ones: 10 "
     "both times.", _shared(lambda m, w: m * w), _shared(lambda m, w: m * w**2), _shared(lambda m, w: m)),
    ("The root of the mean square is a density. A stretch twice as wide needs twice the share: times width.",
     _shared(lambda m, w: m.sqrt()), _shared(lambda m, w: m.sqrt() / w)),
    ("Those are even draws of λ, whatever each stretch costs.", _shared(lambda m, w: w),
     _shared(lambda m, w: torch.ones_like(w))),
    ("Right up to a factor: shares must add up to 1.", lambda m, w: w * m.sqrt(),
     lambda m, w: m.sqrt() * w / (m.sqrt() * w).max()),
    ("You look least where the cost is largest. A rare draw of a large cost, divided by a small density, is what makes "
     "an estimate scatter.", _shared(lambda m, w: w / m.sqrt()), _shared(lambda m, w: w / m)),
)  # fmt: skip
