"The likelihood by the flow: against densities in one, two and sixteen dimensions."

import math
import warnings

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from diffusion_math import (
    DDPM,
    Empirical,
    ForwardProcess,
    GaussianMixture,
    digits,
    linear_schedule,
    log_prob_by_flow,
)  # fmt: skip
from diffusion_math.flow_likelihood import allowed, divergence
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


@pytest.mark.long
def test_by_the_flow_as_by_the_density():
    x = torch.tensor([[-2.0], [-1.5], [0.0], [1.5]], dtype=f64)
    ours = log_prob_by_flow(TWO, x)
    assert torch.allclose(ours.log_prob, TWO.log_prob(x), atol=1e-8, rtol=1e-8)
    assert (ours.stderr == 0).all() and ours.error.max() < 1e-7
    y = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=f64)
    assert torch.allclose(
        log_prob_by_flow(PLANE, y).log_prob, PLANE.log_prob(y), atol=1e-8, rtol=1e-8
    )


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
        loose = log_prob_by_flow(TWO, x, 32.0, -64.0, tolerance=1e-5)
    assert loose.error[0] > 1e-4 * (1 + TWO.log_prob(x)[0].abs())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log_prob_by_flow(TWO, x, tolerance=1e-5, second=False)
        log_prob_by_flow(PLANE, torch.zeros(1, 2, dtype=f64), tolerance=1e-4)
        # error's share is of d + |log p|, never of d + log p, which is next to nothing here
        bell = GaussianMixture([1.0], torch.zeros(1, 1, dtype=f64), torch.ones(1, dtype=f64))
        x = torch.tensor([[(2 * (1 - 1e-3) - math.log(2 * math.pi)) ** 0.5]], dtype=f64)
        assert (1 + log_prob_by_flow(bell, x, tolerance=1e-4).log_prob).abs() < 2e-3


@pytest.mark.parametrize("var", [1e-6, 1e-10, 1e-12])
@pytest.mark.long
def test_the_error_that_it_states_covers_both_ends(var):
    "At log SNR 32 the noise's variance is 1e-14: a law as narrow as this is not at rest there."
    law = GaussianMixture([1.0], torch.zeros(1, 1, dtype=f64), torch.tensor([var], dtype=f64))
    x = torch.tensor([[0.5], [2.0]], dtype=f64) * var**0.5
    with pytest.warns(UserWarning, match="beyond the ends"):
        ours = log_prob_by_flow(law, x)
    off = (ours.log_prob - law.log_prob(x)).abs()
    assert (off <= ours.error).all() and (ours.error < 10 * off.clamp(min=1e-8)).all()
    far = GaussianMixture([1.0], torch.full((1, 1), 1e3, dtype=f64), torch.ones(1, dtype=f64))
    x = torch.tensor([[1e3]], dtype=f64)
    late = log_prob_by_flow(far, x, end=-6.0)  # an end of one's own is where one wants to be
    assert (late.log_prob - far.log_prob(x)).abs() > 1


def test_a_point_mass_has_no_density_but_with_noise_it_has():
    x = torch.tensor([[-1.0], [0.3], [1.0]], dtype=f64)
    coin = Empirical(x[[0, 2]])
    for there in (x[:1], x[1:2]):
        with pytest.raises(ValueError, match="x0 must be where the law has a density.*start"):
            log_prob_by_flow(coin, there)
    a = torch.sigmoid(torch.tensor(4.0, dtype=f64)).sqrt()
    ours = log_prob_by_flow(coin, x, start=4.0)
    assert torch.allclose(
        ours.log_prob - a.log(), coin.noised(4.0).log_prob(a * x), atol=1e-8, rtol=1e-8
    )


class Net(torch.nn.Module):
    "A small network in float32."

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(2, 2, generator=seed()))

    def forward(self, x, level):
        return torch.tanh(x @ self.weight)


def test_a_network_comes_back_soon_and_a_limit_stops_what_does_not():
    p = DDPM(Net(), ForwardProcess(linear_schedule(50)), (2,), predicts="v")
    x = torch.randn(3, 2, generator=seed())
    ours = log_prob_by_flow(p, x)
    fine = log_prob_by_flow(p, x, tolerance=1e-6, second=False)
    assert ours.calls < 500 and (ours.log_prob - fine.log_prob).abs().max() < ours.error.max() < 0.1
    assert repr(ours).startswith("FlowLogProb(b=3, mean ") and "calls=" in repr(ours)
    with pytest.warns(UserWarning, match="stopped at log_snr = .*, after 6. calls"):
        cut = log_prob_by_flow(PLANE, x, calls=50)
    assert cut.error.isinf().all() and cut.log_prob.isfinite().all() and 50 <= cut.calls < 70


