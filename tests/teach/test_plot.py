"Pictures carry words, leave no trace, refuse what is not a picture; the checks pass what is equal and nothing else."

import base64
import html
import io
import math
import re
import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from diffusion_math import constant_schedule
from diffusion_math.teach import plot
from diffusion_math.teach.plot import (
    PALETTE,
    Board,
    Live,
    agree,
    agree_mc,
    figure,
    mean_and_stderr,
    plot_bars,
    plot_contours,
    plot_curves,
    plot_density,
    plot_field,
    plot_heat,
    plot_histograms,
    plot_marks,
    plot_paths,
    plot_points,
    plot_ruler,
    plot_schedule,
    shades,
    show,
    show_film,
    show_images,
    show_points,
    show_rows,
    show_strip,
    style,
)

SETTINGS = dict(matplotlib.rcParams)  # before any picture is drawn


@pytest.fixture
def outputs(monkeypatch):
    "What a notebook would be given to display: a list of mime bundles."
    import IPython
    import IPython.display

    bundles = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(IPython.display, "publish_display_data", bundles.append)
    return bundles


def parts(bundle):
    "The text alternative, the picture and the width on the page of one output."
    found = re.fullmatch(
        r'<img alt="([^"<>]*)" src="data:image/(png|webp);base64,([A-Za-z0-9+/=]+)" width="(\d+)"'
        r' style="max-width:100%;box-sizing:border-box;padding:8px;border-radius:8px;background:#fff">',
        bundle["text/html"],
    )
    assert found, bundle["text/html"][:200]
    picture = Image.open(io.BytesIO(base64.b64decode(found[3])))
    assert picture.format == found[2].upper()
    width = int(found[4]) - 16  # less the margin of its sheet
    return html.unescape(found[1]), np.asarray(picture.convert("RGB")).astype(int), width


def drawn(fig):
    "The pixels of a figure, as matplotlib draws them into the file."
    file = io.BytesIO()
    with style():
        fig.savefig(file, format="png", dpi=192)
    return np.asarray(Image.open(file).convert("RGB")).astype(int)


def rgb(color):
    "A colour of the palette or of matplotlib's, as three numbers."
    return matplotlib.colors.to_rgb(PALETTE.get(color, color))


def levels(picture):
    "The grey levels that cover a whole picture, unlike those of a frame."
    grey = picture[(picture.max(-1) == picture.min(-1))][:, 0]
    values, counts = np.unique(grey, return_counts=True)
    return set(values[counts > 20_000])


# ---------------------------------------------------------------- showing


def test_a_figure_becomes_an_image_with_its_words(outputs):
    fig, ax = figure(width=5.0, height=2.0)
    ax.plot([0, 1])
    show(fig, 'a line\n  from "0" to <1> & back')
    (bundle,) = outputs
    assert set(bundle) == {"text/html", "text/plain"}
    alt, picture, width = parts(bundle)
    assert alt == bundle["text/plain"] == 'a line from "0" to <1> & back'
    assert width == 480 and picture.shape == (384, 960, 3)
    assert (picture[0, 0] == 255).all()  # white, whatever the page's theme


@pytest.mark.parametrize("alt", ["", "  \n "])
def test_a_picture_without_words_is_refused(alt, outputs):
    fig, _ = figure()
    with pytest.raises(ValueError, match="alt must say"):
        show(fig, alt)
    with pytest.raises(ValueError, match="alt must say"):
        show_images([torch.zeros(4, 4)], alt=alt)
    assert outputs == []


def test_outside_a_notebook_the_words_are_printed(capsys):
    show(figure()[0], "two axes")
    show_images(torch.zeros(2, 1, 4, 4))
    assert capsys.readouterr().out == "two axes\n2 images\n"


