"All explorables in a real JupyterLab, in one output: dragged, in step with Python, quick, and quiet while a cell runs."

import json
import time

import numpy as np
import pytest

from tests.browser import layout
from tests.browser.explorable import ROOT, drag, serious, settled
from tests.browser.widgets import EVERY
from tests.lab import OpenNotebook, notebook

CELLS = [
    """import ipywidgets, json, torch
from tests.browser.widgets import EVERY
every = {name: sample.make() for name, sample in EVERY.items()}""",
    "ipywidgets.VBox(list(every.values()))",
]
PLACES = {name: i for i, name in enumerate(EVERY)}
every = pytest.mark.parametrize("name", EVERY)


@pytest.fixture(scope="module")
def nb(lab, lab_page):
    "A notebook that shows them all, run once."
    with lab_page() as page:
        layout.watch(page)
        nb = OpenNotebook(lab, page, notebook(CELLS, lab.root / "explorables.ipynb").name)
        assert nb.run_all(), nb.errors()
        page.wait_for_function(f"document.querySelectorAll('{ROOT} canvas').length > {len(EVERY)}")
        page.wait_for_function(f"document.querySelectorAll('{ROOT}').length === {len(EVERY)}")
        yield nb
        assert page.problems == []


def trait(nb, name):
    "The trait that its first slider moves, in Python and in the browser."
    key = EVERY[name].trait
    python = json.loads(nb.run(f"print(json.dumps(every[{name!r}].{key}))"))
    script = "([i, key]) => document.querySelectorAll('.dm-explorable')[i].explorable.state[key]"
    return python, nb.page.evaluate(script, [PLACES[name], key])


def agree(nb, name, seconds=10):
    "Wait until Python and the browser have the same value, which is returned."
    end = time.monotonic() + seconds
    while (pair := trait(nb, name))[0] != pair[1] and time.monotonic() < end:
        time.sleep(0.05)
    assert pair[0] == pair[1], name
    return pair[0]


def same_numbers(nb, name):
    "Assert that what Python and the browser have worked out from their traits is the same."
    python, script = EVERY[name].both
    say = f"w = every[{name!r}]; print(json.dumps(torch.as_tensor({python}, dtype=torch.float64).flatten().tolist()))"
    ours = nb.page.evaluate(f"i => {{ const e = document.querySelectorAll('{ROOT}')[i].explorable; return {script}; }}",
                            PLACES[name])  # fmt: skip
    np.testing.assert_allclose(np.ravel(ours), json.loads(nb.run(say)), rtol=1e-6, atol=1e-6)
    return np.ravel(ours)


@every
def test_a_drag_and_a_key_reach_python_and_python_reaches_it(nb, name):
    page, root = nb.page, nb.page.locator(ROOT).nth(PLACES[name])
    slider = root.get_by_label(EVERY[name].sliders[0], exact=True)
    before, first = agree(nb, name), same_numbers(nb, name)
    slider.scroll_into_view_if_needed()
    drag(page, slider, 0.85)
    dragged, moved = agree(nb, name), same_numbers(nb, name)
    assert not np.array_equal(moved, first)
    active = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    cell = page.evaluate(active)
    slider.press("ArrowLeft")
    assert agree(nb, name) != dragged and page.evaluate(active) == cell and slider.is_visible()
    nb.run(f"every[{name!r}].{EVERY[name].trait} = {before!r}")
    assert agree(nb, name) == before
    root.get_by_role("button", name="Reset").click()
    agree(nb, name)


@pytest.mark.long
def test_forty_moves_of_each_while_a_cell_runs(nb):
    "Nothing is lost and nothing is queued: a message a frame at most, and the last state is the last."
    nb.run("""seen = {name: [] for name in every}
for name, sample in EVERY.items():
    every[name].observe(lambda change, name=name: seen[name].append(change.new), sample.trait)""")
    labels = [EVERY[name].sliders[0] for name in EVERY]
    nb.page.evaluate(
        """async labels => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        kernel.requestExecute({code: 'import time; time.sleep(2)'});
        const sliders = Array.from(document.querySelectorAll('.dm-explorable'), (root, k) =>
            Array.from(root.querySelectorAll('.dm-range')).find(s => s.labels[0].textContent.trim() === labels[k]));
        for (let i = 0; i < 40; i++) {
            for (const slider of sliders) {
                slider.value = i < 39 ? i % (+slider.max + 1) : Math.round(0.6 * slider.max);
                slider.dispatchEvent(new Event('input', { bubbles: true }));
            }
            if (i % 2) await new Promise(requestAnimationFrame);
        }
    }""",
        labels,
    )
    last = {name: agree(nb, name, seconds=30) for name in EVERY}
    seen = json.loads(nb.run("print(json.dumps(seen))"))
    for name in EVERY:
        assert seen[name][-1] == last[name] and len(seen[name]) <= 21, name


