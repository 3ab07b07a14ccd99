"""GreyLevels against Bayes' rule, summed over every level in float64; its limits, its gradients, what it refuses."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diffusion_math import DDPM, ForwardProcess, Schedule, UNet, elbo_loss
from diffusion_math.laws.levels import MEAN, ROUND, SPREAD, WEIGHT, GreyLevels

F64 = torch.float64
INF = math.inf
START = torch.tensor(WEIGHT + MEAN + SPREAD)  # in float32, as the module keeps it


class Says(nn.Module):
    "A network that says the same whatever it is asked."

    classes = 7

    def __init__(self, said):
        super().__init__()
        self.said, self.asked = said, []

    def forward(self, x, log_snr, **cond):
        self.asked.append(cond)
        return self.said


def lattice(said, levels=256, low=-1.0, high=1.0, reach=8, finest=None):
    "The levels, and those that the bells see beyond both ends; and the log of the prior there, (n, places)."
    width = (high - low) / (levels - 1)
    weight, mean, spread = (said[:, :10].double() + START.double()).split([4, 3, 3], 1)
    k = torch.arange(-reach * levels, (reach + 1) * levels, dtype=F64)
    share = (
        1 if finest is None else finest + (1 - finest) * (said[:, 10:].double() + ROUND).sigmoid()
    )
    std = (share * width + (high - low) * spread.sigmoid())[..., None]
    log_p = torch.distributions.Normal(mean[..., None], std).log_prob(low + width * k) + math.log(
        width
    )
    log_p = (weight.log_softmax(1)[:, 1:, None] + log_p).logsumexp(1)
    dark = reach * levels
    log_p[:, dark] = torch.logaddexp(log_p[:, dark], weight.log_softmax(1)[:, 0])
    return low + width * k, log_p


def by_bayes(said, x, log_snr, **kind):
    "E[x_0 | x_t] by summing over all of them, in float64."
    level, log_p = lattice(said, **kind)
    signal, var = (
        torch.sigmoid(log_snr.double()).sqrt()[:, None],
        torch.sigmoid(-log_snr.double())[:, None],
    )
    log_p = log_p - 0.5 * (x.double()[:, None] - signal * level).square() / var
    return (log_p.softmax(1) * level).sum(1)


def ask(said, x, log_snr, **kind):
    n = len(x)
    return GreyLevels(Says(said.view(n, -1, 1, 1)), **kind)(x.view(n, 1, 1, 1), log_snr).view(n)


def draw(n, generator, levels=256, low=-1.0, high=1.0, dtype=F64, snr=(-12.0, 26.0)):
    "Priors of any kind, and noisy pixels of every noise level, a third of them the darkest."
    said = torch.randn(n, 10, generator=generator, dtype=F64)
    said = (said * torch.tensor([3.0] * 4 + [0.4 * (high - low)] * 3 + [2.0] * 3)).to(dtype)
    k = torch.randint(0, levels, (n,), generator=generator)
    k[::3] = 0
    x0 = low + (high - low) / (levels - 1) * k
    log_snr = (snr[0] + (snr[1] - snr[0]) * torch.rand(n, generator=generator, dtype=F64)).to(dtype)
    signal, noise = (torch.sigmoid(sign * log_snr.double()).sqrt() for sign in (1, -1))
    return (
        said,
        (signal * x0 + noise * torch.randn(n, generator=generator, dtype=F64)).to(dtype),
        log_snr,
    )


@pytest.mark.parametrize("dtype, tol", [(F64, 5e-5), (torch.float32, 2e-4)])
def test_bayes_rule_over_every_level(dtype, tol):
    "The whole range of noise; tol is in grey levels."
    said, x, log_snr = draw(300, torch.Generator().manual_seed(0), dtype=dtype)
    gap = (ask(said, x, log_snr).double() - by_bayes(said, x, log_snr)).abs() / (2 / 255)
    assert gap.max() < tol and gap.median() < tol / 20


@pytest.mark.parametrize("finest", [0.03, 0.1, 1.0])
@pytest.mark.parametrize("dtype, tol, share", [(F64, 5e-5, 1), (torch.float32, 2e-4, 0.9)])
def test_bayes_rule_with_bells_narrower_than_a_level(finest, dtype, tol, share):
    """To tol, and what float32 knows of a narrow bell: eps of its mean moves the log of a mass by eps d / v.

    d is half a level where two levels share the mass, v the square of the bell's width. Where x_t is far from all that
    the network believes, d is far more than that: there the check is float64's, and float32's share is the rest.
    """
    tol = tol + torch.finfo(dtype).eps / 2 / (finest**2 * 2 / 255)
    generator = torch.Generator().manual_seed(11)
    said, x, log_snr = draw(300, generator, dtype=dtype)
    said[:, 7:] -= 6  # or the bells would be wide, whatever they may be
    least = (4 * torch.randn(300, 3, generator=generator, dtype=F64) - ROUND).to(dtype)
    said = torch.cat([said, least], 1)
    gap = ask(said, x, log_snr, finest=finest).double() - by_bayes(said, x, log_snr, finest=finest)
    gap = gap.abs() / (2 / 255)
    assert gap.quantile(share) < tol and gap.median() < tol / 10


def test_finest_of_one_is_none_at_all():
    said, x, log_snr = draw(300, torch.Generator().manual_seed(12))
    wider = torch.cat([said, torch.randn(300, 3, dtype=F64)], 1)
    got, want = ask(wider, x, log_snr, finest=1.0), ask(said, x, log_snr)
    torch.testing.assert_close(got, want, rtol=0, atol=5e-5 * 2 / 255)


@settings(max_examples=10)
@given(
    st.sampled_from(
        [(2, -1.0, 1.0), (4, 0.0, 1.0), (16, 0.0, 15.0), (256, 0.0, 255.0), (1000, -3.0, 2.0)]
    ),
    st.integers(0, 2**31),
)
def test_any_levels(kind, seed):
    levels, low, high = kind
    middle = 2 * math.log((levels - 1) / (high - low))  # where the noise is as large as a level
    snr = (max(-8.0, middle - 4), middle + 8)
    said, x, log_snr = draw(20, torch.Generator().manual_seed(seed), levels, low, high, snr=snr)
    want = by_bayes(said, x, log_snr, levels=levels, low=low, high=high, reach=12)
    gap = (
        (ask(said, x, log_snr, levels=levels, low=low, high=high) - want).abs()
        * (levels - 1)
        / (high - low)
    )
    assert gap.max() < 1e-4


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_no_noise_gives_back_the_pixel(dtype):
    "At log SNR = inf the pixel says all: every level comes back as it is, whatever the network believes."
    said = torch.randn(256, 10, dtype=F64).mul(3).to(dtype)
    x = (-1 + torch.arange(256, dtype=F64) * 2 / 255).to(dtype)
    got = ask(said, x, torch.full((256,), INF, dtype=dtype))
    torch.testing.assert_close(got, x, rtol=0, atol=2 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("dtype, tol", [(F64, 1e-12), (torch.float32, 1e-5)])
def test_noise_alone_gives_back_the_prior(dtype, tol):
    said, x = torch.randn(50, 10, dtype=F64).to(dtype), torch.randn(50, dtype=F64).to(dtype)
    weight, mean, _ = (said.double() + START.double()).split([4, 3, 3], 1)
    share = weight.softmax(1)
    want = -share[:, 0] + (share[:, 1:] * mean).sum(1)
    got = ask(said, x, torch.full((50,), -INF, dtype=dtype))
    torch.testing.assert_close(got.double(), want, rtol=tol, atol=tol)
    far = ask(said, x, torch.full((50,), -80.0, dtype=dtype))  # and nothing jumps on the way there
    torch.testing.assert_close(far, got, rtol=tol, atol=tol)


def test_best_among_all_functions_of_the_pixel():
    "The error of a posterior mean is orthogonal to every function of x_t: by Monte Carlo, within 5 standard errors."
    n, generator = 20_000, torch.Generator().manual_seed(3)
    said = torch.tensor([[0.5, 0.3, -0.2, 0.1, 0.3, 0.2, -0.7, -0.5, -1.0, 0.5]], dtype=F64)
    level, log_p = lattice(said)
    x0 = level[torch.multinomial(log_p[0].exp(), n, replacement=True, generator=generator)]
    for snr in (2.0, 9.5, 11.0):
        scale, sd = math.sqrt(1 / (1 + math.exp(-snr))), math.sqrt(1 / (1 + math.exp(snr)))
        x = scale * x0 + sd * torch.randn(n, generator=generator, dtype=F64)
        error = x0 - ask(said.expand(n, 10), x, torch.full((n,), snr, dtype=F64))
        for f in (
            torch.ones_like(x),
            x,
            torch.sin(9 * x),
            torch.cos(2 * math.pi * 127.5 * (x / scale + 1)),
        ):
            product = error * f
            assert product.mean().abs() < 5 * product.std() / math.sqrt(n)


@pytest.mark.parametrize("size", [1.0, 100.0])
@pytest.mark.parametrize("log_snr", [-INF, -20.0, 0.0, 8.0, 9.2, 11.0, 14.5, 20.0, 40.0, 90.0, INF])
def test_gradients_are_finite_everywhere(size, log_snr):
    "Also where a network that went astray says 100 or -100; in float32, as it trains."
    generator = torch.Generator().manual_seed(1)
    signs = torch.randint(0, 2, (64, 10), generator=generator) * 2.0 - 1.0
    said = (signs * size).requires_grad_()
    x = torch.cat(
        [
            torch.full((16,), -1.0),
            torch.linspace(-1.5, 1.5, 16),
            3 * torch.randn(32, generator=generator),
        ]
    )
    x = x.requires_grad_()
    got = ask(said, x, torch.full((64,), log_snr))
    assert bool(got.isfinite().all())
    got.square().sum().backward()
    assert bool(said.grad.isfinite().all() and x.grad.isfinite().all())


def test_gradient_is_the_derivative():
    "By finite differences, on both sides of the noise at which the levels begin to be felt."
    said, x, log_snr = draw(3, torch.Generator().manual_seed(5), snr=(-3.0, 8.0))
    assert torch.autograd.gradcheck(
        lambda s: ask(s, x, log_snr), said.requires_grad_(), eps=1e-6, atol=1e-6
    )
    said, x, log_snr = draw(3, torch.Generator().manual_seed(6), snr=(11.0, 13.0))
    assert torch.autograd.gradcheck(
        lambda s: ask(s, x, log_snr), said.requires_grad_(), eps=1e-6, atol=1e-5
    )


def test_batches_channels_and_pixels_keep_apart():
    "A batch of colour pictures, half of it at fine noise, is answered pixel by pixel; ten numbers a channel in a row."
    b, c, h, w = 4, 3, 2, 5
    generator = torch.Generator().manual_seed(2)
    said, x, _ = draw(b * c * h * w, generator)
    log_snr = torch.tensor([12.0, -3.0, 10.5, 4.0], dtype=F64)
    picture = said.view(b, c, h, w, 10).permute(0, 1, 4, 2, 3).reshape(b, 10 * c, h, w)
    got = GreyLevels(Says(picture))(x.view(b, c, h, w), log_snr)
    want = ask(said, x, log_snr.repeat_interleave(c * h * w)).view(b, c, h, w)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-14)


def test_no_pictures_at_all():
    network, x = GreyLevels(UNet(3, 30, width=8)), torch.zeros(0, 3, 4, 4)
    assert network(x, 0.0).shape == network(x, torch.zeros(0)).shape == x.shape


def test_results_in_the_dtype_of_the_picture():
    said, x, log_snr = draw(
        30, torch.Generator().manual_seed(4), dtype=torch.float32, snr=(-5.0, 6.0)
    )
    for dtype in (torch.bfloat16, torch.float16):
        got = ask(said, x.to(dtype), log_snr)
        assert got.dtype == dtype
        torch.testing.assert_close(
            got.float(), ask(said, x.to(dtype).float(), log_snr), rtol=0.01, atol=0.01
        )


def test_one_noise_level_for_all():
    said, x, _ = draw(9, torch.Generator().manual_seed(7))
    for level in (11.0, -2.0):
        want = ask(said, x, torch.full((9,), level, dtype=F64))
        for one in (level, torch.tensor(level, dtype=F64)):
            assert torch.equal(ask(said, x, one), want)


def test_the_network_hears_the_class_and_is_asked_how_many():
    network = Says(torch.zeros(1, 10, 1, 1))
    levels = GreyLevels(network)
    levels(torch.zeros(1, 1, 1, 1), torch.zeros(1), y=3)
    assert network.asked == [{"y": 3}] and levels.classes == 7
    assert (
        GreyLevels(nn.Identity()).classes is None
        and GreyLevels(UNet(1, 10, 16, classes=5)).classes == 5
    )


def test_trains_by_the_bound():
    "One gradient of the bound reaches every weight but those behind the zeros that a new network starts with."
    torch.manual_seed(0)
    q = ForwardProcess(Schedule.from_log_snr(torch.linspace(14, -6, 20, dtype=F64)))
    p = DDPM(GreyLevels(UNet(1, 10, 16)), q, (1, 8, 8), "x0", images=True)
    with torch.no_grad():
        for w in p.parameters():
            w += 0.1 * torch.randn(w.shape)
    x0 = -1 + torch.randint(0, 256, (64, 1, 8, 8)) * 2 / 255
    loss = elbo_loss(p, x0).mean() / 64 / math.log(2)
    loss.backward()
    assert (
        7 < loss.item() < 40
    )  # bits/dim, of pixels that cost 8, and of a network that knows nothing
    assert [
        name for name, w in p.named_parameters() if not w.grad.isfinite().all() or not w.grad.any()
    ] == []


@pytest.mark.gpu
def test_gpu_agrees():
    said, x, log_snr = draw(200, torch.Generator().manual_seed(0), dtype=torch.float32)
    network = GreyLevels(Says(said.view(200, 10, 1, 1).to("cuda"))).to("cuda")
    got = network(x.view(200, 1, 1, 1).to("cuda"), log_snr.to("cuda")).view(200)
    torch.testing.assert_close(got.cpu(), ask(said, x, log_snr), rtol=0, atol=1e-6)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "network, x, more, words",
    [
        (Says(torch.zeros(1, 9, 2, 2)), torch.zeros(1, 1, 2, 2), {}, r"\(b, 10, h, w\), ten numbers a pixel, got \(1, 9, 2, 2\)"),
        (UNet(3), torch.zeros(1, 3, 4, 4), {}, r"\(b, 30"),
        (UNet(1, 10), torch.zeros(1, 1, 4, 4), {"finest": 0.5}, r"\(b, 13, h, w\), thirteen numbers a pixel, got \(1, 10, 4, 4\)"),
    ],
)  # fmt: skip
def test_refuses_a_network_that_says_another_number(network, x, more, words):
    with pytest.raises(ValueError, match=f"network must return {words}"):
        GreyLevels(network, **more)(x, torch.zeros(1))
