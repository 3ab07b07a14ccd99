"The step back that knows x_0, q(x_{t-1} | x_t, x_0): its mean and variance, and where bars get lost."

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Generator, Tensor

from .. import checks
from ..gaussian import Gaussian
from .clock import Clock, clock_of
from .noising import beside, event_of, no_verdict, noised
from .verdict import Case, NoAnswer, Slip, Verdict, as_numbers, ask, digits_of, judge, slips

__all__ = ["Back", "numbers_back", "posterior"]

SEE = "chapter 3, (3.16)"


class Back:
    "The numbers of one step back from a level to an earlier one: signal bars A and a = A / B, noises S and R, beta."

    def __init__(self, A: Tensor, S: Tensor, B: Tensor, R: Tensor):
        self.bar, self.rest, self.bar_before, self.rest_before = A**2, S**2, B**2, R**2
        self.alpha = self.bar / self.bar_before
        self.beta = self.rest - self.alpha * self.rest_before

    @property
    def of_x0(self) -> Tensor:
        return self.bar_before.sqrt() * self.beta / self.rest

    @property
    def of_x_t(self) -> Tensor:
        return self.alpha.sqrt() * self.rest_before / self.rest

    @property
    def var(self) -> Tensor:
        return self.beta * self.rest_before / self.rest


def numbers_back(clock: Clock, place: Tensor, shift: int = 0) -> Back:
    "The step from these places in the tables to those before."
    here, there = place + shift, place + shift - 1
    return Back(clock.a[here], clock.s[here], clock.a[there], clock.s[there])


def mean_of(choose: Callable) -> Callable:
    "A mean with other coefficients of x0 and x_t, from the numbers of the step."

    def make(x0: Tensor, x_t: Tensor, n: Back, **_: Any) -> Tensor:
        c0, ct = choose(n)
        return beside(c0, x_t) * x0 + beside(ct, x_t) * x_t

    return make


MEAN = mean_of(lambda n: (n.of_x0, n.of_x_t))
MEAN_SLIPS = slips(
    ("a bar too many", "x_t is multiplied by sqrt(alpha_t) of this one step, not by sqrt(alpha-bar_t).",
     mean_of(lambda n: (n.of_x0, n.bar.sqrt() * n.rest_before / n.rest))),
    ("a bar too few", "x_0 is multiplied by sqrt(alpha-bar_{t-1}), not by sqrt(alpha_t) or sqrt(alpha_{t-1}).",
     mean_of(lambda n: (n.alpha.sqrt() * n.beta / n.rest, n.of_x_t))),
    ("alpha-bar of t for that of t-1", "x_0 is multiplied by sqrt(alpha-bar_{t-1}): how much of it is left before the step.",
     mean_of(lambda n: (n.bar.sqrt() * n.beta / n.rest, n.of_x_t)),
     "lucidrains/denoising-diffusion-pytorch#18"),
    ("1 - alpha-bar of t for that of t-1", "x_t is multiplied by (1 - alpha-bar_{t-1}) / (1 - alpha-bar_t).",
     mean_of(lambda n: (n.of_x0, n.alpha.sqrt()))),
    ("the coefficients swapped", "The coefficient with beta_t belongs to x_0, the other to x_t.",
     mean_of(lambda n: (n.of_x_t, n.of_x0))),
    ("not divided", "Both coefficients are divided by 1 - alpha-bar_t.",
     mean_of(lambda n: (n.of_x0 * n.rest, n.of_x_t * n.rest))),
    ("divided by a root", "Both coefficients are divided by 1 - alpha-bar_t, not by its root.",
     mean_of(lambda n: (n.of_x0 * n.rest.sqrt(), n.of_x_t * n.rest.sqrt()))),
    ("divided by the rest of t-1", "Both coefficients are divided by 1 - alpha-bar_t, not by 1 - alpha-bar_{t-1}.",
     mean_of(lambda n: (n.of_x0 * n.rest / n.rest_before, n.alpha.sqrt()))),
    ("roots missing in the mean", "The coefficients hold sqrt(alpha-bar_{t-1}) and sqrt(alpha_t): two roots are missing.",
     mean_of(lambda n: (n.of_x0 * n.bar_before.sqrt(), n.of_x_t * n.alpha.sqrt())),
     mean_of(lambda n: (n.of_x0, n.of_x_t * n.alpha.sqrt())), mean_of(lambda n: (n.of_x0 * n.bar_before.sqrt(), n.of_x_t))),
    ("the root of beta in the mean", "x_0 is multiplied by beta_t, not by its root.",
     mean_of(lambda n: (n.of_x0 / n.beta.sqrt(), n.of_x_t))),
    ("the mean of the forward step", "That is q(x_{t-1}) from x_0 alone, or a step forward: x_t must count as well.",
     mean_of(lambda n: (n.bar_before.sqrt(), 0 * n.beta)), mean_of(lambda n: (0 * n.beta, n.alpha.sqrt()))),
    ("x_t kept as it is", "One step back is not x_t over sqrt(alpha_t): what is known of x_0 must pull.",
     mean_of(lambda n: (0 * n.beta, n.alpha.rsqrt()))),
)  # fmt: skip


