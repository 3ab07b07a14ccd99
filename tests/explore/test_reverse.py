"The step back: its numbers are the package's."

import numpy as np
import pytest
import torch
from scipy import stats

from diffusion_math.explore.reverse import ReverseExplorer
from diffusion_math.laws.mixture import GaussianMixture
from tests.truth import seed

f64 = torch.float64


@pytest.mark.parametrize("beta, x", [(1e-4, 0.3), (0.02, -3.5), (0.7, 0.0), (1.0, 2.0)])
def test_the_step_back_is_bayes_on_a_grid(beta, x):
    ours = ReverseExplorer(beta=beta, x=x)
    law, best = ours.law, ours.best
    y = best.mean.item() + best.std.item() * torch.linspace(-13, 13, 40_001, dtype=f64)
    width = (y[1] - y[0]).item()
    before = sum(
        w * stats.norm(m * 0.66**0.5, (0.66 * v + 0.34) ** 0.5).pdf(y.numpy())
        for w, m, v in [(0.3, -2.0, 0.02), (0.7, 1.5, 0.1)]
    )
    back = before * stats.norm((1 - beta) ** 0.5 * y.numpy(), beta**0.5).pdf(x)
    back = torch.as_tensor(back / back.sum() / width)
    torch.testing.assert_close(law.log_prob(y[:, None]).exp(), back, rtol=1e-8, atol=1e-12)
    mean = (back * y).sum() * width
    var = (back * (y - mean).square()).sum() * width
    assert best.mean.item() == pytest.approx(mean.item(), rel=1e-8, abs=1e-9)
    assert best.var.item() == pytest.approx(var.item(), rel=1e-7)
    if beta > 0.01:
        kl = (
            back * (back / best.log_prob(y[:, None]).exp()).log().nan_to_num(nan=0.0, neginf=0.0)
        ).sum() * width
        assert ours.kl == pytest.approx(kl.item(), rel=1e-6, abs=1e-9)


def test_the_distance_shrinks_as_the_cube_of_beta():
    "Chapter 4's slope, seen at one x."
    small = [ReverseExplorer(signal=0.7, beta=b, x=0.5).kl for b in (1e-3, 1e-4)]
    assert small[0] / small[1] == pytest.approx(1000, rel=0.05) and small[1] < 1e-9


def test_one_bell_is_a_gaussian_at_any_beta():
    one = GaussianMixture([1.0], torch.tensor([[0.7]], dtype=f64), torch.tensor([0.3], dtype=f64))
    for beta in (1e-4, 0.3, 1.0):
        assert ReverseExplorer(one, beta=beta, x=-1.0).kl < 1e-25


@pytest.mark.parametrize("x", [0.0, 1.0, 1.5, -2.0, 2.5])
def test_the_distance_counts_a_small_bell_far_out(x):
    "Two narrow bells and a slice where one weighs little: a hundred standard deviations away, it still counts."
    data = GaussianMixture(
        [0.5, 0.5], torch.tensor([[-3.5], [3.5]], dtype=f64), torch.full((2,), 1e-3, dtype=f64)
    )
    ours = ReverseExplorer(data, signal=1, beta=0.7, x=x)
    law, best = ours.law, ours.best
    y = torch.linspace(-4, 4, 160_001, dtype=f64)[:, None]
    log_q = law.log_prob(y)
    q = log_q.exp()
    assert (truth := ((q * (log_q - best.log_prob(y))).sum() * 5e-5).item()) > 0
    assert ours.kl == pytest.approx(truth, rel=1e-9)


def test_the_pairs_are_draws_of_the_chain():
    pairs = torch.cat([ReverseExplorer(beta=0.3, generator=seed(s)).pairs for s in range(10)])
    n = len(pairs)
    assert pairs.shape == (15_000, 2)
    off = pairs[:, 1] - 0.7**0.5 * pairs[:, 0]
    assert stats.kstest(off.numpy(), stats.norm(0, 0.3**0.5).cdf).pvalue > 6e-7
    assert abs(np.corrcoef(off, pairs[:, 0])[0, 1]) < 5 / n**0.5
    cdf = lambda x: sum(
        w * stats.norm(m * 0.66**0.5, (0.66 * v + 0.34) ** 0.5).cdf(x)
        for w, m, v in [(0.3, -2.0, 0.02), (0.7, 1.5, 0.1)]
    )
    assert stats.kstest(pairs[:, 0].numpy(), cdf).pvalue > 6e-7
