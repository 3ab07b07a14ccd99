"One of each explorable, small and seeded, and what the tests of all of them need to know about it."

from typing import NamedTuple

import torch

from diffusion_math.ddpm import DDPM
from diffusion_math.explore.area import AreaExplorer
from diffusion_math.explore.bell import BellExplorer
from diffusion_math.explore.blanks import BlanksExplorer
from diffusion_math.explore.bound import BoundExplorer
from diffusion_math.explore.collapse import CollapseExplorer
from diffusion_math.explore.draw import DrawExplorer
from diffusion_math.explore.explorable import Explorable
from diffusion_math.explore.film import FilmExplorer
from diffusion_math.explore.gauge import GaugeExplorer
from diffusion_math.explore.gaussian import GaussianExplorer
from diffusion_math.explore.guide import GuideExplorer
from diffusion_math.explore.inpaint import InpaintExplorer
from diffusion_math.explore.learn import LearnExplorer
from diffusion_math.explore.melting import MeltingExplorer
from diffusion_math.explore.memory import MemoryExplorer
from diffusion_math.explore.network import NetworkExplorer
from diffusion_math.explore.noising import NoisingExplorer
from diffusion_math.explore.origin import OriginExplorer
from diffusion_math.explore.pixels import PixelsExplorer
from diffusion_math.explore.playground import PlaygroundExplorer
from diffusion_math.explore.posterior import PosteriorExplorer
from diffusion_math.explore.reverse import ReverseExplorer
from diffusion_math.explore.road import RoadExplorer
from diffusion_math.explore.score import ScoreExplorer
from diffusion_math.explore.solver import SolverExplorer
from diffusion_math.explore.squeeze import SqueezeExplorer
from diffusion_math.explore.straight import StraightExplorer
from diffusion_math.explore.threads import ThreadsExplorer
from diffusion_math.forward import ForwardProcess, linear_schedule
from diffusion_math.laws.mixture import GaussianMixture
from diffusion_math.networks.unet import UNet
from tests.browser.explorable import seeded
from tests.browser.noising import images


class Sample(NamedTuple):
    """How to make one; the labels of its sliders; a trait that the first slider moves; how many places Tab stops at.

    both: the same numbers twice, as an expression of the widget w in Python and of the explorable e in the browser.
    """

    make: object
    sliders: tuple[str, ...]
    trait: str
    stops: int
    both: tuple[str, str]


def gauge(rank=6, **arguments):
    "A gauge over three classes of 12 x 12 pictures, each a square of its own that moves about."
    g, n = seeded(3), 240
    labels = torch.arange(n) % 3
    x = -torch.ones(n, 1, 12, 12)
    for i in range(n):
        r, c = (torch.randint(0, 3, (2,), generator=g) + 2 * labels[i]).tolist()
        x[i, 0, r : r + 4, c : c + 4] = 2 * torch.rand(1, generator=g).item() - 1
    x = (x + 0.1 * torch.randn(x.shape, generator=g)).clamp(-1, 1)
    q = GaussianMixture.fit(x[:180], labels=labels[:180], floor=1e-2)
    return GaugeExplorer(q, x[180:], labels[180:], rank=rank, generator=g, **arguments)


def film(frame=5, **arguments):
    "Three films of 21 frames, from static to a blur."
    noise, x0 = torch.randn(3, 1, 28, 28, generator=seeded(4)), images(3)
    share = torch.linspace(0, 1, 21).view(-1, 1, 1, 1, 1)
    return FilmExplorer(
        share.sqrt() * x0 + (1 - share).sqrt() * noise, share * x0, frame=frame, **arguments
    )


def network(**arguments):
    "A network that nobody trained, of the reader's own."
    with torch.random.fork_rng():
        torch.manual_seed(0)
        p = DDPM(UNet(width=8), ForwardProcess(linear_schedule(1000)), predicts="v")
    return NetworkExplorer(p, images(), **{"t": 300, "generator": seeded()} | arguments)


