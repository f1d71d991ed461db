"""SNGAN: a residual generator and a residual discriminator, whose layers are held to a slope of 1.

Miyato, Kataoka, Koyama, Yoshida, "Spectral Normalization for Generative Adversarial Networks", 2018, arXiv:1802.05957.
Told classes: Miyato, Koyama, "cGANs with Projection Discriminator", 2018, arXiv:1802.05637. With attention: Zhang,
Goodfellow, Metaxas, Odena, "Self-Attention Generative Adversarial Networks", 2019, arXiv:1805.08318.

Images are doubled from, and halved to, 4 to 7 pixels. `width: 64, max_width: 1024` are the paper's networks for 128
pixels; `max_width` as large as `width` keeps the channels the same throughout, as in those for CIFAR-10.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.conditional_batch_norm import ConditionalBatchNorm2d
from zoo.layers.convolution import conv3x3
from zoo.layers.init import initialize
from zoo.layers.minibatch_std import MinibatchStd
from zoo.layers.normalized_pixels import NormalizedPixels
from zoo.layers.projection_score import ProjectionScore
from zoo.layers.resampled_convolution import DownConv2d, UpConv2d
from zoo.layers.self_attention_2d import SelfAttention2d
from zoo.layers.spectral_norm import normalize_spectrally
from zoo.models.gan.sizes import check_attention, start_and_doublings
from zoo.ranges import PositiveInt


class SNGANGenerator(nn.Module):
    """Makes images of noise, and of classes where it is told them.

    Args:
        in_channels: C, channels of the images.
        image_size: side of the images in pixels.
        mean: of each channel in the data, of images in 0..1, by which real images are normalised, and these alike.
        std: standard deviation, likewise.
        num_classes: number of classes; None for a generator that is told none.
        latent_dim: Z, numbers of noise.
        width: channels at full size; each half of it has twice as many.
        max_width: limit of the channels.
        attention: side in pixels of the image within which there is attention; None for none.
        spectral: whether each layer is held to a slope of 1, as in SAGAN.
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
        width: PositiveInt = 64,
        max_width: PositiveInt = 1024,
        attention: PositiveInt | None = None,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        start, count = start_and_doublings(image_size)
        check_attention(attention, start, count)
        self.latent_dim, self.num_classes, self.start = latent_dim, num_classes, start
        widths = [min(width * 2**power, max_width) for power in reversed(range(count))]
        self.project = nn.Linear(latent_dim, widths[0] * start**2)
        blocks: list[nn.Module] = []
        for power, (before, after) in enumerate(zip([widths[0], *widths], widths, strict=False)):
            blocks += [SelfAttention2d(before)] if attention == start * 2**power else []
            blocks.append(GeneratorBlock(before, after, num_classes=num_classes))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.BatchNorm2d(widths[-1])
        self.out = conv3x3(widths[-1], in_channels, bias=True)
        self.normalize = NormalizedPixels(mean, std)
        initialize(self, "xavier")
        if spectral:
            normalize_spectrally(self)

    def forward(
        self, noise: Float[Tensor, "B Z"], labels: Int64[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Images, normalised as real ones are."""
        x = self.project(noise).unflatten(1, (-1, self.start, self.start))
        x = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, labels) if isinstance(block, GeneratorBlock) else block(x)
        images: Tensor = self.normalize(self.out(F.relu(self.norm(x), inplace=True)).tanh())
        return images


class SNGANDiscriminator(nn.Module):
    """Scores images, and how well they go with their classes where it is told them.

    Args:
        in_channels: C, channels of the images.
        image_size: side of the images in pixels.
        num_classes: number of classes; None for a discriminator that is told none.
        width: channels after the first block; each block that halves the image has twice as many.
        max_width: limit of the channels.
        num_last_blocks: blocks that keep the size of the smallest image.
        attention: side in pixels of the image within which there is attention; None for none.
        minibatch_std: whether it is told how much the images of a batch differ.
        spectral: whether each layer is held to a slope of 1.
    """

    def __init__(
        self,
        in_channels: PositiveInt,
        *,
        image_size: int | Sequence[int],
        num_classes: PositiveInt | None = None,
        width: PositiveInt = 64,
        max_width: PositiveInt = 1024,
        num_last_blocks: PositiveInt = 1,
        attention: PositiveInt | None = None,
        minibatch_std: bool = False,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        start, count = start_and_doublings(image_size)
        check_attention(attention, start, count)
        self.num_classes = num_classes
        blocks: list[nn.Module] = []
        before = in_channels
        for power in range(count):
            after = min(width * 2**power, max_width)
            blocks.append(DiscriminatorBlock(before, after, is_first=power == 0, halves=True))
            blocks += [SelfAttention2d(after)] if attention == start * 2 ** (count - power - 1) else []
            before = after
        for number in range(num_last_blocks):
            extra = int(minibatch_std and number == num_last_blocks - 1)
            blocks += [MinibatchStd()] * extra
            blocks.append(DiscriminatorBlock(before + extra, before))
        self.blocks = nn.Sequential(*blocks)
        self.score = ProjectionScore(before, num_classes)
        initialize(self, "xavier")
        if spectral:
            normalize_spectrally(self)

    def forward(self, x: Float[Tensor, "B C H W"], labels: Int64[Tensor, "B"] | None = None) -> Float[Tensor, "B"]:
        """Scores, high where images look real."""
        # A clone, since an image of one channel counts as laid out either way, and its convolution need not.
        x = x.clone(memory_format=torch.channels_last)
        features = F.relu(self.blocks(x), inplace=True).sum((2, 3))  # (B, F)
        scores: Tensor = self.score(features, labels)
        return scores


class GeneratorBlock(nn.Module):
    """norm - relu - doubling - conv - norm - relu - conv, plus the doubled image.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels out, at least 1.
        num_classes: number of classes that the norms are told; None for none.
    """

    def __init__(self, in_channels: int, out_channels: int, *, num_classes: int | None = None) -> None:
        super().__init__()
        self.norm1 = ConditionalBatchNorm2d(in_channels, num_classes)
        self.conv1 = UpConv2d(in_channels, out_channels, bias=False)
        self.norm2 = ConditionalBatchNorm2d(out_channels, num_classes)
        self.conv2 = conv3x3(out_channels, out_channels, bias=True)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(
        self, x: Float[Tensor, "B C_in H W"], labels: Int64[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B C_out H_out W_out"]:
        """The image, twice as high and as wide."""
        residual = self.conv1(F.relu(self.norm1(x, labels), inplace=True))
        residual = self.conv2(F.relu(self.norm2(residual, labels), inplace=True))
        # A 1x1 convolution of doubled pixels, but of a quarter of them.
        doubled: Tensor = F.interpolate(self.shortcut(x), scale_factor=2) + residual
        return doubled


class DiscriminatorBlock(nn.Module):
    """relu - conv - relu - conv, plus the image; both are halved where that is asked for.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels out, at least 1.
        is_first: whether its input is an image, which no relu may cut.
        halves: whether the image is halved.
    """

    def __init__(self, in_channels: int, out_channels: int, *, is_first: bool = False, halves: bool = False) -> None:
        super().__init__()
        self.is_first, self.halves = is_first, halves
        inner = out_channels if is_first else in_channels
        self.conv1 = conv3x3(in_channels, inner, bias=True)
        self.conv2 = DownConv2d(inner, out_channels) if halves else conv3x3(inner, out_channels, bias=True)
        changes = in_channels != out_channels
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, bias=False) if changes or halves else nn.Identity()

    def forward(self, x: Float[Tensor, "B C_in H W"]) -> Float[Tensor, "B C_out H_out W_out"]:
        """The image, halved or not."""
        residual = self.conv1(x if self.is_first else F.relu(x))
        residual = self.conv2(F.relu(residual, inplace=True))
        kept = F.avg_pool2d(x, 2) if self.halves else x
        out: Tensor = self.shortcut(kept) + residual
        return out
