"Guidance under the finger, in a page: its flow and its claim are the package's, and so are the digits of its network."

import numpy as np
import pytest
import torch

from diffusion_math.explore.guide import GuideExplorer
from diffusion_math.explore.weights import DIGITS
from diffusion_math.laws.mixture import GaussianMixture
from tests.browser.explorable import call
from tests.truth import seed

STATE = "document.querySelector('.dm-explorable').explorable"


@pytest.mark.parametrize("w", [0.0, 1.0, 4.0, 8.0])
def test_the_flow_and_the_claim_are_the_package_s(show, w):
    widget = GuideExplorer(w=w, generator=seed())
    page = show(widget)
    np.testing.assert_allclose(
        page.evaluate(f"{STATE}.places"), widget.places, rtol=1e-9, atol=1e-9
    )
    both = GaussianMixture(
        [0.5, 0.5], torch.tensor([[-1.0], [1.0]]).double(), torch.tensor([0.5, 0.5])
    )
    right = GaussianMixture([1.0], torch.tensor([[1.0]]).double(), torch.tensor([0.5]))
    x = torch.linspace(-5, 7, 4001, dtype=torch.float64)[:, None]
    raw = w * right.log_prob(x) + (1 - w) * both.log_prob(x)
    truth = raw - torch.trapezoid(raw.exp(), dx=12 / 4000).log()
    ours = call(page, "a[0].map(m.claim(a[1]).at)", x[::100, 0].tolist(), w)
    np.testing.assert_allclose(ours, truth[::100], atol=1e-6)
    kl = page.evaluate(f"{STATE}.kl")
    assert abs(kl) < 2e-3 if w in (0, 1) else kl > 0.5


def test_the_digits_are_the_package_s(show):
    widget = GuideExplorer(w=3.0, digit=5, generator=seed(1))
    page = show(widget, networks=[DIGITS])
    page.wait_for_function(f"{STATE}.ends", timeout=120_000)
    ours = torch.tensor(page.evaluate(f"{STATE}.ends.map(x => [...x])"))
    assert (ours - widget.digits.flatten(1)).abs().max() < 0.02
    variety = call(page, "m.variety(a[0])", ours.tolist())
    assert variety == pytest.approx(torch.pdist(ours).mean().item() / 28, rel=1e-4)
    page.get_by_label("w guidance scale", exact=True).press("ArrowRight")
    page.wait_for_function(f"!{STATE}.ends")  # it begins anew
