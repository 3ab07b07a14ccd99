"What a drawing is told by name is read, and refused where it cannot be meant."

import math

import numpy as np
import pytest
import torch

from diffusion_math.plot.arguments import as_texts, by_name, mapping, n_texts, several


def test_what_is_told_is_read():
    curves = {"a": 1}
    assert mapping("curves", curves) is curves and mapping("curves", {}, some=False) == {}
    assert by_name(None, ["a"], "errors") == {} and by_name(curves, ["a", "b"], "errors") is curves
    assert several("xlim", (torch.tensor(1.0), np.float64(2.5)), 2, "(low, high)") == (1.0, 2.5)
    assert several("ends", [0, math.inf], 2, "(low, high)", finite=False) == (0.0, math.inf)
    assert n_texts(None, 2, "titles") == ["", ""] and n_texts(("a", 2), 2, "titles") == ["a", "2"]
    assert as_texts("label", ["one", 2, 0.5]) == ["one", "2", "0.5"]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: mapping("curves", [1]), TypeError, "curves must be a dict, .* got list"),
        (
            lambda: mapping("curves", {}),
            ValueError,
            "curves must hold at least one curve, got none",
        ),
        (
            lambda: by_name({"z": 1}, ["a"], "errors"),
            ValueError,
            r"keys among \['a'\], got \['z'\]",
        ),
        (lambda: by_name(3, ["a"], "errors"), TypeError, "errors must be a dict"),
        (
            lambda: several("xlim", (1, 2, 3), 2, "(low, high)"),
            ValueError,
            r"xlim must be \(low, high\), got 3",
        ),
        (
            lambda: several("xlim", (1, math.nan), 2, "(low, high)"),
            ValueError,
            "xlim must be a number, got nan",
        ),
        (lambda: several("xlim", "ab", 2, "(low, high)"), TypeError, "xlim must be"),
        (
            lambda: n_texts("ab", 2, "titles"),
            TypeError,
            "titles must be a list of 2 texts, got one text: 'ab'",
        ),
        (lambda: n_texts(["a"], 2, "titles"), ValueError, "titles must hold 2 texts, got 1"),
        (lambda: as_texts("label", [None]), TypeError, "label must be"),
    ],
)
def test_what_cannot_be_meant(call, error, words):
    with pytest.raises(error, match=words):
        call()
