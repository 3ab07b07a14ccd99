"Models from elsewhere: each wrapper against the exact denoiser that it was given, and diffusers' own steps by their formula."

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from diffusion_math import (
    DDPM,
    FlowMatching,
    ForwardProcess,
    GaussianMixture,
    as_denoiser,
    elbo,
    flow,
    linear_schedule,
)  # fmt: skip
from diffusion_math.convert import (
    from_diffusers,
    from_kdiffusion,
    from_score,
    from_velocity,
    to_diffusers,
)  # fmt: skip

F64 = torch.float64
LAW = GaussianMixture(
    [0.3, 0.7],
    torch.tensor([[-1.0, 0.0], [0.5, 1.0]], dtype=F64),
    torch.tensor([0.05, 0.1], dtype=F64),
)
Q = ForwardProcess(linear_schedule(50))
LEVELS = [-6.0, torch.tensor(0.3), torch.tensor([-2.0, 0.0, 3.0, 8.0], dtype=F64)]
X = torch.randn(4, 2, dtype=F64, generator=torch.Generator().manual_seed(0))


def D(x, sigma):
    "The denoiser of x0 + sigma eps, by Bayes' rule over the bells."
    s2 = sigma.view(-1, 1).square()
    var = LAW.components.var[:, 0]
    off = x[:, None] - LAW.means
    log_r = LAW.log_weights - 0.5 * off.square().sum(2) / (var + s2) - (var + s2).log()
    own = LAW.means + (var / (var + s2))[..., None] * off
    return (log_r.softmax(1)[..., None] * own).sum(1)


def v(x, t):
    "eps - x0 on average, on a straight line."
    t = t.view(-1, 1)
    return (x - D(x / (1 - t), (t / (1 - t))[:, 0])) / t


WRAPPED = {
    "k-diffusion": from_kdiffusion(D),
    "flow, data at 0": from_velocity(v),
    "flow, data at 1": from_velocity(lambda x, t: -v(x, 1 - t), data_at=1),
    "score by log snr": from_score(LAW.noised_score),
    "score by sigma": from_score(lambda x, s: (D(x, s) - x) / s.view(-1, 1).square(), told="sigma"),
}


@pytest.mark.parametrize("level", LEVELS, ids=str)
@pytest.mark.parametrize("name", WRAPPED)
def test_each_says_what_the_law_says(name, level):
    due = as_denoiser(LAW)(X, level)
    torch.testing.assert_close(as_denoiser(WRAPPED[name])(X, level), due, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", WRAPPED)
def test_walks_bounds_and_flows_work_on_it(name):
    p, ours = DDPM(WRAPPED[name], Q, (2,), predicts="x0"), DDPM(LAW, Q, (2,))
    gen = lambda: torch.Generator().manual_seed(1)
    a, b = (m.sample(5, gen(), like=torch.empty(0, dtype=F64)) for m in (p, ours))
    torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)
    decoder = lambda x: Q.marginal(x, 1)
    a, b = (elbo(Q, m, X, decoder=decoder, generator=gen()).total for m in (p, ours))
    torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)
    a, b = (flow(m, X, -4.0, 4.0, steps=20) for m in (WRAPPED[name], LAW))
    torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


class Theirs(nn.Module):
    "A network as diffusers has it, with a weight, and its answer in an object."

    def __init__(self, says, wrap=True):
        super().__init__()
        self.says, self.wrap, self.weight = says, wrap, nn.Parameter(torch.ones((), dtype=F64))
        self.config, self.times = SimpleNamespace(in_channels=2, sample_size=(1, 1)), []

    def forward(self, x, timestep, y=None):
        self.times.append(timestep)
        said = (
            getattr(DDPM(LAW, Q).predict(x, timestep.round().long() + 1), self.says) * self.weight
        )
        return SimpleNamespace(sample=said) if self.wrap else said


@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize(
    "says, name", [("eps", "epsilon"), ("x0", "sample"), ("v", "v_prediction")]
)
def test_from_diffusers(says, name, wrap):
    unet = Theirs(says, wrap)
    config = SimpleNamespace(prediction_type=name, variance_type="fixed_small", clip_sample=False)
    p = from_diffusers(
        unet, SimpleNamespace(alphas_cumprod=Q.schedule.alpha_bar[1:].float(), config=config)
    )
    assert (p.predicts, p.variance, p.images, p.T) == (says, "posterior", False, 50)
    assert tuple(p.event_shape) == (2, 1, 1) and list(p.parameters())
    for t in (1, 7, 50):
        torch.testing.assert_close(
            p.predict(X, t).x0, DDPM(LAW, Q).predict(X, t).x0, rtol=1e-4, atol=1e-4
        )
        assert unet.times[-1].tolist() == [t - 1.0] * 4 and unet.times[-1].dtype == torch.float32
    between = (Q.schedule.log_snr[10] + Q.schedule.log_snr[11]) / 2
    as_denoiser(p)(X, between)
    assert unet.times[-1][0].item() == pytest.approx(9.5, abs=1e-3)


def test_a_velocity_from_elsewhere_is_flow_matching_of_ours():
    wrapped = from_velocity(lambda x, t: SimpleNamespace(sample=v(x, t)))
    assert isinstance(wrapped, FlowMatching)
    assert torch.equal(wrapped.denoise(X, 0.3), FlowMatching(v).denoise(X, 0.3))


@pytest.mark.parametrize("predicts", ["eps", "x0", "v"])
@pytest.mark.parametrize("variance", ["posterior", "beta"])
def test_there_and_back(predicts, variance):
    p = DDPM(lambda x, level: 0.3 * x, Q, (2,), predicts=predicts, variance=variance)
    unet, settings = to_diffusers(p)
    assert torch.equal(unet(X, 6).sample, p.predict(X, 7).value)
    assert torch.equal(unet(X, torch.tensor(6), return_dict=False)[0], p.predict(X, 7).value)
    assert settings["num_train_timesteps"] == 50 and len(settings["trained_betas"]) == 50
    bar = (1 - torch.tensor(settings["trained_betas"], dtype=F64)).cumprod(0)
    again = from_diffusers(unet, SimpleNamespace(alphas_cumprod=bar, config=settings))
    for t in (1, 20, 50):
        one, two = p.step(X, t), again.step(X, t)
        torch.testing.assert_close(two.mean, one.mean, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(two.var, one.var, rtol=1e-6, atol=1e-9)


@pytest.mark.bad_input
def test_what_does_not_fit_is_refused():
    with pytest.raises(TypeError, match="scheduler must have alphas_cumprod and config"):
        from_diffusers(len, object())
    config = {"prediction_type": "flow"}
    with pytest.raises(ValueError, match="scheduler.config.prediction_type must be one of"):
        from_diffusers(len, SimpleNamespace(alphas_cumprod=[0.9, 0.5], config=config))
    with pytest.raises(ValueError, match="model must return"):
        from_kdiffusion(lambda x, s: x[:1])(X, torch.tensor(0.0))
    for name in ("k-diffusion", "score by log snr", "score by sigma"):
        for level in (-600.0, -float("inf"), 81.0):
            with pytest.raises(ValueError, match=r"log_snr must lie in \[-80, 80\]"):
                WRAPPED[name](X, level)
        assert WRAPPED[name](X, -80.0).isfinite().all() and WRAPPED[name](X, 20.0).isfinite().all()
    with pytest.raises(
        ValueError, match="p.variance must be .* got a function of t, for which diffusers"
    ):
        to_diffusers(DDPM(LAW, Q, variance=lambda t: 0.1))
