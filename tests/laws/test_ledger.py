"""What a bound shows of itself: a line, a table, a picture. Read back, and compared with the numbers themselves."""

import html.parser
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from diffusion_math import elbo, exact_elbo
from diffusion_math.elbo import Elbo
from diffusion_math.laws import ledger
from tests.test_elbo import TWO, chain

F64 = torch.float64
INF, NAN = math.inf, math.nan


def bound(prior, steps, reconstruction, stderr=(0.0, 0.0, 0.0), dims=2):
    "A bound of numbers given by hand: a row for each datum; the same standard errors for all."
    prior, reconstruction = torch.tensor(prior, dtype=F64), torch.tensor(reconstruction, dtype=F64)
    steps = torch.tensor(steps, dtype=F64).reshape(-1, len(prior))
    parts = (prior, steps, reconstruction)
    errors = tuple(torch.full_like(v, e) for v, e in zip(parts, stderr, strict=True))
    return Elbo(*parts, dims, errors)


class Cells(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.words = []
        self.feed(text)

    def handle_data(self, data):
        self.words.append(data.strip())


# ---- a number


@pytest.mark.parametrize("x, error, shown", [
    (1234.5678, 0.5, "1234.57 ± 0.50"), (1234.5678, 0.051, "1234.568 ± 0.051"), (1.0, 0.00012, "1.00000 ± 0.00012"),
    (1.0, 0.0123, "1.000 ± 0.012"), (1234.5678, 30.0, "1234.6 ± 30.0"), (-2.5, 1.0, "-2.5 ± 1.0"),
    (1.0, 1e-9, "1.000000 ± 0.000000"), (1.23456, 0.0, "1.2346"), (1.23456, NAN, "1.2346"), (1.0, INF, "1.0000"),
    (INF, 0.1, "inf"), (-INF, 0.1, "-inf"), (NAN, 0.1, "nan"),
])  # fmt: skip
def test_a_number_has_the_digits_that_its_error_leaves_it(x, error, shown):
    assert ledger.number(x, error) == shown


# ---- the means, worked by hand


def test_rows_are_means_over_the_data_and_errors_of_means():
    got = bound([1.0, 3.0], [[10.0, 20.0], [0.5, 1.5]], [-4.0, 0.0], (0.3, 0.4, 1.2))
    step, whole = math.hypot(0.4, 0.4), math.sqrt(0.3**2 + 2 * 0.4**2 + 1.2**2)
    rows = [
        ("prior, L_3", 2.0, 0.3),
        ("steps, L_1 + ... + L_2", 16.0, step),
        ("reconstruction, L_0", -2.0, 1.2),
        ("total, the negative ELBO", 16.0, whole),
        ("ELBO = -total", -16.0, whole),
    ]
    for (name, x, error), (want, mean, each) in zip(ledger.mean_rows(got), rows, strict=True):
        assert name == want and x == pytest.approx(mean, rel=1e-12)
        assert error == pytest.approx(each * math.sqrt(2) / 2, rel=1e-12)  # of a mean of two


def test_of_one_step_there_are_no_steps_to_show():
    got = bound([1.0], [], [2.0])
    assert [name for name, _, _ in ledger.mean_rows(got)][:2] == [
        "prior, L_1",
        "reconstruction, L_0",
    ]
    assert ledger.line(got) == "Elbo(b=1, T=1, total 3.0000 nats on average)"
    assert "steps" not in ledger.table(got)


def test_what_learns_is_shown_all_the_same():
    prior = torch.ones(2, dtype=F64, requires_grad=True)
    got = Elbo(prior, prior[None] * 2, prior, 1, (prior * 0.1, prior[None] * 0.1, prior * 0.1))
    assert ledger.mean_rows(got)[0][1] == 1.0 and "nats" in ledger.table(got)
    assert ledger.plot(got).get_lines()
    plt.close("all")


@pytest.mark.parametrize("b, device", [(0, "cpu"), (3, "meta")])
def test_without_numbers_there_is_a_line_and_no_mean(b, device):
    v = torch.zeros(b, device=device)
    got = Elbo(v, v[None], v, 1, (v, v[None], v))
    assert not ledger.has_means(got)
    assert ledger.line(got) == ledger.table(got) == f"Elbo(b={b}, T=2)"


# ---- the table


def test_bits_per_dim_and_signs_of_a_table_made_by_hand():
    got = bound([1.0], [[-3.5]], [0.25], dims=4)
    words = Cells(ledger.table(got)).words
    value = dict(zip(words[2::2], words[3::2], strict=True))
    assert (
        value["total, the negative ELBO"] == "\u22122.2500" and value["ELBO = -total"] == "2.2500"
    )
    assert value["total in bits/dim"] == f"{-2.25 / 4 / math.log(2):.4f}".replace("-", "\u2212")
    assert Cells(ledger.table(bound([INF], [[1.0]], [0.0]))).words[3] == "inf"


def test_the_table_shows_every_part_and_the_elbo_with_its_sign():
    q, p = chain(10)
    x0 = TWO.sample(40)
    got = elbo(q, p, x0, n=100)
    words = Cells(got._repr_html_()).words
    value = dict(zip(words[2::2], words[3::2], strict=True))

    def read(name):
        first, *error = value[name].replace("\u2212", "-").split(" ± ")
        return float(first), float(error[0]) if error else 0.0

    parts = {
        "prior, L_10": got.prior,
        "steps, L_1 + ... + L_9": got.steps.sum(0),
        "reconstruction, L_0": got.reconstruction,
        "total, the negative ELBO": got.total,
        "ELBO = -total": -got.total,
        "total in bits/dim": got.bits_per_dim,
    }
    assert set(parts) == set(value) and words[:2] == ["mean of 40 data", "nats"]
    for name, number in parts.items():
        shown, error = read(name)
        assert abs(shown - number.mean().item()) <= max(0.05 * error, 6e-5), name
    assert read("total, the negative ELBO")[1] == pytest.approx(
        got.stderr.total.square().sum().sqrt().item() / 40, rel=0.2
    )
    assert "nan" not in elbo(q, p, x0)._repr_html_() and "±" not in elbo(q, p, x0)._repr_html_()
    assert repr(got).startswith("Elbo(b=40, T=10, total ")


# ---- the picture


@pytest.mark.parametrize("T", [1, 2, 100])
def test_the_plot_draws_every_term(T):
    q, p = chain(T)
    got = exact_elbo(q, p, TWO.sample(5))
    ax = got.plot(title="terms")
    steps, last, prior = ax.get_lines()
    assert steps.get_xdata().tolist() == list(range(2, T + 1))
    assert np.allclose(steps.get_ydata(), got.steps.mean(1))
    for mark, x, value in ((last, 1, got.reconstruction), (prior, T + 1, got.prior)):
        # the axis is a log; what is not above 0 is not drawn, its value in the legend
        y = value.mean().item()
        drawn = mark.get_ydata()[0]
        assert mark.get_xdata()[0] == x
        assert drawn == pytest.approx(y) if y > 0 else math.isnan(drawn)
        assert f" = {y:.3g}".replace("-", "\u2212") in mark.get_label() and (
            "not on a log axis" in mark.get_label()
        ) == (y <= 0)
    assert len(ax.get_legend().get_texts()) == 3 and ax.get_title() == "terms"


def test_the_plot_may_be_drawn_on_axes_that_are_there():
    ax = plt.figure().subplots()
    got = bound([1.0, 3.0], [[10.0, 20.0]], [-4.0, 0.0])
    assert ledger.plot(got, ax) is ax and ax.get_title() == "" and ax.get_yscale() == "log"
    steps, last, prior = ax.get_lines()
    assert steps.get_ydata().tolist() == [15.0] and prior.get_ydata()[0] == 2.0
    assert last.get_label() == "reconstruction, $L_0$ = \u22122, not on a log axis"
    assert (last.get_marker(), prior.get_marker()) == ("s", "D")
    plt.close("all")
