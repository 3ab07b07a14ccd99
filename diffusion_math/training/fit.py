"The loop that trains a network, and can be killed at any moment."

import copy
import math
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import checks
from ..checks import Amount, Count, Flag, Fraction, Steps, guarded
from ..ddpm import DDPM, elbo_loss, simple_loss
from ..files import alone
from ..matching import flow_loss
from .batches import Batches, seeded, shares
from .runs import begin, checkpoints, parts_of, save_checkpoint, told_of

__all__ = ["TrainingRun", "fit"]

LOSSES = {"simple": simple_loss, "elbo": elbo_loss, "flow": flow_loss}


@dataclass
class TrainingRun:
    """Where a run of fit is: what callback gets, and what fit returns.

    step of steps; losses, one number a step, the mean over the batch (in bits/dim for loss="elbo"); images_per_second
    since the run, or its resumption, began; p, the DDPM with the averaged weights, ready to sample; raw, the one with the
    weights as the last step left them.
    """

    step: int
    steps: int
    losses: list[float] = field(repr=False)
    images_per_second: float
    p: DDPM = field(repr=False)
    raw: DDPM = field(repr=False)

    @property
    def loss(self) -> float:
        "The mean loss of the last 50 steps."
        last = self.losses[-50:]
        return sum(last) / max(1, len(last))


@dataclass
class Plan:
    "The settings that decide a run's numbers; each is one of Python's own, which JSON takes."

    steps: int
    batch: int | None
    lr: float
    loss: str
    ema: float
    warmup: int
    clip: float
    weight_decay: float
    drop: float
    seed: int
    optimizer: str

    def lr_at(self, step: int) -> float:
        "Up in a straight line over warmup steps, then down to 0 along half a cosine [Loshchilov & Hutter 2017]."
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * 0.5 * (1 + math.cos(math.pi * done))

    def share_at(self, step: int) -> float:
        "How much of the new weights the average takes: it forgets faster while it is young."
        return 1 - min(self.ema, (2 + step) / (11 + step)) if step else 1.0


def _name(of: Any) -> str:
    return of if isinstance(of, str) else getattr(of, "__name__", type(of).__name__)


def _to_train(p: DDPM) -> tuple[nn.Module, list[Tensor]]:
    "p's network, outside of torch.compile's wrapper, and the weights that learn."
    network = p.network
    if not isinstance(network, nn.Module):
        got = type(network).__name__
        raise TypeError(f"p.network must be a torch.nn.Module to be trained, got {got}")
    weights = [w for w in network.parameters() if w.requires_grad]
    if not weights:
        raise ValueError("p.network must have parameters to train, got none")
    return getattr(network, "_orig_mod", network), weights


def _conditions(data: Any, labels: Any, cond: Any) -> dict[str, Any]:
    "cond, with labels as its y."
    cond = {} if cond is None else dict(checks.instance("cond", cond, Mapping))
    if labels is None:
        return cond
    if "y" in cond:
        raise ValueError("labels is cond's y: give one of them, got both")
    with suppress(TypeError, ValueError, RuntimeError):  # which whole_labels refuses by name
        labels = torch.as_tensor(labels) if isinstance(labels, np.ndarray | list) else labels
    n = len(data) if hasattr(data, "__len__") else None
    return cond | {"y": labels if n is None else checks.whole_labels("labels", labels, n)}


def _loss_of(loss: str | Callable, T: int) -> Callable:
    "The mean loss of a piece; the bound in bits/dim, so that one size of step fits every picture."
    of = LOSSES.get(loss) if isinstance(loss, str) else loss
    if not callable(of):
        fits = f"one of {', '.join(LOSSES)}, or a function of p and x0"
        raise ValueError(f"loss must be {fits}, got {checks.shown(loss)}")

    def mean(p: DDPM, x0: Tensor, cond: dict[str, Tensor], t: Tensor, eps: Tensor) -> Tensor:
        p = p.given(**cond) if cond else p
        if of is flow_loss:  # at the middle of each of T strata of the line
            return of(p, x0, t=(t - 0.5) / T, eps=eps).mean()
        value = of(p, x0, t=t, eps=eps).mean()
        return value / (x0[0].numel() * math.log(2)) if of is elbo_loss else value

    return mean


