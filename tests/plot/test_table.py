"A table's numbers have their shades."

import numpy as np
import pytest
import torch

from diffusion_math import plot
from tests.plot.reading import rgb
from tests.teach.wrong import unnamed


def test_heat_maps():
    table = torch.tensor([[-1.0, 0.0, 1.0], [0.0, 0.5, 2.0]])
    shown = plot.heat(table, limits=(-2, 2)).images[0]
    assert np.array_equal(shown.get_array(), table) and shown.get_clim() == (-2, 2)
    blue, white, red = (np.array(shown.cmap(shown.norm(v))[:3]) for v in (-2, 0, 2))
    assert blue[2] > blue[0] and red[0] > red[2] and white.min() > 0.95
    assert shown.axes.get_ylim() == (1.5, -0.5) and shown.axes.get_aspect() == 1  # as it is written
    over = plot.heat(table.abs(), color="p", extent=(0, 10, -4, 4)).images[0]
    assert over.axes.get_ylim() == (-4, 4) and over.get_clim() == (0, 2)
    assert np.allclose(over.cmap(1.0)[:3], rgb("p")) and np.allclose(over.cmap(0.0)[:3], 1)
    grey = plot.heat(table, color=("black", "white")).images[0]
    assert np.allclose(grey.cmap(0.0)[:3], 0) and np.allclose(grey.cmap(1.0)[:3], 1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, error, words",
    [(lambda x: plot.heat(x), ValueError, r"values must be \(rows, columns\), got \(5,\)")],
)
def test_what_cannot_be_drawn(call, error, words):
    with pytest.raises(error, match=words):
        call(torch.linspace(0, 1, 5))


CALLS = {
    plot.heat: dict(values=torch.zeros(3, 4), ax=None, alt="a", color="q", limits=None, extent=None),
}  # fmt: skip


@pytest.mark.bad_input
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_an_error_names_the_argument(call, outputs):
    assert unnamed(call, CALLS[call]) == []
