"""The course itself: CPU seconds of each notebook's kernel, fresh, top to bottom, one after the other, on one thread."""

import os
import resource
import tempfile
from pathlib import Path

from common import HERE, arguments, figure, say

NOTEBOOKS = HERE.parent / "nbs"
LONG = {"00_the_hour": 240, "06_ddpm": 360}  # CPU seconds of what trains; another chapter has 60


def spent() -> float:
    "CPU seconds of the processes that have ended: they grow little when other work runs beside."
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def seconds(path: Path) -> float:
    "Of one run in a folder of its own; an error in a cell is an error here."
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=3000, resources={"metadata": {"path": folder}})
        began = spent()
        client.execute(env=os.environ | {"OMP_NUM_THREADS": "1"})
        return spent() - began


def main() -> None:
    args = arguments(__doc__, (["--only"], {"nargs": "*", "help": "names of notebooks"}))
    figures, totals = [], {}
    for case, pattern in (("chapters", "*.ipynb"), ("workshop", "workshop/**/*.ipynb")):
        for path in sorted(NOTEBOOKS.glob(pattern)):
            if not args.only or path.stem in args.only:
                most = {"most": LONG.get(path.stem, 60)} if case == "chapters" else {}
                try:
                    figures.append(figure(path.stem, case, seconds(path), **most))
                except Exception as error:
                    figures.append(
                        figure(
                            path.stem, case, None, wrong=" ".join(str(error).split())[-200:], **most
                        )
                    )
        totals[case] = sum(f["value"] or 0 for f in figures if f["case"] == case)
    figures += [figure("total", case, total) for case, total in totals.items()]
    say(
        title="The course",
        unit="CPU seconds",
        figures=figures,
        better="less",
        target="a chapter ≤ 60, but "
        + ", ".join(f"{name} ≤ {most}" for name, most in LONG.items()),
        notebooks=len(figures) - len(totals),
    )


if __name__ == "__main__":
    main()
