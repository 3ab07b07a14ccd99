"""Gaussian against torch.distributions, quadrature, sympy, mpmath and its samples; a variance of 0; wrong arguments.

Numbers are compared by `error`: the largest |a - b| / max(1, |b|), so 1e-10 asks for ten digits of a large number and
ten decimals of a small one. Where the digits of a small number matter the test says so.
"""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math.gaussian import Gaussian
from diffusion_math.numerics import ratio_excess
from tests.truth import error

F64 = torch.float64
INF = math.inf
EVENTS = [(), (2,), (1, 28, 28)]
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 1e-5, torch.bfloat16: 1e-5}
SUMS = {
    dtype: F64 if dtype == F64 else torch.float32 for dtype in TOLERANCE
}  # what log_prob, kl, entropy come back in


def one(mean, var, dtype=F64):
    "A batch of one Gaussian over one number, or over a row of them."
    return Gaussian(torch.tensor([mean], dtype=dtype), torch.tensor([var], dtype=dtype))


def row(*values, dtype=F64):
    return torch.tensor([values], dtype=dtype)


def pair(event, dtype=F64, b=5):
    "Two Gaussians and an x, the second Gaussian wider."
    draw = torch.Generator().manual_seed(1)
    m1, m2, x = (torch.randn(b, *event, generator=draw).to(dtype) for _ in range(3))
    v1, v2 = ((low + 2 * torch.rand(b, *event, generator=draw)).to(dtype) for low in (0.1, 1.0))
    return Gaussian(m1, v1), Gaussian(m2, v2), x


def reference(g):
    "The same law from torch.distributions, in float64."
    normal = torch.distributions.Normal(g.mean.double(), g.var.double().expand(g.mean.shape).sqrt())
    return torch.distributions.Independent(normal, g.mean.ndim - 1)


def moments_fit(x, mean, var, sigmas=5):
    "Mean and variance of n independent draws, each within its standard errors."
    n = len(x)
    close_mean = ((x.mean(0) - mean).abs() < sigmas * (var / n) ** 0.5).all()
    return bool(close_mean and ((x.var(0) - var).abs() < sigmas * var * (2 / n) ** 0.5).all())


# ---- everything that is no point mass equals torch.distributions


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_log_prob_kl_and_entropy_equal_torch_distributions(event, dtype):
    g, other, x = pair(event, dtype)
    truths = [
        (g.log_prob(x), reference(g).log_prob(x.double())),
        (g.kl(other), torch.distributions.kl_divergence(reference(g), reference(other))),
        (g.entropy(), reference(g).entropy()),
    ]
    for ours, truth in truths:
        assert ours.dtype == SUMS[dtype] and ours.shape == (5,)
        assert error(ours, truth) < TOLERANCE[dtype]
    wrong = torch.distributions.kl_divergence(reference(other), reference(g))
    assert (
        error(g.kl(other), wrong) > 10 * TOLERANCE[dtype]
    )  # the check sees the two arguments swapped


@pytest.mark.parametrize(
    "var_shape", [(), (1,), (3,), (2, 1), (2, 3), (4, 1, 1), (1, 2, 3), (4, 2, 3)], ids=str
)
def test_var_broadcasts_against_mean(var_shape):
    var, other_var = (0.5 + torch.rand(var_shape, dtype=F64) for _ in range(2))
    mean, other_mean, x = torch.randn(3, 4, 2, 3, dtype=F64)
    g, other = Gaussian(mean, var), Gaussian(other_mean, other_var)
    full, other_full = (
        Gaussian(mean, var.expand(4, 2, 3)),
        Gaussian(other_mean, other_var.expand(4, 2, 3)),
    )
    assert error(g.log_prob(x), full.log_prob(x)) < 1e-14
    assert error(g.kl(other), full.kl(other_full)) < 1e-14
    assert error(g.entropy(), full.entropy()) < 1e-14
    draws = [a.sample(torch.Generator().manual_seed(3)) for a in (g, full)]
    assert torch.equal(*draws)
    assert g.var.shape == g.std.shape == var_shape


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2)])
def test_var_may_be_a_number(number):
    mean, x = torch.randn(2, 3, 2, dtype=F64)
    assert torch.equal(
        Gaussian(mean, number).log_prob(x), Gaussian(mean, torch.full_like(mean, 2)).log_prob(x)
    )


