"What an explorable needs to ask a network in the browser: one that ships, by its name and file."

from importlib.resources import files
from typing import Any

import torch
import traitlets

from ..ddpm import DDPM
from ..training.checkpoint import described, load_pretrained, pretrained_names
from .explorable import Explorable, looks

__all__ = []

DIGITS = "ddpm_mnist"  # the network that draws digits


def network_bytes(name: str) -> bytes:
    "The file of a network that ships."
    return (files("diffusion_math") / "assets" / f"{name}.safetensors").read_bytes()


def network_name(p: Any) -> str:
    "The name of the network that p asks, if it is one that ships; else nothing."
    if not isinstance(p, DDPM):
        return ""
    try:
        made = described(p.network)
    except TypeError:  # no network of the package's own
        return ""
    own = p.network.state_dict()
    for name in pretrained_names():
        network = load_pretrained(name).network
        if described(network) == made and all(
            torch.equal(own[key].cpu(), w) for key, w in network.state_dict().items()
        ):
            return name
    return ""


class AsksInPage(Explorable):
    "An explorable that asks a network in the browser: one that ships, by its name; with no name it asks none."

    _css = looks("explore", "live")
    _network = traitlets.Unicode().tag(sync=True)

    def __init__(self, **values: Any):
        super().__init__(**values)
        self.on_msg(self._send_weights)

    def _send_weights(self, _widget: Any, content: Any, _buffers: Any) -> None:
        "The browser asks for the weights: once a page, whichever explorable comes first."
        if self._network and content == {"network": self._network}:
            self.send(content, [network_bytes(self._network)])
