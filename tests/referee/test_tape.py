"A tape, and when a claim about a step is met: an error is measured against the length of the step, dice against dice."

import math

import pytest
import torch

from diffusion_math.referee.tape import Answer, Claim, Level, Tape, met, worst_of

F64 = torch.float64
HERE, THERE = Level(0.6, 0.8), Level(0.8, 0.6)


def drawn(n, seed, dtype=F64):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def pair(off=0.0, std=0.0, claimed=None, n=4096, same=True, of_x=0.0, length=1.0):
    "Two walks' claims on one step: what was seen is off by off and of_x x; the dice of both are the same, or not."
    claims = []
    for seed in (1, 2):
        x, eps = drawn(n, seed), drawn(n, seed + 10)
        mean = x + length * eps
        after = mean + off * eps + of_x * x + std * drawn(n, 5 if same else seed + 20)
        answer = Answer(HERE, x, eps)
        claims.append(
            Claim(x, after, (mean,), std if claimed is None else claimed, HERE, THERE, answer)
        )
    return claims


TAPE = Tape((drawn(3, 0),) * 2, (Answer(HERE, drawn(3, 0), drawn(3, 1)),), kind="sigma", unit=2e-16)


@pytest.mark.parametrize("std", [0.0, 0.3])
@pytest.mark.parametrize("off, fits", [(0.0, True), (1e-6, True), (1e-3, False), (0.1, False)])
def test_a_mean_is_right_or_off_however_loud_the_dice(std, off, fits):
    "The noise of both walks cancel, so that an error far below them shows."
    assert (met(*pair(off, std), TAPE) is not None) == fits


def test_an_error_counts_against_the_length_of_the_step():
    "5e-5 of x is nothing in a step as long as x, and an error in one of a hundredth."
    assert met(*pair(of_x=5e-5, length=10.0), TAPE) is not None
    assert met(*pair(of_x=5e-5, length=1e-2), TAPE) is None


@pytest.mark.parametrize("claimed", [0.29, 0.31, 0.0, 1.0])
def test_dice_of_another_deviation_are_seen(claimed):
    came = met(*pair(0.0, 0.3, claimed), TAPE)
    assert came is None or max(map(abs, came[1])) > (5 if claimed in (0.0, 1.0) else 2)


def test_dice_that_differ_between_the_walks_leave_the_standard_errors():
    size, errors = met(*pair(0.0, 0.3, same=False), TAPE)
    assert size == 0 and 0 < max(map(abs, errors)) < 4
    assert (
        met(*pair(0.3, 0.3, same=False), TAPE) is None
        or max(map(abs, met(*pair(0.3, 0.3, same=False), TAPE)[1])) > 20
    )


def test_of_several_means_the_one_that_is_met_counts():
    one, two = pair()
    wide = [
        c._replace(means=(c.means[0] + 1, c.means[0], c.means[0] * math.inf)) for c in (one, two)
    ]
    assert met(*wide, TAPE)[0] < 1e-12


def test_small_errors_in_many_steps_add_up():
    rows = [(0.0, [0.5, -0.5, 0.5, -0.5]), (0.0, [])] * 200
    assert list(worst_of(rows)) == pytest.approx([0.5 * 200**0.5] * 4)
    assert not list(worst_of([(0.0, [])]))


def test_levels():
    assert HERE.half == pytest.approx(math.log(0.75)) and HERE.size == pytest.approx(1.0)
    assert Level(1.0, 0.0).half == math.inf and Level(0.0, 1.0).half == -math.inf


def test_a_piece_of_a_tape_ends_where_the_next_call_was():
    levels = [Level(0.1 * k, 1.0) for k in (1, 2, 3)]
    answers = tuple(Answer(level, drawn(2, 0), drawn(2, 1)) for level in levels)
    whole = Tape(
        tuple(drawn(2, k) for k in range(4)), answers, table=tuple(levels), places=(0, 1, 2)
    )
    part = whole.cut(0, 1)
    assert len(part) == 2 and part.end == levels[2] and torch.equal(part.x[-1], whole.x[2])
    assert (
        whole.level(3) == Level(1.0, 0.0)
        and whole.near(1, 1) == levels[2]
        and whole.near(0, -1) == Level(1.0, 0.0)
    )
