"The explorables over one number in the browser: the same numbers as the package, and what a drag does."

import numpy as np
import pytest
import torch

from diffusion_math import plot
from diffusion_math.explore.melting import MeltingExplorer
from diffusion_math.explore.reverse import ReverseExplorer
from diffusion_math.forward import Schedule, cosine_schedule
from diffusion_math.laws.mixture import GaussianMixture
from tests.browser.explorable import (
    as_js,
    call,
    colour_at,
    colours_at,
    drag_on,
    inked,
    inks,
    levels,
    mixed,
    place,
    seeded,
)

STATE = "document.querySelector('.dm-explorable').explorable"


def close(ours, theirs, tol=1e-6):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=tol, atol=tol)


# ------------------------------------------------------------------------------------------------ the melting density

THREE = GaussianMixture(
    [0.2, 0.3, 0.5], torch.tensor([[-3.0], [0.0], [2.0]]).double(), torch.tensor([0.01, 0.5, 1e-3])
)


@pytest.mark.parametrize(
    "widget",
    [
        MeltingExplorer(t=200, generator=seeded()),
        MeltingExplorer(THREE, "cosine", T=37, t=37, generator=seeded()),
        MeltingExplorer(THREE, Schedule.from_beta([0.0, 0.3, 1.0, 0.5]), t=1, generator=seeded()),
    ],
    ids=["linear", "cosine", "given"],
)
def test_the_melting_density_s_numbers_are_the_package_s(show, widget):
    page = show(widget)
    times = sorted({0, 1, widget.T // 3, widget.T})
    x = torch.linspace(-4, 4, 41, dtype=torch.float64)
    for t in times:
        widget.t = t
        page.evaluate(f"document.querySelector('[data-widget]').model.set('t', {t})")
        page.wait_for_function(f"{STATE}.state.t === {t}")
        ours = call(
            page, "a[1].map(x => m.logMixture(a[0], x))", page.evaluate(f"{STATE}.law"), x.tolist()
        )
        theirs = widget.law.log_prob(x[:, None])
        close(np.exp(ours), theirs.exp())
        close(ours, theirs)
        close(page.evaluate(f"{STATE}.kl"), widget.kl)
    paths = page.evaluate(f"{STATE}.paths")
    close(np.array(paths).T, widget.paths)


@pytest.mark.parametrize("mean, var", [(0.505, 1e-3), (-3.5, 1e-3), (3.5, 4), (0, 25), (200, 2)])
def test_the_distance_from_the_normal_of_one_bell_has_a_formula(show, mean, var):
    page = show(MeltingExplorer(T=3, generator=seeded()))
    kl = call(page, "m.fromNormal([{ weight: 1, mean: a[0], variance: a[1] }])", mean, var)
    assert kl == pytest.approx(0.5 * (var - 1 - np.log(var) + mean**2), rel=1e-10)


@pytest.mark.parametrize("T, labels", [(1, ["0", "1"]), (2, ["0", "1", "2"])])
def test_the_steps_on_the_axis_are_whole(show, T, labels):
    page = show(MeltingExplorer(T=T, t=1, generator=seeded()))
    page.evaluate("""() => {
        window.texts = [];
        const { fillText } = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
            texts.push(text); fillText.call(this, text, x, y);
        };
        document.body.dataset.jpThemeLight = 'false';                  // everything is drawn anew
    }""")
    page.wait_for_selector("[data-theme=dark]")
    texts = page.evaluate("texts")
    assert texts[5 : texts.index("t")] == labels  # the five of the other axis are first


def test_the_map_s_shares_are_the_densities(show):
    page = show(MeltingExplorer(THREE, "cosine", T=37, t=37, generator=seeded()))
    bells = as_js(THREE)
    code = """(() => {
        const { logAlphaBar } = m.schedule({ kind: 'cosine', T: 37 });
        const shares = m.melt(a[0], logAlphaBar, [0, 3, 37], new Float64Array(200 * 160));
        return [0, 1, 2].map(i => Array.from({ length: 160 }, (_, j) => shares[200 * j + i]));
    })()"""
    x = torch.linspace(-3.975, 3.975, 160, dtype=torch.float64)[:, None]
    for ours, t in zip(call(page, code, bells), (0, 3, 37), strict=True):
        law = THREE.noised(cosine_schedule(37).log_snr[t])
        np.testing.assert_allclose(ours, law.log_prob(x).exp().clamp(max=1), rtol=1e-10, atol=1e-12)


def far_from_paths(paths, T, corners, t, x, reach=3):
    "Whether no path passes within a few pixels of a point, on a map with these corners: a line from each of its times to the next."
    times, fine = (np.linspace(0, T, len(paths)).round(), np.linspace(max(0, t - 20), t + 20, 401))
    (left, top), (right, bottom) = corners
    across, down = (fine - t) * (right - left) / T, (bottom - top) / 8
    return all(
        np.hypot(across, (np.interp(fine, times, path) - x) * down).min() > reach
        for path in paths.T
    )


def test_the_map_s_colours_are_the_density_s(show):
    widget = MeltingExplorer(t=900, generator=seeded())
    whole = show(widget).locator(".dm-plot").first
    paths = np.asarray(widget.paths)
    corners, seen = [place(whole, 0, 4)[0], place(whole, widget.T, -4)[0]], {}
    for t in (110, 150, 300, 450, 700):
        law = widget.data.noised(widget.q.schedule.log_snr[t])
        for x in np.linspace(-3.4, 3.4, 35):
            if far_from_paths(paths, widget.T, corners, t, x):
                beside = torch.tensor([x - 0.02, x, x + 0.02])[:, None]
                seen[t, x] = law.log_prob(beside).exp().clamp(max=1).tolist()
    for at, colour in zip(seen, colours_at(whole, seen), strict=True):
        below, share, above = seen[at]
        steep = 255 * max(abs(above - share), abs(below - share))  # half a cell's blur
        assert np.abs(levels(colour) - mixed(share, plot.PALETTE["data"][1:])).max() <= 2 + steep, (
            at
        )
    shares = [share for _, share, _ in seen.values()]
    assert (
        len(seen) >= 30
        and min(shares) < 0.01
        and max(shares) > 0.3
        and len({t for t, _ in seen}) == 5
    )


def test_melting_answers_a_drag_on_its_map(show):
    widget = MeltingExplorer(t=200, generator=seeded())
    page = show(widget)
    whole, one = page.locator(".dm-plot").all()
    q, data = (plot.PALETTE[name][1:].lower() for name in ("q", "data"))
    assert colour_at(whole, 200, 3.5) == q and colour_at(whole, 0, 1.5) == data
    drag_on(page, whole, (500, 3), (700, -3))  # anywhere: the line of t
    assert (
        page.get_by_label("t steps taken").input_value() == "700"
        and colour_at(whole, 700, 3.5) == q
    )
    drag_on(page, whole, (0, -2), (30, 0.5))  # near a bell of the data: the bell, and not t
    assert page.evaluate(f"{STATE}.state.means") == [0.5, 1.5]
    assert page.get_by_label("middle of Gaussian 1").get_attribute("aria-valuetext") == "0.5"
    assert (
        page.get_by_label("t steps taken").input_value() == "700"
        and colour_at(whole, 0, 0.5) == data
    )
    widget.set_state({"t": 700, "means": [0.5, 1.5]})
    close(page.evaluate(f"{STATE}.kl"), widget.kl)
    page.get_by_label("Schedule").select_option("cosine")
    widget.schedule = "cosine"
    close(page.evaluate(f"{STATE}.kl"), widget.kl)
    x = torch.tensor([[0.8]], dtype=torch.float64)
    assert (
        colour_at(one, widget.law.log_prob(x).exp().item(), 0.8) == q
    )  # the curve passes where Python says
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.includes('0.5 and 1.5')"
    )
    drag_on(page, whole, (0, 1.5), (0, 9))  # off the picture: no further than it goes
    assert page.evaluate(f"{STATE}.state.means") == [0.5, 3.5]
    assert place(whole, 0, 3.5)[0][1] > 0


# ------------------------------------------------------------------------------------------------------ the step back


@pytest.mark.parametrize(
    "widget",
    [ReverseExplorer(generator=seeded()), ReverseExplorer(THREE, signal=1, generator=seeded())],
    ids=["two", "three"],
)
def test_the_step_back_s_numbers_are_the_package_s(show, widget):
    page = show(widget)
    for beta, x in [(1e-4, 0.5), (0.01, -3.5), (0.7, 0.0), (1, 3.5)]:
        widget.beta, widget.x = beta, x
        page.evaluate(
            """([beta, x]) => {
            const { model } = document.querySelector('[data-widget]');
            model.set('beta', beta); model.set('x', x);
        }""",
            [beta, x],
        )
        page.wait_for_function(f"{STATE}.state.x === {x} && {STATE}.state.beta === {beta}")
        law, best, best_sd = widget.law, widget.best, widget.best.std.item()
        y = best.mean.item() + best_sd * torch.linspace(-4, 4, 41, dtype=torch.float64)
        ours = call(
            page,
            "a[1].map(y => Math.exp(m.logMixture(a[0], y)))",
            page.evaluate(f"{STATE}.law"),
            y.tolist(),
        )
        close(np.array(ours) * best_sd, law.log_prob(y[:, None]).exp() * best_sd)
        got = page.evaluate(f"{STATE}.best")
        close([got["mean"], got["variance"] / best_sd**2], [best.mean.item(), 1])
        kl = page.evaluate(f"{STATE}.kl")
        close(kl, widget.kl)
        assert kl == pytest.approx(widget.kl, rel=1e-3, abs=1e-25)  # the small ones too
    close(page.evaluate(f"{STATE}.pairs"), widget.pairs)


@pytest.mark.parametrize("beta, x", [(0.01, 0.5), (0.1, -3.5), (0.3, 1), (0.9, 0)])
def test_what_the_right_picture_shows_is_marked_under_the_slice(show, beta, x):
    "A line from four standard deviations below the mean to four above, with its ends; no more than the plot holds."
    widget = ReverseExplorer(beta=beta, x=x, generator=seeded())
    page = show(widget)
    plot = page.locator(".dm-plot").first
    mean, sd = widget.best.mean.item(), widget.best.std.item()
    unit = plot.evaluate("c => c.place(0, 0)[1] - c.place(0, 1)[1]")
    ys = torch.linspace(max(-3.9, mean - 4 * sd), min(3.9, mean + 4 * sd), 9).tolist()
    assert all(inks(plot, [(y, x - 10 / unit) for y in ys]))
    for end in (mean - 4 * sd, mean + 4 * sd):
        if abs(end) < 3.9:
            assert inked(plot, end, x - 6 / unit, 1)
            beyond = end + 0.1 * (1 if end > mean else -1)
            assert not inked(plot, beyond, x - 10 / unit, 1)
    assert "what the right picture shows" in page.locator(".dm-keys").first.inner_text()


def test_the_step_back_answers_a_drag(show):
    widget = ReverseExplorer(generator=seeded())
    page = show(widget)
    cloud, one = page.locator(".dm-plot").all()
    drag_on(page, cloud, (2, 0), (-1, 1.5))
    widget.x = 1.5
    assert page.get_by_label("x value after the step").get_attribute("aria-valuetext") == "1.5"
    close(page.evaluate(f"{STATE}.kl"), widget.kl)
    assert colour_at(cloud, -3.9, 1.5) == plot.PALETTE["q"][1:].lower()
    y = widget.best.mean + 0.3 * widget.best.std
    assert colour_at(one, y, widget.law.log_prob(y).exp()) == plot.PALETTE["q"][1:].lower()
    live = page.locator("[aria-live]")
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('2 modes')")
    page.get_by_label("β variance of the step's noise").press("Home")
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('one mode')")
    assert live.text_content().startswith("Beta 0.0001, slice at 0.")
