"The exercises of chapters 1 to 3: densities, Gaussians, and one step forward or many."

from collections.abc import Callable

import torch
from torch import Tensor

from .exercise import Draws, Exercise, add, number

__all__ = []


def halfway(x, heights, dx):
    area_so_far = (heights * dx).cumsum(0)
    return x[area_so_far >= 0.5][0]


def _lopsided(d: Draws) -> dict:
    "A density on strips, heavy on one side; the area never reaches one half just at a strip's end."
    share = d.shares(5 if d.small else (6, 9, 10, 13)[d.whole(0, 3)])
    share = share[(share > share.median()).double().argsort(stable=True)]
    share = share.flip(0) if d.whole(0, 1) else share
    dx = d.between(0.1, 0.2)
    places = torch.arange(len(share), dtype=d.dtype) + 0.5
    return {"x": d.between(-2, 1) + dx * places, "heights": share / dx, "dx": dx}


def _all_in_one(a: dict) -> dict:
    "The whole area in the second strip."
    heights = torch.zeros_like(a["heights"])
    heights[1] = 1 / a["dx"]
    return a | {"heights": heights}


add(Exercise("1.a", "the fence that halves the draws", halfway, _lopsided,
    hints=("Walk from the left and keep count of the area behind you. In which strip does it reach one half?",
           "The area of a strip is q(x) dx, (1.2). cumsum adds up from the left; take the first x at which that sum is "
           "at least 0.5."),
    edges=(("Where one strip holds all of the area, the fence was not in it.", _all_in_one),)),
    ("That is the place where the density is highest. Half of the draws need not lie left of it: count the area.",
     lambda x, h, dx: x[h.argmax()]),
    ("That is the mean, the point at which the density would balance. A few draws far out pull it along, but the fence "
     "only counts how many lie on each side.", lambda x, h, dx: (x * h * dx).sum(),
     lambda x, h, dx: (x * h).sum() / h.sum()),
    ("That is the middle of the line, whatever the density. Half of the places is not half of the draws: weigh each "
     "strip by its area.", lambda x, h, dx: x.mean(), lambda x, h, dx: x.median(), lambda x, h, dx: x[len(x) // 2]),
    ("You compared heights with one half. A density is not a chance: the chance of a strip is its area, height times "
     "dx.", lambda x, h, dx: x[h.cumsum(0) >= 0.5][0], lambda x, h, dx: x[(h >= 0.5).double().argmax()]),
    ("Your fence stands in the first strip, whatever the density. A single strip seldom holds one half: add up the "
     "areas, height times dx, from the left.", lambda x, h, dx: x[0],
     lambda x, h, dx: x[(h * dx >= 0.5).double().argmax()], lambda x, h, dx: x[(h / dx).cumsum(0) >= 0.5][0]),
    ("That is the number of the strip. The fence stands at a place: return the x that belongs to it.",
     lambda x, h, dx: (h * dx).cumsum(0).lt(0.5).sum()),
    ("That is the area behind the fence. Return the place x where the fence stands.",
     lambda x, h, dx: (h * dx).cumsum(0)[(h * dx).cumsum(0) >= 0.5][0]),
    ("One strip too early: by its end less than half of the chance is used up.",
     lambda x, h, dx: x[(h * dx).cumsum(0) < 0.5][-1]),
    ("One strip too late: half of the chance is used up before it begins.",
     lambda x, h, dx: x[(h * dx).cumsum(0) >= 0.5][1]),
)  # fmt: skip


def draw_mixture(share, mean, std, u, eps):
    ends = share.cumsum(0)
    pick = (u[:, None] > ends).sum(1)
    return mean[pick] + std[pick] * eps


def _stick(d: Draws) -> dict:
    "Three components, and places on the stick well inside of their pieces, some in each."
    n = 3 if d.small else d.whole(6, 12)
    pick = torch.cat([torch.arange(3), torch.randint(0, 3, (n - 3,), generator=d.generator)])
    pick = pick[torch.randperm(n, generator=d.generator)]
    share = torch.tensor([0.2, 0.5, 0.3], dtype=d.dtype) if d.small else d.shares(3)
    u = (share.cumsum(0) - share)[pick] + d.between(0.1, 0.9, n) * share[pick]
    mean, std = d.between(-1, 1, 3) + d.kept(torch.tensor([-2.0, 0, 2])), d.between(0.2, 0.7, 3)
    return {"share": share, "mean": mean, "std": std, "u": u, "eps": d.normal(n)}


def _piece(share, u):
    "Which piece of the stick each u lies in."
    return (u[:, None] > share.cumsum(0)).sum(1)


add(Exercise("1.b", "a draw from a mixture", draw_mixture, _stick,
    hints=("The pieces of the stick end at the running sums of share. How many of these ends lie left of u? That is "
           "the number of the piece.",
           "pick = (u[:, None] > share.cumsum(0)).sum(1); then mean[pick], plus std[pick] times eps.")),
    ("You averaged the components' draws. That puts draws between the Gaussians, where the density is low. Each draw comes "
     "from one Gaussian only: the one that u picks.", lambda w, m, s, u, e: (w * (m + s * e[:, None])).sum(1),
     lambda w, m, s, u, e: (m + s * e[:, None]).mean(1),
     lambda w, m, s, u, e: (w * m).sum() + (w * s ** 2).sum().sqrt() * e),
    ("All your draws come from the component with the largest share. The others must come up too, by their shares: "
     "that is what u is for.", lambda w, m, s, u, e: m[w.argmax()] + s[w.argmax()] * e),
    ("You cut the stick into three equal pieces. Each piece must be as long as its share.",
     lambda w, m, s, u, e: m[(3 * u).long()] + s[(3 * u).long()] * e),
    ("You compared u with each share by itself. The second piece begins where the first one ends, so add the shares "
     "up: share.cumsum(0).",
     lambda w, m, s, u, e: m[(u[:, None] > w).sum(1).clamp(max=2)] + s[(u[:, None] > w).sum(1).clamp(max=2)] * e),
    ("Your pieces lie in reverse order: a small u must pick the first Gaussian.",
     lambda w, m, s, u, e: m[2 - _piece(w, u)] + s[2 - _piece(w, u)] * e,
     lambda w, m, s, u, e: m[_piece(w, 1 - u)] + s[_piece(w, 1 - u)] * e),
    ("You multiplied a draw by its share. The share says how often a component is picked, and the pick has seen to "
     "that.", lambda w, m, s, u, e: w[_piece(w, u)] * (m[_piece(w, u)] + s[_piece(w, u)] * e)),
    ("You squared std, or took its root. It is a standard deviation already, which is what scales eps.",
     lambda w, m, s, u, e: m[_piece(w, u)] + s[_piece(w, u)] ** 2 * e,
     lambda w, m, s, u, e: m[_piece(w, u)] + s[_piece(w, u)].sqrt() * e),
    ("Your draws all have the same width. Each component has its own: std[pick].",
     lambda w, m, s, u, e: m[_piece(w, u)] + s.mean() * e, lambda w, m, s, u, e: m[_piece(w, u)] + e),
    ("u has picked the Gaussian, and you used it again as the noise. The noise is eps.",
     lambda w, m, s, u, e: m[_piece(w, u)] + s[_piece(w, u)] * u),
    ("Your draws all sit exactly on the middle of a Gaussian: eps is missing.", lambda w, m, s, u, e: m[_piece(w, u)]),
    ("You scaled the mean as well. First scale eps, then add the mean.",
     lambda w, m, s, u, e: s[_piece(w, u)] * (m[_piece(w, u)] + e)),
    ("Your draws have no middle: add mean[pick].", lambda w, m, s, u, e: s[_piece(w, u)] * e),
)  # fmt: skip


def variance_of_mean(C):
    return C.sum() / len(C) ** 2


def _table(d: Draws) -> Tensor:
    "A covariance matrix, of two pixels or of a few, that are related."
    x = d.normal(3, 2) if d.small else d.normal(d.whole(6, 9), d.whole(3, 5))
    x = x + 0.4 * x.sum(1, keepdim=True)
    return d.kept(torch.cov(x.T, correction=0))


add(Exercise("2.a", "the variance of the mean grey", variance_of_mean, lambda d: {"C": _table(d)},
    hints=("How far is a mean grey from its own mean? It is the average of d deviations, one a pixel. Square that "
           "average: which products appear, and what is each on average over the images?",
           "All d² products of two deviations appear, each divided by d². Their averages are the entries of C, "
           "(2.5).")),
    ("You counted the diagonal alone, as if the pixels were unrelated. Each pair of pixels adds its covariance.",
     lambda C: C.trace() / len(C) ** 2, lambda C: C.trace()),
    ("That is the average of the variances: what one pixel has, and not what the mean of d pixels has.",
     lambda C: C.trace() / len(C)),
    ("That is the variance of the sum. The mean is the sum times 1/d, and a factor goes into the variance squared, "
     "(2.4).", lambda C: C.sum()),
    ("You divided by d once. A factor goes into the variance squared, (2.4): divide by d².",
     lambda C: C.sum() / len(C)),
    ("You counted each pair of pixels once. In the square of a sum it comes twice, as ab and as ba.",
     lambda C: C.triu().sum() / len(C) ** 2, lambda C: C.triu().mean() * 2 / (1 + 1 / len(C))),
    ("You left the variances out. A pixel is a pair with itself, too.", lambda C: (C.sum() - C.trace()) / len(C) ** 2,
     lambda C: (C.sum() - C.trace()) / (len(C) * (len(C) - 1))),
    ("That is a standard deviation. The variance is asked, its square.", lambda C: C.mean().sqrt()),
    ("You averaged the standard deviations. That would be right if all pixels moved together, with correlation 1.",
     lambda C: C.diagonal().sqrt().mean() ** 2),
    ("You have a number for each pixel: its covariance with the mean grey. Average once more.", lambda C: C.mean(0)),
)  # fmt: skip


def more_noise(x, var, new_var, eps):
    return x + (new_var - var) ** 0.5 * eps


add(Exercise("2.b", "more noise on a noisy image", more_noise, lambda d: {"x": d.picture(), "var": d.between(0.1, 0.4),
    "new_var": d.between(0.6, 1.5), "eps": d.picture()},
    hints=("Which of the two adds when independent noise is added, the variance or the standard deviation? How much of "
           "it is missing?",
           "The variance new_var − var is missing, (2.4), and a draw is scaled by the root of its variance, (2.8)."),
    edges=(("With new_var = var nothing is missing, and x should stay as it is.", lambda a: a | {"new_var":
           a["var"]}),)),
    ("You took the difference of the standard deviations. They do not add; the variances do, (2.4).",
     lambda x, v, w, e: x + (w ** 0.5 - v ** 0.5) * e),
    ("You found the variance that is missing, and scaled eps by it. A draw is scaled by the standard deviation, its "
     "root.", lambda x, v, w, e: x + (w - v) * e, lambda x, v, w, e: x + (w - v) ** 2 * e),
    ("You added all of new_var, but x has noise of variance var already. Now it has new_var + var.",
     lambda x, v, w, e: x + w ** 0.5 * e, lambda x, v, w, e: x + w * e),
    ("You added the two variances. What is missing is their difference.", lambda x, v, w, e: x + (w + v) ** 0.5 * e,
     lambda x, v, w, e: x + (w + v) * e),
    ("You stretched x. That widens its noise, but it stretches the image as well. Leave x, and add to it.",
     lambda x, v, w, e: x * (w / v) ** 0.5, lambda x, v, w, e: x * w / v, lambda x, v, w, e: x * (w / v) ** 0.5 + e),
    ("You took the ratio of the variances. When noise is added variances add, so what is missing is a difference.",
     lambda x, v, w, e: x + (w / v) ** 0.5 * e, lambda x, v, w, e: x + w / v * e,
     lambda x, v, w, e: x + (w / v - 1) ** 0.5 * e),
    ("Your eps has its sign turned. As a law that is the same, since −ε is as likely as ε. For this eps it is not.",
     lambda x, v, w, e: x - (w - v) ** 0.5 * e),
    ("The image is missing: your answer sits around 0.", lambda x, v, w, e: (w - v) ** 0.5 * e,
     lambda x, v, w, e: w ** 0.5 * e),
    ("You added eps as it is, with variance 1, whatever is missing.", lambda x, v, w, e: x + e),
    ("No noise was added: that is x.", lambda x, v, w, e: x),
)  # fmt: skip


def one_step(x, beta, eps):
    return (1 - beta) ** 0.5 * x + beta**0.5 * eps


add(Exercise("3.a", "one forward step", one_step, lambda d: {"x": d.picture(), "beta": d.between(0.1, 0.4), "eps":
    d.picture()},
    hints=("(3.3) is a Gaussian. Which is its mean, and which its variance? Then draw as in (2.8).",
           "√(1−β) x + √β ε, (3.4)."),
    edges=(("At β = 0 the image changed.", lambda a: a | {"beta": number(a, 0.0)}),
           ("At β = 1 only the noise should be left, and yours was not eps.", lambda a: a | {"beta": number(a, 1.0)}))),
    ("Your noise has size β, but N(x; μ, Σ) takes a variance: scale ε by √β.",
     lambda x, b, e: (1 - b) ** 0.5 * x + b * e, lambda x, b, e: (1 - b) ** 0.5 * x + b ** 2 * e),
    ("Your image is scaled by 1 − β. The mean of (3.3) is √(1−β) x: a root is missing.",
     lambda x, b, e: (1 - b) * x + b ** 0.5 * e),
    ("Both roots are missing: scale x by √(1−β) and ε by √β. Then a variance of 1 stays 1.",
     lambda x, b, e: (1 - b) * x + b * e),
    ("Your image was not scaled. Without the factor √(1−β) the noise piles up, step after step.",
     lambda x, b, e: x + b ** 0.5 * e, lambda x, b, e: x + b * e),
    ("Your scales are swapped: β belongs to the noise, 1 − β to the image.",
     lambda x, b, e: b ** 0.5 * x + (1 - b) ** 0.5 * e, lambda x, b, e: b * x + (1 - b) * e),
    ("You scaled the noise together with the image. Only x is multiplied by √(1−β).",
     lambda x, b, e: (1 - b) ** 0.5 * (x + b ** 0.5 * e), lambda x, b, e: (1 - b) ** 0.5 * (x + e)),
    ("You took 1 − √β. The root is over all of 1 − β.", lambda x, b, e: (1 - b ** 0.5) * x + b ** 0.5 * e,
     lambda x, b, e: (1 - b ** 0.5) * x + b * e),
    ("You treated β as a standard deviation. It is a variance: √(1−β) and √β.",
     lambda x, b, e: (1 - b ** 2) ** 0.5 * x + b * e),
    ("Your noise has variance 1, whatever β is: scale ε by √β.", lambda x, b, e: (1 - b) ** 0.5 * x + e),
    ("You divided by √(1−β), so your image got stronger. The mean of (3.3) is √(1−β) times x.",
     lambda x, b, e: x / (1 - b) ** 0.5 + b ** 0.5 * e, lambda x, b, e: x / (1 - b) ** 0.5 + b * e),
    ("You cut the result at −1 and 1. Only the screen does that: x_t itself may be blacker than black.",
     lambda x, b, e: one_step(x, b, e).clamp(-1, 1)),
    ("The noise is missing: that is the mean of (3.3).", lambda x, b, e: (1 - b) ** 0.5 * x),
    ("Your ε has its sign turned. As a law that is the same. For this eps it is not.",
     lambda x, b, e: (1 - b) ** 0.5 * x - b ** 0.5 * e),
)  # fmt: skip


def jump(x, beta, s, t, eps):
    left = (1 - beta[s + 1 : t + 1]).prod()
    return left**0.5 * x + (1 - left) ** 0.5 * eps


def _jump(left: Callable, signal=lambda a: a**0.5, noise=lambda a: (1 - a) ** 0.5) -> Callable:
    "A jump that leaves another share of the variance, or with other scales."

    def wrong(x, beta, s, t, eps):
        share = left(beta, s, t)
        return signal(share) * x + noise(share) * eps

    return wrong


def _left(beta, s, t):
    return (1 - beta[s + 1 : t + 1]).prod()


def _bar(beta, t):
    "ᾱ_t, the share that is left of x_0."
    return (1 - beta[: t + 1]).prod()


def _one_noise(x, beta, s, t, eps):
    "Step by step, with the same noise each time."
    for k in range(s + 1, t + 1):
        x = (1 - beta[k]) ** 0.5 * x + beta[k] ** 0.5 * eps
    return x


def _s_and_t(d: Draws) -> dict:
    "Two times with two steps or more between them."
    s = 1 + d.index % 3
    return {
        "x": d.picture(),
        "beta": d.betas(),
        "s": s,
        "t": min(5, s + 2 + d.index % 2),
        "eps": d.picture(),
    }


add(Exercise("3.b", "the jump to step t", jump, _s_and_t,
    hints=("Which steps still lie ahead of x_s? What do they leave of its variance, and how much noise do they add?",
           "With a = α_{s+1} ⋯ α_t, which is ᾱ_t / ᾱ_s: √a x_s + √(1−a) ε, as (3.9) but from s on."),
    edges=(("At t = s no step lies ahead, and x_s did not come back.", lambda a: a | {"t": a["s"]}),
           ("At s = 0 it is the jump from x_0, (3.9), and yours was not.", lambda a: a | {"s": 0}))),
    ("You jumped as if x were x_0. The first s steps are behind it already: only the α of steps s + 1 … t are to be "
     "multiplied.", _jump(lambda b, s, t: _bar(b, t))),
    ("Your product begins one step early. x_s has step s behind it, so the first factor is α_{s+1}.",
     _jump(lambda b, s, t: (1 - b[s : t + 1]).prod())),
    ("Your product leaves out the first step ahead: it must begin with α_{s+1}.",
     _jump(lambda b, s, t: (1 - b[s + 2 : t + 1]).prod())),
    ("Your product ends one step early: it must include α_t.", _jump(lambda b, s, t: (1 - b[s + 1 : t]).prod())),
    ("Your product begins and ends one step early: α_s is behind you, and α_t still ahead.",
     _jump(lambda b, s, t: (1 - b[s:t]).prod())),
    ("Your product holds one step too many: it must end with α_t.",
     _jump(lambda b, s, t: (1 - b[s + 1 : t + 2]).prod())),
    ("You took the right number of steps, but the first ones. The steps ahead are s + 1 … t.",
     _jump(lambda b, s, t: (1 - b[1 : t - s + 1]).prod())),
    ("You used one step's α alone. Each step from s + 1 to t leaves its share, so multiply them all.",
     _jump(lambda b, s, t: 1 - b[t])),
    ("You added the β up. The shares that are left multiply: take the product of the α.",
     _jump(lambda b, s, t: 1 - b[s + 1 : t + 1].sum())),
    ("You multiplied the β. What is left is the product of the α, and α = 1 − β.",
     _jump(lambda b, s, t: b[s + 1 : t + 1].prod()), _jump(lambda b, s, t: 1 - b[s + 1 : t + 1].prod())),
    ("You took α to a power. That is right for a β that never changes. These differ.",
     _jump(lambda b, s, t: (1 - b[t]) ** (t - s))),
    ("Your ratio stands on its head: what is left of x_s is ᾱ_t / ᾱ_s, which is at most 1.",
     _jump(lambda b, s, t: _bar(b, s) / _bar(b, t))),
    ("You subtracted ᾱ_t from ᾱ_s. Shares multiply, so what lies between the two is a ratio: ᾱ_t / ᾱ_s.",
     _jump(lambda b, s, t: 1 - (_bar(b, s) - _bar(b, t))), _jump(lambda b, s, t: _bar(b, s) - _bar(b, t))),
    ("Your noise is as large as if it were all new. Some of it is in x_s already: add only what the steps s + 1 … t "
     "add, variance 1 − α_{s+1} ⋯ α_t.", lambda x, b, s, t, e: _left(b, s, t) ** 0.5 * x + (1 - _bar(b, t)) ** 0.5 * e),
    ("You took the difference of the two noise variances. But the noise that is in x_s shrinks on the way, so more "
     "than the difference is new.",
     lambda x, b, s, t, e: _left(b, s, t) ** 0.5 * x + (_bar(b, s) - _bar(b, t)) ** 0.5 * e),
    ("Your noise is right, and x is scaled as if it were x_0: only the steps s + 1 … t shrink x_s.",
     lambda x, b, s, t, e: _bar(b, t) ** 0.5 * x + (1 - _left(b, s, t)) ** 0.5 * e),
    ("x is scaled by the share of the variance that is left. Take its root.", _jump(_left, signal=lambda a: a)),
    ("Your noise is scaled by its variance. Take the root.", _jump(_left, noise=lambda a: 1 - a)),
    ("Both roots are missing: √a x + √(1−a) ε, with a the share that is left.",
     _jump(_left, lambda a: a, lambda a: 1 - a)),
    ("Your scales are swapped: the root of what is left belongs to x.",
     _jump(_left, lambda a: (1 - a) ** 0.5, lambda a: a**0.5)),
    ("You took 1 − √a for the noise. The root is over all of 1 − a.", _jump(_left, noise=lambda a: 1 - a**0.5)),
    ("You walked step by step, with the same eps each time. Each step draws noise of its own. All of it together is "
     "one noise of variance 1 − α_{s+1} ⋯ α_t.", _one_noise),
    ("You added up the variances of the noise. But each step also shrinks the noise of the steps before it.",
     lambda x, b, s, t, e: _left(b, s, t) ** 0.5 * x + b[s + 1:t + 1].sum() ** 0.5 * e),
    ("Your noise has variance 1, whatever s and t are: scale it.", lambda x, b, s, t, e: _left(b, s, t) ** 0.5 * x + e),
    ("Your noise is that of the last step alone. All the steps from s + 1 to t add some.",
     lambda x, b, s, t, e: _left(b, s, t) ** 0.5 * x + b[t] ** 0.5 * e),
    ("The noise is missing.", lambda x, b, s, t, e: _left(b, s, t) ** 0.5 * x),
)  # fmt: skip
