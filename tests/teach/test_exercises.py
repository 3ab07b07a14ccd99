"""The exercises: every stub, every solution and every wrong answer runs; each wrong answer is told from all others.

Right answers written in other ways pass, and what is kept of them survives whatever may happen to a file.
"""

import errno
import inspect
import json
import math
import os
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import diffusion_math
from diffusion_math import Prediction, check, exact_elbo, hint
from diffusion_math.distribution import Distribution
from diffusion_math.forward import ForwardProcess, Schedule
from diffusion_math.gaussian import Gaussian
from diffusion_math.laws.mixture import Empirical, GaussianMixture
from diffusion_math.reverse import ExactReverse, ReverseProcess
from diffusion_math.teach import exercises
from diffusion_math.teach.catalogue import CATALOGUE, KINDS, Draws
from diffusion_math.teach.catalogue.network import FILMS, mystery
from diffusion_math.teach.exercises import _judge, _same, _tensor, progress
from tests.lab import ROOT

CHAPTERS = sorted((Path(__file__).parents[2] / "nbs").glob("[01][0-9]_*.ipynb"))[1:]
NAMES = list(CATALOGUE)
SLIPS = [(name, i) for name in NAMES for i in range(len(CATALOGUE[name].slips))]
MAKES = [(name, i, k) for name, i in SLIPS for k in range(len(CATALOGUE[name].slips[i].makes))]
SEEDS = range(1, 6)


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    "A progress file of the test's own, and a fresh session."
    monkeypatch.setenv("DIFFUSION_MATH_PROGRESS", str(tmp_path / "own" / "progress.json"))
    monkeypatch.setattr(exercises, "_SESSION", {})
    monkeypatch.setattr(exercises, "_HINTS", {})
    return tmp_path / "own" / "progress.json"


@pytest.fixture
def said(capsys):
    "What a check of f prints."

    def says(name, f):
        check(name, f)
        return capsys.readouterr().out

    return says


def answers(name, f, seed):
    "f's answers to the inputs that a check with this seed would try."
    exercise = CATALOGUE[name]
    return [_tensor(f(*exercise.draw(Draws(seed + i, i)).values())) for i in range(len(KINDS))]


# ------------------------------------------------------------------------------------------------------- the catalogue


def test_there_are_two_exercises_a_chapter():
    assert NAMES == [f"{int(path.stem[:2])}.{letter}" for path in CHAPTERS for letter in "ab"]


@pytest.mark.parametrize("name", NAMES)
def test_an_exercise_is_whole(name):
    exercise = CATALOGUE[name]
    assert exercise.name == name and exercise.title and len(exercise.title) <= 32
    assert len(exercise.slips) >= 5
    sentences = [slip.says for slip in exercise.slips]
    sentences += [exercise.random, *exercise.hints, *(says for says, _ in exercise.edges)]
    assert len(set(sentences)) == len(sentences)
    assert all(text.rstrip()[-1] in ".?" for text in sentences)
    assert list(inspect.signature(exercise.right).parameters) == list(exercise.draw(Draws(0)))


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_passes(name):
    exercise = CATALOGUE[name]
    for seed in SEEDS:
        assert _judge(exercise, exercise.right, seed)[0] == "right", seed


@pytest.mark.parametrize("name", NAMES)
def test_the_last_hint_is_a_solution_that_passes(name, capsys):
    for _ in range(3):
        hint(name)
    last = capsys.readouterr().out.split("the solution:\n\n")[1]
    space = {"math": math, "torch": torch}
    exec(textwrap.dedent(last), space)
    (solution,) = (
        value for key, value in space.items() if key not in ("math", "torch", "__builtins__")
    )
    check(name, solution)
    assert "right, on 6 random inputs" in capsys.readouterr().out


@pytest.mark.parametrize("name, i, k", MAKES)
def test_every_wrong_answer_is_named(name, i, k):
    "By the inputs of one check; that no others would confuse it is the next test's."
    exercise = CATALOGUE[name]
    slip = exercise.slips[i]
    assert _judge(exercise, slip.makes[k], 1) == ("wrong", slip.says)


@pytest.mark.parametrize("name", [name for name in NAMES if not CATALOGUE[name].one_by_one])
def test_no_two_wrong_answers_are_confused(name):
    "On the inputs of a check, any two with different sentences differ by a hundred times what counts as rounding."
    exercise = CATALOGUE[name]
    known = [("right", exercise.right)] + [
        (slip.says, make) for slip in exercise.slips for make in slip.makes
    ]
    for seed in SEEDS:
        made = [(says, answers(name, f, seed)) for says, f in known]
        for i, (a, x) in enumerate(made):
            for b, y in made[:i]:
                assert a == b or any(gap > 1e-3 for gap in map(apart, x, y)), (a, b)


def apart(x, y) -> float:
    "The largest difference, relative to the larger of the two; inf if the shapes differ or one is not finite."
    if x.shape != y.shape:
        return math.inf
    x, y = x.double(), y.double()
    if not torch.equal(x.isfinite(), y.isfinite()) or not x.isfinite().all():
        return 0.0 if torch.equal(x.nan_to_num(), y.nan_to_num()) else math.inf
    return (
        (x - y).abs().max() / torch.maximum(x.abs().max(), y.abs().max()).clamp(min=1e-300)
    ).item()


def test_films_are_told_apart_picture_by_picture():
    "8.a: a wrong choice for any one film is answered with what is wrong about that choice."
    exercise = CATALOGUE["8.a"]
    for film in "ABCD":
        for choice in {1, 2, 3, 4} - {FILMS[film]}:
            state, says = _judge(
                exercise, lambda x, film=film, choice=choice: choice if x == film else FILMS[x], 0
            )
            assert state == "wrong" and says.startswith(f"Not {choice}:")
    assert sorted(FILMS.values()) == [1, 2, 3, 4]
    assert all(exercise.right(film) == FILMS[film] for film in "ABCD")


