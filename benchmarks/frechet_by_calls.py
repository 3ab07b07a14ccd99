"""How good are digits drawn in 5, 10 and 20 calls of the network that ships, by each package's best sampler?

    python benchmarks/frechet_by_calls.py --data DIR
    python benchmarks/frechet_by_calls.py --data DIR --again    # what results.json says that each sent, drawn again

Same network, same class labels, the ten in turn, same noise where a sampler walks from given noise. What each package
offers stands in samplers.py; SENT keeps what leads anywhere. Which sampler a package sends is found by the judge itself,
on pilot pictures of other noise than that which counts: each sampler draws a few, with the ends and the rho of RANGES
and RHOS where the caller says them, and the best four draw more. With 20 calls the four of 10 are tried. Nobody need use
up the calls: what a package sent for fewer is sent again where the pilot finds nothing better.

Whoever uses a package can search on by hand: so the best of the peers is given Nelder and Mead's search over both ends
and rho, by the judge that counts, and the note under the table says what it comes to. Nothing is clipped on the way.

The judge is the Fréchet distance to the training digits in the features of features.py, with as many held-out digits as
the floor. A small set makes it larger, alike for all. In brackets one standard error on either side, from redrawing the
pictures; the difference to ours is redrawn picture by picture, since the noise is shared.
"""

import json
import math
import re
import sys
from functools import partial
from typing import NamedTuple

import torch
from common import HERE, arguments, figure, need_mnist, say
from features import Score, frechet
from samplers import Ranges, Sampler, of_ours, of_peers, steep
from scipy.optimize import minimize

from diffusion_math import as_denoiser, load_pretrained
from diffusion_math.networks.denoiser import Denoiser
from diffusion_math.solvers import SOLVERS, even_grid, karras_grid

CALLS, SHAPE, LEADER, REDRAWN, KEPT = (5, 10, 20), (1, 28, 28), "diffusion_math", 100, 4
FEW, MORE, ASKED = 60, 500, 28  # pictures of the two pilots; how often the search may ask
PICTURES, PART = 5000, 1000  # that count; how many are drawn at once
RANGES: Ranges = (0.002, 80.0), (0.02, 20.0), (0.02, 200.0), (0.05, 80.0), (0.1, 600.0)
RHOS = 7.0, 4.0
LIMITS = (1.0, 1000.0), (0.002, 0.5), (1.0, 20.0)  # of the noise at either end, and of rho
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
AGAIN = "the best peer, after a search"
OURS, GAINS = ("2m", "3m-half", "unipc2", "unipc3", "ipndm", "adams"), (1.5, 1.75, 2.0)


def told(p, y: torch.Tensor) -> Denoiser:
    "The network's guess when it is told the classes y, at the levels that it has seen."
    ask, seen = as_denoiser(p.given(y=y)), p.q.schedule.log_snr[1].item()
    return lambda x, log_snr: ask(x, torch.as_tensor(log_snr).flatten()[0].clamp(max=seen))


class Pictures:
    "What samplers draw of the ten classes in turn, from the same noise, and what the judge says of it."

    def __init__(self, p, score: Score, n: int, seed: int):
        z = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))
        self.score, self.parts = score, z.split(PART)
        self.denoise = {len(part): told(p, torch.arange(len(part)) % 10) for part in self.parts}

    @torch.inference_mode()
    def features(self, sampler: Sampler, calls: int) -> torch.Tensor:
        torch.manual_seed(1)
        drawn = [sampler(self.denoise[len(part)], part, calls) for part in self.parts]
        return self.score.model.features(torch.cat(drawn).clamp(-1, 1))

    def distance(self, sampler: Sampler, calls: int) -> float:
        try:
            off = frechet(self.features(sampler, calls), self.score.train)
        except ValueError:  # it cannot do with so many calls
            return math.inf
        return off if off == off else math.inf


def offered(who: str, ranges: Ranges = RANGES, rhos=RHOS) -> dict[str, Sampler]:
    "What a package may send of what is written down."
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
    return of_ours(grids, [*(SOLVERS[name] for name in OURS), *map(steep, GAINS)])


def kind(name: str) -> str:
    "A sampler's name without its ends and rho."
    return re.sub(r"(, rho [\d.]+)|([\d.e-]+ to [\d.e+-]+$)", "", name)


