"Samplers: right ones on each clock, slips by name, what is too coarse, what is unknown; and the comparison with the law."

import math
from functools import partial

import pytest
import torch

from diffusion_math import DDPM, ForwardProcess, GaussianMixture, linear_schedule
from diffusion_math.referee.sampler import LAWS, against, largest, sampler
from diffusion_math.referee.schedule import two_modes

T = 60
Q = ForwardProcess(linear_schedule(T))
S = Q.schedule
BAR, BETA = S.alpha_bar[1:], S.beta[1:]


def ddpm(network, shape):
    x = torch.randn(shape)
    for t in range(T - 1, -1, -1):
        x = (x - BETA[t] / (1 - BAR[t]).sqrt() * network(x, t)) / (1 - BETA[t]).sqrt()
        if t:
            x = x + BETA[t].sqrt() * torch.randn(shape)
    return x.float()


def ddim(network, shape, stride=1):
    x = torch.randn(shape)
    times = [*range(T - 1, -1, -stride), -1]
    for t, s in zip(times, times[1:], strict=False):
        eps, b = network(x, torch.tensor(t)), BAR[s] if s >= 0 else torch.ones(())
        x0 = (x - (1 - BAR[t]).sqrt() * eps) / BAR[t].sqrt()
        x = b.sqrt() * x0 + (1 - b).sqrt() * eps
    return x


@pytest.mark.parametrize("law", LAWS)
def test_right_loops_are_right(law):
    for f in (ddpm, ddim, lambda net, shape: ddim(net, shape, stride=3)):
        said = sampler(f, BAR, law=law)
        assert said and "Each step of its" in str(said), said


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


def test_an_unknown_fault_is_not_guessed():
    def f(network, shape):
        return 1.5 * ddpm(network, shape)

    said = sampler(f, BAR)
    assert not said and not said.slip and "wrong" in said.says and "no slip" in said.says


def test_an_unknown_step_that_may_be_too_long_is_not_called_wrong():
    "A right rule that is on no list, Simpson's in log SNR, in few steps: its draws are off, as DDIM's are."

    def f(network, shape):
        x, times = torch.randn(shape).double(), [59, 40, 20, 0]
        for t, s in zip(times, times[1:], strict=False):
            mid = (t + s) // 2
            a, b = (BAR[k] ** 0.5 for k in (t, s))
            x0 = (x - (1 - BAR[t]).sqrt() * network(x, t)) / a
            y = BAR[mid].sqrt() * x0 + (1 - BAR[mid]).sqrt() * (x - a * x0) / (1 - BAR[t]).sqrt()
            y0 = (y - (1 - BAR[mid]).sqrt() * network(y, mid)) / BAR[mid].sqrt()
            x0 = 0.3 * x0 + 0.7 * y0
            x = b * x0 + ((1 - BAR[s]) / (1 - BAR[t])).sqrt() * (x - a * x0)
        return (x - (1 - BAR[0]).sqrt() * network(x, 0)) / BAR[0].sqrt()

    said = sampler(f, BAR)
    assert not said and not said.slip and said.says.startswith("undecided") and "DDIM" in said.says


@pytest.mark.parametrize("dtype, T", [(torch.float64, 400), (torch.float32, 400)])
@pytest.mark.long
def test_a_root_of_alpha_that_is_missing_is_named_however_short_the_steps(dtype, T):
    "With a thousandth as beta it is 5e-4 of x a step and less, far below the dice; right code stays right."
    beta = torch.linspace(1e-4, 1e-3, T, dtype=torch.float64)
    bar = (1 - beta).cumprod(0)

    def f(network, shape, root=True):
        x = torch.randn(shape).to(dtype)
        for t in range(T - 1, -1, -1):
            x = x - beta[t] / (1 - bar[t]).sqrt() * network(x, t)
            x = x / (1 - beta[t]).sqrt() if root else x
            if t:
                x = x + beta[t].sqrt() * torch.randn(shape).to(dtype)
        return x

    said = sampler(partial(f, root=False), bar)
    assert said.slip == "not divided by sqrt(alpha)", said
    said = sampler(f, bar)
    assert said and "the posterior's mean, the variance beta" in str(said), said


def test_a_table_in_float32_is_right():
    bar = BAR.float()

    def f(network, shape):
        x = torch.randn(shape)
        for t in range(T - 1, -1, -1):
            before = bar[t - 1] if t else torch.ones(())
            beta = 1 - bar[t] / before
            x = (x - beta / (1 - bar[t]).sqrt() * network(x, t)) / (1 - beta).sqrt()
            if t:
                x = x + beta.sqrt() * torch.randn(shape)
        return x

    assert "the posterior's mean, the variance beta" in str(sampler(f, bar).check())


