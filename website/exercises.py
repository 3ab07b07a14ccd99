"""What a chapter asks of its reader, as a page can ask it: no cell is to be run.

A guess is clicked or typed before what came out is shown. An exercise is its question, two hints, the mistakes that are known
and one right answer, each folded. Sentences that speak of running cells are left out.
"""

import inspect
import re
import textwrap
from html import escape
from typing import Any

_CHECK = re.compile(r'^check\("(\d+b?\.[a-z])".*\)\s*$', re.MULTILINE)
_GUESS = re.compile(
    r"^(\w*guess\w*) = (?:\"\?\"|\.\.\.|None|'\?'|-?[\d.]+)\s*(?:#.*)?$", re.MULTILINE
)
_OPTIONS = re.compile(r"^# [^\n:]*: ([^\n]+?)\?\s*$", re.MULTILINE)
_KERNEL = re.compile(
    r"`check`|`?hint\(|\brun (?:the|this|that|its|your) (?:next )?cells?\b|Shift ?\+ ?Enter|into the first line|the kernel\b"
)


def without_kernels(text: str) -> str:
    "The text of a cell without its sentences about running cells; formulas and code keep theirs."
    if not _KERNEL.search(text) or "```" in text or text.lstrip().startswith("|"):
        return text
    kept = []
    for paragraph in text.split("\n\n"):
        if (
            _KERNEL.search(paragraph)
            and "$$" not in paragraph
            and not paragraph.lstrip().startswith(("|", "<", "#"))
        ):
            sentences = re.split(r"(?:(?<=[.!?])|(?<=[.!?]\*\*))\s+(?=[A-Z*`(])", paragraph)
            paragraph = " ".join(s for s in sentences if not _KERNEL.search(s))
        kept.append(paragraph)
    return "\n\n".join(p for p in kept if p.strip())


def _fold(summary: str, inside: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>\n\n{inside}\n\n</details>"


def _right(one: Any) -> str:
    try:
        source = inspect.getsource(one.right)
    except OSError:
        return ""
    return f"```python\n{textwrap.dedent(source).strip()}\n```"


def exercise(source: str) -> tuple[str, str] | None:
    "The code to begin with and what is folded below it, as Markdown; None where a cell is no exercise that is known."
    found = _CHECK.search(source)
    if not found:
        return None
    from diffusion_math.teach.exercises import CATALOGUE

    if found.group(1) not in CATALOGUE:
        return None
    one = CATALOGUE[found.group(1)]
    slips = "\n".join(f"- {slip.says}" for slip in one.slips)
    parts = [_fold("A nudge", one.hints[0]), _fold("The formula", one.hints[1])]
    if slips:
        parts.append(_fold(f"{len(one.slips)} mistakes that are often made", slips))
    if right := _right(one):
        parts.append(_fold("One right answer", right))
    return _CHECK.sub("", source).strip(), "\n\n".join(parts)


def guesses(cells: list[dict]) -> dict[int, str]:
    "The cells whose output waits for a guess, by their place, each with what is to be clicked or typed before it, as HTML."
    asked = {}
    for i, cell in enumerate(cells):
        source = "".join(cell["source"])
        if (
            cell["cell_type"] != "code"
            or source.startswith("#|")
            or not (found := _GUESS.search(source))
        ):
            continue
        name = re.compile(rf"\b{found.group(1)}\b")
        later = (
            j
            for j in range(i, min(i + 8, len(cells)))
            if cells[j]["cell_type"] == "code"
            and cells[j]["outputs"]
            and name.search("".join(cells[j]["source"]))
        )
        at = next(later, None)
        if at is None or at in asked:
            continue
        options = _OPTIONS.search(source)
        said = re.split(r", | or ", options.group(1)) if options else []
        if 2 <= len(said) <= 6 and all(len(one) <= 40 for one in said):
            inside = "".join(
                f'<button type="button" aria-pressed="false">{escape(one)}</button>' for one in said
            )
        else:
            inside = '<input aria-label="Your guess" size="8"> <button type="button">That is my guess</button>'
        asked[at] = (
            f'<div class="guess" role="group" aria-label="Your guess"><span>Your guess first:</span> {inside}</div>'
        )
    return asked


def unsaid(text: str) -> str:
    "What a cell printed, without what it says of a guess that nobody made."
    return re.sub(r"[;,] you (?:said|guessed) [^\n]*", "", text)
