"The explorable of chapter 13: a solver's walk beside the exact flow."

from collections.abc import Sequence
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from .. import checks, solvers
from ..flow import quantile_flow
from ..laws.mixture import GaussianMixture
from .bells import BellsExplorable, even_starts
from .explorable import front_end
from .traits import BadValue, Number, OneOf, Whole

__all__ = ["SolverExplorer"]

_HEUN = ((1.0, (1.0,)),)
_WALKED = {name: solver for name, solver in solvers.SOLVERS.items() if not solver.dial} | {
    "heun-x0": solvers.Solver("heun-x0", 2, stages=_HEUN),
    "heun-velocity": solvers.Solver("heun-velocity", 2, "velocity", stages=_HEUN),
}
_RULES = (  # those that solver.js has
    solvers.fitted,
    solvers.midpoint,
    solvers.half_bent,
    solvers.midpoint_first,
    solvers.trapezoid_first,
)
_GUESSES = ("euler", "ddim", "heun", "heun-velocity")
_FROM, _TO, _WALKERS = -8.0, 6.0, 48  # log SNR of all walks, and the crowd
_FEWEST, _MOST = 4, 40  # calls


def _sent(solver: solvers.Solver) -> dict[str, Any]:
    "A solver as numbers and names. A rule of fixed weights is sent as these: rows[k] for k + 1 answers."
    if solver.rule not in _RULES and not isinstance(solver.rule, solvers.Rows):
        raise NotImplementedError(f"solver.js does not have the rule of {solver.name!r}")
    most = solver.past + solver.calls
    rows = [
        [float(w) for w in solver.rule([float(-i) for i in range(k)])] for k in range(1, most + 1)
    ]
    return {
        "name": solver.name,
        "order": solver.order,
        "holds": solver.holds,
        "past": solver.past,
        "rule": solver.rule.__name__ if solver.rule in _RULES else rows,
        "stages": [[place, list(row)] for place, row in solver.stages],
        "corrects": solver.corrects and solver.corrects.__name__,
    }


def _plans_of(plans: Sequence[Any]) -> list[list[float]]:
    "plans, grids as solve takes them, as lists of numbers, the shortest first."
    grids = checks.listed("plans", plans, "grids")
    found = [solvers.log_snrs(f"plans[{i}]", one) for i, one in enumerate(grids)]
    for i, (first, *_, last) in enumerate(found):
        if (first, last) != (_FROM, _TO):
            fits = f"plans[{i}] must lead from {_FROM:g} to {_TO:g}"
            raise ValueError(f"{fits}, got {first:g} to {last:g}")
        if len(found[i]) > _MOST + 1:
            raise ValueError(f"plans[{i}] must have at most {_MOST} steps, got {len(found[i]) - 1}")
    return sorted(found, key=len)


def _told(plans: Sequence[Any]) -> dict[str, Any]:
    "What the browser is told of solvers, grids and walkers."
    table = [_sent(one) for one in _WALKED.values()]
    return {
        "_plans": _plans_of(plans),
        "_table": table,
        "_crowd": even_starts(_WALKERS),
        "_guesses": list(_GUESSES),
    }


class SolverExplorer(BellsExplorable):
    """A solver's walk beside the exact flow over one number: choose the solver, its steps, its calls, and drag the start.

        SolverExplorer()                                    # two Gaussians, Heun's method in 6 calls
        SolverExplorer(mixture, "unipc2", "rho7", calls=10, start=-0.5)

    mixture: a GaussianMixture over one number, at most 6 components, means in [-3.5, 3.5], variances in [0.02, 4]. solver:
    one of SOLVERS that adds no noise, or "heun-x0" or "heun-velocity", Heun's method in other drawings. plans: grids of
    one's own, log SNR from -8 to 6, at most 40 steps. grid: "even" in log SNR, "rho7", (13.6), or "given", the longest of
    plans for which calls are enough. The traits solver, grid, calls, in 4..40, start, in [-3, 3], and guess, one of four
    solvers or "none", follow the controls, and move them when set. Raises ValueError for a value out of range, TypeError
    or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("solver")
    _narrow = 0.02  # of Gaussians whose flow solver.js can follow
    _words = (
        "a walker's exact flow over one number, a solver's walk beside it, the errors of all solvers against "
        "their calls, and controls for the solver, its steps, its calls and the start"
    )

    solver, grid = OneOf(*_WALKED), OneOf("even", "rho7", "given")
    calls = Whole(_FEWEST, _MOST)
    start, guess = Number(-3, 3), OneOf("none", *_GUESSES)
    _table, _crowd, _plans, _guesses = (traitlets.List().tag(sync=True) for _ in range(4))
    _still = traitlets.Dict({"guess": "heun"}).tag(sync=True)

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        solver: str = "heun",
        grid: str = "even",
        calls: int = 6,
        start: float = -0.5,
        guess: str = "none",
        plans: Sequence[Any] = (),
    ):
        shown = {"solver": solver, "grid": grid, "calls": calls, "start": start, "guess": guess}
        super().__init__(mixture, **_told(plans), **shown, _start=shown)

    @property
    def levels(self) -> Float[Tensor, " n"]:
        "The log SNR of each stop of the walk."
        steps = self.calls // _WALKED[self.solver].calls
        if self.grid == "given":
            fit = [plan for plan in self._plans if len(plan) <= steps + 1]
            return torch.tensor((fit or self._plans[:1])[-1], dtype=torch.float64)
        make = solvers.even_grid if self.grid == "even" else solvers.karras_grid
        return make(_FROM, _TO, steps)

    @property
    def path(self) -> Float[Tensor, " n"]:
        "Where the solver brings the walker, at each of levels."
        x = torch.tensor([[self.start]], dtype=torch.float64)
        return solvers.solve(
            self.data, x, self.levels, _WALKED[self.solver], trajectory=True
        ).flatten()

    @property
    def exact(self) -> float:
        "Where the walker's exact flow ends."
        x = torch.tensor([[self.start]], dtype=torch.float64)
        return quantile_flow(self.data, x, _FROM, _TO).item()

    @property
    def off(self) -> float:
        "How far all walkers end from their exact ends, on average."
        x = torch.tensor(self._crowd, dtype=torch.float64)[:, None]
        ends = solvers.solve(self.data, x, self.levels, _WALKED[self.solver])
        return (ends - quantile_flow(self.data, x, _FROM, _TO)).abs().mean().item()

    @traitlets.validate("grid")
    def _check(self, proposal: dict) -> Any:
        if proposal["value"] == "given" and not self._plans:
            raise BadValue("grid must be 'even' or 'rho7' where no plans are given, got 'given'")
        return proposal["value"]
