"Chapter 5b estimates the bound from a few of its terms, (5.33), each over its share."

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from .. import checks
from ..elbo import elbo
from ..forward import ForwardProcess
from ..gaussian import Gaussian
from ..reverse import ReverseProcess

__all__ = ["PILOT", "pilot", "term_shares"]

PILOT = 16  # data that a pilot looks at


def pilot(
    q: ForwardProcess, p: ReverseProcess, x0: Tensor, generator: Generator | None
) -> Float[Tensor, " m"]:
    "How often to ask for each t = 2..T: by its root mean square over one draw for some data, and evenly for a tenth."
    unit = Gaussian(torch.zeros_like(x0[:PILOT]), 1.0)  # the term of t = 1 plays no part
    steps = elbo(q, p, x0[:PILOT], lambda x_1: unit, generator=generator).steps.to(
        checks.finest(x0.device)
    )
    size = steps.square().mean(1).sqrt()
    size = torch.where(size.isfinite(), size, 0)
    return 0.9 * size / size.sum().clamp(min=torch.finfo(size.dtype).tiny) + 0.1 / max(1, len(size))


def term_shares(
    q: ForwardProcess,
    p: ReverseProcess,
    x0: Tensor,
    times: str,
    weights: Sequence[float] | Tensor | None,
    generator: Generator | None,
) -> Float[Tensor, " m"]:
    "The share of each t = 2..T among the terms, adding to 1, in float64 where the device has it."
    even = x0.new_ones(q.T - 1).to(checks.finest(x0.device))
    if times in ("iid", "stratified"):
        checks.unwanted("weights", weights, f"times='importance' or 'both', got times={times!r}")
        return even / max(1, len(even))
    weights = pilot(q, p, x0, generator) if weights is None else weights
    weights = checks.weights("weights", weights, even, f"t = 2..{q.T}")
    return weights / weights.sum()
