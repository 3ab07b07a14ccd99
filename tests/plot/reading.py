"Reads a picture back: from what a notebook is given, or from its axes."

import base64
import html
import io
import re

import matplotlib
import numpy as np
from PIL import Image

from diffusion_math import plot

SETTINGS = dict(matplotlib.rcParams)  # before any picture is drawn


def parts(bundle):
    "The text alternative, the picture and the width on the page of one output."
    found = re.fullmatch(
        r'<img alt="([^"<>]*)" src="data:image/(png|webp);base64,([A-Za-z0-9+/=]+)" width="(\d+)"'
        r' style="max-width:100%;box-sizing:border-box;padding:8px;border-radius:8px;background:#fff">',
        bundle["text/html"],
    )
    assert found, bundle["text/html"][:200]
    picture = Image.open(io.BytesIO(base64.b64decode(found[3])))
    assert picture.format == found[2].upper()
    width = int(found[4]) - 16  # less the margin of its sheet
    return html.unescape(found[1]), np.asarray(picture.convert("RGB")).astype(int), width


def rgb(color):
    "A colour of the palette or of matplotlib's, as three numbers."
    return matplotlib.colors.to_rgb(plot.PALETTE.get(color, color))


def labels(ax):
    "What the legend of the axes says."
    return [text.get_text() for text in ax.get_legend().get_texts()]
