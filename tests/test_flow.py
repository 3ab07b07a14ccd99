"The noise-free walk: its velocity, the walk along it, and the exact flow of one number, against independent truth."

import math

import mpmath
import pytest
import torch
from scipy.integrate import solve_ivp

from diffusion_math import (
    DDPM,
    Empirical,
    ForwardProcess,
    GaussianMixture,
    Prediction,
    Schedule,
    flow,
    linear_schedule,
    quantile_flow,
    velocity,
)  # fmt: skip
from tests.truth import PLANE, TWO, Wrapped, error, seed

F32, F64, INF = torch.float32, torch.float64, math.inf


def bell(var, shape=(2,)):
    return GaussianMixture([1.0], torch.zeros(1, *shape, dtype=F64), torch.tensor([var], dtype=F64))


def variance(var, level):
    "Of x_t, if the data is N(0, var)."
    a2 = 1 / (1 + math.exp(-level))
    return a2 * var + 1 - a2


# ---- the velocity


@pytest.mark.parametrize("level", [-30.0, -3.0, 0.0, 2.5, 12.0])
def test_it_is_half_of_the_noise_variance_times_x_and_the_score(level):
    x = torch.randn(5, 2, generator=seed(), dtype=F64)
    s2 = torch.sigmoid(torch.tensor(-level, dtype=F64))
    truth = s2 / 2 * (x + Wrapped(PLANE).noised(level).score(x))
    assert error(velocity(PLANE, x, level), truth) < 1e-12
    said = Prediction(x, level, x0=PLANE.denoise(x, level))
    assert error(velocity(PLANE, x, level), said.velocity) < 1e-10


def test_one_level_for_each_x():
    x, levels = torch.randn(3, 2, dtype=F64), torch.tensor([-1.0, 0.0, 4.0], dtype=F64)
    each = torch.cat([velocity(PLANE, x[i : i + 1], levels[i]) for i in range(3)])
    assert error(velocity(PLANE, x, levels), each) < 1e-14
    assert error(velocity(PLANE.denoise, x, levels.float()), each) < 1e-14


def test_at_both_ends_nothing_moves():
    x = torch.randn(3, 2, dtype=F64)
    assert error(velocity(PLANE, x, -INF), 0 * x) == error(velocity(PLANE, x, INF), 0 * x) == 0


def test_gradients_pass():
    x = torch.randn(3, 2, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: velocity(PLANE, x, 0.3), x)


@pytest.mark.parametrize("f", [lambda x: velocity(lambda y, v: y, x, 0.0),
                               lambda x: flow(lambda y, v: y, x, -2.0, 2.0, 3)])  # fmt: skip
@pytest.mark.parametrize("dtype", [torch.float16, F32, F64])
def test_any_event_any_dtype_no_rows_and_where_nothing_is_computed(f, dtype):
    for shape in ((3,), (2, 5), (2, 1, 3, 3), (0, 2)):
        got = f(torch.ones(shape, dtype=dtype))
        assert got.shape == shape and got.dtype == dtype
    assert f(torch.ones(2, 3, device="meta")).is_meta


# ---- the walk


@pytest.mark.parametrize("start, end", [(-8.0, 6.0), (6.0, -8.0), (-1.0, 1.0)])
def test_a_bell_keeps_its_deviations(start, end):
    x = torch.randn(4, 2, generator=seed(1), dtype=F64)
    truth = x * (variance(4.0, end) / variance(4.0, start)) ** 0.5
    off = [error(flow(bell(4.0), x, start, end, n), truth) for n in (100, 200, 400)]
    assert off[2] < 2e-4 and 3.4 < off[0] / off[1] < 4.6 and 3.6 < off[1] / off[2] < 4.4


