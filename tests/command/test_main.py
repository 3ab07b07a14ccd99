"The command `diffusion-math`: its help, its exit status, and one line for each error that has a reason."

import json
import os
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion_math import DDPM, ForwardProcess, UNet, cosine_schedule, save_model
from diffusion_math.command.main import main
from tests.command.shell import python, shell
from tests.command.small import shades, told
from tests.forks import ran


def test_help(capsys):
    for argv, status, words in (
        (["--help"], 0, "course"),
        ([], 2, "COMMAND"),
        (["course", "-h"], 0, "--port"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(argv)
        assert stop.value.code == status and words in "".join(capsys.readouterr())


def test_in_a_shell(tmp_path, run):
    done = shell(
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
    done = ran(lambda: sys.exit(main(["evaluate", "--model", "nothing"])), cwd=tmp_path)
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
        (
            "train --steps 0",
            "train: argument --steps: must be a whole number from 1 to 10000000, got 0",
        ),
        ("train --lr fast", "train: argument --lr: must be a number of 0 or more, got fast"),
        ("train --ema 2", "train: argument --ema: must be a number in [0, 1], got 2"),
        ("train --size 3x", "train: argument --size: must be a number of pixels"),
        ("train --predicts y", "train: argument --predicts: invalid choice"),
        ("train --width 2", "argument --width: must be a whole number from 4 to 4096, got 2"),
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
        (
            "train --T 1000000000",
            "argument --T: must be a whole number from 2 to 1000000, got 1000000000",
        ),
        ("train --width 1000000000", "argument --width: must be a whole number from 4 to 4096"),
        ("train --mults 1000000000", "argument --mults: must be a whole number from 1 to 64"),
        ("train --blocks 1000000000", "argument --blocks: must be a whole number from 1 to 64"),
        ("evaluate --T 1000000000", "argument --T: must be a whole number from 1 to 1000000"),
        ("sample --out " + 300 * "a", "sample: argument --out: must be a file that ends in .png"),
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
            "sample --model m.safetensors --steps 21 --eta 0",
            "argument --steps: must be at most 20, the steps of the model, got 21",
        ),
        (
            "sample --model m.safetensors --steps 2 --class 1",
            "argument --class: the model was trained without classes",
        ),
        (
            "sample --model m.safetensors --n 1000000000 --steps 2",
            "argument --n: 1,000,000,000 pictures of 3 x 8 x 8 would take 3,072 GB, and this machine has",
        ),
        (
            "train --data plain.npz --batch 1000000000",
            "argument --batch: 1,000,000,000 pictures of 3 x 8 x 8 would take",
        ),
        (
            "train --data plain.npz --width 4096 --mults 64 64",
            "argument --width: a network of [0-9,]+ weights would take",
        ),
        (
            "train --data plain.npz --size 1000000",
            "argument --data: size: 2 pictures of 3 x 1,000,000",
        ),
        (
            "train --data plain.npz --size 1000000x1",
            "argument --data: size: 6 pictures of 1,000,000 x 125,000 would take 750 GB",
        ),
        ("html broken.ipynb", "broken.ipynb is no notebook: "),
        ("html deep.ipynb", "deep.ipynb is no notebook: "),
        ("sample --model m.safetensors --device warp", "argument --device: warp cannot be used"),
        ("sample --model m.safetensors --steps 2 --n 1 --out file.txt/a.png", "file.txt"),
        (
            f"sample --model m.safetensors --steps 2 --n 1 --out {300 * 'a'}.png",
            "File name too long: 'a+.png'",
        ),
        ("train --data huge.npz", "argument --data: .*huge.npz: its images of .* would take"),
    ],
)
def test_errors_that_have_a_reason(argv, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("file.txt").write_text("text")
    np.savez("plain.npz", images=shades(2, 0, 256))
    with zipfile.ZipFile("huge.npz", "w") as file, file.open("images.npy", "w") as array:
        shape = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 10**6)}
        np.lib.format.write_array_header_1_0(array, shape)
    cell = {"cell_type": "code", "metadata": {}, "outputs": 3, "source": 4, "execution_count": None}
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    Path("broken.ipynb").write_text(json.dumps(book))
    Path("deep.ipynb").write_text("[" * 100_000)
    p = DDPM(UNet(3, width=4), ForwardProcess(cosine_schedule(20)), (3, 8, 8), "v", images=True)
    save_model(p, "m.safetensors")
    before = sorted(os.listdir())
    assert main(argv.split()) == 1
    assert re.search(words, told(capsys)) and sorted(os.listdir()) == before


LOADS = """
import sys
import diffusion_math
assert "diffusion_math.teach.catalogue" not in sys.modules
from diffusion_math import Prediction, check, hint
from diffusion_math.teach.catalogue.network import mystery
from diffusion_math.teach.exercises import progress
from diffusion_math.command.main import main
main(["course", "mine", "--copy-only"])
import diffusion_math.plot
heavy = "matplotlib PIL torchvision IPython jupyterlab nbformat ipywidgets anywidget accelerate scipy sklearn".split()
print(sorted(set(heavy) & set(sys.modules)))
"""


def test_nothing_heavy_is_loaded_before_it_is_needed(tmp_path):
    "By the package, its exercises, its parser and a copy, and what draws: no pictures, no widgets, no notebooks."
    done = python(LOADS, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("command, name", [
    ("train --data", "data"), ("train --data digits --out", "out"), ("train --data digits --root", "root"),
    ("sample --model", "model"), ("sample --device", "device"), ("evaluate --data", "data"), ("evaluate --json", "json"),
])  # fmt: skip
def test_an_empty_name_is_not_the_folder_one_stands_in(
    command, name, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), ""])
    assert stop.value.code == 2 and f"argument --{name}: must " in told(capsys)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [
    MemoryError(),
    MemoryError("Unable to allocate 7.45 GiB for an array"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("DefaultCPUAllocator: not enough memory:\nyou tried to allocate 8 bytes."),
    torch.OutOfMemoryError("CUDA out of memory."),
])  # fmt: skip
def test_a_full_memory_is_told_in_one_line(error, monkeypatch, capsys, tmp_path):
    def full(*args):
        raise error

    monkeypatch.setattr("diffusion_math.command.sample.draw_samples", full)
    assert main(["sample", "--device", "cpu", "--n", "1", "--out", str(tmp_path / "a.png")]) == 1
    assert "the memory is not enough for this; a smaller --batch or --n needs less of it" in told(
        capsys
    )


def test_another_error_is_a_bug_and_keeps_its_traceback(monkeypatch, tmp_path):
    def wrong(*args):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr("diffusion_math.command.sample.draw_samples", wrong)
    with pytest.raises(RuntimeError, match="shapes differ"):
        main(["sample", "--device", "cpu", "--n", "1", "--out", str(tmp_path / "a.png")])
