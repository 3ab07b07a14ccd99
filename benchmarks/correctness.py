"""Float32 numbers against mpmath's with 50 digits: the worst relative error over all t, for two schedules.

Each package is held to its own formulas. The linear schedule is that of [DDPM] and the cosine one that of [Nichol &
Dhariwal 2021], both with 1,000 steps, except for azula, whose VP and cosine schedules are its own. What is compared is
what a user gets: the numbers that multiply x_0 and the noise, those of the step back, and its variance. The rounded
likelihood is -log of the probability of a grey level; its error is relative where that is above 1 nat, absolute below.
"""

from contextlib import contextmanager

import mpmath as mp
import numpy as np
import torch
from common import arguments, figure, peer, say

from diffusion_math import DiscretizedGaussian, ForwardProcess, cosine_schedule, linear_schedule

mp.mp.dps, T = 50, 1000
KINDS = {"linear": linear_schedule, "cosine": cosine_schedule}


def exact_alpha_bar(kind: str) -> list[mp.mpf]:
    "alpha_bar for t = 0..T, in 50 digits."
    if kind == "linear":
        low, high = mp.mpf("1e-4"), mp.mpf("0.02")
        betas = [low + (high - low) * i / (T - 1) for i in range(T)]
    else:
        offset = mp.mpf("0.008")
        f = [mp.cos((mp.mpf(t) / T + offset) / (1 + offset) * mp.pi / 2) ** 2 for t in range(T + 1)]
        betas = [min(1 - b / a, mp.mpf("0.999")) for a, b in zip(f, f[1:], strict=False)]
    out = [mp.mpf(1)]
    for beta in betas:
        out.append(out[-1] * (1 - beta))
    return out


def exact_laws(a: list[mp.mpf]) -> dict[str, list[mp.mpf]]:
    "For t = 1..T: the marginal's two numbers, the posterior's two and its variance."
    laws = {name: [] for name in ("signal", "noise", "of_x0", "of_x_t", "var")}
    for before, now in zip(a, a[1:], strict=False):
        beta = 1 - now / before
        values = (
            mp.sqrt(now),
            mp.sqrt(1 - now),
            mp.sqrt(before) * beta / (1 - now),
            mp.sqrt(now / before) * (1 - before) / (1 - now),
            beta * (1 - before) / (1 - now),
        )
        for name, value in zip(laws, values, strict=True):
            laws[name].append(value)
    return laws


def worst(got, want: list[mp.mpf]) -> float:
    "The largest relative error; where the exact number is 0, the number itself."
    got = [float(v) for v in got]
    return max(
        float(abs((mp.mpf(g) - w) / w) if w else abs(mp.mpf(g)))
        for g, w in zip(got, want, strict=True)
    )


def report(who: str, kind: str, got: dict, exact: dict) -> list[dict]:
    errors = {name: worst(values, exact[name]) for name, values in got.items()}
    groups = {
        "marginal": ("signal", "noise"),
        "posterior mean": ("of_x0", "of_x_t"),
        "posterior variance": ("var",),
    }
    return [
        figure(
            who, f"{case}, {kind}", max(errors[n] for n in names), **{n: errors[n] for n in names}
        )
        for case, names in groups.items()
        if all(n in errors for n in names)
    ]


def unit_batch(value: float) -> torch.Tensor:
    return torch.full((T, 1), value)


def ours(kind: str) -> dict:
    q, one, zero, t = (
        ForwardProcess(KINDS[kind](T)),
        unit_batch(1.0),
        unit_batch(0.0),
        torch.arange(1, T + 1),
    )
    law = q.marginal(one, t)
    of_x0, of_x_t = q.posterior(zero, one, t), q.posterior(one, zero, t)
    return {
        "signal": law.mean,
        "noise": law.std.expand(T, 1),
        "of_x0": of_x0.mean,
        "of_x_t": of_x_t.mean,
        "var": of_x0.var.expand(T, 1),
    }


