"A word of blanks: its chances are the law's, and it refuses what it cannot show."

import pytest
import torch

from diffusion_math.explore.blanks import TWO, BlanksExplorer
from diffusion_math.letters import MarkovLaw, one_hot, prose


def test_the_chances_are_the_law_s():
    ours = BlanksExplorer(word="the_____________")
    law = MarkovLaw.fit(prose(), 16)
    assert torch.equal(ours.chances, law.denoise(one_hot([ours.word]))[0])
    ours.word = "_" * 16
    assert torch.allclose(ours.chances, law.start.sum(1).expand(16, 27), atol=1e-12)


def test_one_letter_says_all_of_two_sentences():
    ours = BlanksExplorer(law="two sentences")
    assert ours.chances[:, 1:3].eq(0.5).all()
    ours.word = "_" * 15 + "a"
    assert torch.equal(ours.chances, one_hot([TWO[1]])[0])
    ours.word = "aa" + "_" * 14
    assert torch.allclose(ours.chances, torch.full((16, 27), 1 / 27).double())


@pytest.mark.parametrize(
    "name, value",
    [("word", "abc"), ("word", "A" * 16), ("place", 16), ("place", -1), ("each", 0), ("each", 17), ("law", "x")],
)  # fmt: skip
def test_a_trait_out_of_range(name, value):
    ours = BlanksExplorer()
    with pytest.raises(ValueError, match=f"{name} must"):
        setattr(ours, name, value)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "given, error, words",
    [
        (dict(sentences=("ab", "ba")), ValueError, "sentences must be two texts of 16"),
        (dict(sentences=TWO[:1]), ValueError, "sentences must be two texts of 16"),
        (dict(sentences=3), TypeError, "sentences must be a list"),
        (dict(word=3), TypeError, "word"),
        (dict(place=0.5), TypeError, "place"),
        (dict(law=3), TypeError, "law"),
    ],
)
def test_what_does_not_fit(given, error, words):
    with pytest.raises(error, match=words):
        BlanksExplorer(**given)
