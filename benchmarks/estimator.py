"""The bound's estimator: its variance at equal network calls, times drawn alone against ours, on three schedules.

The network is the one that ships for pictures; it is told the log SNR, so it serves every schedule. "iid": each term at
a t drawn evenly, which is what a loss averaged over random t gives. "stratified": one t from each of equal strata.
"both": strata of equal weight, by weights that a pilot measured (not counted: 16 digits, once). Every figure is the
variance of an estimate of the steps' sum with 8 terms a digit.

It is not the scatter of a few estimates, whose own error would hide the difference: rare large terms make up most of
it. All terms of all digits are computed, with two noises each, and the variance over the choice of t is summed exactly.
(The tests draw many estimates and find these variances.)
"""

import torch
from common import arguments, figure, say, spread

from diffusion_math import (
    ForwardProcess,
    Schedule,
    cosine_schedule,
    digits,
    elbo,
    elbo_estimate,
    linear_schedule,
    load_pretrained,
)  # fmt: skip

TERMS, T = 8, 1000
SCHEDULES = {
    "linear": linear_schedule(T),
    "cosine": cosine_schedule(T),
    "even log SNR": Schedule.from_log_snr(torch.linspace(10, -8, T, dtype=torch.float64)),
}


def strata(share: torch.Tensor, n: int) -> torch.Tensor:
    "How much of each t lies in each of n strata of equal share, (n, T-1): a row adds up to 1."
    right = share.cumsum(0) / share.sum()
    left, edge = right - share / share.sum(), torch.arange(n + 1, dtype=torch.float64)[:, None] / n
    return n * (torch.minimum(right, edge[1:]) - torch.maximum(left, edge[:-1])).clamp(min=0)


def variance(
    one: torch.Tensor, two: torch.Tensor, share: torch.Tensor, n: int, rows: torch.Tensor
) -> torch.Tensor:
    "Of the mean of n draws of (term of t) / (share of t), one from each row's t: (b,). one, two: terms, (T-1, b)."
    a, b = one / share[:, None], two / share[:, None]
    square = 0.5 * (a.square() + b.square())
    each = rows @ square - (rows @ a) * (
        rows @ b
    )  # two noises: the product of the means is not biased
    return each.mean(0) / n


@torch.no_grad()
def main() -> None:
    args = arguments(__doc__)
    shipped, figures = load_pretrained("ddpm_mnist"), []
    groups, b = (4, 2) if args.quick else (9, 6)
    x0 = digits("test")[: groups * b]
    for name, schedule in SCHEDULES.items():
        q = ForwardProcess(schedule)
        p, generator = shipped.changed(q=q), torch.Generator().manual_seed(0)
        pilot = elbo_estimate(
            q, p, digits()[:16], 4, "both", decoder=p.decode, generator=generator
        ).shares.double()
        even = torch.full_like(pilot, 1 / len(pilot))
        one, two = (elbo(q, p, x0, p.decode, generator=generator).steps.double() for _ in range(2))
        found = {
            "iid": variance(one, two, even, TERMS, even[None]),
            "stratified": variance(one, two, even, TERMS, strata(even, TERMS)),
            "both": variance(one, two, pilot, TERMS, strata(pilot, TERMS)),
        }
        base = found["iid"].view(groups, b).mean(1)
        for times, each in found.items():
            kept = each.view(groups, b).mean(1)
            who = times if times == "iid" else f"diffusion_math ({times})"
            figures.append(
                figure(
                    who,
                    name,
                    **spread((kept / base).tolist()),
                    variance=spread(kept.tolist())["value"],
                )
            )
    say(
        title="The bound's estimator, at equal network calls",
        unit="variance, ratio to iid t",
        base="iid",
        figures=figures,
        better="less",
        terms=TERMS,
        target="ours below iid on every schedule",
    )


if __name__ == "__main__":
    main()
