"""Gaussians whose covariances are written in four ways: each against the same covariances as dense matrices.

The dense matrices and torch.distributions stand in tests/laws/test_mixture.py, as Law. `error` is the largest
|a - b| / max(1, |b|).
"""

import math

import numpy as np
import pytest
import torch

from diffusion_math.laws.components import (
    Components,
    RoundComponents,
    components_of,
    join,
    log_weights_of,
    split,
)
from diffusion_math.laws.mixture import Empirical, GaussianMixture
from tests.laws.test_mixture import KINDS, Law
from tests.truth import error, seed

F32, F64 = torch.float32, torch.float64
INF, NAN = math.inf, math.nan
EYE = torch.eye(3, dtype=F64)
NONE = torch.zeros(1, 1, dtype=F64)  # no noise; and with ONE, all of the signal
ONE = torch.ones(1, 1, dtype=F64)
LEVELS = [(1.0, 0.0), (0.8, 0.36), (0.0, 1.0)]  # the scale and the variance of noise


def each_x(n=6):
    "A batch, and a scale and a variance of noise for each."
    s = torch.linspace(0.1, 1, n, dtype=F64)[:, None]
    return 2 * torch.randn(n, 3, generator=seed(3), dtype=F64), s, 1 - s**2


def noised(law, s, v):
    "Mean (n, k, d) and covariance (n, k, d, d) of each noised component, dense."
    return s[..., None] * law.means, s[..., None, None] ** 2 * law.covs + v[..., None, None] * EYE


# ---- what the four ways have in common


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("one", [False, True], ids=["a level for each x", "one for all"])
def test_log_prob_is_that_of_the_dense_covariance(kind, one):
    law = Law(kind)
    x, s, v = each_x()
    if one:
        s, v = s[:1], v[:1]
    truth = torch.distributions.MultivariateNormal(*noised(law, s, v)).log_prob(x[:, None])
    c = law.q.components
    assert error(c.log_prob(x, s, v), truth) < 1e-10
    single = c.to(F32).log_prob(x.float(), s.float(), v.float())
    assert single.dtype == F32 and error(single, truth) < 1e-5
    if kind != "isotropic":
        assert torch.equal(c.log_prob(x, s, v, parts=split(c, x, s)), c.log_prob(x, s, v))


@pytest.mark.parametrize("kind", KINDS)
def test_pull_is_a_function_of_the_dense_covariance(kind):
    "sum_k r_k f(C_k) (x - s mean_k), for f the inverse of the noised covariance and for f the covariance itself."
    law = Law(kind)
    x, s, v = each_x()
    c, r = law.q.components, torch.rand(6, 3, generator=seed(4), dtype=F64)
    mean, cov = noised(law, s, v)
    for f, dense in (
        (1 / c.noised_var(s, v), torch.linalg.inv(cov)),
        (c.var[None], law.covs[None]),
    ):
        each = (dense @ (x[:, None] - mean)[..., None])[..., 0]
        assert error(c.pull(x, s, f, r), torch.einsum("nk,nkd->nd", r, each)) < 1e-10


