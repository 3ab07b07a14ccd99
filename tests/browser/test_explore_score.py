"The score field in the browser: the same score and the same steps as the package, and particles that move."
import numpy as np
import pytest
import torch

from diffusion_math.explore_score import ScoreExplorer
from diffusion_math.forward import Schedule
from diffusion_math.mixture import GaussianMixture
from diffusion_math.plot import PALETTE
from tests.browser.explorable import call, near, seeded

STATE = "document.querySelector('.dm-explorable').explorable"
MEANS, VARIANCES = torch.tensor([[-2.0, 0.0], [1.0, 1.0]]).double(), torch.tensor([[0.01, 1.0], [0.3, 0.1]]).double()
FLAT = GaussianMixture([0.2, 0.8], MEANS, VARIANCES)


def close(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-6, atol=1e-6)


def sets(page, **traits):
    page.evaluate("s => { const { model } = document.querySelector('[data-widget]');"
                  " for (const [k, v] of Object.entries(s)) model.set(k, v); }", traits)
    page.wait_for_function(f"t => {STATE}.state.t === t.t", arg=traits)


@pytest.mark.parametrize("widget", [
    ScoreExplorer(generator=seeded()), ScoreExplorer(FLAT, "cosine", T=30, generator=seeded()),
    ScoreExplorer(FLAT, Schedule.from_beta([0.1, 0.2, 0.5, 0.9]), generator=seeded()),
], ids=["linear", "cosine", "given"])
def test_score_and_steps_are_the_package_s(show, widget):
    page, T = show(widget), widget.T
    x, xi = (torch.randn(25, 2, generator=seeded(s), dtype=torch.float64) * 2 for s in (1, 2))
    table = {"logAlphaBar": widget.q.schedule.log_alpha_bar.tolist()}
    for t in sorted({0, 1, T // 2, T}):
        widget.t = t
        sets(page, t=t)
        law = page.evaluate(f"{STATE}.law")
        close(call(page, "a[1].map(x => m.ask(a[0], x).log)", law, x.tolist()), widget.law.log_prob(x))
        close(call(page, "a[1].map(x => m.score(a[0], x))", law, x.tolist()), widget.law.score(x))
        for widget.sampler in ("ascent", "langevin", "annealed"):
            level = [widget.sampler, table["logAlphaBar"][t]]
            code = "a[1].map((x, i) => m.walk(a[3][0], a[0], a[3][1], x, a[2][i]))"
            close(call(page, code, law, x.tolist(), xi.tolist(), level), widget.step(x, xi))
        if t:
            widget.sampler = "reverse"
            code = "a[1].map((x, i) => m.stepBack(a[0], a[3], a[4], x, a[2][i]))"
            close(call(page, code, law, x.tolist(), xi.tolist(), table, t), widget.step(x, xi))
    close(page.evaluate(f"{STATE}.points"), widget.points)


def test_the_samplers_walk(show):
    widget = ScoreExplorer(T=20, generator=seeded())
    page = show(widget)
    sampler, step = page.get_by_label("Sampler"), page.get_by_role("button", name="One step")
    press = "(n) => { const b = [...document.querySelectorAll('button')].find(b => b.textContent === 'One step');" \
            " for (let i = 0; i < n; i++) b.click(); }"
    real = widget.data.log_prob(widget.data.sample(3000, seeded())).mean().item()
    sampler.select_option("ascent")
    page.evaluate(press, 300)
    assert page.evaluate(f"{STATE}.mean") > real + 0.7           # all on the tops
    sampler.select_option("langevin")
    page.evaluate(press, 150)
    assert abs(page.evaluate(f"{STATE}.mean") - real) < 0.35     # spread over the hills again
    sampler.select_option("reverse")
    step.click()                                                 # at t = 0 it starts anew from noise
    assert page.get_by_label("t noise level").input_value() == "19"
    page.evaluate(press, 19)
    assert page.get_by_label("t noise level").input_value() == "0"
    assert abs(page.evaluate(f"{STATE}.mean") - real) < 0.6
    x, y = page.evaluate(f"{STATE}.points[299]")
    if max(abs(x), abs(y)) < 2.9:                                # the last one is drawn above the others
        assert PALETTE["p"][1:].lower() in near(page.locator(".dm-plot"), x, y)
    said = "document.querySelector('[aria-live]').textContent"
    page.wait_for_function(f"{said}.startsWith('reverse process. Noise level t = 0')")


def test_play_and_pause(show):
    page = show(ScoreExplorer(t=30, sampler="reverse", generator=seeded()))
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"{STATE}.state.t < 28")
    page.get_by_role("button", name="Pause").click()
    t = page.evaluate(f"{STATE}.state.t")
    page.wait_for_timeout(150)
    assert page.evaluate(f"{STATE}.state.t") == t and page.get_by_role("button", name="Play").is_visible()
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate(f"{STATE}.state.t") == 30


def test_nothing_plays_by_itself_where_less_motion_is_asked_for(show):
    page = show(ScoreExplorer(t=30, sampler="reverse", generator=seeded()))
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Ten steps").click()
    assert page.evaluate(f"{STATE}.state.t") == 20
    page.wait_for_timeout(120)
    assert page.evaluate(f"{STATE}.state.t") == 20
