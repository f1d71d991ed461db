"""A classifier of images as a network of features, for images that were normalised for another network."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.image import height_and_width
from zoo.models.head_cut import HeadCut
from zoo.ranges import PositiveInt


class Preprocessing:
    """What images are to a network.

    Args:
        in_channels: C, 1 or 3 where images are converted.
        image_size: side of the images in pixels, or [height, width].
        mean: of each channel of images in 0..1.
        std: standard deviation, likewise.
        others: further options of the data, which do not matter here.
    """

    def __init__(
        self,
        in_channels: PositiveInt,
        image_size: int | Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        **others: object,
    ) -> None:
        self.in_channels, self.size = in_channels, height_and_width(image_size)
        self.mean, self.std = list(mean), list(std)


class ImageFeatures(nn.Module):
    """What a classifier sees in images, before its head and after it.

    Args:
        network: the classifier.
        given: what the images come as.
        own: what the classifier takes: of as many channels, or of three where these have one.

    Attributes:
        num_features: D.

    Raises:
        ValueError: the head of the classifier is not set apart.
    """

    given_mean: Tensor
    given_std: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, *, given: Preprocessing, own: Preprocessing) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.own, self.given = own, given
        for prefix, images in (("given_", given), ("", own)):
            for name, values in (("mean", images.mean), ("std", images.std)):
                self.register_buffer(f"{prefix}{name}", torch.tensor(values).view(-1, 1, 1), persistent=False)
        self.cut = HeadCut(network, torch.zeros(2, own.in_channels, *own.size))
        with torch.no_grad():
            self.num_features = self.cut.features(torch.zeros(2, own.in_channels, *own.size))[0].numel()

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B K"]]:
        """Features and logits of normalised images."""
        features = self.cut.features(self.prepare(images))
        logits: Tensor = self.cut.head(features)
        return features.flatten(1), logits

    def prepare(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B c h w"]:
        """Images as the classifier takes them."""
        pixels = (images.float() * self.given_std + self.given_mean).clamp(0, 1)
        if self.own.in_channels != self.given.in_channels:
            pixels = pixels.expand(-1, self.own.in_channels, -1, -1)
        prepared: Tensor = (resized(pixels, self.own.size) - self.mean) / self.std
        return prepared


class PixelFeatures(nn.Module):
    """The pixels of images as their features, made few enough to be compared.

    Args:
        given: what the images come as.
        most: pixels of a side.
    """

    def __init__(self, given: Preprocessing, *, most: PositiveInt = 32) -> None:
        super().__init__()
        height, width = (min(side, most) for side in given.size)
        self.size = (height, width)
        self.num_features = given.in_channels * height * width

    def forward(self, images: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B D"], None]:
        """Features, and no logits."""
        return resized(images, self.size).flatten(1), None


def resized(images: Float[Tensor, "B C H W"], size: Sequence[int]) -> Float[Tensor, "B C h w"]:
    """Returns images of another height and width, float32; those that have it as they are."""
    if list(images.shape[2:]) == list(size):
        return images.float()
    return functional.interpolate(images.float(), size, mode="bilinear", antialias=True)
