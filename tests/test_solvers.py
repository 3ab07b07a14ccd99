"Solvers: each equal to its paper's steps written out, each of its declared order on the exact flow; the grids."

import math
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from diffusion_math import (
    DDPM,
    SOLVERS,
    ForwardProcess,
    GaussianMixture,
    Schedule,
    Solver,
    cosine_grid,
    cosine_schedule,
    even_grid,
    flow,
    karras_grid,
    linear_schedule,
    quantile_flow,
    solve,
    walk,
)  # fmt: skip
from diffusion_math.solvers import (
    draw,
    fitted,
    fixed,
    half_bent,
    midpoint,
    planned_grid,
    polished_grid,
)
from tests.truth import PLANE, TWO, error, seed

F32, F64, INF = torch.float32, torch.float64, math.inf
SMOOTH = GaussianMixture(
    [0.3, 0.7], torch.tensor([[-1.0], [1.0]], dtype=F64), torch.tensor([0.4, 0.6], dtype=F64)
)
SMOOTH_PLANE = GaussianMixture(PLANE.weights, PLANE.means, torch.tensor([0.4, 0.6], dtype=F64))
UNEVEN = [-6.0, -4.5, -3.7, -1.2, 0.0, 0.9, 2.8, 3.3, 5.0]  # no two steps alike
NOISE_FREE = [name for name, solver in SOLVERS.items() if not solver.dial]


def scales(level):
    return (1 / (1 + math.exp(-level))) ** 0.5, (1 / (1 + math.exp(level))) ** 0.5


# ---- each solver as its paper has it


def by_ddim(x, grid):
    "a' x0 + s' eps [Song, Meng & Ermon 2021]."
    for here, there in pairwise(grid):
        (a, s), (a_next, s_next), x0 = scales(here), scales(there), PLANE.denoise(x, here)
        x = a_next * x0 + s_next * (x - a * x0) / s
    return x


def by_velocity(x, grid):
    for here, there in pairwise(grid):
        a, _ = scales(here)
        x = x + (there - here) * a / 2 * (PLANE.denoise(x, here) - a * x)
    return x


def slope(z, sigma):
    "dz/dsigma of z = x/a [Karras et al. 2022 eq. 4]."
    level = -2 * math.log(sigma)
    a, _ = scales(level)
    return (z - PLANE.denoise(a * z, level)) / sigma


def in_sigma(step):
    "A step of z from sigma to sigma, as a walk of x."

    def walk_of(x, grid):
        z = x / scales(grid[0])[0]
        for here, there in pairwise(grid):
            z = step(z, *(math.exp(-v / 2) for v in (here, there)))
        return z * scales(grid[-1])[0]

    return walk_of


def heun(z, now, then):
    "Karras et al. 2022, algorithm 1."
    d = slope(z, now)
    return z + (then - now) / 2 * (d + slope(z + (then - now) * d, then))


def kutta(z, now, then):
    h, half = then - now, (now + then) / 2
    a = slope(z, now)
    b = slope(z + h / 2 * a, half)
    c = slope(z + h / 2 * b, half)
    return z + h / 6 * (a + 2 * b + 2 * c + slope(z + h * c, then))


def by_dpm(order, form):
    "DPM-Solver++ of several steps, with h in log(a/s) [Lu et al. 2022b algorithm 2; the code for order 3]."

    def walk_of(x, grid):
        told, steps = [], []
        for here, there in pairwise(grid):
            (_, s), (a_next, s_next), h = scales(here), scales(there), (there - here) / 2
            told, steps = [PLANE.denoise(x, here), *told], [h, *steps]
            x = s_next / s * x - a_next * (math.exp(-h) - 1) * told[0]
            if len(told) > 1:
                first = (told[0] - told[1]) / (steps[1] / h)
                full = (math.exp(-h) - 1) / h + 1  # exact for a straight line
                if len(told) > 2 and order == 3:
                    r0, r1 = steps[1] / h, steps[2] / h
                    second = (told[1] - told[2]) / r1
                    bend = (first - second) / (r0 + r1)
                    by = ((math.exp(-h) - 1 + h) / h**2 - 0.5) * form
                    x = x + a_next * full * (first + r0 * bend) - a_next * by * bend
                elif order == 3:
                    x = x + a_next * full * first
                else:
                    x = x - a_next * (math.exp(-h) - 1) / 2 * first
        return x

    return walk_of