def test_films_show_what_their_slip_predicts():
    "The variance of the last frame, on data of variance 1, by the recursion that hint 8.a names."
    x0 = torch.randn(1, 100, 100, dtype=torch.float64)
    end = {"A": 0.95**2, "B": 1.0, "C": 0.95}
    add = {"A": 0.05, "B": 0.05, "C": 0.05**2}
    films = mystery(x0, torch.Generator().manual_seed(0))
    for letter in end:
        var = 1.0
        for _ in range(60):
            var = end[letter] * var + add[letter]
        assert films[letter][-1].var().item() == pytest.approx(
            var, abs=5 * var * (2 / 10_000) ** 0.5
        )
    total = 0.05**0.5 * sum(0.95 ** (k / 2) for k in range(60))  # the same eps, 60 times
    assert films["D"][-1].var().item() == pytest.approx(0.95**60 + total**2, rel=0.05)
    for film in films.values():
        assert film.shape == (5, 100, 100) and torch.equal(film[:1], x0)
    again = mystery(x0, torch.Generator().manual_seed(0))
    assert all(torch.equal(films[letter], again[letter]) for letter in films)


# ------------------------------------------------------------------------------ the right functions against other truth


def test_one_step_and_jump_are_the_forward_process_own():
    q = ForwardProcess(Schedule.from_beta([0.1, 0.2, 0.3, 0.05]))
    s, x = q.schedule, torch.randn(3, 2, dtype=torch.float64)
    eps = torch.randn(3, 2, dtype=torch.float64)
    for t in (1, 2, 4):
        step, leap = q.step(x, t), q.marginal(x, t)
        torch.testing.assert_close(
            CATALOGUE["3.a"].right(x, s.beta[t], eps), step.mean + step.std * eps
        )
        torch.testing.assert_close(
            CATALOGUE["3.b"].right(x, s.beta, 0, t, eps), leap.mean + leap.std * eps
        )
        torch.testing.assert_close(
            CATALOGUE["6.a"].right(leap.mean + leap.std * eps, eps, s.alpha_bar[t]), x
        )


def test_the_jump_from_any_step_is_the_chain_own():
    "Step by step, mean and variance; and from x_0 to s and on to t is from x_0 to t."
    s = Schedule.from_beta([0.1, 0.2, 0.3, 0.05, 0.4])
    jump, q = CATALOGUE["3.b"].right, ForwardProcess(s)
    one, none = (torch.full((1,), value, dtype=torch.float64) for value in (1.0, 0.0))
    for start in range(6):
        mean, var = one, none
        for t in range(start, 6):
            if t > start:
                step = q.step(mean, t)
                mean, var = step.mean, s.alpha[t] * var + step.var
            torch.testing.assert_close(jump(one, s.beta, start, t, none), mean)
            torch.testing.assert_close(jump(none, s.beta, start, t, one) ** 2, var)
            scale, noise = jump(one, s.beta, start, t, none), jump(none, s.beta, start, t, one)
            before, after = q.marginal(one, start), q.marginal(one, t)
            torch.testing.assert_close(scale * before.mean, after.mean)
            torch.testing.assert_close(scale**2 * before.var + noise**2, after.var[None])


def test_the_others_agree_with_torch():
    w = torch.randn(9, dtype=torch.float64)
    assert CATALOGUE["5.a"].right(w - 5000).item() == pytest.approx(
        w.exp().mean().log().item() - 5000, rel=1e-12
    )
    x = torch.randn(8, 3, dtype=torch.float64)
    mean_grey = x.mean(1).var(correction=0)
    torch.testing.assert_close(CATALOGUE["2.a"].right(torch.cov(x.T, correction=0)), mean_grey)
    noisy = CATALOGUE["2.b"].right(*torch.tensor([0.0, 0.09, 0.25, 1.0], dtype=torch.float64))
    assert noisy.item() == pytest.approx(0.4)  # 3, 4, 5
    prior, like = torch.rand(2, 50, dtype=torch.float64)
    assert (CATALOGUE["4.a"].right(prior, like, 0.1) * 0.1).sum().item() == pytest.approx(1)
    pixels = torch.randn(4, 1, 3, 3, dtype=torch.float64)
    s, eps = Schedule.from_beta([0.1, 0.2]), torch.randn(4, 1, 3, 3, dtype=torch.float64)
    oracle = lambda x_t, log_snr: (
        (s.alpha_bar[2].sqrt() * x_t - pixels) / (1 - s.alpha_bar[2]).sqrt()
    )
    assert CATALOGUE["6.b"].right(oracle, pixels, s, 2, eps).item() < 1e-25


