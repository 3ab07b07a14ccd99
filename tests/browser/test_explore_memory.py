"Memory in the browser: the same walk and quilt as the package, and what a touch of the quilt does."

import numpy as np
import pytest

from diffusion_math.explore.memory import MemoryExplorer
from tests.browser.explorable import call, drag_on, seeded
from tests.browser.widgets import few

STATE = "document.querySelector('.dm-explorable').explorable"


@pytest.mark.parametrize("window, level", [(1, 8.0), (3, -1.0), (5, 2.0), (17, 8.0)])
@pytest.mark.long
def test_walk_and_quilt_are_the_package_s(show, window, level):
    widget = MemoryExplorer(few(), window=window, level=level, generator=seeded(2))
    page = show(widget)
    path = page.evaluate(f"{STATE}.path.map(({{ x }}) => Array.from(x))")
    np.testing.assert_allclose(path, widget.path.flatten(1), atol=1e-7)
    quilt = page.evaluate(f"Array.from({STATE}.quilt)")
    assert quilt == widget.quilt.flatten().tolist()
    assert page.evaluate(f"{STATE}.used") == len(widget.quilt.unique())


def test_sums_over_windows(show):
    page = show(MemoryExplorer(few(), generator=seeded()))
    table = np.random.default_rng(0).normal(size=(8, 9))
    for window in (1, 3, 7, 17):
        far = window // 2
        due = [
            table[max(0, r - far) : r + far + 1, max(0, c - far) : c + far + 1].sum()
            for r in range(8)
            for c in range(9)
        ]
        ours = call(page, "m.windowSums(a[0], 8, 9, a[1])", table.flatten().tolist(), window)
        np.testing.assert_allclose(ours, due, atol=1e-12, rtol=1e-12)


def test_a_touch_of_the_quilt_asks_after_that_pixel(show):
    widget = MemoryExplorer(few(), window=3, generator=seeded())
    page = show(widget)
    drag_on(page, page.locator(".dm-plot").first, (0.5, 0.5), (6.5, 2.5))
    assert page.evaluate(f"{STATE}.state.pixel") == 2 * 9 + 6
    share = page.evaluate(f"{STATE}.share")
    assert 1 / 6 <= share <= 1
    first = page.evaluate(f"{STATE}.path[0].x[0]")
    page.get_by_role("button", name="New noise").click()
    page.wait_for_function(f"{STATE}.path[0].x[0] !== {first}")
