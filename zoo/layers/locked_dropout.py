"""Dropout that drops the same features at every step of a sequence.

Yarin Gal, Zoubin Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2015,
arXiv:1512.05287. Noise that is new at each step is averaged out over time; this is not.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.ranges import Probability


class LockedDropout(nn.Module):
    """Drops features of whole sequences.

    Args:
        p: probability to drop a feature of a sequence.
    """

    def __init__(self, p: Probability = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, features: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """The features with some zero from first to last, the others larger by 1 / (1 - p); as they are in eval."""
        if not self.training or self.p == 0:
            return features
        return features * F.dropout(features.new_ones(features.shape[0], 1, features.shape[2]), self.p)

    def extra_repr(self) -> str:
        """The probability, for printing."""
        return f"p={self.p:g}"
