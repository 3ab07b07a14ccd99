"diffusion-math sample: what it draws, and where it writes it."

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_math import DDPM, as_denoiser, guided, load_model, walk
from diffusion_math.command.main import main
from diffusion_math.data.digits import from_levels
from diffusion_math.data.pictures import load_pictures
from diffusion_math.inverse import Measurement, replaced
from diffusion_math.letters import MarkovLaw, one_hot, prose
from diffusion_math.solvers import draw
from tests.command.small import shades, told


def sample(model: Path, out: Path, options: str) -> int:
    return main(["sample", "--model", str(model), "--out", str(out), *options.split()])


def test_a_sheet_of_samples(run, tmp_path, capsys):
    assert sample(run, tmp_path / "a.png", "--n 6 --steps 4") == 0
    assert "6 pictures by 4 steps" in capsys.readouterr().out
    assert Image.open(tmp_path / "a.png").size == (3 * 10 + 2, 2 * 10 + 2)
    assert sample(run, tmp_path / "b.png", "--n 6 --cols 6 --steps 4 --batch 4") == 0
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
        options = f"--n 4 --steps 5 --eta 0.5 --seed {seed} --class night"
        assert sample(file, tmp_path / f"{name}.npz", options) == 0
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


def test_samples_by_a_solver(run, tmp_path, capsys):
    assert sample(run, tmp_path / "a.npz", "--n 3 --steps 4 --solver 2m --class none") == 0
    assert "3 pictures by 4 steps of 2m" in capsys.readouterr().out
    p = load_model(run / "model.safetensors")
    x = draw(p, 3, 4, "2m", generator=torch.Generator().manual_seed(0))
    assert (load_pictures(tmp_path / "a.npz").x - x).abs().max() <= 1 / 255 + 1e-6
    assert sample(run, tmp_path / "c.npz", "--n 3 --steps 4 --class none") == 0
    assert "3 pictures by 4 steps of unipc2" in capsys.readouterr().out
    x = draw(p, 3, 4, generator=torch.Generator().manual_seed(0))
    assert (load_pictures(tmp_path / "c.npz").x - x).abs().max() <= 1 / 255 + 1e-6
    assert sample(run, tmp_path / "b.npz", "--n 1 --steps 2 --solver 2m --eta 0.5") == 1
    assert "argument --solver: takes the steps in place of --eta" in told(capsys)


def test_every_class_in_turn(run, tmp_path):
    for more in ("", "--class all"):
        assert sample(run, tmp_path / "a.npz", f"--n 5 --steps 2 {more}") == 0
        assert load_pictures(tmp_path / "a.npz").labels.tolist() == [0, 1, 0, 1, 0]
    assert sample(run, tmp_path / "a.npz", "--n 5 --steps 2 --class none") == 0
    assert load_pictures(tmp_path / "a.npz").labels is None


def test_a_model_without_its_run_numbers_its_classes(run, tmp_path, capsys):
    (tmp_path / "alone.safetensors").write_bytes((run / "model.safetensors").read_bytes())
    alone, out, few = tmp_path / "alone.safetensors", tmp_path / "a.png", "--steps 2 --n 1"
    assert sample(alone, out, f"{few} --class 1") == 0
    capsys.readouterr()
    assert sample(alone, out, f"{few} --class night") == 1
    assert "argument --class: must be one of 0, 1, or all or none, got night" in told(capsys)


def test_the_walk_with_a_dial(run, tmp_path, capsys):
    "It is chapter 10's, its last call the guess; more dice are other pictures."
    file = run / "model.safetensors"
    for name, dial in (("a", "0.5"), ("b", "0.5"), ("c", "2")):
        options = f"--n 4 --steps 5 --sde {dial} --seed 3 --class night"
        assert sample(file, tmp_path / f"{name}.npz", options) == 0
    assert "4 pictures by 5 steps" in capsys.readouterr().out
    a, b, c = (load_pictures(tmp_path / f"{name}.npz").x for name in "abc")
    assert torch.equal(a, b) and not torch.equal(a, c)
    p, generator = load_model(file).given(y=torch.full((4,), 1)), torch.Generator().manual_seed(3)
    levels, noise = p.q.schedule.log_snr, torch.randn(4, 3, 8, 8, generator=generator)
    start, end = max(-10.0, levels[p.T].item()), min(10.0, levels[1].item())
    with torch.no_grad():
        x = as_denoiser(p)(walk(p, noise, start, end, 4, 0.5, generator), end)
    assert (a - x.clamp(-1, 1)).abs().max() <= 1 / 255 + 1e-6


