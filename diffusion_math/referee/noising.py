"The jump from x_0 to x_t = a x_0 + s eps, and the ways to write it that are wrong."

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from .. import checks
from .clock import Clock, clock_of
from .verdict import Case, NoAnswer, Verdict, as_numbers, ask, habits, judge, slips

__all__ = ["SLIPS", "beside", "draw_cases", "no_verdict", "noised", "noising"]

SEE = "chapter 3, (3.9)"


def beside(numbers: Tensor, x: Tensor) -> Tensor:
    "(b,) numbers, shaped to stand beside x."
    return numbers.to(x.dtype).view(-1, *[1] * (x.ndim - 1))


def noised(x0: Tensor, a: Tensor, s: Tensor, eps: Tensor, **_: Any) -> Tensor:
    "a x0 + s eps, with a number of each for each x0."
    return beside(a, x0) * x0 + beside(s, x0) * eps


def event_of(event_shape: Iterable[int]) -> tuple[int, ...]:
    "The shape of one x, as the user wants it."
    sizes = checks.listed("event_shape", event_shape, "whole numbers, such as (1, 28, 28)")
    return tuple(checks.event_shape("event_shape", sizes))


def draw_cases(clock: Clock, event: Sequence[int], n: int = 6) -> list[Case]:
    "n batches of x0, times and noise, and the numbers that the formulas are made of."
    generator, cases = Generator().manual_seed(1), []
    b = max(4, event[-1]) if event else 4
    for i in range(n):
        dtype = torch.float32 if i % 2 else torch.float64
        x0 = (2 * torch.rand(b, *event, generator=generator, dtype=torch.float64) - 1).to(dtype)
        eps = torch.randn(b, *event, generator=generator, dtype=torch.float64).to(dtype)
        place = clock.places(b, generator)[torch.randperm(b, generator=generator)]
        known = {"x0": x0.double(), "eps": eps.double(), "a": clock.a[place], "s": clock.s[place],
                 "place": place, "clock": clock, "t": clock.told(place)}  # fmt: skip
        t = known["t"] if clock.kind == "steps" else known["t"].to(dtype)
        cases.append(Case((x0, t, eps), known))
    return cases


def pair(choose: Callable) -> Callable:
    "The noised x0 with another pair of numbers, chosen from a, s, the clock and the places in its tables."

    def make(x0: Tensor, eps: Tensor, **known: Any) -> Tensor:
        a, s = choose(**known)
        return noised(x0, a.clamp(0, 1e9), s.clamp(0, 1e9), eps)

    return make


def at(step: int) -> Callable:
    "The clock's own a and s, so many places further on."
    return pair(lambda clock, place, **_: (clock.a[place + step], clock.s[place + step]))


def only_steps(clock: Clock) -> Clock:
    "A clock of steps; the others know no beta."
    if clock.kind != "steps":
        raise RuntimeError
    return clock


