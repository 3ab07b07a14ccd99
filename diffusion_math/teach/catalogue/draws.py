"The exercises of chapters 13 to 15: solvers, straight lines and guidance."

from collections.abc import Callable

import torch
from torch import Tensor

from .exercise import Draws, Exercise, add, number

__all__ = []


def line_weights(before, now, then):
    back = (then - now) / (now - before) / 2
    return torch.stack([1 + back, -back])


def _by_ratio(f):
    "Wrong weights, from the next step over the last: f says how much the older answer counts."
    return lambda before, now, then: torch.stack(
        [1 + f((then - now) / (now - before)), -f((then - now) / (now - before))]
    )


add(Exercise("13.a", "the weights of two answers", line_weights, lambda d: {"before": d.between(-3.0, -2.0), "now":
    d.between(-1.2, -0.8), "then": d.between(1.0, 2.0)},
    hints=("Half of the step lies ahead of the middle. How much does the answer change over that, if it goes on as it "
           "did from `before` to `now`?",
           "The first weight is 1 + b, the second −b, with b = ½ (then − now) / (now − before)."),
    edges=(("Where both steps are equally long, the weights are 3/2 and −1/2.", lambda a: a | {"then": 2 * a["now"] -
           a["before"]}),)),
    ("Those are the weights of equal steps. Here the last step is shorter or longer than this one.",
     _by_ratio(lambda r: 0 * r + 0.5)),
    ("You read the line where the step ends. In the middle the answer has changed by half of that.",
     _by_ratio(lambda r: r)),
    ("Your ratio is upside down: after a short step and before a long one, the change counts more.",
     _by_ratio(lambda r: 1 / r / 2), _by_ratio(lambda r: 1 / r)),
    ("You read the line in the middle of the last step. It is to go on, not back.", _by_ratio(lambda r: -r / 2),
     _by_ratio(lambda r: 0 * r - 0.5)),
    ("Your weights do not add up to 1, so even an answer that never changes would come out wrong.",
     lambda before, now, then: torch.stack([1 + (then - now) / (now - before) / 2, (then - now) / (now - before) / 2]),
     lambda before, now, then: torch.stack([(then - now) / (now - before) / 2, -(then - now) / (now - before) / 2])),
    ("The two weights have changed places: the answer of now comes first.",
     lambda before, now, then: line_weights(before, now, then).flip(0)),
    ("The older answer does not count in yours: the answer is held still.",
     lambda before, now, then: torch.stack([1 + 0 * now, 0 * now])),
)  # fmt: skip


def measured_order(coarse, middle, fine):
    return ((coarse - middle) / (middle - fine)).log2()


add(Exercise("13.b", "the order, measured", measured_order, lambda d: {"coarse": d.between(1.9, 2.4), "middle":
    d.between(1.2, 1.3), "fine": d.between(1.05, 1.12)},
    hints=("The error is about C/nᵏ. Write down all three ends as truth + error, and subtract them by pairs.",
           "(coarse − middle)/(middle − fine) = 2ᵏ. What undoes a power of 2?"),
    edges=(("Ends that come from below, not from above, show the same order.", lambda a: {name: -value for name, value
           in a.items()}),)),
    ("That is the factor by which the error falls. The order is its power of 2.",
     lambda coarse, middle, fine: (coarse - middle) / (middle - fine)),
    ("A doubling is a power of 2, so take the logarithm to the base 2.",
     lambda coarse, middle, fine: ((coarse - middle) / (middle - fine)).log(),
     lambda coarse, middle, fine: ((coarse - middle) / (middle - fine)).log10()),
    ("Your order is negative: the change of the first doubling is the larger one, and belongs above.",
     lambda coarse, middle, fine: ((middle - fine) / (coarse - middle)).log2()),
    ("You compared the ends themselves. Only their differences know how far the walk still is from the truth.",
     lambda coarse, middle, fine: (coarse / middle).log2(), lambda coarse, middle, fine: (coarse / fine).log2(),
     lambda coarse, middle, fine: (coarse / fine).log2() / 2),
    ("From coarse to fine the steps have been halved twice. Compare neighbours, or you see two doublings at once.",
     lambda coarse, middle, fine: ((coarse - fine) / (middle - fine)).log2(),
     lambda coarse, middle, fine: ((coarse - fine) / (coarse - middle)).log2()),
)  # fmt: skip


