"""The account: entropy + model error + gap = bound, where each was found without the others, and by draws.

The roads to p(x_0) and to the gap have their own tests: tests/laws/test_grid.py and tests/laws/test_linear.py.
"""

import math

import pytest
import torch

from diffusion_math import ExactReverse, ForwardProcess, GaussianMixture, elbo, linear_schedule
from diffusion_math.elbo import account
from diffusion_math.laws.grid import GridChain
from tests.test_elbo import TWO, Bent

F64 = torch.float64
ONE = GaussianMixture([1.0], torch.tensor([[0.5]], dtype=F64), torch.tensor([0.3], dtype=F64))


@pytest.mark.parametrize("T", [10, 30])
@pytest.mark.parametrize("wrong", [False, True])
def test_the_account_adds_up(T, wrong):
    q = ForwardProcess(linear_schedule(T))
    p = Bent(q, 1, bend=0.2) if wrong else ExactReverse(q, TWO)
    got = account(TWO, q, p)
    assert abs(got.off) < 1e-6
    assert min(got.model_error, got.gap) > 0
    x = TWO.sample(100_000)
    log_q = TWO.log_prob(x)
    assert abs(-log_q.mean() - got.entropy) < 5 * log_q.std() / 100_000**0.5
    draws = elbo(q, p, x[:5_000]).total
    assert abs(draws.mean() - got.bound) < 5 * draws.std() / 5_000**0.5
    ratio = log_q[:5_000] - GridChain(p).log_prob(x[:5_000])
    assert abs(ratio.mean() - got.model_error) < 5 * ratio.std() / 5_000**0.5


@pytest.mark.parametrize(
    "var, cure, held",
    [(4.0, (-16, 16), "-0.0123"), (25.0, (-40, 40), "-0.317"), (1e-4, (-0.1, 0.1), r"\+5.3")],
)
def test_strips_that_miss_some_of_the_data_are_refused(var, cure, held):
    "They read an entropy of 2.04 for 2.11, of 1.83 for 3.03, and a bound of -14 for a bell of width 0.01."
    q = ForwardProcess(linear_schedule(10))
    law = GaussianMixture([1.0], torch.zeros(1, 1).double(), torch.tensor([var]).double())
    with pytest.raises(ValueError, match=f"low, high and strips must suit data: .* is 1 {held}"):
        account(law, q, ExactReverse(q, law))
    got = account(law, q, ExactReverse(q, law), *cure)
    assert got.entropy == pytest.approx(0.5 * math.log(2 * math.pi * math.e * var), abs=1e-7)
    assert abs(got.off) < 1e-6 and got.bound > got.entropy


def test_the_account_of_a_thousand_steps():
    q = ForwardProcess(linear_schedule(1000))
    got = account(ONE, q, ExactReverse(q, ONE), -4, 5, strips=20)
    assert abs(got.off) < 1e-7
    assert got.entropy == pytest.approx(0.5 * math.log(2 * math.pi * math.e * 0.3), abs=1e-9)
    assert got.model_error < 1e-9 and got.gap == pytest.approx(got.bound - got.entropy, abs=1e-7)
