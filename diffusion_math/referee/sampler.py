"A sampler gets a network that knows the answer: its draws are judged, and each of its steps."

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from .. import checks
from ..laws.mixture import GaussianMixture
from ..solvers import Solver, solve
from .clock import Clock, clock_of
from .guidance import PICTURE
from .loss import KINDS
from .noising import no_verdict
from .schedule import two_modes
from .tape import CLEAN, Answer, Level, Tape, met, worst_of
from .verdict import NoAnswer, Slip, Verdict, as_numbers, ask, slips
from .ways import RIGHT, SLIPS

__all__ = ["LAWS", "law_of", "sampler"]

SEE = "chapter 6, (6.7) and (6.12), and chapter 8b"
SIGMAS = 5.0


def ring() -> GaussianMixture:
    "Eight Gaussians on a circle in the plane, each of deviation 0.05."
    angle = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    means = 0.7 * torch.stack([angle.cos(), angle.sin()], 1)
    return GaussianMixture(torch.ones(8) / 8, means, torch.full((8,), 0.05**2, dtype=torch.float64))


def pixels() -> GaussianMixture:
    "Four patterns of 8 x 8 pixels with even shares; a deviation of 0.1 around each."
    ramp = torch.linspace(-0.6, 0.6, 8, dtype=torch.float64)
    across = ramp.expand(8, 8)
    one = torch.stack([across, across.T, -across, 0.5 * (across + across.T)])[:, None]
    return GaussianMixture(torch.ones(4) / 4, one, torch.full((4,), 0.01, dtype=torch.float64))


