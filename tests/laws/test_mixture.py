"""GaussianMixture and Empirical against torch.distributions, quadrature, Monte Carlo, sums by hand, scikit-learn.

A law is built four times over, once for each way to write its covariances, beside the same covariances as dense
matrices. `error` is the largest |a - b| / max(1, |b|).
"""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from diffusion_math.distribution import Distribution
from diffusion_math.forward import ForwardProcess, Schedule
from diffusion_math.laws import mixture as module
from diffusion_math.laws.mixture import Empirical, GaussianMixture
from diffusion_math.numerics import manual_seed
from tests.truth import error

F32, F64 = torch.float32, torch.float64
INF = math.inf
KINDS = ["isotropic", "diagonal", "full", "low rank"]
EVENTS = [(3,), (1, 2, 2)]
LEVELS = [-6.0, -1.0, 0.7, 5.0]
FIVE_SIGMA = 2 * scipy.stats.norm.sf(5)


def signal_and_noise(log_snr):
    level = torch.as_tensor(log_snr, dtype=F64)
    return torch.sigmoid(level).sqrt(), torch.sigmoid(-level)


class Law:
    "A mixture of 3, and beside it its weights, flat means and dense covariances in float64."

    def __init__(self, kind, event=(3,), dtype=F64, k=3, seed=0):
        draw = torch.Generator().manual_seed(seed)
        d = math.prod(event)
        self.d, self.event, self.k = d, event, k
        weights = torch.rand(k, generator=draw, dtype=F64) + 0.2
        self.weights = weights / weights.sum()
        self.means = 2 * torch.randn(k, d, generator=draw, dtype=F64)
        covs, self.covs = getattr(self, kind.replace(" ", "_"))(draw)
        given = tuple(c.to(dtype) for c in covs) if isinstance(covs, tuple) else covs.to(dtype)
        self.q = GaussianMixture(self.weights, self.means.to(dtype).view(k, *event), given)

    def isotropic(self, draw):
        var = 0.1 + torch.rand(self.k, generator=draw, dtype=F64)
        return var, var[:, None, None] * torch.eye(self.d, dtype=F64)

    def diagonal(self, draw):
        var = 0.1 + torch.rand(self.k, self.d, generator=draw, dtype=F64)
        return var, torch.diag_embed(var)

    def full(self, draw):
        root = torch.randn(self.k, self.d, self.d, generator=draw, dtype=F64)
        covs = root @ root.mT / self.d + 0.1 * torch.eye(self.d, dtype=F64)
        return covs, covs

    def low_rank(self, draw):
        r = max(1, self.d - 2)
        U, _ = torch.linalg.qr(torch.randn(self.k, self.d, r, generator=draw, dtype=F64))
        var = 0.5 + torch.rand(self.k, r, generator=draw, dtype=F64)
        floor = 0.05 + 0.1 * torch.rand(self.k, generator=draw, dtype=F64)
        rest = torch.eye(self.d, dtype=F64) - U @ U.mT
        return (U, var, floor), (U * var[:, None]) @ U.mT + floor[:, None, None] * rest

    def reference(self, log_snr=INF):
        "The same law, noised, from torch.distributions."
        s, v = signal_and_noise(log_snr)
        covs = s**2 * self.covs + v * torch.eye(self.d, dtype=F64)
        bells = torch.distributions.MultivariateNormal(s * self.means, covs)
        return torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(self.weights), bells
        )

    def draw(self, n, log_snr=INF, seed=1, dtype=F64):
        manual_seed(seed)
        return self.reference(log_snr).sample((n,)).view(n, *self.event).to(dtype)

    def flat(self, x):
        return x.reshape(len(x), self.d)

    def denoised(self, x_t, log_snr):
        "E[x0 | x_t] and Cov[x0 | x_t] by Bayes' rule over the components, then within each, by dense inverses."
        s, v = signal_and_noise(log_snr)
        x = self.flat(x_t)
        noisy = self.reference(log_snr).component_distribution
        share = (self.weights.log() + noisy.log_prob(x[:, None])).softmax(1)
        gain = s * self.covs @ torch.linalg.inv(noisy.covariance_matrix)
        guess = self.means + torch.einsum("kde,nke->nkd", gain, x[:, None] - s * self.means)
        within = self.covs - s * gain @ self.covs
        mean = torch.einsum("nk,nkd->nd", share, guess)
        second = torch.einsum("nk,nkd,nke->nde", share, guess, guess) + torch.einsum(
            "nk,kde->nde", share, within
        )
        return mean.view_as(x_t), second - mean[:, :, None] * mean[:, None]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=EVENTS, ids=str)
def law(kind, request):
    return Law(kind, request.param)


def line(kind, dtype=F64):
    "A mixture over the line, where quadrature is exact."
    return Law("isotropic" if kind == "low rank" else kind, (1,), dtype)


# ---- the density