def knobs(name: str) -> list[float] | None:
    "The logarithms of the noise where it begins and ends, and of rho; None if no caller says them."
    rho = re.search(r"rho ([\d.]+)", name)
    ends = re.search(r"([\d.e-]+) to ([\d.e+-]+)$", name)
    return ends and [
        math.log(v) for v in (float(ends[2]), float(ends[1]), float(rho[1]) if rho else 7)
    ]


def turned(who: str, name: str, at: list[float]) -> tuple[str, Sampler]:
    "The same sampler with other knobs, to three digits."
    kept = (min(max(math.exp(v), a), b) for v, (a, b) in zip(at, LIMITS, strict=True))
    high, low, rho = (float(f"{v:.3g}") for v in kept)
    same = offered(who, ((low, high),), (rho,))
    return next((other, s) for other, s in same.items() if kind(other) == kind(name))


def searched(who: str, name: str, pilot: Pictures, calls: int) -> tuple[float, str, Sampler]:
    "The best that Nelder and Mead's search finds, from a sampler on, and its distance."
    seen, at = [], knobs(name)

    def off(at) -> float:
        title, sampler = turned(who, name, at)
        seen.append((pilot.distance(sampler, calls), title, sampler))
        return min(seen[-1][0], 1e6)

    steps = (0.5, 0.5, 0.4)
    simplex = [at] + [[v + s * (i == j) for j, v in enumerate(at)] for i, s in enumerate(steps)]
    minimize(off, at, method="Nelder-Mead", options=dict(maxfev=ASKED, initial_simplex=simplex))
    return min(seen, key=lambda one: one[0])


class Sent(NamedTuple):
    "A sampler that a package sends, for how many calls, and its distance in the larger pilot."

    distance: float
    name: str
    sampler: Sampler
    calls: int

    def __str__(self) -> str:
        return f"{self.name}, in {self.calls} calls"


def ranked(pool: dict[str, Sampler], pilots: list[Pictures], calls: int) -> list[Sent]:
    "The best few of a pool, the best first."
    few = [Sent(0.0, name, sampler, calls) for name, sampler in pool.items()]
    for pilot in pilots:
        judged = [one._replace(distance=pilot.distance(one.sampler, calls)) for one in few]
        few = sorted(judged, key=lambda one: one.distance)[:KEPT]
    return few


def chosen(who: str, before: list[Sent], pilots: list[Pictures], calls: int) -> list[Sent]:
    "A package's best few for so many calls, with the best of those before, for fewer; the best first."
    pool = {one.name: one.sampler for one in before} if calls > CALLS[1] else offered(who)
    return sorted([*ranked(pool, pilots, calls), *before[:1]], key=lambda one: one.distance)


def redrawn(features: dict[str, torch.Tensor], train: torch.Tensor) -> dict[str, list[float]]:
    "The distances of sets drawn from the sets with replacement, the same rows for all."
    generator, n = torch.Generator().manual_seed(0), len(next(iter(features.values())))
    out = {who: [] for who in features}
    for _ in range(REDRAWN):
        rows = torch.randint(n, (n,), generator=generator)
        for who, f in features.items():
            out[who].append(frechet(f[rows], train))
    return out


def beside(who: str, gap: float, redrawn: torch.Tensor) -> str:
    "Ours beside a peer that is so far behind, in words."
    return f"{'ahead of' if gap > 0 else 'behind'} {who} by {abs(gap):.3f} ± {redrawn.std():.3f}"


def of_a_fine_walk() -> str:
    "What the model card says of fifty steps: the flow itself, nearly."
    told = json.loads((HERE / "pretrained.json").read_text())["ddpm_mnist"]["frechet"]
    return (
        f"Whoever follows the network's flow closely need not come first: {told['steps']} steps of DDIM have "
        f"{told['kinds']['told']['distance']:.2f} (the model card, {told['samples']:,} pictures)."
    )


def remembered(row: dict, who: str, calls: int) -> Sent:
    "What a package sent for so many calls by a row of results.json."
    case = f"Fréchet distance, {calls} calls"
    (told,) = (f["sampler"] for f in row["figures"] if f["who"] == who and f["case"] == case)
    name, asked = re.fullmatch(r"(.+), in (\d+) calls", told).groups()
    return Sent(math.nan, name, offered(who)[name], int(asked))


