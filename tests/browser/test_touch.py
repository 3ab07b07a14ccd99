"A finger on a phone: a swipe up or down scrolls the page, wherever it starts; a drag to the side moves what is there."

import pytest

from tests.browser.explorable import ROOT, place, settled
from tests.browser.static_page import static_page
from tests.browser.widgets import EVERY, make

TALL = "body { margin: 0; padding: 300px 0 1500px }"


@pytest.fixture(scope="module")
def handset(browser):
    "A page on a phone, for one test after another; and the wire to it."
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)  # fmt: skip
    page = context.new_page()
    yield page, context.new_cdp_session(page)
    context.close()


def phone(handset, tmp_path, name, unfolded=True):
    "It shows an explorable with room above and below; page.finger(points) goes through these points of the window."
    page, wire = handset
    file = tmp_path / "page.html"
    viewport = '<meta name="viewport" content="width=device-width">'
    html = static_page(make(name), style=TALL).replace("<title>", viewport + "<title>")
    file.write_text(html, encoding="utf-8")
    page.goto(file.as_uri())
    page.wait_for_selector(f"{ROOT} canvas")
    if unfolded:
        page.locator(".dm-rest").evaluate("e => { e.open = true }")
        page.wait_for_timeout(100)
    settled(page)

    def finger(*points, moves=5):
        def touch(kind, *at):
            spots = [{"x": x, "y": y} for x, y in at]
            wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})
            settled(page)

        touch("touchStart", points[0])
        for (x0, y0), (x1, y1) in zip(points[:-1], points[1:], strict=True):
            for i in range(1, moves + 1):
                touch("touchMove", (x0 + (x1 - x0) * i / moves, y0 + (y1 - y0) * i / moves))
        touch("touchEnd")

    page.finger = finger
    return page


def state(page):
    return page.evaluate("({ ...document.querySelector('.dm-explorable').explorable.state })")


def scrolled(page):
    return page.evaluate("window.scrollY")


def rested(page):
    "How far it has scrolled, once it has come to rest: a quick swipe throws the page, and it glides on."
    return page.evaluate("""async () => {
        const frame = () => new Promise(requestAnimationFrame);
        for (let last = NaN, still = 0; still < 20; last = window.scrollY) {
            await frame();
            still = window.scrollY === last ? still + 1 : 0;
        }
        return window.scrollY;
    }""")


def at(page, plot, x, y):
    "A point of a plot in the window, after it was brought to the middle of it."
    plot.evaluate("e => e.scrollIntoView({ block: 'center' })")
    settled(page)
    return place(plot, x, y)[1]


SWIPES = {  # where a finger may swipe over each: the plot, and a point of it at which there is nothing to hold
    "melting": (0, (500, 1)),
    "reverse": (0, (-2, 2.5)),
    "origin": (0, (2, 0.5)),
    "gaussian": (0, (-4, 4)),
    "pixels": (2, (700, 100)),
    "noising": (1, (0.2, 0.2)),
    "area": (1, (-8, 1)),
    "threads": (0, (4, 3)),
    "guide": (0, (4, 1)),
    "posterior": (0, (2, 0.5)),
    "solver": (0, (2, 3)),
    "squeeze": (0, (3, 3.5)),
    "straight": (1, (0.3, 3)),
    "learn": (1, (1, -1)),
    "playground": (1, (-2, 2)),
}


@pytest.mark.parametrize("name", SWIPES)
def test_a_swipe_up_scrolls_and_moves_nothing(handset, tmp_path, name):
    page = phone(handset, tmp_path, name)
    plot = page.locator(".dm-plot").nth(SWIPES[name][0])
    x, y = at(page, plot, *SWIPES[name][1])
    before, top = state(page), scrolled(page)
    page.finger((x, y), (x + 4, y - 220))
    page.wait_for_function("top => window.scrollY > top + 100", arg=top)
    assert state(page) == before


@pytest.mark.parametrize("name", sorted(EVERY.keys() - SWIPES.keys()))
@pytest.mark.long
def test_a_swipe_up_over_any_other_picture_scrolls_and_moves_nothing(handset, tmp_path, name):
    "All but those that one draws on, from the middle of each."
    page = phone(handset, tmp_path, name)
    pictures = page.locator("canvas:not(.dm-draw):visible").all()
    for picture in pictures:
        picture.evaluate("e => e.scrollIntoView({ block: 'center' })")
        top = rested(page)
        box, before = picture.bounding_box(), state(page)
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.finger((x, y), (x + 4, y - 220))
        page.wait_for_function("top => window.scrollY > top + 100", arg=top)
        assert state(page) == before
    assert pictures or name == "inpaint"


