"""The bound: every line of its derivation, every term, its table; and that its expectation never falls below the truth.

The truth is independent of the bound: chains in which everything is Gaussian (the joint law of a whole path is then
one big Gaussian), or p(x_0) carried on grids (tests/test_account.py checks that). Monte Carlo fails at 5 sigma.
"""

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_math import (
    ExactReverse,
    ForwardProcess,
    Gaussian,
    GaussianMixture,
    ReverseProcess,
    Schedule,
    constant_schedule,
    cosine_schedule,
    elbo,
    exact_elbo,
    linear_schedule,
)  # fmt: skip
from diffusion_math.laws.grid import GridChain
from diffusion_math.laws.linear import LinearChain

F64 = torch.float64
INF = math.inf
TWO = GaussianMixture(
    [0.3, 0.7], torch.tensor([[-2.0], [1.5]], dtype=F64), torch.tensor([0.02, 0.1], dtype=F64)
)


class Bent(ReverseProcess):
    "A reverse process that is wrong on purpose: means that bend, variances that breathe."

    def __init__(self, q, seed, event_shape=(1,), bend=0.3):
        super().__init__(q, event_shape)
        draw = torch.Generator().manual_seed(seed)
        self.a, self.c, self.k, self.r = (
            torch.randn(4, q.T + 1, generator=draw, dtype=F64) * bend
        ).unbind()

    def step(self, x_t, t):
        row = [
            v.to(x_t)[t]
            for v in (self.a, self.c, self.k, self.r, self.q.schedule.alpha, self.q.schedule.beta)
        ]
        if isinstance(t, torch.Tensor):
            row = [v.view(-1, *[1] * (x_t.ndim - 1)) for v in row]
        a, c, k, r, alpha, beta = row
        mean = alpha.sqrt() * x_t * (1 + a * beta) + beta.sqrt() * (c + k * torch.tanh(x_t))
        return Gaussian(mean, beta * torch.exp(r * torch.sin(x_t)))


class Fixed(ReverseProcess):
    "p(x_{t-1} | x_t) = N(shrink x_t, var), whatever t is."

    def __init__(self, q, var=0.5, shrink=0.9, event_shape=None):
        super().__init__(q, event_shape)
        self.var, self.shrink = var, shrink

    def step(self, x_t, t):
        var = self.var.to(x_t)[t] if isinstance(self.var, torch.Tensor) else self.var
        if isinstance(var, torch.Tensor) and var.ndim:
            var = var.view(-1, *[1] * (x_t.ndim - 1))
        return Gaussian(self.shrink * x_t, var)


def chain(T=10, data=TWO, schedule=linear_schedule):
    q = ForwardProcess(schedule(T))
    return q, ExactReverse(q, data)


def sigmas(estimate, truth, stderr):
    "How many standard errors apart, at most."
    return ((estimate - truth).abs() / stderr).max().item()


def path_logs(q, p, path):
    "log p(x_0, ..., x_T) and log q(x_1, ..., x_T | x_0) of paths (T+1, n, *event), step by step."
    forward = sum(q.step(path[t - 1], t).log_prob(path[t]) for t in range(1, q.T + 1))
    back = p.prior(path[-1]).log_prob(path[-1]) + sum(
        p.step(path[t], t).log_prob(path[t - 1]) for t in range(1, q.T + 1)
    )
    return back, forward


# ---- the product of the steps is the joint density (5.3), (5.5)


@pytest.mark.parametrize("d", [1, 3])
def test_the_product_of_the_steps_is_the_joint_gaussian_of_the_path(d):
    "x_T = e_T, x_{t-1} = A x_t + v e: the joint covariance comes from the matrix of that linear map, not from step."
    q = ForwardProcess(linear_schedule(4))
    p = Fixed(q, 0.3, 0.8)
    path = torch.randn(5, 6, d, dtype=F64)
    M = torch.zeros(5, 5, dtype=F64)  # x_t = sum_s M[t, s] e_s
    for t in range(4, -1, -1):
        M[t, t] = 1.0 if t == 4 else math.sqrt(0.3)
        for s in range(t + 1, 5):
            M[t, s] = 0.8 ** (s - t) * M[s, s]
    joint = torch.distributions.MultivariateNormal(torch.zeros(5, dtype=F64), M @ M.T)
    want = joint.log_prob(path.permute(1, 2, 0)).sum(1)
    got, _ = path_logs(q, p, path)
    assert torch.allclose(got, want, atol=1e-10, rtol=0)


