"""A real JupyterLab and a real Chromium for the tests.

Fixtures (import nothing; `tests/conftest.py` makes them known):

- `warm`           what the environment of a server or of nbclient needs so that its kernels are forked from a process that
                   has imported PyTorch (tests/warm.py), one a session: fresh kernels, 2 CPU-seconds sooner each.
- `lab`            one JupyterLab server a session, on a free port, serving a temporary copy of `nbs/` (`lab.root`).
- `browser`        one Chromium a session (playwright's `Browser`).
- `page`           a fresh page in a fresh context; `page.problems` lists the JavaScript errors that it met.
- `lab_page`       `with lab_page() as page:` lends a page in which JupyterLab was loaded, with no notebook open. It is
                   lent again afterwards, since to load JupyterLab takes longer than most notebooks run.
- `open_notebook`  `nb = open_notebook("03_forward_process.ipynb")` opens it there with a fresh kernel; when the test
                   ends it is closed and its kernel shut down. A second argument writes the notebook first, from cells:
                   `open_notebook("try.ipynb", ["from diffusion_math import NoisingExplorer", "NoisingExplorer(x0)"])`.

What one can do with `nb`: `nb.run_all()` runs every cell and returns True, or False if one raised; `nb.errors()` lists
"cell 7: ValueError: ..."; `nb.cells()` is the notebook's model as JSON, outputs included (cells off the screen may not
be in the page); `nb.run(code)` runs code in the notebook's kernel and returns what it printed; `nb.page` is the page.
Nothing sleeps: every call returns when JupyterLab says that it is done.

    def test_slider(open_notebook):
        nb = open_notebook("03_forward_process.ipynb")
        assert nb.run_all(), nb.errors()
        slider = nb.page.get_by_label("beta")
"""

import contextlib
import ctypes
import functools
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.warm import Warm

ROOT = Path(__file__).resolve().parents[1]
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
).split()
# JupyterLab's own, thrown or logged: its notebook looks for the footer of a cell that it has just put away
LABS_OWN = re.compile(r"reading 'footer'\).*_ensureFocus.*jlab_core", re.S)
VIEWPORT = {"width": 1280, "height": 900}
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
}


