"The exercises of chapters 6 to 8: a network that names the noise, a score, a loop that draws, and four films with a slip each."

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ... import checks
from ...forward import ForwardProcess, constant_schedule
from ...gaussian import Gaussian
from ...reverse import ReverseProcess
from .exercise import Draws, Exercise, add, number

__all__ = ["mystery"]


def x0_from_eps(x_t, eps, alpha_bar):
    return (x_t - (1 - alpha_bar) ** 0.5 * eps) / alpha_bar**0.5


add(Exercise("6.a", "the picture from the noise", x0_from_eps, lambda d: {"x_t": d.picture(), "eps": d.picture(),
    "alpha_bar": d.between(0.55, 0.85)},
    hints=("Write x_t = √ᾱ x_0 + √(1−ᾱ) ε, and solve for x_0.",
           "(x_t − √(1−ᾱ) ε) / √ᾱ, (6.2)."),
    edges=(("At ᾱ = 1 there is no noise, and x_t did not come back.", lambda a: a | {"alpha_bar": number(a, 1.0)}),)),
    ("You took the noise away and stopped. What is left is √ᾱ x_0, a paler picture: divide by √ᾱ.",
     lambda x_t, e, a: x_t - (1 - a) ** 0.5 * e),
    ("You divided by ᾱ. The picture was scaled by its root: divide by √ᾱ.",
     lambda x_t, e, a: (x_t - (1 - a) ** 0.5 * e) / a),
    ("Your noise is scaled by its variance, 1 − ᾱ. Take the root.", lambda x_t, e, a: (x_t - (1 - a) * e) / a ** 0.5,
     lambda x_t, e, a: (x_t - (1 - a) * e) / a),
    ("You added the noise once more. It must be taken away.", lambda x_t, e, a: (x_t + (1 - a) ** 0.5 * e) / a ** 0.5),
    ("You multiplied by √ᾱ. That makes the picture paler still: divide.",
     lambda x_t, e, a: (x_t - (1 - a) ** 0.5 * e) * a ** 0.5),
    ("Your scales are swapped: the noise had √(1−ᾱ), the picture √ᾱ.",
     lambda x_t, e, a: (x_t - a ** 0.5 * e) / (1 - a) ** 0.5),
    ("You divided one of the two terms alone. Both are divided by √ᾱ: mind the brackets.",
     lambda x_t, e, a: x_t - (1 - a) ** 0.5 * e / a ** 0.5, lambda x_t, e, a: x_t / a ** 0.5 - (1 - a) ** 0.5 * e),
    ("The noise is still there: take away √(1−ᾱ) ε before you divide.", lambda x, e, a: x / a ** 0.5),
    ("The noise in x_t has size √(1−ᾱ), not 1.", lambda x_t, e, a: (x_t - e) / a ** 0.5, lambda x_t, e, a: x_t - e),
    ("You took 1 − √ᾱ for the noise. The root is over all of 1 − ᾱ.",
     lambda x_t, e, a: (x_t - (1 - a ** 0.5) * e) / a ** 0.5),
)  # fmt: skip


def noise_loss(network, x0, s, t, eps):
    a = s.alpha_bar[t]
    x_t = a**0.5 * x0 + (1 - a) ** 0.5 * eps
    said = (1 - a) ** 0.5 * x_t + a**0.5 * network(x_t, s.log_snr[t])
    return ((eps - said) ** 2).mean()


def _toy(x, log_snr):
    "Stands for a network: any function of both will do."
    # one for all, or one for each
    level = torch.as_tensor(log_snr, dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 1))
    return torch.tanh(1.5 * x) * (1 + 0.1 * level) + 0.2


def _square(e):
    return (e**2).mean()


def _mixed(x0, a, eps):
    return a**0.5 * x0 + (1 - a) ** 0.5 * eps


def _meant(v, x_t, a, x0):
    "The noise that a v means."
    return (1 - a) ** 0.5 * x_t + a**0.5 * v


