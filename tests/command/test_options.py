"What the commands share: the kinds of numbers, options and their defaults, a run's settings, a model by its name."

import argparse
import json

import pytest
import torch

from diffusion_math.command.options import (
    MODEL,
    SETTINGS,
    all_options,
    first_process,
    given_options,
    load_named,
    number,
    read_settings,
    subcommand,
    whole,
)


def test_a_number_or_what_it_must_be():
    assert whole(1)("64") == 64 and number(0, 1)("0.5") == 0.5
    for kind, text, words in (
        (whole(1), "0", "must be a whole number of 1 or more, got 0"),
        (whole(1), "1.5", "got 1.5"),
        (number(0, 1), "half", r"must be a number in \[0, 1\], got half"),
        (number(0), "inf", "must be a number of 0 or more, got inf"),
    ):
        with pytest.raises(argparse.ArgumentTypeError, match=words):
            kind(text)


def test_what_was_given_and_what_was_not():
    parser = argparse.ArgumentParser()
    option = subcommand(parser.add_subparsers(), "go", print, "go somewhere", "examples: none")
    option("--far", 3, "how far", type=int)
    option("--where", None, "the place")
    args = parser.parse_args(["go", "--where", "home"])
    assert given_options(args) == {"where": "home"}
    assert vars(all_options(args)) == {"where": "home", "far": 3}


def test_the_settings_of_a_run(tmp_path):
    assert read_settings(tmp_path) == {}
    kept = {"options": {"T": 20}, "classes": ["day", "night"]}
    (tmp_path / SETTINGS).write_text(json.dumps(kept))
    assert read_settings(tmp_path) == kept
    (tmp_path / SETTINGS).write_text("[]")
    with pytest.raises(ValueError, match="settings.json is damaged"):
        read_settings(tmp_path)


def test_a_model_by_its_run_its_file_or_its_name(run):
    for name, classes in ((run, ["day", "night"]), (run / MODEL, ["day", "night"])):
        p, names = load_named(str(name), "cpu")
        assert names == classes and p.event_shape == (3, 8, 8) and not p.training
    p, names = load_named("ddpm_mnist_bits", "cpu")
    assert p.event_shape == (1, 28, 28) and next(p.parameters()).device == torch.device("cpu")
    with pytest.raises(ValueError, match=r"no model that ships \(ddpm_mnist, ddpm_mnist_bits\)"):
        load_named("nothing", None)


def test_the_first_of_several_processes(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert first_process()
    monkeypatch.setenv("RANK", "1")
    assert not first_process()


@pytest.mark.parametrize(
    "content", ["{", '{"options": {}, "classes": 3}', '{"options": {}, "classes": ["a"]}']
)
def test_the_settings_of_a_folder_are_no_model_s(tmp_path, monkeypatch, run, content):
    "Neither a model that ships nor a file of any name reads what lies where one stands, or beside it."
    (tmp_path / SETTINGS).write_text(content)
    (tmp_path / "alone.safetensors").write_bytes((run / MODEL).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert load_named("ddpm_mnist", "cpu")[1] == [str(digit) for digit in range(10)]
    assert load_named("alone.safetensors", "cpu")[1] == ["0", "1"]


@pytest.mark.parametrize(
    "name", "warp meta mps xla hpu mkldnn cpu:-1 cuda:x privateuseone vulkan".split()
)
def test_devices_that_are_not_there(name, capsys):
    if torch.accelerator.is_available() and name == torch.accelerator.current_accelerator().type:
        pytest.skip("it is there")
    with pytest.raises(
        ValueError, match=f"^argument --device: {name} cannot be used: it must be cpu"
    ):
        load_named("ddpm_mnist", name)
    assert capsys.readouterr() == ("", "")


def test_an_accelerator_that_torch_was_built_for_and_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    p, _ = load_named("ddpm_mnist", None)
    assert next(p.parameters()).device.type == "cpu"
