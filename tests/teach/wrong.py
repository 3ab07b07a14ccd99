"Wrong arguments for the functions that draw and compare."

import math
import re
from collections.abc import Callable

import torch

WRONG = [3, -1.5, math.nan, "none of all", object(), [object()], {"zz": object()}, b"x", 1j, torch.zeros(2, 2, 2, 2, 2),
         torch.tensor([math.nan]), [[1.0], [1.0, 2.0]], print, [], {}, (), (1.0, math.nan), True]  # fmt: skip


def unnamed(call: Callable, given: dict) -> list[tuple]:
    "Each argument in turn is something else; what may be taken is taken. The errors that do not name theirs."
    silent = []
    for name in given:
        for value in WRONG:
            try:
                call(**given | {name: value})
            except (TypeError, ValueError, AssertionError) as error:
                told = str(error)
                if re.match("not equal|shapes differ|nothing to compare", told):
                    continue  # that is what agree is for
                if not re.search(rf"\b{name}\b", told) or "\n" in told:
                    silent.append((name, repr(value)[:40], type(error).__name__, told[:110]))
            except Exception as error:
                silent.append((name, repr(value)[:40], type(error).__name__, str(error)[:110]))
    return silent
