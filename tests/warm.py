"""Kernels that need not import PyTorch anew: each is forked from a process that has.

`python -m tests.warm SOCKET` imports what is heavy and is not ours, and no part of `diffusion_math`; then it waits, and
for each kernel that is asked for it forks: a fresh IPython, an empty namespace, the environment, the folder and the
outputs of whoever asks, and random numbers of its own. It ends when its standard input does.

`python tests/warm.py SOCKET -f CONNECTION_FILE ...` asks, and stands for the kernel: it hands signals on, ends when the kernel
does, and the kernel ends when it does. `Warm` starts the first, and writes a kernel spec that starts the second.
"""

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SPEC = {
    "display_name": "Python 3 (ipykernel)",
    "language": "python",
    "metadata": {"debugger": True},
}

# torch._dynamo: what the first step of any optimizer imports
HEAVY = """ipykernel.ipkernel ipykernel.kernelapp ipykernel.zmqshell jaxtyping matplotlib.backends.backend_agg
matplotlib.figure scipy.integrate torch torch._dynamo torch.nn.functional""".split()


def ask(path: str, *args: str) -> int:
    "Have a kernel forked, and wait until it ends."
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        told = json.dumps([args, os.getcwd(), dict(os.environ)]).encode() + b"\n"
        socket.send_fds(line, [told[:1]], [0, 1, 2])
        line.sendall(told[1:])
        kernel = int(line.makefile().readline())
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda number, frame: os.kill(kernel, number))
        while line.recv(1):  # nothing comes but the end
            pass
    return 0


def become_a_kernel(line: socket.socket) -> None:
    "In the forked process: what was asked for, and then ipykernel."
    first, fds, *_ = socket.recv_fds(line, 1, 3)
    args, folder, environ = json.loads(first + line.makefile("rb").readline())
    for i, fd in enumerate(fds):
        os.dup2(fd, i), os.close(fd)
    os.setsid(), os.chdir(folder)
    environ.pop("JPY_PARENT_PID", None)  # whoever asked watches instead
    os.environ.clear(), os.environ.update(environ)
    line.sendall(f"{os.getpid()}\n".encode())

    def end_with_whoever_asked():
        while line.recv(1):
            pass
        os._exit(1)

    threading.Thread(target=end_with_whoever_asked, daemon=True).start()
    import random

    import numpy
    from ipykernel.kernelapp import launch_new_instance

    random.seed(), numpy.random.seed()
    sys.argv = ["ipykernel_launcher", *args]
    launch_new_instance()


def serve(path: str) -> None:
    "Fork a kernel for each connection, until standard input ends."
    del sys.path[0]  # this folder: as ipykernel_launcher does it
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # as in any kernel
    for name in HEAVY:
        importlib.import_module(name)
    assert threading.active_count() == 1
    assert not {"diffusion_math", "matplotlib.pyplot", "ipywidgets"} & {*sys.modules}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a kernel that ended is forgotten
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path + ".new"), door.listen()
        os.rename(path + ".new", path)  # who sees it can connect
        while sys.stdin not in select.select([door, sys.stdin], [], [])[0]:
            line, _ = door.accept()
            if not os.fork():
                door.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                become_a_kernel(line)
                os._exit(0)
            line.close()


class Warm:
    "Such a process; `path` is a folder for JUPYTER_PATH, in which the kernel python3 is one that is forked from it."

    def __init__(self, home: Path, env: dict[str, str], seconds: float = 120.0):
        self.path = home / "warm"
        self.short = tempfile.TemporaryDirectory(prefix="warm")  # a socket's path may not be long
        socket_ = Path(self.short.name, "s")
        folder = self.path / "kernels" / "python3"
        folder.mkdir(parents=True)
        argv = [sys.executable, "-I", "-S", __file__, str(socket_), "-f", "{connection_file}"]
        (folder / "kernel.json").write_text(json.dumps({"argv": argv} | SPEC))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", str(socket_)], env=env, stdin=subprocess.PIPE
        )
        deadline = time.monotonic() + seconds
        while not socket_.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError("the process from which kernels are forked did not start")
            time.sleep(0.05)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(120)  # it has nothing to do, but may have to wait for a busy machine
        self.short.cleanup()


if __name__ == "__main__":
    serve(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(ask(*sys.argv[1:]))
