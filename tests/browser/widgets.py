"One of each explorable, small and seeded, and what the tests of all of them need to know about it."
from typing import NamedTuple

from diffusion_math.explore import Explorable, NoisingExplorer
from diffusion_math.explore_gaussian import GaussianExplorer, PixelsExplorer
from diffusion_math.explore_mixture import MeltingExplorer, ReverseExplorer
from tests.browser.explorable import seeded
from tests.browser.noising import images


class Sample(NamedTuple):
    "How to make one; the labels of its sliders; a trait that the first slider moves; how many places Tab stops at."

    make: object
    sliders: tuple[str, ...]
    trait: str
    stops: int


EVERY = {
    "noising": Sample(lambda: NoisingExplorer(images(), beta=0.1, T=20, t=5, generator=seeded()),
                      ("β variance of a step's noise", "t steps taken", "T steps in all"), "beta", 7),
    "melting": Sample(lambda: MeltingExplorer(t=200, generator=seeded()),
                      ("t steps taken", "middle of bell 1", "middle of bell 2"), "t", 5),
    "reverse": Sample(lambda: ReverseExplorer(generator=seeded()),
                      ("β variance of the step's noise", "x value after the step"), "beta", 3),
    "gaussian": Sample(lambda: GaussianExplorer((0.5, 0), (1.5, 1), 0.6, generator=seeded()),
                       ("μ₁ mean, first number", "μ₂ mean, second number", "σ₁ width, first number",
                        "σ₂ width, second number", "ρ correlation"), "mu1", 6),
    "pixels": Sample(lambda: PixelsExplorer(images(40)),
                     ("first pixel, row", "first pixel, column", "second pixel, row", "second pixel, column"),
                     "first", 5),
}


def make(name: str) -> Explorable:
    return EVERY[name].make()
