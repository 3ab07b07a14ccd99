"The sampler gets a network that knows the answer."

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from .. import checks
from ..laws.mixture import GaussianMixture
from .clock import Clock, clock_of
from .loss import KINDS
from .noising import no_verdict
from .steps import RULES, Rule, Step, fits
from .verdict import NoAnswer, Verdict, as_numbers, ask

__all__ = ["LAWS", "law_of", "sampler"]

SEE = "chapter 6, (6.11) and (6.12), and chapter 8b"
SIGMAS = 5.0


def ring() -> GaussianMixture:
    "Eight bells on a circle in the plane, each of deviation 0.05."
    angle = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    means = 0.7 * torch.stack([angle.cos(), angle.sin()], 1)
    return GaussianMixture(torch.ones(8) / 8, means, torch.full((8,), 0.05**2, dtype=torch.float64))


def humps() -> GaussianMixture:
    "Shares 0.3 and 0.7 at -0.6 and 0.5, deviations 0.05 and 0.1."
    kind = {"dtype": torch.float64}
    return GaussianMixture(
        [0.3, 0.7], torch.tensor([[-0.6], [0.5]], **kind), torch.tensor([0.0025, 0.01], **kind)
    )


def pixels() -> GaussianMixture:
    "Four patterns of 8 x 8 pixels with even shares; a deviation of 0.1 around each."
    ramp = torch.linspace(-0.6, 0.6, 8, dtype=torch.float64)
    across = ramp.expand(8, 8)
    one = torch.stack([across, across.T, -across, 0.5 * (across + across.T)])[:, None]
    return GaussianMixture(torch.ones(4) / 4, one, torch.full((4,), 0.01, dtype=torch.float64))


LAWS: dict[str, tuple[Callable, int]] = {
    "humps": (humps, 8192),
    "ring": (ring, 8192),
    "pixels": (pixels, 512),
}


def law_of(law: Any) -> tuple[GaussianMixture, int]:
    "A law, and how many draws of it are asked for."
    if isinstance(law, GaussianMixture):
        checks.refuse(law.components.var == 0, "law must have variances above 0, got a point mass")
        return law.to(torch.float64), 4096
    make, n = LAWS[checks.one_of("law", law, list(LAWS))]
    return make(), n


class Knows:
    "A network that knows a law: network(x, t) says what predicts names, at the scales that t has on a clock."

    def __init__(self, law: GaussianMixture, clock: Clock, predicts: str, push: float = 0.0):
        self.law, self.clock, self.predicts, self.push = law, clock, predicts, push
        self.asked: list[tuple] = []
        self.dice = Generator().manual_seed(11)

    def __call__(self, x: Any, t: Any = None, *more: Any, **named: Any) -> Tensor:
        if (
            not isinstance(x, Tensor)
            or not x.is_floating_point()
            or x.shape[1:] != self.law.event_shape
        ):
            fits = f"(n, {', '.join(map(str, self.law.event_shape))})"
            raise NoAnswer(
                f"it asked the network about {checks.got(x)} {tuple(getattr(x, 'shape', ()))}, {fits} was due"
            )
        t = next(iter(named.values()), None) if t is None else t
        if t is None:
            raise NoAnswer("the network was not told a time")
        a, s = self.clock.scales(t)
        if len(a) > 1 and not bool((a == a[0]).all()):
            raise NoAnswer(
                "it told the network several times at once, and one level for the whole batch was due"
            )
        a, s = a[0], s[0]
        if s == 0:
            raise NoAnswer("it asked the network at a level without noise")
        wide, size = x.detach().double(), (a**2 + s**2).sqrt()
        x0 = self.law.denoise(wide / size, 2 * (a.log() - s.log()))
        noise = torch.randn(wide.shape, generator=self.dice, dtype=wide.dtype)
        eps = (wide - a * x0) / s + self.push * noise
        x0 = x0 if not self.push else (wide - s * eps) / a if a > 0 else x0
        self.asked.append((wide, x0, eps, a, s, t))
        return KINDS[self.predicts](x0=x0, eps=eps, a=a, s=s).to(x)

    def eval(self) -> "Knows":
        return self


def walk(f: Callable, knows: Knows, n: int, seed: int) -> Tensor:
    "The draws of a sampler."
    shape = (n, *knows.law.event_shape)
    x = as_numbers(ask(partial(f, knows, shape), (), seed), "draws")
    if x.shape != shape:
        raise NoAnswer(f"its draws have shape {tuple(x.shape)}, and {shape} was due")
    if not bool(x.isfinite().all()):
        raise NoAnswer("its draws are not finite")
    if not knows.asked:
        raise NoAnswer("it never asked the network")
    return x


