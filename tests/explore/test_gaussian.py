"The explorables of chapter 2: what they take, what they refuse, and that their numbers are the package's."

import math

import pytest
import torch

from diffusion_math.data.digits import digits
from diffusion_math.explore.gaussian import GaussianExplorer, PixelsExplorer
from tests.truth import refuses, seed

f64 = torch.float64


# ------------------------------------------------------------------------------------------------------- the Gaussian


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


# --------------------------------------------------------------------------------------------------------- two pixels


@pytest.fixture(scope="module")
def images():
    return digits("train")[:120]


@pytest.mark.parametrize(
    "first, second", [((14, 14), (14, 16)), ((5, 20), (5, 20)), ((22, 16), (19, 14))]
)
def test_the_covariance_is_a_dot_product(images, first, second):
    ours = PixelsExplorer(images, first, second)
    a, b = (
        images[:, 0, r, c].double() - images[:, 0, r, c].double().mean() for r, c in (first, second)
    )
    assert ours.covariance == pytest.approx((a @ b).item() / 120, abs=1e-7)
    assert ours.correlation == pytest.approx((a @ b / (a @ a * (b @ b)).sqrt()).item(), abs=1e-6)
    assert ours.table[ours.first, ours.second].item() == pytest.approx(ours.covariance, abs=1e-12)
    assert (divmod(ours.first, 28), divmod(ours.second, 28)) == (first, second)


def test_the_bytes_are_the_digits(images):
    ours = PixelsExplorer(images)
    torch.testing.assert_close(ours.images, images.double(), rtol=0, atol=1e-6)
    assert len(ours._pixels) == 120 * 784 and (ours.first, ours.second) == (
        14 * 28 + 14,
        14 * 28 + 16,
    )


def test_a_pixel_that_never_changes_has_no_correlation(images):
    ours = PixelsExplorer(images, (0, 0), (14, 14))
    assert ours.covariance == pytest.approx(0, abs=1e-15) and math.isnan(ours.correlation)


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("first", 784, r"first must lie in \[0, 783\], got 784"),
        ("second", -1, r"second must lie in \[0, 783\], got -1"),
    ],
)
def test_a_pixel_out_of_the_picture(images, name, value, words):
    ours = PixelsExplorer(images)
    refuses(ours, name, value, words, 0.5)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"images": [[0.0]]}, TypeError, "images must be a floating-point tensor, got list"),
        ({"images": torch.zeros(3, 1, 4, 4, dtype=torch.uint8)}, TypeError, "got torch.uint8"),
        (
            {"images": torch.zeros(3, 3, 4, 4)},
            ValueError,
            r"must have shape \(n, 1, h, w\), got \(3, 3, 4, 4\)",
        ),
        ({"images": torch.zeros(3, 28, 28)}, ValueError, "must have shape"),
        (
            {"images": torch.zeros(1, 1, 4, 4)},
            ValueError,
            "2 to 600 of at most 1024 pixels, got 1 of 16",
        ),
        ({"images": torch.zeros(601, 1, 4, 4)}, ValueError, "got 601"),
        ({"images": torch.zeros(2, 1, 64, 64)}, ValueError, "got 2 of 4096"),
        ({"images": torch.full((2, 1, 4, 4), 2.0)}, ValueError, r"images must lie in \[-1, 1\]"),
        (
            {"images": torch.zeros(2, 1, 4, 4), "first": (4, 0)},
            ValueError,
            r"first's row must lie in \[0, 3\], got 4",
        ),
        (
            {"images": torch.zeros(2, 1, 4, 4), "second": (0, -1)},
            ValueError,
            "second's column must lie in",
        ),
    ],
)
def test_arguments_of_two_pixels_that_do_not_fit(arguments, error, words):
    with pytest.raises(error, match=words):
        PixelsExplorer(**arguments)
