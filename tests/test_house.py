"""The rules of the house: what may cross from one module into another, which way imports point, and where tests lie.

A module is known here by its place in the package: "explore.noising" is diffusion_math/explore/noising.py.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.lab import ROOT

PACKAGE = ROOT / "diffusion_math"
FILES = {
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name not in ("__init__.py", "_modidx.py")
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}

# Each may import from its own floor, and from those above it in this list.
FLOORS = (
    ("checks", "tables", "files"),
    ("chapters", "laws", "networks"),
    ("data", "training"),
    ("teach",),
    ("explore",),
    ("command",),
)
NEVER = {("data", "training")}  # on one floor, and yet
LIBRARIES = {"_shared_state", "_reset_state"}  # accelerate's, which has no other door to them


def room(name: str) -> str:
    "The folder of a module; those in none are chapters, but for the ground floor."
    top = name.split(".")[0]
    return top if "." in name or top in FLOORS[0] else "chapters"


def floor(name: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if room(name) in rooms)


def imports(name: str, tree: ast.AST, everywhere: bool) -> list[tuple[str, str]]:
    "(module of the package, name) for each name that a module imports from another."
    here, found = ["diffusion_math", *name.split(".")], []
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.ImportFrom):
            start = here[: len(here) - node.level] if node.level else []
            source = [*start, *(node.module or "").split(".")] if node.module else start
            if source[:1] == ["diffusion_math"]:
                for alias in node.names:
                    whole = ".".join([*source[1:], alias.name])  # a module may be what is imported
                    found.append((whole if whole in FILES else ".".join(source[1:]), alias.name))
        elif isinstance(node, ast.Import):
            found += [
                (alias.name.removeprefix("diffusion_math."), "")
                for alias in node.names
                if alias.name.startswith("diffusion_math.")
            ]
    return found


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def own(tree: ast.AST) -> set[str]:
    "What a module's functions, classes and their objects are given by the module itself."
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)  # a class's attribute, among others
    return names


def root(node: ast.AST) -> str:
    "The name that a chain of attributes begins with, if it is one."
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def foreign(tree: ast.AST) -> list[str]:
    """Attributes that begin with an underscore, of something else than self, that nothing in the module defines.

    Those of another library's modules, such as os._exit, are not the house's business.
    """
    known = own(tree)
    libraries = {
        alias.asname or alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and private(node.attr)
        and node.attr not in known | LIBRARIES
        and root(node) not in libraries
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        and not (isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()")
    ]


@pytest.mark.parametrize("name", FILES)
def test_no_name_that_begins_with_an_underscore_is_imported(name):
    found = [(module, what) for module, what in imports(name, TREES[name], True) if private(what)]
    assert found == []


@pytest.mark.parametrize("name", FILES)
def test_no_attribute_that_begins_with_an_underscore_is_reached_from_outside(name):
    assert foreign(TREES[name]) == []


@pytest.mark.parametrize("name", FILES)
def test_imports_point_one_way(name):
    wrong = [
        module
        for module, _ in imports(name, TREES[name], False)
        if module and (floor(module) > floor(name) or (room(name), room(module)) in NEVER)
    ]
    assert wrong == []


def test_every_room_has_its_floor():
    rooms = {room for rooms in FLOORS for room in rooms}
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders <= rooms


def test_modules_are_imported_in_no_circle():
    "At module level, where a circle would depend on who comes first."
    asks = {
        name: {module for module, _ in imports(name, tree, False) if module in FILES}
        for name, tree in TREES.items()
    }
    while ready := [name for name, needs in asks.items() if not needs & asks.keys()]:
        asks = {name: needs for name, needs in asks.items() if name not in ready}
    assert asks == {}


UNTESTED = {"teach.catalogue": "tests/teach/test_exercises.py runs everything that it holds"}


@pytest.mark.parametrize("name", sorted(FILES.keys() - UNTESTED))
def test_every_module_has_its_tests_in_the_same_place(name):
    *folder, module = name.split(".")
    assert Path(ROOT, "tests", *folder, f"test_{module}.py").is_file()


def test_every_folder_of_tests_is_a_room():
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    names = {folder.relative_to(ROOT / "tests").as_posix() for folder in folders}
    rooms = {name.rpartition(".")[0].replace(".", "/") or "." for name in FILES}
    assert names - {"browser", "notebooks"} <= rooms


def test_every_test_of_a_room_is_of_a_module():
    "In the top folder stand the tests of whole things, too."
    tests = {path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("*/test_*.py")}
    tests = {path for path in tests if path.parts[0] not in ("browser", "notebooks")}
    modules = {Path(*name.split(".")) for name in FILES}
    assert {path.parent / path.stem.removeprefix("test_") for path in tests} <= modules


def test_the_workshop_mirrors_the_package():
    pages = {
        path.relative_to(ROOT / "nbs" / "workshop").with_suffix("").as_posix().replace("/", ".")
        for path in (ROOT / "nbs" / "workshop").rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    }
    chapters = {name for name in FILES if room(name) == "chapters"}
    assert pages == FILES.keys() - chapters


def test_no_module_and_folder_share_a_name():
    folders = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_dir()}
    modules = {path.relative_to(PACKAGE).with_suffix("") for path in FILES.values()}
    assert not folders & modules


def test_no_star_imports():
    assert not [name for name, path in FILES.items() if re.search(r"import \*", path.read_text())]


# ------------------------------------------------------------------------------------------ that the rules would notice


def test_a_private_name_is_noticed():
    tree = ast.parse(
        "from ..laws.mixture import _count, Empirical\nfrom . import options\nimport os"
    )
    assert imports("explore.film", tree, True) == [
        ("laws.mixture", "_count"),
        ("laws.mixture", "Empirical"),
        ("explore", "options"),
    ]
    assert imports("command.html", ast.parse("from . import options"), True) == [
        ("command.options", "options")
    ]


@pytest.mark.parametrize(
    "code, found",
    [
        ("class A:\n    def f(self): return self._a + cls._b", []),
        ("class A:\n    _a = 1\n    def f(self, other: A): return other._a", []),
        ("class A:\n    def f(self, other): self._a = other._a", []),
        ("def f(mixture): return mixture._c.var", ["mixture._c"]),
        ("class A(B):\n    def f(self): return super()._a(), super().__init__()", []),
        ("import os\ndef f(): os._exit(1)", []),
    ],
)
def test_a_private_attribute_is_noticed(code, found):
    assert foreign(ast.parse(code)) == found


def test_a_wrong_way_is_noticed():
    assert floor("files") < floor("ddpm") == floor("laws.mixture") < floor("training.fit")
    assert (
        floor("data.digits") < floor("teach.pages") < floor("explore.film") < floor("command.main")
    )
