"""What a wrong argument does in chapters 1 to 7, the laws and the networks: every public callable, each argument.

tests/wrong.py says what a row is. Whoever adds a public name adds a row, or a test below fails.
"""

import importlib
import types

import pytest
import torch

from .wrong import (
    ALONE,
    FLAG,
    GENERATOR,
    HUMPS,
    INF,
    NAN,
    OWN,
    PLANE,
    POOL,
    SCHEDULE,
    Kind,
    Q,
    Rows,
    X,
    a,
    as_is,
    ask_all,
    count,
    network,
    number,
    one_of,
    tensor,
)

pytestmark = pytest.mark.bad_input
HOMES = (
    "distribution", "gaussian", "forward", "reverse", "elbo", "likelihood", "ddpm", "score", "slopes", "laws.mixture",
    "laws.grid", "laws.linear", "networks.denoiser",
)  # fmt: skip
dm = types.SimpleNamespace()  # what these modules make public
for home in HOMES:
    module = importlib.import_module(f"diffusion_math.{home}")
    vars(dm).update({name: getattr(module, name) for name in module.__all__})

ROWS = Rows()
row = ROWS.row

# ---- what the rows are made of

X1 = torch.tensor([[0.5], [-1.0]])  # data of one number each
BACK, BACK1 = dm.ExactReverse(Q, PLANE), dm.ExactReverse(Q, HUMPS)
BELL = dm.GaussianMixture([1.0], torch.zeros(1, 2), torch.ones(1))
LAW = dm.Gaussian(X, 0.5)
P = dm.DDPM(network, Q, event_shape=(2,))
PBETA = dm.DDPM(network, Q, event_shape=(2,), variance="beta")


class Plain(dm.Distribution):
    "A distribution that says the least that one must say."

    event_shape = torch.Size([2])

    def sample(self, n, generator=None):
        return BELL.sample(n, generator)

    def log_prob(self, x):
        return -0.5 * x.square().sum(1)

    def noised(self, log_snr):
        return Plain()


class Walk(dm.ReverseProcess):
    "A reverse process that says the least that one must say."

    def step(self, x_t, t):
        return dm.Gaussian(0.9 * x_t, 0.1)


def score(x, log_snr=None):
    return -x


WALK = Walk(Q, (2,))
OF_X = Kind(score, {}, (lambda x: 3,), skip=OWN)
OF_LEVEL = Kind(score, {}, (lambda x, level: 3,), skip=OWN)
beside = tensor(X, wrong=(X[:, :1], X[:2], X[None]))  # an x that must fit another
LEVEL = number(0.5, also={"inf": INF, "0-dim": 2.5, "0-dim integer": 3.0, "integers": POOL["integers"],
                          "array": POOL["array"], "range": [0.0, 1.0, 2.0]},
               wrong=(torch.tensor([0.0, NAN, 1.0]), torch.zeros(2)))  # fmt: skip
LEVELS = LEVEL.but(right=LEVEL.right | {"-inf": -INF})  # where all signal may be gone
TIME = count(
    2, 1, 4, also=as_is("integers"), wrong=(5, 0, torch.tensor([1, 2]), torch.tensor([1, 2, 9]))
).less("0-dim integer")
TIME0 = count(
    2, 0, 4, also=as_is("integers"), wrong=(5, torch.tensor([1, 2]), torch.tensor([1, 2, 9]))
).less("0-dim integer")
NSAMPLE = count(2, 0, 10)
FUNCTIONS = ("function", "class", "sulk")

# ---- chapters 1 to 3

row("Distribution.score", Plain().score, x=tensor(X, "meta"))
row(
    "Distribution.denoise",
    Plain().denoise,
    x_t=tensor(X, "meta"),
    log_snr=number(0.5, -700, also={"inf": INF, "0-dim": 2.5, "0-dim integer": 3.0}),
)
row(
    "Distribution.denoise_cov",
    Plain().denoise_cov,
    x_t=tensor(X, "meta"),
    log_snr=number(0.5, -700, also={"inf": INF, "0-dim": 2.5, "0-dim integer": 3.0}),
)
row(
    "Distribution.denoise_moments",
    Plain().denoise_moments,
    x_t=tensor(X, "meta"),
    log_snr=LEVEL.less("-10**30"),
)
row("Distribution.noised_score", Plain().noised_score, x_t=tensor(X, "meta"), log_snr=LEVELS)

