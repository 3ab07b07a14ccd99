"""What a wrong argument is: things of every kind, the kinds of arguments, and what a refusal must say.

A Row is a call that is right, argument by argument; an argument's Kind says which things of POOL are right for it as
well, and which other values are wrong. All else of POOL must be refused: by a ValueError or a TypeError that names the
argument and says what came. What is right must give what its plain form gives: np.uint8(3) what 3 gives.
"""

import dataclasses
import importlib
import inspect
import json
import math
import re
import resource
import signal
import sys
import types
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from torch import nn

from diffusion_math import ForwardProcess, GaussianMixture, linear_schedule
from diffusion_math.numerics import manual_seed

INF, NAN = math.inf, math.nan


class Sulk:
    "An object that raises whatever it is asked for."

    def _no(self, *args):
        raise ArithmeticError("not today")

    __len__ = __iter__ = __int__ = __float__ = __index__ = __bool__ = _no
    __repr__ = __eq__ = __array__ = __getitem__ = __fspath__ = _no
    __hash__ = object.__hash__


POOL = {
    "None": None, "True": True, "numpy bool": np.True_, "3": 3, "0": 0, "-1": -1, "10**12": 10**12, "-10**30": -(10**30),
    "2.5": 2.5, "-0.5": -0.5, "nan": NAN, "inf": INF, "-inf": -INF, "1e300": 1e300, "1j": 1j, "fraction": Fraction(5, 2),
    "numpy 3": np.uint8(3), "numpy 2.5": np.float32(2.5), "text": "3", "no text": "", "bytes": b"3", "list": [1.0, 2.0],
    "tuple": (1.0, 2.0), "nothing": [], "words": ["a", "b"], "ragged": [[1.0], [1.0, 2.0]], "nones": [None], "dict": {"a": 1},
    "no dict": {}, "array": np.ones(3), "range": range(3), "0-dim": torch.tensor(2.5), "0-dim integer": torch.tensor(3),
    "integers": torch.tensor([1, 2, 3]), "bools": torch.tensor([True, False, True]),
    "complexes": torch.ones(3, 2, dtype=torch.complex64), "half": torch.ones(7, 5, dtype=torch.float16),
    "empty": torch.ones(0), "meta": torch.ones(3, 2, device="meta"), "function": len, "class": dict, "object": object(),
    "sulk": Sulk(), "dtype": torch.float32, "generator": torch.Generator(),
}  # fmt: skip
INTS = ("3", "0", "-1", "10**12", "-10**30", "numpy 3", "0-dim integer")
REALS = ("3", "0", "-1", "10**12", "-10**30", "2.5", "-0.5", "nan", "inf", "-inf", "1e300", "fraction", "numpy 3",
         "numpy 2.5")  # fmt: skip
TEXTS = ("text", "no text")


@dataclasses.dataclass
class Kind:
    "One argument: a good value; what of POOL is right, and as what; values that are wrong; by which name errors call it."

    good: Any
    right: dict[str, Any] = dataclasses.field(default_factory=dict)
    wrong: tuple = ()
    named: str | None = None
    skip: tuple[str, ...] = ()  # what is not tried: it would run, or what it raises is its own

    def but(self, **changes: Any) -> "Kind":
        return dataclasses.replace(self, **changes)

    def less(self, *labels: str) -> "Kind":
        "Some of POOL is not right after all."
        return self.but(right={k: v for k, v in self.right.items() if k not in labels})

    def cases(self) -> list[tuple[str, Any, Any]]:
        "Label, value, and what it must be like; NO where it must be refused."
        unknown = self.right.keys() - POOL.keys()
        assert not unknown, unknown
        pool = [(k, v, self.right.get(k, NO)) for k, v in POOL.items() if k not in self.skip]
        return pool + [(f"wrong {i}", value, NO) for i, value in enumerate(self.wrong)]


NO = object()


def as_is(*labels: str) -> dict[str, Any]:
    "These are right, as they are."
    return {label: POOL[label] for label in labels}


