"""Which of six ways to speak of one guess follows from which, and what x_0 counts for in the step back.

Truths: linear algebra in the limit of no noise and of nothing but noise, with 60 digits; the forward process's tables.
"""

import math

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math import (
    ForwardProcess,
    Schedule,
    constant_schedule,
    cosine_schedule,
    linear_schedule,
)  # fmt: skip
from diffusion_math.laws.dictionary import KINDS, check_follows, posterior_shares
from tests.truth import error

F64 = torch.float64
INF, NAN = math.inf, math.nan
X = torch.zeros(3, 2)


def row(*values):
    return torch.tensor(values, dtype=F64)


# ---- what follows from what

TINY = mpmath.mpf(10) ** -40


def slope(name, want, a, s, share):
    "How much want changes with name where x_t is known: both are sums of x_0 and eps, and x_t = a x_0 + s eps."
    a, s = mpmath.mpf(a), mpmath.mpf(s)
    said = {
        "x0": (1, 0),
        "eps": (0, 1),
        "v": (-s, a),
        "score": (0, -1 / s),
        "velocity": (-a / 2, -(s - 1 / s) / 2),
        "mean": (share, 0),  # and some of x_t, which is known
    }
    (p, q), (u, w) = said[name], said[want]
    # along (s, -a), x_t stands still
    return abs((u * s - w * a) / (p * s - q * a))


@pytest.mark.parametrize("level", [-INF, INF])
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("want", KINDS)
def test_at_the_ends_what_would_need_an_infinite_slope_is_refused(name, want, level):
    "The slope of one in the other, where a or s is next to nothing: some number, or without bounds."
    share = 0.5 if level < 0 else 1.0
    with mpmath.workdps(60):
        a, s = (TINY, mpmath.sqrt(1 - TINY**2)) if level < 0 else (mpmath.sqrt(1 - TINY**2), TINY)
        follows = slope(name, want, a, s, share) < 1e6
    ask = lambda levels: check_follows(name, want, levels, torch.full((2,), share, dtype=F64))
    if follows:
        ask(row(level, level))
    else:
        where = "where nothing of x0 is left in x_t" if level < 0 else "where x_t holds no noise"
        for levels in (row(level, level), row(0.0, level)):
            with pytest.raises(ValueError) as refused:
                ask(levels)
            assert str(refused.value) == (
                f"{want} does not follow from {name} {where}, at log_snr = {level:g}"
            )


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("want", KINDS)
def test_anywhere_between_each_follows_from_each(name, want):
    check_follows(name, want, row(-700.0, 0.0, 700.0), row(1.0, 0.5, 1e-300))
    nothing = torch.full((3,), -INF, device="meta")  # where nobody looks
    check_follows(name, want, nothing, nothing)


@pytest.mark.parametrize("want", [kind for kind in KINDS if kind != "mean"])
def test_a_mean_without_x0_in_it_says_nothing(want):
    words = f"{want} does not follow from mean where the mean does not depend on x0, at log_snr = 2"
    with pytest.raises(ValueError, match=words):
        check_follows("mean", want, row(1.0, 2.0), row(0.5, 0.0))
    check_follows("x0", "mean", row(1.0, 2.0), row(0.5, 0.0))


# ---- what x_0 and x_t count for


@given(st.floats(-600, 600), st.floats(1e-9, 100))
def test_shares_to_all_digits(level, more):
    "sqrt(a') (1 - a/a') / (1 - a) and sqrt(a/a') (1 - a') / (1 - a), where a' is alpha_bar a step before."
    before = level + more
    with mpmath.workdps(700):
        a, a_ = (1 / (1 + mpmath.exp(-mpmath.mpf(v))) for v in (level, before))
        share = mpmath.sqrt(a_) * (1 - a / a_) / (1 - a)
        kept = mpmath.sqrt(a / a_) * (1 - a_) / (1 - a)
    got = posterior_shares(row(level), row(before), X[:1], True)
    # the difference of two levels is known to a rounding of the larger
    room = 1e-14 + 1e-15 * max(abs(level), abs(before)) / min(more, 1)
    assert got[0].item() == pytest.approx(float(share), rel=room, abs=1e-290)
    assert got[1].item() == pytest.approx(float(kept), rel=1e-12, abs=1e-290)


@pytest.mark.parametrize("schedule", [
    linear_schedule(20), cosine_schedule(50), constant_schedule(0.0, 2), constant_schedule(1.0, 2),
    Schedule.from_alpha_bar([1.0, 0.5, 0.5, 0.0, 0.0]), linear_schedule(1),
], ids=repr)  # fmt: skip
def test_shares_are_the_tables_of_the_posterior(schedule):
    "At every step, and where beta is 0 or 1."
    q, x = ForwardProcess(schedule), torch.zeros(schedule.T, 2)
    share, kept = posterior_shares(schedule.log_snr[1:], schedule.log_snr[:-1], x, True)
    assert error(share, q.tables.exact["posterior"][0, 1:]) < 1e-12
    assert error(kept, q.tables.exact["posterior"][1, 1:]) < 1e-12


@pytest.mark.parametrize(
    "level, before, shares",
    [
        (0.0, INF, (1.0, 0.0)),  # t = 1: x_0 itself
        (INF, INF, (0.0, 1.0)),  # no noise yet: x_t itself
        (1.0, 1.0, (0.0, 1.0)),  # a step that adds none
        (-INF, INF, (1.0, 0.0)),
        (
            -INF,
            0.0,
            (math.sqrt(0.5), 0.0),
        ),  # nothing of x_{t-1} is left in x_t: back to its marginal
        (-INF, -INF, (0.0, 0.0)),
    ],
)
def test_shares_at_the_edges(level, before, shares):
    got = posterior_shares(row(level), before, X[:1], True)
    assert [v.item() for v in got] == pytest.approx(shares, abs=1e-15)


def test_one_level_before_for_all_and_what_is_not_needed_is_not_looked_at():
    levels = row(0.0, 1.0, 2.0)
    one = posterior_shares(levels, 3.0, X, True)
    each = posterior_shares(levels, row(3.0, 3.0, 3.0), X, True)
    assert all(torch.equal(a, b) for a, b in zip(one, each, strict=True))
    for before in (None, NAN, -5.0, "noise"):
        share, kept = posterior_shares(levels, before, X, False)
        assert share is levels and kept is levels


@pytest.mark.bad_input
@pytest.mark.parametrize("before, kind, words", [
    (None, ValueError, "mean needs log_snr_prev, the noise level at t-1"),
    (0.5, ValueError, "log_snr_prev must not be below log_snr, at log_snr = 0.5"),
    (row(0.0, 5.0, 1.0), ValueError, "log_snr_prev must not be below log_snr, at log_snr = 1"),
    (NAN, ValueError, "log_snr_prev must be a number, got nan"),
    (row(3.0, 3.0), ValueError, r"log_snr_prev must be a number or have shape \(3,\), one for each x, got \(2,\)"),
    ("noise", TypeError, "log_snr_prev must be a number or a tensor, got str"),
])  # fmt: skip
def test_a_wrong_level_before_is_named(before, kind, words):
    with pytest.raises(kind, match=words):
        posterior_shares(row(0.0, 1.0, 2.0), before, X, True)
