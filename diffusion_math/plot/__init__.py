"""Pictures: images, curves, amounts, the plane, tables of numbers and maps, each with its words.

`plot.images(...)`, `plot.density(...)`; the palette is here too.
"""

from .amounts import bars, histograms, marks, ruler
from .board import Board
from .colors import shades
from .lines import curves, density, schedule
from .palette import CSS, DPI, INCHES, INK, PALETTE, RULE, STYLE, figure, style
from .pictures import images, rows, strip
from .plane import clouds, contours, field, paths, points
from .showing import Live, film, show
from .table import heat
from .terms import terms

__all__ = [
    "CSS", "DPI", "INCHES", "INK", "PALETTE", "RULE", "STYLE", "Board", "Live", "bars", "clouds", "contours", "curves",
    "density", "field", "figure", "film", "heat", "histograms", "images", "marks", "paths", "points", "rows", "ruler",
    "schedule", "shades", "show", "strip", "style", "terms",
]  # fmt: skip
