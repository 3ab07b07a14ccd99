"Sums over an event, and over a batch in pieces that fit into memory, in float32 at least."

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "BUDGET", "all_wide", "at_rows", "level_by_level", "mean_event", "pieces", "sum_event", "total", "total_log", "wide",
    "wide_dtype",
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


def all_wide(*of: Tensor) -> list[Tensor]:
    "Each of them in float32 or better."
    every = list(of)
    for i, x in enumerate(every):
        if x.dtype not in (torch.float32, torch.float64):
            every[i] = x.to(wide_dtype(x.dtype))
    return every


def sum_event(x: Float[Tensor, "b *event"]) -> Float[Tensor, " b"]:
    "The sum over everything but the batch."
    return x if x.ndim == 1 else x.flatten(1).sum(1)


def mean_event(x: Float[Tensor, "b *event"]) -> Float[Tensor, " b"]:
    "The mean over everything but the batch."
    return x if x.ndim == 1 else x.flatten(1).mean(1)


def total(each: Float[Tensor, "b *event"], like: Tensor) -> Float[Tensor, " b"]:
    "The sum over the event, in like's dtype, float32 at least."
    summed = each if each.ndim == 1 else each.flatten(1).sum(1)
    return summed.to(torch.promote_types(like.dtype, torch.float32))


def total_log(each: Float[Tensor, "b *event"], like: Tensor | None = None) -> Float[Tensor, " b"]:
    "The sum of log-densities over the event: -inf (never) wins over +inf (a point mass)."
    never = sum_event((each == -math.inf).to(each.dtype)) > 0
    unknown = sum_event(each.isnan().to(each.dtype)) > 0
    summed = torch.where(never & ~unknown, -math.inf, sum_event(each))
    return summed if like is None else summed.to(torch.promote_types(like.dtype, torch.float32))


BUDGET = 2**18  # numbers in one batch that is handed to a process


def pieces(times: Tensor, width: int) -> tuple[Tensor, ...]:
    "times in pieces, so that a row of width numbers for each stays within BUDGET."
    return times.split(max(1, BUDGET // max(1, width))) if len(times) else ()


def at_rows(of: Any, i: Tensor, b: int) -> Any:
    "What asks a DDPM, its method or a denoiser made of it, for rows that belong to the i-th of b data: told what those were."
    if isinstance(of, partial) and of.args:
        return partial(of.func, at_rows(of.args[0], i, b), *of.args[1:], **of.keywords)
    if hasattr(of, "at_rows"):
        return of.at_rows(i, b)
    owner = getattr(of, "__self__", None)
    return getattr(owner.at_rows(i, b), of.__name__) if hasattr(owner, "at_rows") else of


def level_by_level(f: Callable, x: Tensor, level: Tensor, dim: int = 0) -> Tensor:
    "f(x, one noise level), where f takes one for all of x; row by row in dim, for each level that is there."
    if level.ndim == 0:
        return f(x, level)
    levels, which = level.expand(len(x)).unique(return_inverse=True)
    if not len(levels):
        return f(x, level.new_zeros(()))
    rows = torch.cat([f(x[which == i], one) for i, one in enumerate(levels)], dim)
    return rows.index_select(dim, which.argsort(stable=True).argsort())
