"""Single terms of the bound, from a network's x_0: against the laws of the step forwards and the step back.

Truths: torch.distributions in float64, on the numbers of the forward process; limits where a variance is 0.
"""

import math

import pytest
import torch

from diffusion_math import (
    DDPM,
    DiscretizedGaussian,
    ForwardProcess,
    Gaussian,
    Schedule,
    cosine_schedule,
    linear_schedule,
)  # fmt: skip
from diffusion_math.laws.chain import kl_by_guess
from diffusion_math.laws.terms import first_cost, one_term
from tests.truth import error, seed

F16, F32, F64 = torch.float16, torch.float32, torch.float64
INF = math.inf
EVENTS = [(), (2,), (1, 4, 3)]
LEARNED = torch.tensor([0.3, 0.05, 0.4, 0.1, 0.7, 0.2, 0.01, 0.3], dtype=F64)
VARIANCES = {"posterior": "posterior", "beta": "beta", "function": lambda t: LEARNED[t]}


def wave(x_t, log_snr):
    "A network that is not asked here: its x_0 is given."
    return torch.sin(3 * x_t)


def model(schedule, variance="beta", **kind):
    return DDPM(wave, ForwardProcess(schedule), variance=variance, **kind)


def numbers(event, b=6, dtype=F64):
    "x_0, x_t and the network's x_0."
    return torch.randn(3, b, *event, generator=seed(), dtype=F64).to(dtype).unbind()


def normal(law):
    std = law.var.double().expand(law.mean.shape).sqrt()
    each = torch.distributions.Normal(law.mean.double(), std)
    return torch.distributions.Independent(each, law.mean.ndim - 1)


def truth(p, x0, x_t, mean, t):
    "KL of the two steps back, one datum at a time, from the laws themselves; t = 2..T."
    q, out = p.q, []
    for i, at in enumerate(t.tolist()):
        x, back, guess = x_t[i : i + 1], x0[i : i + 1], mean[i : i + 1]
        var = {"posterior": q.posterior(x, x, at).var, "beta": q.schedule.beta[at]}
        spread = p.variance(at) if callable(p.variance) else var[p.variance]
        law = Gaussian(q.posterior(x, guess, at).mean, spread)
        out.append(torch.distributions.kl_divergence(normal(q.posterior(x, back, at)), normal(law)))
    return torch.cat(out)


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize(
    "schedule", [linear_schedule(7), cosine_schedule(7)], ids=["linear", "cosine"]
)
def test_a_term_is_the_kl_of_the_two_steps_back(schedule, variance, event):
    p, t = model(schedule, VARIANCES[variance]), torch.tensor([2, 3, 4, 5, 6, 7])
    x0, x_t, mean = numbers(event)
    got = kl_by_guess(p, x0, x_t, mean, t)
    assert got.shape == (6,) and got.dtype == F64
    assert error(got, truth(p, x0, x_t, mean, t)) < 1e-10
    exact = p.q.posterior(x_t, x0, t).kl(
        Gaussian(p.q.posterior(x_t, mean, t).mean, p.spread(x_t, t)[0])
    )
    assert error(got, exact) < 1e-10


@pytest.mark.parametrize("dtype, tolerance", [(F32, 1e-5), (F16, 2e-2)], ids=str)
def test_terms_in_lower_precision_are_added_up_in_float32(dtype, tolerance):
    p, t = model(linear_schedule(1000)), torch.tensor([2, 3, 30, 300, 700, 1000])
    x0, x_t, mean = numbers((1, 28, 28), dtype=dtype)
    got = kl_by_guess(p, x0, x_t, mean, t)
    want = kl_by_guess(p, x0.double(), x_t.double(), mean.double(), t)
    assert got.dtype == F32 and ((got - want).abs() / want).max() < tolerance


@pytest.mark.parametrize("variance", VARIANCES)
def test_the_term_of_t_1_is_left_to_the_density(variance):
    p = model(linear_schedule(4), VARIANCES[variance])
    x0, x_t, mean = numbers((2,), 2)
    got = kl_by_guess(p, x0, x_t, mean, torch.tensor([1, 3]))
    assert got[0] == 0 and got[1] > 0


# ---- variances of 0


def test_a_bell_is_infinitely_far_from_a_point():
    p = model(linear_schedule(4), lambda t: torch.where(torch.as_tensor(t) == 3, 0.0, 0.5))
    x0, x_t, _ = numbers((2,), 3)
    got = kl_by_guess(p, x0, x_t, x0, torch.tensor([2, 3, 4]))
    assert got[1] == INF and got[[0, 2]].isfinite().all()


def test_two_points_are_no_distance_apart_or_infinitely_far():
    "Where the first step with noise is t = 2 the way back is a point, x_0 itself; where beta = 0, it is x_t."
    x0, x_t, mean = numbers((2,), 2)
    later = model(Schedule.from_beta([0.0, 0.3, 0.2]), "posterior")
    t = torch.tensor([2, 2])
    assert kl_by_guess(later, x0, x_t, x0, t).tolist() == [0.0, 0.0]
    assert kl_by_guess(later, x0, x_t, mean, t).tolist() == [INF, INF]
    still = model(Schedule.from_beta([0.3, 0.0, 0.2]), "beta")
    assert kl_by_guess(still, x0, x_t, mean, t).tolist() == [0.0, 0.0]


