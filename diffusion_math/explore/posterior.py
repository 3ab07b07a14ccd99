"An explorable of chapter 17: a measurement of two modes, their posterior, and what steered walks draw."

import torch
from jaxtyping import Float
from torch import Tensor

from ..inverse import Measurement, steered
from ..laws.mixture import GaussianMixture
from ..networks.denoiser import Denoiser
from ..sde import walk
from .bells import BellsExplorable, mixture_of
from .explorable import front_end
from .traits import Number, OneOf, Whole

__all__ = ["PosteriorExplorer"]

_EDGE, _FROM, _TO, _STEPS, _WALKERS = 2.5, -12.0, 10.0, 176, 1000
_STARTS = torch.linspace(-4, 4, 641, dtype=torch.float64)


class PosteriorExplorer(BellsExplorable):
    """Drag a measurement over two modes: their exact posterior, what a steered walk draws instead, and both odds.

        PosteriorExplorer()                                 # y = -0.2, between the modes, with V = 0
        PosteriorExplorer(mixture, y=-0.5, std=0.3, method="moments", throw=1)

    mixture: a GaussianMixture over one number, two components, means in [-3.5, 3.5], variances in [0.02, 2]. y, in [-2.5, 2.5]:
    what was measured of x0; std, in [0.3, 2]: the standard deviation of its noise. method: "point" (V = 0), "unit" or
    "moments", as in steered, or "exact". throw, 0 to 999: a walk without noise where it is 0, otherwise the seed of 1000
    walkers' noise; Python and the browser throw numbers of their own. The traits y, std, method and throw follow
    the controls, and move them when set. Raises ValueError for a value that does not fit, TypeError or traitlets.TraitError
    for a wrong kind.
    """

    _esm = front_end("posterior")
    _narrow, _wide = 0.02, 2.0  # of modes whose walks posterior.js can follow
    _two = True
    _words = "two modes, their posterior given y, what a method draws of it, and controls for y, its noise and the method"

    y, std = Number(-_EDGE, _EDGE), Number(0.3, 2.0)
    method = OneOf("point", "unit", "moments", "exact")
    throw = Whole(0, 999)

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        y: float = -0.2,
        std: float = 0.5,
        method: str = "point",
        throw: int = 0,
    ):
        if mixture is None:
            mixture = mixture_of([0.4, 0.6], [-1.2, 1.0], [0.06, 0.12])
        start = {"y": y, "std": std, "method": method, "throw": throw}
        super().__init__(mixture, **start, _start=start)

    @property
    def posterior(self) -> GaussianMixture:
        "q(x0 | y), exactly."
        return self._measurement.posterior(self.data, self._told)

    @property
    def denoiser(self) -> Denoiser:
        "E[x0 | x_t, y] as the method has it."
        if self.method == "exact":
            return self.posterior.denoise
        return steered(self.data, self._measurement, self._told, self.method)

    @property
    def places(self) -> Float[Tensor, " n"]:
        "Where the walk carries 641 numbers, evenly from -4 to 4; with noise, 1000 of N(0, 1)."
        if not self.throw:
            return walk(self.denoiser, _STARTS[:, None], _FROM, _TO, _STEPS, 0.0)[:, 0]
        rng = torch.Generator().manual_seed(self.throw)
        starts = torch.randn(_WALKERS, 1, dtype=torch.float64, generator=rng)
        return walk(self.denoiser, starts, _FROM, _TO, _STEPS, 1.0, rng)[:, 0]

    @property
    def left(self) -> float:
        "The probability of the first mode, averaged over what is drawn."
        in_left = self.data.responsibilities(self.places[:, None])[:, 0]
        if self.throw:
            return in_left.mean().item()
        return ((-_STARTS.square() / 2).softmax(0) @ in_left).item()

    @property
    def _measurement(self) -> Measurement:
        return Measurement(torch.ones(1, dtype=torch.bool), self.std)

    @property
    def _told(self) -> Float[Tensor, " 1"]:
        return torch.tensor([self.y], dtype=torch.float64)
