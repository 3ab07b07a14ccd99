"diffusion-math sample draws pictures from a model."

import os
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from .. import checks
from ..data.pictures import fit_in_memory, load_masked, save_pictures, sized
from ..ddpm import DDPM
from ..inverse import Measurement, replaced
from ..letters import ALPHABET, MarkovLaw, prose, spell, unmask
from ..networks.denoiser import as_denoiser
from ..solvers import SOLVERS, Solver, draw, even_grid, solve
from . import options
from .options import number, shows_progress, whole, words

__all__ = []


def _class_numbers(name: str | None, names: list[str], n: int) -> Int64[Tensor, " n"] | None:
    "The class of each of n pictures; None where none is told."
    if name in names:
        return torch.full((n,), names.index(name))
    if name == "none" or name is None and not names:
        return None
    if not names:
        raise ValueError("argument --class: the model was trained without classes")
    if name in (None, "all"):
        return torch.arange(n) % len(names)
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise ValueError(f"argument --class: must be one of {shown}, or all or none, got {name}")


def _by_chain(p: DDPM, x_T: Tensor, generator: Generator, o: Namespace, shown: bool) -> Tensor:
    "The model's own steps, with o.eta of fresh noise."
    return p.sample(len(x_T), generator, progress=shown, eta=o.eta)


def _by_solver(p: DDPM, x_T: Tensor, generator: Generator, o: Namespace, shown: bool) -> Tensor:
    "The probability flow, in the steps that draw takes."
    return draw(p, len(x_T), o.steps, o.solver or BEST, generator=generator, progress=shown)


def _ends(p: DDPM) -> tuple[float, float]:
    "Where a walk in log SNR begins and ends: the model's own levels, within 10."
    levels = p.q.schedule.log_snr
    return max(-10.0, levels[p.T].item()), min(10.0, levels[1].item())


def _with_noise(p: DDPM, x_T: Tensor, generator: Generator, o: Namespace, shown: bool) -> Tensor:
    "Evenly in log SNR with noise: o.steps calls of the network, the last of them the guess."
    start, end = _ends(p)
    if o.steps == 1:
        return as_denoiser(p)(x_T, start)
    ddim = Solver("ddim with noise", 1, dial=o.sde)
    x = solve(p, x_T, even_grid(start, end, o.steps - 1), ddim, generator, progress=shown)
    return as_denoiser(p)(x, end)


def _by_pasting(p: DDPM, x_T: Tensor, generator: Generator, o: Namespace, shown: bool) -> Tensor:
    "RePaint: what is known of o.known, a picture and where it is seen, is pasted in at every level."
    x0, seen = (part.to(x_T.device) for part in o.known)
    by_mask, steps = Measurement(seen, 1e-3), max(1, o.steps - 1)  # replaced takes y as it is
    return replaced(p, by_mask, x0[0][seen], x_T, *_ends(p), steps, o.again, generator)


@torch.no_grad()
def draw_samples(
    p: DDPM, n: int, y: Int64[Tensor, " n"] | None, o: Namespace, shown: bool
) -> Float[Tensor, "n *event"]:
    "n draws of p, each of its class in y, o.batch at a time; they come back on the CPU. shown: with a progress bar."
    device = next(p.parameters()).device
    by = _with_noise if o.sde is not None else _by_solver if o.eta is None else _by_chain
    by = by if o.inpaint is None else _by_pasting
    generator, drawn = Generator(device).manual_seed(o.seed), []
    for i in range(0, n, o.batch):
        some = None if y is None else y[i : i + o.batch].to(device)
        told = p if y is None else p.given(y=some)
        told = told if o.guidance == 1 else told.guided(o.guidance)
        x_T = torch.empty(min(o.batch, n - i), *p.event_shape, device=device)
        x_T = x_T.normal_(generator=generator) if by in (_with_noise, _by_pasting) else x_T
        drawn.append(by(told, x_T, generator, o, shown).cpu())
    return torch.cat(drawn)


