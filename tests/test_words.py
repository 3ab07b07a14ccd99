"""The front page's table of formulas: each line run against diffusers and k-diffusion, where they are installed.

They are in the benchmarks' environment: .bench/bin/python -m pytest tests/test_words.py (`make bench` makes it). Elsewhere
only the table itself is looked at: that no line of it is left out here.
"""

import json
import re
from pathlib import Path

import pytest
import torch

from diffusion_math import (
    DDPM,
    ForwardProcess,
    GaussianMixture,
    Prediction,
    Schedule,
    cosine_schedule,
    flow_loss,
    guided,
    karras_grid,
    linear_schedule,
    score_of,
    simple_loss,
    solve,
)
from diffusion_math.matching import line_velocity, line_walk

INDEX = Path(__file__).resolve().parents[1] / "nbs" / "index.ipynb"
Q = ForwardProcess(linear_schedule(1000))
MEANS = torch.tensor([[-1.5, 0.2], [1.0, -0.5]], dtype=torch.float64)
LAW = GaussianMixture([0.4, 0.6], MEANS, torch.tensor([0.1, 0.3], dtype=torch.float64))
TIMES = (2, 10, 300, 999)
# their tables are float32, where 1 - alphas_cumprod loses digits at small t
EXACT, TABLES = 1e-10, 1e-3


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers")


@pytest.fixture
def k():
    return pytest.importorskip("k_diffusion")


def agree(ours, theirs, tol=TABLES):
    theirs = torch.as_tensor(theirs, dtype=torch.float64)
    assert torch.allclose(
        torch.as_tensor(ours, dtype=torch.float64), theirs, rtol=tol, atol=tol * 1e-2
    )


def noisy(t, n=5):
    "x_0, eps and x_t of two numbers."
    x0, eps = LAW.sample(n), torch.randn(n, 2, dtype=torch.float64)
    return x0, eps, Q.schedule.alpha_bar[t].sqrt() * x0 + Q.schedule.noise_var[t].sqrt() * eps


def says(name):
    "A network that knows E[x_0 | x_t], and says it under a name of ours."
    return lambda x, level: getattr(Prediction(x, level, x0=LAW.denoise(x, level)), name)


def mean_and_var(scheduler, said, t, x_t):
    "The law of diffusers' step: its mean is what the same noise, with its sign turned, leaves; its variance the rest."
    draws = [
        scheduler.step(said, t - 1, x_t, generator=torch.Generator().manual_seed(0)).prev_sample
    ]
    noise = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(0), dtype=x_t.dtype)
    if t == 1:
        return draws[0], torch.zeros(())
    std = float(scheduler._get_variance(t - 1)) ** 0.5
    return draws[0] - std * noise, std**2


class Heard:
    "A network that keeps what it was asked."

    def __call__(self, x, t):
        self.x, self.t = x, t
        return x


def linear(diffusers):
    agree(Q.schedule.beta[1:], diffusers.DDPMScheduler(beta_schedule="linear").betas, 1e-6)
    few = diffusers.DDPMScheduler(beta_schedule="linear", num_train_timesteps=20)
    assert round(few.alphas_cumprod[-1].item(), 2) == 0.82
    agree(linear_schedule(20).alpha_bar[-1], Q.schedule.alpha_bar[-1], EXACT)


def cosine(diffusers):
    agree(
        cosine_schedule(1000).beta[1:],
        diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2").betas,
        1e-4,
    )


