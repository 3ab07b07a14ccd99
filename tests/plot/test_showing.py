"A picture carries its words, is kept as an eye sees it, and leaves no trace."

import base64
import io
import re
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_math import plot
from tests.plot.reading import SETTINGS, parts
from tests.teach.wrong import unnamed


def drawn(fig):
    "The pixels of a figure, as matplotlib draws them into the file."
    file = io.BytesIO()
    with plot.style():
        fig.savefig(file, format="png", dpi=192)
    return np.asarray(Image.open(file).convert("RGB")).astype(int)


def test_a_figure_becomes_an_image_with_its_words(outputs):
    fig, ax = plot.figure(width=5.0, height=2.0)
    ax.plot([0, 1])
    plot.show(fig, 'a line\n  from "0" to <1> & back')
    (bundle,) = outputs
    assert set(bundle) == {"text/html", "text/plain"}
    alt, picture, width = parts(bundle)
    assert alt == bundle["text/plain"] == 'a line from "0" to <1> & back'
    assert width == 480 and picture.shape == (384, 960, 3)
    assert (picture[0, 0] == 255).all()  # white, whatever the page's theme


@pytest.mark.parametrize("alt", ["", "  \n "])
def test_a_picture_without_words_is_refused(alt, outputs):
    fig, _ = plot.figure()
    with pytest.raises(ValueError, match="alt must say"):
        plot.show(fig, alt)
    with pytest.raises(ValueError, match="alt must say"):
        plot.images([torch.zeros(4, 4)], alt=alt)
    assert outputs == []


def test_outside_a_notebook_the_words_are_printed(capsys):
    plot.show(plot.figure()[0], "two axes")
    plot.images(torch.zeros(2, 1, 4, 4))
    assert capsys.readouterr().out == "two axes\n2 images\n"


def test_without_ipython_the_words_are_printed(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    plot.show(plot.figure()[0], "an empty frame")
    assert capsys.readouterr().out == "an empty frame\n"


def test_a_live_picture_stays_in_its_place(monkeypatch):
    import IPython
    import IPython.display

    published = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    record = lambda bundle, **where: published.append((bundle, dict(where)))
    monkeypatch.setattr(IPython.display, "publish_display_data", record)
    one, other = plot.Live(), plot.Live()
    for done in (0.0, 0.5, 1.0):
        one.show(plot.figure()[0], "a curve", done, "<so> far")
    other.show(plot.figure()[0], "another")
    ids = [where["transient"]["display_id"] for _, where in published]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert [where.get("update", False) for _, where in published] == [False, True, True, False]
    assert '<progress value="0.5" max="1"' in published[1][0]["text/html"]
    assert (
        "&lt;so&gt; far" in published[1][0]["text/html"]
        and "<progress" not in published[3][0]["text/html"]
    )
    assert published[0][0]["text/plain"] == "a curve"
    with pytest.raises(ValueError, match=r"done must lie in \[0, 1\], got 1.5"):
        one.show(plot.figure()[0], "a curve", 1.5)
    with pytest.raises(ValueError, match="alt must say"):
        one.show(plot.figure()[0], " ")


def wave(k, width=3.0):
    "A figure with a line as long as k."
    fig, ax = plot.figure(width=width, height=1.5)
    ax.plot([0, k], [0, 1], color=plot.PALETTE["q"])
    ax.set(xlim=(0, 9), ylim=(0, 1), title="one" * k)
    return fig


def test_a_film_holds_each_picture_in_its_turn(outputs):
    plot.film((wave(k) for k in (1, 5, 9)), "a line\n that <grows>", seconds=0.1, hold=1.5)
    (bundle,) = outputs
    assert bundle["text/plain"] == "a line that <grows>"
    found = re.fullmatch(
        r"<details open><summary>[^<]+</summary>(<img .*>)</details>", bundle["text/html"]
    )
    alt, first, width = parts({"text/html": found[1]})
    assert alt == "a line that <grows>" and width == 288
    film = Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", found[1])[1])))
    assert film.n_frames == 3 and film.info["loop"] == 0  # over and over
    frames, times = [], []
    for k in range(3):
        film.seek(k)
        film.load()
        frames.append(np.asarray(film.convert("RGB")).astype(int))
        times.append(film.info["duration"])
    assert times == [1500, 100, 1500]
    ink = lambda frame: (frame[..., 0] - frame[..., 2] > 100).any(0).nonzero()[0]
    assert np.array_equal(frames[0], first)
    ends = [ink(frame).max() / frame.shape[1] for frame in frames]
    assert ends[0] < 0.3 < ends[1] < 0.7 < ends[2]
    assert len({ink(frame).min() for frame in frames}) == 1  # the axes stay where they are


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "figs, error, words",
    [
        (lambda: [wave(1)], ValueError, "figs must be two figures or more"),
        (lambda: [wave(1), wave(2, width=4.0)], ValueError, "all of one size, got 2 of 2 sizes"),
        (lambda: [wave(1), 3], TypeError, "figs: each must be a figure of matplotlib's"),
        (lambda: 7, TypeError, "figs must be a list of figures"),
    ],
)
def test_what_is_no_film(figs, error, words, outputs):
    with pytest.raises(error, match=words):
        plot.film(figs(), "a line")
    with pytest.raises(ValueError, match="alt must say"):
        plot.film([wave(1), wave(2)], " ")
    with pytest.raises(ValueError, match="seconds must"):
        plot.film([wave(1), wave(2)], "a line", seconds=0)
    assert outputs == []


