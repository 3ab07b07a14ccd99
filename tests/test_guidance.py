"Guidance: two guesses and a line through them, against closed forms, chapter 6's way, and a classifier by hand."

import math

import pytest
import torch

from diffusion_math import (
    DDPM,
    ForwardProcess,
    GaussianMixture,
    Schedule,
    as_denoiser,
    classified,
    flow,
    guided,
    walk,
)  # fmt: skip
from diffusion_math.guidance import NO_GUIDANCE, guidance_weight
from tests.truth import PLANE, Wrapped, error, seed

F32, F64, INF = torch.float32, torch.float64, math.inf
FIRST = GaussianMixture(
    [1.0],
    torch.tensor([[-1.0, 0.5]], dtype=F64),
    torch.tensor([[[0.3, 0.1], [0.1, 0.2]]], dtype=F64),
)


def bell(var, mean=0.0):
    return GaussianMixture([1.0], torch.tensor([[mean]], dtype=F64), torch.tensor([var], dtype=F64))


def parts(level):
    "a^2 and s^2."
    return 1 / (1 + math.exp(-level)), 1 / (1 + math.exp(level))


def log_first(x, level):
    "log q(y | x), up to a constant, y the first component; each x at its own level."
    rows = zip(x.split(1), level.tolist(), strict=True)
    return torch.cat([FIRST.noised(v).log_prob(u) - PLANE.noised(v).log_prob(u) for u, v in rows])


LEVELS = torch.tensor([-6.0, -1.0, 0.0, 2.0, 7.0], dtype=F64)
X = torch.randn(5, 2, generator=seed(), dtype=F64)


# ---- the two guesses


@pytest.mark.parametrize("w", [-1.0, 0.0, 0.5, 1.0, 2.0, 7.5])
def test_it_is_the_score_of_one_and_w_times_the_slope_of_a_classifier(w):
    for x, level in zip(X.split(1), LEVELS.tolist(), strict=True):
        a2, s2 = parts(level)
        plain, cond = (Wrapped(law).noised(level).score(x) for law in (PLANE, FIRST))
        score = plain + w * (cond - plain)
        assert error(guided(FIRST, PLANE, w)(x, level), (x + s2 * score) / a2**0.5) < 1e-8
    each = guided(FIRST, PLANE, w)(X, LEVELS)
    rows = [guided(FIRST, PLANE, w)(X[i : i + 1], LEVELS[i]) for i in range(5)]
    assert error(each, torch.cat(rows)) < 1e-12


def test_at_1_it_is_one_of_the_two_and_at_0_the_other():
    assert torch.equal(guided(FIRST, PLANE, 1.0)(X, LEVELS), FIRST.denoise(X, LEVELS))
    assert error(guided(FIRST, PLANE, 0.0)(X, LEVELS), PLANE.denoise(X, LEVELS)) < 1e-15
    assert error(guided(PLANE, PLANE, 9.0)(X, LEVELS), PLANE.denoise(X, LEVELS)) < 1e-12


def test_a_classifier_tells_as_much_as_the_class():
    "Bayes' rule: from the data's guess and the slope of log q(y | x_t) follows the conditional one."
    assert error(classified(PLANE, log_first)(X, LEVELS), FIRST.denoise(X, LEVELS)) < 1e-9
    louder = guided(classified(PLANE, log_first), PLANE, 3.0)
    assert error(louder(X, LEVELS), guided(FIRST, PLANE, 3.0)(X, LEVELS)) < 1e-8
    with torch.no_grad():
        assert error(classified(PLANE, log_first)(X, LEVELS), FIRST.denoise(X, LEVELS)) < 1e-9
    nothing = classified(PLANE, lambda x, level: torch.zeros(5, dtype=F64))
    assert error(nothing(X, LEVELS), PLANE.denoise(X, LEVELS)) < 1e-15


