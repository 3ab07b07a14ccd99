"""DDPM, its parameterisations and losses against the exact reverse of known distributions, closed forms, Monte Carlo.

`error` is the largest |a - b| / max(1, |b|). A Monte Carlo test fails at five sigma.
"""

import math
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from diffusion_math import (
    DDPM,
    Gaussian,
    GaussianMixture,
    Prediction,
    UNet,
    elbo,
    elbo_estimate,
    elbo_loss,
    exact_elbo,
    simple_loss,
)  # fmt: skip
from diffusion_math.area import bound_by_area
from diffusion_math.elbo import step_cost
from diffusion_math.flow_likelihood import divergence, log_prob_by_flow
from diffusion_math.forward import (
    ForwardProcess,
    Schedule,
    constant_schedule,
    cosine_schedule,
    linear_schedule,
)
from diffusion_math.likelihood import pilot
from diffusion_math.reverse import ExactReverse, ReverseProcess
from diffusion_math.solvers import draw
from tests.truth import Wrapped, error, seed, within

F32, F64, BF16 = torch.float32, torch.float64, torch.bfloat16
INF = math.inf
SAYS = ("eps", "x0", "v")
NAMES = (*SAYS, "score", "velocity")
EVENTS = [(), (2,), (1, 4, 3)]


def normal(*shape, draw=0, dtype=F64):
    return torch.randn(*shape, generator=seed(draw), dtype=dtype)


def mixture(event=(2,), k=3, draw=0, dtype=F64):
    "A mixture of round Gaussians over an event shape."
    g = seed(draw)
    means = 1.5 * torch.randn(k, *event, generator=g, dtype=F64)
    weights, var = (
        torch.rand(k, generator=g, dtype=F64) + 0.3,
        0.02 + 0.1 * torch.rand(k, generator=g, dtype=F64),
    )
    return GaussianMixture(weights / weights.sum(), means, var).to(dtype)


def bell(v, mean=0.0):
    "N(mean, v) for one number."
    return GaussianMixture([1.0], torch.full((1, 1), mean, dtype=F64), torch.tensor([v], dtype=F64))


def oracle(law, says):
    "A network that says what law knows."
    return lambda x_t, level: getattr(Prediction(x_t, level, x0=law.denoise(x_t, level)), says)


def wave(x_t, log_snr):
    "A poor guess of anything."
    return torch.sin(3 * x_t)


def process(T=1000):
    return ForwardProcess(linear_schedule(T))


def beta_tilde(q):
    "The posterior's variance for every t, t = 0 included for its place alone."
    s = q.schedule
    return s.beta * s.noise_var.roll(1) / s.noise_var


class Half(nn.Linear):
    "A network that is told the noise level, and does not listen."

    def forward(self, x_t, log_snr):
        return super().forward(x_t)


# ---------------------------------------------------------------- a prediction under its three names


class TestPrediction:
    @given(
        st.floats(-30, 30), st.sampled_from(EVENTS), st.sampled_from(NAMES), st.integers(0, 1000)
    )
    def test_each_name_gives_the_others(self, level, event, says, draw):
        x0, eps = normal(3, *event, draw=draw), normal(3, *event, draw=draw + 1)
        a, s = (1 / (1 + math.exp(-level))) ** 0.5, (1 / (1 + math.exp(level))) ** 0.5
        x_t, truth = a * x0 + s * eps, {"x0": x0, "eps": eps, "v": a * eps - s * x0}
        truth["score"] = -eps / s
        truth["velocity"] = a * s**2 / 2 * x0 - s * a**2 / 2 * eps  # da/dlambda x0 + ds/dlambda eps
        got = Prediction(x_t, torch.tensor(level, dtype=F64), **{says: truth[says]})
        grows = {"x0": 1 / s, "v": 1}.get(says, 1 / a)  # how much rounding grows in translation
        for name, value in truth.items():
            unit = s if name == "score" else 1.0
            assert error(getattr(got, name) * unit, value * unit) < 1e-13 * max(10, grows), name
        assert error(got.v_of(x0, eps), truth["v"]) < 1e-14

    @pytest.mark.parametrize("says", NAMES)
    def test_a_level_for_each_x(self, says):
        level = torch.tensor([-4.0, 0.0, 3.0, 8.0], dtype=F64)
        x_t, value = normal(4, 1, 3, 2), normal(4, 1, 3, 2, draw=1)
        together = Prediction(x_t, level, **{says: value})
        for i in range(4):
            one = Prediction(x_t[i : i + 1], level[i], **{says: value[i : i + 1]})
            for name in NAMES:
                assert error(getattr(together, name)[i : i + 1], getattr(one, name)) < 1e-14

    def test_where_all_is_noise(self):
        x_t, value, level = normal(4, 2), normal(4, 2, draw=1), torch.tensor(-INF, dtype=F64)
        for says in ("x0", "v"):
            said = Prediction(x_t, level, **{says: value})
            assert (
                torch.equal(said.eps, x_t)
                and torch.equal(said.v, -said.x0)
                and torch.equal(said.score, -x_t)
            )
        assert torch.equal(Prediction(x_t, level, v=value).x0, -value)
        assert torch.equal(Prediction(x_t, level, eps=value).eps, value)
        for name in ("x0", "v"):
            with pytest.raises(ValueError, match="alpha_bar is 0.*let the network predict v or x0"):
                getattr(Prediction(x_t, level, eps=value), name)

    def test_where_nothing_is_noise(self):
        x_t, value, level = normal(4, 2), normal(4, 2, draw=1), torch.tensor(INF, dtype=F64)
        for says in ("eps", "v"):
            said = Prediction(x_t, level, **{says: value})
            assert (
                torch.equal(said.x0, x_t)
                and torch.equal(said.eps, value)
                and torch.equal(said.v, value)
            )
        assert torch.equal(Prediction(x_t, level, x0=value).x0, value)
        for name in ("eps", "v", "score"):
            with pytest.raises(
                ValueError, match="1 - alpha_bar is 0.*let the network predict v or eps"
            ):
                getattr(Prediction(x_t, level, x0=value), name)
        for says in ("eps", "v"):  # which tell eps: what is missing is the score alone
            with pytest.raises(ValueError, match="1 - alpha_bar is 0.*the score.*ask for eps"):
                Prediction(x_t, level, **{says: value}).score  # noqa: B018

    def test_one_bad_level_among_good_ones_is_found(self):
        level = torch.tensor([0.0, -INF], dtype=F64)
        with pytest.raises(ValueError, match="alpha_bar is 0"):
            Prediction(normal(2, 2), level, eps=normal(2, 2)).x0  # noqa: B018

    @pytest.mark.parametrize("dtype, tol", [(F32, 1e-6), (BF16, 0.02)])
    @pytest.mark.parametrize("says", SAYS)
    def test_in_lower_precision(self, says, dtype, tol):
        level = torch.tensor([-2.0, 0.0, 2.0], dtype=F64)
        x_t, value = normal(3, 5, dtype=F64).to(dtype), normal(3, 5, draw=1).to(dtype)
        low = Prediction(x_t, level, **{says: value})
        exact = Prediction(x_t.double(), level, **{says: value.double()})
        for name in (*SAYS, "score"):
            assert getattr(low, name).dtype == dtype
            assert error(getattr(low, name), getattr(exact, name)) < tol

    @pytest.mark.bad_input
    @pytest.mark.parametrize(
        "given, words", [({}, "got none"), ({"x": 1}, "got x"), ({"x0": 1, "v": 1}, "got x0, v")]
    )
    def test_one_name_is_given(self, given, words):
        with pytest.raises(TypeError, match=f"give one of eps, x0, v, score, velocity, {words}"):
            Prediction(normal(2, 2), torch.tensor(0.0), **given)


