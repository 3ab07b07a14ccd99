"Fixtures of the tests in the browser."

import contextlib
import functools

import pytest

from tests.browser.static_page import static_page
from tests.lab import VIEWPORT, lending, new_page

STAND = """async () => {
    await Promise.all(Array.from(document.querySelectorAll('[data-widget]'), el => el.ready));
    for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame); // a plot is drawn once its width is known
    return document.querySelector('.dm-explorable canvas') !== null;
}"""
LEAVE = """() => {
    for (const el of document.querySelectorAll('[data-widget]')) el.close?.();
    try { localStorage.clear(); } catch { /* a page that may keep nothing */ }
}"""

USUAL = {"media": "screen", "color_scheme": "light", "reduced_motion": "no-preference"}


def remember_requests(page):
    page.requests = []
    page.on("request", lambda request: page.requests.append(request.url))


@pytest.fixture(scope="session")
def lend_page(browser):
    @contextlib.contextmanager
    def made():
        with new_page(browser) as page:
            remember_requests(page)
            yield page

    def left(page):
        page.mouse.move(-9, -9)
        page.evaluate(LEAVE)  # nothing goes on; the next test opens a document of its own
        page.emulate_media(**USUAL)

    with lending(made, left) as lend:
        yield lend


def put_up(page, file, *widgets, width=1000, scheme="light", networks=(), before=""):
    """Show widgets on a page, which is this file; requests to anywhere are refused and remembered.

    networks: the names of those whose weights the page holds; before: a script that runs first.
    """
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="no-preference")
    html = static_page(*widgets, style="body { margin: 0 }", networks=networks, first=before)
    file.write_text(html, encoding="utf-8")
    page.requests.clear()
    page.goto(file.as_uri())
    assert page.evaluate(STAND)
    return page


@pytest.fixture
def lent(lend_page):
    "The page that tests before had, without what they left; at the end nothing has failed, and no server was asked."
    with lend_page() as page:
        page.set_viewport_size(VIEWPORT)
        page.requests.clear()
        yield page
        assert page.problems == []
        at_home = ("file:", "blob:", "data:", "about:")
        assert [url for url in page.requests if not url.startswith(at_home)] == []


@pytest.fixture
def show(request, lend_page, tmp_path):
    """Put up widgets on a page: the one that the tests before had, without what they left.

    A test that asks for `page` too, to change what lasts, has its own.
    """
    with contextlib.ExitStack() as stack:
        if "page" in request.fixturenames:
            page = request.getfixturevalue("page")
            remember_requests(page)
        else:
            page = stack.enter_context(lend_page())
        yield functools.partial(put_up, page, tmp_path / "page.html")
        problems = [*page.problems]
    assert problems == []
