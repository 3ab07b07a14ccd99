"What steps people take, right ones and wrong ones: the rows that a walk is held against."

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..solvers import SOLVERS
from .steps import Step, Way, heun, of, plms, single, weighed
from .tape import Answer, Claim, Level, Tape
from .verdict import Slip, slips

__all__ = ["RIGHT", "SLIPS"]

# ---------------------------------------------------------------------------------- a step that asks once


def posterior_mean(n: Step) -> Tensor:
    return n.back.of_x0 * n.x0 + n.back.of_x_t * n.x


def ddim_mean(n: Step, std: Tensor | float = 0.0) -> Tensor:
    "a' x0 + what is left of the noise's variance after the fresh noise."
    return n.a_next * n.x0 + (n.s_next**2 - std**2).clamp(min=0).sqrt() * n.eps


def clean(n: Step) -> Step:
    "x0 clipped, and the eps that goes with it."
    x0 = n.x0.clamp(-1, 1)
    return n.with_x0(x0, (n.x - n.a * x0) / n.s)


def beta_root(n: Step) -> Tensor:
    return n.back.beta.clamp(min=0).sqrt()


def tilde_root(n: Step) -> Tensor:
    return n.back.var.clamp(min=0).sqrt()


def quiet(std: Callable) -> Callable:
    "No noise in the last step."
    return lambda n: 0 * n.s if n.last else std(n)


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


def in_sigma(end: Callable[[Step], Tensor]) -> Callable:
    "x + (end - sigma) (x - x0) / sigma."
    return only(off_sigma, lambda n: n.x + (end(n) - n.s) * (n.x - n.x0) / n.s)


def down_root(n: Step) -> Tensor:
    return (n.s_next**2 - n.back.var).clamp(min=0).sqrt()


def bare_up(n: Step) -> Tensor:
    "The whole difference of the variances as noise, as far as sigma' goes."
    return torch.minimum(n.s_next, (n.s**2 - n.s_next**2).clamp(min=0).sqrt())


def along(sign: float) -> Callable:
    "x + (t' - t) (eps - x0), or the other way."
    return only(off_line, lambda n: n.x + sign * (n.s_next - n.s) * (n.eps - n.x0))


def by_x0(change: Callable[[Step], Tensor]) -> Callable:
    "DDIM's mean with another x0."
    return lambda n: ddim_mean(n.with_x0(change(n)))


# ---------------------------------------------------------------------------------- rules with a memory

MIDDLE, FITTED, ADAMS = (weighed(SOLVERS[name].rule) for name in ("2m", "3m", "ipndm"))


def bh1(nodes: Sequence[float], h: float) -> Sequence[float]:
    "UniPC's predictor with B(h) = h."
    back = (
        0.5 * h / -torch.expm1(torch.tensor(-h, dtype=torch.float64)).item() / (nodes[0] - nodes[1])
    )
    return FITTED(nodes, h) if len(nodes) > 2 else (1 + back, -back)


def bh1_corrects(nodes: Sequence[float], h: float) -> Sequence[float]:
    "UniPC's corrector with B(h) = h."
    back = 0.5 * h / -torch.expm1(torch.tensor(-h, dtype=torch.float64)).item()
    return FITTED(nodes, h) if len(nodes) > 2 else (back, 1 - back)


def middle_first(rule: Callable) -> Callable:
    "A rule of three answers that begins with the midpoint rule of two."
    return lambda nodes, h: MIDDLE(nodes, h) if len(nodes) == 2 else rule(nodes, h)


def middle(back: Callable[[float], float]) -> Callable:
    "Two answers' weights, from the last step over this one: what the older one counts less."
    return lambda nodes, h: (1 + back(-nodes[1]), -back(-nodes[1]), *[0.0] * (len(nodes) - 2))


def adams(*rows: Sequence[float]) -> Callable:
    return lambda nodes, h: rows[min(len(nodes), len(rows)) - 1]


