"What every explorable owes to everyone, on a page with no kernel and no network."

import pytest

from tests.browser import layout
from tests.browser.explorable import ROOT, serious, settled
from tests.browser.widgets import EVERY, make

every = pytest.mark.parametrize("name", EVERY)
PICTURES = (
    "Array.from(document.querySelectorAll('.dm-explorable canvas'), c => c.toDataURL()).join()"
)
LIVE = "[aria-live=polite]"
GREY = (
    "draw",
    "network",
)  # all that they draw is pictures, which no theme changes, and nothing clears


@pytest.mark.parametrize("width, scheme", [(320, "dark"), (1000, "light")])
def test_accessible_in_any_light_and_no_wider_than_the_page(show, width, scheme):
    "All on one page, which axe-core reads once; and no move is read aloud twice."
    page = show(*map(make, EVERY), width=width, scheme=scheme)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    themes = page.locator(ROOT).evaluate_all("all => all.map(e => e.dataset.theme)")
    assert themes == [scheme] * len(EVERY)
    for picture in page.locator(f"{ROOT} canvas").all():
        assert picture.get_attribute("role") in ("img", "application") and picture.get_attribute(
            "aria-label"
        )
    small = page.evaluate(f"""Array.from(document.querySelectorAll('{ROOT} :is(input, select, button)')).filter(e => {{
        const box = (e.type === 'radio' ? e.nextSibling : e).getBoundingClientRect();
        return Math.min(box.width, box.height) < 24;
    }}).map(e => e.outerHTML)""")
    assert small == []  # a finger can hit each of them
    assert page.locator(f"{ROOT} :is(output, [role=status])").count() == 0
    assert page.locator(f"{ROOT} .dm-value:not([aria-hidden=true])").count() == 0


@every
@pytest.mark.parametrize(
    "width, keys", [(320, "Home End"), (360, "Home"), (760, "End"), (1000, "Home")]
)
def test_everything_stands_in_its_place(show, name, width, keys):
    "At both ends of its sliders where it is narrowest, then at one."
    page = show(make(name), width=width, before=layout.WATCHING)
    root = page.locator(ROOT)
    for key in keys.split():
        for slider in root.locator(".dm-range").all():
            slider.press(key)
        settled(page)
        assert layout.strayed(root) + layout.outside(root) + layout.on_top(root) == []
        assert layout.written(root)[0] == []


@every
def test_keys_move_it_and_it_says_where_it_is(show, name):
    page, sample = show(make(name)), EVERY[name]
    live = page.locator(LIVE)
    assert len(live.text_content()) > 20 and page.locator(LIVE).count() == 1
    for label in sample.sliders:
        slider = page.get_by_label(label, exact=True)
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
        for key, place in keys.items():
            slider.press(key)
            assert slider.input_value() == str(min(place, last)), (label, key)
    page.get_by_role("button", name="Reset").press("Enter")
    before, said = page.evaluate(PICTURES), live.text_content()
    first = page.get_by_label(sample.sliders[0], exact=True)
    first.press("ArrowRight" if first.input_value() != first.get_attribute("max") else "ArrowLeft")
    assert page.evaluate(PICTURES) != before
    page.wait_for_function(
        "before => document.querySelector('[aria-live]').textContent !== before", arg=said
    )


@every
def test_reset_restores_every_trait(show, name):
    widget, saves = make(name), "document.querySelector('[data-widget]').model.saves"
    page = show(widget)
    first = page.evaluate(PICTURES)
    if name == "gauge":  # its picture and its noise are no sliders
        page.locator(".dm-draw").click()
        page.get_by_role("button", name="New noise").click()
    if name == "draw":
        page.locator(".dm-draw").click()
    if name in ("draw", "network"):
        page.get_by_role("button", name="New noise").click()
    if name == "score":  # nor is where its particles are
        page.get_by_role("button", name="One step").click()
    if name in ("learn", "playground"):  # nor are its points
        page.locator(".dm-draw").click()
    if name == "learn":  # and what it has learned
        page.evaluate("document.querySelector('[data-widget]').model.set('steps', 3)")
        page.wait_for_function("document.querySelector('.dm-explorable').explorable.step === 3")
    for label in EVERY[name].sliders:
        page.get_by_label(label, exact=True).press("End")
    for choice in page.get_by_role("combobox").all():
        choice.select_option(index=1)
    settled(page)
    before = page.evaluate(saves)
    assert page.evaluate(PICTURES) != first
    page.get_by_role("button", name="Reset").click()
    state = page.evaluate("document.querySelector('.dm-explorable').explorable.state")
    assert {k: state[k] for k in widget._start} == widget._start
    settled(page)
    assert page.evaluate(saves) == before + 1 and page.evaluate(PICTURES) == first


