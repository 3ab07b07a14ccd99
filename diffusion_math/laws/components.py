"The components of a Gaussian mixture: variances, full covariances, and fits to labels or by EM."

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .. import checks
from ..numerics import log_normal
from ..sums import total_log

__all__ = [
    "Components", "RoundComponents", "components_of", "fit_em", "fit_labels", "log_weights_of",
]  # fmt: skip


class Components:
    """k Gaussians with covariances C_k = U_k diag(var_k) U_k^T + floor_k (I - U_k U_k^T).

    means (k, d). U (k, d, r), or None where the directions are the coordinates. var (k, r), or (k, 1) where all are
    equal, or (k, r + 1) where the last is floor: the variance of every direction that U leaves out.
    Noising, inverting and rooting C change var alone. Below, s and v are (n, 1) or (1, 1): the scale and the variance
    of noise laid over the components; f is (n, k, m) or (1, k, m), a function of var; r (n, k) are shares of each x.
    """

    def __init__(
        self,
        means: Float[Tensor, "k d"],
        var: Float[Tensor, "k m"],
        U: Float[Tensor, "k d r"] | None = None,
    ):
        self.means, self.var, self.U, self.width = means, var, U, means.numel()
        self.d, self.r = means.shape[1], means.shape[1] if U is None else U.shape[2]

    def to(self, *args, **kwargs) -> "Components":
        "The same components in another dtype or on another device."
        U = None if self.U is None else self.U.to(*args, **kwargs)
        if U is not None and U.dtype != self.U.dtype:  # a subnormal number slows a product tenfold
            U = torch.where(U.abs() < torch.finfo(U.dtype).smallest_normal, 0, U)
        return type(self)(self.means.to(*args, **kwargs), self.var.to(*args, **kwargs), U)

    def noised(self, s: Tensor, v: Tensor) -> "Components":
        "C becomes s^2 C + v I, a mean s times itself; s and v are numbers."
        return type(self)(s * self.means, s**2 * self.var + v, self.U)

    def noised_var(self, s: Tensor, v: Tensor) -> Float[Tensor, "n k m"]:
        "The variances under noise."
        return s[..., None] ** 2 * self.var + v[..., None]

    def log_prob(
        self, x: Float[Tensor, "n d"], s: Tensor, v: Tensor, parts: tuple | None = None
    ) -> Float[Tensor, "n k"]:
        "log-density of each x under each noised component, direction by direction; parts: x split already."
        var = self.noised_var(s, v)
        z, rest = parts or split(self, x, s)
        out = _log_aligned(z, var[..., : self.r])
        return (
            out
            if rest is None
            else out
            + _log_ball(_over(rest.square().sum(2), var[..., -1]), var[..., -1], self.d - self.r)
        )

    def parts(self, x: Float[Tensor, "n d"], s: Tensor) -> tuple | None:
        "x split, for whoever asks log_prob and pull or lean of it: half of their work. None where they need no such thing."
        return split(self, x, s)

    def pull(
        self, x: Float[Tensor, "n d"], s: Tensor, f: Tensor, r: Tensor, parts: tuple | None = None
    ) -> Float[Tensor, "n d"]:
        "sum_k r_k f(C_k) (x - s mean_k), r (n, k)."
        return torch.einsum("nk,nkd->nd", r, join(self, f, *(parts or split(self, x, s))))

    def lean(
        self, x: Float[Tensor, "n d"], s: Tensor, v: Tensor, r: Tensor, parts: tuple | None = None
    ) -> Float[Tensor, "n d"]:
        "sum_k r_k C_k^-1 (x - s mean_k), of the noised components."
        return self.pull(x, s, 1 / self.noised_var(s, v), r, parts)

    def root(self, eps: Float[Tensor, "n d"], which: Int[Tensor, " n"]) -> Float[Tensor, "n d"]:
        "The square root of component which's covariance, times eps."
        if self.U is None:
            return self.var[which].sqrt() * eps
        if eps.device.type != "cpu":  # to sort the rows, one would have to wait for the device
            every = join(self, self.var.sqrt(), *split(self, eps, eps.new_zeros(1, 1)))
            return every[torch.arange(len(eps), device=eps.device), which]
        out = torch.empty_like(eps)
        # each component roots its own rows: all of them, then a choice, is k times the work
        for k in which.unique():
            rows = (which == k).nonzero().flatten()
            one = type(self)(self.means[k][None], self.var[k][None], self.U[k][None])
            out[rows] = join(one, one.var.sqrt(), *split(one, eps[rows], eps.new_zeros(1, 1)))[:, 0]
        return out


