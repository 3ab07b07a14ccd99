"""What ships: the sdist and the wheel are built, and the wheel is used from an empty environment and another folder.

The environments see the dependencies (torch and the rest) of the one that runs the tests, through a .pth file, and
neither its checkout nor what `pip install -e` left there.
"""

import ast
import configparser
import email
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import diffusion_math
from tests import conftest
from tests.lab import ROOT, environment, find_chromium

HEAVY = {
    "matplotlib",
    "ipywidgets",
    "anywidget",
    "torchvision",
    "sklearn",
    "scipy",
    "accelerate",
    "IPython",
    "pandas",
}
CFG = configparser.ConfigParser(delimiters=["="], interpolation=None)
CFG.read(ROOT / "settings.ini", encoding="utf-8")
CFG = CFG["DEFAULT"]
PACKAGE = ROOT / "diffusion_math"
SHIPPED = ("**/*.py", "assets/*", "explore/*")
NOTEBOOKS = ("*.ipynb", "workshop/**/*.ipynb", "images/*")
UNSHIPPED = (
    "drag.webp",
    "imports.svg",
    "noising_explorer.png",
)  # what README and CONTRIBUTING alone show
MOST = 16.5e6  # bytes of the wheel, most of it the notebooks' stored pictures


def names(folder: Path, patterns: tuple[str, ...], under: str) -> set[str]:
    paths = (path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
    return {f"{under}/{path.relative_to(folder).as_posix()}" for path in paths}


def call(*command, cwd: Path, **env: str) -> str:
    kept = {
        k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    }
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=kept | env,
        stdin=subprocess.DEVNULL,
        timeout=600,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    "A copy of the repository, so that building leaves nothing behind in it."
    folder = tmp_path_factory.mktemp("checkout") / "diffusion_math"
    left_out = ".git .venv .bench .python *.egg-info __pycache__ .*_cache .hypothesis build dist site".split()
    left_out += ".ipynb_checkpoints _proc benchmarks".split()
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*left_out))
    return folder


@pytest.fixture(scope="session")
def built(checkout):
    "The folder with the sdist and the wheel that was made from it."
    call(sys.executable, "-m", "build", "--no-isolation", ".", cwd=checkout)
    return checkout / "dist"


@pytest.fixture(scope="session")
def wheel(built):
    (file,) = built.glob("*.whl")
    return file


