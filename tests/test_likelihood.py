"""Decoders; bits per dimension; the estimators of the bound, unbiased and calibrated.

The digits of a grey level's probability have their own tests: tests/test_rounding.py.
"""

import math

import pytest
import torch

from diffusion_math import (
    DiscretizedGaussian,
    ExactReverse,
    ForwardProcess,
    Gaussian,
    GaussianMixture,
    bits_per_dim,
    cosine_schedule,
    digits,
    elbo,
    elbo_estimate,
    exact_elbo,
    linear_schedule,
    sums,
)  # fmt: skip
from diffusion_math.likelihood import NAMES, draw_times
from tests.test_elbo import TWO, Bent, Fixed
from tests.test_rounding import gap_to, level, truth

F64 = torch.float64
INF = math.inf


# ---- the discretised Gaussian


@pytest.mark.parametrize("event", [(), (5,), (3, 4, 4), (1, 28, 28)], ids=str)
def test_a_picture_is_the_sum_over_its_pixels_and_channels(event):
    mean, var = torch.randn(2, *event, dtype=F64), torch.rand(2, *event, dtype=F64) + 0.01
    x = level(torch.randint(256, (2 * math.prod(event),))).view(2, *event)
    got = DiscretizedGaussian(mean, var).log_prob(x)
    each = DiscretizedGaussian(mean.flatten(), var.flatten()).log_prob(x.flatten())
    assert got.shape == (2,) and torch.allclose(got, each.view(2, -1).sum(1), rtol=1e-12)


def test_var_broadcasts_and_a_batch_of_one_is_repeated():
    mean, x = torch.randn(1, 3, 2, dtype=F64), level(torch.randint(256, (24,))).view(4, 3, 2)
    want = DiscretizedGaussian(
        mean.expand(4, 3, 2), torch.full((4, 3, 2), 0.3, dtype=F64)
    ).log_prob(x)
    for var in (0.3, torch.tensor(0.3, dtype=F64), torch.full((3, 1), 0.3, dtype=F64)):
        assert torch.equal(DiscretizedGaussian(mean, var).log_prob(x), want)


