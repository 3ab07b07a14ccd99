"Pictures of the reader's own: what is in a file or an array comes out as levels, and what cannot be read is told."

import io
import re
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from torchvision.transforms.v2 import functional as v2

from diffusion_math import digits
from diffusion_math.data import pictures
from diffusion_math.data.digits import to_levels
from diffusion_math.data.pictures import (
    SUFFIXES,
    Pictures,
    load_masked,
    load_pictures,
    save_pictures,
)
from tests.data.test_digits import write_idx

RNG = np.random.RandomState(0)
GREY = RNG.randint(0, 256, (12, 12), np.uint8)
COLOUR = RNG.randint(0, 256, (12, 12, 3), np.uint8)


def put(path: Path, array, **how) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    picture.save(path, **how)
    return path


def levels(x: torch.Tensor) -> np.ndarray:
    "(n, c, h, w) in [-1, 1] as levels; they must be levels."
    k = (x.double() + 1) * 127.5
    assert x.dtype == torch.float32 and (k - k.round()).abs().max() < 1e-4
    return k.round().byte().numpy()


def read(folder, **how) -> tuple[Pictures, dict[str, str]]:
    "What load_pictures returns, and what it skipped, by name."
    heard = {}
    pictures = load_pictures(folder, skip=lambda path, why: heard.update({path.name: why}), **how)
    assert len(pictures.skipped) == len(heard)
    return pictures, heard


# ---------------------------------------------------------------- one file


def test_grey_and_colour_keep_their_levels(tmp_path):
    put(tmp_path / "g.png", GREY)
    pictures, heard = read(tmp_path)
    assert (
        pictures.x.shape == (1, 1, 12, 12)
        and not heard
        and pictures.labels is None
        and pictures.classes == []
    )
    assert np.array_equal(levels(pictures.x)[0, 0], GREY)
    put(tmp_path / "c.png", COLOUR)
    both = levels(read(tmp_path)[0].x)
    assert np.array_equal(both[0], COLOUR.transpose(2, 0, 1)) and np.array_equal(
        both[1], np.stack([GREY] * 3)
    )
    grey = levels(read(tmp_path, channels=1)[0].x)
    assert grey.shape == (2, 1, 12, 12) and np.array_equal(grey[1, 0], GREY)
    assert np.abs(grey[0, 0] - COLOUR @ [0.299, 0.587, 0.114]).max() <= 1


def test_sixteen_bits_become_eight(tmp_path):
    deep = np.concatenate([np.arange(0, 65536, 300), [65535]]).astype(np.uint16)[None].repeat(3, 0)
    put(tmp_path / "deep.png", deep)
    x = levels(read(tmp_path, size=(3, deep.shape[1]))[0].x)
    assert x.shape[1] == 1 and np.array_equal(x[0, 0], np.rint(deep / 257).astype(np.uint8))


