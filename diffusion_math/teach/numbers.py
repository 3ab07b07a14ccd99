"What is drawn or compared in the course may come as a tensor, an array, a list or a lone number."

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import checks

__all__ = ["all_finite", "as_numbers", "as_reals", "one_for_each", "one_number", "plain_number"]


def as_numbers(x: Any, name: str) -> Tensor:
    "A tensor, array, list or number as a CPU tensor in float64, or complex128. TypeError: it holds no numbers."
    if isinstance(x, Tensor):
        x = checks.at_hand(name, x.detach()).cpu()
    else:
        try:
            x = np.asarray(x)
            if x.dtype.kind not in "biufcO" or x.shape == () and x[()] is None:
                raise TypeError
            kind = np.complex128 if x.dtype.kind == "c" else np.float64
            x = torch.from_numpy(np.array(x, dtype=kind, order="C"))
        except Exception as error:  # an object may raise anything when it is asked
            wanted = "a tensor, an array or a number"
            raise TypeError(f"{name} must be {wanted}, got {type(x).__name__}") from error
    return x.to(torch.complex128 if x.is_complex() else torch.float64)


def as_reals(x: Any, name: str) -> Tensor:
    "The same, of real numbers. TypeError: complex ones."
    numbers = as_numbers(x, name)
    if numbers.is_complex():
        raise TypeError(f"{name} must be real, got complex numbers")
    return numbers


def one_number(value: Any, name: str) -> float:
    "One finite number. ValueError: several, or one that is not finite."
    numbers = as_reals(value, name)
    if numbers.numel() != 1:
        raise ValueError(f"{name} must be one number, got shape {tuple(numbers.shape)}")
    return all_finite(numbers, name).item()


def all_finite(numbers: Tensor, name: str) -> Tensor:
    "The numbers themselves. ValueError: one of them is not finite."
    if not bool(numbers.isfinite().all()):
        wrong = numbers[~numbers.isfinite()].flatten()[0].item()
        raise ValueError(f"{name} must be finite, got {wrong:g}")
    return numbers


def one_for_each(x: np.ndarray, values: Any, name: str) -> np.ndarray:
    "Numbers as an array, one for each of `x`. ValueError: another shape."
    values = as_reals(values, name).numpy()
    if values.shape != np.shape(x):
        raise ValueError(f"{name} must be {np.shape(x)} like x, got {values.shape}")
    return values


def plain_number(value: Any) -> Any:
    "A tensor or an array of one number as that number."
    return value.item() if isinstance(value, Tensor | np.ndarray) and value.ndim == 0 else value
