"""ReverseProcess and ExactReverse against Bayes' rule on a grid, quadrature, Monte Carlo, exact distribution functions.

`error` is the largest |a - b| / max(1, |b|). A Monte Carlo test fails at five sigma.
"""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math import ExactReverse, ReverseProcess
from diffusion_math.forward import (
    ForwardProcess,
    Schedule,
    constant_schedule,
    cosine_schedule,
    linear_schedule,
)
from diffusion_math.gaussian import Gaussian
from diffusion_math.laws.mixture import Empirical, GaussianMixture
from tests.truth import Wrapped, error, seed

F32, F64 = torch.float32, torch.float64
INF = math.inf
FIVE_SIGMA = 2 * scipy.stats.norm.sf(5)
BETAS = [0.02, 0.3, 0.1, 0.9, 0.05]
GRID = torch.linspace(-14, 14, 5601, dtype=F64)
H = 28 / 5600
X_T = torch.tensor([[-2.5], [-0.3], [0.0], [0.8], [3.0]], dtype=F64)


def line(weights=(0.3, 0.7), means=(-2.0, 1.5), var=(0.02, 0.1)):
    "A mixture in one dimension."
    means, var = (torch.tensor(v, dtype=F64)[:, None] for v in (means, var))
    return GaussianMixture(list(weights), means, var)


def plane(k=3, d=2, draw=0, event=None):
    "A mixture of tilted Gaussians."
    g = seed(draw)
    root = torch.randn(k, d, d, generator=g, dtype=F64)
    covs = root @ root.mT / (4 * d) + 0.02 * torch.eye(d, dtype=F64)
    means = 1.5 * torch.randn(k, d, generator=g, dtype=F64)
    weights = torch.rand(k, generator=g, dtype=F64) + 0.3
    return GaussianMixture(weights / weights.sum(), means.view(k, *(event or (d,))), covs), covs


def process(betas=BETAS):
    return ForwardProcess(Schedule.from_beta(betas))


def by_bayes(law, q, x_t, t):
    "q(x_{t-1} | x_t) on the grid for each x_t of a (b, 1) tensor: (b, grid), by Bayes' rule."
    before = law.noised(q.schedule.log_snr[t - 1]).log_prob(GRID[:, None])
    scale, var = (1 - q.schedule.beta[t]).sqrt(), q.schedule.beta[t]
    log = -0.5 * (x_t - scale * GRID) ** 2 / var + before
    density = (log - log.amax(1, keepdim=True)).exp()
    return density / (density.sum(1, keepdim=True) * H)


def moments(density):
    mean = (density * GRID).sum(1, keepdim=True) * H
    return mean, (density * (GRID - mean) ** 2).sum(1, keepdim=True) * H


def log_bell(y, mean, var):
    return -0.5 * ((y - mean) ** 2 / var + torch.log(2 * math.pi * torch.as_tensor(var)))


def below(weights, means, var):
    "The distribution function of a mixture in one dimension, by scipy."

    def cdf(z):
        parts = zip(weights, means, var, strict=True)
        return sum(w * scipy.stats.norm.cdf(z, m, v**0.5) for w, m, v in parts)

    return cdf


def surprise(samples, cdf):
    "The probability that honest samples are as far from the distribution function [Kolmogorov-Smirnov]."
    return scipy.stats.kstest(samples.flatten().numpy(), cdf).pvalue


class Same(ReverseProcess):
    "A process with nothing but a step: the right one for data from N(0, I)."

    def step(self, x_t, t):
        s = self.q.schedule
        return Gaussian(s.alpha[t].sqrt() * x_t, s.beta[t])


# ---- the moments of q(x_{t-1} | x_t)


@pytest.mark.parametrize("t", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "law", [line(), line((0.5, 0.2, 0.3), (-3, 0, 1), (0.5, 0.1, 2.0))], ids=["two", "three"]
)
def test_mean_and_variance_by_bayes_on_a_grid(law, t):
    q = process()
    mean, var = moments(by_bayes(law, q, X_T, t))
    step = ExactReverse(q, law).step(X_T, t)
    assert error(step.mean, mean) < 1e-10 and error(step.var, var) < 1e-10
    assert (
        error(step.mean, q.posterior(X_T, torch.zeros_like(X_T), t).mean) > 1e-3
    )  # it did ask the distribution


