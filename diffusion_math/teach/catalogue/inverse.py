"The exercises of chapter 17: the gain for a Gaussian prior, and the pull with V = 0."

from collections.abc import Callable

import torch
from torch import Tensor

from .exercise import Draws, Exercise, add

__all__ = []


def kalman(mean, cov, A, r, y):
    gain = cov @ A.T @ torch.linalg.inv(A @ cov @ A.T + r**2 * torch.eye(len(A), dtype=cov.dtype))
    return mean + gain @ (y - A @ mean)


def _bell(d: Draws) -> dict:
    n, m = (2, 1) if d.small else (d.shape[-1] + 1, 2)
    B = d.normal(n, n).double()
    cov = B @ B.T / n + 0.5 * torch.eye(n, dtype=torch.float64)
    r = 0.5 if d.small else d.between(0.4, 0.8)
    return {"mean": d.normal(n), "cov": d.kept(cov), "A": d.normal(m, n),
            "r": torch.as_tensor(r, dtype=d.dtype), "y": d.normal(m)}  # fmt: skip


def _gain(noise: Callable) -> Callable:
    "Wrong answers: another matrix in the place of A S A' + r^2 I, of (S, A, r, I)."

    def mean_of(mean, cov, A, r, y):
        noisy = noise(cov, A, r, torch.eye(len(A), dtype=cov.dtype))
        return mean + cov @ A.T @ torch.linalg.inv(noisy) @ (y - A @ mean)

    return mean_of


def _solved(mean: Tensor, cov: Tensor, A: Tensor, r: Tensor, y: Tensor) -> Tensor:
    noisy = A @ cov @ A.T + r**2 * torch.eye(len(A), dtype=cov.dtype)
    return torch.linalg.solve(noisy, y - A @ mean)


def _precision(mean: Tensor, cov: Tensor, A: Tensor, r: Tensor, y: Tensor) -> Tensor:
    return torch.linalg.solve(cov + A.T @ A / r**2, A.T @ (y - A @ mean) / r**2) + mean


add(Exercise("17.a", "the posterior mean", kalman, _bell,
    hints=("y is off its own mean, A m, by something. Which part of that is the picture's, and which the noise's?",
           "S Aᵀ (A S Aᵀ + r² I)⁻¹ times y − A m, added to m. The matrix in the middle is y's covariance.")),
    ("The noise r has variance r²: it is the variance that is added to A S Aᵀ.",
     _gain(lambda S, A, r, eye: A @ S @ A.T + r * eye), _gain(lambda S, A, r, eye: A @ S @ A.T + r.sqrt() * eye)),
    ("The noise of the measurement is missing: you trust y completely.", _gain(lambda S, A, r, eye: A @ S @ A.T)),
    ("Only the noise stands in the middle. y varies with x_0, too: A S Aᵀ + r² I.", _gain(lambda S, A, r, eye: r**2 * eye)),
    ("The Gaussian's covariance in the middle is seen through A on both sides: A S Aᵀ.",
     _gain(lambda S, A, r, eye: A @ A.T + r**2 * eye)),
    ("The gain begins with S Aᵀ: it is the covariance of x_0 and y. Yours lacks S.",
     lambda mean, cov, A, r, y: mean + A.T @ _solved(mean, cov, A, r, y)),
    ("What is new in y is y − A m, and not y itself: A m was expected.",
     lambda mean, cov, A, r, y: mean + cov @ A.T @ _solved(0 * mean, cov, A, r, y)),
    ("That is only the move. Add it to the mean.", lambda mean, cov, A, r, y: cov @ A.T @ _solved(mean, cov, A, r, y)),
    ("It moves away from y: what is new is y − A m, not A m − y.",
     lambda mean, cov, A, r, y: mean - cov @ A.T @ _solved(mean, cov, A, r, y)),
    ("Precisions add, so it is the *inverse* of S that stands beside AᵀA/r².", _precision),
)  # fmt: skip