def test_without_ipython_the_words_are_printed(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    show(figure()[0], "an empty frame")
    assert capsys.readouterr().out == "an empty frame\n"


def test_a_live_picture_stays_in_its_place(monkeypatch):
    import IPython
    import IPython.display

    published = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    record = lambda bundle, **where: published.append((bundle, dict(where)))
    monkeypatch.setattr(IPython.display, "publish_display_data", record)
    one, other = Live(), Live()
    for done in (0.0, 0.5, 1.0):
        one.show(figure()[0], "a curve", done, "<so> far")
    other.show(figure()[0], "another")
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
        one.show(figure()[0], "a curve", 1.5)
    with pytest.raises(ValueError, match="alt must say"):
        one.show(figure()[0], " ")


def wave(k, width=3.0):
    "A figure with a line as long as k."
    fig, ax = figure(width=width, height=1.5)
    ax.plot([0, k], [0, 1], color=PALETTE["q"])
    ax.set(xlim=(0, 9), ylim=(0, 1), title="one" * k)
    return fig


def test_a_film_holds_each_picture_in_its_turn(outputs):
    show_film((wave(k) for k in (1, 5, 9)), "a line\n that <grows>", seconds=0.1, hold=1.5)
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
        show_film(figs(), "a line")
    with pytest.raises(ValueError, match="alt must say"):
        show_film([wave(1), wave(2)], " ")
    with pytest.raises(ValueError, match="seconds must"):
        show_film([wave(1), wave(2)], "a line", seconds=0)
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
            show(fig, "mine")
    else:
        show(fig, "mine")
    figure()
    plot_density(torch.arange(3.0), {"q": torch.ones(3)})
    assert plt.get_fignums() == before


def test_matplotlibs_settings_stay_as_they_were(outputs):
    show_images([torch.zeros(4, 4)], titles=["$x_0$"])
    show_strip([torch.zeros(4, 4)] * 2, arrows=["q"])
    show(plot_density(torch.arange(3.0), {"q": torch.ones(3)}).figure, "flat")
    show(plot_points(torch.zeros(3, 2)).figure, "a dot")
    assert dict(matplotlib.rcParams) == SETTINGS
    with style():
        assert not matplotlib.rcParams["axes.spines.top"]
    assert dict(matplotlib.rcParams) == SETTINGS


def test_importing_loads_no_matplotlib():
    code = "import sys, diffusion_math.teach.plot; assert not {'matplotlib', 'IPython', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_same_picture_is_the_same_bytes(outputs):
    for _ in range(2):
        show_images(torch.linspace(-1, 1, 784).view(1, 1, 28, 28), titles=["$x_0$"])
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("many", [False, True])
def test_a_picture_is_kept_to_the_pixel(many, outputs):
    fig, ax = figure(width=3.0, height=2.0)
    if many:  # a heat map, with transparent lines over it
        ax.imshow(np.random.default_rng(0).random((30, 40)), cmap="viridis")
        ax.plot([0, 39], [0, 29], color=PALETTE["q"], alpha=0.4)
    else:
        ax.set_axis_off()
        ax.imshow(np.arange(12).reshape(3, 4), cmap="gray")
    drawn(fig)  # the first time the layout still moves a little
    want = drawn(fig)
    assert (len(np.unique(want.reshape(-1, 3), axis=0)) > 256) == many
    show(fig, "a picture")
    assert ("image/webp" if many else "image/png") in outputs[0]["text/html"]
    assert np.array_equal(parts(outputs[0])[1], want)


def test_a_colour_bar_has_no_steps(outputs):
    plot_heat(torch.linspace(0, 1, 400).view(20, 20), bar="height", color="q", alt="a table")
    picture = parts(outputs[0])[1]
    bar = picture[:, -150:]  # the right end of the picture: the bar, its ticks and its name
    column = bar[:, np.argmax((bar.max(-1) - bar.min(-1) > 20).sum(0))]
    green = column[(column.max(-1) - column.min(-1) > 20)][2:-2, 1]
    assert (
        np.diff(green) >= 0
    ).all()  # from vermilion at the top to white: no darker step on the way
    assert np.diff(green).max() <= 2 and green[0] < 110 and green[-1] > 230


def test_a_diverging_colour_bar_keeps_its_colours(outputs):
    plot_heat(torch.linspace(-1, 1, 100).view(10, 10), bar="C", limits=(-1, 1), alt="a table")
    assert len(np.unique(parts(outputs[0])[1].reshape(-1, 3), axis=0)) > 256


def test_values_become_grey_levels(outputs):
    show_images([torch.full((28, 28), v) for v in (-1.0, 0.0, 1.0, -7.0, 7.0)])
    assert levels(parts(outputs[0])[1]) == {0, 128, 255}
    show_images([torch.full((28, 28), v) for v in (0.0, 0.2, 1.0)], value_range=(0, 1))
    assert levels(parts(outputs[1])[1]) == {0, 51, 255}


def test_each_pixel_is_a_sharp_square(outputs):
    checkers = (torch.arange(28)[:, None] + torch.arange(28)) % 2 * 2.0 - 1
    show_images([checkers])
    picture = parts(outputs[0])[1]
    middle, side = picture.shape[0] // 2, 7  # 196 pixels for 28
    inside = picture[
        middle - 91 : middle + 91, middle - 91 : middle + 91
    ]  # without the frame's pixels
    want = (255 * (checkers[1:-1, 1:-1] + 1) / 2).long().numpy().repeat(side, 0).repeat(side, 1)
    assert (inside == want[..., None]).all()


def test_colour_is_colour(outputs):
    red = torch.tensor([1.0, -1.0, -1.0]).view(3, 1, 1).expand(3, 8, 8)
    show_images([red], alt="red")
    picture = parts(outputs[0])[1]
    assert ((picture == [255, 0, 0]).all(-1)).mean() > 0.5


@pytest.mark.parametrize(
    "images, n",
    [
        (torch.zeros(3, 1, 8, 8), 3),
        (torch.zeros(3, 3, 8, 8), 3),
        (torch.zeros(1, 8, 8), 1),
        (torch.zeros(8, 8), 1),
        (torch.zeros(3, 8, 8), 1),
        ([torch.zeros(8, 8), torch.zeros(1, 8, 8), torch.zeros(1, 1, 8, 8)], 3),
        ([torch.zeros(8, 4), torch.zeros(300, 300)], 2),
        (torch.zeros(2, 1, 8, 8, dtype=torch.bfloat16), 2),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), 2),
        (torch.zeros(2, 1, 8, 8, requires_grad=True), 2),
    ],
)
def test_what_counts_as_images(images, n, outputs):
    show_images(images)
    assert parts(outputs[0])[0] == f"{n} image{'s' * (n > 1)}"


def test_the_words_come_from_the_titles(outputs):
    x = torch.zeros(8, 8)
    show_images([x, x, x], titles=["$x_0$", r"$\bar{x}$,\nblurred".replace(r"\n", "\n"), ""])
    show_images([x, x], titles=["a", "b"], alt="two black squares")
    show_strip([x, None, x], labels=["$x_0$", "", "$x_T$"], arrows=["$q(x_1|x_0)$", ""])
    show_strip([x, x])
    assert [parts(o)[0] for o in outputs] == [
        "3 images: x_0, barx, blurred",
        "two black squares",
        "A row of 3 images: x_0, arrow q(x_1|x_0), more, arrow, x_T",
        "A row of 2 images: an image, an image",
    ]


def test_columns_and_long_titles_make_room(outputs):
    x = torch.zeros(28, 28)
    show_images([x] * 6, cols=3)
    show_images([x] * 6, cols=2)
    show_images([x] * 2, titles=["short", "a title that is much wider than its picture"])
    show_images([x] * 2, titles=["short", "short"])
    show_images([x] * 200)
    widths, heights = zip(*[(parts(o)[2], parts(o)[1].shape[0]) for o in outputs], strict=True)
    assert widths[0] > widths[1] and heights[0] < heights[1] and widths[2] > 1.5 * widths[3]
    assert widths[4] <= 700


def test_arrows_have_the_processes_colours(outputs):
    x = torch.zeros(28, 28)
    for backward in (False, True):
        show_strip([x, x], arrows=["q"], backward=backward)
    for output, name, tip in zip(outputs, ("q", "p"), ("right", "left"), strict=True):
        picture = parts(output)[1]
        hit = (picture == np.round(255 * np.array(matplotlib.colors.to_rgb(PALETTE[name])))).all(-1)
        cols = np.where(hit.any(0))[0]
        row = hit[
            np.argmax(hit.sum(1)) - 4 : np.argmax(hit.sum(1)) + 5
        ]  # the shaft, not the letter above it
        thick = row.sum(0)[cols]
        assert (np.argmax(thick) > len(cols) / 2) == (tip == "right")


def test_a_long_strip_fits_the_page(outputs):
    show_strip(torch.zeros(11, 1, 28, 28), labels=[str(i) for i in range(11)])
    assert parts(outputs[0])[2] <= 720
    assert len(outputs[0]["text/html"]) < 80_000


