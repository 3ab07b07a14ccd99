"""How often each term is asked for: shares that add to 1, leave no term out, and follow the sizes of the terms."""

import math

import pytest
import torch

from diffusion_math import DDPM, ExactReverse, ForwardProcess, elbo, elbo_estimate, linear_schedule
from diffusion_math.likelihood import PILOT, pilot, term_shares
from tests.test_elbo import TWO, Bent, Fixed
from tests.truth import error, seed

F64 = torch.float64
INF, NAN = math.inf, math.nan


def exact(T=50):
    q = ForwardProcess(linear_schedule(T))
    return q, ExactReverse(q, TWO)


@pytest.mark.parametrize("times", ["iid", "stratified"])
@pytest.mark.parametrize("T", [1, 2, 50])
def test_without_importance_every_share_is_the_same(times, T):
    q, p = exact(T)
    got = term_shares(q, p, TWO.sample(3).float(), times, None, None)
    assert got.dtype == F64 and got.tolist() == [1 / max(1, T - 1)] * (T - 1)


def test_a_pilot_measures_each_term_on_a_few_data_and_a_tenth_goes_to_all_alike():
    q, p = exact()
    x0 = TWO.sample(40)
    got = pilot(q, p, x0, seed(1))
    size = elbo(q, p, x0[:PILOT], generator=seed(1)).steps.square().mean(1).sqrt()
    assert error(got, 0.9 * size / size.sum() + 0.1 / 49) < 1e-12
    assert torch.equal(got, pilot(q, p, x0[:PILOT], seed(1)))  # it looks at no more of them


def test_the_pilot_never_gives_a_term_no_chance():
    q, p = exact()
    got = elbo_estimate(q, p, TWO.sample(40), 8, "both").shares
    assert got.shape == (49,) and got.min() >= 0.1 / 49 * 0.999
    assert got.sum().item() == pytest.approx(1, abs=1e-12)


def test_the_pilot_of_terms_that_are_0_or_infinite_or_none():
    "A term without end would take every draw; where no term is finite all are asked for alike."
    q = ForwardProcess(linear_schedule(4))
    var = torch.full((5,), 0.5, dtype=F64)
    var[3] = 0  # a point where q has a bell: the second of three terms is infinite
    got = pilot(q, Fixed(q, var), torch.randn(5, 2, dtype=F64), seed())
    assert got.isfinite().all() and got[1].item() == pytest.approx(0.1 / 3)
    assert got.sum().item() == pytest.approx(1)
    var[1:] = 0
    got = term_shares(q, Fixed(q, var), torch.randn(5, 2, dtype=F64), "both", None, seed())
    assert torch.allclose(got, torch.full((3,), 1 / 3, dtype=F64))
    single = ForwardProcess(linear_schedule(1))
    assert term_shares(single, Fixed(single), torch.randn(5, 2), "both", None, None).shape == (0,)


@pytest.mark.parametrize("variance", ["posterior", "beta"])
def test_the_pilot_asks_for_no_density_of_x0(variance):
    "Which a variance of 0 at t = 1 does not have."
    q = ForwardProcess(linear_schedule(10))
    p = DDPM(lambda x, level: torch.sin(3 * x), q, (1,), variance=variance)
    assert pilot(q, p, TWO.sample(5), seed()).isfinite().all()


@pytest.mark.parametrize("kind", [
    list, tuple, lambda w: torch.tensor(w).numpy(), torch.tensor, lambda w: torch.tensor(w).long(),
    lambda w: 10 * torch.tensor(w, dtype=F64),
])  # fmt: skip
def test_weights_may_be_any_row_of_numbers_whatever_their_sum(kind, shape_checks_off):
    q = ForwardProcess(linear_schedule(6))
    p, x0 = Bent(q, 4), TWO.sample(3)
    with shape_checks_off():
        for times in ("importance", "both"):
            got = term_shares(q, p, x0, times, kind([1.0, 2.0, 3.0, 4.0, 5.0]), None)
            assert got.dtype == F64 and error(got, torch.arange(1, 6).double() / 15) < 1e-15


def test_weights_are_used_as_given():
    q = ForwardProcess(linear_schedule(6))
    p, x0, weights = Bent(q, 4), TWO.sample(3), torch.arange(1.0, 6.0)
    a = elbo_estimate(q, p, x0, 8, "importance", weights, generator=seed(3))
    b = elbo_estimate(q, p, x0, 8, "importance", 10 * weights.double(), generator=seed(3))
    assert torch.allclose(a.total, b.total) and torch.allclose(a.shares, weights.double() / 15)


def test_on_another_device_nothing_is_looked_at():
    q = ForwardProcess(linear_schedule(6))
    x0 = torch.empty(3, 1, device="meta")
    for times in ("iid", "both"):
        got = term_shares(q, Bent(q, 4), x0, times, None, None)
        assert got.is_meta and got.shape == (5,) and got.dtype == F64
    assert term_shares(q, Bent(q, 4), x0, "both", [1.0, 2.0, 3.0, 4.0, 5.0], None).is_meta


BIASED = "weights must be above 0 and finite, or a term is never seen and the estimate is biased"


@pytest.mark.bad_input
@pytest.mark.parametrize("times, weights, kind, words", [
    ("iid", torch.ones(5), ValueError, "weights go with times='importance' or 'both', got times='iid'"),
    ("stratified", [], ValueError, "weights go with times='importance' or 'both', got times='stratified'"),
    ("both", torch.ones(4), ValueError, r"weights must have shape \(5,\), one for each t = 2..6, got \(4,\)"),
    ("both", 1.0, ValueError, r"weights must have shape \(5,\), one for each t = 2..6, got \(\)"),
    ("both", "even", TypeError, "weights must be a list or tensor of numbers, got str"),
    ("both", [1.0, 1.0, 0.0, 1.0, 1.0], ValueError, BIASED),
    ("importance", [1.0, 1.0, -1.0, 1.0, 1.0], ValueError, BIASED),
    ("importance", [1.0, 1.0, NAN, 1.0, 1.0], ValueError, BIASED),
    ("importance", [1.0, 1.0, INF, 1.0, 1.0], ValueError, BIASED),
])  # fmt: skip
def test_wrong_weights_are_named(times, weights, kind, words):
    q = ForwardProcess(linear_schedule(6))
    with pytest.raises(kind, match=words):
        term_shares(q, Fixed(q), torch.zeros(2, 1), times, weights, None)
