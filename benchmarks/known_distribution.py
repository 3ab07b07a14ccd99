"""Each package's best sampler, with the exact denoiser in the network's place: does it give back the data's law?

Two laws are known exactly: a ring of 8 Gaussians in the plane, and a mixture of 10 Gaussians around blurred digits in
784 dimensions. Both lie within [-1, 1] to four deviations and more, since some samplers clip. All may ask the same
denoiser equally often, 5 to 100 times. What each package offers stands in samplers.py: solvers, orders, spacings, first
and last noise levels, well over a hundred combinations. All of them draw once from a pilot's noise, and for each law,
number of calls and judge the best goes on to fresh noise; with 50 and 100 calls the best of 20 are tried. Ours is
chosen in the same way from SOLVERS and three grids: even in log SNR, rho 7, and polished, which moves the levels until
the pilot ends where the exact flow ends (up to 20 calls). "diffusion_math (chosen by the flow)" is one sampler for all
judges: the solver and grid, of those that are polished, whose pilot ends closest to the flow. That needs a denoiser
alone, so whoever has a network can do the same. ExactReverse, which is told the exact covariance besides, is a row of
its own, on even steps and on steps that the law places ("placed": short where Var(x_0 | x_t) differs most from one x_t
to another, for there a step back is least Gaussian).

Three judges: the error of the standard deviation inside a mode (relative, the mean over modes); the sliced
Wasserstein-2 distance to as many exact draws, in deviations of the data; and how far a walk ends from where the exact
flow takes the same noise, the mean over walks, in deviations of the data. "floor" is more sets of exact draws, enough
of them to know its scatter: an error that lies within it is the sample's and not the sampler's, and there the order of
two samplers is chance. The third judge has no floor.
"""

import math
from functools import cache, partial
from statistics import mean, stdev

import numpy as np
import torch
from common import arguments, figure, say, spread, unique
from samplers import Sampler, of_ours, of_peers

from diffusion_math import ExactReverse, ForwardProcess, GaussianMixture, Schedule, digits
from diffusion_math.solvers import SOLVERS, even_grid, karras_grid, polished_grid, solve

CALLS, POLISHED, FLOORS, KEPT = (5, 10, 20, 50, 100), 20, 40, 3
LEADER, CHOSEN = "diffusion_math", "diffusion_math (chosen by the flow)"
TOP = -12.0  # log SNR where the flow starts: noise of 400 deviations
KINDS = MODE, SLICED, FLOW = "deviation in a mode", "sliced Wasserstein", "off the flow"


def ring() -> tuple[GaussianMixture, float]:
    angle = torch.arange(8) * (2 * math.pi / 8)
    means = 0.7 * torch.stack([angle.cos(), angle.sin()], 1)
    return GaussianMixture(torch.ones(8) / 8, means[:, None, None], torch.full((8,), 0.05**2)), 0.05


def blurred_digits() -> tuple[GaussianMixture, float]:
    x, y = digits(labels=True)
    means = torch.stack([x[y == label].mean(0) for label in range(10)])
    return GaussianMixture(torch.ones(10) / 10, 0.6 * means, torch.full((10,), 0.1**2)), 0.1


def with_exact_step(levels):
    "ExactReverse at the levels that are given for a law and so many steps."

    def sample(law: GaussianMixture, z: torch.Tensor, calls: int) -> torch.Tensor:
        q = ForwardProcess(Schedule.from_log_snr(levels(law, calls)))
        return ExactReverse(q, law).sample(len(z), like=torch.empty(0))

    return sample


def even(law: GaussianMixture, steps: int) -> torch.Tensor:
    "Log SNR from 8 down to -8 in equal parts."
    return torch.linspace(8, -8, steps, dtype=torch.float64)


