"Slopes by automatic differentiation: a gradient, a Jacobian, and its trace."

from collections.abc import Callable
from functools import partial
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from . import checks
from .checks import Batch, Each, Random, Steps, guarded
from .sums import sum_event

__all__ = ["jacobian", "pulled_back", "slope", "trace_jacobian", "value_and_trace"]


def slope(f: Callable[[Tensor], Tensor], x: Float[Tensor, "b *event"]) -> Float[Tensor, "b *event"]:
    "The gradient of f(x), (b,), with respect to each x; with a graph where x asks for one."
    with torch.inference_mode(False), torch.enable_grad():
        try:
            point = x if x.requires_grad else x.detach().clone().requires_grad_()
        except RuntimeError:  # mapped by torch.func, which differentiates in its own way
            return torch.func.grad(lambda x: f(x).sum())(x)
        return torch.autograd.grad(f(point).sum(), point, create_graph=x.requires_grad)[0]


def pulled_back(
    f: Callable[[Tensor], Tensor], x: Float[Tensor, "b *event"], v: Float[Tensor, "b *event"]
) -> tuple[Tensor, Tensor]:
    "f(x), and the gradient of v . f(x) with respect to x, both without a graph."
    with torch.inference_mode(False), torch.enable_grad():
        try:
            point = x.detach().clone().requires_grad_()
        except RuntimeError:  # as in slope
            out, back = torch.func.vjp(lambda x: f(x) + 0 * x, x)
            return out, back(v)[0]
        out = f(point) + 0 * point
        return out.detach(), torch.autograd.grad((out * v).sum(), point)[0]


def _linked(out: Tensor, x: Tensor, name: str = "the function") -> Tensor:
    "What a function said of x, so that a constant may be asked for its slope too."
    out = checks.answer(name, out, x)
    return out if out.requires_grad else out + 0 * x


def jacobian(
    f: Callable[[Tensor], Tensor], x: Float[Tensor, "b *event"], name: str = "the function"
) -> Float[Tensor, "b d d"]:
    "The slopes of f's d outputs (rows) with respect to its d inputs (columns), without a graph; d backward passes."
    with torch.inference_mode(False), torch.enable_grad():
        x, d = x.detach().clone().requires_grad_(), x.shape[1:].numel()
        out = _linked(f(x), x, name).reshape(len(x), d)
        ask = {"retain_graph": True, "materialize_grads": True}
        rows = [torch.autograd.grad(o.sum(), x, **ask)[0] for o in out.T]
    return torch.stack(rows, 1).reshape(len(x), d, d).detach()


def value_and_trace(
    f: Callable,
    x: Float[Tensor, "b *event"],
    probes: int | None,
    generator: Generator | None,
    name: str = "f",
) -> tuple[Tensor, Float[Tensor, " b"]]:
    "f(x) and the trace of its Jacobian, (b,), with a graph where gradients are on; probes as in trace_jacobian."
    n = x.shape[1:].numel() if probes is None else probes
    if probes is not None:
        checks.room("probes", 2 * n * x.numel(), n)
    graph = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.enable_grad():
        x = x if x.requires_grad else x.detach().clone().requires_grad_()
        out = _linked(f(x), x, name)
        if probes is None:
            signs = torch.eye(n, dtype=x.dtype, device=x.device).view(-1, 1, *x.shape[1:])
        else:
            coins = torch.randint(2, (n, *x.shape), generator=generator, device=x.device)
            signs = (2 * coins - 1).to(x.dtype)
        ask = {"create_graph": graph, "retain_graph": True, "materialize_grads": True}
        slopes = [torch.autograd.grad((out * v).sum(), x, **ask)[0] * v for v in signs]
    trace = sum(sum_event(slope) for slope in slopes) / (1 if probes is None else n)
    return (out, trace) if graph else (out.detach(), trace.detach())


@guarded
def trace_jacobian(
    f: Annotated[Callable[[Tensor], Tensor], partial(checks.function, of="x")],
    x: Batch,
    probes: Steps | None = None,
    generator: Random = None,
) -> Each:
    """The trace of f's Jacobian at each x, (b,): the sum over coordinates of the slope of f_i with respect to x_i.

    probes=None: exact, by one backward pass a coordinate. probes=k: the mean of k draws of v . J v with v of random
    signs, unbiased, by k passes [Hutchinson 1990]. f maps x to its shape, each x by itself. Differentiable where
    gradients are on. ValueError: f's result has another shape, probes below 1.
    """
    return value_and_trace(f, x, probes, generator)[1]
