"The text beside an explorable, on a page that is one file: a symbol that one points at lights what stands for it."

import json

from diffusion_math.teach.pages import write_page
from tests.lab import ROOT

PICTURES = "e => Array.from(e.querySelectorAll('canvas'), c => c.toDataURL())"


def test_a_symbol_lights_what_stands_for_it_by_pointer_key_and_finger(page, tmp_path):
    chapter = ROOT / "nbs" / "12_area_under_the_error.ipynb"
    notebook = json.loads(chapter.read_text(encoding="utf-8"))
    cells = notebook["cells"]
    at = next(i for i, c in enumerate(cells) if "AreaExplorer(" in "".join(c["source"]))
    alone = tmp_path / "alone.ipynb"
    alone.write_text(json.dumps(notebook | {"cells": cells[at - 1 : at + 1]}), encoding="utf-8")
    page.goto(write_page(alone).as_uri())
    page.locator(".near-formula").first.wait_for()
    widget = page.locator(".dm-explorable")
    page.wait_for_function("[...document.querySelectorAll('.dm-plot')].every(c => c.width !== 300)")
    page.wait_for_timeout(100)
    rest = widget.evaluate(PICTURES)

    def lit() -> list[bool]:  # the density's picture, and that of the error
        return [a != b for a, b in zip(widget.evaluate(PICTURES), rest, strict=True)]

    words, symbol = (
        page.locator(".near-symbol", has_text="grey curve"),
        page.locator(".near-formula"),
    )
    words.first.hover()
    assert lit() == [False, True]
    assert widget.locator(".dm-lit").all_inner_texts() == ["error of N(0, 1)"]
    page.mouse.move(0, 0)
    assert lit() == [False, False] and widget.locator(".dm-lit").count() == 0
    symbol.first.locator("use").hover(force=True)
    assert lit() == [True, False] and page.locator("use.near-glyph").count() == 1
    page.mouse.move(0, 0)

    surprise = symbol.nth(1)  # -log q(x)
    surprise.focus()
    assert widget.locator(".dm-lit").all_inner_texts() == ["density q(x)"]
    page.keyboard.press("ArrowRight")
    assert widget.locator(".dm-lit").all_inner_texts() == ["drag the datum"]
    assert surprise.locator("math").count() == 1  # what is read aloud is the formula
    page.keyboard.press("Escape")
    assert lit() == [False, False]

    for event in ("pointerenter", "pointerleave"):
        words.first.dispatch_event(event, {"pointerType": "touch"})
    assert lit() == [False, True]  # the finger has gone
    page.locator("main").dispatch_event("pointerdown", {"pointerType": "touch", "bubbles": True})
    assert lit() == [False, False] and page.problems == []
