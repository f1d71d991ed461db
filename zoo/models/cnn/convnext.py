"""ConvNeXt: a convolutional network with the proportions of a vision transformer.

Zhuang Liu et al., "A ConvNet for the 2020s", 2022, arXiv:2201.03545. Where we deviate: the patch size of the stem
follows the image size (4 in the paper, made for 224x224), and weights start as torch's do unless `init` says
otherwise.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.activation import make_activation
from zoo.layers.drop_path import DropPath, drop_path_rates
from zoo.layers.image import height_and_width
from zoo.layers.init import initialize
from zoo.layers.norm import make_norm
from zoo.ranges import NonNegativeFloat, PositiveInt, Probability


class ConvNeXtBlock(nn.Module):
    """7x7 depthwise convolution, norm, and two linear layers per pixel, scaled and added to the input.

    Args:
        channels: C, channels in and out.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
        layer_scale: start value of the trained factor of each channel; 0 means no factor.
        dropout: probability of zeroing a value between the linear layers.
        drop_path: probability that a sample skips the block during training.
    """

    def __init__(
        self,
        channels: PositiveInt,
        *,
        activation: str = "gelu",
        norm: str | None = "layer",
        layer_scale: NonNegativeFloat = 1e-6,
        dropout: Probability = 0.0,
        drop_path: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel_size=7, padding=3, groups=channels)
        self.norm = make_norm(norm, channels)
        self.expand = nn.Linear(channels, 4 * channels)
        self.activation = make_activation(activation)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), layer_scale)) if layer_scale else None
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The block's output."""
        residual = self.norm(self.depthwise(x)).permute(0, 2, 3, 1)  # (B, H, W, C)
        residual = self.dropout(self.activation(self.expand(residual)))  # (B, H, W, 4 C)
        residual = self.project(residual)  # (B, H, W, C)
        if self.scale is not None:
            residual = residual * self.scale
        out: Tensor = x + self.drop_path(residual.permute(0, 3, 1, 2))  # (B, C, H, W)
        return out

    def zero_residual(self) -> None:
        """Start as the identity: zero the last linear layer, as no norm comes after it."""
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)


class ConvNeXt(nn.Module):
    """A classifier; the stem cuts the image into patches, and every stage after the first halves it.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        image_size: side of the images in pixels, or [height, width].
        depths: number of blocks in each stage, input to output; (3, 3, 9, 3) is ConvNeXt-T.
        widths: channels of each stage, as many as `depths`; (96, 192, 384, 768) is ConvNeXt-T.
        patch_size: side of the stem's patches in pixels; None takes the largest of 4, 2 and 1 that leaves 3x3 pixels or
            more to the last stage.
        layer_scale: start value of the trained factor of each channel; 0 means no factor.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
        dropout: probability of zeroing a value between the linear layers of a block.
        drop_path: probability that a sample skips the last block during training; it rises linearly from 0 at the
            first.
        init: a scheme that `initialize` knows.

    Raises:
        ValueError: if the images are too small, `depths` and `widths` are not as many, or a name is unknown.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        image_size: int | Sequence[int],
        depths: Sequence[int] = (3, 3, 9, 3),
        widths: Sequence[int] = (96, 192, 384, 768),
        patch_size: PositiveInt | None = None,
        layer_scale: NonNegativeFloat = 1e-6,
        activation: str = "gelu",
        norm: str | None = "layer",
        dropout: Probability = 0.0,
        drop_path: Probability = 0.0,
        init: str = "default",
    ) -> None:
        super().__init__()
        if len(depths) != len(widths) or not depths or min(*depths, *widths) < 1:
            raise ValueError(
                f"depths {list(depths)}, widths {list(widths)}: must name the same stages, each at least 1; "
                "give both lists the same length"
            )
        patch_size = _patch_size(image_size, patch_size, num_halvings=len(depths) - 1)
        rates = iter(drop_path_rates(drop_path, sum(depths)))
        patchify = nn.Conv2d(in_channels, widths[0], kernel_size=patch_size, stride=patch_size)
        self.stem = nn.Sequential(patchify, make_norm(norm, widths[0]))
        self.stages = nn.ModuleList()
        channels = widths[0]
        for depth, width in zip(depths, widths, strict=True):
            stage = nn.Sequential()
            if len(self.stages) > 0:
                stage.append(make_norm(norm, channels))
                stage.append(nn.Conv2d(channels, width, kernel_size=2, stride=2))
            for _ in range(depth):
                stage.append(
                    ConvNeXtBlock(
                        width,
                        activation=activation,
                        norm=norm,
                        layer_scale=layer_scale,
                        dropout=dropout,
                        drop_path=next(rates),
                    )
                )
            self.stages.append(stage)
            channels = width
        self.norm = make_norm(norm, channels, dims=1)
        self.head = nn.Linear(channels, num_classes)
        initialize(self, init, activation)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of the images."""
        x = self.stem(x)  # (B, C, H / patch, W / patch)
        for stage in self.stages:
            x = stage(x)  # (B, 2 C, H / 2, W / 2)
        x = self.norm(x.mean(dim=(2, 3)))  # (B, C)
        logits: Tensor = self.head(x)  # (B, K)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """The stem, each stage (the last one with the final norm), and the head."""
        *stages, last_stage = self.stages
        return [[self.stem], *([stage] for stage in stages), [last_stage, self.norm], [self.head]]


def _patch_size(image_size: int | Sequence[int], patch_size: int | None, *, num_halvings: int) -> int:
    """The patch size asked for, or the one that suits the image.

    Raises:
        ValueError: if less than one pixel would be left to the last stage.
    """
    height, width = height_and_width(image_size)
    side = min(height, width)
    if patch_size is None:
        patch_size = next((size for size in (4, 2) if side // size >> num_halvings >= 3), 1)
    smallest = patch_size << num_halvings
    if side < smallest:
        raise ValueError(
            f"image {height}x{width}: sides must be at least {smallest} for {num_halvings + 1} stages after patches of "
            f"{patch_size}; set a smaller patch_size, give fewer stages, or resize the images"
        )
    return patch_size
