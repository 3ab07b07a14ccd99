"""What an argument must be: every function of checks, asked for every kind of wrong thing, and what exactly it says.

One table for wrong kinds, each function against each thing in ANY; one for wrong values; one for what is legal at the
edges. A message is compared whole: it names the argument, what came and what fits.
"""

import math
import types
from fractions import Fraction

import numpy as np
import pytest
import torch

from diffusion_math import checks

F16, F32, F64 = torch.float16, torch.float32, torch.float64
INF, NAN = math.inf, math.nan
X = torch.zeros(3, 2)
T3 = torch.tensor([1, 2, 3])
META = {"device": "meta"}
SIZE = torch.Size

# ---- wrong kinds

ANY = {
    "None": None, "bool": True, "numpy bool": np.True_, "str": "3", "int": 3, "float": 2.5, "nan": NAN, "inf": INF,
    "complex": 1j, "fraction": Fraction(5, 2), "numpy integer": np.uint8(3), "numpy float": np.float32(2.5),
    "list": [1.0, 2.0, 3.0], "tuple": (1.0, 2.0, 3.0), "words": ["a", "b", "c"], "complexes": [1j, 2j, 3j],
    "ragged": [[1.0], [1.0, 2.0]], "nothing": [None], "array": np.ones(3), "integer array": np.arange(1, 4),
    "0-dim array": np.array(3), "complex array": np.ones(3, complex), "word array": np.array(["a"]),
    "0-dim": torch.tensor(2.5), "0-dim integer": torch.tensor(3), "0-dim bool": torch.tensor(True),
    "tensor": torch.ones(3, 2), "row": torch.ones(3), "integers": T3, "bytes": T3.byte(), "bools": T3 > 1,
    "complex tensor": torch.ones(3, dtype=torch.complex64), "function": len, "class": dict, "object": object(),
}  # fmt: skip
WHOLE = {"int", "numpy integer", "0-dim integer", "0-dim array"}
REAL = {"int", "float", "nan", "inf", "fraction", "numpy integer", "numpy float"}
FLOATS = {"0-dim", "tensor", "row"}
TENSORS = FLOATS | {"0-dim integer", "0-dim bool", "integers", "bytes", "bools"}
ROWS = TENSORS | {"list", "tuple", "array", "integer array", "0-dim array"}
ARRAYS = {"array", "integer array", "complex array", "word array"}
LISTS = {"list", "tuple", "words", "complexes", "ragged", "nothing"}
CALLABLE = {"function", "class"}
FLOATING = "{name} must be a floating-point tensor, got {got}"
NUMBER = "{name} must be a number, got {got}"
NUMBER_OR_TENSOR = "{name} must be a number or a tensor, got {got}"
COUNT = "{name} must be a whole number, got {got}"


def got(value):
    return str(value.dtype) if isinstance(value, torch.Tensor) else type(value).__name__


# A function, and the argument that it is asked about; the words; and what in ANY is of a right kind.
KINDS = {
    "instance": (lambda v: checks.instance("p", v, dict, str), "p must be a dict or a str, got {type}", {"str"}),
    "instance returned": (lambda v: checks.instance("f", v, dict, must="return"), "f must return a dict, got {type}", {}),
    "function": (lambda v: checks.function("f", v, "x and t"), "f must be a function of x and t, got {type}", CALLABLE),
    "one_of": (lambda v: checks.one_of("kind", v, ("a", "b")), "kind must be one of a, b, got {got}", {"str"}),
    "name_or_function": (lambda v: checks.name_or_function("f", v, ("a", "b"), "t"),
                         "f must be 'a', 'b' or a function of t, got {got}", CALLABLE | {"str"}),
    "whole": (lambda v: checks.whole("n", v), COUNT, WHOLE),
    "count": (lambda v: checks.count("n", v), COUNT, WHOLE),
    "count within": (lambda v: checks.count("n", v, 0, 9), COUNT, WHOLE),
    "number": (lambda v: checks.number("n", v), NUMBER, REAL),
    "number within": (lambda v: checks.number("n", v, 0, 1), NUMBER, REAL),
    "positive": (lambda v: checks.positive("n", v), NUMBER, REAL),
    "parts": (lambda v: checks.parts("n", v, "k", 1), COUNT, WHOLE),
    "parts, of": (lambda v: checks.parts("m", 12, "n", v), COUNT, WHOLE),
    "floating": (lambda v: checks.floating("n", v), FLOATING, FLOATS),
    "tensor": (lambda v: checks.tensor("n", v), FLOATING, FLOATS),
    "some": (lambda v: checks.some("n", v, "x"), FLOATING, FLOATS),
    "same_shape": (lambda v: checks.same_shape("n", v, "x", X), FLOATING, FLOATS),
    "matching": (lambda v: checks.matching("n", v, "x", X), FLOATING, FLOATS),
    "same_event": (lambda v: checks.same_event("n", v, X), FLOATING, FLOATS),
    "event_shape": (lambda v: checks.event_shape(v), "event_shape must be a tuple such as (1, 28, 28), got {type}",
                    {"None", "tensor", "row", "integers", "bytes", "bools", "complex tensor"} | LISTS | ARRAYS),
    "times": (lambda v: checks.times(v, X, 1, 9), "t must be an int or an integer tensor, got {got}",
              WHOLE | {"integers", "bytes"}),
    "real": (lambda v: checks.real("n", v, "a number", dtype=F64), NUMBER, REAL | ROWS),
    "each": (lambda v: checks.each("n", v, X), NUMBER_OR_TENSOR, REAL - {"fraction"} | TENSORS),
    "rowwise": (lambda v: checks.rowwise("n", v, X), NUMBER_OR_TENSOR, REAL | TENSORS),
    "variances": (lambda v: checks.variances("n", v, X), NUMBER_OR_TENSOR, REAL | TENSORS),
    "log_snr": (lambda v: checks.log_snr("n", v, X), NUMBER_OR_TENSOR, REAL | ROWS),
    "log_snr, x": (lambda v: checks.log_snr("log_snr", torch.zeros(9), v), "x must be a floating-point tensor, got {got}",
                   FLOATS),
    "some_signal": (lambda v: checks.some_signal(v, "it"), "log_snr must be a number or a tensor, got {got}", REAL | ROWS),
    "weights": (lambda v: checks.weights("n", v, torch.zeros(4), "t"), "n must be a list or tensor of numbers, got {got}",
                REAL | ROWS),
    "schedule_values": (lambda v: checks.schedule_values("n", v, 0, 1), "n must be a list or tensor of numbers, got {got}",
                        REAL | ROWS),
    "rising_levels": (lambda v: checks.rising_levels("n", v), "n must be a list or a 1-d tensor of numbers, got {got}", ROWS),
    "grey_levels": (lambda v: checks.grey_levels(v, 0.0, 1.0), "levels must be a whole number, got {got}", WHOLE),
    "grey_levels, low": (lambda v: checks.grey_levels(2, v, INF), "low must be a number, got {got}", REAL),
    "grey_levels, high": (lambda v: checks.grey_levels(2, 0, v), "high must be a number, got {got}", REAL),
    "variance": (lambda v: checks.variance(v, X), "var must be {fits}, got {got}", REAL | FLOATS),
}  # fmt: skip


