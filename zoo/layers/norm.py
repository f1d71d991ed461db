"""Normalisation layers by name, for feature vectors (B, C) and images (B, C, H, W).

Sergey Ioffe, Christian Szegedy, "Batch Normalization", 2015, arXiv:1502.03167; Jimmy Lei Ba, Jamie Ryan Kiros,
Geoffrey E. Hinton, "Layer Normalization", 2016, arXiv:1607.06450; Yuxin Wu, Kaiming He, "Group Normalization", 2018,
arXiv:1803.08494.
"""

import math
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.naming import find_module_class


class ChannelLayerNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel of an image, as in ConvNeXt.

    Args:
        num_channels: C, the number of channels, at least 1.
    """

    def __init__(self, num_channels: int) -> None:
        # 1e-6 as in ConvNeXt; torch's default is 1e-5.
        super().__init__(num_channels, eps=1e-6)

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Normalise; the result lies in channels_last memory, where both permutations are views and copy nothing."""
        pixels = input.permute(0, 2, 3, 1)  # (B, H, W, C)
        pixels = F.layer_norm(pixels, self.normalized_shape, self.weight, self.bias, self.eps)
        return pixels.permute(0, 3, 1, 2)  # (B, C, H, W)


class ChannelGroupNorm(nn.GroupNorm):
    """Group norm with 32 groups, or the most that divide the channels where 32 do not.

    Args:
        num_channels: C, the number of channels, at least 1.
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__(math.gcd(32, num_channels), num_channels)


NORMS: dict[int, dict[str, type[nn.Module]]] = {
    1: {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "group": ChannelGroupNorm, "none": nn.Identity},
    2: {"batch": nn.BatchNorm2d, "layer": ChannelLayerNorm, "group": ChannelGroupNorm, "none": nn.Identity},
}


def make_norm(name: str | None, num_features: int, dims: Literal[1, 2] = 2) -> nn.Module:
    """A new normalisation layer.

    Args:
        name: "batch", "layer", "group", "none" (None means the same), or the path of a module class that takes the
            number of features as its only required argument, such as `torch.nn.InstanceNorm2d`.
        num_features: C, the number of features or channels, at least 1.
        dims: 1 for vectors (B, C), 2 for images (B, C, H, W).

    Returns:
        The layer; `nn.Identity` for none.

    Raises:
        ValueError: if there is no such class.
    """
    return find_module_class("norm", name or "none", NORMS[dims])(num_features)
