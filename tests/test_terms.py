"""What the bound, its estimates and the losses share: data that fits, rows of x_t, t drawn evenly, single terms.

Truths: the forward process itself, one datum at a time; counting; torch.distributions in float64.
"""

import math
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math import (
    DDPM,
    ForwardProcess,
    Gaussian,
    Schedule,
    cosine_schedule,
    elbo,
    linear_schedule,
)
from diffusion_math.ddpm import draw_terms, noised
from diffusion_math.elbo import draws, step_cost, with_density
from tests.test_elbo import Fixed
from tests.truth import error, seed

F16, F32, F64 = torch.float16, torch.float32, torch.float64
INF, NAN = math.inf, math.nan
EVENTS = [(), (2,), (1, 4, 3)]
Q = ForwardProcess(linear_schedule(5))
P = Fixed(Q, event_shape=(1,))
X0 = torch.zeros(3, 1)
LEARNED = torch.tensor([0.3, 0.05, 0.4, 0.1, 0.7, 0.2, 0.01, 0.3], dtype=F64)
VARIANCES = {"posterior": "posterior", "beta": "beta", "function": lambda t: LEARNED[t]}


# ---- what must fit


@pytest.mark.bad_input
@pytest.mark.parametrize("change, kind, words", [
    ({"q": Q.schedule}, TypeError, "q must be a ForwardProcess, got Schedule"),
    ({"p": Q}, TypeError, "p must be a ReverseProcess, got ForwardProcess"),
    ({"p": Fixed(ForwardProcess(linear_schedule(6)))}, ValueError, "the same number of steps, got 5 and 6"),
    ({"x0": X0.long()}, TypeError, "x0 must be a floating-point tensor, got torch.int64"),
    ({"x0": torch.zeros(3, 2)}, ValueError, r"x0 must have shape .n, 1., got .3, 2."),
    ({"x0": X0 * NAN}, ValueError, "x0 must be finite, got nan"),
    ({"decoder": 3}, TypeError, "decoder must be a function of x_1, got int"),
    ({"decoder": lambda x_1: 3}, TypeError, "decoder must return an object with log_prob, got int"),
    ({"decoder": lambda x_1: Says(X0)}, ValueError, r"must have shape .3,., got .3, 1."),
    ({"decoder": lambda x_1: Says(0.0)}, ValueError, r"must have shape .3,., got float"),
])  # fmt: skip
def test_what_does_not_fit_is_named(change, kind, words):
    with pytest.raises(kind, match=words):
        elbo(**{"q": Q, "p": P, "x0": X0} | change)


class Says:
    "What a decoder returns: something with a log_prob."

    def __init__(self, log_prob):
        self.log_prob = lambda x0: log_prob


def test_a_density_of_x0_needs_a_variance_where_it_is_asked_for():
    "And the error says the two ways out."
    law = Gaussian(torch.zeros(2, 1), torch.tensor([[0.0], [1.0]]))
    for where in (True, torch.tensor([[True], [False]])):
        with pytest.raises(ValueError, match="variance above 0.*variance='beta'.*decoder"):
            with_density(law, where)
    assert with_density(law, torch.tensor([[False], [True]])) is law
    p = DDPM(lambda x, level: x, Q, (2,))
    with pytest.raises(ValueError, match="variance above 0.*variance='beta'.*decoder"):
        elbo(Q, p, torch.zeros(3, 2))


# ---- x_t, row by row


@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_noised_is_the_marginals_own_draw(event):
    x0, eps = torch.randn(2, 4, *event, generator=seed(), dtype=F64).unbind()
    t, s = torch.tensor([0, 1, 3, 5]), Q.schedule
    a, noise = (v[t].sqrt().view(4, *[1] * len(event)) for v in (s.alpha_bar, s.noise_var))
    assert error(noised(Q, x0, t, eps), a * x0 + noise * eps) < 1e-15


