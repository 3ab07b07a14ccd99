"The bound as bars and as a ruler: its numbers are the package's."

import math

import pytest
import torch

from diffusion_math.explore.bound import BoundExplorer
from diffusion_math.forward import cosine_schedule, linear_schedule
from diffusion_math.laws.mixture import GaussianMixture
from diffusion_math.reverse import ExactReverse

f64 = torch.float64
TWO = GaussianMixture(
    [0.3, 0.7], torch.tensor([[-2.0], [1.5]], dtype=f64), torch.tensor([0.02, 0.1], dtype=f64)
)


def test_it_starts_with_the_chapter_s_humps_and_exact_steps():
    ours, x = BoundExplorer(), torch.linspace(-3, 3, 50, dtype=f64)[:, None]
    right = ExactReverse(ours.q, TWO)
    assert torch.equal(ours.data.log_prob(x), TWO.log_prob(x))
    for t in (1, 5, 10):
        assert torch.equal(ours.p.step(x, t).mean, right.step(x, t).mean)
        assert torch.equal(ours.p.step(x, t).var, right.step(x, t).var)


@pytest.mark.parametrize("kind, make", [("linear", linear_schedule), ("cosine", cosine_schedule)])
def test_the_steps_are_spoilt_as_the_sliders_say(kind, make):
    ours, x = (
        BoundExplorer(TWO, kind, T=7, shift=0.2, factor=0.5),
        torch.linspace(-3, 3, 50, dtype=f64)[:, None],
    )
    right = ExactReverse(ours.q, TWO).step(x, 3)
    law = ours.p.step(x, 3)
    torch.testing.assert_close(
        (law.mean - right.mean) / right.std, torch.full_like(x, 0.2), rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(law.var, right.var / 2)
    assert torch.equal(ours.q.schedule.beta, make(7).beta)


def test_the_account_adds_up_and_the_terms_sum_to_its_bound():
    ours = BoundExplorer(T=3, shift=0.15, factor=1.5)
    account, terms = ours.account(), ours.terms()
    assert abs(account.off) < 1e-6 and min(account.model_error, account.gap) > 0
    assert terms.shape == (4,) and terms.sum().item() == pytest.approx(account.bound, abs=1e-7)
    assert (terms[1:] >= 0).all()


def test_for_one_bell_all_is_known():
    "One Gaussian, exact steps: no error, no gap but what the prior leaves, and the bound is the entropy."
    one = GaussianMixture([1.0], torch.tensor([[0.5]], dtype=f64), torch.tensor([0.3], dtype=f64))
    ours = BoundExplorer(one, T=4)
    entropy = 0.5 * math.log(2 * math.pi * math.e * 0.3)
    assert ours.account().entropy == pytest.approx(entropy, abs=1e-9)
    assert ours.terms().sum().item() == pytest.approx(entropy, abs=1e-4)
