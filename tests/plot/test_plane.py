"Points, paths, hills and arrows lie where their numbers are, both axes on one scale."

import math

import matplotlib
import numpy as np
import pytest
import torch

from diffusion_math import plot
from tests.plot.reading import rgb
from tests.teach.wrong import unnamed


def test_points():
    x = torch.randn(7, 2)
    ax = plot.points(x, color="noise", label="noise")
    (dots,) = ax.collections
    assert np.array_equal(dots.get_offsets(), x.double().numpy()) and ax.get_aspect() == 1
    assert np.allclose(dots.get_facecolor()[0, :3], matplotlib.colors.to_rgb(plot.PALETTE["noise"]))
    few, many = (plot.points(torch.zeros(n, 2)).collections[0].get_sizes()[0] for n in (10, 10_000))
    assert few > many > 0


def test_panels_of_points_have_one_scale(outputs, monkeypatch):
    figures = []
    monkeypatch.setattr(
        "diffusion_math.plot.plane.show", lambda fig, alt: figures.append((fig, alt))
    )
    plot.clouds({"data": torch.rand(5, 2), "after 5": 9 * torch.rand(7, 2)}, "two clouds", size=3)
    ((fig, alt),) = figures
    left, right = fig.axes
    assert alt == "two clouds" and left.get_xlim() == right.get_xlim()
    assert (left.get_title(), right.get_title()) == ("data", "after 5")
    colors = [ax.collections[0].get_facecolor()[0, :3] for ax in fig.axes]
    assert np.allclose(colors, [rgb("data"), rgb("p")]) and right.get_ylabel() == ""


@pytest.mark.parametrize("n", [1, 2, 4, 6])
@pytest.mark.parametrize("look", [{}, {"xlim": (-3, 3), "ylim": (-3, 3)}])
def test_the_names_of_panels_are_not_cut(n, look, monkeypatch):
    figures = []
    monkeypatch.setattr("diffusion_math.plot.plane.show", lambda fig, alt: figures.append(fig))
    plot.clouds({f"panel {i}": torch.randn(50, 2) for i in range(n)}, "clouds", **look)
    (fig,) = figures
    with plot.style():
        fig.draw_without_rendering()
    for ax in fig.axes:
        for text in (ax.title, ax.xaxis.label):
            box = text.get_window_extent()
            assert box.y0 >= 0 and box.y1 <= fig.bbox.y1


def test_paths_and_where_they_begin():
    paths = torch.rand(4, 3, 2, requires_grad=True)
    *walks, starts = plot.paths(paths).get_lines()
    for i, line in enumerate(walks):
        assert np.allclose(np.stack(line.get_data(), 1), paths[:, i].detach())
    assert len(walks) == 3
    assert np.allclose(np.stack(starts.get_data(), 1), paths[0].detach())


@pytest.mark.parametrize("fill", [False, True])
def test_contours_lie_at_standard_deviations(fill):
    log_prob = lambda z: -(z[:, 0] ** 2 + (z[:, 1] / 0.5) ** 2) / 2
    ax = plot.contours(log_prob, span=3.0, color="q", fill=fill)
    assert ax.get_xlim() == ax.get_ylim() == (-3, 3) and ax.get_aspect() == 1
    (shape,) = ax.collections
    assert shape.filled == fill and shape.levels[-1] == 4
    ring = shape.get_paths()[list(shape.levels).index(2.0)].vertices  # two from the mean
    radius = np.hypot(ring[:, 0], ring[:, 1] / 0.5)
    assert np.abs(radius - 2.0).min() < 1e-2 and (fill or np.allclose(radius, 2.0, atol=1e-2))


def test_arrows_have_the_root_of_their_length():
    x = torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0))
    arrows = torch.zeros(9, 2)
    arrows[:, 0] = torch.arange(9.0)
    (field,) = plot.field(x, arrows, color="p").collections
    assert np.allclose(field.U, arrows[:, 0].sqrt() / 8**0.5) and np.allclose(field.V, 0)
    assert np.array_equal(field.XY, x) and np.allclose(field.get_facecolor()[0, :3], rgb("p"))


def test_arrows_of_one_length_are_coloured_by_theirs():
    x, fig = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), plot.figure(1, 2)[0]
    for ax, bar in zip(fig.axes, (None, "length"), strict=True):
        plot.field(x, torch.tensor([[0.0, 3.0], [0.3, 0.4]]), ax=ax, lengths=(0.1, 10), bar=bar)
    first, second, bar = fig.axes
    (field,) = first.collections
    assert np.allclose(np.hypot(field.U, field.V), 2) and np.allclose(field.get_array(), [3, 0.5])
    assert field.get_clim() == (0.1, 10) and bar.get_ylabel() == "length"
    fig.draw_without_rendering()
    assert first.get_position().width == pytest.approx(second.get_position().width)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: plot.points(x), ValueError, r"x must be \(n, 2\), got \(5,\)"),
        (
            lambda x: plot.points(torch.tensor([[0, math.inf], [0, 0]])),
            ValueError,
            "got 1 points of 2",
        ),
        (lambda x: plot.paths(x), ValueError, r"paths must be \(steps, n, 2\), got \(5,\)"),
        (
            lambda x: plot.contours(lambda z: z),
            ValueError,
            r"log_prob must give one number for each",
        ),
        (lambda x: plot.field(x, x), ValueError, r"x must be \(n, 2\), got \(5,\)"),
        (
            lambda x: plot.field(torch.zeros(5, 2), torch.zeros(4, 2)),
            ValueError,
            r"arrows must be \(5, 2\) like x, got \(4, 2\)",
        ),
        (
            lambda x: plot.field(torch.zeros(1, 2), torch.tensor([[math.nan, 0.0]])),
            ValueError,
            "arrows must be finite, got 1 points of 1",
        ),
    ],
)
def test_what_cannot_be_drawn(call, error, words):
    with pytest.raises(error, match=words):
        call(torch.linspace(0, 1, 5))


POINTS = torch.zeros(5, 2)
CALLS = {
    plot.points: dict(x=POINTS, ax=None, alt="a", color="q", size=None),
    plot.clouds: dict(panels={"a": POINTS}, alt="a", color="q", size=None),
    plot.contours: dict(log_prob=lambda x: -x.square().sum(1), ax=None, alt="a", color="q", span=2.0),
    plot.paths: dict(paths=torch.zeros(3, 5, 2), ax=None, alt="a", color="q"),
    plot.field: dict(x=POINTS, arrows=POINTS, ax=None, alt="a", color="q", lengths=None),
}  # fmt: skip


@pytest.mark.bad_input
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_an_error_names_the_argument(call, outputs):
    assert unnamed(call, CALLS[call]) == []
