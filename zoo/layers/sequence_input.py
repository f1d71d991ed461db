"""What stands before every model of sequences: tokens are embedded, columns of an image are projected."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from zoo.ranges import PositiveInt, Probability

_EMBEDDING_RANGE = 0.1
PAD = 0  # the token that fills a sequence up at its end; no text holds it


class SequenceInput(nn.Module):
    """Turns a batch of any kind into vectors of one width, and says which of them are real.

    Tokens (B, T) are embedded. An image (B, C, H, W), such as a spectrogram, is read column by column, a signal
    (B, C, T) sample by sample; either is projected.

    Args:
        embed_dim: width of the vectors.
        vocab_size: number of tokens, the padding among them; None where no tokens come.
        in_channels: channels of images or signals; None where tokens come.
        image_size: height and width of images, one number where they are equal; the length alone for signals.
        dropout: probability to drop a feature of a vector.

    Raises:
        ValueError: neither tokens nor channels are given, or both.
    """

    def __init__(
        self,
        embed_dim: PositiveInt,
        *,
        vocab_size: PositiveInt | None = None,
        in_channels: PositiveInt | None = None,
        image_size: PositiveInt | Sequence[PositiveInt] | None = None,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if (vocab_size is None) == (in_channels is None):
            raise ValueError(
                f"vocab_size {vocab_size} and in_channels {in_channels}: one of them must be given; "
                "choose data of tokens, or of images or sounds"
            )
        self.embedding = None
        if vocab_size is not None:
            self.embedding = nn.Embedding(vocab_size, embed_dim, padding_idx=PAD)
            # Torch draws from a standard normal, which small data cannot train away.
            nn.init.uniform_(self.embedding.weight, -_EMBEDDING_RANGE, _EMBEDDING_RANGE)
            nn.init.zeros_(self.embedding.weight[PAD])
        self.projection = None
        if in_channels is not None:
            sides = [image_size, image_size] if isinstance(image_size, int) else list(image_size or [1])
            self.projection = nn.Linear(in_channels * (sides[0] if len(sides) == 2 else 1), embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, inputs: Int64[Tensor, "B T"] | Float[Tensor, "B C H T"] | Float[Tensor, "B C T"]
    ) -> tuple[Float[Tensor, "B T D"], Bool[Tensor, "B T"] | None]:
        """Return the vectors, and which of them are no padding: None where all are real."""
        if self.embedding is not None:
            return self.dropout(self.embedding(inputs)), inputs != PAD
        assert self.projection is not None
        columns = inputs.flatten(1, -2).transpose(1, 2)  # (B, T, C * H)
        return self.dropout(self.projection(columns)), None


def lengths_of(mask: Bool[Tensor, "B T"]) -> Int64[Tensor, " B"]:
    """Count the real places of each sequence, at least one, so that an empty one has a place to be read from."""
    return mask.sum(1).clamp(min=1)


def masked_mean(features: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, "B D"]:
    """Average the real places of each sequence; zero where there is none."""
    if mask is None:
        return features.mean(1)
    weights = mask.to(features.dtype).unsqueeze(2)
    return (features * weights).sum(1) / weights.sum(1).clamp(min=1)


def masked_max(features: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, "B D"]:
    """Take the largest value of each feature over the real places; the lowest number where there is none."""
    if mask is not None:
        features = features.masked_fill(~mask.unsqueeze(2), torch.finfo(features.dtype).min)
    return features.amax(1)
