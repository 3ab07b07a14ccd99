"""Chapter 6's networks from several seeds: what the plain loop and the helped ones draw, drawn alike.

    python benchmarks/helps.py --seeds 0 1 2             # 1,500 steps, plain, by fit, helped: about eight minutes a seed, one core
    python benchmarks/helps.py --seeds 0 1 2 --ladder    # one help more a row, 700 steps of training
    python benchmarks/helps.py --seeds 0 1 2 --undo      # one help undone, 700 steps of training

Everything is as in the chapter's 6.9: 10,000 digits, batches of 32, the same small networks, the same small judge. They
draw 200 pictures (300 after 700 steps) in 50 steps whose x_0 is clipped, and the plain loop's also 100 by Algorithm 2
itself, 1,000 steps without a clip. "sure": the share of pictures to which the judge gives one class more than 95 %.
"right": the share that it reads as the class that was asked for. "away": the mean distance to the nearest training digit.
"""

import json

import torch
import torch.nn.functional as F
from common import arguments

from diffusion_math import (
    DDPM,
    ForwardProcess,
    Schedule,
    UNet,
    cosine_schedule,
    digits,
    fit,
    linear_schedule,
)

nn = torch.nn
TRAIN, LABELS = digits("train", labels=True)
INKED = TRAIN[..., 2:26, 2:26].contiguous()
LINEAR = ForwardProcess(linear_schedule(1000))
PRACTICE = ForwardProcess(Schedule.from_log_snr(cosine_schedule(1000).log_snr[1:] - 1.0))
HELPS = (
    "nothing",
    "class",
    "levels",
    "v",
    "weight",
    "weight, for the error of v",
    "border",
    "average",
)


def new_judge() -> nn.Module:
    "The classifier of 6.9."
    torch.manual_seed(0)
    looks = nn.Conv2d(1, 16, 4, 2, 1), nn.SiLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.SiLU()
    judge = nn.Sequential(
        *looks, nn.Flatten(), nn.Linear(32 * 49, 32), nn.Tanh(), nn.Linear(32, 10)
    )
    optimizer, dice = torch.optim.AdamW(judge.parameters(), 3e-3), torch.Generator().manual_seed(6)
    for _ in range(600):
        picked = torch.randint(len(TRAIN), (128,), generator=dice)
        F.cross_entropy(judge(TRAIN[picked]), LABELS[picked]).backward()
        optimizer.step()
        optimizer.zero_grad()
    return judge


@torch.no_grad()
def look(judge: nn.Module, x: torch.Tensor, y: torch.Tensor | None = None) -> dict[str, float]:
    says = judge(x).softmax(1)
    found = {"sure": (says.amax(1) > 0.95).double().mean().item()}
    if y is not None:
        found["right"] = (says.argmax(1) == y).double().mean().item()
    found["away"] = torch.cdist(x.flatten(1), TRAIN.flatten(1)).amin(1).mean().item()
    return {"n": len(x)} | {name: round(value, 3) for name, value in found.items()}


def new_network(seed: int, **more) -> UNet:
    torch.manual_seed(seed)
    return UNet(width=16, mults=(1, 4), **more).to(memory_format=torch.channels_last)


def by_the_bare_loop(seed: int, steps: int = 1500) -> DDPM:
    "Algorithm 1, as in 6.5."
    network, s = new_network(seed), LINEAR.schedule
    a, b = (table.sqrt().float().view(-1, 1, 1, 1) for table in (s.alpha_bar, s.noise_var))
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, fused=True)
    for _ in range(steps):
        x0 = TRAIN[torch.randint(len(TRAIN), (32,))]
        t = torch.randint(1, 1001, (32,))
        eps = torch.randn(x0.shape)
        said = network(a[t] * x0 + b[t] * eps, s.log_snr[t].float())
        optimizer.zero_grad()
        (eps - said).square().mean().backward()
        optimizer.step()
    return DDPM(network, LINEAR, (1, 28, 28))


def by_fit(seed: int, steps: int = 1500, warmup: int = 90) -> DDPM:
    "The loss of 6.5 by `fit`, with 6.9's learning rate: the loop that the helps are added to."
    p = DDPM(new_network(seed), LINEAR, (1, 28, 28), images=True)
    plan = dict(steps=steps, batch=32, lr=8e-3, warmup=warmup, ema=0.0, seed=seed)
    fit(p, TRAIN, progress=False, **plan)
    return p


