"Six quantities say the same of $x_t$."

import math
from typing import Any

import torch
from torch import Tensor

from .. import checks
from ..checks import Each

__all__ = ["KINDS", "check_follows", "posterior_shares"]

KINDS = ("x0", "eps", "v", "score", "velocity", "mean")
DATA, NOISE = (
    {"x0", "mean"},
    {"eps", "score", "velocity"},
)  # what speaks of the data, what of the noise; v of both


def check_follows(name: str, want: str, log_snr: Tensor, share: Tensor) -> None:
    "ValueError where want does not follow from name; share is what x_0 counts for in the mean of the step back."
    lost = f"{want} does not follow from {name}"
    if name in NOISE and want not in NOISE:
        _refuse(torch.sigmoid(log_snr) == 0, f"{lost} where nothing of x0 is left in x_t,", log_snr)
    slopes = name in {"v", "eps"} and want in {"score", "velocity"}
    if slopes or name in DATA and want not in DATA:
        _refuse(torch.sigmoid(-log_snr) == 0, f"{lost} where x_t holds no noise,", log_snr)
    if name == "mean":
        _refuse(share == 0, f"{lost} where the mean does not depend on x0,", log_snr)


def _refuse(where: Tensor, text: str, log_snr: Tensor) -> None:
    checks.refuse(where, f"{text} at log_snr =", log_snr)


def posterior_shares(level: Each, before: Any, x: Tensor, needed: bool) -> tuple[Each, Each]:
    "What x0 and x_t count for in the mean of q(x_{t-1} | x_t, x0), from the noise levels at t and t-1."
    if not needed:
        return level, level  # not looked at
    if before is None:
        raise ValueError("mean needs log_snr_prev, the noise level at t-1, got None")
    before = checks.log_snr("log_snr_prev", before, x)
    falls = "log_snr_prev must not be below log_snr, at log_snr ="
    checks.refuse(before < level, falls, before)
    gap = torch.where(level == before, 0.0, level - before)  # log of what is left of the SNR
    share = torch.sigmoid(before).sqrt() * torch.expm1(gap).abs()
    noise, noise_before = torch.sigmoid(-level).sqrt(), torch.sigmoid(-before).sqrt()
    kept = torch.exp(0.5 * gap) * noise_before / torch.where(noise == 0, 1.0, noise)
    still = torch.where(before == -math.inf, 0.0, kept)
    return share, torch.where(level == math.inf, 1.0, still)
