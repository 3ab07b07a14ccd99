"A denoiser that was told y: exact, or under a known assumption, in several styles; each slip by its name."

import pytest
import torch

from diffusion_math import GaussianMixture, cosine_schedule, referee
from diffusion_math.inverse import Measurement, steered
from diffusion_math.referee.clock import clock_of
from diffusion_math.referee.inverse import NAMED, RIGHT, SLIPS, inverse
from tests.truth import F64, seed

BAR = cosine_schedule(40).alpha_bar[1:]
CLOCKS = {
    "steps": {"alphas_cumprod": BAR},
    "sigma": {"sigmas": torch.linspace(0.05, 8, 30)},
    "flow": {"flow_times": torch.linspace(0.03, 0.97, 30)},
}
ROOTS = 0.5 * torch.randn(3, 4, 4, generator=seed(1), dtype=F64)
LAW = GaussianMixture(
    [0.3, 0.5, 0.2],
    1.5 * torch.randn(3, 4, generator=seed(2), dtype=F64),
    ROOTS @ ROOTS.mT + 0.2 * torch.eye(4, dtype=F64),
)
SQUARE = torch.randn(4, 4, generator=seed(3), dtype=F64)
WAYS = {
    "mask": Measurement(torch.tensor([True, False, True, False]), 0.4),
    "two sums": Measurement(torch.randn(2, 4, generator=seed(4), dtype=F64), 0.6),
    "square": Measurement(SQUARE, 0.55),
}


def exactly(exact, **_):
    return exact


def told(make, way="two sums", **table):
    "A user's code of this kind, that has the exact parts of the law."
    clock, by = clock_of(**table), WAYS[way]

    def f(x_t, t, y):
        place = clock.place(t)
        a, s = clock.a[place].double(), clock.s[place].double()
        x, level = x_t.double() / (a**2 + s**2).sqrt()[:, None], 2 * (a / s).log()
        A = by.of_rows(torch.eye(4, dtype=F64)).mT
        exact = by.posterior(LAW, y.double()).denoise(x, level) if make is exactly else None
        known = {"x": x_t.double(), "D": LAW.denoise(x, level), "C": LAW.denoise_cov(x, level), "A": A,
                 "y": y.double(), "r": by.std, "a": a, "s": s, "exact": exact}  # fmt: skip
        return make(**known).to(x_t)

    return f


def by_level(f, schedule=BAR):
    "f(x_t, log SNR, y) as code that is told t."
    level = torch.logit(schedule)
    return lambda x_t, t, y: f(x_t, level[t].to(x_t), y)


@pytest.mark.parametrize(
    "clock, way", [("steps", "mask"), ("sigma", "two sums"), ("flow", "square"), ("flow", "mask")]
)
def test_the_exact_guess_and_each_assumption_are_right(clock, way):
    said = inverse(told(exactly, way, **CLOCKS[clock]), LAW, WAYS[way], **CLOCKS[clock])  # fmt: skip
    assert said and "the exact E[x_0 | x_t, y]" in str(said)
    for assume, make in RIGHT.items():
        said = inverse(told(make, way, **CLOCKS[clock]), LAW, WAYS[way], **CLOCKS[clock])
        assert said and NAMED[assume] in str(said) and "off by" in str(said.notes)


@pytest.mark.parametrize("way", ["mask", "square"])
def test_our_own_are_right(way):
    by = WAYS[way]
    for assume in NAMED:
        f = by_level(lambda x, level, y, assume=assume: steered(LAW, by, y, assume)(x, level))
        said = referee.inverse(f, LAW, by, BAR)
        assert said and NAMED[assume] in said.says
    exact = by_level(lambda x, level, y: by.posterior(LAW, y).denoise(x, level))
    assert "exact" in inverse(exact, LAW, by, BAR).says


def test_right_in_other_styles():
    by, A = WAYS["two sums"], WAYS["two sums"].A

    def v0_by_loss(x_t, t, y):
        "As the paper writes it: the slope of the squared error, with 1/r^2 before it."
        x = x_t.detach().requires_grad_()
        x0 = LAW.denoise(x, torch.logit(BAR)[t])
        loss = ((y - x0 @ A.to(x0).mT) ** 2).sum()
        slope = torch.autograd.grad(loss, x)[0]
        bar = BAR[t].to(x)[:, None]
        return x0 - (1 - bar) / bar.sqrt() * slope / (2 * by.std**2)

    def v0_in_eps(x_t, t, y):
        "The noise, less the root of 1 - alpha-bar times the score of y."
        bar = BAR[t].to(x_t)[:, None]
        with torch.enable_grad():
            x = x_t.clone().requires_grad_(True)
            eps = (x - bar.sqrt() * LAW.denoise(x, torch.logit(BAR)[t])) / (1 - bar).sqrt()
            x0 = (x - (1 - bar).sqrt() * eps) / bar.sqrt()
            law = torch.distributions.Normal(x0 @ A.to(x0).mT, by.std)
            law.log_prob(y.expand(len(x), -1)).sum().backward()
        return (eps - (1 - bar).sqrt() * x.grad).detach()

    def pigdm_by_vjp(x_t, t, y):
        "ΠGDM with sigma, and a vector-Jacobian product."
        bar = BAR[t].to(x_t)[:, None]
        variance = ((1 - bar) / bar) / (1 + (1 - bar) / bar)
        x0, vjp = torch.func.vjp(lambda x: LAW.denoise(x, torch.logit(BAR)[t]), x_t)
        B = A.to(x_t)
        M = variance[..., None] * (B @ B.mT) + by.std**2 * torch.eye(2).to(x_t)
        v = torch.linalg.solve(M, y - x0 @ B.mT)
        return x0 + (1 - bar) / bar.sqrt() * vjp(v @ B)[0]

    def by_sums(x_t, t, y):
        "Kalman's gain in numpy, one x at a time."
        out = []
        for x, k in zip(x_t.double(), t, strict=True):
            level = torch.logit(BAR)[k]
            D, C = (
                LAW.denoise(x[None], level)[0].numpy(),
                LAW.denoise_cov(x[None], level)[0].numpy(),
            )
            B = A.numpy()
            gain = C @ B.T @ torch.linalg.inv(torch.tensor(B @ C @ B.T) + by.std**2 * torch.eye(2)).numpy()  # fmt: skip
            out.append(torch.tensor(D + gain @ (y.double().numpy() - B @ D)))
        return torch.stack(out)

    for f, more, name in (
        (v0_by_loss, {}, "V = 0"),
        (v0_in_eps, {"predicts": "eps"}, "V = 0"),
        (pigdm_by_vjp, {}, "PiGDM"),
        (by_sums, {}, "TMPD"),
    ):
        said = inverse(f, LAW, by, BAR, **more)
        assert said and name in said.says, said


