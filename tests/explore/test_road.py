"The road, walked: its bells are the package's."

import pytest
import torch

from diffusion_math import DDPM, ForwardProcess, linear_schedule
from diffusion_math.explore.road import RoadExplorer
from tests.explore.bells import TWO

f64 = torch.float64
Q = ForwardProcess(linear_schedule(1000))


def made(*walked, t=250):
    return RoadExplorer(walked=walked, t=t, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("t", [2, 250, 1000])
def test_our_step_is_that_of_the_best_network(t):
    ours = made("data", "jump", "guess", "p", t=t)
    x_t = torch.tensor([[ours.places["x_t"]]], dtype=f64)
    theirs = DDPM(TWO, Q).step(x_t, t)
    mean, var = ours.bells["p"]
    assert mean == pytest.approx(theirs.mean.item(), abs=1e-9)
    assert var == pytest.approx(theirs.var.item(), rel=1e-12)
    known = Q.posterior(x_t, torch.tensor([[ours.places["x0"]]], dtype=f64), t)
    assert ours.kl == pytest.approx(known.kl(theirs).item(), rel=1e-9)


@pytest.mark.long
def test_two_steps_lead_where_one_jump_does():
    "x_t by a jump to t - 1 and a step has the jump's law: over many starts of the noise, its two moments."
    g = torch.Generator().manual_seed(1)
    one = made("data", "before", "step", t=600)
    x0 = one.places["x0"]
    both = [RoadExplorer(walked=one.walked, t=600, generator=g) for _ in range(400)]
    off = torch.tensor(
        [each.places["x_t"] - Q.schedule.alpha_bar[600].sqrt() * each.places["x0"] for each in both]
    )
    sd = Q.schedule.noise_var[600].sqrt()
    assert abs(off.mean()) < 5 * sd / 20 and abs(off.var() / sd**2 - 1) < 5 * (2 / 400) ** 0.5
    assert (
        one.places["x0"] == x0 == made("data").places["x0"]
    )  # the same noise, whatever comes later


def test_the_end_forgets_where_it_began():
    mean, var = made("data", "end").bells["end"]
    assert abs(mean) < 0.02 and abs(var - 1) < 1e-4
