"""Where in a sequence a vector stands: attention itself does not see it.

Learned: Jonas Gehring et al., "Convolutional Sequence to Sequence Learning", 2017, arXiv:1705.03122. Sinusoidal: Ashish
Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762, section 3.5. Rotary: Jianlin Su et al., "RoFormer",
2021, arXiv:2104.09864; feature i is rotated with feature i + d/2, as in most code, where the paper pairs neighbours:
the same up to the order of features, which are learned.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.ranges import PositiveFloat, PositiveInt


class LearnedPositions(nn.Module):
    """A vector for each place, learned and added.

    Args:
        embed_dim: D, width of the vectors.
        context_length: the number of places.
    """

    def __init__(self, embed_dim: PositiveInt, context_length: PositiveInt) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(context_length, embed_dim))
        nn.init.normal_(self.embedding, std=0.02)

    def forward(self, features: Float[Tensor, "B T D"], start: int = 0) -> Float[Tensor, "B T D"]:
        """The features of the places from `start` on, each with its vector added.

        Raises:
            ValueError: there are more places than vectors.
        """
        stop, most = start + features.shape[1], self.embedding.shape[0]
        if stop > most:
            raise ValueError(f"sequence of {stop}: must be at most context_length {most}; shorten it or raise that")
        return features + self.embedding[start:stop]


class _Table(nn.Module):
    """Rows that are computed, not learned: a function of the place.

    They are no buffer: in half precision they would lose the place, and ranks that read sequences of unequal length
    would hold buffers of unequal size.

    Args:
        width: numbers in a row.
        base: the longest wave is 2 pi times that.
    """

    def __init__(self, width: PositiveInt, base: PositiveFloat) -> None:
        super().__init__()
        self.width, self.base = width, base
        self._table = torch.empty(0)

    def rows(self, start: int, stop: int, like: Tensor) -> Tensor:
        """The rows of some places, in the precision and on the device of a tensor."""
        table = self._table
        if stop > table.shape[0] or table.device != like.device or table.dtype != like.dtype:
            length = max(stop, 2 * table.shape[0], 64)
            with torch.inference_mode(False):  # made in evaluation, it has to serve training too
                self._table = table = self._compute(length).to(like.device, like.dtype)
        return table[start:stop]

    def _compute(self, length: int) -> Tensor:
        raise NotImplementedError

    def _angles(self, length: int) -> Float[Tensor, "L half"]:
        exponents = torch.arange(0, self.width, 2, dtype=torch.float64) / self.width
        return torch.outer(torch.arange(length, dtype=torch.float64), self.base**-exponents)


class SinusoidalPositions(_Table):
    """Waves of many lengths, added; a sequence may be of any length.

    Args:
        embed_dim: D, width of the vectors.
        base: the longest wave is 2 pi times that.
    """

    def __init__(self, embed_dim: PositiveInt, *, base: PositiveFloat = 10_000.0) -> None:
        super().__init__(embed_dim, base)

    def forward(self, features: Float[Tensor, "B T D"], start: int = 0) -> Float[Tensor, "B T D"]:
        """The features of the places from `start` on, each with its waves added."""
        return features + self.rows(start, start + features.shape[1], features)

    def _compute(self, length: int) -> Float[Tensor, "L D"]:
        angles = self._angles(length)
        waves = torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)  # sine and cosine take turns
        return waves[:, : self.width]


class RotaryPositions(_Table):
    """Turns pairs of features of queries and keys by an angle for each place, so that only distances count.

    Args:
        head_dim: d, width of a head, even.
        base: the longest wave is 2 pi times that.

    Raises:
        ValueError: the width is odd.
    """

    def __init__(self, head_dim: PositiveInt, *, base: PositiveFloat = 10_000.0) -> None:
        super().__init__(head_dim, base)
        if head_dim % 2:
            raise ValueError(f"head width {head_dim}: must be even for rotary positions; change num_heads or embed_dim")

    def forward(self, heads: Float[Tensor, "B T H d"], start: int = 0) -> Float[Tensor, "B T H d"]:
        """The heads of the places from `start` on, rotated."""
        cosine, sine = self.rows(start, start + heads.shape[1], heads).unbind(1)  # (T, 1, d / 2)
        first, second = heads.chunk(2, dim=3)
        return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=3)

    def _compute(self, length: int) -> Float[Tensor, "L 2 1 half"]:
        angles = self._angles(length)
        return torch.stack((angles.cos(), angles.sin()), dim=1).unsqueeze(2)
