"""Embedding that forgets some words altogether for a batch.

Yarin Gal, Zoubin Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2015,
arXiv:1512.05287, section 4.2.
"""

from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.ranges import PositiveInt, Probability


class DropoutEmbedding(nn.Embedding):
    """Looks tokens up; while it trains, a token that is dropped is zero wherever it stands in the batch.

    Args:
        num_embeddings: V, number of tokens.
        embedding_dim: D, width of their vectors.
        dropout: probability to drop a token.
        options: of `torch.nn.Embedding`.
    """

    def __init__(
        self, num_embeddings: PositiveInt, embedding_dim: PositiveInt, *, dropout: Probability = 0.0, **options: Any
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, **options)
        self.dropout = dropout

    def forward(self, input: Int64[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Vectors of the tokens."""
        vectors = super().forward(input)
        if not self.training or self.dropout == 0:
            return vectors
        # Rows of the table need not be multiplied, only those that were looked up.
        factors = F.dropout(self.weight.new_ones(self.num_embeddings), self.dropout)
        return vectors * factors[input].unsqueeze(2)
