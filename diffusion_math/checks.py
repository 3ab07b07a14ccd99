"What a signature may promise: the checks that annotations carry, and `guarded`, the door that looks once."

import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial, wraps
from importlib.util import find_spec
from itertools import pairwise
from numbers import Real
from operator import index
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, SupportsIndex, Union, get_args, get_origin

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from .sums import wide

__all__ = [
    "Amount", "Batch", "BesideMean", "Count", "Data", "Draws", "Each", "EventShape", "Events", "Flag", "Floats",
    "Fraction", "Level", "Like", "Numbers", "OneLevel", "Positive", "Random", "Signal", "Steps", "Time", "Time0",
    "Variance", "amount", "answer", "at_hand", "at_most", "batch_of", "chain_data", "count", "each", "errors",
    "event_shape", "events", "finest", "finite", "flag", "floating", "function", "generator", "got", "grey_levels",
    "guarded", "holds", "how_many", "instance", "known", "known_event", "lasting", "level", "like", "listed",
    "log_snr", "matching", "memory", "nats", "noise_level", "nonzero", "number", "number_at_hand", "number_row",
    "of_level", "one_level", "one_number", "one_of", "only", "own_events", "parts", "path", "positive", "random",
    "real", "refuse", "room", "same_ends", "same_event", "same_shape", "shown", "some", "some_signal",
    "strictly_rising", "table", "tensor", "text", "time", "times", "variance", "weights", "where_at_hand", "whole",
    "whole_labels", "within",
]  # fmt: skip


# ---- words


def got(value: Any) -> str:
    "What came: a tensor's dtype, or the name of a class."
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


def shown(value: Any) -> str:
    "A value as an error shows it, in a line; of a large one, or one that cannot be shown, its kind."
    try:
        text = repr(value)
    except Exception:  # an object may raise anything when it is asked
        text = "\n"
    return text if len(text) <= 60 and "\n" not in text else got(value)


# ---- values that are no tensors


def instance(name: str, value: Any, *kinds: type, must: str = "be") -> Any:
    "value, which must be (or which a function must return) one of the kinds."
    if not isinstance(value, kinds):
        fits = " or a ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must {must} a {fits}, got {type(value).__name__}")
    return value


def function(name: str, value: Any, of: str) -> Callable:
    "value, which must be callable; `of` says of what."
    if not callable(value):
        raise TypeError(f"{name} must be a function of {of}, got {type(value).__name__}")
    return value


def of_level(name: str, value: Any) -> Callable:
    "value, which must be a function of x_t and its noise level."
    return function(name, value, "x_t and log_snr")


def one_of(name: str, value: Any, names: Sequence[str]) -> str:
    "value, which must be one of a few names."
    fits = f"{name} must be one of {', '.join(names)}, got"
    if not isinstance(value, str):
        raise TypeError(f"{fits} {got(value)}")
    if value not in names:
        raise ValueError(f"{fits} {value!r}")
    return value


def only(
    given: Mapping[str, Any], names: Sequence[str], x_t: Tensor | None = None
) -> tuple[str, Any]:
    "The one argument that was given by name, of those that fit, and its value: like x_t, if that is given."
    if len(given) != 1 or not given.keys() <= set(names):
        raise TypeError(f"give one of {', '.join(names)}, got {', '.join(given) or 'none'}")
    ((name, value),) = given.items()
    return name, value if x_t is None else same_shape(name, value, "x_t", x_t)


def flag(name: str, value: Any) -> bool:
    "value, which must be True or False: any text is true to Python, 'no' too."
    if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):
        raise TypeError(f"{name} must be True or False, got {got(value)}")
    return bool(value)


def text(name: str, value: Any) -> str:
    "value, which must be a text."
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, got {got(value)}")
    return value


def path(name: str, value: Any) -> Path:
    "value as a path."
    try:
        where = os.fspath(value)
    except Exception:  # an object may raise anything when it is asked
        where = None
    if not isinstance(where, str):
        raise TypeError(f"{name} must be a path, got {got(value)}")
    if "\0" in where:
        raise ValueError(f"{name} must be a path, got a text with a null character")
    return Path(where)


