"Axes in the house's style, with their look, their legend and a colour bar."

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .. import checks
from .arguments import several
from .palette import INCHES, figure, matplotlib, style
from .showing import show

__all__ = ["WHISKER", "color_bar", "drawing", "finished"]


@contextmanager
def drawing(ax: Any, look: Mapping, **usual: Any) -> Iterator:
    """The axes to draw on, in the house style; when all is drawn they are given their `look`, and a legend.

    `look`: `width`, `height` of a new figure, `legend`, and what `Axes.set` takes. `usual`: the same, where neither
    `look` nor the axes themselves say anything.
    """
    told = {key: value for key, value in look.items() if value is not None or key == "legend"}
    words = usual | told
    keys = [key for key in ("width", "height") if key in words]
    size = {key: checks.within(key, words.pop(key), INCHES) for key in keys}
    place = words.pop("legend", "best")
    if not isinstance(place, str | bool | None):
        raise TypeError(
            f"legend must be a place, such as 'above', or None, got {checks.got(place)}"
        )
    _place_known(place)
    for key in {"title", "xlabel", "ylabel"} & words.keys():
        checks.text(key, words[key])
    for key in {"xlim", "ylim"} & words.keys():
        words[key] = _limits(key, words[key])
    ax = _known_axes(ax)
    with style():
        ax = figure(**size)[1] if ax is None else ax
        yield ax
        for key, value in words.items():
            if key in told or not getattr(ax, f"get_{key}")():
                _set(ax, key, value)
        for axis in [ax.xaxis] * ("xticks" in told) + [ax.yaxis] * ("yticks" in told):
            if axis.get_scale() == "log":  # where the ticks between have numbers, too
                axis.set_minor_formatter(lambda *_: "")
                axis.set_major_formatter(lambda v, _: f"{v:g}")
        _legend(ax, place)


def _known_axes(ax: Any) -> Any:
    "ax, which must be matplotlib's, or None for new ones."
    if not (ax is None or hasattr(ax, "get_xaxis_transform")):
        raise TypeError(f"ax must be one pair of axes of matplotlib's, got {checks.got(ax)}")
    return ax


def _limits(name: str, value: Any) -> tuple:
    "(low, high); None: as far as what is drawn reaches."
    ends = checks.listed(name, value, "numbers, or None")
    known = several(name, [0.0 if v is None else v for v in ends], 2, "(low, high)")
    return tuple(None if v is None else n for v, n in zip(ends, known, strict=True))


def _set(ax: Any, key: str, value: Any) -> None:
    "ax.set(key=value), or an error that names the key."
    if not hasattr(ax, f"set_{key}"):
        raise TypeError(f"{key} is nothing that Axes.set takes, got {checks.shown(value)}")
    try:
        ax.set(**{key: value})
    except Exception as error:
        fits = f"what Axes.set takes, got {checks.shown(value)}"
        raise ValueError(f"{key} must be {fits}: {error}") from error


def _place_known(place: str | bool | None) -> None:
    "ValueError for a place that matplotlib has not."
    places = "above", "beside", *matplotlib("legend").Legend.codes
    if place not in (True, False, None, *places):
        known = ", ".join(places)
        raise ValueError(f"legend must be one of {known}, or None, got {checks.shown(place)}")


def _legend(ax: Any, place: str | bool | None) -> None:
    'Names, if anything has one: at a place of matplotlib\'s, "above" the axes in a row, "beside" them, or None.'
    n = len(ax.get_legend_handles_labels()[1])
    if n and place == "above":
        pad = 2.2 if ax.get_title() else 0.3
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=n, borderaxespad=pad)
    elif n and place:
        corner = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
        usual = {"loc": "best" if place is True else place}
        ax.legend(**(corner if place == "beside" else usual))
    elif ax.get_legend():
        ax.get_legend().remove()


def finished(ax: Any, alt: str | None) -> Any:
    "The axes, to draw on; or nothing, once the figure is shown with its `alt`."
    if alt is None:
        return ax
    return show(ax.figure, alt)


WHISKER = {"fmt": "none", "elinewidth": 1.2, "capsize": 2.5}


def color_bar(shown: Any, ax: Any, label: str | None) -> None:
    "The colour bar of `shown`, if it has a label, beside all panels of the figure that have its scale."

    def alike(other):
        return (other.cmap, other.get_clim()) == (shown.cmap, shown.get_clim())

    if label is not None:
        panels = [a for a in ax.figure.axes if a.get_label() != "<colorbar>"]
        same = [a for a in panels if any(map(alike, [*a.images, *a.collections]))]
        ax.figure.colorbar(shown, ax=same, label=label)
