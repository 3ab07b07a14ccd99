"The control that asks a network through the kernel: what it shows is the package's own, and only the newest counts."

import asyncio
import base64
import io
import re
import time

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_math.ddpm import DDPM
from diffusion_math.explore.network import NetworkExplorer
from diffusion_math.forward import ForwardProcess, linear_schedule
from diffusion_math.networks.unet import UNet
from tests.truth import seed

q = ForwardProcess(linear_schedule(1000))


@pytest.fixture(autouse=True)
def no_loop_of_a_browser():
    "Playwright leaves an event loop running in the thread of the browser tests: set it aside meanwhile."
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)


@pytest.fixture
def x0():
    return torch.rand(3, 1, 8, 8, generator=seed(1)) * 2 - 1


class Slow(torch.nn.Module):
    "Says that x_t is noise, after a while."

    def __init__(self, seconds=0.0):
        super().__init__()
        self.seconds, self.levels = seconds, []

    def forward(self, x_t, log_snr):
        time.sleep(self.seconds)
        self.levels.append(log_snr.item())
        return x_t


def shown(explorer):
    "The three pictures on the screen, (3, 8, 8), from 0 to 255."
    png = base64.b64decode(re.search(r"base64,([^\"]+)", explorer.view.value).group(1))
    pixels = torch.from_numpy(np.array(Image.open(io.BytesIO(png))))[2::5, 2::5].long()
    return torch.stack([pixels[:, at : at + 8] for at in (0, 10, 20)])


@pytest.mark.parametrize("t, digit", [(1, 0), (300, 2), (1000, 1)])
def test_the_pictures_are_what_the_network_says(x0, t, digit):
    network = UNet(width=8)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.1, generator=seed(2))
    p = DDPM(network, q, predicts="v")
    explorer = NetworkExplorer(p, x0, t, digit, generator=seed(3))
    eps = torch.randn(1, 8, 8, generator=seed(3))[None]
    law = q.marginal(x0[digit : digit + 1], t)
    x_t = law.mean + law.std * eps
    with torch.no_grad():
        said = p.predict(x_t, t)
    due = torch.cat([x_t, said.eps / 2, said.x0])[:, 0].clamp(-1, 1)
    assert (shown(explorer) - (due + 1) * 127.5).abs().max() <= 0.51
    assert f"t = {t};" in explorer.view.value and 'alt="Three pictures' in explorer.view.value


def test_without_an_event_loop_a_move_is_answered_at_once(x0):
    explorer = NetworkExplorer(DDPM(Slow(), q), x0, t=10)
    explorer.t.value = 20
    assert explorer.asked == 2 and "t = 20;" in explorer.view.value
    before = explorer.view.value
    explorer.digit.value = 1
    assert explorer.view.value != before
    before = explorer.view.value
    explorer.another.click()
    assert explorer.asked == 4 and explorer.view.value != before


def test_reset_brings_the_start_back(x0):
    explorer = NetworkExplorer(DDPM(Slow(), q), x0, t=10, digit=1, generator=seed())
    first = explorer.view.value
    explorer.t.value, explorer.digit.value = 700, 2
    explorer.another.click()
    assert explorer.view.value != first
    explorer.again.click()
    assert (explorer.t.value, explorer.digit.value, explorer.view.value) == (10, 1, first)
    explorer.another.click()  # the noise alone
    assert explorer.view.value != first
    explorer.again.click()
    assert explorer.view.value == first


def test_only_the_newest_request_counts_and_the_loop_goes_on(x0):
    "Two hundred moves: few are answered, the last one is; and the loop is never held up for an answer's time."
    network = Slow(0.2)
    explorer = NetworkExplorer(DDPM(network, q), x0, t=500)
    started = time.monotonic()

    async def drag():
        waits = []
        for t in range(1, 201):
            explorer.t.value = t
            began = time.monotonic()
            await asyncio.sleep(0.001)
            waits.append(time.monotonic() - began)
        await explorer._task
        return sorted(waits)

    waits = asyncio.run(drag())
    assert "t = 200;" in explorer.view.value and network.levels[-1] == pytest.approx(
        q.schedule.log_snr[200].item()
    )
    elapsed = time.monotonic() - started
    assert explorer.asked == len(network.levels) <= 3 + elapsed / 0.2
    assert waits[100] < 0.1  # held up, most would take 0.2 s


def test_an_error_on_the_way_is_shown_and_the_next_answer_comes(x0):
    network = Slow()
    explorer = NetworkExplorer(DDPM(network, q), x0, t=500)

    async def move(t):
        explorer.t.value = t
        await explorer._task

    network.forward = None
    asyncio.run(move(2))
    assert "TypeError" in explorer.view.value
    del network.forward
    asyncio.run(move(3))
    assert "t = 3;" in explorer.view.value


def test_one_digit_needs_no_slider_for_it(x0):
    one, several = (NetworkExplorer(DDPM(Slow(), q), x) for x in (x0[0, 0], x0))
    assert (
        one.digit not in one.children[0].children and several.digit in several.children[0].children
    )
    assert one.t.value == 250


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, kind, words",
    [
        ({"p": Slow()}, TypeError, "p must be a DDPM, got Slow"),
        ({"x0": torch.zeros(2, 3, 8, 8)}, ValueError, "one-channel images"),
        ({"t": 0}, ValueError, r"t must lie in \[1, 1000\], got 0"),
        ({"t": 1001}, ValueError, "t must lie in"),
        ({"digit": 1}, ValueError, r"digit must lie in \[0, 0\], got 1"),
    ],
)
def test_arguments_that_do_not_fit(arguments, kind, words):
    with pytest.raises(kind, match=words):
        NetworkExplorer(**{"p": DDPM(Slow(), q), "x0": torch.zeros(8, 8)} | arguments)