def turned(rule: Callable) -> Callable:
    "What earlier answers count, with the other sign."

    def make(nodes: Sequence[float], h: float) -> Sequence[float]:
        first, *rest = rule(nodes, h)
        return (2 - first, *[-w for w in rest])

    return make


def log_h(factor: float) -> Callable:
    "Coefficients of a step whose h is another multiple of what it is, where it counts the answers."

    def bend(of_x: float, of_answer: float, here: Level, there: Level) -> tuple[float, float]:
        if there.s == 0:
            return of_x, of_answer
        return of_x, there.a * (1 - (of_x * here.a / there.a) ** factor)

    return bend


def spread(change: Callable[[float], float]) -> Callable:
    "Noise of s' times the root of what is made of e^-h; none at the end."
    ratio = lambda here, there: there.s / there.a * here.a / here.s  # noqa: E731
    return lambda here, there: there.s * change(ratio(here, there)) ** 0.5 if there.s else 0.0


def old_sigma(answer: Answer, x: Tensor, here: Level, there: Level) -> Answer:
    "The second slope, divided by the noise that was, and not by that of the place where it was asked."
    return answer._replace(eps=(x - there.a * answer.x0) / here.s)


HEUN = of(SOLVERS["heun"], where="end")
M2, SDE = of(SOLVERS["2m"]), of(SOLVERS["2m-sde"])
# the corrected x is not seen
PC, PC3 = of(SOLVERS["unipc2"], loose=4), of(SOLVERS["unipc3"], loose=8)
END = adams((1.0,), (0.0, 1.0))
MIDPOINT = Way("eps", END, stages=((1.0,),), where="inside")
FIRST = Way("x0", lambda nodes, h: (1.0, *[0.0] * (len(nodes) - 1)))

# ---------------------------------------------------------------------------------- right ones

