"A loss: which target it has, and what its optimum says."

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor, nn

from .. import checks
from .clock import Clock, clock_of
from .noising import SLIPS as NOISING_SLIPS
from .noising import beside, draw_cases, event_of, no_verdict
from .verdict import Case, NoAnswer, Slip, Verdict, as_numbers, ask, digits_of, gap, slips

__all__ = ["KINDS", "Probe", "loss", "target"]

SEE = "chapter 6, (6.6) and (6.10), and chapter 7b, (7.17)"
SIGMAS = 5.0  # a draw farther off than so many standard errors is no chance

KINDS: dict[str, Callable] = {
    "eps": lambda x0, eps, a, s: eps,
    "x0": lambda x0, eps, a, s: x0,
    "v": lambda x0, eps, a, s: a * eps - s * x0,
    "velocity": lambda x0, eps, a, s: eps - x0,
    "score": lambda x0, eps, a, s: -eps / s,
}
TARGET_SLIPS = slips(
    ("eps with its sign turned", "The network will say -eps. The noise that was added is +eps.", lambda x0, eps, a, s: -eps),
    ("v with its sign turned", "v is sqrt(alpha-bar) eps - sqrt(1 - alpha-bar) x_0.", lambda x0, eps, a, s: s * x0 - a * eps),
    ("v with its scales swapped", "In v the noise is scaled by sqrt(alpha-bar), the picture by sqrt(1 - alpha-bar).",
     lambda x0, eps, a, s: s * eps - a * x0, lambda x0, eps, a, s: a * x0 - s * eps),
    ("v without its roots", "v takes sqrt(alpha-bar) and sqrt(1 - alpha-bar).",
     lambda x0, eps, a, s: a ** 2 * eps - s ** 2 * x0),
    ("v with a plus", "That turns the other way: v is the derivative, with a minus before x_0.",
     lambda x0, eps, a, s: a * eps + s * x0),
    ("another paper's clock", "x_0 - eps goes with a clock that has noise at t = 0. Here t = 0 is data: eps - x_0.",
     lambda x0, eps, a, s: x0 - eps,
     "sii-research/tau-0-vla#7"),
    ("a variance for its root in the score", "The score is -eps over the deviation of the noise, not over its variance.",
     lambda x0, eps, a, s: -eps / s ** 2, lambda x0, eps, a, s: eps / s ** 2),
    ("the score with its sign turned", "The score points from the noise to the data: -eps over the deviation.",
     lambda x0, eps, a, s: eps / s),
    ("the score not divided", "The score is -eps over the deviation of the noise: here it was multiplied.",
     lambda x0, eps, a, s: -eps * s),
    ("the noisy picture", "The target is x_t itself, which the network is told.", lambda x0, eps, a, s: a * x0 + s * eps),
    ("the noise as it was added", "That is sqrt(1 - alpha-bar) eps. If that is meant, the sampler must divide it by this "
     "root.", lambda x0, eps, a, s: s * eps,
     "tqch/ddpm-torch#2"),
    ("nothing", "The target is 0.", lambda x0, eps, a, s: 0 * x0),
)  # fmt: skip


def spread(numbers: dict[str, Any], x0: Tensor) -> dict[str, Any]:
    "a and s beside x0."
    return {name: beside(numbers[name].double(), x0) for name in ("a", "s")}


def which_target(came: list[Tensor], cases: list[Case]) -> tuple[str, Slip | None, float] | None:
    "The name of a target, or the slip that it is, and how closely."
    found = []
    every = [(name, None, make) for name, make in KINDS.items()]
    every += [(slip.name, slip, make) for slip in TARGET_SLIPS for make in slip.makes]
    for name, slip, make in every:
        gaps = []
        for x, case in zip(came, cases, strict=True):
            x0, eps = case.known["x0"].double(), case.known["eps"].double()
            due = make(x0=x0, eps=eps, **spread(case.known, x0))
            gaps.append((gap(x, due), case.rounding))
        if all(bool((g <= most).all()) for g, most in gaps):
            found.append((max(g.max().item() for g, _ in gaps), name, slip))
    if not found:
        return None
    error, name, slip = min(found, key=lambda row: row[0])
    return name, slip, error


