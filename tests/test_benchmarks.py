"The instruments of benchmarks/: what they measure is right where the answer is known."

import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from common import interleave, ratios, spread  # noqa: E402
from features import Classifier, accuracy, frechet, frechet_gaussians, train  # noqa: E402

from diffusion_math import digits  # noqa: E402


def random_cov(d: int) -> torch.Tensor:
    a = torch.randn(d, d + 3, dtype=torch.float64)
    return a @ a.T / d


def test_frechet_of_commuting_gaussians_is_the_closed_form():
    "Where A and B share their eigenvectors, trace((sqrt A - sqrt B)^2) is a sum over eigenvalues."
    d = 12
    basis = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64)).Q
    a, b = torch.rand(2, d, dtype=torch.float64) + 0.1
    a[:3] = 0                                                              # a covariance may be singular
    mean = torch.randn(2, d, dtype=torch.float64)
    want = (mean[0] - mean[1]).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    got = frechet_gaussians(mean[0], basis * a @ basis.T, mean[1], basis * b @ basis.T)
    assert got == pytest.approx(want.item(), rel=1e-9)


def test_frechet_of_any_gaussians_agrees_with_scipy():
    from scipy.linalg import sqrtm

    a, b, mean = random_cov(9), random_cov(9), torch.randn(2, 9, dtype=torch.float64)
    root = torch.from_numpy(sqrtm((a @ b).numpy()).real)
    want = (mean[0] - mean[1]).square().sum() + (a + b - 2 * root).trace()
    got = frechet_gaussians(mean[0], a, mean[1], b)
    assert got == pytest.approx(want.item(), rel=1e-9)
    assert got == pytest.approx(frechet_gaussians(mean[1], b, mean[0], a), rel=1e-9)
    assert frechet_gaussians(mean[0], a, mean[0], a) == pytest.approx(0, abs=1e-9)


def test_frechet_of_samples_uses_their_moments():
    x, y = torch.randn(500, 6), 2 * torch.randn(400, 6) + 1
    want = frechet_gaussians(x.double().mean(0), x.double().T.cov(), y.double().mean(0), y.double().T.cov())
    assert frechet(x, y) == pytest.approx(want)
    assert 10 < frechet(x, y) < 14                                         # 6 (1 + 1) = 12 for the laws themselves
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)


def test_features_are_what_the_last_layer_of_the_classifier_reads():
    x, y = digits(labels=True)
    model = train(x[:200], y[:200], epochs=1)
    assert isinstance(model, Classifier) and not model.training
    features = model.features(x[:7])
    assert features.shape == (7, 64) and features.dtype == torch.float64
    torch.testing.assert_close(model.head(features.float()), model(x[:7]))
    said = model(x[:30]).argmax(1)
    assert accuracy(model, x[:30], said) == 1
    assert accuracy(model, x[:30], torch.cat([said[:15], said[15:] + 1])) == 0.5


def test_interleaving_takes_turns_and_drops_the_first():
    calls = []
    took = interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3, number=2)
    assert "".join(calls) == "aabb" * 4
    assert [len(v) for v in took.values()] == [3, 3]


def test_a_ratio_is_taken_repeat_by_repeat():
    base = [1.0, 10.0, 2.0, 5.0]                                           # a machine that changes speed
    rows = ratios({"floor": base, "twice": [2 * v for v in base]}, "floor", "case")
    assert [(row["who"], row["value"], row["low"], row["high"]) for row in rows] == [
        ("floor", 1, 1, 1), ("twice", 2, 2, 2),
    ]
    assert spread([3.0]) == {"value": 3.0, "low": 3.0, "high": 3.0}


def test_the_reference_in_fifty_digits_is_the_schedules_own():
    from correctness import T, exact_alpha_bar, exact_laws

    from diffusion_math import ForwardProcess, cosine_schedule, linear_schedule

    for kind, schedule in (("linear", linear_schedule(T)), ("cosine", cosine_schedule(T))):
        exact = exact_alpha_bar(kind)
        want = torch.tensor([float(v) for v in exact], dtype=torch.float64)
        torch.testing.assert_close(schedule.alpha_bar, want, rtol=1e-10, atol=0)
        var = torch.tensor([float(v) for v in exact_laws(exact)["var"]], dtype=torch.float64)
        t = torch.arange(1, T + 1)
        law = ForwardProcess(schedule).posterior(var[:, None], var[:, None], t)
        torch.testing.assert_close(law.var[:, 0], var, rtol=1e-9, atol=0)


def test_errors_of_exact_draws_are_small_and_those_of_a_shrunk_law_are_not():
    from known_distribution import ring, sliced, within_modes

    law, std = ring()
    x, y = law.sample(2000), law.sample(2000)
    assert within_modes(law, x, std) < 0.1 and sliced(x, y) < 0.15
    nearest = law.means[torch.cdist(x.flatten(1), law.means.flatten(1)).argmin(1)]
    shrunk = nearest + (x - nearest) / 2
    assert within_modes(law, shrunk, std) == pytest.approx(0.5, abs=0.05)
    moved = sliced(x + 0.5, x)                                             # along a line, (0.5, 0.5) is 0.5 on average
    assert moved == pytest.approx(0.5 / x.flatten(1).var(0).mean().sqrt().item(), rel=0.2)


def test_the_page_is_written_from_the_figures():
    from report import cell, number, table

    assert [number(v) for v in (None, 0.0, 3.0, 1234.5, 12.34, 1.234, 0.0123, 1e-7)] == [
        "failed", "0.0000", "3", "1234", "12.3", "1.23", "0.0123", "1.0e-07",
    ]
    assert cell({"value": 1.5, "low": 1.25, "high": 2.5}, "g") == "1.50 (1.25–2.50)"
    lines = table({"figures": [{"who": "diffusion_math", "case": "a", "value": 1.5},
                               {"who": "peer", "case": "a", "value": None}]}).splitlines()
    assert lines == ["|  | a |", "| --- | --- |", "| **diffusion_math** | 1.50 |", "| peer | failed |"]
