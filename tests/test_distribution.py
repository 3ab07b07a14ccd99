"""Distribution: what its defaults make of four answers written by hand, against closed forms; and what it refuses.

Three laws are written here in plain torch: a bell on the line, a correlated bell on small images, and a coin, whose two
points have no density of their own but have one under noise.
"""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math.distribution import Distribution

F64 = torch.float64


def alpha_bar_of(log_snr):
    "The share of signal, and that of noise, as numbers."
    level = float(log_snr)
    return 1 / (1 + math.exp(-level)), 1 / (1 + math.exp(level))


class Bell(Distribution):
    "N(mean, var) on the line."

    event_shape = torch.Size([])

    def __init__(self, mean=1.5, var=0.3):
        self.mean, self.var = mean, var

    def sample(self, n, generator=None):
        return self.mean + self.var**0.5 * torch.randn(n, generator=generator, dtype=F64)

    def log_prob(self, x):
        return -0.5 * ((x - self.mean) ** 2 / self.var + math.log(2 * math.pi * self.var))

    def noised(self, log_snr):
        a, noise = alpha_bar_of(log_snr)
        return Bell(a**0.5 * self.mean, a * self.var + noise)


class Image(Distribution):
    "A bell over images of 2 x 3 whose pixels are correlated."

    event_shape = torch.Size([2, 3])

    def __init__(self, mean, cov):
        self.mean, self.cov = mean, cov

    def sample(self, n, generator=None):
        eps = torch.randn(n, 6, generator=generator, dtype=F64)
        return self.mean + (eps @ torch.linalg.cholesky(self.cov).T).view(n, 2, 3)

    def log_prob(self, x):
        off = (x - self.mean).flatten(1)
        squares = (off * torch.linalg.solve(self.cov, off.T).T).sum(1)
        return -0.5 * (squares + torch.logdet(2 * math.pi * self.cov))

    def noised(self, log_snr):
        a, noise = alpha_bar_of(log_snr)
        return Image(a**0.5 * self.mean, a * self.cov + noise * torch.eye(6, dtype=F64))


class Coin(Distribution):
    "1 or -1. Only its noised laws have a density: two bells."

    event_shape = torch.Size([1])

    def __init__(self, place=1.0, var=0.0):
        self.place, self.var = place, var

    def sample(self, n, generator=None):
        return 2 * torch.randint(2, (n, 1), generator=generator, dtype=F64) - 1

    def log_prob(self, x):
        bells = torch.cat([-0.5 * (x - side * self.place) ** 2 / self.var for side in (-1, 1)], 1)
        return bells.logsumexp(1) - 0.5 * math.log(2 * math.pi * self.var) - math.log(2)

    def noised(self, log_snr):
        a, noise = alpha_bar_of(log_snr)
        return Coin(a**0.5, noise)


def image():
    draw = torch.Generator().manual_seed(2)
    root = torch.randn(6, 6, dtype=F64, generator=draw)
    return Image(
        torch.randn(2, 3, dtype=F64, generator=draw),
        root @ root.T / 6 + 0.2 * torch.eye(6, dtype=F64),
    )


def bayes_on_a_bell(x, log_snr, mean=1.5, var=0.3):
    "E[x0 | x_t] and Var[x0 | x_t] by completing the square: precisions add."
    a, noise = alpha_bar_of(log_snr)
    precision = 1 / var + a / noise
    return (mean / var + a**0.5 * x / noise) / precision, 1 / precision


xs = st.floats(-6, 6)
levels = st.floats(-8, 15)


@given(xs, levels)
def test_score_denoise_and_denoise_cov_of_a_bell(x, log_snr):
    q, point = Bell(), torch.tensor([x], dtype=F64)
    mean, var = bayes_on_a_bell(x, log_snr)
    assert q.score(point).item() == pytest.approx((1.5 - x) / 0.3, rel=1e-10, abs=1e-12)
    assert q.denoise(point, log_snr).item() == pytest.approx(mean, rel=1e-10, abs=1e-10)
    assert q.denoise_cov(point, log_snr).item() == pytest.approx(
        var, rel=1e-9
    )  # Jacobian of a difference
    wrong, _ = bayes_on_a_bell(x, log_snr, mean=1.6)
    assert not q.denoise(point, log_snr).item() == pytest.approx(wrong, rel=1e-10, abs=1e-10)


