"""Recurrent encoder and decoder: one sequence is read, another one is written token by token.

Ilya Sutskever, Oriol Vinyals, Quoc V. Le, "Sequence to Sequence Learning with Neural Networks", 2014, arXiv:1409.3215
(no attention); Dzmitry Bahdanau et al., 2014, arXiv:1409.0473 (additive attention, by the state before a step, whose
result the step reads); Minh-Thang Luong et al., 2015, arXiv:1508.04025 (dot attention, by the state after a step,
without feeding its result to the next one, so that a whole sequence is one call). In all of them the encoder reads in
both directions, and what it gave at both ends is what the decoder starts from; the head reads tanh(W [state; context]).
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from zoo.layers.encoder_attention import AdditiveAttention, DotAttention
from zoo.layers.functional_recurrent import State
from zoo.layers.recurrent import Cell, RecurrentEncoder
from zoo.layers.recurrent_init import RecurrentInit
from zoo.layers.sequence_input import PAD, lengths_of
from zoo.ranges import PositiveInt, Probability

Attention = Literal["additive", "dot", "none"]


class Memory(NamedTuple):
    """What the encoder has read.

    Attributes:
        features: of each place, (B, S, E).
        keys: what the decoder's queries are compared with, (B, S, A); None without attention.
        mask: which places are no padding, (B, S).
        state: what the decoder starts from.
    """

    features: Tensor
    keys: Tensor | None
    mask: Tensor
    state: State


class Seq2Seq(nn.Module):
    """Writes a sequence of tokens for one that it has read.

    Args:
        source_vocab_size: number of tokens that are read, the padding among them.
        target_vocab_size: V, number of tokens that are written, likewise.
        cell: a name that `RecurrentEncoder` knows, of encoder and decoder.
        attention: how the decoder looks back at the source; "none" leaves it what the encoder gave at both ends.
        embed_dim: D, width of the vectors of tokens; None for `hidden_size`.
        hidden_size: H, width of the decoder, and of the encoder in one direction.
        num_layers: number of recurrent layers of each.
        dropout: probability to drop a feature of the vectors, between the layers and before the head.
        init: a scheme that `initialize_recurrent` knows.
        forget_bias: start value of an LSTM's forget gates; None for that of `init`.
    """

    def __init__(
        self,
        source_vocab_size: PositiveInt,
        target_vocab_size: PositiveInt,
        *,
        cell: Cell = "lstm",
        attention: Attention = "additive",
        embed_dim: PositiveInt | None = None,
        hidden_size: PositiveInt = 128,
        num_layers: PositiveInt = 1,
        dropout: Probability = 0.2,
        init: RecurrentInit = "orthogonal",
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__()
        embed_dim = embed_dim or hidden_size
        options = {"cell": cell, "num_layers": num_layers, "dropout": dropout, "init": init, "forget_bias": forget_bias}
        self.source_embedding = nn.Embedding(source_vocab_size, embed_dim, padding_idx=PAD)
        self.target_embedding = nn.Embedding(target_vocab_size, embed_dim, padding_idx=PAD)
        self.encoder = RecurrentEncoder(embed_dim, hidden_size, bidirectional=True, **options)  # type: ignore[arg-type]
        memory_size = self.encoder.output_size
        context_size = memory_size if attention == "additive" else 0
        self.decoder = RecurrentEncoder(embed_dim + context_size, hidden_size, **options)  # type: ignore[arg-type]
        self.num_states = 2 if "lstm" in cell else 1
        self.bridge = nn.Linear(memory_size, self.num_states * num_layers * hidden_size)
        self.attention: AdditiveAttention | DotAttention | None = None
        if attention != "none":
            make = AdditiveAttention if attention == "additive" else DotAttention
            self.attention = make(hidden_size, memory_size)
        self.combine = nn.Linear(hidden_size + (memory_size if self.attention is not None else 0), hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden_size, target_vocab_size)

    def forward(self, source: Int64[Tensor, "B S"], decoder_input: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each one that was written, from those up to it and the whole source."""
        memory = self.encode(source)
        features, _, _ = self._write(decoder_input, memory, memory.state)
        return self._logits(features)

    def encode(self, source: Int64[Tensor, "B S"]) -> Memory:
        """What the decoder writes from."""
        mask = source != PAD
        mask[:, 0] = True  # an empty source is its first place, whatever it is padded to
        features = self.encoder(self.dropout(self.source_embedding(source)), mask)  # (B, S, E)
        keys = None if self.attention is None else self.attention.keys(features)
        return Memory(features, keys, mask, self._first_state(features, mask))

    def decode(
        self, tokens: Int64[Tensor, "B T"], memory: Memory, cache: State | None = None
    ) -> tuple[Float[Tensor, "B V"], State]:
        """Logits of the token after the last one, at a cost that does not depend on what was written before.

        Args:
            tokens: those that follow what `cache` has read; the first of all is the one that begins every text.
            memory: what `encode` has returned.
            cache: what the last call has returned; None at the beginning.

        Returns:
            The logits, and the state that the next call goes on from.
        """
        features, _, state = self._write(tokens, memory, memory.state if cache is None else cache)
        return self._logits(features[:, -1:])[:, 0], state

    def attention_weights(
        self, source: Int64[Tensor, "B S"], decoder_input: Int64[Tensor, "B T"]
    ) -> Float[Tensor, "B T S"] | None:
        """How much each place of the source counts for the token after each one written; None without attention."""
        memory = self.encode(source)
        return self._write(decoder_input, memory, memory.state)[1]

    def layer_groups(self) -> list[list[nn.Module]]:
        """Embedding and layers of the encoder, those of the decoder, and the head."""
        *layers, last = self.encoder.layer_groups()
        *written, final = self.decoder.layer_groups()
        attention: list[nn.Module] = [] if self.attention is None else [self.attention]
        encoder: list[list[nn.Module]] = [[self.source_embedding], *layers, [*last, self.bridge]]
        return [*encoder, [self.target_embedding], *written, [*final, *attention, self.combine], [self.head]]

    def _first_state(self, features: Float[Tensor, "B S E"], mask: Bool[Tensor, "B S"]) -> State:
        size = self.encoder.hidden_size
        last = features[torch.arange(mask.shape[0], device=mask.device), lengths_of(mask) - 1, :size]
        ends = torch.cat([last, features[:, 0, size:]], dim=1)  # (B, E), when each direction has read everything
        states = self.bridge(ends).tanh().view(mask.shape[0], self.num_states, -1, size)  # (B, n, layers, H)
        return tuple(state.transpose(0, 1).contiguous() for state in states.unbind(1))

    def _write(
        self, tokens: Int64[Tensor, "B T"], memory: Memory, state: State
    ) -> tuple[Float[Tensor, "B T F"], Float[Tensor, "B T S"] | None, State]:
        """What the head reads at each place, the weights of attention, and the state after the last place."""
        embedded = self.dropout(self.target_embedding(tokens))  # (B, T, D)
        if isinstance(self.attention, AdditiveAttention):
            return self._write_stepwise(embedded, memory, state)
        outputs, state = self.decoder.run(embedded, state=state)
        if self.attention is None or memory.keys is None:
            return outputs, None, state
        context, weights = self.attention(outputs, memory.features, memory.keys, memory.mask)
        return torch.cat([outputs, context], dim=2), weights, state

    def _write_stepwise(
        self, embedded: Float[Tensor, "B T D"], memory: Memory, state: State
    ) -> tuple[Float[Tensor, "B T F"], Float[Tensor, "B T S"], State]:
        assert self.attention is not None and memory.keys is not None
        features, weights = [], []
        for place in torch.split(embedded, 1, dim=1):
            query = state[0][-1].unsqueeze(1)  # (B, 1, H), the last layer's
            context, weight = self.attention(query, memory.features, memory.keys, memory.mask)
            outputs, state = self.decoder.run(torch.cat([place, context], dim=2), state=state)
            features.append(torch.cat([outputs, context], dim=2))
            weights.append(weight)
        return torch.cat(features, dim=1), torch.cat(weights, dim=1), state

    def _logits(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B T V"]:
        logits: Tensor = self.head(self.dropout(self.combine(features).tanh()))
        return logits
