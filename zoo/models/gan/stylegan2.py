"""A small StyleGAN2: noise becomes a style, and styles scale what each convolution takes in.

Karras, Laine, Aittala, Hellsten, Lehtinen, Aila, "Analyzing and Improving the Image Quality of StyleGAN", 2020,
arXiv:1912.04958. Deviations: images grow from 4 to 7 pixels by nearest neighbours and shrink by means of four, without
further filters; weights are scaled once, at the start, but for the mapping network's; no mixing of styles, and no
penalty of path lengths.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.convolution import conv3x3
from zoo.layers.init import initialize
from zoo.layers.minibatch_std import MinibatchStd
from zoo.layers.normalized_pixels import NormalizedPixels
from zoo.layers.projection_score import ProjectionScore
from zoo.layers.resampled_convolution import DownConv2d
from zoo.layers.spectral_norm import normalize_spectrally
from zoo.models.gan.sizes import start_and_doublings
from zoo.models.gan.styles import MappingLayer, StyledConv2d, StyledPixels
from zoo.ranges import PositiveInt


class StyleGAN2Generator(nn.Module):
    """Makes images of noise, and of classes where it is told them; it draws noise for each pixel as well.

    Args:
        in_channels: C, channels of the images.
        image_size: side of the images in pixels.
        mean: of each channel in the data, of images in 0..1, by which real images are normalised, and these alike.
        std: standard deviation, likewise.
        num_classes: number of classes; None for a generator that is told none.
        latent_dim: Z, numbers of noise, and of a style.
        num_layers: layers of the mapping network.
        width: channels at full size; each half of it has twice as many.
        max_width: limit of the channels.
    """

    def __init__(
        self,
        in_channels: PositiveInt,
        *,
        image_size: int | Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        num_classes: PositiveInt | None = None,
        latent_dim: PositiveInt = 128,
        num_layers: PositiveInt = 4,
        width: PositiveInt = 32,
        max_width: PositiveInt = 512,
    ) -> None:
        super().__init__()
        start, count = start_and_doublings(image_size)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.embedding = None if num_classes is None else nn.Embedding(num_classes, latent_dim)
        inputs = latent_dim if num_classes is None else 2 * latent_dim
        self.mapping = nn.ModuleList(
            MappingLayer(inputs if number == 0 else latent_dim, latent_dim) for number in range(num_layers)
        )
        widths = [min(width * 2**power, max_width) for power in reversed(range(count + 1))]
        self.constant = nn.Parameter(torch.randn(1, widths[0], start, start))
        self.first = StyledConv2d(widths[0], widths[0], latent_dim=latent_dim)
        pairs = list(itertools.pairwise(widths))
        self.doubling = nn.ModuleList(StyledConv2d(a, b, latent_dim=latent_dim, doubles=True) for a, b in pairs)
        self.keeping = nn.ModuleList(StyledConv2d(b, b, latent_dim=latent_dim) for _, b in pairs)
        self.pixels = nn.ModuleList(StyledPixels(width, in_channels, latent_dim=latent_dim) for width in widths)
        self.normalize = NormalizedPixels(mean, std)

    def forward(
        self, noise: Float[Tensor, "B Z"], labels: Int64[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Images, normalised as real ones are; what lies outside of 0..1 is cut off in evaluation."""
        style = self._style(noise, labels)  # (B, Z)
        x = self.constant.expand(len(noise), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = self.first(x, style)
        pixels = self.pixels[0](x, style)
        for doubling, keeping, to_pixels in zip(self.doubling, self.keeping, self.pixels[1:], strict=True):
            x = keeping(doubling(x, style), style)
            pixels = F.interpolate(pixels, scale_factor=2, mode="bilinear") + to_pixels(x, style)
        images: Tensor = self.normalize(pixels if self.training else pixels.clamp(-1, 1))
        return images

    def _style(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        style = _normalized(noise)
        if self.embedding is not None:
            assert labels is not None, "a conditional network is called with labels"
            style = torch.cat([style, _normalized(self.embedding(labels))], 1)
        for layer in self.mapping:
            style = layer(style)
        return style


class StyleGAN2Discriminator(nn.Module):
    """Scores images, and how well they go with their classes where it is told them.

    Args:
        in_channels: C, channels of the images.
        image_size: side of the images in pixels.
        num_classes: number of classes; None for a discriminator that is told none.
        width: channels at full size; each half of it has twice as many.
        max_width: limit of the channels.
        minibatch_std: whether it is told how much the images of a batch differ.
        spectral: whether each layer is held to a slope of 1.
    """

    def __init__(
        self,
        in_channels: PositiveInt,
        *,
        image_size: int | Sequence[int],
        num_classes: PositiveInt | None = None,
        width: PositiveInt = 32,
        max_width: PositiveInt = 512,
        minibatch_std: bool = True,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        start, count = start_and_doublings(image_size)
        self.num_classes = num_classes
        widths = [min(width * 2**power, max_width) for power in range(count + 1)]
        last = widths[-1]
        pairs = itertools.pairwise(widths)
        self.layers = nn.Sequential(
            *(nn.Conv2d(in_channels, widths[0], 1), _activation()),
            *(ResidualBlock(before, after) for before, after in pairs),
            *([MinibatchStd()] if minibatch_std else []),
            *(conv3x3(last + minibatch_std, last, bias=True), _activation(), nn.Flatten()),
            *(nn.Linear(last * start**2, last), _activation()),
        )
        self.score = ProjectionScore(last, num_classes)
        initialize(self, "kaiming")
        if spectral:
            normalize_spectrally(self)

    def forward(self, x: Float[Tensor, "B C H W"], labels: Int64[Tensor, "B"] | None = None) -> Float[Tensor, "B"]:
        """Scores, high where images look real."""
        # A clone, since an image of one channel counts as laid out either way, and its convolution need not.
        scores: Tensor = self.score(self.layers(x.clone(memory_format=torch.channels_last)), labels)
        return scores


class ResidualBlock(nn.Module):
    """conv - activation - halving conv - activation, plus the halved image.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels out, at least 1.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        halving = DownConv2d(in_channels, out_channels)
        self.residual = nn.Sequential(
            conv3x3(in_channels, in_channels, bias=True), _activation(), halving, _activation()
        )
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Float[Tensor, "B C_in H W"]) -> Float[Tensor, "B C_out H_out W_out"]:
        """The image, half as high and as wide."""
        halved: Tensor = (self.shortcut(F.avg_pool2d(x, 2)) + self.residual(x)) * math.sqrt(0.5)
        return halved


def _activation() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2, inplace=True)


def _normalized(x: Tensor) -> Tensor:
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()
