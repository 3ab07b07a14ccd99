"The notation card: each symbol of the course, how to say it, its name in code, and where it is first read aloud or explained."

from typing import NamedTuple

__all__ = ["NOTATION", "notation_card", "notation_tables"]


class Row(NamedTuple):
    "One line of the card."

    symbol: str  # in LaTeX; several are separated by " , "
    say: str
    code: str  # expressions, separated by " ; "
    first: str  # the section that reads it aloud or explains it first, from chapter 1 on


NOTATION: tuple[Row, ...] = ()


def _add(*rows: tuple[str, str, str, str]) -> None:
    global NOTATION
    NOTATION += tuple(Row(*row) for row in rows)


_add(
    (r"x_0", '"x zero": the data', "x0", "1.2"),
    (r"q", '"q": what is so, in nature, and in the noise that we add', "Distribution ; ForwardProcess", "1.3"),
    (r"p", '"p": what we fit', "ReverseProcess", "1.3"),
    (r"\sum", '"sum": add up over what stands below it', "x0.sum()", "1.5"),
    (r"w_k", '"w k": the share of class k', "GaussianMixture(weights, means, covs)", "1.5"),
    (r"\log", '"log", the natural one, in nats: how often to multiply by e', "distribution.log_prob(x0)", "1.5"),
    (r"\int", '"integral": the area under a curve', "", "1.5"),
    (r"\frac{d}{dx} \log q(x)", '"score": the slope of the log-density at x', "distribution.score(x0)", "1.6"),
    (r"\sim", '"is drawn from"', "distribution.sample(3)", "1.7"),
    (r"\mathcal N", '"normal", the Gaussian density: variable; mean, covariance', "Gaussian(mean, var)", "2.1"),
    (r"\mu", '"mu": the mean', "law.mean", "2.1"),
    (r"\sigma , \sigma^2", '"sigma": the standard deviation; its square, the variance', "law.std ; law.var", "2.1"),
    (r"\Sigma", '"capital sigma": the covariance, a table', "torch.cov(x0.T)", "2.1"),
    (r"\pi", '"pi", 3.14', "torch.pi", "2.2"),
    (r"\mathbb E", '"expectation": the average over very many draws', "x0.mean()", "2.3"),
    (r"\nu , \tau", '"nu" and "tau": mean and standard deviation of a second Gaussian', "", "2.3"),
    (r"C_{ij}", '"C i j": the covariance of pixels i and j', "torch.cov(x0.T, correction=0)", "2.4"),
    (r"\bar x_i", '"x bar i": the mean of pixel i over the images', "x0.mean(0)", "2.4"),
    (r"\mathsf T", '"transpose": rows become columns', "x0.T", "2.4"),
    (r"\Sigma^{-1}", '"sigma inverse": the table that undoes $\\Sigma$', "torch.linalg.inv", "2.4"),
    (r"\varepsilon", '"epsilon": unit noise', "torch.randn(3)", "2.4"),
    (r"\det", '"determinant": how much a table stretches areas', "torch.det", "2.4"),
    (r"\rho", '"rho": a correlation; in 4b a ratio of densities, in 13 of steps', "torch.corrcoef(x0.T)", "2.5"),
    (r"I", '"the identity": ones on the diagonal', "torch.eye(3)", "2.6"),
    (r"\beta", '"beta": the variance of a step of noise', "Gaussian(mean, var)", "2.6"),
)  # fmt: skip

_add(
    (
        r"\mathrm{KL}(q \,\|\, p)",
        '"KL of q and p": how badly p explains draws of q, in nats',
        "law.kl(law)",
        "2.8",
    ),
    (
        r"\Phi",
        '"phi": the area of the unit Gaussian to the left',
        "torch.special.ndtr ; DiscretizedGaussian",
        "2.8",
    ),
)

