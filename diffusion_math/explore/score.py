"The explorable of chapter 7: the score as arrows, and particles that walk by it."

import torch
import traitlets
from jaxtyping import Float
from torch import Generator, Tensor

from .. import checks
from ..forward import ForwardProcess, Schedule
from ..laws.mixture import GaussianMixture
from ..reverse import ExactReverse
from .explorable import Explorable, front_end
from .schedules import given_schedule, named_schedule
from .traits import OneOf, Packed, Whole, check_range, pack

__all__ = ["ScoreExplorer"]

_MOST, _POINTS = 8, 300


def _hills() -> GaussianMixture:
    "Three hills in the plane, unequal and tilted."
    means = torch.tensor([[-1.2, -0.6], [1.4, -0.3], [0.1, 1.4]], dtype=torch.float64)
    covs = [[[0.25, 0.1], [0.1, 0.15]], [[0.12, -0.06], [-0.06, 0.2]], [[0.1, 0.0], [0.0, 0.1]]]
    return GaussianMixture([0.5, 0.3, 0.2], means, torch.tensor(covs, dtype=torch.float64))


def _plane(mixture: GaussianMixture | None) -> tuple[GaussianMixture, Float[Tensor, "k 2 2"]]:
    "The mixture in float64 and its covariances, or an error that says what is wrong with it."
    mixture = _hills() if mixture is None else mixture
    if not isinstance(mixture, GaussianMixture):
        raise TypeError(f"mixture must be a GaussianMixture, got {type(mixture).__name__}")
    if mixture.event_shape != (2,):
        raise ValueError(
            f"mixture must be in the plane, event_shape (2,), got {tuple(mixture.event_shape)}"
        )
    if len(mixture.weights) > _MOST:
        raise ValueError(
            f"mixture must have at most {_MOST} components, got {len(mixture.weights)}"
        )
    mixture = mixture.to("cpu", torch.float64)
    if not bool((mixture.components.var > 0).all()):
        raise ValueError("mixture must have variances above 0, got a point mass")
    eye = torch.eye(2, dtype=torch.float64)
    roots = torch.stack([_full_root(mixture, eye, k) for k in range(len(mixture.weights))])
    return mixture, roots.mT @ roots


def _full_root(mixture: GaussianMixture, eye: Tensor, k: int) -> Float[Tensor, "2 2"]:
    "The square root of component k's covariance, as a table."
    return mixture.components.root(eye, torch.full((2,), k))


class ScoreExplorer(Explorable):
    """The score of q(x_t) in the plane as arrows, and particles that walk by it: uphill, Langevin, annealed, reverse.

        ScoreExplorer()                                     # three hills, the linear schedule, T = 100
        ScoreExplorer(mixture, "cosine", T=50, t=10, sampler="langevin")

    mixture: q(x_0), a GaussianMixture with event_shape (2,), at most 8 components, variances above 0. generator draws
    where the 300 particles start, from N(0, I). The traits t, in 0..T, and sampler ("ascent", "langevin", "annealed",
    "reverse") follow the controls, and move them when set. Raises ValueError for a value out of range, TypeError or
    traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("score")
    _words = "arrows of the score over a density in the plane, particles that walk by it, a choice of samplers"

    t = Whole(0, lambda self: self.T)
    sampler = OneOf("ascent", "langevin", "annealed", "reverse")
    _weights, _means, _covs = (traitlets.List().tag(sync=True) for _ in range(3))
    _chain = traitlets.Dict().tag(sync=True)
    _points, _given = Packed(), Packed()

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        schedule: str | Schedule = "linear",
        T: int | None = None,
        t: int = 0,
        sampler: str = "langevin",
        generator: Generator | None = None,
    ):
        self._schedule, kind, given = given_schedule(schedule)
        if kind not in ("linear", "cosine", "given"):
            raise ValueError(f"schedule must be linear, cosine or a Schedule, got {kind!r}")
        self.data, covs = _plane(mixture)
        T = (self._schedule.T if self._schedule else 100) if T is None else T
        self.T = check_range("T", checks.whole("T", T), 1, 1000)
        start = {"t": t, "sampler": sampler}
        sent = {
            "_weights": self.data.weights.tolist(),
            "_means": self.data.means.tolist(),
            "_given": given,
        }
        sent |= {
            "_covs": covs.flatten(1)[:, [0, 1, 3]].tolist(),
            "_chain": {"T": self.T, "schedule": kind},
        }
        points = pack(torch.randn(_POINTS, 2, generator=generator))
        super().__init__(**start, **sent, _points=points, _start=start)

    @property
    def q(self) -> ForwardProcess:
        "The forward process."
        return ForwardProcess(named_schedule(self._chain["schedule"], self.T, self._schedule))

    @property
    def law(self) -> GaussianMixture:
        "q(x_t), whose score the arrows show."
        return self.data.noised(self.q.schedule.log_snr[self.t])

    @property
    def points(self) -> Float[Tensor, "n 2"]:
        "Where the particles start."
        return self.unpacked("_points").view(-1, 2).double()

    @property
    def step_size(self) -> float:
        "h of the walk at t: 0.2 of the noise's variance for annealed Langevin, else 0.1 of the narrowest variance."
        if self.sampler == "annealed":
            return 0.2 * self.q.schedule.noise_var[self.t].item()
        return 0.1 * self.law.components.var.min().item()

    def step(self, x: Float[Tensor, "n 2"], xi: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        "One step of the sampler from x at t, with noise xi: x + h score + sqrt(2 h) xi, or a draw of p(x_{t-1} | x_t)."
        checks.same_shape("xi", xi, "x", checks.at_hand("x", checks.events("x", x, (2,))))
        if self.sampler == "reverse":
            law = ExactReverse(self.q, self.data).step(x, self.t)
            return law.mean + law.std * xi
        h = self.step_size
        return (
            x + h * self.law.score(x) + (0.0 if self.sampler == "ascent" else (2 * h) ** 0.5) * xi
        )
