"A name finds its colour."

import matplotlib
import pytest

from diffusion_math import plot
from diffusion_math.plot.colors import PARTS, color_of, colors_of
from tests.plot.reading import rgb
from tests.teach.wrong import unnamed


def test_shades():
    one, two, three = plot.shades("q", 3)
    assert three == plot.PALETTE["q"].lower() and plot.shades("q", 1) == [three]
    assert sum(rgb(one)) > sum(rgb(two)) > sum(rgb(three)) and plot.shades("red", 2)[1] == "#ff0000"


def test_a_name_has_its_own_colour_or_the_next_that_is_free():
    names = ["walk", "data", "gap", "another", "p"]
    want = [plot.PALETTE[key] for key in ("q", "data", "noise", "accent", "p")]
    assert colors_of(names, None) == want  # "data" and "p" are not free: they are there
    assert colors_of(["a", "b"], ["p", "red"]) == [plot.PALETTE["p"], "red"]
    assert colors_of(["a", "b"], {"b": "p", "a": (0, 0, 1)}) == [(0, 0, 1), plot.PALETTE["p"]]
    assert set(PARTS.values()) <= plot.PALETTE.keys()


@pytest.mark.bad_input
@pytest.mark.parametrize("wrong", ["nope", "#12", (2.0, 0.0, 0.0), None, 3, object()])
def test_what_is_no_colour(wrong):
    assert not matplotlib.colors.is_color_like(wrong) or wrong is None
    with pytest.raises(ValueError, match="^fill must be one of data, noise, q, .*, got "):
        color_of(wrong, "fill")


CALLS = {
    plot.shades: dict(color="q", n=3),
}  # fmt: skip


@pytest.mark.bad_input
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_an_error_names_the_argument(call):
    assert unnamed(call, CALLS[call]) == []
