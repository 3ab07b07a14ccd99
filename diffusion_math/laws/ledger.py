"A bound has T + 1 terms, and a reader wants to see them."

import math
from html import escape
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from .. import checks

__all__ = ["StandardErrors", "has_means", "line", "mean_rows", "number", "plot", "table"]


class StandardErrors(NamedTuple):
    "Standard errors in nats, of draws alone: each in the shape of the number that it belongs to."

    prior: Float[Tensor, " b"]
    steps: Float[Tensor, "n b"]
    reconstruction: Float[Tensor, " b"]
    total: Float[Tensor, " b"]


def mean_rows(bound: Any) -> list[tuple[str, float, float]]:
    "What the table says: a name, the mean over the data in nats, and the standard error that the draws give it."
    b, e = len(bound.total), bound.stderr
    named = [
        (f"prior, L_{bound.T}", bound.prior, e.prior),
        (f"steps, L_1 + ... + L_{bound.T - 1}", bound.steps.sum(0), e.steps.square().sum(0).sqrt()),
        ("reconstruction, L_0", bound.reconstruction, e.reconstruction),
        ("total, the negative ELBO", bound.total, e.total),
        ("ELBO = -total", -bound.total, e.total),
    ]
    if bound.T == 1:
        del named[1]
    return [
        (name, float(x.detach().mean()), float(s.detach().square().sum().sqrt()) / b)
        for name, x, s in named
    ]


def number(x: float, error: float) -> str:
    "x with as many digits as its error leaves it, and the error."
    if not math.isfinite(x) or not math.isfinite(error) or error == 0:
        return f"{x:.4f}"
    digits = min(6, max(1, 1 - math.floor(math.log10(error))))
    return f"{x:.{digits}f} ± {error:.{digits}f}"


def has_means(bound: Any) -> bool:
    "Is there anything to average, and is it at hand?"
    return len(bound.total) > 0 and not bound.total.is_meta


def line(bound: Any) -> str:
    "The bound in one line of text."
    mean = (
        f", total {number(*mean_rows(bound)[-2][1:])} nats on average" if has_means(bound) else ""
    )
    return f"Elbo(b={len(bound.total)}, T={bound.T}{mean})"


def table(bound: Any) -> str:
    "The terms as an HTML table, averaged over the data; or the line, where there is no mean."
    if not has_means(bound):
        return escape(line(bound))
    means = mean_rows(bound)
    rows = [(name, number(x, s)) for name, x, s in means]
    _, x, s = means[-2]
    unit = bound.dims * math.log(2)
    rows.append(("total in bits/dim", number(x / unit, s / unit)))
    left = "style='text-align:left'"
    body = "".join(
        f"<tr><td {left}>{escape(a)}</td><td>{v.replace('-', '&minus;')}</td></tr>" for a, v in rows
    )
    head = f"<tr><th {left}>mean of {len(bound.total)} data</th><th>nats</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def plot(bound: Any, ax: Any = None, title: str | None = None) -> Any:
    "The steps as a line over t, the two ends as marks with their values; returns the axes."
    from ..plot import PALETTE, figure, style

    ax, title = checks.axes(ax), title if title is None else checks.text("title", title)
    with style():
        ax = figure(height=3.0)[1] if ax is None else ax
        steps, mark = bound.steps.detach().mean(1).cpu().double(), "o-" if bound.T <= 60 else "-"
        line = {"color": PALETTE["p"], "markersize": 4, "label": "steps, $L_{t-1}$"}
        ax.plot(range(2, bound.T + 1), steps, mark, **line)
        first = (1, bound.reconstruction, "s", "data", "reconstruction, $L_0$")
        for t, value, mark, color, name in (
            first,
            (bound.T + 1, bound.prior, "D", "noise", "prior, $L_T$"),
        ):
            _end(ax, t, float(value.detach().mean()), mark, PALETTE[color], name)
        ax.set(xlabel="t", ylabel="nats", yscale="log", title=title or "")
        ax.legend(frameon=False)
    return ax


def _end(ax: Any, t: int, y: float, mark: str, color: str, name: str) -> None:
    "One of the two ends; a value that the logarithm cannot show is told and not drawn."
    shown = y > 0
    name += f" = {y:.3g}".replace("-", "\u2212") + ("" if shown else ", not on a log axis")
    ax.plot([t], [y if shown else math.nan], mark, color=color, label=name)