@pytest.mark.parametrize("budget", [1, 7, 60, 10**6])
@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("n, b", [(1, 1), (3, 4), (2, 0)])
def test_rows_are_every_draw_of_every_t_of_every_datum(event, n, b, budget, monkeypatch):
    "In order, and in batches that fit the budget, or hold one."
    monkeypatch.setattr(sys.modules["diffusion_math.elbo"], "BUDGET", budget)
    x0 = torch.randn(b, *event, generator=seed(1), dtype=F64)
    batches, d = list(draws(Q, x0, n, seed(3), 2, 4)), math.prod(event)
    assert all(len(t) == 1 or len(t) * d <= budget for _, _, t in batches)
    got = [(x, int(t)) for i, _, times in batches for x, t in zip(x0[i], times, strict=True)]
    want = [(x, t) for t in (2, 3, 4) for _ in range(n) for x in x0]
    assert len(got) == len(want)
    assert all(torch.equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(got, want, strict=True))


def test_draws_are_the_forward_processs():
    "Mean and variance of x_t at each t, at five sigma."
    x0 = torch.tensor([[2.0], [-1.0]], dtype=F64)
    parts = [torch.cat(v) for v in zip(*draws(Q, x0, 20_000, seed(2), 1, 5), strict=True)]
    x_t, s = parts[1].view(5, 20_000, 2), Q.schedule
    want = s.alpha_bar[1:, None].sqrt() * x0[:, 0]
    var = s.noise_var[1:, None].expand(5, 2)
    assert ((x_t.mean(1) - want).abs() < 5 * (var / 20_000).sqrt()).all()
    assert ((x_t.var(1) / var - 1).abs() < 5 * (2 / 20_000) ** 0.5).all()


# ---- one term


def model(schedule, variance, x0, dtype=F64, **kind):
    "A DDPM whose network says this x_0, whatever it is asked."
    says = lambda x_t, log_snr: x0.to(x_t)
    return DDPM(says, ForwardProcess(schedule), predicts="x0", variance=variance, **kind)


def numbers(event, b=6, dtype=F64):
    "x_0, x_t and the network's x_0."
    return torch.randn(3, b, *event, generator=seed(), dtype=F64).to(dtype).unbind()


def normal(law):
    std = law.var.double().expand(law.mean.shape).sqrt()
    each = torch.distributions.Normal(law.mean.double(), std)
    return torch.distributions.Independent(each, law.mean.ndim - 1)


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("make", [linear_schedule, cosine_schedule])
def test_a_term_is_the_kl_of_the_two_steps_back(make, variance, event):
    "One datum at a time, by torch.distributions, on the numbers of the schedule."
    x0, x_t, guess = numbers(event)
    p, t = model(make(7), VARIANCES[variance], guess), torch.tensor([2, 3, 4, 5, 6, 7])
    got, want, q = step_cost(p.q, p, x0, x_t, t), [], p.q
    for i, at in enumerate(t.tolist()):
        x, back, mean = x_t[i : i + 1], x0[i : i + 1], guess[i : i + 1]
        var = {"posterior": q.posterior(x, x, at).var, "beta": q.schedule.beta[at]}
        var = p.variance(at) if callable(p.variance) else var[p.variance]
        law = Gaussian(q.posterior(x, mean, at).mean, var)
        want.append(
            torch.distributions.kl_divergence(normal(q.posterior(x, back, at)), normal(law))
        )
    assert got.shape == (6,) and error(got, torch.cat(want)) < 1e-10


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("T", [7, 1000])
def test_a_term_in_float32_is_a_few_of_its_roundings_off(T, variance):
    """At every noise level, for pictures: two means are subtracted, each with a rounding of 6e-8 of itself, and their
    difference is larger than 1e-3 of them; the errors of 784 pixels average out."""
    x0, x_t, guess = numbers((1, 28, 28))
    t = torch.linspace(2, T, 6).long()
    var = {"function": lambda t: 0.3}.get(variance, variance)
    want = step_cost(*(lambda p: (p.q, p))(model(linear_schedule(T), var, guess)), x0, x_t, t)
    p = model(linear_schedule(T), var, guess.float())
    got = step_cost(p.q, p, x0.float(), x_t.float(), t)
    assert got.dtype == F32 and ((got - want) / want).abs().max() < 2e-5


