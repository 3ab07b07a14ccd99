"The bound in the browser: the same terms and the same account as the package, and what a drag does."

import numpy as np
import pytest
import torch

from diffusion_math import plot
from diffusion_math.explore.bound import BoundExplorer
from diffusion_math.forward import cosine_schedule, linear_schedule
from diffusion_math.laws.mixture import GaussianMixture
from tests.browser.explorable import call, colour_at, drag, near

STATE = "document.querySelector('.dm-explorable').explorable"
THREE = GaussianMixture(
    [0.2, 0.3, 0.5], torch.tensor([[-3.0], [0.0], [2.0]]).double(), torch.tensor([0.01, 0.5, 0.05])
)


def same(page, widget):
    "Assert that the browser's account is the package's; it computes the gap on its own, and sums in another order."
    ours, theirs = page.evaluate(f"{STATE}.account"), widget.account()
    got = [ours["entropy"], ours["error"], ours["gap"], ours["bound"]]
    np.testing.assert_allclose(got, theirs, rtol=0, atol=1e-6)
    terms = page.evaluate(f"Array.from({STATE}.account.terms)")
    np.testing.assert_allclose(terms, widget.terms(300), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "widget",
    [
        BoundExplorer(),
        BoundExplorer(T=1),
        BoundExplorer(None, "cosine", 12, shift=0.5, factor=0.5),
        BoundExplorer(THREE, "cosine", 3, shift=0.1, factor=2),
    ],
    ids=["exact", "one step", "wrong", "three"],
)
@pytest.mark.long
def test_the_account_is_the_package_s(show, widget):
    same(show(widget), widget)


@pytest.mark.parametrize("shift, factor", [(0, 1), (0.15, 1.5), (0.5, 0.5), (0.5, 2)])
@pytest.mark.parametrize("kind, make", [("linear", linear_schedule), ("cosine", cosine_schedule)])
def test_where_the_data_is_the_normal_the_model_s_error_has_a_formula(
    show, kind, make, shift, factor
):
    "p(x_0) is a Gaussian then, a hundred steps or one: its mean and variance go back step by step."
    page = show(BoundExplorer())
    code = """m.account(m.chain([{ weight: 1, mean: 0, variance: 1 }],
              m.schedule({ kind: a[0], T: a[1] }), a[1]), { shift: a[2], factor: a[3] }).error"""
    for T in (1, 10, 100):
        mean, var = 0.0, 1.0
        for beta in reversed(make(T).beta[1:].tolist()):
            mean, var = (
                mean * (1 - beta) ** 0.5 + shift * beta**0.5,
                (1 - beta) * var + factor * beta,
            )
        truth = 0.5 * (1 / var + mean**2 / var - 1 + np.log(var))
        assert call(page, code, kind, T, shift, factor) == pytest.approx(truth, rel=1e-7, abs=1e-9)


def test_a_drag_moves_bars_and_ruler(show):
    widget = BoundExplorer()
    page = show(widget)
    bars, ruler = page.locator(".dm-plot").all()
    blue, green, pink, grey, orange = (
        plot.PALETTE[name][1:].lower() for name in ("data", "p", "accent", "noise", "q")
    )
    drag(page, page.get_by_label("means of p off by, in widths"), 0.6)
    drag(page, page.get_by_label("variances of p, times"), 1)
    state = page.evaluate(f"{STATE}.state")
    widget.set_state({"shift": state["shift"], "factor": state["factor"]})
    assert state["factor"] == 2 and state["shift"] == pytest.approx(0.3, abs=0.02)
    same(page, widget)
    a = widget.account()
    assert (
        colour_at(ruler, a.entropy / 2, 0.5) == blue
        and colour_at(ruler, a.entropy + a.model_error / 2, 0.5) == pink
    )
    assert colour_at(ruler, a.bound - a.gap / 2, 0.5) == grey and "1f2328" in near(
        ruler, a.bound, 0.95
    )
    terms = widget.terms(200)
    assert (
        colour_at(bars, 0, terms[0] / 2) == orange and colour_at(bars, 3, 0.9 * terms[3]) == green
    )
    assert colour_at(bars, 3, 1.2 * terms[3]) != green
    page.get_by_label("T steps in all").press("End")
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.startsWith('100 steps, linear')"
    )
    assert len(page.evaluate(f"Array.from({STATE}.account.terms)")) == 101


@pytest.mark.long
def test_what_was_kept_stays_below_and_what_changed_is_said(show):
    "The lesson of 5.7: variances too small, then means off. The bound falls, and the model's error grows."
    first, second = BoundExplorer(factor=0.7), BoundExplorer(shift=0.2)
    page = show(first)
    note = page.locator(".dm-note")
    assert note.text_content().startswith("The bound is the sum of the bars.")
    page.get_by_role("button", name="Keep this").click()
    assert note.text_content() == "Since then: bound 0, model's error 0, gap 0 nats."
    drag(page, page.get_by_label("means of p off by, in widths"), 0.4)
    drag(page, page.get_by_label("variances of p, times"), 1 / 3)
    state = page.evaluate(f"{STATE}.state")
    assert (state["shift"], state["factor"]) == (pytest.approx(0.2), pytest.approx(1))
    a, b = first.account(), second.account()
    bound, error, gap = b.bound - a.bound, b.model_error - a.model_error, b.gap - a.gap
    said = f"bound {bound:+.4f}, model's error {error:+.4f}, gap {gap:+.4f} nats".replace("-", "−")
    assert note.text_content() == (
        f"Since then: {said}. The bound fell, and the model's error grew."
    )
    _, ruler = page.locator(".dm-plot").all()
    grey, pink = (plot.PALETTE[name][1:].lower() for name in ("noise", "accent"))
    assert colour_at(ruler, a.bound - a.gap / 2, 0.18) == grey
    assert colour_at(ruler, b.entropy + b.model_error / 2, 0.65) == pink
    assert colour_at(ruler, b.bound + 0.05, 0.65) not in (grey, pink)
