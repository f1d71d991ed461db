"""ResNet for small images: ResNet-18 with a 3x3 stem and no max-pooling, so that 32x32 images keep their detail.

Kaiming He et al., "Deep Residual Learning for Image Recognition", 2015, arXiv:1512.03385; with `block: preactivation`
the blocks of Kaiming He et al., "Identity Mappings in Deep Residual Networks", 2016, arXiv:1603.05027. Where we
deviate: the stem, which in the paper is a 7x7 convolution of stride 2 and a max-pooling, made for 224x224 images.
"""

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.activation import make_activation
from zoo.layers.convolution import ConvNormActivation, conv3x3
from zoo.layers.drop_path import drop_path_rates
from zoo.layers.init import initialize
from zoo.layers.norm import make_norm
from zoo.layers.residual import BasicBlock, PreActivationBlock
from zoo.ranges import PositiveInt, Probability


class ResNetSmall(nn.Module):
    """A classifier of stages of residual blocks; every stage after the first halves the image.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        depths: number of blocks in each stage, input to output; (2, 2, 2, 2) is ResNet-18.
        widths: channels of each stage, as many as `depths`.
        block: "basic" (2015) or "preactivation" (2016).
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
        dropout: probability of zeroing a feature before the head.
        drop_path: probability that a sample skips the last block during training; it rises linearly from 0 at the
            first.
        init: a scheme that `initialize` knows.

    Raises:
        ValueError: if `depths` and `widths` are not as many, or a name is unknown.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        depths: Sequence[int] = (2, 2, 2, 2),
        widths: Sequence[int] = (64, 128, 256, 512),
        block: Literal["basic", "preactivation"] = "basic",
        activation: str = "relu",
        norm: str | None = "batch",
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
        block_class = BasicBlock if block == "basic" else PreActivationBlock
        rates = iter(drop_path_rates(drop_path, sum(depths)))
        channels = widths[0]
        self.stages = nn.ModuleList()
        for index, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            stage = nn.Sequential()
            for position in range(depth):
                stride = 2 if index > 0 and position == 0 else 1
                stage.append(
                    block_class(channels, width, stride=stride, activation=activation, norm=norm, drop_path=next(rates))
                )
                channels = width
            self.stages.append(stage)
        # Pre-activation blocks normalise what they take, so that the stem does not, but the end has to.
        self.stem: nn.Module = conv3x3(in_channels, widths[0])
        self.final = nn.Sequential(make_norm(norm, channels), make_activation(activation))
        if block == "basic":
            self.stem = ConvNormActivation(in_channels, widths[0], activation=activation, norm=norm)
            self.final = nn.Sequential()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)
        initialize(self, init, activation)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of the images."""
        x = self.stem(x)  # (B, C, H, W)
        for stage in self.stages:
            x = stage(x)  # (B, 2 C, H / 2, W / 2)
        x = self.final(x).mean(dim=(2, 3))  # (B, C)
        logits: Tensor = self.head(self.dropout(x))  # (B, K)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """The stem, each stage (the last one with the final norm), and the head."""
        *stages, last_stage = self.stages
        return [[self.stem], *([stage] for stage in stages), [last_stage, self.final], [self.head]]