def test_gradients_pass():
    for denoise in (guided(FIRST, PLANE, 3.0), classified(PLANE, log_first)):
        x = X.clone().requires_grad_()
        denoise(x, LEVELS).sum().backward()
        h = torch.zeros_like(X)
        h[:, 0] = 1e-6
        slope = (denoise(X + h, LEVELS) - denoise(X - h, LEVELS)).sum(1) / 2e-6
        assert error(x.grad[:, 0], slope) < 1e-6


def network(x_t, log_snr, y=None):
    "Says v; a made-up network that may be given a class."
    shift = 0 if y is None else torch.as_tensor(y).view(-1, *[1] * (x_t.ndim - 1))
    return torch.tanh(x_t * log_snr.view(-1, *[1] * (x_t.ndim - 1))) + 0.1 * shift


@pytest.mark.parametrize("says", ["eps", "x0", "v"])
def test_two_calls_of_one_network_are_chapter_6s_guidance(says):
    q = ForwardProcess(Schedule.from_log_snr(torch.linspace(5, -7, 9, dtype=F64)))
    p = DDPM(network, q, (2,), predicts=says)
    both = lambda x, v, y: torch.lerp(network(x, v), network(x, v, y), 2.5)
    by_lerp = DDPM(both, q, (2,), predicts=says).given(y=torch.full((5,), 3))
    said = guided(p.given(y=torch.full((5,), 3)), p, 2.5)
    assert error(said(X, LEVELS), as_denoiser(by_lerp)(X, LEVELS)) < 1e-10
    chain = DDPM(said, q, (2,), predicts="x0")
    assert error(chain.step(X, 5).mean, by_lerp.step(X, 5).mean) < 1e-12
    assert chain.sample(5, seed(1)).shape == (5, 2)


# ---- what it draws


@pytest.mark.parametrize("w", [0.5, 3.0])
def test_bells_mix_the_logarithms_of_their_variances(w):
    "By hand: log x mixes, so variances 0.5 and 3 become 0.5^w 3^(1-w), whatever was claimed."
    found = flow(
        guided(bell(0.5), bell(3.0), w), torch.ones(1, 1, dtype=F64), -14.0, 14.0, 150
    ).square()
    assert error(found, [[0.5**w * 3 ** (1 - w)]]) < 2e-3


def test_bells_of_one_width_draw_what_is_claimed():
    "The one case without a difference: means go beyond, m + w (m_y - m), and the width stays."
    z = torch.tensor([[-1.0], [0.0], [1.0]], dtype=F64)
    ends = flow(guided(bell(0.4, 1.0), bell(0.4, -0.5), 3.0), z, -18.0, 14.0, 200)
    assert error(ends, -0.5 + 3 * 1.5 + 0.4**0.5 * z) < 1e-2


def test_on_an_interval_only_what_lies_in_it_counts():
    low, high, w = -1.0, 2.5, 3.0
    part = guided(bell(0.5), bell(3.0), w, low, high)
    x = torch.ones(1, 1, dtype=F64)
    for a, b in ((-14.0, low - 1e-9), (low, high), (high + 1e-9, 14.0)):
        x = flow(part, x, a, b, 120)
    V = lambda v, level: parts(level)[0] * v + parts(level)[1]
    ratio = lambda level: V(0.5, level) / V(3.0, level)
    assert error(x.square(), [[0.5 * (ratio(high) / ratio(low)) ** (w - 1)]]) < 1e-3


def test_the_ends_of_an_interval_count_and_outside_nobody_else_is_asked():
    asked = []

    def uncond(x, level):
        asked.append(level.tolist())
        return 0 * x

    part = guided(lambda x, level: x, uncond, 3.0, -1.0, 2.0)
    said = part(X, LEVELS)
    assert torch.equal(
        said, torch.where((LEVELS[:, None] >= -1) & (LEVELS[:, None] <= 2), 3 * X, X)
    )
    assert len(asked) == 1
    part(X, 2.5), part(X, -1.5), guided(lambda x, level: x, uncond, 1.0)(X, 0.0)
    assert len(asked) == 1
    whole = guided(lambda x, level: x, uncond, 3.0)
    assert torch.equal(whole(X, LEVELS), 3 * X)


