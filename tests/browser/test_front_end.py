"The noising explorer's front end on a page with no kernel and no network: its mathematics, its controls, its looks."

import json

import numpy as np
import pytest
import torch

from diffusion_math import plot
from diffusion_math.explore.noising import NoisingExplorer
from diffusion_math.explore.schedules import stretched
from diffusion_math.forward import (
    ForwardProcess,
    Schedule,
    constant_schedule,
    cosine_schedule,
    linear_schedule,
)
from tests.browser.explorable import ROOT, as_grey, call, colour_at, drag, drag_on, greys, seeded
from tests.browser.noising import BETA, STEPS, TIME, answers, images, shows, x_t


@pytest.fixture
def explorer():
    return NoisingExplorer(images(), beta=0.1, T=20, t=5, generator=seeded())


# ---------------------------------------------------------------------------------------------------- the mathematics


def js_schedule(page, kind, T, beta=0.1, given=None):
    "log alpha_bar and beta as the browser computes them; infinities travel as text."
    sent = json.dumps(given) if given else "null"
    code = f"""(() => {{
        const given = {sent}, array = v => Float64Array.from(v, Number);
        const s = m.schedule({{ kind: "{kind}", T: {T}, beta: {beta},
            given: given && {{ logAlphaBar: array(given[0]), beta: array(given[1]) }} }});
        return [s.logAlphaBar, s.beta].map(v => Array.from(v, String));
    }})()"""
    return [
        np.array([float(v.replace("Infinity", "inf")) for v in row]) for row in call(page, code)
    ]


def close(ours, theirs, tol=1e-12):
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=tol, atol=0)


def test_the_schedules_are_the_package_s(show, explorer):
    page = show(explorer)
    python = {"linear": linear_schedule, "cosine": cosine_schedule}
    for T in (1, 2, 3, 7, 10, 100, 999, 1000):
        for kind, make in python.items():
            log_alpha_bar, beta = js_schedule(page, kind, T)
            close(log_alpha_bar, make(T).log_alpha_bar)
            close(beta, make(T).beta, 1e-9)  # a difference of two numbers that agree to 1e-12
        for b in (0, 1e-5, 0.1, 0.999, 1):
            log_alpha_bar, beta = js_schedule(page, "constant", T, b)
            close(log_alpha_bar, constant_schedule(b, T).log_alpha_bar)
            close(beta, constant_schedule(b, T).beta)


@pytest.mark.parametrize(
    "schedule", [cosine_schedule(37), Schedule.from_beta([0.0, 0.3, 1.0, 0.5])], ids=str
)
def test_a_schedule_that_was_handed_in(show, schedule):
    page = show(NoisingExplorer(images(1), schedule, generator=seeded()))
    rows = schedule.log_alpha_bar.tolist(), schedule.beta.tolist()
    table = [[str(v).replace("inf", "Infinity") for v in row] for row in rows]
    for T in (1, 3, schedule.T, 100):
        log_alpha_bar, beta = js_schedule(page, "given", T, given=table)
        close(log_alpha_bar, stretched(schedule, T).log_alpha_bar)
        close(beta, stretched(schedule, T).beta, 1e-9)
    assert page.get_by_label("Schedule").input_value() == "given"


def test_the_two_amounts_are_exact_at_both_ends_and_square_to_one(show, explorer):
    page = show(explorer)
    assert call(page, "[0, -Infinity].map(l => [m.signal(l), m.noise(l)])") == [[1, 0], [0, 1]]
    logs = -np.logspace(-16, 3, 40)
    got = np.array(call(page, "a[0].map(l => [m.signal(l), m.noise(l)])", logs.tolist()))
    np.testing.assert_allclose(
        got, np.stack([np.exp(logs / 2), np.sqrt(-np.expm1(logs))], 1), rtol=1e-14
    )


def test_every_place_of_the_sliders(show, explorer):
    page = show(explorer)
    betas, steps = call(page, "[m.BETAS, m.STEPS]")
    assert (
        betas[0] == 0
        and betas[-1] == 1
        and sorted(set(betas)) == betas
        and betas[1] == 1e-4
        and betas[-2] == 0.99
    )
    assert betas == [0.0] + [
        float(f"{i}e{e}") for e in (-5, -4, -3, -2) for i in range(10, 100)
    ] + [1.0]
    assert steps[0] == 1 and steps[-1] == 1000 and sorted(set(steps)) == steps


def test_random_numbers_are_seeded_and_normal(show, explorer):
    page = show(explorer)
    draw = "(() => { const r = m.random(a[0]); return Array.from({ length: 40000 }, r.normal) })()"
    one, same, other = (np.array(call(page, draw, seed)) for seed in (1, 1, 2))
    assert (one == same).all() and (one != other).any()
    for z in (one, other):
        assert abs(z.mean()) < 5 / 200 and abs(z.var() - 1) < 5 * np.sqrt(2) / 200
        assert abs((np.abs(z) < 1).mean() - 0.682689) < 5 * np.sqrt(0.6827 * 0.3173) / 200
        assert (
            abs((z[1:] * z[:-1]).mean()) < 5 / 200
            and abs((z**4).mean() - 3) < 5 * np.sqrt(96) / 200
        )


