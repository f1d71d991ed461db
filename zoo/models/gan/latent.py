"""Noise that samples are made of: draws that are numbered, and the way from one to another."""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from zoo.ranges import PositiveInt
from zoo.seeds import counted_seed


def numbered_noise(numbers: Iterable[int], latent_dim: PositiveInt, *, seed: int) -> Float[Tensor, "B Z"]:
    """Returns noise of which each row is a function of the seed and of its own number alone."""
    rows = []
    for number in numbers:
        draw = torch.Generator().manual_seed(counted_seed("sample", seed, number))
        rows.append(torch.randn(latent_dim, generator=draw))
    return torch.stack(rows)


def way(start: Float[Tensor, "B Z"], end: Float[Tensor, "B Z"], steps: PositiveInt) -> Float[Tensor, "B T Z"]:
    """Returns noise on the way from one draw to another, the first included and the second not.

    A straight line would come by noise that is too short to have been drawn (White, "Sampling Generative Networks",
    2016, arXiv:1609.04468). On a quarter of a circle all noise is distributed as drawn noise is.
    """
    angle = (torch.arange(steps, device=start.device) / steps * math.pi / 2).view(1, -1, 1)
    return start[:, None] * angle.cos() + end[:, None] * angle.sin()
