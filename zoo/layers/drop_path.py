"""Stochastic depth: during training each sample skips a residual branch with some probability.

Gao Huang et al., "Deep Networks with Stochastic Depth", 2016, arXiv:1603.09382. Drawn per sample, not per batch, and
scaled during training instead of in evaluation, as has become usual.
"""

from jaxtyping import Float
from torch import Tensor, nn

from zoo.ranges import Probability


class DropPath(nn.Module):
    """Zero the whole residual branch of a sample with probability `p`, and scale the others by 1 / (1 - p).

    Args:
        p: probability of dropping, from 0 to below 1.
    """

    def __init__(self, p: Probability = 0.0) -> None:
        super().__init__()
        self.p = p

    def forward(self, residual: Float[Tensor, "B *rest"]) -> Float[Tensor, "B *rest"]:
        """The branch itself in evaluation; the expectation over the draws equals it in training."""
        if not self.training or self.p == 0:
            return residual
        keep = 1 - self.p
        mask = residual.new_empty(residual.shape[0], *[1] * (residual.ndim - 1)).bernoulli_(keep)
        return residual * mask.div_(keep)

    def extra_repr(self) -> str:
        """The probability, for `print(model)`."""
        return f"p={self.p:g}"


def drop_path_rates(drop_path: float, num_blocks: int) -> list[float]:
    """The linear decay rule of the paper: the first block is never dropped, the last one with probability `drop_path`.

    Args:
        drop_path: probability for the last block, from 0 to below 1.
        num_blocks: number of residual blocks, at least 1.

    Returns:
        One probability per block.
    """
    return [drop_path * index / max(num_blocks - 1, 1) for index in range(num_blocks)]
