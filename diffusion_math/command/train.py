"diffusion-math train does in a shell what chapter 6 does in cells."

import json
import math
import shlex
import sys
import time
from argparse import ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import checks
from ..data.pictures import Pictures, fit_in_memory, save_pictures, sized
from ..ddpm import DDPM
from ..files import alone, write_file
from ..forward import ForwardProcess, Schedule, cosine_schedule, linear_schedule
from ..laws.levels import GreyLevels
from ..networks.dit import DiT
from ..networks.unet import UNet
from ..training.checkpoint import save_model
from ..training.runs import checkpoints
from . import options
from .options import MODEL, SETTINGS, number, shows_progress, whole
from .sample import draw_samples

__all__ = []


def _pixels(text: str) -> list[int]:
    "The type of --size: 28 or 28x40."
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) >= 1 for side in sides):
        raise ArgumentTypeError(
            f"must be a number of pixels such as 28, or height x width as 28x40, got {text}"
        )
    return [int(sides[0]), int(sides[-1])]


_EXAMPLES = """examples:
  diffusion-math train --data digits
  diffusion-math train --data photos --size 64 --steps 20000 --out photos_run
  diffusion-math train --data photos --network dit --patch 2 --recompute    (a transformer, in less memory)
  diffusion-math train --data digits --loss elbo --levels --schedule log_snr --ema 0.9995    (for few bits/dim)
  diffusion-math train --out photos_run --resume                      (with --steps, for longer)

DIR gets settings.json, the two newest checkpoints, and at the end model.safetensors and samples.png.
Pictures are kept in 8 bits, level k as x = 2k/255 - 1; a file that cannot be read is named and skipped."""


def _picture_options(option: Callable) -> None:
    "How train makes the data one tensor."
    option(
        "--size",
        None,
        "pixels a side, or HEIGHTxWIDTH: pictures are scaled to cover it and cropped (default: "
        "their own if they share one of at most 64, else 32)",
        type=_pixels,
        metavar="N|HxW",
    )
    option(
        "--channels",
        None,
        "1 for grey, 3 for colour (default: what the pictures have)",
        type=int,
        choices=(1, 3),
    )
    option(
        "--classes",
        None,
        "tell the network each picture's class: its sub-folder, or its label "
        "(default: where there are any)",
        action=BooleanOptionalAction,
    )


def _network_options(option: Callable) -> None:
    "The network."
    a_count, mults = {"type": whole(1, 64), "metavar": "N"}, "the width of each size, in widths"
    option("--network", "unet", "a U-Net, or a transformer over patches", choices=tuple(_NETWORKS))
    widths = "channels of the unet at its largest size, numbers of a token of the dit"
    option("--width", None, f"{widths} (default: 48, 128)", type=whole(4, 4096), metavar="N")
    patch = "pixels a side of the blocks that it works on (default: 2 of a unet, 4 of a dit)"
    option("--patch", None, patch, **a_count)
    option("--mults", None, f"{mults}, of a unet (default: 1 2)", nargs="+", **a_count)
    option("--blocks", None, "residual blocks a size, of a unet (default: 1)", **a_count)
    option("--depth", None, "blocks of a dit (default: 4)", **a_count)
    option(
        "--levels",
        False,
        "let it say a prior over the 256 levels of each pixel, for likelihood; it predicts x0 "
        "then (default: off)",
        action="store_true",
    )
    option(
        "--predicts",
        None,
        "what it says (default: v, and x0 with --levels)",
        choices=("eps", "x0", "v"),
    )


def _process_options(option: Callable) -> None:
    "The two processes."
    option(
        "--schedule",
        "cosine",
        "the noise: log_snr is even in log SNR from 14.5 to -7, for likelihood",
        choices=tuple(_SCHEDULES),
    )
    option("--T", 1000, "steps of the process", type=whole(2, options.MOST_STEPS), metavar="N")
    option("--variance", "posterior", "of a step back", choices=("posterior", "beta"))


