"Guidance: the line that mixes a conditional answer and an unconditional one, and the ways to write it that are not meant."

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor

from .. import checks
from ..guidance import NO_GUIDANCE
from .clock import Clock, clock_of
from .noising import event_of, no_verdict
from .verdict import Case, NoAnswer, Verdict, as_numbers, ask, compare, digits_of, gap, judge, slips

__all__ = ["guidance"]

SEE = "chapter 15, (15.4) and (15.5)"
SCALES = (1.5, 7.5, 3.0, 2.25, 5.0, 12.0)

PICTURE: dict[str, Callable] = {
    "eps": lambda y, x, a, s: (x - s * y) / a,
    "x0": lambda y, x, a, s: y,
    "v": lambda y, x, a, s: (a * x - s * y) / (a**2 + s**2),
    "velocity": lambda y, x, a, s: (x - s * y) / (a + s),
    "score": lambda y, x, a, s: (x + s**2 * y) / a,
}


def say(predicts: str, x0: Tensor, x: Tensor, a: Tensor, s: Tensor) -> Tensor:
    "What a network says whose picture is x0: what PICTURE reads, turned round."
    nothing, one = (PICTURE[predicts](torch.full_like(x0, c), x, a, s) for c in (0.0, 1.0))
    return (x0 - nothing) / (one - nothing)


def no_picture(*_: Any) -> Tensor:
    "Without a table no picture is known."
    raise RuntimeError


def mixed(weights: Callable) -> Callable:
    "cond and uncond, weighed with two numbers that are made from the scale."

    def make(cond: Tensor, uncond: Tensor, w: float, **_: Any) -> Tensor:
        one, two = weights(w)
        return one * cond + two * uncond

    return make


def clipped_first(weights: Callable) -> Callable:
    "The same of pictures that were clipped before."

    def make(cond: Tensor, uncond: Tensor, w: float, read: Callable, write: Callable) -> Tensor:
        pictures = [read(said).clamp(-1, 1) for said in (cond, uncond)]
        return write(mixed(weights)(*pictures, w))

    return make


def clipped_last(weights: Callable) -> Callable:
    "The same, with the picture clipped in the end."

    def make(cond: Tensor, uncond: Tensor, w: float, read: Callable, write: Callable) -> Tensor:
        return write(read(mixed(weights)(cond, uncond, w)).clamp(-1, 1))

    return make


def by_one(w: float) -> tuple[float, float]:
    return w, 1 - w


def by_zero(w: float) -> tuple[float, float]:
    return 1 + w, -w


RIGHT: dict[float, tuple[str, Callable]] = {
    1.0: ("uncond + w (cond - uncond)", by_one),
    0.0: ("(1 + w) cond - w uncond", by_zero),
}

SUM = "The weights of cond and uncond add to 1: w and 1 - w, or 1 + w and -w. What both agree on must stay as it is."
FIRST = "A clip is no straight line, so the order counts: mix the answers, then clip what came out."
SLIPS = slips(
    ("cond and uncond swapped", "The scale pushes towards cond: uncond + w (cond - uncond). Look at the order of chunk(2).",
     mixed(lambda w: (1 - w, w)), mixed(lambda w: (-w, 1 + w))),
    ("the difference alone", "The difference is added to an answer: uncond + w (cond - uncond).", mixed(lambda w: (w, -w)),
     mixed(lambda w: (1 + w, -1 - w)), mixed(lambda w: (-w, w))),
    ("no difference taken", "w multiplies the difference cond - uncond, not an answer itself.", mixed(lambda w: (w, 1)),
     mixed(lambda w: (1 + w, 1)), mixed(lambda w: (1, w)), mixed(lambda w: (1 + w, 0)), mixed(lambda w: (w, 0))),
    ("a plus for the minus", SUM, mixed(lambda w: (1 + w, w)), mixed(lambda w: (w, 1 + w)), mixed(lambda w: (w, w - 1))),
    ("weights that do not add to 1", SUM, mixed(lambda w: (w, -1)), mixed(lambda w: (1 + w, -1)), mixed(lambda w: (1, -w)),
     mixed(lambda w: (1 + w, w - 1)), mixed(lambda w: (1 + w, 1 - w)), mixed(lambda w: (w, -1 - w))),
    ("one paper's number in another's formula", "1 is added to the scale, or taken away, once too often: guidance_weight "
     "converts, (15.5).", mixed(lambda w: (2 + w, -1 - w)), mixed(lambda w: (w - 1, 2 - w)),
     "threestudio-project/threestudio#127, huggingface/diffusers#5882"),
    ("the scale is not used", "Whatever the scale, an answer comes back as it was.", mixed(lambda w: (1, 0)),
     mixed(lambda w: (0, 1)), mixed(lambda w: (0.5, 0.5))),
    ("clipped before it is mixed", FIRST, clipped_first(by_one), clipped_first(by_zero)),
    ("clipped where it is no picture", "Only x_0 lies in [-1, 1]; eps and v may leave it: clip their picture, or nothing.",
     *tuple((lambda w, cond, uncond, c=c, **_: mixed(c)(cond, uncond, w).clamp(-1, 1) for c in (by_one, by_zero)))),
)  # fmt: skip


