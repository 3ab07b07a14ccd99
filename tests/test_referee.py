"The referee on code that nobody wrote down: right code in many styles, every slip, small errors; and in a user's tests."

import os
import textwrap

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_math import Schedule, referee
from diffusion_math.referee.clock import clock_of
from diffusion_math.referee.loss import KINDS, TARGET_SLIPS
from diffusion_math.referee.noising import SLIPS as NOISING_SLIPS
from diffusion_math.referee.noising import beside, noising
from diffusion_math.referee.posterior import (
    MEAN,
    MEAN_SLIPS,
    VAR,
    VAR_SLIPS,
    numbers_back,
    posterior,
    with_neighbours,
)
from diffusion_math.referee.schedule import SLIPS as TABLE_SLIPS

F32, F64 = torch.float32, torch.float64


def few(n):
    return settings(max_examples=n, derandomize=True)


@st.composite
def tables(draw, most=120):
    "alpha-bar of a schedule that nobody knows: log SNR falls from little noise to much, by uneven steps."
    T, high, low = draw(st.integers(24, most)), draw(st.floats(5, 9)), draw(st.floats(-11, -8))
    dice = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    steps = (0.5 + torch.rand(T, generator=dice, dtype=F64)).cumsum(0)
    share = (steps - steps[0]) / (steps[-1] - steps[0])
    bend = draw(st.floats(0.7, 1.4))
    return torch.sigmoid(high + (low - high) * share**bend)


events = st.sampled_from([(3, 8, 8), (1, 5), (2,), (1, 28, 28)])
amounts = st.floats(0.03, 0.3).flatmap(lambda c: st.sampled_from([c, -c]))


# ---- right code in another style


def noise_styles(bar):
    "The same line, as people write it."
    root, rest = bar.sqrt(), (1 - bar).sqrt()
    row = lambda c, x: c.reshape(-1, *[1] * (x.ndim - 1))

    def in_numpy(x, t, e):
        a = np.asarray(bar)[np.asarray(t)].reshape(-1, *[1] * (x.ndim - 1))
        return np.sqrt(a) * x.numpy() + np.sqrt(1 - a) * e.numpy()

    def with_dice(x, t, e, generator=None):
        noise = torch.randn(x.shape, generator=generator) if e is None else e
        return row(root[t], x) * x + row(rest[t], x) * noise

    return [
        with_dice,
        in_numpy,
        lambda x, t, e: torch.addcmul(row(root.gather(0, t), x) * x, row(rest.gather(0, t), x), e),
        lambda x, t, e: torch.stack(
            [root[i] * y + rest[i] * n for y, i, n in zip(x, t, e, strict=True)]
        ),
        lambda x, t, e: (row(root[t], x).to(x) * x + row(rest[t], x).to(x) * e).to(x),
    ]


@few(12)
@given(tables(), events, st.sampled_from([F32, F64]), st.integers(0, 4))
def test_noising_is_right_in_any_style(bar, event, dtype, style):
    bar = bar.to(dtype)
    for table in (bar, bar.tolist(), bar.numpy()):
        said = noising(noise_styles(bar)[style], table, event_shape=event)
        assert said, said


@few(12)
@given(tables(), events, st.booleans())
def test_a_step_back_is_right_in_any_style(bar, event, pair):
    before = torch.cat([torch.ones(1, dtype=F64), bar[:-1]])
    beta = 1 - bar / before
    row = lambda c, x: c.view(-1, *[1] * (x.ndim - 1))

    def by_coefficients(x_t, x0, t):
        one, two = before.sqrt() * beta / (1 - bar), (1 - beta).sqrt() * (1 - before) / (1 - bar)
        return row(one[t], x0) * x0 + row(two[t], x0) * x_t, (beta * (1 - before) / (1 - bar))[t]

    def by_eps(x_t, x0, t):
        eps = (x_t - row(bar[t].sqrt(), x0) * x0) / row((1 - bar[t]).sqrt(), x0)
        mean = (x_t - row(beta[t] / (1 - bar[t]).sqrt(), x0) * eps) / row((1 - beta[t]).sqrt(), x0)
        return mean, row((beta * (1 - before) / (1 - bar))[t], x0), "and more"

    said = posterior(by_eps if pair else by_coefficients, bar, event_shape=event)
    assert said, said
    assert posterior(by_coefficients, Schedule.from_alpha_bar(bar)).slip == "one step too late"


def lossy(bar, kind, dtype=F32, off=None, own=False):
    "A loss with a target, and a share of something that does not belong there."
    clock = clock_of(bar)

    def f(network, x0, dice=None):
        x0 = x0.to(dtype)
        t = torch.randint(0, len(bar), (len(x0),), generator=dice)
        eps = torch.randn(x0.shape, generator=dice, dtype=dtype)
        a, s = (beside(c[t], x0) for c in (clock.a, clock.s))
        goal = KINDS[kind](x0=x0, eps=eps, a=a, s=s)
        goal = goal if off is None else goal + off(x0=x0, eps=eps, a=a, s=s)
        return (network(a * x0 + s * eps, t) - goal).square().mean()

    return (lambda network, x0, generator: f(network, x0, generator)) if own else f


