"""Train the networks behind chapter 16's 16.0 and 16.4: two of each dataset, A and B, on datasets that share no picture.

    python benchmarks/memory.py --out FILE.npz      # half an hour on one core
    python benchmarks/memory.py --clocks FILE.npz   # half of it: only the two clocks, into a FILE that is there
    python benchmarks/memory.py --parts FILE.npz    # four minutes: only what a last network has of its dataset
    python benchmarks/memory.py --sizes FILE.npz    # half an hour: only the six sizes, as many steps for each

The network, its loss and its optimizer are those of the chapter, with chapter 6's moving average of the weights (0.999).
The two clocks: four networks of each dataset's size, A and B among them, and two that see all their digits at each step.
The six sizes: two networks of each, all after as many steps.
What is kept: numbers at each look, and pictures. The chapter reads them from diffusion_math/assets/memory.npz.
"""

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion_math import Empirical, GaussianMixture, UNet, digits, flow
from diffusion_math.numerics import scales

ASSET = Path(__file__).parents[1] / "diffusion_math" / "assets" / "memory.npz"
STEPS = {16: 800, 64: 1600, 256: 6400}  # at least 800 passes, 32 digits a step
LOOKS = (
    25, 50, 75, 100, 125, 150, 175, 200, 250, 300, 400, 500, 600, 800, 1000, 1200, 1600, 2000, 2600,
    3200, 4000, 5000, 6400,
)  # fmt: skip
SHOWN = 24  # draws of which the pictures are kept
SEEN = ((16, 50), (16, 800), (64, 800), (256, 800), (256, 6400))  # looks whose draws are kept
LEVELS = torch.linspace(-5, 3, 9)
TWINS = (
    100,
    200,
    300,
    400,
    500,
    600,
    800,
    1000,
    1200,
    1600,
)  # looks where one picture stands eight times

EARLY = (5, 10, 15, 20, 25, 30, 40)  # further looks, for the two clocks
SIZES = (16, 64, 256, 1024, 4096, 16384)  # each trained for as many steps as 256 are
WHOLE = {64: 1600, 256: 3200}  # steps where each shows every digit
GROUPS = (slice(0, 4), slice(4, 16), slice(16, 48), slice(48, 144), slice(0, 144))  # of modes

Denoise = Callable[[Tensor, float | Tensor], Tensor]


def noised(x0: Tensor, v: float | Tensor, gen: torch.Generator) -> Tensor:
    a, s = scales(torch.as_tensor(v), x0)
    return a * x0 + s * torch.randn(x0.shape, dtype=x0.dtype, generator=gen)


@torch.no_grad()
def answers(ask: Denoise, asked: list[tuple[Tensor, float]]) -> Tensor:
    return torch.stack([ask(x, v) for x, v in asked])


def far_apart(one: Tensor, other: Tensor) -> float:
    "Half the area under e^λ |one - other|^2 from λ = -5 to 3, in nats."
    square = (one - other).square().flatten(2).sum(2)
    return 0.5 * torch.trapezoid(LEVELS.exp()[:, None] * square, LEVELS, dim=0).mean().item()


def nearest_two(x: Tensor, dataset: Tensor) -> tuple[Tensor, Tensor]:
    "The nearest picture of the dataset, and the nearest distance over the second nearest."
    far, which = torch.cdist(x.flatten(1), dataset.flatten(1)).topk(2, largest=False)
    return dataset[which[:, 0]], far[:, 0] / far[:, 1]


def gauss_of(p: Tensor) -> GaussianMixture:
    "One Gaussian, fitted to p."
    none = torch.zeros(len(p), dtype=torch.long)
    return GaussianMixture.fit(p.double(), labels=none, floor=1e-2)


def off_class(x: Tensor, classes: list[GaussianMixture]) -> Tensor:
    "The squared Mahalanobis distance to the nearest class, for each of its numbers, of noisy digits at λ = 3."
    noisy = [c.noised(3.0) for c in classes]
    off = [2 * (c.log_prob(c.means.view(1, *x.shape[1:])) - c.log_prob(x.double())) for c in noisy]
    return torch.stack(off).amin(0) / x[0].numel()


