"The network that learns in the page: its exact arrows are the package's."

import math

import numpy as np
import pytest
import torch

from diffusion_math.explore.learn import LearnExplorer

f64 = torch.float64


@pytest.mark.parametrize("level", [-4.0, 0.3, 4.0])
def test_the_exact_arrows_are_by_bayes_rule(level):
    "Each bell by arithmetic of its own: where its mean would lead, times its share of the density."
    ours = LearnExplorer("humps", log_snr=level)
    a2 = 1 / (1 + math.exp(-level))
    middles, x = np.array(ours.points), ours.places.numpy()
    var = a2 * 0.01 + 1 - a2
    off = a2**0.5 * middles - x[:, None]
    heights = np.exp(-0.5 * (off**2).sum(-1) / var)
    arrows = (heights[..., None] * off).sum(1) / heights.sum(1)[:, None] * (1 - a2) / var
    np.testing.assert_allclose(ours.field, arrows, rtol=1e-8, atol=1e-12)


def test_the_arrows_lead_to_the_scaled_guess():
    ours = LearnExplorer("ring", log_snr=1.0)
    guess = ours.law.denoise(ours.places, torch.tensor(1.0, dtype=f64))
    scaled = torch.sigmoid(torch.tensor(1.0, dtype=f64)).sqrt() * guess
    torch.testing.assert_close(ours.field, scaled - ours.places)
