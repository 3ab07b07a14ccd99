"What lies in the plane: contours, fields, paths, points and clouds."

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .. import checks
from ..teach.numbers import all_finite, as_reals, one_for_each
from .arguments import mapping, several
from .axes import color_bar, drawing, finished
from .colors import color_of, shades
from .palette import INCHES, PALETTE, figure
from .showing import show

__all__ = ["contours", "field", "paths", "points", "clouds"]


def points(
    x: Float[Tensor, "n 2"],
    ax: Any = None,
    color: str = "data",
    label: str | None = None,
    size: float | None = None,
    title: str | None = None,
    alt: str | None = None,
    **look: Any,
) -> Any:
    """Draw the n points `x` on `ax` or on a new figure, both axes at the same scale; returns the axes, or shows them.

    `color` is a name of the palette or matplotlib's, `size` an area in points squared.
    ValueError: not (n, 2), or a coordinate that is not finite.
    """
    points, label = _plane(x, "x"), label if label is None else checks.text("label", label)
    area = min(14.0, max(2.0, 4000 / max(1, len(points))))
    area = area if size is None else checks.within("size", size, INCHES)
    with drawing(ax, look | {"title": title}, **_SQUARE) as ax:
        color = color_of(color)
        ax.scatter(*points.T, s=area, color=color, alpha=0.6, linewidths=0, label=label)
        ax.set_aspect("equal")
    return finished(ax, alt)


_SQUARE = {"width": 3.6, "height": 3.6, "xlabel": "$x_1$", "ylabel": "$x_2$"}


def _plane(x: Tensor, name: str) -> np.ndarray:
    "Points of the plane as an array (n, 2)."
    if not isinstance(x, Tensor) or x.is_complex():
        raise TypeError(f"{name} must be a tensor of points (n, 2), got {checks.got(x)}")
    checks.at_hand(name, x)
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"{name} must be (n, 2), got {tuple(x.shape)}")
    wrong = int((~x.isfinite()).any(1).sum())
    if wrong:
        raise ValueError(f"{name} must be finite, got {wrong} points of {len(x)} that are not")
    return x.detach().cpu().double().numpy()


def clouds(
    panels: Mapping[str, Tensor], alt: str, color: str = "p", size: float | None = None, **look: Any
) -> None:
    "Show points, name -> (n, 2), in a row of panels of one scale; a panel named like a colour of the palette has it."
    n, color = len(mapping("panels", panels)), color_of(color)
    for name, x in panels.items():
        _plane(x, f"panels[{name!r}]")
    width = min(9.5, 0.6 + 2.4 * n)
    shape = {"width": width, "height": (width - 0.6) / n + 0.95, "squeeze": False}
    fig, axes = figure(1, n, sharex=True, sharey=True, **shape)
    for ax, (name, x) in zip(axes[0], panels.items(), strict=True):
        own = name if name in PALETTE else color
        points(x, ax, own, size=size, title=name, **look)
        ax.label_outer()
    show(fig, alt)


def contours(
    log_prob: Callable[[Tensor], Tensor],
    ax: Any = None,
    alt: str | None = None,
    color: str = "data",
    span: float = 3.0,
    fill: bool = False,
    **look: Any,
) -> Any:
    """Draw the density whose log is `log_prob`, a function of points (n, 2), on the square from -span to span.

    The lines are where it lies k^2 / 2 nats below its top, k = 0.5, 1, ... 4: k standard deviations from a Gaussian's mean.
    """
    checks.function("log_prob", log_prob, "points (n, 2)")
    span = checks.within("span", span, 1e9)
    line = torch.linspace(-span, span, 161, dtype=torch.float64)
    height = as_reals(log_prob(torch.cartesian_prod(line, line)), "log_prob(points)")
    fill = checks.flag("fill", fill)
    if height.shape != (161**2,):
        raise ValueError(f"log_prob must give one number for each point, got {tuple(height.shape)}")
    away = (2 * (height.max() - height)).clamp(min=0).sqrt().view(161, 161).T
    levels = [k / 2 for k in range(9)]
    with drawing(ax, look, **_SQUARE) as ax:
        if fill:
            ax.contourf(line, line, away, levels, colors=shades(color, 8)[::-1], alpha=0.7)
        else:
            ax.contour(line, line, away, levels[1:], colors=[color_of(color)], linewidths=1.2)
        ax.set(aspect="equal", xlim=(-span, span), ylim=(-span, span))
    return finished(ax, alt)


def paths(
    paths: Float[Tensor, "steps n 2"],
    ax: Any = None,
    alt: str | None = None,
    color: str = "accent",
    **look: Any,
) -> Any:
    "Draw n paths in the plane, each a line from a dot at paths[0]. ValueError: not (steps, n, 2)."
    if not isinstance(paths, Tensor) or paths.is_complex():
        raise TypeError(f"paths must be a tensor (steps, n, 2), got {checks.got(paths)}")
    if paths.ndim != 3 or paths.shape[2] != 2:
        raise ValueError(f"paths must be (steps, n, 2), got {tuple(paths.shape)}")
    steps = all_finite(as_reals(paths, "paths"), "paths").numpy()
    with drawing(ax, look, **_SQUARE) as ax:
        ax.plot(*steps.transpose(2, 0, 1), color=color_of(color), linewidth=1.4)
        ax.plot(*steps[0].T, "o", color=color_of(color), markersize=5)
        ax.set_aspect("equal")
    return finished(ax, alt)


def field(
    x: Float[Tensor, "n 2"],
    arrows: Float[Tensor, "n 2"],
    ax: Any = None,
    alt: str | None = None,
    color: str = "truth",
    lengths: tuple[float, float] | None = None,
    bar: str | None = None,
    **look: Any,
) -> Any:
    """Draw `arrows` that begin at the points `x`, long as the root of their length; the longest is as points are apart.

    With `lengths`, such as (0.1, 100), all have one length, and their colour says how long they are, on a log scale;
    `bar` is the label of a colour bar, for all panels of this scale. ValueError: not (n, 2) both, or not finite.
    """
    from matplotlib.colors import LogNorm

    along = one_for_each(feet := _plane(x, "x"), _plane(arrows, "arrows"), "arrows")
    color, bar = color_of(color), bar if bar is None else checks.text("bar", bar)
    if lengths is not None:
        lengths = several("lengths", lengths, 2, "(shortest, longest)")
        if not 0 < lengths[0] < lengths[1]:
            raise ValueError(f"lengths must be above 0, the longest last, got {lengths}")
    long = np.linalg.norm(along, axis=1).clip(1e-300)
    unit = _apart(x) / (1.0 if lengths else long.max() ** 0.5)
    ends = unit * along / (long if lengths else long**0.5)[:, None]
    how = {"angles": "xy", "scale_units": "xy", "scale": 1.0, "width": 0.004}
    with drawing(ax, look, **_SQUARE) as ax:
        if lengths:
            how |= {"norm": LogNorm(*lengths), "cmap": "viridis"}
            shown = ax.quiver(*feet.T, *ends.T, long, **how)
        else:
            shown = ax.quiver(*feet.T, *ends.T, color=color, alpha=0.6, **how)
        ax.set_aspect("equal")
        color_bar(shown, ax, bar)
    return finished(ax, alt)


def _apart(x: Tensor) -> float:
    "How far a point is from the next, for half of the points `x`; 1 for a lone point."
    apart = torch.cdist(x.double(), x.double()).fill_diagonal_(torch.inf).amin(1).median().item()
    return apart if 0 < apart < float("inf") else 1.0
