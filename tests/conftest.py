"""What every test shares.

**Shapes are checked while the tests run.** Before anything imports `diffusion_math`, jaxtyping's import hook is
installed with beartype, so each signature such as `x: Float[Tensor, "b *event"]` is enforced on the first calls of a
function in each test (tests/shapes.py), results included. A test that passes the wrong thing on purpose wants to see the
package's own error and not beartype's; mark it, and the checks are off while it runs:

    @pytest.mark.bad_input                                   # a test, a parametrised test, or a whole class
    @pytest.mark.parametrize("beta, words", [(1.2, "got 1.2"), (-0.1, "got -0.1")])
    def test_beta_out_of_range(beta, words):
        with pytest.raises(ValueError, match=words):
            constant_schedule(beta, T=3)

or, for a few lines of a test, use the fixture:

    def test_something(shape_checks_off):
        with shape_checks_off(), pytest.raises(TypeError, match="t must be"):
            q.step(x, t="3")

**Randomness.** Torch, numpy and `random` are seeded before each test, so a Monte Carlo test gives the same number
every time, alone or among others, on one worker or many; under hypothesis, for every example too. It runs without a
deadline (and with fixed examples where `CI` is set). A test must not pass by the luck of a seed or of a machine, so
two variables choose others (`make test-machines` runs the unit tests under several): DIFFUSION_MATH_TEST_SEED, the
seed instead of 0, and DIFFUSION_MATH_TEST_THREADS, torch's threads instead of 1.

**Markers.** `bad_input` as above; `gpu` for a test that needs a GPU (collected only where there is one); `long` for what
`make test` leaves to `make test FULL=1`: what takes some ten seconds where shorter tests ask nearly the same, and what is
asked of each chapter where a few will do (`each`); `browser` for a test that drives Chromium (the folder `tests/browser`
and the fixtures below put it on). Where no Chromium is found, tests marked `browser` are not collected, and the last
lines of the run say so; with DIFFUSION_MATH_REQUIRE_BROWSER=1 that is an error.

**Pages.** `written("02_gaussians")` is the path of that notebook's page, as `diffusion-math html` writes it, once for all tests.

**Fixtures for a real JupyterLab** (`lab`, `browser`, `page`, `lab_page`, `open_notebook`): see `tests/lab.py`.
"""

import contextlib
import functools
import gc
import os
import random
import re
import sys

import jaxtyping

from tests import shapes

assert "diffusion_math" not in sys.modules, (
    "diffusion_math was imported before its shape checks could be installed"
)
shapes.install("diffusion_math")
gc.set_threshold(20_000)  # Python's 700 looks through what ten thousand tests hold too often

os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from diffusion_math.numerics import manual_seed  # noqa: E402
from tests.lab import WORKERS, browser, find_chromium, lab, lab_page, open_notebook, page, warm  # noqa: E402, F401  (fixtures)

CHROMIUM = find_chromium()
LAB_FIXTURES = {"browser", "page", "lab_page", "open_notebook"}
SEED = int(os.environ.get("DIFFUSION_MATH_TEST_SEED", "0"))
THREADS = int(os.environ.get("DIFFUSION_MATH_TEST_THREADS", "1"))
torch.set_num_threads(THREADS)  # the tensors are small: a second thread waits longer than it works


class _TorchRandom:
    "Torch's generator as hypothesis knows `random`: every example starts from one seed, and it is put back after."

    getstate, setstate = map(staticmethod, (torch.get_rng_state, torch.set_rng_state))

    @staticmethod
    def seed(number):
        manual_seed(number + SEED)
        shapes.begin()


TORCH_RANDOM = _TorchRandom()  # hypothesis holds it by a weak reference alone
hypothesis.register_random(TORCH_RANDOM)
hypothesis.settings.register_profile(
    "tests", deadline=None, max_examples=50, derandomize="CI" in os.environ
)
hypothesis.settings.load_profile("tests")


def pytest_configure(config):
    for line in (
        "bad_input: gives wrong arguments on purpose; run-time shape checks are off, so the package's own errors show",
        "gpu: needs a GPU; collected only where torch.cuda.is_available()",
        "browser: drives Chromium",
        "long: left out by make test, run by make test FULL=1 and by pytest itself",
    ):
        config.addinivalue_line("markers", line)


FEW = {"00_the_hour", "05_elbo", "13_solvers"}


def each(chapters: list[str]) -> list:
    "To parametrize a test by every chapter: what is not among a few is long."
    return [
        name if name in FEW else pytest.param(name, marks=pytest.mark.long) for name in chapters
    ]


