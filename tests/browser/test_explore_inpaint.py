"Rubbing out in the browser: the package's pasting, a finger on the mask, and six fillings that are never old."

import numpy as np
import pytest
import torch

from diffusion_math import inverse, solvers
from diffusion_math.data.digits import digits
from diffusion_math.explore.inpaint import InpaintExplorer
from diffusion_math.explore.weights import DIGITS
from diffusion_math.inverse import Measurement, replaced
from tests.browser.explorable import as_js, call, serious
from tests.truth import F64, TWO, seed

STATE = "document.querySelector('.dm-explorable').explorable"
PAD = ".dm-draw"
FEW = digits("test")[:3]
FILLED = """(() => {
    let at = 0;
    const way = m.filling(Float64Array.from(a[0], v => v ?? NaN), a[1], () => a[2][at++]);
    let [asked, calls] = [way.next(), 0];
    for (; !asked.done; calls++) asked = way.next(asked.value.x.map(m.guess(a[3], asked.value.logSnr)));
    return [Array.from(asked.value), calls, at];
})()"""


def made(page, times=1, **more):
    return page(InpaintExplorer(FEW, times=times), networks=[DIGITS], **more)


def ends(page):
    page.wait_for_function(f"{STATE}.ends", timeout=120_000)
    return torch.tensor(page.evaluate(f"{STATE}.ends.map(x => [...x])"))


def mask(page):
    return np.array([int(pixel) for pixel in page.evaluate(f"{STATE}.state.rubbed")])


@pytest.mark.parametrize("times", [1, 3])
def test_a_filling_is_the_package_s(show, monkeypatch, times):
    "With the same dice and an exact guess: five numbers of two humps, two of them known."
    page = show(InpaintExplorer(FEW))
    known = [0.7, None, -1.9, None, None]
    thrown = torch.randn(200, 5, generator=seed(), dtype=F64)
    left = iter(thrown)
    first = next(left)[None]
    for module in (inverse, solvers):
        monkeypatch.setattr(module, "noise_like", lambda like, _: next(left).view_as(like))
    seen = torch.tensor([v is not None for v in known])
    guess = lambda x, level: TWO.denoise(x.reshape(-1, 1), level[:1]).view_as(x)
    told = torch.tensor([0.7, -1.9], dtype=F64)
    due = replaced(guess, Measurement(seen, 0.1), told, first, -8.0, 6.0, 9, times)
    came, calls, used = call(page, FILLED, known, times, thrown.flatten().tolist(), as_js(TWO))
    np.testing.assert_allclose(came, due[0], rtol=1e-10, atol=1e-10)
    assert calls == 9 * times + 1
    assert used // 5 + len(list(left)) == 200  # both threw as often


def test_six_fillings_keep_what_is_known_and_begin_anew(show):
    page = made(show)
    widget = InpaintExplorer(FEW, times=1)
    first, gone = ends(page), ~widget.seen.flatten()
    assert first.shape == (6, 784)
    assert (first[:, ~gone] - FEW[0].flatten()[~gone]).abs().max() < 1e-6
    apart = torch.pdist(first[:, gone]).square().mean().div(gone.sum()).sqrt().item()
    assert apart > 0.2
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.includes('Six of them')"
    )
    assert f"by {apart:.2f} a pixel" in page.locator("[aria-live]").text_content()
    page.get_by_role("button", name="Fill again").click()
    page.wait_for_function(f"!{STATE}.ends")
    assert (ends(page) - first).abs().max() > 0.5
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function(f"!{STATE}.ends")
    assert (ends(page) - first).abs().max() < 1e-6  # the same start, the same fillings


def test_a_rub_ends_what_is_on_its_way(show):
    "While six are drawn, more is rubbed out: what comes is of the new mask, and all that is known is in it."
    page = made(show, times=4)
    says = "document.querySelector('.dm-explorable').textContent"
    page.wait_for_function(f"{says}.includes('call 3 of 37')", timeout=60_000)
    page.get_by_label("rows rubbed out from below", exact=True).press("End")
    assert not page.evaluate(f"{STATE}.ends")
    page.get_by_label("times through each level", exact=True).press("Home")
    all_gone = ends(page)
    assert mask(page).all() and (all_gone[0] - all_gone[1]).abs().max() > 0.5
    page.get_by_role("button", name="Put all back").click()
    assert not mask(page).any() and not page.evaluate(f"{STATE}.ends")
    page.wait_for_timeout(700)
    assert "Nothing is rubbed out" in page.locator(".dm-explorable").inner_text()
    assert not page.evaluate(f"{STATE}.ends")


def test_a_stroke_of_the_pointer_and_one_of_the_keys(show):
    page = show(InpaintExplorer(FEW, torch.zeros(28, 28, dtype=torch.bool)))
    box = page.locator(PAD).bounding_box()
    at = lambda x, y: (box["x"] + box["width"] * x / 28, box["y"] + box["height"] * y / 28)  # noqa: E731
    page.mouse.move(*at(6, 6))
    page.mouse.down()
    page.mouse.move(*at(20, 6), steps=2)
    page.mouse.up()
    gone = mask(page).reshape(28, 28)
    assert gone[6, 6:20].all() and not gone[:, :3].any() and 3 <= gone[:, 12].sum() <= 6
    known = page.evaluate(f"Array.from({STATE}.known, Number.isNaN)")
    assert known == gone.flatten().astype(bool).tolist()
    page.get_by_role("combobox").select_option("back")
    page.locator(PAD).focus()
    for _ in range(8):
        page.keyboard.press("ArrowUp")  # from the middle to row 6
    page.keyboard.press("Shift+ArrowRight")
    back = mask(page).reshape(28, 28)
    assert not back[5:8, 15].any() and back.sum() < gone.sum() and back[6, 8]


def test_a_stroke_is_a_pixel_wider_than_the_pen(show):
    page = show(InpaintExplorer(FEW))
    drawn = -np.ones(20)
    drawn[[0, 12]] = 1
    came = call(page, "Array.from(m.swept(new Uint8Array(20), a[0], 5))", drawn.tolist())
    assert np.flatnonzero(came).tolist() == [0, 1, 5, 7, 11, 12, 13, 17]
    full = np.ones(20)
    full[12] = -1
    came = call(page, "Array.from(m.swept(new Uint8Array(20).fill(1), a[0], 5))", full.tolist())
    assert np.flatnonzero(np.array(came) == 0).tolist() == [7, 11, 12, 13, 17]


@pytest.mark.parametrize("width", [320, 1000])
def test_with_answers_it_is_accessible_and_fits(show, width):
    page = made(show, width=width)
    ends(page)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_the_network_it_says_so(show):
    page = show(InpaintExplorer(FEW))
    assert page.locator(".dm-answer").count() == 0
    assert "does not hold the network" in page.locator(".dm-explorable").inner_text()
