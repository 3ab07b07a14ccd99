"A bound averages over the steps of two chains, q's and p's, that must fit each other, and it does so in batches."

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from .. import checks
from ..checks import Each
from ..forward import ForwardProcess, Time
from ..gaussian import Gaussian
from ..numerics import ratio_excess
from ..reverse import ReverseProcess
from ..sums import average_draws, average_nodes, pieces, sum_event, wide

__all__ = [
    "by_draws", "by_guess", "by_strips", "check_chain", "decoded", "draw_terms", "kl_by_guess", "noised", "noised_rows",
    "steps_by_guess", "with_density",
]  # fmt: skip


def check_chain(
    q: ForwardProcess, p: ReverseProcess, x0: Tensor, decoder: Callable | None = None
) -> Float[Tensor, "b *event"]:
    "x0 in float32 at least, once q, p, x0 and decoder fit each other; or an error that says which does not."
    checks.instance("q", q, ForwardProcess)
    checks.instance("p", p, ReverseProcess)
    checks.tensor("x0", x0)
    if p.T != q.T:
        raise ValueError(f"q and p must have the same number of steps, got {q.T} and {p.T}")
    if p.event_shape is not None and x0.shape[1:] != p.event_shape:
        fits = f"(b, {', '.join(map(str, p.event_shape))})"
        raise ValueError(f"x0 must have shape {fits}, got {tuple(x0.shape)}")
    if decoder is not None:
        checks.function("decoder", decoder, "x_1")
    return wide(checks.finite("x0", x0))


def with_density(law: Gaussian, where: Tensor | bool = True) -> Gaussian:
    "p(x_0 | x_1), whose variance must not be 0 where it is asked for a density."
    fits = "p.step(x_1, 1) must have a variance above 0 to be a density of x0"
    checks.refuse((law.var == 0) & where, f"{fits}, got 0; or give a decoder")
    return law


def decoded(decoder: Callable[[Tensor], Any], x0: Tensor, x_1: Tensor) -> Float[Tensor, " rows"]:
    "log p(x_0 | x_1) of a decoder, one for each row."
    law = decoder(x_1)
    if not callable(getattr(law, "log_prob", None)):
        raise TypeError(f"decoder must return an object with log_prob, got {checks.got(law)}")
    log_prob = law.log_prob(x0)
    if not isinstance(log_prob, Tensor) or log_prob.shape != x0.shape[:1]:
        fits = f"shape ({len(x0)},), one for each x_1"
        came = tuple(log_prob.shape) if isinstance(log_prob, Tensor) else type(log_prob).__name__
        raise ValueError(f"decoder(x_1).log_prob(x0) must have {fits}, got {came}")
    return log_prob


def noised(q: ForwardProcess, x0: Float[Tensor, "b *event"], t: Time, eps: Tensor) -> Tensor:
    "x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps."
    law = q.marginal(x0, t)
    return torch.addcmul(law.mean, law.std, eps)


def noised_rows(
    q: ForwardProcess, x0: Float[Tensor, "b *event"], t: Int[Tensor, " c"], eps: Tensor
) -> tuple[Float[Tensor, "rows *event"], Int[Tensor, " rows"], Float[Tensor, "rows *event"]]:
    "x_0, t and x_t, row by row, for eps (k, c, b, *event)."
    k, c, b = eps.shape[:3]
    rows = x0.expand(eps.shape).flatten(0, 2)
    times = t.view(1, c, 1).expand(k, c, b).flatten()
    return rows, times, noised(q, rows, times, eps.flatten(0, 2))


def by_draws(q: ForwardProcess, x0: Tensor, n: int, generator: Generator | None) -> Callable:
    """mean(cost, first, last): the mean of cost(x_0, x_t, t) over n draws of x_t, for each t = first..last.

    And its standard error, each (last - first + 1, b). The draws are anew for each t and each datum.
    """
    return partial(_mean, q, x0, n, lambda *of: average_draws(*of, x0, n, generator))


def by_strips(q: ForwardProcess, x0: Tensor, n: int) -> Callable:
    "The same as a sum over n strips of x_t, for data of one number each; no draw, so an error of 0."
    return partial(_mean, q, x0, n, lambda *of: average_nodes(*of, x0, n))


def _mean(
    q: ForwardProcess, x0: Tensor, n: int, average: Callable, cost: Callable, first: int, last: int
) -> tuple[Tensor, Tensor]:
    "Every t, every draw and every datum is a row of one call of cost, in pieces that fit into memory."

    def of_rows(t: Tensor, eps: Tensor) -> Tensor:
        rows, times, x_t = noised_rows(q, x0, t, eps)
        return cost(rows, x_t, times).view(eps.shape[:3])

    times = torch.arange(first, last + 1, device=x0.device)
    parts = [average(of_rows, some) for some in pieces(times, n * x0.numel())]
    none = x0.new_zeros(0, len(x0))
    mean, error = (torch.cat([part[j] for part in parts] or [none]) for j in (0, 1))
    return mean, error


def by_guess(step: Callable) -> Callable:
    "Marks a step that is q(x_{t-1} | x_t, x_0) with p.clean(x_t, t) in the place of x_0, and a variance p.spread."
    step.by_guess = True
    return step


def steps_by_guess(p: ReverseProcess, q: ForwardProcess) -> bool:
    "Is p's step so marked, and is it this q's?"
    return p.q is q and getattr(p.step, "by_guess", False)


def kl_by_guess(p: Any, x0: Tensor, x_t: Tensor, guess: Tensor, t: int | Tensor) -> Each:
    "KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), where p's step has this guess of x_0; 0 in place of t = 1."
    of_x0, _, posterior, _ = p.q.tables.at("posterior", "x_t", x_t, t)
    checks.same_shape("x0", x0, "x_t", x_t)
    var, first = p.spread(x_t, t)[0], torch.as_tensor(t == 1).view(posterior.shape)
    point = (var == 0) & ~first
    of_x0 = wide(torch.where(first, 0, of_x0))
    each, safe = (wide(torch.where(first | point, 1, v)) for v in (posterior, var))
    off = sum_event((of_x0 / safe.sqrt() * wide(x0 - guess)).square())  # the one sum over pixels
    cost = 0.5 * (x0.shape[1:].numel() * ratio_excess(each, safe).flatten() + off)
    never = point.flatten() & ((posterior.flatten() > 0) | (off > 0))  # a point is never elsewhere
    return torch.where(never, math.inf, cost)


def draw_terms(
    T: int, x0: Tensor, generator: Generator | None, t: Time | None, eps: Tensor | None
) -> tuple[Int[Tensor, " b"], Float[Tensor, "b *event"]]:
    "t in 1..T as (b,), one from each of b equal strata, in a random order; and noise. What is given stays."
    b = len(checks.tensor("x0", x0))
    of = {"generator": checks.random(generator), "device": x0.device}
    if t is None:
        place = torch.randperm(b, **of) + torch.rand(b, dtype=checks.finest(x0.device), **of)
        t = 1 + (place / max(1, b) * T).long().clamp(max=T - 1)
    t = checks.times(t, x0, 1, T)
    t = torch.full((b,), t, device=x0.device) if isinstance(t, int) else t
    eps = torch.randn(x0.shape, dtype=x0.dtype, **of) if eps is None else eps
    return t, checks.same_shape("eps", eps, "x0", x0)