@pytest.mark.parametrize("t", [2, 4])
def test_the_average_of_the_posterior_over_x0_is_the_step_back(t):
    "q(x_{t-1} | x_t) = integral of q(x_{t-1} | x_t, x_0) q(x_0 | x_t), all on the grid."
    law, q, x_t = line(), process(), 0.4
    jump = q.marginal(GRID[:, None], t)
    guess = law.log_prob(GRID[:, None]).exp() * log_bell(x_t, jump.mean[:, 0], jump.var).exp()
    guess = guess / (guess.sum() * H)
    posterior = q.posterior(torch.full_like(GRID[:, None], x_t), GRID[:, None], t)
    y = GRID[::100]
    average = (guess[:, None] * log_bell(y, posterior.mean, posterior.var).exp()).sum(0) * H
    assert error(average, by_bayes(law, q, torch.full((1, 1), x_t, dtype=F64), t)[0, ::100]) < 1e-10
    now = torch.full((1, 1), x_t, dtype=F64)
    assert error(average, law.reverse_step(now, q, t).log_prob(y[:, None]).exp()) < 1e-10


@pytest.mark.parametrize("event", [(), (4,), (1, 2, 2)], ids=str)
@pytest.mark.parametrize("t", [1, 2, 5])
def test_moments_are_those_of_the_exact_mixture(event, t):
    q = process()
    d = math.prod(event)
    numbers = GaussianMixture(
        [0.4, 0.6], torch.tensor([-1.0, 2.0], dtype=F64), torch.tensor([0.3, 0.1])
    )
    law = plane(d=d, event=event)[0] if event else numbers
    x_t = law.noised(q.schedule.log_snr[t]).sample(6, seed(1))
    step = ExactReverse(q, law).step(x_t, t)
    assert step.mean.shape == x_t.shape
    for i in range(6):
        back = law.reverse_step(x_t[i : i + 1], q, t)
        draws = back.sample(20_000, seed(2))
        n, var = len(draws), step.var.expand_as(x_t)[i]
        mean = torch.einsum("k,k...->...", back.weights, back.means)
        assert error(step.mean[i], mean) < 1e-12
        off = (draws - step.mean[i]).square()
        assert ((off.mean(0) - var).abs() < 5 * off.std(0) / n**0.5).all()


def test_the_variance_of_each_coordinate_by_quadrature_in_the_plane():
    law, _ = plane()
    q, t, side = process(), 3, torch.linspace(-9, 9, 451, dtype=F64)
    y = torch.cartesian_prod(side, side)
    for x in torch.tensor([[[0.3, -0.7]], [[2.0, 0.1]]], dtype=F64):
        log = q.step(y, t).log_prob(x) + law.noised(q.schedule.log_snr[t - 1]).log_prob(y)
        share = log.softmax(0)
        mean = share @ y
        step = ExactReverse(q, law).step(x, t)
        assert error(step.mean[0], mean) < 1e-9
        assert error(step.var[0], share @ (y - mean) ** 2) < 1e-9


def test_draws_of_the_pair_have_the_moments():
    "A million pairs (x_{t-1}, x_t) of the chain: x_{t-1} is off the step's mean by nothing but its variance."
    law, q, t = line(), process(), 3
    x = q.marginal(law.sample(500_000, seed(1)), t - 1).sample(seed(2))
    x_t = q.step(x, t).sample(seed(3))
    step = ExactReverse(q, law).step(x_t, t)
    for weight in (torch.ones_like(x), x_t, x_t.sin(), (x_t > 0.5).double()):
        for score in (weight * (x - step.mean), weight * ((x - step.mean) ** 2 - step.var)):
            assert score.mean().abs() < 5 * score.std() / len(score) ** 0.5
    wrong = (x - step.mean) ** 2 - q.schedule.beta[t]
    assert wrong.mean().abs() > 5 * wrong.std() / len(wrong) ** 0.5


