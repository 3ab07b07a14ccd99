"The Gaussian in the plane: what it takes, what it refuses, and that its numbers are the package's."

import math

import pytest
import torch

from diffusion_math.explore.gaussian import GaussianExplorer
from tests.truth import refuses, seed

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


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("mu1", 3.5, r"mu1 must lie in \[-3, 3\], got 3.5"),
        ("mu2", -4, "mu2 must lie in"),
        ("sigma1", 0, r"sigma1 must lie in \[0.1, 3\], got 0.0"),
        ("sigma2", math.inf, "sigma2 must lie in"),
        ("rho", 1, r"rho must lie in \[-0.99, 0.99\], got 1.0"),
        ("rho", math.nan, "got nan"),
    ],
)
def test_a_trait_of_the_gaussian_out_of_range(name, value, words):
    ours = GaussianExplorer()
    refuses(ours, name, value, words, "wide")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"mu": 1.0}, TypeError, "mu must be a pair of numbers, got 1.0"),
        ({"sigma": (1, 1, 1)}, TypeError, "sigma must be a pair of numbers"),
        ({"sigma": (1, 0)}, ValueError, "sigma2 must lie in"),
        ({"rho": -1}, ValueError, "rho must lie in"),
    ],
)
def test_arguments_of_the_gaussian_that_do_not_fit(arguments, error, words):
    with pytest.raises(error, match=words):
        GaussianExplorer(**arguments)