def test_log_prob_equals_torch_distributions(law):
    x = law.draw(50)
    assert error(law.q.log_prob(x), law.reference().log_prob(law.flat(x))) < 1e-10
    assert law.q.event_shape == torch.Size(law.event)
    assert (
        error(law.q.weights, law.weights) < 1e-12
        and error(law.q.means, law.means.view(-1, *law.event)) == 0
    )
    law.weights = law.weights.flip(0)
    assert (
        error(law.q.log_prob(x), law.reference().log_prob(law.flat(x))) > 1e-2
    )  # the check sees the weights swapped


def test_an_event_of_no_dimensions_is_a_number():
    q = GaussianMixture(
        [0.25, 0.75], torch.tensor([-1.0, 2.0], dtype=F64), torch.tensor([0.5, 2.0])
    )
    x = torch.linspace(-5, 5, 11, dtype=F64)
    parts = [w * scipy.stats.norm(m, v**0.5).pdf(x) for w, m, v in ((0.25, -1, 0.5), (0.75, 2, 2))]
    assert error(q.log_prob(x), np.log(parts[0] + parts[1])) < 1e-10
    assert q.event_shape == () and q.sample(4).shape == q.score(x[:4]).shape == q.denoise(
        x[:4], 0.0
    ).shape == (4,)
    assert q.denoise_cov(x, 0.0).shape == (11, 1, 1)


@pytest.mark.parametrize("log_snr", LEVELS)
def test_noised_equals_torch_distributions(law, log_snr):
    x = law.draw(50, log_snr)
    noised = law.q.noised(log_snr)
    assert isinstance(noised, GaussianMixture) and noised.event_shape == torch.Size(law.event)
    assert error(noised.log_prob(x), law.reference(log_snr).log_prob(law.flat(x))) < 1e-10
    assert error(law.q.log_prob(x), law.reference(log_snr).log_prob(law.flat(x))) > 1e-3


def by_quadrature(law, x, log_snr, power=0):
    "The integral of x0^power q(x0) N(x; scale x0, noise) over x0, on a grid finer than either bell."
    s, v = (a.item() for a in signal_and_noise(log_snr))
    bells = list(
        zip(law.weights.tolist(), law.means[:, 0].tolist(), law.covs[:, 0, 0].tolist(), strict=True)
    )
    x0 = np.linspace(-14, 14, 20_001)
    density = sum(w * scipy.stats.norm(m, c**0.5).pdf(x0) for w, m, c in bells)
    return scipy.integrate.trapezoid(
        x0**power * density * scipy.stats.norm(s * x0, v**0.5).pdf(x), x0
    )


@pytest.mark.parametrize("log_snr", LEVELS)
def test_noised_and_denoise_by_quadrature(kind, log_snr):
    law = line(kind)
    for x in (-3.0, 0.0, 0.4, 2.5):
        moments = [by_quadrature(law, x, log_snr, power) for power in range(3)]
        guess = moments[1] / moments[0]
        at = torch.tensor([[x]], dtype=F64)
        assert error(law.q.noised(log_snr).log_prob(at), [math.log(moments[0])]) < 1e-10
        assert error(law.q.denoise(at, log_snr), [[guess]]) < 1e-10
        assert (
            error(law.q.denoise_cov(at, log_snr), [[[moments[2] / moments[0] - guess**2]]]) < 1e-10
        )


def test_noised_and_denoise_by_monte_carlo(law):
    "x0 drawn elsewhere, weighed by how likely it is to have become x_t."
    log_snr, n = -0.5, 200_000
    s, v = signal_and_noise(log_snr)
    x0, x_t = law.flat(law.draw(n)), law.flat(law.draw(1, log_snr, seed=2))
    weight = torch.exp(
        -0.5 * ((x_t - s * x0).square().sum(1) / v + law.d * torch.log(2 * math.pi * v))
    )
    density = law.q.noised(log_snr).log_prob(x_t.view(1, *law.event)).exp()
    assert abs(weight.mean() - density) < 5 * weight.std() / n**0.5
    x_t = x_t.view(1, *law.event)
    guess, cov = law.q.denoise(x_t, log_snr).flatten(), law.q.denoise_cov(x_t, log_snr)[0]
    off = weight[:, None] * (x0 - guess)  # mean 0 at the right guess
    assert (off.mean(0).abs() < 5 * off.std(0) / n**0.5).all()
    assert not (off.mean(0) + 0.1 * weight.mean()).abs().lt(5 * off.std(0) / n**0.5).all()
    outer = weight[:, None, None] * ((x0 - guess)[:, :, None] * (x0 - guess)[:, None] - cov)
    assert (outer.mean(0).abs() < 5 * outer.std(0) / n**0.5).all()


@given(st.sampled_from(KINDS), st.floats(-8, 8), st.floats(-8, 8))
def test_noised_twice_is_noised_once(kind, first, second):
    "scales multiply: alpha_bar = sigmoid(first) sigmoid(second)."
    law = Law(kind)
    a, b = (torch.sigmoid(torch.tensor(v, dtype=F64)) for v in (first, second))
    together = torch.log(a * b) - torch.log1p(-a * b)
    x = law.draw(5)
    assert (
        error(law.q.noised(first).noised(second).log_prob(x), law.q.noised(together).log_prob(x))
        < 1e-10
    )


