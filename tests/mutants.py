"""Which bent equation does a chapter not notice?   make mutants CHAPTER=03   or   python -m tests.mutants 03 --module

Each equation of a chapter is bent, one place at a time: a sign turned, a root or a square dropped, an index moved by
one, a factor dropped or turned into a divisor, a sum made a mean. Then the chapter's cells run, and one of its checks
should fail. What none of them noticed is printed: an equation whose check is blind, or a bend that changes nothing.

By default the learners' cells that execute a numbered equation are bent: those that name one, such as (3.4), or stand
right below one. `--module` bends the functions of the module that the chapter exports, instead; the cells then ask
the bent module also where they would define it anew, under "The source".

Chapters that train for minutes are bent as the tests run them, with smaller numbers: `--brief`.

No kernel and no picture: a process runs the cells in order, and forks before each cell that is bent, so that a bend
costs the cells from there to the first check that fails. A fork shares torch's state, so one thread each.
"""

import argparse
import ast
import contextlib
import importlib
import inspect
import json
import math
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.notebooks.brief import to_run

ROOT = Path(__file__).resolve().parents[1]
NBS = ROOT / "nbs"
NUMBERED = re.compile(r"\(\d+[a-z]?\.\d+\)")
CHECKS = re.compile(r"(agree|agree_mc|check|hint|print|\w+Explorer)$")
FLIPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
DROPPED = {"sqrt": "root", "root": "root", "square": "square"}
TURNED = {"sum": "mean", "mean": "sum"}
PATIENCE = 20  # a bent chapter may take so many seconds more than four times the straight one

# ------------------------------------------------------------------------------------------------ bending


class Bend(NamedTuple):
    "One place in some code that can be bent: `field` (at `index`, if it is a list) of `parent` becomes `bent`."

    kind: str
    parent: ast.AST
    field: str
    index: int | None
    bent: ast.expr

    @property
    def straight(self) -> ast.AST:
        value = getattr(self.parent, self.field)
        return value if self.index is None else value[self.index]

    def words(self) -> str:
        return f"{self.kind}: {ast.unparse(self.straight)}  ->  {ast.unparse(self.bent)}"

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        straight = self.straight
        self._put(self.bent)
        try:
            yield
        finally:
            self._put(straight)

    def _put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def name_of(call: ast.Call) -> str:
    "What a call calls, without the path before it."
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def number(node: ast.AST, kinds: tuple = (int, float)) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in kinds


def one(node: ast.AST) -> bool:
    return number(node) and node.value == 1


