"""Noising a batch: x_t of 64 pictures of 28x28, each at its own t, the noise drawn inside, on one thread.

The floor is what nobody can leave out: a gather from a table of both numbers, one randn, one product, one addcmul.
"""

import torch
from common import arguments, interleave, peer, ratios, say, without

from diffusion_math import ForwardProcess, linear_schedule

SHAPE, T = (64, 1, 28, 28), 1000


def floor(q: ForwardProcess):
    table = (
        torch.stack([q.schedule.alpha_bar.sqrt(), q.schedule.noise_var.sqrt()])
        .float()
        .view(2, -1, 1, 1, 1)
    )

    def call(x0, t):
        a, s = table.index_select(1, t)
        return torch.addcmul(a * x0, s, torch.randn_like(x0))

    return call


def with_diffusers():
    if (diffusers := peer("diffusers")) is None:
        return None
    scheduler = diffusers.DDPMScheduler(T)
    return lambda x0, t: scheduler.add_noise(x0, torch.randn_like(x0), t - 1)


def with_ddpm_pytorch():
    if (ddpm := peer("denoising_diffusion_pytorch")) is None:
        return None
    model = ddpm.GaussianDiffusion(
        ddpm.Unet(8, dim_mults=(1, 2), channels=1),
        image_size=28,
        timesteps=T,
        beta_schedule="linear",
    )
    return lambda x0, t: model.q_sample(x0, t - 1)


def with_azula():
    if (noise := peer("azula.noise")) is None:
        return None
    schedule = noise.VPSchedule()

    def call(x0, t):  # as in the package's own loss: two scales, then the sum
        a, s = (v.view(-1, 1, 1, 1) for v in schedule(t / T))
        return a * x0 + s * torch.randn_like(x0)

    return call


def with_smalldiffusion():
    if (small := peer("smalldiffusion")) is None:
        return None
    schedule = small.ScheduleDDPM(T)

    def call(x0, t):
        x0, sigma, eps, _ = small.generate_train_sample(x0, schedule)
        return x0 + sigma * eps

    return call


def with_k_diffusion():
    if (external := peer("k_diffusion.external")) is None:
        return None
    table = linear_schedule(T).alpha_bar[1:].float()
    model = external.DiscreteEpsDDPMDenoiser(torch.nn.Identity(), table, False)
    widen = peer("k_diffusion.utils").append_dims

    def call(
        x0, t
    ):  # as in the package's own loss: the sum, then the scale that its network gets it in
        sigma = model.sigmas[t - 1]
        _, scale = model.get_scalings(sigma)
        return (x0 + torch.randn_like(x0) * widen(sigma, x0.ndim)) * widen(scale, x0.ndim)

    return call


def main() -> None:
    args = arguments(__doc__)
    torch.set_num_threads(1)
    q, x0 = ForwardProcess(linear_schedule(T)), torch.randn(SHAPE)
    t = torch.randint(1, T + 1, SHAPE[:1])
    calls = without(
        {
            "floor": floor(q),
            "diffusion_math": lambda x0, t: q.marginal(x0, t).sample(),
            "diffusers": with_diffusers(),
            "denoising-diffusion-pytorch": with_ddpm_pytorch(),
            "azula": with_azula(),
            "smalldiffusion": with_smalldiffusion(),
            "k-diffusion": with_k_diffusion(),
        }
    )
    with torch.inference_mode():
        once = {name: (lambda call=call: call(x0, t)) for name, call in calls.items()}
        took = interleave(once, 41 if args.quick else 201)
    say(
        title="Noising 64 pictures of 28 × 28, noise included",
        base="floor",
        figures=ratios(took, "floor", "noising"),
        unit="CPU seconds of one thread, ratio to the floor",
        better="less",
        target="ours ≤ 1.15, and ahead of every peer",
        note="smalldiffusion's is x_0 + σ ε, with x_0 as it is: it gathers one number where others gather two.",
    )


if __name__ == "__main__":
    main()
