"Training by the bound asks for one term a picture, (6.5) with (6.6), at a t of its own."

from typing import Any

import torch
from torch import Tensor

from .. import checks
from ..checks import Each
from ..gaussian import Gaussian
from ..likelihood import DiscretizedGaussian
from .chain import kl_by_guess, with_density
from .rounding import left_unknown

__all__ = ["first_cost", "one_term"]


def first_cost(p: Any, x0: Tensor, x_1: Tensor, mean: Tensor) -> Each:
    "-log p(x_0 | x_1), where the network's x_0 is mean: over grey levels for images, else by p's own variance."
    if p.images:
        return -DiscretizedGaussian(mean, left_unknown(p.q)).log_prob(x0)
    return -with_density(Gaussian(mean, p.spread(x_1, 1)[0])).log_prob(x0)


def one_term(p: Any, x0: Tensor, x_t: Tensor, mean: Tensor, t: Tensor) -> Each:
    "The term of the bound at each t, where the network's x_0 is mean."
    cost, rows = kl_by_guess(p, x0, x_t, mean, t), checks.where_at_hand(t == 1)
    if not len(rows):
        return cost
    last = first_cost(p, x0[rows], x_t[rows], mean[rows])
    return torch.where(t == 1, cost.index_copy(0, rows, last), cost)
