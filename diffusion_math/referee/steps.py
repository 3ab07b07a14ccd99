"A rule says of each step of a walk where it leads: from x and the answers so far, by the scales of two levels."

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..solvers import Solver
from .posterior import Back
from .tape import Answer, Claim, Level, Tape

__all__ = ["Step", "Way", "down", "heun", "moved", "of", "plms", "single", "weighed"]

Claims = Callable[[Tape], Iterator[Claim]]


@dataclass(frozen=True)
class Step:
    "One step that asks once: x, the network's x0 and eps there, and the scales of both levels, as tensors; the tape."

    x: Tensor
    x0: Tensor
    eps: Tensor
    a: Tensor
    s: Tensor
    a_next: Tensor
    s_next: Tensor
    tape: Tape | None = None
    i: int = 0

    @property
    def back(self) -> Back:
        return Back(self.a, self.s, self.a_next, self.s_next)

    @property
    def last(self) -> bool:
        return bool(self.s_next == 0)

    def with_x0(self, x0: Tensor, eps: Tensor | None = None) -> "Step":
        "The same with another x0, and with eps as it was or another one."
        eps = self.eps if eps is None else eps
        return Step(self.x, x0, eps, self.a, self.s, self.a_next, self.s_next, self.tape, self.i)

    def clipped(self) -> "Step":
        "The same with x0 clipped to [-1, 1], and eps as it was."
        return self.with_x0(self.x0.clamp(-1, 1))

    def to(self, level: Level) -> "Step":
        "The same step to another level."
        a, s = self.x.new_tensor(level.a), self.x.new_tensor(level.s)
        return Step(self.x, self.x0, self.eps, self.a, self.s, a, s, self.tape, self.i)


def single(mean: Callable[[Step], Tensor], std: Callable[[Step], Tensor] | None = None) -> Claims:
    "A rule by which each call is a step."

    def claims(tape: Tape) -> Iterator[Claim]:
        for i, answer in enumerate(tape.answers):
            here, there, x = answer.level, tape.level(i + 1), tape.x[i]
            scales = [x.new_tensor(v) for v in (*here, *there)]
            n = Step(x, answer.x0, answer.eps, *scales, tape, i)
            spread = 0.0 if std is None else float(std(n))
            yield Claim(x, tape.x[i + 1], (mean(n),), spread, here, there, answer)

    return claims


def one(nodes: Sequence[float], h: float = 0.0) -> tuple[float, ...]:
    "The first answer alone."
    return (1.0, *[0.0] * (len(nodes) - 1))


@dataclass(frozen=True)
class Way:
    """How a step is made of several answers: the fields of a Solver, and in which form other packages have them.

    holds: "x0", "eps", "velocity" as in Solver, or "line", the slope eps - x0 of a straight line. log: answers stand in
    log SNR where eps is held, and not in s/a. to: where a step goes before its noise: to the "next" level, to "down", as an
    ancestral step does, or to that of the last "stage", from where noise leads up to the next one. bend: a slip's
    coefficients of x and of the answers; noise: a slip's deviation; pick: a slip's choice among the answers. tail: how
    many calls at the end are single steps whatever the stages. where: whether the
    last stage lies "inside" the step or at its "end". loose: for formulas that lose digits in float32.
    """

    holds: str = "x0"
    rule: Callable = one
    past: int = 0
    stages: tuple[tuple[float, ...], ...] = ()
    corrects: Callable | None = None
    dial: float = 0.0
    log: bool = False
    to: str = "next"
    stage_noise: bool = False
    bend: Callable | None = None
    noise: Callable | None = None
    pick: Callable | None = None
    tail: int = 0
    where: str = ""
    loose: float = 1.0

    def __call__(self, tape: Tape) -> Iterator[Claim]:
        i, known, start, before = 0, [], tape.x[0], None
        while i < len(tape):
            told, here = [tape.answers[i]], tape.level(i)
            stages = self.stages if i + len(self.stages) < len(tape) - self.tail else ()
            if self.corrects is None:
                start = tape.x[i]
            elif known:
                seen = [*told, *known[: self.past + 1]]
                start = moved(self, before, known[0].level, here, seen, self.corrects)
            for j, row in enumerate(stages, i + 1):
                level, std = tape.level(j), 0.0
                goal = level
                if self.stage_noise:
                    goal, std = down(here, level)
                mean = moved(self, start, here, goal, told, lambda nodes, h, row=row: row)
                yield Claim(start, tape.x[j], (mean,), std, here, level, told[0], self.loose)
                told.append(tape.answers[j])
            i += 1 + len(stages)
            there = tape.level(i)
            if stages and self.where and (told[-1].level.s > there.s) != (self.where == "inside"):
                raise ValueError("the last stage lies elsewhere")
            goal, std = self.goal(here, there, told)
            left = len(tape) - i
            means = tuple(self.means(start, here, goal, told, known, left, bool(stages)))
            yield Claim(start, tape.x[i], means, std, here, there, told[0], self.loose)
            known, before = [told[0], *known[: self.past]], start

    def goal(self, here: Level, there: Level, told: list[Answer]) -> tuple[Level, float]:
        "Where the mean of a step lies, and the deviation of the noise after it."
        goal, std = there, 0.0
        if self.to == "down":
            goal, std = down(here, there)
        elif self.to == "stage" and len(told) > 1:
            goal = told[-1].level
            std = math.sqrt(max(0.0, there.s**2 - (goal.s * there.a / goal.a) ** 2))
        if self.dial and there.s > 0:
            d = there.half - here.half
            std = there.s * math.sqrt(max(0.0, -math.expm1(-2 * self.dial * d)))
        return goal, self.noise(here, there) if self.noise else std

    def means(
        self,
        x: Tensor,
        here: Level,
        there: Level,
        told: list[Answer],
        known: list[Answer],
        left: int,
        whole: bool,
    ) -> Iterator[Tensor]:
        "Where a step may lead: by as many answers as there are, and by fewer where the walk ends."
        # the data: what the network sees of it
        if there.s == 0 and self.holds in ("x0", "velocity"):
            yield told[0].x0
            return
        if self.stages and not whole:
            yield moved(self, x, here, there, told[:1], one)
            return
        past = known[: self.past]
        for n in range(len(past), -1 if left <= self.past else len(past) - 1, -1):
            answers = [*told, *past[:n]]
            if self.pick:
                answers = self.pick(answers)
            yield moved(self, x, here, there, answers, self.rule)


