"What the explorables share: their files of JavaScript and style as one, and the widget that each is."

import json
import re
from importlib.resources import files
from typing import Any

import anywidget
import torch
import traitlets
from torch import Tensor

from .. import checks
from .traits import as_number

__all__ = ["script", "needed", "worker", "front_end", "looks", "Explorable", "few_images"]

_FOLDER = files("diffusion_math") / "explore"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)


def script(name: str) -> str:
    "A file of JavaScript of this folder, less the lines that import its neighbours."
    return _IMPORT.sub("", (_FOLDER / f"{name}.js").read_text(encoding="utf-8"))


def needed(name: str) -> list[str]:
    "The files that a file of this folder imports, and those that these import, each after what it needs; the file itself is last."
    found = _IMPORT.findall((_FOLDER / f"{name}.js").read_text(encoding="utf-8"))
    return list(dict.fromkeys([*(one for other in found for one in needed(other)), name]))


def worker() -> str:
    "The JavaScript that a network needs to work in a Web Worker, or in the page where none can be had."
    return "\n".join(map(script, needed("walk")))


def front_end(name: str) -> str:
    "The JavaScript of an explorable as one module: common.js, laws.js and what else it needs, joined."
    found = needed(name)
    if found[0] != "common":
        raise ValueError(f'{name}.js must import from "./common.js" first, and needs {found[:-1]}')
    parts = list(dict.fromkeys(["common", "laws", *found]))
    network = [f"const NETWORK = {json.dumps(worker(), ensure_ascii=False)};"] * ("live" in parts)
    return "\n".join([script("common"), *network, *map(script, parts[1:])])


def looks(*names: str) -> str:
    "Files of style of this folder, as one text."
    return "\n".join((_FOLDER / f"{name}.css").read_text(encoding="utf-8") for name in names)


class Explorable(anywidget.AnyWidget):
    "What the explorables share: their looks, where Reset leads, and the text that stands where no widget can be shown."

    def __init__(self, **values: Any):
        for name, value in values.items():
            if isinstance(self.traits().get(name), traitlets.Int | traitlets.Float):
                values[name] = as_number(name, value, self.traits()[name])
        start = values.get("_start", {})
        super().__init__(**values | {"_start": {k: values.get(k, v) for k, v in start.items()}})

    _css = looks("explore")
    _words = "something to drag"
    _start = traitlets.Dict().tag(sync=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self._words}. Run this cell in JupyterLab to drag it."

    def unpacked(self, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
        "The numbers that the trait called name holds as bytes, in one row."
        return torch.frombuffer(bytearray(getattr(self, name)), dtype=dtype)


_MOST = 64


def few_images(x0: Tensor) -> Tensor:
    "x0 as (n, 1, h, w) float32 on the CPU, or an error that says what is wrong with it."
    checks.at_hand("x0", checks.floating("x0", x0))
    shape = tuple(x0.shape)
    if not (len(shape) == 2 or len(shape) in (3, 4) and shape[-3] == 1) or 0 in shape:
        raise ValueError(
            f"x0 must be one-channel images: (n, 1, h, w), (1, h, w) or (h, w), got shape {shape}"
        )
    images = x0.detach().to("cpu", torch.float32).reshape(-1, 1, *shape[-2:])
    if len(images) > _MOST:
        raise ValueError(
            f"x0 must hold at most {_MOST} images, got {len(images)}: choose a few, x0[:6]"
        )
    low, high = (v.item() for v in images.aminmax())
    if not (-1 <= low and high <= 1):
        raise ValueError(f"x0 must lie in [-1, 1], got values from {low:g} to {high:g}")
    return images