class Race:
    "Who sends what, what it draws, and how far that is from digits."

    def __init__(self, score: Score, quick: bool, row: dict):
        p, n = load_pretrained("ddpm_mnist"), 100 if quick else PICTURES
        sizes = () if row else (20, 20) if quick else (FEW, MORE)
        self.pilots = [Pictures(p, score, k, 100 + k) for k in sizes]
        self.pictures, self.row = Pictures(p, score, n, 1), row
        self.train = score.train[torch.randperm(60_000, generator=torch.Generator().manual_seed(0))]
        self.few: dict[str, list[Sent]] = {}
        self.seen: dict[str, torch.Tensor] = {}

    def drawn(self, who: str, calls: int) -> torch.Tensor:
        "The features of what a package draws in so many calls or fewer."
        if self.row:
            self.few[who] = [remembered(self.row, who, calls)]
        else:
            self.few[who] = chosen(who, self.few.get(who, []), self.pilots, calls)
        sent = self.few[who][0]
        key = f"{who}: {sent}"
        if key not in self.seen:
            self.seen[key] = self.pictures.features(sent.sampler, sent.calls)
        off = frechet(self.seen[key], self.train)
        print(calls, who, sent, off, file=sys.stderr, flush=True)
        return self.seen[key]

    def by_hand(self, who: str, calls: int) -> tuple[str, torch.Tensor] | None:
        "The best of the peers after the search: what it sends, and the features of what that draws."
        start = self.few[who][0].name
        if not knobs(start):
            return None
        if self.row:
            found = self.row["searched"].get(str(calls), "")
            if kind(found) != kind(start):  # another peer's
                return None
            title, sampler = turned(who, start, knobs(found))
        else:
            _, title, sampler = searched(who, start, self.pilots[-1], calls)
        return title, self.pictures.features(sampler, calls)


def main() -> None:
    option = {
        "action": "store_true",
        "help": "the samplers that results.json names, without a search",
    }
    args = arguments(__doc__, (("--again",), option))
    row = json.loads((HERE / "results.json").read_text())["rows"]["frechet_by_calls"]
    score = Score(need_mnist(args.data), 100 if args.quick else PICTURES)
    race, figures, said, by_hand = Race(score, args.quick, row if args.again else {}), [], [], {}
    for calls in CALLS:
        drawn = {who: race.drawn(who, calls) for who in (LEADER, *of_peers())}
        worth = {who: frechet(f, race.train) for who, f in drawn.items()}
        case = f"Fréchet distance, {calls} calls"
        figures.append(figure("held-out digits", case, score.floor))
        best = min(worth.keys() - {LEADER}, key=worth.get, default=None)
        if best and (found := race.by_hand(best, calls)):
            by_hand[calls], drawn[AGAIN] = found
        again = redrawn(drawn, race.train)
        gaps = {who: torch.tensor(again[who]) - torch.tensor(again[LEADER]) for who in drawn}
        for who, value in worth.items():
            error = torch.tensor(again[who]).std().item()
            more = {"low": value - error, "high": value + error, "sampler": str(race.few[who][0])}
            if who != LEADER:
                more |= {"behind": value - worth[LEADER], "behind_std": gaps[who].std().item()}
            figures.append(figure(who, case, value, **more))
        if best:
            gap = worth[best] - worth[LEADER]
            said.append(
                f"{calls} calls: ours is {beside(f'the best peer, {best},', gap, gaps[best])}"
            )
        if AGAIN in drawn:
            value = frechet(drawn[AGAIN], race.train)
            words = beside("that", value - worth[LEADER], gaps[AGAIN])
            said[-1] += (
                f" (given a search by hand, it sends {by_hand[calls]} and comes to {value:.2f}; ours is {words})"
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
        samples=score.n,
        searched=by_hand,
        target="ours ahead of every peer by more than the error bars",
        note=f"{'; '.join(said)}. {of_a_fine_walk()}",
        after="Which sampler each package sent:\n\n" + "\n".join(lines),
    )


if __name__ == "__main__":
    main()
