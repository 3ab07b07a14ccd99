"Curves, densities and schedules are drawn at their numbers."

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from diffusion_math import constant_schedule, plot
from tests.plot.reading import labels
from tests.teach.wrong import unnamed


def test_schedule_curves():
    t = torch.linspace(0, 1, 5001, dtype=torch.float64)
    long = SimpleNamespace(T=5000, alpha_bar=1 - t, noise_var=t)
    short = SimpleNamespace(
        T=2, alpha_bar=torch.tensor([1.0, 0.25, 0.0]), noise_var=torch.tensor([0.0, 0.75, 1.0])
    )
    a, b, c, d = plot.schedule({"long": long, "short": short}).get_lines()
    assert np.allclose(c.get_ydata(), [1, 0.5, 0]) and np.allclose(d.get_ydata(), [0, 0.75**0.5, 1])
    assert np.allclose(c.get_xdata(), [0, 0.5, 1])
    assert len(a.get_xdata()) == 1001 and np.allclose(a.get_ydata() ** 2, 1 - a.get_xdata())
    assert np.allclose(b.get_ydata() ** 2, b.get_xdata())


def test_curves_of_all_kinds():
    x = torch.linspace(1, 3, 4)
    many = torch.stack([x, 2 * x], 1)
    curves = {"a": x.numpy(), "walks": many, "own": ([0.0, 1.0], [5.0, 6.0]), "truth": 2.5}
    ax = plot.curves(x, curves, colors=["q", "noise", "p", "truth"], lines={"own": "s-"})
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert labels(ax) == ["a", "walks", "own", "truth"] and len(ax.get_lines()) == 5
    assert lines["own"].get_marker() == "s" and lines["own"].get_xdata().tolist() == [0, 1]
    assert lines["truth"].get_ydata() == [2.5, 2.5] and lines["truth"].get_xdata() == [0, 1]
    assert ax.get_xlim()[0] < 0  # the mark at 0 isn't cut
    assert plot.curves(x, {"a": x}).get_xlim() == (1, 3)
    (dot,) = plot.curves(None, {"top": (torch.tensor(1.0), 2.0)}, lines="o").get_lines()
    assert dot.get_marker() == "o" and dot.get_linestyle() == "None"
    assert (dot.get_xdata().tolist(), dot.get_ydata().tolist()) == ([1], [2])


def test_error_bars_and_areas():
    x = torch.arange(1.0, 4.0)
    ax = plot.curves(x, {"a": x, "b": 2 * x}, errors={"b": [0.5, 0.5, 1.0]}, fill=True)
    bars = ax.containers[0].lines[2][0].get_segments()
    assert [segment[:, 1].tolist() for segment in bars] == [[1.5, 2.5], [3.5, 4.5], [5.0, 7.0]]
    assert len(ax.collections) == 3  # the bars, and the areas of both


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, error, words",
    [
        (
            lambda x: plot.density(x, {"q": x[1:]}),
            ValueError,
            r"curves\['q'\] must be \(n,\) like x, got \(4,\)",
        ),
        (lambda x: plot.density(x[None], {"q": x[None]}), ValueError, r"must be \(n,\)"),
        (lambda x: plot.density(x, {"q": x}, colors=["p", "q"]), ValueError, "one colour for each"),
        (
            lambda x: plot.density(x, {"q": x}, colors={"p": "q"}),
            ValueError,
            r"must have the keys \['q'\]",
        ),
        (lambda x: plot.density(x, {"q": x}, colors="red"), TypeError, "a list or a dict"),
        (
            lambda x: plot.schedule({"s": SimpleNamespace(T=5, alpha_bar=x, noise_var=x)}),
            ValueError,
            "6 entries, got 5",
        ),
        (
            lambda x: plot.curves(x, {"a": x[1:]}),
            ValueError,
            r"curves\['a'\] must be \(n,\) like x",
        ),
        (lambda x: plot.curves(x, {"a": (x, x[1:])}), ValueError, r"curves\['a'\] must be \(n,\)"),
        (lambda x: plot.curves(None, {"a": x}), ValueError, r"curves\['a'\] must be a pair"),
        (lambda x: plot.curves(x, {"a": "b"}), TypeError, r"curves\['a'\] must be a tensor"),
        (lambda x: plot.curves(x, {"a": x}, lines={"b": "-"}), ValueError, "lines must have keys"),
        (
            lambda x: plot.curves(x, {"a": x}, errors={"b": x}),
            ValueError,
            r"errors must .*got \['b'\]",
        ),
    ],
)
def test_what_cannot_be_drawn(call, error, words):
    with pytest.raises(error, match=words):
        call(torch.linspace(0, 1, 5))


CALLS = {
    plot.curves: dict(x=[1.0, 2.0], curves={"a": [1.0, 2.0]}, ax=None, alt="a", colors=None, lines=None, errors=None,
        width=None, height=None, legend=None),
    plot.density: dict(x=torch.zeros(2), curves={"a": [1.0, 2.0]}, ax=None, alt="a", colors=None, lines=None),
    plot.schedule: dict(schedules={"a": constant_schedule(0.1, 3)}, ax=None, alt="a"),
}  # fmt: skip


@pytest.mark.bad_input
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_an_error_names_the_argument(call, outputs):
    assert unnamed(call, CALLS[call]) == []
