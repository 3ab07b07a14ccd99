"Threads in the browser: the same numbers as the package, and what a drag does."

import math

import numpy as np
import pytest
import torch

from diffusion_math import walk
from diffusion_math.explore.threads import ThreadsExplorer
from diffusion_math.flow import quantile_flow
from diffusion_math.laws.mixture import GaussianMixture
from tests.browser.explorable import as_js, call, drag_on

STATE = "document.querySelector('.dm-explorable').explorable"
THREE = GaussianMixture(
    [0.2, 0.3, 0.5], torch.tensor([[-3.0], [0.0], [2.0]]).double(), torch.tensor([0.05, 0.5, 0.03])
)


def test_the_area_of_the_bell_has_all_its_digits(show):
    page = show(ThreadsExplorer())
    z = [-8.0, -3.1, -1.0, 0.0, 0.3, 2.9999, 3.0, 3.1, 5.0, 8.0, 20.0, 35.0]
    ours = call(page, "a[0].map(m.right)", z)
    theirs = torch.special.log_ndtr(-torch.tensor(z, dtype=torch.float64)).exp()
    np.testing.assert_allclose(ours, theirs, rtol=3e-13)


@pytest.mark.parametrize("mixture", [None, THREE], ids=["two", "three"])
@pytest.mark.parametrize("start, spread", [(-0.5, 1.0), (1.3, 0.7), (3.0, 1.5)])
@pytest.mark.long
def test_thread_and_density_are_the_package_s(show, mixture, start, spread):
    widget = ThreadsExplorer(mixture, start=start, spread=spread)
    page = show(widget)
    np.testing.assert_allclose(
        page.evaluate(f"{STATE}.thread"), widget.thread, atol=1e-9, rtol=1e-9
    )
    density, y = np.array(page.evaluate(f"{STATE}.density")).T
    np.testing.assert_allclose(y, widget.density[0], atol=1e-12, rtol=1e-12)
    np.testing.assert_allclose(density, widget.density[1], rtol=1e-6, atol=1e-9)
    z = call(page, "((unit) => Array.from({ length: 16 }, unit.normal))(m.random(1))")
    x = spread * torch.tensor(z, dtype=torch.float64)[:, None]
    due = [quantile_flow(widget.data, x, -8.0, level) for level in widget.levels.tolist()]
    thin = page.evaluate(f"{STATE}.threads")
    np.testing.assert_allclose(thin, torch.cat(due, 1), atol=2e-3)  # a pixel is 0.04


@pytest.mark.parametrize("dial", [0.0, 0.6, 2.0])
def test_a_step_with_dice_is_the_package_s(show, dial):
    widget = ThreadsExplorer(THREE)
    page = show(widget)
    x, i = torch.linspace(-2.5, 2.5, 7, dtype=torch.float64)[:, None], 70
    here, there = widget.levels[i].item(), widget.levels[i + 1].item()
    xi = torch.randn(7, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    code = "Array.from(m.step(a[5].map((level) => m.guess(a[0], level)), a[1], a[2], a[3], a[4], new Float64Array(7)))"
    row = x.flatten().tolist(), dial, xi.flatten().tolist()
    ours = call(page, code, as_js(THREE), i, *row, widget.levels.tolist())
    theirs = walk(THREE, x, here, there, 1, dial, torch.Generator().manual_seed(3))
    np.testing.assert_allclose(ours, theirs.flatten(), atol=1e-10, rtol=1e-10)


def test_the_crowd_with_dice_ends_as_the_data_whatever_its_spread(show):
    widget = ThreadsExplorer(spread=0.6)
    ends = np.array(show(widget).evaluate(f"{STATE}.ends"))
    on_left = (ends < -0.5).mean()
    assert len(ends) == 400 and abs(on_left - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 400)


def test_without_dice_the_walk_nears_the_flow(show):
    widget = ThreadsExplorer(start=0.4, dial=0.0)
    page = show(widget)
    np.testing.assert_allclose(page.evaluate(f"{STATE}.walk"), widget.thread, atol=0.03)


def test_a_drag_moves_the_start_and_a_throw_its_end(show):
    page = show(ThreadsExplorer(start=-0.5))
    before = page.evaluate(f"{STATE}.thread")
    drag_on(page, page.locator(".dm-plot").first, (-8, -0.5), (-8, 1.5))
    assert page.evaluate(f"{STATE}.state.start") == pytest.approx(1.5, abs=0.1)
    after, walked = page.evaluate(f"[{STATE}.thread, {STATE}.walk]")
    assert after[0] > before[0] and after[-1] > before[-1]
    page.get_by_role("button", name="New noise").click()
    page.wait_for_function(f"{STATE}.state.throw === 1")
    assert page.evaluate(f"{STATE}.thread") == after
    assert page.evaluate(f"{STATE}.walk") != walked


def test_the_same_throws_forget_where_a_walker_began(show):
    page = show(ThreadsExplorer(start=-2.0))
    ends = []
    for start in (-2.0, 2.0):
        page.evaluate(f"document.querySelector('[data-widget]').model.set('start', {start})")
        page.wait_for_function(f"{STATE}.state.start === {start}")
        page.wait_for_function(f"Math.abs({STATE}.walk[0] - {start}) < 1e-9")
        ends.append(page.evaluate(f"{STATE}.walk[160]"))
    assert abs(ends[0] - ends[1]) < 0.3
