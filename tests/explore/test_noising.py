"The noising explorer's Python side: what it takes, and that x_t is the forward process's own."

import pytest
import torch

from diffusion_math.explore.explorable import front_end
from diffusion_math.explore.noising import NoisingExplorer
from diffusion_math.forward import (
    ForwardProcess,
    Schedule,
    constant_schedule,
    cosine_schedule,
    linear_schedule,
)
from tests.truth import seed

SCHEDULES = {
    "constant": lambda T: constant_schedule(0.1, T),
    "linear": linear_schedule,
    "cosine": cosine_schedule,
}


@pytest.fixture
def x0():
    return torch.rand(3, 1, 28, 28, generator=seed(1)) * 2 - 1


@pytest.fixture
def explorer(x0):
    return NoisingExplorer(x0, T=100, t=40, generator=seed())


def test_its_front_end_is_its_own(explorer):
    assert explorer._esm == front_end("noising")


def test_where_no_widget_can_be_shown_a_line_says_what_it_is(explorer):
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/plain"].startswith("NoisingExplorer: a digit at step t")
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id


def test_plain_asks_no_network_unless_told(x0):
    plain = NoisingExplorer(x0, plain=True)
    assert (plain._plain, plain._network) == (True, "")
    assert NoisingExplorer(x0, plain=True, ask=True)._network == NoisingExplorer(x0)._network != ""
    assert not NoisingExplorer(x0)._plain


# --------------------------------------------------------------------------------------------------- what it computes


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("T, t", [(1, 0), (1, 1), (10, 3), (1000, 500), (1000, 1000)])
def test_x_t_is_the_forward_process(x0, kind, T, t):
    explorer = NoisingExplorer(x0, kind, T=T, t=t, digit=2, generator=seed())
    q = ForwardProcess(SCHEDULES[kind](T)).marginal(x0[2].double(), t)
    eps = torch.randn(28, 28, generator=seed())
    assert torch.equal(explorer.eps, eps[None])
    torch.testing.assert_close(explorer.x_t, (q.mean + q.std * eps).float(), rtol=0, atol=1e-6)
    assert explorer.alpha_bar == SCHEDULES[kind](T).alpha_bar[t].item()


def test_the_two_edges_are_exact(x0):
    explorer = NoisingExplorer(x0, beta=0, t=20)
    assert torch.equal(explorer.x_t, x0[0]) and explorer.alpha_bar == 1
    explorer.beta = 1
    assert torch.equal(explorer.x_t, explorer.eps) and explorer.alpha_bar == 0


@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (1, 28, 28), (28, 28), (1, 1, 8, 12)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_size_shape_and_dtype(shape, dtype):
    explorer = NoisingExplorer(torch.zeros(shape, dtype=dtype))
    assert explorer.x_t.shape == explorer.eps.shape == (shape[1:] if len(shape) == 4 else shape)
    assert explorer.x_t.dtype == dtype and explorer.x_t.isfinite().all()


def test_the_same_generator_gives_the_same_noise(x0):
    one, two, other = (NoisingExplorer(x0, generator=seed(s)) for s in (3, 3, 4))
    assert one.noise == two.noise != other.noise


def test_where_it_starts():
    x0 = torch.zeros(28, 28)
    assert [(e.T, e.t) for e in (NoisingExplorer(x0), NoisingExplorer(x0, "linear"))] == [
        (20, 1),
        (1000, 250),
    ]
    given = NoisingExplorer(x0, cosine_schedule(37))
    assert (given.schedule, given.T, given.t) == ("given", 37, 9)
    assert NoisingExplorer(x0, cosine_schedule(4000)).T == 4000


# -------------------------------------------------------------------------------------------- a schedule of one's own


def test_a_schedule_handed_in_is_used_as_it_is(x0):
    schedule = Schedule.from_beta([0.0, 0.3, 1.0, 0.5])
    explorer = NoisingExplorer(x0, schedule, t=2, generator=seed())
    assert explorer.q.schedule is schedule
    q = ForwardProcess(schedule).marginal(x0[0], 2)
    torch.testing.assert_close(explorer.x_t, q.mean + q.std * explorer.eps, rtol=0, atol=1e-6)
    sent = torch.frombuffer(bytearray(explorer._given), dtype=torch.float64).view(2, 5)
    assert torch.equal(sent, torch.stack([schedule.log_alpha_bar, schedule.beta]))


# -------------------------------------------------------------------------------------------- what the browser sends


def test_a_message_from_the_browser_sets_several_traits_at_once(explorer):
    noise = torch.randn(28, 28, generator=seed(9)).numpy().tobytes()
    explorer.set_state({"T": 10, "t": 7, "schedule": "linear", "noise": memoryview(noise)})
    assert (explorer.T, explorer.t, explorer.schedule, explorer.noise) == (10, 7, "linear", noise)
    assert explorer.q.T == 10
