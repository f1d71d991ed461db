"""What pixels are: their channels, their size and their statistics."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.errors import OptionError
from zoo.layers.image import height_and_width

_CHUNK = 4096


def sides(image_size: int | Sequence[int]) -> list[int]:
    """Returns height and width of images whose size is given by the option.

    Raises:
        OptionError: there are not one or two sides, or one is below 1.
    """
    try:
        return list(height_and_width(image_size))
    except ValueError as error:
        remedy = "give the side as one whole number of at least 1, or [height, width]"
        raise OptionError("data.image_size", f"{image_size} given", remedy) from error


class Normalization:
    """Scales pixels from 0..255 to mean 0 and standard deviation 1 a channel.

    Args:
        mean: of each channel of images scaled to 0..1.
        std: standard deviation, likewise.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = mean, std
        self._constants: tuple[Tensor, Tensor] | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Returns images (B, C, H, W) as float32."""
        if self._constants is None or self._constants[0].device != images.device:
            mean, std = (torch.tensor(values, device=images.device).view(-1, 1, 1) for values in (self.mean, self.std))
            self._constants = 1 / (255 * std), -mean / std
        scale, bias = self._constants
        # Two passes in place; with the types mixed, or in one addcmul, it is slower.
        return images.float().mul_(scale).add_(bias)


def grey(images: Tensor) -> Tensor:
    """Weighs colours to grey as ITU-R 601 does; channels of any other number count alike.

    Args:
        images: float, (B, C, H, W).

    Returns:
        Grey images, (B, 1, H, W).
    """
    channels = images.shape[1]
    weights = images.new_tensor((0.299, 0.587, 0.114) if channels == 3 else [1 / channels] * channels)
    return torch.einsum("bchw,c->bhw", images, weights).unsqueeze(1)


def channel_statistics(images: Tensor) -> tuple[list[float], list[float]]:
    """Measures uint8 images by their histogram, which is exact.

    Args:
        images: uint8, (N, C, H, W).

    Returns:
        Mean and standard deviation of each channel, scaled to 0..1; 1 for the deviation of a constant channel.
    """
    levels = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel in images.unbind(1):
        share = channel.flatten().bincount(minlength=256).double() / channel.numel()
        mean = (share * levels).sum()
        means.append(mean.item())
        deviations.append((share * (levels - mean).square()).sum().sqrt().item() or 1.0)
    return means, deviations


def to_channels(images: Tensor, in_channels: int) -> Tensor:
    """Converts uint8 images from colour to grey, or repeats grey as colour.

    Raises:
        OptionError: the channels are neither 1 nor 3.
    """
    channels = images.shape[1]
    if channels == in_channels:
        return images
    if channels == 1 and in_channels == 3:
        return images.expand(-1, 3, -1, -1).contiguous()
    if channels == 3 and in_channels == 1:
        return torch.cat([grey(chunk.float()).round_().to(torch.uint8) for chunk in torch.split(images, _CHUNK)])
    problem = f"{in_channels} asked, but the images have {channels}"
    raise OptionError("data.in_channels", problem, "set 1 or 3, or null for what the images have")


def resize(images: Tensor, size: Sequence[int]) -> Tensor:
    """Resizes uint8 images bilinearly with antialiasing."""
    if list(images.shape[2:]) == list(size):
        return images
    chunks = [
        F.interpolate(chunk, list(size), mode="bilinear", antialias=True) for chunk in torch.split(images, _CHUNK)
    ]
    return torch.cat(chunks)
