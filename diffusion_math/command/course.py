"diffusion-math course: a copy of the notebooks that writes over nothing of the reader's, opened in JupyterLab."

import argparse
import contextlib
import functools
import hashlib
import json
import os
import platform
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..files import write_file

__all__ = []

_SHIPPED = ("*.ipynb", "workshop/**/*.ipynb", "images/*")  # what a copy of the course consists of
_FIRST = "00_the_hour.ipynb"  # where a reader begins
_NOTES = ".diffusion_math.json"  # beside a copy: what was copied, by its SHA-256


def _source() -> Path:
    "The folder that the course is copied from."
    package = Path(str(files("diffusion_math")))
    places = (package / "course", package.parent / "nbs")
    for folder in places:
        if any(folder.glob("*.ipynb")):
            return folder
    raise FileNotFoundError(
        f"no notebooks in {' or '.join(map(str, places))}; install diffusion_math again"
    )


def _shipped(source: Path) -> list[str]:
    "The names of the files to copy, relative to `source`."
    found = (path for pattern in _SHIPPED for path in source.glob(pattern))
    return sorted(
        path.relative_to(source).as_posix()
        for path in found
        if path.is_file() and path.name[0] != "."
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# of a file that is none
NO_NOTEBOOK = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def _fingerprint(content: bytes) -> str:
    "The SHA-256 of what a reader can write into a file: of a notebook, its cells without outputs; else all of it."
    try:
        cells = [
            [cell["cell_type"], "".join(cell["source"]), cell.get("attachments") or {}]
            for cell in json.loads(content)["cells"]
        ]
    except NO_NOTEBOOK:
        return _sha256(content)
    return _sha256(json.dumps(cells).encode())


_LANGUAGE = {  # what Python's kernel says of itself
    "name": "python",
    "version": platform.python_version(),
    "mimetype": "text/x-python",
    "codemirror_mode": {"name": "ipython", "version": sys.version_info.major},
    "pygments_lexer": "ipython3",
    "nbconvert_exporter": "python",
    "file_extension": ".py",
}


@functools.cache
def _home() -> dict[str, Any]:
    "What JupyterLab would write into the metadata of a notebook that it opens here; nothing where there is no Jupyter."
    try:
        from jupyter_core.paths import jupyter_path
    except ImportError:
        return {}
    for folder in jupyter_path("kernels"):  # Jupyter's own search would load IPython: a second
        file = Path(folder, "python3", "kernel.json")
        if file.is_file():
            spec = json.loads(file.read_bytes())
            kernel = {"name": "python3"} | {k: spec[k] for k in ("display_name", "language")}
            return {"kernelspec": kernel, "language_info": _LANGUAGE}
    return {}


def _at_home(name: str, content: bytes) -> bytes:
    "A notebook for this machine: the same cells and outputs, with the kernel that is here. Any other file as it is."
    if not name.endswith(".ipynb") or not _home():
        return content
    try:
        notebook = json.loads(content)
        notebook["metadata"] = notebook["metadata"] | _home()
    except NO_NOTEBOOK:
        return content
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _shown(output: dict[str, Any]) -> list:
    "What an output shows, however a program that saved it has broken its lines."
    texts = output.get("data", {}) | {
        "text": output.get("text", ""),
        "error": output.get("evalue", ""),
    }
    return sorted((kind, "".join(t) if isinstance(t, list) else t) for kind, t in texts.items())


def _outputs(notebook: dict[str, Any]) -> dict[str, str]:
    "The SHA-256 of what each cell shows, by the cell's name."
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "id" in cell]
    texts = {cell["id"]: json.dumps([_shown(o) for o in cell["outputs"]]) for cell in cells}
    return {name: _sha256(text.encode())[:16] for name, text in texts.items()}


def _with_theirs(new: bytes, old: bytes, shipped: dict[str, str]) -> bytes:
    """A new notebook that keeps what the reader's runs have shown in cells that are the same in it.

    shipped: what each cell showed in the copy that they got; that is ours, and is brought up to date.
    """
    try:
        fresh, mine = json.loads(new), json.loads(old)
        seen = {name for name, sha in _outputs(mine).items() if shipped.get(name, sha) != sha}
        theirs = {cell["id"]: cell for cell in mine["cells"] if cell.get("id") in seen}
        kept = [c for c in fresh["cells"] if c.get("id") in theirs and _same(c, theirs[c["id"]])]
        for cell in kept:
            cell |= {name: theirs[cell["id"]][name] for name in ("outputs", "execution_count")}
        if kept:  # what the explorables among them show is kept in the notebook's metadata
            _add_widgets(fresh["metadata"], mine["metadata"])
            return (json.dumps(fresh, indent=1, ensure_ascii=False) + "\n").encode()
    except NO_NOTEBOOK:
        pass
    return new


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return "".join(a["source"]) == "".join(b["source"])