@pytest.mark.parametrize("kind", KINDS)
def test_a_root_squared_is_the_covariance(kind):
    "The root of e_i, for each i and each component, in any order of the rows."
    law = Law(kind)
    which = torch.arange(3).repeat(3)[torch.randperm(9, generator=seed(0))]
    at = torch.zeros(3, dtype=torch.long)
    rows, order = torch.zeros(9, 3, dtype=F64), []
    for i, k in enumerate(which.tolist()):
        rows[i, at[k]] = 1
        order.append((k, int(at[k])))
        at[k] += 1
    out, roots = law.q.components.root(rows, which), torch.zeros(3, 3, 3, dtype=F64)
    for (k, j), row in zip(order, out, strict=True):
        roots[k, :, j] = row
    assert error(roots @ roots.mT, law.covs) < 1e-10
    assert law.q.components.root(rows[:0], which[:0]).shape == (0, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("s, v", LEVELS)
def test_noising_is_noising_the_dense_covariance(kind, s, v):
    law = Law(kind)
    s, v = torch.tensor(s, dtype=F64), torch.tensor(v, dtype=F64)
    got, (x, _, _) = law.q.components.noised(s, v), each_x()
    assert type(got) is type(law.q.components)
    truth = torch.distributions.MultivariateNormal(*noised(law, s * ONE, v * ONE)).log_prob(
        x[:, None]
    )
    assert error(got.log_prob(x, ONE, NONE), truth) < 1e-10
    assert error(law.q.components.log_prob(x, s * ONE, v * ONE), truth) < 1e-10


@pytest.mark.parametrize("kind", KINDS[1:])
def test_what_is_split_is_joined_again(kind):
    law = Law(kind)
    x, s, _ = each_x()
    c = law.q.components
    off = x[:, None] - s[..., None] * law.means
    assert error(join(c, torch.ones_like(c.var)[None], *split(c, x, s)), off) < 1e-12
    z, rest = split(c, x, s)
    if rest is not None:  # what U leaves out is at right angles to it
        assert error(torch.einsum("nkd,kdr->nkr", rest, c.U), torch.zeros_like(z)) < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_on_another_device_no_number_is_looked_at(kind):
    c, (x, s, v) = Law(kind).q.components.to("meta"), (a.to("meta") for a in each_x())
    assert isinstance(c, RoundComponents) == (kind == "isotropic")
    which = torch.zeros(6, dtype=torch.long, device="meta")
    outs = [c.log_prob(x, s, v), c.pull(x, s, 1 / c.noised_var(s, v), x), c.root(x, which)]
    assert [tuple(out.shape) for out in outs] == [(6, 3), (6, 3), (6, 3)]
    assert all(out.device.type == "meta" for out in outs)


def test_round_ones_with_nothing_left_of_their_means():
    "Where the scale is 0, or below what float32 holds, every mean lies at 0."
    c = RoundComponents(torch.randn(4, 3), torch.ones(4, 1))
    x = torch.randn(5, 3)
    truth = torch.distributions.Normal(0.0, 1.0).log_prob(x.double()).sum(1, keepdim=True)
    for s in (0.0, 1e-40, 1e-20):
        got = c.log_prob(x, torch.full((1, 1), s), torch.ones(1, 1))
        assert error(got, truth.expand(5, 4)) < 1e-6


@pytest.mark.parametrize(
    "U, var",
    [(None, (1.0, 0.0, 0.0)), (EYE[None], (1.0, 0.0, 0.0)), (EYE[None, :, :1], (1.0, 0.0))],
    ids=["diagonal", "full", "low rank"],
)
def test_variances_of_0_are_points(U, var):
    "In one direction, and in those that U leaves out."
    c = Components(torch.ones(1, 3, dtype=F64), torch.tensor([var], dtype=F64), U)
    x = torch.tensor([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0], [1.0, 1.5, 1.0]], dtype=F64)
    assert c.log_prob(x, ONE, NONE).tolist() == [[INF], [INF], [-INF]]


def test_round_ones_of_variance_0_are_points():
    c = RoundComponents(torch.ones(1, 3, dtype=F64), torch.zeros(1, 1, dtype=F64))
    x = torch.tensor([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0]], dtype=F64)
    assert c.log_prob(x, ONE, NONE).tolist() == [[INF], [-INF]]


# ---- from means and covariances


def test_the_four_ways_are_told_apart_by_shape():
    means, one = torch.zeros(2, 4), torch.ones(2)
    U = torch.eye(4)[:, :2].expand(2, 4, 2)
    for covs, kind, shape in (
        (one, RoundComponents, (2, 1)),
        (torch.ones(2, 4), Components, (2, 4)),
        (torch.ones(2, 1, 2, 2), Components, (2, 4)),
        (torch.eye(4).expand(2, 4, 4), Components, (2, 4)),
        ((U, torch.ones(2, 2), one), Components, (2, 3)),
        ((torch.eye(4).expand(2, 4, 4), torch.ones(2, 4), one), Components, (2, 4)),
    ):
        got = components_of(means, covs, (1, 2, 2))
        assert type(got) is kind and got.var.shape == shape and (got.var == 1).all()