def test_the_mean_ratio_over_forward_paths_is_the_likelihood():
    "p(x_0) = E_q [p(x_0..x_T) / q(x_1..x_T | x_0)]: importance sampling by q's paths."
    data = GaussianMixture([1.0], torch.tensor([[0.5]], dtype=F64), torch.tensor([0.3], dtype=F64))
    q, p = chain(6, data)
    x0 = torch.tensor([[0.2]], dtype=F64)
    path = q.trajectory(x0.expand(10_000, 1))
    back, forward = path_logs(q, p, path)
    ratio = (back - forward).exp()
    truth = LinearChain(p).log_prob(x0).exp()
    assert sigmas(ratio.mean(), truth, ratio.std() / 100) < 5


def test_the_log_of_a_product_keeps_its_maximum_and_turns_bells_into_parabolas():
    "(5.1): the likelihood of a mean is highest at the average, and its log bends the same everywhere."
    x, theta = torch.randn(7, dtype=F64), torch.linspace(-2, 2, 401, dtype=F64)
    each = torch.stack([Gaussian(m.expand(7), 0.25).log_prob(x) for m in theta])
    assert torch.allclose(each.exp().prod(1).log(), each.sum(1), atol=1e-10, rtol=1e-10)
    assert each.exp().prod(1).argmax() == each.sum(1).argmax() == (theta - x.mean()).abs().argmin()
    bend = each.sum(1).diff().diff()
    assert torch.allclose(bend, torch.full_like(bend, -7 * 4 * 0.01**2), atol=1e-10, rtol=1e-10)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20))
def test_the_log_of_an_average_is_never_below_the_average_of_the_logs(r):
    "(5.6)"
    r = torch.tensor(r, dtype=F64)
    assert r.mean().log() >= r.log().mean() - 1e-12
    assert torch.allclose(
        r[:1].expand(5).mean().log(), r[:1].expand(5).log().mean(), atol=1e-12, rtol=1e-12
    )


def test_walks_of_the_model_give_the_likelihood_on_average():
    "(5.4): p(x_0) = E[p(x_0 | x_1)] over the model's own walks, for a chain that is short enough."
    q, p = chain(3)
    x0 = torch.tensor([[1.2]], dtype=F64)
    x_1 = p.sample(50_000, trajectory=True, like=x0)[1]
    each = p.step(x_1, 1).log_prob(x0).exp()
    assert sigmas(each.mean(), GridChain(p).log_prob(x0).exp(), each.std() / 50_000**0.5) < 5


def test_one_random_term_times_t_is_the_bound_on_average():
    "(5.15), as a training loop uses it."
    q = ForwardProcess(linear_schedule(5))
    p, x0 = Bent(q, 1), torch.full((40_000, 1), 0.4, dtype=F64)
    t = torch.randint(1, 6, (len(x0),))
    x_t = q.marginal(x0, t).sample()
    law = p.step(x_t, t)
    term = torch.where(t == 1, -law.log_prob(x0), q.posterior(x_t, x0, t.clamp(min=2)).kl(law))
    each = q.marginal(x0, 5).kl(p.prior(x0)) + 5 * term
    assert sigmas(each.mean(), exact_elbo(q, p, x0[:1]).total, each.std() / 200) < 5


# ---- the lines of the derivation, on the same paths (5.10) to (5.16)


