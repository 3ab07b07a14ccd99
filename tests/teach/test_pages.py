"A chapter as one page: nothing is asked of a server, and nothing of the text is lost."

import base64
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from diffusion_math.explore.weights import network_bytes
from diffusion_math.teach.pages import (
    _free_word,
    _networks,
    _pieces,
    _set,
    _state,
    _take_out,
    _weights,
    _words,
    proof_marks,
    write_page,
)
from diffusion_math.teach.typeset import Typesetter
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
def page(written):
    return written(CHAPTER.stem).read_text(encoding="utf-8")


def cells():
    return json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]


def test_a_chapter_asks_no_server(page):
    asked = re.findall(r'<(?:script|link|img|iframe)[^>]*\b(?:src|href)="(?!data:)([^"]*)"', page)
    assert asked == [] and "@import" not in page and "url(http" not in page
    assert page.startswith("<!doctype html>") and "<title>3 · The forward process</title>" in page


def test_every_equation_of_a_chapter_is_a_picture_with_its_number(page):
    source = "\n".join(
        "".join(cell["source"]) for cell in cells() if cell["cell_type"] == "markdown"
    )
    tags = re.findall(r"\\tag\{([^}]*)\}", source)
    missing = [tag for tag in tags if f'<span class="number">({tag})</span>' not in page]
    assert len(tags) > 10 and missing == []
    shown = page.count('<span class="equation"><span class="formula"><svg')
    assert shown == source.count("$$") // 2
    assert not re.search(r"tex\d+n\d+x", page) and "<code>\\" not in page


class Formulas(HTMLParser):
    "What a page says within its formulas, its equations and its headings, and the headings' names."

    def __init__(self, page: str):
        super().__init__()
        self.texts, self.names, self.inside = [], [], []
        self.feed(page.split("<body>")[1].split("<script id=")[0])

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        place = (attributes.get("class") or "").split()
        if tag in ("math", "h1", "h2", "h3") or "equation" in place:
            self.inside.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.names.append(attributes["id"])

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, text):
        self.texts += [text] if self.inside else []


@pytest.mark.parametrize("name", ["02_gaussians", "05_elbo", "index", "workshop/teach/agree"])
def test_no_tex_is_left_on_a_page(name, written):
    page = written(name).read_text(encoding="utf-8")
    found = Formulas(page)
    assert [text for text in found.texts if "\\" in text or "$" in text] == [] and found.texts
    assert all(re.fullmatch(r"[^\s<>\"$\\]+", name) for name in found.names) and found.names


def test_a_card_of_symbols_is_set_too():
    "The notation card is Markdown that a cell showed."
    source = Path(ROOT, "nbs", "index.ipynb").read_text(encoding="utf-8")
    shown = "".join(
        "".join(output.get("data", {}).get("text/markdown", ""))
        for cell in json.loads(source)["cells"]
        for output in cell.get("outputs", ())
    )
    assert shown.count("$") > 100


def test_a_formula_in_a_heading_is_set_there_and_spelt_in_its_name(tmp_path):
    (tmp_path / "a.ipynb").write_text(notebook(r"## 5.3 Why not $p(x_0)$?", r"[up](#top) $q$"))
    page = write_page(tmp_path / "a.ipynb").read_text()
    (heading,) = re.findall(r"<h2.*?</h2>", page, re.DOTALL)
    assert heading.startswith('<h2 id="5.3-Why-not-p-x_0?">5.3 Why not <span class="formula"><svg')
    assert 'href="#5.3-Why-not-p-x_0?"' in heading and heading.count("<svg") == 1
    assert _words(r"\mathcal N(x; \mu)") == "mathcal-N-x-mu"


def test_a_notebook_may_hold_any_mark(tmp_path):
    marks = "formula0elumrof formula7elumrof tex0n0x tex1n9x"
    (tmp_path / "a.ipynb").write_text(notebook(f"{marks} $x$"))
    page = write_page(tmp_path / "a.ipynb").read_text()
    assert f"<p>{marks} <span" in page and page.count("<math>") == 1
    assert _free_word("tex0n") == "tex1n" and _free_word("") == "tex0n"


def test_a_bracket_and_its_formula_stay_together(tmp_path):
    (tmp_path / "a.ipynb").write_text(notebook("noise ($d$ is 2)"))
    page = write_page(tmp_path / "a.ipynb").read_text()
    assert 'noise <span class="together">(<span class="formula">' in page


def test_what_widgets_share_stands_once_on_a_page(page):
    state = _state(json.loads(CHAPTER.read_text(encoding="utf-8")))
    slim, pieces = _pieces(state)
    assert len(state) >= 3 and len(pieces) == len(set(pieces))
    for name, model in state.items():
        for text in ("_esm", "_css"):
            whole = "".join(pieces[i] for i in slim[name]["state"][text])
            assert whole == model["state"][text]
    common = (ROOT / "diffusion_math" / "explore" / "common.js").read_text(encoding="utf-8")
    line = max(common.splitlines(), key=len).strip()
    whole = json.dumps(line, ensure_ascii=False)[1:-1].replace("</", "<\\/")
    assert page.count(whole) == 1
    one = {"a": {"state": {"_esm": "x"}}}
    assert _pieces(one) == ({"a": {"state": {"_esm": [0]}}}, ["x"]) and _pieces({}) == ({}, [])


def test_every_widget_of_a_chapter_has_its_place(page):
    shown = sum(
        "widget-view+json" in str(output) for cell in cells() for output in cell.get("outputs", ())
    )
    assert (
        page.count('<div data-widget="') == shown >= 3
        and "widget-view+json" not in page.split("<script id=")[0]
    )


def test_links_to_chapters_lead_to_their_pages(page):
    assert 'href="02_gaussians.html"' in page and not re.search(
        r'href="(?!https?:)[^"]*\.ipynb"', page
    )


