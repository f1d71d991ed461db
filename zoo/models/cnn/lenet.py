"""LeNet-5, the network that read handwritten digits on cheques.

Yann LeCun, Léon Bottou, Yoshua Bengio, Patrick Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proceedings of the IEEE 86(11), 1998, section II.B. Where we deviate, as everyone does: the pooling has no trained
coefficients, every map of C3 sees all maps of S2, and the output is linear instead of radial basis functions.
"""

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.activation import make_activation
from zoo.layers.image import height_and_width
from zoo.layers.init import initialize
from zoo.ranges import PositiveInt, Probability

SMALLEST_SIDE = 32


class LeNet(nn.Module):
    """A classifier with two convolutions and three linear layers; 61,706 parameters for 10 classes of 32x32x1 images.

    Images below 32x32 are padded with zeros, as the paper pads its 28x28 digits.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        image_size: side of the images in pixels, or [height, width].
        pooling: "avg" as in the paper, or "max".
        activation: a name that `make_activation` knows; tanh in the paper.
        dropout: probability of zeroing a value after each hidden linear layer; 0 in the paper.
        init: a scheme that `initialize` knows.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        image_size: int | Sequence[int],
        pooling: Literal["max", "avg"] = "avg",
        activation: str = "tanh",
        dropout: Probability = 0.0,
        init: str = "default",
    ) -> None:
        super().__init__()
        height, width = height_and_width(image_size)
        missing_rows, missing_columns = max(SMALLEST_SIDE - height, 0), max(SMALLEST_SIDE - width, 0)
        top, left = missing_rows // 2, missing_columns // 2
        self.pad = nn.ZeroPad2d((left, missing_columns - left, top, missing_rows - top))
        self.conv1 = nn.Conv2d(in_channels, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.pool = nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2)
        features = 16 * _side_after_convolutions(height) * _side_after_convolutions(width)
        self.linear1 = nn.Linear(features, 120)
        self.linear2 = nn.Linear(120, 84)
        self.head = nn.Linear(84, num_classes)
        self.activation = make_activation(activation)
        self.dropout = nn.Dropout(dropout)
        initialize(self, init, activation)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of the images."""
        x = self.pad(x)  # (B, C, 32, 32) or larger
        x = self.pool(self.activation(self.conv1(x)))  # (B, 6, 14, 14)
        x = self.pool(self.activation(self.conv2(x)))  # (B, 16, 5, 5)
        x = x.flatten(start_dim=1)  # (B, 400)
        x = self.dropout(self.activation(self.linear1(x)))  # (B, 120)
        x = self.dropout(self.activation(self.linear2(x)))  # (B, 84)
        logits: Tensor = self.head(x)  # (B, K)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """Each layer for itself, input to head."""
        return [[self.conv1], [self.conv2], [self.linear1], [self.linear2], [self.head]]


def _side_after_convolutions(side: int) -> int:
    """5 for 32: each 5x5 convolution takes 4 pixels, each pooling halves."""
    side = max(side, SMALLEST_SIDE)
    return ((side - 4) // 2 - 4) // 2