@few(6)
@given(tables(), st.sampled_from(list(KINDS)), st.sampled_from([F32, F64]), st.booleans())
def test_a_loss_is_right_in_any_style(bar, kind, dtype, own):
    said = referee.loss(lossy(bar, kind, dtype, own=own), bar, predicts=kind)
    assert said and said.right, said


def ancestral(bar, own=False, off=0.0, ddim=False):
    "The loop of DDPM, or DDIM's, with a step that may go a little too far."
    before = torch.cat([torch.ones(1, dtype=F64), bar[:-1]])

    def f(network, shape, dice=None):
        x = torch.randn(shape, generator=dice)
        for t in range(len(bar) - 1, -1, -1):
            eps = (1 + off) * network(x, torch.tensor([t]))
            x0, beta = (x - (1 - bar[t]).sqrt() * eps) / bar[t].sqrt(), 1 - bar[t] / before[t]
            if ddim:
                x = before[t].sqrt() * x0 + (1 - before[t]).sqrt() * eps
                continue
            x = (x - beta / (1 - bar[t]).sqrt() * eps) / (1 - beta).sqrt()
            spread = (beta * (1 - before[t]) / (1 - bar[t])).sqrt()
            x = x + spread * torch.randn(shape, generator=dice)
        return x.float()

    return (lambda network, shape, generator: f(network, shape, generator)) if own else f


@few(5)
@given(tables(32), st.booleans(), st.booleans())
def test_a_sampler_is_right_in_any_style(bar, own, ddim):
    said = referee.sampler(ancestral(bar, own, ddim=ddim), bar)
    assert said and ("DDIM" if ddim else "posterior") in str(said), said


@few(12)
@given(st.integers(0, 4), events, st.booleans())
def test_guidance_is_right_in_any_style(style, event, zero):
    by_one = [
        lambda t, u, w: u + w * (t - u),
        lambda t, u, w: torch.lerp(u, t, w),
        lambda t, u, w: w * t - (w - 1) * u,
        lambda t, u, w: (1 - w) * np.asarray(u) + w * np.asarray(t),
        lambda t, u, w: torch.stack([t, u], -1) @ torch.tensor([w, 1 - w], dtype=t.dtype),
    ][style]
    f = (lambda t, u, w: by_one(t, u, 1 + w)) if zero else by_one
    said = referee.guidance(f, event_shape=event, paper="Ho & Salimans 2022" if zero else "Imagen")
    assert said, said


# ---- every slip, on schedules that nobody knows


def every(slips):
    return st.sampled_from([(s.name, make) for s in slips for make in s.makes])


def numbers(bar, t):
    clock = clock_of(bar)
    place = clock.place(t)
    return {"a": clock.a[place], "s": clock.s[place], "place": place, "clock": clock, "t": t}


@few(25)
@given(tables(), every(NOISING_SLIPS))
def test_slips_of_noising_are_named_and_none_is_taken_for_another(bar, slip):
    name, make = slip
    only_sigma = (
        name == "x_0 scaled as well"
    )  # of a table of alpha-bar it is no slip: it may be right
    f = lambda x, t, e: make(x0=x.double(), eps=e.double(), **numbers(bar, t))
    said = noising(f, bar)
    assert only_sigma or (not said and said.slip == name), (name, said)


MEANS = with_neighbours(MEAN, MEAN_SLIPS)
VARS = with_neighbours(VAR, VAR_SLIPS)


@few(25)
@given(tables(), every(MEANS) | every(VARS))
def test_slips_of_a_step_back_are_named_and_none_is_taken_for_another(bar, slip):
    name, make = slip
    of_mean = make in [m for s in MEANS for m in s.makes]

    def f(x_t, x0, t):
        known = numbers(bar, t)
        known["n"] = numbers_back(known["clock"], known["place"])
        known |= {"x0": x0.double(), "x_t": x_t.double()}
        mean = (make if of_mean else MEAN)(**known)
        return mean, (VAR if of_mean else make)(**known)

    said = posterior(f, bar)
    assert not said and said.slip == name, (name, said)


@few(20)
@given(tables(), every(TARGET_SLIPS))
def test_slips_of_a_target_are_named_and_none_is_taken_for_another(bar, slip):
    name, make = slip

    def f(x0, t, eps):
        k = numbers(bar, t)
        return make(x0=x0, eps=eps, a=beside(k["a"], x0), s=beside(k["s"], x0))

    said = referee.target(f, bar)
    assert not said and said.slip == name, (name, said)


@few(20)
@given(tables(), every(TABLE_SLIPS))
def test_slips_of_a_table_are_named_and_none_is_taken_for_another(bar, slip):
    name, make = slip
    beta = 1 - bar / torch.cat([torch.ones(1, dtype=F64), bar[:-1]])
    said = referee.schedule(make(bar, beta), beta)
    assert not said and said.slip == name, (name, said)


