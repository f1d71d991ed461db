"""What a Transformer computes at each place by itself: two layers with an activation between them, or a gated one.

Ashish Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762, section 3.3; SwiGLU: Noam Shazeer, "GLU
Variants Improve Transformer", 2020, arXiv:2002.05202.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.activation import make_activation
from zoo.ranges import PositiveInt, Probability


class FeedForward(nn.Module):
    """project(activation(expand(x))).

    Args:
        embed_dim: D, width of the features.
        hidden_size: width between the layers; None for 4 D.
        activation: a name that `make_activation` knows.
        dropout: probability to drop a value between the layers.
        bias: whether they add one.
    """

    def __init__(
        self,
        embed_dim: PositiveInt,
        *,
        hidden_size: PositiveInt | None = None,
        activation: str = "gelu",
        dropout: Probability = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        hidden_size = hidden_size or 4 * embed_dim
        self.expand = nn.Linear(embed_dim, hidden_size, bias=bias)
        self.activation = make_activation(activation)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(hidden_size, embed_dim, bias=bias)

    def forward(self, features: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Features of the same places."""
        out: Tensor = self.project(self.dropout(self.activation(self.expand(features))))
        return out


class SwiGLU(nn.Module):
    """project(silu(W x) * (V x)), where W and V lie in one matrix.

    Args:
        embed_dim: D, width of the features.
        hidden_size: width between the layers; None for 8/3 D, rounded up to a multiple of 8, which has as many weights
            as `FeedForward`.
        dropout: probability to drop a value between the layers.
        bias: whether they add one.
    """

    def __init__(
        self,
        embed_dim: PositiveInt,
        *,
        hidden_size: PositiveInt | None = None,
        dropout: Probability = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        hidden_size = hidden_size or -(-embed_dim // 3) * 8
        self.expand = nn.Linear(embed_dim, 2 * hidden_size, bias=bias)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(hidden_size, embed_dim, bias=bias)

    def forward(self, features: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Features of the same places."""
        gate, value = self.expand(features).chunk(2, dim=2)
        out: Tensor = self.project(self.dropout(F.silu(gate) * value))
        return out


def make_feed_forward(
    activation: str,
    embed_dim: int,
    *,
    hidden_size: int | None = None,
    dropout: float = 0.0,
    bias: bool = True,
) -> FeedForward | SwiGLU:
    """A new layer: `SwiGLU` where the activation is "swiglu", else `FeedForward`; the arguments are theirs."""
    if activation == "swiglu":
        return SwiGLU(embed_dim, hidden_size=hidden_size, dropout=dropout, bias=bias)
    return FeedForward(embed_dim, hidden_size=hidden_size, activation=activation, dropout=dropout, bias=bias)
