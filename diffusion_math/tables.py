"""The numbers of Gaussian laws for every t, in float64, and beside whatever x they meet.

A law is a few rows of T + 1 numbers, made once from the schedule by the function beside its equation."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from . import checks, numerics

__all__ = [
    "EXACT", "Tables", "countdown", "even_steps", "falling_values", "from_zero", "longer_steps", "read_at",
    "schedule_table", "schedule_values", "up_to_T",
]  # fmt: skip

EXACT = {"dtype": torch.float64, "device": "cpu"}  # how every schedule is computed and kept


def from_zero(x: Float[Tensor, " T"]) -> Float[Tensor, " n"]:
    "The T values after the entry of t = 0, a zero."
    return torch.cat([x.new_zeros(1), x])


def even_steps(T: int) -> Float[Tensor, " n"]:
    "t/T for t = 0..T in float64."
    return torch.arange(T + 1, **EXACT) / T


def read_at(curve: Float[Tensor, " n"], T: int) -> Float[Tensor, " m"]:
    "A curve of n values read at T + 1 even places, by straight lines between its entries."
    place = torch.arange(T + 1, **EXACT) * (len(curve) - 1) / T  # hits an entry's own place exactly
    at = place.floor().long().clamp(max=len(curve) - 2)
    share, left, right = place - at, curve[at], curve[at + 1]
    inner = torch.where(left == right, left, left + share * (right - left))
    return torch.where(share == 0, left, torch.where(share == 1, right, inner))


def longer_steps(
    log_alpha: Float[Tensor, " n"], T: int
) -> tuple[Float[Tensor, " m"], Int[Tensor, " m"]]:
    "log alpha of T longer steps, and the old t at which each of them ends."
    kept = torch.linspace(0, len(log_alpha) - 1, T + 1, **EXACT).round().long()
    old = torch.arange(len(log_alpha), device="cpu")
    owner = torch.bucketize(old, kept)  # the new step around an old one
    return log_alpha.new_zeros(T + 1).index_add(0, owner, log_alpha), kept


def countdown(T: int, progress: bool) -> Iterable:
    "T, T-1, ..., 1, behind a progress bar if one is wanted."
    times = range(T, 0, -1)
    if not progress:
        return times
    from tqdm.auto import tqdm

    return tqdm(times, desc="x_T to x_0", unit="step")


def outlives(x: Tensor) -> bool:
    "Can x be kept? What is made inside torch.func.grad or jvp is a wrapper that dies with it: it has no memory."
    if torch.compiler.is_compiling():
        return True
    try:
        return x.data_ptr() >= 0
    except RuntimeError:
        return False


def cast(rows: Float[Tensor, "m n"], x: Tensor) -> tuple[Tensor, Tensor]:
    "A law's numbers and the root of its variance as x needs them, and the same with dimensions for x's event."
    flat = torch.cat([rows, rows[-1:].sqrt()]).to(x.device, x.dtype)
    return flat, flat.view(*flat.shape, *[1] * (x.ndim - 1))


class Tables:
    """A schedule's laws, each from a function numbers(schedule, *of) -> (rows, T+1), whose last row is a variance.

        scale, var, std = Tables(schedule).at(x0, t, marginal_numbers)

    They are made and cast once for each kind of x. A copy or a pickle takes the schedule along, and not what was cast.
    """

    def __init__(self, schedule: Any):
        self.schedule, self._cast = schedule, {}

    def at(
        self, x: Tensor, t: int | Tensor, numbers: Callable[..., Tensor], *of: Any
    ) -> tuple[Tensor, ...]:
        "Each number of a law at t, and the root of its variance: in x's dtype, shaped to broadcast against x."
        key = numbers, of, x.device, x.dtype, x.ndim
        flat, shaped = self._cast.get(key) or self._keep(
            key, lambda: cast(numbers(self.schedule, *of), x)
        )
        if isinstance(t, Tensor):
            return shaped.index_select(1, t).unbind()
        return flat.select(1, t).clone().unbind()

    def log_snr(self, x: Tensor, t: int | Tensor) -> Tensor:
        "log SNR at t beside x, in float64, or in the finest that x's device has."
        (row,) = self._cast.get(x.device) or self._keep(
            x.device, lambda: (self.schedule.log_snr.to(x.device, checks.finest(x.device)),)
        )
        return row[t]

    def scales(self, x: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        "a and s at t, as numerics.scales makes them of log_snr: to broadcast against x, in float32 at least."
        key = x.device, x.dtype, x.ndim
        a, s = self._cast.get(key) or self._keep(
            key, lambda: tuple(v.to(x.device) for v in numerics.scales(self.schedule.log_snr, x))
        )
        return a[t], s[t]

    def _keep(self, key: Any, make: Callable) -> tuple[Tensor, ...]:
        "What make says, made once."
        with torch.inference_mode(False):  # a table first met in inference must serve training too
            made = make()
        if outlives(made[0]):
            self._cast[key] = made
        return made

    def __getstate__(self) -> dict:
        return {"schedule": self.schedule, "_cast": {}}


# ---- what a schedule may be made of


def schedule_values(name: str, values: Any, low: float, high: float) -> Tensor:
    "T values in [low, high] as float64 on the CPU; the error names the first that is out of range, and its t."
    fits = "a list or tensor of numbers"
    values = checks.real(name, values, fits, dtype=torch.float64, device="cpu").detach()
    if values.ndim != 1 or not len(values):
        shape = tuple(values.shape)
        raise ValueError(f"{name} must be a list of T >= 1 numbers, got shape {shape}")
    wrong = ~((values >= low) & (values <= high))
    if wrong.any():
        t = int(wrong.nonzero()[0])
        came = f"{values[t].item():g} at t = {t + 1}"
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {came}")
    return values


def falling_values(
    name: str, values: Any, low: float = -math.inf, high: float = math.inf
) -> Tensor:
    "The same, of values that never rise with t."
    values = schedule_values(name, values, low, high)
    rises = (values.diff() > 0).nonzero()
    if len(rises):
        t = int(rises[0]) + 1
        came = f"{values[t].item():g} after {values[t - 1].item():g} at t = {t + 1}"
        raise ValueError(f"{name} must not rise with t, got {came}")
    return values


def schedule_table(name: str, values: Any, given: Mapping[str, Any]) -> Tensor:
    "A table (T+1,): float64 on the CPU, 0 at t = 0 and never above it, as long as the one before."
    if not isinstance(values, Tensor) or values.dtype != torch.float64 or not values.is_cpu:
        where = f" on {values.device}" if isinstance(values, Tensor) else ""
        raise TypeError(
            f"{name} must be a float64 tensor on the CPU, got {checks.got(values)}{where}"
        )
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"{name} must have shape (T+1,), T >= 1, got {tuple(values.shape)}")
    if not bool((values <= 1e-9).all()) or values[0] != 0:
        fits = "must be 0 at t = 0 and nowhere above it"
        raise ValueError(f"{name} {fits}, got {values[0].item():g} to {values.max().item():g}")
    before = given.get("log_alpha", values)
    return checks.same_shape(
        name, values, "log_alpha", before if isinstance(before, Tensor) else values
    )


def up_to_T(name: str, value: Any, given: Mapping[str, Any]) -> int:
    "1 to self.T."
    return checks.count(name, value, 1, given["self"].T)