def test_numbers_of_a_list_keep_the_digits_of_the_means(shape_checks_off):
    "0.1 in float64 is not 0.1 in float32."
    means = torch.zeros(2, 3, dtype=F64)
    with shape_checks_off():
        assert components_of(means, [0.1, 0.2], (3,)).var.flatten().tolist() == [0.1, 0.2]
        U = EYE[:, :1].expand(2, 3, 1)
        got = components_of(means, (U, [[0.1], [0.2]], [0.3, 0.7]), (3,))
        assert got.var.tolist() == [[0.1, 0.3], [0.2, 0.7]]


# ---- digits of a covariance, and directions that are left out


def test_small_variances_of_a_full_float32_covariance_are_kept():
    "Variances of 1 and of 3e-5, well above float32's rounding, in 28 directions."
    draw = torch.Generator().manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(28, 28, generator=draw, dtype=F64))
    var = torch.full((28,), 3e-5, dtype=F64)
    var[:4] = 1
    cov = ((turn * var) @ turn.T).float()
    cov = ((cov + cov.T) / 2)[None]
    x = (turn @ (var.sqrt() * torch.randn(28, generator=draw, dtype=F64)))[None]
    truth = torch.distributions.MultivariateNormal(
        torch.zeros(28, dtype=F64), cov[0].double()
    ).log_prob(x)
    assert error(GaussianMixture([1.0], torch.zeros(1, 28), cov).log_prob(x.float()), truth) < 1e-5


def test_a_singular_full_covariance_has_a_variance_of_0():
    "A rank of 1 in two dimensions: points on the line through the mean, and nothing else."
    q = GaussianMixture(
        [1.0], torch.zeros(1, 2, dtype=F64), torch.tensor([[[4.0, 0.0], [0.0, 0.0]]], dtype=F64)
    )
    x = torch.tensor([[3.0, 0.0], [3.0, 1e-3]], dtype=F64)
    assert q.log_prob(x).tolist() == [INF, -INF]
    log_snr = 0.0  # scale^2 = 1/2: variances 4/2 + 1/2 and 1/2
    truth = (
        torch.distributions.Normal(0, torch.tensor([2.5, 0.5], dtype=F64).sqrt()).log_prob(x).sum(1)
    )
    assert error(q.noised(log_snr).log_prob(x), truth) < 1e-10


def test_a_singular_float32_covariance_is_no_negative_one():
    "Rank 3 in 6 dimensions, as float32 rounds it: its zeros come out a little above or below."
    for draw in range(20):
        root = torch.randn(1, 6, 3, generator=seed(draw))
        q = GaussianMixture([1.0], torch.zeros(1, 6), root @ root.mT)
        x, truth = torch.randn(4, 6), Law("full", (6,), k=1)
        truth.weights, truth.means = torch.ones(1, dtype=F64), torch.zeros(1, 6, dtype=F64)
        truth.covs = (root @ root.mT).double()
        noised = truth.reference(0.0).log_prob(x.double())
        assert error(q.noised(0.0).log_prob(x), noised) < 1e-5


def test_a_rank_that_leaves_no_direction_out():
    "Its floor has nothing to be the variance of: 0 there is no point mass."
    law = Law("full")
    var, U = torch.linalg.eigh(law.covs)
    x = law.draw(10)
    for floor in (0.0, 1.0):
        q = GaussianMixture(law.weights, law.means, (U, var, torch.full((3,), floor)))
        assert error(q.log_prob(x), law.q.log_prob(x)) < 1e-10
        assert error(q.score(x), law.q.score(x)) < 1e-10
        assert error(q.denoise_cov(x, 1.0), law.q.denoise_cov(x, 1.0)) < 1e-10


def test_a_rank_of_0_is_isotropic():
    law = Law("isotropic")
    q = GaussianMixture(
        law.weights, law.means, (torch.zeros(3, 3, 0), torch.zeros(3, 0), law.covs[:, 0, 0])
    )
    x = law.draw(10)
    assert (
        error(q.log_prob(x), law.q.log_prob(x)) < 1e-10
        and error(q.denoise(x, 1.0), law.q.denoise(x, 1.0)) < 1e-10
    )


# ---- fitting


