"A table of numbers, each in its shade."

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from .. import checks
from ..teach.numbers import all_finite, as_reals
from .arguments import several
from .axes import color_bar, drawing, finished
from .colors import color_of
from .palette import matplotlib

__all__ = ["heat"]


def heat(
    values: Float[Tensor, "rows columns"],
    ax: Any = None,
    alt: str | None = None,
    color: str | tuple[str, str] = "data",
    limits: tuple[float, float] | None = None,
    extent: tuple[float, float, float, float] | None = None,
    bar: str | None = None,
    **look: Any,
) -> Any:
    """Draw a table of numbers as shades of a colour, row 0 at the top, or over extent=(left, right, bottom, top).

    `limits`: what is drawn lightest and darkest, else the least and the greatest number; where they begin below 0 the
    shades go from blue over white to red. A pair of colours goes from one to the other. `bar`: as in `field`.
    """
    graded = matplotlib("colors").LinearSegmentedColormap.from_list
    table, bar = as_reals(values, "values").numpy(), bar if bar is None else checks.text("bar", bar)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"values must be (rows, columns), got {table.shape}")
    all_finite(torch.from_numpy(table), "values")
    ends = (table.min(), table.max())
    low, high = ends if limits is None else several("limits", limits, 2, "(least, greatest)")
    if limits is not None and not low < high:
        raise ValueError(f"limits must be (least, greatest), the least first, got {limits}")
    if extent is not None:
        extent = several("extent", extent, 4, "(left, right, bottom, top)")
    pair = _shade_pair(color)
    signed = low < 0 < high and isinstance(color, str)
    shade = "RdBu_r" if signed else graded("shades", pair)
    over = {} if extent is None else {"extent": extent, "origin": "lower", "aspect": "auto"}
    with drawing(ax, look) as ax:
        shown = ax.imshow(table, cmap=shade, vmin=low, vmax=high, **over)
        color_bar(shown, ax, bar)
    return finished(ax, alt)


def _shade_pair(color: Any) -> tuple:
    "The two ends of the shades: white and a colour, or the two colours that were given."
    if isinstance(color, tuple | list) and len(color) == 2:
        return tuple(color_of(end) for end in color)
    return ("white", color_of(color))