def empty_venv(folder: Path) -> Path:
    "A new environment without pip, which sees this one's dependencies; returns its python."
    call(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = call(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder.parent
    ).strip()
    dependencies = dict.fromkeys(sysconfig.get_path(key) for key in ("purelib", "platlib"))
    Path(site, "dependencies.pth").write_text(
        "\n".join(dependencies) + "\n"
    )  # .pth files in there are not obeyed
    missing = "from importlib.util import find_spec; print(find_spec('diffusion_math'), find_spec('torch') is not None)"
    assert call(python, "-c", missing, cwd=folder.parent).split() == ["None", "True"]
    return python


def pip_install(python: Path, *what) -> None:
    call(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        *what,
        cwd=python.parent,
    )


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    "The python of an environment that holds the wheel."
    python = empty_venv(tmp_path_factory.mktemp("installed") / "venv")
    pip_install(python, wheel)
    return python


def test_the_wheel_holds_the_package_the_notebooks_and_nothing_else(wheel):
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = names(PACKAGE, SHIPPED, "diffusion_math") | names(
        ROOT / "nbs", NOTEBOOKS, "diffusion_math/course"
    )
    expected -= {f"diffusion_math/course/images/{name}" for name in UNSHIPPED}
    assert found == expected and wheel.stat().st_size <= MOST
    assert {"diffusion_math/assets/digits.npz", "diffusion_math/explore/noising.js"} <= found
    assert {
        "diffusion_math/course/index.ipynb",
        "diffusion_math/course/workshop/laws/mixture.ipynb",
    } <= found
    assert wheel.stat().st_size < 20e6


def test_the_sdist_can_make_it_again(built):
    (file,) = built.glob("*.tar.gz")
    with tarfile.open(file) as tar:
        found = {name.split("/", 1)[1] for name in tar.getnames() if "/" in name}
    expected = names(PACKAGE, SHIPPED, "diffusion_math") | names(ROOT / "nbs", NOTEBOOKS, "nbs")
    expected |= {
        "settings.ini",
        "setup.py",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CITATION.cff",
    }
    assert expected <= found
    assert not [
        name
        for name in found
        if ".venv" in name or ".ipynb_checkpoints" in name or name.startswith(".git/")
    ]


def test_the_metadata_is_what_settings_ini_says(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        data = email.message_from_bytes(archive.read(f"{folder}/METADATA"))
        entry_points = archive.read(f"{folder}/entry_points.txt").decode()
        licence = archive.read(f"{folder}/licenses/LICENSE").decode()
    assert (data["Name"], data["Version"], data["Summary"]) == (
        CFG["lib_name"],
        CFG["version"],
        CFG["description"],
    )
    assert data["Author"] == CFG["author"] == "The Math of Diffusion authors"
    assert CFG["license"] in (data["License"], data["License-Expression"])
    assert data["Requires-Python"] == f">={CFG['min_python']}"
    assert data["Keywords"].split(",") == CFG["keywords"].split()
    assert CFG["git_url"] in data["Project-URL"]
    minor = [c.rsplit("3.", 1)[1] for c in data.get_all("Classifier")]
    assert f"3.{minor[0]}" == CFG["min_python"] and f"3.{minor[-1]}" == CFG["max_python"]
    required = {re.sub(r"[ \"']", "", line) for line in data.get_all("Requires-Dist")}
    course, site, dev = (CFG[f"{k}_requirements"].split() for k in ("course", "site", "dev"))
    extras = {"course": course, "site": course + site, "dev": course + site + dev}
    extras["cli"] = CFG["cli_requirements"].split()
    extras["diffusers"] = CFG["diffusers_requirements"].split()
    expected = set(CFG["requirements"].split())
    expected |= {f"{name};extra=={extra}" for extra, names in extras.items() for name in names}
    assert {",".join(sorted(re.split(",(?=[<>=!~])", r))) for r in required} == expected
    assert set(data.get_all("Provides-Extra")) == extras.keys()
    assert entry_points.split() == [
        "[console_scripts]",
        *CFG["console_scripts"].replace("=", " = ").split(),
    ]
    assert (
        licence == (ROOT / "LICENSE").read_text()
        and "Apache License" in licence
        and "END OF TERMS" in licence
    )
    assert data.get_payload().strip().startswith("# The Math of Diffusion")


def test_nothing_is_written_twice():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert (
        set(project["project"]) == {"name", "dynamic"}
        and project["project"]["name"] == CFG["lib_name"]
    )
    assert set(project["tool"]) == {"nbdev", "ruff", "pytest"}
    places = [
        *ROOT.glob("*.*"),
        ROOT / "Makefile",
        *PACKAGE.rglob("*.py"),
        *(ROOT / ".github").rglob("*.yml"),
    ]
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in places
        if path.is_file()
    }
    version = re.compile(rf"(?<![\d.]){re.escape(CFG['version'])}(?![\d.])")
    assert {name for name, text in texts.items() if version.search(text)} == {
        "settings.ini",
        "CHANGELOG.md",
    }
    assert {name for name, text in texts.items() if CFG["description"] in text} == {"settings.ini"}
    requirements = re.compile(r"\b(torch|jupyterlab|anywidget|hypothesis)[>=]=")
    assert {name for name, text in texts.items() if requirements.search(text)} == {"settings.ini"}


WHEEL_WORKS = """
import sys, pathlib, torch
import diffusion_math
from diffusion_math.explore.explorable import front_end
folder = pathlib.Path(diffusion_math.__file__).parent
assert folder.is_relative_to(sys.prefix), folder
assert diffusion_math.digits("test").shape == (2000, 1, 28, 28)
explorer = diffusion_math.explore.NoisingExplorer(diffusion_math.digits("test")[:2])
assert "render" in explorer._esm and len(explorer._css) > 100
assert "render" in front_end("noising")
print(diffusion_math.__version__)
"""


def test_the_wheel_works_from_another_folder(installed, tmp_path):
    assert call(installed, "-c", WHEEL_WORKS, cwd=tmp_path).strip() == CFG["version"]


@pytest.mark.long
def test_the_wheel_hands_over_the_course(installed, tmp_path):
    "As a reader would: the notebooks are copied, and a JupyterLab really opens on them."
    from jupyterlab.commands import get_app_dir

    command = installed.with_name("diffusion-math")
    assert call(command, "--version", cwd=tmp_path).strip() == CFG["version"]
    said = call(
        command,
        "course",
        "mine",
        "--no-browser",
        "--once",
        "--port",
        "0",
        cwd=tmp_path,
        JUPYTERLAB_DIR=get_app_dir(),  # of the environment that the new one sees
        **{
            key: str(tmp_path / key)
            for key in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        },
    )
    stay = {f"nbs/images/{name}" for name in ("drag.webp", "imports.svg", "noising_explorer.png")}
    assert (
        names(tmp_path / "mine", NOTEBOOKS, "nbs") == names(ROOT / "nbs", NOTEBOOKS, "nbs") - stay
    )
    assert re.fullmatch(
        r"mine: .*\n.*JupyterLab answers at http\S*/lab/tree/00_the_hour.ipynb\n", said, re.S
    )


def readme_examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


def test_the_readme_examples_run(installed, tmp_path):
    "One after the other, as a reader would paste them."
    package, judged = readme_examples()
    printed = call(installed, "-c", package + judged, cwd=tmp_path, OMP_NUM_THREADS="1")
    said = printed[printed.index("noising: wrong") :].strip()
    assert said in (ROOT / "README.md").read_text()  # its digits and all
    assert [path.name for path in (tmp_path / "run").glob("step-*")] == [
        "step-00000005.safetensors"
    ]


WIDGETS = {
    "NoisingExplorer": "anywidget",
    "PixelsExplorer": "traitlets",
    "NetworkExplorer": "ipywidgets",
}
FRESH = f"""
import json, sys, time
start = time.perf_counter()
import torch
middle = time.perf_counter()
import diffusion_math
share = (time.perf_counter() - middle) / (middle - start)
heavy, said = sorted({HEAVY} & set(sys.modules)), {{}}
for name, missing in {WIDGETS}.items():
    for module in [m for m in sys.modules if m.startswith("diffusion_math.explore")]:
        del sys.modules[module]
    kept, sys.modules[missing] = sys.modules.pop(missing, None), None
    try:
        getattr(diffusion_math.explore, name)
    except ImportError as error:
        said[name] = str(error)
    del sys.modules[missing]
    sys.modules |= {{missing: kept}} if kept else {{}}
print(json.dumps([share, heavy, said]))
"""


def fresh() -> list:
    "Of a new process: the import's share of torch's time, what heavy came with it, what widgets say that lack a library."
    return json.loads(call(sys.executable, "-c", FRESH, cwd=ROOT))


@pytest.fixture(scope="module")
def imported():
    return fresh()


def test_import_loads_nothing_heavier_than_torch(imported):
    assert imported[1] == []


def test_import_is_as_quick_as_torch(imported):
    "The best of three: what diffusion_math adds to `import torch`, at most a tenth."
    assert any(once()[0] <= 0.1 for once in (lambda: imported, fresh, fresh))


def test_a_widget_without_the_course_extra_says_what_to_install(imported):
    extra = 'pip install "diffusion_math[course]"'
    said = {name: f"{name} needs {missing}: {extra}" for name, missing in WIDGETS.items()}
    assert imported[2] == said


def test_the_top_level_holds_what_a_user_types():
    "Some sixty names, each in an import statement, for those who read types too; the rest is in its room."
    public = diffusion_math.__all__
    assert len(set(public)) == len(public) <= 70
    assert {*public, "__version__"} <= set(dir(diffusion_math))
    assert all(getattr(diffusion_math, name) is not None for name in public)
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    found = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level == 1]
    assert {alias.name for node in found for alias in node.names} == set(public)


