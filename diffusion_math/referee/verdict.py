"check tells a learner which mistake a line makes."

import html
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .. import checks
from ..numerics import seed_dice

__all__ = [
    "Case",
    "NoAnswer",
    "Slip",
    "Verdict",
    "ask",
    "as_numbers",
    "compare",
    "digits_of",
    "habits",
    "explained",
    "gap",
    "judge",
]

ROUNDING = 1e-5  # what float32 loses in a formula that loses nothing else


@dataclass(frozen=True)
class Verdict:
    """What the referee says; true where the code is right, so that a test can say `assert referee.noising(f, ...)`.

    about: what was judged. right: the verdict. says: the finding, with the number that proves it. error: how far the
    answers are from the right ones, relative to these (nan where there were none). slip: the name of the known mistake
    that gives the same answers, or "". cure: what to do. see: the line of the course that derives the right form.
    notes: what else was seen. str, repr and a notebook show all of it. Making or reading one raises nothing.
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

    def __str__(self) -> str:
        more = [*self.notes, self.cure, f"See {self.see}." if self.see else ""]
        return "\n    ".join([f"{self.about}: {self.says}", *filter(None, more)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        color = "#2b8a3e" if self.right else "#c92a2a"
        look = f"border-left:4px solid {color};padding:2px 12px;margin:4px 0;max-width:50em;overflow-wrap:anywhere"
        first, *rest = str(self).split("\n    ")
        lines = "".join(f"<br>{html.escape(line)}" for line in rest)
        return f'<div style="{look}"><b>{html.escape(first)}</b>{lines}</div>'


@dataclass(frozen=True)
class Slip:
    "A known mistake: its name, what to do about it, and the functions that make its answer, each from a case."

    name: str
    cure: str
    makes: tuple[Callable, ...]


@dataclass(frozen=True)
class Case:
    "One call: the arguments; the numbers that the right answer and the slips are made of; what rounding explains."

    args: tuple
    known: dict[str, Any]
    rounding: float | Tensor = ROUNDING  # or one for each row


class NoAnswer(Exception):
    "The code that is judged gave no numbers, or did something besides; the text says what. slip, cure: where it has a name."

    def __init__(self, text: str, slip: str = "", cure: str = ""):
        super().__init__(text)
        self.slip, self.cure = slip, cure


OVERWRITES = "Make a new tensor of the result: x * a, and not x *= a or x.mul_(a)."
OTHER_DICE = "Hand the generator on to each randn, rand and randint: generator=generator."


def dice_for(f: Callable, seed: int) -> dict[str, torch.Generator]:
    "A generator for a function that takes one by that name."
    try:
        takes = "generator" in inspect.signature(f).parameters
    except (TypeError, ValueError):
        return {}
    return {"generator": torch.Generator().manual_seed(seed)} if takes else {}


def ask(f: Callable, args: Sequence, seed: int = 0, grad: bool = False, keeps: bool = True) -> Any:
    """What f says to copies of args, and to a generator if it takes one; torch's own dice are put back after.

    NoAnswer, in one line, where it raises, where it overwrites an argument (unless keeps is False), and where it was
    handed a generator and drew from torch's own dice.
    """
    copies = [x.clone() if isinstance(x, Tensor) else x for x in args]
    with torch.random.fork_rng(devices=[]), torch.set_grad_enabled(grad):
        seed_dice(seed)
        own, state = dice_for(f, seed), torch.get_rng_state()
        try:
            answer = f(*copies, **own)
        except NoAnswer:
            raise
        except Exception as error:
            words = " ".join(str(error).split())[:300]
            raise NoAnswer(f"it raised {type(error).__name__}: {words}") from None
        if own and not torch.equal(torch.get_rng_state(), state):
            text = "it was handed a generator, and drew from torch's own dice"
            raise NoAnswer(text, "the generator is not used", OTHER_DICE)
    if keeps:
        refuse_overwritten(args, copies)
    return answer


def refuse_overwritten(args: Sequence, copies: Sequence) -> None:
    "NoAnswer if a copy is no longer what it was."
    for i, (x, y) in enumerate(zip(args, copies, strict=True)):
        if isinstance(x, Tensor) and not (x.shape == y.shape and torch.equal(x, y)):
            text = f"it changed argument {i + 1} of {len(args)}, which it was handed to read"
            raise NoAnswer(text, "its input is overwritten", OVERWRITES)


def as_numbers(answer: Any, what: str = "a tensor") -> Tensor:
    "An answer as a tensor of float64; NoAnswer where it cannot be one."
    try:
        x = answer.detach() if isinstance(answer, Tensor) else torch.as_tensor(answer)
        return x.to("cpu", torch.float64)
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


def gap(came: Tensor, due: Tensor) -> Tensor:
    "For each row the largest difference, relative to the largest of what is due; inf where it is not finite or fits in no way."
    due = due.double()
    if came.shape != due.shape and not came.numel() == due.numel() == 1:
        return torch.tensor([math.inf])
    off, size = (came.reshape(due.shape) - due).abs(), due.abs()
    off = torch.where(off.isfinite(), off, math.inf).reshape(len(off) if off.ndim else 1, -1)
    size = size.reshape(off.shape).amax(1)
    return off.amax(1) / torch.where(size > 0, size, 1)


def digits_of(error: float) -> str:
    "An error as the verdicts say it."
    return "the last bit" if error == 0 else f"{error:.1e}" if error < 0.01 else f"{error:.2g}"


def compare(came: Sequence[Tensor], cases: Sequence[Case], make: Callable) -> tuple[float, bool]:
    "The largest gap between answers and what make gives, and whether rounding explains each."
    try:
        gaps = [gap(x, make(**case.known)) for x, case in zip(came, cases, strict=True)]
    except (ArithmeticError, IndexError, RuntimeError):
        return math.inf, False
    fits = [bool((g <= case.rounding).all()) for g, case in zip(gaps, cases, strict=True)]
    return max(g.max().item() for g in gaps), all(fits)


def explained(
    came: Sequence[Tensor], cases: Sequence[Case], slips: Sequence[Slip]
) -> tuple[Slip, float] | None:
    "The slip whose answers these are, and how closely; of several the closest. None where no slip explains them."
    found = []
    for slip in slips:
        for make in slip.makes:
            error, same = compare(came, cases, make)
            found += [(error, slip)] * same
    if not found:
        return None
    error, slip = min(found, key=lambda pair: pair[0])
    return slip, error


def judge(
    about: str,
    came: Sequence[Tensor],
    cases: Sequence[Case],
    right: Callable,
    slips: Sequence[Slip],
    see: str,
    again: Callable[[], Sequence[Tensor]] | None = None,
    what: str = "",
    notes: tuple[str, ...] = (),
) -> Verdict:
    "The verdict on answers to cases; again asks anew with other dice, to tell what is drawn from what is wrong."
    error, same = compare(came, cases, right)
    tail = (f", on {len(cases)} batches" if len(cases) > 1 else "") + (f": {what}" if what else "")
    if same:
        return Verdict(
            about, True, f"right to {digits_of(error)}{tail}.", error, see=see, notes=notes
        )
    due = right(**cases[0].known)
    if came[0].shape != due.shape and came[0].numel() != due.numel():
        shapes = f"{tuple(came[0].shape)} came, {tuple(due.shape)} was due"
        return Verdict(about, False, f"wrong: another shape; {shapes}.", math.inf, see=see)
    if bad := sum(int((~x.isfinite()).sum()) for x in came):
        says = f"wrong: {bad} of {sum(x.numel() for x in came)} numbers that came are not finite."
        return Verdict(about, False, says, math.inf, see=see)
    if found := explained(came, cases, slips):
        slip, close = found
        says = f'wrong: it equals the slip "{slip.name}" to {digits_of(close)}, off by {error:.2g}.'
        return Verdict(about, False, says, error, slip.name, slip.cure, see)
    if again and any(gap(x, y).max() > 1e-12 for x, y in zip(again(), came, strict=True)):
        cure = (
            "Two calls with the same arguments gave two answers: use the noise that is passed in."
        )
        says = 'wrong: it equals the slip "noise drawn inside".'
        return Verdict(about, False, says, error, "noise drawn inside", cure, see)
    says = f"wrong, off by {error:.2g}, and no slip that the referee knows explains it."
    return Verdict(about, False, says, error, see=see)