def png(path: Path, array: np.ndarray) -> None:
    "A PNG file of 16 bits a channel, of which Pillow writes grey alone: (h, w, 2 to 4)."
    h, w, c = array.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    head = struct.pack(">IIBBBBB", w, h, 16, {2: 4, 3: 2, 4: 6}[c], 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    parts = [
        struct.pack(">I", len(of)) + name + of + struct.pack(">I", zlib.crc32(name + of))
        for name, of in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bits_of_colour_and_see_through(tmp_path, channels):
    "Grey or colour, over white by its alpha: no level is cut off, and none is off by more than the two roundings."
    deep = RNG.randint(0, 65536, (9, 7, channels))
    deep[0, 0], deep[0, 1] = 0, 65535
    png(tmp_path / "a.png", deep)
    x = levels(read(tmp_path, channels=1 if channels == 2 else 3)[0].x)[0].transpose(1, 2, 0)
    share = deep[..., -1:] / 65535 if channels != 3 else 1
    colour = deep[..., : channels - (channels != 3)] / 257
    assert x.shape == colour.shape
    assert np.abs(x - (colour * share + 255 * (1 - share))).max() <= 2


def test_what_is_see_through_lies_on_white(tmp_path):
    alpha = RNG.randint(0, 256, (12, 12), np.uint8)
    put(tmp_path / "a.png", np.dstack([COLOUR, alpha]))
    share = alpha[..., None] / 255
    want = COLOUR * share + 255 * (1 - share)
    assert np.abs(levels(read(tmp_path)[0].x)[0].transpose(1, 2, 0) - want).max() <= 1
    put(tmp_path / "a.png", np.dstack([GREY, alpha]))  # grey with alpha stays grey
    x = levels(read(tmp_path)[0].x)
    assert (
        x.shape == (1, 1, 12, 12)
        and np.abs(x[0, 0] - (GREY * share[..., 0] + 255 * (1 - share[..., 0]))).max() <= 1
    )


def test_palettes_bits_and_other_modes(tmp_path):
    red = Image.new("P", (12, 12), 1)
    red.putpalette([0, 0, 255, 255, 0, 0])
    put(tmp_path / "1.png", red)
    red.info["transparency"] = 1
    put(tmp_path / "2.gif", red, transparency=1)
    put(tmp_path / "3.png", GREY > 127)  # one bit a pixel
    put(tmp_path / "4.jpg", Image.new("CMYK", (12, 12), (0, 255, 255, 0)), quality=95)
    put(tmp_path / "5.webp", COLOUR, lossless=True)
    put(tmp_path / "6.tiff", COLOUR)
    put(tmp_path / "7.bmp", COLOUR)
    pictures, heard = read(tmp_path)
    x = levels(pictures.x)
    assert not heard and x.shape == (7, 3, 12, 12)
    assert (x[0] == np.array([255, 0, 0])[:, None, None]).all() and (x[1] == 255).all()
    assert np.array_equal(x[2, 0], np.where(GREY > 127, 255, 0))
    assert np.abs(x[3].astype(int) - np.array([255, 0, 0])[:, None, None]).max() < 12
    assert all(np.array_equal(x[i], COLOUR.transpose(2, 0, 1)) for i in (4, 5, 6))


def test_a_camera_held_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to see it upright
    array = np.zeros((10, 20), np.uint8)
    array[:, :10] = 255  # bright on the left: on top, once turned
    put(tmp_path / "p.jpg", array, exif=exif, quality=95)
    x = levels(read(tmp_path)[0].x)[0, 0]
    assert x.shape == (20, 10) and x[:8].min() > 200 and x[12:].max() < 55


# ---------------------------------------------------------------- sizes


def test_the_usual_size(tmp_path):
    put(tmp_path / "a.png", np.zeros((20, 30), np.uint8))
    assert read(tmp_path)[0].x.shape[2:] == (20, 30)
    put(tmp_path / "b.png", np.zeros((20, 31), np.uint8))
    assert read(tmp_path)[0].x.shape[2:] == (32, 32)
    assert read(tmp_path, size=7)[0].x.shape[2:] == (7, 7)
    assert read(tmp_path, size=(5, 9))[0].x.shape[2:] == (5, 9)
    (tmp_path / "b.png").unlink()
    put(tmp_path / "a.png", np.zeros((65, 64), np.uint8))
    assert read(tmp_path)[0].x.shape[2:] == (32, 32)


def test_scaled_to_cover_and_cropped_around_the_middle(tmp_path):
    wide = np.zeros((10, 40), np.uint8)
    wide[:, 15:25] = 200  # the middle square
    put(tmp_path / "w.png", wide)
    assert (levels(read(tmp_path, size=10)[0].x) == 200).all()
    half = levels(read(tmp_path, size=5)[0].x)[0, 0]
    assert half.shape == (5, 5) and (half[:, 1:4] == 200).all()
    assert read(tmp_path, size=20)[0].x.shape == (1, 1, 20, 20)  # larger than the file: scaled up


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(1, 20))
def test_any_size_from_any_size(h, w, to_h, to_w):
    from diffusion_math.data.pictures import _fitted

    out = _fitted(torch.full((2, 1, h, w), 77, dtype=torch.uint8), (to_h, to_w))
    assert out.shape == (2, 1, to_h, to_w) and (out == 77).all()


# ---------------------------------------------------------------- folders


def test_broken_files_are_named_and_skipped(tmp_path):
    good = put(tmp_path / "good.png", COLOUR)
    put(tmp_path / "good.jpg", COLOUR)
    (tmp_path / "torn.png").write_bytes(good.read_bytes()[:200])
    (tmp_path / "torn.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:300])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.gif").write_bytes(b"")
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "floats.tiff")
    (tmp_path / "notes.txt").write_text("no picture, and does not claim to be one")
    (tmp_path / ".hidden.png").write_text("left alone")
    for size in (None, 12):
        pictures, heard = read(tmp_path, size=size, channels=None if size is None else 3)
        assert len(pictures.x) == 2 and set(heard) == {
            "torn.png",
            "torn.jpg",
            "text.png",
            "empty.gif",
            "floats.tiff",
        }
        assert (
            "range is not known" in heard["floats.tiff"]
            and "truncated" in heard["torn.jpg"].lower()
        )
        assert all(why and "\n" not in why for why in heard.values()) and "5 files skipped" in repr(
            pictures
        )


