"The checks pass what is equal, or within its error, and nothing else."

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math.teach.agree import agree, agree_mc, mean_and_stderr
from tests.teach.wrong import unnamed


def said(capsys):
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    "a, b, words",
    [
        (1.0, 1.0, "✓ exactly"),
        (torch.tensor(2.0), 2, "✓ exactly"),
        (torch.tensor([2.0]), 2.0, "✓ exactly"),
        (np.arange(3), torch.arange(3.0), "✓ exactly"),
        ([1, 2], (1.0, 2.0), "✓ exactly"),
        (torch.tensor([True, False]), torch.tensor([1, 0]), "✓ exactly"),
        (math.inf, math.inf, "✓ exactly"),
        (torch.zeros(0, 3), torch.zeros(0, 3), "nothing to compare: both are empty, (0, 3)"),
        (0.1 + 0.2, 0.3, "✓ to 6e-17"),
        (torch.tensor([-math.inf, 1.0]).double(), [-math.inf, 1 + 2e-16], "✓ to 2e-16"),
        (np.float32(1.5), torch.tensor(1.5, dtype=torch.bfloat16), "✓ exactly"),
        (1 + 1j, torch.tensor(1 + 1j), "✓ exactly"),
        (np.arange(6.0)[::-1], [5, 4, 3, 2, 1, 0], "✓ exactly"),
        (1e6 + 1e-5, 1e6, "✓ to 1e-11"),  # relative where the number is large
    ],
)
def test_what_is_equal(a, b, words, capsys):
    agree(a, b)
    assert said(capsys) == words


@pytest.mark.parametrize(
    "a, b, words",
    [
        (1.0, 1.0 + 1e-9, "not equal: 1.0 and 1.000000001, apart by 1.0e-09"),
        (
            torch.tensor([1.0, 2.0, 3.0]),
            torch.tensor([1.0, 2.5, 3.2]),
            r"not equal at \(1,\): 2.0 and 2.5",
        ),
        (torch.zeros(2, 3), torch.eye(3)[:2], r"not equal at \(0, 0\): 0.0 and 1.0"),
        (torch.ones(3), torch.ones(3, 1), r"shapes differ: a \(3,\), b \(3, 1\)"),
        (torch.ones(1), torch.ones(1, 1), "shapes differ"),
        (torch.ones(3), 1.0, r"shapes differ: a \(3,\), b \(\)"),
        (torch.zeros(0), torch.zeros(0, 1), "shapes differ"),
        (math.nan, math.nan, "not equal: nan and nan"),
        (torch.tensor([0.0, math.nan]), torch.tensor([0.5, 0.0]), r"not equal at \(1,\): nan"),
        (
            torch.tensor([0.0, 1.0]),
            torch.tensor([0.0, math.nan]),
            r"not equal at \(1,\): 1.0 and nan",
        ),
        (math.inf, -math.inf, "not equal: inf and -inf"),
        (1e308, math.inf, "not equal: 1e[+]308 and inf"),
        (math.inf, 1e308, "not equal: inf and 1e[+]308"),
        (torch.tensor(0.1), 0.1, "not equal: 0.1000000014"),  # float32's tenth is not float64's
        (1 + 1j, 1 - 1j, "not equal"),
        (1e-3 + 2e-10, 1e-3, "apart by 2.0e-10"),  # absolute where the number is small
    ],
)
def test_what_is_not_equal(a, b, words, capsys):
    with pytest.raises(AssertionError, match=words):
        agree(a, b)
    assert said(capsys) == ""


def test_tolerance_and_name(capsys):
    agree(1.0, 1.1, tol=0.2, what="roughly")
    assert said(capsys) == "✓ roughly: to 9e-02"
    agree([1.0, 2.0], [1.0, 2.0], what="(2.6), another way")
    assert said(capsys) == "✓ (2.6), another way: exactly"
    agree_mc(1.0, 0.9, 0.1, what="(2.10), 10,000 draws")
    assert said(capsys) == "✓ (2.10), 10,000 draws: 1.0 standard errors"
    with pytest.raises(AssertionError, match="^exactly: not equal: 1.0 and 1.1"):
        agree(1.0, 1.1, tol=0.0, what="exactly")
    for tol in (math.nan, math.inf, -1.0):
        with pytest.raises(ValueError, match="tol must be finite"):
            agree(1.0, 2.0, tol=tol)


@pytest.mark.parametrize("thing", ["one", None, object(), {"a": 1}])
def test_what_is_no_number(thing):
    with pytest.raises(TypeError, match="b must be a tensor, an array or a number"):
        agree(1.0, thing)


def test_mpmath_numbers(capsys):
    import mpmath

    agree(torch.tensor(math.pi, dtype=torch.float64), mpmath.pi + 0)
    assert said(capsys) == "✓ exactly"


numbers = st.floats(-1e300, 1e300)


