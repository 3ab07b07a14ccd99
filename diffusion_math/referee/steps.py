"A sampler asks its network at one level, and some lines later at the next."

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .posterior import Back

__all__ = ["RULES", "Rule", "Step", "fits"]


@dataclass(frozen=True)
class Step:
    "What was seen of one step: x and the network's x0 and eps there, the next x, the scales of both levels, the last one."

    x: Tensor
    x0: Tensor
    eps: Tensor
    after: Tensor
    a: Tensor
    s: Tensor
    a_next: Tensor
    s_next: Tensor

    @property
    def back(self) -> Back:
        return Back(self.a, self.s, self.a_next, self.s_next)

    @property
    def last(self) -> bool:
        return bool(self.s_next == 0)

    def clipped(self) -> "Step":
        "The same with x0 clipped to [-1, 1], and eps as it was."
        return Step(
            self.x,
            self.x0.clamp(-1, 1),
            self.eps,
            self.after,
            self.a,
            self.s,
            self.a_next,
            self.s_next,
        )


@dataclass(frozen=True)
class Rule:
    "A rule for a step: its mean and the deviation of its dice. slip: a mistake, with its cure; else a right rule."

    name: str
    mean: Callable[[Step], Tensor]
    std: Callable[[Step], Tensor]
    cure: str = ""
    slip: bool = False


def posterior_mean(n: Step) -> Tensor:
    return n.back.of_x0 * n.x0 + n.back.of_x_t * n.x


def ddim_mean(n: Step, std: Tensor | float = 0.0) -> Tensor:
    "a' x0 + what is left of the noise's variance after the dice."
    return n.a_next * n.x0 + (n.s_next**2 - std**2).clamp(min=0).sqrt() * n.eps


def fresh(n: Step) -> Step:
    "x0 clipped, and the eps that goes with it."
    c = n.clipped()
    return Step(c.x, c.x0, (c.x - c.a * c.x0) / c.s, c.after, c.a, c.s, c.a_next, c.s_next)


def from_eps(n: Step, factor: Callable, over: Callable) -> Tensor:
    "over (x - factor eps), with what a slip takes for them."
    return over(n) * (n.x - factor(n) * n.eps)


def beta_root(n: Step) -> Tensor:
    return n.back.beta.clamp(min=0).sqrt()


def tilde_root(n: Step) -> Tensor:
    return n.back.var.clamp(min=0).sqrt()


def quiet(std: Callable) -> Callable:
    "No dice in the last step."
    return lambda n: 0 * n.s if n.last else std(n)


def none(n: Step) -> Tensor:
    return 0 * n.s


def only(where: Callable[[Step], Tensor], mean: Callable) -> Callable:
    "A mean that is right on one clock alone, which the scales of both levels show; elsewhere it fits nothing."

    def make(n: Step) -> Tensor:
        return mean(n) if bool(where(n).abs().max() < 1e-6) else torch.full_like(n.x, torch.inf)

    return make


def off_sigma(n: Step) -> Tensor:
    "How far a is from 1, as it is where the clock is sigma."
    return torch.stack([n.a - 1, n.a_next - 1])


def off_line(n: Step) -> Tensor:
    "How far a + s is from 1, as it is along a straight line."
    return torch.stack([n.a + n.s - 1, n.a_next + n.s_next - 1])


def euler(n: Step) -> Tensor:
    "x + (sigma' - sigma) (x - x0) / sigma."
    return n.x + (n.s_next - n.s) * n.eps


def straight(n: Step) -> Tensor:
    "x + (t' - t) (eps - x0)."
    return n.x + (n.s_next - n.s) * (n.eps - n.x0)


def up(n: Step) -> Tensor:
    "The deviation that an ancestral step in sigma adds."
    return (n.s_next**2 * (n.s**2 - n.s_next**2) / n.s**2).clamp(min=0).sqrt()


def ancestral(n: Step) -> Tensor:
    "Down to the deviation that is left when up is taken from sigma': the mean of the posterior, written with slopes."
    down = (n.s_next**2 - up(n) ** 2).clamp(min=0).sqrt()
    return n.x + (down - n.s) * n.eps


RIGHT = (
    Rule("an ancestral step in sigma, which is the posterior's, (6.11)", only(off_sigma, ancestral), up),
    Rule("Euler's step in sigma, which is DDIM's, (6.12)", only(off_sigma, euler), none),
    Rule("Euler's step along the straight line, which is DDIM's, (6.12)", only(off_line, straight), none),
    Rule("the posterior's mean and variance, (6.11)", posterior_mean, tilde_root),
    Rule("the posterior's mean, the variance beta, no dice at the end", posterior_mean, quiet(beta_root)),
    Rule("DDIM without dice, (6.12)", ddim_mean, none),
    Rule("the posterior with x0 clipped", lambda n: posterior_mean(n.clipped()), tilde_root),
    Rule("the posterior with x0 clipped, the variance beta, no dice at the end",
         lambda n: posterior_mean(n.clipped()), quiet(beta_root)),
    Rule("DDIM with x0 clipped and its eps", lambda n: ddim_mean(fresh(n)), none),
    Rule("DDIM with all of its dice", lambda n: ddim_mean(n, tilde_root(n)), tilde_root),
    Rule("DDIM with x0 clipped, its eps, and all of its dice", lambda n: ddim_mean(fresh(n), tilde_root(n)), tilde_root),
)  # fmt: skip


def wrong(name: str, cure: str, mean: Callable, std: Callable) -> Rule:
    return Rule(name, mean, std, cure, True)