def test_narrow_levels_are_the_density_times_their_width():
    mean, x = torch.randn(50, dtype=F64), level(torch.randint(1, 65535, (50,)), 65536)
    got = DiscretizedGaussian(mean, 0.49, 65536).log_prob(x)
    assert torch.allclose(
        got, Gaussian(mean, 0.49).log_prob(x) + math.log(2 / 65535), atol=1e-9, rtol=1e-9
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_worked_out_and_returned_in_float32(dtype):
    mean, x = torch.tensor([0.25, -0.5, 0.0]).to(dtype), level([200, 10, 128], dtype=torch.float32)
    got = DiscretizedGaussian(mean, torch.tensor(0.0625).to(dtype)).log_prob(x)
    want = [truth(k, m, 0.0625, 256) for k, m in zip((200, 10, 128), mean.tolist(), strict=True)]
    assert got.dtype == torch.float32 and gap_to(got.double(), want) < 1e-5
    picture = level([200] * 12288, dtype=torch.float32)[
        None
    ]  # whose log-probability is far below -65504
    law = DiscretizedGaussian(torch.full_like(picture, -0.5).to(dtype), 0.0625)
    each = truth(200, -0.5, 0.0625, 256)
    assert abs(law.log_prob(picture).item() / (12288 * each) - 1) < 1e-5 and 12288 * each < -65504


def test_the_shipped_digits_lie_on_the_grid():
    x = digits("test")[:50]
    assert DiscretizedGaussian(x, 0.01).log_prob(x).isfinite().all()


def test_runs_on_the_meta_device():
    law = DiscretizedGaussian(
        torch.empty(4, 3, 8, 8, device="meta"), torch.empty(3, 1, 1, device="meta")
    )
    assert law.log_prob(torch.empty(4, 3, 8, 8, device="meta")).is_meta and law.std.is_meta


@pytest.mark.bad_input
def test_a_variance_and_a_range_that_do_not_fit():
    "What tests/test_bad_input.py does not ask."
    with pytest.raises(ValueError, match="var must broadcast"):
        DiscretizedGaussian(torch.zeros(2, 3), torch.ones(2))
    with pytest.raises(ValueError, match="low < high, got 1.0 and 1.0"):
        DiscretizedGaussian(torch.zeros(2), 0.1, low=1.0)


# ---- bits per dimension


def test_a_uniform_grey_level_costs_8_bits():
    nats = torch.tensor([784 * math.log(256)], dtype=F64)
    assert bits_per_dim(nats, 784).item() == pytest.approx(8, abs=1e-12)


@pytest.mark.parametrize("low, high", [(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)])
def test_the_width_makes_bits_of_a_density_independent_of_the_scale(low, high):
    "A density that is even over [low - w/2, high + w/2]: 8 bits on every scale."
    w = (high - low) / 255
    nats = torch.tensor([3 * math.log(256 * w)], dtype=F64)
    assert bits_per_dim(nats, 3, w).item() == pytest.approx(8, abs=1e-12)
    zero = torch.zeros(1, dtype=F64)
    assert bits_per_dim(zero, 3, w).item() == pytest.approx(-math.log2(w))


def test_a_decoder_gives_the_bits_of_the_density_with_the_width_when_levels_are_narrow():
    mean, x = (
        torch.randn(4, 30, dtype=F64),
        level(torch.randint(1, 65535, (120,)), 65536).view(4, 30),
    )
    a = bits_per_dim(-DiscretizedGaussian(mean, 0.5, 65536).log_prob(x), 30)
    b = bits_per_dim(-Gaussian(mean, 0.5).log_prob(x), 30, 2 / 65535)
    assert torch.allclose(a, b, atol=1e-9, rtol=1e-9)


def test_a_chain_with_the_pixel_decoder_is_a_bound_on_a_probability():
    "Two pixels of four levels: the bound, averaged over all 16 pictures by their true shares, is above their entropy."
    levels = level(torch.arange(4), 4)
    x = torch.cartesian_prod(levels, levels)
    share = torch.tensor([1.0, 2, 3, 4] * 4, dtype=F64).softmax(0)
    data = GaussianMixture(share.tolist(), x, torch.full((16,), 1e-3, dtype=F64))
    q = ForwardProcess(cosine_schedule(40))
    p = ExactReverse(q, data)

    def decoder(x_1):
        law = p.step(x_1, 1)
        return DiscretizedGaussian(law.mean, law.var, levels=4)

    got = elbo(q, p, x, decoder, n=200)
    entropy = -(share * share.log()).sum()
    error = (share * got.stderr.total).square().sum().sqrt()
    assert got.reconstruction.min() >= 0
    assert -5 * error < (share * got.total).sum() - entropy < 0.5
    assert torch.allclose(got.bits_per_dim, bits_per_dim(got.total, 2))


# ---- estimators


@pytest.mark.parametrize("times", NAMES)
@pytest.mark.parametrize("T", [1, 2, 30])
def test_unbiased(times, T):
    q = ForwardProcess(linear_schedule(T))
    p, x0 = Bent(q, 4), TWO.sample(20)
    truth = exact_elbo(q, p, x0).total.mean()
    means = elbo_estimate(q, p, x0, 400, times, replicates=100).replicates.mean(1)
    assert abs(means.mean() - truth) < 5 * means.std() / 10


@pytest.mark.parametrize("times", NAMES)
def test_standard_errors_from_replicates_are_calibrated(times):
    "One datum 500 times over: the spread of the estimates is what their standard errors say."
    q = ForwardProcess(linear_schedule(20))
    p, x0 = Bent(q, 4), torch.full((500, 1), 1.2, dtype=F64)
    got = elbo_estimate(q, p, x0, 32, times)
    assert got.replicates.shape == (4, 500) and torch.allclose(got.total, got.replicates.mean(0))
    assert got.total.var() == pytest.approx(got.stderr.square().mean().item(), rel=0.35)


def test_replicates_are_independent():
    q = ForwardProcess(linear_schedule(20))
    x0 = torch.full((3000, 1), 1.2, dtype=F64)
    corr = torch.corrcoef(elbo_estimate(q, Bent(q, 4), x0, 12).replicates)
    assert (corr - torch.eye(4)).abs().max() < 5 / 3000**0.5


def test_each_cure_lowers_the_variance():
    q = ForwardProcess(linear_schedule(100))
    p, x0 = ExactReverse(q, TWO), torch.full((3000, 1), 1.5, dtype=F64)
    size = elbo(q, p, x0).steps.square().mean(1).sqrt()
    spread = {}
    for times in NAMES:
        weights = size if times in ("importance", "both") else None
        spread[times] = elbo_estimate(q, p, x0, 32, times, weights, replicates=1).total.var().item()
    assert (
        spread["stratified"] < spread["iid"]
        and spread["both"] < spread["importance"] < 0.3 * spread["iid"]
    )


@pytest.mark.parametrize("times", NAMES)
def test_the_variance_is_that_of_the_draws_of_t(times):
    "Each term's mean and mean square, measured apart, and the law of total variance over the strata say the scatter."
    q, n = ForwardProcess(linear_schedule(12)), 4
    p, x0 = Bent(q, 4), torch.full((20_000, 1), 1.2, dtype=F64)
    terms = elbo(q, p, x0)
    m1, m2 = terms.steps.mean(1), terms.steps.square().mean(1)
    weights = m2.sqrt() if times in ("importance", "both") else torch.ones(11, dtype=F64)
    share, strata = weights / weights.sum(), n if times in ("stratified", "both") else 1
    place = (
        torch.arange(110_000, dtype=F64) + 0.5
    ) / 110_000  # a fine ruler over the shares, cut into strata
    t = torch.bucketize(place, share.cumsum(0)[:-1])
    part = (place * strata).long()
    inside = [
        torch.bincount(t[part == j], minlength=11).double() / (part == j).sum()
        for j in range(strata)
    ]
    each = torch.stack([(w * m2 / share**2).sum() - (w * m1 / share).sum() ** 2 for w in inside])
    want = each.mean() / n + terms.reconstruction.var()
    got = elbo_estimate(
        q, p, x0, n, times, weights if times in ("importance", "both") else None, replicates=1
    ).total
    groups = got.view(100, 200).var(1)
    assert (
        abs(groups.mean() - want) < 5 * groups.std() / 10 + 0.02 * want
    )  # want is measured as well


@pytest.mark.parametrize("times", NAMES)
def test_times_are_drawn_by_their_share(times):
    share = torch.tensor([0.1, 0.0625, 0.5, 0.3375], dtype=F64)
    t = draw_times(times, share, 8, 5000, None)
    assert t.shape == (8, 5000) and t.min() == 2 and t.max() == 5
    count = torch.bincount(t.flatten(), minlength=6)[2:].double()
    assert ((count - 40_000 * share).abs() / (40_000 * share * (1 - share)).sqrt()).max() < 5
    each = torch.stack([(t == k).sum(0) for k in (2, 3, 4, 5)]).double()
    if times in (
        "stratified",
        "both",
    ):  # one from each stratum: each count is within 1 of its expectation, about
        assert ((each - 8 * share[:, None]).abs() < 2).all()
    else:
        assert ((each - 8 * share[:, None]).abs() > 2).any()


def test_an_estimate_of_no_data_shows_no_mean():
    q = ForwardProcess(linear_schedule(5))
    got = elbo_estimate(q, Bent(q, 0), torch.zeros(0, 1, dtype=F64), 4)
    assert got.total.shape == (0,) and repr(got) == "Estimate(b=0, replicates=4)"


@pytest.mark.parametrize("event", [(), (3,), (1, 4, 4)], ids=str)
@pytest.mark.parametrize("decoder", [None, lambda x_1: Gaussian(x_1, 0.2)])
def test_any_event_any_decoder(event, decoder):
    q = ForwardProcess(linear_schedule(5))
    p, x0 = Bent(q, 0, event), torch.randn(4, *event, dtype=F64)
    # fifty replicates: with the usual four the error is Student's with 3 degrees, beyond 8.7 once in 300
    got = elbo_estimate(q, p, x0, 4000, decoder=decoder, replicates=50)
    exact = elbo(q, p, x0, decoder, n=4000)
    together = (got.stderr.square() + exact.stderr.total.square()).sqrt()
    assert ((got.total - exact.total).abs() / together).max() < 5
    assert torch.allclose(got.bits_per_dim, got.total / math.prod(event) / math.log(2))


def test_pieces_of_any_size_are_unbiased_too(monkeypatch):
    monkeypatch.setattr(sums, "BUDGET", 50)
    q = ForwardProcess(linear_schedule(10))
    p, x0 = Bent(q, 4), TWO.sample(20)
    means = elbo_estimate(q, p, x0, 400, replicates=50).replicates.mean(1)
    assert abs(means.mean() - exact_elbo(q, p, x0).total.mean()) < 5 * means.std() / 50**0.5


def test_dtype_seed_meta_and_gradients():
    q = ForwardProcess(linear_schedule(10))
    p, x0 = Bent(q, 4), torch.randn(5, 1)
    seed = lambda: torch.Generator().manual_seed(3)
    for times in NAMES:
        one, two = (elbo_estimate(q, p, x0, 8, times, generator=seed()) for _ in range(2))
        assert one.total.dtype == one.stderr.dtype == torch.float32 and torch.equal(
            one.total, two.total
        )
        meta = elbo_estimate(q, p, x0.to("meta"), 8, times)
        assert (
            meta.total.is_meta
            and meta.stderr.is_meta
            and meta.bits_per_dim.is_meta
            and "b=5" in repr(meta)
        )
    assert elbo_estimate(q, p, x0, 3, replicates=1).stderr.isnan().all()
    assert repr(one).startswith("Estimate(b=5, replicates=4, mean ")


def test_a_variance_of_0():
    q = ForwardProcess(linear_schedule(4))
    var, x0 = torch.full((5,), 0.5, dtype=F64), torch.randn(3, 2, dtype=F64)
    var[3] = 0
    for times in NAMES:
        assert (elbo_estimate(q, Fixed(q, var), x0, 256, times).total == INF).all()
    var[3], var[1] = 0.5, 0
    with pytest.raises(ValueError, match=r"p.step\(x_1, 1\) must have a variance above 0"):
        elbo_estimate(q, Fixed(q, var), x0, 64)
    assert (
        elbo_estimate(q, Fixed(q, var), x0, 64, decoder=lambda x: Gaussian(x, 0.1))
        .total.isfinite()
        .all()
    )


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "kwargs, words",
    [
        ({"n": 6}, "n must be a multiple of replicates = 4, got 6"),
        ({"times": "even"}, "times must be one of iid, stratified, importance, both, got 'even'"),
        ({"x0": torch.zeros(2, 3)}, r"x0 must have shape \(n, 1\), got \(2, 3\)"),
    ],
)
def test_wrong_arguments_of_the_estimate(kwargs, words):
    "Its weights: tests/test_estimator.py."
    q = ForwardProcess(linear_schedule(5))
    right = {"q": q, "p": Fixed(q, event_shape=(1,)), "x0": torch.zeros(2, 1), "n": 8}
    with pytest.raises(ValueError, match=words):
        elbo_estimate(**right | kwargs)
