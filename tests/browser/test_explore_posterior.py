"A measurement in the browser: posterior, steps and draws are the package's, and y goes where it is dragged."

import numpy as np
import pytest
import torch

from diffusion_math.explore.posterior import PosteriorExplorer
from tests.browser.explorable import as_js, call, drag_on
from tests.truth import F64, TWO

STATE = "document.querySelector('.dm-explorable').explorable"


@pytest.mark.parametrize(
    "method, y, std",
    [
        ("point", -0.2, 0.5),
        ("point", 2.2, 0.3),
        ("unit", -1.35, 2.0),
        ("unit", 0.4, 0.3),
        ("moments", -0.2, 0.5),
        ("exact", 1.1, 0.8),
    ],
)
def test_posterior_steps_and_draws_are_the_package_s(show, method, y, std):
    widget = PosteriorExplorer(TWO, y=y, std=std, method=method)
    page = show(widget)
    theirs = page.evaluate(f"{STATE}.exact")
    ours = as_js(widget.posterior)
    for one, other in zip(theirs, ours, strict=True):
        assert one == pytest.approx(other, rel=1e-10, abs=1e-12)
    x, told = torch.linspace(-3, 3, 25, dtype=F64)[:, None], {"y": y, "std": std, "method": method}
    for level in (-12.0, -4.0, -0.5, 0.0, 3.0, 11.0):
        asked = as_js(widget.data), told, x[:, 0].tolist(), level
        came = call(page, "a[2].map(m.conditional(a[0], a[1], a[3]))", *asked)
        np.testing.assert_allclose(came, widget.denoiser(x, level)[:, 0], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(
        page.evaluate(f"Array.from({STATE}.places)"), widget.places, rtol=1e-8, atol=1e-8
    )
    assert page.evaluate(f"{STATE}.left") == pytest.approx(widget.left, abs=1e-8)
    bars = page.evaluate(f"Array.from({STATE}.bars)")
    assert sum(bars) * 0.1 == pytest.approx(1, abs=1e-3) and min(bars) >= 0  # nothing is lost


@pytest.mark.parametrize("method", ["point", "moments", "exact"])
def test_with_dice_it_draws_what_the_package_draws_and_counts_everyone(show, method):
    widget = PosteriorExplorer(TWO, y=0.4, std=0.5, method=method, throw=5)
    page = show(widget)
    theirs, ours = np.array(page.evaluate(f"Array.from({STATE}.places)")), widget.places.numpy()
    assert len(theirs) == len(ours) == 1000
    for f in (lambda x: x, np.square):  # of 1000 walkers each, whose dice differ
        off = f(theirs).mean() - f(ours).mean()
        assert abs(off) < 4.5 * (f(ours).var() / 500) ** 0.5
    left = page.evaluate(f"{STATE}.left")
    assert left == pytest.approx(widget.left, abs=4.5 * (left * (1 - left) / 500) ** 0.5)
    bars = page.evaluate(f"Array.from({STATE}.bars)")
    assert sum(bars) * 0.1 == pytest.approx(1, abs=1e-9) and min(bars) >= 0


def test_a_throw_is_new_and_without_dice_there_is_none(show):
    page = show(PosteriorExplorer(throw=999))
    places = lambda: page.evaluate(f"Array.from({STATE}.places)")
    before = places()
    page.get_by_role("button", name="New noise").click()
    assert (
        page.evaluate(f"{STATE}.state.throw") == 1
        and max(np.abs(np.subtract(places(), before))) > 1
    )
    page.get_by_role("button", name="No noise in the steps").click()
    assert len(places()) == 641
    page.get_by_role("button", name="Reset").click()
    assert places() == before


def test_what_it_says_of_each_width(show):
    page = show(PosteriorExplorer(method="exact", y=0.5))
    exact, drawn = page.locator(".dm-readout").nth(1).locator("dd").all_inner_texts()
    assert abs(float(exact) - float(drawn)) <= 0.03
    left = page.locator(".dm-readout").first.locator("dd").all_inner_texts()
    assert abs(float(left[0].split()[0]) - float(left[1].split()[0])) <= 1


def test_y_goes_where_it_is_dragged(show):
    widget = PosteriorExplorer()
    page = show(widget)
    plot = page.locator(".dm-plot").first
    drag_on(page, plot, (-0.2, 0.9), (1.25, 0.4))
    assert page.evaluate(f"{STATE}.state.y") == pytest.approx(1.25, abs=0.051)
    drag_on(page, plot, (1.25, 0.9), (3.5, 0.4))
    assert page.evaluate(f"{STATE}.state.y") == 2.5
    page.get_by_role("combobox").select_option("moments")
    assert page.evaluate(f"{STATE}.state.method") == "moments"
    page.get_by_role("button", name="Reset").click()
    state = page.evaluate(f"{STATE}.state")
    assert (state["y"], state["std"], state["method"]) == (-0.2, 0.5, "point")
