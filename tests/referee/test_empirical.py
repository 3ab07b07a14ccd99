"A dataset's denoiser: right in one go and in a stream; each slip by name, a softmax for each batch at any size of a batch."

import pytest
import torch

from diffusion_math import Empirical, ForwardProcess, cosine_schedule, referee
from diffusion_math.referee.clock import clock_of
from diffusion_math.referee.empirical import RIGHT, SLIPS, empirical, of_batches

BAR = (1 - torch.linspace(1e-4, 0.02, 1000)).cumprod(0)
DATASET = torch.randn(24, 1, 4, 4, generator=torch.Generator().manual_seed(0)).sign() * 0.9


def told(make, data=DATASET, **table):
    "A user's denoiser of this kind."
    clock = clock_of(**table)

    def f(x_t, t):
        place = clock.place(t)
        known = {"a": clock.a[place].double(), "s": clock.s[place].double()}
        return make(x_t=x_t.double(), data=data.double(), **known).to(x_t)

    return f


def stream(data, size):
    "The right way to read in batches: a running maximum, and two running sums."

    def make(x_t, a, s, data):
        top = torch.full((len(x_t), 1), -torch.inf, dtype=x_t.dtype)
        above, below = torch.zeros_like(x_t.flatten(1)), torch.zeros_like(top)
        for batch in data.flatten(1).split(size):
            off = x_t.flatten(1)[:, None] - a[:, None, None] * batch
            log = -off.square().sum(2) / (2 * s[:, None] ** 2)
            new = torch.maximum(top, log.amax(1, keepdim=True))
            above, below = above * (top - new).exp(), below * (top - new).exp()
            w = (log - new).exp()
            above, below, top = above + w @ batch, below + w.sum(1, keepdim=True), new
        return (above / below).view_as(x_t)

    return make


@pytest.mark.parametrize("table", [{"alphas_cumprod": BAR}, {"sigmas": torch.linspace(0.1, 5, 50)},
                                   {"flow_times": torch.linspace(0.05, 0.95, 30)}])  # fmt: skip
def test_the_right_guess_is_right_at_once_and_in_a_stream(table):
    assert empirical(told(RIGHT, **table), DATASET, **table)
    assert empirical(told(stream(DATASET, 16), **table), DATASET, **table)


def test_our_own_is_right():
    schedule, law = cosine_schedule(100), Empirical(DATASET.double())
    f = lambda x_t, t: law.denoise(x_t, schedule.log_snr[t])
    assert referee.empirical(f, DATASET, ForwardProcess(schedule).schedule).error < 1e-6


@pytest.mark.parametrize("size", [1, 8, 10, 23])
@pytest.mark.parametrize("by_length", [False, True])
def test_a_softmax_for_each_batch_is_named_whatever_its_size(size, by_length):
    said = empirical(told(of_batches(size, by_length), alphas_cumprod=BAR), DATASET, BAR)
    assert not said and said.slip == "a softmax for each batch" and "running maximum" in said.cure


def test_in_a_large_dataset_it_is_named_at_the_usual_sizes():
    dataset = torch.randn(1500, 4, generator=torch.Generator().manual_seed(1))
    for size in (64, 256, 500):
        said = empirical(told(of_batches(size, False), dataset, alphas_cumprod=BAR), dataset, BAR)
        assert said.slip == "a softmax for each batch"


@pytest.mark.parametrize("name, i", [(s.name, i) for s in SLIPS for i in range(len(s.makes))])
def test_every_slip_is_named_and_none_is_taken_for_another(name, i):
    make = next(s for s in SLIPS if s.name == name).makes[i]
    said = empirical(told(make, alphas_cumprod=BAR), DATASET, BAR)
    assert not said and said.slip == name, said


def test_what_no_slip_explains_is_said_to_be_so():
    said = empirical(told(lambda **k: 0.9 * RIGHT(**k), alphas_cumprod=BAR), DATASET, BAR)
    assert not said and not said.slip and "no slip" in said.says
    said = empirical(lambda x_t, t: x_t[:, :, :2], DATASET, BAR)
    assert not said and "shape" in said.says
    said = empirical(lambda x_t, t: 1 / 0, DATASET, BAR)
    assert not said and "ZeroDivisionError" in said.says


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "arguments, kind, words",
    [
        ((3, DATASET, BAR), TypeError, "f must be"),
        ((RIGHT, DATASET[:0], BAR), ValueError, "data"),
        ((RIGHT, DATASET[:1], BAR), ValueError, "data: how many must be"),
        ((RIGHT, DATASET / 0, BAR), ValueError, "data must be finite"),
        ((RIGHT, "dataset", BAR), TypeError, "data must be"),
        ((RIGHT, DATASET), TypeError, "alphas_cumprod"),
    ],
)
def test_arguments_that_do_not_fit(arguments, kind, words):
    with pytest.raises(kind, match=words):
        empirical(*arguments)