# ---- small errors


@few(12)
@given(tables(), amounts, st.integers(0, 5))
def test_a_small_error_is_never_right_and_never_a_slip(bar, c, kind):
    a, s = bar.sqrt(), (1 - bar).sqrt()
    one = beside
    bent = [
        lambda x, t, e: one((1 + c) * a[t], x) * x + one(s[t], x) * e,
        lambda x, t, e: one(a[t], x) * x + one((1 + c) * s[t], x) * e,
        lambda x, t, e: one(a[t], x) * x + one(s[t], x) * e + c,
        lambda x, t, e: one(a[t], x) * x + one(s[t] ** (1 + c), x) * e,
        lambda x, t, e: one(a[t], x) * x + one(s[t], x) * e + c * x.square(),
        lambda x, t, e: one(a[t], x) * x + one(s[t], x) * e.flip(-1) * c + one(s[t], x) * e,
    ][kind]
    said = noising(bent, bar)
    assert not said and not said.slip, said
    before = torch.cat([torch.ones(1, dtype=F64), bar[:-1]])
    beta = 1 - bar / before

    def back(x_t, x0, t):
        parts = [before.sqrt() * beta / (1 - bar), (1 - beta).sqrt() * (1 - before) / (1 - bar),
                 beta * (1 - before) / (1 - bar)]  # fmt: skip
        parts[kind % 3] = parts[kind % 3] * (1 + c)
        return one(parts[0][t], x0) * x0 + one(parts[1][t], x0) * x_t, parts[2][t]

    said = posterior(back, bar)
    assert not said and not said.slip, said


@few(6)
@given(tables(), amounts, st.sampled_from(["eps", "x0", "v", "velocity"]), st.booleans())
def test_a_small_error_in_a_target_is_never_right_and_never_a_slip(bar, c, kind, other):
    off = lambda x0, eps, a, s: c * (x0 if other else KINDS[kind](x0=x0, eps=eps, a=a, s=s))
    said = referee.loss(lossy(bar, kind, off=off), bar)
    assert not said and not said.slip, said


@few(5)
@given(tables(32), st.sampled_from([0.04, -0.05, 0.1]), st.booleans())
def test_a_small_error_in_a_step_is_never_right_and_never_a_slip(bar, c, ddim):
    said = referee.sampler(ancestral(bar, off=c, ddim=ddim), bar)
    assert not said and not said.slip, said


@few(12)
@given(amounts, st.integers(0, 4), st.booleans())
def test_a_small_error_in_guidance_is_never_right_and_never_a_slip(c, kind, zero):
    right = (lambda t, u, w: (1 + w) * t - w * u) if zero else (lambda t, u, w: u + w * (t - u))
    bent = [
        lambda t, u, w: right(t, u, w * (1 + c)),
        lambda t, u, w: right(t, u, w + c),
        lambda t, u, w: right(t, u, w) * (1 + c),
        lambda t, u, w: right(t, u, w) + c * u,
        lambda t, u, w: right(t, u, w) + c * t.square(),
    ][kind]
    said = referee.guidance(bent)
    assert not said and not said.slip, said


# ---- in a user's own tests


def test_a_failing_check_is_read_as_it_is(tmp_path, capsys):
    "Under pytest check prints all of a verdict in its lines; a bare assert prints one line of it, and elides nothing."
    file = tmp_path / "test_mine.py"
    file.write_text(textwrap.dedent('''
        import torch
        from diffusion_math import referee

        BAR = (1 - torch.linspace(1e-4, 0.2, 100)).cumprod(0)


        def noise(x0, t, eps, power=1):
            a = BAR[t].view(-1, 1, 1, 1)
            return a.sqrt() * x0 + (1 - a) ** power * eps


        def test_wrong():
            referee.noising(noise, BAR).check()


        def test_wrong_too():
            assert referee.noising(noise, BAR)


        def test_right():
            referee.noising(lambda *a: noise(*a, power=0.5), BAR).check()
    '''))  # fmt: skip
    off = [
        word
        for name in ("cacheprovider", "xdist", "hypothesispytest")
        for word in ("-p", f"no:{name}")
    ]
    pytest.main(["-q", *off, "-c", os.devnull, str(file)])
    came = capsys.readouterr().out
    assert "2 failed, 1 passed" in came, came
    first = 'AssertionError: noising: wrong: it equals the slip "a variance for its root" to '
    cure = (
        "Scale eps by the root of its variance: sqrt(1 - alpha-bar), or sigma and not its square."
    )
    lines = came.splitlines()
    place = next(i for i, line in enumerate(lines) if first in line)
    assert cure in lines[place + 1] and "See chapter 3, (3.9)." in lines[place + 2]
    bare = next(line for line in lines if "assert noising: wrong" in line)
    assert cure in bare and "\\n" not in bare and "..." not in bare