def listed(name: str, value: Any, what: str) -> list:
    "value as a list; text, bytes, a dict and what cannot be gone through are refused."
    try:
        plain = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
        return list(value if plain else None)
    except Exception:
        raise TypeError(f"{name} must be a list of {what}, got {got(value)}") from None


def generator(name: str, value: Any) -> Generator | None:
    "value, which must be torch's, or None for its own numbers."
    if value is not None and not isinstance(value, Generator):
        raise TypeError(f"{name} must be a torch.Generator or None, got {got(value)}")
    return value


def random(value: Any) -> Generator | None:
    "The same of an argument with this name."
    return generator("generator", value)


# ---- numbers, and what fits into memory


def whole(name: str, value: Any) -> int:
    "value as an int, of whatever kind it came."
    truth = isinstance(value, bool) or isinstance(value, Tensor) and value.dtype == torch.bool
    try:
        return index(None if truth else value)
    except Exception:  # an object may raise anything when it is asked
        raise TypeError(f"{name} must be a whole number, got {got(value)}") from None


def count(name: str, value: Any, low: int = 1, high: int | None = None) -> int:
    "value as an int from low on, or from low to high."
    n = whole(name, value)
    if high is None and n < low:
        raise ValueError(f"{name} must be {low} or more, got {n}")
    if high is not None and not low <= n <= high:
        raise ValueError(f"{name} must lie in {low}..{high}, got {n}")
    return n


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    "value as a float in [low, high]; NaN lies nowhere."
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {got(value)}")
    x, above = float(value), f"be {low:g} or more" if low > -math.inf else "be a number"
    if not low <= x <= high:
        fits = f"lie in [{low:g}, {high:g}]" if high < math.inf else above
        raise ValueError(f"{name} must {fits}, got {x:g}")
    return x


def within(name: str, value: Any, most: float, low: float | None = None) -> float:
    "value as a float from low to most, or above 0 if there is no low; a tensor or an array of one number will do."
    if type(value) is float and low is not None and low <= value <= most:
        return value
    plain = getattr(value, "ndim", None) == 0 and hasattr(value, "item") and not _is_truth(value)
    x = number(name, value.item() if plain else value)
    x = positive(name, x) if low is None else number(name, x, low)
    if x > most:
        raise ValueError(f"{name} must be at most {most:g}, got {x:g}")
    return x


def _is_truth(value: Any) -> bool:
    return str(getattr(value, "dtype", "")).endswith("bool") or getattr(value, "is_meta", False)


def amount(name: str, value: Any) -> float:
    "value as a float, 0 or more and finite."
    x = number(name, value, 0)
    if x == math.inf:
        raise ValueError(f"{name} must be finite, got inf")
    return x


def positive(name: str, value: Any) -> float:
    "value as a float above 0, and finite."
    x = number(name, value)
    if not 0 < x < math.inf:
        raise ValueError(f"{name} must be above 0 and finite, got {x:g}")
    return x


def at_most(name: str, value: Any, most: int = 10**7, low: int = 1) -> int:
    "value as an int from low to most: of a loop's steps, ten million take hours, and more is a slip."
    if type(value) is int and low <= value <= most:
        return value
    n = count(name, value, low)
    if n > most:
        raise ValueError(f"{name} must be at most {most:,}, got {n:,}")
    return n


def parts(name: str, value: Any, of: str, number_of: Any) -> int:
    "How many each of number_of parts gets of a count that they must divide."
    n, k = at_most(name, value), count(of, number_of)
    if n % k:
        raise ValueError(f"{name} must be a multiple of {of} = {k}, got {n}")
    return n // k


def grey_levels(levels: Any, low: float, high: float) -> float:
    "The distance between two of the grey levels that stand evenly from low to high."
    steps = at_most("levels", levels, 2**24, 2) - 1  # as many as float32 keeps apart
    if not -math.inf < number("low", low) < number("high", high) < math.inf:
        raise ValueError(f"low and high must be finite with low < high, got {low} and {high}")
    return (high - low) / steps


@cache
def memory() -> float:
    "The machine's memory in bytes; infinite where it does not say."
    known = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= getattr(os, "sysconf_names", {}).keys()
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else math.inf


