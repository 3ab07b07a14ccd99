"Chapter 16: a dataset's shares, the area under its error, and windows, whose two edges are laws that are known."

import math

import pytest
import torch

from diffusion_math import Empirical, GaussianMixture
from diffusion_math.memory import LocalDenoiser, information, shares

f64 = torch.float64
LEVELS = [-6.0, -1.0, 0.5, 3.0]


def dataset(n=7, shape=(1, 4, 5), seed=0):
    "n pictures, all different."
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=f64) * 2 - 1


def noisy(data, level, b=3, seed=1):
    "b of them under noise."
    gen = torch.Generator().manual_seed(seed)
    eps = torch.randn(b, *data.shape[1:], generator=gen, dtype=f64)
    a2 = 1 / (1 + math.exp(-level))
    return a2**0.5 * data[:b] + (1 - a2) ** 0.5 * eps


@pytest.mark.parametrize("level", [*LEVELS, 12.0])
@pytest.mark.parametrize("shape", [(3,), (2, 3, 4)])
def test_shares_are_bayes_rule(level, shape):
    data = dataset(shape=shape)
    x = noisy(data, level)
    a2 = 1 / (1 + math.exp(-level))
    bell = torch.distributions.Normal(a2**0.5 * data, (1 / (1 + math.exp(level))) ** 0.5)
    log = bell.log_prob(x[:, None]).flatten(2).sum(2)
    found = shares(data, x, level)
    assert (found - log.softmax(1)).abs().max() < 1e-10
    assert torch.allclose(found.sum(1), torch.ones(3, dtype=f64), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("level", LEVELS)
def test_shares_make_the_dataset_s_denoiser(level):
    data = dataset()
    x = noisy(data, level)
    guess = torch.einsum("bn,nchw->bchw", shares(data, x, level), data)
    assert (guess - Empirical(data).denoise(x, level)).abs().max() < 1e-12


def test_shares_without_signal_are_even_and_take_a_level_for_each():
    data = dataset()
    x = noisy(data, 0.0)
    assert torch.allclose(shares(data, x, -math.inf), torch.full((3, 7), 1 / 7, dtype=f64))
    each = shares(data, x, torch.tensor([-1.0, 0.5, 3.0]))
    for row, level in enumerate((-1.0, 0.5, 3.0)):
        assert torch.allclose(
            each[row], shares(data, x[row : row + 1], level)[0], atol=1e-13, rtol=1e-13
        )


def test_half_the_area_of_a_dataset_is_the_log_of_its_number():
    data = dataset(16, (3,))
    gen = torch.Generator().manual_seed(2)
    levels = torch.linspace(-9, 11, 81, dtype=f64)
    area = information(Empirical(data), data.repeat(200, 1), levels, gen)
    assert area.shape == (81, 3200)
    mean, stderr = area[-1].mean(), area[-1].std() / 3200**0.5
    assert abs(mean - math.log(16)) < 5 * stderr and stderr < 0.1


def test_the_dataset_s_information_is_log_n_less_the_entropy_of_its_shares():
    data, level = dataset(16, (3,)), 1.5
    gen = torch.Generator().manual_seed(3)
    x0 = data.repeat(400, 1)
    by_area = information(Empirical(data), x0, torch.linspace(-9, level, 64, dtype=f64), gen)[-1]
    a2 = 1 / (1 + math.exp(-level))
    x = a2**0.5 * x0 + (1 - a2) ** 0.5 * torch.randn(x0.shape, generator=gen, dtype=f64)
    share = shares(data, x, level)
    by_entropy = math.log(16) + torch.special.xlogy(share, share).sum(1)
    stderr = (by_area.var() + by_entropy.var()).sqrt() / len(x0) ** 0.5
    assert abs(by_area.mean() - by_entropy.mean()) < 5 * stderr and stderr < 0.03


def test_the_information_of_a_bell_is_half_a_log():
    v, d = 0.3, 4
    bell = GaussianMixture([1.0], torch.zeros(1, d, dtype=f64), torch.tensor([v], dtype=f64))
    gen = torch.Generator().manual_seed(4)
    levels = torch.linspace(-12, 6, 145, dtype=f64)
    area = information(bell, bell.sample(2000, gen), levels, gen)
    truth = d / 2 * torch.log1p(v * levels.exp())  # I of a Gaussian channel
    off = (area.mean(1) - truth).abs() / (area.std(1) / 2000**0.5 + 1e-4)
    assert off.max() < 5


def test_the_area_left_of_the_first_level_is_counted():
    v, n = 0.3, 20_000
    bell = GaussianMixture([1.0], torch.zeros(1, 4, dtype=f64), torch.tensor([v], dtype=f64))
    gen = torch.Generator().manual_seed(6)
    first = information(bell, bell.sample(n, gen), torch.tensor([-5.0, -4.0], dtype=f64), gen)[0]
    assert abs(first.mean() - 2 * math.log1p(v * math.exp(-5))) < 5 * first.std() / n**0.5
    assert first.std() / n**0.5 < 0.01 * first.mean()


@pytest.mark.parametrize("equivariant", [False, True])
@pytest.mark.parametrize("patch", [9, 11, 101])
@pytest.mark.parametrize("level", LEVELS)
def test_a_window_of_everything_is_the_dataset(level, patch, equivariant):
    data = dataset()
    x = noisy(data, level)
    guess = LocalDenoiser(data, patch, equivariant).denoise(x, level)
    assert (guess - Empirical(data).denoise(x, level)).abs().max() < 1e-12


@pytest.mark.parametrize("level", LEVELS)
def test_a_window_of_one_pixel_is_that_pixel_s_own_law(level):
    data = dataset()
    x = noisy(data, level)
    guess = LocalDenoiser(data, 1).denoise(x, level).flatten(1)
    for k in range(20):
        own = Empirical(data.flatten(1)[:, k : k + 1])
        assert (
            guess[:, k : k + 1] - own.denoise(x.flatten(1)[:, k : k + 1], level)
        ).abs().max() < 1e-12


@pytest.mark.parametrize("level", LEVELS)
def test_a_window_of_one_pixel_anywhere_is_the_law_of_all_pixels(level):
    data = dataset()
    x = noisy(data, level)
    guess = LocalDenoiser(data, 1, equivariant=True).denoise(x, level)
    all_of_them = Empirical(data.reshape(-1, 1)).denoise(x.reshape(-1, 1), level)
    assert (guess.reshape(-1, 1) - all_of_them).abs().max() < 1e-12


@pytest.mark.parametrize("equivariant", [False, True])
@pytest.mark.parametrize("patch", [3, 5])
def test_every_window_by_hand(patch, equivariant):
    "Pixel by pixel, window by window, in plain loops."
    data, level, far = dataset(3, (2, 4, 5)), 0.7, patch // 2
    x, a2 = noisy(data, 0.7), 1 / (1 + math.exp(-0.7))
    guess = LocalDenoiser(data, patch, equivariant).denoise(x, level)
    cut = lambda r, c: (min(far, r), min(far, 3 - r), min(far, c), min(far, 4 - c))
    places = [(r, c) for r in range(4) for c in range(5)]

    def window(picture, r, c):
        up, down, left, right = cut(r, c)
        return picture[:, r - up : r + down + 1, c - left : c + right + 1]

    for b in range(2):
        for r, c in places:
            rivals = [p for p in places if cut(*p) == cut(r, c)] if equivariant else [(r, c)]
            log, middle = [], []
            for one in data:
                for p in rivals:
                    off = window(x[b], r, c) - a2**0.5 * window(one, *p)
                    log.append(-0.5 * off.square().sum() / (1 - a2))
                    middle.append(one[:, p[0], p[1]])
            due = torch.stack(log).softmax(0) @ torch.stack(middle)
            assert (guess[b, :, r, c] - due).abs().max() < 1e-12


def test_an_equivariant_guess_moves_with_the_picture():
    gen = torch.Generator().manual_seed(5)
    data, local = dataset(4, (1, 9, 9)), LocalDenoiser(dataset(4, (1, 9, 9)), 3, equivariant=True)
    x = torch.randn(1, 1, 9, 9, generator=gen, dtype=f64)
    here, there = local.denoise(x, 0.0), local.denoise(x.roll(2, 3), 0.0)
    assert (here[..., 1:-1, 1:6] - there[..., 1:-1, 3:8]).abs().max() < 1e-12
    rooted = LocalDenoiser(data, 3).denoise(x, 0.0) - LocalDenoiser(data, 3).denoise(
        x.roll(2, 3), 0.0
    ).roll(-2, 3)
    assert rooted[..., 1:-1, 1:6].abs().max() > 0.01


@pytest.mark.parametrize("equivariant", [False, True])
def test_a_datum_s_own_windows_are_its_sources(equivariant):
    data = dataset()
    local = LocalDenoiser(data, 3, equivariant)
    which = local.sources(10.0**-6 * torch.randn(7, 1, 4, 5, dtype=f64) + data * 0.9999, 8.0)
    assert (which == torch.arange(7)[:, None, None]).all()
    whole = LocalDenoiser(data, 9).sources(noisy(data, -1.0, 7), -1.0)
    winner = shares(data, noisy(data, -1.0, 7), -1.0).argmax(1)
    assert (whole == winner[:, None, None]).all()


def test_ends_dtypes_and_a_level_for_each():
    data = dataset()
    local, x = LocalDenoiser(data, 3), noisy(data, 0.0)
    assert torch.equal(local.denoise(x, math.inf), x)
    assert torch.allclose(local.denoise(x, -math.inf), data.mean(0).expand(3, -1, -1, -1))
    each = local.denoise(x, torch.tensor([-1.0, 0.5, math.inf]))
    assert torch.allclose(each[:1], local.denoise(x[:1], -1.0), atol=1e-13, rtol=1e-13)
    assert torch.equal(each[2], x[2])
    half = LocalDenoiser(data.float(), 3).denoise(x.float(), 0.5)
    assert half.dtype == torch.float32
    assert (half - local.denoise(x, 0.5)).abs().max() < 1e-5
    assert local.denoise(x[:0], 0.0).shape == (0, 1, 4, 5)