@pytest.mark.parametrize("log_snr", [INF, 900.0])
def test_without_noise_nothing_changes(law, log_snr):
    x = law.draw(20)
    assert error(law.q.noised(log_snr).log_prob(x), law.q.log_prob(x)) < 1e-14
    assert torch.equal(law.q.denoise(x, log_snr), x)
    assert torch.equal(law.q.denoise_cov(x, log_snr), torch.zeros(20, law.d, law.d, dtype=F64))


@pytest.mark.parametrize("log_snr", [-INF, -900.0])
def test_all_noise_is_a_standard_bell_that_says_nothing_of_x0(law, log_snr):
    x = torch.randn(20, *law.event, dtype=F64)
    standard = -0.5 * (law.flat(x).square() + math.log(2 * math.pi)).sum(1)
    assert error(law.q.noised(log_snr).log_prob(x), standard) < 1e-12
    mean = law.weights @ law.means
    cov = torch.einsum("k,kde->de", law.weights, law.covs) + torch.einsum(
        "k,kd,ke->de", law.weights, law.means - mean, law.means - mean
    )
    assert error(law.q.denoise(x, log_snr), mean.view(law.event).expand(x.shape)) < 1e-10
    assert error(law.q.denoise_cov(x, log_snr), cov.expand(20, -1, -1)) < 1e-10


# ---- score, denoise, denoise_cov


def test_score_is_the_gradient_of_log_prob(law):
    x = law.draw(20).requires_grad_()
    by_autograd, by_reference = (
        torch.autograd.grad(log_prob.sum(), x)[0]
        for log_prob in (law.q.log_prob(x), law.reference().log_prob(law.flat(x)))
    )
    x = x.detach()
    score = law.q.score(x)
    assert error(score, by_autograd) < 1e-10 and error(score, by_reference) < 1e-10
    assert error(score, Distribution.score(law.q, x)) < 1e-10
    h = 1e-5
    steps = h * torch.eye(law.d, dtype=F64).view(law.d, 1, *law.event)
    slopes = torch.stack(
        [(law.q.log_prob(x + step) - law.q.log_prob(x - step)) / (2 * h) for step in steps], 1
    )
    assert error(law.flat(score), slopes) < 1e-7
    assert error(law.flat(score), -slopes) > 1e-1


def test_score_is_differentiable(law):
    x = law.draw(2).requires_grad_()
    assert torch.autograd.gradcheck(law.q.score, x)
    assert torch.autograd.gradcheck(lambda x: law.q.denoise(x, 0.5), x)


@pytest.mark.parametrize("log_snr", LEVELS)
def test_denoise_and_denoise_cov_equal_bayes_rule_and_the_defaults(law, log_snr):
    x_t = law.draw(6, log_snr)
    guess, cov = law.denoised(x_t, log_snr)
    assert error(law.q.denoise(x_t, log_snr), guess) < 1e-10
    assert error(law.q.denoise_cov(x_t, log_snr), cov) < 1e-10
    assert (
        error(Distribution.denoise(law.q, x_t, log_snr), guess) < 1e-10
    )  # Tweedie, with our own score
    assert error(Distribution.denoise_cov(law.q, x_t, log_snr), cov) < 1e-10  # and its Jacobian
    other, _ = law.denoised(x_t, log_snr + 0.1)
    assert error(law.q.denoise(x_t, log_snr), other) > 1e-4


def test_diag_is_the_diagonal_of_the_covariance(law):
    x_t = law.draw(6)
    for log_snr in (*LEVELS, torch.linspace(-5, 5, 6), INF, -INF):
        full = law.q.denoise_cov(x_t, log_snr).diagonal(dim1=1, dim2=2)
        assert error(law.q.denoise_cov(x_t, log_snr, diag=True), full.view(x_t.shape)) < 1e-12


def test_one_noise_level_for_each_x_equals_a_loop(law):
    levels = torch.tensor([-INF, -20.0, -1.0, 0.0, 3.0, 20.0, INF], dtype=F64)
    x_t = law.draw(7)
    for ask in (
        law.q.denoise,
        law.q.denoise_cov,
        lambda x, level: law.q.denoise_cov(x, level, diag=True),
    ):
        loop = torch.cat([ask(x[None], level) for x, level in zip(x_t, levels, strict=True)])
        assert error(ask(x_t, levels), loop) < 1e-12
        assert error(ask(x_t, levels.float()), loop) < 1e-12
        assert error(ask(x_t[:1], levels[3:4]), ask(x_t[:1], 0.0)) < 1e-12
        assert error(ask(x_t, levels.flip(0)), loop) > 1e-2


def test_responsibilities_are_bayes_rule_over_the_components(law):
    x = law.draw(20)
    each = law.reference().component_distribution.log_prob(law.flat(x)[:, None]).exp() * law.weights
    got = law.q.responsibilities(x)
    assert (
        error(got, each / each.sum(1, keepdim=True)) < 1e-10
        and error(got.sum(1), torch.ones(20)) < 1e-12
    )