def room(name: str, numbers: float, came: Any) -> None:
    "ValueError where so many numbers, of four bytes or more, exceed the machine's memory."
    if 4 * numbers > memory():
        has = f"{memory() / 1e9:,.0f} GB"
        raise ValueError(f"{name} must fit into memory, {has}, got {came}: {numbers:.3g} numbers")


def event_shape(name: str, shape: Any) -> torch.Size | None:
    "The shape of one x as a torch.Size; None stays None."
    if shape is None:
        return None
    try:
        plain = isinstance(shape, Iterable) and not isinstance(shape, str | bytes | Mapping)
        sizes = tuple(shape if plain else None)
    except Exception:
        what = "a tuple such as (1, 28, 28)"
        raise TypeError(f"{name} must be {what}, got {type(shape).__name__}") from None
    try:
        return torch.Size([count(name, size, 0) for size in sizes])
    except (TypeError, ValueError):
        fits = "whole numbers of 0 or more"
        raise ValueError(f"{name} must hold {fits}, got {sizes}") from None


def known_event(shape: torch.Size | None) -> torch.Size:
    "The shape of one x, which sample must know."
    if shape is None:
        cure = "give the process an event_shape, such as (1, 28, 28)"
        raise ValueError(f"sample must know the shape of one x: {cure}")
    return shape


def lasting(variance: str | Callable) -> None:
    "A variance must be a name where the steps change."
    if callable(variance):
        what = "a function of t: it belongs to the old steps"
        raise ValueError(f"respace needs variance='posterior' or 'beta', got {what}")


# ---- what is installed


def need(what: str, install: str, *modules: str) -> None:
    "ImportError that says what to install, before anything begins, where one of the modules is not there."
    if missing := [name for name in modules if not there(name)]:
        lack = f"{what} needs {' and '.join(missing)}, which this installation lacks"
        raise ImportError(f'{lack}: pip install "{install}"')


def there(module: str) -> bool:
    "Can it be imported?"
    try:
        return find_spec(module) is not None
    except ValueError:  # sys.modules says None: as good as missing
        return False


# ---- tensors


def floating(name: str, x: Any) -> Tensor:
    "x, which must be a floating-point tensor."
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {got(x)}")
    return x


def tensor(name: str, x: Any) -> Tensor:
    "x, which must be a floating-point tensor with a batch dimension."
    if isinstance(x, Tensor) and x.is_floating_point() and x.ndim:
        return x
    if floating(name, x).ndim == 0:
        raise ValueError(
            f"{name} must have shape (b, *event), got a single number; add a batch dimension"
        )
    return x


def table(name: str, x: Any, dims: int, least: int = 0) -> Tensor:
    "x, which must be a floating-point tensor of so many dimensions, and so many rows at least."
    if floating(name, x).ndim != dims:
        raise ValueError(f"{name} must have {dims} dimensions, got shape {tuple(x.shape)}")
    if len(x) < least:
        raise ValueError(f"{name} must be at least {least}, got shape {tuple(x.shape)}")
    return x


def events(name: str, x: Any, event: Sequence[int]) -> Tensor:
    "x, which must be a floating-point batch of this event."
    if floating(name, x).ndim == 0 or x.shape[1:] != tuple(event):
        fits = f"(n, {', '.join(map(str, event))})"
        raise ValueError(f"{name} must have shape {fits}, got {tuple(x.shape)}")
    return x


def some(name: str, x: Any, one: str) -> Tensor:
    "x, which must be a floating-point batch of at least one."
    if not len(tensor(name, x)):
        raise ValueError(f"{name} must hold at least one {one}, got shape {tuple(x.shape)}")
    return x


def same_shape(name: str, x: Any, other: str, like: Tensor) -> Tensor:
    "x, which must be a floating-point tensor of like's shape, and lie beside it."
    if tensor(name, x).shape != like.shape:
        raise ValueError(
            f"{name} must have {other}'s shape {tuple(like.shape)}, got {tuple(x.shape)}"
        )
    if x.is_cpu != like.is_cpu and x.device != like.device:
        raise ValueError(f"{name} must lie on {other}'s device, {like.device}, got {x.device}")
    return x


def matching(name: str, x: Any, other: str, like: Tensor) -> Tensor:
    "The same, and x comes back in like's precision; a .to that changes nothing would cost as much as a sum."
    x = same_shape(name, x, other, like)
    return x if x.dtype == like.dtype else x.to(like.dtype)