# ---- the network, its optimiser and its average


def _processes(accumulate: int, batch: int | None) -> Any:
    """What Hugging Face's accelerate knows of the device and the processes; if two were launched, there must be two.

    ValueError where a batch cannot be cut into equal parts.
    """
    from accelerate import PartialState

    asked = int(os.environ.get("WORLD_SIZE", 1)) if "LOCAL_RANK" in os.environ else 1  # by torchrun
    # without cpu, accelerate takes each of several processes for the only one
    state = PartialState(cpu=asked > 1 and not torch.accelerator.is_available())
    if state.num_processes != asked:
        what = f"{asked} processes were launched, but accelerate counts {state.num_processes}"
        raise RuntimeError(
            f"{what}: call fit before anything that sets accelerate up in another way"
        )
    if batch and batch % (share := accumulate * asked):
        what = f"accumulate times the number of processes, {share}"
        raise ValueError(f"batch must be a multiple of {what}, got {batch}")
    return state


@contextmanager
def _averaged(p: DDPM, network: nn.Module, ranks: int) -> Iterator[tuple[nn.Module, nn.Module]]:
    "What processes share gradients by, and the average of the weights, which the network has in the end."
    from torch.nn.parallel import DistributedDataParallel

    device, wrapped = next(network.parameters()).device, p.network
    if ranks > 1:  # which also hands the first one's weights to all
        wrapped = DistributedDataParallel(p.network, [device] if device.type == "cuda" else None)
    ema = copy.deepcopy(network).requires_grad_(False).eval()
    if not network.training:
        network.train()
    try:
        yield wrapped, ema
    finally:
        network.load_state_dict(ema.state_dict())
        network.eval()


@contextmanager
def _recomputing(network: nn.Module, recompute: bool) -> Iterator[None]:
    "While this lasts, the blocks keep nothing that can be worked out again."
    there = [module for module in network.modules() if hasattr(module, "recompute")]
    if recompute and not there:
        fits = "a UNet, a DiT, or a network that goes by its attribute recompute"
        raise TypeError(f"recompute=True needs {fits}, got {type(network).__name__}")
    before = [module.recompute for module in there]
    try:
        for module in there:
            module.recompute = recompute or module.recompute
        yield
    finally:
        for module, was in zip(there, before, strict=True):
            module.recompute = was


def _optimizer(make: Callable | None, weights: list[Tensor], plan: Plan) -> torch.optim.Optimizer:
    "AdamW in one kernel, or the caller's own."
    if make is None:
        kind = dict(betas=(0.9, 0.99), weight_decay=plan.weight_decay, fused=True)
        return torch.optim.AdamW(weights, plan.lr, **kind)
    own = make(weights, lr=plan.lr)
    return checks.instance("optimizer", own, torch.optim.Optimizer, must="return")


def _update(optimizer: torch.optim.Optimizer, bad: Tensor, lr: float) -> None:
    "One step, unless a gradient, now or before, was not finite: a fused kernel reads that on the device."
    for group in optimizer.param_groups:
        group["lr"] = lr
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        optimizer.found_inf = (bad >= 0).float()
        optimizer.step()
    elif bad < 0:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)


@torch.no_grad()
def _average(ema: nn.Module, network: nn.Module, share: Tensor) -> None:
    "The average goes a share of the way to the network; what is no weight, such as BatchNorm's sums, it takes over."
    old, new = list(ema.parameters()), list(network.parameters())
    torch._foreach_lerp_(old, new, [share.to(w.dtype) for w in old])
    for kept, now in zip(ema.buffers(), network.buffers(), strict=True):
        kept.copy_(torch.where(share > 0, now, kept))


def _backward(p: DDPM, of: Callable, parts: list, bf16: bool, ranks: int, device: Any) -> Tensor:
    "The gradients of every piece, added up, and their mean loss. Processes exchange gradients with the last piece only."
    total = torch.zeros((), device=device)
    for i, (weight, part) in enumerate(parts):
        with p.network.no_sync() if ranks > 1 and i < len(parts) - 1 else nullcontext():
            with torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext():
                value = of(p, *part) * weight
            value.backward()
        total = total + value.detach()
    if ranks > 1:
        torch.distributed.all_reduce(total)
    return total / ranks