def _loss(
    distance: Callable,
    jump=_mixed,
    see=None,
    said=_meant,
    target=lambda x0, a, eps: eps,
    told=lambda s, t: s.log_snr[t],
) -> Callable:
    "A loss with another distance, another x_t, another input of the network, translation or target."

    def wrong(network, x0, s, t, eps):
        a = s.alpha_bar[t]
        x_t = jump(x0, a, eps)
        v = network(x_t if see is None else see(x0, eps), told(s, t))
        return distance(target(x0, a, eps) - said(v, x_t, a, x0))

    return wrong


add(Exercise("6.b", "the loss of the noise, by v", noise_loss, lambda d: {"network": _toy, "x0": d.picture(), "s":
    d.schedule(), "t": 2 + d.index % 4, "eps": d.picture()},
    hints=("Jump to t with this eps, and get v. Then solve x_t = √ᾱ x_0 + √(1−ᾱ) ε and v = √ᾱ ε − √(1−ᾱ) x_0 for ε: "
           "multiply the first by √(1−ᾱ), the second by √ᾱ, and add.",
           "The mean over everything of (ε − √(1−ᾱ_t) x_t − √ᾱ_t network(x_t, s.log_snr[t]))², x_t = √ᾱ_t x_0 + "
           "√(1−ᾱ_t) ε, (6.6) by (6.10)."),
    random="Two calls with the same input gave two answers: you drew new noise inside. The noise in x_t and the noise "
        "that the network should name must be one and the same: the eps that is passed in."),
    ("You compared v with eps. They are two things: first turn the network's v into the ε that it means.",
     _loss(_square, said=lambda v, x_t, a, x0: v)),
    ("You compared the network's v with the right v. That is the squared error of v, 1/ᾱ times what was asked for.",
     _loss(_square, said=lambda v, x_t, a, x0: v, target=lambda x0, a, eps: a ** 0.5 * eps - (1 - a) ** 0.5 * x0)),
    ("You turned v into ε by the true x_0, which the network does not know. What it was shown is x_t: use that.",
     _loss(_square, said=lambda v, x_t, a, x0: (v + (1 - a) ** 0.5 * x0) / a**0.5)),
    ("Your roots are swapped: it is √(1−ᾱ) before x_t and √ᾱ before v.",
     _loss(_square, said=lambda v, x_t, a, x0: a**0.5 * x_t + (1 - a) ** 0.5 * v)),
    ("A sign is wrong where you turn v into ε: both terms are added.",
     _loss(_square, said=lambda v, x_t, a, x0: (1 - a) ** 0.5 * x_t - a**0.5 * v),
     _loss(_square, said=lambda v, x_t, a, x0: a**0.5 * v - (1 - a) ** 0.5 * x_t)),
    ("You forgot the roots where you turn v into ε: √(1−ᾱ) and √ᾱ.",
     _loss(_square, said=lambda v, x_t, a, x0: (1 - a) * x_t + a * v)),
    ("You compared two pictures, x_0 and its guess. This loss is the squared error of the noise.",
     _loss(_square, said=lambda v, x_t, a, x0: a ** 0.5 * x_t - (1 - a) ** 0.5 * v, target=lambda x0, a, eps: x0),
     _loss(_square, target=lambda x0, a, eps: x0)),
    ("You added the squares up. The mean is asked for, so that pictures of every size weigh the same.",
     _loss(lambda e: (e**2).sum())),
    ("You have one loss for each picture. Average over the batch as well.", _loss(lambda e: (e**2).flatten(1).mean(1)),
     _loss(lambda e: (e**2).flatten(1).sum(1)), _loss(lambda e: e**2)),
    ("You added up over the pixels and averaged over the pictures. Average over everything.",
     _loss(lambda e: (e**2).flatten(1).sum(1).mean())),
    ("Your network saw the clean picture. It must see x_t, the noisy one.", _loss(_square, see=lambda x0, eps: x0)),
    ("Your network saw the noise itself, and nothing else. It must find the noise in x_t.",
     _loss(_square, see=lambda x0, eps: eps)),
    ("Your x_t is not a jump: x_0 and ε are scaled by √ᾱ and √(1−ᾱ).", _loss(_square, lambda x0, a, eps: x0 + eps),
     _loss(_square, lambda x0, a, eps: a * x0 + (1 - a) * eps),
     _loss(_square, lambda x0, a, eps: a**0.5 * x0 + (1 - a) * eps),
     _loss(_square, lambda x0, a, eps: (1 - a) ** 0.5 * x0 + a**0.5 * eps)),
    ("You told the network something else than s.log_snr[t], which is how it knows the noise level.",
     _loss(_square, told=lambda s, t: t), _loss(_square, told=lambda s, t: s.alpha_bar[t]),
     _loss(_square, told=lambda s, t: s.snr[t]), _loss(_square, told=lambda s, t: s.beta[t])),
    ("You took absolute values. The loss is of squares.", _loss(lambda e: e.abs().mean())),
    ("You took a root at the end. The loss is the mean of the squares itself.", _loss(lambda e: (e**2).mean() ** 0.5)),
    ("You averaged first and squared then, so that errors cancel. Square first.", _loss(lambda e: e.mean() ** 2)),
)  # fmt: skip


