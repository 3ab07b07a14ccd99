"""How near a few calls come to the end of the network's own flow, on 600 noises on which no grid was chosen.

    python benchmarks/digit_grids.py --out FILE.npz      # three quarters of an hour on one core

Grids, solvers and the distance are those of chapter 13, section 13.5. The gap's grid is measured on sixty further noises.
The page reads the distances from diffusion_math/assets/digit_grids.npz. The file is written anew after each model.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusion_math import (
    SOLVERS,
    cosine_grid,
    even_grid,
    guided,
    karras_grid,
    load_pretrained,
    solve,
)
from diffusion_math.training.merit import digit_judge

ASSET = Path(__file__).parents[1] / "diffusion_math" / "assets" / "digit_grids.npz"
MODELS = ("plain", "guidance 6")
BUDGETS = (5, 10, 20)
TRIED = ("unipc2", "ipndm", "2m")
# in the last two each formula is stretched to the other's last call, so all its calls move
GRIDS = (
    "ρ = 7",
    "trailing",
    "cosine grid",
    "by the gap",
    "trailing, late end",
    "cosine, early end",
)
N, PART, MEASURED, FRESH = 600, 60, 3, 600
FIRST = 120  # on so many of the noises steps even in log SNR are tried, too


def gap_levels(says, x: Tensor, levels: Tensor, calls: int) -> Tensor:
    "The levels of so many calls by UniPC's gap, from one walk of x along levels, which end at inf."
    asked = []

    def spy(x: Tensor, level: float) -> Tensor:
        asked.append(x)
        return says(x, level)

    way = solve(spy, x, levels, "unipc2", trajectory=True)
    gap = [(p - c).square().mean().sqrt().item() for p, c in zip(asked[1:], way[1:-1], strict=True)]
    sums = np.cumsum([0, *np.cbrt([*gap[:-1], gap[-2]])])
    inner = np.interp(np.linspace(0, sums[-1], calls + 1), sums, levels[:-1])
    return torch.tensor([*inner[:-1], math.inf], dtype=torch.float64)


def ended(levels: Tensor, like: Tensor, stretch: float, shift: float = 0.0) -> Tensor:
    "As many levels as levels has, placed by (13.7) and shifted, up to the last call of like."
    start, end = levels[0].item() - shift, like[-2].item() - shift
    placed = cosine_grid(start, end, len(levels) - 2, stretch) + shift
    return torch.cat([placed, levels[-1:].to(placed)])


def grids_of(p, says, noise: float, data: float) -> dict:
    "Each grid as a function of the number of calls."
    others = torch.randn(60, 1, 28, 28, generator=torch.Generator().manual_seed(MEASURED))
    twenty = even_grid(noise, data, 20, clean=True)
    measured = {c: gap_levels(says, others, twenty, c) for c in BUDGETS}

    def trailing(c: int) -> Tensor:
        return p.respace(c).q.schedule.log_snr.flip(0).clamp(min=noise)

    def cosine(c: int) -> Tensor:
        return cosine_grid(noise, data, c, 2.0, clean=True)

    return {
        "ρ = 7": lambda c: karras_grid(noise, data, c, clean=True),
        "trailing": trailing,
        "cosine grid": cosine,
        "by the gap": measured.__getitem__,
        "trailing, late end": lambda c: ended(trailing(c), cosine(c), 1.0, -1.0),
        "cosine, early end": lambda c: ended(cosine(c), trailing(c), 2.0),
    }


def in_parts(says, x: Tensor, levels: Tensor, solver: str) -> Tensor:
    "Where the walks end, sixty at a time, as many as the network was asked for at once on the page."
    return torch.cat([solve(says, part, levels, SOLVERS[solver]) for part in x.split(PART)])


def apart(drawn: Tensor, fine: Tensor) -> np.ndarray:
    "The root mean square over the pixels, in half precision: three digits."
    return (drawn - fine).flatten(1).square().mean(1).sqrt().numpy().astype(np.float16)


@torch.no_grad()
def as_told(judge, drawn: Tensor) -> np.ndarray:
    "Whether the judge reads the digit that was told."
    told = torch.arange(10).repeat(len(drawn) // 10)
    return (judge(drawn).argmax(1) == told).numpy()


def in_calls(says, x: Tensor, grids: dict, solver: str) -> Tensor:
    "Where the walks end, (budgets, grids, n, *event)."
    # heun calls twice a step, but in the last
    steps = [(c + 1) // 2 if solver == "heun" else c for c in BUDGETS]
    ends = [in_parts(says, x, grids[g](c), solver) for c in steps for g in GRIDS]
    return torch.stack(ends).unflatten(0, (len(BUDGETS), len(GRIDS)))


def table_of(ends: Tensor, row) -> np.ndarray:
    "row of every crowd of ends, (budgets, grids, n)."
    return np.stack([[row(drawn) for drawn in of_budget] for of_budget in ends])


def of_model(p, judge, x: Tensor, model: str) -> dict:
    "The arrays of one model."
    labelled = p.given(y=torch.arange(10).repeat(PART // 10))
    answer = labelled.denoise if model == "plain" else guided(labelled, p, 6.0)
    noise, data = -2 * math.log(80), p.q.schedule.log_snr[1].item()

    def says(x: Tensor, level: float) -> Tensor:
        return answer(x, level).clamp(-1, 1)

    def near(drawn: Tensor) -> np.ndarray:
        return apart(drawn, fine)

    def reads(drawn: Tensor) -> np.ndarray:
        return as_told(judge, drawn)

    fine = in_parts(says, x, even_grid(noise, data, 120, clean=True), "3m")
    grids = grids_of(p, says, noise, data)
    tables = []
    for solver in TRIED:
        ends = in_calls(says, x, grids, solver)
        tables.append((table_of(ends, near), table_of(ends, reads)))
    far, read = map(np.stack, zip(*tables, strict=True))
    return {
        "far": far,
        "read": read,
        "flow_read": reads(fine),
        "even": on_even_steps(says, x[:FIRST], fine[:FIRST], noise, data),
    }


def on_even_steps(says, x: Tensor, fine: Tensor, noise: float, data: float) -> np.ndarray:
    "How far the walks in steps even in log SNR end from fine, (solvers, budgets, n)."
    return np.stack(
        [
            [
                apart(in_parts(says, x, even_grid(noise, data, c, clean=True), solver), fine)
                for c in BUDGETS
            ]
            for solver in TRIED
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=ASSET)
    parser.add_argument("--n", type=int, default=N, help="how many noises, a multiple of 60")
    args = parser.parse_args()
    torch.set_num_threads(1)
    p = load_pretrained("ddpm_mnist").eval().requires_grad_(False)
    x = torch.randn(args.n, 1, 28, 28, generator=torch.Generator().manual_seed(FRESH))
    rows, began = [], time.process_time()
    for model in MODELS:
        rows.append(of_model(p, digit_judge(), x, model))
        middle = np.median(rows[-1]["far"][0].astype(float), -1).round(4).tolist()
        print(f"{model} {middle} {time.process_time() - began:.0f} s", flush=True)
        both = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        np.savez_compressed(args.out, **both)


if __name__ == "__main__":
    main()
