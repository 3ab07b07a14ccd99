"Flow matching: two clocks, a loss, a walk, and what makes it straight, against independent truth."

import itertools
import math

import mpmath
import pytest
import torch
from torch import nn

from diffusion_math import (
    DDPM,
    FlowMatching,
    ForwardProcess,
    Prediction,
    Schedule,
    as_denoiser,
    elbo,
    flow,
    flow_loss,
    log_prob_by_flow,
    quantile_flow,
    velocity,
    walk,
)  # fmt: skip
from diffusion_math.flow_likelihood import divergence
from diffusion_math.matching import (
    line_velocity,
    line_walk,
    log_snr_to_time,
    pair_noise,
    straightness,
    time_to_log_snr,
)  # fmt: skip
from tests.truth import PLANE, TWO, Wrapped, error, seed, within

F16, F32, F64, INF = torch.float16, torch.float32, torch.float64, math.inf


def exact(law):
    "The best velocity network of a law, from the slope of its log density on the line."

    def says(x, t):
        rows = []
        for row, time in zip(x, t.tolist(), strict=True):
            # x_t is an affine image of the law under noise, and eps is -t times the slope there
            c = math.hypot(time, 1 - time)
            score = Wrapped(law).noised(2 * math.log((1 - time) / time)).score(row[None] / c) / c
            eps = -time * score
            rows.append(eps - (row - time * eps) / (1 - time))
        return torch.cat(rows) if rows else x

    return says


# ---- the clocks


def test_the_clocks_to_many_digits_and_back():
    levels = torch.tensor([-700.0, -60.0, -3.0, 0.0, 0.5, 20.0, 700.0], dtype=F64)
    with mpmath.workdps(400):
        for level, t in zip(levels.tolist(), log_snr_to_time(levels).tolist(), strict=True):
            truth = 1 / (1 + mpmath.e ** (mpmath.mpf(level) / 2))
            assert abs(t / truth - 1) < 1e-15
    t = torch.tensor([1e-12, 0.1, 0.5, 0.9, 1 - 2**-40], dtype=F64)
    assert error(log_snr_to_time(time_to_log_snr(t)), t) < 1e-14
    assert time_to_log_snr(0.5) == 0 and log_snr_to_time(0) == 0.5
    assert time_to_log_snr(torch.tensor([0.0, 1.0])).tolist() == [INF, -INF]
    assert log_snr_to_time(torch.tensor([INF, -INF])).tolist() == [0, 1]
    assert time_to_log_snr(0.25).dtype == log_snr_to_time(torch.tensor(1.0)).dtype == F64
    # the ratio of signal to noise is what the clock says
    assert error(time_to_log_snr(t), ((1 - t) ** 2 / t**2).log()) < 1e-11


# ---- the velocity


@pytest.mark.parametrize("t", [0.02, 0.3, 0.5, 0.97])
def test_velocity_of_a_law(t):
    x = torch.randn(5, 2, generator=seed(), dtype=F64)
    truth = exact(PLANE)(x, torch.full((5,), t, dtype=F64))
    assert error(line_velocity(PLANE, x, t), truth) < 1e-10 / t
    # the chain rule: x on the line is c times x of variance 1, and both the clock and c move
    c, level = math.hypot(t, 1 - t), 2 * math.log((1 - t) / t)
    by_flow = c * velocity(PLANE, x / c, level) * (-2 / (t * (1 - t))) + (2 * t - 1) / c**2 * x
    assert error(line_velocity(PLANE, x, t), by_flow) < 1e-10 / t


@pytest.mark.bad_input
def test_where_nothing_is_known_of_the_noise_it_is_refused():
    with pytest.raises(ValueError, match="1 - alpha_bar is 0"):
        line_velocity(PLANE, torch.zeros(2, 2, dtype=F64), 0.0)
    with pytest.raises(ValueError, match=r"t must lie in \[0, 1\]"):
        line_velocity(PLANE, torch.zeros(2, 2, dtype=F64), 1.1)