RIGHT: tuple[Slip, ...] = tuple(Slip(name, "", tuple(makes)) for name, *makes in (
    ("an ancestral step in sigma, which is the posterior's, (6.7)", single(in_sigma(down_root), tilde_root)),
    ("Euler's step in sigma, which is DDIM's, (6.12)", single(in_sigma(lambda n: n.s_next))),
    ("Euler's step along the straight line, which is DDIM's, (6.12)", single(along(1))),
    ("the posterior's mean and variance, (6.7)", single(posterior_mean, tilde_root)),
    ("the posterior's mean, the variance beta, no noise at the end", single(posterior_mean, quiet(beta_root))),
    ("DDIM without noise, (6.12)", single(ddim_mean)),
    ("the posterior with x0 clipped", single(lambda n: posterior_mean(n.clipped()), tilde_root)),
    ("the posterior with x0 clipped, the variance beta, no noise at the end",
     single(lambda n: posterior_mean(n.clipped()), quiet(beta_root))),
    ("DDIM with x0 clipped and its eps", single(lambda n: ddim_mean(clean(n)))),
    ("DDIM with all of its noise", single(lambda n: ddim_mean(n, tilde_root(n)), tilde_root)),
    ("DDIM with x0 clipped, its eps, and all of its noise",
     single(lambda n: ddim_mean(clean(n), tilde_root(n)), tilde_root)),
    ("DPM-Solver++(2M), (13.4)", M2),
    ("DPM-Solver++(2M) with the exact integral of its line", replace(M2, rule=FITTED)),
    ("DPM-Solver++(3M)", of(SOLVERS["3m"])),
    ("DPM-Solver++(3M) with half its bend, as packages have it", of(SOLVERS["3m-half"]),
     replace(of(SOLVERS["3m-half"]), rule=middle_first(SOLVERS["3m-half"].rule))),
    ("SDE-DPM-Solver++(2M)", SDE, replace(SDE, rule=FITTED)),
    ("SDE-DPM-Solver++(3M)", replace(of(SOLVERS["3m"]), dial=1.0), replace(of(SOLVERS["3m-half"]), dial=1.0)),
    ("DPM-Solver++(2S)", Way("x0", END, stages=((1.0,),), where="inside"), Way("x0", MIDDLE, stages=((1.0,),)),
     Way("x0", MIDDLE, stages=((1.0,),), tail=1)),
    ("DPM-Solver++(2S) with ancestral noise", Way("x0", END, stages=((1.0,),), where="inside", to="down")),
    ("DPM-Solver++ with noise at both calls", Way("x0", END, stages=((1.0,),), where="inside", to="down", stage_noise=True)),
    ("DPM-Solver(2M)", Way("eps", MIDDLE, 1, log=True)),
    ("DPM-Solver(2M), or DEIS, with the exact integral of its line", Way("eps", FITTED, 1, log=True)),
    ("DEIS of order 3", Way("eps", FITTED, 2, log=True, loose=8)),
    ("DPM-Solver-2, or Euler's midpoint", MIDPOINT, replace(of(SOLVERS["rk4"]), rule=END, stages=((1.0,),), where="inside")),
    ("DPM-Solver-2 with ancestral noise", replace(MIDPOINT, to="down")),
    ("UniPC of order 2", PC, replace(PC, rule=bh1, corrects=bh1_corrects)),
    ("UniPC of order 3", PC3, replace(PC3, rule=bh1, corrects=bh1_corrects)),
    ("Heun's step, EDM's algorithm 1", HEUN),
    ("Heun's step with churn, EDM's algorithm 2", replace(HEUN, to="stage")),
    ("Heun's step along the straight line", Way("line", lambda nodes, h: (0.5, 0.5), stages=((1.0,),), where="end")),
    ("the midpoint step along the straight line", Way("line", END, stages=((1.0,),), where="inside")),
    ("Runge and Kutta's step along the straight line",
     replace(of(SOLVERS["rk4"]), holds="line")),
    ("Runge and Kutta's step of order 4", of(SOLVERS["rk4"])),
    ("Adams and Bashforth's step along the straight line", Way("line", FITTED, 1), Way("line", FITTED, 3)),
    ("iPNDM, Adams and Bashforth's fixed weights", of(SOLVERS["ipndm"]), replace(of(SOLVERS["ipndm"]), past=1),
     replace(of(SOLVERS["ipndm"]), past=2)),
    ("PNDM without its Runge and Kutta steps", plms(ADAMS)),
    ("LMS, Adams and Bashforth's step in sigma", *(replace(of(SOLVERS["adams"]), past=k) for k in (3, 2, 1))),
    ("Euler's step in log SNR", of(SOLVERS["euler"])),
))  # fmt: skip

# ---------------------------------------------------------------------------------- slips

DEVIATION = "Scale the noise by the deviation, the root of the variance (3.4)."
END_NOISE = "The last step ends in its mean: no noise where t is the first level."
OLD_EPS = "Once x0 is clipped, eps must be taken anew: (x_t - a x0) / s. With the old one the step changes x_t (8b.12)."
INDEX = "The step must end at the level that is asked next: look up its alpha-bar by the walk's own list of times."
ROOT = "DDIM is sqrt(alpha-bar') x0 + sqrt(1 - alpha-bar') eps (6.12): "
LINE = "With r = h_last / h the answer of now counts 1 + 1/(2r), the one before -1/(2r) (13.4): "
HALF = "h is the difference of log(a / s), half of that of log SNR = log(a^2 / s^2): "
MEAN = "The mean is (x_t - beta_t / sqrt(1 - alpha-bar_t) eps) / sqrt(alpha_t), (6.3): "
UP = "An ancestral step goes down to sqrt(sigma'^2 - up^2), and up by noise of up = sigma' sqrt(sigma^2 - sigma'^2) / sigma: "
NEW = "Heun's second slope is (x' - D(x', sigma')) / sigma', all of it at the end of the step: "


