"The notation card: no symbol of the chapters is missing, its code runs, and its sections decode."

import functools
import json
import re
from importlib import import_module

import pytest
import torch

import diffusion_math
from diffusion_math import DDPM, ForwardProcess, Gaussian, GaussianMixture, linear_schedule
from diffusion_math.teach.notation import _CHAPTERS, NOTATION, notation_card, notation_tables
from tests.lab import ROOT

NBS = ROOT / "nbs"
ENTRIES = [part for row in NOTATION for part in row.code.split(" ; ") if part]
GREEK = (
    r"alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|varphi|chi|psi"
    r"|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega"
)  # fmt: skip
MARKS = (
    rf"\\(?:bar|hat|tilde) ?\\?\w|\\(?:{GREEK})(?![a-z])|\\math(?:cal|bb) ?\w"
    r"|\\(?:square|triangle|nabla|int|sum|prod|sim|det)(?![a-z])"
)


def squeezed(latex: str) -> str:
    "LaTeX without the spaces and brackets that change nothing."
    latex = re.sub(r"\\text\{(.*?)\}", r"\1", latex.replace(r"\|", r"\Vert "))
    return re.sub(r"\\[,;!> ]|\\left|\\right|\\big+[lr]?|\\displaystyle|\s", "", latex)


@functools.cache
def markdown(name: str) -> str:
    cells = json.loads((NBS / f"{name}.ipynb").read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


@functools.cache
def sections(name: str) -> dict[str, str]:
    "A chapter's Markdown by the number of its section."
    parts = re.split(r"(?m)^## (\d+b?\.\d+)\b", markdown(name))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def here() -> list[str]:
    return [name for name in _CHAPTERS.values() if (NBS / f"{name}.ipynb").exists()]


@pytest.fixture(scope="module")
def objects():
    "What the card's code is about."
    x0 = torch.randn(5, 2, dtype=torch.float64)
    weights, means, covs = [0.4, 0.6], torch.randn(2, 2).double(), torch.tensor([0.1, 0.2]).double()
    mixture, q = GaussianMixture(weights, means, covs), ForwardProcess(linear_schedule(5))
    p = DDPM(mixture, q)
    x_t = q.marginal(x0, 3).sample()
    names = {name: getattr(diffusion_math, name) for name in diffusion_math.__all__}
    for name in ("laws.grid", "laws.linear"):  # which stand in the room from then on
        import_module(f"diffusion_math.{name}")
    names |= {
        name: import_module(f"diffusion_math.{name}")
        for name in (
            "area",
            "guidance",
            "inverse",
            "laws",
            "likelihood",
            "matching",
            "memory",
            "numerics",
            "sde",
            "slopes",
        )
    }
    return names | {
        "torch": torch, "x0": x0, "x_t": x_t, "t": 3, "log_snr": 1.0, "weights": weights, "means": means, "covs": covs,
        "mixture": mixture, "distribution": mixture, "mean": x0, "var": 0.3, "law": Gaussian(x0, 0.3), "q": q, "p": p,
        "schedule": q.schedule, "network": torch.nn.Linear(2, 2), "h": 0.1,
        "bound": diffusion_math.elbo(q, diffusion_math.ExactReverse(q, mixture), x0),
        "seen": torch.tensor([True, False]), "y": torch.tensor([0.3], dtype=torch.float64),
        "score": mixture.noised(1.0).score, "cond": GaussianMixture([1.0], means[:1], covs[:1]), "eps": torch.randn_like(x0),
    }  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES)
def test_its_code_runs(entry, objects):
    eval(entry, dict(objects))


def test_every_symbol_of_the_displayed_equations_is_on_the_card():
    known = " ".join(squeezed(row.symbol) for row in NOTATION)
    missing = {}
    for name in here():
        for equation in re.findall(r"\$\$(.*?)\$\$", markdown(name), re.S):
            for mark in re.findall(MARKS, equation):
                if squeezed(mark) not in known:
                    missing.setdefault(mark, re.search(r"\\tag\{(.*?)\}", equation).group(1))
    assert missing == {}, "each needs a row in diffusion_math/teach/notation.py"


@pytest.mark.parametrize("row", NOTATION, ids=lambda row: row.symbol)
def test_its_section_has_the_symbol(row):
    chapter = _CHAPTERS[row.first.split(".")[0]]
    text = squeezed(sections(chapter)[row.first])
    assert [symbol for symbol in row.symbol.split(" , ") if squeezed(symbol) not in text] == []


def test_no_earlier_section_reads_a_letter_aloud():
    'A Greek letter is read aloud as (β is "beta"): the card has it from there on, or from before.'
    order = list(_CHAPTERS)
    aloud, card = {}, {}
    for name in order[1:]:  # the hour tells the whole story once, before it is told slowly
        for section, text in sections(_CHAPTERS[name]).items():
            for letter in re.findall(
                r'"(?:capital )?([a-z]+)(?: (?:t|tilde|bar t|squared))?"', text
            ):
                if letter in GREEK.lower().split("|"):
                    aloud.setdefault(letter, section)

    def place(section):
        chapter, number = section.split(".")
        return order.index(chapter), int(number)

    for row in NOTATION:
        for letter in re.findall(rf"\\(?:var)?({GREEK})(?![a-z])", row.symbol):
            card.setdefault(letter.lower(), row.first)
    late = {k: (v, card[k]) for k, v in aloud.items() if place(card[k]) > place(v)}
    assert len(aloud) > 10 and late == {}


def test_the_rows_are_in_the_order_of_the_course():
    order = list(_CHAPTERS)
    places = [
        (order.index(row.first.split(".")[0]), int(row.first.split(".")[1])) for row in NOTATION
    ]
    assert places == sorted(places)
    assert len({row.symbol for row in NOTATION}) == len(NOTATION)
    assert all(row.say for row in NOTATION)


def test_it_shows_itself_as_a_table_and_as_text():
    card = notation_card()
    table = card._repr_markdown_()
    lines = [line for line in table.splitlines() if line.startswith("| $")]
    assert len(lines) == len(NOTATION)
    assert all(line.count(" | ") == 3 for line in lines)
    assert table.count("<details>") == table.count("</details>") == len(notation_tables()) == 5
    assert "| $\\beta_t$ | " in table and "[3.2](03_forward_process.ipynb) |" in table
    assert len(repr(card).splitlines()) == len(NOTATION)
    links = re.findall(r"\]\(([^)]+)\)", table)
    assert links and [link for link in links if not (NBS / link).exists()] == []


def test_the_front_page_shows_it():
    cells = json.loads((NBS / "index.ipynb").read_text())["cells"]
    (shown,) = [
        c for c in cells if c["cell_type"] == "code" and "notation_card()" in "".join(c["source"])
    ]
    (output,) = shown["outputs"]
    stored = "".join(output["data"]["text/markdown"])
    assert stored == notation_card()._repr_markdown_(), (
        "the front page's card is stale: run it again"
    )
