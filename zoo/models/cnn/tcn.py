"""TCN: causal convolutions that classify a sequence, or say at each place of a text which token comes next.

Shaojie Bai, J. Zico Kolter, Vladlen Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks
for Sequence Modeling", 2018, arXiv:1803.01271. The one that forecasts is `zoo.models.forecasting.tcn`.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from zoo.layers.sequence_input import SequenceInput, lengths_of, masked_max, masked_mean
from zoo.layers.temporal_convolution import TemporalEncoder
from zoo.layers.tied_linear import TiedLinear
from zoo.ranges import PositiveInt, Probability


class TCNClassifier(nn.Module):
    """Names the class of a text, of an image read column by column, or of a signal.

    Args:
        num_classes: K, number of classes.
        vocab_size: V, number of tokens; None where no tokens come.
        in_channels: C, channels of images or signals; None where tokens come.
        image_size: height and width of images in pixels, one number where they are equal.
        embed_dim: D, width of the vectors that are read; None for `hidden_size`.
        hidden_size: E, channels of each block.
        num_layers: number of blocks; the gaps double from one to the next.
        kernel_size: places that a convolution sees.
        pooling: how the places of a sequence become one: the last, their mean, or their largest values.
        activation: see `zoo.layers.activation`.
        dropout: probability to drop a feature.
        weight_norm: whether a filter's length is a number of its own.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        *,
        vocab_size: PositiveInt | None = None,
        in_channels: PositiveInt | None = None,
        image_size: int | Sequence[int] | None = None,
        embed_dim: PositiveInt | None = None,
        hidden_size: PositiveInt = 64,
        num_layers: PositiveInt = 5,
        kernel_size: PositiveInt = 3,
        pooling: Literal["last", "mean", "max"] = "max",
        activation: str = "relu",
        dropout: Probability = 0.1,
        weight_norm: bool = True,
    ) -> None:
        super().__init__()
        embed_dim = embed_dim or hidden_size
        self.input = SequenceInput(
            embed_dim, vocab_size=vocab_size, in_channels=in_channels, image_size=image_size, dropout=dropout
        )
        self.encoder = TemporalEncoder(
            embed_dim,
            hidden_size,
            num_layers=num_layers,
            kernel_size=kernel_size,
            activation=activation,
            dropout=dropout,
            weight_norm=weight_norm,
        )
        self.pooling = pooling
        self.head = nn.Linear(hidden_size, num_classes)

    def forward(
        self, inputs: Int64[Tensor, "B T"] | Float[Tensor, "B C H T"] | Float[Tensor, "B C T"]
    ) -> Float[Tensor, "B K"]:
        """Logits of the sequences; padding at their end is never seen, since no place sees those after it."""
        vectors, mask = self.input(inputs)  # (B, T, D)
        if mask is not None:
            mask[:, 0] = True  # an empty text is judged by its first place, whatever it is padded to
        features = self.encoder(vectors)  # (B, T, E)
        if self.pooling == "mean":
            pooled = masked_mean(features, mask)
        elif self.pooling == "max":
            pooled = masked_max(features, mask)
        elif mask is None:
            pooled = features[:, -1]
        else:
            pooled = features[torch.arange(mask.shape[0], device=mask.device), lengths_of(mask) - 1]
        logits: Tensor = self.head(pooled)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """The input, each block, and the head."""
        return [[self.input], *self.encoder.layer_groups(), [self.head]]


class TCNLanguageModel(nn.Module):
    """Says which token comes next, from the tokens up to each place.

    Args:
        vocab_size: V, number of tokens.
        embed_dim: D, width of the embedding; None for `hidden_size`.
        hidden_size: E, channels of each block.
        num_layers: number of blocks; the gaps double from one to the next.
        kernel_size: places that a convolution sees.
        tie_embeddings: whether the head has the weights of the embedding, behind a projection to its width.
        activation: see `zoo.layers.activation`.
        dropout: probability to drop a feature.
        weight_norm: whether a filter's length is a number of its own.
    """

    def __init__(
        self,
        vocab_size: PositiveInt,
        *,
        embed_dim: PositiveInt | None = None,
        hidden_size: PositiveInt = 128,
        num_layers: PositiveInt = 5,
        kernel_size: PositiveInt = 3,
        tie_embeddings: bool = True,
        activation: str = "relu",
        dropout: Probability = 0.1,
        weight_norm: bool = True,
    ) -> None:
        super().__init__()
        embed_dim = embed_dim or hidden_size
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.dropout = nn.Dropout(dropout)
        self.encoder = TemporalEncoder(
            embed_dim,
            hidden_size,
            num_layers=num_layers,
            kernel_size=kernel_size,
            activation=activation,
            dropout=dropout,
            weight_norm=weight_norm,
        )
        # Features of the last activation are never negative, rows of an embedding are: a layer must stand between.
        self.projection = nn.Linear(hidden_size, embed_dim) if tie_embeddings else None
        self.head: TiedLinear | nn.Linear = (
            TiedLinear(vocab_size) if tie_embeddings else nn.Linear(hidden_size, vocab_size)
        )

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each place."""
        features = self.encoder(self.dropout(self.embedding(tokens)))  # (B, T, E)
        if isinstance(self.head, TiedLinear):
            assert self.projection is not None
            tied: Tensor = self.head(self.projection(features), self.embedding.weight)
            return tied
        logits: Tensor = self.head(features)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """The embedding, each block (the last one with the projection), and the head."""
        *blocks, last = self.encoder.layer_groups()
        projection: list[nn.Module] = [] if self.projection is None else [self.projection]
        return [[self.embedding], *blocks, [*last, *projection], [self.head]]