def scaled_linear(diffusers):
    ours = Schedule.from_beta(torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    options = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    agree(ours.beta[1:], diffusers.DDPMScheduler(**options).betas, 1e-6)


def alpha_bar(diffusers, k):
    bar = diffusers.DDPMScheduler().alphas_cumprod
    sigma = k.external.DiscreteEpsDDPMDenoiser(None, bar, quantize=False).sigmas
    agree(Q.schedule.alpha_bar[1:], bar, 1e-4)
    agree(Q.schedule.alpha_bar[1:], 1 / (1 + sigma.double() ** 2), 1e-4)


def level(diffusers, k):
    ours = Q.schedule.log_snr[1:]
    agree(ours, 2 * diffusers.DPMSolverMultistepScheduler(beta_end=0.02).lambda_t.double())
    sigma = k.external.DiscreteEpsDDPMDenoiser(
        None, Q.schedule.alpha_bar[1:], quantize=False
    ).sigmas
    agree(ours, -2 * sigma.log(), EXACT)
    # the levels that it walks, from noise to data, and then 0
    euler = diffusers.EulerDiscreteScheduler(beta_end=0.02, beta_start=1e-4)
    agree((-ours / 2).exp().flip(0), euler.sigmas[:-1])
    euler.set_timesteps(50, device="cpu")
    assert euler.sigmas[-1] == 0 and len(euler.sigmas) == 51
    agree(ours[-1], -2 * euler.sigmas[0].double().log())


def jump(diffusers):
    for t in TIMES:
        x0, eps, x_t = noisy(t)
        agree(x_t, diffusers.DDPMScheduler().add_noise(x0, eps, torch.tensor([t - 1])), 1e-4)


def scaled(k):
    "k-diffusion's wrapper hands x / sqrt(1 + sigma^2) to the network: so its x is our x_t over sqrt(alpha_bar)."
    bar = Q.schedule.alpha_bar[1:]
    for t in TIMES:
        _, _, x_t = noisy(t)
        heard = Heard()
        their = k.external.DiscreteEpsDDPMDenoiser(heard, bar, quantize=True)
        sigma = their.sigmas[t - 1].expand(len(x_t))
        their(x_t / bar[t - 1].sqrt(), sigma)
        agree(heard.x, x_t, EXACT)
        assert (heard.t == t - 1).all()


def posterior(diffusers):
    scheduler = diffusers.DDPMScheduler(prediction_type="sample", clip_sample=False)
    for t in TIMES:
        x0, _, x_t = noisy(t)
        mean, var = mean_and_var(scheduler, x0, t, x_t)
        agree(Q.posterior(x_t, x0, t).mean, mean)
        agree(Q.posterior(x_t, x0, t).var.flatten()[0], var)


def from_the_noise(diffusers, k):
    bar = Q.schedule.alpha_bar[1:]
    scheduler = diffusers.DDIMScheduler(clip_sample=False)
    scheduler.set_timesteps(1000)
    for t in TIMES:
        x0, eps, x_t = noisy(t)
        agree(Prediction(x_t, Q.schedule.log_snr[t], eps=eps).x0, x0, 1e-8)
        agree(x0, scheduler.step(eps, t - 1, x_t).pred_original_sample)
        wrapped = k.external.DiscreteEpsDDPMDenoiser(lambda x, t, eps=eps: eps, bar, quantize=True)
        agree(x0, wrapped(x_t / bar[t - 1].sqrt(), wrapped.sigmas[t - 1].expand(len(x_t))), 1e-8)


def edm(diffusers, k):
    scheduler = diffusers.EDMEulerScheduler(sigma_data=1.0)
    for t in TIMES:
        _, said, x_t = noisy(t)
        level, a = Q.schedule.log_snr[t], Q.schedule.alpha_bar[t].sqrt()
        z, sigma = x_t / a, (-level / 2).exp()
        ours = Prediction(x_t, level, v=-said).x0
        agree(ours, scheduler.precondition_outputs(z, said, sigma), 1e-8)
        denoiser = k.layers.Denoiser(lambda x, sigma, said=said: said, sigma_data=1.0)
        agree(ours, denoiser(z, sigma.expand(len(z))), 1e-8)


def slope(k):
    for t in TIMES:
        _, _, x_t = noisy(t)
        level, a = Q.schedule.log_snr[t], Q.schedule.alpha_bar[t].sqrt()
        z, sigma = x_t / a, (-level / 2).exp()
        theirs = -k.sampling.to_d(z, sigma, LAW.denoise(x_t, level)) / sigma / a
        agree(score_of(LAW)(x_t, level), theirs, 1e-8)


def simple():
    x0, eps, _ = noisy(300)
    x_t = Q.schedule.alpha_bar[300].sqrt() * x0 + Q.schedule.noise_var[300].sqrt() * eps
    said = says("eps")(x_t, Q.schedule.log_snr[300])
    ours = simple_loss(DDPM(says("eps"), Q, (2,)), x0, t=torch.full((5,), 300), eps=eps)
    agree(ours.mean(), torch.nn.functional.mse_loss(said, eps), EXACT)


def min_snr(diffusers):
    utils = pytest.importorskip("diffusers.training_utils")
    theirs = utils.compute_snr(diffusers.DDPMScheduler(), torch.tensor(TIMES) - 1).double()
    ours = (5 / Q.schedule.snr[list(TIMES)]).clamp(max=1)
    agree(ours, theirs.clamp(max=5) / theirs)


def line(diffusers):
    "Their noise at 1,000 t is our line's at t; its loss is that of noise less picture."
    x0, eps, _ = noisy(300)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    i = 699
    t = (scheduler.timesteps[i] / 1000).item()
    x_t = scheduler.scale_noise(x0, scheduler.timesteps[i : i + 1], eps)
    agree(x_t, (1 - t) * x0 + t * eps, 1e-5)
    ours = flow_loss(LAW, x0, t=torch.full((5,), t, dtype=torch.float64), eps=eps)
    agree(ours, (line_velocity(LAW, x_t, t) - (eps - x0)).square().mean(1), 1e-5)


def straight(diffusers):
    scheduler, x = diffusers.FlowMatchEulerDiscreteScheduler(), noisy(300)[1]
    scheduler.set_timesteps(4)
    times = scheduler.sigmas.double()
    theirs = x
    for i in range(2):
        u = line_velocity(LAW, theirs, times[i].item())
        theirs = scheduler.step(u, scheduler.timesteps[i], theirs).prev_sample
    agree(line_walk(LAW, x, times[:3].tolist()), theirs, 1e-5)


def shift(diffusers):
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    plain, alpha = diffusers.FlowMatchEulerDiscreteScheduler().sigmas, 3.0
    agree(alpha * plain / (1 + (alpha - 1) * plain), scheduler.sigmas, 1e-5)


def two_m(diffusers, k):
    "A walk of three steps; theirs in diffusers takes one more, to the data."
    scheduler = diffusers.DPMSolverMultistepScheduler(beta_end=0.02, beta_start=1e-4)
    scheduler.set_timesteps(timesteps=[999, 699, 399, 99])
    levels, s = Q.schedule.log_snr[[1000, 700, 400, 100]], Q.schedule
    _, _, x = noisy(1000)
    ours, theirs = solve(LAW, x, levels.tolist(), solver="2m"), x
    for t in (1000, 700, 400):
        theirs = scheduler.step(says("eps")(theirs, s.log_snr[t]), t - 1, theirs).prev_sample
    agree(ours, theirs)

    def denoiser(z, sigma):
        level = -2 * sigma[0].log()
        return LAW.denoise(z * level.sigmoid().sqrt(), level)

    root = s.alpha_bar[[1000, 100]].sqrt()
    there = k.sampling.sample_dpmpp_2m(denoiser, x / root[0], (-levels / 2).exp(), disable=True)
    agree(ours, there * root[1], 1e-8)


def target(diffusers, k):
    names = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}
    bar = Q.schedule.alpha_bar[1:]
    wraps = {"eps": k.external.DiscreteEpsDDPMDenoiser, "v": k.external.DiscreteVDDPMDenoiser}
    for ours, theirs in names.items():
        scheduler = diffusers.DDIMScheduler(prediction_type=theirs, clip_sample=False)
        scheduler.set_timesteps(1000)
        for t in TIMES:
            _, _, x_t = noisy(t)
            said = says(ours)(x_t, Q.schedule.log_snr[t])
            x0 = DDPM(says(ours), Q, (2,), predicts=ours).predict(x_t, t).x0
            agree(x0, scheduler.step(said, t - 1, x_t).pred_original_sample)
            if ours in wraps:
                wrapped = wraps[ours](lambda x, t, said=said: said, bar, quantize=True)
                agree(
                    x0,
                    wrapped(x_t / bar[t - 1].sqrt(), wrapped.sigmas[t - 1].expand(len(x_t))),
                    1e-8,
                )