def test_a_step_back_of_the_noised_law_is_the_noised_law():
    "x_t ~ q(x_t), then x_{t-1} ~ q(x_{t-1} | x_t) drawn by reverse_step: x_{t-1} ~ q(x_{t-1})."
    law, q, t = line(), process(), 4
    x_t = law.noised(q.schedule.log_snr[t]).sample(600, seed(5))
    back = torch.cat(
        [law.reverse_step(x, q, t).sample(1, seed(i)) for i, x in enumerate(x_t.split(1))]
    )
    s, v = q.schedule.alpha_bar[t - 1].item(), q.schedule.noise_var[t - 1].item()
    cdf = below((0.3, 0.7), (-2 * s**0.5, 1.5 * s**0.5), (0.02 * s + v, 0.1 * s + v))
    assert surprise(back, cdf) > FIVE_SIGMA
    assert surprise(x_t, cdf) < FIVE_SIGMA


# ---- the best Gaussian, and how far from it


@given(st.floats(-1, 1), st.floats(-2, 2), st.floats(0.05, 0.95))
def test_no_other_gaussian_is_closer(shift, log_ratio, beta):
    law, q, now = line(), process([0.1, beta]), torch.tensor([[0.2]], dtype=F64)
    density = by_bayes(law, q, now, 2)[0]
    step = ExactReverse(q, law).step(now, 2)
    best, other = step, Gaussian(step.mean + shift, step.var * math.exp(log_ratio))
    gain = (
        density * (log_bell(GRID, best.mean, best.var) - log_bell(GRID, other.mean, other.var))
    ).sum() * H
    assert gain > -1e-10


def distances(law, q):
    "KL from q(x_1 | x_2) to N(mean, var) and to N(mean, beta), averaged over q(x_2); integrates r log r - r + 1."
    x, u = torch.linspace(-6, 6, 121, dtype=F64)[:, None], torch.linspace(-12, 12, 801, dtype=F64)
    ask = lambda g, z: g.log_prob(z.reshape(-1, 1)).view(z.shape)
    level, step = q.schedule.log_snr, ExactReverse(q, law).step(x, 2)
    y = step.mean + step.std * u
    log_q = ask(q.step(y.reshape(-1, 1), 2), x.expand(y.shape)) + ask(law.noised(level[1]), y)
    log_q = log_q - ask(law.noised(level[2]), x)
    weight = law.noised(level[2]).log_prob(x).exp()
    out = []
    for var in (step.var, q.schedule.beta[2]):
        log_n = log_bell(y, step.mean, var)
        log_r = log_q - log_n
        kl = (
            (log_n.exp() * (log_r * log_r.exp() - torch.expm1(log_r))).sum(1)
            * step.std[:, 0]
            * 0.03
        )
        out.append(((kl * weight).sum() / weight.sum()).item())
    return out


@pytest.mark.parametrize("t", [100, 200, 400])
def test_the_distance_falls_as_beta_cubed_and_with_variance_beta_as_its_square(t):
    "And by the constants that the expansion of log q_{t-1} predicts: E[g3^2] / 12 and E[(1 + g2)^2] / 4."
    law, signal = line(), linear_schedule().alpha_bar[t].item()
    betas = np.array([1e-4, 2e-4, 5e-4])
    best, plain = np.array([distances(law, process([1 - signal, b])) for b in betas]).T
    assert abs(np.polyfit(np.log(betas), np.log(best), 1)[0] - 3) < 0.05
    assert abs(np.polyfit(np.log(betas), np.log(plain), 1)[0] - 2) < 0.01
    before = law.noised(linear_schedule().log_snr[t])
    g = [torch.linspace(-6, 6, 1201, dtype=F64)[:, None].requires_grad_()]
    weight = before.log_prob(g[0]).exp().detach()
    g.append(before.log_prob(g[0]))
    for _ in range(3):
        g.append(torch.autograd.grad(g[-1].sum(), g[0], create_graph=True)[0][:, 0])
    average = lambda f: ((f * weight).sum() / weight.sum()).item()
    assert best[0] == pytest.approx(average(g[4] ** 2) / 12 * betas[0] ** 3, rel=0.01)
    assert plain[0] == pytest.approx(average((1 + g[3]) ** 2) / 4 * betas[0] ** 2, rel=0.01)


