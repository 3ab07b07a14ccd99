"A schedule's table: most of what can be wrong with it shows in the list alone."

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..area import error_curve
from ..forward import cosine_schedule
from ..laws.mixture import GaussianMixture
from .clock import table_of
from .verdict import Slip, Verdict, digits_of, slips

__all__ = ["chain_loss", "schedule"]

ENDS = 1e-3  # the largest SNR at the end that is noise: a mean of 1 shows there as 0.03 deviations
SEE = "chapter 3, (3.9), and 8b.10"


def two_modes() -> GaussianMixture:
    "Shares 0.3 and 0.7, at -0.6 and 0.5, deviations 0.05 and 0.1."
    kind = {"dtype": torch.float64}
    means, var = torch.tensor([[-0.6], [0.5]], **kind), torch.tensor([0.0025, 0.01], **kind)
    return GaussianMixture([0.3, 0.7], means, var)


def chain_loss(log_snr: Tensor) -> float:
    "Nats that steps between these levels, from little noise to much, add to the bound of two modes: (12.6) less (12.7)."
    levels = log_snr[log_snr.isfinite()]
    places = (torch.arange(32, dtype=torch.float64) + 0.5) / 32
    z = math.sqrt(2) * torch.erfinv(2 * places - 1)
    law = two_modes()
    means, std = law.means[:, 0], law.components.var[:, 0].sqrt()
    x0 = (means[:, None] + std[:, None] * z).reshape(-1, 1)
    grid = torch.linspace(levels.min().item(), levels.max().item(), 161, dtype=torch.float64)
    e = error_curve(law, x0, grid).view(161, 2, 32).mean(2) @ law.weights
    area = torch.cumulative_trapezoid(e, grid)
    at = torch.searchsorted(grid, levels.clamp(max=grid[-1])).clamp(1, 160)
    share = (levels - grid[at - 1]) / (grid[at] - grid[at - 1])
    read = e[at - 1] + share * (e[at] - e[at - 1])
    terms = 0.5 * torch.expm1(levels[:-1] - levels[1:]) * read[1:]
    return max(0.0, (terms.sum() - 0.5 * area[-1]).item())


SLIPS = slips(
    ("one factor short", "The product must include step t itself: cumprod(1 - beta), not its value one place earlier.",
     lambda bar, beta: torch.cat([bar.new_ones(1), bar[:-1]])),
    ("one factor too many", "The product must end with step t: your entry t holds step t + 1 as well.",
     lambda bar, beta: torch.cat([bar[1:], bar[-1:] * (1 - beta[-1:])])),
    ("a root too many", "That is the root of alpha-bar. The table holds alpha-bar, and its root scales x_0.",
     lambda bar, beta: bar.sqrt(), lambda bar, beta: (1 - beta.sqrt()).cumprod(0)),
    ("squared", "That is the square of alpha-bar, or a product in which each factor stands twice.",
     lambda bar, beta: bar.square()),
    ("the noise for the signal", "That is 1 - alpha-bar, the variance of the noise. alpha-bar falls from 1.",
     lambda bar, beta: 1 - bar),
    ("the deviation of the noise for the signal", "That is sqrt(1 - alpha-bar). alpha-bar falls from 1.",
     lambda bar, beta: (1 - bar).sqrt()),
    ("the steps for their product", "That is alpha_t or beta_t of each step; alpha-bar is the running product.",
     lambda bar, beta: 1 - beta, lambda bar, beta: beta),
    ("the product up to T everywhere", "prod for cumprod: every entry is the product of all T steps.",
     lambda bar, beta: bar[-1:].expand(len(bar))),
    ("a sum for the product", "Shares multiply: cumprod(1 - beta). You subtracted the running sum of beta.",
     lambda bar, beta: 1 - beta.cumsum(0), lambda bar, beta: (1 - beta.cumsum(0)).clamp(min=0)),
    ("the betas turned around", "Entry 0 of betas belongs to entry 0 of the table: one of the two lists runs backwards.",
     lambda bar, beta: (1 - beta.flip(0)).cumprod(0)),
    ("turned around", "The table runs backwards: entry 0 must hold the least noise.", lambda bar, beta: bar.flip(0)),
    ("a product of the beta", "The factors are 1 - beta.", lambda bar, beta: beta.cumprod(0),
     "LuChengTHU/dpm-solver#13"),
)  # fmt: skip