def test_of_one_bell_the_moments_are_exact():
    one = GaussianMixture([1.0], LAW.means[:1], (ROOTS @ ROOTS.mT + torch.eye(4, dtype=F64))[:1])
    f = by_level(lambda x, level, y: steered(one, WAYS["mask"], y, "moments")(x, level))
    assert "exact" in inverse(f, one, WAYS["mask"], BAR).says


OF_SQUARES = {
    "A for A'",
    "A' forgotten",
    "A left out of A V A'",
}  # elsewhere such code does not run


@pytest.mark.parametrize("name", [s.name for s in SLIPS])
def test_every_slip_is_named_and_none_is_taken_for_another(name):
    way = "square" if name in OF_SQUARES else "two sums"
    for make in next(s for s in SLIPS if s.name == name).makes:
        said = inverse(told(make, way, alphas_cumprod=BAR), LAW, WAYS[way], BAR)
        assert not said and said.slip == name, said


@pytest.mark.parametrize(
    "name", ["y of the wrong sign", "the norm for its square", "y put in place of the guess"]
)
def test_and_through_a_mask(name):
    make = next(s for s in SLIPS if s.name == name).makes[0]
    said = inverse(told(make, "mask", alphas_cumprod=BAR), LAW, WAYS["mask"], BAR)
    assert not said and said.slip == name


@pytest.mark.parametrize("clock", ["sigma", "flow"])
@pytest.mark.parametrize("name", ["y of the wrong sign", "r for its square", "sigma^2 for its r_t^2"])  # fmt: skip
def test_and_by_other_clocks(clock, name):
    make = next(s for s in SLIPS if s.name == name).makes[0]
    said = inverse(told(make, **CLOCKS[clock]), LAW, WAYS["two sums"], **CLOCKS[clock])
    assert not said and said.slip == name


def test_a_step_of_its_own_size_is_measured():
    by = WAYS["two sums"]
    f = told(lambda **k: k["D"] + 0.3 * (RIGHT["point"](**k) - k["D"]), alphas_cumprod=BAR)
    said = inverse(f, LAW, by, BAR)
    assert not said and not said.slip and "the way of V = 0, 0.3 times as far" in str(said)
    half = lambda a, **_: 0.5 + a[:, None] / 2
    f = told(lambda **k: k["D"] + half(**k) * (RIGHT["unit"](**k) - k["D"]), alphas_cumprod=BAR)
    said = str(inverse(f, LAW, by, BAR))
    assert "the way of PiGDM, 0.5" in said and " to 0.99" in said
    f = told(lambda **k: k["D"].tanh(), alphas_cumprod=BAR)
    said = inverse(f, LAW, by, BAR)
    assert not said and not said.slip and not said.notes


def test_what_gives_no_answer():
    by = WAYS["mask"]
    assert "ZeroDivisionError" in str(inverse(lambda x, t, y: 1 / 0, LAW, by, BAR))
    assert "shape" in str(inverse(lambda x, t, y: x[:, :2], LAW, by, BAR))
    assert "changed argument 1" in str(inverse(lambda x, t, y: x.mul_(2), LAW, by, BAR))


LARGE = GaussianMixture([1.0], torch.zeros(1, 257), torch.ones(1))
SEEN = Measurement(torch.ones(257, dtype=torch.bool), 1.0)
THREE = Measurement(torch.ones(3, dtype=torch.bool), 0.1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, kind, words",
    [
        ((3, LAW, WAYS["mask"], BAR), TypeError, "f must be"),
        ((by_level, "law", WAYS["mask"], BAR), TypeError, "law must be a GaussianMixture, got str"),
        ((by_level, LAW, SQUARE, BAR), TypeError, "measurement must be a Measurement"),
        ((by_level, LAW, WAYS["mask"]), TypeError, "alphas_cumprod"),
        ((by_level, LAW, THREE, BAR), ValueError, "measurement must look at events of law"),
        ((by_level, LARGE, SEEN, BAR), ValueError, "at most 256"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit(arguments, kind, words):
    with pytest.raises(kind, match=words):
        inverse(*arguments)
