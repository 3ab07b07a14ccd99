"""Train the models that ship with the package on the full MNIST.

    python benchmarks/pretrained.py ddpm_mnist_bits --data DIR     # the likelihood model: an hour or two on one core
    python benchmarks/pretrained.py ddpm_mnist --data DIR          # the model for pictures: nearly three hours

DIR holds torchvision's MNIST. The run keeps its checkpoints under --runs and goes on
from them when it is started again. At the end the weights are written to diffusion_math/assets in half precision.
"""

import argparse
import time
from pathlib import Path

import torch

from diffusion_math import ForwardProcess, Schedule, cosine_schedule, load_pretrained, mnist
from diffusion_math.ddpm import DDPM
from diffusion_math.laws.levels import GreyLevels
from diffusion_math.networks.unet import UNet
from diffusion_math.training.checkpoint import save_model
from diffusion_math.training.fit import fit

ASSETS = Path(__file__).parents[1] / "diffusion_math" / "assets"
SHAPE = (1, 28, 28)
MOST, LEAST = (
    14.5,
    -7.0,
)  # log SNR at t = 1 and t = T: noise of a tenth of a grey level, and a prior that costs nothing
T, EVERY = 1000, 9  # EVERY divides T - 1, so that both ends are looked at


def bits_network() -> GreyLevels:
    torch.manual_seed(0)
    return GreyLevels(UNet(1, 10)).to(memory_format=torch.channels_last)


def finer_network(before: GreyLevels) -> GreyLevels:
    """The same function at first, with more to say: waves of 16 to 2 grey levels' length beside each pixel, so that it
    can see on which level a picture's plateau stands, and bells that may be narrower than a level, so that it can say so.
    """
    torch.manual_seed(1)
    network = GreyLevels(UNet(1, 13, waves=(3, 4, 5, 6)), finest=0.1)
    old = before.state_dict()
    for name, w in network.state_dict().items():
        if (
            w.shape != old[name].shape
        ):  # the stem's inputs and the head's outputs: new ones count for nothing yet
            w.zero_()
        w[tuple(map(slice, old[name].shape))] = old[name]
    return network.to(memory_format=torch.channels_last)


def pictures_network() -> UNet:
    torch.manual_seed(0)
    return UNet(1, classes=10).to(memory_format=torch.channels_last)


def spread(log_snr: torch.Tensor, size: torch.Tensor) -> Schedule:
    "A schedule with its steps dense where size is large: equal shares of size between steps, and some everywhere."
    density = 0.8 * size / size.mean() + 0.2
    place = torch.cat([density.new_zeros(1), ((density[1:] + density[:-1]) / 2).cumsum(0)])
    place = place / place[-1]
    want = torch.linspace(0, 1, T, dtype=torch.float64)
    right = torch.searchsorted(place, want).clamp(1, len(place) - 1)
    share = (want - place[right - 1]) / (place[right] - place[right - 1])
    return Schedule.from_log_snr(torch.lerp(log_snr[right - 1], log_snr[right], share))


@torch.no_grad()
def cost_per_log_snr(p: DDPM, x0: torch.Tensor, seed: int = 1) -> torch.Tensor:
    "The root mean square of snr |x0 - x0_hat|^2 / 2 at each t: what a unit of log SNR costs a picture there, in nats."
    generator, out = torch.Generator().manual_seed(seed), []
    for t in range(1, p.T + 1, EVERY):
        some = x0[torch.randint(len(x0), (64,), generator=generator)]
        said = p.predict(p.q.marginal(some, t).sample(generator), t).x0
        half_snr = p.q.schedule.log_snr[t].exp() / 2
        off = half_snr * (said - some).double().square().flatten(1).sum(1)
        out.append(off.square().mean().sqrt())
    return torch.stack(out)


def first_bits(x0: torch.Tensor, runs: Path) -> DDPM:
    "Two runs: a short one on noise levels spread evenly in log SNR, which finds where the bits are; then the long one."
    even = Schedule.from_log_snr(torch.linspace(MOST, LEAST, T, dtype=torch.float64))
    pilot = DDPM(bits_network(), ForwardProcess(even), SHAPE, "x0", images=True)
    fit(pilot, x0, steps=400, loss="elbo", folder=runs / "pilot", resume=True)
    size = cost_per_log_snr(pilot, x0)
    q = ForwardProcess(spread(even.log_snr[1::EVERY], size))
    p = DDPM(bits_network(), q, SHAPE, "x0", images=True)
    fit(p, x0, steps=8000, loss="elbo", ema=0.9995, folder=runs / "long", resume=True)
    return p


