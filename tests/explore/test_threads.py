"Threads: what it takes, what it refuses, and that its numbers are the package's."

import math

import pytest
import torch
import traitlets

from diffusion_math.explore.threads import ThreadsExplorer
from diffusion_math.flow import flow
from tests.explore.bells import TWO, point
from tests.truth import error

f64 = torch.float64


def test_without_a_mixture_it_shows_the_two_humps_of_chapter_3():
    ours = ThreadsExplorer()
    x = torch.linspace(-3, 3, 101, dtype=f64)[:, None]
    assert torch.equal(ours.data.log_prob(x), TWO.log_prob(x))
    assert (ours.start, ours.spread, ours.dial, ours.throw) == (-0.5, 1.0, 1.0, 0)


def test_the_thread_is_the_flow():
    ours = [ThreadsExplorer(start=start) for start in (-2.0, -0.53, 0.0, 3.0)]
    x, level = torch.tensor([[each.start] for each in ours], dtype=f64), ours[0].levels[100].item()
    threads = [each.thread for each in ours]  # each is computed whenever it is asked for
    for each, thread in zip(ours, threads, strict=True):
        assert thread.shape == each.levels.shape == (161,)
        assert thread[0].item() == pytest.approx(each.start, abs=1e-12)
        assert each.levels[100].item() == level
    walked = flow(TWO, x, -8.0, level, 400)[:, 0]
    assert (torch.stack(threads)[:, 100] - walked).abs().max() < 3e-3


@pytest.fixture(scope="module")
def median():
    "Where the flow brings the start 0: the median of the ends, whatever the spread of the starts."
    return ThreadsExplorer(start=0.0).thread[-1]


@pytest.mark.parametrize("spread", [0.5, 1.0, 1.5])
def test_the_density_of_the_ends_is_that_of_the_starts_and_their_squeeze(spread, median):
    ours = ThreadsExplorer(spread=spread)
    y, density = ours.density
    mass = torch.cumulative_trapezoid(density, y)
    assert mass[-1].item() == pytest.approx(1, abs=2e-3)
    middle = torch.searchsorted(mass, torch.tensor(0.5, dtype=f64))
    assert abs(y[middle] - median) < 0.03
    if spread == 1:  # N(0, 1) is not quite q at log SNR -8
        assert error(density, TWO.noised(8.0).log_prob(y[:, None]).exp()) < 0.05


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("start", 3.5, r"start must lie in \[-3, 3\], got 3.5"),
        ("spread", 0.4, r"spread must lie in \[0.5, 1.5\], got 0.4"),
        ("dial", -0.1, r"dial must lie in \[0, 2\], got -0.1"),
        ("dial", math.nan, "dial must lie in"),
        ("throw", 1000, r"throw must lie in \[0, 999\], got 1000"),
    ],
)
def test_a_trait_out_of_range(name, value, words):
    ours = ThreadsExplorer()
    before = getattr(ours, name)
    with pytest.raises(ValueError, match=words):
        setattr(ours, name, value)
    assert getattr(ours, name) == before


@pytest.mark.parametrize("name, value", [("start", "left"), ("dial", None), ("throw", 0.5)])
def test_a_trait_of_the_wrong_kind(name, value):
    with pytest.raises(traitlets.TraitError, match=f"'{name}' trait|{name}"):
        setattr(ThreadsExplorer(), name, value)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, kind, words",
    [
        ({"mixture": 3}, TypeError, "mixture must be a GaussianMixture, got int"),
        ({"mixture": point(k=7)}, ValueError, "at most 6 components, got 7"),
        ({"mixture": point(d=2)}, ValueError, r"over one number, got event_shape \(2,\)"),
        ({"mixture": point(var=0.01)}, ValueError, r"variances\[0\] must lie in \[0.02, 4.0\]"),
        ({"start": 4}, ValueError, "start must lie in"),
        ({"throw": 2.5}, TypeError, "throw"),
    ],
)
def test_arguments_that_do_not_fit(arguments, kind, words):
    with pytest.raises(kind, match=words):
        ThreadsExplorer(**arguments)
