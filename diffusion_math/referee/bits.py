"Bits per dimension from a density, and the likelihood of rounded grey levels: a constant lost there is a wrong result."

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from .. import checks
from ..likelihood import log_mass
from .noising import no_verdict
from .verdict import Case, NoAnswer, Slip, Verdict, as_numbers, ask, judge, slips

__all__ = ["bits", "decoder"]

SEE = "chapter 5b, (5.19) and (5.20), and chapter 8b"
SIDE, DIMS, LEVELS, WIDTH = 28, 28 * 28, 256, 2 / 256


def log_chance() -> Tensor:
    "log P_k of the 256 levels, in nats."
    return (-torch.arange(LEVELS, dtype=torch.float64) / 60).log_softmax(0)


class Density:
    "log_prob(x), nats of x in [-1, 1] of shape (b, 1, 28, 28), or padded; it keeps what it was asked."

    def __init__(self, tilt: float):
        self.tilt, self.asked = tilt, []

    def __call__(self, x: Any) -> Tensor:
        if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2:
            raise NoAnswer(
                f"it asked for the density of a {checks.got(x)}, and a batch of x was due"
            )
        self.asked.append(x.detach().double())
        place = (x.detach().double() + 1) / WIDTH
        level = place.floor().clamp(0, LEVELS - 1).long()
        inside = (1 + self.tilt * (place - level - 0.5)).clamp(min=1e-3).log()
        return (log_chance()[level] - math.log(WIDTH) + inside).flatten(1).sum(1)


def pictures() -> Tensor:
    "Eight pictures of grey levels, (8, 1, 28, 28), uint8."
    rng = Generator().manual_seed(4)
    draws = torch.multinomial(log_chance().exp(), 8 * DIMS, replacement=True, generator=rng)
    return draws.view(8, 1, SIDE, SIDE).to(torch.uint8)


def from_nats(change: Callable) -> Callable:
    "An answer made from the nats of x's density, for each picture or their mean."

    def make(nats: Tensor, mean: bool) -> Tensor:
        value = change(nats)
        return value.mean() if mean else value

    return make


LN2 = math.log(2)
BITS = from_nats(lambda n: n / DIMS / LN2 + 7)
BITS_SLIPS = slips(
    ("the width of a level forgotten", "Add log2(256 / 2) = 7 bits: x in [-1, 1] has levels of width 2/256 (5.19).",
     from_nats(lambda n: n / DIMS / LN2)),
    ("8 for 7", "Add 7 bits, not 8: x lies in [-1, 1], so a level is 2/256 wide. 8 belongs to [0, 1].",
     from_nats(lambda n: n / DIMS / LN2 + 8)),
    ("the width subtracted", "Subtract log2 of the width, which is below 1: 7 bits are added.",
     from_nats(lambda n: n / DIMS / LN2 - 7), from_nats(lambda n: n / DIMS / LN2 - 8)),
    ("nats for bits", "Divide the nats by log 2.", from_nats(lambda n: n / DIMS + 7 * LN2), from_nats(lambda n: n / DIMS),
     from_nats(lambda n: n / DIMS + 7)),
    ("multiplied by log 2", "Divide the nats by log 2.", from_nats(lambda n: n / DIMS * LN2 + 7)),
    ("the bits of a picture", "Divide by the number of pixels.", from_nats(lambda n: n / LN2 + 7 * DIMS),
     from_nats(lambda n: n / LN2 + 7), from_nats(lambda n: n / LN2)),
    ("the border counted as pixels", "The mean is over the pixels of the picture, 28 x 28, not of its padded frame (8b.13).",
     from_nats(lambda n: (n / DIMS / LN2 + 7) * DIMS / 1024), from_nats(lambda n: n / 1024 / LN2 + 7)),
    ("a sign", "Bits are minus a log: bits = -log2 p.", from_nats(lambda n: -n / DIMS / LN2 + 7),
     from_nats(lambda n: -n / DIMS / LN2 - 7), from_nats(lambda n: -n / DIMS / LN2)),
)  # fmt: skip


def spread_of(x: Tensor, levels: Tensor) -> tuple[str, str] | None:
    "What is wrong with the x that a density was asked for: name and finding."
    if x.shape[-1] > levels.shape[-1]:
        edge = (x.shape[-1] - levels.shape[-1]) // 2
        x = x[..., edge : edge + SIDE, edge : edge + SIDE]
    if x.shape != levels.shape:
        raise NoAnswer(
            f"it asked for the density of shape {tuple(x.shape)}, and {tuple(levels.shape)} was due"
        )
    for name, low, width in (("x in [0, 1]", 0.0, 1 / 256), ("x in 0..255", 0.0, 1.0)):
        u = (x - low) / width - levels
        if bool(((u > -0.51) & (u < 1.01)).all()):
            return name, "the density was asked about x on another scale than [-1, 1]"
    # levels 2/255 apart, with even noise around each: right elsewhere, but not this density's
    around = (x + 1) * 127.5 - levels.double() + 0.5
    if bool(((around > -1e-5) & (around < 1 + 1e-5)).all()) and is_even(around):
        raise NoAnswer(
            "it asked about levels 2/255 apart, and this density's are 2/256 wide: hand over 2 (k + u) / 256 - 1"
        )
    return noise_of(x, (x + 1) / WIDTH - levels.double(), levels)