def answer(name: str, value: Any, x: Tensor, of: str = "x", what: str = "a tensor") -> Tensor:
    "What a function has said of x, which must be a tensor of its shape, or it would be broadcast."
    if not isinstance(value, Tensor) or value.shape != x.shape:
        came = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{name} must return {what} of {of}'s shape {tuple(x.shape)}, got {came}")
    return value


def one_number(name: str, x: Tensor) -> Tensor:
    "x, which must hold one number a datum."
    if x.shape[1:].numel() != 1:
        fits = "one number a datum, shape (b,) or (b, 1)"
        raise ValueError(f"{name} must hold {fits}, got {tuple(x.shape)}")
    return x


def whole_labels(name: str, labels: Any, n: int) -> Tensor:
    "labels, which must be a tensor of n whole numbers."
    fits = isinstance(labels, Tensor) and not labels.is_floating_point() and not labels.is_complex()
    if not fits:
        raise TypeError(f"{name} must be a tensor of whole numbers, got {got(labels)}")
    if labels.shape != (n,):
        fits = f"shape ({n},), one for each x"
        raise ValueError(f"{name} must have {fits}, got {tuple(labels.shape)}")
    return labels


def nats(name: str, value: Any) -> Tensor | float:
    "An amount of nats: a number, or a floating-point tensor of any shape."
    return floating(name, value) if isinstance(value, Tensor) else number(name, value)


def real(name: str, value: Any, fits: str, **kind: Any) -> Tensor:
    "value as a tensor of this kind, such as dtype=...; TypeError if it holds no real numbers: fits says what would."
    read = value
    if not isinstance(value, Tensor):
        own = {"device": kind.get("device")} if hasattr(value, "dtype") else kind
        try:
            read = torch.as_tensor(None if isinstance(value, bool) else _plain(value), **own)
        except Exception:  # an object may raise anything when it is asked for its numbers
            read = None
    if read is None or read.dtype == torch.bool or read.is_complex():
        raise TypeError(f"{name} must be {fits}, got {got(value)}")
    if torch.device(kind.get("device", "meta")).type != "meta":
        at_hand(name, read)
    return read.to(**kind) if kind else read


def _plain(value: Any) -> Any:
    "A number of any kind as one of Python's own; bytes and a dict, which torch would read, as nothing."
    if isinstance(value, bytes | bytearray | Mapping):
        return None
    plain = isinstance(value, Real) and not hasattr(value, "dtype")
    small = isinstance(value, int) and abs(value) < 2**63  # which stays whole
    return float(value) if plain and not small else value


def number_row(name: str, values: Any) -> Float[Tensor, " m"]:
    "values, a list or a tensor of one dimension, in float64 on the CPU."
    fits = "a list or a 1-d tensor of numbers"
    if not (hasattr(values, "dtype") and hasattr(values, "__len__")):
        try:
            values = listed(name, values, "numbers")
        except TypeError:
            raise TypeError(f"{name} must be {fits}, got {got(values)}") from None
    row = real(name, values, fits, dtype=torch.float64, device="cpu")
    if row.ndim != 1:
        raise ValueError(f"{name} must be {fits}, got shape {tuple(row.shape)}")
    return row


def each(name: str, value: Any, x: Tensor) -> Tensor:
    "A number for all of the batch, or a (b,) tensor, as one for each x on x's device."
    if not isinstance(value, (Tensor, Real)):
        raise TypeError(f"{name} must be a number or a tensor, got {got(value)}")
    value = real(name, value, "a number or a tensor", device=x.device)
    if value.shape not in ((), x.shape[:1]):
        fits = f"one number or have shape ({len(x)},)"
        raise ValueError(f"{name} must be {fits}, got {tuple(value.shape)}")
    return known(name, value).expand(len(x))


def weights(name: str, values: Any, like: Tensor, of: str) -> Tensor:
    "Weights above 0, one for each of like's numbers, in its precision and beside it."
    values = real(name, values, "a list or tensor of numbers", dtype=like.dtype)
    if values.shape != like.shape:
        fits = f"shape {tuple(like.shape)}, one for each {of}"
        raise ValueError(f"{name} must have {fits}, got {tuple(values.shape)}")
    why = "or a term is never seen and the estimate is biased"
    wrong = ~((values > 0) & values.isfinite())
    refuse(wrong, f"{name} must be above 0 and finite, {why}, got", values)
    return values.to(like.device)


