"""Networks trained on the squared error of the noise with three weights: the shipped one further, or three small ones.

    python benchmarks/weights.py                 # the shipped one, 300 steps more each: some minutes, one core
    python benchmarks/weights.py --scratch       # small ones from the start, 600 steps each, with --seeds 0 1 2
    python benchmarks/weights.py --out FILE      # keeps ten samples of each
    python benchmarks/weights.py --draw FILE PNG # such a file as a picture

Only the weight differs: w_t (the bound, with its decoder at t = 1), 1 (the simple loss) and 1 - alpha_bar (chapter 6).
Start, learning rate, digits, t and noise of each step are the same. A loss's t are drawn half evenly and half by w_t, and
its term is divided by the share of its t: the average stays, and the bound's gradient is less noisy. Printed for each: the
KL of t = 2 ... 1000 below and above t = 30 and -log p(x_0 | x_1), in bits/dim of 100 held-out digits with the same noise;
and of 200 samples (from scratch: 300) in 50 steps with the posterior's variance, from the same noise, the share read as the
class asked for and the Fréchet distance from the 2,000 held-out digits, both by the judge that ships.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from common import arguments
from matplotlib import pyplot

from diffusion_math import (
    DDPM,
    ForwardProcess,
    UNet,
    bits_per_dim,
    digits,
    elbo_loss,
    fit,
    linear_schedule,
    load_pretrained,
    mean_and_stderr,
)  # fmt: skip
from diffusion_math.training.merit import digit_judge, frechet

Q = ForwardProcess(linear_schedule(1000))
SCHEDULE = Q.schedule
W = (SCHEDULE.beta / (2 * SCHEDULE.alpha * SCHEDULE.noise_var.roll(1)))[2:]
# t = 1 has no w_t, and takes that of t = 2
BY_WEIGHT = torch.cat([W[:1], W]) / (W[0] + W.sum())
SHARE = (BY_WEIGHT + 1 / 1000) / 2


def by_share(loss):
    "The same loss on average: t is drawn by its share, and the term is divided by that."

    def term(p, x0, t, eps):
        u = (t - torch.rand(len(t), dtype=torch.float64)) / 1000
        t = 1 + torch.searchsorted(SHARE.cumsum(0)[:-1], u)
        return loss(p, x0, t, eps) / (1000 * SHARE[t - 1])

    return term


def squared_error(p, x0, t, eps):
    "Of the noise, per pixel."
    x_t = Q.marginal(x0, t).mean + Q.marginal(x0, t).std * eps
    return (eps - p.predict(x_t, t).eps).square().mean((1, 2, 3))


LOSSES = {
    "the bound": by_share(lambda p, x0, t, eps: elbo_loss(p, x0, t=t, eps=eps)),
    "simple": by_share(squared_error),
    "chapter 6's": by_share(
        lambda p, x0, t, eps: SCHEDULE.noise_var[t] * squared_error(p, x0, t, eps)
    ),
}


def shipped() -> DDPM:
    return DDPM(load_pretrained("ddpm_mnist").network, Q, (1, 28, 28), "v", images=True)


def new(seed: int) -> DDPM:
    "A small network of chapter 6 that knows nothing yet, for digits without most of their border."
    torch.manual_seed(seed)
    return DDPM(UNet(width=16, mults=(1, 4), classes=10), Q, (1, 24, 24), "v", images=True)


def trained(p: DDPM, loss, seed: int, steps: int, lr: float) -> DDPM:
    x0, y = digits("train", labels=True)
    torch.manual_seed(seed)
    # no gradient is clipped: so AdamW does not notice how large a loss is
    plan = dict(steps=steps, batch=32, lr=lr, warmup=steps // 16, ema=0.99, clip=0, seed=seed)
    fit(p, cut(x0, p), loss=loss, labels=y, progress=False, **plan)
    return p


def cut(x: torch.Tensor, p: DDPM) -> torch.Tensor:
    "Pictures of p's size."
    border = (28 - p.event_shape[-1]) // 2
    return x[..., border : 28 - border, border : 28 - border].contiguous()


@torch.no_grad()
def terms(p: DDPM, x0: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    "Bits/dim of each digit: of 2 <= t <= 30, of t > 30, and the decoder's. The same noise for every p."
    p, dice = p.given(y=y), torch.Generator().manual_seed(7)
    times = torch.logspace(math.log10(2), 3, 30).round().long().unique().tolist()
    kl = [
        Q.posterior(x_t.double(), x0.double(), t).kl(p.step(x_t.double(), t))
        for t in times
        for x_t in [Q.marginal(x0, t).sample(dice)]
    ]
    every = torch.arange(2, 1001)
    # straight lines between the times: how often each counts, below 31 and above
    counts = np.stack([np.interp(every, times, one) for one in np.eye(len(times))])
    parts = {"t <= 30": every <= 30, "t > 30": every > 30}
    found = {k: torch.from_numpy(counts[:, m].sum(1)) @ torch.stack(kl) for k, m in parts.items()}
    found["decoder"] = -p.decode(Q.marginal(x0, 1).sample(dice)).log_prob(x0)
    return {k: bits_per_dim(v.double(), x0[0].numel()) for k, v in found.items()}


def main() -> None:
    asked = arguments(
        __doc__,
        (("--scratch",), dict(action="store_true")),
        (("--steps",), dict(type=int)),
        (("--seeds",), dict(type=int, nargs="+", default=[0])),
        (("--out",), dict(type=Path)),
        (("--draw",), dict(type=Path, nargs=2)),
    )
    if asked.draw:
        show(*asked.draw)
        return
    steps, lr = asked.steps or (600 if asked.scratch else 300), 8e-3 if asked.scratch else 1.5e-3
    test, labels = digits("test", labels=True)
    judge, y, rows = digit_judge(), torch.arange(10).repeat(30 if asked.scratch else 20), {}
    for seed in asked.seeds:
        for name, loss in [*({} if asked.scratch else {"before": None}).items(), *LOSSES.items()]:
            p = new(seed) if asked.scratch else shipped()
            if loss is not None:
                p = trained(p, loss, seed, steps, lr)
            cost = terms(p, cut(test[:100], p), labels[:100])
            found = {k: mean_and_stderr(v) for k, v in cost.items()}
            with torch.no_grad():
                x = p.given(y=y).respace(50).sample(len(y), torch.Generator().manual_seed(8))
                x = F.pad(x, [(28 - x.shape[-1]) // 2] * 4, value=-1.0)
                found["right"] = mean_and_stderr((judge(x).argmax(1) == y).double())
                far = frechet(x, test, judge.features)
            found["Fréchet"] = far.distance, far.stderr
            said = {k: [round(float(v), 4) for v in pair] for k, pair in found.items()}
            said = {"seed": seed, "trained on": name} | said
            print(json.dumps(said, ensure_ascii=False), flush=True)
            rows.setdefault(name, x[:10])
    if asked.out:
        torch.save(rows, asked.out)


def show(rows: Path, out: Path) -> None:
    "Real digits, and ten samples of each network, without most of their border."
    x, y = digits("test", labels=True)
    lines = [("real", x[[(y == k).nonzero()[6, 0].item() for k in range(10)]]), ("", None)]
    lines += torch.load(rows).items()
    heights = [0.35 if x is None else 1 for _, x in lines]
    size, room = (7.1, 0.62 * sum(heights)), dict(height_ratios=heights)
    fig, axes = pyplot.subplots(len(lines), 10, figsize=size, gridspec_kw=room)
    for (name, x), line in zip(lines, axes, strict=True):
        for k, ax in enumerate(line):
            ax.axis("off")
            if x is not None:
                ax.imshow(x[k, 0, 2:26, 2:26], cmap="gray", vmin=-1, vmax=1)
        line[0].text(
            -0.12, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=11
        )
    fig.subplots_adjust(0.15, 0.005, 0.995, 0.995, 0.03, 0.03)
    fig.savefig(out, dpi=110)


if __name__ == "__main__":
    main()
