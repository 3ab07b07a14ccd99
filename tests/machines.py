"""The unit tests as other machines would run them: python -m tests.machines [--one] [--only NAME] [pytest's arguments]

Sums are rounded in another order by other instructions, other libraries and another number of threads, and a Monte
Carlo test draws other numbers from another seed. A test whose tolerance is derived passes all the same. By default the
tests of what computes run under each setting in turn (`--all` takes every unit test); `--one` picks one setting and a
ninth of these tests by the commit, so that each run of the CI sees some, within three minutes, and all get their turn.

A BLAS variable that the machine sets is kept: some builds compute wrong results without it.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import torch

from tests.test_house import FILES, ROOT, room

SETTINGS = {
    "oldest": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Prescott",
        "DIFFUSION_MATH_TEST_SEED": "1",
    },
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "DIFFUSION_MATH_TEST_SEED": "2",
        "DIFFUSION_MATH_TEST_THREADS": "2",
    },
    "avx512": {
        "ATEN_CPU_CAPABILITY": "avx512",
        "DIFFUSION_MATH_TEST_SEED": "3",
        "DIFFUSION_MATH_TEST_THREADS": "2",
    },
}
BLAS = ("OPENBLAS_", "MKL_", "BLIS_", "NVPL_")
SHARES = 9  # --one runs one in so many of the test files
COMPUTES = {"ground", "chapters", "laws", "networks"}


def fits(name: str, capability: str) -> bool:
    "Whether a processor that torch calls so can do what a setting asks for."
    order = ["DEFAULT", "AVX2", "AVX512"]
    asked = SETTINGS[name]["ATEN_CPU_CAPABILITY"].upper()
    known = capability in order  # other processors, such as Arm's, have names of their own
    return asked == "DEFAULT" or known and order.index(asked) <= order.index(capability)


def changes(name: str, environ: dict[str, str]) -> dict[str, str]:
    """What a setting changes in an environment, and how many workers it leaves room for.

    All that it names, that is, but the BLAS variables that are set there.
    """
    kept = {key for key in SETTINGS[name] if key.startswith(BLAS) and key in environ}
    changed = {key: value for key, value in SETTINGS[name].items() if key not in kept}
    # threads that outnumber the cores wait for one another longer than they work
    threads = int(changed.get("DIFFUSION_MATH_TEST_THREADS", 1))
    return changed | {
        "PYTEST_XDIST_AUTO_NUM_WORKERS": str(max(1, (os.cpu_count() or 1) // threads))
    }


def chosen(names: list[str], commit: str) -> str:
    "One of the settings, by the commit."
    return names[int(commit[:8], 16) % len(names)]


def share(tests: list[str], commit: str) -> list[str]:
    "A part of the tests, by other digits of the commit than those that choose the setting."
    return tests[int(commit[8:16] or "0", 16) % SHARES :: SHARES]


def paths() -> list[str]:
    "The tests of what computes."
    found = ["tests/test_benchmarks.py"]
    for name in FILES:
        *folder, module = name.split(".")
        test = Path("tests", *folder, f"test_{module}.py")
        if room(name) in COMPUTES and (ROOT / test).is_file():
            found.append(test.as_posix())
    return found


def read(argv: list[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    "What was asked for, and the rest, which is pytest's: so no word that stands alone is ours."
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=SETTINGS, help="one of them; all by default")
    parser.add_argument(
        "--one", action="store_true", help="one of them, and some tests, by the commit"
    )
    parser.add_argument("--all", action="store_true", help="every unit test, not the fast ones")
    return parser.parse_known_args(argv)


def main() -> None:
    given, pytest_args = read()
    capability = torch.backends.cpu.get_cpu_capability()
    names = [n for n in SETTINGS if fits(n, capability) and given.only in (None, n)]
    if not names:
        sys.exit(f"{given.only} asks for more than this processor can do, which is {capability}")
    outside = ["tests", "--ignore=tests/notebooks", "--ignore=tests/browser"]
    tests = outside if given.all else paths()
    if given.one:
        git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
        names = [chosen(names, commit or "0")]
        tests = tests if given.all else share(tests, commit)
    failed = []
    for name in names:
        changed = changes(name, dict(os.environ))
        print(f"\n==== as on another machine, {name!r}:", flush=True)
        print("     " + " ".join(f"{k}={v}" for k, v in changed.items()), flush=True)
        command = [sys.executable, "-m", "pytest", *tests]
        if subprocess.run([*command, *pytest_args], cwd=ROOT, env=os.environ | changed).returncode:
            failed.append(name)
    print(
        f"\n==== {', '.join(names)}: {'failed: ' + ', '.join(failed) if failed else 'all passed'}"
    )
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
