"""U-Net: down to what is there, back up to where it is, with a bridge at every size.

Olaf Ronneberger, Philipp Fischer, Thomas Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015,
arXiv:1505.04597. Where we deviate: convolutions keep the size of the image, which is filled up with zeros instead to
one that can be halved, so that there is a logit for each of its pixels; a norm follows each convolution.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, cat, nn
from torch.nn import functional as F

from zoo.layers.convolution import ConvNormActivation
from zoo.layers.init import initialize
from zoo.ranges import PositiveInt, Probability


class UNet(nn.Module):
    """Names the class of each pixel; each of `depth` halvings of the image doubles the channels.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images.
        depth: how often the image is halved; 4 in the paper.
        width: channels at full size; 64 in the paper.
        convs_per_level: convolutions at each size, on the way down and on the way up; 2 in the paper.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
        dropout: probability of zeroing a feature at the smallest size, as in the paper.
        init: a scheme that `initialize` knows.

    Raises:
        ValueError: if a name is unknown.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        depth: PositiveInt = 4,
        width: PositiveInt = 32,
        convs_per_level: PositiveInt = 2,
        activation: str = "relu",
        norm: str | None = "batch",
        dropout: Probability = 0.0,
        init: str = "default",
    ) -> None:
        super().__init__()

        def level(channels_in: int, channels_out: int) -> nn.Sequential:
            channels = [channels_in] + [channels_out] * convs_per_level
            convolutions = [ConvNormActivation(*pair, activation=activation, norm=norm) for pair in pairwise(channels)]
            return nn.Sequential(*convolutions)

        widths = [width * 2**index for index in range(depth + 1)]
        self.down = nn.ModuleList(map(level, [in_channels, *widths], widths))
        self.dropout = nn.Dropout2d(dropout)
        self.enlarge, self.up = nn.ModuleList(), nn.ModuleList()
        for channels in reversed(widths[:-1]):
            self.enlarge.append(nn.ConvTranspose2d(2 * channels, channels, kernel_size=2, stride=2))
            self.up.append(level(2 * channels, channels))
        self.head = nn.Conv2d(width, num_classes, kernel_size=1)
        initialize(self, init, activation)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        """Logits of the pixels, of images of any size."""
        height, width = images.shape[-2:]
        step = 2 ** len(self.up)
        x = F.pad(images, (0, -width % step, 0, -height % step))
        bridges: list[Tensor] = []
        for index, level in enumerate(self.down):
            x = level(F.max_pool2d(x, 2) if index else x)  # (B, 2 C, H / 2, W / 2)
            bridges.append(x)
        x = self.dropout(bridges.pop())
        for enlarge, level in zip(self.enlarge, self.up, strict=True):
            x = level(cat((bridges.pop(), enlarge(x)), dim=1))  # (B, C / 2, 2 H, 2 W)
        logits: Tensor = self.head(x)[..., :height, :width]  # (B, K, H, W)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """Each size on the way down, each on the way up, and the head."""
        upwards = [[enlarge, level] for enlarge, level in zip(self.enlarge, self.up, strict=True)]
        return [*([level] for level in self.down), *upwards, [self.head]]