def test_rows_of_images(outputs):
    white, black = torch.ones(28, 28), -torch.ones(28, 28)
    show_rows({"$x_t$": [black, white, black], "guess": [None, white]})
    show_rows({"$x_t$": [black, white, black]}, columns=["t = 1", "t = 2", "t = 3"], alt="one row")
    show_rows({"": torch.zeros(3, 1, 28, 28)}, size=0.5)
    both, one, bare = (parts(o) for o in outputs)
    assert both[0] == "2 rows of images: x_t, guess" and one[0] == "one row"
    assert both[1].shape[0] > 1.5 * one[1].shape[0] and both[2] > bare[2] == 154
    dark = (both[1] == 0).all(-1)
    h, w = dark.shape
    assert dark[h // 4, w // 3] and dark[h // 4, -60] and not dark[h // 2 :].sum() > 1000


def test_many_images_in_a_row_fit_the_page(outputs):
    show_rows({"a name": torch.zeros(12, 1, 28, 28), "another name": torch.zeros(12, 1, 28, 28)})
    assert parts(outputs[0])[2] <= 720


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: show_rows({}), ValueError, "rows must hold at least one row"),
        (lambda x: show_rows({"a": [None]}), ValueError, r"rows\['a'\] must hold at least one"),
        (
            lambda x: show_rows({"a": [x], "b": [x, x / 0 * 0]}),
            ValueError,
            r"rows\['b'\]\[1\] holds NaN in 16",
        ),
        (
            lambda x: show_rows({"a": [x, x]}, columns=["1"]),
            ValueError,
            "columns must hold 2 texts, got 1",
        ),
        (lambda x: show_images([]), ValueError, "at least one image"),
        (lambda x: show_strip([None]), ValueError, "at least one image"),
        (
            lambda x: show_images([x, torch.zeros(2, 1, 4, 4)]),
            ValueError,
            r"images\[1\] must be one image.*\(2, 1, 4, 4\)",
        ),
        (lambda x: show_images(torch.zeros(2, 4, 4)), ValueError, r"got shape \(2, 4, 4\)"),
        (lambda x: show_images(torch.zeros(1, 1, 0, 4)), ValueError, "must be one image"),
        (
            lambda x: show_images([x, x / 0 * 0]),
            ValueError,
            r"images\[1\] holds NaN in 16 of its 16",
        ),
        (lambda x: show_images([[[0.0]]]), TypeError, r"images\[0\] must be a tensor, got list"),
        (
            lambda x: show_images([x], titles=["a", "b"]),
            ValueError,
            "titles must hold 1 texts, got 2",
        ),
        (lambda x: show_images([x], titles="a"), TypeError, "titles must be a list of 1 texts"),
        (lambda x: show_images([x], value_range=(1, -1)), ValueError, "low < high"),
        (lambda x: show_images([x], cols=0), ValueError, "cols must be 1 or more, got 0"),
        (
            lambda x: show_strip([x, x], arrows=["a", "b"]),
            ValueError,
            "arrows must hold 1 texts, got 2",
        ),
        (lambda x: show_strip([x, x], labels=["a"]), ValueError, "labels must hold 2 texts, got 1"),
    ],
)
def test_what_is_not_a_picture(call, error, words, outputs):
    with pytest.raises(error, match=words):
        call(torch.zeros(4, 4))
    assert outputs == []


# ---------------------------------------------------------------- curves and points


def test_density_curves_have_their_colours():
    x = torch.linspace(-3, 3, 50)
    ax = plot_density(
        x, {"data": x**2, "truth": x**2 + 1, "other": x**2 + 2}, title="t", xlabel="a", ylabel="b"
    )
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert list(lines) == ["data", "truth", "other"]
    assert lines["data"].get_color() == PALETTE["data"] and lines["data"].get_linestyle() == "-"
    assert lines["truth"].get_color() == PALETTE["truth"] and lines["truth"].get_linestyle() == "--"
    assert lines["other"].get_color() not in (PALETTE["data"], PALETTE["truth"])
    assert np.array_equal(lines["other"].get_ydata(), (x**2 + 2).double().numpy())
    assert len(ax.collections) == 2  # shaded: all but the truth
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("t", "a", "b")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == list(lines)


def test_density_on_given_axes_and_colours():
    _, (left, right) = figure(cols=2)
    x = torch.linspace(0, 1, 5, requires_grad=True)
    assert plot_density(x, {"a": x, "b": 2 * x}, left, colors=["p", "red"], fill=False) is left
    assert plot_density(x, {"a": x, "b": 2 * x}, right, colors={"b": "q", "a": "noise"}) is right
    assert [line.get_color() for line in left.get_lines()] == [
        PALETTE["p"],
        "red",
    ] and not left.collections
    assert [line.get_color() for line in right.get_lines()] == [PALETTE["noise"], PALETTE["q"]]
    assert plot_density(x, {"": x}).get_legend() is None


def test_many_curves_have_a_colour_each():
    x = torch.linspace(0, 1, 5)
    ax = plot_density(x, {f"curve {i}": x + i for i in range(5)})
    assert len({line.get_color() for line in ax.get_lines()}) == 5


def test_schedule_curves():
    t = torch.linspace(0, 1, 5001, dtype=torch.float64)
    long = SimpleNamespace(T=5000, alpha_bar=1 - t, noise_var=t)
    short = SimpleNamespace(
        T=2, alpha_bar=torch.tensor([1.0, 0.25, 0.0]), noise_var=torch.tensor([0.0, 0.75, 1.0])
    )
    a, b, c, d = plot_schedule({"long": long, "short": short}).get_lines()
    assert [line.get_color() for line in (a, b, c, d)] == [PALETTE["data"], PALETTE["noise"]] * 2
    assert [line.get_linestyle() for line in (a, b, c, d)] == ["-", "-", "--", "--"]
    assert np.allclose(c.get_ydata(), [1, 0.5, 0]) and np.allclose(d.get_ydata(), [0, 0.75**0.5, 1])
    assert np.allclose(c.get_xdata(), [0, 0.5, 1])
    assert len(a.get_xdata()) == 1001 and np.allclose(a.get_ydata() ** 2, 1 - a.get_xdata())
    assert np.allclose(b.get_ydata() ** 2, b.get_xdata())


