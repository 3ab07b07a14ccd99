"Two pixels: what the explorable takes, what it refuses, and that its covariances are the package's."

import math

import pytest
import torch

from diffusion_math.data.digits import digits
from diffusion_math.explore.pixels import PixelsExplorer
from tests.truth import refuses


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
