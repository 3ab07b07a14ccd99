"A training run can be killed at any moment, inside a write too."

import hashlib
import json
import math
import os
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as _from_bytes
from safetensors.torch import save as _to_bytes
from torch import Tensor, nn

from .. import checks
from ..ddpm import DDPM
from ..files import sync_folder, write_file, write_through
from ..forward import ForwardProcess, Schedule
from ..laws.levels import GreyLevels
from ..networks.unet import UNet
from ..tables import from_zero

__all__ = ["load_model", "load_pretrained", "save_model"]


def _bytes(tensors: dict[str, Tensor], metadata: dict[str, Any] | None = None) -> bytes:
    "Tensors as the bytes of a safetensors file; metadata is kept in its header, as JSON."
    plain = {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }
    return _to_bytes(
        plain, {"diffusion_math": json.dumps(metadata)} if metadata is not None else None
    )


def _tensors(path: Path) -> dict[str, Tensor]:
    "The tensors of a safetensors file, or ValueError where it is damaged or something else."
    try:
        return _from_bytes(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error


def _metadata(path: Path) -> dict[str, Any]:
    "The metadata that _bytes put into the header, or ValueError where there is none."
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    try:
        metadata = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["diffusion_math"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} holds no model of diffusion_math's (save_model writes one)"
        ) from error
    if not isinstance(metadata, dict):
        raise ValueError(f"{path} holds no model of diffusion_math's (save_model writes one)")
    return metadata


