"""The probability of a grey level, to its last digit, however far out: against 300 digits of mpmath."""

import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_math import (
    Schedule,
    constant_schedule,
    cosine_schedule,
    linear_schedule,
)  # fmt: skip
from diffusion_math.ddpm import decoder_var
from diffusion_math.likelihood import level_of, log_between, log_mass

F16, BF16, F32, F64 = torch.float16, torch.bfloat16, torch.float32, torch.float64
INF, NAN = math.inf, math.nan


def upper(z):
    return mpmath.erfc(z / mpmath.sqrt(2)) / 2


def between(a, b):
    "Phi(b) - Phi(a), taken in the upper tail, where 300 digits do not cancel."
    a, b = (a, b) if a + b > 0 else (-b, -a)
    return upper(a) - upper(b)


def truth(k, mean, var, levels, low=-1.0, high=1.0):
    "log of the probability of level k, with 300 digits; mean and var are the binary numbers that the code was given."
    with mpmath.workdps(300):
        low, high, mean = mpmath.mpf(low), mpmath.mpf(high), mpmath.mpf(mean)
        std, w = mpmath.sqrt(mpmath.mpf(var)), (high - low) / (levels - 1)
        a, b = ((low + (k + s) * w - mean) / std for s in (mpmath.mpf(-1) / 2, mpmath.mpf(1) / 2))
        mass = upper(-b) if k == 0 else upper(a) if k == levels - 1 else between(a, b)
        return float(mpmath.log(mass))


def level(k, levels=256, low=-1.0, high=1.0, dtype=F64):
    return (low + torch.as_tensor(k, dtype=F64) * (high - low) / (levels - 1)).to(dtype).view(-1)


def gap_to(ours, wanted):
    return max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(ours.tolist(), wanted, strict=True))


def mass(k, mean, var, levels=256, low=-1.0, high=1.0):
    "log_mass of the k-th levels, of means and variances given as numbers."
    x = level(k, levels, low, high)
    mean, var = (torch.as_tensor(v, dtype=F64).expand(len(x)) for v in (mean, var))
    return log_mass(x, mean, var, low, high, levels)


# ---- between two places of a bell


@settings(max_examples=60)
@given(st.floats(-60, 60), st.floats(-12, 3))
def test_between_two_places_to_all_digits(z, log_h):
    "From strips that are nearly nothing to strips that hold everything, in the middle and in the tails."
    for dtype, tolerance in ((F64, 1e-10), (F32, 1e-5)):
        z_, h_ = (torch.tensor([v], dtype=dtype) for v in (z, 10**log_h))
        with mpmath.workdps(60):
            at, half = mpmath.mpf(z_.item()), mpmath.mpf(h_.item()) / 2
            want = float(mpmath.log(between(at - half, at + half)))
        got = log_between(z_, h_)
        assert got.dtype == dtype and torch.equal(got, log_between(-z_, h_))
        # beside the tolerance, what the last digit of z and of h is worth: the slope of the log is z
        room = 4 * torch.finfo(dtype).eps * (1 + abs(z) + h_.item()) ** 2
        assert abs(got.item() - want) < tolerance * max(1, abs(want)) + room


def test_as_it_is_usually_written_that_fails():
    z, h = torch.tensor([9.0], dtype=F64), torch.tensor([1e-6], dtype=F64)
    phi = torch.special.ndtr
    assert (phi(z + h / 2) - phi(z - h / 2)).log().item() == -INF
    with mpmath.workdps(300):
        half = mpmath.mpf(h.item()) / 2
        want = float(mpmath.log(between(9 - half, 9 + half)))
    assert log_between(z, h).item() == pytest.approx(want, rel=1e-14)


@pytest.mark.parametrize("z", [0.0, -0.5, 3.0, -12.0])
@pytest.mark.parametrize("h", [1e-6, 1e-2, 0.05, 0.2, 3.0])
def test_slopes_between_two_places(z, h):
    "d/dz = (phi(z + h/2) - phi(z - h/2)) / mass, d/dh = (phi(z + h/2) + phi(z - h/2)) / (2 mass)."
    with mpmath.workdps(60):
        at, half = mpmath.mpf(z), mpmath.mpf(h) / 2
        a, b, m = mpmath.npdf(at - half), mpmath.npdf(at + half), between(at - half, at + half)
        want = float((b - a) / m), float((a + b) / (2 * m))
    z, h = (torch.tensor(v, dtype=F64, requires_grad=True) for v in (z, h))
    log_between(z, h).backward()
    assert (z.grad.item(), h.grad.item()) == pytest.approx(want, rel=1e-7, abs=1e-9)


# ---- the mass of a level


@pytest.mark.parametrize("sigmas", [0.0, 3.0, 12.0, 30.0, -12.0, -30.0, 300.0])
@pytest.mark.parametrize("std_in_levels", [0.2, 1.0, 8.0])
def test_right_in_the_tails_to_rounding(sigmas, std_in_levels):
    "A level `sigmas` standard deviations from the mean, as near as 256 levels allow; not the first or the last."
    k, var = 128, (std_in_levels * 2 / 255) ** 2
    mean = level(k).item() - sigmas * math.sqrt(var)
    assert gap_to(mass(k, mean, var), [truth(k, mean, var, 256)]) < 1e-12


