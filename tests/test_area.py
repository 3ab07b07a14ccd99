"The area under the error: against densities, entropies, closed forms, and the bound of a chain."

import math

import pytest
import torch

from diffusion_math import (
    DDPM,
    Empirical,
    ForwardProcess,
    GaussianMixture,
    Schedule,
    bound_by_area,
    exact_elbo,
    linear_schedule,
    log_prob_by_area,
    noise_error,
)  # fmt: skip
from diffusion_math.area import (
    LogSNRLaw,
    area_estimate,
    best_variance,
    error_curve,
    learn_levels,
    normal_error,
)  # fmt: skip
from diffusion_math.gaussian import Gaussian
from tests.truth import seed

f64 = torch.float64
TWO = GaussianMixture(
    [0.3, 0.7], torch.tensor([[-2.0], [1.5]], dtype=f64), torch.tensor([0.02, 0.1], dtype=f64)
)
STRIPS = torch.linspace(-3.8, 3.8, 191, dtype=f64)[:, None]
WEIGHT = 0.04 * TWO.log_prob(STRIPS).exp()


def unit(x_1):
    return Gaussian(torch.zeros_like(x_1), 1.0)


def test_the_error_of_the_noise_is_that_of_x0_times_the_snr():
    x0, eps = torch.randn(2, 5, 3, generator=seed(), dtype=f64)
    level = torch.linspace(-3, 4, 5, dtype=f64)
    a, s = torch.sigmoid(level).sqrt()[:, None], torch.sigmoid(-level).sqrt()[:, None]
    says = lambda x_t, log_snr: 0.3 * x_t
    said = 0.3 * (a * x0 + s * eps)
    guess = (a * x0 + s * eps - a * said) / s
    assert torch.allclose(noise_error(says, x0, level, eps), (eps - guess).square().sum(1))


