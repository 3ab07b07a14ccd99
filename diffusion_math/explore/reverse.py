"The explorable of chapter 4's step back: a slice of a cloud, and how far it is from a Gaussian."

import torch
import traitlets
from jaxtyping import Float
from torch import Generator, Tensor

from .. import checks
from ..forward import ForwardProcess, Schedule
from ..gaussian import Gaussian
from ..laws.mixture import GaussianMixture
from .bells import REACH, BellsExplorable, kl_from_bell
from .explorable import front_end
from .traits import Number, Packed, check_range, pack

__all__ = ["ReverseExplorer"]

_PAIRS = 1500


class ReverseExplorer(BellsExplorable):
    """One step back over one number: the exact q(x_{t-1} | x_t), a slice of a cloud, and how far it is from a Gaussian.

        ReverseExplorer()                                   # two Gaussians, 0.66 of their variance left before the step
        ReverseExplorer(mixture, signal=0.9, beta=0.1, x=1.0)

    mixture: q(x_0), a GaussianMixture over one number with at most 6 components, means in [-3.5, 3.5], variances in
    [0.001, 4]. signal: alpha_bar_{t-1}, what is left of the data before the step, up to 1. generator draws the pairs.
    The traits beta, in [0.0001, 1], and x, the x_t of the slice, in [-3.5, 3.5], follow the controls, and move them
    when set. Raises ValueError for a value out of range, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("reverse")
    _words = (
        "a cloud of pairs, the slice at one x_t with its exact law, and sliders for beta and x_t"
    )

    beta = Number(1e-4, 1)
    x = Number(-REACH, REACH)
    _signal = traitlets.Float().tag(sync=True)
    _eps = Packed()

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        signal: float = 0.66,
        beta: float = 0.7,
        x: float = 0.0,
        generator: Generator | None = None,
    ):
        start, rng = {"beta": beta, "x": x}, checks.random(generator)
        kept = check_range("signal", signal, 1e-9, 1)
        super().__init__(mixture, **start, _signal=kept, _start=start)
        which = torch.multinomial(torch.tensor(self._weights), _PAIRS, True, generator=rng)
        eps = torch.cat([which[:, None].float(), torch.randn(_PAIRS, 2, generator=rng)], 1)
        self._eps = pack(eps)

    @property
    def q(self) -> ForwardProcess:
        "Two steps: the first leaves signal, the second is the one that is shown."
        return ForwardProcess(Schedule.from_beta([1 - self._signal, self.beta]))

    @property
    def law(self) -> GaussianMixture:
        "q(x_{t-1} | x_t = x), exactly."
        return self.data.reverse_step(torch.tensor([[self.x]], dtype=torch.float64), self.q, 2)

    @property
    def best(self) -> Gaussian:
        "The Gaussian nearest to law: the one with its mean and variance."
        weights, means, var = self.law.weights, self.law.means[:, 0], self.law.components.var[:, 0]
        mean = weights @ means
        return Gaussian(mean.view(1, 1), (weights @ (var + (means - mean).square())).view(1, 1))

    @property
    def kl(self) -> float:
        "KL(law || best) in nats."
        return kl_from_bell(self.law, self.best)

    @property
    def pairs(self) -> Float[Tensor, "pairs 2"]:
        "The pairs (x_{t-1}, x_t) that are drawn."
        rows = self.unpacked("_eps").view(-1, 3).double().T
        before = self.data.noised(self.q.schedule.log_snr[1]).components
        which = rows[0].long()
        y = before.means[which, 0] + before.var[which, 0].sqrt() * rows[1]
        return torch.stack([y, (1 - self.beta) ** 0.5 * y + self.beta**0.5 * rows[2]], 1)
