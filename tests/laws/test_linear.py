"""Chains of linear steps: p(x_0), the gap and the bound against one big Gaussian over the whole path."""

import pytest
import torch

from diffusion_math import (
    DDPM,
    ExactReverse,
    ForwardProcess,
    Gaussian,
    GaussianMixture,
    ReverseProcess,
    elbo,
    linear_schedule,
)  # fmt: skip
from diffusion_math.laws.linear import LinearChain
from tests.test_elbo import Bent, Fixed

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
        chain.log_prob(x0), normal(mean[:d], cov[:d, :d]).log_prob(x0), atol=1e-10, rtol=1e-10
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
    assert torch.allclose(
        chain.bound(q, x0), chain.gap(q, x0) - chain.log_prob(x0), atol=1e-10, rtol=1e-10
    )


def test_a_variance_that_is_one_number():
    q = ForwardProcess(linear_schedule(4))

    class Plain(ReverseProcess):
        def step(self, x_t, t):
            return Gaussian(0.9 * x_t, 0.3)

    x0, a, b = torch.tensor([[0.3]], dtype=F64), Plain(q, (1,)), Fixed(q, 0.3, 0.9, (1,))
    assert torch.equal(LinearChain(a).gap(q, x0), LinearChain(b).gap(q, x0))


# ---- wrong arguments


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
    assert torch.allclose(chain.log_prob(x0), truth, atol=1e-10, rtol=1e-10)
    for ask in (chain.gap, chain.bound):
        with pytest.raises(
            ValueError, match=f"p.step must have variances above 0, got 0 at t = {t}"
        ):
            ask(q, x0)
    with pytest.raises(ValueError, match="got 0 at t = 1"):  # as DDPM's default has it
        LinearChain(DDPM(ONE, q)).bound(q, x0)


def test_another_q_with_another_number_of_steps():
    chain = LinearChain(Fixed(ForwardProcess(linear_schedule(3)), event_shape=(1,)))
    for ask in (chain.gap, chain.bound):
        with pytest.raises(ValueError, match="same number of steps, got 4 and 3"):
            ask(ForwardProcess(linear_schedule(4)), torch.zeros(1, 1))
