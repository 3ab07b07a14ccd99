"""One step back with a network that costs nothing: 64 pictures of 28x28, from x_t and eps to a draw of x_{t-1}.
One thread.

"posterior" is q(x_{t-1} | x_t, x_0) for a t of each picture's own; "ancestral" is a step of a sampler, one t for all,
its x_0 from eps, and not clipped (a clip costs everybody the same).
"""

import torch
from common import arguments, interleave, peer, ratios, say, without

from diffusion_math import DDPM, ForwardProcess, linear_schedule
from diffusion_math.forward import posterior_numbers

SHAPE, T, STEP = (64, 1, 28, 28), 1000, 500


def posterior_floor(q):
    a, b, var = posterior_numbers(q.schedule)
    table = torch.stack([a, b, var.sqrt()]).float().view(3, -1, 1, 1, 1)

    def call(x_t, x0, t):
        a, b, std = table.index_select(1, t)
        return torch.addcmul(torch.addcmul(a * x0, b, x_t), std, torch.randn_like(x_t))

    return call


def ancestral_floor(q):
    "The whole step as one sum with ready numbers: of x_t, of eps, and of the noise."
    s, (a, b, var) = q.schedule, posterior_numbers(q.schedule)
    of_x = (a / s.alpha_bar.sqrt() + b).tolist()
    of_eps = (-a * (s.noise_var / s.alpha_bar).sqrt()).tolist()
    std = var.sqrt().tolist()

    def call(x_t, eps, t):
        return torch.add(of_x[t] * x_t, eps, alpha=of_eps[t]).add_(
            torch.randn_like(x_t), alpha=std[t]
        )

    return call


def ddpm_pytorch(eps):
    if (ddpm := peer("denoising_diffusion_pytorch")) is None:
        return None
    model = ddpm.GaussianDiffusion(
        ddpm.Unet(8, dim_mults=(1, 2), channels=1),
        image_size=28,
        timesteps=T,
        beta_schedule="linear",
        objective="pred_noise",
    )
    model.model.forward = lambda x, t, cond=None: eps
    return model


def ddpm_pytorch_posterior(model):
    if model is None:
        return None

    def call(x_t, x0, t):
        mean, _, log_var = model.q_posterior(x0, x_t, t - 1)
        return mean + (0.5 * log_var).exp() * torch.randn_like(x_t)

    return call


def diffusers_step(name: str, **options):
    if (diffusers := peer("diffusers")) is None:
        return None
    scheduler = getattr(diffusers, name)(T, clip_sample=False)
    scheduler.set_timesteps(T)
    return lambda x_t, eps, t: scheduler.step(eps, t - 1, x_t, **options).prev_sample


def azula_step(eps):
    sample, denoise, noise = (peer(f"azula.{name}") for name in ("sample", "denoise", "noise"))
    if None in (sample, denoise, noise):
        return None

    class Free(denoise.Denoiser):
        def __init__(self):
            super().__init__()
            self.schedule = noise.VPSchedule()

        def forward(self, x_t, t):
            alpha, sigma = self.schedule(t)
            return denoise.DiracPosterior((x_t - sigma * eps) / alpha)

    sampler, time = sample.DDPMSampler(Free(), silent=True), torch.linspace(0, 1, T + 1)
    return lambda x_t, eps, t: sampler.step(x_t, time[t], time[t - 1])


def k_diffusion_step():
    if (sampling := peer("k_diffusion.sampling")) is None:
        return None
    s = linear_schedule(T)
    sigmas = (s.noise_var / s.alpha_bar).sqrt().float()

    def call(x_t, eps, t):  # its sampler on one pair of noise levels; the denoiser is x - sigma eps
        denoise = lambda x, sigma: x - sigma.view(-1, 1, 1, 1) * eps
        return sampling.sample_euler_ancestral(denoise, x_t, sigmas[[t, t - 1]], disable=True)

    return call


def main() -> None:
    args = arguments(__doc__)
    torch.set_num_threads(1)
    q, x_t, eps = ForwardProcess(linear_schedule(T)), torch.randn(SHAPE), torch.randn(SHAPE)
    p, t = DDPM(lambda x, log_snr: eps, q), torch.randint(1, T + 1, SHAPE[:1])
    model = ddpm_pytorch(eps)
    posterior = without(
        {
            "floor": posterior_floor(q),
            "diffusion_math": lambda x, x0, t: q.posterior(x, x0, t).sample(),
            "denoising-diffusion-pytorch": ddpm_pytorch_posterior(model),
        }
    )
    ancestral = without(
        {
            "floor": ancestral_floor(q),
            "diffusion_math": lambda x, e, t: p.step(x, t).sample(),
            "diffusers (DDPM)": diffusers_step("DDPMScheduler"),
            "diffusers (DDIM)": diffusers_step("DDIMScheduler", eta=1.0),
            "azula": azula_step(eps),
            "k-diffusion": k_diffusion_step(),
            "denoising-diffusion-pytorch (clips)": model
            and (lambda x, e, t: model.p_sample(x, t - 1)),
        }
    )
    repeats, figures = 41 if args.quick else 201, []
    with torch.inference_mode():
        for case, calls, time in (("posterior", posterior, t), ("ancestral", ancestral, STEP)):
            once = {
                name: (lambda call=call, time=time: call(x_t, eps, time))
                for name, call in calls.items()
            }
            figures += ratios(interleave(once, repeats), "floor", case)
    say(
        title="One step back, the network free, noise included",
        base="floor",
        figures=figures,
        unit="CPU seconds of one thread, ratio to the floor",
        better="less",
        target="ours ≤ 1.15, and ahead of every peer",
    )


if __name__ == "__main__":
    main()