def guess_from_velocity(x, network, alpha_bar):
    a, s = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    y, tau = x / (a + s), a / (a + s)
    return y + (1 - tau) * network(y, tau)


class _Mover:
    "(x, tau) -> k x + c tau + m: a velocity network that can be read."

    def __init__(self, k: float, c: float, m: float):
        self.k, self.c, self.m = k, c, m

    def __call__(self, x: Tensor, tau: float | Tensor) -> Tensor:
        return self.k * x + self.c * tau + self.m

    def __repr__(self) -> str:
        return f"(x, tau) -> {self.k:g} x + {self.c:g} tau + {self.m:g}"


def _moving(d: Draws) -> dict:
    "A velocity network, and a picture in which the signal outweighs the noise."
    k, c, m = (d.whole(3, 9) / 10, d.whole(11, 19) / 10, d.whole(3, 9) / 10)
    return {"x": d.normal(*d.shape), "network": _Mover(k, c, m), "alpha_bar": d.between(0.6, 0.85)}


def _by_line(f: Callable) -> Callable:
    "A wrong guess, f(x, y, network, tau, a + s), tau on the network's clock."

    def answer(x, network, alpha_bar):
        a, s = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
        return f(x, x / (a + s), network, a / (a + s), a + s)

    return answer


add(Exercise("14.a", "a guess from another's network", guess_from_velocity, _moving,
    hints=("Three questions in turn. Which picture does the network know, and how do you make it from x, (14.6)? What "
           "time is it on its clock? And from there, how long is the way to the data, where τ is 1?",
           "y = x/(a + s) and τ = a/(a + s), with a = √ᾱ and s = √(1 − ᾱ). Then y + (1 − τ) network(y, τ).")),
    ("The network knows pictures on the line, whose weights add up to 1. Yours is larger: divide x by a + s, and go on "
     "with that alone.", _by_line(lambda x, y, u, tau, c: x + (1 - tau) * u(x, tau)),
     _by_line(lambda x, y, u, tau, c: y + (1 - tau) * u(x, tau)),
     _by_line(lambda x, y, u, tau, c: x + (1 - tau) * u(y, tau))),
    ("Multiply by a + s, and the weights add up to no 1: it is to be divided.",
     _by_line(lambda x, y, u, tau, c: c * x + (1 - tau) * u(c * x, tau))),
    ("You told the network s/(a + s). That is t, and its clock runs the other way: τ = 1 − t, which is 1 at the data.",
     _by_line(lambda x, y, u, tau, c: y + (1 - tau) * u(y, 1 - tau)),
     _by_line(lambda x, y, u, tau, c: y + tau * u(y, 1 - tau)),
     _by_line(lambda x, y, u, tau, c: y - (1 - tau) * u(y, 1 - tau))),
    ("From τ to the data, which is at 1, the way is 1 − τ long, not τ.",
     _by_line(lambda x, y, u, tau, c: y + tau * u(y, tau))),
    ("You went towards the noise. This network says x0 − ε, so it points to the data, and you go along with it.",
     _by_line(lambda x, y, u, tau, c: y - (1 - tau) * u(y, tau))),
    ("That is the guessed noise. It is as far away as τ, the other way; the picture is at 1 − τ.",
     _by_line(lambda x, y, u, tau, c: y - tau * u(y, tau))),
    ("τ is the signal's share of the two weights, a/(a + s), and not a or ᾱ itself.",
     lambda x, u, alpha_bar: (y := (x / (alpha_bar ** 0.5 + (1 - alpha_bar) ** 0.5))) + (1 - alpha_bar) * u(y,
         alpha_bar),
     lambda x, u, alpha_bar: (y := (x / (alpha_bar ** 0.5 + (1 - alpha_bar) ** 0.5))) + (1 - alpha_bar ** 0.5) * u(y,
         alpha_bar ** 0.5), lambda x, u, alpha_bar: x + (1 - alpha_bar) * u(x, alpha_bar)),
    ("You have scaled the guess back. Both ways of writing a noisy picture have the same x0 in them, so D needs no "
     "scale.", _by_line(lambda x, y, u, tau, c: c * (y + (1 - tau) * u(y, tau)))),
    ("That is the velocity. The guess is where it leads from y by τ = 1.", _by_line(lambda x, y, u, tau, c: u(y, tau)),
     _by_line(lambda x, y, u, tau, c: y + u(y, tau))),
)  # fmt: skip


