"""Each package's ancestral sampler, with the exact denoiser in the network's place: does it give back the data's law?

Two laws are known exactly: a ring of 8 Gaussians in the plane, and a mixture of 10 Gaussians around blurred digits in
784 dimensions. Both lie within [-1, 1] to four deviations and more, since some samplers clip. Schedule, spacing of the
steps and variance are each package's own defaults, with the same number of network calls for all. We have three: DDPM
with the linear schedule, which is what most of the others do, so that what follows shows as ours; and ExactReverse,
the exact variance besides the exact mean, on steps of equal length in log SNR ("even") and on steps that the law places
("placed": short where Var(x_0 | x_t) differs most from one x_t to another, for there a step back is least Gaussian).

Two errors: of the standard deviation inside a mode (relative, the mean over modes), and the sliced Wasserstein-2
distance to as many exact draws, in deviations of the data. "floor" is more sets of exact draws, enough of them to know
its scatter: an error that lies within it is the sample's and not the sampler's, and there the order of two samplers is
chance.
"""

import io
import math
from contextlib import redirect_stderr
from functools import cache
from statistics import mean, stdev

import numpy as np
import torch
from common import arguments, figure, peer, say, spread, unique, without

from diffusion_math import (
    DDPM,
    Distribution,
    ExactReverse,
    ForwardProcess,
    GaussianMixture,
    Schedule,
    digits,
    linear_schedule,
)

STEPS, T = (10, 20, 50, 100, 1000), 1000
FLOORS, LEADER = 40, "diffusion_math (exact, placed)"


def ring() -> tuple[GaussianMixture, float]:
    angle = torch.arange(8) * (2 * math.pi / 8)
    means = 0.7 * torch.stack([angle.cos(), angle.sin()], 1)
    return GaussianMixture(torch.ones(8) / 8, means[:, None, None], torch.full((8,), 0.05**2)), 0.05


def blurred_digits() -> tuple[GaussianMixture, float]:
    x, y = digits(labels=True)
    means = torch.stack([x[y == label].mean(0) for label in range(10)])
    return GaussianMixture(torch.ones(10) / 10, 0.6 * means, torch.full((10,), 0.1**2)), 0.1


class Oracle:
    "E[x_0 | x] exactly for x = alpha x_0 + sigma eps, in whatever alpha and sigma a package has."

    def __init__(self, law: GaussianMixture):
        self.law, self.shape = law, tuple(law.event_shape)

    def __call__(self, x: torch.Tensor, alpha, sigma) -> torch.Tensor:
        alpha, sigma = (
            torch.as_tensor(v, dtype=torch.float64).flatten()[:1].squeeze() for v in (alpha, sigma)
        )
        size = (alpha.square() + sigma.square()).sqrt()
        log_snr = (
            2 * (alpha.log() - sigma.log())
            if sigma > 0
            else torch.tensor(math.inf, dtype=torch.float64)
        )
        return self.law.denoise(x / size.to(x.dtype), log_snr)


def with_exact_step(levels):
    "ExactReverse at the levels that are given for a law and so many steps."

    def sample(law: GaussianMixture, n: int, steps: int) -> torch.Tensor:
        q = ForwardProcess(Schedule.from_log_snr(levels(law, steps)))
        return ExactReverse(q, law).sample(n, like=torch.empty(0))

    return sample


def even(law: GaussianMixture, steps: int) -> torch.Tensor:
    "Log SNR from 8 down to -8 in equal parts."
    return torch.linspace(8, -8, steps, dtype=torch.float64)


@cache
def _crowding(law: GaussianMixture) -> tuple[torch.Tensor, torch.Tensor]:
    "Levels, and how much of the steps lies above each: (73,) both."
    levels, generator = (
        torch.linspace(9, -9, 73, dtype=torch.float64),
        torch.Generator().manual_seed(0),
    )
    x0, differs = law.sample(1000, generator), []
    eps = torch.randn(x0.shape, generator=generator)
    for level in levels:
        x_t = level.sigmoid().sqrt().float() * x0 + (-level).sigmoid().sqrt().float() * eps
        total = (
            law.denoise_moments(x_t, level.item())[1].flatten(1).double().sum(1)
        )  # the trace of Var(x_0 | x_t)
        differs.append(level.exp() * total.std())
    density = torch.stack(differs)
    density = density + 0.1 * density.max()  # so that no stretch is left without a step
    return levels, torch.cat(
        [torch.zeros(1, dtype=torch.float64), torch.cumulative_trapezoid(density)]
    )


