"""Schedules against 50 digits of mpmath; the forward process against its own algebra, Bayes' rule and samples.

q is small: three laws, each a scale and a variance. So most tests read these off (`numbers` below) and compare them
with an independent way to the same thing: laws composed by hand, two densities multiplied on a grid, a chain run many
times. `relative` is the largest |a - b| / |b|.
"""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math.forward import (
    ForwardProcess,
    Schedule,
    constant_schedule,
    cosine_schedule,
    linear_schedule,
)
from diffusion_math.gaussian import Gaussian

F32, F64 = torch.float32, torch.float64
INF = math.inf
EVENTS = [(), (2,), (1, 28, 28)]
DTYPES = [torch.float16, torch.bfloat16, F32, F64]
mpmath.mp.dps = 50
mpf = mpmath.mpf


def relative(a, b):
    "The largest |a - b| / |b|, in float64; 0, inf and -inf must be met exactly. NaN is never close."
    a, b = (torch.as_tensor(v, dtype=F64) for v in (a, b))
    assert a.shape == b.shape, f"{tuple(a.shape)} is not {tuple(b.shape)}"
    return torch.where(a == b, 0.0, (a - b).abs() / b.abs()).nan_to_num(nan=INF).max().item()


def floats(values):
    return torch.tensor([float(v) for v in values], dtype=F64)


# ---- the same schedules with 50 digits


class Exact:
    "alpha_bar and beta of t = 0..T with 50 digits, and what follows from them at the t asked for."

    def __init__(self, alpha_bar, beta):
        self.alpha_bar, self.beta = alpha_bar, beta  # functions of t

    @classmethod
    def linear(cls, T=1000, beta_min="1e-4", beta_max="0.02"):
        low, high = mpf(beta_min), mpf(beta_max)
        logs = [mpf(0)]
        for i in range(1000):
            logs.append(logs[-1] + mpmath.log1p(-(low + (high - low) * i / 999)))

        def log_alpha_bar(t):
            place = mpf(1000) * t / T
            left = min(int(mpmath.floor(place)), 999)
            return logs[left] + (logs[left + 1] - logs[left]) * (place - left)

        return cls(
            lambda t: mpmath.exp(log_alpha_bar(t)),
            lambda t: -mpmath.expm1(log_alpha_bar(t) - log_alpha_bar(t - 1)) if t else mpf(0),
        )

    @classmethod
    def cosine(cls, T=1000, beta_max="0.999", offset="0.008"):
        "[Nichol & Dhariwal 2021] eq. 17; only the last step is long enough to meet the clip."
        s, top = mpf(offset), mpf(beta_max)

        def f(t):
            return mpmath.cos((mpf(t) / T + s) / (1 + s) * mpmath.pi / 2) ** 2

        def beta(t):
            return min(1 - f(t) / f(t - 1), top) if t else mpf(0)

        return cls(lambda t: f(t) / f(0) if t < T else f(T - 1) / f(0) * (1 - beta(T)), beta)

    def tables(self, ts):
        alpha_bar, beta = [self.alpha_bar(t) for t in ts], [self.beta(t) for t in ts]
        return {
            "alpha_bar": floats(alpha_bar),
            "noise_var": floats(1 - a for a in alpha_bar),
            "alpha": floats(1 - b for b in beta),
            "beta": floats(beta),
            "snr": floats(a / (1 - a) if a < 1 else INF for a in alpha_bar),
            "log_snr": floats(mpmath.log(a / (1 - a)) if a < 1 else INF for a in alpha_bar),
        }

    def laws(self, ts):
        "For t in ts, all above 0: what each law multiplies its arguments by, and its variance."
        rows = {"step": [], "marginal": [], "posterior": []}
        for t in ts:
            a, before, beta = self.alpha_bar(t), self.alpha_bar(t - 1), self.beta(t)
            noise = 1 - a
            rows["step"].append((mpmath.sqrt(1 - beta), beta))
            rows["marginal"].append((mpmath.sqrt(a), noise))
            of_x0, of_x_t = (
                mpmath.sqrt(before) * beta / noise,
                mpmath.sqrt(1 - beta) * (1 - before) / noise,
            )
            rows["posterior"].append((of_x0, of_x_t, beta * (1 - before) / noise))
        return {
            law: torch.stack([floats(column) for column in zip(*row, strict=True)])
            for law, row in rows.items()
        }


def numbers(q, ts, dtype=F64):
    "The same from the package, through its laws at x = 1."
    t = torch.as_tensor(ts)
    one, zero = torch.ones(len(t), dtype=dtype), torch.zeros(len(t), dtype=dtype)
    step, marginal, posterior = q.step(one, t), q.marginal(one, t), q.posterior(zero, one, t)
    return {
        "step": torch.stack([step.mean, step.var]),
        "marginal": torch.stack([marginal.mean, marginal.var]),
        "posterior": torch.stack([posterior.mean, q.posterior(one, zero, t).mean, posterior.var]),
    }


LONG = 100_000
SOME = sorted(
    {*range(1, 12), *range(1000, LONG, 4999), *range(LONG - 12, LONG + 1), 99, 101, 250, 50_050}
)
CASES = {
    "linear 1000": (linear_schedule, Exact.linear, 1000, range(1, 1001)),
    "cosine 1000": (cosine_schedule, Exact.cosine, 1000, range(1, 1001)),
    "linear 100000": (linear_schedule, Exact.linear, LONG, SOME),
    "cosine 100000": (cosine_schedule, Exact.cosine, LONG, SOME),
    "linear 10": (linear_schedule, Exact.linear, 10, range(1, 11)),
    "cosine 10": (cosine_schedule, Exact.cosine, 10, range(1, 11)),
    "linear 1": (linear_schedule, Exact.linear, 1, [1]),
    "cosine 1": (cosine_schedule, Exact.cosine, 1, [1]),
}


