"Figures of merit: against scipy, laws that are known, plain loops; their errors against what many draws do."

import math

import pytest
import scipy.linalg
import torch

from diffusion_math import digits, load_pretrained
from diffusion_math.training.merit import digit_judge, frechet, gaussian_distance, precision_recall

F64 = torch.float64


def normal(n, d, seed, scale=1.0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, d, generator=generator, dtype=F64) + shift


# ---- Fréchet


@pytest.mark.parametrize("n, m, d", [(300, 200, 5), (40, 30, 20), (2, 3, 1)])
def test_the_distance_is_scipy_s(n, m, d):
    x, y = normal(n, d, 0) @ normal(d, d, 1), normal(m, d, 2) @ normal(d, d, 3) + 0.3
    a, b = (v.T.cov().reshape(d, d).numpy() for v in (x, y))
    root = scipy.linalg.sqrtm(a @ b).real.trace()
    want = (x.mean(0) - y.mean(0)).square().sum().item() + a.trace() + b.trace() - 2 * root
    assert gaussian_distance(x, y) == pytest.approx(want, rel=1e-6, abs=1e-6)


def test_of_one_number_it_is_in_the_means_and_deviations():
    x, y = normal(50, 1, 0, 2.0, 1.0), normal(70, 1, 1)
    want = (x.mean() - y.mean()) ** 2 + (x.std() - y.std()) ** 2
    assert gaussian_distance(x, y) == pytest.approx(want.item(), rel=1e-9)
    assert abs(gaussian_distance(x, x)) < 1e-12


def test_two_sets_of_one_law_lie_at_the_floor():
    "The mean over 40 pairs; and the stated error is what the pairs spread by."
    said = [
        frechet(normal(200, 4, 2 * s), normal(150, 4, 2 * s + 1), repeats=10) for s in range(40)
    ]
    found, floor = (torch.tensor([getattr(f, k) for f in said]) for k in ("distance", "floor"))
    error = math.hypot(found.std(), floor.std()) / 40**0.5
    assert abs(found.mean() - floor.mean()) < 5 * error


def test_the_error_is_what_repeated_draws_spread_by():
    said = [frechet(normal(300, 3, 2 * s, 1.2, 0.3), normal(300, 3, 2 * s + 1)) for s in range(60)]
    spread = torch.tensor([f.distance for f in said]).std().item()
    stated = torch.tensor([f.stderr for f in said]).mean().item()
    assert stated == pytest.approx(spread, rel=5 / math.sqrt(2 * 60))
    true = 3 * (0.3**2 + 0.2**2)  # and what it spreads around, once its bias is off
    off = torch.tensor([f.distance - f.floor for f in said]).mean().item() - true
    assert abs(off) < 5 * spread / math.sqrt(60) + 0.1 * said[0].floor
    assert "±" in str(said[0]) and f"{said[0].floor:.3g}" in str(said[0])


def test_the_features_are_any_function_of_x_and_the_generator_decides():
    x, y, generator = (
        normal(80, 6, 0).view(80, 2, 3),
        normal(90, 6, 1).view(90, 2, 3),
        torch.Generator(),
    )
    means = lambda v: v.mean(2).float()
    one, two = (frechet(x, y, means, 5, generator.manual_seed(3)) for _ in range(2))
    assert one == two
    assert one.distance == pytest.approx(
        gaussian_distance(x.mean(2).float().double(), y.mean(2).float().double())
    )


# ---- precision and recall


def test_precision_and_recall_are_their_definitions():
    "By plain loops over every pair."
    x, y, k = normal(40, 2, 0, 0.8), normal(50, 2, 1), 2
    near = lambda p, of: sorted((p - q).norm().item() for q in of)

    def share(f, g):
        radius = [near(q, g)[k] for q in g]  # its own distance, 0, comes first
        inside = [any((p - q).norm() <= r for q, r in zip(g, radius, strict=True)) for p in f]
        return sum(inside) / len(f)

    said = precision_recall(x, y, k=k)
    assert (said.precision, said.recall) == (share(x, y), share(y, x))
    s = said.recall
    assert said.recall_stderr == pytest.approx(math.sqrt(s * (1 - s) / 50))


def test_a_mode_that_is_left_out_costs_recall_and_one_that_is_no_data_costs_precision():
    both = torch.cat([normal(200, 2, 0), normal(200, 2, 1, 1.0, 50.0)])
    one = normal(300, 2, 2)
    left_out, made_up = precision_recall(one, both), precision_recall(both, one)
    assert left_out.recall == pytest.approx(0.5, abs=0.06) and left_out.precision > 0.85
    assert made_up.precision == pytest.approx(0.5, abs=0.06) and made_up.recall > 0.85
    far = precision_recall(one, one + 1e3)
    assert (far.precision, far.recall) == (0, 0)
    same = precision_recall(one, one)
    assert (same.precision, same.recall, same.precision_stderr) == (1, 1, 0)


# ---- the judge


def test_the_judge_knows_digits_that_it_never_saw():
    x, y = digits("test", labels=True)
    judge = digit_judge()
    with torch.no_grad():
        right = (judge(x).argmax(1) == y).double().mean()
    assert right > 0.985 and not judge.training
    torch.testing.assert_close(judge.head(judge.features(x[:9])), judge(x[:9]).detach())
    assert judge.features(x[:0]).shape == (0, 64)


def test_drawn_digits_are_told_from_digits_and_digits_are_not():
    x, features = digits("test"), digit_judge().features
    seen = frechet(x[::4], x[1::4], features)
    assert seen.distance < seen.floor + 5 * seen.stderr
    # of two steps, the digits are poor ones
    drawn = load_pretrained("ddpm_mnist").respace(2).sample(200, torch.Generator().manual_seed(0))
    poor = frechet(drawn, x[1::4], features)
    assert poor.distance > poor.floor + 5 * poor.stderr


# ---- what they refuse


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: frechet(x[:1], x), ValueError, "x must hold 2 or more, .* got 1"),
        (lambda x: frechet(x, x[:, :2]), ValueError, "features of one size, got 3, 2"),
        (lambda x: frechet(x, x, lambda v: v[:1]), ValueError, "a row of features each"),
        (lambda x: frechet(x, x, lambda v: v / 0), ValueError, r"features\(x\) must be finite"),
        (lambda x: frechet(x, x, repeats=1), ValueError, "repeats must be 2 or more, got 1"),
        (lambda x: frechet("x", x), TypeError, "x must be a floating-point tensor, got str"),
        (lambda x: precision_recall(x[:3], x), ValueError, "x must hold 4 or more, .* got 3"),
        (lambda x: precision_recall(x, x, k=0), ValueError, "k must be 1 or more, got 0"),
        (lambda x: precision_recall(x, x[:, :1]), ValueError, "features of one size, got 3, 1"),
    ],
)
def test_refuses_what_does_not_fit(call, error, words, shape_checks_off):
    with shape_checks_off(), pytest.raises(error, match=words):
        call(normal(20, 3, 0))
