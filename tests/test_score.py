"""The dictionary, Tweedie's formula, the score-matching losses and Langevin's walks against independent answers.

`error` is the largest |a - b| / max(1, |b|). A Monte Carlo test fails at five sigma.
"""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math.ddpm import DDPM, Prediction, simple_loss
from diffusion_math.forward import ForwardProcess, linear_schedule
from diffusion_math.laws.mixture import Empirical, GaussianMixture
from diffusion_math.reverse import ExactReverse
from diffusion_math.score import (
    annealed_langevin,
    dsm_loss,
    hyvarinen_loss,
    langevin,
    score_of,
    tweedie,
    tweedie_cov,
)
from tests.truth import Wrapped, error, seed, within

F32, F64 = torch.float32, torch.float64
INF = math.inf
KINDS = ("x0", "eps", "v", "score", "velocity")
EVENTS = [(), (2,), (1, 4, 3)]


def minus_x(x, log_snr):
    "The score of N(0, I) at every noise level."
    return -x


def normal(*shape, draw=0, dtype=F64):
    return torch.randn(*shape, generator=seed(draw), dtype=dtype)


def plane(k=3, event=(2,), draw=0, dtype=F64):
    "A mixture of tilted Gaussians over an event shape."
    g, d = seed(draw), math.prod(event)
    root = torch.randn(k, d, d, generator=g, dtype=F64)
    covs = root @ root.mT / (4 * d) + 0.02 * torch.eye(d, dtype=F64)
    means = 1.5 * torch.randn(k, *event, generator=g, dtype=F64)
    weights = torch.rand(k, generator=g, dtype=F64) + 0.3
    return GaussianMixture(weights / weights.sum(), means, covs).to(dtype)


def truth_at(event, level, b=4, draw=0):
    "x_t, and everything that Prediction speaks of, from x0 and eps by the definitions."
    x0, eps = normal(b, *event, draw=draw), normal(b, *event, draw=draw + 1)
    lam = torch.as_tensor(level, dtype=F64)
    a, s = torch.sigmoid(lam).sqrt(), torch.sigmoid(-lam).sqrt()
    a, s = (z.view(-1, *[1] * len(event)) if z.ndim else z for z in (a, s))
    x_t = a * x0 + s * eps
    score = -eps / s
    return x_t, {
        "x0": x0,
        "eps": eps,
        "v": a * eps - s * x0,
        "score": score,
        "velocity": a / 2 * (x0 - a * x_t),
    }


def said(x_t, level, **one):
    return Prediction(x_t, level, **one)


