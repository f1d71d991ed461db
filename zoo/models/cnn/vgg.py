"""VGG: nothing but 3x3 convolutions and pooling, stacked deep.

Karen Simonyan, Andrew Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014,
arXiv:1409.1556, table 1, configurations A, B, D and E. Where we deviate: the three linear layers at the end (124 of 138
million parameters) give way to global average pooling and one linear layer, so that any image size works; batch norm is
an option, on by default; pooling rounds sizes up, so that an 8x8 image survives five of them - for sides that are
multiples of 32 the convolutional part is the paper's.
"""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.convolution import ConvNormActivation
from zoo.layers.init import initialize
from zoo.ranges import PositiveInt, Probability

# Depth, counted as in the paper with its three linear layers -> convolutions in each of the five stages.
CONVS_PER_STAGE = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGG(nn.Module):
    """A classifier of five stages of convolutions, each ending in max-pooling.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        depth: which configuration of the paper.
        width: channels of the first stage; the others have 2, 4, 8 and 8 times as many. 64 in the paper.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows; None in the paper.
        dropout: probability of zeroing a feature before the head.
        init: a scheme that `initialize` knows.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        depth: Literal[11, 13, 16, 19] = 11,
        width: PositiveInt = 64,
        activation: str = "relu",
        norm: str | None = "batch",
        dropout: Probability = 0.5,
        init: str = "default",
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        channels = in_channels
        for num_convs, multiple in zip(CONVS_PER_STAGE[depth], (1, 2, 4, 8, 8), strict=True):
            stage = nn.Sequential()
            for _ in range(num_convs):
                stage.append(ConvNormActivation(channels, width * multiple, activation=activation, norm=norm))
                channels = width * multiple
            stage.append(nn.MaxPool2d(2, ceil_mode=True))
            self.stages.append(stage)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)
        initialize(self, init, activation)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of the images."""
        for stage in self.stages:
            x = stage(x)  # (B, 2 C, H / 2, W / 2)
        x = x.mean(dim=(2, 3))  # (B, C)
        logits: Tensor = self.head(self.dropout(x))  # (B, K)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """Each stage, then the head."""
        return [*([stage] for stage in self.stages), [self.head]]