def number_of(choose: Callable) -> Callable:
    "A variance, (b,), from the numbers of the step."
    return lambda n, **_: choose(n)


VAR = number_of(lambda n: n.var)
VAR_SLIPS = slips(
    ("beta for beta-tilde", "beta_t is the variance of the step forward. Of someone who knows x_0 it is beta-tilde.",
     number_of(lambda n: n.beta)),
    ("a deviation for the variance", "That is the root. If your code means a deviation, hand over its square.",
     number_of(lambda n: n.var.sqrt()), number_of(lambda n: n.beta.sqrt())),
    ("the log of the variance", "That is the log. If your code means a log, hand over its exp.",
     number_of(lambda n: n.var.log()), number_of(lambda n: n.beta.log()), number_of(lambda n: n.var.log() / 2),
     "tqch/ddpm-torch#9"),
    ("the ratio upside down", "beta-tilde is below beta: (1 - alpha-bar_{t-1}) / (1 - alpha-bar_t), not its inverse.",
     number_of(lambda n: n.beta * n.rest / n.rest_before)),
    ("the variance not divided", "beta-tilde is divided by 1 - alpha-bar_t.", number_of(lambda n: n.beta * n.rest_before),
     "varun-ml/diffusion-models-tutorial#1"),
    ("alpha-bar for its rest", "The ratio is of the noises, 1 - alpha-bar, not of alpha-bar itself.",
     number_of(lambda n: n.beta * n.bar_before / n.bar), number_of(lambda n: n.beta * n.bar / n.bar_before)),
    ("the noise of the jump", "That is 1 - alpha-bar, what the whole jump from x_0 adds. One step back leaves beta-tilde.",
     number_of(lambda n: n.rest), number_of(lambda n: n.rest_before)),
)  # fmt: skip


def neighbour(make: Callable, by: int) -> Callable:
    "The same number, of the step before or after."
    return lambda clock, place, **k: make(**(k | {"n": numbers_back(clock, place, by)}))


def with_neighbours(make: Callable, slips: tuple[Slip, ...]) -> tuple[Slip, ...]:
    "The slips, and those of a table that is read one entry off."
    late = Slip(
        "one step too late",
        "Your tables are read one entry too far on: at t + 1.",
        (neighbour(make, 1),),
    )
    early = Slip(
        "one step too early",
        "Your tables are read one entry too early: at t - 1.",
        (neighbour(make, -1),),
    )
    return (*slips, late, early)