def test_a_warning_by_default(tmp_path):
    put(tmp_path / "good.png", GREY)
    (tmp_path / "bad.png").write_text("x")
    with pytest.warns(UserWarning, match="skipped .*bad.png: "):
        assert len(load_pictures(tmp_path).x) == 1


def test_classes_are_sub_folders(tmp_path):
    for name in ("cats/a", "dogs/deep/b", "cats/c"):
        put(tmp_path / f"{name}.png", GREY)
    pictures, _ = read(tmp_path)
    assert pictures.classes == ["cats", "dogs"] and pictures.labels.tolist() == [0, 0, 1]
    put(tmp_path / "stray.png", GREY)
    pictures, _ = read(tmp_path)
    assert pictures.labels is None and pictures.classes == [] and len(pictures.x) == 4
    assert read(tmp_path / "cats")[0].labels is None


def test_splits_of_a_folder(tmp_path):
    put(tmp_path / "train/a/1.png", GREY)
    put(tmp_path / "train/b/1.png", GREY)
    put(tmp_path / "test/a/1.png", 255 - GREY)
    assert read(tmp_path)[0].classes == ["a", "b"]
    assert np.array_equal(levels(read(tmp_path, split="test")[0].x)[0, 0], 255 - GREY)


@pytest.mark.parametrize(
    "files, words",
    [
        ({}, "no files that end in .png .jpg"),
        ({"a.txt": b"x"}, "no files that end in"),
        ({"a.png": b"x", "b.jpg": b""}, "none of its 2 picture files can be read"),
    ],
)
def test_a_folder_with_nothing_readable(tmp_path, files, words):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="nothing readable in the folder .*" + re.escape(words)):
        read(tmp_path)
    assert ".png" in SUFFIXES


# ---------------------------------------------------------------- arrays


def test_an_npz_of_levels_in_every_layout(tmp_path):
    colour = RNG.randint(0, 256, (5, 6, 7, 3), np.uint8)
    for images, want in [
        (colour[..., 0], colour[..., 0][:, None]),
        (colour, colour.transpose(0, 3, 1, 2)),
        (colour.transpose(0, 3, 1, 2), colour.transpose(0, 3, 1, 2)),
        (colour[..., :1].astype(np.int32), colour[..., :1].transpose(0, 3, 1, 2)),
    ]:
        np.savez(tmp_path / "a.npz", images=images)
        assert np.array_equal(levels(load_pictures(tmp_path / "a.npz").x), want)
    np.savez(tmp_path / "a.npz", images=colour)
    assert load_pictures(tmp_path / "a.npz", size=(3, 4), channels=1).x.shape == (5, 1, 3, 4)
    np.savez(tmp_path / "a.npz", images=colour[..., 0])
    assert load_pictures(tmp_path / "a.npz", channels=3).x.shape == (5, 3, 6, 7)


@settings(max_examples=15)
@given(hnp.arrays(np.uint8, (2, 3, 3)))
def test_floats_are_read_as_the_levels_that_they_were(tmp_path_factory, k):
    file = tmp_path_factory.mktemp("npz") / "a.npz"
    for dtype in (np.float32, np.float64):
        np.savez(file, images=(k / 255).astype(dtype))
        assert np.array_equal(levels(load_pictures(file).x)[:, 0], k)
        k[0, 0, 0] = 0  # a negative number: from -1 to 1
        np.savez(file, images=(k / 127.5 - 1).astype(dtype))
        assert np.array_equal(levels(load_pictures(file).x)[:, 0], k)