def few(n=6):
    "n pictures of 8 x 9 pixels, each a square of its own place and grey."
    x = -torch.ones(n, 1, 8, 9)
    for i in range(n):
        x[i, 0, i // 3 : i // 3 + 5, i % 3 : i % 3 + 5] = 0.2 * i
    return x + 0.05 * torch.randn(x.shape, generator=seeded(6))


EVERY = {
    "noising": Sample(
        lambda: NoisingExplorer(images(), beta=0.1, T=20, t=5, generator=seeded()),
        ("β variance of a step's noise", "t steps taken", "T steps in all"),
        "beta",
        7,
        ("w.x_t", "Array.from(e.x_t)"),
    ),
    "melting": Sample(
        lambda: MeltingExplorer(t=200, generator=seeded()),
        ("t steps taken", "middle of Gaussian 1", "middle of Gaussian 2"),
        "t",
        5,
        ("w.kl", "e.kl"),
    ),
    "reverse": Sample(
        lambda: ReverseExplorer(generator=seeded()),
        ("β variance of the step's noise", "x value after the step"),
        "beta",
        3,
        ("w.kl", "e.kl"),
    ),
    "bell": Sample(
        lambda: BellExplorer(1, 0.3, generator=seeded()),
        ("μ mean: where the middle is", "σ standard deviation: how wide"),
        "mu",
        3,
        ("w.draws", "e.draws"),
    ),
    "origin": Sample(
        lambda: OriginExplorer(t=8, x=-0.5),
        ("x value at step t", "t steps of noise"),
        "x",
        3,
        ("w.box.mean.item()", "e.box.mean"),
    ),
    "gaussian": Sample(
        lambda: GaussianExplorer((0.5, 0), (1.5, 1), 0.6, generator=seeded()),
        (
            "μ₁ mean, first number",
            "μ₂ mean, second number",
            "σ₁ width, first number",
            "σ₂ width, second number",
            "ρ correlation",
        ),
        "mu1",
        6,
        ("w.samples", "e.samples"),
    ),
    "pixels": Sample(
        lambda: PixelsExplorer(images(40)),
        ("first pixel, row", "first pixel, column", "second pixel, row", "second pixel, column"),
        "first",
        5,
        ("w.covariance", "e.covariance"),
    ),
    "bound": Sample(
        lambda: BoundExplorer(shift=0.15, factor=1.5),
        ("T steps in all", "means of p off by, in widths", "variances of p, times"),
        "T",
        6,
        ("w.terms(300)", "Array.from(e.account.terms)"),
    ),
    "film": Sample(
        film,
        ("steps taken", "sample"),
        "frame",
        4,
        (
            "((w.x_t[w.frame, w.seed].clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1",
            "Array.from(e.x)",
        ),
    ),
    "score": Sample(
        lambda: ScoreExplorer(t=30, generator=seeded()),
        ("t noise level",),
        "t",
        6,
        ("w.law.log_prob(w.points).mean()", "e.mean"),
    ),
    "draw": Sample(
        lambda: DrawExplorer(images(), t=300, generator=seeded()),
        ("t steps of noise",),
        "t",
        6,
        ("w.x_t", "Array.from(e.x)"),
    ),
    "network": Sample(network, ("t steps of noise",), "t", 4, ("w.x_t", "Array.from(e.x)")),
    "learn": Sample(
        lambda: LearnExplorer("smile", log_snr=0.5),
        ("λ log SNR: noise at the left, data at the right",),
        "log_snr",
        9,
        ("w.field", "e.field"),
    ),
    "playground": Sample(
        lambda: PlaygroundExplorer("score", "humps", t=8, place=(0.2, -0.1)),
        ("t steps of noise", "x first number of the ring", "y second number of the ring"),
        "t",
        8,
        ("w.field", "e.field"),
    ),
    "area": Sample(
        lambda: AreaExplorer(x=0.5, log_snr=2.0),
        ("x the datum", "λ area up to log SNR"),
        "x",
        3,
        ("[*w.errors.tolist(), w.so_far, w.nats]", "[...e.errors, e.sofar, e.nats]"),
    ),
    "blanks": Sample(
        lambda: BlanksExplorer(word="th__e____________"[:16], place=3, each=4),
        ("place", "letters a step"),
        "place",
        6,
        (
            "[w.place, *w.chances.flatten().tolist()]",
            "[e.state.place, ...e.rows.flatMap(row => Array.from(row))]",
        ),
    ),
    "threads": Sample(
        lambda: ThreadsExplorer(start=-0.4),
        ("where the thick thread starts", "spread of all starts", "η how much noise"),
        "start",
        5,
        ("w.thread", "e.thread"),
    ),
    "solver": Sample(
        lambda: SolverExplorer(solver="unipc2", calls=9, start=-0.4, guess="ddim"),
        ("calls", "where the walker starts"),
        "calls",
        6,
        ("[*w.path.tolist(), w.off]", "[...e.path, e.off]"),
    ),
    "road": Sample(
        lambda: RoadExplorer(walked=("data", "jump", "guess", "p"), generator=seeded()),
        ("t step on the way to noise",),
        "t",
        10,
        (
            "[*w.places.values(), *(v for bell in w.bells.values() for v in bell), w.kl]",
            "[...Object.values(e.known), "
            "...Object.values(e.bells).flatMap(b => [b.mean, b.variance]), e.kl]",
        ),
    ),
    "squeeze": Sample(
        lambda: SqueezeExplorer(start=-0.7, log_snr=2.0),
        ("λ how far the flow has come", "where the piece starts", "its length in the noise"),
        "log_snr",
        4,
        (
            "[w.lengths[round(10 * (w.log_snr + 8))].item(), *w.summed.tolist()]",
            "[e.lengths[e.at], ...e.summed]",
        ),
    ),
    "straight": Sample(
        lambda: StraightExplorer(start=0.7, t=0.4),
        ("Euler’s steps", "where the walker starts", "t time of the lines"),
        "steps",
        4,
        ("[*w.path.tolist(), *w.lines.tolist(), w.guess]", "[...e.path, ...e.lines, e.guess]"),
    ),
    "guide": Sample(
        lambda: GuideExplorer(w=2.0, generator=seeded()),
        ("w guidance scale",),
        "w",
        4,
        ("w.places", "e.places"),
    ),
    "collapse": Sample(
        lambda: CollapseExplorer(x=1.0, y=0.5, level=0.5),
        ("λ log SNR", "noisy point, across", "noisy point, up"),
        "level",
        6,
        (
            "[*w.share.tolist(), *w.information.tolist(), *w.ceiling.tolist()]",
            "[...e.share, ...e.information, ...e.ceiling]",
        ),
    ),
    "memory": Sample(
        lambda: MemoryExplorer(few(), window=5, level=2.0, collapse=-1.0, generator=seeded()),
        ("side of the window", "λ log SNR", "pixel, row", "pixel, column"),
        "window",
        6,
        (
            "[*w.quilt.flatten().tolist(), w.path[20, 3, 4].item()]",
            "[...e.quilt, e.path[20].x[3 * 9 + 4]]",
        ),
    ),
    "inpaint": Sample(
        lambda: InpaintExplorer(images(), times=3),
        ("rows rubbed out from below", "times through each level"),
        "rubbed",
        7,
        ("w.x0[w.seen]", "Array.from(e.known).filter(v => !Number.isNaN(v))"),
    ),
    "posterior": Sample(
        lambda: PosteriorExplorer(y=0.3, std=0.4, method="unit"),
        ("y what was measured", "r standard deviation of its noise"),
        "y",
        6,
        (
            "[*w.places.tolist(), *w.posterior.weights]",
            "[...e.places, ...e.exact.map(c => c.weight)]",
        ),
    ),
    "gauge": Sample(gauge, ("σ noise added",), "noise", 10, ("w.log_q", "e.logQ")),
}


def make(name: str) -> Explorable:
    return EVERY[name].make()
