"A digit, a row of digits, a table of them."

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import checks
from .arguments import mapping, n_texts, several
from .palette import DPI, INCHES, INK, PALETTE, RULE, STYLE, matplotlib, style
from .showing import show

__all__ = ["as_pixels", "images", "rows", "strip", "write"]


def as_pixels(x: Tensor, name: str, value_range: tuple) -> np.ndarray:
    "One image tensor as an (h, w, 3) array of bytes."
    low, high = several("value_range", value_range, 2, "(low, high)")
    if not low < high:
        raise ValueError(f"value_range must be (low, high) with low < high, got {value_range}")
    if not isinstance(x, Tensor) or x.is_complex():
        real = " of real numbers" if isinstance(x, Tensor) else ""
        raise TypeError(f"{name} must be a tensor{real}, got {checks.got(x)}")
    shape = tuple(checks.at_hand(name, x).shape)
    while x.ndim > 3 and len(x) == 1:
        x = x[0]
    x = x[None] if x.ndim == 2 else x
    if x.ndim != 3 or len(x) not in (1, 3) or x.numel() == 0:
        wanted = "one image, (h, w), (1, h, w) or (3, h, w)"
        raise ValueError(f"{name} must be {wanted}, got shape {shape}")
    x = x.detach().cpu().double()
    if x.isnan().any():
        raise ValueError(f"{name} holds NaN in {int(x.isnan().sum())} of its {x.numel()} values")
    level = (255 * ((x - low) / (high - low)).clamp(0, 1)).round().to(torch.uint8)
    return level.permute(1, 2, 0).expand(-1, -1, 3).numpy()


def _pictures(images: Tensor | Sequence, value_range: tuple, name: str = "images") -> list:
    "A batch (n, c, h, w), one image, or a list of images (None stays None) as a list of arrays."
    lone = isinstance(images, Tensor) and images.ndim < 4
    images = [images] if lone else checks.listed(name, images, "images, or one tensor of them")
    if all(x is None for x in images):
        raise ValueError(f"{name} must hold at least one image, got none")
    named = [(f"{name}[{i}]", x) for i, x in enumerate(images)]
    return [None if x is None else as_pixels(x, place, value_range) for place, x in named]


def _spoken(text: str) -> str:
    "A label without its TeX signs, to be read aloud."
    return " ".join(text.translate(str.maketrans("", "", "$\\{}")).split())


def _extent(texts: Sequence[str]) -> tuple[int, int]:
    "The width and height in pixels of the largest of the texts; an empty text takes no room."
    size, fig = STYLE["font.size"], matplotlib("figure").Figure(dpi=DPI)
    pen = matplotlib("backends.backend_agg").RendererAgg(
        1, 1, DPI
    )  # outlines are narrower than what it draws
    lines = [line for text in texts for line in text.split("\n") if line.strip()]
    with style():
        widths = [fig.text(0, 0, line, size=size).get_window_extent(pen).width for line in lines]
    height = max((text.count("\n") + 1 for text in texts if text.strip()), default=0)
    return math.ceil(max(widths, default=0)), round(1.5 * height * size * DPI / 72)


def write(ax: Any, x: float, y: float, text: str, color: str = INK, **kwargs: Any) -> None:
    "A text on the page, centred sideways if not told otherwise."
    ax.text(x, y, text, **{"ha": "center", "color": color, "size": STYLE["font.size"]} | kwargs)


def _side(shape: tuple, size: float) -> float:
    "File pixels for one image pixel, a whole number if it can be; the image's longer side is at most `size` inches."
    scale = size * DPI / max(shape[:2])
    return int(scale) if scale >= 1 else scale


def _room(pictures: list, size: float) -> tuple[float, float]:
    "The width and height in file pixels that the largest of the pictures takes."
    shapes = [p.shape for p in pictures if p is not None]
    return tuple(max(_side(shape, size) * shape[k] for shape in shapes) for k in (1, 0))


def _fitting(n: int, room: float) -> float:
    "The size in inches of each of `n` images in a row that has `room` pixels for them: neither huge nor tiny."
    return min(1.1, max(0.35, room / n / DPI))