def weight_of_the_picture(log_snr):
    return 0.5 * torch.exp(0.5 * log_snr)


def _levels_to_weigh(d: Draws) -> dict:
    return {"log_snr": d.between(-3.0, 3.0, 3 if d.small else d.whole(4, 7))}


add(Exercise("14.b", "a weight in other words", weight_of_the_picture, _levels_to_weigh,
    hints=("The velocity is off by 1/t of what x0 is off, (14.7), and a uniform t comes by λ with the density t(1 − "
           "t)/2. Write t by λ at the end.",
           "t(1 − t)/2 · 1/t² is (1 − t)/(2t), and (1 − t)/t is e^(λ/2)."),
    edges=(("At λ = 0, where t = ½, the density is ⅛ and the error of x0 counts 4: the weight is ½.", lambda a:
           {"log_snr": torch.zeros_like(a["log_snr"])}),)),
    ("That is the weight for the error of the noise, (14.10). The same error, seen as one of x0, is e^(−λ) times that, "
     "so its weight is e^λ times as large.", lambda v: torch.exp(-v / 2), lambda v: torch.exp(-v / 2) / 2),
    ("Twice too large. In (14.9) a ½ stands in front; here nothing does, so the weight must hold it.",
     lambda v: torch.exp(v / 2)),
    ("That is how often a uniform t comes by λ. What an error of x0 is worth there, 1/t², is missing.",
     lambda v: torch.sigmoid(v / 2) * torch.sigmoid(-v / 2) / 2,
     lambda v: torch.sigmoid(v / 2) * torch.sigmoid(-v / 2)),
    ("That is what an error of x0 is worth, 1/t². How often a uniform t comes by λ is missing: t(1 − t)/2.",
     lambda v: 1 / torch.sigmoid(-v / 2) ** 2),
    ("That is the bound's weight on the error of x0, or you took t for 1/(1 + e^λ). With (14.6) it is 1/(1 + e^(λ/2)).",
     lambda v: torch.exp(v) / 2, lambda v: torch.exp(v)),
    ("You went from the noise to the picture by e^(−λ), and it is the other way: where the picture is off little, the "
     "noise is off much.", lambda v: torch.exp(-1.5 * v) / 2, lambda v: torch.exp(-1.5 * v)),
    ("An error of x0 is worth 1/t² as one of the velocity, with the square, and t, not 1 − t. You left out a square.",
     lambda v: torch.sigmoid(v / 2) * torch.sigmoid(-v / 2) / 2 / torch.sigmoid(v / 2),
     lambda v: torch.sigmoid(v / 2) / 2),
)  # fmt: skip


def guided_guess(cond, slope, alpha_bar, w):
    return cond + (w - 1) * (1 - alpha_bar) / alpha_bar.sqrt() * slope


