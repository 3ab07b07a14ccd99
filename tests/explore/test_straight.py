"Straight and bent: what it takes, what it refuses, and that its lines and its way are flow matching's."

import math

import pytest
import torch
import traitlets

from diffusion_math.explore.straight import StraightExplorer
from diffusion_math.matching import line_velocity, line_walk
from tests.explore.bells import TWO, point
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


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("start", 3.5, r"start must lie in \[-3, 3\], got 3.5"),
        ("t", 0.0, r"t must lie in \[0.02, 1\], got 0.0"),
        ("t", math.nan, "t must lie in"),
        ("steps", 0, r"steps must lie in \[1, 20\], got 0"),
        ("steps", 21, r"steps must lie in \[1, 20\], got 21"),
    ],
)
def test_a_trait_out_of_range(name, value, words):
    ours = StraightExplorer()
    before = getattr(ours, name)
    with pytest.raises(ValueError, match=words):
        setattr(ours, name, value)
    assert getattr(ours, name) == before


@pytest.mark.parametrize("name, value", [("start", "left"), ("t", None), ("steps", 0.5)])
def test_a_trait_of_the_wrong_kind(name, value):
    with pytest.raises(traitlets.TraitError, match=f"'{name}' trait|{name}"):
        setattr(StraightExplorer(), name, value)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, kind, words",
    [
        ({"mixture": 3}, TypeError, "mixture must be a GaussianMixture, got int"),
        ({"mixture": point(k=7)}, ValueError, "at most 6 components, got 7"),
        ({"mixture": point(d=2)}, ValueError, r"over one number, got event_shape \(2,\)"),
        ({"mixture": point(var=1e-4)}, ValueError, r"variances\[0\] must lie in \[0.001, 4.0\]"),
        ({"start": 4}, ValueError, "start must lie in"),
        ({"steps": 2.5}, TypeError, "steps"),
    ],
)
def test_arguments_that_do_not_fit(arguments, kind, words):
    with pytest.raises(kind, match=words):
        StraightExplorer(**arguments)
