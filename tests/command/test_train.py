"""diffusion-math train: what it writes and prints, and what it says when something is wrong.

Most tests call `main` in this process; what a shell sees (Ctrl-C, the exit status) runs in one of its own.
"""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_math import linear_schedule, load_model
from diffusion_math.command.main import main
from diffusion_math.training import fit as training
from tests.command.shell import COMMAND
from tests.command.small import SMALL, shades, told
from tests.forks import forked, killed
from tests.lab import environment


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_model(run / "model.safetensors").network.state_dict()


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_leaves_what_it_says(run, photos):
    assert {path.name for path in run.iterdir()} == {
        "settings.json",
        "model.safetensors",
        "samples.png",
        "step-00000008.safetensors",
        "step-00000012.safetensors",
    }
    p = load_model(run / "model.safetensors")
    assert (
        p.event_shape == (3, 8, 8)
        and p.images
        and p.predicts == "v"
        and p.T == 20
        and p.network.classes == 2
    )
    settings = json.loads((run / "settings.json").read_text())
    assert settings["classes"] == ["day", "night"] and settings["options"]["data"] == str(photos)
    assert (
        settings["options"] | {"steps": 12, "width": 4, "size": [8, 8], "channels": 3}
        == settings["options"]
    )
    assert (
        Image.open(run / "samples.png").size == (8 * 10 + 2, 2 * 10 + 2)[::-1]
    )  # a column for each class


def test_what_train_says(tmp_path, photos, capsys):
    out = tmp_path / "run"
    loud = [word for word in SMALL if word != "--quiet"]
    assert (
        main(
            [
                "train",
                "--data",
                str(photos),
                "--out",
                str(out),
                "--steps",
                "2",
                "--no-classes",
                *loud,
            ]
        )
        == 0
    )
    said, err = capsys.readouterr()
    assert (
        "12 pictures of 3 x 8 x 8; a network of " in said
        and "model.safetensors" in said
        and "samples.png" in said
    )
    assert (
        f"skipped {photos / 'day' / 'torn.png'}: " in err
        and "step 2 of 2: loss" in err
        and "images/s" in err
    )
    assert load_model(out / "model.safetensors").network.classes is None


@pytest.mark.parametrize(
    "options, check",
    [
        (
            "--predicts eps --schedule linear --variance beta --loss elbo --size 5x6 --channels 1",
            lambda p: (
                p.predicts == "eps"
                and p.variance == "beta"
                and p.event_shape == (1, 5, 6)
                and (p.q.schedule.log_snr - linear_schedule(20).log_snr)[1:].abs().max() < 1e-9
            ),
        ),
        (
            "--loss flow --size 5 --channels 1",
            lambda p: p.predicts == "v" and p.event_shape == (1, 5, 5),
        ),
        (
            "--levels --schedule log_snr --loss elbo --width 6 --accumulate 2 --precision bf16",
            lambda p: (
                p.predicts == "x0"
                and type(p.network).__name__ == "GreyLevels"
                and p.q.schedule.log_snr[[1, 20]].sub(torch.tensor([14.5, -7.0])).abs().max() < 1e-9
                and p.network.network.config["width"] == 6
                and p.network.network.config["heads"] == 2
            ),
        ),
        (
            "--patch 4 --blocks 2",
            lambda p: p.network.config["patch"] == 4 and len(p.network.up) == 0,
        ),
        (
            "--mults 1 2 --blocks 2 --recompute",
            lambda p: p.network.config["mults"] == [1, 2] and len(p.network.up[0]) == 2,
        ),
    ],
)
def test_the_options_reach_the_model(tmp_path, photos, options, check):
    argv = [
        "train",
        "--data",
        str(photos),
        "--out",
        str(tmp_path / "run"),
        "--steps",
        "2",
        *SMALL,
        *options.split(),
    ]
    assert main(argv) == 0
    assert check(load_model(tmp_path / "run" / "model.safetensors"))


def test_a_transformer(tmp_path, photos, capsys):
    small = "--network dit --width 8 --T 20 --batch 8 --every 2 --quiet --steps 4".split()
    argv = ["train", "--data", str(photos), "--out", str(tmp_path / "run"), *small]
    assert main([*argv, "--patch", "2", "--recompute", "--levels"]) == 0
    config = load_model(tmp_path / "run" / "model.safetensors").network.network.config
    assert (config["width"], config["patch"], config["depth"], config["heads"]) == (8, 2, 4, 4)
    resume = ["train", "--out", str(tmp_path / "run"), "--resume", "--quiet", "--steps", "6"]
    assert main(resume) == 0 and main([*resume, "--network", "unet"]) == 1
    assert re.search("argument --network: the run in .* has dit, got unet", capsys.readouterr().err)
    for given, words in (
        (["--mults", "1"], "argument --mults: a dit has none; leave it out"),
        (
            ["--width", "10"],
            "argument --width: width must be a multiple of 4 and of heads, 2, got 10",
        ),
    ):
        assert main([*argv[:-1], "4", "--out", str(tmp_path / "other"), *given]) == 1
        assert words in capsys.readouterr().err
    assert main([*resume[:2], str(tmp_path / "o"), "--data", str(photos), "--depth", "2"]) == 1
    assert "argument --depth: a unet has none; leave it out" in capsys.readouterr().err


