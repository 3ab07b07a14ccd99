"The explorables over one number in the browser: the same numbers as the package, and what a drag does."
import numpy as np
import pytest
import torch

from diffusion_math.explore_mixture import MeltingExplorer, ReverseExplorer
from diffusion_math.forward import Schedule
from diffusion_math.mixture import GaussianMixture
from diffusion_math.plot import PALETTE
from tests.browser.explorable import call, colour_at, drag_on, place, seeded

STATE = "document.querySelector('.dm-explorable').explorable"


def close(ours, theirs, tol=1e-6):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=tol, atol=tol)


def as_js(law):
    "A mixture over one number as the front end has it."
    rows = zip(law.weights.tolist(), law.means.flatten().tolist(), law._c.var[:, 0].tolist(), strict=True)
    return [{"weight": w, "mean": m, "variance": v} for w, m, v in rows]


# ------------------------------------------------------------------------------------------------ the melting density

THREE = GaussianMixture([0.2, 0.3, 0.5], torch.tensor([[-3.0], [0.0], [2.0]]).double(), torch.tensor([0.01, 0.5, 1e-3]))


@pytest.mark.parametrize("widget", [
    MeltingExplorer(t=200, generator=seeded()),
    MeltingExplorer(THREE, "cosine", T=37, t=37, generator=seeded()),
    MeltingExplorer(THREE, Schedule.from_beta([0.0, 0.3, 1.0, 0.5]), t=1, generator=seeded()),
], ids=["linear", "cosine", "given"])
def test_the_melting_density_s_numbers_are_the_package_s(show, widget):
    page = show(widget)
    times = sorted({0, 1, widget.T // 3, widget.T})
    x = torch.linspace(-4, 4, 41, dtype=torch.float64)
    for t in times:
        widget.t = t
        page.evaluate(f"document.querySelector('[data-widget]').model.set('t', {t})")
        page.wait_for_function(f"{STATE}.state.t === {t}")
        ours = call(page, "a[1].map(x => m.logMixture(a[0], x))", page.evaluate(f"{STATE}.law"), x.tolist())
        theirs = widget.law.log_prob(x[:, None])
        close(np.exp(ours), theirs.exp())
        close(ours, theirs)
        close(page.evaluate(f"{STATE}.kl"), widget.kl)
    paths = page.evaluate(f"{STATE}.paths")
    close(np.array(paths).T, widget.paths)


def test_melting_answers_a_drag_on_its_map(show):
    widget = MeltingExplorer(t=200, generator=seeded())
    page = show(widget)
    whole, one = page.locator(".dm-plot").all()
    q, data = (PALETTE[name][1:].lower() for name in ("q", "data"))
    assert colour_at(whole, 200, 3.5) == q and colour_at(whole, 0, 1.5) == data
    drag_on(page, whole, (500, 3), (700, -3))                    # anywhere: the line of t
    assert page.get_by_label("t steps taken").input_value() == "700" and colour_at(whole, 700, 3.5) == q
    drag_on(page, whole, (0, -2), (30, 0.5))                     # near a bell of the data: the bell, and not t
    assert page.evaluate(f"{STATE}.state.means") == [0.5, 1.5]
    assert page.get_by_label("middle of bell 1").get_attribute("aria-valuetext") == "0.5"
    assert page.get_by_label("t steps taken").input_value() == "700" and colour_at(whole, 0, 0.5) == data
    widget.set_state({"t": 700, "means": [0.5, 1.5]})
    close(page.evaluate(f"{STATE}.kl"), widget.kl)
    page.get_by_label("Schedule").select_option("cosine")
    widget.schedule = "cosine"
    close(page.evaluate(f"{STATE}.kl"), widget.kl)
    x = torch.tensor([[0.8]], dtype=torch.float64)
    assert colour_at(one, widget.law.log_prob(x).exp().item(), 0.8) == q       # the curve passes where Python says
    assert "0.5 and 1.5" in page.locator("[aria-live]").text_content() or page.wait_for_timeout(500) is None
    drag_on(page, whole, (0, 1.5), (0, 9))                       # off the picture: no further than it goes
    assert page.evaluate(f"{STATE}.state.means") == [0.5, 3.5]
    assert place(whole, 0, 3.5)[0][1] > 0


# ------------------------------------------------------------------------------------------------------ the step back

@pytest.mark.parametrize("widget", [
    ReverseExplorer(generator=seeded()), ReverseExplorer(THREE, signal=1, generator=seeded()),
], ids=["two", "three"])
def test_the_step_back_s_numbers_are_the_package_s(show, widget):
    page = show(widget)
    for beta, x in [(1e-4, 0.5), (0.01, -3.5), (0.7, 0.0), (1, 3.5)]:
        widget.beta, widget.x = beta, x
        page.evaluate("""([beta, x]) => {
            const { model } = document.querySelector('[data-widget]');
            model.set('beta', beta); model.set('x', x);
        }""", [beta, x])
        page.wait_for_function(f"{STATE}.state.x === {x} && {STATE}.state.beta === {beta}")
        law, best, best_sd = widget.law, widget.best, widget.best.std.item()
        y = best.mean.item() + best_sd * torch.linspace(-4, 4, 41, dtype=torch.float64)
        ours = call(page, "a[1].map(y => Math.exp(m.logMixture(a[0], y)))", page.evaluate(f"{STATE}.law"), y.tolist())
        close(np.array(ours) * best_sd, law.log_prob(y[:, None]).exp() * best_sd)
        got = page.evaluate(f"{STATE}.best")
        close([got["mean"], got["variance"] / best_sd**2], [best.mean.item(), 1])
        kl = page.evaluate(f"{STATE}.kl")
        close(kl, widget.kl)
        assert kl == pytest.approx(widget.kl, rel=1e-3, abs=1e-25)         # the small ones too
    close(page.evaluate(f"{STATE}.pairs"), widget.pairs)


def test_the_step_back_answers_a_drag(show):
    widget = ReverseExplorer(generator=seeded())
    page = show(widget)
    cloud, one = page.locator(".dm-plot").all()
    drag_on(page, cloud, (2, 0), (-1, 1.5))
    widget.x = 1.5
    assert page.get_by_label("x value after the step").get_attribute("aria-valuetext") == "1.5"
    close(page.evaluate(f"{STATE}.kl"), widget.kl)
    assert colour_at(cloud, -3.9, 1.5) == PALETTE["q"][1:].lower()
    y = widget.best.mean + 0.3 * widget.best.std
    assert colour_at(one, y, widget.law.log_prob(y).exp()) == PALETTE["q"][1:].lower()
    live = page.locator("[aria-live]")
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('2 humps')")
    page.get_by_label("β variance of the step's noise").press("Home")
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('one hump')")
    assert live.text_content().startswith("Beta 0.0001, slice at 0.")
