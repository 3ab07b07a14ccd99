"""Train the hour's network by the loss (0.0), with nothing changed but the number of batches, and keep what it draws.

    python benchmarks/plain_loss.py --out FILE.npz      # half an hour on one core

The network, its seed, its batches, its rate and its walk of fifty steps are those of the page's first training cell.
The page reads the draws of the last two looks from diffusion_math/assets/plain_loss.npz; the looks before show how the loss
fell. The file is written anew at each look.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusion_math import UNet, digits, linear_schedule

ASSET = Path(__file__).parents[1] / "diffusion_math" / "assets" / "plain_loss.npz"
LOOKS = (300, 1000, 3000, 6000, 30_000)


@torch.no_grad()
def draw(noise_in, alpha_bar: Tensor, n: int, jump: int, seed: int = 3) -> Tensor:
    "Algorithm 2 in steps over `jump` noise levels."
    gen = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 1, 28, 28, generator=gen)
    for t in range(1000, 0, -jump):
        now, then = alpha_bar[t], alpha_bar[t - jump]
        x0 = ((x - (1 - now) ** 0.5 * noise_in(x, t)) / now**0.5).clamp(-1, 1)
        keep = now / then
        mean = (then**0.5 * (1 - keep) * x0 + keep**0.5 * (1 - then) * x) / (1 - now)
        std = ((1 - then) / (1 - now) * (1 - keep)) ** 0.5
        x = (mean + std * torch.randn(x.shape, generator=gen)).float()
    return x


def as_bytes(x: Tensor) -> np.ndarray:
    return (127.5 * (x[:, 0].clamp(-1, 1) + 1)).round().byte().numpy()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=ASSET)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    train, schedule = digits("train"), linear_schedule(1000)
    alpha_bar, log_snr = schedule.alpha_bar, schedule.log_snr.float()
    torch.manual_seed(0)
    network = UNet(width=16, mults=(1, 4))

    def noise_in(x_t: Tensor, t: int | Tensor) -> Tensor:
        return network(x_t, log_snr[t].flatten().expand(len(x_t)))

    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, fused=True)
    began, fell, losses, draws = time.process_time(), [], [], []
    for n in range(1, LOOKS[-1] + 1):
        x0 = train[torch.randint(len(train), (32,))]
        t = torch.randint(1, 1001, (32, 1, 1, 1))
        noise = torch.randn(x0.shape)
        x_t = (alpha_bar[t] ** 0.5 * x0 + (1 - alpha_bar[t]) ** 0.5 * noise).float()
        loss = (noise - noise_in(x_t, t)).square().sum((1, 2, 3)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        fell.append(loss.item())
        if n not in LOOKS:
            continue
        losses.append(sum(fell[-250:]) / 250)
        draws.append(as_bytes(draw(noise_in, alpha_bar, 10, 20)))
        seconds = time.process_time() - began
        print(n, f"loss {losses[-1]:.1f}, {seconds:.0f} s", flush=True)
        kept = {"batches": LOOKS[: len(draws)], "losses": np.float32(losses), "seconds": seconds}
        np.savez_compressed(out, draws=np.stack(draws), **kept)


if __name__ == "__main__":
    main()
