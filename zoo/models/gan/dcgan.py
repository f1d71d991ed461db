"""DCGAN: strided convolutions alone, from noise to an image and from an image to a score.

Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
2016, arXiv:1511.06434. The paper makes images of 64 pixels; other sides have fewer or more layers, from a smallest
image of 4 to 7 pixels, or of `start`. Told classes, which the paper's are not, the generator takes a vector of the
class beside its noise, and the discriminator projects on one (Miyato, Koyama, 2018, arXiv:1802.05637). Spectral norm:
Miyato, Kataoka, Koyama, Yoshida, 2018, arXiv:1802.05957.
"""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from zoo.layers.norm import make_norm
from zoo.layers.normalized_pixels import NormalizedPixels
from zoo.layers.projection_score import ProjectionScore
from zoo.layers.spectral_norm import normalize_spectrally
from zoo.models.gan.sizes import start_and_doublings
from zoo.ranges import PositiveInt


class DCGANGenerator(nn.Module):
    """Makes images of noise, and of classes where it is told them.

    Args:
        in_channels: C, channels of the images.
        image_size: side of the images in pixels.
        mean: of each channel in the data, of images in 0..1, by which real images are normalised, and these alike.
        std: standard deviation, likewise.
        num_classes: number of classes; None for a generator that is told none.
        latent_dim: Z, numbers of noise.
        width: channels before the last layer; each layer before has twice as many.
        start: side of the smallest image in pixels; None for that of 4 to 7 which leads to `image_size`.
    """

    def __init__(
        self,
        in_channels: PositiveInt,
        *,
        image_size: int | Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        num_classes: PositiveInt | None = None,
        latent_dim: PositiveInt = 100,
        width: PositiveInt = 64,
        start: PositiveInt | None = None,
    ) -> None:
        super().__init__()
        start, count = start_and_doublings(image_size, start)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.embedding = None if num_classes is None else nn.Embedding(num_classes, latent_dim)
        inputs = latent_dim if num_classes is None else 2 * latent_dim
        widths = [width * 2**power for power in reversed(range(count))]
        layers: list[nn.Module] = [nn.ConvTranspose2d(inputs, widths[0], start, bias=False)]
        for before, after in zip(widths, [*widths[1:], in_channels], strict=True):
            layers += [nn.BatchNorm2d(before), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=after == in_channels)]
        self.layers = nn.Sequential(*layers, nn.Tanh())
        self.normalize = NormalizedPixels(mean, std)
        self.apply(_initialize)

    def forward(
        self, noise: Float[Tensor, "B Z"], labels: Int64[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Images, normalised as real ones are."""
        if self.embedding is not None:
            assert labels is not None, "a conditional network is called with labels"
            noise = torch.cat([noise, self.embedding(labels)], 1)  # (B, 2 Z)
        images: Tensor = self.normalize(self.layers(noise[..., None, None]))
        return images


class DCGANDiscriminator(nn.Module):
    """Scores images, and how well they go with their classes where it is told them.

    Args:
        in_channels: C, channels of the images.
        image_size: side of the images in pixels.
        num_classes: number of classes; None for a discriminator that is told none.
        width: channels of the first layer; each layer after has twice as many.
        start: side of the smallest image in pixels; None for that of 4 to 7 which leads to `image_size`.
        norm: a name that `make_norm` knows, after each layer but the first; one across the batch does not go with
            penalties of gradients.
        spectral: whether each layer is held to a slope of 1.
    """

    def __init__(
        self,
        in_channels: PositiveInt,
        *,
        image_size: int | Sequence[int],
        num_classes: PositiveInt | None = None,
        width: PositiveInt = 64,
        start: PositiveInt | None = None,
        norm: str | None = "batch",
        spectral: bool = False,
    ) -> None:
        super().__init__()
        start, count = start_and_doublings(image_size, start)
        self.num_classes = num_classes
        widths = [in_channels, *(width * 2**power for power in range(count))]
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(itertools.pairwise(widths)):
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1))
            layers += [make_norm(norm, after), nn.LeakyReLU(0.2)] if number else [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.score = ProjectionScore(widths[-1] * start**2, num_classes)
        self.apply(_initialize)
        if spectral:
            normalize_spectrally(self)

    def forward(self, x: Float[Tensor, "B C H W"], labels: Int64[Tensor, "B"] | None = None) -> Float[Tensor, "B"]:
        """Scores, high where images look real."""
        scores: Tensor = self.score(self.layers(x).flatten(1), labels)
        return scores


def _initialize(module: nn.Module) -> None:
    """Sets the initial weights of the paper: normal, of standard deviation 0.02."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
