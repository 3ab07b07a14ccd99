"""What the bound, its estimates and the losses share: q, p and x_0 that fit each other, x_t in rows, t drawn evenly.

Truths: the forward process itself, one datum at a time; counting.
"""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math import ForwardProcess, Gaussian, Schedule, cosine_schedule, linear_schedule
from diffusion_math.laws.chain import (
    check_chain,
    decoded,
    draw_terms,
    noised,
    noised_rows,
    with_density,
)
from tests.test_elbo import Fixed
from tests.truth import error, seed

F16, F32, F64 = torch.float16, torch.float32, torch.float64
INF, NAN = math.inf, math.nan
EVENTS = [(), (2,), (1, 4, 3)]
Q = ForwardProcess(linear_schedule(5))
P = Fixed(Q, event_shape=(1,))
X0 = torch.zeros(3, 1)


# ---- what must fit


@pytest.mark.parametrize("dtype, wide", [(F16, F32), (torch.bfloat16, F32), (F32, F32), (F64, F64)])
def test_x0_comes_back_in_float32_at_least(dtype, wide):
    assert check_chain(Q, P, X0.to(dtype)).dtype == wide
    assert check_chain(Q, P, X0[:0].to(dtype), decoder=lambda x_1: None).shape == (0, 1)


def test_a_p_of_no_event_shape_takes_any():
    for event in EVENTS:
        assert check_chain(Q, Fixed(Q), torch.zeros(2, *event)).shape == (2, *event)


def test_another_q_of_as_many_steps_is_legal():
    assert check_chain(ForwardProcess(cosine_schedule(5)), P, X0) is X0


def test_on_another_device_x0_is_not_looked_at():
    assert check_chain(Q, P, torch.full((3, 1), NAN, device="meta")).is_meta


@pytest.mark.bad_input
@pytest.mark.parametrize("change, kind, words", [
    ({"q": Q.schedule}, TypeError, "q must be a ForwardProcess, got Schedule"),
    ({"q": None}, TypeError, "q must be a ForwardProcess, got NoneType"),
    ({"p": Q}, TypeError, "p must be a ReverseProcess, got ForwardProcess"),
    ({"p": Fixed(ForwardProcess(linear_schedule(6)))}, ValueError, "q and p must have the same number of steps, got 5 and 6"),
    ({"x0": [0.0]}, TypeError, "x0 must be a floating-point tensor, got list"),
    ({"x0": X0.long()}, TypeError, "x0 must be a floating-point tensor, got torch.int64"),
    ({"x0": X0[0, 0]}, ValueError, "x0 must have shape (b, *event), got a single number; add a batch dimension"),
    ({"x0": torch.zeros(3, 2)}, ValueError, "x0 must have shape (b, 1), got (3, 2)"),
    ({"x0": X0[:, 0]}, ValueError, "x0 must have shape (b, 1), got (3,)"),
    ({"x0": X0 * NAN}, ValueError, "x0 must be finite, got nan"),
    ({"x0": X0 - INF}, ValueError, "x0 must be finite, got -inf"),
    ({"decoder": 3}, TypeError, "decoder must be a function of x_1, got int"),
])  # fmt: skip
def test_what_does_not_fit_is_named(change, kind, words):
    with pytest.raises(kind) as error:
        check_chain(**{"q": Q, "p": P, "x0": X0} | change)
    assert str(error.value) == words


def test_a_density_of_x0_needs_a_variance_where_it_is_asked_for():
    law = Gaussian(torch.zeros(2, 1), torch.tensor([[0.0], [1.0]]))
    words = "p.step(x_1, 1) must have a variance above 0 to be a density of x0, got 0; or give a decoder"
    for where in (True, torch.tensor([[True], [False]])):
        with pytest.raises(ValueError) as error:
            with_density(law, where)
        assert str(error.value) == words
    assert with_density(law, torch.tensor([[False], [True]])) is law
    wide = Gaussian(torch.zeros(2, 1), 0.5)
    assert with_density(wide) is wide


class Says:
    "What a decoder returns: something with a log_prob."

    def __init__(self, log_prob):
        self.log_prob = lambda x0: log_prob


def test_a_decoder_is_asked_for_the_density_of_x0():
    got = decoded(lambda x_1: Gaussian(2 * x_1, 0.5), X0 + 1, X0 + 3)
    assert torch.equal(got, Gaussian(X0 + 6, 0.5).log_prob(X0 + 1))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "says, came", [(X0[:1, 0], r"\(1,\)"), (X0, r"\(3, 1\)"), (X0[0, 0], r"\(\)"), (0.0, "float")]
)
def test_a_decoder_must_say_one_number_for_each(says, came):
    words = rf"decoder\(x_1\).log_prob\(x0\) must have shape \(3,\), one for each x_1, got {came}"
    with pytest.raises(ValueError, match=words):
        decoded(lambda x_1: Says(says), X0, X0)


# ---- x_t, row by row


