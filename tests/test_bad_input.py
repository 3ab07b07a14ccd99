"""What a wrong argument does: every public callable, each of its arguments, every wrong kind and value.

A row of ROWS is a call that is right, argument by argument; an argument's kind says which things of POOL are right for
it as well, and which other values are wrong. All else of POOL must be refused: by a ValueError or a TypeError that
names the argument and says what came. What is right must give what its plain form gives: np.uint8(3) what 3 gives.
Whoever adds a public name adds a row, or a test below fails.
"""

import dataclasses
import inspect
import json
import math
import re
import resource
import signal
import types
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from torch import nn

import diffusion_math
from diffusion_math import explore
from diffusion_math.numerics import seed_dice

pytestmark = pytest.mark.bad_input
INF, NAN, F64 = math.inf, math.nan, torch.float64


class Sulk:
    "An object that raises whatever it is asked for."

    def _no(self, *args):
        raise ArithmeticError("not today")

    __len__ = __iter__ = __int__ = __float__ = __index__ = __bool__ = _no
    __repr__ = __eq__ = __array__ = __getitem__ = __fspath__ = _no
    __hash__ = object.__hash__


POOL = {
    "None": None, "True": True, "numpy bool": np.True_, "3": 3, "0": 0, "-1": -1, "10**12": 10**12, "-10**30": -(10**30),
    "2.5": 2.5, "-0.5": -0.5, "nan": NAN, "inf": INF, "-inf": -INF, "1e300": 1e300, "1j": 1j, "fraction": Fraction(5, 2),
    "numpy 3": np.uint8(3), "numpy 2.5": np.float32(2.5), "text": "3", "no text": "", "bytes": b"3", "list": [1.0, 2.0],
    "tuple": (1.0, 2.0), "nothing": [], "words": ["a", "b"], "ragged": [[1.0], [1.0, 2.0]], "nones": [None], "dict": {"a": 1},
    "no dict": {}, "array": np.ones(3), "range": range(3), "0-dim": torch.tensor(2.5), "0-dim integer": torch.tensor(3),
    "integers": torch.tensor([1, 2, 3]), "bools": torch.tensor([True, False, True]),
    "complexes": torch.ones(3, 2, dtype=torch.complex64), "half": torch.ones(7, 5, dtype=torch.float16),
    "empty": torch.ones(0), "meta": torch.ones(3, 2, device="meta"), "function": len, "class": dict, "object": object(),
    "sulk": Sulk(), "dtype": torch.float32, "generator": torch.Generator(),
}  # fmt: skip
INTS = ("3", "0", "-1", "10**12", "-10**30", "numpy 3", "0-dim integer")
REALS = ("3", "0", "-1", "10**12", "-10**30", "2.5", "-0.5", "nan", "inf", "-inf", "1e300", "fraction", "numpy 3",
         "numpy 2.5")  # fmt: skip
TEXTS = ("text", "no text")


@dataclasses.dataclass
class Kind:
    "One argument: a good value; what of POOL is right, and as what; values that are wrong; by which name errors call it."

    good: Any
    right: dict[str, Any] = dataclasses.field(default_factory=dict)
    wrong: tuple = ()
    named: str | None = None
    skip: tuple[str, ...] = ()  # what is not tried: it would run, or what it raises is its own

    def but(self, **changes: Any) -> "Kind":
        return dataclasses.replace(self, **changes)

    def less(self, *labels: str) -> "Kind":
        "Some of POOL is not right after all."
        return self.but(right={k: v for k, v in self.right.items() if k not in labels})

    def cases(self) -> list[tuple[str, Any, Any]]:
        "Label, value, and what it must be like; NO where it must be refused."
        unknown = self.right.keys() - POOL.keys()
        assert not unknown, unknown
        pool = [(k, v, self.right.get(k, NO)) for k, v in POOL.items() if k not in self.skip]
        return pool + [(f"wrong {i}", value, NO) for i, value in enumerate(self.wrong)]


NO = object()


def as_is(*labels: str) -> dict[str, Any]:
    "These are right, as they are."
    return {label: POOL[label] for label in labels}


def count(good: int, low: int = 1, high: float = INF, **more: Any) -> Kind:
    "A whole number, of any kind that is one."
    right = {label: int(POOL[label]) for label in INTS if low <= int(POOL[label]) <= high}
    return Kind(good, right | more.pop("also", {}), **more)


def number(
    good: float, low: float = -INF, high: float = INF, lowest: bool = True, **more: Any
) -> Kind:
    "A real number in [low, high], or above low."
    fits = {label: float(POOL[label]) for label in REALS}
    fits = {k: v for k, v in fits.items() if (low <= v if lowest else low < v) and v <= high}
    finite = {k: v for k, v in fits.items() if math.isfinite(v) or more.get("named") == "inf"}
    return Kind(good, finite | more.pop("also", {}), **more)


def tensor(good: torch.Tensor, *right: str, **more: Any) -> Kind:
    "A tensor of floating point, (b, *event); what of POOL fits too."
    wrong = (good.long(), good[0].sum(), good.to(torch.complex64)) if good.ndim else ()
    return Kind(good, as_is(*right), more.pop("wrong", ()) + wrong, **more)


def one_of(*names: str, also: tuple = ()) -> Kind:
    return Kind(names[0], as_is(*also), ("nope", names[0].upper() + "!", names))


def a(good: Any, *right: str, wrong: tuple = ()) -> Kind:
    "An instance of a class."
    return Kind(good, as_is(*right), wrong)


GENERATOR = Kind(None, as_is("None", "generator"))
FLAG = Kind(False, {"True": True, "numpy bool": True}, ("no", "False", 2))
TEXT = Kind("words", as_is(*TEXTS))


