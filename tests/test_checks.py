"""What an argument must be: every function of checks, asked for every kind of wrong thing, and what exactly it says.

One table for wrong kinds, each function against each thing in ANY; one for wrong values; one for what is legal at the
edges. A message is compared whole: it names the argument, what came and what fits.
"""

import math
import re
import types
from fractions import Fraction

import numpy as np
import pytest
import torch

from diffusion_math import Gaussian, checks

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
TENSORS = FLOATS | {"0-dim integer", "integers", "bytes"}
MANY = TENSORS | {"0-dim bool", "bools"}
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


E = torch.ones(3)  # one number for each of three
ERRORS = E, E[None], E

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
    "each": (lambda v: checks.each("n", v, X), NUMBER_OR_TENSOR, REAL | TENSORS),
    "rowwise": (lambda v: checks.rowwise("n", v, X), NUMBER_OR_TENSOR, REAL | TENSORS),
    "variances": (lambda v: checks.variances("n", v, X), NUMBER_OR_TENSOR, REAL | TENSORS),
    "log_snr": (lambda v: checks.log_snr("n", v, X), NUMBER_OR_TENSOR, REAL | ROWS),
    "log_snr, x": (lambda v: checks.log_snr("log_snr", torch.zeros(9), v), "x_t must be a floating-point tensor, got {got}",
                   FLOATS),
    "log_snr, x0": (lambda v: checks.log_snr("log_snr", torch.zeros(9), v, "x0"), "x0 must be a floating-point tensor, got {got}",
                    FLOATS),
    "level": (lambda v: checks.level("n", v, X), NUMBER_OR_TENSOR, REAL | ROWS),
    "levels": (lambda v: checks.levels(v, X, (2,)), "log_snr must be a number or a tensor, got {got}", REAL | ROWS),
    "levels, x_t": (lambda v: checks.levels(0.5, v, (2,)), "x_t must be a floating-point tensor, got {got}", FLOATS),
    "one_level": (lambda v: checks.one_level(v), "log_snr must be a number or a tensor of one, got {got}", REAL | ROWS),
    "some_signal": (lambda v: checks.some_signal(v, X, (2,), "it"), "log_snr must be a number or a tensor of one, got {got}",
                    REAL | ROWS),
    "some_signal, x_t": (lambda v: checks.some_signal(0.5, v, (2,), "it"), "x_t must be a floating-point tensor, got {got}",
                         FLOATS),
    "flag": (lambda v: checks.flag("n", v), "n must be True or False, got {got}", {"bool", "numpy bool"}),
    "text": (lambda v: checks.text("n", v), "n must be a text, got {got}", {"str"}),
    "path": (lambda v: checks.path("n", v), "n must be a path, got {got}", {"str"}),
    "listed": (lambda v: checks.listed("n", v, "texts"), "n must be a list of texts, got {got}", LISTS | ARRAYS | {
        "tensor", "row", "integers", "bytes", "bools", "complex tensor"}),
    "random": (lambda v: checks.random(v), "generator must be a torch.Generator or None, got {got}", {"None"}),
    "axes": (lambda v: checks.axes(v), "ax must be one pair of axes of matplotlib's, got {got}", {"None"}),
    "of_level": (lambda v: checks.of_level("n", v), "n must be a function of x_t and log_snr, got {type}", CALLABLE),
    "amount": (lambda v: checks.amount("n", v), NUMBER, REAL),
    "fractions": (lambda v: checks.fractions(low=0, n=v), NUMBER, REAL),
    "within": (lambda v: checks.within("n", v, 9), NUMBER, REAL | {"0-dim", "0-dim integer", "0-dim array"}),
    "at_most": (lambda v: checks.at_most("n", v, 9), COUNT, WHOLE),
    "draws": (lambda v: checks.draws(v, (2,)), COUNT, WHOLE),
    "table": (lambda v: checks.table("n", v, 1), FLOATING, FLOATS),
    "events": (lambda v: checks.events("n", v, (2,)), FLOATING, FLOATS),
    "nats": (lambda v: checks.nats(v), "nats must be {nats}, got {got}", REAL | FLOATS),
    "whole_labels": (lambda v: checks.whole_labels("n", v, 3), "n must be a tensor of whole numbers, got {got}",
                     MANY - FLOATS),
    "like_x_t": (lambda v: checks.like_x_t(X, n=v), FLOATING, FLOATS),
    "terms": (lambda v: checks.terms(v, X, X, 1, ()), "prior must be a floating-point tensor, got {got}", FLOATS),
    "terms, steps": (lambda v: checks.terms(E, v, E, 1, ()), "steps must be a floating-point tensor, got {got}", FLOATS),
    "terms, last": (lambda v: checks.terms(E, E[None], v, 1, ERRORS), "reconstruction must be a floating-point tensor, got {got}",
                    FLOATS),
    "terms, dims": (lambda v: checks.terms(E, E[None], E, v, (E, E[None], E)), "dims must be a whole number, got {got}", WHOLE),
    "replicates": (lambda v: checks.replicates(v, 2, E), "replicates must be a floating-point tensor, got {got}", FLOATS),
    "replicates, dims": (lambda v: checks.replicates(X, v, E), "dims must be a whole number, got {got}", WHOLE),
    "replicates, shares": (lambda v: checks.replicates(X, 2, v), "shares must be a floating-point tensor, got {got}", FLOATS),
    "schedule_table": (lambda v: checks.schedule_table("n", v), "n must be a float64 tensor on the CPU, got {got}{on}", {}),
    "schedule_tables": (lambda v: checks.schedule_tables(v, v), "log_alpha must be a float64 tensor on the CPU, got {got}{on}", {}),
    "weights": (lambda v: checks.weights("n", v, torch.zeros(4), "t"), "n must be a list or tensor of numbers, got {got}",
                REAL | ROWS),
    "schedule_values": (lambda v: checks.schedule_values("n", v, 0, 1), "n must be a list or tensor of numbers, got {got}",
                        REAL | ROWS),
    "rising_levels": (lambda v: checks.rising_levels("n", v), "n must be a list or a 1-d tensor of numbers, got {got}", ROWS),
    "strictly_rising": (lambda v: checks.strictly_rising("n", v), "n must be a list or a 1-d tensor of numbers, got {got}", ROWS),
    "errors": (lambda v: checks.errors("n", v, torch.zeros(4)), "n must be a list or tensor of numbers, got {got}", REAL | ROWS),
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
        wrong = words.format(
            name="n", got=got(value), type=type(value).__name__, fits=fits,
            nats="a floating-point tensor" if floating else "a number", on=" on cpu" if floating else "",
        )  # fmt: skip
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
BIASED = "must be above 0 and finite, or a term is never seen and the estimate is biased, got"
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
    checks.path: [(("path", "a\0b"), "path must be a path, got a text with a null character")],
    checks.lasting: [((len,), "respace needs variance='posterior' or 'beta', got a function of t: it belongs to the old steps")],
    checks.amount: [
        (("floor", INF), "floor must be finite, got inf"),
        (("floor", -1), "floor must be 0 or more, got -1"),
        (("floor", NAN), "floor must be 0 or more, got nan"),
    ],
    checks.within: [
        (("width", 0, 9), "width must be above 0 and finite, got 0"),
        (("width", INF, 9), "width must be above 0 and finite, got inf"),
        (("width", 10, 9), "width must be at most 9, got 10"),
        (("at", -0.5, 1, 0), "at must be 0 or more, got -0.5"),
        (("at", torch.tensor(1.5), 1, 0), "at must be at most 1, got 1.5"),
    ],
    checks.at_most: [
        (("T", 0), "T must be 1 or more, got 0"),
        (("T", 10**7 + 1), "T must be at most 10,000,000, got 10,000,001"),
        (("n", -1, 9, 0), "n must be 0 or more, got -1"),
        (("n", 10**30, 9, 0), f"n must be at most 9, got {10**30:,}"),
    ],
    checks.draws: [
        ((-1, (2,)), "n must be 0 or more, got -1"),
        ((10**18, (2,)), f"n must fit into memory, {checks.memory() / 1e9:,.0f} GB, got {10**18}: 2e+18 numbers"),
    ],
    checks.room: [
        (("w", 1e30, "w = 3"), f"w must fit into memory, {checks.memory() / 1e9:,.0f} GB, got w = 3: 1e+30 numbers"),
    ],
    checks.table: [(("steps", X[0], 2), "steps must have 2 dimensions, got shape (2,)")],
    checks.events: [
        (("x", X, (1, 2)), "x must have shape (n, 1, 2), got (3, 2)"),
        (("x", X[0, 0], ()), "x must have shape (n, ), got ()"),
    ],
    checks.whole_labels: [
        (("labels", T3, 2), "labels must have shape (2,), one for each x, got (3,)"),
        (("labels", T3[:, None], 3), "labels must have shape (3,), one for each x, got (3, 1)"),
    ],
    checks.at_hand: [(("x", torch.ones(2, **META)), "x must hold numbers, got a tensor on the meta device")],
    checks.known: [
        (("log_snr", torch.tensor(NAN)), "log_snr must be a number, got nan"),
        (("log_snr", torch.tensor([0.0, NAN])), "log_snr must be a number, got nan"),
    ],
    checks.level: [
        (("log_snr", NAN, X), "log_snr must be a number, got nan"),
        (("log_snr", [0.0, 1.0], X), "log_snr must be a number or have shape (3,), one for each x, got (2,)"),
        (("log_snr", torch.ones(3, **META), X), "log_snr must hold numbers, got a tensor on the meta device"),
        (("log_snr", 0.5, X[0, 0], "x0"), "x0 must have shape (b, *event), got a single number; add a batch dimension"),
    ],
    checks.levels: [((0.5, X, (3,)), "x_t must have shape (n, 3), got (3, 2)")],
    checks.one_level: [
        ((torch.zeros(3),), "log_snr must be one number, got shape (3,)"),
        ((NAN,), "log_snr must be a number, got nan"),
    ],
    checks.terms: [
        ((X, X, E, 1, ()), "prior must have 1 dimensions, got shape (3, 2)"),
        ((E, X, E, 1, ()), "steps must have shape (T-1, 3), like prior, got (3, 2)"),
        ((E, X.T, E[:2], 1, ()), "reconstruction must have prior's shape (3,), got (2,)"),
        ((E, X.T, E, -1, (E, X.T, E)), "dims must be 0 or more, got -1"),
        ((E, X.T, E, 1, (E, E, E)), "stderr must have its term's shape (2, 3), got (3,)"),
    ],
    checks.replicates: [
        ((E, 2, E), "replicates must have 2 dimensions, got shape (3,)"),
        ((X[:0], 2, E), "replicates must be at least one, got shape (0, 2)"),
        ((X, -1, E), "dims must be 0 or more, got -1"),
        ((X, 2, X), "shares must have 1 dimensions, got shape (3, 2)"),
    ],
    checks.schedule_table: [
        (("a", DOUBLE), "a must have shape (T+1,), T >= 1, got (3, 2)"),
        (("a", DOUBLE[0, :1]), "a must have shape (T+1,), T >= 1, got (1,)"),
        (("a", DOUBLE[0] + 1), "a must be 0 at t = 0 and nowhere above it, got 1 to 1"),
        (("a", DOUBLE[0] * NAN), "a must be 0 at t = 0 and nowhere above it, got nan to nan"),
    ],
    checks.schedule_tables: [
        ((DOUBLE[:, 0], DOUBLE[0]), "log_alpha_bar must have log_alpha's shape (3,), got (2,)"),
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
        (("eps", X.to("meta"), "x0", X), "eps must lie on x0's device, cpu, got meta"),
    ],
    checks.matching: [(("x0", X[None], "x_t", X), "x0 must have x_t's shape (3, 2), got (1, 3, 2)")],
    checks.same_event: [
        (("x", X[:, :1], X), "x must have shape (3, 2) like the mean, got (3, 1)"),
        (("x", X[:2], X), "x must have shape (3, 2) like the mean, got (2, 2)"),
        (("x", X[:0], X), "x must have shape (3, 2) like the mean, got (0, 2)"),
        (("x", X[0], X), "x must have shape (3, 2) like the mean, got (2,)"),
        (("x", X[:, :, None], X), "x must have shape (3, 2) like the mean, got (3, 2, 1)"),
        (("x", X.to("meta"), X), "x must lie on the mean's device, cpu, got meta"),
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
        (((T3 + 200).byte(), X, 0, 4), "t must lie in 0..4, got 201"),
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
        (("y", NAN, X), "y must be a number, got nan"),
        (("y", torch.ones(3, **META), X), "y must hold numbers, got a tensor on the meta device"),
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
        (("log_snr", 0.0, X[0, 0]), "x_t must have shape (b, *event), got a single number; add a batch dimension"),
    ],
    checks.some_signal: [
        ((-INF, X, (2,), "f"), "log_snr must be above -709, got -inf: nothing of x0 is left in x_t; override f"),
        ((torch.tensor([-800.0]), X, (2,), "f"), "log_snr must be above -709, got -800: nothing of x0 is left in x_t; override f"),
        ((NAN, X, (2,), "f"), "log_snr must be a number, got nan"),
        ((torch.zeros(3), X, (2,), "f"), "log_snr must be one number, got shape (3,)"),
        ((0.5, X, (1, 2), "f"), "x_t must have shape (n, 1, 2), got (3, 2)"),
    ],
    checks.weights: [
        (("w", torch.ones(3), LIKE, "t = 2..5"), "w must have shape (4,), one for each t = 2..5, got (3,)"),
        (("w", 1.0, LIKE, "t = 2..5"), "w must have shape (4,), one for each t = 2..5, got ()"),
        (("w", [], LIKE, "t"), "w must have shape (4,), one for each t, got (0,)"),
        (("w", [1.0, 0.0, 1.0, 1.0], LIKE, "t"), f"w {BIASED} 0"),
        (("w", [1.0, -1.0, 1.0, 1.0], LIKE, "t"), f"w {BIASED} -1"),
        (("w", [1.0, NAN, 1.0, 1.0], LIKE, "t"), f"w {BIASED} nan"),
        (("w", [1.0, INF, 1.0, 1.0], LIKE, "t"), f"w {BIASED} inf"),
        (("w", [1.0, 1e-60, 1.0, 1.0], LIKE, "t"), f"w {BIASED} 0"),  # 0 in float32
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
    checks.strictly_rising: [
        (("l", [0.0, -1.0]), "l must rise at every step, got -1 after 0"),
        (("l", [0.0, 1.0, 1.0]), "l must rise at every step, got 1 after 1"),
        (("l", [0.0, INF]), "l must be finite, got inf"),
        (("l", torch.tensor([-INF, 0.0])), "l must be finite, got -inf"),
        (("l", [0.0, NAN]), "l must be finite, got nan"),
        (("l", [0.0]), "l must hold two levels or more, got 1"),
        (("l", []), "l must hold two levels or more, got 0"),
        (("l", torch.tensor(0.0)), "l must be a list or a 1-d tensor of numbers, got shape ()"),
        (("l", [[0.0], [1.0]]), "l must be a list or a 1-d tensor of numbers, got shape (2, 1)"),
    ],
    checks.same_ends: [
        (("l", torch.tensor([-1.0, 2.5]), torch.tensor([-1.0, 2.0])), "l must end where p does, at -1 and 2, got -1 and 2.5"),
        (("l", torch.tensor([NAN, 2.0]), torch.tensor([-1.0, 2.0])), "l must end where p does, at -1 and 2, got nan and 2"),
    ],
    checks.errors: [
        (("e", [0.0, 1.0], torch.zeros(3)), "e must have shape (3,), one for each t = 0..T, got (2,)"),
        (("e", 0.5, torch.zeros(3)), "e must have shape (3,), one for each t = 0..T, got ()"),
        (("e", [0.0, -1.0, 1.0], torch.zeros(3)), "e must be finite and 0 or more, got -1"),
        (("e", [0.0, 1.0, NAN], torch.zeros(3)), "e must be finite and 0 or more, got nan"),
        (("e", torch.tensor([INF, 1.0]), torch.zeros(2)), "e must be finite and 0 or more, got inf"),
        (("e", torch.zeros(2, **META), torch.zeros(2)), "e must hold numbers, got a tensor on the meta device"),
    ],
    checks.strides: [
        (("l", 800 * torch.eye(2)[1], 1 - torch.eye(2)[1]), "l must leave some noise, got 800: step * (1 - alpha_bar) is 0 there"),
    ],
    checks.grey_levels: [
        ((1, 0.0, 1.0), "levels must be 2 or more, got 1"),
        ((10**12, 0.0, 1.0), "levels must be at most 16,777,216, got 1,000,000,000,000"),
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


@pytest.mark.bad_input
def test_what_is_given_by_name_must_be_like_x_t():
    for call in (
        lambda **given: checks.only(given, ("eps",), X),
        lambda **given: checks.like_x_t(X, **given),
    ):
        with pytest.raises(ValueError) as error:
            call(eps=X[:1])
        assert str(error.value) == "eps must have x_t's shape (3, 2), got (1, 2)"
    with pytest.raises(ValueError) as error:
        checks.fractions(low=0, high=1.5)
    assert str(error.value) == "high must lie in [0, 1], got 1.5"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "stderr, came",
    [
        (None, "three tensors, like prior, steps, reconstruction, got NoneType"),
        ((E,), "three tensors, like prior, steps, reconstruction, got 1 of them"),
        ((1.0, E[None], E), "a floating-point tensor, got float"),
    ],
)
def test_the_errors_of_a_bound_s_terms(stderr, came):
    with pytest.raises(TypeError) as error:
        checks.terms(E, E[None], E, 1, stderr)
    assert str(error.value) == f"stderr must be {came}"


@pytest.mark.bad_input
def test_an_object_that_raises_whatever_it_is_asked_is_of_a_wrong_kind():
    class Sulk:
        def _no(self, *_):
            raise ArithmeticError("not today")

        __len__ = __iter__ = __float__ = __index__ = __bool__ = __repr__ = __fspath__ = (
            __array__
        ) = _no

    sulk, said = Sulk(), []
    for asked in ("whole", "count", "number", "path", "flag", "text"):
        with pytest.raises(TypeError) as error:
            getattr(checks, asked)("n", sulk)
        said.append(str(error.value))
    with pytest.raises(TypeError) as error:
        checks.listed("n", sulk, "texts")
    with pytest.raises(TypeError) as real:
        checks.real("n", sulk, "a number")
    said += [str(error.value), str(real.value)]
    assert all(re.fullmatch("n must be .*, got Sulk", words) for words in said)
    assert (
        checks.shown(sulk) == "Sulk" and checks.shown(3) == "3" and checks.shown("a" * 99) == "str"
    )


def test_every_function_is_in_one_of_the_tables():
    every = {name for name in checks.__all__ if isinstance(vars(checks)[name], types.FunctionType)}
    values = {function.__name__ for function in ASKED}
    refuse_nothing = {"begins_at_one", "got", "holds", "number_at_hand", "where_at_hand", "shown"}
    assert every == values | {name.split(",")[0].split()[0] for name in KINDS} | refuse_nothing | {
        "answer",
        "only",
    }
    takes_what_was_checked = {
        "refuse", "finite", "nonzero", "one_number", "known_event", "never_rises", "strides", "unwanted", "room", "at_hand",
        "known", "lasting", "same_ends",
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
    (checks.some_signal, (-708.0, X, (2,), "f"), torch.tensor(-708.0, dtype=F64)),
    (checks.some_signal, (INF, X, (2,), "f"), torch.tensor(INF, dtype=F64)),
    (checks.level, ("l", 0.5, X), torch.tensor(0.5, dtype=F64)),
    (checks.level, ("l", Fraction(1, 2), X), torch.tensor(0.5, dtype=F64)),
    (checks.level, ("l", -(10**30), X), torch.tensor(-1e30, dtype=F64)),
    (checks.levels, ([1, 2, INF], X, (2,)), torch.tensor([1.0, 2.0, INF], dtype=F64)),
    (checks.one_level, (torch.tensor([2.0]),), torch.tensor([2.0], dtype=F64)),
    (checks.known, ("l", T3), T3),
    (checks.at_hand, ("x", X), X),
    (checks.flag, ("f", np.True_), True),
    (checks.text, ("f", ""), ""),
    (checks.listed, ("l", (1, 2), "numbers"), [1, 2]),
    (checks.listed, ("l", range(2), "numbers"), [0, 1]),
    (checks.random, (None,), None),
    (checks.axes, (None,), None),
    (checks.amount, ("a", 0), 0.0),
    (checks.fractions, (), ()),
    (checks.within, ("w", 9, 9), 9.0),
    (checks.within, ("w", torch.tensor(3), 9), 3.0),
    (checks.within, ("w", 0, 1, 0), 0.0),
    (checks.at_most, ("T", 10**7), 10**7),
    (checks.at_most, ("n", 0, 9, 0), 0),
    (checks.draws, (0, (2, 3)), (0, 2, 3)),
    (checks.draws, (np.int8(4), ()), (4,)),
    (checks.room, ("n", 10, 10), None),
    (checks.table, ("t", X, 2), X),
    (checks.events, ("x", X[:0], (2,)), X[:0]),
    (checks.events, ("x", X[:, 0], ()), X[:, 0]),
    (checks.whole_labels, ("l", T3 > 1, 3), T3 > 1),
    (checks.nats, (2,), 2.0),
    (checks.nats, (INF,), INF),
    (checks.nats, (X,), X),
    (checks.lasting, ("beta",), None),
    (checks.schedule_table, ("a", torch.tensor([0.0, -INF], dtype=F64)), torch.tensor([0.0, -INF], dtype=F64)),
    (checks.weights, ("w", (1, 2, 3, 4), LIKE, "t"), torch.tensor([1.0, 2.0, 3.0, 4.0])),
    (checks.weights, ("w", np.array([0.1, 1, 1, 1]), LIKE.double(), "t"), torch.tensor([0.1, 1, 1, 1], dtype=F64)),
    (checks.weights, ("w", [], LIKE[:0], "t"), LIKE[:0]),
    (checks.schedule_values, ("b", [0, 1], 0, 1), torch.tensor([0.0, 1.0], dtype=F64)),
    (checks.schedule_values, ("b", (0.1,), 0, 1), torch.tensor([0.1], dtype=F64)),
    (checks.schedule_values, ("b", torch.tensor([0.5]).half(), 0, 1), torch.tensor([0.5], dtype=F64)),
    (checks.schedule_values, ("l", [INF, 0.1, -INF], -INF, INF), torch.tensor([INF, 0.1, -INF], dtype=F64)),
    (checks.never_rises, ("a", torch.tensor([0.0, 0.0, -INF, -INF]), torch.tensor([1.0, 0.0, 0.0])), None),
    (checks.rising_levels, ("l", []), torch.empty(0, dtype=F64)),
    (checks.rising_levels, ("l", [-INF, 0.1, 0.1]), torch.tensor([-INF, 0.1, 0.1], dtype=F64)),
    (checks.rising_levels, ("l", range(3)), torch.tensor([0.0, 1.0, 2.0], dtype=F64)),
    (checks.rising_levels, ("l", [ONE, 2 * ONE]), torch.tensor([1.0, 2.0], dtype=F64)),
    (checks.rising_levels, ("l", (v for v in (0.1, 1e39))), torch.tensor([0.1, 1e39], dtype=F64)),
    (checks.rising_levels, ("l", np.array([0.1, 0.2])), torch.tensor([0.1, 0.2], dtype=F64)),
    (checks.rising_levels, ("l", torch.tensor([0.1], dtype=F64)), torch.tensor([0.1], dtype=F64)),
    (checks.strictly_rising, ("l", [0.1, 0.2]), torch.tensor([0.1, 0.2], dtype=F64)),
    (checks.strictly_rising, ("l", range(3)), torch.tensor([0.0, 1.0, 2.0], dtype=F64)),
    (checks.strictly_rising, ("l", np.array([-800, 1e300])), torch.tensor([-800, 1e300], dtype=F64)),
    (checks.same_ends, ("l", torch.tensor([-1.0, 2 + 1e-10], dtype=F64), torch.tensor([-1.0, 2.0], dtype=F64)), None),
    (checks.errors, ("e", [0, 0.5], ONE.expand(2)), torch.tensor([0.0, 0.5], dtype=F64)),
    (checks.errors, ("e", torch.zeros(2).half(), ONE.expand(2)), torch.tensor([0.0, 0.0], dtype=F64)),
    (checks.strides, ("l", DOUBLE[:0], DOUBLE[:0]), DOUBLE[:0]),
    (checks.strides, ("l", torch.tensor([-INF, 0.0]), torch.tensor([0.5, 0.25])), torch.tensor([0.5, 0.25])),
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
@pytest.mark.parametrize("dtype, var", [(F32, 2.1e37), (torch.bfloat16, 1e38), (F64, 1.1e307)])
def test_a_variance_whose_density_would_overflow_is_refused(dtype, var):
    "2 pi e var is what an entropy takes the log of, in float32 at least."
    mean, largest = torch.zeros(1, dtype=dtype), 1.98e37 if dtype != F64 else 1.05e307
    for kind in (float, lambda v: torch.tensor(v, dtype=F64)):
        with pytest.raises(ValueError, match=rf"var must be at most .* in {dtype}, got .*: 2 pi e"):
            checks.variance(kind(var), mean)
        assert Gaussian(mean[:, None], checks.variance(kind(largest), mean)).entropy().isfinite()


@pytest.mark.bad_input
@pytest.mark.parametrize("dtype", [F16, torch.bfloat16, F32, F64], ids=str)
def test_the_smallest_and_the_largest_variance_of_a_dtype_are_taken(dtype):
    "A number is refused just where rounding it gives 0 or inf; so is a tensor."
    held, mean = torch.finfo(dtype), torch.zeros(1, dtype=dtype)
    least = held.smallest_normal * held.eps
    wide = torch.finfo(F64 if dtype == F64 else F32)
    most = min(held.max, 0.99 * wide.max / (2 * math.pi * math.e))
    for var in (least, 0.51 * least if dtype != F64 else least, most):
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
        checks.some_signal(BAD[0, 0], BAD, (2,), "f"),
        checks.level("l", BAD[:, 0], BAD),
        checks.known("l", BAD),
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
        checks.some_signal(level[0], x, (2,), "f")
        level = checks.weights("w", level, checks.known("l", level), "t")
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
