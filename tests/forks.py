"""Processes of their own that need not import PyTorch anew: forked from the one that tests.

`forked(work)` starts one and gives its number; `ran(work)` waits for its end and gives what a shell would see of it:
its status and what it printed. In both it has one thread, no input, and the folder and variables that are asked for.
`holder(path, seconds)` starts one that holds a lock, until it is `killed`.
"""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jaxtyping
import torch

from diffusion_math.files import locked


def forked(
    work: Callable[[], Any],
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    out: int | None = None,
    err: int | None = None,
) -> int:
    "work() in a process of its own, whose output goes to the files out and err, or nowhere; its number."
    sys.stdout.flush(), sys.stderr.flush()
    if pid := os.fork():
        return pid
    status = 1
    try:
        gc.freeze()  # or a collection would copy all that its parent has
        torch.set_num_threads(1)  # those of its parent are not there
        jaxtyping.config.update("jaxtyping_disable", True)  # as for any reader
        null = os.open(os.devnull, os.O_RDWR)
        for stream, file in enumerate((null, out, err)):
            os.dup2(null if file is None else file, stream)
        sys.stdout, sys.stderr = (open(stream, "w", closefd=False) for stream in (1, 2))
        if cwd is not None:
            os.chdir(cwd)
        if env is not None:
            os.environ.clear(), os.environ.update(env)
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush(), sys.stderr.flush()
        os._exit(status)


def ran(
    work: Callable[[], Any], cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    "How work() ends in a process of its own, and what it prints there."
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        _, status = os.waitpid(forked(work, cwd, env, out.fileno(), err.fileno()), 0)
        texts = [file.seek(0) or file.read() for file in (out, err)]
    return subprocess.CompletedProcess(work, os.waitstatus_to_exitcode(status), *texts)


def holder(path: Path, seconds: float) -> int:
    "A process that holds the lock at path by now, and lets go of it after so many seconds."
    reads, writes = os.pipe()

    def work():
        with locked(path):
            print("held", flush=True)
            time.sleep(seconds)

    process = forked(work, out=writes)
    os.close(writes)
    with open(reads) as line:
        assert line.readline() == "held\n"
    return process


def killed(process: int) -> None:
    "End it at once."
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
