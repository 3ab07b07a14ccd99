"Models from elsewhere as denoisers of ours, and ours as diffusers takes them: a change of variables, no more."

#   there              x                        told          says
#   diffusers          a x0 + s eps             the index t   eps, x0 or v
#   k-diffusion, EDM   x0 + sigma eps           sigma = s/a   x0
#   flow matching      (1 - t) x0 + t eps       t = s/(a+s)   eps - x0
#   a score network    either of the first two  log SNR       the score

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from . import checks
from .checks import Batch, Each, Level, guarded
from .ddpm import DDPM
from .forward import ForwardProcess, Schedule
from .matching import FlowMatching
from .numerics import beside
from .solvers import LIMIT

__all__ = [
    "Foreign",
    "from_diffusers",
    "from_kdiffusion",
    "from_score",
    "from_velocity",
    "to_diffusers",
]

SAYS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}  # their names for ours
Model = Annotated[Callable[[Batch, Each], Batch], partial(checks.function, of="x and a time")]


class Answers(nn.Module):
    "A model from elsewhere whose answer is a tensor like x; it may come in an object with .sample."

    def __init__(self, model: Callable):
        super().__init__()
        self.model = model

    def forward(self, x: Batch, time: Tensor, **cond: Any) -> Batch:
        said = self.model(x, time, **cond)
        return checks.answer("model", getattr(said, "sample", said), x)


class Foreign(nn.Module):
    "A model from elsewhere, read in our variables: network(x_t, log_snr), by read(ask, x_t, log_snr). .ask.model is the model."

    def __init__(self, model: Callable, read: Callable[..., Tensor]):
        super().__init__()
        self.ask, self.read = Answers(model), read

    @guarded
    def forward(self, x_t: Batch, log_snr: Level, **cond: Any) -> Batch:
        return self.read(self.ask, x_t, log_snr.expand(len(x_t)), **cond).to(x_t)


def by_signal(x_t: Batch, level: Each) -> tuple[Batch, Each]:
    "x_t / a, which is x0 + sigma eps, and sigma. ValueError: a level beyond -80 or 80, where they are out of range."
    checks.refuse(
        ~(level.abs() <= LIMIT), f"log_snr must lie in [{-LIMIT:g}, {LIMIT:g}], got", level
    )
    return (x_t / beside(torch.sigmoid(level).sqrt(), x_t)).to(x_t), torch.exp(-level / 2).to(x_t)


@guarded
def from_kdiffusion(model: Model) -> Foreign:
    """A denoiser D(x, sigma) of x = x0 + sigma eps, sigma (b,), as k-diffusion and EDM have it: log_snr = -2 log sigma.

    The result is a denoiser (x_t, log_snr) -> E[x0 | x_t] of ours; DDPM(from_kdiffusion(D), q, predicts="x0") walks with it.
    TypeError: model is not callable; ValueError: an answer that is nothing like x; a log_snr beyond -80 or 80.
    """
    return Foreign(model, lambda ask, x_t, level, **cond: ask(*by_signal(x_t, level), **cond))


@guarded
def from_velocity(
    model: Model, data_at: Annotated[int, partial(checks.count, low=0, high=1)] = 0
) -> FlowMatching:
    """The velocity of a straight line, model(x, t), t (b,) in [0, 1], as flow matching trains it; a denoiser of ours.

    data_at=0: x = (1 - t) x0 + t eps, and the velocity is eps - x0. data_at=1: t x0 + (1 - t) eps, and x0 - eps. It is
    FlowMatching(model, noise_at=1 - data_at) of a model whose answer may come in an object. Errors as in from_kdiffusion.
    """
    return FlowMatching(Answers(model), 1 - data_at)


@guarded
def from_score(
    model: Model,
    told: Annotated[str, partial(checks.one_of, names=("log_snr", "sigma"))] = "log_snr",
) -> Foreign:
    """A score network as a denoiser of ours, by Tweedie's formula (7.5).

    told="log_snr": model(x_t, log_snr) is the score of q(x_t), as in score_of. told="sigma": model(x, sigma) is that of
    x = x0 + sigma eps; x0 is x + sigma^2 score. Errors as in from_kdiffusion; ValueError: another told.
    """

    def read(ask: Callable, x_t: Batch, level: Each, **cond: Any) -> Tensor:
        x, sigma = by_signal(x_t, level)
        if told == "sigma":
            return x + beside(sigma.square(), x) * ask(x, sigma, **cond)
        return x + beside(torch.sigmoid(-level) / torch.sigmoid(level).sqrt(), x) * ask(
            x_t, level, **cond
        )

    return Foreign(model, read)


