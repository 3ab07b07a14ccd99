"""The rules of the house: imports point one way, nothing private crosses a module, each module's tests stand where it stands.

A module is known here by its place in the package: "explore.noising" is diffusion_math/explore/noising.py.
"""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, NOTEBOOKS, TESTS = ROOT / "diffusion_math", ROOT / "nbs", ROOT / "tests"
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.stem[0] != "_"
}
RANK = {  # a module imports from rooms of its own rank and of lower ones
    **dict.fromkeys(("chapters", "laws", "networks", "data"), 1),
    **dict.fromkeys(("training", "referee", "convert"), 2),
    **dict.fromkeys(("teach", "plot", "explore"), 3),
    "command": 4,
}
WHOLE = {"browser", "notebooks"}  # folders of tests that are of no one room


def exported_from(path: Path) -> str:
    "The notebook that writes a module, such as '05b_bits_per_dim'; '' for one that is written by hand."
    found = re.search(r"File to edit: \S*nbs/(\S+)\.ipynb", path.read_text(encoding="utf-8"))
    return found.group(1) if found else ""


def room(name: str) -> str:
    "The folder of the package that a module lies in; 'chapters' or 'ground' for those that lie in none."
    folder = name.rpartition(".")[0].split(".")[0]
    if name == "convert":  # which asks the chapters, as the rooms do
        return name
    return folder or ("chapters" if exported_from(FILES[name])[:1].isdigit() else "ground")


def taken(name: str) -> set[tuple[str, str]]:
    "What a module takes from others, wherever in its code: (module, name), the name '' for the module itself."
    found = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        if not node.level and not re.match(r"diffusion_math(\.|$)", node.module):
            continue
        above = name.split(".")[: -node.level] if node.level else []
        inner = (node.module or "") if node.level else node.module.partition(".")[2]
        where = ".".join([*above, *filter(None, [inner])])
        for alias in node.names:
            inside = f"{where}.{alias.name}".strip(".")
            found.add((inside, "") if inside in FILES else (where, alias.name))
    return found


def test_imports_point_one_way():
    rank = {name: RANK.get(room(name), 0) for name in FILES}
    wrong = [
        f"{name} imports {of}"
        for name in FILES
        for of, _ in taken(name)
        if of in rank and rank[of] > rank[name] or not of and room(name) in ("chapters", "ground")
    ]
    assert wrong == []


def test_no_modules_import_in_a_circle():
    needs = {name: {of for of, _ in taken(name)} & FILES.keys() for name in FILES}
    while free := [name for name, of in needs.items() if not of]:
        needs = {name: of - {*free} for name, of in needs.items() if name not in free}
    assert needs == {}


def test_nothing_private_crosses_a_module():
    private = [f"{m}: {n}" for m in FILES for _, n in taken(m) if re.match(r"_(?!_)", n)]
    assert private == []


def test_no_star_imports():
    assert not [n for n, path in FILES.items() if re.search(r"import \*", path.read_text("utf-8"))]


def test_no_module_and_folder_share_a_name():
    folders = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_dir()}
    assert not folders & {path.relative_to(PACKAGE).with_suffix("") for path in FILES.values()}


@pytest.mark.parametrize("name", [n for n in FILES if not n.startswith("teach.catalogue.")])
def test_every_module_has_its_tests_in_the_same_place(name):
    *folder, module = name.split(".")
    assert Path(TESTS, *folder, f"test_{module}.py").is_file()


def test_every_folder_of_tests_is_a_room():
    folders = {path.parent.relative_to(TESTS).parts[:1] for path in TESTS.rglob("test_*.py")}
    rooms = {name.split(".")[0] for name in FILES if "." in name}
    assert {folder[0] for folder in folders if folder} - WHOLE <= rooms


def test_a_page_of_the_workshop_shows_more_than_it_exports():
    "At most twenty pages; one that exports ten times as many lines as it runs would be a module in disguise."
    pages = sorted(NOTEBOOKS.glob("workshop/**/*.ipynb"))
    disguised = []
    for page in pages:
        cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
        code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        exported = sum(len(s.splitlines()) for s in code if s.startswith("#| export"))
        run = sum(len(s.splitlines()) for s in code if not s.startswith("#|"))
        disguised += [f"{page.name}: {exported} to {run}"] * (exported > 10 * run)
    assert disguised == [] and len(pages) <= 20


def test_a_module_says_what_it_is_in_three_lines_at_most():
    "nbdev-export lists modules that say more in the docstring of the whole package, and replaces it."
    texts = {
        name: ast.get_docstring(ast.parse(path.read_text("utf-8"))) for name, path in FILES.items()
    }
    assert [name for name, text in texts.items() if len((text or "").splitlines()) > 3] == []
