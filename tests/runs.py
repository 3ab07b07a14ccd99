"""Small runs of `fit` for the tests: points in the plane, a network for them, and what a run left behind as one number.

`kill(FOLDER)` kills such runs, again and again, and `launch(FOLDER)` has torchrun's launcher train in two processes. Both
want a process of their own to fork from: tests/training/test_fit.py reads what they print and leave.
"""

import hashlib
import io
import json
import os
import random
import signal

import torch
from torch import nn

from diffusion_math import DDPM, ForwardProcess, cosine_schedule, files
from diffusion_math.numerics import manual_seed
from diffusion_math.training import runs as disk
from diffusion_math.training.fit import fit
from tests.forks import forked


class Points(nn.Module):
    "A network for (b, 2) points: what it says of them at a noise level, and for a class if it was made with classes."

    def __init__(self, width=16, classes=None, dropout=0.0):
        super().__init__()
        self.classes = classes
        self.label = None if classes is None else nn.Embedding(classes + 1, width)
        self.first, self.drop = nn.Linear(5, width), nn.Dropout(dropout)
        self.rest = nn.Sequential(
            nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2)
        )

    def forward(self, x, log_snr, y=None):
        level = torch.atan(log_snr / 4)[:, None].to(x.dtype)
        h = self.drop(self.first(torch.cat([x, x * level, level], 1)))
        if self.label is not None:
            h = h + self.label(
                torch.as_tensor(self.classes if y is None else y, device=x.device).expand(len(x))
            )
        return self.rest(h)


def model(seed=0, dtype=torch.float32, T=40, **kind):
    manual_seed(seed)
    return DDPM(Points(**kind).to(dtype), ForwardProcess(cosine_schedule(T)), (2,), "v")


def points(n=300, seed=0):
    angle = 6.2832 * torch.rand(n, generator=torch.Generator().manual_seed(seed))
    return torch.stack([angle.cos(), angle.sin()], 1)


def digest(run):
    "Every loss and every averaged weight, to the bit."
    sha256 = hashlib.sha256(json.dumps(run.losses).encode())
    for w in run.p.network.state_dict().values():
        sha256.update(w.contiguous().numpy().tobytes())
    return sha256.hexdigest()


SHORT = dict(steps=12, batch=16, warmup=3, progress=False)


def weights(p):
    return {name: w.clone() for name, w in p.network.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Stop(Exception):
    pass


def stop_at(step):
    "A callback that raises at that step."

    def callback(run):
        if run.step == step:
            raise Stop

    return callback


def alone():
    "An environment for a process of one thread, without the settings of another launcher."
    return {k: v for k, v in os.environ.items() if not k.startswith("ACCELERATE")} | {
        "OMP_NUM_THREADS": "1"
    }


# ---- runs that are killed

SETTINGS = dict(steps=120, batch=16, warmup=5, every=2, progress=False)


class Pieces(io.FileIO):
    "A file that takes what is written to it in three pieces, with a tick before each."

    def __init__(self, path, mode, tick):
        super().__init__(path, mode)
        self.tick = tick

    def write(self, content):
        size = 1 + len(content) // 3
        for i in range(0, len(content), size):
            self.tick()
            super().write(content[i : i + size])


class Ticks:
    "Every moment of a checkpoint's writing by the package's own code; at moment `last` the process kills itself."

    def __init__(self, last):
        self.count, self.last = 0, last

    def tick(self):
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, of):
        def hooked(*args, **kwargs):
            self.tick()
            result = of(*args, **kwargs)
            self.tick()
            return result

        return hooked

    def install(self):
        files.open = lambda path, mode: Pieces(path, mode, self.tick)
        os.fsync, os.replace, os.unlink = map(self.around, (os.fsync, os.replace, os.unlink))


def train(folder, last=None, out=None):
    if last is not None:
        Ticks(last).install()
    run = fit(model(), points(), folder=folder, resume=True, **SETTINGS)
    if out:
        out.write_text(digest(run))


def newest(folder):
    "The step of the newest checkpoint, which must be whole; and whether a half-written one lies beside it."
    found = disk.checkpoints(folder)
    if found:
        parts, told = disk.load_checkpoint(folder)
        assert len(parts["losses"]["all"]) == told["step"] == max(found)
        assert parts.keys() == {"weights", "optimizer", "average", "losses"}
    return max(found, default=0), any(folder.glob(".step-*"))


