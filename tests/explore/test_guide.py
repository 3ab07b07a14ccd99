"Guidance under the finger: its numbers are the package's."

import torch

from diffusion_math.explore.guide import GuideExplorer
from tests.truth import seed


def test_at_1_it_is_the_class_and_beyond_it_is_narrower_and_further_off():
    ours, starts = GuideExplorer(), torch.arange(-80, 81, dtype=torch.float64) * 0.05
    assert (ours.places - (1 + 0.5**0.5 * starts)).abs().max() < 1e-2
    ours.w = 4.0
    places = ours.places
    assert places[80] > 1.5 and places[100] - places[60] < 0.7 * 2 * 0.5**0.5


def test_the_digits_start_from_its_noise():
    ours = GuideExplorer(w=0.0, digit=1, generator=seed(2))
    first = ours.digits
    assert first.shape == (6, 1, 28, 28)
    ours.digit = 8
    assert (ours.digits - first).abs().max() < 1e-4  # nobody asks what was asked for
    ours.w = 1.0
    assert (ours.digits - first).abs().max() > 0.5
