"Things to drag: each explorable a `.py` and a `.js` side by side, loaded when it is first asked for."

from importlib import import_module

_HOME = {
    f"{name.title()}Explorer": name
    for name in (
        "area bell blanks bound collapse draw film gauge gaussian guide inpaint learn melting memory network noising "
        "origin pixels playground posterior reverse road score solver squeeze straight threads"
    ).split()
}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f".{_HOME[name]}", __name__)
    except ModuleNotFoundError as error:
        words = f'{name} needs {error.name}: pip install "diffusion_math[course]"'
        raise ImportError(words) from error
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
