"Targets and losses: what their optimum says, how the network's x_t was made, and each slip by its name."

import pytest
import torch

from diffusion_math import DDPM, ForwardProcess, linear_schedule, simple_loss
from diffusion_math.referee.clock import clock_of
from diffusion_math.referee.loss import KINDS, TARGET_SLIPS, loss, target
from diffusion_math.referee.noising import beside

BAR = (1 - torch.linspace(1e-4, 0.02, 1000)).cumprod(0)
CLOCK = clock_of(BAR)
NOISED = {
    "a variance for its root": lambda a, s: (a, s**2),
    "alpha-bar for its root": lambda a, s: (a**2, s),
    "both roots missing": lambda a, s: (a**2, s**2),
    "the scales swapped": lambda a, s: (s, a),
    "x_0 not scaled": lambda a, s: (1 + 0 * a, s),
    "eps not scaled": lambda a, s: (a, 1 + 0 * a),
    "one minus the root": lambda a, s: (a, 1 - a),
}


def make(
    kind="eps",
    pair=lambda a, s: (a, s),
    late=0,
    dice=torch.randn_like,
    top=1000,
    power=2,
    weight=None,
    reduce=torch.mean,
):
    "A user's loss with one thing changed."

    def f(network, x0):
        t = torch.randint(0, top, (len(x0),))
        eps = dice(x0)
        a, s = (beside(c[t].float(), x0) for c in (CLOCK.a, CLOCK.s))
        one, two = pair(a, s)
        goal = (
            kind(x0=x0, eps=eps, a=a, s=s)
            if callable(kind)
            else KINDS[kind](x0=x0, eps=eps, a=a, s=s)
        )
        off = network(one * x0 + two * eps, (t + late).clamp(0, 999)) - goal
        scale = 1 if weight is None else weight(a, s)
        return reduce(scale * off.abs() ** power)

    return f


@pytest.mark.parametrize("name", KINDS)
def test_each_target_is_named(name):
    def f(x0, t, eps):
        return KINDS[name](x0=x0, eps=eps, a=beside(CLOCK.a[t], x0), s=beside(CLOCK.s[t], x0))

    said = target(f, BAR)
    assert said and f"says {name}," in said.says and target(f, BAR, predicts=name)
    other = "x0" if name != "x0" else "eps"
    assert target(f, BAR, predicts=other).slip == "another target"
    assert f"says {name}," in loss(make(name), BAR).says


@pytest.mark.parametrize(
    "name, i", [(s.name, i) for s in TARGET_SLIPS for i in range(len(s.makes))]
)
def test_each_wrong_target_is_named_and_none_is_taken_for_another(name, i):
    make_it = next(s for s in TARGET_SLIPS if s.name == name).makes[i]
    f = lambda x0, t, eps: make_it(
        x0=x0, eps=eps, a=beside(CLOCK.a[t], x0), s=beside(CLOCK.s[t], x0)
    )
    assert target(f, BAR).slip == name and loss(make(make_it), BAR).slip == name


@pytest.mark.parametrize("name", NOISED)
@pytest.mark.parametrize("kind", ["eps", "x0"])
def test_each_wrong_noising_is_named(name, kind):
    assert loss(make(kind, pair=NOISED[name]), BAR).slip == name


@pytest.mark.parametrize("kind", ["eps", "x0", "v"])
@pytest.mark.parametrize(
    "late, name", [(1, "the network is told t + 1"), (-1, "the network is told t - 1")]
)
def test_a_time_that_is_one_off(kind, late, name):
    assert loss(make(kind, late=late), BAR).slip == name


