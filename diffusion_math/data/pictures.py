"Pictures of your own as one tensor in [-1, 1], from a folder or an .npz file, and pictures written to a file."

import io
import math
import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from .. import checks
from ..files import write_file
from .digits import digits, from_levels, mnist, to_levels

__all__ = ["Pictures", "load_masked", "load_pictures", "save_pictures"]

SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pbm",
)
# others, such as EPS, start programs
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")

MOST_PIXELS = 10**8  # of a file: more would take gigabytes before it is scaled
# pictures of one size keep it up to LARGEST pixels a side; others become USUAL
LARGEST, USUAL = 64, 32


class Pictures(NamedTuple):
    """What load_pictures read.

    x (n, c, h, w), float32 in [-1, 1], on the 256 levels 2k/255 - 1. labels (n,), 0..len(classes)-1, or None where the
    pictures have no classes; classes, their names. skipped: "file: why", one for each file that could not be read.
    split: "train" or "test", or "all" where the source knows no such parts.
    """

    x: Float[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"] | None
    classes: list[str]
    skipped: list[str]
    split: str = "all"

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.x.shape[1:]))
        return f"Pictures({len(self.x)} of {size}, {len(self.classes)} classes, {len(self.skipped)} files skipped)"


def fit_in_memory(name: str, what: str, numbers: int, each: int) -> None:
    "ValueError that names an argument where so many numbers, at `each` bytes a number, exceed the machine's memory."
    need, has = numbers * each, math.inf
    if {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= getattr(os, "sysconf_names", {}).keys():
        has = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if need > has:
        sizes = f"{need / 1e9:,.0f} GB, and this machine has {has / 1e9:,.0f}"
        raise ValueError(f"{name}: {what} would take {sizes}")


def sized(n: int, shape: Iterable[int]) -> str:
    "So many pictures of that shape, in words."
    return f"{n:,} pictures of {' x '.join(f'{size:,}' for size in shape)}"


def _torchvision() -> Any:
    "torchvision's functions of pictures, or how to get them."
    checks.need("reading pictures", "diffusion_math[cli]", "torchvision", "PIL")
    from torchvision.transforms.v2 import functional

    return functional


def _upright(picture: Any) -> tuple[int, int]:
    "(h, w) of an open file, the way it is meant to be held."
    w, h = picture.size
    return (w, h) if picture.getexif().get(0x0112, 1) >= 5 else (h, w)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    "A picture's file, by what is in it: of the kinds that SUFFIXES name, and of a size that can be held."
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow says about a file that it can read after all
        with Image.open(path, formats=FORMATS) as picture:
            w, h = picture.size
            if w * h > MOST_PIXELS:
                raise ValueError(f"its {w:,} x {h:,} pixels are more than {MOST_PIXELS:,}")
            yield picture


LARGE = (
    10**7
)  # pixels of a file from which on it is made smaller before anything else is done to it
BAND = 2**20  # of these pixels at once: the file is in memory already, and once is enough


def _smaller(picture: Any, size: tuple[int, int]) -> Any:
    "A large picture as means of whole blocks, at least four times size along each side; worked out in bands."
    from PIL import Image

    (w, h), k = picture.size, min(picture.size) // (4 * max(size))
    if w * h <= LARGE or k < 2:
        return picture
    small, rows = None, k * max(1, BAND // (k * w))
    for top in range(0, h, rows):
        band = picture.crop((0, top, w, min(h, top + rows)))
        band.info = picture.info  # it may say which colour cannot be seen
        band = _plain(band).reduce(k)
        small = Image.new(band.mode, (-(-w // k), -(-h // k))) if small is None else small
        small.paste(band, (0, top // k))
    small = small.convert("RGBA") if small.mode == "RGBa" else small
    small.getexif()[0x0112] = picture.getexif().get(0x0112, 1)  # which way it is held
    return small


def _plain(picture: Any) -> Any:
    "8 bits of which means can be taken: grey or colour, weighed by how much can be seen, as what is hidden has no colour."
    if picture.mode.startswith("I"):
        return _from_wide(picture)
    if picture.has_transparency_data:
        return picture.convert("RGBA").convert("RGBa")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _from_wide(picture: Any) -> Any:
    "A picture of 16 bits as one of 8, a few rows at a time."
    from PIL import Image

    wide = np.asarray(picture)
    if wide.min() < 0 or wide.max() > 65535:
        ends = f"{wide.min()} to {wide.max()}"
        raise ValueError(f"its pixels reach from {ends}, and 0 to 65535 was expected")
    levels = np.empty(wide.shape, np.uint8)
    for i in range(0, len(wide), 64):
        levels[i : i + 64] = (wide[i : i + 64].astype(np.int64) + 128) // 257
    return Image.fromarray(levels)


def _eight_bits(picture: Any, channels: int, size: tuple[int, int]) -> UInt8[np.ndarray, "..."]:
    "An open file's levels, (h, w) or (h, w, 3)."
    from PIL import Image, ImageOps

    if picture.mode == "F":
        raise ValueError("its pixels are floats, whose range is not known")
    picture = ImageOps.exif_transpose(_smaller(picture, size))
    picture = _from_wide(picture) if picture.mode.startswith("I") else picture
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    mode = "RGB" if channels == 3 else "L"
    return np.array(picture if picture.mode == mode else picture.convert(mode))


LONG = 4  # how many times a picture may be as long as size, once it is scaled


def _trimmed(levels: UInt8[Tensor, "..."], size: tuple[int, int], scale: float) -> Tensor:
    "Without the ends of a picture that is so long that nearly all of it is cropped: scaling them could fill the memory."
    for dim, want in ((-2, size[0]), (-1, size[1])):
        have, keep = levels.shape[dim], math.ceil(LONG * want / scale)
        if have > keep:
            levels = levels.narrow(dim, (have - keep) // 2, keep)
    return levels


def _fitted(levels: UInt8[Tensor, "*n c h w"], size: tuple[int, int]) -> UInt8[Tensor, "*n c H W"]:
    "Scaled to cover size, and cropped to it around the middle; torchvision does both."
    h, w = levels.shape[-2:]
    if (h, w) == size:
        return levels
    functional, scale = _torchvision(), max(size[0] / h, size[1] / w)
    levels = _trimmed(levels, size, scale)
    there = levels.shape[-2:]
    cover = [max(want, round(have * scale)) for want, have in zip(size, there, strict=True)]
    several = levels.shape[:-2].numel()  # a picture of few pixels, made far larger along one side
    fit_in_memory("size", sized(several, cover), several * math.prod(cover), 1)
    return functional.center_crop(functional.resize(levels, cover, antialias=True), list(size))


def _read(path: Path, size: tuple[int, int], channels: int) -> UInt8[Tensor, "c H W"]:
    "One file as the levels of one picture."
    with _opened(path) as picture:
        levels = torch.from_numpy(_eight_bits(picture, channels, size))
    return _fitted(levels[None] if levels.ndim == 2 else levels.movedim(-1, 0), size)


def _hidden(path: Path, size: tuple[int, int]) -> Any:
    "A picture's file as an alpha channel: 0 where it is white, 255 where it is black."
    from PIL import ImageOps

    with _opened(path) as picture:
        picture = ImageOps.exif_transpose(picture).convert("L")
        if picture.size != size:
            (w, h), (W, H) = picture.size, size
            raise ValueError(f"{path} must be as large as the picture, {W} x {H}, got {w} x {h}")
        return ImageOps.invert(picture)


def load_masked(
    path: str | PathLike,
    size: int | tuple[int, int],
    channels: int,
    mask: str | PathLike | None = None,
) -> tuple[Float[Tensor, "1 c h w"], Bool[Tensor, "c h w"]]:
    """A picture of which a part is not known: x0 in [-1, 1], and seen, True where it is known.

    Not known is what is transparent, however little, and, with mask, what is not black in that file, which is as large.
    Both are scaled to cover size (h, w), and cropped around the middle. ValueError, OSError: files that cannot be read, a
    mask of another size, all of it known or nothing.
    """
    path, mask = checks.path("path", path), mask if mask is None else checks.path("mask", mask)
    (h, w), channels = _checked_size(size), checks.whole("channels", channels)
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, got {channels}")
    fit_in_memory("size", sized(1, (channels, h, w)), channels * h * w, 8)
    checks.need("reading pictures", "diffusion_math[cli]", "torchvision", "PIL")
    from PIL import Image, ImageChops, ImageOps

    with _opened(path) as picture:
        if picture.mode == "F":
            raise ValueError("its pixels are floats, whose range is not known")
        upright = ImageOps.exif_transpose(picture)
        whole = (_from_wide(upright) if picture.mode.startswith("I") else upright).convert("RGBA")
    if mask is not None:
        hidden = _hidden(mask, whole.size)
        whole.putalpha(ImageChops.darker(whole.getchannel("A"), hidden))
    fitted = whole if whole.size == (w, h) else ImageOps.fit(whole, (w, h), Image.Resampling.BOX)
    seen = torch.from_numpy(np.array(fitted.getchannel("A"))) == 255
    if bool(seen.all()):
        raise ValueError(f"{path} is transparent nowhere, so nothing is left to be filled in")
    if not bool(seen.any()):
        raise ValueError(f"{path} is known nowhere at {w} x {h}")
    colours = fitted.convert("RGB")
    levels = torch.from_numpy(np.array(colours if channels == 3 else colours.convert("L")))
    levels = levels[None] if channels == 1 else levels.movedim(-1, 0)
    return from_levels(levels[None]), seen.expand(channels, h, w)


def _each(paths: Iterable[Path], look: Callable, skip: Callable) -> list[tuple[Path, Any]]:
    "(path, look(path)) of each file; skip(path, why) where that fails."
    kept = []
    for path in paths:
        try:
            kept.append((path, look(path)))
        except Exception as error:  # a damaged file can make Pillow raise almost anything
            skip(path, " ".join(str(error).split()) or type(error).__name__)
    return kept


def _head(path: Path) -> tuple[tuple[int, int], int]:
    "A file's size and channels, from its head."
    with _opened(path) as picture:
        grey = picture.mode[:1] in "1LIF" and picture.mode != "LAB"
        return _upright(picture), 1 if grey else 3


def _usual_size(sizes: set[tuple[int, int]]) -> tuple[int, int]:
    (size,) = sizes if len(sizes) == 1 else [(USUAL, USUAL)]
    return size if max(size) <= LARGEST else (USUAL, USUAL)


def _found(folder: Path) -> list[Path]:
    "The files in folder and below that look like pictures by their endings, none of them hidden."
    names = sorted(
        path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES
    )
    return [
        folder / name
        for name in names
        if not any(part.startswith(".") for part in name.parts) and (folder / name).is_file()
    ]


def _labels(folder: Path, paths: list[Path]) -> tuple[Int64[Tensor, " n"] | None, list[str]]:
    "The sub-folders as classes, where every file lies in one of two or more."
    parts = [path.relative_to(folder).parts for path in paths]
    names = sorted({part[0] for part in parts})
    if len(names) < 2 or any(len(part) == 1 for part in parts):
        return None, []
    place = {name: i for i, name in enumerate(names)}
    return torch.tensor([place[part[0]] for part in parts]), names


def _room(n: int, channels: int, size: tuple[int, int]) -> None:
    "ValueError where pictures of that size cannot be held, at 8 bytes a number: as levels, twice, and as floats."
    fit_in_memory("size", sized(n, (channels, *size)), n * channels * math.prod(size), 8)


def _from_folder(
    folder: Path,
    split: str,
    size: tuple[int, int] | None,
    channels: int | None,
    skip: Callable,
    progress: bool,
) -> tuple[UInt8[Tensor, "n c h w"], Int64[Tensor, " n"] | None, list[str]]:
    "The levels, labels and classes of a folder's pictures."
    from tqdm.auto import tqdm

    _torchvision()
    folder = folder / split if (folder / split).is_dir() else folder
    paths = found = _found(folder)
    if size is None or channels is None:
        heads = _each(paths, _head, skip)
        paths = [path for path, _ in heads]
        size = size or _usual_size({of for _, (of, _) in heads})
        channels = channels or max((c for _, (_, c) in heads), default=1)
    _room(len(paths), channels, size)
    bar = tqdm(
        paths, desc="reading", unit="file", disable=not progress, dynamic_ncols=True, leave=False
    )
    kept = _each(bar, lambda path: _read(path, size, channels), skip)
    if not kept:
        kinds = " ".join(SUFFIXES)
        what = (
            f"none of its {len(found)} picture files can be read"
            if found
            else f"no files that end in {kinds}"
        )
        raise ValueError(f"nothing readable in the folder {folder}: {what}")
    return torch.stack([levels for _, levels in kept]), *_labels(folder, [path for path, _ in kept])


def _pick(arrays: Any, split: str, names: tuple[str, ...]) -> str | None:
    "The first of the names that the file has: for the split, or for everything."
    wanted = [form for name in names for form in (f"{split}_{name}", f"{name}_{split}", name)]
    return next((name for name in wanted if name in arrays.files), None)


def _only(arrays: Any, split: str) -> str:
    "The only array of pictures, whatever its name, unless that says it is the other split's."
    other = "test" if split == "train" else "train"
    found = [key for key in arrays.files if getattr(arrays[key], "ndim", 0) in (3, 4)]
    # "latest" is nobody's test
    name = re.compile(rf"(?<![a-z])[xy]?{other}(im|x|y|\b|[^a-z])", re.I)
    foreign = [key for key in found if name.search(key)]
    if len(found) != 1 or foreign:
        what = f"{split} images" if foreign else "array named images"
        raise ValueError(f"no {what} among {', '.join(arrays.files) or 'none'}")
    return found[0]


def _shapes(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    "The shape and kind of each array in an .npz file, from their headers: a small file may hold gigabytes."
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                if name.endswith(".npy") and (version := np.lib.format.read_magic(member)) < (3, 0):
                    read = f"read_array_header_{version[0]}_0"
                    shape, _, dtype = getattr(np.lib.format, read)(member)
                    found[name[:-4]] = shape, dtype
    return found


AT_ONCE = 24  # bytes that a number of an array takes: as it is, as a fraction, as a level and as the model's
STORED = 10**8  # numbers of an array that nothing is asked of: 400 MB as fractions


def _check_sizes(path: Path) -> None:
    "ValueError where an array would not fit in memory, or claims to be far more than its file can be."
    for name, (shape, _) in _shapes(path).items():
        numbers = math.prod(shape)
        fit_in_memory(
            str(path), f"its {name} of {sized(*shape[:1] or (1,), shape[1:])}", numbers, AT_ONCE
        )
        if numbers > max(STORED, 200 * path.stat().st_size):
            claim = (
                f"its {name} claims {numbers:,} numbers in a file of {path.stat().st_size:,} bytes"
            )
            raise ValueError(f"{path} cannot be read: {claim}")


def _unpack(path: Path, split: str) -> tuple[np.ndarray, np.ndarray | None, str]:
    "The images and labels in an .npz file, and which split they are."
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not a whole .npz file")
    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as arrays:
            name = _pick(arrays, split, ("images", "x", "data")) or _only(arrays, split)
            label = _pick(arrays, split, ("labels", "y"))
            images, labels = arrays[name], label and arrays[label]
    except MemoryError as error:
        raise MemoryError(f"{path}: {error}") from error
    except Exception as error:  # a damaged file can make NumPy raise almost anything
        why = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read: {why}") from error
    for value in (images, labels):
        if not isinstance(value, np.ndarray | None):
            raise ValueError(f"{path} cannot be read: it holds something else than arrays")
    return images, labels, split if split in re.split("[^a-z]", name.lower()) else "all"


def _array_levels(a: np.ndarray) -> UInt8[np.ndarray, "..."]:
    "Any numbers as levels 0..255; ValueError where their range is none of those understood."
    if not a.size or a.dtype.kind not in "buif":
        raise ValueError(f"images must hold numbers, got {a.size} of {a.dtype}")
    if a.dtype.kind == "b":
        return a.astype(np.uint8) * 255
    low, high = float(a.min()), float(a.max())
    if a.dtype.kind in "ui":
        if low < 0 or high > 255:
            raise ValueError(f"images of whole numbers must lie in 0..255, got {low:g} to {high:g}")
        return a.astype(np.uint8)
    if not -1 <= low <= high <= 1:
        raise ValueError(f"images of floats must lie in [0, 1] or [-1, 1], got {low:g} to {high:g}")
    return np.rint(
        (a.astype(np.float64) + 1) * 127.5 if low < 0 else a.astype(np.float64) * 255
    ).astype(np.uint8)


def _channels_first(a: np.ndarray) -> np.ndarray:
    "(n, h, w), (n, h, w, c) or (n, c, h, w), c of 1 or 3, as (n, c, h, w)."
    if a.ndim == 3:
        return a[:, None]
    if a.ndim == 4 and a.shape[3] in (1, 3):
        return np.moveaxis(a, 3, 1)
    if a.ndim == 4 and a.shape[1] in (1, 3):
        return a
    raise ValueError(
        f"images must have shape (n, h, w), (n, h, w, c) or (n, c, h, w) with c 1 or 3, got {a.shape}"
    )


def _array_labels(y: np.ndarray | None, n: int) -> tuple[Int64[Tensor, " n"] | None, list[str]]:
    "Labels of any kind as 0, 1, ... and their names in order."
    if y is None:
        return None, []
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.shape != (n,) or y.dtype.kind not in "buiU":
        raise ValueError(
            f"labels must be {n} whole numbers or names, got {y.dtype} of shape {y.shape}"
        )
    names, index = np.unique(y, return_inverse=True)
    return torch.from_numpy(index.astype(np.int64)), [str(name) for name in names]


def _from_npz(
    path: Path, split: str
) -> tuple[UInt8[Tensor, "n c h w"], Int64[Tensor, " n"] | None, list[str], str]:
    "The levels, labels and classes in an .npz file, and the split that they are."
    images, y, of = _unpack(path, split)
    levels = torch.from_numpy(np.ascontiguousarray(_channels_first(_array_levels(images))))
    return levels, *_array_labels(y, len(levels)), of


def _with_channels(
    levels: UInt8[Tensor, "n c h w"], channels: int | None
) -> UInt8[Tensor, "n k h w"]:
    "One channel made three, or three made one."
    if channels in (None, levels.shape[1]):
        return levels
    if channels == 3:
        return levels.expand(-1, 3, -1, -1)
    return _torchvision().rgb_to_grayscale(levels)


def _checked(
    size: int | tuple[int, int] | None, channels: int | None, split: str
) -> tuple[tuple[int, int] | None, int | None]:
    "size as (h, w), and channels; an error says what each of the three should be."
    channels = channels if channels is None else checks.whole("channels", channels)
    checks.instance("split", split, str)
    if channels not in (None, 1, 3) or split not in ("train", "test"):
        raise ValueError(
            f'channels must be 1 or 3 and split "train" or "test", got {channels!r} and {split!r}'
        )
    return None if size is None else _checked_size(size), channels


def _checked_size(size: Any) -> tuple[int, int]:
    "size as (h, w)."
    pair = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2 or not all(
        isinstance(s, int) and not isinstance(s, bool) and s >= 1 for s in pair
    ):
        raise ValueError(
            f"size must be a whole number of pixels or a pair (h, w), got {checks.shown(size)}"
        )
    return pair


def _named(
    source: str, split: str, root: Any
) -> tuple[UInt8[Tensor, "n 1 28 28"], Int64[Tensor, " n"], list[str]]:
    "The digits that ship, or all of MNIST."
    x, labels = (
        digits(split, labels=True) if source == "digits" else mnist(split, root, labels=True)
    )
    return to_levels(x), labels, [str(digit) for digit in range(10)]


def load_pictures(
    source: str | PathLike,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    split: str = "train",
    root: str | PathLike | None = None,
    skip: Callable[[Path, str], Any] | None = None,
    progress: bool = False,
) -> Pictures:
    """Pictures of one size, in [-1, 1], from "digits", "mnist", a folder or an .npz file: the reader's own.

    size: pixels a side, or (h, w): a picture is scaled to cover it, and cropped around the middle. Without it pictures
    that all have one size of at most 64 keep it, and others become 32 x 32. channels: 1 or 3; without it, what the
    pictures have. split: "train" or "test" of digits and mnist; of a folder, its sub-folder of that name, and of an
    .npz file its arrays train_images or x_train, else images; never the other split's. root: where MNIST lies.

    A folder is read with all below it (png, jpeg, webp, gif, bmp, tiff, ppm), in the order of the names; its
    sub-folders are classes where every file lies in one. 16 bits become the nearest of 8, and what is transparent lies on
    white. A file that cannot be read is left out: skip(path, why) hears of it, by default a warning says so. An .npz file
    holds images, (n, h, w), (n, h, w, c) or (n, c, h, w): whole numbers in 0..255, floats in [0, 1], or in [-1, 1] where
    one is negative; and maybe labels, (n,). All is rounded to 256 levels. A file of more than 100 million pixels counts as
    one that cannot be read.
    ValueError: nothing readable, or an array that does not fit. FileNotFoundError. ImportError.
    """
    path = checks.path("source", source)
    if not str(source).strip():
        raise ValueError(
            "source must be digits, mnist, a folder or an .npz file, got an empty text"
        )
    size, channels = _checked(size, channels, split)
    path, skipped, progress = path.expanduser(), [], checks.flag("progress", progress)
    root = root if root is None else checks.path("root", root)
    skip = skip if skip is None else checks.function("skip", skip, "a path and a reason")

    def hear(file: Path, why: str) -> None:
        skipped.append(f"{file}: {why}")
        skip(file, why) if skip else warnings.warn(f"skipped {file}: {why}", stacklevel=2)

    of = split
    if source in ("digits", "mnist"):
        levels, labels, classes = _named(source, split, root)
    elif path.is_dir():
        of = split if (path / split).is_dir() else "all"
        levels, labels, classes = _from_folder(path, split, size, channels, hear, progress)
    elif path.is_file():
        levels, labels, classes, of = _from_npz(path, split)
    else:
        raise FileNotFoundError(
            f"{source} is neither digits nor mnist, nor a folder or an .npz file that is there"
        )
    levels, size = _with_channels(levels, channels), size or _usual_size({tuple(levels.shape[-2:])})
    _room(*levels.shape[:2], size)
    levels = _fitted(levels, size)
    return Pictures(from_levels(levels), labels, classes, skipped, of)


def _sheet(levels: UInt8[Tensor, "n c h w"], cols: int) -> bytes:
    "All pictures on one, row by row, as the bytes of a PNG file."
    checks.need("a .png", "diffusion_math[cli]", "torchvision", "PIL")
    from PIL import Image
    from torchvision.utils import make_grid

    grid = make_grid(levels, nrow=cols, padding=2, pad_value=96)
    picture = Image.fromarray(
        (grid[0] if levels.shape[1] == 1 else grid.movedim(0, -1)).contiguous().numpy()
    )
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def _packed(levels: UInt8[Tensor, "n c h w"], labels: Tensor | None) -> bytes:
    "images (n, h, w) or (n, h, w, 3) and labels, as the bytes of an .npz file."
    images = levels[:, 0] if levels.shape[1] == 1 else levels.movedim(1, -1)
    content = io.BytesIO()
    np.savez_compressed(
        content,
        images=images.numpy(),
        **({} if labels is None else {"labels": labels.cpu().numpy()}),
    )
    return content.getvalue()


def _kind(x: Any) -> Any:
    return x.dtype if isinstance(x, Tensor) else type(x).__name__


def _check_drawn(x: Float[Tensor, "n c h w"], labels: Int64[Tensor, " n"] | None) -> None:
    "Raise where these pictures and labels could not be read again."
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"x must be a floating-point tensor in [-1, 1], got {_kind(x)}")
    if x.ndim != 4 or not x.numel() or x.shape[1] not in (1, 3):
        raise ValueError(
            f"x must have shape (n, c, h, w) with n 1 or more and c 1 or 3, got {tuple(x.shape)}"
        )
    if not bool(x.isfinite().all()):
        raise ValueError("x must be finite, got inf or NaN")
    if labels is None:
        return
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.is_complex():
        raise TypeError(f"labels must be a tensor of whole numbers, got {_kind(labels)}")
    if labels.shape != (len(x),):
        raise ValueError(f"labels must have shape ({len(x)},), got {tuple(labels.shape)}")


def save_pictures(
    x: Float[Tensor, "n c h w"],
    path: str | PathLike,
    labels: Int64[Tensor, " n"] | None = None,
    cols: int | None = None,
) -> None:
    """Write pictures in [-1, 1] to a .png, all on one sheet of cols columns, or to an .npz that load_pictures reads.

    Kept in 8 bits; values beyond [-1, 1] become the first or the last level. Written aside and renamed. labels (n,) go
    into an .npz. cols: by default as many as make a square. ValueError: another ending, no pictures, channels other
    than 1 or 3, NaN, labels of another shape. TypeError: x not of floating point, labels not of whole numbers.
    """
    path = checks.path("path", path)
    if path.suffix.lower() not in (".png", ".npz"):
        raise ValueError(f"path must end in .png or .npz, got {path}")
    cols = cols if cols is None else checks.count("cols", cols)
    _check_drawn(x, labels)
    levels = to_levels(x)
    cols = min(len(x), cols or math.ceil(math.sqrt(len(x))))
    write_file(
        path, _sheet(levels, cols) if path.suffix.lower() == ".png" else _packed(levels, labels)
    )
