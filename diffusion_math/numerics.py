"The chapters derive what a log-density or a KL divergence is."

import math
from typing import Any

import torch
from torch import Generator, Tensor

from . import checks
from .sums import wide, wide_dtype

__all__ = [
    "beside", "empty_draws", "known_root", "log_cos_squared", "log_excess", "log_normal", "log_or_never", "log_rest",
    "noise_like", "ratio_excess", "root", "scaled_square", "seed_dice", "signal_and_noise",
]  # fmt: skip


def log_normal(x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    "log N(x; mean, var) of each coordinate; +inf at the point and -inf elsewhere where var is 0."
    x, mean, var = wide(x), wide(mean), wide(var)
    point = var == 0
    var = torch.where(point, 1, var)
    off = x - mean
    each = -0.5 * ((off / var.sqrt()).square() + torch.log(2 * math.pi * var))
    at_point = torch.where(off == 0, math.inf, -math.inf).to(each.dtype)
    return torch.where(point & ~off.isnan(), at_point, each)


def scaled_square(x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    "(x - mean)^2 / var; where var is 0: 0 at the mean, inf elsewhere."
    off, var = wide(x) - wide(mean), wide(var)
    point = var == 0
    each = (off / torch.where(point, 1, var).sqrt()).square()
    return torch.where(point & ~off.isnan(), torch.where(off == 0, 0.0, math.inf), each)


def root(var: Tensor) -> Tensor:
    "sqrt(var) with a gradient of 0 where var is 0, not of infinity: a point mass has no noise to learn from."
    point = var == 0
    return torch.where(point, 0.0, torch.where(point, 1.0, var).sqrt())


def known_root(var: Tensor, known: tuple[Tensor | None, Tensor | None]) -> Tensor:
    "root(var), or the root in known where known[0] is this var and no gradient is wanted of it."
    of, std = known
    return std if std is not None and of is var and not of.requires_grad else root(var)


def log_or_never(var: Tensor) -> Tensor:
    "log(var), -inf where var is 0, with a gradient of 0 there."
    point = var == 0
    return torch.where(point, -math.inf, torch.log(torch.where(point, 1, var)))


def seed_dice(seed: int) -> None:
    "torch.manual_seed, which takes a millisecond where it finds no accelerator to seed."
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def noise_like(mean: Tensor, generator: Generator | None) -> Tensor:
    "eps ~ N(0, I) in mean's shape; the same seed gives the same numbers, whichever generator has it."
    if generator is None:
        return torch.randn_like(mean, memory_format=torch.contiguous_format)
    checks.random(generator)
    return torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)


def empty_draws(n: Any, event_shape: torch.Size | None, like: Tensor) -> Tensor:
    "(n, *event) of like's kind, float32 at least, not filled yet. ValueError: no event_shape, or more than memory holds."
    return wide(like.new_empty(checks.draws(n, checks.known_event(event_shape))))


def log_excess(d: Tensor) -> Tensor:
    "d - log(1 + d), which is about d^2 / 2: by a series near 0, where the difference would lose its digits."
    small = d.abs() < 0.1
    near = torch.where(small, d, 0)
    z = near / (2 + near)  # log(1 + d) = 2 (z + z^3/3 + z^5/5 + ...)
    w, tail = z.square(), torch.zeros_like(z)
    for odd in (15, 13, 11, 9, 7, 5, 3):
        tail = tail * w + 1 / odd
    far = torch.where(small | (d == math.inf), 1, d)
    away = torch.where(d == math.inf, d, far - torch.log1p(far))
    return torch.where(small, near * z - 2 * z * w * tail, away)


def ratio_excess(var: Tensor, var_2: Tensor) -> Tensor:
    "r - 1 - log r for r = var / var_2, all its digits at any scale: 0 for two zeros, inf for one."
    var, var_2 = wide(var), wide(var_2)
    one, two = var == 0, var_2 == 0
    safe, safe_2 = torch.where(two, 1, var), torch.where(two, 1, var_2)
    d = (safe - safe_2) / safe_2  # r - 1, exact where r is near 1
    far = (d < -0.5) & ~one  # 1 + d has lost the digits of a small r
    half = (
        torch.where(far, safe, 1).sqrt() / torch.where(far, safe_2, 1).sqrt()
    )  # does not underflow, as r may
    each = torch.where(far, d - 2 * half.log(), log_excess(torch.where(far | one, 0, d)))
    return torch.where(one == two, torch.where(one, 0.0, each), math.inf)


def log_cos_squared(angle: Tensor, left: Tensor) -> Tensor:
    "log(cos(angle)^2), all its digits at both ends; left is pi/2 - angle, unsubtracted."
    return torch.where(angle < 1, torch.log1p(-angle.sin().square()), 2 * left.sin().log())


def log_rest(share: float) -> float:
    "log(1 - share), -inf where the share is 1."
    return math.log1p(-share) if share < 1 else -math.inf


def beside(numbers: Tensor, x: Tensor) -> Tensor:
    "One number for all, or one for each x, shaped to broadcast against x, in x's dtype, float32 at least."
    shaped = numbers.view(*numbers.shape, *[1] * (x.ndim - 1)) if numbers.ndim else numbers
    return shaped.to(wide_dtype(x.dtype))


def signal_and_noise(log_snr: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    "sqrt(alpha_bar) and sqrt(1 - alpha_bar) beside x."
    return beside(torch.sigmoid(log_snr).sqrt(), x), beside(torch.sigmoid(-log_snr).sqrt(), x)