def find_chromium() -> str | None:
    "The path of a Chromium or Chrome: DIFFUSION_MATH_CHROMIUM ( is none), the PATH, usual places, playwright's own."
    if (given := os.environ.get("DIFFUSION_MATH_CHROMIUM")) is not None:
        return given or None
    for name in "chromium chromium-browser google-chrome google-chrome-stable chrome".split():
        if path := shutil.which(name):
            return path
    places = [Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")]
    windows = filter(None, map(os.environ.get, ("PROGRAMFILES", "LOCALAPPDATA")))
    places += [Path(folder, "Google/Chrome/Application/chrome.exe") for folder in windows]
    caches = [
        os.environ.get("PLAYWRIGHT_BROWSERS_PATH"),
        "~/.cache/ms-playwright",
        "~/Library/Caches/ms-playwright",
    ]
    for cache in filter(None, caches):
        places += sorted(Path(cache).expanduser().glob("chromium*/chrome-*/chrome"))
    return next((str(p) for p in places if p.is_file()), None)


def environment(home: Path) -> dict[str, str]:
    "The environment of a server or kernel: this checkout first, settings of its own, a fair share of the processor."
    drop = {"MPLBACKEND", "JUPYTER_CONFIG_PATH", "JUPYTER_PATH", "PYTEST_CURRENT_TEST"}
    env = {k: v for k, v in os.environ.items() if k not in drop}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env["JUPYTER_PREFER_ENV_PATH"] = "1"
    env["DIFFUSION_MATH_PROGRESS"] = str(
        home / "progress.json"
    )  # not that of whoever runs the tests
    threads = str(max(1, (os.cpu_count() or 1) // WORKERS))
    env |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    for key in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        env[key] = str(home / key.lower())
        Path(env[key]).mkdir(parents=True, exist_ok=True)
    return env


def notebook(sources: list[str], path: Path) -> Path:
    "Write a notebook whose code cells are `sources`."
    cells = [
        {
            "cell_type": "code",
            "id": f"cell{i}",
            "metadata": {},
            "source": s,
            "outputs": [],
            "execution_count": None,
        }
        for i, s in enumerate(sources)
    ]
    kernel = {
        "kernelspec": {
            "name": "python3",
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
        }
    }
    path.write_text(
        json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
    )
    return path


def end_with_parent() -> None:
    "In a child, before it becomes the server: whoever kills the tests ends it and its kernels too (Linux)."
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1: PR_SET_PDEATHSIG


class Lab:
    "A JupyterLab server over a copy of the notebooks."

    def __init__(self, home: Path, timeout: float = 120.0, more: dict[str, str] | None = None):
        self.root, self.token = home / "nbs", secrets.token_hex(16)
        shutil.copytree(
            ROOT / "nbs", self.root, ignore=shutil.ignore_patterns(".ipynb_checkpoints")
        )
        env = environment(home) | (more or {})
        for name, values in SETTINGS.items():
            file = Path(
                env["JUPYTER_CONFIG_DIR"],
                "lab/user-settings/@jupyterlab",
                name + ".jupyterlab-settings",
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.log = home / "jupyterlab.log"
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"]
        command += [
            f"--ServerApp.port={port}",
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.allow_root=True",
        ]
        command += [f"--IdentityProvider.token={self.token}", "--LabApp.expose_app_in_browser=True"]
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                command,
                cwd=home,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        info = Path(env["JUPYTER_RUNTIME_DIR"], f"jpserver-{self.process.pid}.json")
        deadline = time.monotonic() + timeout
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError("JupyterLab did not start:\n" + self.log.read_text())
            try:
                self.url = json.loads(info.read_text())["url"].rstrip("/")
                self.api("GET", "status")
                return
            except (OSError, ValueError):
                time.sleep(0.1)

    def api(self, method: str, path: str):
        "One call of the server's REST interface."
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()  # the server ends its kernels first
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                kill = getattr(os, "killpg", None)
                kill(self.process.pid, signal.SIGKILL) if kill else self.process.kill()
                self.process.wait(20)


class OpenNotebook:
    "A notebook that is open in JupyterLab, with a fresh kernel."

    JS = """async ({call, code, seconds}) => {
        const app = window.jupyterapp, panel = app.shell.currentWidget;
        const silence = new Error(`no answer in ${seconds} s`);
        const late = new Promise((_, reject) => setTimeout(() => reject(silence), 1000 * seconds));
        const calls = {
            all: () => app.commands.execute('notebook:run-all-cells'),
            cells: () => Array.from(panel.content.model.cells, cell => cell.toJSON()),
            run: async () => {
                const future = panel.sessionContext.session.kernel.requestExecute({code});
                let text = '';
                future.onIOPub = ({content}) => {
                    text += content.text ?? content.data?.['text/plain'] ?? '';
                    if (content.traceback) text += content.traceback.join('\\n');
                };
                const reply = await future.done;
                return {status: reply.content.status, text};
            },
        };
        return await Promise.race([calls[call](), late]);
    }"""

    def __init__(self, lab: Lab, page, path: str):
        self.lab, self.page, self.path = lab, page, path
        kernel = page.evaluate(
            """async path => {
                const app = window.jupyterapp;
                const panel = await app.commands.execute('docmanager:open', {path});
                await panel.context.ready;
                await panel.sessionContext.ready;
                await panel.revealed;
                app.shell.activateById(panel.id);
                await panel.sessionContext.session.kernel.info;
                return panel.sessionContext.session.kernel.name;
            }""",
            path,
        )
        assert kernel == "python3", f"{path} was opened with the kernel {kernel!r}"

    def _call(self, call: str, code: str = "", seconds: float = 60):
        return self.page.evaluate(self.JS, {"call": call, "code": code, "seconds": seconds})

    def run_all(self, seconds: float = 2700) -> bool:
        return self._call("all", seconds=seconds)

    def cells(self) -> list[dict]:
        return self._call("cells")

    def errors(self) -> list[str]:
        return cell_errors(self.cells())

    def run(self, code: str, seconds: float = 60) -> str:
        answer = self._call("run", code, seconds)
        assert answer["status"] == "ok", answer["text"]
        return answer["text"]


def cell_errors(cells: list[dict]) -> list[str]:
    "The errors that lie in the outputs of a notebook's cells."
    return [
        f"cell {i}: {o['ename']}: {o['evalue']}"
        for i, cell in enumerate(cells)
        for o in cell.get("outputs", ())
        if o["output_type"] == "error"
    ]


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    if sys.platform != "linux":  # elsewhere a fork is not to be trusted
        yield {}
        return
    home = tmp_path_factory.mktemp("warm")
    kernels = Warm(home, environment(home))
    yield {"JUPYTER_PATH": str(kernels.path)}
    kernels.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory, warm):
    server = Lab(tmp_path_factory.mktemp("lab"), more=warm)
    yield server
    server.close()


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield chromium
        chromium.close()


@contextlib.contextmanager
def new_page(browser):
    "A fresh page in a fresh context, which remembers its errors in `problems`."
    context = browser.new_context(viewport=VIEWPORT)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.problems = []

    def note(problem: str, stack: str = "") -> None:
        if not LABS_OWN.search(problem + stack):
            page.problems.append(problem)

    page.on("pageerror", lambda e: note(str(e), e.stack or ""))
    page.on("console", lambda m: note(m.text) if m.type == "error" else None)
    yield page
    context.close()


@pytest.fixture
def page(browser):
    with new_page(browser) as page:
        yield page


LEAVE = """async () => {
    const app = window.jupyterapp;
    for (const panel of [...app.shell.widgets('main')].filter(p => p.sessionContext)) {
        await panel.sessionContext.shutdown();
        panel.dispose();  // unsaved, and nobody is asked
    }
    return document.querySelectorAll('.jp-Dialog').length;
}"""


def load_lab(lab: Lab, page) -> None:
    page.goto(f"{lab.url}/lab/workspaces/{secrets.token_hex(4)}?token={lab.token}")
    page.wait_for_function("window.jupyterapp !== undefined", timeout=120_000)
    page.evaluate("window.jupyterapp.restored")


@contextlib.contextmanager
def lending(made, left):
    """What lends one page to test after test: a new one, with the process behind it, costs more than most tests do.

    made(): a context manager of a new page. left(page): takes away what a test left. After an error a page is not lent again.
    """
    free = []
    with contextlib.ExitStack() as pages:

        @contextlib.contextmanager
        def lend():
            page = free.pop() if free else pages.enter_context(made())
            page.problems.clear()
            yield page
            left(page)
            free.append(page)

        yield lend


@contextlib.contextmanager
def new_lab_page(lab: Lab, browser):
    "A fresh page with JupyterLab in it."
    with new_page(browser) as page:
        load_lab(lab, page)
        yield page


@pytest.fixture(scope="session")
def lab_page(lab, browser):
    def left(page):
        if page.evaluate(LEAVE):  # somebody was asked something
            load_lab(lab, page)
        page.set_viewport_size(VIEWPORT)

    with lending(functools.partial(new_lab_page, lab, browser), left) as lend:
        yield lend


@pytest.fixture
def open_notebook(lab, lab_page):
    with lab_page() as page:

        def open_(path: str, sources: list[str] | None = None) -> OpenNotebook:
            if sources is not None:
                notebook(sources, lab.root / path)
            return OpenNotebook(lab, page, path)

        yield open_