def test_labels_of_an_npz(tmp_path):
    images = np.stack([GREY] * 4)
    for y, names, want in [
        ([7, 3, 3, 7], ["3", "7"], [1, 0, 0, 1]),
        ([[2], [0], [1], [2]], ["0", "1", "2"], [2, 0, 1, 2]),
        (["b", "a", "a", "b"], ["a", "b"], [1, 0, 0, 1]),
        ([10, 9, 9, 9], ["9", "10"], [1, 0, 0, 0]),
    ]:
        np.savez(tmp_path / "a.npz", images=images, labels=np.array(y))
        pictures = load_pictures(tmp_path / "a.npz")
        assert (
            pictures.classes == names
            and pictures.labels.tolist() == want
            and pictures.labels.dtype == torch.long
        )


@pytest.mark.parametrize("form", ["{}_images {}_labels", "x_{} y_{}"])
def test_arrays_of_both_splits(tmp_path, form):
    x, y = form.split()
    arrays = {x.format(s): np.full((2, 4, 4), k, np.uint8) for k, s in enumerate(("train", "test"))}
    arrays |= {y.format(s): np.array([k, 1 + k]) for k, s in enumerate(("train", "test"))}
    np.savez(tmp_path / "a.npz", **arrays)
    for k, split in enumerate(("train", "test")):
        pictures = load_pictures(tmp_path / "a.npz", split=split)
        assert (levels(pictures.x) == k).all() and pictures.classes == [str(k), str(k + 1)]


@pytest.mark.parametrize(
    "names", ["train_images train_labels", "x_train y_train", "Xtrain ytrain", "train", "TRAIN_SET"]
)
def test_the_other_split_s_pictures_are_never_handed_out(tmp_path, names):
    for mine, other in (("train", "test"), ("test", "train")):
        own = [name.replace("train", mine).replace("TRAIN", mine.upper()) for name in names.split()]
        arrays = {
            name: np.zeros((3, 4, 4) if i == 0 else 3, np.uint8) for i, name in enumerate(own)
        }
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(ValueError, match=f"no {other} images among {', '.join(own)}"):
            load_pictures(tmp_path / "a.npz", split=other)
        assert len(load_pictures(tmp_path / "a.npz", split=mine).x) == 3
        np.savez(
            tmp_path / "a.npz", **arrays, mean=np.zeros((1, 4, 4))
        )  # no name says that these are pictures
        with pytest.raises(ValueError, match=f"no {other} images among {', '.join(own)}, mean"):
            load_pictures(tmp_path / "a.npz", split=other)


def test_labels_of_the_other_split_are_not_those_of_all(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 4, 4), np.uint8), train_labels=np.arange(3))
    assert load_pictures(tmp_path / "a.npz").classes == ["0", "1", "2"]
    assert load_pictures(tmp_path / "a.npz", split="test").labels is None


def test_the_only_array_needs_no_name(tmp_path):
    np.savez(tmp_path / "a.npz", np.stack([GREY] * 3), other=np.arange(3))
    assert len(load_pictures(tmp_path / "a.npz").x) == 3


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({"images": np.full((2, 3, 3), 300)}, "0..255, got 300 to 300"),
        ({"images": np.full((2, 3, 3), -1)}, "0..255, got -1"),
        ({"images": np.full((2, 3, 3), 200.0)}, "[0, 1] or [-1, 1], got 200"),
        ({"images": np.full((2, 3, 3), np.nan)}, "[0, 1] or [-1, 1], got nan"),
        ({"images": np.zeros((2, 5, 5, 4))}, "(n, c, h, w) with c 1 or 3, got (2, 5, 5, 4)"),
        ({"images": np.zeros((2, 3))}, "got (2, 3)"),
        ({"images": np.zeros((0, 3, 3))}, "must hold numbers, got 0"),
        ({"images": np.array([["a"]])}, "must hold numbers"),
        ({"images": np.array([None])}, "cannot be read: Object arrays"),
        (
            {"images": np.zeros((2, 3, 3)), "labels": np.zeros(3, int)},
            "labels must be 2 whole numbers",
        ),
        (
            {"images": np.zeros((2, 3, 3)), "labels": np.zeros(2)},
            "labels must be 2 whole numbers or names, got float64",
        ),
        ({"a": np.zeros((2, 3, 3)), "b": np.zeros((2, 3, 3))}, "no array named images among a, b"),
        ({}, "no array named images among none"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=re.escape(words)):
        load_pictures(tmp_path / "a.npz")