def split(c: Components, x: Float[Tensor, "n d"], s: Tensor) -> tuple[Tensor, Tensor | None]:
    "x - s mean_k as coordinates along U_k, (n, k, r), and what U_k leaves out, (n, k, d) or None."
    off = x[:, None] - s[..., None] * c.means
    if c.U is None:
        return off, None
    z = torch.einsum("nkd,kdr->nkr", off, c.U)
    return z, off - torch.einsum("nkr,kdr->nkd", z, c.U) if c.var.shape[1] > c.r else None


def join(
    c: Components, f: Tensor, z: Float[Tensor, "n k r"], rest: Tensor | None
) -> Float[Tensor, "n k d"]:
    "f(C_k) times the vector that was split into z and rest."
    z = f[..., : c.r] * z
    out = z if c.U is None else torch.einsum("nkr,kdr->nkd", z, c.U)
    return out if rest is None else out + f[..., -1:] * rest


def _log_aligned(z: Float[Tensor, "n k r"], var: Tensor) -> Float[Tensor, "n k"]:
    "log N(z; 0, diag(var)), with the care for a variance of 0 only where there may be one: z is large."
    if not checks.holds((var != 0).all()):
        return total_log(log_normal(z, torch.zeros_like(z), var).flatten(0, 1)).view(z.shape[:2])
    return -0.5 * ((z * var.rsqrt()).square().sum(-1) + torch.log(2 * math.pi * var).sum(-1))


def _log_ball(z: Tensor, var: Tensor, d: int) -> Tensor:
    "log N(y; 0, var I) in d dimensions, where z = |y|^2 / var; of a point mass z is |y|^2."
    point = var == 0
    each = -0.5 * (z + d * torch.log(2 * math.pi * torch.where(point, 1, var)))
    at_point = torch.where(z == 0, math.inf, -math.inf).to(each.dtype)
    return torch.where(point & ~z.isnan(), at_point, each)


def _over(square: Tensor, var: Tensor) -> Tensor:
    "square / var; square itself where var is 0."
    return square / torch.where(var == 0, 1, var)


FEW = 2**12  # numbers in all means, up to which differences are taken one by one


def leaning(
    w: Float[Tensor, "n k"], x: Float[Tensor, "n d"], means: Float[Tensor, "k d"], s: Tensor
) -> Float[Tensor, "n d"]:
    "sum_k w_k (x - s mean_k): by differences where means are few, else by products of matrices in float64."
    if means.numel() <= FEW:
        return torch.einsum("nk,nkd->nd", w, x[:, None] - s[..., None] * means)
    kind = checks.finest(x.device)
    w, fine, means = w.to(kind), x.to(kind), means.to(kind)
    return (w.sum(1, keepdim=True) * fine - s.to(kind) * (w @ means)).to(x)


def squares(
    x: Float[Tensor, "n d"], means: Float[Tensor, "k d"], factor: Tensor
) -> Float[Tensor, "n k"]:
    """factor * |x - mean|^2 by cdist, that is by differences: the expanded square loses its digits.

    But cdist has no second derivative and none forwards. So they are those of the expanded square, which loses no
    digits by them in float64.
    """
    far = torch.cdist(x.detach(), means.detach(), compute_mode="donot_use_mm_for_euclid_dist")
    exact = (far * factor.detach().sqrt()).square()
    a, b = x.to(checks.finest(x.device)), means.to(checks.finest(x.device))
    plain = a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.mT
    plain = (factor * plain).to(exact)
    return torch.where(exact.isfinite(), plain + (exact - plain).detach(), exact)


