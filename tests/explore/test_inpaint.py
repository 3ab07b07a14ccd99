"Rubbing out: what the explorable takes and refuses, what it keeps of the digit, and that it fills in the rest."

import pytest
import torch
import traitlets

from diffusion_math.data.digits import digits
from diffusion_math.explore.inpaint import InpaintExplorer
from tests.truth import refuses, seed

FEW = digits("test")[:3]


def test_what_is_known_stays_and_what_is_not_is_drawn():
    ours = InpaintExplorer(FEW, times=1, digit=2)
    assert ours.seen[0, :14].all() and not ours.seen[0, 14:].any()
    drawn = ours.fillings(3, seed(1))
    assert drawn.shape == (3, 1, 28, 28)
    assert torch.equal(drawn[:, ours.seen], FEW[2][ours.seen].expand(3, -1))
    assert (drawn[0] - drawn[1])[~ours.seen].abs().max() > 0.5
    assert torch.equal(drawn, ours.fillings(3, seed(1)))
    assert drawn.abs().max() < 1.5  # pictures


def test_a_mask_of_one_s_own():
    rubbed = torch.zeros(28, 28, dtype=torch.bool)
    rubbed[3:5, 20] = True
    ours = InpaintExplorer(FEW[1], rubbed)
    assert torch.equal(ours.seen[0], ~rubbed) and torch.equal(ours.x0, FEW[1])
    ours.rubbed = "0" * 784
    assert ours.seen.all()


def test_what_does_not_fit():
    ours = InpaintExplorer(FEW)
    refuses(ours, "times", 5, r"times must lie in \[1, 4\], got 5", "often")
    refuses(ours, "digit", 3, r"digit must lie in \[0, 2\], got 3", "three")
    refuses(ours, "again", -1, "again must lie in", "once")
    refuses(ours, "rubbed", "12", "rubbed must be 784 letters, each 0 or 1, got 2", 3)
    refuses(ours, "rubbed", "2" * 784, "each 0 or 1", 3)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, kind, words",
    [
        ({"x0": FEW[:, :, :20]}, ValueError, "x0 must hold images of 28 x 28 pixels, got 20 x 28"),
        ({"x0": FEW * 2}, ValueError, r"x0 must lie in \[-1, 1\]"),
        ({"x0": FEW, "rubbed": torch.zeros(28, 28)}, TypeError, "rubbed must be of torch.bool"),
        ({"x0": FEW, "rubbed": torch.zeros(1, 28, 28).bool()}, ValueError, "rubbed must have"),
        ({"x0": FEW, "times": 0}, ValueError, "times must lie in"),
        ({"x0": FEW, "digit": 7}, ValueError, "digit must lie in"),
    ],
)
def test_arguments_that_do_not_fit(arguments, kind, words):
    with pytest.raises((kind, traitlets.TraitError), match=words):
        InpaintExplorer(**arguments)
