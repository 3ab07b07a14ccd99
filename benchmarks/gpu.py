"""On a GPU, where there is one: a step of training and a step of sampling, in float32, in bfloat16 and compiled.

Each package's own: its loss, backward and AdamW on a batch of 256 digits, and one step of its ancestral sampler, the
network included. The networks are those of three_minutes.py. All take turns, call by call, on the GPU's own clock.
`--device cpu` runs the same calls on the processor.
"""

import time
from collections.abc import Callable

import torch
from common import arguments, peer, ratios, say

from diffusion_math import DDPM, ForwardProcess, UNet, cosine_schedule, simple_loss

BATCH, SHAPE, T, STEP = 256, (1, 28, 28), 1000, 500


class Ours:
    name = "diffusion_math"

    def __init__(self, device: str):
        self.network = UNet(1).to(device, memory_format=torch.channels_last)
        self.p = DDPM(self.network, ForwardProcess(cosine_schedule(T)), SHAPE, "v", images=True)

    def loss(self, x0: torch.Tensor) -> torch.Tensor:
        return simple_loss(self.p, x0).mean()

    def step(self, x_t: torch.Tensor) -> torch.Tensor:
        return self.p.step(x_t, STEP).sample()


class DdpmPytorch:
    name = "denoising-diffusion-pytorch"

    def __init__(self, device: str):
        from denoising_diffusion_pytorch import GaussianDiffusion, Unet

        self.network = Unet(32, dim_mults=(1, 2, 2), channels=1)
        self.model = GaussianDiffusion(self.network, image_size=28, timesteps=T).to(device)

    def loss(self, x0: torch.Tensor) -> torch.Tensor:
        return self.model((x0 + 1) / 2)

    def step(self, x_t: torch.Tensor) -> torch.Tensor:
        return self.model.p_sample(x_t, STEP - 1)[0]


class Diffusers:
    name = "diffusers"

    def __init__(self, device: str):
        from diffusers import DDPMScheduler, UNet2DModel

        self.network = UNet2DModel(
            28,
            1,
            1,
            block_out_channels=(32, 64, 64),
            norm_num_groups=8,
            down_block_types=("DownBlock2D",) * 3,
            up_block_types=("UpBlock2D",) * 3,
        ).to(device)
        self.noise = DDPMScheduler(T)

    def loss(self, x0: torch.Tensor) -> torch.Tensor:
        t, eps = torch.randint(T, (len(x0),), device=x0.device), torch.randn_like(x0)
        return (self.network(self.noise.add_noise(x0, eps, t), t).sample - eps).square().mean()

    def step(self, x_t: torch.Tensor) -> torch.Tensor:
        return self.noise.step(self.network(x_t, STEP - 1).sample, STEP - 1, x_t).prev_sample


def contenders(device: str, compiled: bool) -> dict:
    "name -> a package's loss and step; compiled too where that is asked for."
    kinds = [Ours] + [DdpmPytorch] * (peer("denoising_diffusion_pytorch") is not None)
    kinds += [Diffusers] * (peer("diffusers") is not None)
    out = {kind.name: kind(device) for kind in kinds}
    for kind in kinds if compiled else ():
        out[f"{kind.name} (compiled)"] = one = kind(device)
        one.network.compile()
    return out


def calls(one, x0: torch.Tensor, dtype: torch.dtype) -> dict[str, Callable]:
    "A step of training and one of sampling; bfloat16 by autocast, the loss's backward outside of it."
    optimizer = torch.optim.AdamW(one.network.parameters(), 1e-4)

    def autocast():
        return torch.autocast(x0.device.type, dtype, enabled=dtype != torch.float32)

    def train() -> torch.Tensor:
        with autocast():
            loss = one.loss(x0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    @torch.no_grad()
    def draw() -> torch.Tensor:
        with autocast():
            return one.step(x0)

    return {"training": train, "sampling": draw}


def seconds(call: Callable, device: str) -> float:
    "Of one call, by the GPU's own clock where there is one."
    if not device.startswith("cuda"):
        began = time.perf_counter()
        call()
        return time.perf_counter() - began
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000


def measure(device: str, compiled: bool, repeats: int, batch: int = BATCH) -> list[dict]:
    "Ratios to ours, in turns; the first calls, in which kernels are chosen and compiled, do not count."
    x0, figures, warm = torch.rand(batch, *SHAPE, device=device) * 2 - 1, [], 3
    who = contenders(device, compiled)
    for word, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        made = {name: calls(one, x0, dtype) for name, one in who.items()}
        for case in ("training", "sampling"):
            took = {name: [] for name in made}
            for i in range(warm + repeats):
                for name, both in made.items():
                    spent = seconds(both[case], device)
                    if i >= warm:
                        took[name].append(spent)
            figures += ratios(took, Ours.name, f"{case}, {word}")
    return figures


def main() -> None:
    args = arguments(
        __doc__, (["--device"], {"default": "cuda", "help": "cuda, cuda:1, or cpu to try it out"})
    )
    about = {
        "title": "On a GPU",
        "unit": "seconds of a step, ratio to ours uncompiled",
        "better": "less",
        "target": "ours ahead of the same peers",
    }
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        return say(**about, figures=[], skipped="not run: this machine has no GPU")
    on_gpu = args.device.startswith("cuda")
    figures = measure(
        args.device,
        compiled=on_gpu,
        repeats=20 if args.quick else 100,
        batch=BATCH if on_gpu else 8,
    )
    say(
        **about,
        figures=figures,
        device=torch.cuda.get_device_name(args.device) if on_gpu else "the processor",
    )


if __name__ == "__main__":
    main()
