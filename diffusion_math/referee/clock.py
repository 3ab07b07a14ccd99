"The clock of somebody's code: its table of alpha-bars, betas, sigmas or times, and the a and s that belong to each."

from typing import Any

import torch
from torch import Tensor

from .. import checks
from ..forward import Schedule
from .verdict import NoAnswer

__all__ = ["Clock", "clock_of", "table_of"]


def table_of(name: str, values: Any) -> Tensor:
    "A table of numbers, (T,), in float64 on the CPU, whatever it came as; ValueError or TypeError where it is none."
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    table = checks.real(name, values, "a list or tensor of numbers", dtype=torch.float64)
    if table.ndim != 1 or len(table) < 3:
        shape = tuple(table.shape)
        raise ValueError(f"{name} must be a list of 3 numbers or more, got shape {shape}")
    return table


def finite(name: str, table: Tensor) -> Tensor:
    "A table all of whose numbers are numbers; ValueError with the place of the first that is none."
    if not bool(table.isfinite().all()):
        place = int((~table.isfinite()).nonzero()[0])
        raise ValueError(f"{name} must be finite, got {table[place].item():g} at entry {place}")
    return table


class Clock:
    """The times of somebody's code and the a and s of x_t = a x0 + s eps that belong to each.

    kind: "steps", where a time is an index into the tables; "sigma", where it is s itself, and a is 1; "flow", where
    x_t = (1 - t) x0 + t eps. times: those that occur, from little noise to much.
    """

    def __init__(self, kind: str, times: Tensor, a: Tensor, s: Tensor, beta: Tensor | None = None):
        self.kind, self.times, self.a, self.s, self.beta = kind, times, a, s, beta
        self.first = int(bool(s[0] == 0))  # an entry without noise is the data itself

    def places(self, n: int, generator: torch.Generator) -> Tensor:
        "n places in the tables, each with a neighbour on either side, spread from little noise to much."
        low, high = self.first + 1, len(self.times) - 2
        u = (torch.arange(n) + torch.rand(n, generator=generator)) / n
        return (low + (u * (high - low + 1)).floor().long()).clamp(low, max(low, high))

    def told(self, place: Tensor) -> Tensor:
        "What the code is told at these places: whole numbers for steps, else the time itself."
        return self.times[place]

    def place(self, t: Any) -> Tensor:
        "Where in the tables the times lie that some code tells, (n,); NoAnswer for one that is not there."
        t = torch.as_tensor(t).detach().cpu().double().reshape(-1)
        place = torch.searchsorted(self.times.double(), t - 1e-9).clamp(max=len(self.times) - 1)
        off = (self.times[place].double() - t).abs() > 1e-4 * (1 + t.abs())
        if self.kind == "steps" and bool(off.any()):
            last = int(self.times[-1])
            came = f"{t[off][0].item():g}, where {int(self.times[0])}..{last} occur"
            raise NoAnswer(f"it told the network a time that its table has not: {came}")
        return place

    def between(self, t: Any, log: bool = False) -> tuple[Tensor, Tensor] | None:
        "a and s, (n,) each, at times between entries of the table: even in sigma, or in its log. None at entries, or beyond."
        t = torch.as_tensor(t).detach().cpu().double().reshape(-1)
        low = t.floor().long()
        if bool((t == low).all() or (t < 1).any() or (t > len(self.times) - 1).any()):
            return None
        ratio = self.s / self.a
        ratio = ratio.log() if log else ratio
        high = (low + 1).clamp(max=len(ratio) - 1)
        there = ratio[low] + (t - low) * (ratio[high] - ratio[low])
        there = there.exp() if log else there
        a = (1 + there**2).rsqrt()
        return a, there * a

    def scales(self, t: Any) -> tuple[Tensor, Tensor]:
        "a and s at the times that some code tells, (n,) each."
        if self.kind == "steps":
            place = self.place(t)
            return self.a[place], self.s[place]
        t = torch.as_tensor(t).detach().cpu().double().reshape(-1)
        return (torch.ones_like(t), t) if self.kind == "sigma" else (1 - t, t)


def clock_of(
    alphas_cumprod: Any = None, betas: Any = None, sigmas: Any = None, flow_times: Any = None
) -> Clock:
    """The clock of some code, from the one table that is given.

    alphas_cumprod: alpha-bar as the code indexes it, entry 0 for t = 0; or a Schedule of ours, t = 0..T. betas: the
    same. sigmas: those that occur, in any order; x_t = x0 + sigma eps, and the code is told sigma. flow_times: those
    that occur in [0, 1]; x_t = (1 - t) x0 + t eps. TypeError: none or several; ValueError: a table that is no schedule.
    """
    tables = {
        "alphas_cumprod": alphas_cumprod,
        "betas": betas,
        "sigmas": sigmas,
        "flow_times": flow_times,
    }
    name, value = checks.only({k: v for k, v in tables.items() if v is not None}, list(tables))
    if isinstance(value, Schedule):
        a, s = value.alpha_bar.sqrt(), value.noise_var.sqrt()
        return Clock("steps", torch.arange(value.T + 1), a, s, value.beta)
    table = finite(name, table_of(name, value))
    if name in ("sigmas", "flow_times"):
        top = 1.0 if name == "flow_times" else float("inf")
        low = table[table > 0].unique()
        if len(low) < 3 or low[-1] > top or table.min() < 0:
            fits = "hold three levels of noise or more, none below 0"
            raise ValueError(f"{name} must {fits}, got {table.min():g} to {table.max():g}")
        a = torch.ones_like(low) if name == "sigmas" else 1 - low
        return Clock(name.removesuffix("s").removesuffix("_time"), low, a, low)
    bar = (1 - table).cumprod(0) if name == "betas" else table
    if bool((bar == 1).all()):
        fits = "above 0" if name == "betas" else "below 1"
        raise ValueError(
            f"{name} must hold noise, an entry {fits}, got {table[0].item():g} everywhere"
        )
    if bool((bar == 0).all()):
        raise ValueError(
            f"{name} must keep some of x_0, an entry {'below 1' if name == 'betas' else 'above 0'}, got none"
        )
    if not bool((bar >= 0).all() and (bar <= 1).all() and (bar.diff() <= 0).all()):
        why = "see what referee.schedule says of it"
        raise ValueError(
            f"{name} must be a schedule, alpha_bar in [0, 1] and falling, got another: {why}"
        )
    before = torch.cat([bar.new_ones(1), bar[:-1]])
    beta = table if name == "betas" else 1 - bar / before
    rest = -torch.expm1(torch.log1p(-table).cumsum(0)) if name == "betas" else 1 - bar
    return Clock("steps", torch.arange(len(table)), bar.sqrt(), rest.sqrt(), beta)
