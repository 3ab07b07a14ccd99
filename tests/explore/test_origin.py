"Where did it come from: its numbers are those of Bayes on a grid."

import math

import pytest
import torch
from scipy import stats

from diffusion_math.explore.origin import OriginExplorer
from diffusion_math.forward import Schedule, cosine_schedule, linear_schedule
from diffusion_math.laws.mixture import GaussianMixture
from diffusion_math.reverse import ExactReverse

f64 = torch.float64
TWO = [(0.3, -2.0, 0.02), (0.7, 1.5, 0.1)]


def on_a_grid(s: Schedule, t: int, x: float):
    "q(x_0 | x_t = x) on a grid by Bayes, and q(x_{t-1} | x_t = x) as the average of the posteriors: x_0, weights, bells."
    x0 = torch.linspace(-7, 7, 28_001, dtype=f64)
    prior = sum(w * stats.norm(m, v**0.5).pdf(x0.numpy()) for w, m, v in TWO)
    left = s.alpha_bar[t].item()
    weights = torch.as_tensor(prior * stats.norm(left**0.5 * x0, (1 - left) ** 0.5).pdf(x))
    return x0, weights / weights.sum()


@pytest.mark.parametrize("schedule", [linear_schedule(20), cosine_schedule(7)])
@pytest.mark.parametrize("t, x", [(1, 0.3), (2, -1.0), (5, 0.0), (7, 3.5)])
def test_the_weights_are_bayes_on_a_grid_and_the_boxes_follow_from_them(schedule, t, x):
    ours = OriginExplorer(schedule=schedule, t=t, x=x)
    x0, weights = on_a_grid(schedule, t, x)
    density = weights / (x0[1] - x0[0])
    torch.testing.assert_close(
        ours.origins.log_prob(x0[:, None]).exp(), density, rtol=1e-7, atol=1e-9
    )
    guess = (weights * x0).sum()
    spread = (weights * (x0 - guess).square()).sum()
    one = torch.ones(1, 1, dtype=f64)
    # of (3.16), by asking it at places where only one of its parts is left
    a, b = (ours.q.posterior(*pair, t).mean for pair in ((0 * one, one), (one, 0 * one)))
    v = ours.q.posterior(one, one, t).var
    assert ours.box.mean.item() == pytest.approx((a * guess + b * x).item(), abs=1e-9)
    assert ours.box.var.item() == pytest.approx((v + a**2 * spread).item(), rel=1e-8)
    assert ours.data.denoise(ours.x_t, schedule.log_snr[t]).item() == pytest.approx(guess.item())


@pytest.mark.parametrize("t, x", [(2, 0.0), (8, -0.5), (20, 1.0)])
def test_the_law_is_the_average_of_the_posteriors(t, x):
    ours = OriginExplorer(t=t, x=x)
    x0, weights = on_a_grid(linear_schedule(20), t, x)
    x_t = ours.x_t.expand(len(x0), 1)
    known = ours.q.posterior(x_t, x0[:, None], t)
    y = torch.linspace(-4, 4, 41, dtype=f64)
    bells = (
        torch.exp(-0.5 * (y - known.mean).square() / known.var) / (2 * math.pi * known.var) ** 0.5
    )
    law = ours.law.log_prob(y[:, None]).exp()
    torch.testing.assert_close(law, (weights[:, None] * bells).sum(0), rtol=1e-7, atol=1e-9)


def test_the_boxes_are_those_of_exact_reverse():
    "And the law's own mean and variance are in them."
    ours = OriginExplorer(t=6, x=-0.4)
    p = ExactReverse(ours.q, ours.data)
    step = p.step(torch.tensor([[-0.4]], dtype=f64), 6)
    assert torch.equal(ours.box.mean, step.mean) and torch.equal(ours.box.var, step.var)
    law = ours.law
    mean = law.weights @ law.means[:, 0]
    var = law.weights @ (law.components.var[:, 0] + (law.means[:, 0] - mean).square())
    assert ours.box.mean.item() == pytest.approx(mean.item(), abs=1e-12)
    assert ours.box.var.item() == pytest.approx(var.item(), rel=1e-12)


@pytest.mark.parametrize("t, x", [(1, 0.0), (4, -0.6), (12, 2.0)])
def test_the_distance_is_a_sum_over_strips(t, x):
    ours = OriginExplorer(t=t, x=x)
    y = torch.linspace(-6, 6, 240_001, dtype=f64)[:, None]
    log_q = ours.law.log_prob(y)
    kl = ((log_q.exp() * (log_q - ours.box.log_prob(y))).sum() * 5e-5).item()
    assert ours.kl == pytest.approx(kl, rel=1e-7, abs=1e-10)


def test_one_bell_is_never_off():
    one = GaussianMixture([1.0], torch.tensor([[0.7]], dtype=f64), torch.tensor([0.3], dtype=f64))
    for t in (1, 5, 20):
        assert OriginExplorer(one, t=t, x=-1.0).kl < 1e-20


def test_where_nothing_is_left_the_weights_are_the_data():
    schedule = Schedule.from_beta([0.5, 1.0, 0.3])
    for t in (2, 3):
        ours = OriginExplorer(schedule=schedule, t=t, x=1.3)
        torch.testing.assert_close(ours.origins.weights, ours.data.weights)
        torch.testing.assert_close(ours.origins.means, ours.data.means)
    assert ours.box.mean.item() == pytest.approx(0.7**0.5 * 1.3)
