"""What an explorable refuses once it is made: a trait out of its range, or of another kind; the old value stays.

What it refuses as it is made is asked in tests/test_rooms_bad_input.py, each argument of each explorable.
"""

import math

import pytest
import torch

from diffusion_math import DDPM, ForwardProcess, GaussianMixture, explore, linear_schedule
from tests.browser.widgets import few, gauge
from tests.explore.bells import point
from tests.truth import refuses

DIGITS, WAY = torch.zeros(3, 1, 28, 28), torch.zeros(6, 3, 1, 8, 8)
ASKED = DDPM(lambda x, log_snr: x, ForwardProcess(linear_schedule(1000)))
MADE = {
    "area": explore.AreaExplorer,
    "bell": explore.BellExplorer,
    "blanks": explore.BlanksExplorer,
    "bound": explore.BoundExplorer,
    "collapse": explore.CollapseExplorer,
    "draw": lambda: explore.DrawExplorer(DIGITS),
    "film": lambda: explore.FilmExplorer(WAY),
    "gauge": lambda: gauge(digit=1),
    "gaussian": explore.GaussianExplorer,
    "guide": explore.GuideExplorer,
    "inpaint": lambda: explore.InpaintExplorer(DIGITS),
    "learn": explore.LearnExplorer,
    "melting": explore.MeltingExplorer,
    "memory": lambda: explore.MemoryExplorer(few()),
    "network": lambda: explore.NetworkExplorer(ASKED, DIGITS),
    "noising": lambda: explore.NoisingExplorer(DIGITS, T=100, t=40),
    "origin": explore.OriginExplorer,
    "pixels": lambda: explore.PixelsExplorer(torch.zeros(2, 1, 28, 28)),
    "playground": lambda: explore.PlaygroundExplorer("bound"),
    "posterior": explore.PosteriorExplorer,
    "reverse": explore.ReverseExplorer,
    "road": explore.RoadExplorer,
    "score": explore.ScoreExplorer,
    "solver": explore.SolverExplorer,
    "squeeze": explore.SqueezeExplorer,
    "straight": explore.StraightExplorer,
    "threads": explore.ThreadsExplorer,
}
TRAITS = [  # explorable, trait, a value out of range, what is said of it, a value of another kind
    ("area", "x", 4.1, r"must lie in \[-4, 4\], got 4.1", "far"),
    ("area", "log_snr", 17.0, r"must lie in \[-12, 16\]", "far"),
    ("bell", "mu", 3.5, r"must lie in \[-3, 3\], got 3.5", "wide"),
    ("bell", "sigma", 0, r"must lie in \[0.05, 3\], got 0.0", "wide"),
    ("bell", "sigma", math.inf, "must lie in", "wide"),
    ("blanks", "word", "abc", "must", 3),
    ("blanks", "word", "A" * 16, "must", 3),
    ("blanks", "place", 16, "must", 0.5),
    ("blanks", "each", 17, "must", 0.5),
    ("blanks", "law", "x", "must", 3),
    ("bound", "T", 101, r"must lie in \[1, 100\], got 101", 2.5),
    ("bound", "schedule", "given", "must be one of linear, cosine, got 'given'", 3),
    ("bound", "shift", math.nan, r"must lie in \[0, 0.5\], got nan", "0"),
    ("bound", "factor", 3, r"must lie in \[0.5, 2\], got 3.0", None),
    ("collapse", "points", [[0.0, 0.0]], "must hold at least 2 points, got 1", 0.5),
    ("collapse", "points", [[0.0, 0.0]] * 13, "must hold at most 12 points, got 13", 0.5),
    ("collapse", "points", [[0.0, 0.0], [1.0]], r"\[1\] must be two numbers, got 1", [["a", "b"]]),
    ("collapse", "points", [[0.0, 2.6]] * 2, r"\[0\] must lie in \[-2.5, 2.5\], got 2.6", 0.5),
    ("collapse", "x", 2.6, r"must lie in \[-2.5, 2.5\], got 2.6", "x"),
    ("collapse", "y", -2.6, r"must lie in \[-2.5, 2.5\], got -2.6", "x"),
    ("collapse", "level", 8.5, r"must lie in \[-6.0, 8.0\], got 8.5", "left"),
    ("draw", "t", 1001, "must lie", 0.5),
    ("draw", "digit", 3, "must lie", 0.5),
    ("draw", "pixels", b"123", "must hold 28 x 28", "white"),
    ("draw", "eps", b"123", "must hold", 3),
    ("draw", "again", -1, "must lie", 0.5),
    ("film", "frame", 6, r"must lie in \[0, 5\], got 6", "last"),
    ("film", "seed", 3, r"must lie in \[0, 2\], got 3", "last"),
    ("gauge", "noise", 0.6, r"must lie in \[0, 0.5\], got 0.6", "0"),
    ("gauge", "digit", 3, r"must lie in \[0, 2\], got 3", 0.5),
    ("gauge", "pen", "chalk", "must be one of ink, eraser, got 'chalk'", 1),
    ("gauge", "pixels", b"123", "must hold 12 x 12 float32 numbers, 576 bytes, got 3 bytes", "x"),
    ("gauge", "eps", b"", "must hold 12 x 12", 3),
    ("gaussian", "mu1", 3.5, r"must lie in \[-3, 3\], got 3.5", "wide"),
    ("gaussian", "mu2", -4, "must lie in", "wide"),
    ("gaussian", "sigma1", 0, r"must lie in \[0.1, 3\], got 0.0", "wide"),
    ("gaussian", "sigma2", math.inf, "must lie in", "wide"),
    ("gaussian", "rho", 1, r"must lie in \[-0.99, 0.99\], got 1.0", "wide"),
    ("guide", "w", 8.5, "must lie in", None),
    ("guide", "digit", 10, "must lie in", "3"),
    ("guide", "eps", b"1234", "must hold 6 x 28 x 28", 3),
    ("inpaint", "times", 5, r"must lie in \[1, 4\], got 5", "often"),
    ("inpaint", "digit", 3, r"must lie in \[0, 2\], got 3", "three"),
    ("inpaint", "again", -1, "must lie in", "once"),
    ("inpaint", "rubbed", "12", "must be 784 letters, each 0 or 1, got 2", 3),
    ("inpaint", "rubbed", "2" * 784, "each 0 or 1", 3),
    ("learn", "log_snr", 4.5, r"must lie in \[-4, 4\], got 4.5", "x"),
    ("learn", "steps", -1, r"must lie in \[0, 20000\], got -1", 0.5),
    ("learn", "seed", 1000, r"must lie in \[0, 999\], got 1000", 0.5),
    ("learn", "speed", "idle", "must be one of fast, slow, got 'idle'", 0.5),
    ("learn", "points", [[0.0, 0.0]] * 301, "must hold at most 300 points, got 301", 0.5),
    ("learn", "points", [[0.0, 0.0, 1.0]], r"\[0\] must be two numbers, got 3", [["a", "b"]]),
    ("learn", "points", [[0.0, 2.6]], r"\[0\] must lie in \[-2.5, 2.5\], got 2.6", 0.5),
    ("melting", "t", 1001, r"must lie in \[0, 1000\], got 1001", 0.5),
    ("melting", "means", [4.0, 0.0], r"\[0\] must lie in \[-3.5, 3.5\], got 4.0", 3),
    ("melting", "means", [0.0, math.nan], r"\[1\] must lie in", ["a", "b"]),
    ("melting", "means", [0.0], "must hold 2 numbers, got 1", 3),
    ("melting", "schedule", "sigmoid", "must be one of linear, cosine, given", 3),
    ("melting", "schedule", "given", "must be one of linear, cosine, got 'given'", 3),
    ("memory", "window", 18, "must lie in", "wide"),
    ("memory", "window", 4, "must be odd, to have a middle, got 4", "wide"),
    ("memory", "level", 8.5, r"must lie in \[-8.0, 8.0\]", "left"),
    ("memory", "pixel", 72, r"must lie in \[0, 71\], got 72", 0.5),
    ("network", "t", 0, r"must lie in \[1, 1000\], got 0", 0.5),
    ("network", "digit", 3, r"must lie in \[0, 2\], got 3", "3"),
    ("network", "eps", b"123", "must hold 28 x 28", 3),
    ("noising", "beta", math.nan, r"must lie in \[0, 1\], got nan", "0.1"),
    ("noising", "t", 101, r"must lie in \[0, 100\], got 101", 0.5),
    ("noising", "T", 1001, r"must lie in \[1, 1000\], got 1001", None),
    ("noising", "T", 39, "must be at least t = 40, got 39: set t first", "5"),
    ("noising", "digit", 3, r"must lie in \[0, 2\], got 3", "0"),
    ("noising", "schedule", "given", "must be one of constant, linear, cosine, got 'given'", 3),
    ("noising", "noise", b"1234", "must hold 28 x 28 float32 numbers, 3136 bytes, got 4", "x"),
    ("origin", "t", 21, r"must lie in \[1, 20\], got 21", "much"),
    ("origin", "x", 4, r"must lie in \[-3.5, 3.5\], got 4.0", "much"),
    ("pixels", "first", 784, r"must lie in \[0, 783\], got 784", 0.5),
    ("pixels", "second", -1, r"must lie in \[0, 783\], got -1", 0.5),
    ("playground", "t", 51, r"must lie in \[1, 50\], got 51", 0.5),
    ("playground", "t", 0, r"must lie in \[1, 50\], got 0", 0.5),
    ("playground", "x", 2.6, r"must lie in \[-2.5, 2.5\], got 2.6", "x"),
    ("playground", "y", -2.6, r"must lie in \[-2.5, 2.5\], got -2.6", "x"),
    ("playground", "seed", 1000, r"must lie in \[0, 999\], got 1000", 0.5),
    ("playground", "points", [[0.0, 2.6]], r"\[0\] must lie in \[-2.5, 2.5\], got 2.6", 0.5),
    ("posterior", "y", 3.5, r"must lie in \[-2.5, 2.5\], got 3.5", "left"),
    ("posterior", "std", 0.2, r"must lie in \[0.3, 2.0\]", "small"),
    ("posterior", "method", "best", "must be one of point, unit, moments, exact", 3),
    ("reverse", "beta", 0, r"must lie in \[0.0001, 1\], got 0.0", "much"),
    ("reverse", "x", 4, r"must lie in \[-3.5, 3.5\], got 4.0", "much"),
    ("road", "t", 1, r"must lie in \[2, 1000\], got 1", 0.5),
    ("road", "walked", ["jump"], r"\[0\], jump, needs x0 before it", 3),
    ("road", "walked", ["data", "p"], r"\[1\], p, needs x_t and guess before it", 3),
    ("road", "walked", ["data", "home"], r"\[1\] must be one of data, before", [3]),
    ("road", "walked", ["data"] * 25, "must hold at most 24 names, got 25", None),
    ("score", "t", -1, r"must lie in \[0, 100\], got -1", 0.5),
    ("score", "sampler", "gibbs", "one of ascent, langevin, annealed, reverse, got 'gibbs'", 0.5),
    ("solver", "solver", "2m-sde", "must be one of", 3),
    ("solver", "grid", "given", "where no plans are given", 3),
    ("solver", "calls", 41, "must lie in", None),
    ("solver", "start", 3.5, "must lie in", "3"),
    ("solver", "guess", "rk4", "must be one of", 3),
    ("squeeze", "start", 3.5, r"must lie in \[-3, 3\], got 3.5", "left"),
    ("squeeze", "width", 0.0, r"must lie in \[0.02, 1\], got 0.0", None),
    ("squeeze", "log_snr", 8.5, r"must lie in \[-8.0, 8.0\], got 8.5", [1]),
    ("straight", "start", 3.5, r"must lie in \[-3, 3\], got 3.5", "left"),
    ("straight", "t", 0.0, r"must lie in \[0.02, 1\], got 0.0", None),
    ("straight", "steps", 21, r"must lie in \[1, 20\], got 21", 0.5),
    ("threads", "start", 3.5, r"must lie in \[-3, 3\], got 3.5", "left"),
    ("threads", "spread", 0.4, r"must lie in \[0.5, 1.5\], got 0.4", "wide"),
    ("threads", "dial", -0.1, r"must lie in \[0, 2\], got -0.1", None),
    ("threads", "throw", 1000, r"must lie in \[0, 999\], got 1000", 0.5),
]


