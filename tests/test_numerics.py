"""Digits that the usual way of writing a formula would lose, and what is right where a variance is 0.

Truths: 50 digits of mpmath, scipy, and limits worked out by hand.
"""

import math

import mpmath
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math.numerics import (
    beside,
    log_excess,
    log_normal,
    log_or_never,
    manual_seed,
    noise_like,
    ratio_excess,
    root,
    scaled_square,
    scales,
)
from tests.truth import error, seed

F16, BF16, F32, F64 = torch.float16, torch.bfloat16, torch.float32, torch.float64
INF, NAN = math.inf, math.nan
DTYPES = [F16, BF16, F32, F64]
SUMS = {F16: F32, BF16: F32, F32: F32, F64: F64}
TOLERANCE = {F32: 1e-5, F64: 1e-10}


def row(*values, dtype=F64, grad=False):
    return torch.tensor(values, dtype=dtype, requires_grad=grad)


def exactly(ours, truths, rel):
    "Each number to a share of itself, however small it is; and at the ends exactly."
    for a, b in zip(ours.tolist(), truths, strict=True):
        assert a == pytest.approx(float(b), rel=rel, abs=0, nan_ok=True)


# ---- the density of one number


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_density_is_scipys(dtype):
    x, mean = (torch.randn(50, generator=seed(i)).to(dtype) for i in (0, 1))
    var = (torch.rand(50, generator=seed(2)) + 0.1).to(dtype)
    truth = scipy.stats.norm(mean.double(), var.double().sqrt()).logpdf(x.double())
    got = log_normal(x, mean, var)
    assert got.dtype == SUMS[dtype] and error(got, truth) < TOLERANCE[SUMS[dtype]]
    square = scaled_square(x, mean, var)
    assert square.dtype == SUMS[dtype]
    assert error(square, (x.double() - mean.double()) ** 2 / var.double()) < TOLERANCE[SUMS[dtype]]


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
@pytest.mark.parametrize("off, var", [(1e30, 1e37), (1e-30, 1e-37), (1e18, 1e-2), (3e-19, 1e-37)])
def test_the_square_neither_overflows_nor_vanishes_before_it_is_divided(dtype, off, var):
    "In float32 (x - mean)^2 would be inf, or 0, in the first two."
    zero, off, var = (torch.tensor([v], dtype=dtype) for v in (0.0, off, var))
    z = mpmath.mpf(off.item()) ** 2 / mpmath.mpf(var.item())
    exactly(scaled_square(off, zero, var), [z], TOLERANCE[dtype])
    truth = -(z + mpmath.log(2 * mpmath.pi * mpmath.mpf(var.item()))) / 2
    exactly(log_normal(off, zero, var), [truth], TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_variance_of_0_is_a_point(dtype):
    x, mean = row(0.25, 0.5, NAN, 0.25, dtype=dtype), row(0.25, 0.25, 0.25, NAN, dtype=dtype)
    never, var = [INF, -INF, NAN, NAN], torch.zeros(4, dtype=dtype)
    assert str(log_normal(x, mean, var).tolist()) == str(never)
    assert str(scaled_square(x, mean, var).tolist()) == str([0.0, INF, NAN, NAN])


def test_a_point_beside_a_bell_keeps_nan_out_of_the_gradient():
    for f in (log_normal, scaled_square):
        x, mean, var = row(0.0, 2.0, 1.0), row(0.0, 0.0, 0.0, grad=True), row(0.0, 4.0, 0.0)
        var.requires_grad_()
        f(x, mean, var)[1].backward()
        assert mean.grad.isfinite().all() and var.grad.isfinite().all()
        assert mean.grad.tolist() == [0.0, 0.5 if f is log_normal else -1.0, 0.0]
        assert var.grad[0] == var.grad[2] == 0


# ---- roots and logarithms at 0


def test_root_and_log_of_a_variance_and_their_slopes_at_0():
    var = row(0.0, 4.0, 1e-300, grad=True)
    for f, values, slopes in (
        (root, [0.0, 2.0, 1e-150], [0.0, 0.25, 0.5e150]),
        (log_or_never, [-INF, math.log(4), -300 * math.log(10)], [0.0, 0.25, 1e300]),
    ):
        out = f(var)
        exactly(out, values, 1e-14)
        (slope,) = torch.autograd.grad(out.sum(), var)
        exactly(slope, slopes, 1e-14)


# ---- excesses: x - 1 - log x without the cancellation


@given(st.one_of(st.floats(-0.999, 1e6), st.floats(-0.11, 0.11), st.floats(-1e-9, 1e-9)))
def test_log_excess_to_all_digits(d):
    with mpmath.workdps(700):  # d - log(1 + d) is d^2 / 2, of which 50 digits may hold none
        truth = float(mpmath.mpf(d) - mpmath.log1p(mpmath.mpf(d)))
        slope = float(mpmath.mpf(d) / (1 + mpmath.mpf(d)))
    at = torch.tensor([d], dtype=F64, requires_grad=True)
    out = log_excess(at)
    assert out.item() == pytest.approx(truth, rel=1e-14, abs=5e-324)
    out.backward()
    assert at.grad.item() == pytest.approx(slope, rel=1e-12, abs=5e-324)


def test_log_excess_at_the_ends():
    d = row(-1.0, 0.0, INF, NAN, 0.1, -0.1, 1e300, 1e-200)
    tenth = [float(mpmath.mpf(v) - mpmath.log1p(mpmath.mpf(v))) for v in (0.1, -0.1)]
    exactly(log_excess(d), [INF, 0.0, INF, NAN, *tenth, 1e300, 0.0], 1e-14)


def digits_lost(excess, dtype):
    "The largest relative error between nearly equal variances, against 50 digits of what is held in dtype."
    worst = 0
    for size in (1e-9, 1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.3):
        for r in (1 + size, 1 - size, 1 / (1 + size)):
            var, var_2 = torch.tensor([3.0 * r], dtype=dtype), torch.tensor([3.0], dtype=dtype)
            if var.item() == var_2.item():
                continue
            with mpmath.workdps(50):
                exact = mpmath.mpf(var.item()) / mpmath.mpf(var_2.item())
                truth = exact - 1 - mpmath.log(exact)
                worst = max(worst, float(abs(excess(var, var_2).item() - truth) / truth))
    return worst


@pytest.mark.parametrize("dtype, tolerance", [(F64, 1e-10), (F32, 1e-5)], ids=str)
def test_near_equality_every_digit_is_kept(dtype, tolerance):
    assert digits_lost(ratio_excess, dtype) < tolerance
    naive = digits_lost(lambda v, w: v / w - 1 - torch.log(v / w), dtype)
    assert naive > 100 * tolerance  # r - 1 - log r, as it is usually written, loses them


FAR = [
    (1e-5, 1.0), (1e-9, 1.0), (1e-30, 3e-30), (1e-37, 1e30), (0.49, 1.0), (0.51, 1.0), (0.3, 1.0), (7.0, 0.2)
]  # fmt: skip


@pytest.mark.parametrize("dtype, pairs, tolerance", [
    (F32, FAR, 1e-6), (F64, [*FAR, (1e-18, 1.0), (1e-300, 1e300), (3e-18, 1e-17)], 1e-14),
], ids=str)  # fmt: skip
def test_however_small_the_ratio_every_digit_is_kept(dtype, pairs, tolerance):
    "Also where 1 - r is not to be told from 1: against 50 digits, with the slopes beside, where they fit."
    for pair in pairs:
        var, var_2 = (torch.tensor([v], dtype=dtype, requires_grad=True) for v in pair)
        got = ratio_excess(var, var_2)
        v, w = mpmath.mpf(var.item()), mpmath.mpf(var_2.item())
        with mpmath.workdps(50):
            truth = float(v / w - 1 - mpmath.log(v / w))
            slopes = float(1 / w - 1 / v), float(1 / w - v / w**2)
        assert got.item() == pytest.approx(truth, rel=tolerance, abs=0)
        if w < 1e20 and max(map(abs, slopes)) < torch.finfo(dtype).max:
            got.sum().backward()
            slope = (var.grad.item(), var_2.grad.item())
            assert slope == pytest.approx(slopes, rel=10 * tolerance, abs=0)


@pytest.mark.parametrize("r", [1 + 1e-9, 1 - 1e-6, 1.05, 0.95, 1.15, 0.85, 30.0, 1e-3])
def test_the_slopes_keep_their_digits_too(r):
    "1 / var' - 1 / var, and 1 / var' - var / var'^2, from the variances just as they are held."
    v, w = row(3.0 * r, grad=True), row(3.0, grad=True)
    ratio_excess(v, w).sum().backward()
    a, b = mpmath.mpf(v.item()), mpmath.mpf(3)
    assert v.grad.item() == pytest.approx(float((a - b) / (a * b)), rel=1e-10, abs=0)
    assert w.grad.item() == pytest.approx(float((b - a) / b**2), rel=1e-10, abs=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_points_among_the_variances(dtype):
    "Two of them are no distance apart, one and a bell are infinitely far."
    var, var_2 = row(0.0, 0.0, 2.0, 2.0, dtype=dtype), row(0.0, 2.0, 0.0, 2.0, dtype=dtype)
    assert ratio_excess(var, var_2).tolist() == [0.0, INF, INF, 0.0]
    assert ratio_excess(var, var_2).dtype == SUMS[dtype]
    a, b = var.clone().requires_grad_(), var_2.clone().requires_grad_()
    ratio_excess(a, b)[[0, 3]].sum().backward()
    assert a.grad.tolist() == b.grad.tolist() == [0.0] * 4


@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300))
def test_never_below_0_and_0_only_where_both_are_equal(v, w):
    got = ratio_excess(row(v), row(w)).item()
    assert got >= 0 and (got == 0) == (v == w)


