"tests/mutants.py: a bent equation is noticed where a check can fail, and a check that cannot is reported."

import ast
import json
import os

import pytest

from tests.forks import ran
from tests.lab import ROOT
from tests.mutants import bends, main

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def words(code):
    "What may be bent in some code, in words."
    return [bend.words() for bend in bends(ast.parse(code))]


def pages(tmp_path, *page):
    "A notebook of these cells; those that begin with $$ are text."
    kinds = [("markdown" if source.startswith("$$") else "code", source) for source in page]
    path = tmp_path / "chapter.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": k, "source": s} for k, s in kinds]}))
    return path


def mutants(*args):
    "The report of a run of its own."
    done = ran(lambda: main([*map(str, args), "--jobs", "2", "--patience", "2"]), cwd=ROOT)
    return done.stdout + done.stderr


def test_each_place_of_an_equation_can_be_bent():
    assert words("y = a + b") == ["sign: a + b  ->  a - b"]
    assert words("y = -a") == ["sign: -a  ->  a"]
    assert words("y = a.sqrt()") == ["root: a.sqrt()  ->  a"]
    assert words("y = math.sqrt(a)") == ["root: math.sqrt(a)  ->  a"]
    assert words("y = a ** 0.5") == ["root: a ** 0.5  ->  a"]
    assert words("y = a ** 2") == ["power: a ** 2  ->  a"]
    assert words("y = a.square()") == ["square: a.square()  ->  a"]
    assert words("y = beta[t]") == ["index: beta[t]  ->  beta[t - 1]"]
    assert words("y = beta[3]") == ["index: beta[3]  ->  beta[3 + 1]"]
    assert words("y = 2 * a") == ["factor: 2 * a  ->  2 / a", "factor: 2 * a  ->  a"]
    assert words("y = a / b") == ["factor: a / b  ->  a * b"]
    assert words("y = a.sum(1)") == ["factor: a.sum(1)  ->  a.mean(1)"]


def test_what_is_no_equation_is_left_alone():
    for code in (
        "agree(a + b, c / d)",
        "assert a + b == c",
        "print(a + b)",
        "plot.curves(x, -y)",
        "def f(a: 2 * n = 1 + 1): ...",
        "y = f(dim=-1)",
        "y = [-2.0, a[-1]]",
        "raise ValueError(a + b)",
        "y = 1.0 * a / 1",
    ):
        assert [w for w in words(code) if not w.startswith("factor: 1.0 * a")] == [], code


def test_a_bent_equation_is_noticed_and_a_blind_check_reported(tmp_path):
    path = pages(
        tmp_path,
        "from diffusion_math import agree\nside, height = 3.0, 5.0",
        "$$ A = s h / 2 \\tag{7.1} $$",
        "area = side * height / 2",
        "agree(area, 7.5)",
        "$$ d = s - h \\tag{7.2} $$",
        "apart = side - height",
        "agree(abs(apart - apart), 0.0)",
        "forever = 1 + 1  # (7.3)\nwhile forever != 2: pass",
    )
    said = mutants(path)
    assert "cell 2, (7.1): 3 of 3 bends noticed" in said
    assert "cell 5, (7.2): 0 of 1 bends noticed" in said
    assert "NOT NOTICED  sign: side - height  ->  side + height" in said
    assert "cell 7, (7.3): 1 of 1 bends noticed" in said  # it would run for ever
    assert said.endswith("4 of 5 bends were noticed.\n")


def test_the_functions_of_a_module_are_bent_where_the_chapter_calls_them(tmp_path):
    page = [
        "import torch\nfrom diffusion_math import Gaussian, agree",
        "one = Gaussian(torch.zeros(1), 4.0)",
        "#| default_exp gaussian",
        "#| export\nraise RuntimeError('made a second time')",
        "agree(Gaussian(torch.zeros(1), 4.0).entropy()[0], 2.112085713764618, tol=1e-6)",
    ]
    said = mutants(pages(tmp_path, *page), "--module")
    missed, whole = said.split("Gaussian.entropy: ")[1].split(" bends")[0].split(" of ")
    assert missed == whole and int(whole) >= 4
    assert "Gaussian.kl: 0 of" in said and "NOT NOTICED  factor: 0.5 * (excess + apart)" in said
