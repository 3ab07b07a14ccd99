"""Every package's samplers, behind one form: sample(denoise, z, calls) -> x_0, from standard normal z.

denoise(x, log_snr) is E[x_0 | x] for x = a x_0 + s eps with a^2 + s^2 = 1; a sampler may ask it `calls` times at most, and
Heun's asks twice a step. A package's samplers stand under their own names, with the settings that it offers: solver,
order, spacing of the steps, first and last noise level.
"""

import io
import math
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from functools import partial
from itertools import product
from unittest.mock import patch

import torch
from common import peer, without

from diffusion_math.solvers import Solver, fixed

Denoise = Callable[[torch.Tensor, float], torch.Tensor]
Sampler = Callable[[Denoise, torch.Tensor, int], torch.Tensor]
Ranges = Sequence[tuple[float, float]]
RANGES: Ranges = (0.002, 80.0), (0.01, 80.0), (0.02, 20.0)  # of sigma, where a package asks for one
RHOS = (7.0,)  # and of rho


def steep(gain: float) -> Solver:
    "Data, as any solver is: the noise carried on beyond the last two [Permenter & Yuan 2024, gamma: the gain]."
    return Solver(f"steep {gain:.3g}", 1, "eps", fixed((1.0,), (gain, 1 - gain)), past=1)


STEEP = [steep(gain) for gain in (1.75, 2.0)]


class Counted:
    "A denoiser that counts, told alpha and sigma in whatever scale."

    def __init__(self, denoise: Denoise):
        self.denoise, self.calls = denoise, 0

    def __call__(self, x: torch.Tensor, alpha, sigma) -> torch.Tensor:
        self.calls += 1
        alpha, sigma = (float(torch.as_tensor(v).flatten()[0]) for v in (alpha, sigma))
        log_snr = 2 * math.log(max(alpha, 1e-9) / sigma) if sigma > 0 else 60.0
        return self.denoise((x / math.hypot(alpha, sigma)).float(), log_snr).to(x.dtype)


def counted(run: Callable) -> Sampler:
    "A sampler of run(oracle, z, calls), which must keep to the calls."

    def sample(denoise: Denoise, z: torch.Tensor, calls: int) -> torch.Tensor:
        oracle = Counted(denoise)
        with torch.no_grad(), redirect_stderr(io.StringIO()):
            x = run(oracle, z, calls)
        if not 0 < oracle.calls <= calls:
            raise ValueError(f"a sampler may ask {calls} times, and asked {oracle.calls} times")
        return x

    return sample


