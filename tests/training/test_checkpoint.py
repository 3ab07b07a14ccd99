"""Models in files: what goes in comes out, whatever is not whole is told, and a failed write spoils nothing."""

import errno
import json
import math
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

import diffusion_math
import diffusion_math.training.checkpoint as disk
from diffusion_math import (
    DDPM,
    DiT,
    ForwardProcess,
    Schedule,
    UNet,
    cosine_schedule,
    digits,
    elbo_estimate,
    linear_schedule,
    load_model,
    load_pretrained,
    save_model,
)  # fmt: skip
from diffusion_math import files as writing
from diffusion_math.laws.levels import GreyLevels

ASSETS = Path(diffusion_math.__file__).parent / "assets"


def model(**kind):
    torch.manual_seed(0)
    network = UNet(1, width=8, mults=[1], **kind)
    with torch.no_grad():
        for w in network.parameters():
            w += 0.1 * torch.randn(w.shape)
    return DDPM(network, ForwardProcess(cosine_schedule(T=8)), (1, 6, 5), "v", images=True)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    path = tmp_path_factory.mktemp("kept") / "model.safetensors"
    save_model(model(), path)
    return path


# ---- there and back


def test_comes_back_as_it_was(kept):
    p, again = model(), load_model(kept)
    assert {k: v.tolist() for k, v in again.network.state_dict().items()} == {
        k: v.tolist() for k, v in p.network.state_dict().items()
    }
    assert torch.equal(again.q.schedule.log_snr, p.q.schedule.log_snr) and again.q.T == 8
    a, b = (d.sample(3, torch.Generator().manual_seed(1)) for d in (p, again))
    assert torch.equal(a, b) and not again.network.training
    assert sorted(path.name for path in kept.parent.iterdir()) == ["model.safetensors"]


def test_a_transformer_comes_back_too(tmp_path):
    torch.manual_seed(0)
    network = DiT(1, 10, width=8, depth=2, classes=3)
    with torch.no_grad():
        for w in network.parameters():
            w += 0.1 * torch.randn(w.shape)
    p = DDPM(
        GreyLevels(network), ForwardProcess(cosine_schedule(T=8)), (1, 6, 5), "x0", images=True
    )
    save_model(p, tmp_path / "m")
    again = load_model(tmp_path / "m")
    a, b = (d.given(y=1).sample(3, torch.Generator().manual_seed(1)) for d in (p.eval(), again))
    assert torch.equal(a, b) and again.network.network.config == network.config


@settings(max_examples=15)
@given(
    st.sampled_from([0, 10, 13]),
    st.sampled_from(["eps", "x0", "v"]),
    st.sampled_from(["beta", "posterior"]),
    st.booleans(),
    st.none() | st.just((3, 5, 4)),
    st.none() | st.integers(1, 4),
    st.sampled_from([(), (6, 7)]),
    st.booleans(),
)
def test_whatever_it_was(
    tmp_path_factory, grey, predicts, variance, images, shape, classes, waves, zero
):
    channels = 3
    network = UNet(
        channels, grey * channels if grey else None, 8, [1, 2], classes=classes, waves=waves
    )
    finest = 0.2 if grey == 13 else None
    network = GreyLevels(network, 16, 0.0, 15.0, finest) if grey else network
    schedule = Schedule.from_log_snr(
        torch.tensor([14.5, 3.0, -torch.inf if zero and predicts != "eps" else -9.0])
    )
    p = DDPM(network, ForwardProcess(schedule), shape, predicts, variance, images)
    path = (
        tmp_path_factory.mktemp("any") / "a" / "model.safetensors"
    )  # a folder that is not there yet
    save_model(p, str(path))
    again = load_model(str(path))
    assert (again.predicts, again.variance, again.images) == (predicts, variance, images)
    assert again.event_shape == p.event_shape
    assert torch.equal(again.q.schedule.log_snr, p.q.schedule.log_snr)
    assert (
        type(again.network) is type(network) and getattr(again.network, "classes", None) == classes
    )
    x, told = torch.rand(2, 3, 5, 4), {} if classes is None else {"y": 0}
    assert torch.equal(p.given(**told).predict(x, 2).value, again.given(**told).predict(x, 2).value)


