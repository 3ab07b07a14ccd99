"Squeeze and density in the browser: the same numbers as the package, and what a drag does."

import numpy as np
import pytest
import torch

from diffusion_math.explore.squeeze import SqueezeExplorer
from diffusion_math.laws.mixture import GaussianMixture
from tests.browser.explorable import drag_on

STATE = "document.querySelector('.dm-explorable').explorable"
THREE = GaussianMixture(
    [0.2, 0.3, 0.5], torch.tensor([[-3.0], [0.0], [2.0]]).double(), torch.tensor([0.05, 0.5, 0.03])
)


@pytest.mark.parametrize(
    "mixture, start, width",
    [(None, -0.5, 0.3), (THREE, 3.0, 1.0), (THREE, 1.3, 0.02)],
    ids=["two", "three", "short"],
)
@pytest.mark.long
def test_piece_and_divergence_are_the_package_s(show, mixture, start, width):
    widget = SqueezeExplorer(mixture, start, width)
    page = show(widget)
    for name in ("path", "lengths", "summed", "logs"):
        ours, due = page.evaluate(f"{STATE}.{name}"), getattr(widget, name)
        np.testing.assert_allclose(ours, due, atol=1e-9, err_msg=name, rtol=1e-9)
    ends = torch.tensor([[start - width / 2], [start + width / 2]], dtype=torch.float64)
    law = widget.data.noised(-8.0)
    share = [
        (law.weights * torch.special.ndtr((x - law.means[:, 0]) / law.components.var[:, 0].sqrt()))
        for x in ends
    ]
    mass = (share[1] - share[0]).sum().item()
    assert page.evaluate(f"{STATE}.mass") == pytest.approx(mass, abs=1e-12)


def test_drags_move_the_start_and_the_level(show):
    page = show(SqueezeExplorer(start=-0.5, log_snr=0.0))
    flow, _, rate = page.locator(".dm-plot").all()
    drag_on(page, flow, (-8, -0.5), (-8, 1.5))
    assert page.evaluate(f"{STATE}.state.start") == pytest.approx(1.5, abs=0.06)
    assert page.evaluate(f"{STATE}.state.log_snr") == 0
    drag_on(page, flow, (0, 3), (4, 3))
    assert page.evaluate(f"{STATE}.state.log_snr") == pytest.approx(4, abs=0.1)
    drag_on(page, rate, (4, 0), (-9, 0))
    assert page.evaluate(f"[{STATE}.state.log_snr, {STATE}.at]") == [-8, 0]