def score_of_dataset(x_t, data, alpha_bar):
    away = (x_t[:, None] - alpha_bar**0.5 * data).square().sum(-1)
    share = torch.softmax(-away / (2 * (1 - alpha_bar)), 1)
    return (alpha_bar**0.5 * share @ data - x_t) / (1 - alpha_bar)


def _dataset(d: Draws) -> dict:
    "Noisy pictures and a dataset, each of a few pixels."
    b, n, pixels = (1, 2, 2) if d.small else (d.whole(2, 4), d.whole(3, 5), d.whole(2, 3))
    x_t, data = d.normal(b, pixels), d.normal(n, pixels)
    return {"x_t": x_t, "data": data, "alpha_bar": d.between(0.2, 0.45)}


def _away(x, data, a):
    "The squared distance of each noisy picture from each of the dataset, shrunk, (b, n)."
    return (x[:, None] - a**0.5 * data).square().sum(-1)


def _shares(scale: Callable) -> Callable:
    "The score by the shares softmax(scale(squared distance, ᾱ))."

    def score(x, data, a):
        share = torch.softmax(scale(_away(x, data, a), a), 1)
        return (a**0.5 * share @ data - x) / (1 - a)

    return score


def _made(score: Callable) -> Callable:
    "A wrong thing made of the right guess: score(x_t, guess, ᾱ)."

    def said(x, data, a):
        share = torch.softmax(-_away(x, data, a) / (2 * (1 - a)), 1)
        return score(x, share @ data, a)

    return said


def _unshrunk(x, data, a):
    share = torch.softmax(-(x[:, None] - data).square().sum(-1) / (2 * (1 - a)), 1)
    return (a**0.5 * share @ data - x) / (1 - a)


def _pixel_by_pixel(x, data, a):
    share = torch.softmax(-((x[:, None] - a**0.5 * data) ** 2) / (2 * (1 - a)), 1)
    return (a**0.5 * (share * data).sum(1) - x) / (1 - a)


def _not_shared(x, data, a):
    return (a**0.5 * torch.exp(-_away(x, data, a) / (2 * (1 - a))) @ data - x) / (1 - a)


def _across(x, data, a):
    share = torch.softmax(-_away(x, data, a) / (2 * (1 - a)), 0)
    return (a**0.5 * share @ data - x) / (1 - a)