def test_npz_in_and_the_digits_too(tmp_path):
    np.savez(tmp_path / "mine.npz", images=shades(9, 0, 256)[..., 0], labels=np.arange(9) % 3 * 10)
    argv = ["train", "--steps", "1", *SMALL]
    assert main([*argv, "--data", str(tmp_path / "mine.npz"), "--out", str(tmp_path / "a")]) == 0
    assert json.loads((tmp_path / "a" / "settings.json").read_text())["classes"] == [
        "0",
        "10",
        "20",
    ]
    assert main([*argv, "--data", "digits", "--size", "6", "--out", str(tmp_path / "b")]) == 0
    assert load_model(tmp_path / "b" / "model.safetensors").event_shape == (1, 6, 6)


def test_a_stopped_run_goes_on_to_the_bit(run, photos, tmp_path, monkeypatch, capsys):
    out, save = tmp_path / "a run", training.save_checkpoint

    def interrupted(folder, step, parts, state):
        save(folder, step, parts, state)
        if step == 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "save_checkpoint", interrupted)
        assert (
            main(["train", "--data", str(photos), "--out", str(out), "--steps", "12", *SMALL])
            == 130
        )
    last = capsys.readouterr().err.splitlines()[-1]
    assert (
        last
        == f"diffusion-math: stopped; to go on from step 8: diffusion-math train --out '{out}' --resume"
    )
    assert not (out / "model.safetensors").exists()
    before = (out / "settings.json").read_bytes()
    assert main(["train", "--out", str(out), "--resume", "--quiet"]) == 0
    assert same(weights(out), weights(run)) and (out / "settings.json").read_bytes() == before
    assert (
        main(["train", "--out", str(out), "--resume", "--quiet", "--width", "4"]) == 0
    )  # nothing is left to do
    assert same(weights(out), weights(run))


def test_a_resumed_run_is_the_same_run(run, photos, tmp_path, capsys):
    for option, words in [
        ("--width 8", "argument --width: the run in .* has 4, got 8"),
        ("--predicts x0", "argument --predicts: .* has v, got x0"),
        ("--seed 1", "argument --seed"),
    ]:
        assert main(["train", "--out", str(run), "--resume", *option.split()]) == 1
        assert re.search(words, told(capsys))
    assert main(["train", "--out", str(run), "--data", str(photos)]) == 1
    assert (
        "argument --out" in (said := told(capsys))
        and "holds a run already; --resume goes on with it" in said
    )
    (tmp_path / "settings.json").write_text("{")
    assert main(["train", "--out", str(tmp_path), "--resume"]) == 1
    assert "settings.json is damaged" in told(capsys)


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_a_finished_model_without_checkpoints_stays(run, photos, tmp_path, resume, capsys):
    for name in ("settings.json", "model.safetensors"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    argv = ["train", "--data", str(photos), "--out", str(tmp_path), "--steps", "12", *SMALL]
    assert main([*argv, *resume]) == 1
    said = "argument --out: {} holds model.safetensors already, and no checkpoint to go on from; choose another --out"
    assert said.format(tmp_path) in told(capsys)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "name, content, words",
    [
        (
            "samples.png",
            "mine",
            "holds samples.png already, and no checkpoint to go on from; choose another --out",
        ),
        (
            "settings.json",
            '{"editor.fontSize": 12}',
            "holds a settings.json that is no run's; choose another --out",
        ),
    ],
)
def test_train_writes_over_nothing_of_the_reader_s(photos, tmp_path, name, content, words, capsys):
    (tmp_path / name).write_text(content)
    assert (
        main(["train", "--data", str(photos), "--out", str(tmp_path), "--steps", "2", *SMALL]) == 1
    )
    assert "argument --out: " in (said := told(capsys)) and words in said
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == content


def test_a_run_without_a_checkpoint_starts_again(photos, run, tmp_path):
    (tmp_path / "settings.json").write_bytes((run / "settings.json").read_bytes())
    assert (
        main(["train", "--out", str(tmp_path), "--data", str(photos), "--steps", "2", *SMALL]) == 0
    )
    assert json.loads((tmp_path / "settings.json").read_text())["options"]["steps"] == 2