def is_even(u: Tensor) -> bool:
    "Whether these places within a level have the mean and the variance of even noise in [0, 1), by 5 standard errors."
    mean, var, n = u.mean().item(), u.var().item(), u.numel()
    return (
        abs(mean - 0.5) <= 5 * (1 / 12 / n) ** 0.5 and abs(var - 1 / 12) <= 5 * (1 / 180 / n) ** 0.5
    )


def noise_of(x: Tensor, u: Tensor, levels: Tensor) -> tuple[str, str] | None:
    "What is wrong with the place u of each x within its level."
    if bool((u.abs() > 1.6).any()):
        return "another scale", f"x lies as far as {u.abs().max():.3g} levels from its own"
    bare = (x - (levels.double() / 127.5 - 1)).abs().max().item()
    if bare < 1e-5 or u.std() < 1e-3:
        return (
            "no noise within a level",
            "x was asked for at one place of each level: levels have a mass, and no density",
        )
    mean, var = u.mean().item(), u.var().item()
    if not is_even(u):
        if abs(mean) < 0.02 and abs(var - 1 / 12) < 0.01:
            return (
                "noise around the edge of a level",
                "u runs from -1/2 to 1/2 where levels reach from k to k + 1",
            )
        return (
            "uneven noise",
            f"the place within a level has mean {mean:.3f} and variance {var:.4f}, for 1/2 and 1/12",
        )
    return None


SCALE = "Hand over 2 (k + u) / 256 - 1, u in [0, 1), "
NAMED = slips(  # what is seen in the x that a density is asked about
    ("x in [0, 1]", SCALE + "or hand the referee a density on your scale."),
    ("x in 0..255", SCALE + "not the level itself."),
    ("another scale", SCALE + "which lies in [-1, 1]."),
    ("no noise within a level", "Add even noise u in [0, 1) to each level before it is scaled: 2 (k + u) / 256 - 1 (5.19b)."),
    ("noise around the edge of a level", "Add u in [0, 1), so that a level keeps its own place: 2 (k + u) / 256 - 1."),
    ("uneven noise", "Even noise costs nothing. Of another noise its own bits, E log2 r(u), must be counted (8b.11)."),
)  # fmt: skip
CURES = {row.name: row.says for row in NAMED}


def bits(f: Callable) -> Verdict:
    """Are f(log_prob, pixels) the bits per dimension of pictures, from a density?

        referee.bits(lambda log_prob, pixels: my_bits(my_model_with(log_prob), pixels))

    pixels (8, 1, 28, 28) hold grey levels 0..255, uint8. log_prob(x) -> (b,) is in nats, a density over x in [-1, 1],
    where level k reaches from 2k/256 - 1 to 2(k + 1)/256 - 1. f spreads the levels by torch's random numbers, asks log_prob once
    or several times, and returns bits for each picture, (8,), or their mean. TypeError: f is not callable.
    """
    f, levels = checks.function("f", f, "log_prob and pixels"), pictures()
    try:
        flat, tilted = Density(0.0), Density(0.4)
        came = as_numbers(ask(partial(f, flat), (levels,)), "bits")
        ask(partial(f, tilted), (levels,))
        if not tilted.asked:
            raise NoAnswer("it never asked for the density")
        off = spread_of(torch.cat(tilted.asked)[:8], levels)
    except NoAnswer as error:
        return no_verdict("bits", error, SEE)
    nats = -(log_chance()[levels.long()].flatten(1).sum(1) - DIMS * math.log(WIDTH))
    cases = [Case((), {"nats": nats, "mean": came.numel() == 1})]
    if off:
        name, said = off
        return Verdict("bits", False, f'wrong: "{name}": {said}.', math.nan, name, CURES[name], SEE)
    return judge("bits", [came.reshape(-1) if came.numel() > 1 else came], cases, BITS, BITS_SLIPS, SEE,
                 what="bits per dimension, from nats, the width of a level and the pixels")  # fmt: skip


