"What area and fit still import from here; it goes with the last of them."

from ..checks import chain_data
from ..ddpm import draw_terms

__all__ = ["check_chain", "draw_terms"]


def check_chain(q, p, x0, decoder=None):
    "x0 in float32 at least, once q, p and x0 fit each other."
    return chain_data("x0", x0, {"q": q, "p": p})
