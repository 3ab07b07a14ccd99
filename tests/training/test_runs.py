"""A run goes on: to the bit through every kind of stop, from no damaged checkpoint, and not from another run's."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from diffusion_math import DDPM, ForwardProcess, UNet, cosine_schedule, files, fit, linear_schedule
from diffusion_math.laws.levels import GreyLevels
from diffusion_math.training.checkpoint import read_sealed, write_sealed
from tests.forks import holder, killed, ran
from tests.runs import SHORT, Stop, alone, digest, kill, model, points, same, stop_at, weights

# ---- going on


def keeps(name):
    "A network, data and settings of each kind."
    if name == "pictures":
        torch.manual_seed(0)
        network = UNet(1, width=8, classes=3).to(memory_format=torch.channels_last)
        x = torch.rand(40, 1, 6, 5, generator=torch.Generator().manual_seed(1)) * 2 - 1
        p = DDPM(network, ForwardProcess(cosine_schedule(20)), (1, 6, 5), "v")
        return p, x, dict(labels=torch.arange(40) % 3, drop=0.5)
    if name == "dropout":
        return model(dropout=0.4), points(), {}
    if name == "frozen":
        p = model(
            classes=4
        )  # the embedding's rows are not all asked for, and one weight has no gradient at all
        p.network.unused = nn.Parameter(torch.ones(3))
        p.network.rest[1].weight.requires_grad_(False)
        return p, points(), {}
    if name == "tied":
        p = model()
        p.network.rest[1].weight = nn.Parameter(torch.eye(16))
        p.network.again = p.network.rest[1]
        return p, points(), dict(weight_decay=0.1)
    return model(), points(), dict(ema=0.9, accumulate=2)


@pytest.mark.parametrize("name", ["points", "pictures", "dropout", "frozen", "tied"])
@pytest.mark.parametrize("stop", [5, 8])
def test_resumes_to_the_bit(tmp_path, name, stop):
    p, data, own = keeps(name)
    straight = fit(p, data, **own, **SHORT)
    p, data, own = keeps(name)
    with pytest.raises(Stop):
        fit(p, data, folder=tmp_path, every=4, callback=stop_at(stop), log_every=1, **own, **SHORT)
    p, data, own = keeps(name)
    resumed = fit(p, data, folder=tmp_path, every=4, resume=True, **own, **SHORT)
    assert digest(resumed) == digest(straight) and same(weights(p), weights(straight.p))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-00000008.safetensors",
        "step-00000012.safetensors",
    ]
    again = fit(
        p, data, folder=tmp_path, resume=True, **own, **SHORT
    )  # there is nothing left to do
    assert digest(again) == digest(straight) and again.step == 12


def test_survives_kill_9_at_any_moment(tmp_path):
    "In each piece of a write, around each rename and in each removal; then at random; always to the same bits."
    done = ran(lambda: kill(tmp_path), env=alone())
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    (steps, halves), steps_random = report["every"], report["random"]
    assert len(steps) > 30 and halves > 15 and steps == sorted(steps) and steps[-1] > 50
    assert steps_random == sorted(steps_random) and steps_random[0] < 120 and steps_random[-1] > 0
    assert report["every_digest"] == report["random_digest"] == report["none_digest"]


def flip(path, at=0.7):
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 1
    path.write_bytes(content)


def resealed(path, change):
    "The file with its tensors or what is told of them changed, and a seal that fits."
    tensors, told = read_sealed(path)
    change(tensors, told)
    write_sealed(path, tensors, told)


DAMAGE = {
    "cut short": lambda c: os.truncate(c, 500),
    "empty": lambda c: c.write_bytes(b""),
    "one bit of the weights": lambda c: flip(c, 0.5),
    "one bit of the end": lambda c: flip(c, 0.999),
    "one bit of the header": lambda c: flip(c, 0.02),
    "half": lambda c: os.truncate(c, c.stat().st_size // 2),
    "no text": lambda c: c.write_bytes(b"\xff\xfe\x00"),
    "a picture": lambda c: c.write_bytes(b"\x89PNG\r\n" + bytes(3000)),
    "without a seal": lambda c: save_file(
        {"weights/a": torch.ones(2)}, c, {"diffusion_math": "{}"}
    ),
    "deeply nested": lambda c: save_file({"a": torch.ones(2)}, c, {"diffusion_math": "[" * 10**5}),
    "a list": lambda c: save_file({"a": torch.ones(2)}, c, {"diffusion_math": "[1, 2]"}),
    "a part is gone": lambda c: resealed(
        c, lambda t, _: [t.pop(k) for k in [*t] if k.startswith("average/")]
    ),
    "no step": lambda c: resealed(c, lambda _, told: told.pop("step")),
}


@pytest.fixture(scope="module")
def straight():
    return digest(fit(model(), points(), **SHORT))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    "A run that was stopped after its checkpoints of steps 4 and 8."
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(Stop):
        fit(model(), points(), folder=folder, every=4, callback=stop_at(9), log_every=1, **SHORT)
    return folder


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_checkpoint_is_told_and_the_one_before_is_there(tmp_path, stopped, straight, how):
    folder = shutil.copytree(stopped, tmp_path / "run")
    newest = folder / "step-00000008.safetensors"
    DAMAGE[how](newest)
    p = model()
    before = weights(p)
    words = r"step-00000008.safetensors is no checkpoint that fit can go on from: .*; the one before it, step-00000004.s.* is there"
    with pytest.raises(ValueError, match=words):
        fit(p, points(), folder=folder, resume=True, **SHORT)
    assert same(weights(p), before)
    newest.unlink()
    assert digest(fit(p, points(), folder=folder, every=4, resume=True, **SHORT)) == straight


def test_other_things_in_the_folder_do_no_harm(tmp_path, stopped, straight):
    folder = shutil.copytree(stopped, tmp_path / "run")
    for name in ("step-by-step", "step-00000099.safetensors", "step-00000009.old"):
        (folder / name).mkdir()
    (folder / "step-x.safetensors").write_text("a file")
    assert digest(fit(model(), points(), folder=folder, every=4, resume=True, **SHORT)) == straight


@pytest.mark.parametrize("change, words", [
    (dict(lr=0.1), r"a run with lr = 0.002, got 0.1: to go on with it, give the same"),
    (dict(seed=1), "a run with seed = 0, got 1"),
    (dict(steps=7), "holds a run of 8 steps already: steps must be as many or more, got 7"),
    (dict(optimizer=torch.optim.SGD), "a run with optimizer = NoneType, got SGD"),
    (dict(batch=8), "a run with batch = 16, got 8"),
    (dict(loss="elbo"), "a run with loss = simple, got elbo"),
    (dict(data=points(300, seed=1)), "a run with other data or labels"),
    (dict(data=points().double()), "a run with other data or labels"),
    (dict(labels=torch.zeros(300, dtype=torch.long), drop=0.0), "a run with drop = 0.1, got 0.0|other data or labels"),
    (dict(p=model(width=8)), r"a run of another network, which differs in first.bias, first.weight"),
    (dict(p=model(classes=2)), r"a run of another network, which differs in label.weight"),
])  # fmt: skip
def test_another_run_is_not_gone_on_with(stopped, change, words):
    change = dict(change)
    p, data = change.pop("p", None) or model(), change.pop("data", points())
    before, there = weights(p), sorted(stopped.rglob("*"))
    with pytest.raises(ValueError, match=words):
        fit(p, data, folder=stopped, resume=True, **SHORT | change)
    assert same(weights(p), before) and sorted(stopped.rglob("*")) == there


@pytest.mark.parametrize("change, words", [
    (dict(predicts="x0"), "a run with predicts = eps, got x0: to go on with it, give the same"),
    (dict(variance="beta"), "a run with variance = posterior, got beta"),
    (dict(variance=lambda t: 0.1), "a run with variance = posterior, got function"),
    (dict(images=True), "a run with images = False, got True"),
    (dict(q=ForwardProcess(cosine_schedule(21))), "a run with another schedule: to go on with it, give the same"),
    (dict(q=ForwardProcess(linear_schedule(20))), "a run with another schedule"),
])  # fmt: skip
def test_another_process_does_not_go_on(tmp_path, change, words):
    def process(change):
        p = model()
        return DDPM(
            p.network,
            **dict(q=ForwardProcess(cosine_schedule(20)), event_shape=(2,), predicts="eps")
            | change,
        )

    fit(process({}), points(), folder=tmp_path, **SHORT)
    p, there = process(change), sorted(tmp_path.rglob("*"))
    before = weights(p)
    with pytest.raises(ValueError, match=words):
        fit(p, points(), folder=tmp_path, resume=True, **SHORT)
    assert same(weights(p), before) and sorted(tmp_path.rglob("*")) == there
    assert fit(process({}), points(), folder=tmp_path, resume=True, **SHORT).step == 12


def test_a_folder_that_holds_a_run(stopped, tmp_path):
    with pytest.raises(
        ValueError,
        match="holds a run already: resume=True goes on with it, or choose another folder",
    ):
        fit(model(), points(), folder=stopped, **SHORT)
    with pytest.raises(
        ValueError, match="resume=True needs the folder of the run, got folder=None"
    ):
        fit(model(), points(), resume=True, **SHORT)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):  # before the first step, not at the first checkpoint
        fit(
            model(),
            points(),
            folder=tmp_path / "file",
            loss=lambda *a, **k: pytest.fail("it ran"),
            **SHORT,
        )
    assert (
        fit(model(), points(), folder=str(tmp_path / "a" / "b"), resume=True, **SHORT).step == 12
    )  # a new one


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_stops_the_run_and_spoils_nothing(tmp_path, monkeypatch, straight):
    "The kernel's own error, at the third checkpoint; the run goes on from the second once there is room."
    p, opened = model(), []

    def nearly_full(path, mode):
        opened.append(path)
        return open("/dev/full" if len(opened) == 3 else path, mode)

    with monkeypatch.context() as patch:
        patch.setattr(files, "open", nearly_full, raising=False)
        with pytest.raises(
            OSError, match="checkpoint of step 9 could not be written .* before it are as"
        ) as caught:
            fit(p, points(), folder=tmp_path, every=3, **SHORT)
    assert caught.value.errno == errno.ENOSPC
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-00000003.safetensors",
        "step-00000006.safetensors",
    ]
    assert not same(weights(p), weights(model()))
    assert (
        digest(fit(model(), points(), folder=tmp_path, every=3, resume=True, **SHORT)) == straight
    )


# ---- two runs, one folder


@pytest.mark.skipif(os.name != "posix", reason="nothing is locked elsewhere")
def test_a_folder_that_another_run_writes_to(tmp_path, straight):
    process = holder(tmp_path / ".fit.lock", 100)
    words = "folder: another run writes to .* now; wait for its end, or choose another folder"
    with pytest.raises(ValueError, match=words):
        fit(model(), points(), folder=tmp_path, **SHORT)
    assert os.listdir(tmp_path) == [".fit.lock"]
    killed(process)
    assert digest(fit(model(), points(), folder=tmp_path, **SHORT)) == straight
    assert sorted(os.listdir(tmp_path)) == ["step-00000012.safetensors"]


def pictured(heads=2, levels=None, **kind):
    torch.manual_seed(0)
    network = UNet(1, None if levels is None else 10, width=8, mults=[1], heads=heads, **kind)
    network = network if levels is None else GreyLevels(network, levels)
    return DDPM(network, ForwardProcess(cosine_schedule(9)), (1, 4, 4), "x0")


@pytest.mark.parametrize(
    "first, change, words",
    [
        ({}, dict(precision="bf16"), "a run with precision = no, got bf16"),
        ({}, dict(p=pictured(heads=4)), 'a run with network = .*"heads": 2.*, got .*"heads": 4'),
        ({}, dict(p=pictured().to(torch.float64)), "a run with weights = float32, got float64"),
        (dict(levels=256), dict(p=pictured(levels=16)), '"levels": 256.*, got .*"levels": 16'),
    ],
)
def test_another_precision_or_other_heads_do_not_go_on(tmp_path, first, change, words):
    "The weights of all of them have the same shapes."
    x = torch.zeros(20, 1, 4, 4)
    fit(pictured(**first), x, folder=tmp_path, **SHORT)
    with pytest.raises(ValueError, match=words):
        fit(
            change.pop("p", None) or pictured(**first),
            x,
            folder=tmp_path,
            resume=True,
            **SHORT | change,
        )
    assert fit(pictured(**first), x, folder=tmp_path, resume=True, **SHORT).step == 12
