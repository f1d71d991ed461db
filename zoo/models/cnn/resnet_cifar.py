"""The ResNets of the CIFAR-10 experiments: three narrow stages of n basic blocks, 6n + 2 layers deep.

Kaiming He et al., "Deep Residual Learning for Image Recognition", 2015, arXiv:1512.03385, section 4.2: 3x3 stem, 16,
32 and 64 channels, and shortcuts without parameters (option A).
"""

from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.convolution import ConvNormActivation
from zoo.layers.drop_path import drop_path_rates
from zoo.layers.init import initialize
from zoo.layers.residual import BasicBlock
from zoo.ranges import PositiveInt, Probability


class ResNetCIFAR(nn.Module):
    """A classifier; with depth 20, 10 classes and 3 channels it has 269,722 parameters ("0.27M" in the paper).

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        depth: number of layers, 6n + 2; the paper has 20, 32, 44, 56 and 110.
        width: channels of the first stage; the others have 2 and 4 times as many. 16 in the paper.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
        dropout: probability of zeroing a feature before the head.
        drop_path: probability that a sample skips the last block during training; it rises linearly from 0 at the
            first.
        init: a scheme that `initialize` knows.

    Raises:
        ValueError: if the depth is not 6n + 2, or a name is unknown.
    """

    # From the names in the published weights to ours; `load_weights` reads it.
    published_names: ClassVar[Mapping[str, str]] = {
        r"^conv1\.": "stem.conv.",
        r"^bn1\.": "stem.norm.",
        r"^layer1\.": "stages.0.",
        r"^layer2\.": "stages.1.",
        r"^layer3\.": "stages.2.",
        r"\.bn(\d)\.": r".norm\1.",
        r"^linear\.": "head.",
    }

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        depth: PositiveInt = 20,
        width: PositiveInt = 16,
        activation: str = "relu",
        norm: str | None = "batch",
        dropout: Probability = 0.0,
        drop_path: Probability = 0.0,
        init: str = "default",
    ) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"depth {depth}: must be 6n + 2; choose 20, 32, 44, 56 or 110")
        blocks_per_stage = (depth - 2) // 6
        rates = iter(drop_path_rates(drop_path, 3 * blocks_per_stage))
        self.stem = ConvNormActivation(in_channels, width, activation=activation, norm=norm)
        self.stages = nn.ModuleList()
        channels = width
        for index in range(3):
            stage = nn.Sequential()
            for position in range(blocks_per_stage):
                out_channels = width * 2**index
                stage.append(
                    BasicBlock(
                        channels,
                        out_channels,
                        stride=2 if index > 0 and position == 0 else 1,
                        shortcut="padding",
                        activation=activation,
                        norm=norm,
                        drop_path=next(rates),
                    )
                )
                channels = out_channels
            self.stages.append(stage)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)
        initialize(self, init, activation)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of the images."""
        x = self.stem(x)  # (B, 16, H, W)
        for stage in self.stages:
            x = stage(x)  # (B, 2 C, H / 2, W / 2)
        x = x.mean(dim=(2, 3))  # (B, 64)
        logits: Tensor = self.head(self.dropout(x))  # (B, K)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """The stem, each stage, and the head."""
        return [[self.stem], *([stage] for stage in self.stages), [self.head]]