def test_gradients_are_right_and_finite_beside_a_point():
    p, t = model(linear_schedule(5)), torch.tensor([2, 4])
    x0, x_t, mean = (v.requires_grad_() for v in numbers((2,), 2))
    cost = lambda x0, x_t, mean: kl_by_guess(p, x0, x_t, mean, t)
    assert torch.autograd.gradcheck(cost, (x0, x_t, mean))
    later = model(Schedule.from_beta([0.0, 0.3, 0.2]), "posterior")
    out = kl_by_guess(later, x0, x_t, mean, torch.tensor([2, 3]))[1]
    (slope,) = torch.autograd.grad(out, mean)
    assert slope.isfinite().all() and slope[1].abs().sum() > 0


# ---- the first term


@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_the_first_cost_of_a_density(event):
    p = model(linear_schedule(4), "beta")
    x0, x_1, mean = numbers(event)
    law = torch.distributions.Normal(mean, p.q.schedule.beta[1].sqrt())
    want = -torch.distributions.Independent(law, len(event)).log_prob(x0)
    assert error(first_cost(p, x0, x_1, mean), want) < 1e-10


def test_the_first_cost_of_a_picture_is_that_of_its_grey_levels():
    p = model(linear_schedule(4), "posterior", images=True, event_shape=(1, 2, 2))
    _, x_1, mean = numbers((1, 2, 2))
    x0 = 2 * torch.randint(256, x_1.shape, generator=seed()).double() / 255 - 1
    a = p.q.schedule.alpha_bar[1]
    want = -DiscretizedGaussian(mean, (1 - a) / a).log_prob(x0)
    assert error(first_cost(p, x0, x_1, mean), want) < 1e-10


def test_no_density_without_a_variance():
    x0, x_1, mean = numbers((2,))
    words = r"p.step\(x_1, 1\) must have a variance above 0 to be a density of x0, got 0; or give a decoder"
    with pytest.raises(ValueError, match=words):
        first_cost(model(linear_schedule(4), "posterior"), x0, x_1, mean)
    with pytest.raises(ValueError, match="decode needs 0 < alpha_bar_1 < 1, got 1"):
        still = Schedule.from_beta([0.0, 0.3])
        first_cost(model(still, "beta", images=True, event_shape=(2,)), x0, x_1, mean)


# ---- a term for each t


@pytest.mark.parametrize("variance", ["beta", "function"])
def test_one_term_is_the_first_cost_where_t_is_1_and_the_kl_elsewhere(variance):
    p, t = model(linear_schedule(5), VARIANCES[variance]), torch.tensor([3, 1, 5, 1, 2, 1])
    x0, x_t, mean = numbers((2,))
    got, first = one_term(p, x0, x_t, mean, t), t == 1
    assert torch.equal(got[~first], kl_by_guess(p, x0, x_t, mean, t)[~first])
    one = [first_cost(p, x0[i : i + 1], x_t[i : i + 1], mean[i : i + 1]) for i in (1, 3, 5)]
    assert error(got[first], torch.cat(one)) < 1e-14


def test_where_no_t_is_1_no_density_is_asked_for():
    "So a variance of 0 there is nobody's business."
    p, t = model(linear_schedule(5), "posterior"), torch.tensor([3, 5, 2])
    x0, x_t, mean = numbers((2,), 3)
    assert torch.equal(one_term(p, x0, x_t, mean, t), kl_by_guess(p, x0, x_t, mean, t))
    with pytest.raises(ValueError, match="must have a variance above 0"):
        one_term(p, x0, x_t, mean, t - 1)


@pytest.mark.parametrize("images", [False, True])
def test_on_another_device_every_row_is_worked_out_both_ways(images):
    p = model(linear_schedule(5), "beta", images=images, event_shape=(2,))
    x = torch.empty(3, 2, device="meta")
    got = one_term(p, x, x, x, torch.empty(3, dtype=torch.long, device="meta"))
    assert got.is_meta and got.shape == (3,) and got.dtype == F32


def test_terms_of_nothing():
    x, t = torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)
    assert one_term(model(linear_schedule(5)), x, x, x, t).shape == (0,)


def test_each_term_is_what_the_laws_of_the_model_say():
    "By p.step itself, at every t, for x_t from the forward process and the x_0 that the network makes of it."
    p, b = model(linear_schedule(5), "beta"), 4
    x0, _, _ = numbers((2,), b)
    eps = torch.randn(5, b, 2, generator=seed(1), dtype=F64)
    for t in range(1, 6):
        law = p.q.marginal(x0, t)
        x_t, at = law.mean + law.std * eps[t - 1], torch.full((b,), t)
        step = p.step(x_t, t)
        want = -step.log_prob(x0) if t == 1 else p.q.posterior(x_t, x0, t).kl(step)
        got = one_term(p, x0, x_t, p.clean(x_t, t), at)
        assert error(got, want) < 1e-10