def test_points():
    x = torch.randn(7, 2)
    ax = plot_points(x, color="noise", label="noise")
    (dots,) = ax.collections
    assert np.array_equal(dots.get_offsets(), x.double().numpy()) and ax.get_aspect() == 1
    assert np.allclose(dots.get_facecolor()[0, :3], matplotlib.colors.to_rgb(PALETTE["noise"]))
    few, many = (plot_points(torch.zeros(n, 2)).collections[0].get_sizes()[0] for n in (10, 10_000))
    assert few > many > 0


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, error, words",
    [
        (
            lambda x: plot_density(x, {"q": x[1:]}),
            ValueError,
            r"curves\['q'\] must be \(n,\) like x, got \(4,\)",
        ),
        (lambda x: plot_density(x[None], {"q": x[None]}), ValueError, r"must be \(n,\)"),
        (lambda x: plot_density(x, {"q": x}, colors=["p", "q"]), ValueError, "one colour for each"),
        (
            lambda x: plot_density(x, {"q": x}, colors={"p": "q"}),
            ValueError,
            r"must have the keys \['q'\]",
        ),
        (lambda x: plot_density(x, {"q": x}, colors="red"), TypeError, "a list or a dict"),
        (lambda x: plot_points(x), ValueError, r"x must be \(n, 2\), got \(5,\)"),
        (
            lambda x: plot_points(torch.tensor([[0, math.inf], [0, 0]])),
            ValueError,
            "got 1 points of 2",
        ),
        (
            lambda x: plot_schedule({"s": SimpleNamespace(T=5, alpha_bar=x, noise_var=x)}),
            ValueError,
            "6 entries, got 5",
        ),
    ],
)
def test_what_cannot_be_drawn(call, error, words):
    with pytest.raises(error, match=words):
        call(torch.linspace(0, 1, 5))


# ---------------------------------------------------------------- the other pictures


