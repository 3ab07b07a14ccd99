"Numbers that both sides know: what each kind takes and refuses."

import math

import pytest
import torch
import traitlets

from diffusion_math.explore.traits import (
    BadValue,
    Number,
    Numbers,
    OneOf,
    Packed,
    check_range,
    pack,
)
from tests.truth import refuses


class Dial(traitlets.HasTraits):
    angle = Number(0, 360)
    colour = OneOf("red", "blue")
    marks = Numbers(-1, 1)
    image = Packed()


def test_where_they_begin():
    dial = Dial()
    assert (dial.angle, dial.colour, dial.marks, dial.image) == (0, "red", [], b"")
    assert all(trait.metadata["sync"] for trait in dial.traits().values())


@pytest.mark.parametrize(
    "name, value, words, kind",
    [
        ("angle", 361, r"angle must lie in \[0, 360\], got 361", "far"),
        ("angle", math.nan, "got nan", None),
        ("colour", "green", "colour must be one of red, blue, got 'green'", 3),
        ("marks", [0.0, 2.0], r"marks\[1\] must lie in \[-1, 1\], got 2.0", 3),
        ("marks", [0.0], "marks must hold 2 numbers, got 1", 3),
    ],
)
def test_what_does_not_fit(name, value, words, kind):
    refuses(Dial(angle=90, marks=[0.0, 1.0]), name, value, words, kind)


def test_as_many_numbers_as_there_are():
    dial = Dial(marks=[0.0, 0.5, 1.0])
    dial.marks = [1.0, 0.0, -1.0]
    assert dial.marks == [1.0, 0.0, -1.0]


def test_a_range_has_both_its_ends():
    assert [check_range("x", v, 0, 1) for v in (0, 0.5, 1)] == [0, 0.5, 1]
    with pytest.raises(BadValue, match=r"x must lie in \[0, 1\], got 1.5"):
        check_range("x", 1.5, 0, 1)


def test_an_array_travels_as_it_is():
    x = torch.arange(6, dtype=torch.int16).view(2, 3).T
    assert pack(x) == bytes([0, 0, 3, 0, 1, 0, 4, 0, 2, 0, 5, 0])
    read = Dial.image.metadata["from_json"]
    assert read(memoryview(b"12"), None) == b"12"
