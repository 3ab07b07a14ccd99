"How many bits a model needs for many pictures: the bound in its parts, each with its standard error."

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from .. import checks
from ..area import LogSNRLaw, area_estimate
from ..ddpm import DDPM
from ..flow_likelihood import log_prob_by_flow
from ..forward import ForwardProcess, Schedule
from ..likelihood import draw_times, term_shares

__all__ = ["area_terms", "bound_report", "bound_table", "bound_terms", "flow_terms", "with_steps"]


def with_steps(p: DDPM, T: int | None) -> DDPM:
    "p on T steps: fewer of its noise levels, or more between them, evenly in log SNR."
    if T in (None, p.T):
        return p
    if callable(p.variance):
        what = "a function of t, which belongs to the old steps"
        raise ValueError(f"another T needs variance='posterior' or 'beta', got {what}")
    if T < p.T:
        return p.respace(T)
    level = p.q.schedule.log_snr[1:].numpy()
    if p.T < 2 or not np.isfinite(level).all():
        raise ValueError(f"T must be at most {p.T} for this model, got {T}")
    finer = np.interp(np.linspace(0, p.T - 1, T), np.arange(p.T), level)
    q = ForwardProcess(Schedule.from_log_snr(torch.from_numpy(finer)))
    return p.changed(q=q)


def step_groups(T: int) -> list[tuple[int, int]]:
    "t = 2..10, 11..100, ...: each from its first to its last."
    groups, first = [], 2
    while first <= T:
        last = min(10 ** len(str(first - 1)), T)
        groups.append((first, last))
        first = last + 1
    return groups


def _which_steps(
    p: DDPM, b: int, terms: int | str, shares: Float[Tensor, " m"], generator: Generator | None
) -> tuple[Int64[Tensor, "k b"], Float[Tensor, "k b"]]:
    "The t of k steps for each of b pictures, and what each counts."
    device = shares.device
    if terms == "all" or p.T == 1:
        t = torch.arange(2, p.T + 1, device=device)[:, None].repeat(1, b)
        return t, torch.ones(t.shape, dtype=shares.dtype, device=device)
    t = draw_times("both", shares, terms, b, generator)
    return t, 1 / (terms * shares[t - 2])


def _ends(
    p: DDPM, x0: Float[Tensor, "b *event"], generator: Generator | None
) -> tuple[Float[Tensor, "1 b"], Float[Tensor, "1 b"]]:
    "The prior of each picture, and its reconstruction from one x_1, in nats."
    x_1 = p.q.marginal(x0, 1).sample(generator)
    ends = p.q.marginal(x0, p.T).kl(p.prior(x0)), -p.decode(x_1).log_prob(x0)
    kind = checks.finest(x0.device)
    return ends[0].to(kind)[None], ends[1].to(kind)[None]


def _bound_of(
    p: DDPM,
    x0: Float[Tensor, "b *event"],
    terms: int | str,
    shares: Float[Tensor, " m"],
    generator: Generator | None,
    tick: Callable[[], Any],
) -> Float[Tensor, "k b"]:
    "Each picture's terms in nats: the prior, the groups of steps, the reconstruction."
    q, groups = p.q, step_groups(p.T)
    edges = torch.tensor([last for _, last in groups], device=x0.device)
    kind = {"dtype": shares.dtype, "device": x0.device}  # float64, where the device has it
    steps = torch.zeros(len(groups), len(x0), **kind)
    for t, weight in zip(*_which_steps(p, len(x0), terms, shares, generator), strict=True):
        x_t = q.marginal(x0, t).sample(generator)
        cost = q.posterior(x_t, x0, t).kl(p.step(x_t, t)).to(**kind) * weight
        steps.scatter_add_(0, torch.bucketize(t, edges)[None], cost[None])
        tick()
    prior, reconstruction = _ends(p, x0, generator)
    return torch.cat([prior, steps, reconstruction])


def _batches(
    p: DDPM, x0: Float[Tensor, "n *event"], y: Int64[Tensor, " n"] | None, batch: int
) -> Iterator[tuple[DDPM, Float[Tensor, "b *event"]]]:
    "The pictures, batch at a time and on p's device, each with the p that was told their classes."
    device = next(p.parameters()).device
    for i in range(0, len(x0), batch):
        told = p if y is None else p.given(y=y[i : i + batch].to(device))
        yield told, x0[i : i + batch].to(device)


def every_step(p: DDPM, terms: int | str) -> bool:
    "Does each picture take all steps of the chain, and not a draw of them?"
    return terms == "all" or terms >= p.T - 1


