"Bars are as high, as wide and as long as what they stand for."

from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch

from diffusion_math import plot
from tests.plot.reading import labels, rgb
from tests.teach.wrong import unnamed


def test_histograms_share_their_bins():
    a, b = torch.tensor([[0.0, 1.0], [1.0, 4.0]]), np.array([2.0, 3.0])
    ax = plot.histograms({"data": a, "p": b}, bins=4, density=False)
    first, second = ax.containers
    assert [bar.get_height() for bar in first] == [1, 2, 0, 1]
    assert [bar.get_height() for bar in second] == [0, 0, 1, 1]
    assert first[0].get_facecolor() == (*rgb("data"), 0.5) and labels(ax) == ["data", "p"]
    assert ax.get_ylabel() == "how many"


def test_a_histogram_counts_what_it_does_not_show():
    draws = torch.tensor([0.25, 0.75, 5.0, 9.0])
    ax = plot.histograms({"a": draws}, bins=2, xlim=(0, 1))
    assert [bar.get_height() for bar in ax.containers[0]] == [0.5, 0.5] and ax.get_xlim() == (0, 1)
    equal = plot.histograms({"a": torch.ones(3)}, bins=10)
    assert sum(bar.get_height() * bar.get_width() for bar in equal.containers[0]) == pytest.approx(
        1
    )


def test_bars_stand_side_by_side():
    ax = plot.bars(
        ["u", "v"], {"q": [1.0, 2.0], "p": torch.tensor([3.0, 4.0])}, errors={"p": [0.1, 0.2]}
    )
    q, p = (c for c in ax.containers if isinstance(c, matplotlib.container.BarContainer))
    assert [bar.get_height() for bar in p] == [3, 4] and q[0].get_facecolor()[:3] == rgb("q")
    assert q[0].get_x() + q[0].get_width() == pytest.approx(p[0].get_x()) and p[
        1
    ].get_x() == pytest.approx(1)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["u", "v"]
    assert (
        len([c for c in ax.containers if isinstance(c, matplotlib.container.ErrorbarContainer)])
        == 1
    )
    left, right = ax.get_xlim()
    plot.curves([0.2, 0.8], {"level": 1.0, "line": [1.0, 2.0]}, ax=ax)
    assert ax.get_xlim() == (left, right)  # the bars keep their room
    (bars,) = plot.bars(torch.tensor([0.0, 0.5, 1.0]), {"a": [1, 1, 1]}).containers
    assert bars[1].get_x() + bars[1].get_width() / 2 == pytest.approx(0.5)
    assert bars[1].get_width() == pytest.approx(0.4)


def test_a_ruler_lays_parts_end_to_end():
    account = SimpleNamespace(entropy=0.5, model_error=0.2, gap=0.1, bound=0.85)
    ax = plot.ruler({"exact": account, "wrong": {"entropy": 0.5, "gap": 0.7}})
    spans = [(bar.get_x(), bar.get_width(), bar.get_facecolor()[:3]) for bar in ax.patches]
    want = [(0, 0.5, "data"), (0, 0.5, "data"), (0.5, 0.2, "accent"), (0.5, 0, "accent")]
    want += [(0.7, 0.1, "noise"), (0.5, 0.7, "noise")]  # part by part, each over both rows
    for (left, width, color), (start, long, name) in zip(spans, want, strict=True):
        assert (left, width) == pytest.approx((start, long)) and color == rgb(name)
    assert labels(ax) == ["entropy", "model's error", "gap", "bound"]
    assert [text.get_text() for text in ax.texts] == [
        "0.850",
        "1.200",
    ]  # the bound is not made of the parts
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["exact", "wrong"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row on top
    marks = ax.containers[-1].lines[2][0].get_segments()
    assert [mark[0, 0] for mark in marks] == pytest.approx([0.85, 1.2])
    assert labels(plot.ruler({"a": {"u": 1.0, "v": 2.0}})) == ["u", "v", "sum"]


def test_marks_are_named_at_their_heads():
    ax = plot.marks({"left": 1.0, "right": 2.0}, color="accent")
    left, right = ax.get_lines()
    assert left.get_color() == plot.PALETTE["accent"] and left.get_ydata()[1] > right.get_ydata()[1]
    assert [(text.get_text(), text.xy[0]) for text in ax.texts] == [("left", 1.0), ("right", 2.0)]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: plot.histograms({"a": x[:0]}), ValueError, r"samples\['a'\] must hold finite"),
        (
            lambda x: plot.histograms({"a": x / 0}),
            ValueError,
            r"samples\['a'\] must be finite, got",
        ),
        (
            lambda x: plot.bars(["u"], {"a": x}),
            ValueError,
            r"bars\['a'\] must be \(1,\) like x, got \(5,\)",
        ),
        (lambda x: plot.bars(x, {"a": x}, errors={"b": x}), ValueError, "errors must have keys"),
        (lambda x: plot.ruler({"a": "b"}), TypeError, r"rows\['a'\]"),
        (lambda x: plot.ruler({"a": 1.0}, errors={"b": 1.0}), ValueError, "errors must have keys"),
    ],
)
def test_what_cannot_be_drawn(call, error, words):
    with pytest.raises(error, match=words):
        call(torch.linspace(0, 1, 5))


CALLS = {
    plot.histograms: dict(samples={"a": [1.0, 2.0]}, ax=None, alt="a", colors=None, bins=5),
    plot.marks: dict(marks={"a": 1.0}, ax=None, alt="a", color="q"),
    plot.bars: dict(x=["u", "v"], bars={"a": [1.0, 2.0]}, ax=None, alt="a", colors=None, errors=None),
    plot.ruler: dict(rows={"a": 1.0}, ax=None, alt="a", colors=None, errors=None),
}  # fmt: skip


@pytest.mark.bad_input
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_an_error_names_the_argument(call, outputs):
    assert unnamed(call, CALLS[call]) == []
