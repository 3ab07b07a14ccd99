"The explorable of chapter 3 in which a whole density melts."

import torch
import traitlets
from jaxtyping import Float
from torch import Generator, Tensor

from .. import checks
from ..forward import ForwardProcess, Schedule
from ..laws.mixture import GaussianMixture
from .bells import REACH, bells_of, kl_from_normal, mixture_of
from .explorable import Explorable, front_end
from .schedules import given_schedule, named_schedule
from .traits import BadValue, Numbers, OneOf, Packed, Whole, check_range, pack

__all__ = ["MeltingExplorer"]

_PATHS, _STRETCHES = 14, 100


def _path_noise(
    weights: list[float], T: int, generator: Generator | None
) -> Float[Tensor, "paths numbers"]:
    "For each path: the number of its component, the noise of x_0, and the noise of each stretch of the way."
    checks.random(generator)
    which = torch.multinomial(torch.tensor(weights), _PATHS, replacement=True, generator=generator)
    return torch.cat(
        [which[:, None].float(), torch.randn(_PATHS, 1 + min(T, _STRETCHES), generator=generator)],
        1,
    )


class MeltingExplorer(Explorable):
    """Watch a whole density melt into the standard normal: q(x_t) over t, with the Gaussians of the data to drag.

        MeltingExplorer()                                   # two Gaussians, the linear schedule, T = 1000
        MeltingExplorer(mixture, "cosine", T=100, t=30)     # or a Schedule

    mixture: a GaussianMixture over one number, at most 6 components, means in [-3.5, 3.5], variances in [0.001, 4].
    generator draws the sample paths. The traits t, means and schedule follow the controls, and move them when set; T is
    fixed. Raises ValueError for a value out of range, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("melting")
    _words = "a density over t as a heat map, its slice at t, and sliders for t and for the Gaussians of the data"

    t = Whole(0, lambda self: self.T)
    means = Numbers(-REACH, REACH)
    schedule = OneOf("linear", "cosine", "given")
    _weights, _variances, _size = (traitlets.List().tag(sync=True) for _ in range(3))
    _given, _eps = Packed(), Packed()

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        schedule: str | Schedule = "linear",
        T: int | None = None,
        t: int | None = None,
        generator: Generator | None = None,
    ):
        self._schedule, kind, given = given_schedule(schedule)
        weights, means, variances = bells_of(mixture)
        T = (self._schedule.T if self._schedule else 1000) if T is None else T
        self.T = check_range("T", checks.whole("T", T), 1, 1000)
        start = {"t": self.T // 5 if t is None else t, "means": means, "schedule": kind}
        eps = _path_noise(weights, self.T, generator)
        sent = {
            "_weights": weights,
            "_variances": variances,
            "_size": [self.T, len(eps)],
            "_eps": pack(eps),
        }
        super().__init__(**start, **sent, _given=given, _start=start)

    @property
    def q(self) -> ForwardProcess:
        "The forward process that is shown."
        return ForwardProcess(named_schedule(self.schedule, self.T, self._schedule))

    @property
    def data(self) -> GaussianMixture:
        "q(x_0), with its Gaussians where they are now."
        return mixture_of(self._weights, self.means, self._variances)

    @property
    def law(self) -> GaussianMixture:
        "q(x_t)."
        return self.data.noised(self.q.schedule.log_snr[self.t])

    @property
    def kl(self) -> float:
        "KL(q(x_t) || N(0, 1)) in nats."
        return kl_from_normal(self.law)

    @property
    def paths(self) -> Float[Tensor, "times paths"]:
        "The sample paths that are drawn: x_t at evenly spaced t, one stretch after the other."
        rows = self.unpacked("_eps").view(_PATHS, -1).double().T
        which, schedule, n = rows[0].long(), self.q.schedule, len(rows) - 2
        data = self.data.components
        x = data.means[which, 0] + data.var[which, 0].sqrt() * rows[1]
        path, times = [x], [(2 * i * self.T + n) // (2 * n) for i in range(n + 1)]
        for before, t, eps in zip(times[:-1], times[1:], rows[2:], strict=True):
            left = schedule.log_alpha_bar[t] - schedule.log_alpha_bar[before]
            left = left.nan_to_num(nan=-torch.inf)  # where nothing was left before
            path.append((left / 2).exp() * path[-1] + torch.expm1(left).abs().sqrt() * eps)
        return torch.stack(path)

    @traitlets.validate("schedule")
    def _check(self, proposal: dict):
        if proposal["value"] == "given" and not self._schedule:
            raise BadValue("schedule must be one of linear, cosine, got 'given'")
        return proposal["value"]
