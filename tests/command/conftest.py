"A finished run on two classes of small pictures, made once for all tests of the commands."

import pytest
from PIL import Image

from diffusion_math.command.main import main
from tests.command.small import SMALL, shades


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    "A folder with two classes of small pictures in colour, one of them broken."
    folder = tmp_path_factory.mktemp("photos")
    for name, low, high in (("day", 128, 256), ("night", 0, 128)):
        (folder / name).mkdir()
        for i, array in enumerate(shades(6, low, high)):
            Image.fromarray(array).save(folder / name / f"{i}.png")
    (folder / "day" / "torn.png").write_bytes(b"\x89PNG")
    return folder


@pytest.fixture(scope="session")
def run(photos, tmp_path_factory):
    "A finished run on them."
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main(["train", "--data", str(photos), "--out", str(out), "--steps", "12", *SMALL]) == 0
    return out
