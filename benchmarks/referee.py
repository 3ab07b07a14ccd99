"""The referee in figures: what it says of the packages beside us, and of right and wrong code in many styles.

    .bench/bin/python benchmarks/referee.py

Each function of a package is called as its package documents it, with the settings that are named; a verdict is right or
it names what differs from the formula that the referee holds, which need not be what the package set out to do. The
styles are those of tests/referee/loops.py, and the formulas of the referee's own tables: of right code, how much is right;
of slips, how many are named, refused without their name, or missed.
"""

import io
import math
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr
from importlib import metadata
from pathlib import Path

import torch
from common import arguments, figure, machine, peer, say

from diffusion_math import referee
from diffusion_math.referee.clock import clock_of
from diffusion_math.referee.loss import TARGET_SLIPS
from diffusion_math.referee.noising import SLIPS as NOISING
from diffusion_math.referee.noising import beside
from diffusion_math.referee.posterior import MEAN, MEAN_SLIPS, VAR, VAR_SLIPS, numbers_back
from diffusion_math.referee.verdict import Verdict

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.referee.loops import RIGHT, WRONG  # noqa: E402

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
            "DDIMScheduler, 30 steps, linspace",
            d.DDIMScheduler,
            {"clip_sample": False, "timestep_spacing": "linspace"},
        ),
        (
            "DPMSolverMultistepScheduler, 50 steps",
            d.DPMSolverMultistepScheduler,
            {"timestep_spacing": "trailing"},
        ),
        (
            "DPMSolverMultistepScheduler, heun",
            d.DPMSolverMultistepScheduler,
            {"solver_type": "heun"},
        ),
        (
            "DPMSolverMultistepScheduler, order 3",
            d.DPMSolverMultistepScheduler,
            {"solver_order": 3},
        ),
        (
            "DPMSolverMultistepScheduler, SDE",
            d.DPMSolverMultistepScheduler,
            {"algorithm_type": "sde-dpmsolver++"},
        ),
        ("DPMSolverSinglestepScheduler", d.DPMSolverSinglestepScheduler, {}),
        ("UniPCMultistepScheduler, order 2", d.UniPCMultistepScheduler, {}),
        ("UniPCMultistepScheduler, order 3", d.UniPCMultistepScheduler, {"solver_order": 3}),
        ("DEISMultistepScheduler, order 2", d.DEISMultistepScheduler, {}),
        ("DEISMultistepScheduler, order 3", d.DEISMultistepScheduler, {"solver_order": 3}),
        ("PNDMScheduler, skip_prk_steps", d.PNDMScheduler, {"skip_prk_steps": True}),
        ("EulerDiscreteScheduler", d.EulerDiscreteScheduler, OURS),
        ("EulerAncestralDiscreteScheduler", d.EulerAncestralDiscreteScheduler, OURS),
        ("HeunDiscreteScheduler", d.HeunDiscreteScheduler, OURS),
        ("LMSDiscreteScheduler", d.LMSDiscreteScheduler, OURS),
    ):
        yield who, f"{name}: the sampler", referee.sampler(looped(kind, more), bar)


OURS = {"beta_start": 1e-4, "beta_end": 0.02}  # the same table for all


def looped(kind, more):
    "The loop of a pipeline, around a scheduler of diffusers."

    def f(network, shape):
        s = kind(T, **more)
        full, linspace = (
            kind.__name__ == "DDPMScheduler",
            more.get("timestep_spacing") == "linspace",
        )
        s.set_timesteps(T if full else 30 if linspace else 50)
        x = torch.randn(shape) * s.init_noise_sigma
        for t in s.timesteps:
            x = s.step(network(s.scale_model_input(x, t), t), t, x).prev_sample
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
        for name in ("sample_euler", "sample_euler_ancestral", "sample_heun", "sample_dpm_2", "sample_dpm_2_ancestral",
                     "sample_lms", "sample_dpmpp_2s_ancestral", "sample_dpmpp_sde", "sample_dpmpp_2m",
                     "sample_dpmpp_2m_sde", "sample_dpmpp_3m_sde"):  # fmt: skip
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


def of_formulas() -> Iterator[tuple[str, str, Verdict]]:
    "(formula, the slip or '' for right code, the verdict), on the linear table of 1,000 steps."
    bar = (1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64)).cumprod(0)
    clock = clock_of(bar)

    def numbers(t, **known):
        place = clock.place(t)
        return {
            "a": clock.a[place],
            "s": clock.s[place],
            "place": place,
            "clock": clock,
            "t": t,
            **known,
        }

    for slip in NOISING:
        for make in slip.makes:
            if slip.name != "x_0 scaled as well":  # which is right on such a table
                f = lambda x, t, e, make=make: make(**numbers(t, x0=x.double(), eps=e.double()))
                yield "noising", slip.name, referee.noising(f, bar)
    for slip in TARGET_SLIPS:
        for make in slip.makes:

            def f(x, t, e, make=make):
                n = numbers(t)
                return make(x0=x, eps=e, a=beside(n["a"], x), s=beside(n["s"], x))

            yield "target", slip.name, referee.target(f, bar)
    for slip in (*MEAN_SLIPS, *VAR_SLIPS):
        for make in slip.makes:

            def f(x_t, x0, t, make=make, mean=slip in MEAN_SLIPS):
                n = numbers(t, x0=x0.double(), x_t=x_t.double())
                n["n"] = numbers_back(clock, n["place"])
                return (make if mean else MEAN)(**n), (VAR if mean else make)(**n)

            yield "posterior", slip.name, referee.posterior(f, bar)


def styles(quick: bool) -> list[dict]:
    "Of each style: right code that is right, refused or undecided; slips that are named, refused without it, or missed."
    counts: dict[str, Counter] = {}
    for style, f, how in RIGHT:
        said = referee.sampler(f, **how)
        counts.setdefault(style, Counter())["right" if said else "right code refused"] += 1
    rows = [
        (style, name, referee.sampler(f, **how))
        for style, name, f, how in WRONG[:: 4 if quick else 1]
    ]
    for style, name, said in [*rows, *of_formulas()]:
        found = "missed" if said else "named" if said.slip == name else "refused"
        counts.setdefault(style, Counter())[found] += 1
        if found != "named":
            print(f"{style} | {name} | {said}\n", file=sys.stderr)
    names = "right", "right code refused", "named", "refused", "missed"
    return [
        {"style": style, **{name: count[name] for name in names}} for style, count in counts.items()
    ]


def main() -> None:
    options = arguments(__doc__)
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
        styles=styles(options.quick), machine=machine())  # fmt: skip


if __name__ == "__main__":
    main()
