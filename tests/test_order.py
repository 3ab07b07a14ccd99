"In which order the tests run: tests/conftest.py, in_order."

from types import SimpleNamespace

import pytest

from tests.conftest import BROWSER, in_order
from tests.conftest import DEAR as GROUPS

DEAR = [name for group in GROUPS for name in group]
NAMES = (
    [f"{DEAR[0]}::test_{i}" for i in range(5)]
    + [f"tests/explore/test_a.py::test_{i}" for i in range(60)]
    + [
        f"tests/notebooks/test_run.py::test_runs_from_a_fresh_kernel[{name}.ipynb]"
        for name in (
            "01_a",
            "02_b",
            "05_elbo",
            "06_ddpm",
            "06b_fewer_freedoms",
            "workshop/laws/grid",
        )
    ]
    + [f"{DEAR[1]}::test_{i}" for i in range(7)]
    + [f"{BROWSER}test_{name}.py::test_{i}" for name in "bc" for i in range(2)]
    + [f"tests/test_z.py::test_{i}" for i in range(18)]
)


def ordered(names, workers):
    return [i.nodeid for i in in_order([SimpleNamespace(nodeid=n) for n in names], workers)]


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("names", [NAMES, NAMES[:5], NAMES[5:9], []])
def test_nothing_is_lost_or_run_twice(names, workers):
    assert sorted(ordered(names, workers)) == sorted(names)


def test_each_of_two_begins_with_a_long_one_and_makes_what_is_dear_alone():
    first, second = (ordered(NAMES, 2)[half] for half in (slice(0, 50), slice(50, None)))
    assert len(first) == len(second) == 50
    chapters = [[n.partition("[")[2][:4] for n in half if "[0" in n] for half in (first, second)]
    assert chapters == [["05_e", "06_d", "02_b"], ["06b_", "01_a"]]
    assert [n.partition("::")[0] for n in first[3:10]] == [DEAR[0]] * 5 + [
        f"{BROWSER}test_b.py"
    ] * 2
    assert [n.partition("::")[0] for n in second[2:9]] == [DEAR[1]] * 7
    (workshop,) = [name for name in NAMES if "workshop" in name]
    assert first[12:] == [workshop, *NAMES[5:42]]  # all else as it was


def test_files_in_the_browser_are_whole_and_shared_out():
    first, second = (ordered(NAMES[:65], 2)[half] for half in (slice(0, 32), slice(32, None)))
    assert [n.startswith(DEAR[0]) for n in first].count(True) == 5
    many = [
        f"{BROWSER}test_{name}.py::test_{i}"
        for name, n in (("a", 3), ("b", 5), ("c", 2))
        for i in range(n)
    ]
    got = ordered(many, 2)
    assert got[:5] == many[3:8] and got[5:] == many[:3] + many[8:]


def test_files_that_share_what_is_dear_stay_together():
    "Formulas are set once for a process: whoever sets them writes all the pages."
    pages = GROUPS[2]
    names = NAMES + [f"{name}::test_{i}" for i in range(4) for name in pages]
    for workers in (1, 2, 3):
        places = [i for i, name in enumerate(ordered(names, workers)) if name.startswith(pages)]
        assert len(pages) == 3 and places == list(range(places[0], places[0] + 12))
