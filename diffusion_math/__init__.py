"""The maths of diffusion models, derived, run and checked. Each chapter's module is exported from its notebook.

The objects and verbs of the chapters are here; the rest is imported from its room: `plot`, `explore`, `referee`,
`training`, `laws`, `data`, `teach`. What loads more than PyTorch comes when it is first asked for (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .area import bound_by_area, log_prob_by_area, noise_error
from .ddpm import DDPM, Prediction, elbo_loss, simple_loss
from .distribution import Distribution
from .elbo import Elbo, elbo, exact_elbo
from .flow import flow, quantile_flow, velocity
from .flow_likelihood import log_prob_by_flow
from .forward import ForwardProcess, Schedule, constant_schedule, cosine_schedule, linear_schedule
from .gaussian import Gaussian
from .guidance import classified, guided
from .laws.mixture import Empirical, GaussianMixture
from .likelihood import DiscretizedGaussian, bits_per_dim, elbo_estimate
from .matching import FlowMatching, flow_loss
from .networks.denoiser import as_denoiser
from .reverse import ExactReverse, ReverseProcess
from .score import annealed_langevin, dsm_loss, langevin, score_of, tweedie, tweedie_cov
from .sde import walk
from .solvers import SOLVERS, Solver, cosine_grid, draw, even_grid, karras_grid, solve

if TYPE_CHECKING:
    from . import data, explore, laws, plot, referee, teach, training
    from .data.digits import digits, mnist
    from .networks.dit import DiT
    from .networks.unet import UNet
    from .teach.agree import agree, agree_mc, mean_and_stderr
    from .teach.exercises import check, hint
    from .training.checkpoint import load_model, load_pretrained, save_model
    from .training.fit import fit

_LAZY = {  # name -> its module; a room is its own
    **dict.fromkeys(("data", "explore", "laws", "plot", "referee", "teach", "training"), ""),
    **dict.fromkeys(("digits", "mnist"), "data.digits"),
    "DiT": "networks.dit",
    "UNet": "networks.unet",
    **dict.fromkeys(("agree", "agree_mc", "mean_and_stderr"), "teach.agree"),
    **dict.fromkeys(("check", "hint"), "teach.exercises"),
    **dict.fromkeys(("load_model", "load_pretrained", "save_model"), "training.checkpoint"),
    "fit": "training.fit",
}

__all__ = [
    "DDPM", "DiT", "DiscretizedGaussian", "Distribution", "Elbo", "Empirical", "ExactReverse", "FlowMatching", "ForwardProcess",
    "Gaussian", "GaussianMixture", "Prediction", "ReverseProcess", "SOLVERS", "Schedule", "Solver", "UNet", "agree",
    "agree_mc", "annealed_langevin", "as_denoiser", "bits_per_dim", "bound_by_area", "check", "classified",
    "constant_schedule", "cosine_grid", "cosine_schedule", "data", "digits", "draw", "dsm_loss", "elbo", "elbo_estimate",
    "elbo_loss", "even_grid", "exact_elbo", "explore", "fit", "flow", "flow_loss", "guided", "hint", "karras_grid", "langevin",
    "laws", "linear_schedule", "load_model", "load_pretrained", "log_prob_by_area", "log_prob_by_flow",
    "mean_and_stderr", "mnist", "noise_error", "plot", "quantile_flow", "referee", "save_model", "score_of",
    "simple_loss", "solve", "teach", "training", "tweedie", "tweedie_cov", "velocity", "walk",
]  # fmt: skip


def __getattr__(name: str):
    if name == "__version__":
        return import_module("importlib.metadata").version(__name__)
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _LAZY[name]
    try:
        module = import_module(f".{home or name}", __name__)
    except ModuleNotFoundError as error:
        words = f'{name} needs {error.name}: pip install "diffusion_math[course]"'
        raise ImportError(words) from error
    globals()[name] = value = getattr(module, name) if home else module
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})