@dataclasses.dataclass
class Row:
    call: Callable
    args: dict[str, Kind]

    def ask(self, **changes: Any) -> Any:
        seed_dice(0)
        return self.call(**{name: kind.good for name, kind in self.args.items()} | changes)


ROWS: dict[str, Row] = {}


def row(name: str, call: Callable, /, **args: Kind) -> None:
    ROWS[name] = Row(call, args)


# ---- what the rows are made of

X = torch.linspace(-1, 1, 6).view(3, 2)
X1 = torch.tensor([[0.5], [-1.0]])  # data of one number each
LINE = torch.linspace(-1, 1, 3)
PICTURES = torch.linspace(-1, 1, 2 * 16).view(2, 1, 4, 4)
SCHEDULE = dm.linear_schedule(4)
Q = dm.ForwardProcess(SCHEDULE)
PLANE = dm.GaussianMixture(
    [0.3, 0.7], torch.tensor([[-1.0, 0.0], [1.0, 0.5]]), torch.tensor([0.2, 0.5])
)
HUMPS = dm.GaussianMixture(
    [0.3, 0.7], torch.tensor([[-1.0], [1.0]]).double(), torch.tensor([0.1, 0.2])
)
BACK, BACK1 = dm.ExactReverse(Q, PLANE), dm.ExactReverse(Q, HUMPS)
BELL = dm.GaussianMixture([1.0], torch.zeros(1, 2), torch.ones(1))
LAW = dm.Gaussian(X, 0.5)


def network(x_t, log_snr, y=None):
    return 0.1 * x_t


