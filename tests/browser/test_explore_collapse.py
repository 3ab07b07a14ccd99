"When the shares decide, in the browser: the same numbers as the package, and what drops and drags do."

import math

import numpy as np
import pytest
import torch

from diffusion_math.explore.collapse import CollapseExplorer
from tests.browser.explorable import drag_on

STATE = "document.querySelector('.dm-explorable').explorable"
TWINS = torch.tensor([[0.5, 0.5], [0.5, 0.5]], dtype=torch.float64)


@pytest.mark.parametrize("points", [None, TWINS, torch.randn(12, 2).clamp(-2, 2)])
@pytest.mark.parametrize("level", [-6.0, 0.5, 8.0])
def test_shares_and_curves_are_the_package_s(show, points, level):
    widget = CollapseExplorer(points, x=1.2, y=-0.4, level=level)
    page = show(widget)
    for name in ("share", "information", "ceiling"):
        found = page.evaluate(f"{STATE}.{name}")
        np.testing.assert_allclose(found, getattr(widget, name), atol=1e-9, err_msg=name, rtol=1e-9)


def test_the_mark_is_where_the_bell_says_log_n(show):
    widget = CollapseExplorer()
    mark = show(widget).evaluate(f"{STATE}.mark")
    wide = torch.linalg.eigvalsh(widget.dataset.T.cov(correction=0))
    assert torch.log1p(math.exp(mark) * wide).sum() / 2 == pytest.approx(math.log(6), abs=1e-12)


def test_points_are_dropped_where_the_noisy_one_was_dragged(show):
    page = show(CollapseExplorer(x=0.0, y=0.0, level=1.0))
    field, nats = page.locator(".dm-plot").all()
    drag_on(page, field, (0.0, 0.0), (-2.0, 1.5))
    state = lambda: page.evaluate(f"{STATE}.state")
    assert (state()["x"], state()["y"]) == pytest.approx((-2.0, 1.5), abs=0.06)
    drop, away = (page.get_by_role("button", name=name) for name in ("Drop", "Take"))
    drop.click()
    assert len(state()["points"]) == 7 and state()["points"][-1] == [state()["x"], state()["y"]]
    assert max(page.evaluate(f"{STATE}.share")) == page.evaluate(f"{STATE}.share")[-1]
    drag_on(page, nats, (1.0, 0.5), (4.0, 0.5))
    assert state()["level"] == pytest.approx(4.0, abs=0.25)
    for _ in range(8):
        drop.click()
    assert len(state()["points"]) == 12
    for _ in range(12):
        away.click()
    assert len(state()["points"]) == 2
