"The gauge of chapter 1 in the browser: the same needle as the package's, and a pen that draws."

import numpy as np
import pytest
import torch

from tests.browser.explorable import as_grey, call, colours, greys, near, seeded
from tests.browser.widgets import gauge

STATE = "document.querySelector('.dm-explorable').explorable"


def needle(page, widget):
    "Assert that the browser's needle is the package's, for the picture that the browser holds."
    x = np.array(page.evaluate(f"Array.from({STATE}.x)"), float)
    got = page.evaluate(f"{STATE}.logQ")
    assert got == pytest.approx(
        widget.q.log_prob(torch.as_tensor(x).view(1, 1, 12, 12)).item(), rel=1e-6, abs=1e-6
    )
    assert np.abs(greys(page) - as_grey(x)).max() <= 1
    return got


def test_the_needle_is_the_package_s(show):
    widget = gauge(digit=1)
    page = show(widget)
    assert needle(page, widget) == pytest.approx(widget.log_q, rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(page.evaluate(f"{STATE}.typical"), widget.typical, rtol=1e-6)
    page.get_by_label("σ noise added").press("End")
    widget.noise = 0.5
    assert needle(page, widget) == pytest.approx(widget.log_q, rel=1e-6)
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('too low')")
    page.get_by_role("button", name="Reset").click()
    widget.noise = 0.0
    assert needle(page, widget) == pytest.approx(widget.log_q, rel=1e-6, abs=1e-6)
    x = torch.randn(5, 144, generator=seeded(), dtype=torch.float64) * 3
    ours = call(
        page,
        """a[0].map(x => m.logGauge(m.bellsOf((([w, k, d, r]) => {
        const { model } = document.querySelector('[data-widget]');
        const n = m.floats(model.get('_numbers'), Float64Array), view = model.get('_directions');
        return { logWeights: n.subarray(0, 3), floors: n.subarray(3, 6), variances: n.subarray(6),
            means: m.floats(model.get('_means')), bytes: new Int8Array(view.buffer), d: 144, r: 6 };
    })([0, 0, 0, 0])), x))""",
        x.tolist(),
    )
    np.testing.assert_allclose(ours, widget.q.log_prob(x.view(5, 1, 12, 12)), rtol=1e-9)


def test_the_pen_draws_and_the_eraser_takes_away(show):
    widget = gauge(digit=0)
    page = show(widget)
    before, paper = needle(page, widget), page.locator(".dm-draw")
    box = paper.bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.9 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 0.9 * box["height"], steps=2)
    page.mouse.up()
    drawn = greys(page).reshape(12, 12)
    assert (drawn[10, 7:11] == 255).all()  # a stroke of two moves has no gaps
    assert needle(page, widget) < before
    page.get_by_label("Pen", exact=True).select_option("eraser")
    paper.click(position={"x": 0.75 * box["width"], "y": 0.9 * box["height"]})
    assert greys(page).reshape(12, 12)[10, 8:10].max() == 0
    needle(page, widget)
    for name in ("Blur", "Dim", "Invert", "Blank page", "New noise"):
        page.get_by_role("button", name=name).click()
        needle(page, widget)
    page.locator(".dm-pick").nth(2).click()
    widget.set_state({"digit": 2, "pixels": memoryview(widget._shown[2].numpy().tobytes())})
    assert needle(page, widget) == pytest.approx(widget.log_q, rel=1e-6)


def test_the_keys_draw_too(show):
    page = show(gauge(digit=0))
    paper = page.locator(".dm-draw")
    assert paper.get_attribute("data-lm-suppress-shortcuts") == "true"
    paper.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight"):
        paper.press(key)
    before = greys(page).reshape(12, 12)
    paper.press(" ")
    assert before[10, 7] < 255 and greys(page).reshape(12, 12)[10, 7] == 255
    paper.press("Shift+ArrowLeft")
    paper.press("Shift+ArrowLeft")
    assert (greys(page).reshape(12, 12)[10, 5:8] == 255).all()
    assert page.locator(".dm-cursor").is_visible()


def test_the_needle_stands_where_the_number_is(show):
    widget = gauge(digit=2)
    page = show(widget)
    plot = page.locator(".dm-plot")
    assert "1f2328" in near(plot, widget.log_q, 3) and {"0072b2", "1f2328"} <= colours(
        page, ".dm-plot"
    )
    page.get_by_role(
        "button", name="Invert"
    ).click()  # far off the left end: the needle stops there
    assert "1f2328" in near(plot, widget._range[0], 3)
    assert "too low" in page.locator(".dm-says").text_content()
