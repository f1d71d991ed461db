"""M5: a convolutional network on raw waveforms.

Wei Dai, Chia Dai, Shuhui Qu, Juncheng Li, Samarjit Das, "Very Deep Convolutional Neural Networks for Raw Waveforms",
2016, arXiv:1610.00087. Convolutions are padded and pooling rounds up, so that clips of any length go through; the paper
has clips of 4 s. Dropout before the classifier is an addition, off by default.
"""

from jaxtyping import Float
from torch import Tensor, nn

from zoo.ranges import PositiveInt, Probability


class M5(nn.Module):
    """Four convolutions, the first as wide as a pitch period, each followed by pooling; then the mean over time.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the waveforms.
        width: channels of the first two convolutions; the third has twice, the fourth four times as many.
        kernel_size: samples that the first convolution covers; 80 at 8 kHz are 10 ms.
        stride: its step in samples.
        dropout: probability of zeroing a feature before the head.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        *,
        in_channels: PositiveInt = 1,
        width: PositiveInt = 128,
        kernel_size: PositiveInt = 80,
        stride: PositiveInt = 4,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        shapes = [(width, kernel_size, stride), (width, 3, 1), (2 * width, 3, 1), (4 * width, 3, 1)]
        channels = in_channels
        for out_channels, kernel, step in shapes:
            conv = nn.Conv1d(channels, out_channels, kernel, stride=step, padding=kernel // 2, bias=False)
            pool = nn.MaxPool1d(4, ceil_mode=True)
            self.blocks.append(nn.Sequential(conv, nn.BatchNorm1d(out_channels), nn.ReLU(inplace=True), pool))
            channels = out_channels
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x: Float[Tensor, "B C T"]) -> Float[Tensor, "B K"]:
        """Logits of the waveforms."""
        for block in self.blocks:
            x = block(x)  # (B, D, T / 4), in the first block T / 16
        x = x.mean(dim=2)  # (B, D)
        logits: Tensor = self.head(self.dropout(x))  # (B, K)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """Each block, then the head."""
        return [*([block] for block in self.blocks), [self.head]]
