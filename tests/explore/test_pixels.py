"Two pixels: its covariances are the package's."

import math

import pytest
import torch

from diffusion_math.data.digits import digits
from diffusion_math.explore.pixels import PixelsExplorer


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
