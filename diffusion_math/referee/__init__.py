"""The referee: hand it a piece of your diffusion code, get a verdict in words, with the number that proves it.

    from diffusion_math import referee
    assert referee.noising(my_noising, alphas_cumprod=my_table)

Each function calls the code on inputs of its own and compares it with the exact answer, and with those of known mistakes.
"""

from .bits import bits, decoder
from .empirical import empirical
from .guidance import guidance
from .inverse import inverse
from .known import known, known_steps
from .loss import loss, target
from .masked import masked_loss
from .noising import noising
from .posterior import posterior
from .sampler import sampler
from .schedule import schedule
from .verdict import Verdict

__all__ = [
    "Verdict",
    "bits",
    "decoder",
    "empirical",
    "guidance",
    "inverse",
    "known",
    "known_steps",
    "loss",
    "masked_loss",
    "noising",
    "posterior",
    "sampler",
    "schedule",
    "target",
]
