"""python -m website.check [SITE]: what must hold of the built site, on every page.

Every link within the site leads somewhere and every formula is set; in a browser, on a file: no page asks the network for
anything, each explorable answers a drag, no page is wider than a phone or moves by itself, and axe-core finds nothing serious,
in light on one page and in dark on the next; from a server: the first view is light. How quick all this is (pace.py) is
printed, and with --pace bounded: on a machine that does nothing else, since a slow one must not stop the site. The tests take
the first two whole and a sample of the rest.
"""

import argparse
import functools
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from website import pace
from website.assemble import ROOT, settings

SHIFT = 0.05  # of the screen that may move by itself: the worst of all stretches of five seconds, as browsers count it
_SKIP = {"script", "style", "code", "pre", "math", "svg", "title"}
# Most of a page's tags, of which only a glyph's name and a use of it matter: formulas' strokes, and the colours of code.
_GLYPHS = re.compile(r'<(?:(use)|path)\b[^<>]*?\b(?:href|id)="([^"]*)"')
_STROKES = re.compile(r"<math>.*?</math>|</?(?:g|use|path|rect|text)\b[^<>]*>", re.DOTALL)
_CODE = re.compile(r"<pre>.*?</pre>", re.DOTALL)
_COLOURS = re.compile(r'<span class="[^"]*">|</span>')


class _Page(HTMLParser):
    "The links, the names and the plain text of a page."

    def __init__(self, html: str):
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.words: list[str] = []
        self.formulas = 0
        self._above: list[str] = []
        for used, name in _GLYPHS.findall(html):
            self.links.append(name) if used else self.ids.add(name)
        html = _CODE.sub(lambda code: _COLOURS.sub("", code.group()), html)
        self.feed(_STROKES.sub("", html))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.links += [given[key] for key in ("href", "src", "data-src") if given.get(key)]
        self.ids |= {given["id"]} if given.get("id") else set()
        self.formulas += "formula" in (given.get("class") or "").split()
        if tag in _SKIP:
            self._above.append(tag)

    def handle_endtag(self, tag):
        if self._above and self._above[-1] == tag:
            self._above.pop()

    def handle_data(self, data):
        if not self._above:
            self.words.append(data)


def pages(site: Path) -> dict[str, _Page]:
    "Every page of the site, by its path."
    found = sorted(p for p in site.rglob("*.html") if "_static" not in p.parts)
    return {p.relative_to(site).as_posix(): _Page(p.read_text(encoding="utf-8")) for p in found}


def broken_links(site: Path, read: dict[str, _Page]) -> list[str]:
    "The links within the site that lead nowhere."

    @functools.cache  # the contents at the side are the same on each page
    def found(base: Path, path: str) -> Path | None:
        target = (base / path).resolve()
        target = target / "index.html" if target.is_dir() else target
        return target if target.is_file() else None

    site = site.resolve()
    top, wrong = "/" + settings()["site_url"].rstrip("/").split("/", 3)[3] + "/", []
    for name, page in read.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path, base = unquote(parts.path), (site / name).parent
            if path.startswith(top):
                path, base = path.removeprefix(top), site
            target = found(base, path) if path else site / name
            if target is None:
                wrong.append(f"{name}: {link}")
            elif parts.fragment and target.suffix == ".html":
                ids = read[target.relative_to(site).as_posix()].ids
                if unquote(parts.fragment) not in ids:
                    wrong.append(f"{name}: {link}")
    return wrong


def unset_formulas(site: Path, read: dict[str, _Page], notebooks: Path) -> list[str]:
    "The pages on which a formula is missing, or stands as its source."
    wrong = []
    for path in sorted(notebooks.rglob("*.ipynb")):
        name = path.relative_to(notebooks).with_suffix(".html").as_posix()
        if name not in read or name == "index.html":  # whose front page is another
            continue
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
        pattern = r"(```.*?```|`[^`\n]+`)|\$\$.+?\$\$|(?<![\\$])\$[^$\n]+?\$"
        written = (m for text in texts for m in re.finditer(pattern, text, re.DOTALL))
        many = sum(not found.group(1) for found in written)
        if read[name].formulas < many:
            wrong.append(f"{name}: {read[name].formulas} formulas for {many}")
    for name, page in read.items():
        for words in page.words:
            if re.search(r"\$[^$\d\s][^$]*\$|\\[a-z]{2,}", words):
                wrong.append(f"{name}: {words.strip()[:80]}")
    return wrong


