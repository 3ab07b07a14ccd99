"Chapter 17: the posterior of a mixture against Bayes' rule by other ways, and each assumption where it is exact."

import math

import pytest
import torch

from diffusion_math import Empirical, GaussianMixture, as_denoiser, digits
from diffusion_math.guidance import classified
from diffusion_math.inverse import (
    Measurement,
    chosen,
    particles,
    replaced,
    share_that_counts,
    steered,
)
from diffusion_math.sde import walk

f64 = torch.float64
LEVELS = [-5.0, -1.0, 0.5, 3.0]
KINDS = ["round", "diagonal", "full", "low rank"]
MASK = torch.tensor([True, False, True, False])


def seed(n):
    return torch.Generator().manual_seed(n)


def normal(*shape, gen=0):
    return torch.randn(*shape, generator=seed(gen), dtype=f64)


def covariances(kind, k=3, d=4):
    "Covariances as GaussianMixture takes them, and as plain matrices."
    var = 0.1 + torch.rand(k, d, generator=seed(5), dtype=f64)
    eye = torch.eye(d, dtype=f64)
    if kind == "round":
        return var[:, 0], var[:, 0, None, None] * eye
    if kind == "diagonal":
        return var, torch.diag_embed(var)
    if kind == "full":
        B = normal(k, d, d, gen=6) / 2
        return (full := B @ B.mT + 0.05 * eye), full
    U = torch.linalg.qr(normal(k, d, 2, gen=7))[0]
    of_U, floor = var[:, :2], var[:, 3] / 5
    C = torch.einsum("kdr,kr,ker->kde", U, of_U - floor[:, None], U) + floor[:, None, None] * eye
    return (U, of_U, floor), C


def law_of(kind, k=3, d=4):
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=f64)[:k]
    covs, C = covariances(kind, k, d)
    means = normal(k, d, gen=8)
    return GaussianMixture(weights / weights.sum(), means, covs), means, C


def of_matrix(A):
    "The matrix of a mask, row by row."
    return torch.eye(A.numel(), dtype=f64)[A.flatten()] if A.dtype == torch.bool else A


def seen(kind):
    return MASK if kind == "mask" else normal(2, 4, gen=9)


# ---- the measurement itself


@pytest.mark.parametrize("what", ["mask", "matrix"])
def test_a_measurement_is_its_matrix_and_its_noise(what):
    A, x0 = seen(what), normal(5, 4)
    measure = Measurement(A, 0.3)
    assert measure.m == 2 and measure.std == 0.3 and measure.A is A
    assert torch.allclose(measure(x0), x0 @ of_matrix(A).T, atol=1e-14, rtol=1e-14)
    y = normal(5, 2, gen=1)
    truth = torch.distributions.MultivariateNormal(
        x0 @ of_matrix(A).T, 0.09 * torch.eye(2, dtype=f64)
    )
    assert torch.allclose(measure.log_prob(y, x0), truth.log_prob(y), atol=1e-12, rtol=1e-12)
    assert torch.allclose(measure.log_prob(y[0], x0), truth.log_prob(y[:1]), atol=1e-12, rtol=1e-12)
    many = measure.sample(x0[:1].expand(40_000, -1), seed(2)) - measure(x0[:1])
    assert (many.mean(0).abs() < 5 * 0.3 / 200).all()
    assert ((many.var(0) / 0.09 - 1).abs() < 5 * (2 / 40_000) ** 0.5).all()
    assert abs(many.T.corrcoef()[0, 1]) < 5 / 200


def test_a_mask_lists_what_is_seen_in_the_event_s_order():
    mask = torch.zeros(1, 2, 3, dtype=torch.bool)
    mask[0, 1, 0] = mask[0, 0, 2] = True
    x0 = torch.arange(6.0).view(1, 1, 2, 3)
    assert Measurement(mask, 0.1)(x0).tolist() == [[2.0, 3.0]]
    assert Measurement(torch.ones(1, 6), 0.1)(x0).tolist() == [[15.0]]
    assert Measurement(mask, 0.1).sample(x0.half()).dtype == torch.float16


def test_the_same_seed_gives_the_same_measurement():
    measure, x0 = Measurement(MASK, 0.3), normal(5, 4)
    assert torch.equal(measure.sample(x0, seed(1)), measure.sample(x0, seed(1)))


# ---- the posterior