@pytest.mark.parametrize("where", [".dm-strip", ".dm-plot"])
def test_a_swipe_over_the_strip_or_the_curves_scrolls(handset, tmp_path, where):
    page = phone(handset, tmp_path, "noising")
    place_ = page.locator(where).first
    place_.evaluate("e => e.scrollIntoView({ block: 'center' })")
    box = place_.bounding_box()
    x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"]
    before, top = state(page), scrolled(page)
    page.finger((x, y), (x, y - 200))
    page.wait_for_function("top => window.scrollY > top + 100", arg=top)
    top = rested(page)
    assert state(page) == before
    box = place_.bounding_box()
    x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"]
    page.finger((x, y), (x - 120, y + 5))
    assert state(page)["t"] < before["t"] + 10 and state(page)["t"] != before["t"]
    assert scrolled(page) == top


def test_a_drag_to_the_side_moves_t_of_melting(handset, tmp_path):
    page = phone(handset, tmp_path, "melting")
    plot = page.locator(".dm-plot").first
    start, end = at(page, plot, 300, 1), at(page, plot, 700, 0.8)
    top = scrolled(page)
    page.finger(start, end)
    assert abs(state(page)["t"] - 700) < 8 and scrolled(page) == top
    page.finger(at(page, plot, 450, -1))  # a tap
    assert abs(state(page)["t"] - 450) < 8 and scrolled(page) == top


def test_a_bell_of_melting_goes_up_under_the_finger(handset, tmp_path):
    page = phone(handset, tmp_path, "melting")
    plot = page.locator(".dm-plot").first
    before, start, end = state(page), at(page, plot, 0, -2), at(page, plot, 0, 0.5)
    top = scrolled(page)
    page.finger(start, end)
    after = state(page)
    assert after["means"][0] == pytest.approx(0.5, abs=0.1) and after["t"] == before["t"]
    assert scrolled(page) == top


def test_the_slice_of_the_step_back_goes_up_under_the_finger(handset, tmp_path):
    page = phone(handset, tmp_path, "reverse")
    plot = page.locator(".dm-plot").first
    x = state(page)["x"]
    start, end = at(page, plot, 1, x), at(page, plot, 1, x + 2)
    top = scrolled(page)
    page.finger(start, end)
    assert state(page)["x"] == pytest.approx(x + 2, abs=0.1) and scrolled(page) == top


def test_a_finger_paints_in_any_direction(handset, tmp_path):
    page = phone(handset, tmp_path, "learn")
    plot = page.locator(".dm-plot").first
    before, start, end = state(page)["points"], at(page, plot, 0, 2), at(page, plot, 0, -0.5)
    top = scrolled(page)
    page.finger(start, end, moves=12)
    painted = state(page)["points"][len(before) :]
    assert len(painted) > 8 and scrolled(page) == top
    assert all(abs(x) < 0.05 and -0.6 < y < 2.1 for x, y in painted)


