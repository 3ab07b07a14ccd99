"What a log-density and a KL divergence are made of, to all their digits at both ends."

import math

import torch
from torch import Generator, Tensor

from .sums import all_wide, wide_dtype

__all__ = [
    "beside", "log_excess", "log_normal", "log_or_never", "manual_seed", "noise_like", "ratio_excess", "root",
    "scaled_square", "scales",
]  # fmt: skip


def log_normal(x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    "log N(x; mean, var) of each coordinate; +inf at the point and -inf elsewhere where var is 0."
    x, mean, var = all_wide(x, mean, var)
    point = var == 0
    var = torch.where(point, 1, var)
    off = x - mean
    each = -0.5 * ((off / var.sqrt()).square() + torch.log(2 * math.pi * var))
    at_point = torch.where(off == 0, math.inf, -math.inf).to(each.dtype)
    return torch.where(point & ~off.isnan(), at_point, each)


def scaled_square(x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    "(x - mean)^2 / var; where var is 0: 0 at the mean, inf elsewhere."
    x, mean, var = all_wide(x, mean, var)
    off = x - mean
    point = var == 0
    each = (off / torch.where(point, 1, var).sqrt()).square()
    return torch.where(point & ~off.isnan(), torch.where(off == 0, 0.0, math.inf), each)


def root(var: Tensor) -> Tensor:
    "sqrt(var) with a gradient of 0 where var is 0, not of infinity: a point mass has no noise to learn from."
    point = var == 0
    return torch.where(point, 0.0, torch.where(point, 1.0, var).sqrt())


def log_or_never(var: Tensor) -> Tensor:
    "log(var), -inf where var is 0, with a gradient of 0 there."
    point = var == 0
    return torch.where(point, -math.inf, torch.log(torch.where(point, 1, var)))


def manual_seed(seed: int) -> None:
    "torch.manual_seed, which takes a millisecond where it finds no accelerator to seed."
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def noise_like(mean: Tensor, generator: Generator | None) -> Tensor:
    "eps ~ N(0, I) in mean's shape; the same seed gives the same numbers, whichever generator has it."
    if generator is None:
        return torch.randn_like(mean, memory_format=torch.contiguous_format)
    return torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)


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
    var, var_2 = all_wide(var, var_2)
    one, two = var == 0, var_2 == 0
    safe, safe_2 = torch.where(two, 1, var), torch.where(two, 1, var_2)
    d = (safe - safe_2) / safe_2  # r - 1, exact where r is near 1
    far = (d < -0.5) & ~one  # 1 + d has lost the digits of a small r
    # does not underflow, as r may
    half = torch.where(far, safe, 1).sqrt() / torch.where(far, safe_2, 1).sqrt()
    each = torch.where(far, d - 2 * half.log(), log_excess(torch.where(far | one, 0, d)))
    return torch.where(one == two, torch.where(one, 0.0, each), math.inf)


def beside(numbers: Tensor, x: Tensor) -> Tensor:
    "One number for all, or one for each x, shaped to broadcast against x, in x's dtype, float32 at least."
    shaped = numbers.view(*numbers.shape, *[1] * (x.ndim - 1)) if numbers.ndim else numbers
    return shaped.to(wide_dtype(x.dtype))


def scales(log_snr: Tensor | float, x: Tensor) -> tuple[Tensor, Tensor]:
    "a = sqrt(alpha_bar) and s = sqrt(1 - alpha_bar), to broadcast against x, in x's dtype, float32 at least."
    level = log_snr if isinstance(log_snr, Tensor) else torch.tensor(log_snr, dtype=torch.float64)
    level = level.view(-1, *[1] * (x.ndim - 1))  # so that half precision times them is float32
    dtype = torch.promote_types(x.dtype, torch.float32)
    return torch.sigmoid(level).sqrt().to(dtype), torch.sigmoid(-level).sqrt().to(dtype)
