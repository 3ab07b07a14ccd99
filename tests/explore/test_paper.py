"The painted law: the drawings there are to begin with, your own points, and the mixture that they make."

import pytest
import torch

from diffusion_math.explore.learn import LearnExplorer
from diffusion_math.explore.paper import drawings, points_of
from diffusion_math.explore.playground import PlaygroundExplorer
from tests.truth import seed

f64 = torch.float64


def test_the_drawings():
    for name, n in {"smile": 82, "ring": 120, "humps": 120, "spiral": 120}.items():
        points = torch.tensor(points_of(name))
        assert points.shape == (n, 2) and points.abs().max() <= 2.5
        assert drawings()[name] == points_of(name) == LearnExplorer(name).points
    assert LearnExplorer().points == PlaygroundExplorer().points == points_of("smile")
    ring = torch.tensor(points_of("ring"))
    assert (ring.norm(dim=1) - 1.6).abs().max() < 0.01 and ring.mean(0).abs().max() < 0.01


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_your_own_points(dtype):
    x0 = torch.rand(50, 2, generator=seed()).to(dtype) * 4 - 2
    ours = LearnExplorer(x0)
    assert (torch.tensor(ours.points) - x0.float()).abs().max() <= 0.005 + 1e-6
    assert ours.law.event_shape == (2,)
    bells = ours.law.components.var
    assert ((bells - 0.01).abs() < 1e-12).all()


def test_the_law_is_a_bell_around_each_point():
    points = torch.tensor([[-1.0, 0.5], [1.2, -0.4]], dtype=f64)
    x = torch.tensor([[-0.9, 0.5], [1.0, -0.4]], dtype=f64)
    far = (x[:, None] - points).square().sum(-1)
    heights = (-far / 0.02).exp().mean(1) / (2 * torch.pi * 0.01)
    torch.testing.assert_close(PlaygroundExplorer("melt", points).law.log_prob(x), heights.log())


def test_without_points_there_is_no_law():
    ours = LearnExplorer()
    ours.points = []
    with pytest.raises(ValueError, match="points must hold at least one point, got none"):
        ours.law  # noqa: B018