row(
    "Gaussian",
    dm.Gaussian,
    mean=tensor(X, *ALONE),
    var=number(
        0.5,
        0,
        1e30,
        also=as_is("0-dim"),
        wrong=(torch.ones(5), torch.tensor(-1.0), torch.tensor(NAN), torch.tensor(1), 1e-60, 1e60),
    ),
)
row("Gaussian.sample", LAW.sample, generator=GENERATOR)
row("Gaussian.log_prob", LAW.log_prob, x=beside)
row("Gaussian.kl", LAW.kl, other=a(LAW, wrong=(dm.Gaussian(X[:2], 1.0), dm.Gaussian, PLANE)))

row(
    "Schedule.from_beta",
    dm.Schedule.from_beta,
    beta=Kind([0.1, 0.2], as_is("array"), ([0.1, 1.2], [-0.1], [NAN], [[0.1]], [1j])),
)
row(
    "Schedule.from_alpha_bar",
    dm.Schedule.from_alpha_bar,
    alpha_bar=Kind([0.9, 0.2], as_is("array"), ([0.1, 0.2], [NAN], [1.1])),
)
row(
    "Schedule.from_log_snr",
    dm.Schedule.from_log_snr,
    log_snr=Kind([1.0, -2.0], as_is("array"), ([0.1, 0.2], [NAN])),
)
row(
    "Schedule",
    dm.Schedule,
    log_alpha=Kind(
        SCHEDULE.log_alpha, {}, ([0.0, -1.0], SCHEDULE.log_alpha[:3], SCHEDULE.log_alpha + 1)
    ),
    log_alpha_bar=Kind(
        SCHEDULE.log_alpha_bar, {}, ([0.0, -1.0], SCHEDULE.log_alpha[:3], NAN * SCHEDULE.log_alpha)
    ),
)
row(
    "Schedule.from_log_alpha_bar",
    dm.Schedule.from_log_alpha_bar,
    log_alpha_bar=Kind(
        SCHEDULE.log_alpha_bar,
        {},
        ([0.0, -1.0], NAN * SCHEDULE.log_alpha, SCHEDULE.log_alpha_bar[:1]),
    ),
)
row("Schedule.respace", SCHEDULE.respace, T=count(2, 1, 4))
STEPS = count(2, 1, 10**7, wrong=(10**7 + 1,))
row("constant_schedule", dm.constant_schedule, beta=number(0.1, 0, 1), T=STEPS)
row(
    "linear_schedule",
    dm.linear_schedule,
    T=STEPS,
    beta_min=number(1e-4, 0, 1),
    beta_max=number(0.02, 0, 1),
)
row(
    "cosine_schedule",
    dm.cosine_schedule,
    T=STEPS,
    beta_max=number(0.9, 0, 1),
    offset=number(0.008, 0, 1e9),
)
row("ForwardProcess", dm.ForwardProcess, schedule=a(SCHEDULE, wrong=(Q,)))
row("ForwardProcess.step", Q.step, x_prev=tensor(X, *ALONE), t=TIME)
row("ForwardProcess.marginal", Q.marginal, x0=tensor(X, *ALONE), t=TIME0)
row("ForwardProcess.posterior", Q.posterior, x_t=beside, x0=beside, t=TIME)
row("ForwardProcess.trajectory", Q.trajectory, x0=tensor(X, *ALONE), generator=GENERATOR)

# ---- chapters 4 to 6

EVENT = Kind((2,), as_is("None", "range", "integers", "nothing", "empty"), ((-1,), (2.5,)))
row("ReverseProcess", Walk, q=a(Q, wrong=(SCHEDULE,)), event_shape=EVENT)
row("ReverseProcess.prior", WALK.prior, like=tensor(X, *ALONE))
row(
    "ReverseProcess.sample",
    WALK.sample,
    n=NSAMPLE,
    generator=GENERATOR,
    progress=FLAG,
    trajectory=FLAG,
    like=Kind(None, as_is("None", "0-dim", "half", "empty", "meta")),
)
row("ExactReverse", dm.ExactReverse, q=a(Q), distribution=a(PLANE, wrong=(LAW,)))
row("ExactReverse.step", BACK.step, x_t=tensor(X), t=TIME)