def ddpm_pytorch(kind: str) -> dict | None:
    if (ddpm := peer("denoising_diffusion_pytorch")) is None:
        return None
    model = ddpm.GaussianDiffusion(
        ddpm.Unet(8, dim_mults=(1, 2), channels=1), image_size=28, timesteps=T, beta_schedule=kind
    )
    one, zero, t = unit_batch(1.0), unit_batch(0.0), torch.arange(T)
    mean, var, _ = model.q_posterior(one, zero, t)
    return {
        "signal": model.q_sample(one, t, noise=zero),
        "noise": model.q_sample(zero, t, noise=one),
        "of_x0": mean,
        "of_x_t": model.q_posterior(zero, one, t)[0],
        "var": var,
    }


@contextmanager
def silence(module, name: str):
    "No noise: module.name gives zeros."
    before = getattr(module, name)
    setattr(module, name, lambda x, **_: torch.zeros(x if isinstance(x, torch.Size) else x.shape))
    try:
        yield
    finally:
        setattr(module, name, before)


def diffusers(kind: str) -> dict | None:
    if (package := peer("diffusers")) is None:
        return None
    from diffusers.schedulers import scheduling_ddpm as module

    name = {"linear": "linear", "cosine": "squaredcos_cap_v2"}[kind]
    s = package.DDPMScheduler(T, beta_schedule=name, clip_sample=False, prediction_type="sample")
    one, zero, t = unit_batch(1.0), unit_batch(0.0), torch.arange(T)
    a, b = torch.ones(1, 1), torch.zeros(1, 1)
    with silence(module, "randn_tensor"):
        of_x0 = [s.step(a, i, b).prev_sample for i in range(T)]
        of_x_t = [s.step(b, i, a).prev_sample for i in range(T)]
    var = [0.0] + [s._get_variance(i) for i in range(1, T)]  # no noise is added at the last step
    return {
        "signal": s.add_noise(one, zero, t),
        "noise": s.add_noise(zero, one, t),
        "of_x0": of_x0,
        "of_x_t": of_x_t,
        "var": var,
    }


def azula(kind: str) -> tuple[dict, dict] | None:
    "Its own schedules, and their own formulas in 50 digits: alpha, and sigma^2 = 1 - alpha^2 + sigma_min^2."
    noise, sample, denoise = (peer(f"azula.{name}") for name in ("noise", "sample", "denoise"))
    if None in (noise, sample, denoise):
        return None
    schedule = {"linear": noise.VPSchedule, "cosine": noise.CosineSchedule}[kind]()
    low, least = mp.mpf(schedule.alpha_min), mp.mpf(schedule.sigma_min)
    place = torch.arange(T + 1) / T
    times = [mp.mpf(float(v)) for v in place]
    alpha = [low ** (t**2) if kind == "linear" else mp.cos(mp.acos(low) * t) for t in times]
    sigma = [mp.sqrt(1 - a**2 + least**2) for a in alpha]

    class Fixed(denoise.Denoiser):
        def __init__(self, value):
            super().__init__()
            self.schedule, self.value = schedule, value

        def forward(self, x_t, t):
            return denoise.DiracPosterior(torch.full_like(x_t, self.value))

    def walk(x0: float, x_t: float) -> list:
        step = sample.DDPMSampler(Fixed(x0), silent=True).step
        return [step(torch.full((1, 1), x_t), place[t], place[t - 1]) for t in range(1, T + 1)]

    with silence(torch, "randn_like"):
        of_x0, of_x_t = walk(1.0, 0.0), walk(0.0, 1.0)
    got = schedule(place[1:])
    exact = {"signal": alpha[1:], "noise": sigma[1:], "of_x0": [], "of_x_t": []}
    for t in range(1, T + 1):
        keep = alpha[t] / alpha[t - 1] * sigma[t - 1] / sigma[t]  # sqrt(1 - tau)
        exact["of_x_t"].append(sigma[t - 1] * keep / sigma[t])
        exact["of_x0"].append(alpha[t - 1] - sigma[t - 1] * keep / sigma[t] * alpha[t])
    return {"signal": got[0], "noise": got[1], "of_x0": of_x0, "of_x_t": of_x_t}, exact


def smalldiffusion(kind: str, a: list[mp.mpf]) -> list[dict]:
    "It has no x_t of variance 1: its one number is sigma, the noise beside a signal of 1."
    if (small := peer("smalldiffusion")) is None:
        return []
    sigmas = {"linear": small.ScheduleDDPM, "cosine": small.ScheduleCosine}[kind](T).sigmas
    error = worst(sigmas.float(), [mp.sqrt((1 - v) / v) for v in a[1:]])
    return [figure("smalldiffusion", f"marginal, {kind}", error, sigma=error)]