def well_known(T: int) -> Iterator[tuple[str, Tensor]]:
    "The beta of the schedules that are in wide use, by name."
    kind = {"dtype": torch.float64}
    yield "linear", torch.linspace(1e-4, 0.02, T, **kind)
    yield "scaled linear", torch.linspace(0.00085**0.5, 0.012**0.5, T, **kind).square()
    yield "cosine", cosine_schedule(T).beta[1:]


def same_table(came: Tensor, due: Tensor) -> float:
    "The largest difference, where it is what rounding to float32 explains; else inf. Also of what is left, 1 - table."
    if came.shape != due.shape or not bool(due.isfinite().all()):
        return math.inf
    off = (came - due).abs()
    near = off <= 1e-6 + 1e-4 * torch.minimum(due.abs(), (1 - due).abs())
    return off.max().item() if bool(near.all()) else math.inf


def named(table: Tensor, betas: Tensor | None) -> tuple[str, Slip | None, float] | None:
    "Which schedule the table is, and by which slip; None where nothing explains it."
    known = [("your betas", betas)] if betas is not None else list(well_known(len(table)))
    for which, beta in known:
        bar = (1 - beta).cumprod(0)
        if (off := same_table(table, bar)) < math.inf:
            return which, None, off
    for which, beta in known:
        bar = (1 - beta).cumprod(0)
        for slip in SLIPS:
            gaps = [same_table(table, make(bar, beta)) for make in slip.makes]
            if min(gaps) < math.inf:
                return which, slip, min(gaps)
    return None


NAMED = slips(  # what is wrong with a table of its own
    ("not finite", "Look for a root or a log of something below 0."),
    ("outside [0, 1]", "A share of the variance lies in [0, 1]."),
    ("it rises", "Noise is only ever added, so alpha-bar falls with t."),
    ("no noise at all", "The factors are 1 - beta_t, below 1 where noise is added."),
    ("too few digits", "Compute and keep the table in float32 at least, better in float64."),
    ("it does not end in noise", "A sampler that starts from N(0, 1) starts where training never was: scale the betas by "
     "1000/T, or more noise.", "zoubohao/DenoisingDiffusionProbabilityModel-ddpm-#14, huggingface/diffusers#3475"),
)  # fmt: skip
CURES = {row.name: row.says for row in NAMED}


def fault(bar: Tensor) -> tuple[str, str] | None:
    "The first thing that keeps a table from being a schedule: name and finding."
    for name, where in ("not finite", ~bar.isfinite()), ("outside [0, 1]", (bar < 0) | (bar > 1)):
        if bool(where.any()):
            t = int(where.nonzero()[0])
            return name, f"alpha-bar is {bar[t].item():g} at entry {t}"
    if bool((bar.diff() > 0).any()):
        t = int((bar.diff() > 0).nonzero()[0]) + 1
        said = f"alpha-bar rises at entry {t}, from {bar[t - 1].item():.6g} to {bar[t].item():.6g}"
        return "it rises", said
    return end_fault(bar)


def end_fault(bar: Tensor) -> tuple[str, str] | None:
    "What is wrong at the two ends of a table that falls."
    still = int((bar == 1).sum())
    if still == len(bar):
        return "no noise at all", f"alpha-bar is 1 at all of {still} entries"
    if still > 1:
        return (
            "too few digits",
            f"the first {still} entries are exactly 1, so they add no noise at all",
        )
    snr = bar[-1] / (1 - bar[-1])
    if snr > ENDS:
        left = f"and so sqrt(alpha-bar) of x_0 is left: {bar[-1].sqrt().item():.3f}"
        return "it does not end in noise", f"the SNR at the end is {snr.item():.2g}, {left}"
    return None


