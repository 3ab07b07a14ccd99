"The explorables over one number: what they take, what they refuse, and that their numbers are the package's."

import math

import numpy as np
import pytest
import torch
import traitlets
from scipy import integrate, stats

from diffusion_math.explore.melting import MeltingExplorer, ReverseExplorer
from diffusion_math.forward import Schedule, cosine_schedule, linear_schedule
from diffusion_math.laws.mixture import GaussianMixture
from tests.truth import refuses, seed

f64 = torch.float64
TWO = GaussianMixture(
    [0.3, 0.7], torch.tensor([[-2.0], [1.5]], dtype=f64), torch.tensor([0.02, 0.1], dtype=f64)
)


# ------------------------------------------------------------------------------------------------ the melting density


def test_without_a_mixture_it_shows_the_two_humps_of_the_chapter():
    ours = MeltingExplorer()
    x = torch.linspace(-3, 3, 101, dtype=f64)[:, None]
    assert torch.equal(ours.data.log_prob(x), TWO.log_prob(x))
    assert (ours.T, ours.t, ours.schedule) == (1000, 200, "linear")


@pytest.mark.parametrize("kind, make", [("linear", linear_schedule), ("cosine", cosine_schedule)])
@pytest.mark.parametrize("T, t", [(1, 1), (10, 0), (1000, 300), (1000, 1000)])
def test_the_law_is_the_package_s(kind, make, T, t):
    ours = MeltingExplorer(TWO, kind, T=T, t=t)
    x = torch.linspace(-3, 3, 101, dtype=f64)[:, None]
    assert torch.equal(ours.law.log_prob(x), TWO.noised(make(T).log_snr[t]).log_prob(x))


@pytest.mark.parametrize("t", [0, 100, 400, 1000])
def test_the_distance_from_the_normal_is_an_integral(t):
    ours = MeltingExplorer(t=t)
    a, b = ours.q.schedule.alpha_bar[t].item(), ours.q.schedule.noise_var[t].item()
    bells = [
        (w, stats.norm(m * a**0.5, (a * v + b) ** 0.5))
        for w, m, v in [(0.3, -2.0, 0.02), (0.7, 1.5, 0.1)]
    ]

    def each(x):
        q = sum(w * bell.pdf(x) for w, bell in bells)
        return q * (math.log(q) - stats.norm.logpdf(x)) if q > 0 else 0.0

    truth = integrate.quad(each, -8, 8, points=[-2, -1.5, 1, 1.5], limit=400)[0]
    assert ours.kl == pytest.approx(truth, rel=1e-6, abs=1e-9) and ours.kl >= 0


@pytest.mark.parametrize("mean", [0.505, -3.5, 3.5])
@pytest.mark.parametrize("var", [1e-3, 0.3, 4.0])
def test_one_bell_s_distance_from_the_normal_has_a_formula(mean, var):
    one = GaussianMixture([1.0], torch.tensor([[mean]], dtype=f64), torch.tensor([var], dtype=f64))
    truth = 0.5 * (var - 1 - math.log(var) + mean**2)
    assert MeltingExplorer(one, t=0).kl == pytest.approx(truth, rel=1e-10)


def test_the_paths_are_draws_of_q():
    ours = [MeltingExplorer(T=50, generator=seed(s)) for s in range(300)]
    paths = torch.cat([one.paths for one in ours], 1)  # (51, 4200)
    assert paths.shape == (51, 4200)
    for t in (0, 10, 50):
        law = TWO.noised(linear_schedule(50).log_snr[t])
        w, m = law.weights, law.means[:, 0]
        bells = [stats.norm(m[k].item(), law._c.var[k, 0].item() ** 0.5) for k in range(2)]
        cdf = lambda x, bells=bells, w=w: sum(w[k].item() * bells[k].cdf(x) for k in range(2))
        assert stats.kstest(paths[t].numpy(), cdf).pvalue > 6e-7
    q = linear_schedule(50)
    kept = (q.alpha_bar[30] / q.alpha_bar[20]).sqrt().item()
    off = paths[30] - kept * paths[20]  # the noise of ten steps, whatever x_20 is
    error = off.std().item() / 4200**0.5
    assert (
        abs(off.mean().item()) < 5 * error
        and abs(np.corrcoef(off, paths[20])[0, 1]) < 5 / 4200**0.5
    )


def test_paths_where_nothing_is_left_are_noise():
    ours = MeltingExplorer(TWO, Schedule.from_beta([0.5, 1.0, 0.5]), generator=seed())
    assert ours.paths.shape[0] == 4 and ours.paths.isfinite().all()
    assert MeltingExplorer(T=3, generator=seed()).paths.shape[0] == 4


