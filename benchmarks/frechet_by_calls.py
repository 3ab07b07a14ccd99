"""How good are digits drawn in 5, 10 and 20 calls of the network that ships, by each package's best sampler?

    python benchmarks/frechet_by_calls.py --data DIR

Same network, same class labels, the ten in turn, same noise where a sampler walks from given noise. What each package
offers stands in samplers.py; SENT keeps what leads anywhere. Which sampler a package sends is found in the same way for
all, by the judge itself, on pilot pictures of other noise than that which counts: each sampler draws a few, with the
ends and the rho of RANGES and RHOS where the caller says them; the best six draw more; and from the best of these
Nelder and Mead's search goes on over both ends and rho, where the package takes them. With 20 calls the six of 10 are
tried, and the search goes on from where it ended with 10. Nothing is clipped on the way.

The judge is the Fréchet distance to the training digits in the features of features.py, with as many held-out digits as
the floor. A small set makes it larger, alike for all. In brackets one standard error on either side, from redrawing the
pictures; the difference to ours is redrawn picture by picture, since the noise is shared.
"""

import json
import math
import re
import sys
from functools import partial

import torch
from common import HERE, arguments, figure, need_mnist, say
from features import Score, frechet
from samplers import STEEP, Ranges, Sampler, of_ours, of_peers
from scipy.optimize import minimize

from diffusion_math import load_pretrained
from diffusion_math.networks.denoiser import as_denoiser
from diffusion_math.solvers import SOLVERS, even_grid, karras_grid

CALLS, SHAPE, LEADER, REDRAWN, KEPT = (5, 10, 20), (1, 28, 28), "diffusion_math", 100, 6
FEW, MORE, ASKED = 60, 200, 30  # pictures of the two pilots; how often the search may ask
RANGES: Ranges = (0.002, 80.0), (0.02, 20.0), (0.02, 200.0), (0.05, 80.0), (0.1, 600.0)
RHOS = 7.0, 4.0
LIMITS = ((1.0, 1000.0), (0.002, 0.5), (1.0, 20.0))  # of the noise at either end, and of rho
SENT = {  # what each package may send: the spacings and solvers that lead anywhere, so that the pilot stays short
    "diffusers": (
        "DPM-Solver++(2M), ",
        "DPM-Solver++(3M), ",
        "EDM",
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
OURS = "2m", "3m-half", "unipc2", "unipc3", "ipndm", "adams"


def told(p, y: torch.Tensor):
    "The network's guess when it is told the classes y, at the levels that it has seen."
    ask, seen = as_denoiser(p.given(y=y)), p.q.schedule.log_snr[1].item()
    return lambda x, log_snr: ask(x, min(float(log_snr), seen))


class Pictures:
    "What samplers draw of the ten classes in turn, from the same noise, and what the judge says of it."

    def __init__(self, p, score: Score, n: int, seed: int):
        self.score, self.denoise = score, told(p, torch.arange(n) % 10)
        self.z = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))

    @torch.inference_mode()
    def features(self, sampler: Sampler, calls: int) -> torch.Tensor:
        torch.manual_seed(1)
        return self.score.model.features(sampler(self.denoise, self.z, calls).clamp(-1, 1))

    def distance(self, sampler: Sampler, calls: int) -> float:
        try:
            off = frechet(self.features(sampler, calls), self.score.train)
        except ValueError:  # it cannot do with so many calls
            return math.inf
        return off if off == off else math.inf


def offered(who: str, ranges: Ranges = RANGES, rhos=RHOS) -> dict[str, Sampler]:
    "What a package may send."
    if who != LEADER:
        samplers = of_peers(ranges, rhos)[who]
        return {name: s for name, s in samplers.items() if name.startswith(SENT[who])}
    grids = {}
    for low, high in ranges:
        ends = (-2 * math.log(high), -2 * math.log(low))
        grids[f"even, {low:g} to {high:g}"] = partial(even_grid, *ends, clean=True)
        for rho in rhos:
            title = f"karras, rho {rho:.3g}, {low:.3g} to {high:.3g}"
            grids[title] = partial(karras_grid, *ends, rho=rho, clean=True)
    return of_ours(grids, [*(SOLVERS[name] for name in OURS), *STEEP])


def kind(name: str) -> str:
    "A sampler's name without its ends and rho."
    return re.sub(r"(, rho [\d.]+)|([\d.e-]+ to [\d.e+-]+$)", "", name)


def knobs(name: str) -> list[float] | None:
    "The logarithms of the noise where it begins and ends, and of rho; None if a caller does not say them."
    ends = re.search(r"([\d.e-]+) to ([\d.e+-]+)$", name)
    rho = re.search(r"rho ([\d.]+)", name)
    return ends and [math.log(float(v)) for v in (ends[2], ends[1], rho[1] if rho else 7)]


def turned(who: str, name: str, at: list[float]) -> tuple[str, Sampler]:
    "The same sampler with other knobs."
    kept = (min(max(math.exp(v), a), b) for v, (a, b) in zip(at, LIMITS, strict=True))
    high, low, rho = (float(f"{v:.3g}") for v in kept)
    same = offered(who, ((low, high),), (rho,))
    return next((other, s) for other, s in same.items() if kind(other) == kind(name))


def searched(who: str, name: str, pilot: Pictures, calls: int) -> tuple[str, Sampler]:
    "The best that Nelder and Mead's search finds, from a sampler on."
    seen, at = [], knobs(name)

    def off(at) -> float:
        title, sampler = turned(who, name, at)
        seen.append((pilot.distance(sampler, calls), title, sampler))
        return min(seen[-1][0], 1e6)

    simplex = [at] + [[v + 0.5 * (i == j) for j, v in enumerate(at)] for i in range(len(at))]
    options = {"maxfev": ASKED, "initial_simplex": simplex}
    minimize(off, at, method="Nelder-Mead", options=options)
    return min(seen, key=lambda one: one[0])[1:]


def sent(who: str, pool: dict[str, Sampler], pilots: list[Pictures], calls: int):
    "What a package sends: (name, sampler); and the best few of its pool, with that among them."
    for pilot in pilots:
        worth = {name: pilot.distance(sampler, calls) for name, sampler in pool.items()}
        pool = {name: pool[name] for name in sorted(worth, key=worth.get)[:KEPT]}
    name = next(iter(pool))
    best = searched(who, name, pilots[-1], calls) if knobs(name) else (name, pool[name])
    return best, dict([best]) | pool


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
    score = Score(need_mnist(args.data), n)
    pilots = [Pictures(p, score, 20 if args.quick else k, 100 + k) for k in (FEW, MORE)]
    pictures, figures, said, pools = Pictures(p, score, n, 1), [], [], {}
    train = score.train[torch.randperm(60_000, generator=torch.Generator().manual_seed(0))]
    for calls in CALLS:
        drawn, names = {}, {}
        for who in (LEADER, *of_peers()):
            pool = pools[who] if calls > CALLS[1] else offered(who)
            (names[who], sampler), pools[who] = sent(who, pool, pilots, calls)
            drawn[who] = pictures.features(sampler, calls)
            print(calls, who, names[who], frechet(drawn[who], train), file=sys.stderr, flush=True)
        again, case = redrawn(drawn, train), f"Fréchet distance, {calls} calls"
        figures.append(figure("held-out digits", case, score.floor))
        for who, f in drawn.items():
            value, error = frechet(f, train), torch.tensor(again[who]).std().item()
            more = {"low": value - error, "high": value + error, "sampler": names[who]}
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