@pytest.mark.bad_input
@pytest.mark.parametrize("asked", KINDS)
def test_a_wrong_kind_is_a_type_error_and_a_right_kind_is_none(asked):
    call, words, right = KINDS[asked]
    assert set(right) <= ANY.keys()
    for kind, value in ANY.items():
        said = None
        try:
            call(value)
        except ValueError as error:
            assert kind in right, f"{kind} is a wrong kind, and not a wrong value: {error}"
        except TypeError as error:
            said = str(error)
        floating = "floating-point " if isinstance(value, torch.Tensor) else ""
        fits = f"a number or a {floating}tensor"  # of a variance
        wrong = words.format(name="n", got=got(value), type=type(value).__name__, fits=fits)
        assert said == (None if kind in right else wrong), kind


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "value, came", [(None, "NoneType"), (3.0, "float"), ([1.0], "list"), (X[:1], "(1, 2)")]
)
@pytest.mark.parametrize("what", ["a tensor", "a mean"])
def test_an_answer_that_is_no_tensor_of_its_shape_is_a_wrong_value_of_the_function(
    value, came, what
):
    "Whatever its kind: it is the function that is wrong, and not the argument."
    words = f"f must return {what} of x_t's shape (3, 2), got {came}"
    with pytest.raises(ValueError) as error:
        checks.answer("f", value, X, "x_t", what)
    assert str(error.value) == words


# ---- wrong values

