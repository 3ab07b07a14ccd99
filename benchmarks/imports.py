"""What `import` costs: CPU seconds of a fresh Python that imports one package, beside one that imports torch alone."""

import os
import resource
import subprocess
import sys

from common import arguments, ratios, say
from peers import installed

CODE = "import {}"


def cpu_seconds(module: str) -> float | None:
    "User and system seconds of a fresh Python, threads included; None where the import fails."
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or each import compiles a checkout anew
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module)], env=environment, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        return None
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    args = arguments(__doc__)
    peers = [
        found["name"] for found in installed() if "wrong" not in found and found["name"] != "ipympl"
    ]  # a widget
    modules = {"torch": "torch", "diffusion_math": "diffusion_math"} | {
        p: p.replace("-", "_") for p in peers
    }
    took = {name: [] for name in modules}
    for i in range(4 if args.quick else 16):
        for name, module in modules.items():
            seconds = cpu_seconds(module)
            if i and seconds is not None:  # the first turn warms the disk's cache
                took[name].append(seconds)
    figures = ratios({name: values for name, values in took.items() if values}, "torch", "import")
    say(
        title="Import",
        unit="CPU seconds, ratio to `import torch`",
        base="torch",
        figures=figures,
        target="ours ≤ 1.1",
        better="less",
    )


if __name__ == "__main__":
    main()
