"""Classifier that reads a sequence with a Transformer encoder.

Ashish Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762; the class token is of Jacob Devlin et al.,
"BERT", 2018, arXiv:1810.04805. Where we deviate: the norm stands before each layer, and positions turn queries and keys
unless `positions` says otherwise.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from zoo.layers.attention_pooling import AttentionPooling
from zoo.layers.class_token import ClassToken
from zoo.layers.positions import LearnedPositions, RotaryPositions, SinusoidalPositions
from zoo.layers.sequence_input import SequenceInput, masked_max, masked_mean
from zoo.layers.transformer_block import TokenNorm, initialize_transformer
from zoo.layers.transformer_encoder import TransformerEncoder
from zoo.ranges import PositiveInt, Probability


class TransformerClassifier(nn.Module):
    """Names the class of a text, of an image read column by column, or of a signal.

    Args:
        num_classes: K, number of classes.
        vocab_size: V, number of tokens; None where no tokens come.
        in_channels: C, channels of images or signals; None where tokens come.
        image_size: height and width of images in pixels, one number where they are equal.
        max_length: the longest text in tokens; asked for by learned positions alone.
        embed_dim: D, width of the features.
        num_layers: number of blocks.
        num_heads: heads of attention; divides `embed_dim`.
        positions: "rotary" ones turn queries and keys; "sinusoidal" waves and "learned" vectors are added.
        norm: "layer" or "rms".
        activation: a name that `make_activation` knows, or "swiglu".
        hidden_size: width within a feed-forward layer; None for 4 D, with "swiglu" 8/3 D.
        pooling: how the places become one: what a class token has gathered ("cls"), their mean, their largest values,
            or a weighted sum ("attention").
        dropout: probability to drop a feature of the input, of what each layer adds, and before the head.
        attention_dropout: probability to drop the weight of a place.
        drop_path: probability that a sample skips a layer of the last block; it rises linearly from 0 at the first.

    Raises:
        ValueError: positions are to be learned, and the longest sequence is not known.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        *,
        vocab_size: PositiveInt | None = None,
        in_channels: PositiveInt | None = None,
        image_size: int | Sequence[int] | None = None,
        max_length: PositiveInt | None = None,
        embed_dim: PositiveInt = 128,
        num_layers: PositiveInt = 2,
        num_heads: PositiveInt = 4,
        positions: Literal["rotary", "sinusoidal", "learned"] = "rotary",
        norm: TokenNorm = "layer",
        activation: str = "gelu",
        hidden_size: PositiveInt | None = None,
        pooling: Literal["cls", "mean", "max", "attention"] = "mean",
        dropout: Probability = 0.1,
        attention_dropout: Probability = 0.0,
        drop_path: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.input = SequenceInput(
            embed_dim, vocab_size=vocab_size, in_channels=in_channels, image_size=image_size, dropout=dropout
        )
        self.positions: nn.Module | None = None
        if positions == "sinusoidal":
            self.positions = SinusoidalPositions(embed_dim)
        elif positions == "learned":
            self.positions = LearnedPositions(embed_dim, _longest(max_length, image_size))
        self.class_token = ClassToken(embed_dim) if pooling == "cls" else None
        self.encoder = TransformerEncoder(
            embed_dim,
            num_heads,
            num_layers=num_layers,
            rotary=RotaryPositions(embed_dim // num_heads) if positions == "rotary" else None,
            norm=norm,
            activation=activation,
            hidden_size=hidden_size,
            dropout=dropout,
            attention_dropout=attention_dropout,
            drop_path=drop_path,
        )
        self.pooling = pooling
        self.attention = AttentionPooling(embed_dim) if pooling == "attention" else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(embed_dim, num_classes)
        initialize_transformer(self.encoder)

    def forward(
        self, inputs: Int64[Tensor, "B T"] | Float[Tensor, "B C H T"] | Float[Tensor, "B C T"]
    ) -> Float[Tensor, "B K"]:
        """Logits of the sequences."""
        features, mask = self.input(inputs)  # (B, T, D)
        if mask is not None:
            mask[:, 0] = True  # an empty text is judged by its first place, whatever it is padded to
        if self.positions is not None:
            features = self.positions(features)
        if self.class_token is not None:
            features = self.class_token(features)  # (B, 1 + T, D)
            mask = None if mask is None else torch.cat([mask.new_ones(mask.shape[0], 1), mask], dim=1)
        features = self.encoder(features, mask)
        logits: Tensor = self.head(self.dropout(self._pool(features, mask)))  # (B, K)
        return logits

    def _pool(self, features: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, "B D"]:
        if self.attention is not None:
            pooled: Tensor = self.attention(features, mask)
            return pooled
        if self.pooling == "cls":
            return features[:, 0]
        return masked_max(features, mask) if self.pooling == "max" else masked_mean(features, mask)

    def layer_groups(self) -> list[list[nn.Module]]:
        """The input with what is added to it, each block (the last one with norm and attention), and the head."""
        added = [module for module in (self.positions, self.class_token) if module is not None]
        *blocks, last = self.encoder.layer_groups()
        attention: list[nn.Module] = [] if self.attention is None else [self.attention]
        return [[self.input, *added], *blocks, [*last, *attention], [self.head]]


def _longest(max_length: int | None, image_size: int | Sequence[int] | None) -> int:
    sides = [image_size] if isinstance(image_size, int) else list(image_size or [])
    if max_length is None and not sides:
        raise ValueError("positions learned: max_length must be known; give it, or set positions to rotary")
    return max_length or sides[-1]
