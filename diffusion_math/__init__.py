"""The maths of diffusion models, derived, run and checked. Each module is exported from the notebook that explains it.

Whatever loads PyTorch and nothing heavier is imported here. The rest comes when it is first asked for (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .area import (
    Levels,
    area_estimate,
    best_variance,
    bound_by_area,
    error_curve,
    learn_levels,
    log_prob_by_area,
    noise_error,
    normal_error,
)
from .change import FlowLogProb, divergence, log_prob_by_flow
from .ddpm import DDPM, Prediction, elbo_loss, simple_loss
from .distribution import Distribution
from .elbo import Elbo, elbo, exact_elbo
from .flow import flow, quantile_flow, velocity
from .forward import ForwardProcess, Schedule, constant_schedule, cosine_schedule, linear_schedule
from .gaussian import Gaussian
from .guidance import NO_GUIDANCE, classified, guidance_weight, guided
from .laws.mixture import Empirical, GaussianMixture
from .likelihood import DiscretizedGaussian, Estimate, bits_per_dim, elbo_estimate
from .matching import (
    FlowMatching,
    convert_line,
    flow_loss,
    line_velocity,
    line_walk,
    log_snr_to_time,
    pair_noise,
    reflow_pairs,
    straightness,
    time_to_log_snr,
)
from .networks.denoiser import as_denoiser
from .reverse import ExactReverse, ReverseProcess
from .score import (
    annealed_langevin,
    convert,
    dsm_loss,
    hyvarinen_loss,
    langevin,
    score_of,
    tweedie,
    tweedie_cov,
)
from .sde import diffusion, drift, walk
from .slopes import trace_jacobian
from .solvers import SOLVERS, Solver, even_grid, karras_grid, planned_grid, polished_grid, solve

if TYPE_CHECKING:
    from .data.digits import dequantize, digits, make_digits, mnist
    from .data.pictures import Pictures, load_pictures, save_pictures
    from .explore.area import AreaExplorer
    from .explore.bell import BellExplorer
    from .explore.bound import BoundExplorer
    from .explore.draw import DrawExplorer
    from .explore.film import FilmExplorer
    from .explore.gauge import GaugeExplorer
    from .explore.gaussian import GaussianExplorer
    from .explore.guide import GuideExplorer
    from .explore.learn import LearnExplorer
    from .explore.melting import MeltingExplorer
    from .explore.network import NetworkExplorer
    from .explore.noising import NoisingExplorer
    from .explore.origin import OriginExplorer
    from .explore.pixels import PixelsExplorer
    from .explore.playground import PlaygroundExplorer
    from .explore.reverse import ReverseExplorer
    from .explore.score import ScoreExplorer
    from .explore.solver import SolverExplorer
    from .explore.threads import ThreadsExplorer
    from .laws.account import Account, account
    from .laws.grid import GridChain
    from .laws.levels import GreyLevels
    from .laws.linear import LinearChain
    from .networks.unet import UNet
    from .palette import PALETTE, figure, style
    from .teach.agree import agree, agree_mc, mean_and_stderr
    from .teach.catalogue.network import mystery
    from .teach.exercises import check, hint, progress
    from .teach.notation import NOTATION, notation_card
    from .teach.pages import write_page
    from .teach.plot.amounts import plot_bars, plot_histograms, plot_marks, plot_ruler
    from .teach.plot.board import Board
    from .teach.plot.colors import shades
    from .teach.plot.curves import plot_curves, plot_density, plot_schedule
    from .teach.plot.heat import plot_heat
    from .teach.plot.images import show_images, show_rows, show_strip
    from .teach.plot.plane import plot_contours, plot_field, plot_paths, plot_points, show_points
    from .teach.plot.showing import Live, show, show_film
    from .training.checkpoint import load_model, load_pretrained, save_model
    from .training.fit import TrainingRun, fit
    from .training.foreign import (
        from_diffusers,
        from_kdiffusion,
        from_score,
        from_velocity,
        to_diffusers,
    )
    from .training.solver import learned_solver

_LAZY = {  # module -> what comes from it when it is first asked for
    "data.digits": ("dequantize", "digits", "make_digits", "mnist"),
    "laws.account": ("Account", "account"),
    "laws.grid": ("GridChain",),
    "laws.levels": ("GreyLevels",),
    "laws.linear": ("LinearChain",),
    "training.foreign": (
        "from_diffusers",
        "from_kdiffusion",
        "from_score",
        "from_velocity",
        "to_diffusers",
    ),
    "networks.unet": ("UNet",),
    "palette": ("PALETTE", "figure", "style"),
    "teach.agree": ("agree", "agree_mc", "mean_and_stderr"),
    "teach.plot.amounts": ("plot_bars", "plot_histograms", "plot_marks", "plot_ruler"),
    "teach.plot.board": ("Board",),
    "teach.plot.colors": ("shades",),
    "teach.plot.curves": ("plot_curves", "plot_density", "plot_schedule"),
    "teach.plot.heat": ("plot_heat",),
    "teach.plot.images": ("show_images", "show_rows", "show_strip"),
    "teach.plot.plane": ("plot_contours", "plot_field", "plot_paths", "plot_points", "show_points"),
    "teach.plot.showing": ("Live", "show", "show_film"),
    "data.pictures": ("Pictures", "load_pictures", "save_pictures"),
    "explore.area": ("AreaExplorer",),
    "explore.bell": ("BellExplorer",),
    "explore.bound": ("BoundExplorer",),
    "explore.draw": ("DrawExplorer",),
    "explore.film": ("FilmExplorer",),
    "explore.gauge": ("GaugeExplorer",),
    "explore.gaussian": ("GaussianExplorer",),
    "explore.guide": ("GuideExplorer",),
    "explore.learn": ("LearnExplorer",),
    "explore.melting": ("MeltingExplorer",),
    "explore.network": ("NetworkExplorer",),
    "explore.noising": ("NoisingExplorer",),
    "explore.origin": ("OriginExplorer",),
    "explore.pixels": ("PixelsExplorer",),
    "explore.playground": ("PlaygroundExplorer",),
    "explore.reverse": ("ReverseExplorer",),
    "explore.score": ("ScoreExplorer",),
    "explore.solver": ("SolverExplorer",),
    "explore.threads": ("ThreadsExplorer",),
    "teach.catalogue.network": ("mystery",),
    "teach.exercises": ("check", "hint", "progress"),
    "teach.notation": ("NOTATION", "notation_card"),
    "teach.pages": ("write_page",),
    "training.checkpoint": ("load_model", "load_pretrained", "save_model"),
    "training.fit": ("TrainingRun", "fit"),
    "training.solver": ("learned_solver",),
}
_ROOMS = ("referee",)  # loaded when one is first asked for: diffusion_math.referee.noising
_HOME = {name: module for module, names in _LAZY.items() for name in names}

__all__ = [
    "NOTATION", "NO_GUIDANCE", "PALETTE", "SOLVERS", "Account", "AreaExplorer", "BellExplorer", "Board",
    "BoundExplorer", "DDPM", "DiscretizedGaussian", "Distribution", "DrawExplorer", "Elbo", "Empirical", "Estimate",
    "ExactReverse", "FilmExplorer", "FlowLogProb", "FlowMatching", "ForwardProcess", "GaugeExplorer", "Gaussian",
    "GaussianExplorer", "GaussianMixture", "GreyLevels", "GridChain", "GuideExplorer", "LearnExplorer", "Levels",
    "LinearChain", "Live", "MeltingExplorer", "NetworkExplorer", "NoisingExplorer", "OriginExplorer", "Pictures",
    "PixelsExplorer", "PlaygroundExplorer", "Prediction", "ReverseExplorer", "ReverseProcess", "Schedule",
    "ScoreExplorer", "Solver", "SolverExplorer", "ThreadsExplorer", "TrainingRun", "UNet", "account", "agree",
    "agree_mc", "annealed_langevin", "area_estimate",
    "as_denoiser", "best_variance", "bits_per_dim", "bound_by_area", "check", "classified", "constant_schedule",
    "convert", "convert_line", "cosine_schedule", "dequantize", "diffusion", "digits", "divergence", "drift",
    "dsm_loss", "elbo", "elbo_estimate", "elbo_loss", "error_curve", "even_grid", "exact_elbo", "figure", "fit",
    "flow", "flow_loss", "from_diffusers", "from_kdiffusion", "from_score", "from_velocity", "guidance_weight",
    "guided", "hint", "hyvarinen_loss", "karras_grid", "langevin", "learn_levels", "learned_solver", "line_velocity",
    "line_walk", "linear_schedule", "load_model", "load_pictures", "load_pretrained", "log_prob_by_area", "log_prob_by_flow",
    "log_snr_to_time", "make_digits", "mean_and_stderr", "mnist", "mystery", "noise_error", "normal_error",
    "notation_card", "pair_noise", "planned_grid", "plot_bars", "plot_contours", "plot_curves", "plot_density",
    "plot_field", "plot_heat", "plot_histograms", "plot_marks", "plot_paths", "plot_points", "plot_ruler",
    "plot_schedule", "polished_grid", "progress", "quantile_flow", "reflow_pairs", "save_model", "save_pictures",
    "score_of", "shades", "show", "show_film", "show_images", "show_points", "show_rows", "show_strip",
    "simple_loss", "solve", "straightness", "style", "time_to_log_snr", "to_diffusers", "trace_jacobian", "tweedie",
    "tweedie_cov", "velocity", "walk", "write_page",
]  # fmt: skip


def __getattr__(name: str):
    if name == "__version__":
        return import_module("importlib.metadata").version(__name__)
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    except ModuleNotFoundError as error:
        words = f'{name} needs {error.name}: pip install "diffusion_math[course]"'
        raise ImportError(words) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS, "__version__"})
