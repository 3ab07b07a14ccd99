"What is optional in a chapter does not count into its minutes."

from tests import minutes


def text(*lines):
    return {"cell_type": "markdown", "metadata": {}, "source": "\n".join(lines)}


def code(source):
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": []}


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