def killed_at_every_moment(folder):
    "Process i dies at its i-th moment, and the next goes on. The steps at which they died; how many were in a write."
    steps, halves = [], 0
    for last in range(1, 75):
        _, status = os.waitpid(forked(lambda n=last: train(folder, n), err=2), 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        step, half = newest(folder)
        steps.append(step)
        halves += half
    return steps, halves


def killed_at_random(folder, times=12):
    "Each dies after a random time of its own, in which it computed, however busy the machine may be, or is done."
    rng, steps = random.Random(0), []

    def work(seconds):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # whoever handles no SIGPROF dies of it
        train(folder)

    for _ in range(times):
        seconds = rng.uniform(0.01, 0.08)
        _, status = os.waitpid(forked(lambda s=seconds: work(s), err=2), 0)
        assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGPROF)
        steps.append(newest(folder)[0])
    return steps


def kill(folder):
    "Kill runs; print what happened, as JSON."
    report = {}
    fit(
        model(), points(), steps=2, batch=4, progress=False
    )  # whatever it imports is there before the forks
    for name, killer in (
        ("every", killed_at_every_moment),
        ("random", killed_at_random),
        ("none", None),
    ):
        report[name] = killer(folder / name) if killer else None
        work = lambda n=name: train(folder / n, out=folder / f"{n}.txt")
        _, status = os.waitpid(forked(work, err=2), 0)
        assert status == 0
        report[f"{name}_digest"] = (folder / f"{name}.txt").read_text()
    print(json.dumps(report))


# ---- two processes


def scenarios(folder, seed):
    "Runs that must not depend on the number of processes; each with its losses and its averaged weights."
    settings = dict(steps=12, batch=16, warmup=3, progress=False, seed=5)
    labels, seen, calls = torch.arange(300) % 3, [], []

    def stops(p, x0, t, eps):
        calls.append(len(x0))
        if len(calls) == 8:
            raise KeyboardInterrupt
        return DDPM_LOSS(p, x0, t=t, eps=eps)

    kind = dict(seed=seed, dtype=torch.float64)
    yield (
        "plain",
        fit(
            model(**kind),
            points(),
            callback=lambda run: seen.append(run.step),
            log_every=5,
            **settings,
        ),
    )
    yield "accumulate", fit(model(**kind), points(), accumulate=2, **settings)
    yield "labels", fit(model(classes=3, **kind), points(), labels=labels, drop=0.3, **settings)
    yield "single", fit(model(seed=seed), points(), **settings)
    try:
        fit(model(**kind), points(), folder=folder / "run", every=3, loss=stops, **settings)
    except KeyboardInterrupt:
        pass
    yield (
        "resumed",
        fit(
            model(**kind),
            points(),
            folder=folder / "run",
            every=3,
            loss=stops,
            resume=True,
            **settings,
        ),
    )
    yield "seen", seen


def DDPM_LOSS(p, x0, **kwargs):
    from diffusion_math import simple_loss

    return simple_loss(p, x0, **kwargs)


def two(folder):
    "What each of two processes ends with, in a file each. They begin with different weights: the first's count."
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)  # they come from a process that had it
    GradientState._reset_state()
    rank, out = int(os.environ["RANK"]), {}
    for name, run in scenarios(folder, seed=rank):
        assert torch.distributed.get_world_size() == 2 and torch.distributed.get_rank() == rank
        out[name] = run if name == "seen" else (run.losses, dict(run.p.network.state_dict()))
    for name, batch, loss in (("batch", 15, "simple"), ("pieces", 18, "simple")):
        try:
            fit(model(), points(), steps=2, batch=batch, loss=loss, accumulate=2, progress=False)
        except ValueError as error:
            out[name] = str(error)
    torch.save(out, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def launch(folder):
    "two(folder) as `torchrun --standalone --nproc_per_node 2` would start it, but in forks, which import nothing."
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        1, 1, 2, rdzv_backend="c10d", rdzv_endpoint="localhost:0", run_id="two", max_restarts=0, start_method="fork"
    )  # fmt: skip
    elastic_launch(config, two)(folder)