LAWS: dict[str, tuple[Callable, int]] = {
    "modes": (two_modes, 8192),
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


class NotFinite(NoAnswer):
    "A walk that grew beyond what is finite."


class Knows:
    "A network that knows a law: network(x, t) says what predicts names, at the scales that t has on a clock."

    def __init__(
        self,
        law: GaussianMixture,
        clock: Clock,
        predicts: str,
        push: float = 0.0,
        seed: int = 11,
        log: bool = False,
    ):
        # how a table is read between its entries, and whether it was
        self.log, self.fractional = log, False
        self.law, self.clock, self.predicts, self.push = law, clock, predicts, push
        self.asked: list[tuple] = []
        self.rng = Generator().manual_seed(seed)
        self.unit = torch.finfo(torch.float64).eps

    def __call__(self, x: Any, t: Any = None, *more: Any, **named: Any) -> Tensor:
        shape = self.law.event_shape
        if not isinstance(x, Tensor) or not x.is_floating_point() or x.shape[1:] != shape:
            fits, came = f"(n, {', '.join(map(str, shape))})", tuple(getattr(x, "shape", ()))
            raise NoAnswer(f"it asked the network about {checks.got(x)} {came}, {fits} was due")
        t = next(iter(named.values()), None) if t is None else t
        if t is None:
            raise NoAnswer("the network was not told a time")
        between = self.clock.between(t, self.log) if self.clock.kind == "steps" else None
        self.fractional |= between is not None
        a, s = between or self.clock.scales(t)
        if not bool(((a == a[0]) & (s == s[0])).all()):
            several = "it told the network several times at once"
            raise NoAnswer(f"{several}, and one level for the whole batch was due")
        a, s = a[0], s[0]
        if s == 0 and self.clock.kind != "flow":
            raise refused(
                "it asked the network at a level without noise",
                "the network is asked where no noise is left",
            )
        if not bool(x.isfinite().all()):
            raise NotFinite("it asked the network about an x that is not finite")
        self.unit = max(self.unit, torch.finfo(x.dtype).eps)
        x0, eps = self.sees(x.detach().double(), a, s)
        self.asked.append((x.detach().double(), x0, eps, a, s, t))
        return KINDS[self.predicts](x0=x0, eps=eps, a=a, s=s).to(x)

    def sees(self, wide: Tensor, a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        "x0 and eps in x; where it pushes, eps with noise of its own, and the x0 that goes with it."
        noise = self.push * torch.randn(wide.shape, generator=self.rng, dtype=wide.dtype)
        if s == 0:
            return wide, noise
        size = (a**2 + s**2).sqrt()
        x0 = self.law.denoise(wide / size, 2 * (a.log() - s.log()).clamp(min=-300))
        eps = (wide - a * x0) / s + noise
        return (wide - s * eps) / a if self.push and a > 0 else x0, eps

    def eval(self) -> "Knows":
        return self


def refused(text: str, name: str) -> NoAnswer:
    "No answer, for a reason that has a name."
    return NoAnswer(text, name, BY_NAME[name].says)


def walk(f: Callable, knows: Knows, n: int, seed: int) -> Tensor:
    "The draws of a sampler."
    shape = (n, *knows.law.event_shape)
    x = as_numbers(ask(partial(f, knows, shape), (), seed), "draws")
    if x.shape != shape:
        raise NoAnswer(f"its draws have shape {tuple(x.shape)}, and {shape} was due")
    if not knows.asked:
        raise NoAnswer("it never asked the network")
    if not bool(x.isfinite().all()):
        if len(knows.asked) > 1:
            raise refused(
                "every x before the draws is finite, and they are not",
                "the last step is not finite",
            )
        raise NoAnswer("its draws are not finite")
    return x


def of_mode(name: str, mine: Tensor, mean: Tensor, std: float) -> list[tuple[str, float, float]]:
    "Place and width of one mode's draws (m, d)."
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
        said = f"the share of mode {k + 1} is {len(mine) / n:.3f} for {share:.3f}"
        rows.append((said, off, off / (share * (1 - share) / n) ** 0.5 if share < 1 else 0.0))
        if len(mine) >= 20:
            rows += of_mode(f"mode {k + 1}", mine, law.means[k].flatten(), std)
    return rows


def largest(rows: Sequence[tuple]) -> tuple[str, float, float]:
    return max(rows, key=lambda row: abs(row[2]))


def tape_of(knows: Knows, draws: Tensor) -> Tape:
    "What was seen of a walk."
    clock = knows.clock
    table = tuple(Level(*pair) for pair in zip(clock.a.tolist(), clock.s.tolist(), strict=True))
    answers = tuple(
        Answer(Level(a.item(), s.item()), x0, eps) for _, x0, eps, a, s, _ in knows.asked
    )
    times = [float(torch.as_tensor(row[5]).reshape(-1)[0]) for row in knows.asked]
    places = [round(t - float(clock.times[0])) for t in times] if clock.kind == "steps" else []
    x = (*(row[0] for row in knows.asked), draws)
    return Tape(
        x, answers, CLEAN, clock.kind, table, tuple(places) or (0,) * len(answers), knows.unit
    )


def retold(tape: Tape, knows: Knows, levels: Sequence[Level], first: int) -> Tape:
    "The tape of a walk whose x had other levels than were told: what the network said is read at these."
    answers = []
    for i, (answer, level) in enumerate(zip(tape.answers, levels, strict=True)):
        told = [torch.tensor(v, dtype=torch.float64) for v in answer.level]
        a, s = (torch.tensor(v, dtype=torch.float64) for v in level)
        said = KINDS[knows.predicts](answer.x0, answer.eps, *told)
        x0 = PICTURE[knows.predicts](said, tape.x[i], a, s)
        answers.append(Answer(level, x0, (tape.x[i] - a * x0) / s))
    return replace(tape, answers=tuple(answers)).cut(first, len(tape) - 1)


def explains(way: Callable, one: Tape, two: Tape) -> tuple[float, float] | None:
    "The largest remainder of a step, relative to its length, and the largest deviation of its noise; None where it fails."
    most, rows = SIGMAS + 0.3 * math.log(len(one)), []  # the largest of many is larger
    try:
        for claim, other in zip(way(one), way(two), strict=True):
            how = met(claim, other, one)
            if how is None or any(abs(z) > most for z in how[1]):
                return None
            rows.append(how)
    except (ArithmeticError, IndexError, ValueError, RuntimeError):
        return None
    sums = max(worst_of(rows), default=0.0)
    if not rows or sums > most:
        return None
    each = max((abs(z) for _, errors in rows for z in errors), default=0.0)
    return max(size for size, _ in rows), max(sums, each)


def leads_nowhere(tape: Tape) -> bool:
    "Are the draws the last x that the network was asked about?"
    return torch.equal(tape.x[-1], tape.x[-2]) and tape.answers[-1].level.s > 0


class Found(NamedTuple):
    "The row that explains a walk, how closely, and what else is to be said of it."

    row: Slip
    how: tuple[float, float]
    note: str = ""


def ends_of(tape: Tape) -> Iterator[tuple[Level, str]]:
    "Where a walk may end: at the data, or at the table's first level."
    yield CLEAN, ""
    first = next(level for level in tape.table if level.s > 0)
    if tape.level(len(tape) - 1).s > first.s * (1 + 1e-9):
        yield (
            first,
            f"It ends at the first level, so noise of deviation {first.s / first.a:.2g} stays in the draws.",
        )


def found_rule(knows: Sequence[Knows], tapes: Sequence[Tape]) -> Found | None:
    "The rule that two walks from the same seed went by."
    if len(tapes[0]) > 2 and leads_nowhere(tapes[0]):
        tapes = [tape.cut(0, len(tape) - 2) for tape in tapes]
    one, two = tapes
    if [a.level for a in one.answers] != [a.level for a in two.answers]:
        return None
    ends = [(one.end, "")] if one.end.s > 0 else ends_of(one)
    for end, note in ends:
        ended = [replace(tape, end=end) for tape in tapes]
        for row in (*RIGHT, *SLIPS):
            for way in row.makes:
                if (how := explains(way, *ended)) is not None:
                    return Found(row, how, note)
    return told_wrong(knows, tapes)


ENTRY = "The scales of a step and the time that the network is told must be of one entry."
NAMED = slips(  # what is seen without a rule
    ("the network is told t - 1", ENTRY),
    ("the network is told t + 1", ENTRY),
    ("the network is told the level before", "x has moved on to the next level: tell the network that one."),
    ("the network is told one level all along", "The time must change with the step: make it inside the loop.",
     "tqch/ddpm-torch#20"),
    ("rand for randn", "Start from torch.randn.", "HRI-EU/flow_matching#7"),
    ("another start", "Start from normal noise of the first level's deviation: 1, or the largest sigma."),
    ("it starts too late", "Begin with the last entry of the table: there x is noise.",
     "openai/improved-diffusion#44, CompVis/stable-diffusion#686, huggingface/diffusers#13887"),
    ("the network is told the number of the step", "Hand it the time that belongs to the step: times[i], not i.",
     "Stability-AI/stablediffusion#226"),
    ("x_t is clipped", "Noisy x leave [-1, 1]. Clip the guess of x0, or the draws in the end, and nothing between."),
    ("the last step leads nowhere", "The last step must lead to the data: append a level without noise to the list of levels.",
     "huggingface/diffusers#6477, huggingface/diffusers#5689"),
    ("the last step is not finite", "The log of sigma' = 0 is not finite: the last step is Euler's, to the data.",
     "huggingface/diffusers#9007"),
    ("the network is asked where no noise is left", "The last step is Euler's, to the data: correct only while sigma' > 0."),
)  # fmt: skip
BY_NAME = {row.name: row for row in NAMED}


def told_wrong(knows: Sequence[Knows], tapes: Sequence[Tape]) -> Found | None:
    "The right rule of a walk whose network was told other levels than those of x, and which."
    tape, n = tapes[0], len(tapes[0])
    cases = []
    if tape.kind == "steps" and n > 2:
        top = len(tape.table) - 1
        # at the ends it may be clamped
        inner = [i for i, place in enumerate(tape.places) if 0 < place < top]
        for name, by in ("the network is told t - 1", 1), ("the network is told t + 1", -1):
            levels = [tape.table[min(max(place + by, 0), top)] for place in tape.places]
            cases += [(BY_NAME[name], levels, inner[0], inner[-1])] if len(inner) > 2 else []
    lag = [tape.level(0), *[tape.level(i) for i in range(2, n)]]
    cases.append((BY_NAME["the network is told the level before"], lag, 0, n - 3))
    for row, levels, first, last in cases:
        if last - first < 1 or any(level.s == 0 for level in levels[first : last + 1]):
            continue
        read = [
            retold(t.cut(0, last), k, levels[: last + 1], first)
            for t, k in zip(tapes, knows, strict=True)
        ]
        end = levels[last + 1] if last + 1 < n else CLEAN
        read = [replace(t, end=end) for t in read]
        for right in RIGHT:
            for way in right.makes:
                if (how := explains(way, *read)) is not None:
                    return Found(row, how)
    return None


def clamped(tape: Tape) -> str:
    "How many of the noisy x lie on -1 or 1 exactly, in words; '' where none do."
    shares = [(x.abs() == 1).double().mean().item() for x in tape.x[1:-1]]
    walls = [
        share > 1e-3 and x.abs().max() <= 1 for share, x in zip(shares, tape.x[1:-1], strict=True)
    ]
    if not any(walls):
        return ""
    share = max(s for s, wall in zip(shares, walls, strict=True) if wall)
    return f"after {sum(walls)} of {len(tape)} calls x lies within [-1, 1], up to {share:.0%} of it on the very edge"


def spacing(levels: Sequence[Level], kind: str) -> str:
    "How the levels of a walk are spaced, in words; '' where no spacing is known."
    fresh = [
        level
        for i, level in enumerate(levels)
        if not i or level.half > max(v.half for v in levels[:i]) + 1e-9
    ]
    ratio = [level.s / level.a for level in fresh if level.a > 1e-6]
    if len(ratio) < 4 or kind != "sigma":
        return ""

    def uneven(numbers: list[float]) -> float:
        gaps = torch.tensor(numbers, dtype=torch.float64).diff()
        return (gaps / gaps.mean() - 1).abs().max().item()

    if uneven([math.log(r) for r in ratio]) < 1e-3:
        return f"Its {len(ratio)} levels are even in log sigma, from {ratio[0]:.4g} to {ratio[-1]:.4g}."
    for rho in (7.0, 5.0, 3.0, 2.0, 1.0, 4.0, 6.0, 8.0, 9.0, 10.0):
        if uneven([r ** (1 / rho) for r in ratio]) < 1e-3:
            known = "Karras's" if rho > 1 else "even"
            return f"Its {len(ratio)} levels are {known}, rho = {rho:g}, from {ratio[0]:.4g} to {ratio[-1]:.4g}."
    return ""


def asks_again(tape: Tape) -> str:
    "How many calls ask what the call before has asked, in words; '' where none does."
    pairs = zip(tape.x, tape.x[1:-1], tape.answers, tape.answers[1:], strict=False)
    same = sum(a.level == b.level and torch.equal(x, y) for x, y, a, b in pairs)
    return f"{same} of its {len(tape)} calls ask again what was asked just before." if same else ""


def loses(knows: Knows, law: GaussianMixture) -> float:
    "How far DDIM's draws, or the posterior's, are from the law at the same levels from the same start, in standard errors."
    levels = [2 * Level(a.item(), s.item()).half for _, _, _, a, s, _ in knows.asked]
    grid = [max(levels[0], -60.0)]
    for level in levels[1:]:
        grid += [level] * (grid[-1] + 1e-9 < level < math.inf)
    x, _, _, a, s, _ = knows.asked[0]
    start, rng = x / (a**2 + s**2).sqrt(), Generator().manual_seed(13)
    ends = [
        solve(law, start, [*grid, math.inf], way, rng)
        for way in ("ddim", Solver("posterior", 1, dial=1.0))
    ]
    return max(abs(largest(against(law, x))[2]) for x in ends)


def bad_start(knows: Knows, found: Found | None) -> tuple[str, str] | None:
    "What is wrong with the first x: name and finding."
    x, _, _, a, s, _ = knows.asked[0]
    n = x.numel()
    wanted = {"steps": 1.0, "sigma": s.item(), "flow": 1.0}[knows.clock.kind]
    mean, var = x.mean().item() / wanted, x.square().mean().item() / wanted**2
    even = (a**2).item() * 0.6 if knows.clock.kind == "sigma" else 0.0
    if abs(mean) > SIGMAS / n**0.5 or abs(var - 1) > SIGMAS * (2 / n) ** 0.5 + even / wanted**2:
        if abs(mean - 0.5) < 0.05 and abs(var - 1 / 3) < 0.05:
            return "rand for randn", "it starts from torch.rand, with mean 1/2 and variance 1/12"
        said = f"it starts from mean {mean:.3f} and mean square {var:.3f}, in units of its first level's noise"
        return "another start", said
    span = knows.clock.s.max()
    if knows.clock.kind == "steps" and span**2 - s**2 > 0.01:
        said = f"its first level has noise of variance {s.item() ** 2:.3f}, where the table ends at {span.item() ** 2:.3f}"
        times = [float(torch.as_tensor(row[5]).reshape(-1)[0]) for row in knows.asked]
        if found is None and times == list(range(len(times) - 1, -1, -1)):
            return "the network is told the number of the step", said
        return "it starts too late", said
    return None


def sampler(
    f: Callable,
    alphas_cumprod: Any = None,
    betas: Any = None,
    sigmas: Any = None,
    flow_times: Any = None,
    predicts: str = "eps",
    law: Any = "modes",
) -> Verdict:
    """Does f(network, shape) draw from the law whose exact denoiser network is, and by which steps?

        referee.sampler(lambda network, shape: my_loop(network, shape), alphas_cumprod=my_table)

    f draws its start with torch's own random numbers, and asks network(x, t) with one time for the whole batch: an index
    into the table, sigma, or the time of a straight line, as the table that is given says. predicts: what the network
    says, "eps", "x0", "v", "velocity" or "score". law: "modes" (one number), "ring" (two), "pixels" (1, 8, 8), or a
    GaussianMixture within [-1, 1]. Draws are compared with the law in places, widths and shares of its modes at 5
    standard errors; each step with the rules that known_steps names, among them all that solve knows, and with those of
    known()["sampler"]. Right: the draws are those of the law, or each step is right, and then a note says what so few
    lose. Undecided, which is not right: steps of no known rule, whose draws are off by no more than twice what DDIM's or
    the posterior's are at the same levels. f is called three times. Errors as in noising; ValueError: an unknown law.
    """
    f, clock = (
        checks.function("f", f, "network and shape"),
        clock_of(alphas_cumprod, betas, sigmas, flow_times),
    )
    checks.one_of("predicts", predicts, list(KINDS))
    known, n = law_of(law)
    try:
        # how a table is read between its entries is not for the referee to choose
        for log in (False, True):
            exact = Knows(known, clock, predicts, log=log)
            try:
                draws = walk(f, exact, n, 21)
            except NotFinite as error:
                return exploded(error, seen_rule(f, known, clock, predicts, log))
            found = seen_rule(f, known, clock, predicts, log)
            if not exact.fractional or found is not None:
                break
        return verdict_on(known, exact, draws, found)
    except NoAnswer as error:
        return no_verdict("sampler", error, SEE)


def seen_rule(
    f: Callable, law: GaussianMixture, clock: Clock, predicts: str, log: bool
) -> Found | None:
    "The rule of a sampler, from two walks from the same seed and a network that errs, each time in another way."
    few = max(64, 4096 // math.prod(law.event_shape))
    pushed = [Knows(law, clock, predicts, 0.5, seed, log) for seed in (11, 12)]
    tapes = []
    try:
        for knows in pushed:
            try:
                tapes.append(tape_of(knows, walk(f, knows, few, 22)))
            except NotFinite:  # what came before it grew shows the rule
                sane = [row for row in knows.asked if row[0].abs().max() < 1e4]
                *knows.asked, last = sane[: max(len(sane), 2)]
                end = Level(last[3].item(), last[4].item())
                tapes.append(replace(tape_of(knows, last[0]), end=end))
        n = min(map(len, tapes))
        return found_rule(pushed, [t.cut(0, n - 1) for t in tapes]) if n else None
    except NoAnswer:
        return None


def seen_at_once(
    exact: Knows, tape: Tape, found: Found | None, felt: bool
) -> tuple[str, str] | None:
    "A slip that shows without a rule: its name and the finding."
    if len(tape) > 2 and len({answer.level for answer in tape.answers}) == 1:
        return "the network is told one level all along", f"in all of {len(tape)} calls"
    if (start := bad_start(exact, found)) is not None:
        return start
    if said := clamped(tape):
        return "x_t is clipped", said
    if leads_nowhere(tape) and felt:
        return (
            "the last step leads nowhere",
            "the draws are the last x that the network was asked about",
        )
    return None


def slip_in(exact: Knows, tape: Tape, found: Found | None, felt: bool) -> tuple[Slip, str] | None:
    "The slip of a walk, and what proves it; None where there is none."
    if (seen := seen_at_once(exact, tape, found, felt)) is not None:
        name, said = seen
        return BY_NAME[name], f'"{name}": {said}'
    if found is None or not found.row.says:
        return None
    says = f'it equals the slip "{found.row.name}" over all of its {len(tape)} calls, {closeness(found.how)}'
    return found.row, says


def exploded(error: NoAnswer, found: Found | None) -> Verdict:
    "The verdict on a walk that left what is finite: by the rule of the steps before."
    if found is None or not found.row.says:
        return no_verdict("sampler", error, SEE)
    says = f'wrong: {error}, and it equals the slip "{found.row.name}" until then, {closeness(found.how)}.'
    return Verdict("sampler", False, says, math.inf, found.row.name, found.row.says, SEE)


def verdict_on(known: GaussianMixture, exact: Knows, draws: Tensor, found: Found | None) -> Verdict:
    "The verdict from what was compared with the law, and the rule that the steps went by."
    said, off, errors = largest(against(known, draws))
    calls, n, tape = len(exact.asked), len(draws), tape_of(exact, draws)
    law, size = f"{said}, {abs(errors):.0f} standard errors of {n} draws", abs(off)
    if (slip := slip_in(exact, tape, found, abs(errors) > SIGMAS)) is not None:
        row, says = slip
        notes = (f"The draws: {law}.",)
        return Verdict("sampler", False, f"wrong: {says}.", size, row.name, row.says, SEE, notes)
    by = "Its steps are of no rule on the list."
    if found is not None:
        by = f"Each step of its {calls} calls is {found.row.name}, {closeness(found.how)}."
    levels = [answer.level for answer in tape.answers]
    notes = tuple(
        filter(None, (found and found.note, spacing(levels, tape.kind), asks_again(tape)))
    )
    if abs(errors) <= SIGMAS:
        agree = f"{n} draws agree with the law in places, widths and shares"
        says = f"right: {agree}, to {abs(errors):.1f} standard errors."
        return Verdict("sampler", True, says, size, see=SEE, notes=(by, *notes))
    if found is not None:
        lost = (
            f"So few steps at these levels lose something: {law}. Take more, or place them better."
        )
        says = f"right, step by step. {by}"
        return Verdict("sampler", True, says, size, see=SEE, notes=(lost, *notes))
    if abs(errors) <= 2 * (least := loses(exact, known)):
        says = f"undecided: {law}, and DDIM or the posterior at its levels by {least:.0f}: it may be right and too long."
        cure = f"It calls the network {calls} times: take more, and ask again."
        return Verdict("sampler", False, says, size, cure=cure, see=SEE, notes=notes)
    beside = f"where DDIM or the posterior at its levels is off by {least:.0f}"
    says = f"wrong: {law}, {beside}, and no slip that the referee knows explains it."
    return Verdict("sampler", False, says, size, see=SEE, notes=notes)


def closeness(how: tuple[float, float]) -> str:
    "How well a rule was met, in words."
    size, errors = how
    exact = f"to {size:.1e} of a step's length" if size else "to the last bit"
    return exact + (f", with noise that fits to {errors:.1f} standard errors" if errors else "")
