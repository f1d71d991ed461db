"""Audio Spectrogram Transformer: a spectrogram is a sequence of patches that overlap.

Yuan Gong, Yu-An Chung, James Glass, "AST", 2021, arXiv:2104.01778. Where we deviate: it starts from random weights, not
from those of an image model, and is small; one class token instead of two.
"""

from collections.abc import Sequence
from typing import Literal

from zoo.layers.transformer_block import TokenNorm
from zoo.models.transformer.vit import ViT
from zoo.ranges import PositiveInt, Probability


class AST(ViT):
    """Names the class of a spectrogram of any length.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the spectrogram.
        image_size: F and T, frequencies and frames.
        patch_size: side of a patch.
        stride: step from one patch to the next, along both sides; patches overlap where it is less than their side,
            and zeros fill up what the last ones lack.
        embed_dim: D, width of the features.
        num_layers: number of blocks.
        num_heads: heads of attention; divides `embed_dim`.
        norm: "layer" or "rms".
        activation: a name that `make_activation` knows, or "swiglu".
        hidden_size: width within a feed-forward layer; None for 4 D, with "swiglu" 8/3 D.
        pooling: how the patches become one: what a class token has gathered ("cls"), or their mean.
        dropout: probability to drop a feature of the input and of what each layer adds.
        attention_dropout: probability to drop the weight of a patch.
        drop_path: probability that a sample skips a layer of the last block; it rises linearly from 0 at the first.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        *,
        in_channels: PositiveInt = 1,
        image_size: PositiveInt | Sequence[PositiveInt] = (128, 100),
        patch_size: PositiveInt = 16,
        stride: PositiveInt = 10,
        embed_dim: PositiveInt = 128,
        num_layers: PositiveInt = 4,
        num_heads: PositiveInt = 4,
        norm: TokenNorm = "layer",
        activation: str = "gelu",
        hidden_size: PositiveInt | None = None,
        pooling: Literal["cls", "mean"] = "cls",
        dropout: Probability = 0.0,
        attention_dropout: Probability = 0.0,
        drop_path: Probability = 0.0,
    ) -> None:
        super().__init__(
            num_classes,
            in_channels=in_channels,
            image_size=image_size,
            patch_size=patch_size,
            stride=stride,
            embed_dim=embed_dim,
            num_layers=num_layers,
            num_heads=num_heads,
            norm=norm,
            activation=activation,
            hidden_size=hidden_size,
            pooling=pooling,
            dropout=dropout,
            attention_dropout=attention_dropout,
            drop_path=drop_path,
        )
