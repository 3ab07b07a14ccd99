"Rules of a step: the walks of our own solvers are known by their rows, and the means are the package's."

import math

import pytest
import torch

from diffusion_math import DDPM, ForwardProcess, GaussianMixture, even_grid, linear_schedule, solve
from diffusion_math.referee.sampler import explains
from diffusion_math.referee.steps import Step, Way, down, moved, of
from diffusion_math.referee.tape import Answer, Level, Tape
from diffusion_math.referee.ways import RIGHT, ddim_mean, posterior_mean, tilde_root
from diffusion_math.solvers import SOLVERS

F64 = torch.float64
Q = ForwardProcess(linear_schedule(20))
GRID = [*even_grid(-9, 5, 12).tolist(), 7.0, math.inf]


def level(log_snr):
    return Level(1 / math.sqrt(1 + math.exp(-log_snr)), 1 / math.sqrt(1 + math.exp(log_snr)))


def recorded(solver, seed, grid=GRID):
    "The tape of solve, asked with a denoiser that is wrong in a new way at each call."
    dice, calls = torch.Generator().manual_seed(seed), []
    x = torch.randn(256, 1, generator=torch.Generator().manual_seed(3), dtype=F64)

    def denoise(x_t, log_snr):
        at = level(log_snr.flatten()[0].item())
        x0 = 0.7 * x_t + torch.randn(x_t.shape, generator=dice, dtype=F64)
        calls.append((x_t.clone(), Answer(at, x0, (x_t - at.a * x0) / at.s)))
        return x0

    end = solve(denoise, x, grid, solver, torch.Generator().manual_seed(9))
    places = tuple(range(len(calls)))
    return Tape(
        (*(c[0] for c in calls), end), tuple(c[1] for c in calls), places=places, unit=2e-16
    )


@pytest.mark.parametrize("name", SOLVERS)
def test_each_of_our_solvers_is_known_by_its_own_row_and_walks_it(name):
    one, two = recorded(name, 1), recorded(name, 2)
    assert explains(of(SOLVERS[name]), one, two) is not None
    named = [
        row.name for row in RIGHT if any(explains(way, one, two) is not None for way in row.makes)
    ]
    assert named, f"add the step of {name} to RIGHT in referee/ways.py"


@pytest.mark.parametrize(
    "name", [name for name in SOLVERS if name not in ("ddim", "euler", "heun", "rk4")]
)
def test_no_solver_is_taken_for_one_of_another_order(name):
    one, two = recorded(name, 1), recorded(name, 2)
    for other, solver in SOLVERS.items():
        if (solver.holds, solver.past, solver.stages) != (
            SOLVERS[name].holds,
            SOLVERS[name].past,
            SOLVERS[name].stages,
        ):
            assert explains(of(solver), one, two) is None, other


def test_a_walk_that_stops_early_is_still_known():
    "solve to a last level that is not the data: what is left there is the tape's end."
    grid = GRID[:-1]
    for name in ("2m", "3m", "unipc2", "ipndm"):
        tapes = [recorded(name, seed, grid) for seed in (1, 2)]
        tapes = [Tape(t.x, t.answers, level(grid[-1]), places=t.places, unit=2e-16) for t in tapes]
        assert explains(of(SOLVERS[name]), *tapes) is not None, name


@pytest.mark.parametrize("t", [1, 2, 10, 20])
def test_the_right_means_are_the_packages(t):
    law = GaussianMixture([1.0], torch.zeros(1, 1, dtype=F64), torch.tensor([0.3], dtype=F64))
    p, s = DDPM(law, Q), Q.schedule
    x = torch.linspace(-2, 2, 7, dtype=F64)[:, None]
    said = p.predict(x, t)
    seen = Step(x, said.x0, said.eps, s.alpha_bar[t].sqrt(), s.noise_var[t].sqrt(),
                s.alpha_bar[t - 1].sqrt(), s.noise_var[t - 1].sqrt())  # fmt: skip
    torch.testing.assert_close(posterior_mean(seen), p.step(x, t).mean, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(ddim_mean(seen), p.ddim(x, t).mean, rtol=1e-9, atol=1e-12)
    assert float(tilde_root(seen)) == pytest.approx(
        p.step(x, t).std.max().item(), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("holds", ["x0", "eps", "velocity"])
def test_a_tiny_step_of_one_answer_is_the_flow(holds):
    "dx/d lambda = a/2 (D - a x), whatever is held still."
    x, x0, h = torch.tensor([0.3, -1.2], dtype=F64), torch.tensor([0.5, 0.1], dtype=F64), 1e-6
    here, there = level(0.4), level(0.4 + h)
    answer = Answer(here, x0, (x - here.a * x0) / here.s)
    came = (moved(Way(holds), x, here, there, [answer], lambda nodes, h: (1.0,)) - x) / h
    torch.testing.assert_close(came, here.a / 2 * (x0 - here.a * x), rtol=1e-5, atol=1e-6)


def test_down_and_up_are_the_posterior():
    "An ancestral step by slopes to `down` has the posterior's mean, and `up` its deviation."
    x, x0, here, there = (
        torch.tensor([1.1], dtype=F64),
        torch.tensor([-0.4], dtype=F64),
        level(-1.0),
        level(0.7),
    )
    goal, up = down(here, there)
    scales = [torch.tensor(v, dtype=F64) for v in (*here, *there)]
    eps = (x - here.a * x0) / here.s
    n = Step(x, x0, eps, *scales)
    mean = moved(Way("eps"), x, here, goal, [Answer(here, x0, eps)], lambda nodes, h: (1.0,))
    torch.testing.assert_close(mean, posterior_mean(n))
    assert up == pytest.approx(float(tilde_root(n)), rel=1e-12)