@torch.no_grad()
def parts_of(ask: Denoise, law: GaussianMixture, dataset: Tensor, seed: int) -> list[float]:
    """The projection coefficients of ask - D on D_n - D, and on the part of it that is at right angles to G - D.

    On noisy digits of the dataset, weighted by e^λ. D_n is its empirical denoiser, G that of one Gaussian fitted to it.
    """
    gen = torch.Generator().manual_seed(seed)
    own = dataset[torch.randint(len(dataset), (400,), generator=gen)]
    asked = [(noised(own, v, gen), v.item()) for v in LEVELS]
    of_D = answers(law.denoise, asked)
    gauss = gauss_of(dataset).to(torch.float32)
    has, to_n, to_g = (
        answers(who, asked) - of_D for who in (ask, Empirical(dataset).denoise, gauss.denoise)
    )

    def inner(x: Tensor, y: Tensor) -> Tensor:
        return torch.trapezoid((x * y).flatten(1).double().sum(1) * LEVELS.exp(), LEVELS)

    beyond = to_n - (inner(to_n, to_g) / inner(to_g, to_g)).float() * to_g
    return [(inner(has, to) / inner(to, to)).item() for to in (to_n, beyond)]


class Learner:
    "A network on its dataset, its optimizer, and the moving average of its weights."

    def __init__(self, dataset: Tensor, k: int):
        torch.manual_seed(100 * len(dataset) + k)
        self.gen = torch.Generator().manual_seed(1000 * len(dataset) + k)
        self.network, self.dataset, self.steps = UNet(width=16), dataset, 0
        self.average = copy.deepcopy(self.network)
        self.adam = torch.optim.Adam(self.network.parameters(), 2e-3, fused=True)

    def step(self, whole: bool = False) -> None:
        "One step, on 32 of its digits or on all."
        x0 = self.dataset
        if not whole:
            x0 = x0[torch.randint(len(x0), (32,), generator=self.gen)]
        v = -5 + 8 * torch.rand(len(x0), generator=self.gen)
        off = (self.network(noised(x0, v, self.gen), v) - x0).square().flatten(1).sum(1)
        self.adam.zero_grad()
        (v.exp().clamp(max=5) * off).mean().backward()
        self.adam.step()
        self.steps += 1
        keep = min(0.999, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(
                [*self.average.parameters()], [*self.network.parameters()], 1 - keep
            )

    def ask(self, x: Tensor, v: float | Tensor) -> Tensor:
        return self.average(x, torch.as_tensor(v).expand(len(x)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=ASSET)
    parser.add_argument("--clocks", type=Path, help="only the two clocks, into this file")
    parser.add_argument(
        "--parts", type=Path, help="only A's parts, and early draws, into this file"
    )
    parser.add_argument("--sizes", type=Path, help="only the six sizes, into this file")
    args = parser.parse_args()
    out = args.clocks or args.parts or args.sizes or args.out
    torch.set_num_threads(1)
    real, labels = digits("train", labels=True)
    small = F.avg_pool2d(real[:, :, 2:26, 2:26].double(), 2)
    law = GaussianMixture.fit(small, labels=labels, floor=1e-2).to(torch.float32)
    classes = [gauss_of(small[labels == k]) for k in range(10)]
    gen = torch.Generator().manual_seed(17)
    start = torch.randn(128, 1, 12, 12, generator=gen)
    fresh, middle = law.sample(200, gen), law.sample(5000, gen).mean(0)
    asked = [(noised(fresh, v, gen), v.item()) for v in LEVELS]

    @torch.no_grad()
    def drawn_by(ask: Denoise) -> Tensor:
        return ask(flow(ask, start, -5.0, 3.0, 20), 3.0)

    def alike(one: Tensor, other: Tensor) -> Tensor:
        return F.cosine_similarity((one - middle).flatten(1), (other - middle).flatten(1))

    def as_bytes(x: Tensor) -> np.ndarray:
        return (127.5 * (x[:SHOWN, 0].clamp(-1, 1) + 1)).round().byte().numpy()

    truth, of_D, began = drawn_by(law.denoise), answers(law.denoise, asked), time.time()
    kept: dict[str, np.ndarray] = {"D": as_bytes(truth)}
    datasets = {n: [law.sample(n, gen) for _ in range(2)] for n in STEPS}
    if args.clocks:
        kept = dict(np.load(out)) | two_clocks(law, classes, datasets, start, middle)
        np.savez_compressed(out, **kept)
        return
    if args.parts:
        early = [Learner(dataset, k) for k, dataset in enumerate(datasets[16])]
        for one in early:
            for _ in range(50):
                one.step()
        early_draws = np.stack([as_bytes(drawn_by(one.ask))[:8] for one in early])
        kept = dict(np.load(out)) | {"16 draws at 50": early_draws} | parts(law, datasets)
        np.savez_compressed(out, **kept)
        return
    if args.sizes:
        np.savez_compressed(out, **(dict(np.load(out)) | by_size(law, start, asked)))
        return
    for n, last in STEPS.items():
        pair = [Learner(dataset, k) for k, dataset in enumerate(datasets[n])]
        rows, pictures = [], {}
        memory = [Empirical(one.dataset).denoise for one in pair]
        own = []
        for k, one in enumerate(pair):
            seed = torch.Generator().manual_seed(7 + k)
            x0 = one.dataset[torch.randint(n, (200,), generator=seed)]
            own.append([(noised(x0, v, seed), v.item()) for v in LEVELS])
        for step in range(1, last + 1):
            for one in pair:
                one.step()
            if step not in LOOKS:
                continue
            drawn = [drawn_by(one.ask) for one in pair]
            near, ratio = zip(
                *(nearest_two(x, one.dataset) for x, one in zip(drawn, pair, strict=True)),
                strict=True,
            )
            if (n, step) in SEEN:
                kept[f"{n} draws at {step}"] = np.stack([as_bytes(x)[:8] for x in drawn])
            both = alike(*drawn)
            table = [  # of A and of B
                [far_apart(answers(one.ask, asked), of_D) for one in pair],
                [
                    far_apart(answers(a.ask, q), answers(m, q))
                    for a, q, m in zip(pair, own, memory, strict=True)
                ],
                [(r < 1 / 3).float().mean().item() for r in ratio],
                [alike(x, truth).mean().item() for x in drawn],
                [alike(x, y).mean().item() for x, y in zip(drawn, near, strict=True)],
                [law.log_prob(x).mean().item() for x in drawn],
                [both.mean().item(), both.std().item() / len(both) ** 0.5],
            ]
            rows.append([[step, step], *table])
            pictures[step] = {
                "draws": np.stack([as_bytes(x) for x in drawn]),
                "nearest": np.stack([as_bytes(x) for x in near]),
                "ratio": torch.stack([*ratio]).numpy(),
            }
            print(n, step, f"{time.time() - began:.0f} s", flush=True)
        kept[f"{n} looks"] = np.array(rows, dtype=np.float32)  # (looks, 8, 2)
        best = int(kept[f"{n} looks"][:, 1].sum(1).argmin())  # nearest to D
        for which, row in (("best", best), ("end", -1)):
            for name, array in pictures[rows[row][0][0]].items():
                kept[f"{n} {which} {name}"] = array
    kept["one eight times"] = eight_times(law)
    kept |= two_clocks(law, classes, datasets, start, middle) | parts(law, datasets)
    kept |= by_size(law, start, asked)
    np.savez_compressed(out, **kept)


def parts(law: GaussianMixture, datasets: dict[int, list[Tensor]]) -> dict[str, np.ndarray]:
    """What A has at its last step, of its own dataset and, as a control, of B's, which it never saw.

    "n parts": (2 datasets, 2), the projection coefficients of parts_of.
    """
    kept, began = {}, time.time()
    for n, last in STEPS.items():
        one = Learner(datasets[n][0], 0)
        for _ in range(last):
            one.step()
        rows = [parts_of(one.ask, law, dataset, 7) for dataset in datasets[n]]
        kept[f"{n} parts"] = np.array(rows, dtype=np.float32)
        print("parts", n, rows, f"{time.time() - began:.0f} s", flush=True)
    return kept


def softened(x: Tensor) -> Tensor:
    "Half of it blurred, as the chapter makes its softened copies."
    return (x + F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)) / 2


def by_size(
    law: GaussianMixture, start: Tensor, asked: list[tuple[Tensor, float]]
) -> dict[str, np.ndarray]:
    """From memory to novelty: two networks of each of SIZES, after STEPS[256] steps of 32 digits.

    "sizes": (6, 2, 6), of the draws from `start` the shares of ratios below 1/3 and 2/3; the nats between D_θ and D on
    fresh digits; the shares below 2/3 of D's draws and of softened pictures of the dataset; the mean log p of the draws.
    "sizes draws", "sizes nearest": (6, 8, 12, 12), of A.
    """

    @torch.no_grad()
    def drawn_by(ask: Denoise) -> Tensor:
        return ask(flow(ask, start, -5.0, 3.0, 20), 3.0)

    def as_bytes(x: Tensor) -> np.ndarray:
        return (127.5 * (x[:8, 0].clamp(-1, 1) + 1)).round().byte().numpy()

    gen, began = torch.Generator().manual_seed(172), time.time()
    of_D, truth = answers(law.denoise, asked), drawn_by(law.denoise)
    rows, draws, nearest = [], [], []
    for n in SIZES:
        for k in range(2):
            one = Learner(law.sample(n, gen), k)
            for _ in range(STEPS[256]):
                one.step()
            x = drawn_by(one.ask)
            near, ratio = nearest_two(x, one.dataset)
            copies = softened(one.dataset[:500])
            tested = [nearest_two(y, one.dataset)[1] for y in (truth, copies)]
            numbers = [(ratio < limit).float().mean().item() for limit in (1 / 3, 2 / 3)]
            numbers.append(far_apart(answers(one.ask, asked), of_D))
            numbers += [(r < 2 / 3).float().mean().item() for r in tested]
            rows.append([*numbers, law.log_prob(x).mean().item()])
            print("sizes", n, k, numbers, f"{time.time() - began:.0f} s", flush=True)
            if k == 0:
                draws.append(as_bytes(x))
                nearest.append(as_bytes(near))
    kept = {"sizes draws": np.stack(draws), "sizes nearest": np.stack(nearest)}
    return kept | {"sizes": np.array(rows, dtype=np.float32).reshape(len(SIZES), 2, -1)}


def eight_times(law: GaussianMixture) -> np.ndarray:
    """Two networks, each on 64 digits of which one stands there eight times: (2, looks, 5).

    Of a thousand draws: the step, how many are nearest to that one, how many are copies of it by the dataset without
    duplicates, how many by the dataset as it is, and how many are copies of other pictures.
    """
    gen, rows = torch.Generator().manual_seed(18), []
    start = torch.randn(1000, 1, 12, 12, generator=gen)
    for k in (2, 3):
        once = law.sample(57, gen)
        one = Learner(torch.cat([once[:1].expand(7, -1, -1, -1), once]), k)
        for step in range(1, TWINS[-1] + 1):
            one.step()
            if step not in TWINS:
                continue
            with torch.no_grad():
                draws = [one.ask(flow(one.ask, x, -5.0, 3.0, 20), 3.0) for x in start.split(250)]
            x = torch.cat(draws)
            far, which = torch.cdist(x.flatten(1), once.flatten(1)).topk(2, largest=False)
            copy, is_it = far[:, 0] / far[:, 1] < 1 / 3, which[:, 0] == 0
            found = nearest_two(x, one.dataset)[1] < 1 / 3
            counts = [is_it, is_it & copy, is_it & found, ~is_it & copy]
            rows.append([step, *(c.float().mean().item() for c in counts)])
    return np.array(rows, dtype=np.float32).reshape(2, len(TWINS), 5)


def two_clocks(
    law: GaussianMixture,
    classes: list[GaussianMixture],
    datasets: dict[int, list[Tensor]],
    start: Tensor,
    middle: Tensor,
) -> dict[str, np.ndarray]:
    """What is learned when, split by the eigenmodes of the population's covariance (four groups, and all).

    "n clock": (looks, networks, 2, 5), of D_θ - D the square on fresh digits, over that of D - its mean, and on the
    dataset's digits its part along D_n - D. "n clock draws": (looks, networks, 3), of 128 draws the share of copies, the
    mean cosine with D's, and the share whose off_class before the last guess is one of 98 % of digits. "n whole clock":
    the same where each step shows all digits.
    """
    began, gen = time.time(), torch.Generator().manual_seed(170)
    more = {n: [law.sample(n, gen) for _ in range(2)] for n in STEPS}
    many = law.sample(20_000, torch.Generator().manual_seed(99))
    var, modes = torch.linalg.eigh(torch.cov(many.flatten(1).double().T))
    var, modes = var.flip(0), modes.flip(1).float()
    true = off_class(noised(many[:5000], 3.0, torch.Generator().manual_seed(6)), classes)
    low, high = true.quantile(torch.tensor([0.01, 0.99]).double())
    gen = torch.Generator().manual_seed(171)
    fresh = law.sample(400, gen)
    asked = [(noised(fresh, v, gen), v.item()) for v in LEVELS]
    weight = LEVELS.exp()
    weight[[0, -1]] /= 2  # trapezoids on even levels

    def parts(ask: Denoise, questions: list[tuple[Tensor, float]]) -> Tensor:
        return answers(ask, questions).flatten(2) @ modes

    def sums(square: Tensor) -> Tensor:
        by_mode = torch.einsum("l,lbm->m", weight, square)
        return torch.stack([by_mode[group].sum() for group in GROUPS])

    @torch.no_grad()
    def ended(ask: Denoise) -> tuple[Tensor, Tensor]:
        x = flow(ask, start, -5.0, 3.0, 20)
        return x, ask(x, 3.0)

    of_D, truth = parts(law.denoise, asked), (ended(law.denoise)[1] - middle).flatten(1)
    size = sums((of_D - middle.flatten() @ modes).square())
    kept = {"modes variance": var.float().numpy(), "modes range": np.array([low, high])}
    for whole, steps in ((False, STEPS), (True, WHOLE)):
        for n, last in steps.items():
            rows, drawn = {}, {}
            for k, dataset in enumerate(datasets[n] if whole else datasets[n] + more[n]):
                one, seed = Learner(dataset, k), torch.Generator().manual_seed(7 + k)
                own = dataset[torch.randint(n, (400,), generator=seed)]
                questions = [(noised(own, v, seed), v.item()) for v in LEVELS]
                own_D = parts(law.denoise, questions)
                to_memory = parts(Empirical(dataset).denoise, questions) - own_D
                for step in range(1, last + 1):
                    one.step(whole)
                    if step not in EARLY + LOOKS:
                        continue
                    error = sums((parts(one.ask, asked) - of_D).square()) / size
                    along = sums((parts(one.ask, questions) - own_D) * to_memory)
                    both = torch.stack([error, along / sums(to_memory.square())])
                    rows.setdefault(step, []).append(both.numpy())
                    x, x0 = ended(one.ask)
                    off = off_class(x, classes)
                    numbers = [
                        (nearest_two(x0, dataset)[1] < 1 / 3).float().mean().item(),
                        F.cosine_similarity((x0 - middle).flatten(1), truth).mean().item(),
                        ((low < off) & (off < high)).float().mean().item(),
                    ]
                    drawn.setdefault(step, []).append(numbers)
                print("clocks", n, "whole" * whole, k, f"{time.time() - began:.0f} s", flush=True)
            name = f"{n} whole clock" if whole else f"{n} clock"
            kept[f"{name} steps"] = np.array([*rows])
            kept[name] = np.array([*rows.values()], dtype=np.float32)
            kept[f"{name} draws"] = np.array([*drawn.values()], dtype=np.float32)
    return kept


if __name__ == "__main__":
    main()
