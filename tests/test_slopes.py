"""Slopes by autograd, of functions whose slopes are known: matrices, sines, Gaussians; and by random signs.

`error` is the largest |a - b| / max(1, |b|). What is random fails at five sigma.
"""

import math

import pytest
import torch

from diffusion_math import classified
from diffusion_math.flow_likelihood import divergence
from diffusion_math.laws.mixture import GaussianMixture
from diffusion_math.slopes import jacobian, pulled_back, slope, trace_jacobian, value_and_trace
from tests.truth import error, seed, within

F32, F64 = torch.float32, torch.float64
EVENTS = [(), (2,), (1, 4, 3)]
CONTEXTS = [torch.enable_grad, torch.no_grad, torch.inference_mode]


def normal(*shape, draw=0, dtype=F64):
    return torch.randn(*shape, generator=seed(draw), dtype=dtype)


def matrix(event, draw=0):
    "A matrix over a flattened event, and the map that it is."
    d = math.prod(event)
    A = normal(d, d, draw=draw)
    return A, lambda x: (x.reshape(len(x), d) @ A.to(x).T).view(x.shape)


# ---- slope


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("context", CONTEXTS)
def test_the_slope_of_a_square_is_its_double_in_any_context(event, context):
    with context():
        x = normal(5, *event)
        got = slope(lambda x: x.square().reshape(len(x), -1).sum(1), x)
    assert error(got, 2 * normal(5, *event)) < 1e-15
    assert not got.requires_grad and not x.requires_grad and x.grad is None


def test_the_slope_of_an_x_with_a_gradient_has_a_slope_too():
    x = normal(4).requires_grad_()
    first = slope(lambda x: torch.sin(x), x)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert error(first.detach(), torch.cos(x.detach())) < 1e-14
    assert error(second, -torch.sin(x.detach())) < 1e-14


def test_slopes_of_nothing_and_on_another_device():
    assert slope(lambda x: x.sum(1), torch.zeros(0, 2)).shape == (0, 2)
    x = torch.zeros(3, 2, device="meta")
    f = lambda x: x.sin()
    assert slope(lambda x: f(x).sum(1), x).device.type == "meta"
    assert jacobian(f, x).shape == (3, 2, 2) and jacobian(f, x).device.type == "meta"
    assert trace_jacobian(f, x, probes=2).device.type == "meta"


# ---- jacobian


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("context", CONTEXTS)
def test_the_jacobian_of_a_matrix_is_the_matrix(event, context):
    "Rows are outputs, columns inputs."
    A, f = matrix(event)
    with context():
        got = jacobian(f, normal(6, *event, draw=1))
    assert got.shape == (6, *A.shape) and not got.requires_grad
    assert error(got, A.expand(6, -1, -1)) < 1e-14


def test_each_x_has_its_own():
    x = normal(5, 2, 2)
    got = jacobian(lambda x: x**3 + x.flip(2), x)
    own = torch.diag_embed(3 * x.flatten(1) ** 2)
    swap = torch.block_diag(*[torch.tensor([[0.0, 1.0], [1.0, 0.0]])] * 2)
    assert error(got, own + swap) < 1e-14
    assert jacobian(torch.sin, x.float()).dtype == F32


def test_of_a_constant_and_of_one_that_skips_a_coordinate():
    x = normal(3, 2)
    for f, J in (
        (lambda x: torch.ones(3, 2, dtype=F64), [[0.0, 0.0], [0.0, 0.0]]),
        (lambda x: x[:, :1].expand(3, 2), [[1.0, 0.0], [1.0, 0.0]]),
        (lambda x: x.detach(), [[0.0, 0.0], [0.0, 0.0]]),
    ):
        truth = torch.tensor(J, dtype=F64).expand(3, 2, 2)
        assert error(jacobian(f, x), truth) < 1e-15
        trace = trace_jacobian(f, x).detach()
        assert error(trace, truth.diagonal(dim1=1, dim2=2).sum(1)) < 1e-15
        assert trace_jacobian(f, x, probes=1, generator=seed()).isfinite().all()


def test_jacobians_of_nothing():
    assert jacobian(torch.sin, torch.zeros(0, 2)).shape == (0, 2, 2)
    assert trace_jacobian(torch.sin, torch.zeros(0, 2)).shape == (0,)
    assert trace_jacobian(torch.sin, torch.zeros(0, 2), probes=2).shape == (0,)


# ---- the trace


@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_the_trace_of_a_matrix(event):
    A, f = matrix(event)
    x = normal(6, *event, draw=1)
    assert error(trace_jacobian(f, x), A.trace().expand(6)) < 1e-12
    draws = trace_jacobian(f, x[:1].expand(400, *event), probes=1, generator=seed())
    if event:
        within(draws, A.trace())
    else:  # a sign squared is 1: exact
        assert error(draws, A.trace().expand(400)) < 1e-12