def bent(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    "What a node may become: (kind, the node that takes its place)."
    new = lambda expr: ast.copy_location(expr, node)
    if isinstance(node, ast.BinOp):
        left, op, right = node.left, type(node.op), node.right
        if op in FLIPPED and not (op in (ast.Mult, ast.Div) and one(right)):
            kind = "sign" if op in (ast.Add, ast.Sub) else "factor"
            yield kind, new(ast.BinOp(left, FLIPPED[op](), right))
        if op is ast.Mult and number(left) and not one(left):
            yield "factor", right
        if op in (ast.Mult, ast.Div) and number(right) and not one(right):
            yield "factor", left
        if op is ast.Pow and number(right):
            yield ("root" if right.value == 0.5 else "power"), left
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        if not number(node.operand) or isinstance(parent, ast.BinOp):  # else a datum, or dim=-1
            yield "sign", node.operand
    elif isinstance(node, ast.Call) and name_of(node) in DROPPED:
        inside = [*node.args, *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
        if len(node.args) <= 1 and inside:
            yield DROPPED[name_of(node)], inside[0]
    elif isinstance(node, ast.Call) and name_of(node) in TURNED:
        if isinstance(node.func, ast.Attribute):
            func = ast.copy_location(
                ast.Attribute(node.func.value, TURNED[node.func.attr], ast.Load()), node.func
            )
            yield "factor", new(ast.Call(func, node.args, node.keywords))
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        i = node.slice
        if isinstance(i, ast.Name) or number(i, (int,)):
            step = ast.copy_location(ast.Constant(1), i)
            moved = ast.BinOp(i, ast.Sub() if isinstance(i, ast.Name) else ast.Add(), step)
            yield "index", new(ast.Subscript(node.value, ast.copy_location(moved, i), ast.Load()))


def bends(tree: ast.AST) -> Iterator[Bend]:
    "Every bend of some code. Checks, prints and pictures are left alone, and so are types, defaults and texts."
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list", "defaults", "kw_defaults"):
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, node in children:
            if not isinstance(node, ast.AST) or isinstance(node, ast.Assert | ast.JoinedStr):
                continue
            if isinstance(node, ast.Raise) or (
                isinstance(node, ast.Call)
                and (CHECKS.match(name_of(node)) or ast.unparse(node.func).startswith("plot."))
            ):
                continue
            for kind, replaced in bent(node, tree):
                yield Bend(kind, tree, field, index, replaced)
            yield from bends(node)


# ------------------------------------------------------------------------------------------------ a chapter


class Cell(NamedTuple):
    "A code cell: where it stands, its source, and the equations that it executes."

    place: int
    source: str
    equations: tuple[str, ...]

    @property
    def exported(self) -> bool:
        return bool(re.search(r"^#\| *export\b", self.source, re.M))


def cells(path: Path) -> list[Cell]:
    "The code cells of a notebook."
    found, above = [], ""
    for i, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            named = NUMBERED.findall(source) + [
                f"({n})" for n in re.findall(r"\\tag\{(.*?)\}", above)
            ]
            found.append(Cell(i, source, tuple(dict.fromkeys(named))))
        above = source if cell["cell_type"] == "markdown" else ""
    return found


def notebook(chapter: str) -> Path:
    "The notebook of a chapter, such as '03' or '5b', or one given by its path."
    if chapter.endswith(".ipynb"):
        return Path(chapter)
    (path,) = NBS.glob(f"{chapter.zfill(3 if chapter[-1:].isalpha() else 2)}_*.ipynb")
    return path


def module_of(chapter: list[Cell]) -> types.ModuleType | None:
    "The module that a chapter exports."
    for cell in chapter:
        if found := re.search(r"^#\| *default_exp (\S+)", cell.source, re.M):
            return importlib.import_module(f"diffusion_math.{found.group(1)}")
    return None


def run(cell: Cell, names: dict, module: types.ModuleType | None, code=None) -> None:
    "Run a cell's code. What a chapter exports is not made a second time: it is asked of its module."
    if cell.exported and module is not None:
        names.update({k: v for k, v in vars(module).items() if not k.startswith("__")})
    else:
        exec(code or compile(cell.source, f"cell {cell.place}", "exec"), names)


# ------------------------------------------------------------------------------------------------ trying


class Tried(NamedTuple):
    "A bend, where it lies, and what noticed it: '' if nothing did."

    where: str
    line: str
    bend: str
    noticed: str


class Forks:
    "Processes side by side, each a copy of this one that tries something: it ends well, or what it raised is noticed."

    def __init__(self, jobs: int):
        self.jobs, self.running, self.tried = jobs, {}, []
        self.folder = tempfile.TemporaryDirectory()

    def start(self, what: tuple[str, str, str], work: Callable[[], None], seconds: float) -> None:
        while len(self.running) >= self.jobs:
            self.wait()
        said = Path(tempfile.mkstemp(dir=self.folder.name)[1])
        sys.stdout.flush()
        if pid := os.fork():
            self.running[pid] = what, said
            return
        signal.alarm(math.ceil(seconds))  # a bend that never ends is one that is noticed
        code = 0
        try:
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(quiet, stream)
            work()
        except BaseException as error:
            said.write_text(f"{type(error).__name__}: {error}"[:200], encoding="utf-8")
            code = 1
        finally:
            os._exit(code)

    def wait(self) -> None:
        pid, status = os.wait()
        what, said = self.running.pop(pid)
        noticed = said.read_text(encoding="utf-8")
        if os.WIFSIGNALED(status):
            noticed = f"it did not end (signal {os.WTERMSIG(status)})"
        self.tried.append(Tried(*what, noticed))

    def finish(self) -> list[Tried]:
        while self.running:
            self.wait()
        self.folder.cleanup()
        return self.tried


def rest(chapter: list[Cell], i: int, names: dict, module, code=None) -> None:
    "Run the cells from i on, the first of them with other code."
    for k, cell in enumerate(chapter[i:]):
        run(cell, names, module, code if k == 0 else None)


def try_cells(chapter: list[Cell], jobs: int, seconds: float) -> list[Tried]:
    "Bend the learners' cells that execute a numbered equation."
    forks, names, module = Forks(jobs), {"__name__": "__main__"}, module_of(chapter)
    for i, cell in enumerate(chapter):
        if cell.equations and not cell.exported:
            tree, lines = ast.parse(cell.source), cell.source.splitlines()
            for bend in bends(tree):
                with bend.applied():
                    code = compile(tree, f"cell {cell.place}, bent", "exec")
                where = f"cell {cell.place}, {', '.join(cell.equations)}"
                what = where, lines[bend.straight.lineno - 1].strip(), bend.words()
                forks.start(what, lambda i=i, c=code: rest(chapter, i, names, module, c), seconds)
        with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
            run(cell, names, module)
    return forks.finish()


def function(module: types.ModuleType, path: list[str]) -> types.FunctionType | None:
    "The function of a module behind properties and decorators, such as ['Gaussian', 'kl']."
    found = module
    for name in path:
        found = vars(found).get(name)
    for inside in ("fget", "func", "__func__"):
        found = getattr(found, inside, found)
    found = inspect.unwrap(found) if callable(found) else found
    return found if isinstance(found, types.FunctionType) else None


def code_of(code: types.CodeType, path: list[str]) -> types.CodeType:
    "The code of a function inside that of its module."
    for name in path:
        code = next(
            c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name
        )
    return code


def functions(tree: ast.AST, path: tuple[str, ...] = ()) -> Iterator[tuple[list[str], ast.AST]]:
    "The functions and methods of a module."
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield [*path, node.name], node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, (*path, node.name))


def try_module(
    chapter: list[Cell], jobs: int, seconds: float, module: types.ModuleType | None = None
) -> list[Tried]:
    "Bend the functions of the module that the chapter exports, or of another that it stands on."
    exported, forks = module_of(chapter), Forks(jobs)
    module = module or exported
    if module is None:
        raise SystemExit("this notebook exports no module to bend")
    source = Path(module.__file__).read_text(encoding="utf-8")
    tree, lines = ast.parse(source), source.splitlines()
    for path, node in functions(tree):
        target = function(module, path)
        if target is None:
            continue
        for bend in bends(node):
            with bend.applied():
                code = code_of(compile(tree, module.__file__, "exec"), path)

            def work(target=target, code=code):
                target.__code__ = code
                rest(chapter, 0, {"__name__": "__main__"}, exported)

            what = ".".join(path), lines[bend.straight.lineno - 1].strip(), bend.words()
            forks.start(what, work, seconds)
    return forks.finish()


def straight(chapter: list[Cell]) -> float:
    "The seconds that the chapter takes as it stands, which must go through."
    began, forks = time.monotonic(), Forks(1)
    names, module = {"__name__": "__main__"}, module_of(chapter)
    forks.start(("", "", ""), lambda: rest(chapter, 0, names, module), 3600)
    (tried,) = forks.finish()
    if tried.noticed:
        raise SystemExit(f"the chapter fails as it stands: {tried.noticed}")
    return time.monotonic() - began


def report(tried: list[Tried]) -> str:
    "What was not noticed, place by place, and how much was."
    missed, lines = [t for t in tried if not t.noticed], []
    for where in dict.fromkeys(t.where for t in tried):
        here = [t for t in tried if t.where == where]
        blind = [t for t in here if not t.noticed]
        lines.append(f"{where}: {len(here) - len(blind)} of {len(here)} bends noticed")
        lines += [f"    NOT NOTICED  {t.bend}\n        in  {t.line}" for t in blind]
    return "\n".join([*lines, f"{len(tried) - len(missed)} of {len(tried)} bends were noticed."])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chapter", help="its number, such as 03 or 05b, or a notebook's path")
    parser.add_argument(
        "--module",
        nargs="?",
        const="",
        help="bend the functions of the chapter's module, or of another, such as numerics",
    )
    parser.add_argument(
        "--brief", action="store_true", help="with the smaller numbers of tests/notebooks/brief.py"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="side by side")
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE,
        help="seconds that a bent chapter may take, beyond four times the straight one's",
    )
    given = parser.parse_args(argv)

    home = tempfile.TemporaryDirectory()
    os.environ["DIFFUSION_MATH_PROGRESS"] = str(Path(home.name, "progress.json"))
    os.environ.setdefault("MPLBACKEND", "Agg")
    import torch

    torch.set_num_threads(1)
    for name in ("diffusion_math.plot", "matplotlib.figure", "scipy.stats", "ipywidgets"):
        importlib.import_module(name)  # once here, not in every fork
    path = notebook(given.chapter)
    if given.brief:
        path = to_run(Path(shutil.copy(path, home.name)), path.name)
    chapter = cells(path)
    took = straight(chapter)
    print(f"the chapter as it stands takes {took:.0f} s", flush=True)
    seconds = 4 * took + given.patience
    if given.module is None:
        tried = try_cells(chapter, given.jobs, seconds)
    else:
        other = importlib.import_module(f"diffusion_math.{given.module}") if given.module else None
        tried = try_module(chapter, given.jobs, seconds, other)
    print(report(tried))


if __name__ == "__main__":
    main()
