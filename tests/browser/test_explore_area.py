"The area under the error, in a page: its curve, its sum and its density are the package's, and a drag moves the datum."

import numpy as np
import pytest
import torch

from diffusion_math.explore.area import AreaExplorer
from diffusion_math.laws.mixture import GaussianMixture
from tests.browser.explorable import as_js, call, drag_on

STATE = "document.querySelector('.dm-explorable').explorable"
THREE = GaussianMixture(
    [0.2, 0.3, 0.5], torch.tensor([[-3.0], [0.0], [2.0]]).double(), torch.tensor([0.01, 0.5, 0.03])
)


@pytest.mark.parametrize("mixture", [None, THREE], ids=["two", "three"])
@pytest.mark.parametrize("x", [-2.9, 0.4, 4.0])
def test_the_curve_is_the_package_s(show, mixture, x):
    widget = AreaExplorer(mixture, x=x)
    ours = call(show(widget), "m.errors(...a)", as_js(widget.data), x)
    np.testing.assert_allclose(ours, widget.errors, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mixture", [None, THREE], ids=["two", "three"])
@pytest.mark.parametrize("x", [-2.9, 0.4, 4.0])
def test_all_of_the_area_is_the_surprise(show, mixture, x):
    "To the strips of the sum: a trapezoid in steps of a quarter, ends in closed form."
    widget = AreaExplorer(mixture, x=x)
    nats, truth = show(widget).evaluate(f"[{STATE}.nats, {STATE}.truth]")
    exact = -widget.data.log_prob(torch.tensor([[x]], dtype=torch.float64)).item()
    assert truth == pytest.approx(exact, abs=1e-9)
    assert nats == pytest.approx(widget.nats, abs=1e-9) and nats == pytest.approx(exact, abs=1e-3)


def test_another_denoiser_s_area_is_noticed(show):
    "A control: the curve of other bells makes another number."
    widget = AreaExplorer(THREE, x=0.4)
    other = call(show(widget), "m.grown(m.errors(...a)).at(-1)", as_js(AreaExplorer().data), 0.4)
    assert abs(other - widget.nats) > 0.1


def test_a_drag_moves_the_datum_and_the_line(show):
    page = show(AreaExplorer(x=0.0, log_snr=0.0))
    drag_on(page, page.locator(".dm-plot").first, (0.0, 0.5), (1.5, 0.5))
    assert page.evaluate(f"{STATE}.state.x") == pytest.approx(1.5, abs=0.1)
    before = page.evaluate(f"{STATE}.sofar")
    drag_on(page, page.locator(".dm-plot").nth(1), (0.0, 0.3), (8.0, 0.3))
    assert page.evaluate(f"{STATE}.state.log_snr") == pytest.approx(8.0, abs=0.5)
    assert page.evaluate(f"{STATE}.sofar") != before
