"""Classifier that reads a sequence with recurrent layers and sums up what they gave.

Pooling over all places: Alexis Conneau et al., "Supervised Learning of Universal Sentence Representations from Natural
Language Inference Data", 2017, arXiv:1705.02364; by attention: see `zoo.layers.attention_pooling`. Weight drop is of
AWD-LSTM, arXiv:1708.02182.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from zoo.layers.attention_pooling import AttentionPooling
from zoo.layers.recurrent import Cell, RecurrentEncoder
from zoo.layers.recurrent_init import RecurrentInit
from zoo.layers.sequence_input import SequenceInput, lengths_of, masked_max, masked_mean
from zoo.ranges import PositiveInt, Probability

Pooling = Literal["last", "mean", "max", "attention"]


class RecurrentClassifier(nn.Module):
    """Names the class of a text, of an image read column by column, or of a signal.

    Args:
        num_classes: K, number of classes.
        vocab_size: V, number of tokens; None where no tokens come.
        in_channels: C, channels of images or signals; None where tokens come.
        image_size: height and width of images in pixels, one number where they are equal.
        cell: a name that `RecurrentEncoder` knows.
        embed_dim: D, width of the vectors that are read; None for `hidden_size`.
        hidden_size: H, width of a layer in one direction.
        num_layers: number of recurrent layers.
        bidirectional: whether each layer also reads backwards.
        pooling: how the places of a sequence become one: the last of each direction, their mean, their largest values,
            or a weighted sum.
        dropout: probability to drop a feature of the vectors, between the layers and before the head.
        weight_drop: probability to drop a weight from hidden to hidden, drawn once for a batch.
        init: a scheme that `initialize_recurrent` knows.
        forget_bias: start value of an LSTM's forget gates; None for that of `init`.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        *,
        vocab_size: PositiveInt | None = None,
        in_channels: PositiveInt | None = None,
        image_size: int | Sequence[int] | None = None,
        cell: Cell = "lstm",
        embed_dim: PositiveInt | None = None,
        hidden_size: PositiveInt = 128,
        num_layers: PositiveInt = 1,
        bidirectional: bool = True,
        pooling: Pooling = "max",
        dropout: Probability = 0.2,
        weight_drop: Probability = 0.0,
        init: RecurrentInit = "orthogonal",
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__()
        embed_dim = embed_dim or hidden_size
        self.input = SequenceInput(
            embed_dim, vocab_size=vocab_size, in_channels=in_channels, image_size=image_size, dropout=dropout
        )
        self.encoder = RecurrentEncoder(
            embed_dim,
            hidden_size,
            cell=cell,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            weight_drop=weight_drop,
            init=init,
            forget_bias=forget_bias,
        )
        self.pooling = pooling
        self.attention = AttentionPooling(self.encoder.output_size) if pooling == "attention" else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.encoder.output_size, num_classes)

    def forward(
        self, inputs: Int64[Tensor, "B T"] | Float[Tensor, "B C H T"] | Float[Tensor, "B C T"]
    ) -> Float[Tensor, "B K"]:
        """Logits of the sequences."""
        features, mask = self.input(inputs)  # (B, T, D)
        if mask is not None:
            mask[:, 0] = True  # an empty text is judged by its first place, whatever it is padded to
        features = self.encoder(features, mask)  # (B, T, E)
        logits: Tensor = self.head(self.dropout(self._pool(features, mask)))  # (B, K)
        return logits

    def _pool(self, features: Float[Tensor, "B T E"], mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, "B E"]:
        if self.attention is not None:
            pooled: Tensor = self.attention(features, mask)
            return pooled
        if self.pooling == "mean":
            return masked_mean(features, mask)
        if self.pooling == "max":
            return masked_max(features, mask)
        return self._last(features, mask)

    def _last(self, features: Float[Tensor, "B T E"], mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, "B E"]:
        """What each direction gave when it had read everything."""
        if mask is None:
            last = features[:, -1]
        else:
            last = features[torch.arange(mask.shape[0], device=mask.device), lengths_of(mask) - 1]
        if not self.encoder.bidirectional:
            return last
        hidden_size = self.encoder.hidden_size
        return torch.cat([last[:, :hidden_size], features[:, 0, hidden_size:]], dim=1)

    def layer_groups(self) -> list[list[nn.Module]]:
        """The input, each recurrent layer (the last one with the attention), and the head."""
        *layers, last = self.encoder.layer_groups()
        attention: list[nn.Module] = [] if self.attention is None else [self.attention]
        return [[self.input], *layers, [*last, *attention], [self.head]]