def _picture_file(text: str) -> Path:
    "The type of sample's --out."
    path = Path(text)
    if path.suffix.lower() not in (".png", ".npz") or os.path.isdir(path):
        raise ArgumentTypeError(f"must be a file that ends in .png or .npz, got {text}")
    return path


BEST = "unipc2"  # draw's own
LETTERS = 16  # of a word
SAMPLE = 16  # bytes that a number of a picture takes at once: as it was drawn, joined, as a level


def _write_letters(o: Namespace, given: dict[str, Any]) -> None:
    "diffusion-math sample --letters: words from the exact law of chapter 19, and how many of them it never writes."
    if other := sorted(given.keys() - {"letters", "n", "steps", "seed", "quiet"}):
        raise ValueError(f"argument --letters: takes --n, --steps, --seed, got --{other[0]}")
    steps = o.steps if "steps" in given else LETTERS
    if steps > LETTERS:
        raise ValueError(f"argument --steps: must be at most {LETTERS} with --letters, got {steps}")
    language, blanks = MarkovLaw.fit(prose(), LETTERS), torch.zeros(o.n, LETTERS, len(ALPHABET))
    words = unmask(language, blanks, steps, generator=Generator().manual_seed(o.seed))
    print("\n".join(spell(words)))
    never = int((~language.log_prob(words).isfinite()).sum())
    print(
        f"{o.n} words of {LETTERS} letters by {steps} steps; of them the law never writes {never}"
    )


FILLINGS = 16  # of a picture, unless --n says how many


def _read_known(o: Namespace, p: DDPM) -> tuple[Tensor, Tensor]:
    "What --inpaint names, and where it is known."
    channels, *size = p.event_shape
    try:
        return load_masked(o.inpaint, tuple(size), channels, o.mask)
    except (ValueError, OSError) as error:
        more = "" if o.mask or "nowhere" not in str(error) else "; or give --mask"
        raise ValueError(f"argument --inpaint: {error}{more}") from error


def _check_inpaint(o: Namespace, given: dict[str, Any]) -> None:
    "ValueError for options that do not go together with --inpaint, or not without."
    if o.inpaint is None:
        if other := sorted(given.keys() & {"mask", "again"}):
            raise ValueError(f"argument --{other[0]}: goes with --inpaint")
    elif other := sorted(given.keys() & {"eta", "solver", "sde"}):
        raise ValueError(f"argument --inpaint: pastes at each step, and takes no --{other[0]}")


def _sample(args: Namespace) -> None:
    "diffusion-math sample"
    o = options.all_options(args)
    if o.letters:
        return _write_letters(o, options.given_options(args))
    _check_inpaint(o, options.given_options(args))
    if o.out.suffix.lower() == ".png":
        checks.need("a .png", "diffusion_math[cli]", "torchvision", "PIL")
    if "out" not in options.given_options(args) and o.out.exists():
        raise ValueError(f"argument --out: {o.out} is there already; --out {o.out} writes over it")
    given = options.given_options(args)
    if o.sde is not None and "eta" in given:
        raise ValueError(
            "argument --sde: has an η of its own in place of --eta; leave one of them out"
        )
    if o.solver is not None and ("eta" in given or o.sde is not None):
        other = "--eta" if "eta" in given else "--sde"
        raise ValueError(f"argument --solver: takes the steps in place of {other}; leave one out")
    p, names = options.load_named(o.model, o.device)
    by_pasting = o.inpaint is not None
    by_level = o.eta is None
    if not by_level and o.steps > p.T:
        raise ValueError(
            f"argument --steps: must be at most {p.T}, the steps of the model, got {o.steps}"
        )
    if by_pasting:
        o.known, o.n = _read_known(o, p), given.get("n", FILLINGS)
        setattr(o, "class", getattr(o, "class") or "none")
    what, numbers = sized(o.n, p.event_shape), o.n * p.event_shape.numel()
    fit_in_memory("argument --n", what, numbers, SAMPLE)
    y = _class_numbers(getattr(o, "class"), names, o.n)
    if o.guidance != 1 and (y is None or (y >= len(names)).any()):
        raise ValueError(
            "argument --guidance: needs --class, and a model that was trained with classes"
        )
    p = p if by_level else p.respace(o.steps)
    x = draw_samples(p, o.n, y, o, shows_progress(o))
    save_pictures(x, o.out, y, o.cols)
    by_solver = by_level and o.sde is None and not by_pasting
    more = f" of {o.solver or BEST}" * by_solver + f", each taken {o.again} times" * by_pasting
    print(f"{o.out}: {o.n} pictures by {o.steps} steps{more}")


