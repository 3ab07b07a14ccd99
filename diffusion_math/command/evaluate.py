"diffusion-math evaluate prints how many bits a model needs for pictures, as chapter 5b counts them."

import json
import os
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from ..ddpm import DDPM
from ..files import write_file
from ..training import evaluation
from . import options
from .options import shows_progress, whole

__all__ = []


def _told(p: DDPM, o: Namespace, images: int, among: int, split: str) -> dict[str, Any]:
    "What was asked, for the report. split: which pictures of the data these are."
    told = {"model": str(o.model), "data": str(o.data), "split": split}
    told |= {"images": images, "among": among}
    if o.bound == "flow":
        told |= {"probes": o.probes}
    else:
        every = o.bound == "steps" and evaluation.every_step(p, o.terms)
        told |= {"terms": "all" if every else o.terms}
    return told | {"seed": o.seed, "classes": bool(o.classes)}


_HOW = {
    "steps": "T = {T}, {terms} of the steps a picture",
    "continuous": "infinitely many steps, {terms} draws of log SNR a picture",
    "flow": "the noise-free walk, sets of random signs a picture: {probes}",
}


def _head(report: dict[str, Any]) -> str:
    "The line above the table."
    which = f"{report['split']} pictures of {report['data']}"
    if report["split"] == "all":
        which = f"pictures of {report['data']}, which knows no train and test: all of it"
    counted = f"{report['images']:,} of {report['among']:,} {which}"
    return f"{report['model']} on {counted}; {_HOW[report['bound']].format(**report)}"


def _check_fit(o: Namespace, given: dict[str, Any]) -> None:
    "ValueError where an option was given that this bound has no use for."
    for name, bounds in (("T", "steps"), ("terms", "steps continuous"), ("probes", "flow")):
        if name in given and o.bound not in bounds.split():
            fits = " or ".join(bounds.split())
            raise ValueError(f"argument --{name}: goes with --bound {fits}, got {o.bound}")
    if o.bound == "continuous" and o.terms == "all":
        raise ValueError("argument --terms: must be a number with --bound continuous, got all")


def _terms_of(p: DDPM, o: Namespace, x: Tensor, y: Tensor | None) -> Tensor:
    "The terms of the bound that was asked for, (k, n)."
    more = dict(batch=o.batch, seed=o.seed, progress=shows_progress(o))
    if o.bound == "steps":
        return evaluation.bound_terms(p, x, y, o.terms, **more)
    try:
        if o.bound == "continuous":
            return evaluation.area_terms(p, x, y, o.terms, **more)
        # its slopes are taken with respect to the pictures alone
        return evaluation.flow_terms(p.requires_grad_(False), x, y, o.probes, **more)
    except ValueError as error:
        raise ValueError(f"argument --bound: {error}") from error


def _evaluate(args: Namespace) -> None:
    "diffusion-math evaluate"
    o = options.all_options(args)
    _check_fit(o, options.given_options(args))
    p, names = options.load_named(o.model, o.device)
    try:
        p = evaluation.with_steps(p, o.T)
    except ValueError as error:
        raise ValueError(f"argument --T: {error}") from error
    pictures = options.read_pictures(o, p.event_shape[1:], p.event_shape[0], o.split)
    order = torch.randperm(len(pictures.x), generator=Generator().manual_seed(o.seed))[: o.n]
    y = None
    if o.classes:
        if pictures.labels is None or pictures.classes != names:
            both = f"the model's are {names or 'none'}, the data's {pictures.classes or 'none'}"
            raise ValueError(f"argument --classes: {both}")
        y = pictures.labels[order]
    terms = _terms_of(p, o, pictures.x[order], y)
    told = _told(p, o, len(order), len(pictures.x), pictures.split)
    report = told | evaluation.bound_report(p, terms, o.bound)
    print(
        _head(report),
        "",
        evaluation.bound_table(report),
        sep="\n",
        file=sys.stderr if o.json == "-" else None,
    )
    numbers = json.dumps(report, indent=1)
    if o.json == "-":
        print(numbers)
    elif o.json is not None:  # last, so that the table is there if this fails
        write_file(Path(o.json), numbers.encode())


def _json_file(text: str) -> str:
    "The type of --json."
    if text != "-" and (not text or os.path.isdir(text)):
        raise ArgumentTypeError(f"must be a file or -, got {text}")
    return text


def _terms(text: str) -> int | str:
    "The type of --terms: a number, or all."
    return "all" if text == "all" else whole(1)(text)


_EXAMPLES = """examples:
  diffusion-math evaluate --model ddpm_mnist_bits --data mnist --n 10000 --json bits.json
  diffusion-math evaluate --model run --data my_test_pictures --T 250 --terms all
  diffusion-math evaluate --model ddpm_mnist_bits --bound flow --n 32

Prints the terms of the bound: prior, steps, reconstruction and total, in nats and bits/dim, with standard errors.
--bound steps bounds what the chain of T steps needs, continuous what infinitely many steps need, and flow what the
walk without noise needs: that is another model, so its number may be above or below the others. flow asks the
network some 400 times, forward and back, for each batch of pictures: begin with a small --n.
Pictures are of 8 bits a number, scaled and cropped to the model's size; a file that cannot be read is named and
skipped."""


def _amount_options(option: Callable) -> None:
    "How much is looked at, and how."
    of_chain = {"type": whole(1, options.MOST_STEPS), "metavar": "N"}
    terms, a_count = {"type": _terms, "metavar": "N|all"}, {"type": whole(1), "metavar": "N"}
    option(
        "--n", 500, "pictures to look at, chosen at random; all, if there are no more", **a_count
    )
    option("--T", None, "steps of the chain that is bounded (default: the model's own)", **of_chain)
    draws = (
        "how many of its steps, or log SNR with continuous, each picture draws; all for every step"
    )
    option("--terms", 20, draws, **terms)
    option("--probes", 1, "how many sets of random signs each picture gets, with flow", **a_count)
    option("--seed", 0, "of the choice and the noise", type=whole(0), metavar="N")
    option("--batch", 128, "pictures at a time", **a_count)


def add_evaluate(subcommands: Any) -> None:
    "The command `diffusion-math evaluate`."
    help = "bound the bits that a model needs for pictures"
    option = options.subcommand(subcommands, "evaluate", _evaluate, help, _EXAMPLES)
    options.model_option(option)
    options.data_options(option, "digits")
    of = "of digits and mnist, and of other data that have both"
    told = "tell the model each picture's class (default: off)"
    where = "write the numbers as JSON too; - is the standard output, the table then goes to the error output"
    option("--quiet", False, "no progress bar (default: one in a terminal)", action="store_true")
    option("--split", "test", of, choices=("train", "test"))
    which = "which number: of the chain's steps, of infinitely many, or of the walk without noise"
    option("--bound", "steps", which, choices=("steps", "continuous", "flow"))
    _amount_options(option)
    option("--classes", False, told, action="store_true")
    option("--json", None, f"{where} (default: not)", type=_json_file, metavar="FILE|-")