# ---- noise


@pytest.mark.parametrize(
    "mean",
    [
        torch.zeros(4, 3, 8, 8).to(memory_format=torch.channels_last),
        torch.zeros(8, 20).T,
        torch.zeros(20, 1).expand(20, 9),
        torch.zeros(3, dtype=BF16),
        torch.zeros(0, 2),
    ],
    ids=["channels last", "transposed", "expanded", "bfloat16", "nothing"],
)
def test_one_seed_gives_the_same_noise_in_every_layout_and_by_either_generator(mean):
    torch.manual_seed(5)
    by_global, then = noise_like(mean, None), noise_like(mean, None)
    plain = torch.randn(mean.shape, generator=seed(5), dtype=mean.dtype)
    assert by_global.dtype == mean.dtype and torch.equal(by_global, plain)
    assert torch.equal(by_global, noise_like(mean, seed(5)))
    assert not mean.numel() or not torch.equal(by_global, then)


def test_dice_that_are_set_by_a_number_are_torchs_own():
    torch.manual_seed(7)
    due = torch.randn(5)
    manual_seed(7)
    assert torch.equal(torch.randn(5), due)


# ---- the noise level beside x


def test_numbers_beside_x():
    x = torch.zeros(3, 1, 2, 2)
    assert beside(row(1.0, 2.0, 3.0), x).shape == (3, 1, 1, 1)
    assert beside(torch.tensor(2.0), x).shape == ()
    for dtype in DTYPES:
        assert beside(row(1.0, 2.0, 3.0), x.to(dtype)).dtype == SUMS[dtype]
    assert beside(row(1.0), torch.zeros(1)).shape == (1,)


@given(st.floats(-700, 700))
def test_scales_to_all_digits_at_either_end(log_snr):
    "sigmoid(-log_snr), and not 1 - sigmoid(log_snr), of which nothing would be left from 37 on."
    level = torch.tensor([log_snr], dtype=F64)
    signal, noise = scales(level, torch.zeros(1, 2, dtype=F64))
    with mpmath.workdps(400):
        a = 1 / (1 + mpmath.exp(-mpmath.mpf(log_snr)))
        truth = float(mpmath.sqrt(a)), float(mpmath.sqrt(1 - a))
    assert (signal.item(), noise.item()) == pytest.approx(truth, rel=1e-12, abs=0)
    assert signal.shape == noise.shape == (1, 1)
    for ours, b in zip(scales(level, torch.zeros(1)), truth, strict=True):
        assert ours.dtype == F32 and ours.item() == pytest.approx(b, rel=1e-6, abs=1e-44)


def test_scales_at_the_ends():
    signal, noise = scales(row(INF, -INF), torch.zeros(2, 3))
    assert signal.flatten().tolist() == [1.0, 0.0] and noise.flatten().tolist() == [0.0, 1.0]
