"The explorable of chapter 12: the area beside a denoiser's error."

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ..area import error_curve
from ..laws.mixture import GaussianMixture
from .bells import BellsExplorable
from .explorable import front_end
from .traits import Number

__all__ = ["AreaExplorer"]

_LOW, _HIGH, _STEP = -16.0, 20.0, 0.25  # log SNR of the sum, as in area.js


class AreaExplorer(BellsExplorable):
    """The best denoiser's error at a datum x over all log SNR, and how the area beside it grows into -log q(x).

        AreaExplorer()                                      # two Gaussians, the datum on the right one
        AreaExplorer(mixture, x=0.0, log_snr=2.0)

    mixture: q(x_0), a GaussianMixture over one number with at most 6 components, means in [-3.5, 3.5] and variances in
    [0.005, 4]. The traits x, in [-4, 4], and log_snr, in [-12, 16], up to which the area is shaded, follow the controls,
    and move them when set. Raises ValueError for a value out of range, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("area")
    _narrow = 0.005
    _words = "a density with a datum, the error of the best denoiser at it against log SNR, and sliders for both"

    x, log_snr = Number(-4, 4), Number(-12, 16)

    def __init__(
        self, mixture: GaussianMixture | None = None, x: float = 1.5, log_snr: float = 16.0
    ):
        start = {"x": x, "log_snr": log_snr}
        super().__init__(mixture, **start, _start=start)

    @property
    def errors(self) -> Float[Tensor, " n"]:
        "The error at x for log SNR -16, -15.75, ..., 20."
        levels = torch.arange(_LOW, _HIGH + _STEP / 2, _STEP, dtype=torch.float64)
        return error_curve(self.data, torch.tensor([[self.x]], dtype=torch.float64), levels, 193)[
            :, 0
        ]

    @property
    def so_far(self) -> float:
        "The entropy of N(0, 1) less half the area up to log_snr, to the nearest quarter, in nats."
        return self._grown(round((self.log_snr - _LOW) / _STEP))

    @property
    def nats(self) -> float:
        "-log q(x), from all of the area."
        return self._grown(round((_HIGH - _LOW) / _STEP))

    def _grown(self, i: int) -> float:
        levels = torch.arange(_LOW, _HIGH + _STEP / 2, _STEP, dtype=torch.float64)
        between = torch.sigmoid(levels) - self.errors
        tails = between[0] + (between[-1] if i == len(levels) - 1 else 0.0)
        area = torch.trapezoid(between[: i + 1], dx=_STEP) + tails
        return 0.5 * math.log(2 * math.pi * math.e) - 0.5 * area.item()
