"""On a GPU, where there is one: a training step and a sampling step, in float32, in bfloat16 and compiled."""

import torch
from common import arguments, figure, peer, say, spread

from diffusion_math import DDPM, ForwardProcess, UNet, cosine_schedule, simple_loss

BATCH, SHAPE = 256, (1, 28, 28)


def networks(device: str) -> dict:
    "name -> a function of x and t (or log SNR) that gives something like x."
    ours = UNet(1).to(device, memory_format=torch.channels_last)
    out = {"diffusion_math": ours, "diffusion_math (compiled)": torch.compile(ours)}
    if (ddpm := peer("denoising_diffusion_pytorch")) is not None:
        out["denoising-diffusion-pytorch"] = ddpm.Unet(32, dim_mults=(1, 2, 2), channels=1).to(device)
    if (diffusers := peer("diffusers")) is not None:
        blocks = {"down_block_types": ("DownBlock2D",) * 3, "up_block_types": ("UpBlock2D",) * 3}
        unet = diffusers.UNet2DModel(28, 1, 1, block_out_channels=(32, 64, 64), norm_num_groups=8, **blocks).to(device)
        out["diffusers"] = lambda x, t: unet(x, t).sample
    return out


def milliseconds(call, repeats: int) -> list[float]:
    "Of each call, by the GPU's own clock."
    for _ in range(5):
        call()
    took = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        took.append(start.elapsed_time(end))
    return took


def main() -> None:
    args = arguments(__doc__)
    about = {"title": "On a GPU", "unit": "milliseconds", "better": "less", "target": "beside the same peers"}
    if not torch.cuda.is_available():
        return say(**about, figures=[], skipped="not run: this machine has no GPU")
    x0, figures = torch.randn(BATCH, *SHAPE, device="cuda"), []
    for name, network in networks("cuda").items():
        p = DDPM(network, ForwardProcess(cosine_schedule(1000)), SHAPE, "v")
        for case, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
            def train(p=p, dtype=dtype):
                with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
                    simple_loss(p, x0).mean().backward()

            @torch.no_grad()
            def draw(p=p, dtype=dtype):
                with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
                    p.ddim(x0, 500).sample()

            for what, call in (("training step", train), ("sampling step", draw)):
                figures.append(figure(name, f"{what}, {case}", **spread(milliseconds(call, 20 if args.quick else 100))))
    say(**about, figures=figures, device=torch.cuda.get_device_name())


if __name__ == "__main__":
    main()
