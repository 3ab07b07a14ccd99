r"""How good a model that ships is, on MNIST's 10,000 test digits; prints JSON and writes the model card.

    python benchmarks/evaluate_pretrained.py ddpm_mnist_bits --data DIR --runs runs \
        --minutes 60 --machine "one CPU core"

Bits per dimension are an upper bound on -log2 p(x_0) / 784 for 8-bit pixels: every step's KL, the decoder's own
probability of the grey levels and the prior's KL, from a few of the T terms for each digit (elbo_estimate), unbiased.
The Fréchet distance compares samples with the training digits in the features of benchmarks/features.py, whose
classifier is the judge too: the share of samples that it is more than 95 % sure of. A model with classes draws three
times: untold, told a class each, the ten in turn, and guided, twice as many network calls.
"""

import hashlib
import json
import math
from pathlib import Path

import torch
from common import CACHE, arguments, machine, need_mnist, say
from features import Score, sure

from diffusion_math import DDPM, bits_per_dim, elbo_estimate, load_pretrained, mnist

ASSETS = Path(__file__).resolve().parents[1] / "diffusion_math" / "assets"
RESULTS = Path(__file__).resolve().parent / "pretrained.json"
DIMS, STEPS, SAMPLES, GUIDANCE = 784, 50, 2048, 1.5
PARTS = ("bound", "untold", "told", "guided")


class Counted(torch.nn.Module):
    "A network that counts the pictures that it is asked about."

    def __init__(self, network):
        super().__init__()
        self.network, self.calls = network, 0

    def forward(self, x, log_snr, **cond):
        self.calls += len(x)
        return self.network(x, log_snr, **cond)


def bound(p: DDPM, x0: torch.Tensor, pilot: torch.Tensor, n: int = 4, seed: int = 0) -> dict:
    "The bound on x0 in bits/dim from n terms a picture, with its parts and standard errors."
    q, generator = p.q, torch.Generator().manual_seed(seed)
    counted = p.changed(network=Counted(p.network))
    shares = elbo_estimate(
        q, counted, pilot, 4, "both", decoder=p.decode, generator=generator
    ).shares
    total, within, last = [], [], []
    for part in x0.split(250):
        one = elbo_estimate(
            q, counted, part, n, "both", shares, decoder=counted.decode, generator=generator
        )
        total.append(one.total)
        within.append(one.stderr.square())
        with torch.no_grad():
            last.append(-counted.decode(q.marginal(part, 1).sample(generator)).log_prob(part))
    total, within, last = (torch.cat(v).double() for v in (total, within, last))
    prior = q.marginal(x0, q.T).kl(p.prior(x0)).double().mean()
    scale = 1 / (DIMS * math.log(2))
    return {
        "bits_per_dim": bits_per_dim(total.mean(), DIMS).item(),
        "T": q.T,
        "pictures": len(x0),
        "terms_a_picture": n,
        "stderr": total.std().item()
        * scale
        / len(x0) ** 0.5,  # of the mean over digits, their own spread included
        "stderr_estimate": (within.sum() / len(x0) ** 2).sqrt().item()
        * scale,  # of the estimate for these digits
        "prior": prior.item() * scale,
        "reconstruction": last.mean().item() * scale,
        "network_calls": counted.network.calls,
    }


@torch.inference_mode()
def draw(p: DDPM, n: int, kind: str, seed: int = 0) -> torch.Tensor:
    "n samples by STEPS steps of DDIM, no noise added; told and guided: a class each, the ten in turn."
    generator, short, parts = torch.Generator().manual_seed(seed), p.respace(STEPS), []
    for y in (torch.arange(n) % 10).split(256):
        told = short if kind == "untold" else short.given(y=y)
        w = GUIDANCE if kind == "guided" else 1.0
        parts.append(told.sample(len(y), generator, eta=0.0, guidance=w))
    return torch.cat(parts)


def drawn(p: DDPM, kind: str, score: Score) -> dict:
    "Samples of one kind: how far from the digits, and how many the judge is sure of."
    x = draw(p, score.n, kind)
    return {"distance": score(x), "sure": sure(score.model, x)}


def described(name: str) -> dict:
    "What is said of a file before anything is measured."
    path, p = ASSETS / f"{name}.safetensors", load_pretrained(name)
    known = {"parameters": sum(w.numel() for w in p.network.parameters())}
    known |= {"bytes": path.stat().st_size, "machine": machine()}
    return known | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()[:16]}