def by_adams(x, grid, weigh):
    "Adams and Bashforth's way in z over sigma: the weights of the last four slopes."
    z, told, sigmas = x / scales(grid[0])[0], [], []
    for here, there in pairwise(grid):
        now, then = math.exp(-here / 2), math.exp(-there / 2)
        told, sigmas = [slope(z, now), *told][:4], [now, *sigmas][:4]
        z = z + sum(w * d for w, d in zip(weigh(sigmas, then), told, strict=True))
    return z * scales(grid[-1])[0]


def by_quadrature(sigmas, then):
    def one(i):
        rest = [v for j, v in enumerate(sigmas) if j != i]
        f = lambda u: math.prod((u - v) / (sigmas[i] - v) for v in rest)
        return quad(f, sigmas[0], then, epsabs=1e-13, epsrel=1e-13)[0]

    return [one(i) for i in range(len(sigmas))]


def by_constants(sigmas, then):
    "iPNDM: the weights of even steps, whatever the steps are [Zhang & Chen 2023]."
    rows = {1: [1], 2: [3, -1], 3: [23, -16, 5], 4: [55, -59, 37, -9]}
    row = rows[len(sigmas)]
    return [(then - sigmas[0]) * w / sum(row) for w in row]


def by_unipc(order):
    "Zhao et al. 2023, algorithms 5 and 6 for a network that says x0, B(h) = exp(h) - 1."

    def numbers(h, ratios, order, known):
        h = -h
        phi, b_h, fact, rows, b = math.expm1(h) / h - 1, math.expm1(h), 1, [], []
        for k in range(1, order + 1):
            rows.append([r ** (k - 1) for r in ratios])
            b.append(phi * fact / b_h)
            fact *= k + 1
            phi = phi / h - 1 / fact
        if known:
            return [0.5] if order == 1 else np.linalg.solve(rows, b)
        n = order - 1
        square = [row[:n] for row in rows[:n]]
        return [] if not n else [0.5] if n == 1 else np.linalg.solve(square, b[:n])

    def step(x, here, there, told, levels, order, extra=None):
        (_, s), (a, s_next), h = scales(here), scales(there), (there - here) / 2
        back = range(1, order)
        ratios = [(levels[i] - here) / 2 / h for i in back] + [1.0]
        diffs = [(told[i] - told[0]) / r for i, r in zip(back, ratios, strict=False)]
        if extra is not None:
            diffs.append(extra - told[0])
        rhos = numbers(h, ratios, order, extra is not None)
        x = s_next / s * x - a * math.expm1(-h) * told[0]
        pairs = zip(rhos, diffs, strict=True)
        return x - a * math.expm1(-h) * sum((r * d for r, d in pairs), 0 * told[0])

    def walk_of(x, grid):
        told, levels, before, used = [], [], None, 0
        for i, (here, there) in enumerate(pairwise(grid)):
            new = PLANE.denoise(x, here)
            if i:
                x = step(before, levels[0], here, told, levels, used, new)
            told, levels = [new, *told], [here, *levels]
            used = min(order, i + 1)
            before, x = x, step(x, here, there, told, levels, used)
        return x

    return walk_of


PAPERS = {
    "euler": by_velocity,
    "ddim": by_ddim,
    "heun": in_sigma(heun),
    "rk4": in_sigma(kutta),
    "2m": by_dpm(2, 1),
    "3m": by_dpm(3, 2),
    "3m-half": by_dpm(3, 1),
    "ipndm": lambda x, grid: by_adams(x, grid, by_constants),
    "adams": lambda x, grid: by_adams(x, grid, by_quadrature),
    "unipc2": by_unipc(2),
    "unipc3": by_unipc(3),
}


@pytest.mark.parametrize("name", NOISE_FREE)
@pytest.mark.parametrize("grid", [UNEVEN, UNEVEN[::-1]])
def test_each_is_what_its_paper_says(name, grid):
    x = torch.randn(5, 2, generator=seed(), dtype=F64)
    assert error(solve(PLANE, x, grid, name), PAPERS[name](x, grid)) < 1e-11