@pytest.mark.parametrize("rows", [(1, 6), (6, 1), (6, 6), (1, 1), (0, 0), (0, 1)], ids=str)
def test_a_batch_of_one_on_either_side_is_repeated(rows):
    a, b = rows
    m = 0 if 0 in rows else max(rows)
    g, other = (
        Gaussian(torch.randn(a, 2, dtype=F64), 0.7),
        Gaussian(torch.randn(b, 2, dtype=F64), 1.3),
    )
    wide, other_wide = Gaussian(g.mean.expand(m, 2), 0.7), Gaussian(other.mean.expand(m, 2), 1.3)
    assert torch.equal(g.kl(other), wide.kl(other_wide))
    assert torch.equal(g.log_prob(other.mean), wide.log_prob(other_wide.mean))
    assert g.kl(other).shape == (m,)


@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_a_batch_of_zero(event):
    g = Gaussian(torch.zeros(0, *event), 0.5)
    assert g.sample().shape == (0, *event)
    for out in (g.log_prob(g.mean), g.kl(g), g.entropy()):
        assert out.shape == (0,) and out.dtype == torch.float32


def test_far_out_the_density_is_right_and_not_lost():
    "1e4 standard deviations out, in float32 as in float64, with a closed form beside it."
    for dtype in (torch.float32, F64):
        got = one(0.0, 1e-4, dtype).log_prob(torch.tensor([100.0], dtype=dtype))
        assert error(got, [-0.5e8 - 0.5 * math.log(2 * math.pi * 1e-4)]) < TOLERANCE[dtype]


# ---- variance 0: a point mass


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_a_point_mass_is_plus_inf_at_the_point_and_minus_inf_elsewhere(dtype):
    g = Gaussian(torch.tensor([0.25, 0.25, -3.0], dtype=dtype), 0.0)
    got = g.log_prob(torch.tensor([0.25, 0.5, -3.0], dtype=dtype))
    assert got.tolist() == [INF, -INF, INF] and got.dtype == SUMS[dtype]


@pytest.mark.parametrize(
    "var, x, expected",
    [
        ((0.0, 0.0), (1.0, 2.0), INF),
        ((0.0, 0.0), (1.0, 2.5), -INF),  # +inf and -inf: never wins
        ((0.0, 0.0), (1.5, 2.0), -INF),
        ((0.0, 0.0), (1.5, 2.5), -INF),
        ((0.0, 4.0), (1.0, 2.5), INF),  # +inf and a finite number
        ((0.0, 4.0), (1.5, 2.5), -INF),
        ((1.0, 4.0), (1.0, 2.0), -math.log(2 * math.pi) - math.log(2)),
    ],
)
def test_minus_inf_wins_across_dimensions(var, x, expected):
    assert one((1.0, 2.0), var).log_prob(row(*x)).item() == pytest.approx(expected, abs=1e-12)


def test_minus_inf_wins_in_an_image_whichever_pixel_is_off():
    mean = torch.randn(2, 1, 28, 28)
    x = mean.clone()
    x[1, 0, 27, 27] += 1
    assert Gaussian(mean, 0.0).log_prob(x).tolist() == [INF, -INF]


def test_not_a_number_stays_not_a_number_at_a_point_mass():
    assert math.isnan(one(0.0, 0.0).log_prob(torch.tensor([math.nan], dtype=F64)).item())


REGULAR = math.log(2) + (1 / 4 - 1) / 2 + 9 / 8  # KL(N(0, 1) || N(3, 4))


