"The explorable of chapters 9 and 10: threads from noise to data, with noise and without."

import torch
from jaxtyping import Float
from torch import Tensor

from ..flow import quantile_flow
from ..laws.mixture import GaussianMixture
from .bells import BellsExplorable
from .explorable import front_end
from .traits import Number, Whole

__all__ = ["ThreadsExplorer"]

_FROM, _TO, _STEPS = -8.0, 8.0, 160


class ThreadsExplorer(BellsExplorable):
    """Threads from noise to data, without noise and with it, over one number: drag where a thread starts.

        ThreadsExplorer()                                   # two Gaussians
        ThreadsExplorer(mixture, start=-0.5, spread=0.9, dial=1.0)

    mixture: a GaussianMixture over one number, at most 6 components, means in [-3.5, 3.5], variances in [0.02, 4]. The
    traits start, in [-3, 3], spread of all starts, in [0.5, 1.5], dial, in [0, 2], and throw, 0 to 999, which counts the
    draws of the noise, follow the controls, and move them when set. Log SNR runs from -8 to 8. Raises ValueError for a
    value out of range, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("threads")
    _narrow = 0.02  # what the walk's steps can follow
    _words = (
        "threads from noise to data over one number, without noise and with it, a start to drag, and sliders "
        "for the spread of the starts and for the noise"
    )

    start = Number(-3, 3)
    spread = Number(0.5, 1.5)
    dial = Number(0, 2)
    throw = Whole(0, 999)

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        start: float = -0.5,
        spread: float = 1.0,
        dial: float = 1.0,
        throw: int = 0,
    ):
        shown = {"start": start, "spread": spread, "dial": dial, "throw": throw}
        super().__init__(mixture, **shown, _start=shown)

    @property
    def levels(self) -> Float[Tensor, " n"]:
        "The log SNR of each point of a thread."
        return torch.linspace(_FROM, _TO, _STEPS + 1, dtype=torch.float64)

    @property
    def thread(self) -> Float[Tensor, " n"]:
        "The flow from start, exactly, at each of levels."
        x = torch.tensor([[self.start]], dtype=torch.float64)
        places = [quantile_flow(self.data, x, _FROM, level) for level in self.levels.tolist()]
        return torch.cat(places).flatten()

    @property
    def density(self) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
        "Places at the last level, and the density there of all that the flow brings from N(0, spread^2)."
        y = torch.linspace(-4, 4, 401, dtype=torch.float64)[:, None]
        x = quantile_flow(self.data, y, _TO, _FROM)
        squeezed = self.data.noised(_TO).log_prob(y) - self.data.noised(_FROM).log_prob(x)
        starts = torch.distributions.Normal(0.0, self.spread)
        return y[:, 0], (squeezed + starts.log_prob(x[:, 0])).exp()