def test_half_precision_is_right_to_its_rounding(tmp_path):
    p, path = model(), tmp_path / "half.safetensors"
    sizes = {}
    for dtype, eps in ((torch.float16, 2**-11), (torch.bfloat16, 2**-8)):
        save_model(p, path, dtype)
        sizes[dtype] = path.stat().st_size
        for name, w in load_model(path).network.state_dict().items():
            assert w.dtype == torch.float32
            before = p.network.state_dict()[name]
            assert ((w - before).abs() <= eps * before.abs() + 2**-25).all()
    save_model(p, path)
    assert sizes[torch.float16] < 0.7 * path.stat().st_size
    assert {w.dtype for w in p.network.parameters()} == {
        torch.float32
    }  # the model itself is left alone
    save_model(load_model(path), tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_fewer_steps_and_a_compiled_network(tmp_path):
    p = model().respace(4)
    p.network = torch.compile(p.network, backend="eager")
    save_model(p, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert torch.equal(again.q.schedule.log_snr, p.q.schedule.log_snr) and isinstance(
        again.network, UNet
    )


NAMES = ("beta", "alpha", "alpha_bar", "log_alpha", "log_alpha_bar", "noise_var", "snr", "log_snr")
SCHEDULES = {
    "after nothing is left": Schedule.from_beta([0.1, 1.0, 0.1]),
    "with still steps": Schedule.from_beta([0.0, 0.3, 0.0]),
    "tiny": Schedule.from_beta([1e-20, 0.1, 1 - 1e-16]),
    "more noise than beta can say": Schedule.from_log_snr([2.0, -1.0, -60.0, -80.0]),
    "from alpha_bar": Schedule.from_alpha_bar([1.0, 0.7, 0.1, 0.0, 0.0]),
    "linear": linear_schedule(50),
    "fewer": cosine_schedule(100).respace(7),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_comes_back_to_the_bit(tmp_path, name):
    p = DDPM(UNet(1, width=8, mults=[1]), ForwardProcess(SCHEDULES[name]), predicts="v")
    save_model(p, tmp_path / "m", torch.float16)
    again = load_model(tmp_path / "m").q
    for table in NAMES:
        assert torch.equal(getattr(again.schedule, table), getattr(p.q.schedule, table)), table


def test_a_file_that_holds_log_snr_alone(kept, tmp_path):
    "As the versions before this one wrote it."
    old = rewrite(kept, tmp_path / "old", lambda t: [t.pop(f"schedule.{k}") for k in disk.TABLES])
    want = Schedule.from_log_snr(load_file(kept)["schedule.log_snr"])
    assert all(
        torch.equal(getattr(load_model(old).q.schedule, name), getattr(want, name))
        for name in NAMES
    )


def test_double_precision_and_layout(tmp_path):
    p = model()
    p.to(torch.float64).network.to(memory_format=torch.channels_last)
    save_model(p, tmp_path / "m")
    for name, w in load_model(tmp_path / "m").network.state_dict().items():
        assert torch.equal(w, p.network.state_dict()[name].float())


@pytest.mark.gpu
def test_from_a_gpu(tmp_path):
    save_model(model().to("cuda"), tmp_path / "m")
    assert next(load_model(tmp_path / "m").network.parameters()).device.type == "cpu"


# ---- files that are not whole, or something else


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.05, 0.2, 0.6, 0.99, 1.0])
def test_cut_short(kept, tmp_path, share):
    path = shutil.copy(kept, tmp_path / "cut.safetensors")
    os.truncate(path, min(int(share * path.stat().st_size), path.stat().st_size - 1))
    with pytest.raises(
        ValueError, match="cut.safetensors (is not a whole safetensors file|holds no model)"
    ):
        load_model(path)


def test_any_damage_of_the_header_is_told_or_harmless(kept, tmp_path):
    "Each byte of the header in turn: ValueError with the file's name, or a model; never another error."
    whole, path, told = kept.read_bytes(), tmp_path / "odd.safetensors", 0
    size = 8 + int.from_bytes(whole[:8], "little")
    for at in range(0, size, 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1 :])
        try:
            load_model(path)
        except ValueError as error:
            told += "odd.safetensors" in str(error)
    assert told > size / 7 * 0.5


def numbers_at(content):
    "Where a file's numbers begin."
    return 8 + int.from_bytes(content[:8], "little")


def test_any_flipped_bit_of_the_numbers_is_told(kept, tmp_path):
    whole, path = kept.read_bytes(), tmp_path / "flipped.safetensors"
    first = numbers_at(whole)
    places = torch.randint(8 * first, 8 * len(whole), (110,)).tolist() + [
        8 * first,
        8 * len(whole) - 1,
    ]
    for bit in places:
        path.write_bytes(
            whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :]
        )
        with pytest.raises(ValueError, match="flipped.safetensors is damaged: the SHA-256 of its"):
            load_model(path)


