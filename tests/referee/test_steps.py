"Rules of a step: right ones are told from each slip, and each slip from all other names."

from dataclasses import replace

import pytest
import torch

from diffusion_math import DDPM, ForwardProcess, GaussianMixture, linear_schedule
from diffusion_math.referee.steps import RIGHT, RULES, SLIPS, Step, ddim_mean, fits, posterior_mean

F64 = torch.float64
Q = ForwardProcess(linear_schedule(20))
AT = torch.linspace(0, 1, 21, dtype=F64)
CLOCKS = {  # a and s from the data to the noise
    "steps": (Q.schedule.alpha_bar.sqrt(), Q.schedule.noise_var.sqrt()),
    "sigma": (torch.ones(21, dtype=F64), 20 * AT**2),
    "line": (1 - AT[:-1], AT[:-1]),
}


def walk(mean, std, clock="steps", n=4096):
    "Seen steps of a walk by a rule, with a network that overshoots."
    (a, s), dice, rows = CLOCKS[clock], torch.Generator().manual_seed(3), []
    x = (a[-1] ** 2 + s[-1] ** 2).sqrt() * torch.randn(n, generator=dice, dtype=F64)
    for t in range(len(a) - 1, 0, -1):
        size = (a[t] ** 2 + s[t] ** 2).sqrt()
        eps = 0.8 * x * s[t] / size**2 + 0.5 * torch.randn(n, generator=dice, dtype=F64)
        seen = Step(x, (x - s[t] * eps) / a[t], eps, x, a[t], s[t], a[t - 1], s[t - 1])
        x = mean(seen) + std(seen) * torch.randn(n, generator=dice, dtype=F64)
        rows.append(replace(seen, after=x))
    return rows


def explained(steps):
    return [
        r
        for r in RULES
        if all(size < 2e-4 and errors < 6 for size, errors in (fits(r, n) for n in steps))
    ]


ON = {"in sigma": "sigma", "the line": "line", "straight line": "line"}
EVERY = [(rule, next((c for k, c in ON.items() if k in rule.name), "steps")) for rule in RULES]


@pytest.mark.parametrize("rule, clock", EVERY, ids=lambda x: getattr(x, "name", x))
def test_a_walk_is_explained_by_its_own_rule_and_no_other_name(rule, clock):
    found = explained(walk(rule.mean, rule.std, clock))
    assert rule in found and (clock == "steps" or found[0] is rule)
    if rule.slip:
        assert {r.name for r in found} == {rule.name}
    elif clock != "sigma":  # where alpha is 1, some slips are none
        assert not [r for r in found if r.slip]


def ancestral(n, eta=1.0, bend=""):
    "Where a step in sigma goes before its dice, and their deviation, as samplers that count in sigma have it."
    whole = n.s**2 - n.s_next**2 if bend != "sum" else n.s**2 + n.s_next**2
    up = (n.s_next * whole.sqrt() / n.s * eta).clamp(max=n.s_next)
    up = up**2 if bend == "square" else up
    down = (n.s_next**2 - (up if bend == "root" else up**2)).clamp(min=0).sqrt()
    down = n.s_next if bend == "all" else down
    return n.x + (down - n.s) * (n.x - n.x0) / n.s, up


def walked(clock="sigma", **more):
    return explained(
        walk(lambda n: ancestral(n, **more)[0], lambda n: ancestral(n, **more)[1], clock)
    )


def test_an_ancestral_step_in_sigma_is_named():
    found = walked()
    assert found[0].name.startswith("an ancestral step in sigma") and not found[0].slip
    assert not [
        r for r in walked(eta=0.0) if r.slip or "Euler" not in r.name and "DDIM" not in r.name
    ]


@pytest.mark.parametrize(
    "bend, slip",
    [("sum", ""), ("square", ""), ("root", ""), ("all", "all of the noise kept, and dice added")],
)
def test_an_ancestral_step_that_is_bent_is_not(bend, slip):
    found = walked(bend=bend)
    assert not [r for r in found if not r.slip] and {r.name for r in found} == (
        {slip} if slip else set()
    )


def test_a_step_in_sigma_is_a_mistake_on_another_clock():
    "Without dice it is right along a straight line as well, where (x - x0) / s is eps - x0."
    assert not walked("steps") and not walked("steps", eta=0.0) and not walked("line")
    assert "straight line" in walked("line", eta=0.0)[0].name


def test_a_straight_step_is_a_mistake_off_the_line():
    for sign in (1, -1):
        step = lambda n, sign=sign: n.x + sign * (n.s_next - n.s) * (n.eps - n.x0)
        for clock in ("steps", "sigma"):
            assert not explained(walk(step, lambda n: 0 * n.s, clock))


@pytest.mark.parametrize("t", [1, 2, 10, 20])
def test_the_right_means_are_the_packages(t):
    law = GaussianMixture([1.0], torch.zeros(1, 1, dtype=F64), torch.tensor([0.3], dtype=F64))
    p, s = DDPM(law, Q), Q.schedule
    x = torch.linspace(-2, 2, 7, dtype=F64)[:, None]
    said = p.predict(x, t)
    seen = Step(x, said.x0, said.eps, x, s.alpha_bar[t].sqrt(), s.noise_var[t].sqrt(),
                s.alpha_bar[t - 1].sqrt(), s.noise_var[t - 1].sqrt())  # fmt: skip
    torch.testing.assert_close(posterior_mean(seen), p.step(x, t).mean, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(ddim_mean(seen), p.ddim(x, t).mean, rtol=1e-9, atol=1e-12)
    rule = next(r for r in RIGHT if r.mean is posterior_mean)
    assert rule.std(seen).item() == pytest.approx(
        p.step(x, t).std.max().item(), rel=1e-9, abs=1e-12
    )


def test_there_are_slips():
    assert (
        len({r.name for r in SLIPS}) >= 18
        and all(r.cure for r in SLIPS)
        and not [r for r in RIGHT if r.slip]
    )