# ---------------------------------------------------------------- one step


class TestStep:
    @pytest.mark.parametrize("event", EVENTS)
    @pytest.mark.parametrize(
        "schedule", [linear_schedule(1000), cosine_schedule(50), constant_schedule(0.3, 4)]
    )
    def test_one_who_knows_x0_takes_the_posterior_step(self, schedule, event):
        q, x0 = ForwardProcess(schedule), normal(6, *event)
        p = DDPM(lambda x_t, level: x0, q, predicts="x0")
        t = torch.tensor([1, 2, 3, q.T // 2, q.T - 1, q.T])
        x_t = q.marginal(x0, t).sample(seed(1))
        ours, truth = p.step(x_t, t), q.posterior(x_t, x0, t)
        assert error(ours.mean, truth.mean) < 1e-15 and error(ours.var, truth.var) == 0

    @pytest.mark.parametrize("event", EVENTS)
    @pytest.mark.parametrize("says", SAYS)
    def test_the_three_names_make_the_same_step(self, says, event):
        law, q = mixture(event), process()
        t = torch.tensor([1, 2, 10, 300, 999, 1000])
        x_t = q.marginal(law.sample(6, seed(1)), t).sample(seed(2))
        ours = DDPM(oracle(law, says), q, predicts=says)
        assert error(ours.step(x_t, t).mean, DDPM(law, q).step(x_t, t).mean) < 1e-10
        for name in (*SAYS, "score"):
            assert (
                error(
                    getattr(ours.predict(x_t, t), name), getattr(DDPM(law, q).predict(x_t, t), name)
                )
                < 1e-10
            )

    def test_the_mean_written_by_the_noise(self):
        "[DDPM eq. 11], for a network that is wrong."
        q = process()
        s, t, x_t = q.schedule, torch.tensor([2, 7, 100, 1000]), normal(4, 3)
        b, a, n = (v[t][:, None] for v in (s.beta, s.alpha, s.noise_var))
        assert (
            error(
                DDPM(wave, q).step(x_t, t).mean, (x_t - b / n.sqrt() * wave(x_t, None)) / a.sqrt()
            )
            < 1e-12
        )

    def test_the_exact_mean_is_that_of_the_exact_reverse(self):
        law, q = mixture((1, 4, 3)), process(50)
        for t in (1, 2, 25, 50):
            x_t = q.marginal(law.sample(5, seed(t)), t).sample(seed(t + 1))
            assert (
                error(DDPM(law, q).step(x_t, t).mean, ExactReverse(q, law).step(x_t, t).mean)
                < 1e-12
            )

    @pytest.mark.parametrize("t", [1, 2, 500, 1000])
    def test_an_int_and_a_tensor_of_times_agree(self, t):
        p, x_t = DDPM(wave, process()), normal(3, 2)
        one, many = p.step(x_t, t), p.step(x_t, torch.full((3,), t))
        assert torch.equal(one.mean, many.mean) and torch.equal(one.var.expand(3, 1), many.var)

    def test_zero_and_one_are_legal_betas(self):
        q = ForwardProcess(Schedule.from_beta([0.0, 0.3, 0.0, 1.0]))
        p, x_t = DDPM(mixture(), q), normal(4, 2)
        for t in range(1, 5):
            for law in (p.step(x_t, t), p.ddim(x_t, t, 0.5)):
                assert law.mean.isfinite().all() and law.var.isfinite().all()
        assert torch.equal(p.step(x_t, 1).mean, x_t) and p.step(x_t, 1).var == 0
        assert torch.equal(p.ddim(x_t, 1).mean, x_t)

    def test_a_term_in_float32_keeps_the_digits_that_two_means_leave_it(self):
        """Where the guess is 1e-3 off, at log SNR 20, two means near 1 differ by 3e-5, each with a rounding of 6e-8: of a
        pixel's difference 2e-3 is lost, of 64 pixels' sum a tenth of that, and of all terms' sum less."""
        q = ForwardProcess(Schedule.from_log_snr(torch.linspace(20, -7, 1000)))
        guess = normal(1, 64, draw=1).float()
        x0 = guess + 1e-3 * normal(50, 64).float()
        p = DDPM(lambda x_t, level: guess.to(x_t).expand(x_t.shape), q, predicts="x0")
        for t in (2, 10, 300):
            x_t = q.marginal(x0, t).sample(seed(2))
            exact = q.posterior(x_t.double(), x0.double(), t).kl(p.step(x_t.double(), t))
            for times in (t, torch.full((50,), t)):
                got = step_cost(q, p, x0, x_t, times)
                assert got.dtype == F32
                assert (got / exact - 1).abs().max() < 4e-3
        bound = elbo(q, p, x0, lambda x_1: Gaussian(x_1, 1.0), generator=seed(3))
        s = (
            q.schedule
        )  # the term does not depend on x_t: half a squared distance, by what the SNR falls
        shares = 0.5 * (s.snr[1:-1] - s.snr[2:])[:, None] * (x0 - guess).double().square().sum(1)
        assert (bound.steps / shares - 1).abs().max() < 1e-6  # elbo works them out in float64

    def test_a_step_of_one_s_own_counts_in_the_bound(self):
        "A subclass's, or a process's that was made for another q: the KL of the two laws that are there."

        class Other(DDPM):
            def step(self, x_t, t):
                return Gaussian(super().step(x_t, t).mean + 1, 1.0)

        q, x_t, x0 = process(20), normal(5, 2), normal(5, 2, draw=1)
        for p, way in (
            (Other(wave, q), q),
            (DDPM(wave, q), process(20)),
            (DDPM(wave, q), process(19)),
        ):
            law = way.posterior(x_t, x0, 7)
            assert torch.equal(step_cost(way, p, x0, x_t, 7), law.kl(p.step(x_t, 7)))

    def test_the_network_is_told_the_noise_level(self):
        seen = []
        p = DDPM(lambda x, level: seen.append(level) or x, process())
        p.step(normal(3, 2, dtype=F32), torch.tensor([1, 50, 1000]))
        p.step(normal(3, 2, dtype=BF16), 50)
        assert [(tuple(level.shape), level.dtype) for level in seen] == [((3,), F32)] * 2
        assert torch.equal(seen[0], p.q.schedule.log_snr[[1, 50, 1000]].float())

    def test_half_precision_stays_half(self):
        law, q = mixture(dtype=F32), process(100)
        x_t = normal(4, 2, dtype=BF16)
        for p in (
            DDPM(law, q),
            DDPM(wave, q, predicts="v"),
            DDPM(wave, q, predicts="v", variance="beta"),
        ):
            step = p.step(x_t, 40)
            assert step.mean.dtype == step.var.dtype == BF16
            assert error(step.mean, p.step(x_t.float(), 40).mean) < 0.05

    def test_the_mean_of_a_step_differentiates_forwards_and_backwards_and_maps(self):
        p, x, h = DDPM(wave, process(20)), normal(3, 2), 1e-5
        mean = lambda x: p.step(x, 7).mean
        slope = torch.func.jvp(mean, (x,), (torch.ones_like(x),))[1]
        there = x.clone().requires_grad_()
        assert error(slope, (mean(x + h) - mean(x - h)) / (2 * h)) < 1e-8
        assert error(torch.autograd.grad(mean(there).sum(), there)[0], slope) < 1e-10
        assert torch.equal(torch.func.vmap(lambda row: mean(row[None])[0])(x), mean(x))


# ---------------------------------------------------------------- the variance


class TestVariance:
    def test_by_name(self):
        q, x_t, t = process(), normal(4, 2), torch.tensor([1, 2, 500, 1000])
        assert error(DDPM(wave, q).step(x_t, t).var[:, 0], beta_tilde(q)[t]) < 1e-15
        assert torch.equal(
            DDPM(wave, q, variance="beta").step(x_t, t).var[:, 0], q.schedule.beta[t]
        )

    @pytest.mark.parametrize("event", EVENTS)
    def test_by_a_function_of_t(self, event):
        table = torch.linspace(0.1, 1.0, 11, dtype=F64)
        p = DDPM(wave, process(10), variance=lambda t: table[t])
        x_t, t = normal(3, *event), torch.tensor([1, 5, 10])
        assert (
            torch.equal(p.step(x_t, t).var.flatten(), table[t]) and p.step(x_t, 5).var == table[5]
        )
        assert DDPM(wave, process(10), variance=lambda t: 0.25).step(x_t, t).var == 0.25

    def test_each_choice_is_best_for_its_data(self):
        q, t = process(20), torch.arange(1, 21)
        x_t = normal(20, 1)
        exact = lambda law: ExactReverse(q, law).step(x_t, t).var
        assert error(exact(bell(0.0, 0.7)), DDPM(wave, q).step(x_t, t).var) < 1e-15
        assert error(exact(bell(1.0)), DDPM(wave, q, variance="beta").step(x_t, t).var) < 1e-14

    @pytest.mark.parametrize("v, best", [(0.0, "posterior"), (1.0, "beta")])
    def test_and_no_other_costs_less(self, v, best):
        q, law = process(10), bell(v)
        x0 = torch.special.ndtri((torch.arange(200, dtype=F64) + 0.5) / 200)[:, None] * v**0.5
        anything = lambda x_1: Gaussian(x_1, 1.0)
        cost = lambda var: exact_elbo(q, DDPM(law, q, variance=var), x0, anything).steps.mean(1)
        table = beta_tilde(q) if best == "posterior" else q.schedule.beta
        for factor in (0.8, 1.25):
            assert (cost(lambda t, f=factor: f * table[t]) > cost(best) + 1e-3).all()

    @pytest.mark.bad_input
    def test_a_function_that_returns_something_else(self):
        p = DDPM(wave, process(10), variance=lambda t: "small")
        with pytest.raises(TypeError, match=r"variance\(t\) must be a number or a tensor, got str"):
            p.step(normal(2, 2), 5)
        words = r"variance\(t\) must be finite and 0 or more"
        for wrong in (-1.0, math.nan, INF):
            p = DDPM(wave, process(10), variance=lambda t, v=wrong: v)
            with pytest.raises(ValueError, match=words):
                p.step(normal(2, 2), 5)
            with pytest.raises(ValueError, match=words):
                elbo_loss(p, normal(2, 2), t=5)


# ---------------------------------------------------------------- the term of the bound and the noise


class TestTerm:
    @given(
        st.integers(0, 1000),
        st.sampled_from(EVENTS),
        st.sampled_from([linear_schedule(), cosine_schedule(300)]),
    )
    def test_it_is_a_weighted_distance_of_two_noises(self, draw, event, schedule):
        q = ForwardProcess(schedule)
        s, g = q.schedule, seed(draw)
        t = torch.randint(2, q.T + 1, (5,), generator=g)
        x0, eps = normal(5, *event, draw=draw), normal(5, *event, draw=draw + 1)
        law = q.marginal(x0, t)
        x_t = law.mean + law.std * eps
        total = lambda x: x.square() if x.ndim == 1 else x.square().flatten(1).sum(1)
        distance, d = total(eps - wave(x_t, None)), max(1, math.prod(event))
        for name, var in (("posterior", beta_tilde(q)[t]), ("beta", s.beta[t])):
            weight = s.beta[t] ** 2 / (2 * var * s.alpha[t] * s.noise_var[t])
            r = beta_tilde(q)[t] / var
            kl = q.posterior(x_t, x0, t).kl(DDPM(wave, q, variance=name).step(x_t, t))
            assert error(kl, weight * distance + d / 2 * (r - 1 - r.log())) < 1e-10

    def test_what_the_width_costs(self):
        q = process()
        r = (beta_tilde(q) / q.schedule.beta)[2]
        assert 784 / 2 * (r - 1 - r.log()) == pytest.approx(95, abs=0.5)
        p = DDPM(lambda x_t, level: x0, q, predicts="x0", variance="beta")
        x0 = normal(1, 1, 28, 28)
        assert q.posterior(x0, x0, 2).kl(p.step(x0, 2)).item() == pytest.approx(
            784 / 2 * (r - 1 - r.log()).item()
        )


# ---------------------------------------------------------------- the losses


class TestSimpleLoss:
    @pytest.mark.parametrize("says", SAYS)
    def test_it_is_the_mean_squared_error(self, says):
        q, x0, eps = process(), normal(4, 1, 3, 2), normal(4, 1, 3, 2, draw=1)
        t = torch.tensor([1, 20, 500, 1000])
        a, s = (v[t].sqrt().view(-1, 1, 1, 1) for v in (q.schedule.alpha_bar, q.schedule.noise_var))
        target = {"eps": eps, "x0": x0, "v": a * eps - s * x0}[says]
        by_hand = (wave(a * x0 + s * eps, None) - target).square().mean((1, 2, 3))
        assert error(simple_loss(DDPM(wave, q, predicts=says), x0, t=t, eps=eps), by_hand) < 1e-13

    @pytest.mark.parametrize("says", SAYS)
    def test_the_best_network_is_left_with_the_variance(self, says):
        v, q = 0.3, process()
        s = q.schedule
        mse_x0 = (v * s.noise_var / (s.alpha_bar * v + s.noise_var))[1:]
        factor = {"eps": s.snr[1:], "x0": 1.0, "v": (1 / s.noise_var)[1:]}[
            says
        ]  # eps, v: from x0 at a fixed x_t
        losses = simple_loss(
            DDPM(oracle(bell(v), says), q, predicts=says), bell(v).sample(100_000, seed(1)), seed(2)
        )
        within(losses, (mse_x0 * factor).mean())

    def test_any_other_network_has_more(self):
        law, q = bell(0.3), process()
        x0, best = law.sample(50_000, seed(1)), oracle(bell(0.3), "eps")
        loss = lambda c: simple_loss(DDPM(lambda x, a: best(x, a) + c * x, q), x0, seed(2)).mean()
        assert loss(0.0) < min(loss(-0.1), loss(0.1))

    def test_times_come_one_from_each_stratum(self):
        seen = []
        p = DDPM(lambda x, level: seen.append(level) or x, process(10))
        simple_loss(p, normal(20, 2), seed(3))
        t = torch.tensor(
            [int((p.q.schedule.log_snr[1:] - level).abs().argmin()) + 1 for level in seen[0]]
        )
        assert torch.equal(t.sort().values, torch.arange(1, 11).repeat_interleave(2))
        assert not torch.equal(t, t.sort().values)

    @pytest.mark.parametrize("loss", [simple_loss, elbo_loss])
    def test_reproducible_by_generator_and_trainable(self, loss):
        net = nn.Linear(2, 2)
        p = DDPM(lambda x, level: net(x), process(), variance="beta")
        x0 = normal(16, 2, dtype=F32)
        assert torch.equal(loss(p, x0, seed(1)), loss(p, x0, seed(1)))
        assert not torch.equal(loss(p, x0, seed(1)), loss(p, x0, seed(2)))
        loss(p, x0, seed(1)).mean().backward()
        assert net.weight.grad.isfinite().all() and net.weight.grad.abs().sum() > 0

    @pytest.mark.parametrize("loss", [simple_loss, elbo_loss])
    @pytest.mark.parametrize("t", [1, 3, 10])
    def test_one_t_for_all(self, loss, t):
        p, x0, eps = (
            DDPM(wave, process(10), predicts="v", variance="beta"),
            normal(4, 2),
            normal(4, 2, draw=1),
        )
        assert torch.equal(loss(p, x0, t=t, eps=eps), loss(p, x0, t=torch.full((4,), t), eps=eps))

    @pytest.mark.parametrize("loss", [simple_loss, elbo_loss])
    def test_nobody_at_home(self, loss):
        assert loss(DDPM(wave, process(10), variance="beta"), normal(0, 2)).shape == (0,)


class TestElboLoss:
    @pytest.mark.parametrize("says", SAYS)
    def test_it_is_the_bound_on_average(self, says):
        q, law = process(50), mixture((1,))
        p = DDPM(oracle(law, says), q, predicts=says, variance="beta")
        x0 = torch.tensor([[-1.5], [0.2], [1.1]], dtype=F64)
        truth = exact_elbo(q, p, x0).total
        within(elbo_loss(p, x0.repeat(40_000, 1), seed(1)).view(40_000, 3), truth)

    def test_for_a_network_that_is_wrong(self):
        q = process(20)
        p = DDPM(wave, q, predicts="v", variance=lambda t: 1.3 * q.schedule.beta[t])
        x0 = torch.tensor([[-0.5], [0.9]], dtype=F64)
        within(
            elbo_loss(p, x0.repeat(40_000, 1), seed(1)).view(40_000, 2), exact_elbo(q, p, x0).total
        )

    def test_every_t_is_its_term(self):
        "Given t, including t = 1, it is L_T + T times that term."
        q, law = process(6), mixture((1,))
        p = DDPM(law, q, variance="beta")
        x0 = torch.tensor([[0.4]], dtype=F64)
        bound = exact_elbo(q, p, x0)
        terms = torch.cat([bound.reconstruction[None], bound.steps])[:, 0]
        for t in range(1, 7):
            many = torch.full((20_000,), t)
            within(
                elbo_loss(p, x0.repeat(20_000, 1), seed(t), t=many), bound.prior + 6 * terms[t - 1]
            )

    @pytest.mark.parametrize("event", EVENTS)
    @pytest.mark.parametrize("variance", ["posterior", "beta"])
    @pytest.mark.parametrize(
        "beta",
        [
            [0.1, 0.0, 0.2, 0.0],
            [0.0, 0.1, 0.2],
            [0.0, 0.0, 0.3],
            [0.2, 1.0, 0.1],
            [0.3, 0.1, 1.0],
            [1.0, 0.3],
            [1e-7, 0.5, 0.9999999],
            [0.02] * 5,
        ],
        ids=str,
    )
    def test_a_step_is_the_kl_of_the_two_laws(self, beta, variance, event):
        "Where nothing is clipped, at betas of 0 and 1 too: 0, inf or a number, and never NaN."
        q = ForwardProcess(Schedule.from_beta(beta))
        p, x0 = (
            DDPM(lambda x_t, level: 0.1 * x_t, q, predicts="v", variance=variance),
            normal(6, *event),
        )
        prior = q.marginal(x0, q.T).kl(p.prior(x0))
        for t in range(2, q.T + 1):
            eps = normal(6, *event, draw=t)
            law = q.marginal(x0, t)
            x_t = law.mean + law.std * eps
            truth = prior + q.T * q.posterior(x_t, x0, t).kl(p.step(x_t, t))
            assert error(elbo_loss(p, x0, t=t, eps=eps), truth) < 1e-10
            low = elbo_loss(
                DDPM(p.network, q, predicts="v", variance=variance),
                x0.float(),
                t=t,
                eps=eps.float(),
            )
            assert error(low, truth) < 1e-5

    def test_a_narrow_step_under_a_wide_one(self):
        "r - 1 - log r where r, the ratio of the variances, is far below rounding."
        q = ForwardProcess(Schedule.from_beta([1e-12, 0.5]))
        p, zero = (
            DDPM(lambda x_t, level: 0 * x_t, q, predicts="v", variance="beta"),
            torch.zeros(1, 1),
        )
        r = beta_tilde(q)[2] / 0.5
        truth = (r - 1 - r.log()) / 2
        prior = q.marginal(zero.double(), 2).kl(p.prior(zero.double()))
        assert error(elbo_loss(p, zero.double(), t=2, eps=zero.double()), prior + 2 * truth) < 1e-10
        assert error(elbo_loss(p, zero, t=2, eps=zero), prior + 2 * truth) < 1e-5

    @pytest.mark.parametrize("beta", [[0.1, 0.0, 0.2], [0.0, 0.1, 0.2]])
    def test_steps_without_noise_have_finite_gradients(self, beta):
        scale = nn.Parameter(torch.tensor(0.1))
        q = ForwardProcess(Schedule.from_beta(beta))
        p = DDPM(lambda x_t, level: scale * x_t, q, predicts="v", images=True)
        elbo_loss(
            p, normal(4, 2, dtype=F32), seed(1), t=torch.tensor([2, 3, 3, 2])
        ).sum().backward()
        assert scale.grad.isfinite()

    @pytest.mark.parametrize("variance", ["posterior", "beta"])
    def test_pictures_have_levels_at_the_last_step(self, variance):
        q, g = process(10), seed(0)
        x0 = torch.randint(0, 256, (2, 1, 2, 2), generator=g) / 127.5 - 1
        p = DDPM(
            oracle(mixture((1, 2, 2), dtype=F32), "v"),
            q,
            predicts="v",
            variance=variance,
            images=True,
        )
        p_free = DDPM(
            oracle(mixture((1, 2, 2), dtype=F32), "v"), q, predicts="v", variance=variance
        )
        truth = elbo(
            q, p_free, x0, decoder=p_free.decode, n=4000, generator=seed(1)
        )  # not clipped, like the loss
        ours = elbo_loss(p, x0.repeat(8000, 1, 1, 1), seed(2)).view(8000, 2)
        stderr = (ours.var(0) / 8000 + truth.stderr.total.square()).sqrt()
        assert ((ours.mean(0) - truth.total).abs() < 5 * stderr).all()

    def test_clipped_pixels_still_teach(self):
        scale = nn.Parameter(torch.tensor(30.0))
        p = DDPM(
            lambda x, level: scale * torch.ones_like(x), process(10), predicts="x0", images=True
        )
        elbo_loss(p, torch.ones(8, 1, 2, 2), seed(1), t=torch.full((8,), 5)).mean().backward()
        assert scale.grad > 0

    @pytest.mark.parametrize("own", [None, torch.float16, BF16], ids=str)
    @pytest.mark.parametrize("dtype", [torch.float16, BF16], ids=str)
    def test_in_half_precision_it_is_that_of_float32(self, dtype, own):
        "On the way of two narrow humps a mean in bfloat16 is off by many standard deviations of a step."
        law = GaussianMixture([0.5, 0.5], torch.tensor([[-1.0], [1.0]]), torch.tensor([0.01, 0.01]))
        q = ForwardProcess(Schedule.from_log_snr(torch.linspace(14.5, -7, 1000)))
        x0, t = law.sample(1000, seed(1)).to(dtype), torch.arange(1, 1001)
        eps = torch.randn(1000, 1, generator=seed(2)).to(dtype)
        network = law if own is None else Half(1, 1).to(own)
        for says in ("eps", "v"):
            p = DDPM(network, q, predicts=says, variance="beta")
            got, want = (
                elbo_loss(p, x0, t=t, eps=eps),
                elbo_loss(p, x0.float(), t=t, eps=eps.float()),
            )
            assert got.dtype == F32 and torch.equal(got, want)
            for bound in (
                lambda x, p=p: elbo(q, p, x, generator=seed(3)).total,
                lambda x, p=p: exact_elbo(q, p, x, nodes=20).total,
                lambda x, p=p: elbo_estimate(q, p, x, 8, generator=seed(3)).total,
            ):
                got, want = bound(x0[:9]), bound(x0[:9].float())
                assert got.dtype == F32 and torch.equal(got, want)

    def test_a_last_step_without_variance_is_refused(self):
        with pytest.raises(ValueError, match=r"p.step\(x_1, 1\) must have a variance above 0"):
            elbo_loss(DDPM(wave, process(10)), normal(3, 2), t=torch.tensor([1, 2, 3]))
        assert (
            elbo_loss(DDPM(wave, process(10)), normal(2, 2), t=torch.tensor([2, 3]))
            .isfinite()
            .all()
        )

    def test_float32_is_right_to_rounding(self):
        q, t = process(), torch.tensor([1, 2, 500, 1000])
        p = DDPM(wave, q, predicts="v", variance="beta")
        x0, eps = normal(4, 8), normal(4, 8, draw=1)
        low, exact = elbo_loss(p, x0.float(), t=t, eps=eps.float()), elbo_loss(p, x0, t=t, eps=eps)
        assert ((low - exact).abs() < 1e-6 * exact.abs()).all()

    @pytest.mark.parametrize(
        "says, schedule", [("eps", linear_schedule(1000)), ("v", cosine_schedule(1000))]
    )
    def test_its_gradient_in_float32_is_that_in_float64(self, says, schedule):
        "For pictures, from every noise level."
        q, t = ForwardProcess(schedule), torch.linspace(1, 1000, 40).long()
        x0 = 2 * torch.randint(256, (40, 1, 28, 28), generator=seed(1)).double() / 255 - 1
        eps, slopes = normal(40, 1, 28, 28, draw=2), []
        for dtype in (F32, F64):
            k = torch.tensor(0.9, dtype=dtype, requires_grad=True)
            net = lambda x, level, k=k: k * eps.to(x) + 0.05 * torch.sin(x)
            p = DDPM(net, q, (1, 28, 28), says, images=True)
            loss = elbo_loss(p, x0.to(dtype), t=t, eps=eps.to(dtype)).mean()
            slopes.append(torch.autograd.grad(loss, k)[0].item())
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-5)


# ---------------------------------------------------------------- pictures


class TestImages:
    def test_only_pictures_are_clipped(self):
        far = lambda x_t, level: torch.full_like(x_t, 3.0)
        q, x_t = process(10), normal(2, 1, 4, 4)
        clipped, free = (DDPM(far, q, predicts="x0", images=i).step(x_t, 5) for i in (True, False))
        one = torch.ones_like(x_t)
        assert error(clipped.mean, q.posterior(x_t, one, 5).mean) < 1e-15
        assert error(free.mean, q.posterior(x_t, 3 * one, 5).mean) < 1e-15
        assert (DDPM(far, q, predicts="x0", images=True).predict(x_t, 5).x0 == 3).all()
        assert not DDPM(far, q, predicts="x0").images

    def test_the_decoder_is_the_network_s_x0_and_what_is_left(self):
        q = process(100)
        p, x_1 = DDPM(lambda x, level: 0.5 * x, q, predicts="x0", images=True), normal(2, 1, 4, 4)
        law = p.decode(x_1)
        assert error(law.mean, (0.5 * x_1).clamp(-1, 1)) == 0
        assert law.var == pytest.approx((q.schedule.noise_var[1] / q.schedule.alpha_bar[1]).item())

    @pytest.mark.parametrize("beta, got", [(0.0, 1), (1.0, 0)])
    def test_no_decoder_of_a_copy_or_of_noise_alone(self, beta, got):
        p = DDPM(wave, ForwardProcess(Schedule.from_beta([beta, 0.5])), predicts="v", images=True)
        words = (
            f"decode needs 0 < alpha_bar_1 < 1, got {got}: x_1 must hold some noise and some of x_0"
        )
        x0 = -torch.ones(2, 3)
        for call in (
            lambda: p.decode(x0),
            lambda: elbo_loss(p, x0, t=1),
            lambda: elbo(p.q, p, x0, decoder=p.decode),
        ):
            with pytest.raises(ValueError, match=words):
                call()


# ---------------------------------------------------------------- walks


def grid_walk(law, s, eta, beta):
    "Places and masses of x_0 by DDIM [Song, Meng & Ermon 2021] eq. 12, or with variance beta_t, on a grid."
    edge, width = (
        5.0,
        0.0125 if eta else 0.0005,
    )  # without noise the places move, and nothing smooths them
    x = torch.arange(-edge + width / 2, edge, width, dtype=F64)
    places, masses = x, torch.exp(-(x**2) / 2) * width / math.sqrt(2 * math.pi)
    for t in range(len(s.beta) - 1, 0, -1):
        a, v, was_a, was_v = s.alpha_bar[t], s.noise_var[t], s.alpha_bar[t - 1], s.noise_var[t - 1]
        x0 = law.denoise(places[:, None], s.log_snr[t])[:, 0]
        eps, var = (places - a.sqrt() * x0) / v.sqrt(), eta**2 * was_v / v * s.beta[t]
        mean, var = was_a.sqrt() * x0 + (was_v - var).sqrt() * eps, var
        var = s.beta[t] if beta and t > 1 else var  # the last step adds no noise [DDPM algorithm 2]
        if var == 0:
            places = mean
            continue
        masses = (
            torch.exp(-((x[:, None] - mean) ** 2) / (2 * var))
            @ masses
            * width
            / (2 * math.pi * var).sqrt()
        )
        places = x
    assert abs(masses.sum() - 1) < 1e-4
    return places, masses


class TestSample:
    def test_the_same_generator_the_same_draws(self):
        p = DDPM(mixture(), process(20))
        assert torch.equal(p.sample(5, seed(1)), p.sample(5, seed(1)))
        assert not torch.equal(p.sample(5, seed(1)), p.sample(5, seed(2)))
        path = p.sample(5, seed(1), trajectory=True)
        assert path.shape == (21, 5, 2) and torch.equal(path[0], p.sample(5, seed(1)))

    @pytest.mark.parametrize(
        "eta, variance, width",
        [
            (0.0, "posterior", (0.9, 1.0)),
            (0.5, "posterior", (0.9, 1.0)),
            (1.0, "posterior", (0.8, 0.95)),
            (1.0, "beta", (1.0, 1.1)),  # best for a point, and for N(0, I)
        ],
    )
    def test_it_returns_the_mixture(self, eta, variance, width):
        "In 50 steps, with the exact denoiser: each hump's share, mean and width, and the draws' own at five sigma."
        law = GaussianMixture(
            [0.3, 0.7], torch.tensor([[-2.0], [1.5]]).double(), torch.tensor([0.02, 0.1]).double()
        )
        q = ForwardProcess(cosine_schedule(50))
        x = DDPM(law, q, variance=variance).sample(
            20_000, seed(1), eta=eta, like=torch.empty(0, dtype=F64)
        )[:, 0]
        places, masses = grid_walk(law, q.schedule, eta, variance == "beta")
        for left, share, mean, var in ((True, 0.3, -2.0, 0.02), (False, 0.7, 1.5, 0.1)):
            mine, inside = x[(x < -0.5) == left], (places < -0.5) == left
            m, y = masses[inside] / masses[inside].sum(), places[inside]
            middle, total = (m * y).sum(), masses[inside].sum()
            second, fourth = ((m * (y - middle) ** k).sum() for k in (2, 4))
            assert abs(total - share) < 0.01 and abs(middle - mean) < 0.015  # what 50 steps lose
            assert width[0] < (second / var).sqrt() < width[1]
            assert abs(len(mine) / 20_000 - total) < 5 * (total * (1 - total) / 20_000).sqrt()
            assert abs(mine.mean() - middle) < 5 * (second / len(mine)).sqrt()
            assert abs(mine.var() - second) < 5 * ((fourth - second**2) / len(mine)).sqrt()

    @pytest.mark.parametrize("variance", ["posterior", "beta", lambda t: 0.3, lambda t: 0.3 / t])
    @pytest.mark.parametrize("event", EVENTS)
    def test_the_last_step_adds_no_noise(self, event, variance):
        "z = 0 at t = 1 [DDPM algorithm 2]; the steps before it are as they were."
        p, one, two = DDPM(mixture(event), process(20), variance=variance), seed(1), seed(1)
        path = p.sample(5, one, trajectory=True, like=torch.empty(0, dtype=F64))
        assert torch.equal(path[0], p.step(path[1], 1).mean)
        x = p.prior(path[0]).sample(two)
        for t in range(20, 0, -1):
            assert torch.equal(x, path[t])
            x = p.step(x, t).sample(two)
        assert torch.equal(x, path[0]) == (variance == "posterior")
        assert (p.step(path[1], 1).var > 0).all() == (
            variance != "posterior"
        )  # a density for the bound

    def test_nor_does_that_of_a_subclass_or_of_few_steps(self):
        class Noisy(DDPM):
            def step(self, x_t, t):
                return Gaussian(super().step(x_t, t).mean, 4.0)

        for p in (
            Noisy(wave, process(20), (2,)),
            DDPM(wave, process(20), (2,), variance="beta").respace(2),
        ):
            path = p.sample(5, seed(1), trajectory=True)
            assert torch.equal(path[0], p.step(path[1], 1).mean)

    def test_pictures_stay_within_their_range(self):
        "With variance beta and few steps, the noise of the last step alone took a third of the pixels out of it."
        p = DDPM(
            lambda x_t, level: torch.sign(x_t), process(1000), (1, 8, 8), "x0", "beta", images=True
        )
        x = p.respace(20).sample(20, seed(1))
        assert x.abs().max() <= 1

    def test_eta_0_adds_no_noise(self):
        p = DDPM(mixture(), process(20))
        start = p.sample(5, seed(1), trajectory=True, eta=0.0)
        x = start[-1]
        for t in range(20, 0, -1):
            law = p.ddim(x, t)
            assert law.var == 0
            x = law.mean
        assert torch.equal(x, start[0])

    @given(
        st.integers(1, 100),
        st.sampled_from(EVENTS),
        st.sampled_from([linear_schedule(100), cosine_schedule(100)]),
    )
    def test_eta_1_is_the_step(self, t, event, schedule):
        p, x_t = DDPM(mixture(event), ForwardProcess(schedule)), normal(3, *event, draw=t)
        ours, step = p.ddim(x_t, t, 1.0), p.step(x_t, t)
        assert error(ours.mean, step.mean) < 1e-12 and error(ours.var, step.var) < 1e-15

    @given(
        st.floats(0, 1),
        st.integers(1, 100),
        st.floats(-2, 2),
        st.sampled_from([linear_schedule, cosine_schedule]),
    )
    def test_every_eta_keeps_the_marginals(self, eta, t, x0, schedule):
        "With the right x0, a step takes q(x_t | x_0) to q(x_{t-1} | x_0): mean and variance in closed form."
        q = ForwardProcess(schedule(100))
        p = DDPM(bell(0.0, x0), q)
        zero, one = torch.zeros(1, 1, dtype=F64), torch.ones(1, 1, dtype=F64)
        at, before, step = (
            q.marginal(x0 * one, t),
            q.marginal(x0 * one, t - 1),
            p.ddim(zero, t, eta),
        )
        slope = p.ddim(one, t, eta).mean - step.mean
        assert error(step.mean + slope * at.mean, before.mean) < 1e-12
        assert error(slope**2 * at.var + step.var, before.var.expand(1, 1)) < 1e-12

    def test_one_step_of_ddim_is_its_equation(self):
        "[Song, Meng & Ermon 2021] eq. 12, for a network that is wrong."
        q, x_t, eta = process(), normal(4, 3), 0.6
        s, t = q.schedule, torch.tensor([2, 30, 400, 1000])
        said = DDPM(wave, q).predict(x_t, t)
        a, n, var = (
            v[t - 1][:, None] for v in (s.alpha_bar, s.noise_var, eta**2 * beta_tilde(q).roll(-1))
        )
        law = DDPM(wave, q).ddim(x_t, t, eta)
        assert error(law.mean, a.sqrt() * said.x0 + (n - var).sqrt() * said.eps) < 1e-11
        assert error(law.var, var) < 1e-15

    def test_respace_asks_the_same_network_at_fewer_levels(self):
        seen = []
        p = DDPM(lambda x, level: seen.append(level[0].item()) or x, process(), event_shape=(2,))
        short = p.respace(50)
        x = short.sample(3, seed(1))
        assert short.T == short.q.T == 50 and p.T == p.q.T == 1000 and x.shape == (3, 2)
        assert seen == short.q.schedule.log_snr[1:].flip(0).float().tolist()
        assert set(seen) <= set(p.q.schedule.log_snr.float().tolist())
        assert error(short.step(normal(2, 2), 50).var, beta_tilde(short.q)[50]) < 1e-15
        short.sample(3, seed(1), eta=0.0)
        p.ddim(normal(2, 2), 1000)  # the tables of one are not those of the other

    def test_respace_refuses_a_function_of_the_old_t(self):
        words = r"respace needs variance='posterior' or 'beta', got a function of t: it belongs to the old steps"
        with pytest.raises(ValueError, match=words):
            DDPM(wave, process(), variance=lambda t: 0.1).respace(50)

    def test_unknown_shape(self):
        with pytest.raises(ValueError, match="give the process an event_shape"):
            DDPM(wave, process(10)).sample(3)


# ---------------------------------------------------------------- a module, a network, a condition


class TestWhatTheNetworkGets:
    "x_t arrives in a dtype that the network takes, and a subclass may change what it says."

    def test_a_network_that_guides_is_obeyed_everywhere_and_a_predict_that_does_is_refused(self):
        with pytest.raises(TypeError, match="predict must stay DDPM's own.*got Guided.predict"):

            class Guided(DDPM):
                def predict(self, x_t, t):
                    return Prediction(x_t, self.q.schedule.log_snr[t], x0=0 * x_t)

        q, x_t = process(10), normal(3, 2)
        for images in (False, True):
            guides = lambda x_t, level: torch.full_like(x_t, 0.3)
            p = DDPM(guides, q, (2,), "x0", images=images)
            for step in (p.step(x_t, 4), p.ddim(x_t, 4, 1.0)):
                assert error(step.mean, q.posterior(x_t, torch.full_like(x_t, 0.3), 4).mean) < 1e-12

    def test_a_function_gets_what_sample_was_asked_for(self):
        seen, network = set(), torch.nn.Linear(2, 2).bfloat16()

        def hidden(x_t, log_snr):
            seen.add((x_t.dtype, log_snr.dtype))
            return network(x_t)

        p = DDPM(hidden, process(5), (2,))
        for eta in (0.0, 1.0):
            assert p.sample(3, like=torch.empty(0, dtype=BF16), eta=eta).dtype == BF16
        assert seen == {(BF16, F32)}


class TestOneClassEach:
    "p told one class for each x_0: row by row what p says that is told of that class alone."

    Y = torch.tensor([3, 1, 10, 3])

    def model(self):
        torch.manual_seed(0)
        net = UNet(width=8, classes=10).double()
        for w in net.parameters():
            nn.init.normal_(w, std=0.1)  # a new one ends in zeros, and says nothing of y
        levels = torch.randint(256, (4, 1, 6, 6), generator=seed(2))
        p = DDPM(net, process(7), (1, 6, 6), "v", images=True)
        return p, levels.double() * 2 / 255 - 1

    def agrees(self, ask):
        "ask(p, x0, generator) -> (..., b): of all classes together, and of each of them in turn."
        p, x0 = self.model()
        together = ask(p.given(y=self.Y), x0)
        for y in self.Y.unique().tolist():
            alone = ask(p.given(y=y), x0)[..., self.Y == y]
            assert error(together[..., self.Y == y], alone) < 1e-10
        assert error(together, ask(p, x0)) > 1e-6

    @pytest.mark.parametrize("n, guidance", [(1, None), (3, 2.5)])
    @pytest.mark.parametrize("budget", [36 * 3, 36 * 9, 2**18])
    def test_its_bound(self, n, guidance, budget, monkeypatch):
        "However the rows are packed, with p.decode, which knows the classes too."
        monkeypatch.setattr(sys.modules["diffusion_math.elbo"], "BUDGET", budget)

        def ask(p, x0):
            p = p.guided(guidance) if guidance and p.cond else p
            bound = elbo(p.q, p, x0, p.decode, n, seed(1))
            return torch.cat([bound.steps, bound.reconstruction[None], bound.total[None]])

        self.agrees(ask)

    @pytest.mark.parametrize("times", ["stratified", "both"])
    @pytest.mark.parametrize("budget", [36 * 9, 2**18])
    def test_its_estimated_bound(self, times, budget, monkeypatch):
        monkeypatch.setattr(sys.modules["diffusion_math.sums"], "BUDGET", budget)
        weights = None if times == "stratified" else torch.arange(1.0, 7.0)
        how = dict(weights=weights, replicates=2)
        self.agrees(
            lambda p, x0: (
                elbo_estimate(
                    p.q, p, x0, 6, times, decoder=p.decode, generator=seed(1), **how
                ).replicates
            )
        )

    def test_a_pilot_asks_for_the_first_ones_classes(self):
        p, x0 = self.model()
        x0, y = x0.repeat(5, 1, 1, 1), self.Y.repeat(5)  # 20 of them; a pilot takes 16
        several = pilot(p.q, p.given(y=y), x0, seed(1))
        assert torch.equal(several, pilot(p.q, p.given(y=y[:16]), x0[:16], seed(1)))

    def test_its_bound_by_area(self):
        self.agrees(
            lambda p, x0: (
                bound_by_area(
                    p, x0, 6, replicates=2, decoder=p.decode, generator=seed(1)
                ).replicates
            )
        )

    @pytest.mark.parametrize("probes", [None, 3])
    def test_its_divergence(self, probes):
        "Of 36 copies of the rows, or of one for each of the signs."
        signs = None
        if probes:
            signs = torch.randint(2, (probes, 4, 1, 6, 6), generator=seed(3)).double() * 2 - 1
        self.agrees(lambda p, x0: divergence(p, x0, 0.5, signs)[1])

    def test_its_likelihood(self):
        p, x0 = self.model()
        how = dict(start=1.0, end=-2.0, probes=2, tolerance=1e-2, second=False)
        together = log_prob_by_flow(p.given(y=self.Y), x0, generator=seed(1), **how).log_prob
        for i, y in enumerate(self.Y.tolist()):
            alone = log_prob_by_flow(p.given(y=y), x0, generator=seed(1), **how).log_prob
            assert (together - alone)[i].abs() < 36 * 0.1  # ten tolerances a dimension

    def test_what_is_one_for_all_stays(self):
        told = []

        def network(x_t, log_snr, y, z, w):
            told.append((y.tolist(), z.shape, w))
            return x_t

        p = DDPM(network, process(3), (2,)).given(y=self.Y, z=torch.ones(7, 2), w="left")
        rows = torch.tensor([2, 2, 0])
        p.at_rows(rows, 4).predict(normal(3, 2), 2)
        assert told == [([10, 10, 3], (7, 2), "left")] and p.cond["y"] is self.Y

    def test_the_wrong_number_of_them(self):
        p, x0 = self.model()
        p, fits = p.given(y=self.Y[:3]), r"y must be one number or have shape \(4,\), got \(3,\)"
        with pytest.raises(ValueError, match=fits):
            elbo(p.q, p, x0, p.decode)


class TestEpsWhereLittleIsLeft:
    "An error of eps counts s / a times in x_0: draws by steps that bring much more of a are refused, unless x_0 is clipped."

    def of(self, T, **kind):
        return DDPM(wave, ForwardProcess(cosine_schedule(1000).respace(T)), (2,), **kind)

    def test_draws_in_few_steps_are_refused_by_name(self):
        whole = self.of(1000)
        told = DDPM(lambda x, level, y=0: x, whole.q, (2,)).given(y=1)
        grid = [-19.8, -2.0, 9.0]
        for call in (
            lambda: self.of(50).sample(2),
            lambda: whole.respace(50).sample(2, eta=0.0),
            lambda: told.respace(50).sample(2, guidance=2.0),
            lambda: told.guided(2).respace(50).sample(2),
            lambda: draw(whole, 2, grid=grid),
            lambda: draw(told.guided(2), 2, grid=grid),
        ):
            with pytest.raises(ValueError, match="predicts='eps' needs steps in which its errors"):
                call()
        with pytest.raises(ValueError, match=r"got 632 times: let the network predict v, or take"):
            whole.respace(50).sample(2)

    def test_what_bears_it(self):
        for kind in (dict(predicts="v"), dict(predicts="x0"), dict(images=True)):
            assert self.of(3, **kind).sample(2, seed(1)).isfinite().all()
        exact = DDPM(mixture(), ForwardProcess(cosine_schedule().respace(3)))
        assert exact.sample(2).shape == (2, 2)
        assert DDPM(wave, process(), (2,)).respace(2).sample(2).shape == (2, 2)

    def test_it_trains_and_has_a_bound(self):
        p, x0 = self.of(50, variance="beta"), torch.zeros(3, 2)
        assert simple_loss(p, x0, seed(1)).isfinite().all()
        assert elbo(p.q, p, x0, generator=seed(1)).total.isfinite().all()

    def test_so_it_is(self):
        "eps off by 0.01 in 8 steps: tens away from the data. v is not."
        law, q = bell(0.5), ForwardProcess(cosine_schedule().respace(8))
        off = lambda says: lambda x_t, level: oracle(law, says)(x_t, level) + 0.01
        ends = {}
        for says in ("eps", "v"):
            p = DDPM(off(says), q, (1,), says)
            x = torch.randn(500, 1, generator=seed(1), dtype=F64)
            for t in range(q.T, 0, -1):
                x = p.ddim(x, t).mean
            ends[says] = x.abs().mean()
        assert ends["eps"] > 10 > 2 > ends["v"]


class TestModule:
    def test_it_is_a_reverse_process_and_a_module(self):
        p = DDPM(UNet(width=8), process(10), (1, 8, 8), "v", images=True)
        assert isinstance(p, ReverseProcess) and isinstance(p, nn.Module)
        names = [name for name, _ in p.named_parameters()]
        assert names and all(name.startswith("network.") for name in names)
        x = p.sample(3, seed(1))
        assert x.shape == (3, 1, 8, 8) and x.dtype == F32 and x.abs().max() <= 1
        assert p.to(BF16).sample(2, seed(1)).dtype == BF16

    def test_given_tells_the_network(self):
        told = []

        def network(x_t, log_snr, y=None, z=None):
            told.append((y, z))
            return x_t

        p = DDPM(network, process(3), (2,))
        three = p.given(y=3)
        three.sample(1, seed(1))
        assert told == [(3, None)] * 3 and p.cond == {}
        three.given(z=1).step(normal(1, 2), 2)
        three.given(y=4).respace(2).step(normal(1, 2), 2)
        simple_loss(three, normal(1, 2))
        assert told[3:] == [(3, 1), (4, None), (3, None)]

    def test_guided_is_two_answers(self):
        "Against chapter 15's formula by hand, in and out of its interval; sample(guidance=) is the same."
        net = lambda x_t, log_snr, y=0: 0.1 * x_t + torch.as_tensor(y).view(-1, 1)
        p, x_t = DDPM(net, process(9), (2,), "eps"), normal(3, 2)
        untold, told = (p.predict(x_t, 5).x0, p.given(y=2).predict(x_t, 5).x0)
        guided = p.given(y=2).guided(1.7)
        torch.testing.assert_close(guided.predict(x_t, 5).x0, untold + 1.7 * (told - untold))
        level = p.q.schedule.log_snr[5].item()
        outside = p.given(y=2).guided(1.7, low=level + 0.1).predict(x_t, 5).x0
        torch.testing.assert_close(outside, told)
        drawn = p.given(y=2).sample(4, seed(1), guidance=1.7)
        assert torch.equal(drawn, guided.sample(4, seed(1)))
        assert torch.equal(
            p.given(y=2).sample(4, seed(1), guidance=1), p.given(y=2).sample(4, seed(1))
        )
        for call in (lambda: p.guided(2), lambda: p.sample(1, guidance=2)):
            with pytest.raises(ValueError, match=r"guided needs what to guide to: p.given\(y=3\)"):
                call()

    def test_given_classes(self):
        torch.manual_seed(0)
        net = UNet(width=8, classes=10)
        for w in net.parameters():
            nn.init.normal_(w, std=0.1)  # a new one ends in zeros, and says nothing of y
        p = DDPM(net, process(10), (1, 8, 8), "v", images=True)
        draw = lambda p: p.sample(2, seed(1))
        assert not torch.equal(draw(p.given(y=3)), draw(p.given(y=7)))
        assert torch.equal(draw(p.given(y=3)), draw(p.given(y=torch.tensor([3, 3]))))
        assert torch.equal(draw(p.given(y=None)), draw(p)) and torch.equal(
            draw(p.given(y=10)), draw(p)
        )

    @pytest.mark.parametrize("dtype", [torch.float16, BF16], ids=str)
    def test_a_network_in_half_precision_walks_in_float32(self, dtype):
        "It gets x_t in its own dtype; the chain's small steps are not lost to rounding, and the draws are half again."
        seen = []

        class Half(nn.Linear):
            def forward(self, x_t, log_snr):
                seen.append((x_t.dtype, log_snr.dtype))
                return super().forward(x_t)

        q = ForwardProcess(constant_schedule(0.003, 300))
        p, scale = DDPM(Half(1, 1, bias=False).to(dtype), q, (1,), predicts="v"), 0.25
        nn.init.constant_(p.network.weight, scale)
        wide = DDPM(lambda x_t, level: (scale * x_t.to(dtype)).to(x_t.dtype), q, (1,), predicts="v")
        path = p.sample(500, seed(1), trajectory=True)
        assert path.dtype == dtype and torch.equal(
            path, wide.sample(500, seed(1), trajectory=True).to(dtype)
        )
        assert torch.equal(p.sample(500, seed(1)), path[0])
        assert set(seen) == {(dtype, F32)} and p.predict(normal(3, 1), 5).x0.dtype == F64

    @pytest.mark.parametrize("like", [torch.float16, BF16, F32, F64], ids=str)
    @pytest.mark.parametrize("own", [torch.float16, BF16, F32, F64], ids=str)
    def test_draws_are_like_what_was_asked_for_whatever_the_network_s_dtype(self, own, like):
        class Own(nn.Linear):
            def forward(self, x_t, log_snr):
                assert x_t.dtype == own
                return super().forward(x_t)

        law = mixture().to(own)
        for network in (Own(2, 2).to(own), UNet(2, width=8, mults=(1,)).to(own), law, Wrapped(law)):
            event = (2, 4, 4) if isinstance(network, UNet) else (2,)
            for p in (
                DDPM(network, process(3), event, "v"),
                DDPM(network, process(3), event, "v", "beta"),
            ):
                for eta in (1, 0.5):
                    x = p.sample(2, seed(1), like=torch.zeros(1, dtype=like), eta=eta)
                    assert x.dtype == like and x.shape == (2, *event) and x.isfinite().all()

    @pytest.mark.parametrize("event", EVENTS[1:])
    def test_any_distribution_in_the_network_s_place(self, event):
        law, q = mixture(event), process(20)
        exact, plain = DDPM(law, q), DDPM(Wrapped(law), q)
        assert plain.event_shape == law.event_shape
        x_t, t = q.marginal(law.sample(3, seed(1)), 10).sample(seed(2)), torch.tensor([2, 10, 20])
        for times in (10, t):
            assert error(plain.step(x_t, times).mean, exact.step(x_t, times).mean) < 1e-8
        assert plain.sample(2, seed(1), like=x_t).shape == (2, *event)
        assert plain.step(x_t[:0], t[:0]).mean.shape == (0, *event)

    def test_noise_without_signal(self):
        gone = ForwardProcess(Schedule.from_alpha_bar([0.5, 0.0]))
        with pytest.raises(
            ValueError, match=r"predicts='eps' needs alpha_bar_T above 0, got 0 at T = 2.*v or x0"
        ):
            DDPM(wave, gone)
        for p in (
            DDPM(wave, gone, predicts="v"),
            DDPM(wave, gone, predicts="x0"),
            DDPM(mixture(), gone),
        ):
            assert p.step(normal(3, 2), 2).mean.isfinite().all()

    def test_nothing_waits_for_a_device(self):
        "On the meta device whatever would stall a GPU raises."
        q, net = process(5), UNet(width=8).to("meta")
        x, t = (
            torch.empty(2, 1, 8, 8, device="meta"),
            torch.empty(2, dtype=torch.long, device="meta"),
        )
        for says in SAYS:
            p = DDPM(net, q, (1, 8, 8), says, images=True)
            for value in (
                p.step(x, t).mean,
                p.step(x, 3).mean,
                p.ddim(x, 3).mean,
                p.sample(2, eta=0.0),
                simple_loss(p, x),
                elbo_loss(p, x),
            ):
                assert value.device.type == "meta"