def test_a_finger_rubs_out_in_any_direction(handset, tmp_path):
    page = phone(handset, tmp_path, "inpaint")
    pad = page.locator(".dm-draw")
    pad.evaluate("e => e.scrollIntoView({ block: 'center' })")
    settled(page)
    box, top, before = pad.bounding_box(), scrolled(page), state(page)["rubbed"]
    at = lambda x, y: (box["x"] + box["width"] * x / 28, box["y"] + box["height"] * y / 28)  # noqa: E731
    page.finger(at(5, 2), at(5, 12), moves=8)
    rubbed = state(page)["rubbed"]
    fresh = [i for i in range(784) if rubbed[i] > before[i]]
    assert {i // 28 for i in fresh} >= set(range(2, 12)) and scrolled(page) == top
    assert all(2 <= i % 28 <= 8 for i in fresh)


def test_a_drag_to_the_side_moves_x_of_the_origin(handset, tmp_path):
    page = phone(handset, tmp_path, "origin")
    plot = page.locator(".dm-plot").nth(1)
    start, end = at(page, plot, -0.5, 0.2), at(page, plot, 1.5, 0.25)
    top = scrolled(page)
    page.finger(start, end)
    assert state(page)["x"] == pytest.approx(1.5, abs=0.1) and scrolled(page) == top


SIDEWAYS = [  # the plot, from where to where, what that moves, and to what
    ("squeeze", 0, (0, 3), (4, 2.8), "log_snr", 4, 0.15),
    ("straight", 0, (0.3, 3), (0.7, 2.8), "t", 0.7, 0.02),
    ("posterior", 0, (-0.2, 0.9), (1.25, 0.85), "y", 1.25, 0.06),
]


@pytest.mark.parametrize("name, plot, start, end, trait, due, off", SIDEWAYS)
def test_a_drag_to_the_side_moves_what_is_there(
    handset, tmp_path, name, plot, start, end, trait, due, off
):
    page = phone(handset, tmp_path, name)
    view = page.locator(".dm-plot").nth(plot)
    start, end = at(page, view, *start), at(page, view, *end)
    top = scrolled(page)
    page.finger(start, end)
    assert state(page)[trait] == pytest.approx(due, abs=off) and scrolled(page) == top


@pytest.mark.parametrize(
    "name, nth, where, to", [("squeeze", 0, (-8, -0.7), (-8, 1)), ("straight", 1, (1, 0.7), (1, 2))]
)
def test_a_start_goes_up_under_the_finger(handset, tmp_path, name, nth, where, to):
    "From its dot, in any direction; and the page stays."
    page = phone(handset, tmp_path, name)
    view = page.locator(".dm-plot").nth(nth)
    start, end = at(page, view, *where), at(page, view, *to)
    top = scrolled(page)
    page.finger(start, end)
    assert state(page)["start"] == pytest.approx(to[1], abs=0.1) and scrolled(page) == top


def test_a_tap_picks_a_symbol_of_the_road(handset, tmp_path):
    page = phone(handset, tmp_path, "road")
    page.evaluate(f"document.querySelector('{ROOT}').parentElement.model.set('walked', [])")
    settled(page)
    first = page.locator("[aria-label='distributions to pick'] button").first
    first.evaluate("e => e.scrollIntoView({ block: 'center' })")
    settled(page)
    box = first.bounding_box()
    assert min(box["width"], box["height"]) >= 30  # a finger hits it
    page.finger((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2))
    page.wait_for_function(f"document.querySelector('{ROOT}').explorable.state.walked.length === 1")
    assert state(page)["walked"] == ["data"]


def test_the_middle_of_the_gaussian_goes_under_the_finger(handset, tmp_path):
    page = phone(handset, tmp_path, "gaussian")
    plot = page.locator(".dm-plot").first
    start, end = at(page, plot, 0.5, 0), at(page, plot, 0.5, 2)
    top = scrolled(page)
    page.finger(start, end)
    assert state(page)["mu2"] == pytest.approx(2, abs=0.15) and scrolled(page) == top


# What shows and what moves it, in the window: their outermost edges.
STAGE = """() => {
    const parts = [...document.querySelectorAll('.dm-stage canvas, .dm-stage input')];
    const boxes = parts.map(e => e.getBoundingClientRect()).filter(b => b.width);
    return [Math.min(...boxes.map(b => b.top)), Math.max(...boxes.map(b => b.bottom))];
}"""


@pytest.mark.parametrize("width, height", [(390, 844), (360, 640)])
@pytest.mark.parametrize("name", EVERY)
def test_picture_and_slider_stay_on_the_screen_together(handset, tmp_path, name, width, height):
    "On a phone a drag is seen: nothing of either leaves the screen while a finger moves it; the rest is folded."
    page = phone(handset, tmp_path, name, unfolded=False)
    page.set_viewport_size({"width": width, "height": height})
    settled(page)
    assert page.locator(".dm-rest").get_attribute("open") is None
    page.locator(".dm-stage").evaluate("e => e.scrollIntoView({ block: 'start' })")
    settled(page)
    slider, before = page.locator(".dm-stage input[type=range]").first, state(page)
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    where = float(slider.evaluate("s => (s.value - s.min) / (s.max - s.min)"))
    page.finger(
        *(
            (box["x"] + share * box["width"], middle)
            for share in (where, 0.2 if where > 0.5 else 0.8)
        )
    )
    assert state(page) != before
    top, bottom = page.evaluate(STAGE)
    assert -1 <= top and bottom <= height - 56  # the site's own header needs as much
    page.set_viewport_size({"width": 390, "height": 800})