LIKE = torch.zeros(4)
BIASED = "must be above 0 and finite, or a term is never seen and the estimate is biased"
HALF, DOUBLE = X.half(), X.double()
ASKED = {
    checks.one_of: [
        (("kind", "c", ("a", "b")), "kind must be one of a, b, got 'c'"),
        (("kind", "", ("a", "b")), "kind must be one of a, b, got ''"),
        (("kind", "A", ("a", "b")), "kind must be one of a, b, got 'A'"),
    ],
    checks.name_or_function: [(("v", "c", ("a", "b"), "t"), "v must be 'a', 'b' or a function of t, got 'c'")],
    checks.count: [
        (("n", 0), "n must be 1 or more, got 0"),
        (("n", -3, 0), "n must be 0 or more, got -3"),
        (("n", np.int8(-3)), "n must be 1 or more, got -3"),
        (("n", torch.tensor(0)), "n must be 1 or more, got 0"),
        (("T", 5, 1, 4), "T must lie in 1..4, got 5"),
        (("T", 0, 1, 4), "T must lie in 1..4, got 0"),
    ],
    checks.number: [
        (("n", NAN), "n must be a number, got nan"),
        (("n", NAN, 0), "n must be 0 or more, got nan"),
        (("n", NAN, 0, 1), "n must lie in [0, 1], got nan"),
        (("n", -0.5, 0), "n must be 0 or more, got -0.5"),
        (("n", -INF, 0), "n must be 0 or more, got -inf"),
        (("n", INF, 0, 1), "n must lie in [0, 1], got inf"),
        (("n", Fraction(3, 2), 0, 1), "n must lie in [0, 1], got 1.5"),
        (("n", np.float32(1.5), 0.25, 0.5), "n must lie in [0.25, 0.5], got 1.5"),
    ],
    checks.positive: [
        (("step", 0), "step must be above 0 and finite, got 0"),
        (("step", -0.5), "step must be above 0 and finite, got -0.5"),
        (("step", INF), "step must be above 0 and finite, got inf"),
        (("step", Fraction(-1, 2)), "step must be above 0 and finite, got -0.5"),
        (("step", NAN), "step must be a number, got nan"),
    ],
    checks.parts: [
        (("n", 6, "k", 4), "n must be a multiple of k = 4, got 6"),
        (("n", 0, "k", 4), "n must be 1 or more, got 0"),
        (("n", 6, "k", 0), "k must be 1 or more, got 0"),
    ],
    checks.unwanted: [(("weights", 0, "times='both'"), "weights go with times='both'")],
    checks.tensor: [
        (("x", X[0, 0]), "x must have shape (b, *event), got a single number; add a batch dimension"),
    ],
    checks.some: [
        (("data", X[:0], "x"), "data must hold at least one x, got shape (0, 2)"),
        (("data", X[0, 0], "x"), "data must have shape (b, *event), got a single number; add a batch dimension"),
    ],
    checks.refuse: [
        ((X == 0, "x must not be 0"), "x must not be 0"),
        ((X == 0, "x must not be 0, got", X + 0.5), "x must not be 0, got 0.5"),
        ((torch.tensor([False, True, True]), "got", torch.tensor([1.0, 2.0, 3.0])), "got 2"),
    ],
    checks.finite: [
        (("x", torch.tensor([0.0, NAN, INF])), "x must be finite, got nan"),
        (("x", torch.tensor([[0.0], [-INF]])), "x must be finite, got -inf"),
        (("x", torch.tensor(INF, dtype=F16)), "x must be finite, got inf"),
    ],
    checks.same_shape: [
        (("eps", X[:1], "x0", X), "eps must have x0's shape (3, 2), got (1, 2)"),
        (("eps", X[:, :1], "x0", X), "eps must have x0's shape (3, 2), got (3, 1)"),
        (("eps", X[0], "x0", X), "eps must have x0's shape (3, 2), got (2,)"),
    ],
    checks.matching: [(("x0", X[None], "x_t", X), "x0 must have x_t's shape (3, 2), got (1, 3, 2)")],
    checks.same_event: [
        (("x", X[:, :1], X), "x must have shape (3, 2) like the mean, got (3, 1)"),
        (("x", X[:2], X), "x must have shape (3, 2) like the mean, got (2, 2)"),
        (("x", X[:0], X), "x must have shape (3, 2) like the mean, got (0, 2)"),
        (("x", X[0], X), "x must have shape (3, 2) like the mean, got (2,)"),
        (("x", X[:, :, None], X), "x must have shape (3, 2) like the mean, got (3, 2, 1)"),
    ],
    checks.nonzero: [((torch.tensor([1.0, 0.0]), "alpha_bar is 0"), "alpha_bar is 0")],
    checks.one_number: [
        (("x0", X), "x0 must hold one number a datum, shape (b,) or (b, 1), got (3, 2)"),
        (("x0", X[:, :0]), "x0 must hold one number a datum, shape (b,) or (b, 1), got (3, 0)"),
    ],
    checks.known_event: [
        ((None,), "sample must know the shape of one x: give the process an event_shape, such as (1, 28, 28)"),
    ],
    checks.event_shape: [
        (((2, -1),), "event_shape must hold whole numbers of 0 or more, got (2, -1)"),
        (((2.5,),), "event_shape must hold whole numbers of 0 or more, got (2.5,)"),
        (([2, NAN],), "event_shape must hold whole numbers of 0 or more, got (2, nan)"),
        (((True, 2),), "event_shape must hold whole numbers of 0 or more, got (True, 2)"),
        (((2, None),), "event_shape must hold whole numbers of 0 or more, got (2, None)"),
        ((["2"],), "event_shape must hold whole numbers of 0 or more, got ('2',)"),
        ((torch.tensor([1.5]),), "event_shape must hold whole numbers of 0 or more, got (tensor(1.5000),)"),
    ],
    checks.times: [
        ((0, X, 1, 4), "t must lie in 1..4, got 0"),
        ((5, X, 1, 4), "t must lie in 1..4, got 5"),
        ((-1, X, 0, 4), "t must lie in 0..4, got -1"),
        ((T3 - 1, X, 1, 4), "t must lie in 1..4, got 0"),
        ((T3 + 2, X, 1, 4), "t must lie in 1..4, got 5"),
        ((T3 - 4, X, 0, 4), "t must lie in 0..4, got -3"),
        (((T3 + 200).byte(), X, 0, 4), "t must lie in 0..4, got 203"),
        (((T3 + 9).to(torch.uint16), X, 1, 4), "t must lie in 1..4, got 12"),
        ((T3[:2], X, 1, 4), "t must be an int or have shape (3,), one for each x, got shape (2,)"),
        ((T3[:1], X, 1, 4), "t must be an int or have shape (3,), one for each x, got shape (1,)"),
        ((T3[0], X, 1, 4), "t must be an int or have shape (3,), one for each x, got shape ()"),
        ((T3[:, None], X, 1, 4), "t must be an int or have shape (3,), one for each x, got shape (3, 1)"),
    ],
    checks.each: [
        (("y", T3[:2], X), "y must be one number or have shape (3,), got (2,)"),
        (("y", X, X), "y must be one number or have shape (3,), got (3, 2)"),
        (("y", T3[:1], X), "y must be one number or have shape (3,), got (1,)"),
    ],
    checks.variances: [
        (("v(t)", -1, X), "v(t) must be finite and 0 or more, got -1"),
        (("v(t)", NAN, X), "v(t) must be finite and 0 or more, got nan"),
        (("v(t)", torch.tensor([0.0, 1.0, INF]), X), "v(t) must be finite and 0 or more, got inf"),
    ],
    checks.rowwise: [
        (("variance(t)", X[:2, 0], X), "variance(t) must be one number or have shape (3,), got (2,)"),
        (("variance(t)", X, X), "variance(t) must be one number or have shape (3,), got (3, 2)"),
    ],
    checks.log_snr: [
        (("log_snr", [0.0, 1.0], X), "log_snr must be a number or have shape (3,), one for each x, got (2,)"),
        (("log_snr", X, X), "log_snr must be a number or have shape (3,), one for each x, got (3, 2)"),
        (("log_snr", torch.zeros(0), X), "log_snr must be a number or have shape (3,), one for each x, got (0,)"),
        (("log_snr", NAN, X), "log_snr must be a number, got nan"),
        (("log_snr", torch.tensor([0.0, NAN, 1.0]), X), "log_snr must be a number, got nan"),
        (("log_snr", 0.0, X[0, 0]), "x must have shape (b, *event), got a single number; add a batch dimension"),
    ],
    checks.some_signal: [
        ((-INF, "denoise"), "log_snr must be above -709, got -inf: nothing of x0 is left in x_t; override denoise"),
        ((torch.tensor([0.0, -800.0]), "f"), "log_snr must be above -709, got -800: nothing of x0 is left in x_t; override f"),
    ],
    checks.weights: [
        (("w", torch.ones(3), LIKE, "t = 2..5"), "w must have shape (4,), one for each t = 2..5, got (3,)"),
        (("w", 1.0, LIKE, "t = 2..5"), "w must have shape (4,), one for each t = 2..5, got ()"),
        (("w", [], LIKE, "t"), "w must have shape (4,), one for each t, got (0,)"),
        (("w", [1.0, 0.0, 1.0, 1.0], LIKE, "t"), f"w {BIASED}"),
        (("w", [1.0, -1.0, 1.0, 1.0], LIKE, "t"), f"w {BIASED}"),
        (("w", [1.0, NAN, 1.0, 1.0], LIKE, "t"), f"w {BIASED}"),
        (("w", [1.0, INF, 1.0, 1.0], LIKE, "t"), f"w {BIASED}"),
        (("w", [1.0, 1e-60, 1.0, 1.0], LIKE, "t"), f"w {BIASED}"),  # 0 in float32
    ],
    checks.schedule_values: [
        (("beta", [0.1, 1.2, -1.0], 0, 1), "beta must lie in [0, 1], got 1.2 at t = 2"),
        (("beta", [-0.1], 0, 1), "beta must lie in [0, 1], got -0.1 at t = 1"),
        (("beta", [0.1, 0.2, NAN], 0, 1), "beta must lie in [0, 1], got nan at t = 3"),
        (("log_snr", [INF, NAN], -INF, INF), "log_snr must lie in [-inf, inf], got nan at t = 2"),
        (("beta", [], 0, 1), "beta must be a list of T >= 1 numbers, got shape (0,)"),
        (("beta", 0.1, 0, 1), "beta must be a list of T >= 1 numbers, got shape ()"),
        (("beta", [[0.1, 0.2]], 0, 1), "beta must be a list of T >= 1 numbers, got shape (1, 2)"),
    ],
    checks.never_rises: [
        (("a", torch.tensor([0.0, -1.0, -0.5]), torch.tensor([0.4, 0.6])), "a must not rise with t, got 0.6 after 0.4 at t = 2"),
        (("a", torch.tensor([0.0, 1.0]), torch.tensor([2.0])), "a must not rise with t, got 2 after its value at t = 0 at t = 1"),
    ],
    checks.rising_levels: [
        (("l", [0.0, -1.0]), "l must not fall, got -1 after 0"),
        (("l", torch.tensor([0.5, INF])), "l must lie below inf, got inf: without noise there is no step to take"),
        (("l", [NAN]), "l must lie below inf, got nan: without noise there is no step to take"),
        (("l", torch.tensor(0.0)), "l must be a list or a 1-d tensor of numbers, got shape ()"),
        (("l", np.array(0.0)), "l must be a list or a 1-d tensor of numbers, got shape ()"),
        (("l", [[0.0], [1.0]]), "l must be a list or a 1-d tensor of numbers, got shape (2, 1)"),
    ],
    checks.strides: [
        (("l", [0.0, 800.0], 0.1), "l must leave some noise, got 800: step * (1 - alpha_bar) is 0 there"),
        (("l", [700.0], 1e-300), "l must leave some noise, got 700: step * (1 - alpha_bar) is 0 there"),
    ],
    checks.grey_levels: [
        ((1, 0.0, 1.0), "levels must be 2 or more, got 1"),
        ((0, 0.0, 1.0), "levels must be 2 or more, got 0"),
        ((2, 1.0, 1.0), "low and high must be finite with low < high, got 1.0 and 1.0"),
        ((2, 1, -1), "low and high must be finite with low < high, got 1 and -1"),
        ((2, 0.0, INF), "low and high must be finite with low < high, got 0.0 and inf"),
        ((2, -INF, 0.0), "low and high must be finite with low < high, got -inf and 0.0"),
        ((2, NAN, 0.0), "low must be a number, got nan"),
        ((2, 0.0, NAN), "high must be a number, got nan"),
    ],
    checks.variance: [
        ((-0.5, X), "var must be finite and 0 or more, got -0.5"),
        ((NAN, X), "var must be finite and 0 or more, got nan"),
        ((INF, X), "var must be finite and 0 or more, got inf"),
        ((Fraction(-1, 2), X), "var must be finite and 0 or more, got -0.5"),
        ((torch.tensor([1.0, -3.0]), X), "var must be finite and 0 or more, got -3"),
        ((torch.tensor([[1.0], [NAN], [2.0]]), X), "var must be finite and 0 or more, got nan"),
        ((torch.tensor(INF), X), "var must be finite and 0 or more, got inf"),
        ((torch.tensor([NAN, -1.0]), X), "var must be finite and 0 or more, got nan"),
        ((torch.ones(3), X), "var must broadcast against mean (3, 2), got shape (3,)"),
        ((torch.ones(1, 3, 2), X), "var must broadcast against mean (3, 2), got shape (1, 3, 2)"),
        ((torch.ones(3, 2), X[:1]), "var must broadcast against mean (1, 2), got shape (3, 2)"),
        ((torch.ones(0), X), "var must broadcast against mean (3, 2), got shape (0,)"),
        ((torch.ones(2, **META), X), "var must lie on mean's device, cpu, got meta"),
        ((1e-8, HALF), "var must be representable in float16, got 1e-08: use float32"),
        ((7e4, HALF), "var must be representable in float16, got 70000: use float32"),
        ((1e-60, X.bfloat16()), "var must be representable in bfloat16, got 1e-60: use float32"),
        ((1e-60, X), "var must be representable in float32, got 1e-60: use float64"),
        ((torch.tensor([1.0, 1e-8]), HALF), "var must be representable in float16, got 1e-08: use float32"),
        ((torch.tensor([0.0, 7e4]), HALF), "var must be representable in float16, got 70000: use float32"),
        ((torch.tensor(1e300, dtype=F64), X), "var must be representable in float32, got 1e+300: use float64"),
    ],
}  # fmt: skip
CASES = [(function, *case) for function, cases in ASKED.items() for case in cases]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "function, args, words", CASES, ids=[f"{f.__name__}: {words}" for f, _, words in CASES]
)
def test_a_wrong_value_is_a_value_error(function, args, words):
    with pytest.raises(ValueError) as error:
        function(*args)
    assert str(error.value) == words


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "given, came", [({}, "none"), ({"a": 1, "b": 2}, "a, b"), ({"c": 1}, "c")], ids=str
)
def test_one_argument_of_a_few_names(given, came):
    with pytest.raises(TypeError) as error:
        checks.only(given, ("a", "b"))
    assert str(error.value) == f"give one of a, b, got {came}"