def says_target(
    about: str, found: tuple | None, predicts: str | None, notes: tuple = ()
) -> Verdict:
    "The verdict on what a target is."
    if found is None:
        says = "wrong: the target is none of eps, x0, v, velocity and score, and no slip that the referee knows explains it."
        return Verdict(about, False, says, see=SEE, notes=notes)
    name, slip, error = found
    if slip:
        says = f'wrong: its optimum equals the slip "{name}" to {digits_of(error)}.'
        return Verdict(about, False, says, error, name, slip.says, SEE, notes)
    if predicts and name != predicts:
        says = f"wrong: its optimum says {name}, to {digits_of(error)}, where {predicts} is wanted."
        cure = f"Either train on {predicts}, or tell the sampler that the network says {name}."
        return Verdict(about, False, says, error, "another target", cure, SEE, notes)
    return Verdict(
        about,
        True,
        f"right: its optimum says {name}, to {digits_of(error)}.",
        error,
        see=SEE,
        notes=notes,
    )


def target(
    f: Callable,
    alphas_cumprod: Any = None,
    betas: Any = None,
    sigmas: Any = None,
    flow_times: Any = None,
    predicts: str | None = None,
    event_shape: Iterable[int] = (3, 8, 8),
) -> Verdict:
    """What does f(x0, t, eps), the target of a regression, say: eps, x0, v, velocity or score, and with which sign?

    predicts: the one that is wanted; any of them will do where it is None. v is a eps - s x0, velocity eps - x0, score
    -eps / s. The rest as in noising.
    """
    f, clock = (
        checks.function("f", f, "x0, t and eps"),
        clock_of(alphas_cumprod, betas, sigmas, flow_times),
    )
    wanted = None if predicts is None else checks.one_of("predicts", predicts, list(KINDS))
    cases = draw_cases(clock, event_of(event_shape))
    try:
        came = [as_numbers(ask(f, case.args)) for case in cases]
    except NoAnswer as error:
        return no_verdict("target", error, SEE)
    return says_target("target", which_target(came, cases), wanted)


class Probe(nn.Module):
    "A network that says what it was told to say, and remembers what it was asked; further arguments are not looked at."

    def __init__(self, says: Callable[[Tensor], Tensor]):
        super().__init__()
        self.says, self.asked = says, []
        self.weight = nn.Parameter(torch.zeros(()))  # some code asks a network where it lies

    def forward(self, x: Any, t: Any = None, *more: Any, **named: Any) -> Tensor:
        if not isinstance(x, Tensor) or not x.is_floating_point():
            raise NoAnswer(f"the network was asked for a {checks.got(x)}, and a noisy x was due")
        if t is None:
            t = next(iter(named.values()), None)
        said = self.says(x).to(x).requires_grad_()
        self.asked.append((x.detach().double(), t, said))
        return said


def ask_loss(
    f: Callable, x0: Tensor, says: Callable, seed: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, float]:
    "x, t, what the network said, the loss's slope there, and the loss."
    probe = Probe(says)
    value = ask(partial(f, probe), (x0,), seed, grad=True)
    if len(probe.asked) != 1:
        raise NoAnswer(f"it asked the network {len(probe.asked)} times, and once was due")
    x, t, said = probe.asked[0]
    if not isinstance(value, Tensor) or not value.requires_grad:
        raise NoAnswer(
            f"it returned a {checks.got(value)} that no gradient leads through, and a loss was due"
        )
    if x.shape != x0.shape:
        raise NoAnswer(
            f"it asked the network about shape {tuple(x.shape)}, and gave it {tuple(x0.shape)}"
        )
    (slope,) = torch.autograd.grad(value.sum(), said, allow_unused=True)
    if slope is None:
        raise NoAnswer("what the network said does not count in the loss")
    if t is None:
        raise NoAnswer("the network was not told a time")
    time = torch.as_tensor(t).detach().double().reshape(-1).expand(len(x0))
    return x, time, said.detach().double(), slope.double(), float(value.detach().double().sum())


