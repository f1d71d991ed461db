"""A sequence summed up by what matters in it.

Zichao Yang et al., "Hierarchical Attention Networks for Document Classification", NAACL 2016, section 2.2; the score is
the additive one of Dzmitry Bahdanau, Kyunghyun Cho, Yoshua Bengio, 2014, arXiv:1409.0473.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from zoo.ranges import PositiveInt


class AttentionPooling(nn.Module):
    """Weighs the places of a sequence, w = softmax(v · tanh(W x + b)), and sums them up.

    Args:
        embed_dim: D, width of the features.
        hidden_size: width of the layer that scores a place; None for `embed_dim`.
    """

    def __init__(self, embed_dim: PositiveInt, *, hidden_size: PositiveInt | None = None) -> None:
        super().__init__()
        self.hidden = nn.Linear(embed_dim, hidden_size or embed_dim)
        self.score = nn.Linear(hidden_size or embed_dim, 1, bias=False)  # softmax would take a bias out again

    def forward(
        self, features: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B D"]:
        """The weighted sum over the places that are no padding; over all where `mask` is None."""
        return torch.einsum("bt,btd->bd", self.weights(features, mask), features)

    def weights(
        self, features: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T"]:
        """How much each place counts: they add up to one, and padding is zero."""
        scores: Tensor = self.score(self.hidden(features).tanh()).squeeze(2)  # (B, T)
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        return scores.softmax(dim=1)
