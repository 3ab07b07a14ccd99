"Catches what a notebook would display."

import pytest


@pytest.fixture
def outputs(monkeypatch):
    "What a notebook would be given to display: a list of mime bundles."
    import IPython
    import IPython.display

    bundles = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(IPython.display, "publish_display_data", bundles.append)
    return bundles
