"""Solver and grid on digits, chosen alike for every package: how far from the network's own flow, and from held-out digits.

The network that ships, told the class of each digit, alone (w = 1) and guided (w = 2). What each package offers stands in
samplers.py, at most BUDGET samplers. As in known_distribution.py, it sends the one that ends closest to the network's own
flow on a pilot's noise, and that one is shown on SETS other noises, the same for all. A guess is clipped to [-1, 1] for
everybody alike.

Judges of what is shown: the distance to the flow; and, beside test digits that no network has seen, as many of each class,
the Fréchet distance in the features of two classifiers of different making (the one of features.py, and the judge that
ships), precision and recall in the judge's features. "training digits" are as many real ones: nobody can expect less.
"""

import math
from collections.abc import Callable, Iterator

import torch
from common import arguments, figure, need_mnist, say
from features import feature_network
from known_distribution import LEADER, Case, sent, told, verdict
from samplers import BUDGET, Sampler, of_all

from diffusion_math import as_denoiser, guided, load_pretrained, mnist
from diffusion_math.solvers import even_grid, solve
from diffusion_math.training.merit import digit_judge, frechet, precision_recall

CALLS, WEIGHTS = (5, 10, 20), (1.0, 2.0)
PILOT, SHOWN, SETS, PIECE = 20, 500, 5, 250
QUICK = 5, 100
FINE = 100  # steps of the network's own flow
FLOW, FRECHET = "off the flow", "Fréchet distance"


