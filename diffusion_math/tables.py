"Every transition in this course is a Gaussian whose mean is a sum of one or two x, each times a number, and whose ..."

from collections.abc import Callable, Hashable, Iterable
from operator import index
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from . import checks

__all__ = ["EXACT", "Tables", "countdown", "even_steps", "from_zero", "longer_steps", "read_at"]

EXACT = {"dtype": torch.float64, "device": "cpu"}  # how every schedule is computed and kept


def from_zero(x: Float[Tensor, " T"]) -> Float[Tensor, " n"]:
    "The T values after the entry of t = 0, a zero."
    return torch.cat([x.new_zeros(1), x])


def even_steps(T: int) -> Float[Tensor, " n"]:
    "t/T for t = 0..T in float64, T 1 or more."
    return torch.arange(checks.at_most("T", T) + 1, **EXACT) / int(T)


def read_at(curve: Float[Tensor, " n"], T: int) -> Float[Tensor, " m"]:
    "A curve of n values read at T + 1 even places, by straight lines between its entries."
    even = torch.arange(checks.at_most("T", T) + 1, **EXACT)
    place = even * (len(curve) - 1) / int(T)  # in this order an entry's own place is hit exactly
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
    if not checks.flag("progress", progress):
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


class Tables:
    """The numbers of Gaussian laws for every t, each law (rows, T+1) in float64, the last row its variance.

        tables = Tables({"step": torch.stack([alpha.sqrt(), beta])})
        scale, var, std = tables.at("step", "x_prev", x_prev, t)

    `exact` holds them as they are. A copy or a pickle takes them along, and not what was cast.
    """

    def __init__(self, exact: dict[Hashable, Float[Tensor, "rows n"]]):
        self.exact, self._cast = exact, {}

    def at(
        self,
        law: Hashable,
        name: str,
        x: Tensor,
        t: Any,
        first: int = 1,
        make: Callable[[], Float[Tensor, "rows n"]] | None = None,
    ) -> tuple[Tensor, ...]:
        """Each number of a law at t, and the root of its variance: in x's dtype, shaped to broadcast against x.

        t: an int, or (b,), within first..T. name: what an error calls x. make: makes a law that is not there yet.
        Raises as checks.tensor, checks.times.
        """
        flat, shaped = self._beside(law, name, x, make)
        if isinstance(t, Tensor) and t.shape == x.shape[:1]:
            try:  # index_select looks at the range of t itself, but for a 0 where the law begins at 1
                if first == 0 or checks.begins_at_one(t):
                    return shaped.index_select(1, t).unbind()
            except (IndexError, RuntimeError):
                pass  # what is wrong with t is said, or mended, below
        t = checks.times(t, x, first, flat.shape[1] - 1)
        if isinstance(t, Tensor):
            return shaped.index_select(1, t).unbind()
        return flat.select(1, t).clone().unbind()

    def row(self, law: Hashable, t: Any, x: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        "A law's first row at a t that was checked, beside x but in a dtype of its own, or the finest that x's device has."
        t = t.to(x.device, torch.long) if isinstance(t, Tensor) else index(t)
        dtype = checks.finest(x.device) if dtype == torch.float64 else dtype
        key = law, x.device, dtype
        row = self._cast.get(key)
        if row is None:
            with torch.inference_mode(False):
                row = self.exact[law][0].to(x.device, dtype)
            if outlives(row):
                self._cast[key] = row
        return row[t]

    def _numbers(self, law: Hashable, make: Callable | None) -> Float[Tensor, "rows n"]:
        "A law's numbers as they are, made if they are not there yet."
        if make is None or law in self.exact:
            return self.exact[law]
        made = make()
        if outlives(made):
            self.exact[law] = made
        return made

    def _beside(
        self, law: Hashable, name: str, x: Tensor, make: Callable | None = None
    ) -> tuple[Tensor, Tensor]:
        "A law's table as x needs it, and the same with dimensions for x's event."
        try:
            return self._cast[law, x.device, x.dtype, x.ndim]
        except (
            AttributeError,
            KeyError,
        ):  # so an x is looked at once for its kind, and never again
            checks.tensor(name, x)
        with torch.inference_mode(False):  # a table first met in inference must serve training too
            exact = self._numbers(law, make)
            flat = torch.cat([exact, exact[-1:].sqrt()]).to(x.device, x.dtype)
            shaped = flat.view(*flat.shape, *[1] * (x.ndim - 1))
        if outlives(shaped):
            self._cast[law, x.device, x.dtype, x.ndim] = flat, shaped
        return flat, shaped

    def __getstate__(self) -> dict:
        return {"exact": self.exact, "_cast": {}}