def from_diffusers(unet: Callable, scheduler: Any) -> DDPM:
    """A network and a scheduler of diffusers as a DDPM of ours, with the scheduler's levels, target and variance.

        p = from_diffusers(pipeline.unet, pipeline.scheduler)
        p.sample(4, like=torch.empty(0)),  elbo(p.q, p, x0, p.decode),  flow(p, x, -8.0, 8.0)

    unet(x, timestep) returns a tensor, or an object with .sample; scheduler has alphas_cumprod and config. What
    p.given(...) tells goes to unet by name. Between two of its levels unet is asked at a time between theirs.
    variance_type fixed_small is the posterior's, fixed_large beta's. p.images follows config.clip_sample. TypeError: an
    unet that is not callable, a scheduler without these; ValueError: another prediction_type, or a table that is no
    schedule.
    """
    checks.function("unet", unet, "x and timestep")
    bar, config = getattr(scheduler, "alphas_cumprod", None), getattr(scheduler, "config", None)
    if bar is None or config is None:
        fits = "have alphas_cumprod and config, as those of diffusers"
        raise TypeError(f"scheduler must {fits}, got {checks.got(scheduler)}")
    options = dict(config) if hasattr(config, "keys") else vars(config)
    kind = options.get("prediction_type", "epsilon")
    kind = checks.one_of("scheduler.config.prediction_type", kind, list(SAYS))
    schedule = Schedule.from_alpha_bar(torch.as_tensor(bar).double().cpu())
    falling = -schedule.log_snr[1:].numpy()

    def read(ask: Callable, x: Batch, level: Each, **cond: Any) -> Tensor:
        t = np.interp(-level.detach().double().cpu().numpy(), falling, np.arange(len(falling)))
        near = np.where(np.abs(t - t.round()) < 1e-3, t.round(), t)
        return ask(x, torch.as_tensor(near, dtype=torch.float32, device=x.device), **cond)

    variance = "beta" if "large" in str(options.get("variance_type")) else "posterior"
    clips = bool(options.get("clip_sample"))
    return DDPM(
        Foreign(unet, read), ForwardProcess(schedule), event_of(unet), SAYS[kind], variance, clips
    )


def event_of(unet: Any) -> tuple[int, ...] | None:
    "The shape of one picture, where a network says it."
    config = getattr(unet, "config", None)
    size, channels = getattr(config, "sample_size", None), getattr(config, "in_channels", None)
    if size is None or channels is None:
        return None
    return (channels, *(size if isinstance(size, tuple | list) else (size, size)))


class Lent(nn.Module):
    "A DDPM's network as diffusers asks for it: net(x, timestep, ...).sample."

    def __init__(self, p: DDPM):
        super().__init__()
        self.p, event = p, p.event_shape or (None, None)
        self.config = SimpleNamespace(
            in_channels=event[0], out_channels=event[0], sample_size=event[-1]
        )

    @property
    def dtype(self) -> torch.dtype:
        return self.p.like().dtype

    @property
    def device(self) -> torch.device:
        return self.p.like().device

    def forward(self, sample: Batch, timestep: Any, return_dict: bool = True, **more: Any) -> Any:
        t = (
            torch.as_tensor(timestep, device=sample.device).long().reshape(-1).expand(len(sample))
            + 1
        )
        said = self.p.predict(sample, t).value
        return SimpleNamespace(sample=said) if return_dict else (said,)


@guarded
def to_diffusers(p: DDPM) -> tuple[Lent, dict[str, Any]]:
    """A DDPM of ours as diffusers takes it: a network, and the settings of its scheduler.

        unet, settings = to_diffusers(p)
        pipeline = DDPMPipeline(unet, DDPMScheduler(**settings))

    diffusers counts its T levels from 0, so its t is ours less 1. ValueError: a variance that is a function.
    """
    if callable(p.variance):
        fits = "p.variance must be 'posterior' or 'beta'"
        raise ValueError(f"{fits}, got a function of t, for which diffusers has no name")
    name = {ours: theirs for theirs, ours in SAYS.items()}[p.predicts]
    kind = "fixed_large" if p.variance == "beta" else "fixed_small"
    settings = {"num_train_timesteps": p.T, "trained_betas": p.q.schedule.beta[1:].tolist(), "prediction_type": name,
                "variance_type": kind, "clip_sample": p.images}  # fmt: skip
    return Lent(p), settings
