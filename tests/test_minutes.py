"What a chapter asks of its reader is counted as it says, and what is optional is not."

import pytest

from tests import minutes
from tests.minutes import Effort


def text(*lines):
    return {"cell_type": "markdown", "metadata": {}, "source": "\n".join(lines)}


def code(source, hidden=False, **data):
    metadata = {"jupyter": {"source_hidden": True}} if hidden else {}
    outputs = [{"data": data}] if data else []
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": outputs}


@pytest.mark.parametrize(
    "source, words",
    [
        ("Three plain words.", 3),
        ("a formula $x_t = 3$ is one", 5),
        ("[two words](https://example.com/a-long-address), ![a picture](b.png)", 4),
        ("$$ a + b \\tag{1.1} $$", 0),
        ("| a | table |\n| --- | --- |", 2),
        ("<details><summary>Why?</summary>\n\nSo.\n</details>", 2),
    ],
)
def test_words_are_those_of_running_text(source, words):
    assert minutes.words(source) == words


def test_each_kind_has_its_pace():
    one = Effort(words=300, lines=12, equations=1, pictures=3)
    assert one.minutes == 2 + 1 + 1 + 2 and one.stated == 10
    assert Effort(words=750).stated == 5 and Effort(words=751).stated == 10


def test_a_cell_is_counted_by_what_it_shows():
    assert minutes.effort(text("See", "$$ x $$", "$$ y $$")) == Effort(words=1, equations=2)
    assert minutes.effort(code("#| export\na = 1\n\nb = 2")) == Effort(lines=2)
    assert minutes.effort(code("a = 1", True, **{"image/png": "x"})) == Effort(pictures=1)
    assert minutes.effort(code("a", **{"text/html": "<img src=x>"})) == Effort(lines=1, pictures=1)
    assert minutes.effort(code("a", **{"text/html": "<b>x</b>"})) == Effort(lines=1)
    view = "application/vnd.jupyter.widget-view+json"
    assert minutes.effort(code("a", **{view: {}, "image/png": "x"})).pictures == 1


def test_what_is_optional_and_the_source_do_not_count():
    one = text("# Title", "one")
    cells = [
        *(one, text("## Optional: more", "much more"), code("a = 1")),
        *(text("### Deeper", "still optional"), text("## Next", "two words")),
        *(text("## The source", "never"), code("b = 2")),
    ]
    read = list(minutes.read(cells))
    assert read == [cells[0], cells[4]]
    old = text("## The source, for the curious", "never")
    assert list(minutes.read([one, old])) == [one] and list(minutes.read([text("The source")]))
