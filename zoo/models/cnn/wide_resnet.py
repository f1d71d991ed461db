"""Wide residual networks: fewer layers, each with more channels.

Sergey Zagoruyko, Nikos Komodakis, "Wide Residual Networks", 2016, arXiv:1605.07146. WRN-d-k has depth d = 6n + 4 and
is k times as wide as the ResNets for CIFAR; dropout goes between the convolutions of a block (section 2.4).
"""

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.activation import make_activation
from zoo.layers.convolution import conv3x3
from zoo.layers.drop_path import drop_path_rates
from zoo.layers.init import initialize
from zoo.layers.norm import make_norm
from zoo.layers.residual import PreActivationBlock
from zoo.ranges import PositiveInt, Probability


class WideResNet(nn.Module):
    """A classifier of three stages of pre-activation blocks; WRN-28-10 has 36.5 million parameters.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        depth: number of convolutions, 6n + 4.
        widen_factor: k; the stages have 16 k, 32 k and 64 k channels.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
        dropout: probability of zeroing a value between the convolutions of a block; the paper takes 0.3 for CIFAR.
        drop_path: probability that a sample skips the last block during training; it rises linearly from 0 at the
            first.
        init: a scheme that `initialize` knows.

    Raises:
        ValueError: if the depth is not 6n + 4, or a name is unknown.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        depth: PositiveInt = 28,
        widen_factor: PositiveInt = 10,
        activation: str = "relu",
        norm: str | None = "batch",
        dropout: Probability = 0.0,
        drop_path: Probability = 0.0,
        init: str = "default",
    ) -> None:
        super().__init__()
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"depth {depth}: must be 6n + 4; choose 10, 16, 22, 28 or 40")
        blocks_per_stage = (depth - 4) // 6
        rates = iter(drop_path_rates(drop_path, 3 * blocks_per_stage))
        channels = 16
        self.stem = conv3x3(in_channels, channels)
        self.stages = nn.ModuleList()
        for index in range(3):
            stage = nn.Sequential()
            for position in range(blocks_per_stage):
                out_channels = 16 * widen_factor * 2**index
                stage.append(
                    PreActivationBlock(
                        channels,
                        out_channels,
                        stride=2 if index > 0 and position == 0 else 1,
                        activation=activation,
                        norm=norm,
                        dropout=dropout,
                        drop_path=next(rates),
                    )
                )
                channels = out_channels
            self.stages.append(stage)
        self.norm = make_norm(norm, channels)
        self.activation = make_activation(activation)
        self.head = nn.Linear(channels, num_classes)
        initialize(self, init, activation)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of the images."""
        x = self.stem(x)  # (B, 16, H, W)
        for stage in self.stages:
            x = stage(x)  # (B, 2 C, H / 2, W / 2)
        x = self.activation(self.norm(x)).mean(dim=(2, 3))  # (B, C)
        logits: Tensor = self.head(x)  # (B, K)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """The stem, each stage (the last one with the final norm), and the head."""
        *stages, last_stage = self.stages
        return [[self.stem], *([stage] for stage in stages), [last_stage, self.norm], [self.head]]
