"""Vision Transformer: an image is a sequence of patches.

Alexey Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020, arXiv:2010.11929. Where we deviate: patches are small
by default, since the images here often are; the position of the class token is part of the token.
"""

import math
from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.class_token import ClassToken
from zoo.layers.grid_positions import GridPositions
from zoo.layers.image import height_and_width
from zoo.layers.transformer_block import TokenNorm, initialize_transformer
from zoo.layers.transformer_encoder import TransformerEncoder
from zoo.ranges import PositiveInt, Probability

_MOST_PATCHES = 64  # where their side is not given
_TELLING_SIDE = 4  # pixels: of digits of 8 x 8, patches of 4, 2 and 1 reach 90, 62 and 21 %


class ViT(nn.Module):
    """Names the class of an image.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the image.
        image_size: height and width in pixels, one number where they are equal.
        patch_size: side of a patch in pixels; None for the smallest from 4 on that divides both sides and
            gives at most 64.
        stride: step from a patch to the next in pixels, with zeros where the last ones reach beyond the image; None for
            the side of a patch, which must divide both sides then.
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

    Raises:
        ValueError: the patches do not fill the image; the message names those that do.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        *,
        in_channels: PositiveInt = 3,
        image_size: PositiveInt | Sequence[PositiveInt] = 32,
        patch_size: PositiveInt | None = None,
        stride: PositiveInt | None = None,
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
        super().__init__()
        height, width = height_and_width(image_size)
        if stride is None:
            patch_size = _without_rest(height, width, patch_size)
        self.patch_size = patch_size or 16
        self.stride = stride or self.patch_size
        self.embedding = nn.Conv2d(in_channels, embed_dim, self.patch_size, self.stride)
        self.positions = GridPositions(embed_dim, self._count(height), self._count(width))
        self.class_token = ClassToken(embed_dim) if pooling == "cls" else None
        self.dropout = nn.Dropout(dropout)
        self.encoder = TransformerEncoder(
            embed_dim,
            num_heads,
            num_layers=num_layers,
            norm=norm,
            activation=activation,
            hidden_size=hidden_size,
            dropout=dropout,
            attention_dropout=attention_dropout,
            drop_path=drop_path,
        )
        self.head = nn.Linear(embed_dim, num_classes)
        initialize_transformer(self)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Logits of the images; those of another size than the model's take interpolated positions."""
        features = self.positions(self.embedding(self._filled_up(images)))  # (B, T, D)
        if self.class_token is not None:
            features = self.class_token(features)  # (B, 1 + T, D)
        features = self.encoder(self.dropout(features))
        pooled = features[:, 0] if self.class_token is not None else features.mean(1)  # (B, D)
        logits: Tensor = self.head(pooled)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """The patches with what is added to them, each block (the last one with the norm), and the head."""
        token: list[nn.Module] = [] if self.class_token is None else [self.class_token]
        return [[self.embedding, self.positions, *token], *self.encoder.layer_groups(), [self.head]]

    def _count(self, side: int) -> int:
        """How many patches reach all pixels of a side."""
        return -(-max(side - self.patch_size, 0) // self.stride) + 1

    def _filled_up(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """The images with zeros at their ends where the last patches reach beyond them."""
        sides = images.shape[2:]
        beyond = [(self._count(side) - 1) * self.stride + self.patch_size - side for side in sides]
        return F.pad(images, (0, beyond[1], 0, beyond[0])) if any(beyond) else images


def _without_rest(height: int, width: int, patch_size: int | None) -> int:
    """The side of patches that fill an image.

    Raises:
        ValueError: those that are asked for do not.
    """
    both = math.gcd(height, width)
    fitting = [side for side in range(1, both + 1) if both % side == 0]
    if patch_size is None:
        few = [side for side in fitting if height * width <= _MOST_PATCHES * side**2]
        telling = [side for side in few if _TELLING_SIDE <= side < both]
        return min(telling or few, default=both)
    if patch_size not in fitting:
        raise ValueError(
            f"image {height}x{width}: sides must be multiples of patch_size {patch_size}; "
            f"set model.patch_size to one of {', '.join(map(str, fitting))}, or resize with data.image_size"
        )
    return patch_size