class Digits(Case):
    "The network that ships, told classes in turn and guided by w: its flow from a pilot's noise, and from what is shown."

    def __init__(self, w: float, pilot: int, shown: int):
        self.p, self.w = load_pretrained("ddpm_mnist").requires_grad_(False), w
        self.last = self.p.q.schedule.log_snr[1].item()  # the least noise that it has seen
        self.pilot = self.noise_and_flow(pilot, 1000)
        sets = [self.noise_and_flow(shown // SETS, 2000 + i) for i in range(SETS)]
        self.shown = tuple(torch.cat(part) for part in zip(*sets, strict=True))

    def denoise(self, x: torch.Tensor, log_snr) -> torch.Tensor:
        level = torch.as_tensor(log_snr).flatten()[0].clamp(max=self.last)
        y = torch.arange(len(x)) % 10
        asked = as_denoiser(guided(self.p.given(y=y), self.p, self.w))
        return asked(x, level).clamp(-1, 1)

    @torch.inference_mode()
    def noise_and_flow(self, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        z = torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
        return z, solve(self.denoise, z, even_grid(-12.0, self.last, FINE, clean=True), "3m")

    @torch.inference_mode()
    def walked(self, sampler: Sampler, calls: int, z: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return torch.cat([sampler(self.denoise, part, calls).float() for part in z.split(PIECE)])

    def off(self, x: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        "How far each walk ends from the flow's end, (n,), in deviations of the flow's digits."
        return (x - end).square().flatten(1).mean(1).sqrt() / self.shown[1].var(0).mean().sqrt()


def balanced(kind: str, root, each: int | None = None) -> torch.Tensor:
    "As many digits of each class: `each`, or as many as the rarest has."
    x, y = mnist(kind, root, labels=True)
    rows = [(y == label).nonzero().flatten() for label in range(10)]
    each = each or min(len(row) for row in rows)
    return torch.cat([x[row[:each]] for row in rows])


class Judges:
    "What is said of pictures beside the held-out digits: {what: (value, standard error)}."

    def __init__(self, root):
        self.held_out, own = balanced("test", root), digit_judge()
        other, self.about = feature_network(root)
        in_pieces = lambda f: lambda x: torch.cat([f(part) for part in x.split(500)])
        self.features = {"A": in_pieces(own.features), "B": in_pieces(other.features)}

    @torch.no_grad()
    def __call__(self, x: torch.Tensor) -> dict[str, tuple[float, float]]:
        said, x = {}, x.clamp(-1, 1)
        for name, features in self.features.items():
            d = frechet(x, self.held_out, features, generator=torch.Generator().manual_seed(0))
            said[f"{FRECHET} {name}"] = d.distance, d.stderr
        both = precision_recall(x, self.held_out, self.features["A"])
        said["precision"] = both.precision, both.precision_stderr
        return said | {"recall": (both.recall, both.recall_stderr)}


def judged(who: str, case: Callable[[str], str], said: dict) -> list[dict]:
    return [
        figure(who, case(what), value, low=value - error, high=value + error, error=error)
        for what, (value, error) in said.items()
    ]


def measure(
    judges: "Judges", real: torch.Tensor, n: tuple[int, int], calls_of: tuple[int, ...]
) -> Iterator[tuple[list, dict]]:
    "The figures, and the redrawn distances of each case, weight by weight and calls by calls."
    packages, real = of_all(), judges(real)
    for w in WEIGHTS:
        digits = Digits(w, *n)
        for calls in calls_of:
            named = lambda what, w=w, calls=calls: f"w = {w:g}, {what}, {calls} calls"
            figures, redrawn = judged("training digits", named, real), {}
            figures += judged("the flow itself", named, judges(digits.shown[1]))
            for who, samplers in packages.items():
                name, walks, about, redrawn[who] = sent(digits, samplers, calls)
                figures.append(told(who, named(FLOW), redrawn[who], sampler=name, **about))
                figures += judged(who, named, judges(walks))
            yield figures, {named(FLOW): redrawn}


def level_by_frechet(figures: list[dict]) -> str:
    "Where ours is, of the two Fréchet distances, beside the best peer: further than two standard errors, or level."
    found = {"ahead": 0, "level": 0, "behind": 0}
    for case in {f["case"] for f in figures if FRECHET in f["case"]}:
        mine = next(f for f in figures if f["case"] == case and f["who"] == LEADER)
        peers = [f for f in figures if f["case"] == case and f["who"] in PEERS]
        if peers:
            best = min(peers, key=lambda f: f["value"])
            gap, error = best["value"] - mine["value"], math.hypot(best["error"], mine["error"])
            found["level" if abs(gap) < 2 * error else "ahead" if gap > 0 else "behind"] += 1
    said = ", ".join(f"{what} in {n}" for what, n in found.items())
    return f"Of the Fréchet distances, ours beside the best peer, by two standard errors: {said}."


PEERS = "diffusers", "k-diffusion", "azula", "smalldiffusion", "denoising-diffusion-pytorch"


def main() -> None:
    args = arguments(__doc__)
    root = need_mnist(args.data)
    n, calls_of = (QUICK, CALLS[:2]) if args.quick else ((PILOT, SHOWN), CALLS)
    figures, shown, judges = [], {}, Judges(root)
    for part, redrawn in measure(judges, balanced("train", root, n[1] // 10), n, calls_of):
        figures, shown = figures + part, shown | redrawn
    kinds = FLOW, f"{FRECHET} A", f"{FRECHET} B", "precision", "recall"
    drawn = [f"w = {w:g}, {kind}" for w in WEIGHTS for kind in kinds[:3]]
    say(
        title="Solver and grid on digits, chosen alike",
        unit="distance to the flow, Fréchet distance, share",
        figures=sorted(figures, key=lambda f: [k in f["case"] for k in kinds].index(True)),
        picture=drawn,
        better="less; of precision and recall, more",
        samples=n[1],
        target="the same algorithm level in every package; ours never behind",
        note=f"{verdict(shown)} {level_by_frechet(figures)} A: features of the judge that ships, "
        f"B: of the classifier of features.py (SHA-256 {judges.about['sha256']}). Everybody chooses among at "
        f"most {BUDGET} samplers on the same noise.",
    )


if __name__ == "__main__":
    main()
