"A learned solver: its walk is solve's, its gradient is right, and it finds what an exact flow says must be found."

import math

import pytest
import torch
from scipy.optimize import approx_fprime

import diffusion_math.training.solver as home
from diffusion_math import (
    DDPM,
    SOLVERS,
    ForwardProcess,
    GaussianMixture,
    Solver,
    even_grid,
    linear_schedule,
    quantile_flow,
    solve,
)  # fmt: skip
from diffusion_math.training.solver import learned_solver
from tests.truth import PLANE, TWO, error, seed

F64 = torch.float64
UNEVEN = [-5.0, -3.7, -1.2, 0.0, 0.9, 4.0]


def crowd(n=20, d=1, dtype=F64, seeded=0):
    return torch.randn(n, d, generator=seed(seeded), dtype=dtype)


def spread(ends):
    "A loss that no part of the ends knows alone."
    return (ends.var(0) - 0.4).square().sum() + ends.mean().square()


@pytest.mark.parametrize("batch", [7, 20, 250])
@pytest.mark.parametrize("name", ["ddim", "2m", "3m", "3m-half"])
def test_it_begins_as_the_solver_that_is_named_and_is_never_worse(name, batch):
    "With a loss that is finite at the beginning and nowhere else."
    x, asked = crowd(d=2), []
    loss = lambda e: asked.append(e.detach()) or e.sum() * (math.nan if asked[1:] else 1.0)
    grid, solver = learned_solver(PLANE, x, UNEVEN, loss, name, 3, batch=batch)
    want = solve(PLANE, x, UNEVEN, name)
    assert error(grid, torch.tensor(UNEVEN, dtype=F64)) < 1e-12
    assert error(asked[0], want) < 1e-10 and error(solve(PLANE, x, grid, solver), want) < 1e-10


@pytest.mark.parametrize("past", [1, 4])
def test_the_gradient_of_all_parts_is_the_slope_of_the_loss(past, monkeypatch):
    "Beside differences of the loss, at numbers that are no solver's."
    caught = []
    monkeypatch.setattr(home, "minimize", lambda f, at, **_: caught.append((f, at)) or f(at))
    learned_solver(PLANE, crowd(d=2), UNEVEN, spread, "2m", past, batch=6)
    ((search, begin),) = caught
    at = begin + 0.1 * torch.randn(len(begin), generator=seed(1), dtype=F64).numpy()
    slopes = approx_fprime(at, lambda free: search(free)[0], 1e-6)
    # forward differences: half a step of 1e-6 times the bend, and the loss's rounding over the step
    assert abs(search(at)[1] - slopes).max() < 1e-3 * abs(slopes).max()


def test_one_weight_for_one_step_is_the_flow_of_a_bell():
    "x moves to x sqrt(v_1 / v_0) on the flow, and one weight is enough for that, whatever the guess is times x."
    bell, x = (
        GaussianMixture([1.0], torch.zeros(1, 1, dtype=F64), torch.tensor([0.5], dtype=F64)),
        crowd(),
    )
    share = [1 / (1 + math.exp(-level)) for level in (-2.0, 1.0)]
    due = x * math.sqrt((0.5 * share[1] + 1 - share[1]) / (0.5 * share[0] + 1 - share[0]))
    loss = lambda ends: (ends - due).square().mean()
    found = learned_solver(bell, x, [-2, 1], loss, "ddim", 0)
    ddim = loss(solve(bell, x, [-2, 1], "ddim")).item()
    assert loss(solve(bell, x, *found)).item() < 1e-6 * ddim
    assert error(solve(bell, 3 * x, *found), 3 * due) < 1e-2


@pytest.mark.parametrize("seeded", [0, 1])
def test_five_calls_come_closer_to_the_exact_flow_for_walkers_that_were_not_seen(seeded):
    x, fresh = crowd(200, seeded=seeded), crowd(200, seeded=seeded + 10)
    even, true = even_grid(-8, 6, 5), quantile_flow(TWO, x, -8, 6)
    found = learned_solver(TWO, x, even, lambda e: (e - true).square().mean(), rounds=40)
    off = lambda way: (solve(TWO, fresh, *way) - quantile_flow(TWO, fresh, -8, 6)).square().mean()
    best = min(off((even, name)) for name in ("ddim", "2m", "3m", "unipc2", "unipc3"))
    assert off(found) < best / 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_samples_by_what_was_learned(dtype):
    p = DDPM(lambda x, level: 0.3 * x, ForwardProcess(linear_schedule(50)), (2,), "x0")
    grid = [-6.0, -2.0, 0.0, 4.0]
    found = learned_solver(p, crowd(8, 2, dtype), grid, spread, rounds=5)
    drawn = p.sample(6, seed(), solver=found[1], grid=found[0])
    assert drawn.shape == (6, 2) and drawn.dtype == torch.float32 and drawn.isfinite().all()


def test_what_was_learned_learns_on():
    "From where it stood, and not from a formula."
    x, asked = crowd(d=2), []
    found = learned_solver(PLANE, x, UNEVEN, spread, rounds=5)
    loss = lambda e: asked.append(e.detach()) or spread(e)
    again = learned_solver(PLANE, x, found[0], loss, found[1], rounds=5)
    assert error(asked[0], solve(PLANE, x, *found)) < 1e-10
    assert spread(solve(PLANE, x, *again)) < spread(solve(PLANE, x, *found))


def test_a_network_is_left_as_it_was():
    net = torch.nn.Linear(2, 2)
    p = DDPM(lambda x, level: net(x), ForwardProcess(linear_schedule(50)), (2,), "x0")
    before = net.weight.detach().clone()
    learned_solver(p, crowd(8, 2, torch.float32), [-6.0, -2.0, 4.0], spread, rounds=3)
    assert net.weight.equal(before) and net.weight.grad is None and net.weight.requires_grad


def test_gradients_may_be_off_around_it():
    with torch.inference_mode():
        grid, _ = learned_solver(TWO, crowd(), UNEVEN, spread, rounds=2)
    assert len(grid) == len(UNEVEN)


def test_what_it_refuses():
    x = crowd()
    for grid in ([1.0, 0.0], [0.0, math.inf], even_grid(-5, 5, 21)):
        with pytest.raises(ValueError, match="grid must rise to a finite level in 20 steps"):
            learned_solver(TWO, x, grid, spread)
    for solver in ("heun", "euler", "unipc2", "2m-sde", Solver("mine", 1, stages=((0.5, (1.0,)),))):
        with pytest.raises(ValueError, match="solver must hold 'x0', without stages"):
            learned_solver(TWO, x, UNEVEN, spread, solver)
    with pytest.raises(ValueError, match="past must be 1 or more for '2m'"):
        learned_solver(TWO, x, UNEVEN, spread, past=0)
    for loss in (lambda e: 1.0, lambda e: e, lambda e: torch.ones(()), lambda e: e.detach().sum()):
        with pytest.raises(TypeError, match="loss must give one number"):
            learned_solver(TWO, x, UNEVEN, loss)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="loss must be finite where the search begins"):
            learned_solver(TWO, x, UNEVEN, lambda e, bad=bad: e.sum() * bad)
    with pytest.raises(ValueError, match="slope"):
        learned_solver(TWO, x, UNEVEN, lambda e: (e - e).abs().sqrt().sum())
    assert SOLVERS["2m"].past == 1
