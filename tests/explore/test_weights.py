"A network that ships is known by its weights, and its file is sent to the browser that asks for it."

import pytest
import torch

from diffusion_math.ddpm import DDPM
from diffusion_math.explore.film import FilmExplorer
from diffusion_math.explore.noising import NoisingExplorer
from diffusion_math.explore.weights import DIGITS, network_bytes, network_name
from diffusion_math.forward import ForwardProcess, linear_schedule
from diffusion_math.networks.unet import UNet
from diffusion_math.training.checkpoint import load_pretrained, pretrained_names
from tests.truth import seed


@pytest.mark.parametrize("name", pretrained_names())
def test_a_network_that_ships_is_known_however_it_is_used(name):
    p = load_pretrained(name)
    assert {network_name(at) for at in (p, p.respace(20), p.given(y=3))} == {name}
    w = next(p.network.parameters())
    with torch.no_grad():
        w.view(-1)[0] = torch.nextafter(w.view(-1)[0], torch.tensor(9.0))
    assert network_name(p) == ""


def test_others_are_not():
    q = ForwardProcess(linear_schedule(10))
    for other in (DDPM(UNet(width=8), q), DDPM(lambda x, log_snr: x, q), "ddpm_mnist", None):
        assert network_name(other) == ""


class Answers:
    "Keeps what a widget sends."

    def __init__(self, widget):
        self.sent = []
        widget.send = lambda content, buffers=None: self.sent.append((content, buffers))


def test_the_file_is_sent_to_who_asks_for_it_by_name():
    widget = NoisingExplorer(torch.zeros(2, 1, 28, 28))
    kept = Answers(widget)
    for content in (
        {"network": DIGITS},
        {"network": "../digits"},
        {"network": "ddpm_mnist_bits"},
        {},
        None,
        "network",
    ):
        widget._handle_custom_msg(content, [])
    assert kept.sent == [({"network": DIGITS}, [network_bytes(DIGITS)])]


def test_who_asks_none_sends_none():
    widget = NoisingExplorer(torch.zeros(2, 1, 8, 8))
    kept = Answers(widget)
    widget._handle_custom_msg({"network": ""}, [])
    widget._handle_custom_msg({"network": DIGITS}, [])
    assert kept.sent == [] and widget._network == ""
    assert NoisingExplorer(torch.zeros(2, 1, 28, 28), ask=False)._network == ""
    with pytest.raises(ValueError, match="ask needs images of 28 x 28 pixels, got 8 x 8"):
        NoisingExplorer(torch.zeros(2, 1, 8, 8), ask=True)


def test_a_film_finds_its_network():
    few = load_pretrained(DIGITS).respace(3).given(y=torch.tensor([1, 2]))
    assert FilmExplorer.of(few, n=2, generator=seed())._network == DIGITS
    own = DDPM(UNet(width=8), ForwardProcess(linear_schedule(3)), event_shape=(1, 8, 8))
    assert FilmExplorer.of(own, n=2, generator=seed())._network == ""
    frames = torch.zeros(2, 1, 1, 28, 28)
    assert FilmExplorer(frames, network=DIGITS)._network == DIGITS
    with pytest.raises(ValueError, match="network must be"):
        FilmExplorer(frames, network="resnet")