@pytest.mark.parametrize(
    "text, left",
    [
        ("a $x_t$ and $$y$$", "a mark0x and mark1x"),
        ("`$HOME` and ```\n$$x$$\n```", "`$HOME` and ```\n$$x$$\n```"),
        (r"costs 3 \$ or 4 \$", r"costs 3 \$ or 4 \$"),
        ("| $a_1$ | $b_1$ |", "| mark0x | mark1x |"),
    ],
)
def test_what_is_a_formula(text, left):
    assert _take_out(text, [], "mark") == left


def test_a_formula_that_cannot_be_set_is_shown_as_it_is():
    set_ = Typesetter()
    block = _set(r"\sqrt{\bar\alpha_t}\,x_0 \tag{3.9}", True, set_)
    assert block.startswith('<span class="equation"><span class="formula"><svg')
    assert block.endswith('</span><span class="number">(3.9)</span></span>')
    assert "<msqrt>" in block and "tag" not in block
    assert _set("x < y", False, set_).count("<math") == 1
    assert _set(r"\frac<", False, set_) == r"<code>\frac&lt;</code>"


def test_what_stands_in_a_fold_stays_in_it(tmp_path, written):
    text = "<details><summary>How far?</summary>\n\nTwice $x$.\n\n</details>\n\nAfter it."
    (tmp_path / "a.ipynb").write_text(notebook("# A", text))
    page = write_page(tmp_path / "a.ipynb").read_text()
    inside = (
        r"<details><summary>How far\?</summary>\s*<p>Twice <span.*?</p>\s*</details>\s*<p>After"
    )
    assert re.search(inside, page, re.S)
    front = written("index").read_text(encoding="utf-8")
    folds = re.findall(r"<details><summary>.*?</summary>(.*?)</details>", front, re.S)
    assert len(folds) > 5
    shown = "<p>", "<ul>", "<table>", "<pre>"
    assert all(any(tag in fold for tag in shown) for fold in folds)


def test_code_that_is_folded_in_jupyterlab_is_folded_on_a_page(tmp_path):
    def code(source, hidden):
        metadata = {"jupyter": {"source_hidden": True}} if hidden else {}
        out = {"output_type": "stream", "name": "stdout", "text": f"said by {source[:3]}\n"}
        return {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": metadata,
            "outputs": [out],
            "source": source,
        }

    cells = [code("one = '$a$ | b'", True), code("two = 2", False)]
    file = tmp_path / "a.ipynb"
    file.write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
    )
    page = write_page(file).read_text()
    inside = re.findall(r"<details><summary>code</summary>(.+?)</details>", page, re.S)
    assert len(inside) == 1 and "one" in inside[0]
    words = re.sub(r"<[^>]+>", "", page.split("<main>")[1].split("</main>")[0])
    assert page.count("<details><summary>code</summary>") == 1
    for said in ("one = '$a$ | b'", "two = 2", "said by one", "said by two"):
        assert words.count(said) == 1, said
    assert words.index("one =") < words.index("said by one") < words.index("two =")


def test_a_proof_is_folded_under_the_marks_that_it_printed(tmp_path):
    out = {"output_type": "stream", "name": "stdout", "text": "✓ (2.6), <b>: to 2e-16\n✓ exactly\n"}
    picture = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": "a picture"}}
    cell = {"cell_type": "code", "execution_count": 1, "source": "agree(1, 1)"}
    cell["metadata"] = {"jupyter": {"source_hidden": True}, "tags": ["proof"]}
    cell["outputs"] = [out, picture]
    file = tmp_path / "a.ipynb"
    file.write_text(
        json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
    )
    body = write_page(file).read_text(encoding="utf-8").split("<main>")[1].split("</main>")[0]
    (summary, inside), *more = re.findall(
        r'<details class="proof"><summary>(.+?)</summary>(.+?)</details>', body, re.S
    )
    assert re.findall(r'<span class="mark">(.+?)</span>', summary) == [
        "✓ (2.6), &lt;b&gt;: to 2e-16",
        "✓ exactly",
    ]
    assert not more and "agree" in inside and body.count("exactly") == body.count("a picture") == 1
    assert proof_marks(cell | {"metadata": {}}) == []


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
    assert "<img" not in page
    view["data"] |= {"image/png": "iVBORw0K\n", "text/plain": "<a> & b"}
    file.write_text(notebook("# Title", metadata={"widgets": kinds}, outputs=[view]))
    still = (
        '<img alt="&lt;a&gt; &amp; b" src="data:image/png;base64,iVBORw0K"><p class="no-widget">'
    )
    assert still in write_page(file).read_text()


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


def test_the_weights_of_a_network_stand_once_in_a_page_that_asks_it(written):
    "The front page has two explorables that ask the same network; a page whose widgets ask none has none."
    front = written("index").read_text(encoding="utf-8")
    found = re.findall(
        r'<script id="dm-network-(\w+)" type="text/plain">([A-Za-z0-9+/=]+)</script>', front
    )
    assert [name for name, _ in found] == ["ddpm_mnist"]
    assert base64.b64decode(found[0][1]) == network_bytes("ddpm_mnist")
    assert front.count('"_network": "ddpm_mnist"') >= 2
    assert "dm-network-" not in written("02_gaussians").read_text(encoding="utf-8")


def test_a_network_that_does_not_ship_is_not_looked_for():
    states = {
        k: {"state": {"_network": name}}
        for k, name in enumerate(("", "../../secret", "ddpm_mnist"))
    }
    assert _networks(states) == ["../../secret", "ddpm_mnist"]
    assert _weights("../../secret") == "" and _weights("ddpm_mnist").count("<script") == 1