def test_a_bell_that_is_moved_takes_its_paths_along():
    ours = MeltingExplorer(generator=seed())
    before = ours.paths
    ours.means = [-1.0, 1.5]
    off = ours.paths - before
    left = before[0] < 0
    assert torch.allclose(off[:, ~left], torch.zeros(1, dtype=f64))
    at = torch.arange(0, 1001, 10)
    assert torch.allclose(
        off[:, left], linear_schedule().alpha_bar[at].sqrt()[:, None].expand(-1, int(left.sum()))
    )


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("t", 1001, r"t must lie in \[0, 1000\], got 1001"),
        ("t", -1, "t must lie in"),
        ("means", [4.0, 0.0], r"means\[0\] must lie in \[-3.5, 3.5\], got 4.0"),
        ("means", [0.0, math.nan], r"means\[1\] must lie in"),
        ("means", [0.0], "means must hold 2 numbers, got 1"),
        ("schedule", "sigmoid", "schedule must be one of linear, cosine, given, got 'sigmoid'"),
        ("schedule", "given", "schedule must be one of linear, cosine, got 'given'"),
    ],
)
def test_a_melting_trait_out_of_range(name, value, words):
    ours = MeltingExplorer()
    before = getattr(ours, name)
    with pytest.raises(ValueError, match=words):
        setattr(ours, name, value)
    assert getattr(ours, name) == before


@pytest.mark.parametrize(
    "name, value", [("t", 0.5), ("means", 3), ("means", ["a", "b"]), ("schedule", 3)]
)
def test_a_melting_trait_of_the_wrong_kind(name, value):
    with pytest.raises(traitlets.TraitError, match=f"'{name}' trait|of the '{name}'|{name}"):
        setattr(MeltingExplorer(), name, value)


def point(k=1, d=1, var=0.1):
    return GaussianMixture([1 / k] * k, torch.zeros(k, d), torch.full((k,), var))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"mixture": 3}, TypeError, "mixture must be a GaussianMixture, got int"),
        (
            {"mixture": point(d=2)},
            ValueError,
            r"mixture must be over one number, got event_shape \(2,\)",
        ),
        ({"mixture": point(k=7)}, ValueError, "at most 6 components, got 7"),
        (
            {"mixture": point(var=0.0)},
            ValueError,
            r"variances\[0\] must lie in \[0.001, 4.0\], got 0.0",
        ),
        ({"mixture": point(var=1e-6)}, ValueError, r"variances\[0\] must lie"),
        ({"mixture": point(var=25.0)}, ValueError, "got 25.0"),
        ({"schedule": 3}, TypeError, "schedule must be a name or a Schedule, got int"),
        ({"schedule": "sigmoid"}, ValueError, "schedule must be one of"),
        ({"T": 0}, ValueError, r"T must lie in \[1, 1000\], got 0"),
        ({"T": 2.5}, TypeError, "T must be an integer, got float"),
        ({"t": 1001}, ValueError, "t must lie in"),
    ],
)
def test_melting_arguments_that_do_not_fit(arguments, error, words):
    with pytest.raises(error, match=words):
        MeltingExplorer(**arguments)


def test_a_mixture_of_any_shape_over_one_number():
    flat = GaussianMixture([1.0], torch.zeros(1, dtype=torch.float32), torch.full((1,), 0.5))
    full = GaussianMixture([0.5, 0.5], torch.ones(2, 1, 1, 1), torch.full((2, 1, 1), 0.5))
    assert MeltingExplorer(flat)._variances == [0.5] and MeltingExplorer(full)._variances == [
        0.5,
        0.5,
    ]


# ------------------------------------------------------------------------------------------------------ the step back


@pytest.mark.parametrize("beta, x", [(1e-4, 0.3), (0.02, -3.5), (0.7, 0.0), (1.0, 2.0)])
def test_the_step_back_is_bayes_on_a_grid(beta, x):
    ours = ReverseExplorer(beta=beta, x=x)
    law, best = ours.law, ours.best
    y = best.mean.item() + best.std.item() * torch.linspace(-13, 13, 40_001, dtype=f64)
    width = (y[1] - y[0]).item()
    before = sum(
        w * stats.norm(m * 0.66**0.5, (0.66 * v + 0.34) ** 0.5).pdf(y.numpy())
        for w, m, v in [(0.3, -2.0, 0.02), (0.7, 1.5, 0.1)]
    )
    back = before * stats.norm((1 - beta) ** 0.5 * y.numpy(), beta**0.5).pdf(x)
    back = torch.as_tensor(back / back.sum() / width)
    torch.testing.assert_close(law.log_prob(y[:, None]).exp(), back, rtol=1e-8, atol=1e-12)
    mean = (back * y).sum() * width
    var = (back * (y - mean).square()).sum() * width
    assert best.mean.item() == pytest.approx(mean.item(), rel=1e-8, abs=1e-9)
    assert best.var.item() == pytest.approx(var.item(), rel=1e-7)
    if beta > 0.01:
        kl = (
            back * (back / best.log_prob(y[:, None]).exp()).log().nan_to_num(nan=0.0, neginf=0.0)
        ).sum() * width
        assert ours.kl == pytest.approx(kl.item(), rel=1e-6, abs=1e-9)


