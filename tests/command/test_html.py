"diffusion-math html: a page for each notebook, in a folder if there are several."

import json
import os
import re

import pytest

from diffusion_math.command.main import main
from tests.command.small import told
from tests.teach.test_pages import notebook


def test_the_command(tmp_path, capsys):
    file = tmp_path / "a.ipynb"
    file.write_text(notebook("# One", "$x$"))
    assert main(["html", str(file), "--out", str(tmp_path / "site")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "site" / "a.html")
    (tmp_path / "bad.ipynb").write_text("[1]")
    for bad, words in (("bad.ipynb", "is no notebook"), ("none.ipynb", "No such file")):
        assert main(["html", str(tmp_path / bad)]) == 1
        assert words in capsys.readouterr().err


VIEW, STATE = (f"application/vnd.jupyter.widget-{kind}+json" for kind in ("view", "state"))
CODE = {"cell_type": "code", "id": "a", "metadata": {}, "source": "x", "execution_count": None}


def code(**change):
    return dict(cells=[CODE | {"outputs": []} | change])


def shown(data):
    return code(outputs=[{"output_type": "display_data", "data": data, "metadata": {}}])


def kept(models):
    return dict(metadata={"widgets": {STATE: {"state": models}}})


BROKEN = {
    "cells that are a dictionary": dict(cells={}),
    "a cell that is a number": dict(cells=[3]),
    "a cell of no kind": code(cell_type="x"),
    "a cell without its text": dict(cells=[{"cell_type": "markdown", "id": "a", "metadata": {}}]),
    "a source that is a number": code(source=3),
    "half of a letter": code(source="\ud800"),
    "outputs that are text": code(outputs=["x"]),
    "an output of no kind": code(outputs=[{"output_type": "x"}]),
    "HTML that is a number": shown({"text/html": 3}),
    "a widget that is a number": shown({VIEW: 3}),
    "a widget whose name is a number": shown({VIEW: {"model_id": 3}}),
    "metadata that are a number": dict(metadata=3),
    "states that are a list": kept([]),
    "a state that is a number": kept({"a": 3}),
    "a widget's code that is a number": kept({"a": {"state": {"_esm": 3}}}),
    "a widget's style that is a list": kept({"a": {"state": {"_esm": "", "_css": []}}}),
    "another format": dict(nbformat=9),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_notebook_is_told_in_one_line(what, tmp_path, capsys):
    file = tmp_path / "a.ipynb"
    whole = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    file.write_text(json.dumps(whole | BROKEN[what]))
    assert main(["html", str(file)]) == 1
    assert f"diffusion-math: {file} is no notebook: " in told(capsys)
    assert os.listdir(tmp_path) == ["a.ipynb"]


def test_several_notebooks_need_a_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more").mkdir()
    for name in ("a.ipynb", "b.ipynb", "more/a.ipynb"):
        (tmp_path / name).write_text(notebook("# One"))
    (tmp_path / "file").write_text("mine")
    for out in ("both.html", "b.ipynb", "file"):
        assert main(["html", "a.ipynb", "b.ipynb", "-o", out]) == 1
        said = (
            f"diffusion-math: argument --out: must be a folder for several notebooks, got {out}\n"
        )
        assert capsys.readouterr().err == said
    (tmp_path / "a.json").write_text(notebook("# One"))
    assert main(["html", "a.ipynb", "a.json", "-o", "site"]) == 1
    assert "argument --out: two of the notebooks would be a.html" in capsys.readouterr().err
    assert sorted(os.listdir()) == ["a.ipynb", "a.json", "b.ipynb", "file", "more"]
    assert (
        main(["html", "a.ipynb", "more/a.ipynb"])
        == main(["html", "a.ipynb", "b.ipynb", "-o", "site"])
        == 0
    )
    assert sorted(os.listdir("site")) == ["a.html", "b.html"] and sorted(os.listdir("more")) == [
        "a.html",
        "a.ipynb",
    ]


def test_notebooks_of_several_folders_keep_their_places_and_their_links(tmp_path, capsys):
    room = tmp_path / "nbs" / "workshop" / "room.v1"
    room.mkdir(parents=True)
    (tmp_path / "nbs" / "a.ipynb").write_text(notebook("[there](workshop/room.v1/a.ipynb)"))
    (room / "a.ipynb").write_text(notebook("[back](../../a.ipynb)"))
    names = [str(tmp_path / "nbs" / "a.ipynb"), str(room / "a.ipynb")]
    site = tmp_path / "site"
    assert main(["html", *names, "-o", str(site)]) == 0
    pages = [site / "a.html", site / "workshop" / "room.v1" / "a.html"]
    assert capsys.readouterr().out.split() == [str(page) for page in pages]
    for page in pages:
        (link,) = re.findall(r'href="([^#"][^"]*)"', page.read_text())
        assert (page.parent / link).resolve() in pages


def test_help_says_that_pages_run_what_notebooks_hold(capsys):
    with pytest.raises(SystemExit):
        main(["html", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "runs the scripts that its notebook's outputs hold" in said


BAD = """# Title

<script>alert(1)</script><img src=x onerror=alert(2)><a href="javascript:alert(3)">x</a> [y](javascript:alert(4))
<iframe src="http://x"></iframe><svg onload=alert(5)></svg><a href="data:text/html,<script>alert(6)</script>">z</a>
<div style="background:url(javascript:alert(7));color:red">w</div><form action="http://x"><button>b</button></form>"""


def test_what_markdown_says_is_harmless(tmp_path):
    "No script, handler or address that runs, in markdown, raw cells and markdown outputs; what is harmless stays."
    good = "<details><summary>more</summary>\n\n**bold** `<script>` <img src='data:image/png;base64,AAAA'>\n\n</details>"
    cells = json.loads(notebook(BAD, good))["cells"]
    raw = {"cell_type": "raw", "id": "r", "metadata": {}, "source": BAD}
    out = {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": BAD}}
    file = tmp_path / "a.ipynb"
    file.write_text(
        json.dumps(json.loads(notebook("x")) | {"cells": [*cells, raw, CODE | {"outputs": [out]}]})
    )
    assert main(["html", str(file)]) == 0
    body = (tmp_path / "a.html").read_text().split("<main", 1)[-1]
    for live in (
        r"<script>alert",
        r"<[^>&]*onerror=",
        r"href=\W?javascript",
        "<iframe",
        "<form",
        r"<svg onload",
        "data:text",
    ):
        assert not re.search(live, body, re.I), live
    assert "background" not in re.search(r"<div style=[^>]*>", body).group()
    for kept in (
        "<strong>bold</strong>",
        "<summary>more</summary>",
        "data:image/png;base64,AAAA",
        "<code>&lt;script&gt;</code>",
    ):
        assert kept in body
