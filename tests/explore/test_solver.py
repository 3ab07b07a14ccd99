"Few calls: its numbers are the package's."

import pytest
import torch

from diffusion_math import SOLVERS, even_grid, solve
from diffusion_math.explore.solver import SolverExplorer

LONG = even_grid(-8, 6, 400)


def test_a_solver_s_calls_are_its_steps_and_all_near_the_exact_end_with_many():
    ours = SolverExplorer(calls=9)
    assert len(ours.levels) == 1 + 4  # Heun asks twice a step
    ours.solver = "rk4"
    assert len(ours.levels) == 1 + 2
    fine = solve(ours.data, torch.tensor([[ours.start]]).double(), LONG, "rk4").item()
    assert ours.exact == pytest.approx(fine, abs=1e-6)
    off = []
    for ours.calls in (8, 20, 40):
        off.append(ours.off)
        assert ours.path[0] == ours.start
    assert off[0] > off[1] > off[2]


def test_of_plans_the_longest_that_the_calls_suffice_for():
    plans = [[-8.0, 0.0, 6.0], even_grid(-8, 6, 9), even_grid(-8, 6, 5)]
    ours = SolverExplorer(None, "ddim", "given", calls=8, plans=plans)
    assert torch.equal(ours.levels, plans[2])
    ours.calls = 9
    assert torch.equal(ours.levels, plans[1])
    ours.solver, ours.calls = "rk4", 4
    assert ours.levels.tolist() == plans[0]  # the shortest, if none fits


def test_each_solver_without_dice_is_there():
    names = SolverExplorer.solver.names
    assert [name for name in names if name in SOLVERS] == [
        n for n, s in SOLVERS.items() if not s.dial
    ]
