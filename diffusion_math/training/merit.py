"""Figures of merit for samples beside data: Fréchet distance, with its error and its floor, precision, recall; a judge of digits.

Numbers of one feature network compare only with each other, and a Fréchet distance only at equal numbers of samples."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from .. import checks
from ..numerics import noise_like
from .checkpoint import ASSETS, read_sealed

__all__ = ["DigitJudge", "Frechet", "PrecisionRecall", "digit_judge", "frechet", "precision_recall"]

Features = Callable[[Tensor], Tensor]


def _features(name: str, x: Tensor, features: Features | None, least: int) -> Float[Tensor, "n d"]:
    "Of each of x, in float64; ValueError where they are too few, or not finite."
    x = checks.tensor(name, x)
    f = x.flatten(1) if features is None else features(x)
    f = checks.floating(f"features({name})", f).detach().flatten(1).double()
    if len(f) != len(x) or len(f) < least:
        raise ValueError(f"{name} must hold {least} or more, a row of features each, got {len(x)}")
    return checks.finite(f"features({name})", f)


# ---- Fréchet


@dataclass(frozen=True)
class Frechet:
    """What frechet says: the distance of x from y; its standard error; and the distance that as many samples of y's own
    law would have, on average: no better is to be hoped for."""

    distance: float
    stderr: float
    floor: float

    def __str__(self) -> str:
        floor = f"as many draws of the data's own law are at {self.floor:.3g}"
        return f"{self.distance:.3g} ± {self.stderr:.1g}; {floor}"


def gaussian_distance(f: Float[Tensor, "n d"], g: Float[Tensor, "m d"]) -> float:
    "|a - b|^2 + trace(A + B - 2 (A B)^(1/2)), of the means and the covariances of two sets [Dowson & Landau 1982]."
    a, b = f.T.cov().reshape(f.shape[1], -1), g.T.cov().reshape(f.shape[1], -1)
    values, vectors = torch.linalg.eigh(a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # the square roots of A B's eigenvalues, which are those of A^(1/2) B A^(1/2)
    cross = torch.linalg.eigvalsh(root @ b @ root).clamp(min=0).sqrt().sum()
    return ((f.mean(0) - g.mean(0)).square().sum() + a.trace() + b.trace() - 2 * cross).item()


def frechet(
    x: Float[Tensor, "n *event"],
    y: Float[Tensor, "m *event"],
    features: Features | None = None,
    repeats: int = 20,
    generator: Generator | None = None,
) -> Frechet:
    """The squared Fréchet distance of samples x from data y in their features [Heusel et al. 2017].

        frechet(p.sample(2000), unseen, digit_judge().features)

    features: x (n, *event) -> (n, d), any function; None takes x itself, flattened. The standard error is the bootstrap's
    over both sets, from `repeats` draws; the floor is the mean of as many distances between n and m draws of one Gaussian
    with y's mean and covariance. ValueError: fewer than two samples, features of different sizes or that are not finite.
    """
    f, g = (_features(name, v, features, 2) for name, v in (("x", x), ("y", y)))
    if f.shape[1] != g.shape[1]:
        raise ValueError(f"x and y must have features of one size, got {f.shape[1]}, {g.shape[1]}")
    repeats, generator = checks.count("repeats", repeats, 2), checks.random(generator)
    rows = [
        [torch.randint(len(s), (len(s),), generator=generator) for s in (f, g)]
        for _ in range(repeats)
    ]
    again = torch.tensor([gaussian_distance(f[i], g[j]) for i, j in rows])
    values, vectors = torch.linalg.eigh(g.T.cov().reshape(g.shape[1], -1))
    root = (vectors * values.clamp(min=0).sqrt()).T
    floor = sum(
        gaussian_distance(noise_like(f, generator) @ root, noise_like(g, generator) @ root)
        for _ in rows
    )
    return Frechet(gaussian_distance(f, g), again.std().item(), floor / repeats)


# ---- precision and recall


@dataclass(frozen=True)
class PrecisionRecall:
    """precision: the share of samples that lie where data do; recall: the share of data that lie where samples do; each
    with the standard error that so many independent ones have."""

    precision: float
    recall: float
    precision_stderr: float
    recall_stderr: float


def _within(f: Float[Tensor, "n d"], g: Float[Tensor, "m d"], k: int) -> float:
    "The share of f that is nearer to some g than that one's k-th neighbour among g."
    radius = torch.cat([torch.cdist(s, g).kthvalue(k + 1).values for s in g.split(1000)])
    inside = [(torch.cdist(s, g) <= radius).any(1) for s in f.split(1000)]
    return torch.cat(inside).double().mean().item()


def precision_recall(
    x: Float[Tensor, "n *event"],
    y: Float[Tensor, "m *event"],
    features: Features | None = None,
    k: int = 3,
) -> PrecisionRecall:
    """Do samples x lie where data y do, and the other way round? [Kynkäänniemi et al. 2019]

        precision_recall(p.sample(2000), unseen, digit_judge().features)

    A set lies in the balls around its points that reach to their k-th neighbours, in features as frechet takes them.
    ValueError: k samples or fewer, features of different sizes or that are not finite.
    """
    k = checks.count("k", k)
    f, g = (_features(name, v, features, k + 1) for name, v in (("x", x), ("y", y)))
    if f.shape[1] != g.shape[1]:
        raise ValueError(f"x and y must have features of one size, got {f.shape[1]}, {g.shape[1]}")
    shares = _within(f, g, k), _within(g, f, k)
    errors = (math.sqrt(s * (1 - s) / len(of)) for s, of in zip(shares, (f, g), strict=True))
    return PrecisionRecall(*shares, *errors)


# ---- digits


class DigitJudge(nn.Module):
    """Says which digit it sees: (n, 1, 28, 28) in [-1, 1] -> ten log-odds each; .features are the 64 numbers before.

    It is a convolutional classifier of its own making, and has seen no drawn digit.
    """

    def __init__(self):
        super().__init__()
        layers, sizes = [], (1, 16, 32, 32)
        for a, b in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(288, 64), nn.BatchNorm1d(64))
        self.head = nn.Linear(64, 10)

    def forward(self, x: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, "n 10"]:
        return self.head(nn.functional.silu(self.body(x)))

    @torch.no_grad()
    def features(self, x: Float[Tensor, "n 1 28 28"]) -> Float[Tensor, "n 64"]:
        "What it sees, for frechet and precision_recall; x is clipped to [-1, 1]."
        w = self.head.weight
        parts = x.clamp(-1, 1).to(w).split(500)
        return torch.cat([nn.functional.silu(self.body(part)) for part in parts])


JUDGE = "digit_judge.safetensors"


def digit_judge() -> DigitJudge:
    "The judge that ships: on the CPU, in eval mode. How it was trained, and how often it is right: assets/README.md."
    tensors, _ = read_sealed(Path(str(ASSETS / JUDGE)))
    judge = DigitJudge()
    judge.load_state_dict(
        {k: w.float() if w.is_floating_point() else w for k, w in tensors.items()}
    )
    return judge.eval()