class TestDictionary:
    "Prediction: each of five quantities from each."

    @pytest.mark.parametrize("event", EVENTS)
    @pytest.mark.parametrize("name", KINDS)
    @pytest.mark.parametrize("want", KINDS)
    def test_each_from_each(self, name, want, event):
        q = ForwardProcess(linear_schedule(1000))
        for level in (
            *q.schedule.log_snr[[2, 30, 500, 1000]],
            torch.tensor([-3.0, -1.0, 0.5, 3.0]),
        ):
            x_t, truth = truth_at(event, level, draw=3)
            got = getattr(said(x_t, level, **{name: truth[name]}), want)
            assert error(got, truth[want]) < 1e-10

    @pytest.mark.parametrize("name", KINDS)
    @pytest.mark.parametrize("want", KINDS)
    @pytest.mark.parametrize("dtype, tolerance", [(F32, 1e-5), (torch.float16, 2e-2)])
    def test_each_from_each_in_lower_precision(self, name, want, dtype, tolerance):
        level = torch.tensor([-3.0, -1.0, 0.5, 3.0]).double()
        x_t, truth = truth_at((5,), level)
        got = getattr(said(x_t.to(dtype), level, **{name: truth[name].to(dtype)}), want)
        assert got.dtype == dtype and error(got, truth[want]) < tolerance

    @given(st.floats(-25, 25), st.permutations(KINDS), st.integers(0, 10**6))
    def test_round_trips_through_all_five(self, level, names, draw):
        x_t, truth = truth_at((3,), level, draw=draw)
        start = value = getattr(said(x_t, level, eps=truth["eps"]), names[0])
        for now, then in zip(names, [*names[1:], names[0]], strict=True):
            value = getattr(said(x_t, level, **{now: value}), then)
        # what one of them knows to rounding another knows to rounding times the ratio of the scales
        loss = math.exp(1.5 * abs(level))
        assert ((value - start).abs() <= 1e-13 * loss * (1 + start.abs() + x_t.abs())).all()

    def test_as_a_rotation(self):
        "(x_t, v) is (x0, eps), turned by the angle whose cosine is sqrt(alpha_bar): each is a sum of v's and x_t's."
        x_t, truth = truth_at((3,), 0.7)
        a, s = (torch.sigmoid(torch.tensor(z, dtype=F64)).sqrt() for z in (0.7, -0.7))
        combination = {
            "v": (1, 0), "x0": (-s, a), "eps": (a, s), "score": (-a / s, -1), "velocity": (-a * s / 2, 0)
        }  # fmt: skip
        for name, (of_v, of_x) in combination.items():
            value = of_v * truth["v"] + of_x * x_t
            assert error(getattr(said(x_t, 0.7, v=truth["v"]), name), value) < 1e-14
            assert error(said(x_t, 0.7, **{name: value}).v, truth["v"]) < 1e-13

    def test_the_velocity_moves_the_quantiles(self):
        "Points that start at the quantiles of q(x_t) and follow the velocity stay at them: that defines the flow."
        law = GaussianMixture(
            [0.3, 0.7], torch.tensor([[-2.0], [1.5]], dtype=F64), torch.tensor([0.02, 0.1]).double()
        )
        ranks = torch.tensor([0.05, 0.25, 0.4, 0.7, 0.9], dtype=F64)

        def quantiles(level):
            noised = law.noised(level)
            mean, std, w = noised.means[:, 0], noised.components.var[:, 0].sqrt(), noised.weights
            low, high = torch.full_like(ranks, -20), torch.full_like(ranks, 20)
            for _ in range(100):
                middle = (low + high) / 2
                below = (w * torch.special.ndtr((middle[:, None] - mean) / std)).sum(1)
                low, high = (
                    torch.where(below < ranks, middle, low),
                    torch.where(below < ranks, high, middle),
                )
            return low

        for level in (3.0, 0.5, -1.5):
            x = quantiles(level)[:, None]
            velocity = said(x, level, score=law.noised(level).score(x)).velocity
            speed = (quantiles(level + 1e-5) - quantiles(level - 1e-5)) / 2e-5
            assert error(velocity[:, 0], speed) < 1e-6

    def test_a_level_for_each(self):
        levels, x_t = torch.tensor([-4.0, 0.0, 3.0], dtype=F64), normal(3, 1, 2, 2)
        together = said(x_t, levels, v=0.5 * x_t).x0
        rows = [said(x_t[i : i + 1], levels[i], v=0.5 * x_t[i : i + 1]).x0 for i in range(3)]
        assert torch.equal(together, torch.cat(rows))

    # At the ends of the road, what exists there: a function of x_t and what was said.
    NO_DATA = {  # log_snr = -inf: x_t = eps
        "x0": {"x0": lambda x, y: y, "eps": lambda x, y: x, "v": lambda x, y: -y, "score": lambda x, y: -x},
        "v": {"x0": lambda x, y: -y, "eps": lambda x, y: x, "v": lambda x, y: y, "score": lambda x, y: -x},
        "eps": {"eps": lambda x, y: y, "score": lambda x, y: -y, "velocity": lambda x, y: (x - y) / 2},
        "score": {"score": lambda x, y: y, "eps": lambda x, y: -y, "velocity": lambda x, y: (x + y) / 2},
        "velocity": {"velocity": lambda x, y: y, "eps": lambda x, y: x - 2 * y, "score": lambda x, y: 2 * y - x},
    }  # fmt: skip
    NO_NOISE = {  # log_snr = inf: x_t = x0
        "x0": {"x0": lambda x, y: y, "velocity": lambda x, y: (y - x) / 2},
        "v": {"x0": lambda x, y: x, "eps": lambda x, y: y, "v": lambda x, y: y, "velocity": lambda x, y: 0 * x},
        "eps": {"x0": lambda x, y: x, "eps": lambda x, y: y, "v": lambda x, y: y, "velocity": lambda x, y: 0 * x},
        "score": {"score": lambda x, y: y, "x0": lambda x, y: x, "eps": lambda x, y: 0 * x, "v": lambda x, y: 0 * x,
                  "velocity": lambda x, y: 0 * x},
        "velocity": {"velocity": lambda x, y: y, "x0": lambda x, y: x + 2 * y},
    }  # fmt: skip

    @pytest.mark.parametrize("level, table", [(-INF, NO_DATA), (INF, NO_NOISE)])
    @pytest.mark.parametrize("dtype", [F32, F64])
    @pytest.mark.parametrize("name", KINDS)
    def test_at_the_ends_what_exists_is_right_and_the_rest_is_refused(
        self, level, table, dtype, name
    ):
        x, y = normal(3, 2, dtype=dtype), normal(3, 2, draw=1, dtype=dtype)
        for want in KINDS:
            rule = table[name].get(want)
            if rule is None and (want != "velocity" or name in ("x0", "v")):
                if want == "velocity":  # 0 times what is not known
                    assert torch.equal(said(x, level, **{name: y}).velocity, 0 * x)
                    continue
                with pytest.raises(ValueError, match="alpha_bar is 0: at log_snr"):
                    getattr(said(x, level, **{name: y}), want)
            else:
                got = getattr(said(x, level, **{name: y}), want)
                assert got.dtype == dtype and error(got, rule(x, y)) < 1e-6, (name, want)

    def test_one_bad_level_among_many_is_refused(self):
        levels = torch.tensor([0.0, -INF, 2.0], dtype=F64)
        with pytest.raises(ValueError, match="alpha_bar is 0"):
            _ = said(normal(3, 2), levels, eps=normal(3, 2)).x0

    def test_far_out_it_is_still_right(self):
        "Where sigmoid(-log_snr) is far below the last digit of 1, and where both are tiny."
        x_t, truth = truth_at((2,), 80.0)
        assert error(said(x_t, 80.0, v=truth["v"]).eps, truth["eps"]) < 1e-12
        got = said(x_t, 80.0, eps=truth["eps"]).score * math.exp(-40)
        assert error(got, -truth["eps"]) < 1e-12
        x_t, truth = truth_at((2,), -80.0)
        assert error(said(x_t, -80.0, v=truth["v"]).x0, truth["x0"]) < 1e-12

    @pytest.mark.parametrize("name", KINDS)
    def test_gradients_flow(self, name):
        x_t, value = normal(2, 3).requires_grad_(), normal(2, 3, draw=1).requires_grad_()
        for want in KINDS:
            of = lambda x, y, want=want: getattr(said(x, 0.4, **{name: y}), want)
            assert torch.autograd.gradcheck(of, (x_t, value))

    def test_on_another_device(self):
        x = torch.empty(4, 3, device="meta")
        for level in (0.5, torch.zeros(4, dtype=F64), torch.zeros(4, dtype=F64, device="meta")):
            for name in KINDS:
                got = getattr(said(x, level, **{name: x}), "x0" if name != "x0" else "v")
                assert got.device.type == "meta" and got.shape == x.shape and got.dtype == F32

    @pytest.mark.bad_input
    @pytest.mark.parametrize("call, kind, words", [
        (lambda x: said(x, 0.0), TypeError, "give one of .* got none"),
        (lambda x: said(x, 0.0, eps=x, v=x), TypeError, "give one of .* got eps, v"),
        (lambda x: said(x, 0.0, noise=x), TypeError, "give one of .* got noise"),
    ])  # fmt: skip
    def test_wrong_arguments(self, call, kind, words):
        with pytest.raises(kind, match=words):
            call(normal(3, 2))


