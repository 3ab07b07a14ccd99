"A word of blanks: its chances are the law's."

import torch

from diffusion_math.explore.blanks import TWO, BlanksExplorer
from diffusion_math.letters import MarkovLaw, one_hot, prose


def test_the_chances_are_the_law_s():
    ours = BlanksExplorer(word="the_____________")
    law = MarkovLaw.fit(prose(), 16)
    assert torch.equal(ours.chances, law.denoise(one_hot([ours.word]))[0])
    ours.word = "_" * 16
    assert torch.allclose(ours.chances, law.start.sum(1).expand(16, 27), atol=1e-12, rtol=1e-12)


def test_one_letter_says_all_of_two_sentences():
    ours = BlanksExplorer(law="two sentences")
    assert ours.chances[:, 1:3].eq(0.5).all()
    ours.word = "_" * 15 + "a"
    assert torch.equal(ours.chances, one_hot([TWO[1]])[0])
    ours.word = "aa" + "_" * 14
    assert torch.allclose(ours.chances, torch.full((16, 27), 1 / 27).double())
