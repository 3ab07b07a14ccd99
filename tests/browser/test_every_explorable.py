"What every explorable owes to everyone, on a page with no kernel and no network: all of them stand on one."

import pytest

from tests.browser import layout
from tests.browser.conftest import put_up
from tests.browser.explorable import ROOT, serious, settled
from tests.browser.widgets import EVERY, make

every = pytest.mark.parametrize("name", EVERY)
PLACES = {name: i for i, name in enumerate(EVERY)}
PICTURES = """root => Array.from(root.querySelectorAll('canvas'), c => {
    const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
    return new Uint32Array(data.buffer).reduce((hash, pixel) => Math.imul(hash ^ pixel, 0x01000193), 0x811c9dc5);
}).join()"""
ALL_PICTURES = f"Array.from(document.querySelectorAll('.dm-explorable'), {PICTURES})"
LIVE = "[aria-live=polite]"
HEED = "s => { s.heeded = []; s.addEventListener('keyup', ({ key }) => s.heeded.push([key, s.value])); }"
GREY = (
    "draw",
    "network",
    "inpaint",
)  # all that they draw is pictures, which no theme changes, and nothing clears
SIZES = [(320, "dark", "Home End"), (360, "light", "Home"), (760, "dark", "End"), (1000, "light", "Home")]  # fmt: skip


@pytest.fixture(scope="module")
def lent(lend_page):
    with lend_page() as page:
        yield page


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size[0]}-{size[1]}")
def sized(request, lent, tmp_path_factory):
    "All on one page so wide, in this light; and the keys that its sliders are to be pressed."
    width, scheme, keys = request.param
    file = tmp_path_factory.mktemp("sized") / "page.html"
    page = put_up(lent, file, *map(make, EVERY), width=width, scheme=scheme, before=layout.WATCHING)
    return page, width, scheme, keys


@pytest.fixture(scope="module")
def whole(lent, tmp_path_factory):
    "All on one page, to be moved; how each looked at first."
    page = put_up(lent, tmp_path_factory.mktemp("whole") / "page.html", *map(make, EVERY))
    page.first = dict(zip(EVERY, page.evaluate(ALL_PICTURES), strict=True))
    return page


@pytest.fixture
def root(whole, name):
    "One of them, put back to where it started."
    root = whole.locator(ROOT).nth(PLACES[name])
    root.get_by_role("button", name="Reset").click()
    settled(whole)
    whole.problems.clear()
    yield root
    assert whole.problems == []


def test_accessible_in_any_light_and_no_wider_than_the_page(sized):
    "All on one page, which axe-core reads once; and no move is read aloud twice."
    page, width, scheme, _ = sized
    if width in (320, 1000):
        assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    themes = page.locator(ROOT).evaluate_all("all => all.map(e => e.dataset.theme)")
    assert themes == [scheme] * len(EVERY)
    said = page.locator(f"{ROOT} canvas").evaluate_all(
        "all => all.map(c => [c.getAttribute('role'), c.getAttribute('aria-label')])"
    )
    assert all(role in ("img", "application") and label for role, label in said)
    small = page.evaluate(f"""Array.from(document.querySelectorAll('{ROOT} :is(input, select, button)')).filter(e => {{
        const box = (e.type === 'radio' ? e.nextSibling : e).getBoundingClientRect();
        return Math.min(box.width, box.height) < 24;
    }}).map(e => e.outerHTML)""")
    assert small == []  # a finger can hit each of them
    assert page.locator(f"{ROOT} :is(output, [role=status])").count() == 0
    assert page.locator(f"{ROOT} .dm-value:not([aria-hidden=true])").count() == 0
    assert page.problems == []


@every
def test_everything_stands_in_its_place(sized, name):
    "At both ends of its sliders where it is narrowest, then at one."
    page, _, _, keys = sized
    root = page.locator(ROOT).nth(PLACES[name])
    root.locator(".dm-rest").evaluate_all("all => all.forEach(e => { e.open = true })")
    for key in keys.split():
        for slider in root.locator(".dm-range").all():
            slider.press(key)
        settled(page)
        assert layout.faults(layout.look(root)) == []


def a_step(root, name):
    "Its first slider goes on by one, or back where it stands at its end."
    first = root.get_by_label(EVERY[name].sliders[0], exact=True)
    first.press("ArrowRight" if first.input_value() != first.get_attribute("max") else "ArrowLeft")


