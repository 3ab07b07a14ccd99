"""python -m website.check [SITE]: what must hold of the built site, on every page.

Every link within the site leads somewhere and every formula is set; in a browser, on a file: no page asks the network for
anything, each explorable answers a drag, no page is wider than a phone, and axe-core finds nothing serious, in light and
in dark. The tests take the first two whole and a sample of the rest.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from website.assemble import ROOT, settings

_SKIP = {"script", "style", "code", "pre", "math", "svg", "title"}


class _Page(HTMLParser):
    "The links, the names and the plain text of a page."

    def __init__(self, html: str):
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.words: list[str] = []
        self.formulas = 0
        self._above: list[str] = []
        self.feed(html)

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
            target = (base / path).resolve() if path else site / name
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
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
        if name not in read:
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


def drags(page) -> Iterator[tuple[str, bool]]:
    "For each explorable of the open page, whether its picture changes when its first slider moves."
    page.evaluate(
        "window.course?.live && document.querySelector('[data-place]') ? course.live() : 0"
    )
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
    canvases = "e => Array.from(e.querySelectorAll('canvas'), c => c.toDataURL()).join()"
    for widget in page.locator("[data-widget]").all():
        name = widget.get_attribute("data-widget")
        slider = widget.locator("input[type=range]").first
        before = widget.evaluate(canvases)
        slider.press("End" if slider.input_value() != slider.get_attribute("max") else "Home")
        page.wait_for_timeout(100)
        yield name, widget.evaluate(canvases) != before


def serious(page) -> list[str]:
    "What axe-core finds serious or critical on the open page."
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [
        f"{v['id']}: {node['html'][:120]}"
        for v in found
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"]
    ]


def in_browser(site: Path, names: list[str]) -> list[str]:
    "What is wrong with these pages, opened as files."
    from playwright.sync_api import sync_playwright

    from tests.lab import FLAGS, find_chromium

    wrong = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name in names:
            for scheme, width in (("light", 1280), ("dark", 360)):
                context = browser.new_context(
                    viewport={"width": width, "height": 900}, color_scheme=scheme
                )
                page = context.new_page()
                asked: list[str] = []
                page.on("request", lambda request, asked=asked: asked.append(request.url))
                page.on("pageerror", lambda e, name=name, wrong=wrong: wrong.append(f"{name}: {e}"))
                page.goto((site / name).resolve().as_uri())
                page.wait_for_timeout(200)
                where = f"{name} ({scheme}, {width})"
                if width == 1280:
                    wrong += [f"{where}: {w} did not move" for w, moved in drags(page) if not moved]
                wide = page.evaluate("document.documentElement.scrollWidth")
                wrong += [f"{where}: {wide} pixels wide"] if wide > width else []
                wrong += [f"{where}: {found}" for found in serious(page)]
                away = [u for u in asked if not u.startswith(("file:", "blob:", "data:"))]
                wrong += [f"{where}: asked {url}" for url in away]
                context.close()
        browser.close()
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m website.check", description=__doc__)
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / "site")
    parser.add_argument("--no-browser", action="store_true", help="only the links and the formulas")
    args = parser.parse_args()
    read = pages(args.site)
    wrong = broken_links(args.site, read) + unset_formulas(args.site, read, ROOT / "nbs")
    if not args.no_browser:
        wrong += in_browser(args.site, list(read))
    print("\n".join(wrong) or f"{len(read)} pages: nothing is wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
