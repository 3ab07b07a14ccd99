"The playground: its numbers are the package's."

import math

import pytest
import torch

from diffusion_math.elbo import elbo
from diffusion_math.explore.learn import LearnExplorer
from diffusion_math.explore.playground import PlaygroundExplorer, sunflower
from diffusion_math.flow import flow
from tests.truth import seed

f64 = torch.float64


def test_a_sunflower_shares_out_the_unit_normal():
    "As many places within each ring and on each side as the normal wants; its mean and its covariance."
    z = sunflower(400)
    square = z.square().sum(1)
    for share in (0.1, 0.5, 0.9):
        inside = (square < -2 * math.log(1 - share)).double().mean()
        assert abs(inside - share) <= 1 / 400
    for way in torch.randn(6, 2, generator=seed(), dtype=f64):
        assert abs((z @ way > 0).double().mean() - 0.5) < 0.02
    assert z.mean(0).abs().max() < 0.01
    torch.testing.assert_close(z.T @ z / 400, torch.eye(2, dtype=f64), rtol=0, atol=0.02)


@pytest.mark.parametrize("place", [(0.0, -1.6), (0.0, 0.2)])
def test_the_terms_are_the_bound_s(place):
    "By 200 draws of the package's own, each within five standard errors: 96 even places are off by far less."
    ours = PlaygroundExplorer("bound", "smile", place=place)
    drawn = elbo(ours.q, ours.p, torch.tensor([place], dtype=f64), n=200, generator=seed(1))
    prior, steps, last = drawn.stderr.prior, drawn.stderr.steps, drawn.stderr.reconstruction
    theirs = torch.cat([drawn.reconstruction[None], drawn.steps, drawn.prior[None]])[:, 0]
    error = torch.cat([last[None], steps, prior[None]])[:, 0]
    off = (ours.terms - theirs).abs()
    assert (off <= 5 * error + 1e-12).all() and error.max() < 0.5
    assert ours.nats == pytest.approx(-ours.law.log_prob(torch.tensor([place], dtype=f64)).item())


def test_the_thread_is_the_flow():
    "Its straight steps end near where the flow's equation leads."
    ours = PlaygroundExplorer("score", "humps", t=30, place=(0.6, 0.2))
    way, level = ours.thread, ours.q.schedule.log_snr
    assert way.shape == (31, 2) and way[0].tolist() == [0.6, 0.2]
    end = flow(ours.law, way[:1], level[30].item(), level[1].item(), 400)
    assert (way[29] - end[0]).norm() < 0.1 < (way[0] - end[0]).norm()
    torch.testing.assert_close(way[30:], ours.law.denoise(way[29:30], level[1]))


@pytest.mark.parametrize("view, t", [("melt", 0), ("reverse", 50), ("bound", 12), ("score", 8)])
def test_where_each_view_begins(view, t):
    ours = PlaygroundExplorer(view)
    assert ours.t == t and not ours.revealed and ours._still["revealed"]
    assert ours.points == LearnExplorer().points and ours._shared
    assert not PlaygroundExplorer(view, "smile")._shared and not LearnExplorer("smile")._shared
    assert PlaygroundExplorer(view, t=7, seed=3)._start == {**ours._start, "t": 7, "seed": 3}


def test_the_field_is_the_score():
    ours = PlaygroundExplorer("score", "ring", t=0)
    x = ours.places[100:101].requires_grad_()
    (slope,) = torch.autograd.grad(ours.law.log_prob(x).sum(), x)
    torch.testing.assert_close(ours.field[100:101], slope)
