"""A score of features, and of how well they go with a class.

Takeru Miyato, Masanori Koyama, "cGANs with Projection Discriminator", 2018, arXiv:1802.05637.
"""

from jaxtyping import Float, Int64
from torch import Tensor, nn


class ProjectionScore(nn.Module):
    """A linear score, plus the product of the features with a vector of the class.

    Args:
        in_features: F.
        num_classes: number of classes; None for the linear score alone.
    """

    def __init__(self, in_features: int, num_classes: int | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, 1)
        self.embedding = None if num_classes is None else nn.Embedding(num_classes, in_features)
        if self.embedding is not None:
            nn.init.xavier_uniform_(self.embedding.weight)

    def forward(self, features: Float[Tensor, "B F"], labels: Int64[Tensor, "B"] | None = None) -> Float[Tensor, "B"]:
        """Scores, high where features look real and of their class."""
        scores: Tensor = self.linear(features).squeeze(1)
        if self.embedding is None:
            return scores
        assert labels is not None, "a conditional network is called with labels"
        scores = scores + (self.embedding(labels) * features).sum(1)
        return scores
