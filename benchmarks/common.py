"""What the benchmarks share: where MNIST is, how things are timed side by side, and the form of a result."""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"
DATA = "DIFFUSION_MATH_DATA"


def arguments(doc: str, *more: tuple) -> argparse.Namespace:
    "The options that every script takes."
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer repeats, smaller samples")
    parser.add_argument(
        "--data",
        help=f"the folder that holds MNIST/raw (default: ${DATA}, or mnist()'s own folder)",
    )
    for names, options in more:
        parser.add_argument(*names, **options)
    return parser.parse_args()


def find_mnist(data: str | None) -> Path | None:
    "The folder that holds MNIST/raw, or None."
    from diffusion_math.data.digits import _cache_folder

    root = Path(data or os.environ.get(DATA) or _cache_folder()).expanduser()
    return root if (root / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file() else None


def need_mnist(data: str | None) -> Path:
    "The folder that holds MNIST/raw, or the end of this script with a word on what to do."
    root = find_mnist(data)
    if root is None:
        raise SystemExit(
            f"no MNIST was found: name the folder that holds MNIST/raw with --data DIR or {DATA}=DIR, or "
            "let torchvision download it: python -c 'from diffusion_math import mnist; mnist()'"
        )
    return root


def interleave(
    what: dict[str, Callable], repeats: int, number: int | None = None
) -> dict[str, list[float]]:
    """CPU seconds of this thread a call: `number` calls of each in turn, `repeats` times over (A B A B ...).

    The first turn is not kept. Without a number, as many calls of each as take it about 5 ms, after three that are
    not timed: the first ones find the others' code in the caches, whoever they belong to. What other processes do on
    the machine costs waiting and not CPU seconds, so it hardly moves these.
    """
    took, calls = {name: [] for name in what}, dict.fromkeys(what, number or 1)
    for i in range(repeats + 1):
        for name, call in what.items():
            if number is None and i == 1:
                calls[name] = max(1, round(0.005 / _seconds(call, 3)))
            if number is None:
                _seconds(call, 3)
            seconds = _seconds(call, calls[name])
            if i:
                took[name].append(seconds)
    return took


def _seconds(call: Callable, number: int) -> float:
    began = time.thread_time()
    for _ in range(number):
        call()
    return (time.thread_time() - began) / number


def spread(values: list[float]) -> dict[str, float]:
    "Median and quartiles."
    low, value, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return {"value": value, "low": low, "high": high}


def ratios(took: dict[str, list[float]], base: str, case: str) -> list[dict]:
    "For each, the ratio to base, repeat by repeat: figures, with the median seconds beside them."
    figures = []
    for name, values in took.items():
        ratio = [a / b for a, b in zip(values, took[base], strict=True)]
        figures.append(
            {"who": name, "case": case, **spread(ratio), "seconds": statistics.median(values)}
        )
    return figures


def figure(who: str, case: str, value: float | None, **more) -> dict:
    return {"who": who, "case": case, "value": value, **more}


def machine() -> dict:
    "The machine in words that tell nobody where it stands."
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def say(**result) -> None:
    "Print a result as JSON: the last thing that a script prints."
    print(json.dumps(result, indent=1))


def peer(name: str):
    "The package of that name, or None where it is not installed or does not load."
    import importlib
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except Exception:
            return None


def without(what: dict) -> dict:
    "What is there: entries that are not None."
    return {name: value for name, value in what.items() if value is not None}


def unique(values) -> list:
    "Each value once, in the order in which they came."
    return list(dict.fromkeys(values))
