"What a chapter owes its reader besides the text: exercises, questions, and the path of pictures alone."

import ast
import base64
import json
import re
from io import BytesIO

import pytest
from PIL import Image, ImageChops, ImageStat

from diffusion_math.teach.catalogue import CATALOGUE, Draws
from tests import minutes

from .conftest import NAMES, NBS, read

CHAPTERS = [name for name in NAMES if re.match(r"(0[1-9]|1\d)_", name)]
NUMBERED = sorted(
    (name for name in NAMES if name[0].isdigit()), key=lambda name: name.replace("_", " ")
)
EXERCISES = [(name, cell) for name in CHAPTERS for cell in read(name).code
             if "exercise" in cell["metadata"].get("tags", ())]  # fmt: skip
TWO_SITTINGS = "03 05 07 08 09 12 16".split()  # each is still longer than one sitting
PATH = re.compile(r"\*Pictures only:\* ((?:\d+\.\d+(?:, )?)+) \(about (\d+) minutes\)\.")


def parts(source: str) -> tuple[ast.FunctionDef, str, str]:
    "An exercise cell's function, and the two arguments of its check."
    stub, call = ast.parse(source).body
    assert isinstance(stub, ast.FunctionDef) and call.value.func.id == "check"
    name, f = call.value.args
    return stub, name.value, f.id


@pytest.mark.parametrize("course_chapter", CHAPTERS)
def test_a_chapter_has_its_exercises(course_chapter):
    names = [parts(cell["source"])[1] for name, cell in EXERCISES if name == course_chapter]
    assert (
        names
        == [name for name in CATALOGUE if name.partition(".")[0] == str(int(course_chapter[:2]))]
        and len(names) >= 2
    )


def test_every_exercise_stands_in_a_chapter():
    assert len(CHAPTERS) >= 8
    assert [parts(cell["source"])[1] for _, cell in EXERCISES] == list(CATALOGUE)