# ------------------------------------------------------------------------------------------------------- the pictures


@pytest.mark.parametrize(
    "kind, T, t", [("constant", 20, 5), ("linear", 1000, 300), ("cosine", 10, 10), ("linear", 1, 1)]
)
def test_the_canvas_shows_x_t(show, kind, T, t):
    explorer = NoisingExplorer(images(), kind, T=T, t=t, digit=2, generator=seeded())
    shows(show(explorer), explorer.x_t)


def frame_times(page):
    return [int(text.replace("t = ", "")) for text in page.locator(".dm-frame").all_inner_texts()]


@pytest.mark.parametrize(
    "schedule",
    [
        linear_schedule(1000),
        cosine_schedule(1000),
        linear_schedule(50),
        constant_schedule(0.02, 200),
    ],
    ids=["linear", "cosine", "short", "constant"],
)
def test_the_frames_of_the_strip_are_equally_far_apart(show, schedule):
    "Not in t: on the quarter circle of the two amounts. On the linear schedule five of nine would be nothing but noise."
    page = show(NoisingExplorer(images(1), schedule, generator=seeded()))
    times = frame_times(page)
    angles = torch.atan2(schedule.noise_var.sqrt(), schedule.alpha_bar.sqrt())
    turns = angles[times].diff()
    coarse = angles.diff().max()  # no t lies nearer to where a frame should stand
    assert (turns - angles[-1] / 8).abs().max() <= coarse + 1e-9
    assert sum(schedule.alpha_bar[t].sqrt().item() < 0.1 for t in times) <= 1


def test_the_times_of_the_frames_rise_from_0_to_T_and_the_marker_goes_with_them(show, explorer):
    page = show(explorer)
    times = """(() => { const { logAlphaBar } = m.schedule({ kind: a[0], T: a[1], beta: a[2] });
        const n = Math.min(a[1] + 1, 9), times = m.frameTimes(logAlphaBar, n);
        const back = Array.from({ length: a[1] + 1 }, (_, t) => m.timeAt(times, m.shareOf(times, t)));
        return [times, back]; })()"""
    for kind, T, beta in [
        *(("constant", T, b) for T in (1, 2, 8, 20, 1000) for b in (0, 1e-5, 0.3, 1)),
        *((kind, T, 0) for kind in ("linear", "cosine") for T in (1, 3, 8, 9, 1000)),
    ]:
        found, back = call(page, times, kind, T, beta)
        assert found[0] == 0 and found[-1] == T and (np.diff(found) > 0).all(), (kind, T, beta)
        assert back == list(range(T + 1)), (kind, T, beta)


def test_the_film_strip_goes_from_the_digit_to_x_T(show, explorer):
    page = show(explorer)
    frames = page.locator(".dm-frame")
    times = frame_times(page)
    assert times[0] == 0 and times[-1] == 20 and len(times) == frames.count() == 9
    for i, t in enumerate(times):
        q = ForwardProcess(explorer.q.schedule).marginal(explorer.x0[0], t)
        shown = greys(page, f".dm-frame:nth-child({i + 1}) canvas")
        assert np.abs(shown - as_grey(q.mean + q.std * explorer.eps)).max() <= 1


def test_the_ends_of_beta(show, explorer):
    page = show(explorer)
    slider = page.get_by_label(BETA)
    slider.press("Home")
    shows(page, explorer.x0[0], tol=0)  # beta = 0: the digit itself, to the bit
    slider.press("End")
    shows(page, explorer.eps, tol=0)  # beta = 1: the noise itself
    z = x_t(page)
    assert abs(z.mean()) < 5 / 28 and abs(z.var() - 1) < 5 * np.sqrt(2) / 28


def test_the_histogram_melts_into_the_bell(show, explorer):
    page = show(explorer)
    before = page.locator(".dm-plot").last.evaluate("c => c.toDataURL()")
    page.get_by_label(TIME).press("End")
    assert page.locator(".dm-plot").last.evaluate("c => c.toDataURL()") != before
    text = page.locator(ROOT).inner_text()
    assert "density of the 784 pixel values" in text and "Gaussian N(0, 1)" in text


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (20, 12), (300, 300)])
def test_images_of_any_size(show, size):
    explorer = NoisingExplorer(
        torch.rand(2, 1, *size, generator=seeded()) * 2 - 1, generator=seeded()
    )
    page = show(explorer)
    shows(page, explorer.x_t)
    assert page.locator(".dm-big").bounding_box()["width"] <= 288


# ------------------------------------------------------------------------------------------------------- the controls


def test_a_dead_slider_is_found_out(show, explorer):
    explorer._esm = explorer._esm.replace('ui.listen(input, "input"', 'void (input, "input"')
    page = show(explorer)
    with pytest.raises(AssertionError, match="the picture did not change"):
        answers(page, page.get_by_label(BETA))


