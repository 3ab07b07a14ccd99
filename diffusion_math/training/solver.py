"Chapter 13 takes a solver's weights from a formula, and the levels of its grid from a rule or a plan."

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from torch import Tensor

from .. import checks
from ..checks import Batch
from ..networks.denoiser import Denoiser, as_denoiser
from ..solvers import Grid, Solver, fixed, named
from ..sums import wide
from ..tables import EXACT

__all__ = ["learned_solver"]


def _walked(
    denoise: Denoiser, x: Batch, levels: Float[Tensor, " n"], weights: Float[Tensor, "steps k"]
) -> Batch:
    "Where x ends if step i weighs the last guesses by weights[i], the newest first; with a graph."
    a, s = levels.sigmoid().sqrt(), levels.neg().sigmoid().sqrt()
    kept, new, told = s[1:] / s[:-1], -torch.expm1(levels.diff() / -2) * a[1:], []
    for i, row in enumerate(weights):
        told = [denoise(x, levels[i]), *told][: len(row)]
        x = kept[i] * x + new[i] * sum(w * guess for w, guess in zip(row, told, strict=False))
    return x


def _levels(start: float, end: float, places: Float[Tensor, " steps"]) -> Float[Tensor, " n"]:
    "The levels from start to end whose steps are the softmax's shares of the way."
    way = places.softmax(0).cumsum(0)[:-1]
    ends = places.new_tensor([start, end])
    return torch.cat([ends[:1], start + (end - start) * way, ends[1:]])


def _first_weights(solver: Solver, levels: list[float], past: int) -> Float[Tensor, "steps k"]:
    "The solver's own weights on a grid, a row for each step, filled up with zeros; none may be lost."
    out = torch.zeros(len(levels) - 1, max(past, solver.past) + 1, **EXACT)
    for i, (here, there) in enumerate(pairwise(levels)):
        known = levels[max(0, i - solver.past) : i + 1][::-1]
        row = solver.rule([(v - here) / (there - here) for v in known], (there - here) / 2)
        out[i, : len(row)] = torch.tensor(row, **EXACT)
    if out[:, past + 1 :].any():
        raise ValueError(f"past must be {solver.past} or more for {solver.name!r}, got {past}")
    return out[:, : past + 1]


@dataclass
class _Search:
    "A loss of free numbers: one for each step of the grid, then a row of weights for each."

    denoise: Denoiser
    parts: tuple[Tensor, ...]  # of the crowd
    loss: Callable[[Batch], Float[Tensor, ""]]
    ends: tuple[float, float]  # of the grid
    steps: int
    best: tuple[float, Tensor] = field(default=(math.inf, torch.empty(0)), init=False)

    def unpacked(self, free: Float[Tensor, " n"]) -> tuple[Tensor, Tensor]:
        "The levels and the weights."
        return _levels(*self.ends, free[: self.steps]), free[self.steps :].view(self.steps, -1)

    def walked(self, part: Batch, free: Float[Tensor, " n"]) -> Batch:
        return _walked(self.denoise, part, *self.unpacked(free))

    def __call__(self, free: np.ndarray) -> tuple[float, np.ndarray]:
        "The loss and its gradient."
        numbers = torch.from_numpy(free.copy()).requires_grad_()
        with torch.no_grad():
            ends = torch.cat([self.walked(part, numbers) for part in self.parts])
        value, slopes = _judged(self.loss, ends)
        if not math.isfinite(value) or not slopes.isfinite().all():
            if not len(self.best[1]):
                came = f"{value:g}" if not math.isfinite(value) else "a slope that is not"
                raise ValueError(f"loss must be finite where the search begins, got {came}")
            # too far a step: what a search that goes down turns back from
            return 10 * abs(self.best[0]) + 1, np.zeros_like(free)
        total = torch.zeros_like(numbers)
        for part, slope in zip(self.parts, slopes.split(len(self.parts[0])), strict=True):
            total += torch.autograd.grad(self.walked(part, numbers), numbers, slope)[0]
        if value < self.best[0]:
            self.best = value, numbers.detach()
        return value, total.numpy()


def _judged(loss: Callable, ends: Batch) -> tuple[float, Batch]:
    "What loss says of the ends, and its slope at each."
    ends = ends.requires_grad_()
    value = loss(ends)
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
        fits = "one number with a graph, a tensor that autograd can follow to the ends"
        raise TypeError(f"loss must give {fits}, got {checks.got(value)}")
    (slopes,) = torch.autograd.grad(value.sum(), ends)
    return value.item(), slopes


def _plain(solver: Solver | str) -> Solver:
    "A solver whose step is the one above."
    solver = named(solver)
    if solver.holds != "x0" or solver.stages or solver.corrects or solver.dial:
        fits = "hold 'x0', without stages, corrector and dial"
        raise ValueError(f"solver must {fits}, got {solver.name!r}")
    return solver


def learned_solver(
    denoiser: Any,
    x: Batch,
    grid: Grid,
    loss: Callable[[Batch], Float[Tensor, ""]],
    solver: Solver | str = "2m",
    past: int = 2,
    rounds: int = 60,
    batch: int = 250,
) -> tuple[Float[Tensor, " n"], Solver]:
    """A grid and a solver on it, whose levels and weights were sought so that loss is small, for solve.

    denoiser as in as_denoiser, differentiable. x: a crowd at grid[0], (b, *event), walked by batch at a time; a function
    that was told something of each x must have been told it for batch of them. loss: of all ends, (b, *event), to one
    number. grid: finite levels that rise, 20 steps at most; its ends stay. solver: where the search begins, one that
    holds "x0", without stages, corrector and dial; one that was learned, on its own grid, learns on. past: how many earlier
    guesses may count. rounds: how often the loss is asked at least, at the price of four walks each; a search that stands
    still ends earlier.

    Of all that was tried the best is returned, so it is never worse for this crowd than the beginning. It serves this
    denoiser, between these ends, in so many steps, and has no order [Watson et al. 2022; Frankel et al. 2025].
    ValueError: a grid that falls or has no finite end, another kind of solver, one that counts more guesses than past, a
    loss that begins as inf or nan, or with such a slope. TypeError: a loss that is no tensor of one
    number, or does not depend on the ends.
    """
    levels, solver, crowd = checks.ways("grid", grid), _plain(solver), wide(checks.tensor("x", x))
    steps = len(levels) - 1
    if not levels[0] < levels[-1] < math.inf or steps > 20:
        fits = "rise to a finite level in 20 steps at most"
        raise ValueError(f"grid must {fits}, got {steps} steps to {levels[-1]:g}")
    checks.at_hand("x", checks.some("x", crowd, "walker"))
    past = checks.at_most("past", past, 20, 0)
    weights = _first_weights(solver, levels, past)
    begin = torch.cat([torch.tensor(levels, **EXACT).diff().log(), weights.flatten()])
    checks.function("loss", loss, "the ends")
    batch, budget = checks.at_most("batch", batch), {"maxfun": checks.at_most("rounds", rounds)}
    with torch.inference_mode(False), torch.enable_grad():
        parts = crowd.detach().clone().split(batch)
        search = _Search(as_denoiser(denoiser), parts, loss, (levels[0], levels[-1]), steps)
        minimize(search, begin.numpy(), jac=True, method="L-BFGS-B", options=budget)
    found, rows = search.unpacked(search.best[1])
    table = [[*row[: i + 1].tolist(), *[0.0] * (i - past)] for i, row in enumerate(rows)]
    return found, Solver(f"learned, {steps} steps", 1, rule=fixed(*table), past=steps - 1)