def measure(known: dict, name: str, part: str, root: Path, quick: bool) -> None:
    "One part of what known says of the model: its bound, or samples of a kind."
    p = load_pretrained(name)
    if part == "bound":
        pictures = mnist("test", root)[: 500 if quick else 10_000]
        known["bound"] = bound(p, pictures, mnist("train", root)[:16])
        return
    score = Score(root, 512 if quick else SAMPLES)
    about = {"floor": score.floor, "floor_sure": score.floor_sure, "samples": score.n}
    looked = known.setdefault("frechet", {"kinds": {}})
    looked |= about | {"steps": STEPS, "network": score.about}
    looked["kinds"][part] = drawn(p, part, score)


def training(runs: Path | None, name: str, minutes: float | None, words: str | None) -> dict:
    "What is known of the runs, one after the other: their plans, from the checkpoints; time and machine as given."
    known = {"minutes": minutes, "machine": words}
    if runs and (runs / name).is_dir():
        newest = {
            path.parent.parent: path for path in sorted((runs / name).glob("*/step-*/state.json"))
        }
        in_order = sorted(newest.values(), key=lambda path: path.stat().st_mtime)
        known["plans"] = [json.loads(path.read_text())["plan"] for path in in_order]
    return {key: value for key, value in known.items() if value is not None}


def _row(name: str, known: dict) -> dict[str, str]:
    "One model's cells in the card."
    b, f, t = known["bound"], known.get("frechet", {}), known.get("training", {})
    plans = t.get("plans", [])

    def looked(kind: str, what: str, form: str) -> str:
        return f"**{f['kinds'][kind][what]:{form}}**" if kind in f.get("kinds", {}) else "–"

    steps = " + ".join(f"{plan['steps']:,} of {plan['batch']}" for plan in plans)
    return {
        "": f"`{name}`",
        "parameters": f"{known['parameters']:,}, {known['bytes'] / 1e6:.2f} MB in half precision",
        "loss": LOSSES.get(plans[-1]["loss"] if plans else "", "–"),
        "steps": f"{steps} digits" if plans else "–",
        "time": f"{t['minutes']:.0f} minutes on {t['machine']}"
        if "minutes" in t and "machine" in t
        else "–",
        "bits/dim on the 10,000 test digits, at most": f"**{b['bits_per_dim']:.3f}** ± {b['stderr']:.3f}",
        "… its steps": f"{b['bits_per_dim'] - b['prior'] - b['reconstruction']:.3f}, T = {b['T']}",
        "… its decoder": f"{b['reconstruction']:.1e}",
        "… its prior": f"{b['prior']:.1e}",
        "… the estimate's own standard error": f"{b['stderr_estimate']:.4f}, {b['network_calls']:,} network calls",
        "Fréchet distance of samples, 50 steps of DDIM": looked("untold", "distance", ".2f"),
        "… told a class each": looked("told", "distance", ".2f"),
        "… guided, g = 1.5": looked("guided", "distance", ".2f"),
        "… of as many held-out digits": f"{f['floor']:.2f}" if f else "–",
        "samples that the judge is sure of": looked("untold", "sure", ".1%"),
        "… told": looked("told", "sure", ".1%"),
        "… guided": looked("guided", "sure", ".1%"),
        "… of held-out digits": f"{f['floor_sure']:.1%}" if f else "–",
    }


LOSSES = {
    "elbo": "the bound",
    "simple": "mean squared error",
    "noise_loss": "chapter 6's: weighted squared error of the noise",
    "both_ends": "squared error, then chapter 6's",
}


