"A chapter as one page: nothing is asked of a server, and nothing of the text is lost."

import json
import os
import re

import pytest

from diffusion_math.teach.pages import _mathml, _take_out, write_page
from tests.lab import ROOT

CHAPTER = ROOT / "nbs" / "03_forward_process.ipynb"


def notebook(*sources, metadata=None, outputs=()):
    cells = [
        {"cell_type": "markdown", "id": f"c{i}", "metadata": {}, "source": s}
        for i, s in enumerate(sources)
    ]
    code = {
        "cell_type": "code",
        "id": "code",
        "metadata": {},
        "source": "x = 1",
        "outputs": list(outputs),
    }
    cells.append(code | {"execution_count": None})
    return json.dumps(
        {"cells": cells, "metadata": metadata or {}, "nbformat": 4, "nbformat_minor": 5}
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_page(CHAPTER, tmp_path_factory.mktemp("site")).read_text(encoding="utf-8")


def cells():
    return json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]


def test_a_chapter_asks_no_server(page):
    asked = re.findall(r'<(?:script|link|img|iframe)[^>]*\b(?:src|href)="(?!data:)([^"]*)"', page)
    assert asked == [] and "@import" not in page and "url(http" not in page
    assert page.startswith("<!doctype html>") and "<title>3 · The forward process</title>" in page


def test_every_equation_of_a_chapter_is_mathml_with_its_number(page):
    source = "\n".join(
        "".join(cell["source"]) for cell in cells() if cell["cell_type"] == "markdown"
    )
    tags = re.findall(r"\\tag\{([^}]*)\}", source)
    assert len(tags) > 10 and [tag for tag in tags if f"<span>({tag})</span>" not in page] == []
    assert page.count('<div class="equation"><math') == source.count("$$") // 2
    assert "elumrof" not in page and "<code>\\" not in page


def test_every_widget_of_a_chapter_has_its_place(page):
    shown = sum(
        "widget-view+json" in str(output) for cell in cells() for output in cell.get("outputs", ())
    )
    assert (
        page.count('<div data-widget="') == shown >= 4
        and "widget-view+json" not in page.split("<script id=")[0]
    )


def test_links_to_chapters_lead_to_their_pages(page):
    assert 'href="02_gaussians.html"' in page and not re.search(
        r'href="(?!https?:)[^"]*\.ipynb"', page
    )


@pytest.mark.parametrize(
    "text, left",
    [
        ("a $x_t$ and $$y$$", "a formula0elumrof and formula1elumrof"),
        ("`$HOME` and ```\n$$x$$\n```", "`$HOME` and ```\n$$x$$\n```"),
        (r"costs 3 \$ or 4 \$", r"costs 3 \$ or 4 \$"),
        ("| $a_1$ | $b_1$ |", "| formula0elumrof | formula1elumrof |"),
    ],
)
def test_what_is_a_formula(text, left):
    assert _take_out(text, []) == left


def test_a_formula_is_mathml_and_one_that_cannot_be_is_shown_as_it_is():
    block = _mathml(r"\sqrt{\bar\alpha_t}\,x_0 \tag{3.9}", True)
    assert block.startswith('<div class="equation"><math') and block.endswith(
        "<span>(3.9)</span></div>"
    )
    assert "<msqrt>" in block and "tag" not in block
    assert _mathml("x < y", False).count("<math") == 1
    assert _mathml(r"\frac", False) == r"<code>\frac</code>"


def test_widgets_that_need_python_say_so(tmp_path):
    view = {
        "output_type": "display_data",
        "metadata": {},
        "data": {
            "application/vnd.jupyter.widget-view+json": {
                "model_id": "abc",
                "version_major": 2,
                "version_minor": 0,
            },
            "text/plain": "interactive",
        },
    }
    file = tmp_path / "a.ipynb"
    state = {"abc": {"state": {"value": 3}, "model_name": "IntSliderModel"}}
    kinds = {
        "application/vnd.jupyter.widget-state+json": {
            "state": state,
            "version_major": 2,
            "version_minor": 0,
        }
    }
    file.write_text(notebook("# Title", metadata={"widgets": kinds}, outputs=[view]))
    page = write_page(file).read_text()
    assert "These sliders need Python" in page and 'data-widget="abc"' not in page


def test_text_in_a_widget_s_state_cannot_end_the_script(tmp_path):
    state = {"abc": {"state": {"_esm": "'</script><b>'", "_css": ""}, "model_name": "AnyModel"}}
    kinds = {
        "application/vnd.jupyter.widget-state+json": {
            "state": state,
            "version_major": 2,
            "version_minor": 0,
        }
    }
    file = tmp_path / "a.ipynb"
    file.write_text(notebook("text", metadata={"widgets": kinds}))
    page = write_page(file, tmp_path / "out" / "b.html").read_text()
    assert "</script><b>" not in page and "<title>a</title>" in page


def test_a_page_is_whole_or_not_there(tmp_path, monkeypatch):
    (tmp_path / "a.ipynb").write_text(notebook("# One"))
    page = write_page(tmp_path / "a.ipynb")
    before = page.read_bytes()
    (tmp_path / "a.ipynb").write_text(notebook("# Two"))
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        write_page(tmp_path / "a.ipynb")
    assert page.read_bytes() == before and sorted(os.listdir(tmp_path)) == ["a.html", "a.ipynb"]


@pytest.mark.parametrize(
    "name, out", [("a.ipynb", "a.ipynb"), ("a.ipynb", "link.html"), ("a.html", None)]
)
def test_a_page_never_takes_its_notebook_s_place(tmp_path, name, out):
    file = tmp_path / name
    file.write_text(notebook("# One"))
    before = file.read_bytes()
    if out == "link.html":
        (tmp_path / out).hardlink_to(file)
    with pytest.raises(
        ValueError, match="out must not be the notebook itself, got .*" + (out or name)
    ):
        write_page(file, out and tmp_path / out)
    assert file.read_bytes() == before


def test_nor_that_of_another_file_that_nobody_named(tmp_path):
    for name in ("a.ipynb", "b.ipynb"):
        (tmp_path / name).write_text(notebook("# One"))
    with pytest.raises(ValueError, match="out must not be a notebook, got .*b.ipynb"):
        write_page(tmp_path / "a.ipynb", tmp_path / "b.ipynb")
    (tmp_path / "a.html").write_text("mine")
    for out in (None, tmp_path):
        with pytest.raises(
            ValueError, match="a.html is no page of write_page's; give it as out to write over it"
        ):
            write_page(tmp_path / "a.ipynb", out)
    assert (tmp_path / "a.html").read_text() == "mine"
    assert write_page(tmp_path / "a.ipynb", tmp_path / "a.html").read_text() != "mine"
    assert (
        write_page(tmp_path / "a.ipynb")
        == write_page(tmp_path / "a.ipynb", tmp_path)
        == tmp_path / "a.html"
    )
