"The explorable of chapter 19: a word of blanks, and the chances of each letter."

from typing import Any

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from .. import checks
from ..letters import ALPHABET, MarkovLaw, one_hot, prose
from .explorable import Explorable, front_end
from .traits import BadKind, BadValue, OneOf, Packed, Whole, pack

__all__ = ["BlanksExplorer"]

LENGTH = 16
TWO = ("abababababababab", "babababababababa")


class Blanks(traitlets.Unicode):
    "A word of LENGTH letters, '_' for one that is masked, that both sides know."

    def validate(self, obj: Any, value: Any) -> str:
        if not isinstance(value, str):
            raise BadKind(f"the '{self.name}' trait must be a text, got {checks.got(value)}")
        if len(value) != LENGTH or not {*value} <= {*ALPHABET, "_"}:
            fits = f"{LENGTH} small letters, spaces or '_'"
            raise BadValue(f"{self.name} must be {fits}, got {value!r}")
        return value


class BlanksExplorer(Explorable):
    """A word of sixteen blanks: set a letter, and the exact chances of all others move. No network is asked.

        BlanksExplorer()                                   # the language of chapter 19
        BlanksExplorer(sentences=("abab...", "baba..."), law="two sentences")      # two of your own, 16 letters each

    The traits law, word ('_' is a blank), place, from 0 to 15, and each, the letters that a step sets, follow the
    controls, and move them when set. written counts the words that were filled, never those of them that the law never
    writes. Raises ValueError for a value out of range, TypeError or traitlets.TraitError for a wrong kind.
    """

    _esm = front_end("blanks")
    _words = "a text of sixteen blanks with the chances of every letter at every place, and buttons that set some"

    law, word = OneOf("language", "two sentences"), Blanks("_" * LENGTH).tag(sync=True)
    place, each = Whole(0, LENGTH - 1), Whole(1, LENGTH)
    written, never = (traitlets.Int(0).tag(sync=True) for _ in range(2))
    sentences = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _begin, _step = Packed(), Packed()

    def __init__(
        self,
        sentences: tuple[str, str] = TWO,
        law: str = "language",
        word: str = "_" * LENGTH,
        place: int = 0,
        each: int = 1,
    ):
        pair = checks.listed("sentences", sentences, "two texts")
        whole = [checks.text("sentences", text) for text in pair]
        wrong = [s for s in whole if len(s) != LENGTH or not {*s} <= {*ALPHABET}]
        if len(whole) != 2 or wrong:
            fits = f"two texts of {LENGTH} small letters and spaces"
            raise ValueError(f"sentences must be {fits}, got {checks.shown(whole)}")
        self._language = MarkovLaw.fit(prose(), LENGTH)
        start = dict(law=law, word=word, place=place, each=each, written=0, never=0)
        begin, step = (pack(t.float()) for t in (self._language.start, self._language.step))
        super().__init__(**start, sentences=whole, _begin=begin, _step=step, _start=start)

    @property
    def chances(self) -> Float[Tensor, "l v"]:
        "The chances of each letter at each place, given those that are set."
        x = one_hot([self.word])
        if self.law == "language":
            return self._language.denoise(x)[0]
        words = one_hot(self.sentences)
        fits = ((words == x) | (x.sum(2, keepdim=True) == 0)).all(2).all(1).double()
        return (
            torch.einsum("w,wlv->lv", fits / fits.sum(), words) if fits.any() else x[0] * 0 + 1 / 27
        )