def test_ddim_is_euler_in_x_over_a_and_in_x_over_s():
    x = torch.randn(5, 2, generator=seed(1), dtype=F64)
    by_eps = Solver("euler in x/a", 1, "eps")
    assert error(solve(PLANE, x, UNEVEN, "ddim"), solve(PLANE, x, UNEVEN, by_eps)) < 1e-13
    z = in_sigma(lambda z, now, then: z + (then - now) * slope(z, now))(x, UNEVEN)
    assert error(solve(PLANE, x, UNEVEN, "ddim"), z) < 1e-13


@pytest.mark.parametrize("dtype, tol", [(F64, 1e-12), (F32, 2e-5)])
def test_ddim_is_the_chain_s_step_without_dice(dtype, tol):
    q = ForwardProcess(linear_schedule(20))
    p, x = DDPM(PLANE.to(dtype), q), torch.randn(6, 2, generator=seed(2)).to(dtype)
    y = x
    for t in range(20, 0, -1):
        y = p.ddim(y, t, eta=0.0).mean
    grid = [*q.schedule.log_snr[1:].flip(0).tolist(), INF]
    assert error(solve(p, x, grid, "ddim"), y) < tol


def test_heun_in_lambda_is_chapter_nine_s_walk():
    x, grid = torch.randn(3, 2, generator=seed(3), dtype=F64), even_grid(-5, 4, 9)
    nine = Solver("heun", 2, "velocity", stages=((1.0, (1.0,)),))
    assert error(solve(PLANE, x, grid, nine), flow(PLANE, x, -5, 4, 9)) < 1e-13


def test_dice_are_chapter_ten_s_and_lu_s():
    x, grid = torch.randn(4, 2, generator=seed(4), dtype=F64), even_grid(-5, 4, 8)
    one = Solver("walk", 1, dial=1.0)
    for ways in (grid, grid.flip(0)):
        truth = walk(PLANE, x, ways[0].item(), ways[-1].item(), 8, 1.0, seed(5))
        assert error(solve(PLANE, x, ways, one, seed(5)), truth) < 1e-13
    y, dice, before = x, seed(6), None
    for here, there in pairwise(UNEVEN):
        (_, s), (a_next, s_next), h = scales(here), scales(there), (there - here) / 2
        guess, c = PLANE.denoise(y, here), 1 - math.exp(-2 * h)
        y = s_next / s * math.exp(-h) * y + a_next * c * guess
        if before is not None:
            y = y + a_next * c / 2 * (guess - before[0]) / (before[1] / h)
        y = y + s_next * c**0.5 * torch.randn(y.shape, generator=dice, dtype=F64)
        before = guess, h
    assert error(solve(PLANE, x, UNEVEN, "2m-sde", seed(6)), y) < 1e-12


def test_the_last_step_to_the_data_is_the_guess():
    x, grid = torch.randn(4, 2, generator=seed(7), dtype=F64), [-4.0, -1.0, 3.0]
    for name, solver in SOLVERS.items():
        path = solve(PLANE, x, [*grid, INF], name, seed(), trajectory=True)
        guess = solver.corrects is None and PLANE.denoise(path[-2], 3.0)
        if solver.corrects is None:
            assert error(path[-1], guess) < 1e-14, name
            assert error(path[-2], solve(PLANE, x, grid, name, seed())) < 1e-14
        else:  # the guess at what the predictor reached
            assert error(path[-1], PLANE.denoise(solve(PLANE, x, grid, name), 3.0)) < 1e-14


# ---- the rules


def test_a_fitted_rule_integrates_what_it_fits():
    for h in (-3.0, 0.0, 0.2, 6.0):
        for nodes in ([0.0], [0.0, -0.7], [0.0, -1.0, -1.9], [1.0, 0.0, -2.0, -2.5]):
            for power in range(len(nodes)):
                top, below = (
                    quad(lambda u, k=k, h=h: u**k * math.exp(-h * (1 - u)), 0, 1, epsabs=1e-13)[0]
                    for k in (power, 0)
                )
                own = sum(w * u**power for w, u in zip(fitted(nodes, h), nodes, strict=True))
                assert abs(own - top / below) < 1e-11
    assert error(fitted([0.0, 1.0]), [0.5, 0.5]) < 1e-15
    adams = [55 / 24, -59 / 24, 37 / 24, -9 / 24]
    assert error(fitted([0.0, -1.0, -2.0, -3.0]), adams) < 1e-13