class TestTweedie:
    @pytest.mark.parametrize("event", [(2,), (1, 2, 3)])
    @pytest.mark.parametrize("level", [-8.0, -2.0, 0.0, 3.0, 8.0])
    def test_equals_the_posterior_mean_of_a_mixture(self, event, level):
        "By Bayes' rule over the components on one side, by the slope of log_prob on the other."
        law = plane(event=event)
        x_t = law.noised(level).sample(20, seed(1))
        score = Wrapped(law.noised(level)).score(x_t)
        assert error(tweedie(score, x_t, level), law.denoise(x_t, level)) < 1e-10

    def test_equals_the_average_over_a_data_set(self):
        data = normal(50, 3)
        x_t, level = normal(5, 3, draw=1), 0.3
        a, var = math.sqrt(1 / (1 + math.exp(-level))), 1 / (1 + math.exp(level))
        share = (-0.5 * (x_t[:, None] - a * data).square().sum(2) / var).softmax(1)
        score = score_of(Empirical(data))(x_t, level)
        assert error(tweedie(score, x_t, level), share @ data) < 1e-10

    def test_a_level_for_each(self):
        law, x_t, levels = plane(), normal(4, 2), torch.tensor([-3.0, -1.0, 0.0, 4.0], dtype=F64)
        assert (
            error(tweedie(score_of(law)(x_t, levels), x_t, levels), law.denoise(x_t, levels))
            < 1e-10
        )

    def test_without_noise_it_is_x_t_and_without_data_an_error(self):
        x, score = normal(3, 2), normal(3, 2, draw=1)
        assert torch.equal(tweedie(score, x, INF), x)
        with pytest.raises(ValueError, match="alpha_bar is 0"):
            tweedie(score, x, -INF)

    @pytest.mark.parametrize("event", [(), (2,), (1, 2, 2)])
    @pytest.mark.parametrize("level", [-2.0, 0.0, 3.0])
    def test_second_order(self, event, level):
        law = plane(event=event)
        x_t = law.noised(level).sample(4, seed(1))
        exact = law.denoise_cov(x_t, level)
        assert error(tweedie_cov(score_of(law), x_t, level), exact) < 1e-10
        assert error(tweedie_cov(score_of(Wrapped(law)), x_t, level), exact) < 1e-10

    def test_second_order_by_importance_sampling(self):
        law, level, x_t = plane(), 0.5, torch.tensor([[0.4, -0.3]], dtype=F64)
        x0 = law.sample(400_000, seed(3))
        a, var = math.sqrt(1 / (1 + math.exp(-level))), 1 / (1 + math.exp(level))
        w = (-0.5 * (x_t - a * x0).square().sum(1) / var).softmax(0)[:, None]
        off = x0 - (w * x0).sum(0)
        each = (50 * w[:, :, None] * off[:, :, None] * off[:, None]).chunk(50)
        batches = torch.stack([part.sum(0) for part in each])
        got = tweedie_cov(score_of(law), x_t, level)[0]
        assert ((got - batches.mean(0)).abs() < 6 * batches.std(0) / 50**0.5).all()

    def test_second_order_refuses_no_data_and_takes_no_noise(self):
        law, x = plane(), normal(2, 2)
        assert error(tweedie_cov(score_of(law), x, INF), torch.zeros(2, 2, 2)) == 0
        with pytest.raises(ValueError, match="nothing of x0 is left"):
            tweedie_cov(score_of(law), x, -INF)
        assert tweedie_cov(score_of(law), x[:0], 0.0).shape == (0, 2, 2)


