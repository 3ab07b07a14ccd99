"""What a notebook does less of when it runs as a test: the same cells, all of them, with smaller numbers at the places below.

Chapters train networks for minutes, walk hundreds of pictures back, or sum a thousand terms for each digit. That training works
is what tests/training asks, and that the numbers are right what the tests of the modules ask; that a chapter runs is seen after
a few steps and with a few pictures. So a copy of it is run with the numbers on the right, and what it prints is compared with
nothing. All that the chapters assert stays in force but what TRAINED lists, which is true of a network after its whole training.
`make notebooks FULL=1` runs each notebook as a reader does, as does whoever stores one.
"""

import json
import os
from pathlib import Path

FULL = os.environ.get("DIFFUSION_MATH_FULL", "0") not in ("", "0")
BRIEF = {
    "04_reverse_process.ipynb": {
        "many = {5: 60, 15: 60, 26: 60, 30: 60, 50: 160}\n": "many = {5: 8, 15: 8, 26: 60, 30: 60, 50: 60}\n"
    },
    "05_elbo.ipynb": {
        "data = two.sample(4000, gen)\n": "data = two.sample(1000, gen)\n",
        "loss = loss_of(learned, clumps.sample(512))\n": "loss = loss_of(learned, clumps.sample(128))\n",
    },
    "05b_bits_per_dim.ipynb": {
        "few, pad = test[:40],": "few, pad = test[:8],",
        "fresh = two.sample(200, gen)\n": "fresh = two.sample(50, gen)\n",
    },
    "06_ddpm.ipynb": {
        "    steps=2200,\n": "    steps=66,\n",
        "    warmup=140,\n": "    warmup=5,\n",
        "    log_every=220,\n": "    log_every=22,\n",
        "dict(steps=700, batch=32, lr=8e-3, warmup=44)": "dict(steps=22, batch=32, lr=8e-3, warmup=2)",
        "for _ in range(600):\n": "for _ in range(60):\n",
        "classes = torch.arange(10).repeat(40)\n": "classes = torch.arange(10).repeat(4)\n",
    },
    "06b_fewer_freedoms.ipynb": {
        "dict(steps=600, batch=32, lr=8e-3, warmup=38,": "dict(steps=20, batch=32, lr=8e-3, warmup=2,",
        "for _ in range(600):\n": "for _ in range(60):\n",
        "classes = torch.arange(10).repeat(30)\n": "classes = torch.arange(10).repeat(6)\n",
        ".respace(50).sample(300, seed(8))": ".respace(10).sample(60, seed(8))",
        "elbo(q_bits, p_bits, test[:5],": "elbo(q_bits, p_bits, test[:2],",
        "elbo_estimate(q_bits, p_bits, test[:200],": "elbo_estimate(q_bits, p_bits, test[:50],",
    },
    "11_likelihood_by_flow.ipynb": {
        "pictures = images[:4].double()\n": "pictures = images[:2].double()\n",
        "(7 / 5 / 4) ** 0.5": "(7 / 5 / 2) ** 0.5",
        "four = images[:4]\n": "four = images[:2]\n",
    },
    "12_area_under_the_error.ipynb": {
        "lengths = [5, 10, 50, 1000]\n": "lengths = [5, 10, 50, 100]\n"
    },
    "13_solvers.ipynb": {"budget, gaps = (5, 8, 12, 20, 40),": "budget, gaps = (5, 8, 9, 10, 11),"},
}
TRAINED = {"06_ddpm.ipynb": ['assert sure["drawn"] < sure["drawn, g = 1.5"]']}


def places(name: str) -> dict[str, str]:
    "What stands anew in a brief copy of this notebook: the smaller numbers, and nothing for what is true of a trained network."
    return BRIEF[name] | dict.fromkeys(TRAINED.get(name, ()), "")


def shortened(cells: list[dict], anew: dict[str, str]) -> list[dict]:
    "Cells with each of these places written anew. AssertionError where one does not stand there exactly once."
    sources = ["".join(cell["source"]) for cell in cells]
    for old, new in anew.items():
        found = [i for i, source in enumerate(sources) for _ in range(source.count(old))]
        assert len(found) == 1 and cells[found[0]]["cell_type"] == "code", (
            f"{old!r} stands at {len(found)} places, and one is wanted, in code"
        )
        sources[found[0]] = sources[found[0]].replace(old, new)
    return [cell | {"source": source} for cell, source in zip(cells, sources, strict=True)]


def to_run(path: Path, name: str) -> Path:
    "The notebook that is run: the one at path, or a brief copy beside it."
    if FULL or name not in BRIEF:
        return path
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"] = shortened(notebook["cells"], places(name))
    copy = path.with_name(f"brief-{path.name}")
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    return copy
