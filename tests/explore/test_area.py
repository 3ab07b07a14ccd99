"The area under the error: its numbers are the package's."

import math

import pytest
import torch

from diffusion_math.explore.area import AreaExplorer
from tests.explore.bells import TWO

f64 = torch.float64


@pytest.mark.parametrize("x", [-2.0, 0.0, 1.5, 4.0])
def test_all_of_the_area_is_the_density(x):
    ours = AreaExplorer(TWO, x=x)
    truth = -TWO.log_prob(torch.tensor([[x]], dtype=f64)).item()
    assert ours.nats == pytest.approx(truth, abs=1e-6)
    ours.log_snr = -12.0
    assert ours.so_far == pytest.approx(0.5 * math.log(2 * math.pi * math.e), abs=1e-3)
