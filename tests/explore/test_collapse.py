"When the shares decide: Bayes' rule, and a curve that is the area under the dataset's error, below a Gaussian's."

import math

import pytest
import torch

from diffusion_math import Empirical, GaussianMixture
from diffusion_math.explore.collapse import CollapseExplorer
from diffusion_math.memory import information

f64 = torch.float64
FAR = torch.tensor([[-2.0, 0.1], [2.0, -0.3], [0.4, 2.5], [-0.2, -1.1], [0.0, 0.0]], dtype=f64)
LEVELS = torch.linspace(-14, 8, 89, dtype=f64)


@pytest.mark.parametrize("points", [None, FAR])
@pytest.mark.parametrize("level", [-6.0, 0.25, 8.0])
def test_shares_are_those_of_bells_around_the_points(points, level):
    ours = CollapseExplorer(points, x=0.9, y=-0.7, level=level)
    bell = torch.distributions.Normal(ours.dataset, math.exp(-level / 2))
    due = bell.log_prob(torch.tensor([0.9, -0.7], dtype=f64)).sum(1).softmax(0)
    assert (ours.share - due).abs().max() < 1e-12


@pytest.mark.parametrize("points", [None, FAR])
def test_the_curve_is_half_the_area_under_the_dataset_s_error(points):
    ours, gen = CollapseExplorer(points), torch.Generator().manual_seed(0)
    x0 = ours.dataset.repeat(3000, 1)
    area = information(Empirical(ours.dataset), x0, LEVELS, gen)
    mean, stderr = area.mean(1)[-57:], area.std(1)[-57:] / len(x0) ** 0.5
    assert ((ours.information - mean).abs() < 5 * stderr + 2e-3).all() and stderr.max() < 0.02


@pytest.mark.parametrize("points", [None, FAR])
def test_the_ceiling_is_the_information_of_a_bell_and_is_kept(points):
    ours, gen = CollapseExplorer(points), torch.Generator().manual_seed(1)
    cov = ours.dataset.T.cov(correction=0)
    bell = GaussianMixture([1.0], torch.zeros(1, 2, dtype=f64), cov[None])
    area = information(bell, bell.sample(4000, gen), LEVELS, gen)
    stderr = area.std(1)[-57:] / 4000**0.5
    assert ((ours.ceiling - area.mean(1)[-57:]).abs() < 5 * stderr + 5e-3).all()
    most = ours.ceiling.clamp(max=math.log(len(ours.dataset)))
    assert (ours.information <= most + 1e-6).all() and (ours.information > most - 0.5).all()


def test_two_points_in_one_place_never_part():
    ours = CollapseExplorer(torch.tensor([[0.5, 0.5], [0.5, 0.5], [-1.0, 0.0]], dtype=f64))
    entropy = math.log(3) - 2 / 3 * math.log(2)
    assert ours.information[-1].item() == pytest.approx(entropy, abs=1e-6)