def _fit_options(option: Callable) -> None:
    "The training."
    a_count, from_0 = {"type": whole(1), "metavar": "N"}, {"type": whole(0), "metavar": "N"}
    a_share = {"type": number(0, 1), "metavar": "X"}
    loss = "simple [DDPM eq. 14], elbo: the bound, in bits/dim, or flow: that of flow matching"
    warmup = "steps until lr is reached (default: 100, or a tenth of the steps)"
    option("--steps", 2000, "steps of training", type=whole(1, options.MOST), metavar="N")
    option("--batch", 128, "pictures a step", **a_count)
    option("--lr", 2e-3, "the highest learning rate", type=number(0), metavar="X")
    option("--loss", "simple", loss, choices=("simple", "elbo", "flow"))
    option("--drop", 0.1, "how often a class is left out", **a_share)
    option("--ema", 0.999, "how slowly the average of the weights forgets", **a_share)
    option("--warmup", None, warmup, **from_0)
    option("--seed", 0, "of the weights, the order, the noise and the samples", **from_0)
    option("--precision", "no", "no is float32, bf16 is autocast", choices=("no", "bf16"))
    option("--accumulate", 1, "pieces that a batch is split into, for less memory", **a_count)
    recompute = "work out what the way back needs a second time, for less memory (default: off)"
    option("--recompute", False, recompute, action="store_true")


def add_train(subcommands: Any) -> None:
    "The command `diffusion-math train`."
    option = options.subcommand(
        subcommands, "train", _train, "train a model on pictures", _EXAMPLES
    )
    options.data_options(option, None)
    _picture_options(option)
    _network_options(option)
    _process_options(option)
    _fit_options(option)
    option("--out", "diffusion_run", "the folder of the run", type=options.words, metavar="DIR")
    option("--every", 200, "steps from one checkpoint to the next", type=whole(1), metavar="N")
    option(
        "--resume",
        False,
        "go on with the run in --out, with its settings (default: off)",
        action="store_true",
    )
    option(
        "--quiet",
        False,
        "no progress (default: a bar in a terminal, else a line every ten seconds)",
        action="store_true",
    )


# how each network is made, what it is made with unless told, and what it has that the other has not
_NETWORKS: dict[str, tuple[Callable, dict[str, Any]]] = {
    "unet": (UNet, {"width": 48, "patch": 2, "mults": [1, 2], "blocks": 1}),
    "dit": (DiT, {"width": 128, "patch": 4, "depth": 4}),
}
_SIZES = ("width", "patch", "mults", "blocks", "depth")
_SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "cosine": cosine_schedule,
    "linear": linear_schedule,
    "log_snr": lambda T: Schedule.from_log_snr(torch.linspace(14.5, -7.0, T, dtype=torch.float64)),
}

SAMPLES = "samples.png"
# may differ when a run is resumed
_FREE = {"data", "root", "quiet", "out", "every", "accumulate", "recompute", "resume"}


def _resumed(args: Namespace, given: dict[str, Any], folder: Path) -> dict[str, Any]:
    "The options of the run in folder, with what was given; ValueError where the two contradict each other."
    saved = options.kept_options(args, folder)
    for name, value in given.items():
        longer = name == "steps" and value > saved.get(name, value)
        if name in saved and name not in _FREE and saved[name] != value and not longer:
            raise ValueError(
                f"argument --{name}: the run in {folder} has {saved[name]}, got {value}; "
                "leave it out, or choose another --out"
            )
    return saved | given


def _check_free(folder: Path, resume: bool) -> None:
    "ValueError where a run in folder would write over what is not its own."
    if checkpoints(folder):
        if not resume:
            raise ValueError(
                f"argument --out: {folder} holds a run already; --resume goes on with it"
            )
        return
    for name in (MODEL, SAMPLES):
        if (folder / name).exists():
            raise ValueError(
                f"argument --out: {folder} holds {name} already, and no checkpoint to go on from; "
                "choose another --out"
            )
    if resume:
        return
    try:
        options.read_settings(folder)
    except ValueError:
        told = f"argument --out: {folder} holds a {SETTINGS} that is no run's; choose another --out"
        raise ValueError(told) from None


