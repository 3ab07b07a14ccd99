"A chapter as one page, in a browser with no kernel and no network: its explorables live, its formulas are drawn."

import json
import re

import pytest

from diffusion_math.teach.pages import _state, _take_out, write_page
from tests.browser import formulas
from tests.browser.explorable import ROOT as WIDGET
from tests.browser.explorable import settled
from tests.lab import ROOT, new_page

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
    flat = "Array.from(document.querySelectorAll('.formula > svg')).filter(m => !m.getBoundingClientRect().width).length"
    assert page.evaluate(flat) == 0
    assert [
        url for url in asked if not url.startswith(("file:", "blob:", "data:"))
    ] == [] and page.problems == []


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
    there.wait_for_function(f"{shown} === {len(kept)}")
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
