"""How a decoder looks back at what an encoder has read: each step weighs the places of the other sequence.

Additive: Dzmitry Bahdanau, Kyunghyun Cho, Yoshua Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate", 2014, arXiv:1409.0473. Dot: Minh-Thang Luong, Hieu Pham, Christopher D. Manning, "Effective Approaches to
Attention-based Neural Machine Translation", 2015, arXiv:1508.04025; with a matrix between query and memory, which they
call "general", since an encoder in both directions is wider than its decoder.
"""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from zoo.ranges import PositiveInt


class EncoderAttention(nn.Module):
    """Weighs the places of a memory by their scores, w = softmax(score(query, place)), and sums them up.

    Args:
        memory_size: E, width of the memory.
        key_size: A, width in which query and memory meet.
        bias: whether the layer that makes the keys adds one.
    """

    def __init__(self, memory_size: PositiveInt, key_size: PositiveInt, *, bias: bool = False) -> None:
        super().__init__()
        self.key = nn.Linear(memory_size, key_size, bias=bias)

    def keys(self, memory: Float[Tensor, "B S E"]) -> Float[Tensor, "B S A"]:
        """What queries are compared with: the same for all of them, so that it is computed once."""
        keys: Tensor = self.key(memory)
        return keys

    def scores(self, queries: Float[Tensor, "B T H"], keys: Float[Tensor, "B S A"]) -> Float[Tensor, "B T S"]:
        """How well each place goes with each query."""
        raise NotImplementedError

    def forward(
        self,
        queries: Float[Tensor, "B T H"],
        memory: Float[Tensor, "B S E"],
        keys: Float[Tensor, "B S A"],
        mask: Bool[Tensor, "B S"],
    ) -> tuple[Float[Tensor, "B T E"], Float[Tensor, "B T S"]]:
        """The weighted sums of the memory, and the weights, which add up to one and are zero at padding.

        Args:
            queries: states of the decoder.
            memory: what the encoder gave.
            keys: what `keys` has made of it.
            mask: which of its places are no padding, at least one of each sequence.
        """
        scores = self.scores(queries, keys)
        scores = scores.masked_fill(~mask.unsqueeze(1), float("-inf"))
        weights = scores.softmax(dim=2).to(memory.dtype)
        return weights @ memory, weights


class AdditiveAttention(EncoderAttention):
    """score(q, m) = v · tanh(W q + U m + b).

    Args:
        query_size: H, width of a query.
        memory_size: E, width of the memory.
        hidden_size: A, width of the layer that scores; None for that of a query.
    """

    def __init__(
        self, query_size: PositiveInt, memory_size: PositiveInt, *, hidden_size: PositiveInt | None = None
    ) -> None:
        hidden_size = hidden_size or query_size
        super().__init__(memory_size, hidden_size, bias=True)
        self.query = nn.Linear(query_size, hidden_size, bias=False)
        self.score = nn.Linear(hidden_size, 1, bias=False)  # softmax would take a bias out again

    def scores(self, queries: Float[Tensor, "B T H"], keys: Float[Tensor, "B S A"]) -> Float[Tensor, "B T S"]:
        """How well each place goes with each query; takes memory for all pairs of them."""
        hidden = self.query(queries).unsqueeze(2) + keys.unsqueeze(1)  # (B, T, S, A)
        scores: Tensor = self.score(hidden.tanh()).squeeze(3)
        return scores


class DotAttention(EncoderAttention):
    """score(q, m) = q · W m.

    Args:
        query_size: H, width of a query.
        memory_size: E, width of the memory.
    """

    def __init__(self, query_size: PositiveInt, memory_size: PositiveInt) -> None:
        super().__init__(memory_size, query_size)

    def scores(self, queries: Float[Tensor, "B T H"], keys: Float[Tensor, "B S A"]) -> Float[Tensor, "B T S"]:
        """How well each place goes with each query."""
        return queries @ keys.transpose(1, 2)
