"diffusion-math evaluate: the table, the JSON, and what it says when something is wrong."

import json
import math

import numpy as np
import pytest

from diffusion_math.command.main import main
from tests.command.small import of, shades, told


def test_the_table_and_the_json(run, photos, tmp_path, capsys):
    argv = ["evaluate", *of(run, photos), *"--split train --terms 4 --batch 5".split()]
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
    assert [
        line.split()[0] for line in lines[3:8]
    ] == "prior steps steps reconstruction total".split()
    assert f"{nats['total']['mean']:.2f}" in lines[7] and f"{bits['mean']:.4f}" in lines[7]
    assert (
        len({line.index(cell) + len(cell) for line in lines[3:8] for cell in [line.split()[-4]]})
        == 1
    )  # aligned
    assert main([*argv, "--json", "-"]) == 0
    again, table = capsys.readouterr()
    assert json.loads(again) == report and out.splitlines()[7] in table


def test_an_evaluation_outlives_a_file_that_cannot_be_written(run, photos, tmp_path, capsys):
    argv = ["evaluate", *of(run, photos), *"--split train --terms 2 --quiet".split()]
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
    argv = ["evaluate", *of(run, tmp_path / "two.npz"), *"--json -".split(), *options.split()]
    assert main(argv) == 0
    out, table = capsys.readouterr()
    assert (
        json.loads(out)["terms"] == terms
        and f"; T = {json.loads(out)['T']}, {terms} of the steps a" in table
    )


def test_told_the_class(run, photos, tmp_path, capsys):
    argv = ["evaluate", *of(run, photos), *"--terms all --json - --T 10".split()]
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
    assert main(["evaluate", *of(run, tmp_path / "one.npz"), *"--json - --T 1".split()]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["nats"]["steps"] == [] and report["nats"]["total"]["stderr"] is None
    assert (
        main(["evaluate", "--model", str(run), "--data", str(tmp_path / "one.npz"), "--classes"])
        == 1
    )
    assert "argument --classes: the model's are ['day', 'night'], the data's none" in told(capsys)


@pytest.mark.parametrize(
    "options, rows, says",
    [
        ("--bound continuous --terms 3", ["prior", "area"], "infinitely many steps, 3 draws"),
        ("--bound flow --probes 2", ["walk", "added"], "sets of random signs a picture: 2"),
    ],
)
def test_the_other_two_numbers(run, photos, tmp_path, capsys, options, rows, says):
    argv = ["evaluate", *of(run, photos), *"--split train --n 3 --batch 2 --classes".split()]
    assert main([*argv, *options.split(), "--json", str(tmp_path / "a.json")]) == 0
    out, err = capsys.readouterr()
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["bound"] == options.split()[1] and says in out.splitlines()[0]
    names = [*rows, "reconstruction", "total"]
    assert list(report["nats"]) == names and "T" not in report
    assert [line.split()[0] for line in out.splitlines()[3:7]] == names
    parts = sum(report["nats"][name]["mean"] for name in names[:3])
    assert report["nats"]["total"]["mean"] == pytest.approx(parts)
    assert report["nats"]["total"]["stderr"] > 0
    bits = report["bits_per_dim"]["mean"]
    assert bits == pytest.approx(parts / (192 * math.log(2))) and f"{bits:.4f}" in out


@pytest.mark.parametrize(
    "options, words",
    [
        ("--bound flow --T 5", "--T: goes with --bound steps, got flow"),
        ("--bound continuous --T 5", "--T: goes with --bound steps, got continuous"),
        ("--bound flow --terms 5", "--terms: goes with --bound steps or continuous, got flow"),
        ("--probes 2", "--probes: goes with --bound flow, got steps"),
        ("--bound continuous --terms all", "--terms: must be a number with --bound continuous"),
    ],
)
def test_an_option_that_the_bound_has_no_use_for(run, photos, capsys, options, words):
    assert main(["evaluate", *of(run, photos), *options.split()]) == 1
    assert words in told(capsys)


def test_it_says_which_pictures_it_counts(run, photos, tmp_path, capsys):
    argv = ["evaluate", "--model", str(run), "--terms", "1", "--n", "2", "--quiet", "--data"]
    assert main([*argv, str(photos), "--json", str(tmp_path / "a.json")]) == 0
    assert (
        f"2 of 12 pictures of {photos}, which knows no train and test: all of it; T"
        in capsys.readouterr().out
    )
    assert json.loads((tmp_path / "a.json").read_text())["split"] == "all"
    digits = ["evaluate", "--terms", "1", "--n", "2", "--quiet"]
    assert main(digits) == 0
    assert "2 of 2,000 test pictures of digits; T" in capsys.readouterr().out