class Net(torch.nn.Module):
    "A small network over points that is told the noise level."

    def __init__(self, d=2):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(d + 1, 16), torch.nn.Tanh(), torch.nn.Linear(16, d)
        ).double()

    def forward(self, x_t, log_snr):
        return self.layers(torch.cat([x_t, log_snr[:, None].to(x_t)], 1))


class TestScoreOf:
    @pytest.mark.parametrize("level", [-INF, -3.0, 0.0, 5.0, INF])
    def test_a_mixture(self, level):
        law, x = plane(), normal(6, 2)
        assert error(score_of(law)(x, level), law.noised(level).score(x)) < 1e-12
        levels = torch.full((6,), level, dtype=F64)
        assert error(score_of(law)(x, levels), law.noised(level).score(x)) < 1e-12

    def test_any_distribution_at_many_levels(self):
        law, x, levels = plane(), normal(3, 2), torch.tensor([-1.0, 0.0, 2.0], dtype=F64)
        assert error(score_of(Wrapped(law))(x, levels), score_of(law)(x, levels)) < 1e-10
        assert score_of(Wrapped(law))(x[:0], 0.0).shape == (0, 2)

    def test_a_data_set_without_noise_has_none(self):
        with pytest.raises(ValueError, match="score needs variances above 0"):
            score_of(Empirical(normal(4, 2)))(normal(3, 2), INF)

    @pytest.mark.parametrize("predicts", ["eps", "x0", "v"])
    def test_a_network(self, predicts):
        torch.manual_seed(0)
        q = ForwardProcess(linear_schedule(100))
        p, x, t = (
            DDPM(Net(), q, (2,), predicts=predicts),
            normal(5, 2),
            torch.tensor([1, 20, 50, 99, 100]),
        )
        got = score_of(p)(x, q.schedule.log_snr[t])
        assert error(got, p.predict(x, t).score) < 1e-12
        assert (
            error(Prediction(x, q.schedule.log_snr[t], score=got).eps, p.predict(x, t).eps) < 1e-12
        )

    def test_a_chain_that_knows_the_law_is_the_law(self):
        q, law, x = ForwardProcess(linear_schedule(100)), plane(), normal(5, 2)
        assert torch.equal(score_of(DDPM(law, q))(x, 0.7), score_of(law)(x, 0.7))

    def test_the_reverse_step_is_a_step_uphill(self):
        "mean = (x_t + beta score) / sqrt(alpha): the chain of chapter 4 from the score alone."
        q, law = ForwardProcess(linear_schedule(100)), plane()
        for t in (2, 50, 100):
            x = law.noised(q.schedule.log_snr[t]).sample(6, seed(t))
            uphill = (
                x + q.schedule.beta[t] * score_of(law)(x, q.schedule.log_snr[t])
            ) / q.schedule.alpha[t].sqrt()
            assert error(uphill, ExactReverse(q, law).step(x, t).mean) < 1e-10


