"A map of what leads to what, of boxes and arrows, without axes."

from typing import Any

import numpy as np
from torch import Tensor

from .. import checks
from ..teach.numbers import all_finite, as_reals
from .arguments import as_texts, several
from .colors import color_of
from .palette import INCHES, INK, RULE, matplotlib
from .pictures import as_pixels, write
from .showing import show

__all__ = ["Board"]

FAR = 1e9  # units on a board: beyond it a drawing loses its digits


def _spot(**place: Any) -> tuple[float, ...]:
    "Numbers that say where, on a board."
    return tuple(checks.within(name, value, FAR, -FAR) for name, value in place.items())


class Board:
    """A page for a map of pictures, boxes and arrows: its points (x, y) run from (0, 0), lower left, to `units`.

    board = Board(units=(100, 40)); board.arrow((10, 20), (40, 20), "q", label=1); board.show(alt)
    Colours are names of the palette or matplotlib's. `width` is the page's in inches; sizes of text are in points.
    """

    def __init__(self, units: tuple[float, float] = (100.0, 60.0), width: float = 10.0):
        units = several("units", units, 2, "(wide, high)")
        if not min(units) > 0:
            raise ValueError(f"units must be above 0, got {units}")
        width = checks.within("width", width, INCHES)
        self.fig = matplotlib("figure").Figure(figsize=(width, width * units[1] / units[0]))
        limits = {"xlim": (0, units[0]), "ylim": (0, units[1]), "autoscale_on": False}
        self.ax = self.fig.add_axes((0, 0, 1, 1), **limits)
        self.ax.set_axis_off()

    def picture(self, x: float, y: float, image: Tensor, name: str = "", size: float = 9.0) -> None:
        "An image of values in [-1, 1] with its middle at (x, y), its longer side `size` units, its name below."
        (x, y), size = _spot(x=x, y=y), checks.within("size", size, FAR)
        pixels, name = as_pixels(image, "image", (-1.0, 1.0)), checks.text("name", name)
        h, w = (size / 2 * side / max(pixels.shape) for side in pixels.shape[:2])
        box = (x - w, x + w, y - h, y + h)
        self.ax.imshow(pixels, extent=box, aspect="auto", interpolation="nearest", zorder=3)
        corners = [(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h), (x - w, y - h)]
        self.line(corners, RULE, 0.8)
        write(self.ax, x, y - h - 0.9, name, va="top")

    def box(
        self,
        x: float,
        y: float,
        text: str,
        color: str = "p",
        width: float = 9.0,
        height: float = 5.6,
    ) -> None:
        "A rounded box with its middle at (x, y), tinted, and a text in it."
        from matplotlib.colors import to_rgb
        from matplotlib.patches import FancyBboxPatch

        x, y, text = *_spot(x=x, y=y), checks.text("text", text)
        width, height = checks.within("width", width, FAR), checks.within("height", height, FAR)
        corner = (x - width / 2, y - height / 2)
        edge = color_of(color)
        tint = tuple(1 - 0.12 * (1 - np.array(to_rgb(edge))))
        look = {"boxstyle": "round,pad=0,rounding_size=1.2", "edgecolor": edge, "lw": 1.4}
        self.ax.add_patch(FancyBboxPatch(corner, width, height, facecolor=tint, zorder=3, **look))
        write(self.ax, x, y, text, va="center_baseline", zorder=4)

    def arrow(
        self,
        a: tuple[float, float],
        b: tuple[float, float],
        color: str = "q",
        label: Any = None,
        bend: float = 0.0,
        both: bool = False,
        at: float = 0.5,
        hollow: bool = False,
        dashed: bool = False,
    ) -> None:
        """An arrow from `a` to `b`, bent to its left if bend < 0; its label in a disc, the share `at` of the way.

        hollow: the disc is white, its rim and label coloured. dashed: so is the arrow's line.
        """
        from matplotlib.patches import FancyArrowPatch

        a, b = (several(n, v, 2, "a point (x, y)") for n, v in (("a", a), ("b", b)))
        ((bend,), at), both = (
            (_spot(bend=bend), checks.within("at", at, 1, 0)),
            checks.flag("both", both),
        )
        hollow, dashed = checks.flag("hollow", hollow), checks.flag("dashed", dashed)
        label = label if label is None else as_texts("label", [label])[0]
        head = ("<|-|>" if both else "-|>") + ",head_length=5,head_width=2.6"
        look = {"arrowstyle": head, "connectionstyle": f"arc3,rad={bend}", "color": color_of(color)}
        look |= {"linestyle": (0, (4, 2))} if dashed else {}
        self.ax.add_patch(FancyArrowPatch(a, b, lw=1.8, shrinkA=0, shrinkB=0, zorder=2, **look))
        if label is not None:
            a, b = np.array(a, float), np.array(b, float)
            # what pulls the curve
            aside = (a + b) / 2 + bend * np.array([b[1] - a[1], a[0] - b[0]])
            place = (1 - at) ** 2 * a + 2 * at * (1 - at) * aside + at**2 * b
            face, rim = ("white", color_of(color)) if hollow else (color_of(color), "white")
            disc = {"color": face, "markersize": 21, "mec": rim, "mew": 1.8 if hollow else 1.2}
            self.ax.plot(*place, "o", zorder=5, **disc)
            look = {"va": "center_baseline", "size": 9.5, "weight": "bold", "zorder": 6}
            write(self.ax, *place, str(label), rim, **look)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        color: str = INK,
        below: str = "",
        align: str = "center",
        gap: float = 3.0,
        size: float = 11.0,
    ) -> None:
        "A text whose baseline is at `y`, and `gap` units below it a second one, small and grey."
        x, y, gap = _spot(x=x, y=y, gap=gap)
        text, below, size = (
            checks.text("text", text),
            checks.text("below", below),
            checks.within("size", size, FAR),
        )
        align = checks.one_of("align", align, ("center", "left", "right"))
        write(self.ax, x, y, text, color_of(color), ha=align, va="baseline", size=size, zorder=4)
        write(self.ax, x, y - gap, below, "#666666", ha=align, va="baseline", size=8.5, zorder=4)

    def line(self, points: Any, color: str, width: float = 1.6) -> None:
        "A line through points (n, 2)."
        points = all_finite(as_reals(points, "points"), "points")
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"points must be (n, 2), got {tuple(points.shape)}")
        width = checks.within("width", width, FAR)
        self.ax.plot(*points.T.numpy(), color=color_of(color), linewidth=width, zorder=4)

    def dot(self, x: float, y: float, color: str, size: float = 5.0, hollow: bool = False) -> None:
        "A dot of `size` points; hollow: its rim alone."
        (x, y), size = _spot(x=x, y=y), checks.within("size", size, FAR)
        fill = "none" if checks.flag("hollow", hollow) else "full"
        self.ax.plot(x, y, "o", color=color_of(color), markersize=size, fillstyle=fill, zorder=4)

    def show(self, alt: str) -> None:
        "Display the page, as `show`."
        show(self.fig, alt)
