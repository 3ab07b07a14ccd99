"The house's one visual language: its colours, each with a meaning, its sizes and its style."

from contextlib import AbstractContextManager
from importlib import import_module
from types import ModuleType
from typing import Any

from .. import checks

__all__ = ["CSS", "DPI", "INK", "PALETTE", "RULE", "STYLE", "figure", "matplotlib", "style"]

PALETTE = {
    "data": "#0072B2",  # blue: the data, and how much of it is left
    "noise": "#8C8C8C",  # grey: the noise, and how much of it there is
    "q": "#D55E00",  # vermilion: the forward process
    "p": "#009E73",  # green: the reverse process
    "accent": "#CC79A7",  # pink: whatever the text points at
    "truth": "#000000",  # black: the known answer, drawn dashed
}
INK, RULE = "#222222", "#B0B0B0"  # text; the lines of a frame
INCHES = 300  # the largest side of a figure
DPI, CSS = 192, 96  # pixels an inch in the file, and on the page: two dots for one keep it sharp

STYLE = {
    "figure.facecolor": "white", "savefig.facecolor": "white", "axes.facecolor": "white",
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 10.5,
    "axes.titlesize": 11, "axes.labelsize": 10.5, "legend.fontsize": 10, "xtick.labelsize": 10, "ytick.labelsize": 10,
    "text.color": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.edgecolor": RULE, "xtick.color": RULE, "ytick.color": RULE, "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "lines.linewidth": 2.0,
    "axes.prop_cycle": f"cycler('color', {[PALETTE[k] for k in ('data', 'q', 'p', 'accent', 'noise', 'truth')]})",
}  # fmt: skip


def matplotlib(part: str = "") -> ModuleType:
    "matplotlib, or a module of its; ImportError that says what to install where there is none."
    checks.need("a picture", "matplotlib", "matplotlib")
    return import_module(f"matplotlib.{part}".strip("."))


def style() -> AbstractContextManager:
    "The house style as a context, `with style(): ...`; on leaving it matplotlib's settings are what they were."
    return matplotlib().rc_context(STYLE)


def figure(
    rows: int = 1, cols: int = 1, width: float = 7.0, height: float | None = None, **kwargs: Any
) -> tuple:
    """An empty figure in the house style: (fig, axes), as `matplotlib.pyplot.subplots` returns them.

    `width` and `height` are inches of 96 page pixels; without `height` each row has 2.8. Other arguments go to
    `Figure.subplots` (`sharex=True`, `squeeze=False`, ...). Draw on the axes, then `show(fig, alt)`.
    """
    rows, cols = checks.at_most("rows", rows, 100), checks.at_most("cols", cols, 100)
    height = 2.8 * rows if height is None else height
    size = checks.within("width", width, INCHES), checks.within("height", height, INCHES)
    with style():
        fig = matplotlib("figure").Figure(figsize=size, layout="constrained")
        axes = fig.subplots(rows, cols, **kwargs)
    return fig, axes
