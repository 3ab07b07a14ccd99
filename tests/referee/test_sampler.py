"Samplers: right ones on each clock, slips by name, what is too coarse, what is unknown; and the comparison with the law."

import math
from functools import partial

import pytest
import torch

from diffusion_math import DDPM, ForwardProcess, GaussianMixture, linear_schedule
from diffusion_math.referee.sampler import LAWS, against, humps, largest, sampler

T = 60
Q = ForwardProcess(linear_schedule(T))
S = Q.schedule
BAR, BETA = S.alpha_bar[1:], S.beta[1:]


def ddpm(network, shape, std=None, end=False, told=0, mean=None, start=torch.randn, first=T - 1):
    x = start(shape)
    for t in range(first, -1, -1):
        eps = network(x, max(0, min(T - 1, t + told)))
        x = (
            mean(x, eps, t)
            if mean
            else (x - BETA[t] / (1 - BAR[t]).sqrt() * eps) / (1 - BETA[t]).sqrt()
        )
        if t or end:
            x = x + (std(BETA[t]) if std else BETA[t].sqrt()) * torch.randn(shape)
    return x.float()


def ddim(network, shape, clip=False, fresh=True, stride=1):
    x = torch.randn(shape)
    times = [*range(T - 1, -1, -stride), -1]
    for t, s in zip(times, times[1:], strict=False):
        eps, b = network(x, torch.tensor(t)), BAR[s] if s >= 0 else torch.ones(())
        x0 = (x - (1 - BAR[t]).sqrt() * eps) / BAR[t].sqrt()
        if clip:
            x0 = x0.clamp(-1, 1)
            eps = (x - BAR[t].sqrt() * x0) / (1 - BAR[t]).sqrt() if fresh else eps
        x = b.sqrt() * x0 + (1 - b).sqrt() * eps
    return x


