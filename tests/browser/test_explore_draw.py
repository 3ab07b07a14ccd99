"A digit of one's own: drawn by pointer and by keys, centred, noised, and brought back by the network in the page."

import numpy as np
import pytest
import torch

from diffusion_math.data.digits import digits
from diffusion_math.explore.draw import DrawExplorer, centred
from diffusion_math.explore.network import NetworkExplorer
from diffusion_math.explore.weights import DIGITS
from diffusion_math.training.checkpoint import load_pretrained
from tests.browser.explorable import as_grey, call, greys, seeded, serious
from tests.truth import seed

STATE = "document.querySelector('.dm-explorable').explorable"
PAD = ".dm-draw"


@pytest.fixture
def drawn(show):
    "The explorable on a page with the network, before it is touched."

    def drawn_(t=400, width=1000, **arguments):
        few = digits("test")[:3]
        widget = DrawExplorer(few, t=t, generator=seed(), **arguments)
        page = show(widget, networks=[DIGITS], width=width)
        page.widget = widget
        return page

    return drawn_


def pixels(page):
    return np.array(
        page.evaluate(f"Array.from(new Float32Array({STATE}.state.pixels.buffer.slice(0)))")
    )


def ends(page):
    page.wait_for_function(f"{STATE}.ends", timeout=60_000)
    return torch.tensor(page.evaluate(f"{STATE}.ends.map(x => [...x])"))


def test_a_drawing_is_centred_as_python_centres_it(drawn):
    page = drawn(t=0)
    for k in range(6):
        x = -torch.ones(28, 28)
        r, c = torch.randint(0, 22, (2,), generator=seed(k)).tolist()
        x[r : r + 6, c : c + 4] = 2 * torch.rand(6, 4, generator=seed(k)) - 1
        ours = call(page, f"Array.from(m.centred(Float32Array.from({x.flatten().tolist()}), 28))")
        torch.testing.assert_close(torch.tensor(ours), centred(x).flatten(), rtol=0, atol=1e-6)


def test_a_stroke_of_the_pointer_and_one_of_the_keys(drawn):
    page = drawn(t=0)
    page.get_by_role("button", name="Clear").click()
    assert (pixels(page) == -1).all()
    box = page.locator(PAD).bounding_box()
    at = lambda x, y: (box["x"] + box["width"] * x / 28, box["y"] + box["height"] * y / 28)  # noqa: E731
    page.mouse.move(*at(6, 6))
    page.mouse.down()
    page.mouse.move(*at(20, 6), steps=2)  # a fast stroke leaves no gaps
    page.mouse.up()
    line = pixels(page).reshape(28, 28)
    inked = (line > 0).any(0)
    assert (
        inked[6:20].all() and not inked[:4].any() and 1 <= (line[:, 12] > 0).sum() <= 3
    )  # as wide as MNIST's
    page.locator(PAD).focus()
    for _ in range(8):
        page.keyboard.press("Shift+ArrowDown")
    assert (pixels(page).reshape(28, 28)[15:22, 13:15] > 0).any(1).all()
    page.widget.pixels = pixels(page).astype(np.float32).tobytes()
    np.testing.assert_allclose(
        page.evaluate(f"Array.from({STATE}.x0)"), page.widget.x0.flatten(), atol=1e-6
    )


def test_walks_come_back_and_differ_the_more_the_later_they_began(drawn):
    "From little noise the drawing itself; from much, digits that differ from it and from one another."
    page = drawn(t=60)
    x0 = page.widget.x0.flatten()
    near = ends(page)
    assert near.shape == (8, 784) and (near - x0).square().mean().sqrt() < 0.2
    page.get_by_label("t steps of noise", exact=True).press("End")
    page.wait_for_function(f"!{STATE}.ends")
    far = ends(page)
    assert (far - x0).square().mean().sqrt() > 0.4
    assert (far[0] - far[1]).square().mean().sqrt() > 3 * (near[0] - near[1]).square().mean().sqrt()
    first = np.array(page.locator(".dm-answer").first.evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).filter((_, i) => i % 4 === 0)"
    ))  # fmt: skip
    assert np.abs(first - as_grey(far[0])).max() <= 1
    page.get_by_role("button", name="Walk again").click()
    page.wait_for_function(f"!{STATE}.ends")
    assert (ends(page)[0] - far[0]).abs().max() > 0.1
    said = "document.querySelector('[aria-live]').textContent"
    page.wait_for_function(f"{said}.includes('walks back differ from one another by')")
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function(f"!{STATE}.ends")
    torch.testing.assert_close(
        ends(page), near, rtol=0, atol=1e-6
    )  # the same start, the same walks


def test_x_t_is_python_s(drawn):
    page = drawn(t=500)
    np.testing.assert_allclose(
        page.evaluate(f"Array.from({STATE}.x)"), page.widget.x_t.flatten(), atol=1e-6
    )
    assert np.abs(greys(page, ".dm-beside canvas") - as_grey(page.widget.x_t)).max() <= 1


@pytest.mark.parametrize("width", [320, 1000])
def test_with_answers_it_is_accessible_and_fits(drawn, width):
    page = drawn(t=30, width=width)
    ends(page)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_the_network_it_says_so(show):
    page = show(DrawExplorer(digits("test")[:3], t=300, generator=seed()))
    assert page.locator(".dm-answer").count() == 0
    assert "does not hold the network" in page.locator(".dm-explorable").inner_text()


# ------------------------------------------------------------------------------------------------ asking a network


def test_a_network_that_ships_is_asked_in_the_page(show):
    "Its digit and its noise are torch's, at both ends and between; and told a class, it is asked so."
    few, p = digits("test")[:3], load_pretrained(DIGITS)
    for at in (p, p.given(y=8)):
        widget = NetworkExplorer(at, few, t=400, generator=seeded())
        page = show(widget, networks=[DIGITS])
        for key in (None, "Home", "End"):
            if key:
                page.evaluate(f"{STATE}.said = null")
                page.get_by_label("t steps of noise", exact=True).press(key)
            page.wait_for_function(f"{STATE}.said")
            t = page.evaluate(f"{STATE}.state.t")
            widget.t = t
            with torch.inference_mode():
                said = at.predict(widget.x_t, t)
            ours = [
                torch.tensor(page.evaluate(f"[...{STATE}.{what}]")) for what in ("said", "grain")
            ]
            torch.testing.assert_close(ours[0], said.x0.flatten(), rtol=0, atol=2e-4)
            rest = p.q.schedule.alpha_bar[t].sqrt() / p.q.schedule.noise_var[t].sqrt()
            torch.testing.assert_close(
                ours[1], said.eps.flatten(), rtol=0, atol=2e-4 * (1 + rest.item())
            )
        assert "works in this page" in page.locator(".dm-explorable").inner_text()


def test_the_course_s_network_stands_in_for_the_reader_s_own(show):
    from tests.browser.widgets import network

    page = show(network(), networks=[DIGITS])
    page.wait_for_function(f"{STATE}.said")
    assert "answers in its place" in page.locator(".dm-explorable").inner_text()
    alone = show(network())
    assert "The answer that was kept" in alone.locator(".dm-explorable").inner_text()
