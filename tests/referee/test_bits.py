"Bits from a density and of a decoder: right in other styles, each slip by its name, and truths from scipy."

import math

import pytest
import torch
from scipy.stats import norm

from diffusion_math import DiscretizedGaussian
from diffusion_math.referee.bits import (
    BITS_SLIPS,
    DECODER_SLIPS,
    DIMS,
    bits,
    cdf_difference,
    decoder,
    right_mass,
    tanh_cdf,
)


def per_dim(log_prob, pixels, noise=torch.rand, end=None, scale=lambda y: 2 * y / 256 - 1):
    nats = -log_prob(scale(pixels + noise(pixels.shape)))
    return end(nats) if end else nats / DIMS / math.log(2) + 7


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("name, i", [(s.name, i) for s in BITS_SLIPS for i in range(len(s.makes))])
def test_each_slip_of_bits_is_named_and_none_is_taken_for_another(name, i, mean):
    make = next(s for s in BITS_SLIPS if s.name == name).makes[i]
    said = bits(lambda p, k: per_dim(p, k, end=lambda n: make(nats=n, mean=mean)))
    assert not said and said.slip == name, said


@pytest.mark.parametrize(
    "more, name",
    [
        ({"noise": torch.zeros}, "no noise within a level"),
        ({"noise": lambda s: torch.full(s, 0.5)}, "no noise within a level"),
        ({"noise": lambda s: torch.rand(s) - 0.5}, "noise around the edge of a level"),
        ({"noise": lambda s: torch.rand(s) / 2}, "uneven noise"),
        ({"scale": lambda y: y / 256}, "x in [0, 1]"),
        ({"scale": lambda y: y}, "x in 0..255"),
        ({"noise": torch.zeros, "scale": lambda y: y / 127.5 - 1}, "no noise within a level"),
    ],
)
def test_each_wrong_spread_is_named(more, name):
    assert bits(lambda p, k: per_dim(p, k, **more)).slip == name


def test_right_in_other_styles():
    assert bits(per_dim).error < 1e-6
    assert bits(lambda p, k: per_dim(p, k).mean())
    assert bits(lambda p, k: torch.stack([per_dim(p, k[i : i + 1])[0] for i in range(len(k))]))
    logs = lambda p, k: (per_dim(p, k, end=lambda n: n + DIMS * math.log(128))) / DIMS / math.log(2)
    assert bits(logs)


def test_what_gives_no_bits_or_is_unknown():
    assert "never asked" in str(bits(lambda p, k: 3.0))
    assert "asked for the density of shape" in str(bits(lambda p, k: p(torch.zeros(2, 3))))
    assert "was due" in str(bits(lambda p, k: p(3)))
    said = bits(lambda p, k: per_dim(p, k) + 0.3)
    assert not said and not said.slip


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize(
    "name, i", [(s.name, i) for s in DECODER_SLIPS for i in range(len(s.makes))]
)
def test_each_slip_of_a_decoder_is_named_and_none_is_taken_for_another(name, i, summed):
    make = next(s for s in DECODER_SLIPS if s.name == name).makes[i]
    f = lambda *a: make(*a).flatten(1).sum(1) if summed else make(*a)
    said = decoder(f)
    assert not said and said.slip == name, said


def test_the_packages_decoder_is_right():
    said = decoder(lambda x, mean, std: DiscretizedGaussian(mean, std**2).log_prob(x))
    assert said and said.error < 1e-6


def test_the_truth_is_scipys():
    x, mean, std = (torch.tensor([v], dtype=torch.float64) for v in (127 / 127.5 - 1, 0.3, 0.1))
    low, high = ((x.item() + side / 255 - 0.3) / 0.1 for side in (-1, 1))
    assert right_mass(x, mean, std).item() == pytest.approx(
        math.log(norm.cdf(high) - norm.cdf(low)), rel=1e-9
    )
    assert (
        abs(cdf_difference(tanh_cdf)(x, mean, std).item() / right_mass(x, mean, std).item() - 1)
        > 1e-3
    )


def test_levels_of_another_width_get_no_verdict():
    "Even noise around levels 2/255 apart, as in chapter 5b, is right there, and another density's here."

    def of_255(log_prob, pixels):
        u = torch.rand(
            pixels.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
        )
        x = (pixels.double() + u - 0.5) / 127.5 - 1
        return -log_prob(x) / 784 / math.log(2) + math.log2(255 / 2)

    verdict = bits(of_255)
    assert not verdict and not verdict.slip
    assert "levels 2/255 apart" in str(verdict) and "2 (k + u) / 256 - 1" in str(verdict)