def test_a_draw_of_the_bound_has_the_bound_as_its_mean():
    class Walk(ReverseProcess):
        def step(self, x_t, t):
            t = torch.as_tensor(t, dtype=x_t.dtype).view(-1, 1)
            return Gaussian(0.9 * x_t + 0.1 * t, 0.1 + 0.1 * t)

    q, n = ForwardProcess(Schedule.from_beta([0.1, 0.3, 0.2])), 40_000
    p, x0 = Walk(q), torch.full((n, 1), 0.7, dtype=torch.float64)
    eps = torch.randn(4, n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = CATALOGUE["5.b"].right(q, p, x0, eps)
    exact = exact_elbo(q, p, x0[:1]).total.item()
    assert drawn.mean().item() == pytest.approx(exact, abs=5 * drawn.std().item() / n**0.5)
    one = CATALOGUE["5.b"].right(q, p, x0[:1], eps[:, :1] * 0)
    assert abs(one.item() - exact) > 0.1


def test_stacked_bells_are_a_mixture():
    "Its variance by strips; and with the weights and the parts of a real step it is △."
    starts, weights, a, v = CATALOGUE["4.b"].draw(Draws(3)).values()
    law = GaussianMixture(weights, a * starts[:, None], v.expand(len(starts)))
    y = torch.linspace(-8, 8, 16_001, dtype=torch.float64)
    density = law.log_prob(y[:, None]).exp() * 1e-3
    mean = (density * y).sum()
    by_strips = (density * (y - mean).square()).sum()
    torch.testing.assert_close(CATALOGUE["4.b"].right(starts, weights, a, v), by_strips)

    points = torch.tensor([[-1.0], [0.3], [2.0]], dtype=torch.float64)
    q, x_t = ForwardProcess(Schedule.from_beta([0.2, 0.4])), torch.tensor([[0.5]]).double()
    heights = q.marginal(points, 2).log_prob(x_t).exp()
    one = torch.ones_like(x_t)
    a, v = q.posterior(0 * one, one, 2).mean[0, 0], q.posterior(one, one, 2).var
    triangle = CATALOGUE["4.b"].right(points[:, 0], heights / heights.sum(), a, v.reshape(()))
    exact = ExactReverse(q, Empirical(points)).step(x_t, 2)
    torch.testing.assert_close(triangle, exact.var[0, 0])


def test_the_loop_is_the_reverse_process_walk():
    class Walk(ReverseProcess):
        def step(self, x_t, t):
            return Gaussian(0.9 * x_t + t, 0.1 * (t - 1))

    p = Walk(ForwardProcess(Schedule.from_beta([0.2] * 3)), event_shape=(2,))
    x_T, eps = torch.randn(5, 2, dtype=torch.float64), torch.randn(4, 5, 2, dtype=torch.float64)
    x = x_T
    for t in (3, 2, 1):
        x = 0.9 * x + t + (0.1 * (t - 1)) ** 0.5 * eps[t]
    torch.testing.assert_close(CATALOGUE["8.b"].right(p, x_T, eps), x)


def test_the_score_of_a_dataset_is_that_of_its_own_density():
    "By autograd, and the package's."
    x_t, data = torch.randn(4, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    for alpha_bar in torch.tensor([0.1, 0.6, 0.95], dtype=torch.float64):
        came = CATALOGUE["7.a"].right(x_t, data, alpha_bar)
        law = Empirical(data).noised(torch.logit(alpha_bar))
        torch.testing.assert_close(came, law.score(x_t))
        torch.testing.assert_close(came, Distribution.score(law, x_t))


def test_the_balanced_kick_keeps_the_spread():
    "Of a Gaussian, to rounding, for short steps and for long ones."
    var = torch.tensor(0.7, dtype=torch.float64)
    for h in torch.tensor([0.0, 0.01, 0.7, 1.3, 1.4], dtype=torch.float64):
        after = (1 - h / var) ** 2 * var + CATALOGUE["7.b"].right(h, var)
        torch.testing.assert_close(after, var)


def test_a_mixture_and_its_fence_by_counting():
    g = torch.Generator().manual_seed(0)
    share, mean, std = (
        torch.tensor(v, dtype=torch.float64) for v in ([0.3, 0.7], [-1, 1], [0.2, 0.5])
    )
    u, eps = torch.rand(100_000, generator=g), torch.randn(100_000, generator=g)
    x = CATALOGUE["1.b"].right(share, mean, std, u.double(), eps.double())
    bells, which = torch.distributions.Normal(mean, std), torch.distributions.Categorical(share)
    law = torch.distributions.MixtureSameFamily(which, bells)
    dx = 0.001
    middles = torch.arange(-3, 5, dx, dtype=torch.float64) + dx / 2
    fence = CATALOGUE["1.a"].right(middles, law.log_prob(middles).exp(), dx)
    assert law.cdf(fence - dx / 2).item() < 0.5 <= law.cdf(fence + dx / 2).item()
    for place in (fence, torch.tensor(0.0), torch.tensor(1.0)):
        left, chance = (x < place).double().mean().item(), law.cdf(place).item()
        assert left == pytest.approx(chance, abs=5 * (chance * (1 - chance) / 100_000) ** 0.5)


# ------------------------------------------------------------------------------------- right answers in other clothes


def in_place(x, beta, eps):
    x *= (1 - beta).sqrt()
    eps *= beta.sqrt()
    x += eps
    return x


def by_loop(x, beta, s, t, eps):
    signal, var = 1.0, 0.0
    for k in range(s + 1, t + 1):
        signal, var = signal * math.sqrt(1 - beta[k]), (1 - float(beta[k])) * var + float(beta[k])
    return signal * x + math.sqrt(var) * eps


def by_ratio(x, beta, s, t, eps):
    alpha_bar = (1 - beta).cumprod(0)
    return from_left(x, alpha_bar[t] / alpha_bar[s], eps)


def from_left(x0, left, eps):
    return left.sqrt() * x0 + (1 - left).sqrt() * eps


def pieces(share, u):
    first, second = share[0], share[0] + share[1]
    return torch.where(u < first, 0, torch.where(u < second, 1, 2))


def p_by_list(q, p, x0, eps):
    x = [
        law.mean + law.var.sqrt() * e
        for law, e in zip([q.marginal(x0, t) for t in range(q.T + 1)], eps, strict=True)
    ]
    steps = [q.posterior(x[t], x0, t).kl(p.step(x[t], t)) for t in range(q.T, 1, -1)]
    return sum(steps, start=-p.step(x[1], 1).log_prob(x0)) + q.marginal(x0, q.T).kl(p.prior(x0))


def numpy_loss(network, x0, s, t, eps):
    x_t = s.alpha_bar[t].sqrt() * x0 + s.noise_var[t].sqrt() * eps
    said = Prediction(x_t, s.log_snr[t], v=network(x_t, s.log_snr[t])).eps
    return np.mean((eps.numpy() - said.numpy()) ** 2)


def rescaled_error_of_v(network, x0, s, t, eps):
    a = s.alpha_bar[t]
    v = a.sqrt() * eps - (1 - a).sqrt() * x0
    return a * (v - network(from_left(x0, a, eps), s.log_snr[t].expand(len(x0)))).square().mean()


def by_pulls(x_t, data, alpha_bar):
    rows = []
    for x in x_t:
        pulls = (alpha_bar.sqrt() * data - x) / (1 - alpha_bar)
        bells = torch.exp(-0.5 * (1 - alpha_bar) * pulls.square().sum(1))
        rows.append((bells[:, None] * pulls).sum(0) / bells.sum())
    return torch.stack(rows)


OTHERWISE = [
    ("1.a", lambda x, heights, dx: x[torch.searchsorted((heights * dx).cumsum(0), 0.5)]),
    ("1.a", lambda x, heights, dx: x[((heights * dx).cumsum(0) < 0.5).sum()]),
    ("1.a", lambda x, heights, dx: float(x.numpy()[np.argmax(np.cumsum(heights.numpy()) * dx.item() >= 0.5)])),
    ("1.a", lambda x, h, dx: x[h.cumsum(0) >= h.sum() / 2][:1]),
    ("1.a", lambda x, h, dx: next(v for i, v in enumerate(x) if sum(h[: i + 1]) * dx >= 0.5)),
    ("1.b", lambda w, m, s, u, eps: torch.stack([m[k] + s[k] * e for k, e in zip(pieces(w, u), eps, strict=True)])),
    ("1.b", lambda w, m, s, u, eps: [float(m[k] + s[k] * e) for k, e in zip(pieces(w, u), eps, strict=True)]),
    ("1.b", lambda w, m, s, u, eps: m[torch.searchsorted(w.cumsum(0), u)] + s[torch.searchsorted(w.cumsum(0), u)] * eps),
    ("1.b", lambda w, m, s, u, eps: torch.nn.functional.one_hot(pieces(w, u), 3).to(m.dtype) @ m + s[pieces(w, u)] * eps),
    ("2.b", lambda x, var, new_var, eps: x + math.sqrt(new_var - var) * eps),
    ("2.b", lambda x, var, new_var, eps: Gaussian(x, new_var - var).mean + Gaussian(x, new_var - var).std * eps),
    ("2.b", lambda eps, new_var, var, x: x + (new_var - var).sqrt() * eps),           # our names, in another order
    ("2.b", lambda m, v, w, e: m + np.sqrt(w.item() - v.item()) * e),                        # other names, in our order
    ("2.b", lambda *args: args[0] + (args[2] - args[1]) ** 0.5 * args[3]),
    ("2.b", lambda x, var, new_var, eps, extra=1: x + (new_var - var) ** 0.5 * eps * extra),
    ("2.b", lambda x, var, new_var, eps: torch.addcmul(x, (new_var - var).sqrt(), eps).double()),
    ("2.b", lambda x, var, new_var, eps: (x + (new_var - var).sqrt() * eps).float()),
    ("2.b", lambda x, var, new_var, eps: (x + (new_var - var).sqrt() * eps).requires_grad_()),
    ("2.a", lambda C: C.mean()),
    ("2.a", lambda C: float(np.mean(C.numpy()))),
    ("2.a", lambda C: C.mean(0).mean(0, keepdim=True)),
    ("2.a", lambda C: torch.full((len(C),), 1 / len(C), dtype=C.dtype) @ C @ torch.full((len(C),), 1 / len(C), dtype=C.dtype)),
    ("2.a", lambda C: sum(C[i, j] for i in range(len(C)) for j in range(len(C))) / len(C) ** 2),
    ("2.a", lambda C: (C.trace() + 2 * C.triu(1).sum()) / len(C) ** 2),
    ("3.a", in_place),
    ("3.a", lambda x, beta, eps: math.sqrt(1 - beta) * x + math.sqrt(beta) * eps),
    ("3.a", lambda x, beta, eps: x * (1 - beta.item()) ** 0.5 + eps * beta.item() ** 0.5),
    ("3.a", lambda x, beta, eps: (1 - beta).sqrt().expand_as(x) * x + beta.sqrt().view(*[1] * x.ndim) * eps),
    ("3.a", lambda x, b, e: torch.tensor(np.sqrt(1 - b.numpy()) * x.numpy() + np.sqrt(b.numpy()) * e.numpy())),
    ("3.b", by_loop),
    ("3.b", by_ratio),
    ("3.b", lambda x, beta, s, t, eps: from_left(x, torch.log1p(-beta)[s + 1 : t + 1].sum().exp(), eps)),
    ("4.b", lambda starts, weights, a, v: v + (weights * (a * starts) ** 2).sum() - (weights * a * starts).sum() ** 2),
    ("4.b", lambda x, w, a, v: np.average(a**2 * (x - np.average(x, weights=w)) ** 2 + v, weights=w)),
    ("4.b", lambda x, w, a, v: v + 0.5 * a**2 * (w[:, None] * w * (x[:, None] - x) ** 2).sum()),
    ("4.a", lambda prior, likelihood, dx: torch.softmax(prior.log() + likelihood.log(), 0) / dx),
    ("4.a", lambda prior, likelihood, dx: (7 * prior * likelihood) / (7 * prior * likelihood * dx).sum()),
    ("5.b", lambda q, p, x0, eps: p_by_list(q, p, x0, eps)),
    ("5.b", lambda q, p, x0, eps: p_by_list(q, p, x0.double(), eps.double())),
    ("5.a", lambda log_w: torch.logsumexp(log_w, 0) - math.log(len(log_w))),
    ("5.a", lambda log_w: torch.logsumexp(log_w - math.log(len(log_w)), 0, keepdim=True)),
    ("6.a", lambda x_t, eps, alpha_bar: x_t / alpha_bar.sqrt() - (1 / alpha_bar - 1).sqrt() * eps),
    ("6.b", numpy_loss),
    ("6.b", rescaled_error_of_v),
    ("7.a", lambda x_t, data, alpha_bar: Empirical(data).noised(torch.logit(alpha_bar).double()).score(x_t)),
    ("7.a", by_pulls),
    ("7.b", lambda h, var: var - var * (1 - h / var) ** 2),
    ("7.b", lambda h, var: h.item() * (2 - (h / var).item())),
    ("8.a", lambda film: torch.tensor({"A": 4, "B": 2, "C": 1, "D": 3}[film])),
    ("8.a", lambda film: float({"A": 4, "B": 2, "C": 1, "D": 3}[film])),
    ("9.a", lambda x, eps, a2: a2.sqrt() / 2 * ((x - (1 - a2).sqrt() * eps) / a2.sqrt() - a2.sqrt() * x)),
    ("9.a", lambda x, eps, a2: math.sqrt(1 - a2) * (math.sqrt(1 - a2) * x - eps) / 2),
    ("9.b", lambda x, var, a2, b2: x / (a2 * var + 1 - a2).sqrt() * (b2 * var + 1 - b2).sqrt()),
    ("9.b", lambda x, var, a2, b2: x * math.exp(0.5 * math.log((1 + b2 * (var - 1)) / (1 + a2 * (var - 1))))),
    ("10.a", lambda x, x0, a2, b2, kept, xi: math.sqrt(b2) * x0 + math.sqrt((1 - b2) / (1 - a2)) * kept * (x - math.sqrt(a2) * x0)
     + math.sqrt((1 - b2) * (1 - kept**2)) * xi),
    ("10.b", lambda left, var, a2, b2: math.log(left) / (math.log(var + 1 / b2 - 1) - math.log(var + 1 / a2 - 1))),
    ("11.a", lambda y, M, b: torch.distributions.MultivariateNormal(b, M @ M.T).log_prob(y)),
    ("11.b", lambda f, x, v, h: torch.einsum("bi,bi->b", v, f(x + h * v) - f(x)) / h),
    ("12.a", lambda error, log_snr, d: d / 2 * (1 + math.log(math.tau))
     - 0.25 * ((d * log_snr.sigmoid() - error)[1:] + (d * log_snr.sigmoid() - error)[:-1]) @ log_snr.diff()),
    ("12.b", lambda square, width: torch.softmax(square.log() / 2 + width.log(), 0)),
    ("14.a", lambda x, u, a2: (x + (1 - a2).sqrt() * u(x / (a2.sqrt() + (1 - a2).sqrt()), 1 / (1 + (1 / a2 - 1).sqrt())))
     / (a2.sqrt() + (1 - a2).sqrt())),
    ("14.b", lambda v: (1 / torch.sigmoid(-v / 2) - 1) / 2),
    ("15.a", lambda told, slope, a2, w: torch.lerp(told, told + (1 / math.sqrt(a2) - math.sqrt(a2)) * slope, w - 1)),
    ("15.b", lambda strong, weak, truth: (math.log(weak) - math.log(truth)) / (math.log(weak) - math.log(strong))),
    ("16.a", lambda data, x, a, s: torch.softmax((a * x.flatten(1) @ data.flatten(1).T
     - a**2 / 2 * data.flatten(1).square().sum(1)) / s**2, 1)),
    ("16.b", lambda error, log_snr, n: float(np.interp(math.log(n), np.concatenate([[0.0], np.cumsum(
        (error[1:] + error[:-1]).double().numpy() / 4 * log_snr.diff().double().numpy())]), log_snr.double().numpy()))),
    ("17.a", lambda mean, cov, A, r, y: torch.linalg.solve(torch.linalg.inv(cov) + A.T @ A / r**2,
     torch.linalg.solve(cov, mean) + A.T @ y / r**2)),
    ("17.b", lambda guess, J, A, r, y, a2: guess + (1 / a2.sqrt() - a2.sqrt())
     * torch.autograd.functional.vjp(lambda z: -((y - A @ (guess + J @ z)) / r).square().sum() / 2, torch.zeros_like(guess))[1]),
    ("19.a", lambda words, p, x, seen: (k := p * (((words - x).abs() * seen).sum(1) == 0)) @ words / k.sum()),
    ("19.b", lambda chance, seen, t: -torch.where(seen > 0, 1, chance).log().mean(1) / (t * math.log(2))),
    ("13.a", lambda u, v, w: ((1 + (w - v) / (v - u) / 2).item(), (-(w - v) / (v - u) / 2).item())),
    ("13.a", lambda u, v, w: torch.stack([(w - v) / 2 + v - u, -(w - v) / 2]) / (v - u)),
    ("13.b", lambda n, n2, n4: math.log(abs((n2 - n) / (n4 - n2))) / math.log(2)),
    ("13.b", lambda n, n2, n4: (n2 - n).abs().log2() - (n4 - n2).abs().log2()),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(OTHERWISE)))
def test_a_right_answer_written_differently_passes(i):
    name, f = OTHERWISE[i]
    for seed in SEEDS:
        state, says = _judge(CATALOGUE[name], f, seed)
        assert state == "right", (seed, says)


def test_every_exercise_is_written_differently_at_least_once():
    assert {name for name, _ in OTHERWISE} | {"8.b"} == set(NAMES)


def test_a_loop_that_counts_up_passes():
    def loop(p, x_T, eps):
        x = x_T.clone()
        for k in range(p.T):
            t = p.T - k
            step = p.step(x, t)
            z = torch.zeros_like(x) if t == 1 else eps[t]
            x = step.mean + step.var.sqrt() * z
        return x

    assert _judge(CATALOGUE["8.b"], loop, 3)[0] == "right"


def test_another_dtype_is_right_and_said_so(said):
    assert said("3.a", lambda x, beta, eps: CATALOGUE["3.a"].right(x, beta, eps).float()) == (
        "3.a  right, on 6 random inputs and at the edges. "
        "(It came in float32; results here keep the input's float64.)\n"
    )


def test_a_check_leaves_the_readers_random_numbers_and_tensors_alone(said):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    said("3.a", lambda x, beta, eps: torch.randn(x.shape))
    said("3.a", in_place)
    assert torch.equal(torch.get_rng_state(), before)
    assert "right" in said("3.a", in_place)


def test_what_a_function_prints_is_shown_once(said):
    def chatty(x, beta, eps):
        print("shape", tuple(x.shape))
        return in_place(x, beta, eps)

    assert said("3.a", chatty).startswith("shape (3, 1, 4, 4)\n3.a  right")
    assert said("3.a", lambda x, beta, eps: print("here") or x).count("here") == 1


def test_under_no_grad_inference_and_another_default_dtype():
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            assert all(
                _judge(CATALOGUE[name], CATALOGUE[name].right, 1)[0] == "right" for name in NAMES
            )
    torch.set_default_dtype(torch.float64)
    try:
        assert all(
            _judge(CATALOGUE[name], CATALOGUE[name].right, 1)[0] == "right" for name in NAMES
        )
    finally:
        torch.set_default_dtype(torch.float32)


# -------------------------------------------------------------------------------------------- what is not an answer yet


def stub(x, beta, eps):
    "One forward step: scale x, scale the given noise eps, add."
    ...


def bare(x, beta, eps): ...


def only_pass(x, beta, eps):
    pass


def dots(x, beta, eps):
    return ...


def not_implemented(x, beta, eps):
    raise NotImplementedError("later")


@pytest.mark.parametrize(
    "f", [stub, bare, only_pass, dots, not_implemented, lambda x, beta, eps: ...]
)
def test_a_stub_is_not_tried_and_writes_nothing(f, said, file):
    assert said("3.a", f) == (
        f'3.a  not tried yet: fill in {f.__name__} and run the cell again. hint("3.a") helps.\n'
    )
    assert not file.parent.exists()


@pytest.mark.parametrize("name", NAMES)
def test_every_stub_is_not_tried(name):
    space = {}
    exec(f"def f({', '.join(CATALOGUE[name].draw(Draws(0)))}):\n    'What to do.'\n    ...", space)
    assert _judge(CATALOGUE[name], space["f"], 0) == ("untried", "")


def forgot(x, beta, eps):
    x = (1 - beta).sqrt() * x + beta.sqrt() * eps


def misspelt(x, beta, eps):
    return (1 - beta).sqrt() * x + betta.sqrt() * eps  # noqa: F821


def deep(x, beta, eps):
    return deep(x, beta, eps)


class Hostile:
    "Raises whatever is asked of it."

    def __getattr__(self, name):
        raise RuntimeError("hostile")

    def __array__(self, *args, **kwargs):
        raise RuntimeError("hostile")

    def __len__(self):
        raise RuntimeError("hostile")


NO_ANSWER = [
    (forgot, "Your function returned None. Is a return missing?"),
    (misspelt, "Your function raised NameError: name 'betta' is not defined"),
    (deep, "Your function raised RecursionError: maximum recursion depth exceeded"),
    (lambda x, beta, eps: exit(1), "Your function raised SystemExit: 1"),
    (lambda x, beta, eps: 1 / 0, "Your function raised ZeroDivisionError: division by zero"),
    (lambda x, beta, eps: torch.zeros(3) @ torch.zeros(4), "Your function raised RuntimeError: "),
    (lambda x, eps: x, "The function is called with x, beta, eps. Yours takes (x, eps)."),
    (lambda x, beta, eps, more: x, "Yours takes (x, beta, eps, more)."),
    (lambda x, beta, eps: "noise", "Your function returned a str. Numbers are due"),
    (lambda x, beta, eps: {"x": x}, "Your function returned a dict. Numbers are due"),
    (lambda x, beta, eps: [x, x[:0]], "Your function returned a list. Numbers are due"),
    (lambda x, beta, eps: print, "Your function returned a builtin_function_or_method. Numbers are due"),
    (lambda x, beta, eps: Hostile(), "Your function returned a Hostile. Numbers are due"),
    (torch.zeros(3), "Hand over the function itself, without calling it: its name, and no brackets behind it. A T"),
    (None, "Hand over the function itself"),
    (lambda x, beta, eps: x[0, 0], "Your result has the wrong shape: (4, 4) came, (3, 1, 4, 4) was due."),
    (lambda x, beta, eps: x.sum(), "Your result has the wrong shape: () came, (3, 1, 4, 4) was due."),
    (lambda x, beta, eps: (10 * x).long(), "Your result has the wrong dtype: int64 came, float64 was due."),
    (lambda x, beta, eps: x > 0, "Your result has the wrong dtype: bool came, float64 was due."),
    (lambda x, beta, eps: x * 1j, "Your result has the wrong dtype: complex128 came, float64 was due."),
    (lambda *args: in_place(*args).half(), "Your result has the wrong dtype: float16 came, float64 was due."),
    (lambda x, beta, eps: torch.full_like(x, math.nan), "came [[nan, nan]]"),
    (lambda x, beta, eps: torch.full_like(x, math.inf), "came [[inf, inf]]"),
    (lambda x, beta, eps: torch.randn_like(x), "Two calls with the same input gave two answers"),
    (lambda x, beta, eps: x[:0], "Your result has the wrong shape: (0, 1, 4, 4) came"),
]  # fmt: skip


@pytest.mark.bad_input
@pytest.mark.parametrize("f, words", NO_ANSWER, ids=range(len(NO_ANSWER)))
def test_no_answer_or_an_unknown_one_is_told_and_nothing_raises(f, words, said):
    out = said("3.a", f)
    assert out.startswith("3.a  not yet. ") and words in out
    if "came" not in words:
        assert len(out.strip().splitlines()) == 1


def test_the_readers_own_line_is_shown(said):
    out = said("3.a", misspelt)
    assert "(in: return (1 - beta).sqrt() * x + betta.sqrt() * eps" in out


@pytest.mark.bad_input
@pytest.mark.parametrize("f", [
    lambda *a: None, lambda *a: 0, lambda *a: math.nan, lambda *a: torch.zeros(0), lambda *a: torch.ones(2, 2),
    lambda *a: a[0], lambda *a: a[-1], lambda *a: a, lambda: 1, lambda *a: torch.randn(3), lambda *a: np.float32(1),
    lambda *a: [], int, print, lambda *a: Hostile(), Hostile, "text", 3, lambda *a: a[99],
    lambda *a: torch.zeros(2).to_sparse(),
], ids=range(20))  # fmt: skip
def test_nothing_that_a_reader_hands_over_raises(f, said):
    for name in NAMES:
        assert f"{name}  not" in said(name, f)  # print says something itself


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=5)
@given(st.floats(-3, 3).filter(lambda v: abs(v - 1) > 1e-3))
@pytest.mark.long
def test_a_scaled_answer_is_wrong_and_shown(name, factor):
    exercise = CATALOGUE[name]
    state, says = _judge(exercise, lambda *a: factor * torch.as_tensor(exercise.right(*a)), 5)
    assert state == "wrong" and says