def on_a_grid(law, level, h=0.01, end=9.0):
    "x, q(x_t) and its score on a grid, in one dimension."
    x = torch.arange(-end, end + h / 2, h, dtype=F64)
    noised = law.noised(level)
    return x, noised.log_prob(x).exp() * h, Wrapped(noised).score(x)


LINE = GaussianMixture(
    [0.3, 0.7], torch.tensor([-2.0, 1.5], dtype=F64), torch.tensor([0.2, 0.4], dtype=F64)
)
MODELS = [
    lambda x: -x,
    lambda x: torch.tanh(2 * x) - x,
    lambda x: torch.sin(3 * x),
    lambda x: 0 * x + 0.5,
]


class TestLosses:
    @pytest.mark.parametrize("model", MODELS)
    def test_three_losses_differ_by_constants(self, model):
        "Explicit, Hyvarinen's and denoising score matching by quadrature, in one dimension."
        level = 0.4
        s2, a = 1 / (1 + math.exp(level)), math.sqrt(1 / (1 + math.exp(-level)))
        x, mass, truth = on_a_grid(LINE, level)
        explicit = (0.5 * mass * (model(x) - truth) ** 2).sum()
        implicit = (mass * hyvarinen_loss(model, x)).sum()
        x0, mass0 = x[::4], LINE.log_prob(x[::4]).exp() * 0.04
        slope = -(x - a * x0[:, None]) / s2
        joint = (
            mass0[:, None]
            * (-0.5 * (x - a * x0[:, None]) ** 2 / s2).exp()
            / math.sqrt(2 * math.pi * s2)
            * 0.01
        )
        denoising = (0.5 * joint * (model(x) - slope) ** 2).sum()
        fisher = (mass * truth**2).sum()
        assert error(explicit - implicit, fisher / 2) < 1e-9
        assert error(denoising - implicit, 0.5 / s2) < 1e-9
        unknown = (mass * LINE.denoise_cov(x, level)[:, 0, 0]).sum()
        assert error(denoising - explicit, 0.5 * a**2 / s2**2 * unknown) < 1e-9

    @pytest.mark.parametrize("weighted", [True, False])
    @pytest.mark.parametrize("model", [lambda x, level: -x, lambda x, level: torch.sin(3 * x)])
    def test_dsm_loss_is_its_integral(self, model, weighted):
        level = 0.4
        s2 = 1 / (1 + math.exp(level))
        x, mass, truth = on_a_grid(LINE, level)
        explicit = (0.5 * mass * (model(x, None) - truth) ** 2).sum()
        integral = explicit + 0.5 / s2 - 0.5 * (mass * truth**2).sum()
        x0 = LINE.sample(200_000, seed(1))
        within(
            dsm_loss(model, x0, level, seed(2), weighted=weighted),
            integral * (s2 if weighted else 1),
        )

    @pytest.mark.parametrize("event", EVENTS)
    @pytest.mark.parametrize("level", [-INF, -5.0, 0.0, 5.0, 20.0])
    def test_the_exact_score_of_one_point_costs_nothing(self, event, level):
        point = normal(1, *event)
        loss = dsm_loss(score_of(Empirical(point)), point.expand(64, *event), level, seed(1))
        assert loss.shape == (64,) and loss.max() < 1e-20

    def test_the_exact_score_of_one_point_costs_nothing_in_float32(self):
        point = normal(1, 2, dtype=F32)
        levels = torch.linspace(-5, 5, 64, dtype=F64)
        loss = dsm_loss(score_of(Empirical(point)), point.expand(64, 2), levels, seed(1))
        assert loss.dtype == F32 and loss.max() < 1e-9

    def test_of_many_points_the_exact_score_is_the_best(self):
        law, level = plane(), 0.5
        x0, eps = law.sample(20_000, seed(1)), normal(20_000, 2, draw=2)
        exact = score_of(law)
        best = dsm_loss(exact, x0, level, eps=eps)
        for worse in (
            lambda x, level: 1.1 * exact(x, level),
            lambda x, level: exact(x, level) + 0.1,
            minus_x,
        ):
            more = dsm_loss(worse, x0, level, eps=eps) - best
            assert more.mean() > 5 * more.std() / len(more) ** 0.5

    @pytest.mark.parametrize("predicts", ["eps", "x0", "v"])
    def test_weighted_it_is_the_simple_loss(self, predicts):
        torch.manual_seed(0)
        q = ForwardProcess(linear_schedule(100))
        p, x0, eps = DDPM(Net(), q, (2,), predicts=predicts), normal(8, 2), normal(8, 2, draw=1)
        t = torch.randint(1, 101, (8,), generator=seed(2))
        ours = dsm_loss(score_of(p), x0, q.schedule.log_snr[t], eps=eps)
        noise = (
            p.predict(q.marginal(x0, t).mean + q.marginal(x0, t).std * eps, t).eps - eps
        ).square().sum(1) / 2
        assert error(ours, noise) < 1e-10
        if predicts == "eps":
            assert (
                error(ours, simple_loss(p, x0, t=t, eps=eps)) < 1e-10
            )  # half of the sum over 2 is the mean

    def test_a_network_trained_by_it_finds_the_score(self):
        torch.manual_seed(0)
        net, level = Net(1), 0.0
        law = GaussianMixture(
            [1.0], torch.tensor([[1.0]], dtype=F64), torch.tensor([0.5], dtype=F64)
        )
        optimizer, g = torch.optim.Adam(net.parameters(), 2e-2), seed(1)
        for batch in law.sample(200 * 512, g).split(512):
            optimizer.zero_grad()
            dsm_loss(net, batch, level, g).mean().backward()
            optimizer.step()
        x = law.noised(level).sample(2000, g)
        with torch.no_grad():
            off = (net(x, torch.full((2000,), level)) - score_of(law)(x, level)).square().mean()
        assert off < 0.02 * score_of(law)(x, level).square().mean()

    def test_so_does_one_trained_by_hyvarinens(self):
        torch.manual_seed(0)
        w = torch.zeros(
            2, dtype=F64, requires_grad=True
        )  # score(x) = w0 + w1 x; the best is the Gaussian's own
        x = 1 + 0.7 * normal(20_000, 1)
        optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = hyvarinen_loss(lambda x: w[0] + w[1] * x, x).mean()
            loss.backward()
            return loss

        optimizer.step(closure)
        var, mean = x.var(correction=0), x.mean()
        assert error(w.detach(), torch.stack([mean / var, -1 / var])) < 1e-6

    def test_reproducible_and_in_xs_dtype(self):
        x0 = normal(5, 1, 2, 2, dtype=F32)
        one, two = (dsm_loss(minus_x, x0, 0.3, seed(4)) for _ in range(2))
        assert torch.equal(one, two) and one.dtype == F32 and one.shape == (5,)

    @pytest.mark.bad_input
    @pytest.mark.parametrize("score, eps, words", [
        (lambda x, level: x[:, :1], None, r"score must return a tensor of x's shape \(4, 2\), got \(4, 1\)"),
        (minus_x, torch.zeros(2, dtype=F64), r"eps must have x0's shape \(4, 2\), got \(2,\)"),
    ])  # fmt: skip
    def test_another_shape_is_not_broadcast(self, score, eps, words):
        with pytest.raises(ValueError, match=words):
            dsm_loss(score, normal(4, 2), 0.0, eps=eps)

    def test_score_is_told_one_level_each(self):
        seen = []
        dsm_loss(lambda x, level: seen.append(level) or -x, normal(5, 2), 0.25)
        assert seen[0].shape == (5,) and seen[0].dtype == F64 and bool((seen[0] == 0.25).all())

    def test_without_noise(self):
        x0 = normal(5, 2)
        eps = normal(5, 2, draw=1)
        assert error(dsm_loss(minus_x, x0, INF, eps=eps), eps.square().sum(1) / 2) < 1e-14
        assert dsm_loss(minus_x, x0, INF, eps=eps, weighted=False).min() == INF

    def test_on_another_device(self):
        x = torch.empty(4, 3, device="meta")
        assert dsm_loss(lambda x, level: -x * level[:, None].to(x), x, 0.0).device.type == "meta"

    def test_probes_leave_the_loss_unbiased(self):
        law, x = plane(), normal(1, 2)
        exact = hyvarinen_loss(law.score, x)
        draws = hyvarinen_loss(law.score, x.expand(5000, 2), probes=1, generator=seed(3))
        within(draws, exact.item())


