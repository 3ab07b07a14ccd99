"""Every package's samplers, behind one form: sample(denoise, z, calls) -> x_0, from standard normal z.

denoise(x, log_snr) is E[x_0 | x] for x = a x_0 + s eps with a^2 + s^2 = 1; a sampler may ask it `calls` times at most, and
Heun's asks twice a step. A package's samplers stand under their own names, with the settings that it offers: solver,
order, spacing of the steps, first and last noise level. All are handed the same levels where a package lets its caller
choose: RANGES, evenly in log SNR or with rho 7, and the cosine grid of `draw` (COSINE); nobody offers more than BUDGET.
defaults() is what a package's own documentation has a reader type.
"""

import io
import math
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from functools import partial
from unittest.mock import patch

import torch
from common import peer, without

from diffusion_math import Schedule
from diffusion_math.solvers import MOST_NOISE, SOLVERS, cosine_grid, even_grid, karras_grid, solve

Denoise = Callable[[torch.Tensor, float], torch.Tensor]
Sampler = Callable[[Denoise, torch.Tensor, int], torch.Tensor]
Ranges = Sequence[tuple[float, float]]
RANGES: Ranges = (0.002, 80.0), (0.01, 80.0), (0.02, 20.0)  # of sigma, where a package asks for one
COSINE = 0.01, 80.0  # of the cosine grid (13.7)
COSINE_TITLE = "cosine (13.7), {:g} to {:g}".format(*COSINE)
BUDGET = 60  # samplers that a package may offer


def cosine_sigmas(n: int) -> torch.Tensor:
    "n levels of the cosine grid as sigmas, the noisiest first."
    low, high = COSINE
    return (-cosine_grid(-2 * math.log(high), -2 * math.log(low), n - 1) / 2).exp().float()


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


def scheduled(d, kind: str, options: dict, two: bool, oracle: Counted, z: torch.Tensor, calls: int):
    "A walk by a scheduler of diffusers that keeps sigmas."
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


def diffusers_ddim(d, options: dict, oracle: Counted, z: torch.Tensor, calls: int):
    "The loop of DDIMPipeline."
    s, x = d.DDIMScheduler(**options), z
    s.set_timesteps(calls)
    for t in s.timesteps:
        bar = float(s.alphas_cumprod[t])
        a, sigma = math.sqrt(bar), math.sqrt(1 - bar)
        x = s.step((x - a * oracle(x, a, sigma)) / sigma, t, x).prev_sample
    return x


PLAIN_ENDS = "DPM-Solver++(2M)", "DPM-Solver++(3M)", "UniPC-2"  # that may end before the data