def test_files_that_are_no_npz(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.stack([GREY] * 9))
    whole = (tmp_path / "a.npz").read_bytes()
    np.save(tmp_path / "b.npy", GREY)
    for content in (b"", b"text", whole[:700], (tmp_path / "b.npy").read_bytes()):
        (tmp_path / "c.npz").write_bytes(content)
        with pytest.raises(ValueError, match="c.npz is not a whole .npz file"):
            load_pictures(tmp_path / "c.npz")
    (tmp_path / "c.npz").write_bytes(whole[:400] + bytes([whole[400] ^ 255]) + whole[401:])
    with pytest.raises(ValueError, match="c.npz cannot be read"):
        load_pictures(tmp_path / "c.npz")
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match="c.npz cannot be read"):
        load_pictures(tmp_path / "c.npz")


# ---------------------------------------------------------------- by name, and wrong arguments


def test_digits_and_mnist_by_name(tmp_path):
    pictures = load_pictures("digits", split="test")
    x, y = digits("test", labels=True)
    assert (
        torch.equal(pictures.x, x)
        and torch.equal(pictures.labels, y)
        and pictures.classes == list("0123456789")
    )
    assert load_pictures("digits", size=14, channels=3, split="test").x.shape == (2000, 3, 14, 14)
    for name in ("train", "t10k"):
        write_idx(
            tmp_path / f"MNIST/raw/{name}-images-idx3-ubyte",
            RNG.randint(0, 256, (4, 28, 28), np.uint8),
        )
        write_idx(tmp_path / f"MNIST/raw/{name}-labels-idx1-ubyte", np.arange(4, dtype=np.uint8))
    assert load_pictures("mnist", root=tmp_path).labels.tolist() == [0, 1, 2, 3]


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither digits nor mnist, nor a folder"):
        load_pictures(tmp_path / "none")


# ---------------------------------------------------------------- saved


@pytest.mark.parametrize("c", [1, 3])
def test_saved_and_read_again(tmp_path, c):
    x = torch.from_numpy(RNG.randint(0, 256, (5, c, 6, 7))).float() / 127.5 - 1
    save_pictures(x, tmp_path / "new" / "a.npz", labels=torch.tensor([0, 1, 1, 0, 1]))
    again = load_pictures(tmp_path / "new" / "a.npz")
    assert np.array_equal(levels(again.x), levels(x)) and again.labels.tolist() == [0, 1, 1, 0, 1]
    save_pictures(x, tmp_path / "a.PNG", cols=3)
    sheet = np.asarray(Image.open(tmp_path / "a.PNG"))
    assert sheet.shape == ((2 * 8 + 2, 3 * 9 + 2) if c == 1 else (2 * 8 + 2, 3 * 9 + 2, 3))
    part = sheet.reshape(*sheet.shape[:2], c)[2:8, 11:18]  # the second of the first row
    assert np.array_equal(part.transpose(2, 0, 1), levels(x)[1])


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    import os

    save_pictures(torch.zeros(1, 1, 4, 4), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        save_pictures(torch.ones(1, 1, 4, 4), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"] and (
        tmp_path / "a.png"
    ).read_bytes() == before


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "x, name, how, words",
    [
        (torch.zeros(1, 1, 4, 4), "a.jpg", {}, "path must end in .png or .npz"),
        (torch.zeros(1, 2, 4, 4), "a.png", {}, "c 1 or 3, got"),
        (torch.zeros(0, 1, 4, 4), "a.png", {}, "n 1 or more"),
        (torch.full((1, 1, 4, 4), torch.nan), "a.png", {}, "x must be finite"),
        (torch.zeros(1, 1, 4, 4), "a.png", {"cols": 0}, "cols must be 1 or more"),
    ],
)
def test_pictures_that_cannot_be_saved(tmp_path, x, name, how, words):
    with pytest.raises(ValueError, match=words):
        save_pictures(x, tmp_path / name, **how)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "x, labels, error, words",
    [
        (
            torch.full((2, 1, 4, 4), 7, dtype=torch.uint8),
            None,
            TypeError,
            "x must be a floating-point tensor in [-1, 1], got torch.uint8",
        ),
        ([[[[0.0]]]], None, TypeError, "x must be a floating-point tensor in [-1, 1], got list"),
        (
            torch.zeros(2, 1, 4, 4),
            torch.arange(3),
            ValueError,
            "labels must have shape (2,), got (3,)",
        ),
        (
            torch.zeros(2, 1, 4, 4),
            torch.arange(4).view(2, 2),
            ValueError,
            "labels must have shape (2,), got (2, 2)",
        ),
        (
            torch.zeros(2, 1, 4, 4),
            torch.zeros(2),
            TypeError,
            "labels must be a tensor of whole numbers, got torch.float32",
        ),
        (
            torch.zeros(2, 1, 4, 4),
            [0, 1],
            TypeError,
            "labels must be a tensor of whole numbers, got list",
        ),
    ],
)
def test_kinds_that_cannot_be_saved(tmp_path, x, labels, error, words):
    "What is saved can be read again; anything else is told before a file is there."
    for name in ("a.npz", "a.png"):
        with pytest.raises(error, match=re.escape(words)):
            save_pictures(x, tmp_path / name, labels)
    assert list(tmp_path.iterdir()) == []