def test_every_function_is_in_one_of_the_tables():
    every = {name for name in checks.__all__ if isinstance(vars(checks)[name], types.FunctionType)}
    values = {function.__name__ for function in ASKED}
    refuse_nothing = {"got", "holds", "where_at_hand"}
    assert every == values | {name.split(",")[0].split()[0] for name in KINDS} | refuse_nothing | {
        "answer",
        "only",
    }
    takes_what_was_checked = {
        "refuse", "finite", "nonzero", "one_number", "known_event", "never_rises", "strides", "unwanted"
    }  # fmt: skip
    asked = {name.split(",")[0].split()[0] for name in KINDS}
    assert values - asked == takes_what_was_checked


# ---- what is legal

ONE = torch.tensor(1.0)
LEGAL = [
    (checks.instance, ("p", {}, dict, str), {}),
    (checks.instance, ("p", True, int), True),
    (checks.function, ("f", len, "x"), len),
    (checks.function, ("f", dict, "x"), dict),
    (checks.one_of, ("kind", "b", ("a", "b")), "b"),
    (checks.name_or_function, ("kind", "b", ("a", "b"), "t"), "b"),
    (checks.name_or_function, ("kind", len, ("a", "b"), "t"), len),
    (checks.only, ({"b": None}, ("a", "b")), ("b", None)),
    (checks.whole, ("n", -3), -3),
    (checks.count, ("n", 1), 1),
    (checks.count, ("n", 0, 0), 0),
    (checks.count, ("n", 10**30), 10**30),
    (checks.count, ("n", np.uint8(4), 1, 4), 4),
    (checks.count, ("n", torch.tensor(4, dtype=torch.uint8), 1, 4), 4),
    (checks.count, ("n", 1, 1, 4), 1),
    (checks.number, ("n", 0, 0, 1), 0.0),
    (checks.number, ("n", 1, 0, 1), 1.0),
    (checks.number, ("n", INF), INF),
    (checks.number, ("n", -INF), -INF),
    (checks.number, ("n", np.float64(0.5), 0, 1), 0.5),
    (checks.number, ("n", np.int8(1), 0, 1), 1.0),
    (checks.number, ("n", Fraction(1, 4), 0, 1), 0.25),
    (checks.positive, ("n", 5e-324), 5e-324),
    (checks.positive, ("n", 2), 2.0),
    (checks.parts, ("n", 12, "k", 4), 3),
    (checks.parts, ("n", 4, "k", np.int64(4)), 1),
    (checks.unwanted, ("weights", None, "times"), None),
    (checks.floating, ("x", ONE), ONE),
    (checks.tensor, ("x", X[:0]), X[:0]),
    (checks.tensor, ("x", HALF), HALF),
    (checks.some, ("x", X, "x"), X),
    (checks.some, ("x", X[:, :0], "x"), X[:, :0]),
    (checks.finite, ("x", X[:0]), X[:0]),
    (checks.finite, ("x", HALF + 65504), HALF + 65504),
    (checks.same_shape, ("x", DOUBLE, "y", X), DOUBLE),
    (checks.matching, ("x", DOUBLE, "y", X), X),
    (checks.matching, ("x", X, "y", DOUBLE), DOUBLE),
    (checks.same_event, ("x", X[:1], X), X[:1]),
    (checks.same_event, ("x", X, X[:1]), X),
    (checks.same_event, ("x", X[:0], X[:1]), X[:0]),
    (checks.same_event, ("x", DOUBLE, X), DOUBLE),
    (checks.answer, ("f", T3, X[:, 0]), T3),
    (checks.nonzero, (torch.tensor([NAN, 1e-40]), "why"), torch.tensor([NAN, 1e-40])),
    (checks.one_number, ("x", X[:, 0]), X[:, 0]),
    (checks.one_number, ("x", X[:, :1, None]), X[:, :1, None]),
    (checks.known_event, (SIZE([]),), SIZE([])),
    (checks.event_shape, (None,), None),
    (checks.event_shape, ((),), SIZE([])),
    (checks.event_shape, ([1, np.int64(28), 28],), SIZE([1, 28, 28])),
    (checks.event_shape, (SIZE([0]),), SIZE([0])),
    (checks.event_shape, (torch.tensor([1, 28]),), SIZE([1, 28])),
    (checks.event_shape, (n for n in (2, 3)), SIZE([2, 3])),
    (checks.times, (1, X, 1, 4), 1),
    (checks.times, (4, X, 1, 4), 4),
    (checks.times, (0, X, 0, 4), 0),
    (checks.times, (np.uint8(4), X, 1, 4), 4),
    (checks.times, (T3, X, 1, 3), T3),
    (checks.times, (T3.byte(), X, 1, 3), T3),
    (checks.times, (T3.int(), X, 1, 3), T3),
    (checks.times, (T3.to(torch.uint16), X, 1, 3), T3),
    (checks.times, (T3[:0], X[:0], 1, 3), T3[:0]),
    (checks.each, ("y", 7, X), torch.full((3,), 7)),
    (checks.each, ("y", 0.5, X), torch.full((3,), 0.5)),
    (checks.each, ("y", torch.tensor(7), X), torch.full((3,), 7)),
    (checks.each, ("y", T3.byte(), X), T3.byte()),
    (checks.each, ("y", np.float64(0.5), X[:0]), torch.zeros(0, dtype=F64)),
    (checks.rowwise, ("v", 0.5, X), torch.tensor(0.5)),
    (checks.rowwise, ("v", T3, X), torch.tensor([[1.0], [2.0], [3.0]])),
    (checks.rowwise, ("v", torch.ones(1, dtype=F64), X), torch.ones(1, 1)),
    (checks.rowwise, ("v", DOUBLE[:, 0], X[:, 0]), X[:, 0]),
    (checks.log_snr, ("l", INF, X), torch.full((3,), INF, dtype=F64)),
    (checks.log_snr, ("l", -INF, X[:0]), torch.zeros(0, dtype=F64)),
    (checks.log_snr, ("l", 0.1, HALF), torch.full((3,), 0.1, dtype=F64)),
    (checks.log_snr, ("l", [0.1, 0.2, 0.3], X), torch.tensor([0.1, 0.2, 0.3], dtype=F64)),
    (checks.log_snr, ("l", np.array([0.1, 0.2, 0.3]), X), torch.tensor([0.1, 0.2, 0.3], dtype=F64)),
    (checks.log_snr, ("l", torch.tensor([2.0]), X), torch.full((3,), 2, dtype=F64)),
    (checks.some_signal, (-708.0, "f"), torch.tensor(-708.0, dtype=F64)),
    (checks.some_signal, (INF, "f"), torch.tensor(INF, dtype=F64)),
    (checks.weights, ("w", (1, 2, 3, 4), LIKE, "t"), torch.tensor([1.0, 2.0, 3.0, 4.0])),
    (checks.weights, ("w", np.array([0.1, 1, 1, 1]), LIKE.double(), "t"), torch.tensor([0.1, 1, 1, 1], dtype=F64)),
    (checks.weights, ("w", [], LIKE[:0], "t"), LIKE[:0]),
    (checks.schedule_values, ("b", [0, 1], 0, 1), torch.tensor([0.0, 1.0], dtype=F64)),
    (checks.schedule_values, ("b", (0.1,), 0, 1), torch.tensor([0.1], dtype=F64)),
    (checks.schedule_values, ("b", torch.tensor([0.5]).half(), 0, 1), torch.tensor([0.5], dtype=F64)),
    (checks.schedule_values, ("l", [INF, 0.1, -INF], -INF, INF), torch.tensor([INF, 0.1, -INF], dtype=F64)),
    (checks.never_rises, ("a", torch.tensor([0.0, 0.0, -INF, -INF]), torch.tensor([1.0, 0.0, 0.0])), None),
    (checks.rising_levels, ("l", []), []),
    (checks.rising_levels, ("l", [-INF, 0.1, 0.1]), [-INF, 0.1, 0.1]),
    (checks.rising_levels, ("l", range(3)), [0.0, 1.0, 2.0]),
    (checks.rising_levels, ("l", [ONE, 2 * ONE]), [1.0, 2.0]),
    (checks.rising_levels, ("l", (v for v in (0.1, 1e39))), [0.1, 1e39]),
    (checks.rising_levels, ("l", np.array([0.1, 0.2])), [0.1, 0.2]),
    (checks.rising_levels, ("l", torch.tensor([0.1], dtype=F64)), [0.1]),
    (checks.strides, ("l", [], 0.5), []),
    (checks.strides, ("l", [-INF, -800.0, 0.0], 0.5), [(-INF, 0.5), (-800.0, 0.5), (0.0, 0.25)]),
    (checks.grey_levels, (2, 0, 1), 1.0),
    (checks.grey_levels, (np.int64(256), 0, 255), 1.0),
    (checks.grey_levels, (np.uint8(5), -1.0, 1.0), 0.5),
    (checks.variance, (0, X), torch.tensor(0.0)),
    (checks.variance, (-0.0, X), torch.tensor(0.0)),
    (checks.variance, (np.float64(0.25), DOUBLE), torch.tensor(0.25, dtype=F64)),
    (checks.variance, (Fraction(1, 4), HALF), torch.tensor(0.25, dtype=F16)),
    (checks.variance, (torch.tensor([0.0, 1.0], dtype=F64), X), torch.tensor([0.0, 1.0])),
    (checks.variance, (torch.ones(3, 1), DOUBLE), torch.ones(3, 1, dtype=F64)),
    (checks.variance, (torch.ones(0, 2), X[:0]), torch.ones(0, 2)),
    (checks.variance, (torch.ones(1, 2), X[:0]), torch.ones(1, 2)),
]  # fmt: skip