def lines(q, p, path):
    "The number that each form of the bound gives a path: ratio of joints, ratio of steps, conditioned on x_0."
    T, x0 = q.T, path[0]
    back, forward = path_logs(q, p, path)
    top = p.prior(path[T]).log_prob(path[T])
    back_step = [p.step(path[t], t).log_prob(path[t - 1]) for t in range(1, T + 1)]
    steps = sum(
        back_step[t - 1] - q.step(path[t - 1], t).log_prob(path[t]) for t in range(1, T + 1)
    )
    known = [q.posterior(path[t], x0, t).log_prob(path[t - 1]) for t in range(2, T + 1)]
    matched = sum(b - k for b, k in zip(back_step[1:], known, strict=True))
    conditioned = top - q.marginal(x0, T).log_prob(path[T]) + matched + back_step[0]
    return back - forward, top + steps, conditioned


@pytest.mark.parametrize("T", [1, 2, 7])
@pytest.mark.parametrize("event", [(), (1,), (2, 3)], ids=str)
def test_three_forms_of_the_bound_agree_path_by_path(T, event):
    q = ForwardProcess(cosine_schedule(T))
    p = Bent(q, T, event)
    path = q.trajectory(torch.randn(20, *event, dtype=F64))
    joint, ratio, conditioned = lines(q, p, path)
    assert torch.allclose(joint, ratio, atol=1e-9, rtol=1e-10)
    assert torch.allclose(joint, conditioned, atol=1e-9, rtol=1e-10)


def test_at_t_1_the_way_back_given_x0_is_a_point_so_the_rewriting_stops_at_2():
    q, _ = chain(5)
    x0 = torch.randn(4, 1, dtype=F64)
    law = q.posterior(torch.randn(4, 1, dtype=F64), x0, 1)
    assert law.var == 0 and (law.log_prob(x0) == INF).all()


@pytest.mark.parametrize("T", [1, 2, 7])
def test_the_kl_form_has_the_same_mean(T):
    q = ForwardProcess(linear_schedule(T))
    p, x0 = Bent(q, 3), torch.tensor([[0.7]], dtype=F64)
    n = 20_000
    path_form = -lines(q, p, q.trajectory(x0.expand(n, 1)))[0]
    kl_form = elbo(q, p, x0.expand(n, 1)).total
    error = (path_form.var() / n + kl_form.var() / n).sqrt()
    assert sigmas(path_form.mean(), kl_form.mean(), error) < 5
    truth = exact_elbo(q, p, x0).total
    assert sigmas(kl_form.mean(), truth, kl_form.std() / n**0.5) < 5


# ---- each term of elbo, against what it is


@pytest.mark.parametrize("event", [(), (2,), (1, 4, 4)], ids=str)
@pytest.mark.parametrize("n", [1, 5])
def test_every_term_is_recomputed_from_the_same_draws_with_torch_distributions(event, n):
    q = ForwardProcess(linear_schedule(6))
    p, x0 = Bent(q, 1, event), torch.randn(3, *event, dtype=F64)
    got = elbo(q, p, x0, n=n, generator=torch.Generator().manual_seed(5))
    draw, s = torch.Generator().manual_seed(5), q.schedule
    eps = torch.randn(n, 1, 3, *event, generator=draw, dtype=F64)
    rest = torch.randn(5, n, 3, *event, generator=draw, dtype=F64).transpose(0, 1)
    eps = torch.cat([eps, rest], 1)  # t = 1 first, then the others, t by t

    def normal(law, like):
        each = torch.distributions.Normal(law.mean, law.var.expand(law.mean.shape).sqrt())
        return torch.distributions.Independent(each, like.ndim - 1)

    def noised(t, i):
        return s.alpha_bar[t].sqrt() * x0 + (1 - s.alpha_bar[t]).sqrt() * eps[i, t - 1]

    first = torch.stack([-normal(p.step(noised(1, i), 1), x0).log_prob(x0) for i in range(n)])
    kls = torch.stack([torch.stack([torch.distributions.kl_divergence(
        normal(q.posterior(noised(t, i), x0, t), x0), normal(p.step(noised(t, i), t), x0)) for t in range(2, 7)])
        for i in range(n)])  # fmt: skip
    end = Gaussian(s.alpha_bar[6].sqrt() * x0, 1 - s.alpha_bar[6])
    prior = torch.distributions.kl_divergence(
        normal(end, x0), normal(Gaussian(torch.zeros_like(x0), 1.0), x0)
    )
    for ours, truth in [(got.prior, prior), (got.steps, kls.mean(0)), (got.reconstruction, first.mean(0)),
                        (got.total, prior + kls.mean(0).sum(0) + first.mean(0))]:  # fmt: skip
        assert ours.shape == truth.shape and torch.allclose(ours, truth, atol=1e-10, rtol=1e-10)
    if n > 1:
        assert torch.allclose(got.stderr.steps, kls.std(0) / n**0.5, rtol=1e-10)
        assert torch.allclose(got.stderr.reconstruction, first.std(0) / n**0.5, rtol=1e-10)
    else:
        assert got.stderr.steps.isnan().all() and got.stderr.reconstruction.isnan().all()
    assert (got.stderr.prior == 0).all()