@given(xs, st.floats(-6, 6))
def test_denoise_of_a_coin_is_tanh(x, log_snr):
    a, noise = alpha_bar_of(log_snr)
    guess = math.tanh(a**0.5 * x / noise)
    point = torch.tensor([[x]], dtype=F64)
    assert Coin().denoise(point, log_snr).item() == pytest.approx(guess, abs=1e-10)
    assert Coin().denoise_cov(point, log_snr).item() == pytest.approx(1 - guess**2, abs=1e-9)


@pytest.mark.parametrize("log_snr", [-5.0, 0.0, 4.0])
def test_an_event_of_any_shape(log_snr):
    "On correlated pixels: the same by matrices, the covariance over the flattened event."
    q, x = image(), torch.randn(4, 2, 3, dtype=F64)
    a, noise = alpha_bar_of(log_snr)
    gain = a**0.5 * q.cov @ torch.linalg.inv(a * q.cov + noise * torch.eye(6, dtype=F64))
    score = -torch.linalg.solve(q.cov, (x - q.mean).flatten(1).T).T
    guess = q.mean.flatten() + (x - a**0.5 * q.mean).flatten(1) @ gain.T
    cov = q.cov - a**0.5 * gain @ q.cov
    assert torch.allclose(q.score(x), score.view_as(x), rtol=1e-10, atol=1e-10)
    assert torch.allclose(q.denoise(x, log_snr), guess.view_as(x), rtol=1e-10, atol=1e-10)
    got = q.denoise_cov(x, log_snr)
    assert got.shape == (4, 6, 6) and torch.allclose(got, cov.expand(4, 6, 6), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "kind", [float, lambda v: torch.tensor(v), lambda v: torch.tensor(v, dtype=F64), int]
)
def test_the_noise_level_is_a_number_or_a_tensor_of_one(kind):
    x = torch.linspace(-2, 2, 5, dtype=F64)
    assert torch.equal(Bell().denoise(x, kind(1.0)), Bell().denoise(x, 1.0))
    assert torch.equal(Bell().denoise_cov(x, kind(1.0)), Bell().denoise_cov(x, 1.0))


def test_without_noise_x_is_its_own_best_guess():
    x = torch.linspace(-2, 2, 5, dtype=F64)
    assert torch.equal(Bell().denoise(x, math.inf), x)
    assert torch.equal(Bell().denoise_cov(x, math.inf), torch.zeros(5, 1, 1, dtype=F64))


@pytest.mark.parametrize("log_snr", [-math.inf, -800.0, torch.tensor(-math.inf)], ids=str)
def test_where_nothing_of_x0_is_left_the_score_says_nothing_of_it(log_snr):
    x = torch.linspace(-2, 2, 5, dtype=F64)
    for ask in (Bell().denoise, Bell().denoise_cov):
        words = r"log_snr must be above -709: nothing of x0 is left in x_t; .*, got -(inf|800)"
        with pytest.raises(ValueError, match=words):
            ask(x, log_snr)
    assert (
        Bell().denoise(x, -700.0).isfinite().all()
    )  # the last digits are gone there, but it is a number


def test_a_subclass_that_knows_the_mean_is_asked():
    class Known(Bell):
        def denoise(self, x_t, log_snr):
            return (
                torch.full_like(x_t, 1.5) if log_snr == -math.inf else super().denoise(x_t, log_snr)
            )

    x = torch.linspace(-2, 2, 5, dtype=F64)
    assert torch.equal(Known().denoise(x, -math.inf), torch.full_like(x, 1.5))
    with pytest.raises(ValueError, match="says its own denoise"):
        Known().denoise_cov(x, -math.inf)