def of_hump(name: str, mine: Tensor, mean: Tensor, std: float) -> list[tuple[str, float, float]]:
    "Place and width of one hump's draws (m, d)."
    (m, d), apart = mine.shape, mine - mean
    moved = apart.mean(0).abs().max().item()
    wide = apart.square().mean().item() / std**2
    far = f"{name} is moved by {moved:.3g}, its width is {std:.3g}"
    return [(far, moved, moved / std * m**0.5),
            (f"the width of {name} is {wide**0.5:.3f} times its own", wide**0.5 - 1, (wide - 1) * (m * d / 2) ** 0.5)]  # fmt: skip


def against(law: GaussianMixture, x: Tensor) -> list[tuple[str, float, float]]:
    "What of the draws is compared: in words, its relative or plain difference, and that in standard errors."
    which, n, rows = law.responsibilities(x).argmax(1), len(x), []
    for k, share in enumerate(law.weights.tolist()):
        mine, std = x[which == k].flatten(1), law.components.var[k].mean().sqrt().item()
        off = len(mine) / n - share
        said = f"the share of hump {k + 1} is {len(mine) / n:.3f} for {share:.3f}"
        rows.append((said, off, off / (share * (1 - share) / n) ** 0.5 if share < 1 else 0.0))
        if len(mine) >= 20:
            rows += of_hump(f"hump {k + 1}", mine, law.means[k].flatten(), std)
    return rows


def largest(rows: Sequence[tuple]) -> tuple[str, float, float]:
    return max(rows, key=lambda row: abs(row[2]))


def steps_of(knows: Knows, draws: Tensor, shift: int = 0) -> list[Step]:
    "The steps of a walk; shift: the scales are those of entries so far from what the network was told."
    asked, clock = knows.asked, knows.clock
    levels = []
    for _, _, _, a, s, t in asked:
        if shift:
            place = (clock.place(t)[0] + shift).clamp(0, len(clock.a) - 1)
            a, s = clock.a[place], clock.s[place]
        levels.append((a, s))
    clean = (torch.ones(()).double(), torch.zeros(()).double())
    after = [row[0] for row in asked[1:]] + [draws]
    rows = []
    for (x, x0, eps, *_), nxt, (a, s), (b, r) in zip(
        asked, after, levels, [*levels[1:], clean], strict=True
    ):
        x0 = (x - s * eps) / a.clamp(min=1e-12) if shift else x0
        rows.append(Step(x, x0, eps, nxt, a, s, b, r))
    return rows


def explains(rule: Rule, steps: Sequence[Step]) -> tuple[float, float] | None:
    "The largest remainder and deviation of a rule over a walk; None where it fails somewhere."
    worst = (0.0, 0.0)
    most = SIGMAS + 0.3 * math.log(len(steps))  # the largest of many is larger
    for step in steps:
        size, errors = fits(rule, step)
        if size > 2e-4 or errors > most:
            return None
        worst = max(worst[0], size), max(worst[1], errors)
    return worst


def found_rule(knows: Knows, draws: Tensor) -> tuple[Rule, int, tuple[float, float]] | None:
    "The rule that the walk went by, and by how many entries the network was told another time."
    shifts = (0, 1, -1) if knows.clock.kind == "steps" and len(knows.asked) > 2 else (0,)
    for shift in shifts:
        steps = steps_of(knows, draws, shift)
        if shift:  # at the ends of the table the time may have been clamped
            inner = [
                0 < knows.clock.place(row[5])[0] < len(knows.clock.a) - 1 for row in knows.asked
            ]
            steps = [n for n, keep in zip(steps, inner, strict=True) if keep]
        for rule in RULES:
            if (how := explains(rule, steps)) is not None:
                return rule, shift, how
    return None


def bad_start(knows: Knows) -> tuple[str, str, str] | None:
    "What is wrong with the first x: name, finding, cure."
    x, _, _, a, s, _ = knows.asked[0]
    n = x.numel()
    wanted = {"steps": 1.0, "sigma": s.item(), "flow": 1.0}[knows.clock.kind]
    mean, var = x.mean().item() / wanted, x.square().mean().item() / wanted**2
    even = (a**2).item() * 0.6 if knows.clock.kind == "sigma" else 0.0
    if abs(mean) > SIGMAS / n**0.5 or abs(var - 1) > SIGMAS * (2 / n) ** 0.5 + even / wanted**2:
        if abs(mean - 0.5) < 0.05 and abs(var - 1 / 3) < 0.05:
            return (
                "rand for randn",
                "it starts from torch.rand, with mean 1/2 and variance 1/12",
                "Start from torch.randn.",
            )
        said = f"it starts from mean {mean:.3f} and mean square {var:.3f}, in units of its first level's noise"
        return (
            "another start",
            said,
            "Start from normal noise of the first level's deviation: 1, or the largest sigma.",
        )
    span = knows.clock.s.max()
    if knows.clock.kind == "steps" and span**2 - s**2 > 0.01:
        said = f"its first level has noise of variance {s.item() ** 2:.3f}, where the table ends at {span.item() ** 2:.3f}"
        return (
            "it starts too late",
            said,
            "Begin with the last entry of the table: there x is noise.",
        )
    return None