def test_the_moments_in_one_pass_are_those_in_two(law):
    x_t = law.draw(7)
    for log_snr in (*LEVELS, torch.linspace(-5, 5, 7), INF, -INF):
        mean, var = law.q.denoise_moments(x_t, log_snr)
        assert (
            error(mean, law.q.denoise(x_t, log_snr)) < 1e-12
            and mean.shape == var.shape == x_t.shape
        )
        full = law.q.denoise_cov(x_t, log_snr).diagonal(dim1=1, dim2=2)
        assert error(var, full.view(x_t.shape)) < 1e-12


# ---- the exact step back

BETAS = [0.1, 0.3, 0.05, 0.6]


@pytest.mark.parametrize("t", [1, 2, 3, 4])
def test_the_step_back_by_bayes_rule(law, t):
    "q(x_{t-1} | x_t) q(x_t) = q(x_t | x_{t-1}) q(x_{t-1}), each density asked for on its own."
    q = ForwardProcess(Schedule.from_beta(BETAS))
    level, before = q.schedule.log_snr[t], q.schedule.log_snr[t - 1]
    x_prev, x_t = law.draw(20, before), law.draw(3, level, seed=2)
    for x in x_t.split(1):
        back = law.q.reverse_step(x, q, t)
        assert back.event_shape == law.q.event_shape
        right = q.step(x_prev, t).log_prob(x) + law.q.noised(before).log_prob(x_prev)
        assert error(back.log_prob(x_prev) + law.q.noised(level).log_prob(x), right) < 1e-10
        wrong = q.step(x_prev, t).log_prob(x) + law.q.noised(level).log_prob(x_prev)
        assert error(back.log_prob(x_prev) + law.q.noised(level).log_prob(x), wrong) > 1e-3


def test_the_step_back_on_the_line_of_numbers():
    q = ForwardProcess(Schedule.from_beta(BETAS))
    means, var = torch.tensor([-1.0, 2.0], dtype=F64), torch.tensor([0.5, 2.0])
    one, row = (
        GaussianMixture([0.25, 0.75], means, var),
        GaussianMixture([0.25, 0.75], means[:, None], var),
    )
    x = torch.linspace(-3, 3, 7, dtype=F64)
    back, as_row = one.reverse_step(x[:1], q, 2), row.reverse_step(x[:1, None], q, 2)
    assert error(back.log_prob(x), as_row.log_prob(x[:, None])) < 1e-12


def test_the_step_back_of_data_and_at_the_edges():
    q = ForwardProcess(Schedule.from_beta([0.0, 0.3, 1.0, 0.2]))
    data, x = points(), torch.randn(1, 2, dtype=F64)
    law = Empirical(data)
    back = law.reverse_step(
        x, q, 2
    )  # from t = 2 to t = 1, where no noise has come yet: the data, by their shares
    assert error(back.weights, law.noised(q.schedule.log_snr[2]).responsibilities(x)[0]) < 1e-12
    assert torch.equal(back.means, data) and back.log_prob(data).tolist() == [INF] * 12
    still = law.reverse_step(x, q, 1)  # beta_1 = 0: x_0 is x_1 itself
    assert still.log_prob(x).tolist() == [INF] and still.log_prob(x + 1e-9).tolist() == [-INF]
    forgot = law.reverse_step(x, q, 3)  # beta_3 = 1: x_3 says nothing of x_2
    y = torch.randn(5, 2, dtype=F64)
    assert error(forgot.log_prob(y), law.noised(q.schedule.log_snr[2]).log_prob(y)) < 1e-10
    after = law.reverse_step(x, q, 4).log_prob(
        y
    )  # all noise before and after: between two standard bells
    assert (
        error(after, torch.distributions.Normal(0.8**0.5 * x, 0.2**0.5).log_prob(y).sum(1)) < 1e-6
    )


# ---- far out, small numbers, float32


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_ten_thousand_standard_deviations_out(kind, dtype):
    law = Law(kind, dtype=dtype)
    way = torch.tensor([[1.0, -0.5, 0.3], [-1, 1, 1]], dtype=F64)
    x = 1e4 * law.covs.diagonal(dim1=1, dim2=2).max().sqrt() * way
    truth = law.reference().log_prob(x)
    assert truth.isfinite().all() and truth.max() < -1e7
    each = law.reference().component_distribution.log_prob(x[:, None])
    assert (
        not (each.exp() @ law.weights).log().isfinite().any()
    )  # outside log space nothing is left of it
    point = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(law.reference().log_prob(point).sum(), point)
    tolerance = 1e-10 if dtype == F64 else 1e-5
    assert error(law.q.log_prob(x.to(dtype)), truth) < tolerance
    assert error(law.q.score(x.to(dtype)), slope) < tolerance
    assert error(law.q.responsibilities(x.to(dtype)).sum(1), torch.ones(2)) < (
        1e-10 if dtype == F64 else 1e-6
    )
    for log_snr in (-2.0, 0.0, 5.0):
        guess, _ = law.denoised(x, log_snr)
        assert error(law.q.denoise(x.to(dtype), log_snr), guess) < tolerance


