"An explorable of a model's walk from noise to a digit, with its guess of the clean picture beside each frame."

from collections.abc import Sequence

import torch
import traitlets
from jaxtyping import Float
from torch import Generator, Tensor

from .. import checks
from ..data.digits import to_levels
from ..reverse import ReverseProcess
from ..training.checkpoint import pretrained_names
from .explorable import front_end
from .traits import Packed, Whole, check_range, pack
from .weights import AsksInPage, network_name

__all__ = ["FilmExplorer"]

_MOST = 12_000_000  # bytes of a film


def _frames(
    name: str, x: Tensor, shape: tuple[int, ...] | None = None
) -> Float[Tensor, "frames seeds 1 h w"]:
    "x as (frames, seeds, 1, h, w), or an error that says what is wrong with it."
    checks.at_hand(name, checks.floating(name, x))
    if x.ndim != 5 or x.shape[2] != 1 or 0 in x.shape or len(x) < 2:
        raise ValueError(
            f"{name} must have shape (frames, n, 1, h, w), two frames or more, got {tuple(x.shape)}"
        )
    if shape is not None and tuple(x.shape) != shape:
        raise ValueError(f"{name} must have the shape of x_t, {shape}, got {tuple(x.shape)}")
    if not bool(x.isfinite().all()):
        raise ValueError(f"{name} must be finite, got an infinity or a NaN")
    return x.detach().cpu().float()


def _times(times: Sequence[int] | None, n: int) -> list[int]:
    "The times of n frames, falling from T to 0, or an error."
    times = range(n - 1, -1, -1) if times is None else checks.listed("times", times, "numbers")
    times = [checks.at_most("times", t, low=-(10**7)) for t in times]
    if len(times) != n:
        raise ValueError(f"times must hold {n} numbers, one for each frame, got {len(times)}")
    if times[-1] != 0 or any(a <= b for a, b in zip(times[:-1], times[1:], strict=True)):
        raise ValueError(f"times must fall, and end at 0, got {times[:3]} ... {times[-1]}")
    return times


class FilmExplorer(AsksInPage):
    """A film of samples on their way from noise: x_t, and beside it the guess of x_0 that is made from it.

        FilmExplorer.of(p, n=4, generator=g)                # a DDPM or an ExactReverse: it makes the film
        FilmExplorer(x_t, x0, times)                        # or the frames themselves

    x_t: (frames, n, 1, h, w), from noise to x_0; x0: the guesses, in the same shape, or None. times: the t of each
    frame, falling to 0; without them frames-1, ..., 0. Values are shown, and kept, from -1 to 1. The traits frame and
    seed (which of the n) follow the controls, and move them when set. network: the name of a network that ships, which
    draws new digits in the page when asked; FilmExplorer.of finds it where p asks one. Raises ValueError for a value that
    does not fit, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("film")
    _words = "a film from noise to a digit, with the guess of the digit beside it, and a slider through its frames"

    frame = Whole(0, lambda self: self.x_t.shape[0] - 1)
    seed = Whole(0, lambda self: self.x_t.shape[1] - 1)
    _size, _times, _range = (traitlets.List().tag(sync=True) for _ in range(3))
    _frames, _moves = Packed(), Packed()

    def __init__(
        self,
        x_t: Float[Tensor, "..."],
        x0: Float[Tensor, "..."] | None = None,
        times: Sequence[int] | None = None,
        frame: int = 0,
        seed: int = 0,
        network: str | None = None,
    ):
        x = _frames("x_t", x_t)
        self.x_t, shape = x, tuple(x.shape)
        self.x0 = None if x0 is None else _frames("x0", x0, shape)
        both = [x] if self.x0 is None else [x, self.x0]
        kept = torch.stack([to_levels(one) for one in both], 2).transpose(0, 1).contiguous()
        if kept.numel() > _MOST:
            raise ValueError(
                f"a film must take at most {_MOST} bytes, got {kept.numel()}: give every tenth frame"
            )
        off = both[-1] - x[-1]
        moves = off.square().mean((2, 3, 4)).sqrt().T.contiguous()
        sent = {
            "_frames": pack(kept),
            "_moves": pack(moves),
            "_times": _times(times, len(x)),
            "_range": [-1.0, 1.0],
        }
        if network is not None:
            sent["_network"] = checks.one_of("network", network, pretrained_names())
        sent["_size"] = [shape[1], shape[0], *shape[-2:], len(both) - 1]
        start = {"frame": frame, "seed": seed}
        super().__init__(**start, **sent, _start=start)

    @classmethod
    def of(
        cls,
        p: ReverseProcess,
        n: int = 4,
        frames: int = 51,
        generator: Generator | None = None,
        like: Tensor | None = None,
        frame: int = 0,
    ) -> "FilmExplorer":
        """A film of n samples of p: at most frames of its T + 1 pictures, evenly spaced, each with p's guess of x_0.

        p: a ReverseProcess over (1, h, w); its guess is p.predict(x_t, t).x0 where it has predict, as a DDPM does, else
        the mean of q(x_0 | x_t) where it has a distribution, as an ExactReverse does, else there is none.
        """
        if not isinstance(p, ReverseProcess):
            raise TypeError(f"p must be a ReverseProcess, got {type(p).__name__}")
        if p.event_shape is not None and len(p.event_shape) != 3:
            event = tuple(p.event_shape)
            raise ValueError(f"p must be a process over (1, h, w), got event_shape {event}")
        count = min(check_range("frames", checks.whole("frames", frames), 2, 1001), p.T + 1)
        times = [(2 * i * p.T + count - 1) // (2 * (count - 1)) for i in range(count)][::-1]
        path = p.sample(n, generator=generator, trajectory=True, like=like)[times]
        guesses = [_guess(p, x, t) for x, t in zip(path, times, strict=True)]
        return cls(
            path,
            None if guesses[0] is None else torch.stack(guesses),
            times,
            frame,
            network=network_name(p) or None,
        )

    @property
    def t(self) -> int:
        "The t of the frame that is shown."
        return self._times[self.frame]


@torch.no_grad()
def _guess(
    p: ReverseProcess, x: Float[Tensor, "n 1 h w"], t: int
) -> Float[Tensor, "n 1 h w"] | None:
    "p's guess of x_0 from x_t; x itself at t = 0."
    if t == 0:
        return x
    if hasattr(p, "predict"):
        return p.predict(x, t).x0
    distribution = getattr(p, "distribution", None)
    return None if distribution is None else distribution.denoise(x, p.q.schedule.log_snr[t])
