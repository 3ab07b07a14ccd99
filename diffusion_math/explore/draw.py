"An explorable that noises a digit of the reader's own, and lets a network walk back."

import torch
import traitlets
from jaxtyping import Float
from torch import Generator, Tensor

from .. import checks
from ..forward import ForwardProcess
from ..training.checkpoint import load_pretrained
from .explorable import few_images, front_end
from .traits import Packed, Whole, check_range, pack
from .weights import DIGITS, AsksInPage

__all__ = ["DrawExplorer"]


def centred(x: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    "The picture moved by whole pixels so that its ink balances in the middle; what comes in from outside is black."
    ink = (x.double() + 1) / 2
    if ink.sum() < 1e-6:
        return x
    moves = []
    for dim, n in enumerate(x.shape):
        mean = (ink.sum(1 - dim) * torch.arange(n)).sum() / ink.sum()
        moves.append(int(((n - 1) / 2 - mean + 0.5).floor()))
    (down, right), (h, w) = moves, x.shape
    moved = torch.full_like(x, -1)
    to = moved[max(0, down) : h + min(0, down), max(0, right) : w + min(0, right)]
    to[:] = x[max(0, -down) : h - max(0, down), max(0, -right) : w - max(0, right)]
    return moved


class DrawExplorer(AsksInPage):
    """Draw a digit, noise it to t, and see the course's network walk back from there, eight times at once.

        DrawExplorer(x0)                            # a few digits to begin with, the first of them drawn
        DrawExplorer(x0, t=500, digit=3)

    x0: images of 28 x 28 pixels in [-1, 1], (n, 1, 28, 28) or one of them, at most 64. t, in 0..1000, is a step of the
    network's own schedule, self.q; generator draws the noise image. The traits t, digit, pixels (the drawing as float32
    bytes), eps (the noise image as bytes) and again (which walks, from 0 on) follow the controls, and move them when set.
    Raises ValueError for a value that does not fit, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("draw")
    _words = (
        "a digit to draw, its noisy picture at step t, and eight walks of a network back from there"
    )

    pixels, eps = (Packed(lambda self: (28, 28)) for _ in range(2))
    t, again = Whole(0, lambda self: self.q.T), Whole(0, 10**9)
    digit = Whole(0, lambda self: len(self._images) - 1)
    _x0, _eps, _levels = Packed(), Packed(), Packed()
    _size = traitlets.List().tag(sync=True)

    def __init__(
        self,
        x0: Float[Tensor, "..."],
        t: int = 400,
        digit: int = 0,
        generator: Generator | None = None,
    ):
        self._images = few_images(x0)
        n, _, h, w = self._images.shape
        if (h, w) != (28, 28):
            raise ValueError(f"x0 must hold images of 28 x 28 pixels, got {h} x {w}")
        self.q: ForwardProcess = load_pretrained(DIGITS).q
        start = {"t": t, "digit": digit, "again": 0}
        check_range("digit", checks.whole("digit", digit), 0, n - 1)
        noise = pack(torch.randn(h, w, generator=generator))
        sent = {"_x0": pack(self._images), "_levels": pack(self.q.schedule.log_alpha_bar)}
        sent |= {"_size": [n, h, w], "_network": DIGITS, "_eps": noise}
        drawn = pack(self._images[digit])
        super().__init__(**start, **sent, pixels=drawn, eps=noise, _start=start)

    @property
    def x0(self) -> Float[Tensor, "1 1 28 28"]:
        "The drawing, with its ink in the middle."
        return centred(self.unpacked("pixels").view(28, 28)).view(1, 1, 28, 28)

    @property
    def x_t(self) -> Float[Tensor, "1 1 28 28"]:
        "The drawing under noise: what the walks start from."
        law = self.q.marginal(self.x0.double(), self.t)
        return (law.mean + law.std * self.unpacked("eps").view_as(law.mean)).float()