def test_a_bell_is_infinitely_far_from_a_point_and_two_points_are_0_or_infinitely_far_apart():
    "Where the first step with noise is t = 2 the way back is a point, x_0 itself; where beta = 0, it is x_t."
    x0, x_t, guess = numbers((2,), 3)
    p = model(linear_schedule(4), lambda t: torch.where(torch.as_tensor(t) == 3, 0.0, 0.5), x0)
    got = step_cost(p.q, p, x0, x_t, torch.tensor([2, 3, 4]))
    assert got[1] == INF and got[[0, 2]].isfinite().all()
    later, still, t = (
        Schedule.from_beta([0.0, 0.3, 0.2]),
        Schedule.from_beta([0.3, 0.0, 0.2]),
        torch.tensor([2] * 3),
    )
    for schedule, variance, says, want in (
        (later, "posterior", x0, 0.0), (later, "posterior", guess, INF), (still, "beta", guess, 0.0),
    ):  # fmt: skip
        p = model(schedule, variance, says)
        assert step_cost(p.q, p, x0, x_t, t).tolist() == [want] * 3


def test_gradients_are_right_and_finite_beside_a_point():
    t = torch.tensor([2, 4])
    x0, x_t, guess = (v.requires_grad_() for v in numbers((2,), 2))

    def cost(x0, x_t, guess):
        p = model(linear_schedule(5), "beta", guess)
        return step_cost(p.q, p, x0, x_t, t)

    assert torch.autograd.gradcheck(cost, (x0, x_t, guess))
    p = model(Schedule.from_beta([0.0, 0.3, 0.2]), "posterior", guess)
    (slope,) = torch.autograd.grad(step_cost(p.q, p, x0, x_t, torch.tensor([2, 3]))[1], guess)
    assert slope.isfinite().all() and slope[1].abs().sum() > 0


# ---- t and noise


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 10**6))
def test_one_t_from_each_stratum(T, b, draw):
    "Sorted, the i-th lies in the i-th of b equal parts of 1..T, or at its edge."
    t, _ = draw_terms(T, torch.zeros(b, 2), seed(draw), None, None)
    assert t.shape == (b,) and t.dtype == torch.long and t.min() >= 1 and t.max() <= T
    for i, at in enumerate(t.sort().values.tolist()):
        assert 1 + math.floor(i * T / b) <= at <= min(T, 1 + math.floor((i + 1) * T / b))


def test_the_strata_come_in_a_random_order():
    t, _ = draw_terms(10, torch.zeros(20, 2), seed(3), None, None)
    assert torch.equal(t.sort().values, torch.arange(1, 11).repeat_interleave(2))
    assert not torch.equal(t, t.sort().values)


@pytest.mark.parametrize("T, b", [(10, 3), (3, 10), (1, 4)])
def test_every_t_is_as_likely_as_the_next(T, b):
    "For the batch, and for a datum at its place in it."
    t = torch.stack([draw_terms(T, torch.zeros(b), seed(n), None, None)[0] for n in range(3000)])
    error_bar = (1 / T * (1 - 1 / T) / 3000) ** 0.5
    for drawn in (t, t[:, :1]):
        share = torch.stack([(drawn == k).double().mean() for k in range(1, T + 1)])
        assert ((share - 1 / T).abs() <= 5 * error_bar).all()


@pytest.mark.parametrize("t", [3, torch.tensor([3, 3, 3])], ids=str)
def test_what_is_given_stays(t):
    eps = torch.randn(3, 1, dtype=F64)
    times, noise = draw_terms(5, X0, None, t, eps)
    assert times.tolist() == [3, 3, 3] and times.dtype == torch.long and noise is eps


def test_noise_is_in_the_dtype_of_x0_and_a_seed_decides():
    for dtype in (F16, F32, F64):
        one, again, other = (draw_terms(9, X0.to(dtype), seed(n), None, None) for n in (1, 1, 2))
        assert one[1].dtype == dtype and one[1].shape == X0.shape
        assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
        assert not torch.equal(one[1], other[1])
    before = torch.get_rng_state()
    draw_terms(9, X0, seed(1), None, None)
    assert torch.equal(torch.get_rng_state(), before)


def test_terms_of_nothing_and_on_another_device():
    t, eps = draw_terms(5, X0[:0], seed(), None, None)
    assert t.shape == (0,) and eps.shape == (0, 1)
    for t in (None, 3):
        times, eps = draw_terms(5, X0.to("meta"), None, t, None)
        assert times.is_meta and eps.is_meta and times.shape == (3,)