def test_bits_per_dim_is_total_over_dims_and_log_2():
    q = ForwardProcess(linear_schedule(5))
    got = elbo(q, Fixed(q), torch.randn(4, 2, 7, 3, dtype=F64))
    assert got.dims == 42 and torch.allclose(
        got.bits_per_dim, got.total / 42 / math.log(2), rtol=1e-15
    )


def test_unbiased_with_standard_errors_that_are_right():
    "Against the exact expectation of 300 data: the mean error of each term, and the size of the errors."
    q = ForwardProcess(linear_schedule(20))
    p, x0 = Bent(q, 0), TWO.sample(300)
    got, truth = elbo(q, p, x0, n=100), exact_elbo(q, p, x0)
    for name in ("steps", "reconstruction", "total"):
        error, stderr = getattr(got, name) - getattr(truth, name), getattr(got.stderr, name)
        together = stderr.square().sum(-1).sqrt() / 300
        assert (error.mean(-1).abs() / together).max() < 5, name
        assert (
            abs((error.square().sum() / stderr.square().sum()).log())
            < 5 * (4 / error.numel()) ** 0.5 + 0.02
        ), name


def test_what_is_printed_is_the_mean_over_the_data_and_the_error_of_that_mean():
    "Each line of repr in 100 runs: its mean against the exact one, its ± against how far the runs lie apart."
    q = ForwardProcess(linear_schedule(5))
    p, x0, runs = Bent(q, 1), TWO.sample(7), 100
    lines = [repr(elbo(q, p, x0, n=20)).splitlines()[1:] for _ in range(runs)]
    read = [[[float(v) for v in line[32:].split(" ± ")] for line in run[1:]] for run in lines]
    mean, error = torch.tensor(read, dtype=F64).unbind(-1)
    truth = exact_elbo(q, p, x0)
    exact = [v.mean() for v in (truth.steps.sum(0), truth.reconstruction, truth.total)]
    exact = torch.stack([*exact, exact[-1] / math.log(2)])  # in bits, of one number each
    assert ((mean.mean(0) - exact).abs() < 5 * mean.std(0) / runs**0.5).all()
    off = error.mean(0) / mean.std(0) - 1  # whose own error is 1 / sqrt(2 runs)
    assert off.abs().max() < 5 / (2 * runs) ** 0.5
    bits = error[:, 3] / error[:, 2] * math.log(2)  # each is printed in two digits
    assert bits.max() < 1.05 / 0.95 and bits.min() > 0.95 / 1.05
    assert {run[0][32:] for run in lines} == {f"{truth.prior.mean():.4f}"}


def test_draws_of_one_term_are_new_for_each_term_and_datum():
    q = ForwardProcess(constant_schedule(0.3, 5))
    p, x0 = Bent(q, 2), torch.zeros(500, 1, dtype=F64)
    steps = elbo(q, p, x0).steps
    corr = torch.corrcoef(steps)
    assert (corr - torch.eye(4)).abs().max() < 5 / 500**0.5


def test_the_same_seed_gives_the_same_numbers_and_leaves_the_global_stream_alone():
    q, p = chain(8)
    x0, seed = TWO.sample(3), lambda: torch.Generator().manual_seed(4)
    before = torch.get_rng_state()
    one, two = elbo(q, p, x0, n=3, generator=seed()), elbo(q, p, x0, n=3, generator=seed())
    assert torch.equal(one.total, two.total) and torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(elbo(q, p, x0, n=3).total, one.total)


