"""Numbers by t: read off exactly, rounded once, cast once, and shared with nobody.

Truths: numpy on the float64 numbers themselves, and the schedules that the curves come from.
"""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math.numerics import scales
from diffusion_math.tables import (
    EXACT,
    Tables,
    countdown,
    even_steps,
    from_zero,
    longer_steps,
    read_at,
)

F16, BF16, F32, F64 = torch.float16, torch.bfloat16, torch.float32, torch.float64
DTYPES = [F16, BF16, F32, F64]
INF = math.inf
EVENTS = [(), (2,), (1, 4, 4)]
T = 1000
SCALE = torch.linspace(1, 0.01, T + 1, dtype=F64)
VAR = torch.logspace(-9, 0, T + 1, dtype=F64)


class Levels:
    "Of a schedule, what Tables itself looks at."

    log_snr = torch.logspace(2, -2, T + 1, dtype=F64)


def law(s):
    return torch.stack([SCALE, VAR])


def other(s):
    return torch.stack([VAR, SCALE])


def made(s):
    return torch.stack([SCALE.sqrt(), VAR])


def tables():
    return Tables(Levels())


# ---- the places of a curve


@pytest.mark.parametrize("T", [1, 2, 3, 7, 1000, np.int64(10)])
def test_even_steps_run_from_0_to_1_exactly(T, shape_checks_off):
    with shape_checks_off():
        got = even_steps(T)
    assert got.dtype == F64 and got.tolist() == [i / int(T) for i in range(T + 1)]


def test_a_zero_in_front():
    x = torch.tensor([1.0, 2.0])
    assert from_zero(x).tolist() == [0.0, 1.0, 2.0] and from_zero(x).dtype == F32
    assert from_zero(x[:0]).tolist() == [0.0]


curves = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)


@given(curves, st.integers(1, 70))
def test_a_curve_between_its_entries_is_numpys_straight_line(values, T):
    n = len(values) - 1
    got = read_at(torch.tensor(values, dtype=F64), T)
    truth = np.interp(np.arange(T + 1) * n / T, np.arange(n + 1), values)
    assert np.allclose(got, truth, rtol=1e-9, atol=1e-6 * 1e-3 * max(map(abs, values)) + 1e-12)


@given(curves, st.integers(1, 12))
def test_at_its_own_places_a_curve_is_itself_to_the_last_bit(values, times):
    curve = torch.tensor(values, dtype=F64)
    assert torch.equal(read_at(curve, len(curve) - 1), curve)
    assert torch.equal(read_at(curve, times * (len(curve) - 1))[::times], curve)


def test_a_curve_that_falls_to_minus_infinity_has_no_nan():
    "As log alpha_bar does where beta = 1: between two of them it stays, and at an entry it is the entry."
    curve = torch.tensor([0.0, -1.0, -INF, -INF], dtype=F64)
    assert read_at(curve, 6).tolist() == [0.0, -0.5, -1.0, -INF, -INF, -INF, -INF]
    assert read_at(curve, 1).tolist() == [0.0, -INF]
    assert read_at(curve, 3).tolist() == curve.tolist()


@given(st.lists(st.floats(-5, 0), min_size=1, max_size=40), st.data())
def test_longer_steps_multiply_what_lies_within_them(values, data):
    log_alpha = from_zero(torch.tensor(values, dtype=F64))
    T = data.draw(st.integers(1, len(values)))
    got, kept = longer_steps(log_alpha, T)
    ends = [round(len(values) * i / T) for i in range(T + 1)]
    assert kept.tolist() == ends and got[0] == 0
    for i, (a, b) in enumerate(zip(ends, ends[1:], strict=False), start=1):
        assert got[i].item() == pytest.approx(math.fsum(values[a:b]), rel=1e-12, abs=1e-300)


def test_as_many_longer_steps_as_there_are_are_the_same_steps():
    log_alpha = from_zero(-torch.rand(50, dtype=F64))
    got, kept = longer_steps(log_alpha, 50)
    assert torch.equal(got, log_alpha) and kept.tolist() == list(range(51))


