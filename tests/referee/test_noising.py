"The jump: right in several styles and on several clocks; each slip by its name, none by another's."

import math

import pytest
import torch

from diffusion_math import ForwardProcess, cosine_schedule, linear_schedule
from diffusion_math.referee.clock import clock_of
from diffusion_math.referee.noising import SLIPS, draw_cases, noising

BETA = torch.linspace(1e-4, 0.02, 1000)
BAR = (1 - BETA).cumprod(0)
CLOCKS = {
    "linear": {"alphas_cumprod": BAR},
    "cosine": {"alphas_cumprod": cosine_schedule(50).alpha_bar[1:]},
    "betas": {"betas": BETA},
    "ours": {"alphas_cumprod": linear_schedule(100)},
    "sigma": {"sigmas": torch.linspace(0.02**0.2, 60**0.2, 40) ** 5},
    "flow": {"flow_times": torch.linspace(0, 1, 101)},
}
ONLY = {  # what is no slip, or another one, on these clocks
    "sigma": {"a variance for its root", "one level too late", "one level too early", "x_0 scaled as well", "eps not scaled",
              "eps with its sign turned", "no noise", "the noise alone", "one time for the whole batch", "clipped",
              "coefficients along the last axis", "x_0 rescaled inside", "the last level at every t", "the scales swapped"},
    "flow": {"a variance for its root", "eps with its sign turned", "no noise", "the noise alone", "x_0 not scaled",
             "one time for the whole batch", "clipped", "coefficients along the last axis", "x_0 rescaled inside",
             "one level too late", "one level too early", "eps not scaled"},
}  # fmt: skip
EVERY = [
    (clock, slip.name, i)
    for clock in ("linear", "cosine", "sigma", "flow")
    for slip in SLIPS
    for i in range(len(slip.makes))
    if clock not in ONLY or slip.name in ONLY[clock]
]


def bent(clock, make):
    "A user's function that makes a slip, from what such a function gets."

    def f(x0, t, eps):
        place = clock.place(t)
        known = {"a": clock.a[place], "s": clock.s[place], "place": place, "clock": clock, "t": t}
        return make(x0=x0.double(), eps=eps.double(), **known).to(x0.dtype)

    return f


@pytest.mark.parametrize("kind, name, i", EVERY)
def test_every_slip_is_named_and_none_is_taken_for_another(kind, name, i):
    slip = next(s for s in SLIPS if s.name == name)
    said = noising(bent(clock_of(**CLOCKS[kind]), slip.makes[i]), **CLOCKS[kind])
    assert not said and said.slip == name and said.cure == slip.says, said


def test_other_styles_are_right():
    root, rest = BAR.sqrt(), (1 - BAR).sqrt()

    def gathered(x0, t, eps):
        a = root.gather(0, t).reshape(len(x0), *[1] * (x0.ndim - 1))
        return a * x0 + rest.gather(0, t).reshape(a.shape) * eps

    def one_by_one(x0, t, eps):
        return torch.stack([root[i] * x + rest[i] * e for x, i, e in zip(x0, t, eps, strict=True)])

    def by_log_snr(x0, t, eps):
        snr = (BAR / (1 - BAR)).log()[t].view(-1, *[1] * (x0.ndim - 1))
        return torch.addcmul(snr.sigmoid().sqrt() * x0, (-snr).sigmoid().sqrt(), eps)

    for f in (gathered, one_by_one, by_log_snr):
        for event in ((3, 8, 8), (2,), (1, 5)):
            assert noising(f, BAR, event_shape=event), (f.__name__, event)


def test_the_package_is_right():
    q = ForwardProcess(linear_schedule(100))

    def f(x0, t, eps):
        law = q.marginal(x0, t)
        return law.mean + law.std * eps

    said = noising(f, q.schedule)
    assert said and said.error < 2e-7
    assert noising(f, q.schedule.alpha_bar[1:]).slip == "one level too early"


def test_other_clocks():
    assert noising(lambda x, s, e: x + s.view(-1, 1, 1, 1) * e, **CLOCKS["sigma"])
    line = lambda x, t, e: torch.lerp(x, e, t.view(-1, 1, 1, 1))
    assert noising(line, **CLOCKS["flow"])
    assert not noising(lambda x, t, e: line(e, t, x), **CLOCKS["flow"])


def test_what_is_unknown_or_gives_nothing():
    said = noising(lambda x, t, e: 1.1 * x + e, BAR)
    assert not said and not said.slip and "no slip" in str(said)
    said = noising(lambda x, t, e: 1 / 0, BAR)
    assert not said and "ZeroDivisionError" in str(said)
    assert "returned a NoneType" in str(noising(lambda x, t, e: None, BAR))
    assert "another shape" in str(noising(lambda x, t, e: x[0], BAR))
    f = lambda x, t, e: torch.randn_like(x)
    assert noising(f, BAR).slip == "noise drawn inside"


def test_what_else_a_function_does():
    rows = lambda x, t: (c[t].to(x).view(-1, 1, 1, 1) for c in (BAR.sqrt(), (1 - BAR).sqrt()))

    def in_place(x0, t, eps):
        a, s = rows(x0, t)
        return x0.mul_(a).add_(s * eps)

    def wide(x0, t, eps):
        a, s = rows(x0.double(), t)
        return a * x0 + s * eps

    def numbered(x0, t, eps):
        a, s = (c.numpy() for c in rows(x0, t))
        return a * x0.numpy() + s * eps.numpy()

    said = noising(in_place, BAR)
    assert not said and said.slip == "its input is overwritten" and "x *= a" in said.cure
    assert noising(wide, BAR) and "returns float64 where float32" in str(noising(wide, BAR))
    assert noising(numbered, BAR) and not noising(numbered, BAR).notes
    broken = noising(lambda x0, t, eps: x0 * math.nan, BAR)
    assert not broken and "not finite" in str(broken)


def test_cases_reach_both_ends():
    t = torch.cat([case.known["t"] for case in draw_cases(clock_of(BAR), (3, 8, 8))])
    assert t.min() < 150 and t.max() > 850 and len(t.unique()) > 20


@pytest.mark.bad_input
def test_no_function_is_refused():
    with pytest.raises(TypeError, match="f must be a function of x0, t and eps, got int"):
        noising(3, BAR)
