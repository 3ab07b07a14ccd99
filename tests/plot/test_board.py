"Pictures, boxes and arrows stand where they are put."

import numpy as np
import torch

from diffusion_math import plot
from tests.plot.reading import parts, rgb


def test_a_board_has_things_where_they_are_put(outputs):
    board = plot.Board(units=(100, 50), width=8.0)
    assert tuple(board.fig.get_size_inches()) == (8, 4) and board.ax.get_xlim() == (0, 100)
    board.picture(20, 25, torch.zeros(3, 14, 28), "$x_0$", size=10)
    assert list(board.ax.images[0].get_extent()) == [15, 25, 22.5, 27.5]
    board.box(50, 25, "network", "q", width=10, height=6)
    box = board.ax.patches[0]
    assert (box.get_x(), box.get_y(), box.get_width()) == (45, 22, 10)
    assert box.get_edgecolor()[:3] == rgb("q") and min(box.get_facecolor()[:3]) > 0.85
    board.arrow((60, 20), (80, 20), "accent", label=7, bend=0.2, at=0.5)
    assert board.ax.patches[1].get_edgecolor()[:3] == rgb("accent")
    disc = board.ax.get_lines()[-1]
    assert np.allclose(disc.get_data(), [[70], [18]])  # half as far aside as the curve is pulled
    board.text(5, 40, "$q$", "p", below="(3.3)", gap=4)
    words = {text.get_text(): text for text in board.ax.texts}
    assert set(words) == {"$x_0$", "network", "7", "$q$", "(3.3)"}
    assert (
        words["(3.3)"].get_position() == (5, 36) and words["$q$"].get_color() == plot.PALETTE["p"]
    )
    board.line([(0, 0), (3, 4)], "noise")
    board.dot(9, 9, "data")
    assert board.ax.get_lines()[-2].get_xdata().tolist() == [0, 3]
    board.show("a map")
    assert parts(outputs[0])[0] == "a map" and board.ax.get_ylim() == (0, 50)


def test_a_hollow_disc_has_its_colour_on_its_rim_and_a_dashed_line_gaps():
    board = plot.Board()
    board.arrow((10, 10), (40, 10), "q", label=5, hollow=True, dashed=True)
    disc, number = board.ax.get_lines()[-1], board.ax.texts[-1]
    assert disc.get_markerfacecolor() == "white" and rgb(disc.get_markeredgecolor()) == rgb("q")
    assert rgb(number.get_color()) == rgb("q") and board.ax.patches[0].get_linestyle() != "solid"
    board.arrow((10, 20), (40, 20), "q", label=3)
    assert board.ax.get_lines()[-1].get_markeredgecolor() == "white"
    assert (
        board.ax.texts[-1].get_color() == "white" and board.ax.patches[1].get_linestyle() == "solid"
    )
    board.dot(1, 1, "q", hollow=True)
    assert board.ax.get_lines()[-1].get_fillstyle() == "none"


def test_a_bent_arrow_goes_through_its_label():
    for bend, at in ((0.0, 0.3), (0.4, 0.5), (-0.3, 0.8)):
        board = plot.Board(units=(100, 60), width=10.0)
        board.arrow((10, 10), (70, 40), label=1, bend=bend, at=at)
        board.fig.draw_without_rendering()
        path = board.ax.patches[0].get_path().cleaned(curves=False).interpolated(50).vertices
        disc = np.array(board.ax.get_lines()[-1].get_data())[:, 0]
        assert np.hypot(*(path - disc).T).min() < 0.5