class Losses:
    "The losses so far: kept on the device until somebody asks."

    def __init__(self, before: list[float], folder: Path | None, plan: Plan):
        self.all, self.waiting, self.folder, self.lr = before, [], folder, plan.lr
        self.began, self.seen = time.perf_counter(), 0

    def add(self, loss: Tensor, images: int) -> None:
        self.waiting.append(loss)
        self.seen += images

    def fetch(self, bad: Tensor) -> list[float]:
        "All of them; FloatingPointError where one was not finite."
        self.all += torch.stack(self.waiting).tolist() if self.waiting else []
        self.waiting, at = [], int(bad)
        if at >= 0:
            before = [*checkpoints(self.folder).values()] if self.folder else []
            kept = f"; the last checkpoint is {before[-1]}" if before else ""
            what = (
                f"the loss or its gradient at step {at + 1} was not finite (loss {self.all[at]:g})"
            )
            held = "training stopped, and p has the averaged weights from before that step"
            raise FloatingPointError(
                f"{what}: {held}{kept}. A smaller lr than {self.lr:g} may help"
            )
        return self.all

    def speed(self) -> float:
        return self.seen / max(1e-9, time.perf_counter() - self.began)


# ---- around the loop


@torch.no_grad()
def _check_contract(p: DDPM, batch: tuple, batches: Batches, device: Any) -> None:
    """Two rows of the first batch, as training and guidance will ask the network:

    network(x_t, log_snr, **cond) gives x_t's shape; and where conditions are dropped, network(x_t, log_snr) alone says
    what it says of the values that stand for nothing.
    """
    x0, t, eps = (batch[i][:2].to(device) for i in (0, 2, 3))
    cond = {name: value[:2] for name, value in batch[1].items()}
    there = {name: value.to(device) for name, value in cond.items()}
    dropped = bool(cond and batches.drop)
    if p.images and not x0.is_meta and (most := x0.abs().max().item()) > 1.01:
        fits = f"data must lie in [-1, 1] where p was made with images=True, got {most:g}"
        raise ValueError(f"{fits}; uint8 levels are scaled for you")
    x_t, modes = x0 + eps, [(module, module.training) for module in p.network.modules()]
    p.network.eval()  # so that dropout and BatchNorm neither draw nor learn here
    try:
        p.given(**there).predict(x_t, t)
        if not dropped:
            return
        empty = {k: batches.nothing(k, v).expand(v.shape).to(device) for k, v in cond.items()}
        left, said = p.predict(x_t, t).value, p.given(**empty).predict(x_t, t).value
        if not left.is_meta and not torch.allclose(left, said, rtol=1e-3, atol=1e-4):
            same = f"network(x_t, log_snr) must say what it says of {', '.join(cond)} left out"
            cure = (
                "let its default stand for the same as none={...} (zeros, or class network.classes)"
            )
            raise ValueError(f"{same}, or guidance would go astray: {cure}, or give drop=0")
    except TypeError as error:
        named = "".join(f", {name}=..." for name in cond)
        alone = " and, for drop > 0, as network(x_t, log_snr)" if dropped else ""
        how = f"the network is called as network(x_t, log_snr{named}){alone}"
        raise ValueError(f"{how}, log_snr of shape (b,), and failed: {error}") from error
    finally:
        for module, mode in modes:
            module.training = mode


def _warn_of(p: DDPM, batch: tuple, batches: Batches) -> None:
    "Say so where the first batch is one that trains well and was hardly meant."
    x0, cond = batch[:2]
    if p.images and not x0.is_meta and 0 <= x0.min() < x0.max():
        says = "data has no number below 0, and pictures lie in [-1, 1] where p was made with images=True"
        warnings.warn(f"{says}: 2 x - 1 takes [0, 1] there", stacklevel=4)
    if batches.classes is not None and "y" not in cond:
        says = "p.network was made with classes and is told none, so what it draws of a class stays untrained"
        warnings.warn(f"{says}: give labels, or data of pairs (x, y)", stacklevel=4)