@pytest.mark.parametrize(
    "p, q, expected",
    [
        (((1.0,), (0.0,)), ((1.0,), (0.0,)), 0.0),
        (((1.0,), (0.0,)), ((2.0,), (0.0,)), INF),
        (((1.0,), (0.0,)), ((1.0,), (1.0,)), INF),  # from a point to a bell
        (((1.0,), (1.0,)), ((1.0,), (0.0,)), INF),  # and back
        (((1.0,), (1.0,)), ((2.0,), (0.0,)), INF),
        (
            ((1.0, 0.0), (0.0, 1.0)),
            ((1.0, 3.0), (0.0, 4.0)),
            REGULAR,
        ),  # a shared point adds nothing
        (((1.0, 0.0), (0.0, 1.0)), ((2.0, 3.0), (0.0, 4.0)), INF),
        (((0.0, 0.0), (0.0, 1.0)), ((0.0, 3.0), (1.0, 4.0)), INF),
        (((0.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), (0.0, 0.0)), 0.0),
    ],
)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_kl_of_point_masses_is_0_or_inf(p, q, expected, dtype):
    got = one(*p, dtype).kl(one(*q, dtype)).item()
    assert got == expected or abs(got - expected) < TOLERANCE[dtype] * expected


def test_a_point_mass_samples_its_point_and_has_entropy_minus_inf():
    mean = torch.randn(4, 3, 2)
    g = Gaussian(mean, 0.0)
    assert torch.equal(g.sample(), mean) and g.std.item() == 0
    assert g.entropy().tolist() == [-INF] * 4
    assert one((0.0, 0.0), (1.0, 0.0)).entropy().item() == -INF


def test_a_root_at_hand_keeps_noise_whose_variance_rounds_to_0():
    "1e-9 is nothing in float16, its root 3.2e-5 is something; a var that is put in its place has its own root."
    mean, var = torch.zeros(50_000).half(), torch.tensor(1e-9, dtype=F64)
    g = Gaussian.made(mean, var.half(), var.sqrt().half())
    assert g.var == 0 and abs(g.std.double() - var.sqrt()) <= 2**-25  # half of float16's last place
    assert moments_fit(g.sample().double(), 0.0, g.std.double().square())
    g.var = four = torch.tensor(4.0)
    assert g.std == Gaussian.made(mean, four).std == 2


# ---- KL: where its formula comes from, and digits where it is small


@pytest.mark.long
def test_sympy_derives_the_kl():
    "The integral of N(x; m, v) log[N(x; m, v) / N(x; n, w)], done symbolically, at four places."
    x, m, n = sympy.symbols("x m n", real=True)
    v, w = sympy.symbols("v w", positive=True)

    def bell(mean, var):
        return sympy.exp(-((x - mean) ** 2) / (2 * var)) / sympy.sqrt(2 * sympy.pi * var)

    log_ratio = (sympy.log(w) - sympy.log(v)) / 2 - (x - m) ** 2 / (2 * v) + (x - n) ** 2 / (2 * w)
    integrand = (sympy.expand(log_ratio) * bell(m, v)).subs(x, x + m)
    kl = sympy.simplify(sympy.integrate(integrand, (x, -sympy.oo, sympy.oo)))
    for at in [(0, 1, 3, 4), (-2, 0.3, 1, 0.01), (1, 5, 1, 5), (0.5, 1e-3, 0.25, 2)]:
        truth = float(
            kl.subs(dict(zip((m, v, n, w), map(sympy.Rational, map(str, at)), strict=True))).evalf(
                30
            )
        )
        assert abs(one(at[0], at[1]).kl(one(at[2], at[3])).item() - truth) < 1e-10 * max(1, truth)


@pytest.mark.parametrize(
    "p, q", [((0.0, 1.0), (3.0, 4.0)), ((1.0, 0.2), (-0.5, 0.1)), ((0.0, 2.0), (0.0, 2.5))]
)
def test_kl_by_quadrature(p, q):
    def normal(law):
        return scipy.stats.norm(law[0], law[1] ** 0.5)

    def integrand(x):
        return normal(p).pdf(x) * (normal(p).logpdf(x) - normal(q).logpdf(x))

    low, high = (p[0] + 12 * side * p[1] ** 0.5 for side in (-1, 1))
    truth, _ = scipy.integrate.quad(integrand, low, high, epsabs=1e-12, epsrel=1e-12)
    assert abs(one(*p).kl(one(*q)).item() - truth) < 1e-10


