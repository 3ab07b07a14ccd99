"""Digits by CPU seconds: how good are samples after 20, 75 and 180 seconds of training on MNIST, on one core?

    python benchmarks/three_minutes.py --data DIR                      # all budgets, ours and the peers'
    python benchmarks/three_minutes.py --data DIR --seconds 20 75      # some of them
    python benchmarks/three_minutes.py --data DIR --only diffusion_math

The rules, so that others can enter. Data: MNIST's 60,000 training digits and nothing else. Time: CPU seconds of the
process, one thread, from the first step of training to the last; not what is imported, compiled or sampled. Samples:
2,048 by 50 steps, untold, or told a class each, the ten in turn; no guidance, except where it is said. Judge: the
classifier of features.py, fixed by its SHA-256. Its features give the Fréchet distance to the training digits, with as
many held-out digits as the floor; "sure" is the share of samples to which it gives one digit more than 95 %.

Ours trains once for each budget, since its learning rate falls to 0 at the end. A peer trains once, its learning rate
constant, and draws on the way; of its weights and its own moving average of them, the one with the smaller loss on
held-out digits draws. To enter, write a class like Ours or Peer and name it in ENTRIES. Settings:

- ours: chapter 6's, with smaller batches, of which more fit into a few seconds. The inner 24 x 24 pixels, UNet(width=16,
  mults=(1, 4), classes=10) of 0.25 million parameters, v-prediction, the cosine schedule with log SNR lowered by 1, the
  squared error of the noise times 1 - alpha_bar, `fit` with batches of 32, learning rate 8e-3, average 0.99, the class
  left out for one digit in ten.
- denoising-diffusion-pytorch: Unet(32, (1, 2, 2)), 1.4 million, its Trainer's defaults: v-prediction, sigmoid schedule,
  Adam at 8e-5, average 0.995 every 10 steps; batches of 64.
- diffusers: UNet2DModel of 32, 64, 64 channels, 1.5 million, as in its example of unconditional training: noise
  prediction, linear schedule, AdamW at 1e-4 after 500 steps of warm-up, average of at most 0.9999; batches of 64.
"""

import copy
import io
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr

import torch
import torch.nn.functional as F
from common import arguments, figure, machine, need_mnist, peer, say
from features import Score, sure

from diffusion_math import DDPM, ForwardProcess, Schedule, UNet, cosine_schedule, fit, mnist

BATCH, SHAPE, STEPS, GUIDANCE = 64, (1, 28, 28), 50, 1.5
Sampler = Callable[[torch.Tensor], torch.Tensor]  # classes (n,) -> pictures (n, 1, 28, 28)


