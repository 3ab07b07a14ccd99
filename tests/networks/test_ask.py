"""How a network is asked: what it is handed, in which dtype, what it may answer, and which copies share it.

The networks here write down what they were told.
"""

import copy

import pytest
import torch
from torch import nn

from diffusion_math import (
    DDPM,
    Empirical,
    ForwardProcess,
    GaussianMixture,
    Schedule,
    constant_schedule,
    linear_schedule,
)  # fmt: skip
from diffusion_math.ddpm import PREDICTS
from diffusion_math.networks.ask import FLOATS, ask, own_dtype
from tests.truth import Wrapped, error, seed

F8, F16, BF16 = torch.float8_e4m3fn, torch.float16, torch.bfloat16
F32, F64 = torch.float32, torch.float64
LAW = GaussianMixture(
    [0.3, 0.7],
    torch.tensor([[-2.0, 0.0], [1.5, 1.0]], dtype=F64),
    torch.tensor([0.02, 0.1], dtype=F64),
)


class Net(nn.Module):
    "Says half of x_t, and remembers what it was told; its weights are of the dtypes asked for."

    def __init__(self, *dtypes):
        super().__init__()
        self.weights = nn.ParameterList(
            [nn.Parameter(torch.ones(2).to(dtype), requires_grad=False) for dtype in dtypes]
        )
        self.told = []

    def forward(self, x_t, log_snr, **cond):
        self.told.append((x_t, log_snr, cond))
        return 0.5 * x_t


def level(*values):
    return torch.tensor(values, dtype=F64)


# ---- in which dtype


@pytest.mark.parametrize("dtypes, x, asked, handed", [
    ((F32,), F32, None, F32), ((F32,), F64, None, F32), ((F32,), F16, None, F32), ((BF16,), F32, None, BF16),
    ((BF16, F32), F32, None, F32),  # of two dtypes, and one is x's: as it is
    ((BF16, F32), F64, None, BF16),  # neither: the first's
    ((F8, F32), F32, None, F32), ((F8,), F32, None, F32), ((torch.int8, F16), F32, None, F16),
    ((F32,), F64, BF16, F32),  # its weights say more than what was asked for
    ((), F32, None, F32), ((), F32, BF16, BF16), ((F8,), F32, BF16, BF16), ((), F64, F64, F64),
])  # fmt: skip
def test_a_network_is_handed_x_in_a_dtype_of_its_weights(dtypes, x, asked, handed):
    assert own_dtype(Net(*dtypes), torch.zeros(1, dtype=x), asked) == handed
    if not dtypes:  # a function shows no weights
        assert own_dtype(lambda x_t, log_snr: x_t, torch.zeros(1, dtype=x), asked) == handed
    assert set(FLOATS) == {F16, BF16, F32, F64}


# ---- asking


@pytest.mark.parametrize(
    "weights, handed, told", [(F64, F64, F64), (F32, F32, F32), (BF16, BF16, F32)]
)
def test_what_a_network_hears_and_how_its_answer_comes_back(weights, handed, told):
    "x_t in its dtype, a level for each x, and the conditions; the answer in x_t's dtype again."
    net, x_t = Net(weights), torch.randn(3, 2, dtype=F64)
    for levels in (level(0.1, 0.2, 0.3), torch.tensor(0.1, dtype=F64), level(0.1)):
        got = ask(net, x_t, levels, {"y": 3})
        heard, log_snr, cond = net.told[-1]
        assert got.dtype == F64 and error(got, 0.5 * x_t.to(handed).double()) < 1e-15
        assert heard.dtype == handed and torch.equal(heard, x_t.to(handed))
        assert cond.keys() == {"y"} and torch.equal(cond["y"], torch.full((3,), 3))
        assert log_snr.dtype == told and torch.equal(log_snr, levels.to(told).expand(3))


def test_what_is_right_already_is_handed_over_itself():
    net, x_t = Net(F32), torch.randn(3, 2)
    ask(net, x_t, level(0.0, 1.0, 2.0).float(), {})
    assert net.told[0][0] is x_t


def test_a_function_is_handed_what_was_asked_for():
    seen = []

    def function(x_t, log_snr):
        seen.append((x_t.dtype, log_snr.dtype))
        return x_t

    for asked in (None, BF16, F64):
        assert ask(function, torch.zeros(2, 2), level(0.0), {}, asked).dtype == F32
    assert seen == [(F32, F32), (BF16, F32), (F64, F64)]


@pytest.mark.parametrize("law", [LAW, Wrapped(LAW), Empirical(torch.randn(5, 2, dtype=F64))])
def test_a_distribution_says_what_is_expected_of_x0(law):
    "At a level for each x: one that takes a single level is asked level by level."
    x_t, levels = torch.randn(4, 2, dtype=F64), level(0.5, -1.0, 0.5, 2.0)
    each = [law.denoise(x_t[i : i + 1], levels[i]) for i in range(4)]
    assert error(ask(law, x_t, levels, {}), torch.cat(each)) < 1e-12
    assert error(ask(law, x_t, levels[1], {}), law.denoise(x_t, levels[1])) < 1e-12
    assert ask(law, x_t[:0], levels[:0], {}).shape == (0, 2)


def test_gradients_pass_through_an_answer():
    net = nn.Linear(2, 2)
    x_t = torch.randn(3, 2, dtype=F64, requires_grad=True)
    ask(lambda x, log_snr: net(x.float()), x_t, level(0.0), {}).sum().backward()
    assert error(x_t.grad, net.weight.sum(0).detach().expand(3, 2)) < 1e-6
    assert net.weight.grad.abs().sum() > 0


