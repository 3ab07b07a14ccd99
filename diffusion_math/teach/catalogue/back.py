"The exercises of chapters 4 and 5: Bayes' rule, the step back and the bound."

from collections.abc import Callable

import torch

from ...forward import ForwardProcess, constant_schedule
from ...gaussian import Gaussian
from ...reverse import ReverseProcess
from .exercise import Draws, Exercise, add, number

__all__ = []


def bayes(prior, likelihood, dx):
    product = prior * likelihood
    return product / (product.sum() * dx)


def _curves(d: Draws) -> dict:
    "A prior of area 1 and a likelihood, on a few strips."
    n, dx = (3, d.between(0.5, 0.9)) if d.small else (d.whole(5, 9), d.between(0.1, 0.4))
    prior, likelihood = d.between(0.2, 2, n), d.between(0.1, 1.5, n)
    return {"prior": prior / (prior.sum() * dx), "likelihood": likelihood, "dx": dx}


add(Exercise("4.a", "Bayes' rule on a grid", bayes, _curves,
    hints=("Which of two places is likelier: multiply what was known before with what was seen.",
           "prior × likelihood, divided by the sum of these products times dx, (4.1).")),
    ("You left out the prior: what was likely before x_t was seen counts too.",
     lambda p, like, dx: like / (like.sum() * dx), lambda p, like, dx: like, lambda p, like, dx: like / like.sum()),
    ("That is the prior. What was seen must change it: multiply by the likelihood.", lambda p, like, dx: p,
     lambda p, like, dx: p / p.sum()),
    ("You did not normalise: your curve's area is not 1. Divide by the area of the product.",
     lambda p, like, dx: p * like, lambda p, like, dx: p * like * dx),
    ("Your values add up to 1, so they are chances of strips. A density has area 1: divide by dx as well.",
     lambda p, like, dx: p * like / (p * like).sum()),
    ("You multiplied by dx where you should divide: the area is the sum times dx.",
     lambda p, like, dx: p * like / (p * like).sum() * dx),
    ("You added the two curves. Bayes' rule multiplies them: both witnesses must agree.",
     lambda p, like, dx: (p + like) / ((p + like).sum() * dx), lambda p, like, dx: p + like),
    ("You made the top 1. A density has area 1.", lambda p, like, dx: p * like / (p * like).max()),
    ("You divided by the area of the likelihood. Divide by the area of the product.",
     lambda p, like, dx: p * like / (like.sum() * dx), lambda p, like, dx: p * like / like.sum()),
)  # fmt: skip


def stack_variance(starts, weights, a, v):
    mean = (weights * starts).sum()
    return v + a**2 * (weights * (starts - mean) ** 2).sum()


def _stack(d: Draws) -> dict:
    "A few starts and their weights, the factor of the middles, and the width of one Gaussian."
    n = 3 if d.small else d.whole(4, 9)
    starts, weights = d.normal(n) + d.between(0.5, 1.5), d.shares(n)
    return {
        "starts": starts,
        "weights": weights,
        "a": d.between(0.3, 0.8),
        "v": d.between(0.1, 0.6),
    }


def _spread(starts, weights):
    "The weighted variance of the starts."
    return stack_variance(starts, weights, 1.0, 0.0)


add(Exercise("4.b", "the variance of a mixture", stack_variance, _stack,
    hints=("Make each Gaussian as thin as a needle: what is the variance then? Now put all starts in one place: and then?",
           "v + a² Var, with Var the weighted variance of the starts: the average of (x_0 − their mean)²."),
    edges=(("If all starts are the same, the Gaussians lie on one another, and v is left. Yours left more or less.", lambda
           a: a | {"starts": torch.ones_like(a["starts"])}),
           ("If v = 0, each Gaussian is a point, and only the spread of the middles is left.", lambda a: a | {"v": number(a,
           0.0)}))),
    ("That is the width of one Gaussian. The Gaussians do not stand in one place: their middles spread too.",
     lambda x, w, a, v: v),
    ("That is how far the middles are spread. Each Gaussian has its own width besides: add v.",
     lambda x, w, a, v: a ** 2 * _spread(x, w)),
    ("The middles are a x_0 + b x_t, so they are closer together than the starts: a is missing.",
     lambda x, w, a, v: v + _spread(x, w)),
    ("A variance counts squares: what multiplies the starts by a multiplies their variance by a².",
     lambda x, w, a, v: v + a * _spread(x, w), lambda x, w, a, v: v + a ** 0.5 * _spread(x, w)),
    ("Your starts all count alike. Some are likelier than others: weigh them.",
     lambda x, w, a, v: v + a ** 2 * x.var(correction=0), lambda x, w, a, v: v + a ** 2 * x.var()),
    ("You weighed the squares, and measured them from a mean in which all starts count alike.",
     lambda x, w, a, v: v + a ** 2 * (w * (x - x.mean()) ** 2).sum()),
    ("You averaged the squares of the starts. A variance is measured from their mean.",
     lambda x, w, a, v: v + a ** 2 * (w * x ** 2).sum()),
    ("You squared the weights. Only the distances are squared; a weight says how often one occurs.",
     lambda x, w, a, v: v + a ** 2 * ((w * (x - (w * x).sum())) ** 2).sum(),
     lambda x, w, a, v: v + a ** 2 * (w ** 2 * (x - (w * x).sum()) ** 2).sum() / (w ** 2).sum()),
    ("You multiplied v by a² as well. The Gaussians keep their width; only their middles move together.",
     lambda x, w, a, v: a ** 2 * (v + _spread(x, w))),
    ("You took a root. △ is a variance, and variances add without roots.",
     lambda x, w, a, v: (v + a ** 2 * _spread(x, w)) ** 0.5, lambda x, w, a, v: v ** 0.5 + a * _spread(x, w) ** 0.5,
     lambda x, w, a, v: (v ** 0.5 + a * _spread(x, w) ** 0.5) ** 2),
)  # fmt: skip


