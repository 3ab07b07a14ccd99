"""diffusion-math train, sample and evaluate: what they write and print, and what they say when something is wrong.

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

from diffusion_math import (
    DDPM,
    ForwardProcess,
    Schedule,
    UNet,
    cosine_schedule,
    elbo,
    linear_schedule,
    load_model,
    load_pictures,
    save_model,
)
from diffusion_math import training as training_module
from diffusion_math.command.main import main
from diffusion_math.training.evaluation import _bound_of, _groups, _with_steps
from tests.lab import environment

SMALL = "--width 4 --mults 1 --T 20 --batch 8 --every 4 --quiet".split()


def call(*args: str, cwd: Path, **more) -> subprocess.CompletedProcess:
    code = "import sys; from diffusion_math.command.main import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=cwd,
        env=environment(cwd),
        timeout=120,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        **more,
    )


def shades(n: int, low: int, high: int) -> np.ndarray:
    rng = np.random.RandomState(low)
    return rng.randint(low, high, (n, 8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    "A folder with two classes of small pictures in colour, one of them broken."
    folder = tmp_path_factory.mktemp("photos")
    for name, low, high in (("day", 128, 256), ("night", 0, 128)):
        (folder / name).mkdir()
        for i, array in enumerate(shades(6, low, high)):
            Image.fromarray(array).save(folder / name / f"{i}.png")
    (folder / "day" / "torn.png").write_bytes(b"\x89PNG")
    return folder


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    "A finished run on them."
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main(["train", "--data", str(photos), "--out", str(out), "--steps", "12", *SMALL]) == 0
    return out


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_model(run / "model.safetensors").network.state_dict()


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def told(capsys) -> str:
    "The one line on the error output."
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 1 and "Traceback" not in err and not out, err
    return err


# ---------------------------------------------------------------- train


def test_a_run_leaves_what_it_says(run, photos):
    assert {path.name for path in run.iterdir()} == {
        "settings.json",
        "model.safetensors",
        "samples.png",
        "step-00000008",
        "step-00000012",
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
            "--levels --schedule log_snr --loss elbo --width 6 --accumulate 2 --precision bf16",
            lambda p: (
                p.predicts == "x0"
                and type(p.network).__name__ == "GreyLevels"
                and p.q.schedule.log_snr[[1, 20]].sub(torch.tensor([14.5, -7.0])).abs().max() < 1e-9
                and p.network.network.config["width"] == 6
                and p.network.network.config["heads"] == 2
            ),
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
    out, save = tmp_path / "a run", training_module._save_checkpoint

    def interrupted(folder, step, parts, state):
        save(folder, step, parts, state)
        if step == 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training_module, "_save_checkpoint", interrupted)
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


def test_ctrl_c_in_a_shell(tmp_path):
    np.savez(tmp_path / "mine.npz", images=shades(9, 0, 256))
    listens = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # as from a terminal
    code = f"{listens}; import sys; from diffusion_math.command.main import main; sys.exit(main())"
    options = ["--data", "mine.npz", "--out", "run", "--steps", "1000000", *SMALL]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "train", *options],
        cwd=tmp_path,
        text=True,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 100
    while (
        not list(tmp_path.glob("run/step-*"))
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in err
    match = re.search(
        r"stopped; to go on from step (\d+): diffusion-math train --out run --resume$", err.rstrip()
    )
    assert (tmp_path / "run" / f"step-{int(match.group(1)):08d}" / "state.json").is_file()


def test_a_loss_that_is_not_finite_is_told(tmp_path, photos, capsys):
    argv = ["train", "--data", str(photos), "--out", str(tmp_path), "--steps", "40", *SMALL]
    assert main([*argv, "--lr", "1e30", "--warmup", "0"]) == 1
    assert re.search(
        "the loss or its gradient at step .* was not finite",
        capsys.readouterr().err.splitlines()[-1],
    )


# ---------------------------------------------------------------- sample


def test_a_sheet_of_samples(run, tmp_path, capsys):
    assert (
        main(
            [
                "sample",
                "--model",
                str(run),
                "--n",
                "6",
                "--steps",
                "4",
                "--out",
                str(tmp_path / "a.png"),
            ]
        )
        == 0
    )
    assert "6 pictures by 4 steps" in capsys.readouterr().out
    assert Image.open(tmp_path / "a.png").size == (3 * 10 + 2, 2 * 10 + 2)
    assert (
        main(
            [
                "sample",
                "--model",
                str(run),
                "--n",
                "6",
                "--cols",
                "6",
                "--steps",
                "4",
                "--batch",
                "4",
                "--out",
                str(tmp_path / "b.png"),
            ]
        )
        == 0
    )
    assert Image.open(tmp_path / "b.png").size == (6 * 10 + 2, 12)


def test_no_drawing_is_lost_that_nobody_named(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ["sample", "--model", str(run), "--n", "1", "--steps", "2"]
    Path("samples.png").write_text("mine")
    assert main(argv) == 1
    assert "argument --out: samples.png is there already; --out samples.png writes over it" in told(
        capsys
    )
    assert Path("samples.png").read_text() == "mine"
    assert main([*argv, "--out", "samples.png"]) == 0 and Image.open("samples.png").size == (8, 8)
    Path("samples.png").unlink()
    assert main(argv) == 0 and Image.open("samples.png").size == (8, 8)


def test_samples_are_the_models(run, tmp_path):
    "The same seed, the same pictures; and those that p.sample draws."
    file = run / "model.safetensors"
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        argv = [
            "sample",
            "--model",
            str(file),
            "--n",
            "4",
            "--steps",
            "5",
            "--eta",
            "0.5",
            "--seed",
            str(seed),
        ]
        assert main([*argv, "--class", "night", "--out", str(tmp_path / f"{name}.npz")]) == 0
    a, b, c = (load_pictures(tmp_path / f"{name}.npz") for name in "abc")
    assert (
        torch.equal(a.x, b.x)
        and not torch.equal(a.x, c.x)
        and a.labels.tolist() == [0] * 4
        and a.classes == ["1"]
    )
    p = load_model(file).respace(5).given(y=torch.full((4,), 1))
    x = p.sample(4, torch.Generator().manual_seed(3), eta=0.5)
    assert (a.x - x).abs().max() <= 1 / 255 + 1e-6


def test_every_class_in_turn(run, tmp_path):
    argv = [
        "sample",
        "--model",
        str(run),
        "--n",
        "5",
        "--steps",
        "2",
        "--out",
        str(tmp_path / "a.npz"),
    ]
    for more in ([], ["--class", "all"]):
        assert main([*argv, *more]) == 0
        assert load_pictures(tmp_path / "a.npz").labels.tolist() == [0, 1, 0, 1, 0]
    assert main([*argv, "--class", "none"]) == 0
    assert load_pictures(tmp_path / "a.npz").labels is None


def test_a_model_without_its_run_numbers_its_classes(run, tmp_path, capsys):
    (tmp_path / "alone.safetensors").write_bytes((run / "model.safetensors").read_bytes())
    argv = ["sample", "--model", str(tmp_path / "alone.safetensors"), "--steps", "2", "--n", "1"]
    assert main([*argv, "--class", "1", "--out", str(tmp_path / "a.png")]) == 0
    capsys.readouterr()
    assert main([*argv, "--class", "night", "--out", str(tmp_path / "a.png")]) == 1
    assert "argument --class: must be one of 0, 1, or all or none, got night" in told(capsys)


# ---------------------------------------------------------------- evaluate


def blind(T: int = 20) -> DDPM:
    "A network that knows nothing."
    return DDPM(
        lambda x_t, log_snr: 0.1 * x_t, ForwardProcess(linear_schedule(T)), (1, 4, 4), images=True
    )


def pixels(n: int) -> torch.Tensor:
    return (
        torch.randint(0, 256, (n, 1, 4, 4), generator=torch.Generator().manual_seed(5)).float()
        / 127.5
        - 1
    )


@pytest.mark.parametrize("terms", [3, "all"])
def test_the_groups_are_those_of_the_bound(terms):
    p, x0, g = blind(), pixels(1500), torch.Generator().manual_seed(1)
    shares = torch.linspace(2, 1, 19, dtype=torch.float64)
    found = _bound_of(p, x0, terms, shares / shares.sum(), g, lambda: None)
    whole = elbo(p.q, p, x0, p.decode, generator=g)
    groups = [whole.steps[a - 2 : b - 1].sum(0) for a, b in _groups(20)]
    for row, true in zip(found, [whole.prior, *groups, whole.reconstruction], strict=True):
        off = row - true
        assert off.mean().abs() <= 5 * off.std() / len(off) ** 0.5 + 1e-6
    assert found.shape == (4, 1500)


@pytest.mark.parametrize(
    "T, groups",
    [
        (1, []),
        (2, [(2, 2)]),
        (10, [(2, 10)]),
        (11, [(2, 10), (11, 11)]),
        (50, [(2, 10), (11, 50)]),
        (1000, [(2, 10), (11, 100), (101, 1000)]),
        (1001, [(2, 10), (11, 100), (101, 1000), (1001, 1001)]),
    ],
)
def test_every_step_is_in_one_group(T, groups):
    assert _groups(T) == groups


def test_fewer_steps_and_more():
    p = blind()
    assert _with_steps(p, None) is p is _with_steps(p, 20)
    assert torch.equal(_with_steps(p, 5).q.schedule.log_snr, p.respace(5).q.schedule.log_snr)
    for T in (5, 39):
        with pytest.raises(
            ValueError,
            match="argument --T: needs variance='posterior' or 'beta', got a function of t",
        ):
            _with_steps(DDPM(p.network, p.q, p.event_shape, p.predicts, lambda t: 0.1), T)
    finer = _with_steps(p, 39)  # the 20 levels, and one between each two
    assert (
        finer.T == 39
        and (finer.q.schedule.log_snr[1::2] - p.q.schedule.log_snr[1:]).abs().max() < 1e-9
    )
    ends = DDPM(
        UNet(1, width=4), ForwardProcess(Schedule.from_log_snr([3.0, -math.inf])), (1, 4, 4), "v"
    )
    with pytest.raises(ValueError, match="argument --T: must be at most 2 for this model, got 3"):
        _with_steps(ends, 3)


def test_the_table_and_the_json(run, photos, tmp_path, capsys):
    argv = [
        "evaluate",
        "--model",
        str(run),
        "--data",
        str(photos),
        "--split",
        "train",
        "--terms",
        "4",
        "--batch",
        "5",
    ]
    assert main([*argv, "--json", str(tmp_path / "a.json")]) == 0
    out, err = capsys.readouterr()
    report = json.loads((tmp_path / "a.json").read_text())
    nats, bits = report["nats"], report["bits_per_dim"]
    assert "torn.png" in err and (report["images"], report["T"], report["dims"]) == (12, 20, 192)
    parts = (
        nats["prior"]["mean"]
        + sum(step["mean"] for step in nats["steps"])
        + nats["reconstruction"]["mean"]
    )
    assert abs(parts - nats["total"]["mean"]) < 1e-9 * parts
    assert abs(bits["mean"] - parts / (192 * math.log(2))) < 1e-9 and bits["stderr"] > 0
    assert abs(bits["stderr"] * 192 * math.log(2) - nats["total"]["stderr"]) < 1e-9
    lines = out.splitlines()
    assert (
        "12 of 12 pictures" in lines[0] and "T = 20" in lines[0] and lines[2].split()[0] == "term"
    )
    assert [line.split()[0] for line in lines[3:8]] == [
        "prior",
        "steps",
        "steps",
        "reconstruction",
        "total",
    ]
    assert f"{nats['total']['mean']:.2f}" in lines[7] and f"{bits['mean']:.4f}" in lines[7]
    assert (
        len({line.index(cell) + len(cell) for line in lines[3:8] for cell in [line.split()[-4]]})
        == 1
    )  # aligned
    assert main([*argv, "--json", "-"]) == 0
    again, table = capsys.readouterr()
    assert json.loads(again) == report and out.splitlines()[7] in table


def test_an_evaluation_outlives_a_file_that_cannot_be_written(run, photos, tmp_path, capsys):
    argv = [
        "evaluate",
        "--model",
        str(run),
        "--data",
        str(photos),
        "--split",
        "train",
        "--terms",
        "2",
        "--quiet",
    ]
    (tmp_path / "file.txt").write_text("text")
    assert main([*argv, "--json", str(tmp_path / "file.txt" / "a")]) == 1
    out, err = capsys.readouterr()
    assert "bits/dim" in out and "the negative ELBO" in out
    assert "file.txt" in err.splitlines()[-1] and "Traceback" not in err
    with pytest.raises(SystemExit) as stop:
        main([*argv, "--json", str(tmp_path)])
    assert stop.value.code == 2 and f"argument --json: must be a file or -, got {tmp_path}" in told(
        capsys
    )


@pytest.mark.parametrize(
    "options, terms",
    [
        ("--T 10", "all"),
        ("--T 10 --terms 9", "all"),
        ("--T 10 --terms all", "all"),
        ("--T 10 --terms 8", 8),
        ("", "all"),
        ("--T 1", "all"),
        ("--T 40", 20),
    ],
)
def test_how_many_steps_a_picture_really_drew(run, tmp_path, capsys, options, terms):
    np.savez(tmp_path / "two.npz", images=shades(2, 0, 256))
    argv = [
        "evaluate",
        "--model",
        str(run),
        "--data",
        str(tmp_path / "two.npz"),
        "--json",
        "-",
        *options.split(),
    ]
    assert main(argv) == 0
    out, table = capsys.readouterr()
    assert (
        json.loads(out)["terms"] == terms
        and f"; T = {json.loads(out)['T']}, {terms} of the steps a" in table
    )


def test_told_the_class(run, photos, tmp_path, capsys):
    argv = [
        "evaluate",
        "--model",
        str(run),
        "--data",
        str(photos),
        "--terms",
        "all",
        "--json",
        "-",
        "--T",
        "10",
    ]
    found = []
    for more in ([], ["--classes"]):
        assert main([*argv, *more]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert (
        found[0]["nats"]["total"] != found[1]["nats"]["total"]
        and found[1]["classes"]
        and found[1]["T"] == 10
    )
    np.savez(tmp_path / "one.npz", images=shades(1, 0, 256))
    assert (
        main(
            [
                "evaluate",
                "--model",
                str(run),
                "--data",
                str(tmp_path / "one.npz"),
                "--json",
                "-",
                "--T",
                "1",
            ]
        )
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["nats"]["steps"] == [] and report["nats"]["total"]["stderr"] is None
    assert (
        main(["evaluate", "--model", str(run), "--data", str(tmp_path / "one.npz"), "--classes"])
        == 1
    )
    assert "argument --classes: the model's are ['day', 'night'], the data's none" in told(capsys)


def test_no_step_of_the_bound_waits_for_a_device():
    "On the meta device every look at a value raises."
    p = DDPM(
        UNet(1, width=4, mults=(1,)),
        ForwardProcess(cosine_schedule(20)),
        (1, 4, 4),
        "v",
        images=True,
    ).to("meta")
    shares = torch.full((19,), 1 / 19, dtype=torch.float64, device="meta")
    with torch.no_grad():
        found = _bound_of(p, pixels(3).to("meta"), 5, shares, None, lambda: None)
    assert found.shape == (4, 3) and found.is_meta


# ---------------------------------------------------------------- the shell


def test_in_a_shell(tmp_path, run):
    done = call(
        "sample",
        "--model",
        str(run),
        "--n",
        "4",
        "--steps",
        "3",
        "--out",
        "new/a.png",
        cwd=tmp_path,
    )
    assert done.returncode == 0 and (tmp_path / "new" / "a.png").is_file() and not done.stderr, (
        done.stderr
    )
    done = call("evaluate", "--model", "nothing", cwd=tmp_path)
    assert (
        done.returncode == 1
        and len(done.stderr.splitlines()) == 1
        and "argument --model" in done.stderr
    )


@pytest.mark.parametrize("command", ["train", "sample", "evaluate"])
def test_help_tells_every_default(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0 and "examples:" in out and max(map(len, out.splitlines())) <= 120
    entries = re.split(r"\n  (?=--)", out[out.index("options:") : out.index("examples:")])[1:]
    silent = [entry.split()[0] for entry in entries if "(default:" not in " ".join(entry.split())]
    assert silent == (["--data"] if command == "train" else []) and len(entries) >= 10


@pytest.mark.parametrize(
    "argv, words",
    [
        ("train --steps 0", "train: argument --steps: must be a whole number of 1 or more, got 0"),
        ("train --lr fast", "train: argument --lr: must be a number of 0 or more, got fast"),
        ("train --ema 2", "train: argument --ema: must be a number in [0, 1], got 2"),
        ("train --size 3x", "train: argument --size: must be a number of pixels"),
        ("train --predicts y", "train: argument --predicts: invalid choice"),
        ("train --width 2", "argument --width: must be a whole number of 4 or more"),
        ("sample --n -3", "sample: argument --n: must be a whole number of 1 or more, got -3"),
        ("sample --eta nan", "sample: argument --eta: must be a number in [0, 1], got nan"),
        (
            "sample --out a.jpg",
            "sample: argument --out: must be a file that ends in .png or .npz, got a.jpg",
        ),
        (
            "evaluate --terms some",
            "evaluate: argument --terms: must be a whole number of 1 or more, got some",
        ),
        ("evaluate --split all", "evaluate: argument --split: invalid choice"),
        ("evaluate --seed 99999999999999999999", "argument --seed"),
        ("learn", "invalid choice: 'learn'"),
        ("", "the following arguments are required"),
    ],
)
def test_options_that_do_not_fit(argv, words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv.split())
    assert stop.value.code == 2 and words in (said := told(capsys)) and "--help" in said


@pytest.mark.parametrize(
    "argv, words",
    [
        ("train", "argument --data: give digits, mnist"),
        ("train --data nowhere", "argument --data: "),
        ("train --data empty", "argument --data: nothing readable in the folder "),
        ("train --data file.txt", "argument --data: .*file.txt is not a whole .npz file"),
        ("train --data digits --out file.txt", "argument --out: file.txt is a file"),
        (
            "train --data digits --levels --predicts v",
            "argument --predicts: must be x0 with --levels, got v",
        ),
        (
            "train --data digits --batch 7 --accumulate 2",
            "argument --batch: must be a multiple of --accumulate, 2, got 7",
        ),
        ("train --data plain.npz --classes", "argument --classes: .* has no labels"),
        (
            "sample --model nothing",
            "argument --model: nothing is no file, no run's folder and no model that ships",
        ),
        ("sample --model empty", "argument --model: empty holds no model.safetensors"),
        ("sample --model file.txt", "argument --model: file.txt"),
        (
            "sample --model m.safetensors --steps 21",
            "argument --steps: must be at most 20, the steps of the model, got 21",
        ),
        (
            "sample --model m.safetensors --steps 2 --class 1",
            "argument --class: the model was trained without classes",
        ),
        ("sample --model m.safetensors --device warp", "argument --device: warp cannot be used"),
        ("sample --model m.safetensors --steps 2 --n 1 --out file.txt/a.png", "file.txt"),
    ],
)
def test_errors_that_have_a_reason(argv, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("file.txt").write_text("text")
    np.savez("plain.npz", images=shades(2, 0, 256))
    p = DDPM(UNet(3, width=4), ForwardProcess(cosine_schedule(20)), (3, 8, 8), "v", images=True)
    save_model(p, "m.safetensors")
    before = sorted(os.listdir())
    assert main(argv.split()) == 1
    assert re.search(words, told(capsys)) and sorted(os.listdir()) == before
