"The explorable of a Gaussian over one number."

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ..gaussian import Gaussian
from .explorable import Explorable, front_end
from .traits import Number, Packed, pack

__all__ = ["BellExplorer"]

_DRAWS = 200


class BellExplorer(Explorable):
    """A Gaussian over one number to drag: its density, the part within one width of its middle, and some draws.

        BellExplorer()                                      # N(0, 1)
        BellExplorer(mu=2, sigma=0.5)

    The traits mu, in [-3, 3], and sigma, the standard deviation, in [0.05, 3], follow the controls and the curve, and
    move them when set. generator draws the noise of the draws. Raises ValueError for a value out of range, TypeError or
    traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("bell")
    _words = "a Gaussian with some draws under it, and sliders for its mean and its width"

    mu, sigma = Number(-3, 3), Number(0.05, 3)
    _eps = Packed()

    def __init__(self, mu: float = 0.0, sigma: float = 1.0, generator: Generator | None = None):
        start = {"mu": mu, "sigma": sigma}
        super().__init__(**start, _eps=pack(torch.randn(_DRAWS, generator=generator)), _start=start)

    @property
    def law(self) -> Gaussian:
        "The Gaussian itself, over one number in float64."
        mean = torch.tensor([[self.mu]], dtype=torch.float64)
        return Gaussian(mean, mean.new_tensor(self.sigma**2))

    @property
    def draws(self) -> Float[Tensor, " n"]:
        "The draws that are shown: mu + sigma eps."
        return self.mu + self.sigma * self.unpacked("_eps").double()