@pytest.mark.parametrize("what", ["mask", "matrix"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_evidence_is_the_bells_seen_through_A(kind, what):
    law, means, C = law_of(kind)
    A, y = of_matrix(seen(what)), 2 * normal(6, 2, gen=3)
    each = [
        torch.distributions.MultivariateNormal(A @ m, A @ S @ A.T + 0.04 * torch.eye(2, dtype=f64))
        for m, S in zip(means, C, strict=True)
    ]
    truth = torch.stack(
        [w.log() + q.log_prob(y) for w, q in zip(law.weights, each, strict=True)]
    ).logsumexp(0)
    found = Measurement(seen(what), 0.2).log_evidence(law, y)
    assert (found - truth).abs().max() < 1e-10
    one = Measurement(seen(what), 0.2).log_evidence(law, y[0])
    assert one.shape == () and abs(one - truth[0]) < 1e-10


@pytest.mark.parametrize("what", ["mask", "matrix"])
@pytest.mark.parametrize("kind", KINDS)
def test_bayes_rule_holds_at_every_point(kind, what):
    "log p(x0 | y) + log p(y) = log p(x0) + log p(y | x0), for any x0."
    law = law_of(kind)[0]
    measure, x0, y = Measurement(seen(what), 0.2), normal(7, 4, gen=4), normal(2, gen=3)
    left = measure.posterior(law, y).log_prob(x0) + measure.log_evidence(law, y)
    right = law.log_prob(x0) + measure.log_prob(y, x0)
    assert (left - right).abs().max() < 1e-9 * right.abs().max()


@pytest.mark.parametrize("kind", KINDS)
def test_moments_of_the_posterior_by_importance_sampling(kind):
    law, measure, y = law_of(kind)[0], Measurement(seen("matrix"), 0.5), normal(2, gen=3)
    x0 = law.sample(200_000, seed(1))
    log_w = measure.log_prob(y, x0)
    mean_w = log_w.exp().mean()
    stderr = log_w.exp().std() / len(x0) ** 0.5
    assert abs(mean_w - measure.log_evidence(law, y).exp()) < 5 * stderr
    post = measure.posterior(law, y)
    w = log_w.softmax(0)
    for f in (lambda x: x, lambda x: x[:, :1] * x):  # means, and products
        mean = (w[:, None] * f(x0)).sum(0)
        err = (w[:, None].square() * (f(x0) - mean).square()).sum(0).sqrt()
        own = f(post.sample(200_000, seed(2)))
        own_err = own.std(0) / len(own) ** 0.5
        assert ((mean - own.mean(0)).abs() < 5 * (err**2 + own_err**2).sqrt()).all()


def test_the_posterior_on_a_grid():
    "Two numbers of which the sum is measured: Bayes' rule on a grid, cell by cell."
    means = torch.tensor([[-1.0, 0.5], [1.2, -0.3]], dtype=f64)
    law = GaussianMixture([0.7, 0.3], means, torch.tensor([0.3, 0.5], dtype=f64))
    measure, y = Measurement(torch.ones(1, 2, dtype=f64), 0.4), torch.tensor([0.6], dtype=f64)
    edge = torch.linspace(-7, 7, 401, dtype=f64)
    grid = torch.cartesian_prod(edge, edge)
    log = law.log_prob(grid) + measure.log_prob(y, grid)
    cell = (edge[1] - edge[0]) ** 2
    assert abs(log.logsumexp(0) + cell.log() - measure.log_evidence(law, y)) < 1e-10
    due = log.softmax(0) / cell
    assert (measure.posterior(law, y).log_prob(grid).exp() - due).abs().max() < 1e-10


def test_weights_say_which_component_it_was():
    law, means, C = law_of("full")
    measure, y = Measurement(MASK, 0.2), normal(2, gen=3)
    post, A = measure.posterior(law, y), of_matrix(MASK)
    each = torch.stack([
        torch.distributions.MultivariateNormal(
            A @ m, A @ S @ A.T + 0.04 * torch.eye(2, dtype=f64)
        ).log_prob(y)
        for m, S in zip(means, C, strict=True)
    ])  # fmt: skip
    assert torch.allclose(
        post.weights, (law.weights.log() + each).softmax(0), atol=1e-12, rtol=1e-12
    )
    gain = C @ A.T @ torch.linalg.inv(A @ C @ A.T + 0.04 * torch.eye(2, dtype=f64))
    due = means + torch.einsum("kdm,km->kd", gain, y - means @ A.T)
    assert torch.allclose(post.means, due, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("std", [1e-6, 1e-3, 30.0])
@pytest.mark.parametrize("kind", KINDS)
def test_a_noise_that_is_tiny_or_huge(kind, std):
    law, _, C = law_of(kind)
    measure, x0 = Measurement(MASK, std), law.sample(4, seed(3))
    y = measure.sample(x0[:1], seed(4))[0]
    post = measure.posterior(law, y)
    drawn = post.sample(2000, seed(5))
    assert ((measure(drawn) - y).std(0) < 1.3 * std).all()
    near = torch.where(MASK, x0[0] + std * normal(4, 4), normal(4, 4, gen=2))
    # what A sees, as a number of std: z^2 is up to some tens, and its digits are those of (y - x0) / std
    left = post.log_prob(near) + measure.log_evidence(law, y)
    right = law.log_prob(near) + measure.log_prob(y, near)
    assert (left - right).abs().max() < 1e-5 if std == 1e-6 else 1e-8


def test_points_stay_points_and_are_weighed_anew():
    data = normal(30, 4)
    for A in (MASK, seen("matrix")):
        measure, y = Measurement(A, 0.3), normal(2, gen=3)
        post = measure.posterior(Empirical(data), y)
        assert torch.allclose(
            post.weights, measure.log_prob(y, data).softmax(0), atol=1e-12, rtol=1e-12
        )
        assert torch.equal(post.means, data) and not post.components.var.any()
        evidence = measure.log_prob(y, data).logsumexp(0) - math.log(30)
        assert abs(measure.log_evidence(Empirical(data), y) - evidence) < 1e-12


def test_a_digit_s_size_and_any_event_shape():
    gen, d = seed(1), 784
    x = torch.rand(60, 1, 28, 28, generator=gen, dtype=f64)
    law = GaussianMixture.fit(x, labels=torch.arange(60) % 2, floor=1e-2)
    mask = torch.zeros(1, 28, 28, dtype=torch.bool)
    mask[:, :14] = True
    measure = Measurement(mask, 0.05)
    x0 = law.sample(3, gen)
    y = measure.sample(x0[:1], gen)[0]
    post = measure.posterior(law, y)
    assert post.event_shape == (1, 28, 28) and measure.m == d // 2
    left = post.log_prob(x0) + measure.log_evidence(law, y)
    right = law.log_prob(x0) + measure.log_prob(y, x0)
    assert ((left - right).abs() < 1e-9 * right.abs()).all()
    assert (measure(post.sample(5, gen)) - y).std() < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_float32_keeps_its_digits(kind):
    law, measure, y = law_of(kind)[0], Measurement(MASK, 0.2), normal(2, gen=3)
    half, post = measure.posterior(law.to(torch.float32), y.float()), measure.posterior(law, y)
    assert half.means.dtype == torch.float32
    x = normal(5, 4)
    due = post.denoise(x, 0.5)
    assert (half.denoise(x.float(), 0.5) - due).abs().max() < 1e-5 * due.abs().max()
    said = measure.log_evidence(law.to(torch.float32), y.float())
    assert said.dtype == torch.float32
    assert abs(said - measure.log_evidence(law, y)) < 1e-5 * abs(said)


# ---- a denoiser that is told y


def log_prob_of_y(law, A, std, y):
    "x_t, log_snr -> log p(y | x_t), exactly: (y, x_t) are one measurement of x0, of noise 1."

    def log_prob(x_t, level):
        a, s = torch.sigmoid(level[0]).sqrt(), torch.sigmoid(-level[0]).sqrt()
        both = Measurement(torch.cat([A / std, a / s * torch.eye(A.shape[1], dtype=f64)]), 1.0)
        ahead = Measurement(a / s * torch.eye(A.shape[1], dtype=f64), 1.0)
        z = torch.cat([(y / std).expand(len(x_t), -1), x_t / s], 1)
        return both.log_evidence(law, z) - ahead.log_evidence(law, x_t / s)

    return log_prob


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("what", ["mask", "matrix"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_posterior_s_denoiser_is_the_law_s_and_a_slope(kind, what, level):
    law, y, x = law_of(kind)[0], normal(2, gen=3), normal(6, 4, gen=4)
    told = classified(law, log_prob_of_y(law, of_matrix(seen(what)), 0.3, y))
    due = Measurement(seen(what), 0.3).posterior(law, y).denoise(x, level)
    assert (told(x, level) - due).abs().max() < 1e-10 * max(1, due.abs().max())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("what", ["mask", "matrix"])
@pytest.mark.parametrize("kind", KINDS)
def test_moments_are_exact_for_any_one_bell(kind, what, level):
    law, y, x = law_of(kind, k=1)[0], normal(2, gen=3), normal(6, 4, gen=4)
    measure = Measurement(seen(what), 0.3)
    due = measure.posterior(law, y).denoise(x, level)
    assert (steered(law, measure, y, "moments")(x, level) - due).abs().max() < 1e-9


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("what", ["mask", "matrix"])
def test_unit_is_exact_where_the_data_are_noise_alone(what, level):
    mean = torch.zeros(1, 4, dtype=f64)
    law = GaussianMixture([1.0], mean, torch.ones(1, dtype=f64))
    measure, y, x = Measurement(seen(what), 0.3), normal(2, gen=3), normal(6, 4, gen=4)
    due = measure.posterior(law, y).denoise(x, level)
    assert (steered(law, measure, y, "unit")(x, level) - due).abs().max() < 1e-10
    assert (steered(law, measure, y, "point")(x, level) - due).abs().max() > 1e-3


@pytest.mark.parametrize("level", LEVELS)
def test_a_point_pulls_too_hard_by_its_missing_variance(level):
    "One bell, one number: (std^2 + V) / std^2 times the pull that is due."
    law = GaussianMixture([1.0], torch.tensor([[0.4]], dtype=f64), torch.tensor([0.7], dtype=f64))
    measure, x = Measurement(torch.ones(1, 1, dtype=f64), 0.3), normal(6, 1)
    y = torch.tensor([1.1], dtype=f64)
    D, due = law.denoise(x, level), measure.posterior(law, y).denoise(x, level)
    V = law.denoise_cov(x, level, diag=True)
    point = steered(law, measure, y)(x, level)
    assert ((point - D) / (due - D) - (0.09 + V) / 0.09).abs().max() < 1e-9


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("what", ["mask", "matrix"])
@pytest.mark.parametrize("assume", ["point", "unit"])
def test_steered_is_the_slope_of_what_it_assumes(assume, what, level):
    "Against a classifier that says N(y; A D, std^2 I + A V A') itself."
    law, y, x = law_of("full")[0], normal(2, gen=3), normal(6, 4, gen=4)
    A = of_matrix(seen(what))
    cov = 0.09 * torch.eye(2, dtype=f64)
    if assume == "unit":
        cov = cov + A @ A.T / (1 + math.exp(level))

    def assumed(x_t, v):
        q = torch.distributions.MultivariateNormal(law.denoise(x_t, v) @ A.T, cov)
        return q.log_prob(y)

    due = classified(law, assumed)(x, level)
    found = steered(law, Measurement(seen(what), 0.3), y, assume)(x, level)
    assert (found - due).abs().max() < 1e-10 * due.abs().max()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("what", ["mask", "matrix"])
def test_moments_are_kalman_s_gain_of_the_true_covariance(what, level):
    law, y, x = law_of("full")[0], normal(2, gen=3), normal(6, 4, gen=4)
    A, D, V = of_matrix(seen(what)), law.denoise(x, level), law.denoise_cov(x, level)
    noisy = A @ V @ A.T + 0.09 * torch.eye(2, dtype=f64)
    due = D + torch.einsum("ndm,nm->nd", V @ A.T @ torch.linalg.inv(noisy), y - D @ A.T)
    measure = Measurement(seen(what), 0.3)
    assert (steered(law, measure, y, "moments")(x, level) - due).abs().max() < 1e-9
    # with one pass of two the gain is another
    assert (steered(law, measure, y, "moments", 1)(x, level) - due).abs().max() > 1e-4


def test_more_passes_than_are_needed_change_nothing_in_float32():
    "Half a digit of the ten bells: 80 passes are enough, and 392, one a number of y, must not build on rounding."
    x0, labels = digits("train", labels=True)
    bells = GaussianMixture.fit(x0.double(), labels=labels, floor=1e-2)
    seen = torch.zeros(1, 28, 28, dtype=torch.bool)
    seen[:, 14:] = True
    measure = Measurement(seen, 0.05)
    y = measure.sample(digits("test")[96:97].double(), seed(17))[0]
    a, s = (torch.sigmoid(torch.tensor(level, dtype=f64)).sqrt() for level in (2.0, -2.0))
    x = a * measure.posterior(bells, y).sample(1, seed(18)) + s * normal(1, 1, 28, 28)
    due = steered(bells, measure, y, "moments", 80)(x, 2.0)
    for kind, tolerance in ((torch.float32, 1e-5), (f64, 1e-10)):
        found = steered(bells, measure, y, "moments", 392)(x.to(kind), 2.0)
        assert (found - due).abs().max() < tolerance


def test_steered_takes_a_y_and_a_level_for_each_and_any_event():
    law, x = law_of("diagonal")[0], normal(3, 4, gen=4)
    measure, y = Measurement(MASK, 0.3), normal(3, 2, gen=3)
    levels = torch.tensor([-1.0, 0.5, 3.0], dtype=f64)
    for assume in ("point", "unit", "moments"):
        each = steered(law, measure, y, assume)(x, levels)
        for i in range(3):
            one = steered(law, measure, y[i], assume)(x[i : i + 1], levels[i])
            assert (each[i] - one[0]).abs().max() < 1e-11
    pictures = lambda x_t, v: law.denoise(x_t.flatten(1), v).view(x_t.shape)
    as_picture = steered(pictures, Measurement(MASK.view(1, 2, 2), 0.3), y)
    flat = steered(law, measure, y)(x, levels)
    assert (as_picture(x.view(3, 1, 2, 2), levels).flatten(1) - flat).abs().max() < 1e-12


def test_steered_in_float32_without_noise_and_without_a_slope():
    law, x = law_of("full")[0], normal(3, 4, gen=4)
    measure, y = Measurement(MASK, 0.3), normal(2, gen=3)
    for assume in ("point", "unit", "moments"):
        told = steered(law, measure, y, assume)
        single = told(x.float(), 0.5)
        assert single.dtype == torch.float32 and not single.requires_grad
        assert (single - told(x, 0.5)).abs().max() < 2e-5 * told(x, 0.5).abs().max()
        assert torch.equal(told(x, math.inf), x)
        with torch.no_grad():
            assert torch.equal(as_denoiser(told)(x, 0.5), told(x, 0.5))


# ---- pasting


def bell_2d(mean=(0.3, -0.6), rho=0.8):
    C = torch.tensor([[1.0, rho], [rho, 1.3]], dtype=f64)
    return GaussianMixture([1.0], torch.tensor([mean], dtype=f64), C[None]), C


def affine(C, mean, level):
    "D = G x + b of a bell."
    a, s2 = torch.tensor(level, dtype=f64).sigmoid().sqrt(), 1 / (1 + math.exp(level))
    G = a * C @ torch.linalg.inv(a**2 * C + s2 * torch.eye(2, dtype=f64))
    return G, mean - a * G @ mean


def step_of(C, mean, here, there):
    "x' = P x + c + dice xi: the posterior's step [DDPM eqs. 6, 7], with a bell's guess."
    a, b = (torch.tensor(v, dtype=f64).sigmoid().sqrt() for v in (here, there))
    share = a / b  # sqrt(alpha)
    of_x0 = b * (1 - share**2) / (1 - a**2)
    of_x = share * (1 - b**2) / (1 - a**2)
    G, shift = affine(C, mean, here)
    dice = ((1 - b**2) / (1 - a**2) * (1 - share**2)).sqrt()
    return of_x * torch.eye(2, dtype=f64) + of_x0 * G, of_x0 * shift, dice


@pytest.mark.parametrize("again", [1, 2, 5])
@pytest.mark.parametrize("steps", [3, 12])
def test_pasting_is_a_recursion_of_means_and_variances(steps, again):
    "Of a bell of two numbers, one unseen (u) and one pasted: all of it stays Gaussian."
    law, C = bell_2d()
    mean, y = law.means[0], 1.4
    grid = torch.linspace(-5, 5, steps + 1).tolist()
    m, v = (
        torch.zeros(2, dtype=f64),
        torch.ones(2, dtype=f64),
    )  # u and the pasted one, never correlated
    for here, there in zip(grid[:-1], grid[1:], strict=True):
        P, c, dice = step_of(C, mean, here, there)
        a, b = (torch.tensor(x, dtype=f64).sigmoid().sqrt() for x in (here, there))
        for k in range(again):
            m, v = P @ m + c, P.square() @ v + dice**2
            m, v = torch.stack([m[0], b * y]), torch.stack([v[0], 1 - b**2])
            if k < again - 1:
                keep = a / b
                m, v = keep * m, keep**2 * v + 1 - keep**2
    G, shift = affine(C, mean, grid[-1])
    due, var = (G @ m + shift)[0], (G.square() @ v)[0]
    measure = Measurement(torch.tensor([False, True]), 0.1)
    gen, n = seed(3), 40_000
    x = torch.randn(n, 2, generator=gen, dtype=f64)
    found = replaced(law, measure, torch.tensor([y], dtype=f64), x, -5.0, 5.0, steps, again, gen)
    assert torch.equal(found[:, 1], torch.full((n,), y, dtype=f64))
    assert abs(found[:, 0].mean() - due) < 5 * (var / n).sqrt()
    assert abs(found[:, 0].var() / var - 1) < 5 * (2 / n) ** 0.5


def test_going_back_brings_pasting_near_the_posterior():
    law, _ = bell_2d()
    measure, y = Measurement(torch.tensor([False, True]), 1e-4), torch.tensor([1.4], dtype=f64)
    due = measure.posterior(law, y).means[0, 0]
    off = []
    for again in (1, 4, 16):
        x = normal(20_000, 2, gen=again)
        drawn = replaced(law, measure, y, x, -6.0, 6.0, 40, again, seed(again))
        off.append(abs(drawn[:, 0].mean() - due))
    assert off[0] > 2 * off[1] > 4 * off[2] and off[2] > 0


def test_pasting_where_nothing_hangs_together_is_the_walk_s_own():
    "Of two numbers that are independent, the unseen one is drawn as if nobody had measured."
    law = GaussianMixture(
        [1.0], torch.zeros(1, 2, dtype=f64), torch.tensor([[0.5, 2.0]], dtype=f64)
    )
    measure, y = Measurement(torch.tensor([False, True]), 0.1), torch.tensor([3.0], dtype=f64)
    drawn = replaced(law, measure, y, normal(20_000, 2), -6.0, 8.0, 60, 1, seed(2))[:, 0]
    plain = walk(law, normal(20_000, 2), -6.0, 8.0, 60, 1.0, seed(4))[:, 0]
    assert abs(drawn.mean()) < 5 * drawn.std() / 20_000**0.5
    assert abs(drawn.var() / plain.var() - 1) < 5 * 2 / 20_000**0.5


def test_pasting_keeps_pictures_precision_and_seed():
    pictures = lambda x, v: law_of("diagonal")[0].denoise(x.flatten(1), v).view(x.shape)
    measure, y = Measurement(MASK.view(1, 2, 2), 0.1), normal(3, 2).float()
    x = normal(3, 1, 2, 2).float()
    one, two = (replaced(pictures, measure, y, x, -3.0, 3.0, 4, 2, seed(1)) for _ in range(2))
    assert one.dtype == torch.float32 and one.shape == x.shape and torch.equal(one, two)
    assert torch.equal(measure(one), y)


# ---- particles


@pytest.mark.parametrize("assume", ["point", "unit"])
@pytest.mark.parametrize("n", [2, 16])
def test_the_mean_weight_is_the_evidence_of_a_chain_known_in_closed_form(n, assume):
    "One bell: the walk's draws are Gaussian, and so p(y) is known, whatever the steps and n."
    law, C = bell_2d()
    mean, y, steps = law.means[0], torch.tensor([0.9], dtype=f64), 5
    grid = torch.linspace(-5, 5, steps + 1).tolist()
    m, V = torch.zeros(2, dtype=f64), torch.eye(2, dtype=f64)
    for here, there in zip(grid[:-1], grid[1:], strict=True):
        P, c, dice = step_of(C, mean, here, there)
        m, V = P @ m + c, P @ V @ P.T + dice**2 * torch.eye(2, dtype=f64)
    G, shift = affine(C, mean, grid[-1])
    A = torch.tensor([[0.5, 1.0]], dtype=f64)
    m, V = A @ (G @ m + shift), A @ G @ V @ G.T @ A.T + 2.25 * torch.eye(1, dtype=f64)
    due = torch.distributions.MultivariateNormal(m, V).log_prob(y).exp()
    measure, gen, runs = Measurement(A, 1.5), seed(n), 150
    said = []
    for _ in range(runs):
        x = torch.randn(n, 2, generator=gen, dtype=f64)
        out = particles(law, measure, y, x, -5.0, 5.0, steps, assume, gen)
        said.append(out.log_evidence)
    said = torch.tensor(said, dtype=f64).exp()
    stderr = said.std() / runs**0.5
    assert abs(said.mean() - due) < 5 * stderr and stderr < 0.1 * due
    assert out.draws.shape == (n, 2) and out.ess.shape == (steps + 1,)
    assert ((out.ess >= 1 / n - 1e-9) & (out.ess <= 1 + 1e-9)).all()


@pytest.mark.parametrize("std", [0.3, 3.0])
@pytest.mark.parametrize("assume", ["point", "unit"])
def test_particles_take_the_walk_s_steps_with_y_and_weigh_what_differs(assume, std):
    "Two steps, with the same dice: the draws are walk's, the evidence is that of (17.10). Resampled if y is sharp."
    law, measure = law_of("full")[0], Measurement(MASK, std)
    y, x, levels = normal(2, gen=3), normal(12, 4), [0.0, 1.0, 2.0]
    out = particles(law, measure, y, x, 0.0, 2.0, 2, assume, seed(1))
    assert (out.ess[:-1].min() < 0.5) == (std < 1)

    def ell(x, level, assume=assume):
        var = std**2 + (1 / (1 + math.exp(level)) if assume == "unit" else 0)
        guess = law.denoise(x, level)[:, MASK]
        return torch.distributions.Normal(guess, var**0.5).log_prob(y).sum(1)

    led, gen, log_w, due = steered(law, measure, y, assume), seed(1), ell(x, 0.0), 0
    for here, there in zip(levels[:-1], levels[1:], strict=True):
        if share_that_counts(log_w) < 0.5:
            due = due + log_w.logsumexp(0) - math.log(12)
            x, log_w = x[chosen(log_w, gen)], torch.zeros(12, dtype=f64)
        a, b = (torch.tensor(v, dtype=f64).sigmoid().sqrt() for v in (here, there))
        keep = a / b
        of_x0, of_x = b * (1 - keep**2) / (1 - a**2), keep * (1 - b**2) / (1 - a**2)
        var = (1 - b**2) / (1 - a**2) * (1 - keep**2)
        after = walk(led, x, here, there, 1, 1.0, gen)
        plain, pulled = (of_x0 * says(x, here) + of_x * x for says in (law.denoise, led))
        log_w = log_w + ((after - pulled).square() - (after - plain).square()).sum(1) / (2 * var)
        log_w = log_w + ell(after, there, "point" if there == 2 else assume) - ell(x, here)
        x = after
    assert (torch.cdist(out.draws, law.denoise(x, 2.0)).min(1).values < 1e-6).all()
    due = due + log_w.logsumexp(0) - math.log(12)
    assert abs(out.log_evidence - due) < 1e-6 * abs(due)


def test_particles_weigh_any_function_without_bias():
    "E[p_hat f(draws)] = E[f(x0) p(y | x0)] over the walk's own draws, of two humps."
    law = law_of("diagonal")[0]
    measure, y, gen = Measurement(MASK, 0.7), torch.tensor([0.4, -0.2], dtype=f64), seed(7)
    ends = walk(law, torch.randn(60_000, 4, generator=gen, dtype=f64), -5.0, 5.0, 8, 1.0, gen)
    x0 = law.denoise(ends, 5.0)
    plain = measure.log_prob(y, x0).exp()[:, None] * torch.cat([torch.ones_like(x0[:, :1]), x0], 1)
    runs = []
    for _ in range(120):
        x = torch.randn(32, 4, generator=gen, dtype=f64)
        out = particles(law, measure, y, x, -5.0, 5.0, 8, "unit", gen)
        mean = torch.cat([torch.ones(1, dtype=f64), out.draws.mean(0)])
        runs.append(math.exp(out.log_evidence) * mean)
    runs = torch.stack(runs)
    stderr = (runs.var(0) / len(runs) + plain.var(0) / len(plain)).sqrt()
    assert ((runs.mean(0) - plain.mean(0)).abs() < 5 * stderr).all()
    assert (stderr < 0.15 * runs.std(0) + 0.01).all()


def test_many_particles_draw_the_posterior():
    means = torch.tensor([[-1.0, -0.5], [1.0, 0.8]], dtype=f64)
    law = GaussianMixture([0.6, 0.4], means, torch.tensor([0.2, 0.3], dtype=f64))
    measure, y = Measurement(torch.tensor([True, False]), 0.5), torch.tensor([0.2], dtype=f64)
    due = measure.posterior(law, y).weights[1].item()
    shares, said = [], []
    for k in range(8):
        out = particles(law, measure, y, normal(1000, 2, gen=k), -8.0, 8.0, 100, "unit", seed(k))
        shares.append(law.responsibilities(out.draws)[:, 1].mean().item())
        said.append(out.log_evidence)
    shares = torch.tensor(shares)
    assert abs(shares.mean() - due) < 5 * shares.std() / 8**0.5 + 0.01
    said = torch.tensor(said).exp().mean().log()
    assert abs(said - measure.log_evidence(law, y)) < 0.05


def test_who_counts_and_who_is_chosen():
    "ESS = 1 / sum w^2, as a share; each is chosen n w times, rounded up or down, and n w times on average."
    w = torch.tensor([0.55, 0.27, 0.18], dtype=f64)
    assert abs(share_that_counts(w.log() + 7) - 1 / (0.55**2 + 0.27**2 + 0.18**2) / 3) < 1e-12
    drawn = [chosen(w.log() + 7, seed(k)) for k in range(2000)]
    copies = torch.stack([torch.bincount(i, minlength=3) for i in drawn]).double()
    assert ((copies - 3 * w).abs() < 1).all()
    assert ((copies.mean(0) - 3 * w).abs() < 5 * copies.std(0) / 2000**0.5).all()


@pytest.mark.parametrize("k", [0, 1, 2])
def test_a_crowd_is_drawn_anew_where_less_than_half_counts(k):
    means = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=f64)
    law = GaussianMixture([0.5, 0.5], means, torch.tensor([0.15, 0.15], dtype=f64))
    measure, y = Measurement(torch.tensor([True, False]), 0.5), torch.tensor([0.2], dtype=f64)
    ess = particles(law, measure, y, normal(300, 2, gen=k), -8.0, 8.0, 40, "point", seed(k)).ess
    fell = ess[:-1] < 0.5
    assert fell.any() and (ess[1:][fell] > 0.6).all()


def test_particles_keep_pictures_precision_and_seed():
    pictures = lambda x, v: law_of("diagonal")[0].denoise(x.flatten(1), v).view(x.shape)
    measure, y = Measurement(MASK.view(1, 2, 2), 0.4), normal(2).float()
    x = normal(6, 1, 2, 2).float()
    one, two = (
        particles(pictures, measure, y, x, -3.0, 3.0, 4, generator=seed(1)) for _ in range(2)
    )
    assert one.draws.dtype == torch.float32 and one.draws.shape == x.shape
    assert torch.equal(one.draws, two.draws) and one.log_evidence == two.log_evidence


LAW, SEEN, SAME = law_of("full")[0], Measurement(MASK, 0.1), torch.ones(2, 4, dtype=f64)


def paste(measure=None, y=None, x=None, start=-3.0, end=3.0, steps=2, **more):
    measure = SEEN if measure is None else measure
    y, x = normal(2) if y is None else y, normal(3, 4) if x is None else x
    return replaced(LAW, measure, y, x, start, end, steps, **more)


def vote(y=None, x=None, start=-3.0, **more):
    y, x = normal(2) if y is None else y, normal(3, 4) if x is None else x
    return particles(LAW, SEEN, y, x, start, 3.0, 2, **more)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "make, kind, words",
    [
        (lambda: Measurement(MASK, 0.0), ValueError, "std must be above 0 and finite, got 0"),
        (lambda: Measurement(MASK, "small"), TypeError, "std must be a number, got str"),
        (lambda: Measurement(MASK & False, 0.1), ValueError, "A must show at least one number"),
        (lambda: Measurement(torch.zeros(4), 0.1), ValueError, "A must have 2 dimensions"),
        (lambda: Measurement(torch.ones(2, 4) / 0, 0.1), ValueError, "A must be finite, got inf"),
        (lambda: Measurement([[1.0]], 0.1), TypeError, "A must be a floating-point tensor"),
        (lambda: SEEN(normal(3, 5)), ValueError, "x0 must have shape (n, 4), got (3, 5)"),
        (lambda: Measurement(normal(2, 4), 0.1)(normal(3, 5)), ValueError, "x0 must hold events of 4 numbers, got shape (3, 5)"),
        (lambda: SEEN.sample(normal(3, 4), 7), TypeError, "generator must be"),
        (lambda: SEEN.log_prob(normal(3), normal(5, 4)), ValueError, "y must have shape (2,) or (n, 2), got (3,)"),
        (lambda: SEEN.log_prob(normal(3, 2), normal(5, 4)), ValueError, "y must be one for all x0, or 5, got 3"),
        (lambda: SEEN.posterior(LAW, normal(3, 2)), ValueError, "y must be one measurement, (2,), got (3, 2)"),
        (lambda: SEEN.posterior(LAW, normal(2) / 0), ValueError, "y must be finite"),
        (lambda: SEEN.posterior("law", normal(2)), TypeError, "law must be a GaussianMixture, got str"),
        (lambda: SEEN.posterior(law_of("full", d=3)[0], normal(2)), ValueError, "x0 must have shape (n, 4)"),
        (lambda: Measurement(SAME, 1e-9).log_evidence(LAW, normal(2)), ValueError, "std is too small for float64"),
        (lambda: steered(LAW, SEEN, normal(2), "none"), ValueError, "assume must be one of point, unit, moments, got 'none'"),
        (lambda: steered(LAW, MASK, normal(2)), TypeError, "measurement must be a Measurement"),
        (lambda: steered(LAW, SEEN, [1.0]), TypeError, "y must be a floating-point tensor"),
        (lambda: steered(LAW, SEEN, normal(3)), ValueError, "y must have shape (2,)"),
        (lambda: steered(LAW, SEEN, normal(2))(normal(3, 4), -math.inf), ValueError, "nothing of x0 is left"),
        (lambda: steered(3, SEEN, normal(2)), TypeError, "denoiser must be"),
        (lambda: steered(LAW, SEEN, normal(2), "moments", 0), ValueError, "passes must be 1 or more, got 0"),
        (lambda: paste(Measurement(normal(1, 4), 0.1)), ValueError, "measurement must be by a mask"),
        (lambda: paste(MASK), TypeError, "measurement must be a Measurement, got Tensor"),
        (lambda: paste(y=normal(2, 2)), ValueError, "y must be one for all x, or 3, got 2"),
        (lambda: paste(x=normal(3, 5)), ValueError, "x must have shape (n, 4), got (3, 5)"),
        (lambda: paste(again=0), ValueError, "again must be 1 or more, got 0"),
        (lambda: paste(end=-3.0), ValueError, "end must differ from start"),
        (lambda: vote(x=normal(1, 4)), ValueError, "x must hold two particles or more, got 1"),
        (lambda: vote(y=normal(3, 2)), ValueError, "y must be one measurement, (2,), got (3, 2)"),
        (lambda: vote(assume="moments"), ValueError, "assume must be one of point, unit, got 'moments'"),
        (lambda: vote(start=math.inf), ValueError, "start must be at most 80, got inf"),
        (lambda: vote(generator=3), TypeError, "generator must be a torch.Generator or None, got int"),
    ],
)  # fmt: skip
def test_bad_input_is_named(make, kind, words):
    with pytest.raises(kind) as error:
        make()
    assert words in str(error.value)