def test_what_is_told_of_the_numbers_is_sealed_too(kept, tmp_path):
    "A model that predicts something else would still draw: noise."
    content = kept.read_bytes()
    assert content.count(b'\\"predicts\\": \\"v\\"') == 1
    (tmp_path / "m").write_bytes(
        content.replace(b'\\"predicts\\": \\"v\\"', b'\\"predicts\\":\\"x0\\"')
    )
    with pytest.raises(ValueError, match="m is damaged: the SHA-256"):
        load_model(tmp_path / "m")


def test_a_file_from_before_there_were_fingerprints(kept, tmp_path):
    again = load_model(rewrite(kept, tmp_path / "old"))
    want = load_model(kept).network.state_dict()
    assert all(torch.equal(w, want[name]) for name, w in again.network.state_dict().items())


def nested(deep):
    told = {"VAE": {}}
    for _ in range(deep):
        told = {"GreyLevels": {}, "of": told}
    return told


def rewrite(kept, path, change_tensors=None, change_told=None):
    "As the versions before this one wrote it, without a seal: any damage is loaded and looked at."
    tensors, told = disk.read_sealed(kept)
    (change_tensors or (lambda t: None))(tensors)
    told = (change_told or (lambda m: m))(told)
    text = told if isinstance(told, str) else json.dumps(told)
    save_file(tensors, path, {"diffusion_math": text})
    return path


@pytest.mark.parametrize("tensors, metadata, words", [
    (lambda t: t.pop("stem.weight"), None, "cannot build: .*stem.weight"),
    (lambda t: t.pop("schedule.log_snr"), None, "cannot build: 'schedule.log_snr'"),
    (lambda t: t.update(more=torch.zeros(2)), None, "cannot build: .*more"),
    (lambda t: t.update({"stem.bias": torch.zeros(3)}), None, "cannot build: .*stem.bias"),
    (lambda t: t.update({"schedule.log_snr": torch.tensor([1.0, 5.0])}), None, "cannot build"),
    (lambda t: t.pop("schedule.log_alpha"), None, "cannot build: 'schedule.log_alpha'"),
    (lambda t: t["schedule.beta"].fill_(1.5), None, r"cannot build: beta must lie in \[0, 1\], got 1.5 at t = 1"),
    (lambda t: t["schedule.log_alpha"].fill_(math.nan), None, "cannot build: log_alpha must lie in .*, got nan"),
    (lambda t: t.update({"schedule.beta": torch.tensor([0.1])}), None, "cannot build: "),
    (None, lambda m: m | {"network": {"VAE": {}}}, "cannot build: "),
    (None, lambda m: m | {"network": None}, "cannot build: "),
    (None, lambda m: m | {"network": {"UNet": {"width": -3}}}, "cannot build: width must be 1 or more, got -3"),
    (None, lambda m: m | {"network": {"UNet": {"depth": 3}}}, "cannot build: .*depth"),
    (None, lambda m: m | {"predicts": "x3"}, "cannot build: predicts must be one of"),
    (None, lambda m: m | {"variance": [1]}, "cannot build"),
    (None, lambda m: m | {"guidance": 2}, "cannot build: .*guidance"),
    (None, lambda m: {}, "cannot build"),
    (None, lambda m: [1], "holds no model of diffusion_math's"),
    (None, lambda m: None, "holds no model of diffusion_math's"),
    (None, lambda m: "[" * 100_000, "holds no model of diffusion_math's"),
    (None, lambda m: "{\"network\":" * 50_000, "holds no model of diffusion_math's"),
    (None, lambda m: m | {"network": {"class": "os:system", "config": {}}}, "holds a network of os:system"),
    (None, lambda m: m | {"network": nested(900)}, "cannot build"),
])  # fmt: skip
def test_another_models_file(kept, tmp_path, tensors, metadata, words):
    with pytest.raises(ValueError, match=rf"(?s)odd.safetensors.*{words}"):
        load_model(rewrite(kept, tmp_path / "odd.safetensors", tensors, metadata))


@pytest.mark.parametrize("content", [b"", b"x", b"GIF89a" + bytes(50), b"\x89PNG\r\n\x1a\n" + bytes(90), b"{}" * 40,
                                     (2).to_bytes(8, "little") + b"{}", b"\xff" * 64])  # fmt: skip
def test_something_else(tmp_path, content):
    path = tmp_path / "seven.gif"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="seven.gif holds no model of diffusion_math's"):
        load_model(path)


def test_weights_of_somebody_else(tmp_path):
    save_file({"w": torch.zeros(3)}, tmp_path / "w.safetensors", {"format": "pt"})
    with pytest.raises(
        ValueError,
        match=r"w.safetensors holds no model of diffusion_math's \(save_model writes one\)",
    ):
        load_model(tmp_path / "w.safetensors")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_model(tmp_path / "nowhere")


