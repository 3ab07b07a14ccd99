"What a user's t means: the a and s of each clock, against their definitions."

import numpy as np
import pytest
import torch

from diffusion_math import linear_schedule
from diffusion_math.referee.clock import clock_of, table_of
from diffusion_math.referee.verdict import NoAnswer

BETA = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
BAR = (1 - BETA).cumprod(0)


@pytest.mark.parametrize("kind", [list, np.array, torch.Tensor.float, torch.Tensor.clone], ids=str)
def test_a_table_is_read_whatever_it_came_as(kind):
    table = kind(BAR.tolist()) if kind in (list, np.array) else kind(BAR)
    clock = clock_of(alphas_cumprod=table)
    assert clock.kind == "steps" and clock.first == 0 and clock.a.dtype == torch.float64
    torch.testing.assert_close(clock.a, BAR.sqrt(), rtol=0, atol=1e-7)


def test_betas_and_a_schedule_of_ours_are_the_same_clock_one_entry_apart():
    by_beta, ours = clock_of(betas=BETA), clock_of(linear_schedule())
    torch.testing.assert_close(by_beta.a, ours.a[1:], rtol=1e-12, atol=0)
    torch.testing.assert_close(by_beta.s, ours.s[1:], rtol=1e-12, atol=0)
    assert ours.first == 1 and ours.a[0] == 1 and ours.s[0] == 0


def test_sigmas_in_either_order_and_a_straight_line():
    for sigmas in ([80.0, 1.0, 0.01, 0.0], [0.01, 1.0, 80.0]):
        clock = clock_of(sigmas=sigmas)
        assert clock.kind == "sigma" and clock.times.tolist() == [0.01, 1.0, 80.0]
        assert [v.tolist() for v in clock.scales([0.5, 2.0])] == [[1, 1], [0.5, 2.0]]
    flow = clock_of(flow_times=[0, 0.5, 0.75, 1])
    assert flow.kind == "flow" and [v.item() for v in flow.scales(0.25)] == [0.75, 0.25]


def test_a_time_that_the_table_has_not_is_said():
    clock = clock_of(alphas_cumprod=BAR)
    assert clock.place(torch.tensor([0, 999])).tolist() == [0, 999]
    for t in (-1, 1000, 3.5):
        with pytest.raises(NoAnswer, match=r"0\.\.999 occur"):
            clock.place(t)


@pytest.mark.parametrize("n", [1, 5, 64])
def test_places_have_neighbours(n):
    for clock in (
        clock_of(alphas_cumprod=BAR),
        clock_of(linear_schedule(4)),
        clock_of(sigmas=[1, 2, 3]),
    ):
        place = clock.places(n, torch.Generator().manual_seed(n))
        assert (
            len(place) == n and place.min() >= clock.first + 1 and place.max() <= len(clock.a) - 2
        )


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "given, error, words",
    [
        ({}, TypeError, "got none"),
        ({"betas": BETA, "sigmas": BETA}, TypeError, "betas, sigmas"),
        ({"alphas_cumprod": "no"}, TypeError, "alphas_cumprod"),
        ({"alphas_cumprod": BAR.flip(0)}, ValueError, "alphas_cumprod must be a schedule"),
        ({"betas": 1 + BETA}, ValueError, "betas must be a schedule"),
        ({"sigmas": [-1.0, 2, 3]}, ValueError, "sigmas must hold"),
        ({"flow_times": [0.5, 1, 2, 3]}, ValueError, "flow_times must hold"),
        ({"alphas_cumprod": [0.5, 0.1]}, ValueError, "3 numbers or more"),
        ({"betas": []}, ValueError, r"betas must be a list of 3 numbers or more, got shape \(0,\)"),
        (
            {"alphas_cumprod": torch.ones(9)},
            ValueError,
            "alphas_cumprod must hold noise, an entry below 1, got 1 every",
        ),
        (
            {"betas": torch.zeros(9)},
            ValueError,
            "betas must hold noise, an entry above 0, got 0 everywhere",
        ),
        ({"betas": torch.ones(9)}, ValueError, "betas must keep some of x_0, an entry below 1"),
        *(
            (
                {name: [0.9, 0.5, float("nan"), 0.1]},
                ValueError,
                f"{name} must be finite, got nan at entry 2",
            )
            for name in ("alphas_cumprod", "betas", "sigmas", "flow_times")
        ),
        (
            {"sigmas": [1.0, 2.0, float("inf")]},
            ValueError,
            "sigmas must be finite, got inf at entry 2",
        ),
    ],
)
def test_what_is_no_clock_is_refused(given, error, words):
    with pytest.raises(error, match=words):
        clock_of(**given)


@pytest.mark.parametrize("log", [False, True])
def test_between_two_entries_sigma_or_its_log_is_on_a_line(log):
    clock = clock_of(BAR)
    ratio = ((1 - BAR) / BAR).sqrt().double()
    a, s = clock.between(3.25, log)
    due = ratio[3] ** 0.75 * ratio[4] ** 0.25 if log else 0.75 * ratio[3] + 0.25 * ratio[4]
    assert (s / a).item() == pytest.approx(due.item(), rel=1e-9) and (
        a**2 + s**2
    ).item() == pytest.approx(1)
    for t in (3, 3.0, 0.5, len(BAR) + 0.5):
        assert clock.between(t, log) is None


@pytest.mark.bad_input
def test_a_table_names_itself():
    with pytest.raises(ValueError, match="betas"):
        table_of("betas", torch.ones(3, 3))