@torch.no_grad()
def bound_terms(
    p: DDPM,
    x0: Float[Tensor, "n *event"],
    y: Int64[Tensor, " n"] | None = None,
    terms: int | str = 20,
    batch: int = 128,
    seed: int = 0,
    progress: bool = False,
) -> Float[Tensor, "k n"]:
    """The bound of every picture in nats, on the CPU; its rows are the prior, the groups of steps, the reconstruction.

    terms: how many of its steps each picture draws, or "all". y: the class of each, for a model that is told classes.
    Each row's mean over the pictures is unbiased, whatever terms is. batch pictures at a time are on p's device.
    """
    from tqdm.auto import tqdm

    device, every = next(p.parameters()).device, every_step(p, terms)
    generator, pilot = Generator(device).manual_seed(seed), x0[: max(1, 4000 // p.T)].to(device)
    terms, none = "all" if every else terms, pilot.new_zeros(p.T - 1)
    shares = none.to(checks.finest(device))
    if not every:
        shares = term_shares(p.q, p, pilot, "both", None, generator)
    rounds, parts = math.ceil(len(x0) / batch) * (p.T - 1 if every else terms), []
    look = dict(desc="the bound", unit="batch", dynamic_ncols=True)
    with tqdm(total=rounds, disable=not progress, **look) as bar:
        for told, x in _batches(p, x0, y, batch):
            parts.append(_bound_of(told, x, terms, shares, generator, bar.update).cpu().double())
    return torch.cat(parts, 1)


def _log_snr_ends(p: DDPM) -> tuple[float, float]:
    "The log SNR of p's noisiest step, T, and of its cleanest, t = 1; ValueError where one is infinite."
    ends = p.q.schedule.log_snr[[p.T, 1]]
    low, high = checks.strictly_rising("the log SNR of the model's steps T and 1", ends).tolist()
    return low, high


@torch.no_grad()
def area_terms(
    p: DDPM,
    x0: Float[Tensor, "n *event"],
    y: Int64[Tensor, " n"] | None = None,
    terms: int = 20,
    batch: int = 128,
    seed: int = 0,
    progress: bool = False,
) -> Float[Tensor, "3 n"]:
    """The bound of every picture for infinitely many steps, on the CPU: the prior, the area, the reconstruction, in nats.

    bound_by_area for pictures with classes, a batch at a time. terms: how many log SNR each picture draws. Else as in
    bound_terms. ValueError: a p whose first or last step has an infinite log SNR.
    """
    from tqdm.auto import tqdm

    generator, parts = Generator(next(p.parameters()).device).manual_seed(seed), []
    cuts = torch.linspace(*_log_snr_ends(p), terms + 1, dtype=torch.float64)
    look = dict(desc="the area", unit="batch", dynamic_ncols=True)
    with tqdm(total=math.ceil(len(x0) / batch) * terms, disable=not progress, **look) as bar:
        for told, x in _batches(p, x0, y, batch):
            area = torch.zeros(1, len(x), dtype=torch.float64, device=x.device)
            for k in range(terms):
                here = LogSNRLaw(cuts[k : k + 2])
                area += area_estimate(told, x, here, 1, 1, generator=generator).total
                bar.update()
            prior, reconstruction = _ends(told, x, generator)
            parts.append(torch.cat([prior, area, reconstruction]).cpu())
    return torch.cat(parts, 1)


@torch.no_grad()
def flow_terms(
    p: DDPM,
    x0: Float[Tensor, "n *event"],
    y: Int64[Tensor, " n"] | None = None,
    probes: int = 1,
    tolerance: float = 1e-3,
    batch: int = 128,
    seed: int = 0,
    progress: bool = False,
) -> Float[Tensor, "3 n"]:
    """What p's noise-free walk needs for every picture, in nats, on the CPU; each row is unbiased for its term of (11.9):

        -log p_1(x_1) by log_prob_by_flow,   log q(x_1 | x_0),   -log p(x_0 | x_1),   x_1 ~ q(x_1 | x_0)

    Their sum bounds -log p(x_0) of that walk, and of no other model. probes: how many sets of random signs each picture
    gets; tolerance: the integrator's. Else as in bound_terms. ValueError as in area_terms and log_prob_by_flow.
    """
    from tqdm.auto import tqdm

    generator, parts = Generator(next(p.parameters()).device).manual_seed(seed), []
    (end, start), a = _log_snr_ends(p), p.q.schedule.alpha_bar[1].sqrt().item()
    look = dict(desc="the flow", unit="walk", dynamic_ncols=True)
    with tqdm(total=math.ceil(len(x0) / batch) * probes, disable=not progress, **look) as bar:
        for told, x in _batches(p, x0, y, batch):
            noisy, dims = p.q.marginal(x, 1), x[0].numel()
            x_1 = noisy.sample(generator)
            walk = torch.zeros(len(x), dtype=torch.float64, device=x.device)
            for _ in range(probes):
                how = dict(probes=1, tolerance=tolerance, second=False, generator=generator)
                # it takes x_0 = x_1 / a, and multiplies by a first
                walk += log_prob_by_flow(told, x_1 / a, start, end, **how).log_prob / probes
                bar.update()
            rows = dims * math.log(a) - walk, noisy.log_prob(x_1), -told.decode(x_1).log_prob(x)
            parts.append(torch.stack([row.double() for row in rows]).cpu())
    return torch.cat(parts, 1)


def _mean(values: Float[Tensor, " n"]) -> dict[str, float | None]:
    "The mean and its standard error; None where there is none, since JSON has neither NaN nor infinity."
    n, mean = len(values), values.mean().item()
    stderr = (values.std() / n**0.5).item() if n > 1 else math.nan
    return {
        "mean": mean if math.isfinite(mean) else None,
        "stderr": stderr if math.isfinite(stderr) else None,
    }


_TERMS = {"continuous": ("prior", "area", "reconstruction"), "flow": ("walk", "added", "reconstruction")}  # fmt: skip


def bound_report(p: DDPM, terms: Float[Tensor, "k n"], bound: str = "steps") -> dict[str, Any]:
    """What was found, averaged over the pictures, in nats and in bits/dim: numbers that JSON can hold.

    bound: "steps" of bound_terms, "continuous" of area_terms, "flow" of flow_terms.
    """
    dims, total, told = math.prod(p.event_shape), terms.sum(0), {"bound": bound}
    if bound == "steps":
        groups, told = step_groups(p.T), told | {"T": p.T}
        steps = [
            {"from": a, "to": b} | _mean(row)
            for (a, b), row in zip(groups, terms[1:-1], strict=True)
        ]
        nats = {"prior": _mean(terms[0]), "steps": steps, "reconstruction": _mean(terms[-1])}
    else:
        told |= {"log_snr": list(_log_snr_ends(p))}
        nats = {k: _mean(row) for k, row in zip(_TERMS[bound], terms, strict=True)}
    nats["total"] = _mean(total)
    bits = _mean(total / (dims * math.log(2)))
    return told | {"dims": dims, "levels": 256, "nats": nats, "bits_per_dim": bits}


def _written(entry: dict[str, Any], scale: float = 1.0, digits: int = 2) -> list[str]:
    "A mean and its standard error as text; nothing where there is no error."
    mean, error = (entry[name] for name in ("mean", "stderr"))
    return [
        "not finite" if mean is None else f"{mean * scale:.{digits}f}",
        "" if error is None else f"{error * scale:.{digits}f}",
    ]


FOOT = "+-: the standard error of the mean over the pictures. bits/dim: of pixels of 256 levels, an upper bound."
MEANS = {
    "steps": (),
    "continuous": ("It bounds the noisy walk of infinitely many steps, the limit of the chain's bound for large T.",),
    "flow": (
        "It bounds the model that the noise-free walk makes, an upper bound only since x_1 is drawn and decoded.",
        "That is another model than the chain: neither its number nor the chain's bounds the other's.",
    ),
}  # fmt: skip


def _named(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    "The rows of a table: what each is called, and its entry."
    nats, bound = report["nats"], report["bound"]
    if bound == "steps":
        groups = [(f"steps           t = {s['from']} to {s['to']}", s) for s in nats["steps"]]
        rows = [(f"prior           L_{report['T']}", nats["prior"]), *groups]
        last, total = "L_0", "the negative ELBO"
    elif bound == "continuous":
        half = "area            log SNR {:.4g} to {:.4g}, half of it".format(*report["log_snr"])
        rows = [("prior           L_T", nats["prior"]), (half, nats["area"])]
        last, total = "L_0", "the negative ELBO, without end of steps"
    else:
        rows = [("walk            -log p(x_1), by the flow", nats["walk"])]
        rows += [("added noise     log q(x_1 | x_0)", nats["added"])]
        last, total = "-log p(x_0 | x_1)", "of the noise-free walk"
    rows += [(f"reconstruction  {last}", nats["reconstruction"])]
    return [*rows, (f"total           {total}", nats["total"])]


def bound_table(report: dict[str, Any]) -> str:
    "A bound_report as aligned text, with what its total means."
    unit, named, bound = 1 / (report["dims"] * math.log(2)), _named(report), report["bound"]
    rows = [["term", "nats", "+-", "bits/dim", "+-"]]
    rows += [[name, *_written(entry), *_written(entry, unit, 4)] for name, entry in named]
    wide = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        "  ".join(
            [row[0].ljust(wide[0]), *(c.rjust(w) for c, w in zip(row[1:], wide[1:], strict=True))]
        )
        for row in rows
    ]
    return "\n".join([*(line.rstrip() for line in lines), "", FOOT, *MEANS[bound]])