class RoundComponents(Components):
    "Components with one variance each, var (k, 1). Handles n * k numbers at a time, so k may be a whole training set."

    def __init__(self, means: Float[Tensor, "k d"], var: Float[Tensor, "k 1"], U: None = None):
        super().__init__(means, var)
        self.width = means.numel() if means.numel() <= FEW else len(means)

    def log_prob(
        self, x: Float[Tensor, "n d"], s: Tensor, v: Tensor, parts: tuple | None = None
    ) -> Float[Tensor, "n k"]:
        "By distances. Where every mean has moved to 0, to more digits than there are, by the distance from 0."
        var = self.noised_var(s, v)[..., 0]
        if self.means.numel() <= FEW:
            off = (x[:, None] - s[..., None] * self.means) / torch.where(var == 0, 1, var).sqrt()[
                ..., None
            ]
            return _log_ball(off.square().sum(2), var, self.d)
        gone = s <= torch.finfo(s.dtype).eps ** 2
        unit = torch.where(gone, 1, s)
        z = squares(x / unit, self.means, _over(unit.square(), var))
        z = torch.where(gone, _over(x.square().sum(1, keepdim=True), var), z)
        return _log_ball(z, var, self.d)

    def parts(self, x: Float[Tensor, "n d"], s: Tensor) -> None:
        "None: round components need no split of x."
        return None

    def lean(
        self, x: Float[Tensor, "n d"], s: Tensor, v: Tensor, r: Tensor, parts: tuple | None = None
    ) -> Float[Tensor, "n d"]:
        return leaning(r / self.noised_var(s, v)[..., 0], x, self.means, s)

    def pull(
        self, x: Float[Tensor, "n d"], s: Tensor, f: Tensor, r: Tensor, parts: tuple | None = None
    ) -> Float[Tensor, "n d"]:
        r = r * f[..., 0]
        return r.sum(1, keepdim=True) * x - s * (r @ self.means)


def _check_variances(var: Tensor) -> Tensor:
    "var itself; ValueError for a negative one (looked for where it lies on the CPU)."
    checks.refuse(~(var >= 0), "covs must hold no negative variance, got", var)
    return checks.finite("covs", var)


def _check_directions(U: Float[Tensor, "k d r"]) -> Float[Tensor, "k d r"]:
    "U itself; ValueError unless its columns are orthonormal (looked at where it lies on the CPU)."
    if U.device.type == "cpu":
        off = U.mT @ U - torch.eye(U.shape[-1], dtype=U.dtype)
        if not bool((off.abs() < 1e3 * torch.finfo(U.dtype).eps).all()):
            raise ValueError(
                f"covs = (U, var, floor): U must have orthonormal columns, off by {off.abs().max():g}"
            )
    return U


def _low_rank(means: Float[Tensor, "k d"], U: Tensor, var: Tensor, floor: Tensor) -> Components:
    "From (U, var, floor), if their shapes fit; U with all d directions leaves none to the floor."
    k, d = means.shape
    came = U.shape[:2], var.shape, floor.shape
    if U.ndim != 3 or came != ((k, d), (k, U.shape[2]), (k,)):
        shapes = f"({k}, {d}, r), ({k}, r) and ({k},)"
        got = ", ".join(str(tuple(c.shape)) for c in (U, var, floor))
        raise ValueError(f"covs = (U, var, floor) must have shapes {shapes}, got {got}")
    var = _check_variances(torch.cat([var, floor[:, None]], 1))
    return Components(means, var[:, :d], _check_directions(U))