# ---- files that are not what they seem


def test_a_very_long_picture_takes_an_instant(tmp_path):
    "A kilobyte of PNG: scaled first and cropped then, it took 7 GB."
    for i, size in enumerate(((1_000_000, 1), (1, 1_000_000))):
        Image.new("L", size, 40 * i + 40).save(tmp_path / f"{i}.png")
    assert all(file.stat().st_size < 5000 for file in tmp_path.iterdir())
    began = time.process_time()
    x = load_pictures(tmp_path).x
    assert time.process_time() - began < 5
    assert torch.equal(to_levels(x)[:, 0, 0, 0], torch.tensor([40, 80]).byte())
    assert x.shape == (2, 1, 32, 32) and float(x.flatten(1).std(1).max()) == 0


@pytest.mark.parametrize("shape", [(7, 60), (60, 7), (5, 900), (901, 4)])
def test_the_middle_of_a_long_picture_is_what_stays(shape):
    "Against scaling all of it; grey rises evenly, so a shift by a pixel would be seen."
    h, w = shape
    ramp = torch.linspace(0, 255, max(h, w)).round().byte()
    levels = (ramp[None, :].expand(h, w) if w > h else ramp[:, None].expand(h, w))[None]
    size = (8, 8)
    scale = max(8 / h, 8 / w)
    whole = v2.resize(
        levels.float(), [max(8, round(h * scale)), max(8, round(w * scale))], antialias=True
    )
    want = v2.center_crop(whole, list(size))
    got = pictures._fitted(levels, size)
    step = 255 / max(h, w) / scale  # of grey, from one pixel to the next
    # and ours is rounded, once up and down and once across
    assert got.shape == want.shape and (got - want).abs().max() <= step / 2 + 1


def test_a_picture_of_too_many_pixels_is_named_and_skipped(tmp_path):
    "Its head says so: nothing is unpacked."
    Image.new("1", (12_000, 10_000)).save(tmp_path / "huge.png")
    Image.new("L", (8, 8)).save(tmp_path / "small.png")
    heard = []
    x = load_pictures(tmp_path, skip=lambda path, why: heard.append((path.name, why))).x
    assert x.shape == (1, 1, 8, 8) and [name for name, _ in heard] == ["huge.png"]
    assert "12,000 x 10,000 pixels are more than 100,000,000" in heard[0][1]
    load_pictures(tmp_path, 8, 1, skip=lambda path, why: heard.append((path.name, why)))
    assert [name for name, _ in heard] == ["huge.png"] * 2


def test_no_program_is_started_for_a_picture(tmp_path, monkeypatch):
    "Pillow hands EPS, whatever its ending, to Ghostscript."
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n%%EOF\n"
    (tmp_path / "a.png").write_bytes(eps)
    Image.new("L", (8, 8)).save(tmp_path / "b.png")
    for name in ("Popen", "run", "check_call", "check_output"):
        monkeypatch.setattr(subprocess, name, lambda *a, **k: pytest.fail("a program was started"))
    heard = []
    for how in ((), (8, 1)):
        load_pictures(tmp_path, *how, skip=lambda path, why: heard.append(f"{path.name}: {why}"))
    assert len(heard) == 2 and all("a.png: cannot identify image file" in line for line in heard)