def test_float32_agrees_with_float64(law):
    single = law.q.to(F32)
    x = law.draw(50, 1.0)
    for ask in (
        lambda q, x: q.log_prob(x),
        lambda q, x: q.noised(1.0).log_prob(x),
        lambda q, x: q.denoise(x, 1.0),
        lambda q, x: q.denoise_cov(x, 1.0),
        lambda q, x: q.responsibilities(x),
        lambda q, x: q.noised(1.0).score(x),
    ):
        got = ask(single, x.float())
        assert got.dtype == F32
        assert error(got, ask(law.q, x.float().double())) < 1e-5


def test_distances_in_float32_where_the_expanded_square_fails():
    "Pictures of 784 pixels near one grey level, each x halfway between two: far from 0, close to each other."
    draw = torch.Generator().manual_seed(0)
    data = (10 + 0.05 * torch.randn(20, 784, generator=draw)).float()
    s, v = signal_and_noise(5.0)
    x_t = (s * (data + data.roll(1, 0)).double() / 2).float()
    means, v32 = (s * data.double()).float(), v.float()
    expanded = x_t.square().sum(1)[:, None] + means.square().sum(1) - 2 * x_t @ means.T
    exact = (x_t.double()[:, None] - s * data.double()).square().sum(2)
    share = (-exact / (2 * v)).softmax(1)
    assert (
        error((-expanded / (2 * v32)).softmax(1), share) > 0.1
    )  # so the case is one where it fails
    noised = Empirical(data).noised(5.0)
    assert error(noised.responsibilities(x_t), share) < 1e-4
    assert (
        error(noised.log_prob(x_t), Empirical(data.double()).noised(5.0).log_prob(x_t.double()))
        < 1e-5
    )
    assert error(Empirical(data).denoise(x_t, 5.0), share @ data.double()) < 1e-5


@pytest.mark.parametrize("log_snr", [-60.0, -90.0, -100.0, -150.0, -700.0])
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_a_noise_level_next_to_all_noise(kind, dtype, log_snr):
    law = Law(kind, dtype=dtype)
    x, tolerance = torch.full((2, 3), 3.0, dtype=dtype), 1e-10 if dtype == F64 else 1e-5
    assert error(law.q.denoise(x, log_snr), (law.weights @ law.means).expand(2, 3)) < tolerance
    assert (
        error(law.q.noised(log_snr).log_prob(x), law.reference(-INF).log_prob(x.double()))
        < tolerance
    )


# ---- memory


class Largest(TorchDispatchMode):
    "Records the most numbers in one tensor, other than views, and how many steps the work took."

    def __init__(self):
        super().__init__()
        self.numel = self.steps = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.steps += 1
        if not func.is_view:
            self.numel = max(
                [self.numel, *(t.numel() for t in tree_leaves(out) if isinstance(t, torch.Tensor))]
            )
        return out


def answers(law, x):
    "Everything that works in slices."
    levels = torch.linspace(-4, 4, len(x), dtype=F64)
    return [
        law.q.log_prob(x),
        law.q.score(x),
        law.q.responsibilities(x),
        *(law.q.denoise(x, level) for level in (0.5, levels)),
        *(law.q.denoise_cov(x, level, diag) for level in (0.5, levels) for diag in (False, True)),
        law.q.sample(11, torch.Generator().manual_seed(0)),
    ]


@pytest.mark.parametrize("budget", [1, 50])
def test_small_slices_give_the_same_answers(law, monkeypatch, budget):
    x = law.draw(11)
    with Largest() as whole:
        expected = answers(law, x)
    monkeypatch.setattr(module, "BUDGET", budget)
    with Largest() as sliced:
        got = answers(law, x)
    assert sliced.steps > 1.5 * whole.steps  # it did slice
    for a, b in zip(got, expected, strict=True):
        assert error(a, b) < 1e-12


@pytest.mark.parametrize(
    "kind, k", [("isotropic", 10_000), ("diagonal", 100), ("full", 10), ("low rank", 10)]
)
@pytest.mark.long
def test_no_temporary_is_larger_than_the_budget(kind, k, monkeypatch):
    "At the size of MNIST, on the meta device, where memory is free: k components, 784 pixels, as many pictures as need slices."
    d, n, on_meta = 784, 300 if kind == "diagonal" else 1500, {"device": "meta", "dtype": F64}
    covs = {
        "isotropic": torch.ones(k, **on_meta),
        "diagonal": torch.ones(k, d, **on_meta),
        "full": torch.ones(k, d, d, **on_meta),
        "low rank": (
            torch.ones(k, d, 9, **on_meta),
            torch.ones(k, 9, **on_meta),
            torch.ones(k, **on_meta),
        ),
    }[kind]
    q = GaussianMixture(torch.ones(k, **on_meta), torch.ones(k, d, **on_meta), covs)
    x, levels = torch.ones(n, d, **on_meta), torch.zeros(n)
    asks = {
        "log_prob": lambda: q.log_prob(x),
        "score": lambda: q.score(x),
        "denoise": lambda: q.denoise(x, 1.0),
        "denoise at a level each": lambda: q.denoise(x, levels),
        "denoise_cov": lambda: q.denoise_cov(x[:40], 1.0),
        "its diagonal": lambda: q.denoise_cov(x[:40], 1.0, diag=True),
        "responsibilities": lambda: q.responsibilities(x),
        "sample": lambda: q.sample(n),
    }
    sizes = {}
    for name, ask in asks.items():
        with Largest() as largest:
            out = ask()
        sizes[name] = largest.numel / max(module.BUDGET, out.numel())
    assert max(sizes.values()) <= 1, sizes
    monkeypatch.setattr(module, "BUDGET", 2**60)
    with Largest() as largest:
        q.log_prob(torch.ones(5000, d, **on_meta))
    assert largest.numel > 4 * 2**23  # in one piece it would be


