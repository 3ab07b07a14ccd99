"The explorable of chapter 16: a walk that sees a dataset of pictures through windows."

import math

import torch
import traitlets
from jaxtyping import Float, Int
from torch import Generator, Tensor

from .. import checks
from ..memory import LocalDenoiser
from ..sde import walk
from .explorable import Explorable, front_end, looks
from .traits import BadValue, Number, Packed, Whole, pack

__all__ = ["MemoryExplorer"]

_MOST, _PIXELS = 64, 400  # pictures, and pixels of one
_FROM, _TO, _STEPS = -8.0, 8.0, 32


class MemoryExplorer(Explorable):
    """A walk that sees a dataset of pictures through windows: what it draws, and from which picture each pixel came.

        MemoryExplorer(dataset[:40])                   # windows of 7, at the walk's end
        MemoryExplorer(dataset[:40], window=3, level=0.0, collapse=-1.6)

    dataset: (n, 1, h, w), 2 to 64 pictures of at most 400 pixels. window: the side of a pixel's window, odd, 1 to
    2 max(h, w) - 1, which sees all. level: log SNR in [-8, 8], to the nearest half. collapse: a log SNR to be marked, or
    None. generator draws the noise that the walk starts from. The traits window, level, pixel (w row + column) and eps (the
    noise as float32 bytes) follow the controls, and move them when set. Raises ValueError for a value that does not fit,
    TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm, _css = front_end("memory"), looks("explore", "live")
    _words = "a digit drawn through windows, its quilt of training digits, and sliders for window and noise"

    window = Whole(1, lambda self: 2 * max(self._side) - 1)
    pixel = Whole(0, lambda self: math.prod(self._side) - 1)
    level = Number(_FROM, _TO)
    eps, _eps, _dataset = Packed(lambda self: self._side), Packed(), Packed()
    _size, _mark = traitlets.List().tag(sync=True), traitlets.List().tag(sync=True)

    def __init__(
        self,
        dataset: Float[Tensor, "n 1 h w"],
        window: int = 7,
        level: float = _TO,
        collapse: float | None = None,
        generator: Generator | None = None,
    ):
        checks.finite("dataset", checks.at_hand("dataset", checks.table("dataset", dataset, 4)))
        n, c, *self._side = dataset.shape
        if not (2 <= n <= _MOST and c == 1 and 1 <= self._side[0] * self._side[1] <= _PIXELS):
            fits = f"2 to {_MOST} pictures (n, 1, h, w) of at most {_PIXELS} pixels"
            raise ValueError(f"dataset must be {fits}, got {tuple(dataset.shape)}")
        mark = [] if collapse is None else [checks.within("collapse", collapse, _TO, _FROM)]
        noise = pack(torch.randn(self._side, generator=checks.random(generator)))
        self.dataset = dataset.detach().float().double()
        start = {"window": checks.whole("window", window), "level": level}
        start["pixel"] = self._side[1] * (self._side[0] // 2) + self._side[1] // 2
        sent = {"eps": noise, "_eps": noise, "_dataset": pack(self.dataset.float()), "_mark": mark}
        super().__init__(**start, **sent, _size=[n, *self._side], _start=start)

    @property
    def denoiser(self) -> LocalDenoiser:
        "Who looks through the windows."
        return LocalDenoiser(self.dataset, self.window)

    @property
    def path(self) -> Float[Tensor, "m h w"]:
        "The walk without noise from eps, at log SNR -8, -7.5, ..., 8."
        start = self.unpacked("eps").double().view(1, 1, *self._side)
        return walk(self.denoiser, start, _FROM, _TO, _STEPS, 0.0, trajectory=True)[:, 0, 0]

    @property
    def quilt(self) -> Int[Tensor, "h w"]:
        "Which of the dataset each pixel follows most, at level."
        at = round((self.level - _FROM) * _STEPS / (_TO - _FROM))
        level = _FROM + at * (_TO - _FROM) / _STEPS
        return self.denoiser.sources(self.path[at][None, None], level)[0]

    @traitlets.validate("window")
    def _check(self, proposal: dict):
        if proposal["value"] % 2 == 0:
            raise BadValue(f"window must be odd, to have a middle, got {proposal['value']}")
        return proposal["value"]
