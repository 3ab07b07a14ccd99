"The explorable at the heart of chapter 4: the starts that may lie behind one x_t, and the step back."

import torch
from torch import Tensor

from .. import checks
from ..forward import ForwardProcess, Schedule, linear_schedule
from ..gaussian import Gaussian
from ..laws.mixture import GaussianMixture
from ..reverse import ExactReverse
from .bells import REACH, BellsExplorable, kl_from_bell
from .explorable import front_end
from .traits import Number, Packed, Whole, check_range, pack

__all__ = ["OriginExplorer"]


def _noisy(schedule: Schedule) -> Schedule:
    "The schedule, at most 1000 steps of it, if each step adds some noise; or an error that says what is wrong with it."
    checks.instance("schedule", schedule, Schedule)
    check_range("schedule.T", schedule.T, 1, 1000)
    for t, beta in enumerate(schedule.beta[1:].tolist(), 1):
        check_range(f"schedule.beta[{t}]", beta, 1e-9, 1)
    return schedule


class OriginExplorer(BellsExplorable):
    """What x_t says about x_0, and the step back that comes of it: the weights q(x_0 | x_t), their mean, and the Gaussian.

        OriginExplorer()                                    # two Gaussians, 20 steps of the linear schedule
        OriginExplorer(mixture, linear_schedule(100), t=30, x=1.0)

    mixture: q(x_0), a GaussianMixture over one number with at most 6 components, means in [-3.5, 3.5], variances in
    [0.001, 4]. schedule: at most 1000 steps, no beta below 1e-9. The traits x, the x_t in [-3.5, 3.5], and t, in 1..T,
    follow the controls, and move them when set. Raises ValueError for a value out of range, TypeError or
    traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("origin")
    _words = "the starts that may lie behind one x_t, weighed, and the step back that comes of them"

    x = Number(-REACH, REACH)
    t = Whole(1, lambda self: self._schedule.T)
    _table = Packed()

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        schedule: Schedule | None = None,
        t: int | None = None,
        x: float = 0.0,
    ):
        s = self._schedule = _noisy(linear_schedule(20) if schedule is None else schedule)
        start = {"x": x, "t": (s.T + 1) // 2 if t is None else t}
        table = pack(torch.stack([s.log_alpha_bar, s.beta]))
        super().__init__(mixture, **start, _table=table, _start=start)

    @property
    def q(self) -> ForwardProcess:
        "The forward process that is shown."
        return ForwardProcess(self._schedule)

    @property
    def x_t(self) -> Tensor:
        "The x_t that is held, (1, 1)."
        return torch.tensor([[self.x]], dtype=torch.float64)

    @property
    def origins(self) -> GaussianMixture:
        "q(x_0 | x_t = x): the step back of a chain whose one step leaves what t steps leave."
        leap = ForwardProcess(
            Schedule.from_alpha_bar(self._schedule.alpha_bar[self.t : self.t + 1])
        )
        return self.data.reverse_step(self.x_t, leap, 1)

    @property
    def law(self) -> GaussianMixture:
        "q(x_{t-1} | x_t = x), exactly."
        return self.data.reverse_step(self.x_t, self.q, self.t)

    @property
    def box(self) -> Gaussian:
        "The two boxes: the best Gaussian step back."
        return ExactReverse(self.q, self.data).step(self.x_t, self.t)

    @property
    def kl(self) -> float:
        "KL(law || box) in nats."
        return kl_from_bell(self.law, self.box)
