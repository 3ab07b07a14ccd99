"The bell in the browser: the same numbers as the package, and what a drag of it does."

import numpy as np
import pytest
import torch

from diffusion_math.explore.bell import BellExplorer
from tests.browser.explorable import call, drag_on, seeded

STATE = "document.querySelector('.dm-explorable').explorable"


@pytest.mark.parametrize("mu, sigma", [(0, 1), (-3, 0.05), (3, 3), (0.7, 0.31)])
def test_the_bell_is_the_package_s(show, mu, sigma):
    widget = BellExplorer(mu, sigma, generator=seeded())
    page = show(widget)
    points = np.array(call(page, "m.bell(...a)", mu, sigma))
    x = torch.tensor(points[:, 0])
    numbers = torch.tensor([mu, sigma], dtype=torch.float64)
    theirs = torch.distributions.Normal(*numbers).log_prob(x).exp()
    np.testing.assert_allclose(points[:, 1], theirs, rtol=1e-9, atol=1e-300)
    assert (np.diff(points[:, 0]) >= 0).all() and points[0, 0] <= -6 and points[-1, 0] >= 6
    np.testing.assert_allclose(page.evaluate(f"{STATE}.draws"), widget.draws, rtol=1e-6, atol=1e-6)
    assert page.evaluate(f"{STATE}.top") == pytest.approx(1 / (sigma * (2 * np.pi) ** 0.5))


def test_its_middle_and_its_sides_can_be_dragged(show):
    page = show(BellExplorer(0, 1, generator=seeded()))
    view, state = page.locator(".dm-plot"), f"{STATE}.state"
    drag_on(page, view, (0, 0.2), (1.5, 0.2))
    assert page.evaluate(f"{state}.mu") == pytest.approx(1.5, abs=0.06)
    assert page.evaluate(f"{state}.sigma") == 1
    mu = page.evaluate(f"{state}.mu")
    drag_on(page, view, (mu + 1, 0.2), (mu + 2, 0.2))
    assert page.evaluate(f"{state}.sigma") == pytest.approx(2, abs=0.06)
    drag_on(page, view, (mu - 2, 0.1), (mu + 1, 0.1))  # past its middle: as narrow as it gets
    assert page.evaluate(state) == {"mu": mu, "sigma": 0.05}


def test_the_top_is_always_in_the_frame(show):
    for sigma in (0.05, 0.2, 0.5, 3):
        page = show(BellExplorer(0, sigma, generator=seeded()))
        view = page.locator(".dm-plot")
        top = view.evaluate("(c, y) => c.place(0, y)[1]", 1 / (sigma * (2 * np.pi) ** 0.5))
        assert 8 <= top <= view.evaluate("c => c.clientHeight") - 34