def variance(diffusers):
    for ours, theirs in {"posterior": "fixed_small", "beta": "fixed_large"}.items():
        scheduler = diffusers.DDPMScheduler(variance_type=theirs)
        p = DDPM(LAW, Q, variance=ours)
        for t in TIMES:
            agree(p.step(noisy(t)[2], t).var.flatten()[0], float(scheduler._get_variance(t - 1)))


def clip(diffusers):
    for images in (True, False):
        scheduler = diffusers.DDPMScheduler(clip_sample=images)
        p = DDPM(lambda x, level: -4 * x, Q, (2,), images=images)
        x_t = noisy(300)[2]
        agree(p.clean(x_t, 300), scheduler.step(-4 * x_t, 299, x_t).pred_original_sample)


def step(diffusers):
    scheduler = diffusers.DDPMScheduler(clip_sample=False)
    p = DDPM(says("eps"), Q, (2,))
    for t in (1, *TIMES):
        _, _, x_t = noisy(t)
        mean, var = mean_and_var(scheduler, says("eps")(x_t, Q.schedule.log_snr[t]), t, x_t)
        agree(p.step(x_t, t).mean, mean)
        agree(p.step(x_t, t).var.flatten()[0], var)


def ddim(diffusers, k):
    scheduler = diffusers.DDIMScheduler(clip_sample=False)
    scheduler.set_timesteps(1000)
    p, s = DDPM(says("eps"), Q, (2,)), Q.schedule
    for t in TIMES:
        _, _, x_t = noisy(t)
        ours = p.ddim(x_t, t, eta=0.0).mean
        agree(ours, scheduler.step(says("eps")(x_t, s.log_snr[t]), t - 1, x_t, eta=0.0).prev_sample)
        sigmas = (-s.log_snr[[t, t - 1]] / 2).exp()

        def denoiser(x, sigma, t=t):
            return LAW.denoise(x * s.alpha_bar[t].sqrt(), s.log_snr[t])

        there = k.sampling.sample_euler(denoiser, x_t / s.alpha_bar[t].sqrt(), sigmas, disable=True)
        agree(ours, there * s.alpha_bar[t - 1].sqrt(), 1e-8)