def test_other_slips():
    assert loss(make(dice=torch.rand_like), BAR).slip == "rand for randn"
    assert (
        loss(make(dice=lambda x: 0.9 * torch.randn_like(x)), BAR).slip
        == "noise that is not standard normal"
    )
    twice = lambda x0, eps, a, s: torch.randn_like(x0)
    assert loss(make(twice), BAR).slip == "another draw of noise"
    assert loss(make(weight=lambda a, s: -1), BAR).slip == "a weight below 0"
    assert loss(make(top=999), BAR).slip == "the last level is never trained"
    unknown = loss(make(lambda x0, eps, a, s: eps + 0.1 * x0), BAR)
    assert not unknown and not unknown.slip


def test_right_in_other_styles():
    for power in (1, 2):
        assert loss(make(power=power), BAR, predicts="eps"), power
    assert "sum over all" in str(loss(make(reduce=torch.sum), BAR))
    assert "weight is SNR" in str(loss(make("x0", weight=lambda a, s: a**2 / s**2), BAR))
    assert "weight is 1/SNR" in str(loss(make(weight=lambda a, s: s**2 / a**2), BAR))
    huber = lambda net, x0: torch.nn.functional.smooth_l1_loss(*both(net, x0))

    def both(net, x0):
        t, eps = torch.randint(0, 1000, (len(x0),)), torch.randn_like(x0)
        return net(beside(CLOCK.a[t], x0) * x0 + beside(CLOCK.s[t], x0) * eps, t), eps

    assert loss(huber, BAR, predicts="eps")


@pytest.mark.parametrize("predicts", ["eps", "x0", "v"])
def test_the_package_is_right(predicts):
    q = ForwardProcess(linear_schedule(100))
    at = lambda level: (q.schedule.log_snr[1:] - level.double()[:, None]).abs().argmin(1) + 1

    def f(network, x0):
        told = lambda x, level: network(x, at(level))
        return simple_loss(DDPM(told, q, predicts=predicts), x0)

    assert loss(f, q.schedule, predicts=predicts), loss(f, q.schedule)


def test_flow_matching():
    def f(network, x0):
        t, eps = torch.rand(len(x0)), torch.randn_like(x0)
        row = beside(t, x0)
        return (network((1 - row) * x0 + row * eps, t) - (eps - x0)).square().mean()

    times = torch.linspace(0, 1, 101)
    assert loss(f, flow_times=times, predicts="velocity")


@pytest.mark.parametrize(
    "f, words",
    [
        (lambda net, x0: 3.0, "asked the network 0 times"),
        (lambda net, x0: net(x0, 0) * net(x0, 1), "asked the network 2 times"),
        (lambda net, x0: net(x0, 5).detach().sum(), "no gradient leads through"),
        (lambda net, x0: net(x0[:3], 5).sum(), "asked the network about shape"),
        (lambda net, x0: net(x0).sum(), "was not told a time"),
        (lambda net, x0: net(x0, 1000).square().sum(), "0..999 occur"),
        (lambda net, x0: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_gives_no_numbers(f, words):
    said = loss(f, BAR)
    assert not said and words in str(said)


@pytest.mark.bad_input
def test_an_unknown_target_is_refused():
    with pytest.raises(ValueError, match="predicts must be one of eps"):
        loss(make(), BAR, predicts="noise")


@pytest.mark.parametrize("above, slip", [(0, ""), (1, "min-SNR with 1 added above as well")])
def test_the_weight_of_min_snr_for_v(above, slip):
    "min(SNR, 5) / (SNR + 1); 1 stands below alone."
    snr = (CLOCK.a / CLOCK.s).square()

    def f(network, x0):
        t = torch.randint(0, 1000, (len(x0),))
        eps, (a, s) = torch.randn_like(x0), (beside(c[t].float(), x0) for c in (CLOCK.a, CLOCK.s))
        weight = beside(((snr + above).clamp(max=5) / (snr + 1))[t].float(), x0)
        return (weight * (network(a * x0 + s * eps, t) - (a * eps - s * x0)).square()).mean()

    said = loss(f, BAR, predicts="v")
    assert said.slip == slip and bool(said) == (not slip), said
    assert slip or "The weight is min(SNR, 5)/(SNR + 1)" in str(said)