def at_place(clock: Clock, place: int, predicts: str, w: float, b: int, event: tuple) -> Case:
    "Two answers, a scale, x_t and a time, at one place of the tables; all float64."
    rng = Generator().manual_seed(place)
    cond, uncond, x = torch.randn(3, b, *event, generator=rng, dtype=torch.float64)
    a, s = clock.a[place], clock.s[place]
    x = x * (a**2 + s**2).sqrt()
    cond, uncond = (y / s if predicts == "score" else y for y in (cond, uncond))
    known = {"cond": cond, "uncond": uncond, "w": w,
             "read": lambda y: PICTURE[predicts](y, x, a, s), "write": lambda x0: say(predicts, x0, x, a, s)}  # fmt: skip
    lost = 1e-5 + 3e-7 / torch.minimum(a, s).item() if a > 0 else 0.01
    return Case((cond, uncond, w, x, clock.told(torch.tensor(place))), known, min(lost, 0.01))


def narrow(case: Case) -> Case:
    "The same in float32."
    args = tuple(
        x.float() if isinstance(x, Tensor) and x.is_floating_point() else x for x in case.args
    )
    known = case.known | {"cond": args[0].double(), "uncond": args[1].double()}
    return Case(args, known, case.rounding)


def bare(predicts: str, w: float, seed: int, event: tuple) -> Case:
    "Two answers and a scale, of a rule that sees no time: what is no picture cannot be read as one."
    cond, uncond = torch.randn(2, 4, *event, generator=Generator().manual_seed(seed)).double()
    same = (lambda y: y) if predicts == "x0" else no_picture
    return Case(
        (cond, uncond, w), {"cond": cond, "uncond": uncond, "w": w, "read": same, "write": same}
    )


def answer(f: Callable, case: Case, seed: int = 0) -> Tensor:
    return as_numbers(ask(f, case.args, seed, keeps=False))


def where(f: Callable, clock: Clock, predicts: str) -> list[str]:
    "For each entry of the table that holds noise, what comes: cond, uncond, or mixed."
    found = []
    for place in range(clock.first, len(clock.a)):
        case = at_place(clock, place, predicts, 3.0, 2, (3,))
        came = answer(f, case)
        names = [k for k in ("cond", "uncond") if gap(came, case.known[k]).max() <= case.rounding]
        found.append(names[0] if names else "mixed")
    return found


def stretch(on: Sequence[bool], times: Tensor) -> str:
    "Where a rule guides, in words."
    at = [t for t, guides in zip(times.tolist(), on, strict=True) if guides]
    if not at:
        return "nowhere"
    runs = sum(b and not a for a, b in zip([False, *on], on, strict=False))
    ends = f"t = {at[0]:.6g} to {at[-1]:.6g}"
    return ends if runs == 1 else f"{len(at)} of {len(on)} times, in {runs} pieces of {ends}"


def interval_slip(on: list[bool], inside: list[bool], times: Tensor) -> tuple[str, str] | None:
    "What is wrong with the times at which a rule guides: a name and a cure; None where nothing is."
    if on == inside:
        return None
    if all(on):
        return (
            "the interval is not looked at",
            "Take the conditional answer as it is where t lies outside.",
        )
    if on == [not i for i in inside]:
        return (
            "the interval turned around",
            "It guides outside of the interval, and must guide inside.",
        )
    if on == inside[::-1]:
        return "the interval counted from the other end", "On your clock t = 0 has the least noise."
    off = [i for i, (x, y) in enumerate(zip(on, inside, strict=True)) if x != y]
    edges = {i + d for i in range(1, len(on)) if inside[i] != inside[i - 1] for d in (0, -1)}
    if len(off) <= 2 and set(off) <= edges:
        return "an end of the interval one entry off", "Both ends belong to it: low <= t <= high."
    return "", "See where your code compares t."


