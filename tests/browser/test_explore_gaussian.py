"The explorables of chapter 2 in the browser: the same numbers as the package, and what a drag does."

import numpy as np
import pytest
import torch

from diffusion_math import plot
from diffusion_math.explore.gaussian import GaussianExplorer
from diffusion_math.explore.pixels import PixelsExplorer
from tests.browser.explorable import (
    call,
    colour_at,
    colours_at,
    drag_on,
    inks,
    levels,
    many,
    mixed,
    near,
    place,
    seeded,
)
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
    q, ink = plot.PALETTE["q"][1:].lower(), "1f2328"
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


def reach(plane):
    "How far from 0 the frame of a plane reaches, at its right: 10 pixels from the canvas's edge."
    (x0, _), (x1, _) = (plane.evaluate("(c, v) => c.place(v, 0)", v) for v in (0, 1))
    return (plane.evaluate("c => c.clientWidth") - 10 - x0) / (x1 - x0)


@pytest.mark.parametrize(
    "mean, sd, rho, edge",
    [
        ((0.5, 0), (1.5, 1), 0.6, 5),
        ((-3, 3), (3, 3), -0.99, 12),
        ((0, 0), (2, 1), 0, 6),
        ((0, 1), (0.1, 3), 0.5, 10),
        ((-3, 0), (1.6, 0.1), 0, 8),
    ],
)
def test_the_widest_ring_stays_in_the_frame(show, mean, sd, rho, edge):
    widget = GaussianExplorer(mean, sd, rho, generator=seeded())
    plane = show(widget).locator(".dm-plot")
    assert reach(plane) == pytest.approx(edge) and all(
        abs(m) + 3 * s <= edge for m, s in zip(mean, sd, strict=True)
    )
    turn = torch.linspace(0, 2 * np.pi, 50, dtype=torch.float64)
    values, axes = widget.eigen
    ring = widget.mean + 3 * (torch.stack([turn.cos(), turn.sin()], 1) * values.sqrt()) @ axes.mT
    missed = [
        at for at, there in zip(ring.tolist(), inks(plane, ring.tolist()), strict=True) if not there
    ]
    assert missed == []


def test_the_frame_stands_still_while_a_tip_is_dragged(show):
    "If it grew under the pointer, the same place would mean ever more."
    page = show(GaussianExplorer((0, 0), (1, 0.5), 0, generator=seeded()))
    plane = page.locator(".dm-plot")
    assert reach(plane) == pytest.approx(5)
    page.mouse.move(*place(plane, 1, 0)[1])
    page.mouse.down()
    page.mouse.move(*place(plane, 2.5, 0)[1], steps=8)
    assert reach(plane) == pytest.approx(5)
    assert page.evaluate(f"{STATE}.state.sigma1") == pytest.approx(2.5, abs=0.03)
    page.mouse.up()
    assert reach(plane) == pytest.approx(8)
    assert page.evaluate(f"{STATE}.state.sigma1") == pytest.approx(2.5, abs=0.03)


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
    ink = "1f2328"
    assert ink in near(digit, 10, 10.5) and ink in near(digit, 14, 12.5)
    drag_on(page, digit, (10.5, 10.5), (5.5, 20.5))  # column, row
    pixels.first = 20 * 28 + 5
    close(page.evaluate(f"{STATE}.covariance"), pixels.covariance)
    assert page.get_by_label("first pixel, row", exact=True).input_value() == "20"
    assert ink in near(digit, 5, 20.5)
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


def handles(digit):
    return np.array(digit.evaluate("c => c.handles()"))


