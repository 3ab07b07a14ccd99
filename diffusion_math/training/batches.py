"What one step of training sees: data in any form, what the network is told beside it, times and noise."

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Generator, Tensor, nn

from .. import checks
from ..data.digits import from_levels
from ..ddpm import DDPM, draw_terms
from ..numerics import manual_seed

__all__ = ["Batches", "seeded"]

BATCH = 128  # data a step, where nothing else is asked for


def mixed(*key: int) -> int:
    "One number for each (seed, purpose, number, ...)."
    number = 0
    for part in key:  # the steps of a 64-bit linear congruential generator keep the keys apart
        number = (number * 6364136223846793005 + part + 1442695040888963407) % 2**63
    return number


@contextmanager
def seeded(device: torch.device, *key: int) -> Iterator[None]:
    "While this lasts, PyTorch's own random numbers come from key; afterwards they go on as before."
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        manual_seed(mixed(*key))
        yield


CPU = torch.device("cpu")


# ---- where data comes from: (step) -> what its items hold


class Rows:
    "Which rows step k takes: all in a new order each epoch; a batch may begin in one epoch and end in the next."

    def __init__(self, n: int, batch: int, seed: int):
        self.n, self.batch, self.seed = n, batch, seed
        self.epoch, self.order = -1, None

    def __call__(self, step: int) -> Int[Tensor, " batch"]:
        place = torch.arange(step * self.batch, (step + 1) * self.batch)
        rows = torch.empty_like(place)
        for epoch in range(int(place[0]) // self.n, int(place[-1]) // self.n + 1):
            if epoch != self.epoch:
                generator = Generator().manual_seed(mixed(self.seed, 1, epoch))
                self.epoch, self.order = epoch, torch.randperm(self.n, generator=generator)
            here = place // self.n == epoch
            rows[here] = self.order[place[here] % self.n]
        return rows


class Stream:
    "The batches of a DataLoader or another iterable, one a step: begun anew at its end, run through to where a run goes on."

    def __init__(self, batches: Any, seed: int):
        self.batches, self.seed, self.at, self.iterator = batches, seed, 0, None
        try:
            self.epoch = len(batches)
        except TypeError:
            self.epoch = None

    def __call__(self, step: int) -> Any:
        if self.iterator is None and self.epoch:  # whole epochs need not be run through
            self.at = step - step % self.epoch
        while self.at <= step:
            with seeded(CPU, self.seed, 4, self.at):  # its order, and what its transforms draw
                self.batch = self._next()
            self.at += 1
        return self.batch

    def _next(self) -> Any:
        nothing = object()
        for _ in range(2):
            self.iterator = iter(self.batches) if self.iterator is None else self.iterator
            if (batch := next(self.iterator, nothing)) is not nothing:
                return batch
            self.iterator = None
        raise ValueError(
            f"data must hold a batch for each step, and ended before step {self.at + 1}"
        )


def _by_name(name: str, given: Any) -> dict[str, Any]:
    "Conditions by name, or nothing."
    given = {} if given is None else dict(checks.instance(name, given, Mapping))
    for key in given:
        checks.text(f"a name in {name}", key)
    return given


def _array(name: str, value: Any) -> Tensor:
    "A tensor or NumPy array of fractions or of levels, as a tensor."
    x = value
    if isinstance(value, np.ndarray) and value.dtype.kind in "fu":
        x = torch.from_numpy(np.require(value, requirements="WC"))
    if not isinstance(x, Tensor) or not (x.is_floating_point() or x.dtype == torch.uint8):
        kinds = "a floating-point or uint8 tensor or array, a Dataset, or an iterable of batches"
        came = f"an array of {x.dtype}" if isinstance(x, np.ndarray) else checks.got(x)
        raise TypeError(f"{name} must be {kinds}, got {came}")
    return x


def _told(name: str, value: Any, n: int) -> Tensor:
    "A condition: a tensor or array with one row for each x."
    try:
        told = torch.as_tensor(value)
    except Exception as error:
        raise TypeError(
            f"cond[{name!r}] must be a tensor or array, got {checks.got(value)}"
        ) from error
    if told.ndim == 0 or len(told) != n:
        raise ValueError(
            f"cond[{name!r}] must have {n} rows, one for each x, got shape {tuple(told.shape)}"
        )
    return told


def _items(data: Any, rows: list[int]) -> Any:
    "Some items of a Dataset, as a batch."
    from torch.utils.data import default_collate

    items = [data[i] for i in rows]
    try:
        return default_collate(items)
    except (TypeError, RuntimeError) as error:
        fits = "tensors or arrays of one shape, alone, in a pair (x, y), or in a dict {'x': x, ...}"
        cure = "give it a transform such as torchvision's PILToTensor()"
        raise TypeError(f"data[{rows[0]}] must hold {fits}: {cure} ({error})") from error


def _parted(batch: Any, takes_y: bool) -> tuple[Any, dict[str, Any]]:
    "x, and its conditions by name, out of x, (x,), (x, y) or {'x': x, ...}."
    if isinstance(batch, Mapping) and "x" in batch:
        return batch["x"], {name: value for name, value in batch.items() if name != "x"}
    if isinstance(batch, tuple | list) and 1 <= len(batch) <= 2:
        return batch[0], {"y": batch[1]} if len(batch) == 2 and takes_y else {}
    if isinstance(batch, Mapping | tuple | list):
        kind = f"a {type(batch).__name__} of {len(batch)}"
        raise ValueError(f"data must give x, (x, y), or a dict with 'x' and conditions, got {kind}")
    return batch, {}


def _takes_y(network: nn.Module) -> bool:
    "Does the network want the second of a pair? Not if it was made without classes, as UNet() is."
    try:
        named = inspect.signature(network.forward).parameters
    except (TypeError, ValueError):
        return False
    return "y" in named and getattr(network, "classes", 0) is not None


def fingerprint(data: Any, cond: dict[str, Tensor]) -> str:
    "Tells one data set from another, as far as can be seen without reading it."
    arrays = {"data": data} | cond
    sha256 = hashlib.sha256()
    for name, x in sorted(arrays.items()):
        if isinstance(x, np.ndarray | Tensor):
            x = torch.as_tensor(x).detach().cpu().contiguous()
            sha256.update(f"{name} {tuple(x.shape)} {x.dtype}".encode())
            sha256.update(x.flatten().view(torch.uint8).numpy())
        else:
            many = len(x) if hasattr(x, "__len__") else "?"
            sha256.update(f"{name} {type(x).__name__} {many}".encode())
    return sha256.hexdigest()


# ---- the batches


class Batches:
    """x0, cond, t and eps of step k, on the CPU: the same for every process, whatever came before.

    Every random number comes from (seed, k): the order of the rows, t and eps, what is left out, what a transform draws.
    """

    def __init__(
        self,
        p: DDPM,
        data: Any,
        batch: int | None = None,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        cond: Mapping[str, Any] | None = None,
        drop: float = 0.0,
        none: Mapping[str, Any] | None = None,
        transform: Callable | None = None,
    ):
        network = getattr(p.network, "_orig_mod", p.network)
        self.T, self.event, self.classes = p.T, p.event_shape, getattr(network, "classes", None)
        self.takes_y = _takes_y(network)
        self.seed, self.dtype, self.drop = seed, dtype, drop
        self.none, self.transform = _by_name("none", none), transform
        self.source = self._source(data, batch, _by_name("cond", cond))
        self.fingerprint = fingerprint(data, self.cond)

    def _source(self, data: Any, batch: int | None, cond: dict[str, Any]) -> Callable:
        "(step) -> a batch, and its rows where it has such."
        self.cond, self.size = {}, None
        whole = isinstance(data, Tensor | np.ndarray)
        if not whole and isinstance(data, str | bytes | Mapping | nn.Module | type):
            _array("data", data)
        if whole or (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
            data = self._checked(_array("data", data)) if whole else data
            if not len(data):
                raise ValueError("data must hold at least one x, got none")
            self.cond = {name: _told(name, value, len(data)) for name, value in cond.items()}
            self._check_classes(self.cond, from_one=True)
            self.size = batch or BATCH
            rows = Rows(len(data), self.size, self.seed)
            take = (lambda at: data[at]) if whole else (lambda at: _items(data, at.tolist()))
            return lambda step: (take(at := rows(step)), at)
        if cond or batch is not None or not hasattr(data, "__iter__"):
            if not hasattr(data, "__iter__"):
                _array("data", data)
            name = "batch" if batch is not None else "cond"
            holds = "an iterable brings batches of its own: x, (x, y), or {'x': x, ...}"
            raise ValueError(f"{name} goes with a tensor, an array or a Dataset; {holds}")
        stream = Stream(data, self.seed)
        return lambda step: (stream(step), None)

    def _checked(self, data: Tensor) -> Tensor:
        "All data at once, which is looked at before anything begins."
        fits = self.event is None or self.transform or data.shape[1:] == self.event
        if data.ndim == 0 or not len(data) or not fits:
            shape = "event_shape" if self.event is None else ", ".join(map(str, self.event))
            came = tuple(data.shape)
            last = data.ndim > 2 and data.movedim(-1, 1).shape[1:] == self.event
            hint = ", with the channels last: they come first here" if last else ""
            raise ValueError(
                f"data must have shape (n, {shape}) with n of 1 or more, got {came}{hint}"
            )
        return checks.finite("data", checks.at_hand("data", data))

    def _check_classes(self, cond: Mapping[str, Tensor], from_one: bool = False) -> None:
        "ValueError where a class is none of the network's."
        y = cond.get("y")
        if y is None or y.is_floating_point() or y.ndim != 1 or self.classes is None:
            return
        low, high = (int(v) for v in y.long().aminmax())
        # 1..classes would be legal, but then the last class would pass for none given
        if low < 0 or high > self.classes or from_one and low == 1 and high == self.classes:
            fits = f"lie in 0..{self.classes - 1}, or be {self.classes} for none"
            raise ValueError(f"labels must {fits}, got {low} to {high}")

    def nothing(self, name: str, value: Tensor) -> Tensor:
        "What stands for a condition that is left out: what none says, or zeros, or one class more than there are."
        if name in self.none:
            return torch.as_tensor(self.none[name], dtype=value.dtype)
        if value.is_floating_point():
            return torch.zeros((), dtype=value.dtype)
        if self.classes is None:
            needs = "need a network made with classes, such as UNet(classes=10), none={'y': ...}, or drop=0"
            raise ValueError(f"labels with drop > 0 {needs}, got drop = {self.drop:g}")
        return torch.tensor(self.classes)

    def _numbers(self, name: str, value: Any) -> Tensor:
        "As the network takes them: levels as [-1, 1], classes as int64, other numbers in its precision."
        x = _array(name, value) if name == "x" else torch.as_tensor(value)
        if x.dtype == torch.uint8 and (name == "x" or x.ndim > 2):
            x = from_levels(x)
        return x.to(CPU, self.dtype if x.is_floating_point() else torch.int64)

    def __call__(self, step: int) -> tuple[Tensor, dict[str, Tensor], Tensor, Tensor]:
        "x0, cond, t and eps of step k."
        with seeded(CPU, self.seed, 4, step):
            batch, rows = self.source(step)
        x, cond = _parted(batch, self.takes_y)
        x0 = self._numbers("x", x)
        cond |= {name: value[rows] for name, value in self.cond.items()}
        cond = {
            name: self._numbers(name, _told(name, value, len(x0))) for name, value in cond.items()
        }
        self._check_classes(cond)
        if self.transform:
            with seeded(CPU, self.seed, 5, step):
                x0 = checks.tensor("what transform gives", self.transform(x0)).to(self.dtype)
        if self.event is not None and x0.shape[1:] != self.event or not len(x0):
            fits = "(b, {})".format(", ".join(map(str, self.event or ["..."])))
            raise ValueError(f"a batch of data must have shape {fits}, got {tuple(x0.shape)}")
        checks.finite("data", x0)
        generator = Generator().manual_seed(mixed(self.seed, 2, step))
        t, eps = draw_terms(self.T, x0, generator, None, None)
        if cond and self.drop:
            # all of its conditions at once
            out = torch.rand(len(x0), generator=generator) < self.drop
            for name, value in cond.items():
                where = out.view(-1, *[1] * (value.ndim - 1))
                cond[name] = torch.where(where, self.nothing(name, value), value)
        return x0, cond, t, eps


def shares(
    batch: tuple, pieces: int, rank: int, ranks: int, device: torch.device
) -> list[tuple[float, tuple]]:
    "One process's part of a batch, in pieces on its device, each with its weight in the batch's mean."
    x0, cond, t, eps = batch
    if len(x0) < pieces * ranks:
        raise ValueError(f"a batch of data must hold {pieces * ranks} or more, got {len(x0)}")

    def mine(x: Tensor) -> list[Tensor]:
        parts = x.tensor_split(ranks)[rank].tensor_split(pieces)
        return [part.to(device, non_blocking=True) for part in parts]

    each = {name: mine(value) for name, value in cond.items()}
    parts = zip(mine(x0), mine(t), mine(eps), strict=True)
    return [
        (ranks * len(x) / len(x0), (x, {name: of[i] for name, of in each.items()}, t, e))
        for i, (x, t, e) in enumerate(parts)
    ]
