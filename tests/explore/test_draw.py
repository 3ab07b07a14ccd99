"A digit of one's own: its ink in the middle, its noise the network's own schedule's."

import pytest
import torch

from diffusion_math.explore.draw import DrawExplorer, centred
from diffusion_math.explore.traits import pack
from diffusion_math.explore.weights import DIGITS
from diffusion_math.training.checkpoint import load_pretrained
from tests.truth import seed


def blob(rows, columns, h=28, w=28):
    x = -torch.ones(h, w)
    x[rows, columns] = torch.rand(x[rows, columns].shape, generator=seed(1))
    return x


def middle(x):
    "Where the ink balances: row and column."
    ink = (x.double() + 1) / 2
    return [
        ((ink.sum(1 - d) * torch.arange(n)).sum() / ink.sum()).item() for d, n in enumerate(x.shape)
    ]


@pytest.mark.parametrize("rows, columns", [
    (slice(1, 7), slice(2, 5)), (slice(20, 28), slice(0, 9)), (slice(12, 16), slice(22, 27)), (slice(0, 28), slice(3, 28)),
])  # fmt: skip
def test_ink_comes_to_the_middle(rows, columns):
    x = blob(rows, columns)
    moved = centred(x)
    assert all(abs(at - 13.5) <= 0.5 + 1e-9 for at in middle(moved)) or moved.sum() < x.sum()
    kept = moved[moved > -1].sort().values
    assert torch.isin(kept, x).all()


def test_what_is_in_the_middle_stays_and_nothing_is_lost():
    x = blob(slice(11, 17), slice(11, 17))
    assert torch.equal(centred(centred(x)), centred(x))
    corner = blob(slice(0, 4), slice(0, 6))
    assert torch.equal(centred(corner)[centred(corner) > -1], corner[corner > -1])
    nothing = -torch.ones(28, 28)
    assert torch.equal(centred(nothing), nothing)


def test_x_t_is_the_forward_process_s():
    explorer = DrawExplorer(torch.zeros(2, 1, 28, 28), t=250, digit=1, generator=seed(4))
    drawn = blob(slice(3, 9), slice(18, 22))
    explorer.pixels = pack(drawn)
    q, eps = load_pretrained(DIGITS).q, torch.randn(28, 28, generator=seed(4))
    law = q.marginal(centred(drawn)[None, None].double(), 250)
    torch.testing.assert_close(explorer.x_t, (law.mean + law.std * eps).float(), rtol=0, atol=1e-6)
    assert torch.equal(explorer.x0[0, 0], centred(drawn)) and explorer._network == DIGITS