def line_of(f: Callable, x0: Tensor, seed: int) -> dict[str, Any]:
    "x, t, target and weight (b,) of a squared loss; target None where it is none."
    x, t, one, slope, _ = ask_loss(f, x0, torch.zeros_like, seed)
    _, _, two, slope_2, _ = ask_loss(f, x0, torch.ones_like, seed)
    half = ask_loss(f, x0, lambda x: torch.full_like(x, -0.7), seed)
    bend = (slope_2 - slope) / (two - one)
    due = slope + bend * (half[2] - one)
    size = slope.abs().max() + slope_2.abs().max()
    straight = bool((half[3] - due).abs().max() <= 1e-4 * size) and bool((bend != 0).all())
    if not torch.equal(ask_loss(f, x0, torch.zeros_like, seed)[0], x):
        raise NoAnswer(
            "two calls from the same seed noised differently: draw with torch's own generator, or take generator="
        )
    return {"x": x, "t": t, "target": one - slope / bend if straight else None, "bend": bend}


def by_trial(f: Callable, x0: Tensor, known: dict, seed: int) -> list[Tensor]:
    "The targets at which the slope of a loss that is no square is 0, or turns from one side to the other."
    found = []
    makes = [*KINDS.values(), *(make for slip in TARGET_SLIPS for make in slip.makes)]
    for make in makes:
        due = make(**known)
        down, up = (ask_loss(f, x0, lambda x, say=due + d: say, seed)[3] for d in (-1e-3, 1e-3))
        if bool((down < 0).double().mean() > 0.999) and bool((up > 0).double().mean() > 0.999):
            found.append(due)
    return found