def test_fit_with_labels_is_a_share_a_mean_and_a_covariance_for_each():
    x = torch.randn(90, 1, 2, 2) * torch.linspace(0.5, 2, 4).view(2, 2)
    labels = torch.tensor([3, 7, 7]).repeat(30)
    x[labels == 7] += 1
    q = GaussianMixture.fit(x, labels=labels, floor=1e-2)
    flat = x.double().view(90, 4)
    groups = [flat[labels == label] for label in (3, 7)]
    covs = [
        torch.as_tensor(np.cov(g.T.numpy(), bias=True)) + 1e-2 * torch.eye(4, dtype=F64)
        for g in groups
    ]
    bells = torch.distributions.MultivariateNormal(
        torch.stack([g.mean(0) for g in groups]), torch.stack(covs)
    )
    weights = torch.tensor([1 / 3, 2 / 3], dtype=F64)
    truth = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(weights), bells
    ).log_prob(flat)
    assert q.event_shape == (1, 2, 2) and q.weights.dtype == q.means.dtype == F64
    assert error(q.weights, weights) < 1e-12 and error(q.means.flatten(1), bells.mean) < 1e-12
    assert error(q.log_prob(x.double()), truth) < 1e-10
    assert (
        error(GaussianMixture.fit(x, labels=labels, floor=2e-2).log_prob(x.double()), truth) > 1e-3
    )
    assert q.log_prob(x).dtype == F32


def test_fit_a_label_seen_once_or_fewer_times_than_there_are_pixels():
    "What has no spread has the floor's."
    x, floor = torch.randn(4, 5, dtype=F64), 0.1
    q = GaussianMixture.fit(x, labels=torch.tensor([0, 1, 1, 1]), floor=floor)
    alone = torch.distributions.MultivariateNormal(x[0], floor * torch.eye(5, dtype=F64)).log_prob(
        x[:1]
    )
    cov = torch.as_tensor(np.cov(x[1:].T.numpy(), bias=True)) + floor * torch.eye(5, dtype=F64)
    others = torch.distributions.MultivariateNormal(x[1:].mean(0), cov).log_prob(x[:1])
    assert (
        error(q.log_prob(x[:1]), torch.logaddexp(alone + math.log(0.25), others + math.log(0.75)))
        < 1e-10
    )


def test_fit_by_em_is_what_scikit_learn_finds():
    from sklearn.mixture import GaussianMixture as EM

    x = Law("full", (2,)).draw(400)
    q = GaussianMixture.fit(x, k=3, floor=1e-4, seed=1)
    em = EM(3, reg_covar=1e-4, random_state=1).fit(x.numpy())
    assert error(q.log_prob(x), em.score_samples(x.numpy())) < 1e-8
    assert error(q.responsibilities(x), em.predict_proba(x.numpy())) < 1e-8
    again = GaussianMixture.fit(x.float().view(400, 1, 2), k=3, floor=1e-4, seed=1)
    assert again.event_shape == (1, 2) and error(again.means.view(3, 2), q.means) < 1e-4
    assert q.log_prob(x).mean() > GaussianMixture.fit(x, k=1).log_prob(x).mean() + 0.1


# ---- weights


def test_log_weights_are_shares_that_add_to_1():
    means = torch.zeros(3, 2, dtype=F64)
    assert error(log_weights_of([0.5, 0.25, 0.25], means).exp(), [0.5, 0.25, 0.25]) < 1e-15
    assert log_weights_of([1.0, 0.0, 0.0], means).tolist() == [0.0, -INF, -INF]
    nearly = log_weights_of(
        [0.5, 0.25, 0.250001], means
    ).exp()  # to float32's rounding, and no more
    assert abs(nearly.sum() - 1) < 1e-15
    assert log_weights_of(torch.ones(3) / 3, means.float()).dtype == F32
    assert log_weights_of(torch.ones(3, device="meta"), means.to("meta")).device.type == "meta"


# ---- wrong arguments

MEANS, ONES = torch.zeros(2, 3), torch.ones(2)
ALONG = torch.eye(3)[:, :1].expand(2, 3, 1)
SHAPES = r"covs must have shape \(2,\), \(2, 3\), \(2, 3, 3\) or be a tuple \(U, var, floor\), got "
NEGATIVE = "covs must hold no negative variance, got "


