"The explorable of chapter 14: straight lines through a walker, and the bent way along their average."

import math

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from ..flow import quantile_flow
from ..laws.mixture import GaussianMixture
from ..matching import line_walk, time_to_log_snr
from .bells import BellsExplorable, even_starts, mixture_of
from .explorable import front_end
from .traits import Number, Whole

__all__ = ["StraightExplorer"]

_WALKERS, _MOST = 24, 20  # lines through a walker, and starts of the crowd; Euler's steps
_FIRST = 0.02  # the least t: at 0 all lines end


class StraightExplorer(BellsExplorable):
    """Flow matching over one number: the straight lines through a walker, and the way that their average takes.

        StraightExplorer()                                  # two modes, Euler's walk in three steps
        StraightExplorer(mixture, start=-0.5, t=0.4, steps=1)

    mixture: q(x_0), a GaussianMixture over one number with at most 6 components, means in [-3.5, 3.5] and variances in
    [0.001, 4]. Data is at time 0, N(0, 1) at time 1. The traits start, in [-3, 3], t, in [0.02, 1], the time of the lines,
    and steps, in 1..20, follow the controls, and move them when set. Raises ValueError for a value out of range, TypeError
    or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("straight")
    _words = (
        "the straight lines from data to noise through a walker, the bent way that it takes along their "
        "average, and sliders for its start, for the time and for Euler's steps"
    )

    start, t = Number(-3, 3), Number(_FIRST, 1)
    steps = Whole(1, _MOST)
    _crowd = traitlets.List().tag(sync=True)

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        start: float = -0.5,
        t: float = 0.5,
        steps: int = 3,
    ):
        shown = {"start": start, "t": t, "steps": steps}
        super().__init__(mixture, **shown, _crowd=even_starts(_WALKERS), _start=shown)

    def curve(self, times: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        "Where the exact flow brings start, at each of times."
        x = torch.tensor([[self.start]], dtype=torch.float64)
        levels = time_to_log_snr(times).tolist()
        places = torch.cat([quantile_flow(self.data, x, -math.inf, level) for level in levels])
        return places.flatten() * torch.hypot(1 - times, times)

    @property
    def seen(self) -> GaussianMixture:
        "q(x_0 | x_t) of the walker at t, by Bayes' rule."
        t, data = self.t, self.data
        x = self.curve(torch.tensor([t], dtype=torch.float64))
        mean, var = data.means[:, 0], data.components.var[:, 0]
        both = (1 - t) ** 2 * var + t**2
        log = data.weights.log() - 0.5 * ((x - (1 - t) * mean) ** 2 / both + both.log())
        means, variances = (t**2 * mean + (1 - t) * var * x) / both, var * t**2 / both
        return mixture_of(log.softmax(0).tolist(), means.tolist(), variances.tolist())

    @property
    def lines(self) -> Float[Tensor, " n"]:
        "The data at which 24 lines through the walker at t end, each as likely as the others."
        z = torch.tensor(self._crowd, dtype=torch.float64)[:, None]
        return quantile_flow(self.seen, z, -math.inf, math.inf)[:, 0]

    @property
    def guess(self) -> float:
        "E[x_0 | x_t] of the walker at t: where the average of all lines through it ends."
        return (self.seen.weights @ self.seen.means[:, 0]).item()

    @property
    def path(self) -> Float[Tensor, " n"]:
        "Euler's walk from start at t = 1 to t = 0."
        x = torch.tensor([[self.start]], dtype=torch.float64)
        return line_walk(self.data, x, self._stops(), trajectory=True).flatten()

    @property
    def ends(self) -> Float[Tensor, " n"]:
        "Where Euler's walk brings 24 starts, as many in each part of the Gaussian."
        x = torch.tensor(self._crowd, dtype=torch.float64)[:, None]
        return line_walk(self.data, x, self._stops())[:, 0]

    def _stops(self) -> Float[Tensor, " n"]:
        return torch.linspace(1, 0, self.steps + 1, dtype=torch.float64)