P = dm.DDPM(network, Q, event_shape=(2,))
PBETA = dm.DDPM(network, Q, event_shape=(2,), variance="beta")
PX0 = dm.DDPM(network, Q, event_shape=(1, 4, 4), predicts="x0", images=True)


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
OWN = ("function", "class")  # called, they raise errors of their own
OF_X = Kind(score, {}, (lambda x: 3,), skip=OWN)
OF_LEVEL = Kind(score, {}, (lambda x, level: 3,), skip=OWN)
ALONE = ("half", "empty", "meta")  # right for an x that no other must fit
x_like = tensor(X, *ALONE)
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
)
row(
    "exact_elbo",
    dm.exact_elbo,
    q=a(Q),
    p=a(BACK1, wrong=(Q,)),
    x0=tensor(X1, wrong=(X1 * NAN,)),
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
row("DDPM.clean", P.clean, x_t=tensor(X, *ALONE), t=TIME0)
row("DDPM.step", P.step, x_t=tensor(X, *ALONE), t=TIME)
row("DDPM.ddim", P.ddim, x_t=tensor(X, *ALONE), t=TIME, eta=number(0.5, 0, 1))
row("DDPM.decode", P.decode, x_1=tensor(X, *ALONE))
row("DDPM.respace", P.respace, T=count(2, 1, 4))
row(
    "DDPM.sample",
    P.sample,
    n=NSAMPLE,
    generator=GENERATOR,
    progress=FLAG,
    trajectory=FLAG,
    like=Kind(None, as_is("None", "0-dim", "half", "empty", "meta")),
    eta=number(0.5, 0, 1),
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

row("tweedie", dm.tweedie, score=beside, x_t=beside, log_snr=LEVEL.less("-10**30"))
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

# ---- chapters 9 and 10

ANY_LEVEL = number(0.5, also={"inf": INF, "-inf": -INF, "0-dim": 2.5, "0-dim integer": 3.0})
ENDS = number(-1.0, -700, 700, also={"0-dim": 2.5, "0-dim integer": 3.0}, wrong=(701, -1e4))
DENOISER = Kind(network, {}, (lambda x, level: 3, P.q), skip=OWN)
row("as_denoiser", lambda denoiser: dm.as_denoiser(denoiser)(X, 0.5), denoiser=DENOISER)
MODEL = Kind(lambda x, level: 0.1 * x, {}, (lambda x, level: 3,), skip=OWN)


def asked(wrap: Callable) -> Callable:
    "A model from elsewhere, wrapped and asked once."
    return lambda model, **more: wrap(model, **more)(X, torch.tensor(0.5))


row("from_kdiffusion", asked(dm.from_kdiffusion), model=MODEL)
row("from_velocity", asked(dm.from_velocity), model=MODEL, data_at=count(0, 0, 1))
row("from_score", asked(dm.from_score), model=MODEL, told=one_of("log_snr", "sigma"))
THEIRS = types.SimpleNamespace(
    alphas_cumprod=Q.schedule.alpha_bar[1:], config={"prediction_type": "epsilon"}
)
row(
    "from_diffusers",
    lambda unet, scheduler: dm.from_diffusers(unet, scheduler).predict(X, 2).x0,
    unet=Kind(lambda x, t: 0.1 * x, {}, (), skip=OWN),
    scheduler=a(THEIRS, wrong=(types.SimpleNamespace(config={}),)),
)
row("to_diffusers", lambda p: dm.to_diffusers(p)[1], p=a(P))
row("velocity", dm.velocity, denoiser=DENOISER, x=tensor(X, *ALONE), log_snr=LEVELS)
row(
    "flow",
    dm.flow,
    denoiser=DENOISER,
    x=tensor(X, *ALONE),
    start=ENDS,
    end=ENDS,
    steps=count(2, 1, 10**7),
    trajectory=FLAG,
)
row(
    "quantile_flow",
    dm.quantile_flow,
    law=a(HUMPS, wrong=(Plain(), P)),
    x=tensor(X1),
    start=ANY_LEVEL,
    end=ANY_LEVEL,
)
row("drift", dm.drift, denoiser=DENOISER, x=tensor(X, *ALONE), log_snr=LEVELS, dial=number(1.0, 0))
row("diffusion", dm.diffusion, x=tensor(X, *ALONE), log_snr=LEVELS, dial=number(1.0, 0))
row(
    "walk",
    dm.walk,
    denoiser=DENOISER,
    x=tensor(X, *ALONE),
    start=ENDS,
    end=ENDS,
    steps=count(2, 1, 10**7),
    dial=number(1.0, 0),
    generator=GENERATOR,
    trajectory=FLAG,
)

# ---- chapter 15

BOUNDED = {"0-dim": 2.5, "0-dim integer": 3.0}
row(
    "guided",
    lambda told, untold, w, low, high: dm.guided(told, untold, w, low, high)(X, 0.5),
    told=DENOISER.but(named="denoiser"),
    untold=DENOISER.but(named="denoiser"),
    w=number(2.0, -1e6, 1e6, also=BOUNDED, wrong=(1e7,)),
    low=number(-1.0, also=as_is("inf", "-inf")),
    high=number(INF, -1.0, also=as_is("inf"), wrong=(-2, -INF)),
)
row(
    "classified",
    lambda denoiser, log_prob: dm.classified(denoiser, log_prob)(X, 0.5),
    denoiser=DENOISER,
    log_prob=Kind(
        lambda x, level: -x.flatten(1).square().sum(1), {}, (lambda x, level: x, 3), skip=OWN
    ),
)
row(
    "guidance_weight",
    dm.guidance_weight,
    value=number(2.0, -1e6, 1e6, also=BOUNDED, wrong=(1e7,)),
    paper=Kind("Imagen", {}, ("imagen", "Ho & Salimans")),
)

# ---- chapters 11 and 12

FINITE = LEVEL.less("inf")
SIGNS = tensor(torch.ones(2, 3, 2), "None", wrong=(torch.ones(2, 3, 1), torch.ones(0, 3, 2), X))
ZERO_DIM = {"0-dim": 2.5, "0-dim integer": 3.0}
row("divergence", dm.divergence, denoiser=DENOISER, x=tensor(X), log_snr=FINITE, signs=SIGNS)
row(
    "log_prob_by_flow",
    dm.log_prob_by_flow,
    denoiser=DENOISER.but(wrong=(*DENOISER.wrong, lambda x, level: NAN * x)),
    x0=tensor(X[:1], "half", "empty", wrong=(X * NAN, X * INF)),
    start=number(1.0, -0.9, 700, also=ZERO_DIM, wrong=(701, -1, -2)),
    end=number(-1.0, -700, 0.9, wrong=(-701, 1, 2)),
    probes=count(2, 1, 10**4, also=as_is("None")),
    tolerance=number(1e-2, 0, 1, lowest=False),
    second=FLAG,
    generator=GENERATOR,
)
row("noise_error", dm.noise_error, denoiser=DENOISER, x0=beside, log_snr=FINITE, eps=beside)
row("normal_error", dm.normal_error, x0=beside, log_snr=FINITE, eps=beside.but(right=as_is("None")))
NODES = count(20, 20, 10**4, wrong=(19, 10**4 + 1))
row(
    "error_curve",
    dm.error_curve,
    denoiser=DENOISER,
    x0=tensor(X, "empty", "meta", wrong=(torch.ones(1, 3),)),
    log_snr=tensor(LINE, "empty", wrong=(LINE * NAN, LINE * INF, X)),
    nodes=NODES,
)
row(
    "log_prob_by_area",
    dm.log_prob_by_area,
    denoiser=DENOISER,
    x0=tensor(X1, "empty", "meta", wrong=(torch.ones(1, 3),)),
    nodes=NODES,
    low=number(-2.0, -700, 1.9, wrong=(2, -701)),
    high=number(2.0, -1.9, 700, also=ZERO_DIM, wrong=(-2, 701)),
    step=number(1.0, 0, lowest=False, wrong=(1e-6, 1e-300)),
)
EDGES = Kind(
    [-1.0, 0.0, 2.0],
    as_is("range", "integers"),
    ([1, -1], [0, 0], [0], [0, NAN], [0, INF], [-INF, 0], [[0, 1]]),
    skip=("list", "tuple"),  # of another length, which is the shares' fault
)
SHARES = Kind(
    [1.0, 2.0], as_is("None", "list", "tuple"), ([1, 0], [1], [1, -1], [1, NAN], [1, INF], [[1, 2]])
)
STRETCHES = dm.Levels([-1.0, 0.0, 2.0], [1.0, 2.0])
row("Levels", dm.Levels, edges=EDGES, shares=SHARES)
row(
    "Levels, even",
    lambda edges: dm.Levels(edges),
    edges=EDGES.but(right=EDGES.right | as_is("list", "tuple"), skip=()),
)
row(
    "Levels.of",
    dm.Levels.of,
    schedule=a(SCHEDULE, wrong=(Q,)),
    low=number(-5.0, -INF, -1.9, also=as_is("-inf"), wrong=(-2, 0.05, 9)),
    high=number(-2.0, -4.9, INF, also=as_is("inf"), wrong=(-5, -11)),
)
row("Levels.by_size", dm.Levels.by_size, edges=EDGES, size=SHARES.less("None"))
PLACES = as_is("half", "empty", "meta")
row(
    "Levels.at",
    STRETCHES.at,
    u=Kind(LINE.abs(), PLACES, (LINE, 1.5 * LINE.abs(), LINE * NAN, LINE.long())),
)
row(
    "Levels.density",
    STRETCHES.density,
    log_snr=Kind(LINE, PLACES | as_is("0-dim"), (LINE * NAN, LINE.long())),
)
STRETCHED = a(STRETCHES, wrong=([0.0, 1.0], SCHEDULE))
row(
    "area_estimate",
    dm.area_estimate,
    denoiser=DENOISER,
    x0=tensor(X, *ALONE),
    levels=STRETCHED,
    n=count(4, 4, 4, wrong=(3,)),
    replicates=count(2, 1, 2),
    normal=FLAG,
    generator=GENERATOR,
)
row(
    "bound_by_area",
    dm.bound_by_area,
    p=a(PBETA, wrong=(WALK, Q)),
    x0=tensor(X, "meta", wrong=(X * NAN, X * INF, X[:, :1])),
    n=count(4, 4, 4, wrong=(3,)),
    levels=a(dm.Levels.of(SCHEDULE), "None", wrong=(STRETCHES, SCHEDULE)),
    replicates=count(2, 1, 2),
    decoder=Kind(None, as_is("None"), (lambda x: 3, lambda x: X)),
    generator=GENERATOR,
)
row(
    "learn_levels",
    lambda **given: vars(dm.learn_levels(**given)),
    denoiser=DENOISER,
    x0=tensor(X, "half", wrong=(X[:0],)),
    levels=STRETCHED,
    rounds=count(2, 0, 10**7),
    rate=number(0.05, 0, 1, lowest=False, wrong=(1.1,)),
    generator=GENERATOR,
)
row(
    "best_variance",
    dm.best_variance,
    q=a(Q, wrong=(SCHEDULE,)),
    error=Kind(
        [0.0, 0.1, 0.2, 0.3, 0.4],
        {},
        ([0.1] * 4, [0.1] * 6, [0, -0.1, 0, 0, 0], [0, NAN, 0, 0, 0], [0, INF, 0, 0, 0]),
    ),
)

# ---- chapter 14

AT = number(
    0.5, 0, 1, also=as_is("array"), wrong=(1.5, -0.1, torch.zeros(2), torch.tensor([0.5, NAN, 0.5]))
)
TIMES = Kind(
    [1.0, 0.5, 0.25],
    {},
    ([1.0], [1.0, 0.5, 0.5], [0.1, 0.5, 0.3], [1.0, 1.5], [1.0, NAN], [[1.0, 0.5]]),
)
MOVER = dm.FlowMatching(network)
NETWORK = Kind(network, {}, (lambda x, t: 3,), skip=OWN)
SHAPES = as_is("nothing", "half", "empty", "meta")  # a clock takes any
row(
    "log_snr_to_time",
    dm.log_snr_to_time,
    log_snr=LEVELS.but(
        right=LEVELS.right | as_is("list", "tuple") | SHAPES, wrong=(torch.tensor([0.0, NAN]),)
    ),
)
row(
    "time_to_log_snr",
    dm.time_to_log_snr,
    t=AT.but(right=AT.right | SHAPES, wrong=(1.5, -0.1, torch.tensor([0.5, NAN]))),
)
row(
    "FlowMatching",
    lambda network, noise_at: dm.FlowMatching(network, noise_at).denoise(X, 0.5),
    network=NETWORK,
    noise_at=count(1, 0, 1),
)
row("FlowMatching.denoise", MOVER.denoise, x_t=tensor(X, *ALONE), log_snr=LEVELS)
row("FlowMatching.forward", MOVER.forward, x_t=tensor(X, *ALONE), log_snr=LEVELS)
row("FlowMatching.velocity", MOVER.velocity, x_t=tensor(X, *ALONE), t=AT)
row("line_velocity", dm.line_velocity, denoiser=DENOISER, x_t=tensor(X, *ALONE), t=AT.less("0"))
row(
    "flow_loss",
    dm.flow_loss,
    model=DENOISER.but(named="denoiser"),
    x0=beside,
    generator=GENERATOR,
    t=AT.but(right=AT.right | as_is("None")).less("0"),
    eps=beside.but(right=as_is("None")),
)
row("line_walk", dm.line_walk, denoiser=DENOISER, x=tensor(X, *ALONE), times=TIMES, trajectory=FLAG)
row("straightness", dm.straightness, path=tensor(X[..., None], "meta"), times=TIMES)
row("pair_noise", dm.pair_noise, x0=beside, eps=beside)
row(
    "reflow_pairs",
    dm.reflow_pairs,
    denoiser=DENOISER,
    eps=tensor(X, *ALONE).but(named="x"),
    times=TIMES,
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
    q=a(Q),
    p=a(BACK1, wrong=(BACK,)),
    low=number(-5.0, -5, -5),
    high=number(5.0, 5, 5),
    strips=count(200, 200, 200, wrong=(10**12,)),
)
NET4 = dm.UNet(1, 10, width=4, mults=(1,), heads=1)
# ---- chapter 13

GRID = Kind(
    [-1.0, 0.5, 1.0],
    as_is("range", "integers", "list", "tuple"),
    ([1, 1], [0], [0, NAN], [INF, 0], [-INF, 0], [0, 701], [0, 1, 0.5], [[0, 1]]),
)
SOLVER = Kind("2m", {}, ("best", 3, dm.Solver))
row(
    "solve",
    dm.solve,
    denoiser=DENOISER,
    x=tensor(X, *ALONE),
    grid=GRID,
    solver=SOLVER,
    generator=GENERATOR,
    trajectory=FLAG,
    progress=FLAG,
)
row(
    "DDPM.sample, by a solver",
    lambda solver, grid: P.sample(1, solver=solver, grid=grid),
    solver=SOLVER.but(skip=("None",)),
    grid=GRID.but(right=GRID.right | as_is("None")),
)
RULE = Kind(dm.SOLVERS["3m"].rule, {}, skip=OWN)
row(
    "Solver",
    dm.Solver,
    name=TEXT,
    order=count(2, 1, 20),
    holds=one_of("x0"),
    rule=RULE,
    past=count(1, 0, 20),
    stages=Kind((), {}, ((0.5,), ((0.5, (1, 2)),), ((0.5, 1),)), skip=("nothing", "empty")),
    corrects=RULE.but(right=as_is("None")),
    dial=number(1.0, 0),
)
row(
    "even_grid",
    dm.even_grid,
    start=ENDS.but(good=-2.0),
    end=ENDS.but(good=1.7),
    steps=count(3, 2, 10**7, skip=("10**12",)),
    clean=FLAG,
)
row(
    "karras_grid",
    dm.karras_grid,
    start=ENDS.but(good=-2.0),
    end=ENDS.but(good=1.7),
    steps=count(3, 2, 10**7, skip=("10**12",)),
    rho=number(7.0, 0, lowest=False, wrong=(-1,)),
    clean=FLAG,
)
WALKERS = tensor(X, "half", wrong=(X[:0],))
row(
    "planned_grid",
    dm.planned_grid,
    denoiser=DENOISER,
    x=WALKERS,
    levels=GRID,
    steps=count(1, 1, 2),
    solver=SOLVER,
)
row(
    "polished_grid",
    dm.polished_grid,
    denoiser=DENOISER,
    x=WALKERS,
    grid=GRID,
    solver=SOLVER,
    rounds=count(1, 1, 10**7, skip=("10**12",)),
    fine=count(3, 1, 10**7),
    generator=GENERATOR,
    power=number(2.0, 0, lowest=False, wrong=(-1,)),
)
row(
    "learned_solver",
    dm.learned_solver,
    denoiser=DENOISER,
    x=WALKERS,
    grid=GRID.but(wrong=(*GRID.wrong, [1, 0], [0, INF])),
    loss=Kind(
        lambda ends: ends.square().mean(), {}, (lambda ends: 3.0, lambda ends: ends), skip=OWN
    ),
    solver=Kind("2m", {}, ("best", "heun", 3, dm.Solver)),
    past=count(1, 1, 20),
    rounds=count(2, 1, 10**7, skip=("10**12",)),
    batch=count(3, 1, 10**7, skip=("10**12",)),
)

row(
    "GreyLevels",
    dm.GreyLevels,
    network=Kind(NET4, as_is("function", "class"), ()),
    levels=count(5, 2, 2**24),
    low=number(-1.0, -INF, 0.9),
    high=number(1.0, -0.9, INF),
    finest=number(None, 0, 1, lowest=False, also=as_is("None")),
)
X_T = tensor(PICTURES, wrong=(PICTURES[0], PICTURES.expand(2, 3, 4, 4)))
ROWLEVEL = number(
    0.5,
    also=as_is("inf", "-inf", "0-dim", "0-dim integer"),
    wrong=(torch.tensor([0.0, NAN]), torch.zeros(5)),
)
row(
    "GreyLevels.forward",
    dm.GreyLevels(NET4).forward,
    x_t=tensor(PICTURES, wrong=(PICTURES[0],)),
    log_snr=ROWLEVEL,
)
SIZE = count(4, 1, 4, wrong=(2**14 + 1,))
row(
    "UNet",
    dm.UNet,
    channels=SIZE.but(good=1),
    out_channels=SIZE.but(good=1, right=SIZE.right | {"None": 1}),
    width=SIZE,
    mults=Kind((1,), as_is("integers"), ((0,), (1.5,), (2**14 + 1,), (1,) * 99)),
    blocks=SIZE.but(good=1),
    patch=SIZE.but(good=2),
    heads=SIZE.but(good=1, right={}),
    classes=SIZE.but(right=SIZE.right | as_is("None")),
    waves=Kind(
        (),
        as_is("nothing", "range", "integers", "empty"),
        ((1.5,), (-1,), (10**12,), tuple(range(10**5))),
    ),
)
row(
    "UNet.forward",
    dm.UNet(1, width=4, classes=3, heads=1).forward,
    x=X_T,
    log_snr=ROWLEVEL,
    y=count(2, 0, 3, also=as_is("None"), wrong=(4, torch.tensor([0, 9]))),
)

# ---- data and training

row(
    "digits",
    lambda split, labels: dm.digits(split, labels)[0][:1],
    split=one_of("test", "train"),
    labels=FLAG.but(good=True),
)
row(
    "mnist",
    dm.mnist,
    split=Kind("test", {}, ("nope",)),
    root=Kind("nowhere", {}, ("a\0b",), skip=("None", *TEXTS)),
    labels=Kind(False, {}, ("no",), skip=("True", "numpy bool")),
)
RUNS = Kind(
    1, {}, (-5,), skip=("3", "0", "10**12", "numpy 3", "0-dim integer")
)  # what is right would download
row(
    "make_digits",
    dm.make_digits,
    root=Kind("/nowhere", {}, ("a\0b",), skip=TEXTS),
    path=Kind("x.npz", {}, ("a\0b",), skip=TEXTS),
    seed=Kind(0, {}, (2**32,), skip=INTS[:2] + INTS[-2:]),
    train=RUNS,
    test=RUNS,
)
row(
    "dequantize",
    dm.dequantize,
    x=Kind(PICTURES, as_is(*ALONE, "0-dim"), (PICTURES.long(),)),
    generator=GENERATOR,
)


def quiet(f):
    "f, for which a file that is not there is no fault."

    def call(**given):
        try:
            return f(**given)
        except OSError:
            return None

    return call


PATHS = Kind("nowhere/x", as_is(*TEXTS), ("a\0b",))
row(
    "load_pictures",
    lambda source, size, channels, split, root, skip, progress: dm.load_pictures(
        source, size, channels, split, root, skip, progress
    )[0][:1],
    source=Kind("digits", {}, (" ", "a\0b"), skip=("text",)),
    size=Kind(4, as_is("3", "None"), ((4,), (4, 0), 10**7)),
    channels=Kind(1, {"3": 3, "numpy 3": 3, "0-dim integer": 3, "None": None}, (2,)),
    split=one_of("test", "train"),
    root=Kind(None, as_is("None", *TEXTS), ("a\0b",)),
    skip=Kind(None, as_is("None", "function", "class")),
    progress=FLAG,
)
row(
    "save_pictures",
    quiet(dm.save_pictures),
    x=tensor(PICTURES, wrong=(PICTURES * NAN, PICTURES[0])),
    path=Kind("/dev/null/x.npz", {}, ("x.jpg", "a\0.npz")),
    labels=Kind(None, as_is("None"), (torch.zeros(2), torch.tensor([1]))),
    cols=count(2, 1, 10**12, also=as_is("None")),
)
row("load_model", quiet(dm.load_model), path=PATHS)
row("load_pretrained", dm.load_pretrained, name=Kind("ddpm_mnist", {}, ("nope",)))
PU = dm.DDPM(dm.UNet(1, width=4, mults=(1,), heads=1), Q, event_shape=(1, 4, 4))
row(
    "save_model",
    quiet(dm.save_model),
    p=a(PU, wrong=(WALK,)),
    path=Kind("/dev/null/x", {}, ("a\0b",), skip=TEXTS),
    dtype=Kind(None, as_is("None", "dtype"), (torch.int8,)),
)


FRESH = object()  # in the place of a process that fit has not trained yet


def fit(**given):
    p = dm.DDPM(nn.Linear(2, 2), Q, event_shape=(2,), predicts="x0")
    p.network.forward = lambda x_t, log_snr, y=None: nn.functional.linear(
        x_t, p.network.weight, p.network.bias
    )
    run = dm.fit(
        p if given["p"] is FRESH else given["p"], **{k: v for k, v in given.items() if k != "p"}
    )
    return run.losses


fraction = number(0.5, 0, 1)
row(
    "fit",
    fit,
    p=Kind(FRESH, {}, (WALK, P)),
    data=tensor(X, wrong=(X * NAN, X[:, :1])),
    steps=count(1, 1, 3),
    batch=count(2, 1, 3),
    lr=number(1e-3, 0),
    loss=Kind("simple", {}, ("nope",), skip=OWN),
    labels=Kind(None, as_is("None"), (torch.zeros(3), torch.tensor([1, 2]))),
    ema=fraction,
    warmup=count(0, 0, 10**12),
    clip=number(1.0, 0, also={"inf": INF}),
    weight_decay=number(0.0, 0),
    drop=fraction,
    seed=count(0, -(10**30), 10**12),
    folder=Kind(None, as_is("None"), ("a\0b",), skip=TEXTS),
    every=count(1, 1),
    resume=Kind(False, {}),
    callback=Kind(None, as_is("None"), skip=OWN),
    log_every=count(1, 1),
    precision=one_of("no"),
    accumulate=count(1, 1, 2),
    progress=FLAG,
)

# ---- explorables

KIND = one_of("linear", "cosine")
row(
    "BoundExplorer",
    dm.BoundExplorer,
    mixture=a(HUMPS, "None", wrong=(PLANE,)),
    schedule=KIND,
    T=count(2, 1, 100),
    shift=number(0.1, 0, 0.5),
    factor=number(1.0, 0.5, 2),
)
BOUND = dm.BoundExplorer(T=2)
row("BoundExplorer.account", BOUND.account, strips=count(200, 200, 200, wrong=(10**9,)))
row("BoundExplorer.terms", BOUND.terms, strips=count(100, 1, 100, wrong=(10**9,)))
WAY = torch.zeros(3, 1, 1, 4, 4)
DIGIT = torch.zeros(2, 1, 28, 28)
row(
    "DrawExplorer",
    dm.DrawExplorer,
    x0=tensor(DIGIT, wrong=(DIGIT * NAN, DIGIT + 2, PICTURES)),
    t=count(400, 0, 1000),
    digit=count(0, 0, 1),
    generator=GENERATOR,
)
row(
    "FilmExplorer",
    dm.FilmExplorer,
    x_t=tensor(WAY, wrong=(WAY * NAN, WAY[:1])),
    x0=tensor(WAY, "None", wrong=(WAY * NAN, WAY[:2])),
    times=Kind([4, 2, 0], as_is("None"), ([4, 2], [4, 2, 1], [4, 4, 0], [10**30, 2, 0])),
    frame=count(0, 0, 2),
    seed=count(0, 0, 0),
    network=one_of("ddpm_mnist", "ddpm_mnist_bits", also=("None",)),
)
PF = dm.DDPM(network, Q, event_shape=(1, 4, 4))
row(
    "FilmExplorer.of",
    dm.FilmExplorer.of,
    p=a(PF, wrong=(Q, P)),
    n=count(1, 1, 3),
    frames=count(2, 2, 3),
    generator=GENERATOR,
    like=Kind(None, as_is("None", "0-dim", "half", "empty"), skip=("meta",)),
    frame=count(0, 0, 1),
)
FITTED = dm.GaussianMixture.fit(
    torch.randn(9, 1, 4, 4, generator=torch.Generator().manual_seed(0)),
    k=None,
    labels=torch.zeros(9).long(),
    floor=0.1,
)
row(
    "GaugeExplorer",
    dm.GaugeExplorer,
    q=a(FITTED, wrong=(PLANE,)),
    held_out=tensor(PICTURES, wrong=(PICTURES[0], PICTURES * NAN)),
    labels=Kind(
        torch.tensor([3, 5]),
        {},
        (torch.tensor([3.0, 5.0]), torch.tensor([3]), torch.tensor([3, 500])),
    ),
    digit=Kind(3, as_is("3", "None", "numpy 3", "0-dim integer"), (4,)),
    rank=count(2, 1, 15),
    generator=GENERATOR,
)
row(
    "AreaExplorer",
    dm.AreaExplorer,
    mixture=a(HUMPS, "None", wrong=(PLANE,)),
    x=number(1.5, -4, 4),
    log_snr=number(16.0, -12, 16),
)
row(
    "BellExplorer",
    dm.BellExplorer,
    mu=number(0.0, -3, 3),
    sigma=number(1.0, 0.05, 3),
    generator=GENERATOR,
)
row(
    "OriginExplorer",
    dm.OriginExplorer,
    mixture=a(HUMPS, "None", wrong=(PLANE,)),
    schedule=a(SCHEDULE, "None", wrong=(Q,)),
    t=count(1, 1, SCHEDULE.T, also=as_is("None")),
    x=number(0.0, -3.5, 3.5),
)
row(
    "GaussianExplorer",
    dm.GaussianExplorer,
    mu=Kind((0.0, 0.0), as_is("list", "tuple"), ((0, NAN), ("a", 1), (0,))),
    sigma=Kind((1.0, 1.0), as_is("list", "tuple"), ((1, NAN),)),
    rho=number(0.0, -0.99, 0.99),
    generator=GENERATOR,
)
row(
    "MeltingExplorer",
    dm.MeltingExplorer,
    mixture=a(HUMPS, "None", wrong=(PLANE,)),
    schedule=one_of("linear", "cosine"),
    T=count(20, 1, 1000, also=as_is("None")),
    t=count(0, 0, 20, also=as_is("None")),
    generator=GENERATOR,
)
row(
    "NetworkExplorer",
    dm.NetworkExplorer,
    p=a(PF, wrong=(P, WALK)),
    x0=tensor(PICTURES, wrong=(PICTURES * 2, PICTURES * NAN, PICTURES[..., :2])),
    t=count(2, 1, 4, also=as_is("None")),
    digit=count(0, 0, 1),
    generator=GENERATOR,
)
row(
    "NoisingExplorer",
    dm.NoisingExplorer,
    x0=tensor(PICTURES, "half", wrong=(PICTURES * 2, PICTURES * NAN)),
    schedule=one_of("constant", "linear", "cosine"),
    T=count(20, 1, 1000, also=as_is("None")),
    beta=number(0.1, 0, 1),
    t=count(1, 0, 20, also=as_is("None")),
    digit=count(0, 0, 1),
    generator=GENERATOR,
    ask=a(False, "None", wrong=("yes",)),
)
row(
    "LearnExplorer",
    dm.LearnExplorer,
    x0=Kind(X, as_is("None"), ("nope", X.long(), X[0], X * 9, X * NAN, X[:0], X.repeat(400, 1))),
    log_snr=number(2.0, -4, 4),
    seed=count(0, 0, 999),
)
row(
    "PlaygroundExplorer",
    dm.PlaygroundExplorer,
    view=one_of("melt", "reverse", "bound", "score"),
    x0=Kind(X, as_is("None"), ("nope", X.long(), X[0], X * 9, X * NAN, X[:0], X.repeat(400, 1))),
    t=count(2, 0, 50, also=as_is("None")),
    place=Kind((0.5, 1.0), as_is("None", "list", "tuple"), ((1.0,), (9.0, 0.0), (0.5, NAN), 0.5)),
    seed=count(0, 0, 999),
)
SPOT = Kind((1, 2), as_is("None"), ((1,), (9, 9), (0.5, 1), (1, -1), (1, NAN)))
row(
    "PixelsExplorer",
    dm.PixelsExplorer,
    images=tensor(PICTURES, wrong=(PICTURES * 2, PICTURES * NAN, PICTURES[:1])),
    first=SPOT,
    second=SPOT,
)
row(
    "ReverseExplorer",
    dm.ReverseExplorer,
    mixture=a(HUMPS, "None", wrong=(PLANE,)),
    signal=number(0.5, 1e-9, 1),
    beta=number(0.5, 1e-4, 1),
    x=number(0.0, -3.5, 3.5),
    generator=GENERATOR,
)
row(
    "ScoreExplorer",
    dm.ScoreExplorer,
    mixture=a(PLANE, "None", wrong=(HUMPS,)),
    schedule=one_of("linear", "cosine"),
    T=count(20, 1, 1000, also=as_is("None")),
    t=count(0, 0, 20),
    sampler=one_of("langevin", "ascent"),
    generator=GENERATOR,
)
row(
    "ThreadsExplorer",
    dm.ThreadsExplorer,
    mixture=a(HUMPS, "None", wrong=(PLANE,)),
    start=number(0.0, -3, 3),
    spread=number(1.0, 0.5, 1.5),
    dial=number(1.0, 0, 2),
    throw=count(0, 0, 999),
)
row(
    "SolverExplorer",
    dm.SolverExplorer,
    mixture=a(HUMPS, "None", wrong=(PLANE,)),
    solver=one_of("ddim", "heun-x0"),
    grid=one_of("even", "rho7"),
    calls=count(6, 4, 40),
    start=number(0.0, -3, 3),
    guess=one_of("none", "euler"),
    plans=Kind((), as_is("nothing", "empty"), ([[0, 6]], [[-8, 7, 6]], [-8, 6], [range(-8, 7), 3])),
)
row(
    "GuideExplorer",
    dm.GuideExplorer,
    w=number(1.0, 0, 8),
    digit=count(3, 0, 9),
    generator=GENERATOR,
)
row("ScoreExplorer.step", dm.ScoreExplorer(T=20).step, x=tensor(X), xi=tensor(X))

# ---- the tests

TRUSTED = {  # of numbers that whoever calls it has checked
    "Gaussian.made", "AsksNetwork.ask", "AsksNetwork.answer", "AsksNetwork.says", "AsksNetwork.level",
    "AsksNetwork.quiet_end", "AsksNetwork.changed",
    "Explorable.unpacked", "Mixture.to",
}  # fmt: skip
RECORDS = {"Account", "FlowLogProb", "Pictures", "TrainingRun"}  # hold what they are given


def methods(public: type) -> dict[str, Callable]:
    "The public methods of a class that are the package's own, by the class that defines them."
    found = {}
    for name in dir(public):
        owner = next(c for c in public.__mro__ if name in vars(c))
        said = inspect.getattr_static(public, name)
        ours = owner.__module__.startswith("diffusion_math") and not name.startswith("_")
        if ours and isinstance(said, types.FunctionType | classmethod):
            found[f"{owner.__name__}.{name}"] = getattr(public, name)
    return found


def public() -> dict[str, Callable]:
    every = {name: getattr(dm, name) for name in dm.__all__ if callable(getattr(dm, name))}
    for value in list(every.values()):
        every |= methods(value) if isinstance(value, type) else {}
    abstract = {n for n, f in every.items() if getattr(f, "__isabstractmethod__", False)}
    return {name: f for name, f in every.items() if name not in abstract | TRUSTED | RECORDS}


def parameters(f: Callable) -> set[str]:
    given = inspect.signature(f).parameters.values()
    stars = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name for p in given if p.kind not in stars} - {"self"}


def test_every_public_callable_and_each_of_its_arguments_has_its_row():
    bare = {name for name, f in public().items() if not parameters(f)} - ROWS.keys()
    missing = public().keys() - ROWS.keys() - bare - {"Distribution", "AsksNetwork"}
    assert sorted(missing) == []
    left_out = {
        name: parameters(f) - ROWS[name].args.keys() for name, f in public().items() if name in ROWS
    }
    assert {name: names for name, names in left_out.items() if names} == {}


def told(value: Any, depth: int = 0) -> Any:
    "A result as something that can be compared."
    if isinstance(value, torch.Tensor):
        held = (
            None
            if value.is_meta
            else value.detach().double().tolist()
            if not value.is_complex()
            else value.tolist()
        )
        return str(value.dtype), tuple(value.shape), str(value.device), held
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float | int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str | bool | None):
        return value
    if isinstance(value, dict):
        return {str(k): told(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [told(v, depth + 1) for v in value]
    if isinstance(value, traitlets.HasTraits):
        state = {k: getattr(value, k) for k in value.class_own_traits(sync=True)}
        json.dumps({k: v for k, v in state.items() if not isinstance(v, bytes)})  # it must travel
        return {k: told(v, depth + 1) for k, v in state.items() if not k.startswith("_")}
    if (
        depth < 4
        and type(value).__module__.startswith("diffusion_math")
        and not isinstance(value, nn.Module)
    ):
        return {k: told(v, depth + 1) for k, v in vars(value).items()}
    return type(value).__name__


def same(a: Any, b: Any) -> bool:
    return repr(told(a)) == repr(told(b))  # of which a NaN equals itself


def refused(error: Exception, name: str) -> str | None:
    "What is wrong with a refusal, if anything is."
    if not isinstance(error, ValueError | TypeError | traitlets.TraitError):
        return f"raises {type(error).__name__}: {error}"
    if not re.search(rf"(?<![\w.]){re.escape(name)}\b", str(error)):
        return f"does not name it: {type(error).__name__}: {error}"
    if not re.search(
        r"\bgot\b|not so at|holds |\bis 1 [+-]|at log_snr =|would take|, not the |and not ",
        str(error),
    ):
        return f"does not say what came: {error}"
    return None


class Hangs(Exception):
    "A case took too long."


def alarm(*_):
    raise Hangs


def walk(name: str) -> tuple[int, list[str]]:
    "How many cases a row has, and what is wrong with some of them."
    found, n, given = [], 0, ROWS[name]
    for argument, kind in given.args.items():
        plain: dict[str, Any] = {}  # what the plain forms give

        def by_plain_form(due, argument=argument, plain=plain):
            key = repr(due) if type(due) in (bool, int, float) else None
            if key not in plain:
                plain[key] = given.ask(**{argument: due})
            return plain[key] if key else plain.pop(key)

        for label, value, due in kind.cases():
            n, out, wrong = n + 1, None, None
            signal.setitimer(signal.ITIMER_REAL, 120)  # what it imports may take a while
            try:
                out = given.ask(**{argument: value})
                if due is NO:
                    wrong = "is taken"
                elif due is not value and not same(out, by_plain_form(due)):
                    wrong = f"is not what {due!r} gives"
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                why = refused(error, kind.named or argument)
                wrong = why if due is NO else f"is right, and {type(error).__name__}: {error}"
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if wrong:
                found.append(f"{name}({argument}={label}) {wrong}")
    return n, found


@pytest.mark.parametrize("name", ROWS)
def test_what_is_wrong_is_refused_by_name_and_what_is_right_is_right(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIFFUSION_MATH_PROGRESS", str(tmp_path.parent / "progress.json"))
    signal.signal(signal.SIGALRM, alarm)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, found = walk(name)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert not found, "\n" + "\n".join(found)
    assert grown < 2**20, f"{name} took {grown / 2**20:.1f} GB more"  # it counts in kilobytes
    assert not list(tmp_path.iterdir())


def test_there_are_enough_cases():
    assert (
        sum(len(kind.cases()) for given in ROWS.values() for kind in given.args.values()) > 20_000
    )
