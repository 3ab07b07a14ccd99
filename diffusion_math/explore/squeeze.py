"The explorable of chapter 11: a piece of the line, carried by the flow, and what its squeeze does to the density."

import torch
from jaxtyping import Float
from torch import Tensor

from ..flow import quantile_flow
from ..flow_likelihood import divergence
from ..laws.mixture import GaussianMixture
from .bells import BellsExplorable
from .explorable import front_end
from .traits import Number

__all__ = ["SqueezeExplorer"]

_FROM, _TO, _STEPS = -8.0, 8.0, 160  # log SNR of the flow, and its stretches


class SqueezeExplorer(BellsExplorable):
    """A piece of the line, carried from noise to data by the flow: where it is squeezed, the density rises.

        SqueezeExplorer()                                   # two Gaussians
        SqueezeExplorer(mixture, start=-0.5, width=0.1, log_snr=2.0)

    mixture: q(x_0), a GaussianMixture over one number with at most 6 components, means in [-3.5, 3.5] and variances in
    [0.02, 4]. The traits start, in [-3, 3], the piece's middle in the noise, width, in [0.02, 1], its length there, and
    log_snr, in [-8, 8], how far the flow has come, to the nearest tenth, follow the controls, and move them when set.
    Raises ValueError for a value out of range, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("squeeze")
    _narrow = 0.02  # what the stretches can follow
    _words = (
        "a piece of the line carried by the flow from noise to data, the density around it, the divergence "
        "along its way, and sliders for log SNR, for where it starts and for its length"
    )

    start, width, log_snr = Number(-3, 3), Number(0.02, 1), Number(_FROM, _TO)

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        start: float = 0.4,
        width: float = 0.3,
        log_snr: float = -1.0,
    ):
        shown = {"start": start, "width": width, "log_snr": log_snr}
        super().__init__(mixture, **shown, _start=shown)

    @property
    def levels(self) -> Float[Tensor, " n"]:
        "Log SNR -8, -7.9, ..., 8."
        return torch.linspace(_FROM, _TO, _STEPS + 1, dtype=torch.float64)

    def carried(self, x: list[float], levels: Float[Tensor, " n"]) -> Float[Tensor, "n b"]:
        "Where the flow brings each x, from log SNR -8, at each of levels: exactly, by ranks."
        start = torch.tensor(x, dtype=torch.float64)[:, None]
        places = [quantile_flow(self.data, start, _FROM, level) for level in levels.tolist()]
        return torch.stack(places)[..., 0]

    @property
    def path(self) -> Float[Tensor, " n"]:
        "Where start is at each of levels."
        return self.carried([self.start], self.levels)[:, 0]

    @property
    def lengths(self) -> Float[Tensor, " n"]:
        "How long the piece is at each of levels."
        sides = [self.start + side * self.width / 2 for side in (-1, 1)]
        return self.carried(sides, self.levels).diff(dim=1)[:, 0]

    @property
    def summed(self) -> Float[Tensor, " n"]:
        "The divergence along the way of start, summed from log SNR -8 to each of levels by Simpson's rule, in nats."
        fine = torch.linspace(_FROM, _TO, 2 * _STEPS + 1, dtype=torch.float64)
        _, rate = divergence(self.data, self.carried([self.start], fine), fine)
        before, middle, after = rate[0, :-2:2], rate[0, 1::2], rate[0, 2::2]
        each = (before + 4 * middle + after) * (fine[2] - fine[0]) / 6
        return torch.cat([each.new_zeros(1), each.cumsum(0)])

    @property
    def logs(self) -> Float[Tensor, " n"]:
        "log q(x_lambda) along the way of start, at each of levels, from the density itself."
        pairs = zip(self.levels.tolist(), self.path, strict=True)
        return torch.cat([self.data.noised(level).log_prob(x.view(1, 1)) for level, x in pairs])