def test_denoise_is_the_regression_of_x0_on_x_t():
    "By samples: what is left of x0 after the guess does not go with x_t, nor with its square, and has the variance."
    log_snr, n = 0.5, 100_000
    a, noise = alpha_bar_of(log_snr)
    x0 = Coin().sample(n, torch.Generator().manual_seed(10))
    x_t = a**0.5 * x0 + noise**0.5 * torch.randn(n, 1, dtype=F64)
    left = x0 - Coin().denoise(x_t, log_snr)
    for with_what in (torch.ones_like(x_t), x_t, x_t**2, x_t**3):
        product = left * with_what
        assert abs(product.mean()) < 5 * product.std() / n**0.5
    assert abs((left * x0).mean()) > 5 * (left * x0).std() / n**0.5  # it does go with x0
    some = x_t[:300]
    apart = left[:300].square() - Coin().denoise_cov(some, log_snr)[:, 0]
    assert abs(apart.mean()) < 5 * apart.std() / 300**0.5


def test_dtype_is_kept():
    for dtype in (torch.float32, F64):
        x = torch.linspace(-2, 2, 5, dtype=dtype)
        outs = (
            Bell().score(x),
            Bell().denoise(x, 1.0),
            Bell().denoise_cov(x, torch.tensor(1.0, dtype=F64)),
        )
        assert all(out.dtype == dtype for out in outs)
        assert torch.allclose(outs[1].double(), bayes_on_a_bell(x.double(), 1.0)[0], rtol=1e-5)


def test_a_batch_of_zero():
    for q, d in ((Bell(), 1), (image(), 6)):
        x = torch.zeros(0, *q.event_shape, dtype=F64)
        assert q.score(x).shape == q.denoise(x, 1.0).shape == x.shape
        assert q.denoise_cov(x, 1.0).shape == (0, d, d)


def test_the_score_leaves_x_alone_and_works_without_gradients_around_it():
    x = torch.linspace(-2, 2, 5, dtype=F64)
    with torch.no_grad():
        got = Bell().score(x)
    assert not x.requires_grad and not got.requires_grad and x.grad is None
    assert torch.allclose(got, (1.5 - x) / 0.3)


def test_the_score_of_an_x_with_a_gradient_has_one_too():
    x = torch.linspace(-2, 2, 5, dtype=F64, requires_grad=True)
    score = Coin(1.0, 0.5).score(x[:, None])[:, 0]  # [-x + tanh(2 x)] / 0.5
    assert torch.allclose(score, 2 * (torch.tanh(2 * x) - x))
    (slope,) = torch.autograd.grad(score.sum(), x)
    assert torch.allclose(slope, 2 * (2 / torch.cosh(2 * x) ** 2 - 1)) and x.grad is None


def test_every_default_runs_on_the_meta_device():
    x = torch.zeros(3, device="meta")
    outs = Bell().score(x), Bell().denoise(x, 1.0), Bell().denoise_cov(x, 1.0)
    assert [tuple(out.shape) for out in outs] == [(3,), (3,), (3, 1, 1)]
    assert all(out.device.type == "meta" and out.dtype == torch.float32 for out in outs)


@pytest.mark.parametrize("missing", ["event_shape", "sample", "log_prob", "noised"])
def test_a_subclass_must_answer_all_four_questions(missing):
    body = {
        name: vars(Bell)[name]
        for name in ("event_shape", "__init__", "sample", "log_prob", "noised")
    }
    whole = type("Whole", (Distribution,), body)
    assert isinstance(whole(), Distribution)
    part = type(
        "Part", (Distribution,), {name: value for name, value in body.items() if name != missing}
    )
    with pytest.raises(TypeError, match=missing):
        part()


def test_the_three_derived_answers_are_not_asked_for():
    assert Distribution.__abstractmethods__ == {"event_shape", "sample", "log_prob", "noised"}
    with pytest.raises(TypeError, match="abstract"):
        Distribution()
