"A measurement under the finger: exact odds, what each method makes of them."

import pytest
import torch

from diffusion_math import GaussianMixture
from diffusion_math.explore.posterior import PosteriorExplorer
from tests.truth import F64

METHODS = ("point", "unit", "moments", "exact")


def on_a_grid(law, y, std):
    "The mean and the standard deviation of q(x0 | y), and the share of the law's first component, by sums."
    x = torch.linspace(-9, 9, 20001, dtype=F64)[:, None]
    log = law.log_prob(x) - (y - x[:, 0]) ** 2 / (2 * std**2)
    w = log.softmax(0)
    mean = w @ x[:, 0]
    return mean, (w @ (x[:, 0] - mean) ** 2).sqrt(), w @ law.responsibilities(x)[:, 0]


@pytest.mark.parametrize("y, std", [(-0.2, 0.5), (0.6, 0.3), (-2.5, 1.4), (2.5, 2.0)])
def test_the_exact_walk_draws_the_posterior(y, std):
    ours = PosteriorExplorer(y=y, std=std, method="exact")
    mean, sd, left = on_a_grid(ours.data, y, std)
    assert (ours.posterior.weights[0] - left).abs() < 1e-9
    shares = (-torch.linspace(-4, 4, 641, dtype=F64).square() / 2).softmax(0)
    assert abs(shares @ ours.places - mean) < 5e-3
    assert (
        abs((shares @ (ours.places - mean) ** 2).sqrt() - sd) < 2e-2
    )  # of first order, in steps of an eighth
    assert abs(ours.left - left) < 5e-3  # a start is an eightieth wide


def test_between_the_humps_no_assumption_gives_their_odds_and_v_0_pulls_hardest():
    said = {name: PosteriorExplorer(method=name).left for name in METHODS}
    assert abs(said["exact"] - 0.504) < 5e-3
    assert said["point"] < 0.1 and said["unit"] < 0.4 and said["moments"] < 0.48
    near = PosteriorExplorer(std=0.3).places  # what y and V = 0 say, and no hump
    assert (near + 0.2).abs().max() < 0.05
    assert PosteriorExplorer(y=2.5, std=0.3).places.min() > 2.8  # beyond y, where the humps end


@pytest.mark.parametrize("throw", [1, 2, 3])
@pytest.mark.long
def test_with_dice_v_0_exaggerates_the_odds_and_the_others_flatten_them(throw):
    thrown = lambda method, throw: PosteriorExplorer(y=0.0, method=method, throw=throw)
    ours = thrown("exact", throw)
    mean, sd, left = on_a_grid(ours.data, 0.0, 0.5)
    assert len(ours.places) == 1000 and ours.places[0] != thrown("exact", 9).places[0]
    assert abs(ours.places.mean() - mean) < 4 * sd / 1000**0.5 + 0.01
    assert abs(ours.left - left) < 4 * (left * (1 - left) / 1000) ** 0.5 + 0.01
    said = {name: thrown(name, throw).left for name in METHODS}
    assert said["point"] < left - 0.05 and said["moments"] > left + 0.04


def test_of_one_bell_the_moments_are_exact_and_v_0_pulls_too_hard():
    "Two bells on one place: V does not depend on x_t, so TMPD draws the posterior, and V = 0 one with a variance too small."
    law = GaussianMixture([0.5, 0.5], torch.tensor([[0.3], [0.3]]).double(), torch.tensor([0.5, 0.5]).double())  # fmt: skip
    draws = {m: PosteriorExplorer(law, y=1.0, std=0.6, method=m).places for m in METHODS}
    assert (draws["moments"] - draws["exact"]).abs().max() < 1e-10
    spread = lambda x: (x[400] - x[240]).item()
    assert spread(draws["point"]) < 0.8 * spread(draws["exact"])
    unit = GaussianMixture([0.5, 0.5], torch.zeros(2, 1).double(), torch.ones(2).double())
    one, other = (PosteriorExplorer(unit, y=1.0, method=m).places for m in ("unit", "exact"))
    assert (one - other).abs().max() < 1e-10  # the law that PiGDM assumes
