"The melting density: its numbers are the package's."

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from diffusion_math.explore.melting import MeltingExplorer
from diffusion_math.forward import Schedule, cosine_schedule, linear_schedule
from tests.explore.bells import TWO
from tests.truth import seed

f64 = torch.float64


def test_without_a_mixture_it_shows_the_two_humps_of_the_chapter():
    ours = MeltingExplorer()
    x = torch.linspace(-3, 3, 101, dtype=f64)[:, None]
    assert torch.equal(ours.data.log_prob(x), TWO.log_prob(x))
    assert (ours.T, ours.t, ours.schedule) == (1000, 200, "linear")


@pytest.mark.parametrize("kind, make", [("linear", linear_schedule), ("cosine", cosine_schedule)])
@pytest.mark.parametrize("T, t", [(1, 1), (10, 0), (1000, 300), (1000, 1000)])
def test_the_law_is_the_package_s(kind, make, T, t):
    ours = MeltingExplorer(TWO, kind, T=T, t=t)
    x = torch.linspace(-3, 3, 101, dtype=f64)[:, None]
    assert torch.equal(ours.law.log_prob(x), TWO.noised(make(T).log_snr[t]).log_prob(x))


@pytest.mark.parametrize("t", [0, 100, 400, 1000])
def test_the_distance_from_the_normal_is_an_integral(t):
    ours = MeltingExplorer(t=t)
    a, b = ours.q.schedule.alpha_bar[t].item(), ours.q.schedule.noise_var[t].item()
    bells = [
        (w, stats.norm(m * a**0.5, (a * v + b) ** 0.5))
        for w, m, v in [(0.3, -2.0, 0.02), (0.7, 1.5, 0.1)]
    ]

    def each(x):
        q = sum(w * bell.pdf(x) for w, bell in bells)
        return q * (math.log(q) - stats.norm.logpdf(x)) if q > 0 else 0.0

    truth = integrate.quad(each, -8, 8, points=[-2, -1.5, 1, 1.5], limit=400)[0]
    assert ours.kl == pytest.approx(truth, rel=1e-6, abs=1e-9) and ours.kl >= 0


def test_the_paths_are_draws_of_q():
    ours = [MeltingExplorer(T=50, generator=seed(s)) for s in range(300)]
    paths = torch.cat([one.paths for one in ours], 1)  # (51, 4200)
    assert paths.shape == (51, 4200)
    for t in (0, 10, 50):
        law = TWO.noised(linear_schedule(50).log_snr[t])
        w, m = law.weights, law.means[:, 0]
        bells = [stats.norm(m[k].item(), law.components.var[k, 0].item() ** 0.5) for k in range(2)]
        cdf = lambda x, bells=bells, w=w: sum(w[k].item() * bells[k].cdf(x) for k in range(2))
        assert stats.kstest(paths[t].numpy(), cdf).pvalue > 6e-7
    q = linear_schedule(50)
    kept = (q.alpha_bar[30] / q.alpha_bar[20]).sqrt().item()
    off = paths[30] - kept * paths[20]  # the noise of ten steps, whatever x_20 is
    error = off.std().item() / 4200**0.5
    assert (
        abs(off.mean().item()) < 5 * error
        and abs(np.corrcoef(off, paths[20])[0, 1]) < 5 / 4200**0.5
    )


def test_paths_where_nothing_is_left_are_noise():
    ours = MeltingExplorer(TWO, Schedule.from_beta([0.5, 1.0, 0.5]), generator=seed())
    assert ours.paths.shape[0] == 4 and ours.paths.isfinite().all()
    assert MeltingExplorer(T=3, generator=seed()).paths.shape[0] == 4


def test_a_bell_that_is_moved_takes_its_paths_along():
    ours = MeltingExplorer(generator=seed())
    before = ours.paths
    ours.means = [-1.0, 1.5]
    off = ours.paths - before
    left = before[0] < 0
    assert torch.allclose(off[:, ~left], torch.zeros(1, dtype=f64))
    at = torch.arange(0, 1001, 10)
    assert torch.allclose(
        off[:, left], linear_schedule().alpha_bar[at].sqrt()[:, None].expand(-1, int(left.sum()))
    )