class TestLangevin:
    @pytest.mark.parametrize("step", [0.1, 0.5, 1.5])
    @pytest.mark.parametrize("var", [1.0, 2.5])
    def test_the_variance_where_it_settles(self, step, var):
        "On a Gaussian: v / (1 - h / (2 v)), by theory, at five sigma."
        n = 20_000
        settle = math.ceil(20 / min(step / var, 2 - step / var))
        x = langevin(
            lambda x: (3 - x) / var, torch.full((n, 1), 3.0, dtype=F64), step, settle, seed(1)
        )
        truth = var / (1 - step / (2 * var))
        assert abs(x.var() / truth - 1) < 5 * (2 / n) ** 0.5
        assert abs(x.mean() - 3) < 5 * (truth / n) ** 0.5

    def test_after_each_step_mean_and_variance_follow_theory(self):
        n, step, var = 100_000, 0.3, 0.8
        path = langevin(
            lambda x: -x / var,
            torch.full((n, 1), 2.0, dtype=F64),
            step,
            5,
            seed(2),
            trajectory=True,
        )
        mean, v = 2.0, 0.0
        for i in range(1, 6):
            mean, v = (1 - step / var) * mean, (1 - step / var) ** 2 * v + 2 * step
            assert abs(path[i].mean() - mean) < 5 * (v / n) ** 0.5
            assert abs(path[i].var() / v - 1) < 5 * (2 / n) ** 0.5
        assert path.shape == (6, n, 1) and bool((path[0] == 2).all())

    def test_in_many_dimensions_along_each_direction(self):
        n, turn = 10_000, torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=F64)
        values, directions = torch.tensor([0.2, 1.0], dtype=F64), turn
        law = GaussianMixture(
            [1.0], torch.ones(1, 2, dtype=F64), (turn @ torch.diag(values) @ turn.T)[None]
        )
        step = 0.5 * values[0].item()
        x = langevin(
            law.score,
            law.means.expand(n, 2),
            step,
            math.ceil(12 * values[1].item() / step),
            seed(3),
        )
        got = ((x - law.means) @ directions).var(0)
        truth = values / (1 - step / (2 * values))
        assert ((got / truth - 1).abs() < 5 * (2 / n) ** 0.5).all()

    def test_too_large_a_step_runs_away(self):
        x = langevin(lambda x: -x, torch.zeros(10, 1, dtype=F64), 2.5, 200, seed(1))
        assert x.abs().min() > 1e6

    def test_one_step_is_the_formula(self):
        x, law = normal(4, 2), plane()
        got = langevin(law.score, x, 0.1, 1, seed(5))
        assert error(got, x + 0.1 * law.score(x) + math.sqrt(0.2) * normal(4, 2, draw=5)) < 1e-14
        cool = langevin(law.score, x, 0.1, 1, seed(5), temperature=0.25)
        assert error(cool, x + 0.1 * law.score(x) + math.sqrt(0.05) * normal(4, 2, draw=5)) < 1e-14

    def test_without_noise_it_climbs(self):
        law, x = plane(), normal(8, 2)
        path = langevin(law.score, x, 1e-3, 200, temperature=0.0, trajectory=True)
        heights = torch.stack([law.log_prob(y) for y in path])
        assert bool((heights.diff(dim=0) >= -1e-12).all())

    def test_temperature_scales_the_variance(self):
        x = langevin(
            lambda x: -x, torch.zeros(40_000, 1, dtype=F64), 0.1, 120, seed(6), temperature=0.5
        )
        assert abs(x.var() / (0.5 / (1 - 0.05)) - 1) < 5 * (2 / 40_000) ** 0.5

    def test_any_shape_dtype_and_seed(self):
        for event in EVENTS:
            x = normal(3, *event, dtype=F32)
            one, two = (langevin(lambda x: -x, x, 0.1, 3, seed(1)) for _ in range(2))
            assert torch.equal(one, two) and one.dtype == F32 and one.shape == x.shape
        assert torch.equal(langevin(lambda x: -x, x, 0.1, 0), x)
        assert langevin(lambda x: -x, x, 0.1, 2, trajectory=True).shape == (3, *x.shape)

    def test_keeps_no_gradients(self):
        w = torch.ones(1, dtype=F64, requires_grad=True)
        assert not langevin(lambda x: -w * x, normal(3, 1), 0.1, 2).requires_grad

    def test_on_another_device(self):
        x = torch.empty(4, 3, device="meta")
        assert langevin(lambda x: -x, x, 0.1, 2).device.type == "meta"
        got = annealed_langevin(
            lambda x, level: -x * level[:, None].to(x), x, [-2.0, 0.0], 0.1, 2, trajectory=True
        )
        assert got.device.type == "meta" and got.shape == (3, 4, 3)

    @pytest.mark.bad_input
    @pytest.mark.parametrize("call, kind, words", [
        (lambda x, s: langevin(lambda x: x[:1], x, 0.1, 1), ValueError, r"tensor of x's shape \(3, 2\), got \(1, 2\)"),
        (lambda x, s: annealed_langevin(minus_x, x, [0.0, INF], 0.1, 1), ValueError, "lie below inf"),
        (lambda x, s: annealed_langevin(minus_x, x, [0.0, 800.0], 0.1, 2), ValueError, "log_snrs must .* got 800"),
        (lambda x, s: annealed_langevin(minus_x, x, [0.0, 700.0], 1e-300, 2), ValueError, "log_snrs must .* got 700"),
        (lambda x, s: annealed_langevin(minus_x, x, torch.tensor(0.0), 0.1, 2), ValueError,
         r"log_snrs must be a list or a 1-d tensor of numbers, got shape \(\)"),
        (lambda x, s: annealed_langevin(minus_x, x, torch.zeros(2, 1), 0.1, 2), ValueError, r"log_snrs .* \(2, 1\)"),
    ])  # fmt: skip
    def test_wrong_arguments(self, call, kind, words):
        with pytest.raises(kind, match=words):
            call(normal(3, 2), lambda x: -x)


