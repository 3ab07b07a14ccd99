"A schedule's verdict: right ones in several forms, each slip by its name and no other, ends, digits, what a chain loses."

import math

import pytest
import torch

from diffusion_math import ForwardProcess, Schedule, cosine_schedule
from diffusion_math.referee.schedule import SLIPS, chain_loss, schedule, two_modes, well_known

F64 = torch.float64
KNOWN = dict(well_known(1000))
EVERY = [(slip.name, i) for slip in SLIPS for i in range(len(slip.makes))]


def bar_of(which):
    return (1 - KNOWN[which]).cumprod(0)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("which", ["linear", "cosine"])
def test_known_schedules_are_right_and_named(which, dtype):
    said = schedule(bar_of(which).to(dtype))
    assert said and which in said.says and said.error < 1e-6
    assert ("float32" in str(said)) == (dtype == torch.float32)


def test_own_forms_of_the_same():
    beta = torch.linspace(1e-4, 0.02, 1000)
    assert schedule(betas=beta) and schedule((1 - beta).cumprod(0), beta)
    assert schedule(torch.exp(torch.log1p(-beta.double()).cumsum(0)), beta)
    assert schedule(betas=beta.tolist()) and schedule(sigmas=[80.0, 10.0, 1.0, 0.01, 0.0])
    quartic = torch.linspace(1, 0.0, 500, dtype=F64) ** 4 * 0.9999
    assert schedule(quartic[:-1]), "an unknown schedule that is one"


def test_the_one_of_a_wide_spread_library_does_not_end_in_noise():
    said = schedule(bar_of("scaled linear"))
    assert said.slip == "it does not end in noise" and "0.0047" in said.says


@pytest.mark.parametrize("name, i", EVERY)
@pytest.mark.parametrize("with_betas", [False, True])
def test_every_slip_is_named_and_none_is_taken_for_another(name, i, with_betas):
    "Of the linear schedule, in float32, and of a user's own betas."
    generator = torch.Generator().manual_seed(3)
    own = torch.linspace(2e-4, 0.03, 300, dtype=F64) * (
        0.9 + 0.2 * torch.rand(300, generator=generator, dtype=F64)
    )
    beta = own if with_betas else KNOWN["linear"]
    slip = next(s for s in SLIPS if s.name == name)
    bent = slip.makes[i]((1 - beta).cumprod(0), beta)
    said = schedule(bent.float(), beta if with_betas else None)
    assert not said and said.slip == name and said.cure == slip.says


@pytest.mark.parametrize(
    "table, slip",
    [
        ([0.9, math.nan, 0.1], "not finite"),
        ([1.2, 0.5, 1e-5], "outside [0, 1]"),
        ([0.9, 0.95, 1e-5], "it rises"),
        ([0.9, 0.5, 0.1], "it does not end in noise"),
        (bar_of("linear").bfloat16().float(), "too few digits"),
    ],
)
def test_what_is_no_schedule(table, slip):
    assert schedule(table).slip == slip


def test_a_product_that_nothing_explains():
    beta = torch.linspace(1e-4, 0.02, 1000, dtype=F64)
    said = schedule((1 - beta * 1.01).cumprod(0), beta)
    assert not said and not said.slip and "no slip" in str(said)


def test_notes():
    bar = cosine_schedule(1000).alpha_bar
    assert "Entry 0 holds no noise" in str(schedule(bar))
    zero = torch.cat([bar[1:-1], torch.zeros(1, dtype=F64)])
    assert "no signal" in str(schedule(zero))


def test_what_a_chain_loses_is_what_the_exact_bound_says():
    "Against the bound of exact means with the posterior's variance, term by term on grids."
    law, levels = two_modes(), torch.linspace(8, -8, 24, dtype=F64)
    q = ForwardProcess(Schedule.from_log_snr(levels))
    more, most = (
        ForwardProcess(Schedule.from_log_snr(torch.linspace(8, -8, n, dtype=F64)))
        for n in (96, 192)
    )

    def kls(q):
        "The mean of the terms t = 2..T over x0 and x_t, by their closed form in the mean alone."
        z = torch.linspace(-8, 8, 200, dtype=F64)
        w, total = (-0.5 * z.square()).softmax(0), 0.0
        for share, mean, var in zip(
            law.weights, law.means[:, 0], law.components.var[:, 0], strict=True
        ):
            x0 = (mean + var.sqrt() * z[::4])[:, None]
            w0 = (-0.5 * z[::4].square()).softmax(0)
            for t in range(2, q.T + 1):
                a, s = q.schedule.alpha_bar[t].sqrt(), q.schedule.noise_var[t].sqrt()
                x_t = a * x0 + s * z
                guess = law.denoise(x_t.reshape(-1, 1), q.schedule.log_snr[t]).view_as(x_t)
                gain = q.schedule.snr[t - 1] - q.schedule.snr[t]
                total += share * 0.5 * gain * (w0 @ (x0 - guess).square() @ w)
        return total

    due = (kls(q) - (2 * kls(most) - kls(more))).item()  # what steps without end would come to
    assert chain_loss(levels) == pytest.approx(due, rel=0.05) and due > 0.1
    assert chain_loss(torch.linspace(8, -8, 2000, dtype=F64)) < 0.01


def test_betas_that_run_backwards_beside_a_right_table_are_named():
    beta = torch.linspace(1e-4, 0.02, 1000)
    assert schedule((1 - beta).cumprod(0), beta)
    assert schedule((1 - beta).cumprod(0), beta.flip(0)).slip == "the betas turned around"


def test_a_table_without_noise_or_numbers_has_a_name():
    assert schedule(torch.ones(9)).slip == "no noise at all"
    assert schedule([0.9, float("nan"), 0.1]).slip == "not finite"


@pytest.mark.bad_input
def test_choices_are_refused():
    for given in ({}, {"betas": [0.1] * 3, "sigmas": [1, 2, 3]}):
        with pytest.raises(TypeError, match="got another choice"):
            schedule(**given)
    with pytest.raises(ValueError, match="betas must have one for each of 3"):
        schedule([0.9, 0.5, 0.1], betas=[0.1] * 4)
