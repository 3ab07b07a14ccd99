"make's smaller tools: which tests a change needs, the settings of other machines, the lowest versions."

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import changed, lowest, machines
from tests.imports import PACKAGE, ROOT, imports


def test_a_module_needs_its_own_tests_first_and_then_those_of_who_imports_it():
    found = changed.tests_for(["diffusion_math/laws/mixture.py"])
    assert found[0] == "tests/laws/test_mixture.py"
    assert found.index("tests/explore/test_score.py") > 0 and found[-2:] == changed.ALWAYS
    assert "tests/test_gaussian.py" not in found  # the mixture stands on it, not it on the mixture
    far = changed.by_distance({"gaussian"})
    taken = {name: {i.of for i in found} for name, found in imports(PACKAGE).items()}
    assert far[0] == "gaussian" and len(far) == len(set(far)) > 20
    assert all(taken[name] & set(far[:i]) for i, name in enumerate(far) if i)


def test_a_notebook_stands_for_its_module_and_needs_its_own_tests():
    found = changed.tests_for(["nbs/02_gaussians.ipynb"])
    assert found[0] == "tests/test_gaussian.py" and set(changed.STORED) <= set(found)
    assert changed.tests_for(["nbs/index.ipynb"]) == changed.STORED + changed.ALWAYS


def test_tests_and_what_they_share_need_those_who_ask():
    assert changed.tests_for(["tests/test_elbo.py"])[0] == "tests/test_elbo.py"
    assert "tests/test_house.py" in changed.tests_for(["tests/imports.py"])
    assert "tests/training/test_fit.py" in changed.tests_for(["tests/runs.py"])
    assert changed.tests_for(["benchmarks/gpu.py"])[0] == "tests/test_benchmarks.py"
    assert changed.tests_for(["settings.ini"])[0] == "tests/test_packaging.py"
    assert changed.tests_for(["LICENSE", "gone/with/it.py"]) == changed.ALWAYS


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_what_differs_is_asked_of_git():
    assert set(changed.differing()) <= set(changed.differing("HEAD~1")) | set(changed.differing())
    with pytest.raises(SystemExit, match="no-such-commit"):
        changed.differing("no-such-commit")


def test_when_the_time_is_up_the_rest_is_said_not_to_have_run(tmp_path):
    file = tmp_path / "test_two.py"
    file.write_text("import time\ndef test_a(): time.sleep(0.5)\ndef test_b(): assert False")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.changed"]
    env = os.environ | {"DIFFUSION_MATH_CHECK_SECONDS": "0.4", "PYTHONPATH": str(ROOT)}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # none of them is needed
    done = subprocess.run(
        [*command, "-rs", str(file)], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert "the time of make check is up" in done.stdout and "failed" not in done.stdout


def test_a_setting_fits_the_processor_and_keeps_its_blas():
    assert [n for n in machines.SETTINGS if machines.fits(n, "AVX2")] == ["oldest", "avx2"]
    assert [n for n in machines.SETTINGS if machines.fits(n, "SVE256")] == ["oldest"]
    assert all(machines.fits(n, "AVX512") for n in machines.SETTINGS)
    assert machines.changes("avx2", {})["OPENBLAS_CORETYPE"] == "Haswell"
    kept = machines.changes("avx2", {"OPENBLAS_CORETYPE": "Zen", "ATEN_CPU_CAPABILITY": "default"})
    assert "OPENBLAS_CORETYPE" not in kept and kept["ATEN_CPU_CAPABILITY"] == "avx2"


def test_threads_do_not_outnumber_the_cores(monkeypatch):
    for cores, expected in ((1, [1, 1, 1]), (2, [2, 1, 1]), (8, [8, 4, 4])):
        monkeypatch.setattr(machines.os, "cpu_count", lambda cores=cores: cores)
        told = [machines.changes(name, {}) for name in ("oldest", "avx2", "avx512")]
        assert [int(changed["PYTEST_XDIST_AUTO_NUM_WORKERS"]) for changed in told] == expected


def test_each_setting_gets_its_turn_and_each_commit_its_setting():
    names = list(machines.SETTINGS)
    assert {machines.chosen(names, f"{i:08x}ff") for i in range(3)} == set(names)
    assert machines.chosen(names, "0") == names[0]
    assert all((ROOT / path).is_file() for path in machines.paths())
    assert {"tests/test_gaussian.py", "tests/laws/test_mixture.py"} <= set(machines.paths())
    shares = [machines.share(machines.paths(), f"{0:08x}{i:08x}") for i in range(machines.SHARES)]
    assert sorted(sum(shares, [])) == sorted(machines.paths()) and all(shares)
    assert machines.share(["a"], "") == ["a"]


def test_what_make_hands_on_to_pytest_is_pytest_s():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (rest,) = re.findall(r"-m tests\.machines .*ALL\)\),--all\) (.*) \$\(PYTEST_ARGS\)", makefile)
    given, left = machines.read(["--one", *rest.split()])
    assert given.one and given.only is None and left == rest.split() and "auto" in left
    assert machines.read(["--only", "avx2", "-q"])[0].only == "avx2"
    with pytest.raises(SystemExit):
        machines.read(["--only", "auto"])


def test_the_lowest_versions_are_those_of_the_settings():
    assert lowest.lowest("torch>=2.6") == "torch==2.6.*"
    assert lowest.lowest("nbdev>=3") == "nbdev==3.0.*"
    assert lowest.lowest("jaxtyping>=0.2.34") == "jaxtyping==0.2.34"
    with pytest.raises(ValueError, match="got 'torch'"):
        lowest.lowest("torch")
    found = lowest.constraints()
    assert any(line.startswith("torch==") for line in found) and len(found) > 20


def test_the_workflow_runs_one_other_setting():
    text = Path(ROOT, ".github", "workflows", "test.yml").read_text()
    assert "make test-machines ONE=1" in text
