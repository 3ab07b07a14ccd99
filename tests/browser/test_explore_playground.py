"The playground: what the page computes is the package's, and what is painted in one is there in all."

import json

import numpy as np
import pytest
import torch

from diffusion_math.explore.learn import LearnExplorer
from diffusion_math.explore.playground import PlaygroundExplorer
from tests.browser import layout
from tests.browser.explorable import ROOT, call, drag_on, place, seeded, serious, settled

f64 = torch.float64
VIEWS = ("melt", "reverse", "bound", "score")
FEW = [[-1.0, 0.5], [1.2, -0.4], [0.3, 1.1]]
STATE = "document.querySelector('.dm-explorable').explorable"
KEPT = "localStorage.getItem('diffusion-math-law')"
NO_PLACE = (
    "Object.defineProperty(window, 'localStorage', { get() { throw new Error('a sandbox'); } })"
)


def close(ours, theirs, tol=1e-6):
    "Equal to a millionth of each number, or of 1e-9 where it is none: the same sums in float64, in another order."
    ours, theirs = (np.asarray(torch.as_tensor(v, dtype=f64).detach()) for v in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, rtol=tol, atol=1e-9)


def laws(page):
    "The points that each explorable of the page shows."
    return page.locator(ROOT).evaluate_all("all => all.map(e => e.explorable.state.points)")


def paint(page, which=0):
    "A stroke across a sheet."
    sheet = page.locator(ROOT).nth(which).locator(".dm-draw")
    sheet.scroll_into_view_if_needed()
    drag_on(page, sheet, (-1.5, 2), (1.5, 2), steps=20)


@pytest.mark.parametrize("t", [0, 1, 12, 50])
def test_the_exact_answers_are_the_package_s(show, t):
    widget = PlaygroundExplorer("score", torch.tensor(FEW), t=t)
    page = show(widget)
    x = 1.5 * torch.randn(30, 2, generator=seeded(1), dtype=f64)
    said = call(
        page, "a[1].map(x => m.askPoints(a[0], m.BELL, m.scalesAt(a[2]), ...x))", FEW, x.tolist(), t
    )
    level = widget.q.schedule.log_snr[t]
    law = widget.law.noised(level)
    guess, unsure = widget.law.denoise_moments(x, level)
    close([row["log"] for row in said], law.log_prob(x))
    close([row["slopes"] for row in said], law.score(x))
    close([row["guess"] for row in said], guess)
    close([row["unsure"] for row in said], unsure)
    close(page.evaluate(f"{STATE}.field"), widget.field)
    side = 3 * ((2 * torch.arange(48, dtype=f64) + 1) / 48 - 1)
    heights = law.log_prob(torch.cartesian_prod(side, side).flip(1)).exp()
    code = "(() => { const s = new Float64Array(48 * 48); m.shadesOf(a[0], m.scalesAt(a[1]), s); return Array.from(s); })()"
    close(call(page, code, FEW, t), heights / heights.max())


@pytest.mark.parametrize("law, spot", [("smile", (0.0, -1.6)), ("spiral", (1.0, 0.2))])
def test_the_bound_is_the_package_s(show, law, spot):
    widget = PlaygroundExplorer("bound", law, place=spot)
    page = show(widget)
    page.get_by_role("button", name="Show").click()
    terms, total, nats = page.evaluate(f"[{STATE}.terms, {STATE}.sum, {STATE}.nats]")
    close(terms, widget.terms)
    close([total, nats], [widget.terms.sum(), widget.nats])
    told = page.locator(".dm-readout").inner_text()
    assert f"{nats:.2f}".replace("-", "\u2212") in told and f"{total:.2f}" in told


def test_the_thread_is_the_package_s(show):
    widget = PlaygroundExplorer("score", "humps", t=30, place=(0.6, 0.2))
    page = show(widget)
    page.get_by_role("button", name="Show").click()
    close(page.evaluate(f"{STATE}.thread"), widget.thread)
    threads = page.evaluate(f"{STATE}.threads.map(way => way.length)")
    assert threads == [31] * 40


