"The road in the browser: the same bells and draws as the package, and what can be picked when."

import pytest

from diffusion_math.explore.road import _NEEDS, RoadExplorer
from tests.browser.explorable import call, seeded

STATE = "document.querySelector('.dm-explorable').explorable"
ALL = ("data", "before", "step", "posterior", "guess", "p", "jump", "end")


@pytest.mark.parametrize("t", [2, 250, 1000])
def test_bells_and_draws_are_the_package_s(show, t):
    widget = RoadExplorer(walked=ALL, t=t, generator=seeded(3))
    page = show(widget)
    assert page.evaluate(f"{STATE}.known") == pytest.approx(widget.places, abs=1e-9)
    for name, (mean, var) in widget.bells.items():
        ours = page.evaluate(f"{STATE}.bells[{name!r}]")
        assert ours["mean"] == pytest.approx(mean, abs=1e-9), name
        assert ours["variance"] == pytest.approx(var, rel=1e-8), name
    assert page.evaluate(f"{STATE}.kl") == pytest.approx(widget.kl, rel=1e-7)


def test_what_a_symbol_needs_is_the_package_s(show):
    page = show(RoadExplorer())
    code = "Object.entries(m.SYMBOLS).map(([name, one]) => [name, one.needs, one.makes])"
    assert call(page, code) == [[name, list(need), made] for name, (need, made) in _NEEDS.items()]


def test_a_symbol_is_open_once_its_condition_is_known(show):
    page = show(RoadExplorer(walked=(), generator=seeded()))
    symbols = page.locator("[aria-label='distributions to pick'] button")

    def closed():
        marks = symbols.evaluate_all("all => all.map(e => e.getAttribute('aria-disabled'))")
        return {name for name, mark in zip(_NEEDS, marks, strict=True) if mark == "true"}

    def press(name):
        symbols.nth(list(_NEEDS).index(name)).press("Enter")
        return page.evaluate(f"{STATE}.state.walked")

    assert closed() == _NEEDS.keys() - {"data"}
    assert press("posterior") == []
    assert "must be told xt and x0" in page.locator(".dm-note").text_content()
    assert press("data") == ["data"] and closed() == {"step", "posterior", "guess", "p"}
    assert press("jump") == ["data", "jump"] and closed() == {"step", "p"}
    assert press("guess")[-1] == "guess" and press("p")[-1] == "p" and closed() == set()
    assert "alone" in page.locator(".dm-note").text_content()
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate(f"{STATE}.state.walked") == []


def test_a_symbol_carries_the_number_of_its_arrow_on_the_map(show):
    symbols = show(RoadExplorer()).locator("[aria-label='distributions to pick'] button")
    numbers = symbols.evaluate_all(
        "all => all.map(e => Number(e.querySelector('span').textContent))"
    )
    arrows = {"data": 1, "step": 2, "jump": 3, "end": 4, "posterior": 5, "p": 8, "guess": 10}
    assert dict(zip(_NEEDS, numbers, strict=True)) == arrows | {"before": 3}