def test_kl_by_monte_carlo():
    g, other, _ = pair((3,), b=1)
    x = reference(g).sample((200_000,))[:, 0]
    terms = reference(g).log_prob(x[:, None]) - reference(other).log_prob(x[:, None])
    stderr = terms.std().item() / len(x) ** 0.5
    assert abs(terms.mean().item() - g.kl(other).item()) < 5 * stderr
    assert (
        abs(terms.mean().item() - other.kl(g).item()) > 5 * stderr
    )  # the other way round is another number


def test_kl_of_equal_means_is_half_the_excess_of_the_ratio():
    "Whose digits, near equality and far from it, tests/test_numerics.py counts."
    v, w = (0.01 + torch.rand(2, 100, 1, dtype=F64)).unbind()
    mean = torch.zeros(100, 1, dtype=F64)
    assert torch.equal(Gaussian(mean, v).kl(Gaussian(mean, w)), 0.5 * ratio_excess(v, w).flatten())


@pytest.mark.parametrize(
    "dtype, wide, narrow", [(torch.float32, 1e30, 1e-30), (torch.float16, 1.0, 1e-5)], ids=str
)
def test_a_kl_too_large_for_the_dtype_is_inf_and_not_nan(dtype, wide, narrow):
    assert one(0.0, wide, dtype).kl(one(0.0, narrow, dtype)).item() > 4e4


# ---- identities, for any numbers

means = st.floats(-5, 5)
variances = st.floats(1e-3, 1e3)
laws = st.lists(st.tuples(means, variances, means, variances, means), min_size=1, max_size=4)


def two(law):
    "Two Gaussians over d numbers, and an x."
    m, v, n, w, x = torch.tensor(law, dtype=F64).T[:, None]
    return Gaussian(m, v), Gaussian(n, w), x


@given(laws)
def test_kl_is_cross_entropy_minus_entropy(law):
    g, other, _ = two(law)
    cross = -other.log_prob(g.mean) + 0.5 * (g.var / other.var).sum(1)
    assert error(g.kl(other), cross - g.entropy()) < 1e-10


@given(laws)
def test_kl_is_never_negative_and_0_between_equals(law):
    g, other, _ = two(law)
    assert g.kl(other).item() >= 0
    assert g.kl(Gaussian(g.mean.clone(), g.var.clone())).item() == 0


@given(laws, laws)
def test_independent_coordinates_add(law, more):
    a, b, both = two(law), two(more), two(law + more)
    assert error(both[0].kl(both[1]), a[0].kl(a[1]) + b[0].kl(b[1])) < 1e-10
    assert error(both[0].log_prob(both[2]), a[0].log_prob(a[2]) + b[0].log_prob(b[2])) < 1e-10
    assert error(both[0].entropy(), a[0].entropy() + b[0].entropy()) < 1e-10


@given(laws, st.floats(0.1, 10), means)
def test_a_change_of_units_leaves_the_kl_and_shifts_the_rest(law, scale, shift):
    "Under x -> scale x + shift."
    g, other, x = two(law)
    g_2, other_2 = (Gaussian(scale * a.mean + shift, scale**2 * a.var) for a in (g, other))
    bits = len(law) * math.log(scale)
    assert error(g_2.kl(other_2), g.kl(other)) < 1e-10
    assert error(g_2.log_prob(scale * x + shift), g.log_prob(x) - bits) < 1e-10
    assert error(g_2.entropy(), g.entropy() + bits) < 1e-10


# ---- sampling


def test_samples_have_the_mean_and_the_variance():
    mean, var = torch.tensor([1.0, -3.0], dtype=F64), torch.tensor([0.2, 5.0], dtype=F64)
    x = Gaussian(mean.expand(200_000, 2), var).sample(torch.Generator().manual_seed(0))
    assert moments_fit(x, mean, var)
    assert not moments_fit(x, mean, var.sqrt()) and not moments_fit(x, mean + 0.1, var)
    assert abs(np.corrcoef(x.T)[0, 1]) < 5 / len(x) ** 0.5


def test_samples_are_normal_by_kolmogorov_and_smirnov():
    x = (
        Gaussian(torch.full((50_000,), 2.0, dtype=F64), 9.0)
        .sample(torch.Generator().manual_seed(0))
        .numpy()
    )
    five_sigma = 2 * scipy.stats.norm.sf(5)
    assert scipy.stats.kstest(x, scipy.stats.norm(2, 3).cdf).pvalue > five_sigma
    assert scipy.stats.kstest(x, scipy.stats.norm(2, 3.15).cdf).pvalue < five_sigma


