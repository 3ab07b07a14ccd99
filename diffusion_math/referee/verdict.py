"A verdict in words, and the one judge: answers that are right, those of a known slip, or wrong by this much."

import html
import inspect
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import checks
from ..numerics import manual_seed

__all__ = [
    "Case",
    "Finding",
    "NoAnswer",
    "Slip",
    "Verdict",
    "as_numbers",
    "ask",
    "compare",
    "copies",
    "digits_of",
    "explained",
    "find",
    "gap",
    "habits",
    "judge",
    "number_of",
    "slips",
]

SHORT = 230  # what pytest shows of a value without eliding
ROUNDING = 1e-5  # what float32 loses in a formula that loses nothing else


@dataclass(frozen=True)
class Verdict:
    """What the referee says; true where the code is right, so that a test can say `referee.noising(f, ...).check()`.

    about: what was judged. right: the verdict. says: the finding, with the number that proves it. error: how far the
    answers are from the right ones, relative to these (nan where there were none). slip: the name of the known mistake
    that gives the same answers, or "". cure: what to do. see: the line of the course that derives the right form.
    notes: what else was seen. str, print and a notebook show all of it in lines; repr is one line, short enough for
    pytest to show all of it after `assert`. Only check raises.
    """

    about: str
    right: bool
    says: str
    error: float = math.nan
    slip: str = ""
    cure: str = ""
    see: str = ""
    notes: tuple[str, ...] = field(default=())

    def __bool__(self) -> bool:
        return self.right

    def check(self) -> "Verdict":
        "The verdict itself where it is right; otherwise an AssertionError that says all of it, line by line."
        __tracebackhide__ = True  # pytest points at the line of the user's test
        if not self.right:
            raise AssertionError(str(self))
        return self

    def __str__(self) -> str:
        more = [*self.notes, self.cure, f"See {self.see}." if self.see else ""]
        return "\n    ".join([f"{self.about}: {self.says}", *filter(None, more)])

    def __repr__(self) -> str:
        return textwrap.shorten(
            " ".join([f"{self.about}: {self.says}", self.cure]), SHORT, placeholder=" ..."
        )

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        color = "#2b8a3e" if self.right else "#c92a2a"
        look = f"border-left:4px solid {color};padding:2px 12px;margin:4px 0;max-width:50em;overflow-wrap:anywhere"
        first, *rest = str(self).split("\n    ")
        lines = "".join(f"<br>{html.escape(line)}" for line in rest)
        return f'<div style="{look}"><b>{html.escape(first)}</b>{lines}</div>'


@dataclass(frozen=True)
class Slip:
    """A known mistake, a row of a table: its name, the words that help, and the functions that make its answers.

    seen: threads in which somebody made it, as repository#number.
    """

    name: str
    says: str
    makes: tuple[Callable, ...]
    seen: str = ""


def slips(*rows: Sequence) -> tuple[Slip, ...]:
    "Slips from rows of a table: (name, words, its functions, if any); text behind them is where it was seen."
    table = []
    for name, says, *rest in rows:
        seen = "".join(part for part in rest if isinstance(part, str))
        table.append(Slip(name, says, tuple(f for f in rest if callable(f)), seen))
    return tuple(table)


@dataclass(frozen=True)
class Case:
    """One call: the arguments; what the right answer and the slips are made of; what rounding explains.

    known: their arguments by name; None: those of the call, in their order. whole: an answer is measured as one, and
    not row by row.
    """

    args: tuple
    known: dict[str, Any] | None = None
    rounding: float | Tensor = ROUNDING  # or one for each row
    whole: bool = False

    def due(self, make: Callable) -> Tensor:
        "What a function gives in this case."
        return number_of(make(*copies(self.args)) if self.known is None else make(**self.known))


def copies(args: Iterable) -> list:
    "The arguments, for code that may change them in place."
    return [x.clone() if isinstance(x, Tensor) else x for x in args]


