"The gauge of chapter 1: its needle is the package's log-density."

import pytest
import torch

from diffusion_math.explore.gauge import _compact
from diffusion_math.laws.mixture import GaussianMixture
from tests.browser.widgets import gauge
from tests.truth import seed

f64 = torch.float64


@pytest.fixture
def ours():
    return gauge(digit=1)


@pytest.fixture(scope="module")
def parts():
    "A mixture of three, 60 held-out pictures and their classes."
    labels = torch.arange(240) % 3
    x = (
        0.3 * torch.randn(240, 1, 6, 6, generator=seed()) + 0.2 * labels[:, None, None, None]
    ).clamp(-1, 1)
    return GaussianMixture.fit(x[:180], labels=labels[:180], floor=1e-2), x[180:], labels[180:]


def test_the_compact_mixture_is_a_density_with_the_variances_of_the_full_one(parts):
    q, _, _ = parts
    for rank in (1, 8, 35):
        directions, compact = _compact(q, rank)
        assert directions.shape == (3, rank, 36) and directions.dtype == torch.int8
        U, full = compact.components.U, q.components
        torch.testing.assert_close(
            U.mT @ U, torch.eye(rank, dtype=f64).expand(3, -1, -1), rtol=0, atol=1e-12
        )
        cov = torch.einsum("kdr,kr,ker->kde", full.U, full.var, full.U)
        along = torch.einsum("kdr,kde,ker->kr", U, cov, U)
        torch.testing.assert_close(compact.components.var[:, :rank], along, rtol=1e-10, atol=1e-12)
        trace = (
            compact.components.var[:, :rank].sum(1) + (36 - rank) * compact.components.var[:, rank]
        )
        torch.testing.assert_close(trace, cov.diagonal(dim1=1, dim2=2).sum(1), rtol=1e-10, atol=0)


def test_of_all_mixtures_with_these_directions_it_is_the_likeliest():
    "The variances are the maximum-likelihood ones: any other makes the data that it was fitted to less likely."
    x = torch.randn(400, 5, generator=seed(), dtype=f64) * torch.tensor(
        [2.0, 1.0, 0.5, 0.4, 0.3], dtype=f64
    )
    q = GaussianMixture.fit(x, labels=torch.zeros(400, dtype=torch.long), floor=0.0)
    best = _compact(q, 2)[1]
    c = best.components
    for factor in (
        torch.tensor([1.2, 1.0, 1.0]),
        torch.tensor([1.0, 0.8, 1.0]),
        torch.tensor([1.0, 1.0, 1.2]),
    ):
        var = c.var * factor
        other = GaussianMixture([1.0], best.means, (c.U, var[:, :2], var[:, 2]))
        assert other.log_prob(x).mean() < best.log_prob(x).mean()


def test_a_mixture_of_round_bells_is_compact_already():
    q = GaussianMixture(
        [0.5, 0.5], torch.randn(2, 1, 4, 4, generator=seed(), dtype=f64), torch.tensor([0.1, 0.3])
    )
    x = torch.randn(9, 1, 4, 4, generator=seed(1), dtype=f64)
    torch.testing.assert_close(_compact(q, 3)[1].log_prob(x), q.log_prob(x), rtol=1e-6, atol=1e-6)


def test_the_needle_is_log_q_of_the_picture(ours):
    c = ours.q.components
    cov = torch.einsum("kdr,kr,ker->kde", c.U, c.var[:, :6] - c.var[:, 6:], c.U) + c.var[
        :, 6:, None
    ] * torch.eye(144)
    bells = torch.distributions.MultivariateNormal(c.means, cov)
    for ours.noise in (0.0, 0.3):
        truth = (bells.log_prob(ours.x.double().flatten()) + ours.q.weights.log()).logsumexp(0)
        assert ours.log_q == pytest.approx(truth.item(), rel=1e-9)
    assert ours.x.shape == (1, 1, 12, 12) and ours.x.dtype == torch.float32
    ours.noise = 0.0
    assert torch.equal(ours.x[0], ours._shown[1])


def test_damage_lowers_it_and_a_blank_page_does_not(ours):
    before = ours.log_q
    ours.noise = 0.5
    assert ours.log_q < ours.typical[0] < before < ours.typical[1]
    ours.noise = 0.0
    ours.pixels = torch.full((144,), -1.0).numpy().tobytes()
    assert torch.equal(ours.x, torch.full((1, 1, 12, 12), -1.0))
    assert ours.log_q > before


def test_98_of_100_of_the_class_lie_between(ours):
    own = ours.scores[torch.frombuffer(bytearray(ours._classes), dtype=torch.uint8) == 1]
    low, high = ours.typical
    assert (
        (own >= low - 1e-3) & (own <= high + 1e-3)
    ).double().mean() >= 0.9 and low >= own.min() - 1e-3


def test_little_is_sent(ours):
    assert sum(len(v) for v in ours.get_state().values() if isinstance(v, bytes)) < 20_000
    assert len(ours._directions) == 3 * 6 * 144