row(
    "elbo",
    dm.elbo,
    q=a(Q),
    p=a(WALK, wrong=(Q,)),
    x0=tensor(X, "meta", wrong=(X * NAN, X * INF)),
    decoder=Kind(None, as_is("None"), (lambda x: 3, lambda x: X)),
    n=count(1, 1, 10),
    generator=GENERATOR,
    grad=FLAG,
)
row(
    "exact_elbo",
    dm.exact_elbo,
    q=a(Q),
    p=a(BACK1, wrong=(Q,)),
    x0=tensor(X1, wrong=(X1 * NAN, X)),
    decoder=Kind(None, as_is("None"), (lambda x: 3,), skip=OWN),
    nodes=count(20, 20, 100, wrong=(19,)),
)
NATS = torch.ones(3)
row(
    "Elbo",
    dm.Elbo,
    prior=tensor(NATS),
    steps=tensor(torch.ones(2, 3)),
    reconstruction=tensor(NATS),
    dims=count(2, 0),
    stderr=Kind((NATS, torch.ones(2, 3), NATS), {}, ((NATS,), (1, 2, 3))),
)

row(
    "bits_per_dim",
    dm.bits_per_dim,
    nats=number(2.5, also=as_is("inf", "-inf", "half", "empty", "meta", "0-dim")),
    dims=count(2),
    width=number(0.5, 0, lowest=False),
)
row(
    "DiscretizedGaussian",
    dm.DiscretizedGaussian,
    mean=tensor(X, *ALONE),
    var=number(0.5, 0, 1e30, lowest=False, also=as_is("0-dim")),
    levels=count(5, 2, 2**24),
    low=number(-1.0, -INF, 0.9),
    high=number(1.0, -0.9, INF),
)
row(
    "DiscretizedGaussian.log_prob",
    dm.DiscretizedGaussian(torch.zeros(3, 2), 0.5, 6).log_prob,
    x=tensor(2 * torch.ones(3, 2) - 1, wrong=(0.3 * X, X[:2], X * NAN)),
)
row(
    "Estimate",
    dm.Estimate,
    replicates=tensor(torch.ones(2, 3), "half", "meta", wrong=(torch.ones(3),)),
    dims=count(2, 0),
    shares=tensor(torch.ones(3) / 3, "empty"),
)
row(
    "elbo_estimate",
    dm.elbo_estimate,
    q=a(Q),
    p=a(WALK),
    x0=tensor(X, "meta", wrong=(X * NAN,)),
    n=count(4, 4, 4, wrong=(3,)),
    times=Kind("both", {}, ("nope",)),
    weights=Kind([1.0, 2.0, 3.0], as_is("None", "integers", "array"), ([0, 1, 2],)),
    replicates=count(2, 1, 2),
    decoder=Kind(None, as_is("None"), (lambda x: 3,)),
    generator=GENERATOR,
)

row(
    "DDPM",
    dm.DDPM,
    network=Kind(network, as_is(*FUNCTIONS[:2]), (3,)),
    q=a(Q),
    event_shape=EVENT,
    predicts=one_of("eps", "x0", "v"),
    variance=Kind("beta", as_is(*FUNCTIONS[:2]), ("nope",)),
    images=FLAG,
)
row("DDPM.predict", P.predict, x_t=tensor(X, *ALONE), t=TIME0)
row("DDPM.predict_at", P.predict_at, x_t=tensor(X, *ALONE), log_snr=LEVELS)
row("DDPM.denoise", P.denoise, x_t=tensor(X, *ALONE), log_snr=LEVEL.less("-10**30"))
row("DDPM.clean", P.clean, x_t=tensor(X, *ALONE), t=TIME0)
row("DDPM.step", P.step, x_t=tensor(X, *ALONE), t=TIME)
row("DDPM.ddim", P.ddim, x_t=tensor(X, *ALONE), t=TIME, eta=number(0.5, 0, 1))
row("DDPM.decode", P.decode, x_1=tensor(X, *ALONE))
row("DDPM.respace", P.respace, T=count(2, 1, 4))
row(
    "DDPM.sample",
    P.given(y=1).sample,
    n=NSAMPLE,
    generator=GENERATOR,
    progress=FLAG,
    trajectory=FLAG,
    like=Kind(None, as_is("None", "0-dim", "half", "empty", "meta")),
    eta=number(0.5, 0, 1),
    guidance=number(1.5, -1e6, 1e6, also={"0-dim": 2.5, "0-dim integer": 3.0}),
)
row(
    "DDPM.guided",
    lambda w, low, high: P.given(y=1).guided(w, low, high).denoise(X, 0.5),
    w=number(1.5, -1e6, 1e6, also={"0-dim": 2.5, "0-dim integer": 3.0}),
    low=number(-3.0, -INF, 3.0, also=as_is("-inf"), skip=("10**12", "inf", "1e300")),  # above high
    high=number(3.0, -3.0, INF, also=as_is("inf")),
)
row("DDPM.given", lambda y: P.given(y=y).sample(1), y=Kind(1, as_is(*POOL)))
row(
    "Prediction",
    lambda x_t, log_snr, eps: dm.Prediction(x_t, log_snr, eps=eps).eps,
    x_t=beside,
    log_snr=LEVELS,
    eps=beside,
)
row("Prediction.v_of", dm.Prediction(X, torch.tensor(0.5), eps=X).v_of, x0=beside, eps=beside)
for loss in (dm.simple_loss, dm.elbo_loss):
    row(
        loss.__name__,
        loss,
        p=a(PBETA, wrong=(WALK,)),
        x0=tensor(X, "half", "empty", "meta"),
        generator=GENERATOR,
        t=TIME.but(good=None, right=TIME.right | {"None": None}),
        eps=Kind(None, as_is("None"), (X[:2], X.long(), X[:, :1])),
    )