def components_of(
    means: Float[Tensor, "k d"], covs: Tensor | tuple, event: tuple[int, ...]
) -> Components:
    "Components from any of the four ways to write their covariances, told apart by shape."
    k, d = means.shape
    kind = {"dtype": means.dtype, "device": means.device}
    if isinstance(covs, tuple):
        if len(covs) != 3:
            raise ValueError(f"covs = (U, var, floor) must hold three tensors, got {len(covs)}")
        fits = "tensors where it is a tuple"
        return _low_rank(means, *(checks.real("covs", c, fits, **kind) for c in covs))
    covs = checks.real("covs", covs, "a tensor or a tuple (U, var, floor)", **kind)
    if covs.shape == (k,):
        return RoundComponents(means, _check_variances(covs[:, None]))
    if covs.shape in [(k, d), (k, *event)]:
        return Components(means, _check_variances(covs.reshape(k, d)))
    if covs.shape != (k, d, d):
        fits = f"({k},), ({k}, {d}), ({k}, {d}, {d}) or be a tuple (U, var, floor)"
        raise ValueError(f"covs must have shape {fits}, got {tuple(covs.shape)}")
    return Components(means, *_eigen(covs))


def _eigen(covs: Float[Tensor, "k d d"]) -> tuple[Float[Tensor, "k d"], Float[Tensor, "k d d"]]:
    "Variances and directions of each matrix, worked out in float64. A variance of the size of rounding is 0."
    exact = covs.double()
    if covs.device.type == "cpu" and bool(
        ((exact - exact.mT).abs() > 1e-5 * exact.abs().amax((1, 2), True)).any()
    ):
        raise ValueError("covs must be symmetric, got a matrix that is not")
    var, U = torch.linalg.eigh(exact)
    largest = 10 * covs.shape[-1] * var.abs().amax(-1, keepdim=True)
    below, above = (largest * torch.finfo(dtype).eps for dtype in (covs.dtype, exact.dtype))
    return _check_variances(torch.where((var >= -below) & (var <= above), 0, var)).to(covs), U.to(
        covs
    )


def log_weights_of(weights: Sequence[float] | Tensor, means: Tensor) -> Float[Tensor, " k"]:
    "log of the weights; ValueError unless they are k shares that add to 1."
    kind = {"dtype": torch.float64, "device": means.device}
    weights = checks.real("weights", weights, "a list or tensor of numbers", **kind)
    if weights.shape != means.shape[:1]:
        raise ValueError(
            f"weights must have shape ({len(means)},), one for each mean, got {tuple(weights.shape)}"
        )
    if weights.device.type == "cpu" and not bool(
        (weights >= 0).all() and (weights.sum() - 1).abs() < 1e-5
    ):
        raise ValueError(f"weights must be 0 or more and add to 1, got {weights.tolist()[:10]}")
    return (weights.log() - weights.sum().log()).to(means)


def fit_labels(
    x: Float[Tensor, "n d"], labels: Int[Tensor, " n"], floor: float
) -> tuple[Tensor, Components]:
    "One Gaussian a label by maximum likelihood: its share, mean and covariance, with floor added to every variance."
    shares, means, var, U = [], [], [], []
    for label in labels.unique():
        own = x[labels == label]
        centred = own - own.mean(0)
        values, directions = torch.linalg.eigh(centred.T @ centred / len(own))
        shares.append(len(own) / len(x))
        means.append(own.mean(0))
        var.append(values.clamp(min=0) + floor)  # eigh leaves variances of 0 a rounding below it
        U.append(directions)
    means = torch.stack(means)
    return log_weights_of(shares, means), Components(means, torch.stack(var), torch.stack(U))


def fit_em(x: Float[Tensor, "n d"], k: int, floor: float, seed: int) -> tuple[Tensor, Components]:
    "k Gaussians by expectation maximisation; scikit-learn adds floor to every variance."
    checks.need("a mixture of unlabelled data", "scikit-learn", "sklearn")
    from sklearn.mixture import GaussianMixture as EM

    em = EM(k, reg_covar=floor, random_state=seed).fit(x.cpu().numpy())
    weights, means, covs = (
        torch.as_tensor(a).to(x) for a in (em.weights_, em.means_, em.covariances_)
    )
    return log_weights_of(weights, means), components_of(means, covs, means.shape[1:])
