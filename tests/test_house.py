"""Where things lie: tests and workshop pages mirror the package's rooms.

A module is known here by its place in the package: "explore.noising" is diffusion_math/explore/noising.py. Which way
imports point, and what may cross a module, is tested in test_imports.py.
"""

import re
from pathlib import Path

import pytest

from tests.imports import PACKAGE, ROOT, modules, room

FILES = modules(PACKAGE)
TESTS, WORKSHOP = ROOT / "tests", ROOT / "nbs" / "workshop"
WHOLE = {"browser", "notebooks"}  # folders of tests that are of no one room
SHOWS = {"referee.story": "a script that the rest of its room puts right; nothing is exported"}
CATALOGUE = ("exercise", "steps", "back", "network", "walks", "draws")
# tests/teach/test_exercises.py runs everything that these hold
UNTESTED = {f"teach.catalogue.{name}" for name in CATALOGUE}


@pytest.mark.parametrize("name", sorted(FILES.keys() - UNTESTED))
def test_every_module_has_its_tests_in_the_same_place(name):
    *folder, module = name.split(".")
    assert Path(TESTS, *folder, f"test_{module}.py").is_file()


def test_every_folder_of_tests_is_a_room():
    folders = {path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    rooms = {name.rpartition(".")[0].replace(".", "/") or "." for name in FILES}
    assert folders - WHOLE <= rooms


def test_every_test_of_a_room_is_of_a_module():
    "In the top folder stand the tests of whole things, too."
    tests = {path.relative_to(TESTS) for path in TESTS.rglob("*/test_*.py")}
    tests = {path for path in tests if path.parts[0] not in WHOLE}
    of = {path.parent / path.stem.removeprefix("test_") for path in tests}
    assert of <= {Path(*name.split(".")) for name in FILES}


def test_the_workshop_mirrors_the_package():
    pages = {
        path.relative_to(WORKSHOP).with_suffix("").as_posix().replace("/", ".")
        for path in WORKSHOP.rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    }
    assert SHOWS.keys() <= pages
    assert pages - SHOWS.keys() == {n for n, path in FILES.items() if room(n, path) != "chapters"}


def test_no_module_and_folder_share_a_name():
    folders = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_dir()}
    assert not folders & {path.relative_to(PACKAGE).with_suffix("") for path in FILES.values()}


def test_no_star_imports():
    assert not [name for name, path in FILES.items() if re.search(r"import \*", path.read_text())]
