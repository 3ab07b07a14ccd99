"What the referee knows: the slips that it names, by what is judged."

from .bits import BITS_SLIPS, DECODER_SLIPS
from .bits import NAMED as BITS_NAMED
from .empirical import BATCHES, CURE
from .empirical import SLIPS as EMPIRICAL
from .guidance import SLIPS as GUIDANCE
from .inverse import SLIPS as INVERSE
from .loss import NAMED as LOSS_NAMED
from .loss import TARGET_SLIPS
from .masked import CURES as MASKED
from .noising import SLIPS as NOISING
from .posterior import MEAN_SLIPS, VAR_SLIPS
from .sampler import NAMED as SAMPLER_NAMED
from .schedule import NAMED as SCHEDULE_NAMED
from .schedule import SLIPS as SCHEDULE
from .verdict import Slip
from .ways import RIGHT, SLIPS

__all__ = ["known", "known_steps"]


def known() -> dict[str, tuple[Slip, ...]]:
    """The slips that the referee names, by the function of it that does: each a row with name, says (what to do) and seen.

    seen: where somebody made this slip, as "owner/repository#number"; "" where no thread is noted.

        for slip in referee.known()["sampler"]:
            print(slip.name, slip.seen)
    """
    return {
        "schedule": (*SCHEDULE, *SCHEDULE_NAMED),
        "noising": NOISING,
        "posterior": (*MEAN_SLIPS, *VAR_SLIPS),
        "target": TARGET_SLIPS,
        "loss": LOSS_NAMED,
        "sampler": (*SLIPS, *SAMPLER_NAMED),
        "guidance": GUIDANCE,
        "bits": (*BITS_SLIPS, *BITS_NAMED),
        "decoder": DECODER_SLIPS,
        "masked_loss": tuple(Slip(name, says, ()) for name, says in MASKED.items()),
        "empirical": (Slip(BATCHES, CURE, ()), *EMPIRICAL),
        "inverse": INVERSE,
    }


def known_steps() -> tuple[str, ...]:
    "The names of the steps that the referee knows to be right, in the order in which a walk is held against them."
    return tuple(row.name for row in RIGHT)