def respace(diffusers):
    fewer = Q.schedule.respace(50)
    scheduler = diffusers.DDPMScheduler(timestep_spacing="trailing", clip_sample=False)
    scheduler.set_timesteps(50)
    agree(fewer.alpha_bar[1:].flip(0), scheduler.alphas_cumprod[scheduler.timesteps], 1e-4)
    # their default keeps other levels: it never begins at t = 1000
    default = diffusers.DDPMScheduler()
    default.set_timesteps(50)
    assert default.config.timestep_spacing == "leading" and default.timesteps[0] == 980
    default = diffusers.DDIMScheduler(steps_offset=1)
    default.set_timesteps(50)
    assert default.config.timestep_spacing == "leading" and default.timesteps[0] == 981
    p, x_t = DDPM(says("eps"), Q, (2,)).respace(50), noisy(600)[2]
    mean, _ = mean_and_var(scheduler, says("eps")(x_t, Q.schedule.log_snr[600]), 600, x_t)
    agree(p.step(x_t, 30).mean, mean)


def karras(diffusers, k):
    euler = diffusers.EulerDiscreteScheduler(beta_start=1e-4, beta_end=0.02, use_karras_sigmas=True)
    euler.set_timesteps(10)
    noise, clean = Q.schedule.log_snr[[1000, 1]]
    ours = (-karras_grid(noise.item(), clean.item(), 9) / 2).exp()
    agree(ours, euler.sigmas[:-1], 1e-3)
    start, end = -2 * torch.tensor([80.0, 0.05], dtype=torch.float64).log()
    theirs = k.sampling.get_sigmas_karras(10, 0.05, 80.0, rho=7.0)
    agree((-karras_grid(start.item(), end.item(), 9) / 2).exp(), theirs[:-1], 1e-4)