def test_a_walk_takes_the_package_s_steps(show):
    "From t to t - 1 by ExactReverse, for every walk, with noise that is a unit normal's."
    widget = PlaygroundExplorer("reverse", torch.tensor(FEW), t=50)
    page = show(widget)
    at, guesses = page.evaluate(f"[{STATE}.walks.at, {STATE}.walks.guesses]")
    at, noise = torch.tensor(at, dtype=f64), []
    assert at.shape == (51, 100, 2)
    for t in range(50, 0, -1):
        step = widget.p.step(at[t], t)
        noise.append((at[t - 1] - step.mean) / step.std)
        close(guesses[t], widget.law.denoise(at[t], widget.q.schedule.log_snr[t]))
    noise = torch.stack([at[50], *noise]).flatten()
    assert abs(noise.mean()) < 5 / len(noise) ** 0.5
    assert abs(noise.square().mean() - 1) < 5 * (2 / len(noise)) ** 0.5
    assert abs((noise[1:] * noise[:-1]).mean()) < 5 / len(noise) ** 0.5
    near = torch.cdist(at[0], torch.tensor(FEW, dtype=f64)).amin(1)
    assert (near < 0.5).double().mean() > 0.9
    whole = (torch.tensor(FEW).var(0, correction=0).sum() + 2 * 0.01).sqrt().item()
    line = page.evaluate(f"{STATE}.line")
    spread = torch.tensor(guesses[20], dtype=f64).var(0, correction=0).sum().sqrt()
    assert (
        line[20] == pytest.approx(spread.item() / whole, rel=1e-6)
        and line[50] < 0.05 < 0.9 < line[0]
    )


def test_how_far_from_static_by_the_page_s_draws(show):
    widget = PlaygroundExplorer("melt", torch.tensor(FEW), t=5)
    page = show(widget)
    ours = call(page, "m.melted(a[0], a[1])", FEW, 3)
    drawn = call(page, "[0, 8, 30].map(t => m.noised(m.draws(a[0], a[1], 200), t))", FEW, 3)
    unit = torch.distributions.Normal(0.0, 1.0)
    for t, x in zip([0, 8, 30], drawn, strict=True):
        x = torch.tensor(x, dtype=f64)
        ratio = widget.law.noised(widget.q.schedule.log_snr[t]).log_prob(x) - unit.log_prob(x).sum(
            1
        )
        close(ours[t], ratio.mean())
    assert ours[9] == pytest.approx((ours[8] + ours[10]) / 2)
    turns = torch.arange(200) * 3 // 200
    x = torch.tensor(drawn[0], dtype=f64) - torch.tensor(FEW, dtype=f64)[turns]
    assert abs(x.mean()) < 5 * 0.1 / 400**0.5 and abs(x.var() - 0.01) < 5 * 0.01 * (2 / 400) ** 0.5
    assert ours[0] > 1 and abs(ours[50]) < 0.01


def test_what_is_painted_in_one_is_there_in_all(show):
    "On the page at once, in another explorable, and on the next page; but not where points were given."
    given = PlaygroundExplorer("melt", "ring")
    page = show(PlaygroundExplorer("melt"), PlaygroundExplorer("score"), LearnExplorer(), given)
    smile, ring = PlaygroundExplorer("melt").points, given.points
    assert laws(page) == [smile] * 3 + [ring]
    paint(page)
    own = laws(page)[0]
    assert len(own) > len(smile) + 10 and laws(page) == [own] * 3 + [ring]
    paint(page, 3)
    assert laws(page)[:3] == [own] * 3 and len(laws(page)[3]) > len(ring)
    page = show(
        PlaygroundExplorer("reverse"), PlaygroundExplorer("bound", "humps"), LearnExplorer()
    )
    assert laws(page) == [own, PlaygroundExplorer("bound", "humps").points, own]
    saved = page.evaluate("document.querySelector('[data-widget]').model.get('points')")
    assert saved == own  # Python hears of it too
    first = page.locator(ROOT).first
    first.get_by_label("Law", exact=True).select_option("spiral")
    spiral = PlaygroundExplorer("melt", "spiral").points
    assert [laws(page)[i] for i in (0, 2)] == [spiral] * 2
    first.get_by_role("button", name="Reset").click()
    assert [laws(page)[i] for i in (0, 2)] == [smile] * 2
    page = show(LearnExplorer(), PlaygroundExplorer("score"))
    assert laws(page) == [smile] * 2
    page.locator(ROOT).first.get_by_label("Data", exact=True).select_option("painted")
    assert laws(page) == [own] * 2  # what was painted can still be had
    sheet = page.locator(ROOT).nth(1).locator(".dm-draw")
    for key in ("ArrowRight", "ArrowUp", "Space", "Backspace", "Space"):
        sheet.press(key)
    assert laws(page) == [[*own, [0.1, 0.1]]] * 2


def test_another_window_hears_of_it(show):
    page = show(PlaygroundExplorer("melt"))
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(f"{ROOT} canvas")
    settled(other)
    page.bring_to_front()  # behind another a window draws once a second
    paint(page)
    points = json.dumps(laws(page)[0])
    same = f"points => JSON.stringify({STATE}.state.points) === JSON.stringify(JSON.parse(points))"
    other.wait_for_function(same, arg=points, polling=50)
    other.close()


