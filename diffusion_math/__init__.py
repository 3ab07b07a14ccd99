"The maths of diffusion models, derived, run and checked. Each module is exported from the notebook that explains it."

from importlib import import_module

_MODULES = {
    "distribution": ("Distribution",),
    "gaussian": ("Gaussian",),
    "mixture": ("Empirical", "GaussianMixture"),
    "forward": ("ForwardProcess", "Schedule", "constant_schedule", "cosine_schedule", "linear_schedule"),
    "data": ("digits", "mnist"),
    "plot": ("PALETTE", "agree", "agree_mc", "plot_density", "plot_schedule", "show", "show_images", "show_strip"),
    "explore": ("NoisingExplorer",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str):
    if name == "__version__":
        return import_module("importlib.metadata").version("diffusion_math")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
