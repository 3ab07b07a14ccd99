"""Solvers learned for the network that ships, for 5, 10 and 20 calls; writes learned_solvers.json.

    python benchmarks/learned_solvers.py --data DIR     # an hour and a half on one core

learned_solver seeks the levels and the weights with which the digits that come out lie closest to the training digits, in
the Fréchet distance of features.py, differentiated through the whole walk [Watson et al. 2022]. The features are those
of a classifier of their own, trained by the same recipe from another seed: frechet_by_calls.py asks the first one, so a
solver that had only learned to please its judge would be found out there. It learns from few pictures first, which is
quick, and then from more and others, so that it does not learn these pictures by heart. Each begins as
DPM-Solver++(2M) on levels even in log SNR, from noise of FROM to that of TO, with a last step to noise of CLEAN, which
the guess itself takes.
"""

import json
import math
import sys
from dataclasses import dataclass

import torch
from common import HERE, arguments, need_mnist, say
from features import feature_network, frechet_gaussians
from torch import Tensor

from diffusion_math import Solver, even_grid, load_pretrained, mnist
from diffusion_math.networks.denoiser import Denoiser, as_denoiser
from diffusion_math.solvers import fixed, midpoint
from diffusion_math.training.solver import learned_solver

RESULTS = HERE / "learned_solvers.json"
# of few pictures, and then of more: how many, their seed, how often the loss is asked by calls
STAGES = (600, 7, {5: 60, 10: 45, 20: 35}), (2000, 8, {5: 20, 10: 16, 20: 12})
BATCH, PAST = 200, 2
CALLS, CLEAN = (5, 10, 20), 0.002
FROM, TO = {5: 60.0, 10: 300.0, 20: 300.0}, {5: 0.141, 10: 0.1, 20: 0.08}


def told(p, y: Tensor) -> Denoiser:
    "The network's guess when it is told the classes y, at the levels that it has seen."
    ask, seen = as_denoiser(p.given(y=y)), p.q.schedule.log_snr[1].item()
    return lambda x, log_snr: ask(x, torch.as_tensor(log_snr).flatten()[0].clamp(max=seen))


def closeness(root, seed: int):
    "The distance of pictures to the training digits in the features of a classifier of that seed, with a graph."
    model, about = feature_network(root, seed)
    model.requires_grad_(False)
    train = model.features(mnist("train", root))
    mean, cov = train.mean(0), train.T.cov()

    def loss(x: Tensor) -> Tensor:
        f = torch.cat([model.body(part.clamp(-1, 1)) for part in x.split(500)]).double()
        return frechet_gaussians(mean, cov, f.mean(0), f.T.cov())

    return loss, about


def beginning(nodes, h: float) -> tuple[float, ...]:
    "DPM-Solver++(2M)'s weights, but for the long last step, where the last guess counts alone."
    return midpoint(nodes) if h < 2.5 else (1.0, *[0.0] * (len(nodes) - 1))


@dataclass
class Loud:
    "A loss that says what it comes to."

    loss: object
    calls: int
    asked: int = 0

    def __call__(self, x: Tensor) -> Tensor:
        value, self.asked = self.loss(x), self.asked + 1
        print(self.calls, self.asked, f"{value.item():.4f}", file=sys.stderr, flush=True)
        return value


def learn(p, loss, calls: int, quick: bool) -> dict:
    "The levels, and a row of weights for each step."
    ends = (-2 * math.log(noise[calls]) for noise in (FROM, TO))
    grid = torch.cat([even_grid(*ends, calls - 1), torch.tensor([-2 * math.log(CLEAN)])])
    solver, denoise = Solver("start", 1, rule=beginning, past=1), told(p, torch.arange(BATCH) % 10)
    for n, seed, rounds in STAGES:
        z = torch.randn(n, *p.event_shape, generator=torch.Generator().manual_seed(seed))
        often, loud = 1 if quick else rounds[calls], Loud(loss, calls)
        grid, solver = learned_solver(denoise, z, grid, loud, solver, PAST, often, BATCH)
    rows = [list(solver.rule(range(i + 1), 0.0))[: PAST + 1] for i in range(calls)]
    return {"levels": grid.tolist(), "weights": rows}


def read(calls: int) -> tuple[Tensor, Solver]:
    "The grid and the solver that were learned for so many calls."
    known = json.loads(RESULTS.read_text())["solvers"][str(calls)]
    rows = [row + [0.0] * (i + 1 - len(row)) for i, row in enumerate(known["weights"])]
    solver = Solver(f"learned, {calls} steps", 1, rule=fixed(*rows), past=calls - 1)
    return torch.tensor(known["levels"], dtype=torch.float64), solver


def main() -> None:
    args = arguments(__doc__)
    loss, about = closeness(need_mnist(args.data), 1)
    p = load_pretrained("ddpm_mnist").eval().requires_grad_(False)
    result = {"judge": about, "solvers": {}}
    for calls in CALLS:
        result["solvers"][str(calls)] = learn(p, loss, calls, args.quick)
        if not args.quick:
            RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    say(**result)


if __name__ == "__main__":
    main()
