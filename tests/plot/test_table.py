"A table's numbers have their shades, and its colour bar has no steps."

import numpy as np
import pytest
import torch

from diffusion_math import plot
from tests.plot.reading import parts, rgb
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


def test_a_colour_bar_has_no_steps(outputs):
    plot.heat(torch.linspace(0, 1, 400).view(20, 20), bar="height", color="q", alt="a table")
    picture = parts(outputs[0])[1]
    bar = picture[:, -150:]  # the right end of the picture: the bar, its ticks and its name
    column = bar[:, np.argmax((bar.max(-1) - bar.min(-1) > 20).sum(0))]
    green = column[(column.max(-1) - column.min(-1) > 20)][2:-2, 1]
    assert (
        np.diff(green) >= 0
    ).all()  # from vermilion at the top to white: no darker step on the way
    assert np.diff(green).max() <= 2 and green[0] < 110 and green[-1] > 230


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