@pytest.mark.parametrize("beta", [1e-4, 0.1, 0.5, 0.999, 1.0])
def test_gaussian_data_the_step_back_is_exact_at_any_beta(beta):
    law = GaussianMixture([1.0], torch.tensor([[0.7]], dtype=F64), torch.tensor([[0.3]], dtype=F64))
    assert distances(law, process([0.3, beta]))[0] < 1e-25


@pytest.mark.parametrize("beta", [1e-3, 0.4, 1.0])
def test_gaussian_data_of_independent_coordinates_is_exact_in_any_dimension(beta):
    law = GaussianMixture([1.0], torch.randn(1, 3, dtype=F64), torch.rand(1, 3, dtype=F64) + 0.1)
    q, y = process([0.2, beta, 0.1]), torch.randn(7, 3, dtype=F64)
    for t in (1, 2, 3):
        x = torch.randn(1, 3, dtype=F64)
        step = ExactReverse(q, law).step(x, t)
        assert error(step.log_prob(y), law.reverse_step(x, q, t).log_prob(y)) < 1e-10


# ---- edges


def test_one_step_is_the_whole_way():
    law, q, x = line(), process([0.3]), X_T
    step, level = ExactReverse(q, law).step(x, 1), q.schedule.log_snr[1]
    assert error(step.mean, law.denoise(x, level)) < 1e-12
    assert error(step.var, law.denoise_cov(x, level, diag=True)) < 1e-12
    assert ExactReverse(q, law).sample(4).shape == (4, 1)


def test_without_noise_the_step_back_stays():
    q = process([0.0, 0.0, 0.2, 0.0])
    for law in (line(), Empirical(torch.tensor([[-1.0], [1.0]], dtype=F64))):
        p = ExactReverse(q, law)
        for t in (1, 2):
            step = p.step(X_T, t)
            assert torch.equal(step.mean, X_T) and (step.var == 0).all()
            assert torch.equal(step.sample(), X_T)
        late = p.step(X_T, 4)  # beta_4 = 0 with noise from before: x_3 is x_4
        assert error(late.mean, X_T) < 1e-12 and late.var.max() < 1e-12


def test_where_nothing_is_remembered_the_step_is_the_noised_law():
    "beta = 1: mean and variance of q(x_{t-1}), whatever x_t is; and further on, of N(0, I)."
    law, q = line(), process([0.2, 1.0, 0.3])
    s, v = q.schedule.alpha_bar[1], q.schedule.noise_var[1]
    mean0, var0 = 0.3 * -2 + 0.7 * 1.5, 0.3 * (4 + 0.02) + 0.7 * (2.25 + 0.1) - 0.45**2
    step = ExactReverse(q, law).step(X_T, 2)
    assert error(step.mean, torch.full_like(X_T, s.sqrt() * mean0)) < 1e-12
    assert error(step.var, torch.full_like(X_T, s * var0 + v)) < 1e-12
    after = ExactReverse(q, law).step(X_T, 3)
    assert error(after.mean, 0.7**0.5 * X_T) < 1e-12
    assert error(after.var.expand(5, 1), torch.full_like(X_T, 0.3)) < 1e-12


def test_a_variance_of_0_gives_the_mean_exactly():
    data = torch.tensor([[0.3, -1.0]], dtype=F64)
    p = ExactReverse(linear_process(20), Empirical(data))
    assert torch.equal(p.step(torch.randn(5, 2, dtype=F64), 1).sample(), data.expand(5, 2))
    assert torch.equal(p.sample(6), data.expand(6, 2))


def linear_process(T):
    return ForwardProcess(linear_schedule(T))


def test_the_training_set_can_only_repeat_itself():
    data = torch.randn(30, 1, 3, 3, dtype=F64)
    out = ExactReverse(linear_process(60), Empirical(data)).sample(400, seed(1))
    gap = (out[:, None] - data).abs().amax((2, 3, 4))
    assert gap.amin(1).max() < 1e-9
    assert (
        torch.bincount(gap.argmin(1), minlength=30) > 0
    ).sum() > 25  # all of it, not one picture


# ---- walks


@pytest.fixture(params=[(), (2,), (1, 3, 3)], ids=str)
def same(request):
    return Same(ForwardProcess(constant_schedule(0.2, 7)), request.param)