# ---- chapter 7

row(
    "tweedie",
    dm.tweedie,
    score=beside.but(skip=("meta",)),
    x_t=beside,
    log_snr=LEVEL.less("-10**30"),
)
row(
    "tweedie_cov",
    dm.tweedie_cov,
    score=OF_LEVEL,
    x_t=tensor(X, "half", "empty", "meta"),
    log_snr=LEVEL.less("-10**30"),
)
row("score_of", dm.score_of, model=a(P, wrong=(WALK, network)))
row(
    "dsm_loss",
    dm.dsm_loss,
    score=OF_LEVEL,
    x0=tensor(X, *ALONE),
    log_snr=LEVELS,
    generator=GENERATOR,
    eps=Kind(None, as_is("None"), (X[:2], X.long(), X[:, :1])),
    weighted=FLAG,
)
row(
    "hyvarinen_loss",
    dm.hyvarinen_loss,
    score=OF_X,
    x=tensor(X, *ALONE),
    probes=count(2, 1, 10**4, also=as_is("None")),
    generator=GENERATOR,
)
row(
    "trace_jacobian",
    dm.trace_jacobian,
    f=OF_X,
    x=tensor(X, *ALONE),
    probes=count(2, 1, 10**4, also=as_is("None")),
    generator=GENERATOR,
)
row(
    "langevin",
    dm.langevin,
    score=OF_X,
    x=tensor(X, *ALONE),
    step=number(0.1, 0, lowest=False),
    n=count(2, 0, 10**7),
    generator=GENERATOR,
    temperature=number(1.0, 0),
    trajectory=FLAG,
)
row(
    "annealed_langevin",
    dm.annealed_langevin,
    score=OF_LEVEL,
    x=tensor(X, *ALONE),
    log_snrs=Kind(
        [0.0, 1.0],
        as_is("nothing", "range", "integers", "array", "empty", "tuple", "list"),
        ([1.0, 0.0],),
    ),
    step=number(0.1, 0, lowest=False),
    n=count(2, 0, 10**7),
    generator=GENERATOR,
    trajectory=FLAG,
)

# ---- laws and networks