@pytest.mark.parametrize("kept", ["{", "null", "[]", '{"points": [[0, 9]], "own": 3}', '{"points": [["a", 0]]}'])  # fmt: skip
def test_what_is_kept_may_be_anything(show, kept):
    page = show(PlaygroundExplorer("melt"), before=f"localStorage.setItem('diffusion-math-law', {json.dumps(kept)})")  # fmt: skip
    assert laws(page) == [PlaygroundExplorer("melt").points]


def test_where_nothing_can_be_kept_it_is_there_on_the_page(show):
    page = show(PlaygroundExplorer("melt"), LearnExplorer(), before=NO_PLACE)
    paint(page)
    ours, theirs = laws(page)
    assert ours == theirs and len(ours) > 90


def test_what_python_has_set_is_not_painted_over(show):
    page = show(PlaygroundExplorer("melt"))
    paint(page)
    widget = PlaygroundExplorer("melt")
    widget.points = FEW
    assert laws(show(widget)) == [FEW]


@pytest.mark.parametrize("width, scheme", [(320, "light"), (1000, "dark")])
def test_all_views_told_and_empty(show, width, scheme):
    "Revealed, each stands in its place and is accessible; and with nothing painted it says so."
    page = show(*(PlaygroundExplorer(view, "spiral") for view in VIEWS), width=width, scheme=scheme)
    page.locator(".dm-rest").evaluate_all("all => all.forEach(e => { e.open = true })")
    for root in page.locator(ROOT).all():
        root.get_by_role("button", name="Show").click()
        settled(page)
        seen = layout.look(root)
        assert layout.strayed(seen) + layout.outside(seen) + layout.on_top(seen) == []
    page.wait_for_timeout(450)
    for said in page.locator(f"{ROOT} [aria-live]").all_text_contents():
        assert "120 points" in said and "; " in said
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for root in page.locator(ROOT).all():
        root.get_by_role("button", name="Clear").click()
    page.wait_for_timeout(450)
    said = page.locator(f"{ROOT} [aria-live]").all_text_contents()
    assert len(said) == len(VIEWS) and all(text.startswith("No data.") for text in said)
    for readout in page.locator(f"{ROOT} .dm-readout").all():
        assert "\u2013" in readout.inner_text()


def test_it_plays_to_the_end_and_again(show):
    page = show(PlaygroundExplorer("reverse", "humps", t=3))
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"{STATE}.state.t === 0")
    page.get_by_role("button", name="Play").wait_for()  # it has stopped
    page.emulate_media(reduced_motion="reduce")
    ten = page.get_by_role("button", name="Ten steps")
    ten.click()
    assert page.evaluate(f"{STATE}.state.t") == 50
    ten.click()
    page.wait_for_timeout(100)
    assert page.evaluate(f"{STATE}.state.t") == 40
    before = page.evaluate(f"{STATE}.cloud")
    page.get_by_role("button", name="New noise").click()
    assert page.evaluate(f"{STATE}.cloud") != before


def test_the_ring_and_the_bars_are_dragged(show):
    page = show(PlaygroundExplorer("bound", "humps", place=(0.0, 0.0)))
    board = page.locator(f"{ROOT} .dm-plot").nth(1)
    drag_on(page, board, (0, 0), (1.3, 0.6))
    state = page.evaluate(f"{STATE}.state")
    assert abs(state["x"] - 1.3) < 0.03 and abs(state["y"] - 0.6) < 0.03
    page.get_by_role("button", name="Show").click()
    settled(page)
    bars = page.locator(f"{ROOT} .dm-plot").nth(2)
    bars.scroll_into_view_if_needed()
    page.mouse.click(*place(bars, 30, 0.01)[1])
    assert page.evaluate(f"{STATE}.state.t") == 30
    page.mouse.click(*place(bars, 0, 0.01)[1])
    assert page.evaluate(f"{STATE}.state.t") == 1


def test_in_jupyterlab_too(open_notebook):
    "Painted in one notebook, it is there in the next, and Python knows it."
    cells = [
        "from diffusion_math.explore import PlaygroundExplorer",
        'w = PlaygroundExplorer("{}")\nw',
    ]
    nb = open_notebook("paints.ipynb", [cells[0], cells[1].format("melt")])
    assert nb.run_all(), nb.errors()
    nb.page.wait_for_selector(f"{ROOT} canvas")
    settled(nb.page)
    paint(nb.page)
    own = laws(nb.page)[0]
    assert len(own) > 90
    nb = open_notebook("walks.ipynb", [cells[0], cells[1].format("reverse")])
    assert nb.run_all(), nb.errors()
    # the first notebook's is there too, out of sight
    nb.page.locator(f"{ROOT} canvas").last.wait_for()
    settled(nb.page)
    assert laws(nb.page)[-1] == own
    assert json.loads(nb.run("import json; print(json.dumps(w.points))")) == own
    nb.page.evaluate("localStorage.removeItem('diffusion-math-law')")  # the page is lent again
