"""Each package's best sampler, with the exact denoiser in the network's place: does it give back the data's law?

Two laws are known exactly: a ring of 8 Gaussians in the plane, and a mixture of 10 Gaussians around blurred digits in
784 dimensions. Both lie within [-1, 1] to four deviations and more, since some samplers clip. All may ask the same
denoiser equally often, 5 to 100 times. What each package offers stands in samplers.py: solvers, orders, spacings, first
and last noise levels, some 250 combinations.

Which of them a package sends is found twice over, in the same way for all: every one draws from a small pilot's noise,
the best four by each judge draw from a larger pilot's, and the best of those goes on to fresh noise, one for each law,
number of calls and judge. (In the pilots the ends of the exact flow, from the same noise, stand for the exact draws:
that tells two samplers apart by fewer walks.) With 100 calls the best eight of 50 calls are tried. Ours are SOLVERS and
two more of their kind, "steep", on three grids: even in log SNR, rho 7 (both from five first levels, one of them the
flow's own), and polished, which takes the best plain grids of a few solvers and moves their levels until a crowd ends
where the exact flow ends; with more than 20 calls, the polished grid of 20 with levels put between. "diffusion_math
(chosen by the flow)" is one sampler for all judges: the one whose pilot ends closest to the flow. That needs a denoiser
alone, so whoever has a network can do the same. ExactReverse, which is told the exact covariance besides, is a row of
its own up to 20 calls, on even steps and on steps that the law places ("placed": short where Var(x_0 | x_t) differs
most from one x_t to another, for there a step back is least Gaussian).

Three judges: the error of the standard deviation inside a mode (relative, the mean over modes); the sliced
Wasserstein-2 distance to as many exact draws, in deviations of the data; and how far a walk ends from where the exact
flow takes the same noise, the mean over walks, in deviations of the data. "floor" is more sets of exact draws, enough
of them to know its scatter: an error that lies within it is the sample's and not the sampler's, and there the order of
two samplers is chance. The third judge has no floor. All begin with the same noise, seed by seed, so who leads is
judged by the differences of the seeds.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from statistics import mean, stdev

import numpy as np
import torch
from common import arguments, figure, say, spread, unique
from samplers import STEEP, Sampler, of_ours, of_peers

from diffusion_math import ExactReverse, ForwardProcess, GaussianMixture, Schedule, digits
from diffusion_math.solvers import SOLVERS, even_grid, karras_grid, polished_grid, solve

CALLS, POLISHED, ALL, FLOORS = (5, 10, 20, 50, 100), 20, 50, 20
KEPT, LATER = 4, 8  # by each judge: those that go on to a larger pilot, and to more calls
OURS = [*SOLVERS.values(), *STEEP]
BENT = [SOLVERS["ipndm"], SOLVERS["unipc2"], SOLVERS["unipc3"], *STEEP]  # whose grids are polished
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


def along(x: torch.Tensor, directions: int = 64) -> torch.Tensor:
    "x along random lines, sorted: (directions, n)."
    x = x.flatten(1)
    lines = torch.randn(directions, x.shape[1], generator=torch.Generator().manual_seed(1))
    return (lines / lines.norm(dim=1, keepdim=True) @ x.T).sort(1).values


def sliced(x: torch.Tensor, y: torch.Tensor, sorted_y: torch.Tensor | None = None) -> float:
    "Wasserstein-2 along random lines, root mean square, over the data's own deviation."
    b = along(y) if sorted_y is None else sorted_y
    return ((along(x) - b).square().mean() / y.flatten(1).var(0).mean()).sqrt().item()


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


def noise(law: GaussianMixture, n: int, seed: int) -> torch.Tensor:
    "Standard normal, from seeds that nothing else here uses: sliced's lines are normal numbers too."
    return torch.randn(n, *law.event_shape, generator=torch.Generator().manual_seed(1000 + seed))


class Case:
    "A law with its judges. sizes: of the two pilots and of each seed."

    def __init__(self, law: GaussianMixture, std: float, sizes: Sequence[int], seeds: int):
        self.law, self.std, self.denoise, self.n = law, std, Exact.of(law, std), sizes[-1]
        self.size = law.sample(4000, torch.Generator().manual_seed(3)).var(0).mean().sqrt().item()
        self.truth = law.sample(self.n, torch.Generator().manual_seed(0))
        self.sorted, self.pilots = along(self.truth), []
        for k, n in enumerate(sizes[:2]):
            z, end = self.noise_and_flow(n, -1 - k)
            self.pilots.append((z, end, widths(law, end), along(end)))
        self.rest = [self.noise_and_flow(self.n, seed) for seed in range(seeds)]

    def noise_and_flow(self, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        z = noise(self.law, n, seed)
        return z, flow(self.denoise, z)

    def judged(self, x: torch.Tensor, end: torch.Tensor | None = None) -> dict[str, float]:
        "By each judge."
        x, found = x.float(), {}
        found[MODE] = within_modes(self.law, x, self.std)
        found[SLICED] = sliced(x, self.truth, self.sorted)
        if end is not None:
            found[FLOW] = self.off(x, end)
        return found

    def off(self, x: torch.Tensor, end: torch.Tensor) -> float:
        far = (x - end).flatten(1)
        return (far.norm(dim=1).mean() / far.shape[1] ** 0.5 / self.size).item()

    def tried(self, sampler: Sampler, calls: int, pilot: int) -> dict[str, float]:
        "On a pilot, beside the flow's ends; infinite where a sampler cannot do with so many calls."
        torch.manual_seed(0)
        z, end, wide, ordered = self.pilots[pilot]
        try:
            x = sampler(self.denoise, z, calls).float()
        except ValueError:
            return dict.fromkeys(KINDS, math.inf)
        if not x.isfinite().all():
            return dict.fromkeys(KINDS, math.inf)
        errors = within_modes(self.law, x, wide), sliced(x, end, ordered), self.off(x, end)
        return dict(zip(KINDS, errors, strict=True))

    @torch.no_grad()
    def measured(self, sampler: Sampler, calls: int, seeds: int = 99) -> dict[str, list[float]]:
        "On fresh noise, seed by seed."
        out = []
        for seed, (z, end) in enumerate(self.rest[:seeds]):
            torch.manual_seed(seed + 1)
            out.append(self.judged(sampler(self.denoise, z, calls), end))
        return {kind: [each[kind] for each in out] for kind in KINDS}

    @torch.no_grad()
    def floor(self) -> dict[str, list[float]]:
        "Exact draws, which take no steps."
        torch.manual_seed(1)
        out = [self.judged(self.law.sample(self.n)) for _ in range(FLOORS)]
        return {kind: [each[kind] for each in out] for kind in (MODE, SLICED)}


Worth = dict[str, dict[str, float]]  # of each sampler, by each judge


def worths(case: Case, samplers: dict[str, Sampler], calls: int, pilot: int) -> Worth:
    return {name: case.tried(sampler, calls, pilot) for name, sampler in samplers.items()}


def fewer(samplers: dict[str, Sampler], worth: Worth, n: int) -> dict[str, Sampler]:
    "Those that are among the best n by some judge."
    kept = set()
    for kind in KINDS:
        kept |= set(sorted(worth, key=lambda name: worth[name][kind])[:n])
    return {name: samplers[name] for name in samplers if name in kept}


def picked(case: Case, samplers: dict[str, Sampler], worth: Worth, calls: int) -> dict[str, str]:
    "The name of the best by each judge: on the larger pilot, of those that were good on the small one."
    again = worths(case, fewer(samplers, worth, KEPT), calls, 1)
    return {kind: min(again, key=lambda name: again[name][kind]) for kind in KINDS}


def our_grids() -> dict[str, Callable[[int], torch.Tensor]]:
    "Those that ask for nothing but a number of steps."
    grids = {}
    for high in (20, 40, 80, 160, math.exp(-TOP / 2)):
        for low in (0.002, 0.005, 0.01, 0.02, 0.05):
            for title, grid in (("even", even_grid), ("rho 7", karras_grid)):
                for end, clean in (("", False), (", then the data", True)):
                    made = partial(grid, -2 * math.log(high), -2 * math.log(low), clean=clean)
                    grids[f"{title}, {high:.3g} to {low:g}{end}"] = made
    return grids


def stretched(levels: torch.Tensor, steps: int) -> torch.Tensor:
    "A grid of another number of steps that crowds where this one does."
    finite = levels[levels < math.inf].numpy()
    ends = len(levels) - len(finite)  # 1 where the last step leads to the data
    places = np.linspace(0, len(finite) - 1, steps + 1 - ends)
    found = torch.from_numpy(np.interp(places, np.arange(len(finite)), finite))
    return torch.cat([found, levels[len(finite) :]])


def polished(case: Case, worth: Worth, calls: int) -> dict[str, Sampler]:
    "The best plain grids of a few solvers, moved for this denoiser: by the mean square and by the mean distance."
    out, grids, rounds = {}, our_grids(), 6 if calls <= 10 else 3
    denoise, crowd, _ = case.denoise.along_means(noise(case.law, CROWD, 100))
    for solver in BENT:
        mine = [name for name in worth if name.startswith(f"{solver.name}, ")]
        mine = sorted(mine, key=lambda name: worth[name][FLOW])[: 3 if calls <= 10 else 1]
        for title in (name.removeprefix(f"{solver.name}, ") for name in mine):
            for word, power in (("the mean square", 2.0), ("the distance", 1.0)):
                plain = grids[title](calls)
                levels = polished_grid(denoise, crowd, plain, solver, rounds, 60, power=power)
                made = {f"{title}, polished by {word}": partial(stretched, levels)}
                out |= of_ours(made, (solver,))
    return out


def above_floor(mine: dict, floor: dict) -> float:
    "How far a sampler's mean error lies above that of exact draws, in standard errors of the difference."
    scatter = floor["std"] * (1 / mine["seeds"] + 1 / floor["seeds"]) ** 0.5
    return (mine["mean"] - floor["mean"]) / scatter


def lead(mine: dict, other: dict) -> float:
    "By how many standard errors mine is ahead: of the differences, seed by seed, since the noise is shared."
    gaps = [b - a for a, b in zip(mine["each"], other["each"], strict=True)]
    return mean(gaps) / max(stdev(gaps) / len(gaps) ** 0.5, 1e-300)  # 0 where they are the same


def listed(cases: list[str]) -> str:
    return f"{len(cases)} ({'; '.join(cases)})" if cases else "0"


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
            if (gap := lead(mine, others[other])) > 0:
                (clear if gap > 2 else ahead).append(case)
            elif "floor" in found and above_floor(mine, found["floor"]) < 3:
                level.append(case)
            else:
                times = mine["mean"] / others[other]["mean"]
                behind.append(f"{case} (×{times:.2f} of {other}'s)")
        whole = len(clear) + len(ahead) + len(level) + len(behind)
        text += (
            f"{leader} is ahead of every peer's best by more than two standard errors in {len(clear)} of {whole} "
            f"cases, by less in {listed(ahead)}; a peer's is smaller, but ours cannot be told from exact draws (within "
            f"3 standard errors), in {listed(level)}. "
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


# law, walks of the two pilots and of a seed, seeds
SIZES = {"ring": (ring, (500, 3000, 8000), 12), "784 pixels": (blurred_digits, (64, 256, 300), 12)}
QUICK = {"ring": (ring, (300, 1000, 2000), 3), "784 pixels": (blurred_digits, (32, 100, 200), 3)}
CROWD = 256  # that grids are polished for


def measure(sizes: dict, calls_of: Sequence[int]) -> Iterator[list[dict]]:
    "The figures, law by law and calls by calls."
    for title, (make, n, seeds) in sizes.items():
        case = Case(*make(), n, seeds)
        packages, floor = {LEADER: of_ours(our_grids(), OURS)} | of_peers(), case.floor()
        for calls in calls_of:
            found = {"floor": {kind: ("", each) for kind, each in floor.items()}}
            for who, samplers in packages.items():
                worth = worths(case, samplers, calls, 0)
                if who == LEADER and calls <= POLISHED:
                    more = polished(case, worth, calls)
                    worth |= worths(case, more, calls, 0)
                    samplers = samplers | more
                found |= sent(case, who, samplers, worth, calls)
                if calls == POLISHED:
                    packages[who] = samplers
                if calls == ALL:
                    packages[who] = fewer(samplers, worth, LATER)
            if calls <= POLISHED:
                found |= with_covariance(case, calls)
            yield [
                told(who, f"{title}, {kind}, {calls} calls", *about)
                for who, kinds in found.items()
                for kind, about in kinds.items()
            ]


def sent(case: Case, who: str, samplers: dict, worth: Worth, calls: int) -> dict:
    "What a package's best are worth on fresh noise: for each judge the name and the errors."
    best = picked(case, samplers, worth, calls)
    known = {name: case.measured(samplers[name], calls) for name in {*best.values()}}
    out = {who: {kind: (name, known[name][kind]) for kind, name in best.items()}}
    if who == LEADER:
        out[CHOSEN] = {kind: (best[FLOW], known[best[FLOW]][kind]) for kind in KINDS}
    return out


def with_covariance(case: Case, calls: int) -> dict:
    "Ours that are told the exact covariance, on two seeds."
    out = {}
    for title, levels in (("placed", placed), ("even", even)):
        draw = with_exact_step(levels)
        each = case.measured(lambda d, z, c, draw=draw: draw(case.law, z, c), calls, 2)
        out[f"diffusion_math (exact covariance, {title})"] = {
            kind: ("", each[kind]) for kind in (MODE, SLICED)
        }
    return out


def told(who: str, case: str, name: str, each: list[float]) -> dict:
    about = {"seeds": len(each), "mean": mean(each), "std": stdev(each), "each": each}
    return figure(who, case, **spread(each), **about, **({"sampler": name} if name else {}))


def main() -> None:
    args = arguments(__doc__)
    sizes = QUICK if args.quick else SIZES
    parts = measure(sizes, CALLS[:3] if args.quick else CALLS)
    tell([f for part in parts for f in part], sizes)


def choice() -> str:
    "Among how many a package chooses."
    ours, theirs = len(of_ours(our_grids(), OURS)), max(map(len, of_peers().values()))
    return f"Ours is chosen among {ours} combinations and their polished grids, a peer's among at most {theirs}."


def tell(figures: list[dict], sizes: dict) -> None:
    say(
        title="A known law, with the exact denoiser",
        unit="error",
        figures=figures,
        better="less",
        samples={f"{name}, {seeds} seeds": n[-1] for name, (_, n, seeds) in sizes.items()},
        target="ours never worse than the best peer, and ahead by more than the error bars at 5, 10 and 20 calls",
        note=f"{verdict(figures)} {choice()}",
        after=names(figures),
    )


if __name__ == "__main__":
    main()