@pytest.mark.bad_input
@pytest.mark.parametrize("covs, kind, words", [
    (torch.ones(3), ValueError, SHAPES + r"\(3,\)"),
    (torch.ones(2, 3, 2), ValueError, SHAPES + r"\(2, 3, 2\)"),
    (1.0, ValueError, SHAPES + r"\(\)"),
    (-ONES, ValueError, NEGATIVE + "-1"),
    (-torch.ones(2, 3), ValueError, NEGATIVE + "-1"),
    (torch.diag(torch.tensor([1.0, 1, -2])).expand(2, 3, 3), ValueError, NEGATIVE + "-2"),
    (ONES * NAN, ValueError, NEGATIVE + "nan"),
    (torch.eye(3).roll(1, 0).expand(2, 3, 3), ValueError, "covs must be symmetric, got a matrix that is not"),
    (1e-9 * torch.eye(3).roll(1, 0).expand(2, 3, 3), ValueError, "covs must be symmetric"),
    ((ALONG, ONES, ONES), ValueError, r"covs = \(U, var, floor\) must have shapes \(2, 3, r\), \(2, r\) and \(2,\), "
     r"got \(2, 3, 1\), \(2,\), \(2,\)"),
    ((ALONG, ONES[:, None], -ONES), ValueError, NEGATIVE + "-1"),
    ((ALONG, -ONES[:, None], ONES), ValueError, NEGATIVE + "-1"),
    ((2 * ALONG, ONES[:, None], ONES), ValueError, r"covs = \(U, var, floor\): U must have orthonormal columns, off by 3"),
    ((0.1, 0.2), ValueError, r"covs = \(U, var, floor\) must hold three tensors, got 2"),
    ((ALONG, None, ONES), TypeError, "covs must be tensors where it is a tuple, got NoneType"),
    (None, TypeError, r"covs must be a tensor or a tuple \(U, var, floor\), got NoneType"),
    ("full", TypeError, r"covs must be a tensor or a tuple \(U, var, floor\), got str"),
    (ONES * 1j, TypeError, r"covs must be a tensor or a tuple \(U, var, floor\), got torch.complex64"),
])  # fmt: skip
def test_wrong_covariances_are_named(covs, kind, words):
    with pytest.raises(kind, match=words):
        components_of(MEANS, covs, (3,))


@pytest.mark.bad_input
@pytest.mark.parametrize("weights, kind, words", [
    ([0.2, 0.3, 0.5], ValueError, r"weights must have shape \(2,\), one for each mean, got \(3,\)"),
    (1.0, ValueError, r"weights must have shape \(2,\), .*, got \(\)"),
    ([0.5, 0.6], ValueError, r"weights must be 0 or more and add to 1, got \[0.5, 0.6"),
    ([1.5, -0.5], ValueError, r"weights must be 0 or more and add to 1, got \[1.5, -0.5\]"),
    ([0.5, NAN], ValueError, "weights must be 0 or more and add to 1"),
    ([INF, 0.5], ValueError, "weights must be 0 or more and add to 1"),
    (None, TypeError, "weights must be a list or tensor of numbers, got NoneType"),
    ("ab", TypeError, "weights must be a list or tensor of numbers, got str"),
])  # fmt: skip
def test_wrong_weights_are_named(weights, kind, words):
    with pytest.raises(kind, match=words):
        log_weights_of(weights, MEANS)


# ---- derivatives of round components

EVERY = ("few", "many", "points", "a point alone")


def round_law(kind):
    "A mixture of round Gaussians; 'many' are more than are taken one by one."
    g = seed(3)
    k = {"few": 3, "many": 700, "points": 5, "a point alone": 1}[kind]
    means = torch.randn(k, 6, generator=g, dtype=F64)
    if kind in ("few", "many"):
        var = 0.2 + torch.rand(k, generator=g, dtype=F64)
        return GaussianMixture(torch.ones(k, dtype=F64) / k, means, var)
    return Empirical(means)


def as_diagonal(law):
    "The same law with a variance for each coordinate, which takes every difference by itself."
    c = law.components
    return GaussianMixture(law.weights, law.means, c.var.expand(c.means.shape))


