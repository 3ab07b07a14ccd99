"What train, sample and evaluate share: the types of their options, kept settings, data, models and devices."

import argparse
import json
import math
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..data.pictures import Pictures, load_pictures
from ..ddpm import DDPM
from ..training.checkpoint import load_model, load_pretrained, pretrained_names

__all__ = []


def whole(low: int, high: int = 2**63 - 1) -> Callable[[str], int]:
    "The type of an option that takes a whole number."

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            fits = f"of {low} or more" if high >= 2**63 - 1 else f"from {low} to {high}"
            raise argparse.ArgumentTypeError(f"must be a whole number {fits}, got {text}")
        return value

    return parse


def words(text: str) -> str:
    "The type of an option that takes a name: an empty one would mean the folder that one stands in."
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def number(low: float, high: float = math.inf) -> Callable[[str], float]:
    "The type of an option that takes a number."

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high or math.isinf(value):
            fits = f"in [{low:g}, {high:g}]" if high < math.inf else f"of {low:g} or more"
            raise argparse.ArgumentTypeError(f"must be a number {fits}, got {text}")
        return value

    return parse


def subcommand(subcommands: Any, name: str, run: Callable, help: str, epilog: str) -> Callable:
    "A subcommand; returns the function that adds an option with its default to it."
    parser = subcommands.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults: dict[str, Any] = {}
    actions: dict[str, argparse.Action] = {}
    parser.set_defaults(run=run, defaults=defaults, actions=actions)

    def option(name: str, default: Any, help: str, **kind: Any) -> None:
        shown = " ".join(map(str, default)) if isinstance(default, list) else default
        says_it = default is None or "default" in help or "action" in kind
        help = help if says_it else f"{help} (default: {shown})"
        action = parser.add_argument(name, help=help, **kind)
        action.default, defaults[action.dest] = argparse.SUPPRESS, default
        actions[action.dest] = action

    return option


_OWN = ("run", "defaults", "actions", "version")  # what the parser hands over beside the options


def given_options(args: Namespace) -> dict[str, Any]:
    "The options that were given."
    return {name: value for name, value in vars(args).items() if name not in _OWN}


def all_options(args: Namespace) -> Namespace:
    "The options that were given, and the defaults of the others."
    return Namespace(**(args.defaults | given_options(args)))


def say(text: str) -> None:
    "One line on the error output."
    print(f"diffusion-math: {text}", file=sys.stderr, flush=True)


def first_process() -> bool:
    "Of those that torchrun started, or the only one."
    return os.environ.get("RANK", "0") == "0"


def shows_progress(o: Namespace) -> bool:
    "Is there a terminal for a progress bar?"
    return not o.quiet and sys.stderr.isatty()


def data_options(option: Callable, data: str | None) -> None:
    "What train and evaluate read."
    option(
        "--data",
        data,
        "digits, mnist, a folder of pictures, or FILE.npz with images and maybe labels",
        type=words,
        metavar="digits|mnist|FOLDER|FILE.npz",
    )
    option(
        "--root",
        None,
        "the folder that holds or gets MNIST (default: one in the user's cache)",
        type=words,
        metavar="DIR",
    )


def read_pictures(o: Namespace, size: Any, channels: int | None, split: str) -> Pictures:
    "What --data names."

    def skip(path: Path, why: str) -> None:
        if first_process():
            say(f"skipped {path}: {why}")

    try:
        size = None if size is None else tuple(size)
        return load_pictures(
            o.data, size, channels, split, o.root, skip, progress=shows_progress(o)
        )
    except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: MNIST that cannot be had
        raise ValueError(f"argument --data: {error}") from error


SETTINGS, MODEL = "settings.json", "model.safetensors"  # in the folder of a run
# steps of training, or pictures: far more than this is a slip, and would not come to its end
MOST = 10**7
MOST_STEPS = 10**6  # of a chain: its tables take ten numbers a step


def model_option(option: Callable) -> None:
    "Which model, and where it runs."
    option(
        "--model",
        "ddpm_mnist",
        "FILE.safetensors, a run's folder, or a model that ships: ddpm_mnist, ddpm_mnist_bits",
        type=words,
        metavar="FILE|DIR|NAME",
    )
    option(
        "--device",
        None,
        "such as cpu or cuda:1 (default: the accelerator that is there, else cpu)",
        type=words,
        metavar="NAME",
    )


