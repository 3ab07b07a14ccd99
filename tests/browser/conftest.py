"Fixtures of the tests in the browser."

import pytest

from tests.browser.explorable import settled
from tests.browser.static_page import static_page


@pytest.fixture
def show(page, tmp_path):
    """Open widgets on a page of their own; requests to anywhere are refused and remembered.

    networks: the names of those whose weights the page holds; before: a script that runs first.
    """

    def show_(*widgets, width=1000, scheme="light", networks=(), before=None):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        file = tmp_path / "page.html"
        html = static_page(*widgets, style="body { margin: 0 }", networks=networks)
        file.write_text(html, encoding="utf-8")
        if before:
            page.add_init_script(before)
        page.requests = []
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(file.as_uri())
        page.evaluate(
            "Promise.all(Array.from(document.querySelectorAll('[data-widget]'), el => el.ready))"
        )
        page.wait_for_selector(".dm-explorable canvas")
        settled(page)  # a plot is drawn once its width is known
        return page

    yield show_
    assert page.problems == []
