"A bound has T + 1 terms, and a reader wants to see them."

import math
from typing import Any

from .. import checks
from ..elbo import Elbo
from .axes import drawing, finished
from .palette import PALETTE

__all__ = ["terms"]


def terms(bound: Elbo, ax: Any = None, alt: str | None = None, **look: Any) -> Any:
    """Draw the T + 1 terms of a bound, averaged over its data, against t: the steps as a line, both ends as marks.

        plot.terms(elbo(q, p, x0), alt="...")

    A value that the logarithm cannot show is told in the legend and not drawn. `look`: what `Axes.set` takes.
    """
    checks.instance("bound", bound, Elbo)
    usual = {"xlabel": "t", "ylabel": "nats", "height": 3.0}
    with drawing(ax, look, **usual) as ax:
        steps, mark = bound.steps.detach().mean(1).cpu().double(), "o-" if bound.T <= 60 else "-"
        ax.plot(range(2, bound.T + 1), steps, mark, color=PALETTE["p"], markersize=4,
                label="steps, $L_{t-1}$")  # fmt: skip
        ends = [
            (1, bound.reconstruction, "s", "data", "reconstruction, $L_0$"),
            (bound.T + 1, bound.prior, "D", "noise", "prior, $L_T$"),
        ]
        for t, value, mark, color, name in ends:
            y = float(value.detach().mean())
            name += f" = {y:.3g}".replace("-", "\u2212") + ("" if y > 0 else ", not on a log axis")
            ax.plot([t], [y if y > 0 else math.nan], mark, color=PALETTE[color], label=name)
        ax.set_yscale("log")
    return finished(ax, alt)
