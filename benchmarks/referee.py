"""The referee on the packages beside us: what does it say of their schedules, noising, steps, samplers and likelihoods?

    .bench/bin/python benchmarks/referee.py

Each function is called as its package documents it, with the settings that are named; a verdict is right or it names
what differs from the formula that the referee holds, which need not be what the package set out to do: the note says so.
"""

import io
import math
import sys
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr
from importlib import metadata

import torch
from common import arguments, figure, machine, peer, say

from diffusion_math import referee
from diffusion_math.referee.verdict import Verdict

T = 1000
SIGMAS = torch.cat([torch.linspace(80 ** (1 / 7), 0.002 ** (1 / 7), 60) ** 7, torch.zeros(1)])
Row = tuple[str, str, Verdict]


def of_diffusers() -> Iterator[Row]:
    d, who = peer("diffusers"), "diffusers"
    if d is None:
        return
    for kind in ("linear", "scaled_linear", "squaredcos_cap_v2"):
        more = {"beta_start": 0.00085, "beta_end": 0.012} if kind == "scaled_linear" else {}
        s = d.DDPMScheduler(T, beta_schedule=kind, **more)
        yield who, f"DDPMScheduler, {kind}: the table", referee.schedule(s.alphas_cumprod, s.betas)
    s = d.DDPMScheduler(T, clip_sample=False)
    bar = s.alphas_cumprod
    yield who, "DDPMScheduler.add_noise", referee.noising(lambda x, t, e: s.add_noise(x, e, t), bar)
    yield (
        who,
        "DDPMScheduler.get_velocity",
        referee.target(lambda x, t, e: s.get_velocity(x, e, t), bar, predicts="v"),
    )
    for name, kind, more in (
        ("DDPMScheduler, fixed_small", d.DDPMScheduler, {"variance_type": "fixed_small"}),
        ("DDPMScheduler, fixed_large", d.DDPMScheduler, {"variance_type": "fixed_large"}),
        ("DDPMScheduler, clip_sample", d.DDPMScheduler, {"clip_sample": True}),
        (
            "DDIMScheduler, 50 steps, trailing",
            d.DDIMScheduler,
            {"clip_sample": False, "timestep_spacing": "trailing"},
        ),
        (
            "DDIMScheduler, clip_sample, 50 steps, trailing",
            d.DDIMScheduler,
            {"timestep_spacing": "trailing"},
        ),
        ("DDIMScheduler, 50 steps, leading (default)", d.DDIMScheduler, {"clip_sample": False}),
        (
            "DPMSolverMultistepScheduler, 50 steps",
            d.DPMSolverMultistepScheduler,
            {"timestep_spacing": "trailing"},
        ),
    ):
        yield who, f"{name}: the sampler", referee.sampler(looped(kind, more), bar)


def looped(kind, more):
    "The loop of a pipeline, around a scheduler of diffusers."

    def f(network, shape):
        s = kind(T, **more)
        s.set_timesteps(T if kind.__name__ == "DDPMScheduler" else 50)
        x = torch.randn(shape)
        for t in s.timesteps:
            x = s.step(network(x, t), t, x).prev_sample
        return x

    return f


def of_ddpm_pytorch() -> Iterator[Row]:
    d, who = peer("denoising_diffusion_pytorch"), "denoising-diffusion-pytorch"
    if d is None:
        return
    make = lambda **more: d.GaussianDiffusion(
        d.Unet(8, dim_mults=(1, 2), channels=1),
        image_size=8,
        timesteps=T,
        auto_normalize=False,
        **more,
    )
    for kind in ("linear", "cosine", "sigmoid"):
        m = make(beta_schedule=kind)
        yield (
            who,
            f"GaussianDiffusion, {kind}: the table",
            referee.schedule(m.alphas_cumprod, m.betas),
        )
    m = make(beta_schedule="linear", objective="pred_noise")
    bar = m.alphas_cumprod
    yield (
        who,
        "q_sample",
        referee.noising(
            lambda x, t, e: m.q_sample(x, t, noise=e.to(x)), bar, event_shape=(1, 8, 8)
        ),
    )
    yield (
        who,
        "predict_v",
        referee.target(m.predict_v_from, bar)
        if hasattr(m, "predict_v_from")
        else referee.target(lambda x, t, e: m.predict_v(x, t, e), bar, predicts="v"),
    )
    yield who, "q_posterior", referee.posterior(lambda x_t, x0, t: m.q_posterior(x0, x_t, t), bar)
    for objective, name in (("pred_noise", "eps"), ("pred_x0", "x0"), ("pred_v", "v")):
        own = make(beta_schedule="linear", objective=objective)

        def loss(network, x0, own=own):
            own.model.forward = lambda x, t, c=None: network(x, t)
            t = torch.randint(0, T, (len(x0),))
            return own.p_losses(x0, t)

        yield who, f"p_losses, {objective}", referee.loss(loss, bar, predicts=name)
    for steps, name in ((T, "p_sample_loop"), (50, "ddim_sample, 50 steps")):
        own = make(beta_schedule="linear", objective="pred_noise", sampling_timesteps=steps)

        def sample(network, shape, own=own):
            own.model.forward = lambda x, t, c=None: network(x, t)
            with redirect_stderr(io.StringIO()):
                return own.sample(shape[0])

        yield who, f"{name}: the sampler", referee.sampler(sample, bar, law="pixels")
    if (learned := peer("denoising_diffusion_pytorch.learned_gaussian_diffusion")) is not None:
        f = lambda x, mean, std: learned.discretized_gaussian_log_likelihood(
            x, means=mean, log_scales=std.log().expand_as(mean)
        )
        yield who, "discretized_gaussian_log_likelihood", referee.decoder(f)


def of_the_others() -> Iterator[Row]:
    if (k := peer("k_diffusion.sampling")) is not None:
        for name in ("sample_euler", "sample_euler_ancestral", "sample_heun", "sample_dpmpp_2m"):
            f = lambda model, shape, name=name: getattr(k, name)(
                model, torch.randn(shape) * SIGMAS[0], SIGMAS, disable=True
            )
            yield (
                "k-diffusion",
                f"{name}, 60 Karras levels: the sampler",
                referee.sampler(f, sigmas=SIGMAS, predicts="x0"),
            )
        yield (
            "k-diffusion",
            "get_sigmas_karras: the table",
            referee.schedule(sigmas=k.get_sigmas_karras(60, 0.002, 80.0)),
        )
    if (small := peer("smalldiffusion")) is not None:
        s = small.ScheduleDDPM(T)
        yield "smalldiffusion", "ScheduleDDPM: the table", referee.schedule(sigmas=s.sigmas)


def main() -> None:
    arguments(__doc__)
    warnings.simplefilter("ignore")
    figures = []
    torch.set_num_threads(1)
    for rows in (of_diffusers, of_ddpm_pytorch, of_the_others):
        for who, what, said in rows():
            value = said.error if math.isfinite(said.error) else None
            more = {
                "right": said.right,
                "slip": said.slip,
                "says": str(said),
                "version": metadata.version(who),
            }
            figures.append(figure(who, what, value, **more))
            print(f"{who} {more['version']} | {what} | {said}\n", file=sys.stderr, flush=True)
    target = "every verdict with the number that proves it"
    say(title="The referee on the peers", target=target, unit="", better="right", verdicts=True, figures=figures,
        machine=machine())  # fmt: skip


if __name__ == "__main__":
    main()