def placed(law: GaussianMixture, steps: int) -> torch.Tensor:
    "Levels that share the crowding equally."
    levels, above = _crowding(law)
    return torch.from_numpy(
        np.interp(np.linspace(0, above[-1].item(), steps), above.numpy(), levels.numpy())
    )


def with_ddpm(law: Distribution, n: int, steps: int) -> torch.Tensor:
    return (
        DDPM(law, ForwardProcess(linear_schedule(T))).respace(steps).sample(n, like=torch.empty(0))
    )


def with_diffusers(spacing: str):
    if (diffusers := peer("diffusers")) is None:
        return None

    def sample(law: Distribution, n: int, steps: int) -> torch.Tensor:
        s = diffusers.DDPMScheduler(T, prediction_type="sample", timestep_spacing=spacing)
        s.set_timesteps(steps)
        oracle, bar = Oracle(law), s.alphas_cumprod.double()
        x = torch.randn(n, *oracle.shape)
        for t in s.timesteps:
            x = s.step(oracle(x, bar[t].sqrt(), (1 - bar[t]).sqrt()), t, x).prev_sample
        return x

    return sample


def with_ddpm_pytorch():
    if (ddpm := peer("denoising_diffusion_pytorch")) is None:
        return None

    def sample(law: Distribution, n: int, steps: int) -> torch.Tensor:
        oracle = Oracle(law)
        unet = ddpm.Unet(8, dim_mults=(1, 2), channels=oracle.shape[0])
        model = ddpm.GaussianDiffusion(
            unet,
            image_size=oracle.shape[1:],
            timesteps=T,
            objective="pred_x0",
            sampling_timesteps=steps,
            ddim_sampling_eta=1.0,
            auto_normalize=False,
        )
        bar = model.alphas_cumprod.double()
        model.model.forward = lambda x, t, cond=None: oracle(
            x, bar[t[0]].sqrt(), (1 - bar[t[0]]).sqrt()
        )
        with redirect_stderr(io.StringIO()):
            return model.sample(n)

    return sample


def with_azula():
    azula, denoise, noise = (peer(f"azula.{name}") for name in ("sample", "denoise", "noise"))
    if None in (azula, denoise, noise):
        return None

    class Exact(denoise.Denoiser):
        def __init__(self, oracle):
            super().__init__()
            self.schedule, self.oracle = noise.VPSchedule(), oracle

        def forward(self, x_t, t):
            return denoise.DiracPosterior(self.oracle(x_t, *self.schedule(t)))

    def sample(law: Distribution, n: int, steps: int) -> torch.Tensor:
        sampler = azula.DDPMSampler(Exact(Oracle(law)), steps=steps, silent=True)
        return sampler(sampler.init((n, *law.event_shape)))

    return sample


def with_smalldiffusion():
    if (small := peer("smalldiffusion")) is None:
        return None

    class Exact(torch.nn.Module, small.ModelMixin):
        def __init__(self, oracle):
            super().__init__()
            self.oracle, self.input_dims = oracle, oracle.shape

        def forward(self, x, sigma, cond=None):
            return (x - self.oracle(x, 1.0, sigma)) / sigma

    def sample(law: Distribution, n: int, steps: int) -> torch.Tensor:
        sigmas = small.ScheduleDDPM(T).sample_sigmas(steps)
        *_, x = small.samples(Exact(Oracle(law)), sigmas, gam=1, mu=0.5, batchsize=n)
        return x

    return sample


def with_k_diffusion():
    if (sampling := peer("k_diffusion.sampling")) is None:
        return None

    def sample(law: Distribution, n: int, steps: int) -> torch.Tensor:
        oracle, sigmas = Oracle(law), sampling.get_sigmas_karras(steps, 0.01, 80.0)
        denoise = lambda x, sigma: oracle(x, 1.0, sigma[0])
        return sampling.sample_euler_ancestral(
            denoise, torch.randn(n, *oracle.shape) * 80.0, sigmas, disable=True
        )

    return sample


def within_modes(law: GaussianMixture, x: torch.Tensor, std: float) -> float:
    "The relative error of the standard deviation around the nearest mean, averaged over the modes that have samples."
    flat, means = x.flatten(1), law.means.flatten(1)
    mode = torch.cdist(flat, means).argmin(1)
    errors = []
    for k in range(len(means)):
        mine = flat[mode == k]
        if len(mine) > 1:
            errors.append(abs((mine - means[k]).square().mean().sqrt().item() / std - 1))
    return sum(errors) / max(1, len(errors))