def pairs(clock: Clock, t: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    "The scales of x0 and of the noise, right ones first, and those of each slip."
    a, s = clock.scales(t)
    yield "", a, s
    yield "a variance for its root", a, s**2
    yield "alpha-bar for its root", a**2, s
    yield "both roots missing", a**2, s**2
    yield "the scales swapped", s, a
    yield "x_0 not scaled", torch.ones_like(a), s
    yield "eps not scaled", a, torch.ones_like(s)
    if clock.kind != "steps":
        return
    place, end = clock.place(t), len(clock.a) - 1
    for name, by in (("the network is told t - 1", 1), ("the network is told t + 1", -1)):
        near = (place + by).clamp(0, end)
        yield name, clock.a[near], clock.s[near]
    yield "one step for the jump", (1 - clock.beta[place]).sqrt(), clock.beta[place].sqrt()
    yield "one minus the root", a, 1 - a
    yield "the table backwards", clock.a[end - place], clock.s[end - place]


def likelihood(x: Tensor, x0: Tensor, a: Tensor, s: Tensor) -> float:
    "log of how likely x is, if it is a x0 + s eps."
    s = s.clamp(min=1e-8)
    off = (x - beside(a, x) * x0) / beside(s, x)
    return (-0.5 * off.square() - beside(s, x).log()).sum().item()


def noise_in(x: Tensor, x0: Tensor, a: Tensor, s: Tensor) -> str:
    "What is wrong with the noise that these scales leave, at 5 standard errors; '' where nothing is."
    keep = s > 1e-6
    eps = ((x - beside(a, x) * x0) / beside(s.clamp(min=1e-8), x))[keep]
    n, mean, var = eps.numel(), eps.mean().item(), eps.var().item()
    if abs(mean) <= SIGMAS / n**0.5 and abs(var - 1) <= SIGMAS * (2 / n) ** 0.5:
        return ""
    even = abs(mean - 0.5) < 0.05 and abs(var - 1 / 12) < 0.02
    return "rand for randn" if even else f"noise of mean {mean:.3f} and variance {var:.3f}"


def how_noised(x: Tensor, x0: Tensor, clock: Clock, t: Tensor) -> tuple[str, str]:
    "The slip that x was made with, and what is wrong with the noise itself; both '' where nothing is."
    rows = [(likelihood(x, x0, a, s), name, a, s) for name, a, s in pairs(clock, t)]
    score, name, *scales = max(rows, key=lambda row: row[0])
    if score - rows[0][0] > SIGMAS**2 / 2 and not noise_in(x, x0, *scales):
        return name, ""
    return "", noise_in(x, x0, *rows[0][2:])


NAMED = slips(  # what is seen without a formula
    ("the network is told t - 1", "Noise with the entry that the network is told: its time is one before that of the noise."),
    ("the network is told t + 1", "Noise with the entry that the network is told: its time is one after that of the noise."),
    ("rand for randn", "The noise must be normal, torch.randn: rand has mean 1/2 and variance 1/12.",
     "acids-ircam/diffusion_models#8"),
    ("noise that is not standard normal", "The noise must be torch.randn, as it comes."),
    ("another draw of noise", "The noise in the target is not the noise in x_t: draw it once, and use it in both."),
    ("min-SNR with 1 added above as well", "For v the weight is min(SNR, gamma) / (SNR + 1): 1 is added below alone.",
     "huggingface/diffusers#5654, huggingface/diffusers#8466"),
    ("a weight below 0", "The loss falls as the network gets worse: a sign is turned."),
    ("the last level is never trained", "t never gets the last index: randint excludes its upper end.",
     "lucidrains/imagen-pytorch#265"),
    ("the first level is never trained", "t never gets the first index with noise."),
)  # fmt: skip
CURES = {row.name: row.says for row in (*NOISING_SLIPS, *NAMED)}


def even(weight: Tensor, due: Tensor) -> bool:
    "Is one weight another one, up to a factor?"
    ratio = weight / due
    return bool(((ratio / ratio.mean() - 1).abs() < 1e-3).all())


def weight_name(weight: Tensor, a: Tensor, s: Tensor, dims: int, b: int) -> str:
    "A weight on the squared error as people write it."
    snr = (a / s).square()
    known = {"1": torch.ones_like(a), "SNR": snr, "1/SNR": 1 / snr, "min(SNR, 5)": snr.clamp(max=5),
             "min(SNR, 5)/(SNR + 1)": snr.clamp(max=5) / (snr + 1),
             "min(SNR, 5)/SNR": snr.clamp(max=5) / snr, "s^2": s**2, "1/s^2": s**-2, "a^2": a**2}  # fmt: skip
    known["(1 + s^2)/s^2, data of deviation 1"] = (1 + s**2) / s**2
    for name, due in known.items():
        if even(weight, due):
            scale = (weight / due).mean().item()
            told = {"mean over all numbers": 1, "sum over each x": dims, "sum over all": dims * b}
            how = next(
                (k for k, v in told.items() if abs(scale / v - 1) < 1e-3), f"times {scale:.4g}"
            )
            return f"The weight is {name} at every t ({how})."
    return f"The weight depends on t, from {weight.min():.3g} to {weight.max():.3g}."


def reach(f: Callable, clock: Clock, event: tuple[int, ...]) -> str:
    "The end of the table that t never reaches, among as many draws as hit each entry 25 times."
    n = 25 * len(clock.a)
    if clock.kind != "steps" or n > 60_000:
        return ""
    places, x0 = set(), torch.zeros(min(n, 2048), *event)
    for seed in range(-(-n // len(x0))):
        t = ask_loss(f, x0, torch.zeros_like, 100 + seed)[1]
        places |= set(clock.place(t).tolist())
    if len(clock.a) - 1 not in places:
        return "the last level is never trained"
    return "" if clock.first in places else "the first level is never trained"


def loss(
    f: Callable,
    alphas_cumprod: Any = None,
    betas: Any = None,
    sigmas: Any = None,
    flow_times: Any = None,
    predicts: str | None = None,
    event_shape: Iterable[int] = (1, 8, 8),
) -> Verdict:
    """What does the optimum of f(network, x0) say, and does the network see what it is told?

        referee.loss(my_loss, alphas_cumprod=my_table, predicts="eps")      # my_loss draws t and eps inside

    f draws its times and noise with torch's own random numbers, asks network(x_t, t) once, and returns a loss that a gradient
    leads through. Looked at: the target, with its sign; how x_t was noised, and whether the told t is that of the noise;
    the noise itself (5 standard errors); whether t reaches both ends of the table; the weight, as a note. x0 is
    (b, *event_shape) in [-1, 1]. predicts as in target; the rest as in noising.
    """
    f, clock = (
        checks.function("f", f, "network and x0"),
        clock_of(alphas_cumprod, betas, sigmas, flow_times),
    )
    wanted = None if predicts is None else checks.one_of("predicts", predicts, list(KINDS))
    event = event_of(event_shape)
    try:
        return verdict_on(f, clock, wanted, event)
    except NoAnswer as error:
        return no_verdict("loss", error, SEE)


def wrong(name: str, says: str, notes: tuple = (), cure: str = "") -> Verdict:
    "A verdict on a loss that has a slip."
    return Verdict(
        "loss",
        False,
        f'wrong: "{name}": {says}.',
        math.nan,
        name,
        cure or CURES.get(name, ""),
        SEE,
        notes,
    )


def seen(f: Callable, clock: Clock, event: tuple[int, ...]) -> Verdict | None:
    "What is wrong with the x_t that the network sees and the t that it is told, from 2,048 of them."
    x0 = 2 * torch.rand(2048, *event, generator=Generator().manual_seed(6)) - 1
    x, t, *_ = ask_loss(f, x0, torch.zeros_like, 8)
    name, noise = how_noised(x, x0.double(), clock, t)
    if name:
        cure = CURES.get(name, "")
        return wrong(name, "that is how the x_t which the network sees was made", (), cure)
    if noise:
        slip = noise if noise in CURES else "noise that is not standard normal"
        return wrong(slip, f"the noise in x_t has another law than N(0, 1): {noise}")
    return None


def verdict_on(f: Callable, clock: Clock, wanted: str | None, event: tuple[int, ...]) -> Verdict:
    "The verdict on a loss: how it noises, then what it aims at."
    b = 64
    x0 = 2 * torch.rand(b, *event, generator=Generator().manual_seed(5)) - 1
    line = line_of(f, x0, 7)
    bad = seen(f, clock, event)
    if bad is not None:
        return bad
    x, wide, dims, (a, s) = line["x"], x0.double(), x0[0].numel(), clock.scales(line["t"])
    keep = s > 1e-6
    eps = (x - beside(a, x) * wide) / beside(s.clamp(min=1e-8), x)
    known = {"x0": wide[keep], "eps": eps[keep], "a": a[keep], "s": s[keep]}
    found, notes = aim(f, x0, line, known, keep), ()
    if line["target"] is not None:
        weight = (line["bend"] * dims * b / 2).flatten(1).mean(1)
        if bool((weight < 0).any()):
            return wrong("a weight below 0", f"it is {weight.min().item():.3g} somewhere")
        notes = (weight_name(weight[keep], a[keep], s[keep], dims, b),)
        if found is None and other_noise(line["target"][keep], known):
            return wrong(
                "another draw of noise", "the target is noise, and none of it is in x_t", notes
            )
        above = ((a / s).square() + 1)[keep]
        if (
            found
            and found[0] == "v"
            and above.max() > 5
            and even(weight[keep], above.clamp(max=5) / above)
        ):
            return wrong(
                "min-SNR with 1 added above as well", "it is min(SNR + 1, 5) / (SNR + 1)", notes
            )
    said = says_target("loss", found, wanted, notes)
    if said and (end := reach(f, clock, event)):
        return wrong(end, "of 25 draws for each entry of the table none came there", notes)
    return said


def aim(f: Callable, x0: Tensor, line: dict, known: dict, keep: Tensor) -> tuple | None:
    "What the loss aims at: from its line, or by trial."
    rounding = (2e-4 + 1e-5 / known["s"]).clamp(max=0.02)
    case = Case((), known, rounding)
    if line["target"] is not None:
        return which_target([line["target"][keep]], [case])
    full = {"x0": x0.double(), "eps": torch.zeros_like(x0).double()}
    full["eps"][keep] = known["eps"]
    ones = torch.ones(len(x0), dtype=torch.float64)
    numbers = {k: ones.index_put((keep.nonzero()[:, 0],), known[k]) for k in ("a", "s")}
    for due in by_trial(f, x0, full | spread(numbers, full["x0"]), 7):
        return which_target([due[keep]], [case])
    return None


def other_noise(came: Tensor, known: dict) -> bool:
    "Is it standard normal noise with nothing in common with x0 and eps? At 5 standard errors."
    n = came.numel()
    near = (
        abs(came.mean().item()) < SIGMAS / n**0.5
        and abs(came.var().item() - 1) < SIGMAS * (2 / n) ** 0.5
    )
    return near and abs((came * known["eps"]).mean().item()) < SIGMAS / n**0.5
