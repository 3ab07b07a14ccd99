"Masked losses: the bound in every style, and each slip by its name."

import math

import pytest
import torch
from torch.nn import functional as F

from diffusion_math import letters
from diffusion_math.referee.masked import CURES, masked_loss

MASK = 6


def make(t=torch.rand, weight=lambda t, h: 1 / t, count=None, log=1.0, reduce=None, chances=False):
    "A user's loss with one thing changed."

    def f(network, x0):
        share = t(len(x0), 1)
        hidden = torch.rand(x0.shape) < share
        said = network(torch.where(hidden, MASK, x0))
        logits = said.log() if chances else said
        cost = log * F.cross_entropy(logits.transpose(1, 2), x0, reduction="none")
        who = hidden if count is None else count(hidden)
        if reduce:
            return reduce(cost, who)
        return (weight(share, hidden.sum(1, keepdim=True)) * cost * who).sum(1).mean()

    return f


def counted(network, x0):
    "The number of masks is drawn, as in the package's masked_loss."
    h = torch.randint(1, x0.shape[1] + 1, (len(x0), 1))
    hidden = torch.rand(x0.shape).argsort(1).argsort(1) < h
    cost = F.cross_entropy(
        network(torch.where(hidden, MASK, x0)).transpose(1, 2), x0, reduction="none"
    )
    return ((cost * hidden).sum(1, keepdim=True) / h).mean()


def ours(network, x0):
    "The package's own loss, with one-hot letters and chances."
    says = lambda x, log_snr: network(torch.where(x.sum(2) > 0, x.argmax(2), MASK)).softmax(2)[
        ..., :6
    ]
    return letters.masked_loss(says, F.one_hot(x0, 6).float()).mean()


@pytest.mark.parametrize(
    "f, unit",
    [
        (make(), "nats a word."),
        (make(weight=lambda t, h: 1 / t / 6), "nats a letter."),
        (make(weight=lambda t, h: 1 / t / 6, log=1 / math.log(2)), "bits a letter."),
        (make(weight=lambda t, h: 32 / t), "nats a word, summed over the batch."),
        (make(weight=lambda t, h: 1 / h.clamp(min=1)), "nats a letter, times l/(l + 1)"),
        (counted, "nats a letter."),
        (lambda n, x0: make(t=lambda b, _: torch.rand(()).expand(b, 1))(n, x0), "nats a word."),
    ],
    ids=["word", "letter", "bits", "sum", "own masks", "counted", "one t a batch"],
)  # fmt: skip
def test_the_bound_in_other_styles(f, unit):
    said = masked_loss(f)
    assert said and unit in str(said), said


def test_the_package_is_right_and_chances_will_do():
    assert masked_loss(ours)
    assert "nats a word." in str(masked_loss(make(chances=True), says="chances"))


@pytest.mark.parametrize(
    "name, f",
    [
        ("letters that are shown are counted", make(count=lambda hidden: torch.ones_like(hidden))),
        ("masked letters are left out", make(count=lambda hidden: hidden & (torch.arange(6) > 0))),
        ("the weight 1/t is missing", make(weight=lambda t, h: 1 + 0 * t)),
        ("the mean over the masked letters of a batch", make(reduce=lambda cost, who: cost[who].mean())),
        ("some numbers of masks never occur", make(t=lambda b, one: 0.02 * torch.rand(b, one))),
    ],
)  # fmt: skip
def test_each_slip_is_named(name, f):
    said = masked_loss(f)
    assert not said and said.slip == name and said.cure == CURES[name], said


@pytest.mark.parametrize(
    "weight", [lambda t, h: 1 / t**2, lambda t, h: 1 / (1.001 - t), lambda t, h: 1 / t.sqrt()]
)
def test_another_weight_is_no_bound(weight):
    said = masked_loss(make(weight=weight))
    assert not said and not said.slip and "weigh" in said.says


@pytest.mark.parametrize(
    "f, words",
    [
        (lambda net, x0: 3.0, "asked the network 0 times"),
        (lambda net, x0: net(x0).sum() + net(x0).sum(), "asked the network 2 times"),
        (lambda net, x0: net(x0 * 0 + 3).sum(), "neither x0's nor the mask"),
        (lambda net, x0: net(x0.float()).sum(), "numbers of letters"),
        (lambda net, x0: net(x0).detach().sum(), "no gradient leads through"),
        (lambda net, x0: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_gives_no_numbers(f, words):
    said = masked_loss(f)
    assert not said and words in str(said)


@pytest.mark.bad_input
def test_bad_arguments():
    with pytest.raises(TypeError, match="f must be a function"):
        masked_loss(3)
    with pytest.raises(ValueError, match="mask must be 6 or more"):
        masked_loss(make(), mask=2)
    with pytest.raises(ValueError, match="says must be one of logits"):
        masked_loss(make(), says="ids")