def test_a_drag_by_mouse(show, explorer):
    page = show(explorer)
    drag(page, page.get_by_label(BETA), 0)
    shows(page, explorer.x0[0], tol=0)
    drag(page, page.get_by_label(BETA), 1)
    shows(page, explorer.eps, tol=0)
    drag(page, page.get_by_label(TIME), 0)
    shows(page, explorer.x0[0], tol=0)


def test_moving_beta_holds_it_constant(show):
    explorer = NoisingExplorer(images(1), "linear", t=300, generator=seeded())
    page = show(explorer)
    slider, choice = page.get_by_label(BETA), page.get_by_label("Schedule")
    assert (
        slider.get_attribute("aria-valuetext") == "0.00606 at t = 300"
    )  # the linear schedule's beta_300
    slider.press("ArrowRight")
    assert choice.input_value() == "constant" and slider.get_attribute("aria-valuetext") == "0.0062"
    choice.select_option("cosine")
    q = ForwardProcess(cosine_schedule(1000)).marginal(explorer.x0[0], 300)
    shows(page, q.mean + q.std * explorer.eps)


def test_T_there_and_back_changes_nothing(show, explorer):
    page = show(explorer)
    slider, before = page.get_by_label(STEPS), x_t(page)
    at = slider.input_value()
    for key in ("Home", "End"):
        slider.press(key)
    for _ in range(100):
        if slider.input_value() == at:
            break
        slider.press("ArrowLeft")
    assert (x_t(page) == before).all() and page.get_by_label(TIME).input_value() == "5"


def test_new_noise_is_new_normal_and_repeatable(show, explorer):
    page = show(explorer)
    page.get_by_label(BETA).press("End")
    drawn = []
    for _ in range(3):
        page.get_by_role("button", name="New noise").click()
        drawn.append(x_t(page))
    assert (drawn[0] != drawn[1]).any() and (drawn[1] != drawn[2]).any()
    for z in drawn:
        assert abs(z.mean()) < 5 / 28 and abs(z.var() - 1) < 5 * np.sqrt(2) / 28
    page.get_by_role("button", name="Reset").click()
    shows(page, explorer.x_t)
    page.get_by_label(BETA).press("End")
    page.get_by_role("button", name="New noise").click()
    assert (x_t(page) == drawn[0]).all()


def test_choosing_a_digit(show, explorer):
    page = show(explorer)
    first = page.get_by_role("radio", name="digit 1 of 3")
    first.press("ArrowRight")  # a radio group: the arrows move within it
    assert page.get_by_role("radio", name="digit 2 of 3").is_checked()
    explorer.digit = 1
    shows(page, explorer.x_t)


def test_many_digits_are_chosen_by_a_slider(show):
    explorer = NoisingExplorer(images(20), generator=seeded())
    page = show(explorer)
    page.get_by_role("slider", name="Digit").press("End")
    explorer.digit = 19
    shows(page, explorer.x_t)


def test_the_curves_and_the_strip_can_be_pointed_at(show, explorer):
    page = show(explorer)
    box = page.locator(".dm-plot").first.bounding_box()
    page.mouse.click(box["x"] + 44 + 0.75 * (box["width"] - 60), box["y"] + 60)
    assert page.get_by_label(TIME).input_value() == "15"
    for i, t in enumerate(frame_times(page)):
        frame = page.locator(".dm-frame").nth(i)
        frame.click()  # its middle: the frame's own t, and the marker right below
        assert page.get_by_label(TIME).input_value() == str(t)
        box, marker = frame.bounding_box(), page.locator(".dm-marker").bounding_box()
        assert box["x"] + box["width"] / 2 == pytest.approx(marker["x"] + 6, abs=1)


def test_the_two_amounts_are_a_point_on_a_quarter_circle(show, explorer):
    page = show(explorer)
    circle, time = page.locator(".dm-square canvas"), page.get_by_label(TIME)
    amounts = (
        explorer.q.schedule.alpha_bar.sqrt().tolist(),
        explorer.q.schedule.noise_var.sqrt().tolist(),
    )
    points = list(zip(*amounts, strict=True))
    assert colour_at(circle, *points[5]) == plot.PALETTE["q"][1:].lower()
    drag_on(page, circle, points[5], points[15])
    assert (
        time.input_value() == "15"
        and colour_at(circle, *points[15]) == plot.PALETTE["q"][1:].lower()
    )
    for key, t in {"Home": 0, "End": 20}.items():
        time.press(key)
        assert colour_at(circle, *points[t]) == plot.PALETTE["q"][1:].lower()


# --------------------------------------------------------------------------------------------- for everyone, everywhere


@pytest.mark.parametrize(
    "names, theme",
    [
        ("vscode-high-contrast", "dark"),
        ("vscode-high-contrast vscode-high-contrast-light", "light"),
        ("vscode-dark", "dark"),
        ("vscode-light", "light"),
    ],
)
def test_the_themes_of_vs_code(show, explorer, names, theme):
    page = show(explorer, scheme="light" if theme == "dark" else "dark")
    page.evaluate("names => { document.body.className = names; }", names)
    page.wait_for_selector(f"{ROOT}[data-theme={theme}]")