def test_what_is_made_is_on_the_cpu_in_float64_whatever_the_defaults():
    curve = torch.linspace(0, -5, 11, dtype=F64)
    expected = [even_steps(7), read_at(curve, 7), *longer_steps(curve, 5)]
    try:
        torch.set_default_dtype(F16)
        with torch.device("meta"):
            got = [even_steps(7), read_at(curve, 7), *longer_steps(curve, 5)]
    finally:
        torch.set_default_dtype(F32)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(got, expected, strict=True))
    assert EXACT == {"dtype": F64, "device": "cpu"}


def test_the_way_down_with_a_bar_and_without(capsys):
    assert list(countdown(3, False)) == [3, 2, 1] and list(countdown(0, False)) == []
    assert capsys.readouterr().err == ""
    assert list(countdown(3, True)) == [3, 2, 1]
    assert "x_T to x_0: 100%" in capsys.readouterr().err


# ---- a law's numbers at t


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_numbers_at_t_shaped_to_broadcast_and_rounded_once(event, dtype):
    "The root of the variance too: it is not the root of a rounded variance, of which half precision keeps few digits."
    x, t = torch.zeros(T, *event, dtype=dtype), torch.arange(1, T + 1)
    got = tables().at(x, t, law)
    for ours, truth in zip(got, (SCALE, VAR, VAR.sqrt()), strict=True):
        assert ours.dtype == dtype and ours.shape == (T, *[1] * len(event))
        assert torch.equal(ours.flatten(), truth[1:].to(dtype))
        for at in (1, 500, T):
            alone = tables().at(x, at, law)
            assert all(v.shape == () and v.dtype == dtype for v in alone)
    one = tables().at(x, 500, law)
    assert [v.item() for v in one] == [v.flatten()[499].item() for v in got]


def test_in_half_precision_a_variance_may_be_gone_and_its_root_is_not():
    x = torch.zeros(2, dtype=F16)
    _, var, std = tables().at(x, 1, law)
    assert var == 0 < std  # 1e-9 is nothing in float16, its root 3e-5 is something


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_batch_of_zero(dtype):
    x = torch.zeros(0, 2, dtype=dtype)
    for v in tables().at(x, torch.zeros(0).long(), law):
        assert v.shape == (0, 1) and v.dtype == dtype


def test_a_cast_for_one_dtype_serves_no_other_and_none_a_law_of_another_name():
    held = tables()
    for _ in range(2):
        for dtype in DTYPES:
            for event in EVENTS:
                x = torch.zeros(2, *event, dtype=dtype)
                assert torch.equal(held.at(x, 7, law)[0], SCALE[7].to(dtype))
                assert torch.equal(held.at(x, 7, other)[0], VAR[7].to(dtype))


def test_what_is_handed_out_is_a_copy():
    held, x = tables(), torch.zeros(2, 3)
    for t in (3, torch.tensor([3, 3])):
        held.at(x, t, law)[0].mul_(2)
    assert torch.equal(held.at(x, 3, law)[0], SCALE[3].float())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_a_look_without_gradients_does_not_spoil_training_later(context):
    for t in (2, torch.tensor([2, 2])):
        held = tables()
        with context():
            held.at(torch.ones(2, 2), t, law), held.log_snr(torch.ones(2, 2), t)
            held.scales(torch.ones(2, 2), t)
        x = torch.ones(2, 2, requires_grad=True)
        scale, var, std = held.at(x, t, law)
        (scale * x + var + std + held.log_snr(x, t).view(-1, 1)).sum().backward()
        assert torch.allclose(x.grad, SCALE[2].float().expand(2, 2))
        a, s = held.scales(x, t)
        (a * x).square().sum().backward()  # which keeps a for the way back


def test_the_level_at_t_is_in_float64():
    for t in (3, torch.tensor([3, 1, T])):
        assert torch.equal(tables().log_snr(torch.zeros(3, dtype=F16), t), Levels.log_snr[t])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_the_scales_at_t_are_those_of_its_level(event, dtype):
    x, times = torch.zeros(3, *event, dtype=dtype), torch.tensor([3, 1, T])
    for t in (3, times):
        for ours, theirs in zip(tables().scales(x, t), scales(Levels.log_snr[t], x), strict=True):
            assert torch.equal(ours.flatten(), theirs.flatten()) and ours.dtype == theirs.dtype
            assert (ours * x).dtype == theirs.dtype or not event


