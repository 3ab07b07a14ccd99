"""The transformer: shapes by property, its attention against torch's, what it refuses; and blocks worked out twice."""

import copy
import math
import re

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from diffusion_math import DiT, UNet
from diffusion_math.networks.dit import Block, places

from .test_unet import awake, inputs

F64 = torch.float64


@pytest.fixture(scope="module")
def small():
    return awake(DiT(2, width=16, depth=2, patch=2, classes=3)).eval()


@settings(max_examples=15)
@given(
    b=st.integers(0, 3),
    c=st.integers(1, 3),
    out=st.none() | st.integers(1, 4),
    h=st.integers(1, 11),
    w=st.integers(1, 11),
    patch=st.integers(1, 4),
    depth=st.integers(1, 3),
    classes=st.none() | st.integers(1, 4),
)
@example(b=1, c=1, out=None, h=1, w=1, patch=4, depth=1, classes=None)
def test_any_picture_goes_in_and_comes_out(b, c, out, h, w, patch, depth, classes):
    network = awake(DiT(c, out, 8, depth, patch, 2, classes))
    y = None if classes is None else torch.arange(b) % classes
    got = network(torch.randn(b, c, h, w), torch.linspace(-9, 9, b), y)
    assert got.shape == (b, c if out is None else out, h, w) and bool(got.isfinite().all())
    again = DiT(**network.config)
    assert [v.shape for v in again.state_dict().values()] == [
        v.shape for v in network.state_dict().values()
    ]


def test_a_new_network_answers_zero_and_learns_at_once():
    network, y = DiT(1, width=8, depth=2, heads=2, classes=2), torch.tensor([0, 1, 2, 0])
    assert not network(torch.randn(4, 1, 8, 8), 0.0, y).any()
    before = {name: w.detach().clone() for name, w in network.named_parameters()}
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(4):  # head, then its scale, then the gates, then what they let through
        optimizer.zero_grad()
        x = torch.randn(4, 1, 8, 8)
        (network(x, torch.randn(4), y) - x).square().mean().backward()
        optimizer.step()
    assert [name for name, w in network.named_parameters() if torch.equal(w, before[name])] == []


def test_attention_is_torch_s():
    "MultiheadAttention with the same weights, which lays queries, keys and values out alike."
    block = Block(12, 3, 5).double()
    theirs = nn.MultiheadAttention(12, 3, batch_first=True, dtype=F64)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(block.qkv.weight), theirs.in_proj_bias.copy_(block.qkv.bias)
        theirs.out_proj.load_state_dict(block.out.state_dict())
    h = torch.randn(2, 7, 12, dtype=F64)
    torch.testing.assert_close(block.attend(h), theirs(h, h, h)[0], rtol=1e-10, atol=1e-12)


