"""slider.py's table as figures: milliseconds from an input event to the end of the draw, in a real JupyterLab."""

import subprocess
import sys

from common import HERE, arguments, figure, say


def cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]


def main() -> None:
    arguments(__doc__)
    done = subprocess.run([sys.executable, str(HERE / "slider.py")], capture_output=True, text=True)
    tables = [[cells(line) for line in block.splitlines() if line.startswith("|") and "---" not in line]
              for block in done.stdout.split("\n\n")]
    tables, figures = [table for table in tables if len(table) > 1], []
    if done.returncode or not tables:
        sys.exit((done.stderr.strip().splitlines() or ["slider.py printed no table"])[-1])
    for head, *lines in tables:
        for name, *values in lines:
            for title, value in zip(head[1:], values, strict=True):
                figures.append(figure(name, f"{title}, each explorable" if head[0] else title, float(value)))
    say(title="A slider, from the input event to the end of the draw", unit="", figures=figures, better="less",
        target="ours ahead of interact and ipympl")


if __name__ == "__main__":
    main()
