"""Models in files: safetensors with a JSON header, sealed by a SHA-256, written aside and renamed.

A program can be killed at any moment, inside a write too. Whatever is read here is whole, or an error says that it is not.
"""

import hashlib
import json
import math
from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from .. import checks
from ..ddpm import DDPM
from ..files import write_file
from ..forward import ForwardProcess, Schedule
from ..laws.levels import GreyLevels
from ..networks.dit import DiT
from ..networks.unet import UNet
from ..tables import from_zero, schedule_values

__all__ = ["load_model", "load_pretrained", "save_model"]


# ---- a sealed file


def _fingerprint(tensors: dict[str, Tensor], told: dict[str, Any]) -> str:
    "The SHA-256 of every number, of its name, shape and dtype, and of what is told of them."
    sha256 = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, w in sorted(tensors.items()):
        sha256.update(json.dumps([name, str(w.dtype), list(w.shape)]).encode())
        sha256.update(w.flatten().view(torch.uint8).numpy())
    return sha256.hexdigest()


def write_sealed(path: Path, tensors: dict[str, Tensor], told: dict[str, Any]) -> None:
    "Tensors, and JSON that is told of them, in one file."
    plain = {k: w.detach().to("cpu", copy=True).contiguous() for k, w in tensors.items()}
    header = json.dumps(told | {"sha256": _fingerprint(plain, told)})
    write_file(path, to_bytes(plain, {"diffusion_math": header}))


def read_sealed(path: Path, sealed: bool = True) -> tuple[dict[str, Tensor], dict[str, Any]]:
    "What write_sealed put there; ValueError where a bit has changed since. sealed=False: of older files, which have no seal."
    content = path.read_bytes()
    try:
        size = int.from_bytes(content[:8], "little")
        told = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["diffusion_math"])
        found = told.pop("sha256", None)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path} holds no model of diffusion_math's (save_model writes one)"
        ) from error
    try:
        tensors = from_bytes(content)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
    if (found is not None or sealed) and found != (is_now := _fingerprint(tensors, told)):
        raise ValueError(
            f"{path} is damaged: the SHA-256 of its numbers is {is_now}, and should be {found}"
        )
    return tensors, told


# ---- models


