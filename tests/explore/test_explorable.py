"What the explorables share: their front end in one piece, the images they take, and the numbers that bytes hold."

import math

import pytest
import torch

from diffusion_math import explore
from diffusion_math.explore import explorable
from diffusion_math.explore.explorable import Explorable, few_images, front_end
from diffusion_math.explore.traits import Packed, pack
from tests.truth import seed


def test_the_front_end_of_each_explorable_is_one_module():
    for name in explore.__all__:
        code = getattr(explore, name)._esm
        assert 'from "./' not in code and code.count("export default { render }") == 1
        assert code.count("export function explorable(") == 1  # nothing that is shared stands twice
        assert code.count("\nexport const logMixture ") <= 1


def test_a_front_end_that_does_not_import_common_is_an_error(tmp_path, monkeypatch):
    for name in ("common", "lonely"):
        (tmp_path / f"{name}.js").write_text("export default {};\n")
    monkeypatch.setattr(explorable, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"lonely.js must import from \"./common.js\" first"):
        front_end("lonely")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
def test_what_was_packed_is_unpacked(dtype):
    class Box(Explorable):
        _esm = "export default {};"
        numbers = Packed()

    x = (100 * torch.rand(3, 4, generator=seed())).to(dtype)
    assert torch.equal(Box(numbers=pack(x.T)).unpacked("numbers", dtype).view(4, 3), x.T)


@pytest.mark.parametrize("shape", [(5, 1, 8, 12), (1, 8, 12), (8, 12)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_images_of_any_shape_and_dtype(shape, dtype):
    x0 = (2 * torch.rand(shape, generator=seed()) - 1).to(dtype)
    images = few_images(x0)
    assert images.shape == (5 if len(shape) == 4 else 1, 1, 8, 12)
    assert torch.equal(images, x0.float().view_as(images))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "x0, error, words",
    [
        ([[0.0]], TypeError, "x0 must be a floating-point tensor, got list"),
        (torch.zeros(28, 28, dtype=torch.uint8), TypeError, "got torch.uint8"),
        (torch.zeros(3, 28, 28), ValueError, r"one-channel images: .* got shape \(3, 28, 28\)"),
        (torch.zeros(784), ValueError, r"got shape \(784,\)"),
        (torch.zeros(0, 1, 28, 28), ValueError, "got shape"),
        (torch.zeros(65, 1, 2, 2), ValueError, "at most 64 images, got 65"),
        (torch.full((2, 2), 1.5), ValueError, r"must lie in \[-1, 1\], got values from 1.5 to 1.5"),
        (torch.full((2, 2), math.nan), ValueError, "got values from nan"),
    ],
)
def test_images_that_do_not_fit(x0, error, words):
    with pytest.raises(error, match=words):
        few_images(x0)