def test_every_rule_weighs_one_in_all():
    for rule in (fitted, midpoint, half_bent, *(s.rule for s in SOLVERS.values())):
        for nodes in ([0.0], [0.0, -0.4], [0.0, -1.3, -1.5]):
            assert abs(sum(rule(nodes, 0.7)) - 1) < 1e-13
    rule = fixed((1.0,), (2.0, -1.0))
    assert rule([0.0], 0.3) == (1.0,) and rule([0.0, -1.0], 0.1) == (2.0, -1.0)
    assert rule([0.0, -1.0, -2.0]) == (2.0, -1.0)


# ---- the order, measured on the exact flow


def graded(start, end, n):
    "n even steps, the first of them halved and halved again to h^3: there a solver gathers its first answers."
    h, halvings = (end - start) / n, round(2 * math.log2(n / (end - start)))
    return [start, *(start + h / 2**k for k in range(halvings, 0, -1)),
            *(start + h * i for i in range(1, n + 1))]  # fmt: skip


def slope_of(name, off):
    "How fast the error falls, from the last two of some numbers of steps, each twice the one before."
    assert off[-1] > 1e-12
    return math.log2(off[-2] / off[-1])


@pytest.mark.parametrize("name", NOISE_FREE)
def test_the_declared_order_is_the_measured_slope(name):
    solver, x = SOLVERS[name], torch.linspace(-2, 2, 9, dtype=F64)[:, None]
    truth = quantile_flow(SMOOTH, x, -2.0, 2.0)
    grids = [graded(-2.0, 2.0, n) if solver.past else even_grid(-2.0, 2.0, n) for n in (96, 192)]
    off = [(solve(SMOOTH, x, grid, name) - truth).square().mean().sqrt() for grid in grids]
    assert abs(slope_of(name, off) - solver.order) < 0.1, off


@cache
def fine(n):
    "Where SMOOTH_PLANE's flow ends, by many small steps."
    x = torch.randn(8, 2, generator=seed(8), dtype=F64)
    return solve(SMOOTH_PLANE, x, even_grid(-2.0, 2.0, n), "rk4")


def test_the_fine_walk_is_fine_enough():
    assert error(fine(150), fine(300)) < 4e-10


@pytest.mark.parametrize("name", NOISE_FREE)
def test_and_in_the_plane(name):
    solver, x = SOLVERS[name], torch.randn(8, 2, generator=seed(8), dtype=F64)
    truth = fine(300)
    steps = (24, 48) if name == "rk4" else (96, 192)
    grids = [graded(-2.0, 2.0, n) if solver.past else even_grid(-2.0, 2.0, n) for n in steps]
    off = [(solve(SMOOTH_PLANE, x, grid, name) - truth).square().mean().sqrt() for grid in grids]
    assert abs(slope_of(name, off) - solver.order) < 0.1, off


def test_with_dice_the_order_is_that_of_the_crowd_s_variance(monkeypatch):
    "The data is one bell, so the end is linear in the start and in each throw: one row for each, no luck at all."
    var, (start, end) = 4.0, (-3.0, 3.0)
    law = GaussianMixture([1.0], torch.zeros(1, 1, dtype=F64), torch.tensor([var], dtype=F64))
    of = lambda level: scales(level)[0] ** 2 * var + scales(level)[1] ** 2
    off = []
    for n in (100, 200):
        rows, thrown = torch.eye(n + 1, 1, dtype=F64), iter(range(1, n + 1))

        def one(x, generator, thrown=thrown):
            dice = torch.zeros_like(x)
            dice[next(thrown)] = 1
            return dice

        monkeypatch.setattr("diffusion_math.solvers.noise_like", one)
        got = solve(law, rows * of(start) ** 0.5, even_grid(start, end, n), "2m-sde")
        off.append(got.square().sum() - of(end))
    assert abs(math.log2(off[0] / off[1]) - SOLVERS["2m-sde"].order) < 0.1


@pytest.mark.parametrize("name", SOLVERS)
def test_calls_a_step_are_what_it_declares(name):
    told = []

    def denoise(x, level):
        told.append(level[0].item())
        return 0.5 * x

    x = torch.ones(1, 2, dtype=F64)
    solve(denoise, x, even_grid(-2, 2, 6), name)
    assert len(told) == 6 * SOLVERS[name].calls
    told.clear()
    solve(denoise, x, even_grid(-2, 2, 6, clean=True), name)
    assert len(told) == 5 * SOLVERS[name].calls + 1


