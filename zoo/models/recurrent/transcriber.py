"""Reads a spectrogram and says in each frame which token is heard, or none: for training by CTC.

After Alex Graves et al., "Speech Recognition with Deep Recurrent Neural Networks", 2013,
arXiv:1303.5778, with two convolutions with strides in front, as in Dario Amodei et al., "Deep Speech 2", 2015,
arXiv:1512.02595. Norms are over the features of a frame alone, so that what fills a batch up changes nothing.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from zoo.layers.activation import make_activation
from zoo.layers.recurrent import Cell, RecurrentEncoder
from zoo.layers.recurrent_init import RecurrentInit
from zoo.ranges import PositiveInt, Probability


class Transcriber(nn.Module):
    """Two convolutions that leave a frame of several, recurrent layers in both directions, and a head for each frame.

    Args:
        vocab_size: V, number of tokens, the blank among them.
        in_channels: C, channels of a spectrogram.
        image_size: its rows F, and the columns of the longest one.
        cell: a name that `RecurrentEncoder` knows.
        width: channels of the convolutions.
        subsampling: columns that become one frame; a text needs a frame for each token, and one between equal ones.
        hidden_size: H, width of a recurrent layer in one direction.
        num_layers: number of recurrent layers.
        activation: see `zoo.layers.activation`.
        dropout: probability to drop a feature of a frame, before, between and after the recurrent layers.
        init: a scheme that `initialize_recurrent` knows.
        forget_bias: start value of an LSTM's forget gates; None for that of `init`.
    """

    def __init__(
        self,
        vocab_size: PositiveInt,
        *,
        in_channels: PositiveInt,
        image_size: Sequence[PositiveInt],
        cell: Cell = "lstm",
        width: PositiveInt = 32,
        subsampling: Literal[1, 2, 4] = 4,
        hidden_size: PositiveInt = 128,
        num_layers: PositiveInt = 2,
        activation: str = "relu",
        dropout: Probability = 0.2,
        init: RecurrentInit = "orthogonal",
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__()
        self.strides = (1 if subsampling == 1 else 2, 2 if subsampling == 4 else 1)  # in time; in frequency 2
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, width, 3, stride=(2, stride), padding=1)
            for channels, stride in zip((in_channels, width), self.strides, strict=True)
        )
        self.activation = make_activation(activation)
        self.project = nn.Linear(width * -(-image_size[0] // 4), hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.encoder = RecurrentEncoder(
            hidden_size,
            hidden_size,
            cell=cell,
            num_layers=num_layers,
            bidirectional=True,
            dropout=dropout,
            init=init,
            forget_bias=forget_bias,
        )
        self.head = nn.Linear(self.encoder.output_size, vocab_size)

    def forward(
        self, features: Float[Tensor, "B C F T"], lengths: Int64[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B L V"]:
        """Logits of each frame that is left, L; beyond `output_lengths` they have no meaning.

        Args:
            features: spectrograms.
            lengths: how many columns of each are real; None for all.
        """
        mask = None if lengths is None else _real(lengths, features.shape[3])
        features = features if mask is None else features * mask[:, None, None]
        for convolution, stride in zip(self.convolutions, self.strides, strict=True):
            features = self.activation(convolution(features))
            if lengths is not None:
                # What lies behind the end is as silent as it is around a spectrogram that fills the batch.
                lengths = _shortened(lengths, stride)
                mask = _real(lengths, features.shape[3])
                features = features * mask[:, None, None]
        frames = features.permute(0, 3, 1, 2).flatten(2)  # (B, L, width * rows)
        frames = self.dropout(self.norm(self.project(frames)))
        logits: Tensor = self.head(self.dropout(self.encoder(frames, mask)))
        return logits

    def output_lengths(self, lengths: Int64[Tensor, " B"]) -> Int64[Tensor, " B"]:
        """How many frames are left of so many columns."""
        for stride in self.strides:
            lengths = _shortened(lengths, stride)
        return lengths

    def layer_groups(self) -> list[list[nn.Module]]:
        """The convolutions, the projection, each recurrent layer, and the head."""
        first: list[list[nn.Module]] = [[self.convolutions], [self.project, self.norm]]
        return [*first, *self.encoder.layer_groups(), [self.head]]


def _shortened(lengths: Int64[Tensor, " B"], stride: int) -> Int64[Tensor, " B"]:
    """Returns the lengths that a convolution of some stride leaves, rounded up."""
    return (lengths + stride - 1).div(stride, rounding_mode="floor")


def _real(lengths: Int64[Tensor, " B"], length: int) -> Bool[Tensor, "B T"]:
    """Returns which places are no padding."""
    return torch.arange(length, device=lengths.device) < lengths.unsqueeze(1)