# ---- never below the truth


modes = st.lists(
    st.tuples(st.floats(0.1, 1), st.floats(-2.5, 2.5), st.floats(0.02, 1)), min_size=1, max_size=3
)
betas = st.lists(st.floats(0.05, 0.98), min_size=1, max_size=6)


def mixture(modes):
    "A mixture from (weight, mean, variance) of each mode."
    w, m, v = torch.tensor(modes, dtype=F64).T
    return GaussianMixture((w / w.sum()).tolist(), m[:, None].contiguous(), v)


@settings(max_examples=12, derandomize=True)
@given(modes, betas, st.integers(0, 10**6), st.floats(0, 0.5))
def test_the_expected_bound_is_never_below_minus_log_p_nor_on_average_below_the_entropy(
    modes, beta, seed, bend
):
    q, data = ForwardProcess(Schedule.from_beta(beta)), mixture(modes)
    x = torch.linspace(-4.9, 4.9, 99, dtype=F64)[:, None]  # strips of 0.1
    log_q = data.log_prob(x)
    seen = log_q > -27
    for p in (ExactReverse(q, data), Bent(q, seed, bend=bend)):
        bound, truth = exact_elbo(q, p, x).total, -GridChain(p, fine=4).log_prob(x)
        assert (bound - truth).min() > -1e-5
        assert ((bound + log_q) * log_q.exp())[seen].sum() * 0.1 > -1e-3
        draws = elbo(q, p, x[::14], n=400)
        assert ((draws.total - truth[::14]) / draws.stderr.total).min() > -5


@settings(max_examples=20, derandomize=True)
@given(st.integers(1, 4), betas, st.integers(0, 10**6))
def test_the_same_for_linear_chains_in_several_dimensions(d, beta, seed):
    "The truth from the joint Gaussian of x_0 and nothing else."
    draw = torch.Generator().manual_seed(seed)
    q = ForwardProcess(Schedule.from_beta(beta))

    class Linear(ReverseProcess):
        A = torch.randn(q.T + 1, d, d, generator=draw, dtype=F64) / d**0.5
        c = torch.randn(q.T + 1, d, generator=draw, dtype=F64)
        v = torch.rand(q.T + 1, d, generator=draw, dtype=F64) + 0.1

        def step(self, x_t, t):
            A, c, v = self.A[t], self.c[t], self.v[t]
            return Gaussian(torch.einsum("...ij,...j->...i", A, x_t) + c, v)

    p = Linear(q, (d,))
    mean, cov = torch.zeros(d, dtype=F64), torch.eye(d, dtype=F64)
    for t in range(q.T, 0, -1):
        mean, cov = p.A[t] @ mean + p.c[t], p.A[t] @ cov @ p.A[t].T + torch.diag(p.v[t])
    x0 = torch.randn(5, d, generator=draw, dtype=F64) * 2
    truth = -torch.distributions.MultivariateNormal(mean, cov).log_prob(x0)
    exact = LinearChain(p).bound(q, x0)
    assert (exact - truth).min() > -1e-9
    got = elbo(q, p, x0, n=300)
    assert sigmas(got.total, exact, got.stderr.total) < 5.5  # 100 numbers are compared


def test_single_draws_fall_below_the_truth_often_and_the_expectation_never():
    q, p = chain(100)
    x0 = torch.tensor([[1.5]], dtype=F64).expand(2000, 1)
    truth = -GridChain(p).log_prob(x0[:1])
    draws = elbo(q, p, x0)
    share = (draws.total < truth).double().mean()
    assert 0.2 < share < 0.9
    assert exact_elbo(q, p, x0[:1]).total > truth


def test_a_datum_may_have_a_bound_below_natures_minus_log_q():
    q, p = chain(10)
    x0 = torch.tensor([[0.0]], dtype=F64)
    assert exact_elbo(q, p, x0).total < -TWO.log_prob(x0) - 0.1


