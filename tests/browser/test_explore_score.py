"The score field in the browser: the same score and the same steps as the package, and particles that move."

import numpy as np
import pytest
import torch

from diffusion_math import plot
from diffusion_math.explore.score import ScoreExplorer
from diffusion_math.forward import Schedule
from diffusion_math.laws.mixture import GaussianMixture
from tests.browser.explorable import ROOT, call, colours_at, levels, mixed, near, seeded

STATE = "document.querySelector('.dm-explorable').explorable"
MEANS, VARIANCES = (
    torch.tensor([[-2.0, 0.0], [1.0, 1.0]]).double(),
    torch.tensor([[0.01, 1.0], [0.3, 0.1]]).double(),
)
FLAT = GaussianMixture([0.2, 0.8], MEANS, VARIANCES)


def close(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-6, atol=1e-6)


def sets(page, **traits):
    page.evaluate(
        "s => { const { model } = document.querySelector('[data-widget]');"
        " for (const [k, v] of Object.entries(s)) model.set(k, v); }",
        traits,
    )
    page.wait_for_function(f"t => {STATE}.state.t === t.t", arg=traits)


@pytest.mark.parametrize(
    "widget",
    [
        ScoreExplorer(generator=seeded()),
        ScoreExplorer(FLAT, "cosine", T=30, generator=seeded()),
        ScoreExplorer(FLAT, Schedule.from_beta([0.1, 0.2, 0.5, 0.9]), generator=seeded()),
        ScoreExplorer(
            FLAT, Schedule.from_beta([0.5, 1.0, 0.5]), generator=seeded()
        ),  # t = 3: nothing left before
    ],
    ids=["linear", "cosine", "given", "nothing left"],
)
def test_score_and_steps_are_the_package_s(show, widget):
    page, T = show(widget), widget.T
    x, xi = (torch.randn(25, 2, generator=seeded(s), dtype=torch.float64) * 2 for s in (1, 2))
    table = {
        "logAlphaBar": widget.q.schedule.log_alpha_bar.tolist(),
        "beta": widget.q.schedule.beta.tolist(),
    }
    for t in sorted({0, 1, T // 2, T}):
        widget.t = t
        sets(page, t=t)
        law = page.evaluate(f"{STATE}.law")
        close(
            call(page, "a[1].map(x => m.ask(a[0], x).log)", law, x.tolist()), widget.law.log_prob(x)
        )
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


def test_reset_brings_the_same_walk_back(show):
    page = show(ScoreExplorer(T=20, t=15, sampler="annealed", generator=seeded()))
    walk = """() => {
        const press = name => [...document.querySelectorAll('button')].find(b => b.textContent === name).click();
        press('Reset');
        for (let i = 0; i < 6; i++) press('One step');
        const { points, state } = document.querySelector('.dm-explorable').explorable;
        return [points, state.t];
    }"""
    first = page.evaluate(walk)
    page.get_by_role("button", name="One step").click()
    page.get_by_role("button", name="Scatter").click()
    assert page.evaluate(walk) == first and first[1] == 14  # four steps a level


def test_the_shades_are_the_density_s(show):
    "At the middles of its cells, where neither a particle nor an arrow is: 0.75 of the root of the share of the top."
    widget = ScoreExplorer(t=30, generator=seeded())
    plane = show(widget).locator(".dm-plot")
    middle = 3 * ((2 * torch.arange(64, dtype=torch.float64) + 1) / 64 - 1)
    cells = torch.cartesian_prod(middle, middle)
    logs = widget.law.log_prob(cells)
    shares = 0.75 * (logs - logs.max()).exp().sqrt()
    tails = torch.cartesian_prod(
        *2 * [3 * ((2 * torch.arange(17, dtype=torch.float64) + 1) / 17 - 1)]
    )
    along = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None, None]
    scores = widget.law.score(tails)
    long = scores.norm(dim=1, keepdim=True)
    arrows = (tails + along * 0.13 * long.sqrt().clamp(max=2.4) * scores / long).flatten(0, 1)
    free = (torch.cdist(cells, arrows).amin(1) > 0.09) & (
        torch.cdist(cells, widget.points).amin(1) > 0.12
    )
    free &= cells.abs().amax(1) < 2.9
    some = free.nonzero()[::4, 0]
    for i, colour in zip(some, colours_at(plane, cells[some].tolist()), strict=True):
        want = mixed(shares[i].item(), plot.PALETTE["data"][1:])
        assert np.abs(levels(colour) - want).max() <= 3, cells[i]
    assert shares[free].max() > 0.6 and shares[free].min() < 0.1 and free.sum() > 100


def test_the_samplers_walk(show):
    widget = ScoreExplorer(T=20, generator=seeded())
    page = show(widget)
    sampler, step = page.get_by_label("Sampler"), page.get_by_role("button", name="One step")
    press = (
        "(n) => { const b = [...document.querySelectorAll('button')].find(b => b.textContent === 'One step');"
        " for (let i = 0; i < n; i++) b.click(); }"
    )
    real = widget.data.log_prob(widget.data.sample(3000, seeded())).mean().item()
    sampler.select_option("ascent")
    page.evaluate(press, 300)
    assert page.evaluate(f"{STATE}.mean") > real + 0.7  # all on the tops
    sampler.select_option("langevin")
    page.evaluate(press, 150)
    assert abs(page.evaluate(f"{STATE}.mean") - real) < 0.35  # spread over the hills again
    sampler.select_option("reverse")
    step.click()  # at t = 0 it starts anew from noise
    assert page.get_by_label("t noise level").input_value() == "19"
    page.evaluate(press, 19)
    assert page.get_by_label("t noise level").input_value() == "0"
    assert abs(page.evaluate(f"{STATE}.mean") - real) < 0.6
    x, y = next(p for p in reversed(page.evaluate(f"{STATE}.points")) if max(map(abs, p)) < 2.8)
    assert plot.PALETTE["p"][1:].lower() in near(
        page.locator(".dm-plot"), x, y
    )  # the last one inside: above the others
    said = "document.querySelector('[aria-live]').textContent"
    page.wait_for_function(f"{said}.startsWith('reverse process. Noise level t = 0')")


def test_hills_that_noise_has_merged_are_one(show):
    "Three at first; at t = 100 a single one, which holds all particles: nothing is counted for hills that are no more."
    widget = ScoreExplorer(generator=seeded())
    page = show(widget)
    counts = []
    for t in range(0, 101, 5):
        widget.t = t
        sets(page, t=t)
        found = page.evaluate(f"{STATE}.hills")
        counts.append(len(found))
        assert sorted(k for hill in found for k in hill["bells"]) == [0, 1, 2]
        for hill in found:  # a top: no slope, and downhill all around
            top = torch.tensor([hill["top"]], dtype=torch.float64)
            around = top + 0.05 * torch.tensor([[1, 0], [-1, 0], [0, 1], [0, -1]]).double()
            assert widget.law.score(top).norm() < 1e-3
            assert (widget.law.log_prob(around) < widget.law.log_prob(top)).all()
        places = torch.cartesian_prod(*2 * [torch.linspace(-3, 3, 121, dtype=torch.float64)])
        p = widget.law.log_prob(places).view(121, 121)
        tops = torch.nn.functional.max_pool2d(p[None], 3, 1, 1)[0] == p
        if t not in (25, 30, 35, 40):  # while they merge, the grid is too coarse to tell
            assert tops.sum() == len(found), t
        assert len(page.evaluate(f"{STATE}.shares")) == len(found)
        assert sum(page.evaluate(f"{STATE}.shares")) == pytest.approx(1)
    assert counts[0] == 3 and counts[-1] == 1 and counts == sorted(counts, reverse=True)
    text = page.locator(ROOT).inner_text()
    assert "1 of 3" in text and text.count("100 %") == 2


def test_the_share_of_a_hill_is_right_on_average(show):
    "Of draws from q(x_t) each hill gets its bells' weights: a particle counts for each bell by its share of the density there."
    widget = ScoreExplorer(t=20, generator=seeded())
    page = show(widget)
    x = widget.law.sample(4000, seeded(1))
    code = "(points => a[1].map((_, k) => points.map(x => m.ask(a[0], x).shares[k])))(a[2])"
    shares = torch.tensor(call(page, code, page.evaluate(f"{STATE}.law"), [0, 1, 2], x.tolist()))
    means, errors = shares.mean(1), shares.std(1) / 4000**0.5
    assert ((means - torch.tensor([0.5, 0.3, 0.2])).abs() < 4.5 * errors).all()
    shown = torch.tensor(page.evaluate(f"{STATE}.shares"))
    points = page.evaluate(f"{STATE}.points")
    own = torch.tensor(call(page, code, page.evaluate(f"{STATE}.law"), [0, 1, 2], points)).mean(1)
    hills = page.evaluate(f"{STATE}.hills")
    close(shown, [sum(own[k].item() for k in hill["bells"]) for hill in hills])


def test_play_and_pause(show):
    page = show(
        ScoreExplorer(T=1000, t=900, sampler="reverse", generator=seeded())
    )  # long enough to be paused
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"{STATE}.state.t < 898")
    page.get_by_role("button", name="Pause").click()
    t = page.evaluate(f"{STATE}.state.t")
    page.wait_for_timeout(150)
    assert (
        page.evaluate(f"{STATE}.state.t") == t
        and page.get_by_role("button", name="Play").is_visible()
    )
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate(f"{STATE}.state.t") == 900


def test_nothing_plays_by_itself_where_less_motion_is_asked_for(show):
    page = show(ScoreExplorer(t=30, sampler="reverse", generator=seeded()))
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Ten steps").click()
    assert page.evaluate(f"{STATE}.state.t") == 20
    page.wait_for_timeout(120)
    assert page.evaluate(f"{STATE}.state.t") == 20
