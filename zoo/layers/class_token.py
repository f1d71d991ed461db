"""A place of its own, before all others, that gathers what the class depends on.

Jacob Devlin et al., "BERT", 2018, arXiv:1810.04805.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.ranges import PositiveInt


class ClassToken(nn.Module):
    """Puts a learned vector before each sequence.

    Args:
        embed_dim: D, width of the features.
    """

    def __init__(self, embed_dim: PositiveInt) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(embed_dim))
        nn.init.normal_(self.token, std=0.02)

    def forward(self, features: Float[Tensor, "B T D"]) -> Float[Tensor, "B 1+T D"]:
        """The sequences, longer by one."""
        return torch.cat([self.token.expand(features.shape[0], 1, -1), features], dim=1)
