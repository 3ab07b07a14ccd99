"A verdict: true or false, a text, HTML that is safe, and a comparison that says nothing which it has not seen."

import math
from functools import partial

import pytest
import torch

from diffusion_math.referee.verdict import (
    Case,
    NoAnswer,
    Slip,
    Verdict,
    as_numbers,
    ask,
    compare,
    digits_of,
    gap,
    habits,
    judge,
)

X = torch.tensor([2.0, 3.0], dtype=torch.float64)
CASES = [Case((X,), {"x": X}), Case((X + 1,), {"x": X + 1})]
SLIPS = (
    Slip("a product for a sum", "Add.", (lambda x: x.prod(),)),
    Slip("twice the sum", "Once.", (lambda x: 2 * x.sum(), lambda x: x.sum() + x.sum())),
)


def verdict(f, cases=CASES):
    def asked(seed=0):
        return [as_numbers(ask(f, case.args, seed)) for case in cases]

    return judge("sum", asked(), cases, lambda x: x.sum(), SLIPS, "(0.1)", lambda: asked(1))


def test_right_says_how_right():
    said = verdict(lambda x: x[0] + x[1])
    assert (
        said
        and said.right
        and said.error == 0
        and str(said).startswith("sum: right to the last bit")
    )
    said = verdict(lambda x: x.sum() * (1 + 3e-7))
    assert said and said.error == pytest.approx(3e-7, rel=1e-6) and "3.0e-07" in str(said)


def test_a_slip_is_named_with_how_closely_it_is_met():
    said = verdict(lambda x: x.prod())
    assert not said and said.slip == "a product for a sum" and said.cure == "Add."
    assert said.error == pytest.approx(max(1 / 5, 5 / 7))
    assert 'equals the slip "a product for a sum" to the last bit' in str(said) and "Add." in str(
        said
    )
    assert verdict(lambda x: 2.0 * x[0] + 2.0 * x[1]).slip == "twice the sum"


def test_what_nobody_knows_is_said_to_be_unknown():
    said = verdict(lambda x: x[0] - x[1])
    assert not said and not said.slip and "no slip that the referee knows explains it" in str(said)
    assert not verdict(lambda x: x * math.nan) and not verdict(lambda x: x.sum() + 1e-3)


def test_a_slip_in_one_case_alone_is_not_that_slip():
    said = verdict(lambda x: x.prod() if x[0] == 2 else x.sum())
    assert not said and said.slip == ""


def test_dice_inside_are_told_from_a_wrong_formula():
    said = verdict(lambda x: x.sum() + torch.randn(()))
    assert said.slip == "noise drawn inside"


def test_whatever_the_code_raises_is_one_line():
    with pytest.raises(NoAnswer, match="^it raised ZeroDivisionError: division by zero$"):
        ask(lambda x: 1 / 0, (X,))
    with pytest.raises(NoAnswer, match="returned a str"):
        as_numbers("no")


def test_asking_changes_nothing():
    state, x = torch.get_rng_state(), X.clone()
    ask(lambda y: y.zero_().add_(torch.randn(2)), (x,), keeps=False)
    assert torch.equal(x, X) and torch.equal(torch.get_rng_state(), state)
    assert torch.equal(ask(lambda x: torch.randn(2), (x,)), ask(lambda x: torch.randn(2), (x,)))
    assert not torch.equal(
        ask(lambda x: torch.randn(2), (x,)), ask(lambda x: torch.randn(2), (x,), 1)
    )


def test_what_is_overwritten_is_seen():
    for f in (lambda y: y.mul_(2), lambda y: y.resize_(1), lambda y: y.add_(1).sub(1)):
        with pytest.raises(NoAnswer, match="changed argument 1 of 1") as error:
            ask(f, (X,))
        assert error.value.slip == "its input is overwritten" and error.value.cure
    assert torch.equal(X, torch.tensor([2.0, 3.0], dtype=torch.float64))


def test_a_generator_is_handed_to_whoever_takes_one_and_must_be_used():
    own = lambda x, generator: torch.randn(2, generator=generator)
    partly = partial(lambda w, x, generator=None: w * torch.randn(2, generator=generator), 2)
    for f in (own, partly):
        assert torch.equal(ask(f, (X,), 3), ask(f, (X,), 3))
        assert not torch.equal(ask(f, (X,), 3), ask(f, (X,), 4))
    for f in (
        lambda x, generator: torch.randn(2),
        lambda x, generator: own(x, generator) + torch.rand(()),
    ):
        with pytest.raises(NoAnswer, match="drew from torch's own generator") as error:
            ask(f, (X,))
        assert error.value.slip == "the generator is not used" and error.value.cure
    assert ask(lambda x, generator: x.sum(), (X,)) == 5 and ask(max, (X,)) == 3


def test_kinds_of_number_are_noted_and_what_is_not_finite_is_counted():
    single = Case((X.float(),), {"x": X})
    assert habits([X.float()], [single]) == () and habits([3.0], [single]) == ()
    assert habits([X.float(), X], [single, single]) == (
        "It returns float64 where float32 was handed in.",
    )
    said = judge("sum", [X / 0, X], [*CASES], lambda x: x, SLIPS, "(0.1)")
    assert not said and "wrong: 2 of 4 numbers that came are not finite" in str(said)


def test_a_gap_is_taken_row_by_row():
    due = torch.tensor([[1.0, 2.0], [100.0, 10.0], [0.0, 0.0]])
    came = due.double() + torch.tensor([[0.0, 0.1], [1.0, 0.0], [0.3, 0.0]])
    assert gap(came, due).tolist() == pytest.approx([0.05, 0.01, 0.3])
    assert gap(came[:2], due).tolist() == [math.inf] and gap(came * math.nan, due)[0] == math.inf
    case = Case((), {"x": due}, torch.tensor([0.1, 0.1, 0.2]))
    assert compare([came], [case], lambda x: x) == (pytest.approx(0.3), False)


def test_html_is_escaped_and_says_what_the_text_says():
    said = Verdict("a<b>", False, "wrong & bad", cure="do <i>this</i>", notes=("one", "two"))
    html = said._repr_html_()
    assert "<i>" not in html and "a&lt;b&gt;" in html and "wrong &amp; bad" in html
    assert all(word in html for word in ("one", "two", "do "))
    assert str(said) == "a<b>: wrong & bad\n    one\n    two\n    do <i>this</i>"
    assert repr(said) == "a<b>: wrong & bad do <i>this</i>"


def test_check_hands_on_what_is_right_and_raises_all_of_what_is_wrong():
    right, wrong = (
        Verdict("x", True, "right."),
        Verdict("x", False, "wrong.", cure="mend it", notes=("a",)),
    )
    assert right.check() is right
    with pytest.raises(AssertionError) as error:
        wrong.check()
    assert str(error.value) == str(wrong) == "x: wrong.\n    a\n    mend it"


def test_code_that_calls_exit_ends_nothing():
    with pytest.raises(NoAnswer, match="called exit"):
        ask(lambda: exit(3), ())


def test_an_assertion_shows_it():
    with pytest.raises(AssertionError, match="a product for a sum"):
        assert verdict(torch.prod)


@pytest.mark.parametrize("error, text", [(0, "the last bit"), (3e-7, "3.0e-07"), (0.25, "0.25")])
def test_errors_are_written_shortly(error, text):
    assert digits_of(error) == text
