"Mixtures over one number that several of these tests look at."

import torch

from diffusion_math.laws.mixture import GaussianMixture

f64 = torch.float64
TWO = GaussianMixture(
    [0.3, 0.7], torch.tensor([[-2.0], [1.5]], dtype=f64), torch.tensor([0.02, 0.1], dtype=f64)
)


def point(k=1, d=1, var=0.1):
    return GaussianMixture([1 / k] * k, torch.zeros(k, d), torch.full((k,), var))
