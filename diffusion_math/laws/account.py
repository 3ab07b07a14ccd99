"Chapter 5 bounds −log p(x₀) and asks how far the bound is off."

import math
from typing import NamedTuple

import torch

from .. import checks
from ..distribution import Distribution
from ..elbo import exact_elbo
from ..forward import ForwardProcess
from ..reverse import ReverseProcess
from .grid import GridChain

__all__ = ["Account", "account"]

LOST = 1e-9  # of the data's mass, what may lie beside the strips


class Account(NamedTuple):
    "bound = entropy + model_error + gap, on average over the data, in nats; each computed without the others."

    entropy: float  # of the data: -E log q(x_0)
    model_error: float  # KL(q(x_0) || p(x_0))
    gap: float  # E KL(q(x_1, ..., x_T | x_0) || p(x_1, ..., x_T | x_0))
    bound: float  # E elbo(q, p, x_0).total

    @property
    def off(self) -> float:
        "What is missing: bound - (entropy + model_error + gap). Rounding and the width of the strips, nothing else."
        return self.bound - (self.entropy + self.model_error + self.gap)


def account(
    data: Distribution,
    q: ForwardProcess,
    p: ReverseProcess,
    low: float = -5.0,
    high: float = 5.0,
    strips: int = 100,
) -> Account:
    """The account of a reverse process over one number: sums over strips of data between low and high, in float64.

    data: its law, with event_shape () or (1,); low, high: what it never leaves; strips: enough of them that the
    narrowest mode gets 1.2 a standard deviation or more. Costs what GridChain does. ValueError: as GridChain, elbo;
    strips that do not hold all of data.
    """
    if checks.instance("data", data, Distribution).event_shape.numel() != 1:
        event = tuple(data.event_shape)
        raise ValueError(f"data must be a law of one number, got event_shape {event}")
    checks.instance("q", q, ForwardProcess)
    strips = checks.at_most("strips", strips, 10**6)
    chain = GridChain(p, low, high)
    low, high = chain.low, chain.high
    x = torch.linspace(low, high, 10 * strips + 1, dtype=torch.float64).view(-1, *data.event_shape)
    log_q, width = data.log_prob(x), (high - low) / (10 * strips)
    seen = log_q > math.log(1e-15)  # the rest weighs nothing
    x, log_q = x[seen], log_q[seen]
    weight = log_q.exp() * width
    some = (
        torch.arange(len(seen))[seen] % 10 == 0
    )  # gap and bound are smooth, and dear: every tenth strip
    for strip in (weight, 10 * weight[some]):
        off = strip.sum().item() - 1
        if not abs(off) < LOST:
            why = f"its mass in the strips is 1 {off:+.3g}, got {low:g}, {high:g} and {strips}"
            raise ValueError(f"low, high and strips must suit data: {why}")
    entropy, model_error = -(weight * log_q).sum(), (weight * (log_q - chain.log_prob(x))).sum()
    gap = (10 * weight[some] * chain.gap(q, x[some])).sum()
    nodes = 200 if q.T <= 200 else 32  # the short steps of a long chain bend little
    bound = (10 * weight[some] * exact_elbo(q, p, x[some], nodes=nodes).total).sum()
    return Account(*(float(v) for v in (entropy, model_error, gap, bound)))
