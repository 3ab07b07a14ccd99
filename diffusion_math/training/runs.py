"What is kept of a run, and how it goes on: killed at any moment, with the same bits."

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..ddpm import DDPM
from .checkpoint import described, read_sealed, write_sealed

__all__ = ["begin", "checkpoints", "load_checkpoint", "parts_of", "save_checkpoint", "told_of"]

KEPT = 2  # how many of a run stay


def checkpoints(folder: Path) -> dict[int, Path]:
    "The checkpoints in folder by their step, oldest first."
    found = [path for path in folder.glob("step-*.safetensors") if path.is_file()]
    return dict(sorted((int(p.stem[5:]), p) for p in found if p.stem[5:].isdecimal()))


def save_checkpoint(
    folder: Path, step: int, parts: dict[str, dict[str, Tensor]], told: dict[str, Any]
) -> Path:
    "Write one, and drop the oldest. OSError leaves those before it as they were."
    path = folder / f"step-{step:08d}.safetensors"
    tensors = {f"{part}/{k}": w for part, of in parts.items() for k, w in of.items()}
    try:
        write_sealed(path, tensors, told | {"step": step})
    except OSError as error:
        failed = f"the checkpoint of step {step} could not be written ({error.strerror})"
        kept = f"{failed}; those before it are as they were"
        raise OSError(error.errno, kept, str(folder)) from error
    for old in [*checkpoints(folder).values()][:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    "The newest one's tensors, by part, and what is told of them; ValueError says what is wrong, and names the one before."
    *before, path = checkpoints(folder).values()
    try:
        tensors, told = read_sealed(path)
        parts: dict[str, dict[str, Tensor]] = {}
        for name, w in tensors.items():
            part, _, key = name.partition("/")
            parts.setdefault(part, {})[key] = w
        if not {"weights", "average", "losses"} <= parts.keys() or "step" not in told:
            raise ValueError("it lacks a part")
        return {"optimizer": {}} | parts, told
    except (OSError, ValueError) as error:
        there = f"; the one before it, {before[-1].name}, is there" if before else ""
        cure = f": remove {path.name} to go on from it" if before else ""
        why = f"{path} is no checkpoint that fit can go on from: {error}{there}{cure}"
        raise ValueError(why) from error


def told_of(
    p: DDPM, plan: dict[str, Any], network: nn.Module, data: str, precision: str
) -> dict[str, Any]:
    "What a checkpoint says of its run, so that no other goes on from it."
    level = p.q.schedule.log_snr.float().numpy().tobytes()  # to the digits that machines agree on
    # shapes of weights do not tell all of a network, such as its heads
    own = described(network, {})
    return plan | {
        "predicts": p.predicts,
        "variance": p.variance if isinstance(p.variance, str) else "function",
        "images": bool(p.images),
        "schedule": hashlib.sha256(level).hexdigest(),
        "network": "" if "class" in own else json.dumps(own, sort_keys=True),
        "precision": precision,
        "weights": " and ".join(sorted({str(w.dtype)[6:] for w in network.parameters()})),
        "data": data,
    }


def _check_same(folder: Path, before: dict[str, Any], now: dict[str, Any], step: int) -> None:
    "ValueError where the run in folder is another one; more steps are welcome."
    for name, value in now.items():
        if name != "steps" and before.get(name) != value:
            other = {"data": "other data or labels", "schedule": "another schedule"}
            what = other.get(name, f"{name} = {before.get(name)}, got {value}")
            raise ValueError(f"{folder} holds a run with {what}: to go on with it, give the same")
    if step > now["steps"]:
        told = f"{folder} holds a run of {step} steps already: steps must be as many or more"
        raise ValueError(f"{told}, got {now['steps']}")


def _check_shapes(folder: Path, kept: dict[str, Tensor], network: nn.Module) -> None:
    before, now = ({k: w.shape for k, w in of.items()} for of in (kept, network.state_dict()))
    odd = sorted(k for k in before | now if before.get(k) != now.get(k))
    if odd:
        differs = f"which differs in {', '.join(odd[:3])}"
        raise ValueError(f"{folder} holds a run of another network, {differs}")


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    "The optimiser's numbers by name: as many as its kind keeps for each weight."
    state = optimizer.state_dict()["state"]
    return {
        f"{i}.{name}": torch.as_tensor(value)
        for i, of in state.items()
        for name, value in of.items()
        if value is not None
    }


def _set_moments(optimizer: torch.optim.Optimizer, kept: dict[str, Tensor]) -> None:
    "The opposite. Numbers keep the memory layout of their weights, which a fused kernel counts on."
    weights = [w for group in optimizer.param_groups for w in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in kept.items():
        i, _, key = name.partition(".")
        w = weights[int(i)]
        value = torch.zeros_like(w).copy_(value) if value.shape == w.shape and w.ndim else value
        state.setdefault(int(i), {})[key] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def parts_of(network: nn.Module, ema: nn.Module, optimizer: Any, losses: list[float]) -> dict:
    "The tensors of a checkpoint."
    kept = {"weights": network.state_dict(), "average": ema.state_dict()}
    losses = {"all": torch.tensor(losses, dtype=torch.float64)}
    return kept | {"optimizer": _moments(optimizer), "losses": losses}


def _go_on(
    folder: Path, told: dict, network: nn.Module, ema: nn.Module, optimizer: Any
) -> tuple[int, list]:
    "From the newest checkpoint, if it is of this run: the step, and the losses until then."
    parts, kept = load_checkpoint(folder)
    _check_same(folder, kept["run"], told, kept["step"])
    _check_shapes(folder, parts["weights"], network)
    network.load_state_dict(parts["weights"])
    ema.load_state_dict(parts["average"])
    _set_moments(optimizer, parts["optimizer"])
    return kept["step"], parts["losses"]["all"].tolist()


def begin(
    folder: Path | None,
    resume: bool,
    told: dict,
    network: nn.Module,
    ema: nn.Module,
    optimizer: Any,
    here: Any,
) -> tuple[int, list[float]]:
    "Where the run begins, and the losses until then."
    if folder is None and resume:
        raise ValueError("resume=True needs the folder of the run, got folder=None")
    there = folder is not None and bool(checkpoints(folder))
    if there and not resume:
        cure = "resume=True goes on with it, or choose another folder"
        raise ValueError(f"{folder} holds a run already: {cure}")
    first, losses = _go_on(folder, told, network, ema, optimizer) if there else (0, [])
    if here.num_processes > 1:
        found = [None] * here.num_processes
        torch.distributed.all_gather_object(found, first)
        if len(set(found)) > 1:
            what = f"but they found checkpoints of steps {found}"
            raise ValueError(f"folder must be one that every process sees, {what}")
    return first, losses
