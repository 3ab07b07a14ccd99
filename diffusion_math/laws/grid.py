"A chain over one number, by sums over a grid: its density, and the gap of its bound."

import math
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from .. import checks
from ..checks import Data, guarded
from ..forward import ForwardProcess, posterior_numbers
from ..reverse import ReverseProcess

__all__ = ["GridChain"]

ZERO, ONE = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
ROWS = 2**14  # x_t handed to p.step at once: a call costs as much as some thousands of numbers
FAR = 1e100  # beyond it squares are infinite
SPAN = 7.5  # standard deviations on either side of a Gaussian that a sum covers
# the smallest log-density that a grid of densities in float64 holds, with room for narrow steps
LEAST = -650.0


def _log_normal(x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    "log N(x; mean, var), element by element."
    return -0.5 * ((x - mean).square() / var + torch.log(2 * math.pi * var))


class _Level(NamedTuple):
    "The grid of x_t, and what p does from it: N(mean, var) is p(x_{t-1} | x_t = x)."

    x: Float[Tensor, " n"]
    width: float | int
    mean: Float[Tensor, " n"]
    var: Float[Tensor, " n"]


@torch.no_grad()
def _moments(
    p: ReverseProcess, x: Float[Tensor, " n"], t: Int[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    "Mean and variance of p(x_{t-1} | x_t = x) for numbers x, each at its own t; ROWS of them to a call."
    xs = x.view(-1, *(p.event_shape or ())).split(ROWS)
    laws = [p.step(some, times) for some, times in zip(xs, t.split(ROWS), strict=True)]
    pairs = [(law.mean.flatten(), law.var.expand(law.mean.shape).flatten()) for law in laws]
    mean, var = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return mean, var


def _finest(p: ReverseProcess, ends: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    "For each t = 0..T the standard deviation of the narrowest law that the grid of x_t, from end to end, will meet."
    # (T, 501)
    x = torch.lerp(ends[1:, :1], ends[1:, 1:], torch.linspace(0, 1, 501, dtype=torch.float64))
    times = torch.arange(1, p.T + 1).repeat_interleave(501)
    mean, var = (v.view_as(x) for v in _moments(p, x.flatten(), times))
    if not bool((var > 0).all()):
        t = int((~(var > 0).all(1)).nonzero()[0]) + 1
        raise ValueError(f"p.step must have variances above 0 to have a density, got 0 at t = {t}")
    slope = torch.gradient(mean, dim=1)[0] / (x[:, 1] - x[:, 0])[:, None]
    # over x_{t-1}, and over x_t
    near, reach = var.amin(1).sqrt(), (var.sqrt() / slope.abs().clamp(min=1)).amin(1)
    s = p.q.schedule
    # q(x_{t-1} | x_t, x_0), t = 2..T
    known = (s.beta * s.noise_var.roll(1) / s.noise_var)[2:].sqrt()
    # a law over x_t that comes from t + 1; at T the prior
    below = torch.cat([near, torch.ones_like(near[:1])])
    below[1:-1] = torch.minimum(below[1:-1], torch.where(known > 0, known, math.inf))
    return torch.minimum(below, torch.cat([below[:1], reach]))


def _levels(
    p: ReverseProcess, low: float | int, high: float | int, fine: float | int
) -> list[_Level]:
    "The grids of x_1, ..., x_T, in float64: the data's interval as it shrinks, and the noise on either side."
    if not -FAR < low < high < FAR or not 0 < fine < math.inf:
        raise ValueError(
            f"low and high must be finite with low < high, fine above 0, got {low}, {high} and {fine}"
        )
    s = p.q.schedule
    # x_t within SPAN, x_{t-1} within SPAN of that: sqrt(2), and some room
    noise = 1.55 * SPAN * s.noise_var.sqrt()
    ends = torch.stack([low * s.alpha_bar.sqrt() - noise, high * s.alpha_bar.sqrt() + noise], 1)
    count = ((ends[:, 1] - ends[:, 0]) * fine / _finest(p, ends)).ceil() + 2
    if not count.max() <= 2**17:
        raise ValueError(
            f"p.step is too narrow for a grid: {count.max().item():.0f} points at t = {int(count.argmax())} "
            f"between low and high, got {low:g} and {high:g}, and fine = {fine:g}"
        )
    count = count.long()
    sizes = count[1:].tolist()
    grids = [
        torch.linspace(*end, n, dtype=torch.float64)
        for end, n in zip(ends[1:].tolist(), sizes, strict=True)
    ]
    moments = _moments(p, torch.cat(grids), torch.arange(1, p.T + 1).repeat_interleave(count[1:]))
    widths = [(x[-1] - x[0]).item() / (len(x) - 1) for x in grids]
    return [
        _Level(*level)
        for level in zip(grids, widths, *(v.split(sizes) for v in moments), strict=True)
    ]


def _blocks(level: _Level, y: Float[Tensor, " m"], rows: int = 64):
    "exp(-(y_j - mean_i)^2 / (2 var_i)) in blocks, (rows i, columns j, block); 0 for what is below e^-700."
    far, scale = 37.5 * level.var.sqrt(), -0.5 / level.var
    short = (0, -len(level.x) % rows)  # of a whole number of blocks
    low = pad(level.mean - far, short, value=math.inf).view(-1, rows).amin(1)
    high = pad(level.mean + far, short, value=-math.inf).view(-1, rows).amax(1)
    columns = torch.searchsorted(y, torch.stack([low, high], 1)).tolist()
    for i, (j, k) in zip(range(0, len(level.x), rows), columns, strict=True):
        part = slice(i, i + rows)
        power = (y[j:k] - level.mean[part, None]).square_().mul_(scale[part, None])
        yield part, slice(j, k), torch.threshold_(power, -700.0, -math.inf).exp_()


def _down(
    level: _Level, density: Float[Tensor, " n"], y: Float[Tensor, " m"]
) -> Float[Tensor, " m"]:
    "The density of x_{t-1} at y, from that of x_t on its grid."
    out, mass = torch.zeros_like(y), density * level.width * (2 * math.pi * level.var).rsqrt()
    for i, j, kernel in _blocks(level, y):
        out[j] += mass[i] @ kernel
    return out


def _up(level: _Level, below: _Level, h: Float[Tensor, "m b"]) -> Float[Tensor, "n b"]:
    "h_t on the grid of x_t, from h_{t-1} on the grid below: the mean of h_{t-1} over p(x_{t-1} | x_t)."
    top = (2 * math.pi * level.var).rsqrt()[:, None]
    return (
        below.width * top * torch.cat([kernel @ h[j] for _, j, kernel in _blocks(level, below.x)])
    )


def _band(
    centre: Tensor, sd: float | int, level: _Level, fine: float | int
) -> tuple[Int[Tensor, "..."], Tensor, float | int]:
    "Indices into a grid around each centre, what lies there, and the width of a strip: fine strips or more to sd."
    stride = max(1, int(sd / (fine * level.width)))
    reach = math.ceil(SPAN * sd / (stride * level.width))
    middle = ((centre - level.x[0]) / level.width).round().long()
    index = middle[..., None] + stride * torch.arange(-reach, reach + 1)
    if int(index.min()) < 0 or int(index.max()) >= len(level.x):
        raise ValueError(
            "x0 must lie between low and high, the interval that GridChain was built for"
        )
    return index, level.x[index], stride * level.width


def _divergence(log_a: Tensor, log_b: Tensor, width: float | int) -> Tensor:
    "KL(a || b) as a sum over the strips of the last axis."
    a = log_a.exp()
    return torch.where(a > 0, a * (log_a - log_b), 0).sum(-1) * width


def _top_gap(
    level: _Level, centre: Tensor, var: Tensor, log_h: Tensor, log_p: Tensor, fine: float | int
) -> Float[Tensor, " b"]:
    "KL(q(x_T | x_0) || p(x_T | x_0))."
    index, x, width = _band(centre, var.sqrt().item(), level, fine)
    log_b = _log_normal(x, ZERO, ONE) + log_h.gather(0, index.T).T - log_p[:, None]
    return _divergence(_log_normal(x, centre[:, None], var), log_b, width)


def _link_gap(
    q: ForwardProcess,
    t: int,
    x0: Tensor,
    level: _Level,
    below: _Level,
    log_h: Tensor,
    log_h_below: Tensor,
    fine: float | int,
) -> Float[Tensor, " b"]:
    "E KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t, x_0)) over x_t ~ q(x_t | x_0)."
    s, (a, b, var) = q.schedule, posterior_numbers(q.schedule)[:, t]
    if var == 0:
        return torch.full_like(x0, math.inf)
    centre = s.alpha_bar[t].sqrt() * x0
    i, x, width = _band(centre, s.noise_var[t].sqrt().item(), level, fine)  # (b, n)
    weight = _log_normal(x, centre[:, None], s.noise_var[t]).exp() * width
    mean = a * x0[:, None] + b * x
    j, y, strip = _band(mean, var.sqrt().item(), below, fine)  # (b, n, m)
    log_b = _log_normal(y, level.mean[i][..., None], level.var[i][..., None])
    log_b = (
        log_b + log_h_below.T.gather(1, j.flatten(1)).view_as(y) - log_h.T.gather(1, i)[..., None]
    )
    return (weight * _divergence(_log_normal(y, mean[..., None], var), log_b, strip)).sum(1)


def _density_of_x1(levels: list[_Level]) -> Float[Tensor, " n"]:
    "The density of x_1 on its grid, carried down from the prior's at x_T."
    density = _log_normal(levels[-1].x, ZERO, ONE).exp()
    for level, below in zip(levels[:0:-1], levels[-2::-1], strict=True):
        density = _down(level, density, below.x)
    return density


def _gap(
    q: ForwardProcess, levels: list[_Level], x0: Float[Tensor, " b"], fine: float | int
) -> Float[Tensor, " b"]:
    "The gap of each datum, link by link, with log h_t carried up from h_1."
    first, top, s = levels[0], levels[-1], q.schedule
    log_h, gap = _log_normal(x0, first.mean[:, None], first.var[:, None]), torch.zeros_like(x0)
    for t, (below, level) in enumerate(zip(levels, levels[1:], strict=False), start=2):
        log_h = log_h - log_h.amax(0)  # a factor in h is free: only h_{t-1} / h_t counts
        above = _up(level, below, log_h.exp()).log()
        gap, log_h = gap + _link_gap(q, t, x0, level, below, above, log_h, fine), above
    log_p = (_log_normal(top.x, ZERO, ONE)[:, None] + log_h).logsumexp(0) + math.log(top.width)
    return gap + _top_gap(top, s.alpha_bar[-1].sqrt() * x0, s.noise_var[-1], log_h, log_p, fine)


Real = Annotated[float, checks.number]


class GridChain:
    """What can be known about a reverse process over one number: p(x_0) and the gap, on grids, in float64 on the CPU.

    p: a ReverseProcess with event_shape () or (1,) (None counts as ()) and variances above 0. low, high: an interval
    that holds the data; x_t is followed over what noise makes of it, 12 standard deviations out. fine: strips to the
    narrowest standard deviation; the default is 1.5 for a thousand steps and 6 for ten, whose laws have sharper
    corners. Costs T matrix products. ValueError: another event, a variance of 0, steps too narrow for a grid.
    """

    @guarded
    def __init__(
        self, p: ReverseProcess, low: Real = -5.0, high: Real = 5.0, fine: Real | None = None
    ):
        if p.event_shape is not None and p.event_shape.numel() != 1:
            event = tuple(p.event_shape)
            raise ValueError(f"p must be a process over one number, got event_shape {event}")
        fine = min(6.0, max(1.5, 20 / math.sqrt(p.T))) if fine is None else fine
        self.low, self.high, self.fine = low, high, fine
        self.p, self.levels, self._first = p, _levels(p, self.low, self.high, self.fine), None

    @torch.no_grad()
    def log_prob(self, x0: Float[Tensor, "b *event"]) -> Float[Tensor, " b"]:
        "log p(x_0), (b,), in nats: the density carried from x_T down to x_0; -inf below -650."
        x0 = self._within(x0)
        if self._first is None:
            self._first = _density_of_x1(self.levels)
        first = self.levels[0]
        log_mass = (self._first * first.width).log()
        rows = [
            (_log_normal(y[:, None], first.mean, first.var) + log_mass).logsumexp(1)
            for y in x0.split(512)
        ]
        out = torch.cat(rows)
        return torch.where(out < LEAST, -math.inf, out)

    @torch.no_grad()
    @guarded
    def gap(self, q: ForwardProcess, x0: Data) -> Float[Tensor, " b"]:
        "KL(q(x_1, ..., x_T | x_0) || p(x_1, ..., x_T | x_0)), (b,), in nats: bound + log p(x_0); inf above 700."
        return _gap(q, self.levels, self._within(x0), self.fine)

    def _within(self, x0: Tensor) -> Float[Tensor, " b"]:
        "x0 as numbers in float64, which must lie where the chain was looked at."
        x = (
            checks.one_number("x0", checks.at_hand("x0", checks.tensor("x0", x0)))
            .flatten()
            .double()
        )
        fits = f"x0 must lie between low and high, {self.low:g} and {self.high:g}, got"
        checks.refuse(~((x >= self.low) & (x <= self.high)), fits, x)
        return x