@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_noised_is_the_marginals_own_draw(event):
    x0, eps = torch.randn(2, 4, *event, generator=seed(), dtype=F64).unbind()
    t, s = torch.tensor([0, 1, 3, 5]), Q.schedule
    a, noise = (v[t].sqrt().view(4, *[1] * len(event)) for v in (s.alpha_bar, s.noise_var))
    assert error(noised(Q, x0, t, eps), a * x0 + noise * eps) < 1e-15
    assert torch.equal(noised(Q, x0, 3, eps), noised(Q, x0, torch.full((4,), 3), eps))


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("k, c, b", [(1, 1, 1), (3, 2, 4), (2, 5, 0)])
def test_rows_are_every_draw_of_every_t_of_every_datum(event, k, c, b):
    x0 = torch.randn(b, *event, generator=seed(1), dtype=F64)
    eps = torch.randn(k, c, b, *event, generator=seed(2), dtype=F64)
    t = torch.tensor([5, 2, 2, 1, 4])[:c]
    rows, times, x_t = noised_rows(Q, x0, t, eps)
    assert len(rows) == len(times) == len(x_t) == k * c * b
    at = iter(range(k * c * b))
    for i in range(k):
        for j in range(c):
            for n in range(b):
                row = next(at)
                assert torch.equal(rows[row], x0[n]) and times[row] == t[j]
                alone = noised(Q, x0[n : n + 1], int(t[j]), eps[i, j, n : n + 1])
                assert error(x_t[row : row + 1], alone) < 1e-15


# ---- t and noise


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 10**6))
def test_one_t_from_each_stratum(T, b, draw):
    "Sorted, the i-th lies in the i-th of b equal parts of 1..T, or at its edge."
    t, _ = draw_terms(T, torch.zeros(b, 2), seed(draw), None, None)
    assert t.shape == (b,) and t.dtype == torch.long and t.min() >= 1 and t.max() <= T
    for i, at in enumerate(t.sort().values.tolist()):
        assert 1 + math.floor(i * T / b) <= at <= min(T, 1 + math.floor((i + 1) * T / b))


def test_the_strata_come_in_a_random_order():
    t, _ = draw_terms(10, torch.zeros(20, 2), seed(3), None, None)
    assert torch.equal(t.sort().values, torch.arange(1, 11).repeat_interleave(2))
    assert not torch.equal(t, t.sort().values)


@pytest.mark.parametrize("T, b", [(10, 3), (3, 10), (1, 4)])
def test_every_t_is_as_likely_as_the_next(T, b):
    "For the batch, and for a datum at its place in it."
    t = torch.stack([draw_terms(T, torch.zeros(b), seed(n), None, None)[0] for n in range(3000)])
    error_bar = (1 / T * (1 - 1 / T) / 3000) ** 0.5
    for drawn in (t, t[:, :1]):
        share = torch.stack([(drawn == k).double().mean() for k in range(1, T + 1)])
        assert ((share - 1 / T).abs() <= 5 * error_bar).all()


@pytest.mark.parametrize(
    "t", [3, torch.tensor([3, 3, 3]), torch.tensor([3, 3, 3], dtype=torch.int32)], ids=str
)
def test_what_is_given_stays(t):
    eps = torch.randn(3, 1, dtype=F64)
    times, noise = draw_terms(5, X0, None, t, eps)
    assert times.tolist() == [3, 3, 3] and times.dtype == torch.long and noise is eps


def test_noise_is_in_the_dtype_of_x0_and_a_seed_decides():
    for dtype in (F16, F32, F64):
        one, again, other = (draw_terms(9, X0.to(dtype), seed(n), None, None) for n in (1, 1, 2))
        assert one[1].dtype == dtype and one[1].shape == X0.shape
        assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
        assert not torch.equal(one[1], other[1])
    before = torch.get_rng_state()
    draw_terms(9, X0, seed(1), None, None)
    assert torch.equal(torch.get_rng_state(), before)


def test_terms_of_nothing_and_on_another_device():
    t, eps = draw_terms(5, X0[:0], seed(), None, None)
    assert t.shape == (0,) and eps.shape == (0, 1)
    for t in (None, 3, torch.tensor([1, 2, 3])):
        times, eps = draw_terms(5, X0.to("meta"), None, t, None)
        assert times.is_meta and eps.is_meta and times.shape == (3,)


@pytest.mark.bad_input
@pytest.mark.parametrize("x0, t, eps, kind, words", [
    (X0[0, 0], None, None, ValueError, r"x0 must have shape \(b, \*event\)"),
    (X0.long(), None, None, TypeError, "x0 must be a floating-point tensor, got torch.int64"),
    (X0, 0, None, ValueError, r"t must lie in 1\.\.5, got 0"),
    (X0, 6, None, ValueError, r"t must lie in 1\.\.5, got 6"),
    (X0, 2.0, None, TypeError, "t must be an int or an integer tensor, got float"),
    (X0, torch.tensor([1, 2]), None, ValueError, r"t must be an int or have shape \(3,\), one for each x, got shape \(2,\)"),
    (X0, None, X0[:1], ValueError, r"eps must have x0's shape \(3, 1\), got \(1, 1\)"),
    (X0, None, X0[:, 0], ValueError, r"eps must have x0's shape \(3, 1\), got \(3,\)"),
    (X0, None, X0.long(), TypeError, "eps must be a floating-point tensor, got torch.int64"),
])  # fmt: skip
def test_a_wrong_argument_is_named(x0, t, eps, kind, words):
    with pytest.raises(kind, match=words):
        draw_terms(5, x0, None, t, eps)


def test_beta_0_and_beta_1_in_a_row():
    q = ForwardProcess(Schedule.from_beta([0.0, 1.0]))
    x0, eps = torch.randn(2, 3, 2, generator=seed()).unbind()
    assert torch.equal(noised(q, x0, 1, eps), x0) and torch.equal(noised(q, x0, 2, eps), eps)
