"""The maths of diffusion models, derived, run and checked. Each module is exported from the notebook that explains it.

Whatever loads PyTorch and nothing heavier is imported here. The rest comes when it is first asked for (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .account import Account, GridChain, LinearChain, account
from .data import dequantize, digits, make_digits, mnist
from .ddpm import DDPM, Prediction, elbo_loss, simple_loss
from .distribution import Distribution
from .elbo import Elbo, elbo, exact_elbo
from .forward import ForwardProcess, Schedule, constant_schedule, cosine_schedule, linear_schedule
from .gaussian import Gaussian
from .levels import GreyLevels
from .likelihood import DiscretizedGaussian, Estimate, bits_per_dim, elbo_estimate
from .mixture import Empirical, GaussianMixture
from .plot import (
    PALETTE,
    Live,
    agree,
    agree_mc,
    figure,
    mean_and_stderr,
    plot_density,
    plot_points,
    plot_schedule,
    show,
    show_images,
    show_strip,
    style,
)
from .reverse import ExactReverse, ReverseProcess
from .score import (
    annealed_langevin,
    convert,
    dsm_loss,
    hyvarinen_loss,
    langevin,
    score_of,
    trace_jacobian,
    tweedie,
    tweedie_cov,
)
from .unet import UNet

if TYPE_CHECKING:
    from .catalogue import mystery
    from .checkpoint import load_model, load_pretrained, save_model
    from .exercises import check, hint, progress
    from .explore import NoisingExplorer
    from .explore_bound import BoundExplorer
    from .explore_film import FilmExplorer
    from .explore_gauge import GaugeExplorer
    from .explore_gaussian import GaussianExplorer, PixelsExplorer
    from .explore_mixture import MeltingExplorer, ReverseExplorer
    from .explore_network import NetworkExplorer
    from .explore_score import ScoreExplorer
    from .notation import NOTATION, notation_card
    from .pages import write_page
    from .pictures import Pictures, load_pictures, save_pictures
    from .training import TrainingRun, fit

_LAZY = {  # name -> the module that it comes from, which loads anywidget
    "BoundExplorer": "explore_bound", "FilmExplorer": "explore_film", "GaugeExplorer": "explore_gauge",
    "GaussianExplorer": "explore_gaussian", "MeltingExplorer": "explore_mixture", "NetworkExplorer": "explore_network",
    "NoisingExplorer": "explore", "PixelsExplorer": "explore_gaussian", "ReverseExplorer": "explore_mixture",
    "ScoreExplorer": "explore_score",
}  # fmt: skip
_LAZY |= {"check": "exercises", "hint": "exercises", "mystery": "catalogue", "progress": "exercises"}
_LAZY |= {"NOTATION": "notation", "notation_card": "notation", "write_page": "pages"}
_LAZY |= {name: "checkpoint" for name in ("load_model", "load_pretrained", "save_model")}
_LAZY |= {name: "pictures" for name in ("Pictures", "load_pictures", "save_pictures")}
_LAZY |= {name: "training" for name in ("TrainingRun", "fit")}

__all__ = [
    "NOTATION", "PALETTE", "Account", "BoundExplorer", "DDPM", "DiscretizedGaussian", "Distribution", "Elbo",
    "Empirical", "Estimate", "ExactReverse", "FilmExplorer", "ForwardProcess", "GaugeExplorer", "Gaussian",
    "GaussianExplorer", "GaussianMixture", "GreyLevels", "GridChain", "LinearChain", "Live", "MeltingExplorer",
    "NetworkExplorer", "NoisingExplorer", "Pictures", "PixelsExplorer", "Prediction", "ReverseExplorer",
    "ReverseProcess", "Schedule", "ScoreExplorer", "TrainingRun", "UNet", "account", "agree", "agree_mc",
    "annealed_langevin", "bits_per_dim", "check", "constant_schedule", "convert", "cosine_schedule", "dequantize",
    "digits", "dsm_loss", "elbo", "elbo_estimate", "elbo_loss", "exact_elbo", "figure", "fit", "hint",
    "hyvarinen_loss", "langevin", "linear_schedule", "load_model", "load_pictures", "load_pretrained",
    "make_digits", "mean_and_stderr", "mnist", "mystery", "notation_card", "plot_density", "plot_points",
    "plot_schedule", "progress", "save_model", "save_pictures", "score_of", "show", "show_images", "show_strip",
    "simple_loss", "style", "trace_jacobian", "tweedie", "tweedie_cov", "write_page",
]  # fmt: skip


def __getattr__(name: str):
    if name == "__version__":
        return import_module("importlib.metadata").version(__name__)
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