@pytest.mark.parametrize("name, trait, value, words, other", TRAITS)
def test_a_trait_out_of_its_range_or_of_another_kind(name, trait, value, words, other):
    refuses(MADE[name](), trait, value, rf"{trait}.*{words}", other)


def test_every_explorable_is_asked():
    assert len(MADE) == len(explore.__all__) and MADE.keys() == {name for name, *_ in TRAITS}


NARROW = {"area": 0.005, "bound": 0.005, "melting": 0.001, "origin": 0.001, "posterior": 0.02, "reverse": 0.001,
          "road": 0.001, "solver": 0.02, "squeeze": 0.02, "straight": 0.001, "threads": 0.02}  # fmt: skip
WIDE = {"bound": 100.0, "posterior": 2.0}


@pytest.mark.parametrize("name", NARROW)
def test_bells_too_narrow_or_too_wide_for_the_picture(name):
    low, high = NARROW[name], WIDE.get(name, 4.0)
    fits = point(k=2, var=2 * low)
    assert torch.equal(MADE[name](fits).data.components.var, fits.components.var.double())
    for var in (0.9 * low, 1.1 * high):
        with pytest.raises(ValueError, match=rf"variances\[0\] must lie in \[{low}, {high}\]"):
            MADE[name](point(k=2, var=var))


@pytest.mark.bad_input
def test_what_is_more_than_can_be_shown():
    three = GaussianMixture([0.2, 0.3, 0.5], torch.zeros(3, 1), torch.ones(3))
    with pytest.raises(ValueError, match="mixture must have two components, got 3"):
        explore.PosteriorExplorer(three)
    with pytest.raises(ValueError, match="at most 12000000 bytes"):
        explore.FilmExplorer(torch.zeros(101, 200, 1, 28, 28))
    with pytest.raises(ValueError, match="sigma2 must lie in"):
        explore.GaussianExplorer(sigma=(1, 0))