def test_at_pure_noise_all_go_to_the_mean():
    x = torch.randn(3, 2, generator=seed(), dtype=F64)
    mean = 0.6 * torch.tensor([-1.0, 0.5]) + 0.4 * torch.tensor([1.0, 0.0])
    assert error(line_velocity(PLANE, x, 1.0), x - mean) < 1e-7


@pytest.mark.parametrize("says", ["eps", "x0", "v"])
def test_velocity_of_a_network_whatever_it_says(says):
    q = ForwardProcess(Schedule.from_log_snr(torch.linspace(8, -8, 50, dtype=F64)))
    law = lambda x, level: getattr(Prediction(x, level, x0=PLANE.denoise(x, level[0])), says)
    p, x = DDPM(law, q, (2,), predicts=says), torch.randn(4, 2, generator=seed(), dtype=F64)
    for t in (0.1, 0.6):
        assert error(line_velocity(p, x, t), line_velocity(PLANE, x, t)) < 1e-12
    assert error(line_velocity(PLANE.denoise, x, 0.3), line_velocity(PLANE, x, 0.3)) < 1e-12
    told = DDPM(lambda x, level, y: x * y, q, (2,), predicts="v").given(y=2.0)
    # a = s there, and x of variance 1 is 2a as large: v is twice it, and the velocity 2a v
    assert error(line_velocity(told, x, 0.5), 4 * x) < 1e-12
    assert error(line_velocity(told, x, 0.0), x) < 1e-12  # no noise: x0 is x, and eps is v
    assert error(line_velocity(told, x, 1.0), 3 * x) < 1e-12  # noise alone: eps is x, and x0 is -v


def test_it_is_the_mean_of_those_who_come_by():
    x0, eps = (
        TWO.sample(2_000_000, seed())[:, 0],
        torch.randn(2_000_000, generator=seed(1), dtype=F64),
    )
    x_t = 0.6 * x0 + 0.4 * eps
    for x in (-1.0, 0.2, 1.0):
        near = (eps - x0)[(x_t - x).abs() < 0.01]
        within(near, line_velocity(TWO, torch.tensor([[x]], dtype=F64), 0.4).squeeze())


# ---- a velocity network as a denoiser


@pytest.mark.parametrize("noise_at", [0, 1])
def test_a_perfect_velocity_network_is_the_perfect_denoiser(noise_at):
    best = exact(PLANE)
    m = FlowMatching(best if noise_at else lambda x, t: -best(x, 1 - t), noise_at)
    x, levels = (
        torch.randn(3, 2, generator=seed(), dtype=F64),
        torch.tensor([-4.0, 0.0, 5.0], dtype=F64),
    )
    truth = as_denoiser(PLANE)(x, levels)
    assert error(m.denoise(x, levels), truth) < 1e-12
    assert error(as_denoiser(m)(x, levels), truth) < 1e-12
    assert error(m.velocity(x, 0.3), line_velocity(PLANE, x, 0.3)) < 1e-12
    assert torch.equal(line_velocity(m, x, 0.3), m.velocity(x, 0.3))


def test_all_of_part_two_takes_it():
    m, x = FlowMatching(exact(TWO)), torch.tensor([[-1.5], [0.3], [1.0]], dtype=F64)
    assert error(flow(m, x, -4.0, 3.0, 5), flow(TWO, x, -4.0, 3.0, 5)) < 1e-12
    one, other = (walk(law, x, -4.0, 3.0, 5, 1.0, seed()) for law in (m, TWO))
    assert error(one, other) < 1e-12
    net = FlowMatching(lambda x, t: torch.tanh(x) * t[:, None])
    rows, level, h = x.repeat(2, 1), torch.tensor(0.7), 1e-6
    by_hand = (velocity(net, x + h, level) - velocity(net, x - h, level))[:, 0] / (2 * h)
    assert error(divergence(net, x, level)[1][0], by_hand) < 1e-8 and len(rows) == 6
    low = log_prob_by_flow(net, x, 4.0, -4.0, tolerance=1e-6, second=False).log_prob
    assert low.isfinite().all()


