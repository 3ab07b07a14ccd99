"The exercises of chapter 16: the shares of a dataset, and where it begins to copy."

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .exercise import Draws, Exercise, add

__all__ = []


def softmax_shares(data, x, a, s):
    off = (x[:, None] - a * data).flatten(2)
    return (-off.square().sum(2) / (2 * s**2)).softmax(1)


def _dataset(d: Draws) -> dict:
    level, b = d.between(0.3, 0.7), 1 if d.small else d.shape[0] + 1
    a, s = level.sqrt(), (1 - level).sqrt()
    if d.small:  # to be read
        a, s = torch.tensor(0.8, dtype=torch.float64), torch.tensor(0.6, dtype=torch.float64)
    data = d.normal(3, *d.shape[1:])
    x = d.kept(a * data[:1] + s * d.normal(b, *d.shape[1:]))
    return {"data": data, "x": x, "a": a, "s": s}


def _share(log: Callable) -> Callable:
    "Wrong shares: the softmax of log(square of the distance, a, s, pixels)."

    def shares(data, x, a, s):
        square = (x[:, None] - a * data).flatten(2).square().sum(2)
        return log(square, a, s, data[0].numel()).softmax(1)

    return shares


def _near(data: Tensor, x: Tensor, s: Tensor) -> Tensor:
    return -(x[:, None] - data).flatten(2).square().sum(2) / (2 * s**2)


add(Exercise("16.a", "the shares of a dataset", softmax_shares, _dataset,
    hints=("If picture i became x, the noise was x − a x_i, in units of s. How high is a Gaussian there?",
           "exp(−|x − a x_i|²/2s²), divided by its sum over i. The square is a sum over all pixels of a picture."),
    edges=(("Where no signal is left, all pictures have the same share.",
            lambda k: k | {"a": 0 * k["a"], "s": 0 * k["s"] + 1}),)),
    ("The distance is from x to a x_i: the noise is what is left when the *dimmed* picture is taken away.",
     lambda data, x, a, s: _near(data, x, s).softmax(1), lambda data, x, a, s: _near(data, x / a, s).softmax(1)),
    ("A Gaussian's exponent is half of the square over the variance: divide by 2 s².",
     _share(lambda q, a, s, d: -q / s**2), _share(lambda q, a, s, d: -q / (2 * s)), _share(lambda q, a, s, d: -q / s),
     _share(lambda q, a, s, d: -q / 2)),
    ("That is the distance itself. The exponent holds its square.", _share(lambda q, a, s, d: -q.sqrt() / (2 * s**2)),
     _share(lambda q, a, s, d: -q.sqrt() / s)),
    ("Those are exponentials that were not divided by their sum over i, so they don't add up to 1.",
     lambda data, x, a, s: (-(x[:, None] - a * data).flatten(2).square().sum(2) / (2 * s**2)).exp()),
    ("The shares of the n pictures add up to 1 for each x. You divided by a sum over the x.",
     lambda data, x, a, s: (-(x[:, None] - a * data).flatten(2).square().sum(2) / (2 * s**2)).softmax(0)),
    ("You took the mean over the pixels. Their noises are independent, so their exponents add up.",
     _share(lambda q, a, s, d: -q / d / (2 * s**2))),
    ("A minus sign is missing: you trust the pictures that are farthest away.", _share(lambda q, a, s, d: q / (2 * s**2))),
    ("Those are the logs of the shares. Take exp.", lambda data, x, a, s: softmax_shares(data, x, a, s).log()),
)  # fmt: skip


def collapse(error, log_snr, n):
    nats = torch.cat([error.new_zeros(1), torch.cumulative_trapezoid(error, log_snr)]) / 2
    i = int((nats < math.log(n)).sum())
    share = (math.log(n) - nats[i - 1]) / (nats[i] - nats[i - 1])
    return log_snr[i - 1] + share * (log_snr[i] - log_snr[i - 1])


def _curve(d: Draws) -> dict:
    m = 5 if d.small else 9
    level = torch.linspace(-4, 4, m, dtype=torch.float64)
    error = d.between(0.2, 1.0, m).double() + (level + 4) * (3 if d.small else 2)
    return {"error": d.kept(error), "log_snr": level.to(d.dtype), "n": d.whole(20, 400)}


def _area(error: Tensor, log_snr: Tensor) -> Tensor:
    return torch.cat([error.new_zeros(1), torch.cumulative_trapezoid(error, log_snr)])


def _where(nats: Tensor, log_snr: Tensor, level: float) -> Tensor:
    "Where nats, which rise, reach level, along straight lines."
    i = int((nats < level).sum().clamp(1, len(nats) - 1))
    share = (level - nats[i - 1]) / (nats[i] - nats[i - 1])
    return log_snr[i - 1] + share * (log_snr[i] - log_snr[i - 1])


def _after(error: Tensor, log_snr: Tensor, n: int) -> int:
    return int((_area(error, log_snr) / 2 < math.log(n)).sum())


add(Exercise("16.b", "where a dataset begins to copy", collapse, _curve,
    hints=("How many nats does it take to name one picture among n? And how many has the noisy one said up to λ?",
           "Half of the area up to each level, by trapezoids; then the straight line between the two levels where it "
           "passes log n.")),
    ("Information is half of the area.", lambda e, v, n: _where(_area(e, v), v, math.log(n))),
    ("The area is in nats, so the number of pictures counts as its natural log.",
     lambda e, v, n: _where(_area(e, v) / 2, v, math.log2(n)), lambda e, v, n: _where(_area(e, v) / 2, v, math.log10(n))),
    ("You compared the area with n itself: to name one picture among n takes log n nats.",
     lambda e, v, n: _where(_area(e, v) / 2, v, n)),
    ("You took a level of the table. Between the two around log n, go along the straight line.",
     lambda e, v, n: v[_after(e, v, n)], lambda e, v, n: v[_after(e, v, n) - 1]),
    ("You looked for the error itself to be log n. It is the area under it that counts.",
     lambda e, v, n: _where(e, v, math.log(n)), lambda e, v, n: _where(e / 2, v, math.log(n))),
    ("A sum of heights is no area: each strip is as wide as the levels are apart.",
     lambda e, v, n: _where(e.cumsum(0) / 2, v, math.log(n)), lambda e, v, n: _where(e.cumsum(0), v, math.log(n))),
)  # fmt: skip