@pytest.mark.parametrize("event", [(), (2,), (1, 4, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, f64])
def test_the_unit_bell_s_error(event, dtype):
    x0, eps = torch.randn(2, 4, *event, generator=seed(), dtype=dtype)
    says = lambda x_t, v: torch.sigmoid(v).sqrt().to(x_t).view(-1, *[1] * len(event)) * x_t
    for level in (-2.0, 3.0, torch.tensor([-1.0, 0.0, 1.0, 2.0])):
        ours = normal_error(x0, level, eps)
        assert ours.dtype == dtype and ours.shape == (4,)
        assert torch.allclose(ours, noise_error(says, x0, level, eps), rtol=1e-4)


@pytest.mark.parametrize("v", [0.05, 1.0, 3.0])
def test_a_bell_s_curve_is_a_logistic_step_moved_sideways(v):
    bell = GaussianMixture([1.0], torch.zeros(1, 1, dtype=f64), torch.tensor([v], dtype=f64))
    x = torch.linspace(-8, 8, 321, dtype=f64)[:, None] * v**0.5
    weight = 0.05 * v**0.5 * bell.log_prob(x).exp()
    level = torch.linspace(-9, 9, 7, dtype=f64)
    curve = error_curve(bell, x, level) @ weight
    assert torch.allclose(curve, torch.sigmoid(level + math.log(v)), atol=1e-10, rtol=1e-10)


def test_the_area_is_the_density_at_each_point():
    x = torch.tensor([[-2.0], [-1.5], [0.0], [1.5], [4.0]], dtype=f64)
    assert torch.allclose(
        log_prob_by_area(TWO, x, nodes=160), TWO.log_prob(x), atol=1e-9, rtol=1e-9
    )
    plane = GaussianMixture([0.4, 0.6], torch.tensor([[-1.0, 0.5], [1.0, 0.0]], dtype=f64),
                            torch.tensor([0.3, 0.2], dtype=f64))  # fmt: skip
    y = torch.tensor([[0.0, 0.0]], dtype=f64)
    ours = log_prob_by_area(plane, y, nodes=40, step=0.5)
    assert torch.allclose(ours, plane.log_prob(y), atol=1e-6)


def test_the_area_of_a_coin_is_log_2():
    coin = Empirical(torch.tensor([[-1.0], [1.0]], dtype=f64))
    level = torch.linspace(-14, 6, 161, dtype=f64)
    curve = error_curve(coin, coin.means, level, 300).mean(1)
    area = torch.trapezoid(curve, level) + curve[0]
    assert abs(area.item() / 2 - math.log(2)) < 1e-6


def test_the_area_by_draws_has_an_honest_error():
    x = torch.tensor([[-2.0], [0.5], [1.5]], dtype=f64)
    ours = area_estimate(TWO, x, LogSNRLaw([-15, 15]), 8000, 16, normal=True, generator=seed())
    normal = -0.5 * (x[:, 0] ** 2 + math.log(math.tau))
    z = (normal - ours.total - TWO.log_prob(x)) / ours.stderr
    assert ours.replicates.shape == (16, 3) and z.abs().max() < 5
    again = area_estimate(TWO, x, LogSNRLaw([-15, 15]), 8000, 16, normal=True, generator=seed())
    assert torch.equal(again.total, ours.total)


def test_the_bound_of_infinitely_many_steps_is_the_limit_of_chains():
    schedule = Schedule.from_log_snr(torch.linspace(6, -8, 60, dtype=f64))
    p = DDPM(TWO, ForwardProcess(schedule))
    level = torch.linspace(-8, 6, 281, dtype=f64)
    middle = 0.5 * torch.trapezoid(error_curve(TWO, STRIPS, level, 64) @ WEIGHT, level)
    x0 = TWO.sample(4000, seed(1))
    ours = bound_by_area(p, x0, 8, decoder=unit, generator=seed(2))
    chain = exact_elbo(p.q, p, x0[:400], decoder=unit)
    rest = chain.prior.mean() + chain.reconstruction.mean()
    total = ours.total
    error = total.std() / len(total) ** 0.5 + chain.total.std() / 20
    assert abs(total.mean() - (middle + rest)) < 5 * error


def test_the_terms_of_a_chain_are_stairs_over_the_curve():
    schedule = Schedule.from_log_snr(torch.linspace(5, -7, 9, dtype=f64))
    q = ForwardProcess(schedule)
    steps = exact_elbo(q, DDPM(TWO, q), STRIPS, decoder=unit).steps @ WEIGHT
    stride = schedule.log_snr[1:-1] - schedule.log_snr[2:]
    error = error_curve(TWO, STRIPS, schedule.log_snr[2:]) @ WEIGHT
    assert torch.allclose(steps, 0.5 * torch.expm1(stride) * error, atol=1e-9, rtol=1e-9)


def test_levels_are_a_law_and_its_schedule():
    levels = LogSNRLaw([-4.0, 0.0, 1.0, 6.0], [2.0, 1.0, 1.0])
    u = torch.linspace(0, 1, 1001, dtype=f64)
    at = levels.at(u)
    assert (at.diff() > 0).all() and at[0] == -4 and at[-1] == 6 and at[500] == 0
    middle = (at[1:] + at[:-1]) / 2
    assert torch.allclose(levels.density(middle) * at.diff(), torch.full((1000,), 0.001, dtype=f64))
    assert levels.density(torch.tensor([-5.0, 7.0])).tolist() == [0, 0]


def test_a_density_in_proportion_to_a_size_whatever_the_widths():
    edges, size = (
        torch.tensor([-4.0, 0.0, 1.0, 6.0], dtype=f64),
        torch.tensor([2.0, 1.0, 3.0]).double(),
    )
    height = lambda levels: levels.density((edges[1:] + edges[:-1]) / 2)
    levels = LogSNRLaw.by_size(edges, size)
    assert torch.allclose(height(levels), size / (2 * 4 + 1 * 1 + 3 * 5), rtol=1e-12)
    # E[(size / density)^2] is then the square of the area under size, and no other density has less (Cauchy)
    square = lambda levels: (edges.diff() * size.square() / height(levels)).sum().item()
    assert square(levels) == pytest.approx(24**2, rel=1e-12)
    others = [LogSNRLaw(edges, row) for row in 0.1 + torch.rand(20, 3, generator=seed(), dtype=f64)]
    assert min(map(square, [LogSNRLaw(edges), *others])) > 24**2


def test_learning_begins_where_levels_are():
    levels = LogSNRLaw([-4.0, 0.0, 1.0, 6.0], [2.0, 1.0, 5.0])
    same = learn_levels(TWO, TWO.sample(2), levels, rounds=0)
    assert torch.allclose(same.shares, levels.shares, rtol=1e-12)


def test_the_levels_of_a_schedule():
    s = linear_schedule(100)
    whole, part = LogSNRLaw.of(s), LogSNRLaw.of(s, -5, 4)
    u = 1 - torch.arange(100, dtype=f64) / 99
    assert torch.allclose(whole.at(u), s.log_snr[1:], atol=1e-9, rtol=1e-9)
    assert part.edges[0] == -5 and part.edges[-1] == 4
    share = ((s.log_snr[1:] > -5) & (s.log_snr[1:] < 4)).double().sum() / 99
    ratio = part.density(torch.tensor([0.3])) / whole.density(torch.tensor([0.3]))
    assert abs(ratio.item() * share.item() - 1) < 0.03
    beyond = LogSNRLaw.of(s, -30, 30)
    assert torch.equal(beyond.edges, whole.edges) and torch.equal(beyond.shares, whole.shares)


def test_a_learned_schedule_scatters_less_and_keeps_its_ends():
    coin = Empirical(torch.tensor([[-1.0], [1.0]], dtype=f64))
    edges = torch.linspace(-8, 8, 21, dtype=f64)
    learned = learn_levels(coin, coin.sample(400, seed()), LogSNRLaw(edges), 200, 0.04, seed(1))
    assert torch.equal(learned.edges, edges) and (learned.shares > 0).all()

    def draws(levels):
        x0, g = coin.sample(60_000, seed(2)), seed(3)
        level = levels.at(torch.rand(len(x0), generator=g, dtype=f64))
        eps = torch.randn(x0.shape, generator=g, dtype=f64)
        return noise_error(coin, x0, level, eps) / (2 * levels.density(level))

    even, ours = draws(LogSNRLaw([-8, 8])), draws(learned)
    assert ours.var() < 0.5 * even.var()
    assert abs(ours.mean() - math.log(2)) < 5 * ours.std() / 60_000**0.5 + 1e-3


def test_the_best_constant_variance_is_the_best():
    q = ForwardProcess(Schedule.from_log_snr(torch.linspace(5, -7, 6, dtype=f64)))
    error = error_curve(TWO, STRIPS, q.schedule.log_snr[1:]) @ WEIGHT
    table = best_variance(q, torch.cat([torch.zeros(1), error]))

    def cost(factor):
        p = DDPM(TWO, q, variance=lambda t: factor * table[t])
        bound = exact_elbo(q, p, STRIPS)
        return torch.cat([bound.reconstruction[None], bound.steps]) @ WEIGHT

    least = cost(1.0)
    assert (cost(0.97) > least).all() and (cost(1.03) > least).all()
    posterior = exact_elbo(q, DDPM(TWO, q), STRIPS, decoder=unit).steps @ WEIGHT
    assert torch.allclose(least[1:], 0.5 * torch.log1p(2 * posterior), atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize(
    "weights, means, var, x",
    [([0.5, 0.5], [-20.0, 20.0], 1.0, 0.0), ([1.0], [0.0], 1e-12, 1e-6), ([0.5, 0.5], [-5.0, 5.0], 0.1, 0.0)],
)  # fmt: skip
def test_it_says_so_where_its_strips_and_ends_do_not_suffice(weights, means, var, x):
    means = torch.tensor(means, dtype=f64)[:, None]
    law = GaussianMixture(weights, means, torch.full((len(means),), var, dtype=f64))
    x = torch.tensor([[x]], dtype=f64)
    with pytest.warns(UserWarning, match=r"log_prob may be off by .* nats \(x0 0\)"):
        ours = log_prob_by_area(law, x)
    assert (ours - law.log_prob(x)).abs() > 0.1


@pytest.mark.parametrize("level", [-80.0, 0.0, 40.0, 80.0])
@pytest.mark.parametrize("dtype", [torch.float32, f64])
def test_every_level_has_an_answer_or_is_refused(level, dtype):
    x0, eps = torch.randn(2, 3, 2, generator=seed(), dtype=dtype)
    assert noise_error(lambda x, v: 0.5 * x, x0, level, eps).isfinite().all()
    assert (
        normal_error(x0, level, eps).isfinite().all() and normal_error(x0, level).isfinite().all()
    )
    for wrong in (90.0, math.inf, -math.inf):
        with pytest.raises(ValueError, match=r"log_snr must lie in \[-80, 80\]"):
            noise_error(lambda x, v: x, x0, wrong, eps)


def test_a_chain_of_one_step_has_no_middle():
    p = DDPM(TWO, ForwardProcess(linear_schedule(1)))
    with pytest.raises(ValueError, match="p must have steps between its two ends.*T = 1"):
        bound_by_area(p, TWO.sample(3, seed()), 8, decoder=unit)
