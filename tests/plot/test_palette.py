"The palette: colours that stay apart, a style that leaves no trace, figures that no list holds."

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb

from diffusion_math import plot


def test_colours_are_apart():
    rgb = np.array(
        [matplotlib.colors.to_rgb(c) for c in [*plot.PALETTE.values(), plot.INK, "white"]]
    )
    gaps = np.abs(rgb[:, None] - rgb[None]).sum(-1) + 9 * np.eye(len(rgb))
    gaps = np.delete(np.delete(gaps, 6, 0), 6, 1)  # ink is nearly the truth's black, on purpose
    assert gaps.min() > 0.3


def test_the_style_holds_inside_its_block_alone():
    before = dict(matplotlib.rcParams)
    with plot.style():
        assert matplotlib.rcParams["text.color"] == plot.INK
        assert not matplotlib.rcParams["axes.spines.top"]
    assert dict(matplotlib.rcParams) == before


def test_a_figure_has_its_inches_and_stands_in_no_list():
    fig, axes = plot.figure(2, 3, width=6.0)
    assert axes.shape == (2, 3) and fig.get_size_inches().tolist() == [6.0, 5.6]
    fig, ax = plot.figure(height=1.5, squeeze=True)
    assert fig.get_size_inches().tolist() == [7.0, 1.5] and not plt.get_fignums()
    assert to_rgb(ax.xaxis.label.get_color()) == to_rgb(plot.INK)