def notes_on(bar: Tensor, precision: torch.dtype | None) -> Iterator[str]:
    "What is worth knowing of a right table."
    rest, snr = 1 - bar, bar / (1 - bar)
    if bar[0] == 1:
        yield "Entry 0 holds no noise: it is the data itself, so training draws t from 1 on."
    if bar[-1] == 0:
        yield "The last entry holds no signal: eps says nothing of x_0 there; let the network predict v or x_0."
    held = torch.finfo(precision).eps / 2 if precision else 0
    first = rest[rest > 0][0].item()
    if held / first > 1e-5:
        lost = f"In {str(precision)[6:]} 1 - alpha-bar is known to {held / first:.0e} at its first level"
        yield f"{lost}: keep log alpha-bar, or float64 (8b.9)."
    dull = int((bar.diff() == 0).sum())
    if dull:
        yield f"{dull} steps change nothing: two neighbours in the table are the same number."
    lost = f"{chain_loss(snr.log()):.2g} nats of two modes"
    yield f"Steps at these {len(bar)} levels with the posterior's variance lose {lost}, however good the network, (12.6)."


def schedule(alphas_cumprod: Any = None, betas: Any = None, sigmas: Any = None) -> Verdict:
    """Is this a schedule, and which? Its ends, its order, its digits, and what a chain of its steps can lose.

    alphas_cumprod: alpha-bar, entry by entry, as your code indexes it; with betas beside it, it is held against their
    running product. betas: the variance of each step's noise. sigmas: noise beside data of variance 1, in either order.
    Wrong is what changes the law of the draws: a table that rises, leaves [0, 1] or does not end in noise (an SNR above
    0.001), a product with a factor too many or too few, a root too many. TypeError: none of them, or sigmas with others.
    """
    if (sigmas is None) == (alphas_cumprod is None and betas is None):
        raise TypeError("give alphas_cumprod, betas, both, or sigmas, got another choice")
    given = next(v for v in (alphas_cumprod, betas, sigmas) if v is not None)
    precision = given.dtype if isinstance(given, Tensor) and given.is_floating_point() else None
    steps = None if betas is None else table_of("betas", betas)
    if sigmas is not None:
        s = table_of("sigmas", sigmas)
        s = s.flip(0) if s[0] > s[-1] else s
        bar, precision = 1 / (1 + s.square()), None
    else:
        bar = (
            table_of("alphas_cumprod", alphas_cumprod)
            if alphas_cumprod is not None
            else (1 - steps).cumprod(0)
        )
    both = steps if alphas_cumprod is not None and steps is not None else None
    if both is not None and len(both) != len(bar):
        raise ValueError(f"betas must have one for each of {len(bar)} entries, got {len(both)}")
    return verdict_on(bar, both, precision)


def verdict_on(bar: Tensor, betas: Tensor | None, precision: torch.dtype | None) -> Verdict:
    "The verdict on a table of alpha-bar; betas where it is to be their product."
    known, ends = named(bar, betas), fault(bar)
    if known and known[1]:
        which, slip, off = known
        of = "of your betas" if betas is not None else f"of the {which} schedule"
        says = f'wrong: it equals the slip "{slip.name}" {of} to {digits_of(off)}.'
        return Verdict("schedule", False, says, math.nan, slip.name, slip.says, SEE)
    if ends:
        name, said = ends
        return Verdict(
            "schedule", False, f'wrong: "{name}": {said}.', math.nan, name, CURES[name], SEE
        )
    if betas is not None and not known:
        off = (bar - (1 - betas).cumprod(0)).abs().max().item()
        unknown = "and no slip that the referee knows explains it"
        says = f"wrong: it is not the running product of 1 - betas, off by {off:.2g}, {unknown}."
        return Verdict("schedule", False, says, off, see=SEE)
    which = ""
    if known:
        name = "the product of 1 - betas" if betas is not None else f"the {known[0]} schedule"
        which = f" It is {name} to {digits_of(known[2])}."
    says = f"right: it falls from {bar[0].item():.6g} to {bar[-1].item():.2g} in {len(bar)} entries.{which}"
    return Verdict(
        "schedule",
        True,
        says,
        known[2] if known else math.nan,
        see=SEE,
        notes=tuple(notes_on(bar, precision)),
    )