def count(good: int, low: int = 1, high: float = INF, **more: Any) -> Kind:
    "A whole number, of any kind that is one."
    right = {label: int(POOL[label]) for label in INTS if low <= int(POOL[label]) <= high}
    return Kind(good, right | more.pop("also", {}), **more)


def number(
    good: float, low: float = -INF, high: float = INF, lowest: bool = True, **more: Any
) -> Kind:
    "A real number in [low, high], or above low."
    fits = {label: float(POOL[label]) for label in REALS}
    fits = {k: v for k, v in fits.items() if (low <= v if lowest else low < v) and v <= high}
    finite = {k: v for k, v in fits.items() if math.isfinite(v) or more.get("named") == "inf"}
    return Kind(good, finite | more.pop("also", {}), **more)


def tensor(good: torch.Tensor, *right: str, **more: Any) -> Kind:
    "A tensor of floating point, (b, *event); what of POOL fits too."
    wrong = (good.long(), good[0].sum(), good.to(torch.complex64)) if good.ndim else ()
    return Kind(good, as_is(*right), more.pop("wrong", ()) + wrong, **more)


def one_of(*names: str, also: tuple = ()) -> Kind:
    return Kind(names[0], as_is(*also), ("nope", names[0].upper() + "!", names))


def a(good: Any, *right: str, wrong: tuple = ()) -> Kind:
    "An instance of a class."
    return Kind(good, as_is(*right), wrong)


GENERATOR = Kind(None, as_is("None", "generator"))
FLAG = Kind(False, {"True": True, "numpy bool": True}, ("no", "False", 2))


@dataclasses.dataclass
class Row:
    call: Callable
    args: dict[str, Kind]

    def ask(self, **changes: Any) -> Any:
        manual_seed(0)
        return self.call(**{name: kind.good for name, kind in self.args.items()} | changes)


def parameters(f: Callable) -> set[str]:
    given = inspect.signature(f).parameters.values()
    stars = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name for p in given if p.kind not in stars} - {"self"}