_add(
    (r"x_t", '"x t": the image after t steps of noise', "x_t", "3.1"),
    (r"\mid", '"given": what stands right of it is known', "", "3.1"),
    (r"q(x_t \mid x_{t-1})", "one step of noise", "q.step(x_t, t)", "3.1"),
    (r"\beta_t", '"beta t": the variance of the noise that step t adds', "schedule.beta[t] ; Schedule", "3.2"),
    (r"x_T , T", '"x T": the last image; the number of steps', "q.T", "3.5"),
    (r"\alpha_t", '"alpha t": $1 - \\beta_t$, what the step leaves', "schedule.alpha[t]", "3.6"),
    (r"\bar\alpha_t", '"alpha bar t": the product of all α up to t', "schedule.alpha_bar[t]", "3.6"),
    (r"q(x_t \mid x_0)", "the jump to t", "q.marginal(x0, t)", "3.6"),
    (r"\operatorname{Cov}", '"covariance" of', "", "3.6"),
    (r"\log\frac{\bar\alpha_t}{1-\bar\alpha_t}", '"log signal-to-noise ratio": the noise level, in one number',
     "schedule.log_snr[t] ; distribution.noised(log_snr)", "3.8"),
    (r"q(x_{t-1} \mid x_t, x_0)", "the step back, for one who knows $x_0$", "q.posterior(x_t, x0, t)", "3.9"),
    (r"\tilde\mu_t , \tilde\beta_t", '"mu tilde, beta tilde": mean and variance of that step back',
     "q.posterior(x_t, x0, t).mean ; q.posterior(x_t, x0, t).var", "3.9"),
    (r"q(x_{t-1} \mid x_t)", "the step back, for one who does not", "mixture.reverse_step(x_t[:1], q, t)", "4.1"),
    (r"\square , \triangle", "two empty boxes: the mean and the variance of our step back", "p.step(x_t, t)", "4.2"),
    (r"\theta", '"theta": what can be tuned', "network.parameters()", "4.2"),
    (r"p(x_{t-1} \mid x_t)", "our step back", "p.step(x_t, t) ; ExactReverse(q, distribution)", "4.2"),
    (r"p(x_T)", "where our walk starts: unit noise", "p.prior(x_t)", "4.2"),
    (r"q(x_0 \mid x_t)", "the weights: what $x_t$ says about $x_0$", "", "4.3"),
    (r"\mathbb E[x_0 \mid x_t]", "the best guess of the data, judging by $x_t$", "distribution.denoise(x_t, log_snr)",
     "4.3"),
    (r"\operatorname{Var}[x_0 \mid x_t]", "how unsure that guess is", "distribution.denoise_cov(x_t, log_snr)", "4.3"),
)  # fmt: skip

_add(
    (r"\hat\theta", '"theta hat": its value of the highest likelihood', "", "5.1"),
    (r"\arg\max", '"the place of the maximum"', "x0.argmax()", "5.1"),
    (
        r"p(x_0)",
        "the likelihood, or evidence: how likely our model makes this datum",
        "laws.grid.GridChain ; laws.linear.LinearChain",
        "5.3",
    ),
    (
        r"L_T , L_{t-1} , L_0",
        "the terms of the bound: prior, steps, reconstruction",
        "bound.prior ; bound.steps ; bound.reconstruction ; elbo ; exact_elbo ; Elbo",
        "5.5",
    ),
    (
        r"\text{bits/dim}",
        "nats, in bits and per pixel",
        "bits_per_dim ; elbo_estimate ; likelihood.Estimate",
        "5b.1",
    ),
)

_add(
    (r"\sigma_t^2", "the variance of our step back, fixed beforehand", "p.step(x_t, t).var", "6.1"),
    (r"\varepsilon_\theta", '"epsilon theta": the noise, as the network guesses it', "p.predict(x_t, t).eps", "6.2"),
    (r"w_t", '"w t": the weight of the error of the noise in a term of the bound', "elbo_loss", "6.3"),
    (r"L_{\text{simple}}", '"L simple": the same without its weight', "simple_loss(p, x0)", "6.4"),
    (r"z", '"z": fresh noise in a step back', "p.sample(2)", "6.6"),
    (r"v", '"v": what a network may say in the place of ε', "p.predict(x_t, t).v", "6.8"),
    (r"g", '"g": how far guidance goes; 1 is the network as it is', "", "6.9"),
    (r"\hat x_0 , \hat\varepsilon", "with a hat: the network's guess", "p.predict(x_t, t).x0", "6.10"),
    (r"\eta", '"eta": how much fresh noise a step takes', "p.sample(2, eta=0.0)", "6.10"),
    (r"\operatorname{tr}", '"trace": the sum over the diagonal', "slopes.trace_jacobian(score, x0)", "6b.1"),
    (r"\nabla", '"nabla", the gradient: the slope in every direction at once', "distribution.score(x0)", "7.1"),
    (r"\partial", '"partial": the slope in one direction, the others held still', "torch.autograd.grad", "7.1"),
    (r"h", '"h": how large a step uphill is', "langevin(score, x0, h, 3)", "7.1"),
    (r"s(x_t, t)", "the score of q(x_t)", "score_of(p)(x_t, log_snr) ; tweedie(score(x_t), x_t, log_snr)", "7.2"),
    (r"s_\theta", '"s theta": the score, as a network guesses it', "dsm_loss(score_of(p), x0, log_snr)", "7.4"),
    (r"\xi", '"xi": fresh noise in a step uphill', "", "7.6"),
    (r"\kappa", '"kappa": a step uphill, as a share of the noise variance', "", "7.6"),
    (r"\varphi", '"phi": an angle on the quarter circle', "", "7b.1"),
    (r"\alpha , \sigma", "the scales of picture and noise in any paper", "numerics.scales(log_snr, x_t)", "7b.2"),
    (r"\nabla^2\log q", "the Jacobian of the score, the table of its slopes", "tweedie_cov(score_of(p), x_t, log_snr)", "7b.5"),
    (r"\prod", '"product": multiply over what stands below it', "x0.prod()", "8b.3"),
)  # fmt: skip

