"""How quick the site is: a page's first paint and weight from a server, on a slow machine and line; an explorable's moves.

`python -m website.check` prints these figures, page by page; with --pace it refuses what is beyond its bound.
"""

import functools
import gzip
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SLOWER = 4  # times, the processor
LINE = {
    "offline": False,
    "latency": 40,  # milliseconds there and back
    "downloadThroughput": 10e6 / 8,  # bytes a second
    "uploadThroughput": 10e6 / 8,
}
FIRST_PAINT = 1000  # milliseconds until text is to be seen, so slowed
FIRST_VIEW = 500_000  # bytes, compressed, before anybody has scrolled; a network comes after that
ALIVE = (
    2000  # milliseconds until the front page's digit is on its way back, on this machine as it is
)
MOVE, SLOW_MOVE = (
    10,
    16,
)  # milliseconds of a move, from its event to the end of the draw: the median, and 95 in 100
TRIES = 3  # another program may have had the processor


@functools.cache
def _compressed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 6)


class _Handler(SimpleHTTPRequestHandler):
    "Every file compressed, as the usual hosts send them."

    protocol_version = "HTTP/1.1"

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            return self.send_error(404)
        body = _compressed(path)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        "A browser that goes away in the middle of a file is none."


@contextmanager
def served(site: Path) -> Iterator[str]:
    "The site from a server of its own, while this lasts: its address."
    server = _Server(("127.0.0.1", 0), functools.partial(_Handler, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


_PAINTED = """() => new Promise((done) => new PerformanceObserver((list) =>
    list.getEntriesByName('first-contentful-paint').forEach((entry) => done(entry.startTime))
).observe({ type: 'paint', buffered: true }))"""
_WEIGHT = """() => ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))
    .filter(({ name }) => !name.includes('/networks/')).reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""


def first_view(browser, url: str) -> tuple[float, int]:
    "Milliseconds until text is painted, on a slow machine and line, and the compressed bytes of the first view."
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.send("Network.emulateNetworkConditions", LINE)
    wire.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(url, wait_until="load")
    painted = page.evaluate(_PAINTED)
    page.wait_for_timeout(500)
    weight = page.evaluate(_WEIGHT)
    context.close()
    return painted, weight


def until_alive(browser, url: str) -> float:
    "Milliseconds until the front page's network has brought something back."
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url, wait_until="commit")
    page.wait_for_selector(".there-and-back[data-live]", timeout=30_000)
    took = page.evaluate("performance.now()")
    page.close()
    return took


# Each slider goes to and fro, a move a frame; a draw is over when what it asked of the canvas has been asked.
_MOVES = """async (root) => {
    const { timings } = root.explorable;
    root.scrollIntoView({ block: 'center', behavior: 'instant' });
    timings.length = 0;
    for (const slider of root.querySelectorAll('.dm-range')) {
        for (let k = 0; k <= 40; k++) {
            await new Promise(requestAnimationFrame);
            slider.value = Math.round(slider.max * (0.5 - 0.5 * Math.cos(k * 0.3)));
            slider.dispatchEvent(new Event('input', { bubbles: true }));
        }
    }
    return timings.filter(({ type }) => type === 'input').map(({ from, to }) => to - from);
}"""


def moves(page) -> Iterator[tuple[str, float, float]]:
    "Of each explorable of the open page: its title, and the milliseconds of a move, their median and what 95 in 100 keep."
    for root in page.locator(".dm-explorable").all():
        best = (float("inf"),) * 2
        for _ in range(TRIES):
            took = root.evaluate(_MOVES)
            slow = statistics.quantiles(took, n=20)[-1]
            best = min(best, (slow, statistics.median(took)))
            if best[0] <= SLOW_MOVE and best[1] <= MOVE:
                break
        yield root.get_attribute("aria-label"), best[1], best[0]
