"The step back: right in several forms and precisions; each slip of its mean and its variance by name, none by another's."

import pytest
import torch

from diffusion_math import ForwardProcess, cosine_schedule, linear_schedule
from diffusion_math.referee.clock import clock_of
from diffusion_math.referee.posterior import (
    MEAN,
    MEAN_SLIPS,
    VAR,
    VAR_SLIPS,
    numbers_back,
    posterior,
    with_neighbours,
)

BETA = torch.linspace(1e-4, 0.02, 1000)
BAR = (1 - BETA).cumprod(0)
TABLES = {"linear": BAR, "cosine": cosine_schedule(100).alpha_bar[1:], "ours": linear_schedule(50)}
MEANS, VARS = with_neighbours(MEAN, MEAN_SLIPS), with_neighbours(VAR, VAR_SLIPS)
EVERY = [
    (s.name, i, which)
    for which, slips in (("mean", MEANS), ("var", VARS))
    for s in slips
    for i in range(len(s.makes))
]


def told(table, mean=MEAN, var=VAR):
    "A user's function with these two numbers."
    clock = clock_of(table)

    def f(x_t, x0, t):
        place = clock.place(t)
        known = {"n": numbers_back(clock, place), "clock": clock, "place": place}
        spread = var(**known).view(-1, *[1] * (x_t.ndim - 1))
        return mean(x0=x0.double(), x_t=x_t.double(), **known), spread

    return f


@pytest.mark.parametrize("name, i, which", EVERY)
@pytest.mark.parametrize("table", ["linear", "cosine"])
def test_every_slip_is_named_and_none_is_taken_for_another(table, name, i, which):
    slip = next(s for s in (MEANS if which == "mean" else VARS) if s.name == name)
    make = {which: slip.makes[i]}
    said = posterior(told(TABLES[table], **make), TABLES[table])
    assert not said and said.slip == name, said
    assert ("the mean is" in said.says) == (which == "mean")


@pytest.mark.parametrize("table", TABLES)
def test_the_right_step_is_right(table):
    assert posterior(told(TABLES[table]), TABLES[table]).error < 1e-6


def test_other_styles_are_right():
    before = torch.cat([torch.ones(1), BAR[:-1]])
    var = BETA * (1 - before) / (1 - BAR)

    def in_float32(x_t, x0, t):
        c0, ct = BETA * before.sqrt() / (1 - BAR), (1 - before) * (1 - BETA).sqrt() / (1 - BAR)
        c0, ct, v = (c[t].view(-1, *[1] * (x0.ndim - 1)) for c in (c0, ct, var))
        return c0 * x0 + ct * x_t, v, v.clamp(min=1e-20).log()

    def by_precisions(x_t, x0, t):
        "(3.15), in float64."
        bar = BAR.double()
        a = bar[t] / bar[t - 1]
        one, two = a / (1 - a), 1 / (1 - bar[t - 1])
        v = 1 / (one + two)
        row = lambda c: c.view(-1, *[1] * (x0.ndim - 1))
        return row(v * a.sqrt() / (1 - a)) * x_t + row(v * bar[t - 1].sqrt() * two) * x0, v

    said = posterior(in_float32, BAR)
    assert said and said.error < 5e-3 and posterior(by_precisions, BAR).error < 1e-6
    assert posterior(lambda *a: in_float32(*a)[0], BAR), "a mean alone"
    q = ForwardProcess(linear_schedule(1000))
    assert posterior(q.posterior, q.schedule).error < 1e-6
    assert posterior(by_precisions, BAR, event_shape=(2,))


def test_what_is_unknown_or_gives_nothing():
    assert not posterior(lambda x_t, x0, t: x_t.abs(), BAR).slip
    assert "ZeroDivisionError" in str(posterior(lambda x_t, x0, t: 1 / 0, BAR))
    assert "its mean has shape" in str(posterior(lambda x_t, x0, t: (x0[0], 1), BAR))
    assert "its variance has shape" in str(
        posterior(lambda x_t, x0, t: (x0, torch.ones(2, 3)), BAR)
    )