def guidance(diffusers):
    guider = diffusers.guiders.ClassifierFreeGuidance(guidance_scale=3.0)
    x = noisy(300)[2]
    cond, uncond = (lambda x, level: 0.5 * x), (lambda x, level: x + 1)
    ours = guided(cond, uncond, 3.0)(x, torch.tensor(0.0, dtype=torch.float64))
    agree(ours, guider.forward(cond(x, 0), uncond(x, 0)).pred, EXACT)


# by the call of the table that is ours; some have no name in a library
LINES = {
    "`linear_schedule()`": (linear,),
    "`cosine_schedule()`": (cosine,),
    "`Schedule.from_beta(β)`": (scaled_linear,),
    "`schedule.alpha_bar[t]`": (alpha_bar,),
    "`schedule.log_snr[t]`": (level,),
    "`q.marginal(x0, t).sample()`": (jump, scaled),
    "`q.posterior(x_t, x0, t)`": (posterior,),
    "`Prediction(x_t, log_snr, eps=eps).x0`": (from_the_noise,),
    '`predicts="eps"`': (target,),
    "`Prediction(x_t, log_snr, v=-F).x0`": (edm,),
    "`Prediction(x_t, log_snr, eps=eps).score`": (slope,),
    "`tweedie(score, x_t, log_snr)`": (),
    "`simple_loss(p, x0)`": (simple,),
    "`q.posterior(x_t, x0, t).kl(p.step(x_t, t))`": (),
    "`elbo(q, p, x0).total`": (),
    "`flow_loss(m, x0)`": (line,),
    "`p.step(x_t, t)`": (step,),
    '`variance="posterior"`': (variance,),
    "`images=True`": (clip,),
    "`p.ddim(x_t, t, eta=0)`": (ddim,),
    "`p.respace(50)`": (respace,),
    "`velocity(p, x, log_snr)`": (),
    '`draw(p, 16, solver="2m")`': (two_m,),
    "`karras_grid(start, end, 9)`": (karras,),
    "`line_walk(m, x, times)`": (straight,),
    "`guided(p.given(y=3), p, w)`": (guidance,),
    "`Empirical(data).denoise(x, log_snr)`": (),
    "`drift(p, x, log_snr, η)`": (),
    "`walk(p, x, start, end, steps, dial=η)`": (),
    "`law.noised(log_snr).log_prob(x)`": (),
    "`log_prob_by_flow(p, x0)`": (),
    "`log_prob_by_flow(p, x0, probes=8)`": (),
    "`error_curve(p, x, log_snr)`": (),
    "`Measurement(A, r).posterior(law, y)`": (),
    '`steered(p, measurement, y, "point")`': (),
    "`masked_loss(p, x0)`": (),
}


def test_every_line_of_the_table_is_run_here():
    cells = json.loads(INDEX.read_text(encoding="utf-8"))["cells"]
    text = next(c for c in map(lambda c: "".join(c["source"]), cells) if "## Find a formula" in c)
    rows = re.findall(r"(?m)^\| [^|]* \| (`[^`]*`)([^|]*) \|$", text)
    assert {name: bool(re.search("<br>(diffusers|k):", rest)) for name, rest in rows} == {
        name: bool(lines) for name, lines in LINES.items()
    }
    # but for the heads of the tables and the names of the groups
    others = len(re.findall(r"(?m)^\| (formula, |--- |\*\*)", text))
    assert len(rows) == len(re.findall(r"(?m)^\| ", text)) - others


