"The denoising film in the browser: the frames of Python, and a play button."

import numpy as np
import pytest
import torch

from diffusion_math.explore.film import FilmExplorer
from diffusion_math.teach.plot import PALETTE
from tests.browser.explorable import as_grey, colour_at, greys
from tests.browser.widgets import film

STATE = "document.querySelector('.dm-explorable').explorable"


def shows(page, widget, frame, seed):
    "Assert that both screens show what Python has for this frame, to one grey level."
    assert page.evaluate(f"[{STATE}.state.frame, {STATE}.state.seed]") == [frame, seed]
    for i, x in enumerate((widget.x_t, widget.x0)):
        shown = greys(page, f".dm-picture:nth-child({i + 1}) canvas")
        assert np.abs(shown - as_grey(x[frame, seed])).max() <= 1
    held = page.evaluate(f"Array.from({STATE}.x)")
    np.testing.assert_allclose(
        held, widget.x_t[frame, seed].flatten().clamp(-1, 1), rtol=0, atol=0.51 / 127.5
    )


def test_every_frame_is_python_s(show):
    widget = film()
    page = show(widget)
    steps, sample = (
        page.get_by_label("steps taken", exact=True),
        page.get_by_label("sample", exact=True),
    )
    shows(page, widget, 5, 0)
    steps.press("Home")
    shows(page, widget, 0, 0)
    sample.press("ArrowRight")
    steps.press("End")
    shows(page, widget, 20, 1)
    for _ in range(3):
        steps.press("ArrowLeft")
    shows(page, widget, 17, 1)
    said = "document.querySelector('[aria-live]').textContent"
    page.wait_for_function(f"{said}.startsWith('Sample 2 of 3: 17 of 20 steps')")
    moves = torch.frombuffer(bytearray(widget._moves), dtype=torch.float32).view(3, 21)
    graph = page.locator(".dm-plot")
    assert colour_at(graph, 17, moves[1, 17]) == PALETTE["p"][1:].lower()
    box = graph.bounding_box()
    page.mouse.click(box["x"] + 44 + 0.5 * (box["width"] - 60), box["y"] + 40)
    shows(page, widget, 10, 1)


def test_play_runs_to_the_end_and_starts_again(show):
    widget = film(frame=17)
    page = show(widget)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"{STATE}.state.frame === 20")
    page.get_by_role("button", name="Play").wait_for()  # it has stopped
    shows(page, widget, 20, 0)
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role(
        "button", name="A tenth on"
    ).click()  # no motion: a press is a leap, from the start again
    shows(page, widget, 2, 0)


@pytest.mark.parametrize("frames, lasts", [(21, 10), (101, 10), (1001, 10), (4, 1.5)])
def test_a_film_lasts_ten_seconds(show, page, frames, lasts):
    "However many frames it has; of a short one, no frame stays longer than half a second."
    page.clock.install()
    show(FilmExplorer(torch.randn(frames, 1, 1, 12, 12)))
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    page.get_by_role("button", name="Play").click()
    at = f"{STATE}.state.frame"
    page.clock.run_for(1000 * lasts / 2)
    assert page.evaluate(at) == pytest.approx((frames - 1) / 2, abs=1 + 0.01 * frames)
    page.clock.run_for(1000 * lasts * 0.44)
    assert page.evaluate(at) < frames - 1 or frames == 4
    page.clock.run_for(1000 * lasts * 0.1)
    assert page.evaluate(at) == frames - 1


def test_a_film_without_guesses(show):
    page = show(FilmExplorer(torch.randn(4, 1, 1, 12, 12), frame=1))
    assert page.locator(".dm-explorable canvas").count() == 1
    assert page.locator("[aria-live]").text_content() == "Sample 1 of 1: 1 of 3 steps taken, t = 2."
