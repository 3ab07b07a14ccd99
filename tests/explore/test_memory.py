"Memory: what the explorable takes, what it refuses, and that its walk and its quilt are the package's."

import math

import pytest
import torch
import traitlets

from diffusion_math import Empirical
from diffusion_math.explore.memory import MemoryExplorer
from diffusion_math.sde import walk
from tests.browser.widgets import few
from tests.truth import refuses


def made(**arguments):
    return MemoryExplorer(few(), generator=torch.Generator().manual_seed(0), **arguments)


def test_with_windows_of_everything_it_is_the_pile_s_walk():
    ours = made(window=17)
    start = ours.unpacked("eps").double().view(1, 1, 8, 9)
    theirs = walk(Empirical(few().double()), start, -8.0, 8.0, 32, 0.0)
    assert (ours.path[-1] - theirs[0, 0]).abs().max() < 1e-9
    assert len(ours.quilt.unique()) == 1
    copied = ours.pile[ours.quilt[0, 0], 0]
    assert (ours.path[-1] - copied).abs().max() < 0.1


def test_narrow_windows_sew_from_several():
    ours = made(window=3)
    assert len(ours.quilt.unique()) > 1 and ours.path.shape == (33, 8, 9)
    at_start = made(window=3, level=-8.0)
    assert at_start.quilt.shape == (8, 9) and (ours.window, ours.level, ours.pixel) == (3, 8.0, 40)


@pytest.mark.parametrize(
    "name, value, words, kind",
    [
        ("window", 18, "window must lie in", "wide"),
        ("window", 4, "window must be odd, to have a middle, got 4", "wide"),
        ("level", 8.5, r"level must lie in \[-8.0, 8.0\]", "left"),
        ("pixel", 72, r"pixel must lie in \[0, 71\], got 72", 0.5),
    ],
)
def test_a_trait_out_of_range(name, value, words, kind):
    refuses(made(), name, value, words, kind)


def test_noise_of_another_size():
    with pytest.raises(
        ValueError, match="eps must hold 72 float32 numbers, 288 bytes, got 4 bytes"
    ):
        made().eps = b"1234"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, kind, words",
    [
        ({"pile": 3}, TypeError, "pile must be a floating-point tensor, got int"),
        ({"pile": few()[0]}, ValueError, "pile must have 4 dimensions"),
        ({"pile": few()[:1]}, ValueError, "pile must be 2 to 64 pictures"),
        ({"pile": torch.zeros(65, 1, 4, 4)}, ValueError, "pile must be 2 to 64 pictures"),
        ({"pile": torch.zeros(3, 2, 4, 4)}, ValueError, "pile must be 2 to 64 pictures"),
        ({"pile": torch.zeros(3, 1, 28, 28)}, ValueError, "of at most 400 pixels"),
        ({"pile": few() / 0}, ValueError, "pile must be finite"),
        ({"pile": few(), "window": 2}, ValueError, "window must be odd"),
        ({"pile": few(), "window": "wide"}, TypeError, "window"),
        ({"pile": few(), "level": math.nan}, ValueError, "level must lie in"),
        ({"pile": few(), "collapse": 9}, ValueError, "collapse"),
        ({"pile": few(), "generator": 3}, TypeError, "generator"),
    ],
)
def test_arguments_that_do_not_fit(arguments, kind, words):
    with pytest.raises((kind, traitlets.TraitError), match=words):
        MemoryExplorer(**arguments)


def test_little_is_sent():
    state = made().get_state()
    assert sum(len(v) for v in state.values() if isinstance(v, bytes)) == 4 * 72 * 8
    assert (
        len(state["_esm"]) + len(state["_css"]) < 80_000
    )  # the mathematics that all share is in it