def _fingerprint(tensors: dict[str, Tensor], config: dict[str, Any]) -> str:
    "The SHA-256 of every number, of its name, shape and dtype, and of what is told of them."
    sha256 = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name, w in sorted(tensors.items()):
        sha256.update(json.dumps([name, str(w.dtype), list(w.shape)]).encode())
        sha256.update(w.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return sha256.hexdigest()


def _sealed(tensors: dict[str, Tensor], config: dict[str, Any]) -> bytes:
    "The bytes of a model's file, whose header holds its fingerprint."
    return _bytes(tensors, config | {"sha256": _fingerprint(tensors, config)})


def _unsealed(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    "What _sealed put into a file; ValueError where a bit has changed since. Older files have no fingerprint."
    config, tensors = _metadata(path), _tensors(path)
    sha256 = config.pop("sha256", None)
    if sha256 is not None and sha256 != (found := _fingerprint(tensors, config)):
        raise ValueError(
            f"{path} is damaged: the SHA-256 of its numbers is {found}, and should be {sha256}"
        )
    return tensors, config


STATE = "state.json"
KEPT = 2  # how many checkpoints of a run stay


def checkpoints(folder: Path) -> list[Path]:
    "The checkpoints in folder, oldest first."
    found = [path for path in folder.glob("step-*") if path.is_dir() and path.name[5:].isdecimal()]
    return sorted(found, key=lambda path: int(path.name[5:]))


def _seal(state: dict[str, Any]) -> str:
    "The SHA-256 of a state."
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _contents(
    step: int, parts: dict[str, dict[str, Tensor]], state: dict[str, Any]
) -> dict[str, bytes]:
    "The files of a checkpoint."
    files = {f"{name}.safetensors": _bytes(tensors) for name, tensors in parts.items()}
    sha256 = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    state = state | {"step": step, "sha256": sha256}
    return files | {STATE: json.dumps(state | {"seal": _seal(state)}, indent=1).encode()}


def save_checkpoint(
    folder: Path, step: int, parts: dict[str, dict[str, Tensor]], state: dict[str, Any]
) -> Path:
    "Write folder/step-... aside, rename it into place, and drop the oldest ones. OSError leaves all as it was."
    path, aside = folder / f"step-{step:08d}", folder / f".step-{step:08d}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".step-*.tmp"):  # of a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        aside.mkdir()
        for name, data in _contents(step, parts, state).items():
            write_through(aside / name, data)
        sync_folder(aside)
        shutil.rmtree(path, ignore_errors=True)
        os.rename(aside, path)
        sync_folder(folder)
    except OSError as error:
        raise OSError(
            error.errno,
            f"the checkpoint of step {step} could not be written ({error.strerror}); "
            f"those before it are as they were",
            str(folder),
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    for old in checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def _load_checkpoint_at(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    "The tensors and the state in one checkpoint; ValueError, OSError and others where it is not whole."
    state = json.loads((path / STATE).read_text())
    if state.pop("seal") != _seal(state):
        raise ValueError(f"{STATE} is damaged")
    if (
        not {"weights.safetensors", "optimizer.safetensors", "average.safetensors"}
        <= state["sha256"].keys()
    ):
        raise ValueError("it lacks a file of numbers")
    for name, sha256 in state["sha256"].items():
        if hashlib.sha256((path / name).read_bytes()).hexdigest() != sha256:
            raise ValueError(f"{name} is damaged")
    return {Path(name).stem: _tensors(path / name) for name in state["sha256"]}, state


def load_checkpoint(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    "The newest checkpoint; ValueError says what is wrong with it, and names the one before."
    *before, path = checkpoints(folder)
    rest = (
        f"; the one before it, {before[-1].name}, is there: remove {path.name} to go on from it"
        if before
        else ""
    )
    try:
        return _load_checkpoint_at(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = (
            str(error)
            if isinstance(error, OSError | ValueError)
            else f"{type(error).__name__}: {error}"
        )
        raise ValueError(
            f"{path} is no checkpoint that fit can go on from: {what}{rest}"
        ) from error


KINDS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # of weights in a file


def described(network: nn.Module) -> dict[str, Any]:
    "How to build this network again; TypeError for one that is not the package's own."
    if isinstance(network, UNet):
        return {"UNet": network.config}
    if isinstance(network, GreyLevels):
        levels = {"levels": network.levels, "low": network.low, "high": network.high}
        levels |= {} if network.finest is None else {"finest": network.finest}
        return {"GreyLevels": levels, "of": described(network.network)}
    raise TypeError(
        f"save_model keeps a UNet or GreyLevels of one, got {type(network).__name__}; keep its state_dict"
    )


def _cast(name: str, w: Tensor, dtype: torch.dtype | None) -> Tensor:
    "w in dtype; ValueError where a number is too large for it."
    cast = w if dtype is None else w.to(dtype)
    if bool((w.isfinite() & ~cast.isfinite()).any()):
        raise ValueError(
            f"dtype {dtype} cannot hold {name}, whose largest number is {w.abs().max().item():g}"
        )
    return cast


def _build(config: dict[str, Any]) -> nn.Module:
    "The network that described told of."
    if "UNet" in config:
        return UNet(**config["UNet"])
    return GreyLevels(_build(config["of"]), **config["GreyLevels"])


TABLES = {
    "log_alpha": (-math.inf, 0),
    "log_alpha_bar": (-math.inf, 0),
    "beta": (0, 1),
}  # and where each must lie


def _schedule(tensors: dict[str, Tensor]) -> Schedule:
    "Takes the schedule from a file's tensors: to the last bit, or by log_snr alone where an older file has no more."
    schedule = Schedule.from_log_snr(tensors.pop("schedule.log_snr"))
    if "schedule.beta" in tensors:  # log_snr does not tell what a step does once nothing is left
        tables = [
            checks.schedule_values(name, tensors.pop(f"schedule.{name}"), *ends)
            for name, ends in TABLES.items()
        ]
        log_alpha, log_alpha_bar, beta = map(from_zero, torch.stack(tables))
        schedule = Schedule(log_alpha, log_alpha_bar)
        schedule.beta = beta
    return schedule


def save_model(p: DDPM, path: str | Path, dtype: torch.dtype | None = None) -> None:
    """Keep p in one safetensors file: its network, its schedule, and how it predicts; not what p.given told it.

    dtype: of the weights in the file, such as torch.float16 for half the size; as they are by default. Written aside
    and renamed. TypeError: a network that is not a UNet or GreyLevels, a variance that is a function, a dtype that holds
    no fractions; ValueError: a weight too large for dtype; OSError: the file cannot be written, and is as it was.
    """
    checks.instance("p", p, DDPM)
    path = checks.path("path", path)
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype in KINDS):
        fits = ", ".join(map(str, KINDS))
        raise TypeError(f"dtype must be one of {fits}, or None, got {checks.shown(dtype)}")
    if callable(p.variance):
        raise TypeError("save_model keeps a variance by its name, got a function")
    network = getattr(p.network, "_orig_mod", p.network)  # torch.compile wraps it
    config = {
        "network": described(network),
        "event_shape": None if p.event_shape is None else list(p.event_shape),
    }
    config |= {"predicts": p.predicts, "variance": p.variance, "images": p.images}
    tensors = {name: _cast(name, w, dtype) for name, w in network.state_dict().items()}
    tensors |= {
        f"schedule.{name}": getattr(p.q.schedule, name)[1:] for name in ("log_snr", *TABLES)
    }
    write_file(path, _sealed(tensors, config))


_ASSETS = files("diffusion_math") / "assets"


def load_model(path: str | Path) -> DDPM:
    """The DDPM that save_model kept, its weights in float32 on the CPU, ready to sample.

    FileNotFoundError; ValueError: a file that is damaged, or that save_model did not write.
    """
    path = checks.path("path", path)
    tensors, config = _unsealed(path)
    try:
        q = ForwardProcess(_schedule(tensors))
        with torch.random.fork_rng(devices=[]):  # its first weights are random, and not kept
            network = _build(config.pop("network"))
        network.load_state_dict({name: w.float() for name, w in tensors.items()})
        return DDPM(network.eval(), q, **config)
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{path} holds a model that this version of diffusion_math cannot build: {error}"
        ) from error


def pretrained_names() -> list[str]:
    "The names that load_pretrained knows."
    found = (Path(str(path)) for path in _ASSETS.iterdir())
    return sorted(path.stem for path in found if path.suffix == ".safetensors")


def load_pretrained(name: str) -> DDPM:
    """A model that ships with the package, trained on MNIST: "ddpm_mnist" draws digits, "ddpm_mnist_bits" bounds them.

    Each is a DDPM for (1, 28, 28) in [-1, 1] on the CPU. What they were trained on, and how good they are, is in
    diffusion_math/assets/MODEL_CARD.md. ValueError for another name.
    """
    checks.one_of("name", name, pretrained_names())
    p = load_model(Path(str(_ASSETS / f"{name}.safetensors")))
    p.network.to(memory_format=torch.channels_last)  # in which a CPU convolves faster
    return p
