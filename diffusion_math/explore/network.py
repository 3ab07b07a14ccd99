"An explorable that asks a network of the reader's own about a noisy digit."

import asyncio

import torch
import traitlets
from jaxtyping import Float
from torch import Generator, Tensor

from .. import checks
from ..ddpm import DDPM
from .explorable import few_images, front_end
from .traits import Packed, Whole, check_range, pack
from .weights import DIGITS, AsksInPage, network_name

__all__ = ["NetworkExplorer"]


class NetworkExplorer(AsksInPage):
    """Noise a digit, and see what a network says of it: x_t, the noise that it says is in it, and the x_0 that follows.

        NetworkExplorer(p, x0)                      # p: a DDPM, such as the one that was just trained

    x0: one-channel images in [-1, 1], (n, 1, h, w), at most 64, of the shape that p's network takes. A network that ships
    works in the page. Any other runs in the kernel, in a thread, and answers the newest request only. The traits t, in
    1..T, digit and eps (the noise image as float32 bytes) follow the controls, and move them when set. generator draws
    the noise, and Reset brings the first t, digit and noise back. .asked counts the calls of the network in the kernel,
    .said is its newest answer. Raises what p.predict raises at once, for the first picture; ValueError or TypeError for
    an argument that does not fit.
    """

    _esm = front_end("ask")
    _words = (
        "a digit under noise, the noise that a network says is in it, and the digit that follows"
    )

    t, digit = Whole(1, lambda self: self._p.T), Whole(0, lambda self: len(self._images) - 1)
    eps = Packed(lambda self: self._images.shape[-2:])
    _x0, _eps, _levels, _said = (Packed() for _ in range(4))
    _size = traitlets.List().tag(sync=True)
    _own = traitlets.Bool().tag(sync=True)
    _label = traitlets.Int(-1).tag(sync=True)  # what p was told; -1: nothing
    _trouble = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        p: DDPM,
        x0: Float[Tensor, "..."],
        t: int | None = None,
        digit: int = 0,
        generator: Generator | None = None,
    ):
        if not isinstance(p, DDPM):
            raise TypeError(f"p must be a DDPM, got {type(p).__name__}")
        self._p, self._images = p, few_images(x0)
        if p.event_shape not in (None, self._images.shape[1:]):
            shapes = f"{tuple(p.event_shape)}, got {tuple(self._images.shape[1:])}"
            raise ValueError(f"x0 must hold images of p's event_shape, {shapes}")
        t = check_range("t", checks.whole("t", max(1, p.T // 4) if t is None else t), 1, p.T)
        digit = check_range("digit", checks.whole("digit", digit), 0, len(self._images) - 1)
        n, _, h, w = self._images.shape
        ships, start = network_name(p), {"t": t, "digit": digit}
        told = p.cond.get("y") if ships else None
        label = told if isinstance(told, int) and not isinstance(told, bool) else -1
        own = not ships or (bool(p.cond) and label < 0)
        # cropped digits are set into a frame
        stands_in = DIGITS if 20 <= min(h, w) and max(h, w) <= 28 else ""
        self.asked, self._newest, self._task = 0, 0, None
        eps = torch.randn(h, w, generator=generator)
        sent = {"_x0": pack(self._images), "_levels": pack(p.q.schedule.log_alpha_bar)}
        sent |= {"_size": [n, h, w], "_own": own, "_network": ships or stands_in, "_label": label}
        said = self._answer(self._images[digit : digit + 1], eps.view(1, 1, h, w), t)
        sent |= {"_eps": pack(eps), "_said": said}
        super().__init__(**start, **sent, eps=pack(eps), _start=start)
        if own:
            self.observe(self._ask, ["t", "digit", "eps"])

    @property
    def said(self) -> tuple[Float[Tensor, "1 1 h w"], Float[Tensor, "1 1 h w"]]:
        "The x_0 and the noise that the network said last, in the kernel."
        x0, eps = self.unpacked("_said").view(2, 1, *self._images.shape[1:])
        return x0, eps

    @property
    def x_t(self) -> Float[Tensor, "1 1 h w"]:
        "The digit under noise."
        x0, eps, t = self._request()
        law = self._p.q.marginal(x0.double(), t)
        return (law.mean + law.std * eps).float()

    def _request(self) -> tuple[Tensor, Tensor, int]:
        x0 = self._images[self.digit : self.digit + 1]
        return x0, self.unpacked("eps").view_as(x0), self.t

    def _ask(self, _change: object = None) -> None:
        "Answer as soon as nothing else is being answered; at once where no event loop runs."
        self._newest += 1
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._said = self._answer(*self._request())
            return
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._serve())

    async def _serve(self) -> None:
        "Answer the newest request until none is newer."
        answered = -1
        while answered != self._newest:
            answered = self._newest
            try:
                self._said = await asyncio.to_thread(self._answer, *self._request())
                self._trouble = ""
            except Exception as error:  # shown below the pictures: a task's own error would be lost
                self._trouble = f"{type(error).__name__}: {error}"

    @torch.no_grad()
    def _answer(self, x0: Tensor, eps: Tensor, t: int) -> bytes:
        "What the network says for one request, as bytes: x_0, and the noise."
        self.asked += 1
        like = next(self._p.parameters(), x0)
        law = self._p.q.marginal(x0.to(like), t)
        said = self._p.predict(law.mean + law.std * eps.to(like), t)
        return pack(torch.cat([said.x0, said.eps]).float().cpu())