CARD = """# Model card: the digits

Two small diffusion models of MNIST. `load_pretrained("ddpm_mnist")` draws digits and can be told which;
`load_pretrained("ddpm_mnist_bits")` is for likelihood. Written by `benchmarks/evaluate_pretrained.py`; the weights come
from one command each, `python benchmarks/pretrained.py NAME --data DIR`.

{table}

**What the numbers are.** Bits per dimension bound −log₂ p(x₀)/784 of 8-bit pixels from above: KLs of all T steps, the
decoder's probability of the grey levels and the prior's KL, estimated without bias from {terms} of the T terms for each
digit. The error behind ± is that of a mean over 10,000 digits, their own spread included. The Fréchet distance is
between Gaussians fitted to {features} features of {samples:,} samples and of the 60,000 training digits. The feature
network is `benchmarks/features.py`, which gets {accuracy:.2%} of the test digits right (SHA-256 {sha256}…); the
distance compares with no number made by another network. The same network is the judge, who is sure of a sample when
it gives one digit more than 95 %. Told: a class each, the ten in turn. Guided: (6.11) of chapter 6, two answers a step.

**Data.** All 60,000 training digits of MNIST (Y. LeCun, C. Cortes, C. J. C. Burges), 28 × 28 pixels of 8 bits, as
2k/255 − 1. No augmentation. The test digits were used for the numbers above. The likelihood model's cost on some of
them was also looked at while it trained, and nothing was decided by it.

**Networks.** `UNet` of this package; the likelihood model inside `GreyLevels`, with waves beside each pixel and bells
that may be narrower than a grey level: most digits have a plateau on one level, and this is how the network sees and
says which. The loss in the table is that of the last run; each run began with the weights that the one before left,
and those of 64 digits a step computed in bfloat16. The networks are told the log SNR, so they serve any schedule and
number of steps. Each file holds its schedule.

**Intended use.** To teach: to sample, to bound, to compare. **Limits.** Greyscale digits of 28 × 28 pixels and nothing
else. Some samples are no digit. Likelihood and looks are two things, as the table
shows: each model is good at its own. Neither is fit to read
handwriting, and neither was checked for copies of training digits.

**Licence.** The weights: Apache-2.0, as the code. MNIST itself is commonly stated to be available under
Creative Commons Attribution-ShareAlike 3.0.
"""


def card(known: dict[str, dict]) -> str:
    rows = [_row(name, model) for name, model in sorted(known.items())]
    head = list(rows[0])
    lines = [[title, *(row[title] for row in rows)] for title in head]
    lines.insert(1, ["---"] * (1 + len(rows)))
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    looked = next(one["frechet"] for one in known.values() if "frechet" in one)
    terms = next(one["bound"]["terms_a_picture"] for one in known.values())
    return CARD.format(table=table, terms=terms, samples=looked["samples"], **looked["network"])


def read(file: Path, name: str) -> dict:
    "What the file says of a model: nothing that was measured, where its weights are others."
    kept = json.loads(file.read_text()).get(name, {}) if file.is_file() else {}
    now, training = described(name), {"training": kept.get("training", {})}
    return (kept if kept.get("sha256") == now["sha256"] else {}) | now | training


def write(file: Path, name: str, known: dict) -> dict:
    "Say it there, and leave what it says of others."
    every = json.loads(file.read_text()) if file.is_file() else {}
    every[name] = known
    file.write_text(json.dumps(every, indent=1) + "\n")
    return every


def main() -> None:
    args = arguments(
        __doc__,
        (["name"], {"help": "ddpm_mnist or ddpm_mnist_bits"}),
        (["--runs"], {"type": Path, "help": "the folder of the run's checkpoints, for its plan"}),
        (["--minutes"], {"type": float, "help": "how long the run took, for the card"}),
        (
            ["--parts"],
            {"nargs": "+", "choices": PARTS, "default": PARTS, "help": "measure these alone"},
        ),
        (["--warm"], {"action": "store_true", "help": "it went on from what ships: add both"}),
        (["--machine"], {"help": "and on what"}),
        (
            ["--card-only"],
            {"action": "store_true", "help": "measure nothing: write the card again"},
        ),
    )
    file = CACHE / "pretrained-quick.json" if args.quick else RESULTS
    file.parent.mkdir(exist_ok=True)
    fits = PARTS if load_pretrained(args.name).network.classes else PARTS[:2]
    for part in [] if args.card_only else [part for part in fits if part in args.parts]:
        known = read(file, args.name)
        measure(known, args.name, part, need_mnist(args.data), args.quick)
        write(file, args.name, known)  # what was measured stays, whatever comes
    known = read(file, args.name)
    told, was = training(args.runs, args.name, args.minutes, args.machine), known["training"]
    if args.warm:  # what was spent before counts too
        told["plans"] = was.get("plans", []) + told.get("plans", [])
        told["minutes"] = was.get("minutes", 0) + told.get("minutes", 0)
    known["training"] = was | told
    every = write(file, args.name, known)
    whole = all("bound" in one for one in every.values())
    whole = whole and any("frechet" in one for one in every.values())
    if not args.quick and whole:
        (ASSETS / "MODEL_CARD.md").write_text(card(every), encoding="utf-8")
    say(**known)


if __name__ == "__main__":
    main()