@pytest.mark.long
def test_ctrl_c_in_a_shell(tmp_path):
    np.savez(tmp_path / "mine.npz", images=shades(9, 0, 256))
    listens = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # as from a terminal
    code = f"{listens}; {COMMAND}"
    options = ["--data", "mine.npz", "--out", "run", "--steps", "1000000", *SMALL]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "train", *options],
        cwd=tmp_path,
        text=True,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 600
    while (
        not list(tmp_path.glob("run/step-*"))
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in err
    match = re.search(
        r"stopped; to go on from step (\d+): diffusion-math train --out run --resume$", err.rstrip()
    )
    assert (tmp_path / "run" / f"step-{int(match.group(1)):08d}.safetensors").is_file()


def test_a_loss_that_is_not_finite_is_told(tmp_path, photos, capsys):
    argv = ["train", "--data", str(photos), "--out", str(tmp_path), "--steps", "40", *SMALL]
    assert main([*argv, "--lr", "1e30", "--warmup", "0"]) == 1
    assert re.search(
        "the loss or its gradient at step .* was not finite",
        capsys.readouterr().err.splitlines()[-1],
    )


@pytest.mark.parametrize(
    "name, value, why",
    [
        ("steps", "many", "must be a whole number from 1 to 10000000, got many"),
        ("steps", str(10**9), "must be a whole number from 1 to 10000000, got 1000000000"),
        ("steps", None, ""),
        ("T", 10**9, "must be a whole number from 2 to 1000000"),
        ("width", 10**9, ""),
        ("mults", 3, "a list was expected"),
        ("mults", ["a"], ""),
        ("size", 8, r"it would be read as \[8, 8\]"),
        ("size", [8], ""),
        ("schedule", "x", "it must be one of cosine, linear, log_snr"),
        ("data", 3, ""),
        ("data", ["a"], ""),
        ("root", 3, ""),
        ("accumulate", 0, ""),
        ("every", None, ""),
        ("levels", "no", "true or false was expected"),
        ("classes", 1, ""),
        ("lr", math.nan, ""),
        ("seed", 1e30, ""),
        ("nonsense", 4, "there is no such option"),
    ],
)
def test_settings_that_nobody_could_have_given(run, tmp_path, name, value, why, capsys):
    settings = json.loads((run / "settings.json").read_text())
    settings["options"][name] = value
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert main(["train", "--out", str(tmp_path), "--resume"]) == 1
    words = (
        rf"settings.json is damaged: its {name} is .*{why}.*; put it right, or choose another --out"
    )
    assert re.search(words, told(capsys)) and os.listdir(tmp_path) == ["settings.json"]


def test_settings_of_an_older_version(run, tmp_path):
    "They hold `version`, which is no option of train's."
    settings = json.loads((run / "settings.json").read_text())
    assert "version" not in settings["options"]
    settings["options"]["version"] = None
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert main(["train", "--out", str(tmp_path), "--resume", "--quiet"]) == 0
    assert same(weights(tmp_path), weights(run))


def test_nothing_to_resume(tmp_path, capsys):
    assert main(["train", "--out", str(tmp_path / "none"), "--resume"]) == 1
    assert "argument --resume: " in (said := told(capsys)) and "holds no run to go on with" in said


@pytest.mark.skipif(os.name != "posix", reason="nothing is locked elsewhere")
def test_a_run_while_another_writes_to_its_folder(tmp_path, photos, capsys):
    out = tmp_path / "run"
    argv = ["train", "--data", str(photos), "--out", str(out), *SMALL]
    first = forked(lambda: main([*argv, "--steps", "1000000"]))
    try:
        deadline = time.monotonic() + 600
        while not (out / "settings.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        before = (out / "settings.json").read_bytes()
        assert main([*argv, "--steps", "2"]) == 1
        said = capsys.readouterr().err.splitlines()[-1]
        assert "argument --out: " in said and (
            "another run writes to" in said or "holds a run" in said
        )
        assert main([*argv, "--steps", "1000000", "--resume"]) == 1
        assert "argument --out: another run writes to" in capsys.readouterr().err.splitlines()[-1]
        assert (out / "settings.json").read_bytes() == before
    finally:
        killed(first)


@pytest.mark.bad_input
@pytest.mark.parametrize("missing", ["torchvision", "PIL"])
def test_what_is_not_installed_is_told_before_anything_begins(
    missing, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, missing, None)
    lacks = rf"needs {missing}, which this installation lacks: pip install .diffusion_math\[cli\]"
    assert main(["train", "--data", "digits", "--out", str(tmp_path / "run"), *SMALL]) == 1
    assert re.search(lacks, told(capsys)) and not list(tmp_path.iterdir())
    assert main(["sample", "--n", "1", "--steps", "2", "--out", str(tmp_path / "a.png")]) == 1
    assert re.search(lacks, told(capsys)) and not list(tmp_path.iterdir())
    assert main(["sample", "--n", "1", "--steps", "2", "--out", str(tmp_path / "a.npz")]) == 0


def test_ctrl_c_keeps_the_step_that_it_was_in(run, photos, tmp_path, monkeypatch, capsys):
    "Between two checkpoints."
    out, step = tmp_path / "run", training._update

    def interrupted(*args):
        calls.append(0)
        if len(calls) == 6:
            signal.raise_signal(signal.SIGINT)
        step(*args)

    calls = []
    argv = ["train", "--data", str(photos), "--out", str(out), "--steps", "12", *SMALL]
    with monkeypatch.context() as patch:
        patch.setattr(training, "_update", interrupted)
        assert main(argv) == 130
    assert "stopped; to go on from step 6: diffusion-math train" in capsys.readouterr().err
    assert main(["train", "--out", str(out), "--resume", "--quiet"]) == 0
    assert same(weights(out), weights(run))