LONG_PAGES = ("fresh_kernel[workshop/networks/dit", "fresh_kernel[workshop/training/earnest")
LONGEST = "05_elbo 06b_fewer 14_flow 06_ddpm 12_area 07_score".split()  # then the other chapters
DEAR = (  # what the first test of each makes serves all of its tests: the site, the wheel, formulas and pages
    ("tests/browser/test_site.py",),
    ("tests/test_packaging.py",),
    ("tests/browser/test_pages.py", "tests/teach/test_pages.py", "tests/teach/test_typeset.py"),
)
BROWSER = "tests/browser/"


def in_order(items: list, workers: int) -> list:
    """The longest begin first, or one worker waits for another at the end; what is dear to make is made by one worker.

    `--dist worksteal` gives each worker an equal piece of the list, and then whoever is done takes from the end of what
    is left to another. So each piece begins with its share of the chapters, then whole files: some of DEAR, and its share
    of those in the browser, where a notebook that one test has opened serves the next. What is cheap comes last.
    """
    firsts = {name: group[0] for group in DEAR for name in group}
    chapters, whole, rest = [], {group[0]: [] for group in DEAR}, []
    for item in items:
        name = item.nodeid.partition("::")[0]
        name = firsts.get(name, name)
        if re.search(r"test_runs_from_a_fresh_kernel\[\d\w+", item.nodeid):
            chapters.append(item)
        elif name in whole or name.startswith(BROWSER):
            whole.setdefault(name, []).append(item)
        else:
            rest.append(item)
    # a notebook of the workshop waits for its kernel as long as it works: beside tests that work, not beside another
    rest.sort(key=lambda item: "fresh_kernel[workshop" not in item.nodeid)

    def place(item):
        return [i for i, name in enumerate(LONGEST) if f"[{name}" in item.nodeid] or [len(LONGEST)]

    chapters.sort(key=place)
    heads, files = [chapters[w::workers] for w in range(workers)], [[] for _ in range(workers)]
    dear = [group[0] for group in DEAR]
    other = sorted(whole.keys() - {*dear}, key=lambda name: (-len(whole[name]), name))
    for name in dear + other:
        min(files, key=len).extend(whole[name])
    ordered, n = [], len(items)
    for w, head in enumerate(map(list.__add__, heads, files)):
        size = max(0, n * (w + 1) // workers - len(ordered) - len(head))
        ordered += head + rest[:size]
        del rest[:size]
    return ordered + rest


def pytest_collection_modifyitems(config, items):
    items[:] = in_order(items, WORKERS)
    for item in items:
        folder = config.rootpath / "tests" / "browser"
        if folder in item.path.parents or LAB_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("browser")
        if any(name in item.nodeid for name in LONG_PAGES):  # they train, and are not shortened
            item.add_marker("long")
    if CHROMIUM is None and os.environ.get("DIFFUSION_MATH_REQUIRE_BROWSER"):
        raise pytest.UsageError("DIFFUSION_MATH_REQUIRE_BROWSER is set, and no Chromium was found")
    unfit = [
        name
        for name, fit in (("gpu", torch.cuda.is_available()), ("browser", CHROMIUM is not None))
        if not fit
    ]
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in unfit)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish():
    gc.freeze()  # modules and tests stay to the end: no collection looks through them again


def pytest_report_header():
    "What the numbers of this run depend on beside the code."
    threads, kernels = torch.get_num_threads(), torch.backends.cpu.get_cpu_capability()
    return f"numbers: seed {SEED}, {threads} thread{'s' * (threads > 1)}, kernels for {kernels}"


def pytest_terminal_summary(terminalreporter):
    if CHROMIUM is None:
        line = "NO CHROMIUM FOUND: the tests in the browser did not run, and the notebooks ran by nbclient instead"
        terminalreporter.write_sep("!", line, red=True, bold=True)


def pytest_runtest_setup(item):
    shapes.begin()
    random.seed(SEED)
    np.random.seed(SEED)
    manual_seed(SEED)


@contextlib.contextmanager
def _shape_checks_off():
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture(scope="session")
def written(tmp_path_factory, pytestconfig):
    "The path of a notebook's page, by the notebook's name; each is written once."
    from diffusion_math.teach.pages import write_page

    nbs, folder = pytestconfig.rootpath / "nbs", tmp_path_factory.mktemp("pages")
    return functools.cache(lambda name: write_page(nbs / f"{name}.ipynb", folder / f"{name}.html"))


@pytest.fixture
def shape_checks_off():
    "A context manager inside which a call with wrong arguments meets the package's own checks, not beartype's."
    return _shape_checks_off


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    with _shape_checks_off() if item.get_closest_marker("bad_input") else contextlib.nullcontext():
        return (yield)
