"Schedules by name, and one of the reader's own on another number of steps."

import math

import pytest
import torch

from diffusion_math.explore.schedules import given_schedule, named_schedule, stretched
from diffusion_math.forward import Schedule, constant_schedule, cosine_schedule, linear_schedule


@pytest.mark.parametrize(
    "kind, schedule",
    [
        ("constant", constant_schedule(0.3, 7)),
        ("linear", linear_schedule(7)),
        ("cosine", cosine_schedule(7)),
    ],
)
def test_a_name_is_the_package_s_own_schedule(kind, schedule):
    assert torch.equal(named_schedule(kind, 7, beta=0.3).beta, schedule.beta)
    assert given_schedule(kind) == (None, kind, b"")


def test_one_of_the_reader_s_own():
    schedule = Schedule.from_beta([0.0, 0.3, 1.0, 0.5])
    assert named_schedule("given", 4, schedule) is schedule
    same, kind, table = given_schedule(schedule)
    assert same is schedule and kind == "given"
    sent = torch.frombuffer(bytearray(table), dtype=torch.float64).view(2, 5)
    assert torch.equal(sent, torch.stack([schedule.log_alpha_bar, schedule.beta]))


@pytest.mark.bad_input
def test_what_is_no_schedule():
    with pytest.raises(TypeError, match="schedule must be a name or a Schedule, got int"):
        given_schedule(3)


@pytest.mark.parametrize("T", [1, 3, 10, 999, 1000])
def test_another_T_reads_the_curve_as_the_linear_schedule_does(T):
    ours, theirs = stretched(linear_schedule(), T), linear_schedule(T)
    torch.testing.assert_close(ours.log_alpha_bar, theirs.log_alpha_bar, rtol=1e-12, atol=0)
    torch.testing.assert_close(ours.beta, theirs.beta, rtol=1e-9, atol=0)


def test_another_T_where_nothing_is_left():
    schedule = stretched(Schedule.from_beta([0.5, 1.0, 0.5]), 6)
    assert schedule.alpha_bar[2:].tolist() == pytest.approx([0.5, 0, 0, 0, 0])
    assert not schedule.beta.isnan().any() and schedule.beta[4:].eq(1).all()
    assert schedule.log_alpha_bar[1].item() == pytest.approx(math.log(0.5) / 2)