@pytest.mark.parametrize("kind", EVERY)
def test_round_components_have_derivatives_of_every_order_both_ways(kind):
    law, level = round_law(kind).noised(0.5), torch.tensor(0.7, dtype=F64)
    same = as_diagonal(law)
    for x in (torch.randn(6, generator=seed(4), dtype=F64), law.means[0]):  # at a mean too
        for ask in (
            lambda m, y: m.log_prob(y[None])[0],
            lambda m, y: m.score(y[None])[0, 0],
            lambda m, y: m.denoise(y[None], level)[0, 0],
            lambda m, y: m.noised(level).log_prob(y[None])[0],
        ):
            f, truth = (lambda y, m=m, ask=ask: ask(m, y) for m in (law, same))
            third = lambda h: torch.func.grad(lambda y: torch.func.hessian(h)(y).sum())
            due = [way(truth)(x) for way in (torch.func.grad, torch.func.hessian, third)]
            for order, way in (
                (1, torch.func.grad),
                (1, torch.func.jacfwd),
                (2, torch.func.hessian),
                (2, lambda h: torch.func.jacrev(torch.func.jacrev(h))),
                (2, lambda h: torch.func.jacfwd(torch.func.jacfwd(h))),
                (3, third),
                (2, lambda h: lambda y: torch.autograd.functional.hessian(h, y)),
            ):
                assert error(way(f)(x), due[order - 1]) < 1e-10


@pytest.mark.parametrize("kind", EVERY)
def test_and_with_respect_to_the_noise_the_means_and_the_variances(kind):
    law, x = round_law(kind), torch.randn(2, 6, generator=seed(4), dtype=F64)
    same, level = as_diagonal(law), torch.tensor(0.7, dtype=F64)
    for ask in (
        lambda m, at: m.noised(at).log_prob(x).sum(),
        lambda m, at: m.noised_score(x, at)[0, 0],
        lambda m, at: m.denoise(x, at)[1, 1],
    ):
        f, truth = (lambda at, m=m, ask=ask: ask(m, at) for m in (law, same))
        for way in (torch.func.grad, torch.func.jacfwd, torch.func.hessian):
            assert error(way(f)(level), way(truth)(level)) < 1e-9
        levels = torch.tensor([-3.0, 0.0, 4.0], dtype=F64)
        each = torch.stack([f(at) for at in levels])
        assert error(torch.func.vmap(f)(levels), each) < 1e-12
        slopes = torch.stack([torch.func.grad(f)(at) for at in levels])
        assert error(torch.func.vmap(torch.func.grad(f))(levels), slopes) < 1e-11
    if kind != "a point alone":
        means, k = law.means, len(law.means)

        def fitted(means, var, round_one):
            covs = var if round_one else var[:, None].expand(k, 6)
            return GaussianMixture(torch.ones(k) / k, means, covs).log_prob(x).sum()

        var = torch.full((k,), 0.4, dtype=F64)
        for i, start in enumerate((means, var)):
            got, want = (
                torch.autograd.functional.vjp(
                    lambda m, v, one=one: fitted(m, v, one), (means, var)
                )[1][i]
                for one in (True, False)
            )
            assert error(got, want) < 1e-10 and got.shape == start.shape


@pytest.mark.parametrize("k, d", [(2, 2), (3000, 2)])  # few and many
def test_the_score_of_narrow_round_components_keeps_its_digits_in_float32(k, d):
    "As the log-density does: with a variance of 1e-6 the expanded square left an error of 2e-3 of a deviation."
    means = torch.randn(k, d, generator=seed(1), dtype=F64).float()
    law = GaussianMixture(torch.ones(k) / k, means, torch.full((k,), 1e-6))
    x = means[:50] + 1e-3 * torch.randn(means[:50].shape, generator=seed(2))
    exact = law.to(F64).score(x.double())
    slope = torch.func.grad(lambda y: law.log_prob(y).sum())(x)
    for got in (law.score(x), slope):  # in units of a score, 1 / the standard deviation
        assert ((got - exact) * 1e-3).abs().max() < 50 * torch.finfo(torch.float32).eps


def test_no_subnormal_number_is_left_in_coarser_directions():
    "A processor takes many times as long for one, and it adds nothing to a sum."
    U = torch.eye(3, dtype=torch.float64)
    U[0, 1] = U[2, 0] = 1e-40
    c = Components(torch.zeros(1, 3, dtype=torch.float64), torch.ones(1, 3).double(), U[None])
    assert torch.equal(c.to(torch.float32).U, torch.eye(3)[None])
    assert torch.equal(c.to(torch.float64).U, U[None])