@settings(max_examples=60)
@given(
    st.sampled_from([2, 3, 16, 256, 4096, 65536]),
    st.floats(0, 1),
    st.floats(-3, 3),
    st.floats(-4.5, 1),
)
def test_any_bit_depth_mean_and_width(levels, place, mean, log_std):
    "From means in float32 too: on the CPU all of it is worked out in float64."
    k, var = round(place * (levels - 1)), 10 ** (2 * log_std)
    for dtype in (F64, F32):
        m, v = torch.tensor([mean], dtype=dtype), torch.tensor([var], dtype=dtype)
        got = log_mass(level(k, levels, dtype=dtype), m, v, -1.0, 1.0, levels)
        assert got.dtype == F64
        z = (abs(level(k, levels).item() - m.item()) + 1) / math.sqrt(v.item())
        room = 4 * torch.finfo(F64).eps * z * min(z, 1e4) / max(1, abs(got.item()))
        assert gap_to(got, [truth(k, m.item(), v.item(), levels)]) < 1e-11 + room


@pytest.mark.parametrize(
    "levels, low, high", [(2, -1, 1), (4, 0, 1), (256, -1, 1), (256, 0, 255), (1000, -3, 7)]
)
@pytest.mark.parametrize("std", [1e-3, 0.02, 0.5, 20.0])
def test_the_levels_add_up_to_1(levels, low, high, std):
    mean, var = low + 0.37 * (high - low), (std * (high - low)) ** 2
    total = mass(torch.arange(levels), mean, var, levels, low, high).exp().sum()
    assert abs(total - 1) < 1e-12


def test_the_edges_reach_to_infinity():
    assert mass([255, 0], [7.0, -9.0], 0.01).tolist() == [0.0, 0.0]
    far = mass([0, 255], [7.0, -9.0], 0.01)
    assert gap_to(far, [truth(0, 7.0, 0.01, 256), truth(255, -9.0, 0.01, 256)]) < 1e-12


@pytest.mark.parametrize("std", [1e-3, 0.1, 3.0])
def test_gradients_are_finite_and_right(std):
    for k in (0, 3, 100, 254, 255):
        mean = torch.tensor([0.2], dtype=F64, requires_grad=True)
        log_var = torch.tensor([2 * math.log(std)], dtype=F64, requires_grad=True)
        f = lambda m, v, k=k: log_mass(level(k), m, v.exp(), -1.0, 1.0, 256)
        assert torch.autograd.gradcheck(f, (mean, log_var), eps=1e-7 * std, rtol=1e-3, atol=1e-4)


def test_on_another_device_nothing_is_looked_at():
    "There no float64 is asked for, which not every device has."
    for dtype, out in ((F16, F32), (F32, F32), (F64, F64)):
        x = torch.full((4, 3), NAN, dtype=dtype, device="meta")
        got = log_mass(x, x, x, -1.0, 1.0, 256)
        assert got.is_meta and got.shape == (4, 3) and got.dtype == out
        assert level_of(x, -1.0, 2 / 255, 256).dtype == torch.long


# ---- which level it is


@pytest.mark.parametrize("dtype", [F16, BF16, F32, F64], ids=str)
@pytest.mark.parametrize("levels, low, high", [(2, -1, 1), (4, 0, 1), (16, -3, 7), (256, 0, 255)])
def test_every_level_knows_its_number(levels, low, high, dtype):
    if dtype == BF16 and levels == 16:
        low, high = -8, 7  # whole numbers, which it holds
    k = torch.arange(levels)
    x = level(k, levels, low, high, dtype)
    assert torch.equal(level_of(x, low, (high - low) / (levels - 1), levels), k)


def test_a_level_may_be_off_by_rounding_and_no_more():
    "By a twentieth of the way to the next: 8-bit pixels in float16 are off by a sixteenth of that."
    width = 2 / 255
    assert level_of(torch.tensor([-1 + 7.04 * width]), -1.0, width, 256).tolist() == [7]
    with pytest.raises(
        ValueError, match=r"x must hold levels -1 \+ k \* 0.00784314, k = 0..255, got"
    ):
        level_of(torch.tensor([-1 + 7.06 * width]), -1.0, width, 256)


@pytest.mark.parametrize(
    "x, got",
    [
        (0.0, "0"),  # between two levels
        (1.0 + 2 / 255, "1.00784"),
        (-1.0 - 2 / 255, "-1.00784"),
        (-1.2, "-1.2"),
        (NAN, "nan"),
        (INF, "inf"),
        (-INF, "-inf"),
    ],
)
def test_what_is_no_level_is_named(x, got):
    with pytest.raises(ValueError) as error:
        level_of(torch.tensor([1.0, x]), -1.0, 2 / 255, 256)
    assert str(error.value) == f"x must hold levels -1 + k * 0.00784314, k = 0..255, got {got}"


# ---- what is left unknown of x_0


@pytest.mark.parametrize(
    "schedule", [linear_schedule(10), cosine_schedule(4), constant_schedule(0.3, 1)]
)
def test_decoder_var_is_the_variance_of_x0_given_x1_where_all_x0_are_alike(schedule):
    "x_1 = sqrt(a) x_0 + sqrt(1 - a) eps, so x_0 is x_1 / sqrt(a), give or take (1 - a) / a."
    a = schedule.alpha_bar[1].item()
    assert decoder_var(schedule) == pytest.approx((1 - a) / a, rel=1e-12)


def test_decoder_var_keeps_its_digits_where_next_to_nothing_is():
    assert decoder_var(Schedule.from_beta([1e-18])) == pytest.approx(1e-18, rel=1e-12)


@pytest.mark.parametrize("beta, got", [(0.0, "1"), (1.0, "0")])
def test_nothing_to_decode(beta, got):
    words = f"decode needs 0 < alpha_bar_1 < 1, got {got}: x_1 must hold some noise and some of x_0"
    with pytest.raises(ValueError, match=words):
        decoder_var(constant_schedule(beta, 3))
