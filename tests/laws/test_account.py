"""The account: p(x_0) and the gap, each by its own road, and entropy + model error + gap = bound.

Truths: joint Gaussians of whole paths, importance sampling by q's paths, and each road against the other.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_math import (
    DDPM,
    ExactReverse,
    ForwardProcess,
    Gaussian,
    GaussianMixture,
    GridChain,
    LinearChain,
    ReverseProcess,
    Schedule,
    account,
    elbo,
    exact_elbo,
    linear_schedule,
)
from tests.test_elbo import TWO, Bent, Fixed, betas, mixture, modes, path_logs

F64 = torch.float64
ONE = GaussianMixture([1.0], torch.tensor([[0.5]], dtype=F64), torch.tensor([0.3], dtype=F64))
THREE = GaussianMixture(
    [1.0],
    torch.tensor([[0.5, -1.0, 0.0]], dtype=F64),
    torch.tensor([[[0.5, 0.3, 0.0], [0.3, 0.4, 0.1], [0.0, 0.1, 0.8]]], dtype=F64),
)


def joint(chain_steps, prior_dim):
    "Mean and covariance of (x_0, x_1, ..., x_T) of a linear chain, from the steps written as matrices."
    mean, cov = [torch.zeros(prior_dim, dtype=F64)], torch.eye(prior_dim, dtype=F64)
    for A, c, V in chain_steps:  # t = T, ..., 1; new blocks go in front
        cross = A @ cov[:prior_dim]
        mean = [A @ mean[0] + c, *mean]
        cov = torch.cat(
            [
                torch.cat([A @ cov[:prior_dim, :prior_dim] @ A.T + V, cross], 1),
                torch.cat([cross.T, cov], 1),
            ]
        )
    return torch.cat(mean), cov


def given_x0(mean, cov, x0):
    "Mean and covariance of (x_1, ..., x_T) given x_0 for a joint Gaussian."
    d = len(x0)
    gain = torch.linalg.solve(cov[:d, :d], cov[:d, d:]).T
    return mean[d:] + gain @ (x0 - mean[:d]), cov[d:, d:] - gain @ cov[:d, d:]


def forward_given_x0(q, x0):
    "Mean and covariance of q(x_1, ..., x_T | x_0): Cov(x_s, x_t) = sqrt(ab_t / ab_s) (1 - ab_s), s <= t."
    ab, d = q.schedule.alpha_bar[1:], len(x0)
    table = (ab[None] / ab[:, None]).sqrt() * (1 - ab)[:, None]
    table = torch.triu(table) + torch.triu(table, 1).T
    return (ab.sqrt()[:, None] * x0).flatten(), torch.kron(table, torch.eye(d, dtype=F64))


def normal(mean, cov):
    return torch.distributions.MultivariateNormal(mean, (cov + cov.T) / 2)


@pytest.mark.parametrize("data", [ONE, THREE], ids=["1-D", "3-D"])
@pytest.mark.parametrize("T", [1, 2, 6])
def test_a_linear_chain_against_one_big_gaussian_over_the_path(data, T):
    q = ForwardProcess(linear_schedule(T))
    p, d = ExactReverse(q, data), data.event_shape.numel()
    chain = LinearChain(p)
    x0 = data.sample(4) * 1.5
    mean, cov = joint([(s.A, s.c, s.V) for s in reversed(chain.steps)], d)
    assert torch.allclose(
        chain.log_prob(x0), normal(mean[:d], cov[:d, :d]).log_prob(x0), atol=1e-10
    )
    pairs = [(normal(*forward_given_x0(q, x)), normal(*given_x0(mean, cov, x))) for x in x0]
    gap = torch.stack([torch.distributions.kl_divergence(a, b) for a, b in pairs])
    assert torch.allclose(chain.gap(q, x0), gap, atol=1e-9, rtol=1e-8)
    assert torch.allclose(chain.bound(q, x0), gap - chain.log_prob(x0), atol=1e-9, rtol=1e-9)


def test_a_linear_chain_of_another_kind_and_with_a_picture_for_an_event():
    q = ForwardProcess(linear_schedule(5))
    p = Fixed(q, 0.4, 0.7, (1, 2, 2))
    x0 = torch.randn(3, 1, 2, 2, dtype=F64)
    chain = LinearChain(p)
    got = elbo(q, p, x0, n=4000)
    assert ((got.total - chain.bound(q, x0)).abs() / got.stderr.total).max() < 5
    assert torch.allclose(chain.bound(q, x0), chain.gap(q, x0) - chain.log_prob(x0), atol=1e-10)


@pytest.mark.parametrize("T", [1, 3, 30, 150])
def test_grids_read_what_the_closed_form_reads(T):
    q = ForwardProcess(linear_schedule(T))
    for p in (
        (ExactReverse(q, ONE), Fixed(q, 0.2, 0.8, (1,))) if T < 30 else (ExactReverse(q, ONE),)
    ):
        grid, chain, x0 = GridChain(p), LinearChain(p), torch.linspace(-2, 3, 9, dtype=F64)[:, None]
        assert torch.allclose(grid.log_prob(x0), chain.log_prob(x0), atol=1e-10)
        assert torch.allclose(grid.gap(q, x0), chain.gap(q, x0), atol=1e-9)
        assert torch.allclose(exact_elbo(q, p, x0).total, chain.bound(q, x0), atol=1e-10)


def test_p_of_x0_on_grids_against_importance_sampling_and_against_samples():
    q = ForwardProcess(linear_schedule(8))
    p, x0 = Bent(q, 5), torch.tensor([[-1.0], [0.4], [1.3]], dtype=F64)
    truth = GridChain(p).log_prob(x0).exp()
    for x, value in zip(x0, truth, strict=True):
        path = q.trajectory(x.expand(20_000, 1))
        back, forward = path_logs(q, p, path)
        ratio = (back - forward).exp()
        assert abs(ratio.mean() - value) < 5 * ratio.std() / 20_000**0.5
    draws = p.sample(40_000, like=x0)[:, 0]
    edges = torch.linspace(-3, 3, 25, dtype=F64)
    fine = torch.linspace(-3, 3, 24 * 20 + 1, dtype=F64)
    density = GridChain(p).log_prob(fine[:, None]).exp()
    mass = torch.stack(
        [torch.trapezoid(density[20 * i : 20 * i + 21], fine[:21]) for i in range(24)]
    )
    count = torch.histogram(draws, edges)[0]
    z = (count - 40_000 * mass) / (40_000 * mass * (1 - mass)).sqrt()
    assert z.abs().max() < 5


def test_p_of_x0_integrates_to_1():
    for T in (1, 10, 100):
        p = ExactReverse(ForwardProcess(linear_schedule(T)), TWO)
        x = torch.linspace(-15, 15, 6001, dtype=F64)[:, None]
        assert abs(GridChain(p).log_prob(x).exp().sum() * 0.005 - 1) < 1e-9


def test_the_gap_by_draws_of_paths():
    "E_q [log q(path | x_0) - log p(path | x_0)] needs log p(x_0) alone beyond the two joints."
    q = ForwardProcess(linear_schedule(6))
    p, x0 = Bent(q, 9), torch.tensor([[0.6]], dtype=F64)
    chain = GridChain(p)
    back, forward = path_logs(q, p, q.trajectory(x0.expand(20_000, 1)))
    each = forward - (back - chain.log_prob(x0))
    assert abs(each.mean() - chain.gap(q, x0)) < 5 * each.std() / 20_000**0.5


@settings(max_examples=12)
@given(modes, betas, st.integers(0, 10**6), st.floats(0, 0.5))
def test_bound_is_truth_plus_gap_for_random_mixtures_schedules_and_wrong_p(modes, beta, seed, bend):
    q, data = ForwardProcess(Schedule.from_beta(beta)), mixture(modes)
    x = torch.linspace(-4, 4, 9, dtype=F64)[:, None]
    for p in (ExactReverse(q, data), Bent(q, seed, bend=bend)):
        chain = GridChain(p, fine=4)
        truth, gap, bound = (
            -chain.log_prob(x),
            chain.gap(q, x),
            exact_elbo(q, p, x, nodes=400).total,
        )
        off = (bound - truth - gap).abs() / bound.abs().clamp(min=1)
        assert off[bound - truth < 600].max() < 1e-4
        assert gap.min() > -1e-6


def test_finer_strips_make_the_account_exact_to_nine_digits():
    q = ForwardProcess(linear_schedule(30))
    p, x0 = ExactReverse(q, TWO), torch.tensor([[-2.0], [1.0], [1.5]], dtype=F64)
    off = {}
    for fine in (1.5, 8.0):
        chain = GridChain(p, fine=fine)
        off[fine] = (exact_elbo(q, p, x0).total + chain.log_prob(x0) - chain.gap(q, x0)).abs().max()
    assert off[8.0] < 1e-9 and 1e-6 < off[1.5] < 1e-3


@pytest.mark.parametrize("T", [10, 100])
@pytest.mark.parametrize("wrong", [False, True])
def test_the_account_adds_up(T, wrong):
    q = ForwardProcess(linear_schedule(T))
    p = Bent(q, 1, bend=0.2) if wrong else ExactReverse(q, TWO)
    got = account(TWO, q, p)
    assert abs(got.off) < 1e-6
    assert min(got.model_error, got.gap) > 0
    x = TWO.sample(100_000)
    log_q = TWO.log_prob(x)
    assert abs(-log_q.mean() - got.entropy) < 5 * log_q.std() / 100_000**0.5
    draws = elbo(q, p, x[:20_000]).total
    assert abs(draws.mean() - got.bound) < 5 * draws.std() / 20_000**0.5
    ratio = log_q[:20_000] - GridChain(p).log_prob(x[:20_000])
    assert abs(ratio.mean() - got.model_error) < 5 * ratio.std() / 20_000**0.5


def test_the_account_of_a_thousand_steps():
    q = ForwardProcess(linear_schedule(1000))
    got = account(ONE, q, ExactReverse(q, ONE), -4, 5, strips=20)
    assert abs(got.off) < 1e-7
    assert got.entropy == pytest.approx(0.5 * math.log(2 * math.pi * math.e * 0.3), abs=1e-9)
    assert got.model_error < 1e-9 and got.gap == pytest.approx(got.bound - got.entropy, abs=1e-7)


def test_a_schedule_that_stands_still_for_a_step():
    "beta_2 = 0: q's way back is a point there, p must have some width to have a density, so the gap is infinite."
    q = ForwardProcess(Schedule.from_beta([0.3, 0.0, 0.3]))
    x0 = torch.tensor([[0.2]], dtype=F64)
    chain = GridChain(Fixed(q, 0.2, 0.8, (1,)))
    assert chain.gap(q, x0) == math.inf and chain.log_prob(x0).isfinite()
    with pytest.raises(ValueError, match="variances above 0 to have a density, got 0 at t = 2"):
        GridChain(ExactReverse(q, TWO))


# ---- wrong arguments


@pytest.mark.bad_input
def test_what_a_grid_cannot_do():
    q = ForwardProcess(linear_schedule(3))
    with pytest.raises(TypeError, match="p must be a ReverseProcess, got ForwardProcess"):
        GridChain(q)
    with pytest.raises(ValueError, match=r"over one number, got event_shape \(2,\)"):
        GridChain(Fixed(q, event_shape=(2,)))
    with pytest.raises(ValueError, match="too narrow for a grid"):
        GridChain(Fixed(q, 1e-9, 1.0, (1,)))
    with pytest.raises(ValueError, match="low and high must be"):
        GridChain(Fixed(q, event_shape=(1,)), 2.0, 1.0)
    with pytest.raises(ValueError, match="x0 must lie between low and high"):
        GridChain(Fixed(q, event_shape=(1,)), -1.0, 1.0).gap(q, torch.tensor([[40.0]]))


@pytest.mark.bad_input
def test_what_a_linear_chain_cannot_do():
    q = ForwardProcess(linear_schedule(3))
    with pytest.raises(ValueError, match="p must have an event_shape, got None"):
        LinearChain(Fixed(q))
    with pytest.raises(ValueError, match="p.step must be linear in x_t"):
        LinearChain(Bent(q, 0))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "variances, t", [([0.0, 0.1, 0.2], 1), ([0.1, 0.0, 0.2], 2), ([0.1, 0.2, 0.0], 3)]
)
def test_a_linear_chain_with_a_step_without_noise(variances, t):
    "Its p(x_0) is a density all the same; the gap and the bound are infinite, and that is told."
    q = ForwardProcess(linear_schedule(3))
    p, x0 = (
        DDPM(ONE, q, variance=lambda t: variances[t - 1]),
        torch.tensor([[0.3], [-1.0]], dtype=F64),
    )
    chain, mean, var = LinearChain(p), 0.0, 1.0
    for step, v in list(zip(chain.steps, variances, strict=True))[::-1]:
        mean, var = float(step.A) * mean + float(step.c), float(step.A) ** 2 * var + v
    truth = torch.distributions.Normal(torch.tensor(mean, dtype=F64), var**0.5).log_prob(x0[:, 0])
    assert torch.allclose(chain.log_prob(x0), truth, atol=1e-10)
    for ask in (chain.gap, chain.bound):
        with pytest.raises(
            ValueError, match=f"p.step must have variances above 0, got 0 at t = {t}"
        ):
            ask(q, x0)
    with pytest.raises(ValueError, match="got 0 at t = 1"):  # as DDPM's default has it
        LinearChain(DDPM(ONE, q)).bound(q, x0)


def test_another_q_with_another_number_of_steps():
    q = ForwardProcess(linear_schedule(3))
    for chain in (LinearChain(Fixed(q, event_shape=(1,))), GridChain(Fixed(q, event_shape=(1,)))):
        with pytest.raises(ValueError, match="same number of steps, got 4 and 3"):
            chain.gap(ForwardProcess(linear_schedule(4)), torch.zeros(1, 1))


def test_float32_data_and_several_shapes_of_one_number():
    q = ForwardProcess(linear_schedule(4))
    x0 = torch.tensor([0.3, -0.5])
    want = GridChain(Bent(q, 1)).log_prob(x0.double()[:, None])
    for event in ((), (1,), (1, 1)):
        chain = GridChain(Bent(q, 1, event))
        assert torch.allclose(chain.log_prob(x0.view(2, *event)), want, atol=1e-6)
        assert chain.gap(q, x0.view(2, *event)).shape == (2,)


def test_gaussian_steps_whose_variance_is_one_number():
    q = ForwardProcess(linear_schedule(4))

    class One(ReverseProcess):
        def step(self, x_t, t):
            return Gaussian(0.9 * x_t, 0.3)

    x0 = torch.tensor([[0.3]], dtype=F64)
    a, b = One(q, (1,)), Fixed(q, 0.3, 0.9, (1,))
    assert torch.equal(GridChain(a).log_prob(x0), GridChain(b).log_prob(x0))
    assert torch.equal(LinearChain(a).gap(q, x0), LinearChain(b).gap(q, x0))