def labels(ax):
    "What the legend of the axes says."
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_every_picture_is_shown_with_its_words_or_drawn_on(outputs):
    x, plane = torch.linspace(0, 1, 5), torch.rand(6, 2)
    schedule = SimpleNamespace(T=2, alpha_bar=torch.ones(3), noise_var=torch.zeros(3))
    calls = [
        lambda **k: plot_curves(x, {"a": x}, **k),
        lambda **k: plot_density(x, {"a": x}, **k),
        lambda **k: plot_schedule({"s": schedule}, **k),
        lambda **k: plot_histograms({"a": x}, **k),
        lambda **k: plot_bars(["u", "v"], {"a": [1, 2]}, **k),
        lambda **k: plot_ruler({"a": 1.0}, **k),
        lambda **k: plot_marks({"here": 0.5}, **k),
        lambda **k: plot_points(plane, **k),
        lambda **k: plot_paths(torch.rand(4, 3, 2), **k),
        lambda **k: plot_contours(lambda z: -z.square().sum(1), **k),
        lambda **k: plot_field(plane, plane, **k),
        lambda **k: plot_heat(torch.rand(2, 3), **k),
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


def test_shades():
    one, two, three = shades("q", 3)
    assert three == PALETTE["q"].lower() and shades("q", 1) == [three]
    assert sum(rgb(one)) > sum(rgb(two)) > sum(rgb(three)) and shades("red", 2)[1] == "#ff0000"


def test_curves_of_all_kinds():
    x = torch.linspace(1, 3, 4)
    many = torch.stack([x, 2 * x], 1)
    curves = {"a": x.numpy(), "walks": many, "own": ([0.0, 1.0], [5.0, 6.0]), "truth": 2.5}
    ax = plot_curves(x, curves, colors=["q", "noise", "p", "truth"], lines={"own": "s-"})
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert labels(ax) == ["a", "walks", "own", "truth"] and len(ax.get_lines()) == 5
    assert [lines[k].get_color() for k in curves] == [
        PALETTE[k] for k in ("q", "noise", "p", "truth")
    ]
    assert [lines[k].get_linestyle() for k in curves] == ["-", "-", "-", "--"]
    assert lines["own"].get_marker() == "s" and lines["own"].get_xdata().tolist() == [0, 1]
    assert lines["truth"].get_ydata() == [2.5, 2.5] and lines["truth"].get_xdata() == [0, 1]
    assert lines["walks"].get_linewidth() < 1 < lines["a"].get_linewidth()
    assert ax.get_xlim()[0] < 0  # the mark at 0 isn't cut
    assert plot_curves(x, {"a": x}).get_xlim() == (1, 3)
    (dot,) = plot_curves(None, {"top": (torch.tensor(1.0), 2.0)}, lines="o").get_lines()
    assert dot.get_marker() == "o" and dot.get_linestyle() == "None"
    assert (dot.get_xdata().tolist(), dot.get_ydata().tolist()) == ([1], [2])


@pytest.mark.parametrize(
    "line, stroke, mark",
    [
        ("-", "-", "None"),
        ("--o", "--", "o"),
        ("o-.", "-.", "o"),
        (":", ":", "None"),
        ("|", "None", "|"),
    ],
)
def test_kinds_of_lines(line, stroke, mark):
    x = torch.arange(3.0)
    (curve,) = plot_curves(x, {"a": x}, lines=line).get_lines()
    assert (curve.get_linestyle(), curve.get_marker()) == (stroke, mark)
    (level,) = plot_curves(x, {"a": 1.0}, lines=line).get_lines()
    assert level.get_linestyle() == (stroke if stroke != "None" else "-")


def test_black_is_dashed_whatever_its_name():
    x = torch.arange(3.0)
    (line,) = plot_density(x, {"N(0, 1)": x}, colors=["truth"]).get_lines()
    assert line.get_linestyle() == "--" and not line.axes.collections
    (line,) = plot_density(x, {"N(0, 1)": x}, colors=["truth"], lines="-").get_lines()
    assert line.get_linestyle() == "-"


def test_error_bars_and_areas():
    x = torch.arange(1.0, 4.0)
    ax = plot_curves(x, {"a": x, "b": 2 * x}, errors={"b": [0.5, 0.5, 1.0]}, fill=True)
    bars = ax.containers[0].lines[2][0].get_segments()
    assert [segment[:, 1].tolist() for segment in bars] == [[1.5, 2.5], [3.5, 4.5], [5.0, 7.0]]
    assert len(ax.collections) == 3  # the bars, and the areas of both


def test_legends_have_their_places():
    x = torch.arange(3.0)
    above = plot_curves(x, {"a": x, "b": x}, legend="above").get_legend()
    assert above._ncols == 2 and above._loc == 8  # lower center
    assert plot_curves(x, {"a": x}, legend="beside").get_legend()._loc == 2
    assert plot_curves(x, {"a": x}, legend="lower left").get_legend()._loc == 3
    assert plot_curves(x, {"a": x}, legend=False).get_legend() is None
    assert plot_curves(x, {"a": x}, legend=None).get_legend() is None
    ax = plot_curves(x, {"a": x})
    assert not ax.get_legend().get_frame_on()
    assert plot_curves(x, {"b": x}, ax=ax, legend=False).get_legend() is None


def test_histograms_share_their_bins():
    a, b = torch.tensor([[0.0, 1.0], [1.0, 4.0]]), np.array([2.0, 3.0])
    ax = plot_histograms({"data": a, "p": b}, bins=4, density=False)
    first, second = ax.containers
    assert [bar.get_height() for bar in first] == [1, 2, 0, 1]
    assert [bar.get_height() for bar in second] == [0, 0, 1, 1]
    assert first[0].get_facecolor() == (*rgb("data"), 0.5) and labels(ax) == ["data", "p"]
    assert ax.get_ylabel() == "how many"


def test_a_histogram_counts_what_it_does_not_show():
    draws = torch.tensor([0.25, 0.75, 5.0, 9.0])
    ax = plot_histograms({"a": draws}, bins=2, xlim=(0, 1))
    assert [bar.get_height() for bar in ax.containers[0]] == [0.5, 0.5] and ax.get_xlim() == (0, 1)
    equal = plot_histograms({"a": torch.ones(3)}, bins=10)
    assert sum(bar.get_height() * bar.get_width() for bar in equal.containers[0]) == pytest.approx(
        1
    )


def test_bars_stand_side_by_side():
    ax = plot_bars(
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
    plot_curves([0.2, 0.8], {"level": 1.0, "line": [1.0, 2.0]}, ax=ax)
    assert ax.get_xlim() == (left, right)  # the bars keep their room
    (bars,) = plot_bars(torch.tensor([0.0, 0.5, 1.0]), {"a": [1, 1, 1]}).containers
    assert bars[1].get_x() + bars[1].get_width() / 2 == pytest.approx(0.5)
    assert bars[1].get_width() == pytest.approx(0.4)


def test_a_ruler_lays_parts_end_to_end():
    account = SimpleNamespace(entropy=0.5, model_error=0.2, gap=0.1, bound=0.85)
    ax = plot_ruler({"exact": account, "wrong": {"entropy": 0.5, "gap": 0.7}})
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
    assert labels(plot_ruler({"a": {"u": 1.0, "v": 2.0}})) == ["u", "v", "sum"]


def test_a_ruler_of_numbers_has_a_colour_a_row():
    ax = plot_ruler({"counts": 2.0, "net": -1.5}, colors=["noise", "p"], errors={"net": 0.5})
    assert [bar.get_facecolor()[:3] for bar in ax.patches] == [rgb("noise"), rgb("p")]
    assert [text.get_text() for text in ax.texts] == ["2.000", "\u22121.500"]
    assert ax.get_legend() is None and len(ax.containers) == 2  # bars, one whisker


def test_marks_are_named_at_their_heads():
    ax = plot_marks({"left": 1.0, "right": 2.0}, color="accent")
    left, right = ax.get_lines()
    assert left.get_color() == PALETTE["accent"] and left.get_ydata()[1] > right.get_ydata()[1]
    assert [(text.get_text(), text.xy[0]) for text in ax.texts] == [("left", 1.0), ("right", 2.0)]


def test_panels_of_points_have_one_scale(outputs, monkeypatch):
    figures = []
    monkeypatch.setattr(
        "diffusion_math.teach.plot.show", lambda fig, alt: figures.append((fig, alt))
    )
    show_points({"data": torch.rand(5, 2), "after 5": 9 * torch.rand(7, 2)}, "two clouds", size=3)
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
    monkeypatch.setattr("diffusion_math.teach.plot.show", lambda fig, alt: figures.append(fig))
    show_points({f"panel {i}": torch.randn(50, 2) for i in range(n)}, "clouds", **look)
    (fig,) = figures
    with style():
        fig.draw_without_rendering()
    for ax in fig.axes:
        for text in (ax.title, ax.xaxis.label):
            box = text.get_window_extent()
            assert box.y0 >= 0 and box.y1 <= fig.bbox.y1


def test_paths_begin_with_a_dot():
    paths = torch.rand(4, 3, 2, requires_grad=True)
    lines = plot_paths(paths, color="p").get_lines()
    assert len(lines) == 4 and {line.get_color() for line in lines} == {PALETTE["p"]}
    for i, line in enumerate(lines[:3]):
        assert np.allclose(np.stack(line.get_data(), 1), paths[:, i].detach())
    assert lines[3].get_marker() == "o" and np.allclose(
        np.stack(lines[3].get_data(), 1), paths[0].detach()
    )


@pytest.mark.parametrize("fill", [False, True])
def test_contours_lie_at_standard_deviations(fill):
    log_prob = lambda z: -(z[:, 0] ** 2 + (z[:, 1] / 0.5) ** 2) / 2
    ax = plot_contours(log_prob, span=3.0, color="q", fill=fill)
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
    (field,) = plot_field(x, arrows, color="p").collections
    assert np.allclose(field.U, arrows[:, 0].sqrt() / 8**0.5) and np.allclose(field.V, 0)
    assert np.array_equal(field.XY, x) and np.allclose(field.get_facecolor()[0, :3], rgb("p"))


def test_arrows_of_one_length_are_coloured_by_theirs():
    x, fig = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), figure(1, 2)[0]
    for ax, bar in zip(fig.axes, (None, "length"), strict=True):
        plot_field(x, torch.tensor([[0.0, 3.0], [0.3, 0.4]]), ax=ax, lengths=(0.1, 10), bar=bar)
    first, second, bar = fig.axes
    (field,) = first.collections
    assert np.allclose(np.hypot(field.U, field.V), 2) and np.allclose(field.get_array(), [3, 0.5])
    assert field.get_clim() == (0.1, 10) and bar.get_ylabel() == "length"
    fig.draw_without_rendering()
    assert first.get_position().width == pytest.approx(second.get_position().width)


def test_heat_maps():
    table = torch.tensor([[-1.0, 0.0, 1.0], [0.0, 0.5, 2.0]])
    shown = plot_heat(table, limits=(-2, 2)).images[0]
    assert np.array_equal(shown.get_array(), table) and shown.get_clim() == (-2, 2)
    blue, white, red = (np.array(shown.cmap(shown.norm(v))[:3]) for v in (-2, 0, 2))
    assert blue[2] > blue[0] and red[0] > red[2] and white.min() > 0.95
    assert shown.axes.get_ylim() == (1.5, -0.5) and shown.axes.get_aspect() == 1  # as it is written
    over = plot_heat(table.abs(), color="p", extent=(0, 10, -4, 4)).images[0]
    assert over.axes.get_ylim() == (-4, 4) and over.get_clim() == (0, 2)
    assert np.allclose(over.cmap(1.0)[:3], rgb("p")) and np.allclose(over.cmap(0.0)[:3], 1)
    grey = plot_heat(table, color=("black", "white")).images[0]
    assert np.allclose(grey.cmap(0.0)[:3], 0) and np.allclose(grey.cmap(1.0)[:3], 1)


def test_a_board_has_things_where_they_are_put(outputs):
    board = Board(units=(100, 50), width=8.0)
    assert tuple(board.fig.get_size_inches()) == (8, 4) and board.ax.get_xlim() == (0, 100)
    board.picture(20, 25, torch.zeros(3, 14, 28), "$x_0$", size=10)
    assert list(board.ax.images[0].get_extent()) == [15, 25, 22.5, 27.5]
    board.box(50, 25, "network", "q", width=10, height=6)
    box = board.ax.patches[0]
    assert (box.get_x(), box.get_y(), box.get_width()) == (45, 22, 10)
    assert box.get_edgecolor()[:3] == rgb("q") and min(box.get_facecolor()[:3]) > 0.85
    board.arrow((60, 20), (80, 20), "accent", label=7, bend=0.2, at=0.5)
    assert board.ax.patches[1].get_edgecolor()[:3] == rgb("accent")
    disc = board.ax.get_lines()[-1]
    assert np.allclose(disc.get_data(), [[70], [18]])  # half as far aside as the curve is pulled
    board.text(5, 40, "$q$", "p", below="(3.3)", gap=4)
    words = {text.get_text(): text for text in board.ax.texts}
    assert set(words) == {"$x_0$", "network", "7", "$q$", "(3.3)"}
    assert words["(3.3)"].get_position() == (5, 36) and words["$q$"].get_color() == PALETTE["p"]
    board.line([(0, 0), (3, 4)], "noise")
    board.dot(9, 9, "data")
    assert board.ax.get_lines()[-2].get_xdata().tolist() == [0, 3]
    board.show("a map")
    assert parts(outputs[0])[0] == "a map" and board.ax.get_ylim() == (0, 50)


def test_a_bent_arrow_goes_through_its_label():
    for bend, at in ((0.0, 0.3), (0.4, 0.5), (-0.3, 0.8)):
        board = Board(units=(100, 60), width=10.0)
        board.arrow((10, 10), (70, 40), label=1, bend=bend, at=at)
        board.fig.draw_without_rendering()
        path = board.ax.patches[0].get_path().cleaned(curves=False).interpolated(50).vertices
        disc = np.array(board.ax.get_lines()[-1].get_data())[:, 0]
        assert np.hypot(*(path - disc).T).min() < 0.5


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, error, words",
    [
        (
            lambda x: plot_curves(x, {"a": x[1:]}),
            ValueError,
            r"curves\['a'\] must be \(n,\) like x",
        ),
        (lambda x: plot_curves(x, {"a": (x, x[1:])}), ValueError, r"curves\['a'\] must be \(n,\)"),
        (lambda x: plot_curves(None, {"a": x}), ValueError, r"curves\['a'\] must be a pair"),
        (lambda x: plot_curves(x, {"a": "b"}), TypeError, r"curves\['a'\] must be a tensor"),
        (lambda x: plot_curves(x, {"a": x}, lines={"b": "-"}), ValueError, "lines must have keys"),
        (
            lambda x: plot_curves(x, {"a": x}, errors={"b": x}),
            ValueError,
            r"errors must .*got \['b'\]",
        ),
        (lambda x: plot_histograms({"a": x[:0]}), ValueError, r"samples\['a'\] must hold finite"),
        (
            lambda x: plot_histograms({"a": x / 0}),
            ValueError,
            r"samples\['a'\] must be finite, got",
        ),
        (
            lambda x: plot_bars(["u"], {"a": x}),
            ValueError,
            r"bars\['a'\] must be \(1,\) like x, got \(5,\)",
        ),
        (lambda x: plot_bars(x, {"a": x}, errors={"b": x}), ValueError, "errors must have keys"),
        (lambda x: plot_ruler({"a": "b"}), TypeError, r"rows\['a'\]"),
        (lambda x: plot_ruler({"a": 1.0}, errors={"b": 1.0}), ValueError, "errors must have keys"),
        (lambda x: plot_paths(x), ValueError, r"paths must be \(steps, n, 2\), got \(5,\)"),
        (
            lambda x: plot_contours(lambda z: z),
            ValueError,
            r"log_prob must give one number for each",
        ),
        (lambda x: plot_field(x, x), ValueError, r"x must be \(n, 2\), got \(5,\)"),
        (
            lambda x: plot_field(torch.zeros(5, 2), torch.zeros(4, 2)),
            ValueError,
            r"arrows must be \(5, 2\) like x, got \(4, 2\)",
        ),
        (
            lambda x: plot_field(torch.zeros(1, 2), torch.tensor([[math.nan, 0.0]])),
            ValueError,
            "arrows must be finite, got 1 points of 1",
        ),
        (lambda x: plot_heat(x), ValueError, r"values must be \(rows, columns\), got \(5,\)"),
    ],
)
def test_what_cannot_be_drawn_either(call, error, words):
    with pytest.raises(error, match=words):
        call(torch.linspace(0, 1, 5))


