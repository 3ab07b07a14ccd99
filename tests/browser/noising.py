"What both kinds of page, in JupyterLab and with no kernel, ask of a noising explorer."

import numpy as np
import torch

from tests.browser.explorable import as_grey, greys, seeded

BETA, TIME, STEPS = "β variance of a step's noise", "t steps taken", "T steps in all"


def images(n=3):
    "n small blurs on black, in [-1, 1]: pixels at both ends and between, like a digit's."
    x = torch.nn.functional.avg_pool2d(torch.rand(n, 1, 28, 28, generator=seeded(5)), 7, 1, 3)
    return ((x - 0.4) * 12).clamp(-1, 1)


def x_t(page):
    "The numbers behind the large picture, as float32."
    return np.array(
        page.evaluate("Array.from(document.querySelector('.dm-explorable').explorable.x_t)"),
        np.float32,
    )


def shows(page, x, tol=1e-6):
    "Assert that x is what the explorer holds, to tol, and what its large canvas shows, to one grey level."
    x = np.asarray(x, np.float32).ravel()
    np.testing.assert_allclose(x_t(page), x, rtol=0, atol=tol)
    assert np.abs(greys(page) - as_grey(x)).max() <= 1


def answers(page, slider):
    "Assert that an arrow key moves the slider and changes the picture."
    before = slider.input_value(), x_t(page), greys(page)
    slider.press("ArrowRight" if before[0] != slider.get_attribute("max") else "ArrowLeft")
    assert slider.input_value() != before[0], "the key did not move the slider"
    assert (x_t(page) != before[1]).any() and (greys(page) != before[2]).any(), (
        "the picture did not change"
    )