CLIP_OLD = "Once x0 is clipped, eps must be taken anew: (x_t - a x0) / s. With the old one the step changes x_t (8b.12)."
DICE_END = "The last step ends in its mean: no noise where t is the first level."
VARIANCE = "Scale the dice by the deviation, the root of the variance (3.4)."
SLIPS = (
    wrong("noise at the last step", DICE_END, posterior_mean, beta_root),
    wrong("noise at the last step", DICE_END, lambda n: posterior_mean(n.clipped()), beta_root),
    wrong("a variance for its root", VARIANCE, posterior_mean, lambda n: n.back.var),
    wrong("a variance for its root", VARIANCE, posterior_mean, quiet(lambda n: n.back.beta)),
    wrong("a variance for its root", VARIANCE, posterior_mean, lambda n: n.back.beta),
    wrong("the root twice", "The deviation is one root of the variance, not two.",
          posterior_mean, lambda n: tilde_root(n).sqrt()),
    wrong("the root twice", "The deviation is one root of the variance, not two.",
          posterior_mean, quiet(lambda n: beta_root(n).sqrt())),
    wrong("no noise between the steps", "The mean alone is no step of this chain: add the dice, or walk by DDIM (6.12).",
          posterior_mean, none),
    wrong("a clipped x0 with the old eps", CLIP_OLD, lambda n: ddim_mean(n.clipped()), none),
    wrong("a clipped x0 with the old eps", CLIP_OLD, lambda n: ddim_mean(n.clipped(), tilde_root(n)), tilde_root),
    wrong("all of the noise kept, and dice added", "With dice of variance v, eps is scaled by sqrt(1 - alpha-bar - v) (6.12).",
          ddim_mean, tilde_root),
    wrong("unit dice", "Scale the dice by the deviation of the step.", posterior_mean, quiet(lambda n: 1 + 0 * n.s)),
)  # fmt: skip


def eps_slips(std: Callable) -> tuple[Rule, ...]:
    "Slips in (6.3), with these dice."
    root, over = (lambda n: n.back.alpha.sqrt()), (lambda n: n.back.alpha.rsqrt())

    def factor(n: Step) -> Tensor:
        return n.back.beta / n.s

    mended = "The mean is (x_t - beta_t / sqrt(1 - alpha-bar_t) eps) / sqrt(alpha_t), (6.3): "
    rows = (
        ("a root missing beside beta", "divide beta by the root of 1 - alpha-bar.", lambda n: n.back.beta / n.s**2, over),
        ("the root of beta in the mean", "beta stands there without a root.", lambda n: beta_root(n) / n.s, over),
        ("beta not divided", "divide beta by sqrt(1 - alpha-bar).", lambda n: n.back.beta, over),
        ("not divided by sqrt(alpha)", "all of it is divided by sqrt(alpha_t).", factor, lambda n: 1 + 0 * n.s),
        ("divided by alpha", "the root of alpha_t divides.", factor, lambda n: 1 / n.back.alpha),
        ("multiplied by sqrt(alpha)", "sqrt(alpha_t) divides.", factor, root),
        ("a bar too many", "sqrt(alpha_t) of this step divides, not sqrt(alpha-bar_t).", factor, lambda n: 1 / n.a),
        ("eps with its sign turned", "the noise is taken away.", lambda n: -factor(n), over),
        ("alpha-bar for its rest", "divide beta by sqrt(1 - alpha-bar), not sqrt(alpha-bar).", lambda n: n.back.beta / n.a, over),
    )  # fmt: skip
    return tuple(
        wrong(name, mended + cure, lambda n, c=c, d=d: from_eps(n, c, d), std)
        for name, cure, c, d in rows
    )


def barred(n: Step) -> Tensor:
    return n.back.of_x0 * n.x0 + n.a * n.back.rest_before / n.back.rest * n.x


SLIPS = SLIPS + (
    *eps_slips(tilde_root), *eps_slips(quiet(beta_root)), *eps_slips(none), *eps_slips(beta_root),
    wrong("a bar too many in the step back", "x_t is multiplied by sqrt(alpha_t) of this step (8b.2).", barred, tilde_root),
    wrong("a bar too many in the step back", "x_t is multiplied by sqrt(alpha_t) of this step (8b.2).", barred, quiet(beta_root)),
    wrong("the same level twice", "The step must end at the next level: it was made with the scales of the level it came from.",
          lambda n: n.a * n.x0 + n.s * n.eps, none),
    wrong("the wrong way along the line", "The velocity is eps - x_0 on a clock with noise at t = 1: walk towards t = 0.",
          only(off_line, lambda n: n.x - (n.s_next - n.s) * (n.eps - n.x0)), none),
)  # fmt: skip
RULES = RIGHT + SLIPS


def fits(rule: Rule, step: Step) -> tuple[float, float]:
    "Of one step: the remainder relative to x where there are no dice, else 0; the largest deviation in standard errors."
    std, mean = rule.std(step), rule.mean(step)
    off, size = step.after - mean, step.after.abs().max().clamp(min=1e-6)
    if not bool(off.isfinite().all()):
        return float("inf"), float("inf")
    if std < 1e-7:
        return (off.abs().max() / size).item(), 0.0
    z, n = off / std, off.numel()
    tests = [(z.square().mean() - 1) * (n / 2) ** 0.5]
    for other in (torch.ones_like(z), step.x, step.eps):
        tests.append((z * other).mean() * (n / other.square().mean().clamp(min=1e-12)) ** 0.5)
    return 0.0, max(abs(float(t)) for t in tests)
