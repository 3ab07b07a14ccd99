"Rules of a step: right ones are told from each slip, and each slip from all other names."

import pytest
import torch

from diffusion_math import DDPM, ForwardProcess, GaussianMixture, linear_schedule
from diffusion_math.referee.steps import RIGHT, RULES, SLIPS, Step, ddim_mean, fits, posterior_mean

F64 = torch.float64
Q = ForwardProcess(linear_schedule(20))


def walk(rule, n=4096):
    "Seen steps of a walk by a rule, with a network that overshoots."
    dice, s = torch.Generator().manual_seed(3), Q.schedule
    x, rows = torch.randn(n, generator=dice, dtype=F64), []
    for t in range(20, 0, -1):
        a, d = s.alpha_bar[t].sqrt(), s.noise_var[t].sqrt()
        eps = 0.8 * x * d + 0.5 * torch.randn(n, generator=dice, dtype=F64)
        seen = Step(
            x, (x - d * eps) / a, eps, x, a, d, s.alpha_bar[t - 1].sqrt(), s.noise_var[t - 1].sqrt()
        )
        x = rule.mean(seen) + rule.std(seen) * torch.randn(n, generator=dice, dtype=F64)
        rows.append(Step(seen.x, seen.x0, eps, x, seen.a, seen.s, seen.a_next, seen.s_next))
    return rows


def explained(steps):
    return [
        r
        for r in RULES
        if all(size < 2e-4 and errors < 6 for size, errors in (fits(r, n) for n in steps))
    ]


OTHER_CLOCKS = ("straight", "sigma", "along the line")  # their rules walk in test_sampler.py
HERE = [rule for rule in RULES if not any(word in rule.name for word in OTHER_CLOCKS)]


@pytest.mark.parametrize("rule", HERE, ids=lambda rule: rule.name)
def test_a_walk_is_explained_by_its_own_rule_and_no_other_name(rule):
    found = explained(walk(rule))
    assert rule in found
    if rule.slip:
        assert {r.name for r in found} == {rule.name}
    else:
        assert not [r for r in found if r.slip]


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
    assert RIGHT[0].std(seen).item() == pytest.approx(
        p.step(x, t).std.max().item(), rel=1e-9, abs=1e-12
    )


def test_there_are_slips():
    assert (
        len({r.name for r in SLIPS}) >= 18
        and all(r.cure for r in SLIPS)
        and not [r for r in RIGHT if r.slip]
    )
