"""The guard: what a signature says is looked at once, at the door, and nothing else changes.

What each kind of argument refuses, and in which words, is the matter of test_bad_input.
"""

import inspect
import math
import sys
from typing import Annotated

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math import GaussianMixture, checks, plot
from diffusion_math.checks import Batch, Flag, Level, Like, Random, Steps, Time, Time0, guarded
from tests.truth import seed

F16, F32, F64 = torch.float16, torch.float32, torch.float64
X = torch.randn(3, 2, generator=seed())


def halved(name, value):
    return value / 2


class Chain:
    T = 5

    @guarded
    def step(self, x: Batch, other: Like, t: Time = 1) -> tuple:
        "A step."
        return x, other, t

    @guarded
    def start(self, x: Batch, t: Time0 = 0, generator: Random = None) -> int:
        return t


class Longer(Chain):
    T = 9

    def step(self, x, other, t=1):
        return super().step(x, other, t)


@guarded
def noised(
    x: Batch, log_snr: Level, more: Annotated[float, halved] = 8.0, like: Like | None = None
):
    a = torch.sigmoid(log_snr).to(x).view(-1, *[1] * (x.ndim - 1))
    return a * x + more * (0 if like is None else like)


# ---- what is looked at


def test_arguments_come_by_place_or_name_in_the_order_of_the_signature():
    x, other, t = Chain().step(t=3, other=X.double(), x=X)
    assert x is X and other.dtype == F32 and t == 3
    assert Chain().step(X, X)[2] == 1  # what is not given is not looked at
    assert torch.equal(noised(X, 0.0, 8.0, None), X / 2)  # None passes where it may
    assert torch.equal(noised(X, 0.0, 8.0, X), X / 2 + 4 * X)  # a check may convert
    assert torch.equal(noised(X, 0.0, like=X), X / 2 + 8 * X)  # and a default is as it stands


def test_python_says_what_is_missing_or_too_much():
    for call, words in (
        (lambda: Chain().step(X), "missing 1 required positional argument: 'other'"),
        (
            lambda: Chain().step(X, X, 1, 2),
            "takes from 3 to 4 positional arguments but 5 were given",
        ),
        (lambda: Chain().step(X, X, x=X), "multiple values for argument 'x'"),
        (lambda: Chain().step(X, X, u=1), "unexpected keyword argument 'u'"),
    ):
        with pytest.raises(TypeError, match=words):
            call()