def test_a_subclass_needs_only_step(same):
    out = same.sample(5)
    assert out.shape == (5, *same.event_shape) and out.dtype == torch.get_default_dtype()
    assert same.T == 7 and isinstance(same.event_shape, torch.Size)
    assert repr(same) == f"Same(T=7, event_shape={tuple(same.event_shape)})"


def test_the_prior_is_a_standard_bell(same):
    like = torch.full((3, *same.event_shape), 7.0, dtype=F64)
    prior = same.prior(like)
    assert prior.mean.dtype == F64 and torch.equal(prior.mean, torch.zeros_like(like))
    x = torch.randn_like(like)
    assert (
        error(prior.log_prob(x), torch.distributions.Normal(0, 1).log_prob(x).reshape(3, -1).sum(1))
        < 1e-12
    )


def test_a_sample_is_the_prior_and_then_each_step(same):
    draw, x = seed(3), torch.empty(4, *same.event_shape)
    by_hand = [same.prior(x).sample(draw)]
    for t in (7, 6, 5, 4, 3, 2, 1):
        by_hand.insert(0, same.step(by_hand[0], t).sample(draw))
    path = same.sample(4, seed(3), trajectory=True)
    assert path.shape == (8, 4, *same.event_shape)
    assert torch.equal(path, torch.stack(by_hand))
    assert torch.equal(same.sample(4, seed(3)), path[0])
    assert torch.equal(same.sample(4, generator=seed(3), progress=True), path[0])
    assert not torch.equal(same.sample(4, seed(4)), path[0])


def test_without_a_generator_the_global_seed_rules(same):
    torch.manual_seed(5)
    first = same.sample(3)
    torch.manual_seed(5)
    assert torch.equal(same.sample(3), first)


def test_the_progress_bar(same, capsys):
    same.sample(2)
    assert capsys.readouterr().err == ""
    same.sample(2, progress=True)
    assert "7/7" in capsys.readouterr().err


def test_no_walks(same):
    assert same.sample(0).shape == (0, *same.event_shape)
    assert same.sample(0, trajectory=True).shape == (8, 0, *same.event_shape)
    assert same.sample(np.int64(2)).shape == (2, *same.event_shape)


def test_none_of_the_prior_is_forgotten():
    "The density of a path is the product of its steps; for a stationary process it reads the same both ways."
    q = ForwardProcess(constant_schedule(0.3, 6))
    p = Same(q, (2,))
    path = p.sample(9, seed(1), trajectory=True, like=torch.empty(0, dtype=F64))
    unit = p.prior(path[0])
    back = unit.log_prob(path[6]) + sum(
        p.step(path[t], t).log_prob(path[t - 1]) for t in range(1, 7)
    )
    there = unit.log_prob(path[0]) + sum(
        q.step(path[t - 1], t).log_prob(path[t]) for t in range(1, 7)
    )
    assert error(back, there) < 1e-12


def test_a_law_that_cannot_say_what_is_expected_of_x0_is_not_asked_at_the_end():
    "No signal at T: what is derived from the score refuses, a mixture knows its mean."
    law, q = plane()[0], ForwardProcess(Schedule.from_alpha_bar([0.5, 0.0]))
    x = torch.zeros(2, 2, dtype=F64)
    with pytest.raises(ValueError, match="log_snr must be above .*, got -inf"):
        ExactReverse(q, Wrapped(law)).step(x, 2)
    assert ExactReverse(q, law).step(x, 2).mean.isfinite().all()


# ---- where the numbers live


def test_like_names_dtype_and_device(same):
    out = same.sample(2, like=torch.zeros(1, dtype=F64))
    assert out.dtype == F64
    assert same.sample(2, like=torch.empty(5, 4, dtype=F32, device="meta")).device.type == "meta"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_walk_in_half_precision_has_the_law_of_the_walk(dtype):
    "A thousand small steps back over N(0, I), which they keep: at five sigma, and as the walk in float32 is."
    p, like = (
        Same(ForwardProcess(constant_schedule(0.003, 1000)), (1,)),
        torch.empty(0, dtype=dtype),
    )
    path = p.sample(4000, seed(1), trajectory=True, like=like)
    assert path.dtype == dtype and torch.equal(
        path, p.sample(4000, seed(1), trajectory=True).to(dtype)
    )
    assert torch.equal(p.sample(4000, seed(1), like=like), path[0])
    assert abs(path[0].double().var().item() - 1) < 5 * (2 / 4000) ** 0.5


