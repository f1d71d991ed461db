"""The block that Transformers are stacks of, and how its weights start.

Ashish Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762. The norm stands before each layer, not after
the sum: Ruibin Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020, arXiv:2002.04745. RMSNorm:
Biao Zhang, Rico Sennrich, 2019, arXiv:1910.07467.
"""

import math
from functools import partial
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from zoo.layers.attention import MultiHeadAttention
from zoo.layers.drop_path import DropPath
from zoo.layers.feed_forward import FeedForward, SwiGLU, make_feed_forward
from zoo.layers.kv_cache import KeyValueCache
from zoo.layers.positions import RotaryPositions
from zoo.ranges import PositiveInt, Probability

TokenNorm = Literal["layer", "rms"]


def make_token_norm(name: TokenNorm, embed_dim: int, *, bias: bool = True) -> nn.LayerNorm | nn.RMSNorm:
    """A new norm of the features of each place by itself; RMSNorm has no bias."""
    return nn.RMSNorm(embed_dim, eps=1e-6) if name == "rms" else nn.LayerNorm(embed_dim, eps=1e-6, bias=bias)


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then, where there is a memory, x + attention(norm(x), memory), then x + mlp(norm(x)).

    Args:
        embed_dim: D, width of the features.
        num_heads: number of heads; divides `embed_dim`.
        num_kv_heads: heads of keys and values; None for as many.
        has_memory: whether it also attends to another sequence.
        causal: whether a place sees only those up to itself.
        rotary: turns queries and keys by their places; None where the features hold these already.
        hidden_size: width within the feed-forward layer; None for its default.
        activation: a name that `make_activation` knows, or "swiglu".
        norm: "layer" or "rms".
        dropout: probability to drop a feature of what each layer adds.
        attention_dropout: probability to drop the weight of a place; see `MultiHeadAttention`.
        drop_path: probability that a sample skips a layer during training.
        bias: whether linear layers and layer norms add one.
    """

    def __init__(
        self,
        embed_dim: PositiveInt,
        num_heads: PositiveInt,
        *,
        num_kv_heads: PositiveInt | None = None,
        has_memory: bool = False,
        causal: bool = False,
        rotary: RotaryPositions | None = None,
        hidden_size: PositiveInt | None = None,
        activation: str = "gelu",
        norm: TokenNorm = "layer",
        dropout: Probability = 0.0,
        attention_dropout: Probability = 0.0,
        drop_path: Probability = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        make_attention = partial(
            MultiHeadAttention, embed_dim, num_heads, num_kv_heads=num_kv_heads, dropout=attention_dropout, bias=bias
        )
        self.attention_norm = make_token_norm(norm, embed_dim, bias=bias)
        self.attention = make_attention(causal=causal, rotary=rotary)
        if has_memory:
            self.memory_norm = make_token_norm(norm, embed_dim, bias=bias)
            self.memory_attention = make_attention()
        self.mlp_norm = make_token_norm(norm, embed_dim, bias=bias)
        self.mlp = make_feed_forward(activation, embed_dim, hidden_size=hidden_size, bias=bias)
        self.dropout = nn.Dropout(dropout)
        self.drop_path = DropPath(drop_path)

    def forward(
        self,
        features: Float[Tensor, "B T D"],
        memory: Float[Tensor, "B S D"] | None = None,
        *,
        mask: Bool[Tensor, "B T"] | None = None,
        memory_mask: Bool[Tensor, "B S"] | None = None,
        caches: tuple[KeyValueCache, ...] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Features of the same places.

        Args:
            features: of a sequence.
            memory: features of the other sequence.
            mask: which places are no padding; None where all are.
            memory_mask: the same of the memory.
            caches: of its attention, and of that to the memory.
        """
        own, other = (*(caches or ()), None, None)[:2]
        gathered = self.attention(self.attention_norm(features), mask=mask, cache=own)
        features = features + self.drop_path(self.dropout(gathered))
        if memory is not None:
            gathered = self.memory_attention(self.memory_norm(features), memory, mask=memory_mask, cache=other)
            features = features + self.drop_path(self.dropout(gathered))
        out: Tensor = features + self.drop_path(self.dropout(self.mlp(self.mlp_norm(features))))
        return out

    def zero_residual(self) -> None:
        """Starts as the identity: what each layer adds is zero."""
        for module in self.modules():
            if isinstance(module, MultiHeadAttention | FeedForward | SwiGLU):
                for parameter in module.project.parameters():
                    nn.init.zeros_(parameter)


def initialize_transformer(model: nn.Module) -> None:
    """Sets the weights as GPT-2 does: normal, of deviation 0.02; biases zero; what is added to the stream, less.

    The layers that add, of which a model has N, start smaller by √N, so that the stream keeps its scale in any depth.

    Args:
        model: a model with `TransformerBlock`s; its convolutions and norms keep their weights.
    """
    adding = [module for module in model.modules() if isinstance(module, MultiHeadAttention | FeedForward | SwiGLU)]
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])
    for module in adding:
        nn.init.normal_(module.project.weight, std=0.02 / math.sqrt(len(adding)))