@contextmanager
def _ctrl_c(ranks: int) -> Iterator[list]:
    "While this lasts, the first Ctrl-C lets the step come to its end; a second one stops at once."
    asked, before = [], signal.getsignal(signal.SIGINT)

    def note(*_: Any) -> None:
        signal.signal(signal.SIGINT, before)
        asked.append(True)

    main = threading.current_thread() is threading.main_thread()
    if ranks > 1 or not main or before is not signal.default_int_handler:
        yield asked
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _bar(first: int, steps: int, shown: bool) -> Any:
    from tqdm.auto import tqdm

    look = dict(desc="training", unit="step", dynamic_ncols=True)
    return tqdm(total=steps, initial=first, disable=not shown, **look)


@guarded
def fit(
    p: DDPM,
    data: Any,
    steps: Steps = 2000,
    batch: Steps | None = None,
    lr: Amount = 2e-3,
    loss: str | Callable = "simple",
    labels: Tensor | np.ndarray | list[int] | None = None,
    cond: Mapping[str, Any] | None = None,
    drop: Fraction = 0.1,
    none: Mapping[str, Any] | None = None,
    transform: Annotated[Callable, partial(checks.function, of="x0")] | None = None,
    ema: Fraction = 0.999,
    warmup: Annotated[int, partial(checks.count, low=0)] = 100,
    clip: Annotated[float, partial(checks.number, low=0)] = 1.0,
    weight_decay: Amount = 0.0,
    optimizer: Annotated[Callable, partial(checks.function, of="weights and lr")] | None = None,
    seed: Annotated[int, checks.whole] = 0,
    folder: Annotated[str | Path, checks.path] | None = None,
    every: Count = 500,
    resume: Flag = False,
    callback: Annotated[Callable, partial(checks.function, of="a TrainingRun")] | None = None,
    log_every: Count = 50,
    precision: Annotated[str, partial(checks.one_of, names=("no", "bf16"))] = "no",
    accumulate: Count = 1,
    recompute: Flag = False,
    progress: Flag = True,
) -> TrainingRun:
    """Train p's network on data; p ends with the averaged weights, in eval mode, ready to sample. Returns the TrainingRun.

        fit(p, digits())                                                  # 2,000 steps of 128
        fit(p, digits(), folder="run")                                    # ... with checkpoints
        fit(p, digits(), folder="run", resume=True)                       # ... going on after a kill -9
        fit(p, x0, cond={"text": vectors, "depth": pictures}, drop=0.1)   # network(x_t, log_snr, text=, depth=)
        fit(p, DataLoader(dataset, 64, shuffle=True, num_workers=4))      # batches x, (x, y) or {"x": x, "text": ...}

    data: a tensor or array (n, *event), a Dataset of such x, (x, y) or {"x": x, ...}, or an iterable of batches of them: a
    DataLoader, which begins anew at its end, or an iterator with a batch a step. uint8 is taken for levels, 2k/255 - 1.
    transform: x0 (b, *event) as it came -> as it is trained on, such as random flips.

    network(x_t, log_snr, **cond), log_snr of shape (b,), gives x_t's shape. cond: by name, one row for each x: classes,
    vectors, pictures; labels, for short, is cond's y. All of one x's are left out together with probability drop, for
    guidance [Ho & Salimans 2022]: none={name: value} says what stands for nothing, by default zeros, and of classes the
    number network.classes; the network must say the same when it is asked without them.

    steps of `batch` (128) data each; lr rises over warmup steps and falls to 0 along half a cosine; gradients are clipped
    to norm clip (0: not at all); AdamW with weight_decay, or optimizer(weights, lr=lr), such as torch.optim.SGD; the
    average of the weights forgets with ema. loss: "simple" [DDPM eq. 14], "elbo" (in bits/dim), "flow" (flow matching's,
    with T times on the line, whatever p's schedule), or a function of (p, x0, t=, eps=) with a (b,) result. Times come
    from equal strata. precision="bf16" is autocast. For less memory, accumulate splits each batch in pieces, and recompute
    lets a UNet, a DiT, or a network of your own that goes by its attribute recompute, work each block out again on the way
    back [Chen et al. 2016]. callback gets a TrainingRun every log_every steps. The network goes to the device that
    accelerate finds.

    Every random number of a step comes from (seed, step). So a run with a folder, which keeps a checkpoint every `every`
    steps, and one at Ctrl-C, goes on with resume=True to the bit, on the same CPU with as many threads; with more steps
    than it was begun with, it goes on along their schedule of lr. Several processes (torchrun --nproc_per_node 2
    script.py) together see the batch that one would, in parts; folder must be one that all of them see.

    Warns where pictures have no number below 0, and where a network with classes is told none.
    Raises FloatingPointError where a loss or gradient is not finite, naming the step: p then holds the averaged weights
    from before it. ValueError, TypeError: an argument that does not fit; a folder that holds a run (without resume),
    another run (with it) or a damaged checkpoint. OSError: a checkpoint cannot be written; those before stay.
    """
    plan = Plan(
        steps, batch, lr, _name(loss), ema, warmup, clip, weight_decay, drop, seed, _name(optimizer)
    )
    network, weights = _to_train(p)
    of, cond = _loss_of(loss, p.T), _conditions(data, labels, cond)
    dtype = torch.promote_types(weights[0].dtype, torch.float32)
    batches = Batches(p, data, plan.batch, plan.seed, dtype, cond, plan.drop, none, transform)
    told = (
        {} if folder is None else told_of(p, asdict(plan), network, batches.fingerprint, precision)
    )
    here = _processes(accumulate, batches.size)
    device, rank, ranks = here.device, here.process_index, here.num_processes
    with (
        alone("folder", folder, ".fit.lock", here.is_main_process),
        _recomputing(network, recompute),
        _averaged(p.to(device), network, ranks) as (wrapped, ema),
        _ctrl_c(ranks) as stopped,
    ):
        optimizer = _optimizer(optimizer, weights, plan)
        first, losses = begin(folder, resume, told, network, ema, optimizer, here)
        if first < plan.steps:
            _check_contract(p.changed(network=network), start := batches(first), batches, device)
            _warn_of(p, start, batches)
        log, bad = Losses(losses, folder, plan), torch.full((), -1, device=device)

        def now(step: int, raw: nn.Module = network) -> TrainingRun:
            both = p.changed(network=ema), p.changed(network=raw)
            return TrainingRun(step, plan.steps, list(log.all), log.speed(), *both)

        training = p.changed(network=wrapped)
        with _bar(first, plan.steps, progress and here.is_main_process) as bar:
            for step in range(first, plan.steps):
                batch = batches(step)
                with seeded(device, plan.seed, 3, step, rank):  # dropout's
                    parts = shares(batch, accumulate, rank, ranks, device)
                    loss = _backward(training, of, parts, precision == "bf16", ranks, device)
                norm = nn.utils.clip_grad_norm_(weights, plan.clip or math.inf)
                bad = torch.where((bad < 0) & ~(norm.isfinite() & loss.isfinite()), step, bad)
                _update(optimizer, bad, plan.lr_at(step))
                _average(ema, network, torch.where(bad < 0, plan.share_at(step), 0.0))
                log.add(loss, len(batch[0]))
                bar.update()
                done, last = step + 1, step + 1 == plan.steps
                if last or done % log_every == 0:
                    log.fetch(bad)
                    run = now(done)
                    bar.set_postfix(loss=f"{run.loss:.4g}", images=f"{log.speed():.0f}/s")
                    if callback and here.is_main_process:
                        callback(run)
                if folder and (last or stopped or done % every == 0):
                    parts = parts_of(network, ema, optimizer, log.fetch(bad))
                    if here.is_main_process:
                        save_checkpoint(folder, done, parts, {"run": told})
                    here.wait_for_everyone()
                if stopped:
                    raise KeyboardInterrupt(f"stopped after step {done} of {plan.steps}")
        return now(plan.steps, copy.deepcopy(network).eval())