@pytest.fixture(scope="module", params=[640, 900, 1280])
def width(nb, request):
    "A JupyterLab so wide; its side bar takes some of that. The last is as wide as it was, for the tests that follow."
    nb.page.set_viewport_size({"width": request.param, "height": 900})
    settled(nb.page)
    return request.param


@every
def test_everything_stands_in_its_place(nb, name, width):
    "JupyterLab has rules of its own for what an output holds: they must not move a label from its value."
    root = nb.page.locator(ROOT).nth(PLACES[name])
    root.scroll_into_view_if_needed()
    settled(nb.page)
    seen = layout.look(root)
    assert layout.faults(seen) == []
    assert not seen["plots"] or sum(len(texts) for texts, *_ in seen["plots"]) > 4
    assert len(seen["pairs"]) >= len(EVERY[name].sliders)


SWITCH = """on => {
    // what our style sheet, of which each widget brings a copy, says of lists of names and numbers
    window.put ??= [...document.styleSheets].flatMap(sheet => [...sheet.cssRules])
        .filter(rule => rule.selectorText?.startsWith('.dm-explorable .dm-readout')).map(rule => [rule, rule.style.cssText]);
    for (const [rule, css] of window.put) rule.style.cssText = on ? css : '';
    return window.put.length;
}"""


@pytest.mark.parametrize("name", ["melting", "reverse", "score"])
def test_what_jupyterlab_would_do_is_noticed(nb, name):
    "JupyterLab floats each dt and dd of an output, a fifth and four fifths wide."
    root = nb.page.locator(ROOT).nth(PLACES[name])
    assert layout.strayed(layout.look(root)) == []
    assert nb.page.evaluate(SWITCH, False) >= len(EVERY)
    assert layout.strayed(layout.look(root)) != []
    nb.page.evaluate(SWITCH, True)
    assert layout.strayed(layout.look(root)) == []


def test_what_leaves_its_frame_is_noticed(nb):
    root = nb.page.locator(ROOT).nth(PLACES["score"])
    wide = ".dm-plot { max-width: none !important; width: 150% !important }"
    style = nb.page.add_style_tag(content=wide)
    assert layout.outside(layout.look(root)) != []
    style.evaluate("e => e.remove()")
    assert layout.outside(layout.look(root)) == []
    script = """c => {
        const g = c.getContext('2d');
        for (const x of [5, 9]) g.fillText('a long word', x, 50);
        g.fillText('more', -9, 9);
    }"""
    root.locator(".dm-plot").evaluate(script)
    wrong = layout.written(layout.look(root))
    assert sorted(text.split("' ")[1][:6] for text in wrong) == ["is cut", "is wri"]
    assert layout.on_top(layout.look(root)) == []
    root.locator("dd").first.evaluate(
        "e => { e.style.cssText = 'position: relative; top: -16px'; }"
    )
    assert layout.on_top(layout.look(root)) != []
    root.locator("dd").first.evaluate("e => { e.style.cssText = ''; }")


def test_no_serious_violation_in_jupyterlab(nb):
    assert serious(nb.page) == []


def test_from_the_event_to_the_end_of_the_draw(nb, capsys):
    "Prints how long a move takes; asserts only that each one was drawn."
    rows = []
    for name, i in PLACES.items():
        took, moves = nb.page.evaluate(
            """async i => {
            const root = document.querySelectorAll('.dm-explorable')[i], { timings } = root.explorable;
            root.scrollIntoView();
            timings.length = 0;
            let moves = 0;
            for (const slider of root.querySelectorAll('.dm-range')) {
                for (let k = 0; k < 4; k++) {
                    slider.value = Math.round((k * slider.max) / 3);
                    slider.dispatchEvent(new Event('input', { bubbles: true }));
                    moves++;
                }
            }
            await new Promise(requestAnimationFrame);
            return [timings.filter(({ type }) => type === 'input').map(({ from, to }) => to - from), moves];
        }""",
            i,
        )
        assert len(took) == moves >= 4 and min(took) >= 0
        rows.append(
            f"{name:>9} {len(took):>7} {np.median(took):>10.1f} {np.percentile(took, 95):>10.1f}"
        )
    head = "\nfrom a slider's input event to the end of the draw, ms\n   widget   moves     median       95 %"
    with capsys.disabled():
        print(head, *rows, sep="\n")
