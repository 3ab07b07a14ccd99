"""Three minutes of training on MNIST for each package at its own usual settings, then 2,048 samples by 50 DDIM steps.

The networks take turns of a few seconds on the same cores, so that whatever else the machine does is shared alike; each
trains for the same time of its own turns. Quality is the Fréchet distance to the training digits in the features of
features.py, with as many held-out digits as the floor. Of a peer's weights and its own moving average of them, the one
with the smaller loss on held-out digits draws. Settings:

- ours: UNet(1, width=32), 0.31 million parameters, v-prediction, cosine schedule, `fit` with batches of 64.
- denoising-diffusion-pytorch: Unet(32, (1, 2, 2)), 1.4 million, its Trainer's defaults: v-prediction, sigmoid schedule,
  Adam at 8e-5, average 0.995 every 10 steps; batches of 64.
- diffusers: UNet2DModel of 32, 64, 64 channels, 1.5 million, as in its example of unconditional training: noise
  prediction, linear schedule, AdamW at 1e-4 after 500 steps of warm-up, average of at most 0.9999; batches of 64.
"""

import copy
import io
import threading
import time
from contextlib import redirect_stderr

import torch
from common import arguments, figure, machine, need_mnist, peer, say, spread, without
from features import Score

from diffusion_math import DDPM, ForwardProcess, UNet, cosine_schedule, fit, mnist

BATCH, SHAPE, STEPS = 64, (1, 28, 28), 50


class Ours:
    "fit in a thread of its own, which waits in its callback while it is not its turn."

    def __init__(self, x0: torch.Tensor, seconds: float):
        torch.manual_seed(0)
        network = UNet(1, width=32).to(memory_format=torch.channels_last)
        self.p = DDPM(network, ForwardProcess(cosine_schedule(1000)), SHAPE, "v", images=True)
        self.x0, self.seconds, self.until, self.done, self.steps = x0, seconds, 0.0, False, 0
        self.go, self.back = threading.Event(), threading.Event()
        self.parameters = sum(w.numel() for w in network.parameters())

    def plan(self, seconds_a_step: float) -> None:
        "How many steps fit into the time: the learning rate falls to 0 at the last of them."
        self.total = max(20, int(0.97 * self.seconds / seconds_a_step))
        threading.Thread(target=self._train, daemon=True).start()

    def _train(self) -> None:
        self._wait()
        try:
            fit(
                self.p,
                self.x0,
                steps=self.total,
                batch=BATCH,
                lr=2e-3,
                ema=0.995,
                callback=self._pause,
                log_every=1,
                progress=False,
            )
        finally:
            self.done = True
            self.back.set()

    def _wait(self) -> None:
        self.go.wait()
        self.go.clear()

    def _pause(self, run) -> None:
        self.steps = run.step
        if time.perf_counter() > self.until and run.step < run.steps:
            self.back.set()
            self._wait()

    def turn(self, seconds: float) -> None:
        self.until = time.perf_counter() + seconds
        self.back.clear()
        self.go.set()
        self.back.wait()

    def sampler(self, x0: torch.Tensor):
        short = self.p.respace(STEPS)
        return lambda n: short.sample(n, eta=0.0)


class Peer:
    "A training loop of the usual kind."

    done, steps = False, 0

    def __init__(self, x0: torch.Tensor):
        torch.manual_seed(0)
        self.x0 = x0
        self.start()
        self.parameters = sum(w.numel() for w in self.network.parameters())

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

    def turn(self, seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            self.one_step()


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


def our_seconds_a_step(x0: torch.Tensor) -> float:
    "Of fit, from a run that is thrown away."
    trial = Ours(x0, 1.0)
    marks = []
    fit(
        trial.p,
        x0,
        steps=24,
        batch=BATCH,
        callback=lambda run: marks.append(time.perf_counter()),
        log_every=1,
        progress=False,
    )
    return (marks[-1] - marks[3]) / (len(marks) - 4)


def train(who: dict, seconds: float, turn: float) -> dict[str, dict]:
    "Turns until each had its time: seconds, steps, and images/s turn by turn."
    took = {name: {"seconds": 0.0, "speeds": []} for name in who}
    while left := [name for name in who if took[name]["seconds"] < seconds and not who[name].done]:
        for name in left:
            before, began = who[name].steps, time.perf_counter()
            who[name].turn(min(turn, max(0.5, seconds - took[name]["seconds"])))
            spent = time.perf_counter() - began
            took[name]["seconds"] += spent
            took[name]["speeds"].append((who[name].steps - before) * BATCH / spent)
    return took


def quality(score: Score, sampler) -> float:
    torch.manual_seed(0)
    with torch.no_grad():
        return score(torch.cat([sampler(min(128, score.n - i)) for i in range(0, score.n, 128)]))


def main() -> None:
    args = arguments(
        __doc__,
        (["--seconds"], {"type": float, "help": "of training (180; 20 with --quick)"}),
        (["--samples"], {"type": int, "help": "for the distance (2048; 128 with --quick)"}),
    )
    root = need_mnist(args.data)
    seconds, n = (
        args.seconds or (20 if args.quick else 180),
        args.samples or (128 if args.quick else 2048),
    )
    about, score, x0 = machine(), Score(root, n), mnist("train", root)
    ours = Ours(x0, seconds)
    ours.plan(our_seconds_a_step(x0))
    who = without(
        {
            "diffusion_math": ours,
            "denoising-diffusion-pytorch": DdpmPytorch(x0)
            if peer("denoising_diffusion_pytorch")
            else None,
            "diffusers": Diffusers(x0) if peer("diffusers") else None,
        }
    )
    took = train(who, seconds, min(10.0, seconds / 6))
    held_out = mnist("test", root)[:128]
    figures = [figure("floor", "Fréchet distance", score.floor)]
    for name, one in who.items():
        speed = took[name]["speeds"]
        ratio = [a / b for a, b in zip(took["diffusion_math"]["speeds"], speed, strict=False)]
        figures.append(
            figure(
                name,
                "images/s, ours over it",
                **spread(ratio),
                images_per_second=spread(speed)["value"],
                parameters=one.parameters,
            )
        )
        distance = quality(score, one.sampler(held_out))
        figures.append(
            figure(
                name, "Fréchet distance", distance, steps=one.steps, seconds=took[name]["seconds"]
            )
        )
    say(
        title=f"{seconds:.0f} seconds of training on MNIST",
        unit="",
        figures=figures,
        better="less",
        samples=n,
        network=score.about,
        machine=about,
        target="images/s ≥ 5× denoising-diffusion-pytorch, ≥ 3× diffusers; distance ≤ a third of theirs in 3 minutes",
    )


if __name__ == "__main__":
    main()
