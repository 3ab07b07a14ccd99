"Whoever knows E[x0 | x_t] becomes one function: a law, a network under each of its names, an object, a function."

import math

import pytest
import torch
from torch import nn

from diffusion_math import DDPM, Empirical, ForwardProcess, GaussianMixture, linear_schedule
from diffusion_math.networks.denoiser import as_denoiser
from tests.truth import Wrapped, error, seed

F16, F32, F64 = torch.float16, torch.float32, torch.float64
LAW = GaussianMixture(
    [0.3, 0.7],
    torch.tensor([[-2.0, 0.0], [1.5, 1.0]], dtype=F64),
    torch.tensor([0.02, 0.1], dtype=F64),
)
LEVELS = [0.5, torch.tensor(-1.0), torch.tensor([0.5, -1.0, 0.5, 2.0])]


def expected(law, x, level):
    "E[x0 | x_t], one x at a time."
    each = torch.as_tensor(level, dtype=F64).expand(len(x))
    return torch.cat([law.denoise(x[i : i + 1], each[i].item()) for i in range(len(x))])


def network(says):
    "A network that knows LAW and says eps, x0 or v of it."

    def said(x_t, log_snr):
        a, s = torch.sigmoid(log_snr).sqrt()[:, None], torch.sigmoid(-log_snr).sqrt()[:, None]
        x0 = LAW.denoise(x_t, log_snr)
        eps = (x_t - a * x0) / s
        return {"x0": x0, "eps": eps, "v": a * eps - s * x0}[says]

    return said


def ddpm(says, **more):
    return DDPM(network(says), ForwardProcess(linear_schedule(10)), (2,), predicts=says, **more)


class Knows:
    def denoise(self, x_t, log_snr):
        return LAW.denoise(x_t, log_snr)


@pytest.mark.parametrize("level", LEVELS, ids=str)
@pytest.mark.parametrize(
    "known",
    [LAW, Wrapped(LAW), ddpm("eps"), ddpm("x0"), ddpm("v"), ddpm("v", images=True),
     DDPM(LAW, ForwardProcess(linear_schedule(10))), Knows(), LAW.denoise, lambda x, v: LAW.denoise(x, v),
     as_denoiser(LAW)],
    ids=["law", "wrapped", "eps", "x0", "v", "images", "law in a DDPM", "object", "method", "function",
         "made before"],
)  # fmt: skip
def test_all_of_them_say_what_the_law_says(known, level):
    "Beyond [-1, 1] too: nothing is clipped."
    x = 2 * torch.randn(4, 2, generator=seed(), dtype=F64)
    truth = expected(LAW, x, level)
    assert truth.abs().max() > 1
    assert error(as_denoiser(known)(x, level), truth) < 1e-12


def test_a_set_of_points_and_no_rows():
    law = Empirical(torch.randn(5, 1, 3, 3, generator=seed(), dtype=F64))
    x = torch.randn(2, 1, 3, 3, dtype=F64)
    assert error(as_denoiser(law)(x, 1.0), law.denoise(x, 1.0)) < 1e-15
    assert as_denoiser(law)(x[:0], 1.0).shape == (0, 1, 3, 3)


@pytest.mark.parametrize("dtype", [F16, F32, F64])
def test_the_answer_is_like_x_t_and_the_level_is_a_row_beside_it(dtype):
    heard = []

    def says(x_t, log_snr):
        heard.append((log_snr.shape, log_snr.dtype))
        return x_t / 2

    for known in (says, DDPM(says, ForwardProcess(linear_schedule(10)), (2,), predicts="v")):
        assert as_denoiser(known)(torch.ones(3, 2, dtype=dtype), 0.5).dtype == dtype
    assert set(heard) == {((3,), F64 if dtype == F64 else F32)}
    assert as_denoiser(LAW)(torch.ones(3, 2, dtype=dtype), 0.5).dtype == dtype


