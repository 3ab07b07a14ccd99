"The best denoiser of a dataset of pictures, a softmax over all of them, and how its one sum goes wrong."

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Generator, Tensor

from .. import checks
from .clock import Clock, clock_of
from .noising import no_verdict, noised
from .verdict import Case, NoAnswer, Slip, Verdict, as_numbers, ask, judge, slips

__all__ = ["empirical"]

SEE = "chapter 16, (16.1)"
ROUNDING = (
    1e-3  # what float32 loses in a squared distance over a small s^2; the slips are off by more
)


def guess_by(log: Callable, answer: Callable | None = None) -> Callable:
    "A guess whose shares are the softmax of log(square, a, s, d), by what is answered from them."

    def make(x_t: Tensor, a: Tensor, s: Tensor, data: Tensor, scale: Any = None) -> Tensor:
        x, dataset = x_t.flatten(1), data.flatten(1)
        by = a[:, None, None] if scale is None else scale
        square = (x[:, None] - by * dataset).square().sum(2)
        share = log(square, a[:, None], s[:, None], x.shape[1]).softmax(1)
        guess = (
            share @ dataset if answer is None else answer(share, dataset, x, a[:, None], s[:, None])
        )
        return guess.view(x_t.shape)

    return make


def exact(square: Tensor, a: Tensor, s: Tensor, d: int) -> Tensor:
    "The log of (16.1) before it is divided by its sum."
    return -square / (2 * s**2)


RIGHT = guess_by(exact)


def of_nearest(share: Tensor, dataset: Tensor, *_: Tensor) -> Tensor:
    "The picture of the largest share."
    return dataset[share.argmax(1)]


BATCHES, CURE = (
    "a softmax for each batch",
    "Divide by one sum over all batches: keep a running maximum, and two running sums that are scaled with it.",
)
SLIPS = slips(
    ("the scale of the signal left out", "The distance is from x_t to a x_i, and not to x_i.",
     lambda **k: RIGHT(**k, scale=1.0)),
    ("s for its square", "The exponent is divided by 2 s^2: the noise's variance, and not its deviation.",
     guess_by(lambda q, a, s, d: -q / (2 * s)), guess_by(lambda q, a, s, d: -q / s)),
    ("the 2 left out", "A Gaussian has half of the square in its exponent: divide by 2 s^2.",
     guess_by(lambda q, a, s, d: -q / s**2)),
    ("a distance that is not squared", "The exponent holds the square of the distance.",
     guess_by(lambda q, a, s, d: -q.sqrt() / (2 * s**2)), guess_by(lambda q, a, s, d: -q.sqrt() / s)),
    ("a mean over the pixels", "The square of a distance is a sum over pixels, not their mean.",
     guess_by(lambda q, a, s, d: -q / (2 * s**2 * d))),
    ("the nearest picture alone", "E[x_0 | x_t] is the average of all pictures by their shares.",
     guess_by(exact, of_nearest)),
    ("the signal for the picture", "That is a times the guess. Divide by a, or leave it out.",
     guess_by(exact, lambda w, dataset, x, a, s: a * (w @ dataset))),
    ("the noise for the picture", "That is the guess of eps; of x_0 it is (x_t - s eps) / a.",
     guess_by(exact, lambda w, dataset, x, a, s: (x - a * (w @ dataset)) / s)),
)  # fmt: skip


def of_batches(size: int, by_length: bool) -> Callable:
    "The mean of what each batch of this size says, each counting once, or as often as it is long."

    def make(x_t: Tensor, a: Tensor, s: Tensor, data: Tensor) -> Tensor:
        x, dataset = x_t.flatten(1), data.flatten(1)
        log = exact(
            (x[:, None] - a[:, None, None] * dataset).square().sum(2), a[:, None], s[:, None], 0
        )
        parts = zip(log.split(size, 1), dataset.split(size), strict=True)
        told = torch.stack([part.softmax(1) @ batch for part, batch in parts])
        long = torch.tensor([len(batch) if by_length else 1.0 for batch in dataset.split(size)])
        return torch.einsum("k,kbd->bd", (long / long.sum()).to(told), told).view(x_t.shape)

    return make


def sizes(n: int) -> Iterable[int]:
    "Sizes of batches that are tried: all below n, or, of many, powers of 2 and round numbers."
    if n <= 300:
        return range(1, n)
    round_ones = {k * 10**j for k in range(1, 10) for j in range(7)} | {2**j for j in range(24)}
    return sorted(size for size in round_ones if size < n)


def slips_of(n: int) -> tuple[Slip, ...]:
    "The slips for a dataset of n."
    makes = [of_batches(k, by) for k in sizes(n) for by in ((False, True) if n % k else (False,))]
    return (Slip(BATCHES, CURE, tuple(makes)), *SLIPS)


def draw_questions(clock: Clock, data: Tensor) -> list[Case]:
    "Pictures of the dataset under noise, at levels that are spread over the clock."
    generator, cases, dataset = Generator().manual_seed(16), [], data.double()
    for i in range(6):
        dtype = torch.float32 if i % 2 else torch.float64
        which = torch.randint(len(dataset), (5,), generator=generator)
        eps = torch.randn(5, *dataset.shape[1:], generator=generator, dtype=torch.float64)
        place = clock.places(5, generator)
        a, s = clock.a[place].double(), clock.s[place].double()
        x_t = noised(dataset[which], a, s, eps).to(dtype)
        known = {"x_t": x_t.double(), "a": a, "s": s, "data": dataset}
        cases.append(Case((x_t, clock.told(place)), known, ROUNDING))
    return cases


def empirical(
    f: Callable,
    data: Tensor,
    alphas_cumprod: Any = None,
    betas: Any = None,
    sigmas: Any = None,
    flow_times: Any = None,
) -> Verdict:
    """Is f(x_t, t) the best guess of x0 for someone who knows data, (n, *event), and nothing else?

        referee.empirical(OptimalDenoiser(pictures, batch_size=64), pictures, alphas_cumprod=my_table)

    f: a denoiser that was made of data, and reads it in batches or at once; of batches data must hold several. t (5,) is
    what the code is told by the one table that is given, as in sampler. Errors as in noising; ValueError: fewer than two
    pictures, or more than 10,000.
    """
    f = checks.function("f", f, "x_t and t")
    data = checks.finite("data", checks.some("data", data, "picture"))
    checks.at_most("data: how many", len(data), 10**4, 2)
    clock = clock_of(alphas_cumprod, betas, sigmas, flow_times)
    cases = draw_questions(clock, data.detach().cpu())
    try:
        came = [as_numbers(ask(f, case.args), "a guess like x_t") for case in cases]
    except NoAnswer as error:
        return no_verdict("empirical", error, SEE)
    return judge("empirical", came, cases, RIGHT, slips_of(len(data)), SEE)