def _add_widgets(fresh: dict[str, Any], mine: dict[str, Any]) -> None:
    for kind, held in mine.get("widgets", {}).items():
        ours = fresh.setdefault("widgets", {}).setdefault(kind, held)
        ours["state"] = held.get("state", {}) | ours.get("state", {})


def _untouched(old: bytes, name: str, notes: dict[str, dict[str, Any]]) -> bool:
    "Is the file what an earlier copy wrote, but for what running it leaves in it?"
    noted = notes["cells"].get(name)
    return noted == _fingerprint(old) if noted else notes["sha256"].get(name) == _sha256(old)


def _put(folder: Path, name: str, content: bytes, notes: dict[str, dict[str, Any]]) -> str:
    'Bring one file up to date, unless the reader changed it: "new", "updated", "same" or "kept".'
    path, new, cells = folder / name, _sha256(content), _fingerprint(content)
    if path.is_symlink() and not path.exists():  # what it leads to is the reader's business
        return "kept"
    old = path.read_bytes() if path.exists() else None
    ours = old is None or _fingerprint(old) == cells or _untouched(old, name, notes)
    if not ours:
        return "kept"
    known = notes["sha256"].get(name)  # None: the reader has these very cells from elsewhere
    same = old is not None and (known in (None, new) or _sha256(old) == new)
    if not same:
        kept = (
            content if old is None else _with_theirs(content, old, notes["outputs"].get(name, {}))
        )
        write_file(path, _at_home(name, kept))
    notes["sha256"][name], notes["cells"][name] = new, cells
    try:
        notes["outputs"][name] = _outputs(json.loads(content))
    except NO_NOTEBOOK:
        pass
    return "new" if old is None else "same" if same else "updated"


def _read_notes(folder: Path) -> dict[str, dict[str, Any]]:
    "What earlier copies wrote: the SHA-256, by name, of the files as they were shipped, and of their cells alone."
    file = folder / _NOTES
    if not file.exists():
        return {"sha256": {}, "cells": {}, "outputs": {}}
    try:
        notes = json.loads(file.read_bytes())
        # the first edition wrote no cells
        found = {"sha256": notes["sha256"], "cells": notes.get("cells", {})}
        found = {k: {str(name): str(sha) for name, sha in v.items()} for k, v in found.items()}
        return found | {"outputs": {str(k): dict(v) for k, v in notes.get("outputs", {}).items()}}
    except NO_NOTEBOOK:
        raise ValueError(
            f"{file} is damaged; delete it, and every file that differs counts as yours"
        ) from None


def copy_course(
    folder: str | Path, theirs: bool = False, source: str | Path | None = None
) -> dict[str, list[str]]:
    """Copy the course into `folder` and return the names of the files: {"new", "updated", "same", "kept", "beside"}.

    A file that was changed since it was copied is never written over; it is "kept". Outputs and metadata of a notebook
    do not count: a newer version comes in its place, and keeps what the reader's runs have shown in cells that are still
    the same. With `theirs` the new version of a kept file is written beside it ("beside"). A link that leads nowhere is
    the reader's. Raises OSError where a file cannot be read or written; what was copied until then is noted as copied.
    """
    folder, source = Path(folder), Path(source or _source())
    before = _read_notes(folder)
    notes = {kind: dict(names) for kind, names in before.items()}
    report = {state: [] for state in ("new", "updated", "same", "kept", "beside")}
    try:
        for name in _shipped(source):
            content = (source / name).read_bytes()
            report[state := _put(folder, name, content, notes)].append(name)
            if state == "kept" and theirs:
                beside = str(Path(name).with_suffix(".new" + Path(name).suffix).as_posix())
                report[
                    "kept" if _put(folder, beside, content, notes) == "kept" else "beside"
                ].append(beside)
    finally:  # a copy that is cut short must know its own files again
        if notes != before:  # or one that nobody may write to would not open
            write_file(folder / _NOTES, json.dumps(notes, indent=1).encode())
    return report


# Lines of prose of about ninety letters; in the dark theme a stored picture is a card that does not glare.
_LOOK = """.jp-MarkdownOutput > :is(p, ul, ol, blockquote) { max-width: 44em; }
body[data-jp-theme-light="false"] .jp-OutputArea-output.jp-RenderedImage img { border-radius: 8px; filter: brightness(0.87); }
"""


