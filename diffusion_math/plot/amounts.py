"Counts and amounts, which are areas and lengths: bars, histograms, marks on a line and rulers."

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from .. import checks
from ..teach.numbers import all_finite, as_reals, one_for_each, one_number
from .arguments import by_name, mapping, several
from .axes import WHISKER, drawing, finished
from .colors import PARTS, color_of, colors_of
from .palette import INK, PALETTE

__all__ = ["bars", "histograms", "marks", "ruler"]


def histograms(
    samples: Mapping[str, Any],
    ax: Any = None,
    alt: str | None = None,
    colors: Mapping | Sequence | None = None,
    bins: int = 80,
    density: bool = True,
    **look: Any,
) -> Any:
    """Draw a histogram of each of `samples`, name -> numbers of any shape; with density=False it counts.

    The bins lie between the two ends of `xlim` if it is given, else between the least and the greatest of all numbers.
    ValueError: a sample that is empty, or has a number that isn't finite.
    """
    named, bins = mapping("samples", samples).items(), checks.at_most("bins", bins, 10**5)
    values = {name: as_reals(x, f"samples[{name!r}]").flatten() for name, x in named}
    for name, x in values.items():
        if len(x) == 0:
            what = "must hold finite numbers, and at least one"
            raise ValueError(f"samples[{name!r}] {what}, got none")
        all_finite(x, f"samples[{name!r}]")
    pool, density = torch.cat(list(values.values())), checks.flag("density", density)
    ends = look.get("xlim")
    ends = ends if ends is None else several("xlim", ends, 2, "(low, high)")
    edges = np.histogram_bin_edges(pool.numpy(), bins, ends)
    with drawing(ax, look, ylabel="density" if density else "how many") as ax:
        for (name, x), color in zip(values.items(), colors_of(list(values), colors), strict=True):
            share = 1 / len(x) / (edges[1] - edges[0]) if density else 1.0
            weights = np.full(len(x), share)
            ax.hist(x.numpy(), edges, weights=weights, color=color, alpha=0.5, label=name)
        ax.margins(x=0)
    return finished(ax, alt)


def marks(
    marks: Mapping[str, float],
    ax: Any = None,
    alt: str | None = None,
    color: str = "truth",
    **look: Any,
) -> Any:
    "Draw an upright line at each of `marks`, name -> x, its name beside its head, each a step lower than the last."
    named = mapping("marks", marks, some=False).items()
    marks = {name: one_number(at, f"marks[{name!r}]") for name, at in named}
    with drawing(ax, look) as ax:
        across = ax.get_xaxis_transform()
        for i, (name, at) in enumerate(marks.items()):
            head = 1.0 - 0.09 * i
            ax.plot([at, at], [0, head], color=color_of(color), linewidth=1.2, transform=across)
            ax.annotate(
                name, (at, head), (4, 0), xycoords=across, textcoords="offset points", va="top"
            )
    return finished(ax, alt)


def bars(
    x: Any,
    bars: Mapping[str, Any],
    ax: Any = None,
    alt: str | None = None,
    colors: Mapping | Sequence | None = None,
    errors: Mapping[str, Any] | None = None,
    **look: Any,
) -> Any:
    """Draw `bars`, name -> heights (n,), side by side at each of the n names or places in `x`.

    `errors`: by name, half the length of a whisker on each bar. ValueError: another number of bars than of places.
    """
    x, bars = checks.listed("x", x, "names or numbers"), mapping("bars", bars)
    named = all(isinstance(place, str) for place in x)
    places = np.arange(len(x)) if named else all_finite(as_reals(x, "x"), "x").numpy()
    errors = by_name(errors, list(bars), "errors")
    width = 0.8 * (np.diff(np.sort(places)).min() if len(places) > 1 else 1.0) / len(bars)
    with drawing(ax, look) as ax:
        if named:
            ax.set_xticks(places, list(x))
        for i, (name, color) in enumerate(zip(bars, colors_of(list(bars), colors), strict=True)):
            heights = one_for_each(places, bars[name], f"bars[{name!r}]")
            at = places + (i - (len(bars) - 1) / 2) * width
            ax.bar(at, heights, width, color=color, label=name)
            if name in errors:
                whisker = one_for_each(places, errors[name], f"errors[{name!r}]")
                ax.errorbar(at, heights, whisker, ecolor=INK, **WHISKER)
    return finished(ax, alt)


def ruler(
    rows: Mapping[str, Any],
    ax: Any = None,
    alt: str | None = None,
    colors: Mapping | Sequence | None = None,
    errors: Mapping[str, float] | None = None,
    **look: Any,
) -> Any:
    """Draw lying bars, top to bottom: `rows` is name -> number, -> {part: number}, laid end to end, or -> an Account.

    `colors`: by part, or by row where rows are numbers. `errors`: by row, half the length of the whisker at its end.
    """
    table = {n: _parts(row, f"rows[{n!r}]") for n, row in mapping("rows", rows).items()}
    parts = list(dict.fromkeys(part for row in table.values() for part in row))
    single, errors = parts == [""], by_name(errors, list(rows), "errors")
    palette = [colors_of(list(rows), colors)] if single else colors_of(parts, colors)
    place, end = np.arange(len(rows)), np.zeros(len(rows))
    with drawing(ax, look, height=0.9 + 0.5 * len(rows), legend="above") as ax:
        for part, color in zip(parts, palette, strict=True):
            long = np.array([row.get(part, 0.0) for row in table.values()])
            ax.barh(place, long, 0.55, end, color=color, label=part)
            end = end + long
        if not single:
            end = _mark_sums(ax, rows, end)
        half = [one_number(errors.get(name, 0.0), f"errors[{name!r}]") for name in rows]
        _values(ax, end, half)
        ax.set_yticks(place, list(rows))
        ax.set(ylim=(len(rows) - 0.4, -0.6), xmargin=0.12)
    return finished(ax, alt)


def _parts(row: Any, name: str) -> dict[str, float]:
    "The parts of one row: those of a mapping or of an account; a lone number is one part without a name."
    if hasattr(row, "model_error"):
        return dict(zip(PARTS, (row.entropy, row.model_error, row.gap), strict=True))
    row = row if isinstance(row, Mapping) else {"": row}
    return {part: one_number(amount, f"{name}, {part}") for part, amount in row.items()}


def _mark_sums(ax: Any, rows: Mapping, ends: np.ndarray) -> np.ndarray:
    "Black marks where the parts of each row end, or at the bound that an account was given; returns their places."
    ends = np.array(
        [getattr(row, "bound", end) for row, end in zip(rows.values(), ends, strict=True)]
    )
    name = "bound" if any(hasattr(row, "bound") for row in rows.values()) else "sum"
    ax.errorbar(ends, range(len(rows)), 0.38, fmt="none", ecolor=PALETTE["truth"], label=name)
    return ends


def _values(ax: Any, ends: np.ndarray, errors: list[float]) -> None:
    "What stands at the ends of the rows of a ruler: a whisker where there is an error, and the number."
    for i, (end, error) in enumerate(zip(ends, errors, strict=True)):
        if error:
            ax.errorbar(end, i, xerr=error, ecolor=INK, **WHISKER)
        told = f"{end:.3f}".replace("-", "\N{MINUS SIGN}")
        ax.annotate(told, (end + error, i), (5, 0), textcoords="offset points", va="center")