def test_one_small_input_says_what_came_and_what_was_due(said):
    out = said("2.b", lambda x, var, new_var, eps: x + 1.3 * (new_var - var).sqrt() * eps)
    first, came, due = out.splitlines()
    assert (
        first.startswith("2.b  not yet. For x = [[")
        and ", var = 0." in first
        and ", new_var = " in first
        and ", eps = [[" in first
    )
    space = {}
    exec(
        first.split("For ")[1]
        .replace(", var", "; var")
        .replace(", new", "; new")
        .replace(", eps", "; eps"),
        space,
    )
    x, var, new_var, eps = (np.array(space[key]) for key in ("x", "var", "new_var", "eps"))
    np.testing.assert_allclose(
        json.loads(due.split("due ")[1]), x + np.sqrt(new_var - var) * eps, rtol=1e-2, atol=1e-3
    )
    np.testing.assert_allclose(
        json.loads(came.split("came ")[1]),
        x + 1.3 * np.sqrt(new_var - var) * eps,
        rtol=1e-2,
        atol=1e-3,
    )


def test_right_on_small_inputs_alone(said):
    right = CATALOGUE["3.a"].right
    out = said(
        "3.a", lambda x, beta, eps: right(x, beta, eps) if len(x) == 1 else right(x, beta, eps) + 1
    )
    assert "wrong on larger ones" in out