# ---- what tensors hold: looked at where it is at hand, which is on the CPU


def at_hand(name: str, x: Tensor) -> Tensor:
    "x, which must hold numbers."
    if x.is_meta:
        raise ValueError(f"{name} must hold numbers, got a tensor on the meta device")
    return x


def holds(where: Tensor) -> bool:
    "Is it so anywhere? Asked where the answer is at hand: on the CPU, outside a graph that is compiled."
    if where.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    try:
        return bool(where.any())
    except RuntimeError:  # mapped by torch.func.vmap: it is so for some, perhaps
        return False


def number_at_hand(x: Tensor) -> float | None:
    "The number in a tensor of no dimensions, where it is at hand: it is looked at faster than a tensor."
    if x.ndim or not x.is_cpu or torch.compiler.is_compiling():
        return None
    try:
        return x.item()
    except RuntimeError:  # mapped by torch.func.vmap
        return None


def where_at_hand(where: Tensor) -> Tensor:
    "The rows where it is so, where that is at hand; elsewhere every row."
    if where.device.type == "cpu":
        return where.nonzero().flatten()
    return torch.arange(len(where), device=where.device)


def refuse(where: Tensor, text: str, values: Tensor | None = None) -> None:
    "ValueError with this text if somewhere is so; with the first of the values there, if values are given."
    if not where.is_cpu or torch.compiler.is_compiling():
        return
    try:
        lost = bool(where.any())
    except RuntimeError:  # mapped by torch.func.vmap: it is so for some, perhaps
        return
    if lost:
        raise ValueError(text if values is None else f"{text} {values[where].flatten()[0]:g}")


def finite(name: str, x: Tensor) -> Tensor:
    "x, whose numbers must be finite."
    refuse(~x.isfinite(), f"{name} must be finite, got", x)
    return x


def nonzero(scale: Tensor, why: str) -> Tensor:
    "scale, or ValueError with the reason where it is 0."
    if scale.is_cpu and not torch.compiler.is_compiling():
        try:
            lost = not (scale.item() if scale.numel() == 1 else scale.all())
        except RuntimeError:  # mapped by torch.func.vmap
            lost = False
        if lost:
            raise ValueError(why)
    return scale


# ---- t, and the noise level


def times(t: Any, x: Tensor, first: int, last: int) -> int | Tensor:
    "t as an int, or as a (b,) long tensor beside x, within first..last."
    if not isinstance(t, Tensor):
        try:
            return count("t", t, first, last)
        except TypeError:
            raise TypeError(f"t must be an int or an integer tensor, got {got(t)}") from None
    if t.dtype.is_floating_point or t.dtype.is_complex or t.dtype == torch.bool:
        raise TypeError(f"t must be an int or an integer tensor, got {t.dtype}")
    if t.shape != x.shape[:1]:
        fits = f"an int or have shape ({len(x)},), one for each x"
        raise ValueError(f"t must be {fits}, got shape {tuple(t.shape)}")
    if t.numel():
        refuse((t < first) | (t > last), f"t must lie in {first}..{last}, got", t)
    fits = t.dtype == torch.long and t.device == x.device
    return t if fits else t.to(x.device, torch.long, non_blocking=True)


COARSE = {"mps"}  # the devices that have no float64


def finest(device: torch.device) -> torch.dtype:
    "float64, in which noise levels are kept; float32 on a device that has nothing finer, as Apple's mps."
    return torch.float32 if device.type in COARSE else torch.float64


def known(name: str, level: Tensor) -> Tensor:
    "level, in which no number may be NaN."
    one = number_at_hand(level)
    if math.isnan(one) if one is not None else holds(level.isnan()):
        raise ValueError(f"{name} must be a number, got nan")
    return level


