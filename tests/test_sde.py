"The walk with dice: drift and dice, and the exponential step, against closed forms and the chains of Part I."

import math
from dataclasses import replace

import pytest
import torch

from diffusion_math import (
    DDPM,
    SOLVERS,
    ForwardProcess,
    GaussianMixture,
    Schedule,
    even_grid,
    flow,
    mean_and_stderr,
    solve,
    velocity,
    walk,
)
from diffusion_math.sde import diffusion, drift
from tests.truth import PLANE, TWO, Wrapped, error, seed, within

F32, F64, INF = torch.float32, torch.float64, math.inf


def bell(var):
    return GaussianMixture([1.0], torch.zeros(1, 1, dtype=F64), torch.tensor([var], dtype=F64))


def parts(level):
    "a^2 and s^2."
    return 1 / (1 + math.exp(-level)), 1 / (1 + math.exp(level))


# ---- drift and dice


@pytest.mark.parametrize("dial", [0.0, 0.4, 1.0, 3.0])
@pytest.mark.parametrize("level", [-12.0, -1.0, 0.0, 6.0])
def test_drift_is_the_flow_and_the_pull_that_pays_for_the_dice(level, dial):
    x, (_, s2) = torch.randn(5, 2, generator=seed(), dtype=F64), parts(level)
    score = Wrapped(PLANE).noised(level).score(x)
    truth = s2 / 2 * x + (1 + dial) * s2 / 2 * score
    assert error(drift(PLANE, x, level, dial), truth) < 1e-11
    assert error(diffusion(x, level, dial), (dial * s2) ** 0.5) < 1e-14
    assert error(drift(PLANE, x, level, 0.0), velocity(PLANE, x, level)) < 1e-14


@pytest.mark.parametrize("dial", [0.0, 0.5, 1.0, 2.0])
def test_the_density_obeys_fokker_planck(dial):
    "dq/dlambda = -d(q drift)/dx + diffusion^2/2 d^2q/dx^2, by autograd in float64."
    x = torch.linspace(-3, 3, 25, dtype=F64)[:, None]
    for level in (-3.0, 0.0, 2.0):
        density = lambda x, v=level: TWO.noised(v).log_prob(x).exp()
        h = 1e-4
        before, after = density(x, level - h), density(x, level + h)
        passing = lambda x, v=level, q=density: q(x, v)[:, None] * drift(TWO, x, v, dial)
        moved = -(passing(x + h) - passing(x - h))[:, 0] / (2 * h)
        k = 1e-3
        bend = (density(x + k) - 2 * density(x) + density(x - k)) / k**2
        spread = diffusion(x, level, dial).double() ** 2 / 2
        assert error((after - before) / (2 * h), moved + spread * bend) < 1e-5


def test_one_level_for_each_x():
    x, levels = torch.randn(3, 2, dtype=F64), torch.tensor([-1.0, 0.0, 4.0], dtype=F64)
    each = torch.cat([drift(PLANE, x[i : i + 1], levels[i], 0.7) for i in range(3)])
    assert error(drift(PLANE, x, levels, 0.7), each) < 1e-14
    assert diffusion(x, levels).shape == (3, 1)
    assert error(diffusion(x, levels)[:, 0], torch.sigmoid(-levels).sqrt()) < 1e-14
    assert diffusion(x.half(), 0.0).dtype == torch.float16


# ---- the step


def schedule(T, low=-7.0, high=5.0):
    return ForwardProcess(Schedule.from_log_snr(torch.linspace(high, low, T, dtype=F64)))


def test_at_dial_1_it_is_the_chain_of_part_1_and_at_0_it_is_ddim():
    q, x = schedule(9), torch.randn(4, 2, generator=seed(), dtype=F64)
    p, levels = DDPM(PLANE, q), q.schedule.log_snr
    for t in (9, 5, 2):
        here, there = levels[t].item(), levels[t - 1].item()
        still = walk(PLANE, x, here, there, 1, 0.0)
        assert error(still, p.ddim(x, t).mean) < 1e-12
        law = p.step(x, t)
        xi = torch.randn(4, 2, generator=seed(3), dtype=F64)
        assert error(walk(PLANE, x, here, there, 1, 1.0, seed(3)), law.mean + law.std * xi) < 1e-11


def test_down_at_dial_1_it_is_the_noising_itself_whatever_is_guessed():
    x = torch.randn(4, 2, generator=seed(1), dtype=F64)
    (a2, s2), (b2, t2) = parts(3.0), parts(-2.0)
    xi = torch.randn(4, 2, generator=seed(2), dtype=F64)
    truth = (b2 / a2) ** 0.5 * x + (t2 - b2 * s2 / a2) ** 0.5 * xi
    for guess in (PLANE, lambda x, v: 7 * x, lambda x, v: torch.sin(x)):
        assert error(walk(guess, x, 3.0, -2.0, 1, 1.0, seed(2)), truth) < 1e-11