class Learned(ReverseProcess):
    def __init__(self, q, network):
        super().__init__(q, (3,))
        self.network = network

    def step(self, x_t, t):
        return Gaussian(self.network(x_t), self.q.schedule.beta[t])


class LearnedModule(ReverseProcess, torch.nn.Module):
    def __init__(self, q, network):
        torch.nn.Module.__init__(self)
        ReverseProcess.__init__(self, q, (3,))
        self.network = network

    def step(self, x_t, t):
        return Gaussian(self.network(x_t), self.q.schedule.beta[t])


@pytest.mark.parametrize("kind", [Learned, LearnedModule])
def test_a_process_with_parameters_starts_where_they_are(kind):
    q = ForwardProcess(constant_schedule(0.1, 3))
    out = kind(q, torch.nn.Linear(3, 3, dtype=F64)).sample(2)
    assert out.dtype == F64 and not out.requires_grad
    assert (
        kind(q, torch.nn.Linear(3, 3, device="meta")).sample(2, trajectory=True).device.type
        == "meta"
    )


def test_a_step_keeps_its_gradient_and_a_sample_has_none():
    network = torch.nn.Linear(3, 3)
    p = Learned(ForwardProcess(constant_schedule(0.1, 3)), network)
    p.step(torch.randn(2, 3), 1).log_prob(torch.randn(2, 3)).sum().backward()
    assert network.weight.grad.abs().max() > 0
    assert not p.sample(2).requires_grad


def test_gradients_pass_through_the_exact_step():
    law, q = line(), process()
    x = torch.randn(4, 1, dtype=F64, requires_grad=True)
    step = ExactReverse(q, law).step
    assert torch.autograd.gradcheck(lambda x: (step(x, 3).mean, step(x, 3).var), x)


@pytest.mark.parametrize(
    "dtype, tolerance", [(F32, 1e-5), (torch.bfloat16, 5e-2), (torch.float16, 5e-3)], ids=str
)
def test_lower_precision(dtype, tolerance):
    law, q = plane()[0], process()
    x = law.noised(q.schedule.log_snr[3]).sample(20, seed(1)).to(dtype)
    for t in range(1, 6):
        step, truth = ExactReverse(q, law).step(x, t), ExactReverse(q, law).step(x.double(), t)
        assert step.mean.dtype == step.var.dtype == step.sample().dtype == dtype
        assert error(step.mean.double(), truth.mean) < tolerance
        assert ((step.var.double() - truth.var).abs() < tolerance * truth.var + 1e-7).all()


def test_float32_of_a_float32_distribution():
    law, q = plane()[0], linear_process(1000)
    for t in (1, 2, 10, 100, 900, 1000):
        x = law.noised(q.schedule.log_snr[t]).sample(50, seed(t)).float()
        low, high = (
            ExactReverse(q, law.to(F32)).step(x, t),
            ExactReverse(q, law).step(x.double(), t),
        )
        assert error(low.mean.double(), high.mean) < 1e-5
        assert ((low.var / high.var - 1).abs() < 1e-5).all()


def test_the_distribution_gives_dtype_and_device():
    law, q = plane()[0], process()
    assert ExactReverse(q, law).sample(3).dtype == F64
    assert ExactReverse(q, law.to(F32)).sample(3).dtype == F32
    assert ExactReverse(q, law).event_shape == (2,)
    assert ExactReverse(q, law).sample(3, like=torch.zeros(1)).dtype == F32


def test_everything_on_the_meta_device():
    "No look at a number, no copy to the CPU: a GPU would never wait."
    law, q = plane()[0].to("meta"), process()
    p, x = ExactReverse(q, law), torch.empty(3, 2, dtype=F64, device="meta")
    for t in (1, 3, torch.tensor([1, 2, 5], device="meta"), torch.tensor([1, 2, 5])):
        step = p.step(x, t)
        assert step.mean.device.type == step.var.device.type == "meta" and step.mean.shape == (3, 2)
    assert p.prior(x).mean.device.type == "meta"
    assert p.sample(4, trajectory=True).device.type == "meta"