def test_every_ending_is_read(tmp_path):
    for ending in pictures.SUFFIXES:
        Image.new("1" if ending == ".pbm" else "L", (8, 8), 1).save(tmp_path / f"a{ending}")
    assert len(load_pictures(tmp_path).x) == len(pictures.SUFFIXES)


def header(text):
    "The beginning of an .npy file."
    head = text.encode() + b" " * (118 - len(text)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head


@pytest.mark.parametrize("content", [b"", b"hello", header("{{{{"), header("(" * 90), header("{'descr': 1}"),
                                     header("{'descr':'|u1','fortran_order':False,'shape':'x',}")])  # fmt: skip
def test_an_npz_whose_array_is_none(tmp_path, content):
    for name in ("images", "labels"):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr(f"{name}.npy", content)
            if name == "labels":
                array = io.BytesIO()
                np.save(array, np.zeros((2, 8, 8), np.uint8))
                archive.writestr("images.npy", array.getvalue())
        with pytest.raises(ValueError, match="a.npz cannot be read: "):
            load_pictures(tmp_path / "a.npz")


def test_sizes_that_cannot_fit(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 8, 8), np.uint8))
    for source in (tmp_path, tmp_path / "a.npz"):
        with pytest.raises(
            ValueError, match="size: [12] pictures of 1 x 1,000,000 x 1,000,000 would take .* GB"
        ):
            load_pictures(source, 10**6)


@pytest.mark.parametrize("source", ["", " "])
def test_an_empty_name_is_not_the_folder_one_stands_in(source):
    with pytest.raises(
        ValueError, match="source must be digits, mnist, a folder or an .npz file, got an empty"
    ):
        load_pictures(source)


# ---- what is small on the disk and large in memory


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "I;16", "CMYK"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_large_picture_is_what_it_is(tmp_path, mode, turned):
    "Four quarters of 16 million pixels, scaled to 8 x 8: read in blocks, and turned as it is meant to be held."
    small = Image.fromarray(np.array([[0, 80], [160, 240]], np.uint8))
    picture = small.resize((4000, 4000), Image.Resampling.NEAREST)
    picture = (
        picture.point(lambda v: v * 257, "I").convert("I;16")
        if mode == "I;16"
        else picture.convert(mode)
    )
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1  # a quarter to the right
    picture.save(tmp_path / ("a.tiff" if mode == "CMYK" else "a.png"), exif=exif)
    x = to_levels(load_pictures(tmp_path, 8, 1).x)[0, 0]
    want = torch.tensor([[160, 0], [240, 80]] if turned else [[0, 80], [160, 240]])
    assert ((x[::7, ::7].int() - want).abs() <= 1).all()


TAKES = """
import resource, sys
from diffusion_math.data.pictures import load_pictures
load_pictures(sys.argv[1] + "/small", 8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
load_pictures(sys.argv[1] + "/large", 8)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown * (1 if sys.platform == "darwin" else 1024))  # macOS counts in bytes
"""


@pytest.mark.parametrize("mode, each", [("RGBA", 4), ("I;16", 2)])
@pytest.mark.long
def test_a_large_picture_takes_its_own_memory_and_a_little(tmp_path, mode, each):
    "36 million pixels, of which Pillow holds `each` bytes; twice that would be a copy of all of it."
    of = Image.new("L", (6000, 6000), 90)
    of = of.convert("I").convert(mode) if mode == "I;16" else of.convert(mode)
    for name, picture in (("small", of.crop((0, 0, 9, 9))), ("large", of)):
        put(tmp_path / name / "a.png", picture)
    ran = subprocess.run([sys.executable, "-c", TAKES, tmp_path], capture_output=True, text=True)
    assert not ran.returncode, ran.stderr
    assert int(ran.stdout) < 1.5 * each * 36e6