@cache
def _crowding(law: GaussianMixture) -> tuple[torch.Tensor, torch.Tensor]:
    "Levels, and how much of the steps lies above each: (73,) both."
    levels, generator = (
        torch.linspace(9, -9, 73, dtype=torch.float64),
        torch.Generator().manual_seed(0),
    )
    x0, differs = law.sample(1000, generator), []
    eps = torch.randn(x0.shape, generator=generator)
    for level in levels:
        x_t = level.sigmoid().sqrt().float() * x0 + (-level).sigmoid().sqrt().float() * eps
        total = (
            law.denoise_moments(x_t, level.item())[1].flatten(1).double().sum(1)
        )  # the trace of Var(x_0 | x_t)
        differs.append(level.exp() * total.std())
    density = torch.stack(differs)
    density = density + 0.1 * density.max()  # so that no stretch is left without a step
    return levels, torch.cat(
        [torch.zeros(1, dtype=torch.float64), torch.cumulative_trapezoid(density)]
    )


def placed(law: GaussianMixture, steps: int) -> torch.Tensor:
    "Levels that share the crowding equally."
    levels, above = _crowding(law)
    return torch.from_numpy(
        np.interp(np.linspace(0, above[-1].item(), steps), above.numpy(), levels.numpy())
    )


def within_modes(law: GaussianMixture, x: torch.Tensor, std: float) -> float:
    "The relative error of the standard deviation around the nearest mean, averaged over the modes that have samples."
    flat, means = x.flatten(1), law.means.flatten(1)
    mode = torch.cdist(flat, means).argmin(1)
    errors = []
    for k in range(len(means)):
        mine = flat[mode == k]
        if len(mine) > 1:
            errors.append(abs((mine - means[k]).square().mean().sqrt().item() / std - 1))
    return sum(errors) / max(1, len(errors))


def sliced(x: torch.Tensor, y: torch.Tensor, directions: int = 128) -> float:
    "Wasserstein-2 along random lines, root mean square, over the data's own deviation."
    x, y = x.flatten(1), y.flatten(1)
    lines = torch.randn(directions, x.shape[1], generator=torch.Generator().manual_seed(1))
    lines = lines / lines.norm(dim=1, keepdim=True)
    a, b = ((lines @ v.T).sort(1).values for v in (x, y))
    return ((a - b).square().mean() / y.var(0).mean()).sqrt().item()


def flow(law: GaussianMixture, z: torch.Tensor) -> torch.Tensor:
    "Where the exact flow takes z, by fine steps in float64."
    return solve(law, z.double(), even_grid(TOP, 12.0, 240), "rk4").to(z)


def noise(law: GaussianMixture, n: int, seed: int) -> torch.Tensor:
    "Standard normal, from seeds that nothing else here uses: sliced's lines are normal numbers too."
    return torch.randn(n, *law.event_shape, generator=torch.Generator().manual_seed(1000 + seed))


