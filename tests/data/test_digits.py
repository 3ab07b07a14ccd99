"The digits that ship are what they say; damage, a missing network and missing packages are told in words."

import hashlib
import os
import shutil
import socket
import struct
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math import files
from diffusion_math.data import digits as room
from diffusion_math.data.digits import (
    DIGITS_SHA256,
    dequantize,
    digits,
    from_levels,
    make_digits,
    mnist,
    to_levels,
)

SIZES = {"train": 10_000, "test": 2_000}


def write_idx(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(
        struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    )


def tiny(split, each):
    "Random images of which there are `each` of every digit, in an order of no pattern."
    rng = np.random.RandomState(len(split))
    labels = rng.permutation(np.arange(10 * each) % 10).astype(np.uint8)
    return rng.randint(0, 256, (10 * each, 28, 28), np.uint8), labels


@pytest.fixture
def root(tmp_path):
    "A folder with 70 training and 30 test images in MNIST's format."
    for split, name, each in (("train", "train", 7), ("test", "t10k", 3)):
        images, labels = tiny(split, each)
        write_idx(tmp_path / f"MNIST/raw/{name}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"MNIST/raw/{name}-labels-idx1-ubyte", labels)
    return tmp_path


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("the network is unreachable")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


def tree(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


# ---------------------------------------------------------------- digits


@pytest.mark.parametrize("split", SIZES)
def test_shapes_range_and_levels(split):
    x, y = digits(split, labels=True)
    assert (
        x.shape == (SIZES[split], 1, 28, 28) and x.dtype == torch.float32 and x.device.type == "cpu"
    )
    assert y.shape == (SIZES[split],) and y.dtype == torch.int64
    assert x.min() == -1 and x.max() == 1
    levels = (x.double() + 1) * 127.5
    assert (levels - levels.round()).abs().max() < 1e-5
    exact = 2 * levels.round() / 255 - 1
    assert (x - exact).abs().max() < 1e-7
    assert torch.equal(digits(split), x)
    assert torch.equal(digits(split=split, labels=False), x)


@pytest.mark.parametrize("split", SIZES)
def test_balanced_and_shuffled(split):
    y = digits(split, labels=True)[1]
    assert torch.bincount(y).tolist() == [SIZES[split] // 10] * 10
    tens = y.view(-1, 10)
    assert torch.equal(
        tens.sort().values, torch.arange(10).expand_as(tens)
    )  # so any prefix is balanced
    first = torch.bincount(tens[:, 0], minlength=10).double()  # which digit leads is random
    expected = len(tens) / 10
    assert ((first - expected) ** 2 / expected).sum() < 44  # chi-squared, 9 degrees: p = 1e-6
    assert len({tuple(ten) for ten in tens.tolist()}) > 0.99 * len(tens)


def test_no_digit_comes_twice():
    both = torch.cat([digits("train"), digits("test")])
    assert len({x.numpy().tobytes() for x in both}) == 12_000


def test_the_digits_look_like_digits():
    (x, y), (x_test, y_test) = digits(labels=True), digits("test", labels=True)
    means = torch.stack([x[y == k].mean(0) for k in range(10)])
    nearest = torch.cdist(x_test.flatten(1), means.flatten(1)).argmin(1)
    accuracy = (nearest == y_test).double().mean()
    assert 0.75 < accuracy < 0.9  # nearest class mean is right on 82 % of MNIST
    assert (
        abs(x.var(0).mean() - 0.27) < 0.01
    )  # the average pixel's variance, from which chapter 3 starts


def test_what_a_reader_does_to_the_digits_stays_with_the_reader():
    before = digits("test").clone()
    x, y = digits("test", labels=True)
    x.zero_()
    y.zero_()
    assert torch.equal(digits("test"), before)
    assert digits("test", labels=True)[1].sum() == 9_000


@pytest.mark.bad_input
@pytest.mark.parametrize("call", [digits, mnist])
@pytest.mark.parametrize(
    "split, error", [("valid", ValueError), ("", ValueError), (0, TypeError), (None, TypeError)]
)
def test_wrong_split(call, split, error):
    got = f'"{split}"' if error is ValueError else type(split).__name__
    with pytest.raises(error, match=f'split must be "train" or "test", got {got}'):
        call(split)


# ---------------------------------------------------------------- the file


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    "A copy of the shipped file, which `digits` reads in this test."
    copy = tmp_path / "digits.npz"
    shutil.copy(room._file(), copy)
    monkeypatch.setattr(room, "_file", lambda: copy)
    room._shipped.cache_clear()
    yield copy
    room._shipped.cache_clear()


def test_the_file_is_small_and_its_fingerprint_known():
    content = Path(str(room._file())).read_bytes()
    assert len(content) <= 2_500_000
    assert hashlib.sha256(content).hexdigest() == DIGITS_SHA256
    assert DIGITS_SHA256 in (Path(str(room._file())).parent / "README.md").read_text(
        encoding="utf-8"
    )


def test_it_loads_fast(shipped):
    start = time.process_time()
    digits(labels=True)
    assert time.process_time() - start < 2.0  # 0.1 s, however busy the machine is


@pytest.mark.parametrize("place", [0, 1000, -1])
def test_a_flipped_bit_is_noticed(shipped, place):
    content = bytearray(shipped.read_bytes())
    content[place] ^= 1
    shipped.write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    for _ in range(2):  # an error is not remembered as an answer
        with pytest.raises(RuntimeError) as error:
            digits()
        assert all(
            words in str(error.value) for words in (str(shipped), "damaged", found, DIGITS_SHA256)
        )
    content[place] ^= 1
    shipped.write_bytes(content)
    assert len(digits()) == 10_000


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_something_else_in_its_place(shipped, content):
    shipped.write_bytes(content)
    with pytest.raises(RuntimeError, match="damaged"):
        digits("test")


def test_a_missing_file_is_named(shipped):
    shipped.unlink()
    with pytest.raises(FileNotFoundError) as error:
        digits()
    assert str(shipped) in str(error.value) and DIGITS_SHA256 in str(error.value)


def test_no_pickle_is_ever_loaded(tmp_path):
    file = tmp_path / "objects.npz"
    np.savez(file, train_images=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        room._read(file, hashlib.sha256(file.read_bytes()).hexdigest())


# ---------------------------------------------------------------- mnist


def test_mnist_reads_the_idx_files(root, no_network):
    for split, each in (("train", 7), ("test", 3)):
        images, labels = tiny(split, each)
        x, y = mnist(split, root=root, labels=True)
        assert (
            x.shape == (10 * each, 1, 28, 28)
            and x.dtype == torch.float32
            and y.dtype == torch.int64
        )
        assert np.abs(x.double().numpy()[:, 0] - (2.0 * images / 255 - 1)).max() < 1e-7
        assert np.array_equal(y.numpy(), labels)
        assert torch.equal(mnist(split, root=str(root)), x)


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "LOCALAPPDATA", None])
def test_the_default_folder(root, variable, monkeypatch, no_network):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if variable is None:
        monkeypatch.setattr(Path, "home", lambda: root / "home")
        target = root / "home" / ".cache" / "diffusion_math"
    else:
        monkeypatch.setenv(variable, str(root / "cache"))
        target = root / "cache" / "diffusion_math"
    target.mkdir(parents=True)
    shutil.move(root / "MNIST", target / "MNIST")
    assert mnist("test").shape == (30, 1, 28, 28)


def check_says_digits(folder):
    with pytest.raises(
        RuntimeError, match=r"download failed .*digits\(\) ships with the package"
    ) as error:
        mnist("train", root=folder)
    assert str(folder) in str(error.value)
    assert tree(folder) == [] and not (folder / "MNIST").exists()
    return str(error.value)


def test_without_a_network_the_message_names_digits(tmp_path, no_network):
    check_says_digits(tmp_path / "new" / "folder")


@pytest.mark.parametrize(
    "failure", [RuntimeError("Error downloading"), OSError("disk full"), EOFError("cut short")]
)
def test_a_half_download_leaves_nothing_behind(tmp_path, monkeypatch, failure):
    from torchvision.datasets import MNIST

    def half(self):
        write_idx(
            Path(self.raw_folder) / "train-images-idx3-ubyte", np.zeros((2, 28, 28), np.uint8)
        )
        (Path(self.raw_folder) / "train-labels-idx1-ubyte.gz").write_bytes(b"half")
        raise failure

    monkeypatch.setattr(MNIST, "download", half)
    assert str(failure) in check_says_digits(tmp_path)


def test_an_interrupted_download_leaves_nothing_behind(tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    def stopped(self):
        write_idx(
            Path(self.raw_folder) / "train-images-idx3-ubyte", np.zeros((2, 28, 28), np.uint8)
        )
        raise KeyboardInterrupt

    monkeypatch.setattr(MNIST, "download", stopped)
    with pytest.raises(KeyboardInterrupt):
        mnist(root=tmp_path)
    assert tree(tmp_path) == []


def test_a_download_is_kept(root, tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    calls = []

    def download(self):
        calls.append(self.root)
        shutil.copytree(root / "MNIST" / "raw", self.raw_folder)
        (Path(self.raw_folder) / "train-labels-idx1-ubyte.gz").write_bytes(b"packed")

    monkeypatch.setattr(MNIST, "download", download)
    folder = tmp_path / "cache"
    write_idx(
        folder / "MNIST/raw/train-images-idx3-ubyte", np.zeros((2, 28, 28), np.uint8)
    )  # an old half
    assert mnist("train", root=folder).shape == (70, 1, 28, 28)
    assert mnist("test", root=folder).shape == (30, 1, 28, 28)
    assert len(calls) == 1  # and the second call found it
    assert Path(calls[0]).parent == folder  # aside, but on the same disk
    assert tree(folder / "MNIST") == tree(root / "MNIST")  # no packed file,
    assert os.listdir(folder) == ["MNIST"]  # no folder aside


def test_without_torchvision_the_message_names_digits(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(
        ImportError, match=r"mnist\(\) needs torchvision .*digits\(\) ships with the package"
    ):
        mnist(root=root)
    assert len(digits("test")) == 2_000


def test_damaged_files_are_named(root):
    raw = root / "MNIST" / "raw"
    file = raw / "train-images-idx3-ubyte"
    whole = file.read_bytes()
    for content in (b"", whole[:-1], b"\xff" * 100):
        file.write_bytes(content)
        with pytest.raises(RuntimeError, match=r"holds damaged files .*digits\(\)") as error:
            mnist("train", root=root)
        assert str(raw) in str(error.value)
    write_idx(file, np.zeros((69, 28, 28), np.uint8))
    with pytest.raises(RuntimeError, match=r"holds 70 labels for images \(69, 28, 28\)"):
        mnist("train", root=root)


# ---------------------------------------------------------------- make_digits


def test_make_digits_chooses_of_each_digit(root, tmp_path):
    path = tmp_path / "made.npz"
    sha = make_digits(root, path, train=5, test=2)
    assert sha == hashlib.sha256(path.read_bytes()).hexdigest()
    arrays = room._read(path, sha)
    assert set(arrays) == {f"{split}_{kind}" for split in SIZES for kind in ("images", "labels")}
    for split, each, of in (("train", 5, 7), ("test", 2, 3)):
        images, labels = tiny(split, of)
        known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
        made = arrays[f"{split}_images"].numpy()
        assert len({image.tobytes() for image in made}) == 10 * each  # each one once
        assert [known[image.tobytes()] for image in made] == arrays[f"{split}_labels"].tolist()
        tens = arrays[f"{split}_labels"].view(each, 10)
        assert all(sorted(ten) == list(range(10)) for ten in tens.tolist())
        assert len({tuple(ten) for ten in tens.tolist()}) == each  # in an order of its own
    assert [p for p in tree(tmp_path) if "MNIST" not in p] == ["made.npz"]


def test_make_digits_depends_on_the_seed_alone(root, tmp_path, monkeypatch):
    first = make_digits(root, tmp_path / "1.npz", train=5, test=2)
    np.random.seed(7)
    monkeypatch.setattr(time, "time", lambda: 1e9)
    monkeypatch.setattr(sys, "platform", "win32")
    assert make_digits(str(root), str(tmp_path / "2.npz"), seed=0, train=5, test=2) == first
    assert make_digits(root, tmp_path / "3.npz", seed=1, train=5, test=2) != first


def test_make_digits_replaces_only_with_a_whole_file(root, tmp_path, monkeypatch):
    path = tmp_path / "made.npz"
    path.write_bytes(b"old")

    def full(aside, content):
        aside.write_bytes(content[: len(content) // 2])
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_through", full)
        with pytest.raises(OSError, match="disk full"):
            make_digits(root, path, train=5, test=2)
    assert path.read_bytes() == b"old" and [p for p in tree(tmp_path) if "MNIST" not in p] == [
        "made.npz"
    ]


def test_make_digits_says_what_is_too_many(root, tmp_path):
    with pytest.raises(
        ValueError, match="train must be at most 7: there are no more images of a 0, got 8"
    ):
        make_digits(root, tmp_path / "made.npz", train=8, test=2)
    with pytest.raises(ValueError, match="test must be at most 3"):
        make_digits(root, tmp_path / "made.npz", train=7, test=4)
    assert [p for p in tree(tmp_path) if "MNIST" not in p] == []


def test_the_making_can_be_repeated(root, tmp_path):
    "Makes the shipped file again if DIFFUSION_MATH_MNIST names a folder that holds MNIST/raw, else a small one twice."
    real, path = os.environ.get("DIFFUSION_MATH_MNIST"), tmp_path / "again.npz"
    if real:
        assert make_digits(real, path) == DIGITS_SHA256
        assert path.read_bytes() == Path(str(room._file())).read_bytes()
    else:
        expected = make_digits(root, tmp_path / "once.npz", train=5, test=2)
        assert make_digits(root, path, train=5, test=2) == expected
        assert path.read_bytes() == (tmp_path / "once.npz").read_bytes()


# ---------------------------------------------------------------- dequantize


def test_levels_there_and_back():
    levels = torch.arange(256, dtype=torch.uint8)
    x = from_levels(levels)
    assert x.dtype == torch.float32 and (x[0], x[255]) == (-1, 1)
    torch.testing.assert_close(x.double(), 2 * levels.double() / 255 - 1, rtol=0, atol=1e-7)
    for near in (x, x.double(), x + 0.99 / 255, x - 0.99 / 255):
        assert torch.equal(to_levels(near), levels)
    assert to_levels(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]


@given(st.integers(0, 2**31))
def test_dequantized_levels_round_back(seed):
    levels = torch.arange(256, dtype=torch.float64)
    x = 2 * levels / 255 - 1
    smooth = dequantize(x, torch.Generator().manual_seed(seed))
    assert torch.equal(((smooth + 1) * 127.5).round(), levels)
    assert (smooth - x).abs().max() <= 1 / 255 + 1e-15


def test_dequantized_levels_are_uniform():
    x = torch.zeros(200_000, dtype=torch.float64)
    u = torch.sort(dequantize(x) * 127.5 + 0.5).values
    n = len(u)
    gap = (u - (torch.arange(n) + 0.5) / n).abs().max() + 0.5 / n  # Kolmogorov-Smirnov
    assert gap < 2.7 / n**0.5  # p = 1e-6
    assert u.min() >= 0 and u.max() < 1


def test_dequantize_keeps_kind_and_uses_its_generator():
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert dequantize(torch.zeros(3, 1, 4, 4, dtype=dtype)).dtype == dtype
    x = digits("test")[:5]
    a, b, c = (dequantize(x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c) and a.shape == x.shape
    assert torch.equal(x, digits("test")[:5])  # its argument is left alone
    assert dequantize(torch.zeros(0, 1, 28, 28)).shape == (0, 1, 28, 28)
    assert dequantize(torch.zeros(2, 3, device="meta")).device.type == "meta"
