"Threads: its numbers are the package's."

import pytest
import torch

from diffusion_math.explore.threads import ThreadsExplorer
from diffusion_math.flow import flow
from tests.explore.bells import TWO
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