def test_an_edge_is_named(said):
    right = CATALOGUE["3.a"].right
    out = said("3.a", lambda x, beta, eps: right(x, beta, eps) if beta > 0 else x + 1)
    assert out == "3.a  not yet. Right inside, and wrong at an edge. At β = 0 the image changed.\n"
    out = said("3.a", lambda x, beta, eps: right(x, beta, eps) if 0 < beta else 1 / 0)
    assert "ZeroDivisionError" in out


def test_noise_drawn_anew_in_the_loss_has_its_own_sentence(said):
    def fresh(network, x0, s, t, eps):
        x_t = s.alpha_bar[t].sqrt() * x0 + (1 - s.alpha_bar[t]).sqrt() * torch.randn_like(x0)
        a, v = s.alpha_bar[t], network(x_t, s.log_snr[t])
        return ((eps - (1 - a).sqrt() * x_t - a.sqrt() * v) ** 2).mean()

    assert "you drew new noise inside" in said("6.b", fresh)
    numbers = iter(range(10**6))
    assert "Two calls with the same input" in said("3.a", lambda x, beta, eps: x + next(numbers))


def test_a_check_takes_an_instant():
    for name in NAMES:
        start = time.process_time()
        _judge(CATALOGUE[name], CATALOGUE[name].slips[-1].makes[-1], 1)
        assert time.process_time() - start < 10  # alone a second at most


