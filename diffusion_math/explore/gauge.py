"The explorable of chapter 1: log q(x_0), read like a pressure gauge."

import torch
import traitlets
from jaxtyping import Float, Int, Int8
from torch import Generator, Tensor

from .. import checks
from ..laws.mixture import GaussianMixture
from .explorable import Explorable, front_end
from .traits import Number, OneOf, Packed, Whole, pack

__all__ = ["GaugeExplorer"]


def _compact(q: GaussianMixture, rank: int) -> tuple[Int8[Tensor, "k r d"], GaussianMixture]:
    "The directions of largest variance of each Gaussian as bytes, and the mixture that they make."
    c = q.to("cpu", torch.float64).components
    U = torch.eye(c.d, dtype=torch.float64).expand(len(c.means), -1, -1) if c.U is None else c.U
    var = c.var.expand(-1, U.shape[2]) if c.var.shape[1] == 1 else c.var
    floor = (
        var[:, U.shape[2] :].mean(1, keepdim=True)
        if var.shape[1] > U.shape[2]
        else var.new_zeros(len(var), 1)
    )
    order = var[:, : U.shape[2]].argsort(1, descending=True)[:, :rank]
    top = U.gather(2, order[:, None].expand(-1, c.d, -1))
    bytes_ = (top * 127 / top.abs().amax(1, keepdim=True)).round().to(torch.int8)
    Q, R = torch.linalg.qr(bytes_.double())
    Q = Q * R.diagonal(dim1=1, dim2=2).sign()[:, None]
    # how much of Q lies along each direction of the Gaussian
    along = torch.einsum("kdi,kdr->kri", U, Q).square()
    measured = along @ var[:, : U.shape[2], None]
    kept = measured[..., 0] + (1 - along.sum(2)) * floor
    total = var[:, : U.shape[2]].sum(1) + (c.d - U.shape[2]) * floor[:, 0]
    rest = (total - kept.sum(1)) / (c.d - rank)
    means = c.means.float().double().view(-1, *q.event_shape)  # as they are sent
    return bytes_.mT.contiguous(), GaussianMixture(q.weights.cpu(), means, (Q, kept, rest))


def _checked(q: GaussianMixture, held_out: Tensor, labels: Tensor, rank: int) -> None:
    "What the gauge takes, or an error that names what it got."
    if not isinstance(q, GaussianMixture):
        raise TypeError(f"q must be a GaussianMixture, got {type(q).__name__}")
    checks.finite("held_out", checks.at_hand("held_out", checks.floating("held_out", held_out)))
    if (
        held_out.ndim != 4
        or held_out.shape[1] != 1
        or held_out.shape[1:] != q.event_shape
        or not len(held_out)
    ):
        raise ValueError(
            f"held_out must have shape (n, 1, h, w) like q's events, got {tuple(held_out.shape)}"
        )
    if not isinstance(labels, Tensor) or labels.is_floating_point():
        raise TypeError(f"labels must be a tensor of integers, got {type(labels).__name__}")
    if labels.shape != held_out.shape[:1]:
        raise ValueError(
            f"labels must have shape ({len(held_out)},), one for each digit, got {tuple(labels.shape)}"
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) <= 255:
        raise ValueError(
            f"labels must lie in 0..255, got {int(labels.min())} to {int(labels.max())}"
        )
    d = q.event_shape.numel()
    if not 1 <= checks.whole("rank", rank) < d:
        raise ValueError(f"rank must lie in 1..{d - 1}, got {rank}")


class GaugeExplorer(Explorable):
    """The magic API of chapter 1: draw on a digit, and read log q(x_0) over the histogram of held-out digits.

        q = GaussianMixture.fit(train, labels=train_labels, floor=1e-2)
        GaugeExplorer(q, held_out, labels, digit=8)

    q: a GaussianMixture over (1, h, w); what is shown is its compact form, self.q, whose Gaussians keep rank directions and
    one variance for all others. held_out: (n, 1, h, w) with labels (n,), integers: the digits of the histogram; the
    first of each class can be drawn on. The traits pixels (the drawing as float32 bytes), noise, in [0, 0.5], digit
    (which of them) and pen ("ink" or "eraser") follow the controls, and move them when set; eps is the noise image as
    bytes. Raises ValueError for a value that does not fit, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("gauge")
    _words = "a digit to draw on, and the needle of log q over the histogram of held-out digits"

    pixels, eps = (Packed(lambda self: self._shown.shape[-2:]) for _ in range(2))
    noise = Number(0, 0.5)
    digit = Whole(0, lambda self: len(self._shown) - 1)
    pen = OneOf("ink", "eraser")
    _directions, _means, _numbers, _digits, _scores, _classes, _eps = (Packed() for _ in range(7))
    _labels, _size, _range = (traitlets.List().tag(sync=True) for _ in range(3))

    def __init__(
        self,
        q: GaussianMixture,
        held_out: Float[Tensor, "n 1 h w"],
        labels: Int[Tensor, " n"],
        digit: int | None = None,
        rank: int = 36,
        generator: Generator | None = None,
    ):
        _checked(q, held_out, labels, rank)
        directions, self.q = _compact(q, rank)
        kinds, held_out = sorted(set(labels.tolist())), held_out.detach().cpu()
        which = [int((labels == kind).nonzero()[0]) for kind in kinds]
        self._shown, (h, w) = held_out[which].float(), held_out.shape[-2:]
        digit = None if digit is None else checks.whole("digit", digit)
        if digit is not None and digit not in kinds:
            raise ValueError(f"digit must be one of the labels {kinds}, got {digit!r}")
        self.scores, c = self.q.log_prob(held_out.double()), self.q.components
        tops = torch.cat([self.scores, self.q.log_prob(self.q.means)])
        low, high = self.scores.quantile(0.01).item(), tops.max().item()
        start = {"noise": 0.0, "digit": 0 if digit is None else kinds.index(digit), "pen": "ink"}
        noise = pack(torch.randn(h, w, generator=generator))
        sent = {
            "_directions": directions,
            "_means": c.means.float(),
            "_scores": self.scores.float(),
        }
        sent["_numbers"] = torch.cat([self.q.weights.log(), c.var[:, -1], c.var[:, :-1].flatten()])
        sent |= {"_digits": self._shown, "_classes": labels.to("cpu", torch.uint8)}
        sent = {name: pack(x) for name, x in sent.items()}
        sent |= {"_labels": kinds, "_size": [len(kinds), h, w, int(rank)]}
        sent["_range"] = [low - 0.12 * (high - low), high + 0.03 * (high - low)]
        drawn = pack(self._shown[start["digit"]])
        super().__init__(**start, **sent, pixels=drawn, eps=noise, _eps=noise, _start=start)

    @property
    def x(self) -> Float[Tensor, "1 1 h w"]:
        "The picture that is asked about: the drawing and its noise."
        drawn, eps = (self.unpacked(name).double() for name in ("pixels", "eps"))
        return (drawn + self.noise * eps).float().view(1, *self._shown.shape[1:])

    @property
    def log_q(self) -> float:
        "log q(x) in nats."
        return self.q.log_prob(self.x.double()).item()

    @property
    def typical(self) -> tuple[float, float]:
        "Between these two lie 98 of 100 held-out digits of the class."
        kinds = self.unpacked("_classes", torch.uint8)
        own = self.scores.float().double()[kinds == self._labels[self.digit]]
        return own.quantile(0.01).item(), own.quantile(0.99).item()