def on_interval(said: Verdict, found: list[str], clock: Clock, interval: tuple | None) -> Verdict:
    "A verdict on a right mix, after a look at where it is made."
    times = clock.times[clock.first :]
    on, line = [name == "mixed" for name in found], "chapter 15, (15.10)"
    if "uncond" in found:
        name, t = "uncond outside of the interval", times[found.index("uncond")].item()
        cure = "Where it does not guide, a rule hands on the conditional answer: w = 1, not w = 0."
        says = f'wrong: "{name}": at t = {t:.6g} it gives the unconditional answer.'
        return Verdict("guidance", False, says, slip=name, cure=cure, see=line)
    here = stretch(on, times)
    if interval is not None:
        low, high = interval
        inside = [low <= t <= high for t in times.tolist()]
        if (slip := interval_slip(on, inside, times)) is not None:
            name, cure = slip
            named = f'"{name}": ' if name else ""
            says = f"wrong: {named}it guides at {here}, where {stretch(inside, times)} was wanted."
            return Verdict("guidance", False, says, slip=name, cure=cure, see=line)
    if all(on):
        return said
    return replace(
        said, notes=(*said.notes, f"It guides at {here}, and elsewhere says cond (15.10).")
    )


def weights_in(came: Tensor, case: Case) -> str:
    "What an answer is made of, in words."
    two = torch.stack([case.known[k].flatten() for k in ("cond", "uncond")], 1)
    if came.numel() != len(two) or not bool(came.isfinite().all()):
        return ""
    weights = torch.linalg.lstsq(two, came.flatten()[:, None]).solution
    rest = ((came.flatten() - (two @ weights)[:, 0]).norm() / came.norm().clamp(min=1e-30)).item()
    one, other = weights[:, 0].tolist()
    if rest > 1e-4:
        return f"It is no weighted sum of the two answers: {rest:.2g} of it is something else."
    said = f"At the scale {case.known['w']:g} it weighs cond with {one:.5g} and uncond with {other:.5g}"
    return f"{said}, together {one + other:.5g}."


def papers(count: float) -> str:
    "Some papers that count so."
    names = [name for name, number in NO_GUIDANCE.items() if number == count and "(" not in name]
    return ", ".join(names[:2])


def counts_as(came: list[Tensor], cases: list[Case]) -> tuple[float, Callable, float] | None:
    "The number that is no guidance in a right rule, how it mixes (clipped_last, mixed), and how closely it is met."
    for build in (mixed, clipped_last):
        for count, (_, weights) in RIGHT.items():
            error, same = compare(came, cases, build(weights))
            if same:
                return count, build, error
    return None


def on_mix(came: list[Tensor], cases: list[Case], paper: str | None, again: Callable) -> Verdict:
    "The verdict on answers where the rule mixes."
    wanted = NO_GUIDANCE[paper] if paper else None
    due = mixed(RIGHT[1.0 if wanted is None else wanted][1])
    found = counts_as(came, cases)
    if found is None:
        said = judge("guidance", came, cases, due, SLIPS, SEE, again)
        known = "" if said.slip else weights_in(came[0], cases[0])
        return replace(said, notes=(known,)) if known else said
    count, build, error = found
    formula = f"{RIGHT[count][0]}, so {count:g} is no guidance"
    if wanted is not None and count != wanted:
        says = f"wrong: it is {formula}, and {paper} writes {wanted:g} for that."
        cure = f"{'Take 1 from' if wanted else 'Add 1 to'} the scale, or write {RIGHT[wanted][0]}."
        off = compare(came, cases, due)[0]
        return Verdict("guidance", False, says, off, "another paper's zero", cure, SEE)
    says = f"right to {digits_of(error)}, on {len(cases)} batches: {formula} ({paper or papers(count)})."
    note = ("What comes out is clipped to [-1, 1] as a picture.",) * (build is clipped_last)
    return Verdict("guidance", True, says, error, see=SEE, notes=note)


