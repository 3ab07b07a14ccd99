r"""Formulas where nobody sets them but GitHub, nbviewer or a plain Markdown reader: the rules that hold there.

GitHub's page "Writing mathematical expressions": `$` touches the formula and no letter or digit outside of it, a block stands
in `$$` on lines of its own, and a plain dollar sign never shares a line with a formula. The rest is how Markdown reads
before any formula is seen: a `<` before a letter begins a tag, a `|` in a table ends a cell, and a quotation's `>`
at the start of a line would become part of the formula. And MathJax takes one \tag for a block, outside of its environments.
"""

import json
import re

import pytest

from tests.lab import ROOT

TEXTS = {
    path.relative_to(ROOT).as_posix(): [
        "".join(cell["source"])
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "markdown"
    ]
    for path in sorted((ROOT / "nbs").rglob("*.ipynb"))
    if ".ipynb_checkpoints" not in path.parts
} | {name: [(ROOT / name).read_text(encoding="utf-8")] for name in ("README.md", "CONTRIBUTING.md")}
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
BLOCK = re.compile(r"\$\$(.*?)\$\$", re.DOTALL)
INLINE = re.compile(r"(?<![\\$])\$([^$\n]+?)\$")


def slips(text: str) -> list[str]:
    "What a plain reader of Markdown would make of the formulas in a text, and should not."
    text, found = CODE.sub("code", text), []
    for block in BLOCK.finditer(text):
        tex = block.group(1)
        before = text[: block.start()].rpartition("\n")[2]
        after = text[block.end() :].partition("\n")[0]
        quoted = before.startswith(">")
        if before.strip("> ") or after.strip():
            found.append(f"a block shares its line: {tex[:40]}")
        if quoted and "\n" in tex:
            found.append(f"a block in a quotation has several lines: {tex[:40]}")
        if "\n\n" in tex:
            found.append(f"an empty line ends a block: {tex[:40]}")
        if tex.count(r"\tag") > 1:
            found.append(f"two tags: {tex[:40]}")
        inner = re.search(r"\\begin\{(\w+\*?)\}.*?\\tag.*?\\end\{\1\}", tex, re.DOTALL)
        if inner and inner.group(1) not in ("align", "gather"):
            found.append(f"a tag within {inner.group(1)}: {tex[:40]}")
    rest = BLOCK.sub("block", text)
    for one in INLINE.finditer(rest):
        tex, before, after = one.group(1), rest[: one.start()][-1:], rest[one.end() :][:1]
        if tex != tex.strip():
            found.append(f"a space within the dollars: {tex}")
        if before.isalnum() or after.isalnum():
            found.append(f"a letter beside the dollars: {before}${tex}${after}")
        if r"\tag" in tex:
            found.append(f"a tag in a line of text: {tex}")
        line = rest[: one.start()].rpartition("\n")[2] + rest[one.start() :].partition("\n")[0]
        if line.lstrip("> ").startswith("|") and "|" in tex:
            found.append(f"a bar within a table: {tex}")
    left = INLINE.sub("formula", rest)
    found += [
        f"a dollar beside formulas: {line}"
        for line in left.splitlines()
        if re.search(r"(?<!\\)\$", line) and "formula" in line
    ]
    for tex in [*BLOCK.findall(text), *INLINE.findall(rest)]:
        if re.search(r"<[A-Za-z/!?]", tex):
            found.append(f"a tag of HTML: {tex[:60]}")
        if "`" in tex:
            found.append(f"a backtick: {tex[:60]}")
    return found


@pytest.mark.parametrize("file", TEXTS)
def test_a_formula_is_read_as_one_everywhere(file):
    assert [slip for text in TEXTS[file] for slip in slips(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "So $$ a $$ it is",
        "> $$ a\n> + b $$",
        "$$ a\n\nb $$",
        "$$ a \\tag{1} \\tag{2} $$",
        "$$ \\begin{aligned} a \\tag{1} \\end{aligned} $$",
        "of $ a $ now",
        "the 2$a$",
        "a $x$th",
        "a $x \\tag{1}$",
        "| $p(x | y)$ | b |",
        "$a$ costs 5 $",
        "where $a<b$ holds",
    ],
)
def test_each_slip_is_noticed(text):
    assert slips(text) != []


def test_what_is_right_is_no_slip():
    right = "It costs \\$5. See $x_0$, ($y$) and `$HOME`:\n\n> $$ a < b \\tag{1.1} $$\n\n| $p(x \\mid y)$ | b |"
    assert slips(right) == []
