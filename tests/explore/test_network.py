"The explorable that asks a network: what it holds is the package's own answer, and only the newest question counts."

import asyncio
import time

import numpy as np
import pytest
import torch

from diffusion_math.ddpm import DDPM
from diffusion_math.explore.network import NetworkExplorer
from diffusion_math.explore.traits import pack
from diffusion_math.explore.weights import DIGITS
from diffusion_math.forward import ForwardProcess, linear_schedule
from diffusion_math.networks.unet import UNet
from diffusion_math.training.checkpoint import load_pretrained
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


def said(explorer):
    return torch.cat(explorer.said)


@pytest.mark.parametrize("t, digit", [(1, 0), (300, 2), (1000, 1)])
def test_the_answer_is_what_the_network_says(x0, t, digit):
    network = UNet(width=8)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.1, generator=seed(2))
    p = DDPM(network, q, predicts="v")
    explorer = NetworkExplorer(p, x0, t, digit, generator=seed(3))
    eps = torch.randn(8, 8, generator=seed(3))[None, None]
    law = q.marginal(x0[digit : digit + 1], t)
    x_t = law.mean + law.std * eps
    torch.testing.assert_close(explorer.x_t, x_t, rtol=0, atol=1e-6)
    with torch.no_grad():
        due = p.predict(x_t, t)
    torch.testing.assert_close(said(explorer), torch.cat([due.x0, due.eps]))
    assert explorer._own and explorer._network == ""  # 8 x 8: no network of the course's takes it


def test_a_network_that_ships_is_known_and_works_in_the_page():
    p, few = load_pretrained(DIGITS), torch.zeros(2, 1, 28, 28)
    told = [NetworkExplorer(at, few, generator=seed()) for at in (p, p.respace(50).given(y=3))]
    assert [(e._network, e._own, e._label) for e in told] == [
        (DIGITS, False, -1),
        (DIGITS, False, 3),
    ]
    told[0].t = 7
    assert told[0].asked == 1  # the page asks, not the kernel
    many = NetworkExplorer(p.given(y=torch.tensor([3])), few, generator=seed())
    assert (
        many._own and many._network == DIGITS
    )  # a tensor of labels is the kernel's; a page has the untold one
    own = NetworkExplorer(DDPM(UNet(width=8), q), few)
    assert (own._network, own._own) == (DIGITS, True)


def test_without_an_event_loop_a_move_is_answered_at_once(x0):
    explorer = NetworkExplorer(DDPM(Slow(), q), x0, t=10)
    before = said(explorer)
    explorer.t = 20
    assert explorer.asked == 2 and not torch.equal(said(explorer), before)
    before = said(explorer)
    explorer.digit = 1
    assert not torch.equal(said(explorer), before)
    before = said(explorer)
    explorer.eps = pack(torch.randn(8, 8, generator=seed(9)))
    assert explorer.asked == 4 and not torch.equal(said(explorer), before)


def test_only_the_newest_request_counts_and_the_loop_goes_on(x0):
    "Two hundred moves: few are answered, the last one is; and the loop is never held up for an answer's time."
    network = Slow(0.2)
    explorer = NetworkExplorer(DDPM(network, q), x0, t=500)
    started = time.monotonic()

    async def drag():
        waits = []
        for t in range(1, 201):
            explorer.t = t
            began = time.monotonic()
            await asyncio.sleep(0.001)
            waits.append(time.monotonic() - began)
        await explorer._task
        return sorted(waits)

    waits = asyncio.run(drag())
    assert network.levels[-1] == pytest.approx(q.schedule.log_snr[200].item())
    np.testing.assert_allclose(explorer.said[1], explorer.x_t, rtol=0, atol=1e-6)
    elapsed = time.monotonic() - started
    assert explorer.asked == len(network.levels) <= 3 + elapsed / 0.2
    assert waits[100] < 0.1  # held up, most would take 0.2 s


def test_an_error_on_the_way_is_shown_and_the_next_answer_comes(x0):
    network = Slow()
    explorer = NetworkExplorer(DDPM(network, q), x0, t=500)

    async def move(t):
        explorer.t = t
        await explorer._task

    network.forward = None
    asyncio.run(move(2))
    assert "TypeError" in explorer._trouble
    del network.forward
    asyncio.run(move(3))
    assert explorer._trouble == ""
    np.testing.assert_allclose(explorer.said[1], explorer.x_t, rtol=0, atol=1e-6)
