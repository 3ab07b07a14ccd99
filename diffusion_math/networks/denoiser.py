"What a denoiser is: whatever says E[x_0 | x_t], as a function of x_t and its log SNR."

from collections.abc import Callable
from functools import partial
from types import FunctionType, MethodType
from typing import Annotated, Any

from ..checks import Batch, Level, guarded, of_level
from ..distribution import Distribution
from .ask import ask

__all__ = ["Denoiser", "as_denoiser", "denoiser_of"]


def denoiser_of(name: str, value: Any) -> Callable:
    "denoise(x_t, log_snr) -> E[x0 | x_t] of whatever as_denoiser takes; log_snr a number, or a tensor () or (b,)."
    if isinstance(value, Distribution):
        return partial(ask, value)
    says = of_level(name, getattr(value, "denoise", value))
    # one of ours, behind its door; a network may have a layer of that name
    if isinstance(says, FunctionType | MethodType) and hasattr(says, "body"):
        owner = getattr(says, "__self__", None)
        return says.body if owner is None else partial(says.body, owner)
    return partial(ask, says, name=name)


Denoiser = Annotated[Callable[[Batch, Level], Batch], denoiser_of]  # a law, a DDPM, f(x_t, log_snr)


@guarded
def as_denoiser(denoiser: Denoiser) -> Callable:
    """One function denoise(x_t, log_snr) -> E[x0 | x_t], like x_t, of whatever knows or has learned it.

        a Distribution         its own denoise: exact
        a DDPM                 its network's x_0, whatever the network predicts, told what .given told it; not clipped
        an object with .denoise(x_t, log_snr), or a function of both: what it says

    x_t is (b, *event), log_snr one number or (b,): sigmoid(log_snr) is the signal's share of the variance. Whatever is
    no Distribution gets log_snr as (b,), beside x_t. Gradients pass. TypeError: nothing of these, or an answer that is
    no tensor; ValueError: an answer of another shape, or a network that says eps where there is no signal.
    """

    @guarded
    def denoise(x_t: Batch, log_snr: Level) -> Batch:
        return denoiser(x_t, log_snr)

    return denoise
