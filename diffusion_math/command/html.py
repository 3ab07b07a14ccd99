"diffusion-math html writes notebooks, as they are stored, as pages that need no network."

import argparse
import os
import warnings
from pathlib import Path
from typing import Any

from .. import checks
from ..teach.pages import write_page

__all__ = []


def _check_widgets(notebook: Any) -> None:
    "An error of some kind where what is kept of widgets is not what JupyterLab keeps."
    view = "application/vnd.jupyter.widget-view+json"
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    texts = [output.get("data", {}).get(view, {}).get("model_id", "") for output in outputs]
    for kind in notebook["metadata"].get("widgets", {}).values():
        for model in kind.get("state", {}).values():
            texts += [model.get("state", {}).get(name, "") for name in ("_esm", "_css")]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a widget's name and its code must be texts")


def _check_notebook(path: Path) -> None:
    "ValueError where a file is no notebook, or not a whole one: nbformat's own rules, and the widgets' state."
    import nbformat

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an old notebook's cells have no names: they get some
            notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        nbformat.writes(notebook).encode()  # half of a letter of two halves cannot stand in a page
        _check_widgets(notebook)
    except OSError:
        raise
    except Exception as error:  # a file that is something else makes nbformat raise almost anything
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is no notebook: {why}") from error


def _places(notebooks: list[Path], out: Path) -> list[Path]:
    "A folder within out for each of several notebooks, made: they stand in it as they stand to each other."
    if out.is_file() or out.suffix and not out.is_dir():
        raise ValueError(f"argument --out: must be a folder for several notebooks, got {out}")
    whole = [path.resolve() for path in notebooks]
    pages = [path.with_suffix("") for path in dict.fromkeys(whole)]
    if twice := next((page for page in pages if pages.count(page) > 1), None):
        raise ValueError(f"argument --out: two of the notebooks would be {twice.name}.html")
    root = os.path.commonpath([path.parent for path in whole])
    places = [out / path.parent.relative_to(root) for path in whole]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    return places


def _html(args: argparse.Namespace) -> None:
    "diffusion-math html"
    checks.need("a page", "diffusion_math[course]", "nbconvert", "nbformat")
    if len({path.resolve() for path in args.notebooks}) == 1 or args.out is None:
        places = [args.out] * len(args.notebooks)
    else:
        places = _places(args.notebooks, args.out)
    for notebook, out in zip(args.notebooks, places, strict=True):
        _check_notebook(notebook)
        print(write_page(notebook, out))


def add_html(subcommands: Any) -> None:
    "The command `diffusion-math html`."
    html = subcommands.add_parser(
        "html",
        help="write notebooks as pages that need no network",
        description="Write each NOTEBOOK, as it is stored, as one HTML page: explorables live, no kernel, no network. "
        "A page runs the scripts that its notebook's outputs hold: open only those of notebooks that you trust.",
    )
    html.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK", help="the notebooks")
    html.add_argument(
        "-o",
        "--out",
        type=Path,
        help="a file or, for several notebooks, a folder to write to (default: beside each notebook)",
    )
    html.set_defaults(run=_html)
