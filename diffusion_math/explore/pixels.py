"Two pixels of the digits, their cloud over all digits, and their cell in the covariance matrix."

import torch
import traitlets
from jaxtyping import Float, UInt8
from torch import Tensor

from .. import checks
from ..data.digits import from_levels, to_levels
from .explorable import Explorable, front_end
from .traits import Packed, Whole, check_range, pack

__all__ = ["PixelsExplorer"]

_MOST = 600


def _levels(images: Tensor) -> UInt8[Tensor, "n 1 h w"]:
    "One byte a pixel, 0 for -1 and 255 for 1, or an error that says what is wrong with the images."
    checks.at_hand("images", checks.floating("images", images))
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] != 1 or 0 in shape:
        raise ValueError(f"images must have shape (n, 1, h, w), got {shape}")
    if not 2 <= shape[0] <= _MOST or shape[2] * shape[3] > 1024:
        raise ValueError(
            f"images must be 2 to {_MOST} of at most 1024 pixels, got {shape[0]} of {shape[2] * shape[3]}"
        )
    low, high = (v.item() for v in images.aminmax())
    if not (-1 <= low and high <= 1):
        raise ValueError(f"images must lie in [-1, 1], got values from {low:g} to {high:g}")
    return to_levels(images)


class PixelsExplorer(Explorable):
    """Two pixels of a set of images to drag: their cloud over the images, and their cell in the covariance matrix.

        PixelsExplorer(images[:500])                        # a pixel in the middle, and one beside it
        PixelsExplorer(images[:500], first=(14, 14), second=(5, 20))

    images: (n, 1, h, w) in [-1, 1], 2 to 600 of them, of at most 1024 pixels. first and second are (row, column). The
    traits first and second, w row + column, follow the controls, and move them when set. Raises ValueError for a value
    out of range, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("pixels")
    _words = "two pixels on the mean digit, their cloud over all digits, their cell in the covariance matrix"

    first, second = (Whole(0, lambda self: self._h * self._w - 1) for _ in range(2))
    _size = traitlets.List().tag(sync=True)
    _pixels = Packed()

    def __init__(
        self,
        images: Float[Tensor, "n 1 h w"],
        first: tuple[int, int] | None = None,
        second: tuple[int, int] | None = None,
    ):
        levels = _levels(images)
        n, _, self._h, self._w = levels.shape
        self.images = from_levels(levels).double()
        middle = (self._h // 2, self._w // 2)
        place = {
            "first": middle if first is None else first,
            "second": (middle[0], min(middle[1] + 2, self._w - 1)) if second is None else second,
        }
        start = {name: self._place(name, at) for name, at in place.items()}
        super().__init__(**start, _size=[n, self._h, self._w], _pixels=pack(levels), _start=start)

    def _place(self, name: str, at: tuple[int, int]) -> int:
        at = checks.listed(name, at, "two numbers, (row, column)")
        if len(at) != 2:
            raise ValueError(f"{name} must be (row, column), got {len(at)} numbers")
        row, column = (checks.whole(name, place) for place in at)
        check_range(f"{name}'s row", row, 0, self._h - 1)
        return self._w * row + check_range(f"{name}'s column", column, 0, self._w - 1)

    @property
    def table(self) -> Float[Tensor, "d d"]:
        "The covariance of every pair of pixels, (2.5)."
        return torch.cov(self.images.flatten(1).T, correction=0)

    @property
    def covariance(self) -> float:
        "The covariance of the two pixels over the images."
        return torch.cov(self.images.flatten(1)[:, [self.first, self.second]].T, correction=0)[
            0, 1
        ].item()

    @property
    def correlation(self) -> float:
        "Their covariance, divided by both standard deviations; NaN where one of them never changes."
        sd = self.images.flatten(1)[:, [self.first, self.second]].std(0, correction=0)
        return self.covariance / sd.prod().item() if bool((sd > 1e-12).all()) else float("nan")