@pytest.mark.bad_input
@pytest.mark.parametrize("says, came", [
    (lambda x: x[:, :1], r"\(3, 1\)"), (lambda x: x[:1], r"\(1, 2\)"), (lambda x: x[None], r"\(1, 3, 2\)"),
    (lambda x: 3.0, "float"), (lambda x: None, "NoneType"), (lambda x: (x, x), "tuple"),
])  # fmt: skip
def test_another_answer_is_not_broadcast(says, came):
    words = rf"network must return a tensor of x_t's shape \(3, 2\), got {came}"
    with pytest.raises(ValueError, match=words):
        ask(lambda x_t, log_snr: says(x_t), torch.zeros(3, 2), level(0.0), {})


# ---- a reverse process that asks


def process(T=10):
    return ForwardProcess(linear_schedule(T))


@pytest.mark.parametrize("predicts", PREDICTS)
def test_it_is_a_module_whose_weights_are_the_networks(predicts):
    net = Net(F32, BF16)
    p = DDPM(net, process(), (2,), predicts)
    assert p.predicts == predicts and p.event_shape == (2,) and p.T == 10
    assert [name for name, _ in p.named_parameters()] == ["network.weights.0", "network.weights.1"]
    assert next(p.to(F16).parameters()).dtype == F16 and p.network is net
    assert p.sample(3, seed(1)).shape == (3, 2)
    assert DDPM(net, process(), None, predicts).event_shape is None
    assert list(DDPM(lambda x_t, log_snr: x_t, process(), (2,), predicts).parameters()) == []


@pytest.mark.parametrize("law", [LAW, Wrapped(LAW)])
def test_a_law_predicts_x0_whatever_is_asked_for_and_knows_its_event(law):
    for predicts in PREDICTS:
        p = DDPM(law, process(), None, predicts)
        assert p.predicts == "x0" and p.event_shape == (2,)
    x_t = torch.randn(3, 2, dtype=F64)
    assert error(p.predict(x_t, 4).x0, law.denoise(x_t, p.q.schedule.log_snr[4])) < 1e-12


@pytest.mark.parametrize("t", [4, torch.tensor([4, 1, 10])], ids=str)
@pytest.mark.parametrize("x, told", [(F16, F32), (BF16, F32), (F32, F32), (F64, F64)])
def test_a_network_is_told_the_level_in_float32_at_least(x, told, t):
    q, heard = process(), []
    p = DDPM(lambda x_t, level: heard.append(level) or x_t, q, (2,), "v")
    p.step(torch.zeros(3, 2, dtype=x), t)
    assert heard[0].dtype == told
    assert torch.equal(heard[0], q.schedule.log_snr[t].to(told).expand(3))


def test_what_is_given_adds_up_and_reaches_the_network():
    net = Net(F32)
    p = DDPM(net, process(), (2,), "v")
    three = p.given(y=3)
    both = three.given(z=1).given(y=4)
    for one in (p, three, both):
        one.step(torch.zeros(1, 2), 2)
    assert [cond for _, _, cond in net.told] == [{}, {"y": 3}, {"y": 4, "z": 1}]
    assert p.cond == {} and three.cond == {"y": 3}


def test_copies_share_the_network():
    net = Net(F32)
    p = DDPM(net, process(), (2,), "v")
    short = p.changed(q=process(5))
    assert (short.T, short.q.T, p.T, p.q.T) == (5, 5, 10, 10)
    for other in (p.given(y=None), short, p.changed(asked=BF16), p.changed(images=True)):
        assert type(other) is DDPM and other.network is net and other.event_shape == (2,)
        assert [*other.parameters()][0] is [*p.parameters()][0]
        assert other is not p and other.given().network is net
    with pytest.raises(TypeError, match="q must be a ForwardProcess, got int"):
        p.changed(q=3)


def test_another_network_in_a_copy_leaves_the_first_as_it_was():
    net, other = Net(F32), Net(F64)
    p = DDPM(net, process(), (2,), "v")
    changed = p.changed(network=other)
    assert changed.network is other and p.network is net
    assert next(changed.parameters()).dtype == F64 and next(p.parameters()).dtype == F32
    deep = copy.deepcopy(p)
    assert deep.network is not net and next(deep.parameters()) is not next(p.parameters())


def test_a_state_goes_from_one_to_another():
    p, q = (DDPM(nn.Linear(2, 2), process(), (2,), "v") for _ in range(2))
    q.load_state_dict(p.state_dict())
    assert torch.equal(p.network.weight, q.network.weight)
    assert set(p.state_dict()) == {"network.weight", "network.bias"}


# ---- wrong arguments


def test_eps_says_nothing_of_x0_where_nothing_of_it_is_left():
    gone = ForwardProcess(Schedule.from_alpha_bar([0.5, 0.0]))
    words = r"predicts='eps' needs alpha_bar_T above 0, got 0 at T = 2: alpha_bar is 0: .* predict v or x0"
    with pytest.raises(ValueError, match=words):
        DDPM(Net(F32), gone, (2,), "eps")
    with pytest.raises(ValueError, match="got 0 at T = 3"):
        DDPM(Net(F32), ForwardProcess(constant_schedule(1.0, 3)), (2,), "eps")
    assert [DDPM(Net(F32), gone, (2,), says).T for says in ("v", "x0")] == [2, 2]
    assert DDPM(LAW, gone, None, "eps").predicts == "x0"