@pytest.fixture(params=CASES, scope="module")
def case(request):
    ours, exact, T, ts = CASES[request.param]
    return ours(T), exact(T), list(ts)


def test_every_table_to_ten_digits(case):
    schedule, exact, ts = case
    tables = exact.tables(ts)
    for name, truth in tables.items():
        got = getattr(schedule, name)[ts]
        if name == "log_snr":  # passes through 0
            assert (got - truth).abs().max() < 1e-9 and relative(
                got[truth.abs() > 1], truth[truth.abs() > 1]
            ) < 1e-10
        else:
            assert relative(got, truth) < 1e-10, name
    if len(ts) > 1:
        assert (
            relative(schedule.alpha[ts], tables["alpha_bar"]) > 0.1
        )  # the check sees alpha taken for alpha_bar
        assert relative(schedule.beta[ts], tables["noise_var"]) > 0.1


@pytest.mark.parametrize("dtype, tolerance", [(F64, 1e-10), (F32, 5e-7)], ids=str)
def test_every_law_to_ten_digits_and_in_float32_to_its_last(case, dtype, tolerance):
    schedule, exact, ts = case
    truth, got = exact.laws(ts), numbers(ForwardProcess(schedule), ts, dtype)
    for law in truth:
        assert got[law].dtype == dtype and relative(got[law], truth[law]) < tolerance, law


def test_one_minus_alpha_bar_by_subtraction_would_fail_that():
    truth = Exact.linear().laws(range(1, 1001))["marginal"][1]
    assert relative(1 - linear_schedule().alpha_bar[1:].float(), truth) > 1e-4


def test_ddpm_at_a_thousand_steps():
    "[DDPM] section 4, and the alpha_bar_T that follows."
    s = linear_schedule(T=1000)
    assert s.beta[1].item() == 1e-4 and s.beta[1000].item() == pytest.approx(0.02, rel=1e-15)
    assert s.alpha_bar[1000].item() == pytest.approx(4.0358e-5, rel=1e-5)
    assert torch.allclose(s.beta[1:], torch.as_tensor(np.linspace(1e-4, 0.02, 1000)), rtol=1e-13)
    assert repr(s) == "Schedule(T=1000, beta 0.0001 ... 0.02, alpha_bar_T 4.04e-05)"
    assert repr(ForwardProcess(s)) == f"ForwardProcess({s!r})"


@pytest.mark.parametrize("beta_max", [0.999, 0.5, 0.05])
def test_cosine_by_the_formula_of_nichol_and_dhariwal(beta_max):
    "alpha_bar = f(t)/f(0) with f = cos^2, beta from its ratios, clipped, and alpha_bar once more from the betas."
    t = np.arange(101) / 100
    f = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    beta = np.minimum(1 - f[1:] / f[:-1], beta_max)
    s = cosine_schedule(100, beta_max=beta_max)
    assert relative(s.beta[1:], beta) < 1e-10 and s.beta.max().item() == pytest.approx(
        beta_max, rel=1e-14
    )
    assert relative(s.alpha_bar[1:], np.cumprod(1 - beta)) < 1e-10
    assert (beta < beta_max).sum() > 10  # so it is no constant that we compare


def test_cosine_without_the_clip_ends_in_next_to_nothing():
    assert 0 <= cosine_schedule(1000, beta_max=1.0).alpha_bar[1000] < 1e-30
    assert cosine_schedule(1000).alpha_bar[1000] > 1e-10


# ---- schedules of any length and kind


@pytest.mark.parametrize(
    "make", [linear_schedule, cosine_schedule, lambda T: constant_schedule(0.1, T)]
)
@pytest.mark.parametrize("T", [1, 2, 3, 10, 999, 1000, 1001, 1500, LONG])
def test_any_number_of_steps_is_legal(make, T):
    s = make(T)
    for name in ("beta", "alpha", "alpha_bar", "noise_var", "snr", "log_snr"):
        table = getattr(s, name)
        assert table.shape == (T + 1,) and table.dtype == F64 and table.device.type == "cpu", name
        assert not table.isnan().any(), name
    assert (
        s.T == T
        and (s.beta[1:] > 0).all()
        and (s.beta < 1).all()
        and (s.alpha_bar.diff() <= 0).all()
    )
    assert (s.log_snr.diff() < 0).all()
    assert (s.beta[0], s.alpha[0], s.alpha_bar[0], s.noise_var[0], s.log_snr[0], s.snr[0]) == (
        0,
        1,
        1,
        0,
        INF,
        INF,
    )