# ---- Empirical


def points(n=12, event=(2,), dtype=F64):
    return torch.randn(n, *event, generator=torch.Generator().manual_seed(4), dtype=F64).to(dtype)


@pytest.mark.parametrize("event", [(), (2,), (1, 2, 2)], ids=str)
def test_the_data_have_all_the_probability(event):
    data = points(event=event)
    q = Empirical(data)
    assert q.event_shape == torch.Size(event) and torch.equal(q.means, data)
    assert error(q.weights, [1 / 12] * 12) < 1e-12
    assert q.log_prob(data).tolist() == [INF] * 12
    assert q.log_prob(data + 1e-9).tolist() == [-INF] * 12
    drawn = q.sample(200, torch.Generator().manual_seed(0))
    assert q.log_prob(drawn).tolist() == [INF] * 200 and len(drawn.unique(dim=0)) == 12


@pytest.mark.parametrize("log_snr", LEVELS)
@pytest.mark.parametrize("event", [(), (2,), (1, 2, 2)], ids=str)
def test_noised_data_and_their_average_by_hand(event, log_snr):
    data = points(event=event)
    d, flat = math.prod(event), data.reshape(12, -1)
    x_t = torch.randn(5, *event, dtype=F64)
    s, v = signal_and_noise(log_snr)
    q, guesses, covs = Empirical(data), [], []
    for x, log_prob in zip(x_t.reshape(5, -1), q.noised(log_snr).log_prob(x_t), strict=True):
        log_height = -d / 2 * math.log(2 * math.pi * v.item())
        logs = [log_height - ((x - s * y).square().sum() / (2 * v)).item() for y in flat]
        top = max(logs)  # far from all data their own densities are smaller than any number
        each = [math.exp(log - top) for log in logs]
        assert log_prob.item() == pytest.approx(top + math.log(math.fsum(each) / 12), abs=1e-10)
        share = torch.tensor(each, dtype=F64) / math.fsum(each)
        guesses.append(share @ flat)
        covs.append(torch.einsum("k,kd,ke->de", share, flat - guesses[-1], flat - guesses[-1]))
    assert error(q.denoise(x_t, log_snr).reshape(5, -1), torch.stack(guesses)) < 1e-10
    assert error(q.denoise_cov(x_t, log_snr), torch.stack(covs)) < 1e-10
    score = (s * torch.stack(guesses) - x_t.reshape(5, -1)) / v
    assert error(q.noised(log_snr).score(x_t).reshape(5, -1), score) < 1e-10


def test_with_little_noise_the_guess_is_the_nearest_datum():
    data = points()
    x_t = data + 1e-3
    assert error(Empirical(data).denoise(x_t, 25.0), data) < 1e-10
    assert error(Empirical(data.float()).denoise(x_t.float(), 25.0), data) < 1e-6
    assert torch.equal(Empirical(data).denoise(x_t, INF), x_t)


def test_a_datum_given_twice_counts_twice():
    data = torch.tensor([[0.0], [0.0], [3.0]], dtype=F64)
    q = GaussianMixture([2 / 3, 1 / 3], torch.tensor([[0.0], [3.0]], dtype=F64), torch.zeros(2))
    x = torch.linspace(-1, 4, 6, dtype=F64)[:, None]
    assert error(Empirical(data).denoise(x, 0.0), q.denoise(x, 0.0)) < 1e-12


def test_a_component_without_weight_is_not_there():
    q = GaussianMixture(
        [0.0, 1.0], torch.tensor([[0.0], [1.0]], dtype=F64), torch.tensor([0.0, 1.0])
    )
    x = torch.tensor([[0.0], [0.5]], dtype=F64)
    assert error(q.log_prob(x), torch.distributions.Normal(1.0, 1.0).log_prob(x)[:, 0]) < 1e-7


def test_point_masses_beside_bells():
    q = GaussianMixture(
        [0.5, 0.5], torch.tensor([[0.0], [1.0]], dtype=F64), torch.tensor([0.0, 1.0])
    )
    got = q.log_prob(torch.tensor([[0.0], [0.5]], dtype=F64))
    assert got[0].item() == INF
    assert got[1].item() == pytest.approx(
        math.log(0.5 * scipy.stats.norm(1, 1).pdf(0.5)), abs=1e-10
    )