# The pictures of an explorable in one number, and whether they become others before ten seconds are over.
_SEEN = """e => [...e.querySelectorAll('canvas')].reduce((all, c) => {
    if (!c.width || !c.height) return all;
    const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
    return new Uint32Array(data.buffer).reduce((sum, v) => (Math.imul(sum, 31) + v) | 0, all);
}, 7)"""
_CHANGES = f"""async (e, before) => {{
    const seen = {_SEEN};
    for (const late = performance.now() + 10_000; performance.now() < late; ) {{
        if (seen(e) !== before) return true;
        await new Promise((done) => setTimeout(done, 16));
    }}
    return false;
}}"""


def drags(page) -> Iterator[tuple[str, bool]]:
    "For each explorable of the open page, whether its picture changes when its first slider moves."
    page.evaluate(
        "window.course?.live && document.querySelector('[data-place]') ? course.live() : 0"
    )
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
    for widget in page.locator("[data-widget]").all():
        name = widget.get_attribute("data-widget")
        slider = widget.locator("input[type=range]").first
        before = widget.evaluate(_SEEN)
        slider.press("End" if slider.input_value() != slider.get_attribute("max") else "Home")
        yield name, widget.evaluate(_CHANGES, before)


# As browsers count it: stretches of at most five seconds, a second of rest between two of them.
_WATCH = """() => {
    let [sum, from, last] = [0, 0, 0];
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const { value, hadRecentInput, startTime: now } of list.getEntries()) {
            if (hadRecentInput) continue;
            if (now - last > 1000 || now - from > 5000) [sum, from] = [0, now];
            [sum, last] = [sum + value, now];
            window.shifted = Math.max(window.shifted, sum);
        }
    }).observe({ type: 'layout-shift', buffered: true });
}"""
_SCROLL = """async () => {
    for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight / 2) {
        scrollTo({ top: y, behavior: 'instant' });
        await new Promise((done) => setTimeout(done, 60));
    }
    await new Promise((done) => setTimeout(done, 300));
    scrollTo({ top: 0, behavior: 'instant' });
    return window.shifted;
}"""


def shift(page, file: Path, width: int, height: int) -> float:
    "How much of a page moves by itself while somebody scrolls through it."
    page.set_viewport_size({"width": width, "height": height})
    page.goto("about:blank")
    page.goto(file.resolve().as_uri())
    page.evaluate(_WATCH)
    return page.evaluate(_SCROLL)


# What axe-core would read thousands of times and judge alike: the strokes of formulas, which are hidden from those who
# listen, and the words of code, of which one of each kind and ground is left.
_ONCE = """() => {
    document.querySelectorAll('.formula > svg, svg.glyphs').forEach((e) => e.replaceChildren());
    document.querySelectorAll('.formula > math').forEach((e) => e.replaceChildren());
    const seen = new Set();
    for (const e of document.querySelectorAll('.highlight pre span')) {
        const kind = [e.className, Boolean(e.closest('.cell_output')), Boolean(e.closest('details'))].join();
        if (e.children.length || !e.className) continue;
        if (seen.has(kind)) e.replaceWith(e.textContent);
        seen.add(kind);
    }
    document.querySelectorAll('.highlight pre').forEach((e) => e.normalize());
}"""


def violations(page) -> list[dict]:
    "What axe-core finds on the open page, which is not to be used any more."
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(_ONCE)
    options = {"preload": False, "resultTypes": ["violations"]}
    return Axe().run(page, options=options).response["violations"]


def serious(page) -> list[str]:
    "What of it is serious or critical."
    return [
        f"{v['id']}: {node['html'][:120]}"
        for v in violations(page)
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"]
    ]


