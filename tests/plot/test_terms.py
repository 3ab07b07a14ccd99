"A bound's picture shows each of its terms, at its t."

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from diffusion_math import (
    ExactReverse,
    ForwardProcess,
    GaussianMixture,
    exact_elbo,
    linear_schedule,
    plot,
)
from diffusion_math.elbo import Elbo

TWO = GaussianMixture([0.3, 0.7], torch.tensor([[-2.0], [1.0]], dtype=torch.float64), torch.tensor([0.1, 0.3]))  # fmt: skip


@pytest.mark.parametrize("T", [1, 2, 100])
def test_every_term_is_drawn(T):
    q = ForwardProcess(linear_schedule(T))
    got = exact_elbo(q, ExactReverse(q, TWO), TWO.sample(5))
    ax = plot.terms(got, title="terms")
    steps, last, prior = ax.get_lines()
    assert steps.get_xdata().tolist() == list(range(2, T + 1))
    assert np.allclose(steps.get_ydata(), got.steps.mean(1))
    for mark, x, value in ((last, 1, got.reconstruction), (prior, T + 1, got.prior)):
        y, drawn = value.mean().item(), mark.get_ydata()[0]
        assert mark.get_xdata()[0] == x
        assert drawn == pytest.approx(y) if y > 0 else math.isnan(drawn)
        assert f" = {y:.3g}".replace("-", "\u2212") in mark.get_label()
    assert ax.get_title() == "terms" and ax.get_yscale() == "log"
    plt.close("all")


def test_on_axes_that_are_there_and_a_wrong_bound():
    ax = plt.figure().subplots()
    row = torch.tensor([1.0, 3.0])
    got = Elbo(row, torch.tensor([[10.0, 20.0]]), row - 5, 1, (0 * row, torch.zeros(1, 2), 0 * row))
    assert plot.terms(got, ax) is ax and ax.get_lines()[0].get_ydata().tolist() == [15.0]
    assert "not on a log axis" in ax.get_lines()[1].get_label()
    plt.close("all")


@pytest.mark.bad_input
def test_a_wrong_bound_is_named(shape_checks_off):
    with pytest.raises(TypeError, match="bound must be a Elbo"), shape_checks_off():
        plot.terms(3)