def noise_loss(p: DDPM, x0: torch.Tensor, t: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    "Chapter 6's."
    law = p.q.marginal(x0, t)
    off = eps - p.predict(torch.addcmul(law.mean, law.std, eps), t).eps
    return p.q.schedule.noise_var[t] * off.square().mean((1, 2, 3))


class Ours:
    "fit, with as many steps as the time has room for."

    def __init__(self, x0: torch.Tensor, labels: torch.Tensor):
        self.x0, self.labels = x0[..., 2:26, 2:26].contiguous(), labels

    def network(self) -> DDPM:
        torch.manual_seed(0)
        network = UNet(width=16, mults=(1, 4), classes=10).to(memory_format=torch.channels_last)
        lowered = Schedule.from_log_snr(cosine_schedule(1000).log_snr[1:] - 1.0)
        return DDPM(network, ForwardProcess(lowered), (1, 24, 24), "v", images=True)

    def train(self, p: DDPM, steps: int, **more) -> None:
        plan = dict(steps=steps, batch=32, lr=8e-3, warmup=max(1, steps // 16), ema=0.99, drop=0.1)
        fit(p, self.x0, labels=self.labels, loss=noise_loss, progress=False, **plan, **more)

    def seconds_a_step(self) -> float:
        "From a run that is thrown away."
        marks = []
        self.train(
            self.network(), 84, callback=lambda run: marks.append(time.process_time()), log_every=4
        )
        return (marks[-1] - marks[0]) / 80

    def runs(self, budgets: list[float]) -> Iterator[tuple[float, dict, dict[str, Sampler]]]:
        "For each budget what was spent, and what draws."
        for seconds in budgets:
            steps, p = max(20, int(0.98 * seconds / self.seconds_a_step())), self.network()
            began = time.process_time()
            self.train(p, steps, log_every=steps)
            spent = {"steps": steps, "seconds": time.process_time() - began}
            weights = sum(w.numel() for w in p.parameters())
            spent |= {"images_per_second": 32 * steps / spent["seconds"], "parameters": weights}
            yield seconds, spent, {"untold": p, "told": p, f"guided {GUIDANCE}": p}

    def draw(self, p: DDPM, y: torch.Tensor, kind: str) -> torch.Tensor:
        "By ancestral steps, as chapter 6 draws."
        short = (p if kind == "untold" else p.given(y=y)).respace(STEPS)
        x = short.sample(len(y), guidance=GUIDANCE if kind.startswith("guided") else 1.0)
        return F.pad(x, (2, 2, 2, 2), value=-1.0)


class Peer:
    "A training loop of the usual kind."

    def __init__(self, x0: torch.Tensor, labels: torch.Tensor):
        torch.manual_seed(0)
        self.x0, self.held_out, self.steps = x0[:-128], x0[-128:], 0
        self.start()

    def one_step(self) -> None:
        loss = self.loss(self.x0[torch.randint(len(self.x0), (BATCH,))])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.after()
        self.steps += 1

    def better(self, x0: torch.Tensor, *losses) -> int:
        "Which of the losses is smallest on x0, with the same noise for each."
        values = []
        for loss in losses:
            torch.manual_seed(0)
            with torch.no_grad():
                values.append(loss(x0).item())
        return values.index(min(values))

    def runs(self, budgets: list[float]) -> Iterator[tuple[float, dict, dict[str, Sampler]]]:
        spent, weights = 0.0, sum(w.numel() for w in self.network.parameters())
        for seconds in budgets:
            while spent < seconds:
                began = time.process_time()
                self.one_step()
                spent += time.process_time() - began
            told = {"steps": self.steps, "seconds": spent, "parameters": weights}
            told |= {"images_per_second": BATCH * self.steps / spent}
            yield seconds, told, {"untold": self.sampler(self.held_out)}

    def draw(self, sample: Callable, y: torch.Tensor, kind: str) -> torch.Tensor:
        return sample(len(y))


class DdpmPytorch(Peer):
    def start(self) -> None:
        from denoising_diffusion_pytorch import GaussianDiffusion, Unet
        from ema_pytorch import EMA

        self.network = Unet(32, dim_mults=(1, 2, 2), channels=1)
        self.model = GaussianDiffusion(
            self.network, image_size=28, timesteps=1000, sampling_timesteps=STEPS
        )
        self.optimizer = torch.optim.Adam(self.network.parameters(), 8e-5, betas=(0.9, 0.99))
        self.ema = EMA(self.model, beta=0.995, update_every=10)

    def loss(self, x0: torch.Tensor) -> torch.Tensor:
        return self.model((x0 + 1) / 2)

    def after(self) -> None:
        self.ema.update()

    def sampler(self, x0: torch.Tensor):
        models = [self.model, self.ema.ema_model]
        model = models[self.better((x0 + 1) / 2, *models)]

        def sample(n):
            with redirect_stderr(io.StringIO()):
                return model.sample(n) * 2 - 1

        return sample


class Diffusers(Peer):
    def start(self) -> None:
        from diffusers import DDPMScheduler, UNet2DModel
        from diffusers.optimization import get_scheduler
        from diffusers.training_utils import EMAModel

        self.network = UNet2DModel(
            28,
            1,
            1,
            block_out_channels=(32, 64, 64),
            layers_per_block=2,
            norm_num_groups=8,
            down_block_types=("DownBlock2D",) * 3,
            up_block_types=("UpBlock2D",) * 3,
        )
        self.noise = DDPMScheduler(1000)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), 1e-4, betas=(0.95, 0.999), weight_decay=1e-6
        )
        self.rate = get_scheduler(
            "cosine", self.optimizer, num_warmup_steps=500, num_training_steps=100_000
        )
        self.ema = EMAModel(
            self.network.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75
        )

    def loss(self, x0: torch.Tensor, network=None) -> torch.Tensor:
        t, eps = torch.randint(1000, (len(x0),)), torch.randn_like(x0)
        return (
            ((network or self.network)(self.noise.add_noise(x0, eps, t), t).sample - eps)
            .square()
            .mean()
        )

    def after(self) -> None:
        self.rate.step()
        self.ema.step(self.network.parameters())

    def sampler(self, x0: torch.Tensor):
        from diffusers import DDIMScheduler

        averaged = copy.deepcopy(self.network)
        self.ema.copy_to(averaged.parameters())
        of = [lambda x, one=one: self.loss(x, one) for one in (self.network, averaged)]
        network = (self.network, averaged)[self.better(x0, *of)]

        def sample(n):
            scheduler, x = DDIMScheduler(1000), torch.randn(n, *SHAPE)
            scheduler.set_timesteps(STEPS)
            for t in scheduler.timesteps:
                x = scheduler.step(network(x, t).sample, t, x).prev_sample
            return x

        return sample


ENTRIES = {  # name: what must be installed, and who trains
    "diffusion_math": (None, Ours),
    "denoising-diffusion-pytorch": ("denoising_diffusion_pytorch", DdpmPytorch),
    "diffusers": ("diffusers", Diffusers),
}


def quality(score: Score, one, p, kind: str) -> tuple[float, float]:
    "The Fréchet distance of the samples, and the share that the judge is sure of."
    torch.manual_seed(0)
    with torch.no_grad():
        x = torch.cat([one.draw(p, y, kind) for y in (torch.arange(score.n) % 10).split(128)])
    return score(x), sure(score.model, x)


def main() -> None:
    args = arguments(
        __doc__,
        (["--seconds"], {"type": float, "nargs": "+", "help": "budgets (20 75 180; 5, --quick)"}),
        (["--samples"], {"type": int, "help": "for the judge (2048; 128 with --quick)"}),
        (["--only"], {"choices": list(ENTRIES), "nargs": "+", "help": "some entries, not all"}),
    )
    torch.set_num_threads(1)
    budgets = sorted(args.seconds or ([5] if args.quick else [20, 75, 180]))
    about, score = (
        machine(),
        Score(need_mnist(args.data), args.samples or (128 if args.quick else 2048)),
    )
    x0, labels = mnist("train", need_mnist(args.data), labels=True)
    figures = []
    for seconds in budgets:
        figures.append(figure("held-out digits", f"Fréchet distance, {seconds:g} s", score.floor))
        figures.append(figure("held-out digits", f"sure, {seconds:g} s", score.floor_sure))
    for name in args.only or ENTRIES:
        needs, entry = ENTRIES[name]
        if needs and not peer(needs):
            continue
        one = entry(x0, labels)
        for seconds, spent, kinds in one.runs(budgets):
            for kind, p in kinds.items():
                distance, share = quality(score, one, p, kind)
                who, spent_here = f"{name}, {kind}", spent if kind == "untold" else {}
                figures.append(
                    figure(who, f"Fréchet distance, {seconds:g} s", distance, **spent_here)
                )
                figures.append(figure(who, f"sure, {seconds:g} s", share))
    say(
        title="Digits by CPU seconds of training",
        unit="",
        figures=figures,
        better="less distance, more sure",
        picture=[f"Fréchet distance, {seconds:g} s" for seconds in budgets[-3:]],
        samples=score.n,
        network=score.about,
        machine=about,
        target="ours after 20 s ahead of each peer after 180 s",
    )


if __name__ == "__main__":
    main()
