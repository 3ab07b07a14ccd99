"Straight and bent: its lines and its way are flow matching's."

import pytest
import torch

from diffusion_math.explore.straight import StraightExplorer
from diffusion_math.matching import line_velocity, line_walk
from tests.explore.bells import TWO
from tests.truth import error

f64 = torch.float64


@pytest.mark.parametrize("start, t", [(-0.5, 0.5), (1.2, 0.1), (-2.0, 0.02), (3.0, 0.9)])
def test_the_average_of_the_lines_is_the_velocity(start, t):
    ours = StraightExplorer(start=start, t=t)
    x = ours.curve(torch.tensor([t], dtype=f64))
    assert (x - ours.guess).item() / t == pytest.approx(
        line_velocity(TWO, x[:, None], t).item(), abs=1e-9
    )


@pytest.mark.parametrize("t", [0.05, 0.5, 1.0])
def test_the_lines_are_equally_likely_given_the_walker(t):
    "By a sum over strips of x_0, the share of the posterior below each is (k + 1/2) / 24."
    ours = StraightExplorer(start=0.3, t=t)
    x = ours.curve(torch.tensor([t], dtype=f64))
    strips = torch.linspace(-5, 5, 200_001, dtype=f64)
    mass = (TWO.log_prob(strips[:, None]) - ((x - (1 - t) * strips) / t) ** 2 / 2).softmax(0)
    below = mass.cumsum(0)[torch.searchsorted(strips, ours.lines)]
    assert error(below, (torch.arange(24) + 0.5) / 24) < 1e-3
    assert (mass * strips).sum().item() == pytest.approx(ours.guess, abs=1e-6)


def test_the_way_is_what_small_steps_walk():
    ours = StraightExplorer(start=-0.4)
    times = torch.linspace(1, 0, 101, dtype=f64)
    x = torch.tensor([[-0.4]], dtype=f64)
    errors = []
    for steps in (1000, 4000):
        walked = line_walk(TWO, x, torch.linspace(1, 0, steps + 1, dtype=f64), True)
        errors.append(error(walked[:: steps // 100].flatten(), ours.curve(times)))
    assert (
        errors[0] < 0.02 and 3.5 < errors[0] / errors[1] < 4.5
    )  # Euler's error falls as 1 / steps


def test_one_step_ends_at_the_mean_and_many_at_the_way():
    ours = StraightExplorer(start=1.7, t=1.0, steps=1)
    mean = (TWO.weights * TWO.means[:, 0]).sum().item()
    assert error(ours.ends, torch.full((24,), mean, dtype=f64)) < 1e-12
    assert ours.guess == pytest.approx(mean, abs=1e-12) == ours.path[-1].item()
    ours.steps = 2
    assert (ours.ends < -1).any() and (ours.ends > 1).any()  # they part, as its answer says
    ours.steps = 20
    assert len(ours.path) == 21
    assert abs(ours.path[-1] - ours.curve(torch.zeros(1, dtype=f64))).item() < 0.1