# ---- writes that fail


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_leaves_the_old_file(kept, tmp_path, monkeypatch):
    path = Path(shutil.copy(kept, tmp_path / "m.safetensors"))
    monkeypatch.setattr(writing, "open", lambda path, mode: open("/dev/full", mode), raising=False)
    with pytest.raises(OSError) as caught:
        save_model(model(classes=3), path)
    assert caught.value.errno == errno.ENOSPC and path.read_bytes() == kept.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]


@pytest.fixture
def told(monkeypatch):
    "What the system was told, in order: (which file or folder, how large) that went to the disk, and 'named'."
    events, sync, rename, replace = [], os.fsync, os.rename, os.replace

    def synced(number):
        about = os.fstat(number)
        events.append((about.st_ino, about.st_size))
        sync(number)

    def named(how):
        return lambda *paths: (events.append("named"), how(*paths))

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", named(rename))
    monkeypatch.setattr(os, "replace", named(replace))
    return events


def whole(path):
    about = path.stat()
    return about.st_ino, about.st_size


@pytest.mark.skipif(os.name != "posix", reason="a folder goes to the disk by itself elsewhere")
def test_a_model_is_on_the_disk_before_it_has_its_name(told, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(model(), path)
    assert told[:2] == [whole(path), "named"] and [inode for inode, _ in told[2:]] == [
        tmp_path.stat().st_ino
    ]


def test_an_interrupted_write_leaves_the_old_file(kept, tmp_path, monkeypatch):
    path = Path(shutil.copy(kept, tmp_path / "m.safetensors"))

    def interrupted(aside, content):
        aside.write_bytes(content[:1000])
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "write_through", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_model(model(classes=3), path)
    assert path.read_bytes() == kept.read_bytes() and [
        file.name for file in tmp_path.iterdir()
    ] == ["m.safetensors"]


# ---- what it refuses


@pytest.mark.bad_input
@pytest.mark.parametrize("make, error, words", [
    (lambda: "p", TypeError, "p must be a DDPM, got str"),
    (lambda: DDPM(nn.Conv2d(1, 1, 1), ForwardProcess(linear_schedule(9))), TypeError,
     "save_model keeps a UNet, .*, or your own network with config=, what builds it again, got Conv2d without"),
    (lambda: DDPM(GreyLevels(nn.Conv2d(1, 10, 1)), ForwardProcess(linear_schedule(9))), TypeError, "got Conv2d"),
    (lambda: DDPM(model().network, ForwardProcess(linear_schedule(9)), variance=lambda t: 0.1), TypeError,
     "save_model keeps a variance by its name, got a function"),
])  # fmt: skip
def test_refuses_what_it_cannot_keep(tmp_path, make, error, words):
    with pytest.raises(error, match=words):
        save_model(make(), tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.bad_input
@pytest.mark.parametrize("config", [{1, 2}, {"w": torch.ones(1)}, {"w": math.nan}, "width"])
def test_a_config_that_json_cannot_hold(tmp_path, config):
    p = DDPM(Own(), ForwardProcess(linear_schedule(9)), (2,))
    with pytest.raises(TypeError, match="config must be a dict"):
        save_model(p, tmp_path / "m", config=config)
    assert not list(tmp_path.iterdir())


class Own(nn.Module):
    "Somebody's network: BatchNorm counts its batches in whole numbers."

    def __init__(self, width=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))

    def forward(self, x, log_snr):
        return self.layers(torch.cat([x, torch.atan(log_snr)[:, None]], 1))


@pytest.mark.parametrize(
    "how", [Own, "tests.training.test_checkpoint:Own", lambda width: Own(width)]
)
def test_somebodys_own_network(tmp_path, how):
    torch.manual_seed(0)
    p = DDPM(Own(7), ForwardProcess(cosine_schedule(9)), (2,), "v")
    p.network(torch.randn(20, 2), torch.zeros(20))
    save_model(p, tmp_path / "m", config={"width": 7})
    again = load_model(tmp_path / "m", network=how)
    assert isinstance(again.network, Own) and not again.network.training
    for name, w in p.network.state_dict().items():
        assert torch.equal(w, again.network.state_dict()[name])
    with pytest.raises(
        ValueError, match=r"holds a network of tests.*:Own.*load_model\(path, network="
    ):
        load_model(tmp_path / "m")
    with pytest.raises(ValueError, match="cannot build: .*missing|size mismatch"):
        load_model(tmp_path / "m", network=lambda width: Own(width + 1))
    with pytest.raises(ValueError, match="cannot build: what network"):
        load_model(tmp_path / "m", network=lambda width: width)


@pytest.mark.bad_input
@pytest.mark.parametrize("network, error", [
    ("nowhere:Own", ValueError), ("", ValueError), (3, TypeError), ("tests.runs:No", ValueError)])  # fmt: skip
def test_what_builds_no_network(kept, network, error):
    with pytest.raises(error, match="network must be a"):
        load_model(kept, network=network)


def test_its_own_config_is_an_attribute(tmp_path):
    network = Own(5)
    network.config = {"width": 5}
    save_model(DDPM(network, ForwardProcess(cosine_schedule(9)), (2,), "v"), tmp_path / "m")
    assert load_model(tmp_path / "m", network=Own).network.layers[0].out_features == 5


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "dtype", [torch.int8, torch.bool, torch.complex64, torch.float8_e5m2, "float16", 16]
)
def test_a_dtype_that_holds_no_fractions(tmp_path, dtype):
    with pytest.raises(TypeError, match="dtype must be one of torch.float16, .*, or None, got "):
        save_model(model(), tmp_path / "m", dtype)
    assert not list(tmp_path.iterdir())


