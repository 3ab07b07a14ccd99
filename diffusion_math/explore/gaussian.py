"The explorable of a Gaussian in the plane."

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from .. import checks
from ..laws.mixture import GaussianMixture
from .explorable import Explorable, front_end
from .traits import Number, Packed, pack

__all__ = ["GaussianExplorer"]

_SAMPLES = 500  # points that are drawn


class GaussianExplorer(Explorable):
    """A Gaussian in the plane to drag: its samples, contours, covariance matrix and eigenvectors.

        GaussianExplorer()                                  # N(0, I)
        GaussianExplorer(mu=(1, 0), sigma=(1, 0.5), rho=0.8)

    The traits mu1 and mu2, in [-3, 3], sigma1 and sigma2, in [0.1, 3], and rho, in [-0.99, 0.99], follow the controls
    and the ellipse, and move them when set. generator draws the noise of the samples. Raises ValueError for a value out
    of range, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("gaussian")
    _words = "samples and ellipses of a Gaussian in the plane, and sliders for its mean, its widths and its correlation"

    mu1, mu2 = Number(-3, 3), Number(-3, 3)
    sigma1, sigma2 = Number(0.1, 3), Number(0.1, 3)
    rho = Number(-0.99, 0.99)
    _eps = Packed()

    def __init__(
        self,
        mu: tuple[float, float] = (0.0, 0.0),
        sigma: tuple[float, float] = (1.0, 1.0),
        rho: float = 0.0,
        generator: Generator | None = None,
    ):
        for name, pair in {"mu": mu, "sigma": sigma}.items():
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(f"{name} must be a pair of numbers, got {checks.shown(pair)}")
            for value in pair:
                checks.number(name, value)
        start = {"mu1": mu[0], "mu2": mu[1], "sigma1": sigma[0], "sigma2": sigma[1], "rho": rho}
        super().__init__(
            **start,
            _eps=pack(torch.randn(_SAMPLES, 2, generator=checks.random(generator))),
            _start=start,
        )

    @property
    def mean(self) -> Float[Tensor, "2"]:
        "Where its middle is."
        return torch.tensor([self.mu1, self.mu2], dtype=torch.float64)

    @property
    def cov(self) -> Float[Tensor, "2 2"]:
        "Its covariance matrix: sigma_i sigma_j, times rho off the diagonal."
        sigma = torch.tensor([self.sigma1, self.sigma2], dtype=torch.float64)
        return torch.outer(sigma, sigma) * torch.tensor(
            [[1.0, self.rho], [self.rho, 1.0]], dtype=torch.float64
        )

    @property
    def law(self) -> GaussianMixture:
        "The Gaussian itself: a mixture of one, which has log_prob and score."
        return GaussianMixture([1.0], self.mean[None], self.cov[None])

    @property
    def eigen(self) -> tuple[Float[Tensor, "2"], Float[Tensor, "2 2"]]:
        "The variances along its axes, the larger first, and the axes as columns."
        values, vectors = torch.linalg.eigh(self.cov)
        return values.flip(0), vectors.flip(1)

    @property
    def samples(self) -> Float[Tensor, "n 2"]:
        "The samples that are drawn: mean + L eps, with L L^T = cov."
        eps = self.unpacked("_eps").view(-1, 2).double()
        return self.mean + eps @ torch.linalg.cholesky(self.cov).T