def draw_steps(clock: Clock, event: tuple[int, ...]) -> list[Case]:
    "Batches of x_t, x0 and t, some with one of them 0; rounding is what float32 loses in 1 - alpha-bar and in beta."
    generator, cases = Generator().manual_seed(2), []
    for i in range(6):
        dtype, b = (torch.float32 if i % 2 else torch.float64), 5
        x0, eps = (
            torch.randn(2, b, *event, generator=generator, dtype=torch.float64).to(dtype).double()
        )
        place = (clock.places(b, generator) + 1).clamp(max=len(clock.a) - 2)
        x_t = noised(x0, clock.a[place], clock.s[place], eps).to(dtype)
        x0, x_t = x0 * (i % 3 != 2), x_t * (i % 3 != 1)  # each coefficient alone, and both
        n = numbers_back(clock, place)
        known = {"x0": x0, "x_t": x_t.double(), "n": n, "clock": clock, "place": place}
        lost = (1e-5 + 3e-7 / torch.minimum(n.rest_before, n.beta)).clamp(max=0.01)
        cases.append(Case((x_t, x0.to(dtype), clock.told(place)), known, lost))
    return cases


def two_numbers(answer: Any, x_t: Tensor) -> tuple[Tensor, Tensor | None]:
    "Mean, like x_t, and variance, (b,), of what somebody's code returned: a Gaussian, a pair or more, or a mean."
    if isinstance(answer, Gaussian):
        answer = answer.mean, answer.var
    mean, var = (
        (answer[0], answer[1])
        if isinstance(answer, tuple | list) and len(answer) > 1
        else (answer, None)
    )
    mean = as_numbers(mean, "a mean, and a variance")
    if mean.shape != x_t.shape:
        raise NoAnswer(f"its mean has shape {tuple(mean.shape)}, and {tuple(x_t.shape)} was due")
    if var is None:
        return mean, None
    var = as_numbers(var, "a variance")
    if var.ndim == 1 and len(var) == len(x_t):
        var = beside(var, x_t)
    try:
        return mean, var.expand(x_t.shape).flatten(1)[:, 0]
    except RuntimeError:
        raise NoAnswer(
            f"its variance has shape {tuple(var.shape)}, which does not fit x_t"
        ) from None


def posterior(
    f: Callable,
    alphas_cumprod: Any = None,
    betas: Any = None,
    event_shape: Iterable[int] = (3, 8, 8),
) -> Verdict:
    """Is f(x_t, x0, t) the mean and the variance of q(x_{t-1} | x_t, x0)?

        referee.posterior(diffusion.q_posterior, diffusion.alphas_cumprod)

    f returns a Gaussian, a pair (mean, variance) or more, of which two are looked at, or the mean alone. t (b,) is an
    index into the table that is given; entry t - 1 is the level before. Errors as in noising.
    """
    f, clock = checks.function("f", f, "x_t, x0 and t"), clock_of(alphas_cumprod, betas)
    cases = draw_steps(clock, event_of(event_shape))
    try:
        pairs = [two_numbers(ask(f, case.args), case.args[0]) for case in cases]
    except NoAnswer as error:
        return no_verdict("posterior", error, SEE)
    means, variances = zip(*pairs, strict=True)
    verdict = judge(
        "posterior", means, cases, MEAN, with_neighbours(MEAN, MEAN_SLIPS), SEE, what="the mean"
    )
    if variances[0] is None or not verdict:
        return verdict if variances[0] is None else named_part(verdict, "mean")
    spread = judge(
        "posterior",
        variances,
        cases,
        VAR,
        with_neighbours(VAR, VAR_SLIPS),
        SEE,
        what="mean and variance",
    )
    worst = max(verdict.error, spread.error)
    if spread:
        says = f"right to {digits_of(worst)}, on {len(cases)} batches: mean and variance."
        return Verdict("posterior", True, says, worst, see=SEE)
    return named_part(spread, "variance")


def named_part(verdict: Verdict, part: str) -> Verdict:
    "A verdict that says which of the numbers is wrong."
    says = verdict.says.replace("wrong", f"the {part} is wrong", 1)
    return Verdict(
        verdict.about, False, says, verdict.error, verdict.slip, verdict.cure, verdict.see
    )