def described(network: nn.Module, config: dict[str, Any] | None = None) -> dict[str, Any]:
    "How to build this network again: the package's own by their settings, another by its class and its config."
    for own in (UNet, DiT):
        if isinstance(network, own):
            return {own.__name__: network.config}
    if isinstance(network, GreyLevels):
        levels = {"levels": network.levels, "low": network.low, "high": network.high}
        levels |= {} if network.finest is None else {"finest": network.finest}
        return {"GreyLevels": levels, "of": described(network.network, config)}
    config = getattr(network, "config", None) if config is None else config
    if config is None:
        fits = "a UNet, a DiT, a GreyLevels of one, or your own network with config=, what builds it again"
        raise TypeError(f"save_model keeps {fits}, got {type(network).__name__} without")
    try:
        json.dumps(checks.instance("config", config, dict), allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise TypeError(
            f"config must be a dict that JSON can hold, got {checks.shown(config)}"
        ) from error
    return {"class": f"{type(network).__module__}:{type(network).__qualname__}", "config": config}


def _build(told: dict[str, Any], make: Callable | None) -> nn.Module:
    "The network that described told of. make, and nothing that a file names, builds somebody's own."
    for own in (UNet, DiT):
        if own.__name__ in told:
            return own(**told[own.__name__])
    if "GreyLevels" in told:
        return GreyLevels(_build(told["of"], make), **told["GreyLevels"])
    if make is None:
        own = f"it holds a network of {told['class']}"
        raise ValueError(f"{own}: name what builds it, load_model(path, network=...)")
    return checks.instance("what network(**config) gives", make(**told["config"]), nn.Module)


def _maker(network: Any) -> Callable | None:
    "What builds somebody's own network: a class or function, or the place it is imported from."
    if not isinstance(network, str):
        return network if network is None else checks.function("network", network, "its config")
    module, _, name = network.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        fits = "a class, a function, or where to import one, as 'package.module:Name'"
        raise ValueError(f"network must be {fits}, got {network!r} ({error})") from error


def _cast(name: str, w: Tensor, dtype: torch.dtype | None) -> Tensor:
    "w in dtype; ValueError where a number is too large for it."
    cast = w if dtype is None or not w.is_floating_point() else w.to(dtype)
    if bool((w.isfinite() & ~cast.isfinite()).any()):
        largest = f"whose largest number is {w.abs().max().item():g}"
        raise ValueError(f"dtype {dtype} cannot hold {name}, {largest}")
    return cast


# their ranges
TABLES = {"log_alpha": (-math.inf, 0), "log_alpha_bar": (-math.inf, 0), "beta": (0, 1)}
KINDS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # of weights in a file


def _schedule(tensors: dict[str, Tensor]) -> Schedule:
    "Takes the schedule from a file's tensors: to the last bit, or by log_snr alone where an older file has no more."
    schedule = Schedule.from_log_snr(tensors.pop("schedule.log_snr"))
    if "schedule.beta" in tensors:  # log_snr does not tell what a step does once nothing is left
        tables = [
            schedule_values(name, tensors.pop(f"schedule.{name}"), *ends)
            for name, ends in TABLES.items()
        ]
        log_alpha, log_alpha_bar, beta = map(from_zero, torch.stack(tables))
        schedule = Schedule(log_alpha, log_alpha_bar)
        schedule.beta = beta
    return schedule


def save_model(
    p: DDPM,
    path: str | Path,
    dtype: torch.dtype | None = None,
    config: dict[str, Any] | None = None,
) -> None:
    """Keep p in one safetensors file: its network, its schedule, and how it predicts; not what p.given told it.

        save_model(p, "p.safetensors")                                     # a UNet or a DiT
        save_model(p, "p.safetensors", config={"width": 64})               # Net(width=64), your own
        p = load_model("p.safetensors", network=Net)

    dtype: of the weights in the file, such as torch.float16 for half the size; as they are by default. config: the
    arguments, in JSON's kinds, that build a network of your own again; by default its attribute config, or none. Written
    aside and renamed. TypeError: a config that JSON cannot hold, a variance that is a function, a dtype that holds no
    fractions; ValueError: a weight too large for dtype; OSError: the file cannot be written, and is as it was.
    """
    checks.instance("p", p, DDPM)
    path = checks.path("path", path)
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype in KINDS):
        fits = ", ".join(map(str, KINDS))
        raise TypeError(f"dtype must be one of {fits}, or None, got {checks.shown(dtype)}")
    if callable(p.variance):
        raise TypeError("save_model keeps a variance by its name, got a function")
    if config is not None:
        checks.instance("config", config, dict)
    network = getattr(p.network, "_orig_mod", p.network)  # torch.compile wraps it
    if not isinstance(network, nn.Module):
        got = type(network).__name__
        raise TypeError(f"save_model keeps a network that is a torch.nn.Module, got {got}")
    event = None if p.event_shape is None else list(p.event_shape)
    told = {"network": described(network, config), "event_shape": event}
    told |= {"predicts": p.predicts, "variance": p.variance, "images": p.images}
    tensors = {name: _cast(name, w, dtype) for name, w in network.state_dict().items()}
    tables = {f"schedule.{k}": getattr(p.q.schedule, k)[1:] for k in ("log_snr", *TABLES)}
    write_sealed(path, tensors | tables, told)


def load_model(path: str | Path, network: Callable | str | None = None) -> DDPM:
    """The DDPM that save_model kept, its weights in float32 on the CPU, ready to sample.

    network: what builds a network of your own from the config that was kept: its class, a function, or where to import
    one from, "my_package.nets:Net". A file alone never decides what is imported or run.
    FileNotFoundError; ValueError: a file that is damaged, or that save_model did not write, or one of an own network
    without network.
    """
    path, make = checks.path("path", path), _maker(network)
    tensors, told = read_sealed(path, sealed=False)
    try:
        q = ForwardProcess(_schedule(tensors))
        with torch.random.fork_rng(devices=[]):  # its first weights are random, and not kept
            net = _build(told.pop("network"), make)
        net.load_state_dict(
            {k: w.float() if w.is_floating_point() else w for k, w in tensors.items()}
        )
        return DDPM(net.eval(), q, **told)
    except (
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
        RuntimeError,
        RecursionError,
    ) as error:
        cannot = f"{path} holds a model that this version of diffusion_math cannot build"
        raise ValueError(f"{cannot}: {error}") from error


ASSETS = files("diffusion_math") / "assets"


def pretrained_names() -> list[str]:
    "The names that load_pretrained knows."
    found = (Path(str(path)) for path in ASSETS.iterdir())
    return sorted(path.stem for path in found if path.match("ddpm_*.safetensors"))


def load_pretrained(name: str) -> DDPM:
    """A model that ships with the package, trained on MNIST: "ddpm_mnist" draws digits, "ddpm_mnist_bits" bounds them.

    Each is a DDPM for (1, 28, 28) in [-1, 1] on the CPU. What they were trained on, and how good they are, is in
    diffusion_math/assets/MODEL_CARD.md. ValueError for another name.
    """
    checks.one_of("name", name, pretrained_names())
    p = load_model(Path(str(ASSETS / f"{name}.safetensors")))
    p.network.to(memory_format=torch.channels_last)  # in which a CPU convolves faster
    return p
