"""How good are digits drawn in 5, 10 and 20 calls of the network that ships, by each package's best sampler?

    python benchmarks/frechet_by_calls.py --data DIR

Same network, same class labels, the ten in turn, same noise where a sampler walks from given noise. What each package
offers stands in samplers.py. For each number of calls it sends the sampler whose walks end closest to the network's own
flow on a few pilot pictures; the best six of a peer's with 10 calls are tried with 20. Ours is chosen in the same way,
from SOLVERS and STEEP on three grids: even in log SNR, rho 7, and polished on the pilot up to 10 calls (with 20, the one
of 10 made twice as fine). Nothing is clipped on the way.

The judge is the Fréchet distance to the training digits in the features of features.py, with as many held-out digits as
the floor. A small set makes it larger, alike for all. In brackets one standard error on either side, from redrawing the
pictures; the difference to ours is redrawn picture by picture, since the noise is shared.
"""

import json
import math
from functools import partial
from itertools import product

import torch
from common import HERE, arguments, figure, need_mnist, say
from features import Score, frechet
from samplers import STEEP, Sampler, of_ours, of_peers

from diffusion_math import load_pretrained
from diffusion_math.networks.denoiser import as_denoiser
from diffusion_math.solvers import SOLVERS, even_grid, karras_grid, polished_grid, solve

CALLS, SHAPE, LEADER, REDRAWN, KEPT = (5, 10, 20), (1, 28, 28), "diffusion_math", 100, 6
# whose grids are polished, up to so many calls
BENT = [SOLVERS["ipndm"], SOLVERS["unipc2"], *STEEP]
POLISHED, LAST, POWERS = 10, -2 * math.log(0.02), {"the mean square": 2.0, "the distance": 1.0}
CROWD = 20  # pictures of the pilot
SENT = {  # what each package may send: the spacings and solvers that lead anywhere, so that the pilot stays short
    "diffusers": (
        "DPM-Solver++(2M), ",
        "DPM-Solver++(3M), ",
        "UniPC",
        "DEIS",
        "iPNDM",
        "Heun",
        "LMS",
    ),
    "k-diffusion": ("dpmpp_2m, ", "lms-3", "lms-4", "heun", "dpm_2", "dpm_fast"),
    "azula": ("zEAB", "xEAB", "vAB", "zAB-3", "Heun"),
    "smalldiffusion": ("accelerated", "DDIM"),
    "denoising-diffusion-pytorch": ("DDIM, eta 0", "elucidated"),
}


def told(p, y: torch.Tensor):
    "The network's guess when it is told the classes y, at the levels that it has seen."
    ask, seen = as_denoiser(p.given(y=y)), p.q.schedule.log_snr[1].item()
    return lambda x, log_snr: ask(x, min(float(log_snr), seen))


class Pilot:
    "A few pictures, and where the network's flow takes their noise."

    def __init__(self, p, n: int, top: float = -12.0):
        self.y = torch.arange(n) % 10
        self.denoise = told(p, self.y)
        self.z = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(100))
        self.end = solve(
            lambda x, level: self.denoise(x, level[0]),
            self.z,
            even_grid(top, 9.0, 60, True),
            "adams",
        )

    def off(self, sampler: Sampler, calls: int) -> float:
        torch.manual_seed(0)
        try:
            far = (sampler(self.denoise, self.z, calls) - self.end).square().mean().sqrt().item()
        except ValueError:  # it cannot do with so many
            return math.inf
        return far if far == far else math.inf


def ours(pilot: Pilot, kept: dict, calls: int) -> dict[str, Sampler]:
    "Our solvers on our grids; kept: the polished grids of fewer calls."
    grids, polished = {}, {}
    for high in (20, 40, 80):
        for low in (0.01, 0.02):
            ends = (-2 * math.log(high), -2 * math.log(low))
            for title, grid in (("even", even_grid), ("rho 7", karras_grid)):
                made = partial(grid, *ends, clean=True)
                grids[f"{title}, {high:g} to {low:g}, then the data"] = made
    names = "2m", "3m-half", "unipc2", "unipc3", "ipndm", "adams"
    for solver, high, (word, power) in product(BENT, (20, 40), POWERS.items()):
        key = solver.name, high, word
        if calls <= POLISHED:
            even = even_grid(-2 * math.log(high), LAST, calls, clean=True)
            grid = finer(kept[key]) if key in kept else even
            ask, rounds = lambda x, level: pilot.denoise(x, level[0]), 6 if calls <= 5 else 2
            kept[key] = polished_grid(ask, pilot.z, grid, solver, rounds, 40, power=power)
        else:
            kept[key] = finer(kept[key])
        title = f"polished by {word}, {high:g} to 0.02, then the data"
        polished |= of_ours({title: partial(at, kept[key])}, (solver,))
    return of_ours(grids, [*(SOLVERS[name] for name in names), *STEEP]) | polished