FAR = GaussianMixture(
    [0.2, 0.8], torch.tensor([[-4.0], [4.0]], dtype=F64), torch.tensor([0.1, 0.1], dtype=F64)
)


class TestAnnealed:
    def test_one_level_is_langevin_with_a_step_of_its_noise(self):
        law, x, level = plane(), normal(5, 2), 1.5
        h = 0.3 / (1 + math.exp(level))
        plain = langevin(law.noised(level).score, x, h, 4, seed(1))
        assert error(annealed_langevin(score_of(law), x, [level], 0.3, 4, seed(1)), plain) < 1e-12

    def test_follows_a_gaussian_level_by_level(self):
        "The variance of one pixel through all levels, by the recursion that theory gives, at five sigma."
        law = GaussianMixture([1.0], torch.zeros(1, 1, dtype=F64), torch.tensor([0.05], dtype=F64))
        levels, n, m, step = torch.linspace(-6, 6, 9, dtype=F64), 10_000, 4, 0.3
        path = annealed_langevin(
            score_of(law), normal(n, 1), levels, step, m, seed(2), trajectory=True
        )
        v = 1.0
        for i, level in enumerate(levels.tolist()):
            noise = 1 / (1 + math.exp(level))
            own, h = 0.05 * (1 - noise) + noise, step * noise
            for _ in range(m):
                v = (1 - h / own) ** 2 * v + 2 * h
            assert abs(path[i + 1].var() / v - 1) < 5 * (2 / n) ** 0.5

    def test_finds_the_weights_where_plain_langevin_is_stuck(self):
        n, start = 1000, normal(1000, 1)
        stuck = langevin(FAR.score, start, 0.05, 100, seed(1))
        share = (stuck < 0).double().mean()
        assert abs(share - 0.5) < 5 * 0.5 / n**0.5 and share > 0.4  # where they started, not 0.2
        levels = torch.linspace(-7, 5, 30, dtype=F64)
        free = annealed_langevin(score_of(FAR), start, levels, 0.3, 10, seed(1))
        assert abs((free < 0).double().mean() - 0.2) < 5 * (0.2 * 0.8 / n) ** 0.5

    def test_a_level_with_next_to_no_noise_is_walked(self):
        "exp(log_snr) is beyond float64 from 710 on; 700 still has a step, which moves nothing."
        x = normal(3, 2)
        assert torch.equal(annealed_langevin(minus_x, x, [700.0], 0.1, 2, seed(1)), x)

    def test_nothing_is_walked_before_all_levels_are_checked(self):
        seen = []
        with pytest.raises(ValueError, match="log_snrs must"):
            annealed_langevin(
                lambda x, level: seen.append(0) or -x, normal(3, 2), [0.0, 800.0], 0.1, 2
            )
        assert seen == []

    def test_levels_may_be_a_list_and_all_noise(self):
        x = normal(3, 2)
        got = annealed_langevin(score_of(plane()), x, [-INF, 0.0], 0.1, 2, seed(1), trajectory=True)
        assert got.shape == (3, 3, 2) and bool(got.isfinite().all())
        assert torch.equal(annealed_langevin(score_of(plane()), x, [], 0.1, 2), x)
