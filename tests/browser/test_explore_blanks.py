"A word of blanks, in a page: its chances are the package's, a touch sets a letter, and what is written is counted."

import numpy as np
import pytest

from diffusion_math.explore.blanks import BlanksExplorer
from tests.browser.explorable import place

STATE = "document.querySelector('.dm-explorable').explorable"
BLANK = "_" * 16


@pytest.mark.parametrize(
    "given",
    [
        dict(word=BLANK),
        dict(word="the_____q______n"),
        dict(word="zzz_____________"),  # which the law never writes
        dict(word=BLANK, law="two sentences"),
        dict(word="_b" + "_" * 14, law="two sentences"),
    ],
    ids=["blank", "some", "never", "two", "one letter"],
)
def test_the_chances_are_the_package_s(show, given):
    widget = BlanksExplorer(**given)
    ours = show(widget).evaluate(f"{STATE}.rows.map(row => Array.from(row))")
    np.testing.assert_allclose(ours, widget.chances, atol=1e-6)  # its table is float32


def test_a_touch_sets_a_letter_and_another_takes_it_back(show):
    page = show(BlanksExplorer(word=BLANK))
    _, (x, y) = place(page.locator(".dm-plot").first, 4.5, 26 - 20 + 0.5)
    page.mouse.click(x, y)
    assert page.evaluate(f"{STATE}.state.word") == "____t" + "_" * 11
    assert page.evaluate(f"{STATE}.state.place") == 4
    page.mouse.click(x, y)
    assert page.evaluate(f"{STATE}.state.word") == BLANK


def filled(page, steps, words):
    for _ in range(steps * words):
        page.get_by_role("button", name="Draw a step").click()
    return page.evaluate(f"[{STATE}.state.written, {STATE}.state.never]")


def test_letter_by_letter_no_word_is_impossible_and_at_once_most_are(show):
    page = show(BlanksExplorer(word=BLANK, each=1))
    assert filled(page, 16, 3) == [3, 0]
    page = show(BlanksExplorer(word=BLANK, each=16))
    written, never = filled(page, 1, 12)
    assert written == 12 and never >= 10


def test_two_sentences_in_two_steps(show):
    "At once a sentence is one draw in 2^15; and the law's choice clears the word."
    page = show(BlanksExplorer(word="a" + "_" * 15, each=15, law="two sentences"))
    assert filled(page, 1, 1) == [1, 0] and page.evaluate(f"{STATE}.state.word") == "ab" * 8
    page.get_by_role("combobox").select_option("language")
    assert page.evaluate(f"[{STATE}.state.word, {STATE}.state.written]") == [BLANK, 0]