def sampler(
    f: Callable,
    alphas_cumprod: Any = None,
    betas: Any = None,
    sigmas: Any = None,
    flow_times: Any = None,
    predicts: str = "eps",
    law: Any = "humps",
) -> Verdict:
    """Does f(network, shape) draw from the law whose exact denoiser network is, and by which steps?

        referee.sampler(lambda network, shape: my_loop(network, shape), alphas_cumprod=my_table)

    f starts from noise of its own, with torch's dice, and asks network(x, t) with one time for the whole batch: an index
    into the table, sigma, or the time of a straight line, as the table that is given says. predicts: what the network
    says, "eps", "x0", "v", "velocity" or "score". law: "humps" (one number), "ring" (two), "pixels" (1, 8, 8), or a
    GaussianMixture within [-1, 1]. Draws are compared with the law in places, widths and shares of its humps at 5
    standard errors; each step with the rules that are known. Right: the draws are those of the law, or each step is
    right, and then a note says what so few lose. Errors as in noising; ValueError: an unknown law.
    """
    f, clock = (
        checks.function("f", f, "network and shape"),
        clock_of(alphas_cumprod, betas, sigmas, flow_times),
    )
    checks.one_of("predicts", predicts, list(KINDS))
    known, n = law_of(law)
    try:
        exact = Knows(known, clock, predicts)
        rows = against(known, walk(f, exact, n, 21))
        pushed = Knows(known, clock, predicts, push=0.5)
        few = max(64, 4096 // math.prod(known.event_shape))
        try:
            rule = found_rule(pushed, walk(f, pushed, few, 22))
        except NoAnswer:  # a walk that is pushed may leave what is finite
            rule = None
        return verdict_on(rows, rule, bad_start(exact), len(exact.asked), n)
    except NoAnswer as error:
        return no_verdict("sampler", error, SEE)


SHIFTS = {1: "the network is told t - 1", -1: "the network is told t + 1"}


def slip_in(rule: tuple | None, start: tuple | None, calls: int) -> tuple[str, str, str] | None:
    "The slip of a walk: its name, what proves it, its cure; None where there is none."
    if start is not None:
        name, found, cure = start
        return name, f'"{name}": {found}', cure
    if rule is None or not (rule[0].slip or rule[1]):
        return None
    name = rule[0].name if rule[0].slip else SHIFTS[rule[1]]
    cure = (
        rule[0].cure
        or "The scales of a step and the time that the network is told must be of one entry."
    )
    return (
        name,
        f'it equals the slip "{name}" over all of its {calls} steps, {closeness(rule[2])}',
        cure,
    )


def verdict_on(rows: list, rule: tuple | None, start: tuple | None, calls: int, n: int) -> Verdict:
    "The verdict from what was compared with the law, and the rule that the steps went by."
    said, off, errors = largest(rows)
    law, size = f"{said}, {abs(errors):.0f} standard errors of {n} draws", abs(off)
    if (found := slip_in(rule, start, calls)) is not None:
        name, says, cure = found
        notes = (f"The draws: {law}.",)
        return Verdict("sampler", False, f"wrong: {says}.", size, name, cure, SEE, notes)
    by = "Its steps are of no rule on the list."
    if rule is not None:
        by = f"Each of its {calls} steps is {rule[0].name}, {closeness(rule[2])}."
    if abs(errors) <= SIGMAS:
        agree = f"{n} draws agree with the law in places, widths and shares"
        says = f"right: {agree}, to {abs(errors):.1f} standard errors."
        return Verdict("sampler", True, says, size, see=SEE, notes=(by,))
    if rule is not None:
        lost = (
            f"So few steps at these levels lose something: {law}. Take more, or place them better."
        )
        return Verdict("sampler", True, f"right, step by step. {by}", size, see=SEE, notes=(lost,))
    cure = f"It calls the network {calls} times. If more steps mend it, the steps are right and too long."
    says = f"wrong: {law}, and no slip that the referee knows explains it."
    return Verdict("sampler", False, says, size, cure=cure, see=SEE)


def closeness(how: tuple[float, float]) -> str:
    "How well a rule was met, in words."
    size, errors = how
    dice = f"with dice that fit to {errors:.1f} standard errors" if errors else ""
    return ", ".join(filter(None, (f"to {size:.1e}" if size else "", dice))) or "to the last bit"
