"""How long does a chapter take?   make minutes   or   python -m tests.minutes

What a reader does is counted in the stored notebooks: words, lines of code, displayed equations, pictures and
explorables, each at its pace. Not counted: cells whose source is folded away (proofs are), what stands under a heading
that says "Optional", and everything from "The source" on. The sum, rounded up to the next five minutes, is what a
chapter says at its top, and what the front page says of it.

The paces are those of strangers who read 22 chapters of the second edition with a clock: round numbers near the least
squares, which miss a chapter's time by 15 % (root mean square), and their mean by 3 %.
"""

import json
import re
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

NBS = Path(__file__).resolve().parents[1] / "nbs"
CHAPTERS = sorted(path for path in NBS.glob("[0-9]*.ipynb"))
WORDS_A_MINUTE, LINE, EQUATION, PICTURE = 150, 5, 60, 40  # the last three in seconds
MOST = 60  # minutes: one sitting
SOURCE = re.compile(r"^#+ .*The source\b", re.M)
HEADING = re.compile(r"^(#+) (.*)", re.M)
DISPLAYED = re.compile(r"\$\$.*?\$\$", re.S)
PICTURES = re.compile(r"^image/|^application/vnd\.jupyter\.widget-view\+json$")


class Effort(NamedTuple):
    "What one chapter asks of its reader."

    words: int = 0
    lines: int = 0
    equations: int = 0
    pictures: int = 0

    @property
    def minutes(self) -> float:
        seconds = self.lines * LINE + self.equations * EQUATION + self.pictures * PICTURE
        return self.words / WORDS_A_MINUTE + seconds / 60

    @property
    def stated(self) -> int:
        "Minutes, as the chapter says them: rounded up to the next five."
        return 5 * ceil(self.minutes / 5)

    def __add__(self, other: "Effort") -> "Effort":
        return Effort(*(mine + its for mine, its in zip(self, other, strict=True)))


def words(text: str) -> int:
    "Words of running text: a formula within a line is one, a link is its text, marks and tags are none."
    text = re.sub(r"\$[^$]+\$", " formula ", DISPLAYED.sub(" ", text))
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"<[^>]+>", " ", text))
    return len(re.findall(r"[^\W_][\w’'.,-]*", text))


def is_picture(output: dict[str, Any]) -> bool:
    "Whether there is something to look at: a picture, an explorable, or HTML that holds a picture."
    data = output.get("data", {})
    return any(map(PICTURES.search, data)) or "<img" in "".join(data.get("text/html", ""))


def effort(cell: dict[str, Any]) -> Effort:
    "What one cell asks."
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return Effort(words=words(source), equations=len(DISPLAYED.findall(source)))
    shown = sum(map(is_picture, cell.get("outputs", [])))
    if cell["metadata"].get("jupyter", {}).get("source_hidden"):
        return Effort(pictures=shown)
    lines = [line for line in source.splitlines() if line.strip() and not line.startswith("#|")]
    return Effort(lines=len(lines), pictures=shown)


def read(cells: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    "The cells that a reader goes through: up to the source, and without what is optional."
    optional = 0  # the depth of the heading that says so; 0: none
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            if SOURCE.search(text):
                return
            for marks, title in HEADING.findall(text):
                if not optional or len(marks) <= optional:
                    optional = len(marks) if "optional" in title.lower() else 0
        if not optional:
            yield cell


def of(path: Path) -> Effort:
    "What a chapter asks, from its stored notebook."
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return sum((effort(cell) for cell in read(cells)), Effort())


def main() -> None:
    print(f"{'':24}words  lines  equations  pictures  minutes  at its top")
    for path in CHAPTERS:
        it = of(path)
        print(f"{path.stem:24}{it.words:5}{it.lines:7}{it.equations:11}{it.pictures:10}"
              f"{it.minutes:9.0f}{it.stated:12}")  # fmt: skip


if __name__ == "__main__":
    main()