def one_step(clock: Clock, place: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
    "What a single step keeps and adds."
    beta = only_steps(clock).beta
    return (1 - beta[place]).sqrt(), beta[place].sqrt()


def along_the_last(x0: Tensor, eps: Tensor, a: Tensor, s: Tensor, **_: Any) -> Tensor:
    "Coefficients that lie along the last axis."
    if x0.shape[-1] != len(a) or x0.ndim < 2:
        raise RuntimeError
    return a * x0 + s * eps


SLIPS = slips(
    ("a variance for its root", "Scale eps by the root of its variance: sqrt(1 - alpha-bar), or sigma and not its square.",
     pair(lambda a, s, **_: (a, s**2)),
     "Ryota-Kawamura/How-Diffusion-Models-Work#1, google-deepmind/optax#281"),
    ("alpha-bar for its root", "alpha-bar is a share of the variance. x_0 is scaled by its root.",
     pair(lambda a, s, **_: (a**2, s))),
    ("both roots missing", "Scale x_0 by sqrt(alpha-bar) and eps by sqrt(1 - alpha-bar). Then a variance of 1 stays 1.",
     pair(lambda a, s, **_: (a**2, s**2))),
    ("the root twice", "The deviation is one root of the variance, not two.", pair(lambda a, s, **_: (a, s**0.5)),
     pair(lambda a, s, **_: (a**0.5, s**0.5))),
    ("one minus the root", "The root is over all of 1 - alpha-bar: it is not 1 - sqrt(alpha-bar).",
     pair(lambda a, s, clock, **_: (a, a.new_tensor(bool(only_steps(clock))) - a))),
    ("one step for the jump", "That is one step with beta_t. The jump needs the running product, alpha-bar_t.",
     pair(one_step), pair(lambda **k: (one_step(**k)[0], one_step(**k)[1] ** 2))),
    ("one level too late", "Your table is read one entry too far on: at t + 1.", at(1),
     "jychoi118/ilvr_adm#13, Stability-AI/stablediffusion#96"),
    ("one level too early", "Your table is read one entry too early: at t - 1.", at(-1)),
    ("the scales swapped", "sqrt(alpha-bar) belongs to x_0, sqrt(1 - alpha-bar) to eps.", pair(lambda a, s, **_: (s, a)),
     pair(lambda a, s, **_: (s**2, a**2))),
)  # fmt: skip

SLIPS = SLIPS + slips(
    ("x_0 not scaled", "Scale x_0 by sqrt(alpha-bar), or the variance grows. x_0 + sigma eps goes with a table of sigma.",
     pair(lambda a, s, **_: (1 + 0 * a, s)), pair(lambda a, s, **_: (1 + 0 * a, s / a.clamp(min=1e-9)))),
    ("x_0 scaled as well", "With a table of sigma x_0 stays as it is: x_0 + sigma eps.",
     pair(lambda s, **_: ((1 + s**2) ** -0.5, s * (1 + s**2) ** -0.5))),
    ("eps not scaled", "Scale eps by sqrt(1 - alpha-bar).", pair(lambda a, s, **_: (a, 1 + 0 * s))),
    ("eps with its sign turned", "Add the noise: as a law a minus is the same, but the loss compares with this eps.",
     lambda x0, eps, a, s, **_: noised(x0, a, s, -eps)),
    ("no noise", "That is the mean alone: s eps is missing.", lambda x0, eps, a, s, **_: noised(x0, a, 0 * s, eps)),
    ("the noise alone", "a x_0 is missing.", lambda x0, eps, a, s, **_: noised(x0, 0 * a, s, eps)),
    ("one time for the whole batch", "Each picture has a t of its own: read the table at t, not at t[0].",
     lambda x0, eps, a, s, **_: noised(x0, a[:1].expand_as(a), s[:1].expand_as(s), eps)),
    ("coefficients along the last axis", "The (b,) coefficients were laid along the pictures' last axis: view(-1, 1, 1, 1).",
     along_the_last),
    ("clipped", "Noisy pictures leave [-1, 1]. Only the screen may clip them.", lambda **k: noised(**k).clamp(-1, 1),
     lambda **k: noised(**k).clamp(0, 1)),
    ("x_0 rescaled inside", "The pictures came in [-1, 1] already, and were mapped there from [0, 1] once more.",
     lambda x0, **k: noised(2 * x0 - 1, **k), lambda x0, **k: noised((x0 + 1) / 2, **k)),
    ("the last level at every t", "Every t gets the product of all T steps: cumprod, not prod.",
     pair(lambda a, s, clock, **_: (clock.a[-1].expand_as(a), clock.s[-1].expand_as(s)))),
    ("the table backwards", "t = 0 has the least noise in the table that you gave: your code reads it from the other end.",
     pair(lambda a, s, clock, place, **_: (clock.a.flip(0)[place], clock.s.flip(0)[place]))),
)  # fmt: skip


def no_verdict(about: str, error: NoAnswer, see: str) -> Verdict:
    "What is said of code that gave no numbers, or did what it must not."
    if error.slip:
        says = f'wrong: "{error.slip}": {error}.'
        return Verdict(about, False, says, slip=error.slip, cure=error.cure, see=see)
    return Verdict(about, False, f"no numbers: {error}.", see=see)


def noising(
    f: Callable,
    alphas_cumprod: Any = None,
    betas: Any = None,
    sigmas: Any = None,
    flow_times: Any = None,
    event_shape: Iterable[int] = (3, 8, 8),
) -> Verdict:
    """Is f(x0, t, eps) the noised x0, a x0 + s eps, for a t of each x0?

        referee.noising(lambda x0, t, eps: scheduler.add_noise(x0, eps, t), scheduler.alphas_cumprod)

    Give the one table that f goes by, as clock_of reads it: t is an index into alphas_cumprod or betas, or sigma itself,
    or the time of a straight line. x0 (b, *event_shape) in [-1, 1], t (b,), eps like x0; both float32 and float64 come.
    TypeError: f is not callable, or not one table; ValueError: a table that is no schedule.
    """
    f, clock = (
        checks.function("f", f, "x0, t and eps"),
        clock_of(alphas_cumprod, betas, sigmas, flow_times),
    )
    cases = draw_cases(clock, event_of(event_shape))

    def asked(seed: int = 0) -> list:
        return [ask(f, case.args, seed) for case in cases]

    def again() -> list[Tensor]:
        return [as_numbers(answer) for answer in asked(1)]

    try:
        said = asked()
        came = [as_numbers(answer) for answer in said]
        what = {"steps": "sqrt(alpha-bar) x0 + sqrt(1 - alpha-bar) eps", "sigma": "x0 + sigma eps"}
        formula = what.get(clock.kind, "(1 - t) x0 + t eps")
        return judge(
            "noising", came, cases, noised, SLIPS, SEE, again, formula, habits(said, cases)
        )
    except NoAnswer as error:
        return no_verdict("noising", error, SEE)
