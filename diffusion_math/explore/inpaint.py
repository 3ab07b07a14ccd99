"An explorable of chapter 17: rub out part of a digit, and a network fills it in."

import torch
import traitlets
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from .. import checks
from ..inverse import Measurement, replaced
from ..training.checkpoint import load_pretrained
from .explorable import few_images, front_end
from .traits import BadValue, Packed, Whole, pack
from .weights import DIGITS, AsksInPage

__all__ = ["InpaintExplorer"]

_SIDE = 28  # pixels
_ENDS, _STEPS, _NOISE = (
    (-8.0, 6.0),
    9,
    1e-3,
)  # log SNR of the walk, its steps, and noise that replaced takes for none


class InpaintExplorer(AsksInPage):
    """Rub out part of a digit with the finger, and see the course's network fill it in, six times over.

        InpaintExplorer(x0)                         # a few digits, the lower half of the first rubbed out
        InpaintExplorer(x0, rubbed=mask, times=4, digit=2)

    x0: images of 28 x 28 pixels in [-1, 1], (n, 1, 28, 28) or one of them, at most 64. rubbed: (28, 28) bool, True where
    nothing is known. times, in 1..4: how often the walk goes through each noise level [RePaint]. The traits digit, rubbed
    (a letter a pixel, 1 or 0), times and again (which fillings, from 0 on) follow the controls, and move them when set.
    Raises ValueError for a value that does not fit, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("inpaint")
    _words = "a digit to rub out, and six fillings of it by a network"

    rubbed, _x0 = traitlets.Unicode().tag(sync=True), Packed()
    times, again = Whole(1, 4), Whole(0, 10**9)
    digit = Whole(0, lambda self: len(self._images) - 1)
    _size = traitlets.List().tag(sync=True)

    def __init__(
        self,
        x0: Float[Tensor, "..."],
        rubbed: Bool[Tensor, "28 28"] | None = None,
        times: int = 2,
        digit: int = 0,
    ):
        self._images = few_images(x0)
        n, _, h, w = self._images.shape
        if (h, w) != (_SIDE, _SIDE):
            raise ValueError(f"x0 must hold images of 28 x 28 pixels, got {h} x {w}")
        if rubbed is None:
            rubbed = (torch.arange(_SIDE) >= _SIDE // 2)[:, None].expand(_SIDE, _SIDE)
        elif checks.instance("rubbed", rubbed, Tensor).dtype != torch.bool:
            raise TypeError(f"rubbed must be of torch.bool, got {rubbed.dtype}")
        elif rubbed.shape != (_SIDE, _SIDE):
            raise ValueError(f"rubbed must have shape (28, 28), got {tuple(rubbed.shape)}")
        gone = "".join(str(int(pixel)) for pixel in rubbed.flatten())
        start = {"times": times, "digit": digit, "rubbed": gone, "again": 0}
        sent = {"_x0": pack(self._images), "_size": [n, h, w], "_network": DIGITS}
        super().__init__(**start, **sent, _start=start)

    @property
    def seen(self) -> Bool[Tensor, "1 28 28"]:
        "Where the digit is known."
        return torch.tensor([pixel == "0" for pixel in self.rubbed]).view(1, _SIDE, _SIDE)

    @property
    def x0(self) -> Float[Tensor, "1 28 28"]:
        "The whole digit."
        return self._images[self.digit]

    def fillings(
        self, n: int = 6, generator: Generator | None = None
    ) -> Float[Tensor, "n 1 28 28"]:
        "n fillings as the page makes them, with torch's own random numbers."
        x = torch.randn(
            checks.at_most("n", n, 10**4), 1, _SIDE, _SIDE, generator=checks.random(generator)
        )
        by_mask, p = Measurement(self.seen, _NOISE), load_pretrained(DIGITS).eval()
        told = self.x0[self.seen]
        return replaced(p, by_mask, told, x, *_ENDS, _STEPS, self.times, generator)

    @traitlets.validate("rubbed")
    def _check(self, proposal: dict):
        value = proposal["value"]
        if len(value) != _SIDE**2 or not set(value) <= set("01"):
            raise BadValue(f"rubbed must be {_SIDE**2} letters, each 0 or 1, got {len(value)}")
        return value
