"A chapter as one page, in a browser with no kernel and no network: its explorables live, its formulas are drawn."

import json
import re

import pytest

from diffusion_math.teach.pages import _state, _take_out, write_page
from tests.browser import formulas
from tests.browser.explorable import ROOT as WIDGET
from tests.browser.explorable import settled
from tests.conftest import each
from tests.lab import ROOT, new_page
from website import check

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


@pytest.mark.parametrize("name", each(WITH_WIDGETS))
def test_a_chapter_lives_without_a_server(lent, written, name):
    page = lent  # which says at the end that no server was asked, and that nothing failed
    page.goto(written(name).as_uri())
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
    flat = "Array.from(document.querySelectorAll('.formula > svg')).filter(m => !m.getBoundingClientRect().width).length"
    assert page.evaluate(flat) == 0
    page.set_viewport_size({"width": 360, "height": 800})
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.long
def test_each_formula_of_the_course_looks_as_in_jupyterlab(open_notebook, lab, browser, tmp_path):
    "Each glyph that MathJax sets there stands on a page too: the same glyph, of the same size, at the same place."
    kept = []
    for path in sorted((ROOT / "nbs").rglob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                _take_out("".join(cell["source"]), kept, "")
    kept = list(dict.fromkeys((re.sub(r"\\tag\{.*?\}", "", tex).strip(), b) for tex, b in kept))
    assert len(kept) > 500 and sum(block for _, block in kept) > 100
    text = "\n\n".join(f"$${tex}$$" if block else f"${tex}$" for tex, block in kept)
    cells = [{"cell_type": "markdown", "id": "all", "metadata": {}, "source": text}]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": spec},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (lab.root / "formulas.ipynb").write_text(json.dumps(notebook))
    there = open_notebook("formulas.ipynb").page
    shown = "document.querySelectorAll('.jp-MarkdownOutput mjx-container').length"
    there.wait_for_function(f"{shown} === {len(kept)}", polling=200)
    with new_page(browser) as here:
        here.goto(write_page(lab.root / "formulas.ipynb", tmp_path).as_uri())
        lab_s, page_s = there.evaluate(formulas.LAB), here.evaluate(formulas.PAGE)
    assert len(lab_s) == len(page_s) == len(kept)
    wrong = {}
    for (tex, _), theirs, ours in zip(kept, lab_s, page_s, strict=True):
        if found := formulas.difference(theirs, ours):
            wrong[tex] = found
    assert wrong == {}, wrong
    # and another formula is noticed: each beside its neighbour's picture
    neighbours = zip(kept, kept[1:], lab_s, page_s[1:], strict=False)
    same = [a for a, b, x, y in neighbours if a[0] != b[0] and not formulas.difference(x, y)]
    assert same == []


@pytest.fixture
def gaussians(written):
    return written("02_gaussians").as_uri()


@pytest.mark.parametrize("scheme, width", [("light", 1280), ("dark", 360)])
def test_everybody_can_read_a_page(lent, gaussians, scheme, width):
    "Every colour has its contrast, what scrolls is reached by key, and what axe-core knows besides."
    lent.set_viewport_size({"width": width, "height": 900})
    lent.emulate_media(color_scheme=scheme)
    lent.goto(gaussians)
    settled(lent)
    wide = "Array.from(document.querySelectorAll('pre')).filter(e => e.scrollWidth > e.clientWidth)"
    assert width > 360 or lent.evaluate(f"{wide}.length") > 0
    found = check.violations(lent)
    assert [(v["id"], node["html"]) for v in found for node in v["nodes"]] == []


def test_a_picture_in_the_dark_lies_on_a_light_card_and_keeps_its_colours(lent, gaussians):
    lent.emulate_media(color_scheme="dark")
    lent.goto(gaussians)
    style = "getComputedStyle(document.querySelector('.output_area img'))"
    get = lambda name: lent.evaluate(f"{style}.{name}")  # noqa: E731
    assert get("backgroundColor") == "rgb(255, 255, 255)"
    assert float(get("borderRadius")[:-2]) > 0 and float(get("padding")[:-2]) > 0
    assert re.fullmatch(
        r"brightness\(0\.[89]\d*\)", get("filter")
    )  # a share of each colour: no hue turns
    lent.emulate_media(color_scheme="light")
    assert (get("filter"), get("padding")) == ("none", "8px")


def test_paper_is_white_and_shows_all_of_the_code(lent, gaussians):
    lent.emulate_media(media="print", color_scheme="dark")
    lent.set_viewport_size({"width": 680, "height": 900})  # A4 less its margins
    lent.goto(gaussians)
    body = lent.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert body == ["rgb(255, 255, 255)", "rgb(31, 35, 40)"]
    cut = "Array.from(document.querySelectorAll('pre')).filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert lent.evaluate(cut) == 0
