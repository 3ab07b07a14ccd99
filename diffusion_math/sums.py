"A log-density is a sum over the numbers of an event, and a bound is an average over thousands of $x_t$."

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

__all__ = [
    "average_draws", "average_nodes", "level_by_level", "mean_event", "pieces", "sum_event", "total", "total_log",
    "wide", "wide_dtype",
]  # fmt: skip


def wide_dtype(*dtypes: torch.dtype) -> torch.dtype:
    "The widest of the dtypes, float32 at least."
    widest = torch.float32
    for dtype in dtypes:
        widest = torch.promote_types(widest, dtype)
    return widest


def wide(x: Tensor) -> Tensor:
    "x in float32 or better."
    return x if x.dtype in (torch.float32, torch.float64) else x.to(wide_dtype(x.dtype))


def sum_event(x: Float[Tensor, "b *event"]) -> Float[Tensor, " b"]:
    "The sum over everything but the batch."
    return x if x.ndim == 1 else x.flatten(1).sum(1)


def mean_event(x: Float[Tensor, "b *event"]) -> Float[Tensor, " b"]:
    "The mean over everything but the batch."
    return x if x.ndim == 1 else x.flatten(1).mean(1)


def total(each: Float[Tensor, "b *event"], like: Tensor) -> Float[Tensor, " b"]:
    "The sum over the event, in like's dtype, float32 at least."
    return sum_event(each).to(wide_dtype(like.dtype))


def total_log(each: Float[Tensor, "b *event"], like: Tensor | None = None) -> Float[Tensor, " b"]:
    "The sum of log-densities over the event: -inf (never) wins over +inf (a point mass)."
    never = sum_event((each == -math.inf).to(each.dtype)) > 0
    unknown = sum_event(each.isnan().to(each.dtype)) > 0
    summed = torch.where(never & ~unknown, -math.inf, sum_event(each))
    return summed if like is None else summed.to(wide_dtype(like.dtype))


BUDGET = 2**18  # numbers in one batch that is handed to a process


def pieces(times: Tensor, width: int) -> tuple[Tensor, ...]:
    "times in pieces, so that a row of width numbers for each stays within BUDGET."
    return times.split(max(1, BUDGET // max(1, width))) if len(times) else ()


def average_draws(
    cost: Callable, t: Tensor, like: Tensor, n: int, generator: Generator | None
) -> tuple[Tensor, Tensor]:
    "The mean of n draws of cost(t, eps) and its standard error, each (c, b); eps (k, c, *like.shape)."
    seen, mean, m2, most = 0, 0.0, 0.0, max(1, BUDGET // max(1, len(t) * like.numel()))
    while seen < n:
        k = min(most, n - seen)
        shape = (k, len(t), *like.shape)
        eps = torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
        value = cost(t, eps)
        here = value.mean(0)
        m2 = m2 + (value - here).square().sum(0) + (here - mean) ** 2 * (seen * k / (seen + k))
        mean = (seen * mean + k * here) / (seen + k)
        seen += k
    return mean, (m2 / (n - 1) / n).sqrt() if n > 1 else torch.full_like(mean, math.nan)


def average_nodes(cost: Callable, t: Tensor, like: Tensor, n: int) -> tuple[Tensor, Tensor]:
    "E[cost(t, eps)] over one eps ~ N(0, 1), as a sum over n strips from -8.5 to 8.5; no draw, so an error of 0."
    z = torch.linspace(-8.5, 8.5, n, dtype=like.dtype, device=like.device)
    value = cost(t, z.view(n, *[1] * (like.ndim + 1)).expand(n, len(t), *like.shape))
    mean = torch.einsum("k,kcb->cb", (-0.5 * z.to(value.dtype).square()).softmax(0), value)
    return mean, torch.zeros_like(mean)


def level_by_level(f: Callable, x: Tensor, level: Tensor, dim: int = 0) -> Tensor:
    "f(x, one noise level), where f takes one for all of x; row by row in dim, for each level that is there."
    if level.ndim == 0:
        return f(x, level)
    levels, which = level.expand(len(x)).unique(return_inverse=True)
    if not len(levels):
        return f(x, level.new_zeros(()))
    rows = torch.cat([f(x[which == i], one) for i, one in enumerate(levels)], dim)
    return rows.index_select(dim, which.argsort(stable=True).argsort())