def k_diffusion(kind: str, a: list[mp.mpf]) -> list[dict]:
    "Its wrapper of a DDPM's network takes alpha_bar as the float32 table that such a network comes with."
    if (external := peer("k_diffusion.external")) is None:
        return []
    table = torch.tensor([float(v) for v in a[1:]], dtype=torch.float32)
    sigmas = external.DiscreteEpsDDPMDenoiser(torch.nn.Identity(), table, False).sigmas
    error = worst(sigmas, [mp.sqrt((1 - v) / v) for v in a[1:]])
    return [figure("k-diffusion", f"marginal, {kind}", error, sigma=error)]


def grid() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    "Levels, means and standard deviations: sharp and wide, from the middle of a level to 20 deviations away."
    rng = np.random.RandomState(0)
    level = torch.from_numpy(np.concatenate([rng.randint(1, 255, 700), np.repeat([0, 255], 50)]))
    x = (level.double() * 2 / 255 - 1).float()
    std = torch.from_numpy(10 ** rng.uniform(-3, 0, 800)).float()
    return x, (x + std * torch.from_numpy(rng.uniform(-20, 20, 800)).float()).float(), std


def exact_likelihood(x, mean, std) -> list[mp.mpf]:
    out = []
    for xi, m, s in zip(x.tolist(), mean.tolist(), std.tolist(), strict=True):
        level, m, s = mp.mpf(round((xi + 1) * 127.5)) * 2 / 255 - 1, mp.mpf(m), mp.mpf(s)
        low, high = (level - mp.mpf(1) / 255 - m) / s, (level + mp.mpf(1) / 255 - m) / s
        low = -mp.inf if xi <= -0.999 else low
        high = mp.inf if xi >= 0.999 else high
        if low > 0:  # by symmetry in the left tail, where the difference keeps its digits
            low, high = -high, -low
        cdf = lambda z: (
            mp.mpf(0)
            if z == -mp.inf
            else mp.mpf(1)
            if z == mp.inf
            else mp.erfc(-z / mp.sqrt(2)) / 2
        )
        out.append(mp.log(cdf(high) - cdf(low)))
    return out


def likelihood() -> list[dict]:
    x, mean, std = grid()
    want = exact_likelihood(x, mean, std)
    got = {
        "diffusion_math": DiscretizedGaussian(mean[:, None], std[:, None] ** 2).log_prob(x[:, None])
    }
    if (module := peer("denoising_diffusion_pytorch.learned_gaussian_diffusion")) is not None:
        call = module.discretized_gaussian_log_likelihood
        got["denoising-diffusion-pytorch"] = call(x, means=mean, log_scales=std.log())
    rounded = (
        std[:, None] ** 2
    )  # ours takes a variance: the exact one is that of the rounded square
    exact_ours = exact_likelihood(x, mean, rounded[:, 0].double().sqrt())
    figures = []
    for who, values in got.items():
        truth = exact_ours if who == "diffusion_math" else want
        error = max(
            float(abs(mp.mpf(float(v)) - w) / max(1, abs(w)))
            for v, w in zip(values, truth, strict=True)
        )
        figures.append(figure(who, "rounded likelihood", error))
    return figures


def main() -> None:
    arguments(__doc__)
    figures = []
    for kind in KINDS:
        a = exact_alpha_bar(kind)
        exact = exact_laws(a)
        for who, measure in (
            ("diffusion_math", ours),
            ("diffusers", diffusers),
            ("denoising-diffusion-pytorch", ddpm_pytorch),
        ):
            got = measure(kind)
            figures += report(who, kind, got, exact) if got else []
        if (pair := azula(kind)) is not None:
            figures += report("azula", kind, *pair)
        figures += smalldiffusion(kind, a) + k_diffusion(kind, a)
    say(
        title="Correctness in float32",
        unit="worst relative error",
        figures=figures + likelihood(),
        better="less",
        target="ours ≤ 5e-7 everywhere",
        style="e",
    )


if __name__ == "__main__":
    main()