def test_edm_s_heun_in_35_calls_is_right_and_its_levels_are_named():
    "18 levels from 80 to 0.002, rho = 7, as EDM's own sampler has them."
    levels = (
        80 ** (1 / 7) + torch.linspace(0, 1, 18).double() * (0.002 ** (1 / 7) - 80 ** (1 / 7))
    ) ** 7
    sigmas = torch.cat([levels, torch.zeros(1)])

    def f(net, shape):
        x = torch.randn(shape).double() * sigmas[0]
        for i, (t, r) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
            d = (x - net(x, t)) / t
            y = x + (r - t) * d
            if i < 17:
                y = x + (r - t) * (d + (y - net(y, r)) / r) / 2
            x = y
        return x

    said = sampler(f, sigmas=sigmas, predicts="x0")
    assert (
        said and "35 calls is Heun's step" in str(said) and "rho = 7, from 80 to 0.002" in str(said)
    )


def test_the_last_step_has_names_too():
    def f(network, shape, end):
        x = torch.randn(shape)
        for t in range(T - 1, 8, -3):
            bar, before = BAR[t], BAR[t - 3]
            x0 = (x - (1 - bar).sqrt() * network(x, t)) / bar.sqrt()
            x = before.sqrt() * x0 + (1 - before).sqrt() * (x - bar.sqrt() * x0) / (1 - bar).sqrt()
        network(x, 8)
        return x if end == "nowhere" else x * math.nan

    assert sampler(partial(f, end="nowhere"), BAR).slip == "the last step leads nowhere"
    assert sampler(partial(f, end="nan"), BAR).slip == "the last step is not finite"


def test_the_number_of_a_step_is_not_its_time():
    def f(network, shape):
        x, times = torch.randn(shape), list(range(T - 1, -1, -3))
        for i, t in enumerate(times):
            b = BAR[times[i + 1]] if i + 1 < len(times) else torch.ones(())
            x0 = (x - (1 - BAR[t]).sqrt() * network(x, len(times) - 1 - i)) / BAR[t].sqrt()
            x = b.sqrt() * x0 + (1 - b).sqrt() * (x - BAR[t].sqrt() * x0) / (1 - BAR[t]).sqrt()
        return x

    assert sampler(f, BAR).slip == "the network is told the number of the step"


@pytest.mark.parametrize("name, share", [
    ("the variance of the noise in the mean", lambda beta, bar, before: beta * (1 - before) / (1 - bar) / (1 - bar).sqrt()),
    ("alpha-bar for its rest", lambda beta, bar, before: beta / bar.sqrt()),
])  # fmt: skip
def test_rarer_slips_in_the_mean(name, share):
    def f(network, shape):
        x = torch.randn(shape)
        for t in range(T - 1, -1, -1):
            before = BAR[t - 1] if t else torch.ones(())
            x = (x - share(BETA[t], BAR[t], before) * network(x, t)) / (1 - BETA[t]).sqrt()
            if t:
                x = x + BETA[t].sqrt() * torch.randn(shape)
        return x.float()

    assert sampler(f, BAR).slip == name


def test_times_between_the_entries_of_a_table():
    "Euler in sigma, as diffusers runs it: sigma is read between two entries, and x is scaled for the network."
    ratio = ((1 - BAR) / BAR).sqrt()

    def f(network, shape, log=False):
        times = torch.linspace(T - 1, 0, 12).double()
        table = ratio.log() if log else ratio
        low = times.floor().long()
        sigmas = table[low] + (times - low) * (table[(low + 1).clamp(max=T - 1)] - table[low])
        sigmas = torch.cat([sigmas.exp() if log else sigmas, torch.zeros(1)])
        x = torch.randn(shape).double() * (1 + sigmas[0] ** 2).sqrt()
        for t, s, r in zip(times, sigmas, sigmas[1:], strict=False):
            x = x + (r - s) * network(x / (1 + s**2).sqrt(), t)
        return x

    for log in (False, True):
        said = sampler(partial(f, log=log), BAR)
        assert said and "DDIM without noise" in str(said), said


def test_exact_draws_agree_and_others_do_not():
    law = two_modes()
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
        (
            lambda net, shape: net(torch.randn(shape), 0.7),
            "that its table has not: 0.7, where 0..59 occur",
        ),
        (
            lambda net, shape: net(net(torch.randn(shape), 50) * math.inf, 5),
            "an x that is not finite",
        ),
    ],
)
def test_what_gives_no_draws(f, words):
    said = sampler(f, BAR)
    assert not said and words in str(said)


@pytest.mark.bad_input
def test_an_unknown_law_is_refused():
    with pytest.raises(ValueError, match="law must be one of modes"):
        sampler(ddpm, BAR, law="nope")
