"What an exercise is: its right function, fresh arguments for it, its hints, and its slips."

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from ...forward import Schedule
from ...referee.verdict import Slip

__all__ = ["CATALOGUE", "KINDS", "Draws", "Exercise", "add", "number"]

KINDS = (  # of inputs that a check tries: a batch's shape, its dtype
    ((3, 1, 4, 4), torch.float64),
    ((2, 3), torch.float32),
    ((4, 5), torch.float64),
    ((1, 2, 2), torch.float64),
    ((2, 1, 3, 3), torch.float32),
    ((5, 2), torch.float64),
)


class Draws:
    "Random inputs for an exercise, of KINDS[index]; small ones are few numbers, rounded, to be read."

    def __init__(self, seed: int, index: int = 0, small: bool = False):
        self.generator, self.index, self.small = Generator().manual_seed(seed), index, small
        self.shape, self.dtype = ((1, 2), torch.float64) if small else KINDS[index]

    def kept(self, x: Tensor, decimals: int = 1) -> Tensor:
        "x in the dtype of this draw, rounded where it is to be read."
        return (x.round(decimals=decimals) if self.small else x).to(self.dtype)

    def normal(self, *shape: int) -> Tensor:
        return self.kept(torch.randn(shape, generator=self.generator, dtype=torch.float64))

    def between(self, low: float, high: float, *shape: int) -> Tensor:
        return self.kept(
            low + (high - low) * torch.rand(shape, generator=self.generator, dtype=torch.float64), 2
        )

    def whole(self, low: int, high: int) -> int:
        "low, low + 1, ..., or high."
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def picture(self) -> Tensor:
        return self.normal(*self.shape)

    def shares(self, n: int) -> Tensor:
        "n positive numbers that add up to 1, far enough from one another."
        order = torch.randperm(n, generator=self.generator)
        return ((order + 1).double() / (n * (n + 1) / 2)).to(self.dtype)

    def betas(self) -> Tensor:
        "Six steps' beta, small, behind a 0 for t = 0."
        return torch.cat([torch.zeros(1, dtype=self.dtype), self.between(0.02, 0.12, 6)])

    def schedule(self) -> Schedule:
        "Six steps with a beta of its own each."
        return Schedule.from_beta(self.between(0.1, 0.4, 6).double())


@dataclass(frozen=True)
class Exercise:
    "A task for the reader, and what is known about answers to it."

    name: str  # "3.a": chapter 3, first exercise
    title: str  # what is to be written, in a few words
    right: Callable  # the right function; its source is the last hint
    draw: Callable[[Draws], dict[str, Any]]  # fresh arguments by name, in their order
    hints: tuple[str, str]  # a nudge, and the formula
    edges: tuple[tuple[str, Callable[[dict], dict]], ...] = ()  # what one sees; how to move there
    random: str = (
        "Two calls with the same input gave two answers: something random is drawn inside. Use what is "
        "passed in."
    )
    one_by_one: bool = False  # a slip is one wrong choice, not a wrong rule: look at one input only
    slips: list[Slip] = field(default_factory=list)


CATALOGUE: dict[str, Exercise] = {}


def add(exercise: Exercise, *rows: tuple) -> None:
    "One more exercise of the catalogue, in the order of the course, and its slips: rows (words, one function or more)."
    CATALOGUE[exercise.name] = exercise
    exercise.slips.extend(Slip(exercise.name, says, tuple(makes)) for says, *makes in rows)


def number(args: dict, value: float) -> Tensor:
    "value as a number of the dtype that the arguments have."
    like = next(v for v in args.values() if isinstance(v, Tensor) and v.is_floating_point())
    return torch.tensor(value, dtype=like.dtype)
