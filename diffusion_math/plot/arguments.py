"What plot's functions are told by name, in numbers or in texts."

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from .. import checks
from ..teach.numbers import plain_number

__all__ = ["as_texts", "by_name", "mapping", "n_texts", "several"]


def mapping(name: str, value: Any, some: bool = True) -> Mapping:
    "value, which must have a name for each thing that is drawn."
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, a name for each thing, got {checks.got(value)}")
    if some and not value:
        raise ValueError(f"{name} must hold at least one {name[:-1]}, got none")
    return value


def by_name(given: Mapping | None, names: Sequence[str], what: str) -> Mapping:
    "What is told by name, if each name is that of something drawn."
    given = {} if given is None else mapping(what, given, some=False)
    if not set(given) <= set(names):
        raise ValueError(f"{what} must have keys among {list(names)}, got {list(given)}")
    return given


def several(name: str, value: Any, n: int, what: str, finite: bool = True) -> tuple[float, ...]:
    "value as n numbers; what says which they are."
    numbers = checks.listed(name, value, "numbers")
    if len(numbers) != n:
        raise ValueError(f"{name} must be {what}, got {len(numbers)} numbers")
    numbers = tuple(checks.number(name, plain_number(v)) for v in numbers)
    if finite and not all(abs(v) < float("inf") for v in numbers):
        raise ValueError(f"{name} must be {what}, all finite, got {numbers}")
    return numbers


def n_texts(texts: Sequence[str] | None, n: int, name: str) -> list[str]:
    "A list of `n` texts; empty ones for None."
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a list of {n} texts, got one text: {texts!r}")
    texts = [""] * n if texts is None else as_texts(name, checks.listed(name, texts, "texts"))
    if len(texts) != n:
        raise ValueError(f"{name} must hold {n} texts, got {len(texts)}")
    return texts


def as_texts(name: str, texts: list) -> list[str]:
    "Texts, or numbers, which are written as they are."
    return [str(t) if isinstance(t, Real) else checks.text(name, t) for t in texts]
