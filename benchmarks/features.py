"""A small classifier of MNIST, its features, and the Fréchet distance of two sets of pictures in them.

    python benchmarks/features.py --data DIR     # trains it, two minutes; says how many test digits it gets right

The Fréchet distance of two sets is that of two Gaussians with the means and covariances of their features
[Heusel et al. 2017, with Inception's features]. Numbers of one feature network compare only with each other.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from common import CACHE, arguments, need_mnist, say
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from diffusion_math import mnist

WIDTH, EPOCHS, BATCH, LR = 64, 5, 200, 4e-3


class Classifier(nn.Module):
    "Ten log-odds for pictures (b, 1, 28, 28) in [-1, 1]; features are the WIDTH numbers before the last layer."

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(24, 48, 3, padding=1),
            nn.BatchNorm2d(48),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(48 * 49, WIDTH),
            nn.BatchNorm1d(WIDTH),
            nn.SiLU(),
        )
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.dropout(self.body(x), 0.3, self.training))

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        "(n, WIDTH) in float64."
        return torch.cat([self.body(part) for part in x.float().split(500)]).double()


def _shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    "The batch, moved by up to two pixels in each direction."
    down, right = (int(v) for v in torch.randint(-2, 3, (2,), generator=generator))
    padded = F.pad(x, (2, 2, 2, 2), value=-1.0)
    return padded[..., 2 + down : 30 + down, 2 + right : 30 + right]


def train(
    x: Tensor, y: Tensor, epochs: int = EPOCHS, seed: int = 0, make: Callable = Classifier
) -> nn.Module:
    "A few epochs of Adam; the learning rate goes up and down once."
    torch.manual_seed(seed)
    generator, model = torch.Generator().manual_seed(seed), make()
    optimizer = torch.optim.Adam(model.parameters(), LR)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LR, total_steps=epochs * (len(x) // BATCH)
    )
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(BATCH)[: len(x) // BATCH]:
            F.cross_entropy(model(_shifted(x[rows], generator)), y[rows]).backward()
            optimizer.step()
            optimizer.zero_grad()
            rate.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    right = sum(
        (model(a).argmax(1) == b).sum().item()
        for a, b in zip(x.split(500), y.split(500), strict=True)
    )
    return right / len(x)


@torch.no_grad()
def sure(model: Classifier, x: Tensor, least: float = 0.95) -> float:
    "The share of pictures to which it gives one digit with more than this probability."
    best = torch.cat([model(part.clamp(-1, 1)).softmax(1).amax(1) for part in x.split(500)])
    return (best > least).double().mean().item()


def feature_network(root: Path, seed: int = 0) -> tuple[Classifier, dict]:
    "The classifier of a seed from the cache, or trained now; and what to say of it."
    model, weights = Classifier().eval(), CACHE / f"features{f'-{seed}' * (seed > 0)}.safetensors"
    if weights.is_file():
        model.load_state_dict(load_file(weights))
    else:
        model = train(*mnist("train", root, labels=True), seed=seed)
        weights.parent.mkdir(exist_ok=True)
        save_file(model.state_dict(), weights)
    right = accuracy(model, *mnist("test", root, labels=True))
    if right < 0.99:
        raise SystemExit(
            f"the feature network gets {right:.2%} of the test digits right, and should get 99 %"
        )
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    return model, {"features": WIDTH, "accuracy": right, "sha256": sha256[:16]}


def frechet_gaussians(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    "|a - b|^2 + trace(A + B - 2 (A B)^(1/2)): the squared Wasserstein-2 distance of two Gaussians; a graph to b alone."
    values, vectors = torch.linalg.eigh(cov_a.detach())
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = (
        torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    )  # of (A B)^(1/2), the same trace
    return (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross


def frechet(a: Tensor, b: Tensor) -> float:
    "The Fréchet distance of two sets of features, (n, d) and (m, d)."
    a, b = a.double(), b.double()
    return frechet_gaussians(a.mean(0), a.T.cov(), b.mean(0), b.T.cov()).item()


class Score:
    "The Fréchet distance of pictures to the training digits, and of as many held-out test digits as the floor."

    def __init__(self, root: Path, n: int = 2048):
        self.model, self.about = feature_network(root)
        self.n, self.train = n, self.model.features(mnist("train", root))
        chosen = torch.randperm(10_000, generator=torch.Generator().manual_seed(0))[:n]
        held_out = mnist("test", root)[chosen]
        self.floor = frechet(self.model.features(held_out), self.train)
        self.floor_sure = sure(self.model, held_out)

    def __call__(self, x: Tensor) -> float:
        if len(x) != self.n:
            raise ValueError(f"x must hold {self.n} pictures, as the floor does, got {len(x)}")
        return frechet(self.model.features(x.clamp(-1, 1)), self.train)


def main() -> None:
    score = Score(need_mnist(arguments(__doc__).data))
    say(**score.about, floor=score.floor, n=score.n)


if __name__ == "__main__":
    main()