add(Exercise("15.a", "a guidance scale", guided_guess, lambda d: {"cond": d.normal(*d.shape), "slope": d.normal(*d.shape),
    "alpha_bar": d.between(0.2, 0.8), "w": d.between(2.0, 5.0)},
    hints=("How often does the class count in `cond` already? And by which factor does a slope change a guess, in "
           "(15.3)?",
           "cond + (w − 1)·s²/a·slope, with a² = ᾱ and s² = 1 − ᾱ."),
    edges=(("At w = 1 the model is to stay as it is, and yours does not.", lambda a: a | {"w": number(a, 1.0)}),)),
    ("The model is conditional, so the class counts once before you begin: w − 1 more times, not w.",
     lambda m, g, a2, w: m + w * (1 - a2) / a2 ** 0.5 * g),
    ("You count from another paper's zero. Here w = 1 means no guidance, so w − 1 is what comes on top.",
     lambda m, g, a2, w: m + (1 + w) * (1 - a2) / a2 ** 0.5 * g),
    ("Tweedie's formula divides by a, the root of ᾱ: in a guess a slope counts s²/a.",
     lambda m, g, a2, w: m + (w - 1) * (1 - a2) / a2 * g, lambda m, g, a2, w: m + (w - 1) * (1 - a2) * g,
     lambda m, g, a2, w: m + (w - 1) * (1 - a2) * a2 ** 0.5 * g),
    ("Tweedie's formula has s², the variance of the noise. Yours has its root s.",
     lambda m, g, a2, w: m + (w - 1) * (1 - a2) ** 0.5 / a2 ** 0.5 * g,
     lambda m, g, a2, w: m + (w - 1) * (1 - a2) ** 0.5 * g),
    ("You added slopes to a guess as if it were a score. A slope counts s²/a in a guess, by (15.3).",
     lambda m, g, a2, w: m + (w - 1) * g, lambda m, g, a2, w: m + w * g),
    ("You go downhill: the classifier's slope points to where it is surer, so it is added.",
     lambda m, g, a2, w: m - (w - 1) * (1 - a2) / a2 ** 0.5 * g),
    ("You have made all of the guess w times as large. Only the classifier's share of it grows.",
     lambda m, g, a2, w: w * m, lambda m, g, a2, w: w * m + (w - 1) * (1 - a2) / a2 ** 0.5 * g),
)  # fmt: skip


def weight_for(strong, weak, truth):
    return (truth / weak).log() / (strong / weak).log()


add(Exercise("15.b", "how far beyond a strong model", weight_for, lambda d: {"strong": d.between(1.2, 1.5), "weak":
    d.between(1.8, 3.0), "truth": d.between(0.6, 1.1)},
    hints=("Write (15.8) with the strong model in the place of the class. Which function turns its powers into "
           "products?",
           "log(truth / weak) / log(strong / weak)."),
    edges=(("Where the strong model is right already, no guidance is needed: w = 1.", lambda a: a | {"truth":
           a["strong"]}),)),
    ("That is another paper's number, 0 where nothing is done. Here the strong model alone is w = 1: add 1.",
     lambda s, v, t: (t / s).log() / (s / v).log()),
    ("The flow mixes the logarithms of the variances, and you have mixed the variances themselves.",
     lambda s, v, t: (t - v) / (s - v)),
    ("That is the w for the law that is claimed, which mixes 1/v. The flow mixes log v, by (15.8).",
     lambda s, v, t: (1 / t - 1 / v) / (1 / s - 1 / v)),
    ("You have mixed the spreads. What the flow mixes are logarithms.",
     lambda s, v, t: (t.sqrt() - v.sqrt()) / (s.sqrt() - v.sqrt())),
    ("Your fraction stands on its head: how far to go, divided by how far the strong model has come.",
     lambda s, v, t: (s / v).log() / (t / v).log()),
    ("You begin at the strong model. The line begins at the weak one, w = 0, and passes the strong one at w = 1.",
     lambda s, v, t: (t / s).log() / (v / s).log()),
)  # fmt: skip