def test_a_weaker_model_of_the_same_kind_leads_to_the_truth():
    strong, weak, truth = 1.3, 2.0, 0.9
    w = math.log(truth / weak) / math.log(strong / weak)
    end = flow(guided(bell(strong), bell(weak), w), torch.ones(1, 1, dtype=F64), -14.0, 14.0, 150)
    assert error(end.square(), [[truth]]) < 2e-3


def test_dice_draw_another_law():
    "At w = 2 the bells 1 and 2 draw 1/2 without dice, 7/12 with them (by the equation of the variance)."
    x = torch.randn(3000, 1, generator=seed(2), dtype=F64)
    louder = guided(bell(1.0), bell(2.0), 2.0)
    still, diced = (walk(louder, x, -8.0, 8.0, 160, dial, seed(3)).var() for dial in (0.0, 1.0))
    stderr = (2 / 3000) ** 0.5
    assert abs(still - 1 / 2) < 5 * stderr / 2 + 0.02 and abs(diced - 7 / 12) < 5 * stderr + 0.05
    assert diced - still > 0.03


# ---- numbers of papers


def test_what_does_nothing_in_a_paper_is_1_here():
    assert {guidance_weight(nothing, paper) for paper, nothing in NO_GUIDANCE.items()} == {1.0}
    assert guidance_weight(3, "Ho & Salimans 2022") == 4 and guidance_weight(3, "Imagen") == 3
    assert guidance_weight(7.5, "diffusers") == 7.5


def test_each_papers_formula_with_its_own_number():
    "eps by each paper's formula, as they write it, is eps by ours with the number that the dictionary gives."
    cond, plain, n = torch.randn(4, generator=seed(4)), torch.randn(4, generator=seed(5)), 2.25
    slope = cond - plain  # -s times the slope of a classifier
    written = {
        "Dhariwal & Nichol 2021 (unconditional)": plain + n * slope,
        "Dhariwal & Nichol 2021 (conditional)": cond + n * slope,
        "Ho & Salimans 2022": (1 + n) * cond - n * plain,
        "Imagen": n * cond + (1 - n) * plain,
        "diffusers": plain + n * (cond - plain),
        "Karras et al. 2024": n * cond + (1 - n) * plain,
        "Kynkaanniemi et al. 2024": n * cond + (1 - n) * plain,
        "chapter 6": torch.lerp(plain, cond, n),
    }
    assert set(written) == set(NO_GUIDANCE)
    for paper, eps in written.items():
        assert error(eps, plain + guidance_weight(n, paper) * (cond - plain)) < 1e-5
    with pytest.raises(TypeError):
        NO_GUIDANCE["Imagen"] = 0.0


# ---- any event, any dtype


@pytest.mark.parametrize("dtype", [torch.float16, F32, F64])
def test_any_event_any_dtype_no_rows_and_where_nothing_is_computed(dtype):
    half, log_prob = lambda x, v: x / 2, lambda x, v: -x.flatten(1).square().sum(1)
    for shape in ((3,), (2, 5), (2, 1, 3, 3), (0, 2)):
        x = torch.ones(shape, dtype=dtype)
        if len(shape) > 1:
            got = classified(half, log_prob)(x, 0.0)
            assert got.shape == shape and got.dtype == dtype
            assert error(got, x / 2 - 2 * 0.5**0.5 * x) < 2e-3
        got = guided(half, lambda x, v: x, 3.0, -1.0, 1.0)(x, 0.5)
        assert got.shape == shape and got.dtype == dtype and torch.equal(got, -x / 2)
    x = torch.ones(2, 3, device="meta")
    assert guided(half, half, 3.0, -1.0, 1.0)(x, 0.0).is_meta


@pytest.mark.bad_input
def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="log_prob must return a tensor of log_snr's shape"):
        classified(PLANE, lambda x, v: x)(X, 0.0)
    with pytest.raises(ValueError, match="nothing of x0 is left"):
        classified(lambda x, v: x, log_first)(X, -INF)