def _device(name: str | None) -> torch.device:
    "The device of that name, or the accelerator that is there, or the CPU."
    there = torch.accelerator.is_available()
    kinds = ["cpu", torch.accelerator.current_accelerator().type] if there else ["cpu"]
    name = kinds[-1] if name is None else name
    try:
        if name.partition(":")[0] in kinds:
            return torch.empty(0, device=name).device
    except RuntimeError:  # of a name that is none, or of a number that is too high
        pass
    fits = (
        f"cpu, {kinds[1]} or such as {kinds[1]}:0" if there else "cpu, as no accelerator is there"
    )
    raise ValueError(f"argument --device: {name} cannot be used: it must be {fits}")


def read_settings(folder: Path) -> dict[str, Any]:
    "The settings of the run in folder, or none."
    file = folder / SETTINGS
    if not file.is_file():
        return {}
    try:
        settings = json.loads(file.read_bytes())
        return {
            "options": dict(settings["options"]),
            "classes": [str(name) for name in settings["classes"]],
        }
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{file} is damaged ({error}); give every option again and delete it"
        ) from None


def _as_given(value: Any, action: argparse.Action) -> Any:
    "A kept value as the shell would hand it over, read again; ValueError where it could not have been given."
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        if not isinstance(value, bool):
            raise ValueError("true or false was expected")
        return value
    text = "x".join(map(str, value)) if isinstance(value, list) else str(value)
    many = action.nargs == "+"
    if many and not (isinstance(value, list) and value):
        raise ValueError("a list was expected")
    read = action.type or str
    found = [read(str(v)) for v in value] if many else read(text)
    if action.choices is not None and value not in action.choices:
        raise ValueError(f"it must be one of {', '.join(map(str, action.choices))}")
    if found != value:
        raise ValueError(f"it would be read as {found!r}")
    return found


def _class_names(p: DDPM, folder: Path | None) -> list[str]:
    "The classes' names: those of the run that the model is of, or else numbers."
    count = getattr(p.network, "classes", None) or 0
    names = [] if folder is None else read_settings(folder).get("classes", [])
    return names if len(names) == count else [str(i) for i in range(count)]


def kept_options(args: Namespace, folder: Path) -> dict[str, Any]:
    "The options that the run in folder keeps; ValueError names one that could not have been given."
    kept = read_settings(folder).get("options", {})
    kept = {name: value for name, value in kept.items() if name not in _OWN}
    for name, value in kept.items():
        try:
            if name not in args.actions:
                raise ValueError("there is no such option")
            if value is not None or args.defaults[name] is not None:
                _as_given(value, args.actions[name])
        except (ValueError, TypeError, OverflowError, argparse.ArgumentTypeError) as error:
            why = f" ({error})" if str(error) else ""
            told = f"{folder / SETTINGS} is damaged: its {name} is {value!r}{why}"
            raise ValueError(f"{told}; put it right, or choose another --out") from None
    return kept


def load_named(name: str, device: str | None) -> tuple[DDPM, list[str]]:
    "The model that --model names, on its device, and the names of its classes."
    path, where = Path(name).expanduser(), _device(device)
    file = path / MODEL if path.is_dir() else path
    run = file.parent if file.name == MODEL else None  # no other file is a run's
    try:
        if file.is_file():
            p = load_model(file)
        elif path.is_dir():
            raise ValueError(f"{path} holds no {MODEL}: its run has not come to its end")
        elif name in pretrained_names():
            p = load_pretrained(name)
        else:
            ships = ", ".join(pretrained_names()) or "none"
            raise ValueError(
                f"{name} is no file, no run's folder and no model that ships ({ships})"
            )
        if p.event_shape is None:
            raise ValueError(
                f"{name} was kept without an event_shape, so the size of its pictures is not known"
            )
        p.to(device=where, memory_format=torch.channels_last)
        return p.eval(), _class_names(p, run)
    except (ValueError, OSError) as error:
        raise ValueError(f"argument --model: {error}") from error