def test_it_can_be_bounded():
    q = ForwardProcess(Schedule.from_log_snr(torch.linspace(6, -6, 12, dtype=F64)))
    m, x = FlowMatching(exact(TWO)), torch.tensor([[-1.5], [1.0]], dtype=F64)
    bounds = [
        elbo(q, DDPM(f, q, (1,), predicts="x0", variance="beta"), x, n=3, generator=seed()).total
        for f in (m, TWO)
    ]
    assert error(bounds[0], bounds[1]) < 1e-10


def test_a_module_trains_moves_and_is_told_things():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x, t, y=0.0):
            assert x.dtype == t.dtype == F32 and t.shape == x.shape[:1]
            return self.inner(x) + y

    m = FlowMatching(Net())
    assert len(list(m.parameters())) == 2
    x = torch.randn(3, 2, dtype=F64)
    assert m.denoise(x, 0.0).dtype == F64
    assert not torch.equal(m(x, 0.0), m(x, 0.0, y=1.0))
    flow_loss(m, x).mean().backward()
    assert all(w.grad.isfinite().all() for w in m.parameters())


# ---- the loss


def test_loss_by_hand():
    x0, eps = (torch.randn(4, 3, generator=seed(i), dtype=F64) for i in range(2))
    t = torch.tensor([0.1, 0.4, 0.6, 1.0], dtype=F64)
    m = FlowMatching(lambda x, t: 2 * x + t[:, None])
    x_t = x0 + t[:, None] * (eps - x0)
    truth = (2 * x_t + t[:, None] - eps + x0).square().mean(1)
    assert error(flow_loss(m, x0, t=t, eps=eps), truth) < 1e-12
    # a network in the other convention has the same loss
    other = FlowMatching(lambda x, t: -(2 * x + 1 - t[:, None]), noise_at=0)
    assert error(flow_loss(other, x0, t=t, eps=eps), truth) < 1e-12


def test_the_best_loss_is_what_nobody_can_know():
    "E|eps - x0 - u|^2 is E Var[x0 | x_t] / t^2."
    x0, t = TWO.sample(200_000, seed()), 0.5
    got = flow_loss(TWO, x0, seed(1), t=t)
    x_t = TWO.noised(0.0).sample(200_000, seed(2))
    within(got - TWO.denoise_moments(x_t, 0.0)[1][:, 0] / t**2, 0.0)


def test_times_are_uniform_and_the_same_seed_gives_the_same():
    times = []
    m = FlowMatching(lambda x, t: times.append(t) or x)
    one, two = (flow_loss(m, torch.zeros(1000, 1, dtype=F64), seed(3)) for _ in range(2))
    assert torch.equal(one, two) and not torch.equal(
        one, flow_loss(m, torch.zeros(1000, 1, dtype=F64), seed(4))
    )
    # one from each of 1000 strata
    assert torch.equal((times[0] * 1000).long().sort().values, torch.arange(1000))
    assert not torch.equal(times[0].sort().values, times[0])


# ---- the walk


@pytest.mark.parametrize("n", [1, 5, 40])
def test_a_straight_step_is_a_step_of_ddim(n):
    "On the same noise levels, to rounding, however few they are."
    levels = torch.linspace(-6, 6, n + 1, dtype=F64)
    q = ForwardProcess(Schedule.from_log_snr(levels.flip(0)))
    x = torch.randn(6, 2, generator=seed(), dtype=F64)
    y, p = x, DDPM(PLANE, q)
    for t in range(q.T, 1, -1):
        y = p.ddim(y, t).mean
    a, s = torch.sigmoid(levels).sqrt(), torch.sigmoid(-levels).sqrt()
    got = line_walk(PLANE, x / (a + s)[0], log_snr_to_time(levels)) * (a + s)[-1]
    assert error(got, y) < 1e-12


