"The likelihood by the flow: against densities in one, two and sixteen dimensions."

import math
import warnings

import pytest
import torch
from torch.nn.functional import avg_pool2d

from diffusion_math import GaussianMixture, digits, log_prob_by_flow
from diffusion_math.change import divergence
from diffusion_math.slopes import trace_jacobian
from tests.truth import seed

f64 = torch.float64
TWO = GaussianMixture(
    [0.3, 0.7], torch.tensor([[-2.0], [1.5]], dtype=f64), torch.tensor([0.02, 0.1], dtype=f64)
)
PLANE = GaussianMixture(
    [0.4, 0.6],
    torch.tensor([[-1.0, 0.5], [1.0, 0.0]], dtype=f64),
    torch.tensor([[[0.3, 0.1], [0.1, 0.2]], [[0.2, 0.0], [0.0, 0.4]]], dtype=f64),
)


def test_by_the_flow_as_by_the_density():
    x = torch.tensor([[-2.0], [-1.5], [0.0], [1.5]], dtype=f64)
    ours = log_prob_by_flow(TWO, x)
    assert torch.allclose(ours.log_prob, TWO.log_prob(x), atol=1e-8)
    assert (ours.stderr == 0).all() and ours.error.max() < 1e-7
    y = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=f64)
    assert torch.allclose(log_prob_by_flow(PLANE, y).log_prob, PLANE.log_prob(y), atol=1e-8)


def test_the_error_that_it_states_covers_a_loose_tolerance():
    y = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=f64)
    loose = log_prob_by_flow(PLANE, y, tolerance=1e-5)
    assert ((loose.log_prob - PLANE.log_prob(y)).abs() <= loose.error).all()


def test_the_error_that_it_states_covers_every_picture():
    "Two of these walk along the border of two kinds of digit, where the trace is high on a thin layer."
    smaller = lambda x: avg_pool2d(x.double(), 4)
    train, labels = digits("train", labels=True)
    box = GaussianMixture.fit(smaller(train), labels=labels, floor=1e-2)
    pictures, tolerance = smaller(digits("test")[:16]), 1e-2
    ours = log_prob_by_flow(box, pictures, tolerance=tolerance)
    off = (ours.log_prob - box.log_prob(pictures)).abs()
    assert (off <= ours.error).all()
    # what was asked for, in each picture's 49 dimensions; one norm over all sixteen left 6.1 nats in one
    assert (off <= 49 * tolerance).all()


def test_it_warns_where_the_tolerance_was_not_met():
    x = torch.tensor([[-2.0], [-1.5], [0.0], [1.5], [2.5]], dtype=f64)
    with pytest.warns(UserWarning, match=r"log_prob may be off by .* \(x0 0\)"):
        loose = log_prob_by_flow(TWO, x, tolerance=1e-5)
    assert loose.error[0] > 1e-4 * (1 + TWO.log_prob(x)[0].abs())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log_prob_by_flow(TWO, x, tolerance=1e-5, second=False)
        log_prob_by_flow(PLANE, torch.zeros(1, 2, dtype=f64), tolerance=1e-4)


@pytest.mark.parametrize("event", [(2,), (1, 2)])
def test_a_function_and_any_event_shape(event):
    y = torch.tensor([[0.2, -0.4], [1.0, 1.0]], dtype=f64)
    says = lambda x, level: PLANE.denoise(x.reshape(-1, 2), level).view(x.shape)
    ours = log_prob_by_flow(says, y.view(-1, *event), tolerance=1e-8, second=False)
    assert torch.allclose(ours.log_prob, PLANE.log_prob(y), atol=1e-6)
    assert ours.error.isnan().all() and ours.end.shape == (2, *event)


def test_random_signs_are_unbiased_and_state_their_error():
    y = torch.tensor([[0.2, -0.4], [1.0, 1.0]], dtype=f64)
    says = lambda x, level: PLANE.denoise(x, level)
    ours = log_prob_by_flow(says, y, probes=200, tolerance=1e-6, second=False, generator=seed())
    assert ((ours.log_prob - PLANE.log_prob(y)).abs() < 5 * ours.stderr + 1e-6).all()
    assert (ours.stderr > 0).all()
    alone, again = (
        log_prob_by_flow(says, y, probes=1, tolerance=1e-3, second=False, generator=seed())
        for _ in range(2)
    )
    assert torch.equal(alone.log_prob, again.log_prob) and alone.stderr.isnan().all()


@pytest.mark.parametrize("dtype", [torch.float32, f64])
def test_the_divergence_is_the_trace_of_the_velocity(dtype):
    x = torch.randn(5, 2, generator=seed(), dtype=dtype)
    level = torch.linspace(-2, 3, 5, dtype=f64)
    velocity, trace = divergence(PLANE, x, level)
    assert velocity.dtype == dtype and trace.shape == (1, 5)
    by_slopes = trace_jacobian(lambda x: divergence(PLANE, x, level)[0], x)
    assert torch.allclose(trace[0], by_slopes, atol=1e-4 if dtype == torch.float32 else 1e-10)
    as_function = divergence(lambda x, v: PLANE.denoise(x, v), x, level)[1]
    assert torch.allclose(trace, as_function, atol=1e-4 if dtype == torch.float32 else 1e-10)


def test_it_takes_no_wrong_signs_and_no_turned_ends():
    x = torch.zeros(2, 2, dtype=f64)
    with pytest.raises(ValueError, match="signs must have shape"):
        divergence(PLANE, x, 0.0, torch.ones(3, 2, 1))
    with pytest.raises(ValueError, match="end, start must"):
        log_prob_by_flow(PLANE, x, start=-3.0, end=3.0)
    with pytest.raises(ValueError, match="tolerance must"):
        log_prob_by_flow(PLANE, x, tolerance=0.0)
    assert math.isfinite(log_prob_by_flow(PLANE, x, tolerance=1e-3, second=False).log_prob[0])
