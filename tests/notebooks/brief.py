"""What a notebook does less of when it runs as a test: the same cells, all of them, with smaller numbers at the places below.

Chapters train networks for minutes, walk hundreds of pictures back, or sum a thousand terms for each digit. That training works
is what tests/training asks, and that the numbers are right what the tests of the modules ask; that a chapter runs is seen after
a few steps and with a few pictures. So a copy of it is run with the numbers on the right, and what it prints is compared with
nothing. All that the chapters assert stays in force but what TRAINED lists, true of a network or a walk after all its steps.
`make notebooks FULL=1` runs each notebook as a reader does, as does whoever stores one.
"""

import json
import os
from pathlib import Path

FULL = os.environ.get("DIFFUSION_MATH_FULL", "0") not in ("", "0")
BRIEF = {
    "00_the_hour.ipynb": {
        "steps = 3000\n": "steps = 100\n",
        "for n in range(300):": "for n in range(30):",
    },
    "01_data_distribution.ipynb": {
        "torch.arange(0.0005, 45, 0.001, dtype=f64)": "torch.arange(0.005, 45, 0.01, dtype=f64)",
        "torch.full((10,), 0.1), 1000,": "torch.full((10,), 0.1), 200,",
        "(0, 10, 30, 100, 400), {}": "(0, 2, 3, 10, 20), {}",
        "for step in range(401):": "for step in range(21):",
        "torch.linspace(-3, 8, 1000)": "torch.linspace(-3, 8, 10)",
    },
    "04_reverse_process.ipynb": {
        "n = 60_000\n": "n = 10_000\n",
        ", n_30 = ForwardProcess(linear_schedule(T=50)), 100\n": ", n_30 = ForwardProcess(linear_schedule(T=50)), 20\n",
        "torch.randperm(len(train), generator=gen)[:500]]\n": "torch.randperm(len(train), generator=gen)[:100]]\n",
        "gaussians(60)[1]": "gaussians(20)[1]",
        "z = torch.linspace(-6, 6, 601, dtype=f64)": "z = torch.linspace(-5, 5, 501, dtype=f64)",
    },
    "04b_small_steps.ipynb": {
        "lost_by_diagonals(T) for T in (10, 100, 1000)}": "lost_by_diagonals(T) for T in (10, 50, 100)}",
        "z = torch.linspace(-12, 12, 1201, dtype=f64)\n": "z = torch.linspace(-12, 12, 601, dtype=f64)\n",
        "for T in (10, 33, 100, 333, 1000)}": "for T in (10, 33, 66, 200, 600)}",
        "sums[333] / sums[1000]": "sums[200] / sums[600]",
        "((100, 333), (333, 1000))": "((66, 200), (200, 600))",
    },
    "05_elbo.ipynb": {
        "math.log(1000) - log_w.view(10, 1000)": "math.log(200) - log_w.view(10, 200)",
        "p_flat.sample(10_000,": "p_flat.sample(2_000,",
        "picture.expand(10_000, 16)": "picture.expand(2_000, 16)",
        "data = two.sample(4000, gen)\n": "data = two.sample(500, gen)\n",
        "for T_now in (5, 10, 20, 40, 100):": "for T_now in (5, 6, 8, 10, 12):",
        "clumps.sample(1000, gen)\n": "clumps.sample(300, gen)\n",
        # half as many steps, of five times the length
        "n_steps = 3000\n": "n_steps = 1500\n",
        "OneCycleLR(adam, 4e-3, n_steps)": "OneCycleLR(adam, 2e-2, n_steps)",
    },
    "05b_bits_per_dim.ipynb": {
        "few, pad = test[:40],": "few, pad = test[:8],",
        "torch.Generator().manual_seed(3), 50\n": "torch.Generator().manual_seed(3), 10\n",
    },
    "06_ddpm.ipynb": {
        "steps = 1500\n": "steps = 30\n",
        "torch.logspace(math.log10(2), 3, 24)": "torch.logspace(math.log10(2), 3, 6)",
        "all_steps = q.schedule.respace(1000)\n": "all_steps = q.schedule.respace(50)\n",
        "network=early), all_steps, 10, seed(3))": "network=early), all_steps, 3, seed(3))",
        "clean, off = test[:200],": "clean, off = test[:50],",
        "steps=steps, batch=32, ema=0.99,": "steps=steps, batch=8, ema=0.99,",
        "def draw(p, n, steps=50, g=1.0):\n": "def draw(p, n, steps=10, g=1.0):\n",
        "for _ in range(600):\n": "for _ in range(10):\n",
        "classes = ten.repeat(30)": "classes = ten.repeat(2)",
        "short.sample(8, generator=seed(23),": "short.sample(3, generator=seed(23),",
        "onward(path[t].repeat_interleave(5, 0)": "onward(path[t].repeat_interleave(3, 0)",
        "FilmExplorer.of(shipped.respace(100),": "FilmExplorer.of(shipped.respace(40),",
        "hundred = torch.arange(10).repeat(10)\n": "hundred = torch.arange(10).repeat(1)\n",
    },
    "06b_fewer_freedoms.ipynb": {
        "fitted, priced = (test[:200], test_labels[:200]),": "fitted, priced = (test[:50], test_labels[:50]),",
        "3, 40).round().long().tolist(), 201})": "3, 8).round().long().tolist(), 201})",
        "classes = torch.arange(10).repeat(90)\n": "classes = torch.arange(10).repeat(9)\n",
    },
    "07_score_matching.ipynb": {
        "static = torch.randn(20, 1, 28, 28": "static = torch.randn(8, 1, 28, 28",
        "static, hundred, n=3, kick=kick": "static, hundred, n=2, kick=kick",
        "short, x = p.respace(60)": "short, x = p.respace(10)",
        "start = torch.randn(2000, 1,": "start = torch.randn(1000, 1,",
        "cooling = torch.linspace(-7, 6, 40,": "cooling = torch.linspace(-7, 6, 30,",
    },
    "08_recap.ipynb": {
        '"ddpm_mnist").respace(100)': '"ddpm_mnist").respace(20)',
        "by(exact), torch.randn(4000, 1,": "by(exact), torch.randn(1000, 1,",
        "exact.sample(4000,": "exact.sample(1000,",
        "mixture.sample(4000, gen)": "mixture.sample(1000, gen)",
    },
    "08b_famous_slips.ipynb": {
        "q50 = ForwardProcess(linear_schedule(T=50))": "q50 = ForwardProcess(linear_schedule(T=20))",
        "nature).sample(8, torch": "nature).sample(4, torch",
        "nature).sample(40, torch": "nature).sample(7, torch",
        "torch.linspace(-0.6, 0.6, 25, dtype=f64)": "torch.linspace(-0.6, 0.6, 13, dtype=f64)",
        '"ddpm_mnist").respace(20)': '"ddpm_mnist").respace(10)',
        "wanted = torch.arange(8)\n": "wanted = torch.arange(4)\n",
        "torch.randn(8, 1, 28, 28,": "torch.randn(4, 1, 28, 28,",
        "for t in range(20, 0, -1)": "for t in range(10, 0, -1)",
        '"guided, right"][5]': '"guided, right"][2]',
        "ddim(pushed, x_t, 15, 15, fresh)": "ddim(pushed, x_t, 8, 8, fresh)",
    },
    "09_noise_free_walk.ipynb": {
        "for k in range(10))}": "for k in range(8))}",
        "(5, 10, 20, 2560)": "(5, 10, 20, 640)",
        "(5, 10, 20, 40, 80, 160)": "(5, 10, 15, 20, 30, 40)",
        "λ, n = 0.5, 2_000_000": "λ, n = 0.5, 1_000_000",
        "(levels(300).flip(0))": "(levels(150).flip(0))",
        "n, gaps = 2000, []": "n, gaps = 500, []",
        "torch.randn(40, 1, 28, 28,": "torch.randn(12, 1, 28, 28,",
        "x, start, 6.0, 60) for x in (forty": "x, start, 6.0, 20) for x in (forty",
        "start, 6.0, 50, 1.0, fresh": "start, 6.0, 20, 1.0, fresh",
        "flow(p, arc, start, 6.0, 15)": "flow(p, arc, start, 6.0, 3)",
        'digits("test")[100:106]': 'digits("test")[100:102]',
    },
    "10_noisy_walk.ipynb": {
        "flow(p, x, start, 6.0, 20)": "flow(p, x, start, 6.0, 6)",
        "walk(p, x, start, 6.0, 50, 1.0, noise_of": "walk(p, x, start, 6.0, 12, 1.0, noise_of",
        "torch.randn(144, 1, 28, 28,": "torch.randn(72, 1, 28, 28,",
        "generator=seed(100)), 6, 60": "generator=seed(100)), 4, 12",
        "torch.randn(400, 1, 28, 28,": "torch.randn(60, 1, 28, 28,",
        # few draws cannot tell
        "gaps[few][0] > 3 *": "gaps[few][0] > 0 *",
    },
    "11_likelihood_by_flow.ipynb": {
        "levels = torch.linspace(14.5, -7.0, 173)\n": "levels = torch.linspace(14.5, -7.0, 8)\n",
        'digits("test")[:16]': 'digits("test")[:2]',
        "*row, steps=344)": "*row, steps=12)",
        "*row, steps=172)": "*row, steps=6)",
        "bound_by_area(p, some, 240,": "bound_by_area(p, some, 16,",
        "elbo_estimate(p.q, p, some, 240,": "elbo_estimate(p.q, p, some, 16,",
        "torch.tensor([0, 2, 3, 7]).repeat(100)": "torch.tensor([0, 2, 3, 7]).repeat(10)",
        "torch.randn(400, 1, dtype=f64, ": "torch.randn(40, 1, dtype=f64, ",
        "torch.arange(400), k]": "torch.arange(40), k]",
    },
    "12_area_under_the_error.ipynb": {
        "z = draws(coin, levels, 400_000, gen)": "z = draws(coin, levels, 200_000, gen)",
        "lengths = [5, 10, 50, 1000]\n": "lengths = [5, 6, 8, 10]\n",
        "above_entropy(linear_schedule(1000))": "above_entropy(linear_schedule(100))",
        "for T in (20, 80, 320):": "for T in (10, 40, 160):",
        "off[20] > 4 * off[80] > 16 * off[320] > 0": "off[10] > 4 * off[40] > 16 * off[160] > 0",
        "off[80] < 5 * off[320]": "off[40] < 5 * off[160]",
        "fine = torch.linspace(-8, 6, 281, dtype=f64)": "fine = torch.linspace(-8, 6, 141, dtype=f64)",
        'digits("test")[:64]': 'digits("test")[:16]',
        'digits("test")[:512]': 'digits("test")[:24]',
        "    for run in range(20):": "    for run in range(2):",
        "for run in range(20)]": "for run in range(2)]",
        "runs, n, table, away = 1000, 40_000, {}, {}": "runs, n, table, away = 20, 4_000, {}, {}",
    },
    "13_solvers.ipynb": {
        "torch.arange(10).repeat(6)": "torch.arange(10).repeat(1)",
        "torch.randn(60, 1, 28, 28,": "torch.randn(10, 1, 28, 28,",
        "finest = even_grid(NOISE, DATA, 120,": "finest = even_grid(NOISE, DATA, 30,",
        '"unipc2"), (5, 10, 20, 40)': '"unipc2"), (5, 6, 7, 8)',
    },
    "14_flow_matching.ipynb": {
        "torch.linspace(-40, 40, 1601,": "torch.linspace(-40, 40, 401,",
        "n = 400_000\n": "n = 240_000\n",
        "def learn(pairs, seed, steps=1800):": "def learn(pairs, seed, steps=100):",
        "torch.randn(20_000, 2, generator=gen)": "torch.randn(2_000, 2, generator=gen)",
        "torch.linspace(1, 0, 401))": "torch.linspace(1, 0, 101))",
        "for _ in range(4)] for k, x in sizes": "for _ in range(2)] for k, x in sizes",
    },
    "15_guidance.ipynb": {
        "one, start, end, 150) for a, b, w": "one, start, end, 100) for a, b, w",
        "early, 10.0, 1000, 1.0, sde_gen, ": "early, 10.0, 300, 1.0, sde_gen, ",
        "flow(denoiser, z, -14.0, end, 100)": "flow(denoiser, z, -14.0, end, 40)",
        "thrown(4.0, 1200)": "thrown(4.0, 600)",
        "static, -10.0, 6.0, 12)": "static, -10.0, 6.0, 6)",
        "step=0.04)": "step=0.1)",
        "torch.randn(144, 1, 28, 28, generator=torch": "torch.randn(24, 1, 28, 28, generator=torch",
        "torch.full((144,), 3)": "torch.full((24,), 3)",
    },
    "17_inverse_problems.ipynb": {
        "guess, start, -8.0, 8.0, 50, 1.0, own": "guess, start, -8.0, 8.0, 5, 1.0, own",
        "law, walkers = measure.posterior(pair, y_half), 160": "law, walkers = measure.posterior(pair, y_half), 8",
        "for n in (24, 48, 128):": "for n in (4, 6, 8):",
        'guess = steered(single, measure, y_half, "moments", 80)': 'guess = steered(single, measure, y_half, "moments", 4)',
        "drawn(guess, 24)": "drawn(guess, 4)",
        "((64, 4), (256, 2))": "((8, 2), (16, 1))",
        "x = torch.randn(80, 1, 28, 28, generator=own)": "x = torch.randn(4, 1, 28, 28, generator=own)",
        "pair.sample(20_000, own)": "pair.sample(4_000, own)",
        "manual_seed(17), 24": "manual_seed(17), 4",
        "even, (256,)": "even, (32,)",
        '"unit", even, (128, 256)': '"unit", even, (16, 32)',
        '"moments", even, (24, 48)': '"moments", even, (16, 32)',
        '"point", stiff, (1024, 2048)': '"point", stiff, (256, 384)',
        "once, calls = [], [16, 50, 100, 400, 1600]": "once, calls = [], [16, 50, 60, 70, 80]",
        "hundred, forty, seam_rank = 100, (-8.0, 8.0, 40), {}": "hundred, forty, seam_rank = 4, (-8.0, 8.0, 4), {}",
        "tries = [1, 2, 4, 8, 16, 32]": "tries = [1, 2, 3, 4, 5, 6]",
        'noise, -8.0, 8.0, 256, "unit", own)': 'noise, -8.0, 8.0, 4, "unit", own)',
        "(8, 32, 128, 512), 24, glance": "(8, 32, 128, 512), 4, glance",
        "for _ in range(200)]": "for _ in range(60)]",
        "manual_seed(17), 5_000": "manual_seed(17), 2_000",
        "mean_rank = (-8.0, 8.0, 400)": "mean_rank = (-8.0, 8.0, 100)",
    },
    "19_letters.ipynb": {
        "for _ in range(1500):": "for _ in range(300):",
        "def trained(seed, left=False, rounds=2000, ": "def trained(seed, left=False, rounds=50, ",
        "text = language.sample(50_000, ": "text = language.sample(2_000, ",
        "** 4) for _ in range(20)]": "** 4) for _ in range(4)]",
        "torch.zeros(500, 16, 27)": "torch.zeros(60, 16, 27)",
        "language.sample(200, draws)": "language.sample(40, draws)",
        "law, x, k, rng, n=16)": "law, x, k, rng, n=4)",
        "held_out = language.sample(200, ": "held_out = language.sample(20, ",
        "def each_cost(net, rule, n=16)": "def each_cost(net, rule, n=4)",
    },
    "19b_coins.ipynb": {
        "budgets = (2000, 8000)": "budgets = (10, 20)",
        "def excess(net, n=40_000)": "def excess(net, n=2_000)",
        "count, rng = 4000,": "count, rng = 500,",
    },
    "15b_more_slips.ipynb": {
        "torch.linspace(-8, 5, 201, dtype=f64)": "torch.linspace(-8, 5, 101, dtype=f64)",
        'in_steps("B", 160)': 'in_steps("B", 40)',
        "requires_grad_(False), torch.arange(10)": "requires_grad_(False), torch.arange(4)",
        "torch.linspace(0.993, 0.007, 21, dtype=f64)": "torch.linspace(0.993, 0.007, 5, dtype=f64)",
        "def euler(form, steps=20)": "def euler(form, steps=8)",
        "1.0, 10_000, 1000": "1.0, 2_000, 400",
    },
    "16_memory.ipynb": {
        "torch.randint(1000, (1500,), generator=gen)": "torch.randint(1000, (400,), generator=gen)",
        "drawn = population.sample(1500, gen)": "drawn = population.sample(400, gen)",
        'digits("test")[:64]': 'digits("test")[:4]',
        "torch.randn(400, 1, 28, 28, generator=rng)": "torch.randn(2, 1, 28, 28, generator=rng)",
        "(50, 200, 400, 600, 1000)": "(10, 20, 30, 40, 50)",
        "others = population.sample(300, gen)": "others = population.sample(100, gen)",
        "torch.randn(96, 1, 12, 12": "torch.randn(24, 1, 12, 12",
        "range(1, 1001)": "range(1, 51)",
    },
}
TRAINED = {
    "05_elbo.ipynb": [
        "assert bound_A.mean() < bound_B.mean() < bound_C.mean() and own_A.mean() < own_B.mean()"
    ],
    "06_ddpm.ipynb": [
        'assert sure["additions 1 to 6, g = 1.0"] - sure["plain, clipped"] > by_chance'
    ],
    "11_likelihood_by_flow.ipynb": ["assert much - 5 * by > little > 5 * beside"],
    "14_flow_matching.ipynb": [
        'assert all(b > a for a, b in zip(far["independent"], far["reflow"]))',
        'assert max(far["reflow of exact u"]) < min(far["reflow"])',
        'assert max(finer["pairs of a batch"]) < min(finer["independent"] + finer["reflow"])',
    ],
    "16_memory.ipynb": ["assert seen_it > 0.7 > 0.1 > max(map(abs, not_seen))"],
    "17_inverse_problems.ipynb": [
        "assert off.square().mean().sqrt() > 2.5 * by_chance",
        "assert seam_rank[1] < 2.5 - 3 * 0.171 < seam_rank[4]",
        'assert (rms["V = s²I"][:, 1] < 0.75 * rms["plain weights"][:, 1]).all()',
        'assert rms["plain weights"][-1, 1] < rms["V = 0"][-1, 1]',
        "assert all(rows[-1, 0] < 0.5 * rows[0, 0] for rows in rms.values())",
        'assert (rms["V = 0"][:, 0] > rms["plain weights"][:, 0]).all()',
        "assert max(once)[0] < 0.75 * due",
    ],
    "19_letters.ipynb": [
        "assert high.mean() < by_top.mean() < bound.mean()",
        "assert in_one[some].max() < in_one[one].min() and in_one[left_one].max() < in_one[one].min()",
        'assert (of_each[any_one, "own"] - of_each[one, "own"])[:, 0].mean(1).abs().max() < 0.06',
        'assert in_one[causal].max() < of_each[some, "random"][:, 1].mean(1).min()',
    ],
}


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