@every
def test_keys_move_it_and_it_says_where_it_is(root, name):
    live = root.locator(LIVE)
    assert len(live.text_content()) > 20 and live.count() == 1
    for label in EVERY[name].sliders:
        slider = root.get_by_label(label, exact=True)
        assert slider.get_attribute(
            "data-lm-suppress-shortcuts"
        ) == "true" and slider.get_attribute("aria-valuetext")
        last = int(slider.get_attribute("max"))
        keys = {
            "Home": 0,
            "ArrowRight": 1,
            "ArrowUp": 2,
            "ArrowLeft": 1,
            "ArrowDown": 0,
            "End": last,
        }
        slider.evaluate(HEED)
        slider.focus()
        for key in keys:
            root.page.keyboard.press(key)
        heeded = [[key, str(min(place, last))] for key, place in keys.items()]
        assert slider.evaluate("s => s.heeded") == heeded, label
    root.get_by_role("button", name="Reset").press("Enter")
    before = root.evaluate(PICTURES)
    a_step(root, name)
    assert root.evaluate(PICTURES) != before


def test_a_move_of_each_is_said(whole):
    "After a while, so that a drag is not read aloud move by move; hence all of them at once."
    words = f"Array.from(document.querySelectorAll('{ROOT} {LIVE}'), e => e.textContent)"
    before = whole.evaluate(words)
    for name, place in PLACES.items():
        a_step(whole.locator(ROOT).nth(place), name)
    changed = f"before => {words}.every((text, i) => text !== before[i])"
    whole.wait_for_function(changed, arg=before, polling=50)
    assert len(before) == len(EVERY) and whole.problems == []


@every
def test_reset_restores_every_trait(root, name, whole):
    "And every picture, as it was when the page was opened."
    page, saves = root.page, "root => root.parentElement.model.saves"
    assert root.evaluate(PICTURES) == whole.first[name]
    if name == "gauge":  # its picture and its noise are no sliders
        root.locator(".dm-draw").click()
        root.get_by_role("button", name="New noise").click()
    if name in ("draw", "inpaint"):
        root.locator(".dm-draw").click()
    if name in ("draw", "network"):
        root.get_by_role("button", name="New noise").click()
    if name == "score":  # nor is where its particles are
        root.get_by_role("button", name="One step").click()
    if name in ("learn", "playground"):  # nor are its points
        root.locator(".dm-draw").click()
    if name == "learn":  # and what it has learned
        root.evaluate("root => root.parentElement.model.set('steps', 3)")
        page.wait_for_function("root => root.explorable.step === 3", arg=root.element_handle())
    for label in EVERY[name].sliders:
        root.get_by_label(label, exact=True).press("End")
    for choice in root.get_by_role("combobox").all():
        choice.select_option(index=1)
    settled(page)
    before = root.evaluate(saves)
    assert root.evaluate(PICTURES) != whole.first[name]
    root.get_by_role("button", name="Reset").click()
    state, start = root.evaluate(
        "root => [root.explorable.state, root.parentElement.model.get('_start')]"
    )
    assert {k: state[k] for k in start} == start and start == make(name)._start
    settled(page)
    assert root.evaluate(saves) == before + 1 and root.evaluate(PICTURES) == whole.first[name]


@every
def test_the_model_moves_the_widget_and_a_drag_sends_one_message_a_frame(root, name):
    label, trait = EVERY[name].sliders[0], EVERY[name].trait
    got = root.evaluate(
        """async (root, label) => {
        const { model } = root.parentElement, before = model.saves;
        const input = document.getElementById(Array.from(root.querySelectorAll('label'))
            .find(l => l.textContent.trim() === label).htmlFor);
        for (let i = 150; i < 200; i++) { input.value = i % (+input.max + 1); input.dispatchEvent(new Event('input')); }
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        return [model.saves - before, input.value === String(199 % (+input.max + 1))];
    }""",
        label,
    )
    assert got == [1, True]
    moved = root.evaluate("(root, trait) => root.parentElement.model.get(trait)", trait)
    root.get_by_role("button", name="Reset").click()
    pictures = root.evaluate(PICTURES)
    root.evaluate("(root, [trait, v]) => root.parentElement.model.set(trait, v)", [trait, moved])
    settled(root.page)
    assert root.evaluate(PICTURES) != pictures


@every
def test_a_move_and_a_reset_draw_once(root, name):
    got = root.evaluate(
        """async (root, [label, drawn]) => {
        const cleared = new Map(), { [drawn]: draw } = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype[drawn] = function (...a) {
            if (root.contains(this.canvas)) cleared.set(this.canvas, (cleared.get(this.canvas) ?? 0) + 1);
            draw.apply(this, a);
        };
        const most = () => { const n = Math.max(0, ...cleared.values()); cleared.clear(); return n; };
        const settled = () => new Promise(done => setTimeout(done, 50));
        const find = (kind, text) => [...root.querySelectorAll(kind)].find(e => e.textContent.trim() === text);
        const input = document.getElementById(find('label', label).htmlFor);
        input.value = input.value === input.max ? 0 : input.max;
        input.dispatchEvent(new Event('input'));
        await settled();
        const moved = most();
        find('button', 'Reset').click();
        await settled();
        const reset = most();
        CanvasRenderingContext2D.prototype[drawn] = draw;
        return [moved, reset];
    }""",
        [EVERY[name].sliders[-1], "putImageData" if name in GREY else "clearRect"],
    )
    # the film, the digits of the gauge and the pixels are also put up as pictures, which nothing clears
    assert max(got) <= 1 and (name == "film" or got[1] == 1)