# ---- decoders, T = 1, edges


def test_a_decoder_replaces_the_last_step_alone():
    q, p = chain(6)
    x0, seed = TWO.sample(5), lambda: torch.Generator().manual_seed(0)
    plain = elbo(q, p, x0, generator=seed())
    own = elbo(q, p, x0, decoder=lambda x_1: p.step(x_1, 1), generator=seed())
    other = elbo(q, p, x0, decoder=lambda x_1: Gaussian(x_1, 0.25), generator=seed())
    assert torch.equal(plain.total, own.total)
    assert torch.equal(plain.steps, other.steps) and torch.equal(plain.prior, other.prior)
    eps = torch.randn(1, 1, 5, 1, generator=seed(), dtype=F64)[0, 0]
    x_1 = q.marginal(x0, 1).mean + q.marginal(x0, 1).std * eps
    assert torch.allclose(
        other.reconstruction, -Gaussian(x_1, 0.25).log_prob(x0), atol=1e-12, rtol=1e-12
    )
    exact = exact_elbo(q, p, x0, decoder=lambda x_1: Gaussian(x_1, 0.25)).reconstruction
    s = q.schedule
    square = (x0[:, 0] * (1 - s.alpha_bar[1].sqrt())) ** 2 + s.noise_var[1]
    want = 0.5 * (math.log(2 * math.pi * 0.25) + square / 0.25)
    assert torch.allclose(exact, want, atol=1e-10, rtol=1e-10)


def test_one_step():
    q, p = chain(1)
    x0 = TWO.sample(4)
    got = elbo(q, p, x0, n=400)
    assert got.steps.shape == (0, 4) and got.T == 1
    assert torch.allclose(got.total, got.prior + got.reconstruction)
    assert "steps" not in repr(got)
    assert sigmas(got.total, exact_elbo(q, p, x0).total, got.stderr.total) < 5


def test_a_last_beta_of_1_leaves_no_prior_cost():
    q = ForwardProcess(Schedule.from_beta([0.1, 0.5, 1.0]))
    got = elbo(q, ExactReverse(q, TWO), TWO.sample(4), n=3)
    assert (got.prior == 0).all() and got.total.isfinite().all()


def test_a_variance_of_0_between_costs_infinity_and_at_t_1_is_an_error():
    q = ForwardProcess(linear_schedule(4))
    var = torch.full((5,), 0.5, dtype=F64)
    var[3] = 0
    x0 = torch.randn(3, 2, dtype=F64)
    got = elbo(q, Fixed(q, var), x0, n=2)
    assert (
        (got.total == INF).all()
        and (got.steps[1] == INF).all()
        and got.steps[[0, 2]].isfinite().all()
    )
    assert "inf" in repr(got)
    var[3], var[1] = 0.5, 0
    with pytest.raises(ValueError, match=r"p.step\(x_1, 1\) must have a variance above 0"):
        elbo(q, Fixed(q, var), x0)
    assert elbo(q, Fixed(q, var), x0, decoder=lambda x_1: Gaussian(x_1, 0.1)).total.isfinite().all()


def test_a_step_without_noise_costs_nothing_where_p_stands_still_too():
    q = ForwardProcess(Schedule.from_beta([0.2, 0.0, 0.3]))
    x0 = TWO.sample(3)
    assert (elbo(q, ExactReverse(q, TWO), x0).steps[0] == 0).all()


def test_a_first_step_without_noise_is_infinite_for_a_density_over_two_steps():
    "beta_1 = 0: x_1 is x_0, q(x_1 | x_2, x_0) a point, and no Gaussian p(x_1 | x_2) is near a point."
    q = ForwardProcess(Schedule.from_beta([0.0, 0.3]))
    assert (elbo(q, Fixed(q), torch.randn(3, 1, dtype=F64)).total == INF).all()


def test_a_batch_of_zero():
    q, p = chain(5)
    got = elbo(q, p, torch.zeros(0, 1, dtype=F64), n=2)
    assert got.total.shape == (0,) and got.steps.shape == (4, 0) and got.stderr.total.shape == (0,)
    assert exact_elbo(q, p, torch.zeros(0, 1, dtype=F64)).total.shape == (0,)
    assert repr(got) == "Elbo(b=0, T=5)"


