"A denoiser that was told y = A x0 + noise, held against the exact posterior of a law that is known."

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor

from .. import checks
from ..inverse import ASSUMED, Measurement
from ..laws.mixture import GaussianMixture
from .clock import Clock, clock_of
from .guidance import PICTURE
from .noising import no_verdict, noised
from .verdict import Case, NoAnswer, Verdict, as_numbers, ask, compare, digits_of, judge, slips

__all__ = ["inverse"]

SEE = "chapter 17, (17.4) and (17.5)"
ROUNDING = 1e-3  # what float32 loses where y's noise is small; the slips are off by more
MOST = 256  # numbers of an event: their covariances are held whole
NAMED = {
    "point": "V = 0, Cov[x_0 | x_t] taken for 0, as DPS is derived; its published code steps by zeta over the norm",
    "unit": "PiGDM, which is derived with s^2 I for Cov[x_0 | x_t]; its published step is another",
    "moments": "TMPD or MMPS, which take Cov[x_0 | x_t] as Tweedie's formula has it",
}


def eye(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


def spread(assume: str, A: Tensor, C: Tensor, a: Tensor, s: Tensor) -> Tensor:
    "A V A', (n, m, m), for what is assumed of V = Cov[x0 | x_t]; C is the true one."
    share = (s**2 / (a**2 + s**2))[:, None, None]
    return {"point": 0 * share * A @ A.mT, "unit": share * A @ A.mT, "moments": A @ C @ A.mT}[assume]  # fmt: skip


def error(y: Tensor, A: Tensor, D: Tensor, **_: Any) -> Tensor:
    "What y holds and the guess has not, (n, m)."
    return y - D @ A.mT


def back(v: Tensor, A: Tensor, C: Tensor, **_: Any) -> Tensor:
    "s^2/a J' A' v, (n, d): of the exact guess, s^2/a J is Cov[x0 | x_t]."
    return torch.einsum("nde,ne->nd", C, v @ A)


def pulled(assume: str, own: float = 1.0, times: Any = 1.0, noise: Callable = lambda r: r**2,
           error: Callable = error, spread: Callable = spread, back: Callable = back) -> Callable:  # fmt: skip
    "own D + times s^2/a J' A' (r^2 I + A V A')^-1 (y - A D), each part of which may be another."

    def make(D: Tensor, A: Tensor, C: Tensor, r: float, a: Tensor, s: Tensor, **known: Any) -> Tensor:  # fmt: skip
        k = {"D": D, "A": A, "C": C, "a": a[:, None], "s": s[:, None], **known}
        off = error(**k)
        v = torch.linalg.solve(spread(assume, A, C, a, s) + noise(r) * eye(len(A)), off)
        size = times(off=off, r=r, **k) if callable(times) else times
        return own * D + size * back(v=v, **k)

    return make


def exact(exact: Tensor, **_: Any) -> Tensor:
    "E[x0 | x_t, y]."
    return exact


RIGHT = {assume: pulled(assume) for assume in ASSUMED}


def each(**other: Any) -> tuple[Callable, ...]:
    "The same slip under each of the assumptions."
    return tuple(pulled(assume, **other) for assume in ASSUMED)


def of_square(A: Tensor) -> Tensor:
    "A, where something else of its shape may stand for A'."
    if A.shape[0] != A.shape[1]:
        raise RuntimeError
    return A


def by(rows: Callable) -> Callable:
    "Back through rows(A) in place of A."
    return lambda v, A, C, **_: torch.einsum("nde,ne->nd", C, v @ rows(A))


def over_norm(scale: Callable) -> tuple[Callable, ...]:
    "The slope of the error's norm, of each row or of the whole batch, times a number that is made of r."
    lengths = (lambda off: off.norm(dim=1, keepdim=True), lambda off: off.norm())
    return tuple(
        pulled("point", noise=lambda r: 1.0, times=lambda off, r, long=long, **_: scale(r) / long(off))
        for long in lengths
    )  # fmt: skip


def before_slope(f: Callable) -> tuple[Callable, ...]:
    "Another number than s^2/a before the slope of log p(y | x_t)."
    return each(times=lambda a, s, **_: f(a, s) * a / s**2)


def of_sigma(power: float) -> Callable:
    "PiGDM with another number for its variance: sigma^2, or the root of s^2."
    rises = (lambda a, s: (s / a) ** 2) if power == 2 else (lambda a, s: s / (a**2 + s**2).sqrt())
    return pulled("unit", spread=lambda _, A, C, a, s: rises(a, s)[:, None, None] * A @ A.mT)


def beside_y(assume: str, A: Tensor, C: Tensor, a: Tensor, s: Tensor) -> Tensor:
    "V where A V A' is due."
    share = (s**2 / (a**2 + s**2))[:, None, None]
    return share * eye(len(A)) if assume == "unit" else C + 0 * of_square(A)


SLIPS = slips(
    ("y of the wrong sign", "The guess goes towards y: add s^2/a times the slope of log p(y | x_t); from eps, s times it is "
     "taken away.", *each(times=-1.0)),
    ("y is not looked at", "That is E[x_0 | x_t], and nobody was told y.", lambda D, **_: D),
    ("the pull alone", "What y adds goes on top of E[x_0 | x_t], and does not stand for it.", *each(own=0.0)),
    ("the norm for its square", "A Gaussian's log holds |y - A D|^2 / (2 r^2). The slope of the norm alone is as long whatever "
     "the error: a step size of its own, as the published code has it, and another law.",
     *over_norm(lambda r: 1.0), *over_norm(lambda r: 0.5), *over_norm(lambda r: 1 / r), *over_norm(lambda r: 1 / (2 * r)),
     *over_norm(lambda r: 1 / r**2), *over_norm(lambda r: 1 / (2 * r**2)), "DPS2022/diffusion-posterior-sampling#20"),
    ("s^2/a left out", "A slope in x_t moves a guess of x_0 by s^2/a times it, (17.4).", *before_slope(lambda a, s: 1 + 0 * a)),
    ("s^2 for s^2/a", "A slope in x_t moves a guess of x_0 by s^2/a times it, (17.4): divide by a.",
     *before_slope(lambda a, s: s**2)),
    ("s for its square", "A slope in x_t moves a guess of x_0 by s^2/a times it, (17.4); it is eps that moves by s.",
     *before_slope(lambda a, s: s / a), *before_slope(lambda a, s: s)),
    ("the slope by the guess, and not by x_t", "Differentiate through the denoiser, or J' is missing: let x_t require gradients, "
     "and do not detach D.", *each(back=lambda v, A, a, s, **_: s**2 / a * (v @ A)), *each(back=lambda v, A, **_: v @ A),
     *each(back=lambda v, A, s, **_: s**2 * (v @ A))),
    ("r for its square", "The noise of y has the variance r^2: its deviation goes in squared.", *each(noise=lambda r: r)),
    ("r left out", "How far the guess goes depends on how well y was measured: divide by r^2 + A V A'.",
     pulled("point", noise=lambda r: 1.0), pulled("unit", noise=lambda r: 0.0), pulled("moments", noise=lambda r: 0.0)),
    ("the 2 left out", "The log of a Gaussian has half of the square: |y - A D|^2 / (2 r^2).", *each(times=2.0)),
    ("a half too many", "The slope of |y - A D|^2 / (2 r^2) has no half: the 2 of the square takes it away.", *each(times=0.5)),
    ("A for A'", "The way back from y to x_0 is A transposed.", *each(back=by(lambda A: of_square(A).mT))),
    ("A' forgotten", "The error lives where y does: A transposed brings it back to x_0.",
     *each(back=by(lambda A: eye(len(of_square(A)))))),
    ("the pseudo-inverse for A'", "The slope brings the error back by A transposed; the pseudo-inverse is for r = 0.",
     *each(back=by(lambda A: torch.linalg.pinv(A).mT))),
    ("x_t measured, and not the guess", "y is a measurement of x_0: hold it against A D, and not against A x_t.",
     *each(error=lambda y, A, x, **_: y - x @ A.mT), *each(error=lambda y, A, x, a, **_: y - x @ A.mT / a)),
    ("A left out of A V A'", "What is unsure of y is A x_0, so V becomes A V A', (17.5).", pulled("unit", spread=beside_y),
     pulled("moments", spread=beside_y)),
    ("sigma^2 for its r_t^2", "PiGDM's variance is sigma^2 / (1 + sigma^2) with sigma = s/a: s^2, where a^2 + s^2 = 1.",
     of_sigma(2), of_sigma(0.5)),
    ("y put in place of the guess", "A projection on y trusts it entirely, and moves nothing else of x_0: right where r = 0, at "
     "the last step.", lambda D, A, y, **_: D + (y - D @ A.mT) @ torch.linalg.pinv(A).mT),
)  # fmt: skip


def rows_of(measurement: Measurement, d: int) -> Tensor:
    "A as a matrix, (m, d)."
    return measurement.of_rows(eye(d)).mT.contiguous()


def in_law(x: Tensor, a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    "x_t and its log SNR where a^2 + s^2 = 1, as a law is asked."
    size = (a**2 + s**2).sqrt().view(-1, *[1] * (x.ndim - 1))
    return x / size, 2 * (a.log() - s.log())


def draw_questions(clock: Clock, law: GaussianMixture, measurement: Measurement, predicts: str) -> list[Case]:  # fmt: skip
    "Noisy x of the law at levels that are spread over the clock, and for each batch a y that another x0 of it gave."
    generator, cases, d = Generator().manual_seed(17), [], law.event_shape.numel()
    A = rows_of(measurement, d)
    for i in range(6):
        dtype = torch.float32 if i % 2 else torch.float64
        x0, other = law.sample(5, generator), law.sample(1, generator)
        y = measurement.sample(other, generator)[0].to(dtype)
        eps = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
        place = clock.places(5, generator)
        a, s = clock.a[place].double(), clock.s[place].double()
        x_t = noised(x0, a, s, eps).to(dtype)
        x, level = in_law(x_t.double(), a, s)
        posterior = measurement.posterior(law, y.double())
        known = {
            "x": x_t.double().flatten(1), "D": law.denoise(x, level).flatten(1), "C": law.denoise_cov(x, level), "A": A,
            "y": y.double(), "r": measurement.std, "a": a, "s": s, "exact": posterior.denoise(x, level).flatten(1),
        }  # fmt: skip
        loose = ROUNDING if predicts == "x0" else ROUNDING * (1 + 0.01 * (1 / a).clamp(max=1e3))
        cases.append(Case((x_t, clock.told(place), y), known, loose))
    return cases


def read(f: Callable, case: Case, predicts: str) -> Tensor:
    "What f takes x0 to be, (n, d)."
    said = as_numbers(ask(f, case.args, grad=True), "an answer like x_t")
    if said.shape != case.args[0].shape:
        return said
    x, a, s = (case.known[name] for name in ("x", "a", "s"))
    return PICTURE[predicts](said.flatten(1), x, a[:, None], s[:, None])


def how_far(came: list[Tensor], cases: list[Case]) -> tuple[str, ...]:
    "Where an answer goes the way of an assumption, and further or less far: how far, in words."
    for assume, make in RIGHT.items():
        shares = []
        for x, case in zip(came, cases, strict=True):
            if x.shape != case.known["D"].shape:
                return ()
            due, moved = case.due(make) - case.known["D"], x - case.known["D"]
            share = (moved * due).sum(1) / due.square().sum(1)
            off = (moved - share[:, None] * due).norm(dim=1) / moved.norm(dim=1).clamp(min=1e-30)
            shares += share[off < 0.01].tolist()
        if len(shares) > 5 * len(cases) // 2:
            low, high = min(shares), max(shares)
            much = f"{low:.3g} times" if high - low < 0.01 * abs(high) else f"{low:.3g} to {high:.3g} times"  # fmt: skip
            return (f"It goes the way of {NAMED[assume].split(',')[0]}, {much} as far.",)
    return ()


def on_answers(came: list[Tensor], cases: list[Case]) -> Verdict:
    "The verdict: the exact guess, one of the three assumptions, a slip, or none of these."
    said = judge("inverse", came, cases, exact, (), SEE)
    if said.right:
        return replace(said, says=f"{said.says[:-1]}: the exact E[x_0 | x_t, y].")
    for assume, make in RIGHT.items():
        off, same = compare(came, cases, make)
        if same:
            says = f"right to {digits_of(off)}, on {len(cases)} batches: it is {NAMED[assume]}."
            note = f"An approximation: from the exact E[x_0 | x_t, y] of this law it is off by {digits_of(said.error)}."
            return Verdict("inverse", True, says, off, see=SEE, notes=(note,))
    said = judge("inverse", came, cases, exact, SLIPS, SEE)
    return said if said.slip else replace(said, notes=how_far(came, cases))


def inverse(
    f: Callable,
    law: GaussianMixture,
    measurement: Measurement,
    alphas_cumprod: Any = None,
    betas: Any = None,
    sigmas: Any = None,
    flow_times: Any = None,
    predicts: str = "x0",
) -> Verdict:
    """Is f(x_t, t, y) what a denoiser of law becomes once it is told y, exactly or under a known assumption?

        referee.inverse(my_dps_around(law.denoise), law, Measurement(A, 0.3), alphas_cumprod=my_table)

    f: code that was made with the exact denoiser of law, and with measurement's A and std. It is handed x_t (5, *event), t
    (5,) by the one table that is given, as in sampler, and y (m,), in float64 and float32, and may use autograd. predicts:
    what it gives, as in target. Right are E[x0 | x_t, y] itself, V = 0 (from which DPS is derived; its published code steps
    by zeta over the norm), PiGDM as derived and, with enough passes, TMPD or MMPS; the verdict says which, and how far from
    exact. Errors as in noising; ValueError: an event of more than 256 numbers.
    """
    f = checks.function("f", f, "x_t, t and y")
    checks.instance("law", law, GaussianMixture)
    checks.instance("measurement", measurement, Measurement)
    looks_at = measurement.A.shape[1:] if measurement.seen is None else measurement.A.shape
    if looks_at.numel() != law.event_shape.numel():
        fits = f"look at events of law, {tuple(law.event_shape)}"
        raise ValueError(f"measurement must {fits}, got one of shape {tuple(looks_at)}")
    checks.at_most("law.event_shape: how many numbers", law.event_shape.numel(), MOST)
    checks.one_of("predicts", predicts, list(PICTURE))
    clock = clock_of(alphas_cumprod, betas, sigmas, flow_times)
    cases = draw_questions(clock, law.to("cpu", torch.float64), measurement, predicts)
    try:
        came = [read(f, case, predicts) for case in cases]
    except NoAnswer as error:
        return no_verdict("inverse", error, SEE)
    return on_answers(came, cases)