def test_a_network_in_float32_is_asked_in_float32():
    net = nn.Linear(2, 2)
    p = DDPM(lambda x, level: net(x), ForwardProcess(linear_schedule(10)), (2,), predicts="x0")
    p.network = Linear(net)
    x = torch.randn(3, 2, dtype=F64)
    assert error(as_denoiser(p)(x, 0.0), net(x.float()).double()) < 1e-12


class Linear(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x_t, log_snr, y=None):
        return self.net(x_t) + (0 if y is None else y[:, None])


def test_what_was_given_is_told():
    p = DDPM(Linear(nn.Identity()), ForwardProcess(linear_schedule(10)), (2,), predicts="x0")
    x = torch.randn(3, 2)
    assert torch.equal(as_denoiser(p.given(y=3))(x, 0.0), x + 3)
    # its method alone says the same
    assert torch.equal(as_denoiser(p.given(y=3).denoise)(x, 0.0), x + 3)


def test_a_layer_of_the_network_may_be_called_body():
    "The network is asked, not the layer."

    class Net(nn.Linear):
        def forward(self, x_t, log_snr):
            return super().forward(x_t) + log_snr[:, None]

    net = Net(2, 2)
    net.body = nn.Identity()
    x = torch.randn(3, 2, generator=seed())
    assert torch.equal(as_denoiser(net)(x, 0.5), net(x, torch.full((3,), 0.5)))


def test_gradients_pass_to_x_and_to_the_weights():
    net = Linear(nn.Linear(2, 2))
    p = DDPM(net, ForwardProcess(linear_schedule(10)), (2,), predicts="v")
    x = torch.randn(3, 2, requires_grad=True)
    as_denoiser(p)(x, 0.0).sum().backward()
    a = math.sqrt(0.5)
    assert error(x.grad, (a - a * net.net.weight.sum(0)).detach().expand(3, 2)) < 1e-6
    assert net.net.weight.grad.abs().sum() > 0
    y = torch.randn(3, 2, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: as_denoiser(LAW)(y, 0.3), y)


def test_where_nothing_is_computed():
    x = torch.ones(3, 2, device="meta")
    for known in (ddpm("v"), ddpm("eps"), lambda x_t, log_snr: x_t):
        known = DDPM(lambda x_t, log_snr: x_t, known.q, (2,)) if isinstance(known, DDPM) else known
        assert as_denoiser(known)(x, 0.0).is_meta


def test_without_signal_v_and_x0_say_something_and_eps_does_not():
    x = torch.randn(3, 2, dtype=F64)
    mean = (LAW.weights[:, None] * LAW.means).sum(0).expand(3, 2)
    for known in (LAW, ddpm("x0"), ddpm("v")):
        assert error(as_denoiser(known)(x, -math.inf), mean) < 1e-12
    with pytest.raises(ValueError, match="alpha_bar is 0"):
        as_denoiser(DDPM(lambda x, v: x, ForwardProcess(linear_schedule(10)), (2,)))(x, -math.inf)


@pytest.mark.bad_input
def test_what_knows_nothing_is_refused():
    for wrong, came in ((3.0, "float"), (None, "NoneType"), ("law", "str")):
        with pytest.raises(TypeError, match=f"denoiser must be .*x_t and log_snr, got {came}"):
            as_denoiser(wrong)
    with pytest.raises(
        ValueError, match=r"denoiser must return a tensor of x_t's shape \(3, 2\), got \(3, 1\)"
    ):
        as_denoiser(lambda x_t, log_snr: x_t[:, :1])(torch.zeros(3, 2), 0.0)
    for known in (LAW, lambda x_t, log_snr: x_t, ddpm("x0")):
        with pytest.raises(ValueError, match=r"log_snr must be a number or have shape \(3,\)"):
            as_denoiser(known)(torch.zeros(3, 2), torch.zeros(2))
        with pytest.raises(ValueError, match="log_snr must be a number, got nan"):
            as_denoiser(known)(torch.zeros(3, 2), math.nan)