@pytest.mark.parametrize(
    "call", [lambda: check("3.z", stub), lambda: hint("99.a"), lambda: check("3", stub)]
)
def test_an_unknown_name_is_an_error_that_lists_them(call):
    with pytest.raises(ValueError, match="name must be one of 1.a, 1.b, .*, got"):
        call()


# --------------------------------------------------------------------------------------------- comparing, to rounding


@pytest.mark.parametrize("came, due, same", [
    (1.0, 1.0, True), (1.0 + 1e-11, 1.0, True), (1.0 + 1e-6, 1.0, False), (np.float64(2), 2.0, True),
    ([1.0, 2.0], [1, 2], True), (1, 1.0, True), (math.inf, math.inf, True), (math.inf, -math.inf, False),
    (math.nan, math.nan, True), (math.nan, 1.0, False), ([[3.0]], 3.0, True), ([3.0, 3.0], 3.0, False),
    (np.float32(0.1), 0.1, True), (np.float32(0.1001), 0.1, False), (1e-12, 2e-12, False), (0.0, 0.0, True),
    (1e-10, 0.0, True), (True, True, True),
])  # fmt: skip
def test_what_counts_as_the_same(came, due, same):
    assert _same(_tensor(came), _tensor(due)) == same


# ---------------------------------------------------------------------------------------------------- hints, progress


