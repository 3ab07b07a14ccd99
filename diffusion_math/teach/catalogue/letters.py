"The exercises of chapter 19: the chances of a hidden letter, and the weight of a masked loss."

import math

import torch
from torch import Tensor

from .exercise import Draws, Exercise, add

__all__ = []


def hidden_chances(words, p, x, seen):
    fits = ((words == x) | (seen == 0)).all(1)
    return (p * fits) @ words / (p * fits).sum()


def _some_words(d: Draws) -> dict:
    "Words that differ, their chances, one of them, and what is seen of it: a letter at least, not all."
    n, length = (3, 3) if d.small else (d.whole(5, 7), 4)
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=d.dtype)] * length)
    words = every[torch.randperm(len(every), generator=d.generator)[:n]]
    seen = torch.zeros(length, dtype=d.dtype)
    seen[torch.randperm(length, generator=d.generator)[: d.whole(1, length - 2)]] = 1
    return {"words": words, "p": d.shares(n), "x": words[d.whole(0, n - 1)], "seen": seen}


def _weights(words: Tensor, p: Tensor, x: Tensor, seen: Tensor) -> Tensor:
    return p * ((words == x) | (seen == 0)).all(1)


add(Exercise("19.a", "the chances of a hidden letter", hidden_chances, _some_words,
    hints=("Which of the words can it be? Their chances are all that is left of p; what must they add up to?",
           "Keep p where (words == x) | (seen == 0) holds at every place, divide by what is left, and average the words: "
           "kept @ words / kept.sum()."),
    edges=(("Nothing seen: the mean of all words.", lambda a: a | {"seen": 0 * a["seen"]}),
           ("All seen: the word itself.", lambda a: a | {"seen": 0 * a["seen"] + 1}))),
    ("You counted hidden letters as shown: a word fits if it agrees with x where seen is 1.",
     lambda w, p, x, s: _weights(w, p, x * s, 0 * s + 1) @ w / _weights(w, p, x * s, 0 * s + 1).sum(),
     lambda w, p, x, s: _weights(w, p, x, 0 * s + 1) @ w / _weights(w, p, x, 0 * s + 1).sum()),
    ("Those are joint chances, of what is shown and of a 1. Divide by the chance of what is shown.",
     lambda w, p, x, s: _weights(w, p, x, s) @ w),
    ("You left p out: the words that fit are not equally likely.",
     lambda w, p, x, s: _weights(w, 0 * p + 1, x, s) @ w / _weights(w, 0 * p + 1, x, s).sum()),
    ("What is shown does not count in your answer: that is the mean of all words.",
     lambda w, p, x, s: p @ w),
    ("You kept the words that disagree with what is shown.",
     lambda w, p, x, s: (p - _weights(w, p, x, s)) @ w / (p - _weights(w, p, x, s)).sum(),
     lambda w, p, x, s: _weights(w, p, 1 - x, s) @ w / _weights(w, p, 1 - x, s).sum()),
)  # fmt: skip


def masked_bits(chance, seen, t):
    return -(torch.log2(chance) * (1 - seen)).sum(1) / t / chance.shape[1]


def _masked(d: Draws) -> dict:
    b, length = (1, 3) if d.small else (d.whole(2, 4), d.whole(4, 6))
    seen = (torch.rand(b, length, generator=d.generator) < 0.5).to(d.dtype)
    seen[:, 0], seen[:, 1] = 0, 1
    return {"chance": d.between(0.1, 0.9, b, length), "seen": seen, "t": d.between(0.2, 0.9, b)}


def _nats(c: Tensor, s: Tensor) -> Tensor:
    return -(c.log() * (1 - s)).sum(1)


add(Exercise("19.b", "one draw of the masked bound", masked_bits, _masked,
    hints=("Which letters are bet on, and what stands before the sum in (19.0)? And how many nats are a bit?",
           "-log2 of the chances, summed where seen is 0, over t, over the number of letters of a word."),
    edges=(("Where all is shown nothing is paid.", lambda a: a | {"seen": 0 * a["seen"] + 1}),
           ("With all hidden at t = 1: the mean of -log2.", lambda a: a | {"seen": 0 * a["seen"], "t": 0 * a["t"] + 1}))),
    ("The weight 1/t is missing. Without it the loss is no bound.",
     lambda c, s, t: _nats(c, s) / math.log(2) / c.shape[1]),
    ("You divided by the number of hidden letters. (19.0) divides by t, and a letter's share of it by all letters.",
     lambda c, s, t: _nats(c, s) / math.log(2) / (1 - s).sum(1).clamp(min=1),
     lambda c, s, t: _nats(c, s) / math.log(2) / (1 - s).sum(1).clamp(min=1) / t),
    ("Those are nats. Bits take the logarithm of base 2.",
     lambda c, s, t: _nats(c, s) / t / c.shape[1]),
    ("You counted the letters that are shown. They cost nothing: only hidden ones are bet on.",
     lambda c, s, t: _nats(c, 0 * s) / math.log(2) / t / c.shape[1],
     lambda c, s, t: _nats(c, 1 - s) / math.log(2) / t / c.shape[1]),
    ("That is for a word. Divide by its number of letters.",
     lambda c, s, t: _nats(c, s) / math.log(2) / t),
    ("The share that is hidden is t. You divided by the share that is shown.",
     lambda c, s, t: _nats(c, s) / math.log(2) / (1 - t) / c.shape[1]),
)  # fmt: skip