# ---------------------------------------------------------------- agree


def said(capsys):
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    "a, b, words",
    [
        (1.0, 1.0, "exactly equal"),
        (torch.tensor(2.0), 2, "exactly equal"),
        (torch.tensor([2.0]), 2.0, "exactly equal"),
        (np.arange(3), torch.arange(3.0), "exactly equal"),
        ([1, 2], (1.0, 2.0), "exactly equal"),
        (torch.tensor([True, False]), torch.tensor([1, 0]), "exactly equal"),
        (math.inf, math.inf, "exactly equal"),
        (torch.zeros(0, 3), torch.zeros(0, 3), "nothing to compare: both are empty, (0, 3)"),
        (0.1 + 0.2, 0.3, "equal to 6e-17"),
        (torch.tensor([-math.inf, 1.0]).double(), [-math.inf, 1 + 2e-16], "equal to 2e-16"),
        (np.float32(1.5), torch.tensor(1.5, dtype=torch.bfloat16), "exactly equal"),
        (1 + 1j, torch.tensor(1 + 1j), "exactly equal"),
        (np.arange(6.0)[::-1], [5, 4, 3, 2, 1, 0], "exactly equal"),
        (1e6 + 1e-5, 1e6, "equal to 1e-11"),  # relative where the number is large
    ],
)
def test_what_is_equal(a, b, words, capsys):
    agree(a, b)
    assert said(capsys) == words


