"The kernels in network.js are the ones that tests/kernel.py writes."

import base64
import re

import pytest

from tests import kernel


def test_network_js_holds_today_s_kernels():
    text = kernel.NETWORK.read_text(encoding="utf-8")
    assert kernel.written(text) == text, "python -m tests.kernel"
    for name, fused in kernel.NAMES.items():
        (kept,) = re.findall(kernel.KEPT.format(name), text)
        assert base64.b64decode(kept) == kernel.module(fused)


@pytest.mark.parametrize(
    "n, unsigned, both",
    [(0, "00", "00"), (63, "3f", "3f"), (64, "40", "c000"), (128, "8001", "8001")],
)
def test_numbers_are_written_as_webassembly_wants_them(n, unsigned, both):
    assert kernel.leb(n).hex() == unsigned and kernel.signed(n).hex() == both


def test_a_negative_number():
    assert kernel.signed(-1).hex() == "7f" and kernel.signed(-65).hex() == "bf7f"