def test_themes_motion_network_and_nothing_left_behind(lent, tmp_path):
    "Two of each on a page: the first of them go, and the others are still there."
    names = [name for name in EVERY for _ in range(2)]
    page = put_up(lent, tmp_path / "page.html", *map(make, names))
    assert [url for url in page.requests if not url.startswith(("file:", "blob:"))] == []
    ids = page.evaluate("Array.from(document.querySelectorAll('[id]'), e => e.id)")
    assert len(set(ids)) == len(ids)
    papers = (
        f"Array.from(document.querySelectorAll('{ROOT}'), e => getComputedStyle(e).backgroundColor)"
    )
    light, white = page.evaluate(ALL_PICTURES), page.evaluate(papers)
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_function(f"!document.querySelector('{ROOT}:not([data-theme=dark])')")
    settled(page)
    dark, black = page.evaluate(ALL_PICTURES), page.evaluate(papers)
    for i, name in enumerate(names):
        assert (name in GREY or dark[i] != light[i]) and black[i] != white[i], name
    page.emulate_media(reduced_motion="reduce")
    moving = page.evaluate(f"""Array.from(document.querySelectorAll('{ROOT} *')).filter(e => {{
        const s = getComputedStyle(e);
        return s.transitionDuration !== '0s' || s.animationName !== 'none';
    }}).length""")
    assert moving == 0
    page.emulate_media(reduced_motion="no-preference")
    for name in ("film", "score", "learn"):  # it plays while it goes
        first = page.locator(ROOT).nth(names.index(name))
        first.get_by_role("button", name="Train" if name == "learn" else "Play").first.click()
        page.wait_for_function(
            "root => root.explorable.timings.length > 2", arg=first.element_handle()
        )
    left = page.evaluate(
        """async traits => {
        const all = [...document.querySelectorAll('[data-widget]')].filter((_, i) => i % 2 === 0);
        const roots = all.map(el => el.querySelector('.dm-explorable'));
        const kept = roots.map(root => ({ root, ...root.explorable }));
        const seen = () => kept.map(({ root, state, timings }) => JSON.stringify([root.dataset.theme, state, timings.length]));
        all.forEach((el, i) => { el.close(); el.model.set(traits[i], el.model.get(traits[i])); });
        const before = seen();
        document.body.dataset.jpThemeLight = 'true';
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        const after = seen();
        return all.map((el, i) => [el.children.length, Array.from(el.listeners.values()).flat().length, before[i], after[i]]);
    }""",
        [sample.trait for sample in EVERY.values()],
    )
    for name, (children, listeners, before, after) in zip(EVERY, left, strict=True):
        assert (children, listeners) == (0, 0), name
        assert before == after and before.startswith('["dark"'), name
    # the others are still there
    page.wait_for_function(
        f"document.querySelectorAll('{ROOT}[data-theme=light]').length === {len(EVERY)}"
    )
    assert page.locator(ROOT).count() == len(EVERY) and page.problems == []


def test_the_keyboard_s_place_is_seen(show, page):
    "On a page of its own: past the last control the focus is the window's, and where in it, that lasts."
    show(*map(make, EVERY))
    page.evaluate(f"""() => {{
        window.places = [];
        const all = [...document.querySelectorAll('{ROOT}')];
        document.addEventListener('focusin', ({{ target }}) => places.push([
            all.indexOf(target.closest('{ROOT}')),
            getComputedStyle(target.type === 'radio' ? target.nextSibling : target).outline,
        ]));
    }}""")
    answers = page.locator(ROOT).evaluate_all(  # what there is to find, folded
        "all => all.map(root => root.querySelectorAll('summary').length)"
    )
    stops = [sample.stops + more for sample, more in zip(EVERY.values(), answers, strict=True)]
    for _ in range(sum(stops) + 1):
        page.keyboard.press("Tab")
    places = page.evaluate("places")
    assert [place for place, _ in places] == [i for i, n in enumerate(stops) for _ in range(n)]
    unseen = [i for i, outline in places if "solid" not in outline or outline.endswith(" 0px")]
    assert unseen == [] and not page.evaluate("document.activeElement.closest('.dm-explorable')")
