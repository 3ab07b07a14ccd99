"""Sums over an event, over draws, over strips: against sums by hand, in the dtype that they should have.

`error` is the largest |a - b| / max(1, |b|).
"""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math import sums
from diffusion_math.sums import (
    level_by_level,
    mean_event,
    pieces,
    sum_event,
    total,
    total_log,
    wide,
    wide_dtype,
)
from tests.truth import error, seed

F16, BF16, F32, F64 = torch.float16, torch.bfloat16, torch.float32, torch.float64
INF, NAN = math.inf, math.nan
EVENTS = [(), (1,), (2, 3), (1, 28, 28)]


def normal(*shape, draw=0, dtype=F64):
    return torch.randn(*shape, generator=seed(draw), dtype=dtype)


# ---- dtypes


@pytest.mark.parametrize(
    "dtypes, widest",
    [
        ((), F32), ((F16,), F32), ((BF16,), F32), ((F16, BF16), F32), ((F64,), F64), ((F16, F64), F64),
        ((torch.int64,), F32),
    ],
)  # fmt: skip
def test_the_widest_of_the_dtypes(dtypes, widest):
    assert wide_dtype(*dtypes) == widest
    if len(dtypes) == 1:
        assert wide(torch.ones(2, dtype=dtypes[0])).dtype == widest


def test_what_is_wide_already_is_not_copied():
    x = torch.ones(3)
    assert wide(x) is x


# ---- over the event


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("b", [0, 1, 4])
def test_sum_and_mean_over_everything_but_the_batch(event, b):
    x = normal(b, *event)
    rows = [[float(v) for v in row.flatten()] for row in x]
    assert error(sum_event(x), [math.fsum(row) for row in rows]) < 1e-12
    assert error(mean_event(x), [math.fsum(row) / len(row) for row in rows]) < 1e-12
    assert torch.equal(total(x, x), sum_event(x))


@pytest.mark.parametrize("like, dtype", [(F16, F32), (BF16, F32), (F32, F32), (F64, F64)])
def test_a_total_comes_in_the_dtype_of_what_it_is_about(like, dtype):
    "float32 at least; and it is added up in its own precision before."
    x = torch.full((2, 784), 100.0, dtype=F64)
    for f in (total, total_log):
        got = f(x, torch.ones(2, dtype=like))
        assert got.dtype == dtype and got.tolist() == [78400.0] * 2  # beyond float16


def test_a_total_of_logs_of_finite_numbers_is_the_sum():
    x = normal(5, 2, 3)
    assert torch.equal(total_log(x), sum_event(x)) and total_log(x.half()).dtype == F16


@pytest.mark.parametrize("event", [(3,), (1, 3), (3, 1, 1)], ids=str)
@pytest.mark.parametrize("logs, truth", [
    ((0.0, -1.0, 2.0), 1.0), ((INF, 1.0, 2.0), INF), ((-INF, 1.0, 2.0), -INF), ((INF, -INF, 0.0), -INF),
    ((-INF, INF, INF), -INF), ((NAN, 1.0, 2.0), NAN), ((NAN, -INF, 1.0), NAN), ((INF, NAN, -INF), NAN),
    ((INF, INF, INF), INF), ((-INF, -INF, -INF), -INF),
])  # fmt: skip
def test_never_wins_over_a_point_mass_and_unknown_over_both(event, logs, truth):
    "A density of 0 anywhere is a density of 0; whoever does not know a factor does not know the product."
    x = torch.tensor([logs, (0.0, 0.0, 0.0)], dtype=F64).view(2, *event)
    assert str(total_log(x).tolist()) == str([truth, 0.0])


def test_of_single_numbers_the_total_is_each():
    x = torch.tensor([1.0, INF, -INF], dtype=F64)
    assert total_log(x).tolist() == [1.0, INF, -INF]


# ---- over times, in pieces


@given(st.integers(0, 50), st.integers(0, 30), st.integers(1, 40))
def test_pieces_hold_every_time_once_and_fit_the_budget(n, width, budget):
    before, sums.BUDGET = sums.BUDGET, budget
    try:
        got = pieces(torch.arange(n), width)
    finally:
        sums.BUDGET = before
    assert [int(t) for part in got for t in part] == list(range(n))
    assert all(len(part) == 1 or len(part) * width <= budget for part in got)


# ---- level by level


@pytest.mark.parametrize(
    "levels", [[1.0, 1.0, 1.0, 1.0], [3.0, 1.0, 3.0, -2.0], [4.0, 3.0, 2.0, 1.0]]
)
@pytest.mark.parametrize("dim", [0, 1])
def test_a_function_of_one_level_is_asked_once_for_each(levels, dim):
    asked = []

    def f(x, level):
        asked.append(float(level))
        out = 10 * x[:, 0] + level
        return out if dim == 0 else torch.stack([out, -out])

    x, levels = torch.arange(4.0)[:, None], torch.tensor(levels)
    got = level_by_level(f, x, levels, dim)
    each = torch.stack([10 * a + level for a, level in zip(x[:, 0], levels, strict=True)])
    assert torch.equal(got, each if dim == 0 else torch.stack([each, -each]))
    assert asked == sorted(set(levels.tolist()))


def test_one_level_for_all_and_none_at_all():
    asked = []
    f = lambda x, level: asked.append((len(x), level.shape)) or x
    x = normal(3, 2)
    assert level_by_level(f, x, torch.tensor(2.0)) is x
    assert torch.equal(level_by_level(f, x, torch.tensor([2.0])), x)
    assert level_by_level(f, x[:0], torch.zeros(0)).shape == (0, 2)
    assert asked == [(3, ()), (3, ()), (0, ())]
