"""A device that has no float64, as Apple's mps: nothing that trains, samples or bounds makes a float64 there.

The fake device is torch's meta, which computes shapes and no numbers; a guard sees every operation of torch's.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from diffusion_math import (
    DDPM,
    ForwardProcess,
    UNet,
    checks,
    cosine_schedule,
    elbo,
    elbo_loss,
    flow_loss,
    langevin,
    line_walk,
    score_of,
    simple_loss,
)

Q = ForwardProcess(cosine_schedule(T=4))
T_EACH = torch.tensor([1, 4])


class NoFloat64(TorchDispatchMode):
    "TypeError, as on mps, where a float64 comes to be on the fake device."

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in tree_leaves(out):
            if isinstance(x, torch.Tensor) and x.is_meta and x.dtype == torch.float64:
                raise TypeError(f"the device has no float64: {func}")
        return out


USES = {
    "simple_loss": lambda p, x: simple_loss(p, x).sum().backward(),
    "elbo_loss": lambda p, x: elbo_loss(p, x).sum().backward(),
    "flow_loss": lambda p, x: flow_loss(p, x).sum().backward(),
    "line_walk": lambda p, x: line_walk(p, x, [0.9, 0.5, 0.1]),
    "step": lambda p, x: p.step(x, 3).sample(),
    "a step for each": lambda p, x: p.step(x, T_EACH.to(x.device)).sample(),
    "predict": lambda p, x: p.predict(x, 3).score,
    "sample": lambda p, x: p.sample(2, like=x),
    "sample, eta 0": lambda p, x: p.sample(2, like=x, eta=0.0),
    "elbo": lambda p, x: elbo(p.q, p, x).total,
    "marginal": lambda p, x: p.q.marginal(x, 3).log_prob(x),
    "posterior": lambda p, x: p.q.posterior(x, x, 3).kl(p.step(x, 3)),
    "score_of": lambda p, x: score_of(p)(x, torch.zeros(2)),
    "langevin": lambda p, x: langevin(lambda y: -y, x, 0.1, 2),
}


@pytest.fixture(scope="module")
def network():
    return UNet(width=8).to("meta")


@pytest.mark.parametrize("predicts, use", [("v", use) for use in USES] + [("eps", "elbo_loss")])
def test_no_float64_reaches_a_device_that_has_none(monkeypatch, network, predicts, use):
    monkeypatch.setattr(checks, "COARSE", {"meta"})
    q = ForwardProcess(Q.schedule)  # its tables have met no device yet
    p = DDPM(network, q, event_shape=(1, 28, 28), predicts=predicts, images=True)
    x = torch.zeros(2, 1, 28, 28, device="meta")
    with NoFloat64():
        USES[use](p, x)


def test_the_guard_sees_a_float64():
    x = torch.zeros(2, device="meta")
    with NoFloat64(), pytest.raises(TypeError, match="no float64"):
        x.double()


def test_elsewhere_a_noise_level_keeps_all_of_its_digits():
    assert (
        checks.finest(torch.device("cpu")) == checks.finest(torch.device("cuda")) == torch.float64
    )
    assert checks.finest(torch.device("mps")) == torch.float32
    assert Q.tables.row("log_snr", 3, torch.zeros(1)).dtype == torch.float64