def level(name: str, value: Any, x: Tensor, of: str = "x_t") -> Tensor:
    "A noise level in float64, one for all of x or one for each; `of` is what errors call x."
    kind = finest(value.device) if isinstance(value, Tensor) else torch.float64
    ready = isinstance(value, Tensor) and value.dtype == kind
    read = value if ready else real(name, value, "a number or a tensor", dtype=kind)
    if read.shape not in ((), (1,), tensor(of, x).shape[:1]):
        fits = f"a number or have shape ({len(x)},), one for each x"
        raise ValueError(f"{name} must be {fits}, got {tuple(read.shape)}")
    return known(name, read if x.is_meta else at_hand(name, read))


def log_snr(name: str, value: Any, x: Tensor, of: str = "x_t") -> Tensor:
    "The same as (b,) on x's device."
    read = level(name, value, x, of)
    return read.to(x.device, finest(x.device), non_blocking=True).expand(len(x))


def one_level(name: str, value: Any) -> Tensor:
    "One noise level in float64, where there is no batch."
    read = real(name, value, "a number or a tensor of one", dtype=torch.float64)
    if read.shape not in ((), (1,)):
        raise ValueError(f"{name} must be one number, got shape {tuple(read.shape)}")
    return known(name, read)


def some_signal(name: str, value: Any) -> Tensor:
    "One noise level in float64, above the one where nothing of x0 is left in x_t."
    read = one_level(name, value)
    why = "nothing of x0 is left in x_t; a law that knows E[x0] says its own denoise"
    refuse(torch.sigmoid(read) == 0, f"{name} must be above -709: {why}, got", read)
    return read


def strictly_rising(name: str, values: Any) -> Tensor:
    "Finite noise levels, two or more, each above the one before, as float64 on the CPU."
    row = finite(name, number_row(name, values))
    if len(row) < 2:
        raise ValueError(f"{name} must hold two levels or more, got {len(row)}")
    for before, level in pairwise(row.tolist()):
        if not before < level:
            raise ValueError(f"{name} must rise at every step, got {level:g} after {before:g}")
    return row


def same_ends(name: str, ends: Tensor, fits: Tensor) -> None:
    "The two ends of some noise levels, which must be those of a chain."
    if not torch.allclose(ends, fits, rtol=1e-9, atol=1e-9):
        low, high = fits.tolist()
        came = " and ".join(f"{v:g}" for v in ends.tolist())
        raise ValueError(f"{name} must end where p does, at {low:g} and {high:g}, got {came}")


def errors(name: str, values: Any, table: Tensor) -> Tensor:
    "An error for each t = 0..T, finite and 0 or more, as float64 on the CPU."
    read = real(name, values, "a list or tensor of numbers", dtype=torch.float64, device="cpu")
    if read.shape != table.shape:
        fits = f"shape {tuple(table.shape)}, one for each t = 0..T"
        raise ValueError(f"{name} must have {fits}, got {tuple(read.shape)}")
    refuse(~((read >= 0) & read.isfinite()), f"{name} must be finite and 0 or more, got", read)
    return read


# ---- checks that look at the arguments before theirs


def batch_of(given: Mapping[str, Any]) -> tuple[str, Tensor]:
    "The batch that an argument must fit: the first floating-point tensor among those before it, and its name."
    for name, value in given.items():
        if isinstance(value, Tensor) and value.is_floating_point():
            return name, value
    raise TypeError(f"a batch x must be a floating-point tensor, got {', '.join(given) or 'none'}")


def like(name: str, value: Any, given: Mapping[str, Any]) -> Tensor:
    "A tensor of the batch's shape, beside it, in its precision."
    for x in given.values():
        if isinstance(x, Tensor):
            break
    if isinstance(value, Tensor) and (value.shape, value.dtype, value.device) == (
        x.shape, x.dtype, x.device
    ):  # fmt: skip
        return value
    return matching(name, value, *batch_of(given))


def own_events(name: str, value: Any, given: Mapping[str, Any]) -> Tensor:
    "A batch of the event that self is about."
    return events(name, value, given["self"].event_shape)


def same_event(name: str, x: Any, given: Mapping[str, Any]) -> Tensor:
    "A batch of self.mean's event; of its size, or of 1 on either side."
    mean = given["self"].mean
    if (
        isinstance(x, Tensor)
        and x.shape == mean.shape
        and x.dtype == mean.dtype
        and x.device == mean.device
    ):
        return x
    batches = {tensor(name, x).shape[:1], mean.shape[:1], (1,)}
    if x.shape[1:] != mean.shape[1:] or x.ndim != mean.ndim or len(batches) > 2:
        shape = tuple(mean.shape)
        raise ValueError(f"{name} must have shape {shape} like the mean, got {tuple(x.shape)}")
    if x.is_cpu != mean.is_cpu:
        raise ValueError(f"{name} must lie on the mean's device, {mean.device}, got {x.device}")
    return x


