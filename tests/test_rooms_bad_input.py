"""What a wrong argument does in the rooms: data, training, the explorables, memory and letters, each argument.

tests/wrong.py says what a row is. Whoever adds a public name to these rooms adds a row, or a test below fails.
"""

import importlib
from collections.abc import Callable

import pytest
import torch
from torch import nn

from diffusion_math import DDPM, Empirical, GaussianMixture, Schedule, explore, linear_schedule
from diffusion_math.data import digits, pictures
from diffusion_math.laws.levels import GreyLevels
from diffusion_math.letters import BinomialChain, CoinMixture, MarkovLaw, TableLaw, one_hot
from diffusion_math.memory import LocalDenoiser
from diffusion_math.networks.unet import UNet
from diffusion_math.training import checkpoint
from diffusion_math.training.fit import fit

from .wrong import (
    ALONE,
    FLAG,
    GENERATOR,
    HUMPS,
    INF,
    INTS,
    NAN,
    OWN,
    PICTURES,
    PLANE,
    POOL,
    SCHEDULE,
    TEXTS,
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
ROWS = Rows()
row = ROWS.row


def quiet(f: Callable) -> Callable:
    "f, for which a file that is not there is no fault."

    def call(**given):
        try:
            return f(**given)
        except OSError:
            return None

    return call


P = DDPM(network, Q, event_shape=(2,))
PF = DDPM(network, Q, event_shape=(1, 4, 4))

# ---- data and training

ROW_LEVEL = number(
    0.5,
    also=as_is("inf", "-inf", "0-dim", "0-dim integer"),
    wrong=(torch.tensor([0.0, NAN]), torch.zeros(5)),
)
NET4 = UNet(1, 10, width=4, mults=(1,), heads=1)
row(
    "GreyLevels",
    GreyLevels,
    network=Kind(NET4, {}, (), skip=OWN),
    levels=count(5, 2, 2**24),
    low=number(-1.0, -INF, 0.9),
    high=number(1.0, -0.9, INF),
    finest=number(None, 0, 1, lowest=False, also=as_is("None")),
)
row(
    "GreyLevels.forward",
    GreyLevels(NET4).forward,
    x_t=tensor(PICTURES, wrong=(PICTURES[0],)),
    log_snr=ROW_LEVEL,
)
SIZE = count(4, 1, 4, wrong=(2**14 + 1,))
row(
    "UNet",
    UNet,
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
    UNet(1, width=4, classes=3, heads=1).forward,
    x=tensor(PICTURES, wrong=(PICTURES[0], PICTURES.expand(2, 3, 4, 4))),
    log_snr=ROW_LEVEL,
    y=count(2, 0, 3, also=as_is("None"), wrong=(4, torch.tensor([0, 9]))),
)

row(
    "digits",
    lambda split, labels: digits.digits(split, labels)[0][:1],
    split=one_of("test", "train"),
    labels=FLAG.but(good=True),
)
row(
    "mnist",
    digits.mnist,
    split=Kind("test", {}, ("nope",)),
    root=Kind("nowhere", {}, ("a\0b",), skip=("None", *TEXTS)),
    labels=Kind(False, {}, ("no",), skip=("True", "numpy bool")),
)
RUNS = Kind(
    1, {}, (-5,), skip=("3", "0", "10**12", "numpy 3", "0-dim integer")
)  # what is right would download
row(
    "make_digits",
    digits.make_digits,
    root=Kind("/nowhere", {}, ("a\0b",), skip=TEXTS),
    path=Kind("x.npz", {}, ("a\0b",), skip=TEXTS),
    seed=Kind(0, {}, (2**32,), skip=INTS[:2] + INTS[-2:]),
    train=RUNS,
    test=RUNS,
)
row(
    "dequantize",
    digits.dequantize,
    x=Kind(PICTURES, as_is(*ALONE, "0-dim"), (PICTURES.long(),)),
    generator=GENERATOR,
)
row(
    "load_pictures",
    lambda **given: pictures.load_pictures(**given)[0][:1],
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
    quiet(pictures.save_pictures),
    x=tensor(PICTURES, wrong=(PICTURES * NAN, PICTURES[0])),
    path=Kind("/dev/null/x.npz", {}, ("x.jpg", "a\0.npz")),
    labels=Kind(None, as_is("None"), (torch.zeros(2), torch.tensor([1]))),
    cols=count(2, 1, 10**12, also=as_is("None")),
)
row(
    "load_masked",
    quiet(pictures.load_masked),
    path=Kind("/nowhere/x.png", {}, ("a\0b",), skip=TEXTS),
    size=Kind(4, as_is("3"), ((4,), (4, 0))),
    channels=Kind(1, {"3": 3, "numpy 3": 3, "0-dim integer": 3}, (2,)),
    mask=Kind(None, as_is("None"), ("a\0b",), skip=TEXTS),
)
row(
    "load_model",
    quiet(checkpoint.load_model),
    path=Kind("nowhere/x", as_is(*TEXTS), ("a\0b",)),
    network=Kind(None, as_is("None", *OWN), ("nope", "a:b:c"), skip=TEXTS),
)
row("load_pretrained", checkpoint.load_pretrained, name=Kind("ddpm_mnist", {}, ("nope",)))
PU = DDPM(UNet(1, width=4, mults=(1,), heads=1), Q, event_shape=(1, 4, 4))
row(
    "save_model",
    quiet(checkpoint.save_model),
    p=a(PU, wrong=(Q,)),
    path=Kind("/dev/null/x", {}, ("a\0b",), skip=TEXTS),
    dtype=Kind(None, as_is("None", "dtype"), (torch.int8,)),
    config=Kind(None, as_is("None", "dict", "no dict"), ([("a", 1)],)),
)

FRESH = object()  # in the place of a process that fit has not trained yet


class Affine(nn.Linear):
    "A small network of points, of a class or of none."

    def forward(self, x_t, log_snr, y=None):
        return super().forward(x_t)


def losses(p, **given):
    return fit(
        DDPM(Affine(2, 2), Q, event_shape=(2,), predicts="x0") if p is FRESH else p, **given
    ).losses


FRACTION = number(0.5, 0, 1)
row(
    "fit",
    losses,
    p=Kind(FRESH, {}, (Q, P)),
    data=tensor(X, wrong=(X * NAN, X[:, :1]), skip=("words", "ragged", "nones", "range", "sulk")),
    steps=count(1, 1, 3),
    batch=count(2, 1, 3, also=as_is("None")),
    lr=number(1e-3, 0),
    loss=Kind("simple", {}, ("nope",), skip=OWN),
    labels=Kind(None, as_is("None"), (torch.zeros(3), torch.tensor([1, 2]))),
    cond=Kind(None, as_is("None", "no dict"), ({"y": torch.zeros(2)}, {3: X}, {"nope": object()})),
    drop=FRACTION,
    none=Kind(None, as_is("None", "dict", "no dict"), ({3: X},)),
    transform=Kind(None, as_is("None"), skip=OWN),
    ema=FRACTION,
    warmup=count(0, 0, 10**12),
    clip=number(1.0, 0, also={"inf": INF}),
    weight_decay=number(0.0, 0),
    optimizer=Kind(None, as_is("None"), skip=OWN),
    seed=count(0, -(10**30), 10**12),
    folder=Kind(None, as_is("None"), ("a\0b",), skip=TEXTS),
    every=count(1, 1),
    resume=Kind(False, {}),
    callback=Kind(None, as_is("None"), skip=OWN),
    log_every=count(1, 1),
    precision=one_of("no"),
    accumulate=count(1, 1, 2),
    recompute=Kind(False, {}),
    progress=FLAG,
)

# ---- explorables

ONE_D = a(HUMPS, "None", wrong=(PLANE,))
POINT, NINE = (
    GaussianMixture([1 / k] * k, torch.zeros(k, 2), v * torch.ones(k))
    for k, v in ((1, 0.0), (9, 1.0))
)
TWO_D = a(PLANE, "None", wrong=(HUMPS, POINT, NINE))
T, UNTIL_20 = count(20, 1, 1000, also=as_is("None")), count(0, 0, 20, also=as_is("None"))
row(
    "BoundExplorer",
    explore.BoundExplorer,
    mixture=ONE_D,
    schedule=one_of("linear", "cosine"),
    T=count(2, 1, 100),
    shift=number(0.1, 0, 0.5),
    factor=number(1.0, 0.5, 2),
)
BOUND = explore.BoundExplorer(T=2)
row("BoundExplorer.account", BOUND.account, strips=count(200, 200, 200, wrong=(10**9,)))
row("BoundExplorer.terms", BOUND.terms, strips=count(100, 1, 100, wrong=(10**9,)))
WAY, DIGIT = torch.zeros(3, 1, 1, 4, 4), torch.zeros(2, 1, 28, 28)
row(
    "DrawExplorer",
    explore.DrawExplorer,
    x0=tensor(DIGIT, wrong=(DIGIT * NAN, DIGIT + 2, PICTURES)),
    t=count(400, 0, 1000),
    digit=count(0, 0, 1),
    generator=GENERATOR,
)
row(
    "FilmExplorer",
    explore.FilmExplorer,
    x_t=tensor(WAY, wrong=(WAY * NAN, WAY[:1])),
    x0=tensor(WAY, "None", wrong=(WAY * NAN, WAY[:2])),
    times=Kind([4, 2, 0], as_is("None"), ([4, 2], [4, 2, 1], [4, 4, 0], [10**30, 2, 0])),
    frame=count(0, 0, 2),
    seed=count(0, 0, 0),
    network=one_of("ddpm_mnist", "ddpm_mnist_bits", also=("None",)),
)
row(
    "FilmExplorer.of",
    explore.FilmExplorer.of,
    p=a(PF, wrong=(Q, P)),
    n=count(1, 1, 3),
    frames=count(2, 2, 3),
    generator=GENERATOR,
    like=Kind(None, as_is("None", "0-dim", "half", "empty"), skip=("meta",)),
    frame=count(0, 0, 1),
)
FITTED = GaussianMixture.fit(
    torch.randn(9, 1, 4, 4, generator=torch.Generator().manual_seed(0)),
    k=None,
    labels=torch.zeros(9).long(),
    floor=0.1,
)
row(
    "GaugeExplorer",
    explore.GaugeExplorer,
    q=a(FITTED, wrong=(PLANE,)),
    held_out=tensor(PICTURES, wrong=(PICTURES[0], PICTURES * NAN, PICTURES[..., :2])),
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
    explore.AreaExplorer,
    mixture=ONE_D,
    x=number(1.5, -4, 4),
    log_snr=number(16.0, -12, 16),
)
row(
    "BellExplorer",
    explore.BellExplorer,
    mu=number(0.0, -3, 3),
    sigma=number(1.0, 0.05, 3),
    generator=GENERATOR,
)
row(
    "OriginExplorer",
    explore.OriginExplorer,
    mixture=ONE_D,
    schedule=a(SCHEDULE, "None", wrong=(Q, Schedule.from_beta([0.1, 0.0]), linear_schedule(1001))),
    t=count(1, 1, SCHEDULE.T, also=as_is("None")),
    x=number(0.0, -3.5, 3.5),
)
row(
    "GaussianExplorer",
    explore.GaussianExplorer,
    mu=Kind((0.0, 0.0), as_is("list", "tuple"), ((0, NAN), ("a", 1), (0,))),
    sigma=Kind((1.0, 1.0), as_is("list", "tuple"), ((1, NAN),)),
    rho=number(0.0, -0.99, 0.99),
    generator=GENERATOR,
)
row(
    "MeltingExplorer",
    explore.MeltingExplorer,
    mixture=ONE_D,
    schedule=one_of("linear", "cosine"),
    T=T,
    t=UNTIL_20,
    generator=GENERATOR,
)
row(
    "NetworkExplorer",
    explore.NetworkExplorer,
    p=a(PF, wrong=(P, Q)),
    x0=tensor(PICTURES, wrong=(PICTURES * 2, PICTURES * NAN, PICTURES[..., :2])),
    t=count(2, 1, 4, also=as_is("None")),
    digit=count(0, 0, 1),
    generator=GENERATOR,
)
row(
    "NoisingExplorer",
    explore.NoisingExplorer,
    x0=tensor(PICTURES, "half", wrong=(PICTURES * 2, PICTURES * NAN)),
    schedule=one_of("constant", "linear", "cosine"),
    T=T,
    beta=number(0.1, 0, 1),
    t=UNTIL_20.but(good=1),
    digit=count(0, 0, 1),
    generator=GENERATOR,
    ask=a(False, "None", wrong=("yes",)),
    plain=FLAG,
)
POINTS = Kind(
    X,
    as_is("None"),
    ("nope", X.long(), X[0], X * 9, X * NAN, X[:0], X.repeat(400, 1), torch.zeros(3, 3)),
)
row(
    "LearnExplorer",
    explore.LearnExplorer,
    x0=POINTS,
    log_snr=number(2.0, -4, 4),
    seed=count(0, 0, 999),
)
row(
    "PlaygroundExplorer",
    explore.PlaygroundExplorer,
    view=one_of("melt", "reverse", "bound", "score"),
    x0=POINTS,
    t=count(2, 0, 50, also=as_is("None")),
    place=Kind((0.5, 1.0), as_is("None", "list", "tuple"), ((1.0,), (9.0, 0.0), (0.5, NAN), 0.5)),
    seed=count(0, 0, 999),
)
WIDE = torch.zeros(2, 1, 64, 64)
SPOT = Kind((1, 2), as_is("None"), ((1,), (9, 9), (0.5, 1), (1, -1), (1, NAN)))
row(
    "PixelsExplorer",
    explore.PixelsExplorer,
    images=tensor(
        PICTURES,
        wrong=(PICTURES * 2, PICTURES * NAN, PICTURES[:1], PICTURES.repeat(301, 1, 1, 1), WIDE),
    ),
    first=SPOT,
    second=SPOT,
)
row(
    "ReverseExplorer",
    explore.ReverseExplorer,
    mixture=ONE_D,
    signal=number(0.5, 1e-9, 1),
    beta=number(0.5, 1e-4, 1),
    x=number(0.0, -3.5, 3.5),
    generator=GENERATOR,
)
row(
    "ScoreExplorer",
    explore.ScoreExplorer,
    mixture=TWO_D,
    schedule=one_of("linear", "cosine"),
    T=T,
    t=count(0, 0, 20),
    sampler=one_of("langevin", "ascent"),
    generator=GENERATOR,
)
row("ScoreExplorer.step", explore.ScoreExplorer(T=20).step, x=tensor(X), xi=tensor(X))
row(
    "ThreadsExplorer",
    explore.ThreadsExplorer,
    mixture=ONE_D,
    start=number(0.0, -3, 3),
    spread=number(1.0, 0.5, 1.5),
    dial=number(1.0, 0, 2),
    throw=count(0, 0, 999),
)
LONG = torch.linspace(-8, 6, 401)
row(
    "SolverExplorer",
    explore.SolverExplorer,
    mixture=ONE_D,
    solver=one_of("ddim", "heun-x0"),
    grid=one_of("even", "rho7"),
    calls=count(6, 4, 40),
    start=number(0.0, -3, 3),
    guess=one_of("none", "euler"),
    plans=Kind(
        (), as_is("nothing", "empty"), ([[0, 6]], [[-8, 7, 6]], [-8, 6], [range(-8, 7), 3], [LONG])
    ),
)
row(
    "RoadExplorer",
    explore.RoadExplorer,
    mixture=ONE_D,
    walked=Kind(
        ("data", "jump"),
        as_is("nothing", "empty"),
        (("jump",), ("data", "nope"), ("data",) * 25, (3,)),
    ),
    t=count(250, 2, 1000),
    generator=GENERATOR,
)
row(
    "SqueezeExplorer",
    explore.SqueezeExplorer,
    mixture=ONE_D,
    start=number(0.0, -3, 3),
    width=number(0.3, 0.02, 1),
    log_snr=number(0.0, -8, 8),
)
row(
    "StraightExplorer",
    explore.StraightExplorer,
    mixture=ONE_D,
    start=number(0.0, -3, 3),
    t=number(0.5, 0.02, 1),
    steps=count(3, 1, 20),
)
row(
    "GuideExplorer",
    explore.GuideExplorer,
    w=number(1.0, 0, 8),
    digit=count(3, 0, 9),
    generator=GENERATOR,
)
row(
    "InpaintExplorer",
    explore.InpaintExplorer,
    x0=tensor(DIGIT, wrong=(DIGIT * NAN, DIGIT + 2, PICTURES)),
    rubbed=Kind(None, as_is("None"), (torch.zeros(28, 28), torch.zeros(27, 28).bool())),
    times=count(2, 1, 4),
    digit=count(0, 0, 1),
)
row(
    "InpaintExplorer.fillings",
    explore.InpaintExplorer(DIGIT, times=1).fillings,
    n=count(1, 1, 3, wrong=(10**9,)),
    generator=GENERATOR,
)
row(
    "PosteriorExplorer",
    explore.PosteriorExplorer,
    mixture=ONE_D,
    y=number(-0.2, -2.5, 2.5),
    std=number(0.5, 0.3, 2),
    method=one_of("point", "exact"),
    throw=count(0, 0, 999),
)
row(
    "CollapseExplorer",
    explore.CollapseExplorer,
    points=Kind(X, as_is("None"), ("nope", X.long(), X[0], X * 9, X * NAN, X[:1], X.repeat(40, 1))),
    x=number(0.5, -2.5, 2.5),
    y=number(0.5, -2.5, 2.5),
    level=number(-1.0, -6, 8),
)
row(
    "MemoryExplorer",
    explore.MemoryExplorer,
    dataset=tensor(
        PICTURES,
        wrong=(PICTURES[:1], PICTURES[0], PICTURES * NAN, WIDE, PICTURES.repeat(33, 1, 1, 1)),
    ),
    window=Kind(3, {"3": 3, "numpy 3": 3, "0-dim integer": 3}, (2, 19)),
    level=number(8.0, -8, 8),
    collapse=number(None, -8, 8, also=as_is("None", "0-dim", "0-dim integer")),
    generator=GENERATOR,
)
A16 = "ab" * 8
row(
    "BlanksExplorer",
    explore.BlanksExplorer,
    sentences=Kind((A16, A16[::-1]), {}, ((A16,), (A16, "a"), (A16, A16.upper()), A16)),
    law=one_of("language", "two sentences"),
    word=Kind(A16, {}, ("a", "A" * 16)),
    place=count(0, 0, 15),
    each=count(1, 1, 16),
)

# ---- memory

DATASET = PICTURES.double()
LOCAL = LocalDenoiser(DATASET, 3)
LEVEL = number(
    0.5,
    also={"0-dim": 2.5, "0-dim integer": 3.0, "-inf": -INF} | as_is("list", "tuple"),
    wrong=(torch.tensor([0.0, NAN]), torch.zeros(5)),
)
MODEL = Kind(Empirical(DATASET), {}, (lambda x, level: 3,), skip=OWN)
beside = tensor(DATASET, wrong=(DATASET[0], DATASET[..., :2]))
row(
    "LocalDenoiser",
    LocalDenoiser,
    data=tensor(DATASET, wrong=(DATASET * NAN, DATASET[0], DATASET[:0])),
    patch=Kind(3, {"3": 3, "numpy 3": 3, "0-dim integer": 3}, (2,)),
    equivariant=FLAG,
)
row(
    "LocalDenoiser.denoise",
    LOCAL.denoise,
    x_t=beside,
    log_snr=LEVEL.but(right=LEVEL.right | {"inf": INF}),
)
row("LocalDenoiser.sources", LOCAL.sources, x_t=beside, log_snr=LEVEL)
row(
    "shares",
    importlib.import_module("diffusion_math.memory").shares,
    data=beside.but(wrong=(DATASET * NAN, DATASET.long()), skip=("half", "meta")),
    x_t=beside,
    log_snr=LEVEL,
)
row(
    "information",
    importlib.import_module("diffusion_math.memory").information,
    denoiser=MODEL,
    x0=tensor(DATASET, skip=ALONE),  # of which a denoiser speaks as x_t
    log_snr=Kind(
        torch.tensor([0.0, 1.0]).double(),
        as_is("list", "tuple", "range", "integers"),
        (torch.tensor([1.0, 0.0]), torch.tensor([0.0, NAN])),
    ),
    generator=GENERATOR,
)

# ---- letters

letters = importlib.import_module("diffusion_math.letters")
WORDS = one_hot(["ab", "ba"], "ab")
BLANK = 0 * WORDS
TABLE, MARKOV = (
    TableLaw(torch.ones(2, 2)),
    MarkovLaw(torch.ones(2, 2) / 4, torch.ones(2, 2, 2) / 2, 2),
)
COINS, CHAIN = CoinMixture(torch.eye(2)), BinomialChain(4)
SAYS = Kind(TABLE, {}, (lambda x, level: 3,), skip=OWN)
SPELT = tensor(WORDS, wrong=(2 * WORDS, WORDS[0], WORDS * NAN, BLANK))
PARTLY = tensor(WORDS, wrong=(2 * WORDS, WORDS[0], WORDS * NAN))
BITS = tensor(torch.eye(2), wrong=(torch.eye(2) * 2, torch.eye(3), torch.eye(2) * NAN))
LEVELS = number(
    0.5,
    also={"0-dim": 2.5, "0-dim integer": 3.0, "inf": INF, "-inf": -INF} | as_is("list", "tuple"),
    wrong=(torch.tensor([0.0, NAN]), torch.zeros(5)),
)
STEP = count(2, 0, 4, wrong=(5, torch.tensor([1, 2, 9]))).less("0-dim integer")
PICK = one_of("random", "left")
ROW_OF = as_is("list", "tuple", "array", "integers")  # a table of one letter
row(
    "TableLaw",
    TableLaw,
    probs=Kind(
        torch.ones(2, 2),
        ROW_OF | as_is("range"),
        (-torch.ones(2, 2), torch.ones(2, 3), torch.zeros(2, 2)),
    ),
)
row(
    "MarkovLaw",
    MarkovLaw,
    start=Kind(MARKOV.start, {}, (-MARKOV.start, torch.ones(2, 3))),
    step=Kind(MARKOV.step, {}, (2 * MARKOV.step, MARKOV.step[0])),
    length=count(2, 2, 10**7),
)
row(
    "MarkovLaw.fit",
    MarkovLaw.fit,
    text=Kind("abba abba", {}, ("ab", "ABBA", "a!bcd")),
    length=count(4, 2, 10**7),
    order=count(2, 1, 4),
    alphabet=Kind(" ab", {}, ("aa b", "xyz")),
)
for name, law in (("TableLaw", TABLE), ("MarkovLaw", MARKOV)):
    row(f"{name}.sample", law.sample, n=count(2, 0, 10), generator=GENERATOR)
    row(f"{name}.log_prob", law.log_prob, x=SPELT)
    row(f"{name}.denoise", law.denoise, x_t=PARTLY, log_snr=Kind(None, as_is(*POOL)))
row(
    "CoinMixture",
    CoinMixture,
    words=tensor(torch.eye(2), "half", "meta", wrong=(2 * torch.eye(2), torch.ones(2))),
    rate=number(0.5, 1e-6, 1 - 1e-6),
)
for name in ("each_log_prob", "log_prob", "denoise"):
    row(f"CoinMixture.{name}", getattr(COINS, name), x_t=BITS.but(skip=("meta",)), log_snr=LEVELS)
row("BinomialChain", BinomialChain, T=count(4, 1, 10**6), rate=number(0.5, 1e-6, 1 - 1e-6))
row(
    "BinomialChain.marginal",
    CHAIN.marginal,
    x0=tensor(torch.eye(2), *ALONE, wrong=(torch.tensor(1.0),)),
    t=STEP,
)
SHAPED = tensor(torch.eye(2), wrong=(torch.eye(3), torch.tensor(1.0)))
row("BinomialChain.step", CHAIN.step, x_t=SHAPED, guess=SHAPED, t=STEP.less("0"))
row(
    "one_hot",
    one_hot,
    words=Kind(["ab", "ba"], as_is("words"), (["ab", "a"], ["a!"], "")),
    alphabet=Kind("ab", {}, ("a", "aab")),
)
row("spell", letters.spell, x=PARTLY, alphabet=Kind("ab", {}, ("a", "aab")))
row("hide", letters.hide, x0=PARTLY, log_snr=LEVELS, generator=GENERATOR)
row("hidden_costs", letters.hidden_costs, denoiser=SAYS, x0=SPELT)
row("masked_bound", letters.masked_bound, denoiser=SAYS, x0=SPELT)
row("masked_loss", letters.masked_loss, denoiser=SAYS, x0=SPELT, generator=GENERATOR)
row(
    "replay",
    letters.replay,
    denoiser=SAYS,
    x0=SPELT,
    when=Kind(torch.tensor([1, 0]), {}, (torch.tensor([0.5, 1]), torch.tensor([0, 1, 2]))),
)
row(
    "unmask",
    letters.unmask,
    denoiser=SAYS,
    x_t=PARTLY.but(good=BLANK),
    steps=Kind(2, {"3": 3, "numpy 3": 3, "0-dim integer": 3}, ([1], [3, -1], 0)),
    pick=PICK,
    generator=GENERATOR,
)
row(
    "unmask_law",
    letters.unmask_law,
    denoiser=Kind(lambda x, level: 0 * x + 1 / x.shape[2], {}, (lambda x, level: 3,), skip=OWN),
    length=count(2, 1, 5),
    letters=count(2, 1, 5),
    steps=Kind(2, {"3": 3, "numpy 3": 3, "0-dim integer": 3}, ([1], 0)),
    pick=PICK,
)

# ---- the tests

HOMES = ("data.digits", "data.pictures", "training.fit", "training.checkpoint", "laws.levels", "networks.unet", "explore", "memory",
         "letters")  # fmt: skip
RECORDS = {"Pictures", "TrainingRun"}  # hold what they are given
TRUSTED = {
    "Explorable.unpacked",
    "LocalDenoiser.pulls",
    "MarkovLaw.passes",
    "PictureNetwork.through",
    "PictureNetwork.told",
    "SqueezeExplorer.carried",
    "StraightExplorer.curve",
}  # of what whoever calls it has checked


def test_every_public_callable_of_the_rooms_and_each_of_its_arguments_has_its_row():
    assert ROWS.unasked(HOMES, RECORDS | TRUSTED) == {}


@pytest.mark.parametrize("name", ROWS)
def test_what_is_wrong_is_refused_by_name_and_what_is_right_is_right(name, tmp_path, monkeypatch):
    ask_all(name, ROWS[name], tmp_path, monkeypatch)
