"Fixtures of the tests in the browser."

import contextlib

import pytest

from tests.browser.explorable import settled
from tests.browser.static_page import static_page
from tests.lab import VIEWPORT, lending, new_page

FORGET = "() => { try { localStorage.clear(); } catch { /* a page that may keep nothing */ } }"

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
        page.evaluate(FORGET)
        page.goto("about:blank")
        page.emulate_media(**USUAL)

    with lending(made, left) as lend:
        yield lend


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
    """Open widgets on a page of their own; requests to anywhere are refused and remembered.

    networks: the names of those whose weights the page holds; before: a script that runs first. The page is the one that
    the tests before had, without what they left; a test that asks for `page` too, to change what lasts, has its own.
    """
    with contextlib.ExitStack() as stack:
        if "page" in request.fixturenames:
            page = request.getfixturevalue("page")
            remember_requests(page)
        else:
            page = stack.enter_context(lend_page())

        def show_(*widgets, width=1000, scheme="light", networks=(), before=""):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme, reduced_motion="no-preference")
            file, style = tmp_path / "page.html", "body { margin: 0 }"
            html = static_page(*widgets, style=style, networks=networks, first=before)
            file.write_text(html, encoding="utf-8")
            page.requests.clear()
            page.goto(file.as_uri())
            page.evaluate(
                "Promise.all(Array.from(document.querySelectorAll('[data-widget]'), el => el.ready))"
            )
            page.wait_for_selector(".dm-explorable canvas")
            settled(page)  # a plot is drawn once its width is known
            return page

        yield show_
        problems = [*page.problems]
    assert problems == []
