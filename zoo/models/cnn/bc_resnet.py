"""BC-ResNet: spectrograms read by frequency in two dimensions and by time in one, for few parameters.

Byeonggeun Kim, Simyung Chang, Jinkyu Lee, Dooyong Sung, "Broadcasted Residual Learning for Efficient Keyword Spotting",
2021, arXiv:2106.04140; sub-spectral normalisation: Simyung Chang et al., 2021, arXiv:2103.13620. With 40 mel bands and
12 classes it is the authors' network, of 9,232 parameters for `tau` 1. Of any other height, sub-spectral normalisation
takes the largest number of bands up to five that divides the rows, and the last convolution covers all rows left.
"""

from collections.abc import Sequence
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.image import height_and_width
from zoo.ranges import PositiveFloat, PositiveInt, Probability

WIDTHS = (16, 8, 12, 16, 20, 32)  # of the stem, the four stages and the last convolution, for tau 1
DEPTHS = (2, 2, 4, 4)
STRIDES = (1, 2, 2, 1)  # over frequencies
MOST_BANDS = 5


class SubSpectralNorm(nn.Module):
    """Batch norm of each band of frequencies on its own.

    Args:
        num_features: channels, at least 1.
        num_bands: bands, each of as many rows as the others.
    """

    def __init__(self, num_features: PositiveInt, *, num_bands: PositiveInt) -> None:
        super().__init__()
        self.num_bands = num_bands
        self.norm = nn.BatchNorm2d(num_features * num_bands)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Normalise each channel of each band."""
        batch, channels, height, width = x.shape
        bands = x.reshape(batch, channels * self.num_bands, height // self.num_bands, width)
        out: Tensor = self.norm(bands).view(batch, channels, height, width)
        return out


class BroadcastedBlock(nn.Module):
    """A convolution over frequencies, plus one over time of their mean that is broadcast to all of them.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels out, at least 1; where they differ a 1x1 convolution comes first, and no shortcut.
        stride: step over frequencies.
        dilation: of the convolution over time.
        num_bands: of the sub-spectral normalisation.
        dropout: probability of zeroing a channel of what is broadcast.
    """

    def __init__(
        self,
        in_channels: PositiveInt,
        out_channels: PositiveInt,
        *,
        stride: PositiveInt,
        dilation: PositiveInt,
        num_bands: PositiveInt,
        dropout: Probability,
    ) -> None:
        super().__init__()
        self.has_shortcut = in_channels == out_channels
        self.frequency = nn.Sequential()
        if not self.has_shortcut:
            self.frequency.append(nn.Conv2d(in_channels, out_channels, 1, bias=False))
            self.frequency.append(nn.BatchNorm2d(out_channels))
            self.frequency.append(nn.ReLU(inplace=True))
        depthwise = partial(nn.Conv2d, out_channels, out_channels, groups=out_channels, bias=False)
        self.frequency.append(depthwise((3, 1), stride=(stride, 1), padding=(1, 0)))
        self.frequency.append(SubSpectralNorm(out_channels, num_bands=num_bands))
        self.time = nn.Sequential(
            depthwise((1, 3), dilation=(1, dilation), padding=(0, dilation)),
            nn.BatchNorm2d(out_channels),
            nn.SiLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 1, bias=False),
            nn.Dropout2d(dropout),
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Float[Tensor, "B C_in H_in W"]) -> Float[Tensor, "B C_out H_out W"]:
        """The block's output, activated."""
        rows = self.frequency(x)
        out = rows + self.time(rows.mean(dim=2, keepdim=True))
        if self.has_shortcut:
            out = out + x
        activated: Tensor = self.activation(out)
        return activated


class BCResNet(nn.Module):
    """A stem, four stages of broadcasted blocks, and a classifier of the mean over time.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the spectrogram.
        image_size: its rows and columns, [F, T], or one number for both; frequencies are rows.
        tau: factor of the width; the paper has 1, 1.5, 2, 3, 6 and 8.
        dropout: probability of zeroing a channel of what a block broadcasts.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        image_size: int | Sequence[int],
        tau: PositiveFloat = 1.0,
        dropout: Probability = 0.1,
    ) -> None:
        super().__init__()
        height, _ = height_and_width(image_size)
        stem, *widths, last = (max(1, int(width * tau)) for width in WIDTHS)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, stem, 5, stride=(2, 1), padding=2, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
        )
        height, channels = -(-height // 2), stem
        self.stages = nn.ModuleList()
        for number, (width, depth, stride) in enumerate(zip(widths, DEPTHS, STRIDES, strict=True)):
            height = -(-height // stride)
            stage = nn.Sequential()
            for block in range(depth):
                stage.append(
                    BroadcastedBlock(
                        channels,
                        width,
                        stride=stride if block == 0 else 1,
                        dilation=2**number,
                        num_bands=_bands(height),
                        dropout=dropout,
                    )
                )
                channels = width
            self.stages.append(stage)
        self.last = nn.Sequential(
            nn.Conv2d(channels, channels, (height, 5), padding=(0, 2), groups=channels, bias=False),
            nn.Conv2d(channels, last, 1, bias=False),
            nn.BatchNorm2d(last),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(last, num_classes)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of the spectrograms."""
        x = self.stem(x)  # (B, D, H / 2, W)
        for stage in self.stages:
            x = stage(x)  # (B, D, H / 8, W) after the last
        x = self.last(x).mean(dim=(2, 3))  # (B, D)
        logits: Tensor = self.head(x)  # (B, K)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """The stem, each stage, the last convolution, then the head."""
        return [[self.stem], *([stage] for stage in self.stages), [self.last], [self.head]]


def _bands(height: int) -> int:
    """Returns the largest number of bands of equal height, at most five."""
    return next(bands for bands in range(MOST_BANDS, 0, -1) if height % bands == 0)