def _canvas(width: float, height: float) -> tuple:
    "An empty page of that many pixels, y downwards: (fig, ax)."
    fig = matplotlib("figure").Figure(figsize=(width / DPI, height / DPI))
    ax = fig.add_axes((0, 0, 1, 1), autoscale_on=False, xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    return fig, ax


def _paste(ax: Any, picture: np.ndarray, x: float, y: float, size: float) -> None:
    "Draw `picture` with its middle at (x, y), in a thin frame."
    side = _side(picture.shape, size)
    h, w = side * picture.shape[0], side * picture.shape[1]
    left, top = round(x - w / 2), round(y - h / 2)
    right, bottom = left + w, top + h
    how = "nearest" if side >= 1 else "antialiased"
    ax.imshow(picture, extent=(left, right, bottom, top), aspect="auto", interpolation=how)
    frame = [left, right, right, left, left], [top, top, bottom, bottom, top]
    ax.plot(*frame, color=RULE, linewidth=0.5)


def images(
    images: Tensor | Sequence[Tensor],
    titles: Sequence[str] | None = None,
    alt: str | None = None,
    cols: int | None = None,
    value_range: tuple = (-1.0, 1.0),
    size: float = 1.1,
) -> None:
    """Show images in a grid, each under its title; `size` is one image's longer side in inches.

    `images`: a batch (n, c, h, w), or a list of (h, w), (c, h, w) or (1, c, h, w); c is 1 (grey) or 3 (colour).
    `value_range` maps to black and white; what lies beyond it is drawn as its nearest end. Without `alt` the
    titles are the words. ValueError: no image, a shape that is not one image, NaN, a wrong number of titles.
    """
    size = checks.within("size", size, INCHES)
    n = len(pictures := _pictures(images, value_range))
    words, head = _extent(titles := n_texts(titles, n, "titles"))
    w, h = _room(pictures, size)
    w, h = max(w + 12, words + 16), h + 12 + head
    cols = min(n, max(1, int(1400 // w)) if cols is None else checks.count("cols", cols))
    fig, ax = _canvas(w * cols, h * -(-n // cols))
    for i, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        x, y = w * (i % cols + 0.5), h * (i // cols) + head
        _paste(ax, picture, x, y + (h - head) / 2, size)
        write(ax, x, y, title, va="bottom")
    spoken = ", ".join(filter(None, map(_spoken, titles)))
    count = f"{n} image{'s' * (n > 1)}"
    show(fig, (f"{count}: {spoken}" if spoken else count) if alt is None else alt)


def strip(
    images: Tensor | Sequence[Tensor | None],
    labels: Sequence[str] | None = None,
    arrows: Sequence[str] | None = None,
    alt: str | None = None,
    backward: bool = False,
    value_range: tuple = (-1.0, 1.0),
    size: float | None = None,
) -> None:
    """Show images in one row, `labels` below them; with `arrows`, an arrow and its text in each of the n - 1 gaps.

    `images` as in `images`; a None among them is drawn as three dots. Without `size` the row fits the page.
    ValueError: as in `images`; a wrong number of labels or arrows.
    """
    n = len(pictures := _pictures(images, value_range))
    words, foot = _extent(labels := n_texts(labels, n, "labels"))
    texts = [] if arrows is None else n_texts(arrows, n - 1, "arrows")
    gap = 8 if arrows is None else max(90, _extent(texts)[0] + 24)
    free = 1400 - (n - 1) * gap
    size = _fitting(n, free) if size is None else checks.within("size", size, INCHES)
    w, h = _room(pictures, size)
    w = max(w, words + 8)
    fig, ax = _canvas(n * w + (n - 1) * gap + 8, h + foot + 8)
    middles = [4 + w / 2 + i * (w + gap) for i in range(n)]
    for x, picture, label in zip(middles, pictures, labels, strict=True):
        _place(ax, picture, label, x, h, size)
    backward = checks.flag("backward", backward)
    for x, text in zip(middles, texts, strict=False):
        _arrow(ax, x + w / 2 + 8, x + w / 2 + gap - 8, 4 + h / 2, text, backward)
    show(fig, _strip_alt(pictures, labels, texts) if alt is None else alt)


def _place(
    ax: Any, picture: np.ndarray | None, label: str, x: float, h: float, size: float
) -> None:
    "One image of a strip of height `h`, or three dots, with its label below."
    if picture is None:
        write(ax, x, 4 + h / 2, "· · ·", va="center", size=16)
    else:
        _paste(ax, picture, x, 4 + h / 2, size)
    write(ax, x, h + 12, label, va="top")


def _arrow(ax: Any, left: float, right: float, y: float, text: str, backward: bool) -> None:
    "An arrow in a gap of a strip, its text above it."
    color = PALETTE["p" if backward else "q"]
    tip, tail = ((left, y), (right, y)) if backward else ((right, y), (left, y))
    shape = {"arrowstyle": "-|>", "color": color, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", tip, tail, arrowprops=shape)
    write(ax, (left + right) / 2, y - 14, text, color, va="bottom")


def _strip_alt(pictures: list, labels: list[str], texts: list[str]) -> str:
    "The text alternative of a strip whose author gave none."
    pairs = zip(pictures, labels, strict=True)
    names = [_spoken(label) or ("more" if p is None else "an image") for p, label in pairs]
    arrows = [f", arrow {_spoken(t)}, ".replace("arrow ,", "arrow,") for t in texts]
    joints = [*(arrows or [", "] * (len(names) - 1)), ""]
    row = "".join(name + joint for name, joint in zip(names, joints, strict=True))
    return f"A row of {len(names)} images: {row}"


def rows(
    rows: Mapping[str, Tensor | Sequence[Tensor | None]],
    columns: Sequence[str] | None = None,
    alt: str | None = None,
    value_range: tuple = (-1.0, 1.0),
    size: float | None = None,
) -> None:
    """Show rows of images, the name of each at its left, `columns` above; without `size` a row fits the page.

    Each row's images as in `images`, with None where a place stays empty; a row may be shorter than others.
    ValueError: as in `images`; no row; a wrong number of columns.
    """
    for name in mapping("rows", rows):
        checks.text("rows", name)
    table = [_pictures(x, value_range, f"rows[{name!r}]") for name, x in rows.items()]
    n, left = max(map(len, table)), _extent(list(rows))[0] + 20
    words, head = _extent(columns := n_texts(columns, n, "columns"))
    free = 1400 - left - 12 * n
    size = _fitting(n, free) if size is None else checks.within("size", size, INCHES)
    w, h = _room([p for row in table for p in row], size)
    w, h = max(w + 12, words + 16), h + 12
    fig, ax = _canvas(left + n * w, head + len(table) * h)
    for j, text in enumerate(columns):
        write(ax, left + (j + 0.5) * w, head, text, va="bottom")
    for i, (name, row) in enumerate(zip(rows, table, strict=True)):
        write(ax, left - 12, head + (i + 0.5) * h, name, ha="right", va="center")
        for j in [j for j, picture in enumerate(row) if picture is not None]:
            _paste(ax, row[j], left + (j + 0.5) * w, head + (i + 0.5) * h, size)
    show(
        fig, f"{len(rows)} rows of images: {', '.join(map(_spoken, rows))}" if alt is None else alt
    )
