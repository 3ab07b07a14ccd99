"""The network: shapes by property, every path of arithmetic against the plain one, what it refuses."""

import copy
import json
import math
import re
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from diffusion_math import DDPM, ForwardProcess, UNet, elbo_loss, linear_schedule

INF = math.inf


def awake(network, seed=1, scale=0.2):
    "Random weights everywhere: a new network answers 0."
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for w in network.parameters():
            w += scale * torch.randn(w.shape, generator=generator).to(w)
    return network


@pytest.fixture(scope="module")
def small():
    return awake(UNet(2, width=16, classes=3, waves=(3,))).eval()


def inputs(b=3, c=2, h=12, w=10, dtype=torch.float32):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(b, c, h, w, generator=generator, dtype=dtype), torch.linspace(
        -8, 12, b, dtype=torch.float64
    )


# ---- shapes


@settings(max_examples=15)
@given(
    b=st.integers(1, 3),
    c=st.integers(1, 4),
    out=st.none() | st.integers(1, 5),
    h=st.integers(1, 19),
    w=st.integers(1, 19),
    patch=st.integers(1, 3),
    mults=st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=3),
    blocks=st.integers(1, 2),
    classes=st.none() | st.integers(1, 4),
    waves=st.sampled_from([(), (0,), (6, 7)]),
)
@example(b=2, c=3, out=None, h=33, w=47, patch=2, mults=[1, 2], blocks=1, classes=10, waves=())
@example(b=2, c=1, out=10, h=1, w=1, patch=2, mults=[1, 2, 2], blocks=1, classes=None, waves=(6, 7))
@example(b=1, c=1, out=None, h=28, w=28, patch=4, mults=[2], blocks=2, classes=2, waves=())
def test_any_picture_goes_in_and_comes_out(b, c, out, h, w, patch, mults, blocks, classes, waves):
    network = UNet(c, out, 16, mults, blocks, patch, classes=classes, waves=waves)
    y = None if classes is None else torch.arange(b) % classes
    got = awake(network)(torch.randn(b, c, h, w), torch.linspace(-9, 9, b), y)
    assert got.shape == (b, c if out is None else out, h, w) and bool(got.isfinite().all())
    again = UNet(
        **json.loads(json.dumps(network.config))
    )  # the config is plain, and makes the same network
    assert [(k, v.shape) for k, v in again.state_dict().items()] == [
        (k, v.shape) for k, v in network.state_dict().items()
    ]


@pytest.mark.parametrize(
    "kind", [{}, {"out_channels": 10}, {"mults": [1], "patch": 1, "waves": [6]}]
)
@pytest.mark.parametrize("size", [(8, 8), (5, 7)])
def test_of_no_pictures_it_says_nothing(kind, size):
    network, x = UNet(1, width=8, classes=10, **kind), torch.zeros(0, 1, *size)
    for level, y in (
        (0.0, None),
        (torch.zeros(0), torch.zeros(0, dtype=torch.long)),
        (-math.inf, 3),
    ):
        assert network(x, level, y).shape == (0, kind.get("out_channels", 1), *size)
    with pytest.raises(
        ValueError, match=r"log_snr must be one number or have shape \(0,\), got \(2,\)"
    ):
        network(x, torch.zeros(2))


def test_a_chain_of_no_pictures():
    p = DDPM(UNet(1, width=8), ForwardProcess(linear_schedule(3)), (1, 8, 8), "v", images=True)
    assert p.sample(0).shape == (0, 1, 8, 8) and p.sample(0, trajectory=True).shape == (
        4,
        0,
        1,
        8,
        8,
    )
    assert elbo_loss(p, torch.zeros(0, 1, 8, 8)).shape == (0,)


def test_a_new_network_answers_zero():
    assert not UNet(2, 3, 16, classes=2)(torch.randn(2, 2, 9, 8), 0.0, 1).any()