add(Exercise("7.a", "the score of a dataset", score_of_dataset, _dataset,
    hints=("How likely is each picture of the dataset, given what you see? Then what is the best guess of the clean "
           "picture, and what does (7.4) make of a guess?",
           "The shares are a softmax of −‖x_t − √ᾱ·data‖² / (2 (1−ᾱ)) over the dataset; the guess is their average of the "
           "data; the score is (√ᾱ·guess − x_t) / (1−ᾱ), (7.4)."),
    edges=(("At ᾱ = 0 the law is N(0, I) whatever the dataset: the score is −x_t, and yours was not.", lambda a: a |
           {"alpha_bar": number(a, 0.0)}),
           ("In a dataset of one picture there is nothing to weigh: the score is (√ᾱ·data − x_t) / (1−ᾱ), and yours was "
           "not.", lambda a: a | {"data": a["data"][:1]}))),
    ("You took the plain mean of the dataset. After x_t was seen, pictures near it are likelier: weigh each by its height "
     "at x_t.", lambda x, data, a: (a ** 0.5 * data.mean(0) - x) / (1 - a),
     lambda x, data, a: ((a ** 0.5 * data - x[:, None]) / (1 - a)).mean(1)),
    ("You took the nearest picture alone. It is the likeliest, and the others count too, each by its share.",
     lambda x, data, a: (a ** 0.5 * data[_away(x, data, a).argmin(1)] - x) / (1 - a),
     lambda x, data, a: (a ** 0.5 * data[torch.cdist(x, data).argmin(1)] - x) / (1 - a)),
    ("The shares are off: a Gaussian of variance 1 − ᾱ falls as exp(−distance² / (2 (1−ᾱ))).",
     _shares(lambda away, a: -away / (1 - a)), _shares(lambda away, a: -away / 2),
     _shares(lambda away, a: -away / (2 * (1 - a) ** 0.5)), _shares(lambda away, a: -away.sqrt() / (2 * (1 - a))),
     _shares(lambda away, a: -away)),
    ("Your shares grow with the distance: the exponent of a Gaussian is negative.",
     _shares(lambda away, a: away / (2 * (1 - a)))),
    ("You measured from the pictures as they lie in the dataset. Noising shrank them: the Gaussians stand at √ᾱ·data.",
     _unshrunk),
    ("You weighed each pixel for itself. A picture has one share, that of all its pixels together: add up their "
     "squared distances first.", _pixel_by_pixel),
    ("The shares of one noisy picture must add up to 1: divide the heights of the Gaussians by their sum.", _not_shared),
    ("Your shares add up to 1 over the noisy pictures. They must do so over the dataset, for each noisy picture.",
     _across),
    ("That is the best guess of the clean picture, E[x_0 | x_t]. One step is left, (7.4): from the guess to the "
     "score.", _made(lambda x, guess, a: guess), _made(lambda x, guess, a: a**0.5 * guess)),
    ("The guess is clean, and x_t is shrunk: compare x_t with √ᾱ·guess.",
     _made(lambda x, guess, a: (guess - x) / (1 - a)), _made(lambda x, guess, a: (a * guess - x) / (1 - a))),
    ("The arrow points the right way and has a wrong length: divide by the variance of the noise, 1 − ᾱ.",
     _made(lambda x, guess, a: a**0.5 * guess - x), _made(lambda x, guess, a: (a**0.5 * guess - x) / (1 - a) ** 0.5),
     _made(lambda x, guess, a: (a**0.5 * guess - x) * (1 - a))),
    ("Your arrow points away from the guess. The score points uphill, towards it.",
     _made(lambda x, guess, a: (x - a**0.5 * guess) / (1 - a)), _made(lambda x, guess, a: x - a**0.5 * guess)),
)  # fmt: skip


def balanced_kick(h, var):
    return 2 * h - h**2 / var


