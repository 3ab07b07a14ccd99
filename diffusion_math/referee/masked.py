"Is a masked loss the bound? Its weight, who is counted, and the base of its log."

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from .. import checks
from .loss import SIGMAS
from .noising import no_verdict
from .verdict import NoAnswer, Verdict, ask, digits_of

__all__ = ["masked_loss"]

SEE = "chapter 19, (19.0) and (19.5)"
CALLS, WORDS, LETTERS = 400, 32, 7
CURES = {
    "letters that are shown are counted": "Only masked letters are bet on: multiply by the mask, or index with it.",
    "masked letters are left out": "Every masked letter counts.",
    "the weight 1/t is missing": "Divide each word's sum by its own t, or draw how many letters are masked evenly from "
    "1 to l, and divide by that number.",
    "the mean over the masked letters of a batch": "Words with many masks count for more. Divide each word's sum by its "
    "own t, and by nothing else that depends on the masks.",
    "some numbers of masks never occur": "t must go from 0 to 1, or masks of every number must come.",
}


class Draw(NamedTuple):
    "One call of the loss: how many letters of each word were masked, and the weight of each letter."

    masked: Tensor  # (b, l), bool
    weights: Tensor  # (b, l)
    value: float


class Chances(nn.Module):
    "A network that says every letter is as likely as any other, and remembers what it was asked."

    def __init__(self, letters: int, says: str):
        super().__init__()
        self.letters, self.says, self.asked = letters, says, []
        self.weight = nn.Parameter(torch.zeros(()))  # some code asks a network where it lies

    def forward(self, x: Any, *more: Any, **named: Any) -> Tensor:
        if not isinstance(x, Tensor) or x.is_floating_point() or x.ndim != 2:
            raise NoAnswer(
                f"the network was asked for a {checks.got(x)}, and numbers of letters (b, l) were due"
            )
        even = -math.log(self.letters) if self.says == "logits" else 1 / self.letters
        said = torch.full((*x.shape, self.letters), even, requires_grad=True)
        self.asked.append((x.detach().clone(), said))
        return said


def draw_once(f: Callable, x0: Tensor, mask: int, letters: int, says: str, seed: int) -> Draw:
    "What one call masks and counts; NoAnswer where that cannot be told."
    probe = Chances(letters, says)
    value = ask(partial(f, probe), (x0,), seed, grad=True)
    if len(probe.asked) != 1:
        raise NoAnswer(f"it asked the network {len(probe.asked)} times, and once was due")
    (x, said), b = probe.asked[0], torch.arange(len(x0))[:, None]
    if x.shape != x0.shape or not bool(((x == x0) | (x == mask)).all()):
        raise NoAnswer(f"the network was shown letters that are neither x0's nor the mask, {mask}")
    if not isinstance(value, Tensor) or not value.requires_grad:
        raise NoAnswer(
            f"it returned a {checks.got(value)} that no gradient leads through, and a loss was due"
        )
    slope = torch.autograd.grad(value.sum(), said)[0].double()
    place = torch.arange(x0.shape[1])
    # of a cross-entropy the slopes of the right letter and of another differ by the weight, softmax or not
    weights = slope[b, place, (x0 + 1) % letters] - slope[b, place, x0]
    if says == "chances":
        weights = weights / letters
    return Draw(x == mask, weights, float(value.detach().double().sum()))


def wrong(name: str, says: str) -> Verdict:
    "A verdict on a loss that has a slip."
    return Verdict(
        "masked loss", False, f'wrong: "{name}": {says}.', math.nan, name, CURES[name], SEE
    )


def who_counts(draws: list[Draw]) -> Verdict | None:
    "What is wrong with the letters that are counted."
    masked, weights = (
        torch.stack([d.masked for d in draws]),
        torch.stack([d.weights for d in draws]),
    )
    top = weights.abs().max().clamp(min=1e-300)
    if (seen := weights[~masked].abs().max()) > 1e-6 * top:
        return wrong(
            "letters that are shown are counted",
            f"with up to {seen.item():.3g} of a letter's weight",
        )
    none = weights[masked] <= 1e-9 * top
    if bool(none.any()):
        share = none.double().mean().item()
        return wrong("masked letters are left out", f"{100 * share:.0f} % of them have no weight")
    return None