@pytest.mark.parametrize("T", [1, 2, 3, 10, 999, 1001, 4000, LONG])
def test_linear_starts_and_ends_at_the_same_noise_for_every_number_of_steps(T):
    s, paper = linear_schedule(T), linear_schedule(1000)
    assert relative(s.alpha_bar[-1], paper.alpha_bar[-1]) < 1e-10
    assert s.beta[1] <= 1 - paper.alpha_bar[max(1, math.ceil(1000 / T))] + 1e-12
    if 1000 % T == 0 or T % 1000 == 0:
        theirs, ours = (1000 // T, 1) if T <= 1000 else (1, T // 1000)
        assert relative(s.alpha_bar[::ours], paper.alpha_bar[::theirs]) < 1e-10


def test_ten_linear_steps_end_in_noise():
    "Ten of the paper's own betas would leave 90 % of the picture; a thousandth's worth each would ask for a beta of 2."
    s = linear_schedule(10)
    assert s.alpha_bar[10].item() == pytest.approx(4.0358e-5, rel=1e-5) and s.beta.max() < 1
    assert torch.linspace(1e-4, 0.02, 10).neg().log1p().sum().exp() > 0.9
    x = ForwardProcess(s).trajectory(torch.full((100_000,), 3.0, dtype=F64))[10]
    assert (
        abs(x.mean() - 3 * 4.0358e-5**0.5) < 5 / len(x) ** 0.5
        and abs(x.var() - 1) < 5 * (2 / len(x)) ** 0.5
    )


ends = st.one_of(st.sampled_from([0.0, 1e-300, 1e-17, 1e-4, 0.5, 1 - 1e-12, 1.0]), st.floats(0, 1))


@given(ends, ends, st.one_of(st.integers(1, 30), st.sampled_from([999, 1000, 1001, 2000, 2500])))
def test_linear_between_any_two_betas(beta_min, beta_max, T):
    s = linear_schedule(T, beta_min, beta_max)
    assert not s.log_alpha_bar.isnan().any() and (s.beta >= 0).all() and (s.beta <= 1).all()
    with np.errstate(divide="ignore"):
        whole = np.log1p(-np.linspace(beta_min, beta_max, 1000)).sum()
    assert s.log_alpha_bar[-1].item() == pytest.approx(whole, rel=1e-9)


betas = st.one_of(st.sampled_from([0.0, 1e-12, 1e-4, 0.5, 1.0]), st.floats(1e-20, 1))
regular = st.floats(1e-6, 1 - 1e-6)


@given(st.lists(betas, min_size=1, max_size=12))
def test_any_betas_multiply_up(beta):
    "Zeros and ones among them."
    s = Schedule.from_beta(beta)
    assert s.beta[1:].tolist() == beta  # as given, to the last bit
    alpha_bar, noise = [mpf(1)], [mpf(0)]
    for b in beta:
        alpha_bar.append(alpha_bar[-1] * (1 - mpf(b)))
        noise.append(1 - alpha_bar[-1])
    tiny = floats(alpha_bar) < 1e-290
    assert (
        relative(s.alpha_bar[~tiny], floats(alpha_bar)[~tiny]) < 1e-10
        and relative(s.noise_var, floats(noise)) < 1e-10
    )
    assert torch.allclose(s.log_snr.sigmoid(), s.alpha_bar, rtol=1e-9, atol=0)
    assert torch.allclose((-s.log_snr).sigmoid(), s.noise_var, rtol=1e-9, atol=0)


@given(st.lists(regular, min_size=1, max_size=12))
def test_three_ways_to_say_one_schedule(beta):
    s = Schedule.from_beta(beta)
    for again in (Schedule.from_alpha_bar(s.alpha_bar[1:]), Schedule.from_log_snr(s.log_snr[1:])):
        kept = s.alpha_bar < 1 - 1e-6  # nearer to 1, alpha_bar alone no longer holds the digits
        for name in ("alpha_bar", "log_alpha_bar"):
            assert relative(getattr(again, name), getattr(s, name)) < 1e-8
        assert torch.allclose(again.beta[kept], s.beta[kept], rtol=1e-6, atol=1e-12)
    assert relative(Schedule.from_log_snr(s.log_snr[1:]).noise_var, s.noise_var) < 1e-9


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=12))
def test_log_snr_comes_back_from_either_end(log_snr):
    "alpha_bar is 1 or 0 to the last bit at these ends; log_snr, noise_var and log_alpha_bar are not."
    given_ = torch.tensor(sorted(log_snr, reverse=True), dtype=F64)
    s = Schedule.from_log_snr(given_)
    assert torch.allclose(s.log_snr[1:], given_, rtol=1e-10, atol=1e-10)
    noise = floats(1 / (1 + mpmath.exp(mpf(v))) for v in given_.tolist())
    assert relative(s.noise_var[1:], noise) < 1e-10


def test_both_ends_of_log_snr_are_legal():
    s = Schedule.from_log_snr([INF, 0.0, -INF, -INF])
    assert (
        s.alpha_bar[:2].tolist() == [1, 1]
        and s.alpha_bar[2].item() == pytest.approx(0.5)
        and s.alpha_bar[3] == 0
    )
    assert (
        s.beta.tolist()[:2] == [0, 0] and s.beta[3:].tolist() == [1, 1] and not s.beta.isnan().any()
    )
    again = Schedule.from_alpha_bar([1.0, 0.5, 0.0, 0.0])
    assert torch.allclose(again.beta, s.beta) and torch.equal(
        again.log_snr[[1, 3, 4]], s.log_snr[[1, 3, 4]]
    )


@pytest.mark.parametrize("kind", [list, tuple, torch.tensor, lambda v: torch.tensor(v, dtype=F64)])
def test_values_in_any_container(kind):
    assert torch.allclose(Schedule.from_beta(kind([0.1, 0.2])).alpha_bar, floats([1, 0.9, 0.72]))
    assert torch.allclose(Schedule.from_alpha_bar(kind([0.9, 0.72])).beta, floats([0, 0.1, 0.2]))


