"What several files of tests measure with: distances, error bars, and a distribution that says no more than it must."

import math

import pytest
import torch
import traitlets

from diffusion_math.distribution import Distribution
from diffusion_math.laws.mixture import GaussianMixture

F64 = torch.float64
# two humps over one number, and two in the plane, of which no direction is an axis
TWO = GaussianMixture(
    [0.3, 0.7], torch.tensor([[-2.0], [1.5]], dtype=F64), torch.tensor([0.1, 0.3], dtype=F64)
)
PLANE = GaussianMixture(
    [0.6, 0.4],
    torch.tensor([[-1.0, 0.5], [1.0, 0.0]], dtype=F64),
    torch.tensor([[[0.3, 0.1], [0.1, 0.2]], [[0.1, -0.05], [-0.05, 0.4]]], dtype=F64),
)


def seed(n=0):
    "A generator that starts at n."
    return torch.Generator().manual_seed(n)


def error(a, b):
    "How far a is from b, as a share of b or of 1, whichever is larger; inf must meet inf. NaN is never close."
    a, b = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    assert a.shape == b.shape, f"{tuple(a.shape)} is not {tuple(b.shape)}"
    off = torch.where(a == b, 0.0, (a - b).abs() / b.abs().clamp(min=1))
    return off.nan_to_num(nan=math.inf).max().item() if off.numel() else 0.0


def within(estimates, truth, sigmas=5.0):
    "The means of independent estimates, along dim 0, are within five of their standard errors of the truth."
    stderr = estimates.std(0) / len(estimates) ** 0.5
    assert (stderr > 0).all()
    assert ((estimates.mean(0) - truth).abs() < sigmas * stderr).all(), (
        estimates.mean(0),
        truth,
        stderr,
    )


def refuses(explorer, name, value, words, kind):
    "Setting a trait to value raises a ValueError with these words, to kind a TraitError; and it stays what it was."
    before = getattr(explorer, name)
    with pytest.raises(ValueError, match=words):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before
    with pytest.raises(traitlets.TraitError, match=f"'{name}' trait"):
        setattr(explorer, name, kind)


class Wrapped(Distribution):
    "What a distribution must say, and no more: the rest is left to autograd."

    def __init__(self, law):
        self.law = law

    event_shape = property(lambda self: self.law.event_shape)

    def sample(self, n, generator=None):
        return self.law.sample(n, generator)

    def log_prob(self, x):
        return self.law.log_prob(x)

    def noised(self, log_snr):
        return Wrapped(self.law.noised(log_snr))