def same(a, b):
    if isinstance(b, torch.Tensor):
        kept = a.dtype == b.dtype and a.device == b.device and a.shape == b.shape
        return kept and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)
    return type(a) is type(b) and a == b


@pytest.mark.bad_input  # or a generator and an integer of numpy would not get through
@pytest.mark.parametrize(
    "function, args, result", LEGAL, ids=[f"{f.__name__} {i}" for i, (f, _, _) in enumerate(LEGAL)]
)
def test_the_legal_edges(function, args, result):
    args = tuple(args) if isinstance(args, tuple) else (args,)
    assert same(function(*args), result)


def test_what_came_in_a_word():
    assert [checks.got(v) for v in (None, 1.0, X, T3, [X])] == [
        "NoneType",
        "float",
        "torch.float32",
        "torch.int64",
        "list",
    ]


def test_what_is_right_already_comes_back_itself():
    "A copy, or a .to that changes nothing, would cost as much as a sum."
    for value, call in (
        (X, lambda v: checks.matching("x", v, "y", X)),
        (X, lambda v: checks.variance(v, X)),
        (T3, lambda v: checks.times(v, X, 1, 3)),
        (X, lambda v: checks.real("x", v, "a tensor")),
        (DOUBLE[:, 0], lambda v: checks.schedule_values("beta", v.requires_grad_(), 0, 1)),
    ):
        assert call(value).data_ptr() == value.data_ptr()
    assert not checks.schedule_values("beta", DOUBLE[:, 0].requires_grad_(), 0, 1).requires_grad