def test_hints_say_more_each_time(capsys):
    for start in (
        "3.a  a nudge: ",
        "3.a  the formula: ",
        "3.a  the solution:",
        "3.a  the solution:",
    ):
        hint("3.a")
        assert capsys.readouterr().out.startswith(start)
    hint("3.b")
    assert capsys.readouterr().out.startswith("3.b  a nudge: ")


def listed(capsys) -> str:
    capsys.readouterr()
    progress()
    return capsys.readouterr().out


def test_progress_counts(said, capsys, file):
    assert f"0 of {len(NAMES)} passed" in listed(capsys) and not file.parent.exists()
    said("3.a", lambda x, beta, eps: x)
    assert "3.a  one forward step                tried once" in listed(capsys)
    said("3.a", lambda x, beta, eps: 1 / 0)
    assert "tried 2 times" in listed(capsys)
    said("3.a", CATALOGUE["3.a"].right)
    assert "3.a  one forward step                passed" in listed(capsys)
    said("3.a", lambda x, beta, eps: x)
    out = listed(capsys)
    assert (
        "3.a  one forward step                passed" in out and f"1 of {len(NAMES)} passed" in out
    )
    assert json.loads(file.read_text()) == {"3.a": {"passed": True, "tries": 4}}
    assert [path.name for path in file.parent.iterdir()] == ["progress.json"]
    assert all(len(line) <= 104 for line in out.splitlines())


