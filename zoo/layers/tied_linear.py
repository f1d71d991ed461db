"""The layer from features to words that uses the embedding's weight once more.

Ofir Press, Lior Wolf, "Using the Output Embedding to Improve Language Models", 2016, arXiv:1608.05859; Hakan Inan,
Khashayar Khosravi, Richard Socher, 2016, arXiv:1611.01462.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.ranges import PositiveInt


class TiedLinear(nn.Module):
    """A linear layer that owns its bias alone, so that the weight belongs to one module of the model.

    Args:
        out_features: V, number of words.
    """

    def __init__(self, out_features: PositiveInt) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, features: Float[Tensor, "*places D"], weight: Float[Tensor, "V D"]) -> Float[Tensor, "*places V"]:
        """Logits of the words whose vectors are the rows of `weight`."""
        return F.linear(features, weight, self.bias)
