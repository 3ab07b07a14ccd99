"Memory: its walk and its quilt are the package's."

import pytest
import torch

from diffusion_math import Empirical
from diffusion_math.explore.memory import MemoryExplorer
from diffusion_math.sde import walk
from tests.browser.widgets import few


def made(**arguments):
    return MemoryExplorer(few(), generator=torch.Generator().manual_seed(0), **arguments)


def test_with_windows_of_everything_it_is_the_dataset_s_walk():
    ours = made(window=17)
    start = ours.unpacked("eps").double().view(1, 1, 8, 9)
    theirs = walk(Empirical(few().double()), start, -8.0, 8.0, 32, 0.0)
    assert (ours.path[-1] - theirs[0, 0]).abs().max() < 1e-9
    assert len(ours.quilt.unique()) == 1
    copied = ours.dataset[ours.quilt[0, 0], 0]
    assert (ours.path[-1] - copied).abs().max() < 0.1


def test_narrow_windows_sew_from_several():
    ours = made(window=3)
    assert len(ours.quilt.unique()) > 1 and ours.path.shape == (33, 8, 9)
    at_start = made(window=3, level=-8.0)
    assert at_start.quilt.shape == (8, 9) and (ours.window, ours.level, ours.pixel) == (3, 8.0, 40)


def test_noise_of_another_size():
    with pytest.raises(
        ValueError, match="eps must hold 8 x 9 float32 numbers, 288 bytes, got 4 bytes"
    ):
        made().eps = b"1234"


def test_little_is_sent():
    state = made().get_state()
    assert sum(len(v) for v in state.values() if isinstance(v, bytes)) == 4 * 72 * 8
    assert (
        len(state["_esm"]) + len(state["_css"]) < 80_000
    )  # the mathematics that all share is in it