@pytest.mark.parametrize(
    "course_chapter, cell", EXERCISES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_exercise_is_a_stub_that_nothing_needs(course_chapter, cell):
    stub, name, called = parts(cell["source"])
    assert called == stub.name and stub.name.startswith("my_")
    assert ast.get_docstring(stub) and [ast.unparse(node) for node in stub.body[1:]] == ["..."]
    assert [a.arg for a in stub.args.args] == list(CATALOGUE[name].draw(Draws(0)))
    assert not re.search(r"^#\|", cell["source"], re.M)
    (output,) = cell["outputs"]
    assert "".join(output["text"]) == (
        f'{name}  not tried yet: fill in {stub.name} and run the cell again. hint("{name}") helps.\n'
    )
    others = [c["source"] for c in read(course_chapter).code if c["id"] != cell["id"]]
    assert not [source for source in others if re.search(rf"\b{stub.name}\b", source)]


@pytest.mark.parametrize("course_chapter", CHAPTERS)
def test_an_exercise_stands_before_its_answer(course_chapter):
    "Its text comes right before it, and it comes before the cells that the package keeps."
    cells = read(course_chapter).cells
    places = [i for i, cell in enumerate(cells) if "exercise" in cell["metadata"].get("tags", ())]
    for i in places:
        name = parts(cells[i]["source"])[1]
        assert f"**Your turn, {name}.**" in cells[i - 1]["source"]
    keeps = [i for i, c in enumerate(cells) if "## The source" in c["source"]]
    assert bool(keeps) == (course_chapter[:2] != "08")
    assert not keeps or max(places) < keeps[0]


@pytest.mark.parametrize("course_chapter", NUMBERED)
def test_a_chapter_ends_with_three_questions_whose_answers_are_folded(course_chapter):
    text = "\n".join(cell["source"] for cell in read(course_chapter).markdown)
    (end,) = re.findall(r"(?ms)^## Three questions\n(.*?)(?=^## )", text)
    folded = re.findall(r"<details><summary>(.+?\?.*?)</summary>\n\n(.+?)\n</details>", end, re.S)
    assert len(folded) == 3 and end.count("<details>") == end.count("</details>") == 3
    assert all(question.strip() and answer.strip() for question, answer in folded)


def pictures(chapter: str) -> set[str]:
    "The sections of a chapter that show a picture."
    found, section = set(), ""
    for cell in read(chapter).cells:
        if cell["cell_type"] == "markdown":
            section = (re.findall(r"(?m)^## (\d+\.\d+)\b", cell["source"]) or [section])[-1]
        elif any(
            # a plot, or the stored picture of an explorable
            "<img " in "".join(data.get("text/html", "")) or "image/png" in data
            for data in (o.get("data", {}) for o in cell["outputs"])
        ):
            found.add(section)
    return found


@pytest.mark.parametrize("course_chapter", CHAPTERS)
def test_the_path_of_pictures_leads_to_pictures(course_chapter):
    (found,) = PATH.findall(read(course_chapter).cells[0]["source"])
    named = found[0].split(", ")
    assert len(named) >= 3 and set(named) <= pictures(course_chapter)


@pytest.mark.parametrize("numbered", NUMBERED)
def test_a_chapter_takes_the_minutes_that_it_says(numbered):
    "Counted by tests/minutes.py; one sitting, or two where it is named, with a resting place if it is a long one."
    first, needs = read(numbered).cells[0]["source"], minutes.of(NBS / numbered)
    assert re.search(rf"(?m)^About {needs.stated} minutes\b", first), needs
    assert needs.stated <= minutes.MOST or numbered[:2] in TWO_SITTINGS
    text = "\n".join(cell["source"] for cell in read(numbered).markdown)
    assert needs.stated <= 45 or "resting place" in first and "*A resting place.*" in text


def front() -> str:
    "What the front page says."
    return "\n".join(cell["source"] for cell in read("index.ipynb").markdown)


def spelt(sections: str) -> str:
    "Each section that is named, where a dash stands for those between: 2.2–2.4 is 2.2, 2.3, 2.4."

    def each(run: re.Match) -> str:
        chapter, first, last = run.groups()
        return ", ".join(f"{chapter}.{n}" for n in range(int(first), int(last) + 1))

    return re.sub(r"(\d+)\.(\d+)–\1\.(\d+)", each, sections)


def linked(path: str, chapter: str) -> str:
    "A path without its links, each of which leads to the section that it names (to its chapter, if a formula is in its name)."
    text = "\n".join(cell["source"] for cell in read(chapter).markdown)
    for section, place in re.findall(r"\[([^]]*)\]\(([^)]*)\)", path):
        (name,) = re.findall(rf"(?m)^## ({re.escape(section)} .*)$", text)
        assert place == (chapter if "$" in name else f"{chapter}#{name.replace(' ', '-')}")
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", path.strip())


def test_the_front_page_marks_both_paths():
    "Its tables, a Part each, say of each chapter what the chapter itself says."
    chapter = r"\[[^]]*\]\((\d\w+\.ipynb)\)(?: \(optional\))?(?:<br>after [^|]*)?"
    row = rf"(?m)^\| <img[^|]*> \| {chapter} \| [^|]+<br>[^|]+ \| ([^|]*)\| (\d+) \|$"
    rows = {
        name: (spelt(linked(path, name)), whole) for name, path, whole in re.findall(row, front())
    }
    assert list(rows) == NUMBERED
    for chapter, (path, whole) in rows.items():
        first = read(chapter).cells[0]["source"]
        says = [f"{sections}: {short}" for sections, short in PATH.findall(first)]
        assert says == ([path] if path else []) and (path or chapter not in CHAPTERS)
        assert re.search(rf"(?m)^About {whole} minutes\b", first)


def test_the_front_page_says_what_a_chapter_builds_on():
    "Earlier chapters, each of which its text refers to; beside it stands its own picture."
    row = r"(?m)^\| <img src=\"images/chapter_(\w+)\.png\"[^|]*\| [^|]*\]\((\w+?)_(\w+)\.ipynb\)[^|]*?(?:<br>after ([^|]*))? \|"
    rows = re.findall(row, front())
    order = [number for _, number, _, _ in rows]
    assert len(order) == len(NUMBERED) and order == [picture for picture, *_ in rows]
    for _, number, name, after in rows:
        text = "\n".join(cell["source"] for cell in read(f"{number}_{name}.ipynb").markdown)
        for one in filter(None, after.split(", ")):
            assert order.index(one.zfill(2)) < order.index(number)
            assert re.search(rf"[Cc]hapter {one}\b|\({one}\.\d+\w?\)|\({one.zfill(2)}_", text)


def in_minutes(hours: str) -> int:
    "Minutes of hours that may end in a half."
    return 60 * int(hours.rstrip("½")) + 30 * hours.endswith("½")


def test_the_front_page_adds_up():
    "Its hours are the sums of its minutes, to a quarter of an hour."
    text = front()
    rows = re.findall(r"(?m)^\| <img[^|]*> \| \[[^]]*\]\((\d+)(b?)_.*\| (\d+) \|$", text)
    sums = dict.fromkeys(("I", "II", "III", "optional"), 0)
    for number, b, whole in rows:
        part = "I" if int(number) < 9 else "II" if int(number) < 16 else "III"
        sums["optional" if b else part] += int(whole) if int(number) else 0
    said = r"about ([\d½]+) hours; ([\d½]+) for Part II, ([\d½]+) for Part III, ([\d½]+) for all that is optional"
    (hours,) = re.findall(said, text)
    assert all(
        abs(in_minutes(h) - whole) <= 15 for h, whole in zip(hours, sums.values(), strict=True)
    ), sums
    looked = [int(n) for n in re.findall(r"(?m): (\d+) \| \d+ \|$", text)]
    assert f"{sum(looked)} minutes in all" in text
    (in_all,) = re.findall(r"([\d½]+) hours in all", text)
    assert abs(in_minutes(in_all) - sum(sums.values())) <= 15, sums
    (readme,) = re.findall(r"about (\d+) hours to read", (NBS.parent / "README.md").read_text())
    assert abs(60 * int(readme) - sum(sums.values())) <= 30, sums


def test_the_twelve_weeks_add_up():
    "Each chapter that is not optional once, in order, after the hour; its minutes; and all the exercises by name."
    weeks = re.findall(r"(?m)^\| (\d+) \| ([\d, ]+) \| (\d+) \| (.*) \|$", front())
    assert [int(week) for week, *_ in weeks] == list(range(1, 13))
    taught = [f"{int(n):02}" for _, chapters, *_ in weeks for n in chapters.split(", ")]
    assert taught == ["00"] + [name[:2] for name in CHAPTERS]
    for _, chapters, whole, named in weeks:
        own = chapters.split(", ")
        names = [c for n in own for c in NUMBERED if c.startswith(f"{int(n):02}_")]
        assert sum(minutes.of(NBS / name).stated for name in names) == int(whole)
        asked = [f"{e} {x.title}" for e, x in CATALOGUE.items() if e.split(".")[0] in own]
        assert named.split("<br>") == asked
    assert sum(named.count("<br>") + 1 for *_, named in weeks) == len(CATALOGUE)


def test_the_engineers_path_adds_up():
    "Its minutes are those of the sections that it names, to a few; and their sum is what it says."
    lines = re.findall(r"(?m)^  - .*\]\((\d\w+\.ipynb)\), (.*): (\d+) minutes( more)?$", front())
    assert len(lines) > 8
    for name, sections, said, _ in lines:
        named, section, needs = spelt(sections).split(", "), "", 0.0
        for cell in minutes.read(json.loads((NBS / name).read_text(encoding="utf-8"))["cells"]):
            parts = re.split(r"(?m)^(?=## )", "".join(cell["source"]))
            for part in parts if cell["cell_type"] == "markdown" else [None]:
                if part and (heading := re.match(r"## (\S+)", part)):
                    section = heading[1]
                if sections.startswith("all of") or section in named:
                    needs += minutes.effort(
                        cell if part is None else cell | {"source": part}
                    ).minutes
        assert abs(needs - int(said)) < 7, (name, needs)
    assert abs(sum(int(said) for *_, said, more in lines if not more) - 300) <= 30
    assert "about five hours" in front()


def test_each_paper_of_the_front_page_is_one_of_a_chapter():
    papers = set(re.findall(r"arXiv (\d{4}\.\d{5})", front()))
    known = {n for name in NUMBERED for cell in read(name).markdown
             for n in re.findall(r"arXiv (\d{4}\.\d{5})", cell["source"])}  # fmt: skip
    assert len(papers) > 10 and papers <= known


def test_the_front_page_has_the_map_of_chapter_8():
    "images/map.png is the picture that chapter 8 draws."
    stored = (
        o.get("data", {}).get("text/html", "")
        for c in read("08_recap.ipynb").code
        for o in c["outputs"]
    )
    found = re.search(
        r'base64,([^"]+)"',
        next("".join(html) for html in stored if "The road. A dataset" in "".join(html)),
    )
    drawn, kept = (
        Image.open(file).convert("L").resize((480, 370))
        for file in (BytesIO(base64.b64decode(found[1])), NBS / "images" / "map.png")
    )
    assert ImageStat.Stat(ImageChops.difference(drawn, kept)).mean[0] < 2


def test_the_front_page_shows_an_untouched_course():
    cells = json.loads((NBS / "index.ipynb").read_text())["cells"]
    (shown,) = [
        c for c in cells if c["cell_type"] == "code" and "progress()" in "".join(c["source"])
    ]
    text = "".join("".join(output["data"]["text/markdown"]) for output in shown["outputs"])
    assert f"0 of {len(CATALOGUE)} passed" in text and text.count("not tried") == len(CATALOGUE)


def test_the_table_of_formulas_leads_to_them():
    "Each of its numbers is that of an equation in the section that its line leads to."
    found = re.findall(r"(?m)^\| .* \[§([\w.]+)\]\((\w+\.ipynb)#([^)]+)\)([^|]*) \| `", front())
    assert len(found) > 30
    for section, name, anchor, numbers in found:
        text = "\n".join(cell["source"] for cell in read(name).markdown)
        (part,) = re.findall(rf"(?ms)^## {re.escape(section)} .*?(?=^## |\Z)", text)
        assert part.partition("\n")[0].removeprefix("## ").replace(" ", "-") == anchor
        # a chapter's main equation stands at its top, too
        tags = re.findall(r"\\tag\{([^}]*)\}", read(name).cells[0]["source"] + part)
        assert {*re.findall(r"\((\d+\.\d+\w?)\)", numbers)} <= {*tags}, (section, numbers)


def test_the_front_page_leads_everywhere():
    "To each chapter and to each page of the workshop."
    text = front()
    assert {*re.findall(r"\]\(([\w/]+\.ipynb)\)", text)} == {*NAMES} - {"index.ipynb"}
