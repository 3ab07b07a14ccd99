"Attributes that Python and the browser keep equal: a number in a range, one of a few names, an array as bytes."

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import traitlets
from torch import Tensor

from .. import checks

__all__ = []


class BadValue(traitlets.TraitError, ValueError):
    "A trait was set to a value out of its range. It is a ValueError too."


class BadKind(traitlets.TraitError, TypeError):
    "A trait was set to a value of another kind. It is a TypeError too."


def check_range(name: str, value: Any, low: float, high: float) -> Any:
    "value if it lies in [low, high], or BadValue; BadKind if it is no number."
    if not isinstance(value, Real) or isinstance(value, bool):
        raise BadKind(f"{name} must be a number, got {checks.got(value)}")
    if not low <= value <= high:  # NaN fails too
        raise BadValue(f"{name} must lie in [{low}, {high}], got {value}")
    return value


def as_number(name: str, value: Any, trait: traitlets.TraitType) -> int | float:
    "value as the int or the float that a trait takes; BadKind if it is none."
    try:
        whole = isinstance(trait, traitlets.Int)
        return checks.whole(name, value) if whole else checks.number(name, value)
    except TypeError as error:
        raise BadKind(f"the '{name}' trait: {error}") from None
    except ValueError:  # NaN: the trait says what it takes
        return value


class Number(traitlets.Float):
    "A number from low to high that both sides know."

    def __init__(self, low: float, high: float):
        super().__init__(low)
        self.low, self.high = low, high
        self.tag(sync=True)

    def validate(self, obj, value):
        if not isinstance(value, Real) or isinstance(value, bool):
            raise BadKind(f"the '{self.name}' trait must be a number, got {checks.got(value)}")
        return check_range(self.name, super().validate(obj, value), self.low, self.high)


End = int | Callable[[Any], int]  # a number, or what it is of the object that has the trait


class Whole(traitlets.Int):
    "A whole number from low to high that both sides know."

    def __init__(self, low: End, high: End):
        super().__init__(0 if callable(low) else low)
        self.ends = low, high
        self.tag(sync=True)

    def validate(self, obj, value):
        low, high = (end(obj) if callable(end) else end for end in self.ends)
        return check_range(self.name, super().validate(obj, value), low, high)


class OneOf(traitlets.Unicode):
    "One of a few names that both sides know."

    def __init__(self, *names: str):
        super().__init__(names[0])
        self.names = names
        self.tag(sync=True)

    def validate(self, obj, value):
        if not isinstance(value, str):
            fits = f"one of {', '.join(self.names)}"
            raise BadKind(f"the '{self.name}' trait must be {fits}, got {checks.got(value)}")
        if super().validate(obj, value) not in self.names:
            raise BadValue(f"{self.name} must be one of {', '.join(self.names)}, got {value!r}")
        return value


class Numbers(traitlets.List):
    "As many numbers as there are now, each from low to high, that both sides know."

    def __init__(self, low: float, high: float):
        super().__init__(traitlets.Float())
        self.low, self.high = low, high
        self.tag(sync=True)

    def validate(self, obj, value):
        values = super().validate(obj, value)
        now = getattr(obj, self.name) if obj.trait_has_value(self.name) else []
        if now and len(values) != len(now):
            raise BadValue(f"{self.name} must hold {len(now)} numbers, got {len(values)}")
        return [
            check_range(f"{self.name}[{i}]", v, self.low, self.high) for i, v in enumerate(values)
        ]


class Places(traitlets.List):
    "From least to most points of the plane, a list of pairs of numbers in [-reach, reach], that both sides know."

    def __init__(self, least: int, most: int, reach: float):
        super().__init__(traitlets.List(traitlets.Float()))
        self.least, self.most, self.reach = least, most, reach
        self.tag(sync=True)

    def validate(self, obj, value):
        points, n = super().validate(obj, value), len(value)
        if n > self.most:
            raise BadValue(f"{self.name} must hold at most {self.most} points, got {n}")
        if n < self.least:
            raise BadValue(f"{self.name} must hold at least {self.least} points, got {n}")
        for i, point in enumerate(points):
            if len(point) != 2:
                raise BadValue(f"{self.name}[{i}] must be two numbers, got {len(point)}")
            for v in point:
                check_range(f"{self.name}[{i}]", v, -self.reach, self.reach)
        return points


class Packed(traitlets.Bytes):
    "An array as bytes, that both sides know, and that the browser may set: of float32 numbers, if its shape is told."

    def __init__(self, shape: Callable[[Any], Sequence[int]] | None = None):
        super().__init__()
        self.shape = shape
        self.tag(sync=True, from_json=lambda value, widget: bytes(value))

    def validate(self, obj, value):
        value = super().validate(obj, value)
        if self.shape and len(value) != (due := 4 * math.prod(shape := self.shape(obj))):
            size = f"{' x '.join(map(str, shape))} float32 numbers, {due} bytes"
            raise BadValue(f"{self.name} must hold {size}, got {len(value)} bytes")
        return value


def pack(x: Tensor) -> bytes:
    "The numbers of a tensor as bytes, in the order and the dtype that they have."
    return x.contiguous().numpy().tobytes()
