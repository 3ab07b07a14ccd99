"A chain whose steps have means linear in x_t and constant variances: everything about it is in closed form."

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from .. import checks
from ..checks import Data, Events, guarded
from ..forward import ForwardProcess, posterior_numbers
from ..reverse import ReverseProcess

__all__ = ["LinearChain"]


class _Affine(NamedTuple):
    "x -> A x + c, with covariance V around it."

    A: Float[Tensor, "d d"]
    c: Float[Tensor, " d"]
    V: Float[Tensor, "d d"]


def _affine(p: ReverseProcess, t: int, event: tuple[int, ...]) -> _Affine:
    "p(x_{t-1} | x_t) as A, c, V; ValueError where it is no such law."
    d = math.prod(event)
    probe = torch.cat([torch.zeros(1, d), torch.eye(d), -2 * torch.ones(1, d)]).double()
    law = p.step(probe.view(-1, *event), t)
    mean, var = (
        law.mean.detach().reshape(d + 2, d),
        law.var.detach().expand(law.mean.shape).reshape(d + 2, d),
    )
    A, c = (mean[1:-1] - mean[0]).T, mean[0]
    if not (
        torch.allclose(A @ probe[-1] + c, mean[-1], atol=1e-9) and torch.allclose(var, var[:1])
    ):
        raise ValueError(
            f"p.step must be linear in x_t, with a variance that it does not change; not so at t = {t}"
        )
    return _Affine(A, c, torch.diag(var[0]))


def _then(h: _Affine, step: _Affine) -> _Affine:
    "The law of x_0 given x_t, from that given x_{t-1} and the step from t to t-1."
    return _Affine(h.A @ step.A, h.A @ step.c + h.c, h.V + h.A @ step.V @ h.A.T)


def _given_x0(step: _Affine, h: _Affine) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    "p(x_{t-1} | x_t, x_0) = N(F x_t + G x_0 + f, P), from the step and the law of x_0 given x_{t-1}."
    G = torch.linalg.solve(h.A @ step.V @ h.A.T + h.V, h.A @ step.V).T
    keep = torch.eye(len(G), dtype=G.dtype) - G @ h.A
    return keep @ step.A, G, keep @ step.c - G @ h.c, keep @ step.V @ keep.T + G @ h.V @ G.T


def _gauss_kl(
    off: Float[Tensor, "b d"], spread: Tensor, var: Tensor, P: Tensor
) -> Float[Tensor, " b"]:
    "KL(N(m, var I) || N(m', P)) averaged over m - m' ~ N(off, spread)."
    d = len(P)
    white = torch.linalg.solve(P, torch.cat([off.T, spread + var * torch.eye(d, dtype=P.dtype)], 1))
    quadratic = (off * white[:, : len(off)].T).sum(1) + white[:, len(off) :].trace()
    return 0.5 * (quadratic - d + torch.linalg.slogdet(P)[1] - d * var.log())


class LinearChain:
    """What can be known about a reverse process whose every step is linear: p(x_0), the gap, the bound; in float64.

    p: a ReverseProcess with p(x_{t-1} | x_t) = N(A_t x_t + c_t, diag(v_t)) and an event_shape of a few dozen numbers.
    Raises ValueError for a step that is not linear; gap and bound also for a variance of 0.
    """

    @guarded
    def __init__(self, p: ReverseProcess):
        if p.event_shape is None:
            raise ValueError("p must have an event_shape, got None")
        checks.at_most("p.event_shape.numel()", p.event_shape.numel(), 2**11, 0)
        self.p, self.event_shape, self.d = p, p.event_shape, p.event_shape.numel()
        self.steps = [_affine(p, t, p.event_shape) for t in range(1, p.T + 1)]
        self.h = [self.steps[0]]  # h[t-1] is the law of x_0 given x_t
        for step in self.steps[1:]:
            self.h.append(_then(self.h[-1], step))
        unit = torch.eye(self.d, dtype=torch.float64)
        self.prior = _Affine(0 * unit, torch.zeros_like(unit[0]), unit)

    @guarded
    def log_prob(self, x0: Events) -> Float[Tensor, " b"]:
        "log p(x_0), (b,), in nats: x_0 is Gaussian."
        law = _then(self.h[-1], self.prior)
        checks.at_hand("x0", x0)
        off = x0.reshape(len(x0), self.d).double() - law.c
        quadratic = (off * torch.linalg.solve(law.V, off.T).T).sum(1)
        return -0.5 * (quadratic + torch.linalg.slogdet(2 * math.pi * law.V)[1])

    @guarded
    def gap(self, q: ForwardProcess, x0: Data) -> Float[Tensor, " b"]:
        "KL(q(x_1, ..., x_T | x_0) || p(x_1, ..., x_T | x_0)), (b,), in nats, link by link."
        links = [
            _given_x0(step, h)
            for step, h in zip([*self.steps[1:], self.prior], self.h, strict=True)
        ]
        return sum(_links(q, _check_linear(self, x0), links))

    @guarded
    def bound(self, q: ForwardProcess, x0: Data) -> Float[Tensor, " b"]:
        "The expectation of elbo(q, p, x0).total, (b,), in nats, in closed form."
        none = torch.zeros(self.d, self.d, dtype=torch.float64)
        x, first, s = _check_linear(self, x0), self.steps[0], q.schedule
        links = [(step.A, none, step.c, step.V) for step in [*self.steps[1:], self.prior]]
        off = x - (s.alpha_bar[1].sqrt() * x @ first.A.T + first.c)
        spread = s.noise_var[1] * first.A @ first.A.T
        white = torch.linalg.solve(first.V, torch.cat([off.T, spread], 1))
        square = (off * white[:, : len(x)].T).sum(1) + white[:, len(x) :].trace()
        return sum(_links(q, x, links)) + 0.5 * (
            square + torch.linalg.slogdet(2 * math.pi * first.V)[1]
        )


def _check_linear(chain: LinearChain, x0: Tensor) -> Float[Tensor, "b d"]:
    "x_0 as float64 rows; ValueError where a step is too narrow to be compared with q's."
    checks.at_hand("x0", x0)
    for t, step in enumerate(chain.steps, start=1):
        if not bool((step.V.diagonal() > 0).all()):
            raise ValueError(f"p.step must have variances above 0, got 0 at t = {t}")
    return x0.reshape(len(x0), chain.d).double()


def _links(
    q: ForwardProcess, x0: Float[Tensor, "b d"], links: list[tuple]
) -> list[Float[Tensor, " b"]]:
    "The average KL of q's steps back, t = 2..T, and of q(x_T | x_0), from laws N(F x_t + G x_0 + f, P)."
    s, eye, out = q.schedule, torch.eye(x0.shape[1], dtype=torch.float64), []
    for t, (F, G, f, P) in enumerate(links, start=2):
        if t > q.T:  # the last link is x_T itself, from nothing: as if x_{T+1} were 0
            a, b, var, left, noise = s.alpha_bar[q.T].sqrt(), 0.0, s.noise_var[q.T], 0.0, 0.0
        else:
            (a, b, var), left, noise = (
                posterior_numbers(s)[:, t],
                s.alpha_bar[t].sqrt(),
                s.noise_var[t],
            )
        D = F - b * eye
        off = left * x0 @ D.T + x0 @ (G - a * eye).T + f
        out.append(_gauss_kl(off, noise * D @ D.T, var, P))
    return out