def number_of(answer: Any) -> Tensor:
    "An answer as a tensor on the CPU; whatever cannot be one raises."
    if isinstance(answer, Tensor):
        return answer.detach().to("cpu").to_dense()
    if hasattr(answer, "dtype"):  # an array or a number of numpy's
        return torch.as_tensor(answer)
    if isinstance(answer, str | bytes):
        raise TypeError("text is no number")
    return torch.as_tensor(answer, dtype=torch.float64)


class NoAnswer(Exception):
    "The code that is judged gave no numbers, or did something besides; the text says what. slip, cure: where it has a name."

    def __init__(self, text: str, slip: str = "", cure: str = ""):
        super().__init__(text)
        self.slip, self.cure = slip, cure


OVERWRITES = "Make a new tensor of the result: x * a, and not x *= a or x.mul_(a)."
OTHER_RNG = "Hand the generator on to each randn, rand and randint: generator=generator."


def rng_for(f: Callable, seed: int) -> dict[str, torch.Generator]:
    "A generator for a function that takes one by that name."
    try:
        takes = "generator" in inspect.signature(f).parameters
    except (TypeError, ValueError):
        return {}
    return {"generator": torch.Generator().manual_seed(seed)} if takes else {}


def ask(f: Callable, args: Sequence, seed: int = 0, grad: bool = False, keeps: bool = True) -> Any:
    """What f says to copies of args, and to a generator if it takes one; torch's own generator is put back after.

    NoAnswer, in one line, where it raises, where it overwrites an argument (unless keeps is False), and where it was
    handed a generator and drew from torch's own generator.
    """
    handed = copies(args)
    with torch.random.fork_rng(devices=[]), torch.set_grad_enabled(grad):
        manual_seed(seed)
        own, state = rng_for(f, seed), torch.get_rng_state()
        try:
            answer = f(*handed, **own)
        except NoAnswer:
            raise
        except SystemExit:
            raise NoAnswer("it called exit, and an answer was due") from None
        except Exception as error:
            words = " ".join(str(error).split())[:300]
            raise NoAnswer(f"it raised {type(error).__name__}: {words}") from None
        if own and not torch.equal(torch.get_rng_state(), state):
            text = "it was handed a generator, and drew from torch's own generator"
            raise NoAnswer(text, "the generator is not used", OTHER_RNG)
    if keeps:
        refuse_overwritten(args, handed)
    return answer


def refuse_overwritten(args: Sequence, handed: Sequence) -> None:
    "NoAnswer if what was handed over is no longer what it was."
    for i, (x, y) in enumerate(zip(args, handed, strict=True)):
        if isinstance(x, Tensor) and not (x.shape == y.shape and torch.equal(x, y)):
            text = f"it changed argument {i + 1} of {len(args)}, which it was handed to read"
            raise NoAnswer(text, "its input is overwritten", OVERWRITES)


def as_numbers(answer: Any, what: str = "a tensor") -> Tensor:
    "An answer as a tensor of float64; NoAnswer where it cannot be one."
    try:
        return number_of(answer).to(torch.float64)
    except Exception:
        raise NoAnswer(f"it returned a {checks.got(answer)}, and {what} was due") from None


def habits(answers: Sequence, cases: Sequence[Case]) -> tuple[str, ...]:
    "What else is to be said of answers that are right: their kind of number."
    for answer, case in zip(answers, cases, strict=True):
        came, due = getattr(answer, "dtype", None), case.args[0].dtype
        if isinstance(came, torch.dtype) and came != due:
            kinds = (str(kind).removeprefix("torch.") for kind in (came, due))
            return ("It returns {} where {} was handed in.".format(*kinds),)
    return ()


def gap(came: Tensor, due: Tensor, whole: bool = False) -> Tensor:
    """The largest difference in each row, relative to the largest of what is due there; whole: all of it is one row.

    inf where the shapes fit in no way, or where a number is not finite and another one was due.
    """
    due = due.double()
    if came.shape != due.shape and not came.numel() == due.numel() == 1:
        return torch.tensor([math.inf])
    came = came.double().reshape(due.shape)
    alike = (came == due) | (came.isnan() & due.isnan())
    off = torch.where(alike, 0.0, (came - due).abs().nan_to_num(math.inf, math.inf))
    rows = 1 if whole or not off.ndim else len(off)
    size = torch.where(due.isfinite(), due.abs(), 0.0).reshape(rows, -1)
    if not size.numel():
        return torch.zeros(1, dtype=torch.float64)
    most = size.amax(1)
    return off.reshape(rows, -1).amax(1) / torch.where(most > 0, most, 1)