def down(here: Level, there: Level) -> tuple[Level, float]:
    "Where an ancestral step goes, and the deviation of the noise that leads up from there: those of the posterior."
    share = there.s / there.a / (here.s / here.a) if here.a > 0 else 0.0
    return Level(there.a, there.s * share), there.s * math.sqrt(max(0.0, 1 - share**2))


def moved(
    way: Way, x: Tensor, here: Level, there: Level, told: Sequence[Answer], rule: Callable
) -> Tensor:
    "x after the step, if the answers count as rule says: what is held still moves x along its own straight line."
    d, log = there.half - here.half, way.log or way.holds in ("x0", "velocity")
    h = 0.0
    if way.holds == "x0":
        kept = math.exp(-way.dial * d) if way.dial else 1.0
        of_x = there.s / here.s * kept
        of_answer, h = there.a - here.a * of_x, d * (1 + way.dial)
    elif way.holds == "eps":
        of_x = there.a / here.a
        of_answer, h = there.s - here.s * of_x, -d if log else 0.0
    elif way.holds == "line":
        of_x, of_answer = 1.0, there.s - here.s
    else:
        of_x, of_answer = there.size / here.size, d * there.size
    if way.bend:
        of_x, of_answer = way.bend(of_x, of_answer, here, there)

    def place(level: Level) -> float:
        if log:
            return (level.half - here.half) / d
        if way.holds == "line":
            return (level.s - here.s) / (there.s - here.s)
        start, end = here.s / here.a, there.s / there.a
        return (level.s / level.a - start) / (end - start)

    weights = rule([place(answer.level) for answer in told], h) if len(told) > 1 else (1.0,)
    after = of_x * x
    for weight, answer in zip(weights, told, strict=True):
        if weight:
            after = after + of_answer * weight * held(way, answer)
    return after


def held(way: Way, answer: Answer) -> Tensor:
    "What a way holds still, of one answer."
    if way.holds == "x0":
        return answer.x0
    if way.holds == "eps":
        return answer.eps
    if way.holds == "line":
        return answer.eps - answer.x0
    a, s = answer.level.a / answer.level.size, answer.level.s / answer.level.size
    return a * (answer.x0 - a * (a * answer.x0 + s * answer.eps))


def weighed(rule: Any) -> Callable:
    "The rule of a Solver as a function, where it is rows of weights, too."
    return rule if callable(rule) else lambda nodes, h: rule[min(len(nodes), len(rule)) - 1]


def of(solver: Solver, **more) -> Way:
    "The way that a row of SOLVERS walks."
    rows = tuple(weights for _, weights in solver.stages)
    return Way(
        solver.holds, weighed(solver.rule), solver.past, rows, solver.corrects, solver.dial, **more
    )


def heun(mix: tuple[float, float], second: Callable | None = None, holds: str = "eps") -> Claims:
    """Heun's step with another mix of its two slopes, and with second(answer, x, here, there) for the second slope.

    The step goes to the level of the next step's first call, and from the last level straight to the data.
    """

    def claims(tape: Tape) -> Iterator[Claim]:
        way = Way(holds)
        for i in range(0, len(tape), 2):
            told, here, x = tape.answers[i], tape.level(i), tape.x[i]
            there = tape.level(i + 2) if i + 2 <= len(tape) else tape.end
            straight = moved(way, x, here, there, [told], one)
            yield Claim(x, tape.x[i + 1], (straight,), 0.0, here, there, told)
            if i + 1 == len(tape):
                return
            answer, y = tape.answers[i + 1], tape.x[i + 1]
            answer = second(answer, y, here, there) if second else answer
            first = [told, answer]
            after = moved(way, x, here, there, first, lambda nodes, h: mix)
            yield Claim(x, tape.x[i + 2], (after,), 0.0, here, there, told)

    return claims


def plms(weights: Callable) -> Claims:
    "Pseudo linear multistep, as diffusers starts it: the second level is asked twice, and Heun's step leads there."

    def claims(tape: Tape) -> Iterator[Claim]:
        way, past = Way("eps"), []
        for i, answer in enumerate(tape.answers):
            back = i == 1
            x, here = (tape.x[0], tape.level(0)) if back else (tape.x[i], tape.level(i))
            there = tape.level(1) if i <= 1 else tape.level(i + 1)
            if not back:
                past = [answer, *past[:3]]
            told = [answer, past[0]] if back else past
            mix = (0.5, 0.5) if back else weights([0.0] * len(told), 0.0)
            mean = moved(way, x, here, there, told, lambda nodes, h, mix=mix: mix)
            yield Claim(x, tape.x[i + 1], (mean,), 0.0, here, there, answer)

    return claims