_EXAMPLES = """examples:
  diffusion-math sample --n 64 --out digits.png
  diffusion-math sample --n 16 --steps 8 --out quick.png
  diffusion-math sample --model run --class 3 --steps 250 --eta 1 --out threes.npz
  diffusion-math sample --guidance 2 --out clearer.png
  diffusion-math sample --sde 1 --steps 100 --out walked.png
  diffusion-math sample --inpaint torn.png --out mended.png
  diffusion-math sample --letters --n 8 --steps 4

A .png shows all pictures on one sheet; an .npz keeps each (images, and labels if it has classes), and can be
read by train and evaluate. The same seed gives the same pictures on the same machine."""


def add_sample(subcommands: Any) -> None:
    "The command `diffusion-math sample`."
    help, a_count = "draw pictures from a model", {"type": whole(1), "metavar": "N"}
    option = options.subcommand(subcommands, "sample", _sample, help, _EXAMPLES)
    options.model_option(option)
    fresh = "take the model's own steps, with this share of fresh noise: 0 is DDIM, 1 DDPM (default: a solver)"
    dial = (
        "walk evenly in log SNR with this much noise (η) instead: 0 is the flow, 1 the reverse SDE"
    )
    which = "the class to draw, by its name; all of them in turn, or none, which leaves it open"
    option("--n", 64, f"how many (default: 64; {FILLINGS} with --inpaint)", **a_count)
    option("--out", Path("samples.png"), "FILE.png or FILE.npz", type=_picture_file, metavar="FILE")
    option("--steps", 50, "steps from noise to a picture", **a_count)
    ways = f"how the steps are taken, chapter 13 (default: {BEST})"
    option("--solver", None, ways, choices=tuple(SOLVERS))
    option("--eta", None, fresh, type=number(0, 1), metavar="X")
    option("--sde", None, f"{dial} (default: a solver)", type=number(0), metavar="ETA")
    option("--class", None, f"{which} (default: all, if the model has classes)", metavar="NAME")
    weight = "how far beyond what no class says: 1 is the class itself, 0 none, 2 to 5 clearer and less varied"
    option("--guidance", 1.0, weight, type=number(0, 1000), metavar="W")
    part = "fill in what is transparent of a picture, chapter 17: what is known is pasted in at each step"
    option("--inpaint", None, f"{part} (default: whole pictures)", type=words, metavar="FILE")
    white = "of --inpaint, what is not known: a picture as large, black where it is known"
    option("--mask", None, f"{white} (default: what is transparent)", type=words, metavar="FILE")
    option(
        "--again", 4, "of --inpaint, how often each step is taken, noised again between", **a_count
    )
    option("--cols", None, "columns of the sheet (default: as many as make a square)", **a_count)
    spelled = "words in place of pictures: 16 letters of this course, from blanks, printed; takes --n, --steps, --seed"
    option("--letters", False, f"{spelled} (default: pictures)", action="store_true")
    option("--seed", 0, "of the noise", type=whole(0), metavar="N")
    option("--batch", 256, "pictures at a time", **a_count)
    option("--quiet", False, "no progress bar (default: one in a terminal)", action="store_true")
