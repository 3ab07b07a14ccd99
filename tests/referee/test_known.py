"The list of what is known: every judge is on it, and each name stands once under its judge."

import re
from collections import Counter

from diffusion_math import referee


def test_every_judge_is_on_the_list_and_each_slip_once():
    known = referee.known()
    judges = set(referee.__all__) - {"Verdict", "known", "known_steps"}
    assert set(known) == judges
    for rows in known.values():
        assert all(n == 1 for n in Counter(row.name for row in rows).values())
        assert all(row.says.endswith(".") for row in rows)


def test_slips_come_from_threads():
    rows = [row for slips in referee.known().values() for row in slips]
    threads = {word for row in rows for word in row.seen.split(", ") if word}
    assert len(rows) >= 40 and len(threads) >= 15
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", word) for word in threads)


def test_right_steps_have_names():
    assert "Heun's step, EDM's algorithm 1" in referee.known_steps()
