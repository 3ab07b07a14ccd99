"Bells over one number: into lists and back, and how far they are from the standard normal."

import math

import pytest
import torch

from diffusion_math.explore.bells import bells_of, kl_from_normal, mixture_of
from diffusion_math.laws.mixture import GaussianMixture
from tests.explore.bells import TWO, point

f64 = torch.float64


def test_without_a_mixture_they_are_the_two_humps_of_the_chapters():
    x = torch.linspace(-3, 3, 101, dtype=f64)[:, None]
    assert torch.equal(mixture_of(*bells_of(None)).log_prob(x), TWO.log_prob(x))


def test_there_and_back():
    x = torch.linspace(-3, 3, 101, dtype=f64)[:, None]
    assert bells_of(TWO) == ([0.3, 0.7], [-2.0, 1.5], [0.02, 0.1])
    assert torch.equal(mixture_of(*bells_of(TWO)).log_prob(x), TWO.log_prob(x))


def test_a_mixture_of_any_shape_over_one_number():
    flat = GaussianMixture([1.0], torch.zeros(1, dtype=torch.float32), torch.full((1,), 0.5))
    full = GaussianMixture([0.5, 0.5], torch.ones(2, 1, 1, 1), torch.full((2, 1, 1), 0.5))
    assert bells_of(flat)[2] == [0.5] and bells_of(full)[2] == [0.5, 0.5]


@pytest.mark.parametrize("mean", [0.505, -3.5, 3.5])
@pytest.mark.parametrize("var", [1e-3, 0.3, 4.0])
def test_one_bell_s_distance_from_the_normal_has_a_formula(mean, var):
    one = GaussianMixture([1.0], torch.tensor([[mean]], dtype=f64), torch.tensor([var], dtype=f64))
    truth = 0.5 * (var - 1 - math.log(var) + mean**2)
    assert kl_from_normal(one) == pytest.approx(truth, rel=1e-10)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "mixture, error, words",
    [
        (3, TypeError, "mixture must be a GaussianMixture, got int"),
        (point(d=2), ValueError, "mixture must be over one number, got event_shape"),
        (point(k=7), ValueError, "at most 6 components, got 7"),
        (point(var=0.0), ValueError, r"variances\[0\] must lie in \[0.001, 4.0\], got 0.0"),
        (point(var=1e-6), ValueError, r"variances\[0\] must lie"),
        (point(var=25.0), ValueError, "got 25.0"),
        (
            GaussianMixture([1.0], torch.full((1, 1), 4.0), torch.ones(1)),
            ValueError,
            r"means\[0\] must lie in \[-3.5, 3.5\], got 4.0",
        ),
    ],
)
def test_bells_that_cannot_be_shown(mixture, error, words):
    with pytest.raises(error, match=words):
        bells_of(mixture)