def test_a_walk_may_have_more_steps_than_the_model_and_as_few_as_one(run, tmp_path, capsys):
    assert sample(run, tmp_path / "a.png", "--n 2 --steps 30 --sde 0") == 0
    assert sample(run, tmp_path / "a.png", "--n 2 --steps 1 --sde 1") == 0
    capsys.readouterr()
    assert sample(run, tmp_path / "a.png", "--n 2 --steps 30 --eta 0") == 1
    assert "argument --steps: must be at most 20, the steps of the model, got 30" in told(capsys)
    assert sample(run, tmp_path / "a.png", "--n 2 --sde 1 --eta 0.5") == 1
    assert "argument --sde: has an η of its own in place of --eta" in told(capsys)


def test_words_from_blanks(capsys):
    assert main(["sample", "--letters", "--n", "5", "--seed", "3"]) == 0
    *words, last = capsys.readouterr().out.splitlines()
    law = MarkovLaw.fit(prose(), 16)
    assert len(words) == 5 and law.log_prob(one_hot(words)).isfinite().all()
    assert last == "5 words of 16 letters by 16 steps; of them the law never writes 0"
    assert main(["sample", "--letters", "--n", "5", "--seed", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == words
    assert main(["sample", "--letters", "--n", "20", "--steps", "1"]) == 0
    assert "by 1 steps; of them the law never writes 0" not in capsys.readouterr().out


def test_words_take_no_options_of_pictures(capsys):
    for options, words in (
        ("--solver 2m", "takes --n, --steps, --seed, got --solver"),
        ("--steps 17", "argument --steps: must be at most 16 with --letters, got 17"),
    ):
        assert main(["sample", "--letters", *options.split()]) == 1
        assert words in told(capsys)


@pytest.mark.parametrize("how", ["--eta 0.5", "--solver 2m", "--sde 1"])
def test_guidance(run, tmp_path, how, capsys):
    "1 is the class itself to the bit, 0 no class, and 3 what guided says."
    draw = lambda name, more: sample(
        run, tmp_path / f"{name}.npz", f"--n 4 --steps 5 --quiet {how} {more}"
    )
    assert not any(draw(*of) for of in (
        ("plain", "--class night"), ("one", "--class night --guidance 1"), ("none", "--class none"),
        ("zero", "--class night --guidance 0"), ("three", "--class all --guidance 3"), ("all", "--class all")))  # fmt: skip
    x = {
        name: load_pictures(tmp_path / f"{name}.npz").x
        for name in ("plain", "one", "none", "zero", "three", "all")
    }
    assert torch.equal(x["plain"], x["one"])
    assert (x["zero"] - x["none"]).abs().max() <= 2 / 255 and not torch.equal(x["three"], x["all"])
    if how == "--eta 0.5":
        p, y = load_model(run / "model.safetensors").respace(5), torch.arange(4) % 2
        by = DDPM(guided(p.given(y=y), p, 3.0), p.q, p.event_shape, "x0", p.variance, True)
        want = by.sample(4, torch.Generator().manual_seed(0), eta=0.5)
        assert (x["three"] - want).abs().max() <= 2 / 255


@pytest.mark.bad_input
@pytest.mark.parametrize("more, words", [
    ("--class none --guidance 2", "argument --guidance: needs --class, and a model that was trained with classes"),
    ("--model ddpm_mnist_bits --guidance 2", "argument --guidance: needs --class, and a model that was trained"),
])  # fmt: skip
def test_guidance_without_a_class(run, tmp_path, more, words, capsys):
    assert sample(run, tmp_path / "a.npz", f"--n 1 --steps 2 {more}") == 1
    assert words in told(capsys)


def torn(folder: Path, alpha: int = 0, rows: int = 3) -> Path:
    "A picture of 8 x 8 whose lowest rows have this opacity."
    picture = Image.fromarray(shades(1, 60, 200)[0]).convert("RGBA")
    picture.putalpha(255)
    picture.paste((255, 0, 0, alpha), (0, 8 - rows, 8, 8))
    picture.save(folder / "torn.png")
    return folder / "torn.png"


def test_a_torn_picture_is_filled_in(run, tmp_path, capsys):
    "What is known stays to the level; the rest is what replaced draws; the same of a file with a mask."
    file, out = run / "model.safetensors", tmp_path / "a.npz"
    paper = torn(tmp_path)
    few = "--n 3 --steps 4 --again 2 --seed 5"
    assert sample(file, out, f"--inpaint {paper} {few}") == 0
    assert "3 pictures by 4 steps, each taken 2 times" in capsys.readouterr().out
    drawn = load_pictures(out)
    known = from_levels(torch.from_numpy(shades(1, 60, 200)[0]).movedim(-1, 0))
    assert drawn.labels is None and torch.equal(
        drawn.x[:, :, :5], known[:, :5].expand(3, -1, -1, -1)
    )
    p, generator = load_model(file), torch.Generator().manual_seed(5)
    seen = (torch.arange(8) < 5)[None, :, None].expand(3, 8, 8)
    noise, levels = torch.randn(3, 3, 8, 8, generator=generator), p.q.schedule.log_snr
    ends = max(-10.0, levels[p.T].item()), min(10.0, levels[1].item())
    due = replaced(p, Measurement(seen, 1.0), known[seen], noise, *ends, 3, 2, generator)
    assert (drawn.x - due.clamp(-1, 1)).abs().max() <= 1 / 255 + 1e-6
    Image.open(paper).convert("RGB").save(tmp_path / "whole.png")
    hidden = np.zeros((8, 8), np.uint8)
    hidden[5:] = 255
    Image.fromarray(hidden).save(tmp_path / "mask.png")
    by_mask = f"--inpaint {tmp_path / 'whole.png'} --mask {tmp_path / 'mask.png'}"
    assert sample(file, tmp_path / "b.npz", f"{by_mask} {few}") == 0
    assert torch.equal(load_pictures(tmp_path / "b.npz").x, drawn.x)


def test_a_sheet_of_fillings_of_a_class(run, tmp_path):
    paper, out = torn(tmp_path), tmp_path / "a.png"
    assert sample(run, out, f"--inpaint {paper} --steps 2 --again 1") == 0
    assert Image.open(out).size == (4 * 10 + 2, 4 * 10 + 2)  # sixteen
    for name, more in (("a", "--class night"), ("b", "--class day"), ("c", "--class night --guidance 3")):  # fmt: skip
        few = f"--inpaint {paper} --n 2 --steps 3 {more}"
        assert sample(run, tmp_path / f"{name}.npz", few) == 0
    a, b, c = (load_pictures(tmp_path / f"{name}.npz") for name in "abc")
    assert len(a.x) == 2 and not torch.equal(a.x, b.x) and not torch.equal(a.x, c.x)


@pytest.mark.bad_input
@pytest.mark.parametrize("more, words", [
    ("--mask x.png", "argument --mask: goes with --inpaint"),
    ("--again 3", "argument --again: goes with --inpaint"),
    ("--inpaint TORN --eta 1", "argument --inpaint: pastes at each step, and takes no --eta"),
    ("--inpaint TORN --solver 2m", "argument --inpaint: pastes at each step, and takes no --solver"),
    ("--inpaint nowhere.png", "argument --inpaint: [Errno 2] No such file"),
    ("--inpaint TORN --mask TORN", "torn.png is known nowhere at 8 x 8"),
    ("--inpaint TORN --mask WIDE", "must be as large as the picture, 8 x 8, got 9 x 8"),
    ("--inpaint WIDE", "wide.png is transparent nowhere, so nothing is left to be filled in; or give --mask"),
    ("--inpaint TORN --guidance 2", "argument --guidance: needs --class"),
])  # fmt: skip
def test_what_cannot_be_filled_in(run, tmp_path, more, words, capsys):
    paper, wide = torn(tmp_path), tmp_path / "wide.png"
    Image.new("L", (9, 8), 200).save(wide)
    more = more.replace("TORN", str(paper)).replace("WIDE", str(wide))
    assert sample(run, tmp_path / "a.npz", f"--n 1 --steps 2 {more}") == 1
    assert words in told(capsys)
    assert not (tmp_path / "a.npz").exists()


@pytest.mark.bad_input
@pytest.mark.parametrize("argv", [["--n", "0"], ["--guidance", "-1"], ["--guidance", "nan"]])
def test_numbers_that_cannot_end(run, argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["sample", "--model", str(run), *argv])
    assert stop.value.code == 2 and f"argument {argv[0]}: must be a" in told(capsys)