def test_a_tensor_stays_where_it_is_whatever_the_default_device():
    with torch.device("meta"):
        for got in (
            checks.schedule_values("beta", torch.ones(2, device="cpu"), 0, 1),
            checks.schedule_values("beta", [0.5], 0, 1),
            checks.log_snr("l", torch.ones(3, device="cpu"), X),
            checks.rowwise("v", 0.5, X),
            checks.times(T3.int(), X, 1, 3),
        ):
            assert got.device.type == "cpu"


def test_gradients_pass_through_a_variance():
    var = torch.tensor([0.5, 0.0], dtype=F64, requires_grad=True)
    checks.variance(var, X).sum().backward()
    assert var.grad.tolist() == [1.0, 1.0]


@pytest.mark.bad_input
@pytest.mark.parametrize("dtype", [F16, torch.bfloat16, F32, F64], ids=str)
def test_the_smallest_and_the_largest_variance_of_a_dtype_are_taken(dtype):
    "A number is refused just where rounding it gives 0 or inf; so is a tensor."
    held, mean = torch.finfo(dtype), torch.zeros(1, dtype=dtype)
    least = held.smallest_normal * held.eps
    for var in (least, 0.51 * least if dtype != F64 else least, held.max):
        as_tensor = checks.variance(torch.tensor(var, dtype=F64), mean)
        assert checks.variance(var, mean).item() == as_tensor.item() > 0
    for var in (0.5 * least, 1.01 * held.max) if dtype != F64 else ():
        for kind in (float, lambda v: torch.tensor(v, dtype=F64)):
            with pytest.raises(ValueError, match="var must be representable in"):
                checks.variance(kind(var), mean)