@every
def test_the_model_moves_the_widget_and_a_drag_sends_one_message_a_frame(show, name):
    page, sample = show(make(name)), EVERY[name]
    got = page.evaluate(
        """async ([label, trait]) => {
        const el = document.querySelector('[data-widget]'), model = el.model, before = model.saves;
        const input = document.getElementById(Array.from(el.querySelectorAll('label'))
            .find(l => l.textContent.trim() === label).htmlFor);
        for (let i = 0; i < 200; i++) { input.value = i % (+input.max + 1); input.dispatchEvent(new Event('input')); }
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        return [model.saves - before, input.value === String(199 % (+input.max + 1))];
    }""",
        [sample.sliders[0], sample.trait],
    )
    assert got == [1, True]
    moved = page.evaluate(
        "trait => document.querySelector('[data-widget]').model.get(trait)", sample.trait
    )
    page.get_by_role("button", name="Reset").click()
    pictures = page.evaluate(PICTURES)
    page.evaluate(
        "([trait, v]) => document.querySelector('[data-widget]').model.set(trait, v)",
        [sample.trait, moved],
    )
    settled(page)
    assert page.evaluate(PICTURES) != pictures


@every
def test_a_move_and_a_reset_draw_once(show, name):
    page = show(make(name))
    got = page.evaluate(
        """async ([label, drawn]) => {
        const cleared = new Map(), { [drawn]: draw } = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype[drawn] = function (...a) {
            if (this.canvas.isConnected) cleared.set(this.canvas, (cleared.get(this.canvas) ?? 0) + 1);
            draw.apply(this, a);
        };
        const most = () => { const n = Math.max(0, ...cleared.values()); cleared.clear(); return n; };
        const settled = () => new Promise(done => setTimeout(done, 50));
        const find = (kind, text) => [...document.querySelectorAll(kind)].find(e => e.textContent.trim() === text);
        const input = document.getElementById(find('label', label).htmlFor);
        input.value = input.value === input.max ? 0 : input.max;
        input.dispatchEvent(new Event('input'));
        await settled();
        const moved = most();
        find('button', 'Reset').click();
        await settled();
        return [moved, most()];
    }""",
        [EVERY[name].sliders[-1], "putImageData" if name in GREY else "clearRect"],
    )
    # the film, the digits of the gauge and the pixels are also put up as pictures, which nothing clears
    assert max(got) <= 1 and (name == "film" or got[1] == 1)


@every
def test_themes_motion_network_and_nothing_left_behind(show, name):
    page = show(make(name), make(name))
    assert [url for url in page.requests if not url.startswith(("file:", "blob:"))] == []
    ids = page.evaluate("Array.from(document.querySelectorAll('[id]'), e => e.id)")
    assert len(set(ids)) == len(ids)
    paper = "getComputedStyle(document.querySelector('.dm-explorable')).backgroundColor"
    light, white = page.evaluate(PICTURES), page.evaluate(paper)
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_selector(f"{ROOT}[data-theme=dark]")
    assert (name in GREY or page.evaluate(PICTURES) != light) and page.evaluate(paper) != white
    page.emulate_media(reduced_motion="reduce")
    moving = page.evaluate("""Array.from(document.querySelectorAll('.dm-explorable *')).filter(e => {
        const s = getComputedStyle(e);
        return s.transitionDuration !== '0s' || s.animationName !== 'none';
    }).length""")
    assert moving == 0
    page.emulate_media(reduced_motion="no-preference")
    if name in ("film", "score", "learn"):  # it plays while it goes
        page.get_by_role("button", name="Train" if name == "learn" else "Play").first.click()
        page.wait_for_function(
            "document.querySelector('.dm-explorable').explorable.timings.length > 2"
        )
    left = page.evaluate(
        """async trait => {
        const el = document.querySelector('[data-widget]'), root = el.querySelector('.dm-explorable');
        const { state, timings } = root.explorable;
        const seen = () => JSON.stringify([root.dataset.theme, state, timings.length]);
        el.close();
        el.model.set(trait, el.model.get(trait));
        const before = seen();
        document.body.dataset.jpThemeLight = 'true';
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        return [el.children.length, Array.from(el.listeners.values()).flat().length, before, seen()];
    }""",
        EVERY[name].trait,
    )
    assert left[:2] == [0, 0] and left[2] == left[3] and left[2].startswith('["dark"')
    page.wait_for_selector(f"{ROOT}[data-theme=light]")  # the other one is still there


@every
def test_the_keyboard_s_place_is_seen(show, page, name):
    "On a page of its own: past the last control the focus is the window's, and where in it, that lasts."
    show(make(name))
    page.keyboard.press("Tab")
    answer = page.locator(f"{ROOT} summary").count()  # what there is to find, folded
    for i in range(EVERY[name].stops + answer):
        style = page.evaluate("""() => {
            const e = document.activeElement;
            return getComputedStyle(e.type === 'radio' ? e.nextSibling : e).outline;
        }""")
        assert "solid" in style and not style.endswith(" 0px"), (
            i,
            page.evaluate("document.activeElement.outerHTML"),
        )
        page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.closest('.dm-explorable')")
