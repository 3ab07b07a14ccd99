"An explorable in which a small network learns, in the page, to tell the noise."

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from .explorable import front_end
from .paper import Painted
from .traits import Number, OneOf, Whole

__all__ = ["LearnExplorer"]

_STEPS = 20_000


class LearnExplorer(Painted):
    """A small network learns to tell the noise, in the page: its guesses as arrows beside the exact ones, and data to paint.

        LearnExplorer()                                     # what the reader painted last, else a smile; press Train
        LearnExplorer("ring", log_snr=1.0, seed=3)          # or "humps", "spiral"
        LearnExplorer(x0)                                   # your own points, (n, 2) in [-2.5, 2.5], at most 300

    The data is a mixture of bells of standard deviation 0.1, one around each point. The network is told x_t and the noise
    level; it learns by the squared error of the noise, with log SNR from -5 to 5. The traits points, a list of pairs,
    log_snr of the arrows, in [-4, 4], steps of training taken, in 0..20000, seed of the network and of what it is shown, in
    0..999, speed ("fast", "slow") and revealed (whether it shows where the network is wrong) follow the controls, and move
    them when set: with steps set, the page trains until there. Raises ValueError for a value out of range, TypeError or
    traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("learn")
    _words = "a small network that learns, its guesses as arrows beside the exact ones, and data to paint"

    log_snr = Number(-4, 4)
    steps, seed = Whole(0, _STEPS), Whole(0, 999)
    speed = OneOf("fast", "slow")
    revealed = traitlets.Bool().tag(sync=True)

    def __init__(
        self, x0: str | Float[Tensor, "n 2"] | None = None, log_snr: float = 2.0, seed: int = 0
    ):
        shown = {"log_snr": log_snr, "steps": 0, "seed": seed, "speed": "fast", "revealed": False}
        # where nothing can be pressed, a reader sees what a thousand steps have made of it
        super().__init__(x0, shown, _still={"steps": 1000})

    @property
    def field(self) -> Float[Tensor, "225 2"]:
        "The exact arrows: the scaled best guess of x_0 less x_t, which is the score times the noise's variance."
        level = torch.tensor(self.log_snr, dtype=torch.float64)
        return torch.sigmoid(-level) * self.law.noised(level).score(self.places)
