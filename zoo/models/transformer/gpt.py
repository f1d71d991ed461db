"""GPT: a Transformer that says at each place of a text which token comes next.

Alec Radford et al., "Language Models are Unsupervised Multitask Learners", 2019 (GPT-2). Options of later models:
rotary positions, RMSNorm, SwiGLU and grouped queries, as in Hugo Touvron et al., "Llama 2", 2023, arXiv:2307.09288.
Where we deviate: the head has a bias, and `dropout` leaves the weights of attention alone, since with it the CPU takes
memory with the square of the length; `attention_dropout` is theirs.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from zoo.layers.kv_cache import KeyValueCache
from zoo.layers.positions import LearnedPositions, RotaryPositions
from zoo.layers.tied_linear import TiedLinear
from zoo.layers.transformer_block import TokenNorm, TransformerBlock, initialize_transformer, make_token_norm
from zoo.ranges import PositiveInt, Probability


class GPTCache:
    """What a `GPT` keeps of a text while it continues it.

    Args:
        num_layers: number of blocks.
        context_length: the most tokens it can hold.
    """

    def __init__(self, num_layers: PositiveInt, context_length: PositiveInt) -> None:
        self.layers = [KeyValueCache(context_length) for _ in range(num_layers)]
        self.context_length = context_length
        self.tokens: list[Tensor] = []  # those that the layers hold, in the pieces they came in

    def admit(self, tokens: Int64[Tensor, "B T"]) -> Int64[Tensor, "B S"]:
        """Makes room for tokens; returns those to be read: these and, where the context was full, some before them."""
        if self.length + tokens.shape[1] > self.context_length:
            keep = self.context_length // 2 if self.tokens else self.context_length
            tokens = torch.cat([*self.tokens, tokens], dim=1)[:, -max(keep, 1) :]
            self.tokens = []
            for layer in self.layers:
                layer.clear()
        self.tokens.append(tokens)
        return tokens

    @property
    def length(self) -> int:
        """How many tokens the layers hold."""
        return self.layers[0].length


class GPT(nn.Module):
    """A language model.

    Args:
        vocab_size: V, number of tokens.
        context_length: the most tokens that it reads at once.
        embed_dim: D, width of the features.
        num_layers: number of blocks.
        num_heads: heads of attention; divides `embed_dim`.
        num_kv_heads: heads of keys and values, each shared by several of queries; None for as many.
        positions: "learned" vectors that are added, or "rotary" ones that turn queries and keys.
        norm: "layer" or "rms".
        activation: a name that `make_activation` knows, or "swiglu".
        hidden_size: width within a feed-forward layer; None for 4 D, with "swiglu" 8/3 D.
        tie_embeddings: whether the head uses the weight of the embedding.
        dropout: probability to drop a feature of the embedding, and of what each layer adds.
        attention_dropout: probability to drop the weight of a place; on the CPU it costs memory with the square of the
            length.
        bias: whether linear layers and layer norms add one.
    """

    def __init__(
        self,
        vocab_size: PositiveInt,
        *,
        context_length: PositiveInt,
        embed_dim: PositiveInt = 128,
        num_layers: PositiveInt = 4,
        num_heads: PositiveInt = 4,
        num_kv_heads: PositiveInt | None = None,
        positions: Literal["learned", "rotary"] = "learned",
        norm: TokenNorm = "layer",
        activation: str = "gelu",
        hidden_size: PositiveInt | None = None,
        tie_embeddings: bool = True,
        dropout: Probability = 0.0,
        attention_dropout: Probability = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.context_length = context_length
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        learned = positions == "learned"
        self.positions = LearnedPositions(embed_dim, context_length) if learned else None
        self.dropout = nn.Dropout(dropout)
        rotary = None if learned else RotaryPositions(embed_dim // num_heads)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                embed_dim,
                num_heads,
                num_kv_heads=num_kv_heads,
                causal=True,
                rotary=rotary,
                hidden_size=hidden_size,
                activation=activation,
                norm=norm,
                dropout=dropout,
                attention_dropout=attention_dropout,
                bias=bias,
            )
            for _ in range(num_layers)
        )
        self.norm = make_token_norm(norm, embed_dim, bias=bias)
        self.head = TiedLinear(vocab_size) if tie_embeddings else nn.Linear(embed_dim, vocab_size)
        initialize_transformer(self)

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each place, from the tokens up to it."""
        features = self._embed(tokens)  # (B, T, D)
        for block in self.blocks:
            features = block(features)
        return self._logits(features)

    def decode(
        self, tokens: Int64[Tensor, "B T"], cache: GPTCache | None = None
    ) -> tuple[Float[Tensor, "B V"], GPTCache]:
        """Logits of the token after the last one, from those that are new and what is kept of the others.

        Where the context is full, it goes on with its later half, which is read once more: so the cost of a token is
        the same on average. Of a text that begins longer than the context, the end is read.

        Args:
            tokens: those that follow what `cache` has read.
            cache: what the last call has returned, which this one changes; None at the beginning of a text.

        Returns:
            The logits, and the cache.
        """
        cache = cache or GPTCache(len(self.blocks), self.context_length)
        tokens = cache.admit(tokens)
        features = self._embed(tokens, start=cache.length)
        for block, layer in zip(self.blocks, cache.layers, strict=True):
            features = block(features, caches=(layer,))
        return self._logits(features[:, -1:])[:, 0], cache

    def layer_groups(self) -> list[list[nn.Module]]:
        """The embedding with the positions, each block (the last one with the norm), and the head."""
        *blocks, last = self.blocks
        positions: list[nn.Module] = [] if self.positions is None else [self.positions]
        return [[self.embedding, *positions], *([block] for block in blocks), [last, self.norm], [self.head]]

    def _embed(self, tokens: Int64[Tensor, "B T"], *, start: int = 0) -> Float[Tensor, "B T D"]:
        features: Tensor = self.embedding(tokens)
        if self.positions is not None:
            features = self.positions(features, start)
        dropped: Tensor = self.dropout(features)
        return dropped

    def _logits(self, features: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        features = self.norm(features)
        if isinstance(self.head, TiedLinear):
            return self.head(features, self.embedding.weight)  # type: ignore[no-any-return]
        return self.head(features)  # type: ignore[no-any-return]
