"Each slip of a sampler, written as people write it, is named; each style has three right variants or more, and all pass."

import re
from collections import Counter

import pytest

from diffusion_math.referee.sampler import NAMED, sampler
from diffusion_math.referee.ways import RIGHT as STEPS
from diffusion_math.referee.ways import SLIPS
from tests.referee.loops import RIGHT, WRONG


@pytest.mark.parametrize("style, f, how", RIGHT, ids=lambda v: v if isinstance(v, str) else "")
def test_right_code_of_any_style_is_right_and_its_step_is_named(style, f, how):
    said = sampler(f, **how)
    assert said and re.search("Each step of its .* calls is", str(said)), said


@pytest.mark.parametrize(
    "style, name, f, how", WRONG, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_slip_in_any_style_is_named(style, name, f, how):
    said = sampler(f, **how)
    assert not said and said.slip == name, said


def test_each_style_with_slips_has_three_right_variants():
    right = Counter(style for style, *_ in RIGHT)
    assert all(right[style] >= 3 for style, *_ in WRONG)


def test_every_slip_on_the_list_is_made_somewhere():
    "Either here, or by hand in test_sampler."
    by_hand = {"the last step leads nowhere", "the last step is not finite", "the network is told the number of the step",
               "the variance of the noise in the mean", "alpha-bar for its rest"}  # fmt: skip
    made = {name for _, name, *_ in WRONG} | by_hand
    assert {row.name for row in (*SLIPS, *NAMED)} == made, "walk each row in loops.WRONG"


def test_the_rows_are_whole():
    names = Counter(row.name for row in SLIPS)
    assert all(n == 1 for n in names.values()) and not {row.name for row in STEPS} & set(names)
    assert all(row.says and row.makes for row in SLIPS) and all(
        row.makes and not row.says for row in STEPS
    )
    threads = [word for row in SLIPS for word in row.seen.split(", ") if word]
    assert threads and all(re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", word) for word in threads)
