"""What a model writes for a source, token by token: for every model that has an encoder and a decoder."""

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor

from zoo.layers.sequence_input import PAD
from zoo.ranges import PositiveInt


@runtime_checkable
class EncoderDecoder(Protocol):
    """A model that reads one sequence and writes another."""

    def encode(self, source: Tensor) -> Any:
        """Returns what the decoder writes from, for sources (B, S)."""

    def decode(self, tokens: Tensor, memory: Any, cache: Any | None = None) -> tuple[Tensor, Any]:
        """Returns the logits (B, V) of the token after the last of `tokens` (B, T), and what the next call needs."""


@torch.no_grad()
def decode_greedily(
    model: EncoderDecoder, source: Int64[Tensor, "B S"], boundary: Int64[Tensor, " B"], *, max_length: PositiveInt
) -> Int64[Tensor, "B T"]:
    """Writes the most probable token at each place, until every text has ended.

    Args:
        model: in evaluation.
        source: what is read.
        boundary: the token that begins a text and, once it is written, ends it.
        max_length: how many tokens are written at most; the text is cut where it has not ended by then.

    Returns:
        The tokens, those that end the texts among them; behind these stands padding.
    """
    memory, cache = model.encode(source), None
    tokens, ended = boundary, torch.zeros_like(boundary, dtype=torch.bool)
    written = []
    for _ in range(max_length):
        logits, cache = model.decode(tokens.unsqueeze(1), memory, cache)
        logits[:, PAD] = -torch.inf
        tokens = logits.argmax(dim=1)
        written.append(tokens.masked_fill(ended, PAD))
        ended = ended | (tokens == boundary)
        if ended.all():
            break
    return torch.stack(written, dim=1)