def test_the_first_argument_says_how_many_steps_there_are():
    assert Longer().step(X, X, 9)[2] == 9  # a subclass's, through super too
    for call, words in (
        (lambda: Chain().step(X, X, 6), r"t must lie in 1\.\.5, got 6"),
        (lambda: Chain().step(X, X, 0), r"t must lie in 1\.\.5, got 0"),
        (lambda: Chain().start(X, -1), r"t must lie in 0\.\.5, got -1"),
        (lambda: Chain().step(X, X, torch.tensor([1, 2, 9])), r"t must lie in 1\.\.5, got 9"),
        (
            lambda: Chain().step(X, X, torch.tensor([1, 2])),
            r"t must be an int or have shape \(3,\)",
        ),
        (lambda: Chain().step(X, X[:1]), r"other must have x's shape \(3, 2\), got \(1, 2\)"),
        (lambda: noised(X.long(), 0.0), "x must be a floating-point tensor, got torch.int64"),
        (lambda: noised(X, math.nan), "log_snr must be a number, got nan"),
        (lambda: Chain().start(X, 1, 3), "generator must be a torch.Generator or None, got int"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            call()


def test_a_class_of_this_package_is_a_check_by_itself():
    from diffusion_math import ForwardProcess, linear_schedule

    with pytest.raises(TypeError, match="schedule must be a Schedule, got int"):
        ForwardProcess(3)
    q = ForwardProcess(linear_schedule(3))
    assert checks.built(ForwardProcess, q.schedule).T == 3  # the same, without the door


@pytest.mark.parametrize("level", [
    0.5, 3, torch.tensor(0.5), torch.zeros(3), torch.zeros(3, dtype=F64), [0.0, 1.0, 2.0], -math.inf])  # fmt: skip
def test_a_level_is_in_float64_one_for_all_or_one_for_each(level):
    got = checks.noise_level("log_snr", level, {"x": X})
    assert got.dtype == F64 and got.shape in ((), (3,))
    assert torch.equal(got, torch.as_tensor(level).double().expand(got.shape))


# ---- what it leaves as it is


def test_help_the_signature_and_the_body_are_at_hand():
    assert Chain.step.__doc__ == "A step." and Chain.step.__name__ == "step"
    assert list(inspect.signature(Chain.step).parameters) == ["self", "x", "other", "t"]
    body = inspect.unwrap(Chain.step.body)
    assert body(Chain(), "anything", None, -7) == ("anything", None, -7)  # nobody looks


@pytest.mark.parametrize("dtype", [F16, torch.bfloat16, F32, F64])
def test_in_every_precision(dtype):
    got = noised(X.to(dtype), torch.zeros(3), like=X.double())
    assert got.dtype == dtype


def test_under_compile_vmap_grad_and_on_the_meta_device(shape_checks_off):
    def both(x, t, level):
        return Chain().step(x, x, t)[0] + noised(x, level)

    t, level, many = torch.tensor([1, 2, 5]), torch.zeros(3, dtype=F64), torch.randn(4, 3, 2)
    want = both(X, t, level)
    with shape_checks_off():
        compiled = torch.compile(both, fullgraph=True, backend="eager")
        assert torch.allclose(compiled(X, t, level), want)
    rows = torch.func.vmap(lambda x, level: both(x, t, level))(many, torch.zeros(4, dtype=F64))
    assert torch.allclose(rows[1], both(many[1], t, 0.0))
    slope = torch.func.grad(lambda x: noised(x, 0.0).sum())(X)
    assert torch.allclose(slope, torch.full_like(X, 0.5))
    times = torch.func.vmap(lambda x, t: Chain().step(x, x, t)[2])(many, t.expand(4, 3))
    assert times.shape == (4, 3)
    assert both(X.to("meta"), t.to("meta"), level.to("meta")).is_meta


# ---- some of the checks


@given(st.floats(allow_nan=False, width=64))
def test_a_variance_is_refused_where_the_means_precision_does_not_hold_it(var):
    for dtype in (F16, F32, F64):
        held = torch.tensor(var, dtype=F64).to(dtype)
        density = 17.1 * held.float().item() if dtype == F16 else 17.1 * held.item()
        most = torch.finfo(dtype if dtype == F64 else F32).max
        fits = var == 0 or (held > 0 and held < math.inf and density < most and var > 0)
        try:
            checks.variance("var", var, {"mean": X.to(dtype)})
        except ValueError:
            assert not fits or density > 0.99 * most
        else:
            assert fits


@guarded
def counted(n: Steps, flag: Flag = False) -> int:
    return n


def test_a_loop_of_more_steps_than_anyone_waits_for_is_refused():
    import numpy as np

    assert counted(np.int64(3)) == 3 and type(counted(np.int64(3))) is int
    for wrong, words in (
        (10**8, "n must be at most 10,000,000"),
        (0, "1 or more"),
        (True, "whole"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            counted(wrong)
    with pytest.raises(TypeError, match="flag must be True or False, got str"):
        counted(3, "no")


@pytest.mark.bad_input
@pytest.mark.parametrize("call, words", [
    (lambda: plot.images(torch.rand(2, 1, 4, 4)), 'a picture needs matplotlib, .*: pip install "matplotlib"'),
    (lambda: plot.curves([1, 2], {"a": torch.rand(2)}), "a picture needs matplotlib"),
    (lambda: plot.points(torch.rand(3, 2)), "a picture needs matplotlib"),
    (lambda: plot.heat(torch.rand(3, 3)), "a picture needs matplotlib"),
    (lambda: plot.shades("data", 3), "a picture needs matplotlib"),
    (plot.figure, "a picture needs matplotlib"),
    (plot.Board, "a picture needs matplotlib"),
    (lambda: GaussianMixture.fit(torch.rand(9, 2), k=2), 'needs sklearn, .*: pip install "scikit-learn"'),
])  # fmt: skip
def test_what_is_not_installed_is_named_with_its_cure(call, words, monkeypatch):
    for missing in ("matplotlib", "sklearn"):
        monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=words):
        call()