# ---- where numbers are not at hand

BAD = torch.full((3, 2), NAN, **META)


def test_numbers_on_another_device_are_not_looked_at():
    "The meta device has none, so whoever looks raises: it is what would make a GPU wait."
    with pytest.raises(RuntimeError):
        bool((BAD == 0).any())
    t = torch.zeros(3, dtype=torch.int32, **META)
    assert not checks.holds(BAD == 0)
    checks.refuse(BAD == 0, "wrong", BAD)
    for out in (
        checks.finite("x", BAD),
        checks.nonzero(BAD, "wrong"),
        checks.some("x", BAD, "x"),
        checks.matching("x", BAD.double(), "y", BAD),
        checks.same_event("x", BAD, BAD[:1]),
        checks.answer("f", BAD, BAD),
        checks.times(t, BAD, 1, 3),
        checks.times(T3.int(), BAD, 1, 3),
        checks.each("y", t, BAD),
        checks.each("y", 3, BAD),
        checks.rowwise("v", BAD[:, 0], BAD),
        checks.log_snr("l", BAD[:, 0], BAD),
        checks.log_snr("l", 0.5, BAD),
        checks.some_signal(BAD[:, 0], "f"),
        checks.weights("w", BAD[:, 0], BAD[:, 0], "t"),
        checks.weights("w", [1.0, 2.0, 3.0], BAD[:, 0], "t"),
        checks.variance(BAD, BAD),
        checks.variance(0.5, BAD),
        checks.variance(BAD[0].double(), BAD),
    ):
        assert out.device.type == "meta"
    assert checks.times(t, BAD, 1, 3).dtype == torch.long
    assert checks.log_snr("l", 0.5, BAD).dtype == F64


