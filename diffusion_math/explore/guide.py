"The explorable of chapter 15: what guidance is said to draw, and what it draws."

import torch
import traitlets
from jaxtyping import Float
from torch import Generator, Tensor

from .. import checks
from ..flow import flow
from ..guidance import guided
from ..laws.mixture import GaussianMixture
from ..sde import walk
from ..training.checkpoint import load_pretrained
from .explorable import front_end
from .traits import Number, Packed, Whole, pack
from .weights import DIGITS, AsksInPage

__all__ = ["GuideExplorer"]

_COUNT, _SIDE = 6, 28  # digits, pixels


class GuideExplorer(AsksInPage):
    """Turn guidance up: what it is said to draw and what it draws, over one number, and digits by the network.

        GuideExplorer()                             # threes, w = 1
        GuideExplorer(w=4.0, digit=8)

    w, in [0, 8]: how often the class counts, 1 as Bayes' rule has it. digit, in 0..9: which one is asked for. generator
    draws the noise that the digits start from. The traits w, digit and eps (the noise as float32 bytes) follow the
    controls, and move them when set. Raises ValueError for a value that does not fit, TypeError or traitlets.TraitError for
    a wrong kind.
    """

    _esm = front_end("guide")
    _words = (
        "two modes, what guidance is said to draw and what it draws, digits, and a slider for w"
    )

    w = Number(0, 8)
    digit = Whole(0, 9)
    eps, _eps = Packed(lambda self: (_COUNT, _SIDE, _SIDE)), Packed()
    _count = traitlets.Int().tag(sync=True)

    def __init__(self, w: float = 1.0, digit: int = 3, generator: Generator | None = None):
        noise = pack(torch.randn(_COUNT, _SIDE, _SIDE, generator=checks.random(generator)))
        start, sent = {"w": w, "digit": digit}, {"eps": noise, "_eps": noise, "_network": DIGITS}
        super().__init__(**start, **sent, _count=_COUNT, _start=start)

    @property
    def places(self) -> Float[Tensor, " n"]:
        "Where the guided flow carries the starts -4, -3.95, ..., 4 of one number."
        means, variances = torch.tensor([[-1.0], [1.0]]).double(), torch.tensor([0.5, 0.5]).double()
        both = GaussianMixture([0.5, 0.5], means, variances)
        right = GaussianMixture([1.0], means[1:], variances[1:])
        starts = torch.arange(-80, 81, dtype=torch.float64)[:, None] * 0.05
        return flow(guided(right, both, self.w), starts, -14.0, 10.0, 100)[:, 0]

    @property
    def digits(self) -> Float[Tensor, "n 1 28 28"]:
        "The digits that the network draws from eps, by twelve steps without noise."
        p = load_pretrained(DIGITS).eval().requires_grad_(False)
        starts = self.unpacked("eps").view(-1, 1, _SIDE, _SIDE)
        told = p.given(y=torch.full((len(starts),), self.digit))
        return walk(guided(told, p, self.w), starts, -10.0, 6.0, 12, 0.0)
