"""A plain convolutional network of any depth: the first model to try on small images.

No single paper: blocks of convolution, norm and activation (Ioffe & Szegedy 2015, arXiv:1502.03167) with pooling
between them, and global average pooling before the classifier (Min Lin, Qiang Chen, Shuicheng Yan, "Network In
Network", 2013, arXiv:1312.4400).
"""

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.convolution import ConvNormActivation
from zoo.layers.image import height_and_width
from zoo.layers.init import initialize
from zoo.ranges import PositiveInt, Probability


class ConvNet(nn.Module):
    """A classifier of `depth` blocks; each doubles the channels, and between two blocks pooling halves the image.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        image_size: side of the images in pixels, or [height, width]; at least 2 ** (depth - 1).
        depth: number of blocks.
        width: channels of the first block.
        convs_per_block: convolutions in each block.
        kernel_size: side of the kernels in pixels, odd.
        pooling: "max" or "avg".
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
        dropout: probability of zeroing a feature before the head.
        init: a scheme that `initialize` knows.

    Raises:
        ValueError: if the images are too small for the depth, the kernel size is even, or a name is unknown.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        image_size: int | Sequence[int],
        depth: PositiveInt = 3,
        width: PositiveInt = 32,
        convs_per_block: PositiveInt = 1,
        kernel_size: PositiveInt = 3,
        pooling: Literal["max", "avg"] = "max",
        activation: str = "relu",
        norm: str | None = "batch",
        dropout: Probability = 0.0,
        init: str = "default",
    ) -> None:
        super().__init__()
        height, breadth = height_and_width(image_size)
        if min(height, breadth) < 2 ** (depth - 1):
            rule = f"depth {depth} halves them {depth - 1} times, so sides must be at least {2 ** (depth - 1)}"
            remedy = f"set depth to {min(height, breadth).bit_length()} or less, or resize the images"
            raise ValueError(f"image {height}x{breadth}: {rule}; {remedy}")
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {kernel_size}: must be odd to keep the image size; try {kernel_size + 1}")
        self.blocks = nn.ModuleList()
        channels = in_channels
        for index in range(depth):
            block = nn.Sequential()
            for _ in range(convs_per_block):
                out_channels = width * 2**index
                block.append(
                    ConvNormActivation(
                        channels, out_channels, kernel_size=kernel_size, activation=activation, norm=norm
                    )
                )
                channels = out_channels
            if index < depth - 1:
                block.append(nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2))
            self.blocks.append(block)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)
        initialize(self, init, activation)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of the images."""
        for block in self.blocks:
            x = block(x)  # (B, 2 C, H / 2, W / 2)
        x = x.mean(dim=(2, 3))  # (B, C)
        logits: Tensor = self.head(self.dropout(x))  # (B, K)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """Each block, then the head."""
        return [*([block] for block in self.blocks), [self.head]]