def test_its_limit_is_the_flow():
    z = torch.linspace(-2, 2, 5, dtype=F64)[:, None]
    ends = log_snr_to_time(torch.tensor([-8.0, 6.0]))
    c = ((1 - ends) ** 2 + ends**2).sqrt()
    truth = quantile_flow(TWO, z / c[0], -8.0, 6.0) * c[1]
    off = [
        error(line_walk(TWO, z, torch.linspace(*ends, n + 1, dtype=F64)), truth) for n in (150, 300)
    ]
    assert off[1] < 1.5e-2 and 1.8 < off[0] / off[1] < 2.2


def test_from_pure_noise_to_data_and_back():
    x = line_walk(
        PLANE, torch.randn(10_000, 2, generator=seed(), dtype=F64), torch.linspace(1, 0, 101)
    )
    truth = PLANE.sample(20_000, seed(1))
    for f in (lambda x: x, lambda x: x[:, :1] * x[:, 1:]):
        stderr = (f(x).var(0) / 10_000 + f(truth).var(0) / 20_000).sqrt()
        # the walk's own error, of the order of a step, comes on top
        assert ((f(x).mean(0) - f(truth).mean(0)).abs() < 5 * stderr + 0.01).all()
    m = FlowMatching(lambda x, t: torch.ones_like(x))
    assert error(line_walk(m, x, [0.1, 0.3, 1.0]), x + 0.9) < 1e-12


def test_a_trajectory_is_all_of_it():
    x, times = torch.randn(3, 2, dtype=F64), [1.0, 0.6, 0.1]
    path = line_walk(PLANE, x, times, trajectory=True)
    assert path.shape == (3, 3, 2) and error(path[0], x) < 1e-15
    assert torch.equal(path[-1], line_walk(PLANE, x, times))
    for i, (here, there) in enumerate(
        itertools.pairwise(times)
    ):  # straight steps, as it was written once
        step = (there - here) * line_velocity(PLANE, path[i], here)
        assert error(path[i + 1], path[i] + step) < 1e-14


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "times, words",
    [([1.0], "two or more"), ([1.0, 0.5, 0.5], "a step of 0"), ([0.1, 0.5, 0.3], "all rise or all fall"),
     ([1.0, -0.1], "times must lie in"), ([0.0, 0.5], "got inf"), ([[1.0, 0.5]], "1 dimension")],
)  # fmt: skip
def test_times_that_do_not_fit(times, words):
    with pytest.raises(ValueError, match=words):
        line_walk(PLANE, torch.zeros(1, 2, dtype=F64), times)


# ---- straight


def test_straightness():
    times = torch.tensor([1.0, 0.7, 0.4, 0.0], dtype=F64)
    start, way = torch.randn(5, 2, generator=seed(), dtype=F64), torch.tensor([2.0, 1.0], dtype=F64)
    assert straightness(start + (1 - times)[:, None, None] * way, times).abs().max() < 1e-24
    # a half circle of radius 1 in a time of 1: speed pi along it, 2 along its chord
    t = torch.linspace(0, 1, 4001, dtype=F64)
    circle = torch.stack([(math.pi * t).cos(), (math.pi * t).sin()], 1)[:, None]
    assert error(straightness(circle, t), torch.tensor([math.pi**2 - 4])) < 1e-5
    # in a time of 0.6 every speed is 1 / 0.6 of that, and its mean over time, not its sum, is meant
    part = straightness(circle, 0.2 + 0.6 * t)
    assert error(part, torch.tensor([(math.pi**2 - 4) / 0.6**2])) < 1e-5
    # the same way there and back, and on uneven times
    assert error(straightness(circle.flip(0), t.flip(0)), straightness(circle, t)) < 1e-10
    uneven = torch.tensor([0.0, 0.9, 1.0], dtype=F64)
    steps = torch.tensor([[0.0], [0.0], [1.0]], dtype=F64)
    # 0.9 at speed 0, 0.1 at speed 10, against 1
    assert error(straightness(steps, uneven), torch.tensor([0.9 * 1 + 0.1 * 81])) < 1e-12


@pytest.mark.bad_input
def test_a_path_that_does_not_fit():
    with pytest.raises(ValueError, match=r"path must have shape \(2, b, \*event\)"):
        straightness(torch.zeros(3, 1, 2), [1.0, 0.0])
    with pytest.raises(ValueError, match="path must have shape"):
        straightness(torch.zeros(2), [1.0, 0.0])


