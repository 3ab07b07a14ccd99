"The network that learns in the page: what it takes, what it refuses, and that its exact arrows are the package's."

import math

import numpy as np
import pytest
import torch
import traitlets

from diffusion_math.explore.learn import LearnExplorer
from tests.truth import refuses

f64 = torch.float64


@pytest.mark.parametrize("level", [-4.0, 0.3, 4.0])
def test_the_exact_arrows_are_by_bayes_rule(level):
    "Each bell by arithmetic of its own: where its mean would lead, times its share of the density."
    ours = LearnExplorer("humps", log_snr=level)
    a2 = 1 / (1 + math.exp(-level))
    middles, x = np.array(ours.points), ours.places.numpy()
    var = a2 * 0.01 + 1 - a2
    off = a2**0.5 * middles - x[:, None]
    heights = np.exp(-0.5 * (off**2).sum(-1) / var)
    arrows = (heights[..., None] * off).sum(1) / heights.sum(1)[:, None] * (1 - a2) / var
    np.testing.assert_allclose(ours.field, arrows, rtol=1e-8, atol=1e-12)


def test_the_arrows_lead_to_the_scaled_guess():
    ours = LearnExplorer("ring", log_snr=1.0)
    guess = ours.law.denoise(ours.places, torch.tensor(1.0, dtype=f64))
    scaled = torch.sigmoid(torch.tensor(1.0, dtype=f64)).sqrt() * guess
    torch.testing.assert_close(ours.field, scaled - ours.places)


@pytest.mark.parametrize(
    "name, value, words, kind",
    [
        ("log_snr", 4.5, r"log_snr must lie in \[-4, 4\], got 4.5", "x"),
        ("steps", -1, r"steps must lie in \[0, 20000\], got -1", 0.5),
        ("seed", 1000, r"seed must lie in \[0, 999\], got 1000", 0.5),
        ("speed", "idle", "speed must be one of fast, slow, got 'idle'", 0.5),
        ("points", [[0.0, 0.0]] * 301, "points must hold at most 300 points, got 301", 0.5),
        ("points", [[0.0, 0.0, 1.0]], r"points\[0\] must be two numbers, got 3", 0.5),
        ("points", [[0.0, 2.6]], r"points\[0\] must lie in \[-2.5, 2.5\], got 2.6", 0.5),
    ],
)
def test_a_trait_out_of_range(name, value, words, kind):
    refuses(LearnExplorer(), name, value, words, kind)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"x0": "square"}, ValueError, "one of smile, ring, humps, spiral, got 'square'"),
        ({"x0": [[0.0, 0.0]]}, TypeError, "x0 must be a floating-point tensor, got list"),
        ({"x0": torch.zeros(3, 3)}, ValueError, r"x0 must have shape \(n, 2\), got \(3, 3\)"),
        ({"x0": torch.zeros(0, 2)}, ValueError, "x0 must hold 1 to 300 points, got 0"),
        ({"x0": torch.zeros(301, 2)}, ValueError, "x0 must hold 1 to 300 points, got 301"),
        ({"x0": torch.full((1, 2), 2.6)}, ValueError, r"x0 must lie in \[-2.5, 2.5\], got 2.6"),
        ({"x0": torch.full((1, 2), math.nan)}, ValueError, "x0 must lie in .* got nan"),
        ({"log_snr": 5}, ValueError, "log_snr must lie in"),
        ({"seed": -1}, ValueError, "seed must lie in"),
        ({"seed": 0.5}, TypeError, "whole number"),
    ],
)
def test_arguments_that_do_not_fit(arguments, error, words):
    with pytest.raises(error, match=words):
        LearnExplorer(**arguments)


def test_no_kind_of_trait_is_taken_for_another():
    with pytest.raises(traitlets.TraitError):
        LearnExplorer().points = [["a", "b"]]