def test_weights_too_large_for_the_dtype(tmp_path):
    p = model()
    with torch.no_grad():
        p.network.stem.bias[1] = 1e5
    with pytest.raises(
        ValueError,
        match="dtype torch.float16 cannot hold stem.bias, whose largest number is 100000",
    ):
        save_model(p, tmp_path / "m", torch.float16)
    save_model(p, tmp_path / "m", torch.bfloat16)


# ---- what ships


def test_an_unknown_name():
    with pytest.raises(ValueError, match="name must be one of .*, got 'ddpm_cats'"):
        load_pretrained("ddpm_cats")


SHIPPED = ["ddpm_mnist", "ddpm_mnist_bits"]


def test_what_ships_is_two_models_and_their_card_and_a_judge():
    found = sorted(path.stem for path in ASSETS.glob("*.safetensors"))
    assert found == [*SHIPPED, "digit_judge"] and disk.pretrained_names() == SHIPPED
    card = (ASSETS / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in card for name in SHIPPED)


@pytest.mark.parametrize("name, power", [("ddpm_mnist", 1), ("ddpm_mnist_bits", 0)])
@pytest.mark.long
def test_bits_per_dim_of_a_hundred_test_digits_are_the_card_s(name, power):
    "Terms are drawn in shares of t^-power, near what each is worth: the mean is the same, its error smaller."
    card = (ASSETS / "MODEL_CARD.md").read_text(encoding="utf-8")
    (row,) = (
        line
        for line in card.splitlines()
        if line.startswith("| bits/dim on the 10,000 test digits")
    )
    told = [float(cell) for cell in re.findall(r"\*\*(\d\.\d{3})\*\*", row)]
    p, n, shares = load_pretrained(name), 100, torch.arange(2, 1001.0) ** -power
    got = elbo_estimate(
        p.q, p, digits("test")[:n], 16, "both", shares, decoder=p.decode
    ).bits_per_dim
    stderr = got.std() / n**0.5
    assert stderr < 0.05 and abs(got.mean() - told[SHIPPED.index(name)]) < 5 * stderr


@pytest.mark.parametrize("name", SHIPPED)
def test_each_model_that_ships(name):
    p = load_pretrained(name)
    assert p.event_shape == (1, 28, 28) and p.T == 1000 and p.images and not p.network.training
    assert (ASSETS / f"{name}.safetensors").stat().st_size <= 2.5e6
    disk.read_sealed(ASSETS / f"{name}.safetensors", sealed=True)
    x = p.respace(4).sample(2, torch.Generator().manual_seed(0))
    assert x.shape == (2, 1, 28, 28) and bool(x.isfinite().all())
    assert all(
        w.dtype == torch.float32 and bool(w.isfinite().all())
        for w in p.network.state_dict().values()
    )


def test_reading_a_model_draws_nothing_from_the_global_generator(tmp_path):
    "A network is built with random weights before it gets those of the file: the next draw is still the seed's."
    p = DDPM(UNet(width=8), ForwardProcess(linear_schedule(10)), (1, 8, 8))
    save_model(p, tmp_path / "p.safetensors")
    reads = [lambda: load_model(tmp_path / "p.safetensors")]
    reads += [lambda name=name: load_pretrained(name) for name in disk.pretrained_names()]
    for read in reads:
        torch.manual_seed(3)
        want = torch.rand(5)
        torch.manual_seed(3)
        read()
        assert torch.equal(torch.rand(5), want)
