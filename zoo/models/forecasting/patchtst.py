"""PatchTST: a Transformer whose words are patches of a series, and which reads each series by itself.

Yuqi Nie, Nam H. Nguyen, Phanwadee Sinthong, Jayant Kalagnanam, "A Time Series is Worth 64 Words: Long-term Forecasting
with Transformers", 2023, arXiv:2211.14730. As in the paper the norm is that of a batch and stands after the sum. The
authors' program also adds the scores of attention from layer to layer, which is left out. Covariates are ours.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.attention import MultiHeadAttention
from zoo.layers.feed_forward import FeedForward
from zoo.models.forecasting.forecaster import Forecaster
from zoo.ranges import AtLeastTwo, NonNegativeInt, PositiveInt, Probability


class PatchTSTBlock(nn.Module):
    """norm(x + attention(x)), then norm(x + mlp(x)), with a norm over all patches of a batch.

    Args:
        embed_dim: D, width of the features.
        num_heads: number of heads; divides `embed_dim`.
        hidden_size: width within the feed-forward layer.
        dropout: probability to drop a feature of what each layer adds, and within the feed-forward layer.
        attention_dropout: probability to drop the weight of a patch.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, *, hidden_size: int, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(embed_dim, num_heads, dropout=attention_dropout)
        self.attention_norm = nn.BatchNorm1d(embed_dim)
        self.mlp = FeedForward(embed_dim, hidden_size=hidden_size, dropout=dropout)
        self.mlp_norm = nn.BatchNorm1d(embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Float[Tensor, "M P D"]) -> Float[Tensor, "M P D"]:
        """Features of the same patches."""
        features = _normalised(self.attention_norm, features + self.dropout(self.attention(features)))
        return _normalised(self.mlp_norm, features + self.dropout(self.mlp(features)))


def _normalised(norm: nn.BatchNorm1d, features: Float[Tensor, "M P D"]) -> Float[Tensor, "M P D"]:
    return norm(features.flatten(0, 1)).view_as(features)  # type: ignore[no-any-return]


class PatchTST(Forecaster):
    """Forecasts each target from its patches.

    Args:
        num_targets: N, series to forecast, the first channels of the input.
        num_covariates: V, series that are only read.
        lookback: L, steps that are seen.
        horizon: H, steps that are forecast.
        quantiles: what is forecast of each step; None for one number.
        patch_size: steps of a patch; the whole lookback where that is shorter.
        stride: steps from a patch to the next one. The last value goes on for a stride, so that it ends a patch.
        embed_dim: D, width of the features.
        num_heads: number of heads; divides `embed_dim`.
        hidden_size: width within the feed-forward layers.
        num_layers: number of blocks.
        dropout: probability to drop a feature.
        attention_dropout: probability to drop the weight of a patch in attention.
        head_dropout: probability to drop a feature before the head.
        rev_in: whether the level and scale of each window are taken out before, and put back after.
    """

    def __init__(
        self,
        *,
        num_targets: PositiveInt,
        num_covariates: NonNegativeInt = 0,
        lookback: AtLeastTwo,
        horizon: PositiveInt,
        quantiles: Sequence[float] | None = None,
        patch_size: PositiveInt = 16,
        stride: PositiveInt = 8,
        embed_dim: PositiveInt = 16,
        num_heads: PositiveInt = 4,
        hidden_size: PositiveInt = 128,
        num_layers: PositiveInt = 3,
        dropout: Probability = 0.3,
        attention_dropout: Probability = 0.0,
        head_dropout: Probability = 0.0,
        rev_in: bool = True,
    ) -> None:
        super().__init__(
            num_targets=num_targets,
            num_covariates=num_covariates,
            lookback=lookback,
            horizon=horizon,
            quantiles=quantiles,
            rev_in=rev_in,
            joins_covariates=True,
        )
        self.patch_size, self.stride = min(patch_size, lookback), stride
        num_patches = (lookback + stride - self.patch_size) // stride + 1
        self.embedding = nn.Linear(self.patch_size, embed_dim)
        self.positions = nn.Parameter(torch.empty(num_patches, embed_dim).uniform_(-0.02, 0.02))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            PatchTSTBlock(
                embed_dim,
                num_heads,
                hidden_size=hidden_size,
                dropout=dropout,
                attention_dropout=attention_dropout,
            )
            for _ in range(num_layers)
        )
        self.head_dropout = nn.Dropout(head_dropout)
        self.head = nn.Linear(num_patches * embed_dim, self.num_outputs)

    def forecast(self, targets: Float[Tensor, "B L N"], covariates: Float[Tensor, "B L V"]) -> Float[Tensor, "B N O"]:
        """What the patches of each target say."""
        series = F.pad(targets.transpose(1, 2), (0, self.stride), mode="replicate")  # (B, N, L + S)
        patches = series.unfold(2, self.patch_size, self.stride).flatten(0, 1)  # (B N, P, patch_size)
        features = self.dropout(self.embedding(patches) + self.positions)  # (B N, P, D)
        for block in self.blocks:
            features = block(features)
        outputs: Tensor = self.head(self.head_dropout(features.flatten(1)))
        return outputs.view(-1, self.num_targets, self.num_outputs)

    def layer_groups(self) -> list[list[nn.Module]]:
        """The patches, each block, and the head."""
        positions = nn.ParameterList([self.positions])
        return [
            [self.embedding, positions],
            *([block] for block in self.blocks),
            [*self.covariate_layers(), self.head],
        ]