_add(
    (r"\lambda", '"lambda": log signal-to-noise, the clock of Part II', "log_snr", "9.1"),
    (r"x_\lambda", "the picture at that noise level", "x_t", "9.1"),
    (r"a , s", "the sizes of signal and noise at λ", "numerics.scales(log_snr, x_t)", "9.1"),
    (r"D(x, \lambda)", '"D": the best guess of the clean picture, a denoiser', "as_denoiser(p)(x_t, log_snr)", "9.1"),
    (r"\frac{dx}{d\lambda}", "how fast x changes as the noise goes away", "velocity(p, x_t, log_snr)", "9.2"),
    (r"q_\lambda", "the density at that noise level", "distribution.noised(log_snr)", "9.2"),
    (r"F_\lambda", '"F": the share of the density to the left', "quantile_flow ; flow(p, x_t, 1.0, 2.0, 3)", "9.4"),
    (r"W", "Brownian motion: a path made of independent Gaussian steps", "", "10.1"),
    (r"\tau", '"tau": time, in which noise comes in at rate 1', "", "10.1"),
    (r"dW", "the push of a short time", "sde.diffusion(x_t, log_snr)", "10.2"),
    (r"s\sqrt\eta", "the size of the fresh noise in a walk", "sde.drift(p, x_t, log_snr, 0.5)", "10.4"),
    (r"\rho\,\hat\varepsilon", '"rho": the share of the guessed noise that a step keeps', "walk(p, x_t, 1.0, 2.0, 3, 0.5)", "10.4"),
    (r"\delta", '"delta": how far a score is off', "", "10.6"),
)  # fmt: skip

_add(
    (r"e(\lambda)", "the error of a denoiser at log SNR λ", "noise_error(mixture, x0, log_snr, x0)", "12.1"),
    (r"\Delta", '"Delta": a stride along λ', "schedule.log_snr[t - 1] - schedule.log_snr[t]", "12.3"),
    (r"\rho(\lambda)", '"rho of lambda": how often a schedule visits a log SNR', "area.LogSNRLaw([-8, 8]).density(x0)", "12.3"),
    (r"r = a/s", "the root of the signal-to-noise ratio", "", "13.1"),
    (r"w_i", "how much guess i counts in a step", "solve(p, x_t, [1.0, 2.0], '2m')", "13.2"),
    (r"\tilde x", '"x tilde": where the flow of the network ends', "", "13.6"),
)  # fmt: skip