def test_a_block_is_the_paper_s():
    "Its section 3.2, adaLN-Zero: what a branch adds is gated, what it reads is scaled and shifted; shut gates add nothing."
    block, h, level = (
        Block(8, 2, 5).double(),
        torch.randn(2, 3, 8, dtype=F64),
        torch.randn(2, 5, dtype=F64),
    )
    told = block.told(level).view(2, 6, 8)
    norm = lambda x: (
        (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    )
    want = []
    for x, (scale1, shift1, gate1, scale2, shift2, gate2) in zip(h, told, strict=True):
        x = x + gate1 * block.attend((norm(x) * (1 + scale1) + shift1)[None])[0]
        want.append(x + gate2 * block.mlp(norm(x) * (1 + scale2) + shift2))
    torch.testing.assert_close(block(h, level), torch.stack(want), rtol=1e-10, atol=1e-12)
    nn.init.zeros_(block.told.weight), nn.init.zeros_(block.told.bias)
    assert torch.equal(block(h, level), h)


def test_each_place_is_another():
    at = places(9, 7, torch.empty(1, 1, 16, dtype=F64)).view(9, 7, 16)
    gaps = torch.cdist(at.flatten(0, 1), at.flatten(0, 1)) + 9 * torch.eye(63)
    assert gaps.min() > 0.1
    assert torch.equal(at[3, :, :8], at[3, :1, :8].expand(7, 8))  # a row's half knows no column
    assert torch.equal(at[:, 2, 8:], at[:1, 2, 8:].expand(9, 8))
    torch.testing.assert_close(at[5, 0, 0].item(), math.sin(5), rtol=1e-6, atol=0)


def test_a_patch_goes_back_where_it_came_from(small):
    "Without attention each patch is answered by itself, at its own place; with it every other one hears of it."
    x, level = inputs(1, 2, 8, 8)
    other = x.clone()
    other[..., 2:4, 4:6] += 1
    deaf = copy.deepcopy(small)
    for block in deaf.blocks:
        nn.init.zeros_(block.out.weight)
    for network, hears in ((deaf, False), (small, True)):
        change = (network(other, level) - network(x, level)).abs().amax(1)[0]
        changed = change.unfold(0, 2, 2).unfold(1, 2, 2).amax((2, 3)) > 0
        own = torch.zeros(4, 4, dtype=torch.bool)
        own[1, 2] = True
        assert torch.equal(changed, own | hears)


def test_each_picture_is_answered_by_itself_in_either_precision(small):
    x, level = inputs()
    y = torch.tensor([0, 3, 2])
    rows = [small(x[i : i + 1], level[i : i + 1], y[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(small(x, level, y), torch.cat(rows), rtol=1e-4, atol=1e-5)
    wide = copy.deepcopy(small).double()(x.double(), level, y)
    assert (small(x, level, y).double() - wide).abs().max() < 1e-4 * wide.abs().max()
    assert torch.equal(small(x, 0.0), small(x, 0.0, 3))
    gaps = [small(x, v, k) for v in (-math.inf, 0.0, 3.0, math.inf) for k in (0, 1, None)]
    assert min((a - b).abs().max() for i, a in enumerate(gaps) for b in gaps[:i]) > 1e-4


def test_size_and_cost_are_those_in_the_docstring():
    "By hand: 49 tokens, two FLOPs a weight and token, and attention's two products."
    network, (w, n, depth, level) = DiT(), (128, 49, 4, 128)
    told = re.search(r"has ([\d,]+) parameters and takes (\d+) MFLOPs", DiT.__doc__).groups()
    assert sum(v.numel() for v in network.parameters()) == int(told[0].replace(",", ""))
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        network(torch.zeros(1, 1, 28, 28), 0.0)
    block = 2 * n * 12 * w * w + 2 * 2 * n * n * w + 2 * level * 6 * w
    ends = 2 * n * 16 * w * 2 + 2 * level * 2 * w + 2 * (32 * level + level * level)
    assert counter.get_total_flops() == depth * block + ends
    assert round(counter.get_total_flops() / 1e6) == int(told[1])


def test_traced_whole_agrees(small, shape_checks_off):
    x, level = inputs()
    with shape_checks_off(), torch.no_grad():
        got = torch.compile(small, fullgraph=True, backend="aot_eager")(x, level, torch.arange(3))
    torch.testing.assert_close(got, small(x, level, torch.arange(3)), rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
def test_gpu_agrees(small):
    x, level = inputs()
    got = copy.deepcopy(small).to("cuda")(x.to("cuda"), level.to("cuda"), torch.arange(3))
    torch.testing.assert_close(got.cpu(), small(x, level, torch.arange(3)), rtol=1e-2, atol=1e-2)


# ---- recompute


@pytest.mark.parametrize(
    "make", [lambda: DiT(2, width=16, depth=6), lambda: UNet(2, width=16, blocks=3)]
)
def test_worked_out_twice_the_gradients_are_the_same_and_less_is_kept(make):
    network = awake(make())
    x, level = inputs(4, 2, 16, 16)

    def gradients() -> tuple[list, int]:
        kept = {}

        def note(w):
            kept[w.untyped_storage().data_ptr()] = w.untyped_storage().nbytes()
            return w

        network.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda w: w):
            loss = network(x, level).square().sum()
        loss.backward()
        return [w.grad.clone() for w in network.parameters()], sum(kept.values())

    plain, much = gradients()
    network.recompute = True
    again, little = gradients()
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))
    weights = sum(w.untyped_storage().nbytes() for w in network.parameters())
    assert little - weights < (much - weights) / 2


# ---- what it refuses


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "make, error, words",
    [
        (dict(channels=0), ValueError, "channels must be 1 or more, got 0"),
        (dict(width=10, heads=5), ValueError, "width must be a multiple of 4 and of heads, 5, got 10"),
        (dict(patch=True), TypeError, "patch must be a whole number, got bool"),
        (dict(width=2**14, depth=2**14), ValueError, "width, depth, patch and channels"),
    ],
)  # fmt: skip
def test_refuses_to_be_made(make, error, words):
    with pytest.raises(error, match=words):
        DiT(**make)


@pytest.mark.bad_input
def test_refuses_what_does_not_fit(small):
    x, _ = inputs()
    for call, words in (
        (lambda: small(x[0], 0.0), r"x must have shape \(b, 2, h, w\), got \(2, 12, 10\)"),
        (
            lambda: small(x, torch.zeros(2)),
            r"log_snr must be one number or have shape \(3,\), got \(2,\)",
        ),
        (lambda: small(x, 0.0, 4), "y must lie in 0..2, or be 3 for none, got 4 to 4"),
        (
            lambda: DiT(2, width=8)(x, 0.0, 1),
            "y was given, but the network was made without classes",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            call()
