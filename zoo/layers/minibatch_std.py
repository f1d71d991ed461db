"""How much the images of a batch differ, told to a discriminator, so that a generator must vary its images too.

Tero Karras, Timo Aila, Samuli Laine, Jaakko Lehtinen, "Progressive Growing of GANs for Improved Quality, Stability, and
Variation", 2018, arXiv:1710.10196.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.ranges import AtLeastTwo


class MinibatchStd(nn.Module):
    """Adds one channel: the standard deviation over a group of images, averaged over channels and pixels.

    Args:
        group_size: images in a group; a batch that it does not divide is one group.
    """

    def __init__(self, group_size: AtLeastTwo = 4) -> None:
        super().__init__()
        self.group_size = group_size

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C_out H W"]:
        """The images, with the same number in each pixel of their last channel."""
        batch, channels, height, width = x.shape
        group = batch if batch % self.group_size else self.group_size
        groups = x.reshape(group, batch // group, channels, height, width)  # (G, B / G, C, H, W)
        variances = (groups - groups.mean(0)).square().mean(0)  # torch's own takes ten times as long
        # The root has no slope at 0, where all images are equal.
        deviations = (variances + 1e-8).sqrt().mean((1, 2, 3))  # (B / G,)
        return torch.cat([x, deviations.repeat(group)[:, None, None, None].expand(-1, 1, height, width)], 1)
