"""Pictures: images, curves, amounts, the plane, tables of numbers and maps, each with its words.

All of the room's public names are here, with the palette and the checks that stand beside a picture.
"""

from ...palette import CSS, DPI, INCHES, INK, PALETTE, RULE, STYLE, figure, style
from ..agree import agree, agree_mc, mean_and_stderr
from .amounts import plot_bars, plot_histograms, plot_marks, plot_ruler
from .board import Board
from .colors import shades
from .curves import plot_curves, plot_density, plot_schedule
from .heat import plot_heat
from .images import show_images, show_rows, show_strip
from .plane import plot_contours, plot_field, plot_paths, plot_points, show_points
from .showing import Live, show, show_film

__all__ = [
    "CSS", "DPI", "INCHES", "INK", "PALETTE", "RULE", "STYLE", "Board", "Live", "agree", "agree_mc", "figure",
    "mean_and_stderr", "plot_bars", "plot_contours", "plot_curves", "plot_density", "plot_field", "plot_heat",
    "plot_histograms", "plot_marks", "plot_paths", "plot_points", "plot_ruler", "plot_schedule", "shades", "show",
    "show_film", "show_images", "show_points", "show_rows", "show_strip", "style",
]  # fmt: skip
