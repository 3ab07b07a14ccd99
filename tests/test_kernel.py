"The kernels in network.js are the ones that tests/kernel.py writes."

import base64
import re

from tests import kernel


def test_network_js_holds_today_s_kernels():
    text = kernel.NETWORK.read_text(encoding="utf-8")
    assert kernel.written(text) == text, "python -m tests.kernel"
    for name, fused in kernel.NAMES.items():
        (kept,) = re.findall(kernel.KEPT.format(name), text)
        assert base64.b64decode(kept) == kernel.module(fused)
