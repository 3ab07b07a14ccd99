"A Gaussian that is rounded to grey levels gives each level a probability."

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .. import checks
from ..sums import wide_dtype

__all__ = ["left_unknown", "level_of", "log_between", "log_mass"]


def log_between(z: Tensor, h: Tensor) -> Tensor:
    "log(Phi(z + h/2) - Phi(z - h/2)), h > 0, to all digits."
    narrow = h * z.abs().clamp(min=1.6) < (1.5e5 * torch.finfo(z.dtype).eps) ** (1 / 6)
    left = -z.abs()
    low, high = torch.special.log_ndtr(left - h / 2), torch.special.log_ndtr(left + h / 2)
    apart = high + torch.log(-torch.expm1(torch.where(narrow, -1, low - high)))
    u, w = torch.where(narrow, z, 0).square(), torch.where(narrow, h, 1).square()
    bend = w / 24 * (u - 1 + w / 80 * (u * (u - 6) + 3))
    middle = 0.5 * (w.log() - math.log(2 * math.pi) - u) + torch.log1p(bend)
    return torch.where(narrow, middle, apart)


def level_of(
    x: Float[Tensor, "b *event"], low: float, width: float, levels: int
) -> Int[Tensor, "b *event"]:
    "k, where x stands for the k-th level; ValueError for what is no level (looked for on the CPU)."
    place = (x - low) / width
    level = place.round()
    off = ~((place - level).abs() <= 0.05) | (level < 0) | (level > levels - 1)
    fits = f"{low:g} + k * {width:g}, k = 0..{levels - 1}"
    checks.refuse(off, f"x must hold levels {fits}, got", x)
    return level.long().clamp(0, levels - 1)  # where nobody looked, an index must still be one


def _levels(low: float, high: float, levels: int, like: Tensor) -> tuple[Tensor, Tensor]:
    "The levels in like's precision, and what that rounds off."
    exact = torch.linspace(low, high, levels, dtype=torch.float64)
    near = exact.to(like.dtype)
    rest = (exact - near.double()).to(like.dtype)
    return near.to(like.device, non_blocking=True), rest.to(like.device, non_blocking=True)


def left_unknown(q: Any) -> float:
    "What is left unknown of x_0 at t = 1 if all its values are alike: (1 - alpha_bar_1) / alpha_bar_1."
    schedule = q.schedule
    noise, signal = schedule.noise_var[1].item(), schedule.alpha_bar[1].item()
    if not (noise > 0 and signal > 0):
        what = "x_1 must hold some noise and some of x_0"
        raise ValueError(f"decode needs 0 < alpha_bar_1 < 1, got {signal:g}: {what}")
    return noise / signal


def log_mass(
    x: Float[Tensor, "b *event"], mean: Tensor, var: Tensor, low: float, high: float, levels: int
) -> Float[Tensor, "b *event"]:
    "log of the probability of x's level for each coordinate; the first and the last reach to -inf and inf."
    on_cpu = x.device.type == "cpu"
    dtype = torch.float64 if on_cpu else wide_dtype(x.dtype, mean.dtype)
    x, mean, std = x.to(dtype), mean.to(dtype), var.to(dtype).sqrt()
    width = (high - low) / (levels - 1)
    k, (near, rest) = level_of(x, low, width, levels), _levels(low, high, levels, mean)
    z, h = (near[k] - mean + rest[k]) / std, width / std
    first, last = k == 0, k == levels - 1
    edge = first | last
    inside = log_between(torch.where(edge, 0, z), torch.where(edge, 1, h))
    tail = torch.special.log_ndtr(torch.where(first, z, -z) + h / 2)
    return torch.where(edge, tail, inside)