def plain_loss(p: DDPM, x0: torch.Tensor, t: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    "The squared error of the noise, (6.6), whatever the network predicts."
    x_t = p.q.marginal(x0, t).mean + p.q.marginal(x0, t).std * eps
    return (eps - p.predict(x_t, t).eps).square().mean((1, 2, 3))


def noise_loss(p: DDPM, x0: torch.Tensor, t: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    "That with the weight 1 - alpha_bar, the loss of 6.9's bars."
    return p.q.schedule.noise_var[t] * plain_loss(p, x0, t, eps)


def helped(seed: int, undo: str = "nothing", steps: int = 1500, warmup: int = 90) -> DDPM:
    "The helps of 6.9 without guidance, or all but one of them."
    pictures = TRAIN if undo == "border" else INKED
    levels, says = LINEAR if undo == "levels" else PRACTICE, "eps" if undo == "v" else "v"
    p = DDPM(new_network(seed, classes=10), levels, pictures.shape[1:], says, images=True)
    plan = dict(steps=steps, batch=32, lr=8e-3, warmup=warmup, drop=0.1, seed=seed, log_every=steps)
    plan |= {"ema": 0.0 if undo == "average" else 0.99, "progress": False}
    # in place of 1 - alpha_bar: 1, or the squared error of what is predicted
    losses = {"weight": plain_loss, "weight, for the error of v": "simple"}
    plan |= {"loss": losses.get(undo, noise_loss)}
    fit(p, pictures, labels=None if undo == "class" else LABELS, **plan)
    return p


def draw(p: DDPM, n: int, seed: int, y: torch.Tensor | None = None, w: float = 1.0) -> torch.Tensor:
    "n pictures, with their border again; w: the guidance by y."
    told, dice = p if y is None else p.given(y=y), torch.Generator().manual_seed(seed)
    x = told.sample(n, dice, guidance=w)
    return F.pad(x, (14 - x.shape[-1] // 2,) * 4, value=-1.0)


def rows(seed: int):
    "Both networks, drawn alike; and the bare loop's by its own algorithm."
    many = torch.arange(10).repeat(20)
    p = by_the_bare_loop(seed)
    yield "bare, 50 clipped", draw(p.changed(images=True).respace(50), 200, seed), None
    yield "bare, 1000", draw(p, 100, seed), None
    yield "by fit, 50 clipped", draw(by_fit(seed).respace(50), 200, seed), None
    p = helped(seed)
    yield "helped, 50 clipped", draw(p.respace(50), 200, seed, many), many
    yield "helped, g = 1.5, 50 clipped", draw(p.respace(50), 200, seed, many, 1.5), many


def undone(seed: int):
    "300 pictures for each help that is undone. Class 10 is none."
    for undo in HELPS:
        p, y = helped(seed, undo, steps=700, warmup=44), torch.arange(10).repeat(30)
        told = torch.full((300,), 10) if undo == "class" else y
        yield f"undone: {undo}", draw(p.respace(50), 300, 4 + seed, told), told


def rungs(seed: int):
    "A ladder: each row adds one thing to those before it. 700 steps of training."
    many = torch.arange(10).repeat(30)
    plain = by_the_bare_loop(seed, 700).changed(images=True)
    yield "plain", draw(plain.respace(50), 300, 4 + seed), None
    yield "by fit", draw(by_fit(seed, 700, 44).respace(50), 300, 4 + seed), None
    plan = dict(steps=700, batch=32, lr=8e-3, warmup=44, loss=noise_loss, ema=0.0, seed=seed)
    told = plan | {"labels": LABELS, "drop": 0.1}
    for name, says, q, x, how in (
        ("+ 1 weight", "eps", LINEAR, TRAIN, plan),
        ("+ 2 v", "v", LINEAR, TRAIN, plan),
        ("+ 3 class", "v", LINEAR, TRAIN, told),
        ("+ 4 schedule", "v", PRACTICE, TRAIN, told),
        ("+ 5 crop", "v", PRACTICE, INKED, told),
        ("+ 6 EMA", "v", PRACTICE, INKED, told | {"ema": 0.99}),
    ):
        y = many if "labels" in how else None
        network = new_network(seed, classes=None if y is None else 10)
        p = DDPM(network, q, x.shape[1:], says, images=True)
        fit(p, x, progress=False, **how)
        yield name, draw(p.respace(50), 300, 4 + seed, y), y
    yield "+ 7 guidance", draw(p.respace(50), 300, 4 + seed, many, 1.5), many


def main() -> None:
    args = arguments(
        __doc__,
        (["--seeds"], {"type": int, "nargs": "+", "default": [0, 1, 2]}),
        (["--ladder"], {"action": "store_true", "help": "one help more a row"}),
        (["--undo"], {"action": "store_true", "help": "one help undone at a time"}),
    )
    torch.set_num_threads(1)
    judge = new_judge()
    test, labels = digits("test", labels=True)
    print(json.dumps({"what": "held out"} | look(judge, test[:1000], labels[:1000])), flush=True)
    for seed in args.seeds:
        for what, x, y in (rungs if args.ladder else undone if args.undo else rows)(seed):
            asked = None if y is None or y.max() == 10 else y
            print(json.dumps({"what": what, "seed": seed} | look(judge, x, asked)), flush=True)


if __name__ == "__main__":
    main()