def test_the_trace_in_float32():
    A, f = matrix((3,))
    got = trace_jacobian(f, normal(4, 3, dtype=F32))
    assert got.dtype == F32 and error(got, A.trace().expand(4)) < 1e-5


def test_the_trace_of_a_score():
    "The divergence of the score of a Gaussian is minus the trace of its inverse covariance."
    var = torch.tensor([[0.5, 1.0, 2.0]], dtype=F64)
    law = GaussianMixture([1.0], torch.zeros(1, 3, dtype=F64), var)
    assert error(trace_jacobian(law.score, normal(4, 3)), torch.full((4,), -3.5)) < 1e-12


def test_more_probes_less_spread_by_the_known_amount():
    A = normal(5, 5)
    lopsided = (A + A.T).fill_diagonal_(0) / 2
    variance = 2 * lopsided.square().sum()  # of one probe of random signs
    x = torch.zeros(20_000, 5, dtype=F64)
    for probes in (1, 4):
        draws = trace_jacobian(lambda x: x @ A.T, x, probes, seed(probes))
        within((draws - A.trace()) ** 2, variance / probes)


def test_a_seed_decides_the_signs_and_each_x_has_its_own():
    A, f = matrix((4,))
    x = torch.zeros(200, 4, dtype=F64)
    one, again, other = (trace_jacobian(f, x, 1, seed(n)) for n in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert len(one.unique()) > 4


def test_the_slope_of_a_trace_with_respect_to_parameters():
    w = torch.tensor([0.7, -0.2], dtype=F64, requires_grad=True)
    x = normal(5, 2)
    f = lambda x: torch.sin(w * x)
    (by_w,) = torch.autograd.grad(trace_jacobian(f, x).sum(), w)
    assert error(by_w, (torch.cos(w * x) - w * x * torch.sin(w * x)).sum(0).detach()) < 1e-12
    with torch.no_grad():
        assert not trace_jacobian(f, x).requires_grad
    with torch.inference_mode():
        assert error(trace_jacobian(f, x), (w * torch.cos(w * x)).sum(1)) < 1e-12


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("probes", [None, 2])
def test_the_value_comes_with_its_trace(context, probes):
    x = normal(4, 3)
    with context():
        value, trace = value_and_trace(torch.sin, x, probes, seed())
    assert error(value.detach(), torch.sin(x)) < 1e-15
    assert error(trace.detach(), torch.cos(x).sum(1)) < 1e-12  # diagonal: any signs will do
    graph = context is torch.enable_grad
    assert value.requires_grad == trace.requires_grad == graph


# ---- wrong arguments


@pytest.mark.bad_input
def test_an_answer_of_another_shape_is_refused():
    with pytest.raises(
        ValueError, match=r"f must return a tensor of x's shape \(3, 2\), got \(1, 2\)"
    ):
        trace_jacobian(lambda x: x[:1], normal(3, 2))
    with pytest.raises(ValueError, match=r"a tensor of x's shape \(3, 2\), got \(3,\)"):
        jacobian(lambda x: x.sum(1), normal(3, 2))


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_vector_pulled_back_through_a_matrix(context):
    "v A for f = A x, and 0 for what says a constant; no graph is left."
    (A, f), x, v = matrix((2,)), normal(5, 2), normal(5, 2, draw=1)
    with context():
        out, back = pulled_back(f, x, v)
        flat = pulled_back(torch.ones_like, x, v)[1]
    assert error(out, f(x)) < 1e-15 and error(back, v @ A) < 1e-12 and not flat.any()
    assert not out.requires_grad and not back.requires_grad


@pytest.mark.parametrize("name", ["classified", "divergence", "signs", "law"])
def test_what_asks_for_slopes_can_be_mapped(name):
    "torch.func.vmap over it says what it says of each alone."
    says, law = (
        lambda x, level: torch.tanh(x * level.exp().view(-1, 1)),
        GaussianMixture([0.3, 0.7], normal(2, 2), torch.tensor([0.5, 1.0], dtype=F64)),
    )
    signs = torch.tensor([[[1.0, -1.0]] * 3, [[1.0, 1.0]] * 3], dtype=F64)
    ask = {
        "classified": lambda x: classified(says, lambda x, level: -x.square().sum(1))(x, 0.3),
        "divergence": lambda x: torch.cat([v.flatten() for v in divergence(says, x, 0.3)]),
        "signs": lambda x: divergence(says, x, 0.3, signs)[1],
        "law": lambda x: divergence(law, x, 0.3)[1],
    }[name]
    x = torch.randn(4, 3, 2, generator=seed(), dtype=F64)
    assert error(torch.func.vmap(ask)(x), torch.stack([ask(one) for one in x])) < 1e-12
