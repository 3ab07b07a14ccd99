"Things to drag: each explorable a `.py` and a `.js` side by side, loaded when it is first asked for."

from importlib import import_module

_HOME = {
    f"{name.title()}Explorer": name
    for name in (
        "area bell bound draw film gauge gaussian guide learn melting network noising origin pixels playground reverse "
        "score solver threads"
    ).split()
}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