def test_version_and_unknown_names():
    assert diffusion_math.__version__ == CFG["version"]
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        diffusion_math.no_such_name  # noqa: B018


# ------------------------------------------------------------------------------------------------ the two commands


@pytest.fixture
def fake_python(tmp_path):
    "The Makefile and the metadata, with a python that notes what it is asked to do and makes the folders it should."
    for name in ("Makefile", "settings.ini", "setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    script = tmp_path / "fake" / "python3"
    script.parent.mkdir()
    script.write_text(f"""#!/bin/sh
echo "$(basename "$0") $*${{DIFFUSION_MATH_FULL:+ in full}}" >> "{tmp_path}/log"
if [ "$1" = -c ]; then exec "{sys.executable}" "$@"; fi
if [ "$2" = venv ]; then
    mkdir -p "$3/bin"
    for name in python diffusion-math ruff nbdev-export nbdev-clean; do cp "$0" "$3/bin/$name"; done
fi
""")
    script.chmod(0o755)
    return script


def run_make(folder: Path, *args: str, python: str = "fake/python3") -> subprocess.CompletedProcess:
    "Run make as from a fresh shell: what a make above this one was told must not reach it."
    own = {"PORT", "NO_BROWSER", "ONCE", "VENV", "PYTHON", "PYTEST_ARGS"}
    own |= {"BASE", "FULL", "DIFFUSION_MATH_FULL", "ONE", "ALL", "PY", "LOWEST", "CONSTRAINTS"}
    own |= {"CHAPTER", "MODULE", "BRIEF"}
    env = {
        k: v
        for k, v in os.environ.items()
        if k not in own and not k.startswith(("MAKE", "MFLAGS", "GNUMAKE"))
    }
    command = ["make", f"PYTHON={python}", *args]
    return subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def make(folder: Path, *args: str) -> list[str]:
    "Run make and return the commands that it ran, without the check of the version."
    log = folder / "log"
    log.unlink(missing_ok=True)
    done = run_make(folder, *args)
    assert done.returncode == 0, done.stderr
    lines = log.read_text().splitlines() if log.exists() else []
    return [
        line
        for line in lines
        if not re.match(r"\S+ -c ", line) and not line.lstrip().startswith("import")
    ]


def test_make_course_installs_once_and_opens(fake_python, tmp_path):
    venv, pip, *rest = make(tmp_path, "course")
    assert venv == "python3 -m venv .venv"
    assert pip.startswith("python -m pip install") and pip.endswith("-e .[course]")
    assert rest == ["diffusion-math course nbs --port 8888"]
    opened = "diffusion-math course nbs --port"
    assert make(tmp_path, "course", "PORT=8899", "NO_BROWSER=1") == [f"{opened} 8899 --no-browser"]
    assert make(tmp_path, "course", "NO_BROWSER=0", "ONCE=1") == [f"{opened} 8888 --once"]
    assert make(tmp_path, "course", "WIDE=1") == [f"{opened} 8888 --wide"]


def test_make_test_installs_once_and_runs_everything(fake_python, tmp_path):
    venv, pip, *rest = make(tmp_path, "test")
    assert pip.endswith("-e .[dev]")
    lint = ["ruff check .", "ruff format --check --quiet ."]
    pytest_ = "python -m pytest -n auto --dist worksteal --durations=10"
    assert rest == [*lint, f"{pytest_} -m not long"]
    assert make(tmp_path, "test") == rest
    assert [line.removesuffix(" in full") for line in make(tmp_path, "test", "FULL=1")] == [
        *lint,
        pytest_,
    ]
    assert make(tmp_path, "course") == ["diffusion-math course nbs --port 8888"]


def test_an_old_python_is_told_so(tmp_path, fake_python):
    (tmp_path / "settings.ini").write_text(
        (ROOT / "settings.ini").read_text().replace("3.11", "3.99")
    )
    for python, words in (
        ("fake/python3", "Python 3.99 or newer is needed, and "),
        ("no_such_python", "not found"),
    ):
        done = run_make(tmp_path, "course", python=python)
        assert done.returncode != 0 and words in done.stdout + done.stderr
        assert not (tmp_path / ".venv").exists()


def test_ci_and_the_workflow_call_the_same_targets():
    ci, workflow = (ROOT / ".ci/run").read_text(), (ROOT / ".github/workflows/test.yml").read_text()
    fresh = 'VENV="$fresh/venv"'
    called = [f"make test FULL=1 {fresh}", f"make test-machines ONE=1 {fresh}"]
    assert re.findall(r"^make .*", ci, re.M) == called
    *targets, whole = re.findall(r"run: (make .*)", workflow)
    usual = ["make course NO_BROWSER=1 ONCE=1", "make test", "make test-machines ONE=1"]
    lowest = f"make test-python PY=python{CFG['min_python']} LOWEST=1"
    assert targets == [*usual, lowest]
    assert whole == "make test FULL=1"
    assert (
        "DIFFUSION_MATH_REQUIRE_BROWSER=1" in ci
        and 'DIFFUSION_MATH_REQUIRE_BROWSER: "1"' in workflow
    )


def test_shapes_are_checked_while_the_tests_run(shape_checks_off):
    "A control for all the other tests: a result or argument of the wrong shape is an error here."
    import jaxtyping
    import torch

    from diffusion_math.sums import sum_event

    whole = torch.ones(
        2, 3, dtype=torch.int64
    )  # it is for floating-point numbers, and would add these up, too
    with pytest.raises(jaxtyping.TypeCheckError):
        sum_event(whole)
    with shape_checks_off():
        assert sum_event(whole).tolist() == [3, 3]
    assert diffusion_math.Gaussian(torch.zeros(1, 2), 1.0).sample().shape == (1, 2)


@pytest.mark.long
def test_a_browser_that_is_required_must_be_there(tmp_path, monkeypatch):
    "Where it need not, the last lines of a run say that it is missing."
    env = environment(tmp_path) | {
        "DIFFUSION_MATH_CHROMIUM": "",
        "DIFFUSION_MATH_REQUIRE_BROWSER": "",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_house.py",
    ]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and "NO CHROMIUM FOUND" in done.stdout, done.stdout + done.stderr
    monkeypatch.setenv("DIFFUSION_MATH_CHROMIUM", "")
    monkeypatch.setattr(conftest, "CHROMIUM", find_chromium())
    monkeypatch.setenv("DIFFUSION_MATH_REQUIRE_BROWSER", "1")
    with pytest.raises(pytest.UsageError, match="no Chromium was found"):
        conftest.pytest_collection_modifyitems(None, [])