def test_pairs_are_the_cheapest_of_all():
    x0, eps = torch.randn(6, 2, 2, generator=seed()), torch.randn(6, 2, 2, generator=seed(1))
    paired = pair_noise(x0, eps)
    cost = lambda e: (x0 - e).square().sum().item()
    best = min(cost(eps[list(order)]) for order in itertools.permutations(range(6)))
    assert cost(paired) == pytest.approx(best, rel=1e-6)
    assert torch.equal(paired.flatten(1).sort(0).values, eps.flatten(1).sort(0).values)


def test_on_a_line_pairs_keep_their_order():
    x0, eps = TWO.sample(200, seed()), torch.randn(200, 1, generator=seed(1), dtype=F64)
    paired = pair_noise(x0, eps)
    assert torch.equal(x0[:, 0].argsort(), paired[:, 0].argsort())
    assert pair_noise(x0[:0], eps[:0]).shape == (0, 1)
    assert pair_noise(x0[:, 0], eps[:, 0]).shape == (200,)


def test_on_a_line_the_second_flow_is_straight_and_goes_nowhere_new():
    "The velocity of lines that never cross, found by bisection: one step is the quantile map."
    ranks = lambda z: quantile_flow(TWO, z, -INF, INF)

    def straight(x, t):
        low, high, t = x - 20, x + 20, t.view(-1, 1).to(x)
        for _ in range(48):
            z = (low + high) / 2
            under = (1 - t) * ranks(z) + t * z < x
            low, high = torch.where(under, z, low), torch.where(under, high, z)
        return z - ranks(z)

    m, z = FlowMatching(straight), torch.linspace(-2, 2, 5, dtype=F64)[:, None]
    times = torch.linspace(1, 0, 4, dtype=F64)
    path = line_walk(m, z, times, trajectory=True)
    assert straightness(path, times).max() < 1e-10
    assert straightness(line_walk(TWO, z, times, trajectory=True), times).min() > 1e-3
    assert error(path[-1], ranks(z)) < 1e-6
    assert error(line_walk(m, z, [1.0, 0.0]), ranks(z)) < 1e-12


# ---- all kinds of x


@pytest.mark.parametrize("dtype", [F16, F32, F64])
def test_any_event_any_dtype_no_rows_and_where_nothing_is_computed(dtype):
    half = FlowMatching(lambda x, t: 0.5 * x)
    for f in (
        lambda x: line_velocity(half, x, 0.5),
        lambda x: line_velocity(lambda y, v: y, x, 0.5),
        lambda x: line_walk(half, x, [1.0, 0.5, 0.0]),
        lambda x: half.denoise(x, 0.0),
    ):
        for shape in ((3,), (2, 5), (2, 1, 3, 3), (0, 2)):
            got = f(torch.ones(shape, dtype=dtype))
            assert got.shape == shape and got.dtype == dtype
        assert f(torch.ones(2, 3, dtype=dtype, device="meta")).is_meta
    x = torch.ones(2, 3, dtype=dtype)
    assert flow_loss(half, x).shape == (2,)
    assert flow_loss(half, torch.ones(2, 3, device="meta")).is_meta
    assert flow_loss(half, x[:0]).shape == (0,) and flow_loss(half, torch.ones(4)).shape == (4,)
    assert straightness(x[None].repeat(3, 1, 1), [0.0, 0.5, 1.0]).shape == (2,)


def test_one_time_for_each_and_gradients():
    x, t = torch.randn(3, 2, dtype=F64), torch.tensor([0.2, 0.5, 0.9], dtype=F64)
    each = torch.cat([line_velocity(PLANE, x[i : i + 1], t[i]) for i in range(3)])
    assert error(line_velocity(PLANE, x, t), each) < 1e-14
    assert error(line_velocity(PLANE.denoise, x, t.float()), each) < 1e-5
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: line_velocity(PLANE, x, 0.3), x)
    assert not line_walk(PLANE, x, [1.0, 0.5]).requires_grad