def at(levels: torch.Tensor, steps: int) -> torch.Tensor:
    "Levels that were found for so many steps."
    return levels


def finer(levels: torch.Tensor) -> torch.Tensor:
    "Twice as many steps: a level between each two, and the last but one of the data's stays."
    finite = levels[:-1]
    between = (finite[1:] + finite[:-1]) / 2
    more = torch.stack([finite[:-1], between], 1).flatten()
    beyond = (more[-1] + finite[-1]) / 2
    return torch.cat([more, beyond[None], finite[-1:], levels[-1:]])


def redrawn(features: dict[str, torch.Tensor], train: torch.Tensor) -> dict[str, list[float]]:
    "The distances of sets drawn from the sets with replacement, the same rows for all."
    generator, n = torch.Generator().manual_seed(0), len(next(iter(features.values())))
    out = {who: [] for who in features}
    for _ in range(REDRAWN):
        rows = torch.randint(n, (n,), generator=generator)
        for who, f in features.items():
            out[who].append(frechet(f[rows], train))
    return out


def of_a_fine_walk() -> str:
    "What the model card says of fifty steps: the flow itself, nearly."
    told = json.loads((HERE / "pretrained.json").read_text())["ddpm_mnist"]["frechet"]
    return (
        f"Whoever follows the network's flow closely need not come first: {told['steps']} steps of DDIM have "
        f"{told['kinds']['told']['distance']:.2f} (the model card, {told['samples']:,} pictures)."
    )


def main() -> None:
    args = arguments(__doc__)
    n, p = (100 if args.quick else 2000), load_pretrained("ddpm_mnist")
    score, pilot = Score(need_mnist(args.data), n), Pilot(p, 10 if args.quick else CROWD)
    kept, figures, said = {}, [], []
    train = score.train[torch.randperm(60_000, generator=torch.Generator().manual_seed(0))]
    z = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(1))
    denoise = told(p, torch.arange(n) % 10)
    peers = {
        who: {name: s for name, s in samplers.items() if name.startswith(SENT[who])}
        for who, samplers in of_peers().items()
    }
    for calls in CALLS:
        drawn, sent = {}, {}
        for who, samplers in ({LEADER: ours(pilot, kept, calls)} | peers).items():
            worth = {name: pilot.off(sampler, calls) for name, sampler in samplers.items()}
            sent[who], ranked = min(worth, key=worth.get), sorted(worth, key=worth.get)
            if calls == CALLS[1] and who != LEADER:
                peers[who] = {name: samplers[name] for name in ranked[:KEPT]}
            torch.manual_seed(1)
            with torch.inference_mode():
                x = samplers[sent[who]](denoise, z, calls)
            drawn[who] = score.model.features(x.clamp(-1, 1))
        again, case = redrawn(drawn, train), f"Fréchet distance, {calls} calls"
        figures.append(figure("held-out digits", case, score.floor))
        for who, f in drawn.items():
            value, error = frechet(f, train), torch.tensor(again[who]).std().item()
            more = {"low": value - error, "high": value + error, "sampler": sent[who]}
            if who != LEADER:
                gap = torch.tensor(again[who]) - torch.tensor(again[LEADER])
                more |= {
                    "behind": value - frechet(drawn[LEADER], train),
                    "behind_std": gap.std().item(),
                }
            figures.append(figure(who, case, value, **more))
        rest = [f for f in figures if f["case"] == case and "behind" in f]
        if rest:
            first = min(rest, key=lambda f: f["value"])
            words = "ahead of" if first["behind"] > 0 else "behind"
            said.append(
                f"{calls} calls: ours is {words} the best peer, {first['who']}, by {abs(first['behind']):.2f} ± "
                f"{first['behind_std']:.2f}"
            )
    lines = []
    for who in dict.fromkeys(f["who"] for f in figures if "sampler" in f):
        mine = [f"{f['case'].split(', ')[1]}: {f['sampler']}" for f in figures if f["who"] == who]
        lines.append(f"- **{who}** – {'; '.join(mine)}.")
    say(
        title="Digits by network calls: the network that ships, every package's solvers",
        unit="Fréchet distance",
        figures=figures,
        better="less",
        samples=n,
        target="ours ahead of every peer by more than the error bars",
        note=f"{'; '.join(said)}. {of_a_fine_walk()}",
        after="Which sampler each package sent:\n\n" + "\n".join(lines),
    )


if __name__ == "__main__":
    main()
