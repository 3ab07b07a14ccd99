"A sampler is seen from inside its network: call by call, what it asked about and which level it told."

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Answer", "Claim", "Level", "Tape", "met"]

FLOAT32 = torch.finfo(torch.float32).eps


class Level(NamedTuple):
    "The scales of x = a x0 + s eps."

    a: float
    s: float

    @property
    def half(self) -> float:
        "log(a / s), which is half of log SNR."
        if self.a <= 0 or self.s <= 0:
            return math.inf if self.a > 0 else -math.inf
        return math.log(self.a) - math.log(self.s)

    @property
    def size(self) -> float:
        return math.hypot(self.a, self.s)


CLEAN = Level(1.0, 0.0)


class Answer(NamedTuple):
    "What a network said at a level: the x0 and the noise that it sees in x."

    level: Level
    x0: Tensor
    eps: Tensor


@dataclass(frozen=True)
class Tape:
    """A walk: x at each call and the draws at the end; the network's answers; each call's level and that of the draws.

    kind: of the clock. table: its levels, from little noise to much, and where in it each call lies (-1: nowhere).
    unit: what its numbers are rounded to.
    """

    x: tuple[Tensor, ...]
    answers: tuple[Answer, ...]
    end: Level = CLEAN
    kind: str = "steps"
    table: tuple[Level, ...] = ()
    places: tuple[int, ...] = ()
    unit: float = FLOAT32

    def __len__(self) -> int:
        return len(self.answers)

    def level(self, i: int) -> Level:
        "Of call i; of the draws where i is the number of calls."
        return self.answers[i].level if i < len(self) else self.end

    def near(self, i: int, by: int) -> Level:
        "The table's entry so far from call i, counted to more noise; data where the table begins."
        place = self.places[i] + by
        return self.table[place] if 0 <= place < len(self.table) else CLEAN

    def cut(self, first: int, last: int) -> "Tape":
        "The calls from first to last alone."
        end = self.level(last + 1)
        return replace(
            self,
            x=self.x[first : last + 2],
            answers=self.answers[first : last + 1],
            places=self.places[first : last + 1],
            end=end,
        )


class Claim(NamedTuple):
    "What a rule says of one x that was seen: it came from before, by one of these means and noise of a deviation."

    before: Tensor
    after: Tensor
    means: tuple[Tensor, ...]
    std: float
    here: Level
    there: Level
    answer: Answer
    loose: float = 1.0  # how much more than one step's rounding is in it


def rough(claim: Claim, tape: Tape, length: float, size: float) -> float:
    """How far a step may be off for rounding alone.

    A share of its length, larger where levels are close; what x is rounded to, and what a guess divided by a makes of it;
    and, of a table of alpha-bar in float32, what is left of 1 - alpha-bar and of beta.
    """
    apart = abs(claim.there.half - claim.here.half)
    share = 1e-5 + 64 * FLOAT32 / max(min(apart, 1.0), 1e-4)
    gain = max(1.0, claim.there.a / claim.here.a) if claim.here.a > 0 else 1.0
    of_x = 32 * tape.unit * gain
    if tape.kind == "steps" and claim.there.a > 0:
        beta = abs(1 - (claim.here.a / claim.there.a) ** 2)
        share += 4 * FLOAT32 / max(beta, 1e-4)
        of_x += FLOAT32 / min(s for s in (claim.here.s, claim.there.s, 1.0) if s > 0) ** 2
    return claim.loose * (share * length + of_x * size)


def tests(claim: Claim, off: Tensor) -> list[float]:
    "What is left, as noise: its variance, and its products with 1, x and the guessed noise, in standard errors."
    z, n = off / claim.std, off.numel()
    found = [(z.square().mean().item() - 1) * (n / 2) ** 0.5]
    for other in (torch.ones_like(z), claim.before, claim.answer.eps):
        size = other.square().mean().clamp(min=1e-12).sqrt().item()
        found.append((z * other).mean().item() * n**0.5 / size)
    return found


def met(one: Claim, two: Claim, tape: Tape) -> tuple[float, list[float]] | None:
    """How closely a claim is met, in two walks from the same seed: relative to the step's length, and in standard errors.

    None where it is not met. Where both walks had the same noise, these cancel between them, and what the means miss
    shows to the last digits; where they did not, only the standard errors speak.
    """
    best, order = None, (True, math.inf)
    for mean, other in zip(one.means, two.means, strict=True):
        off, off_two = one.after - mean, two.after - other
        length = max((mean - one.before).abs().max().item(), 1e-12)
        size = max(one.before.abs().max().item(), mean.abs().max().item())
        most = rough(one, tape, length, size)
        if not math.isfinite(most) or not bool(off.isfinite().all() and off_two.isfinite().all()):
            continue
        if one.std < 1e-7 * size:
            miss, errors, fresh = max(off.abs().max().item(), off_two.abs().max().item()), [], False
        else:
            apart, errors = off - off_two, tests(one, off)
            fresh = 1.3 < apart.square().mean().sqrt().item() / one.std < 1.53
            miss = 0.0 if fresh else apart.abs().max().item()
        if miss <= most and (fresh, miss / length) <= order:
            best, order = (miss / length, errors), (fresh, miss / length)
    return best


def worst_of(rows: Iterable[tuple[float, list[float]]]) -> Iterator[float]:
    "Of several rows of standard errors: their sums, as standard errors again."
    columns = list(zip(*[errors for _, errors in rows if errors], strict=True))
    for column in columns:
        yield abs(sum(column)) / len(column) ** 0.5