# ---- sampling


@pytest.mark.parametrize("log_snr", [INF, 0.3])
def test_samples_have_the_moments_of_the_mixture(law, log_snr):
    n = 100_000
    s, v = signal_and_noise(log_snr)
    x = law.flat(law.q.noised(log_snr).sample(n, torch.Generator().manual_seed(0)))
    mean = law.weights @ law.means
    off = law.means - mean
    cov = torch.einsum("k,kde->de", law.weights, law.covs) + torch.einsum(
        "k,kd,ke->de", law.weights, off, off
    )
    mean, cov = s * mean, s**2 * cov + v * torch.eye(law.d, dtype=F64)
    assert ((x.mean(0) - mean).abs() < 5 * x.std(0) / n**0.5).all()
    outer = (x - mean)[:, :, None] * (x - mean)[:, None]
    assert ((outer.mean(0) - cov).abs() < 5 * outer.std(0) / n**0.5).all()
    assert not ((outer.mean(0) - 1.1 * cov).abs() < 5 * outer.std(0) / n**0.5).all()


def test_components_are_drawn_as_often_as_they_weigh(kind):
    law = Law(kind)
    far = torch.tensor([[-100.0, 0, 0], [0, 0, 0], [100, 0, 0]], dtype=F64)
    q = GaussianMixture(law.weights, far, law.covs)
    n = 50_000
    x = q.sample(n, torch.Generator().manual_seed(0))
    share = torch.bincount((x[:, 0] / 100).round().long() + 1, minlength=3) / n
    stderr = (law.weights * (1 - law.weights) / n).sqrt()
    assert ((share - law.weights).abs() < 5 * stderr).all()
    assert not ((share - law.weights.flip(0)).abs() < 5 * stderr).all()


@pytest.mark.parametrize("log_snr", [INF, 1.0])
def test_samples_on_the_line_by_kolmogorov_and_smirnov(kind, log_snr):
    law = line(kind)
    s, v = (a.item() for a in signal_and_noise(log_snr))
    means, sds = s * law.means[:, 0].numpy(), (s**2 * law.covs[:, 0, 0].numpy() + v) ** 0.5

    def cdf(x, shift=0.0):
        bells = zip(law.weights.numpy(), means + shift, sds, strict=True)
        return sum(w * scipy.stats.norm(mean, sd).cdf(x) for w, mean, sd in bells)

    x = law.q.noised(log_snr).sample(30_000, torch.Generator().manual_seed(0))[:, 0].numpy()
    assert scipy.stats.kstest(x, cdf).pvalue > FIVE_SIGMA
    assert scipy.stats.kstest(x, lambda x: cdf(x, 0.1)).pvalue < FIVE_SIGMA


def test_the_generator_alone_decides(law):
    first, again, other = (
        law.q.sample(5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert (
        torch.equal(first, again)
        and not torch.equal(first, other)
        and first.shape == (5, *law.event)
    )
    before = torch.get_rng_state()
    law.q.sample(5, torch.Generator().manual_seed(1))
    assert torch.equal(before, torch.get_rng_state())


def test_no_samples():
    assert Law("full").q.sample(0).shape == (0, 3)


# ---- dtype, device, batch of 0


@pytest.mark.parametrize("x_dtype", [torch.bfloat16, torch.float16, F32, F64], ids=str)
@pytest.mark.parametrize("q_dtype", [torch.bfloat16, torch.float16, F32, F64], ids=str)
def test_answers_have_the_dtype_of_x(kind, q_dtype, x_dtype):
    q, x = Law(kind).q.to(q_dtype), Law(kind).draw(4).to(x_dtype)
    single = Law(kind).q.to(q_dtype).to(F64), x.double()
    tolerance = {torch.bfloat16: 0.06, torch.float16: 1e-2, F32: 2e-5, F64: 1e-10}
    for ask in (
        lambda q, x: q.log_prob(x),
        lambda q, x: q.score(x),
        lambda q, x: q.denoise(x, 1.0),
        lambda q, x: q.denoise_cov(x, 1.0),
        lambda q, x: q.responsibilities(x),
    ):
        got = ask(q, x)
        assert got.dtype == x_dtype
        assert error(got, ask(*single)) < max(
            tolerance[x_dtype], 1e-10 if F64 in (q_dtype, x_dtype) else 2e-5
        )
    assert q.sample(3).dtype == q_dtype


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, F32, F64], ids=str)
def test_means_and_data_of_any_dtype(kind, dtype):
    law = Law(kind, dtype=dtype)
    x = law.draw(4)
    assert error(law.q.log_prob(x), law.q.to(F64).log_prob(x)) < 1e-10
    rounded = {torch.bfloat16: 0.3, torch.float16: 2e-2}.get(
        dtype, 1e-5
    )  # what the parameters' own rounding may do
    assert error(law.q.log_prob(x), law.reference().log_prob(x)) < rounded
    data = points(3, dtype=dtype)
    assert (
        error(
            Empirical(data).denoise(points(3), 0.0),
            Empirical(data.double()).denoise(points(3), 0.0),
        )
        < 1e-5
    )