def bits(x0: torch.Tensor, runs: Path, steps: int, warm: bool = False) -> DDPM:
    "The first two runs, and a third of the finer network from where they end. warm: from what ships."
    before = load_pretrained("ddpm_mnist_bits") if warm else first_bits(x0, runs)
    network = torch.compile(finer_network(before.network))
    p = DDPM(network, before.q, SHAPE, "x0", images=True)
    plan = dict(loss="elbo", steps=steps, batch=64, lr=1.5e-3, ema=0.999, warmup=200, seed=2)
    fit(p, x0, **plan, precision="bf16", folder=runs / "finer", resume=True)
    return p


def noise_loss(p: DDPM, x0: torch.Tensor, t: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    "Chapter 6's: the squared error of the noise times 1 - alpha_bar, and a little everywhere, against grain on black."
    law = p.q.marginal(x0, t)
    off = (eps - p.predict(torch.addcmul(law.mean, law.std, eps), t).eps).square()
    return (0.02 + p.q.schedule.noise_var[t]) * off.mean((1, 2, 3))


def both_ends(p: DDPM, x0: torch.Tensor, t: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    "Chapter 6's and a little of the plain loss of v, which minds x_0 where there is hardly any picture left."
    law = p.q.marginal(x0, t)
    said = p.predict(torch.addcmul(law.mean, law.std, eps), t)
    of_eps = (eps - said.eps).square().mean((1, 2, 3))
    of_v = (said.v_of(x0, eps) - said.v).square().mean((1, 2, 3))
    return p.q.schedule.noise_var[t] * of_eps + 0.03 * of_v


def first_pictures(x0: torch.Tensor, labels: torch.Tensor, runs: Path) -> UNet:
    "Two runs of the plain loss: one that mostly tells the class, and one that leaves it out half of the time."
    p = DDPM(pictures_network(), ForwardProcess(cosine_schedule(T)), SHAPE, "v", images=True)
    fit(p, x0, steps=3000, labels=labels, folder=runs / "pictures", resume=True)
    half = dict(labels=labels, drop=0.5, seed=1)
    fit(p, x0, steps=2000, lr=1.5e-3, **half, folder=runs / "more", resume=True)
    return p.network


def pictures(
    x0: torch.Tensor, labels: torch.Tensor, runs: Path, steps: int, warm: bool = False
) -> DDPM:
    """Two rounds of chapter 6's recipe from where the plain loss ends, each closed by a short run that minds both ends.
    The second leaves the class out of four pictures in five: to draw untold is the harder half, and what is told keeps
    up. warm: from what ships, the second round alone.
    """
    network = load_pretrained("ddpm_mnist").network if warm else first_pictures(x0, labels, runs)
    lowered = Schedule.from_log_snr(cosine_schedule(T).log_snr[1:] - 1.0)
    p = DDPM(torch.compile(network), ForwardProcess(lowered), SHAPE, "v", images=True)
    plan = dict(labels=labels, batch=64, precision="bf16", resume=True)
    long = dict(loss=noise_loss, steps=steps, lr=3e-3, ema=0.9993, warmup=300)
    last = dict(loss=both_ends, steps=1200, lr=6e-4, ema=0.997, warmup=50, seed=3)
    rounds = [("weighted", 0.5, 2), ("untold", 0.8, 4)]
    for name, drop, seed in rounds[warm:]:
        fit(p, x0, **plan, **long, drop=drop, seed=seed, folder=runs / name)
        fit(p, x0, **plan, **last, drop=drop, folder=runs / f"{name}_ends")
    return p


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=["ddpm_mnist", "ddpm_mnist_bits"])
    parser.add_argument("--data", required=True, help="the folder of torchvision's MNIST")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="checkpoints (default: %(default)s)"
    )
    parser.add_argument(
        "--steps", type=int, help="of each long run (default: 10000 of 64 pictures)"
    )
    parser.add_argument("--warm", action="store_true", help="go on from the weights that ship")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    x0, labels = mnist("train", root=args.data, labels=True)
    began, runs = time.time(), args.runs / args.name
    if args.name == "ddpm_mnist_bits":
        p = bits(x0, runs, args.steps or 10_000, args.warm)
    else:
        p = pictures(x0, labels, runs, args.steps or 10_000, args.warm)
    save_model(p, ASSETS / f"{args.name}.safetensors", torch.float16)
    print(f"{args.name}: {(time.time() - began) / 60:.1f} minutes in this call")


if __name__ == "__main__":
    main()