@contextlib.contextmanager
def _lab_settings(wide: bool) -> Iterator[None]:
    """While this lasts: JupyterLab does not ask whether it may fetch news, a question that would lie over the page, and
    shows the course by `_LOOK`; wide: as it shows any notebook. A reader's own custom.css comes before ours.
    """
    from jupyter_core.paths import jupyter_config_dir

    key = "JUPYTER_CONFIG_PATH"
    before = os.environ.get(key)
    with tempfile.TemporaryDirectory() as folder:
        off = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
        styles = [str(Path(place, "custom")) for place in (jupyter_config_dir(), folder)]
        server = {"ServerApp": {"tornado_settings": {"static_custom_path": styles}}}
        told = {"labconfig/page_config.json": json.dumps(off)}
        if not wide:
            told["custom/custom.css"] = _LOOK
            told["jupyter_server_config.json"] = json.dumps(server)
            told["jupyter_lab_config.json"] = json.dumps({"LabApp": {"custom_css": True}})
        for name, text in told.items():
            Path(folder, name).parent.mkdir(exist_ok=True)
            Path(folder, name).write_text(text, encoding="utf-8")
        os.environ[key] = os.pathsep.join(filter(None, [folder, before]))
        try:
            yield
        finally:
            del os.environ[key]
            if before is not None:
                os.environ[key] = before


def _lab_arguments(root: Path, page: str, port: int, browser: bool) -> list[str]:
    "What JupyterLab is told."
    screen = sys.platform != "linux" or any(
        os.environ.get(key) for key in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    arguments = [
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{page}",
        f"--ServerApp.port={port}",
    ]
    if not (browser and screen):
        arguments.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--allow-root")
    return arguments


def _need_lab() -> None:
    if find_spec("jupyterlab") is None:
        sys.exit(
            'diffusion-math: JupyterLab is not installed: pip install "diffusion_math[course]"'
        )


def _open_lab(root: Path, page: str, port: int, browser: bool, once: bool, wide: bool) -> None:
    "Run JupyterLab over `root` at `page` until it is stopped; `once`: until it answers."
    from jupyterlab.labapp import LabApp

    if once:
        threading.Thread(target=_stop_when_up, args=(page,), daemon=True).start()
    with _lab_settings(wide):
        LabApp.launch_instance(_lab_arguments(root, page, port, browser))


def _answers(server: dict, page: str) -> bool:
    "Does this server have `page`, and serve JupyterLab for it?"
    try:
        for path in (f"api/contents/{page}?content=0", f"lab/tree/{page}?"):
            urllib.request.urlopen(
                f"{server['url']}{path}&token={server['token']}", timeout=10
            ).close()
    except OSError:
        return False
    return True


def _stop_when_up(page: str, seconds: float = 120.0) -> None:
    "Wait until this process's JupyterLab serves `page`, then stop it; a failure ends the process with status 1."
    from jupyter_server.serverapp import list_running_servers

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        mine = [server for server in list_running_servers() if server["pid"] == os.getpid()]
        if any(_answers(server, page) for server in mine):
            print(f"JupyterLab answers at {mine[0]['url']}lab/tree/{page}", flush=True)
            return os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
    print(
        f"diffusion-math: JupyterLab did not serve {page} within {seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )
    os._exit(1)


def _tell(folder: Path, report: dict[str, list[str]]) -> None:
    "Say what was copied, and what was left alone."
    count = {state: len(names) for state, names in report.items()}
    print(f"{folder}: {count['new']} new, {count['updated']} updated, {count['same']} as they were")
    for name in report["kept"]:
        print(f"  kept yours: {name}")
    for name in report["beside"]:
        print(f"  new version beside it: {name}")
    if report["kept"] and not report["beside"]:
        print("  (--theirs writes the new versions beside yours)")


def _course(args: argparse.Namespace) -> None:
    "diffusion-math course"
    source, root, page = _source(), args.dir.resolve(), _FIRST
    if not args.copy_only:
        _need_lab()
    if root == source.resolve():
        root, page = root.parent, f"{root.name}/{_FIRST}"
    else:
        _tell(args.dir, copy_course(root, theirs=args.theirs, source=source))
    if not args.copy_only:
        _open_lab(root, page, args.port, args.browser, args.once, args.wide)


def _port(text: str) -> int:
    "The type of --port."
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"port must lie in 0 to 65535, got {text}")
    return int(text)


def add_course(subcommands: Any) -> None:
    "The command `diffusion-math course`."
    course = subcommands.add_parser(
        "course",
        help="copy the notebooks and open them in JupyterLab",
        description="Copy the course into DIR, writing over nothing that you changed, and open JupyterLab there.",
    )
    course.add_argument(
        "dir",
        nargs="?",
        type=Path,
        default=Path("diffusion_math_course"),
        metavar="DIR",
        help="the folder for your copy (default: %(default)s)",
    )
    flag = functools.partial(course.add_argument, action="store_true")
    flag("--theirs", help="write new versions beside the files that you changed")
    flag("--copy-only", help="copy, and do not open JupyterLab")
    flag("--wide", help="prose as wide as the window, not in lines of about ninety letters")
    course.add_argument(
        "--no-browser",
        dest="browser",
        action="store_false",
        help="print the address, open no browser",
    )
    course.add_argument(
        "--port", type=_port, default=8888, help="JupyterLab's port (default: %(default)s)"
    )
    flag("--once", help="stop as soon as JupyterLab answers (for automatic tests)")
    course.set_defaults(run=_course)