@pytest.mark.parametrize("inside", [False, True])
def test_no_figure_is_left_open(inside, monkeypatch, capsys):
    if inside:
        import IPython
        import IPython.display

        monkeypatch.setattr(IPython, "get_ipython", lambda: object())
        monkeypatch.setattr(IPython.display, "publish_display_data", lambda bundle: 1 / 0)
    before = plt.get_fignums()
    fig, _ = plt.subplots()
    assert plt.get_fignums() != before
    if inside:
        with pytest.raises(ZeroDivisionError):  # not even when the notebook refuses it
            plot.show(fig, "mine")
    else:
        plot.show(fig, "mine")
    plot.figure()
    plot.density(torch.arange(3.0), {"q": torch.ones(3)})
    assert plt.get_fignums() == before


def test_matplotlibs_settings_stay_as_they_were(outputs):
    plot.images([torch.zeros(4, 4)], titles=["$x_0$"])
    plot.strip([torch.zeros(4, 4)] * 2, arrows=["q"])
    plot.show(plot.density(torch.arange(3.0), {"q": torch.ones(3)}).figure, "flat")
    plot.show(plot.points(torch.zeros(3, 2)).figure, "a dot")
    assert dict(matplotlib.rcParams) == SETTINGS
    with plot.style():
        assert not matplotlib.rcParams["axes.spines.top"]
    assert dict(matplotlib.rcParams) == SETTINGS


def test_the_same_picture_is_the_same_bytes(outputs):
    for _ in range(2):
        plot.images(torch.linspace(-1, 1, 784).view(1, 1, 28, 28), titles=["$x_0$"])
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("many", [False, True])
def test_a_picture_is_kept_to_two_of_255_levels(many, outputs):
    fig, ax = plot.figure(width=3.0, height=2.0)
    if many:  # a heat map, with transparent lines over it
        ax.imshow(np.random.default_rng(0).random((30, 40)), cmap="viridis")
        ax.plot([0, 39], [0, 29], color=plot.PALETTE["q"], alpha=0.4)
    else:
        ax.set_axis_off()
        ax.imshow(np.arange(12).reshape(3, 4), cmap="gray")
    drawn(fig)  # the first time the layout still moves a little
    want = drawn(fig)
    assert (len(np.unique(want.reshape(-1, 3), axis=0)) > 256) == many
    plot.show(fig, "a picture")
    kept = parts(outputs[0])[1]
    assert np.abs(kept - want).max() <= 2 and np.array_equal(
        kept[want % 5 == 0], want[want % 5 == 0]
    )


CALLS = {
    plot.show: dict(fig=plot.figure()[0], alt="a"),
}  # fmt: skip


@pytest.mark.bad_input
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_an_error_names_the_argument(call, outputs):
    assert unnamed(call, CALLS[call]) == []
