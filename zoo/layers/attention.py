"""Multi-head attention, from scratch but for the kernel that torch has.

Ashish Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762; grouped queries: Joshua Ainslie et al.,
"GQA", 2023, arXiv:2305.13245. `scaled_dot_product_attention` takes memory that grows linearly with the length, as long
as no probability is dropped on the CPU, where torch has no such kernel with dropout and one with the square is taken.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.kv_cache import KeyValueCache
from zoo.layers.positions import RotaryPositions
from zoo.ranges import PositiveInt, Probability


class MultiHeadAttention(nn.Module):
    """Each place gathers from the places it may see, in several heads side by side.

    A head computes softmax(q kᵀ / √d) v from queries, keys and values, which are linear in the features:

        q = W_q x of the place that gathers, k = W_k x and v = W_v x of the places it gathers from

    The three matrices lie in one, in this order, so that attention of a sequence to itself is one product.

    Args:
        embed_dim: D, width of the features.
        num_heads: H, number of heads; divides `embed_dim`.
        num_kv_heads: G, heads of keys and values, each shared by H / G heads of queries; divides `num_heads`. None for
            as many.
        causal: whether a place sees only those up to itself.
        dropout: probability to drop the weight of a place. On the CPU it costs memory with the square of the length.
        bias: whether the linear layers add one.
        rotary: turns queries and keys by their places; None where the features hold these already.

    Raises:
        ValueError: the heads do not divide the width, or their groups do not divide the heads.
    """

    def __init__(
        self,
        embed_dim: PositiveInt,
        num_heads: PositiveInt,
        *,
        num_kv_heads: PositiveInt | None = None,
        causal: bool = False,
        dropout: Probability = 0.0,
        bias: bool = True,
        rotary: RotaryPositions | None = None,
    ) -> None:
        super().__init__()
        num_kv_heads = num_kv_heads or num_heads
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim}: must be a multiple of num_heads {num_heads}; change one of them")
        if num_heads % num_kv_heads:
            raise ValueError(f"num_heads {num_heads}: must be a multiple of num_kv_heads {num_kv_heads}; change one")
        self.embed_dim, self.head_dim = embed_dim, embed_dim // num_heads
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads
        self.causal, self.dropout, self.rotary = causal, dropout, rotary
        self.qkv = nn.Linear(embed_dim, (num_heads + 2 * num_kv_heads) * self.head_dim, bias=bias)
        self.project = nn.Linear(embed_dim, embed_dim, bias=bias)

    def forward(
        self,
        features: Float[Tensor, "B T D"],
        memory: Float[Tensor, "B S D"] | None = None,
        *,
        mask: Bool[Tensor, "B S"] | None = None,
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """What each place has gathered.

        Args:
            features: the places that gather.
            memory: the places they gather from; None for their own sequence.
            mask: which of these are no padding, at least one of each sequence; None where all are.
            cache: keys and values of what was read before, to which those of this call are added; those of a memory
                are computed with the first call alone.
        """
        if memory is None:
            queries, keys, values = self._of_itself(features, cache)
        else:
            queries, keys, values = self._of_memory(features, memory, cache)
        gathered = self._attend(queries, keys, values, mask)  # (B, H, T, d)
        out: Tensor = self.project(gathered.transpose(1, 2).flatten(2))
        return out

    def _of_itself(self, features: Tensor, cache: KeyValueCache | None) -> tuple[Tensor, Tensor, Tensor]:
        start = 0 if cache is None else cache.length
        projected: Tensor = self.qkv(features)
        heads = projected.view(*features.shape[:2], -1, self.head_dim)  # (B, T, H + 2 G, d)
        groups = self.num_kv_heads
        if self.rotary is None:
            queries, keys, values = torch.split(heads, [self.num_heads, groups, groups], dim=2)
        else:
            turned, values = torch.split(heads, [self.num_heads + groups, groups], dim=2)
            queries, keys = torch.split(self.rotary(turned, start), [self.num_heads, groups], dim=2)
        queries, keys, values = queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2)
        return (queries, keys, values) if cache is None else (queries, *cache.append(keys, values))

    def _of_memory(
        self, features: Tensor, memory: Tensor, cache: KeyValueCache | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        weight, bias = self.qkv.weight, self.qkv.bias
        of_queries, of_memory = slice(None, self.embed_dim), slice(self.embed_dim, None)
        queries = F.linear(features, weight[of_queries], None if bias is None else bias[of_queries])
        queries = queries.view(*features.shape[:2], -1, self.head_dim).transpose(1, 2)
        if cache is not None and cache.length:
            return queries, *cache.read()
        heads = F.linear(memory, weight[of_memory], None if bias is None else bias[of_memory])
        keys, values = heads.view(*memory.shape[:2], -1, self.head_dim).transpose(1, 2).chunk(2, dim=1)
        return (queries, keys, values) if cache is None else (queries, *cache.append(keys, values))

    def _attend(
        self,
        queries: Float[Tensor, "B H T d"],
        keys: Float[Tensor, "B G S d"],
        values: Float[Tensor, "B G S d"],
        mask: Bool[Tensor, "B S"] | None,
    ) -> Float[Tensor, "B H T d"]:
        length, memory_length = queries.shape[2], keys.shape[2]
        grouped = self.num_kv_heads < self.num_heads
        if grouped and length > 1:  # the kernel's own sharing of heads has the square in float32 on CUDA
            keys, values = (part.repeat_interleave(self.num_heads // self.num_kv_heads, 1) for part in (keys, values))
        causal = self.causal and bool(length > 1)  # one place is the last, which sees all
        visible = None if mask is None else mask[:, None, None]  # (B, 1, 1, S)
        if causal and (visible is not None or length < memory_length):
            past = torch.ones(length, memory_length, dtype=torch.bool, device=queries.device)
            past = past.tril(memory_length - length)
            visible, causal = past if visible is None else visible & past, False
        return F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=visible,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=causal,
            enable_gqa=grouped and length == 1,
        )
