"""The bound's estimator: its variance at equal network calls, times drawn alone against ours, on three schedules.

The network is the one that ships for pictures; it is told the log SNR, so it serves every schedule. "iid": each term at
a t drawn evenly, which is what a loss averaged over random t gives. "stratified": one t from each of equal strata.
"both": strata of equal weight, by weights that a pilot measured (not counted: 16 digits, once). Every figure is the
variance of an estimate with 8 terms a digit, its mean over digits.
"""

import torch
from common import arguments, figure, say, spread

from diffusion_math import (
    ForwardProcess,
    Schedule,
    cosine_schedule,
    digits,
    elbo_estimate,
    linear_schedule,
    load_pretrained,
)

TERMS, T = 8, 1000
SCHEDULES = {
    "linear": linear_schedule(T), "cosine": cosine_schedule(T),
    "even log SNR": Schedule.from_log_snr(torch.linspace(10, -8, T, dtype=torch.float64)),
}


def main() -> None:
    args = arguments(__doc__)
    shipped, x0, figures = load_pretrained("ddpm_mnist"), digits("test"), []
    turns, b, r = (5, 16, 4) if args.quick else (9, 64, 8)
    for name, schedule in SCHEDULES.items():
        q = ForwardProcess(schedule)
        p, generator = shipped._with(q=q, T=q.T, _tables={}), torch.Generator().manual_seed(0)
        pilot = elbo_estimate(q, p, digits()[:16], 4, "both", decoder=p.decode, generator=generator).shares
        variances = {"iid": [], "stratified": [], "both": []}
        for turn in range(turns):
            batch = x0[turn * b : (turn + 1) * b]
            for times, kept in variances.items():
                shares = pilot if times == "both" else None
                one = elbo_estimate(q, p, batch, r * TERMS, times, shares, r, p.decode, generator)
                kept.append(one.replicates.var(0).mean().item())
        for times, kept in variances.items():
            ratio = [a / b for a, b in zip(kept, variances["iid"], strict=True)]
            who = times if times == "iid" else f"diffusion_math ({times})"
            figures.append(figure(who, name, **spread(ratio), variance=spread(kept)["value"]))
    say(title="The bound's estimator, at equal network calls", unit="variance, ratio to iid t", base="iid",
        figures=figures, better="less", terms=TERMS, target="ours below iid on every schedule")


if __name__ == "__main__":
    main()