row(
    "GaussianMixture",
    dm.GaussianMixture,
    weights=Kind([0.3, 0.7], {}, ([0.3, 0.6], [-0.3, 1.3], [NAN, 1.0])),
    means=tensor(X[:2], wrong=(X[:2] * NAN, X[:2] * INF), skip=("half", "meta")),
    covs=Kind(
        torch.ones(2),
        as_is("list"),
        (torch.tensor([-1.0, 1.0]), torch.tensor([NAN, 1.0]), torch.tensor([INF, 1.0]), (1, 2, 3)),
    ),
)
row("Empirical", dm.Empirical, data=tensor(X, "half", "meta", wrong=(X * NAN, X * INF)))
row("Mixture.sample", PLANE.sample, n=NSAMPLE, generator=GENERATOR)
row("Mixture.responsibilities", PLANE.responsibilities, x=tensor(X, wrong=(X[:, :1],)))
row("GaussianMixture.log_prob", PLANE.log_prob, x=tensor(X, wrong=(X[:, :1],)))
row("GaussianMixture.score", PLANE.score, x=tensor(X, wrong=(X[:, :1],)))
row(
    "GaussianMixture.noised_score",
    PLANE.noised_score,
    x_t=tensor(X, wrong=(X[:, :1],)),
    log_snr=LEVELS,
)
row(
    "GaussianMixture.noised",
    PLANE.noised,
    log_snr=number(0.5, also={"inf": INF, "-inf": -INF, "0-dim": 2.5, "0-dim integer": 3.0}),
)
row("GaussianMixture.denoise", PLANE.denoise, x_t=tensor(X, wrong=(X[:, :1],)), log_snr=LEVELS)
row(
    "GaussianMixture.denoise_cov",
    PLANE.denoise_cov,
    x_t=tensor(X, wrong=(X[:, :1],)),
    log_snr=LEVELS,
    diag=FLAG,
)
row(
    "GaussianMixture.denoise_moments",
    PLANE.denoise_moments,
    x_t=tensor(X, wrong=(X[:, :1],)),
    log_snr=LEVELS,
)
row(
    "GaussianMixture.reverse_step",
    PLANE.reverse_step,
    x_t=tensor(X[:1], wrong=(X, X[:1, :1])),
    q=a(Q, wrong=(SCHEDULE,)),
    t=count(2, 1, 4, wrong=(5,)).less("0-dim integer"),
)
row(
    "GaussianMixture.fit",
    dm.GaussianMixture.fit,
    x=tensor(X, "meta", wrong=(X * NAN, X[:0])),
    labels=Kind(
        torch.tensor([0, 0, 1]), as_is("integers", "bools"), (torch.zeros(3), torch.tensor([0, 1]))
    ),
    k=Kind(None, as_is("None"), (1,)),
    floor=number(1e-3, 0),
    seed=count(0, 0, 2**32 - 1),
)
row(
    "GaussianMixture.fit by EM",
    lambda x, k, floor, seed: dm.GaussianMixture.fit(x, k=k, floor=floor, seed=seed),
    x=tensor(torch.cat([X, X + 1, X + 3]), "half"),
    k=count(1, 1, 9),
    floor=number(1e-3, 0),
    seed=count(0, 0, 2**32 - 1),
)
row("LinearChain", dm.LinearChain, p=a(WALK, wrong=(BACK, Walk(Q))))
LINEAR = dm.LinearChain(WALK)
row("LinearChain.log_prob", LINEAR.log_prob, x0=tensor(X, wrong=(X[:, :1],)))
for name in ("gap", "bound"):
    row(
        f"LinearChain.{name}",
        getattr(LINEAR, name),
        q=a(Q, wrong=(dm.ForwardProcess(dm.linear_schedule(5)),)),
        x0=tensor(X, wrong=(X[:, :1], X * NAN)),
    )
row(
    "GridChain",
    dm.GridChain,
    p=a(BACK1, wrong=(BACK,)),
    low=number(-5.0, -1e3, 4.0),
    high=number(5.0, -4.0, 1e3),
    fine=number(6.0, 0, 10, lowest=False, also=as_is("None")),
)
GRID = dm.GridChain(BACK1)
row("GridChain.log_prob", GRID.log_prob, x0=tensor(X1, "empty", wrong=(X, X1 * NAN, X1 + 100)))
row(
    "GridChain.gap",
    GRID.gap,
    q=a(Q, wrong=(dm.ForwardProcess(dm.linear_schedule(5)),)),
    x0=tensor(X1, wrong=(X, X1 * NAN, X1 + 100)),
)
row(
    "account",
    dm.account,
    data=a(HUMPS, wrong=(BACK1, PLANE)),
    q=a(Q, wrong=(dm.ForwardProcess(dm.linear_schedule(5)),)),
    p=a(BACK1, wrong=(BACK,)),
    low=number(-5.0, -5, -5),
    high=number(5.0, 5, 5),
    strips=count(200, 200, 200, wrong=(10**12,)),
)
# ---- the tests

TRUSTED = {
    "Gaussian.made",
    "Prediction.made",
    "DDPM.at_rows",  # of what packs rows that it has numbered
    "DDPM.changed",
    "DDPM.finer",  # of a bound that has looked at x
    "ReverseProcess.finer",
    "ExactReverse.finer",
    "Mixture.to",
}  # of what whoever calls it has checked
OWN_TESTS = {
    "as_denoiser",
    "denoiser_of",
    "jacobian",
    "pulled_back",
    "slope",
    "value_and_trace",
}  # in their own files
RECORDS = {"Account"}  # hold what they are given


def test_every_public_callable_and_each_of_its_arguments_has_its_row():
    assert ROWS.unasked(HOMES, TRUSTED | OWN_TESTS | RECORDS) == {}


@pytest.mark.parametrize("name", ROWS)
def test_what_is_wrong_is_refused_by_name_and_what_is_right_is_right(name, tmp_path, monkeypatch):
    ask_all(name, ROWS[name], tmp_path, monkeypatch)