@pytest.mark.parametrize(
    "line", [line for lines in LINES.values() for line in lines], ids=lambda f: f.__name__
)
def test_words_of_others(line, request):
    names = line.__code__.co_varnames[: line.__code__.co_argcount]
    line(*map(request.getfixturevalue, names))


# what chapter 14 says of min-SNR and of Stable Diffusion 3's shift


@pytest.mark.parametrize("said", [min_snr, shift], ids=lambda f: f.__name__)
def test_weights_and_times_of_others(said, diffusers):
    said(diffusers)


# chapter 6's table of diffusers


def clipped_ddim(diffusers):
    "Only with the noise of the clipped guess is a step of DDIM ours, at every eta."
    scheduler = diffusers.DDIMScheduler(timestep_spacing="trailing")
    scheduler.set_timesteps(50)
    p, x_t = DDPM(lambda x, level: -4 * x, Q, (2,), images=True).respace(50), noisy(600)[2]
    x_t = x_t[:, :, None, None]
    for eta in (0.0, 0.5, 1.0):
        for kept, same in ((True, True), (False, False)):
            there = scheduler.step(
                -4 * x_t,
                599,
                x_t,
                eta=eta,
                use_clipped_model_output=kept,
                variance_noise=torch.zeros_like(x_t),
            ).prev_sample
            ours = p.ddim(x_t, 30, eta).mean
            assert torch.allclose(ours.double(), there.double(), rtol=1e-3, atol=1e-4) == same


def defaults(diffusers):
    config = diffusers.DDPMScheduler().config
    said = ("linear", "fixed_small", "epsilon", True, 1.0)
    names = "beta_schedule", "variance_type", "prediction_type", "clip_sample", "clip_sample_range"
    assert tuple(config[name] for name in names) == said
    agree(Q.schedule.beta[1:], diffusers.DDPMScheduler().betas, 1e-6)


# by what stands on the right
CHAPTER_6 = {
    "`scheduler.add_noise(x0, eps, t - 1)`": jump,
    "`scheduler.step(said, t - 1, x_t).prev_sample`": step,
    '`variance_type="fixed_small"` or `"fixed_large"`': variance,
    '`prediction_type="epsilon"`, `"sample"` or `"v_prediction"`': target,
    '`timestep_spacing="trailing"`, then `set_timesteps(50)`': respace,
    "`DDIMScheduler`: `step(…, eta=η, use_clipped_model_output=True)`": clipped_ddim,
    "`guidance_scale` of a pipeline": guidance,
}


def test_every_line_of_chapter_6s_table_is_run_here():
    cells = json.loads((INDEX.parent / "06_ddpm.ipynb").read_text(encoding="utf-8"))["cells"]
    (text,) = (s for s in map(lambda c: "".join(c["source"]), cells) if "same in diffusers" in s)
    rows = re.findall(r"(?m)^\| (?!here|---)[^|]* \| ([^|;]*).* \|$", text)
    assert [row.strip() for row in rows] == list(CHAPTER_6)


@pytest.mark.parametrize("said", [defaults, clipped_ddim], ids=lambda f: f.__name__)
def test_defaults_and_a_clipped_ddim(said, diffusers):
    said(diffusers)


# what chapter 8b's card says of diffusers


@pytest.mark.parametrize("clips", ["clip_sample", "thresholding"])
def test_ddim_keeps_the_old_noise_of_a_clipped_guess(clips, diffusers):
    options = {"clip_sample": False, "thresholding": False} | {clips: True}
    # a threshold that is never above 1 clips as clip_sample does
    scheduler = diffusers.DDIMScheduler(**options, sample_max_value=1.0)
    scheduler.set_timesteps(1000)
    s, x_t = Q.schedule, noisy(300)[2][:, :, None, None]
    eps = -4 * x_t
    x0 = ((x_t - s.noise_var[300].sqrt() * eps) / s.alpha_bar[300].sqrt()).clamp(-1, 1)
    again = (x_t - s.alpha_bar[300].sqrt() * x0) / s.noise_var[300].sqrt()
    for option, kept in ((False, eps), (True, again)):
        there = scheduler.step(eps, 299, x_t, use_clipped_model_output=option).prev_sample
        agree(s.alpha_bar[299].sqrt() * x0 + s.noise_var[299].sqrt() * kept, there)
    assert not torch.allclose(eps, again)
    assert torch.equal(
        scheduler.step(eps, 299, x_t).prev_sample,
        scheduler.step(eps, 299, x_t, use_clipped_model_output=False).prev_sample,
    )


