"A DDPM asks its network what it knows of $x_t$."

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .. import checks
from ..checks import Batch
from ..distribution import Distribution
from ..forward import ForwardProcess
from ..gaussian import Gaussian
from ..laws.mixture import GaussianMixture
from ..reverse import ReverseProcess
from ..sums import level_by_level, wide_dtype
from ..tables import Tables

__all__ = ["AsksNetwork", "ask", "own_dtype", "told_dtype"]

FLOATS = (
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
)  # 8-bit weights are for storage


def own_dtype(network: Any, x: Tensor, asked: torch.dtype | None = None) -> torch.dtype:
    """What x is handed over in: its own dtype, unless the network's weights are all of others; then the first's.

    A function shows no weights: it gets what was asked for, or else x's dtype.
    """
    own = [w.dtype for w in network.parameters()] if isinstance(network, nn.Module) else []
    own = [dtype for dtype in own if dtype in FLOATS] or [asked or x.dtype]
    return x.dtype if x.dtype in own else own[0]


def told_dtype(network: Any, x_t: Tensor) -> torch.dtype:
    "What a network is told log_snr in: x_t's precision, float32 at least; a distribution in float64."
    return torch.float64 if isinstance(network, Distribution) else wide_dtype(x_t.dtype)


def ask(
    network: Any,
    x_t: Float[Tensor, "b *event"],
    level: Tensor,
    cond: dict[str, Any],
    asked: torch.dtype | None = None,
) -> Float[Tensor, "b *event"]:
    "What network(x_t, log_snr, **cond) says, in the dtype that it takes; a distribution says E[x_0 | x_t]."
    if isinstance(network, GaussianMixture):
        return network.denoise(x_t, level)
    if isinstance(network, Distribution):
        return level_by_level(network.denoise, x_t, level)
    dtype = own_dtype(network, x_t, asked)
    told = level.to(wide_dtype(dtype)).expand(x_t.shape[0])
    value = network(x_t if x_t.dtype == dtype else x_t.to(dtype), told, **cond)
    value = checks.answer("network", value, x_t, "x_t")
    return value if value.dtype == x_t.dtype else value.to(x_t.dtype)


PREDICTS = ("eps", "x0", "v")


NO_SIGNAL = "alpha_bar is 0: eps is x_t itself there and says nothing of x0; let the network predict v or x0"


NO_NOISE = "1 - alpha_bar is 0: x_t is x0 itself there and says nothing of eps; let the network predict v or eps"


def by_network(predict: Callable) -> Callable:
    "Marks a predict that says what the network says, and nothing of its own."
    predict.by_network = True
    return predict


class AsksNetwork(ReverseProcess, nn.Module):
    "A reverse process, q's way back, that asks a network which predicts eps, x0 or v."

    def __init__(
        self,
        network: Callable | Distribution,
        q: ForwardProcess,
        event_shape: Iterable[int] | None = None,
        predicts: str = "eps",
        variance: str | Callable = "posterior",
        images: bool = False,
    ):
        nn.Module.__init__(self)
        exact = isinstance(network, Distribution)
        event = network.event_shape if exact and event_shape is None else event_shape
        ReverseProcess.__init__(self, q, event)
        self.predicts = "x0" if exact else checks.one_of("predicts", predicts, PREDICTS)
        if self.predicts == "eps":
            fits = f"predicts='eps' needs alpha_bar_T above 0, got 0 at T = {q.T}"
            checks.nonzero(q.schedule.alpha_bar[-1], f"{fits}: {NO_SIGNAL}")
        self.network = network if exact else checks.function("network", network, "x_t and log_snr")
        self.variance = checks.name_or_function("variance", variance, ("posterior", "beta"), "t")
        self.images = checks.flag("images", images)
        self.cond, self.asked, self.tables = {}, None, Tables({})

    def ask(self, x_t: Batch, level: Tensor) -> Batch:
        "What the network says of x_t at its noise level, under the name that it predicts."
        return ask(self.network, x_t, level, self.cond, self.asked)

    def level(self, x_t: Batch, t: Any, told: bool = False) -> Tensor:
        "log_snr at t beside x_t, in float64, or as the network is told it."
        dtype = told_dtype(self.network, x_t) if told else torch.float64
        return self.q.tables.row("log_snr", t, x_t, dtype)

    def answer(self, x_t: Batch, t: Any) -> Batch:
        "What the network says of x_t at t, which it is told as the noise level."
        return self.ask(x_t, self.level(x_t, t, told=True))

    def says(self, x_t: Batch, t: Any) -> Batch:
        "What predict says, under the name that the network predicts: by the shortest way where predict is its own."
        if getattr(self.predict, "by_network", False):
            return self.answer(x_t, t)
        return getattr(self.predict(x_t, t), self.predicts)

    def spread(self, x_t: Tensor, t: Any) -> tuple[Tensor, ...]:
        "The variance of p(x_{t-1} | x_t), and its root where that is at hand."
        if callable(self.variance):
            return (checks.variances("variance(t)", self.variance(t), x_t),)
        law = "step" if self.variance == "beta" else "posterior"
        return self.q.tables.at(law, "x_t", x_t, t)[-2:]

    def given(self, **cond: Any) -> "AsksNetwork":
        "The same p, told something more: p.given(y=3) calls network(x_t, log_snr, y=3)."
        return self.changed(cond=self.cond | cond)

    def quiet_end(self) -> "AsksNetwork":
        "The same p for a walk whose last step adds no noise: it ends in the mean of p(x_0 | x_1)."

        def step(x_t: Batch, t: int) -> Gaussian:
            law = self.checked_step(x_t, t)
            return law if t > 1 else Gaussian.made(law.mean, torch.zeros_like(law.var))

        return self.changed(checked_step=step)

    def through(self, q: ForwardProcess) -> "AsksNetwork":
        "The same network on the steps of another q."
        q = checks.instance("q", q, ForwardProcess)
        return self.changed(q=q, T=q.T, tables=Tables({}))

    def respace(self, T: int) -> "AsksNetwork":
        "The same network on T of the noise levels: fewer and longer steps. ValueError: a variance that is a function."
        checks.lasting(self.variance)
        return self.through(ForwardProcess(self.q.schedule.respace(T)))

    def changed(self, **parts: Any) -> "AsksNetwork":
        "A copy with some parts changed, which shares the network, unless it gets another."
        p = copy.copy(self)
        p.__dict__["_modules"] = self._modules.copy()
        for name, value in parts.items():
            setattr(p, name, value)
        return p
