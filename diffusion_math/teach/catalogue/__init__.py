"""The catalogue of mistakes: for each exercise its right function, and the wrong ones with the sentence that names each.

Importing it fills `CATALOGUE` in the order of the course.
"""

from . import steps, back, network, walks, draws, memory, inverse, letters  # noqa: F401, I001  the order of the course
from .exercise import CATALOGUE, KINDS, Draws, Exercise

__all__ = ["CATALOGUE", "KINDS", "Draws", "Exercise"]
