"Paint points in the plane, and take each for the middle of a small bell."

import math

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from .. import checks
from ..laws.mixture import GaussianMixture
from .explorable import Explorable
from .traits import Places

__all__ = []

REACH, _MOST, _BELL = 2.5, 300, 0.1


def _arc(radius: float, start: float, end: float, n: int) -> Float[Tensor, "n 2"]:
    "n points of a circle around the middle, from one angle to another, in turns."
    angle = math.tau * torch.linspace(start, end, n, dtype=torch.float64)
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


def drawings() -> dict[str, list[list[float]]]:
    "What there is to begin with: name -> points."
    middle = torch.tensor([[0.7, 0.8], [-0.7, 0.8]], dtype=torch.float64)
    eye = torch.cat([_arc(0.15, 0, 0.9, 10), torch.zeros(1, 2)])
    # a sunflower: points that are spread evenly in a disc
    n = torch.arange(60, dtype=torch.float64)
    seeds = 0.75 * ((n + 0.5) / 60).sqrt()[:, None]
    disc = seeds * torch.stack([(2.399963 * n).cos(), (2.399963 * n).sin()], 1)
    turn = torch.linspace(0.15, 1, 120, dtype=torch.float64).sqrt()[:, None]
    angle = 3 * math.pi * turn
    shapes = {
        "smile": torch.cat([_arc(1.6, 0.55, 0.95, 60), eye + middle[0], eye + middle[1]]),
        "ring": _arc(1.6, 0, 119 / 120, 120),
        "humps": torch.cat([disc - torch.tensor([1.3, 0.6]), disc + torch.tensor([1.3, 0.6])]),
        "spiral": 2 * turn * torch.cat([angle.cos(), angle.sin()], 1),
    }
    return {name: _listed(points) for name, points in shapes.items()}


def _listed(points: Tensor) -> list[list[float]]:
    "Points as numbers of two digits after the point, which is how they travel."
    return [[round(v, 2) + 0.0 for v in point] for point in points.tolist()]


def points_of(x0: str | Tensor) -> list[list[float]]:
    "The points of a drawing by its name, or those of a tensor; or an error that says what is wrong with it."
    if isinstance(x0, str):
        known = drawings()
        if x0 not in known:
            raise ValueError(f"x0 must be points or one of {', '.join(known)}, got {x0!r}")
        return known[x0]
    checks.at_hand("x0", checks.events("x0", x0, (2,)))
    if not 1 <= len(x0) <= _MOST:
        raise ValueError(f"x0 must hold 1 to {_MOST} points, got {len(x0)}")
    if not bool((x0.abs() <= REACH).all()):
        raise ValueError(f"x0 must lie in [-{REACH}, {REACH}], got {x0[~(x0.abs() <= REACH)][0]:g}")
    return _listed(x0)


class Painted(Explorable):
    "An explorable over points in the plane that the reader paints, each the middle of a bell."

    points = Places(0, _MOST, REACH)
    _presets, _still = (traitlets.Dict().tag(sync=True) for _ in range(2))
    _shared = traitlets.Bool().tag(sync=True)

    def __init__(self, x0: str | Float[Tensor, "n 2"] | None, shown: dict, **sent):
        start = {"points": points_of("smile" if x0 is None else x0)} | shown
        super().__init__(**start, **sent, _presets=drawings(), _shared=x0 is None, _start=start)

    @property
    def law(self) -> GaussianMixture:
        "q(x_0): a bell around each point. Raises ValueError where there is none."
        if not self.points:
            raise ValueError("points must hold at least one point, got none")
        n = len(self.points)
        middles = torch.tensor(self.points, dtype=torch.float64)
        return GaussianMixture(
            [1 / n] * n, middles, torch.full((n,), _BELL**2, dtype=middles.dtype)
        )

    @property
    def places(self) -> Float[Tensor, "225 2"]:
        "The values of x_t from which arrows start, row by row."
        side = 3 * ((2 * torch.arange(15, dtype=torch.float64) + 1) / 15 - 1)
        return torch.cartesian_prod(side, side).flip(1)