def test_it_is_the_curve_that_a_solver_of_scipy_follows():
    x, ends = torch.randn(1, 2, generator=seed(2), dtype=F64), (-6.0, 4.0)
    rate = lambda level, y: velocity(PLANE, torch.tensor(y)[None], level)[0].numpy()
    truth = solve_ivp(rate, ends, x[0].numpy(), method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
    assert error(flow(PLANE, x, *ends, 1500)[0], torch.tensor(truth)) < 2e-5


def test_there_and_back():
    x = PLANE.noised(5.0).sample(6, seed(3))
    for n, most in ((50, 2e-2), (400, 4e-4)):
        assert error(flow(PLANE, flow(PLANE, x, 5.0, -7.0, n), -7.0, 5.0, n), x) < most


def test_the_crowd_arrives_as_the_data():
    x = flow(PLANE, torch.randn(20_000, 2, generator=seed(4), dtype=F64), -9.0, 5.0, 60)
    law = PLANE.noised(5.0)
    truth = law.sample(20_000, seed(5))
    for f in (lambda x: x, lambda x: x**2, lambda x: x[:, :1] * x[:, 1:]):
        stderr = ((f(x).var(0) + f(truth).var(0)) / 20_000).sqrt()
        assert ((f(x).mean(0) - f(truth).mean(0)).abs() < 5 * stderr).all()


def test_a_trajectory_is_all_of_it():
    x = torch.randn(3, 2, dtype=F64)
    path = flow(PLANE, x, -2.0, 3.0, 5, trajectory=True)
    assert path.shape == (6, 3, 2) and torch.equal(path[0], x)
    assert torch.equal(path[-1], flow(PLANE, x, -2.0, 3.0, 5))
    assert error(path[1], flow(PLANE, x, -2.0, -1.0, 1)) < 1e-14


def test_heun_by_hand_and_two_calls_a_step():
    told = []

    def denoise(x, level):
        told.append(level[0].item())
        return 0.5 * x

    x, u = torch.tensor([[1.0]], dtype=F64), lambda x, a: a / 2 * (0.5 * x - a * x)
    got = flow(denoise, x, -1.0, 1.0, 2)
    a = [(1 / (1 + math.exp(-v))) ** 0.5 for v in (-1.0, 0.0, 1.0)]
    for here, there in ((a[0], a[1]), (a[1], a[2])):
        x = x + (u(x, here) + u(x + u(x, here), there)) / 2
    assert error(got, x) < 1e-14 and told == [-1.0, 0.0, 0.0, 1.0]


def test_half_precision_is_walked_in_float32():
    x = torch.randn(3, 2, generator=seed()).half()
    truth = flow(bell(4.0), x.double(), -5.0, 3.0, 50)
    assert error(flow(bell(4.0).to(F32), x, -5.0, 3.0, 50).double(), truth) < 2e-3
    assert error(flow(bell(4.0), x.float(), -5.0, 3.0, 50).double(), truth) < 1e-5


def test_it_is_where_ddim_goes_and_keeps_no_gradients():
    q = ForwardProcess(Schedule.from_log_snr(torch.linspace(5, -6, 801, dtype=F64)))
    x = torch.randn(4, 2, generator=seed(6), dtype=F64, requires_grad=True)
    y, p = x.detach(), DDPM(PLANE, q)
    for t in range(q.T, 1, -1):
        y = p.ddim(y, t).mean
    got = flow(p, x, -6.0, 5.0, 400)
    assert error(got, y) < 2e-2 and not got.requires_grad


# ---- the exact flow of one number


def share(law, x, level, upper):
    "The share to the left of x (or to its right), to 60 digits."
    a2 = 1 / (1 + mpmath.e ** (-mpmath.mpf(level)))
    total = mpmath.mpf(0)
    for w, m, v in zip(law.weights, law.means.flatten(), law.components.var.flatten(), strict=True):
        z = (mpmath.mpf(x) - mpmath.sqrt(a2) * m.item()) / mpmath.sqrt(a2 * v.item() + 1 - a2)
        total += w.item() * mpmath.ncdf(-z if upper else z)
    return total


@pytest.mark.parametrize("start, end", [(-6.0, 9.0), (9.0, -6.0), (-1.0, 0.5)])
def test_the_rank_stays_to_many_digits_in_the_tails_too(start, end):
    x = torch.tensor([-18.0, -5.0, -0.4, 0.3, 2.0, 17.0], dtype=F64)[:, None]
    got = quantile_flow(TWO, x, start, end)
    with mpmath.workdps(60):
        for here, there in zip(x.flatten().tolist(), got.flatten().tolist(), strict=True):
            upper = here > 0
            before, after = share(TWO, here, start, upper), share(TWO, there, end, upper)
            slope = (share(TWO, there + 1e-9, end, upper) - after) / after * 1e9
            off = abs((after / before - 1) / slope)  # how far y is off
            assert off < 2e-13 * max(1, abs(there))


def test_all_noise_and_none():
    z = torch.linspace(-3, 3, 13, dtype=F64)[:, None]
    y = quantile_flow(TWO, z, -INF, INF)
    with mpmath.workdps(40):
        for one, there in zip(z.flatten().tolist(), y.flatten().tolist(), strict=True):
            assert abs(share(TWO, there, 700, False) / mpmath.ncdf(one) - 1) < 1e-10
    assert error(quantile_flow(TWO, y, INF, -INF), z) < 1e-10
    assert error(quantile_flow(bell(4.0, (1,)), z, -INF, INF), 2 * z) < 1e-14


@pytest.mark.parametrize("start, end", [(-7.0, 6.0), (6.0, -7.0)])
def test_the_walk_ends_where_the_rank_says(start, end):
    x = TWO.noised(start).sample(9, seed(7))
    truth = quantile_flow(TWO, x, start, end)
    off = [error(flow(TWO, x, start, end, n), truth) for n in (400, 800)]
    assert off[1] < 5e-4 and 3.5 < off[0] / off[1] < 4.5


def test_the_velocity_is_the_slope_of_the_exact_flow():
    x = torch.linspace(-3, 3, 9, dtype=F64)[:, None]
    for level in (-4.0, 0.0, 3.0):
        up, down = (quantile_flow(TWO, x, level, level + h) for h in (1e-4, -1e-4))
        assert error((up - down) / 2e-4, velocity(TWO, x, level)) < 1e-7


def test_shapes_dtypes_and_components_that_are_not_there():
    flat = GaussianMixture([0.3, 0.7], torch.tensor([-2.0, 1.5]), torch.tensor([0.1, 0.3]))
    x = torch.tensor([-1.0, 0.2])
    got = quantile_flow(flat, x, -4.0, 4.0)
    assert got.shape == (2,) and got.dtype == F32
    law = GaussianMixture(
        [0.3, 0.7, 0.0], torch.tensor([[-2.0], [1.5], [9.0]]), torch.tensor([0.1, 0.3, 0.1])
    )
    assert error(quantile_flow(law, x[:, None], -4.0, 4.0)[:, 0], got) < 1e-6
    tuples = torch.ones(2, 1, 1), torch.tensor([[0.1], [0.3]]), torch.tensor([5.0, 5.0])
    low_rank = GaussianMixture([0.3, 0.7], torch.tensor([[-2.0], [1.5]]), tuples)
    assert error(quantile_flow(low_rank, x[:, None], -4.0, 4.0)[:, 0], got) < 1e-6
    assert quantile_flow(flat, x[:0], 0.0, 1.0).shape == (0,)


@pytest.mark.bad_input
def test_what_does_not_fit_is_refused():
    x = torch.zeros(2, 1, dtype=F64)
    with pytest.raises(ValueError, match="end must differ from start"):
        flow(TWO, x, 2.0, 2.0)
    with pytest.raises(ValueError, match="point mass at end"):
        quantile_flow(Empirical(x), x, 0.0, INF)
    assert torch.isfinite(quantile_flow(Empirical(x), x, -1.0, 6.0)).all()
    with pytest.raises(ValueError, match="alpha_bar is 0"):
        q = ForwardProcess(linear_schedule(10))
        velocity(DDPM(lambda y, v: y, q), x, -INF)
