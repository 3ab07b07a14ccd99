"A network is asked in the precision of its weights, and told the noise level in float32 at least; a law in float64."

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .. import checks
from ..distribution import Distribution
from ..laws.mixture import GaussianMixture
from ..sums import level_by_level

__all__ = ["ask", "own_dtype"]

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # 8 bits are for storage


def own_dtype(network: Any, x: Tensor, asked: torch.dtype | None = None) -> torch.dtype:
    """What x is handed over in: its own dtype, unless the network's weights are all of others; then the first's.

    A function shows no weights: it gets what was asked for, or else x's dtype.
    """
    own = [w.dtype for w in network.parameters()] if isinstance(network, nn.Module) else []
    own = [dtype for dtype in own if dtype in FLOATS] or [asked or x.dtype]
    return x.dtype if x.dtype in own else own[0]


def ask(
    network: Any,
    x_t: Float[Tensor, "b *event"],
    log_snr: float | Tensor,
    cond: dict[str, Any] | None = None,
    asked: torch.dtype | None = None,
    name: str = "network",
) -> Float[Tensor, "b *event"]:
    "What network(x_t, log_snr, **cond) says, like x_t, log_snr one number or (b,); a distribution says E[x_0 | x_t]."
    if isinstance(network, GaussianMixture):
        return network.denoise(x_t, log_snr)
    if isinstance(network, Distribution):
        level = (
            log_snr if isinstance(log_snr, Tensor) else torch.tensor(log_snr, dtype=torch.float64)
        )
        return level_by_level(network.denoise, x_t, level)
    shows = asked or isinstance(network, nn.Module)
    dtype = own_dtype(network, x_t, asked) if shows else x_t.dtype
    kind = torch.promote_types(dtype, torch.float32)
    level = torch.as_tensor(log_snr, dtype=kind, device=x_t.device).expand(x_t.shape[0])
    if cond:  # a class that is one for all, as one for each
        each = {k: v for k, v in cond.items() if type(v) is int and abs(v) < 2**63}
        cond = cond | {k: level.new_full(level.shape, v, dtype=torch.long) for k, v in each.items()}
    said = network(x_t.to(dtype), level, **cond or {})
    if not isinstance(said, Tensor) or said.shape != x_t.shape:
        checks.answer(name, said, x_t, "x_t")  # which says what came instead
    return said.to(x_t.dtype)
