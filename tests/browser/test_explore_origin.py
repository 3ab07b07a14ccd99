"Where did it come from, in the browser: the same numbers as the package, and what a drag does."

import numpy as np
import pytest
import torch

from diffusion_math import plot
from diffusion_math.explore.origin import OriginExplorer
from diffusion_math.forward import Schedule, linear_schedule
from diffusion_math.laws.mixture import GaussianMixture
from tests.browser.explorable import call, colour_at, drag_on, inked

STATE = "document.querySelector('.dm-explorable').explorable"
THREE = GaussianMixture(
    [0.2, 0.3, 0.5], torch.tensor([[-3.0], [0.0], [2.0]]).double(), torch.tensor([0.01, 0.5, 1e-3])
)


def put(page, widget, **traits):
    "Move the widget on both sides."
    for name, value in traits.items():
        setattr(widget, name, value)
        page.evaluate(f"document.querySelector('[data-widget]').model.set('{name}', {value})")
        page.wait_for_function(f"{STATE}.state.{name} === {value}")


def heights(page, which, x):
    "The density of a mixture of the front end's."
    code = "a[1].map(x => Math.exp(m.logMixture(a[0], x)))"
    return np.array(call(page, code, page.evaluate(f"{STATE}.{which}"), x.flatten().tolist()))


@pytest.mark.parametrize(
    "widget",
    [
        OriginExplorer(),
        OriginExplorer(THREE, linear_schedule(1000), t=1000),
        OriginExplorer(schedule=Schedule.from_beta([0.2, 1.0, 0.4])),
    ],
    ids=["two", "three", "forgetful"],
)
def test_its_numbers_are_the_package_s(show, widget):
    page = show(widget)
    T, one = widget.q.T, torch.ones(1, 1, dtype=torch.float64)
    x = torch.linspace(-4, 4, 61, dtype=torch.float64)[:, None]
    for t, x_t in [(1, 0.5), (2, -3.5), ((T + 1) // 2, 0.0), (T, 3.5)]:
        put(page, widget, t=t, x=x_t)
        for which in ("origins", "law"):
            ours, theirs = heights(page, which, x), getattr(widget, which).log_prob(x).exp()
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)
        got, box = page.evaluate(f"{STATE}.box"), widget.box
        assert got["mean"] == pytest.approx(box.mean.item(), rel=1e-9, abs=1e-11)
        assert got["variance"] == pytest.approx(box.var.item(), rel=1e-9)
        assert page.evaluate(f"{STATE}.kl") == pytest.approx(widget.kl, rel=1e-4, abs=1e-12)
        guess = page.evaluate(f"{STATE}.guess")
        level = widget.q.schedule.log_snr[t]
        truth = [widget.data.denoise(widget.x_t, level), widget.data.denoise_cov(widget.x_t, level)]
        assert guess["mean"] == pytest.approx(truth[0].item(), rel=1e-9, abs=1e-11)
        assert guess["variance"] == pytest.approx(truth[1].item(), rel=1e-6)
        step = page.evaluate(f"{STATE}.step")
        pairs = ((0 * one, one), (one, 0 * one))
        a, b = (widget.q.posterior(*pair, t).mean.item() for pair in pairs)
        v = widget.q.posterior(one, one, t).var.item()
        assert [step["a"], step["b"], step["v"]] == pytest.approx([a, b, v], rel=1e-9, abs=1e-12)


def test_the_starts_share_the_weights_out_evenly(show):
    widget = OriginExplorer(t=8, x=-0.5)
    page = show(widget)
    starts = torch.tensor(page.evaluate(f"{STATE}.starts"), dtype=torch.float64)
    law = widget.origins
    sd = law.components.var[:, 0].sqrt()
    share = (law.weights * torch.special.ndtr((starts[:, None] - law.means[:, 0]) / sd)).sum(1)
    np.testing.assert_allclose(share, (np.arange(24) + 0.5) / 24, atol=1e-9, rtol=1e-9)


def test_the_area_of_the_unit_bell(show):
    page = show(OriginExplorer())
    z = torch.linspace(-9, 9, 91, dtype=torch.float64)
    np.testing.assert_allclose(
        call(page, "a[0].map((z) => m.right(-z))", z.tolist()),
        torch.special.ndtr(z),
        atol=1e-14,
        rtol=1e-14,
    )


def test_it_answers_a_drag_in_either_picture(show):
    widget = OriginExplorer(t=8, x=0.0)
    page = show(widget)
    upper, lower = page.locator(".dm-plot").all()
    q, p = (plot.PALETTE[name][1:].lower() for name in ("q", "p"))
    drag_on(page, upper, (0, 0.2), (-1, 0.5))
    assert page.get_by_label("x value at step t").get_attribute("aria-valuetext") == "−1"
    drag_on(page, lower, (-1, 0.2), (9, 0.5))  # off the picture: no further than it goes
    assert page.evaluate(f"{STATE}.state.x") == 3.5
    drag_on(page, lower, (3.5, 0.2), (-0.3, 0.2))
    widget.x = page.evaluate(f"{STATE}.state.x")
    assert widget.x == pytest.approx(-0.3)
    y = widget.box.mean - 0.6 * widget.box.std
    assert colour_at(lower, y.item(), widget.box.log_prob(y).exp().item()) == p
    x0 = widget.origins.means[1]
    assert colour_at(upper, x0.item(), widget.origins.log_prob(x0[None]).exp().item()) == q
    guess = page.evaluate(f"{STATE}.guess.mean")
    assert inked(upper, guess, 0.05) and inked(lower, widget.box.mean.item(), -0.02)


def test_at_the_first_step_each_start_is_a_point(show):
    widget = OriginExplorer(t=1, x=1.2)
    page = show(widget)
    starts = page.evaluate(f"{STATE}.starts")
    step = page.evaluate(f"{STATE}.step")
    assert (step["a"], step["b"], step["v"]) == (1, 0, 0)
    lower = page.locator(".dm-plot").nth(1)
    top = 1.16 * widget.law.log_prob(torch.tensor([[starts[12]]]).double()).exp().item()
    assert colour_at(lower, starts[0], 0.06 * top) != "ffffff"
