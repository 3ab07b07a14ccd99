"Whatever holds numbers becomes a tensor in float64, every digit as it came."

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from diffusion_math.teach.numbers import (
    all_finite,
    as_numbers,
    as_reals,
    one_for_each,
    one_number,
    plain_number,
)


@pytest.mark.parametrize(
    "x, want",
    [
        (torch.tensor([0.1, -2.0], requires_grad=True), [float(np.float32(0.1)), -2.0]),
        (torch.tensor([1.5, 300.0], dtype=torch.bfloat16), [1.5, 300.0]),
        (np.arange(4)[::-2], [3.0, 1.0]),
        (np.array([0.1], dtype=">f8"), [0.1]),  # the bytes the other way round
        ([True, 2, 0.1], [1.0, 2.0, 0.1]),
        ([Fraction(1, 4), Fraction(1, 3)], [0.25, 1 / 3]),
        ((), []),
        (0.1, 0.1),
        (math.inf, math.inf),
    ],
)
def test_what_holds_real_numbers(x, want):
    found = as_reals(x, "x")
    assert found.dtype == torch.float64 and not found.requires_grad
    assert found.tolist() == want and torch.equal(as_numbers(x, "x"), found)


def test_complex_numbers_stay_complex():
    for x in (1 + 2j, torch.tensor(1 + 2j, dtype=torch.complex64), np.array(1 + 2j)):
        assert as_numbers(x, "x").dtype == torch.complex128 and as_numbers(x, "x").item() == 1 + 2j
    with pytest.raises(TypeError, match="x must be real, got complex numbers"):
        as_reals(1j, "x")


def test_the_array_that_came_stays_as_it_is():
    given = np.zeros(2)
    as_numbers(given, "x")[0] = 1.0
    assert given.tolist() == [0.0, 0.0]


@pytest.mark.bad_input
@pytest.mark.parametrize("x", ["1", None, b"1", object(), [[1.0], [1.0, 2.0]], {"a": 1}])
def test_what_holds_no_numbers(x):
    with pytest.raises(TypeError, match="heights must be a tensor, an array or a number, got "):
        as_numbers(x, "heights")
    with pytest.raises(ValueError, match="heights"):
        as_numbers(torch.ones(2, device="meta"), "heights")


def test_one_number_or_one_for_each():
    assert one_number([[2.5]], "level") == 2.5 and one_number(torch.tensor(3), "level") == 3.0
    assert one_for_each(np.zeros(2), [1, 2], "errors").tolist() == [1.0, 2.0]
    x = torch.ones(2, dtype=torch.float64)
    assert all_finite(x, "x") is x
    assert [plain_number(v) for v in (torch.tensor(2), np.array(2.5), 3)] == [2, 2.5, 3]
    assert plain_number(x) is x and type(plain_number(torch.tensor(2))) is int


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: one_number([1, 2], "level"), r"level must be one number, got shape \(2,\)"),
        (lambda: one_number(math.nan, "level"), "level must be finite, got nan"),
        (lambda: all_finite(torch.tensor([0, -math.inf]), "x"), "x must be finite, got -inf"),
        (
            lambda: one_for_each(np.zeros(2), 1.0, "errors"),
            r"errors must be \(2,\) like x, got \(\)",
        ),
    ],
)
def test_what_is_not_one_or_not_finite(call, words):
    with pytest.raises(ValueError, match=words):
        call()