_add(
    (r"x_t , t", "the picture on the line from data (t = 0) to noise (t = 1)",
     "matching.line_walk(mixture, x_t, [1.0, 0.0])", "14.1"),
    (r"u(x, t)", "the average velocity on that line, ε − x_0 given x_t", "matching.line_velocity(mixture, x_t, 0.5)", "14.1"),
    (r"\frac{s}{a+s}", "one clock by the other", "matching.log_snr_to_time(log_snr) ; matching.time_to_log_snr(0.5)", "14.3"),
    (r"w(\lambda)", "how much a loss minds an error at λ", "", "14.4"),
    (r"S", "how far a walk is from straight", "matching.straightness(x0[None].repeat(2, 1, 1), [0.0, 1.0])", "14.5"),
    (r"D(x, \lambda \mid y)", "the guess with a class", "classified(p, lambda x, v: -v)(x_t, log_snr)", "15.1"),
    (r"D_w", "the guess beyond that", "guided(cond, p, 2.0)(x_t, log_snr)", "15.2"),
    (r"\omega", '"omega": how loudly a class counts, counted from 0',
     "guidance.guidance_weight(3, 'Ho & Salimans 2022') - 1", "15.2"),
    (r"w_i(x)", "how likely picture i of a dataset is to have become x", "memory.shares(x0, x_t, 1.0)", "16.1"),
    (r"I(x_0; x_\lambda)", "how many nats a noisy picture says about the clean one",
     "memory.information(mixture, x0, torch.tensor([-1.0, 0.0]))", "16.2"),
    (r"\lambda_C", "where the shares of n pictures settle on one: there that information is log n", "", "16.2"),
    (r"y = A x_0 + r\varepsilon", "what was measured of a picture, with noise r",
     "inverse.Measurement(seen, 0.1).sample(x0)", "17.1"),
    (r"p(x_0 \mid y)", "all that the picture may have been: the posterior",
     "inverse.Measurement(seen, 0.1).posterior(mixture, y)", "17.1"),
    (r"V", "the covariance that a method assumes of x_0 given x_λ",
     "inverse.steered(p, inverse.Measurement(seen, 0.1), y, 'unit')(x_t, log_snr)", "17.3"),
    (r"\zeta", '"zeta": how long a push towards y is, chosen by hand', "", "17.3"),
)  # fmt: skip

_add((r"m \odot x_0", '"m times x zero": letters that are hidden are rows of zeros', "", "19.1"))

_CHAPTERS = {
    "0": "00_the_hour", "1": "01_data_distribution", "2": "02_gaussians", "3": "03_forward_process",
    "4": "04_reverse_process", "4b": "04b_small_steps", "5": "05_elbo", "5b": "05b_bits_per_dim",
    "6": "06_ddpm", "6b": "06b_fewer_freedoms", "7": "07_score_matching", "7b": "07b_dictionary",
    "8": "08_recap", "8b": "08b_famous_slips", "9": "09_noise_free_walk", "10": "10_noisy_walk",
    "11": "11_likelihood_by_flow", "12": "12_area_under_the_error", "13": "13_solvers", "14": "14_flow_matching",
    "15": "15_guidance", "16": "16_memory", "17": "17_inverse_problems", "19": "19_letters",
}  # fmt: skip


def _cells(row: Row) -> list[str]:
    symbols = ", ".join(f"${symbol}$" for symbol in row.symbol.split(" , "))
    code = ", ".join(f"`{part}`" for part in row.code.split(" ; ")) if row.code else ""
    return [symbols, row.say, code, f"[{row.first}]({_CHAPTERS[row.first.split('.')[0]]}.ipynb)"]


# what the card is folded by: a name, and the last chapter that belongs to it
_FOLDS = {
    "Chapters 1 and 2": "2", "Chapters 3 and 4": "4b", "Chapters 5 to 8": "8b", "Part II": "15", "Part III": "19",
}  # fmt: skip


def notation_tables() -> dict[str, str]:
    "The card in five tables of Markdown, by the chapters whose symbols each holds."
    order, rows, tables = list(_CHAPTERS), list(NOTATION), {}
    for name, last in _FOLDS.items():
        here = [row for row in rows if order.index(row.first.split(".")[0]) <= order.index(last)]
        rows = rows[len(here) :]
        lines = [["symbol", "say", "in code", "first met"], ["---"] * 4, *map(_cells, here)]
        tables[name] = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return tables


class _Card:
    "The card, as Markdown for a notebook, a fold a table, and as text elsewhere."

    def _repr_markdown_(self) -> str:
        return "\n\n".join(
            f"<details><summary>{name}</summary>\n\n{table}\n\n</details>"
            for name, table in notation_tables().items()
        )

    def __repr__(self) -> str:
        return "\n".join(f"{row.symbol:44} {row.say:84} {row.first}" for row in NOTATION)


def notation_card() -> _Card:
    "The notation card, to show in a notebook or to print."
    return _Card()
