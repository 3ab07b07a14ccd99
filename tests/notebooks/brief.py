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
        "n = 60_000\n": "n = 10_000\n",
        "many = {5: 60, 15: 60, 26: 60, 30: 60, 50: 160}\n": "many = {5: 8, 15: 8, 26: 60, 30: 60, 50: 16}\n",
        "torch.randperm(len(train), generator=gen)[:500]\n": "torch.randperm(len(train), generator=gen)[:200]\n",
    },
    "04b_small_steps.ipynb": {
        "u = torch.linspace(-12, 12, 1201, dtype=f64)\n": "u = torch.linspace(-12, 12, 601, dtype=f64)\n",
        "for T in (10, 30, 100, 300, 900)}": "for T in (10, 30, 60, 200, 600)}",
        "sums[300] / sums[900]": "sums[200] / sums[600]",
        "((100, 300), (300, 900))": "((60, 200), (200, 600))",
        "for T in (10, 30, 100, 300)}": "for T in (10, 30, 60, 200)}",
        "lost_T[4, 1] * (T / 900.0)": "lost_T[4, 1] * (T / 600.0)",
        "lost_T[4, 0] * (T / 900.0)": "lost_T[4, 0] * (T / 600.0)",
    },
    "05_elbo.ipynb": {
        "math.log(1000) - log_w.view(10, 1000)": "math.log(200) - log_w.view(10, 200)",
        "p_flat.sample(10_000,": "p_flat.sample(2_000,",
        "picture.expand(10_000, 16)": "picture.expand(2_000, 16)",
        "data = two.sample(4000, gen)\n": "data = two.sample(500, gen)\n",
        "exact_elbo(q100, p100, data[:400])": "exact_elbo(q100, p100, data[:60])",
        "(expected <= truth_100[:400])": "(expected <= truth_100[:60])",
        "single[:400] - expected": "single[:60] - expected",
        "held_out = clumps.sample(2000, gen)\n": "held_out = clumps.sample(500, gen)\n",
        "clumps.sample(512)": "clumps.sample(256)",
        "/ 2000**2\n": "/ 500**2\n",
    },
    "05b_bits_per_dim.ipynb": {
        "few, pad = test[:40],": "few, pad = test[:4],",
        "two.sample(1600, gen)": "two.sample(400, gen)",
        "forty = two.sample(40, gen)\n": "forty = two.sample(20, gen)\n",
        "data = forty.repeat(300, 1)\n": "data = forty.repeat(60, 1)\n",
        "estimate.total.view(300, 40)\n": "estimate.total.view(60, 20)\n",
        "total.mean(1).std() / 300**0.5\n": "total.mean(1).std() / 60**0.5\n",
        "fresh = two.sample(200, gen)\n": "fresh = two.sample(20, gen)\n",
        "for T in (10, 30, 100, 300, 1000):\n": "for T in (10, 15, 20, 30, 70):\n",
        "accounts[100], accounts[1000]\n": "accounts[10], accounts[70]\n",
        "(accounts[1000].bound - accounts[1000].entropy)": "(accounts[70].bound - accounts[70].entropy)",
    },
    "06_ddpm.ipynb": {
        ".respace(25).sample(10, start)": ".respace(5).sample(10, start)",
        "    steps=2200,\n    batch=64,\n": "    steps=55,\n    batch=16,\n",
        "    warmup=140,\n": "    warmup=3,\n",
        "    log_every=220,\n": "    log_every=55,\n",
        "asked = torch.arange(10).repeat(4)\n": "asked = torch.arange(10).repeat(1)\n",
        "def draw(p, y, n=50):\n": "def draw(p, y, n=10):\n",
        "for _ in range(600):\n": "for _ in range(10):\n",
        "classes = torch.arange(10).repeat(40)\n": "classes = torch.arange(10).repeat(2)\n",
        "clean, guessed = test[:200],": "clean, guessed = test[:50],",
        "FilmExplorer.of(shipped.respace(100),": "FilmExplorer.of(shipped.respace(40),",
        "dict(steps=700, batch=32, lr=8e-3, warmup=44)": "dict(steps=6, batch=16, lr=8e-3, warmup=1)",
        "torch.full((100,), 10)": "torch.full((20,), 10)",
        "ten.repeat(10)": "ten.repeat(2)",
    },
    "06b_fewer_freedoms.ipynb": {
        "two.sample(100, gen)),": "two.sample(40, gen)),",
        "(torch.arange(100, dtype=f64) + 0.5) / 100": "(torch.arange(40, dtype=f64) + 0.5) / 40",
        "q.marginal(test[:100], t)": "q.marginal(test[:20], t)",
        ".x0 - test[:100])": ".x0 - test[:20])",
        "dict(steps=600, batch=32, lr=8e-3, warmup=38,": "dict(steps=8, batch=8, lr=8e-3, warmup=1,",
        "classes = torch.arange(10).repeat(30)\n": "classes = torch.arange(10).repeat(2)\n",
        ".respace(50).sample(300, seed(8))": ".respace(10).sample(20, seed(8))",
        "for _ in range(600):\n": "for _ in range(10):\n",
        "def bits(p, each=7):\n": "def bits(p, each=2):\n",
        "math.log10(2), 3, 40)": "math.log10(2), 3, 12)",
        "best_variance(p.given(y=labels[:64]), inked[:64])": "best_variance(p.given(y=labels[:16]), inked[:16])",
        "elbo(q_bits, p_bits, test[:5],": "elbo(q_bits, p_bits, test[:2],",
        "p_bits.respace(100).sample(10,": "p_bits.respace(20).sample(10,",
        "elbo_estimate(q_bits, p_bits, test[:200],": "elbo_estimate(q_bits, p_bits, test[:20],",
    },
    "08_recap.ipynb": {
        "short = p.respace(100)\nwalk = ": "short = p.respace(20)\nwalk = ",
        "short = p.respace(100)\nnew = ": "short = p.respace(40)\nnew = ",
        "nature.sample(4000, gen)": "nature.sample(1000, gen)",
        "ones.std() / 4000**0.5": "ones.std() / 1000**0.5",
        "elbo(q, p, x0[:2],": "elbo(q, p, x0[:1],",
    },
    "09_noise_free_walk.ipynb": {
        "for T in (20, 50, 1000)}": "for T in (20, 50, 200)}",
        'rows["1000 steps"]': 'rows["200 steps"]',
        "for k in range(10))}": "for k in range(9))}",
        "(5, 10, 20, 80, 2560)": "(5, 10, 20, 80, 1280)",
    },
    "10_noisy_walk.ipynb": {
        "flow(p, z, start, 6.0, 20)": "flow(p, z, start, 6.0, 10)",
        "walk(p, z, start, 6.0, 50, 1.0, seed(7))": "walk(p, z, start, 6.0, 20, 1.0, seed(7))",
        "for steps in (5, 10, 25):": "for steps in (5, 6, 7):",
    },
    "11_likelihood_by_flow.ipynb": {
        "pictures = images[:4].double()\n": "pictures = images[:1].double()\n",
        "(7 / 5 / 4) ** 0.5": "(7 / 5 / 1) ** 0.5",
        "four = images[:4]\n": "four = images[:2]\n",
        "elbo_estimate(p.q, p, four, 40,": "elbo_estimate(p.q, p, four, 8,",
        "bound_by_area(p, four, 40,": "bound_by_area(p, four, 8,",
        "probes=1, tolerance=1e-3,": "probes=1, tolerance=1e-2,",
    },
    "12_area_under_the_error.ipynb": {
        "z = draws(coin, levels, 400_000, gen)": "z = draws(coin, levels, 200_000, gen)",
        "costs = draws(coin, levels, 400_000, gen)": "costs = draws(coin, levels, 200_000, gen)",
        "lengths = [5, 10, 50, 1000]\n": "lengths = [5, 10, 15, 20]\n",
        "dict(n=32, replicates=32,": "dict(n=8, replicates=8,",
        "model, images, 12, decoder=": "model, images, 8, decoder=",
        "bound_by_area(p, images, 12,": "bound_by_area(p, images, 8,",
    },
    "13_solvers.ipynb": {
        "32, 40, 64, 80, 160)": "32, 40, 44, 48, 52)",
        'fine = digits_by("unipc2", 60)': 'fine = digits_by("unipc2", 30)',
        "digits_by('2m', 60)": "digits_by('2m', 30)",
        "budget, gaps = (5, 8, 12, 20, 40),": "budget, gaps = (5, 6, 7, 8, 9),",
        "for n in (10, 20)}": "for n in (6, 7)}",
    },
    "14_flow_matching.ipynb": {
        "for steps in (36, 360, 3600):": "for steps in (36, 360, 2160):",
        "torch.linspace(-40, 40, 1601,": "torch.linspace(-40, 40, 801,",
        "def learn(pairs, steps=600):": "def learn(pairs, steps=300):",
        "torch.randn(20_000, 2, generator=gen)": "torch.randn(5_000, 2, generator=gen)",
        'grids(100)["cosine"]': 'grids(60)["cosine"]',
        "(v[:400] for v in": "(v[:100] for v in",
        "v.expand(400)": "v.expand(100)",
        "steps=300, batch=32, lr=8e-3, warmup=30,": "steps=60, batch=32, lr=8e-3, warmup=6,",
    },
    "15_guidance.ipynb": {
        "one, start, end, 150).square()\n    claimed": "one, start, end, 60).square()\n    claimed",
        "flow(denoiser, z, -14.0, end, 100)": "flow(denoiser, z, -14.0, end, 60)",
        "torch.randn(32, 1, 28, 28, generator=gen)": "torch.randn(16, 1, 28, 28, generator=gen)",
        "torch.full((32,), 3)": "torch.full((16,), 3)",
        "sample(32, gen, eta=0.0)": "sample(16, gen, eta=0.0)",
    },
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