# ---- a time for each x, other distributions


@pytest.mark.parametrize("kind", ["mixture", "data", "other"])
def test_a_time_for_each_x(kind):
    q, x, law = process(), torch.randn(5, 2, dtype=F64), plane()[0]
    law = {"mixture": law, "data": Empirical(torch.randn(9, 2, dtype=F64)), "other": Wrapped(law)}[
        kind
    ]
    p = ExactReverse(q, law)
    for t in (
        torch.tensor([5, 1, 3, 2, 4]),
        torch.tensor([5, 1, 3, 2, 4], dtype=torch.uint8),
        torch.tensor([5, 1, 5, 2, 1]),
    ):
        together = p.step(x, t)
        for i in range(5):
            alone = p.step(x[i : i + 1], int(t[i]))
            assert error(together.mean[i], alone.mean[0]) < 1e-12
            assert error(together.var.expand(5, 2)[i], alone.var.expand(1, 2)[0]) < 1e-12
    assert torch.equal(p.step(x, np.int64(3)).mean, p.step(x, 3).mean)


def test_another_distribution_is_asked_once_for_each_time():
    class Counting(Wrapped):
        asked = 0

        def denoise(self, x, log_snr):
            Counting.asked += 1
            return super().denoise(x, log_snr)

    p, x = ExactReverse(process(), Counting(plane()[0])), torch.randn(60, 2, dtype=F64)
    p.step(x, 1)
    once = Counting.asked
    p.step(x, torch.arange(60) % 3 + 1)
    assert Counting.asked - once == 3 * once > 0


def test_an_empty_batch():
    for law in (plane()[0], Wrapped(plane()[0])):
        p, x = ExactReverse(process(), law), torch.empty(0, 2, dtype=F64)
        for t in (2, torch.empty(0, dtype=torch.long)):
            assert p.step(x, t).mean.shape == (0, 2)


@pytest.mark.parametrize("event", [(2,), (1, 2, 1)], ids=str)
def test_any_distribution_will_do(event):
    "One that knows only its density, and what noise makes of it."
    law, q = plane(event=event)[0], process()
    x = law.noised(q.schedule.log_snr[2]).sample(4, seed(1))
    for t in (1, 3, 5):
        step, truth = ExactReverse(q, Wrapped(law)).step(x, t), ExactReverse(q, law).step(x, t)
        assert error(step.mean, truth.mean) < 1e-9 and error(step.var, truth.var) < 1e-9
    out = ExactReverse(q, Wrapped(law)).sample(2)
    assert out.shape == (2, *event) and out.dtype == torch.get_default_dtype()


# ---- does the data come back?


def density(p, h=0.02):
    "The density of p(x_0) in one dimension, carried back on a grid: a matrix product a step."
    z = torch.arange(-6, 6 + h / 2, h, dtype=F64)[:, None]
    now = p.prior(z).log_prob(z).exp()
    for t in range(p.T, 0, -1):
        step = p.step(z, t)
        now = (now * h / (2 * math.pi * step.var[:, 0]).sqrt()) @ (
            -((z[:, 0] - step.mean) ** 2) / (2 * step.var)
        ).exp()
    return z[:, 0], now


def largest_gap(law, schedule):
    z, found = density(ExactReverse(ForwardProcess(schedule), law))
    return ((found - law.log_prob(z[:, None]).exp()).cumsum(0) * 0.02).abs().max().item()


@pytest.mark.parametrize("schedule", [linear_schedule, cosine_schedule])
def test_the_error_falls_with_the_number_of_steps(schedule):
    gaps = [largest_gap(line(), schedule(T)) for T in (1, 3, 10, 30, 100)]
    assert all(b < a / 1.5 for a, b in zip(gaps, gaps[1:], strict=False))
    assert gaps[0] > 0.1 and gaps[-1] < 5e-4
    assert gaps[2] / gaps[4] > 30  # ten times the steps: error to the power 1.5 at least


