"A figure as an output, with words for whoever can't see it; a film; one output shown again and again."

import base64
import html
import io
import sys
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from .. import checks
from ..teach.numbers import plain_number
from .palette import CSS, DPI, style

__all__ = ["Live", "show", "film"]

MARGIN = 8  # CSS pixels around a figure: where the page is dark, it lies on a white sheet
SHEET = f"max-width:100%;box-sizing:border-box;padding:{MARGIN}px;border-radius:8px;background:#fff"


def _drawn(fig: Any, dpi: int = DPI) -> Any:
    "`fig` as a picture of Pillow's."
    from PIL import Image

    drawn = io.BytesIO()
    with style():
        fig.savefig(drawn, format="rgba", dpi=dpi)
    size = int(fig.get_figwidth() * dpi), int(fig.get_figheight() * dpi)
    return Image.frombytes("RGBA", size, drawn.getvalue()).convert("RGB")


def _file(fig: Any) -> bytes:
    "`fig` as the bytes of a WebP file, each channel in 51 levels, within 2 of 255, which stores a quarter less."
    file = io.BytesIO()
    coarse = _drawn(fig).point([(level + 2) // 5 * 5 for level in range(256)] * 3)
    coarse.save(file, "WEBP", lossless=True, quality=80)
    return file.getvalue()


def _img(fig: Any, alt: str) -> str:
    "The HTML `<img>` that holds `fig` itself, its text alternative escaped."
    return _img_of(_file(fig), fig, alt)


def _img_of(file: bytes, fig: Any, alt: str) -> str:
    "The HTML `<img>` of a WebP file, as wide as `fig`."
    source = f"data:image/webp;base64,{base64.b64encode(file).decode('ascii')}"
    width = round(fig.get_figwidth() * CSS) + 2 * MARGIN
    return f'<img alt="{html.escape(alt)}" src="{source}" width="{width}" style="{SHEET}">'


def show(fig: Any, alt: str) -> None:
    """Display the matplotlib figure `fig` with the text alternative `alt`, and close it.

    In a notebook the output is an HTML image and, as plain text, `alt`; outside IPython `alt` is printed.
    ValueError: `alt` is empty.
    """
    _publish([fig], alt, _img)


def _publish(figs: list, alt: str, made: Callable[..., str], **where: Any) -> None:
    "The HTML that is `made` of some figures and their words, in an output of its own, or in that which `where` names."
    if not isinstance(alt, str):
        raise TypeError(f"alt must say in words what the picture shows, got {checks.got(alt)}")
    for fig in figs:
        if not hasattr(fig, "savefig"):
            name = "fig" if len(figs) == 1 else "figs: each"
            raise TypeError(f"{name} must be a figure of matplotlib's, got {checks.got(fig)}")
    alt = " ".join(alt.split())
    if not alt:
        raise ValueError("alt must say in words what the picture shows, got an empty text")
    try:
        if _in_notebook():
            from IPython.display import publish_display_data

            publish_display_data({"text/html": made(*figs, alt), "text/plain": alt}, **where)
        else:
            print(alt)
    finally:
        if "matplotlib.pyplot" in sys.modules:  # a figure made by pyplot would otherwise stay open
            for fig in figs:
                sys.modules["matplotlib.pyplot"].close(fig)


def _in_notebook() -> bool:
    "Whether IPython runs; without the notebooks' packages it isn't even there."
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return get_ipython() is not None


class Live:
    """One output that is shown again and again, each picture in the place of the last: live = Live(), live.show(...).

    live.show(fig, alt, done=0.3, note="step 300")    # done, 0 to 1, as a bar above the picture, with a note
    """

    def __init__(self):
        self._where: dict[str, Any] = {"transient": {"display_id": uuid.uuid4().hex}}

    def show(self, fig: Any, alt: str, done: float | None = None, note: str = "") -> None:
        "As show. ValueError: an empty `alt`, a `done` that is not in [0, 1]."
        above = html.escape(checks.text("note", note))
        if done is not None:
            done = checks.number("done", plain_number(done), 0, 1)
            above = f'<progress value="{done:g}" max="1" aria-label="progress"></progress> {above}'
        above = f"<div>{above}</div>" if above else ""
        _publish([fig], alt, lambda fig, alt: above + _img(fig, alt), **self._where)
        self._where["update"] = True


def film(figs: Iterable, alt: str, seconds: float = 0.25, hold: float = 2.5) -> None:
    """Display figures of one size as a film that starts anew at its end: `seconds` each, the first and last `hold`.

    In a notebook the output is a moving picture that the reader can fold away; as plain text, and outside IPython, `alt`.
    ValueError: fewer than two figures, two sizes, an empty `alt`.
    """
    figs = checks.listed("figs", figs, "figures")
    seconds, hold = checks.positive("seconds", seconds), checks.positive("hold", hold)
    sizes = {tuple(fig.get_size_inches()) for fig in figs if hasattr(fig, "savefig")}
    if len(figs) < 2 or len(sizes) > 1:
        raise ValueError(
            f"figs must be two figures or more, all of one size, got {len(figs)} of {len(sizes)} sizes"
        )
    _publish(figs, alt, lambda *made: _film(*made, seconds=seconds, hold=hold))


def _film(first: Any, *rest: Any, seconds: float, hold: float) -> str:
    "The HTML of a film, and a line above it that folds it away; `rest` ends in its words."
    *others, alt = rest
    frames, file = [_drawn(first, FILM_DPI)], io.BytesIO()
    for fig in others:  # the axes stay where those of the first frame are
        fig.set_layout_engine("none")
        for ax, like in zip(fig.axes, first.axes, strict=True):
            ax.set_position(like.get_position())
        frames.append(_drawn(fig, FILM_DPI))
    times = [round(1000 * (hold if i in (0, len(others)) else seconds)) for i in range(len(frames))]
    lossless = {"lossless": True, "quality": 80, "method": 2}
    frames[0].save(
        file, "WEBP", save_all=True, append_images=frames[1:], duration=times, loop=0, **lossless
    )
    film = _img_of(file.getvalue(), first, alt)
    return f"<details open><summary>A film (click here to put it away, or to bring it back)</summary>{film}</details>"


FILM_DPI = 144  # pixels an inch of a film: fewer than of a still, since a film has many
