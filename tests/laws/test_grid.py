"""Chains over one number, carried on grids: p(x_0) and the gap.

Truths: the closed form of linear chains, importance sampling by q's paths, samples, and the bound: each its own road.
"""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from diffusion_math import (
    ExactReverse,
    ForwardProcess,
    Gaussian,
    GaussianMixture,
    ReverseProcess,
    Schedule,
    exact_elbo,
    linear_schedule,
)  # fmt: skip
from diffusion_math.laws.grid import GridChain
from diffusion_math.laws.linear import LinearChain
from tests.test_elbo import TWO, Bent, Fixed, betas, mixture, modes, path_logs

F64 = torch.float64
ONE = GaussianMixture([1.0], torch.tensor([[0.5]], dtype=F64), torch.tensor([0.3], dtype=F64))


@pytest.mark.parametrize("T", [1, 3, 30, 150])
def test_grids_read_what_the_closed_form_reads(T):
    q = ForwardProcess(linear_schedule(T))
    for p in (
        (ExactReverse(q, ONE), Fixed(q, 0.2, 0.8, (1,))) if T < 30 else (ExactReverse(q, ONE),)
    ):
        grid, chain, x0 = GridChain(p), LinearChain(p), torch.linspace(-2, 3, 9, dtype=F64)[:, None]
        assert torch.allclose(grid.log_prob(x0), chain.log_prob(x0), atol=1e-10, rtol=1e-10)
        assert torch.allclose(grid.gap(q, x0), chain.gap(q, x0), atol=1e-9, rtol=1e-9)
        assert torch.allclose(
            exact_elbo(q, p, x0).total, chain.bound(q, x0), atol=1e-10, rtol=1e-10
        )


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
        assert abs(GridChain(p, -15, 15).log_prob(x).exp().sum() * 0.005 - 1) < 1e-9


@pytest.mark.parametrize("var", [4.0, 25.0])
def test_beside_its_interval_nothing_is_said(var):
    "Of an x_0 that the grids do not reach, a sum over them would say -70,000 where -14 is true."
    q, law = (
        ForwardProcess(linear_schedule(20)),
        GaussianMixture([1.0], torch.zeros(1, 1).double(), torch.tensor([var]).double()),
    )
    p, x0 = ExactReverse(q, law), torch.linspace(-5, 5, 11, dtype=F64)[:, None]
    chain, truth = GridChain(p), LinearChain(p)
    assert torch.allclose(chain.log_prob(x0), truth.log_prob(x0), atol=1e-5)
    for wrong in (9.0, -5.001, math.nan, math.inf):
        for ask in (chain.log_prob, lambda x, chain=chain: chain.gap(q, x)):
            with pytest.raises(ValueError, match="x0 must .*(low and high, -5 and 5|finite)"):
                ask(torch.tensor([[0.0], [wrong]], dtype=F64))
    wide = GridChain(p, -15, 15)
    assert torch.allclose(wide.log_prob(x0 + 5), truth.log_prob(x0 + 5), atol=1e-9, rtol=1e-9)


def test_what_no_grid_holds_has_no_density():
    "400 standard deviations out log p is -80,000; where a number in float64 ends, -inf says so."
    q, x0 = ForwardProcess(linear_schedule(20)), torch.tensor([[0.0], [0.2], [4.0]], dtype=F64)
    law = GaussianMixture([1.0], torch.zeros(1, 1).double(), torch.tensor([1e-4]).double())
    got, truth = (chain(ExactReverse(q, law)).log_prob(x0) for chain in (GridChain, LinearChain))
    assert torch.allclose(got[:2], truth[:2], atol=1e-6) and got[2] == -math.inf


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
@example(
    [(1.0, 2.0, 0.0234375)], [0.5], 0, 0.0
)  # 39 of its deviations away, where the truth is called infinite
@example(
    [(1.0, 0.0, 0.0625), (1.0, 2.0, 1.0)], [0.5, 0.0625, 0.5], 0, 0.0
)  # strips twice as wide are 3e-4 off here, and these 6e-7
def test_bound_is_truth_plus_gap_for_random_mixtures_schedules_and_wrong_p(modes, beta, seed, bend):
    q, data = ForwardProcess(Schedule.from_beta(beta)), mixture(modes)
    x = torch.linspace(-4, 4, 9, dtype=F64)[:, None]
    for p in (ExactReverse(q, data), Bent(q, seed, bend=bend)):
        chain = GridChain(p, fine=8)
        truth, gap, bound = (
            -chain.log_prob(x),
            chain.gap(q, x),
            exact_elbo(q, p, x, nodes=400).total,
        )
        off = (bound - truth - gap).abs() / bound.abs().clamp(min=1)
        said = truth.isfinite()  # below -650 nats a density is called none
        assert off[said & (bound - truth < 600)].max() < 1e-4 and (bound[~said] > 650).all()
        assert gap.min() > -1e-6


