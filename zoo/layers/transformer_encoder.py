"""A stack of Transformer blocks that see the whole sequence, and the norm after them."""

from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn

from zoo.layers.drop_path import drop_path_rates
from zoo.layers.transformer_block import TokenNorm, TransformerBlock, make_token_norm
from zoo.ranges import PositiveInt, Probability


class TransformerEncoder(nn.Module):
    """Features of a sequence from features of it.

    Args:
        embed_dim: D, width of the features.
        num_heads: heads of attention; divides `embed_dim`.
        num_layers: number of blocks.
        norm: "layer" or "rms".
        drop_path: probability that a sample skips a layer of the last block during training; it rises linearly from 0
            at the first.
        options: of each `TransformerBlock`.
    """

    def __init__(
        self,
        embed_dim: PositiveInt,
        num_heads: PositiveInt,
        *,
        num_layers: PositiveInt,
        norm: TokenNorm = "layer",
        drop_path: Probability = 0.0,
        **options: Any,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, norm=norm, drop_path=rate, **options)
            for rate in drop_path_rates(drop_path, num_layers)
        )
        self.norm = make_token_norm(norm, embed_dim)

    def forward(
        self, features: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Features of the same places; `mask` says which are no padding."""
        for block in self.blocks:
            features = block(features, mask=mask)
        out: Tensor = self.norm(features)
        return out

    def layer_groups(self) -> list[list[nn.Module]]:
        """Each block, the last one with the norm."""
        *blocks, last = self.blocks
        return [*([block] for block in blocks), [last, self.norm]]
