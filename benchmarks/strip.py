"""The same three digits by the defaults of each package, as a picture: what a distance to the flow looks like.

The network that ships, told TOLD and guided by w = 2, walked by what samplers.defaults types, from the first noises of one
seed, the same for all: nothing is picked. Above them the network's own flow, of the guess clipped to [-1, 1].
"""

import torch
from common import arguments, say
from defaults import FINE
from report import PICTURES
from samplers import defaults

from diffusion_math import as_denoiser, guided, load_pretrained
from diffusion_math.solvers import even_grid, solve

TOLD, W, CALLS, FLOW = (3, 8, 5), 2.0, (5, 8, 10, 20), "the network's flow"


@torch.inference_mode()
def drawn(calls: tuple[int, ...]) -> dict[str, list[torch.Tensor]]:
    "Rows of pictures: TOLD's, for each number of calls in turn."
    p = load_pretrained("ddpm_mnist")
    schedule, last = p.q.schedule, p.q.schedule.log_snr[1].item()
    asked = as_denoiser(guided(p.given(y=torch.tensor(TOLD)), p, W))
    says = lambda x, level: asked(x, torch.as_tensor(level).flatten()[0].clamp(max=last))
    clipped = lambda x, level: says(x, level).clamp(-1, 1)
    z = torch.randn(len(TOLD), 1, 28, 28, generator=torch.Generator().manual_seed(7))
    flow = solve(clipped, z, even_grid(-12.0, last, FINE, clean=True), "3m")
    rows = {FLOW: [*flow] * len(calls)}
    for who, sampler in defaults(schedule, "cosine", p.images).items():
        torch.manual_seed(1)
        rows[who] = [x.float() for n in calls for x in sampler(says, z, n)]
    return rows


def sheet(rows: dict[str, list[torch.Tensor]], calls: tuple[int, ...]):
    "The rows, one under the other, a gap between the numbers of calls."
    from diffusion_math.plot import figure, style

    n, wide = len(TOLD), 28 * len(TOLD)
    fig, axes = figure(len(rows), len(calls), width=2 + 2 * len(calls), height=0.68 * len(rows))
    with style():
        for line, (who, pictures) in zip(axes, rows.items(), strict=True):
            for i, ax in enumerate(line):
                row = torch.cat([*torch.stack(pictures[i * n : (i + 1) * n])[:, 0]], 1)
                ax.imshow(row, cmap="gray", vmin=-1, vmax=1, extent=(0, wide, 0, 28))
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set_visible(False)
            line[0].set_ylabel(who, rotation=0, ha="right", va="center")
        for ax, count in zip(axes[0], calls, strict=True):
            ax.set_title(f"{count} calls")
    return fig


def main() -> None:
    calls = CALLS[:2] if arguments(__doc__).quick else CALLS
    PICTURES.mkdir(exist_ok=True)
    sheet(drawn(calls), calls).savefig(PICTURES / "strip.png", dpi=110)
    said = f"three digits from the same noise (told {', '.join(map(str, TOLD))}; w = {W:g})"
    say(
        drawn="strip.png",
        words=f"The network's flow, and each package's default beside it: {said}.",
    )


if __name__ == "__main__":
    main()