def of_diffusers(ranges: Ranges = RANGES) -> dict[str, Sampler] | None:
    if (d := peer("diffusers")) is None:
        return None
    run = partial(scheduled, d)

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
        "trailing": {"timestep_spacing": "trailing"},
    }
    kinds = {
        f"DPM-Solver++({order}M{'-SDE' * sde})": (
            "DPMSolverMultistepScheduler",
            {"solver_order": order, "algorithm_type": "sde-dpmsolver++" if sde else "dpmsolver++"},
        )
        for order, sde in ((2, False), (3, False), (2, True))  # of third order it has no SDE
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
            ends = ("zero", "sigma_min") if name in PLAIN_ENDS else ("",)
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


def of_k_diffusion(ranges: Ranges = RANGES) -> dict[str, Sampler] | None:
    if (k := peer("k_diffusion.sampling")) is None:
        return None
    twice = {"heun"}
    plain = ("euler", "heun", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde")

    def run(name, spacing, ends, options, oracle, z, calls):
        n = (calls + 1) // 2 if name in twice else calls
        sigmas = spacing(n, *ends)
        denoise = lambda x, sigma: oracle(x, 1.0, sigma)
        sampler = getattr(k, f"sample_{name}")
        return sampler(denoise, z * sigmas[0], sigmas, disable=True, **options)

    def fast(ends, oracle, z, calls):
        denoise = lambda x, sigma: oracle(x, 1.0, sigma)
        return k.sample_dpm_fast(denoise, z * ends[1], *ends, calls, disable=True)

    spacings = {"exponential": k.get_sigmas_exponential, "karras": k.get_sigmas_karras}
    handed = lambda n: torch.cat([cosine_sigmas(n), torch.zeros(1)])
    out, named = {}, [(name, name, {}) for name in plain]
    named += [(f"lms-{order}", "lms", {"order": order}) for order in (2, 3, 4)]
    for title, name, options in named:
        for ends in ranges:
            for words, spacing in spacings.items():
                full = f"{title}, {words}, {ends[0]:g} to {ends[1]:g}"
                out[full] = counted(partial(run, name, spacing, ends, options))
        out[f"{title}, {COSINE_TITLE}"] = counted(partial(run, name, handed, (), options))
    for ends in ranges:
        out[f"dpm_fast, {ends[0]:g} to {ends[1]:g}"] = counted(partial(fast, ends))
    return out


def azula_walk(azula, denoise, kind: str, options: dict, schedule, oracle, z, calls: int):
    "A walk by a sampler of azula."

    class Asks(denoise.Denoiser):
        def __init__(self):
            super().__init__()
            self.schedule = schedule

        def forward(self, x_t, t):
            return denoise.DiracPosterior(oracle(x_t, *schedule(t)))

    sampler = getattr(azula, f"{kind}Sampler")(Asks(), steps=calls, silent=True, **options)
    return sampler(z * math.hypot(*(float(v) for v in schedule(torch.tensor(1.0)))))


def of_azula(ranges: Ranges = RANGES) -> dict[str, Sampler] | None:
    azula, denoise, noise = (peer(f"azula.{name}") for name in ("sample", "denoise", "noise"))
    if None in (azula, denoise, noise):
        return None

    class Handed(noise.Schedule):
        "The cosine grid as a schedule: even in u."

        def __call__(self, t):
            low, high = (2 / math.pi * math.atan(math.sqrt(sigma)) for sigma in COSINE)
            return torch.ones_like(t), (math.pi / 2 * (low + t * (high - low))).tan().square()

    run = partial(azula_walk, azula, denoise)
    schedules = {
        "VP": noise.VPSchedule(),
        "cosine": noise.CosineSchedule(),
        COSINE_TITLE: Handed(),
        "rectified": noise.RectifiedSchedule(),
        **{f"VE {low:g} to {high:g}": noise.VESchedule(low, high) for low, high in ranges},
    }
    kinds = [("DDIM", "DDIM", {})]
    for kind, orders in (("zAB", (3,)), ("vAB", (2, 3)), ("zEAB", (2, 3)), ("xEAB", (2, 3))):
        kinds += [(f"{kind}-{order}", kind, {"order": order}) for order in orders]
    return {
        f"{title}, {name}": counted(partial(run, kind, options, schedule))
        for title, kind, options in kinds
        for name, schedule in schedules.items()
    }


def small_walk(small, schedule, options: dict, oracle, z, calls: int):
    "A walk by smalldiffusion's one sampler."

    class Asks(torch.nn.Module, small.ModelMixin):
        input_dims = z.shape[1:]

        def forward(self, x, sigma, cond=None):
            return (x - oracle(x, 1.0, sigma)) / sigma

    sigmas = schedule(calls) if callable(schedule) else schedule.sample_sigmas(calls)
    *_, x = small.samples(Asks(), sigmas, xt=z * sigmas[0], **options)
    return x


def of_smalldiffusion(ranges: Ranges = RANGES) -> dict[str, Sampler] | None:
    if (small := peer("smalldiffusion")) is None:
        return None

    run = partial(small_walk, small)
    handed = lambda calls: cosine_sigmas(calls + 1)  # the first and the last level are two of them
    schedules = {"DDPM": small.ScheduleDDPM(1000), COSINE_TITLE: handed}
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


def ddpm_pytorch_ddim(ddpm, options: dict, oracle, z, calls: int):
    "A walk by GaussianDiffusion.sample, from z."
    unet = ddpm.Unet(8, dim_mults=(1, 2), channels=z.shape[1])
    size = tuple(z.shape[2:])
    options = {
        "objective": "pred_x0",
        "sampling_timesteps": calls,
        "auto_normalize": False,
    } | options
    model = ddpm.GaussianDiffusion(unet, image_size=size, **options)
    bar = model.alphas_cumprod.double()
    model.model.forward = lambda x, t, cond=None: oracle(
        x, bar[t[0]].sqrt(), (1 - bar[t[0]]).sqrt()
    )
    with from_(z):
        return model.sample(len(z))


def from_(z: torch.Tensor):
    "A package that draws its own first noise draws z."
    return patch("torch.randn", lambda *shape, **more: z.clone())


def of_ddpm_pytorch(ranges: Ranges = RANGES) -> dict[str, Sampler] | None:
    if (ddpm := peer("denoising_diffusion_pytorch")) is None:
        return None

    def dpmpp(ends, oracle, z, calls):
        unet = ddpm.Unet(8, dim_mults=(1, 2), channels=z.shape[1], learned_sinusoidal_cond=True)
        options = {"sigma_min": ends[0], "sigma_max": ends[1], "rho": 7.0}
        model = ddpm.ElucidatedDiffusion(
            unet, image_size=z.shape[2], channels=z.shape[1], **options
        )
        model.preconditioned_network_forward = lambda x, sigma, *a, **k: oracle(x, 1.0, sigma)
        with from_(z):
            return model.sample_using_dpmpp(len(z), calls) * 2 - 1

    out = {"DDIM, eta 0": counted(partial(ddpm_pytorch_ddim, ddpm, {"ddim_sampling_eta": 0.0}))}
    for low, high in ranges:
        out[f"elucidated dpmpp, {low:g} to {high:g}"] = counted(partial(dpmpp, (low, high)))
    return out


def our_grids(ranges: Ranges = RANGES) -> dict[str, Callable[[int], torch.Tensor]]:
    "The levels that the peers are handed too, with the data after the last or, but for rho 7, without."
    kinds = [("even", even_grid, ends) for ends in ranges] + [
        ("cosine (13.7)", cosine_grid, COSINE)
    ]
    ways = [(*kind, clean) for kind in kinds for clean in (True, False)]
    ways += [("rho 7", karras_grid, ends, True) for ends in ranges]
    return {
        f"{title}, {low:g} to {high:g}{', then the data' * clean}": partial(
            grid, -2 * math.log(high), -2 * math.log(low), clean=clean
        )
        for title, grid, (low, high), clean in ways
    }


OURS = [SOLVERS[name] for name in ("2m", "3m", "ipndm", "unipc2", "unipc3")]


def of_ours(grids: dict[str, Callable[[int], torch.Tensor]], solvers=OURS) -> dict[str, Sampler]:
    "Solvers of ours on every grid: grids[name](steps) -> log SNR."

    def run(solver, grid, oracle, z, calls):
        return solve(asked(oracle), z, grid(calls // solver.calls), solver)

    return {
        f"{solver.name}, {title}": counted(partial(run, solver, grid))
        for solver in solvers
        for title, grid in grids.items()
    }


def asked(oracle: Counted):
    "An oracle as a denoiser of ours."

    def ask(x, log_snr):
        level = float(log_snr.flatten()[0])
        return oracle(x, *(1 / math.sqrt(1 + math.exp(sign * level)) for sign in (-1, 1)))

    return ask


def of_peers(ranges: Ranges = RANGES) -> dict[str, dict[str, Sampler]]:
    return without(
        {
            "diffusers": of_diffusers(ranges),
            "k-diffusion": of_k_diffusion(ranges),
            "azula": of_azula(ranges),
            "smalldiffusion": of_smalldiffusion(ranges),
            "denoising-diffusion-pytorch": of_ddpm_pytorch(ranges),
        }
    )


def of_all() -> dict[str, dict[str, Sampler]]:
    "What everybody offers: ours first, and nobody more than BUDGET."
    out = {"diffusion_math": of_ours(our_grids())} | of_peers()
    for who, samplers in out.items():
        if len(samplers) > BUDGET:
            raise ValueError(f"{who} offers {len(samplers)} samplers, more than {BUDGET}")
    return out


CLIP = (  # who clips x_0 of pictures unless told otherwise
    "diffusion_math (unipc2)",
    "diffusers (DDIM)",
    "denoising-diffusion-pytorch (DDIM)",
)


def defaults(schedule: Schedule, kind: str, images: bool = False) -> dict[str, Sampler]:
    """What the packages' own documentation has a reader type, nothing chosen: {who: sampler}.

    schedule, of that kind ("linear" or "cosine") with 1,000 levels, is the network's own; a package that takes one is
    told it, as its reader would. Ours: draw(p, n, calls), which is unipc2 and clips where p.images. diffusers: the
    pipeline's DDIMScheduler, and DPMSolverMultistepScheduler as its page constructs it. k-diffusion: sample.py with the
    settings of configs/config_mnist.json. azula: the README's VP schedule and its DDIMSampler. smalldiffusion: the README's
    ten lines. denoising-diffusion-pytorch: the README's GaussianDiffusion with sampling_timesteps.
    """

    def ours(oracle, z, calls):
        first, last = (schedule.log_snr[t].item() for t in (schedule.T, 1))
        grid = cosine_grid(max(first, MOST_NOISE), last, calls, clean=True)
        says = asked(oracle)
        clipped = lambda x, log_snr: says(x, log_snr).clamp(-1, 1)
        return solve(clipped if images else says, z, grid, "unipc2")

    out = {"diffusion_math (unipc2)": counted(ours)}
    if (d := peer("diffusers")) is not None:
        told = {"beta_schedule": {"linear": "linear", "cosine": "squaredcos_cap_v2"}[kind]}
        out["diffusers (DDIM)"] = counted(partial(diffusers_ddim, d, told))
        dpm = partial(scheduled, d, "DPMSolverMultistepScheduler", told, False)
        out["diffusers (DPM-Solver++)"] = counted(dpm)
    if (k := peer("k_diffusion.sampling")) is not None:

        def lms(oracle, z, calls):
            sigmas = k.get_sigmas_karras(calls, 0.01, 80.0, rho=7.0)
            denoise = lambda x, sigma: oracle(x, 1.0, sigma)
            return k.sample_lms(denoise, z * sigmas[0], sigmas, disable=True)

        out["k-diffusion (LMS)"] = counted(lms)
    azula, denoise, noise = (peer(f"azula.{name}") for name in ("sample", "denoise", "noise"))
    if None not in (azula, denoise, noise):
        vp = noise.VPSchedule()
        out["azula (DDIM)"] = counted(partial(azula_walk, azula, denoise, "DDIM", {}, vp))
    if (small := peer("smalldiffusion")) is not None:
        levels = small.ScheduleLogLinear(N=200, sigma_min=0.005, sigma_max=10)
        out["smalldiffusion (gam=2)"] = counted(partial(small_walk, small, levels, {"gam": 2}))
    if (ddpm := peer("denoising_diffusion_pytorch")) is not None:
        told = {"beta_schedule": kind}
        walk = counted(partial(ddpm_pytorch_ddim, ddpm, told))
        out["denoising-diffusion-pytorch (DDIM)"] = walk
    return out