def by_eps(words: Sequence) -> list[tuple]:
    "Slips in (6.3), each with every deviation of the noise."
    mended, *rows = words
    every = tilde_root, quiet(beta_root), None, beta_root
    return [(name, mended + cure, *(single(lambda n, c=factor, d=over: d(n) * (n.x - c(n) * n.eps), std) for std in every),
             *seen) for name, cure, factor, over, *seen in rows]  # fmt: skip


def share(n: Step) -> Tensor:
    return n.back.beta / n.s


def over_root(n: Step) -> Tensor:
    return n.back.alpha.rsqrt()


def barred(n: Step) -> Tensor:
    return n.back.of_x0 * n.x0 + n.a * n.back.rest_before / n.back.rest * n.x


def table_beta(n: Step) -> Tensor:
    "The root of beta of the table's own step to this call."
    here, before = n.tape.near(n.i, 0), n.tape.near(n.i, -1)
    return n.x.new_tensor(max(0.0, 1 - (here.a / before.a) ** 2) ** 0.5)


def last_h(tape: Tape) -> Iterator[Claim]:
    "DPM-Solver++(2M), whose coefficient of the answers has the length of the step before."
    for i, claim in enumerate(M2(tape)):
        if i and claim.there.s > 0:
            of_x = claim.there.s / claim.here.s
            mixed = (claim.means[0] - of_x * claim.before) / (claim.there.a - claim.here.a * of_x)
            gone = -math.expm1(tape.level(i - 1).half - claim.here.half)
            claim = claim._replace(means=(of_x * claim.before + claim.there.a * gone * mixed,))
        yield claim


def to_near(by: int) -> Callable:
    "DDIM's mean at the table's neighbour of this call, where the walk itself goes further."

    def make(n: Step) -> Tensor:
        level = n.tape.near(n.i, by)
        same = abs(level.s - n.tape.level(n.i + 1).s) < 1e-12
        return torch.full_like(n.x, torch.inf) if same and not n.last else ddim_mean(n.to(level))

    return make


def beyond(by: int) -> Callable:
    "DDIM's mean at the table's neighbour of the level that is asked next; at the end, of the last entry."

    def make(n: Step) -> Tensor:
        if n.i + 1 == len(n.tape):
            return ddim_mean(n)
        return ddim_mean(n.to(n.tape.near(n.i + 1, by)))

    return make