def test_each_picture_is_answered_by_itself(small):
    "A batch is nothing but its rows, each at its own noise level and class."
    x, level = inputs()
    y = torch.tensor([0, 3, 2])
    rows = [small(x[i : i + 1], level[i : i + 1], y[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(small(x, level, y), torch.cat(rows), rtol=1e-4, atol=1e-5)


def test_padding_is_invisible():
    "What stands right of or below a picture that fits the stride is none of its business; shifts by a stride are."
    network = awake(UNet(1, width=16, mults=[1])).double()
    x = torch.randn(1, 1, 7, 9, dtype=torch.float64)
    padded = torch.nn.functional.pad(x, (0, 1, 0, 1), mode="replicate")
    torch.testing.assert_close(
        network(x, 1.0), network(padded, 1.0)[..., :7, :9], rtol=1e-12, atol=1e-12
    )


# ---- the noise level and the class


@pytest.mark.parametrize("level", [-INF, INF, -40.0, 0.0, 14.5])
def test_any_noise_level_as_a_number_or_a_row_in_either_precision(small, level):
    x, _ = inputs()
    want = small(x, level, 1)
    assert bool(want.isfinite().all())
    for given_ in (
        torch.tensor(level),
        torch.full((3,), level),
        torch.full((3,), level, dtype=torch.float64),
    ):
        assert small(x, given_, torch.tensor([1, 1, 1], dtype=torch.int32)).dtype == torch.float32
        torch.testing.assert_close(small(x, given_, 1), want, rtol=1e-5, atol=1e-5)


def test_the_answer_goes_to_its_limits(small):
    "Continuous at both ends of the scale: nothing jumps at -inf or inf."
    x, _ = inputs()
    for end in (-INF, INF):
        gaps = [
            (small(x, math.copysign(far, end), 0) - small(x, end, 0)).abs().max()
            for far in (1e3, 1e5, 1e7)
        ]
        assert gaps[0] > gaps[1] and gaps[2] < 1e-4 * small(x, end, 0).abs().max()


def test_levels_and_classes_are_told_apart(small):
    x, _ = inputs()
    answers = [small(x, level, y) for level in (-3.0, 3.0, 13.0, 13.5) for y in (0, 1, 2, None)]
    gaps = [(a - b).abs().max() for i, a in enumerate(answers) for b in answers[:i]]
    assert min(gaps) > 1e-3
    assert torch.equal(small(x, 0.0, None), small(x, 0.0, 3)) and torch.equal(
        small(x, 0.0), small(x, 0.0, 3)
    )


# ---- other ways through the same arithmetic


def test_double_is_the_same_network(small):
    x, level = inputs()
    wide = copy.deepcopy(small).double()(x.double(), level, 1)
    assert wide.dtype == torch.float64
    assert (small(x, level, 1).double() - wide).abs().max() < 1e-5 * wide.abs().max()


def test_autocast_agrees(small):
    x, level = inputs(h=14, w=14)
    with torch.autocast("cpu", torch.bfloat16):
        half = small(x, level, 2)
    gap = (half.float() - small(x, level, 2)).square().mean().sqrt() / small(x, level, 2).std()
    assert gap < 0.03  # bfloat16 has 8 bits: 0.4 % a rounding


def test_channels_last_agrees(small):
    x, level = inputs(h=14, w=14)
    other = copy.deepcopy(small).to(memory_format=torch.channels_last)
    got = other(x.to(memory_format=torch.channels_last), level, 2)
    torch.testing.assert_close(got, small(x, level, 2), rtol=1e-4, atol=1e-4)


def test_traced_whole_agrees(small, shape_checks_off):
    "torch.compile sees one graph, without a break."
    x, level = inputs()
    with shape_checks_off(), torch.no_grad():
        got = torch.compile(small, fullgraph=True, backend="aot_eager")(x, level, torch.arange(3))
    torch.testing.assert_close(got, small(x, level, torch.arange(3)), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None, reason="needs a C++ compiler"
)
@pytest.mark.long
def test_compiled_agrees(shape_checks_off, monkeypatch):
    """With a cache for these instructions alone: torch would take up code that a run for others left behind.

    In this process: a pool of compilers would load torch once for each core. And without vector instructions: torch
    would try each kind by a library that it compiles, and that another process loads.
    """
    from torch._inductor import config, cpu_vec_isa

    kept = Path(tempfile.gettempdir(), f"compiled-plain-{torch.backends.cpu.get_cpu_capability()}")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(kept))
    monkeypatch.setattr(cpu_vec_isa, "valid_vec_isa_list", list)
    network = awake(UNet(1, width=4, mults=[1], heads=1)).eval()
    x, level = inputs(2, 1, 6, 5)
    with shape_checks_off(), torch.no_grad(), config.patch(compile_threads=1):
        got = torch.compile(network, fullgraph=True)(x, level)
    torch.testing.assert_close(got, network(x, level), rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
def test_gpu_agrees(small):
    x, level = inputs()
    got = copy.deepcopy(small).to("cuda")(x.to("cuda"), level.to("cuda"), torch.arange(3))
    assert got.device.type == "cuda"
    torch.testing.assert_close(got.cpu(), small(x, level, torch.arange(3)), rtol=1e-2, atol=1e-2)


# ---- what the docstring says


def test_size_and_cost_are_those_in_the_docstring():
    network = UNet()
    parameters, flops = re.search(
        r"has ([\d,]+) parameters and takes (\d+) MFLOPs", UNet.__doc__
    ).groups()
    assert sum(w.numel() for w in network.parameters()) == int(parameters.replace(",", ""))
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, 28, 28), 0.0)
    assert round(counter.get_total_flops() / 1e6) == int(flops)
    assert abs(by_hand() / 1e6 - int(flops)) < 1


def by_hand(w=48, n=14, level=128):
    "FLOPs of the default network on 28x28: two a weight of a convolution and place; attention's two products."
    conv = lambda a, b, k, places: 2 * a * b * k * k * places
    block = lambda a, b, p: (
        conv(a, b, 3, p)
        + conv(b, b, 3, p)
        + 2 * level * 2 * b
        + (conv(a, b, 1, p) if a != b else 0)
    )
    full, half, v = n * n, n * n // 4, 2 * w
    total = (
        2 * (32 * level + level * level)
        + conv(4, w, 3, full)
        + block(w, w, full)
        + conv(w, v, 3, half)
    )
    total += (
        2 * block(v, v, half)
        + conv(v, 3 * v, 1, half)
        + conv(v, v, 1, half)
        + 2 * 2 * half * half * v
    )
    return total + conv(v, 4 * w, 1, half) + block(2 * w, w, full) + conv(w, 4, 3, full)


def test_gradient_reaches_every_weight(small):
    network = copy.deepcopy(small)
    x, level = inputs(4)
    network(x, level, torch.arange(4)).square().sum().backward()
    dead = [name for name, w in network.named_parameters() if w.grad is None or not w.grad.any()]
    assert dead == []


def test_a_new_network_learns_at_once():
    "The output starts at 0, but its gradient does not: two steps move every weight."
    network = UNet(1, width=16, classes=2)
    before = {name: w.detach().clone() for name, w in network.named_parameters()}
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(4):
        optimizer.zero_grad()
        (
            network(torch.randn(4, 1, 8, 8), torch.randn(4), torch.tensor([0, 1, 2, 0])) - 1
        ).square().mean().backward()
        optimizer.step()
    assert [name for name, w in network.named_parameters() if torch.equal(w, before[name])] == []


# ---- what it refuses


# the table of tests/test_rooms_bad_input.py asks each argument
@pytest.mark.bad_input
@pytest.mark.parametrize(
    "make, words",
    [
        (dict(mults=()), "mults"),
        (dict(mults=(1, 0)), "mults must be 1 or more, got 0"),
        (dict(width=9, heads=4), r"heads must divide .* got 4, 9 and \(1, 2\)"),
    ],
)
def test_refuses_to_be_made(make, words):
    with pytest.raises(ValueError, match=words):
        UNet(**make)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call, words",
    [
        (lambda f, x: f(x[:, :1], 0.0), r"x must have shape \(b, 2, h, w\), got \(3, 1, 12, 10\)"),
        (lambda f, x: f(x[..., :0], 0.0), r"x must have shape .* got \(3, 2, 12, 0\)"),
        (lambda f, x: f(x, torch.zeros(3, 1)), r"log_snr must be one number or have shape \(3,\)"),
        (lambda f, x: f(x, 0.0, torch.tensor([0, -1, 1])), "y must lie in 0..2, or be 3 for none, got -1 to 1"),
        (lambda f, x: f(x, 0.0, 1.0), "y must hold whole numbers, got torch.float"),
        (lambda f, x: f(x, 0.0, torch.zeros(2).long()), "y must be one number or have shape"),
    ],
)  # fmt: skip
def test_refuses_what_does_not_fit(small, call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call(small, inputs()[0])


@pytest.mark.bad_input
def test_a_class_for_a_network_without():
    with pytest.raises(ValueError, match=r"y was given, but .* UNet\(classes=10\)"):
        UNet(1, width=16)(torch.zeros(1, 1, 4, 4), 0.0, 3)
