"Rubbing out: what it keeps of the digit, and that it fills in the rest."

import torch

from diffusion_math.data.digits import digits
from diffusion_math.explore.inpaint import InpaintExplorer
from tests.truth import seed

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
