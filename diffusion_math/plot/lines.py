"Curves, densities and schedules."

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .. import checks
from ..teach.numbers import as_reals, one_for_each
from .arguments import by_name, mapping
from .axes import WHISKER, drawing, finished
from .colors import colors_of
from .palette import PALETTE

__all__ = ["curves", "density", "schedule"]


def curves(
    x: Any,
    curves: Mapping[str, Any],
    ax: Any = None,
    alt: str | None = None,
    colors: Mapping | Sequence | None = None,
    lines: str | Mapping[str, str] | None = None,
    errors: Mapping[str, Any] | None = None,
    fill: bool = False,
    **look: Any,
) -> Any:
    """Draw `curves`: name -> y (n,) at x (n,), or (n, k) for k thin ones; a pair (x, y); or a number, a level.

    `lines`: matplotlib's format without a colour, such as "o-", for all or by name. `errors`: by name, half the
    width of error bars (n,). `fill` shades the area under a curve. ValueError: shapes, colours, names that don't match.
    """
    with drawing(ax, look) as ax:
        _draw_curves(ax, x, curves, colors, lines, fill, errors)
    return finished(ax, alt)


def _draw_curves(
    ax: Any, x: Any, curves: Mapping, colors: Any, lines: Any, fill: bool, errors: Any = None
) -> None:
    "The curves of `curves` on axes that are there."
    names, fill = list(mapping("curves", curves, some=False)), checks.flag("fill", fill)
    palette, errors = colors_of(names, colors), by_name(errors, names, "errors")
    lines = (
        dict.fromkeys(names, lines) if isinstance(lines, str) else by_name(lines, names, "lines")
    )
    points = [_curve(x, y, f"curves[{name!r}]") for name, y in curves.items()]
    for name, (at, y), color in zip(names, points, palette, strict=True):
        known = color == PALETTE["truth"]
        line = checks.text("lines", lines.get(name) or "") or ("--" if known else "-")
        _line(ax, at, y, line, label=name, color=color, zorder=3 if known else 2)
        if name in errors:
            half = one_for_each(y, errors[name], f"errors[{name!r}]")
            ax.errorbar(at, y, half, ecolor=color, **WHISKER)
        if fill and not known and at is not None:
            ax.fill_between(at, 0, y, color=color, alpha=0.15, linewidth=0)
    marked = ax.containers or any(line.get_marker() != "None" for line in ax.get_lines())
    if not marked and any(at is not None for at, _ in points):
        ax.margins(x=0)  # lines run from edge to edge; bars and marks would be cut


def _curve(x: Any, y: Any, name: str) -> tuple:
    "A curve as x (n,) and y (n,) or (n, k), of a pair both may be (n, k); a level as None and a number."
    own = isinstance(y, tuple)
    x, y = y if own else (x, y)
    y = as_reals(y, name)
    if y.ndim == 0 and not own:
        return None, float(y)
    if x is None:
        raise ValueError(f"{name} must be a pair (x, y) where x is not told, got x = None")
    x, y = torch.atleast_1d(as_reals(x, "x")), torch.atleast_1d(y)
    if len(x) != len(y) or y.ndim > 2 or x.ndim > 1 and not (own and x.shape == y.shape):
        shapes = f"{tuple(y.shape)} and x {tuple(x.shape)}"
        raise ValueError(f"{name} must be (n,) like x, got {shapes}")
    return x.numpy(), y.numpy()


def _line(ax: Any, x: np.ndarray | None, y: Any, line: str, label: str, **kwargs: Any) -> None:
    "One curve, several thin ones, or a level; a small mark where there is a line too."
    stroke = next((stroke for stroke in ("--", "-.", "-", ":") if stroke in line), "")
    mark = line.replace(stroke, "", 1)
    if x is None:
        ax.axhline(y, linestyle=stroke or "-", linewidth=1.4, label=label, **kwargs)
        return
    size = {"|": 12, "_": 11}.get(mark, 4 if stroke else 6)
    thin = {"linewidth": 0.8, "alpha": 0.8} if y.ndim == 2 else {}
    try:
        ax.plot(x, y, line, markersize=size, **thin, **kwargs)[0].set_label(label)
    except ValueError as error:
        fits = "a format of matplotlib's without a colour, such as 'o-'"
        raise ValueError(f"lines must be {fits}, got {line!r}") from error


def density(
    x: Float[Tensor, "n"],
    curves: Mapping[str, Any],
    ax: Any = None,
    colors: Mapping | Sequence | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    fill: bool = True,
    title: str | None = None,
    alt: str | None = None,
    lines: str | Mapping[str, str] | None = None,
    **look: Any,
) -> Any:
    """Draw `curves`, each a name and its values at `x`, on `ax` or on a new figure; returns the axes, or shows them.

    `colors`: names of the palette or matplotlib's, as a list or by curve. `fill` shades the area under each curve.
    A name that is empty has no legend. `curves`, `lines` and the rest as in `curves`.
    """
    look |= {"xlabel": xlabel, "ylabel": ylabel, "title": title}
    with drawing(ax, look, xlabel="x", ylabel="density") as ax:
        _draw_curves(ax, x, curves, colors, lines, fill)
    return finished(ax, alt)


def schedule(
    schedules: Mapping[str, Any],
    ax: Any = None,
    title: str | None = None,
    alt: str | None = None,
    **look: Any,
) -> Any:
    """Draw sqrt(alpha_bar) and sqrt(1 - alpha_bar) of named schedules against t / T; returns the axes, or shows them.

    A schedule offers `T`, `alpha_bar` of length T + 1, and `noise_var`, which is 1 - alpha_bar without cancellation.
    """
    for name, s in mapping("schedules", schedules).items():
        if not (hasattr(s, "T") and hasattr(s, "alpha_bar") and hasattr(s, "noise_var")):
            came = checks.got(s)
            raise TypeError(f"schedules[{name!r}] must have T, alpha_bar and noise_var, got {came}")
    with drawing(ax, look | {"title": title}, height=3.0, xlabel="t / T", ylabel="scale") as ax:
        for (name, s), line in zip(schedules.items(), cycle(["-", "--", ":", "-."]), strict=False):
            if len(s.alpha_bar) != s.T + 1:
                wrong = f"must have {s.T + 1} entries, got {len(s.alpha_bar)}"
                raise ValueError(f"schedules[{name!r}].alpha_bar {wrong}")
            t = torch.linspace(0, s.T, min(s.T, 1000) + 1, dtype=torch.float64).round().long()
            image, noise = (v.detach().cpu().double()[t].sqrt() for v in (s.alpha_bar, s.noise_var))
            name = f", {name}" if name else ""
            pair = {rf"image, $\sqrt{{\bar\alpha_t}}${name}": image}
            pair |= {rf"noise, $\sqrt{{1-\bar\alpha_t}}${name}": noise}
            _draw_curves(ax, t / s.T, pair, ["data", "noise"], line, fill=False)
    return finished(ax, alt)