# ---- dtypes, devices, memory


@pytest.mark.parametrize("schedule", [linear_schedule, cosine_schedule])
def test_float32_reads_what_float64_reads(schedule):
    "Same eps: x_0 and x_t agree to rounding; the terms to 1e-5 of their sum."
    q = ForwardProcess(schedule(100))
    p, x0 = Bent(q, 0), torch.randn(6, 1)
    exact = exact_elbo(q, p, x0.double())
    got = exact_elbo(q, p, x0)
    assert got.total.dtype == got.stderr.total.dtype == torch.float32
    scale = exact.prior + exact.steps.sum(0) + exact.reconstruction.abs()
    assert ((got.total - exact.total).abs() / scale).max() < 1e-5
    assert (elbo(q, p, x0, n=2).total.dtype, elbo(q, p, x0.double()).total.dtype) == (
        torch.float32,
        F64,
    )


def test_the_exact_step_s_kl_keeps_its_digits_in_float32():
    "At t = 900 the means of a KL nearly agree: taken in float32 it is 1e-4 off."
    q, law = ForwardProcess(linear_schedule(1000)), TWO.to(torch.float32)
    p, x0 = ExactReverse(q, law), torch.tensor([[-2.0], [-1.8], [1.2], [1.5]])
    exact, got = exact_elbo(q, p, x0.double()).steps, exact_elbo(q, p, x0).steps
    assert got.dtype == torch.float32 and ((got - exact).abs() / exact).max() < 1e-5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_added_up_in_float32(dtype):
    "The drawn bound and the exact one; each is off by what rounding x_t does, and no more."
    q, x0 = ForwardProcess(linear_schedule(10)), torch.tensor([[0.5], [-1.0], [2.0]])
    p, half = Fixed(q, var=0.5), x0.to(dtype)
    truth, exact = exact_elbo(q, p, x0.double()), exact_elbo(q, p, half)
    drawn = elbo(q, p, half, n=2000, generator=torch.Generator().manual_seed(0))
    assert {
        v.dtype for bound in (exact, drawn) for v in (bound.prior, bound.steps, bound.total)
    } == {torch.float32}
    assert ((exact.total / truth.total - 1).abs() < 4 * torch.finfo(dtype).eps).all()
    assert (
        (drawn.total - truth.total).abs()
        < 5 * drawn.stderr.total + 4 * torch.finfo(dtype).eps * truth.total
    ).all()


@pytest.mark.parametrize("decoder", [None, lambda x_1: Gaussian(x_1, 0.1)])
@pytest.mark.parametrize("T", [1, 30])
def test_runs_on_the_meta_device(T, decoder):
    q = ForwardProcess(linear_schedule(T))
    x0 = torch.empty(5, 1, device="meta")
    for got in (
        elbo(q, Bent(q, 0), x0, decoder, n=3),
        exact_elbo(q, Bent(q, 0), x0, decoder, nodes=20),
    ):
        for part in (
            got.prior,
            got.steps,
            got.reconstruction,
            got.total,
            got.bits_per_dim,
            *got.stderr,
        ):
            assert part.is_meta
        assert "T=" in repr(got)
    assert elbo(q, ExactReverse(q, TWO.to("meta")), x0).total.is_meta


def test_a_thousand_steps_in_bounded_memory(monkeypatch):
    "No batch that reaches p is larger than BUDGET numbers, however many steps, draws and data there are."
    most = 0

    class Watch(Fixed):
        def step(self, x_t, t):
            nonlocal most
            most = max(most, x_t.numel())
            return super().step(x_t, t)

    monkeypatch.setattr(sys.modules["diffusion_math.elbo"], "BUDGET", 4096)
    q = ForwardProcess(linear_schedule(1000))
    got = elbo(q, Watch(q), torch.randn(8, 1, 4, 4), n=5)
    assert got.steps.shape == (999, 8) and got.total.isfinite().all() and most <= 4096


