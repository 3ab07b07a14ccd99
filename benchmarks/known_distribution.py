"""Solver and grid, chosen alike for every package, with the exact denoiser in the network's place.

Two laws are known exactly: a ring of 8 Gaussians in the plane, and a mixture of 10 Gaussians around blurred digits in
784 dimensions. All may ask the same denoiser equally often, and all are handed the same levels; what each offers stands
in samplers.py, at most 60 samplers, so nobody leads by having searched longest. Each package sends the one that ends
closest to the exact flow on a pilot's noise. It is shown on other noise, the same for all: how far its walks end from
where the exact flow takes them, the mean over walks, in deviations of the data; and, of those same walks, the relative
error of the standard deviation inside a mode, beside exact draws ("floor").

The choice is drawn too: pilot and shown walks are drawn again with replacement, REDRAWN times, everybody's alike, each
time with a choice anew. The quartiles of that are in brackets, and two packages whose difference has 0 among its middle
95 % are level. The same algorithm on the same levels is the same in two packages: where they are level, they should be.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import quantiles

import torch
from common import arguments, figure, say, unique
from samplers import BUDGET, Sampler, of_all

from diffusion_math import GaussianMixture, digits
from diffusion_math.solvers import even_grid, solve

CALLS, REDRAWN, LEADER = (5, 10, 20, 50), 400, "diffusion_math"
TOP = -12.0  # log SNR where the flow starts: noise of 400 deviations
FLOW, MODE = "off the flow", "deviation in a mode"
SIZES = {"ring": (600, 2000), "784 pixels": (100, 250)}  # walks of the pilot, and those shown
QUICK = {"ring": (200, 500), "784 pixels": (30, 50)}
SETS = 5  # the shown walks in as many sets, for the judge that needs a set


def ring() -> tuple[GaussianMixture, float]:
    angle = torch.arange(8) * (2 * math.pi / 8)
    means = 0.7 * torch.stack([angle.cos(), angle.sin()], 1)
    return GaussianMixture(torch.ones(8) / 8, means[:, None, None], torch.full((8,), 0.05**2)), 0.05


def blurred_digits() -> tuple[GaussianMixture, float]:
    x, y = digits(labels=True)
    means = torch.stack([x[y == label].mean(0) for label in range(10)])
    return GaussianMixture(torch.ones(10) / 10, 0.6 * means, torch.full((10,), 0.1**2)), 0.1


def widths(law: GaussianMixture, x: torch.Tensor) -> list[float | None]:
    "The deviation around each mean of the samples that are nearest to it; None where there are fewer than two."
    flat, means = x.flatten(1), law.means.flatten(1)
    mode = torch.cdist(flat, means).argmin(1)
    parts = [flat[mode == k] - mean for k, mean in enumerate(means)]
    return [part.square().mean().sqrt().item() if len(part) > 1 else None for part in parts]


def within_modes(law: GaussianMixture, x: torch.Tensor, std: float | list) -> float:
    "The relative error of the standard deviation around the nearest mean, averaged over the modes that have samples."
    stds = std if isinstance(std, list) else [std] * len(law.means)
    pairs = [(a, b) for a, b in zip(widths(law, x), stds, strict=True) if a and b]
    return sum(abs(a / b - 1) for a, b in pairs) / max(1, len(pairs))


class Exact:
    """law.denoise where the Gaussians are round and of one variance: two products of matrices, several times as fast.

    means (k, d), log_w (k,). Called with x (n, *event) and log SNR, a number or n equal ones.
    """

    def __init__(self, means: torch.Tensor, log_w: torch.Tensor, var: float):
        self.means, self.log_w, self.var = means, log_w, var
        self.half = means.square().sum(1) / 2

    @classmethod
    def of(cls, law: GaussianMixture, std: float) -> "Exact":
        means, log_w = law.means.flatten(1).double(), law.weights.double().log()
        return cls(means, log_w, float(torch.tensor(std**2)))

    def __call__(self, x: torch.Tensor, log_snr) -> torch.Tensor:
        level = float(torch.as_tensor(log_snr).flatten()[0])
        a2, s2 = (1 / (1 + math.exp(sign * level)) for sign in (-1, 1))
        total, flat, means = a2 * self.var + s2, x.flatten(1), self.means.to(x)
        bias = (self.log_w - a2 / total * self.half).to(x)
        guess = torch.addmm(bias, flat, means.T, alpha=a2**0.5 / total).softmax(1) @ means
        return torch.lerp(guess, flat / a2**0.5, a2 * self.var / total).view_as(x)

    def along_means(self, z: torch.Tensor) -> tuple["Exact", torch.Tensor, Callable]:
        """The same law and walkers in fewer coordinates: those along the means, and the length of the rest.

        The flow and every solver without dice only scale what lies across the means, so no distance to the flow changes.
        Third, the way back: ends (n, k + 1) to places of z's shape.
        """
        flat = z.flatten(1).double()
        if flat.shape[1] <= len(self.means):
            return self, flat, lambda ends: ends.view(z.shape)
        basis = torch.linalg.qr(self.means.T).Q
        inner = flat @ basis
        rest = flat - inner @ basis.T
        length = rest.norm(dim=1, keepdim=True)
        means = torch.cat([self.means @ basis, self.means.new_zeros(len(self.means), 1)], 1)
        back = lambda ends: (ends[:, :-1] @ basis.T + rest / length * ends[:, -1:]).view(z.shape)
        return Exact(means, self.log_w, self.var), torch.cat([inner, length], 1), back


def flow(denoise: Exact, z: torch.Tensor) -> torch.Tensor:
    "Where the exact flow takes z, by fine steps in float64."
    smaller, x, back = denoise.along_means(z)
    return back(solve(smaller, x, even_grid(TOP, 12.0, 160), "rk4")).to(z)


class Case:
    "A law, the noise that all walk from, and where the flow takes it."

    def __init__(self, law: GaussianMixture, std: float, pilot: int, shown: int):
        self.law, self.std, self.denoise = law, std, Exact.of(law, std)
        self.size = law.sample(4000, torch.Generator().manual_seed(3)).var(0).mean().sqrt().item()
        self.pilot, self.shown = self.noise_and_flow(pilot, 1000), self.noise_and_flow(shown, 1001)

    def noise_and_flow(self, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        z = torch.randn(n, *self.law.event_shape, generator=torch.Generator().manual_seed(seed))
        return z, flow(self.denoise, z)

    @torch.no_grad()
    def walked(self, sampler: Sampler, calls: int, z: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return sampler(self.denoise, z, calls).float()

    def off(self, x: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        "How far each walk ends from the flow's end, (n,)."
        far = (x - end).flatten(1)
        return far.norm(dim=1) / far.shape[1] ** 0.5 / self.size

    def tried(self, sampler: Sampler, calls: int) -> torch.Tensor:
        "The pilot's walks; infinite where a sampler cannot do with so many calls."
        z, end = self.pilot
        try:
            off = self.off(self.walked(sampler, calls, z), end)
        except ValueError:
            return torch.full((len(z),), math.inf)
        return off.nan_to_num(math.inf)

    def modes(self, x: torch.Tensor) -> list[float]:
        "The error of the deviation in a mode, set by set."
        return [within_modes(self.law, part, self.std) for part in x.tensor_split(SETS)]


def redrawn_choice(tried: torch.Tensor, rows: torch.Tensor) -> list[int]:
    "Which of the samplers (k, n) is the best for each of the redrawn sets of pilot walks (m, n)."
    return [tried[:, row].mean(1).argmin().item() for row in rows]


def rows_of(n: int, seed: int) -> torch.Tensor:
    "Walks drawn with replacement, the same for everybody: (REDRAWN, n)."
    return torch.randint(n, (REDRAWN, n), generator=torch.Generator().manual_seed(seed))


def sent(
    case: Case, samplers: dict[str, Sampler], calls: int
) -> tuple[str, torch.Tensor, dict, list]:
    "What a package sends: its name, its shown walks, the distances of all that are chosen in a redraw, and those choices."
    named, (z, end) = list(samplers), case.shown
    tried = torch.stack([case.tried(samplers[name], calls) for name in named])
    best = tried.mean(1).argmin().item()
    choices = redrawn_choice(tried, rows_of(tried.shape[1], 0))
    walks = {k: case.walked(samplers[named[k]], calls, z) for k in {best, *choices}}
    off = {k: case.off(x, end) for k, x in walks.items()}
    shown = [off[k][row].mean().item() for k, row in zip(choices, rows_of(len(z), 1), strict=True)]
    return (
        named[best],
        walks[best],
        {"value": off[best].mean().item(), "share": choices.count(best) / REDRAWN},
        shown,
    )


def level(mine: Sequence[float], other: Sequence[float]) -> bool:
    "Whether the middle 95 % of the differences, redraw by redraw, hold 0."
    gaps = quantiles([b - a for a, b in zip(mine, other, strict=True)], n=40, method="inclusive")
    return gaps[0] <= 0 <= gaps[-1]


def verdict(shown: dict[str, dict[str, list[float]]]) -> str:
    "Where ours is ahead of every peer, level with the best, or behind: shown[case][who] are the redrawn distances."
    found = {"ahead of every peer": [], "level with the best peer": [], "behind": []}
    for case, each in shown.items():
        mean = {who: sum(values) / len(values) for who, values in each.items()}
        peers = sorted(mean.keys() - {LEADER}, key=mean.get)
        if not peers:
            continue
        behind = [
            who for who in peers if mean[who] < mean[LEADER] and not level(each[LEADER], each[who])
        ]
        if behind:
            found["behind"].append(f"{case}, {behind[0]}")
        else:
            tie = any(level(each[LEADER], each[who]) for who in peers)
            found["level with the best peer" if tie else "ahead of every peer"].append(case)
    return "Of walks, ours: " + "; ".join(
        f"{word} in {len(cases)}" + (f" ({'; '.join(cases)})" if cases else "")
        for word, cases in found.items()
    ) + "."  # fmt: skip


def names(figures: list[dict]) -> str:
    "Who sent which sampler, and in how many of the redrawn pilots it was the choice."
    lines = []
    for who in unique(f["who"] for f in figures if "sampler" in f):
        mine = [f for f in figures if f["who"] == who and "sampler" in f]
        said = "; ".join(
            f"{f['case'].replace(f', {FLOW}', '')}: {f['sampler']} ({f['share']:.0%})" for f in mine
        )
        lines.append(f"- **{who}** – {said}.")
    return (
        "<details><summary>Which sampler each package sent, and in how many of the redrawn pilots</summary>\n\n"
        + "\n".join(lines)
        + "\n\n</details>"
    )  # fmt: skip


def measure(sizes: dict, calls_of: Sequence[int]) -> Iterator[tuple[list[dict], dict]]:
    "The figures, and the redrawn distances of each case, law by law and calls by calls."
    packages = of_all()
    for title, make in (("ring", ring), ("784 pixels", blurred_digits)):
        case = Case(*make(), *sizes[title])
        exact = case.law.sample(sizes[title][1], torch.Generator().manual_seed(5))
        for calls in calls_of:
            figures, redrawn = [], {}
            on_flow, in_mode = (f"{title}, {kind}, {calls} calls" for kind in (FLOW, MODE))
            figures.append(told("floor", in_mode, case.modes(exact)))
            for who, samplers in packages.items():
                name, walks, about, redrawn[who] = sent(case, samplers, calls)
                figures.append(told(who, on_flow, redrawn[who], sampler=name, **about))
                figures.append(told(who, in_mode, case.modes(walks)))
            yield figures, {on_flow: redrawn}


def told(who: str, case: str, each: list[float], **about) -> dict:
    low, middle, high = quantiles(each, n=4)
    return figure(who, case, **({"value": middle, "low": low, "high": high} | about))


def main() -> None:
    args = arguments(__doc__)
    sizes, shown, figures = QUICK if args.quick else SIZES, {}, []
    for part, redrawn in measure(sizes, CALLS[:3] if args.quick else CALLS):
        figures += part
        shown |= redrawn
    say(
        title="Solver and grid, chosen alike, with the exact denoiser",
        unit="error",
        figures=sorted(figures, key=lambda f: FLOW not in f["case"]),
        better="less",
        samples={name: n[1] for name, n in sizes.items()},
        target="the same algorithm level in every package; ours never behind",
        note=f"{verdict(shown)} Everybody chooses among at most {BUDGET} samplers on the same noise, and is handed "
        "the same levels, beside those that a package has of its own. A deviation is the mean of "
        f"{SETS} sets of the walks.",
        after=names(figures),
    )


if __name__ == "__main__":
    main()
