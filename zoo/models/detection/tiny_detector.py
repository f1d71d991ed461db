"""TinyDetector: a small anchor-free detector that learns on a CPU in minutes.

A residual network (He et al., "Deep Residual Learning for Image Recognition", 2015, arXiv:1512.03385) whose levels are
joined from coarse to fine (Lin et al., "Feature Pyramid Networks for Object Detection", 2016, arXiv:1612.03144), and
the head of `zoo.models.detection.anchor_free`.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.activation import make_activation
from zoo.layers.convolution import ConvNormActivation, conv3x3
from zoo.layers.norm import make_norm
from zoo.models.detection.anchor_free import AnchorFreeDetector
from zoo.ranges import NonNegativeInt, PositiveInt


class TinyDetector(AnchorFreeDetector):
    """Finds objects of about one to ten strides.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        strides: pixels between two points of each level: powers of two, ascending, each twice the one before.
        width: channels of the first convolution; each halving of the image doubles them, up to eight times.
        depth: residual blocks after each halving.
        head_width: channels of the pyramid and of the heads.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
        options: see `zoo.models.detection.anchor_free.AnchorFreeDetector`.

    Raises:
        ValueError: these are no such strides.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        strides: Sequence[PositiveInt] = (4, 8, 16),
        width: PositiveInt = 16,
        depth: NonNegativeInt = 1,
        head_width: PositiveInt = 48,
        activation: str = "silu",
        norm: str | None = "batch",
        **options: Any,
    ) -> None:
        _check(strides)
        super().__init__(
            num_classes, strides=strides, head_width=head_width, activation=activation, norm=norm, **options
        )
        halvings = strides[-1].bit_length() - 1
        widths = [in_channels, *(min(width * 2**number, 8 * width) for number in range(halvings))]
        self.stages = nn.ModuleList(
            _stage(*pair, depth=depth, activation=activation, norm=norm) for pair in pairwise(widths)
        )
        self.first = strides[0].bit_length() - 2  # the stage whose output is the finest level
        self.lateral = nn.ModuleList(nn.Conv2d(w, head_width, kernel_size=1) for w in widths[self.first + 1 :])
        self.smooth = nn.ModuleList(
            ConvNormActivation(head_width, head_width, activation=activation, norm=norm) for _ in strides
        )

    def pyramid(self, images: Float[Tensor, "B C H W"]) -> list[Tensor]:
        """Returns features, finest level first."""
        features, levels = images, []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        found = [lateral(level) for lateral, level in zip(self.lateral, levels[self.first :], strict=True)]
        for finer in range(len(found) - 2, -1, -1):
            found[finer] = found[finer] + F.interpolate(found[finer + 1], size=found[finer].shape[-2:])
        return [smooth(level) for smooth, level in zip(self.smooth, found, strict=True)]

    def layer_groups(self) -> list[list[nn.Module]]:
        """Each stage, the pyramid, then the heads."""
        return [*([stage] for stage in self.stages), [self.lateral, self.smooth], [self.heads]]


class _Block(nn.Module):
    """Two convolutions around which a shortcut leads."""

    def __init__(self, width: int, *, activation: str, norm: str | None) -> None:
        super().__init__()
        self.first = ConvNormActivation(width, width, activation=activation, norm=norm)
        self.second = conv3x3(width, width, bias=norm is None)
        self.norm = make_norm(norm, width)
        self.activation = make_activation(activation)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        out: Tensor = self.activation(x + self.norm(self.second(self.first(x))))
        return out


def _stage(in_channels: int, out_channels: int, *, depth: int, activation: str, norm: str | None) -> nn.Sequential:
    """Halves the image."""
    halving = conv3x3(in_channels, out_channels, stride=2, bias=norm is None)
    blocks = (_Block(out_channels, activation=activation, norm=norm) for _ in range(depth))
    return nn.Sequential(halving, make_norm(norm, out_channels), make_activation(activation), *blocks)


def _check(strides: Sequence[int]) -> None:
    doubled = all(2 * fine == coarse for fine, coarse in pairwise(strides))
    if not strides or strides[0] < 2 or strides[0].bit_count() != 1 or not doubled:
        rule = "each must be a power of two, twice the one before"
        raise ValueError(f"strides {list(strides)}: {rule}; set them to [8, 16, 32], such as")
