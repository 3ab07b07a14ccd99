"Every function that draws takes the same words, draws on axes that are there, and gives them back."

from types import SimpleNamespace

import matplotlib
import pytest
import torch

from diffusion_math import plot
from tests.plot.reading import SETTINGS, parts


def test_every_picture_is_shown_with_its_words_or_drawn_on(outputs):
    x, plane = torch.linspace(0, 1, 5), torch.rand(6, 2)
    schedule = SimpleNamespace(T=2, alpha_bar=torch.ones(3), noise_var=torch.zeros(3))
    calls = [
        lambda **k: plot.curves(x, {"a": x}, **k),
        lambda **k: plot.density(x, {"a": x}, **k),
        lambda **k: plot.schedule({"s": schedule}, **k),
        lambda **k: plot.histograms({"a": x}, **k),
        lambda **k: plot.bars(["u", "v"], {"a": [1, 2]}, **k),
        lambda **k: plot.ruler({"a": 1.0}, **k),
        lambda **k: plot.marks({"here": 0.5}, **k),
        lambda **k: plot.points(plane, **k),
        lambda **k: plot.paths(torch.rand(4, 3, 2), **k),
        lambda **k: plot.contours(lambda z: -z.square().sum(1), **k),
        lambda **k: plot.field(plane, plane, **k),
        lambda **k: plot.heat(torch.rand(2, 3), **k),
    ]
    for call in calls:
        ax = call(title="its title", ylim=(-0.5, 2.5), width=4.0, height=1.5)
        assert ax.get_title() == "its title" and ax.get_ylim() == (-0.5, 2.5)
        assert tuple(ax.figure.get_size_inches()) == (4.0, 1.5)
        assert call(ax=ax, xlabel="mine") is ax and ax.get_xlabel() == "mine"
        assert call(ax=ax) is ax and (ax.get_xlabel(), ax.get_title()) == ("mine", "its title")
    assert not outputs
    assert calls[0](alt="a line", height=1.0) is None and parts(outputs[0])[0] == "a line"
    with pytest.raises(ValueError, match="alt must say"):
        calls[0](alt="")
    with pytest.raises(TypeError, match="colour is nothing that Axes.set takes"):
        calls[0](colour="red")
    assert dict(matplotlib.rcParams) == SETTINGS