def test_a_copy_leaves_behind_what_was_cast():
    x, used = torch.zeros(2), tables()
    size = len(pickle.dumps(used))
    for dtype in DTYPES:
        used.at(x.to(dtype), 3, law), used.log_snr(x, 3), used.scales(x.to(dtype), 3)
    assert len(pickle.dumps(used)) == size
    for again in (copy.deepcopy(used), pickle.loads(pickle.dumps(used)), copy.copy(used)):
        assert torch.equal(again.at(x, 3, law)[0], SCALE[3].float())


def test_a_law_that_depends_on_a_number_is_kept_for_each():
    of = lambda s, eta: torch.stack([SCALE * eta, VAR])
    held, x = tables(), torch.zeros(2)
    for _ in range(2):
        for eta in (0.5, 1.0):
            assert held.at(x, 3, of, eta)[0] == (eta * SCALE[3]).float()


@pytest.mark.parametrize("t", [2, torch.tensor([1, 2, 3], device="meta")], ids=str)
def test_on_another_device(t):
    x = torch.zeros(3, 2, device="meta")
    got = [*tables().at(x, t, law), tables().log_snr(x, t), *tables().scales(x, t)]
    assert all(v.is_meta for v in got) and got[0].dtype == F32


def test_compiled_it_is_one_graph(shape_checks_off):
    held, x, t = tables(), torch.randn(4, 2), torch.tensor([1, 2, 500, T])
    f = lambda x, t: sum(held.at(x, t, law)) * x + sum(held.scales(x, t))
    with shape_checks_off():
        f(x, t)
        assert torch.equal(torch.compile(f, fullgraph=True, backend="eager")(x, t), f(x, t))


# ---- inside a transform

TRANSFORMS = {
    "grad": torch.func.grad,
    "jacrev": torch.func.jacrev,
    "jacfwd": torch.func.jacfwd,
    "hessian": torch.func.hessian,
    "grad of grad": lambda f: torch.func.grad(lambda x: torch.func.grad(f)(x).sum()),
    "grad of vmap": lambda f: torch.func.grad(
        lambda x: torch.func.vmap(lambda y: f(y[None]))(x).sum()
    ),
    "vmap of grad": lambda f: torch.func.vmap(torch.func.grad(lambda y: f(y[None]))),
    "jvp": lambda f: lambda x: torch.func.jvp(f, (x,), (x,))[1],
    "dual numbers": lambda f: lambda x: dual(f, x),
}


def dual(f, x):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(x, x))).tangent


@pytest.mark.parametrize("then", TRANSFORMS)
@pytest.mark.parametrize("first", TRANSFORMS)
def test_numbers_first_met_inside_a_transform_serve_in_and_out_of_others(first, then):
    "What is made inside torch.func.grad dies with it: kept, it stopped a second hessian, a copy and a pickle."
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))

    def f(held):
        def ask(y):
            scale, var, std = held.at(y, 500, law)
            shift, _, _ = held.at(y, torch.full(y.shape[:1], 7), made)
            a, s = held.scales(y, 9)
            return ((scale * y + a * shift).square() / (var + std)).pow(2).sum() * held.log_snr(
                y, 9
            )

        return ask

    spoilt = tables()
    got = TRANSFORMS[first](f(spoilt))(x)
    again, other = TRANSFORMS[first](f(spoilt))(x), TRANSFORMS[then](f(spoilt))(x)
    fresh = tables()
    f(fresh)(x)  # all of it met outside
    assert torch.equal(got, TRANSFORMS[first](f(fresh))(x)) and torch.equal(again, got)
    assert torch.equal(other, TRANSFORMS[then](f(fresh))(x))
    for held in (spoilt, copy.deepcopy(spoilt), pickle.loads(pickle.dumps(spoilt))):
        y = x.clone().requires_grad_()
        f(held)(y).backward()
        assert torch.equal(y.grad, torch.func.grad(f(fresh))(x))