def test_each_pixel_has_a_handle_of_its_own(show):
    "Beside the other handle and the other pixel, and inside the picture, wherever the two are: side by side, in a corner, one."
    page = show(PixelsExplorer(images(5)))
    digit = page.locator(".dm-plot").first
    left, top = digit.evaluate("c => c.place(0, 0)")
    right, bottom = digit.evaluate("c => c.place(28, 28)")
    g = np.random.default_rng(0)
    pairs = [
        (0, 0),
        (0, 1),
        (27, 27),
        (783, 783),
        (783, 755),
        (756, 0),
        (406, 406),
        (406, 407),
        (406, 434),
    ]
    script = """async (c, pairs) => {
        const { model } = document.querySelector('[data-widget]'), found = [];
        for (const both of pairs) {
            model.set('first', both[0]);
            model.set('second', both[1]);
            await new Promise(requestAnimationFrame); // it is drawn
            found.push([...c.handles(), ...both.map(p => c.place((p % 28) + 0.5, Math.floor(p / 28) + 0.5))]);
        }
        return found;
    }"""
    pairs += g.integers(0, 784, (60, 2)).tolist()
    places = np.array(digit.evaluate(script, pairs))
    assert places.shape == (69, 4, 2)
    for one, two, *pixels in places:
        assert np.hypot(*(one - two)) >= 18.5  # two rims of 9 pixels, and a gap
        assert np.hypot(*(one - pixels[1])) >= 9 and np.hypot(*(two - pixels[0])) >= 9
        for (x, y), pixel in zip((one, two), pixels, strict=True):
            assert left + 9 <= x <= right - 9 and top + 9 <= y <= bottom - 9
            assert np.hypot(x - pixel[0], y - pixel[1]) == pytest.approx(22)


def test_two_pixels_on_one_place_can_be_told_apart_and_dragged(show):
    page = show(PixelsExplorer(images(5), first=(14, 14), second=(14, 14)))
    digit = page.locator(".dm-plot").first
    box = digit.bounding_box()
    step = np.subtract(digit.evaluate("c => c.place(5, 3)"), digit.evaluate("c => c.place(0, 0)"))
    for which, now in (
        ("second", [406, 406 + 5 + 3 * 28]),
        ("first", [411 + 3 * 28, 411 + 3 * 28]),
    ):
        start = handles(digit)[["first", "second"].index(which)] + (box["x"], box["y"])
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(
            *(start + step), steps=6
        )  # by five columns and three rows, as far as the pointer
        page.mouse.up()
        assert page.evaluate(f"[{STATE}.state.first, {STATE}.state.second]") == now


def test_a_dot_of_the_matrix_is_the_strongest_of_its_block(show):
    page = show(PixelsExplorer(images(5)))
    table = torch.randn(22, 22, generator=seeded(), dtype=torch.float64)
    got = call(
        page,
        "(s => [s.side, Array.from(s.values)])(m.strongest(a[0], 22, 4))",
        table.flatten().tolist(),
    )
    want = [
        max(table[i : i + 4, j : j + 4].flatten().tolist(), key=abs)
        for i in range(0, 22, 4)
        for j in range(0, 22, 4)
    ]
    assert got == [6, want]


def test_the_matrix_s_colours_are_the_covariances(show):
    "Every cell away from the cross-hairs, for pictures of 4 x 4 pixels: to 1 of 64 shades and a blur of a pixel."
    x = 0.7 * torch.randn(50, 1, 4, 4, generator=seeded(6)).cumsum(3)
    pixels = PixelsExplorer(x.clamp(-1, 1), first=(0, 0), second=(0, 0))
    matrix = show(pixels).locator(".dm-plot").nth(2)
    shares, seen = (pixels.table / 0.5).clamp(-1, 1), set()
    table = [
        [mixed(abs(s), plot.PALETTE["q" if s > 0 else "data"][1:]) for s in row]
        for row in shares.tolist()
    ]
    table = np.array(table)
    cells = [(i, j) for i in range(2, 16) for j in range(2, 16)]
    shown = colours_at(matrix, [(j + 0.5, i + 0.5) for i, j in cells])
    for (i, j), colour in zip(cells, shown, strict=True):
        blur = np.abs(table[i - 1 : i + 2, j - 1 : j + 2] - table[i, j]).max((0, 1))
        assert (np.abs(levels(colour) - table[i, j]) <= 3 + 0.12 * blur).all(), (i, j)
        seen.add(round(4 * shares[i, j].item()))
    assert seen >= {-1, 0, 1, 2, 3, 4}


def test_a_pixel_that_never_changes_says_so(show):
    still = images(10)
    still[:, :, 0, 0] = -1
    page = show(PixelsExplorer(still, first=(0, 0)))
    assert (
        "correlation none: one of them never changes" in page.locator("[aria-live]").text_content()
    )