add(Exercise("7.b", "a kick that balances", balanced_kick, lambda d: {"h": d.between(0.1, 0.45), "var": d.between(0.55,
    0.95)},
    hints=("A step without a kick makes the variance (1 − h/σ²)² times as large. How much is then missing?",
           "σ² = (1 − h/σ²)² σ² + kick, as in (7.10), solved for the kick: 2h − h²/σ²."),
    edges=(("At h = σ² the step forgets where the walker was, so the kick must have the variance σ² itself, and yours "
           "had not.", lambda a: a | {"h": a["var"]}),)),
    ("That is Langevin's own kick, 2h. With it the walkers come to rest at σ² / (1 − h/(2σ²)), (7.10), which is too "
     "wide.", lambda h, var: 2 * h, lambda h, var: 2 * h + 0 * var),
    ("You gave the size of the kick. Its variance is asked for: no root.", lambda h, var: (2 * h - h ** 2 / var) ** 0.5,
     lambda h, var: (2 * h) ** 0.5),
    ("You gave the share that the step leaves of the variance, or what is left of it. The kick must put back what is "
     "missing from σ².", lambda h, var: (1 - h / var) ** 2, lambda h, var: (1 - h / var) ** 2 * var),
    ("The step multiplies x by 1 − h/σ², so it multiplies the variance by the square of that.",
     lambda h, var: var - (1 - h / var) * var, lambda h, var: h / var),
    ("Your walkers have the variance 1 on the right side of the balance. They are to rest at σ².",
     lambda h, var: 1 - (1 - h / var) ** 2, lambda h, var: 2 * h / var - h ** 2 / var ** 2),
    ("The score of N(0, σ²) is −x/σ²: it pulls the harder the narrower the Gaussian. Yours pulls with −x.",
     lambda h, var: var - (1 - h) ** 2 * var, lambda h, var: (2 * h - h ** 2) * var, lambda h, var: 2 * h - h ** 2),
    ("You divided by σ where its square belongs: the score of N(0, σ²) is −x/σ².",
     lambda h, var: var - (1 - h / var ** 0.5) ** 2 * var),
    ("A sign is turned in the square: (1 − h/σ²)² is 1 − 2h/σ² + h²/σ⁴.", lambda h, var: 2 * h + h ** 2 / var,
     lambda h, var: h ** 2 / var - 2 * h),
    ("You multiplied by the factor of the bias, (7.10). Langevin's kick makes the walkers too wide, so it must be "
     "smaller than 2h.", lambda h, var: 2 * h / (1 - h / (2 * var))),
    ("The last term is off: (h/σ²)² σ² is h²/σ², and it comes once.", lambda h, var: 2 * h - 2 * h ** 2 / var,
     lambda h, var: 2 * h - h ** 2 / var ** 2, lambda h, var: 2 * h - h ** 2 / (2 * var)),
)  # fmt: skip


def _film(
    x0: Tensor, slip: int, generator: Generator | None, T: int = 60, beta: float = 0.05
) -> list[Tensor]:
    "x_0 ... x_T with one slip: 1 beta for its root, 2 no shrinking, 3 the same eps each time, 4 no root over 1 - beta."

    def noise():
        return torch.randn(x0.shape, generator=generator, dtype=x0.dtype, device=x0.device)

    once, path = noise(), [x0]
    signal = {2: 1.0, 4: 1 - beta}.get(slip, (1 - beta) ** 0.5)
    for _ in range(T):
        eps = once if slip == 3 else noise()
        path.append(signal * path[-1] + (beta if slip == 1 else beta**0.5) * eps)
    return path


FILMS = {"A": 4, "B": 2, "C": 1, "D": 3}  # which slip is in which film


def mystery(
    x0: Float[Tensor, "1 *event"], generator: Generator | None = None
) -> dict[str, Float[Tensor, "frames *event"]]:
    "Four films of x0 at t = 0, 5, 15, 30 and 60, each with one slip in its forward step; exercise 8.a asks which."
    if len(checks.finite("x0", checks.some("x0", x0, "picture"))) != 1:
        raise ValueError(f"x0 must hold one picture, (1, *event), got shape {tuple(x0.shape)}")
    checks.instance("generator", generator, Generator, type(None))
    films = {letter: _film(x0, slip, generator) for letter, slip in FILMS.items()}
    return {
        letter: torch.cat([film[t] for t in (0, 5, 15, 30, 60)]) for letter, film in films.items()
    }


def name_slip(film):
    return {"A": 4, "B": 2, "C": 1, "D": 3}[film]  # FILMS, written out


add(Exercise("8.a", "name the slip from its picture", name_slip, lambda d: {"film": "ABCD"[d.index % 4]},
    hints=("Follow two things from left to right: how bright the digit is, and how strong the static is.",
           "Variance after a step: (signal scale)² × before + (noise scale)². Work it out for each slip, 60 times."),
    one_by_one=True),
    ("Not 1: with β for √β hardly any noise comes in, and the end is an almost even grey. Look at the last frame's "
     "standard deviation, and compare it with 1.", lambda film: 1),
    ("Not 2: if the image is never scaled, the digit stays as bright as it was, under noise that piles up. Does it "
     "stay here?", lambda film: 2),
    ("Not 3: with the same ε at each step the static never changes from frame to frame, it only grows, and it grows "
     "fast. Compare two late frames.", lambda film: 3),
    ("Not 4: with 1 − β for its root the digit fades twice as fast, and the noise ends weaker than it should, but it "
     "is there. Look at the last frame's standard deviation.", lambda film: 4),
    ("The answer is one of the numbers 1, 2, 3 and 4.", *(lambda film, k=k: k for k in (0, 5, -1))),
)  # fmt: skip