@pytest.mark.parametrize(
    "a, b, words",
    [
        (1.0, 1.0 + 1e-9, "not equal: 1.0 and 1.000000001, apart by 1.0e-09"),
        (
            torch.tensor([1.0, 2.0, 3.0]),
            torch.tensor([1.0, 2.5, 3.2]),
            r"not equal at \(1,\): 2.0 and 2.5",
        ),
        (torch.zeros(2, 3), torch.eye(3)[:2], r"not equal at \(0, 0\): 0.0 and 1.0"),
        (torch.ones(3), torch.ones(3, 1), r"shapes differ: a \(3,\), b \(3, 1\)"),
        (torch.ones(1), torch.ones(1, 1), "shapes differ"),
        (torch.ones(3), 1.0, r"shapes differ: a \(3,\), b \(\)"),
        (torch.zeros(0), torch.zeros(0, 1), "shapes differ"),
        (math.nan, math.nan, "not equal: nan and nan"),
        (torch.tensor([0.0, math.nan]), torch.tensor([0.5, 0.0]), r"not equal at \(1,\): nan"),
        (
            torch.tensor([0.0, 1.0]),
            torch.tensor([0.0, math.nan]),
            r"not equal at \(1,\): 1.0 and nan",
        ),
        (math.inf, -math.inf, "not equal: inf and -inf"),
        (1e308, math.inf, "not equal: 1e[+]308 and inf"),
        (math.inf, 1e308, "not equal: inf and 1e[+]308"),
        (torch.tensor(0.1), 0.1, "not equal: 0.1000000014"),  # float32's tenth is not float64's
        (1 + 1j, 1 - 1j, "not equal"),
        (1e-3 + 2e-10, 1e-3, "apart by 2.0e-10"),  # absolute where the number is small
    ],
)
def test_what_is_not_equal(a, b, words, capsys):
    with pytest.raises(AssertionError, match=words):
        agree(a, b)
    assert said(capsys) == ""


def test_tolerance_and_name(capsys):
    agree(1.0, 1.1, tol=0.2, what="roughly")
    assert said(capsys) == "roughly: equal to 9e-02"
    with pytest.raises(AssertionError, match="^exactly: not equal: 1.0 and 1.1"):
        agree(1.0, 1.1, tol=0.0, what="exactly")
    for tol in (math.nan, math.inf, -1.0):
        with pytest.raises(ValueError, match="tol must be finite"):
            agree(1.0, 2.0, tol=tol)


@pytest.mark.parametrize("thing", ["one", None, object(), {"a": 1}])
def test_what_is_no_number(thing):
    with pytest.raises(TypeError, match="b must be a tensor, an array or a number"):
        agree(1.0, thing)


def test_mpmath_numbers(capsys):
    import mpmath

    agree(torch.tensor(math.pi, dtype=torch.float64), mpmath.pi + 0)
    assert said(capsys) == "exactly equal"


numbers = st.floats(-1e300, 1e300)


@given(st.lists(numbers, min_size=1, max_size=6), st.data())
def test_agree_measures_what_it_says(values, data):
    i = data.draw(st.integers(0, len(values) - 1))
    shift = data.draw(st.sampled_from([3e-9, -1e-3, 0.5]))
    other = list(values)
    other[i] += shift * max(1.0, abs(values[i]))
    agree(values, list(values), tol=0.0)
    agree(other, values, tol=abs(shift) * 1.0001)
    with pytest.raises(AssertionError, match=re.escape(f"at ({i},)")):
        agree(other, values, tol=abs(shift) * 0.999)


# ---------------------------------------------------------------- agree_mc


def test_mean_and_standard_error():
    samples = torch.tensor([[1.0, 10.0], [2.0, 10.0], [6.0, 10.0]], dtype=torch.float64)
    mean, stderr = mean_and_stderr(samples)
    agree(mean, [3.0, 10.0])
    agree(stderr, [math.sqrt(7 / 3), 0.0])  # variance 14/2
    agree(mean_and_stderr(samples.T, dim=1)[1], stderr)
    with pytest.raises(ValueError, match="at least 2 along dim 0, got 1"):
        mean_and_stderr(samples[:1])


def test_an_honest_average_passes_and_a_biased_one_does_not(capsys):
    estimate, stderr = mean_and_stderr(torch.randn(40_000, 5, dtype=torch.float64))
    agree_mc(estimate, torch.zeros(5), stderr, what="the mean")
    assert re.fullmatch(r"the mean: at most \d\.\d standard errors apart", said(capsys))
    biased = torch.tensor([0, 0, 0, 0.05, 0]).double()
    with pytest.raises(
        AssertionError, match=r"the mean: not equal at \(3,\): .* apart, at most 5 allowed"
    ):
        agree_mc(estimate, biased, stderr, what="the mean")


@pytest.mark.parametrize(
    "estimate, truth, stderr, sigmas, words",
    [
        (1.0, 0.9, 0.1, 5, "1.0 standard errors apart"),
        (1.0, 0.5, 0.1, 5.01, "5.0 standard errors apart"),
        (torch.tensor([1.0]), 0.9, 0.1, 5, "1.0 standard errors apart"),
        (1.0, 1.0, 0.0, 5, "0.0 standard errors apart"),
        (torch.tensor([1.0, 2.0]), [1.0, 2.1], [0.0, 0.1], 5, "at most 1.0 standard errors apart"),
    ],
)
def test_within_its_error(estimate, truth, stderr, sigmas, words, capsys):
    agree_mc(estimate, truth, stderr, sigmas)
    assert said(capsys) == words


