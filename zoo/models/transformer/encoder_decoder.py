"""The Transformer: an encoder reads one sequence, a decoder writes another one token by token.

Ashish Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762. Where we deviate: the norm stands before
each layer, dropout leaves the weights of attention alone, and source and target have embeddings of their own.
"""

from typing import Any, NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor, nn

from zoo.layers.kv_cache import KeyValueCache
from zoo.layers.positions import SinusoidalPositions
from zoo.layers.sequence_input import PAD
from zoo.layers.transformer_block import TokenNorm, TransformerBlock, initialize_transformer, make_token_norm
from zoo.layers.transformer_encoder import TransformerEncoder
from zoo.ranges import PositiveInt, Probability


class Memory(NamedTuple):
    """What the encoder has read.

    Attributes:
        features: of each place, (B, S, D).
        mask: which places are no padding, (B, S).
    """

    features: Tensor
    mask: Tensor


class EncoderDecoder(nn.Module):
    """Writes a sequence of tokens for one that it has read.

    Args:
        source_vocab_size: number of tokens that are read, the padding among them.
        target_vocab_size: V, number of tokens that are written, likewise.
        max_length: the most tokens that are written.
        embed_dim: D, width of the features.
        num_layers: number of blocks of the encoder, and of the decoder.
        num_heads: heads of attention; divides `embed_dim`.
        norm: "layer" or "rms".
        activation: a name that `make_activation` knows, or "swiglu".
        hidden_size: width within a feed-forward layer; None for 4 D, with "swiglu" 8/3 D.
        dropout: probability to drop a feature of the input and of what each layer adds.
    """

    def __init__(
        self,
        source_vocab_size: PositiveInt,
        target_vocab_size: PositiveInt,
        *,
        max_length: PositiveInt = 256,
        embed_dim: PositiveInt = 128,
        num_layers: PositiveInt = 2,
        num_heads: PositiveInt = 4,
        norm: TokenNorm = "layer",
        activation: str = "relu",
        hidden_size: PositiveInt | None = None,
        dropout: Probability = 0.1,
    ) -> None:
        super().__init__()
        self.max_length, self.embed_scale = max_length, embed_dim**0.5
        self.source_embedding = nn.Embedding(source_vocab_size, embed_dim, padding_idx=PAD)
        self.target_embedding = nn.Embedding(target_vocab_size, embed_dim, padding_idx=PAD)
        self.positions = SinusoidalPositions(embed_dim)
        self.dropout = nn.Dropout(dropout)
        options: dict[str, Any] = {"activation": activation, "hidden_size": hidden_size, "dropout": dropout}
        self.encoder = TransformerEncoder(embed_dim, num_heads, num_layers=num_layers, norm=norm, **options)
        self.decoder = nn.ModuleList(
            TransformerBlock(embed_dim, num_heads, has_memory=True, causal=True, norm=norm, **options)
            for _ in range(num_layers)
        )
        self.norm = make_token_norm(norm, embed_dim)
        self.head = nn.Linear(embed_dim, target_vocab_size)
        initialize_transformer(self)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=embed_dim**-0.5)
            nn.init.zeros_(embedding.weight[PAD])

    def forward(self, source: Int64[Tensor, "B S"], decoder_input: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each one that was written, from those up to it and the whole source."""
        return self._write(decoder_input, self.encode(source), None)

    def encode(self, source: Int64[Tensor, "B S"]) -> Memory:
        """What the decoder writes from."""
        mask = source != PAD
        mask[:, 0] = True  # an empty source is its first place, whatever it is padded to
        return Memory(self.encoder(self._embed(self.source_embedding, source), mask), mask)

    def decode(
        self, tokens: Int64[Tensor, "B T"], memory: Memory, cache: list[tuple[KeyValueCache, ...]] | None = None
    ) -> tuple[Float[Tensor, "B V"], list[tuple[KeyValueCache, ...]]]:
        """Logits of the token after the last one, from those that are new and what is kept of the others.

        Args:
            tokens: those that follow what `cache` has read; the first of all is the one that begins every text.
            memory: what `encode` has returned.
            cache: what the last call has returned, which this one changes; None at the beginning.

        Returns:
            The logits, and the cache.
        """
        if cache is None:
            places = memory.features.shape[1]
            cache = [(KeyValueCache(self.max_length + 1), KeyValueCache(places)) for _ in self.decoder]
        return self._write(tokens, memory, cache)[:, -1], cache

    def layer_groups(self) -> list[list[nn.Module]]:
        """The embeddings, the blocks of the encoder, those of the decoder (the last one with the norm), the head."""
        *blocks, last = self.decoder
        embeddings: list[nn.Module] = [self.source_embedding, self.target_embedding]
        decoder = [*([block] for block in blocks), [last, self.norm]]
        return [embeddings, *self.encoder.layer_groups(), *decoder, [self.head]]

    def _embed(self, embedding: nn.Module, tokens: Int64[Tensor, "B T"], start: int = 0) -> Float[Tensor, "B T D"]:
        # As in the paper, section 3.4: beside waves of height 1, vectors that begin small would not be seen.
        scaled = embedding(tokens) * self.embed_scale
        features: Tensor = self.dropout(self.positions(scaled, start))
        return features

    def _write(
        self, tokens: Int64[Tensor, "B T"], memory: Memory, cache: list[tuple[KeyValueCache, ...]] | None
    ) -> Float[Tensor, "B T V"]:
        start = 0 if cache is None else cache[0][0].length
        features = self._embed(self.target_embedding, tokens, start)
        for number, block in enumerate(self.decoder):
            caches = None if cache is None else cache[number]
            features = block(features, memory.features, memory_mask=memory.mask, caches=caches)
        logits: Tensor = self.head(self.norm(features))
        return logits
