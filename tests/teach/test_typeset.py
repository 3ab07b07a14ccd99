"Formulas as pictures: all of the course are set, the right signs stand in them, and nothing in them runs."

import json
import re
from xml.etree import ElementTree

import pytest

from diffusion_math.teach import typeset
from diffusion_math.teach.pages import _NUMBER, _take_out
from diffusion_math.teach.typeset import Typesetter
from tests.lab import ROOT


@pytest.fixture(scope="module")
def typesetter():
    return Typesetter()


def words(typesetter, tex, display=False):
    "What a screen reader reads."
    made = typesetter.formula(tex, display)
    return "".join(
        ElementTree.fromstring(made[made.index("<math") :].removesuffix("</span>")).itertext()
    )


def test_every_formula_of_the_course_is_set(typesetter):
    kept = []
    for path in sorted((ROOT / "nbs").rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for cell in cells:
            shown = [output.get("data", {}) for output in cell.get("outputs", ())]
            texts = [data.get("text/markdown", "") for data in shown]
            texts += [cell["source"]] if cell["cell_type"] == "markdown" else []
            for text in texts:
                _take_out("".join(text), kept, "")
    formulas = {(_NUMBER.sub("", tex).strip(), block) for tex, block in kept}
    assert len(formulas) > 500
    made = [typesetter.formula(*formula) for formula in sorted(formulas)]
    assert [html for html in made if "\\" in html] == []
    glyphs = re.findall(r'<path id="([^"]+)"', typesetter.glyphs())
    used = set(re.findall(r'href="#([^"]+)"', "".join(made)))
    assert len(glyphs) == len(set(glyphs)) and used <= set(glyphs)


@pytest.mark.parametrize(
    "tex, said",
    [
        (r"q \,\|\, p", "q\u2016p"),
        (r"q \,\big\|\, p", "q\u2016p"),
        (r"\arg\max_\theta f", "arg\u2061max\u03b8f"),
        (r"\log p", "log\u2061p"),
        (r"a \mid b", "a\u2223b"),
        (r"\text{a < b \& c}", "a < b & c"),
    ],
)
def test_what_a_formula_says(typesetter, tex, said):
    assert words(typesetter, tex).replace("\xa0", " ") == said


def test_fancy_letters_are_fancy(typesetter):
    plain, script = (typesetter.formula(tex) for tex in ("N", r"\mathcal N"))
    assert "#MJX-TEX-I-1D441" in plain and "#MJX-TEX-C-4E" in script
    assert "1D53C" in typesetter.formula(r"\mathbb E")
    assert (
        'mathvariant="script"' in script or "\U0001d4a9" in script or "tex-calligraphic" in script
    )


def test_a_function_keeps_its_distance(typesetter):
    "The picture of log p is wider than those of its parts side by side, by a sixth of an em."

    def width(tex):
        return float(re.search(r'viewBox="0 \S+ (\S+) ', typesetter.formula(tex))[1])

    assert width(r"\log p") - width(r"\log") - width("p") == pytest.approx(1000 / 6, abs=1)


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac",
        r"\nosuch",
        "{",
        r"\def\a{\a}\a",
        "{" * 3000 + "}" * 3000,
        r"\href{javascript:f()}{x}",
    ],
)
def test_what_tex_does_not_know_is_an_error(typesetter, tex):
    with pytest.raises(ValueError, match="MathJax cannot set"):
        typesetter.formula(tex)
    assert typesetter.formula("x") == typesetter.formula("x")


def test_text_in_a_formula_is_text(typesetter):
    made = typesetter.formula(r'\text{</svg></math><script>f()</script><img onerror="f()">}')
    assert "<script" not in made and "<img" not in made and made.count("</svg>") == 1
    ElementTree.fromstring(made)


@pytest.mark.parametrize(
    "defines",
    [r"\def\mine{x}", r"\newcommand\mine{x}", r"\DeclareMathOperator\mine{x}", r"\let\mine=x"],
)
def test_a_page_s_formulas_do_not_meet_another_page_s(defines):
    first, second = Typesetter(), Typesetter()
    first.formula(defines + r"\mine")
    assert "x</mi>" in first.formula(r"\mine")
    for _ in range(2):
        with pytest.raises(ValueError, match="mine"):
            second.formula(r"\mine")
    assert second.glyphs() == '<svg class="glyphs" aria-hidden="true"><defs></defs></svg>'


def test_what_one_page_has_set_the_next_has_at_once(monkeypatch):
    "And it gets the glyphs of its own formulas, no others."
    first, second = Typesetter(), Typesetter()
    made = first.formula(r"\mu + \sigma")
    first.formula(r"\xi")
    monkeypatch.setattr(typeset, "_Engine", None)
    monkeypatch.setattr(typeset, "_THREADS", None)
    assert second.formula(r"\mu + \sigma") == made
    glyphs = re.findall(r'<path id="([^"]+)"', second.glyphs())
    assert sorted(glyphs) == sorted(set(re.findall(r'href="#([^"]+)"', made)))
    assert len(glyphs) == 3


def test_a_picture_is_for_the_eye_and_mathml_for_the_ear(typesetter):
    made = ElementTree.fromstring(typesetter.formula(r"\frac12"))
    picture, said = made
    assert picture.attrib["aria-hidden"] == "true" and said.tag == "math"
    assert not re.search(r"data-|xmlns|xlink", ElementTree.tostring(made, encoding="unicode"))
