"The notebooks, and what the tests here ask about one."

import functools
import json
from pathlib import Path

import pytest

from tests.lab import ROOT

NBS = ROOT / "nbs"
NAMES = sorted(
    path.relative_to(NBS).as_posix()
    for path in NBS.rglob("*.ipynb")
    if ".ipynb_checkpoints" not in path.parts
)


class Notebook:
    "A notebook as it is stored."

    def __init__(self, path: Path):
        self.path, self.name = (
            path,
            path.relative_to(NBS).as_posix() if NBS in path.parents else path.name,
        )
        self.json = json.loads(path.read_text(encoding="utf-8"))
        self.cells = self.json["cells"]
        for cell in self.cells:
            cell["source"] = "".join(cell["source"])
        self.code = [cell for cell in self.cells if cell["cell_type"] == "code"]
        self.markdown = [cell for cell in self.cells if cell["cell_type"] == "markdown"]
        self.outputs = [output for cell in self.code for output in cell["outputs"]]

    def html(self) -> list[str]:
        return ["".join(output.get("data", {}).get("text/html", "")) for output in self.outputs]


@functools.cache
def read(name: str) -> Notebook:
    "One of the repository's notebooks, parsed once a process: nobody changes what a test is handed."
    return Notebook(NBS / name)


def pytest_generate_tests(metafunc):
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", NAMES)
    if "chapter" in metafunc.fixturenames:
        metafunc.parametrize("chapter", [name for name in NAMES if name[0].isdigit()])


@pytest.fixture
def stored(name):
    return read(name)


@pytest.fixture
def stored_chapter(chapter):
    return read(chapter)