def sliced(x: torch.Tensor, y: torch.Tensor, directions: int = 128) -> float:
    "Wasserstein-2 along random lines, root mean square, over the data's own deviation."
    x, y = x.flatten(1), y.flatten(1)
    lines = torch.randn(directions, x.shape[1], generator=torch.Generator().manual_seed(1))
    lines = lines / lines.norm(dim=1, keepdim=True)
    a, b = ((lines @ v.T).sort(1).values for v in (x, y))
    return ((a - b).square().mean() / y.var(0).mean()).sqrt().item()


def errors(
    sampler, law: GaussianMixture, std: float, n: int, steps: int, seeds: int
) -> dict[str, list[float]]:
    "Both errors of n samples, seed by seed."
    truth, out = (
        law.sample(n, torch.Generator().manual_seed(0)),
        {"deviation in a mode": [], "sliced Wasserstein": []},
    )
    for seed in range(seeds):
        torch.manual_seed(seed + 1)
        with torch.no_grad():
            x = sampler(law, n, steps).float()
        for kind, error in zip(out, (within_modes(law, x, std), sliced(x, truth)), strict=True):
            out[kind].append(error)
    return out


@cache
def exact_errors(law: GaussianMixture, std: float, n: int) -> dict[str, list[float]]:
    "Those of exact draws, which take no steps."
    return errors(lambda law, n, steps: law.sample(n), law, std, n, 0, FLOORS)


def above_floor(mine: dict, floor: dict) -> float:
    "How far a sampler's mean error lies above that of exact draws, in standard errors of the difference."
    scatter = floor["std"] * (1 / mine["seeds"] + 1 / floor["seeds"]) ** 0.5
    return (mine["mean"] - floor["mean"]) / scatter


def verdict(figures: list[dict]) -> str:
    "In how many cases one sampler of ours leads, and what the others are worth."
    level, behind, cases = [], [], unique(f["case"] for f in figures)
    for case in cases:
        found = {f["who"]: f for f in figures if f["case"] == case}
        mine, floor = found[LEADER], found["floor"]
        peers = [
            f["mean"]
            for who, f in found.items()
            if who != "floor" and not who.startswith("diffusion_math")
        ]
        if peers and min(peers) < mine["mean"]:
            far = above_floor(mine, floor)
            (level if far < 3 else behind).append((far, case))
    leads = len(cases) - len(level) - len(behind)
    text = f"{LEADER} has a smaller error than any peer in {leads} of {len(cases)} cases."
    if level:
        text += (
            f" In {len(level)} a peer's is smaller, but there ours cannot be told from exact draws: it lies "
            f"{max(level)[0]:+.1f} standard errors from the floor at most."
        )
    if behind:
        text += (
            " It is behind in: " + "; ".join(f"{case} ({far:.1f})" for far, case in behind) + "."
        )
    return text


def main() -> None:
    args = arguments(__doc__)
    seeds = 2 if args.quick else 4
    samples = (
        {"ring": 10_000, "784 pixels": 1000, "784 pixels, 1000 steps": 200}
        if args.quick
        else {"ring": 20_000, "784 pixels": 1000, "784 pixels, 1000 steps": 400}
    )
    samplers = without(
        {
            LEADER: with_exact_step(placed),
            "diffusion_math (exact, even)": with_exact_step(even),
            "diffusion_math (DDPM, linear)": with_ddpm,
            "diffusers (leading)": with_diffusers("leading"),
            "diffusers (trailing)": with_diffusers("trailing"),
            "denoising-diffusion-pytorch": with_ddpm_pytorch(),
            "azula": with_azula(),
            "smalldiffusion": with_smalldiffusion(),
            "k-diffusion": with_k_diffusion(),
        }
    )
    figures = []
    for name, (law, std) in {"ring": ring(), "784 pixels": blurred_digits()}.items():
        for steps in STEPS:
            n, few = (
                samples.get(f"{name}, {steps} steps", samples[name]),
                1 if steps == 1000 else seeds,
            )
            found = {
                who: errors(sampler, law, std, n, steps, few) for who, sampler in samplers.items()
            }
            for who, kinds in ({"floor": exact_errors(law, std, n)} | found).items():
                for kind, each in kinds.items():
                    figures.append(
                        figure(
                            who,
                            f"{name}, {kind}, {steps} steps",
                            **spread(each),
                            seeds=len(each),
                            mean=mean(each),
                            std=stdev(each) if len(each) > 1 else None,
                        )
                    )
    say(
        title="A known law, with the exact denoiser",
        unit="error",
        figures=figures,
        better="less",
        samples=samples,
        target="ours never worse than the best peer",
        note=verdict(figures),
    )


if __name__ == "__main__":
    main()