def no_cov(guess, J, A, r, y, alpha_bar):
    return guess + (1 - alpha_bar) / alpha_bar**0.5 * J.T @ A.T @ (y - A @ guess) / r**2


def _slope(d: Draws) -> dict:
    n, m = (2, 1) if d.small else (d.shape[-1] + 1, 2)
    r = 0.5 if d.small else d.between(0.4, 0.8)
    a2 = 0.36 if d.small else d.between(0.3, 0.7)
    return {"guess": d.normal(n), "J": d.normal(n, n), "A": d.normal(m, n), "r": torch.as_tensor(r, dtype=d.dtype),
            "y": d.normal(m), "alpha_bar": torch.as_tensor(a2, dtype=d.dtype)}  # fmt: skip


def _pull(size: Callable, slope: Callable = lambda J: J.T) -> Callable:
    "Wrong answers: another factor, of (off, r, a^2), or another slope."

    def pulled(guess, J, A, r, y, alpha_bar):
        off = y - A @ guess
        return guess + size(off, r, alpha_bar) * (slope(J) @ A.T @ off)

    return pulled


def _due(off: Tensor, r: Tensor, a2: Tensor) -> Tensor:
    return (1 - a2) / a2.sqrt() / r**2


add(Exercise("17.b", "the pull with V = 0", no_cov, _slope,
    hints=("What is the slope of −|y − A D(x)|²/2r² in x? D is a function of x, with slope J.",
           "By the chain rule Jᵀ Aᵀ (y − A D)/r². A guess gets s²/a times a slope of log p, with s² = 1 − a².")),
    ("That is the slope of the norm, as in DPS's code. The Gaussian has its square: divide by r², not by |y − A D|.",
     _pull(lambda off, r, a2: (1 - a2) / a2.sqrt() / off.norm()), _pull(lambda off, r, a2: (1 - a2) / a2.sqrt() / off.norm() / r),
     _pull(lambda off, r, a2: (1 - a2) / a2.sqrt() / off.norm() / r**2), _pull(lambda off, r, a2: 1 / off.norm())),
    ("A slope of log p is added to a guess with the factor s²/a (15.3).", _pull(lambda off, r, a2: 1 / r**2)),
    ("The factor is s²/a: s² = 1 − a² above, a and not a² below.", _pull(lambda off, r, a2: (1 - a2) / a2 / r**2),
     _pull(lambda off, r, a2: (1 - a2).sqrt() / a2.sqrt() / r**2), _pull(lambda off, r, a2: (1 - a2) / r**2)),
    ("That is the slope with respect to D. It is x that moves: by the chain rule Jᵀ stands in front.",
     _pull(_due, lambda J: torch.eye(len(J), dtype=J.dtype))),
    ("J is transposed: J[i, j] says how guess i moves with x_j, and a gradient goes the other way.", _pull(_due, lambda J: J)),
    ("The noise has variance r²: divide by r², not by r.", _pull(lambda off, r, a2: (1 - a2) / a2.sqrt() / r)),
    ("The exponent is half of the square, so its slope has no 2.", _pull(lambda off, r, a2: 2 * _due(off, r, a2))),
    ("It moves away from y: the sign is turned.", _pull(lambda off, r, a2: -_due(off, r, a2))),
    ("That is the pull alone. Add it to the guess.",
     lambda guess, J, A, r, y, alpha_bar: no_cov(guess, J, A, r, y, alpha_bar) - guess),
    ("That is ΠGDM: with s² I for V the middle is not r² alone. Here V is 0.",
     lambda guess, J, A, r, y, alpha_bar: guess + (1 - alpha_bar) / alpha_bar.sqrt() * J.T @ A.T @ torch.linalg.solve(
         r**2 * torch.eye(len(A), dtype=A.dtype) + (1 - alpha_bar) * A @ A.T, y - A @ guess)),
)  # fmt: skip
