"The denoising film in the browser: the frames of Python, and a play button."

import numpy as np
import pytest
import torch

from diffusion_math import plot
from diffusion_math.explore.film import FilmExplorer
from diffusion_math.explore.weights import DIGITS
from diffusion_math.training.checkpoint import load_pretrained
from tests.browser.explorable import as_grey, colour_at, greys, seeded, serious
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
    assert colour_at(graph, 17, moves[1, 17]) == plot.PALETTE["p"][1:].lower()
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


# ------------------------------------------------------------------------------------------------- drawn on demand


@pytest.fixture(scope="module")
def shipped():
    return load_pretrained(DIGITS)


@pytest.fixture
def easel(show, shipped):
    "A film of the network's, on a page that has the network; with less motion, its end is shown at once."
    widget = FilmExplorer.of(shipped.respace(4), n=2, generator=seeded(), frame=2)
    page = show(widget, networks=[DIGITS])
    page.emulate_media(reduced_motion="reduce")
    page.widget = widget
    return page


def done(page, seeds=1):
    "Wait for a drawn film's last frame."
    page.wait_for_function(
        f"""seeds => {{
            const {{ film, at }} = {STATE};
            return film.labels && film.seeds === seeds && film.come() === film.frames && at.frame === film.frames - 1;
        }}""",
        arg=seeds,
    )


def test_the_stored_film_comes_first_and_last(easel):
    page, widget = easel, easel.widget
    shows(page, widget, 2, 0)
    page.get_by_label("calls of the network").press("Home")
    page.get_by_role("button", name="Draw a digit").click()
    done(page)
    assert page.evaluate(f"{STATE}.state.frame") == 2  # the kernel's film has not moved
    page.get_by_role("button", name="Reset").click()
    shows(page, widget, 2, 0)
    assert page.get_by_label("calls of the network").get_attribute("aria-valuetext") == "20"


def test_a_digit_as_it_was_ordered(easel, shipped):
    "Its class, its calls and no fresh noise: the walk is torch's from the same static."
    page = easel
    page.get_by_label("Which digit").select_option("4")
    calls = page.get_by_label("calls of the network")
    for _ in range(2):
        calls.press("ArrowLeft")
    assert calls.get_attribute("aria-valuetext") == "5"
    page.get_by_role("button", name="Draw a digit").click()
    done(page)
    script = f"{{ const f = {STATE}.film; return [0, 3, 5].map(k => [f.times[k], [...f.x(0, k)], [...f.guess(0, k)]]) }}"
    (T, x, _), (at, _, guess), (end, last, same) = page.evaluate(f"() => {script}")
    assert (T, at, end) == (1000, 400, 0) and last == same
    few, x = shipped.respace(5).given(y=4), torch.tensor(x).view(1, 1, 28, 28)
    with torch.inference_mode():
        for t in range(5, 0, -1):
            if t == 2:
                torch.testing.assert_close(
                    few.clean(x, t).flatten(), torch.tensor(guess), rtol=0, atol=1e-4
                )
            x = few.ddim(x, t, eta=0.0).mean
    torch.testing.assert_close(x.flatten(), torch.tensor(last), rtol=0, atol=1e-4)
    assert np.abs(greys(page, ".dm-picture:nth-child(1) canvas") - as_grey(x)).max() <= 1
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.startsWith('New digit 1 of 1, asked to be a 4: 5 of 5')"
    )
    page.get_by_role("button", name="Draw a digit").click()
    page.wait_for_function(
        f"x => {STATE}.film.come() === 6 && {STATE}.film.x(0, 0)[0] !== x", arg=x[0, 0, 0, 0].item()
    )


def test_ten_at_once_and_one_of_them_to_look_at(easel):
    page = easel
    page.get_by_label("Which digit").select_option("each")
    page.get_by_label("calls of the network").press("Home")
    page.get_by_role("button", name="Ten at once").click()
    done(page, 10)
    assert page.evaluate(f"{STATE}.film.labels") == list(range(10))
    group = page.get_by_role("group", name="Look at one of them")
    group.locator("label").nth(6).click()
    assert page.get_by_label("sample", exact=True).get_attribute("aria-valuetext") == "7 of 10"
    x = page.evaluate(f"[...{STATE}.film.x(6, 1)]")
    assert np.abs(greys(page, ".dm-picture:nth-child(1) canvas") - as_grey(x)).max() <= 1
    for k in (0, 9):
        x = page.evaluate(f"k => [...{STATE}.film.x(k, 1)]", k)
        shown = (
            group.locator("canvas")
            .nth(k)
            .evaluate(
                "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).filter((_, i) => i % 4 === 0)"
            )
        )
        assert np.abs(np.array(shown) - as_grey(x)).max() <= 1
    assert serious(page) == []
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_drawn_film_plays_by_itself_and_a_newer_one_takes_its_place(easel):
    page = easel
    page.emulate_media(reduced_motion="no-preference")
    page.get_by_role("button", name="Draw a digit").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Ten at once").click()
    page.wait_for_function(f"{STATE}.film.seeds === 10 && {STATE}.at.frame === 20", timeout=60_000)
    page.get_by_role("button", name="Play").wait_for()