def log_mean_exp(log_w):
    top = log_w.max()
    return top + torch.log(torch.exp(log_w - top).mean())


def _logs(d: Draws) -> dict:
    "Logs of a few numbers: ordinary ones, tiny ones, huge ones."
    far = -1000.0 if d.small else (0.0, -2000.0, 2000.0)[d.index % 3]
    return {"log_w": 2 * d.normal(3 if d.small else d.whole(4, 9)) + far}


add(Exercise("5.a", "the log of an average", log_mean_exp, _logs,
    hints=("Divide all the numbers by the largest before you average. What must be done at the end?",
           "top + log of the average of exp(log_w − top), with top the largest log."),
    edges=(("The average of equal numbers is that number, and yours was not.", lambda a: {"log_w":
           a["log_w"][:1].expand(4)}),)),
    ("You averaged the logs. By Jensen that is too small: the log of an average is asked for.", lambda w: w.mean()),
    ("The formula is right, and the numbers do not fit: exp of −2000 is 0 in a computer, and exp of 2000 is inf. Take "
     "the largest log out first, and add it at the end.", lambda w: torch.log(torch.exp(w).mean()),
     lambda w: torch.log(torch.exp(w).sum() / len(w))),
    ("The sum of logs does not fit, and is not divided by their number. Take the largest log out first; subtract log "
     "n.", lambda w: torch.log(torch.exp(w).sum())),
    ("You took the log of the sum. An average is divided by n: subtract log n.", lambda w: torch.logsumexp(w, 0)),
    ("You subtracted n. In logs, to divide by n is to subtract log n.", lambda w: torch.logsumexp(w, 0) - len(w)),
    ("You divided the log by n. In logs, to divide by n is to subtract log n.",
     lambda w: torch.logsumexp(w, 0) / len(w)),
    ("That is the average itself. Its log is asked for.", lambda w: torch.exp(w).mean()),
    ("You kept the largest alone. The others count too.", lambda w: w.max()),
    ("You took the largest log out and did not put it back.", lambda w: log_mean_exp(w - w.max())),
)  # fmt: skip


def bound_draw(q, p, x0, eps):
    cost = q.marginal(x0, q.T).kl(p.prior(x0))
    for t in range(q.T, 0, -1):
        law = q.marginal(x0, t)
        x_t = law.mean + law.std * eps[t]
        step = p.step(x_t, t)
        cost = cost + (q.posterior(x_t, x0, t).kl(step) if t > 1 else -step.log_prob(x0))
    return cost


class _Back(ReverseProcess):
    "Steps back that are not too far from right: stands for a model."

    def step(self, x_t, t):
        t = torch.as_tensor(t).view(-1, *[1] * (x_t.ndim - 1)).to(x_t)
        return Gaussian(0.9 * x_t + 0.2 * torch.sin(x_t + t), 0.1 + 0.05 * t)


def _chain_and_data(d: Draws) -> dict:
    "Both processes, data, and noise for x_0 (not used), ..., x_6."
    q = ForwardProcess(d.schedule())
    return {"q": q, "p": _Back(q), "x0": d.picture(), "eps": d.normal(7, *d.shape)}


def _one_step(args: dict) -> dict:
    "The same data and a chain of one step, which has no steps between the two ends."
    q = ForwardProcess(constant_schedule(0.6, 1))
    return args | {"q": q, "p": _Back(q), "eps": args["eps"][:2]}