@pytest.mark.parametrize(
    "f, name",
    [
        (dict(std=lambda b: b), "a variance for its root"),
        (dict(std=lambda b: b**0.25), "the root twice"),
        (dict(end=True), "noise at the last step"),
        (dict(std=lambda b: 0 * b), "no noise between the steps"),
        (dict(told=1), "the network is told t + 1"),
        (dict(told=-1), "the network is told t - 1"),
        (dict(start=torch.rand), "rand for randn"),
        (dict(start=lambda s: 2 * torch.randn(s)), "another start"),
        (dict(first=T // 2), "it starts too late"),
        (
            dict(mean=lambda x, e, t: (x - BETA[t] / (1 - BAR[t]) * e) / (1 - BETA[t]).sqrt()),
            "a root missing beside beta",
        ),
        (
            dict(mean=lambda x, e, t: x - BETA[t] / (1 - BAR[t]).sqrt() * e),
            "not divided by sqrt(alpha)",
        ),
    ],
)
def test_slips_of_the_ancestral_loop(f, name):
    said = sampler(lambda net, shape: ddpm(net, shape, **f), BAR)
    assert not said and said.slip == name, said


def test_the_clip_that_keeps_the_old_noise():
    assert (
        sampler(lambda net, shape: ddim(net, shape, clip=True, fresh=False), BAR).slip
        == "a clipped x0 with the old eps"
    )
    assert sampler(lambda net, shape: ddim(net, shape, clip=True), BAR)


@pytest.mark.parametrize("law", LAWS)
def test_right_loops_are_right(law):
    for f in (ddpm, ddim, lambda net, shape: ddim(net, shape, stride=3)):
        said = sampler(f, BAR, law=law)
        assert said and "steps is" in str(said), said


def test_too_few_steps_are_no_slip_but_a_note():
    said = sampler(lambda net, shape: ddim(net, shape, stride=12), BAR)
    assert said and "So few steps" in str(said) and said.error > 0.02


@pytest.mark.parametrize("predicts", ["eps", "x0", "v"])
def test_the_package_is_right(predicts):
    at = lambda level: (S.log_snr[1:] - level.double().flatten()[0]).abs().argmin() + 1

    def f(network, shape, **more):
        told = lambda x, level: network(x, at(level))
        return DDPM(told, Q, shape[1:], predicts=predicts).sample(shape[0], **more)

    for more in ({}, {"eta": 0.0}):
        assert sampler(lambda net, shape, more=more: f(net, shape, **more), S, predicts=predicts)


def test_other_clocks():
    sigmas = torch.cat(
        [torch.linspace(80 ** (1 / 7), 0.002 ** (1 / 7), 60).double() ** 7, torch.zeros(1)]
    )

    def euler(model, shape, heun=False):
        x = sigmas[0] * torch.randn(shape)
        for s, r in zip(sigmas, sigmas[1:], strict=False):
            d = (x - model(x, s)) / s
            y = x + (r - s) * d
            x = x + (r - s) * (d + (y - model(y, r)) / r) / 2 if heun and r > 0 else y
        return x

    said = sampler(euler, sigmas=sigmas, predicts="x0")
    assert said and "Euler's step in sigma" in str(said)
    said = sampler(lambda m, s: euler(m, s, heun=True), sigmas=sigmas, predicts="x0")
    assert said and "no rule on the list" in str(said)

    def euler_from_one(model, shape):
        x = torch.randn(shape)
        for s, r in zip(sigmas, sigmas[1:], strict=False):
            x = x + (r - s) * (x - model(x, s)) / s
        return x

    assert sampler(euler_from_one, sigmas=sigmas, predicts="x0").slip == "another start"


@pytest.mark.parametrize(
    "bend, slip", [(1, ""), (2, "a variance for its root"), (0, "no noise between the steps")]
)
def test_an_ancestral_step_in_sigma(bend, slip):
    "Down to one deviation, and up to the next by dice; bend: the power of the deviation that the dice get."
    sigmas = torch.cat([torch.linspace(30**0.2, 0.02**0.2, 40).double() ** 5, torch.zeros(1)])

    def f(model, shape):
        x = sigmas[0] * torch.randn(shape)
        for s, r in zip(sigmas, sigmas[1:], strict=False):
            up = (r**2 * (s**2 - r**2) / s**2).sqrt()
            x = x + ((r**2 - up**2).sqrt() - s) * (x - model(x, s)) / s
            x = x + up**bend * torch.randn(shape) * (bend > 0)
        return x

    said = sampler(f, sigmas=sigmas, predicts="x0")
    assert said.slip == slip and bool(said) == (not slip)
    assert slip or "is an ancestral step in sigma" in str(said)


def test_a_generator_is_used_by_who_takes_one():
    "Without it torch's own dice are taken; with it they must not be."

    def f(network, shape, generator=None, at_random=torch.randn):
        x = torch.randn(shape, generator=generator)
        for t in range(T - 1, -1, -1):
            x = (x - BETA[t] / (1 - BAR[t]).sqrt() * network(x, t)) / (1 - BETA[t]).sqrt()
            if t:
                dice = torch.randn(shape, generator=generator) if at_random is None else at_random(shape)  # fmt: skip
                x = x + BETA[t].sqrt() * dice
        return x

    assert sampler(partial(f, at_random=None), BAR)
    said = sampler(f, BAR)
    assert not said and said.slip == "the generator is not used" and "generator=" in said.cure


@pytest.mark.parametrize("sign, slip", [(1, ""), (-1, "the wrong way along the line")])
def test_a_straight_line(sign, slip):
    times = torch.linspace(0, 1, 81).double()[1:]

    def f(network, shape):
        x = torch.randn(shape)
        for t, s in zip(times.flip(0), [*times.flip(0)[1:], torch.zeros(())], strict=True):
            x = x + sign * (s - t) * network(x, t)
        return x

    said = sampler(f, flow_times=times, predicts="velocity")
    assert said.slip == slip and bool(said) == (not slip)


def test_an_unknown_fault_is_not_guessed():
    def f(network, shape):
        return 1.5 * ddpm(network, shape)

    said = sampler(f, BAR)
    assert not said and not said.slip and "no slip" in str(said)


def test_exact_draws_agree_and_others_do_not():
    law = humps()
    x = law.sample(20_000, torch.Generator().manual_seed(1))
    assert abs(largest(against(law, x))[2]) < 5
    for bent in (x * 1.03, x + 0.02, torch.where(torch.rand(len(x), 1) < 0.1, x.flip(0).abs(), x)):
        assert abs(largest(against(law, bent))[2]) > 5


def test_own_law():
    law = GaussianMixture(
        [0.5, 0.5], torch.tensor([[-0.5, 0.0], [0.5, 0.3]]), torch.tensor([0.01, 0.01])
    )
    assert sampler(ddim, BAR, law=law)


@pytest.mark.parametrize(
    "f, words",
    [
        (lambda net, shape: torch.randn(shape), "never asked the network"),
        (lambda net, shape: net(torch.randn(shape), 59)[:3], "its draws have shape"),
        (lambda net, shape: net(torch.randn(shape), 60), "0..59 occur"),
        (lambda net, shape: net(torch.randn(shape)), "was not told a time"),
        (lambda net, shape: net(torch.randn(3, 7), 3), "asked the network about"),
        (lambda net, shape: net(torch.randn(shape), torch.arange(60)), "several times at once"),
        (lambda net, shape: net(torch.randn(shape), 5) * math.nan, "not finite"),
    ],
)
def test_what_gives_no_draws(f, words):
    said = sampler(f, BAR)
    assert not said and words in str(said)


@pytest.mark.bad_input
def test_an_unknown_law_is_refused():
    with pytest.raises(ValueError, match="law must be one of humps"):
        sampler(ddpm, BAR, law="nope")
