"In which order the tests run: tests/conftest.py, in_order."

from types import SimpleNamespace

import pytest

from tests.conftest import DEAR, in_order

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
    + [f"tests/test_z.py::test_{i}" for i in range(22)]
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
    assert "[06_ddpm" in first[0] and "[06b_fewer" in second[0]
    assert [n.partition("[")[2] for n in first[1:3]] == ["05_elbo.ipynb]", "02_b.ipynb]"]
    assert all(n.startswith(DEAR[0]) for n in first[3:8])
    assert second[1].endswith("[01_a.ipynb]") and all(n.startswith(DEAR[1]) for n in second[2:9])
    assert first[8:] == list(NAMES[5:47])  # all else as it was