def digits_of(error: float) -> str:
    "An error as the verdicts say it."
    return "the last bit" if error == 0 else f"{error:.1e}" if error < 0.01 else f"{error:.2g}"


def compare(came: Sequence[Tensor], cases: Sequence[Case], make: Callable) -> tuple[float, bool]:
    "The largest gap between answers and what make gives, and whether rounding explains each."
    try:
        gaps = [gap(x, case.due(make), case.whole) for x, case in zip(came, cases, strict=True)]
    except (ArithmeticError, IndexError, RuntimeError):
        return math.inf, False
    fits = [bool((g <= case.rounding).all()) for g, case in zip(gaps, cases, strict=True)]
    return max(g.max().item() for g in gaps), all(fits)


def explained(
    came: Sequence[Tensor], cases: Sequence[Case], known: Sequence[Slip]
) -> tuple[Slip, float] | None:
    "The slip whose answers these are, and how closely; of several the closest. None where no slip explains them."
    found = []
    for slip in known:
        for make in slip.makes:
            error, same = compare(came, cases, make)
            found += [(error, slip)] * same
    if not found:
        return None
    error, slip = min(found, key=lambda pair: pair[0])
    return slip, error


class Finding(NamedTuple):
    "What answers are: right or not, by how much they miss, and the slip that explains them and how closely."

    right: bool
    error: float
    slip: Slip | None = None
    close: float = math.nan


def find(
    came: Sequence[Tensor], cases: Sequence[Case], right: Callable, known: Sequence[Slip]
) -> Finding:
    "The one judge, of a reader's exercise and of an engineer's code alike: are these the answers of right, or of a slip?"
    error, same = compare(came, cases, right)
    if same:
        return Finding(True, error)
    return Finding(False, error, *(explained(came, cases, known) or ()))


def judge(
    about: str,
    came: Sequence[Tensor],
    cases: Sequence[Case],
    right: Callable,
    known: Sequence[Slip],
    see: str,
    again: Callable[[], Sequence[Tensor]] | None = None,
    what: str = "",
    notes: tuple[str, ...] = (),
) -> Verdict:
    "The verdict on answers to cases; again asks anew from another seed, to tell what is drawn from what is wrong."
    found = find(came, cases, right, known)
    error = found.error
    tail = (f", on {len(cases)} batches" if len(cases) > 1 else "") + (f": {what}" if what else "")
    if found.right:
        return Verdict(
            about, True, f"right to {digits_of(error)}{tail}.", error, see=see, notes=notes
        )
    due = cases[0].due(right)
    if came[0].shape != due.shape and came[0].numel() != due.numel():
        shapes = f"{tuple(came[0].shape)} came, {tuple(due.shape)} was due"
        return Verdict(about, False, f"wrong: another shape; {shapes}.", math.inf, see=see)
    if bad := sum(int((~x.isfinite()).sum()) for x in came):
        says = f"wrong: {bad} of {sum(x.numel() for x in came)} numbers that came are not finite."
        return Verdict(about, False, says, math.inf, see=see)
    if slip := found.slip:
        says = f'wrong: it equals the slip "{slip.name}" to {digits_of(found.close)}, off by {error:.2g}.'
        return Verdict(about, False, says, error, slip.name, slip.says, see)
    if again and any(gap(x, y).max() > 1e-12 for x, y in zip(again(), came, strict=True)):
        cure = (
            "Two calls with the same arguments gave two answers: use the noise that is passed in."
        )
        says = 'wrong: it equals the slip "noise drawn inside".'
        return Verdict(about, False, says, error, "noise drawn inside", cure, see)
    says = f"wrong, off by {error:.2g}, and no slip that the referee knows explains it."
    return Verdict(about, False, says, error, see=see)