def test_the_distance_shrinks_as_the_cube_of_beta():
    "Chapter 4's slope, seen at one x."
    small = [ReverseExplorer(signal=0.7, beta=b, x=0.5).kl for b in (1e-3, 1e-4)]
    assert small[0] / small[1] == pytest.approx(1000, rel=0.05) and small[1] < 1e-9


def test_one_bell_is_a_gaussian_at_any_beta():
    one = GaussianMixture([1.0], torch.tensor([[0.7]], dtype=f64), torch.tensor([0.3], dtype=f64))
    for beta in (1e-4, 0.3, 1.0):
        assert ReverseExplorer(one, beta=beta, x=-1.0).kl < 1e-25


@pytest.mark.parametrize("x", [0.0, 1.0, 1.5, -2.0, 2.5])
def test_the_distance_counts_a_small_bell_far_out(x):
    "Two narrow bells and a slice where one weighs little: a hundred standard deviations away, it still counts."
    data = GaussianMixture(
        [0.5, 0.5], torch.tensor([[-3.5], [3.5]], dtype=f64), torch.full((2,), 1e-3, dtype=f64)
    )
    ours = ReverseExplorer(data, signal=1, beta=0.7, x=x)
    law, best = ours.law, ours.best
    y = torch.linspace(-4, 4, 160_001, dtype=f64)[:, None]
    log_q = law.log_prob(y)
    q = log_q.exp()
    assert (truth := ((q * (log_q - best.log_prob(y))).sum() * 5e-5).item()) > 0
    assert ours.kl == pytest.approx(truth, rel=1e-9)


def test_the_pairs_are_draws_of_the_chain():
    pairs = torch.cat([ReverseExplorer(beta=0.3, generator=seed(s)).pairs for s in range(10)])
    n = len(pairs)
    assert pairs.shape == (15_000, 2)
    off = pairs[:, 1] - 0.7**0.5 * pairs[:, 0]
    assert stats.kstest(off.numpy(), stats.norm(0, 0.3**0.5).cdf).pvalue > 6e-7
    assert abs(np.corrcoef(off, pairs[:, 0])[0, 1]) < 5 / n**0.5
    cdf = lambda x: sum(
        w * stats.norm(m * 0.66**0.5, (0.66 * v + 0.34) ** 0.5).cdf(x)
        for w, m, v in [(0.3, -2.0, 0.02), (0.7, 1.5, 0.1)]
    )
    assert stats.kstest(pairs[:, 0].numpy(), cdf).pvalue > 6e-7


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("beta", 0, r"beta must lie in \[0.0001, 1\], got 0.0"),
        ("beta", 1.1, "beta must lie in"),
        ("beta", math.nan, "got nan"),
        ("x", 4, r"x must lie in \[-3.5, 3.5\], got 4.0"),
    ],
)
def test_a_reverse_trait_out_of_range(name, value, words):
    ours = ReverseExplorer()
    refuses(ours, name, value, words, "much")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"mixture": 3}, TypeError, "mixture must be a GaussianMixture, got int"),
        ({"mixture": point(d=2)}, ValueError, "mixture must be over one number"),
        (
            {"mixture": GaussianMixture([1.0], torch.full((1, 1), 4.0), torch.ones(1))},
            ValueError,
            r"means\[0\] must lie",
        ),
        ({"signal": 0}, ValueError, "signal must lie in"),
        ({"signal": 1.5}, ValueError, "signal must lie in"),
        ({"beta": 2}, ValueError, "beta must lie in"),
        ({"x": "0"}, traitlets.TraitError, "'x' trait"),
    ],
)
def test_reverse_arguments_that_do_not_fit(arguments, error, words):
    with pytest.raises(error, match=words):
        ReverseExplorer(**arguments)


def test_little_is_sent():
    for widget, most in ((MeltingExplorer(), 8_000), (ReverseExplorer(), 20_000)):
        state = widget.get_state()
        assert sum(len(v) for v in state.values() if isinstance(v, bytes)) < most
        assert len(state["_esm"]) + len(state["_css"]) < 64_000
