"""A device that has no float64, as Apple's mps: nothing that trains, samples or bounds makes a float64 there.

The fake device is torch's meta, which computes shapes and no numbers; a guard sees every operation of torch's.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from diffusion_math import (
    DDPM,
    Empirical,
    ExactReverse,
    ForwardProcess,
    GaussianMixture,
    UNet,
    checks,
    cosine_schedule,
    elbo,
    elbo_estimate,
    elbo_loss,
    fit,
    flow,
    flow_loss,
    guided,
    langevin,
    score_of,
    simple_loss,
    solve,
    velocity,
    walk,
)  # fmt: skip
from diffusion_math.matching import line_walk
from diffusion_math.sde import diffusion, drift
from diffusion_math.training import evaluation

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
    "elbo_estimate": lambda p, x: elbo_estimate(p.q, p, x, 8, times="both", decoder=p.decode),
    "velocity": lambda p, x: velocity(p, x, 0.0),
    "velocity, a level for each": lambda p, x: velocity(p, x, torch.zeros(2)),
    "flow": lambda p, x: flow(p, x, -4.0, 4.0, 2),
    "drift": lambda p, x: drift(p, x, 0.0),
    "diffusion": lambda p, x: diffusion(x, 0.0),
    "walk": lambda p, x: walk(p, x, -4.0, 4.0, 2),
    "solve": lambda p, x: solve(p, x, [-4.0, 0.0, 4.0], "unipc2"),
    "solve, with dice": lambda p, x: solve(p, x, [-4.0, 0.0, 4.0], "2m-sde"),
    "guided": lambda p, x: velocity(guided(p, p, 2.0), x, 0.0),
    "an exact law": lambda p, x: law_of(x).log_prob(x),
    "its denoiser": lambda p, x: law_of(x).denoise(x, 0.0),
    "its way back": lambda p, x: ExactReverse(p.q, law_of(x)).step(x, 3).sample(),
    "many data": lambda p, x: law_of(x, 2000).denoise(x, 0.0),
}


def law_of(x, n=6):
    "A mixture beside x, in its precision; of n data, so that both ways of its sums are taken."
    data = torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    law = Empirical(data) if n > 6 else GaussianMixture.fit(data, torch.arange(n) % 2, floor=0.1)
    return law.to(x.device, x.dtype)


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


@pytest.mark.parametrize("terms", ["all", 2])
def test_evaluation_moves_no_float64_there(monkeypatch, network, terms):
    "A whole batch; then its terms would come to the CPU, and a fake device has none."
    monkeypatch.setattr(checks, "COARSE", {"meta"})
    monkeypatch.setattr(evaluation, "Generator", Own)
    p = DDPM(network, ForwardProcess(Q.schedule), (1, 28, 28), images=True)
    with NoFloat64(), pytest.raises(NotImplementedError, match="out of meta"):
        evaluation.bound_terms(p, torch.zeros(2, 1, 28, 28), terms=terms)


class Own:
    "A generator on the fake device, which has none: torch's own takes its place."

    def __init__(self, device):
        pass

    def manual_seed(self, seed):
        return None


class Far:
    "As accelerate would have it on a device of the fake kind."

    device, num_processes, process_index, is_main_process = torch.device("meta"), 1, 0, True

    def __init__(self, cpu):
        pass


class Plain(torch.optim.AdamW):
    "Without the fused kernel, which knows mps but no fake device, and which alone is told of broken gradients."

    def __init__(self, *args, fused, **more):
        super().__init__(*args, **more)
        self._step_supports_amp_scaling = True

    def step(self):
        self.found_inf = None
        super().step()


@pytest.mark.parametrize("loss", ["simple", "elbo"])
def test_fit_moves_no_float64_there(monkeypatch, loss):
    "Two steps whole; then the run wants to read its losses, and a fake device has none."
    monkeypatch.setattr(checks, "COARSE", {"meta"})
    monkeypatch.setattr("accelerate.PartialState", Far)
    monkeypatch.setattr(torch.optim, "AdamW", Plain)
    p = DDPM(UNet(width=8, classes=10), ForwardProcess(Q.schedule), (1, 28, 28), images=True)
    taken = []
    of = {"simple": simple_loss, "elbo": elbo_loss}[loss]

    def counted(p, x0, t, eps):
        taken.append(x0.device.type)
        return of(p, x0, t=t, eps=eps)

    data = torch.zeros(6, 1, 28, 28, dtype=torch.float64)  # somebody's own may be float64
    with NoFloat64(), pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        fit(p, data, 2, 4, loss=counted, labels=torch.arange(6), progress=False)
    assert taken == ["meta", "meta"]


def test_the_guard_sees_a_float64():
    x = torch.zeros(2, device="meta")
    with NoFloat64(), pytest.raises(TypeError, match="no float64"):
        x.double()


def test_elsewhere_a_noise_level_keeps_all_of_its_digits():
    assert (
        checks.finest(torch.device("cpu")) == checks.finest(torch.device("cuda")) == torch.float64
    )
    assert checks.finest(torch.device("mps")) == torch.float32
    assert Q.tables.log_snr(torch.zeros(1), 3).dtype == torch.float64