DAMAGED = [
    "",
    "{",
    "[]",
    "3",
    "null",
    '{"3.a": 1}',
    '{"3.a": {}}',
    "[" * 100_000,
    '{"3.a": {"tries": 0, "passed": true}}',
    '{"3.a": {"tries": "1", "passed": true}}',
    '{"3.a": {"tries": 1, "passed": 1}}',
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_is_set_aside_and_said_so(content, said, capsys, file):
    content = content if isinstance(content, bytes) else content.encode()
    file.parent.mkdir()
    file.write_bytes(content)
    out = listed(capsys)
    assert (
        f"0 of {len(NAMES)} passed" in out
        and "(progress.json is damaged" in out
        and file.read_bytes() == content
    )
    out = said("3.a", CATALOGUE["3.a"].right)
    assert (
        "right" in out and "(progress.json was damaged. It is kept as progress.json.damaged" in out
    )
    assert file.with_name("progress.json.damaged").read_bytes() == content
    assert json.loads(file.read_text()) == {"3.a": {"passed": True, "tries": 1}}
    assert "damaged" not in said("3.a", CATALOGUE["3.a"].right) + listed(capsys)


def test_a_file_that_was_set_aside_stays(said, file):
    file.parent.mkdir()
    for content in (b"first", b"second", b"third"):
        file.write_bytes(content)
        said("3.a", CATALOGUE["3.a"].right)
    kept = {path.name: path.read_bytes() for path in file.parent.glob("*.damaged*")}
    assert kept == {
        f"progress.json.damaged{i}": b for i, b in (("", b"first"), (1, b"second"), (2, b"third"))
    }


def test_exercises_of_another_version_are_kept(said, file):
    file.parent.mkdir()
    file.write_text('{"9.c": {"passed": true, "tries": 2}}')
    said("3.a", CATALOGUE["3.a"].right)
    assert set(json.loads(file.read_text())) == {"3.a", "9.c"}


def refused(path, *args, **kwargs):
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


def blocked(file, how, monkeypatch=None):
    "Make it impossible to write the file."
    if how == "a file where the folder should be":
        file.parent.write_text("")
    elif how == "a folder where the file should be":
        file.mkdir(parents=True)
    elif how == "read-only":  # as the system says it; chmod does not stop root
        monkeypatch.setattr(exercises, "write_file", refused)


@pytest.mark.parametrize(
    "how", ["a file where the folder should be", "a folder where the file should be", "read-only"]
)
def test_where_nothing_can_be_written_the_exercises_go_on(how, said, capsys, file, monkeypatch):
    blocked(file, how, monkeypatch)
    line = "(This cannot be written down here. It is remembered until the notebook is closed.)"
    assert line in said("3.a", lambda x, beta, eps: x)
    assert "tried once" in listed(capsys)
    out = said("3.a", CATALOGUE["3.a"].right)
    assert "right" in out and line in out
    assert "passed" in listed(capsys) and f"1 of {len(NAMES)} passed" in listed(capsys)


def test_what_was_remembered_is_written_as_soon_as_it_can_be(said, file):
    blocked(file, "a file where the folder should be")
    said("3.a", CATALOGUE["3.a"].right)
    file.parent.unlink()
    said("3.b", lambda x0, beta, t, eps: x0)
    assert json.loads(file.read_text()) == {
        "3.a": {"passed": True, "tries": 1},
        "3.b": {"passed": False, "tries": 1},
    }


def test_a_failed_write_leaves_the_old_file_whole(said, file, monkeypatch):
    said("3.a", CATALOGUE["3.a"].right)
    before = file.read_bytes()

    def fails(*args):
        raise OSError("disk full")

    monkeypatch.setattr(exercises.os, "replace", fails)
    assert "cannot be written down" in said("3.b", CATALOGUE["3.b"].right)
    assert file.read_bytes() == before and [p.name for p in file.parent.iterdir()] == [
        "progress.json"
    ]


@pytest.mark.skipif(os.name != "posix", reason="nothing is locked elsewhere")
def test_many_notebooks_count_at_once_and_none_is_lost(file):
    "120 checks from 24 processes, each with an exercise of its own; and all of them with one more."
    children = []
    for i in range(24):
        if not (child := os.fork()):
            for _ in range(4):
                exercises._record(f"own.{i}", False)
            exercises._record("all", True)
            os._exit(0)
        children.append(child)
    assert {os.waitpid(child, 0)[1] for child in children} == {0}
    kept = json.loads(file.read_text())
    assert kept.pop("all") == {"passed": True, "tries": 24}
    assert kept == {f"own.{i}": {"passed": False, "tries": 4} for i in range(24)}
    assert [path.name for path in file.parent.iterdir()] == ["progress.json"]


def test_tries_from_before_count_where_nothing_can_be_written(said, capsys, file, monkeypatch):
    for _ in range(2):
        said("3.a", lambda x, beta, eps: x)
    monkeypatch.setattr(exercises, "locked", refused)
    assert "cannot be written down" in said("3.a", lambda x, beta, eps: x)
    assert "tried 3 times" in listed(capsys)


@pytest.mark.bad_input
@pytest.mark.parametrize("args, error, words", [
    ((3,), TypeError, "x0 must be a floating-point tensor, got int"),
    ((None,), TypeError, "x0 must be a floating-point tensor, got NoneType"),
    ((torch.zeros(1, 2).long(),), TypeError, "x0 must be a floating-point tensor, got torch.int64"),
    ((torch.zeros(()),), ValueError, r"x0 must have shape \(b, \*event\)"),
    ((torch.zeros(2, 3),), ValueError, r"x0 must hold one picture, \(1, \*event\), got shape \(2, 3\)"),
    ((torch.zeros(0, 3),), ValueError, "x0 must hold at least one picture, got shape"),
    ((torch.full((1, 3), torch.nan),), ValueError, "x0 must be finite, got nan"),
    ((torch.zeros(1, 3), 0), TypeError, "generator must be a Generator or a NoneType, got int"),
])  # fmt: skip
def test_what_no_film_can_be_made_of(args, error, words):
    with pytest.raises(error, match=words):
        mystery(*args)


def test_without_the_variable_it_is_the_systems_own_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("DIFFUSION_MATH_PROGRESS")
    file = exercises._file()
    assert (
        file.name == "progress.json" and file.parent.name == "diffusion_math" and file.is_absolute()
    )
    assert ROOT not in file.parents
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert "remembered" in exercises._record("3.a", True)


# ------------------------------------------------------------------------------------------------------- in the package


def test_the_commands_are_public():
    assert {"check", "hint"} <= set(diffusion_math.__all__)
