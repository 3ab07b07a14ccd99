"The schedules that an explorable lets one choose from."

import torch

from ..forward import Schedule, constant_schedule, cosine_schedule, linear_schedule
from ..tables import read_at
from .traits import pack

__all__ = []


def stretched(schedule: Schedule, T: int) -> Schedule:
    "log alpha_bar of this schedule as a curve, read at T + 1 evenly spaced places: straight lines between its entries."
    if schedule.T == T:
        return schedule
    return Schedule.from_log_alpha_bar(read_at(schedule.log_alpha_bar, T))


def named_schedule(kind: str, T: int, given: Schedule | None = None, beta: float = 0.1) -> Schedule:
    "The schedule of that name with T steps."
    makes = {
        "constant": lambda: constant_schedule(beta, T),
        "linear": lambda: linear_schedule(T),
        "cosine": lambda: cosine_schedule(T),
        "given": lambda: stretched(given, T),
    }
    return makes[kind]()


def given_schedule(schedule: str | Schedule) -> tuple[Schedule | None, str, bytes]:
    "The schedule if it is one, its name, and its table as the browser reads it; TypeError for anything else."
    if not isinstance(schedule, (str, Schedule)):
        raise TypeError(f"schedule must be a name or a Schedule, got {type(schedule).__name__}")
    if isinstance(schedule, str):
        return None, schedule, b""
    return schedule, "given", pack(torch.stack([schedule.log_alpha_bar, schedule.beta]))