@pytest.mark.parametrize("says, T", [("eps", 50), ("x0", 50), ("v", 50), ("v", 2)])
@pytest.mark.long
def test_a_network_is_asked_at_no_level_that_it_was_not_trained_for(says, T):
    "Whatever it says beyond t = 1 and T; an exact law is asked from end to end."
    q, asked = ForwardProcess(linear_schedule(T)), []

    def network(x, level):
        asked.append(level.aminmax())
        return x / (1 + level.exp().sqrt().view(-1, 1))

    x, ends = torch.randn(3, 2, generator=seed(), dtype=f64), q.schedule.log_snr[[1, -1]].tolist()
    p, loose = DDPM(network, q, (2,), says), dict(tolerance=1e-3, second=False)
    ours = log_prob_by_flow(p, x, **loose)
    assert torch.equal(ours.log_prob, log_prob_by_flow(p, x, *ends, **loose).log_prob)
    low, high = (f(v) for f, v in zip((min, max), zip(*asked, strict=True), strict=True))
    assert ends[1] - 1e-6 <= low < ends[1] + 1 and ends[0] - 1 < high <= ends[0] + 1e-6
    exact = log_prob_by_flow(DDPM(PLANE, q), x, **loose).log_prob
    assert (exact - PLANE.log_prob(x)).abs().max() < 0.1


def test_a_bar_is_shown(capsys):
    log_prob_by_flow(TWO, torch.zeros(1, 1, dtype=f64), tolerance=1e-2, second=False, progress=True)
    shown = capsys.readouterr().err
    assert "log SNR" in shown and "100%" in shown.splitlines()[-1]


@pytest.mark.parametrize("level", [-80.0, 0.0, 40.0, 80.0])
@pytest.mark.parametrize("dtype", [torch.float32, f64])
def test_every_level_has_an_answer_or_is_refused(level, dtype):
    x = torch.randn(3, 2, generator=seed(), dtype=dtype)
    for denoiser in (PLANE, lambda x, v: 0.5 * x):
        assert all(part.isfinite().all() for part in divergence(denoiser, x, level))
    with pytest.raises(ValueError, match=r"log_snr must lie in \[-80, 80\]"):
        divergence(PLANE, x, 81.0)


@pytest.mark.parametrize("event", [(2,), (1, 2)])
@pytest.mark.long
def test_a_function_and_any_event_shape(event):
    y = torch.tensor([[0.2, -0.4], [1.0, 1.0]], dtype=f64)
    says = lambda x, level: PLANE.denoise(x.reshape(-1, 2), level).view(x.shape)
    ours = log_prob_by_flow(says, y.view(-1, *event), tolerance=1e-8, second=False)
    assert torch.allclose(ours.log_prob, PLANE.log_prob(y), atol=1e-6)
    assert ours.error.isnan().all() and ours.end.shape == (2, *event)


@pytest.mark.long
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


def test_the_error_of_random_signs_is_how_far_apart_they_lead():
    "One point 200 times, four draws of signs for each: the spread of the 200 means is what each states of itself."
    n, k = 200, 4
    y = torch.tensor([[0.2, -0.4]], dtype=f64).expand(n, 2)
    ours = log_prob_by_flow(
        PLANE.denoise, y, probes=k, tolerance=1e-4, second=False, generator=seed()
    )
    off, stated = ours.log_prob - PLANE.log_prob(y), ours.stderr.square().mean()
    assert off.mean().abs() < 5 * off.std() / n**0.5 + 1e-3
    # a variance of m draws has a relative error of (2 / (m - 1))^(1/2) at most, for those of coins have shorter tails
    assert abs(off.var() / stated - 1) < 5 * (2 / n + 2 / (k - 1) / n) ** 0.5


def test_one_x_that_is_off_by_its_tolerance_fills_the_integrators_norm():
    "DOP853 keeps the root of the mean square of error / allowed below 1, over all the numbers that it carries."
    b, d, k, level, tolerance = 3, 4, 2, 1.3, 1e-4
    atol = allowed(torch.zeros(b, d), k * b, level, tolerance)
    noise = (1 / (1 + math.exp(level))) ** 0.5
    in_x, in_trace = np.zeros(len(atol)), np.zeros(len(atol))
    in_x[d : 2 * d] = tolerance * noise  # the second x, in each of its numbers
    in_trace[b * d + 1 :: b] = tolerance * d  # and its traces, d nats each
    assert len(atol) == b * d + k * b and np.count_nonzero(in_trace) == k
    for off in (in_x, in_trace):
        assert ((off / atol) ** 2).mean() ** 0.5 == pytest.approx(1, rel=1e-12)


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
