"One law in the plane, which you paint, and what the chapters do with it."

import math

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from .. import checks
from ..forward import ForwardProcess, linear_schedule
from ..reverse import ExactReverse
from .explorable import front_end
from .paper import REACH, Painted
from .traits import Number, Whole, check_range

__all__ = ["PlaygroundExplorer"]

_T, _NODES = 50, 96
_SHOWS = {  # the t and the place that a view begins with, what its still has instead, and what it shows
    "melt": (0, (0.0, 0.0), {"t": 15}, "how it melts into static"),
    "reverse": (_T, (0.0, 0.0), {"t": 14}, "walks back to it from static, and what they guess"),
    "bound": (12, (0.0, -1.6), {}, "the terms of the bound of one datum"),
    "score": (8, (0.05, 0.4), {}, "its score as arrows, and threads that follow it without noise"),
}


def sunflower(n: int) -> Float[Tensor, "n 2"]:
    "n places in the plane that share out the unit normal evenly, turned by the golden angle from one to the next."
    i = torch.arange(n, dtype=torch.float64)
    radius, angle = (-2 * torch.log1p(-(i + 0.5) / n)).sqrt(), math.pi * (3 - 5**0.5) * i
    return radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)


class PlaygroundExplorer(Painted):
    """A law in the plane that the reader paints once, and what becomes of it: all of them show the same one.

        PlaygroundExplorer("melt")                          # or "reverse", "bound", "score"
        PlaygroundExplorer("score", "spiral", t=10)         # or "smile", "ring", "humps"
        PlaygroundExplorer("bound", x0, place=(0.5, 1.0))   # your own points, (n, 2) in [-2.5, 2.5], at most 300

    q(x_0) is a mixture of bells of standard deviation 0.1, one around each point; without x0 it is what the reader painted
    last, in any of them, and a smile before that. self.q has 50 steps. place is the x_0 that "bound" scores, and the x_t
    at which the thread of "score" begins. The traits points, a list of pairs, t, in 0..50 (from 1 in "bound"), x and y in
    [-2.5, 2.5], seed, in 0..999, and revealed follow the controls, and move them when set. Raises ValueError for a value
    out of range, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("playground")

    t, seed = Whole(lambda self: int(self._view == "bound"), _T), Whole(0, 999)
    x, y = Number(-REACH, REACH), Number(-REACH, REACH)
    revealed = traitlets.Bool().tag(sync=True)
    _view = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        view: str = "melt",
        x0: str | Float[Tensor, "n 2"] | None = None,
        t: int | None = None,
        place: tuple[float, float] | None = None,
        seed: int = 0,
    ):
        first, there, still, words = _SHOWS[checks.one_of("view", view, tuple(_SHOWS))]
        self._words = f"a law in the plane to paint, and {words}"
        x, y = there if place is None else _pair(place)
        shown = {"t": first if t is None else t, "x": x, "y": y, "seed": seed, "revealed": False}
        super().__init__(x0, shown, _view=view, _still=still | {"revealed": True})

    @property
    def q(self) -> ForwardProcess:
        "The forward process that is shown."
        return ForwardProcess(linear_schedule(_T))

    @property
    def p(self) -> ExactReverse:
        'The best Gaussian steps back: the walk of "reverse", and what "bound" bounds by.'
        return ExactReverse(self.q, self.law)

    @property
    def field(self) -> Float[Tensor, "225 2"]:
        "The score of q(x_t) at places."
        return self.law.noised(self.q.schedule.log_snr[self.t]).score(self.places)

    @property
    def terms(self) -> Float[Tensor, "51"]:
        "The bound of (x, y), in nats: its terms of t = 1, 2, ..., T, and the prior's, by the same x_t as in the page."
        q, p = self.q, self.p
        x0, z = torch.tensor([[self.x, self.y]], dtype=torch.float64), sunflower(_NODES)
        costs = []
        for t in range(1, _T + 1):
            law = q.marginal(x0, t)
            x_t, starts = law.mean + law.std * z, x0.expand(_NODES, 2)
            step = p.step(x_t, t)
            cost = -step.log_prob(starts) if t == 1 else q.posterior(x_t, starts, t).kl(step)
            costs.append(cost.mean())
        return torch.stack([*costs, q.marginal(x0, _T).kl(p.prior(x0))[0]])

    @property
    def nats(self) -> float:
        "-log q of (x, y)."
        return -self.law.log_prob(torch.tensor([[self.x, self.y]], dtype=torch.float64)).item()

    @property
    def thread(self) -> Float[Tensor, "n 2"]:
        "From (x, y) at t to t = 0 without noise: the guess of x_0 and the noise that it leaves, on one level less each time."
        x, s = torch.tensor([[self.x, self.y]], dtype=torch.float64), self.q.schedule
        way = [x]
        for t in range(self.t, 0, -1):
            guess = self.law.denoise(x, s.log_snr[t])
            noise = (x - s.alpha_bar[t].sqrt() * guess) / s.noise_var[t].sqrt()
            x = s.alpha_bar[t - 1].sqrt() * guess + s.noise_var[t - 1].sqrt() * noise
            way.append(x)
        return torch.cat(way)


def _pair(place: tuple[float, float]) -> tuple[float, float]:
    "Two numbers, or an error that says what is wrong with them."
    if not isinstance(place, tuple | list):
        raise TypeError(f"place must be two numbers, got {checks.got(place)}")
    if len(place) != 2:
        raise ValueError(f"place must be two numbers, got {len(place)}")
    return tuple(check_range(f"place[{i}]", v, -REACH, REACH) for i, v in enumerate(place))
