"The explorables of chapter 2 in the browser: the same numbers as the package, and what a drag does."

import numpy as np
import pytest
import torch

from diffusion_math.explore.gaussian import GaussianExplorer
from diffusion_math.explore.pixels import PixelsExplorer
from diffusion_math.teach.plot import PALETTE
from tests.browser.explorable import call, colour_at, drag_on, levels, many, mixed, near, seeded
from tests.browser.noising import images

STATE = "document.querySelector('.dm-explorable').explorable"


def close(ours, theirs, tol=1e-6):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=tol, atol=tol)


# ------------------------------------------------------------------------------------------------------- the Gaussian


def test_the_gaussian_s_numbers_are_the_package_s(show):
    widget = GaussianExplorer((0.5, 0), (1.5, 1), 0.6, generator=seeded())
    page = show(widget)
    x = torch.randn(20, 2, generator=seeded(1), dtype=torch.float64)
    for numbers in [
        (0.5, 0, 1.5, 1, 0.6),
        (-3, 3, 0.1, 3, 0.99),
        (1, 1, 2, 2, 0),
        (0, 0, 0.3, 0.2, -0.99),
    ]:
        state = dict(zip(("mu1", "mu2", "sigma1", "sigma2", "rho"), numbers, strict=True))
        widget.set_state(state)
        page.evaluate(
            "s => { const { model } = document.querySelector('[data-widget]');"
            " for (const [k, v] of Object.entries(s)) model.set(k, v); }",
            state,
        )
        page.wait_for_function(f"{STATE}.state.rho === {numbers[-1]}")
        close(page.evaluate(f"{STATE}.cov"), widget.cov)
        close(page.evaluate(f"{STATE}.samples"), widget.samples)
        values, axes = widget.eigen
        ours = page.evaluate(f"{STATE}.eigen")
        close(ours["values"], values)
        if numbers[2:] != (2, 2, 0):  # a circle has no axes of its own
            close((torch.tensor(ours["vectors"]).double() @ axes).abs(), torch.eye(2))
        law = [widget.mean.tolist(), widget.cov.tolist()]
        ours = call(page, "a[0].map(x => m.logDensity(x, ...a[1]))", x.tolist(), law)
        close(ours, widget.law.log_prob(x))


def test_the_ellipse_can_be_dragged(show):
    widget = GaussianExplorer((0, 0), (2, 1), 0, generator=seeded())
    page = show(widget)
    plane = page.locator(".dm-plot")
    q, ink = PALETTE["q"][1:].lower(), "1f2328"
    assert colour_at(plane, 0, 0) == q and ink in near(plane, 0, -1) & near(plane, -2, 0)
    drag_on(page, plane, (0, 0), (1, -1))  # by its middle
    assert page.get_by_label("μ₁ mean, first number").get_attribute("aria-valuetext") == "1"
    assert colour_at(plane, 1, -1) == q
    drag_on(
        page, plane, (3, -1), (1 + 2**0.5, -1 + 2**0.5)
    )  # the tip of the long arm, by an eighth of a turn
    state = page.evaluate(f"{STATE}.state")
    close([state["sigma1"], state["sigma2"], state["rho"]], [2.5**0.5, 2.5**0.5, 0.6], tol=0.02)
    drag_on(page, plane, (1, -1), (9, 9))
    assert page.evaluate(f"[{STATE}.state.mu1, {STATE}.state.mu2]") == [3, 3]
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.startsWith('Mean 3 and 3')"
    )


def test_a_tip_that_meets_the_middle_is_refused_quietly(show):
    page = show(GaussianExplorer((0, 0), (1, 1), 0, generator=seeded()))
    drag_on(page, page.locator(".dm-plot"), (1, 0), (0, 0))
    state = page.evaluate(f"{STATE}.state")
    assert all(np.isfinite(v) for v in state.values()) and state["sigma1"] >= 0.1


# --------------------------------------------------------------------------------------------------------- two pixels


@pytest.fixture
def pixels():
    return PixelsExplorer(images(40), first=(10, 10), second=(12, 14))


def test_the_covariances_are_the_package_s(show, pixels):
    page = show(pixels)
    view = "new Uint8Array(document.querySelector('[data-widget]').model.get('_pixels').buffer)"
    close(many(page, f"m.covariances({view}, 40, 784).mean"), pixels.images.mean(0).flatten())
    close(many(page, f"m.covariances({view}, 40, 784).table").reshape(784, 784), pixels.table)
    close(
        page.evaluate(f"[{STATE}.covariance, {STATE}.correlation]"),
        [pixels.covariance, pixels.correlation],
    )


def test_pixels_can_be_dragged_on_the_digit_and_in_the_matrix(show, pixels):
    page = show(pixels)
    digit, cloud, matrix = page.locator(".dm-plot").all()
    first, second = (PALETTE[name][1:].lower() for name in ("q", "accent"))
    assert first in near(digit, 10, 10.5) and second in near(digit, 14, 12.5)
    drag_on(page, digit, (10.5, 10.5), (5.5, 20.5))  # column, row
    pixels.first = 20 * 28 + 5
    close(page.evaluate(f"{STATE}.covariance"), pixels.covariance)
    assert page.get_by_label("first pixel, row", exact=True).input_value() == "20"
    assert first in near(digit, 5, 20.5)
    drag_on(page, digit, (14.5, 12.5), (99, 99))  # beyond the corner: the corner
    assert page.evaluate(f"{STATE}.state.second") == 783
    drag_on(page, matrix, (700, 50), (300.5, 400.5))
    assert page.evaluate(f"[{STATE}.state.first, {STATE}.state.second]") == [400, 300]
    pixels.first, pixels.second = 400, 300
    close(page.evaluate(f"{STATE}.covariance"), pixels.covariance)
    before = cloud.evaluate("c => c.toDataURL()")
    page.get_by_label("second pixel, column", exact=True).press("ArrowLeft")
    assert (
        page.evaluate(f"{STATE}.state.second") == 299
        and cloud.evaluate("c => c.toDataURL()") != before
    )
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.includes('row 10, column 19')"
    )


def test_the_matrix_s_colours_are_the_covariances(show):
    "Every cell away from the cross-hairs, for pictures of 4 x 4 pixels: to 1 of 64 shades and a blur of a pixel."
    x = 0.7 * torch.randn(50, 1, 4, 4, generator=seeded(6)).cumsum(3)
    pixels = PixelsExplorer(x.clamp(-1, 1), first=(0, 0), second=(0, 0))
    matrix = show(pixels).locator(".dm-plot").nth(2)
    shares, seen = (pixels.table / 0.5).clamp(-1, 1), set()
    table = [
        [mixed(abs(s), PALETTE["q" if s > 0 else "data"][1:]) for s in row]
        for row in shares.tolist()
    ]
    table = np.array(table)
    for i in range(2, 16):
        for j in range(2, 16):
            blur = np.abs(table[i - 1 : i + 2, j - 1 : j + 2] - table[i, j]).max((0, 1))
            off = np.abs(levels(colour_at(matrix, j + 0.5, i + 0.5)) - table[i, j])
            assert (off <= 3 + 0.12 * blur).all(), (i, j)
            seen.add(round(4 * shares[i, j].item()))
    assert seen >= {-1, 0, 1, 2, 3, 4}


def test_a_pixel_that_never_changes_says_so(show):
    still = images(10)
    still[:, :, 0, 0] = -1
    page = show(PixelsExplorer(still, first=(0, 0)))
    assert (
        "correlation none: one of them never changes" in page.locator("[aria-live]").text_content()
    )
