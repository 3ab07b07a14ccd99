"Memory or novelty."

import math

import torch
from torch import Tensor

from .exercise import Dice, Exercise, add, slip

__all__ = []


def softmax_shares(data, x, a, s):
    off = (x[:, None] - a * data).flatten(2)
    return (-off.square().sum(2) / (2 * s**2)).softmax(1)


def _pile(d: Dice) -> dict:
    event = d.shape[1:]
    level = d.between(0.3, 0.7)
    a, s = level.sqrt(), (1 - level).sqrt()
    if d.small:
        a, s = torch.tensor(0.8, dtype=torch.float64), torch.tensor(0.6, dtype=torch.float64)
    data, b = d.normal(3, *event), 1 if d.small else d.shape[0] + 1
    return {"data": data, "x": d.kept(a * data[:1] + s * d.normal(b, *event)), "a": a, "s": s}


add(
    Exercise(
        "16.a",
        "the shares of a pile",
        softmax_shares,
        _pile,
        hints=(
            "If picture i became x, the noise was x − a x_i, in units of s. How high is a bell there?",
            "exp(−|x − a x_i|²/2s²), divided by its sum over i. The square is a sum over all pixels of a picture.",
        ),
        edges=(
            (
                "Where no signal is left, all pictures have the same share.",
                lambda a: a | {"a": 0 * a["a"], "s": 0 * a["s"] + 1},
            ),
        ),
    )
)


def _square(data: Tensor, x: Tensor, a: Tensor) -> Tensor:
    return (x[:, None] - a * data).flatten(2).square().sum(2)


for _says, *_makes in (
    (
        "The distance is from x to a x_i: the noise is what is left when the *dimmed* picture is taken away.",
        lambda data, x, a, s: (-_square(data, x, torch.ones_like(a)) / (2 * s**2)).softmax(1),
        lambda data, x, a, s: (-_square(data, x / a, torch.ones_like(a)) / (2 * s**2)).softmax(1),
    ),
    (
        "A bell's exponent is half of the square over the variance: divide by 2 s².",
        lambda data, x, a, s: (-_square(data, x, a) / s**2).softmax(1),
        lambda data, x, a, s: (-_square(data, x, a) / (2 * s)).softmax(1),
        lambda data, x, a, s: (-_square(data, x, a) / s).softmax(1),
        lambda data, x, a, s: (-_square(data, x, a) / 2).softmax(1),
    ),
    (
        "That is the distance itself. The exponent holds its square.",
        lambda data, x, a, s: (-_square(data, x, a).sqrt() / (2 * s**2)).softmax(1),
        lambda data, x, a, s: (-_square(data, x, a).sqrt() / s).softmax(1),
    ),
    (
        "Those are exponentials that were not divided by their sum over i, so they don't add up to 1.",
        lambda data, x, a, s: (-_square(data, x, a) / (2 * s**2)).exp(),
    ),
    (
        "The shares of the n pictures add up to 1 for each x. You divided by a sum over the x.",
        lambda data, x, a, s: (-_square(data, x, a) / (2 * s**2)).softmax(0),
    ),
    (
        "You took the mean over the pixels. Their noises are independent, so their exponents add up.",
        lambda data, x, a, s: (
            -_square(data, x, a) / data[0].numel() / (2 * s**2)
        ).softmax(1),
    ),
    (
        "A minus sign is missing: you trust the pictures that are farthest away.",
        lambda data, x, a, s: (_square(data, x, a) / (2 * s**2)).softmax(1),
    ),
    (
        "Those are the logs of the shares. Take exp.",
        lambda data, x, a, s: (-_square(data, x, a) / (2 * s**2)).log_softmax(1),
    ),
):  # fmt: skip
    slip("16.a", _says, *_makes)


def _area(error: Tensor, log_snr: Tensor) -> Tensor:
    return torch.cat([error.new_zeros(1), torch.cumulative_trapezoid(error, log_snr)])


def _where(nats: Tensor, log_snr: Tensor, level) -> Tensor:
    "Where nats, which rise, reach level, along straight lines."
    i = int((nats < level).sum().clamp(1, len(nats) - 1))
    share = (level - nats[i - 1]) / (nats[i] - nats[i - 1])
    return log_snr[i - 1] + share * (log_snr[i] - log_snr[i - 1])


def collapse(error, log_snr, n):
    nats = torch.cat([error.new_zeros(1), torch.cumulative_trapezoid(error, log_snr)]) / 2
    i = int((nats < math.log(n)).sum())
    share = (math.log(n) - nats[i - 1]) / (nats[i] - nats[i - 1])
    return log_snr[i - 1] + share * (log_snr[i] - log_snr[i - 1])


def _curve(d: Dice) -> dict:
    m = 5 if d.small else 9
    level = torch.linspace(-4, 4, m, dtype=torch.float64)
    error = d.between(0.2, 1.0, m).double() + (level + 4) * (3 if d.small else 2)
    return {"error": d.kept(error), "log_snr": level.to(d.dtype), "n": d.whole(20, 400)}


add(
    Exercise(
        "16.b",
        "where a pile begins to copy",
        collapse,
        _curve,
        hints=(
            "How many nats does it take to name one picture among n? And how many has the noisy one said up to λ?",
            "Half of the area up to each level, by trapezoids; then the straight line between the two levels where it "
            "passes log n.",
        ),
    )
)

for _says, *_makes in (
    (
        "Information is half of the area.",
        lambda error, log_snr, n: _where(_area(error, log_snr), log_snr, math.log(n)),
    ),
    (
        "The area is in nats, so the number of pictures counts as its natural log.",
        lambda error, log_snr, n: _where(_area(error, log_snr) / 2, log_snr, math.log2(n)),
        lambda error, log_snr, n: _where(_area(error, log_snr) / 2, log_snr, math.log10(n)),
    ),
    (
        "You compared the area with n itself: to name one picture among n takes log n nats.",
        lambda error, log_snr, n: _where(_area(error, log_snr) / 2, log_snr, n),
    ),
    (
        "You took the level after which log n is passed. Go along the straight line from the one before.",
        lambda error, log_snr, n: log_snr[int((_area(error, log_snr) / 2 < math.log(n)).sum())],
        lambda error, log_snr, n: log_snr[int((_area(error, log_snr) / 2 < math.log(n)).sum()) - 1],
    ),
    (
        "You looked for the error itself to be log n. It is the area under it that counts.",
        lambda error, log_snr, n: _where(error, log_snr, math.log(n)),
        lambda error, log_snr, n: _where(error / 2, log_snr, math.log(n)),
    ),
    (
        "A sum of heights is no area: each strip is as wide as the levels are apart.",
        lambda error, log_snr, n: _where(error.cumsum(0) / 2, log_snr, math.log(n)),
        lambda error, log_snr, n: _where(error.cumsum(0), log_snr, math.log(n)),
    ),
):  # fmt: skip
    slip("16.b", _says, *_makes)