def test_to_keeps_the_law(law):
    x = law.draw(5)
    single = law.q.to(F32)
    assert isinstance(single, GaussianMixture) and single.event_shape == law.q.event_shape
    assert single.weights.dtype == single.means.dtype == single.sample(2).dtype == F32
    assert error(single.to(F64).log_prob(x), law.q.log_prob(x)) < 1e-5
    assert law.q.to("meta").means.device.type == "meta"


def test_a_batch_of_zero(law):
    x = torch.zeros(0, *law.event, dtype=F64)
    for level in (0.5, torch.zeros(0)):
        assert (
            law.q.denoise(x, level).shape == law.q.denoise_cov(x, level, diag=True).shape == x.shape
        )
        assert law.q.denoise_cov(x, level).shape == (0, law.d, law.d)
    assert law.q.score(x).shape == x.shape and law.q.log_prob(x).shape == (0,)
    assert law.q.responsibilities(x).shape == (0, 3)


def test_everything_runs_on_the_meta_device(law):
    q, x = law.q.to("meta"), torch.zeros(5, *law.event, device="meta")
    with pytest.raises(RuntimeError):
        bool((q.weights >= 0).all())
    levels = torch.zeros(5, device="meta")
    outs = [
        q.sample(5),
        q.log_prob(x),
        q.score(x),
        q.noised(1.0).log_prob(x),
        q.noised(levels[0]).score(x),
    ]
    outs += [q.denoise(x, level) for level in (1.0, levels)]
    outs += [q.denoise_cov(x, level, diag) for level in (1.0, levels) for diag in (False, True)]
    e, d = (5, *law.event), (5, law.d, law.d)
    assert [tuple(out.shape) for out in outs] == [e, (5,), e, (5,), e, e, e, d, e, d, e]
    assert all(out.device.type == "meta" for out in outs)


def test_mixtures_are_made_on_the_meta_device(kind):
    "No look at a number on the way in."
    on_meta = {"device": "meta", "dtype": F64}
    covs = {
        "isotropic": torch.ones(3, **on_meta),
        "diagonal": torch.ones(3, 4, **on_meta),
        "full": torch.ones(3, 4, 4, **on_meta),
        "low rank": (
            torch.ones(3, 4, 2, **on_meta),
            torch.ones(3, 2, **on_meta),
            torch.ones(3, **on_meta),
        ),
    }[kind]
    means = torch.ones(3, 4, **on_meta)
    for q in (GaussianMixture(torch.ones(3, **on_meta), means, covs), Empirical(means)):
        out = q.noised(1.0).log_prob(torch.ones(5, 4, **on_meta))
        assert out.device.type == "meta" and out.shape == (5,)


# ---- wrong arguments

MEANS, ONES, X = torch.zeros(2, 3), torch.ones(2), torch.zeros(4, 3)
Q = ForwardProcess(Schedule.from_beta([0.1, 0.2]))
ALONG, LABELS = torch.eye(3)[:, :1].expand(2, 3, 1), torch.zeros(4).long()


def make(weights=(0.5, 0.5), means=MEANS, covs=ONES):
    return GaussianMixture(weights, means, covs)


# the table of tests/test_bad_input.py asks each argument; here is what its error says, one row a kind
@pytest.mark.bad_input
@pytest.mark.parametrize(
    "words, call",
    [
        (r"weights must be 0 or more and add to 1, got \[0.5, 0.6", lambda: make([0.5, 0.6])),
        (r"means must have shape \(b, \*event\)", lambda: make([1.0], torch.tensor(0.0))),
        ("means must", lambda: make([], torch.zeros(0, 3), torch.zeros(0))),
        (r"x must have shape \(n, 3\), got \(4, 2\)", lambda: make().log_prob(X[:, :2])),
        (r"log_snr must .* shape \(4,\), .*, got \(2, 2\)", lambda: make().denoise(X, torch.zeros(2, 2))),
        ("log_snr must be one number", lambda: make().noised(torch.tensor([1.0, 2.0]))),
        ("score needs variances above 0, got a point mass", lambda: make(covs=0 * ONES).score(X)),
        ("score needs variances above 0, got a point mass", lambda: Empirical(X).score(X)),
        ("responsibilities .*point mass", lambda: Empirical(X).responsibilities(X)),
        (r"x_t must have shape \(1, 3\), one x, got \(4, 3\)", lambda: make().reverse_step(X, Q, 1)),
        (r"data must hold at least one x, got shape \(0, 3\)", lambda: Empirical(torch.zeros(0, 3))),
        ("fit takes either labels or k, got neither", lambda: GaussianMixture.fit(X)),
        ("fit takes either labels or k, got both", lambda: GaussianMixture.fit(X, LABELS, k=2)),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(words, call):
    with pytest.raises((TypeError, ValueError), match=words):
        call()