@pytest.mark.parametrize("dial", [0.0, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("start, end", [(-9.0, 4.0), (4.0, -9.0)])
def test_a_bell_keeps_its_law(dial, start, end):
    "The step is linear for a bell: its variance by hand, which nears a^2 v + s^2 like 1 / steps."
    off = []
    for steps in (100, 200, 400):
        a2, s2 = parts(start)
        W, rho = 4 * a2 + s2, math.exp(-dial * abs(end - start) / steps / 2)
        for i in range(steps):
            (a2, s2), (b2, t2) = (parts(start + (end - start) * (i + k) / steps) for k in (0, 1))
            gain = a2**0.5 * 4 / (4 * a2 + s2)  # D = gain x
            factor = b2**0.5 * gain + (t2 / s2) ** 0.5 * rho * (1 - a2**0.5 * gain)
            W = factor**2 * W + t2 * (1 - rho**2)
            if i == 0:
                x = torch.tensor([[1.3]], dtype=F64)
                xi = torch.randn(1, 1, generator=seed(4), dtype=F64)
                one = factor * x + (t2 * (1 - rho**2)) ** 0.5 * xi
                there = start + (end - start) / steps
                assert error(walk(bell(4.0), x, start, there, 1, dial, seed(4)), one) < 1e-12
        b2, t2 = parts(end)
        off.append(abs(W / (4 * b2 + t2) - 1))
    exact = dial == 1 and end < start
    assert off[2] < 1e-12 if exact else off[2] < 0.03 and 1.8 < off[0] / off[1] < 2.2


@pytest.mark.parametrize("dial", [0.3, 1.0, 2.0])
def test_the_crowd_arrives_as_the_data(dial):
    x = walk(
        PLANE, torch.randn(8_000, 2, generator=seed(5), dtype=F64), -8.0, 3.0, 100, dial, seed(6)
    )
    truth = PLANE.noised(3.0).sample(20_000, seed(7))
    for f in (lambda x: x, lambda x: x**2, lambda x: x[:, :1] * x[:, 1:]):
        stderr = (f(x).var(0) / 8_000 + f(truth).var(0) / 20_000).sqrt()
        bias = 0.03  # of 100 steps
        assert ((f(x).mean(0) - f(truth).mean(0)).abs() < 5 * stderr + bias).all()


def test_without_dice_it_is_where_the_flow_goes():
    x = torch.randn(4, 2, generator=seed(8), dtype=F64)
    truth = flow(PLANE, x, -7.0, 4.0, 400)
    off = [error(walk(PLANE, x, -7.0, 4.0, n, 0.0), truth) for n in (100, 200)]
    assert off[1] < 0.03 and 1.8 < off[0] / off[1] < 2.2


def test_small_steps_have_the_drift_and_the_dice_of_the_equation():
    x, h = torch.randn(3, 2, generator=seed(9), dtype=F64), 1e-4
    draws = walk(PLANE, x.repeat(40_000, 1), 0.5, 0.5 + h, 1, 0.7, seed(10)).view(-1, 3, 2) - x
    within(draws, h * drift(PLANE, x, 0.5, 0.7))
    within((draws / h**0.5) ** 2, diffusion(x, 0.5, 0.7).expand(3, 2) ** 2, 5.5)


@pytest.mark.parametrize("solver", ["2m", "3m"])
def test_as_far_and_with_as_many_dice_as_it_takes(solver):
    "One step from end to end, and all of its noise anew: up the guess is left, down nothing but noise."
    x, dial = torch.randn(500, 2, dtype=F64), 1e6
    most = replace(SOLVERS[solver], dial=dial)
    for led in (walk, lambda f, x, a, b, n, dial, gen: solve(f, x, even_grid(a, b, n), most, gen)):
        up = led(lambda x, _: torch.ones_like(x), x, -80.0, 80.0, 1, dial, seed(1))
        assert (up - 1).abs().max() < 1e-15
        down = led(lambda x, _: torch.ones_like(x), x, 80.0, -80.0, 2, dial, seed(2))
        mean, error = mean_and_stderr(down.square().mean(1))
        assert abs(mean - 1) < 5 * error


def test_the_same_seed_the_same_walk_and_a_trajectory_is_all_of_it():
    x = torch.randn(3, 2, dtype=F64)
    path = walk(PLANE, x, -2.0, 3.0, 5, 0.5, seed(1), trajectory=True)
    assert path.shape == (6, 3, 2) and torch.equal(path[0], x)
    assert torch.equal(path[-1], walk(PLANE, x, -2.0, 3.0, 5, 0.5, seed(1)))
    assert not torch.equal(path[-1], walk(PLANE, x, -2.0, 3.0, 5, 0.5, seed(2)))
    torch.manual_seed(3)
    one = walk(PLANE, x, -2.0, 3.0, 5)
    torch.manual_seed(3)
    assert torch.equal(one, walk(PLANE, x, -2.0, 3.0, 5, 1.0))
    assert not walk(PLANE, x.requires_grad_(), -2.0, 3.0, 2).requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, F32, F64])
def test_any_event_any_dtype_no_rows_and_where_nothing_is_computed(dtype):
    for shape in ((3,), (2, 5), (2, 1, 3, 3), (0, 2)):
        for f in (walk, lambda d, x, *ends: drift(d, x, ends[0])):
            got = f(lambda y, v: y / 2, torch.ones(shape, dtype=dtype), -2.0, 2.0)
            assert got.shape == shape and got.dtype == dtype
    x = torch.ones(2, 3, device="meta")
    assert walk(lambda y, v: y, x, -2.0, 2.0, 3).is_meta and drift(lambda y, v: y, x, 0.0).is_meta
    assert diffusion(x, 0.0).is_meta or diffusion(x, 0.0).shape == ()