def variance(name: str, value: Any, given: Mapping[str, Any]) -> Tensor:
    "Finite, 0 or more, broadcasting against the mean, in its precision, which must hold it and what a density makes of it."
    _, mean = batch_of(given)
    fits = "a number or a floating-point tensor"
    if not isinstance(value, Tensor):
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(f"{name} must be {fits}, got {got(value)}")
        value = torch.tensor(float(value), dtype=torch.float64)
    elif not value.is_floating_point():
        raise TypeError(f"{name} must be {fits}, got {got(value)}")
    beside = zip(value.shape, mean.shape[max(0, mean.ndim - value.ndim) :], strict=False)
    if value.ndim > mean.ndim or any(v not in (1, m) for v, m in beside):
        shape = tuple(value.shape)
        raise ValueError(f"{name} must broadcast against mean {tuple(mean.shape)}, got {shape}")
    if value.ndim and value.device != mean.device:
        raise ValueError(f"{name} must lie on mean's device, {mean.device}, got {value.device}")
    refuse(~((value >= 0) & (value < math.inf)), f"{name} must be finite and 0 or more, got", value)
    held = value.to(mean.dtype)
    most = torch.finfo(mean.dtype if mean.dtype == torch.float64 else torch.float32).max / 17.1
    lost = (held == 0) & (value > 0) | (held == math.inf) | (held > most)  # 17.1: 2 pi e
    refuse(lost, f"{name} must be held by {mean.dtype}, and 2 pi e var too, got", value)
    return held if value.ndim else held.to(mean.device)


def time(name: str, value: Any, given: Mapping[str, Any], first: int = 1) -> int | Tensor:
    "t as an int, or as one for each of the batch, in first..T, T that of the first argument (self, p, q)."
    of = iter(given.values())
    last, x = next(of).T, next(of)
    if type(value) is int and first <= value <= last:
        return value
    while not isinstance(x, Tensor):
        x = next(of)
    long = isinstance(value, Tensor) and value.dtype == torch.long
    if not long or value.shape != x.shape[:1] or value.device != x.device:
        return times(value, x, first, last)
    refuse((value < first) | (value > last), f"{name} must lie in {first}..{last}, got", value)
    return value


def noise_level(name: str, value: Any, given: Mapping[str, Any]) -> Tensor:
    "A noise level in float64 beside the batch: (), one for all of it, or (b,), one for each."
    of, x = batch_of(given)
    if type(value) is float and value == value:  # not NaN
        return torch.full((), value, dtype=finest(x.device), device=x.device)
    read = level(name, value, x, of)
    read = read.to(x.device, finest(x.device), non_blocking=True)
    return read if read.ndim == 0 or len(read) == len(x) else read[0]


def how_many(name: str, value: Any, given: Mapping[str, Any]) -> int:
    "How many draws, 0 or more, of an event that self knows; memory must hold them."
    n, event = count(name, value, 0), known_event(given["self"].event_shape)
    room(name, n * math.prod(event), n)
    return n


def chain_data(name: str, value: Any, given: Mapping[str, Any]) -> Tensor:
    "Data in float32 at least, finite, that fits a reverse process p (self's, if it has one), as q's number of steps does."
    p = given.get("p") or given["self"].p
    q = given.get("q", p.q)
    tensor(name, value)
    if p.T != q.T:
        raise ValueError(f"q and p must have the same number of steps, got {q.T} and {p.T}")
    if p.event_shape is not None and value.shape[1:] != p.event_shape:
        events(name, value, p.event_shape)
    return wide(finite(name, value))


# ---- the guard