def _draw_with(
    prior=lambda q, p, x0: q.marginal(x0, q.T).kl(p.prior(x0)),
    noisy=lambda q, x0, eps, t: q.marginal(x0, t).mean + q.marginal(x0, t).std * eps[t],
    match=lambda known, step: known.kl(step),
    last=lambda step, x0: -step.log_prob(x0),
    times=lambda T: range(2, T + 1),
    at=lambda p, x_t, t: p.step(x_t, t),
) -> Callable:
    "A draw in which one of the choices is another."

    def wrong(q, p, x0, eps):
        cost = prior(q, p, x0) + last(at(p, noisy(q, x0, eps, 1), 1), x0)
        for t in times(q.T):
            x_t = noisy(q, x0, eps, t)
            cost = cost + match(q.posterior(x_t, x0, t), at(p, x_t, t))
        return cost

    return wrong


def _turned(q, p, x0):
    return p.prior(x0).kl(q.marginal(x0, q.T))


add(Exercise("5.b", "one draw of the bound", bound_draw, _chain_and_data,
    hints=("Begin with the prior's term. Then, for each t, make x_t, and ask which term belongs to it: what is special "
           "about t = 1?",
           "KL(q(x_T|x_0) ‖ p(x_T)) + sum over t = 2, …, T of KL(q(x_{t−1}|x_t, x_0) ‖ p(x_{t−1}|x_t)) − log "
           "p(x_0|x_1), (5.12), with x_t = mean + std · eps[t] of q.marginal(x0, t)."),
    edges=(("A chain of one step has two terms only, the prior's and the last step's.", _one_step),)),
    ("You have KL(p‖q) somewhere. KL is not symmetric: q stands first, and the average is over q.",
     _draw_with(match=lambda known, step: step.kl(known)), _draw_with(prior=_turned),
     _draw_with(prior=_turned, match=lambda known, step: step.kl(known))),
    ("Your steps include t = 1. There the way back of someone who knows x_0 leads to a point, and the KL of a point to "
     "a Gaussian is infinite. For t = 1 take −log p(x_0|x_1).", _draw_with(times=lambda T: range(1, T + 1)),
     _draw_with(times=lambda T: range(1, T + 1), last=lambda step, x0: 0.0),
     _draw_with(times=lambda T: range(1, T), last=lambda step, x0: 0.0)),
    ("The last step's term is missing: −log p(x_0|x_1).", _draw_with(last=lambda step, x0: 0.0)),
    ("The last step's term has the wrong sign. A cost is minus a log.",
     _draw_with(last=lambda step, x0: step.log_prob(x0))),
    ("The prior's term is missing: KL(q(x_T|x_0)‖p(x_T)).", _draw_with(prior=lambda q, p, x0: 0.0)),
    ("Your steps stop before t = T. In Python range(2, T) ends with T − 1.", _draw_with(times=lambda T: range(2, T))),
    ("Your steps begin with t = 3: the term of t = 2 is missing.", _draw_with(times=lambda T: range(3, T + 1))),
    ("That is the ELBO itself. Its negative is asked for, a cost.", lambda q, p, x0, eps: -bound_draw(q, p, x0, eps)),
    ("You averaged over the steps. The terms of the bound are added.",
     lambda q, p, x0, eps: bound_draw(q, p, x0, eps) / q.T,
     lambda q, p, x0, eps: bound_draw(q, p, x0, eps) / (q.T + 1)),
    ("You averaged, or added up, over the data. One number for each datum is asked for.",
     lambda q, p, x0, eps: bound_draw(q, p, x0, eps).mean(), lambda q, p, x0, eps: bound_draw(q, p, x0, eps).sum()),
    ("Your noise is scaled by the variance. Use .std of q.marginal(x0, t).",
     _draw_with(noisy=lambda q, x0, e, t: q.marginal(x0, t).mean + q.marginal(x0, t).var * e[t])),
    ("Your noise is not scaled. Use .std of q.marginal(x0, t).",
     _draw_with(noisy=lambda q, x0, e, t: q.marginal(x0, t).mean + e[t]),
     _draw_with(noisy=lambda q, x0, e, t: x0 + e[t])),
    ("Your x_t has no noise in it. Each x_t is drawn: mean + std · eps[t] of q.marginal(x0, t).",
     _draw_with(noisy=lambda q, x0, e, t: q.marginal(x0, t).mean), _draw_with(noisy=lambda q, x0, e, t: x0)),
    ("Your x_t is made with another noise than eps[t].",
     _draw_with(noisy=lambda q, x0, e, t: q.marginal(x0, t).mean + q.marginal(x0, t).std * e[t - 1]),
     _draw_with(noisy=lambda q, x0, e, t: q.marginal(x0, t).mean + q.marginal(x0, t).std * e[0]),
     _draw_with(noisy=lambda q, x0, e, t: q.marginal(x0, t).mean + q.marginal(x0, t).std * e[-1])),
    ("p.step(x_t, t) leads from x_t to x_{t−1}: both take the same t.",
     _draw_with(at=lambda p, x_t, t: p.step(x_t, max(t - 1, 1)))),
)  # fmt: skip