def told(value: Any, depth: int = 0) -> Any:
    "A result as something that can be compared."
    if isinstance(value, torch.Tensor):
        held = (
            None
            if value.is_meta
            else value.detach().double().tolist()
            if not value.is_complex()
            else value.tolist()
        )
        return str(value.dtype), tuple(value.shape), str(value.device), held
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float | int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str | bool | None):
        return value
    if isinstance(value, dict):
        return {str(k): told(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [told(v, depth + 1) for v in value]
    if isinstance(value, traitlets.HasTraits):
        state = {k: getattr(value, k) for k in value.class_own_traits(sync=True)}
        json.dumps({k: v for k, v in state.items() if not isinstance(v, bytes)})  # it must travel
        return {k: told(v, depth + 1) for k, v in state.items() if not k.startswith("_")}
    if (
        depth < 4
        and type(value).__module__.startswith("diffusion_math")
        and not isinstance(value, nn.Module)
    ):
        return {k: told(v, depth + 1) for k, v in vars(value).items()}
    return type(value).__name__


def same(a: Any, b: Any) -> bool:
    return repr(told(a)) == repr(told(b))  # of which a NaN equals itself


def refused(error: Exception, name: str) -> str | None:
    "What is wrong with a refusal, if anything is."
    if not isinstance(error, ValueError | TypeError | traitlets.TraitError):
        return f"raises {type(error).__name__}: {error}"
    if not re.search(rf"(?<![\w.]){re.escape(name)}\b", str(error)):
        return f"does not name it: {type(error).__name__}: {error}"
    if not re.search(
        r"\bgot\b|not so at|holds |\bis 1 [+-]|at log_snr =|would take|, not the |and not ",
        str(error),
    ):
        return f"does not say what came: {error}"
    return None


class Hangs(Exception):
    "A case took too long."


def alarm(*_):
    raise Hangs


def walk(name: str, given: Row) -> tuple[int, list[str]]:
    "How many cases a row has, and what is wrong with some of them."
    found, n = [], 0
    for argument, kind in given.args.items():
        plain: dict[str, Any] = {}  # what the plain forms give

        def by_plain_form(due, argument=argument, plain=plain):
            key = repr(due) if type(due) in (bool, int, float) else None
            if key not in plain:
                plain[key] = given.ask(**{argument: due})
            return plain[key] if key else plain.pop(key)

        for label, value, due in kind.cases():
            n, out, wrong = n + 1, None, None
            signal.setitimer(signal.ITIMER_REAL, 120)  # what it imports may take a while
            try:
                out = given.ask(**{argument: value})
                if due is NO:
                    wrong = "is taken"
                elif due is not value and not same(out, by_plain_form(due)):
                    wrong = f"is not what {due!r} gives"
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                why = refused(error, kind.named or argument)
                wrong = why if due is NO else f"is right, and {type(error).__name__}: {error}"
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if wrong:
                found.append(f"{name}({argument}={label}) {wrong}")
    return n, found


def most_memory() -> int:
    "The most bytes that this process has held: macOS counts in bytes, Linux in kilobytes."
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else 1024 * held


def ask_all(name: str, given: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    "Every case of a row: what is wrong is refused by name, what is right is right; little memory, no files."
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIFFUSION_MATH_PROGRESS", str(tmp_path.parent / "progress.json"))
    signal.signal(signal.SIGALRM, alarm)
    before = most_memory()
    _, found = walk(name, given)
    grown = most_memory() - before
    assert not found, "\n" + "\n".join(found)
    assert grown < 2**30, f"{name} took {grown / 2**30:.1f} GB more"
    assert not list(tmp_path.iterdir())


# what the rows of several rooms are made of
def network(x_t, log_snr, y=None):
    return 0.1 * x_t


X = torch.linspace(-1, 1, 6).view(3, 2)
PICTURES = torch.linspace(-1, 1, 2 * 16).view(2, 1, 4, 4)
SCHEDULE = linear_schedule(4)
Q = ForwardProcess(SCHEDULE)
PLANE = GaussianMixture(
    [0.3, 0.7], torch.tensor([[-1.0, 0.0], [1.0, 0.5]]), torch.tensor([0.2, 0.5])
)
HUMPS = GaussianMixture(
    [0.3, 0.7], torch.tensor([[-1.0], [1.0]]).double(), torch.tensor([0.1, 0.2])
)
OWN = ("function", "class")  # called, they raise errors of their own
ALONE = ("half", "empty", "meta")  # right for an x that no other must fit


class Rows(dict[str, Row]):
    "The rows of a room, by the names of what they call."

    def row(self, name: str, call: Callable, /, **args: Kind) -> None:
        self[name] = Row(call, args)

    def unasked(self, homes: tuple[str, ...], left_out: set[str]) -> dict[str, set[str]]:
        "The public callables of these modules of which no row asks some argument, and which."
        every = {}
        for home in homes:
            module = importlib.import_module(f"diffusion_math.{home}")
            every |= {name: f for name in module.__all__ if callable(f := getattr(module, name))}
        for value in list(every.values()):
            every |= methods(value) if isinstance(value, type) else {}
        missing = {
            name: parameters(f) - (self[name].args.keys() if name in self else set())
            for name, f in every.items()
            if name not in left_out and not getattr(f, "__isabstractmethod__", False)
        }
        return {name: arguments for name, arguments in missing.items() if arguments}


def methods(public: type) -> dict[str, Callable]:
    "The public methods of a class that are the package's own, by the class that defines them."
    found = {}
    for name in dir(public):
        owner = next(c for c in public.__mro__ if name in vars(c))
        said = inspect.getattr_static(public, name)
        ours = owner.__module__.startswith("diffusion_math") and not name.startswith("_")
        if ours and isinstance(said, types.FunctionType | classmethod):
            found[f"{owner.__name__}.{name}"] = getattr(public, name)
    return found