# ---- fewer steps


@pytest.mark.parametrize("make", [linear_schedule, cosine_schedule])
@pytest.mark.parametrize("T", [1, 2, 7, 50, 333, 500, 999, 1000])
def test_respace_keeps_noise_levels_and_their_product(make, T):
    long = make(1000)
    short = long.respace(T)
    kept = [round(1000 * i / T) for i in range(T + 1)]
    assert short.T == T and torch.equal(short.log_snr, long.log_snr[kept])
    assert torch.equal(short.alpha_bar, long.alpha_bar[kept])
    products = [long.alpha[a + 1 : b + 1].prod() for a, b in zip(kept, kept[1:], strict=False)]
    assert relative(short.alpha[1:], torch.stack(products)) < 1e-10
    assert relative(short.alpha[1:].cumprod(0), short.alpha_bar[1:]) < 1e-10
    if 1000 % T == 0:
        assert torch.equal(short.alpha_bar, long.alpha_bar[:: 1000 // T])


@pytest.mark.parametrize("T", [1, 10, 50, 500])
def test_the_linear_curve_read_at_fewer_places_is_the_respaced_one(T):
    by_hand, by_formula = linear_schedule(1000).respace(T), linear_schedule(T)
    assert (
        relative(by_hand.alpha_bar, by_formula.alpha_bar) < 1e-10
        and relative(by_hand.beta, by_formula.beta) < 1e-10
    )
    assert relative(by_hand.beta[1:], linear_schedule(1000).beta[:: 1000 // T][1:]) > 0.1


@given(st.lists(betas, min_size=1, max_size=12), st.data())
def test_respacing_any_betas(beta, data):
    "Zeros and ones among them; and respaced to its own length, a schedule is itself."
    s = Schedule.from_beta(beta)
    short = s.respace(data.draw(st.integers(1, s.T)))
    assert not short.log_alpha.isnan().any() and short.log_snr[-1] == s.log_snr[-1]
    assert torch.allclose(short.alpha.cumprod(0), short.alpha_bar, rtol=1e-9, atol=1e-300)
    same = s.respace(s.T)
    assert torch.equal(same.alpha_bar, s.alpha_bar) and torch.allclose(
        same.beta, s.beta, rtol=1e-14, atol=0
    )


# ---- the chain and its marginal

many = st.lists(regular, min_size=2, max_size=8)
points = st.floats(-5, 5)
BETAS = [0.1, 0.02, 0.3, 0.05, 0.5]


def through(law, gaussian):
    "The Gaussian law of x, where x given y is law(y) and y is Gaussian itself: means and variances add."
    mean = law(gaussian.mean)
    slope = law(gaussian.mean + 1).mean - mean.mean
    return Gaussian(mean.mean, slope**2 * gaussian.var + mean.var)


@given(many, points)
def test_marginal_is_the_chain_of_steps(beta, x0):
    q = ForwardProcess(Schedule.from_beta(beta))
    x0 = torch.tensor([x0], dtype=F64)
    law = Gaussian(x0, torch.zeros(1, dtype=F64))
    for t in range(1, q.T + 1):
        law = through(lambda x, t=t: q.step(x, t), law)
        whole = q.marginal(x0, t)
        assert torch.allclose(law.mean, whole.mean, rtol=1e-9, atol=1e-10)
        assert torch.allclose(law.var, whole.var, rtol=1e-9, atol=0)


@given(many, points, st.data())
def test_a_step_from_the_marginal_is_the_next_marginal(beta, x0, data):
    q, t = ForwardProcess(Schedule.from_beta(beta)), data.draw(st.integers(1, len(beta)))
    x0 = torch.tensor([x0], dtype=F64)
    got, whole = through(lambda x: q.step(x, t), q.marginal(x0, t - 1)), q.marginal(x0, t)
    assert torch.allclose(got.mean, whole.mean, rtol=1e-10, atol=1e-10)
    assert torch.allclose(got.var, whole.var, rtol=1e-10, atol=0)


@given(st.lists(betas, min_size=1, max_size=8), st.floats(0, 100))
def test_a_variance_v_becomes_alpha_bar_v_plus_one_minus_alpha_bar(beta, v):
    q = ForwardProcess(Schedule.from_beta(beta))
    law = Gaussian(torch.ones(1, dtype=F64), v)
    for t in range(1, q.T + 1):
        law = through(lambda x, t=t: q.step(x, t), law)
        a = math.prod(1 - b for b in beta[:t])
        assert law.var.item() == pytest.approx(a * v + 1 - a, rel=1e-9, abs=1e-12)
        assert law.mean.item() == pytest.approx(a**0.5, rel=1e-9, abs=1e-12)
        whole = through(lambda x, t=t: q.marginal(x, t), Gaussian(torch.ones(1, dtype=F64), v))
        assert torch.allclose(whole.var, law.var, rtol=1e-9, atol=1e-12)


def test_by_sampling_the_chain_has_the_moments_of_the_marginal():
    "From x0 of mean 2 and variance 9, run 100,000 times."
    q, n = ForwardProcess(Schedule.from_beta(BETAS)), 100_000
    x0 = 2 + 3 * torch.randn(n, dtype=F64)
    path = q.trajectory(x0, torch.Generator().manual_seed(10))
    for t in range(q.T + 1):
        a = math.prod(1 - b for b in BETAS[:t])
        mean, var = 2 * a**0.5, 9 * a + 1 - a
        assert abs(path[t].mean() - mean) < 5 * (var / n) ** 0.5
        assert abs(path[t].var() - var) < 5 * var * (2 / n) ** 0.5
        direct = q.marginal(x0, t).sample(torch.Generator().manual_seed(11))
        assert abs(direct.var() - var) < 5 * var * (2 / n) ** 0.5
        if t > 1:
            wrong = 9 * (1 - BETAS[t - 1]) + BETAS[t - 1]  # alpha in the place of alpha_bar
            assert abs(path[t].var() - wrong) > 5 * var * (2 / n) ** 0.5


def test_the_trajectory_is_a_markov_chain():
    "Given x_{t-1}, what came before says nothing: in a regression of x_t on both, the older one's slope is 0."
    q, n = ForwardProcess(Schedule.from_beta(BETAS)), 100_000
    path = q.trajectory(torch.randn(n, dtype=F64), torch.Generator().manual_seed(10))
    for t in range(2, q.T + 1):
        both = torch.stack([path[t - 1], path[t - 2]], 1)
        slopes = torch.linalg.lstsq(both, path[t]).solution
        left = path[t] - both @ slopes
        stderr = left.std() * torch.linalg.inv(both.T @ both).diagonal().sqrt()
        assert (
            abs(slopes[0] - (1 - BETAS[t - 1]) ** 0.5) < 5 * stderr[0]
            and abs(slopes[1]) < 5 * stderr[1]
        )
        assert abs(left.var() - BETAS[t - 1]) < 5 * BETAS[t - 1] * (2 / n) ** 0.5
        alone = (path[t] @ path[t - 2]) / (path[t - 2] @ path[t - 2])
        assert alone > 5 * stderr[1]  # without x_{t-1} it does say something


@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_a_trajectory_has_every_x_and_starts_at_x0(event):
    q = ForwardProcess(Schedule.from_beta(BETAS))
    x0 = torch.randn(3, *event)
    path = q.trajectory(x0, torch.Generator().manual_seed(0))
    assert path.shape == (6, 3, *event) and path.dtype == F32 and torch.equal(path[0], x0)
    draw = torch.Generator().manual_seed(0)
    for t in range(1, 6):
        assert torch.equal(path[t], q.step(path[t - 1], t).sample(draw))
    assert not torch.equal(path, q.trajectory(x0, torch.Generator().manual_seed(1)))
    torch.manual_seed(3)
    by_global = q.trajectory(x0)
    assert torch.equal(by_global, q.trajectory(x0, torch.Generator().manual_seed(3)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_chain_in_half_precision_has_the_law_of_the_chain(dtype):
    "A thousand small steps, each below the rounding of the mean: at five sigma, and as the chain in float32 is."
    q, x0 = ForwardProcess(constant_schedule(0.003, 1000)), torch.full((4000, 1), 2.0)
    path = q.trajectory(x0.to(dtype), torch.Generator().manual_seed(1))
    a = 0.997**1000
    assert path.dtype == dtype and torch.equal(
        path, q.trajectory(x0, torch.Generator().manual_seed(1)).to(dtype)
    )
    last = path[-1].double()
    assert abs(last.var().item() / (1 - a) - 1) < 5 * (2 / 4000) ** 0.5
    assert abs(last.mean().item() - 2 * a**0.5) < 5 * ((1 - a) / 4000) ** 0.5


# ---- the posterior


def bayes_gap(q, x0, x_prev, x_t, t):
    "log q(x_{t-1} | x_t, x_0) + log q(x_t | x_0) - log q(x_t | x_{t-1}) - log q(x_{t-1} | x_0): 0 by Bayes' rule."
    left = q.posterior(x_t, x0, t).log_prob(x_prev) + q.marginal(x0, t).log_prob(x_t)
    return (
        (left - q.step(x_prev, t).log_prob(x_t) - q.marginal(x0, t - 1).log_prob(x_prev))
        .abs()
        .max()
        .item()
    )


@given(many, points, points, points, st.data())
def test_posterior_times_marginal_is_step_times_marginal(beta, x0, z_prev, z, data):
    "At any x_{t-1} and x_t within five standard deviations."
    q, t = ForwardProcess(Schedule.from_beta(beta)), data.draw(st.integers(2, len(beta)))
    x0 = torch.tensor([x0], dtype=F64)
    before = q.marginal(x0, t - 1)
    x_prev = before.mean + z_prev * before.std
    step = q.step(x_prev, t)
    assert bayes_gap(q, x0, x_prev, step.mean + z * step.std, t) < 1e-10


class Swapped(ForwardProcess):
    def posterior(self, x_t, x0, t):
        return super().posterior(x0, x_t, t)


class Beta(ForwardProcess):
    "beta_t where the posterior has a smaller variance."

    def posterior(self, x_t, x0, t):
        return Gaussian(super().posterior(x_t, x0, t).mean, self.schedule.beta[t])


class Late(ForwardProcess):
    def posterior(self, x_t, x0, t):
        return super().posterior(x_t, x0, t - 1)


class NoBar(ForwardProcess):
    "alpha in the place of alpha_bar."

    def marginal(self, x0, t):
        return Gaussian(self.schedule.alpha[t].sqrt() * x0, self.schedule.beta[t])


@pytest.mark.parametrize("kind", [Swapped, Beta, Late, NoBar])
def test_that_check_sees_what_is_wrong(kind):
    x0, x_prev, x_t = (torch.tensor([v], dtype=F64) for v in (1.0, 0.3, -0.4))
    for t in range(2, 6):
        assert bayes_gap(ForwardProcess(Schedule.from_beta(BETAS)), x0, x_prev, x_t, t) < 1e-12
        assert bayes_gap(kind(Schedule.from_beta(BETAS)), x0, x_prev, x_t, t) > 1e-3


def test_in_an_image_and_for_each_its_own_t():
    q = ForwardProcess(cosine_schedule(100))
    x0, x_prev, x_t = torch.randn(3, 99, 1, 4, 4, dtype=F64)
    t = torch.arange(2, 101)
    left = q.posterior(x_t, x0, t).log_prob(x_prev) + q.marginal(x0, t).log_prob(x_t)
    right = q.step(x_prev, t).log_prob(x_t) + q.marginal(x0, t - 1).log_prob(x_prev)
    assert relative(left, right) < 1e-10


@pytest.mark.parametrize("t", [2, 3, 5])
def test_the_posterior_by_bayes_rule_on_a_grid(t):
    q = ForwardProcess(Schedule.from_beta(BETAS))
    x0, x_t = torch.tensor([1.2], dtype=F64), torch.tensor([-0.7], dtype=F64)
    grid = torch.linspace(-12, 12, 20_001, dtype=F64)
    product = q.marginal(x0, t - 1).log_prob(grid) + q.step(grid, t).log_prob(x_t)
    share = product.softmax(0)
    mean = share @ grid
    law = q.posterior(x_t, x0, t)
    assert law.mean.item() == pytest.approx(mean.item(), abs=1e-10)
    assert law.var.item() == pytest.approx((share @ (grid - mean) ** 2).item(), rel=1e-10)
    near, spacing = share > 1e-200, 24 / 20_000
    assert torch.allclose(
        law.log_prob(grid)[near], (share[near] / spacing).log(), rtol=1e-9, atol=1e-9
    )


def test_averaged_over_x_t_the_posterior_is_the_marginal_before():
    q, x0 = ForwardProcess(Schedule.from_beta(BETAS)), torch.tensor([1.2], dtype=F64)
    for t in range(1, 6):
        got, whole = (
            through(lambda x_t, t=t: q.posterior(x_t, x0, t), q.marginal(x0, t)),
            q.marginal(x0, t - 1),
        )
        assert torch.allclose(got.mean, whole.mean, rtol=1e-10) and torch.allclose(
            got.var, whole.var, atol=1e-12, rtol=1e-12
        )


def many_schedules():
    "Each of a few steps; and the first t at which there is any noise."
    draw = torch.Generator().manual_seed(0)
    for i in range(200):
        beta = torch.rand(4, generator=draw, dtype=F64) * (0.1 if i % 2 else 1)
        yield Schedule.from_beta(beta), 1
        yield Schedule.from_beta(torch.cat([torch.zeros(2), beta])), 3
        yield Schedule.from_beta(beta).respace(2), 1
        yield Schedule.from_alpha_bar((1 - beta).cumprod(0)), 1
        yield Schedule.from_log_snr(-20 * beta.cumsum(0) + 10), 1
    for T in (1, 2, 7, 10, 50, 333, 1000, 4000):
        yield from ((make(T), 1) for make in (linear_schedule, cosine_schedule))


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_at_the_first_step_that_adds_noise_the_posterior_is_x0_itself(dtype):
    "Exactly: a density at the point of a point mass is +inf, a rounding beside it -inf."
    x0, x_t = (
        torch.tensor([1.0, -0.3, 7 / 3], dtype=dtype),
        torch.tensor([0.1, 2.0, -5.0], dtype=dtype),
    )
    wrong = []
    for schedule, t in many_schedules():
        law = ForwardProcess(schedule).posterior(x_t, x0, t)
        assert law.var.max() == 0
        if law.log_prob(x0).tolist() != [INF] * 3:
            wrong.append(schedule.beta.tolist()[:7])
    assert not wrong, f"{len(wrong)} schedules, among them {wrong[:3]}"


# ---- beta = 0 and beta = 1


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_beta_0_returns_the_very_same_values(event, dtype):
    q = ForwardProcess(constant_schedule(0.0, T=3))
    x = torch.randn(4, *event).to(dtype)
    for t in (1, 2, 3, torch.tensor([1, 2, 3, 3])):
        assert torch.equal(q.step(x, t).sample(), x) and torch.equal(q.marginal(x, t).sample(), x)
        law = q.posterior(x, x, t)
        assert torch.equal(law.mean, x) and torch.equal(law.sample(), x)
        assert q.step(x, t).log_prob(x).tolist() == [INF] * 4
    assert torch.equal(q.trajectory(x), x.expand(4, *x.shape))


def test_where_there_is_no_noise_yet_the_posterior_is_x_t_whatever_x0():
    q = ForwardProcess(constant_schedule(0.0, T=3))
    x_t, x0 = torch.randn(2, 5, 2)
    for t in (1, 2, 3):
        assert torch.equal(q.posterior(x_t, x0, t).mean, x_t)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_beta_1_forgets_x(event, dtype):
    q = ForwardProcess(constant_schedule(1.0, T=2))
    x, other = torch.randn(2, 4, *event).to(dtype)

    def draw(x, t, law):
        return law(x, t).sample(torch.Generator().manual_seed(0))

    for law in (q.step, q.marginal):
        for t in (1, 2):
            assert torch.equal(draw(x, t, law), draw(other, t, law))
            eps = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
            assert torch.equal(draw(x, t, law), eps)  # nothing but noise of variance 1
    almost = ForwardProcess(constant_schedule(0.5, T=2))
    assert not torch.equal(draw(x, 1, almost.step), draw(other, 1, almost.step))


def test_after_a_beta_of_1_the_posterior_no_longer_hears_x0():
    q = ForwardProcess(Schedule.from_beta([0.3, 1.0, 0.2]))
    x_t, x0, other = torch.randn(3, 5, 2, dtype=F64)
    forgot = q.posterior(x_t, x0, 3)
    assert torch.equal(forgot.mean, q.posterior(x_t, other, 3).mean)
    assert torch.allclose(forgot.mean, 0.8**0.5 * x_t) and torch.allclose(
        forgot.var, torch.tensor(0.2, dtype=F64)
    )
    at_it = q.posterior(x_t, x0, 2)  # x_2 says nothing of x_1: back to the marginal
    assert torch.equal(at_it.mean, q.posterior(other, x0, 2).mean)
    assert torch.allclose(at_it.mean, q.marginal(x0, 1).mean) and torch.allclose(
        at_it.var, q.marginal(x0, 1).var
    )


def test_t_0_is_the_data():
    q, x0 = ForwardProcess(linear_schedule(10)), torch.randn(4, 2)
    for t in (0, torch.zeros(4).long()):
        assert torch.equal(q.marginal(x0, t).sample(), x0)


# ---- t, dtype, device


def laws(q, x, t):
    return [q.step(x, t), q.marginal(x, t), q.posterior(x, x + 1, t)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_a_t_for_each_x_equals_a_loop(event, dtype):
    q = ForwardProcess(cosine_schedule(7))
    x, t = torch.randn(7, *event).to(dtype), torch.tensor([3, 1, 7, 7, 2, 5, 4])
    for i, together in enumerate(laws(q, x, t)):
        alone = [laws(q, row[None], int(at))[i] for row, at in zip(x, t, strict=True)]
        assert torch.equal(together.mean, torch.cat([law.mean for law in alone]))
        var = torch.stack([law.var for law in alone]).view(7, *[1] * len(event))
        assert torch.equal(together.var, var)
        assert together.mean.dtype == together.var.dtype == together.sample().dtype == dtype
        densities = torch.cat([law.log_prob(row[None]) for law, row in zip(alone, x, strict=True)])
        assert torch.allclose(
            together.log_prob(x),
            densities,
            rtol=1e-2 if dtype in DTYPES[:2] else 1e-6,
            equal_nan=True,
        )
    assert not torch.equal(q.step(x, t).mean, q.step(x, t.flip(0)).mean)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_a_batch_of_zero(event, dtype):
    q, x = ForwardProcess(linear_schedule(5)), torch.zeros(0, *event, dtype=dtype)
    for t in (1, torch.zeros(0).long()):
        for law in laws(q, x, t):
            assert (
                law.sample().shape == x.shape
                and law.sample().dtype == dtype
                and law.log_prob(x).shape == (0,)
            )
    assert q.trajectory(x).shape == (6, 0, *event)


@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.float16, 1e-3), (torch.bfloat16, 8e-3), (F32, 5e-7)], ids=str
)
def test_small_dtypes_are_rounded_once(dtype, tolerance):
    "1 - alpha_bar too: at t = 1 it is 1e-4 and not the 0 that alpha_bar's own rounding would leave."
    q, ts = ForwardProcess(linear_schedule()), list(range(1, 1001))
    exact, got = numbers(q, ts), numbers(q, ts, dtype)
    for law in exact:
        normal = exact[law] >= torch.finfo(dtype).tiny
        assert (
            got[law].dtype == dtype and relative(got[law][normal], exact[law][normal]) < tolerance
        )
        assert (got[law] > 0)[exact[law] > 2 * torch.finfo(dtype).tiny].all()


def test_gradients_reach_x():
    "d x_t / d x_0 = sqrt(alpha_bar_t): by marginal, and by the whole chain."
    q = ForwardProcess(Schedule.from_beta(BETAS))
    for noise in (lambda x: q.marginal(x, 5).sample(), lambda x: q.trajectory(x)[5]):
        x0 = torch.randn(3, 2, dtype=F64, requires_grad=True)
        (slope,) = torch.autograd.grad(noise(x0).sum(), x0)
        assert relative(slope, q.schedule.alpha_bar[5].sqrt().expand(3, 2)) < 1e-10


def test_a_process_compiles_into_one_graph_and_maps_over_t(shape_checks_off):
    "A loss or a sampler that holds q compiles and maps with it."
    q, x, t = ForwardProcess(linear_schedule()), torch.randn(4, 2), torch.tensor([0, 1, 500, 1000])
    with shape_checks_off():
        for law, first in (
            (lambda x, t: q.marginal(x, t), 0),
            (lambda x, t: q.step(x, t), 1),
            (lambda x, t: q.posterior(x, 2 * x, t), 1),
        ):
            moments = lambda x, t, law=law: torch.stack(
                [law(x, t).mean, law(x, t).var.expand(x.shape)]
            )
            times = t.clamp(min=first)
            compiled = torch.compile(moments, fullgraph=True, backend="aot_eager")
            assert torch.equal(compiled(x, times), moments(x, times))
        mapped = torch.func.vmap(lambda x, t: q.marginal(x[None], t[None]).mean[0])
        assert torch.equal(mapped(x, t), q.marginal(x, t).mean)


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_call_runs_on_the_meta_device(event, dtype):
    "The meta device has no numbers, so whatever looks at one raises: it is what would make a GPU wait."
    q, x = ForwardProcess(cosine_schedule(5)), torch.zeros(3, *event, dtype=dtype, device="meta")
    with pytest.raises(RuntimeError):
        bool((x == 0).all())
    for t in (2, torch.tensor([1, 2, 3]), torch.tensor([1, 2, 3], device="meta")):
        for law in laws(q, x, t):
            outs, sums = [law.mean, law.sample()], [law.log_prob(x), law.kl(law), law.entropy()]
            assert all(out.device.type == law.var.device.type == "meta" for out in outs + sums)
            assert all(out.dtype == dtype for out in outs)
            assert all(out.dtype == torch.promote_types(dtype, F32) for out in sums)
            assert law.sample().shape == x.shape and law.log_prob(x).shape == (3,)
    path = q.trajectory(x)
    assert path.shape == (6, 3, *event) and path.device.type == "meta"


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_on_a_gpu_the_numbers_are_those_of_the_cpu(dtype):
    q, x, t = ForwardProcess(cosine_schedule(7)), torch.randn(7, 2).to(dtype), torch.arange(1, 8)
    for on_gpu, on_cpu in zip(laws(q, x.cuda(), t.cuda()), laws(q, x, t), strict=True):
        assert on_gpu.mean.device.type == on_gpu.var.device.type == "cuda"
        assert torch.equal(on_gpu.var.cpu(), on_cpu.var) and torch.allclose(
            on_gpu.mean.cpu(), on_cpu.mean
        )


MAKERS = {
    "linear": lambda: linear_schedule(10),
    "linear 1000": linear_schedule,
    "cosine": lambda: cosine_schedule(10),
    "constant": lambda: constant_schedule(0.1, 10),
    "beta": lambda: Schedule.from_beta([0.1, 0.2]),
    "alpha_bar": lambda: Schedule.from_alpha_bar([0.9, 0.2]),
    "log_snr": lambda: Schedule.from_log_snr([3.0, -2.0]),
    "respaced": lambda: Schedule.from_beta([0.1, 0.2]).respace(1),
}


@pytest.mark.parametrize("make", MAKERS)
def test_schedules_stay_on_the_cpu_in_float64_whatever_the_defaults(make):
    expected = MAKERS[make]()
    try:
        torch.set_default_dtype(torch.float16)
        with torch.device("meta"):
            s = MAKERS[make]()
            q = ForwardProcess(s)
    finally:
        torch.set_default_dtype(F32)
    for name in ("beta", "alpha", "alpha_bar", "noise_var", "snr", "log_snr"):
        assert torch.equal(getattr(s, name), getattr(expected, name))
    x = torch.ones(2, dtype=F64)
    assert torch.equal(q.step(x, 1).mean, ForwardProcess(expected).step(x, 1).mean)


# ---- wrong arguments

X = torch.zeros(3, 2)
Q = ForwardProcess(Schedule.from_beta([0.1, 0.2, 0.3, 0.4]))
S = Q.schedule
T3 = torch.tensor([1, 2, 3])


# the table of tests/test_bad_input.py asks each argument; here is what its error says, one row a kind
@pytest.mark.bad_input
@pytest.mark.parametrize(
    "words, call",
    [
        (r"beta must lie in \[0, 1\], got 1.2 at t = 3", lambda: Schedule.from_beta([0.1, 0.2, 1.2])),
        (r"beta must be a list of T >= 1 numbers, got shape \(0,\)", lambda: Schedule.from_beta([])),
        ("alpha_bar must not rise with t, got 0.1 after 0 at t = 3", lambda: Schedule.from_alpha_bar([0.5, 0.0, 0.1])),
        ("log_snr must not rise with t, got inf after 5 at t = 2", lambda: Schedule.from_log_snr([5.0, INF])),
        (r"T must lie in 1\.\.4, got 5", lambda: S.respace(5)),
        ("T must be 1 or more, got -3", lambda: cosine_schedule(-3)),
        (r"beta_min.* must lie in \[0, 1\], got -1", lambda: linear_schedule(10, beta_min=-1.0)),
        (r"x0 must have shape \(b, \*event\), got a single number", lambda: Q.marginal(X[0, 0], 1)),
        (r"x0 must have x_t's shape \(3, 2\), got \(1, 2\)", lambda: Q.posterior(X, X[:1], 1)),
        (r"t must lie in 1\.\.4, got 0", lambda: Q.step(X, 0)),
        (r"t must lie in 1\.\.4, got 5", lambda: Q.posterior(X, X, T3 + 2)),
        (r"t must lie in 0\.\.4, got -1", lambda: Q.marginal(X, T3 - 2)),
        (r"t must be an int or have shape \(3,\), one for each x, got shape \(2,\)", lambda: Q.step(X, T3[:2])),
        ("t must be an int or an integer tensor, got ndarray", lambda: Q.marginal(X, np.array([1, 2, 3]))),
        ("t must be an int or an integer tensor, got torch.float32", lambda: Q.step(X, T3.float())),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(words, call):
    with pytest.raises((TypeError, ValueError), match=words):
        call()
