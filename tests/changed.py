"""The tests that a change needs first: python -m tests.changed [BASE] prints them, the nearest to the change first.

The change is what differs from BASE (HEAD by default), with the files that git does not know yet. A changed module
needs the tests that mirror it, then those of the modules that import it, then those of the modules that import these;
a notebook stands for the module that it exports. `make check` runs them with `-p tests.changed`, which stops when the
time is up (DIFFUSION_MATH_CHECK_SECONDS) and says so: `make test` runs everything.
"""

import functools
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.imports import PACKAGE, ROOT, imports, modules

ALWAYS = ["tests/test_house.py", "tests/test_imports.py"]
STORED = ["tests/notebooks/test_stored.py", "tests/notebooks/test_nbdev.py"]
METADATA = {"settings.ini", "setup.py", "pyproject.toml", "MANIFEST.in", "Makefile", "README.md"}
SECONDS = float(os.environ.get("DIFFUSION_MATH_CHECK_SECONDS", "45"))


def differing(base: str = "HEAD") -> list[str]:
    "The files that differ from a commit, and those that git does not know yet."

    def git(*args: str) -> list[str]:
        done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr.strip())
        return done.stdout.split("\n")[:-1]

    return git("diff", "--name-only", base) + git("ls-files", "--others", "--exclude-standard")


@functools.cache
def made_from() -> dict[str, str]:
    "Notebook -> the module that it exports."
    source = re.compile(r"File to edit: (?:\.\./)+(nbs/\S+\.ipynb)")
    found = {name: source.search(path.read_text()) for name, path in modules(PACKAGE).items()}
    return {match.group(1): name for name, match in found.items() if match}


@functools.cache
def graph() -> dict[str, set[str]]:
    "Each module of the package, and those that it imports."
    return {name: {i.of for i in found} for name, found in imports(PACKAGE).items()}


def by_distance(changed: set[str]) -> list[str]:
    "The changed modules, then those that import them, then those that import these, and so on."
    taken = graph()
    order, ring = sorted(changed), set(changed)
    while ring:
        ring = {name for name in taken if taken[name] & ring} - set(order)
        order += sorted(ring)
    return order


def mirror(module: str) -> str:
    *folder, name = module.split(".")
    return Path("tests", *folder, f"test_{name}.py").as_posix()


def tests_for(files: list[str]) -> list[str]:
    "The paths of the tests that a change of these files needs, the nearest first."
    pages, names, near, far = made_from(), modules(PACKAGE), [], []
    changed = set()
    for file in map(Path, files):
        where = file.as_posix()
        if where in pages:
            changed.add(pages[where])
        elif file.parts[0] == PACKAGE.name:
            name = ".".join(file.with_suffix("").parts[1:])
            changed |= {name} & names.keys()
        elif file.parts[0] == "tests" and file.suffix == ".py":
            near += [where] if file.name.startswith("test_") else _who_asks(file)
        elif file.parts[0] == "benchmarks":
            near.append("tests/test_benchmarks.py")
        elif file.parts[0] == "website":
            near.append("tests/browser/test_site.py")
        elif where in METADATA:
            far.append("tests/test_packaging.py")
        far += STORED if file.suffix == ".ipynb" else []
    found = near + [mirror(name) for name in by_distance(changed)] + far + ALWAYS
    return [test for test in dict.fromkeys(found) if (ROOT / test).is_file()]


def _who_asks(helper: Path) -> list[str]:
    "The tests that import a helper of the tests."
    module = ".".join(helper.with_suffix("").parts)
    asks = re.compile(rf"from {module} import|import {module}\b|from \.{helper.stem} import")
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    return [t.relative_to(ROOT).as_posix() for t in tests if asks.search(t.read_text())]


BEGAN = time.monotonic()


def pytest_runtest_setup(item):
    if time.monotonic() - BEGAN > SECONDS:
        pytest.skip("the time of make check is up: make test runs it")


if __name__ == "__main__":
    print("\n".join(tests_for(differing(*sys.argv[1:2]))))