def at_rest(f: Callable, case: Case, make: Callable) -> Verdict | None:
    "What is wrong at the scale that is no guidance; None where the answer is cond, as it must be."
    came, w = answer(f, case), case.known["w"]
    if gap(came, make(**case.known)).max() <= case.rounding:
        return None
    uncond = bool(gap(came, case.known["uncond"]).max() <= case.rounding)
    name, it = ("uncond where there is no guidance", "uncond") if uncond else ("", "something else")
    says = f"wrong: at the scale {w:g}, which is no guidance, it says {it}, and cond was due."
    return Verdict(
        "guidance", False, says, slip=name, cure="Hand on the conditional answer.", see=SEE
    )


def guidance(
    f: Callable,
    alphas_cumprod: Any = None,
    betas: Any = None,
    sigmas: Any = None,
    flow_times: Any = None,
    predicts: str = "eps",
    paper: str | None = None,
    interval: tuple[float, float] | None = None,
    event_shape: Iterable[int] = (3, 8, 8),
) -> Verdict:
    """Is f(cond, uncond, w) the guided answer, and from which zero does it count w?

        referee.guidance(lambda cond, uncond, w: uncond + w * (cond - uncond), paper="Imagen")

    cond and uncond: (4, *event_shape), what a network says with and without the class; both float32 and float64 come.
    w: a float above 1. Right are uncond + w (cond - uncond) and (1 + w) cond - w uncond; with paper, a name in
    NO_GUIDANCE, the one that counts as this paper does. With a table, as in noising, f is handed x_t and t, too,
    f(cond, uncond, w, x_t, t) with one t for the batch: it may guide at some t only, and say cond elsewhere. interval:
    (low, high), the times at which it is to guide, both ends among them, as t counts. predicts: what the network says,
    as in target: only of a clip does it matter. A rule may clip its picture in the end; what else is done to the mix
    (rescaling, a threshold) is not looked at here. TypeError, ValueError: not one table, an unknown name, no interval.
    """
    checks.function("f", f, "cond, uncond and w")
    tables = {"alphas_cumprod": alphas_cumprod, "betas": betas, "sigmas": sigmas, "flow_times": flow_times}  # fmt: skip
    clock = clock_of(**tables) if any(v is not None for v in tables.values()) else None
    checks.one_of("predicts", predicts, list(PICTURE))
    if paper is not None:
        checks.one_of("paper", paper, list(NO_GUIDANCE))
    if interval is not None:
        interval = ends_of(interval, clock)
    event = event_of(event_shape)
    try:
        return verdict_on(f, clock, predicts, paper, interval, event)
    except NoAnswer as error:
        return no_verdict("guidance", error, SEE)


def ends_of(interval: Any, clock: Clock | None) -> tuple[float, float]:
    "The two ends of an interval of times; ValueError or TypeError where it is none."
    if clock is None:
        raise TypeError("interval needs the table that its times are read from, got none")
    if not isinstance(interval, tuple | list) or len(interval) != 2:
        raise TypeError(f"interval must be two times, got {checks.got(interval)}")
    low = checks.number("low", interval[0])
    return low, checks.number("high", interval[1], low)


def verdict_on(
    f: Callable,
    clock: Clock | None,
    predicts: str,
    paper: str | None,
    interval: tuple | None,
    event: tuple,
) -> Verdict:
    "The verdict: where the rule guides, how it mixes there, and what it does at the scale that is no guidance."
    found = where(f, clock, predicts) if clock else []
    on = [i + clock.first for i, name in enumerate(found) if name == "mixed"] if clock else []
    if clock and not on:
        slip = next(s for s in SLIPS if s.name == "the scale is not used")
        says = f'wrong: "{slip.name}": at every t it says {" or ".join(sorted(set(found)))}.'
        return Verdict("guidance", False, says, slip=slip.name, cure=slip.says, see=SEE)

    def case_at(w: float, i: int = 3) -> Case:
        if not clock:
            return bare(predicts, w, i, event)
        return at_place(clock, on[(2 * i + 1) * len(on) // 12], predicts, w, 4, event)

    cases = [case_at(w, i) for i, w in enumerate(SCALES)]
    cases = [narrow(case) if i % 2 else case for i, case in enumerate(cases)]
    came = [answer(f, case) for case in cases]
    said = on_mix(came, cases, paper, lambda: [answer(f, case, 1) for case in cases])
    if not said:
        return said
    count, build, _ = counts_as(came, cases)
    if (rest := at_rest(f, case_at(count), build(RIGHT[count][1]))) is not None:
        return rest
    return on_interval(said, found, clock, interval) if clock else said
