"Part II asks one thing of whatever it walks with."

from collections.abc import Callable
from typing import Annotated, Any

from .. import checks
from ..checks import Batch, Each, Level
from ..distribution import Distribution
from ..numerics import signal_and_noise
from ..sums import wide_dtype
from .ask import NO_SIGNAL, AsksNetwork, ask, own_dtype

__all__ = ["Denoiser", "as_denoiser"]

LogSNR = Level


def denoiser_of(name: str, value: Any) -> Callable:
    "value as a denoiser: see as_denoiser."
    return as_denoiser(value)


# denoise(x_t, log_snr) -> E[x0 | x_t]: made, at the door, of whatever knows or has learned it
Denoiser = Annotated[Callable[[Batch, Level], Batch], denoiser_of]


def as_denoiser(denoiser: Any) -> Denoiser:
    """One function denoise(x_t, log_snr) -> E[x0 | x_t], like x_t, of whatever knows or has learned it.

        a Distribution         its own denoise: exact
        a DDPM                 its network's x_0, whatever the network predicts, told what .given told it; not clipped
        an object with .denoise(x_t, log_snr), or a function of both: what it says

    x_t is (b, *event), log_snr one number or (b,): sigmoid(log_snr) is the signal's share of the variance. Whatever is
    no Distribution gets log_snr as (b,), beside x_t. Gradients pass. TypeError: nothing of these, or an answer that is
    no tensor; ValueError: an answer of another shape, or a network that says eps where there is no signal.
    """
    if isinstance(denoiser, Distribution):
        return lambda x_t, log_snr: ask(denoiser, x_t, checks.level("log_snr", log_snr, x_t), {})
    if isinstance(denoiser, AsksNetwork):
        return lambda x_t, log_snr: _clean(denoiser, x_t, checks.log_snr("log_snr", log_snr, x_t))
    says = checks.of_level("denoiser", getattr(denoiser, "denoise", denoiser))
    return lambda x_t, log_snr: _said(says, x_t, checks.log_snr("log_snr", log_snr, x_t))


def _said(says: Denoiser, x_t: Batch, level: Each) -> Batch:
    "What a function says, asked in the dtype of its weights, if it has some."
    dtype = own_dtype(says, x_t)
    value = says(x_t.to(dtype), level.to(wide_dtype(dtype)))
    return checks.answer("denoiser", value, x_t, "x_t").to(x_t)


def _clean(p: AsksNetwork, x_t: Batch, level: Each) -> Batch:
    "x_0 from what the network of p says: eps, x0 or v."
    said = p.ask(x_t, level)
    if p.predicts == "x0":
        return said
    a, s = signal_and_noise(level, x_t)
    if p.predicts == "v":
        return (a * x_t - s * said).to(x_t)
    return ((x_t - s * said) / checks.nonzero(a, NO_SIGNAL)).to(x_t)
