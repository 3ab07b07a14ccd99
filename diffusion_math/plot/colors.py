"Colours by their names in the palette, and shades of one."

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from .. import checks
from .palette import PALETTE, matplotlib

__all__ = ["PARTS", "color_of", "colors_of", "shades"]

PARTS = {"entropy": "data", "model's error": "accent", "gap": "noise"}  # the parts of the bound


def color_of(name: Any, what: str = "color") -> Any:
    "A colour of the palette by its name, or matplotlib's own as it is."
    is_color_like = matplotlib("colors").is_color_like
    color = PALETTE.get(name, name) if isinstance(name, str) else name
    try:
        fits = is_color_like(color)
    except Exception:  # an object may raise anything when it is asked
        fits = False
    if not fits:
        known = ", ".join(PALETTE)
        raise ValueError(
            f"{what} must be one of {known}, or a colour of matplotlib's, got {checks.shown(name)}"
        )
    return color


def colors_of(names: Sequence[str], colors: Mapping | Sequence | None) -> list:
    "A colour for each name: as told, else its own, else the next of the palette that is free."
    if isinstance(colors, str):
        raise TypeError(f"colors must be a list or a dict of colours, got one text: {colors!r}")
    if colors is not None and not isinstance(colors, Mapping):
        colors = checks.listed("colors", colors, "colours, or a dict of them")
    if colors is None:
        free = cycle([k for k in ("q", "p", "data", "accent", "noise") if k not in names])
        own = PARTS | {key: key for key in PALETTE}
        chosen = [own.get(name) or next(free, "q") for name in names]
    elif len(colors) != len(names):
        raise ValueError(
            f"colors must hold one colour for each of {list(names)}, got {checks.shown(colors)}"
        )
    elif isinstance(colors, Mapping) and set(colors) != set(names):
        raise ValueError(
            f"colors must have the keys {list(names)}, got {checks.shown(list(colors))}"
        )
    else:
        chosen = [colors[name] for name in names] if isinstance(colors, Mapping) else list(colors)
    return [color_of(color, "colors") for color in chosen]


def shades(color: str, n: int) -> list[str]:
    "`n` shades of a colour of the palette or of matplotlib's, from a light one to the colour itself."
    colors = matplotlib("colors")
    full, n = np.array(colors.to_rgb(color_of(color))), checks.at_most("n", n, 10**4, 0)
    return [colors.to_hex(1 - share * (1 - full)) for share in np.linspace(1.0, 0.35, n)[::-1]]
