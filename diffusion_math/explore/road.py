"The explorable of chapter 8: its map over one number, walked by picking one distribution after the other."

import math
from collections.abc import Sequence

import torch
import traitlets
from torch import Generator, Tensor

from .. import checks
from ..flow import quantile_flow
from ..forward import ForwardProcess, linear_schedule
from ..laws.mixture import GaussianMixture
from .bells import BellsExplorable
from .explorable import front_end
from .traits import BadValue, Whole

__all__ = ["RoadExplorer"]

_T, _MOST = 1000, 24  # steps of the schedule, and symbols picked
# what each symbol must be given, and what is drawn from it
_NEEDS = {
    "data": ((), "x0"),
    "before": (("x0",), "x_prev"),
    "step": (("x_prev",), "x_t"),
    "jump": (("x0",), "x_t"),
    "end": (("x0",), "x_T"),
    "posterior": (("x_t", "x0"), "x_prev"),
    "guess": (("x_t",), "guess"),
    "p": (("x_t", "guess"), "x_prev"),
}


class RoadExplorer(BellsExplorable):
    """The map of chapter 8 over one number: pick a distribution whose condition is known, and a draw from it is known, too.

        RoadExplorer()                                      # two Gaussians; nothing but x_0 is known
        RoadExplorer(mixture, walked=("data", "jump", "guess", "p"), t=600)

    mixture: q(x_0), a GaussianMixture over one number with at most 6 components, means in [-3.5, 3.5] and variances in
    [0.001, 4]. The schedule is [DDPM]'s linear one, T = 1000. walked: up to 24 of "data" q(x_0), "before"
    q(x_{t-1} | x_0), "step" q(x_t | x_{t-1}), "jump" q(x_t | x_0), "end" q(x_T | x_0), "posterior"
    q(x_{t-1} | x_t, x_0), "guess" E[x_0 | x_t] and "p" p(x_{t-1} | x_t), each after what it must be given. generator draws
    the noise, one number a symbol. The traits walked and t, in 2..1000, follow the controls, and move them when set.
    Raises ValueError for a value that does not fit, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("road")
    _words = (
        "x_0, x_{t-1}, x_t and x_T side by side, a button for each distribution between them, the density that "
        "was picked last with a draw from it, and a slider for t"
    )

    walked = traitlets.List(traitlets.Unicode()).tag(sync=True)
    t = Whole(2, _T)
    _eps = traitlets.List().tag(sync=True)
    # all three ways to x_{t-1}
    _still = traitlets.Dict({"walked": ["data", "jump", "before", "posterior", "guess", "p"]}).tag(
        sync=True
    )

    def __init__(
        self,
        mixture: GaussianMixture | None = None,
        walked: Sequence[str] = ("data",),
        t: int = 250,
        generator: Generator | None = None,
    ):
        shown = {"walked": list(checks.listed("walked", walked, "names")), "t": t}
        noise = torch.randn(len(_NEEDS), generator=checks.random(generator)).tolist()
        super().__init__(mixture, **shown, _eps=noise, _start=shown)

    @property
    def places(self) -> dict[str, float]:
        "What is known: x0, x_prev, x_t, x_T and guess, as far as they were picked; each from its latest symbol."
        return self._walk()[0]

    @property
    def bells(self) -> dict[str, tuple[float, float]]:
        "Mean and variance of the distribution of each symbol that was picked, as it was the last time."
        return self._walk()[1]

    @property
    def kl(self) -> float | None:
        "KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) in nats where x_0 and x_t are known, or None."
        known = {k: torch.tensor([[v]], dtype=torch.float64) for k, v in self.places.items()}
        if not {"x0", "x_t"} <= known.keys():
            return None
        q = ForwardProcess(linear_schedule(_T))
        guess = self.data.denoise(known["x_t"], q.schedule.log_snr[self.t])
        ours = q.posterior(known["x_t"], guess, self.t)
        return q.posterior(known["x_t"], known["x0"], self.t).kl(ours).item()

    def _walk(self) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        known: dict[str, Tensor] = {}
        bells, noise = {}, dict(zip(_NEEDS, self._eps, strict=True))
        for name in self.walked:
            mean, var = self._bell(name, known)
            bells[name] = (mean.item(), float(var))
            z = torch.full((1, 1), noise[name], dtype=torch.float64)
            draw = mean if name == "guess" else mean + math.sqrt(var) * z
            if name == "data":
                draw = quantile_flow(self.data, z, -math.inf, math.inf)
            known[_NEEDS[name][1]] = draw
        return {name: x.item() for name, x in known.items()}, bells

    def _bell(self, name: str, known: dict[str, Tensor]) -> tuple[Tensor, float]:
        q, t, data = ForwardProcess(linear_schedule(_T)), self.t, self.data
        if name == "data":
            mean = (data.weights @ data.means)[None]
            spread = data.components.var[:, 0] + (data.means[:, 0] - mean[0]) ** 2
            return mean, (data.weights @ spread).item()
        if name == "guess":
            mean, var = data.denoise_moments(known["x_t"], q.schedule.log_snr[t])
            return mean, var.item()
        one = {
            "before": lambda: q.marginal(known["x0"], t - 1),
            "step": lambda: q.step(known["x_prev"], t),
            "jump": lambda: q.marginal(known["x0"], t),
            "end": lambda: q.marginal(known["x0"], _T),
            "posterior": lambda: q.posterior(known["x_t"], known["x0"], t),
            "p": lambda: q.posterior(known["x_t"], known["guess"], t),
        }[name]()
        return one.mean, one.var.item()

    @traitlets.validate("walked")
    def _check(self, proposal: dict) -> list[str]:
        value = proposal["value"]
        if len(value) > _MOST:
            raise BadValue(f"walked must hold at most {_MOST} names, got {len(value)}")
        known: list[str] = []
        for i, name in enumerate(value):
            if name not in _NEEDS:
                raise BadValue(f"walked[{i}] must be one of {', '.join(_NEEDS)}, got {name!r}")
            needs, makes = _NEEDS[name]
            if lacking := [one for one in needs if one not in known]:
                had = ", ".join(known) or "nothing"
                fits = f"walked[{i}], {name}, needs {' and '.join(lacking)} before it"
                raise BadValue(f"{fits}, got {had}")
            known.append(makes)
        return value