@given(st.lists(numbers, min_size=1, max_size=6), st.data())
def test_agree_measures_what_it_says(values, data):
    i = data.draw(st.integers(0, len(values) - 1))
    shift = data.draw(st.sampled_from([3e-9, -1e-3, 0.5]))
    other = list(values)
    other[i] += shift * max(1.0, abs(values[i]))
    agree(values, list(values), tol=0.0)
    agree(other, values, tol=abs(shift) * 1.0001)
    with pytest.raises(AssertionError, match=re.escape(f"at ({i},)")):
        agree(other, values, tol=abs(shift) * 0.999)


def test_mean_and_standard_error():
    samples = torch.tensor([[1.0, 10.0], [2.0, 10.0], [6.0, 10.0]], dtype=torch.float64)
    mean, stderr = mean_and_stderr(samples)
    agree(mean, [3.0, 10.0])
    agree(stderr, [math.sqrt(7 / 3), 0.0])  # variance 14/2
    agree(mean_and_stderr(samples.T, dim=1)[1], stderr)
    with pytest.raises(ValueError, match="at least 2 along dim 0, got 1"):
        mean_and_stderr(samples[:1])


def test_an_honest_average_passes_and_a_biased_one_does_not(capsys):
    estimate, stderr = mean_and_stderr(torch.randn(40_000, 5, dtype=torch.float64))
    agree_mc(estimate, torch.zeros(5), stderr, what="the mean")
    assert re.fullmatch(r"✓ the mean: at most \d\.\d standard errors", said(capsys))
    biased = torch.tensor([0, 0, 0, 0.05, 0]).double()
    with pytest.raises(
        AssertionError, match=r"the mean: not equal at \(3,\): .* apart, at most 5 allowed"
    ):
        agree_mc(estimate, biased, stderr, what="the mean")


@pytest.mark.parametrize(
    "estimate, truth, stderr, sigmas, words",
    [
        (1.0, 0.9, 0.1, 5, "✓ 1.0 standard errors"),
        (1.0, 0.5, 0.1, 5.01, "✓ 5.0 standard errors"),
        (torch.tensor([1.0]), 0.9, 0.1, 5, "✓ 1.0 standard errors"),
        (1.0, 1.0, 0.0, 5, "✓ 0.0 standard errors"),
        (torch.tensor([1.0, 2.0]), [1.0, 2.1], [0.0, 0.1], 5, "✓ at most 1.0 standard errors"),
    ],
)
def test_within_its_error(estimate, truth, stderr, sigmas, words, capsys):
    agree_mc(estimate, truth, stderr, sigmas)
    assert said(capsys) == words


@pytest.mark.parametrize(
    "estimate, truth, stderr, words",
    [
        (1.0, 0.0, 0.19, "5.3 standard errors apart"),
        (1.0, 0.9, 0.0, "must be positive and finite"),
        (1.0, 0.9, math.nan, "must be positive and finite"),
        (1.0, 0.9, math.inf, "must be positive and finite"),
        (1.0, 0.9, -0.1, "must be positive and finite"),
        (1.0, 1.0, math.nan, "1.0 and 1.0, standard error nan: a standard error must be positive"),
        (1.0, 1.0, math.inf, "must be positive and finite"),
        (1.0, 1.0, -0.1, "must be positive and finite"),
        (math.nan, 0.9, 0.1, "nan and 0.9"),
        (math.inf, 0.9, 0.1, "inf and 0.9"),
        (0.9, math.nan, 0.1, "0.9 and nan"),
        (math.nan, math.nan, math.nan, "nan and nan"),
        ([1.0, 2.0], [1.0, 3.0], [1.0, 0.1], r"at \(1,\)"),
        ([1.0, math.nan, 2.0], [1.0, 2.0, 2.1], [0.1, 0.1, 0.1], r"at \(1,\): nan and 2.0"),
        (torch.ones(3), 1.0, torch.ones(3), r"shapes differ: estimate \(3,\), truth \(\)"),
        (torch.ones(3), torch.ones(3), 0.1, r"shapes differ: estimate \(3,\), stderr \(\)"),
        (torch.ones(0), torch.ones(0), torch.ones(0), "nothing to compare"),
    ],
)
def test_beyond_its_error(estimate, truth, stderr, words, capsys):
    with pytest.raises(AssertionError, match=words):
        agree_mc(estimate, truth, stderr)
    assert said(capsys) == ""


@pytest.mark.parametrize("sigmas", [0, -1, math.inf, math.nan])
def test_a_check_that_could_not_fail_is_refused(sigmas):
    with pytest.raises(ValueError, match="sigmas must be positive and finite"):
        agree_mc(1.0, 2.0, 0.1, sigmas)


CALLS = {
    mean_and_stderr: dict(samples=torch.zeros(4), dim=0),
    agree: dict(a=1.0, b=1.0, tol=1e-3),
    agree_mc: dict(estimate=1.0, truth=1.0, stderr=0.1, sigmas=5.0),
}  # fmt: skip


@pytest.mark.bad_input
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_an_error_names_the_argument(call):
    assert unnamed(call, CALLS[call]) == []