def test_one_datum_larger_than_the_budget_still_goes_through(monkeypatch):
    monkeypatch.setattr(sys.modules["diffusion_math.elbo"], "BUDGET", 4)
    q = ForwardProcess(linear_schedule(3))
    assert elbo(q, Fixed(q), torch.randn(2, 5), n=2).total.isfinite().all()


def test_gradients_reach_p():
    q = ForwardProcess(linear_schedule(5))
    shrink = torch.tensor(0.9, dtype=F64, requires_grad=True)
    x0 = TWO.sample(50)
    seed = lambda: torch.Generator().manual_seed(1)
    loss = lambda s: elbo(q, Fixed(q, 0.5, s), x0, generator=seed(), grad=True).total.mean()
    (grad,) = torch.autograd.grad(loss(shrink), shrink)
    with torch.no_grad():
        slope = (loss(shrink + 1e-5) - loss(shrink - 1e-5)) / 2e-5
        assert not loss(shrink).requires_grad
    assert not elbo(q, Fixed(q, 0.5, shrink), x0).total.requires_grad  # no graph unless asked
    assert abs(grad - slope) < 1e-6 * abs(slope)


# ---- the exact expectation


def test_exact_elbo_is_gauss_hermites_and_converges():
    q, p = chain(10)
    x0 = torch.tensor([[-2.0], [1.5], [1.0]], dtype=F64)
    z, w = np.polynomial.hermite_e.hermegauss(150)
    eps = torch.from_numpy(z).repeat_interleave(3)[:, None]
    start = x0.repeat(150, 1)
    total = q.marginal(x0, 10).kl(p.prior(x0))
    for t in range(1, 11):
        x_t = q.schedule.alpha_bar[t].sqrt() * start + q.schedule.noise_var[t].sqrt() * eps
        law = p.step(x_t, t)
        cost = -law.log_prob(start) if t == 1 else q.posterior(x_t, start, t).kl(law)
        total = total + torch.from_numpy(w / w.sum()) @ cost.view(150, 3)
    assert torch.allclose(exact_elbo(q, p, x0).total, total, atol=1e-5, rtol=0)
    assert torch.allclose(
        exact_elbo(q, p, x0).total, exact_elbo(q, p, x0, nodes=500).total, atol=1e-10, rtol=0
    )


@pytest.mark.parametrize("event", [(), (1,), (1, 1)], ids=str)
def test_exact_elbo_takes_any_event_of_one_number(event):
    q = ForwardProcess(linear_schedule(7))
    x0 = torch.tensor([0.3, -1.0], dtype=F64)
    want = exact_elbo(q, Bent(q, 1, ()), x0).total
    assert torch.equal(exact_elbo(q, Bent(q, 1, event), x0.view(2, *event)).total, want)


# ---- wrong arguments


def good(T=5, event=(2,)):
    q = ForwardProcess(linear_schedule(T))
    return q, Fixed(q, event_shape=event), torch.zeros(3, *event)


def test_the_fewest_nodes_still_see_the_bell():
    "A step that is linear in x_t costs a parabola in it: 20 strips know its mean."
    q = ForwardProcess(linear_schedule(10))
    p, x0 = Fixed(q, 0.5, 0.9), torch.tensor([[0.3], [-2.0]], dtype=F64)
    few, many = exact_elbo(q, p, x0, nodes=20).total, exact_elbo(q, p, x0, nodes=400).total
    assert torch.allclose(few, many, rtol=1e-9, atol=0)


@pytest.mark.bad_input
def test_a_p_that_returns_the_wrong_thing():
    q, _, x0 = good()

    class Odd(ReverseProcess):
        def step(self, x_t, t):
            return self.out(x_t)

    p = Odd(q)
    p.out = lambda x: x
    with pytest.raises(TypeError, match="p.step must return a Gaussian, got Tensor"):
        elbo(q, p, x0)
    p.out = lambda x: Gaussian(x[:, :1], 1.0)
    with pytest.raises(ValueError, match=r"must have shape \(3, 1\) like the mean, got \(3, 2\)"):
        elbo(q, p, x0)
