"The networks in the page, in Chromium: what they say is what torch says, at every noise level, fast and plain."

import base64

import numpy as np
import pytest
import torch

from diffusion_math import DDPM, ForwardProcess, UNet, cosine_schedule, load_pretrained, save_model
from diffusion_math.explore.explorable import worker
from diffusion_math.laws.levels import GreyLevels
from tests.browser.explorable import TEXT
from tests.kernel import NETWORK, module
from tests.truth import seed

ASSETS = NETWORK.parents[1] / "assets"
LEVELS = (-torch.inf, -6.0, 0.0, 3.0, 8.0, 14.0, torch.inf)
OPEN = """async ([source, model, plain]) => {
    const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    window.m = await import(url);
    if (!model) return null;
    const bytes = Uint8Array.from(atob(model), c => c.charCodeAt(0));
    window.net = m.open(bytes.buffer, { plain });
    return net.fast;
}"""
ASK = """([x, h, w, levels, label]) => levels.map(level => {
    const number = level === 'inf' ? Infinity : level === '-inf' ? -Infinity : Number(level);
    return Array.from(net.forward(Float32Array.from(x), h, w, number, label));
})"""


@pytest.fixture
def page(lend_page):
    "A page with nothing on it, lent from test to test."
    with lend_page() as page:
        yield page
        assert page.problems == []


def opened(page, model=None, plain=False):
    "The page with network.js in it as m, and a model of its own as net."
    text = base64.b64encode(model).decode() if model else None
    return page.evaluate(OPEN, [worker(), text, plain])


def ask(page, x, label=None):
    "What the page's network says of a picture at each of LEVELS, as (levels, out, h, w)."
    c, h, w = x.shape
    said = page.evaluate(ASK, [x.flatten().tolist(), h, w, [str(v) for v in LEVELS], label])
    return torch.tensor(said, dtype=torch.float64).view(len(LEVELS), -1, h, w)


def torch_says(network, x, label=None):
    told = {} if label is None else {"y": label}
    with torch.inference_mode():
        return torch.cat([network(x[None], torch.tensor([v]), **told) for v in LEVELS]).double()


def close(ours, theirs, tol=1e-5):
    "Equal to 1e-5 of the largest number in the picture: both are sums in float32, in another order."
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tol * max(1.0, b.abs().max().item()))


def file(p, tmp_path):
    save_model(p, tmp_path / "model.safetensors")
    return (tmp_path / "model.safetensors").read_bytes()


def random_model(network, shape, predicts="v"):
    "A model with random weights, none of them 0."
    for i, parameter in enumerate(network.parameters()):
        parameter.data = 0.15 * torch.randn(parameter.shape, generator=seed(i))
    return DDPM(network, ForwardProcess(cosine_schedule(10)), shape, predicts, images=shape[0] == 1)


@pytest.mark.parametrize(
    "name, labels, plain",
    [
        ("ddpm_mnist", (None, 0, 9), False),
        ("ddpm_mnist", (9,), True),  # without the kernel only the sums are others
        ("ddpm_mnist_bits", (None,), False),
        ("ddpm_mnist_bits", (None,), True),
    ],
)
def test_the_models_that_ship(page, name, labels, plain):
    """To 1e-5, but where bells are narrow to ten times that.

    A bell's mean is known to 1e-6, its width may be 0.1 w, w = 2/255 a level's distance. So the log odds of two levels
    side by side are known to w 1e-6 / (0.1 w)^2 = 0.013, and a mean between them to a quarter of that: 2.5e-5. Bayes'
    rule in float32, as torch has it, loses as much once more where x_t is a few widths away.
    """
    tol = 1e-4 if name.endswith("bits") else 1e-5
    p = load_pretrained(name)
    assert opened(page, (ASSETS / f"{name}.safetensors").read_bytes(), plain) is not plain
    x = torch.randn(1, 28, 28, generator=seed())
    for label in labels:
        close(ask(page, x, label), torch_says(p.network, x, label), tol)


CONFIGS = {
    "one size": dict(width=8, mults=(1,)),
    "three sizes, odd": dict(channels=3, width=12, mults=(1, 2, 3), blocks=2, patch=1, heads=2, classes=4, waves=(0, 2)),
    "patches of four": dict(width=10, mults=(1, 2), patch=4, heads=5),
    "wide": dict(width=16, mults=(1, 4), classes=10),
}  # fmt: skip


@pytest.mark.parametrize(
    "name, plain", [*((name, False) for name in CONFIGS), ("three sizes, odd", True)]
)
@pytest.mark.parametrize("h, w", [(11, 13), (8, 24)])
def test_any_network_of_the_package_s(page, tmp_path, name, h, w, plain):
    config = CONFIGS[name]
    network = UNet(**config)
    x = torch.randn(config.get("channels", 1), h, w, generator=seed())
    opened(page, file(random_model(network, tuple(x.shape)), tmp_path), plain)
    for label in (None, 2) if config.get("classes") else (None,):
        close(ask(page, x, label), torch_says(network, x, label))


@pytest.mark.parametrize("numbers, finest", [(10, None), (13, 0.2)])
def test_a_prior_over_grey_levels_of_its_own(page, tmp_path, numbers, finest):
    network = GreyLevels(UNet(1, numbers, width=8), levels=16, low=0.0, finest=finest)
    opened(page, file(random_model(network, (1, 9, 9), "x0"), tmp_path))
    x = torch.rand(1, 9, 9, generator=seed())
    close(ask(page, x), torch_says(network, x))


def test_a_half_precision_number_is_read_as_it_is(page):
    opened(page)
    bits = np.arange(2**16, dtype=np.uint16)
    text = page.evaluate(
        f"() => ({TEXT})(Float64Array.from({{ length: 65536 }}, (_, bits) => m.half(bits)))"
    )
    ours, theirs = np.frombuffer(base64.b64decode(text)), bits.view(np.float16).astype(float)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("fused", [False, True])
def test_chromium_takes_the_kernel(page, fused):
    code = base64.b64encode(module(fused)).decode()
    assert page.evaluate(
        "b => WebAssembly.validate(Uint8Array.from(atob(b), c => c.charCodeAt(0)))", code
    )


def test_what_does_not_fit_is_said(page):
    opened(page, (ASSETS / "ddpm_mnist.safetensors").read_bytes())
    for arguments, words in {
        "[new Float32Array(9), 28, 28, 0]": "x must hold 1 x 28 x 28 numbers, got 9",
        "[new Float32Array(784), 28, 28, 0, 11]": "label must lie in 0..9, got 11",
    }.items():
        said = page.evaluate(
            f"() => {{ try {{ net.forward(...{arguments}) }} catch (e) {{ return e.message }} }}"
        )
        assert said == words