def cdf_difference(cdf: Callable, half: float = 1 / 255, low: float = 1e-12) -> Callable:
    "log of a difference of two CDFs, clamped, with open ends, as much code has it."

    def make(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        z, h = (x - mean) / std, half / std
        high, less = cdf(z + h), cdf(z - h)
        less = torch.where(x < -0.999, 0.0, less)
        high = torch.where(x > 0.999, 1.0, high)
        return (high - less).clamp(min=low).log()

    return make


def tanh_cdf(z: Tensor) -> Tensor:
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


def right_mass(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    "log of the mass of each level, to all digits."
    return log_mass(x, mean, std.square().expand_as(mean), -1.0, 1.0, LEVELS)


def closed(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    z, h = (x - mean) / std, 1 / 255 / std
    return (torch.special.ndtr(z + h) - torch.special.ndtr(z - h)).clamp(min=1e-12).log()


def bell(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return -0.5 * ((x - mean) / std).square() - std.log() - 0.5 * math.log(2 * math.pi)


TANH = (
    "Phi by tanh is off by 10 % at -3 deviations. Use differences of torch.special.log_ndtr (8b.8)."
)
CLAMP = "A clamp at 1e-12 can never read more than 40 bits, so far out the number is not (5.20). Use log_ndtr (8b.8)."
DECODER_SLIPS = slips(
    ("tanh for the normal CDF", TANH, *tuple(cdf_difference(tanh_cdf, low=v) for v in (1e-12, 1e-10, 1e-15, 1e-20))),
    ("a clamped difference", CLAMP,
     *tuple(cdf_difference(torch.special.ndtr, low=v) for v in (1e-12, 1e-10, 1e-08, 1e-07, 1e-15, 1e-20))),
    ("the ends closed", "The first level reaches to -inf and the last to inf, or the masses do not add to 1.", closed),
    ("half a level", "Levels stand 2/255 apart: a level reaches 1/255 to either side.",
     cdf_difference(torch.special.ndtr, 0.5 / 255), cdf_difference(torch.special.ndtr, 2 / 255),
     cdf_difference(torch.special.ndtr, 1 / 256)),
    ("a density for a mass", "A level has a mass: the density times its width, and integrated where the Gaussian is narrow.",
     bell, lambda x, mean, std: bell(x, mean, std) + math.log(2 / 255)),
    ("a logistic for Phi", "The CDF is Phi, not the logistic function.", cdf_difference(torch.sigmoid)),
    ("a variance for its root", "Divide by the deviation, not by its square.",
     lambda x, mean, std: right_mass(x, mean, std.square()),
     lambda x, mean, std: cdf_difference(torch.special.ndtr)(x, mean, std.square()),
     "bjlkeng/sandbox#10"),
    ("a sign", "The log of a mass is never above 0: hand over the log, not its negative.",
     lambda x, mean, std: -right_mass(x, mean, std)),
    ("bits for nats", "Hand over nats: the natural log.", lambda x, mean, std: right_mass(x, mean, std) / LN2),
)  # fmt: skip


def decoder(f: Callable) -> Verdict:
    """Is f(x, mean, std) the log-likelihood of grey levels under a rounded Gaussian, pixel by pixel, in nats?

        referee.decoder(lambda x, mean, std: discretized_gaussian_log_likelihood(x, means=mean, log_scales=std.log()))

    x (4, 1, 16, 16) holds 256 levels from -1 to 1, mean is like it, std (4, 1, 1, 1) runs from broad to narrow; levels
    as far out as 12 deviations are among them. f returns one number for each pixel, or their sum for each picture.
    """
    f, rng = checks.function("f", f, "x, mean and std"), Generator().manual_seed(9)
    levels = torch.randint(0, 256, (4, 1, 16, 16), generator=rng)
    levels[:, :, 0, :4], levels[:, :, 0, 4:8] = 0, 255
    x = levels.double() / 127.5 - 1
    std = torch.tensor([0.3, 0.1, 0.03, 0.01], dtype=torch.float64).view(4, 1, 1, 1)
    away = torch.linspace(-12, 12, 256, dtype=torch.float64).view(16, 16).flip(0)
    mean = x + std * away[torch.randperm(16, generator=rng)]
    try:
        came = as_numbers(ask(f, (x, mean, std)))
    except NoAnswer as error:
        return no_verdict("decoder", error, SEE)
    case = Case((), {"x": x, "mean": mean, "std": std}, 1e-4)

    def shaped(make: Callable) -> Callable:
        if came.shape == x.shape:
            return lambda **k: make(**k).flatten()[:, None]
        return lambda **k: make(**k).flatten(1).sum(1)

    slips = [Slip(s.name, s.says, tuple(shaped(m) for m in s.makes)) for s in DECODER_SLIPS]
    told = came.flatten()[:, None] if came.shape == x.shape else came
    what = f"nats of {x.numel()} pixels as far as 12 deviations out"
    return judge("decoder", [told], [case], shaped(right_mass), slips, SEE, what=what)
