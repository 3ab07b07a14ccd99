"Squeeze and density: what it takes, and that the summed divergence is the log-density's change."

import math

import pytest
import torch

from diffusion_math.explore.squeeze import SqueezeExplorer
from diffusion_math.flow_likelihood import log_prob_by_flow
from tests.explore.bells import TWO
from tests.truth import error

f64 = torch.float64


@pytest.mark.parametrize("start", [-3.0, -0.53, 0.4, 2.0])
@pytest.mark.long
def test_the_log_density_changes_by_minus_the_summed_divergence(start):
    "(11.0) between any two levels; the most that Simpson's rule is off is where the two humps part."
    ours = SqueezeExplorer(start=start)
    logs = ours.logs
    assert error(logs[0] - ours.summed, logs) < 5e-5
    assert logs[-1].item() == pytest.approx(
        TWO.noised(8.0).log_prob(ours.path[-1:, None]).item(), abs=1e-12
    )


@pytest.mark.long
def test_a_short_piece_grows_by_its_summed_divergence():
    ours = SqueezeExplorer(start=0.4, width=0.02)
    wide = SqueezeExplorer(start=0.4, width=0.04)
    off = [error((e.lengths / e.lengths[0]).log(), e.summed) for e in (ours, wide)]
    assert off[0] < 3e-5 and 3.5 < off[1] / off[0] < 4.5  # the rest falls as the length squared


def test_the_log_density_is_what_an_integrator_walks_to():
    ours = SqueezeExplorer(start=-0.4)
    a = math.sqrt(1 / (1 + math.exp(-8)))
    walked = log_prob_by_flow(TWO, ours.path[-1:, None] / a, start=8.0)
    assert walked.log_prob.item() - math.log(a) == pytest.approx(ours.logs[-1].item(), abs=1e-6)
    assert walked.end.item() == pytest.approx(-0.4, abs=0.01)  # of an end farther out


@pytest.mark.long
def test_what_its_answer_says_of_the_humps():
    parted, squeezed = (SqueezeExplorer(start=start) for start in (-0.5, 0.4))
    assert parted.summed.max() > 1 and parted.logs[-1] < parted.logs[0] - 1
    assert squeezed.summed[-1] < -0.5 and squeezed.logs[-1] > squeezed.logs[0] + 0.5
    assert -1.8 < parted.path[-1] < 1.2
