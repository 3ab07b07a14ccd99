"The bell: its numbers are the package's."

import pytest
import torch

from diffusion_math.explore.bell import BellExplorer
from tests.truth import seed

f64 = torch.float64


@pytest.mark.parametrize("mu, sigma", [(0, 1), (-3, 0.05), (3, 3), (0.7, 0.3)])
def test_the_law_is_that_of_its_two_numbers(mu, sigma):
    x = torch.linspace(-8, 8, 33, dtype=f64)[:, None]
    theirs = torch.distributions.Normal(torch.tensor(mu, dtype=f64), sigma).log_prob(x[:, 0])
    ours = BellExplorer(mu, sigma).law
    got = torch.cat([ours.log_prob(at[None]) for at in x])
    torch.testing.assert_close(got, theirs, rtol=1e-10, atol=1e-10)


def test_its_draws_are_draws_of_it():
    draws = torch.cat([BellExplorer(-2, 0.5, generator=seed(s)).draws for s in range(50)])
    n = len(draws)
    assert abs(draws.mean() + 2) < 5 * 0.5 / n**0.5
    assert abs(draws.var() - 0.25) < 5 * 0.25 * (2 / n) ** 0.5


def test_it_starts_where_it_is_told_and_remembers():
    ours = BellExplorer(2, 0.5, generator=seed())
    assert ours._start == {"mu": 2, "sigma": 0.5} and len(ours.draws) == 200
    with pytest.raises(ValueError, match="sigma must lie in"):
        BellExplorer(sigma=4)