def of_diffusers(ranges: Ranges = RANGES) -> dict[str, Sampler] | None:
    if (d := peer("diffusers")) is None:
        return None

    def run(kind, options, two, oracle, z, calls):
        s = getattr(d, kind)(**options)
        s.set_timesteps((calls + 1) // 2 if two else calls)
        s.set_begin_index(0)
        edm, scaled = "EDM" in kind, kind in ("HeunDiscreteScheduler", "LMSDiscreteScheduler")
        x = z * float(s.init_noise_sigma)
        for t in s.timesteps:
            sigma = float(s.sigmas[s.step_index or 0])
            a = 1.0 if edm or scaled else 1 / math.sqrt(1 + sigma**2)
            x0 = oracle(x, a, a * sigma)
            if edm:
                data = s.config.sigma_data
                kept, size = data**2 / (sigma**2 + data**2), sigma * data / math.hypot(sigma, data)
                answer = (x0 - kept * x) / size
            else:
                answer = (x - a * x0) / (a * sigma)
            x = s.step(answer, t, x).prev_sample
        return x

    def ipndm(oracle, z, calls):
        s, x = d.IPNDMScheduler(), z
        s.set_timesteps(calls)
        s.set_begin_index(0)
        for i, t in enumerate(s.timesteps):
            a, sigma = max(float(s.alphas[i]), 1e-4), float(s.betas[i])
            x0 = oracle(x, a, sigma)
            eps = (x - a * x0) / sigma
            x = s.step(a * eps - sigma * x0, t, x).prev_sample
        return x

    even = {"beta_start": 1e-4, "beta_end": 0.02}
    spacings = {
        "rho 7": {"use_karras_sigmas": True},
        "even in log SNR": {"use_exponential_sigmas": True},
        "beta": {"use_beta_sigmas": True},
        "trailing": {"timestep_spacing": "trailing"},
    }
    kinds = {
        f"DPM-Solver++({order}M{'-SDE' * sde})": (
            "DPMSolverMultistepScheduler",
            {"solver_order": order, "algorithm_type": "sde-dpmsolver++" if sde else "dpmsolver++"},
        )
        for order in (2, 3)
        for sde in (False, True)
    }
    kinds |= {
        f"UniPC-{o}": ("UniPCMultistepScheduler", {"solver_order": o, "solver_type": b})
        for o, b in ((2, "bh2"), (3, "bh2"))
    }
    kinds |= {f"DEIS-{o}": ("DEISMultistepScheduler", {"solver_order": o}) for o in (2, 3)}
    kinds |= {"Heun": ("HeunDiscreteScheduler", {}), "LMS": ("LMSDiscreteScheduler", {})}
    out = {}
    for name, (kind, options) in kinds.items():
        for spacing, more in spacings.items():
            ends = ("zero", "sigma_min") if "DPM" in name or "UniPC" in name else ("",)
            for end in ends:
                full = even | options | more | ({"final_sigmas_type": end} if end else {})
                title = f"{name}, {spacing}" + (", to sigma_min" if end == "sigma_min" else "")
                out[title] = counted(partial(run, kind, full, name == "Heun"))
    for order in (2, 3):
        for low, high in ranges:
            for spacing in ("karras", "exponential"):
                options = {"sigma_min": low, "sigma_max": high, "sigma_schedule": spacing}
                title = f"EDM DPM-Solver++({order}M), {spacing}, {low:g} to {high:g}"
                edm = options | {"solver_order": order}
                out[title] = counted(partial(run, "EDMDPMSolverMultistepScheduler", edm, False))
    return out | {"iPNDM": counted(ipndm)}


def of_k_diffusion(
    ranges: Ranges = RANGES, rhos: Sequence[float] = RHOS
) -> dict[str, Sampler] | None:
    if (k := peer("k_diffusion.sampling")) is None:
        return None
    twice = {"heun", "dpm_2", "dpmpp_2s_ancestral"}
    plain = (
        "euler",
        "euler_ancestral",
        "heun",
        "dpm_2",
        "dpmpp_2m",
        "dpmpp_2m_sde",
        "dpmpp_3m_sde",
    )

    def run(name, spacing, ends, options, oracle, z, calls):
        n = (calls + 1) // 2 if name in twice else calls
        sigmas = spacing(n, *ends)
        denoise = lambda x, sigma: oracle(x, 1.0, sigma)
        sampler = getattr(k, f"sample_{name}")
        return sampler(denoise, z * sigmas[0], sigmas, disable=True, **options)

    def fast(ends, oracle, z, calls):
        denoise = lambda x, sigma: oracle(x, 1.0, sigma)
        return k.sample_dpm_fast(denoise, z * ends[1], *ends, calls, disable=True)

    spacings = {"exponential": k.get_sigmas_exponential}
    for rho in rhos:
        title = "karras" if rho == 7 else f"karras, rho {rho:g}"
        spacings[title] = partial(k.get_sigmas_karras, rho=rho)
    out, named = {}, [(name, name, {}) for name in (*plain, "dpmpp_2s_ancestral")]
    named += [(f"lms-{order}", "lms", {"order": order}) for order in (2, 3, 4)]
    for title, name, options in named:
        for ends in ranges:
            for words, spacing in spacings.items():
                full = f"{title}, {words}, {ends[0]:g} to {ends[1]:g}"
                out[full] = counted(partial(run, name, spacing, ends, options))
    for ends in ranges:
        out[f"dpm_fast, {ends[0]:g} to {ends[1]:g}"] = counted(partial(fast, ends))
    return out


def of_azula(ranges: Ranges = RANGES) -> dict[str, Sampler] | None:
    azula, denoise, noise = (peer(f"azula.{name}") for name in ("sample", "denoise", "noise"))
    if None in (azula, denoise, noise):
        return None

    class Asks(denoise.Denoiser):
        def __init__(self, oracle, schedule):
            super().__init__()
            self.schedule, self.oracle = schedule, oracle

        def forward(self, x_t, t):
            return denoise.DiracPosterior(self.oracle(x_t, *self.schedule(t)))

    def run(kind, options, schedule, oracle, z, calls):
        steps = calls // 2 if kind == "Heun" else calls
        sampler = getattr(azula, f"{kind}Sampler")
        sampler = sampler(Asks(oracle, schedule), steps=steps, silent=True, **options)
        return sampler(z * math.hypot(*(float(v) for v in schedule(torch.tensor(1.0)))))

    schedules = {
        "VP": noise.VPSchedule(),
        "cosine": noise.CosineSchedule(),
        "rectified": noise.RectifiedSchedule(),
        **{f"VE {low:g} to {high:g}": noise.VESchedule(low, high) for low, high in ranges},
    }
    kinds = [("DDPM", "DDPM", {}), ("Euler", "Euler", {}), ("Heun", "Heun", {})]
    for kind in ("zAB", "vAB", "zEAB", "xEAB", "REAB"):
        kinds += [(f"{kind}-{order}", kind, {"order": order}) for order in (2, 3)]
    return {
        f"{title}, {name}": counted(partial(run, kind, options, schedule))
        for title, kind, options in kinds
        for name, schedule in schedules.items()
    }


def of_smalldiffusion(ranges: Ranges = RANGES) -> dict[str, Sampler] | None:
    if (small := peer("smalldiffusion")) is None:
        return None

    class Asks(torch.nn.Module, small.ModelMixin):
        def __init__(self, oracle, shape):
            super().__init__()
            self.oracle, self.input_dims = oracle, shape

        def forward(self, x, sigma, cond=None):
            return (x - self.oracle(x, 1.0, sigma)) / sigma

    def run(schedule, options, oracle, z, calls):
        sigmas = schedule.sample_sigmas(calls)
        *_, x = small.samples(Asks(oracle, z.shape[1:]), sigmas, xt=z * sigmas[0], **options)
        return x

    schedules = {"DDPM": small.ScheduleDDPM(1000)}
    for low, high in ranges:
        schedules[f"log-linear, {low:g} to {high:g}"] = small.ScheduleLogLinear(1000, low, high)
    kinds = {
        "DDIM": {"gam": 1, "mu": 0},
        "accelerated": {"gam": 2, "mu": 0},
        "DDPM": {"gam": 1, "mu": 0.5},
    }
    return {
        f"{title}, {name}": counted(partial(run, schedule, options))
        for title, options in kinds.items()
        for name, schedule in schedules.items()
    }


def of_ddpm_pytorch(
    ranges: Ranges = RANGES, rhos: Sequence[float] = RHOS
) -> dict[str, Sampler] | None:
    if (ddpm := peer("denoising_diffusion_pytorch")) is None:
        return None
    first = lambda z: patch("torch.randn", lambda *shape, **more: z.clone())

    def ddim(eta, oracle, z, calls):
        unet = ddpm.Unet(8, dim_mults=(1, 2), channels=z.shape[1])
        model = ddpm.GaussianDiffusion(
            unet,
            image_size=tuple(z.shape[2:]),
            objective="pred_x0",
            sampling_timesteps=calls,
            ddim_sampling_eta=eta,
            auto_normalize=False,
        )
        bar = model.alphas_cumprod.double()
        model.model.forward = lambda x, t, cond=None: oracle(
            x, bar[t[0]].sqrt(), (1 - bar[t[0]]).sqrt()
        )
        with first(z):
            return model.sample(len(z))

    def elucidated(name, ends, rho, oracle, z, calls):
        unet = ddpm.Unet(8, dim_mults=(1, 2), channels=z.shape[1], learned_sinusoidal_cond=True)
        options = {"sigma_min": ends[0], "sigma_max": ends[1], "rho": rho}
        model = ddpm.ElucidatedDiffusion(
            unet, image_size=z.shape[2], channels=z.shape[1], **options
        )
        model.preconditioned_network_forward = lambda x, sigma, *a, **k: oracle(x, 1.0, sigma)
        with first(z):
            if name == "dpmpp":
                return model.sample_using_dpmpp(len(z), calls) * 2 - 1
            return model.sample(len(z), (calls + 1) // 2) * 2 - 1

    out = {f"DDIM, eta {eta:g}": counted(partial(ddim, eta)) for eta in (0.0, 1.0)}
    for rho, ends in product(rhos, ranges):
        words = "" if rho == 7 else f"rho {rho:g}, "
        title = f"elucidated dpmpp, {words}{ends[0]:g} to {ends[1]:g}"
        out[title] = counted(partial(elucidated, "dpmpp", ends, rho))
    return out


def of_ours(grids: dict[str, Callable[[int], torch.Tensor]], solvers=None) -> dict[str, Sampler]:
    "Every solver of ours, or those named, on every grid: grids[name](steps) -> log SNR."
    from diffusion_math.solvers import SOLVERS, solve

    def run(solver, grid, oracle, z, calls):
        def ask(x, log_snr):
            level = float(log_snr.flatten()[0])
            return oracle(x, *(1 / math.sqrt(1 + math.exp(sign * level)) for sign in (-1, 1)))

        return solve(ask, z, grid(calls // solver.calls), solver)

    return {
        f"{solver.name}, {title}": counted(partial(run, solver, grid))
        for solver in solvers or SOLVERS.values()
        for title, grid in grids.items()
    }


def of_peers(
    ranges: Ranges = RANGES, rhos: Sequence[float] = RHOS
) -> dict[str, dict[str, Sampler]]:
    return without(
        {
            "diffusers": of_diffusers(ranges),
            "k-diffusion": of_k_diffusion(ranges, rhos),
            "azula": of_azula(ranges),
            "smalldiffusion": of_smalldiffusion(ranges),
            "denoising-diffusion-pytorch": of_ddpm_pytorch(ranges, rhos),
        }
    )