def test_one_step_makes_one_bell():
    "With everything forgotten at t = 1, p(x_0) has the mean and the variance of the data, and no more."
    z, found = density(ExactReverse(process([1.0]), line()))
    bell = log_bell(z, 0.45, 0.3 * 4.02 + 0.7 * 2.35 - 0.45**2).exp()
    assert error(found, bell) < 1e-6


@pytest.mark.parametrize("T", [100, 1000])
def test_samples_in_one_dimension(T):
    out = ExactReverse(linear_process(T), line()).sample(10_000, seed(T))
    assert surprise(out, below((0.3, 0.7), (-2, 1.5), (0.02, 0.1))) > FIVE_SIGMA


def test_too_few_steps_and_wrong_steps_are_caught():
    cdf = below((0.3, 0.7), (-2, 1.5), (0.02, 0.1))
    assert (
        surprise(ExactReverse(linear_process(3), line()).sample(10_000, seed(1)), cdf) < FIVE_SIGMA
    )
    assert surprise(Same(linear_process(100), (1,)).sample(10_000, seed(1)), cdf) < FIVE_SIGMA


def test_samples_in_the_plane_seen_from_eight_sides():
    law, covs = plane()
    out = ExactReverse(linear_process(200), law).sample(10_000, seed(2))
    for angle in torch.arange(8, dtype=F64) * math.pi / 8:
        w = torch.stack([angle.cos(), angle.sin()])
        cdf = below(law.weights.tolist(), (law.means @ w).tolist(), (w @ covs @ w).tolist())
        assert surprise(out @ w, cdf) > FIVE_SIGMA


def test_whichever_way_one_x_t_goes_back_the_shares_are_right():
    "Many walks from one x_t in 16 dimensions: how often each component comes back, against Bayes' rule."
    law, q = plane(k=4, d=16, draw=3, event=(1, 4, 4))[0], linear_process(200)
    p = ExactReverse(q, law)
    for t, n in ((30, 50), (110, 2000), (200, 2000)):
        x_t = q.marginal(law.sample(1, seed(1)), t).sample(seed(2))
        expected = n * law.noised(q.schedule.log_snr[t]).responsibilities(x_t)[0]
        x, draw = x_t.expand(n, 1, 4, 4), seed(t)
        for s in range(t, 0, -1):
            x = p.step(x, s).sample(draw)
        seen = torch.bincount(law.responsibilities(x).argmax(1), minlength=4)
        keep = expected > 5
        if keep.sum() > 1:
            rest = (seen - expected)[~keep].sum() ** 2 / expected[~keep].sum().clamp(min=5)
            chi2 = ((seen - expected)[keep] ** 2 / expected[keep]).sum() + rest
            assert scipy.stats.chi2.sf(chi2.item(), int(keep.sum())) > FIVE_SIGMA
        else:
            assert seen[keep].item() == n
    assert (expected > 100).all()  # at the end every component is in play


# ---- wrong arguments


class Bad(ReverseProcess):
    def __init__(self, law):
        super().__init__(ForwardProcess(constant_schedule(0.1, 2)), (3,))
        self.law = law

    def step(self, x_t, t):
        return self.law(x_t)


Q = ForwardProcess(constant_schedule(0.1, 4))
X = torch.zeros(5, 1, dtype=F64)
number = lambda x: x
narrow = lambda x: Gaussian(x[:, :1], 1.0)
WRONG = [
    (TypeError, "abstract", lambda: ReverseProcess(Q)),
    (ValueError, "give the process an event_shape", lambda: Same(Q).sample(2)),
    (TypeError, "p.step must return a Gaussian, got Tensor", lambda: Bad(number).sample(2)),
    (ValueError, r"x_t's shape \(2, 3\), got \(2, 1\)", lambda: Bad(narrow).sample(2)),
    (
        ValueError,
        r"x_t must have shape \(n, 1\), got \(5, 2\)",
        lambda: ExactReverse(Q, line()).step(X.expand(5, 2), 1),
    ),
]


@pytest.mark.bad_input
@pytest.mark.parametrize("kind, words, act", WRONG, ids=[words for _, words, _ in WRONG])
def test_a_wrong_argument_is_named(kind, words, act):
    "What tests/test_bad_input.py does not ask."
    with pytest.raises(kind, match=words):
        act()