def _size_network(o: Namespace) -> None:
    "The sizes that were not given; ValueError for one that the network does not have."
    default = _NETWORKS[o.network][1]
    for name in _SIZES:
        if name not in default and getattr(o, name) is not None:
            raise ValueError(f"argument --{name}: a {o.network} has none; leave it out")
        if getattr(o, name) is None:
            setattr(o, name, default.get(name))


def _train_options(args: Namespace) -> Namespace:
    "All options of train, checked against each other."
    given = options.given_options(args)
    folder = Path(given.get("out", args.defaults["out"]))
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"argument --out: {folder} is a file, and a folder is needed")
    _check_free(folder, bool(given.get("resume")))
    if given.get("resume"):
        given = _resumed(args, given, folder)
    o = Namespace(**(args.defaults | given))
    if o.data is None and o.resume:
        what = f"{folder} holds no run to go on with"
        raise ValueError(f"argument --resume: {what}; --data begins one there")
    if o.data is None:
        raise ValueError("argument --data: give digits, mnist, a folder or FILE.npz")
    if o.levels and o.predicts not in (None, "x0"):
        raise ValueError(f"argument --predicts: must be x0 with --levels, got {o.predicts}")
    if o.batch % o.accumulate:
        raise ValueError(
            f"argument --batch: must be a multiple of --accumulate, {o.accumulate}, got {o.batch}"
        )
    _size_network(o)
    o.predicts = o.predicts or ("x0" if o.levels else "v")
    o.warmup = min(100, o.steps // 10) if o.warmup is None else o.warmup
    if o.data not in ("digits", "mnist"):
        o.data = str(Path(o.data).expanduser().resolve())
    return o


FIT = 20  # bytes that a weight takes in training: itself, its gradient, AdamW's two numbers, its average


def _new_model(o: Namespace, shape: tuple[int, ...], classes: int | None) -> DDPM:
    "A network that has learnt nothing yet, and its process, for pictures of that shape."
    make, sizes = _NETWORKS[o.network]
    sizes = {name: getattr(o, name) for name in sizes}
    sizes |= {"channels": shape[0], "out_channels": shape[0] * (10 if o.levels else 1)}
    heads = math.gcd(4, o.width * (o.mults[-1] if o.mults else 1))
    torch.manual_seed(o.seed)
    try:
        with torch.device("meta"):  # as a plan, without its numbers
            plan = make(**sizes, heads=heads, classes=classes)
    except ValueError as error:
        raise ValueError(f"argument --width: {error}") from None
    weights = sum(w.numel() for w in plan.parameters())
    fit_in_memory("argument --width", f"a network of {weights:,} weights", weights, FIT)
    network = make(**sizes, heads=heads, classes=classes)
    network = (GreyLevels(network) if o.levels else network).to(memory_format=torch.channels_last)
    return DDPM(
        network,
        ForwardProcess(_SCHEDULES[o.schedule](o.T)),
        shape,
        o.predicts,
        o.variance,
        images=True,
    )


def _lines(o: Namespace) -> Callable | None:
    "Where there is no terminal: a line on how far it is, every ten seconds and at the end."
    if o.quiet or shows_progress(o):
        return None
    last = time.monotonic()

    def tell(run: Any) -> None:
        nonlocal last
        if run.step == run.steps or time.monotonic() - last >= 10:
            last = time.monotonic()
            speed = f"{run.images_per_second:.0f} images/s"
            print(
                f"step {run.step} of {run.steps}: loss {run.loss:.4g}, {speed}",
                file=sys.stderr,
                flush=True,
            )

    return tell


def _fit(o: Namespace, p: DDPM, x: Tensor, labels: Tensor | None) -> None:
    "Train p; when it is stopped, say how to go on."
    from diffusion_math.training.fit import fit

    same = "steps batch lr loss ema warmup drop seed every resume precision accumulate recompute"
    settings = {name: getattr(o, name) for name in same.split()}
    try:
        fit(
            p,
            x,
            labels=labels,
            folder=o.out,
            progress=shows_progress(o),
            callback=_lines(o),
            **settings,
        )
    except KeyboardInterrupt:
        kept = checkpoints(Path(o.out))
        where = (
            f"go on from step {max(kept)}" if kept else "start again, as there is no checkpoint yet"
        )
        again = shlex.join(["diffusion-math", "train", "--out", o.out, "--resume"])
        raise KeyboardInterrupt(f"stopped; to {where}: {again}") from None


def _draw_sheet(o: Namespace, p: DDPM, classes: int, path: Path) -> None:
    "A sheet of samples, a column for each class where that fits."
    cols = classes if 2 <= classes <= 16 else 8
    y = torch.arange(8 * cols) % classes if classes else None
    n, steps = 8 * cols, 20
    if not (o.quiet or shows_progress(o)):
        options.say(f"drawing {n} samples in {steps} steps")
    ways = dict.fromkeys(("eta", "solver", "sde", "inpaint")) | {"steps": steps, "guidance": 1.0}
    how = Namespace(**ways, seed=o.seed, batch=n)
    save_pictures(draw_samples(p, n, y, how, shows_progress(o)), path, cols=cols)


def _kept(o: Namespace) -> dict[str, Any]:
    "The options that settings.json keeps."
    return {k: v for k, v in vars(o).items() if k not in ("resume", "quiet", "out")}


def _describe(p: DDPM, pictures: Pictures, classes: list[str]) -> str:
    "One line on what is about to be trained."
    size = " x ".join(map(str, p.event_shape))
    of = f" in {len(classes)} classes" if classes else ""
    weights = sum(w.numel() for w in p.network.parameters())
    return f"{len(pictures.x):,} pictures of {size}{of}; a network of {weights:,} weights"


def _write_run(
    o: Namespace, p: DDPM, pictures: Pictures, classes: list[str], labels: Tensor | None
) -> None:
    "Train p, and fill the run's folder."
    first, out = options.first_process(), Path(o.out)
    if first:
        print(_describe(p, pictures, classes), flush=True)
        if not (out / SETTINGS).is_file() or options.read_settings(out)["options"] != _kept(o):
            told = json.dumps({"options": _kept(o), "classes": classes}, indent=1)
            write_file(out / SETTINGS, told.encode())
    _fit(o, p, pictures.x, labels)
    if first:
        p.eval()
        save_model(p, out / MODEL)
        _draw_sheet(o, p, len(classes), out / SAMPLES)
        print(f"{out / MODEL}: the model\n{out / SAMPLES}: samples of it")


BATCH = 12  # bytes that a number of a batch takes at least: as it is, as noise, as their sum


def _train(args: Namespace) -> None:
    "diffusion-math train"
    checks.need(
        f"{SAMPLES}, the sheet of samples at the end,", "diffusion_math[cli]", "torchvision", "PIL"
    )
    o = _train_options(args)
    pictures, first, out = (
        options.read_pictures(o, o.size, o.channels, "train"),
        options.first_process(),
        Path(o.out),
    )
    if o.classes and pictures.labels is None:
        raise ValueError(
            f"argument --classes: {o.data} has no labels, and no two sub-folders that hold every picture"
        )
    o.size, o.channels = list(pictures.x.shape[2:]), pictures.x.shape[1]
    o.classes = o.classes is not False and pictures.labels is not None
    classes, labels = (pictures.classes, pictures.labels) if o.classes else ([], None)
    shape = pictures.x.shape[1:]
    fit_in_memory("argument --batch", sized(o.batch, shape), o.batch * shape.numel(), BATCH)
    p = _new_model(o, tuple(pictures.x.shape[1:]), len(classes) or None)
    with alone("argument --out", out, ".train.lock", first):
        _check_free(out, o.resume)  # again: another run may just have begun, or ended
        _write_run(o, p, pictures, classes, labels)