# ---- the grids


def test_grids_begin_and_end_where_they_should():
    assert even_grid(-10, 6, 4).tolist() == [-10.0, -6.0, -2.0, 2.0, 6.0]
    assert even_grid(6, -10, 2, clean=True).tolist() == [6.0, -10.0, INF]
    for rho in (1.0, 7.0, 30.0):
        grid = karras_grid(-8, 9, 10, rho)
        assert grid[0] == -8 and grid[-1] == 9 and len(grid) == 11 and grid.dtype == F64
        share = torch.exp(-grid / 2 / rho)
        assert error(share.diff(), share.diff().mean().expand(10)) < 1e-13
    sigma = [(80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(18)]
    own = torch.exp(-karras_grid(-2 * math.log(80), -2 * math.log(0.002), 18, clean=True) / 2)
    assert error(own, [*sigma, 0.0]) < 1e-12  # their table 1: 18 steps from 80 to 0.002, then 0


def test_the_cosine_grid_is_even_in_the_schedules_own_time():
    for stretch in (0.5, 1.0, 2.0, 40.0):
        grid = cosine_grid(-8, 9, 10, stretch)
        assert grid[0] == -8 and grid[-1] == 9 and len(grid) == 11 and grid.dtype == F64
        u = torch.exp(-grid / 2 / stretch).atan()
        assert error(u.diff(), u.diff().mean().expand(10)) < 1e-12
    own = cosine_schedule(1000, offset=0).log_snr[
        10:991
    ]  # each of its levels, where no beta is cut
    grid = cosine_grid(own[-1].item(), own[0].item(), len(own) - 1, 1.0)
    assert error(grid, own.flip(0)) < 1e-9
    far = cosine_grid(-8, 9, 10, 1e4)
    assert error(far, even_grid(-8, 9, 10)) < 1e-6
    assert cosine_grid(-8, 9, 1, clean=True).tolist() == [-8, INF]
    few, many = cosine_grid(-8, 9, 4, clean=True), cosine_grid(-8, 9, 400, clean=True)
    u = torch.exp(-few / 4).atan()  # down to the data, u = 0, in even steps
    assert error(u, torch.linspace(u[0], 0, 5, dtype=F64)) < 1e-12
    assert many[-2] == 9 and many[-1] == INF and len(many) == 401


def test_a_plan_is_the_cheapest_of_all_ways():
    "Every way through the levels, one by one; the cost of a step by the exact flow."
    x = torch.linspace(-2, 2, 16, dtype=F64)[:, None]
    levels = even_grid(-6, 3, 9).tolist()  # x still moves in the last of these
    truth = quantile_flow(TWO, x, levels[0], levels[-1])

    def cost(i, j):
        here = quantile_flow(TWO, x, levels[0], levels[i])
        off = quantile_flow(TWO, by_two(here, levels[i], levels[j]), levels[j], levels[-1]) - truth
        return off.abs().mean().item() ** 2

    def by_two(y, here, there):
        (a, s), (a_next, s_next), x0 = scales(here), scales(there), TWO.denoise(y, here)
        return a_next * x0 + s_next * (y - a * x0) / s

    costs = {(i, j): cost(i, j) for j in range(10) for i in range(j)}
    of_way = lambda way: sum(costs[step] for step in pairwise(way))
    for n in (3, 5, 6):
        best = min(of_way((0, *way, 9)) for way in combinations(range(1, 9), n - 1))
        got = [levels.index(v) for v in planned_grid(TWO, x, levels, n).tolist()]
        assert len(got) == n + 1
        assert of_way(got) < best * (1 + 1e-2)  # rk4 between levels is right to that
    assert planned_grid(TWO, x, levels, 1).tolist() == [-6.0, 3.0]
    assert planned_grid(TWO, x, levels, 9).tolist() == levels


@pytest.mark.long
def test_plans_pay():
    x = torch.randn(64, 1, generator=seed(11), dtype=F64)
    other = torch.randn(400, 1, generator=seed(12), dtype=F64)
    truth = quantile_flow(TWO, other, -9.0, 7.0)

    def off(grid, name):
        return (solve(TWO, other, grid, name) - truth).square().mean().sqrt().item()

    even = even_grid(-9, 7, 8)
    plan = planned_grid(TWO, x, even_grid(-9, 7, 32), 8)
    assert off(plan, "ddim") < 0.8 * off(even, "ddim")
    polished = polished_grid(TWO, x, plan, "unipc2")
    assert off(polished, "unipc2") < 0.6 * off(even, "unipc2")
    assert polished[0] == -9 and polished[-1] == 7 and (polished.diff() > 0).all()


def test_a_grid_is_polished_by_the_power_that_is_asked_for():
    x = torch.randn(48, 2, generator=seed(14), dtype=F64)
    truth = solve(PLANE, x, even_grid(-9, 7, 200), "rk4")
    far = lambda grid: (solve(PLANE, x, grid, "2m") - truth).norm(dim=1)
    even = even_grid(-9, 7, 6)
    grids = {power: polished_grid(PLANE, x, even, "2m", 4, power=power) for power in (0.5, 1, 2, 6)}
    for power, grid in grids.items():
        assert far(grid).pow(power).mean() < far(even).pow(power).mean()
    assert far(grids[6]).max() < far(grids[0.5]).max()  # a high power minds the farthest
    assert far(grids[0.5]).median() < far(grids[6]).median()


@pytest.mark.parametrize("level", [-4.5, -1.5, 0.5, 3.0])
def test_the_last_level_before_the_data_moves_either_way(level):
    "To the best of 110 levels, one by one, which lies above the first two of these and below the others."
    x = torch.linspace(-2, 2, 21, dtype=F64)[:, None]
    truth = quantile_flow(TWO, x, -6.0, INF)
    off = lambda v: (solve(TWO, x, [-6.0, v, INF], "ddim") - truth).square().mean().item()
    tried = torch.linspace(-5.9, 5, 110, dtype=F64).tolist()
    best = min(tried, key=off)
    _, came, _ = polished_grid(TWO, x, [-6.0, level, INF], "ddim", rounds=8).tolist()
    assert off(level) > 1.3 * off(best) and off(came) < 1.1 * off(best)
    assert (came > level) == (best > level) == (level < -1)


def test_plans_to_the_data_themselves_and_of_pictures():
    x = torch.randn(6, 1, 2, 2, generator=seed(13))
    law = GaussianMixture([0.5, 0.5], torch.randn(2, 1, 2, 2), torch.tensor([0.1, 0.2]))
    levels = even_grid(-6, 5, 9, clean=True)
    plan = planned_grid(law, x, levels, 4)
    assert plan[0] == -6 and plan[-1] == INF and len(plan) == 5 and plan.dtype == F64
    polished = polished_grid(law, x, plan, "2m", rounds=2, fine=40)
    truth = solve(law, x, [*even_grid(-6, 9, 40).tolist(), INF], "rk4")
    before, after = ((solve(law, x, g, "2m") - truth).square().mean() for g in (plan, polished))
    assert after <= before and polished[-1] == INF and (polished.diff() > 0).all()


# ---- draws of a DDPM


def picture(x, level):
    "Says eps of pictures of one grey, 0.8, give or take."
    a, s = torch.sigmoid(level).sqrt(), torch.sigmoid(-level).sqrt()
    a, s = (v[:, None, None, None] for v in (a, s))
    return (x - a * (0.8 + 0.5 * torch.tanh(x))) / s


def test_a_ddpm_draws_by_a_solver():
    q = ForwardProcess(linear_schedule(12))
    for images in (False, True):
        p = DDPM(picture, q, event_shape=(1, 2, 2), images=images)
        levels = q.schedule.log_snr.flip(0)
        own = p.sample(3, seed(1), eta=0.0)
        by = draw(p, 3, solver="ddim", grid=levels, generator=seed(1))
        assert error(own, by) < 1e-5 and (not images or by.max() <= 1)
        path = draw(p, 3, generator=seed(1), trajectory=True)
        assert path.shape == (21, 3, 1, 2, 2)
        assert torch.equal(path[-1], draw(p, 3, 20, SOLVERS["unipc2"], generator=seed(1)))
        assert torch.equal(path[0], p.sample(3, seed(1), eta=0.0, trajectory=True)[12])
        short = draw(p, 3, solver="2m", grid=[-9.0, 0.0, 3.0], generator=seed(1))
        assert error(short, solve(p, path[0], [-9.0, 0.0, 3.0])) < (9 if images else 1e-6)
        assert draw(p, 2, 3, "heun", like=torch.empty(0, dtype=F64)).dtype == F64
    same = DDPM(SMOOTH_PLANE, ForwardProcess(linear_schedule(40)))
    double = {"like": torch.empty(0, dtype=F64)}
    own, by = (
        same.sample(9, seed(2), eta=0.0, **double),
        draw(same, 9, 40, "ddim", same.q.schedule.log_snr.flip(0), seed(2), **double),
    )
    assert error(own, by) < 1e-10  # the chain's own loop is DDIM's walk


@pytest.mark.bad_input
def test_what_a_draw_refuses():
    q = ForwardProcess(linear_schedule(5))
    with pytest.raises(ValueError, match="event_shape"):
        draw(DDPM(picture, q), 2)


@pytest.mark.parametrize(
    "schedule", [linear_schedule(12), linear_schedule(1000), cosine_schedule(1000)]
)
@pytest.mark.parametrize("steps", [1, 2, 20, 300])
def test_a_draw_asks_so_often_within_the_models_own_levels(schedule, steps):
    asked, q = [], ForwardProcess(schedule)
    says = lambda x, level: (asked.append(level.unique().item()), x)[1]
    draw(DDPM(says, q, (2,), predicts="x0"), 3, steps)
    levels = schedule.log_snr.tolist()
    assert len(asked) == steps and asked == sorted(asked)
    assert asked[0] == pytest.approx(max(levels[-1], -2 * math.log(80)), rel=1e-6)
    assert asked[-1] <= levels[1] * (1 + 1e-6)


# ---- shapes, dtypes, devices


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("dtype", [torch.float16, F32, F64])
def test_any_event_any_dtype_no_rows_and_where_nothing_is_computed(name, dtype):
    for shape in ((3,), (2, 5), (2, 1, 3, 3), (0, 2)):
        for grid in ([-2.0, 0.0, 1.0, 2.0, INF], [2.0, 1.0, -1.0]):
            got = solve(lambda y, v: y / 2, torch.ones(shape, dtype=dtype), grid, name)
            assert got.shape == shape and got.dtype == dtype
    assert solve(lambda y, v: y, torch.ones(2, 3, device="meta"), [0.0, 1.0, INF], name).is_meta


def test_float32_is_close_and_no_gradient_is_kept():
    x = torch.randn(5, 2, generator=seed(9), requires_grad=True)
    for name in NOISE_FREE:
        got = solve(PLANE.to(F32), x, even_grid(-6, 5, 12, clean=True), name)
        truth = solve(PLANE, x.double(), even_grid(-6, 5, 12, clean=True), name)
        assert error(got.double(), truth) < 2e-4 and not got.requires_grad


def test_a_trajectory_is_all_of_it_and_a_generator_repeats():
    x = torch.randn(3, 2, dtype=F64)
    for name in SOLVERS:
        path = solve(PLANE, x, UNEVEN, name, seed(1), trajectory=True)
        assert path.shape == (len(UNEVEN), 3, 2) and torch.equal(path[0], x)
        assert torch.equal(path[-1], solve(PLANE, x, UNEVEN, SOLVERS[name], seed(1)))


def test_a_schedule_s_levels_are_a_grid():
    s = Schedule.from_log_snr(torch.linspace(5, -6, 12, dtype=F64))
    x = torch.randn(3, 2, generator=seed(10), dtype=F64)
    got = solve(PLANE, x, s.log_snr.flip(0), "2m")
    assert error(got, solve(PLANE, x, even_grid(-6, 5, 12, clean=True), "2m")) < 1e-9


@pytest.mark.bad_input
def test_what_does_not_fit_is_refused():
    x = torch.zeros(2, 1, dtype=F64)
    for grid, words in (
        ([0.0], r"two levels or more, got shape \(1,\)"),
        ([0.0, 1.0, 1.0], "rise at every step, or fall at every step, got 1 after 1"),
        ([0.0, 1.0, 0.5], "got 0.5 after 1"),
        ([-INF, -INF], r"grid must lie in \[-80, 80\], got -inf"),
        ([0.0, 81.0], "got 81"),
        ([INF, 0.0], "got inf"),
    ):
        with pytest.raises(ValueError, match=words):
            solve(TWO, x, grid)
    with pytest.raises(ValueError, match="holds must be"):
        Solver("mine", 1, "v")
    with pytest.raises(ValueError, match="dial must be 0 unless"):
        Solver("mine", 1, "eps", dial=1.0)
    with pytest.raises(ValueError, match="steps must be"):
        even_grid(0, 1, 1, clean=True)


NAN = math.nan
WRONG_WEIGHTS = {
    "sum to 5": lambda nodes, h: [5 / len(nodes)] * len(nodes),
    "not numbers": lambda nodes, h: [NAN] * len(nodes),
    "too few": lambda nodes, h: [1.0],
}


@pytest.mark.parametrize("h", [-80.0, 1.0, 30.0, 36.0, 37.0, 80.0, 1e4, 8e7])
def test_fitted_in_closed_form_however_long_the_step(h):
    "By the moments of v = 1 - u under exp(-h v): the parabola through nodes 0, -1, -3, read there."
    e = math.exp(-h) / -math.expm1(-h)
    v1 = 1 / h - e
    v2 = 2 / h * v1 - e
    u1, u2 = 1 - v1, 1 - 2 * v1 + v2
    due = ((u2 + 4 * u1 + 3) / 3, -(u2 + 3 * u1) / 2, (u2 + u1) / 6)
    assert np.allclose(fitted.body((0.0, -1.0, -3.0), h), due, rtol=0, atol=1e-12)


@pytest.mark.bad_input
@pytest.mark.parametrize("name", WRONG_WEIGHTS)
def test_weights_that_do_not_sum_to_1_are_refused(name):
    x = torch.zeros(2, 1, dtype=F64)
    with pytest.raises(
        ValueError, match="the rule of 'mine' must give . weights that sum to 1, got"
    ):
        solve(TWO, x, [0.0, 1.0, 2.0], Solver("mine", 1, rule=WRONG_WEIGHTS[name], past=1))
    for rows in (((1.0,), (2.0, 1.0)), ((1.0,), (NAN, 1.0)), ((1.0,), (1.0,)), ((),)):
        with pytest.raises(ValueError, match="row . must give . weights that sum to 1"):
            fixed(*rows)
    for rows in ((1.0,), ("a", "b"), ((1.0,), None)):
        with pytest.raises(TypeError, match="row . must be a list of numbers"):
            fixed(*rows)
    with pytest.raises(ValueError, match="rows must be one or more"):
        fixed()
    with pytest.raises(ValueError, match="stages, row 1, must give 1 weights"):
        Solver("mine", 2, stages=((0.5, (0.5,)),))
    with pytest.raises(ValueError, match="stages: a place"):
        Solver("mine", 2, stages=((NAN, (1.0,)),))
    with pytest.raises(TypeError, match="stages must be pairs"):
        Solver("mine", 2, stages=(1.0,))


@pytest.mark.bad_input
@pytest.mark.parametrize("grid", [planned_grid, polished_grid])
def test_a_grid_is_not_made_of_nan(grid):
    x, more = torch.zeros(2, 1, dtype=F64), {"steps": 2} if grid is planned_grid else {}
    for wrong in (NAN, INF):
        with pytest.raises(ValueError, match="x must be finite"):
            grid(TWO, x + wrong, [-1.0, 0.0, 1.0], **more)
    with pytest.raises(ValueError, match="denoiser"):
        grid(lambda y, v: y * NAN, x, [-1.0, 0.0, 1.0], **more)
    with pytest.raises(ValueError, match="at most 40"):
        planned_grid(TWO, x, even_grid(-5, 5, 41), 3)


def test_a_walk_from_pure_noise_and_down_to_it():
    "There the guess alone decides: it is the data's mean, and the noise is x itself."
    x = torch.randn(5, 2, generator=seed(15), dtype=F64)
    mean = (PLANE.weights[:, None] * PLANE.means).sum(0)
    for name in NOISE_FREE:
        path = solve(PLANE, x, [-INF, -4.0, 0.0, 3.0], name, trajectory=True)
        a, s = scales(-4.0)
        if not SOLVERS[name].corrects:
            assert error(path[1], a * mean + s * x) < 1e-12
        assert error(path[-1], solve(PLANE, path[1], [-4.0, 0.0, 3.0], name)) < 1e-13
        down = solve(PLANE, x, [3.0, 0.0, -4.0, -INF], name)
        there = solve(PLANE, x, [3.0, 0.0, -4.0], name)
        assert error(down, (there - a * PLANE.denoise(there, -4.0)) / s) < 1e-12