def verdict_on(draws: list[Draw], length: int) -> Verdict:
    "The verdict on a loss from what its calls counted: for the bound masks of every size weigh alike."
    if (bad := who_counts(draws)) is not None:
        return bad
    sizes = torch.stack([d.masked.sum(1) for d in draws])  # (calls, b)
    each = torch.stack([d.weights.sum(1) for d in draws])
    sums = torch.stack([(each * (sizes == h)).sum(1) for h in range(1, length + 1)], 1)
    mean, stderr = sums.mean(0), sums.std(0) / len(draws) ** 0.5
    if bool((mean == 0).any()):
        never = ", ".join(str(h + 1) for h in (mean == 0).nonzero().flatten().tolist())
        return wrong(
            "some numbers of masks never occur", f"no word had {never} of {length} letters masked"
        )
    if bool((stderr > 0.2 * mean).any()):
        h = 1 + int((stderr / mean).argmax())
        says = f"wrong: what masks of {h} letters weigh has no mean that {CALLS} calls would find: it grows faster than 1/t."
        return Verdict("masked loss", False, says, see=SEE)
    scale = mean.mean()
    off = (
        ((mean - scale) / (stderr**2 + (sums.mean(1).std() / len(draws) ** 0.5) ** 2).sqrt())
        .abs()
        .max()
    )
    if off > SIGMAS:
        letter = each.sum(1) / sizes.sum(1)  # the weight of a masked letter, in each call
        one = (
            torch.stack(
                [(d.weights / letter[i])[d.masked].std() for i, d in enumerate(draws)]
            ).max()
            < 1e-4
        )
        shares = f"masks of {length} letters weigh {mean[-1] / mean[0]:.2g} times those of one, and as much was due"
        if one and letter.std() < 1e-4 * letter.mean():
            return wrong("the weight 1/t is missing", shares)
        if one and (letter * sizes.sum(1)).std() < 1e-4 * (letter * sizes.sum(1)).mean():
            return wrong("the mean over the masked letters of a batch", shares)
        says = f"wrong: {shares} ({off:.0f} standard errors), and no slip that the referee knows explains it."
        return Verdict("masked loss", False, says, see=SEE)
    return named(
        scale.item(), (sums.mean(1).std() / len(draws) ** 0.5).item(), length, off.item(), draws
    )


def named(scale: float, stderr: float, length: int, off: float, draws: list[Draw]) -> Verdict:
    "The unit of a loss whose weight is right: nats or bits, a word or a letter."
    says = f"right: masks of every number of letters weigh alike, within {off:.1f} standard errors."
    gaps = [abs(d.value - d.weights.sum().item() * math.log(LETTERS)) for d in draws]
    closest = max(gaps) / max(abs(d.value) for d in draws)
    units = {
        f"{log} {per}{total}": a / b * c
        for log, a in (("nats", 1.0), ("bits", 1 / math.log(2)))
        for per, b in (("a word", 1.0), ("a letter", float(length)))
        for total, c in (("", 1.0), (", summed over the batch", float(WORDS)))
    }
    fits = [
        name for name, unit in units.items() if abs(scale - unit) <= SIGMAS * stderr + 1e-5 * unit
    ]
    free = [
        name
        for name, unit in units.items()
        if abs(scale - unit * length / (length + 1)) <= SIGMAS * stderr
    ]
    note = f"Its unit: {fits[0]}." if fits else f"It is {scale:.4g} times the bound in nats a word."
    if not fits and free:
        note = f"Its unit: {free[0]}, times l/(l + 1): words without a mask count as free."
    notes = (
        (note,)
        if closest < 1e-4
        else (note, f"Its value is not that of its weights, by {digits_of(closest)}.")
    )
    return Verdict("masked loss", True, says, see=SEE, notes=notes)


def masked_loss(
    f: Callable, mask: int = LETTERS - 1, length: int = 6, says: str = "logits"
) -> Verdict:
    """Is f(network, x0) one draw of the bound of masked diffusion, and in which unit?

        referee.masked_loss(my_loss, mask=6)        # my_loss draws t and the masks inside, and asks network(x_t) once

    x0 (b, length) holds whole numbers from 0 to 5; a masked letter is the number `mask`, 6 or more. network(x_t), whatever
    else it is told, returns logits or log-chances (b, length, 7), or with says="chances" chances. f draws with torch's own
    random numbers and returns a loss that a gradient leads through. Looked at, by its slopes in 400 calls: that masked letters
    count, and they alone; that masks of every number of letters weigh alike, as 1/t makes them (5 standard errors); its unit.
    """
    f = checks.function("f", f, "network and x0")
    mask, length = checks.count("mask", mask, LETTERS - 1), checks.count("length", length, 2, 12)
    says = checks.one_of("says", says, ["logits", "chances"])
    rng = Generator().manual_seed(5)
    try:
        draws = []
        for seed in range(CALLS):
            x0 = torch.randint(0, LETTERS - 1, (WORDS, length), generator=rng)
            draws.append(draw_once(f, x0, mask, LETTERS, says, seed))
        return verdict_on(draws, length)
    except NoAnswer as error:
        return no_verdict("masked loss", error, SEE)
