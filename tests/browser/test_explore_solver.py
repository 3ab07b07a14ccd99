"Few calls, in a page: every solver walks there as in the package, on any grid, and a guess is answered."

import numpy as np
import pytest
import torch

from diffusion_math import SOLVERS, Solver, even_grid, karras_grid, quantile_flow, solve
from diffusion_math.explore.solver import SolverExplorer
from diffusion_math.laws.mixture import GaussianMixture
from tests.browser.explorable import as_js, call, drag_on, settled

STATE = "document.querySelector('.dm-explorable').explorable"
THREE = GaussianMixture(
    [0.2, 0.3, 0.5], torch.tensor([[-3.0], [0.0], [2.0]]).double(), torch.tensor([0.1, 0.5, 0.03])
)
UNEVEN = [-8.0, -5.5, -3.7, -1.2, 0.0, 0.9, 2.8, 3.3, 6.0]  # no two steps alike
GRIDS = [even_grid(-8, 6, 1), even_grid(-8, 6, 9), karras_grid(-8, 6, 14), torch.tensor(UNEVEN)]
HEUN = ((1.0, (1.0,)),)
MORE = {
    "heun-x0": Solver("heun-x0", 2, stages=HEUN),
    "heun-velocity": Solver("heun-velocity", 2, "velocity", stages=HEUN),
}
WALKED = {name: one for name, one in SOLVERS.items() if not one.dial} | MORE


def test_every_solver_walks_as_in_the_package(show):
    widget = SolverExplorer(THREE)
    page, x = show(widget), torch.linspace(-2.5, 2.5, 7, dtype=torch.float64)[:, None]
    table = page.evaluate("document.querySelector('[data-widget]').model.get('_table')")
    assert [one["name"] for one in table] == list(WALKED)
    for one in table:
        for grid in GRIDS:
            args = as_js(THREE), one, grid.tolist(), x.flatten().tolist()
            code = "(({ path, asked }) => [path, asked.length])(m.walk(...a))"
            ours, asked = call(page, code, *args)
            theirs = solve(THREE, x, grid, WALKED[one["name"]], trajectory=True)[..., 0]
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, err_msg=one["name"])
            assert asked == (len(grid) - 1) * WALKED[one["name"]].calls


def test_another_rule_is_noticed(show):
    "A control: half a bend makes another walk."
    page, grid = show(SolverExplorer(THREE)), GRIDS[1]
    table = page.evaluate("document.querySelector('[data-widget]').model.get('_table')")
    half = next(one for one in table if one["name"] == "3m-half")
    ours = call(page, "m.walk(...a).path.at(-1)", as_js(THREE), half, grid.tolist(), [0.5])
    theirs = solve(THREE, torch.tensor([[0.5]]).double(), grid, "3m").item()
    assert abs(ours[0] - theirs) > 1e-3


def test_grids_and_places_are_the_package_s(show):
    page = show(SolverExplorer())
    for name, make in (("evenGrid", even_grid), ("rootGrid", karras_grid)):
        for steps in (1, 5, 40):
            ours = call(page, f"m.{name}(a[0])", steps)
            np.testing.assert_allclose(ours, make(-8, 6, steps), rtol=1e-12, atol=1e-12)
    place, weight = np.polynomial.legendre.leggauss(24)
    ours = np.array(sorted(call(page, "m.gauss()")))
    np.testing.assert_allclose(ours.T, [(1 + place) / 2, weight / 2], atol=1e-15, rtol=1e-15)


@pytest.mark.parametrize("mixture", [None, THREE], ids=["two", "three"])
@pytest.mark.parametrize("start", [-2.0, 0.4, 3.0])
def test_the_exact_end_is_that_of_the_ranks(show, mixture, start):
    "It is walked by fine steps, so only to their own error."
    widget = SolverExplorer(mixture, start=start)
    ours = show(widget).evaluate(f"{STATE}.exact")
    assert ours == pytest.approx(widget.exact, abs=2e-8)


def test_each_choice_is_walked_and_measured(show):
    widget = SolverExplorer(THREE, guess="ddim", plans=[UNEVEN, even_grid(-8, 6, 4)])
    page = show(widget)
    for solver, grid, calls in (("rk4", "even", 11), ("unipc3", "rho7", 13), ("3m", "given", 9)):
        page.get_by_label("Solver", exact=True).select_option(solver)
        page.get_by_label("Steps", exact=True).select_option(grid)
        page.evaluate(f"document.querySelector('[data-widget]').model.set('calls', {calls})")
        settled(page)
        widget.solver, widget.grid, widget.calls = solver, grid, calls
        np.testing.assert_allclose(
            page.evaluate(f"{STATE}.levels"), widget.levels, atol=1e-12, rtol=1e-12
        )
        np.testing.assert_allclose(
            page.evaluate(f"{STATE}.path"), widget.path, atol=1e-9, rtol=1e-9
        )
        assert page.evaluate(f"{STATE}.off") == pytest.approx(widget.off, abs=2e-8)
        line = dict(page.evaluate(f"{STATE}.line"))
        assert line[page.evaluate(f"{STATE}.calls")] == page.evaluate(f"{STATE}.off")
    assert [calls for calls, _ in page.evaluate(f"{STATE}.line")] == [4, 8]  # as many as were given


def test_a_guess_is_answered_and_shows_all_errors(show):
    widget = SolverExplorer()
    page = show(widget)
    assert page.locator(".dm-plot").count() == 1 and page.get_by_text("guess first").count() > 0
    page.get_by_label("Your guess: nearest with 6 calls").select_option("heun")
    page.wait_for_selector(".dm-plot >> nth=1")
    settled(page)
    off = {}
    for name in ("euler", "ddim", "heun", "heun-velocity"):
        widget.solver = name
        off[name] = f"{name} {widget.off:.2g}"
    said = page.locator(".dm-reveal p").text_content()
    assert all(text in said for text in off.values()) and "You guessed heun." in said
    order = sorted(off, key=lambda name: float(off[name].split()[1]))
    assert said.index(off[order[0]]) < said.index(off[order[1]]) < said.index(off[order[3]])
    heun, law = dict(page.evaluate(f"{STATE}.line")), widget.data
    x = torch.tensor(widget._crowd).double()[:, None]
    ends = solve(law, x, even_grid(-8, 6, 40), "ddim") - quantile_flow(law, x, -8, 6)
    assert heun[40] < ends.abs().mean() and 4 in heun and 5 not in heun  # two calls a step
    page.get_by_role("button", name="Reset").click()
    assert page.locator(".dm-plot").count() == 1


def test_a_drag_moves_the_start_and_the_scale_waits_for_its_end(show):
    page = show(SolverExplorer(start=0.0, calls=4))
    plot = page.locator(".dm-plot").first
    top = plot.evaluate("c => c.place(0, 4)[1]")
    before = page.evaluate(f"[{STATE}.exact, {STATE}.end]")
    drag_on(page, plot, (-8, 0.0), (-8, -1.5))
    assert page.evaluate(f"{STATE}.state.start") == pytest.approx(-1.5, abs=0.1)
    after = page.evaluate(f"[{STATE}.exact, {STATE}.end]")
    assert after[0] < before[0] and after[1] < -4  # Heun's two steps lead far away
    assert plot.evaluate("c => c.place(0, 4)[1]") > top + 20
