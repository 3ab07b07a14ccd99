"Images become pixels, stand in their places with their words, and what is no image is refused."

import numpy as np
import pytest
import torch

from diffusion_math import plot
from tests.plot.reading import parts
from tests.teach.wrong import unnamed


def levels(picture):
    "The grey levels that cover a whole picture, unlike those of a frame."
    grey = picture[(picture.max(-1) == picture.min(-1))][:, 0]
    values, counts = np.unique(grey, return_counts=True)
    return set(values[counts > 20_000])


def test_values_become_grey_levels(outputs):
    plot.images([torch.full((28, 28), v) for v in (-1.0, 0.0, 1.0, -7.0, 7.0)])
    assert levels(parts(outputs[0])[1]) == {0, 130, 255}  # 128, kept in fives
    plot.images([torch.full((28, 28), v) for v in (0.0, 0.2, 1.0)], value_range=(0, 1))
    assert levels(parts(outputs[1])[1]) == {0, 50, 255}


def test_each_pixel_is_a_sharp_square(outputs):
    checkers = (torch.arange(28)[:, None] + torch.arange(28)) % 2 * 2.0 - 1
    plot.images([checkers])
    picture = parts(outputs[0])[1]
    middle, side = picture.shape[0] // 2, 7  # 196 pixels for 28
    inside = picture[
        middle - 91 : middle + 91, middle - 91 : middle + 91
    ]  # without the frame's pixels
    want = (255 * (checkers[1:-1, 1:-1] + 1) / 2).long().numpy().repeat(side, 0).repeat(side, 1)
    assert (inside == want[..., None]).all()


def test_colour_is_colour(outputs):
    red = torch.tensor([1.0, -1.0, -1.0]).view(3, 1, 1).expand(3, 8, 8)
    plot.images([red], alt="red")
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
    plot.images(images)
    assert parts(outputs[0])[0] == f"{n} image{'s' * (n > 1)}"


def test_the_words_come_from_the_titles(outputs):
    x = torch.zeros(8, 8)
    plot.images([x, x, x], titles=["$x_0$", r"$\bar{x}$,\nblurred".replace(r"\n", "\n"), ""])
    plot.images([x, x], titles=["a", "b"], alt="two black squares")
    plot.strip([x, None, x], labels=["$x_0$", "", "$x_T$"], arrows=["$q(x_1|x_0)$", ""])
    plot.strip([x, x])
    assert [parts(o)[0] for o in outputs] == [
        "3 images: x_0, barx, blurred",
        "two black squares",
        "A row of 3 images: x_0, arrow q(x_1|x_0), more, arrow, x_T",
        "A row of 2 images: an image, an image",
    ]


def test_rows_of_images(outputs):
    white, black = torch.ones(28, 28), -torch.ones(28, 28)
    plot.rows({"$x_t$": [black, white, black], "guess": [None, white]})
    plot.rows({"$x_t$": [black, white, black]}, columns=["t = 1", "t = 2", "t = 3"], alt="one row")
    plot.rows({"": torch.zeros(3, 1, 28, 28)}, size=0.5)
    both, one, bare = (parts(o) for o in outputs)
    assert both[0] == "2 rows of images: x_t, guess" and one[0] == "one row"
    assert both[1].shape[0] > 1.5 * one[1].shape[0] and both[2] > bare[2] == 154
    dark = (both[1] == 0).all(-1)
    h, w = dark.shape
    assert dark[h // 4, w // 3] and dark[h // 4, -60] and not dark[h // 2 :].sum() > 1000


@pytest.mark.parametrize(
    "name", ["held-out digits", "x", "the fourth row, right\nand wrong", r"$\hat{x}_0$ by DDIM"]
)
def test_a_row_s_name_keeps_off_the_edge(name, outputs):
    "It stands as far from the edge as it should, however long it is: eight pixels, and what a letter leaves free."
    plot.rows({name: torch.ones(2, 1, 8, 8)})
    ink = (parts(outputs[0])[1] < 200).any((0, 2)).nonzero()[0]
    assert 7 <= ink[0] <= 14


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: plot.rows({}), ValueError, "rows must hold at least one row"),
        (lambda x: plot.rows({"a": [None]}), ValueError, r"rows\['a'\] must hold at least one"),
        (
            lambda x: plot.rows({"a": [x], "b": [x, x / 0 * 0]}),
            ValueError,
            r"rows\['b'\]\[1\] holds NaN in 16",
        ),
        (
            lambda x: plot.rows({"a": [x, x]}, columns=["1"]),
            ValueError,
            "columns must hold 2 texts, got 1",
        ),
        (lambda x: plot.images([]), ValueError, "at least one image"),
        (lambda x: plot.strip([None]), ValueError, "at least one image"),
        (
            lambda x: plot.images([x, torch.zeros(2, 1, 4, 4)]),
            ValueError,
            r"images\[1\] must be one image.*\(2, 1, 4, 4\)",
        ),
        (lambda x: plot.images(torch.zeros(2, 4, 4)), ValueError, r"got shape \(2, 4, 4\)"),
        (lambda x: plot.images(torch.zeros(1, 1, 0, 4)), ValueError, "must be one image"),
        (
            lambda x: plot.images([x, x / 0 * 0]),
            ValueError,
            r"images\[1\] holds NaN in 16 of its 16",
        ),
        (lambda x: plot.images([[[0.0]]]), TypeError, r"images\[0\] must be a tensor, got list"),
        (
            lambda x: plot.images([x], titles=["a", "b"]),
            ValueError,
            "titles must hold 1 texts, got 2",
        ),
        (lambda x: plot.images([x], titles="a"), TypeError, "titles must be a list of 1 texts"),
        (lambda x: plot.images([x], value_range=(1, -1)), ValueError, "low < high"),
        (lambda x: plot.images([x], cols=0), ValueError, "cols must be 1 or more, got 0"),
        (
            lambda x: plot.strip([x, x], arrows=["a", "b"]),
            ValueError,
            "arrows must hold 1 texts, got 2",
        ),
        (lambda x: plot.strip([x, x], labels=["a"]), ValueError, "labels must hold 2 texts, got 1"),
    ],
)
def test_what_is_not_a_picture(call, error, words, outputs):
    with pytest.raises(error, match=words):
        call(torch.zeros(4, 4))
    assert outputs == []


CALLS = {
    plot.images: dict(images=torch.zeros(2, 1, 4, 4), titles=None, alt="a", cols=None, value_range=(-1, 1), size=1.0),
    plot.strip: dict(images=torch.zeros(2, 1, 4, 4), labels=None, arrows=None, alt="a", value_range=(-1, 1), size=1.0),
    plot.rows: dict(rows={"a": torch.zeros(2, 1, 4, 4)}, columns=None, alt="a", value_range=(-1, 1), size=1.0),
}  # fmt: skip


@pytest.mark.bad_input
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_an_error_names_the_argument(call, outputs):
    assert unnamed(call, CALLS[call]) == []
