"The score field: its steps are the package's."

import pytest
import torch

from diffusion_math.explore.score import ScoreExplorer
from diffusion_math.forward import Schedule, cosine_schedule, linear_schedule
from diffusion_math.laws.mixture import GaussianMixture
from diffusion_math.reverse import ExactReverse
from diffusion_math.score import langevin
from tests.truth import seed

f64 = torch.float64


def bells(covs, k=2):
    return GaussianMixture([1 / k] * k, torch.randn(k, 2, generator=seed(), dtype=f64), covs)


@pytest.mark.parametrize(
    "covs",
    [
        torch.tensor([0.1, 0.3]),
        torch.tensor([[0.1, 0.2], [0.3, 0.4]]),
        torch.tensor([[[0.3, 0.1], [0.1, 0.2]], [[0.2, -0.1], [-0.1, 0.1]]]),
    ],
    ids=["round", "upright", "tilted"],
)
def test_the_covariances_that_are_sent_are_the_mixture_s(covs):
    ours = ScoreExplorer(bells(covs))
    a, b, d = torch.tensor(ours._covs, dtype=f64).T
    full = torch.stack([torch.stack([a, b]), torch.stack([b, d])]).permute(2, 0, 1)
    x = torch.randn(20, 2, generator=seed(1), dtype=f64)
    again = GaussianMixture(ours._weights, torch.tensor(ours._means, dtype=f64), full)
    torch.testing.assert_close(again.log_prob(x), bells(covs).log_prob(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("t", [0, 40, 100])
def test_ascent_and_langevin_are_the_package_s_walks(t):
    ours = ScoreExplorer(t=t, sampler="ascent", generator=seed())
    x = ours.points
    there = langevin(ours.law.score, x, ours.step_size, 1, temperature=0.0)
    torch.testing.assert_close(ours.step(x, torch.randn_like(x)), there)
    ours.sampler = "langevin"
    xi = torch.randn(x.shape, generator=seed(3), dtype=f64)
    torch.testing.assert_close(
        ours.step(x, xi), langevin(ours.law.score, x, ours.step_size, 1, seed(3))
    )


@pytest.mark.parametrize(
    "schedule", ["linear", "cosine", Schedule.from_beta([0.1, 0.2, 0.5, 0.9])], ids=str
)
def test_the_reverse_step_is_exact_reverse(schedule):
    ours = ScoreExplorer(None, schedule, t=3, sampler="reverse", generator=seed())
    makes = {"linear": linear_schedule, "cosine": cosine_schedule}
    given = makes[schedule](100) if isinstance(schedule, str) else schedule
    assert torch.equal(ours.q.schedule.log_alpha_bar, given.log_alpha_bar) and ours.T == given.T
    law = ExactReverse(ours.q, ours.data).step(ours.points, 3)
    torch.testing.assert_close(ours.step(ours.points, torch.zeros(300, 2, dtype=f64)), law.mean)
    torch.testing.assert_close(
        ours.step(ours.points, torch.ones(300, 2, dtype=f64)) - law.mean, law.std
    )


def test_annealed_steps_are_a_share_of_the_noise():
    ours = ScoreExplorer(t=50, sampler="annealed")
    assert ours.step_size == pytest.approx(0.2 * linear_schedule(100).noise_var[50].item())


def test_langevin_fills_the_hills_and_ascent_only_the_tops():
    ours = ScoreExplorer(generator=seed())
    law, size = ours.law, ours.step_size  # the sizes are what the explorer adds to the walks
    real = law.log_prob(law.sample(3000, seed())).mean()
    ends = {
        heat: langevin(law.score, ours.points, size, 400, seed(1), temperature=heat)
        for heat in (0.0, 1.0)
    }
    ends = {name: law.log_prob(ends[heat]) for name, heat in (("ascent", 0.0), ("langevin", 1.0))}
    assert ends["ascent"].min() > real and abs(ends["langevin"].mean() - real) < 0.3


def test_only_walks_that_begin_in_noise_give_hills_that_are_far_apart_their_shares():
    "Chapter 7's narrow hills: what the folded answer says of the four samplers."
    near, weights = ScoreExplorer(), torch.tensor([0.7, 0.2, 0.1], dtype=f64)
    a, b, d = torch.tensor(near._covs, dtype=f64).T
    covs = torch.stack([torch.stack([a, b]), torch.stack([b, d])]).permute(2, 0, 1)
    law = GaussianMixture(weights, near.data.means, covs / 4)
    ours, dice = ScoreExplorer(law, generator=seed()), seed(1)

    def walked(x, sampler, times, each=1):
        ours.sampler = sampler
        for t in times:
            ours.t = t
            for _ in range(each):
                x = ours.step(x, torch.randn(x.shape, generator=dice, dtype=f64))
        return x

    def hill(x):
        return torch.cdist(x, law.means).argmin(1)

    def share(x):
        return hill(x).bincount(minlength=3) / len(x)

    error = (weights * (1 - weights) / 300).sqrt()
    settled = walked(ours.points, "langevin", [0] * 100)
    stayed = walked(settled, "langevin", [0] * 300)
    assert torch.equal(hill(stayed), hill(settled))
    assert ((share(stayed) - weights).abs() / error).max() > 5
    for sampler, down, each in (
        ("annealed", range(100, 1, -1), 4),
        ("reverse", range(100, 0, -1), 1),
    ):
        x = walked(ours.points, sampler, down, each)
        assert ((share(x) - weights).abs() / error).max() < 4, sampler
