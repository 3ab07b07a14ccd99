"A chapter as one page, in a browser with no kernel and no network: its explorables live, its formulas are drawn."

import json

import pytest

from diffusion_math.teach.pages import _state, write_page
from tests.browser.explorable import ROOT as WIDGET
from tests.browser.explorable import settled
from tests.lab import ROOT

CHAPTERS = sorted((ROOT / "nbs").glob("[0-9]*.ipynb"))
WITH_WIDGETS = [
    path.stem for path in CHAPTERS if _state(json.loads(path.read_text(encoding="utf-8")))
]


def test_the_chapters_have_explorables():
    assert {
        "01_data_distribution",
        "02_gaussians",
        "03_forward_process",
        "04_reverse_process",
        "05_elbo",
        "06_ddpm",
        "07_score_matching",
    } <= set(WITH_WIDGETS)


@pytest.mark.parametrize("name", WITH_WIDGETS)
def test_a_chapter_lives_without_a_server(page, tmp_path, name):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(write_page(ROOT / "nbs" / f"{name}.ipynb", tmp_path).as_uri())
    page.evaluate(
        "Promise.all(Array.from(document.querySelectorAll('[data-widget]'), el => el.ready))"
    )
    settled(page)
    widgets = page.locator(WIDGET)
    assert widgets.count() == page.locator("[data-widget]").count() >= 1
    for widget in widgets.all():
        canvases = "e => Array.from(e.querySelectorAll('canvas'), c => c.toDataURL()).join()"
        before = widget.evaluate(canvases)
        slider = widget.locator("input[type=range]").first
        slider.press("End" if slider.input_value() != slider.get_attribute("max") else "Home")
        assert widget.evaluate(canvases) != before
    flat = "Array.from(document.querySelectorAll('math')).filter(m => !m.getBoundingClientRect().width).length"
    assert page.evaluate(flat) == 0
    assert [
        url for url in asked if not url.startswith(("file:", "blob:", "data:"))
    ] == [] and page.problems == []