def test_fewer_training_steps_do_not_end_in_noise(diffusers):
    assert diffusers.DDPMScheduler(num_train_timesteps=100).alphas_cumprod[-1] > 0.3
    for spacing in ({}, {"timestep_spacing": "trailing"}):
        scheduler = diffusers.DDPMScheduler(**spacing)
        scheduler.set_timesteps(100)
        assert scheduler.alphas_cumprod[scheduler.timesteps[0]] < 1e-4


def test_twenty_steps_start_before_the_end_and_that_keeps_some_signal(diffusers):
    sd = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1)
    for options, starts in (({}, 950), (sd, 951), ({"timestep_spacing": "trailing"}, 999)):
        scheduler = diffusers.DDIMScheduler(**options)
        scheduler.set_timesteps(20)
        assert scheduler.timesteps[0] == starts
    bar = diffusers.DDIMScheduler(**sd).alphas_cumprod
    assert round(bar[-1].sqrt().item(), 4) == 0.0683 and round(bar[951].sqrt().item(), 4) == 0.0903
    assert diffusers.DDIMScheduler(**sd, rescale_betas_zero_snr=True).alphas_cumprod[-1] < 1e-8


def test_one_minus_alpha_bar_is_subtracted_in_float32(diffusers):
    bar = diffusers.DDPMScheduler().alphas_cumprod
    off = ((1 - bar).double() / Q.schedule.noise_var[1:] - 1).abs()
    assert bar.dtype == torch.float32 and 1e-4 < off[:10].max() < 3e-4


STABLE_DIFFUSION = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


@pytest.mark.parametrize("kind", ["DDPMScheduler", "DDIMScheduler"])
@pytest.mark.parametrize(
    "betas, dtype, none",
    [
        ({}, "float32", 0),
        ({}, "float16", 2),
        ({}, "bfloat16", 10),
        (STABLE_DIFFUSION, "float16", 0),
        (STABLE_DIFFUSION, "bfloat16", 2),
    ],
)
def test_a_jump_subtracts_in_the_dtype_of_the_pictures(kind, betas, dtype, none, diffusers):
    scheduler, t = getattr(diffusers, kind)(**betas), torch.arange(1000)
    x0 = torch.ones(1000, 1, dtype=getattr(torch, dtype))
    noise = torch.full_like(x0, 2)
    # our t is theirs plus 1
    assert torch.equal(scheduler.add_noise(0 * x0, noise, t)[:, 0] == 0, t < none)
    assert torch.equal(scheduler.get_velocity(x0, noise, t)[:, 0] == 2, t < none)


def test_their_first_entry_is_our_step_1_and_the_last_step_ends_at_the_guess(diffusers):
    scheduler = diffusers.DDIMScheduler(clip_sample=False)
    agree(Q.schedule.alpha_bar[1], scheduler.alphas_cumprod[0], tol=1e-6)
    scheduler.set_timesteps(1000)
    x0, eps, x_1 = noisy(1)
    agree(x0, scheduler.step(eps, 0, x_1).prev_sample)


def test_stable_diffusions_last_step_ends_at_the_first_entry(diffusers):
    utils = pytest.importorskip("diffusers.loaders.single_file_utils")
    config = utils.SCHEDULER_DEFAULT_CONFIG
    assert STABLE_DIFFUSION.items() <= config.items() and not config["set_alpha_to_one"]
    scheduler = diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=False)
    scheduler.set_timesteps(1000)
    _, eps, x_1 = noisy(1)
    agree(x_1, scheduler.step(eps, 0, x_1).prev_sample)
