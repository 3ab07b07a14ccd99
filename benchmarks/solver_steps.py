"""Our solvers beside those of diffusers and k-diffusion: the same steps, on the same levels, from the same denoiser.

    .bench/bin/python benchmarks/solver_steps.py

Prints, for each pair, the largest difference of a coordinate after the walk, in float64 where the peer keeps it.
"""

import math

import torch

from diffusion_math import GaussianMixture, karras_grid, solve

LAW = GaussianMixture(
    [0.6, 0.4],
    torch.tensor([[-1.0, 0.5], [1.0, 0.0]], dtype=torch.float64),
    torch.tensor([0.3, 0.2], dtype=torch.float64),
)
GRID = karras_grid(-6.0, 5.0, 12)  # of these levels the last step leads on to the data
Z = torch.randn(16, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def scaled(level: float) -> float:
    "a, 1 for the data."
    return 1 / math.sqrt(1 + math.exp(-level))


def k_diffusion() -> dict[str, float]:
    "Peers that walk z = x/a over sigma = s/a, to the data."
    from k_diffusion import sampling

    def model(z, sigma):
        level = -2 * sigma[0].log()
        return LAW.denoise(z * torch.sigmoid(level).sqrt(), level)

    grid = [*GRID.tolist(), math.inf]
    sigmas = torch.exp(-torch.tensor(grid, dtype=torch.float64) / 2)
    start, off = scaled(grid[0]), {}
    for name, peer in (
        ("ddim", "euler"),
        ("heun", "heun"),
        ("2m", "dpmpp_2m"),
        ("adams", "lms"),
        ("3m-half", "dpmpp_3m_sde"),
    ):
        more = {"eta": 0.0} if peer.endswith("sde") else {}
        n = len(grid) - (peer == "lms")  # to sigma = 0 lms extrapolates, and ours takes the guess
        walked = getattr(sampling, f"sample_{peer}")
        theirs = walked(model, Z / start, sigmas[:n], disable=True, **more)
        theirs = theirs * scaled(grid[n - 1])
        off[f"{name} and k-diffusion's {peer}"] = (
            (solve(LAW, Z, grid[:n], name) - theirs).abs().max()
        )
    return off


def diffusers() -> dict[str, float]:
    "Peers that walk x by their own levels, kept in float32: ours take the same, up to the last."
    from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

    off = {}
    for name, kind, more in (
        ("2m", DPMSolverMultistepScheduler, {"solver_order": 2}),
        ("3m-half", DPMSolverMultistepScheduler, {"solver_order": 3}),
        ("unipc2", UniPCMultistepScheduler, {"solver_order": 2}),
    ):
        peer = kind(
            prediction_type="sample", lower_order_final=False, final_sigmas_type="zero", **more
        )
        peer.set_timesteps(12)
        level = [-2 * math.log(v) for v in peer.sigmas[:-1].tolist()]
        x = Z.clone()
        for t, here in zip(peer.timesteps[:-1], level[:-1], strict=True):
            x = peer.step(LAW.denoise(x, here), t, x).prev_sample
        off[f"{name} and diffusers' {kind.__name__}"] = (solve(LAW, Z, level, name) - x).abs().max()
    return off


if __name__ == "__main__":
    for pair, gap in (k_diffusion() | diffusers()).items():
        print(f"{pair:55} {float(gap):.1e}")
