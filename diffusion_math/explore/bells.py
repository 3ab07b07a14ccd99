"Mixtures of a few Gaussians over one number, for the explorables that show one."

import math
from typing import Any

import torch
import traitlets

from ..gaussian import Gaussian
from ..laws.mixture import GaussianMixture
from .explorable import Explorable
from .traits import check_range

__all__ = []

_MOST, REACH = 6, 3.5  # Gaussians; how far out their middles may lie
_NARROW, _WIDE = 1e-3, 4.0  # variances that the pictures can show


def bells_of(
    mixture: GaussianMixture | None, narrow: float = _NARROW, wide: float = _WIDE
) -> tuple[list[float], list[float], list[float]]:
    "Weights, means and variances of a mixture over one number, or an error that says what is wrong with it."
    if mixture is None:
        return [0.3, 0.7], [-2.0, 1.5], [0.02, 0.1]
    if not isinstance(mixture, GaussianMixture):
        raise TypeError(f"mixture must be a GaussianMixture, got {type(mixture).__name__}")
    if mixture.event_shape.numel() != 1:
        raise ValueError(
            f"mixture must be over one number, got event_shape {tuple(mixture.event_shape)}"
        )
    if len(mixture.weights) > _MOST:
        raise ValueError(
            f"mixture must have at most {_MOST} components, got {len(mixture.weights)}"
        )
    c, weights = mixture.components, mixture.weights.double().tolist()
    means, variances = mixture.means.double().flatten().tolist(), c.var[:, 0].double().tolist()
    for i, (mean, var) in enumerate(zip(means, variances, strict=True)):
        check_range(f"means[{i}]", mean, -REACH, REACH)
        check_range(f"variances[{i}]", var, narrow, wide)
    return weights, means, variances


def mixture_of(weights: list[float], means: list[float], variances: list[float]) -> GaussianMixture:
    "The mixture over one number in float64, with event_shape (1,)."
    means, variances = (torch.tensor(v, dtype=torch.float64) for v in (means, variances))
    return GaussianMixture(weights, means[:, None], variances)


class BellsExplorable(Explorable):
    "An explorable of a mixture over one number, which both sides know by its weights, means and variances."

    _weights, _means, _variances = (traitlets.List().tag(sync=True) for _ in range(3))
    _narrow, _wide = _NARROW, _WIDE  # of the Gaussians' variances: what its picture can show
    _two = False  # whether it wants two Gaussians

    def __init__(self, mixture: GaussianMixture | None, **values: Any):
        weights, means, variances = bells_of(mixture, self._narrow, self._wide)
        if self._two and len(weights) != 2:
            raise ValueError(f"mixture must have two components, got {len(weights)}")
        super().__init__(_weights=weights, _means=means, _variances=variances, **values)

    @property
    def data(self) -> GaussianMixture:
        "q(x_0)."
        return mixture_of(self._weights, self._means, self._variances)


def kl_from_normal(law: GaussianMixture) -> float:
    "KL(law || N(0, 1)) in nats, as a sum over strips of r log r - r + 1: r is the ratio of the densities."
    mean, sd = law.means.flatten(), law.components.var[:, 0].sqrt()
    low, high = min(-9.0, (mean - 9 * sd).min().item()), max(9.0, (mean + 9 * sd).max().item())
    strips = math.ceil(8 * (high - low) / min(1.0, sd.min().item()))
    x = torch.linspace(low, high, strips + 1, dtype=torch.float64)
    log_n, log_q = -0.5 * (x.square() + math.log(2 * math.pi)), law.log_prob(x[:, None])
    n, q, log_r = log_n.exp(), log_q.exp(), log_q - log_n
    each = torch.where(
        log_r > 30, q * (log_r - 1) + n, q * log_r - n * torch.expm1(log_r.clamp(max=30))
    )
    return (each.sum() * (high - low) / strips).item()


def kl_from_bell(law: GaussianMixture, bell: Gaussian) -> float:
    "KL(law || bell) in nats, of one x: bell as the unit of length."
    means, var = (law.means - bell.mean) / bell.std, law.components.var[:, 0] / bell.var[0]
    return kl_from_normal(GaussianMixture(law.weights, means, var))


def even_starts(n: int) -> list[float]:
    "n starts of one number, as many in each part of the Gaussian."
    shares = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return torch.special.ndtri(shares).tolist()