@pytest.mark.bad_input
def test_but_what_lies_on_the_cpu_is_looked_at_wherever_x_is():
    with pytest.raises(ValueError, match=r"t must lie in 1\.\.2, got 3"):
        checks.times(T3, BAD, 1, 2)
    with pytest.raises(ValueError, match="l must be a number, got nan"):
        checks.log_snr("l", NAN, BAD)
    with pytest.raises(ValueError, match="w must be above 0 and finite"):
        checks.weights("w", [1.0, 0.0, 3.0], BAD[:, 0], "t")


def test_the_rows_where_it_is_so_or_every_row():
    where = torch.tensor([True, False, True])
    assert checks.where_at_hand(where).tolist() == [0, 2]
    assert checks.where_at_hand(~where & where).tolist() == []
    every = checks.where_at_hand(where.to("meta"))
    assert every.device.type == "meta" and every.shape == (3,)


def test_a_compiled_graph_has_no_break_and_its_numbers_are_not_looked_at(shape_checks_off):
    "Each question, in one graph: a bool() of a tensor would end it."

    def asked(x, t, var, level):
        x = checks.finite("x", checks.tensor("x", x))
        x = checks.matching("x", checks.same_event("x", x, x), "y", x)
        step = checks.times(t, x, 1, 3) + checks.times(2, x, 1, 3)
        level = checks.log_snr("l", level, x) + checks.each("y", t, x)
        spread = checks.variance(var, x) + checks.variance(0.5, x)
        scale = checks.nonzero(checks.rowwise("v", level, x), "wrong")
        level = checks.weights("w", level, checks.some_signal(level, "f"), "t")
        return checks.answer("f", x * scale + spread, x), step, level

    args = (X + 1.0, T3, torch.tensor([0.5, 0.0]), torch.tensor([1.0, 2.0, 3.0]))
    with shape_checks_off():
        compiled = torch.compile(asked, fullgraph=True, backend="eager")
        for ours, truth in zip(compiled(*args), asked(*args), strict=True):
            assert torch.equal(ours, truth) and ours.dtype == truth.dtype
        wrong = (args[0] * NAN, T3 + 9, -args[2], args[3] * NAN)
        out = compiled(*wrong)
        assert out[0].isnan().all() and out[1].tolist() == [12, 13, 14]
        with pytest.raises(ValueError, match="x must be finite, got nan"):
            asked(*wrong)
        with pytest.raises(ValueError, match=r"t must lie in 1\.\.3, got 9"):
            checks.times(9, X, 1, 3)