def look(page, file: Path, scheme: str) -> tuple[list[str], list[str], list[str]]:
    "What is wrong with one page, opened as a file, and what is slow: as on a desk, then as on a phone; and its figures."
    wrong, late, asked, told = [], [], [], []
    errors = lambda e: wrong.append(str(e))  # noqa: E731
    requests = lambda request: asked.append(request.url)  # noqa: E731
    page.on("pageerror", errors)
    page.on("request", requests)
    try:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.goto("about:blank")  # what the page before still asks for is not this one's
        asked.clear()
        page.goto(file.resolve().as_uri())
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 900})
            if width == 1280:
                wrong += [f"{widget} did not move" for widget, moved in drags(page) if not moved]
                for title, median, slow in pace.moves(page):
                    told.append(f"a move of {title} {median:.1f} ms, 95 % within {slow:.1f}")
                    late += told[-1:] if median > pace.MOVE or slow > pace.SLOW_MOVE else []
            wide = page.evaluate("document.documentElement.scrollWidth")
            wrong += [f"{wide} pixels wide at {width}"] if wide > width else []
        for size in ((1280, 900), (390, 844)):
            moved = shift(page, file, *size)
            told.append(f"{moved:.3f} of the screen moves by itself at {size[0]}")
            wrong += told[-1:] if moved > SHIFT else []
        wrong += serious(page)
    finally:
        page.remove_listener("pageerror", errors)
        page.remove_listener("request", requests)
    away = [url for url in asked if not url.startswith(("file:", "blob:", "data:"))]
    return wrong + [f"asked {url}" for url in away], late, told


def first_sight(browser, url: str) -> tuple[list[str], list[str], list[str]]:
    "Of a page as it comes from a server: whether it weighs too much, whether text is late to be seen; and these figures."
    wrong, late, told = [], [], []
    views = []
    while len(views) < pace.TRIES and (not views or min(views)[0] > pace.FIRST_PAINT):
        views.append(pace.first_view(browser, url))
    painted, weight = min(views)
    told += [f"text after {painted:.0f} ms", f"first view {weight / 1000:.0f} kB"]
    late += told[:1] if painted > pace.FIRST_PAINT else []
    wrong += told[1:] if weight > pace.FIRST_VIEW else []
    if url.endswith("/index.html") and "/api/" not in url and "/workshop/" not in url:
        alive = min(pace.until_alive(browser, url) for _ in range(pace.TRIES))
        told.append(f"the digit alive after {alive:.0f} ms")
        late += told[-1:] if alive > pace.ALIVE else []
    return wrong, late, told


def in_browser(
    site: Path, names: list[str], tell: Callable[[str], None] = print, paced: bool = False
) -> list[str]:
    """What is wrong with these pages, one after another in one browser; the theme is light and dark in turns.

    paced: what is slow is wrong, too.
    """
    from playwright.sync_api import Error, sync_playwright

    from tests.lab import FLAGS, find_chromium

    wrong = []
    with sync_playwright() as play, pace.served(site) as root:
        browser = play.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page()
        for i, name in enumerate(names):
            start, scheme = time.monotonic(), ("light", "dark")[i % 2]
            late, told = [], []
            try:
                found, late, told = first_sight(browser, root + name)
                more = look(page, site / name, scheme)
                found, late, told = found + more[0], late + more[1], told + more[2]
            except Error as error:  # the next page has a window of its own
                found = [str(error).splitlines()[0]]
                page.close()
                page = browser.new_page()
            found += [f"slow: {what}" for what in late] if paced else []
            wrong += [f"{name} ({scheme}): {what}" for what in found]
            said = f"{len(found)} findings" if found else "slow" if late else "ok"
            tell(f"[{i + 1}/{len(names)}] {name}: {time.monotonic() - start:.1f} s, {said}")
            tell("    " + "; ".join(told))
        browser.close()
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m website.check", description=__doc__)
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / "site")
    parser.add_argument("--no-browser", action="store_true", help="only the links and the formulas")
    parser.add_argument(
        "--only", metavar="PAGE", action="append", help="in the browser, pages whose path has this"
    )
    parser.add_argument(
        "--pace", action="store_true", help="what is slower than its bound is wrong, too"
    )
    args = parser.parse_args()
    read = pages(args.site)
    wrong = broken_links(args.site, read) + unset_formulas(args.site, read, ROOT / "nbs")
    names = [name for name in read if any(part in name for part in args.only or [""])]
    if not names:
        parser.error(f"no page has {' or '.join(args.only)} in its path")
    if not args.no_browser:
        wrong += in_browser(args.site, names, functools.partial(print, flush=True), args.pace)
    print("\n".join(wrong) or f"{len(read)} pages: nothing is wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