class Case:
    "A law with its judges."

    def __init__(self, law: GaussianMixture, std: float, n: int, seeds: int, pilot: int):
        self.law, self.std, self.n = law, std, n
        self.size = law.sample(4000, torch.Generator().manual_seed(3)).var(0).mean().sqrt().item()
        self.truth = law.sample(n, torch.Generator().manual_seed(0))
        self.pilot = self.noise_and_flow(pilot, 0)
        self.rest = [self.noise_and_flow(n, seed + 1) for seed in range(seeds)]

    def noise_and_flow(self, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        z = noise(self.law, n, seed)
        return z, flow(self.law, z)

    def denoise(self, x: torch.Tensor, log_snr: float) -> torch.Tensor:
        return self.law.denoise(x, torch.tensor(log_snr, dtype=torch.float64))

    def judged(self, x: torch.Tensor, end: torch.Tensor | None = None) -> dict[str, float]:
        "By each judge."
        x, found = x.float(), {}
        found[MODE] = within_modes(self.law, x, self.std)
        found[SLICED] = sliced(x, self.truth[: len(x)])
        if end is not None:
            off = (x - end).flatten(1)
            found[FLOW] = (off.norm(dim=1).mean() / off.shape[1] ** 0.5 / self.size).item()
        return found

    def tried(self, sampler: Sampler, calls: int) -> dict[str, float]:
        "On the pilot; infinite where a sampler cannot do with so many calls."
        torch.manual_seed(0)
        try:
            found = self.judged(sampler(self.denoise, self.pilot[0], calls), self.pilot[1])
        except ValueError:
            found = {}
        return {kind: v if (v := found.get(kind, math.inf)) == v else math.inf for kind in KINDS}

    @torch.no_grad()
    def measured(self, sampler: Sampler, calls: int) -> dict[str, list[float]]:
        "On fresh noise, seed by seed."
        out = []
        for seed, (z, end) in enumerate(self.rest):
            torch.manual_seed(seed + 1)
            out.append(self.judged(sampler(self.denoise, z, calls), end))
        return {kind: [each[kind] for each in out] for kind in KINDS}

    @torch.no_grad()
    def floor(self) -> dict[str, list[float]]:
        "Exact draws, which take no steps."
        torch.manual_seed(1)
        out = [self.judged(self.law.sample(self.n)) for _ in range(FLOORS)]
        return {kind: [each[kind] for each in out] for kind in (MODE, SLICED)}


def our_grids(case: Case, calls: int, crowd: int) -> tuple[dict[str, Sampler], dict[str, Sampler]]:
    "Every solver of ours on every grid, and those of them whose grids were polished for this denoiser."
    grids, starts = {}, {high: -2 * math.log(high) for high in (20, 40, 80, 160)}
    for high, start in starts.items():
        for low in (0.002, 0.01, 0.02):
            for title, grid in (("even", even_grid), ("rho 7", karras_grid)):
                for end, clean in (("", False), (", then the data", True)):
                    make = partial(grid, start, -2 * math.log(low), clean=clean)
                    grids[f"{title}, {high:g} to {low:g}{end}"] = make
    plain, polished, pilot = of_ours(grids), {}, noise(case.law, crowd, 100)
    if calls <= POLISHED:
        for name in ("2m", "3m-half", "unipc2", "ipndm"):
            for high, start in starts.items():
                grid = even_grid(start, -2 * math.log(0.02), calls, clean=True)
                levels = polished_grid(case.law, pilot, grid, name, 8 if calls < 20 else 4, 100)
                title = f"polished, {high:g} to 0.02, then the data"
                polished |= of_ours({title: lambda steps, kept=levels: kept}, (SOLVERS[name],))
    return plain | polished, polished


def best(case: Case, samplers: dict[str, Sampler], calls: int) -> tuple[dict, dict]:
    "The name of the best by each judge, on the pilot; and what each of them was worth."
    worth = {name: case.tried(sampler, calls) for name, sampler in samplers.items()}
    return {kind: min(worth, key=lambda name: worth[name][kind]) for kind in KINDS}, worth


def fewer(samplers: dict[str, Sampler], worth: dict) -> dict[str, Sampler]:
    "Those that were among the best by some judge."
    kept = set()
    for kind in KINDS:
        kept |= set(sorted(worth, key=lambda name: worth[name][kind])[:KEPT])
    return {name: samplers[name] for name in samplers if name in kept}


def above_floor(mine: dict, floor: dict) -> float:
    "How far a sampler's mean error lies above that of exact draws, in standard errors of the difference."
    scatter = floor["std"] * (1 / mine["seeds"] + 1 / floor["seeds"]) ** 0.5
    return (mine["mean"] - floor["mean"]) / scatter


def verdict(figures: list[dict]) -> str:
    "In how many cases ours leads, and what the others are worth."
    text = ""
    for leader in (LEADER, CHOSEN):
        clear, ahead, level, behind = [], [], [], []
        for case in unique(f["case"] for f in figures):
            found = {f["who"]: f for f in figures if f["case"] == case}
            others = {w: f for w, f in found.items() if w != "floor" and not w.startswith(LEADER)}
            if not others or leader not in found:
                continue
            mine, other = found[leader], min(others, key=lambda who: others[who]["mean"])
            gap = (others[other]["mean"] - mine["mean"]) / math.hypot(
                *(f["std"] / f["seeds"] ** 0.5 for f in (mine, others[other]))
            )
            if gap > 0:
                (clear if gap > 2 else ahead).append(case)
            elif "floor" in found and above_floor(mine, found["floor"]) < 3:
                level.append(case)
            else:
                times = mine["mean"] / others[other]["mean"]
                behind.append(f"{case} (×{times:.2f} of {other}'s)")
        whole = len(clear) + len(ahead) + len(level) + len(behind)
        text += (
            f"{leader} is ahead of every peer's best by more than two standard errors in {len(clear)} of {whole} "
            f"cases, by less in {len(ahead)}; in {len(level)} a peer's is smaller, but ours cannot be told from exact "
            f"draws (within 3 standard errors). "
        )
        text += f"Behind in {len(behind)}: " + "; ".join(behind) + ". " if behind else ""
    return text.strip()


def names(figures: list[dict]) -> str:
    "Who sent which sampler."
    lines = []
    for who in unique(f["who"] for f in figures if "sampler" in f):
        mine = [f for f in figures if f["who"] == who and "sampler" in f]
        said = "; ".join(f"{f['case']}: {f['sampler']}" for f in mine)
        lines.append(f"- **{who}** – {said}.")
    return (
        "<details><summary>Which sampler each package sent</summary>\n\n"
        + "\n".join(lines)
        + "\n\n</details>"
    )


def main() -> None:
    args = arguments(__doc__)
    seeds = 2 if args.quick else 3
    sizes = {"ring": (ring, 5000, 2000, 256), "784 pixels": (blurred_digits, 500, 100, 64)}
    if args.quick:
        sizes = {"ring": (ring, 2000, 300, 128), "784 pixels": (blurred_digits, 200, 64, 32)}
    figures = []
    for title, (make, n, pilot, crowd) in sizes.items():
        law, std = make()
        case = Case(law, std, n, seeds, pilot)
        packages, floor = of_peers(), case.floor()
        for calls in CALLS[:3] if args.quick else CALLS:
            found = {"floor": {kind: ("", each) for kind, each in floor.items()}}
            ours, polished = our_grids(case, calls, crowd)
            if calls <= 20:
                packages[LEADER] = ours
            for who, samplers in sorted(packages.items(), key=lambda item: item[0] != LEADER):
                picked, worth = best(case, samplers, calls)
                if calls == 20:
                    packages[who] = fewer(samplers, worth)
                known = {name: case.measured(samplers[name], calls) for name in {*picked.values()}}
                found[who] = {kind: (name, known[name][kind]) for kind, name in picked.items()}
                if who == LEADER and polished:
                    name = min(polished, key=lambda name: worth[name][FLOW])
                    each = known.get(name) or case.measured(samplers[name], calls)
                    found[CHOSEN] = {kind: (name, each[kind]) for kind in KINDS}
            for title_, levels in (("placed", placed), ("even", even)):
                told = with_exact_step(levels)
                each = case.measured(lambda d, z, c, s=told, q=law: s(q, z, c), calls)
                found[f"diffusion_math (exact covariance, {title_})"] = {
                    kind: ("", each[kind]) for kind in (MODE, SLICED)
                }
            for who, kinds in found.items():
                for kind, (name, each) in kinds.items():
                    about = {"seeds": len(each), "mean": mean(each), "std": stdev(each)}
                    about |= {"sampler": name} if name else {}
                    case_ = f"{title}, {kind}, {calls} calls"
                    figures.append(figure(who, case_, **spread(each), **about))
    say(
        title="A known law, with the exact denoiser",
        unit="error",
        figures=figures,
        better="less",
        samples={name: each[1] for name, each in sizes.items()},
        target="ours never worse than the best peer, and ahead by more than the error bars at 5, 10 and 20 calls",
        note=verdict(figures),
        after=names(figures),
    )


if __name__ == "__main__":
    main()
