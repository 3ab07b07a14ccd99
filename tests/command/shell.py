"The command as a shell runs it: in a process of its own."

import subprocess
import sys
from pathlib import Path

from tests.lab import environment

COMMAND = "import sys; from diffusion_math.command.main import main; sys.exit(main())"


def python(code: str, *args: str, cwd: Path) -> subprocess.CompletedProcess:
    "Run some lines of Python there."
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=cwd,
        env=environment(cwd),
        timeout=600,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def shell(*args: str, cwd: Path) -> subprocess.CompletedProcess:
    "Run `diffusion-math` with these arguments there."
    return python(COMMAND, *args, cwd=cwd)