@pytest.mark.bad_input
@pytest.mark.parametrize("shape, words", [
    ((30_000, 100, 100), "claims 300,000,000 numbers in a file of"),
    ((10**9, 1000, 100), "would take"),
])  # fmt: skip
def test_an_array_of_a_size_that_its_file_does_not_show(tmp_path, shape, words):
    "The header is read, and nothing else: the array itself is not even there."
    with (
        zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive,
        archive.open("images.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(
            member, dict(shape=shape, fortran_order=False, descr="|u1")
        )
    with pytest.raises(ValueError, match=words):
        load_pictures(tmp_path / "bomb.npz")


def test_which_split_it_is(tmp_path):
    a = np.zeros((3, 4, 4), np.uint8)
    np.savez(tmp_path / "own.npz", images=a)
    np.savez(tmp_path / "two.npz", x_train=a, x_test=a)
    assert load_pictures(tmp_path / "own.npz", split="test").split == "all"
    assert load_pictures(tmp_path / "two.npz", split="test").split == "test"
    for name in ("photos/a", "parts/test/a"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / name / "1.png")
    assert load_pictures(tmp_path / "photos", split="test").split == "all"
    assert load_pictures(tmp_path / "parts", split="test").split == "test"
    assert load_pictures("digits", split="test").split == "test"


# ---------------------------------------------------------------- a picture of which a part is not known


def test_what_is_transparent_is_not_known(tmp_path):
    "However little transparent; the rest keeps its levels, in colour and in grey."
    picture = Image.fromarray(np.dstack([COLOUR, np.full((12, 12), 255, np.uint8)]))
    picture.putpixel((3, 2), (9, 9, 9, 254))
    picture.paste((9, 9, 9, 0), (0, 8, 12, 12))
    x0, seen = load_masked(put(tmp_path / "a.png", picture), (12, 12), 3)
    due = np.ones((12, 12), bool)
    due[2, 3], due[8:] = False, False
    assert x0.shape == (1, 3, 12, 12) and np.array_equal(seen, np.stack([due] * 3))
    assert np.array_equal(levels(x0)[0][:, due], COLOUR.transpose(2, 0, 1)[:, due])
    grey = put(
        tmp_path / "g.png", Image.fromarray(np.dstack([GREY, 255 * due.astype(np.uint8)]), "LA")
    )
    x0, seen = load_masked(grey, 12, 1)
    assert np.array_equal(seen[0], due) and np.array_equal(levels(x0)[0, 0][due], GREY[due])


def test_a_large_one_is_scaled_and_no_hidden_colour_bleeds(tmp_path):
    "Twice as wide as it is high: its middle is cropped; what lies under the hole is not mixed into what is seen."
    picture = Image.new("RGBA", (80, 40), (0, 0, 255, 255))
    picture.paste((255, 0, 0, 0), (0, 0, 80, 17))
    x0, seen = load_masked(put(tmp_path / "a.png", picture), (10, 10), 3)
    assert not seen[:, :5].any() and seen[:, 5:].all()  # row 4 is a quarter hidden
    assert (levels(x0)[0][:, 5:] == np.array([0, 0, 255])[:, None, None]).all()


def test_a_mask_hides_what_is_not_black(tmp_path):
    mask = np.zeros((12, 12), np.uint8)
    mask[:, 6:], mask[0, 0] = 255, 1
    files = put(tmp_path / "a.png", GREY), put(tmp_path / "m.png", mask)
    x0, seen = load_masked(files[0], (12, 12), 1, mask=files[1])
    assert np.array_equal(seen[0], mask == 0) and np.array_equal(levels(x0)[0, 0], GREY)


@pytest.mark.bad_input
def test_parts_that_make_no_sense(tmp_path):
    whole = put(tmp_path / "a.png", GREY)
    with pytest.raises(ValueError, match="is transparent nowhere"):
        load_masked(whole, (12, 12), 1)
    with pytest.raises(ValueError, match="is known nowhere at 12 x 12"):
        load_masked(whole, (12, 12), 1, put(tmp_path / "m.png", GREY | 1))
    with pytest.raises(ValueError, match="must be as large as the picture, 12 x 12, got 12 x 11"):
        load_masked(whole, (12, 12), 1, put(tmp_path / "n.png", GREY[1:]))
    with pytest.raises(ValueError, match="channels must be 1 or 3, got 2"):
        load_masked(whole, (12, 12), 2)
    with pytest.raises(OSError):
        load_masked(put(tmp_path / "b.png", GREY).with_suffix(".jpg"), (12, 12), 1)
