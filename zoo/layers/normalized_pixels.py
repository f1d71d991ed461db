"""From pixels of -1..1, which a generator makes, to images that are normalised as those of the data."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class NormalizedPixels(nn.Module):
    """Gives pixels the mean and standard deviation by which real images are normalised.

    Args:
        mean: of each channel in the data, of images in 0..1.
        std: standard deviation, likewise.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        means, stds = torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1)
        self.register_buffer("scale", 0.5 / stds, persistent=False)
        self.register_buffer("shift", (0.5 - means) / stds, persistent=False)

    def forward(self, pixels: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Normalised images of pixels in -1..1."""
        return torch.addcmul(self.shift, self.scale, pixels)