def fixed_stride(n: Step) -> Tensor:
    "DDIM's mean at t less the table's length over the number of steps, as if the walk's times were even."
    return ddim_mean(n.to(n.tape.near(n.i, -(len(n.tape.table) // len(n.tape)))))


# The first row that fits is named. Each is walked in tests/referee/loops.py, WRONG; what is seen without a rule of a
# step stands in NAMED of sampler.py.
SLIPS: tuple[Slip, ...] = slips(
    ("DDIM without its noise", ROOT + "the noise is missing, so x0 alone is handed on.", single(lambda n: n.a_next * n.x0),
     "jsboige/CoursIA#16158"),
    ("noise at the last step", END_NOISE, single(posterior_mean, beta_root),
     single(lambda n: posterior_mean(n.clipped()), beta_root), "IDEALLab/EngiOpt#66"),
    ("a variance for its root", DEVIATION, *(single(posterior_mean, f) for f in (
        lambda n: n.back.var, quiet(lambda n: n.back.beta), lambda n: n.back.beta))),
    ("the root twice", "The deviation is one root of the variance, not two.",
     single(posterior_mean, lambda n: tilde_root(n).sqrt()), single(posterior_mean, quiet(lambda n: beta_root(n).sqrt()))),
    ("no noise between the steps", "The mean alone is no step of this chain: add the noise, or walk by DDIM (6.12).",
     single(posterior_mean)),
    ("a clipped x0 with the old eps", OLD_EPS, single(lambda n: ddim_mean(n.clipped())),
     single(lambda n: ddim_mean(n.clipped(), tilde_root(n)), tilde_root), "lucidrains/denoising-diffusion-pytorch#84"),
    ("all of the noise kept, and fresh noise added", "With noise of variance v, eps is scaled by sqrt(1 - alpha-bar - v) (6.12).",
     single(ddim_mean, tilde_root)),
    ("unit noise", "Scale the noise by the deviation of the step.", single(posterior_mean, quiet(lambda n: 1 + 0 * n.s))),
    ("noise of the whole jump", "The variance of the step is that of the posterior, not 1 - alpha-bar of either level.",
     single(posterior_mean, quiet(lambda n: n.s)), single(posterior_mean, lambda n: n.s_next),
     single(lambda n: ddim_mean(n, n.s), quiet(lambda n: n.s)), "jsboige/CoursIA#16158"),
    ("the guessed noise for fresh noise", "A step's noise is drawn anew: torch.randn_like(x), not what the network said.",
     *(single(lambda n, f=f: posterior_mean(n) + f(n) * n.eps) for f in (
         tilde_root, quiet(beta_root), lambda n: n.back.var, quiet(lambda n: n.back.beta))), "IDEALLab/EngiOpt#66"),
    ("beta of one entry in a longer step", "A step over several entries has beta = 1 - alpha-bar / alpha-bar' of its own.",
     single(posterior_mean, quiet(table_beta)), "huggingface/diffusers#3006"),
    ("the variance not divided", "beta-tilde is beta (1 - alpha-bar') / (1 - alpha-bar): divide.",
     single(posterior_mean, lambda n: (n.back.beta * n.back.rest_before).clamp(min=0).sqrt()),
     "varun-ml/diffusion-models-tutorial#1"),
    *by_eps((MEAN,
     ("a root missing beside beta", "divide beta by the root of 1 - alpha-bar.", lambda n: n.back.beta / n.s**2, over_root),
     ("the root of beta in the mean", "beta stands there without a root.", lambda n: beta_root(n) / n.s, over_root),
     ("beta not divided", "divide beta by sqrt(1 - alpha-bar).", lambda n: n.back.beta, over_root),
     ("not divided by sqrt(alpha)", "all of it is divided by sqrt(alpha_t).", share, lambda n: 1 + 0 * n.s),
     ("divided by alpha", "the root of alpha_t divides.", share, lambda n: 1 / n.back.alpha),
     ("multiplied by sqrt(alpha)", "sqrt(alpha_t) divides.", share, lambda n: n.back.alpha.sqrt()),
     ("a bar too many", "sqrt(alpha_t) of this step divides, not sqrt(alpha-bar_t).", share, lambda n: 1 / n.a),
     ("eps with its sign turned", "the noise is taken away.", lambda n: -share(n), over_root),
     ("alpha-bar for its rest", "divide beta by sqrt(1 - alpha-bar), not sqrt(alpha-bar).", lambda n: n.back.beta / n.a,
      over_root),
     ("the variance of the noise in the mean", "beta_t stands there, not beta-tilde.", lambda n: n.back.var / n.s, over_root),
     ("the noise of the jump in the mean", "beta_t of the step stands there, not 1 - alpha-bar_t.", lambda n: n.s, over_root,
      "coleygroup/shepherd#14"),
    )),
    ("a bar too many in the step back", "x_t is multiplied by sqrt(alpha_t) of this step (8b.2).",
     single(barred, tilde_root), single(barred, quiet(beta_root))),
    ("the same level twice", "The step must end at the next level: it was made with the scales of the level it came from.",
     single(lambda n: n.a * n.x0 + n.s * n.eps)),
    ("the previous index is t - 1", INDEX, single(to_near(-1)), "hustvl/DiffusionDrive#55"),
    ("the previous index by a fixed stride", INDEX, single(fixed_stride),
     "huggingface/diffusers#12633, huggingface/diffusers#11347"),
    ("the previous index is one too low", INDEX, single(beyond(-1)),
     "lucidrains/denoising-diffusion-pytorch#81"),
    ("the previous index is one too high", INDEX, single(beyond(1))),
    ("the step goes the other way", "The next level has less noise: look up t minus the stride, not plus.",
     single(to_near(1)), "huggingface/diffusers#10695"),
    ("a root missing in DDIM's noise", ROOT + "a root is missing beside eps.",
     single(lambda n: n.a_next * n.x0 + n.s_next**2 * n.eps),
     "mathpluscode/ImgX-DiffSeg#4"),
    ("a root missing in DDIM's picture", ROOT + "a root is missing beside x0.",
     single(lambda n: n.a_next**2 * n.x0 + n.s_next * n.eps)),
    ("a root missing in x0", "x0 is (x_t - sqrt(1 - alpha-bar) eps) / sqrt(alpha-bar): a root is missing.",
     single(by_x0(lambda n: (n.x - n.s**2 * n.eps) / n.a)), single(by_x0(lambda n: (n.x - n.s * n.eps) / n.a**2)),
     single(by_x0(lambda n: (n.x - n.s**2 * n.eps) / n.a**2))),
    ("x0 with its sign turned", "x0 is (x_t - sqrt(1 - alpha-bar) eps) / sqrt(alpha-bar): the noise is taken away.",
     single(by_x0(lambda n: (n.x + n.s * n.eps) / n.a))),
    ("x0 handed on as it is", "x' is a' x0 and the noise of its level, not x0 itself.", single(lambda n: n.x0),
     single(lambda n: n.x0 + n.s_next * n.eps if n.tape.kind == "steps" else torch.full_like(n.x, torch.inf))),
    ("the wrong way along the line", "The velocity is eps - x_0 on a clock with noise at t = 1: walk towards t = 0.",
     single(along(-1)), "lucidrains/rectified-flow-pytorch#14, soran-ghaderi/torchebm#284"),
    ("down without its root", UP + "down is a root.",
     single(in_sigma(lambda n: (n.s_next**2 - n.back.var).clamp(min=0)), tilde_root)),
    ("down and up swapped", UP + "the two stand in each other's place.", single(in_sigma(tilde_root), down_root)),
    ("up without the ratio of sigmas", UP + "the ratio is missing.",
     single(in_sigma(lambda n: (n.s_next**2 - bare_up(n) ** 2).clamp(min=0).sqrt()), bare_up)),
    ("noise of all of sigma'", UP + "up is less than sigma'.", single(in_sigma(lambda n: n.s_next), lambda n: n.s_next)),
    ("the slope not divided", "The slope is (x - x0) / sigma: divide by sigma.",
     single(only(off_sigma, lambda n: n.x + (n.s_next - n.s) * (n.x - n.x0)))),
    ("the slope with its sign turned", "The slope is (x - x0) / sigma, and sigma' - sigma is below 0.",
     single(only(off_sigma, lambda n: n.x - (n.s_next - n.s) * (n.x - n.x0) / n.s))),
    ("the slope divided by the next sigma", "The slope at x is divided by sigma, the noise that x has.",
     single(only(off_sigma, lambda n: n.x + (n.s_next - n.s) * (n.x - n.x0) / (n.s if n.last else n.s_next)))),
    ("the correction with its sign turned", LINE + "a sign is turned.", replace(M2, rule=turned(MIDDLE)),
     replace(SDE, rule=turned(MIDDLE)), replace(M2, rule=turned(FITTED))),
    ("the ratio of steps upside down", LINE + "yours counts h / h_last for r.", replace(M2, rule=middle(lambda r: r / 2)),
     replace(SDE, rule=middle(lambda r: r / 2))),
    ("the line read at the end of the step", LINE + "the half is missing.", replace(M2, rule=middle(lambda r: 1 / r)),
     replace(SDE, rule=middle(lambda r: 1 / r))),
    ("the line read a quarter on", LINE + "the half stands there twice.", replace(M2, rule=middle(lambda r: 0.25 / r)),
     replace(SDE, rule=middle(lambda r: 0.25 / r))),
    ("weights that do not add to 1", "What all answers agree on must stay as it is: their weights add to 1.",
     replace(M2, rule=lambda nodes, h: (1 - 0.5 / nodes[1], -0.5 / nodes[1])),
     replace(M2, rule=lambda nodes, h: (1.0, 0.5 / nodes[1])),
     replace(of(SOLVERS["ipndm"]), rule=adams(*[[abs(w) for w in ADAMS([0.0] * n, 0.0)] for n in (1, 2, 3, 4)]))),
    ("the answer before the last", "The older answer is that of the step before, not of two steps before: store each one.",
     replace(M2, past=2, rule=MIDDLE, pick=lambda told: [told[0], told[2]._replace(level=told[1].level)] if len(told) > 2
             else told)),
    ("h of log SNR for half of it", HALF + "your h is twice as long.", *(replace(w, bend=log_h(2.0)) for w in (M2, SDE, FIRST))),
    ("h of the step before", "Both coefficients are of this step's own h.", last_h, "crowsonkb/k-diffusion#56"),
    ("half of h", HALF + "your h is halved once more.", *(replace(w, bend=log_h(0.5)) for w in (M2, SDE, FIRST))),
    ("noise of half a step", "The noise of the SDE has the variance s'^2 (1 - e^-2h).",
     replace(SDE, noise=spread(lambda q: 1 - q)), replace(replace(SDE, rule=FITTED), noise=spread(lambda q: 1 - q))),
    ("noise of a step twice as long", "The noise of the SDE has the variance s'^2 (1 - e^-2h).",
     replace(SDE, noise=spread(lambda q: 1 - q**4))),
    ("no noise in the SDE", "The SDE's step shrinks x further than the flow's, and gives that back as noise.",
     replace(SDE, noise=lambda here, there: 0.0)),
    ("noise added to the flow's step", "A step that adds noise shrinks x by e^-h more, and counts its answers over 2 h.",
     replace(M2, noise=spread(lambda q: 1 - q**2)), replace(FIRST, noise=spread(lambda q: 1 - q**2)),
     single(along(1), lambda n: n.s - n.s_next),
     "jmtomczak/intro_dgm#10"),
    ("the end's slope alone", NEW + "it is averaged with the first.", heun((0.0, 1.0)), heun((0.0, 1.0), holds="line")),
    ("the two slopes not halved", NEW + "and the two are averaged, not added.", heun((1.0, 1.0)), heun((1.0, 1.0), holds="line")),
    ("the slopes subtracted", NEW + "and the two are averaged.", heun((0.5, -0.5)), heun((1.5, -0.5)),
     heun((1.5, -0.5), holds="line")),
    ("the second slope over the old sigma", NEW + "yours is divided by the sigma of the beginning.",
     heun((0.5, 0.5), old_sigma), "huggingface/diffusers#1512"),
    ("fixed weights with a sign turned", "Adams and Bashforth's weights are 3/2, -1/2, then 23, -16, 5 over 12, then 55, -59, "
     "37, -9 over 24.", replace(of(SOLVERS["ipndm"]), rule=turned(ADAMS)), plms(turned(ADAMS)),
     *(replace(of(SOLVERS["adams"]), rule=turned(FITTED), past=k) for k in (3, 1))),
    ("the corrector's weights for the predictor", "A predictor looks ahead with answers of the past: 3/2 and -1/2, not 1/2 "
     "and 1/2.", replace(of(SOLVERS["ipndm"]), rule=adams((1.0,), (0.5, 0.5)), past=1),
     replace(M2, rule=lambda nodes, h: (0.5, 0.5))),
    ("the corrector counts the end alone", "UniPC's corrector counts both ends of the step: half and half at order 1.",
     replace(PC, corrects=lambda nodes, h: (1.0, *[0.0] * (len(nodes) - 1)))),
    ("the corrector with its sign turned", "UniPC's corrector adds half of what the new answer differs from the old one.",
     replace(PC, corrects=lambda nodes, h: (-0.5, 1.5, *[0.0] * (len(nodes) - 2)))),
)  # fmt: skip