def guarded(f: Callable) -> Callable:
    """f, whose arguments are looked at when it is called from outside: each by the check that its annotation carries.

        @guarded
        def velocity(denoiser: Denoiser, x: Batch, log_snr: Level) -> Batch: ...

    A check, Annotated[Tensor, check], is check(name, value) or check(name, value, given), given the arguments before it;
    what it returns is what f gets. A class of this package is a check by itself. `X | None` lets None pass. Arguments
    that were not given are not looked at. What is missing or too much, Python says. f itself is at hand as .body.
    """
    plain = inspect.unwrap(f)
    code, hints = plain.__code__, plain.__annotations__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    needed = names[: code.co_argcount - len(plain.__defaults__ or ())]
    looks = [(name, *found) for name in names if (found := _check_of(hints.get(name)))]

    @wraps(f)
    def door(*args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, args, strict=False))
        for name in names[len(args) :]:  # in the order of the signature
            if name in kwargs:
                given[name] = kwargs[name]
            elif name in needed:
                return f(*args, **kwargs)  # which says what is missing
        if kwargs:
            given.update(kwargs)
        if len(given) < len(args) + len(kwargs):
            return f(*args, **kwargs)  # which says what is too much
        for name, check, looks_back, may_be_none in looks:
            if name in given and not (may_be_none and given[name] is None):
                more = (given,) if looks_back else ()
                given[name] = check(name, given[name], *more)
        return f(**given)

    door.body = f
    return door


def built(kind: type, *parts: Any) -> Any:
    "A new one of a class of ours, from parts that were made here: its __init__ without the door."
    new = kind.__new__(kind)
    kind.__init__.body(new, *parts)
    return new


def _check_of(hint: Any) -> tuple[Callable, bool, bool] | None:
    "What an annotation has checked, whether that looks at other arguments, and whether None may pass."
    parts = [part for part in get_args(hint) if part is not NoneType]
    if get_origin(hint) in (Union, UnionType) and len(parts) == 1:
        found = _check_of(parts[0])
        return found and (found[0], found[1], True)
    if get_origin(hint) is Annotated:
        check = next(filter(callable, reversed(hint.__metadata__)), None)  # the outermost
        return check and (check, "given" in inspect.signature(check).parameters, False)
    if isinstance(hint, type) and hint.__module__.partition(".")[0] == __package__:
        return partial(_one, kind=hint), False, False
    return None


def _one(name: str, value: Any, kind: type) -> Any:
    "value, which must be one of a class of ours."
    return value if isinstance(value, kind) else instance(name, value, kind)


# ---- the annotations, shared by the chapters; a shape of its own is said where it is used

Batch = Annotated[Float[Tensor, "b *event"], tensor]  # b of x, each of any shape
Events = Annotated[Float[Tensor, "b *event"], own_events]  # of self.event_shape
Floats = Annotated[Float[Tensor, "..."], floating]
BesideMean = Annotated[Float[Tensor, "b *event"], same_event]  # like self.mean
Variance = Annotated[Float[Tensor, "..."] | float, variance]  # of the mean before it
Data = Annotated[Float[Tensor, "b *event"], chain_data]  # x_0 that q and p fit
Like = Annotated[Float[Tensor, "b *event"], like]  # one more of them, for each x
Each = Float[Tensor, " b"]  # one number for each
Numbers = Float[Tensor, "..."]  # of any shape, as the text says
# log SNR: one for all, or one for each x
Level = Annotated[float | Float[Tensor, ""] | Each, noise_level]
OneLevel = Annotated[float | Float[Tensor, ""], one_level]  # log SNR, where there is no x
# the same, where something of x0 is left
Signal = Annotated[float | Float[Tensor, ""], some_signal]
# t in 1..T: one for all, or one for each x
Time = Annotated[SupportsIndex | Int[Tensor, " b"], time]
Time0 = Annotated[SupportsIndex | Int[Tensor, " b"], partial(time, first=0)]  # t in 0..T
Random = Annotated[Generator | None, generator]  # where randomness comes from; None is torch's own
Flag = Annotated[bool, flag]
Amount = Annotated[float, amount]  # 0 or more, and finite
Positive = Annotated[float, positive]  # above 0, and finite
Fraction = Annotated[float, partial(number, low=0, high=1)]
Count = Annotated[int, count]  # 1 or more
Draws = Annotated[int, how_many]  # 0 or more, of self.event_shape
EventShape = Annotated[Iterable[int] | None, event_shape]
Steps = Annotated[int, at_most]  # of a loop: 1 to ten million
