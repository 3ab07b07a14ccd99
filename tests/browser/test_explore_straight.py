"Straight and bent in the browser: the same numbers as the package, and what a drag does."

import numpy as np
import pytest
import torch

from diffusion_math.explore.straight import StraightExplorer
from diffusion_math.laws.mixture import GaussianMixture
from tests.browser.explorable import drag_on

STATE = "document.querySelector('.dm-explorable').explorable"
POINTS = GaussianMixture(
    [0.2, 0.3, 0.5], torch.tensor([[-3.0], [0.0], [2.0]]).double(), torch.tensor([1e-3, 2.0, 1e-3])
)


@pytest.mark.parametrize("mixture", [None, POINTS], ids=["two", "near points"])
@pytest.mark.parametrize("start, t, steps", [(-0.5, 0.5, 1), (3.0, 0.02, 7), (-1.3, 1.0, 20)])
def test_lines_way_and_steps_are_the_package_s(show, mixture, start, t, steps):
    widget = StraightExplorer(mixture, start, t, steps)
    page = show(widget)
    times = torch.linspace(1, 0, 101, dtype=torch.float64)
    for name, due in (
        ("curve", widget.curve(times)),
        ("lines", widget.lines),
        ("path", widget.path),
        ("ends", widget.ends),
    ):
        np.testing.assert_allclose(
            page.evaluate(f"{STATE}.{name}"), due, atol=1e-9, err_msg=name, rtol=1e-9
        )
    assert page.evaluate(f"{STATE}.guess") == pytest.approx(widget.guess, abs=1e-10)


def test_drags_move_the_start_and_the_moment(show):
    page = show(StraightExplorer(start=-0.5, t=0.5))
    straight, bent = page.locator(".dm-plot").all()
    drag_on(page, bent, (1, -0.5), (1, 1.5))
    assert page.evaluate(f"{STATE}.state.start") == pytest.approx(1.5, abs=0.06)
    assert page.evaluate(f"{STATE}.state.t") == 0.5
    drag_on(page, straight, (0.5, -2), (0.2, -2))
    assert page.evaluate(f"{STATE}.state.t") == pytest.approx(0.2, abs=0.02)
    drag_on(page, straight, (0.2, 2), (-0.5, 2))  # beyond the data: as near as lines can be seen
    assert page.evaluate(f"{STATE}.state.t") == 0.02