def test_the_generator_alone_decides():
    g = Gaussian(torch.zeros(3, 2), 1.0)
    first, again, other = (g.sample(torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    before = torch.get_rng_state()
    g.sample(torch.Generator().manual_seed(1))
    assert torch.equal(
        before, torch.get_rng_state()
    )  # a given generator leaves the global one alone
    torch.manual_seed(5)
    by_global = g.sample()
    assert torch.equal(by_global, g.sample(torch.Generator().manual_seed(5)))
    assert not torch.equal(by_global, g.sample())


def test_a_sample_is_differentiable_in_mean_and_var():
    "x = mean + sqrt(var) eps, so dx/dmean = 1 and dx/dvar = eps / (2 sqrt(var))."
    mean, var = (
        torch.randn(6, 2, dtype=F64, requires_grad=True),
        torch.rand(6, 2, dtype=F64, requires_grad=True),
    )
    x = Gaussian(mean, var).sample(torch.Generator().manual_seed(0))
    by_mean, by_var = torch.autograd.grad(x.sum(), (mean, var))
    eps = ((x - mean) / var.sqrt()).detach()
    assert (
        error(by_mean, torch.ones(6, 2)) < 1e-12
        and error(by_var, eps / (2 * var.detach().sqrt())) < 1e-10
    )


def test_gradients_of_densities_and_kl_equal_finite_differences():
    m, n, x = (torch.randn(2, 3, dtype=F64, requires_grad=True) for _ in range(3))
    v, w = ((0.5 + torch.rand(2, 3, dtype=F64)).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(lambda m, v, x: Gaussian(m, v).log_prob(x), (m, v, x))
    assert torch.autograd.gradcheck(
        lambda m, v, n, w: Gaussian(m, v).kl(Gaussian(n, w)), (m, v, n, w)
    )
    assert torch.autograd.gradcheck(lambda v: Gaussian(m.detach(), v).entropy(), v)


def test_a_point_mass_beside_a_bell_keeps_nan_out_of_the_gradient():
    mean, var = torch.zeros(1, 2, dtype=F64, requires_grad=True), row(0.0, 4.0)
    Gaussian(mean, var).log_prob(row(0.0, 2.0)).sum().backward()
    assert mean.grad.tolist() == [[0.0, 0.5]]  # (x - mean) / var = 2 / 4
    other = torch.zeros(1, 2, dtype=F64, requires_grad=True)
    Gaussian(row(0.0, 2.0), var).kl(Gaussian(other, var)).sum().backward()
    assert other.grad.tolist() == [[0.0, -0.5]]


def test_two_equal_point_masses_keep_nan_out_of_the_gradient_of_a_learned_variance():
    var = torch.tensor([[0.0, 2.0]], dtype=F64, requires_grad=True)
    Gaussian(row(0.0, 0.0), var).kl(Gaussian(row(0.0, 0.0), row(0.0, 4.0))).sum().backward()
    assert var.grad.tolist() == [[0.0, -0.125]]  # (1 / 4 - 1 / 2) / 2


def test_a_point_mass_that_may_learn_its_variance_gets_a_finite_gradient():
    "The KL to a bell is inf there; the other coordinate still learns."
    mean, var = row(1.0, 1.0).requires_grad_(), row(0.0, 2.0).requires_grad_()
    other, other_var = row(0.0, 0.0).requires_grad_(), row(1.0, 4.0).requires_grad_()
    kl = Gaussian(mean, var).kl(Gaussian(other, other_var))
    assert kl.tolist() == [INF]
    kl.sum().backward()
    assert all(a.grad.isfinite().all() for a in (mean, var, other, other_var))
    assert var.grad.tolist() == [[0.0, -0.125]] and mean.grad.tolist() == [[1.0, 0.25]]


# ---- dtype, device


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_picture_in_half_precision_has_the_log_density_of_its_numbers(dtype):
    "12,288 terms, whose sum float16 cannot hold: against torch.distributions on the same numbers in float64."
    x = (torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) + 3).to(dtype)
    g, other = Gaussian(torch.zeros_like(x), 0.5), Gaussian(torch.ones_like(x), 1e-4)
    assert error(g.log_prob(x), reference(g).log_prob(x.double())) < 1e-5
    assert (
        error(g.kl(other), torch.distributions.kl_divergence(reference(g), reference(other))) < 1e-5
    )
    assert error(g.entropy(), reference(g).entropy()) < 1e-5
    assert g.log_prob(x).isfinite().all() and g.kl(other).min() > torch.finfo(torch.float16).max


@pytest.mark.parametrize("var_dtype", [*TOLERANCE, "number"], ids=str)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_draws_have_the_dtype_of_the_mean_and_sums_float32_at_least(dtype, var_dtype):
    mean = torch.zeros(4, 2, dtype=dtype)
    g = Gaussian(mean, 2.0 if var_dtype == "number" else torch.full((4, 2), 2, dtype=var_dtype))
    outs = {
        "sample": g.sample(),
        "log_prob": g.log_prob(mean),
        "kl": g.kl(g),
        "entropy": g.entropy(),
    }
    assert {name: out.dtype for name, out in outs.items()} == dict.fromkeys(outs, SUMS[dtype]) | {
        "sample": dtype
    }
    truth = torch.full((4,), -math.log(2 * math.pi) - math.log(2), dtype=F64)
    assert error(outs["log_prob"], truth) < TOLERANCE[dtype]


@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_everything_runs_on_the_meta_device(event):
    "The meta device has no numbers, so whatever looks at one raises: it is what would make a GPU wait."
    mean = torch.zeros(3, *event, device="meta")
    with pytest.raises(RuntimeError):
        bool((mean >= 0).all())
    for var in (0.5, torch.ones(3, *event, device="meta")):
        g = Gaussian(mean, var)
        outs = [g.sample(), g.std, g.log_prob(mean), g.kl(g), g.entropy()]
        assert all(out.device.type == "meta" and out.dtype == torch.float32 for out in outs)
        assert [tuple(out.shape) for out in outs] == [
            (3, *event),
            tuple(g.var.shape),
            (3,),
            (3,),
            (3,),
        ]


# ---- wrong arguments

MEAN, HALF = torch.zeros(4, 2), torch.zeros(4, 2, dtype=torch.float16)
G = Gaussian(MEAN, 1.0)


# the table of tests/test_bad_input.py asks each argument; here is what its error says, one row a kind
@pytest.mark.bad_input
@pytest.mark.parametrize(
    "words, call",
    [
        ("mean must be a floating-point tensor, got torch.int64", lambda: Gaussian(MEAN.long(), 1.0)),
        ("var must be a number or a floating-point tensor, got list", lambda: Gaussian(MEAN, [1.0, 1.0])),
        ("var must be .*, got torch.complex64", lambda: Gaussian(MEAN, torch.tensor(1j))),
        ("var must be finite and 0 or more, got -3", lambda: Gaussian(MEAN, torch.tensor([1.0, -3.0]))),
        ("var must be finite and 0 or more, got inf", lambda: Gaussian(MEAN, torch.tensor([1.0, INF]))),
        ("var must be held by torch.float16.*, got 1e-08", lambda: Gaussian(HALF, torch.tensor([1.0, 1e-8]))),
        ("var must be held by torch.float16.*, got 70000", lambda: Gaussian(HALF, 7e4)),
        ("var must be held by torch.float32.*, got 1e-50", lambda: Gaussian(MEAN, torch.tensor(1e-50, dtype=F64))),
        (r"var must broadcast against mean \(4, 2\), got .*\(4,\)", lambda: Gaussian(MEAN, torch.ones(4))),
        (r"var must broadcast against .*, got .*\(1, 4, 2\)", lambda: Gaussian(MEAN, torch.ones(1, 4, 2))),
        (r"x must have shape \(4, 2\) like the mean, got \(3, 2\)", lambda: G.log_prob(torch.zeros(3, 2))),
        (r"other must have shape \(4, 2\) .*, got \(2, 2\)", lambda: G.kl(Gaussian(MEAN[:2], 1.0))),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(words, call):
    with pytest.raises((TypeError, ValueError), match=words):
        call()
