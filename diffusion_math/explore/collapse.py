"The explorable of when a dataset's shares decide: points to drop, their shares as lines, and the level that log n marks."

import math

import torch
from jaxtyping import Float
from torch import Tensor

from .. import checks
from ..memory import shares
from .explorable import Explorable, front_end
from .paper import REACH
from .traits import Number, Places

__all__ = ["CollapseExplorer"]

_MOST = 12  # points
_LOW, _HIGH, _STEPS = -6.0, 8.0, 56  # of log SNR
_NODES = torch.linspace(
    -3.75, 3.75, 16, dtype=torch.float64
)  # strips of noise, of half its standard deviation
_POINTS = [[-1.4, 0.3], [0.5, 1.3], [1.5, -0.9], [-0.4, -1.6], [0.1, 0.2], [0.9, 0.4]]


class CollapseExplorer(Explorable):
    """When a perfect memory's shares decide: those of a few points of the plane as lines to a noisy one, and their information.

        CollapseExplorer()                                   # six points
        CollapseExplorer(dataset, x=1.0, y=0.5, level=2.0)      # your own (n, 2), 2 to 12 of them, in [-2.5, 2.5]

    The noisy point is shown as x_t / a, where its dataset is. The traits points, a list of pairs, x and y, where it is, in
    [-2.5, 2.5], and level, log SNR in [-6, 8], follow the controls, and move them when set. Raises ValueError for a value
    out of range, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("collapse")
    _words = "a few points of the plane, lines as thick as their shares of a noisy one, and when these decide"

    points = Places(2, _MOST, REACH)
    x, y = Number(-REACH, REACH), Number(-REACH, REACH)
    level = Number(_LOW, _HIGH)

    def __init__(
        self,
        points: Float[Tensor, "n 2"] | None = None,
        x: float = 0.4,
        y: float = -0.4,
        level: float = -1.0,
    ):
        if points is not None:
            checks.finite("points", checks.at_hand("points", checks.events("points", points, (2,))))
        shown = {"points": _POINTS if points is None else points.tolist()}
        shown |= {"x": x, "y": y, "level": level}
        super().__init__(**shown, _start=shown)

    @property
    def dataset(self) -> Float[Tensor, "n 2"]:
        "The points."
        return torch.tensor(self.points, dtype=torch.float64)

    @property
    def share(self) -> Float[Tensor, " n"]:
        "How likely each of the points is to have become the noisy one."
        a = 1 / math.sqrt(1 + math.exp(-self.level))
        return shares(
            self.dataset, a * torch.tensor([[self.x, self.y]], dtype=torch.float64), self.level
        )[0]

    @property
    def levels(self) -> Float[Tensor, "57"]:
        "Where the curves are asked."
        return torch.linspace(_LOW, _HIGH, _STEPS + 1, dtype=torch.float64)

    @property
    def information(self) -> Float[Tensor, "57"]:
        "What a noisy point says about which of them it was: log n less the mean entropy of the shares, in nats."
        eps = torch.cartesian_prod(_NODES, _NODES)
        mass = (-eps.square().sum(1) / 2).softmax(0).repeat(len(self.points)) / len(self.points)
        said = []
        for v in self.levels.tolist():
            a, s = (1 / math.sqrt(1 + math.exp(sign * v)) for sign in (-1, 1))
            w = shares(self.dataset, (a * self.dataset[:, None] + s * eps).flatten(0, 1), v)
            said.append(math.log(len(self.points)) + mass @ torch.special.xlogy(w, w).sum(1))
        return torch.stack(said)

    @property
    def ceiling(self) -> Float[Tensor, "57"]:
        "The same of a Gaussian with the points' covariance, which no law of that covariance exceeds."
        wide = torch.linalg.eigvalsh(self.dataset.T.cov(correction=0)).clamp(min=0)
        return torch.log1p(self.levels.exp()[:, None] * wide).sum(1) / 2
