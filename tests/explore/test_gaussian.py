"The Gaussian in the plane: its numbers are the package's."

import pytest
import torch

from diffusion_math.explore.gaussian import GaussianExplorer
from tests.truth import seed

f64 = torch.float64


@pytest.mark.parametrize(
    "sigma, rho", [((1.0, 1.0), 0.0), ((1.5, 1.0), 0.6), ((0.1, 3.0), -0.99), ((2.0, 0.5), 0.99)]
)
def test_the_law_is_that_of_its_five_numbers(sigma, rho):
    ours = GaussianExplorer((0.5, -1.0), sigma, rho)
    (a, b), c = sigma, rho * sigma[0] * sigma[1]
    cov = torch.tensor([[a * a, c], [c, b * b]], dtype=f64)
    torch.testing.assert_close(ours.cov, cov, rtol=1e-14, atol=0)
    x = torch.randn(50, 2, generator=seed(), dtype=f64)
    theirs = torch.distributions.MultivariateNormal(
        torch.tensor([0.5, -1.0], dtype=f64), cov
    ).log_prob(x)
    torch.testing.assert_close(ours.law.log_prob(x), theirs, rtol=1e-9, atol=1e-9)
    values, axes = ours.eigen
    torch.testing.assert_close(axes @ torch.diag(values) @ axes.T, cov, rtol=1e-12, atol=1e-12)
    assert values[0] >= values[1] > 0


def test_its_samples_are_draws_of_it():
    samples = torch.cat(
        [GaussianExplorer((0.5, -1), (1.5, 1), 0.6, generator=seed(s)).samples for s in range(40)]
    )
    n = len(samples)
    law = GaussianExplorer((0.5, -1), (1.5, 1), 0.6)
    off = samples - law.mean
    assert (off.mean(0).abs() < 5 * law.cov.diagonal().sqrt() / n**0.5).all()
    products = off[:, :, None] * off[:, None, :]
    assert ((products.mean(0) - law.cov).abs() < 5 * products.std(0) / n**0.5).all()
