"The explorable of chapter 5: the bound's terms, and its account."

import torch
from jaxtyping import Float
from torch import Tensor

from .. import checks
from ..elbo import Account, account, exact_elbo
from ..forward import ForwardProcess, Time
from ..gaussian import Gaussian
from ..laws.mixture import GaussianMixture
from ..reverse import ExactReverse, ReverseProcess
from .bells import BellsExplorable
from .explorable import front_end
from .schedules import named_schedule
from .traits import Number, OneOf, Whole

__all__ = ["BoundExplorer"]


class _Spoilt(ReverseProcess):
    "The exact steps of a known q(x_0), each mean off by shift widths, each variance factor times as large."

    def __init__(self, right: ExactReverse, shift: float, factor: float):
        super().__init__(right.q, right.event_shape)
        self.right, self.shift, self.factor = right, shift, factor

    def step(self, x_t: Float[Tensor, "b *event"], t: Time) -> Gaussian:
        law = self.right.step(x_t, t)
        return Gaussian(law.mean + self.shift * law.std, self.factor * law.var)


class BoundExplorer(BellsExplorable):
    """The bound's terms as bars, and entropy + model's error + gap on a ruler, while T and what is wrong are dragged.

        BoundExplorer()                                     # two Gaussians, exact steps, the linear schedule, T = 10
        BoundExplorer(mixture, "cosine", T=50, shift=0.15, factor=1.5)

    mixture: q(x_0), a GaussianMixture over one number with at most 6 components, means in [-3.5, 3.5] and variances of
    0.005 or more. The traits T, in 1..100, schedule ("linear", "cosine"), shift, in [0, 0.5], and factor, in [0.5, 2],
    follow the controls, and move them when set: p's means are shift widths off, its variances factor times as large.
    Raises ValueError for a value out of range, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("bound")
    _narrow, _wide = 0.005, 100.0
    _words = "the terms of the bound as bars, a ruler of entropy, error and gap, and sliders for T and what is wrong"

    T = Whole(1, 100)
    schedule = OneOf("linear", "cosine")
    shift, factor = Number(0, 0.5), Number(0.5, 2)

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        schedule: str = "linear",
        T: int = 10,
        shift: float = 0.0,
        factor: float = 1.0,
    ):
        start = {"T": T, "schedule": schedule, "shift": shift, "factor": factor}
        super().__init__(mixture, **start, _start=start)

    @property
    def q(self) -> ForwardProcess:
        "The forward process."
        return ForwardProcess(named_schedule(self.schedule, self.T))

    @property
    def p(self) -> ReverseProcess:
        "The model: exact steps, spoilt by shift and factor."
        return _Spoilt(ExactReverse(self.q, self.data), self.shift, self.factor)

    def account(self, strips: int = 200) -> Account:
        "Entropy, model's error, gap and bound in nats, each computed without the others; seconds where T is large."
        return account(self.data, self.q, self.p, strips=strips)

    def terms(self, strips: int = 400) -> Float[Tensor, " n"]:
        "L_0, L_1, ..., L_T in nats, averaged over the data as a sum over strips."
        strips = checks.at_most("strips", strips, 10**6)
        x = torch.linspace(-5, 5, strips + 1, dtype=torch.float64)[:, None]
        weight = self.data.log_prob(x).exp() * (10 / strips)
        bound = exact_elbo(self.q, self.p, x)
        return torch.cat([bound.reconstruction[None], bound.steps, bound.prior[None]]) @ weight