@pytest.mark.parametrize(
    "estimate, truth, stderr, words",
    [
        (1.0, 0.0, 0.19, "5.3 standard errors apart"),
        (1.0, 0.9, 0.0, "must be positive and finite"),
        (1.0, 0.9, math.nan, "must be positive and finite"),
        (1.0, 0.9, math.inf, "must be positive and finite"),
        (1.0, 0.9, -0.1, "must be positive and finite"),
        (1.0, 1.0, math.nan, "1.0 and 1.0, standard error nan: a standard error must be positive"),
        (1.0, 1.0, math.inf, "must be positive and finite"),
        (1.0, 1.0, -0.1, "must be positive and finite"),
        (math.nan, 0.9, 0.1, "nan and 0.9"),
        (math.inf, 0.9, 0.1, "inf and 0.9"),
        (0.9, math.nan, 0.1, "0.9 and nan"),
        (math.nan, math.nan, math.nan, "nan and nan"),
        ([1.0, 2.0], [1.0, 3.0], [1.0, 0.1], r"at \(1,\)"),
        ([1.0, math.nan, 2.0], [1.0, 2.0, 2.1], [0.1, 0.1, 0.1], r"at \(1,\): nan and 2.0"),
        (torch.ones(3), 1.0, torch.ones(3), r"shapes differ: estimate \(3,\), truth \(\)"),
        (torch.ones(3), torch.ones(3), 0.1, r"shapes differ: estimate \(3,\), stderr \(\)"),
        (torch.ones(0), torch.ones(0), torch.ones(0), "nothing to compare"),
    ],
)
def test_beyond_its_error(estimate, truth, stderr, words, capsys):
    with pytest.raises(AssertionError, match=words):
        agree_mc(estimate, truth, stderr)
    assert said(capsys) == ""


@pytest.mark.parametrize("sigmas", [0, -1, math.inf, math.nan])
def test_a_check_that_could_not_fail_is_refused(sigmas):
    with pytest.raises(ValueError, match="sigmas must be positive and finite"):
        agree_mc(1.0, 2.0, 0.1, sigmas)


# ---- an error names what it is about

POINTS, TABLE = torch.zeros(5, 2), torch.zeros(3, 4)
NAMES = "images titles alt cols value_range size labels arrows rows columns".split()
CALLS = {
    plot.show: dict(fig=None, alt="a"),
    plot.show_images: dict(images=torch.zeros(2, 1, 4, 4), titles=None, alt="a", cols=None, value_range=(-1, 1), size=1.0),
    plot.show_strip: dict(images=torch.zeros(2, 1, 4, 4), labels=None, arrows=None, alt="a", value_range=(-1, 1), size=1.0),
    plot.show_rows: dict(rows={"a": torch.zeros(2, 1, 4, 4)}, columns=None, alt="a", value_range=(-1, 1), size=1.0),
    plot.plot_curves: dict(x=[1.0, 2.0], curves={"a": [1.0, 2.0]}, ax=None, alt="a", colors=None, lines=None, errors=None,
                           width=None, height=None, legend=None),
    plot.plot_density: dict(x=torch.zeros(2), curves={"a": [1.0, 2.0]}, ax=None, alt="a", colors=None, lines=None),
    plot.shades: dict(color="q", n=3),
    plot.plot_schedule: dict(schedules={"a": constant_schedule(0.1, 3)}, ax=None, alt="a"),
    plot.plot_histograms: dict(samples={"a": [1.0, 2.0]}, ax=None, alt="a", colors=None, bins=5),
    plot.plot_marks: dict(marks={"a": 1.0}, ax=None, alt="a", color="q"),
    plot.plot_bars: dict(x=["u", "v"], bars={"a": [1.0, 2.0]}, ax=None, alt="a", colors=None, errors=None),
    plot.plot_ruler: dict(rows={"a": 1.0}, ax=None, alt="a", colors=None, errors=None),
    plot.plot_points: dict(x=POINTS, ax=None, alt="a", color="q", size=None),
    plot.show_points: dict(panels={"a": POINTS}, alt="a", color="q", size=None),
    plot.plot_contours: dict(log_prob=lambda x: -x.square().sum(1), ax=None, alt="a", color="q", span=2.0),
    plot.plot_paths: dict(paths=torch.zeros(3, 5, 2), ax=None, alt="a", color="q"),
    plot.plot_field: dict(x=POINTS, arrows=POINTS, ax=None, alt="a", color="q", lengths=None),
    plot.plot_heat: dict(values=TABLE, ax=None, alt="a", color="q", limits=None, extent=None),
    plot.mean_and_stderr: dict(samples=torch.zeros(4), dim=0),
    plot.agree: dict(a=1.0, b=1.0, tol=1e-3),
    plot.agree_mc: dict(estimate=1.0, truth=1.0, stderr=0.1, sigmas=5.0),
}  # fmt: skip
WRONG = [3, -1.5, math.nan, "none of all", object(), [object()], {"zz": object()}, b"x", 1j, torch.zeros(2, 2, 2, 2, 2),
         torch.tensor([math.nan]), [[1.0], [1.0, 2.0]], print, [], {}, (), (1.0, math.nan), True]  # fmt: skip


@pytest.mark.bad_input
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_an_error_names_the_argument(call, outputs):
    "Each argument in turn is something else; what may be taken is taken."
    silent = []
    for name in CALLS[call]:
        for value in WRONG:
            kind = CALLS[call] | {name: value}
            if call is plot.show and name == "alt":
                kind["fig"] = plot.figure()[0]
            try:
                call(**kind)
            except (TypeError, ValueError, AssertionError) as error:
                told = str(error)
                if re.match("not equal|shapes differ|nothing to compare", told):
                    continue  # that is what agree is for
                if not re.search(rf"\b{name}\b", told) or "\n" in told:
                    silent.append((name, repr(value)[:40], type(error).__name__, told[:110]))
            except Exception as error:
                silent.append((name, repr(value)[:40], type(error).__name__, str(error)[:110]))
    assert not silent, "\n".join(map(str, silent))