def test_finer_strips_make_the_account_exact_to_nine_digits():
    q = ForwardProcess(linear_schedule(30))
    p, x0 = ExactReverse(q, TWO), torch.tensor([[-2.0], [1.0], [1.5]], dtype=F64)
    off = {}
    for fine in (1.5, 8.0):
        chain = GridChain(p, fine=fine)
        off[fine] = (exact_elbo(q, p, x0).total + chain.log_prob(x0) - chain.gap(q, x0)).abs().max()
    assert off[8.0] < 1e-9 and 1e-6 < off[1.5] < 1e-3


def test_a_schedule_that_stands_still_for_a_step():
    "beta_2 = 0: q's way back is a point there, p must have some width to have a density, so the gap is infinite."
    q = ForwardProcess(Schedule.from_beta([0.3, 0.0, 0.3]))
    x0 = torch.tensor([[0.2]], dtype=F64)
    chain = GridChain(Fixed(q, 0.2, 0.8, (1,)))
    assert chain.gap(q, x0) == math.inf and chain.log_prob(x0).isfinite()
    with pytest.raises(ValueError, match="variances above 0 to have a density, got 0 at t = 2"):
        GridChain(ExactReverse(q, TWO))


def test_float32_data_and_several_shapes_of_one_number():
    q = ForwardProcess(linear_schedule(4))
    x0 = torch.tensor([0.3, -0.5])
    want = GridChain(Bent(q, 1)).log_prob(x0.double()[:, None])
    for event in ((), (1,), (1, 1)):
        chain = GridChain(Bent(q, 1, event))
        assert torch.allclose(chain.log_prob(x0.view(2, *event)), want, atol=1e-6)
        assert chain.gap(q, x0.view(2, *event)).shape == (2,)


def test_a_variance_that_is_one_number():
    q = ForwardProcess(linear_schedule(4))

    class Plain(ReverseProcess):
        def step(self, x_t, t):
            return Gaussian(0.9 * x_t, 0.3)

    x0, a, b = torch.tensor([[0.3]], dtype=F64), Plain(q, (1,)), Fixed(q, 0.3, 0.9, (1,))
    assert torch.equal(GridChain(a).log_prob(x0), GridChain(b).log_prob(x0))


# ---- wrong arguments

Q = ForwardProcess(linear_schedule(3))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "change, words",
    [
        ({"p": Fixed(Q, event_shape=(2,))}, r"over one number, got event_shape \(2,\)"),
        ({"p": Fixed(Q, 1e-9, 1.0, (1,))}, "p.step is too narrow for a grid: .* at t = "),
        ({"low": 2.0, "high": 1.0}, "low < high, fine above 0, got 2.0, 1.0 and 6.0"),
    ],
)
def test_what_a_grid_cannot_do(change, words):
    with pytest.raises(ValueError, match=words):
        GridChain(**{"p": Fixed(Q, event_shape=(1,))} | change)


@pytest.mark.parametrize("x0", [40.0, -40.0, math.nan, math.inf])
def test_x0_must_lie_on_the_grid(x0):
    words = "between low and high" if math.isfinite(x0) else "x0 must be finite"
    with pytest.raises(ValueError, match=words):
        GridChain(Fixed(Q, event_shape=(1,)), -1.0, 1.0).gap(Q, torch.tensor([[x0]]))


def test_another_q_with_another_number_of_steps():
    chain = GridChain(Fixed(ForwardProcess(linear_schedule(3)), event_shape=(1,)))
    with pytest.raises(ValueError, match="same number of steps, got 4 and 3"):
        chain.gap(ForwardProcess(linear_schedule(4)), torch.zeros(1, 1))