def sampling_loop(p, x_T, eps):
    x = x_T
    for t in range(p.T, 0, -1):
        law = p.step(x, t)
        x = law.mean + law.std * eps[t] if t > 1 else law.mean
    return x


def _walk(
    times: Callable, move=lambda law, e, t: law.mean + law.std * e if t > 1 else law.mean
) -> Callable:
    "A loop over other times, or with another move."

    def wrong(p, x_T, eps):
        x = x_T
        for t in times(p.T):
            x = move(p.step(x, t), eps[t], t)
        return x

    return wrong


class _Short(ReverseProcess):
    "Four steps back, each different: stands for a model."

    def step(self, x_t, t):
        return Gaussian(0.8 * x_t + 0.3 * torch.sin(x_t + t), 0.1 + 0.1 * t)


def _walk_back(d: Draws) -> dict:
    "A reverse process, a start, and noise for each step."
    p, n = (
        _Short(ForwardProcess(constant_schedule(0.3, 4)), event_shape=(2,)),
        1 if d.small else d.whole(2, 4),
    )
    return {"p": p, "x_T": d.normal(n, 2), "eps": d.normal(5, n, 2)}


def _down(T):
    return range(T, 0, -1)


add(Exercise("8.b", "the sampling loop", sampling_loop, _walk_back,
    hints=("Which t is the first step back? Which is the last, and what should it leave behind?",
           "For t = T, …, 1: x ← mean + std · eps[t], and at t = 1 the mean alone.")),
    ("Your loop runs from 1 to T. The walk back starts at x_T, so it takes step T first and step 1 last.",
     _walk(lambda T: range(1, T + 1)), _walk(lambda T: range(1, T + 1), lambda law, e, t: law.mean + law.std * e),
     _walk(lambda T: range(1, T)), _walk(lambda T: range(1, T), lambda law, e, t: law.mean + law.std * e)),
    ("You added noise in the last step. Nothing comes after it to take that noise away: return the mean at t = 1.",
     _walk(_down, lambda law, e, t: law.mean + law.std * e)),
    ("Your loop stops before step 1, so you return x_1. In Python range(T, 0, -1) ends with 1.",
     _walk(lambda T: range(T, 1, -1)),
     _walk(lambda T: range(T, 1, -1), lambda law, e, t: law.mean + law.std * e if t > 2 else law.mean)),
    ("Your loop starts at T − 1. The first step leads from x_T to x_{T−1}, and its t is T.",
     _walk(lambda T: range(T - 1, 0, -1)),
     _walk(lambda T: range(T - 1, 0, -1), lambda law, e, t: law.mean + law.std * e)),
    ("There is no noise in your steps. Means alone lead to a few smooth places, not to draws.",
     _walk(_down, lambda law, e, t: law.mean)),
    ("Your noise is scaled by the variance. Use law.std.",
     _walk(_down, lambda law, e, t: law.mean + law.var * e if t > 1 else law.mean),
     _walk(_down, lambda law, e, t: law.mean + law.var * e)),
    ("Your noise is not scaled. Use law.std.", _walk(_down, lambda law, e, t: law.mean + e if t > 1 else law.mean),
     _walk(_down, lambda law, e, t: law.mean + e)),
    ("One step from x_T is not a walk. Put each result into the next step.", lambda p, x_T, e: p.step(x_T, p.T).mean,
     lambda p, x_T, e: p.step(x_T, p.T).mean + p.step(x_T, p.T).std * e[p.T]),
    ("Each of your steps starts at x_T again. Put each result into the next step.",
     lambda p, x_T, e: p.step(x_T, 1).mean, lambda p, x_T, e: p.step(x_T, 1).mean + p.step(x_T, 1).std * e[1]),
)  # fmt: skip
